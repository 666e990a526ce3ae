"""The lab's page in a browser, and WHIP and WHEP by hand in it."""
from urllib.parse import urlencode

from .figures import Counter

MEMBERS = ["packetsReceived", "bytesReceived", "packetsLost", "jitter", "framesDecoded", "keyFramesDecoded",
           "framesPerSecond", "frameWidth", "frameHeight", "totalAudioEnergy", "totalSamplesReceived",
           "packetsSent", "bytesSent", "framesEncoded", "retransmittedPacketsSent", "freezeCount"]

# Reads the statistics of connection() five times a second into `seen`: name -> [[ms, {…}], …], where a
# name is in or out, kind, and the name of whoever publishes it (or of the section).
WATCH = """(() => {
  const members = %s;
  window.seen = {};
  window.watchProblem = null;
  setInterval(async () => {
    try {
      const pc = %s;
      const owner = (mid) => { try { return session.owners.get(mid).name; } catch (e) { return mid; } };
      for (const r of (await pc.getStats()).values()) {
        if (r.type !== 'inbound-rtp' && r.type !== 'outbound-rtp') continue;
        const way = r.type === 'inbound-rtp' ? 'in' : 'out';
        const name = [way, r.kind, way === 'in' ? owner(r.mid) : 'own'].join(' ');
        const values = { ssrc: r.ssrc };
        for (const m of members) if (typeof r[m] === 'number') values[m] = r[m];
        (seen[name] = seen[name] || []).push([r.timestamp, values]);
      }
    } catch (e) { watchProblem = String(e); }
  }, 200);
  return true;
})()"""

# Sends an offer by HTTP POST, takes the answer (RFC 9725), with all candidates gathered before.
POST = """
async function post(pc, url) {
  await pc.setLocalDescription();
  while (pc.iceGatheringState !== 'complete') await new Promise((r) => setTimeout(r, 20));
  const answer = await fetch(url, { method: 'POST', body: pc.localDescription.sdp,
                                    headers: { 'Content-Type': 'application/sdp' } });
  if (answer.status !== 201) throw new Error(url + ': ' + answer.status + ' ' + await answer.text());
  pc.resource = new URL(answer.headers.get('Location'), url).href;
  await pc.setRemoteDescription({ type: 'answer', sdp: await answer.text() });
}"""
PUBLISH = """(async () => {%s
  const stream = await navigator.mediaDevices.getUserMedia({ audio: true, video: true });
  window.pub = new RTCPeerConnection();
  stream.getTracks().forEach((track) => pub.addTrack(track, stream));
  await post(pub, '%s');
  return true;
})()"""
PLAY = """(async () => {%s
  window.play = new RTCPeerConnection();
  play.addTransceiver('audio', { direction: 'recvonly' });
  play.addTransceiver('video', { direction: 'recvonly' });
  const video = document.createElement('video');
  video.autoplay = true; // not muted: what nobody is to hear is not decoded
  video.srcObject = new MediaStream();
  play.ontrack = (event) => video.srcObject.addTrack(event.track);
  document.body.append(video);
  await post(play, '%s');
  return true;
})()"""


class Guest:
    """Someone who joins a room of the lab by its page."""

    def __init__(self, browser, lab, room, name, publish="audio,video"):
        query = urlencode({"room": room, "name": name, "auto": 1, "publish": publish})
        self.name = name
        self.page = browser.open(lab.http("/?" + query))
        self.page.until("the connection with the lab",
                        "typeof session === 'object' && session && session.pc "
                        "&& session.pc.connectionState === 'connected'", 40)
        self.page.eval(WATCH % (MEMBERS, "session.pc"))

    def stats(self):
        return self.page.eval("window.squallStats()")

    def leave(self):
        self.page.eval("(leave(), true)")

    def seen(self):
        return read_seen(self.page)


def read_seen(page):
    """What WATCH has gathered: {name: Counter}."""
    return {name: Counter([(t, v) for t, v in samples]) for name, samples in page.eval("window.seen").items()}


def publish(page, url):
    page.eval(PUBLISH % (POST, url), 30)
    page.until("publishing by WHIP", "pub.connectionState === 'connected'", 20)


def play(page, url):
    page.eval(PLAY % (POST, url), 30)
    page.until("playing by WHEP", "play.connectionState === 'connected'", 20)
