#!/usr/bin/env bash
# Makes a machine able to build: Debian packages (scripts/packages.txt) and libtorch (scripts/libtorch.txt).
#   scripts/setup.sh [GOAL]      says what GOAL (a make target) needs, then installs what is missing, and only that
#   scripts/setup.sh --torch-root   prints where libtorch is or will be
# A second run finds everything in place: no network, nothing written. Environment:
#   SPARGE_CACHE          where libtorch is kept, shared by all clones (default: $XDG_CACHE_HOME or ~/.cache, /sparge-studio)
#   SPARGE_TORCH_ROOT     a libtorch of your own (a folder with include/ and lib/); nothing is fetched then
#   SPARGE_SKIP_PACKAGES  1: leave the system's packages alone (for systems that are not Debian)
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# Measured on Debian 12 with 2 cores, rounded up; GB are 10^9 bytes.
packages_gb=1
libtorch_gb=4
libtorch_peak_gb=7   # wheels and their contents side by side while it installs
setup_minutes=3

# What a goal adds: "GB in the clone | GB of memory | minutes the first time | minutes again | what it does".
goal_needs() {
  case $1 in
    demo) echo "1|3|6|3|builds the program and renders three clips" ;;
    test) echo "1|4|8|3|builds everything and runs the tests" ;;
    check) echo "1|4|7|1|builds everything and runs the fast tests" ;;
    test-long) echo "8|8|45|25|builds everything twice and runs every test, the training of the demo model, ASan, UBSan and TSan among them" ;;
    test-tsan) echo "1|3|12|1|builds the window's libraries with TSan and runs their threads" ;;
    test-asan) echo "2|6|15|4|builds everything with ASan and UBSan and runs the tests" ;;
    quality) echo "1|3|60|60|renders 100 clips with the demo model and measures them" ;;
    bench) echo "1|3|6|2|builds the program and times it" ;;
    *) echo "1|3|4|1|builds the program" ;;
  esac
}

missing_packages() {
  [ "${SPARGE_SKIP_PACKAGES:-0}" != 1 ] || return 0
  command -v dpkg-query >/dev/null ||
    fail "this is not a Debian-like system: install the equivalents of scripts/packages.txt, then run with SPARGE_SKIP_PACKAGES=1"
  local wanted have
  wanted=$(sed 's/#.*//' "$root/scripts/packages.txt" | tr -s ' \t' '\n' | sed '/^$/d' | sort -u)
  # shellcheck disable=SC2086  # one word a package
  have=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' $wanted 2>/dev/null | sed -n 's/^installed //p' | sort -u) || true
  comm -23 <(echo "$wanted") <(echo "$have")
}

# need_free FOLDER GB WHAT: the folder's file system (or that of its nearest existing parent) has so much room.
need_free() {
  local folder=$1 free_mb
  while [ ! -d "$folder" ]; do folder=$(dirname "$folder"); done
  free_mb=$(df -Pm "$folder" | awk 'NR == 2 {print $4}')
  [ "$free_mb" -ge $(($2 * 954)) ] ||
    fail "not enough disk: $3 needs $2 GB in $1, which has $(awk "BEGIN {printf \"%.1f\", $free_mb * 1.048576 / 1000}") GB free"
}

# The line of a log that says most about why its command failed.
reason() {
  grep -m1 -oE 'No space left.*|Temporary failure (in name resolution|resolving [^ ]+)|Could not (resolve|connect).*|Name or service not known|Network is unreachable' "$1" ||
    grep -E '^(E:|ERROR:)' "$1" | tail -n 1 || tail -n 1 "$1"
}

install_packages() {
  local packages=("$@") as_root=() log
  command -v apt-get >/dev/null || fail "there is no apt-get here: install ${packages[*]} by hand"
  if [ "$(id -u)" != 0 ]; then
    if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
      as_root=(sudo -n)
    else
      fail "system packages are missing and need root: run 'sudo apt-get install --no-install-recommends ${packages[*]}', then make again"
    fi
  fi
  mkdir -p "$root/build"
  log=$root/build/setup-packages.log
  say "installing ${#packages[@]} system packages and what they depend on (log: build/setup-packages.log)"
  local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=600)
  # A package list that cannot be refreshed is no reason to stop: what is wanted may be there all the same.
  { "${apt[@]}" update || true; "${apt[@]}" install -y --no-install-recommends "${packages[@]}"; } >"$log" 2>&1 </dev/null ||
    fail "system packages could not be installed; is there a network? apt-get says: $(reason "$log")"
}

# A Python whose pip works: the system's first, for a version manager's may come without one.
find_pip() {
  local python
  for python in /usr/bin/python3 python3; do
    if command -v "$python" >/dev/null && "$python" -m pip --version >/dev/null 2>&1; then
      echo "$python"
      return
    fi
  done
  fail "no python3 with pip, which fetches libtorch: install python3-pip, or set SPARGE_TORCH_ROOT to a libtorch of yours"
}

# Into a sibling first, renamed when whole; one process at a time for all clones that share the cache.
install_libtorch() {
  local home=$1 python partial log
  mkdir -p "$cache" 2>/dev/null || fail "cannot write the cache folder $cache: set SPARGE_CACHE to one that you can write"
  exec 9>"$cache/.lock" || fail "cannot write the cache folder $cache: set SPARGE_CACHE to one that you can write"
  flock -n 9 || { say "waiting for another clone that is installing libtorch"; flock 9; }
  if torch_is_whole "$home/torch"; then return; fi
  need_free "$cache" "$libtorch_peak_gb" "installing libtorch"
  python=$(find_pip)
  rm -rf "$home".partial.*
  partial=$home.partial.$$
  log=$cache/setup-libtorch.log
  mkdir -p "$partial/tmp"
  # shellcheck disable=SC2064  # now, not then
  trap "rm -rf '$partial'" EXIT
  say "installing libtorch into $home (log: $log)"
  TMPDIR=$partial/tmp PIP_USER=0 PIP_REQUIRE_VIRTUALENV=0 "$python" -m pip install --no-deps --no-cache-dir --no-compile \
    --no-input --only-binary=:all: --disable-pip-version-check --progress-bar off --root-user-action=ignore \
    --target "$partial/site" -r "$root/scripts/libtorch.txt" >"$log" 2>&1 </dev/null 9>&- ||
    fail "libtorch could not be installed; is there a network? pip says: $(reason "$log")"
  torch_is_whole "$partial/site/torch" || fail "the torch package for this machine ($(uname -m)) has no C++ headers or libraries"
  rm -rf "$home"
  mv "$partial/site" "$home"
  rm -rf "$partial"
  trap - EXIT
  exec 9>&-
}

# For the test that no CUDA kernel spills, where there is an nvcc that came without a disassembler (PyPI's does). The test is
# skipped, with the reason, where this fails.
install_disassembler() {
  local home python
  { command -v nvcc || [ -x /usr/local/cuda/bin/nvcc ]; } >/dev/null || return 0
  [ -z "$("$root/scripts/sass_report.sh" --where)" ] || return 0
  home=$(disassembler_home)
  mkdir -p "$cache"
  python=$(find_pip 2>/dev/null) || {
    say "no pip to fetch cuobjdump with: the test of the kernels' machine code will be skipped"
    return 0
  }
  say "fetching cuobjdump and nvdisasm (2 MB) into $home"
  rm -rf "$home".partial.*
  if PIP_USER=0 PIP_REQUIRE_VIRTUALENV=0 "$python" -m pip install --no-deps --no-cache-dir --no-input --only-binary=:all: \
    --disable-pip-version-check --progress-bar off --root-user-action=ignore --target "$home.partial.$$" \
    -r "$root/scripts/disassembler.txt" >"$cache/setup-disassembler.log" 2>&1 </dev/null; then
    mv -T "$home.partial.$$" "$home" 2>/dev/null || rm -rf "$home.partial.$$"  # another clone was faster
  else
    rm -rf "$home.partial.$$"
    say "they could not be fetched ($(reason "$cache/setup-disassembler.log")): the test of the kernels' machine code will be skipped"
  fi
}

if [ "${1:-}" = --torch-root ]; then
  torch_root
  exit
fi

command -v "${CXX:-c++}" >/dev/null || fail "there is no C++ compiler (${CXX:-c++}): install g++ 12 or newer"
goal=${1:-build}
IFS='|' read -r goal_gb memory_gb first_minutes again_minutes what <<<"$(goal_needs "$goal")"
torch=$(torch_root)
missing=$(missing_packages)
read -r -d '' -a packages <<<"$missing" || true
need_torch=0
if ! torch_is_whole "$torch"; then
  [ -z "${SPARGE_TORCH_ROOT:-}" ] || fail "SPARGE_TORCH_ROOT=$SPARGE_TORCH_ROOT holds no libtorch (include/ATen/ATen.h, lib/libtorch_cpu.so)"
  need_torch=1
fi

if [ ${#packages[@]} = 0 ] && [ $need_torch = 0 ]; then
  say "make $goal $what: packages and libtorch are there; about $first_minutes minutes on 2 cores when nothing is built, $again_minutes when all is"
else
  needs="$goal_gb GB here"
  [ $need_torch = 0 ] || needs="$libtorch_gb GB for libtorch in $cache ($libtorch_peak_gb while it installs), $needs"
  [ ${#packages[@]} = 0 ] || needs="$packages_gb GB for ${#packages[@]} system packages (as root), $needs"
  say "make $goal $what. It needs a network, $needs, $memory_gb GB of memory, and about $((first_minutes + setup_minutes)) minutes on 2 cores (afterwards $again_minutes)"
fi

memory_mb=$(awk '/^MemTotal/ {print int($2 / 1024)}' /proc/meminfo)
[ "$memory_mb" -ge $((memory_gb * 900)) ] ||
  say "warning: this machine has $((memory_mb / 1000)) GB of memory; $memory_gb GB are needed, so the build may be killed"
[ -d "$root/build/bin" ] || need_free "$root" "$goal_gb" "the build"
if [ ${#packages[@]} != 0 ]; then
  need_free /usr "$packages_gb" "installing system packages"
  install_packages "${packages[@]}"
fi
[ $need_torch = 0 ] || install_libtorch "$(dirname "$torch")"
case $goal in test | check | test-long) install_disassembler ;; esac
