"""Simulcast in the lab: each viewer gets the layer that its network has room for."""
import json
import time
import urllib.request

from harness import fakes, test
from harness.counterpart import CALM
from harness.proc import check, until
from harness.relay import Relay
from harness.sandbox import ADDRESS

NARROW_KBPS = 400


def layers(t):
    t.side_by_side(lambda: two_viewers(t, "vp8"), lambda: two_viewers(t, "vp9"))


def two_viewers(t, codec):
    """Two viewers of the same three layers, one of them behind 400 kbit/s, which open later. What the one that is
    moved gets is decoded."""
    lab = t.lab("--media-ip", ADDRESS)
    publisher = t.run(f"whip+{lab.http('/whip/clip')}", "--simulcast", 3, "--codec", f"video={codec}", "--bwe", "off", "--peers", 1, "--duration", "90s", *CALM)
    until("the publisher", lambda: "1 connected" in publisher.process.stderr(), 15)
    relay = Relay(t)
    relay.shape("up", delay_ms=10)
    relay.shape("down", delay_ms=10)
    relay.narrow("down", NARROW_KBPS)
    between = fakes.Whip(t, relay.between(fakes.changed_answer(lab.http("/whep/clip"), lambda sdp: sdp)), address=ADDRESS)
    narrow = t.run(between.target().replace("127.0.0.1", ADDRESS).replace("whip+", "whep+"), "--peers", 1, "--duration", "60s",
                   "--decode", 1, "--no-trickle", *CALM)
    wide = t.run(f"whep+{lab.http('/whep/clip')}", "--peers", 1, "--duration", "60s", *CALM)
    for run in (narrow, wide):
        until("the viewers", lambda: "1 connected" in run.process.stderr(), 20)
    rates, seen = came_in(lab), []
    for _ in range(20):
        time.sleep(1)
        seen.append(given(lab))
    rates = {layer: (b - rates[layer]) * 8 / 20000 for layer, b in came_in(lab).items()}
    relay.narrow("down", 0)
    opened = time.monotonic()
    until("the highest layer, once the way is open", lambda: given(lab) == [2, 2], 60)
    took = time.monotonic() - opened
    narrow.process.signal()
    wide.process.signal()
    decoded, large = narrow.finish(), wide.finish().peers[0]
    small = decoded.peers[0]
    publisher.process.signal()
    published = publisher.finish().peers[0]
    test.note(f"{codec}: layers of {', '.join(f'{kbps:.0f}' for kbps in rates.values())} kbit/s; by second given to the two viewers: {seen}; "
              f"{decoded.metric('video.in.decoded.failed', 'max'):.0f} frames refused by the decoder; {took:.0f} s after the way was open both had the highest; at the end {small['video.in.width']:.0f} and {large['video.in.width']:.0f} px wide")
    check(24 < published["video.out.fps"] < 26, f"{published['video.out.fps']} frames a second of each layer")
    check(not decoded.summary["metrics"].get("bwe.estimate", {}).get("count"), "an estimate of a viewer, who sends nothing")
    check(rates[2] > NARROW_KBPS > rates[0], f"layers of {rates} kbit/s show nothing")
    # In the settled part the narrow one has the highest that fits, but for a try.
    fits = max(layer for layer, kbps in rates.items() if kbps < 0.9 * NARROW_KBPS)
    settled = [low for low, high in seen[8:]]
    check(sum(low <= fits for low in settled) >= 0.7 * len(settled), f"behind {NARROW_KBPS} kbit/s: {settled}, {fits} fits")
    check(all(high == 2 for low, high in seen[3:]), f"without a bottleneck: {seen}")
    check(decoded.metric("video.in.decoded.failed", "max") == 0, "the decoder refused frames")
    check(large["video.in.lost"] == 0 and large["video.in.freezes"] == 0, f"the wide one lost {large['video.in.lost']:.0f}")


def stats(lab):
    with urllib.request.urlopen(lab.http("/stats?room=clip"), timeout=5) as answer:
        return [m for r in json.load(answer)["roomList"] for m in r["members"]]


def came_in(lab):
    return {s["layer"]: s["bytesReceived"] for m in stats(lab) if m["kind"] == "whip" for s in m["inbound"] if s["kind"] == "video"}


def given(lab):
    """The layers of the viewers, the lower one first."""
    return sorted(s["layer"] for m in stats(lab) if m["kind"] == "whep" for s in m["outbound"] if s["kind"] == "video")


if __name__ == "__main__":
    test.run([layers])
