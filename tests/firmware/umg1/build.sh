#!/usr/bin/env bash
# Builds this suite; options and programs as in ../build.sh.
exec "$(dirname "${BASH_SOURCE[0]}")/../build.sh" umg1 "$@"
