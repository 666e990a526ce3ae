"""Networks that --network puts under each peer, held against what was set: on the wire where it can be seen there."""
import math
import re
import subprocess

from harness import test
from harness.proc import check
from harness.sandbox import ADDRESS, need
from harness.squall import CONSTANT
from harness.turn import PASSWORD, USER, Coturn
from test_wire import Capture, one_packet_at_a_time

CALM = ("--rate", "20/s", "--lateness-max", "500")


def packets_of(path, port):
    """(time, bytes of the IP packet) of each that left this port."""
    out = subprocess.run([need("tshark"), "-n", "-r", path, "-Y", f"udp.srcport == {port}", "-T", "fields", "-e", "frame.time_epoch",
                          "-e", "ip.len"], capture_output=True, text=True, check=True).stdout
    return [(float(time), int(size)) for time, size in (line.split() for line in out.splitlines())]


def network_rate(t):
    """What leaves a peer whose clip needs more than its link has is the link's rate, to 2 %."""
    one_packet_at_a_time("lo")
    capture = Capture(t)
    results = t.run("lab:echo", "--peers", 1, "--duration", "12s", "--network", "up.rate=400k", *CONSTANT, *CALM).finish()
    capture.finish()
    local = re.search(r":(\d+) ->", results.peers[0]["pair"])[1]
    packets = packets_of(capture.path, local)
    first = packets[0][0] + 3
    inside = [size for time, size in packets if first <= time < first + 8]
    rate = sum(inside) * 8 / 8 / 1e3
    test.note(f"{rate:.1f} kbit/s on the wire, 400 set, in {len(inside)} packets")
    check(abs(rate / 400 - 1) < 0.02, f"{rate:.1f} kbit/s on the wire, 400 were set")
    check(results.peers[0]["network"] == "up.rate=400k", results.peers[0]["network"])


def network_delay(t):
    """Round trips are longer by the delay of both ways; so is setting up, which takes several."""
    plain = t.run("lab:echo", "--peers", 4, "--duration", "6s", *CONSTANT, *CALM).finish()
    slow = t.run("lab:echo", "--peers", 4, "--duration", "12s", "--network", "up.delay=40ms,down.delay=60ms", *CONSTANT, *CALM).finish()
    slow.all_ok(4)
    for metric in "audio.out.rtt", "video.out.rtt":
        longer = slow.metric(metric, "p50") - plain.metric(metric, "p50")
        test.note(f"{metric}: {longer:.2f} ms longer, 100 set")
        check(abs(longer - 100) < 3, f"{metric} is {longer:.2f} ms longer, 100 were set")
    longer = slow.metric("setup.total", "p50") - plain.metric("setup.total", "p50")
    check(longer > 400, f"the set-up is {longer:.0f} ms longer; it takes four round trips at least")


def network_loss(t):
    """Lost packets are as many as chance makes of the share, each way by itself."""
    peers, share = 20, 0.05
    results = t.run("lab:echo", "--peers", peers, "--duration", "16s", "--network", "down.loss=5%", "--no-video", *CALM).finish()
    results.all_ok(peers)
    lost, came = results.total("audio.in", "lost"), results.total("audio.in", "packets")
    bound = 4 * math.sqrt(share * (1 - share) / (lost + came))
    test.note(f"{lost:.0f} of {lost + came:.0f} lost: {100 * lost / (lost + came):.2f} %, 5 set, to within {100 * bound:.2f}")
    check(abs(lost / (lost + came) - share) < bound, f"{lost} of {lost + came} lost")
    check(results.total("audio.out", "lost") == 0, "what was sent lost something, too")


def network_shares(t):
    """Each share of the peers in a network of its own, and the same again from the same seed."""
    words = ("--peers", 10, "--duration", "8s", "--network", "wifi@70%", "--network", "20packet", "--no-video", "--seed", 7, *CALM)
    results = t.run("lab:echo", *words).finish()
    results.all_ok(10)
    bad = [p for p in results.peers if p["network"] == "20packet"]
    check(len(bad) == 3, f"{len(bad)} of 10 peers in a network for 30 %")
    for peer in results.peers:
        loss = peer["audio.in.loss_percent"]
        check(loss > 20 if peer["network"] == "20packet" else loss < 5, f"{peer['network']}: {loss} % lost")


def network_firewall(t):
    """Behind a firewall that lets out TCP to port 443 alone, a TURN server there is the way; without one there is none."""
    coturn = Coturn(t, tls=True, tls_port=443)
    lab = t.lab(address=ADDRESS)
    relayed = ("--turn", coturn.tls_url(), "--turn-user", USER, "--turn-password", PASSWORD, "--ca", coturn.ca)
    words = ("--peers", 2, "--duration", "8s", "--network", "HTTPS only", *CALM)
    results = t.run(lab.room(), *words, *relayed).finish()
    results.all_ok(2)
    check({p["local_candidate"] for p in results.peers} == {"relay"}, f"{[p['pair'] for p in results.peers]}")
    results = t.run(lab.room(), *words, "--connect-timeout", "3s", "--turn", coturn.url(), "--turn-user", USER, "--turn-password",
                    PASSWORD).finish()
    check(results.code == 3 and results.summary["peers"]["ok"] == 0, f"exit code {results.code}: {results.summary['reason']}")
    check(coturn.count("session .* new") <= 2 and f"{ADDRESS}:{coturn.port}" in results.text + results.summary["reason"], results.text)


if __name__ == "__main__":
    test.run([network_rate, network_delay, network_loss, network_shares, network_firewall])
