#!/usr/bin/env python3
"""Headless Chromium as a WHIP client of an echo: a page with a fake camera at 640x360, 25 frames/s and 1 Mbit/s, and
its fake microphone. Says `holding` on stderr once media has run for a while, and ends with one line of JSON of
the same names as bench/pion's.
  client.py URL CLIENTS WARM_S HOLD_S [--video]"""
import json
import os
import pathlib
import random
import shutil
import signal
import sys
import tempfile
import time
import urllib.parse

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests/interop"))
from harness.browser import Chromium
from harness.proc import Process

PAGE = """(() => {
window.client = async (url, video) => {
    const media = await navigator.mediaDevices.getUserMedia({
        audio: true, video: video && {width: 640, height: 360, frameRate: 25}});
    const pc = new RTCPeerConnection();
    for (const track of media.getTracks()) {
        const init = {direction: 'sendrecv', streams: [media]};
        if (track.kind === 'video') init.sendEncodings = [{maxBitrate: 1000000}];
        pc.addTransceiver(track, init);
    }
    pc.ontrack = ({track}) => {
        const element = document.createElement(track.kind);
        element.autoplay = true;
        element.srcObject = new MediaStream([track]);
        document.body.append(element);
    };
    await pc.setLocalDescription();
    await new Promise((resolve) => {
        const done = () => pc.iceGatheringState === 'complete' && resolve();
        pc.onicegatheringstatechange = done;
        done();
    });
    const answer = await fetch(url, {method: 'POST', headers: {'content-type': 'application/sdp'},
                                     body: pc.localDescription.sdp});
    if (answer.status !== 201) throw new Error(`WHIP: ${answer.status}`);
    const rate = 'x-google-start-bitrate=1000;x-google-min-bitrate=950;x-google-max-bitrate=1000';
    const sdp = (await answer.text()).replace(/a=rtpmap:(\\d+) VP8\\/90000\\r\\n/,
                                              (line, pt) => `${line}a=fmtp:${pt} ${rate}\\r\\n`);
    await pc.setRemoteDescription({type: 'answer', sdp});
    window.pc = pc;
};
window.counts = async () => {
    const sum = {state: window.pc.connectionState, sent: 0, audio: 0, video: 0};
    (await window.pc.getStats()).forEach((s) => {
        if (s.type === 'outbound-rtp') sum.sent += s.packetsSent;
        if (s.type === 'inbound-rtp') sum[s.kind] += s.packetsReceived;
    });
    return sum;
};
return true;
})()"""


def camera(path):
    """A picture with grain and a moving bar, so that the encoder needs its rate: the browser's own test card does not."""
    random.seed(7)
    width, height = 640, 360
    with open(path, "wb") as out:
        out.write(b"YUV4MPEG2 W%d H%d F25:1 Ip A1:1 C420\n" % (width, height))
        for n in range(10):
            row = bytes(200 if (x + 37 * n) % 320 < 60 else 60 + x % 64 for x in range(width)) * height
            grain = random.randbytes(len(row))
            luma = (int.from_bytes(row, "little") + (int.from_bytes(grain, "little") & int.from_bytes(b"\x1f" * len(row), "little")))
            out.write(b"FRAME\n" + luma.to_bytes(len(row), "little") + bytes([128]) * (width * height // 2))


class Host:
    """What harness.browser needs of a test."""

    def __init__(self, folder):
        self.folder = folder
        self.processes = []

    def start(self, name, argv, env=None):
        self.processes.append(Process(self.folder, name, argv, env=env))
        return self.processes[-1]


def run(host, url, clients, warm, hold, video):
    camera(host.folder / "camera.y4m")
    browser = Chromium(host, [f"--use-file-for-fake-video-capture={host.folder}/camera.y4m"])
    base = urllib.parse.urlunsplit(urllib.parse.urlsplit(url)[:2] + ("/", "", ""))
    begun = time.monotonic()
    pages = []
    for _ in range(clients):
        page = browser.open(base)
        page.eval(PAGE)
        page.eval(f"client({json.dumps(url)}, {json.dumps(video)})", 30)
        page.until("a connection", "counts().then((c) => c.state === 'connected')")
        pages.append(page)
    setup_s = time.monotonic() - begun
    time.sleep(warm)
    before, start = [page.eval("counts()") for page in pages], time.monotonic()
    print("holding", file=sys.stderr, flush=True)
    time.sleep(hold)
    after, seconds = [page.eval("counts()") for page in pages], time.monotonic() - start

    def rate(key):
        return sum(now[key] - was[key] for now, was in zip(after, before)) / seconds / clients

    silent = sum(now["audio"] == was["audio"] or (video and now["video"] == was["video"])
                 for now, was in zip(after, before))
    print(json.dumps({"clients": clients, "connected": len(pages), "no_media": silent, "first_error": "",
                      "setup_cpu_us_per_client": 0, "setups_per_second": clients / setup_s,
                      "sent_packets_per_client_second": rate("sent"),
                      "received_audio_packets_per_client_second": rate("audio"),
                      "received_video_packets_per_client_second": rate("video")}))


def main():
    url, clients, warm, hold = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])
    folder = pathlib.Path(tempfile.mkdtemp(prefix="squall-bench-"))
    host = Host(folder)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the browser goes, too
    try:
        run(host, url, clients, warm, hold, "--video" in sys.argv)
    finally:
        for process in host.processes:
            process.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
