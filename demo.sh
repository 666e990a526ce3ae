#!/usr/bin/env bash
# A load test on this machine alone: 200 peers in twenty rooms of ten, two publishers a room and all ten
# watching, through the lab's SFU, for 30 seconds. Options pass on to `squall run`, and win:
#   ./demo.sh --duration 10s --peers 50
set -euo pipefail
cd "$(dirname "$0")"

tools/install-deps.sh build
tools/build.sh program

expect=(--expect "peers.ok == 100%" --expect "video.in.loss.p95 < 1%" --expect "setup.media.p95 < 2s")
case " $* " in *" --expect"*) expect=() ;; esac # yours instead of these
exec build/squall run lab: --peers 200 --room-size 10 --publishers 2 --duration 30s "${expect[@]}" "$@"
