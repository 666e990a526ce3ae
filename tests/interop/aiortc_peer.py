"""A peer made of aiortc, as a process of its own: aiortc_peer.py publish|watch|echo URL SECONDS.

It sends noise-like pictures and a tone (publish, echo), decodes what it receives (watch, echo), and
prints what it saw as one line of JSON at the end. "ready" is printed once it is connected."""
import asyncio
import fractions
import json
import math
import struct
import sys
import time
import urllib.parse
import urllib.request

import aiortc
import av
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, MediaStreamError, VideoStreamTrack

WIDTH, HEIGHT, FPS = 320, 240, 15


class Pictures(VideoStreamTrack):
    """A grey picture that grows lighter."""

    async def recv(self):
        if not hasattr(self, "count"):
            self.count, self.begin = 0, time.monotonic()
        await asyncio.sleep(max(0, self.begin + self.count / FPS - time.monotonic()))
        frame = av.VideoFrame(WIDTH, HEIGHT, "yuv420p")
        for plane, value in zip(frame.planes, (16 + self.count * 3 % 200, 128, 128)):
            plane.update(bytes([value]) * plane.buffer_size)
        frame.pts = self.count * 90000 // FPS
        frame.time_base = fractions.Fraction(1, 90000)
        self.count += 1
        return frame


class Tone(AudioStreamTrack):
    """440 Hz."""

    async def recv(self):
        if not hasattr(self, "count"):
            self.count, self.begin = 0, time.monotonic()
        await asyncio.sleep(max(0, self.begin + self.count / 50 - time.monotonic()))
        frame = av.AudioFrame(format="s16", layout="mono", samples=960)
        first = self.count * 960
        frame.planes[0].update(struct.pack(
            "960h", *(int(8000 * math.sin((first + i) * 2 * math.pi * 440 / 48000)) for i in range(960))))
        frame.pts, frame.sample_rate = first, 48000
        frame.time_base = fractions.Fraction(1, 48000)
        self.count += 1
        return frame


def post(url, sdp):
    request = urllib.request.Request(url, sdp.encode(), {"Content-Type": "application/sdp"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return urllib.parse.urljoin(url, answer.headers["Location"]), answer.read().decode()


def delete(url):
    urllib.request.urlopen(urllib.request.Request(url, method="DELETE"), timeout=10).close()


async def take(track, seen):
    """Decodes until the track ends."""
    try:
        while True:
            frame = await track.recv()
            if track.kind == "video":
                seen["frames"] += 1
                seen["sizes"].add((frame.width, frame.height))
                seen["brightness"].add(frame.planes[0].__buffer__(0)[0] if hasattr(frame.planes[0], "__buffer__")
                                       else bytes(frame.planes[0])[0])
            else:
                seen["sounds"] += 1
                samples = bytes(frame.planes[0])
                loudest = max(abs(v) for v in struct.unpack(f"{len(samples) // 2}h", samples))
                seen["loudest"] = max(seen["loudest"], loudest)
    except MediaStreamError:
        pass


def figures(report):
    """Packets by direction and kind."""
    found = {}
    for stats in report.values():
        if stats.type == "inbound-rtp":
            found[f"{stats.kind}.in.packets"] = stats.packetsReceived
            found[f"{stats.kind}.in.lost"] = stats.packetsLost
        elif stats.type == "outbound-rtp":
            found[f"{stats.kind}.out.packets"] = stats.packetsSent
            found[f"{stats.kind}.out.bytes"] = stats.bytesSent
    return found


async def main(role, url, seconds):
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    seen = {"frames": 0, "sizes": set(), "brightness": set(), "sounds": 0, "loudest": 0}
    takers = []
    connected = asyncio.Event()
    pc.on("track", lambda track: takers.append(asyncio.ensure_future(take(track, seen))))
    pc.on("connectionstatechange", lambda: connected.set() if pc.connectionState == "connected" else None)
    for kind, made in (("audio", Tone), ("video", Pictures)):
        if role == "watch":
            pc.addTransceiver(kind, direction="recvonly")
        else:
            pc.addTransceiver(made(), direction="sendonly" if role == "publish" else "sendrecv")
    await pc.setLocalDescription(await pc.createOffer())
    loop = asyncio.get_running_loop()
    session, answer = await loop.run_in_executor(None, post, url, pc.localDescription.sdp)
    await pc.setRemoteDescription(RTCSessionDescription(answer, "answer"))
    await asyncio.wait_for(connected.wait(), 20)
    print("ready", flush=True)
    await asyncio.sleep(seconds)
    report = figures(await pc.getStats())
    await loop.run_in_executor(None, delete, session)
    await pc.close()
    for taker in takers:
        taker.cancel()
    seen["sizes"] = sorted(seen["sizes"])
    seen["brightness"] = len(seen["brightness"])
    print(json.dumps({"version": aiortc.__version__, **seen, **report}), flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], float(sys.argv[3])))
