"""squall run and squall lab as a test uses them, and what they wrote."""
import csv
import itertools
import json
import math
import os
import re
from datetime import datetime

from .proc import check, until

# The whole clip from the start. What a lab in between passes on are its packets, not the probes.
CONSTANT = ("--bwe", "off")


def number(text):
    try:
        return float(text)
    except ValueError:
        return math.nan


class Peer(dict):
    """A row of peers.csv: texts as they are, figures as numbers."""

    TEXTS = ("peer", "room", "role", "outcome", "cause", "message", "local_candidate",
             "remote_candidate", "pair", "dtmf", "network", "audio.in.codec")

    def __init__(self, row):
        super().__init__({k: v if k in self.TEXTS else number(v) for k, v in row.items()})


class Series:
    """The statistics of one stream, second by second, out of a webrtc-internals dump."""

    def __init__(self, ident, kind):
        self.ident = ident
        self.kind = kind  # W3C type: inbound-rtp, outbound-rtp
        self.ssrc = int(re.sub(r"^[A-Z]+01[AV]", "", ident))
        self.video = ident[4] == "V"
        self.members = {}  # name -> [(wall ms, value)]

    def at(self, member, wall_ms):
        """The value at that time, on the straight line between its neighbours; None outside."""
        points = [p for p in self.members[member] if p[1] is not None]
        for (t0, v0), (t1, v1) in zip(points, points[1:]):
            if t0 <= wall_ms <= t1:
                return v0 + (v1 - v0) * (wall_ms - t0) / max(t1 - t0, 1e-9)
        return None

    def span(self):
        points = self.members["timestamp"]
        return points[0][0], points[-1][0]


def read_dump(path):
    """All series of a dump by (type, ssrc)."""
    dump = json.loads(path.read_text())
    found = {}
    for connection in dump["PeerConnections"].values():
        stats = connection["stats"]
        stamps = {key[:-len("-timestamp")]: json.loads(value["values"])
                  for key, value in stats.items() if key.endswith("-timestamp")}
        for key, value in stats.items():
            ident, member = key.rsplit("-", 1)
            kind = value["statsType"]
            if not re.match(r"^[IO]T01[AV]\d+$", ident) or kind not in ("inbound-rtp", "outbound-rtp"):
                continue
            series = found.setdefault(ident, Series(ident, kind))
            series.members[member] = list(zip(stamps[ident], json.loads(value["values"])))
    return [s for s in found.values() if "timestamp" in s.members]


class Results:
    """What a finished run left behind."""

    def __init__(self, code, process, folder):
        self.code = code
        self.text = process.stdout()
        self.errors = process.stderr()
        self.folder = folder
        self.summary = None
        self.peers = []
        summary = folder / "summary.json"
        if summary.exists():
            self.summary = json.loads(summary.read_text())
            with open(folder / "peers.csv", newline="") as file:
                self.peers = [Peer(row) for row in csv.DictReader(file)]

    def metric(self, name, figure="avg"):
        metric = self.summary["metrics"].get(name)
        check(metric is not None, f"summary.json has no metric {name}")
        return metric[figure]

    def causes(self):
        return {f["cause"]: f["count"] for f in self.summary["failures"]}

    def message(self, cause):
        return next(f["example"]["message"] for f in self.summary["failures"] if f["cause"] == cause)

    def dumps(self):
        folder = self.folder / "webrtc-internals"
        return [read_dump(path) for path in sorted(folder.glob("*.json"))]

    def values(self, member):
        """The series of that name in the first dump, of any type."""
        dump = json.loads(next(iter(sorted((self.folder / "webrtc-internals").glob("*.json")))).read_text())
        return [json.loads(value["values"]) for connection in dump["PeerConnections"].values()
                for key, value in connection["stats"].items() if key.endswith("-" + member)]

    def events(self, kind):
        """Those of that type in the first dump: what a peer was told, and when."""
        dump = json.loads(next(iter(sorted((self.folder / "webrtc-internals").glob("*.json")))).read_text())
        return [event for connection in dump["PeerConnections"].values() for event in connection["updateLog"] if event["type"] == kind]

    def started_ms(self):
        text = self.summary["run"]["started"].replace("Z", "+00:00")
        return datetime.fromisoformat(text).timestamp() * 1000

    def total(self, flow, figure):
        """Sum of a figure over all peers, such as total('video.in', 'packets')."""
        return sum(p[f"{flow}.{figure}"] for p in self.peers)

    def all_ok(self, planned):
        counts = self.summary["peers"]
        check(counts["ok"] == planned and counts["failed"] == 0 and counts["pending"] == 0,
              f"{planned} peers planned: {counts}, failures {self.summary['failures']}")
        check(self.code == 0 and self.summary["verdict"] == "pass",
              f"exit code {self.code}, verdict {self.summary['verdict']}: {self.summary['reason']}")


class Run:
    """squall run TARGET …, going on; finish() waits for its results."""

    numbers = itertools.count(1)

    def __init__(self, test, target, *options, prefix=(), env=None, out=None):
        which = next(Run.numbers)
        self.folder = out or test.folder / f"results{which}"
        self.process = test.start(f"run{which}", [
            *prefix, test.squall, "run", target, "--out", self.folder, "--seed", "7", *map(str, options)],
            env=env)

    def finish(self, seconds=60):
        code = self.process.wait(seconds)
        return Results(code, self.process, self.folder)


class Lab:
    """squall lab on a port of its choice."""

    def __init__(self, test, *options, address="127.0.0.1", scheme="http", enter=()):
        self.process = test.start("lab", [*enter, test.squall, "lab", "--listen", f"{address}:0", *options])
        pattern = re.compile(r"page\s+(https?)://(\S+?):(\d+)/[\s\S]*STUN\s+(\S+)\n")
        found = until("the lab's address", lambda: pattern.search(self.process.stdout()), 20)
        self.host, self.port = found.group(2), int(found.group(3))
        self.secure = found.group(1) == "https"
        self.stun = found.group(4)

    def http(self, path="/"):
        return f"{'https' if self.secure else 'http'}://{self.host}:{self.port}{path}"

    def room(self):
        return f"room+{'wss' if self.secure else 'ws'}://{self.host}:{self.port}/room"


def squall_program():
    path = os.environ.get("SQUALL")
    check(path and os.access(path, os.X_OK), f"the variable SQUALL does not name the program: {path}")
    return path
