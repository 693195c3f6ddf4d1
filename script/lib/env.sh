# Where things are: the environment every script works in after script/bootstrap.
# Source it. Sets ROOT TOOLS VENV VENV_CORE VENV_ESPHOME UV, and MOSQUITTO_BIN CHROMIUM_BIN INFLUXD_BIN OPENSSL_BIN
# SYSTEMD_ANALYZE_BIN CXX CCACHE_BIN GTEST_HEADER (empty when missing).

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
TOOLS=$ROOT/.tools
VENV=$ROOT/.venv
VENV_CORE=$ROOT/.venv311
VENV_ESPHOME=$ROOT/.venv-esphome

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
  INFLUXD_BIN=${MICROGRID_INFLUXD:-$(find_program influxd)}
  OPENSSL_BIN=$(find_program openssl)
  SYSTEMD_ANALYZE_BIN=$(find_program systemd-analyze)
  CLANG_BIN=$(find_program clang++)
  FUZZER_LIBRARY=$(compgen -G '/usr/lib/llvm-*/lib/clang/*/lib/*/libclang_rt.fuzzer*.a' | head -n 1 || true)
  CXX=${CXX:-$(find_program g++ c++ clang++)}
  # Builds find an unpacked compiler only when told.
  if [[ $CXX == "$TOOLS"/* ]]; then export CXX CC=$TOOLS/bin/gcc; fi
  # Tests and ESPHome look for programs on PATH: what was unpacked is found there, behind what the system has.
  [[ ! -d $TOOLS/bin || :$PATH: == *:$TOOLS/bin:* ]] || PATH=$PATH:$TOOLS/bin
  # What a clone compiled, no other clone compiles again: paths count from its root.
  CCACHE_BIN=$(find_program ccache)
  export CCACHE_DIR=${CCACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/ccache} CCACHE_BASEDIR=$ROOT CCACHE_NOHASHDIR=true
  local unpacked=$TOOLS/root/libgtest-dev/usr include
  GTEST_HEADER=
  for include in /usr/include /usr/local/include "$unpacked/include"; do
    [[ -n $GTEST_HEADER || ! -e $include/gtest/gtest.h ]] || GTEST_HEADER=$include/gtest/gtest.h
  done
  if [[ $GTEST_HEADER == "$unpacked"/* ]]; then
    CPLUS_INCLUDE_PATH=$unpacked/include # a system's header: our warnings are not for it
    LIBRARY_PATH=$unpacked/lib/$(uname -m)-linux-gnu
    export CPLUS_INCLUDE_PATH LIBRARY_PATH
  fi
  export MOSQUITTO_BIN CHROMIUM_BIN INFLUXD_BIN OPENSSL_BIN SYSTEMD_ANALYZE_BIN GTEST_HEADER CCACHE_BIN
}
locate_programs
