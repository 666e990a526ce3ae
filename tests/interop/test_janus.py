"""Squall against Janus: echotest, videoroom, a room that is not there, and a Janus that dies."""
import os
import pathlib
import re
import signal
import subprocess
import threading
import time

from harness import figures, squall, test
from harness.janus import ROOM, ROOMS, Janus, version
from harness.proc import check, until
from harness.sandbox import need
from harness.squall import CONSTANT

# Janus is asked every 250 ms and read off between samples (harness/figures.py): in that time come 12
# packets of audio, or 7 frames of video of up to 10 packets each, or a key frame of up to 50.
APART = {"audio": {"packets": 14, "bytes": 14 * 200}, "video": {"packets": 70, "bytes": 70 * 1250}}
SHARE_APART = 0.01


class Watch(threading.Thread):
    """Reads Janus' own figures while a run goes on: {SSRC: Counter} of what Janus got and sent."""

    def __init__(self, janus):
        super().__init__(daemon=True)
        self.janus, self.going, self.samples, self.problem = janus, True, {}, None
        self.start()

    def run(self):
        try:
            while self.going:
                for _, info in self.janus.handles().items():
                    now = time.time() * 1000
                    for medium in info.get("webrtc", {}).get("media", {}).values():
                        self._note(now, medium, "in", medium.get("ssrc", {}).get("ssrc-peer"))
                        self._note(now, medium, "out", medium.get("ssrc", {}).get("ssrc"))
                time.sleep(0.25)
        except Exception as problem:  # told by whoever asks
            self.problem = problem

    def _note(self, now, medium, way, ssrc):
        if ssrc and way in medium.get("stats", {}):
            self.samples.setdefault((way, ssrc), []).append((now, medium["stats"][way]))

    def finish(self):
        self.going = False
        self.join(20)
        check(self.problem is None, f"Janus' admin interface: {self.problem}")
        return {key: figures.Counter(samples) for key, samples in self.samples.items()}


def agree(dumps, watched, expected):
    """Each stream of Squall's that Janus knows, in both its directions."""
    compared = 0
    for dump in dumps:
        for series in dump:
            kind = "video" if series.video else "audio"
            sent = series.kind == "outbound-rtp"
            janus = watched.get(("in" if sent else "out", series.ssrc))
            if janus is None:
                continue
            member = "Sent" if sent else "Received"
            squall = figures.of_series(series)
            for _, values in squall.samples:  # Janus counts whole packets of RTP in the clear
                values["octets"] = values[f"bytes{member}"] + values[f"headerBytes{member}"]
            figures.agree(f"{kind} {'to' if sent else 'from'} Janus", squall, janus,
                          [(f"packets{member}", "packets", "packets"), ("octets", "bytes", "bytes")],
                          SHARE_APART, APART[kind], test.note)
            compared += 1
    check(compared == expected, f"{compared} streams held against Janus', expected {expected}")


def check_media(results, peers, streams):
    """peers: (name, video tracks in)"""
    for peer in results.peers:
        tracks = streams(peer)
        check(peer["video.in.tracks"] == tracks and peer["audio.in.tracks"] == tracks,
              f"{peer['peer']} got {peer['video.in.tracks']:.0f} video tracks, expected {tracks}")
        check(peer["video.in.frames"] > 4 * 25 * tracks, f"{peer['peer']}: {peer['video.in.frames']:.0f} frames")
        check(peer["video.in.lost"] == 0 and peer["audio.in.lost"] == 0, f"{peer['peer']} lost packets")
        check((peer["video.in.width"], peer["video.in.height"]) == (640, 360), f"{peer['peer']}: picture size")
    check(len(results.peers) == peers, f"{len(results.peers)} rows in peers.csv")
    check(results.metric("video.in.loss", "max") == 0, "video.in.loss")


def janus_echotest(t):
    janus = Janus(t)
    test.note(version())
    watch = Watch(janus)
    results = t.run(janus.url + "?plugin=echotest", *CONSTANT, "--peers", 3, "--rate", "10/s", "--duration", "9s", "--dump", 3,
                    "--lateness-max", "200").finish()
    watched = watch.finish()
    results.all_ok(3)
    check_media(results, 3, lambda peer: 1)
    agree(results.dumps(), watched, 3 * 4)


def janus_videoroom(t):
    """Two publish, all six watch: the publishers each other, the others both."""
    janus = Janus(t)
    watch = Watch(janus)
    results = t.run(janus.url + f"?plugin=videoroom&room={ROOM}", *CONSTANT, "--peers", 6, "--publishers", 2, "--rate", "10/s",
                    "--duration", "9s", "--dump", 6, "--lateness-max", "200").finish()
    watched = watch.finish()
    results.all_ok(6)
    publishes = {peer["peer"]: peer["video.out.packets"] > 0 for peer in results.peers}
    check(sum(publishes.values()) == 2, f"who publishes: {publishes}")
    check_media(results, 6, lambda peer: 1 if publishes[peer["peer"]] else 2)
    # 2 publishers send 2 streams each; 2 get 2 streams, 4 get 4.
    agree(results.dumps(), watched, 2 * 2 + 2 * 2 + 4 * 4)


def janus_repairs(t):
    """Packets that are lost on the way from Janus: it understands who asks for what, and sends them again; it passes
    on who asks for a key frame. Who sends says so by its own SSRC, who only watches by a report."""
    janus = Janus(t)
    lossy = ("--network", "delay=20ms,down.loss=3%", "--rate", "10/s", "--duration", "10s", "--lateness-max", "200")

    def check_repairs(results, peers):
        results.all_ok(peers)
        asked = sent_again = holes = 0
        for dump in results.dumps():
            for series in dump:
                if series.kind == "inbound-rtp" and series.video:
                    _, last = figures.of_series(series).samples[-1]
                    asked += last["nackCount"]
                    sent_again += last["retransmittedPacketsReceived"]
                    holes += last["packetsLost"]
        plis = sum(last["pliCount"] for last in (figures.of_series(s).samples[-1][1] for d in results.dumps() for s in d
                                                 if s.kind == "outbound-rtp" and s.video))
        loss = results.metric("video.in.loss", "avg")
        test.note(f"{peers} peers: {holes:.0f} packets of video lost, asked for {asked:.0f} times, {sent_again:.0f} sent again, {loss} % missing "
                  f"after all; {plis:.0f} PLI at the senders")
        check(holes > 15, f"{holes} lost: too few to tell")
        check(sent_again > 0.5 * holes, f"of {holes} packets {sent_again} came again")
        check(loss < 1.5, f"{loss} % of the video was missing after all, of 3 % that were lost")
        check(plis > 0, "no PLI came to a sender")

    def echo():
        check_repairs(t.run(janus.url + "?plugin=echotest", *CONSTANT, "--peers", 2, "--dump", 2, *lossy).finish(), 2)

    def room():
        check_repairs(t.run(janus.url + f"?plugin=videoroom&room={ROOM}", *CONSTANT, "--peers", 3, "--publishers", 1, "--dump", 3,
                            *lossy).finish(), 3)
    t.side_by_side(echo, room)


def janus_simulcast(t):
    """One publishes three layers (RFC 8853) into a room, one watches: what Janus knows of the layers, and that the
    viewer gets the highest whole."""
    janus = Janus(t)
    seen = {}

    def note():
        for info in janus.handles().values():
            for medium in info.get("webrtc", {}).get("media", {}).values():
                ssrcs = medium.get("ssrc", {})
                if "ssrc-peer-sim-2" in ssrcs:
                    seen["layers"] = [ssrcs.get(name) for name in ("ssrc-peer", "ssrc-peer-sim-1", "ssrc-peer-sim-2")]
                    seen["info"] = medium

    run = t.run(janus.url + f"?plugin=videoroom&room={ROOM}", "--peers", 2, "--publishers", 1, "--simulcast", 3,
                "--rate", "10/s", "--duration", "9s", "--dump", 2, "--lateness-max", "200")
    while run.process.running():
        note()
        time.sleep(0.25)
    results = run.finish()
    results.all_ok(2)
    check(len(set(seen.get("layers", []))) == 3, f"Janus knows these layers: {seen}")
    watcher = next(peer for peer in results.peers if peer["video.in.tracks"] == 1)
    check((watcher["video.in.width"], watcher["video.in.height"]) == (640, 360),
          f"the viewer got {watcher['video.in.width']}x{watcher['video.in.height']}")
    check(watcher["video.in.frames"] > 5 * 25, f"{watcher['video.in.frames']} frames")
    check(watcher["video.in.lost"] == 0, f"{watcher['video.in.lost']} lost")
    test.note(f"layers by SSRC: {seen['layers']}")


def janus_codecs(t):
    """H.264, VP9, PCMU and G.722 through the echo, from a clip that squall media prepare made just now."""
    made = t.folder / "in.mp4"
    subprocess.run([need("ffmpeg"), "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25", "-f", "lavfi", "-i",
                    "sine=frequency=440", "-t", "4", "-c:v", "mpeg4", "-q:v", "4", str(made)], check=True, timeout=60)
    clip = t.folder / "codecs.sqclip"
    done = subprocess.run([squall.squall_program(), "media", "prepare", made, "--codec", "vp9,h264,pcmu,g722", "--ladder", "180@200k",
                           "--seconds", "3s", "-o", clip], capture_output=True, text=True, timeout=120)
    check(done.returncode == 0, f"media prepare: {done.stderr}")
    janus = Janus(t)
    for video, audio in (("h264", "pcmu"), ("vp9", "g722")):
        results = t.run(janus.url + "?plugin=echotest", "--peers", 2, "--rate", "10/s", "--duration", "5s", "--media", clip,
                        "--codec", f"video={video}", "--codec", f"audio={audio}", "--lateness-max", "500").finish()
        results.all_ok(2)
        for peer in results.peers:
            check(peer["video.in.frames"] > 3 * 25, f"{video}: {peer['video.in.frames']} frames")
            check(peer["video.in.lost"] == 0 and peer["audio.in.lost"] == 0, f"{video}, {audio}: packets lost")
        check(results.metric("audio.in.bitrate", "avg") > 55, f"{audio}: {results.metric('audio.in.bitrate', 'avg')} kbit/s")
        test.note(f"{video} and {audio}: {results.metric('video.in.fps', 'avg')} frames/s")
    results = t.run(janus.url + f"?plugin=videoroom&room={ROOMS['vp9']}", *CONSTANT, "--peers", 2, "--rate", "10/s", "--duration", "5s",
                    "--codec", "video=vp9+svc", "--decode", 2, "--record", 1, "--lateness-max", "500").finish()
    results.all_ok(2)
    for peer in results.peers:
        check((peer["video.in.width"], peer["video.in.height"]) == (640, 360), f"{peer['video.in.width']}x{peer['video.in.height']} of VP9 SVC")
        check(peer["video.in.frames"] > 3 * 25 and peer["video.in.lost"] == 0, f"{peer['video.in.frames']} frames, {peer['video.in.lost']} lost")
        check(peer["video.in.dropped"] == 0 and peer["video.in.decode_failed"] == 0, f"{peer['video.in.dropped']} frames dropped")
        check(23 < peer["video.in.decoded_fps"] < 27, f"decoded {peer['video.in.decoded_fps']} frames/s")
    test.note(f"VP9 SVC: {results.metric('video.in.decoded.fps', 'avg')} pictures/s decoded; recorded: {recorded_svc(results)}")


def recorded_svc(results):
    """The recording holds pictures of all layers that libvpx shows at their full size."""
    shown = subprocess.run(
        [need("ffmpeg"), "-v", "info", "-c:v", "libvpx-vp9", "-i", str(next((results.folder / "record").glob("*-in-*.webm"))), "-map", "0:v",
         "-vf", "showinfo", "-f", "null", "-"], capture_output=True, text=True, timeout=60)
    sizes = re.findall(r" s:(\d+x\d+) ", shown.stderr)
    check(len(sizes) > 3 * 25 and set(sizes) == {"640x360"}, f"{len(sizes)} frames of {set(sizes)}: {shown.stderr[-600:]}")
    return f"{len(sizes)} frames of 640x360"


def janus_wrong_room(t):
    janus = Janus(t)
    results = t.run(janus.url + "?plugin=videoroom&room=4321", "--peers", 2, "--rate", "10/s", "--duration", "4s").finish()
    check(results.code == 3, f"exit code {results.code}, expected 3")
    check(results.summary["verdict"] == "error", results.summary["verdict"])
    check(results.causes() == {"signaling": 2}, f"causes {results.causes()}")
    check(re.search(r"room.*4321|4321.*room", results.message("signaling"), re.I), results.message("signaling"))
    check("4321" in results.summary["reason"], results.summary["reason"])
    test.note(results.message("signaling"))


def janus_dies(t):
    janus = Janus(t)
    run = t.run(janus.url + "?plugin=echotest", "--peers", 3, "--rate", "10/s", "--duration", "60s",
                "--lateness-max", "200")
    until("all to be connected", lambda: "3 connected" in run.process.stderr(), 15)
    janus.process.signal(signal.SIGKILL)
    # Every peer ends by itself: nobody has to wait for the planned end.
    results = run.finish(50)
    check(results.code == 1, f"exit code {results.code}, expected 1")
    check(results.summary["verdict"] == "fail", results.summary["verdict"])
    counts = results.summary["peers"]
    check(counts["failed"] == 3 and counts["dropped"] == 3, f"{counts}")
    check(set(results.causes()) <= {"signaling", "media-lost", "connect"}, f"causes {results.causes()}")
    check(results.summary["metrics"]["video.in.bitrate"]["count"] > 0, "what was measured before is gone")
    for cause in results.causes():
        test.note(f"{cause}: {results.message(cause)}")


def janus_ns(t):
    """janus_ns.sh, by which the README starts a Janus of one's own, and which takes everything away again."""
    script = pathlib.Path(__file__).with_name("janus_ns.sh")
    env = {**os.environ, "TMPDIR": str(t.folder)}

    def call(*words):
        done = subprocess.run(["sh", script, *words], env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=40)
        check(done.returncode == 0, f"janus_ns.sh {words}: {done.stderr}")
        return dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
    need("janus")
    told = call("start")
    t.closers.append(lambda: subprocess.run(["sh", script, "stop", told["JANUS_NS"]], env=env, capture_output=True))
    t.run(f"janus+{told['JANUS_URL']}?plugin=echotest", "--peers", 2, "--rate", "10/s", "--duration", "2s",
          "--lateness-max", "500").finish().all_ok(2)
    call("stop", told["JANUS_NS"])
    left = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True).stdout
    check(told["JANUS_NS"] not in left and not pathlib.Path(f"/proc/{told['JANUS_PID']}").exists(), f"left behind: {left}")


if __name__ == "__main__":
    test.run([janus_ns, janus_echotest, janus_videoroom, janus_simulcast, janus_repairs, janus_codecs, janus_wrong_room, janus_dies])
