#!/usr/bin/env bash
# One call: a peer sends audio and video to an echo and gets them back, for 10 seconds.
# The smallest test there is; try it first against a new service.
exec "${SQUALL:-$(dirname "$0")/../build/squall}" run "${TARGET:-lab:echo}" \
    --peers 1 --duration 10s \
    --expect "audio.in > 0" --expect "video.in.fps > 20" --expect "setup.total < 2s" "$@"
