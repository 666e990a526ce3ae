#!/usr/bin/env python3
"""Whether squall capacity finds the same number again: several searches each against

    echotest   Janus' echo test
    videoroom  one room of Janus' videoroom, where all send
    lab        the lab's echo behind a link of --link Mbit/s: what it holds is known beforehand, and printed beside what was found
    lab-room   one room of the lab on loopback, where all send (only by --only): on two cores it ends at Squall's own limit

the server on one core and Squall on another. Needs root (Janus and the lab live in network namespaces of their own) and a
machine that does nothing else: how busy and how fast it was is told beside each search.

    bench/capacity.py [--squall build/squall] [--searches 3] [--server-core 0] [--own-core 1] [--only lab] [--link 60] [-- OPTION…]

Prints Markdown; options behind -- go to each search, and win. What it makes it takes away again, also on Ctrl-C."""
import argparse
import collections
import json
import os
import pathlib
import re
import resource
import shlex
import signal
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
# 27 arrivals a second, since with 50 the frames of all peers (25 a second each) come at two moments of every 40 ms. A load that is
# constant (--bwe off): with congestion control who came last has not found its rate when the level ends, and sends less for as long.
USUAL = ["--rate", "27/s", "--threads", "1", "--bwe", "off", "--pause", "500ms"]
HOLD = ["--hold", "6s", "--hold-most", "9s"]
QUEUE_MS = 50
PROBE_PEERS = 20
PROBE_SECONDS = 12


def call(*words, **more):
    return subprocess.run([str(w) for w in words], check=True, capture_output=True, text=True, **more).stdout


class Janus:
    def __init__(self, args, query):
        self.script = ROOT / "tests/interop/janus_ns.sh"
        said = call("taskset", "-c", args.server_core, self.script, "start")
        self.set = dict(word.split("=", 1) for word in shlex.split(said))
        self.pid = int(self.set["JANUS_PID"])
        self.target = f"janus+{self.set['JANUS_URL']}?{query}"

    def stop(self):
        subprocess.run([self.script, "stop", self.set["JANUS_NS"]], check=False, stdout=subprocess.DEVNULL)


class Lab:
    """On loopback, or with inside=[ip, netns, exec, NAME] in a namespace."""

    def __init__(self, args, listen="127.0.0.1:0", inside=()):
        self.process = subprocess.Popen([*inside, "taskset", "-c", args.server_core, args.squall, "lab", "--listen", listen],
                                        stdout=subprocess.PIPE, text=True)
        self.pid = self.process.pid  # ip netns exec and taskset become what they start
        said = ""
        for line in self.process.stdout:
            said += line
            if "STUN" in line:
                break
        self.urls = re.findall(r"(?:room\+ws|whip\+http)://\S+", said)
        if not self.urls:
            self.stop()
            sys.exit(f"the lab did not start at {listen}")
        self.target = self.urls[0]

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Link:
    """A network namespace whose way out is a token bucket. Its bytes are the shaper's own count: Ethernet frames, each by itself."""

    def __init__(self, mbit):
        self.made = False
        for n in range(20, 250):
            self.name, self.net = f"sqc{n}", f"10.178.{n}"
            if subprocess.run(["ip", "netns", "add", self.name], capture_output=True).returncode == 0:
                self.made = True
                break
        if not self.made:
            sys.exit("no network namespace could be made (root is needed)")
        self.inside = ["ip", "netns", "exec", self.name]
        try:
            call("ip", "link", "add", self.name, "type", "veth", "peer", "name", "veth0", "netns", self.name)
            call("ip", "addr", "add", f"{self.net}.1/30", "dev", self.name)
            call("ip", "link", "set", self.name, "up")
            call(*self.inside, "ip", "addr", "add", f"{self.net}.2/30", "dev", "veth0")
            call(*self.inside, "ip", "link", "set", "veth0", "up")
            call(*self.inside, "ip", "link", "set", "lo", "up")
            call(*self.inside, "tc", "qdisc", "add", "dev", "veth0", "root", "tbf", "rate", f"{mbit}mbit", "burst", "16kb",
                 "latency", f"{QUEUE_MS}ms")
        except subprocess.CalledProcessError as e:
            self.stop()
            sys.exit(f"{shlex.join(e.cmd)}: {e.stderr.strip()}")

    def count(self):
        """When, bytes that went out so far, packets dropped."""
        text = call(*self.inside, "tc", "-s", "-j", "qdisc", "show", "dev", "veth0")
        q = json.loads(text)[0]
        return time.monotonic(), q["bytes"], q["drops"]

    def stop(self):
        subprocess.run(["ip", "link", "del", self.name], check=False, capture_output=True)
        subprocess.run(["ip", "netns", "del", self.name], check=False, capture_output=True)


class LinkedLab:
    """The lab behind a link. known: how many peers fit, by what a peer takes of the link."""

    def __init__(self, args, folder):
        self.link = Link(args.link)
        self.lab = None
        try:
            self.lab = Lab(args, f"{self.link.net}.2:8080", self.link.inside)
            self.pid = self.lab.pid
            self.target = next(u for u in self.lab.urls if u.startswith("whip+http"))
            self.measure(args, folder)
        except BaseException:
            self.stop()
            raise

    def measure(self, args, folder):
        """So few that the link is idle most of the time: its own count of bytes, over ten seconds, by peers."""
        run = subprocess.Popen(["taskset", "-c", args.own_core, args.squall, "run", self.target, "--echo", "--peers", str(PROBE_PEERS),
                                "--rate", "27/s", "--threads", "1", "--bwe", "off", "--duration", f"{PROBE_SECONDS + 3}s", "--no-tui",
                                "--quiet", "--out", f"{folder}/one-peer", *passed_to_run(args.more)])
        try:
            time.sleep(3)
            began, first, _ = self.link.count()
            time.sleep(PROBE_SECONDS - 1)
            ended, last, drops = self.link.count()
        finally:
            end(run)
        self.a_peer = (last - first) * 8 / 1e6 / (ended - began) / PROBE_PEERS
        if drops or run.returncode not in (0, 4):  # 4: late timers change no rate
            sys.exit(f"what a peer takes of the link could not be measured: exit code {run.returncode}, {drops} packets dropped")
        self.known = args.link / self.a_peer

    def stop(self):
        if self.lab:
            self.lab.stop()
        self.link.stop()


def passed_to_run(more):
    """Of the searches' options those that change what a peer sends."""
    ret = []
    for i, word in enumerate(more):
        if word in ("--bwe", "--media", "--codec", "--rate"):
            ret += more[i:i + 2]
        elif word in ("--no-audio", "--no-video"):
            ret.append(word)
    return ret


def end(process):
    """Waits for it; not for long after an interruption, of which squall knows as well where it came from the keyboard."""
    if not sys.exc_info()[0]:
        process.wait()
    for stop in (lambda: None, lambda: process.send_signal(signal.SIGINT), process.kill):
        try:
            if process.poll() is None:
                stop()
                process.wait(4)
        except subprocess.TimeoutExpired:
            pass


SPEED = """
import hashlib, os, sys, time
os.sched_setaffinity(0, {int(sys.argv[1])})
block = bytes(256 * 1024)
while True:
    began = time.thread_time_ns()
    for _ in range(12):
        hashlib.sha256(bytearray(block)).digest()
    print(1e9 / (time.thread_time_ns() - began), flush=True)
    time.sleep(1)
"""


class Speed:
    """How fast the server's core is while it serves: the same few milliseconds of work each second, by the CPU time that they take. A
    machine that shares its clock, caches or hyper-threads with others is not always as fast, and the server holds as much less."""

    def __init__(self, args):
        self.kept = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen([sys.executable, "-c", SPEED, args.server_core], stdout=self.kept)

    def stop(self):
        """The median of ten seconds each, from the slowest to the fastest ones, and of all."""
        self.process.terminate()
        self.process.wait()
        self.kept.seek(0)
        seen = [float(line) for line in self.kept.read().split("\n")[:-1]]
        tens = [statistics.median(seen[i:i + 10]) for i in range(0, max(1, len(seen) - 9), 10)] if seen else [0]
        return min(tens), statistics.median(seen or [0]), max(tens)


def busy_seconds(core):
    """What programs used of it since the machine started."""
    for line in pathlib.Path("/proc/stat").read_text().splitlines():
        words = line.split()
        if words[0] == f"cpu{core}":
            return sum(int(w) for w in words[1:4]) / os.sysconf("SC_CLK_TCK")
    return 0.0


def used_by_children():
    u = resource.getrusage(resource.RUSAGE_CHILDREN)
    return u.ru_utime + u.ru_stime


def search(args, name, server, options, out):
    load = os.getloadavg()[0]
    speed = Speed(args)
    began, busy, used = time.monotonic(), busy_seconds(args.own_core), used_by_children()
    run = subprocess.Popen(["taskset", "-c", args.own_core, args.squall, "capacity", server.target, "--server-pid", str(server.pid),
                            "--out", out, *USUAL, *options, *args.more], stdout=sys.stderr)
    try:
        run.wait()
    finally:
        end(run)
        took = time.monotonic() - began
        own_others = max(0, busy_seconds(args.own_core) - busy - (used_by_children() - used)) / took * 100
        fast = speed.stop()
    kept = pathlib.Path(out) / "capacity.json"
    if not kept.exists():
        sys.exit(f"the search of {name} gave no result: exit code {run.returncode}")
    found = json.loads(kept.read_text())
    answer = found["searches"][-1]
    held, limit = answer["held"], answer["limit"]
    level = [l for l in found["levels"] if held and l["peers"] == held["peers"] and l["outcome"] == "held"]
    top = [l for l in found["levels"] if limit and l["counted"] and l["peers"] == limit["peers"] and l["outcome"] != "held"]
    return {"name": name, "held": held["peers"] if held else 0, "from": limit["peers"] if limit else None, "speed": fast,
            "by": answer["bounded_by"], "confirmed": answer["confirmed"], "levels": found["levels"], "took": took, "load": load,
            "server": level[-1]["server"]["cpu_percent"] if level else None, "own": level[-1]["generator"]["cpu_percent"] if level else None,
            "others": top[-1]["server"]["others_percent"] if top else None, "own_others": own_others,
            "broke": top[-1]["broke"][0]["expr"] if top and top[-1]["broke"] else top[-1]["reason"][:80] if top else ""}


HEADS = ["target", "search", "held", "failed from", "known", "limit of", "server CPU", "Squall CPU", "others on the server's core",
         "on Squall's", "speed of the server's core", "what broke first", "trials", "took", "load before"]


def row(r, i, known, first_speed):
    sure = "" if r["confirmed"] else " (not confirmed)"
    percent = [f"{v:.0f} %" if v is not None else "–" for v in (r["server"], r["own"], r["others"], r["own_others"])]
    slow, _, fast = (100 * v / first_speed for v in r["speed"])
    cells = [r["name"], i + 1, f"{r['held']}{sure}", r["from"], f"{known:.1f}" if known else "–", r["by"], *percent,
             f"{slow:.0f} to {fast:.0f} %", f"`{r['broke']}`", len(r["levels"]), f"{r['took']:.0f} s", f"{r['load']:.1f}"]
    return "| " + " | ".join(str(c) for c in cells) + " |"


def sum_up(name, results, known):
    """How near the numbers are to each other, and how soft the edge is: trials of all searches by level."""
    numbers = sorted(r["held"] for r in results)
    middle = numbers[len(numbers) // 2]
    ret = [f"{name}: {numbers[0]} to {numbers[-1]}, {100 * (numbers[-1] - numbers[0]) / max(middle, 1):.1f} % of the median" +
           (f"; known: {known:.1f}, so {100 * (middle - known) / known:+.1f} %" if known else "") + "."]
    by_level = collections.defaultdict(lambda: [0, 0])
    for r in results:
        for l in r["levels"]:
            if l["outcome"] != "invalid" and 0.8 * middle <= l["peers"] <= 1.2 * middle:
                by_level[l["peers"]][0] += l["outcome"] == "held"
                by_level[l["peers"]][1] += 1
    ret.append("Held, of trials, by level: " + ", ".join(f"{n}: {h} of {t}" for n, (h, t) in sorted(by_level.items())) + ".")
    return ret


def searches(args, folder, said):
    jobs = {"echotest": ("Janus echotest", lambda: Janus(args, "plugin=echotest"), ["--grow", "peers", "--from", "100", "--resolution", "3%", *HOLD]),
            "videoroom": ("Janus videoroom, one room, all send",
                          lambda: Janus(args, "plugin=videoroom&room=1234"),
                          ["--grow", "room", "--from", "12", *HOLD]),
            "lab": (f"lab's echo behind {args.link:g} Mbit/s", lambda: LinkedLab(args, f"{folder}/link-{time.monotonic_ns()}"),
                    ["--echo", "--grow", "peers", "--from", "16", "--hold", "4s", "--hold-most", "6s"]),
            "lab-room": ("lab, one room, all send", lambda: Lab(args), ["--grow", "room", "--from", "8", *HOLD])}
    first_speed = None
    for key, (name, start, options) in jobs.items():
        if key not in (args.only or ["echotest", "videoroom", "lab"]):
            continue
        results, knowns = [], []
        try:
            for i in range(args.searches):
                server = start()
                try:
                    known = getattr(server, "known", None)
                    if known:
                        print(f"A peer takes {server.a_peer:.4f} of the link's {args.link:g} Mbit/s: {known:.1f} fit.", file=sys.stderr)
                    r = search(args, name, server, options, f"{folder}/{key}-{i + 1}")
                finally:
                    server.stop()
                first_speed = first_speed or r["speed"][1]
                results.append(r)
                knowns += [known] if known else []
                print(row(r, i, known, first_speed), flush=True)
        finally:
            if results:
                said += sum_up(name, results, statistics.mean(knowns) if knowns else None)


def interrupted(number, frame):
    """Once: what is being taken away is taken away."""
    for s in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(s, signal.SIG_IGN)
    raise KeyboardInterrupt


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--squall", default=str(ROOT / "build/squall"))
    parser.add_argument("--searches", type=int, default=3)
    parser.add_argument("--server-core", default="0")
    parser.add_argument("--own-core", default="1")
    parser.add_argument("--only", action="append", choices=["echotest", "videoroom", "lab", "lab-room"], help="may come again")
    parser.add_argument("--link", type=float, default=60, help="Mbit/s of the lab's way out (default 60)")
    parser.add_argument("more", nargs="*")
    args = parser.parse_args()
    for s in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(s, interrupted)
    folder = tempfile.mkdtemp(prefix="squall-capacity-")
    said = []
    print("| " + " | ".join(HEADS) + " |\n|" + "---|" * len(HEADS), flush=True)
    try:
        searches(args, folder, said)
    except KeyboardInterrupt:
        said.append("Interrupted.")
    print("\n" + "\n".join(said) + f"\n\nResults: {folder}")
    return 130 if said and said[-1] == "Interrupted." else 0


if __name__ == "__main__":
    sys.exit(main())
