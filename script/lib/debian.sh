# Debian packages without being root and without touching the system: a throw-away apt state inside the project, whose
# sources are derived from the system's own configuration, so that a mirror or a proxy set there serves us too.
# Needs say.sh and env.sh.

# Where a suite newer than the system's own is found, by the ID of /etc/os-release.
newer_suite() {
  local id
  id=$(. /etc/os-release && printf '%s %s' "${ID:-}" "${ID_LIKE:-}")
  case " $id " in
    *" ubuntu "*) echo resolute ;;
    *" debian "*) echo forky ;;
    *) return 1 ;;
  esac
}

has_apt() { type -P apt-get >/dev/null && type -P dpkg >/dev/null; }

# The first source of the system's apt configuration in deb822 form, without comments; "" when there is none.
first_apt_source() {
  local file
  for file in /etc/apt/sources.list.d/{debian,ubuntu}.sources /etc/apt/sources.list.d/*.sources; do
    if [[ -r $file ]]; then
      grep -v '^[[:space:]]*#' "$file" | awk 'BEGIN { RS = "" } NR == 1'
      return
    fi
  done
  for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
    if [[ -r $file ]] && grep -qE '^deb[[:space:]]' "$file"; then
      # deb [signed-by=/path arch=amd64] URI SUITE COMPONENT...
      grep -m1 -E '^deb[[:space:]]' "$file" | awk '{
        i = 2; options = ""
        if ($i ~ /^\[/) { do { options = options " " $i; done = ($i ~ /\]$/); i++ } while (!done) }
        print "Types: deb"; print "URIs: " $i; print "Suites: " $(i + 1)
        printf "Components:"; for (j = i + 2; j <= NF; j++) printf " %s", $j; print ""
        if (match(options, /signed-by=[^] ]+/)) print "Signed-By: " substr(options, RSTART + 10, RLENGTH - 10)
      }'
      return
    fi
  done
}

# apt_private SUITE ARGS...: apt-get on a private state that knows one suite ("" = the suites of the system).
apt_private() {
  local suite=$1 state=$TOOLS/apt/${1:-system}
  shift
  local options=(-o "Dir::State::lists=$state/lists" -o "Dir::Cache=$state/cache" -o "APT::Sandbox::User=" -qq)
  if [[ -n $suite ]]; then
    options+=(-o Dir::Etc::sourcelist=/dev/null -o "Dir::Etc::sourceparts=$state/etc")
  fi
  if [[ ! -d $state/lists/partial ]]; then
    mkdir -p "$state/lists/partial" "$state/cache/archives/partial" "$state/etc"
    if [[ -n $suite ]]; then
      first_apt_source | sed "s/^Suites:.*/Suites: $suite/" >"$state/etc/$suite.sources"
    fi
    if ! apt-get "${options[@]}" update; then
      rm -rf "$state"
      return 1
    fi
  fi
  apt-get "${options[@]}" "$@"
}

# unpack_packages SUITE PREFIX PACKAGE...: downloads (apt checks the signatures) and unpacks below PREFIX.
unpack_packages() {
  local suite=$1 prefix=$2 downloads=$TOOLS/apt/downloads deb
  shift 2
  rm -rf "$downloads"
  mkdir -p "$downloads" "$prefix"
  (cd "$downloads" && apt_private "$suite" download "$@") || return 1
  for deb in "$downloads"/*.deb; do
    dpkg -x "$deb" "$prefix" || return 1
  done
  rm -rf "$downloads"
}

# The packages that PACKAGE needs and the system does not have, itself included, one per line.
missing_packages() {
  apt_private "" --simulate --no-install-recommends install "$@" | awk '$1 == "Inst" { print $2 }'
}
