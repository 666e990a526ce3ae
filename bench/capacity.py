#!/usr/bin/env python3
"""Whether squall capacity finds the same number again: several searches each against Janus' echo test, a room of its
videoroom, and the lab, with the server on one core and Squall on another. Needs root (Janus lives in a network namespace)
and a machine that does nothing else: what else runs is told as the load it had before each search.

    bench/capacity.py [--squall build/squall] [--searches 3] [--server-core 0] [--own-core 1] [--only lab] [-- OPTION…]

Prints a Markdown table; options behind -- go to each search."""
import argparse
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
USUAL = ["--hold", "4s", "--hold-most", "10s", "--rate", "50/s", "--threads", "1"]


class Janus:
    def __init__(self, core):
        self.script = ROOT / "tests/interop/janus_ns.sh"
        said = subprocess.run(["taskset", "-c", core, self.script, "start"], check=True, capture_output=True, text=True).stdout
        self.set = dict(word.split("=", 1) for word in shlex.split(said))
        self.pid = int(self.set["JANUS_PID"])

    def url(self, query):
        return f"janus+{self.set['JANUS_URL']}?{query}"

    def stop(self):
        subprocess.run([self.script, "stop", self.set["JANUS_NS"]], check=False, stdout=subprocess.DEVNULL)


class Lab:
    def __init__(self, core, squall):
        self.process = subprocess.Popen(["taskset", "-c", core, squall, "lab", "--listen", "127.0.0.1:0"],
                                        stdout=subprocess.PIPE, text=True)
        for line in self.process.stdout:
            found = re.search(r"(room\+ws://\S+)", line)
            if found:
                self.room = found.group(1)
                break
        self.pid = self.process.pid

    def stop(self):
        self.process.terminate()
        self.process.wait(10)


def search(args, name, target, pid, options, out):
    load = os.getloadavg()[0]
    began = time.monotonic()
    run = subprocess.run(["taskset", "-c", args.own_core, args.squall, "capacity", target, "--server-pid", str(pid), "--out", out,
                          *USUAL, *options, *args.more], capture_output=True, text=True)
    sys.stderr.write(run.stdout + run.stderr)
    found = json.loads((pathlib.Path(out) / "capacity.json").read_text())
    took = time.monotonic() - began
    answer = found["searches"][-1]
    held, limit = answer["held"], answer["limit"]
    level = [l for l in found["levels"] if held and l["peers"] == held["peers"] and l["outcome"] == "held"]
    top = [l for l in found["levels"] if limit and l["peers"] == limit["peers"] and l["outcome"] != "held"]
    return {"name": name, "held": held["peers"] if held else 0, "from": limit["peers"] if limit else None,
            "by": answer["bounded_by"], "confirmed": answer["confirmed"], "trials": len(found["levels"]), "took": took, "load": load,
            "server": level[-1]["server"]["cpu_percent"] if level else None, "own": level[-1]["generator"]["cpu_percent"] if level else None,
            "others": top[-1]["server"]["others_percent"] if top else None,
            "broke": top[-1]["broke"][0]["expr"] if top and top[-1]["broke"] else top[-1]["reason"][:80] if top else ""}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--squall", default=str(ROOT / "build/squall"))
    parser.add_argument("--searches", type=int, default=3)
    parser.add_argument("--server-core", default="0")
    parser.add_argument("--own-core", default="1")
    parser.add_argument("--only", action="append", choices=["echotest", "videoroom", "lab"])
    parser.add_argument("more", nargs="*")
    args = parser.parse_args()
    jobs = {"echotest": ("Janus echotest", "plugin=echotest", ["--grow", "peers", "--from", "50"]),
            "videoroom": ("Janus videoroom, one room, all send", "plugin=videoroom&room=1234", ["--grow", "room", "--from", "5"]),
            "lab": ("lab, one room, all send", None, ["--grow", "room", "--from", "8"])}
    folder = tempfile.mkdtemp(prefix="squall-capacity-")
    print("| target | search | held | failed from | limit of | server CPU | Squall CPU | others on the server's core | what broke first | trials | took | load before |")
    print("|---|---|---|---|---|---|---|---|---|---|---|---|")
    spread = []
    for key, (name, query, options) in jobs.items():
        if args.only and key not in args.only:
            continue
        numbers = []
        for i in range(args.searches):
            server = Janus(args.server_core) if query else Lab(args.server_core, args.squall)
            try:
                r = search(args, name, server.url(query) if query else server.room, server.pid, options, f"{folder}/{key}-{i + 1}")
            finally:
                server.stop()
            numbers.append(r["held"])
            sure = "" if r["confirmed"] else " (not confirmed)"
            percent = [f"{v:.0f} %" if v is not None else "–" for v in (r["server"], r["own"], r["others"])]
            print(f"| {name} | {i + 1} | {r['held']}{sure} | {r['from']} | {r['by']} | {percent[0]} | {percent[1]} | {percent[2]} | `{r['broke']}` | {r['trials']} "
                  f"| {r['took']:.0f} s | {r['load']:.1f} |", flush=True)
        middle = sorted(numbers)[len(numbers) // 2]
        spread.append(f"{name}: {min(numbers)} to {max(numbers)}, {100 * (max(numbers) - min(numbers)) / max(middle, 1):.0f} % of the median")
    print()
    for line in spread:
        print(line + ".")


if __name__ == "__main__":
    main()
