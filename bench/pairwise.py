#!/usr/bin/env python3
"""Which of two builds takes less CPU, where the machine's own speed changes from minute to minute: both run at the
same time on one core, each with its own peers against one lab on the other core, so that whatever slows one down slows
the other. Prints the CPU of each, and of each four seconds how much the second took of the first.

  bench/pairwise.py BUILD_BEFORE BUILD_AFTER [--peers 100] [--seconds 32] [--kind av|audio|av-all]

The same build twice says how much chance there is in it: 1 to 2 % on a machine that others use."""
import argparse
import os
import statistics
import sys
import time

sys.dont_write_bytecode = True
from bench_proc import BenchError, Process

SETTLE_S, SEGMENT_S, RATE = 6, 4, 50
KINDS = {"av": [], "audio": ["--no-video"], "av-all": ["--latency", "--data", "1/s:200"]}


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("builds", nargs=2, metavar="BUILD")
    parser.add_argument("--peers", type=int, default=100, help="of each")
    parser.add_argument("--seconds", type=int, default=32)
    parser.add_argument("--kind", choices=KINDS, default="av")
    parser.add_argument("--port", type=int, default=8720)
    config = parser.parse_args()
    config.logs = os.path.join(config.builds[1], "bench-logs")
    return config


def cpu_us(process):
    """Of its threads, to the nanosecond: a tick of /proc/PID/stat is too coarse for four seconds."""
    ns = 0
    for thread in os.listdir(f"/proc/{process.pid}/task"):
        with open(f"/proc/{process.pid}/task/{thread}/schedstat") as stat:
            ns += int(stat.read().split()[0])
    return ns / 1000


def compare(config, running):
    os.makedirs(config.logs, exist_ok=True)
    lab = Process("pairwise-lab", [os.path.join(config.builds[0], "squall"), "lab", "--listen", f"127.0.0.1:{config.port}"], 1, config.logs)
    running.append(lab)
    lab.wait_port(config.port)
    ramp = config.peers / RATE
    for i, build in enumerate(config.builds):
        running.append(Process(f"pairwise-{i}", [
            os.path.join(build, "squall"), "run", f"whip+http://127.0.0.1:{config.port}/whip/echo", "--echo", "--peers", config.peers,
            "--rate", f"{RATE}/s", "--duration", f"{ramp + SETTLE_S + config.seconds + 2:.0f}s", "--threads", 1, "--quiet",
            "--lateness-max", 1000, "--out", os.path.join(config.logs, f"pairwise-results-{i}")] + KINDS[config.kind], 0, config.logs))
    runs = running[1:]
    lab.sleep(ramp + SETTLE_S)
    readings = [[cpu_us(run) for run in runs]]
    begun = time.monotonic()
    for _ in range(config.seconds // SEGMENT_S):
        lab.sleep(SEGMENT_S)
        for run in runs:
            run.check_alive()
        readings.append([cpu_us(run) for run in runs])
    seconds = time.monotonic() - begun
    for run in runs:
        if run.wait_exit(60) not in (0, 4):  # late, maybe: its CPU is CPU, too
            run.fail("the run did not hold")
    return readings, seconds


def main():
    config, running = parse_arguments(), []
    try:
        readings, seconds = compare(config, running)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    finally:
        for process in reversed(running):
            process.stop()
    used = [last - first for first, last in zip(readings[0], readings[-1])]
    parts = [[b - a for a, b in zip(before, after)] for before, after in zip(readings, readings[1:])]
    ratios = [second / first for first, second in parts]
    for build, us in zip(config.builds, used):
        print(f"{build}: {us / seconds / config.peers:.0f} µs a peer-second")
    print(f"the second took {used[1] / used[0]:.3f} of the first; by {SEGMENT_S} s {min(ratios):.3f} to {max(ratios):.3f}, "
          f"median {statistics.median(ratios):.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
