#!/usr/bin/env bash
# How big one room grows: doubled until an expectation fails, halved in between, confirmed.
# With a server of yours: TARGET=room+wss://HOST/room, and --server-pid PID where it runs here.
exec "${SQUALL:-$(dirname "$0")/../build/squall}" capacity "${TARGET:-lab:}" \
    --grow room --most 40 --time-limit 3m "$@"
