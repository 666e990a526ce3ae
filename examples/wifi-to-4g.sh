#!/usr/bin/env bash
# A call that leaves the house: wifi, after 20 seconds a poor 4G, after 40 the wifi again. Half of the rooms stay
# at home. How much is lost on the way, how often does the picture stand, does it come back?
exec "${SQUALL:-$(dirname "$0")/../build/squall}" run "${TARGET:-lab:}" \
    --peers 8 --room-size 2 --duration 1m --dump 2 \
    --network "wifi, 20s: Poor 4G, 40s: wifi @50%" --network wifi \
    --expect "peers.ok == 100%" --expect "video.in.bitrate > 100 for 100% of peers" "$@"
