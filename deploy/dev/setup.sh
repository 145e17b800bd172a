#!/usr/bin/env bash
# Makes a fresh clone on Debian ready to run: `setup.sh demo` for the lab, `setup.sh test` for
# everything the tests use, `setup.sh bench` for what the benchmarks compare with besides, `setup.sh
# build` for npm packages and the compiled command only.
#
# Does only what is missing and says what it does; a second run is silent and takes a moment.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

profile=${1:-demo}

say() { echo "setup: $*"; }
fail() {
    echo "setup: $*" >&2
    exit 1
}

# Debian's packages

runtime=(iproute2 nftables iptables procps iputils-ping tcpdump)
compiler=(g++ make python3)
case $profile in
build) packages=() ;;
demo) packages=("${runtime[@]}") ;;
test | bench)
    # kmod loads modules inside user-mode Linux; systemd is there for systemd-analyze only.
    packages=("${runtime[@]}" tshark python3-scapy user-mode-linux kmod ethtool shellcheck systemd
        awscli etcd-server etcd-client openssl)
    [ "$profile" != bench ] || packages+=(frr bird2)
    ;;
*) fail "usage: setup.sh build|demo|test|bench, not '$profile'" ;;
esac

is_installed() {
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

apt() {
    DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Dpkg::Use-Pty=0 \
        -o Acquire::Retries=3 -o DPkg::Lock::Timeout=120 "$@"
}

# Packages bring servers (etcd, bird, zebra), and installing them would start these on the machine.
services_stay_off() {
    local policy=/usr/sbin/policy-rc.d
    [ ! -e "$policy" ] || return 0
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 0755 "$policy"
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
}

# Installs what is missing of the packages named.
need_packages() {
    local missing=() package log
    for package in "$@"; do is_installed "$package" || missing+=("$package"); done
    [ ${#missing[@]} -gt 0 ] || return 0
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        say "not installed: ${missing[*]}; as root on Debian this would be done here:" \
            "apt-get install ${missing[*]}"
        return 0
    fi
    say "installing Debian packages: ${missing[*]}"
    services_stay_off
    log=$(mktemp)
    # The lists may be absent or old: one update, then one more try after a pause.
    if ! { apt update && apt install --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
        sleep 5
        if ! { apt update && apt install --no-install-recommends "${missing[@]}"; } >>"$log" 2>&1; then
            cat "$log" >&2
            fail "apt-get could not install: ${missing[*]}"
        fi
    fi
    rm -f "$log"
}

# npm's packages

# Node's headers, where they are installed: node-gyp would download them otherwise.
for prefix in "$(dirname "$(dirname "$(readlink -f "$(command -v node)")")")" /usr /usr/local; do
    if [ -f "$prefix/include/node/node.h" ]; then
        export npm_config_nodedir=$prefix
        break
    fi
done

# Does node_modules hold exactly the versions of package-lock.json? npm leaves its own record there.
npm_packages_fit() {
    node -e '
        const read = (path) => JSON.parse(require("fs").readFileSync(path, "utf8")).packages;
        const wanted = read("package-lock.json");
        const found = read("node_modules/.package-lock.json");
        const missing = Object.entries(wanted).filter(
            ([path, entry]) => path !== "" && !entry.optional && found[path]?.version !== entry.version);
        process.exit(missing.length === 0 ? 0 : 1);' 2>/dev/null
}

raw_socket_loads() { node -e 'require("raw-socket")' 2>/dev/null; }

# raw-socket is optional: it is tried once for each state of package.json, the lock and Node.
npm_stamp() { { cat package.json package-lock.json && node -p process.version; } | sha256sum | cut -d' ' -f1; }

if ! npm_packages_fit ||
    { ! raw_socket_loads && [ "$(npm_stamp)" != "$(cat node_modules/.selvage-stamp 2>/dev/null)" ]; }; then
    need_packages "${compiler[@]}"
    say "installing npm packages"
    npm ci --no-audit --no-fund --loglevel=error
    npm_stamp >node_modules/.selvage-stamp
    raw_socket_loads || say "raw-socket did not compile: userspace IP-in-IP will not be available"
fi

# The native addon: prebuilt for common machines, compiled here for others

addon_loads() {
    node -e '
        const folder = `linux-${process.arch}`;
        const loads = (path) => { try { require(path); return true; } catch { return false; } };
        const paths = ["prebuilds", "build"].map((kind) => `./tunnel/native/${kind}/${folder}/selvage.node`);
        process.exit(paths.some(loads) ? 0 : 1);'
}

if ! addon_loads; then
    need_packages "${compiler[@]}"
    say "compiling the native addon"
    bash tunnel/native/build.sh
    addon_loads || fail "the native addon was compiled but does not load"
fi

need_packages "${packages[@]}"
