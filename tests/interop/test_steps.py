"""Steps of a scenario: tokens of an HTTP server that a lab demands, a room that its moderator makes known, who is muted and
who leaves; a server that answers what nobody expects; credentials of a TURN server, messages, and a clip that is shared."""
import base64
import hashlib
import hmac
import json
import re
import statistics
import subprocess
import time
from datetime import datetime
from urllib.parse import quote

from harness import test
from harness.api import Api
from harness.proc import check
from harness.sandbox import ADDRESS, need
from harness.squall import CONSTANT, Lab
from harness.turn import SECRET, Coturn, certificate
from harness.ws import Served
from test_dtmf import keys_on_the_wire
from test_wire import Capture, one_packet_at_a_time

TOKEN = "sesame-7"

SCENARIO = """
name: steps
load: {peers: 6, rate: 20/s, duration: 7s}
rooms: {count: 2, name: unused}
media: small
expect:
  - peers.ok == 100%
  - audio.out.bitrate.max < 3k between muted and unmuted
  - audio.in.bitrate.p50 > 10k between up and 2s where group is viewers
groups:
  moderator:
    per_room: 1
    before:
      - http:
          method: POST
          url: ${API}/rooms
          headers: {X-Key: "${KEY}"}
          json: {host: "${peer.name}", seats: 3}
          expect: 201
          take: {token: /auth/tokens/0, room: {regex: "room=([a-z0-9-]+)"}, place: {header: Location}}
      - set: {name: room, value: "${room}"}
    token: ${token}
    room: ${room}
    steps:
      - wait: 2s
      - timer: {start: muted}
      - mute: audio
      - event: muted
      - wait: 3s
      - timer: {stop: muted}
      - event: unmuted
      - unmute: audio
  viewers:
    role: watch
    before:
      - wait_for: {name: room, timeout: 5s}
      - http: {url: "${API}/token?user=${peer.name}&room=${room}", take: {token: /token}}
    token: ${token}
    room: ${room}
    steps:
      - wait: 3s
      - count: watched
"""


def scenario(t, text, target, api, *options):
    file = t.folder / "steps.yaml"
    file.write_text(text)
    return t.run(str(file), target, "--lateness-max", "300", *options, env={"API": api.url, "KEY": "k-1", "WS": api.url.replace("http", "ws")}).finish(40)


def steps_token(t):
    def answer(method, path, body):
        if method == "POST":
            room = "stage-" + json.loads(body)["host"].split("-")[1]
            return 201, json.dumps({"auth": {"tokens": [TOKEN]}, "link": f"/x?room={room}"}), {"Location": "/" + room}
        return 200, json.dumps({"token": TOKEN}), {}

    api = Api(t, answer)
    results = scenario(t, SCENARIO, Lab(t, "--token", TOKEN).room(), api, "--dump", 6)
    results.all_ok(6)
    posts = [r for r in api.requests if r[0] == "POST"]
    gets = [r for r in api.requests if r[0] == "GET"]
    check(len(posts) == 2 and len(gets) == 4, f"the server was asked {len(posts)} and {len(gets)} times, expected 2 and 4")
    check(all(r[3]["X-Key"] == "k-1" and r[3]["Content-Type"] == "application/json" for r in posts), f"headers {posts}")
    check(all(json.loads(r[2])["seats"] == 3 for r in posts), f"bodies {posts}")
    # Each viewer went where the moderator of its own room is.
    rooms = {p["peer"]: p["room"] for p in results.peers}
    hosts = {p["room"] for p in results.peers if p["role"] == "moderator"}
    check(len(hosts) == 2 and set(rooms.values()) == hosts, f"rooms {rooms}")
    for viewer, room in rooms.items():
        asked = [r[1] for r in gets if f"user={viewer}&" in r[1]]
        check(not asked or asked == [f"/token?user={viewer}&room={room}"], f"{viewer} in {room} asked {asked}")
    # Who watches hears it: 3 of some 7 s of silence, at the pace of packets, and nothing is made up for what is missing.
    seconds = [s for series in results.dumps() for s in series if s.kind == "inbound-rtp" and not s.video]
    check(len(seconds) == 4, f"{len(seconds)} audio streams were received, expected 4")
    for s in seconds:
        points = [v for _, v in s.members["bytesReceived"]]
        gained = [b - a for a, b in zip(points, points[1:])]
        check(sum(100 < g < 200 for g in gained) in (2, 3), f"bytes by the second while a peer was muted, 3 a packet: {gained}")
        check(sum(g > 1000 for g in gained) >= 2, f"bytes by the second, before and after: {gained}")
    viewers = [p for p in results.peers if p["role"] == "viewers"]
    check(all(float(p["audio.in.concealment_percent"]) < 3 and float(p["mos"]) > 4 for p in viewers), "a mute is no fault of the service")
    timers = results.summary["timers"]
    check(timers["muted"]["count"] == 2 and 3000 <= timers["muted"]["min"] <= timers["muted"]["max"] < 3300, f"{timers}")
    check(timers["before"]["count"] == 6 and results.summary["counters"] == {"watched": 4}, f"{timers}, {results.summary['counters']}")
    check(all(TOKEN not in file.read_text(errors="replace") for file in results.folder.rglob("*") if file.is_file()),
          "a token stands in the results")


def steps_wrong(t):
    # Of six peers: one is let in, and one each meets JSON without a token, none at all, a refusal, an error, and a
    # status that was not expected with a token in it that no step takes.
    later = "LATER-a7f3"
    answers = [(201, json.dumps({"token": TOKEN})), (201, json.dumps({"tokens": [TOKEN]})), (201, "<html>"),
               (403, "no such user"), (503, f"{later}9c1 busy"), (200, json.dumps({"later": later + "9c1"}))]
    def answer(_, path, __):  # the last one tells what it was called by, which is a secret of the environment
        status, text = answers[int(path.rsplit("/", 1)[1])]
        return status, text + (f" {api.url} {quote(api.url, safe='')}" if status == 503 else ""), {}

    api = Api(t, answer)
    results = scenario(t, """
load: {peers: 6, rate: 20/s, duration: 2s}
before:
  - http: {url: "${API}/token/${peer.number}", expect: 201-299, take: {token: /token}}
token: ${token}
""", Lab(t, "--token", TOKEN).room(), api)
    check(results.code == 1 and results.summary["peers"]["ok"] == 1, f"exit code {results.code}, {results.summary['peers']}")
    check(results.causes() == {"protocol": 2, "auth": 1, "signaling": 2}, f"causes {results.causes()}")
    said = {p["peer"]: p["message"] for p in results.peers}
    at = "steps.yaml:4: step 1 of before, http GET ${API}/token/${peer.number}: "
    check(said["squall-1"] == at + "the JSON of the answer has nothing at /token, where token is expected", f"{said}")
    check(said["squall-2"].startswith(at + "the answer is no JSON: line 1:"), f"{said}")
    check(said["squall-3"] == at + "status 403; expected 201 to 299; it says: no such user", f"{said}")
    check(said["squall-4"] == at + "status 503; expected 201 to 299; it says: *** busy *** ***", f"{said}")
    check(said["squall-5"].startswith(at + "status 200; expected 201 to 299; the answer has 26 bytes"), f"{said}")
    check(all(later not in file.read_text(errors="replace") for file in results.folder.rglob("*") if file.is_file()),
          "a token that a server repeats stands in the results")


EFFECTS = """
load: {peers: 2, rate: 20/s, duration: 12500ms}
groups:
  talker:
    per_room: 1
    role: publish
    steps:
      - wait: 500ms
      - dtmf: "15#"
      - wait: 1500ms
      - mute: all
      - wait: 1500ms
      - unmute: all
      - wait: 1500ms
      - restart_ice
      - wait: 1500ms
      - network: delay=30ms
      - wait: 2500ms
      - network: up.rate=300k
  listener: {role: watch}
"""
AUDIO, EVENTS, VIDEO = 111, 110, 96  # payload types; repairs (97) of what came before may come later
KEYS, KEY_DURATIONS = "15#", [960, 1920, 2880, 3840, 4800, 4800, 4800]  # 100 ms at 48 kHz (RFC 4733, section 2.5.1.2)


def on_the_wire(path, end, pair):
    """(time, bytes of the IP packet, RTP's payload type or None, its time-stamp, STUN's user name) of what left a peer, or came to it."""
    port = re.search(r":(\d+) ->", pair)[1]
    out = subprocess.run([need("tshark"), "-n", "-r", path, "--enable-heuristic", "rtp_udp", "-Y", f"{end} == {port}", "-T", "fields",
                          "-e", "frame.time_epoch", "-e", "ip.len", "-e", "rtp.p_type", "-e", "rtp.timestamp", "-e", "stun.att.username"],
                         capture_output=True, text=True, check=True).stdout
    rows = [line.split("\t") for line in out.splitlines()]
    return [(float(time), int(size), int(rtp) if rtp else None, int(ts) if ts else None, user) for time, size, rtp, ts, user in rows]


def seconds(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def rate_between(packets, begin, end):
    """kbit/s from the first packet within to the last: in two seconds at 300 kbit/s, one packet more or less is 2 %."""
    times, sizes = zip(*((time, size) for time, size, *_ in packets if begin <= time < end))
    return sum(sizes[1:]) * 8 / (times[-1] - times[0]) / 1e3


def steps_effects(t):
    """What steps do to a call, seen from outside: on the wire, and by who listens."""
    one_packet_at_a_time("lo")
    file = t.folder / "effects.yaml"
    file.write_text(EFFECTS)
    capture = Capture(t)
    results = t.run(str(file), Lab(t).room(), "--dump", 1, "--record", 2, "--record-sent", "--record-format", "pcap", "--lateness-max", "500", *CONSTANT).finish(40)
    capture.finish()
    results.all_ok(2)
    talker = next(p for p in results.peers if p["role"] == "talker")
    listener = next(p for p in results.peers if p["role"] == "listener")
    at = {e["value"].split()[0]: seconds(e["time"]) for e in results.events("step")}
    changed = {e["value"]: seconds(e["time"]) for e in results.events("network")}
    packets = on_the_wire(capture.path, "udp.srcport", talker["pair"])
    media = [time for time, _, rtp, _, _ in packets if rtp in (AUDIO, EVENTS, VIDEO)]

    # dtmf: who listens hears the keys, from their begin to their end as long as they were pressed.
    keys = {}
    sent = next((results.folder / "record").glob(f"{talker['peer']}*.pcap"))
    for ts, event, _, duration, _ in keys_on_the_wire(sent):
        keys.setdefault((ts, "0123456789*#ABCD"[event]), []).append(duration)
    heard = {}
    for time, _, rtp, ts, _ in on_the_wire(capture.path, "udp.dstport", listener["pair"]):
        if rtp == EVENTS:
            heard.setdefault(ts, []).append(time)
    took = [1e3 * (times[-1] - times[0]) for times in heard.values()]
    test.note(f"{talker['peer']} pressed {''.join(key for _, key in keys)}, {listener['peer']} heard {listener['dtmf']}; "
              f"{', '.join(f'{ms:.1f}' for ms in took)} ms from the first packet to the last, 80 sent")
    check(listener["dtmf"] == "".join(key for _, key in keys) == KEYS, f"heard {listener['dtmf']}, sent {keys}")
    check(all(d == KEY_DURATIONS for d in keys.values()), f"durations of keys {keys}")
    check([len(times) for times in heard.values()] == [len(KEY_DURATIONS)] * len(KEYS), f"packets of keys {heard}")
    check(abs(statistics.median(took) - 80) < 10, f"{took} ms from a key's first packet to its last")  # a busy machine stalls one
    starts = sorted(heard)
    check(all(abs(b - a - 48 * 170) < 48 * 20 for a, b in zip(starts, starts[1:])), f"time-stamps of keys {starts}, 170 ms apart")

    # mute: of video black leaves, at 25 frames/s in small packets, of audio silence at the pace of packets, and all of it before and after.
    black = [size for time, size, rtp, *_ in packets if rtp == VIDEO and at["mute"] + 0.15 < time < at["unmute"]]
    hushed = [size for time, size, rtp, *_ in packets if rtp == AUDIO and at["mute"] + 0.15 < time < at["unmute"]]
    check(len(hushed) > 55 and max(hushed) - min(hushed) < 12, f"sizes of audio packets while muted {hushed}")
    loud = [sum(begin <= time < begin + 1 for time in media) for begin in (at["mute"] - 1, at["unmute"] + 0.3)]
    test.note(f"{len(black)} packets of {min(black)} to {max(black)} bytes of black while muted, {loud} packets in the second before and after")
    check(30 <= len(black) <= 37 and max(black) < 700 and min(loud) > 100, f"sizes of video packets while muted {black}; {loud} packets in the second before and after")

    # restart_ice: new credentials both ways, and media go on.
    restart = at["restart"]
    users = [{user for time, _, _, _, user in packets if user and begin < time < end} for begin, end in ((0, restart), (restart + 0.3, restart + 1e3))]
    gap = max(b - a for a, b in zip(media, media[1:]) if restart - 0.5 < a < restart + 1.4)
    test.note(f"STUN user names {users[0]}, then {users[1]}; {1e3 * gap:.0f} ms without a packet at most")
    before, after = [user.split(":") for half in users for user in half][:2]
    check(len(users[0]) == len(users[1]) == 1 and before[0] != after[0] and before[1] != after[1], f"STUN user names {users}")
    check(gap < 0.25, f"{1e3 * gap:.0f} ms without a packet at a restart of ICE")

    # network: the round trip and the rate that were set, from then on.
    slow, narrow = changed["delay=30ms"], changed["up.rate=300k"]
    trips = {when: [] for when in ("before", "after")}
    dump = json.loads(next((results.folder / "webrtc-internals").glob("*.json")).read_text())
    for connection in dump["PeerConnections"].values():
        for key, value in connection["stats"].items():
            if value["statsType"] == "remote-inbound-rtp" and key.endswith("-roundTripTime"):
                stamps = json.loads(connection["stats"][key.replace("-roundTripTime", "-timestamp")]["values"])
                for time, trip in zip(stamps, json.loads(value["values"])):
                    time = time / 1e3
                    if trip and restart + 0.5 < time < slow:
                        trips["before"].append(1e3 * trip)
                    elif trip and slow + 1.2 < time < narrow:
                        trips["after"].append(1e3 * trip)
    longer = statistics.median(trips["after"]) - min(trips["before"])  # the last report before may come back on the slow way
    rates = [rate_between(packets, *window) for window in ((slow + 0.5, narrow), (narrow + 0.5, narrow + 2.5))]
    test.note(f"round trip {longer:.2f} ms longer, 60 set; {rates[0]:.0f} kbit/s on the wire, then {rates[1]:.1f}, 300 set")
    check(abs(longer - 60) < 2, f"the round trip is {longer:.2f} ms longer, 60 were set: {trips}")
    check(abs(rates[1] / 300 - 1) < 0.02 and rates[0] > 900, f"{rates} kbit/s on the wire, the last was set to 300")


def steps_turn_rest(t):
    """Each peer asks for TURN credentials of its own, as browsers do (time-limited: draft-uberti-behave-turn-rest), and goes by the
    relay alone; its token comes by a WebSocket. One is given a wrong credential, one is told no by the WebSocket."""
    coturn = Coturn(t, rest=True)
    closed = []

    def answer(method, path, body):
        peer = path.rsplit("/", 1)[1]
        name = f"{int(time.time()) + 60}:{peer}"
        key = b"another" if peer == "4" else SECRET.encode()
        credential = base64.b64encode(hmac.new(key, name.encode(), hashlib.sha1).digest()).decode()
        servers = [{"urls": [coturn.url(), coturn.url("tcp")], "username": name, "credential": credential}]
        return 200, json.dumps({"iceServers": servers, "ttl": 60}), {}

    def socket(path, ws):
        hello = json.loads(ws.receive())
        ws.send(json.dumps({"type": "news"}))
        if hello["join"] == "squall-5":
            return ws.send("", 8)
        ws.send(json.dumps({"type": "welcome", "to": hello["join"], "auth": {"token": TOKEN}}))
        if ws.receive() == "seat?":
            ws.send("seat=7;")
            ws.receive()
        closed.append(ws.code)

    ca, *own = certificate(t.folder)
    api = Api(t, answer, socket, own)
    results = scenario(t, """
load: {peers: 6, rate: 20/s, duration: 7s}
media: small
ice: relay
before:
  - http: {url: "${API}/turn/${peer.number}", take: {ice: /iceServers}}
  - ice_servers: ${ice}
  - websocket:
      url: ${WS}/chat
      json: {join: "${peer.name}"}
      expect: {/type: welcome, /to: "${peer.name}"}
      take: {token: /auth/token}
token: ${token}
steps:
  - timer: {start: seat}
  - websocket: {send: "seat?", expect: "^seat=", take: {seat: {regex: "=([0-9]+)"}}}
  - timer: {stop: seat}
  - count: seated
  - websocket: {close: true}
expect:
  - peers.failed == 2
  - counter.seated == 4
  - timer.seat.count == 4
  - timer.seat.max < 2s
""", Lab(t, "--token", TOKEN, address=ADDRESS).room(), api, "--ca", ca)
    said = {p["peer"]: p["message"] for p in results.peers}
    check(results.code == 0 and results.causes() == {"auth": 1, "signaling": 1}, f"exit code {results.code}, {said}, {results.text}")
    test.note(said["squall-4"])
    test.note(said["squall-5"])
    check("step 3 of before, websocket connect ${WS}/chat, send, expect" in said["squall-5"] and
          "the server closed the WebSocket" in said["squall-5"], f"{said}")
    well = [p for p in results.peers if p["outcome"] == "ok"]
    check(len(well) == 4 and all(p["local_candidate"] == "relay" and p["video.in.frames"] > 20 for p in well), f"{well}")
    for number in range(4):
        check(coturn.count(rf"username=<\d+:{number}>[^\n]*lifetime=600|user <\d+:{number}>: incoming packet ALLOCATE processed, success") >= 1,
              f"no allocation of peer {number}: {coturn.said()}")
    # Nobody knows that authority: neither HTTP nor WebSocket goes on.
    results = scenario(t, "load: {peers: 1, duration: 1s}\nbefore: [websocket: '${WS}/chat']\n", "lab:", api)
    check(results.causes() == {"tls": 1} and "step 1 of before, websocket connect ${WS}/chat" in results.message("tls"), results.text)
    check(sorted(closed) == [1000] * 4 + [1001], f"closed: {closed}")


def steps_share(t):
    """A screen is shared and no longer shared, and a chat goes over a data channel: receivers see the other picture at once."""
    results = scenario(t, """
load: {peers: 3, rate: 20/s, duration: 8s}
media: small
data: open
rooms: {count: 1}
steps:
  - wait: 2s
  - event: shared
  - share: hd
  - data: {send: "look ${peer.name}", times: 3, rate: 10/s}
  - data: {bytes: 5000}
  - data: {expect: "^look squall-[0-9]+$", take: {who: {regex: "look (.*)"}}, timeout: 2s}
  - count: {name: looks, add: 2}
  - wait: 2s
  - unshare
expect:
  - counter.looks == 6
  - video.in.freezes == 0
  - video.in.loss == 0
  - video.in.fps >= 12 for 100% of peers
  - data.in.messages == 8
""", Lab(t).room(), Api(t, None), "--dump", 3)
    results.all_ok(3)
    widths = [[v for _, v in s.members["frameWidth"]] for series in results.dumps() for s in series
              if s.kind == "inbound-rtp" and s.video]
    check(len(widths) == 6, f"{len(widths)} videos were received, expected 6")
    for seen in widths:
        first, most, last = seen[0], max(seen), seen[-1]
        check(first == last == 320 and most > 320, f"widths of a video by the second: {seen}")
    test.note(f"widths by the second: {widths[0]}")


def steps_muted_video(t):
    """Who receives a muted video sees black at the same frame rate, as from a browser, and no freeze; then the picture again.
    FFmpeg decodes what came."""
    results = scenario(t, """
load: {peers: 2, rate: 20/s, duration: 7s}
groups:
  talker:
    per_room: 1
    role: publish
    steps:
      - wait: 2s
      - mute: video
      - wait: 2s
      - unmute: video
  listener: {role: watch}
expect:
  - video.in.freezes == 0
  - video.in.loss == 0
  - video.in.fps.min >= 24
""", Lab(t).room(), Api(t, None), "--record", 2, "--dump", 1)
    results.all_ok(2)
    muted, unmuted = (seconds(e["time"]) for e in results.events("step") if e["value"].split()[0] in ("mute", "unmute"))
    film = next((results.folder / "record").glob("*.webm"))
    out = subprocess.run([need("ffmpeg"), "-v", "error", "-i", film, "-vf", "signalstats,metadata=print:key=lavfi.signalstats.YAVG:file=-",
                          "-f", "null", "-"], capture_output=True, text=True, check=True).stdout
    frames = [(float(at), float(y)) for at, y in re.findall(r"pts_time:(\S+)\s+lavfi.signalstats.YAVG=(\S+)", out)]
    dark = [at for at, y in frames if y < 20]  # 16 is black
    longest = max(b - a for (a, _), (b, _) in zip(frames, frames[1:]))
    test.note(f"{len(frames)} frames, {len(dark)} of them black, from {dark[0]:.2f} s to {dark[-1]:.2f}; {1e3 * longest:.0f} ms between two at most")
    check(abs(dark[-1] - dark[0] - (unmuted - muted)) < 0.15, f"black from {dark[0]} s to {dark[-1]}, muted for {unmuted - muted} s")
    check(all((dark[0] <= at <= dark[-1]) == (y < 20) for at, y in frames), "black and the picture take turns")
    check(longest < 0.1, f"{longest} s between two frames")


if __name__ == "__main__":
    test.run([steps_token, steps_wrong, steps_effects, steps_turn_rest, steps_share, steps_muted_video])
