"""Forward error correction that somebody else's software sends, through a relay that drops packets of it."""
import re
import time

import browsers
import test_gstreamer
from harness import fakes, test
from harness.browser import Chromium
from harness.browser_peer import BrowserPeer
from harness.counterpart import CALM
from harness.proc import check
from harness.relay import Relay
from harness.sandbox import ADDRESS

LOSS_PERCENT = 8
SECONDS = 15
DELAY_MS = 60  # each way, of Chromium's


def outcome(run, truth):
    """Ends the run: the peer's row, the last figures of its video, and what the relay knows of that stream."""
    run.process.signal()
    results = run.finish()
    series = next(s for s in results.dumps()[0] if s.video and s.kind == "inbound-rtp")
    last = {name: values[-1][1] for name, values in series.members.items()}
    return results.peers[0], last, truth[str(series.ssrc)]


def fec_gstreamer(t):
    """webrtcbin sends RED with as much ULPFEC as media, and sends nothing again. A packet of media is lost for good
    only with the parity that is for it."""
    software = test_gstreamer.software(t)
    peer = software.start(["answer", ADDRESS, str(SECONDS), "--fec"])
    relay = Relay(t)
    real = fakes.changed_answer(f"http://{ADDRESS}:{peer.event('listening', 20)['port']}/whip", lambda sdp: sdp)
    between = fakes.Whip(t, relay.between(real), address=ADDRESS)
    run = t.run(between.target().replace("127.0.0.1", ADDRESS), "--echo", "--peers", 1, "--duration", "60s", "--dump", 1,
                "--no-trickle", *CALM)
    peer.event("connected")
    time.sleep(1)
    relay.shape("down", loss_percent=LOSS_PERCENT)
    peer.event("quiet", SECONDS + 20)
    truth = relay.stats()["down"]["streams"]
    mine, last, stream = outcome(run, truth)
    holes, gone = stream["holes"], mine["video.in.lost"]
    came_back = holes - gone
    parity_dropped = stream["packets"] / 2 - last["fecPacketsReceived"]
    media_dropped = holes - parity_dropped
    test.note(f"{stream['packets']} packets of video, half of them parity: {media_dropped:.0f} of media and {parity_dropped:.0f} of parity dropped; "
              f"{came_back:.0f} came back; {last['fecPacketsReceived']:.0f} of parity came, {last['fecPacketsDiscarded']:.0f} of no use; "
              f"{mine['video.in.frames']:.0f} frames of {stream['packets'] / 2:.0f} packets, {last['framesDropped']:.0f} dropped")
    check(media_dropped >= 10 and parity_dropped >= 10, f"the relay dropped {stream}, {last['fecPacketsReceived']} of parity came")
    check(last["retransmittedPacketsReceived"] == 0 and last["nackCount"] == 0, "packets were sent again")
    # One in twelve has lost its parity, too.
    check(0.7 * media_dropped <= came_back <= media_dropped, f"{came_back} of {media_dropped} packets of media came back")
    # What still waits when the call ends was neither of use nor discarded.
    useful = last["fecPacketsReceived"] - last["fecPacketsDiscarded"]
    check(came_back <= useful <= came_back + 32, f"parity of use: {useful}, {came_back} came back")


def chromium_call(t, flags, options):
    """Chromium's video through loss: what Squall says of it, its last statistics, and the relay's streams."""
    relay = Relay(t)
    peer = BrowserPeer(t, Chromium(t, flags), ["answer", ADDRESS, "10"], {"video": browsers.CAMERA, **options})
    answers = []

    def answer(offer):
        answers.append(peer.answer(offer))
        return answers[-1]
    between = fakes.Whip(t, relay.between(answer), address=ADDRESS)
    for way in ("up", "down"):
        relay.shape(way, delay_ms=DELAY_MS)
    run = t.run(between.target().replace("127.0.0.1", ADDRESS), "--echo", "--peers", 1, "--duration", "60s", "--dump", 1,
                "--codec", "video=vp8", "--decode", 1, "--no-trickle", *CALM)
    peer.event("connected")
    time.sleep(2)
    relay.shape("down", delay_ms=DELAY_MS, loss_percent=LOSS_PERCENT)
    time.sleep(SECONDS)
    truth = relay.stats()["down"]["streams"]
    relay.shape("down", delay_ms=DELAY_MS)
    time.sleep(1)
    run.process.signal()
    results = run.finish()
    series = next(s for s in results.dumps()[0] if s.video and s.kind == "inbound-rtp")
    last = {name: values[-1][1] for name, values in series.members.items()}
    return results.peers[0], last, truth, str(series.ssrc), answers[0][2]


def check_parity(mine, last, dropped, useful_least):
    useful = last["fecPacketsReceived"] - last["fecPacketsDiscarded"]
    test.note(f"{last['fecPacketsReceived']:.0f} packets of parity came, {useful:.0f} of use; RTX brought {last['retransmittedPacketsReceived']:.0f}; "
              f"{mine['video.in.frames']:.0f} frames, {last['framesDropped']:.0f} dropped, {mine['video.in.decode_failed']:.0f} that libvpx refused")
    check(mine["video.in.decode_failed"] == 0 and mine["video.in.frames"] > 200, f"{mine['video.in.frames']:.0f} frames")
    check(dropped >= 15, f"the relay dropped {dropped} packets")
    check(last["fecPacketsReceived"] >= 20, f"parity: {last['fecPacketsReceived']}")
    check(useful >= useful_least, f"{useful} packets of parity were of use")


def fec_chromium(t):
    """Chromium sends VP8 in RED, and parity once loss is reported on a path with a round trip that makes it worth it
    (libwebrtc's hybrid of NACK and FEC). What it does not bring back in time, RTX does."""
    mine, last, truth, ssrc, _ = chromium_call(t, (), {})
    stream = truth[ssrc]
    test.note(f"{stream['packets']} packets of video, media and parity, {stream['holes']} dropped")
    check_parity(mine, last, stream["holes"], 3)


def fec_flexfec(t):
    """The same with FlexFEC (draft-ietf-payload-flexible-fec-scheme-03), which Chromium has behind a field trial: parity is
    a stream of its own, and each packet of media that is lost alone comes back with it."""
    mine, last, truth, ssrc, answer = chromium_call(
        t, ["--force-fieldtrials=WebRTC-FlexFEC-03/Enabled/WebRTC-FlexFEC-03-Advertised/Enabled/"], {"prefer-video": ["vp8", "flexfec"]})
    group = re.search(r"^a=ssrc-group:FEC-FR (\d+) (\d+)", answer, re.M)
    check(group and group.group(1) == ssrc, f"no FlexFEC in the answer: {answer}")
    media, parity = truth[ssrc], truth[group.group(2)]
    test.note(f"{media['packets']} packets of media, {media['holes']} dropped; {parity['packets']} of parity, {parity['dropped']} dropped")
    check(parity["packets"] - parity["dropped"] <= last["fecPacketsReceived"] <= parity["packets"] - parity["dropped"] + 50,
          f"{last['fecPacketsReceived']} packets of parity counted, {parity}")
    check_parity(mine, last, media["holes"], 0.3 * media["holes"])


if __name__ == "__main__":
    test.run([fec_gstreamer, fec_chromium, fec_flexfec])
