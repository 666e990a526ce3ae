"""A peer made of somebody else's software, as a process of its own, in a session with Squall whose offer
comes from either side. It sends media of its own and looks at what it gets. At the end both sides'
counters are held against each other: the counterpart falls silent before, so that nothing is under way and
they must be the same."""
import dataclasses
import json
import subprocess
import typing
import urllib.request

from . import clip
from .proc import Failure, check, until
from .sandbox import ADDRESS

SECONDS = 5  # of the counterpart's media
RUN_S = 60  # of a squall run at most: it is interrupted once the counterpart has been silent
CALM = ("--local-ip", ADDRESS, "--lateness-max", "500")
CLIP = {"width": 640, "height": 360, "fps": 25}
DATA_RATE = 10  # messages a second
PACKET_BYTES = 1200  # of payload, at most
CONTROLLED_S = 30  # without REMB and transport-wide feedback the estimate grows by 8 % a second
CLIP_KBPS = 992  # its highest step
SETUP_MS = 5000  # generous: a browser on two busy cores


class Counterpart:
    """`argv` gets `offer URL SECONDS` or `answer ADDRESS SECONDS`, and tells events as lines of JSON. One
    without codecs leaves what it received in the folder `media`, to be decoded here."""

    def __init__(self, t, name, argv, words, env=None, media=None):
        self.process = t.start(name, [*argv, *words], stdin=subprocess.PIPE, env=env)
        self.media = media

    def played(self, figures):
        """What it decoded, or what decodes of that which it received."""
        if self.media:
            figures["seen"] = clip.look(self.media / "received-video.ivf", "libvpx")
            figures["heard"] = clip.listen(self.media / "received-audio.ivf")
        return figures

    def event(self, name, seconds=30):
        def look():
            for line in self.process.stdout().splitlines():
                if line.startswith("{") and line.endswith("}"):
                    event = json.loads(line)
                    if event.get("event") == name:
                        return event
            if not self.process.running():
                raise Failure(f"{self.process.name} ended with {self.process.popen.returncode} before it told '{name}'")
            return None
        return until(f"{self.process.name} to tell '{name}'", look, seconds)

    def go_on(self):
        self.process.popen.stdin.write(b"go\n")
        self.process.popen.stdin.flush()

    def end(self):
        check(self.process.wait(15) == 0, f"{self.process.name} ended with {self.process.popen.returncode}")


@dataclasses.dataclass
class Software:
    """What a counterpart is like. start(words) -> Counterpart."""
    start: typing.Callable
    size: tuple = (clip.WIDTH, clip.HEIGHT)
    fps: int = clip.FPS
    codecs: dict = dataclasses.field(default_factory=lambda: {"audio": "opus", "video": "vp8"})
    # Frames that it counts as encoded, and did not send.
    unsent_frames: int = 0
    # Packets that it calls lost when a stream falls silent, though none was.
    lost_by_silence: int = 0
    # Packets of each kind that its figures may not have yet when the session ends under it.
    unread: dict = dataclasses.field(default_factory=lambda: {"audio": 0, "video": 0})


def same(what, mine, theirs, fewer=0):
    """Theirs is mine, or at most `fewer` less; None where it does not tell."""
    if theirs is None:
        return
    check(mine > 0 and 0 <= mine - theirs <= fewer,
          f"{what}: Squall has {mine:.0f}, the counterpart {theirs:.0f}; {fewer} fewer are allowed")


def check_codecs(figures, wanted):
    for kind, codec in wanted.items():
        check(figures[kind]["codec"] == codec, f"{kind} in {figures[kind]['codec']}, expected {codec}")


def check_played(figures, size, fps, lost=0):
    """What the counterpart decoded: of that size, moving, and loud."""
    seen, heard = figures["seen"], figures["heard"]
    frames, sounds = (SECONDS - 1.5) * fps, (SECONDS - 1.5) * 50
    check([seen["width"], seen["height"]] == list(size), f"pictures of {seen['width']}x{seen['height']}, expected {size}")
    check(seen["frames"] >= frames, f"{seen['frames']} frames decoded, expected {frames}")
    looks = seen.get("looks", seen["frames"])
    check(seen["pictures"] >= 0.9 * looks > 0, f"{seen['pictures']} of {looks} pictures differ from the one before")
    check(heard["frames"] >= sounds and heard["loudest"] > 1000, f"sound: {heard}")
    for kind in ("audio", "video"):
        check(figures[kind]["in"]["lost"] <= lost, f"the counterpart lost {figures[kind]['in']['lost']} packets of {kind}")


def check_data(figures, channels):
    """The messages of the counterpart's channel came back as they went, and were counted alike."""
    data = figures["data"]
    check(data["wrong"] == 0 and data["sent"] == data["received"] >= SECONDS * 10 * 0.6, f"its messages, echoed by the lab: {data}")
    check(len(channels) == 1 and channels[0]["label"] == "interop", f"channels at the lab: {channels}")
    for mine, theirs in (("messagesReceived", "sent"), ("bytesReceived", "bytesSent"), ("messagesSent", "received"), ("bytesSent", "bytesReceived")):
        check(channels[0][mine] == data[theirs], f"data: the lab's {mine} {channels[0][mine]}, the counterpart's {theirs} {data[theirs]}")


def check_echoed_data(results, figures):
    """Squall's messages were echoed by the counterpart."""
    data = figures["data"]
    sent, received = results.metric("data.out.messages", "max"), results.metric("data.in.messages", "max")
    check(sent >= SECONDS * DATA_RATE * 0.6, f"{sent:.0f} messages of Squall's")
    # The last may have been under way when Squall left.
    check(0 <= sent - data["received"] <= 2 and 0 <= data["sent"] - received <= 2,
          f"data: Squall sent {sent:.0f} and got {received:.0f}, the counterpart {data}")
    check(results.metric("data.in.loss", "max") == 0, "messages lost")
    check(0 < results.metric("data.rtt", "p50") < 500, f"data.rtt {results.metric('data.rtt', 'p50')}")


def lab_stats(lab):
    with urllib.request.urlopen(lab.http("/stats"), timeout=10) as answer:
        return json.load(answer)


def lab_member(lab, room):
    found = next((r for r in lab_stats(lab)["roomList"] if r["name"] == room), None)
    check(found and len(found["members"]) == 1, f"the lab's room {room}: {found}")
    return found["members"][0]


def agree_with_lab(member, figures, software):
    for kind in ("audio", "video"):
        into = next(s for s in member["inbound"] if s["kind"] == kind)
        out = next(s for s in member["outbound"] if s["kind"] == kind)
        theirs = figures[kind]
        check(into["codec"].lower() == software.codecs[kind], f"the lab takes {into['codec']}")
        check(into["packetsLost"] == 0, f"the lab lost {into['packetsLost']} packets of {kind}")
        same(f"{kind}: packets to the lab", into["packetsReceived"], theirs["out"]["packets"])
        same(f"{kind}: bytes to the lab", into["bytesReceived"], theirs["out"]["bytes"])
        # What was sent again although it was not lost may be counted or not.
        again = out["retransmittedPacketsSent"]
        same(f"{kind}: packets of the lab", out["packetsSent"], theirs["in"]["packets"], again)
        same(f"{kind}: bytes of the lab", out["bytesSent"], theirs["in"]["bytes"], again * PACKET_BYTES)


def offers(t, log, software):
    """The counterpart offers, the lab answers and sends everything back."""
    lab = t.lab("--media-ip", ADDRESS)
    peer = software.start(["offer", lab.http("/whip/echo"), str(SECONDS), "--data"])
    check(peer.event("connected")["ms"] < SETUP_MS, "connected too late")
    figures = peer.event("quiet", SECONDS + 20)
    log(f"{figures['version']}: {figures['video']}, {figures['audio']}")
    member = lab_member(lab, "echo")
    agree_with_lab(member, figures, software)
    check_data(figures, member["transport"].get("dataChannels") or member.get("dataChannels"))
    check_codecs(figures, software.codecs)
    check_played(peer.played(figures), software.size, software.fps, software.lost_by_silence)
    peer.go_on()
    peer.event("over")
    peer.end()
    stats = lab_stats(lab)
    check(stats["left"] == 1 and stats["failed"] == 0 and stats["participants"] == 0, f"the lab at the end: {stats}")


def agree_with_run(results, figures, software):
    mine = results.peers[0]
    series = {(s.kind, "video" if s.video else "audio"): s for s in results.dumps()[0]}
    for kind in ("audio", "video"):
        theirs = figures[kind]
        again = series[("outbound-rtp", kind)].members["retransmittedPacketsSent"][-1][1] + software.unread[kind]
        for figure, size in (("packets", 1), ("bytes", PACKET_BYTES)):
            same(f"{kind}.in.{figure}", mine[f"{kind}.in.{figure}"], theirs["out"][figure])
            same(f"{kind}.out.{figure}", mine[f"{kind}.out.{figure}"], theirs["in"][figure], again * size)
        check(mine[f"{kind}.in.lost"] == 0, f"Squall lost {mine[f'{kind}.in.lost']:.0f} packets of {kind}")
    unsent = figures["video"]["out"]["frames"] - mine["video.in.frames"]
    check(0 <= unsent <= software.unsent_frames, f"video.in.frames: {unsent:.0f} fewer than the counterpart encoded")


def answers(t, log, software, *options, sent=CLIP):
    """Squall offers its clip, which is `sent`; the counterpart answers, plays it, and sends media of its own. Gives the
    results, with the counterpart's figures as `theirs`."""
    peer = software.start(["answer", ADDRESS, str(SECONDS)])
    port = peer.event("listening", 20)["port"]
    run = t.run(f"whip+http://{ADDRESS}:{port}/whip", "--echo", "--peers", 1, "--duration", f"{RUN_S}s", "--dump", 1,
                "--bwe", "off",  # the whole clip from the start
                "--data", f"{DATA_RATE}/s:200", *CALM, *options)
    check(peer.event("connected")["ms"] < SETUP_MS, "connected too late")
    peer.event("quiet", SECONDS + 20)
    run.process.signal()
    results = run.finish(20)
    figures = peer.event("over", 20)
    peer.end()
    log(f"{figures['version']}: {figures['video']}, {figures['audio']}")
    check(results.code == 130 and not results.summary["failures"], f"exit code {results.code}, {results.summary['failures']}")
    mine = results.peers[0]
    check(mine["outcome"] == "ok", f"{mine['peer']}: {mine['outcome']}")
    log(f"Squall: set up in {mine['setup.total_ms']:.0f} ms, video in {mine['video.in.packets']:.0f} out "
        f"{mine['video.out.packets']:.0f} packets, audio in {mine['audio.in.packets']:.0f} out {mine['audio.out.packets']:.0f}")
    agree_with_run(results, figures, software)
    check_echoed_data(results, figures)
    check([mine["video.in.width"], mine["video.in.height"]] == list(software.size),
          f"Squall got {mine['video.in.width']}x{mine['video.in.height']}")
    frames = (SECONDS - 1.5) * software.fps
    check(mine["video.in.frames"] >= frames, f"{mine['video.in.frames']:.0f} frames of {SECONDS} s, expected {frames}")
    check(0 < mine["setup.total_ms"] < SETUP_MS, f"set up in {mine['setup.total_ms']} ms")
    check_codecs(figures, software.codecs)
    check_played(peer.played(figures), (sent["width"], sent["height"]), sent["fps"])
    results.theirs = figures
    return results


def controlled(t, log, software):
    """Squall sends as its congestion control lets it; nothing limits the way, so the counterpart's feedback, whatever it
    is, must take the clip to its highest step before long. It need not stay there: one written in Python or JavaScript
    takes a busy machine for a busy link."""
    peer = software.start(["answer", ADDRESS, str(CONTROLLED_S)])
    port = peer.event("listening", 20)["port"]
    run = t.run(f"whip+http://{ADDRESS}:{port}/whip", "--echo", "--peers", 1, "--duration", f"{RUN_S}s", "--verbose", *CALM)
    peer.event("quiet", CONTROLLED_S + 20)
    run.process.signal()
    results = run.finish(20)
    figures = peer.played(peer.event("over", 20))
    peer.end()
    log(f"{figures['version']}: {figures['seen']}; bwe.estimate max {results.metric('bwe.estimate', 'max'):.0f} kbit/s, "
        f"video.out.bitrate max {results.metric('video.out.bitrate', 'max'):.0f}")
    check(not results.summary["failures"], f"{results.summary['failures']}")
    check(figures["seen"]["pictures"] > CONTROLLED_S * 5, f"pictures: {figures['seen']}")
    check(results.metric("video.out.target", "max") >= 0.95 * CLIP_KBPS, f"{results.metric('video.out.target', 'max')} kbit/s at most")
