#!/usr/bin/env bash
# Publishes one stream by WHIP for 30 seconds. The default is a lab of your own: start squall lab first.
# Elsewhere: TARGET=whip+https://HOST/PATH, and the bearer token in SQUALL_TOKEN.
exec "${SQUALL:-$(dirname "$0")/../build/squall}" run "${TARGET:-whip+http://127.0.0.1:8080/whip/stage}" \
    --peers 1 --duration 30s \
    --expect "video.out.bitrate > 500" --expect "video.out.loss < 1%" --expect "video.out.pli < 20 else warn" "$@"
