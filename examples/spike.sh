#!/usr/bin/env bash
# A spike: 20 peers come within 10 seconds, 60 are there all at once for 10 seconds, and then 20 again.
# Each stays 15 seconds and is replaced up to 2 seconds later, so that the number is kept (a closed model).
# Shows whether calls under way suffer from those that come, and how long these take to get in.
exec "${SQUALL:-$(dirname "$0")/../build/squall}" run "${TARGET:-lab:}" \
    --load "10s:20, 10s:20, 0s:60, 10s:60, 0s:20, 15s:20, 5s:0" --hold 15s --think 0s..2s --room-size 5 \
    --expect "peers.failed < 1%" --expect "setup.total.p95 < 3s" "$@"
