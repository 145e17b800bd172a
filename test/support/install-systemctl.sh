#!/usr/bin/env bash
# Stands in for systemctl in the machine of install-root.sh: starts and stops the command that a
# unit names, as a child of nobody, and keeps what was asked in /machine/log.
set -euo pipefail

units=/etc/systemd/system
echo "$*" >>/machine/log

verb='' names=() now=no
for argument in "$@"; do
    case $argument in
    --now) now=yes ;;
    -*) ;;
    *) if [ -z "$verb" ]; then verb=$argument; else names+=("$argument"); fi ;;
    esac
done

pid_of() { cat "/machine/$1.pid" 2>/dev/null || true; }
# A process that has ended stays a zombie there, as the first process of that machine is a sleep.
runs() {
    local pid
    pid=$(pid_of "$1")
    [ -n "$pid" ] && grep -qs '^State:[[:space:]]*[^ZX[:space:]]' "/proc/$pid/status"
}

start() {
    local command
    command=$(sed -n 's/^ExecStart=//p' "$units/$1")
    install -d -m 700 /run/selvage /var/lib/selvage
    set -a
    # shellcheck disable=SC1091 # only there on that machine
    if [ -f /etc/default/selvage ]; then . /etc/default/selvage; fi
    set +a
    command=${command/'$SELVAGE_AGENT_OPTIONS'/${SELVAGE_AGENT_OPTIONS:-}}
    # shellcheck disable=SC2086 # words, as in the unit
    setsid $command >>"/machine/$1.log" 2>&1 </dev/null &
    echo $! >"/machine/$1.pid"
}

stop() {
    if runs "$1"; then
        kill "$(pid_of "$1")"
        for _ in $(seq 200); do
            runs "$1" || break
            sleep 0.1
        done
    fi
    rm -f "/machine/$1.pid"
}

wants() { echo "$units/multi-user.target.wants/$1"; }

for name in "${names[@]:-}"; do
    case $verb in
    is-active) runs "$name" ;;
    is-enabled) [ -L "$(wants "$name")" ] ;;
    cat) cat "$units/$name" ;;
    enable) ln -sfn "$units/$name" "$(wants "$name")" ;;
    disable)
        rm -f "$(wants "$name")"
        if [ $now = yes ]; then stop "$name"; fi
        ;;
    restart)
        stop "$name"
        start "$name"
        ;;
    stop) case $name in *'*'*) ;; *) stop "$name" ;; esac ;;
    daemon-reload | reset-failed) ;;
    *)
        echo "no such verb here: $verb" >&2
        exit 1
        ;;
    esac
done
