"""Two `squall pair` on two machines (network namespaces) that share a wire and no server: the codes are
carried by this test as a person would."""
import json
import os
import pty
import re
import signal
import subprocess
import time

from harness import test
from harness.proc import check, until
from harness.sandbox import need

HERE, THERE = "10.77.1.1", "10.77.1.2"
CODE = re.compile(r"^[0-9A-Z-]{69,130}$", re.M)


def neighbour(t):
    """Another machine on a wire to this one; gives what runs a command there."""
    ip = need("ip", "/usr/sbin/ip", "/sbin/ip")
    there = t.start("machine", [need("unshare"), "--net", "sleep", "120"])
    until("the other namespace", lambda: os.readlink(f"/proc/{there.pid}/ns/net") !=
          os.readlink("/proc/self/ns/net"))
    enter = [need("nsenter"), "-t", str(there.pid), "-n"]
    for words in (f"{ip} link add pair0 type veth peer name pair1", f"{ip} link set pair1 netns {there.pid}",
                  f"{ip} addr add {HERE}/24 dev pair0", f"{ip} link set pair0 up"):
        subprocess.run(words.split(), check=True)
    for words in (f"{ip} addr add {THERE}/24 dev pair1", f"{ip} link set pair1 up", f"{ip} link set lo up"):
        subprocess.run(enter + words.split(), check=True)
    return enter


def code_of(process):
    def look():
        check(process.running(), f"{process.name} ended: {process.stderr()}")
        found = CODE.search(process.stdout())
        return found and found.group(0)
    return until(f"the code of {process.name}", look, 20)


def typed(process, stdin, text):
    stdin.write(text.encode() + b"\n")
    stdin.flush()


def offer(t, *options):
    process = t.start("offerer", [t.squall, "pair", "--local-ip", HERE, *options], stdin=subprocess.PIPE)
    return process, code_of(process)


def answer(t, enter, code, *options):
    process = t.start("answerer", [*enter, t.squall, "pair", code, "--local-ip", THERE, *options])
    return process, code_of(process)


def summary(t, process, name):
    return json.loads((t.folder / name).read_text())


def pair_veth(t):
    """Both sides measure the same call, each from its end."""
    enter = neighbour(t)
    one, code = offer(t, "--duration", "8s", "--json", "one.json")
    other, back = answer(t, enter, code, "--duration", "8s", "--json", "other.json")
    check(len(code) <= 100 and len(back) <= 100, f"codes of {len(code)} and {len(back)} characters")
    typed(one, one.popen.stdin, back)
    for process in one, other:
        check(process.wait(40) == 0, f"{process.name} gave {process.popen.returncode}: {process.stdout()}")
        check(f"{HERE}:" in process.stdout() and f"{THERE}:" in process.stdout(), process.stdout())
        check("pass: every expectation held" in process.stdout(), process.stdout())
    here, there = summary(t, one, "one.json"), summary(t, other, "other.json")
    for flow, mirror in (("video.out", "video.in"), ("audio.out", "audio.in"),
                         ("video.in", "video.out"), ("audio.in", "audio.out")):
        sent, came = (side["metrics"][f"{name}.bitrate"]["avg"] for side, name in ((here, flow), (there, mirror)))
        test.note(f"{flow} {sent:.1f} kbit/s here, {mirror} {came:.1f} there")
        check(abs(sent - came) < 0.1 * sent + 3, f"{flow} {sent} kbit/s here, {mirror} {came} there")
    check(900 < there["metrics"]["video.in.bitrate"]["avg"] < 1200, "the clip has 1 Mbit/s")
    for side in here, there:
        check(side["metrics"]["video.in.loss"]["max"] == 0, "a veth pair loses nothing")
        check(side["metrics"]["audio.in.rtt"]["max"] < 50, "a veth pair takes no time")


def told_path(process):
    """The path of a call that was lost is told as it was."""
    path = re.search(r"^  path +10\.77\.1\.1:\d+ \(own address\) to 10\.77\.1\.2:\d+ \(own address\)$", process.stdout(), re.M)
    check(path, process.stdout())


def pair_killed(t):
    """The other side is gone without a word: the call was lost, however short the rest of it was."""
    enter = neighbour(t)
    one, code = offer(t, "--duration", "9s")
    other, back = answer(t, enter, code, "--duration", "60s")
    typed(one, one.popen.stdin, back)
    until("both to be connected", lambda: all("Connected." in side.stdout() + side.stderr() for side in (one, other)), 20)
    time.sleep(4)  # of the call
    other.signal(signal.SIGKILL)
    t.processes.remove(other)
    other.popen.wait(10)
    check(one.wait(30) == 1, f"the offerer gave {one.popen.returncode}: {one.stdout()}")
    said = one.stdout() + one.stderr()
    check("nothing came from the other side for the last" in said, said)
    told_path(one)


def pair_slips(t):
    """What a person does wrong is told, and the right code taken afterwards."""
    enter = neighbour(t)
    one, code = offer(t, "--duration", "2s", "--no-media")
    wrong = code[:20] + ("Z" if code[20] != "Z" else "Y") + code[21:]
    refused = t.start("wrong", [t.squall, "pair", wrong])
    check(refused.wait(10) == 2, "a mistyped code is a usage error")
    number = len(code[:21].replace("-", ""))
    check(f"character {number} (group 3)" in refused.stderr() and f"right as '{code[20]}'" in refused.stderr(),
          refused.stderr())
    other, back = answer(t, enter, code, "--duration", "2s")
    typed(one, one.popen.stdin, back[:30])
    one.said("too short")
    typed(one, one.popen.stdin, code)
    one.said("this code is an offer")
    stranger, strange = answer(t, enter, offer(t, "--no-media")[1])
    typed(one, one.popen.stdin, strange)
    one.said("made for another offer")
    swapped = t.start("swapped", [t.squall, "pair", back])
    check(swapped.wait(10) == 2 and "is an answer" in swapped.stderr(), swapped.stderr())
    typed(one, one.popen.stdin, f"  {back.lower().replace('-', ' ')}  ")
    for process in one, other:
        check(process.wait(30) == 0, f"{process.name} gave {process.popen.returncode}: {process.stderr()}")
        check("audio" not in process.stdout(), f"no media was asked for: {process.stdout()}")
        check("round trip" in process.stdout(), f"nothing was measured: {process.stdout()}")
    for words, sentence in ((["--no-media", "--expect", "video.in.fps>5"], "without media there is no video.in.fps"),
                            (["--expect", "audio.in > 0 and score>=9"], "column 18: squall pair does not measure score")):
        hopeless = t.start("hopeless", [t.squall, "pair", "--local-ip", HERE, *words])
        check(hopeless.wait(10) == 2 and sentence in hopeless.stderr() and not CODE.search(hopeless.stdout()), hopeless.stderr())


def pair_alone(t):
    """Nobody answers: not connected is 3, no answer is a failed set-up, Ctrl-C is 130."""
    enter = neighbour(t)
    one, code = offer(t, "--wait", "4s")
    check(one.wait(20) == 3, f"nobody answered: {one.popen.returncode}")
    check("no answer came within 4s" in one.stdout(), one.stdout())
    check("not held" not in one.stdout(), f"there was no call to expect anything of: {one.stdout()}")
    ended = t.start("ended", [t.squall, "pair", "--local-ip", HERE], stdin=subprocess.PIPE)
    code_of(ended)
    ended.popen.stdin.close()
    check(ended.wait(10) == 3 and "before an answer came" in ended.stdout(), ended.stdout())
    stopped, _ = answer(t, enter, code)
    stopped.signal()
    check(stopped.wait(10) == 130, f"interrupted: {stopped.popen.returncode}")


def pair_half(t):
    """The other machine goes silent in the middle: the call failed, with its cause."""
    enter = neighbour(t)
    one, code = offer(t, "--duration", "60s", "--json", "one.json")
    other, back = answer(t, enter, code, "--duration", "60s")
    typed(one, one.popen.stdin, back)
    one.said("Connected")
    other.popen.kill()
    check(one.wait(60) == 1, f"lost: {one.popen.returncode} {one.stdout()}")
    causes = [f["cause"] for f in summary(t, one, "one.json")["failures"]]
    check(causes == ["media-lost"], f"{causes}")
    told_path(one)


def pair_realtime(t):
    """--realtime: the thread of the call goes before all else, and where that is not allowed there is no code."""
    process = t.start("forbidden", [
        need("setpriv"), "--bounding-set=-sys_nice", "--inh-caps=-sys_nice", need("prlimit"), "--rtprio=0:0",
        t.squall, "pair", "--local-ip", "127.0.0.1", "--realtime"])
    check(process.wait(10) == 2 and not process.stdout(), f"exit code {process.popen.returncode}: {process.stdout()}")
    check("--realtime" in process.stderr() and "CAP_SYS_NICE" in process.stderr(), process.stderr())
    test.note(process.stderr().strip())
    one = t.start("allowed", [t.squall, "pair", "--local-ip", "127.0.0.1", "--realtime"], stdin=subprocess.PIPE)
    code_of(one)
    until("the thread to go first", lambda: os.sched_getscheduler(one.pid) & ~os.SCHED_RESET_ON_FORK == os.SCHED_FIFO, 5)
    one.signal()
    check(one.wait(10) == 130, f"interrupted: {one.popen.returncode}")


def pair_twice(t):
    """Two people answer one offer: the call is the first one's, and the other is told why there is none."""
    enter = neighbour(t)
    one, code = offer(t, "--duration", "5s")
    other, back = answer(t, enter, code, "--duration", "5s")
    # Its code takes 5 s, for a STUN server that is dead: both knock at the offerer's door meanwhile.
    late, strange = answer(t, enter, code, "--duration", "5s", "--stun", f"{THERE}:9")
    check(f"Note: the STUN server {THERE}:9, asked at {THERE}:9, does not answer" in late.stderr(), late.stderr())
    typed(one, one.popen.stdin, back)
    one.said("Connected")
    check(late.wait(5) == 3, f"the late one gave {late.popen.returncode}: {late.stdout()}")
    check("the other side has taken the answer of somebody else to the same offer" in late.stdout(), late.stdout())
    typed(one, one.popen.stdin, strange)
    one.said("this offer has its answer already, and its call goes on")
    for process in one, other:
        check(process.wait(20) == 0, f"{process.name} gave {process.popen.returncode}: {process.stdout()}")
    test.note(late.stdout().strip())


def pair_terminal(t):
    """At a terminal, where lines are edited: pasted whole, in groups."""
    enter = neighbour(t)
    master, slave = pty.openpty()
    one = t.start("offerer", [t.squall, "pair", "--local-ip", HERE, "--duration", "2s"], stdin=slave)
    t.closers += [lambda: os.close(master), lambda: os.close(slave)]
    other, back = answer(t, enter, code_of(one), "--duration", "2s")
    time.sleep(3)  # somebody carries the code: not a time of the network's
    os.write(master, back.encode() + b"\r")
    for process in one, other:
        check(process.wait(30) == 0, f"{process.name} gave {process.popen.returncode}: {process.stdout()}")
        took = re.search(r"set up +ICE (\d+) ms, DTLS (\d+) ms", process.stdout())
        check(took and int(took[1]) + int(took[2]) < 2500, f"{process.name}: {process.stdout()}")
        test.note(f"{process.name}: {took[0]}")


if __name__ == "__main__":
    test.run([pair_veth, pair_killed, pair_slips, pair_alone, pair_half, pair_twice, pair_terminal, pair_realtime])
