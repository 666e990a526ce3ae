"""The counters of one call as Squall and as Chromium have them, with congestion control on both sides: each
side's probes, padding and RTX are in them, and they mean the same."""
import json

import browsers
from harness import counterpart, test
from harness.browser import Chromium
from harness.browser_peer import BrowserPeer
from harness.proc import check
from harness.sandbox import ADDRESS

SECONDS = 8
GOODBYES = 6  # datagrams behind the last sample: what came due in between, BYE, DTLS' close
RTT_MOST_S = 0.05  # of one machine, where nothing is in between; the call behind a relay has a known one (impaired-call)

# What getStats() has, by type and kind; streams that share a type and kind are no part of these calls.
REPORTS = """(async () => {
  const found = {};
  for (const r of (await interop.pc.getStats()).values())
    if (r.type === 'candidate-pair' && r.nominated && r.state === 'succeeded') found.pair = r;
    else if (/rtp$/.test(r.type)) found[`${r.type} ${r.kind}`] = Object.fromEntries(Object.entries(r).filter(([k, v]) => typeof v === 'number' || k === 'codecId'));
    else if (r.type === 'codec') found[r.id] = { mimeType: r.mimeType, payloadType: r.payloadType, clockRate: r.clockRate };
  return found;
})()"""


def stats_chromium(t):
    """Squall calls Chromium at the rate that its estimate allows, and probes for it, as Chromium does."""
    peer = BrowserPeer(t, Chromium(t), ["answer", ADDRESS, str(SECONDS)], {"video": browsers.CAMERA})
    run = t.run(f"whip+http://{ADDRESS}:{peer.event('listening')['port']}/whip", "--echo", "--peers", 1, "--duration", "60s", "--dump", 1, *counterpart.CALM)
    peer.event("connected")
    peer.event("quiet")
    before = peer.page.eval(REPORTS)
    run.process.signal()
    results = run.finish()
    peer.on_over(20)
    theirs = peer.page.eval(REPORTS)
    mine = {(s.kind, "video" if s.video else "audio"): {name: points[-1][1] for name, points in s.members.items()} for s in results.dumps()[0]}
    row = results.peers[0]
    check(row["outcome"] == "ok", f"{row['outcome']} {row['message']}")
    for kind in ("audio", "video"):
        check_sent(t, kind, row, mine[("outbound-rtp", kind)], theirs[f"inbound-rtp {kind}"])
        check_received(t, kind, row, mine[("inbound-rtp", kind)], before[f"outbound-rtp {kind}"], theirs[f"outbound-rtp {kind}"])
    check_sizes(results, theirs)
    check_pair(*check_objects(results, theirs), before["pair"], theirs["pair"])


def check_sent(t, kind, row, mine, theirs):
    again, came = mine["retransmittedPacketsSent"], theirs.get("retransmittedPacketsReceived", 0)
    test.note(f"{kind} of Squall's: sent {row[f'{kind}.out.packets']:.0f} packets of {row[f'{kind}.out.bytes']:.0f} bytes, {again:.0f} of them again; "
              f"Chromium got {theirs['packetsReceived']} of {theirs['bytesReceived']}, {came} by RTX")
    check(row[f"{kind}.out.packets"] == theirs["packetsReceived"], f"{kind}: packets")
    check(row[f"{kind}.out.bytes"] == theirs["bytesReceived"], f"{kind}: bytes")
    # Headers from the dump: as many bytes a packet.
    a, b = mine["headerBytesSent"] / mine["packetsSent"], theirs["headerBytesReceived"] / theirs["packetsReceived"]
    check(abs(a - b) < 0.2, f"{kind}: {a:.3f} bytes of header a packet, Chromium has {b:.3f}")
    check(theirs["packetsLost"] == 0 and again <= theirs.get("nackCount", 0) * 20, f"{kind}: nothing was lost, and {again} were sent again")
    if kind == "video":
        check(came > again, f"no probes among {came} packets of RTX: nothing is shown")


def check_received(t, kind, row, mine, before, theirs):
    """Of what Chromium had sent before Squall was told to leave: it goes on with padding until it knows."""
    test.note(f"{kind} of Chromium's: sent {theirs['packetsSent']} packets of {theirs['bytesSent']} bytes, headers {theirs['headerBytesSent']}, "
              f"{theirs['retransmittedPacketsSent']} again; Squall got {row[f'{kind}.in.packets']:.0f} of {row[f'{kind}.in.bytes']:.0f}, "
              f"headers {mine['headerBytesReceived']:.0f}, {mine['retransmittedPacketsReceived']:.0f} by RTX")
    for got, name in ((row[f"{kind}.in.packets"], "packetsSent"), (row[f"{kind}.in.bytes"], "bytesSent"), (mine["headerBytesReceived"], "headerBytesSent")):
        check(before[name] <= got <= theirs[name], f"{kind}: Squall got {got:.0f}, Chromium's {name} was {before[name]}, and {theirs[name]} at the end")
    if kind == "video":
        check(mine["retransmittedPacketsReceived"] > theirs["retransmittedPacketsSent"], "no probes of Chromium's: nothing is shown")
        check(mine["framesDecoded"] >= theirs["framesSent"] - 2, f"{mine['framesDecoded']} frames decoded, {theirs['framesSent']} sent")


def check_sizes(results, theirs):
    """The picture's size is that of the step of the clip's ladder that Chromium got last."""
    row, seen = results.peers[0], theirs["inbound-rtp video"]
    test.note(f"size: Squall sends {row['video.out.width']:.0f}x{row['video.out.height']:.0f}, Chromium shows {seen['frameWidth']}x{seen['frameHeight']}")
    check((row["video.out.width"], row["video.out.height"]) == (seen["frameWidth"], seen["frameHeight"]), "size of the picture")


def objects_of(results):
    dump = json.loads(next(iter((results.folder / "webrtc-internals").glob("*.json"))).read_text())
    objects = {}
    for connection in dump["PeerConnections"].values():
        for key, value in connection["stats"].items():
            ident, member = key.rsplit("-", 1)
            objects.setdefault(ident, {"type": value["statsType"]})[member] = json.loads(value["values"])[-1]
    return objects


def check_objects(results, theirs):
    """The dump's objects refer to each other as W3C's do, and the codecs are those that Chromium decodes."""
    objects = objects_of(results)
    outs = [o for o in objects.values() if o["type"] == "outbound-rtp"]
    check(sorted(o["kind"] for o in outs) == ["audio", "video"], f"outbound-rtp: {outs}")
    for out in outs:
        codec, reported, seen = objects[out["codecId"]], objects[out["remoteId"]], theirs[f"inbound-rtp {out['kind']}"]
        check({k: codec[k] for k in ("mimeType", "payloadType", "clockRate")} == theirs[seen["codecId"]], f"{codec}, Chromium has {theirs[seen['codecId']]}")
        check(reported["type"] == "remote-inbound-rtp" and reported["ssrc"] == out["ssrc"] == seen["ssrc"], f"{reported}")
        check(0 < reported["roundTripTime"] < 0.5 and reported["packetsLost"] == 0 and "roundTripTime" not in out, f"{reported}")
    video = next(o for o in outs if o["kind"] == "video")
    check(video["qualityLimitationReason"] in ("none", "bandwidth") and video["targetBitrate"] > 0, f"{video}")
    check((video["frameWidth"], video["frameHeight"]) == (theirs["inbound-rtp video"]["frameWidth"], theirs["inbound-rtp video"]["frameHeight"]), f"{video}")
    transport = next(o for o in objects.values() if o["type"] == "transport")
    pair = objects[transport["selectedCandidatePairId"]]
    check(pair["availableOutgoingBitrate"] > 100000, f"{pair}")
    return pair, transport


def check_pair(pair, transport, before, theirs):
    """Datagrams and bytes of the pair in use, without connectivity checks, both ways. The last sample of the dump is taken
    before Squall says goodbye (BYE, DTLS close), and Chromium goes on until it hears of it: `before` is a little before, `theirs` after."""
    test.note(f"pair: Squall sent {pair['packetsSent']} packets of {pair['bytesSent']} bytes, Chromium got {theirs['packetsReceived']} of {theirs['bytesReceived']}; "
              f"Squall got {pair['packetsReceived']} of {pair['bytesReceived']}, Chromium had sent {before['packetsSent']} of {before['bytesSent']} before, "
              f"{theirs['packetsSent']} of {theirs['bytesSent']} after")
    check(0 <= theirs["packetsReceived"] - pair["packetsSent"] <= GOODBYES, f"sent: {pair}, Chromium {theirs}")
    check(0 <= theirs["bytesReceived"] - pair["bytesSent"] <= GOODBYES * 150, f"sent: {pair}, Chromium {theirs}")
    for name in ("packets", "bytes"):
        check(before[f"{name}Sent"] <= pair[f"{name}Received"] <= theirs[f"{name}Sent"], f"received: {pair}, Chromium {before} and {theirs}")
        for way in ("Sent", "Received"):
            check(transport[name + way] == pair[name + way], f"{transport}, {pair}")
    mine, other = (1000 * p["totalRoundTripTime"] / p["responsesReceived"] for p in (pair, theirs))
    test.note(f"round trip by checks: Squall {1000 * pair['currentRoundTripTime']:.2f} ms, {mine:.2f} on average; "
              f"Chromium {1000 * theirs['currentRoundTripTime']:.2f} and {other:.2f}")
    check(0 < pair["currentRoundTripTime"] < RTT_MOST_S and theirs["currentRoundTripTime"] < RTT_MOST_S, f"{pair}, {theirs}")


if __name__ == "__main__":
    test.run([stats_chromium])
