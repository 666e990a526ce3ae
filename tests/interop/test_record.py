"""Recordings, judged by the tools that people play them with: ffprobe, ffmpeg, tshark."""
import json
import re
import subprocess

from harness import test
from harness.proc import check
from harness.sandbox import need
from harness.squall import CONSTANT

CALM = (*CONSTANT, "--lateness-max", "100")  # one size of picture; and what is in the files does not hang on the time


def probe(path):
    """The streams of a file, as ffprobe sees them, with its frames counted by decoding all of it."""
    out = subprocess.run([need("ffprobe"), "-v", "error", "-count_frames", "-show_streams", "-show_format", "-of", "json",
                          path], capture_output=True, text=True)
    check(out.returncode == 0 and not out.stderr, f"ffprobe {path.name}: {out.stderr}")
    found = json.loads(out.stdout)
    return {s["codec_type"]: s for s in found["streams"]}, float(found["format"]["duration"])


def decode(path, *stream):
    """Decodes all of it; what a decoder complains about is a failure."""
    out = subprocess.run([need("ffmpeg"), "-v", "warning", "-xerror", "-i", path, *stream, "-f", "null", "-"],
                         capture_output=True, text=True)
    check(out.returncode == 0 and not out.stderr.strip(), f"ffmpeg {path.name}: {out.stderr}")


def loudness(path):
    out = subprocess.run([need("ffmpeg"), "-v", "info", "-i", path, "-af", "volumedetect", "-vn", "-f", "null", "-"],
                         capture_output=True, text=True).stderr
    return float(re.search(r"mean_volume: (-?[\d.]+) dB", out).group(1))


def record_media(t):
    """An echo's picture and sound, with and without time-tags in them."""
    for tags in [], ["--latency"]:
        results = t.run("lab:echo", *CALM, "--peers", 3, "--rate", "10/s", "--duration", "6s", "--record", 1, "--record-sent",
                        "--record-format", "webm,ogg", *tags).finish()
        results.all_ok(3)
        folder = results.folder / "record"
        names = sorted(p.name for p in folder.iterdir())
        movies = [n for n in names if n.endswith(".webm")]
        check(len(movies) == 2 and len(names) == 4, f"both ways: {names}")
        for name in movies:
            path = folder / name
            streams, duration = probe(path)
            check(streams["video"]["codec_name"] == "vp8" and streams["audio"]["codec_name"] == "opus", f"{streams}")
            check((streams["video"]["width"], streams["video"]["height"]) == (640, 360), f"{streams['video']}")
            frames = int(streams["video"]["nb_read_frames"])
            check(4 < duration < 7 and abs(frames - 25 * duration) < 15, f"{name}: {frames} frames in {duration} s")
            decode(path)
            check(-40 < loudness(path) < -5, f"{name}: {loudness(path)} dB")
            # Cues: a reader can go to the middle.
            decode(path, "-ss", "3")
        for name in (n for n in names if n.endswith(".ogg")):
            streams, duration = probe(folder / name)
            check(streams["audio"]["codec_name"] == "opus" and 4 < duration < 7, f"{name}: {streams}, {duration} s")
            decode(folder / name)
        check("Recorded" in results.text + results.errors, results.text)


def record_frames(t):
    """Each frame that the peer counts as decodable is in the file."""
    results = t.run("lab:echo", "--peers", 1, "--duration", "5s", "--record", 1).finish()
    results.all_ok(1)
    path = next((results.folder / "record").glob("*-in-1.webm"))
    streams, _ = probe(path)
    frames, counted = int(streams["video"]["nb_read_frames"]), results.peers[0]["video.in.frames"]
    check(abs(frames - counted) <= 1, f"{frames} frames in the file, {counted} were decodable")


def record_codecs(t):
    """Every codec of pictures, with a time-tag in each frame, and telephony's sound: no decoder has anything to say. Of spatial
    layers there is one picture, the highest."""
    for codec, name in ("h264", "h264"), ("vp9", "vp9"), ("vp9+svc", "vp9"), ("av1", "av1"):
        results = t.run("lab:echo", "--peers", 1, "--duration", "4s", "--record", 1, "--codec", f"video={codec}", "--latency",
                        *CALM).finish()
        results.all_ok(1)
        path = next((results.folder / "record").glob("*-in-1.mkv" if codec == "h264" else "*-in-1.webm"))
        streams, duration = probe(path)
        check(streams["video"]["codec_name"] == name and streams["audio"]["codec_name"] == "opus", f"{streams}")
        frames, counted = int(streams["video"]["nb_read_frames"]), results.peers[0]["video.in.frames"]
        test.note(f"{codec}: {frames} frames in {duration} s, {counted:.0f} were decodable")
        check(abs(frames - counted) <= 1 and frames > 60, f"{frames} frames in the file, {counted} were decodable")
        size = streams["video"]["width"], streams["video"]["height"]
        check(size == (640, 360), f"{codec}: {size}; of spatial layers, the highest is expected")
        check(results.metric("video.in.latency", "count") > 60, "no time-tags")
        decode(path)
    for codec, name, hz in ("pcmu", "pcm_mulaw", "8000"), ("g722", "adpcm_g722", "16000"):
        results = t.run("lab:echo", "--peers", 1, "--duration", "4s", "--record", 1, "--codec", f"audio={codec}", *CALM).finish()
        results.all_ok(1)
        path = next((results.folder / "record").glob("*-in-1.wav"))
        streams, duration = probe(path)
        sound = streams["audio"]
        check((sound["codec_name"], sound["sample_rate"]) == (name, hz) and 2.5 < duration < 5, f"{streams}, {duration} s")
        check(-40 < loudness(path) < -5, f"{codec}: {loudness(path)} dB")


def record_packets(t):
    """pcap and rtpdump: tshark reads the decrypted packets and counts as Squall does. What is sent by way of RTX, as
    probes are, is not recorded."""
    results = t.run("lab:echo", *CONSTANT, "--peers", 1, "--duration", "5s", "--record", 1, "--record-sent",
                    "--record-format", "pcap,rtpdump").finish()
    results.all_ok(1)
    folder = results.folder / "record"
    pcap = next(folder.glob("*.pcap"))
    out = subprocess.run([need("tshark"), "-n", "-r", pcap, "-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE",
                          "--enable-heuristic", "rtp_udp", "-T", "fields", "-e", "rtp.ssrc", "-e", "rtp.p_type",
                          "-e", "udp.checksum.status", "-e", "ip.checksum.status", "-e", "udp.srcport"],
                         capture_output=True, text=True, check=True).stdout
    rows = [line.split("\t") for line in out.splitlines()]
    check(all(row[2] == "1" and row[3] == "1" for row in rows), "wrong checksums")
    check(all(row[0] for row in rows), "what tshark does not take for RTP")
    peer = results.peers[0]
    local = peer["pair"].split(" -> ")[0].rsplit(":", 1)[1]
    for kind, pt in (("audio", "111"), ("video", "96")):
        sent = sum(row[1] == pt and row[4] == local for row in rows)
        came = sum(row[1] == pt and row[4] != local for row in rows)
        check(sent == peer[f"{kind}.out.packets"], f"{kind}: {sent} sent, {peer[f'{kind}.out.packets']} counted")
        check(came == peer[f"{kind}.in.packets"], f"{kind}: {came} came, {peer[f'{kind}.in.packets']} counted")
    dumps = sorted(p.name for p in folder.glob("*.rtpdump"))
    check(len(dumps) == 4 and all(p.read_bytes().startswith(b"#!rtpplay1.0 127.0.0.1/")
                                  for p in folder.glob("*.rtpdump")), f"{dumps}")


def record_nowhere(t):
    """A place that cannot be written is told before the run; so is a format that is none."""
    place = t.folder / "file"
    place.write_text("")
    for options, text in ((["--record", 1, "--out", place], "is not a folder"),
                          (["--record", 1, "--record-format", "mp4"], "webm, ogg, rtpdump"),
                          (["--record-format", "pcap"], "--record")):
        process = t.start("run", [t.squall, "run", "lab:echo", "--duration", "2s", *map(str, options)])
        check(process.wait(20) == 2 and text in process.stderr(), f"{options}: {process.stderr()}")


def record_cut(t):
    """What the disk did not take is told, and no pass: with --quiet, too."""
    words = [t.squall, "run", "lab:echo", "--peers", "1", "--record", "1", "--duration", "5s", "--lateness-max", "500"]
    for quiet in (False, True):
        out = t.folder / f"cut-{quiet}"
        line = " ".join(map(str, [*words, "--out", out, *(["--quiet"] if quiet else [])]))
        process = t.start("run", ["bash", "-c", f"ulimit -f 300; exec {line}"])
        code = process.wait(30)
        check(code == 2, f"exit code {code}, expected 2: {process.stdout()}{process.stderr()}")
        check("1 recording is incomplete or missing: " in process.stderr(), process.stderr())
        check("webm: File too large" in process.stderr(), process.stderr())
        check(quiet or "Recorded 0 whole files and 1 that ends early, " in process.stdout(), process.stdout())
        check('errors="1"' in (out / "junit.xml").read_text(), "junit.xml tells nothing of it")
        check(json.loads((out / "summary.json").read_text())["verdict"] == "pass", "the rest is there")
        test.note(process.stderr().strip().splitlines()[-1])


if __name__ == "__main__":
    test.run([record_media, record_frames, record_codecs, record_packets, record_nowhere, record_cut])
