#!/usr/bin/env bash
# Renders three prompts with the demo model to MP4 and puts them on one contact sheet: out/demo. `make demo` builds first.
# Without a display or a network. Clips of the same program, model and prompt are not rendered again.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

cd "$root"
bin=$(build_dir release)/bin
program=${SPARGE_PROGRAM:-$bin/sparge}
sheet_tool=${SPARGE_SHEET_TOOL:-$bin/contact_sheet}
model=assets/toybox
out=out/demo
[ -x "$program" ] || fail "$program is not built: run 'make demo'"
[ -x "$sheet_tool" ] || "$root/scripts/build.sh" release contact_sheet

# name | seed | prompt
scenes=(
  "bouncing_sphere|1|a red sphere bouncing on a green floor"
  "tumbling_cube|2|a yellow cube tumbling in the air on a gray floor at sunset"
  "circling_cone|3|a purple cone moving in a circle on a pink floor"
)

mkdir -p "$out/.made" || fail "cannot write $out"
inputs=$({ sha256sum "$program"; find "$model" -name train -prune -o -type f ! -name '*.md' ! -name '*.png' ! -name '*.csv' -print |
  LC_ALL=C sort | xargs sha256sum; } | sha256sum | cut -c1-16)

started=$SECONDS
sheet=()
made=0
for scene in "${scenes[@]}"; do
  IFS='|' read -r name seed prompt <<<"$scene"
  clip=$out/$name.mp4
  sheet+=("$prompt" "$clip")
  if [ -s "$clip" ] && [ "$(cat "$out/.made/$name" 2>/dev/null)" = "$inputs $seed $prompt" ]; then continue; fi
  say "rendering \"$prompt\""
  "$program" generate --model "$model" --prompt "$prompt" --seed "$seed" --overwrite --out "$clip" </dev/null ||
    { status=$?; printf 'sparge: error: the demo stopped at %s\n' "$clip" >&2; exit "$status"; }
  printf '%s\n' "$inputs $seed $prompt" >"$out/.made/$name"
  made=$((made + 1))
done
if [ "$made" -gt 0 ] || [ ! -s "$out/contact_sheet.png" ]; then
  "$sheet_tool" "$out/contact_sheet.png" 4 "${sheet[@]}"
fi

if [ "$made" -gt 0 ]; then
  say "$made clips in $((SECONDS - started)) s:"
else
  say "nothing has changed; the clips are here:"
fi
for scene in "${scenes[@]}"; do
  IFS='|' read -r name seed prompt <<<"$scene"
  printf '  %-30s %s\n' "$out/$name.mp4" "$prompt"
done
printf '  %-30s %s\n' "$out/contact_sheet.png" "all three, every fourth frame"
cat <<EOF_NEXT

Next:
  build/bin/sparge generate --model $model --prompt "an orange cylinder getting bigger on a brown floor at night" --out out/mine.mp4
  build/bin/sparge info $model          what the model is; its words: $model/README.md
  build/bin/sparge info $out/bouncing_sphere.mp4    the job that made a clip
  build/bin/sparge generate --help             every setting
  make test                                    the tests
EOF_NEXT
