#!/usr/bin/env bash
# Meetings: ten rooms of six, in each of them everybody sends and watches everybody else.
# What it asks of a server grows with the square of the room: 6 in, 30 out.
exec "${SQUALL:-$(dirname "$0")/../build/squall}" run "${TARGET:-lab:}" \
    --peers 60 --room-size 6 --duration 30s \
    --expect "peers.ok == 100%" --expect "video.in.loss.p95 < 1%" "$@"
