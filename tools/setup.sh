#!/usr/bin/env bash
# Installs what Hanse needs. Called by ./dev setup; see --help.
#
# Debian 13: plain packages, plus backports for ngtcp2 (the mesh group).
# Debian 12: adds the Debian 13 archive of the same mirror the machine already uses, pinned so low that
#            nothing moves by itself; only the packages named here (and what they need) come from it.
# Elsewhere: prints the package names and changes nothing.
set -euo pipefail

declare -A GROUP=(
  [core]="g++ cmake ninja-build pkg-config mold ccache git python3
    libssl-dev librust-blake3-dev librocksdb-dev libgrpc++-dev libprotobuf-dev protobuf-compiler
    protobuf-compiler-grpc libspdlog-dev libfmt-dev libtomlplusplus-dev libcli11-dev libyyjson-dev libyaml-cpp-dev
    libboost1.83-dev libcap-dev libseccomp-dev prometheus-cpp-dev libcurl4-openssl-dev libzstd-dev
    libgtest-dev libgmock-dev"
  [wasm]="libwasmedge-dev"
  [onnx]="libonnxruntime-dev"
  [dev]="clang-19 lld-19 clang-format-19 clang-tidy-19 libclang-rt-19-dev libbenchmark-dev libbotan-3-dev
    libdnnl-dev wabt nodejs"
  [s3]="python3-moto python3-flask-cors"
  [mesh]="libngtcp2-dev libngtcp2-crypto-ossl-dev openssl libminiupnpc-dev libnatpmp-dev"
  [lab]="iproute2 util-linux nftables dbus avahi-daemon avahi-utils coturn miniupnpd-nftables"
  [slurm]="slurmctld slurmd slurm-client munge"
)
DEFAULT_GROUPS=(core wasm onnx mesh)

usage() {
  cat <<'U'
usage: ./dev setup [GROUP ...]
Installs the packages Hanse builds and runs with. Groups: core wasm onnx mesh (the default; mesh is QUIC, from the
backports archive, and port mapping), dev (fuzzers, benchmarks, formatter), s3 (an object server that checks signatures,
for the tests of backups), lab (daemons that the mesh is tested against in network namespaces) and slurm (a cluster that
pilots are tested on), whose daemons are neither started nor enabled, all. Running it again changes nothing.
  --list    print the packages of the groups and exit
  --check   exit 0 when everything is installed, 1 with the missing names otherwise
U
}

mode=install groups=()
for a in "$@"; do
  case $a in
    -h|--help) usage; exit 0 ;;
    --list) mode=list ;;
    --check) mode=check ;;
    all) groups=(core wasm onnx mesh dev s3 lab slurm) ;;
    *) [ -n "${GROUP[$a]:-}" ] || { echo "setup: found group '$a', expected one of: ${!GROUP[*]} all" >&2; exit 2; }
       groups+=("$a") ;;
  esac
done
[ ${#groups[@]} -gt 0 ] || groups=("${DEFAULT_GROUPS[@]}")
packages=(); for g in "${groups[@]}"; do read -r -d '' -a p <<<"${GROUP[$g]} " || true; packages+=("${p[@]}"); done
# A machine that has node from elsewhere keeps it.
if command -v node >/dev/null; then packages=("${packages[@]/#nodejs/}"); fi
kept=(); for p in "${packages[@]}"; do [ -n "$p" ] && kept+=("$p"); done; packages=("${kept[@]}")

say() { printf 'setup: %s\n' "$*" >&2; }
installed() { dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null | grep -qx installed; }
missing() { local p; for p in "${packages[@]}"; do installed "$p" || echo "$p"; done; }
# Old copies of these are present on Debian 12 and too old to build with.
too_old() {
  local name least
  while read -r name least; do
    [[ " ${packages[*]} " == *" $name "* ]] || continue
    dpkg --compare-versions "$(dpkg-query -W -f '${Version}' "$name" 2>/dev/null || echo 0)" ge "$least" || echo "$name"
  done <<<"g++ 4:14
cmake 3.28
libssl-dev 3.5
openssl 3.5
libngtcp2-dev 1.22"
}

. /etc/os-release
# A Debian 12 that was brought here by this script may call itself 13 afterwards; its sources are still 12's.
[ ! -f /etc/apt/preferences.d/hanse-trixie ] || VERSION_CODENAME=bookworm
[ "$mode" != list ] || { printf '%s\n' "${packages[@]}"; exit 0; }
if ! command -v dpkg-query >/dev/null || [ "${ID:-}" != debian ] ||
   [[ ! ${VERSION_CODENAME:-} =~ ^(bookworm|trixie)$ ]]; then
  say "found ${PRETTY_NAME:-an unknown system}, expected Debian 12 or 13; nothing was changed."
  say "Hanse needs g++ >= 14, CMake >= 3.28, OpenSSL >= 3.5, RocksDB >= 9, ngtcp2 >= 1.22 and these (Debian's names):"
  printf '  %s\n' "${packages[@]}"
  exit 2
fi
facts() {  # what the build will find; `./dev doctor` says more once it is built
  local version
  for p in g++ cmake libssl-dev librocksdb-dev libgrpc++-dev libwasmedge-dev libngtcp2-dev; do
    version=$(dpkg-query -W -f '${Version}' "$p" 2>/dev/null) || version=absent
    printf '  %-16s %s\n' "$p" "${version:-absent}"
  done >&2
  printf '  %-16s %s\n' kernel "$(uname -r)" processors "$(nproc)" \
    memory "$(awk '/MemTotal/ {printf "%d MiB", $2 / 1024}' /proc/meminfo)" \
    "free disk" "$(df -Pm . | awk 'NR == 2 {print $4 " MiB"}')" >&2
}

lack=$(missing; too_old)
if [ -z "$lack" ] && [ "$mode" = check ]; then exit 0; fi
if [ -z "$lack" ]; then
  facts
  say "groups ${groups[*]}: all ${#packages[@]} packages are installed, nothing to do"
  exit 0
fi
if [ "$mode" = check ]; then printf '%s\n' $lack; exit 1; fi

if [ "$(id -u)" != 0 ]; then
  command -v sudo >/dev/null || { say "need root or sudo to install:" $lack; exit 4; }
  say "asking sudo for: $0 ${groups[*]}"
  exec sudo "$0" "${groups[@]}"
fi
export DEBIAN_FRONTEND=noninteractive APT_LISTCHANGES_FRONTEND=none NEEDRESTART_MODE=a
apt_get() { apt-get -q -o Acquire::Retries=5 -o DPkg::Lock::Timeout=300 "$@"; }
dpkg --configure -a >&2

# Writes the Debian 13 (or backports) twin of the machine's own Debian source.
#   $1 from-suite  $2 to-suites expression for deb822  $3 out basename
find_source() { local f; for f in /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list; do
  [ -f "$f" ] && grep -qE "\b$VERSION_CODENAME\b" "$f" && { echo "$f"; return; }; done
  say "found no apt source of $VERSION_CODENAME in /etc/apt, expected one to take the mirror from"; exit 3; }

target=()
if [ "$VERSION_CODENAME" = bookworm ]; then
  src=$(find_source)
  case $src in
    *.sources)
      awk 'BEGIN{RS="";ORS="\n\n"} /bookworm/ && /(^|\n)Types: *deb( |\n)/' "$src" |
        sed -E '/^#/d; /^Suites:/{/security/!s/$/ bookworm-backports/; s/bookworm/trixie/g}' \
          >/etc/apt/sources.list.d/hanse-trixie.sources ;;
    *)
      grep -E '^deb .*bookworm' "$src" | sed 's/bookworm/trixie/g' >/etc/apt/sources.list.d/hanse-trixie.list
      grep -E '^deb .*bookworm ' "$src" | head -1 | sed 's/bookworm /trixie-backports /' \
        >>/etc/apt/sources.list.d/hanse-trixie.list ;;
  esac
  cat >/etc/apt/preferences.d/hanse-trixie <<'P'
Package: *
Pin: release n=/^trixie(|-security|-updates)$/
Pin-Priority: 100

Package: *
Pin: release n=trixie-backports
Pin-Priority: 50

Package: libngtcp2* libnghttp3*
Pin: release n=trixie-backports
Pin-Priority: 995
P
  # Naming gdb keeps a debugger on the machine: its old build depends on libraries that are renamed.
  target=(-t '/^trixie(|-security|-updates)$/'); packages+=(gdb)
  say "added the Debian 13 archive beside Debian 12's (pinned low, nothing else moves)"
elif [[ " ${groups[*]} " == *" mesh "* ]]; then
  src=$(find_source)
  case $src in
    *.sources) awk 'BEGIN{RS="";ORS="\n\n"} /trixie/ && !/security/ && /(^|\n)Types: *deb( |\n)/' "$src" |
        sed -E '/^#/d; s/^Suites:.*/Suites: trixie-backports/' \
          >/etc/apt/sources.list.d/hanse-backports.sources ;;
    *) grep -E '^deb .*trixie ' "$src" | head -1 | sed 's/trixie /trixie-backports /' \
         >/etc/apt/sources.list.d/hanse-backports.list ;;
  esac
  printf 'Package: libngtcp2* libnghttp3*\nPin: release n=trixie-backports\nPin-Priority: 995\n' \
    >/etc/apt/preferences.d/hanse-backports
fi
say "installing groups ${groups[*]}; missing:" $lack
apt_get update >&2
install() {
  [ $# = 0 ] || apt_get -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold \
    install -y --no-install-recommends "$@" >&2
}
# Daemons for tests: as the machine's own archive has them (of another one they would move half of the machine), if they
# fit to what is there. They do not run, now or at the next start.
lab=() rest=() daemons=()
for p in "${packages[@]}"; do
  if [[ ! " ${GROUP[lab]} ${GROUP[slurm]} " =~ [[:space:]]"$p"[[:space:]] ]]; then rest+=("$p")
  elif ! installed "$p"; then lab+=("$p"); fi
done
[ ${#rest[@]} = 0 ] || [[ "${rest[*]}" == gdb ]] || install "${target[@]}" "${rest[@]}"
if [ ${#lab[@]} -gt 0 ]; then
  if [ ! -e /usr/sbin/policy-rc.d ]; then
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
    chmod 755 /usr/sbin/policy-rc.d
  fi
  for unit in avahi-daemon.socket avahi-daemon coturn miniupnpd slurmctld slurmd munge; do
    systemctl is-enabled -q "$unit" 2>/dev/null || daemons+=("$unit")
  done
  install "${lab[@]}" || install "${target[@]}" "${lab[@]}"
  command -v systemctl >/dev/null && systemctl disable -q "${daemons[@]}" 2>/dev/null || true
fi
lack=$(missing; too_old)
[ -z "$lack" ] || { say "still missing after the install:" $lack; exit 3; }
facts
say "groups ${groups[*]}: ${#packages[@]} packages installed"
