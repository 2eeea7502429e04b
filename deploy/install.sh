#!/usr/bin/env bash
# Installs a bootstrap node on this machine; see --help.
# shellcheck source=deploy/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

usage() {
  cat <<'U'
usage: install.sh [--dry-run] [--root DIR] CONFIG
Installs hansed, hanse, the unit and CONFIG (as /etc/hanse/node.toml) on this machine, and starts the service or
starts it again. A key is made at the first start, in /var/lib/hanse; it stays when this runs again.
The programs are taken from beside this script, else from $HANSE_BIN_DIR, else from build/bin of this tree.
  --dry-run   say what would be done
  --root DIR  install below DIR and start nothing
U
}

root='' config=''
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) usage; exit 0 ;;
    --dry-run) dry=1 ;;
    --root) [ $# -gt 1 ] || die "found no folder after --root"; root=$2; shift ;;
    -*) die "found '$1'; see install.sh --help" ;;
    *) [ -z "$config" ] || die "found two configurations, '$config' and '$1'"; config=$1 ;;
  esac
  shift
done
[ -n "$config" ] || die "found no CONFIG; see install.sh --help"
[ -r "$config" ] || die "found no file $config"
bin=$HERE
[ -x "$bin/hansed" ] || bin=${HANSE_BIN_DIR:-$HERE/../build/bin}
for program in hansed hanse; do
  "$bin/$program" "$([ $program = hansed ] && echo --version || echo version)" >/dev/null ||
    die "$bin/$program does not run here (above)" 3
done
"$bin/hansed" --config "$config" --check >/dev/null
[ -n "$dry$root" ] || [ "$(id -u)" = 0 ] || die "found user $(id -un), expected root" 4

for program in hansed hanse; do  # a program that runs cannot be written to, but its name can be given to another
  run install -D -m 0755 "$bin/$program" "$root/usr/local/bin/$program.new"
  run mv -f "$root/usr/local/bin/$program.new" "$root/usr/local/bin/$program"
done
unit=$HERE/$UNIT
[ -r "$unit" ] || unit=$HERE/systemd/$UNIT
run install -D -m 0644 "$unit" "$root/etc/systemd/system/$UNIT"
run install -D -m 0644 "$config" "$root/etc/hanse/node.toml"
[ -z "$root" ] || exit 0
run systemctl daemon-reload
run systemctl enable "$UNIT"
run systemctl restart "$UNIT"  # returns when the node has said that it is ready
