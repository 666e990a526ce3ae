"""A browser's congestion control as a series of seconds, to be drawn beside Squall's by tools/plot-bwe.py. It takes 80 s, judges nothing,
and is no ctest case:

    SERIES=chromium.csv SQUALL=… SQUALL_RELAY=… /usr/bin/python3 tests/interop/congestion_series.py congestion-series

Chromium with its fake camera sends to a Squall peer through the relay: 50 ms each way and a bottleneck of 500 kbit/s with a queue of
300 ms, which opens to 3 Mbit/s after 40 s."""
import csv
import os
import time

from harness import fakes, test
from harness.browser import Chromium
from harness.browser_peer import BrowserPeer
from harness.counterpart import CALM
from harness.proc import check
from harness.relay import Relay
from harness.sandbox import ADDRESS

CAMERA = {"width": 1280, "height": 720, "frameRate": 25}
DELAY_MS, NARROW_KBPS, OPEN_KBPS, QUEUE_MS = 50, 500, 3000, 300
OPENS_S, END_S = 40, 80
LOOK = """(async () => {
    const of = [...(await interop.pc.getStats()).values()];
    const pair = of.find((r) => r.type === 'candidate-pair' && r.nominated);
    return [performance.now() / 1000, pair.availableOutgoingBitrate || 0, pair.bytesSent];
})()"""


def congestion_series(t):
    path = os.environ.get("SERIES")
    check(path, "the variable SERIES does not name the file to be written")
    relay, browser = Relay(t), Chromium(t)
    peer = BrowserPeer(t, browser, ["answer", ADDRESS, str(END_S)], {"video": CAMERA})
    between = fakes.Whip(t, relay.between(peer.answer), address=ADDRESS)
    for way in "up", "down":
        relay.shape(way, delay_ms=DELAY_MS)
    relay.narrow("down", NARROW_KBPS, QUEUE_MS)
    target = between.target().replace("127.0.0.1", ADDRESS).replace("whip+", "whep+")
    run = t.run(target, "--peers", 1, "--duration", f"{END_S + 20}s", "--no-trickle", "--codec", "video=vp8", *CALM)
    peer.event("connected")
    time.sleep(1 - time.monotonic() % 1)
    began, _, before = peer.page.eval(LOOK)
    at, rows = began, []
    link = NARROW_KBPS
    while at - began < END_S:
        time.sleep(max(0, 1 - (time.monotonic() % 1)))
        if at - began >= OPENS_S and link == NARROW_KBPS:
            link = OPEN_KBPS
            relay.narrow("down", link, QUEUE_MS)
        now, estimate, sent = peer.page.eval(LOOK)
        rows.append([f"{now - began:.2f}", round(estimate / 1000), round((sent - before) * 8 / 1000 / (now - at)), "", link])
        at, before = now, sent
    run.process.signal()
    results = run.finish()
    test.note(f"{browser.version}: {len(rows)} seconds; Squall got {results.peers[0]['video.in.frames']:.0f} frames")
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([["second", "estimate", "sent", "video", "link"], *rows])


if __name__ == "__main__":
    test.run([congestion_series])
