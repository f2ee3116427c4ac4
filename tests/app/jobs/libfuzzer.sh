#!/usr/bin/env bash
# Runs jobs_fuzz.cpp under libFuzzer and AddressSanitizer: the reader's own sources compiled with clang, the rest from a
# build that is there (clang does not compile the kernels).
#   tests/app/jobs/libfuzzer.sh BUILD_DIR WORK_DIR [libFuzzer's arguments, such as -runs=1000000]
set -euo pipefail
source_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
build=$(cd "$1" && pwd)
work=$2
shift 2
mkdir -p "$work/objects" "$work/corpus"
ninja -C "$build" jobs_fuzz >/dev/null
read -r -a include < <(ninja -C "$build" -t commands jobs_fuzz | grep -m1 'jobs_fuzz.cpp.o -c' | grep -oE -e '-(isystem )[^ ]+' | tr '\n' ' ') || true
flags=(-std=c++20 -g -O1 -DSPARGE_LIBFUZZER "-DSPARGE_SOURCE_DIR=\"$source_dir\"" "-I$source_dir" "${include[@]}")
objects=()
for file in "$source_dir"/tests/app/jobs/jobs_fuzz.cpp "$source_dir"/app/jobs/*.cpp "$source_dir"/app/settings/{yaml,rules,value,layers,text}.cpp; do
  object=$work/objects/$(basename "$(dirname "$file")")_$(basename "$file" .cpp).o
  if [ ! "$object" -nt "$file" ]; then clang++ "${flags[@]}" -fsanitize=fuzzer-no-link,address -c "$file" -o "$object"; fi
  objects+=("$object")
done
libraries=$(ninja -C "$build" -t commands jobs_fuzz | tail -1 | sed 's/.*-o bin\/jobs_fuzz//; s/&& :$//')
# shellcheck disable=SC2086  # one word a library
(cd "$build" && clang++ -fsanitize=fuzzer,address "${objects[@]}" $libraries -fuse-ld=mold -Wl,--allow-shlib-undefined -o "$work/jobs_libfuzzer")
awk -v folder="$work/corpus" '/^--- yaml/ {n++; on=1; next} /^(---|===) / {on=0} on {print > (folder "/case" n ".yaml")}' \
  "$source_dir"/tests/app/jobs/cases/*.txt
exec "$work/jobs_libfuzzer" -max_len=4000 -timeout=60 -rss_limit_mb=4000 "$@" "$work/corpus"
