#!/usr/bin/env bash
# A machine for install.test.ts: mounts, processes and network of its own; the programs of this one,
# and everything else empty. One NIC, no way out. `systemctl` is the small service manager beside
# this file, so that the installer's units start what they say.
#
#   install-root.sh PACKAGES ROOT
#
# The folder PACKAGES becomes /packages; ROOT is an empty folder, where the machine's root is
# mounted. Says "ready" and lives until it is killed.
set -euo pipefail

if [ "${1:-}" != --inside ]; then
    # exec, so that whoever started this kills the right process, and everything inside with it.
    exec unshare --mount --net --pid --fork --kill-child --propagation private "$0" --inside "$@"
fi

packages=$2 new=$3
here=$(dirname "$(readlink -f "$0")")
mount -t tmpfs -o mode=755 tmpfs "$new"

# bind PATH: as it is here, read only
bind() {
    mkdir -p "$new$1"
    mount --bind "$1" "$new$1"
    mount -o remount,bind,ro "$new$1"
}

for path in /bin /sbin /lib /lib64; do
    if [ -L "$path" ]; then cp -a "$path" "$new$path"; elif [ -d "$path" ]; then bind "$path"; fi
done
# Where the installer writes; Node may be there as well.
mkdir -p "$new/usr/local/bin"
for path in /usr/* /usr/local/*; do
    case $path in /usr/local | /usr/local/bin) continue ;; esac
    if [ -L "$path" ]; then cp -a "$path" "$new$path"; elif [ -d "$path" ]; then bind "$path"; fi
done

for path in /usr/local/bin/{node,npm}; do
    if [ -L "$path" ]; then
        cp -a "$path" "$new$path"
    elif [ -f "$path" ]; then
        touch "$new$path"
        mount --bind "$path" "$new$path"
    fi
done

mkdir -p "$new"/{proc,sys,dev,root,opt,packages,machine/bin,var/lib,run/systemd/system,etc/systemd/system}
mkdir -m 1777 "$new/tmp"
cp -a /etc/{passwd,group,nsswitch.conf} "$new/etc/"
for path in /etc/alternatives /etc/ld.so.cache; do
    if [ -e "$path" ]; then cp -a "$path" "$new$path"; fi
done
mount -t proc proc "$new/proc"
mount -t sysfs sysfs "$new/sys"
mount --rbind /dev "$new/dev"
mount --bind "$packages" "$new/packages"
cp "$here/install-systemctl.sh" "$new/machine/bin/systemctl"

ip link set lo up
ip link add eth0 type veth peer name switch0
ip addr add 192.168.1.11/24 dev eth0
ip link set switch0 up
ip link set eth0 up

echo ready
exec chroot "$new" sleep infinity
