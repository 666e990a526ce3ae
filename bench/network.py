#!/usr/bin/env python3
"""What a bad network under each peer costs: CPU and memory of a peer without a link, over one that does nothing, over one
that delays 40 ms each way, and over testRTC's Poor 4G (4 Mbit/s, 350 ms, 5 % lost). Prints and writes a Markdown table,
bench/NETWORK.md.

  bench/network.py [--rounds 3] [--window 15]

All as in bench/run.py: generator and lab on a core each, WHIP to the lab's echo, every case once a round, medians. Senders keep
their rate (--bwe off), so that all have the same packets but for those that are lost, and repaired. Where the network loses
packets a peer or two of all may not come, as it happens that every packet of a TCP connect is lost: figures are of those who came, and
the table tells how many did not. More than that is an error."""
import argparse
import os
import signal
import sys
import time

sys.dont_write_bytecode = True
import bench_report
import run
from bench_proc import BenchError, publish

NETWORKS = [
    ("no link", None),
    ("a link that does nothing", "No throttling"),
    ("40 ms each way", "delay=40ms"),
    ("Poor 4G", "Poor 4G"),
]
LOSSY = {"Poor 4G"}
ABSENT_MOST = 2  # peers of a lossy network that did not come
KINDS = {"av": "Audio and 1 Mbit/s video, 156 packets/s each way", "audio": "Audio only, 50 packets/s each way"}


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=3, help="rounds to take the median of (3)")
    parser.add_argument("--window", type=float, default=15, help="measured seconds (15)")
    parser.add_argument("--rate", type=float, default=50, help="arrivals a second in the ramps (50)")
    parser.add_argument("--settle", type=float, default=7, help="seconds from the last arrival to the window: Poor 4G sets up slowly (7)")
    parser.add_argument("--peers-audio", type=int, default=250)
    parser.add_argument("--peers-av", type=int, default=140)
    parser.add_argument("--cpu", type=int, default=0, help="core of the generator (0)")
    parser.add_argument("--target-cpu", type=int, default=1, help="core of the lab (1)")
    parser.add_argument("--port", type=int, default=8474)
    parser.add_argument("--build", default=os.environ.get("BUILD", "build"))
    parser.add_argument("--output", default=os.path.join(os.path.dirname(__file__), "NETWORK.md"))
    config = parser.parse_args()
    config.squall = os.path.join(config.build, "squall")
    config.logs = os.path.join(config.build, "bench-logs")
    config.target = "lab"
    config.load = os.getloadavg()[0]
    return config


class NetworkBench(run.Bench):
    network = None

    def start_client(self, name, kind, peers, rate, window):
        config = self.config
        path = os.path.join(config.logs, f"{self.made + 1:03d}-{name}.json")
        ramp = peers / rate
        values = {"target": run.SQUALL_TARGET.format(port=config.port), "peers": peers, "rate": f"{rate:g}",
                  "hold": f"{ramp + config.settle + window + 3:.0f}", "json": path, "out": os.path.join(config.logs, "squall-results")}
        argv = [config.squall] + [a.format(**values) for a in run.SQUALL_ARGS] + run.SQUALL_KIND[kind] + ["--bwe", "off"]
        argv += ["--network", self.network] if self.network else []
        argv += ["--expect", f"peers.failed <= {self.absent_most(peers)}"]
        process = self.start(name, argv, config.cpu)
        return process, process.started + ramp + config.settle, path

    def absent_most(self, peers):
        return ABSENT_MOST if self.network in LOSSY and peers > 10 * ABSENT_MOST else 0

    def read_squall(self, client, report, kind, peers, rate, row):
        """Loss is part of it here: what matters is that all were there and sent what they do without a link."""
        came = report["peers"]["ok"]
        if not peers - self.absent_most(peers) <= came <= peers or report["exit"] not in (0, run.EXIT_INVALID):
            client.fail(f"{report['peers']}, exit code {report['exit']}: {report['reason']}")
        sent = report["metrics"]["video.out.bitrate" if kind == "av" else "audio.out.bitrate"]["avg"]
        return {"sent": sent, "absent": peers - came, "cpu_us": row["cpu_us"] * peers / came, "lateness_p99_ms": report["generator"]["lateness_ms"]["p99"], "invalid": report["exit"] == run.EXIT_INVALID}

    def case(self, kind, network, peers):
        self.network = network
        row = self.measure("squall", kind, peers, self.config.rate, self.config.window)
        key = (kind, network)
        if key not in self.base_rss:
            self.base_rss[key] = self.measure("squall", kind, 1, 10, 1)["rss_all_kb"]
        row["rss_kb"] = (row["rss_all_kb"] - self.base_rss[key]) / (peers - row["absent"] - 1)
        return row

    def all(self):
        results = {}
        for turn in range(self.config.rounds):
            for kind in KINDS:
                peers = getattr(self.config, "peers_" + kind)
                for name, network in NETWORKS:
                    row = self.case(kind, network, peers)
                    results.setdefault((kind, name), []).append(row)
                    print(f"round {turn + 1}/{self.config.rounds} {kind:5} {name:26} {row['cpu_us']:.0f} µs a peer-second, "
                          f"{row['rss_kb']:.0f} KB" + (f", {row['absent']} did not come" if row["absent"] else ""), file=sys.stderr, flush=True)
        return results


def absent_text(rows):
    """Of each round, where there were any."""
    return ", ".join(str(row["absent"]) for row in rows) if any(row["absent"] for row in rows) else "0"


def table(results, kind, peers):
    lines = [f"## {KINDS[kind]}; {peers} peers", "",
             "| network | CPU µs a peer-second | against no link | KB a peer | sent, kbit/s | lateness p99 ms | peers that did not come |",
             "|---|---|---|---|---|---|---|"]
    plain = bench_report.middle(results[kind, "no link"], "cpu_us")
    for name, _ in NETWORKS:
        rows = results[kind, name]
        cpu = bench_report.middle(rows, "cpu_us")
        mark = " **core full**" if any(row["full"] for row in rows) else ""
        mark += " **INVALID**" if any(row["invalid"] for row in rows) else ""
        lines.append(f"| {name} | {cpu:.0f}{bench_report.spread(rows, 'cpu_us', '{:.0f}')}{mark} | {cpu - plain:+.0f} µs, {cpu / plain:.2f}× | "
                     f"{bench_report.middle(rows, 'rss_kb'):.0f} | {bench_report.middle(rows, 'sent'):.0f} | "
                     f"{bench_report.middle(rows, 'lateness_p99_ms'):.2f} | {absent_text(rows)} |")
    return lines + [""]


def render(config, results, noise):
    lines = ["# What a bad network costs", "",
             f"Written by `bench/network.py --rounds {config.rounds} --window {config.window:g}` on "
             f"{time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime())}. Medians of the rounds, in brackets the least and the most.", ""]
    lines += bench_report.machine() + bench_report.versions(config.squall)
    lines += [f"- Generator on core {config.cpu}, lab on core {config.target_cpu}; CPU from /proc/PID/stat, memory as VmRSS less that of one "
              "peer; senders keep their rate (`--bwe off`)",
              f"- Load of the machine before: {config.load:.1f}; others used up to {100 * noise:.0f} % of the generator's core during a window"
              + (" — **too much, measure again on a quiet machine**" if noise > 0.1 or config.load > 0.5 else ""), ""]
    for kind in KINDS:
        lines += table(results, kind, getattr(config, "peers_" + kind))
    return "\n".join(lines)


def main():
    config = parse_arguments()
    bench = NetworkBench(config)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        results = bench.all()
    except BenchError as error:
        print(f"network: {error}", file=sys.stderr)
        return 1
    finally:
        bench.stop_all()
    publish(render(config, results, bench.noise), config.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
