"""squall capacity finds the limit of a service whose limit is known: a lab that lets so many in."""
import csv
import json
import time

from harness import test
from harness.api import Api
from harness.proc import check, until
from harness.squall import Lab

MEMBERS = 7
CPU_SHARE = 0.25  # of a core


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
    shell = t.start("shell", ["sh", "-c", "sleep 60; true"])  # as one that started the server
    wrapped = t.start("wrapped", [t.squall, "capacity", lab.room(), "--grow", "room", "--from", "2", "--most", "2", "--no-video",
                                  "--rate", "40/s", "--hold", "2s", "--hold-most", "2s", "--confirm", "0", "--lateness-max", "300",
                                  "--expect", "peers.ok == 100%", "--server-pid", shell.pid, "--out", t.folder / "wrapped"])
    check(blind.wait(15) == 2 and "video.in.fps > 20: no sample" in blind.stdout(), blind.stdout())
    check("failed from" not in blind.stdout(), blind.stdout())
    check(wrapped.wait(15) == 0, wrapped.stderr())
    idle = f"The process of --server-pid, {shell.pid} (sh), used no CPU at all while peers were there, but has started others: "
    check(idle in wrapped.stdout() and "(sleep); if one of them is the server" in wrapped.stdout(), wrapped.stdout())
    notes = json.loads((t.folder / "wrapped" / "capacity.json").read_text())["notes"]
    check(sum(idle in note for note in notes) == 1, f"{notes}")
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
    check(found["levels"][0]["counted"] and not last["counted"], f"{found['levels']}")


class Metrics:
    """A server's Prometheus end point, which tells of a quarter of a core and of a little more memory each time it is asked."""

    def __init__(self, t):
        self.told = []  # bytes
        self.began = time.monotonic()
        self.url = Api(t, self.answer).url

    def answer(self, _method, path, _body):
        if path != "/metrics":
            return 200, "up 1\n", {}
        self.told.append(100_000_000 + 1_000_000 * len(self.told))
        cpu_s = 1000 + CPU_SHARE * (time.monotonic() - self.began)
        return 200, f'process_cpu_seconds_total {cpu_s:.6f}\nprocess_resident_memory_bytes{{job="lab"}} {self.told[-1]}\n', {}


SCENARIO = """name: meetings of two
rooms: {size: 2}
media: small
load: {peers: 500, rate: 100/s, duration: 1h}
expect: [peers.ok == 100%]
output: {record: 2, decode: 2}
"""


def outcomes(found):
    return [(level["grow"], level["peers"], level["rooms"], level["outcome"]) for level in found["levels"]]


def numbers_of(search, name):
    return search[name] and tuple(search[name][key] for key in ("peers", "rooms", "times", "trials"))


def capacity_rooms(t):
    """One room and then rooms of two, with the server's figures by Prometheus; and the rooms of a scenario, whose load counts for nothing."""
    quick = ("--rate", "40/s", "--hold", "1s", "--hold-most", "1s", "--pause", "50ms", "--confirm", "0", "--no-video", "--lateness-max", "300")
    full, fuller = Lab(t, "--members", 4), Lab(t, "--members", 5)
    metrics = Metrics(t)
    wrong = t.start("wrong", [t.squall, "capacity", full.room(), *quick, "--server-metrics", f"{metrics.url}/other", "--out", t.folder / "wrong"])
    check(wrong.wait(10) == 2 and "/other: it tells no process_cpu_seconds_total" in wrong.stderr(), wrong.stderr())
    (t.folder / "meetings.yaml").write_text(SCENARIO)
    both, file = t.folder / "both", t.folder / "file"
    growing = t.start("both", [t.squall, "capacity", full.room(), *quick, "--grow", "room,rooms", "--room-size", "2", "--from", "4", "--most", "5",
                               "--expect", "peers.ok == 100%", "--server-metrics", f"{metrics.url}/metrics", "--at-least", "4", "--out", both])
    scenario = t.start("file", [t.squall, "capacity", t.folder / "meetings.yaml", fuller.room(), *quick, "--from", "4", "--most", "6",
                                "--at-least", "5", "--out", file])

    check(growing.wait(40) == 0, f"exit code {growing.popen.returncode}: {growing.stderr()}{growing.stdout()}")
    for words in ("How big can one room grow?", "How many rooms fit?",
                  "One room holds 4 peers (1 of 1 trial); it failed from 5 peers on (3 of 3 trials).",
                  "The service holds 2 rooms, 4 peers (1 of 1 trial); more was not to be tried (--most)."):
        check(words in growing.stdout(), growing.stdout())
    found = json.loads((both / "capacity.json").read_text())
    check(outcomes(found) == [("room", 4, None, "held"), *3 * [("room", 5, None, "failed")], ("rooms", 4, 2, "held")], f"{outcomes(found)}")
    room, rooms = found["searches"]
    check((room["grow"], room["bounded_by"], room["confirmed"]) == ("room", "service", True), f"{room}")
    check((numbers_of(room, "held"), numbers_of(room, "limit")) == ((4, 0, 1, 1), (5, 0, 3, 3)), f"{room}")
    check((rooms["grow"], rooms["bounded_by"], rooms["confirmed"]) == ("rooms", "nothing", True), f"{rooms}")
    check((numbers_of(rooms, "held"), numbers_of(rooms, "limit")) == ((4, 2, 1, 1), None), f"{rooms}")
    check(found["end"] == "found" and found["exit_code"] == 0, f"{found['end']}")
    with open(both / "capacity.csv", newline="") as table:
        rows = list(csv.DictReader(table))
    memory = [level["server"]["memory_bytes"] for level in found["levels"]]
    check(set(memory) <= set(metrics.told) and memory == sorted(set(memory)), f"{memory}, of {metrics.told}")  # of its own time each
    check(memory[-1] in metrics.told[-2:] and [float(row["server_memory_bytes"]) for row in rows] == memory, f"{memory}, {rows}")
    cpu = [level["server"]["cpu_percent"] for level in found["levels"]]  # of two looks a second apart: a level of one second may end in between
    check(sum(share is not None for share in cpu) >= 2, f"{cpu}")
    check(all(share is None or abs(share - 100 * CPU_SHARE) < 5 for share in cpu), f"{cpu}, told was {100 * CPU_SHARE} %")
    for level in found["levels"]:
        check(level["server"]["others_percent"] is None, f"{level['server']}")  # nobody knows its cores
    for level in found["levels"]:
        with open(both / level["results"] / "peers.csv", newline="") as table:
            count = len({row["room"] for row in csv.DictReader(table)})
        check(count == (level["rooms"] or 1), f"{level['results']}: {count} rooms")

    check(scenario.wait(40) == 1, f"exit code {scenario.popen.returncode}: {scenario.stderr()}{scenario.stdout()}")  # fewer than --at-least
    check("The service holds 2 rooms, 4 peers (1 of 1 trial); it failed from 3 rooms, 6 peers on (3 of 3 trials)." in scenario.stdout(),
          scenario.stdout())
    found = json.loads((file / "capacity.json").read_text())
    check(outcomes(found) == [("rooms", 4, 2, "held"), *3 * [("rooms", 6, 3, "failed")]], f"{outcomes(found)}")
    [search] = found["searches"]
    check((numbers_of(search, "held"), numbers_of(search, "limit")) == ((4, 2, 1, 1), (6, 3, 3, 3)), f"{search}")
    check(search["bounded_by"] == "service" and found["exit_code"] == 1, f"{search}, exit code {found['exit_code']}")
    check(found["expectations"] == ["peers.ok == 100%"] and not found["expectations_by_default"], f"{found['expectations']}")
    check(any("of the scenario are left out" in note for note in found["notes"]), f"{found['notes']}")
    check(not list(file.rglob("*.webm")), "what the scenario records was recorded")
    test.note(f"{memory[0] / 1e6:.0f} to {memory[-1] / 1e6:.0f} MB and {', '.join(row['server_cpu_percent'] for row in rows)} % of a core")


if __name__ == "__main__":
    test.run([capacity_full_lab, capacity_dead_lab, capacity_rooms])
