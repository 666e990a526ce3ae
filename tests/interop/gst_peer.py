"""A WHIP session of GStreamer's webrtcbin, from either side, as harness/counterpart.py drives it:
gst_peer.py offer URL SECONDS | answer ADDRESS SECONDS. It makes pictures and a tone, decodes what it
receives, and tells what happens as a line of JSON each: listening, connected, quiet, over."""
import array
import http.server
import json
import re
import sys
import threading
import time
import urllib.parse
import urllib.request

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstSdp", "1.0")
gi.require_version("GstWebRTC", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402
from harness import fakes  # noqa: E402

WIDTH, HEIGHT, FPS = 320, 240, 25
CONNECT_S, SETTLE_S, LAST_S, POLL_S, DATA_S = 20, 0.7, 0.4, 0.1, 0.1
# The valves come before the encoders, so that the first picture is a key frame. What they hold back is
# made all the same, but has no place in the stream.
SEND = """
webrtcbin name=bin bundle-policy=max-bundle
videotestsrc is-live=true pattern=ball ! video/x-raw,width={width},height={height},framerate={fps}/1
  ! valve name=video-valve drop=true drop-mode=forward-sticky-events
  ! vp8enc name=video-encoder deadline=1 cpu-used=8 keyframe-max-dist={fps} target-bitrate=400000
  ! rtpvp8pay picture-id-mode=15-bit ! capsfilter name=video-caps caps="{video}"
audiotestsrc is-live=true samplesperbuffer=960 ! audio/x-raw,rate=48000,channels=2
  ! valve name=audio-valve drop=true drop-mode=forward-sticky-events
  ! opusenc name=audio-encoder ! rtpopuspay ! capsfilter name=audio-caps caps="{audio}"
"""
CAPS = {
    "video": "application/x-rtp,media=video,encoding-name=VP8,clock-rate=90000,payload={}",
    "audio": "application/x-rtp,media=audio,encoding-name=OPUS,clock-rate=48000,encoding-params=(string)2,payload={}",
}
RECEIVE = {
    "video": "queue ! rtpvp8depay ! vp8dec ! fakesink name=sink sync=false",
    "audio": "queue ! rtpopusdepay ! opusdec ! audioconvert ! audio/x-raw,format=S16LE,channels=1 ! fakesink name=sink sync=false",
}


def tell(event, **more):
    print(json.dumps({"event": event, **more}), flush=True)


def until(what, test, seconds):
    deadline = time.monotonic() + seconds
    while not test():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds} s in vain for {what}")
        time.sleep(0.01)


def payload_types(sdp):
    """Those that an offer gives VP8 and Opus."""
    found = {"video": 96, "audio": 97}
    for kind, name in (("video", "VP8"), ("audio", "opus")):
        match = re.search(rf"^a=rtpmap:(\d+) {name}/", sdp or "", re.M | re.I)
        if match:
            found[kind] = int(match.group(1))
    return found


class Data:
    """A channel. Messages of the side that offers come back from an echo, and must be as they went; the side
    that answers is the echo."""

    def __init__(self, channel, echo):
        self.channel, self.echo, self.awaited = channel, echo, []
        self.counts = {"sent": 0, "received": 0, "bytesSent": 0, "bytesReceived": 0, "wrong": 0}
        channel.connect("on-message-string", lambda _, text: self.heard(text))
        channel.connect("on-message-data", lambda _, data: self.heard(data.get_data()))

    @staticmethod
    def size(message):
        return len(message.encode() if isinstance(message, str) else message)

    def send(self, message):
        self.counts["sent"] += 1
        self.counts["bytesSent"] += self.size(message)
        if isinstance(message, str):
            self.channel.emit("send-string", message)
        else:
            self.channel.emit("send-data", GLib.Bytes.new(message))

    def heard(self, message):
        self.counts["received"] += 1
        self.counts["bytesReceived"] += self.size(message)
        if self.echo:
            self.send(message)
        elif not self.awaited or self.awaited.pop(0) != message:
            self.counts["wrong"] += 1

    def talk(self, seconds):
        i, end = 0, time.monotonic() + seconds
        while time.monotonic() < end:
            if self.channel.get_property("ready-state") == GstWebRTC.WebRTCDataChannelState.OPEN:
                text = f"message {i} " * (3000 if i == 7 else 3)
                self.awaited.append(text if i % 2 else text.encode())
                self.send(self.awaited[-1])
                i += 1
            time.sleep(DATA_S)


class Peer:
    def __init__(self, offer=None):
        types = payload_types(offer)
        caps = {kind: CAPS[kind].format(types[kind]) for kind in CAPS}
        self.seen = {"frames": 0, "width": 0, "height": 0, "pictures": 0}
        self.heard = {"frames": 0, "loudest": 0}
        self.encoded = 0
        self.inbound = {}  # the last seen: a BYE takes them away
        self.before = None
        self.pipeline = Gst.parse_launch(SEND.format(width=WIDTH, height=HEIGHT, fps=FPS, **caps))
        self.bin = self.pipeline.get_by_name("bin")
        self.bin.connect("pad-added", self.on_pad)
        self.pipeline.get_by_name("video-encoder").get_static_pad("src").add_probe(Gst.PadProbeType.BUFFER, self.on_encoded)
        self.data = None
        self.bin.connect("on-data-channel", self.on_channel)
        self.pipeline.set_state(Gst.State.READY)
        if not offer and "--data" in sys.argv:
            self.data = Data(self.bin.emit("create-data-channel", "interop", None), False)
        if offer:
            self.describe("remote", GstWebRTC.WebRTCSDPType.OFFER, offer)
        for kind in ("audio", "video"):
            pad = self.bin.request_pad_simple("sink_%u")
            self.pipeline.get_by_name(f"{kind}-caps").get_static_pad("src").link(pad)
            transceiver = pad.get_property("transceiver")
            transceiver.set_property("codec-preferences", Gst.Caps.from_string(caps[kind]))
            if kind == "video" and "--fec" in sys.argv:
                # As much parity as media, in RED with ULPFEC, and nothing sent again.
                transceiver.set_property("fec-type", GstWebRTC.WebRTCFECType.ULP_RED)
                transceiver.set_property("fec-percentage", 100)
            elif kind == "video":
                transceiver.set_property("do-nack", True)
        self.pipeline.set_state(Gst.State.PLAYING)

    def on_channel(self, _bin, channel):
        self.data = Data(channel, True)

    def on_encoded(self, _pad, _info):
        self.encoded += 1
        return Gst.PadProbeReturn.OK

    def on_pad(self, _bin, pad):
        if pad.get_direction() != Gst.PadDirection.SRC:
            return
        kind = pad.get_current_caps().get_structure(0).get_string("media")
        chain = Gst.parse_bin_from_description(RECEIVE[kind], True)
        look = self.on_picture if kind == "video" else self.on_sound
        chain.get_by_name("sink").get_static_pad("sink").add_probe(Gst.PadProbeType.BUFFER, look)
        self.pipeline.add(chain)
        chain.sync_state_with_parent()
        pad.link(chain.get_static_pad("sink"))

    def on_picture(self, pad, info):
        good, data = info.get_buffer().map(Gst.MapFlags.READ)
        if good:
            now = bytes(data.data[:data.size * 2 // 3])[::97]
            info.get_buffer().unmap(data)
            shape = pad.get_current_caps().get_structure(0)
            self.seen["width"], self.seen["height"] = shape.get_int("width")[1], shape.get_int("height")[1]
            self.seen["frames"] += 1
            self.seen["pictures"] += now != self.before
            self.before = now
        return Gst.PadProbeReturn.OK

    def on_sound(self, _pad, info):
        good, data = info.get_buffer().map(Gst.MapFlags.READ)
        if good:
            samples = array.array("h", bytes(data.data))
            info.get_buffer().unmap(data)
            self.heard["frames"] += 1
            self.heard["loudest"] = max(self.heard["loudest"], max(samples, default=0), -min(samples, default=0))
        return Gst.PadProbeReturn.OK

    def ask(self, signal, *arguments):
        promise = Gst.Promise.new()
        self.bin.emit(signal, *arguments, promise)
        if promise.wait() != Gst.PromiseResult.REPLIED:
            raise RuntimeError(f"{signal}: no reply")
        return promise

    def describe(self, side, kind, text):
        _, message = GstSdp.SDPMessage.new_from_text(text)
        promise = Gst.Promise.new()
        self.bin.emit(f"set-{side}-description", GstWebRTC.WebRTCSessionDescription.new(kind, message), promise)
        promise.wait()
        reply = promise.get_reply()
        if reply and reply.has_field("error"):
            raise RuntimeError(f"set-{side}-description: {reply.get_value('error')}")

    def local(self, kind):
        """Makes an offer or an answer, puts it in force, and gives it with all candidates."""
        promise = self.ask(f"create-{kind}", None)
        reply = promise.get_reply()  # to be kept: the description lives in it
        made = reply.get_value(kind)
        wanted = GstWebRTC.WebRTCSDPType.OFFER if kind == "offer" else GstWebRTC.WebRTCSDPType.ANSWER
        self.describe("local", wanted, made.sdp.as_text())
        until("the candidates", lambda: self.bin.get_property("ice-gathering-state")
              == GstWebRTC.WebRTCICEGatheringState.COMPLETE, 10)
        return self.bin.get_property("local-description").sdp.as_text()

    def state(self):
        return self.bin.get_property("connection-state").value_nick

    def send(self, on):
        for kind in ("audio", "video"):
            self.pipeline.get_by_name(f"{kind}-valve").set_property("drop", not on)

    def figures(self):
        result = {"version": f"GStreamer {Gst.version_string().split()[-1]}", "seen": self.seen, "heard": self.heard}
        if self.data:
            result["data"] = self.data.counts
        promise = self.ask("get-stats", None)
        reply = promise.get_reply()
        reports = [reply.get_value(reply.nth_field_name(i)) for i in range(reply.n_fields())]
        for kind in ("audio", "video"):
            result[kind] = {"codec": None, "in": self.inbound.get(kind, {}), "out": {"frames": self.encoded}}
        for r in reports:
            ways = {GstWebRTC.WebRTCStatsType.INBOUND_RTP: ("in", "received"), GstWebRTC.WebRTCStatsType.OUTBOUND_RTP: ("out", "sent")}
            if r.get_value("type") not in ways:
                continue
            way, done = ways[r.get_value("type")]
            # Its `kind` is video for all that is bundled: the clock tells them apart.
            kind = "video" if r.get_value("gst-rtpsource-stats").get_int("clock-rate")[1] == 90000 else "audio"
            if r.get_value(f"packets-{done}") < result[kind][way].get("packets", 0):
                continue  # the stream of RTX
            result[kind][way] = {**result[kind][way], "packets": r.get_value(f"packets-{done}"), "bytes": r.get_value(f"bytes-{done}")}
            if way == "in":
                result[kind][way]["lost"] = r.get_value("packets-lost")
                self.inbound[kind] = result[kind][way]
        text = self.bin.get_property("local-description").sdp.as_text()
        for section in re.split(r"^m=", text, flags=re.M)[1:]:
            kind, payload = section.split()[0], section.split()[3]
            found = re.search(rf"^a=rtpmap:{payload} ([^/]+)", section, re.M)
            if kind in result and found:
                result[kind]["codec"] = found.group(1).lower()
        return result

    def hold(self, began, seconds):
        until("the connection", lambda: self.state() == "connected", CONNECT_S)
        tell("connected", ms=round(1000 * (time.monotonic() - began)))
        self.send(True)
        if self.data and not self.data.echo:
            self.data.talk(seconds)
        else:
            time.sleep(seconds)
        self.send(False)
        time.sleep(SETTLE_S)
        tell("quiet", **self.figures())

    def close(self):
        self.pipeline.set_state(Gst.State.NULL)


def offer(url, seconds):
    peer = Peer()
    text = peer.local("offer")
    began = time.monotonic()
    request = urllib.request.Request(url, text.encode(), {"Content-Type": "application/sdp"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        session = urllib.parse.urljoin(url, answer.headers["Location"])
        peer.describe("remote", GstWebRTC.WebRTCSDPType.ANSWER, answer.read().decode())
    peer.hold(began, seconds)
    sys.stdin.readline()
    urllib.request.urlopen(urllib.request.Request(session, method="DELETE"), timeout=10).close()
    tell("over", **peer.figures())
    peer.close()


def answer(address, seconds):
    peers, began, deleted = [], [], threading.Event()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            began.append(time.monotonic())
            text = self.rfile.read(int(self.headers["Content-Length"])).decode()
            peer = Peer(text)
            body = peer.local("answer").encode()
            peers.append(peer)
            self.reply(201, body, {"Content-Type": "application/sdp", "Location": "/session/1"})

        def do_PATCH(self):
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.reply(204)

        def do_DELETE(self):
            self.reply(200)
            deleted.set()

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
    tell("listening", port=server.server_address[1])
    until("an offer", lambda: peers, CONNECT_S)
    peers[0].hold(began[0], seconds)
    while not deleted.wait(POLL_S):
        peers[0].figures()
    time.sleep(LAST_S)
    tell("over", **peers[0].figures(), state=peers[0].state())
    peers[0].close()
    server.shutdown()


def main():
    Gst.init(None)
    loop = GLib.MainLoop()
    threading.Thread(target=loop.run, daemon=True).start()
    (offer if sys.argv[1] == "offer" else answer)(sys.argv[2], float(sys.argv[3]))


if __name__ == "__main__":
    main()
