#!/usr/bin/env python3
"""Puts a VP8 stream (IVF) and an Opus stream (Ogg) into one .sqclip file; the format stands in
src/media/clip.h. The speech's PCM gives the audio level of each packet (RFC 6464)."""
import argparse
import array
import math
import struct
import sys
import wave
import zlib

AUDIO, VIDEO = 1, 2
OPUS, VP8 = 1, 2
KEY, VOICE = 1, 2
OPUS_HZ, VIDEO_HZ = 48000, 90000
PACKET_SAMPLES = 960  # 20 ms
VOICE_LEVEL, VOICE_HANGOVER = 50, 5  # louder than -50 dBov, and 100 ms after


def read_ivf(path):
    """Gives (width, height, frames a second as a fraction, [frame bytes])."""
    data = open(path, "rb").read()
    magic, _, header, codec, width, height, rate, scale = struct.unpack_from("<4sHH4sHHII", data)
    if magic != b"DKIF" or codec != b"VP80":
        sys.exit(f"{path}: not an IVF file with VP8")
    frames, at = [], header
    while at < len(data):
        length, pts = struct.unpack_from("<IQ", data, at)
        at += 12
        if pts != len(frames):
            sys.exit(f"{path}: frame {len(frames)} has time {pts}: a frame is missing or invisible")
        frames.append(data[at:at + length])
        at += length
    return width, height, rate, scale, frames


def read_ogg(path):
    """The packets of the one logical stream in an Ogg file (RFC 3533)."""
    data = open(path, "rb").read()
    packets, part, at = [], b"", 0
    while at < len(data):
        if data[at:at + 4] != b"OggS":
            sys.exit(f"{path}: no page at byte {at}")
        segments = data[at + 26]
        lacing = data[at + 27:at + 27 + segments]
        at += 27 + segments
        for size in lacing:
            part += data[at:at + size]
            at += size
            if size < 255:
                packets.append(part)
                part = b""
    if not packets[0].startswith(b"OpusHead"):
        sys.exit(f"{path}: not Opus")
    return packets[0][9], packets[2:]


def levels(path, count):
    """(level, voice) of each 20 ms of a 48 kHz mono WAV."""
    with wave.open(path) as wav:
        if (wav.getframerate(), wav.getnchannels(), wav.getsampwidth()) != (48000, 1, 2):
            sys.exit(f"{path}: expected 48 kHz, mono, 16 bit")
        pcm = array.array("h", wav.readframes(wav.getnframes()))
    if sys.byteorder == "big":
        pcm.byteswap()
    result, hangover = [], 0
    for i in range(count):
        part = pcm[i * PACKET_SAMPLES:(i + 1) * PACKET_SAMPLES]
        square = sum(s * s for s in part) / len(part) if part else 0
        level = min(127, max(0, round(-10 * math.log10(square / 32768**2)))) if square else 127
        hangover = VOICE_HANGOVER if level < VOICE_LEVEL else max(0, hangover - 1)
        result.append((level, hangover > 0))
    return result


def video_track(path, seconds):
    width, height, rate, scale, frames = read_ivf(path)
    count = round(seconds * rate / scale)
    if len(frames) < count:
        sys.exit(f"{path}: {len(frames)} frames, expected {count}")
    step = VIDEO_HZ * scale // rate
    rows = [(f, i * step, KEY if not f[0] & 1 else 0, 0) for i, f in enumerate(frames[:count])]
    return dict(kind=VIDEO, codec=VP8, channels=0, clock=VIDEO_HZ, width=width, height=height,
                fps_milli=1000 * rate // scale, duration=count * step, rows=rows)


def audio_track(path, pcm, seconds):
    channels, packets = read_ogg(path)
    count = round(seconds * OPUS_HZ / PACKET_SAMPLES)
    if len(packets) < count:
        sys.exit(f"{path}: {len(packets)} packets, expected {count}")
    rows = [(p, i * PACKET_SAMPLES, KEY | (VOICE if voice else 0), level)
            for i, (p, (level, voice)) in enumerate(zip(packets[:count], levels(pcm, count)))]
    return dict(kind=AUDIO, codec=OPUS, channels=channels, clock=OPUS_HZ, width=0, height=0,
                fps_milli=0, duration=count * PACKET_SAMPLES, rows=rows)


def write_clip(path, tracks):
    at = 24 + 64 * len(tracks)
    heads, bodies = b"", b""
    for t in tracks:
        index, data = b"", b""
        for payload, ticks, flags, level in t["rows"]:
            index += struct.pack(">IIIBBH", len(data), len(payload), ticks, flags, level, 0)
            data += payload
        rate = len(data) * 8 * t["clock"] // t["duration"]
        heads += struct.pack(">BBBBIIIIHHIIQQQQ", t["kind"], t["codec"], t["channels"], 0, t["clock"],
                             len(t["rows"]), t["duration"], rate, t["width"], t["height"],
                             t["fps_milli"], 0, at, at + len(index), len(data), 0)
        bodies += index + data
        at += len(index) + len(data)
        report(path, t, len(data), rate)
    checked = struct.pack(">Q", at) + heads + bodies
    with open(path, "wb") as out:
        out.write(b"SQCLIP\r\n" + struct.pack(">HHI", 1, len(tracks), zlib.crc32(checked)) + checked)


def report(path, track, size, rate):
    seconds = track["duration"] / track["clock"]
    rows = track["rows"]
    if track["kind"] == VIDEO:
        packets = sum(-(-len(row[0]) // 1174) for row in rows)
        keys = [i for i, row in enumerate(rows) if row[2] & KEY]
        print(f"{path}: VP8 {track['width']}x{track['height']}, {len(rows)} frames, keys at {keys}, "
              f"largest {max(len(row[0]) for row in rows)} bytes, {rate / 1000:.1f} kbit/s, "
              f"{packets / seconds:.1f} packets/s")
    else:
        voice = sum(1 for row in rows if row[2] & VOICE)
        print(f"{path}: Opus, {len(rows)} packets, {voice} with voice, {rate / 1000:.1f} kbit/s")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--video", required=True)
    parser.add_argument("--audio", required=True)
    parser.add_argument("--pcm", required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("clip")
    args = parser.parse_args()
    write_clip(args.clip, [audio_track(args.audio, args.pcm, args.seconds),
                           video_track(args.video, args.seconds)])


if __name__ == "__main__":
    main()
