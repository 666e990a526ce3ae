#!/usr/bin/env bash
# One script of examples/ with few peers and a few seconds; it has to hold. The scripts that need a
# server get a lab. SQUALL is the program.
set -euo pipefail

example=$1
name=$(basename "$example" .sh)
work=$(mktemp -d)
lab=
publisher=
finish() {
    for pid in $publisher $lab; do
        kill -INT "$pid" 2>/dev/null && wait "$pid" || true
    done
    rm -rf "$work"
}
trap finish EXIT
cd "$work"

# Fewer peers than a slow or instrumented build can serve, and late timers are forgiven.
short=(--peers 4 --duration 3s --no-tui --lateness-max 1000 --out "$work/out")

start_lab() {
    "$SQUALL" lab --listen 127.0.0.1:0 >"$work/lab" &
    lab=$!
    for _ in $(seq 100); do
        page=$(sed -n 's/^ *page *//p' "$work/lab")
        [ -n "$page" ] && return
        sleep 0.1
    done
    echo "the lab does not start" >&2
    exit 1
}

case $name in
whip-publish)
    start_lab
    export TARGET="whip+${page}whip/stage"
    short+=(--peers 1)
    ;;
whep-watch)
    start_lab
    "$SQUALL" run "whip+${page}whip/stage" --duration 60s --no-tui --out "$work/publisher" >/dev/null 2>"$work/progress" &
    publisher=$!
    export TARGET="whep+${page}whep/stage"
    until grep -q ' 1 connected' "$work/progress"; do
        kill -0 "$publisher"
        sleep 0.1
    done
    ;;
record)
    bash -n "$example"
    bash "$example" "${short[@]}" >"$work/said"
    grep -q "codec_name=vp8" "$work/said"
    exit
    ;;
capacity)
    bash -n "$example"
    bash "$example" --from 2 --most 4 --hold 1s --hold-most 2s --pause 100ms --lateness-max 1000 --out "$work/out" >"$work/said"
    grep -q "One room holds 4 peers" "$work/said"
    test -s "$work/out/capacity.json"
    exit
    ;;
janus-echotest) export TARGET=lab:echo ;; # interop/janus has the real one
churn) short+=(--hold 1s) ;;
ramp) short+=(--ramp 1s:1s) ;;
spike) short=("${short[@]:4}" --load "1s:2, 0s:4, 1s:4, 1s:0" --hold 1s) ;; # they say how many, and how long
replay-arrivals) short=("${short[@]:4}" --hold 1s) ;;
esac

bash -n "$example"
if [ "$name" = prepare ] && ! { command -v ffmpeg >/dev/null && "$SQUALL" media prepare --can; }; then
    echo "skipped: no ffmpeg, or a build without libav"
    exit
fi
if [ "$name" = compare ]; then
    RUNS=1 RESULTS="$work/results" bash "$example" --peers 4 --duration 3s --lateness-max 1000 | tee "$work/said"
    grep -q "NOT WORSE" "$work/said"
    exit
fi
if [ "$name" = pair ]; then
    bash "$example" --duration 3s >"$work/pair"
    [ "$(grep -c '^pass' "$work/pair")" = 2 ]
    exit
fi
bash "$example" "${short[@]}"
grep -q '"verdict": *"pass"' "$work/out/summary.json"
if [ "$name" = ci-smoke ]; then
    grep -q '<testsuite' junit.xml
fi
