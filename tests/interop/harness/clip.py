"""Encoded media for counterparts that have no codecs, and what they received decoded, by PyAV (which
Debian's aiortc needs as well). A file is IVF, for sound too: a header of 32 bytes, and before each frame
its length and its time in a header of 12."""
import math
import random
import struct

from .sandbox import no_module, skip

try:
    import av
except ImportError:
    av = None

WIDTH, HEIGHT, FPS = 320, 240, 25
NOISY_ROWS = 40
SECONDS = 4
OPUS_SAMPLES = 960
FOURCC = {"vp8": b"VP80", "opus": b"OPUS"}


def need_av():
    if av is None:
        skip(no_module("av"))


def write_ivf(path, fourcc, rate, frames):
    with open(path, "wb") as file:
        file.write(struct.pack("<4sHH4sHHIIII", b"DKIF", 0, 32, fourcc, WIDTH, HEIGHT, rate, 1, len(frames), 0))
        for i, frame in enumerate(frames):
            file.write(struct.pack("<IQ", len(frame), i) + frame)


def read_ivf(path):
    data = path.read_bytes()
    at, frames = 32, []
    while at + 12 <= len(data):
        size, = struct.unpack_from("<I", data, at)
        if at + 12 + size > len(data):
            break
        frames.append(data[at + 12:at + 12 + size])
        at += 12 + size
    return frames


def picture(i):
    """A bar that walks over a slope of grey which grows lighter, under it noise, so that there is something to encode."""
    frame = av.VideoFrame(WIDTH, HEIGHT, "yuv420p")
    luma = frame.planes[0]
    row = bytearray((x // 2 + 40 + i * 2) % 200 + 16 for x in range(luma.line_size))
    for x in range(32):
        row[(i * 4 + x) % WIDTH] = 235
    noise = random.Random(i).randbytes(luma.line_size * NOISY_ROWS)
    luma.update(bytes(row) * (luma.buffer_size // luma.line_size - NOISY_ROWS) + noise)
    for plane in frame.planes[1:]:
        plane.update(bytes([128]) * plane.buffer_size)
    frame.pts = i
    return frame


def encode(codec, frames):
    packets = [bytes(packet) for frame in frames for packet in codec.encode(frame)]
    return packets + [bytes(packet) for packet in codec.encode(None)]


def tone(i):
    """440 Hz at a third of full scale."""
    frame = av.AudioFrame(format="s16", layout="mono", samples=OPUS_SAMPLES)
    first = i * OPUS_SAMPLES
    frame.planes[0].update(struct.pack(f"{OPUS_SAMPLES}h", *(
        int(11000 * math.sin((first + n) * 2 * math.pi * 440 / 48000)) for n in range(OPUS_SAMPLES))))
    frame.sample_rate = 48000
    frame.pts = first
    return frame


def make(folder):
    """video.ivf (VP8, a key frame a second) and audio.ivf (Opus, 20 ms)."""
    need_av()
    video = av.CodecContext.create("libvpx", "w")
    video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    video.bit_rate, video.framerate, video.time_base = 300000, FPS, "1/25"
    video.options = {"deadline": "realtime", "cpu-used": "8", "g": str(FPS), "lag-in-frames": "0", "threads": "1"}
    write_ivf(folder / "video.ivf", FOURCC["vp8"], FPS, encode(video, [picture(i) for i in range(FPS * SECONDS)]))
    audio = av.CodecContext.create("libopus", "w")
    audio.sample_rate, audio.layout, audio.format = 48000, "mono", "s16"
    audio.bit_rate = 32000
    write_ivf(folder / "audio.ivf", FOURCC["opus"], 50, encode(audio, [tone(i) for i in range(50 * SECONDS)]))


def look(path, codec):
    """What a viewer would have seen of a file of frames: {frames, width, height, pictures}, where pictures
    are those that differ from the one before."""
    need_av()
    decoder = av.CodecContext.create(codec, "r")
    seen = {"frames": 0, "width": 0, "height": 0, "pictures": 0}
    before = None
    for data in read_ivf(path):
        for frame in decoder.decode(av.Packet(data)):
            now = bytes(frame.planes[0])[::97]
            seen["frames"] += 1
            seen["width"], seen["height"] = frame.width, frame.height
            seen["pictures"] += now != before
            before = now
    return seen


def listen(path, codec="libopus"):
    """{frames, loudest}, the latter of 32,767."""
    need_av()
    decoder = av.CodecContext.create(codec, "r")
    decoder.sample_rate, decoder.layout = 48000, "mono"
    heard = {"frames": 0, "loudest": 0}
    for data in read_ivf(path):
        for frame in decoder.decode(av.Packet(data)):
            samples = bytes(frame.planes[0])
            if "flt" in frame.format.name:
                values = [32767 * v for v in struct.unpack(f"{len(samples) // 4}f", samples)]
            else:
                values = struct.unpack(f"{len(samples) // 2}h", samples)
            heard["frames"] += 1
            heard["loudest"] = max(heard["loudest"], int(max(map(abs, values))))
    return heard
