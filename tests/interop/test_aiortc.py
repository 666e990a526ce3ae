"""aiortc against the lab's WHIP and WHEP, with Squall at the other end."""
import json
import subprocess
import sys

from harness import counterpart, test
from harness.proc import check, until
from harness.sandbox import ADDRESS, no_module, skip

import pathlib

SCRIPT = pathlib.Path(__file__).with_name("aiortc_peer.py")
CALM = ("--local-ip", ADDRESS, "--lateness-max", "200")


def need_aiortc():
    trial = subprocess.run([sys.executable, "-c", "import aiortc"], capture_output=True)
    if trial.returncode != 0:
        skip(no_module("aiortc"))


def aiortc(t, role, url, seconds):
    need_aiortc()
    return t.start(f"aiortc-{role}", [sys.executable, "-B", SCRIPT, role, url, seconds])


def report(process):
    check(process.wait(40) == 0, f"{process.name} ended with {process.popen.returncode}")
    return json.loads(process.stdout().splitlines()[-1])


def aiortc_publishes(t):
    """WHIP in, WHEP out: Squall watches pictures and sound of aiortc's."""
    lab = t.lab("--media-ip", ADDRESS)
    publisher = aiortc(t, "publish", lab.http("/whip/aiortc"), 11)
    publisher.said("ready", 30)
    results = t.run(f"whep+{lab.http('/whep/aiortc')}", "--peers", 2, "--rate", "10/s", "--duration", "6s", *CALM).finish()
    sent = report(publisher)
    results.all_ok(2)
    for peer in results.peers:
        test.note(f"{peer['peer']}: {peer['video.in.frames']:.0f} frames of {peer['video.in.width']:.0f}x"
                  f"{peer['video.in.height']:.0f}, {peer['audio.in.packets']:.0f} packets of audio")
        check((peer["video.in.width"], peer["video.in.height"]) == (320, 240), f"picture of {peer['video.in.width']}")
        check(peer["video.in.frames"] > 5 * 12, f"{peer['video.in.frames']} frames in 6 s at 15/s")
        check(peer["audio.in.packets"] > 5 * 45, f"{peer['audio.in.packets']} packets of audio in 6 s at 50/s")
        check(peer["video.in.lost"] == 0 and peer["audio.in.lost"] == 0, "packets lost on loopback")
    check(sent["video.out.packets"] > 0, "aiortc counted nothing")


def aiortc_watches(t):
    """aiortc decodes what Squall publishes: every picture has the clip's size, and they differ."""
    lab = t.lab("--media-ip", ADDRESS)
    publisher = t.run(f"whip+{lab.http('/whip/clip')}", "--peers", 1, "--duration", "60s", *CALM)
    until("the publisher", lambda: "1 connected" in publisher.process.stderr(), 15)
    watcher = aiortc(t, "watch", lab.http("/whep/clip"), 6)
    got = report(watcher)
    publisher.process.signal()
    check(publisher.finish().code == 130, "an interrupted run gives 130")
    test.note(f"aiortc decoded {got['frames']} frames of {got['sizes']}, {got['sounds']} frames of sound")
    check(got["sizes"] == [[640, 360]], f"pictures of {got['sizes']}")
    check(got["frames"] > 4 * 25, f"{got['frames']} frames decoded in 6 s at 25/s")
    check(got["brightness"] > 1, "the picture does not move")
    check(got["sounds"] > 4 * 50 and got["loudest"] > 300, f"{got['sounds']} frames of sound, loudest {got['loudest']}")
    check(got["video.in.lost"] == 0 and got["audio.in.lost"] == 0, f"lost: {got}")


def software(t):
    need_aiortc()
    return counterpart.Software(
        lambda words: counterpart.Counterpart(t, "aiortc", [sys.executable, "-B", SCRIPT], words),
        fps=15, unsent_frames=1)


def aiortc_offers(t):
    counterpart.offers(t, test.note, software(t))


def aiortc_controlled(t):
    counterpart.controlled(t, test.note, software(t))


def aiortc_answers(t):
    counterpart.answers(t, test.note, software(t))


if __name__ == "__main__":
    test.run([aiortc_publishes, aiortc_watches, aiortc_offers, aiortc_answers, aiortc_controlled])
