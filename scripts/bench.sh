#!/usr/bin/env bash
# Times load, encode, step, decode and peak memory of the demo model: ours, and diffusers' on the same folder where there
# is a Python with it.   scripts/bench.sh [flags for `sparge bench pipeline`]
# Environment: SPARGE_PEER_PYTHON, a Python that has torch, diffusers and transformers (tests/golden says which versions).
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

cd "$root"
"$(build_dir release)/bin/sparge" bench pipeline --model assets/toybox "$@"
if [ -n "${SPARGE_PEER_PYTHON:-}" ]; then
  "$SPARGE_PEER_PYTHON" tests/bench/peer_diffusers.py --model assets/toybox "$@"
else
  say "set SPARGE_PEER_PYTHON to a Python with diffusers to time it on the same folder"
fi
