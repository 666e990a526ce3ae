"""Keys (RFC 4733), both ways: a browser presses some, and tshark reads those that Squall presses."""
import subprocess
import time

import browsers
from harness import counterpart, test
from harness.browser import Chromium
from harness.browser_peer import BrowserPeer
from harness.proc import check, until
from harness.sandbox import ADDRESS, need

OURS, THEIRS = "0123456789*#ABCD", "55#71*AB"
PRESS = """(() => {
    const sender = interop.pc.getSenders().find((s) => s.track && s.track.kind === 'audio');
    interop.tones = '';
    sender.dtmf.ontonechange = (event) => interop.tones += event.tone;
    if (!sender.dtmf.canInsertDTMF) throw new Error('no DTMF');
    sender.dtmf.insertDTMF('%s', 100, 70);
    return true;
})()"""

CONCEALED = """(async () => { const all = [...(await interop.pc.getStats()).values()];
    const audio = all.find((r) => r.type === 'inbound-rtp' && r.kind === 'audio');
    return audio.concealedSamples / audio.totalSamplesReceived; })()"""
# Chromium leaves out a frame of 20 ms behind each of its keys, of some 5 s; the rest is jitter of a busy machine.
CONCEALED_MOST = 0.04


def keys_on_the_wire(path):
    """[(time-stamp, event, is its end, duration, marker)] of telephone-events, in order, as tshark takes them apart."""
    out = subprocess.run([need("tshark"), "-n", "-r", path, "--enable-heuristic", "rtp_udp", "-d", "rtp.pt==110,rtpevent",
                          "-Y", "rtpevent", "-T", "fields", "-e", "rtp.timestamp", "-e", "rtpevent.event_id", "-e", "rtpevent.end_of_event",
                          "-e", "rtpevent.duration", "-e", "rtp.marker"], capture_output=True, text=True, check=True, timeout=60).stdout
    truth = {"1": True, "0": False, "True": True, "False": False}
    rows = [line.split("\t") for line in out.splitlines()]
    return [(int(ts), int(event), truth[end], int(duration), truth[marker]) for ts, event, end, duration, marker in rows]


def dtmf_chromium(t):
    browser = Chromium(t)
    peer = BrowserPeer(t, browser, ["answer", ADDRESS, "6"], {"video": browsers.CAMERA})
    port = peer.event("listening", 20)["port"]
    run = t.run(f"whip+http://{ADDRESS}:{port}/whip", "--echo", "--peers", 1, "--duration", "60s", "--dtmf", f"{OURS}@0.5",
                "--record", 1, "--record-sent", "--record-format", "pcap", *counterpart.CALM)
    peer.event("connected")
    peer.page.eval(PRESS % THEIRS)
    until("the browser's tones to be over", lambda: peer.page.eval("interop.tones") == THEIRS, 10)
    time.sleep(3)
    theirs = peer.page.eval(CONCEALED)
    lost = peer.figures()["audio"]["in"]["lost"]
    run.process.signal()
    results = run.finish()
    mine = results.peers[0]
    path = next((results.folder / "record").glob("*.pcap"))
    packets = keys_on_the_wire(path)
    keys = []
    for ts, event, end, duration, marker in packets:
        if not keys or keys[-1]["ts"] != ts:
            keys.append({"ts": ts, "event": event, "ends": 0, "marker": marker, "durations": []})
        keys[-1]["ends"] += end
        keys[-1]["durations"].append(duration)
    pressed = "".join("0123456789*#ABCD"[k["event"]] for k in keys)
    test.note(f"{browser.name} pressed {THEIRS}, Squall heard {mine['dtmf']}; Squall pressed {OURS}, tshark saw {len(packets)} packets of "
              f"{len(keys)} keys: {pressed}")
    heard = 0.01 * mine["audio.in.concealment_percent"]
    test.note(f"concealed: Squall {100 * heard:.2f} % of what it played, Chromium {100 * theirs:.2f} %")
    check(heard <= CONCEALED_MOST, f"Squall concealed {100 * heard:.2f} % of what it played")
    check(mine["dtmf_pressed"] == len(OURS), f"{mine['dtmf_pressed']:.0f} keys pressed")
    check(mine["dtmf"] == THEIRS, f"Squall heard {mine['dtmf']}, {browser.name} pressed {THEIRS}")
    check(pressed == OURS, f"tshark saw {keys}")
    check(all(k["durations"] == [960, 1920, 2880, 3840, 4800, 4800, 4800] and k["ends"] == 3 and k["marker"] for k in keys), f"{keys}")
    check(lost == 0, f"{browser.name} lost {lost} packets of audio")


if __name__ == "__main__":
    test.run([dtmf_chromium])
