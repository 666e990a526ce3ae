#!/usr/bin/env bash
# Churn: two new peers a second, each stays 5 seconds, for a minute: some 11 at a time, as a set-up takes
# its time, too. --peers is the most at once: beyond it an arrival is missed.
# Shows what signing in costs a server, and whether it forgets those who left.
exec "${SQUALL:-$(dirname "$0")/../build/squall}" run "${TARGET:-lab:}" \
    --peers 15 --rate 2/s --hold 5s --duration 1m --room-size 5 \
    --expect "peers.failed < 1%" --expect "setup.total.p99 < 3s" "$@"
