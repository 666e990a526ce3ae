"""squall capacity finds the limit of a service whose limit is known: a lab that lets so many in."""
import csv
import json

from harness import test
from harness.proc import check, until
from harness.squall import Lab

MEMBERS = 7


def capacity_full_lab(t):
    lab = Lab(t, "--members", MEMBERS)
    out = t.folder / "capacity"
    search = t.start("search", [t.squall, "capacity", lab.room(), "--grow", "room", "--from", "4", "--rate", "40/s",
                                "--hold", "1s", "--hold-most", "1s", "--pause", "50ms", "--media", "small",
                                "--expect", "peers.ok == 100%", "--lateness-max", "300",
                                "--server-pid", lab.process.pid, "--out", out])
    code = search.wait(40)
    check(code == 0, f"exit code {code}: {search.stderr()}")
    said = search.stdout()
    check(f"One room holds {MEMBERS} peers (2 of 2 trials); it failed from {MEMBERS + 1} peers on (3 of 3 trials)." in said, said)
    check("What broke first: ✗ peers.ok == 100%: 87.5 %" in said, said)
    check("Why: signaling: 1 of 8 peers" in said and '"full"' in said, said)
    found = json.loads((out / "capacity.json").read_text())
    check([(level["peers"], level["outcome"]) for level in found["levels"]] ==
          [(4, "held"), (8, "failed"), (6, "held"), (7, "held"), (8, "failed"), (8, "failed"), (7, "held")], f"{found['levels']}")
    check(found["searches"][0]["bounded_by"] == "service" and found["searches"][0]["confirmed"], f"{found['searches']}")
    with open(out / "capacity.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    for level, row in zip(found["levels"], rows, strict=True):
        own = json.loads((out / level["results"] / "summary.json").read_text())
        check(own["peers"]["ok"] == level["ok"] == int(row["ok"]), f"{level}: its own summary has {own['peers']}")
        check(own["peers"]["started"] == level["peers"] and (out / level["results"] / "report.html").exists(), f"{level}")
        check(level["server"]["cpu_percent"] is None or 0 <= level["server"]["cpu_percent"] < 200, f"{level['server']}")
        check(level["server"]["memory_bytes"] > 1_000_000, f"{level['server']}")
    test.note(f"{len(rows)} trials, {found['run']['duration_s']:.1f} s")


def capacity_dead_lab(t):
    """Ended in mid-search, and nobody says which process it is: that is a death, and no limit."""
    lab = Lab(t)
    blind = t.start("blind", [t.squall, "capacity", lab.room(), "--grow", "room", "--from", "2", "--no-video", "--hold", "1s",
                              "--lateness-max", "300", "--expect", "video.in.fps > 20", "--out", t.folder / "blind"])
    check(blind.wait(15) == 2 and "video.in.fps > 20: no sample" in blind.stdout(), blind.stdout())
    check("failed from" not in blind.stdout(), blind.stdout())
    out = t.folder / "capacity"
    search = t.start("search", [t.squall, "capacity", lab.room(), "--grow", "room", "--from", "2", "--rate", "40/s", "--no-video",
                                "--hold", "1s", "--hold-most", "1s", "--pause", "50ms", "--expect", "peers.ok == 100%",
                                "--lateness-max", "300", "--out", out])
    until("a level that held", lambda: "held" in search.stdout(), 15)
    other = t.start("other", [t.squall, "run", lab.room(), "--peers", "2", "--duration", "1s", "--out", out])
    check(other.wait(10) == 2 and "writes its results into" in other.stderr(), other.stderr())
    lab.process.stop()
    code = search.wait(30)
    check(code == 1, f"exit code {code}: {search.stderr()}")
    check("The service died: nobody could connect any more after the trial of " in search.stdout(), search.stdout())
    found = json.loads((out / "capacity.json").read_text())
    check(found["end"] == "service-died" and found["died_s"] > 0, f"{found['end']}")
    check(found["searches"][0]["held"]["peers"] >= 2, f"{found['searches']}")
    last = found["levels"][-1]
    check(last["probes"] and last["connected"] == 0 and last["peers"] == 2, f"{last}")
    check("Connection refused" in last["example"], f"{last}")


if __name__ == "__main__":
    test.run([capacity_full_lab, capacity_dead_lab])
