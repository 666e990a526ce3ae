"""Forward error correction that somebody else's software sends, through a relay that drops packets of it."""
import time

import test_gstreamer
from harness import fakes, test
from harness.counterpart import CALM
from harness.proc import check
from harness.relay import Relay
from harness.sandbox import ADDRESS

LOSS_PERCENT = 8
SECONDS = 15


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
    run.process.signal()
    results = run.finish()
    mine = results.peers[0]
    series = next(s for s in results.dumps()[0] if s.video and s.kind == "inbound-rtp")
    last = {name: values[-1][1] for name, values in series.members.items()}
    stream = truth[str(series.ssrc)]
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


if __name__ == "__main__":
    test.run([fec_gstreamer])
