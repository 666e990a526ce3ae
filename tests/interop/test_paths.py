"""Ways to a service other than plain UDP between addresses: ICE-TCP, names in the place of addresses, and many
addresses of one's own."""
import collections
import http.server
import json
import re
import subprocess
import threading

import browsers
from harness import fakes, test
from harness.browser import Chromium
from harness.proc import check, until
from harness.sandbox import ADDRESS, need

LOAD = ("--rate", "10/s", "--lateness-max", "200")


def ice_tcp(t):
    """A lab that has TCP candidates only (RFC 6544): media both ways, and nothing is lost."""
    lab = t.lab("--ice-tcp", "only", address=ADDRESS)
    results = t.run(lab.room(), "--peers", 4, "--duration", "6s", *LOAD).finish()
    results.all_ok(4)
    for peer in results.peers:
        check(peer["pair"].startswith("tcp "), peer["pair"])
        check(peer["video.in.frames"] > 50, f"{peer['peer']}: {peer['video.in.frames']:.0f} frames")
    check(results.metric("video.in.loss", "max") == 0, "loss on a stream")
    test.note(f"{results.peers[0]['pair']}, setup.ice p50 {results.metric('setup.ice', 'p50'):.1f} ms")


def ice_tcp_also(t):
    """UDP goes before TCP where both work."""
    lab = t.lab("--ice-tcp", "also", address=ADDRESS)
    results = t.run(lab.room(), "--peers", 2, "--duration", "4s", *LOAD).finish()
    results.all_ok(2)
    for peer in results.peers:
        check(peer["pair"].startswith("udp "), peer["pair"])


def give_addresses(t):
    """10.9.0.1 to .4 on the interface that is there, and 10.8.0.1 on another one."""
    for words in (*(f"addr add 10.9.0.{i}/24 dev squall0" for i in range(1, 5)), "link add more0 type veth peer name more1",
                  "addr add 10.8.0.1/24 dev more0", "link set more0 up", "link set more1 up"):
        subprocess.run([need("ip", "/usr/sbin/ip", "/sbin/ip"), *words.split()], check=True)


def candidates(connection, kind):
    """Addresses of a dumped connection's candidates of that side."""
    stats = connection["stats"]
    return {json.loads(value["values"])[-1] for key, value in stats.items()
            if value["statsType"] == kind and key.endswith("-address")}


def source_addresses(t):
    """A range gives each peer the next address, on both threads of the run; given twice, each peer has a candidate of each."""
    give_addresses(t)
    lab = t.lab(address=ADDRESS)
    # Side by side, in rooms of their own: both mostly wait.
    run = t.run(lab.room(), "--room", "range", "--peers", 8, "--threads", 2, "--local-ip", "10.9.0.1-10.9.0.4", "--duration", "5s", *LOAD)
    both = t.run(lab.room(), "--room", "both", "--peers", 2, "--local-ip", "10.9.0.2", "--local-ip", "10.8.0.1", "--duration", "5s",
                 "--dump", 2, *LOAD)
    results = run.finish()
    results.all_ok(8)
    used = collections.Counter(re.match(r"udp ([\d.]+):\d+ -> ", peer["pair"]).group(1) for peer in results.peers)
    check(used == {f"10.9.0.{i}": 2 for i in range(1, 5)}, f"local addresses in use: {used}")
    for peer in results.peers:
        check(peer["video.in.frames"] > 50, f"{peer['peer']}: {peer['video.in.frames']:.0f} frames")
    results = both.finish()
    results.all_ok(2)
    dumps = sorted((results.folder / "webrtc-internals").glob("*.json"))
    check(len(dumps) == 2, f"{dumps}")
    for path in dumps:
        for connection in json.loads(path.read_text())["PeerConnections"].values():
            own = candidates(connection, "local-candidate")
            check(own == {"10.9.0.2", "10.8.0.1"}, f"{path.name}: local candidates {own}")
            pairs = {key for key, value in connection["stats"].items() if value["statsType"] == "candidate-pair" and key.endswith("-state")}
            check(len(pairs) >= 2, f"{path.name}: pairs {pairs}")
    for peer in results.peers:
        check(re.match(r"udp (10\.9\.0\.2|10\.8\.0\.1):", peer["pair"]), peer["pair"])
    test.note(f"in use: {dict(used)}; with two --local-ip: {sorted(own)}, {results.peers[0]['pair']}")


def ice_tcp_chromium(t):
    """Chromium connects to the lab's passive candidate, and so do Squall's peers; each hears and sees the others, and
    the figures agree as they do over UDP."""
    pair, results = browsers.room_with_squall(t, Chromium, "--ice-tcp", "only")
    check(pair[0] == "tcp", f"Chromium's pair: {pair}")
    for peer in results.peers:
        check(peer["pair"].startswith("tcp "), peer["pair"])
    test.note(f"Chromium: {pair}; Squall: {results.peers[0]['pair']}")


ANSWER = """(async () => {
  const pc = window.pc = new RTCPeerConnection();
  pc.ontrack = (e) => {
    const video = document.createElement("video");
    video.muted = video.autoplay = true;
    video.srcObject = new MediaStream([e.track]);
    document.body.append(video);
  };
  await pc.setRemoteDescription({ type: "offer", sdp: %s });
  await pc.setLocalDescription();
  await new Promise((r) => {
    const look = () => pc.iceGatheringState === "complete" && r();
    pc.onicegatheringstatechange = look;
    look();
  });
  return pc.localDescription.sdp;
})()"""
DECODED = """(async () => {
  const stats = [...(await window.pc.getStats()).values()];
  return stats.find((s) => s.type === "inbound-rtp" && s.kind === "video")?.framesDecoded ?? 0;
})()"""


def whip_to(t, browser):
    """A WHIP endpoint behind which a browser's page answers. The page is not told where Squall is, so that the
    connection hangs on Squall finding the page."""
    answers, lock, pages = [], threading.Lock(), []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_POST(self):
            offer = self.rfile.read(int(self.headers["Content-Length"])).decode()
            offer = "".join(line for line in offer.splitlines(True) if not line.startswith("a=candidate:"))
            with lock:
                answers.append(pages[0].eval(ANSWER % json.dumps(offer), 30))
            body = answers[-1].encode()
            self.send_response(201)
            self.send_header("Content-Type", "application/sdp")
            self.send_header("Location", "/session/1")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_DELETE(self):
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass
    server = fakes.Server((ADDRESS, 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    t.closers.append(server.shutdown)
    pages.append(browser.open(f"http://{ADDRESS}:{server.server_port}/"))
    return f"whip+http://{ADDRESS}:{server.server_port}/whip", answers, pages[0]


def mdns_chromium(t):
    """Chromium hides its addresses behind mDNS names by default, and answers for them on the link."""
    # The last of a switch that is given twice counts: names in the place of addresses are back.
    url, answers, page = whip_to(t, Chromium(t, ["--disable-features=Vulkan,DialMediaRouteProvider"]))
    run = t.run(url, "--peers", 1, "--duration", "6s", "--no-trickle", "--dump", 1, "--local-ip", ADDRESS, *LOAD)
    until("Chromium to decode", lambda: answers and page.eval(DECODED) > 50, 20)
    decoded = page.eval(DECODED)
    results = run.finish()
    candidates = re.findall(r"a=candidate:.* (\S+) \d+ typ host", answers[0])
    check(candidates and all(c.endswith(".local") for c in candidates), f"Chromium's candidates: {candidates}")
    results.all_ok(1)
    dump = next((results.folder / "webrtc-internals").glob("*.json")).read_text()
    check(f"{candidates[0]} is {ADDRESS} (mDNS)" in dump, "the dump does not tell what the name stands for")
    test.note(f"{candidates[0]}: setup.ice {results.metric('setup.ice', 'p50'):.1f} ms, {decoded} frames decoded, {results.peers[0]['pair']}")


if __name__ == "__main__":
    test.run([ice_tcp, ice_tcp_also, source_addresses, ice_tcp_chromium, mdns_chromium])
