"""Relays: Squall through coturn and ejabberd to its own lab and to Janus, over every carrier, with both kinds of
credentials, with all that a server may refuse, and off the relay again."""
import os
import re
import signal
import socket
import subprocess
import time

from harness import test
from harness.janus import Janus
from harness.proc import check, until
from harness.sandbox import ADDRESS, udp_drops
from harness.turn import PASSWORD, SECRET, USER, Coturn, Ejabberd

CREDENTIALS = ("--turn-user", USER, "--turn-password", PASSWORD)
LOAD = ("--rate", "10/s", "--lateness-max", "200")


def call(t, turn_url, *options, peers=4, duration="6s", target=None, credentials=CREDENTIALS, env=None):
    target = target or t.lab(address=ADDRESS).room()
    return t.run(target, "--peers", peers, "--duration", duration, "--turn", turn_url, *credentials, *LOAD, *options,
                 env=env).finish()


def all_relayed(results, peers, loss_allowed=False):
    results.all_ok(peers)
    for peer in results.peers:
        check(peer["local_candidate"] == "relay", f"{peer['peer']} went by {peer['pair']}, a {peer['local_candidate']} candidate")
        check(peer["video.in.frames"] > 50, f"{peer['peer']}: {peer['video.in.frames']:.0f} frames in")
    check(loss_allowed or results.metric("video.in.loss", "max") == 0, "loss")


def turn_udp(t):
    coturn = Coturn(t)
    results = call(t, coturn.url(), "--ice", "relay")
    all_relayed(results, 4)
    test.note(f"setup.ice p50 {results.metric('setup.ice', 'p50'):.1f} ms, pair {results.peers[0]['pair']}")
    [turn] = results.summary["turn"]
    check((turn["asked"], turn["relays"], turn["note"]) == (4, 4, ""), f"{turn}")
    check("gave no relay" not in results.text, results.text)
    # Four allocations were made, bound channels, and were given back, not left to run out.
    check(coturn.count("ALLOCATE processed, success") == 4, coturn.said())
    check(coturn.count("CHANNEL_BIND processed, success") >= 4, coturn.said())
    check(coturn.count("refreshed, realm=<[^>]*>, username=<[^>]*>, lifetime=0") == 4 or
          coturn.count("lifetime=0") >= 4, coturn.said())


def turn_tcp(t):
    coturn = Coturn(t)
    all_relayed(call(t, coturn.url("tcp"), "--ice", "relay"), 4)


def turn_tls(t):
    coturn = Coturn(t, tls=True)
    all_relayed(call(t, coturn.tls_url(), "--ice", "relay", "--ca", coturn.ca), 4)
    # Without the authority the certificate is refused, and the peer says so.
    results = call(t, coturn.tls_url(), "--ice", "relay", peers=1, duration="3s")
    check(results.causes() == {"tls": 1}, f"{results.summary['failures']}")
    test.note(results.message("tls"))


def turn_dtls(t):
    coturn = Coturn(t, "-L", "127.0.0.1", tls=True)
    results = call(t, coturn.tls_url("udp"), "--ice", "relay", "--ca", coturn.ca)
    all_relayed(results, 4)
    test.note(f"setup.ice p50 {results.metric('setup.ice', 'p50'):.1f} ms, pair {results.peers[0]['pair']}")
    check(coturn.count("ALLOCATE processed, success") == 4, coturn.said())
    # Not by TLS over TCP, which is heard on the same port.
    check(coturn.count("lifetime=600, cipher=[^,]*, method=DTLSv1.2") == 4, coturn.said())
    all_relayed(call(t, coturn.tls_url("udp"), "--ice", "relay", "--insecure", peers=2), 2)
    # A certificate of an authority that nobody knows, one for another address, and nobody there.
    for url, options, cause, words in (
            (coturn.tls_url("udp"), (), "tls", "certificate is not accepted: unable to get local issuer certificate"),
            (coturn.tls_url("udp").replace(ADDRESS, "127.0.0.1"), ("--ca", coturn.ca), "tls", "IP address mismatch"),
            (f"turns:{ADDRESS}:3999?transport=udp", (), "connect", "nobody listens for DTLS there")):
        results = call(t, url, "--ice", "relay", *options, peers=1, duration="3s")
        check(results.causes() == {cause: 1}, f"{url}: {results.summary['failures']}")
        check(words in results.message(cause), results.message(cause))
        test.note(results.message(cause))


def turn_rest(t):
    coturn = Coturn(t, rest=True)
    all_relayed(call(t, coturn.url(), "--ice", "relay", credentials=("--turn-secret", SECRET)), 4)
    # From the environment, and nowhere in what is written.
    results = call(t, coturn.url(), "--ice", "relay", "--no-trickle", peers=2, credentials=(),
                   env={**os.environ, "SQUALL_TURN_SECRET": SECRET})
    all_relayed(results, 2)
    for path in results.folder.rglob("*"):
        check(not path.is_file() or SECRET.encode() not in path.read_bytes(), f"{path} holds the secret")


def turn_wrong_password(t):
    coturn = Coturn(t)
    results = call(t, coturn.url(), "--ice", "relay", peers=2, duration="3s",
                   credentials=("--turn-user", USER, "--turn-password", "guess"))
    check(results.causes() == {"auth": 2}, f"{results.summary['failures']}")
    check(re.search("refused the credentials of user 'anna': 401", results.message("auth")), results.message("auth"))
    check("guess" not in (results.folder / "summary.json").read_text(), "the password is in summary.json")
    test.note(results.message("auth"))
    # With other ways to connect it is told, and the call is made.
    results = call(t, coturn.url(), "--dump", 1, peers=1, credentials=("--turn-user", USER, "--turn-password", "guess"))
    results.all_ok(1)
    dump = next((results.folder / "webrtc-internals").glob("*.json")).read_text()
    check("refused the credentials" in dump, "the dump does not tell of the relay")


def turn_quota(t):
    coturn = Coturn(t, "--user-quota", 2)
    results = call(t, coturn.url(), "--ice", "relay")
    check(results.causes() == {"ice": 2}, f"{results.summary['failures']}")
    check("486" in results.message("ice"), results.message("ice"))
    test.note(results.message("ice"))


def turn_stale_nonce(t):
    """coturn looks at a nonce's age with each request: the calls outlive several."""
    coturn = Coturn(t, "--stale-nonce=2", "--max-allocate-lifetime=6", "--channel-lifetime=600")
    results = call(t, coturn.url(), "--ice", "relay", peers=2, duration="12s")
    all_relayed(results, 2)
    stale = coturn.count("error 438")
    test.note(f"{stale} stale nonces told by coturn")
    check(stale >= 4, f"{stale} stale nonces: {coturn.said()[-3000:]}")  # two of each peer's
    check(coturn.count("REFRESH processed, success") >= 4, coturn.said()[-3000:])


def turn_alternate(t):
    other = Coturn(t, port=3500, relay=(31000, 31999))
    first = Coturn(t, "--alternate-server", f"{ADDRESS}:{other.port}")
    results = call(t, first.url(), "--ice", "relay", "--dump", 1, peers=2)
    all_relayed(results, 2)
    check(other.count("ALLOCATE processed, success") == 2 and first.count("ALLOCATE processed, success") == 0, first.said())


def turn_nobody(t):
    results = call(t, f"turn:{ADDRESS}:3999?transport=tcp", "--ice", "relay", peers=1, duration="3s")
    check(results.causes() == {"connect": 1}, f"{results.summary['failures']}")
    test.note(results.message("connect"))


    # A closed UDP port is told by ICMP: at once, not when the time to connect is over.
    closed = f"turn:{ADDRESS}:3999"
    results = call(t, closed, "--ice", "relay", peers=2, duration="8s")
    check(results.causes() == {"connect": 2}, f"{results.summary['failures']}")
    check(f"{closed} cannot be reached: port unreachable (ICMP)" in results.message("connect"), results.message("connect"))
    took = max(peer["end_ms"] - peer["start_ms"] for peer in results.peers)
    check(500 <= took < 2000, f"it took {took:.0f} ms to fail")
    check(results.summary["turn"][0]["failed"] == 2, f"{results.summary['turn']}")
    test.note(f"after {took:.0f} ms: {results.message('connect')}")
    # One that is silent, when the run ends before the peers' patience does.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind((ADDRESS, 0))
        url = f"turn:{ADDRESS}:{deaf.getsockname()[1]}"
        results = call(t, url, "--ice", "relay", peers=2, duration="3s")
        check(results.code == 3 and results.summary["peers"]["pending"] == 2, f"{results.code}, {results.summary['peers']}")
        for where in results.summary["reason"], results.peers[1]["message"], results.text:
            check(f"the TURN server {url} does not answer: nobody answered for" in where, where)
        test.note(results.summary["reason"])
        # With other candidates the call is made, and the server is told all the same; so it is as a STUN server,
        # beside one that lives.
        lab, name = t.lab(address=ADDRESS), url.removeprefix("turn:")
        results = call(t, url, "--ice", "all", "--stun", name, "--stun", lab.stun, peers=2, duration="3s", target=lab.room())
        results.all_ok(2)
        dead, alive = results.summary["stun"]
        check((dead["server"], dead["address"], dead["asked"], dead["answered"], dead["unanswered"]) == (name, name, 2, 0, 2), f"{dead}")
        check((alive["asked"], alive["answered"], alive["note"]) == (2, 2, ""), f"{alive}")
        for where in dead["note"], results.text, (results.folder / "report.html").read_text():
            check(f"{name} told 2 of 2 peers no address" in where and "701" in where, where)
        [turn] = results.summary["turn"]
        check((turn["server"], turn["asked"], turn["relays"], turn["unanswered"]) == (url, 2, 0, 2), f"{turn}")
        for where in turn["note"], results.text, (results.folder / "report.html").read_text():
            check(f"{url} gave no relay to 2 of 2 peers" in where, where)
        test.note(turn["note"])


def turn_rejected(t):
    """A router's ICMP "administratively prohibited", as a firewall's reject sends it: the service cannot be reached,
    and the generator is not to blame."""
    router = t.start("router", ["unshare", "--net", "sleep", "60"])
    inside = ["nsenter", "-t", str(router.pid), "-n"]
    until("a network of the router's own",
          lambda: os.readlink(f"/proc/{router.pid}/ns/net") != os.readlink("/proc/self/ns/net"), 5)
    for command in (["ip", "link", "add", "out0", "type", "veth", "peer", "name", "in0", "netns", str(router.pid)],
                    ["ip", "addr", "add", "192.0.2.1/24", "dev", "out0"], ["ip", "link", "set", "out0", "up"],
                    inside + ["ip", "addr", "add", "192.0.2.2/24", "dev", "in0"],
                    inside + ["ip", "link", "set", "in0", "up"],
                    inside + ["sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv4.icmp_ratelimit=0"],
                    inside + ["ip", "route", "add", "prohibit", "198.51.100.0/24"],
                    inside + ["ip", "route", "add", ADDRESS, "via", "192.0.2.1"],
                    ["ip", "route", "add", "198.51.100.0/24", "via", "192.0.2.2"]):
        subprocess.run(command, check=True)
    results = call(t, "turn:198.51.100.9", "--ice", "relay", peers=2, duration="8s")
    check(results.summary["verdict"] == "error", f"{results.summary['verdict']}: {results.summary['reason']}")
    check("turn:198.51.100.9 cannot be reached: host unreachable" in results.message("connect"), results.message("connect"))
    took = max(peer["end_ms"] - peer["start_ms"] for peer in results.peers)
    test.note(f"after {took:.0f} ms: {results.message('connect')}")


def turn_killed(t):
    """A server that dies within the calls it relays is named, and its relays are lost; also where the service's own
    ICE gives up first and it ends the session, as it does to about half of those who have been in it for a while."""
    coturn = Coturn(t)
    lab = t.lab(address=ADDRESS)
    relayed = ("--turn", coturn.url(), *CREDENTIALS, *LOAD, "--ice", "relay")
    # All of its peers at once, six seconds before: by then consent has been asked for from both sides.
    others = [(t.run(lab.room(), "--peers", 12, "--duration", "60s", "--room", "long", "--no-video", *relayed, "--rate", "50/s"), 12)]
    janus = Janus(t)
    began = time.monotonic()
    short = t.run(lab.room(), "--peers", 2, "--duration", "14s", "--room", "short", *relayed)
    others += [(t.run(janus.url + "?plugin=echotest", "--peers", 2, "--duration", "60s", "--no-video", *relayed), 2)]
    until("all to be connected", lambda: "2 connected" in short.process.stderr(), 20)
    for other, peers in others:
        until("all to be connected", lambda: f"{peers} connected" in other.process.stderr(), 20)
    time.sleep(max(0, began + 4 - time.monotonic()))
    run = t.run(lab.room(), "--peers", 2, "--duration", "60s", *relayed)
    until("all to be connected", lambda: "2 connected" in run.process.stderr(), 20)
    coturn.process.signal(signal.SIGKILL)  # six seconds of silence are enough for the run that ends then
    results = short.finish(60)
    check(results.causes() == {"media-lost": 2}, f"{results.summary['failures']}, {results.text}")
    check(coturn.url() in results.message("media-lost"), results.message("media-lost"))
    check(results.summary["turn"][0]["lost"] == 2, f"{results.summary['turn']}")
    test.note(results.message("media-lost"))
    for session in janus.ask("list_sessions")["sessions"]:  # Janus' ICE does not give up by itself in that time
        for handle in janus.ask("list_handles", (session,))["handles"]:
            check(janus.ask("hangup_webrtc", (session, handle)), "Janus did not hang up")
    results = run.finish(90)
    check(results.causes() == {"media-lost": 2}, f"{results.summary['failures']}")
    words = f"the TURN server {coturn.url()} cannot be reached any more: port unreachable (ICMP)"
    for peer in results.peers:
        check(words in peer["message"], peer["message"])
    [turn] = results.summary["turn"]
    check((turn["relays"], turn["failed"], turn["lost"]) == (2, 0, 2), f"{turn}")
    check(f"{coturn.url()} lost 2 relays before their end" in results.text, results.text)
    test.note(results.message("media-lost"))
    for other, peers in others:
        results = other.finish(90)
        check(results.causes() == {"media-lost": peers}, f"{results.summary['failures']}")
        for peer in results.peers:
            check(words in peer["message"], peer["message"])
        check(results.summary["turn"][0]["lost"] == peers, f"{results.summary['turn']}")
        ended = [peer["message"] for peer in results.peers if "; then the session ended" in peer["message"]]
        test.note(f"{len(ended)} of {peers} sessions were ended by the service{': ' + ended[0] if ended else ''}")
    check(len(ended) == peers and "ended: Janus hung up the peer connection (echo): " in ended[0], f"{ended}")


def turn_forbidden(t):
    """A server that does not relay to where the service is."""
    coturn = Coturn(t, f"--denied-peer-ip={ADDRESS}")
    results = call(t, coturn.url(), "--ice", "relay", "--connect-timeout", "3s", "--dump", 1, peers=1, duration="5s")
    check(results.causes() == {"ice": 1}, f"{results.summary['failures']}")
    dump = next((results.folder / "webrtc-internals").glob("*.json")).read_text()
    check("does not relay to" in dump and "403" in dump, "the dump does not say why")
    check("does not relay to" in results.message("ice"), f"the peer's failure does not say why: {results.message('ice')}")


def switched(results, peers, test_note):
    results.all_ok(peers)
    for peer in results.peers:
        check(peer["local_candidate"] != "relay", f"{peer['peer']} stayed with {peer['pair']}")
    gap, took = (results.summary["metrics"][f"ice.switch.{name}"] for name in ("gap", "time"))
    check(took["count"] == gap["count"] > 0, f"{took['count']} changes and {gap['count']} gaps")
    test_note(f"change after {took['p50']:.1f} ms, gap p50 {gap['p50']:.1f} max {gap['max']:.1f} ms")
    # Two packets of a clip with speech and pictures are never 40 ms apart; a change that lost any would show.
    check(gap["max"] < 150, f"gap {gap['max']} ms")
    check(results.metric("video.in.loss", "max") == 0, "packets were lost on the way over")


def turn_relay_first(t):
    coturn = Coturn(t)
    results = call(t, coturn.url(), "--ice", "relay-first", duration="9s")
    switched(results, 4, test.note)
    check(results.metric("ice.switch.gap", "count") == 4, "each peer changes once")
    check(coturn.count("ALLOCATE processed, success") == 4, coturn.said())


def turn_janus(t):
    coturn, janus = Coturn(t), Janus(t, full_trickle=True)
    results = call(t, coturn.url(), "--ice", "relay", peers=2, target=janus.url + "?plugin=echotest")
    all_relayed(results, 2)
    # Its candidates come before its offers to subscribers, and none of its checks comes through a relay that has no permission for them.
    results = call(t, coturn.url(), "--ice", "relay", peers=3, target=janus.url + "?plugin=videoroom&room=1234")
    all_relayed(results, 3)
    results = call(t, coturn.url(), "--ice", "relay-first", peers=2, duration="9s", target=janus.url + "?plugin=echotest")
    switched(results, 2, test.note)


def turn_ejabberd(t):
    """Its relay is a process of a virtual machine: on a loaded host it reads too late, and the kernel drops what no
    longer fits its sockets. That is its loss, not ours; any other would be."""
    server = Ejabberd(t)
    for transport, peers, duration in (("udp", 4, "6s"), ("tcp", 2, "4s")):
        before = udp_drops()
        results = call(t, server.url(transport), "--ice", "relay", peers=peers, duration=duration)
        drops, own = udp_drops() - before, results.summary["generator"]["receive_drops"]
        all_relayed(results, peers, loss_allowed=drops > 0 and own == 0)
        [turn] = results.summary["turn"]
        check((turn["server"], turn["relays"]) == (server.url(transport), peers), f"{turn}")
        test.note(f"{transport}: {drops} datagrams dropped at full sockets, {own} of them at ours; setup.ice p50 {results.metric('setup.ice', 'p50'):.1f} ms")


if __name__ == "__main__":
    test.run([turn_udp, turn_tcp, turn_tls, turn_dtls, turn_rest, turn_wrong_password, turn_quota, turn_stale_nonce,
              turn_alternate, turn_nobody, turn_rejected, turn_killed, turn_forbidden, turn_relay_first, turn_janus, turn_ejabberd])
