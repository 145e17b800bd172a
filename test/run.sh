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
# What runs in the background: leaders of process groups, by name.
declare -A groups
clean_up() {
    local group
    for group in "${groups[@]}"; do kill -- "-$group" 2>/dev/null || true; done
    rm -rf "$scratch"
}
trap clean_up EXIT

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

# background ID COMMAND…: begins it; what it prints is kept for `ended ID`.
background() {
    local id=$1
    shift
    # A group of its own, so that all of it can be ended.
    set -m
    "$@" >"$scratch/$id.out" 2>&1 </dev/null &
    set +m
    groups[$id]=$!
}

# ended ID: waits for it and prints what it printed, in one piece; the status is its status.
ended() {
    local status=0
    wait "${groups[$1]}" || status=$?
    unset "groups[$1]"
    cat "$scratch/$1.out"
    return "$status"
}

# run_tests ID NAME JOBS TIMEOUT_S FILE…: test files, given by their sources; leaves their numbers.
run_tests() {
    local id=$1 name=$2 jobs=$3 timeout_s=$4 started result status=0 file numbers
    shift 4
    local compiled=()
    for file in "$@"; do compiled+=("dist/${file%.ts}.js"); done
    started=$(now_ms)
    echo "== $name"
    result=$scratch/$id.json
    rm -f "$result"
    node dist/test/support/run-files.js --result "$result" --jobs "$jobs" --timeout-s "$timeout_s" \
        "${compiled[@]}" || status=$?
    if numbers=$(node -p '
        const { passed, failed, skipped, skips } = JSON.parse(require("fs").readFileSync(process.argv[1]));
        for (const skip of skips) console.error(`  skipped ${skip}`);
        [passed, failed, skipped].join(" ")' "$result" 2>"$scratch/$id.skips"); then
        cat "$scratch/$id.skips"
    else
        echo "   the test runner ended without a result (status $status)" >&2
        numbers="0 1 0"
    fi
    local p f s
    read -r p f s <<<"$numbers"
    # A failure that no assertion shows (a crash, a hang) is one all the same.
    if [ "$status" != 0 ] && [ "$f" = 0 ]; then f=1; fi
    echo "$p $f $s $(seconds_since "$started")" >"$scratch/$id.numbers"
}

# patiently COMMAND…: lets others go first, from now on in this process.
patiently() {
    renice -n 10 -p "$BASHPID" >/dev/null
    "$@"
}

# promptly COMMAND…: goes before others, from now on in this process.
promptly() {
    renice -n -10 -p "$BASHPID" >/dev/null 2>&1 || true
    "$@"
}

# idly COMMAND…: runs only while nobody else wants the CPU, from now on in this process.
idly() {
    chrt --idle --pid 0 "$BASHPID" 2>/dev/null || renice -n 19 -p "$BASHPID" >/dev/null
    "$@"
}

# count ID NAME: adds the numbers that the tests left; having left none is a failure.
count() {
    local p=0 f=1 s=0 time='a time that nobody knows'
    if [ -f "$scratch/$1.numbers" ]; then read -r p f s time <"$scratch/$1.numbers"; fi
    passed=$((passed + p))
    failed=$((failed + f))
    skipped=$((skipped + s))
    phase "$2: $p passed, $f failed, $s skipped in $time"
}

# tests NAME JOBS TIMEOUT_S FILE…: a phase of test files.
tests() {
    [ $# -gt 3 ] || return 0
    run_tests now "$@"
    count now "$1"
    rm -f "$scratch/now.numbers"
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
# Both read sources only, so they need not wait for each other; the compiler leaves a core idle.
[ ${#chosen[@]} -gt 0 ] || background lint idly lint_and_format
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

mapfile -t pure < <(find_tests test/encap test/routes test/src test/fuzz)
# These wait for most of their time, or use the kernel and mind nobody.
patient='^test/netns/(confirm|continuous-probes|crash|faults|guard|guard-foreign|guard-life|lab-run|night|plane|preflight|probe)\.test\.ts$'
mapfile -t waiting < <(
    find_tests test/contract test/tunnel test/house
    find_tests test/netns | grep -E "$patient"
)
# All others of test/netns count packets or take times, so nothing runs beside them but what gives
# way at once and holds nothing of the kernel's while it waits.
mapfile -t alone < <(find_tests test/netns | grep -Ev "$patient")
mapfile -t uml < <(find_tests test/uml)
planned=$((${#pure[@]} + ${#waiting[@]} + ${#alone[@]} + ${#uml[@]}))
if [ "$planned" != "$(find_tests test | grep -cv '^test/long/')" ]; then
    echo 'run.sh: there is a folder of tests that nothing runs; give it a place in run.sh' >&2
    failed=1
    finish
fi

# The guest of user-mode Linux counts packets too, but among processes of its own one CPU: while it
# does not run, nobody in there does, and what has waited is sent at once, out of the order that it
# would have had. So it goes before others.
background uml promptly run_tests uml 'user-mode Linux' 1 600 "${uml[@]}"
background waiting patiently run_tests waiting 'kernel and network namespaces, in pairs' 2 450 "${waiting[@]}"
background pure idly run_tests pure 'unit, property, fuzz' 2 800 "${pure[@]}"
for id in waiting uml; do
    ended "$id" || true
done
count waiting 'kernel and network namespaces, in pairs'
count uml 'user-mode Linux'
tests 'network namespaces' 1 300 "${alone[@]}"
ended pure || true
count pure 'unit, property, fuzz'
check 'lint and format' ended lint
if [ "$long" = yes ]; then
    mapfile -t slow < <(find_tests test/long)
    tests 'long' 1 3600 "${slow[@]}"
fi
finish
