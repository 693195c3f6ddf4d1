#!/usr/bin/env bash
# Compiles what goes to the ESP32 with the compiler of the PC, against the declarations in stubs/: the code inside
# `#ifdef USE_ESP32` is seen nowhere else without an Espressif toolchain. Nothing is linked or run.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: tests/firmware/check_esp32.sh [--flags] [FILE...]

  --flags  only prints how a file is compiled, a flag per line
  FILE     sources of our components; by default all of them

Classes of ESPHome (*_component.cpp) are checked against the sources that ESPHome generates for esp32/stub_check.yaml; the
rest knows no ESPHome and is checked without. A call that ESP-IDF has and stubs/ has not is added there, by the API
reference. Pointers have 64 bits here: print numbers with PRIu32 and the like.
TEXT
}

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root"
files=()
only_flags=
for argument in "$@"; do
  case $argument in
    --flags) only_flags=yes ;;
    -h | --help) usage && exit 0 ;;
    -*) usage >&2 && exit 2 ;;
    *) files+=("$(realpath --relative-to="$root" "$argument")") ;;
  esac
done
[[ ${#files[@]} -gt 0 ]] || mapfile -t files < <(printf '%s\n' esphome/components/microgrid_*/*.cpp)

yaml=tests/firmware/esp32/stub_check.yaml
data=$root/build/esphome-stubs
project=$data/build/stub-check
esphome=$root/.venv-esphome/bin/esphome

# The sources of ESPHome for an ESP32; made anew when the YAML or ESPHome changed.
generate() {
  mkdir -p "$data"
  exec 9>"$data/.lock" && flock 9
  local stamp=$data/generated version
  [[ -x $esphome ]] || { echo "check_esp32: .venv-esphome is missing: run script/bootstrap" >&2 && return 1; }
  version="$(ls -d "$root"/.venv-esphome/lib/python*/site-packages/esphome-*.dist-info) $(sha256sum "$yaml")"
  [[ ! -r $stamp || $(<"$stamp") != "$version" ]] || return 0
  local log
  log=$(ESPHOME_DATA_DIR=$data ESPHOME_PCH_ENABLE=0 "$esphome" compile --only-generate "$yaml" 2>&1) ||
    { printf '%s\n' "$log" >&2 && return 1; }
  printf '%s' "$version" >"$stamp"
}

# As ESP-IDF compiles, and with no warning let through.
flags=(-std=gnu++20 -fsyntax-only -Wall -Wextra -Wformat -Werror -fno-exceptions -fno-rtti)
flags+=(-DUSE_ESP32 "-I$root")

# Of the generated CMakeLists.txt; without __FILE__, which is no name for g++.
project_flags() {
  grep -ohE -e '-D[A-Za-z0-9_]+(=[A-Za-z0-9_]+)?' "$project/CMakeLists.txt" "$project/src/CMakeLists.txt" |
    grep -v -e __FILE__ -e LWIP_FAST_SELECT | sort -u
  # ESPHome's headers are not ours to be strict with.
  printf '%s\n' -isystem "$project/src" -isystem "$root/tests/firmware/stubs"
}

flags_of() {
  printf '%s\n' "${flags[@]}"
  if [[ $1 == *_component.cpp ]]; then project_flags; else printf '%s\n' "-I$root/tests/firmware/stubs"; fi
}

check() {
  local all
  mapfile -t all < <(flags_of "$1")
  "${CXX:-g++}" "${all[@]}" "$1"
}

for file in "${files[@]}"; do
  [[ $file != *_component.cpp ]] || { generate && break; }
done
if [[ -n $only_flags ]]; then
  for file in "${files[@]}"; do flags_of "$file"; done
  exit 0
fi
failed=0
for file in "${files[@]}"; do
  if check "$file"; then echo "ok   $file"; else echo "FAIL $file" && failed=1; fi
done
exit $failed
