"""A browser in a room of the lab with Squall peers, two pages with each other, and WHIP and WHEP: the
same for every browser."""
import json
import subprocess
import time
import urllib.request

from harness import counterpart, fakes, figures, page, test
from harness.browser_peer import BrowserPeer
from harness.proc import check, until
from harness.relay import Relay
from harness.sandbox import ADDRESS, need
from harness.squall import CONSTANT

# The default clip (share/clips/README.md).
WIDTH, HEIGHT, FPS = 640, 360, 25
PEERS = 2
CAMERA = {"width": 320, "height": 240, "frameRate": 20}

# Bounds, with what they are made of. The browser is read every 200 ms, and read off between samples
# (harness/figures.py): in that time come 5 frames of up to 10 packets, or a key frame of up to 50.
PACKETS_APART = {"audio": 11, "video": 50}
BYTES_APART = {"audio": 11 * 120, "video": 50 * 1200}
FRAMES_APART = 7  # at up to 30 frames/s, and one on its way
SHARE_APART = 0.01
AUDIO_JITTER_APART_MS = 6  # both of some ms at most: what two busy processes' scheduling adds
FPS_APART = 1.5
SIDES = 0.95 / 0.45  # the left side's level to the right one's of the default clip's voice in stereo (tools/make-clips.sh)
FEC_LOSS_PERCENT = 10


def the_lab(t, *options):
    lab = t.lab("--media-ip", ADDRESS, *options)
    with urllib.request.urlopen(lab.http("/health"), timeout=5) as answer:
        check(answer.status == 200, "the lab's /health")
    return lab


def lab_member(lab, room, name):
    with urllib.request.urlopen(lab.http(f"/stats?room={room}"), timeout=5) as answer:
        rooms = json.load(answer)["roomList"]
    return next((m for r in rooms for m in r["members"] if m["name"] == name), None)


def lab_totals(lab):
    with urllib.request.urlopen(lab.http("/stats?members=0"), timeout=5) as answer:
        return json.load(answer)


def kind_of(series):
    return "video" if series.video else "audio"


def bounds(kind):
    return {"packets": PACKETS_APART[kind], "bytes": BYTES_APART[kind], "frames": FRAMES_APART}


def check_playing(name, counter, kind):
    """The browser really decodes it: pictures of the right size, sound that is not silence."""
    (_, first), (_, last) = counter.samples[0], counter.samples[-1]
    if kind == "video":
        check((last["frameWidth"], last["frameHeight"]) == (WIDTH, HEIGHT),
              f"{name}: picture of {last['frameWidth']}x{last['frameHeight']}")
        check(last["framesDecoded"] - first.get("framesDecoded", 0) > 4 * FPS, f"{name}: {last['framesDecoded']} frames decoded")
        check(last["keyFramesDecoded"] >= 1, f"{name}: no key frame decoded")
    else:
        check(last["totalAudioEnergy"] > first["totalAudioEnergy"], f"{name}: nothing is heard")
        check(last["totalSamplesReceived"] > first["totalSamplesReceived"], f"{name}: no samples")
    check(last["packetsLost"] == 0, f"{name}: {last['packetsLost']} packets lost on loopback")


def series_of(dump, kind, direction, ssrc=None):
    found = [s for s in dump if kind_of(s) == kind and s.kind == direction
             and (ssrc is None or s.ssrc == ssrc)]
    check(len(found) == 1, f"{len(found)} {direction} series of {kind}, SSRC {ssrc}")
    return figures.of_series(found[0])


def check_what_the_browser_got(seen, results, dumps):
    """Squall's publishers against the browser's inbound-rtp of them."""
    for peer, dump in zip(results.peers, dumps):
        for kind in ("audio", "video"):
            name = f"in {kind} {peer['peer']}"
            check(name in seen, f"the browser has no stream '{name}', only {sorted(seen)}")
            check_playing(name, seen[name], kind)
            span = figures.agree(
                f"Squall sent, the browser got {kind} of {peer['peer']}", series_of(dump, kind, "outbound-rtp"),
                seen[name], [("packetsSent", "packetsReceived", "packets"), ("bytesSent", "bytesReceived", "bytes")],
                SHARE_APART, bounds(kind), test.note)
            if kind == "video":
                frames = figures.growth(seen[name], "framesDecoded", span)
                rate = frames * 1000 / (span[1] - span[0])
                check(abs(rate - peer["video.out.fps"]) <= FPS_APART,
                      f"{name}: {rate:.1f} frames/s decoded, Squall sent {peer['video.out.fps']:.1f}")


def check_jitter(seen, dumps, ssrcs):
    """A Squall viewer and the browser receive the same publisher's audio through the same lab."""
    squall = series_of(dumps[1], "audio", "inbound-rtp", ssrcs[("squall-0", "audio")])
    browser = seen["in audio squall-0"]
    span = figures.common_span(squall, browser)
    mine = [1000 * v for v in squall.values("jitter", *span)]
    theirs = [1000 * v for v in browser.values("jitter", *span)]
    means = sum(mine) / len(mine), sum(theirs) / len(theirs)
    test.note("jitter of the same audio: Squall {:.2f} ms, the browser {:.2f} ms".format(*means))
    check(abs(means[0] - means[1]) <= AUDIO_JITTER_APART_MS, "jitter: Squall {} ms, the browser {} ms".format(*means))


def check_what_squall_got(seen, dumps, ssrcs, viewer):
    """The browser's outbound-rtp against Squall's inbound of it. Not packets: a browser also sends some
    that hold padding only, to probe, and the lab does not pass those on."""
    for kind in ("audio", "video"):
        pairs = [("bytesReceived", "bytesSent", "bytes")]
        if kind == "video":
            pairs.append(("framesDecoded", "framesEncoded", "frames"))
        else:
            pairs.append(("packetsReceived", "packetsSent", "packets"))
        squall = series_of(dumps[viewer], kind, "inbound-rtp", ssrcs[("browser", kind)])
        figures.agree(f"the browser sent, Squall got {kind}", squall, seen[f"out {kind} own"], pairs, SHARE_APART,
                      bounds(kind), test.note)
        check(squall.samples[-1][1]["packetsLost"] == 0, f"Squall lost the browser's {kind}")


def check_what_the_lab_got(guest, lab):
    """The browser's packets since it joined, padding included, against the lab's own count of them."""
    now = time.time() * 1000
    member = lab_member(lab, "interop", guest.name)
    for inbound in member["inbound"]:
        kind = inbound["kind"]
        name = f"out {kind} own"
        sent = until("the browser's next sample", lambda: guest.seen()[name].at("packetsSent", now), 5)
        test.note(f"since it joined the browser sent {sent:.0f} packets of {kind}, the lab got {inbound['packetsReceived']}")
        check(inbound["packetsLost"] == 0, f"the lab lost {inbound['packetsLost']} packets of the browser's {kind}; {lab_totals(lab)}")
        check(abs(sent - inbound["packetsReceived"]) <= PACKETS_APART[kind],
              f"the browser sent {sent:.0f} packets of {kind}, the lab got {inbound['packetsReceived']}")
    check(len(member["inbound"]) == 2, f"{len(member['inbound'])} streams of the browser's at the lab, expected 2")


# The protocol and types of the pair that a connection uses.
SELECTED = """(async () => {
  const stats = [...(await session.pc.getStats()).values()];
  const transport = stats.find((s) => s.type === "transport");
  const pair = stats.find((s) => s.id === transport.selectedCandidatePairId);
  const of = (id) => stats.find((s) => s.id === id);
  return [of(pair.localCandidateId).protocol, of(pair.localCandidateId).candidateType, of(pair.remoteCandidateId).candidateType];
})()"""


def room_with_squall(t, Browser, *lab_options, run_options=()):
    """Gives what the browser says of its pair, and the results."""
    lab = the_lab(t, *lab_options)
    guest = page.Guest(Browser(t), lab, "interop", "browser")
    run = t.run(lab.room(), *CONSTANT, "--room", "interop", "--peers", PEERS, "--rate", "10/s", "--duration", "12s",
                "--local-ip", ADDRESS, "--dump", PEERS, "--lateness-max", "200", *run_options)

    def all_there():
        stats = guest.stats()
        return stats["videoTracksIn"] == PEERS and stats["audioTracksIn"] == PEERS
    until("the browser to get all tracks", all_there, 20)
    # Who is behind which SSRC of the second Squall peer.
    viewer = until("the lab to list squall-1", lambda: lab_member(lab, "interop", "squall-1"), 10)
    names = {member["id"]: member["name"] for member in
             (lab_member(lab, "interop", name) for name in ("browser", "squall-0"))}
    ssrcs = {(names.get(o["from"]), o["kind"]): o["ssrc"] for o in viewer["outbound"]}
    pair = guest.page.eval(SELECTED)
    results = run.finish()
    check_what_the_lab_got(guest, lab)
    seen = guest.seen()
    results.all_ok(PEERS)
    dumps = results.dumps()
    check_what_the_browser_got(seen, results, dumps)
    check_what_squall_got(seen, dumps, ssrcs, viewer=1)
    check_jitter(seen, dumps, ssrcs)
    guest.leave()
    until("the lab to see the browser leave", lambda: lab_member(lab, "interop", "browser") is None, 10)
    return pair, results


def two_pages(t, Browser):
    lab = the_lab(t)
    browser = Browser(t)
    guests = [page.Guest(browser, lab, "pair", name) for name in ("one", "two")]
    for guest, other in zip(guests, reversed(guests)):
        until(f"{guest.name} to see {other.name}", lambda: guest.stats()["framesDecoded"] > 50, 30)
        seen = guest.seen()
        (_, last), (_, first) = seen[f"in audio {other.name}"].samples[-1], seen[f"in audio {other.name}"].samples[0]
        check(last["totalAudioEnergy"] > first["totalAudioEnergy"], f"{guest.name} does not hear {other.name}")
        video = seen[f"in video {other.name}"].samples[-1][1]
        check(video["frameWidth"] > 0 and video["keyFramesDecoded"] >= 1, f"{guest.name}: {video}")
        test.note(f"{guest.name} sees {other.name}: {video['framesDecoded']} frames of "
                  f"{video['frameWidth']}x{video['frameHeight']}, {video['packetsLost']} packets lost")


def whip_and_whep(t, Browser, codec="vp8"):
    """The browser plays a Squall publisher by WHEP, and Squall watches what it publishes by WHIP."""
    lab = the_lab(t)
    browser = Browser(t)
    tab = browser.open(lab.http())
    publisher = t.run(f"whip+{lab.http('/whip/clip')}", *CONSTANT, "--peers", 1, "--duration", "30s", "--local-ip", ADDRESS,
                      "--codec", f"video={codec}", "--lateness-max", "200")
    # A clip's stream must be there before it can be played.
    until("the publisher", lambda: "1 connected" in publisher.process.stderr(), 15)
    page.play(tab, lab.http("/whep/clip"))
    tab.eval(page.WATCH % (page.MEMBERS, "play"))
    page.publish(tab, lab.http("/whip/browser"))
    watcher = t.run(f"whep+{lab.http('/whep/browser')}", "--peers", 2, "--rate", "10/s", "--duration", "6s",
                    "--local-ip", ADDRESS, "--lateness-max", "200")
    watched = watcher.finish()
    seen = page.read_seen(tab)
    for kind in ("audio", "video"):
        name = next(n for n in seen if n.startswith(f"in {kind}"))
        check_playing(name, seen[name], kind)
    watched.all_ok(2)
    for peer in watched.peers:
        check(peer["video.in.frames"] > 30 and peer["audio.in.packets"] > 200 and peer["video.in.lost"] == 0,
              f"{peer['peer']} watched {peer['video.in.frames']} frames, {peer['audio.in.packets']} audio packets")
    publisher.process.signal()
    check(publisher.finish().code == 130, "an interrupted publisher gives 130")


def software(t, Browser, browser=None, **options):
    browser = browser or Browser(t)
    return counterpart.Software(lambda words: BrowserPeer(t, browser, words, {"video": CAMERA, **options}),
                                size=(CAMERA["width"], CAMERA["height"]), fps=CAMERA["frameRate"], unsent_frames=2)


def offers(t, Browser):
    counterpart.offers(t, test.note, software(t, Browser))


def answers(t, Browser):
    counterpart.answers(t, test.note, software(t, Browser))


def codecs(t, Browser):
    """Squall's clip in each codec to the browser, and the browser's own media in it to Squall."""
    source, clip = t.folder / "in.mp4", t.folder / "codecs.sqclip"
    subprocess.run([need("ffmpeg"), "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25", "-f", "lavfi", "-i",
                    "sine=frequency=440", "-t", "4", "-c:v", "mpeg4", "-q:v", "4", str(source)], check=True, timeout=60)
    done = subprocess.run([t.squall, "media", "prepare", source, "--codec", "vp8,vp9,h264,av1,pcmu,g722,opus", "--ladder", "180@200k",
                           "--seconds", "3s", "-o", clip], capture_output=True, text=True, timeout=180)
    check(done.returncode == 0, f"media prepare: {done.stderr}")
    browser, sizes = Browser(t), {}
    for video, audio in (("vp9", "pcmu"), ("h264", "g722"), ("av1", "opus"), ("vp8", "opus+red")):
        side = software(t, Browser, browser)
        side.codecs = {"audio": audio.split("+")[0], "video": video}
        results = counterpart.answers(
            t, test.note, side, "--media", clip, "--codec", f"video={video}", "--codec", f"audio={audio}",
            sent={"width": 320, "height": 180, "fps": 25})
        sizes[audio] = {way: figures["bytes"] / figures["packets"] for way, figures in results.theirs["audio"].items() if way in ("in", "out")}
    test.note(f"bytes of a packet of Opus and of RED, as {browser.name} counts them: {sizes['opus']}, {sizes['opus+red']}")
    for way in ("in", "out"):  # every packet has the one before it as well, both ways
        check(1.8 * sizes["opus"][way] < sizes["opus+red"][way] < 2.4 * sizes["opus"][way], f"{way}: {sizes}")


def agreed(results, asked):
    """The peer had the other side's word for it."""
    row = next((row for row in results.summary["negotiation"] if row["asked"] == asked), None)
    check(row and (row["peers"], row["refused"]) == (1, 0), f"{asked}: {results.summary['negotiation']}")


def h264_mode0(t, Browser):
    """H.264 in packetization mode 0 both ways, and Opus in stereo for a page that asks for it: the clip's voice stands to the left."""
    side = software(t, Browser, opus="stereo=1", sides=True)
    side.codecs = {"audio": "opus", "video": "h264"}
    results = counterpart.answers(t, test.note, side, "--codec", "video=h264-mode0", "--codec", "audio=opus+stereo")
    video, audio = results.theirs["video"], results.theirs["audio"]
    left, right = (energy ** 0.5 for energy in results.theirs["sides"])
    test.note(f"video {video['fmtp']}, back {video['out']['fmtp']}; audio {audio['fmtp']}; the left side has {left / max(right, 1e-9):.2f} times the right one's level")
    for way in video["fmtp"], video["out"]["fmtp"]:
        check("packetization-mode=0" in way, f"H.264 with {way}")
    check("stereo=1" in audio["fmtp"], f"Opus with {audio['fmtp']}")
    check(0.8 * SIDES < left / max(right, 1e-9) < 1.2 * SIDES, f"levels of the sides: {left}, {right}")
    agreed(results, "opus+stereo")


def call_with_sound(t, browser, codec, options, relay=None):
    """A page that answers, with sound alone; relay: between the two."""
    peer = BrowserPeer(t, browser, ["answer", ADDRESS, str(counterpart.SECONDS)], {"video": False, **options})
    server = fakes.Whip(t, relay.between(peer.answer) if relay else peer.answer, address=ADDRESS)
    run = t.run(server.target().replace("127.0.0.1", ADDRESS), "--echo", "--peers", 1, "--duration", "60s", "--no-video", "--no-trickle",
                "--codec", f"audio={codec}", *counterpart.CALM)
    return peer, run


def opus(t, Browser):
    """Two calls at once, sound alone: with DTX, and with in-band FEC through loss."""
    browser, relay = Browser(t), Relay(t)
    calls = [call_with_sound(t, browser, "opus+dtx", {"opus": "usedtx=1"}), call_with_sound(t, browser, "opus+fec", {}, relay)]
    for peer, _ in calls:
        peer.event("connected")
    relay.shape("up", delay_ms=5, jitter_ms=15, loss_percent=FEC_LOSS_PERCENT)
    time.sleep(counterpart.SECONDS + 1)
    dtx, fec = (peer.figures()["audio"] for peer, _ in calls)
    for _, run in calls:
        run.process.signal()
    results = [run.finish() for _, run in calls]
    for name, sound in ("DTX", dtx), ("FEC", fec):
        test.note(f"{name}: {sound}")
    for asked, result in zip(("opus+dtx", "opus+fec"), results):
        check(result.code == 130 and result.peers[0]["outcome"] == "ok", f"{asked}: {result.code}, {result.summary['failures']}")
        agreed(result, asked)
    check("usedtx=1" in dtx["fmtp"], f"Opus with {dtx['fmtp']}")
    check_dtx(dtx["in"], fec["in"])
    check_fec(fec["in"])


def check_dtx(sound, whole):
    """More than a third of the clip's packets is not there, of any six seconds a quarter, and that is not taken for gaps."""
    share = sound["packets"] / (whole["packets"] + whole["lost"])
    concealed = sound["concealed"] / sound["samples"]
    test.note(f"DTX: {100 * share:.0f} % of the packets; Chromium conceals {100 * concealed:.2f} % of the samples, {sound['lost']} packets lost")
    check(share < 0.8, f"DTX: {sound['packets']} packets, without it {whole['packets']} and {whole['lost']} lost")
    check(sound["lost"] == 0 and concealed < 0.08, f"DTX: {sound}")


def check_fec(sound):
    """Most of what is lost comes out of the next packet: the encoder protects what is worth it."""
    useful = sound["fec"] - sound["fecDiscarded"]
    without = sound["lost"] * 960  # 20 ms each
    test.note(f"FEC: {sound['lost']} packets lost, {sound['fec']} with FEC came, {useful} of use; {sound['concealed']} samples concealed, {without} were lost")
    check(sound["lost"] >= 10, f"{sound['lost']} packets lost")
    check(sound["fec"] > 100 and useful > sound["lost"] / 2, f"FEC: {sound}")
    check(sound["concealed"] < 0.6 * without, f"FEC: {sound}")


LAYERS = [{"rid": "q", "scaleResolutionDownBy": 4}, {"rid": "h", "scaleResolutionDownBy": 2}, {"rid": "f"}]


def simulcast(t, Browser):
    """Three layers of the browser's, by WHIP into the lab: all come in, and a Squall viewer gets the highest."""
    lab = the_lab(t)
    options = {"video": {"width": 960, "height": 540, "frameRate": 15}, "encodings": LAYERS}
    peer = BrowserPeer(t, Browser(t), ["offer", lab.http("/whip/layers"), "0"], options)
    peer.event("connected")
    # The browser begins with what it dares to send; its highest layer comes when its estimate allows.
    peer.page.until("its highest layer", """(async () => [...(await interop.pc.getStats()).values()].some((r) =>
        r.type === 'outbound-rtp' && r.rid === 'f' && r.framesEncoded > 20))()""", 30)
    results = t.run(f"whep+{lab.http('/whep/layers')}", "--peers", 1, "--duration", "8s", *counterpart.CALM).finish()
    sent = peer.page.eval("""(async () => [...(await interop.pc.getStats()).values()].filter((r) => r.type === 'outbound-rtp' && r.rid)
        .map((r) => [r.rid, r.frameWidth, r.framesEncoded]))()""")
    with urllib.request.urlopen(lab.http("/stats?room=layers"), timeout=5) as answer:
        publisher = next(m for r in json.load(answer)["roomList"] for m in r["members"] if m["kind"] == "whip")
    came = [s for s in publisher["inbound"] if s["kind"] == "video"]
    viewer = results.peers[0]
    test.note(f"{peer.browser.name} sends {sorted(sent)}; the lab takes {[(s['ssrc'], s['packetsReceived']) for s in came]}; the viewer got "
              f"{viewer['video.in.frames']:.0f} frames, {viewer['video.in.width']:.0f}x{viewer['video.in.height']:.0f} at the end")
    results.all_ok(1)
    check(sorted(rid for rid, _, frames in sent if frames > 0) == ["f", "h", "q"], f"layers sent: {sent}")
    check((viewer["video.in.width"], viewer["video.in.height"]) == (960, 540), f"the viewer has {viewer['video.in.width']:.0f}x")
    check(viewer["video.in.lost"] == 0 and viewer["video.in.frames"] > 6 * 15, f"{viewer['video.in.frames']:.0f} frames in 8 s at 15/s")
    check(sorted(s["layer"] for s in came) == [0, 1, 2], f"the lab's streams: {came}")
    check(all(s["packetsReceived"] > 0 and s["packetsLost"] == 0 for s in came), f"the lab's streams: {came}")
    peer.go_on()
