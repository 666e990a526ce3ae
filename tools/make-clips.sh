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

seconds=9.6 # 480 audio packets of 20 ms, 240 pictures of 40 ms: a whole number of both
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
# camera, so that the encoder needs the rate it is given.
picture() { # NAME SIZE FPS GRAIN
    ff -f lavfi -i "mandelbrot=size=$2:rate=$3:start_scale=2.2:end_scale=0.02:end_pts=260" \
        -f lavfi -i "testsrc2=size=$2:rate=$3" \
        -filter_complex "[0]format=yuv420p[a];[1]format=yuv420p[b];[a][b]blend=all_mode=average:shortest=1,noise=alls=$4:allf=t:all_seed=5,format=yuv420p[v]" \
        -map '[v]' -t "$seconds" "$work/$1.y4m"
}

# Key frames stand at uneven times, so that senders which begin at different ones do not fall into
# step; and in the turn of temporal layers they are of the lowest.
keys() { # FRAME...
    local expr=0 n
    for n in "$@"; do expr+="+eq(n,$n)"; done
    echo "expr:$expr"
}
keys25=$(keys 0 36 64 104 132 172 204)
keys15=$(keys 0 20 40 64 80 104 124)

# No frame is invisible (auto-alt-ref 0) and there is one token partition, as in a browser's stream.
# Three temporal layers of which each can be left out (0, 2, 1, 2); error-resilient, so that a frame's
# probabilities do not hang on a layer that was.
vp8() { # OUTPUT PICTURE SIZE KBITS KEYS
    ff -i "$work/$2.y4m" -vf "scale=${3/x/:}:flags=area" -c:v libvpx -b:v "$4k" -minrate "$4k" -maxrate "$4k" -bufsize "$4k" \
        -deadline good -cpu-used 1 -auto-alt-ref 0 -lag-in-frames 0 -slices 1 -error-resilient default \
        -max-intra-rate 220 -g 9999 -force_key_frames "$5" -threads 1 -bitexact \
        -ts-parameters "ts_number_layers=3:ts_target_bitrate=$(($4 * 4 / 10)),$(($4 * 6 / 10)),$4:ts_rate_decimator=4,2,1:ts_periodicity=4:ts_layer_id=0,2,1,2:ts_layering_mode=3" \
        -f ivf "$work/$1.ivf"
}
vp8_layers=tids=0212,sync=12,nonref=13

clip() { # NAME VOICE TRACK...
    local name=$1 voice=$2
    shift 2
    python3 tools/make-clips.py "$out/$name.sqclip" "$seconds" "$work/$voice.wav" "$@"
}

speech default en-gb 45 "Hello, this is Squall. I am one of many callers, and each of us really speaks. \
If you can hear every word of this, the service in between has held." 36k
speech small en-us 55 "Hello, this is Squall, the small one. Five, four, three, two, one. \
If you can hear every word of this, the service in between has held." 24k
picture default 640x360 25 9
picture small 320x180 15 4
picture hd 1280x720 25 5

vp8 d1 default 320x180 161 "$keys25"
vp8 d2 default 480x270 438 "$keys25"
vp8 d3 default 640x360 1161 "$keys25"
clip default default "codec=opus,file=$work/default.ogg" \
    "codec=vp8,file=$work/d1.ivf,ladder=1,$vp8_layers" \
    "codec=vp8,file=$work/d2.ivf,ladder=1,$vp8_layers" \
    "codec=vp8,file=$work/d3.ivf,ladder=1,$vp8_layers"

vp8 s1 small 160x90 56 "$keys15"
vp8 s2 small 224x126 110 "$keys15"
vp8 s3 small 320x180 216 "$keys15"
clip small small "codec=opus,file=$work/small.ogg" \
    "codec=vp8,file=$work/s1.ivf,ladder=1,$vp8_layers" \
    "codec=vp8,file=$work/s2.ivf,ladder=1,$vp8_layers" \
    "codec=vp8,file=$work/s3.ivf,ladder=1,$vp8_layers"

vp8 h1 hd 320x180 161 "$keys25"
vp8 h2 hd 640x360 570 "$keys25"
vp8 h3 hd 1280x720 1950 "$keys25"
clip hd default "codec=opus,file=$work/default.ogg" \
    "codec=vp8,file=$work/h1.ivf,ladder=1,$vp8_layers" \
    "codec=vp8,file=$work/h2.ivf,ladder=1,$vp8_layers" \
    "codec=vp8,file=$work/h3.ivf,ladder=1,$vp8_layers"
