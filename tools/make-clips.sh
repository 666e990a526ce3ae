#!/usr/bin/env bash
# Makes the clips that ship with Squall, in share/clips: speech and a moving picture, out of nothing
# but generators (espeak-ng, ffmpeg's test sources). Usage: tools/make-clips.sh [FOLDER [black]], the
# latter for that clip alone, which needs no voice.
# Needs ffmpeg with libvpx, libx264, libaom and libopus, espeak-ng, python3, cc and libvpx-dev.
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-share/clips}
tools="ffmpeg python3"
[ "${2:-}" = black ] || tools+=" espeak-ng cc"
for tool in $tools; do
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

# A voice that says little, for DTX: between its sentences there is nothing at all, as behind a
# suppressor of noise, and packets end.
pauses() { # NAME VOICE PITCH TEXT BITRATE
    espeak-ng -m -v "$2" -p "$3" -s 150 -w "$work/$1.raw.wav" "$4"
    ff -i "$work/$1.raw.wav" -af "aresample=48000,loudnorm=I=-20:TP=-2,aresample=48000,apad,atrim=0:$seconds" \
        -t "$seconds" -ac 1 -ar 48000 -c:a pcm_s16le -bitexact "$work/$1.wav"
    tools/opus-encode.py "$work/$1.wav" "$work/$1.dtx.pkt" "$5" dtx
    tools/opus-encode.py "$work/$1.wav" "$work/$1.dtxfec.pkt" "$5" dtx fec
}

# The same voice for the other codecs of audio. In stereo it stands to the left.
voices() { # NAME BITRATE
    ff -i "$work/$1.wav" -af "pan=stereo|c0=0.95*c0|c1=0.45*c0" -c:a libopus -b:a 56k -vbr constrained \
        -frame_duration 20 -application voip -bitexact -f ogg "$work/$1.stereo.ogg"
    tools/opus-encode.py "$work/$1.wav" "$work/$1.fec.pkt" "$2" fec
    ff -i "$work/$1.wav" -ar 8000 -c:a pcm_mulaw -f mulaw "$work/$1.ulaw"
    ff -i "$work/$1.wav" -ar 8000 -c:a pcm_alaw -f alaw "$work/$1.alaw"
    ff -i "$work/$1.wav" -ar 16000 -c:a g722 -f g722 "$work/$1.g722"
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

vp9() { # OUTPUT PICTURE SIZE KBITS KEYS
    ff -i "$work/$2.y4m" -vf "scale=${3/x/:}:flags=area" -c:v libvpx-vp9 -b:v "$4k" -minrate "$4k" -maxrate "$4k" -bufsize "$4k" \
        -deadline realtime -cpu-used 5 -auto-alt-ref 0 -lag-in-frames 0 -error-resilient 1 \
        -max-intra-rate 220 -g 9999 -force_key_frames "$5" -threads 1 -bitexact \
        -ts-parameters "ts_number_layers=3:ts_target_bitrate=$(($4 * 4 / 10)),$(($4 * 6 / 10)),$4:ts_rate_decimator=4,2,1:ts_periodicity=4:ts_layer_id=0,2,1,2:ts_layering_mode=3" \
        -f ivf "$work/$1.ivf"
}

# Constrained baseline, no B frames (profile-level-id 42c01f, which is that of 42e01f), one slice a
# picture, or with a fifth parameter slices that fit a packet (packetization-mode 0).
h264() { # OUTPUT PICTURE SIZE KBITS KEYS [SLICE_BYTES]
    ff -i "$work/$2.y4m" -vf "scale=${3/x/:}:flags=area" -c:v libx264 -profile:v baseline -level 3.1 -preset medium -tune zerolatency \
        -bf 0 -b:v "$4k" -minrate "$4k" -maxrate "$4k" -bufsize "$(($4 / 2))k" -g 9999 -force_key_frames "$5" -forced-idr 1 -threads 1 \
        -x264-params "aud=1:scenecut=0:repeat-headers=1:sliced-threads=0${6:+:slice-max-size=$6}" -bitexact -f h264 "$work/$1.h264"
}

av1() { # OUTPUT PICTURE SIZE KBITS KEYS
    ff -i "$work/$2.y4m" -vf "scale=${3/x/:}:flags=area" -c:v libaom-av1 -usage realtime -cpu-used 8 -b:v "$4k" -minrate "$4k" -maxrate "$4k" -bufsize "$4k" \
        -lag-in-frames 0 -g 9999 -force_key_frames "$5" -threads 1 -aom-params max-intra-rate=250 -bitexact -f ivf "$work/$1.ivf"
}
layers=tids=0212,sync=12,nonref=13

clip() { # NAME VOICE TRACK...
    local name=$1 voice=$2
    shift 2
    python3 tools/make-clips.py "$out/$name.sqclip" "$seconds" "$work/$voice.wav" "$@"
}

# What is sent of a video that is muted: black, in each codec, at the sizes that clips usually have. Its
# one key frame begins it, and the H.264 fits packetization-mode 0, which mode 1 takes as well.
black() {
    local seconds=4.8 n=0 size tracks8=() tracks9=() tracks264=() tracks1=()
    ff -f lavfi -i "color=black:size=160x90:rate=25" -pix_fmt yuv420p -t "$seconds" "$work/black.y4m"
    for size in 160x90 224x126 320x180 480x270 640x360 960x540 1280x720 1920x1080; do
        n=$((n + 1))
        vp8 "black8$n" black "$size" 40 "expr:eq(n,0)"
        vp9 "black9$n" black "$size" 40 "expr:eq(n,0)"
        h264 "black264$n" black "$size" 40 "expr:eq(n,0)" 1100
        av1 "black1$n" black "$size" 40 "expr:eq(n,0)"
        tracks8+=("codec=vp8,file=$work/black8$n.ivf,$layers")
        tracks9+=("codec=vp9,file=$work/black9$n.ivf,$layers")
        tracks264+=("codec=h264,file=$work/black264$n.h264,size=$size,fps=25,single-nal")
        tracks1+=("codec=av1,file=$work/black1$n.ivf")
    done
    python3 tools/make-clips.py "$out/black.sqclip" "$seconds" - "${tracks8[@]}" "${tracks9[@]}" \
        "${tracks264[@]}" "${tracks1[@]}"
}

black
[ "${2:-}" != black ] || exit 0

speech default en-gb 45 "Hello, this is Squall. I am one of many callers, and each of us really speaks. \
If you can hear every word of this, the service in between has held." 36k
speech small en-us 55 "Hello, this is Squall, the small one. Five, four, three, two, one. \
If you can hear every word of this, the service in between has held." 24k
picture default 640x360 25 9
picture small 320x180 15 4
picture hd 1280x720 25 5

voices default 36000
pauses quiet en-gb 45 'Hello, this is Squall. <break time="1500ms"/> I am one of many callers. <break time="1800ms"/>
The service in between has held.' 36000
vp8 d1 default 320x180 161 "$keys25"
vp8 d2 default 480x270 438 "$keys25"
vp8 d3 default 640x360 1161 "$keys25"
vp9 n1 default 320x180 120 "$keys25"
vp9 n2 default 480x270 300 "$keys25"
vp9 n3 default 640x360 700 "$keys25"
cc -O2 tools/vp9-svc.c -lvpx -o "$work/vp9-svc"
"$work/vp9-svc" "$work/default.y4m" "$work/svc.ivf" 100,250,450 0,36,64,104,132,172,204
h264 x1 default 320x180 150 "$keys25"
h264 x2 default 480x270 400 "$keys25"
h264 x3 default 640x360 900 "$keys25"
h264 y1 default 320x180 150 "$keys25" 1100
h264 y2 default 480x270 350 "$keys25" 1100
h264 y3 default 640x360 900 "$keys25" 1100
av1 a1 default 320x180 100 "$keys25"
av1 a2 default 480x270 250 "$keys25"
av1 a3 default 640x360 550 "$keys25"
clip default default "codec=opus,file=$work/default.ogg" \
    "codec=opus,file=$work/default.stereo.ogg" \
    "codec=opus,file=$work/quiet.dtx.pkt,wav=$work/quiet.wav,dtx" \
    "codec=opus,file=$work/default.fec.pkt,fec" \
    "codec=opus,file=$work/quiet.dtxfec.pkt,wav=$work/quiet.wav,dtx,fec" \
    "codec=pcmu,file=$work/default.ulaw" \
    "codec=pcma,file=$work/default.alaw" \
    "codec=g722,file=$work/default.g722" \
    "codec=vp8,file=$work/d1.ivf,ladder=1,$layers" \
    "codec=vp8,file=$work/d2.ivf,ladder=1,$layers" \
    "codec=vp8,file=$work/d3.ivf,ladder=1,$layers" \
    "codec=vp9,file=$work/n1.ivf,ladder=2,$layers" \
    "codec=vp9,file=$work/n2.ivf,ladder=2,$layers" \
    "codec=vp9,file=$work/n3.ivf,ladder=2,$layers" \
    "codec=vp9,file=$work/svc.ivf,key-svc,$layers" \
    "codec=h264,file=$work/x1.h264,ladder=3,size=320x180,fps=25" \
    "codec=h264,file=$work/x2.h264,ladder=3,size=480x270,fps=25" \
    "codec=h264,file=$work/x3.h264,ladder=3,size=640x360,fps=25" \
    "codec=h264,file=$work/y1.h264,ladder=4,size=320x180,fps=25,single-nal" \
    "codec=h264,file=$work/y2.h264,ladder=4,size=480x270,fps=25,single-nal" \
    "codec=h264,file=$work/y3.h264,ladder=4,size=640x360,fps=25,single-nal" \
    "codec=av1,file=$work/a1.ivf,ladder=5" \
    "codec=av1,file=$work/a2.ivf,ladder=5" \
    "codec=av1,file=$work/a3.ivf,ladder=5"

vp8 s1 small 160x90 56 "$keys15"
vp8 s2 small 224x126 110 "$keys15"
vp8 s3 small 320x180 216 "$keys15"
clip small small "codec=opus,file=$work/small.ogg" \
    "codec=vp8,file=$work/s1.ivf,ladder=1,$layers" \
    "codec=vp8,file=$work/s2.ivf,ladder=1,$layers" \
    "codec=vp8,file=$work/s3.ivf,ladder=1,$layers"

vp8 h1 hd 320x180 161 "$keys25"
vp8 h2 hd 640x360 570 "$keys25"
vp8 h3 hd 1280x720 1950 "$keys25"
clip hd default "codec=opus,file=$work/default.ogg" \
    "codec=vp8,file=$work/h1.ivf,ladder=1,$layers" \
    "codec=vp8,file=$work/h2.ivf,ladder=1,$layers" \
    "codec=vp8,file=$work/h3.ivf,ladder=1,$layers"
