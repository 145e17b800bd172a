#!/usr/bin/env bash
# The demonstration: a small hybrid cloud on this machine, real packets between every pair of its
# nodes, and two of its decisions explained. Needs root, as it makes network namespaces; a fresh
# clone needs nothing else but Node and npm.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

if [ "$(id -u)" != 0 ]; then
    echo "demo: needs root to make network namespaces; run it as root: sudo npm run demo" >&2
    exit 1
fi

bash deploy/dev/setup.sh demo
npm run --silent build

cluster=deploy/examples/hybrid.yaml
selvage() { node dist/src/cli/main.js "$@"; }
show() {
    echo
    echo "\$ npx selvage $*"
    selvage "$@"
}

# A lab that an interrupted demonstration left standing goes first.
remove_lab() { selvage lab down demo >/dev/null 2>&1 || true; }
remove_lab
trap remove_lab EXIT

# The lab stays up for the explanations, which compare the decision with the nodes' real kernels.
show lab run "$cluster" --lab demo --keep
# Across two availability zones, by a rule; and to Azure, where the network drops IP-in-IP.
show lab explain 10.65.3.7 --lab demo --from aws-a-1
show lab explain 10.67.1.7 --lab demo --from rack-a-1
