"""Scripts in Lua: those of examples/lua against a room server with npm's socket.io and against WHIP, and scripts
that are wrong."""
import pathlib
import re
import subprocess

from harness import npm, test
from harness.proc import check

EXAMPLES = pathlib.Path(__file__).parents[2] / "examples" / "lua"
QUIET = ("--lateness-max", "500", "--bwe", "off")


def room_server(t, seats):
    server = t.start("server", [*npm.node(EXAMPLES / "server.js"), "0", str(seats)], env=npm.environment())
    server.said("listening on http://")
    return re.search(r"http://(127\.0\.0\.1:\d+)", server.stdout()).group(1)


def lua_socketio(t):
    """Two peers of a room call each other through the server; the third one finds it full, which is its own failure."""
    where = room_server(t, 2)
    results = t.run(f"lua+ws://{where}/", "--script", EXAMPLES / "socketio-room.lua", "--peers", 3, "--rate", "4/s",
                    "--duration", "6s", *QUIET).finish(40)
    first, second, third = sorted(results.peers, key=lambda p: p["peer"])
    for peer in first, second:
        check(peer["outcome"] == "ok", f"{peer['peer']}: {peer['message']}")
        check(peer["audio.in.packets"] > 100 and peer["video.in.frames"] > 60, f"{peer['peer']} heard too little: {peer}")
    check(first["pair"].split()[1::2] == second["pair"].split()[:0:-2], f"{first['pair']} and {second['pair']}")
    check(third["outcome"] == "failed" and third["cause"] == "signaling", f"{third['outcome']}, {third['cause']}")
    check(re.fullmatch(r"socketio-room\.lua:\d+: the room squall is full", third["message"]), third["message"])
    check(results.code == 1, f"exit code {results.code}")
    check(results.summary["counters"] == {"answered": 1}, results.summary.get("counters"))
    timer = results.summary["timers"]["sign-in"]
    check(timer["count"] == 2 and 0 < timer["max"] < 3000, timer)
    test.note(f"{first['video.in.frames']:.0f} and {second['video.in.frames']:.0f} frames; sign-in {timer['avg']:.1f} ms")


LOOPS = """
if session.index == 1 then
  while true do end
end
"""
ALL_LOOP = """
log("a line before it")
while true do end
"""


def lua_whip(t):
    """WHIP as a script; a user of it that loops is stopped, and those beside it go on; all of them loop. What does not compile is
    told first."""
    lab = t.lab()
    script = t.folder / "whip.lua"
    script.write_text(LOOPS + (EXAMPLES / "whip.lua").read_text())
    results = t.run(f"lua+{lab.http('/whip/echo')}", "--script", script, "--peers", 3, "--rate", "4/s", "--threads", 1,
                    "--duration", "4s", "--expect", "timer.post < 3s", "--expect", "timer.post.count == 2", "--expect", "peers.ok == 100%",
                    *QUIET).finish(40)
    check([e["ok"] for e in results.summary["expectations"][:3]] == [True, True, False], results.summary["expectations"])
    judged, timer = results.summary["expectations"][0]["value"], results.summary["timers"]["post"]
    check(abs(judged - timer["avg"]) < 0.01 and timer["count"] == 2, f"judged by {judged}, measured {timer}")
    check(results.code == 1 and results.summary["verdict"] == "fail" and results.causes() == {"protocol": 1},
          f"exit code {results.code}, {results.summary['verdict']}, {results.causes()}")
    failed = [p for p in results.peers if p["outcome"] != "ok"]
    check([p["peer"] for p in failed] == ["squall-1"], [(p["peer"], p["message"]) for p in failed])
    check(failed[0]["message"].startswith("whip.lua:3: the script computed for 100 ms without waiting"), failed[0]["message"])
    for peer in results.peers:
        if peer["outcome"] == "ok":
            check(peer["video.in.frames"] > 30 and peer["audio.in.packets"] > 60, f"{peer['peer']} heard too little")
    # Where all of them loop nobody is in (exit code 3), and what there is to tell is kept.
    script.write_text(ALL_LOOP)
    results = t.run(f"lua+{lab.http('/whip/echo')}", "--script", script, "--peers", 2, "--rate", "4/s", "--threads", 1,
                    "--duration", "1s", "--dump", 1, *QUIET).finish(40)
    check(results.code == 3 and results.summary["verdict"] == "error", f"exit code {results.code}, {results.summary['verdict']}")
    check("none of 2 peers connected" in results.summary["reason"], results.summary["reason"])
    check(results.summary["peers"]["failed"] == 2 and results.causes() == {"protocol": 2}, f"{results.summary['peers']}, {results.causes()}")
    check(all(p["message"].startswith("whip.lua:3: the script computed for 100 ms") for p in results.peers), f"{results.peers}")
    check(all((results.folder / name).stat().st_size > 0 for name in ("timeline.csv", "junit.xml", "report.html")), "a file is missing")
    check(any("a line before it" in path.read_text() for path in (results.folder / "webrtc-internals").glob("*.json")), "the story is lost")
    script.write_text("local x = 1\nlocal y = = 2\n")
    wrong = subprocess.run([t.squall, "check", f"lua+{lab.http()}", "--script", script], capture_output=True, text=True)
    check(wrong.returncode == 2 and "whip.lua:2: unexpected symbol near '='" in wrong.stderr, wrong.stderr)


if __name__ == "__main__":
    npm.ensure()
    test.run([lua_socketio, lua_whip])
