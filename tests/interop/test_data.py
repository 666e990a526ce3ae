"""Data channels of Squall's peers with browsers, Janus and aiortc, opened from either side."""
import csv
import json
import re
import threading

from harness import counterpart, fakes, page, test
from harness.browser import Chromium, Firefox
from harness.janus import ROOM, Janus
from harness.proc import Failure, check, until
from harness.sandbox import ADDRESS

RUN_S = 6
RATE, SIZE = 50, 700

# In the page: opens channels to the lab's echo, which sends each message back, and says what came.
OFFER = """(async () => {%s
  window.pc = new RTCPeerConnection();
  const opened = (channel) => new Promise((resolve, reject) => {
    channel.binaryType = 'arraybuffer';
    channel.onopen = resolve;
    setTimeout(() => reject(new Error('not open: ' + channel.readyState)), 15000);
  });
  // Sends all, and waits for as many.
  window.talk = (channel, messages, seconds) => new Promise((resolve, reject) => {
    const got = [];
    channel.onmessage = (event) => {
      got.push(event.data);
      if (got.length === messages.length) resolve(got);
    };
    setTimeout(() => reject(new Error(got.length + ' of ' + messages.length + ' came')), seconds * 1000);
    messages.forEach((m) => channel.send(m));
  });
  window.shut = (channel) => new Promise((resolve, reject) => {
    channel.onclose = () => resolve(channel.readyState);
    setTimeout(() => reject(new Error('not closed: ' + channel.readyState)), 10000);
    channel.close();
  });
  window.opened = opened;
  window.plain = pc.createDataChannel('plain', { protocol: 'x.squall' });
  window.loose = pc.createDataChannel('loose', { ordered: false, maxRetransmits: 2 });
  window.timed = pc.createDataChannel('timed', { ordered: false, maxPacketLifeTime: 500 });
  window.agreed = pc.createDataChannel('agreed', { negotiated: true, id: 100 });
  const all = Promise.all([opened(plain), opened(loose), opened(timed)]);
  await post(pc, %s);
  await all;
  return pc.sctp.maxMessageSize;
})()"""

TALK = """(async () => {
  const bytes = (n, seed) => Uint8Array.from({ length: n }, (_, i) => (i * 7 + seed) & 255);
  const same = (a, b) => typeof a === 'string' || typeof b === 'string' ? a === b
      : a.byteLength === b.byteLength && new Uint8Array(a).every((v, i) => v === b[i]);
  const messages = ['hello', 'grüße 𝄞', '', bytes(0, 0), bytes(1, 1), bytes(1200, 2), bytes(65536, 3), bytes(262144, 4),
                    'x'.repeat(100000)];
  for (let i = 0; i < 200; i++) messages.push('number ' + i);
  const got = await talk(plain, messages, 15);
  const wrong = messages.findIndex((m, i) => !same(got[i], m));
  const loosely = (await talk(loose, Array.from({ length: 100 }, (_, i) => 'loose ' + i), 10)).sort();
  const timely = await talk(timed, Array.from({ length: 100 }, (_, i) => 'timed ' + i), 10);
  return { wrong, loosely: new Set(loosely).size, timely: new Set(timely).size };
})()"""

# A channel of the page's own is closed, and another one opened in its place.
CLOSE = """(async () => {
  const state = await shut(plain);
  const again = pc.createDataChannel('again');
  await opened(again);
  const got = await talk(again, ['after'], 5);
  return { state, id: again.id, got };
})()"""

# The page answers Squall's offer, and sends back what comes on any channel.
ANSWER = """(async () => {
  window.pc = new RTCPeerConnection();
  window.seen = { channels: [], messages: 0, closed: 0 };
  pc.ondatachannel = ({ channel }) => {
    seen.channels.push([channel.label, channel.ordered, channel.maxRetransmits, channel.id]);
    channel.binaryType = 'arraybuffer';
    channel.onclose = () => { seen.closed++; };
    channel.onmessage = (event) => { seen.messages++; channel.send(event.data); };
    window.theirs = channel;
  };
  await pc.setRemoteDescription({ type: 'offer', sdp: %s });
  await pc.setLocalDescription();
  while (pc.iceGatheringState !== 'complete') await new Promise((r) => setTimeout(r, 20));
  return pc.localDescription.sdp;
})()"""


def lab_channels(lab):
    return counterpart.lab_member(lab, "echo")["dataChannels"]


def browser_offers(t, browser, interleaving):
    """The browser opens channels of all kinds; the lab's echo answers. With interleaving all of it goes in I-DATA."""
    lab = t.lab("--media-ip", ADDRESS)
    tab = browser.open(lab.http())
    largest = tab.eval(OFFER % (page.POST, json.dumps(lab.http("/whip/echo"))), 40)
    check(largest >= 262144, f"the browser may send {largest} bytes, expected 262144")
    sctp = counterpart.lab_member(lab, "echo")["sctp"]
    test.note(f"agreed: {sctp}")
    check(sctp["state"] == "connected" and sctp["interleaving"] == interleaving, f"agreed: {sctp}")
    talk = tab.eval(TALK, 60)
    check(talk == {"wrong": -1, "loosely": 100, "timely": 100}, f"what came back: {talk}")
    channels = {c["label"]: c for c in lab_channels(lab)}
    check(set(channels) == {"plain", "loose", "timed"} and channels["plain"]["protocol"] == "x.squall", str(channels))
    check(all(c["messagesReceived"] == c["messagesSent"] for c in channels.values()), str(channels))
    close = tab.eval(CLOSE, 40)
    check(close["state"] == "closed" and close["got"] == ["after"], f"after closing: {close}")
    until("the lab to have closed it", lambda: {c["label"] for c in lab_channels(lab)} == {"loose", "timed", "again"}, 10)
    tab.eval("(pc.close(), true)")
    until("the lab to see it leave", lambda: counterpart.lab_stats(lab)["participants"] == 0, 20)


def check_run(results, messages, mode=None):
    """A run whose messages an echo sent back, of which `messages` came there."""
    results.all_ok(1)
    metrics = results.summary["metrics"]
    figures = {name: metrics[name] for name in metrics if name.startswith("data.")}
    out, back = figures["data.out.messages"]["max"], figures["data.in.messages"]["max"]
    test.note(f"sent {out:.0f}, came back {back:.0f}, round trip p50 {figures['data.rtt']['p50']:.2f} ms "
              f"p99 {figures['data.rtt']['p99']:.2f} ms, out {figures['data.out.throughput']['avg']:.0f} kbit/s")
    check(out >= RATE * (RUN_S - 3), f"{out:.0f} messages sent, expected {RATE}/s")
    check(0 <= out - back <= 5, f"{out:.0f} messages sent, {back:.0f} came back")
    check(messages is None or 0 <= out - messages <= 5, f"{out:.0f} messages sent, {messages} came there")
    check(figures["data.in.loss"]["max"] == 0, f"loss {figures['data.in.loss']}")
    want = RATE * SIZE * 8 / 1000
    check(abs(figures["data.out.throughput"]["avg"] / want - 1) < 0.1,
          f"{figures['data.out.throughput']['avg']} kbit/s, expected {want}")
    check_files(results, out, back)


def check_files(results, out, back):
    """The row of the peer, the seconds and the dump say the same."""
    row = results.peers[0]
    check((row["data.out.messages"], row["data.in.messages"]) == (out, back), f"peers.csv: {row['data.out.messages']}, {row['data.in.messages']}")
    check(row["data.out.bytes"] == out * SIZE and row["data.rtt_ms"] > 0, f"peers.csv: {row['data.out.bytes']} bytes, {row['data.rtt_ms']} ms")
    with open(results.folder / "timeline.csv", newline="") as file:
        seconds = list(csv.DictReader(file))
    for name, total in (("data.out.messages", out), ("data.in.messages", back)):
        check(sum(int(s[name]) for s in seconds) == total, f"timeline.csv: {name} {[s[name] for s in seconds]}, {total} in all")
    full = [float(s["data.out.throughput_kbps"]) for s in seconds if int(s["data.out.messages"]) == RATE]
    check(full and all(abs(kbps - RATE * SIZE * 8 / 1000) < 1e-6 for kbps in full), f"timeline.csv: {full}")
    check(any(s["data.rtt_ms"] for s in seconds), "timeline.csv: no round trip")
    sent = results.values("messagesSent")
    check(len(sent) == 1 and 0 <= out - sent[0][-1] <= 1, f"dump: messagesSent {sent}, {out} in all")


def squall_words(*more):
    return ["--peers", 1, "--dump", 1, "--duration", f"{RUN_S}s", "--no-audio", "--no-video", "--data", f"{RATE}/s:{SIZE}",
            "--local-ip", ADDRESS, "--lateness-max", "500", *more]


def browser_answers(t, Browser):
    """Squall opens a channel; the browser answers and echoes, and then closes it."""
    browser = Browser(t)
    home = browser.open(t.lab().http())

    def answer(offer):
        try:
            return 201, fakes.SDP, home.eval(ANSWER % json.dumps(offer), 30)
        except Failure as problem:
            return 500, {}, str(problem)

    server = fakes.Whip(t, answer, address=ADDRESS, deleted=threading.Event().set)
    target = f"whip+http://{ADDRESS}:{server.port}/whip"
    results = t.run(target, *squall_words("--data-mode", "unordered,retransmits=3")).finish(40)
    seen = home.eval("seen")
    check(len(seen["channels"]) == 1 and seen["channels"][0][:3] == ["squall", False, 3], str(seen))
    check_run(results, seen["messages"])
    until("the channel to be closed there", lambda: home.eval("seen.closed") == 1, 20)
    # Again, and this time the browser closes the channel under it: that is no end of the connection.
    run = t.run(target, *squall_words())
    until("messages", lambda: home.eval("typeof seen === 'object' && seen.messages > 20 && theirs.readyState === 'open'"), 20)
    home.eval("(theirs.close(), true)")
    until("the channel to be closed by both", lambda: home.eval("theirs.readyState") == "closed", 10)
    run.finish(40).all_ok(1)


def data_chromium_offers(t):
    """With message interleaving (RFC 8260), which Chromium has behind a field trial; chromium-offers is without."""
    browser_offers(t, Chromium(t, ["--force-fieldtrials=WebRTC-DataChannelMessageInterleaving/Enabled/"]), True)


def data_chromium_answers(t):
    browser_answers(t, Chromium)


def data_firefox_offers(t):
    """It interleaves without being asked."""
    browser_offers(t, Firefox(t), True)


def data_firefox_answers(t):
    browser_answers(t, Firefox)


def data_janus_echotest(t):
    """Janus' echotest sends binary messages back as they are; beside media."""
    janus = Janus(t)
    words = [w for w in squall_words() if w not in ("--no-audio", "--no-video")]
    check_run(t.run(janus.url + "?plugin=echotest", *words).finish(40), None)


def data_janus_videoroom(t):
    """Two publish, and each of all three hears the others; Janus relays to those only who have opened a channel."""
    janus = Janus(t)
    results = t.run(janus.url + f"?plugin=videoroom&room={ROOM}", "--peers", 3, "--publishers", 2, "--duration", f"{RUN_S}s",
                    "--data", f"{RATE}/s:{SIZE}", "--local-ip", ADDRESS, "--lateness-max", "500").finish(40)
    results.all_ok(3)
    out = sum(peer["data.out.messages"] for peer in results.peers)
    for peer in results.peers:
        heard, others = peer["data.in.messages"], out - peer["data.out.messages"]
        publishers = 1 if peer["data.out.messages"] else 2
        test.note(f"{peer['peer']} sent {peer['data.out.messages']:.0f}, heard {heard:.0f} of {others:.0f}")
        # Those who came first have sent for a while before the last one listens.
        check(publishers * RATE * (RUN_S - 3) <= heard <= others, f"{peer['peer']} heard {heard} of {others}")
        check(peer["data.in.bytes"] == heard * SIZE and peer["data.in.loss_percent"] == 0, f"{peer}")
    check(results.metric("data.in.latency", "count") > 0 and "data_note" not in results.summary, "latency")
    check(sum(peer["data.out.messages"] > 0 for peer in results.peers) == 2, "who publishes")


def data_janus_limit(t):
    """Janus' answer has no a=max-message-size: 64 KiB (RFC 8841). Those are sent; larger ones fail who is to send them, by whatever way."""
    janus = Janus(t)
    target, short = janus.url + "?plugin=echotest", ("--peers", 1, "--duration", "3s", "--local-ip", ADDRESS, "--lateness-max", "500")
    scenario = t.folder / "large.yaml"
    scenario.write_text(f"target: {target}\ndata: open\nsteps: [{{data: {{bytes: 66000}}}}]\n")
    runs = [t.run(target, "--no-audio", "--no-video", "--data", "20/s:65536", *short),
            t.run(target, "--data", "max:66000", *short), t.run(str(scenario), *short)]
    fits, large, steps = [one.finish(40) for one in runs]
    fits.all_ok(1)
    check(fits.metric("data.out.messages", "max") > 0, "none was sent")
    for results, words in ((large, "--data asks for 66000"), (steps, "this one has 66000")):
        sentence = results.message("signaling")
        test.note(sentence)
        check(results.code == 1 and results.causes() == {"signaling": 1} and results.summary["generator"]["ok"], results.text)
        check(words in sentence and "65536 bytes at most (it has no a=max-message-size, RFC 8841)" in sentence, sentence)
        check(sentence[:60] in results.text, results.text)


def data_max(t):
    """As many as go through: SCTP fills our own socket buffers, or our core. That is told, and no reason for INVALID
    until more is asked of the service than we could."""
    results = t.run("lab:echo", "--peers", 1, "--duration", "6s", "--data", "max:16k", "--no-audio", "--no-video", "--lateness-max", "200").finish()
    results.all_ok(1)
    own = results.summary["generator"]
    many = own["receive_drops"] > 0.001 * results.metric("data.in.throughput", "avg") * 6 * 1000 / 8 / 1100 * 2
    check(not many or "sent again" in own["note"], f"{own}")
    seconds = [float(row["cpu_percent"]) for row in csv.DictReader((results.folder / "timeline.csv").open())]
    full = sum(percent > 95 for percent in seconds) >= max(0.1 * len(seconds), 1)
    check(full == ("of its core" in own["note"]), f"{own}")
    check(not own["note"] or own["note"] in results.text, results.text)
    test.note(own["note"] or f"{own['receive_drops']} drops")


def data_nobody_hears(t):
    """A target that passes nothing on is told."""
    results = t.run("lab:", "--peers", 1, "--duration", "4s", "--no-audio", "--no-video", "--data", "20/s:100", "--lateness-max", "500").finish(40)
    check(re.search(r"no peer heard any of the \d+ messages", results.summary["data_note"] + results.text), results.text)


def data_aiortc_answers(t):
    """aiortc answers Squall's offer, and echoes."""
    peer = t.start("aiortc", ["/usr/bin/python3", "-B", __file__.replace("test_data", "aiortc_data"), ADDRESS])
    port = until("aiortc's port", lambda: (peer.stdout().split("\n")[0] or "").strip(), 20)
    results = t.run(f"whip+http://{ADDRESS}:{port}/whip", *squall_words()).finish(40)
    check_run(results, None)


if __name__ == "__main__":
    test.run([data_chromium_offers, data_chromium_answers, data_firefox_offers, data_firefox_answers,
              data_janus_echotest, data_janus_videoroom, data_janus_limit, data_max, data_nobody_hears, data_aiortc_answers])
