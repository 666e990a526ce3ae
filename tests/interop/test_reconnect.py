"""Squall's peers come back by themselves (--reconnect): to a Janus that is killed and started again, to a lab that
is drained and takes the place of another, to the same session by an ICE restart, and to another server at another address."""
import json
import math
import re
import signal
import socket
import subprocess
import threading
import time
import urllib.request

from harness import fakes, test
from harness.api import Api
from harness.janus import Janus
from harness.proc import check, until
from harness.sandbox import ADDRESS, need
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
    # Percentiles by nearest rank, of a histogram whose error is 0.8 % at most. Each came back once, so its row has all of it.
    check(metric["count"] == n, f"{metric['count']} returns of {n} peers: {[(p['drops'], p['returns']) for p in results.peers]}")
    for percent in 50, 95:
        gap = gaps[math.ceil(n * percent / 100) - 1]
        check(abs(metric[f"p{percent}"] - gap) < 1 + gap / 100, f"p{percent} is {metric[f'p{percent}']}, peers.csv {gaps}")
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


def pipe(t, to):
    """A TCP proxy in front of a server, as a load balancer is: to() says which port it leads to now. One end closes with the other."""
    def copy(source, target):
        try:
            while data := source.recv(65536):
                target.sendall(data)
        except OSError:
            pass
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def treat(connection):
        inner = socket.create_connection(to())
        threading.Thread(target=copy, args=(inner, connection), daemon=True).start()
        copy(connection, inner)
    return fakes.Listener(t, treat)


def stats(lab):
    with urllib.request.urlopen(lab.http("/stats"), timeout=5) as answer:
        return json.load(answer)


def reconnect_ice(t):
    """A firewall that closes UDP for a while: ICE is restarted over the WebSocket, and the session stays what it was.
    (A consent check comes every 4 to 6 s, and ICE calls the path disconnected 7 s after one without an answer, RFC 7675:
    that is what takes its time.)"""
    peers, closed, opened = 4, 2.0, 13.2
    lab = Lab(t)
    front = pipe(t, lambda: (lab.host, lab.port))
    run = t.run(f"room+ws://127.0.0.1:{front.port}/room", "--peers", peers, "--room-size", 2, "--rate", "20/s", "--duration", "16500ms",
                "--media", "small", "--dump", peers, "--reconnect", "ice+backoff:200ms-2s", "--lateness-max", "300",
                "--network", f"firewall=none, run {closed * 1e3:.0f}ms: firewall=no-udp, run {opened * 1e3:.0f}ms: firewall=none")
    results = run.finish(40)
    # What one answer more takes: checks are sent again after 0.5, 1 and 2 s, from when the restart began.
    least_ms = (opened - closed) * 1e3
    returned(results, peers, least_ms - 100, least_ms + 3500)
    stories = [[(e["type"], e["value"]) for e in connection["updateLog"]]
               for path in sorted((results.folder / "webrtc-internals").glob("*.json"))
               for connection in json.loads(path.read_text())["PeerConnections"].values()]
    check(len(stories) == peers, f"{len(stories)} connections of {peers} peers")
    for story in stories:
        words = [value for kind, value in story if kind == "reconnect"]
        check(len(words) == 2 and words[0] == "restarts ICE" and re.fullmatch(r"back after \d+ ms without media \(attempt 1\)", words[1]), f"{words}")
        # The restart was not asked for alone: the lab offered anew, and a pair of the new generation was nominated.
        since = story[story.index(("reconnect", "restarts ICE")):]
        for kind, pattern in (("signaling", r"room: offer \d+"), ("selectedcandidatepairchange", ".* nominated"), ("connectionstatechange", "connected")):
            check(any(k == kind and re.fullmatch(pattern, value) for k, value in since), f"no {kind} {pattern} after the restart: {since}")
    # The session is the one of the beginning, seen from the other side: nobody came twice, and no WebSocket was opened again.
    lab_says = stats(lab)
    check(lab_says["joined"] == peers and lab_says["failed"] == 0, f"{lab_says}")
    check(len(front.kept) == peers, f"{len(front.kept)} connections of {peers} peers")
    check(all(p["drops"] == p["returns"] == 1 and abs(p["away_ms"] - p["gap_ms"]) < 1 for p in results.peers), f"{results.peers}")


def reconnect_moved(t):
    """A service that moves: the server behind its name is drained, and who comes back is led to another one at another address.
    By WHIP a redirect (307) leads there, by the room's WebSocket a load balancer."""
    elsewhere = ADDRESS.rsplit(".", 1)[0] + ".2"
    subprocess.run([need("ip", "/usr/sbin/ip", "/sbin/ip"), "addr", "add", f"{elsewhere}/24", "dev", "squall0"], check=True)
    labs = [Lab(t, "--drain", "500ms", address=ADDRESS), Lab(t, address=elsewhere)]
    now = [labs[0]]
    asked = []

    def lead(method, path, body):
        asked.append(now[0])
        return 307, "", {"Location": now[0].http("/whip/echo")}

    api = Api(t, lead)
    front = pipe(t, lambda: (now[0].host, now[0].port))
    common = ("--peers", 3, "--rate", "20/s", "--duration", "6s", "--media", "small", "--reconnect", "backoff:100ms-500ms", "--lateness-max", "300")
    runs = [t.run(f"whip+{api.url}/whip", "--echo", *common), t.run(f"room+ws://127.0.0.1:{front.port}/room", *common)]
    until("all to be connected", lambda: all("3 connected" in run.process.stderr() for run in runs), 15)
    time.sleep(0.6)  # well within the call: a goodbye of DTLS is heard at any time by who wants to hear it
    check(stats(labs[0])["participants"] == 6 and stats(labs[1])["participants"] == 0, "they are not where they were led to")
    now[0] = labs[1]
    labs[0].process.signal(signal.SIGTERM)
    check(labs[0].process.wait(10) == 0, "the drained lab did not end well")
    for run in runs:
        results = run.finish(30)
        returned(results, 3, 0, 500 + MOST_MS + SET_UP_MS)
        # Media came from the other address at the end.
        check(all(p["pair"].split()[-1].startswith(f"{elsewhere}:") for p in results.peers), f"{[p['pair'] for p in results.peers]}")
    check(stats(labs[1])["joined"] == 6, f"{stats(labs[1])}")
    check(asked.count(labs[0]) == asked.count(labs[1]) == 3, f"asked {len(asked)} times")


if __name__ == "__main__":
    test.run([reconnect_janus, reconnect_drained_lab, reconnect_ice, reconnect_moved])
