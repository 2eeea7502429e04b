#!/usr/bin/env bash
# Brings programs and configuration to bootstrap nodes; see --help.
# shellcheck source=deploy/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

usage() {
  cat <<'U'
usage: deploy.sh [--dry-run] NODE|all
Sends hansed, hanse, the unit and sites/NODE.toml to the machine by ssh, and runs install.sh there. With all: one after
the other, and none after one that failed. All configurations are checked before the first machine is touched.
  --dry-run   say what would be done
Environment: HANSE_SITES (folder of nodes and configurations), HANSE_BIN_DIR (programs; default build/bin).
U
}

which=
for word in "$@"; do
  case $word in
    -h | --help) usage; exit 0 ;;
    --dry-run) dry=1 ;;
    -*) die "found '$word'; see deploy.sh --help" ;;
    *) [ -z "$which" ] || die "found two nodes, '$which' and '$word'"; which=$word ;;
  esac
done
[ -n "$which" ] || die "found no NODE; see deploy.sh --help"
bin=${HANSE_BIN_DIR:-$HERE/../build/bin}
list=$(nodes "$which")

for node in $list; do
  "$bin/hansed" --config "$SITES/$node.toml" --check >/dev/null || die "sites/$node.toml is refused (above)"
done
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
for program in hansed hanse; do  # what debuggers want stays here: a quarter of the size
  strip -o "$stage/$program" "$bin/$program" 2>/dev/null || cp "$bin/$program" "$stage"
done
cp "$HERE/install.sh" "$HERE/lib.sh" "$HERE/systemd/$UNIT" "$stage"
for node in $list; do
  say "$node ($(target "$node"))"
  cp "$SITES/$node.toml" "$stage/node.toml"
  tar -C "$stage" -cz . >"$stage.tar.gz"
  # shellcheck disable=SC2016 # expanded there
  on "$node" 'set -e; d=$(mktemp -d); trap "rm -rf $d" EXIT; tar -C "$d" -xz; "$d/install.sh" "$d/node.toml"' \
    <"$stage.tar.gz" || { rm -f "$stage.tar.gz"; die "$node failed (above); the nodes after it are as before" 3; }
  rm -f "$stage.tar.gz"
done
