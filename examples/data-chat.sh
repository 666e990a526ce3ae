#!/usr/bin/env bash
# Four people in a room who also write to each other: ten messages a second of 200 bytes each on a data
# channel, which reach the three others.
exec "${SQUALL:-$(dirname "$0")/../build/squall}" run "${TARGET:-lab:}" \
    --peers 4 --duration 10s --data 10/s:200 \
    --expect "data.in.messages > 0" --expect "data.in.loss == 0" --expect "data.in.latency.p95 < 500ms" "$@"
