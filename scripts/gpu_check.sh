#!/usr/bin/env bash
# Everything there is to check and measure on an NVIDIA GPU, in one command and within nine minutes, correctness first:
# the attention library, and renders of random models through the pipeline. For a machine that has a driver, a Python with
# torch 2.11 (for its libraries) and, to build, nvcc 13, CMake and ninja; nothing else of this project's packages, no network.
#   scripts/gpu_check.sh [--out DIR] [--bin DIR] [--torch DIR] [--only PART,PART…] [--seconds N] [--again]
#     --out      where logs go (default: build-gpu); parts that passed there are not run again, unless with --again
#     --bin      programs built before: gpu_check, gpu_door, gpu_product, emulator_cases (default: built in OUT/build)
#     --torch    libtorch's folder, with lib/ (default: $SPARGE_TORCH_ROOT, else that of python3's torch)
#     --only     these parts alone: examples kernels door memcheck synccheck initcheck racecheck anchors table product cross
#                counters
#     --seconds  for all of it, the build too (default: 540); what finds no time left is for the next call
# Ends with a table, and exits with 0 where every part that ran passed, 1 where one failed, 2 where nothing could run.
set -uo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# name | seconds it may take | what it shows
parts='examples|15|the worked examples of the CUDA emulator
kernels|90|every kernel against the reference, INT32 scores, error bounds
door|30|attention through libtorch tensors against the CPU
memcheck|55|compute-sanitizer: bad accesses
synccheck|30|compute-sanitizer: barriers
initcheck|30|compute-sanitizer: reads of what was never written
racecheck|55|compute-sanitizer: shared-memory hazards (README.md of attention/cuda says what it reports without cause)
anchors|30|what libtorch reaches on this machine
table|120|times beside cuDNN and flash
product|170|renders of random models: dense, dense8, sparse
cross|40|dense and dense8 at the sizes of cross-attention
counters|30|ncu of the main kernel'

out=$root/build-gpu bin='' torch='' only='' seconds=540 again=0
while [ $# -gt 0 ]; do
  case $1 in
    --out | --bin | --torch | --only | --seconds)
      [ $# -gt 1 ] || fail "gpu_check: $1 needs a value"
      printf -v "${1#--}" '%s' "$2"
      shift 2
      ;;
    --again) again=1; shift ;;
    -h | --help) sed -n '2,/^set /s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 0 ;;
    *) fail "gpu_check: unknown argument '$1' (--out, --bin, --torch, --only, --seconds, --again)" ;;
  esac
done
[[ $seconds =~ ^[1-9][0-9]{0,5}$ ]] || fail "gpu_check: --seconds is '$seconds', expected a whole number above 0"
SECONDS=0
for part in ${only//,/ }; do
  grep -q "^$part|" <<<"$parts" ||
    fail "gpu_check: there is no part '$part'; there are: $(cut -d'|' -f1 <<<"$parts" | tr '\n' ' ')"
done

gpu=$(nvidia-smi --query-gpu=name,compute_cap,driver_version --format=csv,noheader 2>/dev/null | head -n 1) || true
[ -n "$gpu" ] ||
  fail "gpu_check: no NVIDIA GPU here (nvidia-smi finds none); this script is for a machine that has one"
capability=$(cut -d, -f2 <<<"$gpu" | tr -d ' .')
torch=${torch:-${SPARGE_TORCH_ROOT:-}}
[ -n "$torch" ] || torch=$(python3 -c 'import os, torch; print(os.path.dirname(torch.__file__))' 2>/dev/null) ||
  fail "gpu_check: no libtorch: python3 has no torch; pass --torch DIR"
[ -f "$torch/lib/libtorch_cuda.so" ] || fail "gpu_check: $torch/lib has no libtorch_cuda.so: a torch with CUDA is needed"
mkdir -p "$out" || fail "gpu_check: cannot write $out"
out=$(cd "$out" && pwd)

program_of() {
  case $1 in
    examples) echo emulator_cases ;;
    door | anchors | table | cross) echo gpu_door ;;
    product) echo gpu_product ;;
    racecheck) echo emulator_cases gpu_check ;;
    *) echo gpu_check ;;
  esac
}
mapfile -t programs < <(while IFS='|' read -r part _; do
  if [ -z "$only" ] || [[ ",$only," == *",$part,"* ]]; then program_of "$part"; fi
done <<<"$parts" | tr ' ' '\n' | sort -u)

if [ -z "$bin" ]; then
  bin=$out/build/bin
  say "building for sm_$capability (log: $out/build.log)"
  { timeout "$seconds" cmake -S "$root/attention" -B "$out/build" -G Ninja -DSPARGE_GPU_CHECK=ON -DSPARGE_TORCH_ROOT="$torch" \
    -DSPARGE_CUDA_ARCHS="$capability-real" &&
    timeout "$seconds" cmake --build "$out/build" --target "${programs[@]}"; } >"$out/build.log" 2>&1 ||
    fail "gpu_check: the build failed: $(grep -m1 -E 'error|Error' "$out/build.log" || tail -n 1 "$out/build.log")"
  say "built in $SECONDS s"
fi
for program in "${programs[@]}"; do
  [ -x "$bin/$program" ] || fail "gpu_check: no program $program in $bin"
done
libraries=$torch/lib
for folder in "$(dirname "$torch")"/nvidia/*/lib; do libraries=$libraries:$folder; done
export LD_LIBRARY_PATH=$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}

# Both run in a shell of their own, under `timeout`.
# shellcheck disable=SC2317
sanitizer() {  # sanitizer TOOL FLAGS… PROGRAM…
  command -v compute-sanitizer >/dev/null || { echo "no compute-sanitizer on the PATH"; return 77; }
  local tool=$1
  shift
  compute-sanitizer --tool "$tool" --error-exitcode 9 --print-limit 40 "$@"
}
# shellcheck disable=SC2317
run_part() {
  case $1 in
    examples) "$bin/emulator_cases" ;;
    kernels) "$bin/gpu_check" check 1000 ;;
    door) "$bin/gpu_door" check ;;
    memcheck) sanitizer memcheck "$bin/gpu_check" once 1 ;;
    synccheck) sanitizer synccheck "$bin/gpu_check" once 2 ;;
    initcheck) sanitizer initcheck "$bin/gpu_check" once 2 ;;
    # Two loops of the same kind, one with barriers of half the block: where the tool reports the second alone, it has lost
    # count. Then the kernels, whose hazards are listed and counted, not held against them.
    racecheck)
      sanitizer racecheck --racecheck-report all "$bin/emulator_cases"
      local examples=$?
      sanitizer racecheck --racecheck-report all "$bin/gpu_check" once 5
      local kernels=$?
      echo "racecheck: the emulator's examples: exit $examples, the kernels: exit $kernels (9: hazards reported)"
      [ "$examples" != 77 ] || return 77
      [ "$examples" = 0 ] || [ "$examples" = 9 ] || return 1
      [ "$kernels" = 0 ] || [ "$kernels" = 9 ]
      ;;
    anchors) "$bin/gpu_door" anchors ;;
    table) "$bin/gpu_door" table ;;
    product) "$bin/gpu_product" ;;
    cross) "$bin/gpu_door" cross ;;
    counters)
      command -v ncu >/dev/null || { echo "no ncu on the PATH"; return 77; }
      ncu --clock-control none --section SpeedOfLight --section Occupancy --section WarpStateStats \
        --section ComputeWorkloadAnalysis \
        --kernel-name-base demangled --kernel-name regex:Attend --launch-skip 2 --launch-count 1 "$bin/gpu_check" bench auto:sparge:12:16384:128:0.5:0:-7
      ;;
  esac
}

say "$gpu; programs of $bin; logs in $out"
nvidia-smi --query-gpu=timestamp,clocks.sm,clocks.mem,power.draw,temperature.gpu --format=csv,noheader -l 1 >>"$out/clocks.log" 2>/dev/null &
clocks=$!
trap 'kill $clocks 2>/dev/null' EXIT

summary='' status=0 ran=0
while IFS='|' read -r part limit what; do
  if [ -n "$only" ] && [[ ",$only," != *",$part,"* ]]; then continue; fi
  if [ $again = 0 ] && [ "$(head -c 4 "$out/$part.result" 2>/dev/null)" = pass ]; then
    summary+="$part|$(cat "$out/$part.result") (before)|$what"$'\n'
    continue
  fi
  start=$SECONDS left=$((seconds - SECONDS))
  if [ $left -lt 10 ]; then
    summary+="$part|no time left|$what"$'\n'
    continue
  fi
  [ $left -gt "$limit" ] || limit=$left
  export -f run_part sanitizer
  export bin
  timeout --kill-after 5 "$limit" bash -c "run_part $part" >"$out/$part.log" 2>&1
  code=$?
  case $code in
    0) result=pass ;;
    77) result="not run: $(tail -n 1 "$out/$part.log")" ;;
    124 | 137) result="cut off after $limit s" ;;
    *) result="FAIL ($code)" ;;
  esac
  # Times that were cut off still are times; a check that was cut off has shown nothing.
  case $part:$code in anchors:124 | table:124 | product:124 | cross:124 | *:0 | *:77) ;; *) status=1 ;; esac
  ran=$((ran + 1))
  echo "$result, $((SECONDS - start)) s" >"$out/$part.result"
  say "$part: $(cat "$out/$part.result")"
  summary+="$part|$(cat "$out/$part.result")|$what"$'\n'
done <<<"$parts"
kill $clocks 2>/dev/null

for part in anchors table product cross; do
  if [ -s "$out/$part.log" ]; then printf '\n== %s ==\n' "$part"; cat "$out/$part.log"; fi
done
if [ -s "$out/counters.log" ]; then printf '\n== counters ==\n'; grep -E 'Throughput|Registers|Occupancy|Issue|Executed Ipc|Duration|L2 Hit' "$out/counters.log"; fi
if [ -s "$out/racecheck.log" ]; then printf '\n== racecheck ==\n'; grep -E 'RACECHECK SUMMARY|^racecheck:' "$out/racecheck.log"; fi
printf '\n== %s ==\n' "$gpu"
awk -F', ' '{ sub(/ MHz/, "", $2); sub(/ W/, "", $4); sm[n] = $2 + 0; if ($4 + 0 > power) power = $4 + 0; ++n; if ($2 + 0 > most) most = $2 + 0 }
  END { if (n == 0) exit; least = most; for (i in sm) if (sm[i] > 0 && sm[i] < least && sm[i] > most / 2) least = sm[i]
        printf "SM clock %d to %d MHz under load, at most %d W\n", least, most, power }' "$out/clocks.log"
while IFS='|' read -r part result what; do [ -z "$part" ] || printf '%-10s %-24s %s\n' "$part" "$result" "$what"; done <<<"$summary"
[ $ran -gt 0 ] || [ -n "$summary" ] || exit 2
exit $status
