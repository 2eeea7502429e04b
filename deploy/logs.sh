#!/usr/bin/env bash
# Shows the last lines of a bootstrap node's log; see --help.
# shellcheck source=deploy/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

usage() {
  cat <<'U'
usage: logs.sh [--dry-run] NODE [N]
Prints the last N lines (default 100) that the node wrote to its journal.
  --dry-run   say what would be asked
U
}

words=()
for word in "$@"; do
  case $word in
    -h | --help) usage; exit 0 ;;
    --dry-run) dry=1 ;;
    -*) die "found '$word'; see logs.sh --help" ;;
    *) words+=("$word") ;;
  esac
done
[ ${#words[@]} = 1 ] || [ ${#words[@]} = 2 ] || die "found ${#words[@]} words, expected NODE [N]; see logs.sh --help"
lines=${words[1]:-100}
[[ $lines =~ ^[1-9][0-9]{0,6}$ ]] || die "found '$lines', expected a number of lines"
[ "${words[0]}" != all ] || die "found all, expected one NODE"
nodes "${words[0]}" >/dev/null
on "${words[0]}" "journalctl --unit $UNIT --lines $lines --no-pager --output cat" </dev/null
