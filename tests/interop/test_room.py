"""Rooms of the lab: what those who stay are told of the ones that come and go, and how a viewer begins."""
from harness import test
from harness.proc import check

CONSTANT = ("--bwe", "off", "--lateness-max", "500")


def room_churn(t):
    """Who leaves takes its picture along, on purpose: no second of what is left is slow for it."""
    results = t.run("lab:", "--peers", 4, "--rate", "2/s", "--hold", "2s", "--duration", "6s", *CONSTANT,
                    "--expect", "video.in.fps > 20 for 100% of peers").finish()
    peers = int(results.summary["peers"]["ok"])
    check(peers >= 6, f"{peers} peers came and went")
    results.all_ok(peers)
    slowest = results.metric("video.in.fps", "min")
    test.note(f"{peers} peers; frames/s at least {slowest}, {results.metric('video.in.fps', 'count')} seconds")
    check(slowest > 20, f"a whole second of {slowest} frames")


def room_codecs(t):
    """A viewer begins with what it can decode, whatever the codec: nothing is dropped without loss."""
    for codec in "vp8", "vp9", "h264", "av1":
        results = t.run("lab:", "--peers", 3, "--rate", "2/s", "--duration", "5s", "--codec", f"video={codec}", *CONSTANT).finish()
        results.all_ok(3)
        lost, dropped, frames = (sum(p[f"video.in.{name}"] for p in results.peers) for name in ("lost", "dropped", "frames"))
        test.note(f"{codec}: {frames:.0f} frames, {dropped:.0f} dropped, {lost:.0f} packets lost")
        check(frames > 300 and lost == 0, f"{codec}: {frames} frames, {lost} lost")
        check(dropped == 0, f"{codec}: {dropped} frames of {frames} dropped")


def room_empty(t):
    """Viewers of nothing: no pass, and nobody's fault."""
    results = t.run("lab:", "--peers", 2, "--publishers", 0, "--duration", "2s", *CONSTANT).finish()
    check(results.code == 3, f"exit code {results.code}")
    check("nobody was there to watch" in results.text, results.text)
    check(results.summary["peers"]["ok"] == 2 and not results.causes(), results.summary["peers"])


if __name__ == "__main__":
    test.run([room_churn, room_codecs, room_empty])
