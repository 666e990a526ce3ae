#!/usr/bin/env bash
# Janus' echo test, twenty callers. Where Janus is: TARGET='janus+ws://HOST:8188/?plugin=echotest'.
# For its rooms: TARGET='janus+ws://HOST:8188/?plugin=videoroom&room=1234' with --publishers 2.
exec "${SQUALL:-$(dirname "$0")/../build/squall}" run "${TARGET:-janus+ws://127.0.0.1:8188/?plugin=echotest}" \
    --peers 20 --duration 20s \
    --expect "video.in.fps > 20 for 100% of peers" --expect "video.in.loss.p95 < 1%" "$@"
