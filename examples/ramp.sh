#!/usr/bin/env bash
# Up and down: 60 peers come within 10 seconds, stay, and leave within 5.
# The timeline of the report shows at which number of peers the figures bend.
exec "${SQUALL:-$(dirname "$0")/../build/squall}" run "${TARGET:-lab:}" \
    --peers 60 --room-size 6 --publishers 2 --ramp 10s:5s --duration 30s \
    --expect "video.in.loss.max < 2% else warn" --expect "peers.dropped == 0" "$@"
