# Python packages: exactly those of uv.lock, from whatever index this machine is configured for.
# Needs say.sh, env.sh, uv.sh and python.sh.
#
# uv.lock names no index (see script/generate lock), so uv cannot install from it directly. It can export it: names,
# versions and hashes, which any index satisfies.

ALL_GROUPS=(ha test broker lint log firmware grafana)
CORE_GROUPS=(core-test)
ESPHOME_GROUPS=(esphome)

# The dashboard is built by Vite, which asks for this; a machine without it gets the one of the package index.
NODE_WANTED=20.19
node_usable() {
  type -P npm >/dev/null && type -P node >/dev/null && version_at_least "$(node --version | tr -d v)" "$NODE_WANTED"
}

# export_lock WHAT GROUP...: requirements with hashes, of the project's own and the groups (--group) or of these alone
# (--only-group).
export_lock() {
  local what=$1 group options=()
  shift
  for group in "$@"; do options+=("$what" "$group"); done
  "$UV" export --project "$ROOT" --quiet --frozen --no-emit-project --no-header --format requirements.txt "${options[@]}"
}

# sync_venv ENVIRONMENT WHAT GROUP...
sync_venv() {
  local venv=$1 requirements
  shift
  requirements=$(mktemp "$TOOLS/requirements.XXXXXX")
  export_lock "$@" >"$requirements" &&
    VIRTUAL_ENV=$venv "$UV" pip sync --require-hashes "$requirements"
  local result=$?
  rm -f "$requirements"
  return "$result"
}

ensure_venv() {
  local python=$1
  if ! python_new_enough "$VENV/bin/python"; then
    say "creating .venv with $("$python" -V)"
    quietly ".venv" "remove .venv and run script/bootstrap again" "$UV" venv --quiet --clear --python "$python" "$VENV"
  fi
  node_usable || ALL_GROUPS+=(node)
  say "installing the packages of uv.lock into .venv"
  local headers
  headers=$(python_headers "$python")
  CPATH=$headers${CPATH:+${headers:+:}$CPATH} quietly "the packages of uv.lock" \
    "check that uv can reach a package index (UV_DEFAULT_INDEX or uv.toml name another one) and that there is a C++ compiler" \
    sync_venv "$VENV" --group "${ALL_GROUPS[@]}"
}

# core/ and the simulator promise Python 3.11: tested there when the machine has an older interpreter of its own.
ensure_core_venv() {
  local python
  python=$(find_program python3.11 python3.12 python3.13)
  [[ -n $python ]] || return 0
  if ! "$VENV_CORE/bin/python" -c "" 2>/dev/null; then
    say "creating .venv311 with $("$python" -V)"
    quietly ".venv311" "remove .venv311 and run script/bootstrap again" "$UV" venv --quiet --clear --python "$python" "$VENV_CORE"
  fi
  quietly "the packages of .venv311" "check that uv can reach a package index" sync_venv "$VENV_CORE" --group "${CORE_GROUPS[@]}"
}

# The firmware is compiled by ESPHome, whose pins contradict Home Assistant's.
ensure_esphome_venv() {
  local python=$1
  if ! python_new_enough "$VENV_ESPHOME/bin/python"; then
    say "creating .venv-esphome with $("$python" -V)"
    quietly ".venv-esphome" "remove .venv-esphome and run script/bootstrap again" \
      "$UV" venv --quiet --clear --python "$python" "$VENV_ESPHOME"
  fi
  quietly "the packages of .venv-esphome" "check that uv can reach a package index" \
    sync_venv "$VENV_ESPHOME" --only-group "${ESPHOME_GROUPS[@]}"
}
