#!/usr/bin/env bash
# A webinar: one room, one publisher, a hundred viewers who come at 20 a second.
# Every one of them must see a moving picture; the first second of a viewer is what setup.total tells.
exec "${SQUALL:-$(dirname "$0")/../build/squall}" run "${TARGET:-lab:}" \
    --peers 101 --publishers 1 --rate 20/s --duration 30s \
    --expect "video.in.fps > 20 for 99% of peers" --expect "setup.total.p95 < 2s" "$@"
