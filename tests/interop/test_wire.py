"""Squall's figures held against tshark's view of the wire: every packet of every stream, both ways; frames by their
time-stamps, bit rate, and of what came in jitter and holes.

What Squall says it sent must have left, exactly. What it received is bounded by what the lab sent:
the packets that were still under way when a peer closed its socket are missing, never more."""
import array
import collections
import csv
import fcntl
import socket
import struct
import subprocess

from harness import test
from harness.proc import check, until
from harness.sandbox import need
from harness.squall import CONSTANT

PEERS = 3
TAG_BYTES = 16  # AEAD_AES_128_GCM (RFC 7714, section 12); 10 with AES_CM_128_HMAC_SHA1_80
# A frame of the default clip, key frames included, is at most 50 packets: what one peer may lose
# between the lab's last look at it and its close.
UNDER_WAY = 50
AUDIO_HZ = 48000
# Both time-stamps of a packet are the kernel's, of the same moment; a capture has them to the microsecond.
JITTER_APART_MS = 0.05
RATE_APART = 0.02
LOSSY = "up.delay=20ms,up.jitter=15ms,up.loss=5%"
FIELDS = ["udp.srcport", "udp.dstport", "rtp.ssrc", "rtp.cc", "rtp.ext", "rtp.ext.len",
          "udp.length", "rtp.seq", "rtp.timestamp", "frame.time_epoch"]


def one_packet_at_a_time(interface):
    """Several packets that are sent in one call (UDP GSO) cross loopback as one, and would be seen as
    one: takes that feature from the interface (linux/ethtool.h)."""
    SIOCETHTOOL, GSTRINGS, SFEATURES, GSSET_INFO, SS_FEATURES = 0x8946, 0x1b, 0x3b, 0x37, 4
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        def ethtool(data):
            request = struct.pack("16sP", interface.encode(), data.buffer_info()[0])
            fcntl.ioctl(any_socket, SIOCETHTOOL, request)
            return data.tobytes()
        info = ethtool(array.array("I", [GSSET_INFO, 0, 1 << SS_FEATURES, 0, 0]))
        count = struct.unpack_from("I", info, 16)[0]
        names = ethtool(array.array("I", [GSTRINGS, SS_FEATURES, count] + [0] * (8 * count)))[12:]
        bit = names.index(b"tx-udp-segmentation") // 32
        words = [[0, 0] for _ in range((count + 31) // 32)]
        words[bit // 32][0] = 1 << bit % 32  # valid, and not requested
        ethtool(array.array("I", [SFEATURES, len(words)] + sum(words, [])))


class Capture:
    """dumpcap on loopback. A marker datagram proves that it sees packets, and that it saw the last."""

    def __init__(self, t, what="udp"):
        self.path = t.folder / "wire.pcap"
        self.process = t.start("dumpcap", [need("dumpcap"), "-q", "-P", "-i", "lo", "-f", what, "-B", "64",
                                           "-w", self.path])
        self.mark(b"squall-interop-begins")

    def mark(self, text):
        to = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

        def seen():
            check(self.process.running(), "dumpcap ended")
            to.sendto(text, ("127.0.0.1", 9))
            return self.path.exists() and text in self.path.read_bytes()
        until("dumpcap to see a datagram", seen, 20, 0.1)

    def finish(self):
        self.mark(b"squall-interop-ends")
        self.process.signal()
        self.process.wait(10)
        check("/0 (" in self.process.stderr() or "/0" in self.process.stderr().split("dropped on")[-1],
              "dumpcap dropped packets: " + self.process.stderr())


class Stream:
    """The packets of one SSRC in one direction, in the order in which they were seen."""

    def __init__(self):
        self.times, self.octets_of, self.numbers, self.stamps = [], [], [], []

    def add(self, at_s, octets, number, stamp):
        self.times.append(at_s)
        self.octets_of.append(octets)
        self.numbers.append(number)
        self.stamps.append(stamp)

    @property
    def packets(self):
        return len(self.times)

    @property
    def octets(self):
        return sum(self.octets_of)

    def kbps(self, begin_s, end_s):
        return sum(n for t, n in zip(self.times, self.octets_of) if begin_s < t <= end_s) * 8 / 1000 / (end_s - begin_s)

    def holes(self, packets):
        """Numbers that are missing among the first so many packets (RFC 3550, A.3), none of which came out of order."""
        run = self.numbers[:packets]
        steps = [(b - a) % 65536 for a, b in zip(run, run[1:])]
        check(all(0 < step < 1000 for step in steps), f"sequence numbers: {max(steps)}")
        return sum(steps) + 1 - len(run)

    def jitter_ms(self, packets, clock_hz):
        """After so many packets (RFC 3550, A.8, in real numbers)."""
        jitter = 0
        for i in range(1, packets):
            arrived = (self.times[i] - self.times[i - 1]) * clock_hz
            sent = (self.stamps[i] - self.stamps[i - 1] + (1 << 31)) % (1 << 32) - (1 << 31)
            jitter += (abs(arrived - sent) - jitter) / 16
        return jitter * 1000 / clock_hz


def streams_on_the_wire(path):
    """{(source port, destination port, ssrc): Stream}, as tshark takes the packets apart."""
    out = subprocess.run(
        [need("tshark"), "-n", "-r", path, "--enable-heuristic", "rtp_udp", "-Y", "rtp && !rtcp",
         "-T", "fields", *[word for field in FIELDS for word in ("-e", field)]],
        capture_output=True, text=True, check=True).stdout
    found = collections.defaultdict(Stream)
    for line in out.splitlines():
        source, to, ssrc, cc, ext, ext_words, length, number, stamp, at_s = line.split("\t")
        header = 12 + 4 * int(cc) + (4 + 4 * int(ext_words) if ext in ("1", "True") else 0)
        payload = int(length) - 8 - header - TAG_BYTES
        found[(int(source), int(to), int(ssrc, 16))].add(float(at_s), payload, int(number), int(stamp))
    return found


def ports(pair):
    local, remote = pair.removeprefix("udp ").split(" -> ")
    return int(local.rsplit(":", 1)[1]), int(remote.rsplit(":", 1)[1])


def key_of(pair, series):
    local, remote = pair
    return (local, remote, series.ssrc) if series.kind == "outbound-rtp" else (remote, local, series.ssrc)


def check_counts(peer, flow, stream):
    packets, octets = peer[f"{flow}.packets"], peer[f"{flow}.bytes"]
    test.note(f"{peer['peer']} {flow}: {packets:.0f} packets {octets:.0f} bytes, on the wire {stream.packets} and {stream.octets}")
    late, sent = stream.packets - packets, flow.endswith("out")
    check(late == 0 if sent else 0 <= late <= UNDER_WAY, f"{peer['peer']} {flow}: {packets:.0f} packets, {stream.packets} on the wire")
    check(stream.octets == octets or (not sent and 0 < stream.octets - octets <= late * 1200),
          f"{peer['peer']} {flow}: {octets:.0f} bytes, {stream.octets} on the wire")


def check_jitter(what, series, stream):
    """At each sample of the dump: after as many packets as Squall had counted by then, the jitter that they had on the wire."""
    apart, jitter = 0, 0
    for (_, packets), (_, mine) in zip(series.members["packetsReceived"], series.members["jitter"]):
        jitter = stream.jitter_ms(int(packets), AUDIO_HZ)
        apart = max(apart, abs(1000 * mine - jitter))
    test.note(f"{what}: jitter of audio {1000 * series.members['jitter'][-1][1]:.3f} ms at the end, on the wire {jitter:.3f}; {apart:.4f} ms apart at most")
    check(apart <= JITTER_APART_MS, f"{what}: jitter {apart} ms from that on the wire")


def check_seconds(results, seen):
    """Bits a second of all peers together, row by row of the time line where all are there from end to end, against the octets
    on the wire in the same seconds."""
    with open(results.folder / "timeline.csv", newline="") as file:
        rows = [{k: float(v) for k, v in row.items() if k == "t_s" or k.endswith("bitrate_kbps")} for row in csv.DictReader(file)
                if int(row["connected"]) == PEERS]
    rows = rows[2:-2]  # a peer comes in the midst of a second, and leaves so
    check(len(rows) >= 4, f"{len(rows)} whole seconds")
    begin, end = (results.started_ms() / 1000 + t for t in (rows[0]["t_s"] - 1, rows[-1]["t_s"]))
    for flow, streams in seen.items():
        mine = sum(row[f"{flow}.bitrate_kbps"] for row in rows) / len(rows)
        wire = sum(stream.kbps(begin, end) for stream in streams)
        test.note(f"{flow}: {mine:.1f} kbit/s over {len(rows)} seconds, on the wire {wire:.1f}: {100 * (mine / wire - 1):+.2f} %")
        check(abs(mine / wire - 1) <= RATE_APART, f"{flow}: {mine} kbit/s, on the wire {wire}")


def check_lossy(results, seen):
    """What a bad network took of a peer's packets on their way out is missing in the lab's echo of them: the holes that tshark
    sees in it are the losses that the peer tells, and so is the jitter that the network gave it."""
    results.all_ok(1)
    peer, found = results.peers[0], []
    for series in results.dumps()[0]:
        if series.kind == "inbound-rtp":
            stream = seen.pop(key_of(ports(peer["pair"]), series))
            packets = int(peer["audio.in.packets"])
            holes = stream.holes(packets)
            test.note(f"behind {LOSSY}: {holes} holes among {packets} packets on the wire, {peer['audio.in.lost']:.0f} lost as Squall tells; "
                      f"mean jitter {peer['audio.in.jitter_ms']:.2f} ms")
            check(holes > 5 and holes == peer["audio.in.lost"], f"{holes} holes on the wire, {peer['audio.in.lost']} lost")
            check_jitter("behind it", series, stream)
            check(peer["audio.in.jitter_ms"] > 1, f"jitter {peer['audio.in.jitter_ms']} ms: nothing is shown")
            found.append(series)
        else:
            seen.pop(key_of(ports(peer["pair"]), series))
    check(len(found) == 1, f"{len(found)} streams came back")


def wire(t):
    need("tshark")
    one_packet_at_a_time("lo")
    capture = Capture(t)
    lossy = t.run("lab:echo", *CONSTANT, "--no-video", "--peers", 1, "--duration", "9s", "--srtp", "gcm", "--network", LOSSY, "--dump", 1,
                  "--lateness-max", 200)
    results = t.run("lab:echo", *CONSTANT, "--peers", PEERS, "--rate", "10/s", "--duration", "10s", "--srtp", "gcm",
                    "--dump", PEERS, "--lateness-max", 200).finish()
    lossy = lossy.finish()
    capture.finish()
    results.all_ok(PEERS)
    seen = streams_on_the_wire(capture.path)
    check_lossy(lossy, seen)
    compared, of_flow = 0, collections.defaultdict(list)
    for peer, dump in zip(results.peers, results.dumps()):
        for series in dump:
            flow = f"{'video' if series.video else 'audio'}.{'out' if series.kind == 'outbound-rtp' else 'in'}"
            key = key_of(ports(peer["pair"]), series)
            check(key in seen, f"{peer['peer']}: tshark saw nothing of {flow} {series.ssrc:#x}: {sorted(seen)}")
            of_flow[flow].append(seen[key])
            check_counts(peer, flow, seen[key])
            if flow == "video.out":
                frames = len(set(seen[key].stamps))
                check(frames == peer["video.out.frames"] > 200, f"{peer['peer']}: {peer['video.out.frames']:.0f} frames sent, {frames} on the wire")
            elif flow == "audio.in":
                check(seen[key].holes(seen[key].packets) == peer["audio.in.lost"] == 0, f"{peer['peer']}: {peer['audio.in.lost']:.0f} lost")
                check_jitter(f"{peer['peer']}", series, seen[key])
            compared += 1
    check(compared == 4 * PEERS, f"{compared} streams compared, expected {4 * PEERS}")
    check(len(seen) == compared, f"{len(seen)} streams on the wire, {compared} are known to Squall")
    check(results.total("video.out", "packets") > PEERS * 800, "too few packets to mean anything")
    check_seconds(results, of_flow)


if __name__ == "__main__":
    test.run([wire])
