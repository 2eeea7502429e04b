#!/usr/bin/env bash
# Removes bootstrap nodes from their machines; see --help.
# shellcheck source=deploy/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

usage() {
  cat <<'U'
usage: cleanup.sh [--dry-run] [--purge] NODE|all
Stops the service and removes unit, programs and configuration. Asks first: the answer is the word NODE (or all) again.
The key and the data stay in /var/lib/hanse.
  --purge     remove key and data too: the node's identity is gone for good
  --dry-run   say what would be done
U
}

which='' purge=''
for word in "$@"; do
  case $word in
    -h | --help) usage; exit 0 ;;
    --dry-run) dry=1 ;;
    --purge) purge=1 ;;
    -*) die "found '$word'; see cleanup.sh --help" ;;
    *) [ -z "$which" ] || die "found two nodes, '$which' and '$word'"; which=$word ;;
  esac
done
[ -n "$which" ] || die "found no NODE; see cleanup.sh --help"
list=$(nodes "$which")

command="set -e; systemctl disable --now $UNIT; rm -f /etc/systemd/system/$UNIT /usr/local/bin/hansed \
/usr/local/bin/hanse /etc/hanse/node.toml; systemctl daemon-reload"
[ -z "$purge" ] || command+="; rm -rf /var/lib/private/hanse /var/lib/hanse"
if [ -z "$dry" ]; then
  printf 'Remove Hanse%s from: %s\n' "${purge:+, its key and data}" "$(tr '\n' ' ' <<<"$list")"
  printf 'Type %s to go on: ' "$which"
  read -r answer || answer=
  [ "$answer" = "$which" ] || die "found '$answer', expected '$which'; nothing was removed" 1
fi
for node in $list; do
  say "$node ($(target "$node"))"
  on "$node" "$command" </dev/null || die "$node failed (above)" 3
done
