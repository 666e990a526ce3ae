#!/usr/bin/env python3
"""A long run with churn: peers come and go for an hour, and the memory and open files of the generator and of
the lab are read once a minute from outside. Prints and writes a Markdown table, bench/SOAK.md.

  bench/soak.py [--peers 500] [--minutes 60] [--hold 60] [OPTION OF squall run …]

Growth is judged between the quarters after the ramp, by their medians: more than 2 % and 1 MB of memory, or more
than 2 % of the open files, from the first to the last of them, where it still goes on at the end (a third of that
from the third quarter to the last): a higher peak of peers at once that stays is a step and no growth. It is a
failure (exit code 1), and so is a run that did not hold."""
import argparse
import json
import os
import statistics
import sys
import time

sys.dont_write_bytecode = True
import bench_report
from bench_proc import Process, measured, publish

GROWTH_SHARE, GROWTH_KB, GROWTH_FILES = 0.02, 1024, 8


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--peers", type=int, default=500)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--hold", type=float, default=60, help="seconds that a peer stays (60)")
    parser.add_argument("--room-size", type=int, default=2)
    parser.add_argument("--every", type=float, default=60, help="seconds between two readings (60)")
    parser.add_argument("--port", type=int, default=8700)
    parser.add_argument("--build", default=os.environ.get("BUILD", "build"))
    parser.add_argument("--output", default=os.path.join(os.path.dirname(__file__), "SOAK.md"))
    config, config.more = parser.parse_known_args()
    config.squall = os.path.join(config.build, "squall")
    config.logs = os.path.join(config.build, "bench-logs")
    return config


def open_files(process):
    return len(os.listdir(f"/proc/{process.pid}/fd"))


def read(process):
    return {"kb": process.rss_kb(), "files": open_files(process), "cpu_us": process.cpu_us()}


def soak(config, running):
    lab = Process("soak-lab", [config.squall, "lab", "--listen", f"127.0.0.1:{config.port}"], 1, config.logs)
    running.append(lab)
    lab.wait_port(config.port)
    path = os.path.join(config.logs, "soak.json")
    # As many arrivals as leave: `peers` are there at once, each for `hold` seconds.
    argv = [config.squall, "run", f"room+ws://127.0.0.1:{config.port}/room", "--peers", config.peers,
            "--rate", f"{config.peers / config.hold:.4f}/s", "--hold", f"{config.hold:g}s",
            "--duration", f"{config.minutes:g}m", "--room-size", config.room_size, "--threads", 1, "--quiet",
            "--json", path, "--out", os.path.join(config.logs, "soak-results")] + config.more
    client = Process("soak-run", argv, 0, config.logs)
    running.append(client)
    rows, start = [], time.monotonic()
    while True:
        due = start + config.every * (len(rows) + 1)
        if due > start + config.minutes * 60 - 2:
            break
        client.sleep(due - time.monotonic())
        lab.check_alive()
        rows.append({"minute": (due - start) / 60, "run": read(client), "lab": read(lab)})
    code = client.wait_exit(180)
    with open(path) as file:
        report = json.load(file)
    report["exit"] = code
    return rows, report


def quarters(rows, who, key, ramp_minutes):
    """Medians of the first, the third and the last quarter after the ramp."""
    values = [row[who][key] for row in rows if row["minute"] > ramp_minutes]
    n = max(1, len(values) // 4)
    third = values[-2 * n:-n] or values
    return statistics.median(values[:n]), statistics.median(third), statistics.median(values[-n:])


def judge(rows, config):
    ramp = 2 * config.hold / 60
    verdicts = []
    for who in ("run", "lab"):
        for key, slack in (("kb", GROWTH_KB), ("files", GROWTH_FILES)):
            first, third, last = quarters(rows, who, key, ramp)
            bound = max(GROWTH_SHARE * first, slack)
            grown = last - first > bound and last - third > bound / 3
            verdicts.append((who, key, first, third, last, grown))
    return verdicts


def render(config, rows, report, verdicts):
    peers, lateness = report["peers"], report["generator"]["lateness_ms"]
    names = {"run": "generator", "lab": "lab", "kb": "memory, KB", "files": "open files"}
    more = " " + " ".join(config.more) if config.more else ""
    lines = ["# Soak", "",
             f"Written by `bench/soak.py --peers {config.peers} --minutes {config.minutes:g} --hold {config.hold:g}{more}` on "
             f"{time.strftime('%Y-%m-%d', time.gmtime())}.", ""]
    lines += bench_report.machine() + bench_report.versions(config.squall)
    lines += [f"- {peers['started']:,} peers came and went: {peers['ok']:,} ok, {peers['failed']} failed; verdict "
              f"{report['verdict']} (exit code {report['exit']}); lateness p99 {lateness['p99']:.2f} ms", "",
              "| of | | first quarter | third | last | |", "|---|---|---|---|---|---|"]
    lines += [f"| {names[who]} | {names[key]} | {first:,.0f} | {third:,.0f} | {last:,.0f} | {'**grows**' if grown else 'does not grow'} |"
              for who, key, first, third, last, grown in verdicts]
    lines += ["", "| minute | generator KB | files | CPU s | lab KB | files | CPU s |", "|---|---|---|---|---|---|---|"]
    lines += [f"| {row['minute']:.0f} | {row['run']['kb']:,} | {row['run']['files']} | {row['run']['cpu_us'] / 1e6:.0f} | "
              f"{row['lab']['kb']:,} | {row['lab']['files']} | {row['lab']['cpu_us'] / 1e6:.0f} |" for row in rows]
    return "\n".join(lines) + "\n"


def main():
    config = parse_arguments()
    soaked = measured("soak", config, soak)
    if soaked is None:
        return 1
    rows, report = soaked
    verdicts = judge(rows, config)
    publish(render(config, rows, report, verdicts), config.output)
    return 1 if report["exit"] != 0 or any(grown for *_, grown in verdicts) else 0


if __name__ == "__main__":
    sys.exit(main())
