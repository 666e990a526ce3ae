#!/usr/bin/env python3
"""Throughput of a data channel through a link of 25 ms each way, with and without 1 % loss: Squall to
Squall, Squall to Chromium, Chromium to Squall (its lab), and Chromium to Chromium through the same relay. Writes
RESULTS.md beside itself with --write.

    python3 bench/data/run.py [--seconds 60] [--seeds 3] [--pairs "Chromium to Squall"] [--write]
"""
import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "interop"))
sys.path.insert(0, str(ROOT / "bench"))
import bench_report  # noqa: E402
from harness import fakes, sandbox, test  # noqa: E402
from harness.browser import Chromium  # noqa: E402
from harness.proc import until  # noqa: E402

DELAY_MS = 25
WARM_S = 5  # slow start, left out
SIZE = 16384

SENDER = """(async () => {
  window.pc = new RTCPeerConnection();
  const ch = pc.createDataChannel('bench');
  const chunk = new Uint8Array(%d);
  ch.bufferedAmountLowThreshold = 262144;
  const fill = () => { while (ch.readyState === 'open' && ch.bufferedAmount < 1048576) ch.send(chunk); };
  ch.onopen = fill;
  ch.onbufferedamountlow = fill;
  await pc.setLocalDescription();
  while (pc.iceGatheringState !== 'complete') await new Promise((r) => setTimeout(r, 20));
  return pc.localDescription.sdp;
})()""" % SIZE
RECEIVER = """(async () => {
  window.pc = new RTCPeerConnection();
  window.got = 0;
  pc.ondatachannel = ({ channel }) => {
    channel.binaryType = 'arraybuffer';
    channel.onmessage = (event) => { got += event.data.byteLength; };
  };
  await pc.setRemoteDescription({ type: 'offer', sdp: %s });
  await pc.setLocalDescription();
  while (pc.iceGatheringState !== 'complete') await new Promise((r) => setTimeout(r, 20));
  return pc.localDescription.sdp;
})()"""


class Link:
    def __init__(self, t, loss, seed):
        program = t.folder / "relay"
        if not program.exists():
            subprocess.run(["cc", "-O2", "-o", program, HERE / "relay.c"], check=True)
        self.process = t.start("relay", [program, sandbox.ADDRESS, DELAY_MS, loss, seed])
        line = until("the relay's ports", lambda: self.process.stdout().strip(), 5)
        self.ports = line.split()

    def through(self, sdp, side):
        """The description with one candidate: the relay's socket of that side."""
        lines = [l for l in sdp.replace("\r\n", "\n").split("\n") if l and not l.startswith(("a=candidate:", "a=end-of"))]
        at = next(i for i, l in enumerate(lines) if l.startswith("m="))
        lines.insert(at + 2, f"a=candidate:1 1 udp 2130706431 {sandbox.ADDRESS} {self.ports[side]} typ host")
        return "\r\n".join(lines) + "\r\n"


def cpu_s(pid):
    """Of the process and those it started."""
    fields = {}
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            text = stat.read_text()
        except OSError:
            continue
        after = text.rsplit(")", 1)[1].split()
        fields[int(stat.parent.name)] = (int(after[1]), (int(after[11]) + int(after[12])) / os.sysconf("SC_CLK_TCK"))
    total, todo = 0, [pid]
    while todo:
        one = todo.pop()
        total += fields.get(one, (0, 0))[1]
        todo += [p for p, (parent, _) in fields.items() if parent == one]
    return total


def measure(bytes_now, pids, seconds):
    """Mbit/s over `seconds` after the warm-up, and CPU seconds a megabyte of each process."""
    time.sleep(WARM_S)
    start, before, cpu = time.monotonic(), bytes_now(), [cpu_s(p) for p in pids]
    time.sleep(seconds)
    took, got = time.monotonic() - start, bytes_now() - before
    return got * 8 / took / 1e6, [(cpu_s(p) - c) / max(got, 1) * 1e6 for p, c in zip(pids, cpu)]


def lab_bytes(lab):
    with urllib.request.urlopen(lab.http("/stats"), timeout=10) as answer:
        rooms = json.load(answer)["roomList"]
    return sum(c["bytesReceived"] for r in rooms for m in r["members"] for c in m["dataChannels"])


def squall_run(t, answer, seconds):
    server = fakes.Whip(t, answer, address=sandbox.ADDRESS)
    run = t.run(f"whip+http://{sandbox.ADDRESS}:{server.port}/whip", "--peers", 1, "--no-audio", "--no-video", "--no-trickle",
                "--data", f"max:{SIZE}", "--duration", f"{seconds + WARM_S + 10}s", "--local-ip", sandbox.ADDRESS,
                "--lateness-max", "1000")
    return run


def measure_run(run, bytes_now, receiver, seconds):
    """The same of a run of Squall's and of the process that receives; it ends the run."""
    until("the first bytes", lambda: bytes_now() > 0, 20)
    result = measure(bytes_now, [run.process.popen.pid, receiver.popen.pid], seconds)
    run.process.signal()
    run.finish(20)
    return result


def lab_answer(lab, link, offer):
    request = urllib.request.Request(lab.http("/whip/bench"), link.through(offer, 1).encode(), {"Content-Type": "application/sdp"})
    with urllib.request.urlopen(request, timeout=10) as reply:
        return link.through(reply.read().decode(), 0)


def squall_to_squall(t, link, seconds):
    lab = t.lab("--media-ip", sandbox.ADDRESS)
    run = squall_run(t, lambda offer: (201, fakes.SDP, lab_answer(lab, link, offer)), seconds)
    return measure_run(run, lambda: lab_bytes(lab), lab.process, seconds)


def squall_to_chromium(t, link, seconds):
    lab = t.lab()
    browser = Chromium(t)
    tab = browser.open(lab.http())

    def answer(offer):
        sdp = tab.eval(RECEIVER % json.dumps(link.through(offer, 1)), 30)
        return 201, fakes.SDP, link.through(sdp, 0)

    return measure_run(squall_run(t, answer, seconds), lambda: tab.eval("window.got || 0"), browser.process, seconds)


def take_answer(sender, answer):
    sender.eval("pc.setRemoteDescription({ type: 'answer', sdp: %s }).then(() => true)" % json.dumps(answer))


def chromium_to_squall(t, link, seconds):
    lab = t.lab("--media-ip", sandbox.ADDRESS)
    browser = Chromium(t)
    sender = browser.open(lab.http())
    take_answer(sender, lab_answer(lab, link, sender.eval(SENDER, 30)))
    until("the first bytes", lambda: lab_bytes(lab) > 0, 20)
    return measure(lambda: lab_bytes(lab), [browser.process.popen.pid, lab.process.popen.pid], seconds)


def chromium_to_chromium(t, link, seconds):
    lab = t.lab()
    browser = Chromium(t)
    sender, receiver = browser.open(lab.http()), browser.open(lab.http())
    offer = sender.eval(SENDER, 30)
    answer = receiver.eval(RECEIVER % json.dumps(link.through(offer, 1)), 30)
    take_answer(sender, link.through(answer, 0))
    until("the first bytes", lambda: receiver.eval("got") > 0, 20)
    return measure(lambda: receiver.eval("got"), [browser.process.popen.pid], seconds)


PAIRS = {"Squall to Squall": squall_to_squall, "Squall to Chromium": squall_to_chromium, "Chromium to Squall": chromium_to_squall,
         "Chromium to Chromium": chromium_to_chromium}
RESULTS = pathlib.Path(os.environ.get("BENCH_DATA_OUT", "/tmp/bench-data.json"))


def one(t):
    spec = json.loads(os.environ["BENCH_DATA"])
    link = Link(t, spec["loss"], spec["seed"])
    mbps, cpu = PAIRS[spec["pair"]](t, link, spec["seconds"])
    RESULTS.write_text(json.dumps({"mbps": mbps, "cpu": cpu}))


def table(rows, options):
    out = ["# Data channels: throughput through 50 ms", "",
           f"One reliable, ordered channel, messages of {SIZE // 1024} KB, one way, through a relay of {DELAY_MS} ms each way "
           f"(`relay.c`). Mean of {options.seeds} seeds, {options.seconds} s each after {WARM_S} s; the least and the most in brackets. "
           "Without loss what bounds it is the receiver's window, the sockets' buffers and the machine (2 cores, shared by both ends and the relay).",
           "", *bench_report.machine(), *bench_report.versions(os.environ.get("SQUALL", str(ROOT / "build" / "squall"))),
           "", "| | loss | Mbit/s | CPU a MB, sender | CPU a MB, receiver |", "|---|---|---|---|---|"]
    for (pair, loss), values in rows.items():
        speeds = [v["mbps"] for v in values]
        cpu = [sum(c) / len(c) * 1000 for c in zip(*(v["cpu"] for v in values))]
        cells = [f"{c:.1f} ms" for c in cpu] if len(cpu) == 2 else [f"{cpu[0]:.1f} ms, both", "–"]
        out.append(f"| {pair} | {loss * 100:g} % | {sum(speeds) / len(speeds):.2f} ({min(speeds):.2f}–{max(speeds):.2f}) | {cells[0]} | {cells[1]} |")
    return "\n".join(out) + "\n"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--losses", default="0.01,0")
    parser.add_argument("--pairs", default=",".join(PAIRS), help="of " + ", ".join(PAIRS))
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    for pair in options.pairs.split(","):
        if pair not in PAIRS:
            parser.error(f"'{pair}' is none of {', '.join(PAIRS)}")
    rows = {}
    for loss in map(float, options.losses.split(",")):
        for pair in options.pairs.split(","):
            for seed in range(1, options.seeds + 1):
                spec = {"pair": pair, "loss": loss, "seed": seed, "seconds": options.seconds}
                env = {**os.environ, "BENCH_DATA": json.dumps(spec), "BENCH_DATA_OUT": str(RESULTS),
                       "SQUALL": os.environ.get("SQUALL", str(ROOT / "build" / "squall"))}
                RESULTS.unlink(missing_ok=True)
                done = subprocess.run([sys.executable, "-B", __file__, "one"], env=env, capture_output=True, text=True)
                if not RESULTS.exists():
                    print(done.stdout[-3000:], done.stderr[-2000:])
                    sys.exit(1)
                rows.setdefault((pair, loss), []).append(json.loads(RESULTS.read_text()))
                print(pair, loss, seed, rows[(pair, loss)][-1], flush=True)
    text = table(rows, options)
    print(text)
    if options.write:
        (HERE / "RESULTS.md").write_text(text)


if __name__ == "__main__":
    test.run([one]) if sys.argv[1:] == ["one"] else main()
