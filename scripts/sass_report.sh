#!/usr/bin/env bash
# What nvcc made of the CUDA kernels, a line a kernel and architecture of every FILE (object, library or program):
# registers, stack and local memory (what spilled), shared memory and blocks on a multiprocessor; for the main kernels
# also the instructions that a tile of 128 queries × 64 keys costs a warp, and the clocks that this implies for a
# multiprocessor. Exit status: 0; 1: something spills or uses local memory; 77: there is no cuobjdump.
#   scripts/sass_report.sh FILE…
#   scripts/sass_report.sh --where      prints the cuobjdump that is used, and nothing where there is none
# cuobjdump and nvdisasm: those of $CUOBJDUMP's folder, else of the PATH, else beside nvcc, else of scripts/setup.sh's cache.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

find_cuobjdump() {
  local nvcc found
  nvcc=$(command -v nvcc || true)
  for found in "${CUOBJDUMP:-}" "$(command -v cuobjdump || true)" "${nvcc:+$(dirname "$(readlink -f "$nvcc")")/cuobjdump}" \
    /usr/local/cuda/bin/cuobjdump "$(disassembler_home)/nvidia/cu13/bin/cuobjdump"; do
    if [ -n "$found" ] && [ -x "$found" ]; then
      echo "$found"
      return
    fi
  done
}

cuobjdump=$(find_cuobjdump)
if [ "${1:-}" = --where ]; then
  echo "$cuobjdump"
  exit
fi
[ $# -gt 0 ] || fail "usage: scripts/sass_report.sh FILE…"
if [ -z "$cuobjdump" ]; then
  say "sass_report: skipped: no cuobjdump (on the PATH, beside nvcc or in $(disassembler_home)); scripts/setup.sh test fetches one"
  exit 77
fi
PATH=$(dirname "$cuobjdump"):$PATH  # it calls nvdisasm
say "sass_report: with $cuobjdump"

# Of both reports below: a readable name, and what a launch asks for beside registers (attend/shared_bytes.h, plan.cpp).
# shellcheck disable=SC2016  # awk's, not the shell's
common_awk='
function ReadName(name,   pv, width) {
  sub(/^_ZN9attention4cuda7RunBodyINS0_[0-9]*/, "", name); sub(/EEvNT_6ParamsE$/, "", name)
  main = 0
  if (name ~ /^AttendILNS0_2PVE/) {
    pv = substr(name, 17, 1) + 0; width = name; sub(/.*ELi/, "", width); sub(/E.*/, "", width)
    main = 1; main_pv = pv; main_width = width + 0
    return (pv == 0 ? "fp16" : pv == 1 ? "e4m3" : "bf16") " " main_width
  }
  if (match(name, /ILi[0-9]+E/)) return substr(name, 1, RSTART - 1) " " substr(name, RSTART + 3, RLENGTH - 4)
  sub(/E$/, "", name)
  return name
}
function SharedOf(pv, width, stages,   bytes, buffers) {
  bytes = 128 * width + stages * (64 * width * (pv == 1 ? 2 : 3) + 16) + 128
  buffers = (width <= 128 ? 4 : 8) * 16 * 72 * 4
  return bytes > buffers ? bytes : buffers
}
function Launch(pv, width, arch,   room, block, share, most, stages) {  # sets stages, shared
  room = arch == "sm_80" ? 164 : arch == "sm_90" ? 228 : 100
  for (share = width <= 128 ? 2 : 1; share >= 1; --share)
    for (stages = 3; stages >= 2; --stages) {
      most = room * 1024 / share - 1024; if (most > (room - 1) * 1024) most = (room - 1) * 1024
      if (SharedOf(pv, width, stages) <= most) { launch_stages = stages; launch_shared = SharedOf(pv, width, stages); return }
    }
  launch_stages = 1; launch_shared = SharedOf(pv, width, 1)
}
function ThreadsOf(width) { return width <= 128 ? 128 : 256 }
function BlocksOf(registers, threads, shared, arch,   by_registers, by_shared, room) {
  by_registers = int(65536 / (int((registers + 7) / 8) * 8 * threads))
  room = arch == "sm_80" ? 164 : arch == "sm_90" ? 228 : 100
  by_shared = int(room * 1024 / (shared + 1024))
  return by_registers < by_shared ? by_registers : by_shared
}'

status=0
for file in "$@"; do
  [ -r "$file" ] || fail "sass_report: cannot read $file"
  "$cuobjdump" --dump-resource-usage "$file" 2>/dev/null | awk "$common_awk"'
    /arch = sm_/ { for (i = 1; i <= NF; ++i) if ($i ~ /^sm_/) arch = $i }
    / Function / { name = $2; sub(/:$/, "", name); name = ReadName(name) }
    /REG:/ {
      match($0, /REG:[0-9]+/); registers = substr($0, RSTART + 4, RLENGTH - 4)
      match($0, /STACK:[0-9]+/); stack = substr($0, RSTART + 6, RLENGTH - 6)
      match($0, /LOCAL:[0-9]+/); in_local = substr($0, RSTART + 6, RLENGTH - 6)
      line = sprintf("%-7s %-14s registers %3d  stack %4d  local %4d", arch, name, registers, stack, in_local)
      if (main) {
        Launch(main_pv, main_width, arch)
        blocks = BlocksOf(registers, ThreadsOf(main_width), launch_shared, arch)
        line = line sprintf("  shared %6d in %d stages  blocks %d of %d warps", launch_shared, launch_stages, blocks, ThreadsOf(main_width) / 32)
      }
      print line (stack + in_local > 0 ? "  SPILLS" : "")
      if (stack + in_local > 0) bad = 1
      ++kernels
    }
    END { if (kernels == 0) print "no kernels"; exit bad }' || status=1

  # The main kernels: the basic blocks that make scores, and those of one of the two copies of the rest, which is the one
  # without masks (masking compares with -0x80000000); little blocks, of fetching and voting, are left out. Clocks of a multiprocessor for the tile, by pipe: 4 warp instructions a clock are issued;
  # MUFU 16 lanes, ALU 64, FMA 128, ldmatrix 512 bytes in 4 clocks; products as mma.sync reaches them (H200: measured,
  # README.md; the others: NVIDIA'\''s tables, GeForce for sm_89 and sm_120), multiply-adds a clock.
  "$cuobjdump" -sass "$file" 2>/dev/null | awk "$common_awk"'
    /arch = sm_/ { Report(); n = 0; for (i = 1; i <= NF; ++i) if ($i ~ /^sm_/) arch = $i }
    /code for sm_/ { Report(); n = 0; arch = $NF }
    /Function : / { Report(); symbol = $3; n = 0; split("", op); split("", target); split("", place); split("", mask); split("", at) }
    match($0, /\/\*[0-9a-f]+\*\//) && /;/ {
      address = substr($0, RSTART + 2, RLENGTH - 4); text = substr($0, RSTART + RLENGTH); sub(/^[ \t]+/, "", text)
      sub(/^@!?U?P[0-9T]+[ \t]+/, "", text); split(text, word, /[ \t;]/); op[n] = word[1]; at[n] = address; place[address] = n
      mask[n] = text ~ /-0x80000000/; target[n] = ""
      if (word[1] ~ /^BRA/ && match(text, /0x[0-9a-f]+/)) target[n] = substr(text, RSTART + 2, RLENGTH - 2)
      ++n
    }
    function Report(   i, j, name, last, products, product, middle, end, from, to, scores, masked, hot, pad, lead, count, key, line, total, warps, kind, cost, clocks, most, warp_clocks) {
      if (n == 0) return
      name = ReadName(symbol)
      if (!main) return
      split("", lead); lead[0] = 1
      for (i = 0; i < n; ++i) {
        if (target[i] != "") { pad = target[i]; while (length(pad) < length(at[i])) pad = "0" pad; if (pad in place) lead[place[pad]] = 1 }
        if (op[i] ~ /^(BRA|EXIT|RET|BSYNC|CALL|BAR)/) lead[i + 1] = 1
      }
      last = -1; products = 0
      for (i = 0; i < n; ++i) { if (op[i] ~ /^IMMA/) last = i; else if (op[i] ~ /MMA/) product[++products] = i }
      middle = product[int(products / 2)]; end = product[products]; masked = 0
      for (i = last + 1; i <= end; ++i) if (mask[i]) masked += i <= middle ? 1 : -1
      from = masked > 0 ? middle + 1 : last + 1; to = masked > 0 ? end : middle
      split("", count); total = 0
      for (i = 0; i < n; i = j) {
        scores = 0; hot = 0
        for (j = i; j == i || (j < n && !(j in lead)); ++j) {
          if (op[j] ~ /^IMMA/) scores = 1
          if (j >= from && j <= to && op[j] ~ /MMA|MNMX/) ++hot
        }
        if (!scores && hot < 8) continue
        for (; i < j; ++i) { kind = op[i]; sub(/\..*/, "", kind); if (kind == "NOP") continue; ++count[kind]; ++total }
      }
      warps = ThreadsOf(main_width) / 32
      split("", clocks)
      for (key in count) {
        cost = 0
        if (key == "IMMA") { kind = "tensor"; cost = 4096 / (arch == "sm_90" ? 2660 : arch == "sm_80" ? 2048 : 1024) }
        else if (key == "HMMA") { kind = "tensor"; cost = 2048 / (arch == "sm_90" ? 1377 : arch == "sm_80" ? 1024 : 256) }
        else if (key == "QMMA") { kind = "tensor"; cost = 4096 / 512 }
        else if (key == "MUFU" || (key == "I2F" && arch == "sm_80")) { kind = "mufu"; cost = 2 }
        else if (key ~ /^(FFMA|FMUL|FADD|IMAD)$/) { kind = "fma"; cost = 0.25 }
        else if (key == "LDSM") { kind = "shared"; cost = 4 }
        else if (key ~ /^(LDS|STS)$/) { kind = "shared"; cost = 1 }
        else { kind = "alu"; cost = 0.5 }
        clocks[kind] += count[key] * cost * warps
      }
      clocks["issue"] = total * warps / 4
      line = ""; most = "issue"
      split("tensor mufu alu fma shared issue", order, " ")
      for (i = 1; i <= 6; ++i) { key = order[i]; line = line sprintf(" %s %d", key, clocks[key]); if (clocks[key] > clocks[most]) most = key }
      printf "%-7s %-9s tile: clocks%s; bound by %s;", arch, name, line, most
      split("IMMA HMMA QMMA LDSM I2FP I2F FFMA FMUL FADD MUFU F2FP IMNMX VIMNMX VIMNMX3 SHFL FSEL LDS", order, " ")
      for (i = 1; i in order; ++i) if (order[i] in count) printf " %s %d", order[i], count[order[i]]
      printf " all %d\n", total
    }
    END { Report() }'
done
exit $status
