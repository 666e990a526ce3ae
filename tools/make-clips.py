#!/usr/bin/env python3
"""Puts encoded streams into one .sqclip file; the format stands in src/media/clip.h.

    make-clips.py CLIP SECONDS WAV TRACK...

WAV is the voice, 48 kHz mono: it gives the audio level of each packet (RFC 6464). A TRACK is words with
commas between them: codec=vp8|vp9|av1|h264|opus|pcmu|pcma|g722, file=…, and where they apply ladder=N (tracks
of one number are the steps of one ladder), tids=0212 (the temporal layer of each picture in turn), sync=12 (the
places in that turn whose frames refer to the base layer alone), nonref=13 (… to which nothing refers), dtx, fec,
single-nal, key-svc,
wav=… (another voice than WAV). Files: IVF for VP8, VP9 and AV1, a byte stream (Annex B) with access unit delimiters for H.264, Ogg or
packets with their length in 2 bytes (.pkt) for Opus, samples for the others."""
import array
import math
import struct
import sys
import wave
import zlib

AUDIO, VIDEO = 1, 2
KEY, VOICE, NONREF, SYNC = 1, 2, 16, 32
DTX, FEC, SINGLE_NAL, KEY_SVC = 1, 2, 4, 8
NUMBERS = dict(opus=1, pcmu=2, pcma=3, g722=4, vp8=5, vp9=6, h264=7, av1=8)  # enum sq_codec
VIDEO_HZ = 90000
PACKET_MS = 20
VOICE_LEVEL, VOICE_HANGOVER = 50, 5  # louder than -50 dBov, and 100 ms after


def read_ivf(path):
    """Gives (width, height, frames a second as a fraction, [(time, frame bytes)])."""
    data = open(path, "rb").read()
    magic, _, header, _, width, height, rate, scale = struct.unpack_from("<4sHH4sHHII", data)
    if magic != b"DKIF":
        sys.exit(f"{path}: not an IVF file")
    frames, at = [], header
    while at < len(data):
        length, pts = struct.unpack_from("<IQ", data, at)
        at += 12
        frames.append((pts, data[at:at + length]))
        at += length
    return width, height, rate, scale, frames


def leb128(data, at):
    value, shift = 0, 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def av1_frame(data):
    """(frame without temporal delimiters, whether it is a key frame: it has a sequence header)."""
    out, at, key = b"", 0, False
    while at < len(data):
        begin, kind = at, data[at] >> 3 & 15
        extension, has_size = data[at] & 4, data[at] & 2
        at += 2 if extension else 1
        if not has_size:
            sys.exit("an OBU without its size")
        size, at = leb128(data, at)
        at += size
        key |= kind == 1
        if kind not in (2, 15):  # temporal delimiter, padding
            out += data[begin:at]
    return out, key


def read_h264(path):
    """Access units as [NAL units], told apart by their delimiters."""
    data = open(path, "rb").read()
    starts, at = [], data.find(b"\0\0\1")
    while at >= 0:
        starts.append(at)
        at = data.find(b"\0\0\1", at + 3)
    units = []
    for begin, end in zip(starts, starts[1:] + [len(data)]):
        nal = data[begin + 3:end].rstrip(b"\0")
        kind = nal[0] & 31
        if kind == 9:
            units.append([])
        elif kind in (1, 5, 7, 8):  # slices and parameter sets; no SEI
            units[-1].append(nal)
    return units


def read_ogg(path):
    """The packets of the one logical stream in an Ogg file (RFC 3533), without its two heads."""
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


def read_packets(path):
    """Packets with their length before them; one of length 0 is not sent (DTX)."""
    data = open(path, "rb").read()
    packets, at = [], 0
    while at < len(data):
        (length,) = struct.unpack_from(">H", data, at)
        packets.append(data[at + 2:at + 2 + length])
        at += 2 + length
    return packets


def levels(path, count):
    """(level, voice) of each 20 ms of a 48 kHz mono WAV."""
    with wave.open(path) as wav:
        if (wav.getframerate(), wav.getnchannels(), wav.getsampwidth()) != (48000, 1, 2):
            sys.exit(f"{path}: expected 48 kHz, mono, 16 bit")
        pcm = array.array("h", wav.readframes(wav.getnframes()))
    if sys.byteorder == "big":
        pcm.byteswap()
    each, result, hangover = 48 * PACKET_MS, [], 0
    for i in range(count):
        part = pcm[i * each:(i + 1) * each]
        square = sum(s * s for s in part) / len(part) if part else 0
        level = min(127, max(0, round(-10 * math.log10(square / 32768**2)))) if square else 127
        hangover = VOICE_HANGOVER if level < VOICE_LEVEL else max(0, hangover - 1)
        result.append((level, hangover > 0))
    return result


def video_frames(t):
    """Fills in size and rate; gives [(picture, spatial layer, bytes, key)]."""
    path, codec = t["file"], t["codec"]
    if codec == "h264":
        t["width"], t["height"] = (int(n) for n in t["size"].split("x"))
        t["rate"], t["scale"] = int(t["fps"]), 1
        rows = []
        for i, nals in enumerate(read_h264(path)):
            data = b"".join(struct.pack(">I", len(nal)) + nal for nal in nals)
            rows.append((i, 0, data, any(nal[0] & 31 == 5 for nal in nals)))
        return rows
    t["width"], t["height"], t["rate"], t["scale"], frames = read_ivf(path)
    rows, times = [], sorted({pts for pts, _ in frames})
    if times != list(range(times[0], times[0] + len(times))):
        sys.exit(f"{path}: a frame is missing or invisible")
    for pts, data in frames:
        picture = pts - times[0]
        sid = sum(1 for row in rows[-4:] if row[0] == picture)
        if codec == "vp8":
            key = not data[0] & 1
        elif codec == "av1":
            data, key = av1_frame(data)
        else:  # VP9, section 6.2: marker, profile 0, show_existing_frame 0, frame_type
            key = data[0] & 0xfc == 0x80 if sid == 0 else rows[-1][3]
        rows.append((picture, sid, data, key))
    return rows


def video_track(t, seconds):
    frames = video_frames(t)
    count = round(seconds * t["rate"] / t["scale"])
    if frames[-1][0] + 1 < count:
        sys.exit(f"{t['file']}: {frames[-1][0] + 1} pictures, expected {count}")
    step = VIDEO_HZ * t["scale"] // t["rate"]
    tids = t.get("tids", "0")
    t.update(kind=VIDEO, channels=0, clock=VIDEO_HZ, duration=count * step,
             fps_milli=1000 * t["rate"] // t["scale"], tlayers=max(map(int, tids)) + 1,
             slayers=1 + max(sid for _, sid, _, _ in frames), rows=[])
    for picture, sid, data, key in frames:
        if picture >= count:
            break
        place = picture % len(tids)
        tid = int(tids[place])
        if key and tid:
            sys.exit(f"{t['file']}: picture {picture} is a key frame in temporal layer {tid}")
        flags = KEY if key else 0
        flags |= SYNC if str(place) in t.get("sync", "") else 0
        flags |= NONREF if str(place) in t.get("nonref", "") else 0
        t["rows"].append((data, picture * step, flags, 0, tid, sid))


def audio_track(t, seconds, wav):
    codec, path = t["codec"], t["file"]
    t["channels"] = int(t.get("channels", 1))
    t["clock"] = 48000 if codec == "opus" else 8000
    if codec != "opus":
        data, each = open(path, "rb").read(), 8 * PACKET_MS
        packets = [data[i:i + each] for i in range(0, len(data) - each + 1, each)]
    elif path.endswith(".pkt"):
        packets = read_packets(path)
    else:
        t["channels"], packets = read_ogg(path)
    count = round(seconds * 1000 / PACKET_MS)
    if len(packets) < count:
        sys.exit(f"{path}: {len(packets)} packets, expected {count}")
    step = t["clock"] * PACKET_MS // 1000
    t.update(kind=AUDIO, duration=count * step, width=0, height=0, fps_milli=0, tlayers=1, slayers=1,
             rows=[(p, i * step, KEY | (VOICE if voice else 0), level, 0, 0)
                   for i, (p, (level, voice)) in enumerate(zip(packets[:count], levels(wav, count)))
                   if p])


def write_clip(path, tracks):
    at = 24 + 64 * len(tracks)
    heads, bodies = b"", b""
    for t in tracks:
        index, data = b"", b""
        for payload, ticks, flags, level, tid, sid in t["rows"]:
            index += struct.pack(">IIIBBBB", len(data), len(payload), ticks, flags, level, tid, sid)
            data += payload
        features = ("dtx" in t) * DTX | ("fec" in t) * FEC | ("single-nal" in t) * SINGLE_NAL
        features |= ("key-svc" in t) * KEY_SVC
        heads += struct.pack(">BBBBIIIIHHIBBHQQQQ", t["kind"], NUMBERS[t["codec"]], t["channels"],
                             int(t.get("ladder", 0)), t["clock"], len(t["rows"]), t["duration"],
                             features, t["width"], t["height"], t["fps_milli"], t["tlayers"],
                             t["slayers"], 0, at, at + len(index), len(data), 0)
        bodies += index + data
        at += len(index) + len(data)
    checked = struct.pack(">Q", at) + heads + bodies
    with open(path, "wb") as out:
        out.write(b"SQCLIP\r\n" + struct.pack(">HHI", 2, len(tracks), zlib.crc32(checked)) + checked)


def main():
    if len(sys.argv) < 5:
        sys.exit(__doc__)
    path, seconds, wav = sys.argv[1], float(sys.argv[2]), sys.argv[3]
    tracks = []
    for words in sys.argv[4:]:
        t = dict(word.split("=", 1) if "=" in word else (word, True) for word in words.split(","))
        if t["codec"] in ("vp8", "vp9", "av1", "h264"):
            video_track(t, seconds)
        else:
            audio_track(t, seconds, t.get("wav", wav))
        tracks.append(t)
    write_clip(path, tracks)


if __name__ == "__main__":
    main()
