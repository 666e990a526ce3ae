#!/usr/bin/env bash
# Fifty viewers by WHEP of what whip-publish.sh sends, which must be running.
# Elsewhere: TARGET=whep+https://HOST/PATH, and the bearer token in SQUALL_TOKEN.
exec "${SQUALL:-$(dirname "$0")/../build/squall}" run "${TARGET:-whep+http://127.0.0.1:8080/whep/stage}" \
    --peers 50 --duration 15s \
    --expect "video.in.fps > 20 for 99% of peers" --expect "setup.total.p95 < 2s" "$@"
