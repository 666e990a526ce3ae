"""Squall's counters held against tshark's view of the wire: every packet of every stream, both ways.

What Squall says it sent must have left, exactly. What it received is bounded by what the lab sent:
the packets that were still under way when a peer closed its socket are missing, never more."""
import array
import collections
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
FIELDS = ["udp.srcport", "udp.dstport", "rtp.ssrc", "rtp.cc", "rtp.ext", "rtp.ext.len",
          "udp.length"]


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


Stream = collections.namedtuple("Stream", "packets octets")


def streams_on_the_wire(path):
    """{(source port, destination port, ssrc): packets, payload bytes}, as tshark takes them apart."""
    out = subprocess.run(
        [need("tshark"), "-n", "-r", path, "--enable-heuristic", "rtp_udp", "-Y", "rtp && !rtcp",
         "-T", "fields", *[word for field in FIELDS for word in ("-e", field)]],
        capture_output=True, text=True, check=True).stdout
    found = {}
    for line in out.splitlines():
        source, to, ssrc, cc, ext, ext_words, length = line.split("\t")
        header = 12 + 4 * int(cc) + (4 + 4 * int(ext_words) if ext in ("1", "True") else 0)
        payload = int(length) - 8 - header - TAG_BYTES
        key = (int(source), int(to), int(ssrc, 16))
        before = found.get(key, Stream(0, 0))
        found[key] = Stream(before.packets + 1, before.octets + payload)
    return found


def ports(pair):
    local, remote = pair.removeprefix("udp ").split(" -> ")
    return int(local.rsplit(":", 1)[1]), int(remote.rsplit(":", 1)[1])


def wire(t):
    need("tshark")
    one_packet_at_a_time("lo")
    capture = Capture(t)
    results = t.run("lab:echo", *CONSTANT, "--peers", PEERS, "--rate", "10/s", "--duration", "10s", "--srtp", "gcm",
                    "--dump", PEERS, "--lateness-max", 200).finish()
    capture.finish()
    results.all_ok(PEERS)
    seen = streams_on_the_wire(capture.path)
    compared = 0
    for peer, dump in zip(results.peers, results.dumps()):
        local, remote = ports(peer["pair"])
        for series in dump:
            kind = "video" if series.video else "audio"
            sent = series.kind == "outbound-rtp"
            flow = f"{kind}.{'out' if sent else 'in'}"
            key = (local, remote, series.ssrc) if sent else (remote, local, series.ssrc)
            check(key in seen, f"{peer['peer']}: tshark saw nothing of {flow} {series.ssrc:#x}: {sorted(seen)}")
            packets, octets = peer[f"{flow}.packets"], peer[f"{flow}.bytes"]
            test.note(f"{peer['peer']} {flow}: {packets:.0f} packets {octets:.0f} bytes, "
                      f"on the wire {seen[key].packets} and {seen[key].octets}")
            late = seen[key].packets - packets
            check(late == 0 if sent else 0 <= late <= UNDER_WAY,
                  f"{peer['peer']} {flow}: {packets:.0f} packets, {seen[key].packets} on the wire")
            check(seen[key].octets == octets or (not sent and 0 < seen[key].octets - octets <= late * 1200),
                  f"{peer['peer']} {flow}: {octets:.0f} bytes, {seen[key].octets} on the wire")
            compared += 1
    check(compared == 4 * PEERS, f"{compared} streams compared, expected {4 * PEERS}")
    check(len(seen) == compared, f"{len(seen)} streams on the wire, {compared} are known to Squall")
    check(results.total("video.out", "packets") > PEERS * 800, "too few packets to mean anything")


if __name__ == "__main__":
    test.run([wire])
