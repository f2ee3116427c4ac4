# shellcheck shell=bash
# Sourced by the scripts here: where things are, how they talk. No side effects.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${SPARGE_CACHE:-${XDG_CACHE_HOME:-${HOME:-$root/build}/.cache}/sparge-studio}

say() { printf 'sparge: %s\n' "$*"; }
fail() { printf 'sparge: error: %s\n' "$*" >&2; exit 2; }

# The folder with libtorch's include/ and lib/: the user's own, or the one setup.sh keeps in the cache.
torch_root() {
  if [ -n "${SPARGE_TORCH_ROOT:-}" ]; then
    printf '%s\n' "$SPARGE_TORCH_ROOT"
  else
    printf '%s/%s-%s/torch\n' "$cache" "$(sed -n 's/^torch==/torch-/p' "$root/scripts/libtorch.txt")" "$(uname -m)"
  fi
}

torch_is_whole() { [ -f "$1/include/ATen/ATen.h" ] && [ -f "$1/lib/libtorch_cpu.so" ] && [ -f "$1/lib/libc10.so" ]; }

# Where setup.sh keeps NVIDIA's disassembler (scripts/disassembler.txt).
disassembler_home() {
  printf '%s/%s\n' "$cache" "$(sed -n 's/^nvidia-cuda-cuobjdump==/cuobjdump-/p' "$root/scripts/disassembler.txt")"
}

cores() { env -u OMP_NUM_THREADS -u OMP_THREAD_LIMIT nproc; }

# The build folder of a CMake preset.
build_dir() {
  case $1 in
    release) printf '%s/build\n' "$root" ;;
    *) printf '%s/build-%s\n' "$root" "$1" ;;
  esac
}

# What the sanitizers of the `asan` and `tsan` builds stop at; the lists name known findings inside other people's libraries.
sanitizer_options() {
  export ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1:detect_odr_violation=1:allocator_may_return_null=1
  export LSAN_OPTIONS=suppressions=$root/scripts/sanitizers/leak.supp:print_suppressions=0
  export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
  export TSAN_OPTIONS=suppressions=$root/scripts/sanitizers/thread.supp:halt_on_error=1
}
