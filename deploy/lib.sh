# shellcheck shell=bash
# What the scripts beside it share; sourced. The machines are the lines "NAME SSH-TARGET" of sites/nodes, and
# sites/NAME.toml is the configuration of each; $HANSE_SITES names another folder.
# Exit codes as those of hanse: 0 ok, 1 negative answer, 2 usage, 3 unreachable, 4 denied.
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
SITES=${HANSE_SITES:-$HERE/sites}
# shellcheck disable=SC2034 # of the scripts
UNIT=hanse-bootstrap.service
dry=

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
die() { say "$1"; exit "${2:-2}"; }

# Runs a command, or says which one.
run() {
  if [ -n "$dry" ]; then
    printf 'would run:'
    printf ' %q' "$@"
    echo
  else
    "$@"
  fi
}

# The names that a word on the command line stands for.
nodes() {
  [ -r "$SITES/nodes" ] || die "found no $SITES/nodes, expected lines NAME SSH-TARGET"
  local known
  known=$(sed -E 's/#.*//; /^[[:space:]]*$/d' "$SITES/nodes" | awk '{print $1}')
  if [ "$1" = all ]; then
    echo "$known"
  elif grep -qxF -- "$1" <<<"$known"; then
    echo "$1"
  else
    die "found node '$1', expected all or one of: $(tr '\n' ' ' <<<"$known")"
  fi
}

target() { sed -E 's/#.*//' "$SITES/nodes" | awk -v name="$1" '$1 == name {print $2; exit}'; }

# on NODE COMMAND: one shell command there; what it reads is our standard input.
on() {
  local node=$1
  shift
  run ssh -o BatchMode=yes -o ConnectTimeout=10 "$(target "$node")" "$@"
}
