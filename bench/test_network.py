#!/usr/bin/env python3
"""bench/network.py: over a network that loses, a peer or two may not come; the figures are of those who did, and the table says so."""
import sys

sys.dont_write_bytecode = True
import network

PEERS = 140
ROW = {"full": False, "rss_kb": 70, "invalid": False, "sent": 1000, "lateness_p99_ms": 1}


class Refused(Exception):
    pass


class Client:
    def fail(self, text):
        raise Refused(text)


def read(name, peers, ok, code=0):
    bench = network.NetworkBench.__new__(network.NetworkBench)
    bench.network = name
    report = {"peers": {"ok": ok, "failed": peers - ok}, "exit": code, "reason": "", "generator": {"lateness_ms": {"p99": 1}},
              "metrics": {"video.out.bitrate": {"avg": 1000}}}
    try:
        return bench.read_squall(Client(), report, "av", peers, 50, {"cpu_us": 690.0})
    except Refused:
        return None


def check(good, what):
    if not good:
        sys.exit(f"FAILED: {what}")


for absent in (0, 1, 2):
    row = read("Poor 4G", PEERS, PEERS - absent)
    check(row and row["absent"] == absent, f"{absent} absent: {row}")
    check(abs(row["cpu_us"] * (PEERS - absent) - 690 * PEERS) < 1e-6, f"CPU of those who came: {row}")
for name, peers, ok, code in (("Poor 4G", PEERS, PEERS - 3, 0), ("Poor 4G", PEERS, PEERS - 1, 1), ("Poor 4G", PEERS, PEERS + 1, 0), ("Poor 4G", 1, 0, 0),
                              (None, PEERS, PEERS - 1, 0), ("delay=40ms", PEERS, PEERS - 1, 0), ("No throttling", PEERS, PEERS - 1, 0)):
    check(read(name, peers, ok, code) is None, f"{ok} of {peers} over {name}, exit code {code}, is taken")
check(read(None, PEERS, PEERS)["absent"] == 0, "all came, without a link")

results = {("av", name): [{**ROW, "cpu_us": 690, "absent": absent if over == "Poor 4G" else 0} for absent in (0, 2, 1)]
           for name, over in network.NETWORKS}
lines = network.table(results, "av", PEERS)
check(lines[2].endswith("| peers that did not come |") and lines[4].endswith("| 0 |"), f"{lines}")
check(lines[-2].startswith("| Poor 4G |") and lines[-2].endswith("| 0, 2, 1 |"), f"{lines}")
check(len({line.count("|") for line in lines[2:-1]}) == 1, f"{lines}")
