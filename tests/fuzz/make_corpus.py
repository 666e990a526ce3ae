#!/usr/bin/env python3
"""Writes the seeds of the fuzz targets: tests/fuzz/corpus/TARGET. The bytes are laid out here by
hand from the RFCs and not by Squall's own writers, so that a seed does not share their mistakes.
Deterministic: the same files come out each time. What fuzzing found is kept apart, in
tests/fuzz/found/TARGET; a file of corpus/ that is not made here is moved there.
  tests/fuzz/make_corpus.py [FOLDER]     corpus and found in FOLDER (default: tests/fuzz)"""
import hashlib
import hmac
import json
import pathlib
import struct
import sys
import zlib

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
COOKIE = 0x2112A442
FOLDER = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else HERE
CORPUS = FOLDER / "corpus"
made = set()


def put(target, name, data):
    path = CORPUS / target / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    made.add(path)


def keep_found():
    """What is in corpus/ and was not made here somebody found, and no run of this makes it again."""
    for path in sorted(set(CORPUS.glob("*/*")) - made):
        folder = FOLDER / "found" / path.parent.name
        kept = folder / path.name
        if kept.exists() and kept.read_bytes() != path.read_bytes():
            kept = folder / hashlib.sha1(path.read_bytes()).hexdigest()  # as libFuzzer names what it finds
        folder.mkdir(parents=True, exist_ok=True)
        path.replace(kept)
        print(f"{path.relative_to(FOLDER)} is no seed of this script: moved to {kept.relative_to(FOLDER)}")


# ---- STUN (RFC 8489) -----------------------------------------------------------------------------

def attr(kind, value):
    return struct.pack("!HH", kind, len(value)) + value + bytes(-len(value) % 4)


def stun(kind, attrs, key=None, fingerprint=True, tid=b"0123456789ab"):
    body = b"".join(attrs)

    def head(extra):
        return struct.pack("!HHI", kind, len(body) + extra, COOKIE) + tid

    if key is not None:
        mac = hmac.new(key, head(24) + body, hashlib.sha1).digest()
        body += attr(0x0008, mac)
    if fingerprint:
        crc = zlib.crc32(head(8) + body) ^ 0x5354554E
        body += attr(0x8028, struct.pack("!I", crc))
    return head(0) + body


def xor_addr(ip, port):
    value = bytes(b ^ m for b, m in zip(bytes(map(int, ip.split("."))), struct.pack("!I", COOKIE)))
    return struct.pack("!BBH", 0, 1, port ^ (COOKIE >> 16)) + value


def stun_seeds():
    user = attr(0x0006, b"abcd:efgh")
    priority = attr(0x0024, struct.pack("!I", 0x6E0001FF))
    controlling = attr(0x802A, b"12345678")
    check = [user, priority, controlling]
    key = b"secret"
    seeds = {
        "request": stun(0x0001, check, key),
        "nominating": stun(0x0001, check + [attr(0x0025, b"")], key),
        "controlled": stun(0x0001, [user, priority, attr(0x8029, b"12345678")], key),
        "success": stun(0x0101, [attr(0x0020, xor_addr("192.0.2.1", 32853))], key),
        "success6": stun(0x0101, [attr(0x0020, bytes([0, 2]) + bytes(18))], key),
        "conflict": stun(0x0111, [attr(0x0009, bytes([0, 0, 4, 87]) + b"Role Conflict")], key),
        "unauthorized": stun(0x0111, [attr(0x0009, bytes([0, 0, 4, 1]) + b"Unauthorized"),
                                      attr(0x0014, b"example.org"), attr(0x0015, b"f//499k")]),
        "unknown": stun(0x0111, [attr(0x0009, bytes([0, 0, 4, 20])), attr(0x000A, b"\x00\x30\x00\x31")]),
        "indication": stun(0x0011, [], None),
        "bare": stun(0x0001, [], None, fingerprint=False),
        "allocate": stun(0x0003, [attr(0x0019, bytes([17, 0, 0, 0])), attr(0x000D, b"\0\0\x02\x58")]),
        "data": stun(0x0017, [attr(0x0012, xor_addr("10.0.0.1", 9)), attr(0x0013, b"hello")]),
        "software": stun(0x0001, [attr(0x8022, b"a" * 33)]),
        "mapped": stun(0x0101, [attr(0x0001, bytes([0, 1, 0x12, 0x34, 192, 0, 2, 1]))]),
    }
    for name, data in seeds.items():
        put("stun", name, data)
    return seeds


def piece(kind, data):
    assert len(data) < 256, len(data)
    return bytes([kind, len(data)]) + data


def ice_seeds(messages):
    wait = piece(6, b"\x05")
    line = b"candidate:2 1 udp 1694498815 10.0.0.2 2000 typ srflx raddr 10.9.9.9 rport 5"
    for how in range(4):
        flags = bytes([how * 3 & 15])
        put("ice", f"life-{how}", flags + piece(1, b"\x00\x04\x6e\x00\x01\xff") + wait +
            piece(3, b"\x01\x00") + wait + piece(2, b"\x01\x00\x03\x08" + b"12345678") + wait)
        put("ice", f"raw-{how}", flags + b"".join(piece(0, m) for m in messages.values() if len(m) < 256))
    put("ice", "candidates", b"\1" + piece(5, line) + piece(5, b"candidate:3 1 tcp 1 10.0.0.3 9 typ host tcptype active")
        + piece(5, b"") + wait * 30)
    put("ice", "conflict", b"\0" + wait + piece(4, b"\x04\x04\x00\x00\x04\x57") + wait * 5)
    put("ice", "restart", b"\1" + piece(3, b"\1\0") + wait + piece(7, b"abcd") + wait + piece(9, b"\0\4abcd") + wait * 3)
    put("ice", "many", b"\1" + b"".join(piece(1 | i << 3, b"\x00\x04\x6e\x00\x01\xff") + wait for i in range(8)))


# Kinds as in fuzz_turn.c: 0 raw, 1 success, 2 error, 3 a datagram to a peer, 4 time, 5 start again.
def turn_seeds():
    realm, nonce = attr(0x0014, b"example.org"), attr(0x0015, b"f//499k")
    challenge = attr(0x0009, bytes([0, 0, 4, 1])) + realm + nonce
    algorithms = attr(0x0009, bytes([0, 0, 4, 1])) + realm + attr(0x0015, b"obMatJos2gAAAx") + \
        attr(0x8002, bytes([0, 1, 0, 0, 0, 2, 0, 0]))
    granted = attr(0x0016, xor_addr("203.0.113.1", 50000)) + attr(0x0020, xor_addr("198.51.100.7", 4000)) + \
        attr(0x000D, struct.pack("!I", 600))
    stale = attr(0x0009, bytes([0, 0, 4, 38])) + realm + attr(0x0015, b"another")
    alternate = attr(0x0009, bytes([0, 0, 3, 0])) + attr(0x8023, bytes([0, 1, 13, 150, 192, 0, 2, 9]))
    quota = attr(0x0009, bytes([0, 0, 4, 86]) + b"Allocation Quota Reached")
    media, wait = piece(3, b"\x80" + bytes(40)), piece(4, bytes(200))
    data = stun(0x0017, [attr(0x0012, xor_addr("192.0.2.1", 9)), attr(0x0013, b"hello")])
    open_ = piece(1, granted) + media * 2 + piece(1, b"") + piece(1, b"") + media
    # An even length means: no credentials.
    put("turn", "open", open_ + piece(0, b"\x40\x00\x00\x02hi") + piece(0, data) + wait * 3 + piece(1, granted) +
        (b"" if len(open_) % 2 else b"\0"))
    for name, first in (("md5", challenge), ("sha256", algorithms)):
        put("turn", name, piece(2, first) + piece(2, stale) + wait * 4)
    put("turn", "alternate", piece(2, alternate) + piece(5, b"") + piece(2, alternate) + piece(5, b"") + piece(1, granted))
    put("turn", "quota", piece(2, quota))
    put("turn", "forbidden", piece(1, granted) + media + piece(2, attr(0x0009, bytes([0, 0, 4, 3]))) + media)


# Kinds as in fuzz_mdns.c: 0 a question, 1 a message, 2 nobody waits any more, 3 seconds.
def mdns_seeds():
    def name(text):
        return b"".join(bytes([len(label)]) + label for label in text.split(b".")) + b"\0"

    def record(owner, kind, data, ttl=120):
        return owner + struct.pack("!HHIH", kind, 0x8001, ttl, len(data)) + data

    host = b"1f4712db-ea17-4bcf-a596-105139dfd8bf.local"
    head = struct.pack("!6H", 0, 0x8400, 0, 1, 0, 0)
    a = head + record(name(host), 1, bytes([192, 0, 2, 7]))
    asked = struct.pack("!6H", 0, 0x8400, 1, 1, 0, 0) + name(b"x.local") + struct.pack("!HH", 28, 1)
    compressed = asked + record(b"\xc0\x0c", 28, bytes(16))
    put("mdns", "answered", piece(0, host) + piece(1, a) + piece(0, host) + piece(3, bytes(200)) + piece(0, host))
    put("mdns", "silent", piece(0, host) + piece(3, bytes(3)) * 6 + piece(0, host))
    put("mdns", "compressed", piece(0, b"x.local") + piece(1, compressed))
    put("mdns", "goodbye", piece(0, host) + piece(1, a) + piece(1, head + record(name(host), 1, bytes(4), 0)) + piece(0, host))
    put("mdns", "forgotten", piece(0, host) + piece(2, b"") + piece(1, a))


def dcep_seeds():
    def open_(kind, limit, label, protocol=b"", priority=256):
        return struct.pack("!BBHIHH", 3, kind, priority, limit, len(label), len(protocol)) + label + protocol

    put("dcep", "ordered", open_(0, 0, b"chat"))
    put("dcep", "unordered", open_(0x80, 0, b"squall", b"proto", 1024))
    put("dcep", "retransmits", open_(0x81, 3, b""))
    put("dcep", "lifetime", open_(2, 70000, "Zürich".encode()))
    put("dcep", "cut", open_(0, 0, b"label", b"protocol")[:-3])
    put("dcep", "nul", open_(0, 0, b"a\0b"))
    put("dcep", "ack", b"\x02")


def framing_seeds():
    request = stun(0x0001, [attr(0x8022, b"abc")])
    channel = b"\x40\x01\x00\x05hello\0\0\0"
    put("framing", "turn", b"\0\3" + request + channel + request)
    put("framing", "rfc4571", b"\1\5" + b"".join(struct.pack("!H", len(m)) + m for m in (request, b"", b"x" * 300)))
    put("framing", "url", b"\0\1turns:[2001:db8::1]:443?transport=tcp")
    put("framing", "long", b"\1\xff" + struct.pack("!H", 5000) + bytes(5003))


# Kinds as in fuzz_fec.c: 0 media, 1 ULPFEC, 2 FlexFEC, 3 another source.
def fec_seeds():
    def media(seq, body):
        return piece(0, struct.pack("!H", seq) + body)

    def parity(seqs, bodies):
        """What both kinds have: the XOR of bodies (with their two bytes of number) and of lengths."""
        whole = [struct.pack("!H", s) + b for s, b in zip(seqs, bodies)]
        body = bytes(max(map(len, whole)))
        length = 0
        for one in whole:
            body = bytes(x ^ y for x, y in zip(body, one.ljust(len(body), b"\0")))
            length ^= len(one)
        return length, body

    def ulpfec(seqs, bodies):
        length, body = parity(seqs, bodies)
        mask = sum(1 << (47 - s + seqs[0]) for s in seqs)
        long = mask & 0xFFFFFFFF
        head = struct.pack("!BBHIHHH", 0x40 if long else 0, 0, seqs[0], 0, length, len(body), mask >> 32)
        return piece(1, head + (struct.pack("!I", long) if long else b"") + body)

    def flexfec(seqs, bodies):
        length, body = parity(seqs, bodies)
        offsets = [s - seqs[0] for s in seqs]
        mask = struct.pack("!H", sum(1 << (14 - o) for o in offsets if o < 15) | (0x8000 if max(offsets) < 15 else 0))
        if max(offsets) >= 15:
            middle = sum(1 << (30 - (o - 15)) for o in offsets if 15 <= o < 46)
            mask += struct.pack("!I", middle | (0x80000000 if max(offsets) < 46 else 0))
        if max(offsets) >= 46:
            mask += struct.pack("!Q", sum(1 << (62 - (o - 46)) for o in offsets if o >= 46) | 1 << 63)
        return piece(2, struct.pack("!BBHIIIH", 0, 0, length, 0, 1 << 24, 0x01020304, seqs[0]) + mask + body)

    bodies = [bytes(range(n, 2 * n)) for n in (5, 9, 3)]
    for name, make in (("ulpfec", ulpfec), ("flexfec", flexfec)):
        for spread in (1, 8, 20, 50) if make is flexfec else (1, 8, 20):
            seqs = [1000, 1000 + spread, 1000 + 2 * spread]
            fec = make(seqs, bodies)
            lost_last = media(seqs[0], bodies[0]) + media(seqs[1], bodies[1])
            put("fec", f"{name}-{spread}", lost_last + fec)
            put("fec", f"{name}-{spread}-first", fec + lost_last + piece(3, b"") + fec + media(seqs[2], bodies[2]))
    put("fec", "two-then-one", ulpfec([7, 8], bodies[:2]) + flexfec([8, 9], bodies[1:]) + media(9, bodies[2]))


def candidate_seeds():
    lines = [
        "candidate:1 1 udp 2130706431 10.0.0.1 2000 typ host",
        "a=candidate:1 1 UDP 2130706431 2001:db8::1 2000 typ host generation 0 ufrag abcd network-cost 999",
        "candidate:842163049 1 udp 1677729535 203.0.113.7 60769 typ srflx raddr 0.0.0.0 rport 0",
        "candidate:2 1 tcp 1518280447 10.0.0.1 9 typ host tcptype active",
        "candidate:2 1 tcp 1518280447 10.0.0.1 8443 typ host tcptype passive generation 0",
        "candidate:3 1 udp 41885439 198.51.100.4 50000 typ relay raddr 203.0.113.7 rport 60769",
        "candidate:4 2 udp 1 fe80::1 1 typ prflx raddr ::1 rport 2",
        "candidate:5 1 udp 2122260223 1f4712db-ea17-4bcf-a596-105139dfd8bf.local 54596 typ host",
        "candidate:H6c7f57170000 1 UDP 2130706431 192.0.2.3 5000 typ host",
        "",
    ]
    for i, line in enumerate(lines):
        put("candidate", f"{i:02}", line)


# ---- SDP -----------------------------------------------------------------------------------------

def dtls_seeds():
    """One byte: the length of the keys. Then pieces: 0 a datagram, 1 data and 2 an alert by the right
    keys, 3 the last of them again; 4 and above: with a bit changed."""
    def header(kind, epoch, seq, length):
        return struct.pack("!BHHHIH", kind, 0xFEFD, epoch, 0, seq, length)

    hello, short, long_ = b"hello", b"\x01", b"\x00"
    close, fatal, warning = b"\x01\x00", b"\x02\x28", b"\x01\x5a"
    put("dtls", "data", short + piece(1, hello) + piece(3, b"") + piece(1, bytes(200)))
    put("dtls", "changed", long_ + b"".join(piece(1 | 4 | i << 3, hello) for i in range(32)))
    put("dtls", "close", short + piece(1, hello) + piece(2, close) + piece(1, hello))
    put("dtls", "fatal", long_ + piece(2 | 4, warning) + piece(2, fatal) + piece(3, b""))
    put("dtls", "forged", short + piece(0, header(23, 1, 1, 40) + bytes(40)) + piece(0, header(21, 0, 9, 2) + fatal))
    put("dtls", "again", short + piece(0, header(22, 1, 0, 40) + bytes(40)) + piece(0, header(22, 0, 5, 12) + bytes(12)))
    put("dtls", "cut", long_ + piece(0, header(23, 1, 1, 23) + bytes(23)) + piece(0, header(23, 1, 1, 90) + bytes(9)))
    put("dtls", "two", long_ + piece(0, 2 * (header(23, 1, 1, 30) + bytes(30))) + piece(1, hello))


def sdp_seeds():
    for number, path in enumerate(sorted((ROOT / "tests/peer/sdp").glob("*.sdp"))):
        text = path.read_bytes()
        put("sdp", path.stem, text)
        role = 1 if "answer" in path.stem else 0
        simulcast = (32, 33) if path.stem == "chromium_reoffer" else ()
        for how in ((0, 2, 4 | 8, 16 | 2)[number % 4], *simulcast):
            put("jsep", f"{path.stem}-{how:02}", bytes([role | how]) + text)
    put("sdp", "least", "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n")
    put("sdp", "lf-only", "v=0\no=- 1 1 IN IP4 127.0.0.1\ns=-\nt=0 0\nm=audio 9 RTP/AVP 0\na=sendonly")
    put("sdp", "odd-lines", "v=0\r\no=jdoe 2890844526 2890842807 IN IP6 ::1\r\ns=S\r\ni=I\r\nu=http://x/\r\n"
        "e=e@x\r\np=+1\r\nc=IN IP4 224.2.36.42/127\r\nb=AS:128\r\nt=1 2\r\nr=7d 1h 0 25h\r\nz=1 -1h\r\nk=prompt\r\n"
        "a=recvonly\r\nm=video 51372/2 RTP/AVP 99 100\r\ni=v\r\nc=IN IP4 1.2.3.4\r\nb=TIAS:1000\r\n"
        "a=rtpmap:99 h263-1998/90000\r\na=rid:1 send max-width=10;max-fps=3\r\na=simulcast:send 1;~2,3 recv 4\r\n"
        "a=setup:holdconn\r\na=extmap:1/sendonly urn:x y z\r\na=ssrc-group:FID 1 2\r\na=ssrc:1 cname:x\r\n")


# ---- RTP, RTCP -----------------------------------------------------------------------------------

def rtp(seq, ts=1000, pt=96, marker=0, ssrc=0x11223344, payload=b"\x90\x80payload", ext=None, csrc=(), pad=0):
    first = 0x80 | (0x10 if ext is not None else 0) | len(csrc) | (0x20 if pad else 0)
    out = struct.pack("!BBHII", first, marker << 7 | pt, seq & 0xFFFF, ts, ssrc)
    out += b"".join(struct.pack("!I", c) for c in csrc)
    if ext is not None:
        profile, body = ext
        body += bytes(-len(body) % 4)
        out += struct.pack("!HH", profile, len(body) // 4) + body
    return out + payload + (bytes(pad - 1) + bytes([pad]) if pad else b"")


def rtcp(count, kind, body):
    return struct.pack("!BBH", 0x80 | count, kind, len(body) // 4) + body


def rtp_seeds():
    one = (0xBEDE, b"\x100" + b"\x21hi" + b"\x42\x01\x02\x03" + b"\x51\x00\x07" + b"\x60\x85")
    two = (0x1000, b"\x01\x020a" + b"\x05\x02\x00\x09" + b"\x00\x00" + b"\x06\x01\x7f")
    block = struct.pack("!IIIIII", 0x11223344, 0x10000001, 70000, 12, 0x11111111, 65536)
    sr = rtcp(1, 200, struct.pack("!IQIII", 7, 0xE0000000 << 32, 90000, 10, 1000) + block)
    rr = rtcp(1, 201, struct.pack("!I", 7) + block)
    sdes = rtcp(1, 202, struct.pack("!I", 7) + b"\x01\x05cname\x00")
    bye = rtcp(1, 203, struct.pack("!I", 7) + b"\x03bye")
    nack = rtcp(1, 205, struct.pack("!IIHHHH", 7, 0x11223344, 10, 0x8001, 40, 0))
    twcc = rtcp(15, 205, struct.pack("!IIHH", 7, 8, 65500, 9) + b"\x00\x01\x02\x05" + b"\x20\x05" + b"\xd5\x50" +
                bytes([4, 4, 4, 4, 4, 8, 0, 5]))
    pli = rtcp(1, 206, struct.pack("!II", 7, 0x11223344))
    fir = rtcp(4, 206, struct.pack("!III", 7, 0, 0x11223344) + b"\x05\0\0\0")
    remb = rtcp(15, 206, struct.pack("!II", 7, 0) + b"REMB" + b"\x01\x0b\xd0\x90" + struct.pack("!I", 0x11223344))
    xr = rtcp(0, 207, struct.pack("!I", 7) + b"\x04\0\0\2" + bytes(8))
    wait = piece(0, b"\x14")
    speak = piece(2, b"")
    take = piece(1 | 20 << 3, b"")
    singles = {"sr": sr, "rr": rr, "sdes": sdes, "bye": bye, "nack": nack, "twcc": twcc, "pli": pli, "fir": fir,
               "remb": remb, "xr": xr, "compound": sr + sdes + nack + pli}
    for name, data in singles.items():
        put("rtp_rtcp", f"rtcp-{name}", piece(5, rtp(1)) + take + wait + piece(3, data))
    packets = {"plain": rtp(1), "one-byte": rtp(1, ext=one), "two-byte": rtp(1, ext=two), "csrc": rtp(1, csrc=(1, 2, 3)),
               "padding": rtp(1, pad=8), "empty": rtp(1, payload=b""), "marker": rtp(65535, marker=1)}
    for name, data in packets.items():
        put("rtp_rtcp", f"rtp-{name}", piece(5, data) + speak)
    loss = b"".join(piece(5, rtp(s, ts=s * 3000, ext=one)) + wait for s in (1, 2, 5, 6, 4, 9, 9, 65000, 65001)) + speak
    put("rtp_rtcp", "loss", loss + wait * 5 + speak)
    put("rtp_rtcp", "wrap", b"".join(piece(5, rtp(65530 + i)) for i in range(12) if i % 3) + wait + speak * 3)
    put("rtp_rtcp", "feedback", take * 3 + wait + piece(3, twcc) + wait + piece(3, twcc))
    put("rtp_rtcp", "reports", piece(5, rtp(1)) + piece(3, sr) + wait * 8 + piece(5, rtp(9)) + piece(3, sr) + speak)


# ---- VP8, Opus -----------------------------------------------------------------------------------

def vp8_payload(pid, start, key, body, part=0):
    descriptor = bytes([0x80 | (0x10 if start else 0) | part, 0xC0, 0x80 | pid >> 8 & 0x7F, pid & 0xFF, pid & 0xFF])
    if not start:
        return descriptor + body
    size = len(body) << 5
    tag = struct.pack("<I", size | 0x10 | (0 if key else 1))[:3]
    return descriptor + tag + (b"\x9d\x01\x2a" + struct.pack("<HH", 640, 360) if key else b"") + body


def vp8_seeds():
    def packet(flags, dseq, dts, dms, payload):
        return piece(flags, struct.pack("bbB", dseq, dts, dms) + payload)

    stream = b""
    packets = []
    for i in range(12):
        packets.append(packet(0, 1, 4, 40, vp8_payload(i, True, i % 6 == 0, b"x" * 20)))
        packets.append(packet(1, 1, 0, 0, vp8_payload(i, False, False, b"y" * 10)))
    stream = b"".join(packets)
    put("media", "stream", stream)
    put("media", "lossy", b"".join(p for i, p in enumerate(packets) if i % 5 != 3))
    put("media", "no-key", b"".join(packets[2:10]))
    put("media", "swapped", b"".join(p for i in range(0, 12, 2) for p in (packets[i + 1], packets[i])))
    put("media", "paused", b"".join(packets[:6]) + packet(4, 1, 4, 255, vp8_payload(7, True, True, b"k")) + stream[:100])
    put("media", "jump", b"".join(packets[:6]) + packet(8, 100, 100, 255, vp8_payload(7, True, True, b"k")) + stream)
    put("media", "plain-descriptor", packet(1, 1, 4, 40, b"\x10\x10\x02\x00\x9d\x01\x2a\x80\x02\x68\x01" + bytes(9)))
    put("media", "layers", packet(1, 1, 4, 40, b"\xb0\xf0\x85\x07\x65" + bytes(5)) +
        packet(1, 1, 4, 40, b"\xa0\x30\x20\x01\x02\x03"))
    put("media", "padding", b"".join(packets[:4]) + packet(0, 1, 0, 5, b"") + b"".join(packets[4:8]))
    opus = lambda toc, body=b"abcdefgh": packet(2, 1, 1, 20, bytes([toc]) + body)
    # VP9 (kind 16), H.264 (32), AV1 (48, with a dependency descriptor 64); RED (2 | 64), telephone-event (2 | 128)
    put("media", "vp9", packet(17, 1, 4, 40, b"\x8c\x80\x01\x82\x49\x83\x42\x00\x01\xf0\x00\xf0\x00") + b"".join(
        packet(17, 1, 4, 40, b"\xdc\x80" + bytes([i]) + b"\x02\x86\x00") for i in range(2, 8)))
    put("media", "vp9-structure", packet(17, 1, 4, 40, b"\x8e\x81\x02\x38\x01\x40\x00\xb4\x02\x80\x01\x68\x02\x04\x02\x34\x01\x82\x49"
                                         b"\x83\x42") + b"".join(packet(17, 1, 4, 40, b"\xcc\x81" + bytes([i]) + b"\x86") for i in range(3, 9)))
    put("media", "h264", packet(32, 1, 4, 40, b"\x78\x00\x17\x67\x42\xc0\x0a\xd9\x04\x7b\x01\x10\0\0\x03\0\x10\0\0\x03\x03\x20\xf1\x22\x64"
                                b"\x80\x00\x04\x68\xcb\x83\xcb") + packet(32, 1, 0, 0, b"\x7c\x85\x88\x01") + packet(33, 1, 0, 0, b"\x7c\x45\x01") +
        packet(33, 1, 4, 40, b"\x41\x9a\x01") * 4)
    put("media", "av1", packet(48, 1, 4, 40, b"\x68\x0e\x08\x20\0\0\x04\x3d\x06\xd4\xda\xf9\x20\x21\xa0\x04\x30\x01\x02") +
        packet(49, 1, 0, 0, b"\x90\x01\x02") + packet(49, 1, 4, 40, b"\x10\x30\x01") * 4)
    put("media", "av1-dd", packet(113, 1, 4, 40, b"\x0c\x87\x00\x64\x80\x1c\x22\x10\xaa\xaa\xaa\xaa\xc0\x18\x30\x01") +
        packet(113, 1, 4, 40, b"\x03\xc8\x00\x65\x10\x30\x01"))
    put("media", "red", packet(66, 1, 1, 20, b"\xef\x0f\x00\x03\x6f\x08bc\x08de") * 6)
    put("media", "events", packet(2, 1, 1, 20, b"\x78abcdefgh") + packet(130, 1, 1, 20, b"\x05\x0a\x03\xc0") * 3)
    put("media", "opus", b"".join(opus(0x78) for _ in range(10)))
    put("media", "opus-modes", b"".join(opus(c << 3) for c in range(32)))
    put("media", "opus-counts", opus(0x79) + opus(0x7A, b"\x03abcdef") + opus(0x7B, b"\x03" + b"x" * 9) +
        opus(0x7B, b"\xc2\x05\x02" + b"y" * 20) + opus(0x7B, b"\x42\x00\x03abcdef"))
    put("media", "opus-dtx", opus(0x78) * 3 + packet(2, 1, 1, 20, b"\x78") + packet(2, 1, 20, 250, b"\x78") * 3)
    put("media", "opus-lossy", b"".join(packet(2, 1 + i % 3, 1 + i % 3, 20, b"\x78abcd") for i in range(20)))


# ---- Text ----------------------------------------------------------------------------------------

def text_seeds():
    urls = ["lab:", "room+ws://127.0.0.1:8080/room?room=a", "janus+ws://host:8188/janus?plugin=echotest",
            "janus+wss://[::1]:8989/?plugin=videoroom&room=1234", "whip+https://example.org/whip/endpoint",
            "whip+http://u@h:80/p?q=1&plugin=x#f", "whep+https://h/%41%20b?a=%26", "whip+http://h:65536/",
            "sip:bob@example.org;transport=udp", "janus+ws://h", "whip+https://", "http://h/",
            "500ms", "10s", "5m", "1h", "1.5s", "20/s", "90/m", "3600/h", "1.2M", "500k", "64000", "18446744073709551615s",
            "a?b://u:p@h", "#://@"]
    for i, url in enumerate(urls):
        put("target_url", f"{i:02}", url)
    expectations = ["video.in > 0", "audio.in.bitrate > 40", "video.in.loss.p95 < 1%", "setup.total.p95 <= 2 s",
                    "peers.ok >= 99%", "peers.failed == 0", "video.in.bitrate.avg >= 1.2 M for 95% of peers",
                    "(video.in > 0 or audio.in > 0) and peers.failed < 5 else warn", "video.in.packetloss < 2",
                    "audio.out.roundtrip.max < 300 ms", "video.in.freezes.count == 0 for 100 of peers else error",
                    "generator.lateness.p99 < 20", "video.in.channel > 0", "video.in.fps.p99.9 >= 24 fps",
                    "video.in.fps.stddev != 0", "audio.in.jitter.last < 30", "setup.ice.min > 0", "((video.in>0))",
                    "video.in > ", "video.in >> 3", "for 10% of peers", "score >= 7", "x"]
    expectations += ["video.in.bitrate > 500 between 3s and 1m30s", "video.in.loss < 1% between ramped and draining",
                     "video.in > 0 between up and leaving where group is not viewer and network is 'Poor 4G'",
                     "time(video.in.bitrate >= 1M).p95 < 3s for 90% of peers", "video.in.track.bitrate.p(99.9) > 1",
                     "video.in.bitrate.rstddev < 9% for 9% of peers else warn", "video.in.nack.total < 9 where target is a:1",
                     "setup.total.95th < 2s between muted and end where room is \"a b\"", "peers.ok >= 99% @10s"]
    for i, text in enumerate(expectations):
        put("expect", f"{i:02}", text)
    shapes = ["30s:100, 1m:100, 0s:500, 10s:500, 30s:0", "30s:20/s, 5m:20/s, 30s:0/m", "100", "90/h", "2s..10s",
              "0\n0.25\n12.000000001\n", "user,time\n\"a,b\",2026-11-26T20:17:52.5Z\nc,2026-11-26 22:17:53+02:00\n"]
    for i, text in enumerate(shapes):
        put("shape", f"{i:02}", text)
    networks = ["Poor 4G", "wifi, 20s: Poor 4G, 40s: wifi", "rate=1.5M,up.rate=500k,delay=80ms,jitter=20ms,reorder,loss=2%,burst=4",
                "queue=30kB,duplicate=1%,corrupt=0.1%,firewall=https", "wifi, run 60s: down 5s, run 65s: again",
                "down, 5s: wifi, 6s: down, 7s: up, 8s: loss=7%", "50% packet loss,down.queue=200ms", "loss=90%,burst=2", "wifi,,", "1s:wifi"]
    for i, text in enumerate(networks):
        put("network", f"{i:02}", text)
    room = ['{"type":"join","room":"r","name":"n","token":"t","publish":{"audio":true,"video":true},"subscribe":true}',
            '{"type":"joined","id":"p1"}',
            '{"type":"offer","seq":1,"sdp":"v=0\\r\\n","tracks":[{"mid":"0","id":"p2","name":"x"}]}',
            '{"type":"answer","seq":1,"sdp":"v=0\\r\\n"}', '{"type":"candidate","candidate":"candidate:1 1 udp 1 1.2.3.4 5 typ host"}',
            '{"type":"candidate","candidate":""}', '{"type":"restart"}', '{"type":"leave"}', '{"type":"left"}',
            '{"type":"error","code":"auth","text":"no\\u00e9"}', '{"type":"join","room":"\\ud83d\\ude00","extra":[1,{"a":null}]}',
            '{"type":"offer","seq":4294967296}', '{"type":7}', '[]', '{"type":"joined","id":"a\\u0000b"}', '{}']
    for i, text in enumerate(room):
        put("room_proto", f"{i:02}", text)


# ---- Clips ---------------------------------------------------------------------------------------

def clip(tracks):
    """tracks: (kind, codec, channels, clock, width, height, fps, [(ticks, flags, bytes, tid, sid)], duration, ladder,
    features)"""
    head_len = 24 + 64 * len(tracks)
    rows = b""
    data = b""
    heads = b""
    index_at = head_len
    data_at = head_len + sum(16 * len(t[7]) for t in tracks)
    for kind, codec, channels, clock, width, height, fps, frames, duration, ladder, features in tracks:
        own = b""
        index = index_at + len(rows)
        for ticks, flags, body, tid, sid in frames:
            rows += struct.pack("!IIIBBBB", len(own), len(body), ticks, flags, 20, tid, sid)
            own += body
        tlayers, slayers = (1 + max(f[n] for f in frames) for n in (3, 4))
        heads += struct.pack("!BBBBIIIIHHIBBHQQQQ", kind, codec, channels, ladder, clock, len(frames), duration, features,
                             width, height, fps, tlayers, slayers, 0, index, data_at + len(data), len(own), 0)
        data += own
    body = heads + rows + data
    tail = struct.pack("!Q", 24 + len(body)) + body
    return b"SQCLIP\r\n" + struct.pack("!HHI", 2, len(tracks), zlib.crc32(tail)) + tail


def clip_video(codec, key, delta, tids="0", ladder=0, features=0, layers=1):
    frames = [(i * 3600, 1 if i % 4 == 0 else 32, key if i % 4 == 0 else delta, int(tids[i % len(tids)]), sid)
              for i in range(8) for sid in range(layers)]
    return (2, codec, 0, 90000, 640, 360, 25000, frames, 8 * 3600, ladder, features)


def clip_audio(codec, clock, channels=1, features=0, step=20):
    return (1, codec, channels, clock, 0, 0, 0,
            [(i * clock // 1000 * step, 3, b"\x78" + bytes([i]) * (20 + i), 0, 0) for i in range(10)],
            10 * clock // 1000 * step, 0, features)


def clip_seeds():
    key = b"\x10\x02\x00\x9d\x01\x2a\x80\x02\x68\x01"
    delta = b"\x11\x02\x00"
    video = clip_video(5, key + bytes(400), delta + bytes(90))
    steps = [clip_video(5, key + bytes(n), delta + bytes(n // 4), "0212", 1) for n in (100, 400, 900)]
    audio = clip_audio(1, 48000, 2)
    seeds = {"both": [audio, video], "audio": [audio], "video": [video], "none": [], "ladder": steps,
             "voices": [clip_audio(1, 48000, 1, 3, 400), clip_audio(2, 8000), clip_audio(4, 8000)]}

    def nals(*units):
        return b"".join(struct.pack("!I", len(n)) + n for n in units)

    # Heads as libx264, libaom and libvpx write them for 640x360.
    sps = bytes.fromhex("6742c01fd900a02ff9701294000003000400000300ca3c60c920")
    pps = b"\x68\xcb\x8c\xb2"
    slices = nals(sps, pps, b"\x65" + bytes(700)), nals(b"\x41" + bytes(300), b"\x01" + bytes(9))
    single = nals(sps, pps, b"\x65" + bytes(50)), nals(b"\x41" + bytes(40))
    obus = bytes.fromhex("0a0b0000000cc4ff6736be4010") + b"\x32\x83\x06\x10" + bytes(770), b"\x32\x50\x30" + bytes(79)
    vp9 = bytes.fromhex("834983420027f0167080") + bytes(500), b"\x87" + bytes(90)
    seeds |= {"vp9": [clip_video(6, *vp9, "0212")], "svc": [clip_video(6, *vp9, layers=3, features=8)],
              "h264": [clip_video(7, *slices)], "single": [clip_video(7, *single, features=4)],
              "av1": [clip_video(8, *obus, "0212")]}
    for name, tracks in seeds.items():
        data = clip(tracks)
        for how in range(4):
            put("clip", f"{name}-{how}", bytes([how]) + data)
    put("clip", "cut", b"\0" + clip([audio])[:100])
    put("clip", "empty", b"\1")


# ---- Codes of squall pair ------------------------------------------------------------------------

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def crc24(data):
    crc = 0xB704CE
    for byte in data:
        crc ^= byte << 16
        for _ in range(8):
            crc <<= 1
            if crc & 0x1000000:
                crc ^= 0x1864CFB
    return crc & 0xFFFFFF


def pair_code(version, answer, media, addresses):
    """addresses: four lists (IPv4 host, IPv6 host, IPv4 and IPv6 server-reflexive) of packed bytes."""
    counts = 0
    for kind in addresses:
        counts = counts << 2 | len(kind)
    data = bytes([version << 5 | answer << 4 | (not media) << 3, counts]) + bytes(range(32))
    data += b"\x63" if answer else b""
    data += b"".join(b"".join(kind) for kind in addresses)
    data += crc24(data).to_bytes(3, "big")
    chars = (len(data) * 8 + 4) // 5
    number = int.from_bytes(data, "big") << (5 * chars - 8 * len(data))
    return "".join(CROCKFORD[number >> 5 * (chars - 1 - i) & 31] for i in range(chars))


def pair_seeds():
    v4 = bytes([192, 0, 2, 1, 195, 80])
    v6 = bytes.fromhex("20010db8" + "00" * 11 + "01") + b"\xc3\x50"
    variants = {"host": [[v4], [], [], []], "nat": [[v4], [], [v4], []], "six": [[v4], [v6], [v4], [v6]],
                "most": [[v4] * 3, [v6] * 3, [v4] * 3, [v6] * 3], "none": [[], [], [], []]}
    for name, addresses in variants.items():
        for answer in 0, 1:
            for media in 0, 1:
                put("pair", f"{name}-{answer}{media}", pair_code(1, answer, media, addresses))
    put("pair", "version2", pair_code(2, 0, 1, [[v4], [], [], []]))
    text = pair_code(1, 0, 1, [[v4], [], [], []])
    put("pair", "slip", text[:20] + "Z" + text[21:])
    put("pair", "hyphens", "-".join(text[i:i + 8] for i in range(0, len(text), 8)).lower())


def bwe_seeds():
    sent = b"\x07\x03\x04\xb0\x00"
    probe = b"\x05\x00"
    for name, kind, gap in [("steady", 1, 80), ("growing", 1, 160), ("lossy", 0, 80)]:
        rows = b"".join(struct.pack("!hBBH", gap, 150, (1 if kind or i % 3 else 0) | (i % 2) << 5, 1600)
                        for i in range(20))
        feedback = bytes([6 << 3, len(rows)]) + rows
        put("bwe", name, (sent * 3 + probe + feedback) * 12)
    put("bwe", "remb", b"\x42\x04" + struct.pack("!I", 800000) + sent)
    put("bwe", "reports", (b"\xfb\x08" + struct.pack("!HHI", 100, 20, 50000000)) * 5)
    put("bwe", "needed", b"\x04\x04" + struct.pack("!I", 2000000) + (sent + probe) * 20)
    put("bwe", "silence", (b"\xff\x03\x04\xb0\x00") * 40)


def bwe_remote_seeds():
    """Rows of 1 to 128 packets, with intervals and what the delay grows by in 1/16 ms."""
    send_time, again, other, raw = 1, 2, 4, 8

    def row(times, flags, gap, grows, size=1000, bits=0):
        return struct.pack("!BHhHI", times.bit_length() - 1 << 5 | flags, gap, grows, size, bits)

    for name, flags in ("timestamps", 0), ("send-times", send_time):
        steady = row(128, flags, 128, 0)  # 8 ms: 1 Mbit/s
        put("bwe_remote", name, steady * 8)
        put("bwe_remote", name + "-overuse", steady + row(128, flags, 128, 13) + steady * 2)
        put("bwe_remote", name + "-queue-drains", steady * 6 + row(64, flags, 128, 26) + row(64, flags, 128, -26) + steady)
        put("bwe_remote", name + "-gone", steady * 6 + row(1, flags, 16 * 3000, 0) + steady)
        put("bwe_remote", name + "-raw", steady * 6 + row(8, flags | raw, 16, 0, bits=0xFFFFF0) + row(8, flags | raw, 16, 0, bits=0x80000010))
    put("bwe_remote", "mixed", (row(16, 0, 128, 0) + row(16, send_time, 128, 0)) * 30)
    put("bwe_remote", "two-streams", (row(4, 0, 64, 0) + row(4, other, 64, 40) + row(2, again, 64, 0)) * 100)
    put("bwe_remote", "thin", row(128, send_time, 16 * 1900, 0, 40) * 4)
    put("bwe_remote", "burst", row(128, send_time, 0, 0, 65535) * 4 + row(128, send_time, 128, 0, 65535) * 8)


# ---- Files of RTP --------------------------------------------------------------------------------

def rtpfile_seeds():
    rtp = bytes([0x80, 0xE0, 0x12, 0x34]) + struct.pack("!II", 1000, 0xAABBCCDD) + b"payload"
    rtcp = bytes([0x80, 200, 0, 6]) + bytes(24)
    dump = b"#!rtpplay1.0 192.0.2.1/5000\n" + bytes(16)
    for ms, packet in (0, rtp), (20, rtp), (25, rtcp):
        dump += struct.pack("!HHI", len(packet) + 8, len(packet), ms) + packet
    put("rtpfile", "rtpdump", dump)
    put("rtpfile", "rtpdump-cut", dump[:-3])

    def udp(packet):
        return struct.pack("!HHHH", 5000, 6000, 8 + len(packet), 0) + packet

    def ip4(packet, options=b""):
        body = udp(packet)
        head = bytes([0x45 + len(options) // 4, 0]) + struct.pack("!HHHBBH", 20 + len(options) + len(body), 0, 0, 64, 17, 0)
        return head + bytes([192, 0, 2, 1, 192, 0, 2, 2]) + options + body

    ip6 = struct.pack("!IHBB", 0x60000000, 8 + len(rtp), 17, 64) + bytes(32) + udp(rtp)
    frames = {101: [ip4(rtp), ip4(rtcp), ip6, ip4(rtp, bytes(8))],
              1: [bytes(12) + b"\x08\x00" + ip4(rtp), bytes(12) + b"\x81\x00\x00\x05\x86\xdd" + ip6, bytes(12) + b"\x08\x06" + bytes(28)],
              113: [bytes(16) + ip4(rtp)], 276: [bytes(20) + ip6], 0: [b"\x02\0\0\0" + ip4(rtp)], 147: [ip4(rtp)]}
    for link, packets in frames.items():
        for order, magic in (("<", 0xA1B2C3D4), (">", 0xA1B23C4D)):
            data = struct.pack(order + "IHHIIII", magic, 2, 4, 0, 0, 65535, link)
            for i, packet in enumerate(packets):
                data += struct.pack(order + "IIII", 1700000000 + i, 1000 * i, len(packet), len(packet)) + packet
            put("rtpfile", f"pcap-{link}-{'le' if order == '<' else 'be'}", data)
    put("rtpfile", "pcapng", struct.pack(">I", 0x0A0D0D0A) + bytes(28))


def sctp_seeds():
    store = globals()["put"]
    send, go, lose, change, wait, reset, all_over = 0, 2, 4, 6, 8, 12, 14

    def piece(kind, data=b"", end=0):
        return bytes([kind | end, len(data)]) + data

    message = [struct.pack("!BBH", s, how, n) for s, how, n in
               [(0, 0, 100), (1, 1, 5000), (2, 2, 9000), (3, 5, 1200), (4, 0x32, 19000)]]
    for first in range(16):
        call = b"".join(piece(send, m, i & 1) for i, m in enumerate(message))
        call += piece(all_over) + piece(all_over, end=1) + piece(lose) + piece(go) + piece(wait, b"x" * 30)
        call += piece(wait, b"x" * 30, 1) + piece(all_over) + piece(all_over, end=1) + piece(reset) + piece(all_over)
        store("sctp", f"call-{first:02d}", bytes([first]) + call)
    up = piece(all_over) + piece(all_over, end=1)
    data = struct.pack("!BBHIHHI", 0, 3, 20, 1, 1, 0, 53) + b"abcd"
    store("sctp", "made-up", b"\x0b" + piece(10, data) + up + piece(10, struct.pack("!BBHIHHI", 192, 0, 12, 9, 1, 5, 0)))
    store("sctp", "changed", b"\x08" + piece(send, message[1]) + piece(change, b"\x03\xff\x05\x01") + up + up)
    store("sctp", "ends", b"\x0c" + piece(send, message[2]) + piece(all_over, b"x" * 255) + up + up)


def timetag_seeds():
    """First byte: the codec (src/media/codec.h), 0x80 the marker; then a payload with a tag or room for one."""
    tag = bytes([0xFA, 0x01, 0x23, 0x45, 0x67, 0x89, 0xAB, 0xBE, 0xEF, 0x11, 0xBC, 0xC6])
    empty = b"\xfasqual" + b"l tag!"
    uuid = bytes([0x5A, 0xF1, 0x7C, 0x36, 0x0E, 0xD8, 0x4B, 0xE2, 0x9B, 0x61, 0xC4, 0x27, 0x83, 0xAD, 0x1F, 0x95])
    for name, body in ("tag", tag), ("room", empty):
        guarded = b"\xff".join(body[i:i + 2] for i in range(0, 12, 2))
        sei = b"\x06\x05\x21" + uuid + guarded + b"\x80"
        obu = b"\x28\x1a" + body + b"\x80"
        index = b"\xd8" + (20).to_bytes(4, "little") + b"\xd8"
        put("timetag", f"h264-{name}", b"\x07" + sei)
        put("timetag", f"stap-{name}", b"\x07\x78\x00\x02\x67\x01" + len(sei).to_bytes(2, "big") + sei)
        put("timetag", f"av1-{name}", b"\x88\x20" + bytes([len(obu)]) + obu + b"\x30\x10")
        put("timetag", f"av1-sized-{name}", b"\x88\x10\x2a\x0e" + obu[1:])
        put("timetag", f"vp9-{name}", b"\x86\x84\x80\x01\x82" + b"x" * 7 + body + index)
        put("timetag", f"vp9-bare-{name}", b"\x86" + b"\x82" + b"x" * 7 + body + index)
        put("timetag", f"vp8-{name}", b"\x85\x10frame" + body)
        put("timetag", f"opus-{name}", b"\x01\x7b\x41\x0csound" + body)
    for code in range(4):
        put("timetag", f"opus-{code}", bytes([1, 0x78 + code, 2]) + b"sound")


def vp9show_seeds():
    """Frames of 2 to 255 bytes (tests/fuzz/fuzz.h); kind 1: cut evenly into as many as the first byte says, and one."""
    def frame(key, size=None, hidden=0, resilient=0, segments=False):
        bits = f"10000{0 if key else 1}{1 - hidden}{resilient}"
        if key:
            bits += f"{0x498342:024b}0010"
        else:
            bits += "0" * hidden + ("" if resilient else "00") + f"{1:08b}" + "0" * 12 + ("000" if size else "1")
        if size:
            bits += f"{size[0] - 1:016b}{size[1] - 1:016b}"
        bits += "0" + ("" if key else "01") + ("" if resilient else "01") + "00" + f"{20:06b}" + "000" + "11" + "0" * 6
        bits += f"{60:08b}" + "100010" + "00" + ("1" + "1" + "110101010" * 7 + "0" + "11" + "0" * 32 if segments else "0")
        bits += "00" + f"{5:016b}"
        bits += "0" * (-len(bits) % 8)
        return int(bits, 2).to_bytes(len(bits) // 8, "big") + b"\xda\x1a\x21"

    def piece(kind, data):
        return bytes([kind, len(data)]) + data

    def layers(*frames):
        longest = max(map(len, frames))
        return piece(1, bytes([len(frames) - 1]) + b"".join(f.ljust(longest, b"\0") for f in frames))

    first = layers(frame(True, (80, 46)), frame(False, (160, 90)), frame(False, (320, 180)))
    put("vp9show", "three", first + layers(frame(False, (80, 46)), frame(False, (160, 90), 0, 1), frame(False, segments=True)))
    put("vp9show", "one", piece(0, frame(True, (4096, 2160))) + piece(0, frame(False)) + piece(0, frame(False, hidden=1)))
    put("vp9show", "one-size", layers(frame(True, (80, 46)), frame(False), frame(False, resilient=1)))
    put("vp9show", "again", first + layers(b"\x8b", b"\x88") + piece(0, b"\xb4\x80"))


def scenario_seeds():
    """The examples, and what of YAML and of variables they leave out."""
    for path in sorted((ROOT / "examples").glob("*.yaml")):
        put("scenario", path.stem, path.read_bytes())
    put("scenario", "brackets", 'target: "l\\x61b"\ngroups: [{name: a, per_room: 1}, {role: data, name: b}]\n'
                                "network: [wifi@30%, {loss: 2%, up: {reorder: true}}]\nrooms: {sizes: {2: 100%}}\n")
    put("scenario", "variables", "target: ${A}x$${B}${C}\nturn: {url: ['turn:${D}', b], secret: ${U}}\n")
    put("scenario", "lines", "token: >-\n  a\n  ${U}\nexpect: |\n  peers.ok\n   > 1\n")
    put("scenario", "refused", "a: &b !c\n--- \n\t- {d: *b, d}\n")


def steps_seeds():
    put("steps", "pointer", '/a~1b/0/x\n{"a/b": [{"x": "t"}]}')
    put("steps", "regex", 'id=([0-9])\nroom id=7 ok')
    put("steps", "ice", '/0/urls\n[{"urls": ["turn:h:3478?transport=tcp", "stun:s"], "username": "1:u", "credential": "c"}]')
    put("steps", "ice_text", '\n{"iceServers": [{"url": "[\\"turns:[::1]:5349\\"]", "username": "u", "credential": "c"}]}')


def users_seeds():
    put("users", "plain", "name,token\nann,t1\nbob,t2\n")
    put("users", "quoted", '\xef\xbb\xbf"a ""b""",c\r\n"x, y",""\r\n\r\n1,2'.encode("latin-1"))
    put("users", "short", "a,b\n1\n")
    put("users", "open", 'a\n"x\n')


def store_seeds():
    summary = {
        "schema": 1, "tool": {"name": "squall", "version": "0.1.0", "commit": "0"},
        "run": {"id": "20261121-054021-6ae738", "started": "2026-11-21T05:40:21.000Z", "interrupted": False,
                "host": {"name": "h", "kernel": "k", "cpu": "c", "cores": 2}},
        "config": {"peers": 2, "target": "lab:", "listen": True}, "verdict": "pass", "reason": "r", "exit_code": 0,
        "peers": {"planned": 2, "started": 2, "ok": 2, "failed": 0, "dropped": 0, "pending": 0},
        "metrics": {"setup.total": {"unit": "ms", "count": 2, "min": 1, "avg": 1.5, "p50": 1, "p90": 2, "p95": 2, "p99": 2,
                                    "max": None}},
        "generator": {"lateness_ms": {"p50": 1, "p99": 2, "max": 3}, "ok": True, "note": ""}}
    put("store", "summary", json.dumps(summary))
    put("store", "no-metrics", json.dumps({**summary, "metrics": {}}))
    put("store", "newer", json.dumps({**summary, "schema": 2}))
    head = "peer,outcome,connected,setup.total_ms,video.in.rtt_ms,drops\r\n"
    put("store", "peers", head + 'a,ok,1,12.5,0.3,0\r\n"b, ""c""",failed,1,,,2\r\n')
    put("store", "peers-lf", head.replace("\r", "") + "a,pending,0,,,\n")
    put("store", "peers-cut", head + 'a,ok,1,"12')


def main():
    messages = stun_seeds()
    ice_seeds(messages)
    candidate_seeds()
    turn_seeds()
    framing_seeds()
    fec_seeds()
    mdns_seeds()
    dcep_seeds()
    dtls_seeds()
    sdp_seeds()
    rtp_seeds()
    vp8_seeds()
    text_seeds()
    clip_seeds()
    pair_seeds()
    rtpfile_seeds()
    bwe_seeds()
    bwe_remote_seeds()
    sctp_seeds()
    timetag_seeds()
    vp9show_seeds()
    scenario_seeds()
    steps_seeds()
    users_seeds()
    store_seeds()
    keep_found()
    for folder in sorted(CORPUS.iterdir()):
        print(f"{folder.name}: {len(list(folder.iterdir()))} seeds")


if __name__ == "__main__":
    main()
