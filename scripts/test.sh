#!/usr/bin/env bash
# Runs the tests of a build.   scripts/test.sh PRESET [ctest arguments]   The last lines are ctest's own closing lines.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

preset=$1
shift
sanitizer_options
# One thread a test and one test a core: nothing is gained from several threads in each, and they would fight.
export OMP_NUM_THREADS=1
ctest --test-dir "$(build_dir "$preset")" --parallel "$(cores)" --output-on-failure --no-label-summary --no-tests=error "$@"
