"""Squall's figures on a network whose faults are known to the packet, beside Chromium's in the same call.

A relay (relay/relay.c) stands between two sides, with delay, jitter, loss and an outage. It counts what it
drops and measures what it adds, so that a busy machine is no excuse."""
import csv
import re
import time

import browsers
from harness import counterpart, fakes, figures, page, test
from harness.browser import Chromium
from harness.browser_peer import BrowserPeer
from harness.counterpart import CALM
from harness.squall import CONSTANT
from harness.proc import check, until
from harness.relay import Relay
from harness.sandbox import ADDRESS

UP_MS, DOWN_MS = 22, 38
LOSS_PERCENT = 4
JITTER_MS = 12  # every packet 0 to so much: RFC 3550's jitter is the mean difference of two, a third of it
OUTAGE_MS = 1500

RTT_APART_MS = 3
PAIR_LATE_MS = 15  # how late a busy machine answers a check, on average
JITTER_APART_MS = 1  # from the jitter with which packets left the relay
BROWSER_JITTER_APART_MS = 4  # Chromium reads its clock when its thread gets to the packet
BUFFERS = ["totalFreezesDuration", "jitterBufferDelay", "jitterBufferTargetDelay", "jitterBufferMinimumDelay", "jitterBufferEmittedCount", "concealedSamples", "silentConcealedSamples", "framesDropped",
           "framesReceived"]
CONCEALED_APART_MS = 120  # of an outage: six packets
FRAMES_APART = 8  # a part of a frame counts as dropped where it was seen; and those between two samples
BUFFER_ABOVE_MS = 10
FREEZE_APART_MS = 150  # Squall counts a frame when it is complete, Chromium when it is shown


def ssrcs(sdp):
    """{kind: SSRC} of a description's sections."""
    found = {}
    for section in re.split(r"^m=", sdp, flags=re.M)[1:]:
        match = re.search(r"^a=ssrc:(\d+)", section, re.M)
        if match:
            found[section.split()[0]] = match.group(1)
    return found


def mean_between(first, second):
    """Mean time that a packet was kept between two readings of one way of the relay."""
    packets = second["packets"] - first["packets"]
    return (second["held_ms"] * second["packets"] - first["held_ms"] * first["packets"]) / packets


def impaired_call(t):
    """Squall calls Chromium through delay and loss: both say the round trip that was injected, and the
    packets that were dropped."""
    relay = Relay(t)
    browser = Chromium(t)
    peer = BrowserPeer(t, browser, ["answer", ADDRESS, "10"], {"video": browsers.CAMERA})
    offers, answers = [], []

    def answer(offer):
        offers.append(offer)
        status, headers, sdp = peer.answer(offer)
        answers.append(sdp)
        return status, headers, sdp
    between = fakes.Whip(t, relay.between(answer), address=ADDRESS)
    relay.shape("up", delay_ms=UP_MS)
    relay.shape("down", delay_ms=DOWN_MS)
    run = t.run(between.target().replace("127.0.0.1", ADDRESS), *CONSTANT, "--echo", "--peers", 1, "--duration", "60s", "--dump", 1,
                "--no-trickle", *CALM)
    peer.event("connected")
    relay.shape("up", delay_ms=UP_MS, loss_percent=LOSS_PERCENT)
    relay.shape("down", delay_ms=DOWN_MS, loss_percent=LOSS_PERCENT)
    time.sleep(9)
    relay.shape("up", delay_ms=UP_MS)
    relay.shape("down", delay_ms=DOWN_MS)
    time.sleep(0.3)
    truth = relay.stats()  # no packet can be dropped after it, which both sides would count
    relay.shape("up", delay_ms=UP_MS, jitter_ms=JITTER_MS)
    relay.shape("down", delay_ms=DOWN_MS, jitter_ms=JITTER_MS)
    time.sleep(0.5)
    relay.order("reset")
    began = time.time() * 1000
    time.sleep(6)
    shaken = relay.stats()
    ended = time.time() * 1000
    theirs = peer.figures()
    rtts = peer.page.eval("""(async () => [...(await interop.pc.getStats()).values()]
        .filter((r) => r.type === 'remote-inbound-rtp' && r.roundTripTimeMeasurements)
        .map((r) => [r.kind, 1000 * r.totalRoundTripTime / r.roundTripTimeMeasurements]))()""")
    checks = peer.page.eval("""(async () => [...(await interop.pc.getStats()).values()]
        .filter((r) => r.type === 'candidate-pair' && r.nominated && r.state === 'succeeded')
        .map((r) => 1000 * r.totalRoundTripTime / r.responsesReceived))()""")
    run.process.signal()
    results = run.finish()
    mine = results.peers[0]
    check(mine["outcome"] == "ok", f"{mine['peer']}: {mine['outcome']} {mine['message']}")
    check_round_trip(results, rtts, truth)
    check_pair_round_trip(results, checks)
    check_loss(mine, theirs, truth, ssrcs(offers[0]), ssrcs(answers[0]))
    check_jitter(results, shaken["down"]["streams"][ssrcs(answers[0])["audio"]]["jitter48_ms"], began, ended)


def check_round_trip(results, rtts, truth):
    """The shortest is the path's; the mean has in it how long a busy machine let each report lie."""
    mine = results.peers[0]["video.out.rtt_ms"]
    least = min(1000 * value for series in results.values("roundTripTime") for value in series if value and value > 0)
    injected = truth["up"]["held_ms"] + truth["down"]["held_ms"]
    theirs = dict(rtts)["video"]
    test.note(f"round trip: injected {UP_MS + DOWN_MS} ms, kept by the relay {injected:.2f} ms; Squall {least:.2f} at least, "
              f"video {mine:.2f} on average; Chromium's {theirs:.2f} on average")
    check(UP_MS + DOWN_MS <= least <= UP_MS + DOWN_MS + RTT_APART_MS, f"round trip of {least} ms at least, injected {UP_MS + DOWN_MS}")
    check(abs(mine - theirs) <= 2 * RTT_APART_MS, f"video.out.rtt {mine}, Chromium {theirs}")


def check_pair_round_trip(results, theirs):
    """The pair's, by connectivity checks: the mean of a few, of which some met the jitter."""
    values = [1000 * v for series in results.values("currentRoundTripTime") for v in series if v]
    mine = sum(values) / len(values)
    test.note(f"round trip of the pair by its checks: injected {UP_MS + DOWN_MS} ms and up to {2 * JITTER_MS} of jitter; Squall {min(values):.2f} to "
              f"{max(values):.2f}, mean {mine:.2f}; Chromium's mean {theirs}")
    check(len(theirs) == 1, f"Chromium's pairs: {theirs}")
    for value in (min(values), mine, theirs[0]):
        check(UP_MS + DOWN_MS <= value <= UP_MS + DOWN_MS + 2 * JITTER_MS + PAIR_LATE_MS, f"round trip of a pair: {value} ms")


def check_loss(mine, theirs, truth, mine_ssrcs, their_ssrcs):
    up = truth["up"]["streams"][mine_ssrcs["audio"]]
    down = truth["down"]["streams"][their_ssrcs["audio"]]
    test.note(f"audio: {up['holes']} of Squall's {up['packets']} packets dropped, Chromium lost {theirs['audio']['in']['lost']}, reported "
              f"{mine['audio.out.lost']:.0f}; {down['holes']} of Chromium's {down['packets']}, Squall lost {mine['audio.in.lost']:.0f}")
    for stream in (up, down):
        share = LOSS_PERCENT / 100
        sigma = (stream["packets"] * share * (1 - share)) ** 0.5
        check(abs(stream["holes"] - stream["packets"] * share) < 5 * sigma, f"the relay dropped {stream}")
    check(mine["audio.in.lost"] == down["holes"], f"audio.in.lost {mine['audio.in.lost']:.0f}, dropped {down['holes']}")
    check(theirs["audio"]["in"]["lost"] == up["holes"], f"Chromium lost {theirs['audio']['in']['lost']}, dropped {up['holes']}")
    check(mine["audio.out.lost"] == up["holes"], f"audio.out.lost {mine['audio.out.lost']:.0f}, dropped {up['holes']}")


def impaired_viewers(t):
    """A publisher behind jitter, then an outage; Squall and Chromium watch the same stream and say the same."""
    lab = t.lab("--media-ip", ADDRESS)
    relay = Relay(t)
    between = fakes.Whip(t, relay.between(fakes.changed_answer(lab.http("/whip/clip"), lambda sdp: sdp)), address=ADDRESS)
    publisher = t.run(between.target().replace("127.0.0.1", ADDRESS), *CONSTANT, "--peers", 1, "--duration", "60s", "--no-trickle", *CALM)
    until("the publisher", lambda: "1 connected" in publisher.process.stderr(), 15)
    tab = Chromium(t).open(lab.http())
    page.play(tab, lab.http("/whep/clip"))
    tab.eval(page.WATCH % (page.MEMBERS + BUFFERS, "play"))
    watcher = t.run(f"whep+{lab.http('/whep/clip')}", "--peers", 1, "--duration", "16s", "--dump", 1, *CALM)
    until("the watcher", lambda: "1 connected" in watcher.process.stderr(), 15)
    time.sleep(1.5)
    before = page.read_seen(tab)
    relay.shape("up", delay_ms=10, jitter_ms=JITTER_MS)
    time.sleep(0.5)
    began = time.time() * 1000
    time.sleep(6)
    ended = time.time() * 1000
    relay.shape("up", delay_ms=10)
    relay.cut("up", OUTAGE_MS)
    time.sleep(OUTAGE_MS / 1000 + 3)
    results = watcher.finish()
    seen = page.read_seen(tab)
    truth = relay.stats()["up"]
    publisher.process.signal()
    published = publisher.finish()
    results.all_ok(1)
    check_loss_of_outage(published, truth)
    check_same_jitter(results, seen, began, ended)
    check_freeze(results.peers[0], before, seen)
    check_buffers(results, seen)


def of_kind(seen, kind):
    return next(counter for name, counter in seen.items() if name.startswith(f"in {kind}"))


def jitter_of(counter, who, began, ended):
    values = [1000 * v for v in counter.values("jitter", began + 1000, ended)]
    check(len(values) >= 3, f"{who} has {len(values)} samples of jitter")
    return sum(values) / len(values)


def squalls_audio(results):
    return figures.of_series(next(s for s in results.dumps()[0] if not s.video and s.kind == "inbound-rtp"))


def check_jitter(results, truth, began, ended):
    mine = jitter_of(squalls_audio(results), "Squall", began, ended)
    test.note(f"jitter of audio: injected {JITTER_MS / 3:.1f} ms, as it left the relay {truth:.2f} ms, Squall {mine:.2f} ms")
    check(abs(mine - truth) <= JITTER_APART_MS, f"jitter {mine} ms, as it left the relay {truth} ms")


def check_same_jitter(results, seen, began, ended):
    mine = jitter_of(squalls_audio(results), "Squall", began, ended)
    theirs = jitter_of(of_kind(seen, "audio"), "Chromium", began, ended)
    test.note(f"jitter of the same audio: Squall {mine:.2f} ms, Chromium {theirs:.2f} ms")
    check(mine > JITTER_MS / 3 - 1 and abs(mine - theirs) <= BROWSER_JITTER_APART_MS, f"jitter: Squall {mine} ms, Chromium {theirs} ms")


def check_freeze(mine, before, seen):
    (_, first), (_, last) = of_kind(before, "video").samples[-1], of_kind(seen, "video").samples[-1]
    count = last["freezeCount"] - first["freezeCount"]
    ms = 1000 * (last["totalFreezesDuration"] - first["totalFreezesDuration"])
    test.note(f"freezes after an outage of {OUTAGE_MS} ms: Squall {mine['video.in.freezes']:.0f} of {mine['video.in.freeze_ms']:.0f} ms, "
              f"Chromium {count} of {ms:.0f} ms")
    check(mine["video.in.freezes"] == count == 1, f"freezes: Squall {mine['video.in.freezes']:.0f}, Chromium {count}, expected 1")
    check(mine["video.in.freeze_ms"] >= OUTAGE_MS, f"{mine['video.in.freeze_ms']} ms frozen in an outage of {OUTAGE_MS} ms")
    check(abs(mine["video.in.freeze_ms"] - ms) <= FREEZE_APART_MS, f"frozen for {mine['video.in.freeze_ms']} ms, Chromium {ms} ms")


def check_buffers(results, seen):
    """What the jitter buffers did over all of it: the jitter, and the outage."""
    for series in (s for s in results.dumps()[0] if s.kind == "inbound-rtp"):
        kind = "video" if series.video else "audio"
        mine, theirs = figures.of_series(series), of_kind(seen, kind)
        span = figures.common_span(mine, theirs)
        grew = lambda counter, member: figures.growth(counter, member, span)
        delays = [1000 * grew(c, "jitterBufferDelay") / grew(c, "jitterBufferEmittedCount") for c in (mine, theirs)]
        wanted = [1000 * grew(c, m) / grew(c, "jitterBufferEmittedCount") for c, m in
                  ((mine, "jitterBufferTargetDelay"), (theirs, "jitterBufferTargetDelay"), (theirs, "jitterBufferMinimumDelay"))]
        test.note(f"{kind}: in the jitter buffer for {delays[0]:.1f} ms, target {wanted[0]:.1f}; Chromium {delays[1]:.1f} ms, target {wanted[1]:.1f}, "
                  f"{wanted[2]:.1f} without what keeps sound and picture together")
        # Chromium's has how late its threads are as well, and what keeps sound and picture together.
        check(10 < delays[0] <= delays[1] + BUFFER_ABOVE_MS, f"{kind}: {delays[0]} ms in the jitter buffer, Chromium {delays[1]} ms")
        if kind == "audio":
            concealed = [grew(c, "concealedSamples") / 48 for c in (mine, theirs)]
            silent = [grew(c, "silentConcealedSamples") / 48 for c in (mine, theirs)]
            test.note(f"concealed: Squall {concealed[0]:.0f} ms, {silent[0]:.0f} of it silence; Chromium {concealed[1]:.0f} ms, {silent[1]:.0f} of it silence")
            check(abs(concealed[0] - concealed[1]) <= CONCEALED_APART_MS, f"concealed: Squall {concealed[0]} ms, Chromium {concealed[1]} ms")
        else:
            for member in ("framesReceived", "framesDecoded", "framesDropped"):
                check(abs(grew(mine, member) - grew(theirs, member)) <= FRAMES_APART, f"{member}: Squall {grew(mine, member)}, Chromium {grew(theirs, member)}")
            test.note(f"frames: Squall received {grew(mine, 'framesReceived'):.0f}, decoded {grew(mine, 'framesDecoded'):.0f}, dropped {grew(mine, 'framesDropped'):.0f}; "
                      f"Chromium {grew(theirs, 'framesReceived'):.0f}, {grew(theirs, 'framesDecoded'):.0f}, {grew(theirs, 'framesDropped'):.0f}")


def check_loss_of_outage(published, truth):
    """The reports after the outage tell of all of it: of what they cover, never of more than all."""
    with open(published.folder / "timeline.csv", newline="") as file:
        seconds = [float(v) for row in csv.DictReader(file) for k, v in row.items() if k.endswith(".out.loss_percent") and v]
    mine = published.peers[0]
    video = max(truth["streams"].values(), key=lambda s: s["packets"])  # RTX has a stream of its own
    dropped = 100 * video["holes"] / video["packets"]
    test.note(f"outage of {OUTAGE_MS} ms: the relay dropped {video['holes']} of {video['packets']} video packets ({dropped:.2f} %); reported lost "
              f"{mine['video.out.lost']:.0f}, {mine['video.out.loss_percent']:.2f} %; the most of a second {max(seconds):.1f} %")
    check(all(0 <= v <= 100 for v in seconds), f"loss of a second: {seconds}")
    check(mine["video.out.lost"] == video["holes"], f"{mine['video.out.lost']:.0f} reported lost, {video['holes']} dropped")
    # The reports cover all but what came after the last of them: two seconds of some twenty.
    check(dropped <= mine["video.out.loss_percent"] <= 1.15 * dropped, f"{mine['video.out.loss_percent']} % reported lost, {dropped} % dropped")
    check(max(seconds) > 20, f"no second shows the outage: {seconds}")


if __name__ == "__main__":
    test.run([impaired_call, impaired_viewers])
