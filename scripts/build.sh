#!/usr/bin/env bash
# Configures (the first time) and builds.   scripts/build.sh PRESET TARGET…   (presets: CMakePresets.json)
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

preset=$1
shift
dir=$(build_dir "$preset")
torch=$(torch_root)

# One job a core, but no more than memory has room for: a file that includes ATen takes 1.5 GB to compile.
cores=$(cores)
fit=$(awk '/^MemAvailable/ {print int($2 / 1572864)}' /proc/meminfo)
jobs=$((fit < 1 ? 1 : fit < cores ? fit : cores))

# Two clones compile the same files at different paths: let ccache see them as equal.
export CCACHE_BASEDIR=$root CCACHE_NOHASHDIR=1
sanitizer_options  # test programs run once while building, to list their cases

cd "$root"
configured_as() { grep -qxF "$1" "$dir/CMakeCache.txt" 2>/dev/null; }
if [ ! -f "$dir/build.ninja" ] || ! configured_as "SPARGE_TORCH_ROOT:PATH=$torch" || ! configured_as "CMAKE_HOME_DIRECTORY:INTERNAL=$root"; then
  mkdir -p "$dir" 2>/dev/null || fail "cannot write the build folder $dir"
  cmake --fresh --preset "$preset" -DSPARGE_TORCH_ROOT="$torch" >"$dir/configure.log" ||
    fail "configuring failed: the lines above and ${dir#"$root"/}/configure.log say why"
fi
cmake --build "$dir" --parallel "$jobs" --target "$@"
