#!/bin/sh
# Installs what is missing, says what it does, and does nothing when all is there.
#   setup.sh        npm packages
#   setup.sh run    and the Debian packages that running needs
#   setup.sh package and those that packages are made with
#   setup.sh test   and the Debian packages that the tests use as peers and tools
set -eu
cd "$(dirname "$0")/.."

say() { printf 'setup: %s\n' "$*" >&2; }

if [ ! -f node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
  say "installing npm packages (npm ci)"
  npm ci --no-audit --no-fund --loglevel=error >&2
  touch node_modules/.package-lock.json
fi
if [ ! -x node_modules/.bin/node ]; then
  say "no Node runtime for $(uname -s) $(uname -m) among the optional packages; NovaEdge runs on Linux, x64 or arm64"
  exit 1
fi

case "${1:-}" in
  run) needs="nft:nftables lib:libnftables1 ip:iproute2 nsenter:util-linux curl:curl" ;;
  package) needs="dpkg-deb:dpkg rpmbuild:rpm strip:binutils" ;;
  test) needs="nft:nftables lib:libnftables1 ip:iproute2 nsenter:util-linux curl:curl tcpdump:tcpdump /usr/lib/frr/zebra:frr /usr/sbin/bird:bird2 wireguard-go:wireguard-go wg:wireguard-tools turnserver:coturn fping:fping conntrack:conntrack dnsmasq:dnsmasq-base dpkg-deb:dpkg rpmbuild:rpm strip:binutils systemd-nspawn:systemd-container mmdebstrap:mmdebstrap lintian:lintian rpmlint:rpmlint mandoc:mandoc" ;;
  *) exit 0 ;;
esac

missing=""
for need in $needs; do
  command=${need%%:*}
  package=${need#*:}
  if [ "$command" = lib ]; then
    [ -n "$(find /usr/lib /lib -name 'libnftables.so.1*' -print -quit 2>/dev/null)" ] || missing="$missing $package"
  else
    PATH="$PATH:/usr/sbin:/sbin" command -v "$command" >/dev/null 2>&1 || missing="$missing $package"
  fi
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
  say "missing Debian packages:$missing"
  say "install them with: sudo apt-get install$missing"
  [ "${1:-}" = test ] && exit 0 # the tests that need them are skipped and say so
  exit 1
fi
say "installing Debian packages:$missing"
export DEBIAN_FRONTEND=noninteractive

# Routing daemons and servers are wanted as programs for tests, not as services of this machine: while they are installed, nothing is
# started, and the services that came with them do not start at the next boot either.  What was installed before stays
# as it was.
policy=/usr/sbin/policy-rc.d
quiet_services=""
case "$missing" in *frr* | *bird2* | *coturn*) quiet_services=yes ;; esac
if [ -n "$quiet_services" ] && [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
  trap 'rm -f "$policy"' EXIT
  trap 'exit 130' INT TERM
fi
# shellcheck disable=SC2086  # a list of words is meant
if ! apt-get install -y -qq --no-install-recommends $missing >/dev/null 2>&1; then
  apt-get update -qq >&2
  apt-get install -y -qq --no-install-recommends $missing >&2
fi
for package in $missing; do
  case "$package" in
    frr) service=frr ;;
    bird2) service=bird ;;
    coturn) service=coturn ;;
    *) continue ;;
  esac
  if command -v systemctl >/dev/null 2>&1 && systemctl disable --quiet "$service" 2>/dev/null; then
    say "service $service came with $package: not started, and disabled (systemctl enable --now $service undoes that)"
  fi
done
