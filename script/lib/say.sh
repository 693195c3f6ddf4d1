# How the scripts speak: one line per real action, and one clear paragraph per failure.
# Sourced by script/bootstrap and the other verbs.

say() { printf '%s\n' "$*"; }

warn() { printf 'warning: %s\n' "$*" >&2; }

# fail WHAT WHY REMEDY: ends the script.
fail() {
  printf 'failed:  %s\nbecause: %s\nremedy:  %s\n' "$1" "$2" "$3" >&2
  exit 1
}

# quietly WHAT REMEDY COMMAND...: runs the command silently; shows the end of its output only when it fails.
quietly() {
  local what=$1 remedy=$2 log
  shift 2
  log=$(mktemp)
  if "$@" >"$log" 2>&1; then
    rm -f "$log"
  else
    local why
    why=$(tail -n 15 "$log")
    rm -f "$log"
    fail "$what" "\`$*\` said:
$why" "$remedy"
  fi
}

# step NAME COMMAND...: runs one check of many; a failure is remembered and the next one still runs.
FAILED_STEPS=()
step() {
  local name=$1 started=$SECONDS
  shift
  printf '── %s\n' "$name"
  if "$@"; then
    printf '   %s: ok (%d s)\n' "$name" $((SECONDS - started))
  else
    printf '   %s: FAILED (%d s)\n' "$name" $((SECONDS - started))
    FAILED_STEPS+=("$name")
  fi
}

# Ends a script of steps with an honest exit code.
report_steps() {
  [[ ${#FAILED_STEPS[@]} -gt 0 ]] || { say "all passed" && return 0; }
  local name
  for name in "${FAILED_STEPS[@]}"; do say "failed: $name"; done
  return 1
}
