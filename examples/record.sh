#!/usr/bin/env bash
# A call with an echo whose picture and sound are kept, and looked at with ffprobe.
# `ffplay squall-results/recorded/record/squall-0-…-in-1.webm` shows it.
out=squall-results/recorded
for word in "$@"; do
    [ "$previous" = --out ] && out=$word
    previous=$word
done
"${SQUALL:-$(dirname "$0")/../build/squall}" run "${TARGET:-lab:echo}" \
    --peers 1 --duration 8s --record 1 --record-format webm,pcap --out "$out" "$@" || exit
for movie in "$out"/record/*.webm; do
    echo "$movie"
    ffprobe -v error -count_frames -show_entries stream=codec_name,width,height,nb_read_frames "$movie"
done
