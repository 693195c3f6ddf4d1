# Programs of the system that the tests and the demo start: a C++ compiler and its cache, Mosquitto, Chromium, InfluxDB,
# OpenSSL, what judges the unit of the daemon's service, and libFuzzer with its compiler.
# Root installs them with apt; others get each unpacked below .tools/root, with a starter in .tools/bin, but the fuzzer.
# Needs say.sh, env.sh and debian.sh.

# Debian package : variable of env.sh that names the program (of a library, a header)
PROGRAMS=(
  g++:CXX ccache:CCACHE_BIN libgtest-dev:GTEST_HEADER mosquitto:MOSQUITTO_BIN chromium:CHROMIUM_BIN influxdb:INFLUXD_BIN
  openssl:OPENSSL_BIN systemd:SYSTEMD_ANALYZE_BIN clang:CLANG_BIN libclang-rt-dev:FUZZER_LIBRARY
)

TRIPLET=$(uname -m)-linux-gnu

apt_install_as_root() {
  local keep_stopped=/usr/sbin/policy-rc.d ours='' result=0
  apt-get -qq update || return 1
  # apt installs all or nothing, and newer systems have no InfluxDB 1.x: what this one does not know is left out.
  local package known=()
  for package in "$@"; do
    if apt-cache show "$package" >/dev/null 2>&1; then known+=("$package"); else echo "E: $package is not known to apt"; fi
  done
  [[ ${#known[@]} -gt 0 ]] || return 1
  # No service of these packages may take a port of this machine: we start our own on free ports.
  if [[ ! -e $keep_stopped ]]; then
    printf '#!/bin/sh\nexit 101\n' >"$keep_stopped" && chmod +x "$keep_stopped" && ours=yes
  fi
  DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "${known[@]}" || result=$?
  [[ -z $ours ]] || rm -f "$keep_stopped"
  [[ ${#known[@]} -eq $# ]] || result=1
  return "$result"
}

# write_starter NAME PROGRAM PREFIX OPTION...: lends the program the libraries it was unpacked with; below the one of the
# architecture, packages with libraries of their own have one more folder.
write_starter() {
  local name=$1 program=$2 prefix=$3 libraries
  shift 3
  libraries=$(find "$prefix"/{lib,usr/lib}/"$TRIPLET" -maxdepth 2 -name 'lib*.so*' -printf '%h\n' 2>/dev/null | sort -u | paste -sd :)
  mkdir -p "$TOOLS/bin"
  {
    printf '#!/bin/sh\n'
    printf 'export LD_LIBRARY_PATH=%q${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}\n' "$libraries"
    [[ ! -e $prefix/fonts.conf ]] || printf 'export FONTCONFIG_FILE=%q\n' "$prefix/fonts.conf"
    printf 'PATH=%q:$PATH exec %q%s "$@"\n' "$prefix/usr/bin" "$program" "${*:+ $*}"
  } >"$TOOLS/bin/$name"
  chmod +x "$TOOLS/bin/$name"
}

# The compiler looks for headers and libraries below its prefix, where the C library is the one of the system.
finish_compiler() {
  local prefix=$1 library
  for library in /lib/"$TRIPLET"/{libc.so.6,libm.so.6,libmvec.so.1,libgcc_s.so.1} /usr/lib/"$TRIPLET"/libstdc++.so.6 \
    /lib64/ld-linux-x86-64.so.2 /lib/ld-linux-aarch64.so.1; do
    if [[ -e $library && ! -e $prefix$library ]]; then
      mkdir -p "$(dirname "$prefix$library")"
      ln -s "$library" "$prefix$library"
    fi
  done
  write_starter gcc "$prefix/usr/bin/gcc" "$prefix" "--sysroot=$(printf %q "$prefix")"
  write_starter g++ "$prefix/usr/bin/g++" "$prefix" "--sysroot=$(printf %q "$prefix")"
  printf '#include <string>\nint main() { return std::string("works").empty(); }\n' |
    "$TOOLS/bin/g++" -x c++ -o "$prefix/works" - && "$prefix/works"
}

finish_ccache() {
  write_starter ccache "$1/usr/bin/ccache" "$1"
  "$TOOLS/bin/ccache" --version
}

finish_mosquitto() {
  write_starter mosquitto "$1/usr/sbin/mosquitto" "$1"
  # Its -h prints the usage and exits with 3.
  [[ $("$TOOLS/bin/mosquitto" -h || true) == *"MQTT"* ]]
}

finish_chromium() {
  # A machine without fonts takes those that came along.
  if [[ ! -e /etc/fonts/fonts.conf ]]; then
    printf '<fontconfig><dir>%s</dir><cachedir>%s</cachedir></fontconfig>\n' "$1/usr/share/fonts" "$1/fonts" >"$1/fonts.conf"
  fi
  write_starter chromium "$1/usr/lib/chromium/chromium" "$1"
  "$TOOLS/bin/chromium" --version
}

finish_influxdb() {
  write_starter influxd "$1/usr/bin/influxd" "$1"
  [[ $("$TOOLS/bin/influxd" version) == *InfluxDB* ]]
}

finish_openssl() {
  write_starter openssl "$1/usr/bin/openssl" "$1"
  "$TOOLS/bin/openssl" version
}

# Only what reads a unit; what makes users is for root, who has the package.
finish_systemd() {
  write_starter systemd-analyze "$1/usr/bin/systemd-analyze" "$1"
  "$TOOLS/bin/systemd-analyze" --version
}

unpack_program() {
  local package=$1 prefix=$UNPACKED/$1 packages
  rm -rf "$prefix"
  mapfile -t packages < <(missing_packages "$package")
  [[ ${#packages[@]} -gt 0 ]] || return 1
  unpack_packages "" "$prefix" "${packages[@]}" || return 1
  case $package in
    g++) finish_compiler "$prefix" ;;
    ccache) finish_ccache "$prefix" ;;
    mosquitto) finish_mosquitto "$prefix" ;;
    chromium) finish_chromium "$prefix" ;;
    influxdb) finish_influxdb "$prefix" ;;
    openssl) finish_openssl "$prefix" ;;
    systemd) finish_systemd "$prefix" ;;
  esac
}

# Nothing here ends bootstrap: most of the work can be done without them, and whoever needs one says so.
ensure_programs() {
  local entry variable package log missing=()
  for entry in "${PROGRAMS[@]}"; do
    variable=${entry##*:}
    [[ -n ${!variable} ]] || missing+=("${entry%%:*}")
  done
  [[ ${#missing[@]} -gt 0 ]] || return 0
  if ! has_apt; then
    warn "missing: ${missing[*]}; please install them with the package manager of this system"
    return
  fi
  if [[ $EUID -eq 0 ]]; then
    say "installing ${missing[*]}"
    log=$(mktemp)
    apt_install_as_root "${missing[@]}" >"$log" 2>&1 ||
      warn "apt-get install ${missing[*]} failed ($(grep -m1 '^E:' "$log" || tail -n 1 "$log")); please install them by hand"
    rm -f "$log"
  else
    for package in "${missing[@]}"; do
      if [[ $package == *clang* ]]; then
        warn "$package is missing: the firmware is not fuzzed; please run: sudo apt-get install $package"
        continue
      fi
      say "unpacking $package into .tools/root"
      log=$TOOLS/unpack-$package.log
      if ! unpack_program "$package" >"$log" 2>&1; then
        rm -f "$TOOLS/bin/$package"
        warn "$package does not run unpacked ($(tail -n 1 "$log")); please run: sudo apt-get install $package"
      fi
    done
  fi
  locate_programs
}
