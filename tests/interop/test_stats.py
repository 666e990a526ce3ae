"""The counters of one call as Squall and as Chromium have them, with congestion control on both sides: each
side's probes, padding and RTX are in them, and they mean the same."""
import browsers
from harness import counterpart, test
from harness.browser import Chromium
from harness.browser_peer import BrowserPeer
from harness.proc import check
from harness.sandbox import ADDRESS

SECONDS = 8

# What getStats() has, by type and kind; streams that share a type and kind are no part of these calls.
REPORTS = """(async () => {
  const found = {};
  for (const r of (await interop.pc.getStats()).values())
    if (/rtp$/.test(r.type)) found[`${r.type} ${r.kind}`] = Object.fromEntries(Object.entries(r).filter(([, v]) => typeof v === 'number'));
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


if __name__ == "__main__":
    test.run([stats_chromium])
