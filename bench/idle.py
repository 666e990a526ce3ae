#!/usr/bin/env python3
"""How many connected peers one machine keeps: thousands of them in rooms where nobody publishes, so that all
they cost is the connection itself (ICE consent, RTCP, signalling, memory). Generators and labs are as many
processes as the limit of open files asks for: a peer has a UDP socket and a WebSocket, and so has the lab's
side of it. Prints and writes a Markdown table, bench/IDLE.md.

  bench/idle.py [--peers 20000] [--hold 60]

Where other work shares the cores (a kernel thread that scans memory is enough) timers come late: `chrt -f 1` before it.
Fails when a single peer is lost."""
import argparse
import json
import math
import os
import resource
import sys
import time

sys.dont_write_bytecode = True
import bench_report
from bench_proc import Process, measure_and_publish

SOCKETS_A_PEER = 4  # files a peer that `squall run` asks for
SPARE_FILES = 200
ROOM_SIZE = 10


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--peers", type=int, default=20000)
    parser.add_argument("--rate", type=float, default=150, help="arrivals a second, all generators together (150)")
    parser.add_argument("--hold", type=float, default=60, help="measured seconds after the last arrival (60)")
    parser.add_argument("--port", type=int, default=8600, help="of the first lab; the others follow")
    parser.add_argument("--build", default=os.environ.get("BUILD", "build"))
    parser.add_argument("--output", default=os.path.join(os.path.dirname(__file__), "IDLE.md"))
    config = parser.parse_args()
    config.squall = os.path.join(config.build, "squall")
    config.logs = os.path.join(config.build, "bench-logs")
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    config.files = files
    config.pairs = max(1, math.ceil(config.peers * SOCKETS_A_PEER / (files - SPARE_FILES)))
    return config


def generator(config, i, peers, seconds):
    """Its own source address: ports of one address would not do for all."""
    path = os.path.join(config.logs, f"idle-{i}.json")
    argv = [config.squall, "run", f"room+ws://127.0.0.1:{config.port + i}/room", "--room", f"idle{i}", "--peers", peers,
            "--rate", f"{config.rate / config.pairs:g}/s", "--publishers", 0, "--room-size", ROOM_SIZE,
            "--local-ip", f"127.0.0.{10 + i}", "--duration", f"{seconds:.0f}s", "--threads", 1, "--quiet",
            "--json", path, "--out", os.path.join(config.logs, f"idle-{i}-results")]
    return Process(f"idle-run-{i}", argv, "0-%d" % (os.cpu_count() - 1), config.logs), path


def measure(config, running):
    peers_of = [config.peers // config.pairs + (i < config.peers % config.pairs) for i in range(config.pairs)]
    ramp = config.peers / config.rate
    cores = "0-%d" % (os.cpu_count() - 1)
    labs = []
    for i in range(config.pairs):
        lab = Process(f"idle-lab-{i}", [config.squall, "lab", "--listen", f"127.0.0.1:{config.port + i}"], cores, config.logs)
        running.append(lab)
        labs.append(lab)
        lab.wait_port(config.port + i)
    runs = []
    for i, peers in enumerate(peers_of):
        process, path = generator(config, i, peers, ramp + config.hold + 15)
        running.append(process)
        runs.append((process, path, peers))
    runs[0][0].sleep(ramp + 8)
    begin, before = time.monotonic(), [p.cpu_us() for p, _, _ in runs]
    runs[0][0].sleep(config.hold)
    seconds = time.monotonic() - begin
    used = sum(p.cpu_us() - was for (p, _, _), was in zip(runs, before))
    memory = sum(p.rss_kb() for p, _, _ in runs)
    lab_memory = sum(lab.rss_kb() for lab in labs)
    lateness, ok = [], 0
    for process, path, peers in runs:
        code = process.wait_exit(120)
        with open(path) as file:
            report = json.load(file)
        if code != 0 or report["peers"]["ok"] != peers:
            process.fail(f"exit code {code}; {report['peers']}; failures {report.get('failures')}")
        ok += report["peers"]["ok"]
        lateness.append(report["generator"]["lateness_ms"]["p99"])
    return {"ok": ok, "cpu_us": used / seconds / config.peers, "kb": memory / config.peers,
            "lab_kb": lab_memory / config.peers, "lateness": max(lateness)}


def render(config, row):
    lines = ["# Connected peers that send nothing", "",
             f"Written by `bench/idle.py --peers {config.peers} --rate {config.rate:g} --hold {config.hold:g}` on "
             f"{time.strftime('%Y-%m-%d', time.gmtime())}.", ""]
    lines += bench_report.machine() + bench_report.versions(config.squall)
    lines += [f"- {config.pairs} generators and {config.pairs} labs share all cores: a process may open {config.files} files here, "
              "and a peer takes two", "",
              "| peers connected to the end | generators' CPU µs a peer-second | generators' KB a peer | labs' KB a peer | lateness p99 ms |",
              "|---|---|---|---|---|",
              f"| {row['ok']:,} of {config.peers:,} | {row['cpu_us']:.0f} | {row['kb']:.0f} | {row['lab_kb']:.0f} | {row['lateness']:.1f} |", ""]
    return "\n".join(lines)


def main():
    return measure_and_publish("idle", parse_arguments(), measure, render)


if __name__ == "__main__":
    sys.exit(main())
