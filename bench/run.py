#!/usr/bin/env python3
"""The side-by-side benchmark: Squall, Pion, browsers and the bare floor loop, each in turn on one core against
the same target on another, with the same number of peers where they can. Prints and writes a Markdown table.

Cases: `audio` and `av` (audio and 1 Mbit/s video) compare all; `density` and `density-audio` hold many
peers and read the timer lateness; `av-all` is `av` with a data channel and one-way latency on top, for Squall alone; `setup` measures connecting. libwebrtc in Node and headless Chromium run as
many clients as a core takes, which are one or two. A round runs every client of every
case once, so that a slow minute of the machine hits all alike; the table has the medians of the rounds.
CPU is that of the process in a window after the ramp, read from outside.

bench/run.sh prepares what this needs. It fails with a sentence when a client did not connect or media
did not come back."""
import argparse
import json
import os
import shlex
import signal
import sys
import time

sys.dont_write_bytecode = True  # no __pycache__ among the sources
import bench_report
from bench_proc import BenchError, Process, Window

# What is asked of Squall and of its lab. Here and nowhere else.
LAB_ARGS = ["lab", "--listen", "127.0.0.1:{port}"]
WHIP_PATH = "/whip/echo"
SQUALL_TARGET = "whip+http://127.0.0.1:{port}" + WHIP_PATH
SQUALL_ARGS = ["run", "{target}", "--echo", "--peers", "{peers}", "--rate", "{rate}/s", "--hold", "{hold}s",
               "--threads", "1", "--out", "{out}", "--json", "{json}", "--quiet"]
SQUALL_MORE = {"squall": [], "squall-rt": ["--realtime"]}
SQUALL_KIND = {"audio": ["--no-video"], "av": [], "av-all": ["--latency", "--data", "1/s:200"]}
EXIT_INVALID = 4

LEAVE_S = 30.0      # longest time to leave in an orderly way
CLIMB_S = 5.0       # until a browser's encoder has reached its rate
SETUP_RATE = 1000   # more than anybody reaches
RECEIVED_LEAST = 0.97
ENCODED_LEAST = 0.75  # where an encoder decides on its packets
HERE = os.path.dirname(os.path.abspath(__file__))
CORE_FULL = 0.95
CANDIDATES = ["squall", "squall-rt", "pion", "pion-cc", "pion-bare", "wrtc", "chromium", "floor"]
FEW = {"wrtc": 2, "chromium": 1}  # clients of these that a core takes with video
PACKETS = {"audio": 50, "av": 156}
VIDEO_KBPS = (950, 1100)  # what Squall must send for the comparison to be one


class Bench:
    def __init__(self, config):
        self.config = config
        self.running = []
        self.noise = 0.0
        self.base_rss = {}
        self.made = 0
        self.failures = []  # sentences: what could not be measured
        os.makedirs(config.logs, exist_ok=True)

    def start(self, name, argv, cpu):
        self.made += 1
        process = Process(f"{self.made:03d}-{name}", argv, cpu, self.config.logs)
        self.running.append(process)
        return process

    def stop_all(self):
        for process in reversed(self.running):
            process.stop()
        self.running = []

    def start_target(self):
        config = self.config
        if config.target == "lab":
            argv = [config.squall] + [a.format(port=config.port) for a in LAB_ARGS]
        else:
            argv = [os.path.join(config.pion, "pion-echo"), "-listen", f"127.0.0.1:{config.port}"]
        target = self.start("target", argv, config.target_cpu)
        target.wait_port(config.port)
        return target

    def start_client(self, name, kind, peers, rate, window):
        """The process, the time at which its window may begin (None: it says so itself), its JSON file."""
        config = self.config
        if name in SQUALL_MORE:
            path = os.path.join(config.logs, f"{self.made + 1:03d}-squall.json")
            ramp = peers / rate
            values = {"target": SQUALL_TARGET.format(port=config.port), "peers": peers, "rate": f"{rate:g}",
                      "hold": f"{ramp + config.settle + window + 3:.0f}", "json": path,
                      "out": os.path.join(config.logs, "squall-results")}
            argv = [config.squall] + [a.format(**values) for a in SQUALL_ARGS] + SQUALL_KIND[kind] + SQUALL_MORE[name]
            process = self.start(name, argv, config.cpu)
            return process, process.started + ramp + config.settle, path
        url = f"http://127.0.0.1:{config.port}{WHIP_PATH}"
        if name in FEW:
            program = {"wrtc": ["node", os.path.join(HERE, "wrtc", "client.js")],
                       "chromium": [sys.executable, os.path.join(HERE, "chromium", "client.py")]}[name]
            argv = program + [url, peers, config.settle + CLIMB_S, window + 0.5] + (["--video"] if kind == "av" else [])
            process = self.start(name, argv, config.cpu)
            return process, None, process.out_path
        argv = [os.path.join(config.pion, "pion-client"), "-url", url,
                "-clients", peers, "-rate", rate, "-warm", f"{config.settle}s", "-hold", f"{window + 0.5}s"]
        if kind == "av":
            argv.append("-video")
        argv += {"pion-bare": ["-no-interceptors"], "pion-cc": ["-congestion-control"]}.get(name, [])
        process = self.start(name, argv, config.cpu)
        return process, None, process.out_path

    def measure(self, name, kind, peers, rate, window):
        """One client against a fresh target. A dictionary of figures."""
        target = self.start_target()
        client, begin, path = self.start_client(name, kind, peers, rate, window)
        try:
            if begin is None:
                client.wait_line("holding", peers / rate + self.config.settle + CLIMB_S + LEAVE_S)
            else:
                client.sleep(begin - time.monotonic())
            before_us, age = client.cpu_us(), time.monotonic() - client.started
            watch = Window(self.config.cpu, client, target)
            client.sleep(window)
            seconds, (used, target_used), others = watch.end()
            rss = client.rss_kb()
            target.check_alive()
            code = client.wait_exit(window + self.config.settle + peers / rate + LEAVE_S)
            report = self.read_report(client, path, code)
        finally:
            client.stop()
            target.stop()
            self.running = []
        row = {"cpu_us": used / (seconds * peers), "rss_all_kb": rss, "target_us": target_used / (seconds * peers),
               "full": used > CORE_FULL * seconds * 1e6, "target_full": target_used > CORE_FULL * seconds * 1e6,
               "others": others, "before_us": before_us, "age": age}
        reader = self.read_squall if name in SQUALL_MORE else self.read_pion
        try:
            row.update(reader(client, report, kind, peers, rate, row))
        except (KeyError, TypeError) as error:
            client.fail(f"its results in {path} are not as expected: {error!r}")
        if used == 0 and peers > 1:
            client.fail("used no CPU time at all: is it the process that does the work?")
        self.noise = max(self.noise, others)
        return row

    def read_report(self, client, path, code):
        try:
            with open(path) as file:
                report = json.load(file)
        except (OSError, ValueError) as error:
            client.fail(f"exit code {code} and no usable results in {path}: {error}")
        report["exit"] = code
        return report

    def read_pion(self, client, report, kind, peers, _rate, _row):
        if report["connected"] != peers or report["no_media"] or report["exit"] != 0:
            client.fail(f"{report['connected']} of {peers} clients connected, {report['no_media']} of them without "
                        f"media: {report.get('first_error', '')}")
        sent = report["sent_packets_per_client_second"]
        received = report["received_audio_packets_per_client_second"] + report["received_video_packets_per_client_second"]
        if received < (ENCODED_LEAST if client.name.endswith(tuple(FEW)) else RECEIVED_LEAST) * PACKETS[kind]:
            client.fail(f"only {received:.1f} of {PACKETS[kind]} packets/s came back to a client")
        return {"sent": sent, "received": received, "setup_us": report["setup_cpu_us_per_client"],
                "setups_per_s": report["setups_per_second"]}

    def read_squall(self, client, report, kind, peers, rate, row):
        ok, failed = report["peers"]["ok"], report["peers"]["failed"]
        if ok != peers or report["exit"] not in (0, EXIT_INVALID):
            causes = ", ".join(f"{f['count']} {f['cause']}" for f in report.get("failures", []))
            client.fail(f"{ok} of {peers} peers ok, {failed} failed ({causes}), exit code {report['exit']}")
        metrics = report["metrics"]
        traffic = {"sent": [], "received": []}
        for media in ("audio",) if kind == "audio" else ("audio", "video"):
            out, back = (metrics.get(f"{media}.{way}.bitrate", {}).get("avg") for way in ("out", "in"))
            if not out or not back or back < RECEIVED_LEAST * out:
                client.fail(f"{media} did not come back whole: {out} kbit/s sent, {back} received")
            traffic["sent"].append(out)
            traffic["received"].append(back)
        if kind == "av-all":
            self.check_all(client, metrics)
        if kind != "audio" and not VIDEO_KBPS[0] <= traffic["sent"][1] <= VIDEO_KBPS[1]:
            client.fail(f"sends {traffic['sent'][1]:.0f} kbit/s of video; the others send 1000")
        connected_s = metrics.get("setup.total", {})
        mean_s, most_s = (connected_s.get(key, 0) / 1000 for key in ("avg", "max"))
        # Peers arrive evenly over the ramp and then send: the media until the window began is no set-up.
        media_us = row["cpu_us"] * peers * max(0.0, row["age"] - peers / rate / 2 - mean_s)
        kbps = {key: " + ".join(f"{rate:.0f}" for rate in rates) + " kbit/s" for key, rates in traffic.items()}
        return {"sent_text": kbps["sent"], "received_text": kbps["received"],
                "lateness_p99_ms": report["generator"]["lateness_ms"]["p99"],
                "invalid": report["exit"] == EXIT_INVALID,
                "setup_us": max(0.0, row["before_us"] - media_us) / peers,
                "setups_per_s": peers / (peers / rate + most_s)}

    def check_all(self, client, metrics):
        """What is measured on top was there: messages that came back, and latency of frames."""
        for name in ("data.in.messages", "data.rtt", "audio.in.latency", "video.in.latency"):
            if not metrics.get(name, {}).get("count"):
                client.fail(f"measured no {name}")
        if metrics["data.in.loss"]["max"] > 0:
            client.fail("messages were lost")

    def measure_floor(self, kind, peers, window):
        config = self.config
        argv = [config.floor, "--peers", peers, "--seconds", max(1, round(window)), "--cpu", config.cpu,
                "--reflector", config.target_cpu] + (["--video"] if kind == "av" else [])
        process = self.start("floor", argv, config.cpu)
        code = process.wait_exit(window + LEAVE_S)
        self.running = []
        report = self.read_report(process, process.out_path, code)
        if code != 0:
            process.fail("packets did not come back from the reflector")
        return {"cpu_us": report["cpu_us_per_peer_second"], "lateness_p99_ms": report["lateness_ms"]["p99"],
                "sent": report["sent_packets_per_peer_second"], "received": report["received_packets_per_peer_second"]}

    def measure_base(self, name, kind):
        """Memory with one peer: what a further one costs is counted from there."""
        if (name, kind) not in self.base_rss:
            self.base_rss[name, kind] = self.measure(name, kind, 1, 10, 1)["rss_all_kb"]
        return self.base_rss[name, kind]

    def dtls_floor(self):
        process = self.start("dtls-floor", [self.config.dtls_floor], self.config.cpu)
        code = process.wait_exit(LEAVE_S)
        self.running = []
        report = self.read_report(process, process.out_path, code)
        return {"client_us": report["client_us"]["median"], "server_us": report["server_us"]["median"],
                "openssl": report["openssl"]}

    def peer_setup(self):
        """CPU of the peer's own set-up (SDP, ICE, DTLS), without signalling and media."""
        process = self.start("pairs-setup", [self.config.pairs, self.config.peers_of["setup"], "0", "setup"],
                             self.config.cpu)
        code = process.wait_exit(LEAVE_S)
        self.running = []
        report = self.read_report(process, process.out_path, code)
        if code != 0 or report["connected"] != report["pairs"]:
            process.fail("not all pairs connected")
        return report["setup_us"]

    def one(self, case, name):
        config = self.config
        kind = "audio" if case in ("audio", "density-audio", "setup") else "av-all" if case == "av-all" else "av"
        peers = FEW.get(name, config.peers_of[case])
        if name == "floor":
            return self.measure_floor(kind, peers, config.window)
        rate = SETUP_RATE if case == "setup" else config.rate
        row = self.measure(name, kind, peers, rate, config.window)
        if row["target_full"] and case != "setup":
            print(f"  warning: the target's core was full beside {name}", file=sys.stderr)
        row["peers"] = peers
        if case == "setup" and name == "squall" and peers > 1:
            # Pion counts from when its program has started. This counted from the start, which is many set-ups.
            start_us = self.measure(name, kind, 1, 10, 1)["setup_us"]
            row["setup_us"] = max(0.0, row["setup_us"] * peers - start_us) / (peers - 1)
        if name in FEW:
            row["rss_kb"] = row["rss_all_kb"] / peers  # the program is part of each client
        elif case != "setup" and peers > 1:
            row["rss_kb"] = (row["rss_all_kb"] - self.measure_base(name, kind)) / (peers - 1)
        return row

    def run(self):
        config = self.config
        results = {}
        for turn in range(config.rounds):
            for case in config.cases:
                for name in config.clients:
                    if name not in CASE_CLIENTS[case]:
                        continue
                    try:
                        row = self.one(case, name)
                    except BenchError as error:  # the others' figures are not lost for it
                        self.stop_all()
                        self.failures.append(f"round {turn + 1}, {case}: {str(error).splitlines()[0]}")
                        print(f"bench: round {turn + 1}/{config.rounds} {case}: {error}", file=sys.stderr)
                        continue
                    results.setdefault(case, {}).setdefault(name, []).append(row)
                    figure = f"{row['setup_us']:.0f} µs a set-up" if case == "setup" else f"{row['cpu_us']:.0f} µs a peer-second"
                    print(f"round {turn + 1}/{config.rounds} {case:13} {row.get('peers', config.peers_of[case]):4} peers  {name:10} {figure}",
                          file=sys.stderr, flush=True)
        return results


SIDE_BY_SIDE = [name for name in CANDIDATES if name != "squall-rt"]
CASE_CLIENTS = {
    "av": SIDE_BY_SIDE,
    "av-all": ["squall"],
    "audio": SIDE_BY_SIDE,
    "density": ["squall", "squall-rt", "floor"],
    "density-audio": ["squall", "squall-rt", "floor"],
    "setup": ["squall", "pion"],
}


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--quick", action="store_true", help="one round with short windows, about two minutes")
    parser.add_argument("--rounds", type=int, help="rounds to take the median of (3; quick: 1)")
    parser.add_argument("--window", type=float, help="measured seconds after the ramp (20; quick: 5)")
    parser.add_argument("--rate", type=float, default=50, help="arrivals a second in the ramps (50)")
    parser.add_argument("--peers-audio", type=int, default=250)
    parser.add_argument("--peers-av", type=int, default=140, help="(140: what Pion holds on a slow core)")
    parser.add_argument("--peers-av-all", type=int, default=140)
    parser.add_argument("--peers-density", type=int, default=500)
    parser.add_argument("--peers-density-audio", type=int, default=1500)
    parser.add_argument("--peers-setup", type=int, default=200)
    parser.add_argument("--cases", default=",".join(CASE_CLIENTS), help="of " + ",".join(CASE_CLIENTS))
    parser.add_argument("--clients", default=",".join(CANDIDATES), help="of " + ",".join(CANDIDATES))
    parser.add_argument("--target", choices=["lab", "pion-echo"], default="lab",
                        help="pion-echo is independent of Squall, but a slower echo")
    parser.add_argument("--cpu", type=int, default=0, help="core of the generator (0)")
    parser.add_argument("--target-cpu", type=int, default=1, help="core of the target (1)")
    parser.add_argument("--port", type=int, default=8473)
    parser.add_argument("--build", default=os.environ.get("BUILD", "build"), help="folder with squall and bench_floor")
    parser.add_argument("--squall", help="the program (BUILD/squall)")
    parser.add_argument("--output", default=os.path.join(os.path.dirname(__file__), "RESULTS.md"))
    parser.add_argument("--strict", action="store_true", help="exit code 1 when a goal is missed")
    config = parser.parse_args()
    config.command = "bench/run.sh " + shlex.join(sys.argv[1:]) if sys.argv[1:] else "make bench"
    config.rounds = config.rounds or (1 if config.quick else 3)
    config.window = config.window or (5 if config.quick else 20)
    config.settle = 2.0 if config.quick else 3.0  # seconds from the last arrival to the window
    config.cases = config.cases.split(",")
    config.clients = config.clients.split(",")
    for given, known in ((config.cases, CASE_CLIENTS), (config.clients, CANDIDATES)):
        for word in given:
            if word not in known:
                parser.error(f"'{word}' is none of {', '.join(known)}")
    config.peers_of = {case: getattr(config, "peers_" + case.replace("-", "_")) for case in CASE_CLIENTS}
    config.squall = config.squall or os.path.join(config.build, "squall")
    config.floor = os.path.join(config.build, "bench_floor")
    config.dtls_floor = os.path.join(config.build, "bench_dtls_floor")
    config.pairs = os.path.join(config.build, "bench_pairs")
    config.pion = os.path.join(config.build, "bench-pion")
    config.logs = os.path.join(config.build, "bench-logs")
    return config


def check_programs(config):
    needed = {"squall": config.squall, "floor": config.floor, "pion": os.path.join(config.pion, "pion-client")}
    needed["squall-rt"] = needed["squall"]
    needed["pion-bare"] = needed["pion-cc"] = needed["pion"]
    needed["wrtc"] = needed["chromium"] = sys.executable
    paths = {needed[name] for name in config.clients}
    if config.target == "lab":
        paths.add(config.squall)
    if "setup" in config.cases:
        paths |= {config.dtls_floor, config.pairs}
    if config.floor in paths and not os.path.exists(config.floor):
        print("bench: no bench_floor: it needs libipsec-mb (x86-64); left out", file=sys.stderr)
        config.clients.remove("floor")
        paths.remove(config.floor)
    absent = sorted(path for path in paths if not os.access(path, os.X_OK))
    if absent:
        raise BenchError(f"not built: {', '.join(absent)} (run 'make all', then bench/run.sh)")
    if {config.cpu, config.target_cpu} - os.sched_getaffinity(0) or config.cpu == config.target_cpu:
        raise BenchError(f"cores {config.cpu} and {config.target_cpu} are asked for; this process may use "
                         f"{sorted(os.sched_getaffinity(0))}, and generator and target need one each")


def main():
    config = parse_arguments()
    bench = Bench(config)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends the children as Ctrl-C does
    try:
        check_programs(config)
        dtls = bench.dtls_floor() if "setup" in config.cases else None
        if dtls:
            dtls["peer_us"] = bench.peer_setup()
        results = bench.run()
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        bench.stop_all()
    goals = bench_report.goal_rows(results, dtls)
    page = bench_report.render(config, results, dtls, bench, goals)
    with open(config.output, "w") as file:
        file.write(page)
    print(page)
    return 1 if bench.failures or (config.strict and bench_report.missed(goals)) else 0


if __name__ == "__main__":
    sys.exit(main())
