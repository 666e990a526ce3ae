"""A peer made of aiortc, as a process of its own: aiortc_peer.py publish|watch URL SECONDS, or, as
harness/counterpart.py drives it, offer URL SECONDS | answer ADDRESS SECONDS.

It sends noise-like pictures and a tone (all but watch), decodes what it receives (all but publish), and prints
what it saw as JSON."""
import asyncio
import fractions
import http.server
import json
import math
import struct
import sys
import threading
import time
import urllib.parse
import urllib.request

import aiortc
import av
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, MediaStreamError, VideoStreamTrack
from harness import fakes

WIDTH, HEIGHT, FPS = 320, 240, 15
CONNECT_S, SETTLE_S, LAST_S, DATA_S = 20, 0.7, 0.4, 0.1
silent = asyncio.Event()  # no more media, until it is cleared
frames_made = 0


async def sounding():
    while silent.is_set():
        await asyncio.sleep(0.01)


class Pictures(VideoStreamTrack):
    """A grey picture that grows lighter."""

    async def recv(self):
        await sounding()
        if not hasattr(self, "count"):
            self.count, self.begin = 0, time.monotonic()
        await asyncio.sleep(max(0, self.begin + self.count / FPS - time.monotonic()))
        await sounding()
        frame = av.VideoFrame(WIDTH, HEIGHT, "yuv420p")
        for plane, value in zip(frame.planes, (16 + self.count * 3 % 200, 128, 128)):
            plane.update(bytes([value]) * plane.buffer_size)
        frame.pts = self.count * 90000 // FPS
        frame.time_base = fractions.Fraction(1, 90000)
        self.count += 1
        global frames_made
        frames_made = self.count
        return frame


class Tone(AudioStreamTrack):
    """440 Hz."""

    async def recv(self):
        await sounding()
        if not hasattr(self, "count"):
            self.count, self.begin = 0, time.monotonic()
        await asyncio.sleep(max(0, self.begin + self.count / 50 - time.monotonic()))
        await sounding()
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
                luma = bytes(frame.planes[0])
                seen["frames"] += 1
                seen["sizes"].add((frame.width, frame.height))
                seen["brightness"].add(luma[0])
                seen["moved"] += luma[::97] != seen.get("before")
                seen["before"] = luma[::97]
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


def told(report, seen, pc):
    """The figures as harness/counterpart.py reads them."""
    found = figures(report)
    result = {"version": f"aiortc {aiortc.__version__}", "state": pc.connectionState,
              "seen": {"frames": seen["frames"], "width": 0, "height": 0, "pictures": seen["moved"]},
              "heard": {"frames": seen["sounds"], "loudest": seen["loudest"]}}
    for width, height in seen["sizes"]:
        result["seen"].update(width=width, height=height)
    for transceiver in pc.getTransceivers():
        kind = transceiver.kind
        result[kind] = {
            "codec": transceiver._codecs[0].name.lower() if transceiver._codecs else None,
            # It does not count the bytes received.
            "in": {"packets": found.get(f"{kind}.in.packets"), "bytes": None, "lost": found.get(f"{kind}.in.lost")},
            "out": {"packets": found.get(f"{kind}.out.packets"), "bytes": found.get(f"{kind}.out.bytes"), "frames": frames_made},
        }
    return result


def tell(event, **more):
    print(json.dumps({"event": event, **more}), flush=True)


class Data:
    """A channel. Messages of the side that offers come back from an echo, and must be as they went; the side
    that answers is the echo."""

    def __init__(self, channel, echo):
        self.channel, self.echo, self.awaited = channel, echo, []
        self.counts = {"sent": 0, "received": 0, "bytesSent": 0, "bytesReceived": 0, "wrong": 0}
        channel.on("message", self.heard)

    @staticmethod
    def size(message):
        return len(message.encode() if isinstance(message, str) else message)

    def send(self, message):
        self.counts["sent"] += 1
        self.counts["bytesSent"] += self.size(message)
        self.channel.send(message)

    def heard(self, message):
        self.counts["received"] += 1
        self.counts["bytesReceived"] += self.size(message)
        if self.echo:
            self.send(message)
        elif not self.awaited or self.awaited.pop(0) != message:
            self.counts["wrong"] += 1

    async def talk(self):
        i = 0
        while not silent.is_set():
            if self.channel.readyState == "open":
                text = f"message {i} " * (3000 if i == 7 else 3)
                self.awaited.append(text if i % 2 else text.encode())
                self.send(self.awaited[-1])
                i += 1
            await asyncio.sleep(DATA_S)


class Peer:
    """A connection that decodes what comes."""

    def __init__(self):
        self.pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.seen = {"frames": 0, "sizes": set(), "brightness": set(), "moved": 0, "sounds": 0, "loudest": 0}
        self.takers = []
        self.connected = asyncio.Event()
        self.data = None
        self.pc.on("track", lambda track: self.takers.append(asyncio.ensure_future(take(track, self.seen))))
        self.pc.on("connectionstatechange",
                   lambda: self.connected.set() if self.pc.connectionState == "connected" else None)

    async def close(self):
        await self.pc.close()
        for taker in self.takers:
            taker.cancel()

    async def offer(self, url, direction):
        for kind, made in (("audio", Tone), ("video", Pictures)):
            self.pc.addTransceiver(kind if direction == "recvonly" else made(), direction=direction)
        if "--data" in sys.argv:
            self.data = Data(self.pc.createDataChannel("interop"), False)
        await self.pc.setLocalDescription(await self.pc.createOffer())
        loop = asyncio.get_running_loop()
        began = time.monotonic()
        self.session, answer = await loop.run_in_executor(None, post, url, self.pc.localDescription.sdp)
        await self.pc.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        await asyncio.wait_for(self.connected.wait(), CONNECT_S)
        return began

    def on_channel(self, channel):
        self.data = Data(channel, True)

    async def answer(self, offer):
        self.pc.on("datachannel", self.on_channel)
        await self.pc.setRemoteDescription(RTCSessionDescription(offer, "offer"))
        self.pc.addTrack(Tone())
        self.pc.addTrack(Pictures())
        await self.pc.setLocalDescription(await self.pc.createAnswer())
        return self.pc.localDescription.sdp

    async def hold(self, began, seconds):
        tell("connected", ms=round(1000 * (time.monotonic() - began)))
        silent.clear()
        talk = asyncio.ensure_future(self.data.talk()) if self.data and not self.data.echo else None
        await asyncio.sleep(seconds)
        silent.set()
        if talk:
            await talk
        await asyncio.sleep(SETTLE_S)
        tell("quiet", **await self.told())

    async def told(self):
        data = {"data": self.data.counts} if self.data else {}
        return {**told(await self.pc.getStats(), self.seen, self.pc), **data}


async def one_way(role, url, seconds):
    peer = Peer()
    await peer.offer(url, "recvonly" if role == "watch" else "sendonly")
    print("ready", flush=True)
    await asyncio.sleep(seconds)
    report = figures(await peer.pc.getStats())
    await asyncio.get_running_loop().run_in_executor(None, delete, peer.session)
    await peer.close()
    seen = peer.seen
    seen.pop("before", None)
    seen["sizes"] = sorted(seen["sizes"])
    seen["brightness"] = len(seen["brightness"])
    print(json.dumps({"version": aiortc.__version__, **seen, **report}), flush=True)


async def offering(url, seconds):
    peer = Peer()
    silent.set()
    await peer.hold(await peer.offer(url, "sendrecv"), seconds)
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(None, sys.stdin.readline)
    await loop.run_in_executor(None, delete, peer.session)
    tell("over", **await peer.told())
    await peer.close()


def serve(address, loop, answer, deleted):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            offer = self.rfile.read(int(self.headers["Content-Length"])).decode()
            sdp = asyncio.run_coroutine_threadsafe(answer(offer), loop).result(20)
            self.reply(201, sdp.encode(), {"Content-Type": "application/sdp", "Location": "/session/1"})

        def do_PATCH(self):
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.reply(204)

        def do_DELETE(self):
            self.reply(200)
            loop.call_soon_threadsafe(deleted.set)

        def reply(self, status, body=b"", headers=()):
            self.send_response(status)
            for name, value in dict(headers).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = fakes.Server((address, 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


async def answering(address, seconds):
    peer, deleted, began = Peer(), asyncio.Event(), []
    silent.set()

    async def answer(offer):
        began.append(time.monotonic())
        return await peer.answer(offer)
    server = serve(address, asyncio.get_running_loop(), answer, deleted)
    tell("listening", port=server.server_address[1])
    await asyncio.wait_for(peer.connected.wait(), CONNECT_S)
    await peer.hold(began[0], seconds)
    await asyncio.wait_for(deleted.wait(), 30)
    await asyncio.sleep(LAST_S)
    tell("over", **await peer.told())
    await peer.close()
    server.shutdown()


if __name__ == "__main__":
    role, where, length = sys.argv[1], sys.argv[2], float(sys.argv[3])
    asyncio.run({"offer": offering, "answer": answering}[role](where, length) if role in ("offer", "answer")
                else one_way(role, where, length))
