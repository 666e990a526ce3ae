"""Squall's peers come back by themselves (--reconnect): to a Janus that is killed and started again, and to a lab that
is drained and takes the place of another."""
import signal
import time

from harness import test
from harness.janus import Janus
from harness.proc import check, until
from harness.squall import Lab

MOST_MS = 500  # between two attempts
SET_UP_MS = 2000  # on a busy machine


def returned(results, n, least_ms, most_ms):
    """All n were dropped and came back, each within these times without media."""
    results.all_ok(n)
    told = results.summary["reconnects"]
    check(results.summary["peers"]["dropped"] == n and told["peers"] == n and told["back"] == n, f"{told}, {results.summary['peers']}")
    gaps = sorted(float(p["gap_ms"]) for p in results.peers)
    check(least_ms <= gaps[0] and gaps[-1] <= most_ms, f"without media for {gaps} ms, expected {least_ms:.0f} to {most_ms:.0f}")
    metric = results.summary["metrics"]["peers.reconnect"]
    check(metric["count"] >= n and abs(metric["max"] - gaps[-1]) < 1 + gaps[-1] / 100, f"{metric}, peers.csv {gaps}")
    check(results.summary["metrics"]["setup.total"]["count"] == n, "set-up times are those of who arrives")
    test.note(f"without media {gaps[0]:.0f} to {gaps[-1]:.0f} ms; all back {told['all_back_ms'] - told['first_drop_ms']:.0f} ms after the first was dropped")


def reconnect_janus(t):
    janus = Janus(t)
    run = t.run(janus.url + "?plugin=echotest", "--peers", 4, "--rate", "20/s", "--duration", "11s",
                "--reconnect", f"backoff:100ms-{MOST_MS}ms", "--lateness-max", "300")
    until("all to be connected", lambda: "4 connected" in run.process.stderr(), 15)
    killed = time.monotonic()
    janus.process.signal(signal.SIGKILL)
    time.sleep(1)
    janus.start()
    down_ms = (time.monotonic() - killed) * 1000
    # It takes its first callers a little before its admin interface answers.
    returned(run.finish(40), 4, 900, down_ms + MOST_MS + SET_UP_MS)


def reconnect_drained_lab(t):
    lab = Lab(t, "--drain", "1s")
    run = t.run(lab.room(), "--peers", 8, "--room-size", 4, "--rate", "40/s", "--duration", "9s",
                "--reconnect", f"backoff:100ms-{MOST_MS}ms", "--lateness-max", "300")
    until("all to be connected", lambda: "8 connected" in run.process.stderr(), 15)
    drained = time.monotonic()
    lab.process.signal(signal.SIGTERM)
    check(lab.process.wait(10) == 0, "the drained lab did not end well")
    took_ms = (time.monotonic() - drained) * 1000
    check(1000 <= took_ms <= 3000, f"drained over {took_ms:.0f} ms")
    t.start("lab", [t.squall, "lab", "--listen", f"127.0.0.1:{lab.port}"])
    results = run.finish(40)
    # Who goes first waits for the next lab the longest.
    returned(results, 8, 50, took_ms + 500 + MOST_MS + SET_UP_MS)
    drops = sorted(float(p["gap_ms"]) for p in results.peers)
    check(drops[-1] - drops[0] > 300, f"all were sent away at once: {drops}")


if __name__ == "__main__":
    test.run([reconnect_janus, reconnect_drained_lab])
