#!/usr/bin/env bash
# Every scenario of examples/ is what 'squall check' takes, and what the schema for editors takes; some of
# them run, with few peers and a few seconds, and have to hold. SQUALL is the program.
set -euo pipefail

examples=$1/examples
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

# What the scenarios take from the environment.
export API=http://127.0.0.1:9 KEY=none TARGET=lab:whip TOKEN=none TURN_HOST=127.0.0.1 TURN_SECRET=none

checked=0
for file in "$examples"/*.yaml; do
    "$SQUALL" check "$file" >said
    grep -q '^Target' said
    checked=$((checked + 1))
done
echo "$checked scenarios are taken"
[ "$checked" -ge 12 ]

if python3 -c 'import jsonschema, yaml' 2>/dev/null; then
    python3 -B "$1/tests/examples/schema.py" "$1"
fi

# What is wrong is told with its place, runs nothing, and is exit code 2.
printf 'target: lab\nload:\n  peers: many\noutput: {dir: out}\n' >wrong.yaml
for command in check run; do
    code=0
    "$SQUALL" $command wrong.yaml 2>said || code=$?
    [ "$code" = 2 ]
    grep -q '^wrong.yaml:3:10: load.peers many: expected a whole number' said
done
[ ! -e out ]

# Each peer has its own token, out of a CSV: the lab takes two of the three.
"$SQUALL" lab --listen 127.0.0.1:0 --token sesame-7 >lab &
lab=$!
trap 'kill -INT $lab; wait $lab; rm -rf "$work"' EXIT
until grep -q ' page ' lab; do sleep 0.1; done
page=$(sed -n 's/^ *page *//p' lab)
printf 'path,token\necho,sesame-7\nwrong,wrong\necho,"sesame-7"\n' >users.csv
printf 'target: "whip+%swhip/${user.path}"\ntoken: "${user.token}"\nusers: {file: users.csv, order: unique}\n' "$page" >users.yaml
printf 'echo: true\nload: {peers: 3, rate: 10/s, duration: 2s}\nexpect: [peers.ok == 2, peers.failed == 1]\n' >>users.yaml
"$SQUALL" run users.yaml --no-tui --quiet --lateness-max 1000 --out users
grep -q '^squall-1,.*,failed,auth,' users/peers.csv
grep -q '"users": *"users.csv"' users/summary.json
if grep -rq sesame users; then echo "a token stands in the results" >&2; exit 1; fi
echo "each has its row"

# The command line wins over the file, so that a short form needs no file of its own.
hold() {
    local file=$1
    shift
    "$SQUALL" run "$examples/$file" --no-tui --quiet --lateness-max 1000 --out "$work/out" "$@"
    grep -q '"verdict": *"pass"' "$work/out/summary.json"
    echo "$file holds"
}

# Two at a time, each with a folder of its own.
( work=$work/chat && mkdir "$work" && hold data-chat.yaml --rate 10/s --duration 3s ) &
first=$!
hold webinar.yaml --peers 5 --rate 10/s --duration 3s --expect "peers.ok == 5"
wait $first
( work=$work/whep && mkdir "$work" && hold whip-to-whep.yaml --peers 4 --duration 3s ) &
second=$!
( work=$work/smoke && mkdir "$work" && cd "$work" && hold nightly-smoke.yaml --peers 2 --duration 3s && grep -q '<testsuite' junit.xml )
wait $second
( work=$work/restart && mkdir "$work" && hold restart.yaml --duration 11s && grep -q '"rejoined": *4' "$work/out/summary.json" ) &
third=$!
hold moderator.yaml --duration 4s
grep -q '^squall-5,meeting-4,viewers' "$work/out/peers.csv"
wait $third
