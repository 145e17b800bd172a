#!/usr/bin/env bash
# The demonstration: a small hybrid cloud on this machine, real packets between every pair of its
# nodes, and two of its decisions explained. Needs root, as it makes network namespaces.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

if [ "$(id -u)" != 0 ]; then
    echo "demo: needs root to make network namespaces; run it as root: sudo npm run demo" >&2
    exit 1
fi

bash deploy/dev/setup.sh demo
npm run --silent build

selvage=(node dist/src/cli/main.js)
cluster=deploy/examples/hybrid.yaml

"${selvage[@]}" lab run "$cluster"
