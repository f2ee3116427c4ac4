#!/usr/bin/env bash
# How often the demo model draws what it is asked for: renders the 100 pairs of tests/quality/pairs.json with the program,
# looks at the clips, prints a table and writes out/quality/…/{results.csv,results.json,sheet_N.png}.
#   scripts/quality.sh [flags for `sparge generate`]      e.g. --steps 12
# It goes on where it was stopped: clips of the same model and flags are not rendered again.
# Status 1: a bar is missed. Environment: SPARGE_PROGRAM, another build of the program; SPARGE_QUALITY_PAIRS, other pairs
# (tests/quality/swaps.json: green and blue, one the object's colour and one the floor's; tests/quality/stills.json: two objects,
# or a camera that moves).
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

cd "$root"
bin=$(build_dir release)/bin
program=${SPARGE_PROGRAM:-$bin/sparge}
measure=${SPARGE_QUALITY_TOOL:-$bin/toybox_quality}
model=assets/toybox
pairs=${SPARGE_QUALITY_PAIRS:-tests/quality/pairs.json}
for file in "$program" "$measure"; do
  [ -x "$file" ] || fail "$file is not built: run 'make quality'"
done

# What the clips depend on: the model's files, the defaults beside them, the pairs, the flags.
key=$({ find "$model" -name train -prune -o -type f ! -name '*.md' ! -name '*.png' ! -name '*.csv' -print | LC_ALL=C sort |
  xargs sha256sum; printf '%s\n' "$pairs" "$@"; } | sha256sum | cut -c1-8)
out=out/quality/$key
clips=$out/clips
mkdir -p "$clips"
say "clips of this model and these settings are in $out"

# A clip a core, each on one thread: faster than one clip on all cores, above all beside other work.
workers=$(cores)
total=$("$measure" list "$pairs" | wc -l)

# Renders every `workers`-th pair from the `$1`-th on.
render_share() {
  local number seed prompt stamp begun line=0 render=
  trap 'kill "$render" 2>/dev/null; exit 143' TERM
  while IFS=$'\t' read -r -u 3 number seed prompt; do
    line=$((line + 1))
    [ $((line % workers)) = "$1" ] || continue
    stamp=$clips/$number.done
    if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$seed $prompt" ]; then continue; fi
    begun=$SECONDS
    rm -rf "${clips:?}/$number"
    "$program" generate --model "$model" --prompt "$prompt" --seed "$seed" --threads 1 "${flags[@]}" \
      --keep-latents off --overwrite --out "$clips/$number/" >"$out/render.$1.log" 2>&1 </dev/null &
    render=$!
    if ! wait "$render"; then
      cat "$out/render.$1.log" >&2
      return 1
    fi
    printf '%s\n' "$seed $prompt" >"$stamp"
    say "pair $number of $total: $prompt ($((SECONDS - begun)) s)"
  done 3< <("$measure" list "$pairs")
}

flags=("$@")
running=()
for ((worker = 0; worker < workers; worker++)); do
  render_share "$worker" &
  running+=($!)
done
trap 'kill "${running[@]}" 2>/dev/null || true' EXIT
failed=0
for process in "${running[@]}"; do wait "$process" || failed=1; done
trap - EXIT
[ "$failed" = 0 ] || fail "a pair could not be rendered; run again to go on"

"$measure" calibration
"$measure" measure "$pairs" "$clips" "$out" || { [ $? = 1 ] && say "a bar is missed" && exit 1; fail "the clips could not be measured"; }
say "every bar is held; $out/results.csv, $out/sheet_1.png …"
