"""How often transport-wide feedback goes out, Squall's beside Chromium's in the same call: RTCP of type 205 and FMT 15,
counted by the relay between them. Each side's rate follows from its own estimate of what it may send."""
import math
import time

import browsers
from harness import fakes, test
from harness.browser import Chromium
from harness.browser_peer import BrowserPeer
from harness.counterpart import CALM
from harness.proc import check
from harness.relay import Relay
from harness.sandbox import ADDRESS

FEEDBACK = "205/15"
SECONDS = 6
DELAY_MS = 10
BOTTLENECK_KBPS = 200
APART = 1.0   # a second: one more or less at each end of the time, and a timer that a busy machine held up
FIXED = 0.5   # the same for one whose rate does not move
FOLLOWS = 2.0  # where the estimate moves: it is read twice a second
# Half a second between two looks, so that what an estimate was in between is known well enough.
WATCH = """(() => {
    window.estimates = [];
    setInterval(async () => {
        for (const r of (await interop.pc.getStats()).values())
            if (r.type === 'candidate-pair' && r.nominated && r.availableOutgoingBitrate) estimates.push(r.availableOutgoingBitrate);
    }, 500);
    return true;
})()"""


def expected(bps):
    """Reports a second: of 68 bytes each, 5 % of the rate, 50 to 250 ms apart, in ticks of 1/64 s."""
    seconds = min(max(68 * 8 / (0.05 * bps), 0.050), 0.250)
    return 64 / math.ceil(seconds * 64 - 1e-6)


def mean(values):
    check(len(values) > 3, f"{len(values)} estimates")
    return sum(values) / len(values)


def call(t, browser, scheme, options, squall, bottleneck=0, settle=3):
    """Reports a second and the estimates behind them: Squall's, Chromium's."""
    relay = Relay(t)
    peer = BrowserPeer(t, browser, ["answer", ADDRESS, "10"], options)
    between = fakes.Whip(t, relay.between(peer.answer), address=ADDRESS)
    for way in "up", "down":
        relay.shape(way, delay_ms=DELAY_MS)
        relay.narrow(way, bottleneck)
    target = between.target().replace("127.0.0.1", ADDRESS).replace("whip+", f"{scheme}+")
    run = t.run(target, "--peers", 1, "--duration", "60s", "--dump", 1, "--no-trickle", *squall, *CALM)
    peer.event("connected")
    time.sleep(settle)
    peer.page.eval(WATCH)
    before, began = relay.stats(), time.monotonic()
    time.sleep(SECONDS)
    after, took = relay.stats(), time.monotonic() - began
    rates = [(after[way]["feedback"].get(FEEDBACK, 0) - before[way]["feedback"].get(FEEDBACK, 0)) / took for way in ("up", "down")]
    theirs = peer.page.eval("estimates")
    run.process.signal()
    results = run.finish()
    peer.end()
    own = next(iter(results.values("availableOutgoingBitrate")), [])
    return rates, [v for v in own[settle:settle + SECONDS] if v], theirs


def feedback_chromium(t):
    browser = Chromium(t)
    (mine, theirs), _, _ = call(t, browser, "whip", {"video": browsers.CAMERA}, ["--echo"])
    test.note(f"audio and video both ways: Squall {mine:.1f} reports a second, Chromium {theirs:.1f}")
    check(theirs > 10 and abs(mine - theirs) <= APART, f"Squall {mine} reports a second, Chromium {theirs}")
    # From the fifth second on Chromium's estimate is what a probe to twice the audio's rate showed.
    (mine, theirs), _, _ = call(t, browser, "whip", {"video": False}, ["--echo", "--no-video"], settle=7)
    test.note(f"audio only: Squall {mine:.1f} reports a second, Chromium {theirs:.1f}")
    check(theirs < 13 and abs(mine - theirs) <= FOLLOWS, f"audio only: Squall {mine} reports a second, Chromium {theirs}")
    rule = expected(2 * (32000 + 50 * 8 * (20 + 8 + 16 + 12)))  # IP, UDP, GCM's tag, RTP
    check(abs(mine - rule) <= FIXED, f"audio only: Squall {mine} reports a second, by the rule {rule}")
    (_, theirs), _, _ = call(t, browser, "whip", {"silent": True}, [])
    (mine, _), _, _ = call(t, browser, "whep", {"video": browsers.CAMERA}, [])
    test.note(f"who only receives: Squall {mine:.1f} reports a second, Chromium {theirs:.1f}")
    check(theirs > 10 and abs(mine - theirs) <= APART, f"who only receives: Squall {mine} reports a second, Chromium {theirs}")
    rates, *estimates = call(t, browser, "whip", {"video": browsers.CAMERA}, ["--echo"], BOTTLENECK_KBPS, 8)
    for who, rate, bps in zip(("Squall", "Chromium"), rates, estimates):
        rule = mean([expected(b) for b in bps])
        test.note(f"behind {BOTTLENECK_KBPS} kbit/s: {who} {rate:.1f} reports a second; by its estimates of {min(bps) / 1000:.0f} to "
                  f"{max(bps) / 1000:.0f} kbit/s {rule:.1f}")
        check(rule < 15.5 and abs(rate - rule) <= FOLLOWS, f"{who}: {rate} reports a second, {rule} by its estimates of {bps}")


if __name__ == "__main__":
    test.run([feedback_chromium])
