#!/usr/bin/env bash
# Makes the clips that ship with Squall, in share/clips: speech and a moving picture, out of nothing
# but generators (espeak-ng, ffmpeg's test sources). Usage: tools/make-clips.sh [FOLDER]
# Needs ffmpeg with libvpx and libopus, espeak-ng and python3.
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-share/clips}
for tool in ffmpeg espeak-ng python3; do
    command -v "$tool" > /dev/null || { echo "make-clips: $tool is missing" >&2; exit 2; }
done
mkdir -p "$out"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

seconds=9.6 # 480 Opus packets of 20 ms, 240 pictures of 40 ms: a whole number of both
ff() { ffmpeg -nostdin -hide_banner -loglevel error -y "$@"; }

speech() { # NAME VOICE PITCH TEXT BITRATE
    espeak-ng -v "$2" -p "$3" -s 150 -w "$work/$1.raw.wav" "$4"
    # One level, and room noise under it: a pause between words is not digital silence.
    ff -i "$work/$1.raw.wav" -f lavfi -i "anoisesrc=color=pink:amplitude=0.002:seed=7:r=48000" \
        -filter_complex "[0]aresample=48000,loudnorm=I=-20:TP=-2,aresample=48000,apad[s];[s][1]amix=inputs=2:duration=shortest:normalize=0[m];[m]atrim=0:$seconds[o]" \
        -map '[o]' -t "$seconds" -ac 1 -ar 48000 -c:a pcm_s16le -bitexact "$work/$1.wav"
    ff -i "$work/$1.wav" -c:a libopus -b:a "$5" -vbr constrained -frame_duration 20 -application voip \
        -packet_loss 0 -bitexact -f ogg "$work/$1.ogg"
}

# The picture: a slow dive into the Mandelbrot set under a moving test pattern, with the grain of a
# camera, so that the encoder needs the rate it is given. Key frames stand at uneven times: senders
# that begin at different ones do not fall into step. No frame is invisible (auto-alt-ref 0) and
# there is one token partition, as in a browser's stream.
picture() { # NAME SIZE FPS BITRATE BUFFER KEYTIMES GRAIN
    ff -f lavfi -i "mandelbrot=size=$2:rate=$3:start_scale=2.2:end_scale=0.02:end_pts=260" \
        -f lavfi -i "testsrc2=size=$2:rate=$3" \
        -filter_complex "[0]format=yuv420p[a];[1]format=yuv420p[b];[a][b]blend=all_mode=average:shortest=1,noise=alls=$7:allf=t:all_seed=5,format=yuv420p[v]" \
        -map '[v]' -t "$seconds" -c:v libvpx -b:v "$4" -minrate "$4" -maxrate "$4" -bufsize "$5" \
        -deadline good -cpu-used 1 -auto-alt-ref 0 -lag-in-frames 0 -slices 1 -error-resilient 0 \
        -max-intra-rate 450 -g 9999 -force_key_frames "$6" -threads 1 -bitexact -f ivf "$work/$1.ivf"
}

speech default en-gb 45 "Hello, this is Squall. I am one of many callers, and each of us really speaks. \
If you can hear every word of this, the service in between has held." 36k
speech small en-us 55 "Hello, this is Squall, the small one. Five, four, three, two, one. \
If you can hear every word of this, the service in between has held." 24k
picture default 640x360 25 1000k 1000k "0,1.4,2.6,4.2,5.32,6.92,8.12" 9
picture small 320x180 15 195k 195k "0,1.4,2.6,4.2,5.4,7.0,8.2" 4

for name in default small; do
    python3 tools/make-clips.py --video "$work/$name.ivf" --audio "$work/$name.ogg" \
        --pcm "$work/$name.wav" --seconds "$seconds" "$out/$name.sqclip"
done
