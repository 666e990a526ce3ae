#!/usr/bin/env bash
# The arrivals of a real morning again: a peer begins at each time of arrivals.csv, and stays 5 seconds.
# Take the times out of your own log; nobody waits for those before, however slow the service is.
exec "${SQUALL:-$(dirname "$0")/../build/squall}" run "${TARGET:-lab:}" \
    --arrivals "${ARRIVALS:-$(dirname "$0")/arrivals.csv}" --hold 5s \
    --expect "peers.failed == 0" --expect "setup.total.p95 < 3s" "$@"
