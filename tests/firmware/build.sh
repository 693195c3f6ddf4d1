#!/usr/bin/env bash
# Builds the tests and host programs of one folder here (a suite) into build/SUITE; only what changed is compiled.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: tests/firmware/build.sh SUITE [--sanitize | --thread | --fuzz] [PROGRAM...]

  --sanitize   with AddressSanitizer and UndefinedBehaviorSanitizer
  --thread     with ThreadSanitizer
  --fuzz       only the suite's fuzzers, with clang and libFuzzer

SUITE/suite.sh says what there is: firmware=() sources of the components, programs=() and fuzzers=() of SUITE/NAME.cpp;
flags=() for the compiler.
The program SUITE_tests is made of all SUITE/*_test.cpp (needs libgtest-dev). Prints the folder the programs are in.
TEXT
}

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
suite=
mode=plain
wanted=()
for argument in "$@"; do
  case $argument in
    --sanitize) mode=sanitized ;;
    --thread) mode=thread ;;
    --fuzz) mode=fuzz ;;
    -h | --help) usage && exit 0 ;;
    -*) usage >&2 && exit 2 ;;
    *) if [[ -z $suite ]]; then suite=$argument; else wanted+=("$argument"); fi ;;
  esac
done
here=$root/tests/firmware/$suite
[[ -n $suite && -f $here/suite.sh ]] || { usage >&2 && exit 2; }

firmware=() programs=() fuzzers=() flags=()
cd "$root" # the patterns of suite.sh start here
# shellcheck source=/dev/null
source "$here/suite.sh"
[[ $mode != fuzz ]] || programs=("${fuzzers[@]}")
[[ ${#wanted[@]} -eq 0 ]] || programs=("${wanted[@]}")

compiler=${CXX:-g++}
cache=${CCACHE_BIN-$(type -P ccache || true)}
export CCACHE_BASEDIR=$root CCACHE_NOHASHDIR=true # another clone compiles the same
strict=(-std=c++20 -Wall -Wextra -Wconversion -Wshadow -Werror -I"$root" -MMD "${flags[@]}")
build=$root/build/$suite
[[ $mode == plain ]] || build=$build-$mode
# The check of vptr needs the run-time types that the firmware does not have.
case $mode in
  plain) strict+=(-O2) ;;
  sanitized) strict+=(-O1 -g "-fsanitize=address,undefined" -fno-sanitize=vptr -fno-sanitize-recover=all) ;;
  thread) strict+=(-O1 -g -fsanitize=thread) ;;
  fuzz)
    compiler=${CLANGXX:-clang++}
    strict+=(-O1 -g "-fsanitize=fuzzer,address,undefined" -fno-sanitize=vptr -fno-sanitize-recover=all)
    ;;
esac
mkdir -p "$build"
exec 9>"$build/.lock" && flock 9 # one build at a time

# sources_of PROGRAM: its own sources, one per line.
sources_of() {
  if [[ $1 == "${suite}_tests" ]]; then printf '%s\n' "$here"/*_test.cpp; else printf '%s\n' "$here/$1.cpp"; fi
}

object_of() { printf '%s\n' "$build/$(basename "${1%.cpp}").o"; }

# What goes to the ESP32 is compiled as it is there: no exceptions, no run-time types.
compile_one() {
  local source=$1 object
  object=$(object_of "$source")
  local all=("${strict[@]}")
  [[ $source != *esphome/components/* ]] || all+=(-fno-exceptions -fno-rtti)
  ${cache:+"$cache"} "$compiler" "${all[@]}" -c "$source" -o "$object.new" && mv "$object.new" "$object"
}

# An object is current when nothing that its dependency file names is newer.
is_current() {
  local object=$1 file
  [[ -f $object && -f ${object%.o}.o.d ]] || return 1
  while read -r file; do
    [[ ! $file -nt $object ]] || return 1
  done < <(tr -s ' ' '\n' <"${object%.o}.o.d" | grep -v -e ':$' -e '[\\]$' | grep .)
}

sources=("${firmware[@]/#/$root/}")
for program in "${programs[@]}"; do
  mapfile -t -O "${#sources[@]}" sources < <(sources_of "$program")
done
running=()
for source in "${sources[@]}"; do
  ! is_current "$(object_of "$source")" || continue
  compile_one "$source" &
  running+=($!)
  if [[ ${#running[@]} -ge $(nproc) ]]; then
    wait "${running[0]}"
    running=("${running[@]:1}")
  fi
done
for job in "${running[@]}"; do wait "$job"; done

for program in "${programs[@]}"; do
  objects=()
  while read -r source; do objects+=("$(object_of "$source")"); done < <(
    sources_of "$program"
    printf '%s\n' "${firmware[@]}"
  )
  link=(-pthread)
  [[ $program != *_tests ]] || link=(-lgtest -lgtest_main -pthread)
  newest=$(find "${objects[@]}" -newer "$build/$program" 2>/dev/null | head -n 1 || true)
  [[ -x $build/$program && -z $newest ]] || "$compiler" "${strict[@]}" -MF /dev/null "${objects[@]}" "${link[@]}" -o "$build/$program"
done
printf '%s\n' "$build"
