#!/usr/bin/env python3
"""Where a peer's CPU goes: samples of a steady run by perf, each put down to the first function on its stack that
a line below names, beside the bare floor loop (bench_floor: sockets and SRTP alone) with as many peers: with
audio alone once more with as much feedback as Squall was seen to send. Prints and writes a Markdown table,
bench/PROFILE.md (of audio alone: bench/PROFILE-audio.md; of another number of peers: that behind it).

  bench/profile.py [--peers 500] [--seconds 20] [--kind av|audio]

Needs perf (linux-perf) and the right to use it."""
import argparse
import collections
import json
import os
import re
import subprocess
import sys
import time

sys.dont_write_bytecode = True
import bench_report
from bench_proc import BenchError, Process, Window, measure_and_publish

SETTLE_S = 8
# From the inside of a stack outwards, the first that matches. What the floor does too comes first.
PARTS = [
    ("kernel: sending", True, r"io_send|io_sendmsg|__send|__sendmmsg|__libc_sendmsg|sendto"),
    ("kernel: receiving", True, r"io_recvmsg|__libc_recvmsg|recvmmsg|__recvmmsg|recvfrom"),
    ("kernel: io_uring itself", False, r"io_submit_sqes|.*sys_io_uring_enter|.*io_uring_(submit|enter|get_cqe).*"),
    ("kernel and libc: waiting for sockets and timers", True, r"epoll_p?wait2?|clock_nanosleep.*"),
    ("SRTP", True, r"sq_srtp_.*|protect_chunk|aes_.*|ghash.*"),
    ("congestion control and its feedback", False, r"sq_cc_.*|sq_bwe_.*|sq_twcc_.*|on_twcc|sq_peer_send_transport_feedback"),
    ("RTCP: reports, NACK", False, r"sq_peer_on_rtcp|sq_peer_send_reports|sq_track_run_feedback"),
    ("ICE, DTLS, data channels", False, r"sq_ice_.*|sq_dtls_.*|sq_data_.*"),
    ("receiving: statistics, frames, play-out", False, r"sq_track_receive|sq_rx_flush|deliver.*|sq_frame_buffer_.*|sq_audio_buffer_.*|sq_rtp_receiver_.*"),
    ("sending: clip, headers, history", False, r"run_source|sq_source_.*|sq_track_run_sources|put_media|send_some.*|sq_tx_.*"),
    ("choosing what is due", False, r"sq_peer_on_timeout|sq_peer_fetch_.*|sq_peer_rearm|rest_due|sq_timer_.*|fire_list"),
    ("sockets: user space", True, r"sq_udp_.*|sq_ring_.*|on_peer_send|on_ready|receive_one|send_run|serve_events"),
    ("measuring", False, r"sq_user_.*|sq_hist_.*|on_sample.*|sq_shard_.*"),
]


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--peers", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--kind", choices=("av", "audio"), default="av")
    parser.add_argument("--port", type=int, default=8500)
    parser.add_argument("--build", default=os.environ.get("BUILD", "build"))
    parser.add_argument("--output")
    config = parser.parse_args()
    page = "PROFILE" + ("" if config.kind == "av" else f"-{config.kind}") + ("" if config.peers == 500 else f"-{config.peers}") + ".md"
    config.output = config.output or os.path.join(os.path.dirname(__file__), page)
    config.squall = os.path.join(config.build, "squall")
    config.logs = os.path.join(config.build, "bench-logs")
    return config


def stacks(path):
    """Of each sample: its functions, the innermost first; and whether it was in the kernel."""
    text = subprocess.run(["perf", "script", "-i", path, "-F", "ip,sym"], capture_output=True, text=True, check=False)
    if text.returncode != 0:
        raise BenchError(f"perf script: {text.stderr.strip()[-300:]}")
    for block in text.stdout.split("\n\n"):
        names = [line.split(None, 1)[1] for line in block.splitlines() if len(line.split(None, 1)) == 2]
        if names:
            yield names


def part_of(names):
    for name in names:
        for part, _, pattern in PARTS:
            if re.fullmatch(pattern, name):
                return part
    return "the rest"


def udp_sent():
    """UDP sends of this machine so far; of segmented ones each counts once."""
    with open("/proc/net/snmp") as file:
        names, values = (line.split() for line in file if line.startswith("Udp:"))
    return int(values[names.index("OutDatagrams")])


def floor(config, running, feedback):
    argv = [os.path.join(config.build, "bench_floor"), "--peers", config.peers, "--seconds", round(config.seconds), "--cpu", 0,
            "--reflector", 1] + (["--video"] if config.kind == "av" else [])
    argv += ["--feedback-every", round(1000 / feedback)] if feedback else []
    process = Process("profile-floor", argv, 0, config.logs)
    running.append(process)
    if process.wait_exit(config.seconds + 30) != 0:
        process.fail("packets did not come back from the reflector")
    with open(process.out_path) as out:
        report = json.load(out)
        return report["cpu_us_per_peer_second"], report["sent_packets_per_peer_second"]


def profile(config, running):
    floor_us, floor_sends = floor(config, running, 0)
    lab = Process("profile-lab", [config.squall, "lab", "--listen", f"127.0.0.1:{config.port}"], 1, config.logs)
    running.append(lab)
    lab.wait_port(config.port)
    ramp = config.peers / 100
    argv = [config.squall, "run", f"whip+http://127.0.0.1:{config.port}/whip/echo", "--echo", "--peers", config.peers, "--rate",
            "100/s", "--duration", f"{ramp + SETTLE_S + config.seconds + 3:.0f}s", "--threads", 1, "--quiet", "--lateness-max", "1000",
            "--out", os.path.join(config.logs, "profile-results")] + (["--no-video"] if config.kind == "audio" else [])
    run = Process("profile-run", argv, 0, config.logs)
    running.append(run)
    run.sleep(ramp + SETTLE_S)
    data = os.path.join(config.logs, "profile.perf")
    watch, sent = Window(0, run), udp_sent()
    perf = Process("profile-perf", ["perf", "record", "-F", "499", "-g", "-o", data, "-p", run.pid, "--",
                                    "sleep", f"{config.seconds:g}"], 1, config.logs)
    running.append(perf)
    code = perf.wait_exit(config.seconds + 30)
    seconds, (used,), others = watch.end()
    sends = (udp_sent() - sent) / 2 / seconds / config.peers  # the lab sends as much
    if code != 0:
        perf.fail("perf cannot record here")
    if run.wait_exit(60) not in (0, 4):  # samples of a late run are samples, too
        run.fail("the run did not hold")
    counts = collections.Counter(part_of(names) for names in stacks(data))
    row = {"counts": counts, "us": used / seconds / config.peers, "floor": floor_us, "others": others, "sends": sends,
           "floor_sends": floor_sends}
    if config.kind == "audio":
        row["fed_floor"], row["fed_sends"] = floor(config, running, sends - floor_sends)
    return row


def render(config, row):
    media = "audio and 1 Mbit/s of video" if config.kind == "av" else "audio"
    total = sum(row["counts"].values())
    lines = ["# Where a peer's CPU goes", "",
             f"Written by `bench/profile.py --peers {config.peers} --seconds {config.seconds:g} --kind {config.kind}` on "
             f"{time.strftime('%Y-%m-%d', time.gmtime())}: {config.peers} peers with {media} each way, on one core.", ""]
    lines += bench_report.machine() + bench_report.versions(config.squall)
    lines += [f"- {total:,} samples; others used {100 * row['others']:.0f} % of the core",
              f"- **{row['us']:.0f} µs** a peer-second with {row['sends']:.0f} sends, of which one takes a whole frame; the floor loop "
              f"{row['floor']:.0f} µs with {row['floor_sends']:.0f}: {row['us'] / row['floor']:.2f} times"]
    if "fed_floor" in row:
        lines += [f"- the floor with as much feedback, {row['fed_sends']:.0f} sends: {row['fed_floor']:.0f} µs; Squall is "
                  f"{row['us'] / row['fed_floor']:.2f} times that"]
    lines += ["", "| part | µs a peer-second | share | the floor has it, too |", "|---|---|---|---|"]
    for part, count in row["counts"].most_common():
        in_floor = next((floor for name, floor, _ in PARTS if name == part), False)
        lines.append(f"| {part} | {row['us'] * count / total:.0f} | {100 * count / total:.1f} % | {'yes' if in_floor else ''} |")
    return "\n".join(lines) + "\n"


def main():
    return measure_and_publish("profile", parse_arguments(), profile, render)


if __name__ == "__main__":
    sys.exit(main())
