# uv, the installer of Python packages: from PATH, or from the configured package index into .tools/uv.
# Needs say.sh, env.sh and debian.sh.

UV_WANTED=0.9.0 # the oldest release tried with this lock file

version_at_least() { [[ $(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1) == "$2" ]]; }

uv_usable() {
  [[ -x ${UV:-} ]] && version_at_least "$("$UV" --version 2>/dev/null | awk '{ print $2 }')" "$UV_WANTED"
}

# A plain Debian has python3 without venv and pip: root installs the package, others unpack the pip wheel that the
# package would bring and run pip from it.
install_uv_with_pip() {
  local python=$1 target=$TOOLS/uv wheel
  if "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    "$python" -m venv "$target" && "$target/bin/python" -m pip install --quiet --upgrade "uv>=$UV_WANTED"
    return
  fi
  if "$python" -m pip --version >/dev/null 2>&1; then
    "$python" -m pip install --quiet --upgrade --target "$target" "uv>=$UV_WANTED"
    return
  fi
  has_apt || return 1
  unpack_packages "" "$TOOLS/pip" python3-pip-whl || return 1
  wheel=$(find "$TOOLS/pip" -name 'pip-*.whl' | head -n 1)
  PYTHONPATH=$wheel "$python" -m pip install --quiet --upgrade --target "$target" "uv>=$UV_WANTED"
}

ensure_uv() {
  uv_usable && return
  UV=$TOOLS/uv/bin/uv
  uv_usable && return
  local python
  python=$(find_program python3)
  [[ -n $python ]] || fail "uv" "there is no python3 to fetch it with" "install python3 or uv, then run script/bootstrap again"
  say "installing uv into .tools/uv"
  rm -rf "$TOOLS/uv"
  quietly "uv" "check that pip can reach a package index (pip config list), or put uv >= $UV_WANTED on PATH" \
    install_uv_with_pip "$python"
  uv_usable || fail "uv" "pip installed $("$UV" --version 2>&1 || true), wanted >= $UV_WANTED" "put a newer uv on PATH"
}
