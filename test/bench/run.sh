#!/usr/bin/env bash
# The benchmarks, from a fresh checkout: set-up, build, run. Results: test/bench/results.json.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
bash deploy/dev/setup.sh bench
npx --no-install tsc -p .
exec node --enable-source-maps dist/test/bench/main.js
