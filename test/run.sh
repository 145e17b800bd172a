#!/usr/bin/env bash
# The tests: set-up, types, lint, format, then every test file, compiled.
#
#   run.sh                      everything but test/long
#   run.sh --long               test/long as well; the outcome is kept in test/long/last-run.txt
#   run.sh --long test/long     the long ones alone; kept likewise
#   run.sh test/encap [FILE…]   set-up and types, then the test files of these folders only
#
# Ends with "N passed, N failed[, N skipped]" alone on a line, and fails when anything failed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

long=no
chosen=()
for argument in "$@"; do
    case $argument in
    --long) long=yes ;;
    -*)
        echo "run.sh: unknown option $argument; usage: run.sh [--long] [FOLDER|FILE.test.ts]..." >&2
        exit 2
        ;;
    *) chosen+=("${argument%/}") ;;
    esac
done

passed=0
failed=0
skipped=0
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

now_ms() { date +%s%3N; }
seconds_since() { awk -v ms=$(($(now_ms) - $1)) 'BEGIN { printf "%.1f s", ms / 1000 }'; }

# phase TEXT: tells how a phase went, and keeps it for the record of a long run.
phases=()
phase() {
    phases+=("$*")
    echo "== $*"
}

finish() {
    local line="$passed passed, $failed failed"
    [ "$skipped" = 0 ] || line+=", $skipped skipped"
    if [ "$long" = yes ] && [ -d test/long ]; then
        {
            date -u +%Y-%m-%d
            echo "kernel $(uname -r), node $(node -p process.version), $(nproc) cores"
            printf '%s\n' "${phases[@]}" "$line"
        } >test/long/last-run.txt
    fi
    echo
    echo "$line"
    [ "$failed" = 0 ] && exit 0
    exit 1
}

# check NAME COMMAND…: a phase that is one check, without which the rest is not worth running.
check() {
    local name=$1 started
    shift
    started=$(now_ms)
    echo "== $name"
    if "$@"; then
        passed=$((passed + 1))
        phase "$name: ok in $(seconds_since "$started")"
    else
        failed=$((failed + 1))
        phase "$name: FAILED; nothing after it was run"
        finish
    fi
}

# tests NAME JOBS TIMEOUT_S FILE…: a phase of test files, given by their sources.
tests() {
    local name=$1 jobs=$2 timeout_s=$3 started result status=0 file numbers
    shift 3
    [ $# -gt 0 ] || return 0
    local compiled=()
    for file in "$@"; do compiled+=("dist/${file%.ts}.js"); done
    started=$(now_ms)
    echo "== $name"
    result=$scratch/result.json
    rm -f "$result"
    node_modules/.bin/tap run --jobs="$jobs" --timeout="$timeout_s" --reporter=tap "${compiled[@]}" |
        node dist/test/support/tally.js "$result" || status=$?
    if numbers=$(node -p '
        const { passed, failed, skipped, skips } = JSON.parse(require("fs").readFileSync(process.argv[1]));
        for (const skip of skips) console.error(`  skipped ${skip}`);
        [passed, failed, skipped].join(" ")' "$result" 2>"$scratch/skips"); then
        cat "$scratch/skips"
    else
        echo "   the test runner ended without a result (status $status)" >&2
        numbers="0 1 0"
    fi
    local p f s
    read -r p f s <<<"$numbers"
    # A failure that no assertion shows (a crash, a hang) is one all the same.
    if [ "$status" != 0 ] && [ "$f" = 0 ]; then f=1; fi
    passed=$((passed + p))
    failed=$((failed + f))
    skipped=$((skipped + s))
    phase "$name: $p passed, $f failed, $s skipped in $(seconds_since "$started")"
}

# Test files of a folder. Sources are listed, not dist/, where outputs of deleted files linger.
find_tests() {
    find "$@" -name '*.test.ts' 2>/dev/null | LC_ALL=C sort
}

lint_and_format() {
    local status=0
    npm run --silent format:check >"$scratch/format" 2>&1 &
    local format=$!
    npm run --silent lint || status=1
    wait "$format" || {
        cat "$scratch/format"
        echo "run 'npm run format'"
        status=1
    }
    return "$status"
}

check 'set-up' bash deploy/dev/setup.sh test
check 'types' npm run --silent build

if [ ${#chosen[@]} -gt 0 ]; then
    mapfile -t files < <(find_tests "${chosen[@]}")
    if [ ${#files[@]} = 0 ]; then
        echo "run.sh: no *.test.ts in ${chosen[*]}" >&2
        failed=1
        finish
    fi
    timeout_s=900
    [ "$long" = no ] || timeout_s=3600
    tests "${chosen[*]}" 1 "$timeout_s" "${files[@]}"
    finish
fi

check 'lint and format' lint_and_format

mapfile -t pure < <(find_tests test | grep -Ev '^test/(netns|uml|long|bench)/')
# Two of these at a time. All others count packets or take times, so nothing runs beside them.
pairwise='^test/netns/(confirm|continuous-probes|crash|guard|guard-foreign|guard-life|lab-run|plane|probe)\.test\.ts$'
mapfile -t together < <(find_tests test/netns | grep -E "$pairwise")
mapfile -t alone < <(find_tests test/netns | grep -Ev "$pairwise")
mapfile -t uml < <(find_tests test/uml)
tests 'unit, property, house, contract, fuzz' 2 180 "${pure[@]}"
tests 'network namespaces, in pairs' 2 300 "${together[@]}"
tests 'network namespaces' 1 300 "${alone[@]}"
tests 'user-mode Linux' 1 600 "${uml[@]}"
if [ "$long" = yes ]; then
    mapfile -t slow < <(find_tests test/long)
    tests 'long' 1 3600 "${slow[@]}"
fi
finish
