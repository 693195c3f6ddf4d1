#!/usr/bin/env bash
# Builds the codec's tests and host programs into build/umg1 (or build/umg1-sanitized); only what changed is compiled.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: tests/firmware/umg1/build.sh [--sanitize | --fuzz] [PROGRAM...]

  --sanitize   with AddressSanitizer and UndefinedBehaviorSanitizer
  --fuzz       only umg1_fuzz, with clang and libFuzzer

Programs: umg1_tests (needs libgtest-dev) umg1_encode umg1_decode umg1_writer umg1_vectors; all but umg1_fuzz by default.
Prints the folder they are in.
TEXT
}

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
mode=plain
programs=()
for argument in "$@"; do
  case $argument in
    --sanitize) mode=sanitized ;;
    --fuzz) mode=fuzz ;;
    -h | --help) usage && exit 0 ;;
    -*) usage >&2 && exit 2 ;;
    *) programs+=("$argument") ;;
  esac
done
[[ ${#programs[@]} -gt 0 ]] || programs=(umg1_tests umg1_encode umg1_decode umg1_writer umg1_vectors)

compiler=${CXX:-g++}
strict=(-std=c++20 -Wall -Wextra -Wconversion -Wshadow -Werror -I"$root" -MMD)
case $mode in
  plain) strict+=(-O2) && build=$root/build/umg1 ;;
  sanitized) strict+=(-O1 -g "-fsanitize=address,undefined" -fno-sanitize-recover=all) && build=$root/build/umg1-sanitized ;;
  fuzz)
    compiler=${CLANGXX:-clang++}
    strict+=(-O1 -g "-fsanitize=fuzzer,address,undefined" -fno-sanitize-recover=all)
    build=$root/build/umg1-fuzz
    programs=(umg1_fuzz)
    ;;
esac
mkdir -p "$build"
exec 9>"$build/.lock" && flock 9 # one build at a time

# What goes to the ESP32 is compiled as it is there: no exceptions, no run-time types.
firmware=(-fno-exceptions -fno-rtti)
link=()
sources=("$root"/esphome/components/microgrid_core/umg1_*.cpp)
for program in "${programs[@]}"; do
  case $program in
    umg1_tests) sources+=("$root"/tests/firmware/umg1/*_test.cpp) ;;
    *) sources+=("$root/tests/firmware/umg1/$program.cpp") ;;
  esac
done

compile_one() {
  local source=$1 object
  object=$build/$(basename "${source%.cpp}").o
  local flags=("${strict[@]}")
  [[ $source != *_core/* ]] || flags+=("${firmware[@]}")
  "$compiler" "${flags[@]}" -c "$source" -o "$object.new" && mv "$object.new" "$object"
}

# An object is current when nothing that its dependency file names is newer.
is_current() {
  local object=$1 file
  [[ -f $object && -f ${object%.o}.o.d ]] || return 1
  while read -r file; do
    [[ ! $file -nt $object ]] || return 1
  done < <(tr -s ' ' '\n' <"${object%.o}.o.d" | grep -v -e ':$' -e '[\\]$' | grep .)
}

running=()
for source in "${sources[@]}"; do
  object=$build/$(basename "${source%.cpp}").o
  ! is_current "$object" || continue
  compile_one "$source" &
  running+=($!)
  if [[ ${#running[@]} -ge $(nproc) ]]; then
    wait "${running[0]}"
    running=("${running[@]:1}")
  fi
done
for job in "${running[@]}"; do wait "$job"; done

core=()
for source in "$root"/esphome/components/microgrid_core/umg1_*.cpp; do core+=("$build/$(basename "${source%.cpp}").o"); done
for program in "${programs[@]}"; do
  own=("$build/$program.o")
  link=()
  if [[ $program == umg1_tests ]]; then
    own=()
    for source in "$root"/tests/firmware/umg1/*_test.cpp; do own+=("$build/$(basename "${source%.cpp}").o"); done
    link=(-lgtest -lgtest_main -pthread)
  fi
  newest=$(find "${own[@]}" "${core[@]}" -newer "$build/$program" 2>/dev/null | head -n 1 || true)
  [[ -x $build/$program && -z $newest ]] || "$compiler" "${strict[@]}" -MF /dev/null "${own[@]}" "${core[@]}" "${link[@]}" -o "$build/$program"
done
printf '%s\n' "$build"
