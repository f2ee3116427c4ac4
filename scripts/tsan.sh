#!/usr/bin/env bash
# The window's session, controller and threads under ThreadSanitizer, with a worker that renders nothing. A finding ends it
# with a status that is not 0.   scripts/tsan.sh   (the first time it compiles libraries anew, into build-tsan)
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

"$root/scripts/build.sh" tsan app_gui_threads_test
sanitizer_options
# Another load address of the program would leave no room for the sanitizer's shadow memory.
setarch "$(uname -m)" --addr-no-randomize "$(build_dir tsan)/bin/app_gui_threads_test"
