"""squall media replay: a stream that was recorded over a wire that loses packets comes out of an echo with the
same holes and the same intervals."""
import statistics
import struct

from harness import test
from harness.proc import check
from harness.squall import Results
from harness.wire import DelayedWire


def read_dump(path):
    """[(ms, sequence number, time-stamp, payload)] of an rtpdump file, read apart from Squall."""
    data = path.read_bytes()
    at = data.index(b"\n") + 1 + 16
    found = []
    while at < len(data):
        record, plain, ms = struct.unpack_from("!HHI", data, at)
        rtp = data[at + 8:at + record]
        cc, extended = rtp[0] & 15, rtp[0] >> 4 & 1
        head = 12 + 4 * cc
        if extended:
            head += 4 + 4 * struct.unpack_from("!H", rtp, head + 2)[0]
        found.append((ms, *struct.unpack_from("!HI", rtp, 2), rtp[head:]))
        check(plain == len(rtp), "a record that is not whole")
        at += record
    return found


def numbers(packets):
    """Sequence numbers counted from the first packet's."""
    return [(p[1] - packets[0][1] + 0x8000) % 0x10000 - 0x8000 for p in packets]


def holes(packets):
    have = set(numbers(packets))
    return sorted(set(range(max(have) + 1)) - have)


def is_key(codec, payload):
    """What a packet of video tells of its frame, by the RFCs, apart from Squall."""
    first = payload[0]
    if codec == "vp8":  # RFC 7741, section 4: the descriptor, and P of the frame's header
        at = 1
        if first & 0x80:
            more = payload[1]
            wide = more & 0x80 and payload[2] & 0x80
            at += 1 + (2 if wide else bool(more & 0x80)) + bool(more & 0x40) + bool(more & 0x30)
        return first & 0x17 == 0x10 and not payload[at] & 1
    if codec == "vp9":  # RFC 9628, section 4.2: P of the descriptor
        return not first & 0x40
    if codec == "av1":  # RTP payload format for AV1, section 4.4: N, and a keyframe begins a sequence
        return bool(first & 0x08)
    if first & 0x1f == 24:  # RFC 6184, section 5.7: STAP-A
        at, kinds = 1, []
        while at < len(payload):
            kinds.append(payload[at + 2] & 0x1f)
            at += 2 + struct.unpack_from("!H", payload, at)[0]
        return 5 in kinds
    return (payload[1] if first & 0x1f == 28 else first) & 0x1f == 5


def key_frames(codec, packets):
    """Time-stamps; those that came as a whole behind a later frame's are not counted as sent."""
    newest, begun = None, set()
    for _, _, stamp, _ in packets:
        if newest is None or 0 < (stamp - newest) % 2 ** 32 < 2 ** 31:
            newest = stamp
            begun.add(stamp)
    return len({stamp for _, _, stamp, payload in packets if stamp in begun and is_key(codec, payload)})


def dump_of(results, name):
    return read_dump(next((results.folder / "record").glob(name)))


def replays(t, *calls):
    """Of each (file, options) what it left behind. They go on side by side: each is one peer, and mostly waits."""
    going = []
    for i, (file, *options) in enumerate(calls):
        folder = t.folder / f"replayed-{file.stem}-{i}"
        going.append((folder, t.start(f"replay{i}", [t.squall, "media", "replay", file, "lab:echo", "--out", folder, "--seed", "3", "--record", 1,
                                                     "--record-format", "rtpdump,pcap", "--lateness-max", 200, *options])))
    return [Results(process.wait(60), process, folder) for folder, process in going]


def same(before, after, what):
    """Of what the first one has up to where the second one ends (an echo's last packets are still under way)."""
    lasts = numbers(after)
    cut = len(before) - 15
    check(len(after) > cut, f"{what}: {len(before)} packets before, {len(after)} after")
    check(numbers(before)[:cut] == lasts[:cut], f"{what}: other sequence numbers")
    check([p[3] for p in before[:cut]] == [p[3] for p in after[:cut]], f"{what}: other payloads")
    stamps = [[(p[2] - packets[0][2]) % 2 ** 32 for p in packets[:cut]] for packets in (before, after)]
    check(stamps[0] == stamps[1], f"{what}: other time-stamps")
    shifts = [a[0] - b[0] for b, a in zip(before[:cut], after[:cut])]  # the start is another one
    apart = [abs(shift - statistics.median(shifts)) for shift in shifts]
    test.note(f"{what}: {len(before)} packets, {len(holes(before))} holes, times {statistics.median(apart):.1f} ms apart "
              f"at the median, {max(apart)} at most")
    check(statistics.median(apart) <= 3, f"{what}: times are {statistics.median(apart)} ms apart")


def replay_loss(t):
    wire = DelayedWire(t, 5, 5, loss_back=0.04)
    lab = t.lab(address=wire.THERE, enter=wire.enter)
    first = t.run(lab.room(), "--room", "echo", "--peers", 1, "--duration", "6s", "--local-ip", wire.HERE,
                  "--record", 1, "--record-format", "rtpdump,pcap", "--lateness-max", 200).finish()
    first.all_ok(1)
    audio = dump_of(first, "*-in-audio-1.rtpdump")
    check(len(holes(audio)) >= 3, f"the wire lost {len(holes(audio))} packets of audio only")
    lost = first.peers[0]["audio.in.lost"]
    check(abs(lost - len(holes(audio))) <= 1, f"{lost} lost, {len(holes(audio))} holes in the recording")
    folder = first.folder / "record"
    second, third = replays(t, (next(folder.glob("*-in-audio-1.rtpdump")), "--no-video"), (next(folder.glob("*.pcap")),))
    second.all_ok(1)
    same(audio, dump_of(second, "*-in-audio-1.rtpdump"), "audio")
    check(abs(second.peers[0]["audio.in.lost"] - lost) <= 1, f"{second.peers[0]['audio.in.lost']} lost, {lost} before")
    # The pcap holds both streams; of picture, what was lost and sent again stands where it came.
    third.all_ok(1)
    same(audio, dump_of(third, "*-in-audio-1.rtpdump"), "audio out of the pcap")
    check("missing" in third.errors, third.errors)
    frames = third.peers[0]["video.in.frames"]
    check(frames > 0.8 * first.peers[0]["video.in.frames"], f"{frames} frames, {first.peers[0]['video.in.frames']} before")
    # In the order in which they came: what is late begins no frame anew; one that came late as a whole is not counted.
    stamps, sent = len({p[2] for p in dump_of(first, "*-in-video-1.rtpdump")}), third.peers[0]["video.out.frames"]
    keys = key_frames("vp8", dump_of(first, "*-in-video-1.rtpdump"))
    test.note(f"{stamps} time-stamps of video in the recording, {sent:.0f} frames sent, {keys} of them key frames")
    check(keys > 0 and third.peers[0]["video.out.key_frames"] == keys, f"{third.peers[0]['video.out.key_frames']} key frames sent of {keys}")
    check(0.95 * stamps <= sent <= stamps, f"{sent} frames sent of {stamps} time-stamps")


def replay_clean(t):
    """Where the recording ends, the run does; standing still on purpose is no freeze, and nothing is concealed."""
    first = t.run("lab:echo", "--duration", "4.1s", "--record", 1, "--record-format", "pcap,rtpdump", "--lateness-max", 200).finish()
    first.all_ok(1)
    sound, picture = (dump_of(first, f"*-in-{kind}-1.rtpdump") for kind in ("audio", "video"))
    seconds = (max(sound[-1][0], picture[-1][0]) - min(sound[0][0], picture[0][0])) / 1000
    file = next((first.folder / "record").glob("*.pcap"))
    # Both; one kind of a file with both, so that it ends with what is sent; and a run that was told to last longer.
    calls = ((), ("--no-video",), ("--no-audio",), ("--duration", "20s"))
    for options, again in zip(calls, replays(t, *((file, *options) for options in calls))):
        again.all_ok(1)
        peer = again.peers[0]
        lasted = again.summary["run"]["duration_s"]
        check(seconds <= lasted < seconds + 1.5, f"{options}: {lasted} s, the recording {seconds} s")
        if "--no-video" not in options:
            check(peer["video.in.freezes"] == 0 and peer["video.in.freeze_ms"] == 0, f"{options}: {peer['video.in.freezes']} freezes")
            check(again.metric("video.in.fps", "min") > 20, f"{options}: {again.metric('video.in.fps', 'min')} frames/s")
            check(20 < again.metric("video.out.fps", "avg") < 30, f"{options}: {again.metric('video.out.fps', 'avg')} frames/s sent")
            check(peer["video.in.packets"] == len(picture), f"{options}: {peer['video.in.packets']} packets of {len(picture)}")
        if "--no-audio" not in options:
            check(peer["audio.in.concealment_percent"] < 2, f"{options}: {peer['audio.in.concealment_percent']} % concealed")
            check(peer["audio.in.packets"] == len(sound), f"{options}: {peer['audio.in.packets']} packets of {len(sound)}")
        test.note(f"{' '.join(options) or 'both'}: {lasted:.2f} s of {seconds:.2f} s")


CODECS = ("vp8", "vp9", "h264", "h264-mode0", "av1")


def replay_keys(t):
    """Key frames that are sent, against those of the recording: read from it, told by who sent them first, and counted by who received them."""
    lab = t.lab()
    going = [(codec, t.run(lab.room(), "--room", f"echo-{codec}", "--peers", 2, "--publishers", 1, "--codec", f"video={codec}", "--no-audio", "--ramp", "1s",
                           "--duration", "5s", "--record", 2, "--record-format", "rtpdump", "--lateness-max", 200)) for codec in CODECS]
    firsts = [(codec, run.finish()) for codec, run in going]
    files = [next((first.folder / "record").glob("*-in-video-1.rtpdump")) for _, first in firsts]
    for (codec, first), file, again in zip(firsts, files, replays(t, *((file,) for file in files))):
        first.all_ok(2)
        again.all_ok(1)
        counted = key_frames(codec, read_dump(file))
        sent, heard = (again.peers[0][f"video.{way}.key_frames"] for way in ("out", "in"))
        viewer = next(peer for peer in first.peers if peer["video.in.packets"] > 0)
        test.note(f"{codec}: {counted} key frames in the recording, {sent:.0f} sent again, {heard:.0f} came back; {viewer['video.in.key_frames']:.0f} before")
        check(counted > 0 and sent == counted == heard == viewer["video.in.key_frames"], f"{codec}: {sent} sent, {counted} in the recording")


def snapped(pcap, most):
    """As a capture with this snap length would hold it."""
    out, at = [pcap[:24]], 24
    while at < len(pcap):
        seconds, fraction, held, length = struct.unpack_from(">4I", pcap, at)
        out += [struct.pack(">4I", seconds, fraction, min(held, most), length), pcap[at + 16 : at + 16 + min(held, most)]]
        at += 16 + held
    return b"".join(out)


def of_another_type(pcap, was, now):
    """The RTP of one payload type told as another, and of the others ten packets: raw IPv4, as Squall writes it."""
    out, at, others = [pcap[:24]], 24, 0
    while at < len(pcap):
        (held,) = struct.unpack_from(">I", pcap, at + 8)
        record = bytearray(pcap[at : at + 16 + held])
        its = record[16 + 28 + 1] & 0x7f == was
        record[16 + 28 + 1] += now - was if its else 0
        others += not its
        out += [bytes(record)] if its or others <= 10 else []
        at += 16 + held
    return b"".join(out)


def replay_wrong(t):
    text = t.folder / "text"
    text.write_text("hello")
    for words, sentence in (([text, "lab:echo"], "expected an rtpdump or a pcap file"),
                            ([t.folder / "none", "lab:echo"], "No such file"), ([text], "expected FILE TARGET"),
                            ([text, "lab:echo", "--pt", "x=VP8"], "expected payload types")):
        process = t.start("replay", [t.squall, "media", "replay", *words])
        check(process.wait(20) == 2 and sentence in process.stderr(), f"{words}: {process.stderr()}")
    # A recording that is cut off so early that nothing is measured is no pass.
    first = t.run("lab:echo", "--duration", "2s", "--record", 1, "--record-format", "pcap,rtpdump", "--lateness-max", 200).finish()
    whole = next((first.folder / "record").glob("*.pcap")).read_bytes()
    (t.folder / "cut.pcap").write_bytes(whole[:20000])
    (again,) = replays(t, (t.folder / "cut.pcap",))
    check(again.code == 3 and again.summary["verdict"] == "error", f"exit code {again.code}, verdict {again.summary['verdict']}")
    check("was over before a rate of its media could be measured" in again.summary["reason"], again.summary["reason"])
    test.note(again.summary["reason"])
    # Nor is one without a picture that could be shown, or that a snap length has cut: both are refused.
    (t.folder / "few.rtpdump").write_bytes(next((first.folder / "record").glob("*-in-video-1.rtpdump")).read_bytes()[:1500])
    (t.folder / "snap.pcap").write_bytes(snapped(whole, 100))
    (t.folder / "other.pcap").write_bytes(of_another_type(whole, 96, 100))
    for name, sentence in (("other.pcap", "there is no other video (--pt 100=H264 or the like says what they are"),
                           ("few.rtpdump", "nothing of it can be played"), ("snap.pcap", "cut short by the capture's snap length")):
        process = t.start("replay", [t.squall, "media", "replay", t.folder / name, "lab:echo"])
        check(process.wait(20) == 2 and sentence in process.stderr(), f"{name}: {process.stderr()}")


if __name__ == "__main__":
    test.run([replay_loss, replay_clean, replay_keys, replay_wrong])
