"""One-way latency through real servers, held against a delay that is known; and decoders that take the
tagged streams as if nothing were in them."""
import browsers
from harness import counterpart, fakes, test
from harness.browser import Chromium
from harness.janus import ROOMS, Janus
from harness.proc import check
from harness.relay import Relay
from harness.sandbox import ADDRESS
from harness.squall import CONSTANT
from harness.wire import DelayedWire

BOUND_MS = 2  # docs/accuracy.md
QUIET_MS = 3  # lateness of timers, p99, of a machine that is not too busy for it
TRIES = 3  # until it is quiet
THERE_MS, BACK_MS = 12, 18  # where a step of the histogram is a quarter of a millisecond


def through_janus(t, janus, wire, codec):
    """Three peers in a room of that codec, which send at a constant rate: most frames leave in one burst, as they
    stand. What packets took on the wire is known from the kernel's time-stamps. True where the machine was quiet enough to
    judge the medians: latency counts from when a frame was due, and is at its least when nothing else ran."""
    wire.forget()
    results = t.run(f"{janus.url}?plugin=videoroom&room={ROOMS[codec]}", *CONSTANT, "--peers", 3, "--rate", "2/s", "--duration",
                    "8s", "--latency", "--codec", f"video={codec}", "--local-ip", wire.HERE, "--lateness-max", 100).finish()
    results.all_ok(3)
    known = wire.there.p50_ms() + wire.back.p50_ms()
    check(abs(known - THERE_MS - BACK_MS) < 5, f"the wire itself took {known:.2f} ms")
    audio, video = (results.summary["metrics"][f"{kind}.in.latency"] for kind in ("audio", "video"))
    late = results.summary["generator"]["lateness_ms"]["p99"]
    quiet = late < QUIET_MS
    for name, figures, unit in ("audio", audio, "packets"), (codec, video, "frames"):
        test.note(f"{codec}: the wire took {known:.2f} ms; {name} {figures['p50']:.2f} ms, least {figures['min']:.2f} ms ({figures['count']} {unit}); "
                  f"timers late by {late:.2f} ms at p99")
        check(abs(figures["min"] - known) < BOUND_MS, f"{name}: {figures['min']} ms at least, on the wire {known} ms")
        check(not quiet or abs(figures["p50"] - known) < BOUND_MS, f"{name}: {figures['p50']} ms, on the wire {known} ms")
    check(audio["count"] > 3 * 2 * 50 * 5, f"{audio['count']} packets of audio")
    check(video["count"] > 3 * 2 * 25 * 5, f"{codec}: {video['count']} frames")
    check(results.summary["config"]["latency_clocks"] == "both ends read the same clock: exact",
          results.summary["config"])
    return quiet


def latency_janus(t):
    """Janus' videoroom, which knows nothing of it, behind a wire of 12 ms there and 18 ms back: the least of each
    codec's latency and of audio's are what packets took on the wire, within 2 ms, and so are the medians where the machine
    is quiet. That is waited for, and a machine which never was has shown nothing."""
    wire = DelayedWire(t, THERE_MS, BACK_MS)
    janus = Janus(t, wire.THERE, wire.enter)
    judged = [codec for codec in ROOMS if any(through_janus(t, janus, wire, codec) for _ in range(TRIES))]
    test.note(f"judged by their medians: {', '.join(judged) or 'none'} of {', '.join(ROOMS)}")
    check(judged, f"timers were late by {QUIET_MS} ms at p99 and more in every run: no codec was judged by its median")


def latency_relay(t):
    """The lab's echo behind a relay of 12 ms there and 18 ms back: each codec by time-tags, and G.711 and G.722, which
    have no room for one, by abs-capture-time; of that the report says how far it can be off, if it knows."""
    lab = t.lab("--media-ip", ADDRESS)
    for video, audio in ("vp8", "opus"), ("vp9", "pcmu"), ("h264", "g722"), ("av1", "pcma"):
        relay = Relay(t)
        between = fakes.Whip(t, relay.between(fakes.changed_answer(lab.http("/whip/echo"), lambda sdp: sdp)), address=ADDRESS)
        relay.shape("up", delay_ms=THERE_MS)
        relay.shape("down", delay_ms=BACK_MS)
        run = t.run(between.target().replace("127.0.0.1", ADDRESS), *CONSTANT, "--echo", "--peers", 1, "--duration", "8s", "--latency",
                    "--codec", f"video={video}", "--codec", f"audio={audio}", "--no-trickle", *counterpart.CALM)
        results = run.finish()
        truth = relay.stats()
        known = truth["up"]["held_ms"] + truth["down"]["held_ms"]
        results.all_ok(1)
        late = results.summary["generator"]["lateness_ms"]["p99"]
        for kind, codec in ("video", video), ("audio", audio):
            figures = results.summary["metrics"][f"{kind}.in.latency"]
            tagged = codec in ROOMS or codec == "opus"
            test.note(f"{codec}: the relay took {known:.2f} ms, {figures['min']:.2f} ms at least, {figures['p50']:.2f} ms at the median of {figures['count']}, "
                      f"± {figures['uncertainty']}")
            check(abs(figures["min"] - known) < BOUND_MS, f"{codec}: {figures}, the relay took {known} ms")
            # The relay knows what it adds, and nobody what the lab waits for a processor that others have.
            if late < QUIET_MS:
                check(abs(figures["p50"] - known) < BOUND_MS, f"{codec}: {figures}, the relay took {known} ms")
            check(figures["by_time_tag" if tagged else "by_abs_capture_time"] == figures["count"] > 100, f"{codec}: {figures}")
            check(figures["uncertainty"] == (0 if tagged else None), f"{codec}: {figures}")


def latency_echo(t):
    """Janus' echotest, without a wire in between: what Janus itself and the machine take."""
    janus = Janus(t)
    results = t.run(f"{janus.url}?plugin=echotest", "--peers", 2, "--duration", "6s", "--latency", "--lateness-max", 100).finish()
    results.all_ok(2)
    for kind in "audio", "video":
        latency = results.summary["metrics"][f"{kind}.in.latency"]
        test.note(f"{kind} {latency['p50']:.2f} ms at the median, {latency['p99']:.2f} at p99")
        check(0 < latency["p50"] < 20, f"{kind}: {latency}")


def latency_chromium(t):
    """Chromium plays streams with tags in them as it plays others: picture and sound, each frame decoded, the
    packets and bytes that were sent."""
    browsers.room_with_squall(t, Chromium, run_options=["--latency"])


def latency_codecs(t):
    """Chromium decodes VP9, H.264 and AV1 with a time-tag in each frame: all pictures, moving, sound heard, and not one
    key frame is asked for because something would not decode. And Chromium's own latency, by its abs-capture-time."""
    browser = Chromium(t)
    for codec in "vp9", "h264", "av1":
        side = browsers.software(t, Chromium, browser)
        side.codecs = {"audio": "opus", "video": codec}
        results = counterpart.answers(t, test.note, side, "--codec", f"video={codec}", "--latency")
        mine = results.peers[0]
        test.note(f"{codec}: {mine['video.out.pli']:.0f} key frames asked for, {mine['video.out.frames']:.0f} frames sent")
        check(mine["video.out.pli"] <= 1, f"{codec}: {mine['video.out.pli']} key frames asked for")
        # What Chromium sends has abs-capture-time once a second; the rest follows from RTP time-stamps, and Chromium's
        # clock from its reports, though it is the same. Sound is 10 ms old when the last sample of a packet is taken.
        for kind, least in (("audio", 100), ("video", 30)):
            figures = results.summary["metrics"][f"{kind}.in.latency"]
            test.note(f"Chromium's {kind}: {figures['p50']:.1f} ms at the median of {figures['count']}, ± {figures['uncertainty']}")
            check(figures["by_abs_capture_time"] == figures["count"] > least, f"{kind}: {figures}")
            check(0 < figures["uncertainty"] < 10, f"{kind}: {figures}")
            check(0 < figures["p50"] + figures["uncertainty"] and figures["p50"] < 60, f"{kind}: {figures}")


if __name__ == "__main__":
    test.run([latency_janus, latency_relay, latency_echo, latency_chromium, latency_codecs])
