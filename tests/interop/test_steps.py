"""Steps of a scenario: tokens of an HTTP server that a lab demands, a room that its moderator makes known, who is muted and
who leaves; and a server that answers what nobody expects."""
import http.server
import json
import threading

from harness import test
from harness.proc import check
from harness.squall import Lab

TOKEN = "sesame-7"

SCENARIO = """
name: steps
load: {peers: 6, rate: 20/s, duration: 7s}
rooms: {count: 2, name: unused}
media: small
expect:
  - peers.ok == 100%
  - audio.out.bitrate.max == 0 between muted and unmuted
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


class Api:
    """What asks an application of its users: a room, a token. `answer(method, path, body)` gives status and text."""

    def __init__(self, t, answer):
        api = self
        self.requests = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def reply(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                api.requests.append((self.command, self.path, body, dict(self.headers)))
                status, text, headers = answer(self.command, self.path, body)
                self.send_response(status)
                for name, value in {**headers, "Content-Length": len(text)}.items():
                    self.send_header(name, str(value))
                self.end_headers()
                self.wfile.write(text.encode())

            do_GET = do_POST = reply

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"


def scenario(t, text, target, api, *options):
    file = t.folder / "steps.yaml"
    file.write_text(text)
    return t.run(str(file), target, "--lateness-max", "300", *options, env={"API": api.url, "KEY": "k-1"}).finish(40)


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
    # Who watches hears it: 3 of some 7 s without a sound.
    seconds = [s for series in results.dumps() for s in series if s.kind == "inbound-rtp" and not s.video]
    check(len(seconds) == 4, f"{len(seconds)} audio streams were received, expected 4")
    for s in seconds:
        points = [v for _, v in s.members["packetsReceived"]]
        gained = [b - a for a, b in zip(points, points[1:])]
        check(sum(g == 0 for g in gained) in (2, 3), f"packets by the second while a peer was muted: {gained}")
        check(sum(g > 40 for g in gained) >= 2, f"packets by the second, before and after: {gained}")
    timers = results.summary["timers"]
    check(timers["muted"]["count"] == 2 and 3000 <= timers["muted"]["min"] <= timers["muted"]["max"] < 3300, f"{timers}")
    check(timers["before"]["count"] == 6 and results.summary["counters"] == {"watched": 4}, f"{timers}, {results.summary['counters']}")
    check(all(TOKEN not in file.read_text(errors="replace") for file in results.folder.rglob("*") if file.is_file()),
          "a token stands in the results")


def steps_wrong(t):
    # Of five peers: one is let in, and one each meets JSON without a token, none at all, a refusal, an error.
    answers = [(200, json.dumps({"token": TOKEN})), (200, json.dumps({"tokens": [TOKEN]})), (200, "<html>"),
               (403, "no such user"), (503, "busy")]
    api = Api(t, lambda _, path, __: (*answers[int(path.rsplit("/", 1)[1])], {}))
    results = scenario(t, """
load: {peers: 5, rate: 20/s, duration: 2s}
before:
  - http: {url: "${API}/token/${peer.number}", take: {token: /token}}
token: ${token}
""", Lab(t, "--token", TOKEN).room(), api)
    check(results.code == 1 and results.summary["peers"]["ok"] == 1, f"exit code {results.code}, {results.summary['peers']}")
    check(results.causes() == {"protocol": 2, "auth": 1, "signaling": 1}, f"causes {results.causes()}")
    said = {p["peer"]: p["message"] for p in results.peers}
    at = "steps.yaml:4: step 1 of before, http GET ${API}/token/${peer.number}: "
    check(said["squall-1"] == at + "the JSON of the answer has nothing at /token, where token is expected", f"{said}")
    check(said["squall-2"].startswith(at + "the answer is no JSON: line 1:"), f"{said}")
    check(said["squall-3"] == at + "status 403; expected 200 to 299; it says: no such user", f"{said}")
    check(said["squall-4"] == at + "status 503; expected 200 to 299; it says: busy", f"{said}")


if __name__ == "__main__":
    test.run([steps_token, steps_wrong])
