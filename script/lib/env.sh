# Where things are: the environment every script works in after script/bootstrap.
# Source it. Sets ROOT TOOLS VENV VENV_CORE UV, and MOSQUITTO_BIN CHROMIUM_BIN CXX GTEST_HEADER (empty when missing).

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
TOOLS=$ROOT/.tools
VENV=$ROOT/.venv
VENV_CORE=$ROOT/.venv311

# What the system does not have is unpacked here: the interpreter of a newer suite, and programs.
PYTHON_PREFIX=$TOOLS/python
UNPACKED=$TOOLS/root

# Home Assistant starts in a second with compiled modules and in many without.
unset PYTHONDONTWRITEBYTECODE

# find_program NAME...: prints the path of the first one that exists, on PATH, in sbin, or unpacked into .tools.
find_program() {
  local name path
  for name in "$@"; do
    for path in "$TOOLS/bin/$name" "$(type -P "$name" || true)" "/usr/sbin/$name" "/usr/local/sbin/$name"; do
      if [[ -n $path && -x $path ]]; then
        printf '%s\n' "$path"
        return 0
      fi
    done
  done
  return 0
}

locate_programs() {
  UV=$TOOLS/uv/bin/uv
  [[ -x $UV ]] || UV=$(find_program uv)
  MOSQUITTO_BIN=${MICROGRID_MOSQUITTO:-$(find_program mosquitto)}
  CHROMIUM_BIN=${MICROGRID_CHROMIUM:-$(find_program chromium chromium-browser google-chrome)}
  CXX=${CXX:-$(find_program g++ c++ clang++)}
  # Builds find an unpacked compiler only when told.
  if [[ $CXX == "$TOOLS"/* ]]; then export CXX CC=$TOOLS/bin/gcc; fi
  local unpacked=$TOOLS/root/libgtest-dev/usr include
  GTEST_HEADER=
  for include in /usr/include /usr/local/include "$unpacked/include"; do
    [[ -n $GTEST_HEADER || ! -e $include/gtest/gtest.h ]] || GTEST_HEADER=$include/gtest/gtest.h
  done
  if [[ $GTEST_HEADER == "$unpacked"/* ]]; then
    CPATH=$unpacked/include
    LIBRARY_PATH=$unpacked/lib/$(uname -m)-linux-gnu
    export CPATH LIBRARY_PATH
  fi
  export MOSQUITTO_BIN CHROMIUM_BIN GTEST_HEADER
}
locate_programs
