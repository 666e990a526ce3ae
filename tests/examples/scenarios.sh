#!/usr/bin/env bash
# Every scenario of examples/ is what 'squall check' takes, and what the schema for editors takes, as it is and
# in small. (test_files.py runs them.) SQUALL is the program.
set -euo pipefail

examples=$1/examples
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

# What the scenarios take from the environment.
export API=http://127.0.0.1:9 KEY=none TARGET=lab:whip TOKEN=none TURN_HOST=127.0.0.1 TURN_SECRET=none SERVICE=http://127.0.0.1:9
export USERS=$examples/accounts.csv LOG=$examples/arrivals.csv SCRIPT=$examples/lua/socketio-room.lua EVENTS=ws://127.0.0.1:9

checked=0
for file in "$examples"/*.yaml; do
    "$SQUALL" check "$file" >said
    grep -q '^Target' said
    code=0
    "$SQUALL" check "$file" --scale 0.1 >said 2>&1 || code=$?
    if grep -q '^  arrivals:' "$file"; then # the times of a file stay as they are
        [ "$code" = 2 ]
        grep -q 'scale: load.arrivals is a file of times' said
    else
        [ "$code" = 0 ]
        grep -q '^Scale  *0.1 of its peers' said
    fi
    checked=$((checked + 1))
done
echo "$checked scenarios are taken"
[ "$checked" -ge 28 ]

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
