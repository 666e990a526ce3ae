#!/usr/bin/env bash
# Media of your own: a clip is made of any video file and sent, here of ffmpeg's test picture and a tone.
# With a file of yours: VIDEO=meeting.mp4.
squall=${SQUALL:-$(dirname "$0")/../build/squall}
video=${VIDEO:-}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if [ -z "$video" ]; then
    video=$work/test.mkv
    ffmpeg -nostdin -v error -f lavfi -i testsrc2=size=640x360:rate=25 -f lavfi -i sine=330 -t 6 -c:v mpeg4 -q:v 3 "$video" || exit
fi
"$squall" media prepare "$video" -o "$work/own.sqclip" --codec vp8,opus --ladder 180@150k,360@600k --seconds 6s || exit
"$squall" run "${TARGET:-lab:echo}" --media "$work/own.sqclip" --peers 2 --duration 8s --expect "video.in.fps > 15" "$@"
