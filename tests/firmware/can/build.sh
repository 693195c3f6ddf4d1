#!/usr/bin/env bash
# Builds the programs that test the generated CAN messages into build/can (or build/can-sanitized); prints the folder.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: tests/firmware/can/build.sh [--sanitize] [PROGRAM...]

  --sanitize   with AddressSanitizer and UndefinedBehaviorSanitizer

Programs: dbc_round_trip, dbc_test (needs libgtest-dev); both by default.
TEXT
}

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
build=$root/build/can
# As on the ESP32: no exceptions, no run-time types.
flags=(-std=c++20 -Wall -Wextra -Wconversion -Wshadow -Werror -I"$root")
firmware=(-fno-exceptions -fno-rtti)
mode=(-O2)
programs=()
for argument in "$@"; do
  case $argument in
    --sanitize) build+=-sanitized && mode=(-O1 -g "-fsanitize=address,undefined" -fno-sanitize-recover=all) ;;
    -h | --help) usage && exit 0 ;;
    -*) usage >&2 && exit 2 ;;
    *) programs+=("$argument") ;;
  esac
done
[[ ${#programs[@]} -gt 0 ]] || programs=(dbc_round_trip dbc_test)

mkdir -p "$build"
exec 9>"$build/.lock" && flock 9 # one build at a time
for program in "${programs[@]}"; do
  source=$root/tests/firmware/can/$program.cpp
  newest=$(find "$source" "$root"/esphome/components/microgrid_can/*.h "${BASH_SOURCE[0]}" -newer "$build/$program" 2>/dev/null | head -n 1 || true)
  [[ ! -x $build/$program || -n $newest ]] || continue
  own=("${firmware[@]}")
  link=()
  [[ $program != dbc_test ]] || { own=() && link=(-lgtest -lgtest_main -pthread); }
  "${CXX:-g++}" "${flags[@]}" "${mode[@]}" "${own[@]}" "$source" "${link[@]}" -o "$build/$program"
done
printf '%s\n' "$build"
