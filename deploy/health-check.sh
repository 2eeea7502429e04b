#!/usr/bin/env bash
# Asks bootstrap nodes how they are; see --help.
# shellcheck source=deploy/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

usage() {
  cat <<'U'
usage: health-check.sh [--dry-run] [NODE|all | CONFIG.toml]
Prints what /health of each node says, one line a node. Without a name: the node of this machine, by
/etc/hanse/node.toml; with a configuration: the one it describes, on this machine. Exit 0 when all are healthy, 1 when
one says that it is not, 3 when one does not answer.
  --dry-run   say what would be asked
U
}

which=
for word in "$@"; do
  case $word in
    -h | --help) usage; exit 0 ;;
    --dry-run) dry=1 ;;
    -*) die "found '$word'; see health-check.sh --help" ;;
    *) which=$word ;;
  esac
done

# The address in a configuration's [mesh] health_address.
address() {
  local found
  found=$(sed -nE '/^\[mesh\]/,/^\[[^m]/ s/^ *health_address *= *"([^"]+)".*/\1/p' "$1")
  [ -n "$found" ] || die "found no health_address in $1"
  echo "$found"
}

worst=0
report() {  # NAME, what curl said: the body, and the status on a line of its own
  local name=$1 status=${2##*$'\n'} body=${2%$'\n'*}
  if [[ ! $status =~ ^[1-5][0-9][0-9]$ ]]; then
    echo "$name unreachable"
    worst=3
  elif [ "$status" = 200 ]; then
    echo "$name $body"
  else
    echo "$name $body"
    [ $worst = 3 ] || worst=1
  fi
}

ask() { printf "curl -sS --max-time 5 -w '\\\\n%%{http_code}' http://%s/health" "$1"; }

case $which in
  '' | *.toml)
    file=${which:-/etc/hanse/node.toml}
    [ -r "$file" ] || die "found no file $file"
    command=$(ask "$(address "$file")")
    if [ -n "$dry" ]; then run bash -c "$command"; else report local "$(bash -c "$command" || true)"; fi
    ;;
  *)
    list=$(nodes "$which")
    for node in $list; do
      command=$(ask "$(address "$SITES/$node.toml")")
      answer=$(on "$node" "$command" </dev/null || true)
      if [ -n "$dry" ]; then echo "$answer"; else report "$node" "$answer"; fi
    done
    ;;
esac
exit $worst
