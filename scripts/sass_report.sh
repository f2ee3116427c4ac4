#!/usr/bin/env bash
# What nvcc made of the CUDA kernels: registers, stack, shared memory and main-loop instructions of every kernel in an
# object file or library. Fails where one spills or uses local memory.
#   scripts/sass_report.sh FILE…        (CUOBJDUMP: the program, if it is not on the PATH)
set -euo pipefail
cuobjdump=${CUOBJDUMP:-$(command -v cuobjdump || true)}
[ -n "$cuobjdump" ] || { echo "sass_report: no cuobjdump; set CUOBJDUMP (the triton wheel has one in backends/nvidia/bin)" >&2; exit 2; }
[ $# -gt 0 ] || { echo "usage: scripts/sass_report.sh FILE…" >&2; exit 2; }

status=0
for file in "$@"; do
  "$cuobjdump" --dump-resource-usage "$file" 2>/dev/null | awk -v file="$file" '
    /^arch = |arch = sm_/ { for (i = 1; i <= NF; ++i) if ($i ~ /^sm_/) arch = $i }
    / Function / { name = $2; sub(/:$/, "", name); sub(/^_ZN9attention4cuda7RunBodyINS0_/, "", name); sub(/EEvNT_6ParamsE$/, "", name) }
    /REG:/ {
      match($0, /REG:[0-9]+/); reg = substr($0, RSTART + 4, RLENGTH - 4)
      match($0, /STACK:[0-9]+/); stack = substr($0, RSTART + 6, RLENGTH - 6)
      match($0, /LOCAL:[0-9]+/); local = substr($0, RSTART + 6, RLENGTH - 6)
      printf "%-7s %-40s registers %3d  stack %4d  local %4d%s\n", arch, name, reg, stack, local, (stack + local > 0 ? "  SPILLS" : "")
      if (stack + local > 0) bad = 1
    }
    END { exit bad }' || status=1
  # Every loop with matrix products: its instructions, of the smallest such loop of a kernel.
  "$cuobjdump" -sass "$file" 2>/dev/null | awk '
    /Function : / { if (name != "") Report(); name = $3; sub(/^_ZN9attention4cuda7RunBodyINS0_/, "", name); n = 0; delete at; delete op }
    match($0, /\/\*[0-9a-f]+\*\//) && /;/ {
      address = substr($0, RSTART + 2, RLENGTH - 4); text = substr($0, RSTART + RLENGTH); sub(/^[ \t]+/, "", text)
      sub(/^@!?U?P[0-9T]+[ \t]+/, "", text); split(text, word, /[ \t;.]/); op[n] = word[1]; at[n] = address; place[address] = n
      if (word[1] == "BRA" && match(text, /0x[0-9a-f]+/)) target[n] = substr(text, RSTART + 2, RLENGTH - 2); else target[n] = ""
      ++n
    }
    function Report(   i, j, first, best, best_first, best_last, products, count, line, key, pad) {
      best = 0
      for (i = 0; i < n; ++i) if (target[i] != "") {
        pad = target[i]; while (length(pad) < length(at[i])) pad = "0" pad
        if (!(pad in place) || place[pad] >= i) continue
        first = place[pad]; products = 0
        for (j = first; j <= i; ++j) if (op[j] ~ /MMA$/) ++products
        if (products > 0 && (best == 0 || i - first < best)) { best = i - first; best_first = first; best_last = i }
      }
      if (best == 0) return
      split("", count)
      for (j = best_first; j <= best_last; ++j) ++count[op[j]]
      line = ""
      for (key in count) if (count[key] >= 8) line = line " " key " " count[key]
      printf "  loop of %-38s %5d instructions:%s\n", name, best + 1, line
    }
    END { if (name != "") Report() }' || true
done
exit $status
