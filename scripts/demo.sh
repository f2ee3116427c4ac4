#!/usr/bin/env bash
# Renders three prompts with the demo model to MP4, the first also with dense and with 8-bit attention from the same noise,
# and compares those side by side: out/demo. `make demo` builds first. Without a display or a network. Clips of the same
# program, model and prompt are not rendered again.
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

# name | seed | prompt | flags. The first three have one prompt and one noise.
scenes=(
  "bouncing_sphere|1|a red sphere bouncing on a green floor|--audit --heatmap $out/heatmap.png --out $out/bouncing_sphere.safetensors"
  "dense|1|a red sphere bouncing on a green floor|--attention dense --out $out/dense.safetensors"
  "dense8|1|a red sphere bouncing on a green floor|--attention dense8 --dense-as dense8 --out $out/dense8.safetensors"
  "tumbling_cube|2|a yellow cube tumbling in the air on a gray floor at sunset|"
  "circling_cone|3|a purple cone moving in a circle on a pink floor|"
)

mkdir -p "$out/.made" || fail "cannot write $out"
inputs=$({ sha256sum "$program"; find "$model" -name train -prune -o -type f ! -name '*.md' ! -name '*.png' ! -name '*.csv' -print |
  LC_ALL=C sort | xargs sha256sum; } | sha256sum | cut -c1-16)

# A number out of a sidecar: number KEY FILE. The file is ours, one key a line.
number() { sed -n "s/^ *\"$1\": \([-0-9.e+]*\),\{0,1\}\$/\1/p" "$2" | head -n 1; }

started=$SECONDS
sheet=()
made=0
for scene in "${scenes[@]}"; do
  IFS='|' read -r name seed prompt flags <<<"$scene"
  clip=$out/$name.mp4
  case $name in dense*) ;; *) sheet+=("$prompt" "$clip") ;; esac
  if [ -s "$clip" ] && [ "$(cat "$out/.made/$name" 2>/dev/null)" = "$inputs $seed $prompt $flags" ]; then continue; fi
  say "rendering \"$prompt\"$(case $name in dense*) printf ' with %s attention' "$name" ;; esac)"
  # shellcheck disable=SC2086  # several flags
  "$program" generate --model "$model" --prompt "$prompt" --seed "$seed" --overwrite --out "$clip" $flags </dev/null ||
    { status=$?; printf 'sparge: error: the demo stopped at %s\n' "$clip" >&2; exit "$status"; }
  printf '%s\n' "$inputs $seed $prompt $flags" >"$out/.made/$name"
  made=$((made + 1))
done
if [ "$made" -gt 0 ] || [ ! -s "$out/contact_sheet.png" ]; then
  "$sheet_tool" "$out/contact_sheet.png" 4 "${sheet[@]}"
fi
if [ "$made" -gt 0 ] || [ ! -s "$out/compare/side_by_side.mp4" ]; then
  say "comparing dense, dense8 and sparse from the same noise"
  "$program" compare "$out/dense.mp4" "$out/dense8.mp4" "$out/bouncing_sphere.mp4" --out "$out/compare" --overwrite \
    --progress off >"$out/.made/compare.txt"
fi

if [ "$made" -gt 0 ]; then
  say "$made clips in $((SECONDS - started)) s:"
else
  say "nothing has changed; the clips are here:"
fi
for scene in "${scenes[@]}"; do
  IFS='|' read -r name seed prompt flags <<<"$scene"
  printf '  %-34s %s\n' "$out/$name.mp4" "$prompt$(case $name in dense*) printf ', %s attention' "$name" ;; esac)"
done
printf '  %-34s %s\n' "$out/contact_sheet.png" "the three prompts, every fourth frame" \
  "$out/compare/side_by_side.mp4" "dense, dense8 and sparse side by side" \
  "$out/compare/report.html" "the comparison: curves, differences" "$out/heatmap.png" "what the sparse render skipped, and its error"

printf '\n  %-10s %11s %12s %9s %9s\n' "" "attention s" "denoising s" "speed-up" "skipped"
for mode in dense dense8 sparge; do
  sidecar=$out/$mode.json
  [ "$mode" = sparge ] && sidecar=$out/bouncing_sphere.json
  awk -v mode="$mode" -v share="$(number share_of_time "$sidecar")" -v text="$(number encode_prompt "$sidecar")" \
    -v denoise="$(number denoise "$sidecar")" -v decode="$(number decode "$sidecar")" \
    -v sparsity="$(number sparsity "$sidecar")" -v base="$(number denoise "$out/dense.json")" 'BEGIN {
      printf "  %-10s %11.2f %12.2f %8.2fx %8.1f%%\n", mode, share * (text + denoise + decode), denoise, base / denoise, 100 * sparsity }'
done
cat "$out/.made/compare.txt"
"$program" info "$out/bouncing_sphere.mp4" | sed -n '/^Audit/,$p'
cat <<EOF_NEXT

Next:
  build/bin/sparge generate --model $model --prompt "an orange cylinder getting bigger on a brown floor at night" --out out/mine.mp4
  build/bin/sparge info $model          what the model is; its words: $model/README.md
  build/bin/sparge info $out/bouncing_sphere.mp4    the job that made a clip, and what its attention skipped
  build/bin/sparge generate --help             every setting
  make test                                    the tests
EOF_NEXT
