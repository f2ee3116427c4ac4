#!/usr/bin/env bash
# Times load, encode, step, decode and peak memory of one render with the demo model: ours, and diffusers' on the same
# folder where there is a Python with it; then the window's frames while a clip renders.
#   scripts/bench.sh [more flags for both renders, such as --repeat 5]
# Environment: SPARGE_PEER_PYTHON, a Python with the packages of tests/golden/requirements.txt.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

cd "$root"
model=assets/toybox
render=(--prompt "a red sphere bouncing on a gray floor" --width 128 --height 128 --frames 33 --steps 16 --guidance 4
  --dtype bfloat16)
# diffusers has dense attention: beside it, ours is timed so too, and then as it renders by default.
"$(build_dir release)/bin/sparge" bench pipeline --model "$model" "${render[@]}" --attention dense "$@"
"$(build_dir release)/bin/sparge" bench pipeline --model "$model" "${render[@]}" "$@"
# The window's frames while such a clip renders on the same cores.
"$(build_dir release)/bin/window_bench"
if [ -n "${SPARGE_PEER_PYTHON:-}" ]; then
  say "diffusers on the same folder:"
  "$SPARGE_PEER_PYTHON" tests/bench/peer_diffusers.py "$model" "${render[@]}" "$@"
else
  say "set SPARGE_PEER_PYTHON to a Python with diffusers to time it on the same folder"
fi
