"""What goes wrong outside Squall is told: the right exit code and cause, a sentence that names what it
is about, and nothing lost of what was measured."""
import fcntl
import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import time
import xml.etree.ElementTree

from harness import fakes, test
from harness.proc import check, until
from harness.sandbox import need

SOON = ("--answer-timeout", "1s", "--connect-timeout", "2s", "--media-timeout", "2s", "--duration", "4s", "--rate", "100/s",
        "--lateness-max", "500")


def refused(t, target, cause, words, *options, peers=2):
    """Nobody connects: exit code 3, that cause for all, and a sentence with all of `words`."""
    results = t.run(target, "--peers", peers, *SOON, *options).finish(40)
    check(results.code == 3, f"{target}: exit code {results.code}, expected 3")
    check(results.summary["verdict"] == "error", f"{target}: verdict {results.summary['verdict']}")
    check(results.causes() == {cause: peers}, f"{target}: causes {results.causes()}, expected {cause}; {results.summary['failures']}")
    sentence = results.message(cause)
    test.note(f"{cause}: {sentence}")
    for word in words:
        check(str(word) in sentence, f"{target}: '{sentence}' does not name {word}")
    check(sentence[:60] in results.summary["reason"], f"{target}: the reason does not say it: {results.summary['reason']}")
    check(cause in results.text and len(results.peers) == peers, f"{target}: text or peers.csv")
    return results


def bad_connect(t):
    port = fakes.closed_port()
    for scheme, path in (("room+ws", "/room"), ("whip+http", "/whip"), ("janus+ws", "/?plugin=echotest")):
        refused(t, f"{scheme}://127.0.0.1:{port}{path}", "connect", [f"127.0.0.1:{port}"])


def bad_silence(t):
    port = fakes.silent(t).port
    for scheme, path in (("room+ws", "/room"), ("whip+http", "/whip"), ("janus+ws", "/?plugin=echotest")):
        refused(t, f"{scheme}://127.0.0.1:{port}{path}", "timeout", [f"127.0.0.1:{port}"])


def bad_hang_up(t):
    port = fakes.hangs_up(t).port
    for scheme, path in (("room+ws", "/room"), ("whip+http", "/whip"), ("janus+ws", "/?plugin=echotest")):
        refused(t, f"{scheme}://127.0.0.1:{port}{path}", "signaling", [f"127.0.0.1:{port}"])


def bad_answers(t):
    lab = t.lab()
    real = lab.http("/whip/echo")

    def fingerprint(sdp):
        # Another one, as well formed as the right one.
        return re.sub(r"(a=fingerprint:\S+ )(\w\w)", lambda m: m[1] + ("00" if m[2] != "00" else "01"), sdp)

    def password(sdp):
        # Nobody's checks are answered then: the lab does not know whose they are.
        return re.sub(r"(a=ice-pwd:)\S", r"\g<1>=", sdp)

    def no_transport(sdp):
        return re.sub(r"a=(ice-ufrag|ice-pwd):.*\r\n", "", sdp)
    for name, answer, cause, words in (
            ("garbage", lambda offer: (201, fakes.SDP, "<html>It works!</html>"), "protocol", ["answer"]),
            ("not SDP", lambda offer: (201, {**fakes.SDP, "Content-Type": "text/html"}, "v=0\r\n"), "protocol", ["text/html"]),
            ("no ICE", fakes.changed_answer(real, no_transport), "protocol", ["ice"]),
            ("fingerprint", fakes.changed_answer(real, fingerprint), "dtls", ["fingerprint"]),
            ("password", fakes.changed_answer(real, password), "ice", ["2 s"]),
            ("404", lambda offer: (404, {}, "no such stream"), "signaling", ["404"]),
            ("401", lambda offer: (401, {"WWW-Authenticate": "Bearer"}, ""), "auth", ["401"]),
            ("500", lambda offer: (500, {}, "oh"), "signaling", ["500"])):
        test.note(name)
        refused(t, fakes.Whip(t, answer).target(), cause, words)
    # A room of the lab takes what is published, and sends none of it back.
    refused(t, "whip+" + lab.http("/whip/stage"), "no-media", ["no media for us", "--echo"], "--echo")


def bad_certificate(t):
    cert, key = t.folder / "cert.pem", t.folder / "key.pem"
    subprocess.run([need("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-days", "2", "-subj", "/CN=lab", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert],
                   check=True, capture_output=True)
    lab = t.lab("--cert", cert, "--key", key)
    check(lab.secure, "the lab does not speak TLS")
    rooms = fakes.tls(t, cert, key, t.lab().port).port
    for target, ask in ((f"room+wss://127.0.0.1:{rooms}/room", ()), ("whip+" + lab.http("/whip/echo"), ("--echo",))):
        refused(t, target, "tls", ["127.0.0.1"])
        for options in (("--insecure",), ("--ca", cert)):
            results = t.run(target, "--peers", 2, "--rate", "10/s", "--duration", "1500ms", *ask, *options,
                            "--lateness-max", "500").finish()
            results.all_ok(2)


def bad_limits(t):
    """Root may raise its limits: without CAP_SYS_RESOURCE it is as anybody else."""
    process = t.start("limited", [
        need("setpriv"), "--bounding-set=-sys_resource", "--inh-caps=-sys_resource",
        need("prlimit"), "--nofile=400:400", t.squall, "run", "lab:", "--peers", 500, "--out", t.folder / "none"])
    check(process.wait(10) == 2, f"exit code {process.popen.returncode}, expected 2")
    sentence = process.stderr().strip()
    test.note(sentence)
    check("--peers 500" in sentence and "400" in sentence and "ulimit -n" in sentence, sentence)
    check(not (t.folder / "none").exists(), "results of a run that never began")


def interrupted(t, run):
    return until("all to be connected", lambda: "2 connected" in run.process.stderr(), 15)


def bad_interrupt(t):
    run = t.run("lab:", "--peers", 2, "--rate", "10/s", "--duration", "60s", "--lateness-max", "500")
    interrupted(t, run)
    run.process.signal(signal.SIGINT)
    results = run.finish(15)
    check(results.code == 130, f"exit code {results.code}, expected 130")
    summary = results.summary
    check(summary["run"]["interrupted"] and summary["exit_code"] == 130 and summary["verdict"] == "error", summary["reason"])
    check(summary["peers"]["ok"] == 2, f"they left in good order: {summary['peers']}")
    check(results.metric("audio.in.bitrate", "count") > 0, "what was measured is gone")
    check("Interrupted" in results.errors, results.errors)


def bad_interrupt_twice(t):
    """The second time everything ends at once, though the server holds on to those who want to leave."""
    lab = t.lab()
    server = fakes.Whip(t, fakes.changed_answer(lab.http("/whip/echo"), lambda sdp: sdp), clings=True)
    run = t.run(server.target(), "--peers", 2, "--rate", "10/s", "--duration", "60s", "--answer-timeout", "20s", "--echo",
                "--lateness-max", "500")
    interrupted(t, run)
    run.process.signal(signal.SIGINT)
    run.process.said("Interrupted", 5)
    began = time.monotonic()
    run.process.signal(signal.SIGINT)
    results = run.finish(10)
    took = time.monotonic() - began
    test.note(f"over {took:.2f} s after the second time")
    check(took < 1.5, f"it took {took:.1f} s after the second time")
    check(results.code == 130, f"exit code {results.code}, expected 130")
    check(results.metric("audio.in.bitrate", "count") > 0, "what was measured is gone")


def catches(process, number):
    status = open(f"/proc/{process.pid}/status").read()
    return int(re.search(r"SigCgt:\s*(\w+)", status)[1], 16) >> (number - 1) & 1


def bad_signals(t):
    """A signal ends it while a name is looked up, and while a pipe's reader does not read: results are written by then."""
    (t.folder / "resolv.conf").write_text("nameserver 127.0.0.1\n")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:  # a name server that does not answer
        deaf.bind(("127.0.0.1", 53))
        for words in (["run", "lab:", "--stun", "slow.example"], ["run", "whip+http://slow.example/"],
                      ["pair", "--stun", "slow.example", "--local-ip", "127.0.0.1"]):
            process = t.start("early", [need("unshare"), "--mount", "sh", "-c", 'mount --bind resolv.conf /etc/resolv.conf; exec "$@"',
                                        "sh", t.squall, *words])
            until("its question", lambda: select.select([deaf], [], [], 0)[0], 10)
            deaf.recv(2000)
            process.signal(signal.SIGINT)
            check(process.wait(5) == 130, f"{words}: exit code {process.popen.returncode}, expected 130")
            check("interrupted before it began" in process.stderr(), process.stderr())
            while select.select([deaf], [], [], 0)[0]:
                deaf.recv(2000)
    fifo, junit = t.folder / "fifo", t.folder / "one.xml"
    os.mkfifo(fifo)
    # A recording that comes through a pipe, which nobody writes to.
    process = t.start("waits", [t.squall, "media", "replay", fifo, "lab:echo"])
    until("it to listen to signals", lambda: catches(process, signal.SIGTERM), 20)
    process.signal(signal.SIGTERM)
    check(process.wait(5) == 130, f"exit code {process.popen.returncode}, expected 130")
    # With nohup a run goes on when the terminal goes away.
    run = t.run("lab:", "--peers", 2, "--rate", "10/s", "--duration", "2s", "--lateness-max", "500", prefix=[need("nohup")])
    until("all to be connected", lambda: "2 connected" in run.process.stderr(), 15)
    run.process.signal(signal.SIGHUP)
    check(run.finish(15).code == 0, "nohup does not keep it")
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, 4096)  # less than the report
    run = t.run("lab:", "--peers", 2, "--rate", "10/s", "--duration", "1500ms", "--html", fifo, "--junit", junit, "--lateness-max", "500")
    until("results", lambda: junit.exists(), 15)
    time.sleep(0.3)
    check(run.process.running(), "it did not wait for the reader")
    run.process.signal(signal.SIGINT)
    check(run.process.wait(5) == 130, f"exit code {run.process.popen.returncode}, expected 130")
    check((run.folder / "summary.json").exists() and "2 ok" in run.process.stdout(), "results are lost")
    os.close(reader)


def bad_folder(t):
    """A place that cannot be written is told before the run; one that goes bad meanwhile is told, and the rest is written."""
    (t.folder / "file").write_text("")
    run = t.run("lab:", "--peers", 2, "--duration", "1500ms", out=t.folder / "file" / "results")
    code = run.process.wait(10)
    check(code == 2, f"exit code {code}, expected 2")
    check(str(t.folder / "file") in run.process.stderr(), f"the folder is not named: {run.process.stderr()}")
    check("connected" not in run.process.stderr(), "the run began all the same")

    json_file = t.folder / "one.json"
    run = t.run("lab:", "--peers", 2, "--rate", "10/s", "--duration", "3s", "--json", json_file, "--lateness-max", "500",
                out=t.folder / "later")
    until("all to be connected", lambda: "2 connected" in run.process.stderr(), 15)
    (t.folder / "later").rmdir()  # made before the run
    (t.folder / "later").write_text("")
    code = run.process.wait(30)
    check(code == 2, f"exit code {code}, expected 2")
    said = run.process.stderr()
    test.note(said.strip().splitlines()[-1])
    check(str(t.folder / "later") in said, f"the folder is not named: {said}")
    check("2 ok" in run.process.stdout() and "! INCOMPLETE  every expectation held, but" in run.process.stdout(), "the verdict was not shown")
    check("PASS" not in run.process.stdout(), "it is called a pass")
    check("(exit code 2)" in run.process.stdout() and "(exit code 0)" not in run.process.stdout(), "another exit code is told than comes")
    check(json_file.exists(), "--json FILE was not written, though it could be")
    check(json.loads(json_file.read_text())["exit_code"] == 2, "--json FILE has another exit code than comes")
    check("Report:" not in run.process.stdout(), "a report is claimed that was not written")

    # Room for junit.xml and none for the report: what is there must not be taken for a pass.
    out = t.folder / "full"
    line = " ".join(map(str, (t.squall, "run", "lab:", "--peers", 2, "--rate", "10/s", "--duration", "1500ms", "--lateness-max", 500,
                              "--junit", t.folder / "own.xml", "--out", out)))
    process = t.start("full", ["bash", "-c", f"ulimit -f 10; exec {line}"])
    check(process.wait(30) == 2, f"exit code {process.popen.returncode}, expected 2")
    check(not (out / "report.html").exists(), "the limit is too high for this test")
    check("! INCOMPLETE" in process.stdout() and "PASS" not in process.stdout(), process.stdout())
    for path in (out / "junit.xml", t.folder / "own.xml"):
        suite = xml.etree.ElementTree.parse(path).getroot().find("testsuite")
        check(suite.get("errors") == "1" and suite.get("failures") == "0", f"{suite.attrib}")
        [error] = suite.findall("testcase/error")
        test.note(error.get("message"))
        check(str(out / "report.html") in error.get("message"), error.get("message"))
        properties = {p.get("name"): p.get("value") for p in suite.findall("properties/property")}
        check(properties["verdict"] == "incomplete" and "report" not in properties, f"{properties}")


def bad_family(t):
    """Addresses of one family, and a service of the other: told at the beginning, and by those who wait or fail."""
    words = "1 local (IPv6) and 1 remote (IPv4) candidates, no pair of them"
    for duration, timeout in (("1s", "5s"), ("5s", "1s")):
        results = t.run("lab:", "--peers", 1, "--local-ip", "::1", "--duration", duration, "--connect-timeout", timeout,
                        "--dump", 1).finish(20)
        check(results.code == 3, f"exit code {results.code}, expected 3")
        check("--local-ip names IPv6 only" in results.errors, results.errors)
        check(words in results.summary["reason"] and words in results.peers[0]["message"], results.summary["reason"])
        test.note(results.summary["reason"])
        dump = json.loads(next((results.folder / "webrtc-internals").glob("*.json")).read_text())
        types = {s["statsType"] for c in dump["PeerConnections"].values() for s in c["stats"].values()}
        check({"local-candidate", "remote-candidate", "transport"} <= types, f"a peer that never connected shows {types}")


def bad_earlier(t):
    """A folder that is used again holds the files of the last run alone, and what Squall has not written."""
    folder = t.folder / "again"
    short = ("--peers", 2, "--rate", "10/s", "--duration", "2s", "--lateness-max", "500")
    t.run("lab:echo", *short, "--dump", 2, "--record", 2, "--record-sent", "--record-format", "webm,ogg,rtpdump,pcap",
          out=folder).finish()
    before = sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
    for suffix in ("webm", "ogg", "rtpdump", "pcap", "json", "csv", "xml", "html"):
        check(any(name.endswith("." + suffix) for name in before), f"no .{suffix}: {before}")
    (folder / "record" / "notes.txt").write_text("mine")
    dump = next((folder / "record").glob("*video*.rtpdump"))

    # What does not begin deletes nothing; what is to be sent is not deleted first.
    for words, expected in ((["run", "lab:", "--peers", "none"], "--peers"), (["run", "gopher://host/"], "gopher"),
                            (["run", "lab:", "--media", "nothing-such"], "nothing-such"),
                            (["media", "replay", dump, "lab:echo"], "is what the run is to send")):
        process = t.start("refused", [t.squall, *words, "--out", folder])
        check(process.wait(10) == 2 and expected in process.stderr(), f"{words}: {process.popen.returncode}, {process.stderr()}")
        still = sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
        check(still == sorted([*before, "record/notes.txt"]), f"{words}: {still}")

    results = t.run("lab:echo", *short, out=folder).finish()
    results.all_ok(2)
    after = sorted(str(p.relative_to(folder)) for p in folder.rglob("*"))
    check(after == ["junit.xml", "peers.csv", "record", "record/notes.txt", "report.html", "summary.json", "timeline.csv"], f"{after}")


def bad_usage(t):
    fifo = t.folder / "fifo"
    os.mkfifo(fifo)
    for words, expected in (
            (["lab:", "--json", fifo], ["--json", "nobody reads"]),
            (["lab:", "--data", "1/s:100", "--data-mode", "ordered,unordered"], ["--data-mode", "not both"]),
            (["lab:", "--peers", "many"], ["--peers", "many"]),
            (["lab:", "--expect", "video.in.los < 1"], ["video.in.los", "column 1"]),
            (["lab:", "--duration", "10"], ["--duration", "10"]),
            (["gopher://host/"], ["gopher://host/", "janus+ws://"]),
            (["lab:", "--media", "nothing-such"], ["--media", "nothing-such"]),
            (["whip+http://127.0.0.1:99999/x"], ["99999", "65535"]),
            (["lab:", "--local-ip", "0.0.0.0"], ["--local-ip 0.0.0.0", "not an address of this machine"]),
            (["lab:", "--local-ip", "239.1.1.1-239.1.1.9"], ["--local-ip 239.1.1.1-239.1.1.9", "not an address of this machine"]),
            (["lab:", "--local-ip", "192.0.2.77"], ["--local-ip 192.0.2.77", "not an address of this machine"]),
            (["lab:", "--json", "-", "--html", "-"], ["--json and --html: both are -"]),
            (["lab:", "--ca", "/etc/passwd"], ["--ca /etc/passwd", "certificates in PEM"]),
            (["lab:", "--ca", t.folder], [f"--ca {t.folder}", "certificates in PEM"]),
            (["lab:", "--ca", t.folder / "none.pem"], ["none.pem", "No such file"]),
            (["janus+ws://127.0.0.1:1/"], ["target 'janus+ws://127.0.0.1:1/'", "the plug-in is missing"]),
            (["lab:", "--echo"], ["--echo", "lab:", "lab:echo"]),
            (["janus+ws://127.0.0.1:1/?plugin=echotest", "--echo"], ["--echo", "the target is janus+ws"]),
            (["lab:", "--turn", "turn:alice:s3cret@192.0.2.1"], ["--turn turn:***@192.0.2.1", "credentials do not belong"]),
            (["lab:", "-token=s3cret"], ["unknown option -token "]),
            (["lab:", "--rate", "1000/s", "--hold", "1s", "--duration", "1h"], ["are 3600000", "of 2000000 at most"]),
            ([], ["target"])):
        process = t.start("usage", [t.squall, "run", *words])
        check(process.wait(10) == 2, f"{words}: exit code {process.popen.returncode}, expected 2")
        for word in expected:
            check(word in process.stderr(), f"{words}: '{process.stderr()}' does not name {word}")
        check("s3cret" not in process.stderr(), f"{words}: a secret is shown: {process.stderr()}")
    for ip in "0.0.0.0", "192.0.2.77":
        process = t.start("lab", [t.squall, "lab", "--listen", "127.0.0.1:0", "--media-ip", ip])
        check(process.wait(10) == 2 and f"--media-ip {ip}: {ip} is not an address" in process.stderr(), process.stderr())
        t.processes.remove(process)  # which is not a lab that was asked to end
    for path, expected in ((fifo, "nobody reads"), (t.folder, "is a folder"), (t.folder / "none" / "x.json", "its folder is not there"),
                           ("/proc/x.json", "cannot write there")):
        for command in (["pair", "--local-ip", "127.0.0.1"], ["run", "lab:", "--peers", "1"]):
            process = t.start("place", [t.squall, *command, "--json", path])
            check(process.wait(10) == 2, f"{command} --json {path}: exit code {process.popen.returncode}, expected 2")
            check(f"--json {path}: {expected}" in process.stderr(), f"{command} --json {path}: {process.stderr()}")
            check(process.stdout() == "", f"{command} --json {path}: it began: {process.stdout()}")
    asked = t.start("info", [t.squall, "media", "info", "--help"])
    check(asked.wait(10) == 0 and "Usage: squall media info" in asked.stdout(), asked.stdout() + asked.stderr())
    for option, word in (("--codec=", "--codec"), ("--ladder=", "--ladder"), ("--codec=opus", "no video codec")):
        process = t.start("prepare", [t.squall, "media", "prepare", "in.mkv", option])
        check(process.wait(10) == 2 and word in process.stderr(), f"{option}: '{process.stderr()}' does not name {word}")


def bad_standstill(t):
    """A service that stops dead in the midst of a run, and does not hang up: nobody was served to the end."""
    lab = t.lab()
    began = time.monotonic()
    run = t.run(lab.room(), "--peers", 3, "--rate", "20/s", "--duration", "12s", "--lateness-max", "500", "--expect", "peers.ok == 100%",
                "--expect", "video.in.loss < 1%")
    until("all to be connected", lambda: "3 connected" in run.process.stderr(), 15)
    time.sleep(max(0, began + 5.6 - time.monotonic()))  # little more than the six seconds of silence that it takes
    lab.process.signal(signal.SIGSTOP)
    results = run.finish(60)
    lab.process.signal(signal.SIGCONT)
    check(results.code == 1, f"exit code {results.code}: {results.summary['reason']}")
    check(results.causes() == {"media-lost": 3}, f"{results.summary['failures']}")
    test.note(results.message("media-lost"))
    check("nothing came for" in results.message("media-lost"), results.message("media-lost"))


def starved_search(t):
    """A search whose process is held up for 60 ms of each 100: none of its trials says anything of the service."""
    out = t.folder / "capacity"
    search = t.start("search", [t.squall, "capacity", t.lab().room(), "--grow", "rooms", "--room-size", "2", "--from", "2", "--most", "2",
                                "--rate", "20/s", "--no-video", "--hold", "1s", "--hold-most", "1s", "--pause", "50ms",
                                "--expect", "peers.ok == 100%", "--out", out])
    search.said("How many rooms fit?")
    deadline = time.monotonic() + 60
    while search.running():
        check(time.monotonic() < deadline, "the search does not end")
        for number, seconds in (signal.SIGSTOP, 0.06), (signal.SIGCONT, 0.04):
            search.signal(number)
            time.sleep(seconds)
    said = search.stdout()
    check(search.popen.returncode == 4, f"exit code {search.popen.returncode}: {search.stderr()}{said}")
    check("No level held; from 1 room, 2 peers on Squall itself was at its limit, so what the service can do beyond is not known." in said, said)
    check("Squall's own limit, not the service's: the generator was the bottleneck" in said, said)
    check("failed from" not in said and "What broke first" not in said, said)
    found = json.loads((out / "capacity.json").read_text())
    [own] = found["searches"]
    check(own["bounded_by"] == "generator" and own["held"] is None and found["exit_code"] == 4, f"{own}, exit code {found['exit_code']}")
    check([level["outcome"] for level in found["levels"]] == ["invalid", "invalid"], f"{found['levels']}")
    check(own["limit"]["invalid"] == 2 and own["limit"]["trials"] == 0, f"{own['limit']}")  # none that counts
    check(all(level["generator"]["lateness_p99_ms"] > 20 for level in found["levels"]), f"{found['levels']}")
    test.note(f"the search: {found['levels'][-1]['reason']}")


def bad_starved(t):
    """A generator that gets only what another program leaves of its core says so, and nothing else; a search does not take it for what
    the service holds."""
    core = str(min(os.sched_getaffinity(0)))
    # In one session: the kernel shares a core out between sessions before it looks at priorities.
    starve = """python=$1 core=$2; shift 2
        taskset -c $core $python -c 'while True: pass' &
        exec taskset -c $core nice -n 15 "$@" """  # 3 % of the core; at 19 it would be 1.4 %, and a minute
    for program in ("taskset", "nice"):
        need(program)
    run = t.run("lab:", "--peers", 20, "--rate", "20/s", "--duration", "3s", "--no-video",
                prefix=["sh", "-c", starve, "starve", sys.executable, core])
    results = run.finish(110)
    run.process.stop()
    summary = results.summary
    test.note(summary["reason"])
    check(results.code == 4 and summary["verdict"] == "invalid", f"exit code {results.code}, verdict {summary['verdict']}")
    check(not summary["generator"]["ok"] and "generator was the bottleneck" in summary["reason"], summary["reason"])
    check(summary["generator"]["lateness_ms"]["p99"] > 20 and "late" in summary["generator"]["reason"], f"{summary['generator']}")
    starved_search(t)  # not beside it, which would take longer still


def policies(pid):
    """The scheduling policy of each of its threads (proc_pid_stat(5), field 41)."""
    found = []
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/stat") as stat:
            found.append(int(stat.read().rpartition(")")[2].split()[38]))
    return found


def realtime(t):
    """--realtime: the generator's threads, and no others, go before all else, and where that is not allowed nothing begins."""
    process = t.start("forbidden", [
        need("setpriv"), "--bounding-set=-sys_nice", "--inh-caps=-sys_nice", need("prlimit"), "--rtprio=0:0",
        t.squall, "run", "lab:", "--realtime", "--out", t.folder / "none"])
    check(process.wait(10) == 2, f"exit code {process.popen.returncode}, expected 2")
    test.note(process.stderr().strip())
    check("--realtime" in process.stderr() and "CAP_SYS_NICE" in process.stderr(), process.stderr())
    check(not (t.folder / "none").exists(), "results of a run that never began")
    run = t.run(t.lab().room(), "--peers", 4, "--threads", 2, "--rate", "20/s", "--duration", "4s", "--no-video", "--realtime")
    until("all to be connected", lambda: "4 connected" in run.process.stderr(), 15)
    found = policies(run.process.popen.pid)
    fifo = [policy for policy in found if policy == os.SCHED_FIFO]
    check(len(fifo) == 2 and len(found) > 2 and all(policy in (os.SCHED_FIFO, os.SCHED_OTHER) for policy in found), f"policies {found}")
    results = run.finish(30)
    check(results.code == 0 and results.summary["config"]["realtime"] is True, f"exit code {results.code}: {results.summary['reason']}")


if __name__ == "__main__":
    test.run([bad_connect, bad_silence, bad_hang_up, bad_answers, bad_certificate, bad_limits, bad_interrupt,
              bad_interrupt_twice, bad_signals, bad_folder, bad_family, bad_earlier, bad_usage, bad_standstill,
              bad_starved, realtime])
