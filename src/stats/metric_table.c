/* The table alone; what is done with it stands in metrics.c. */
#include "stats/metrics.h"

static const struct sq_metric table[SQ_METRIC_ALL_COUNT] = {
    [SQ_METRIC_AUDIO_IN] =
        {"audio.in", SQ_UNIT_COUNT, SQ_KIND_DISTRIBUTION, SQ_FLOW_IN, SQ_BETTER_HIGH,
         SQ_SAMPLING_PEER_TOTAL, 1,
         "Number of audio tracks on which the peer received at least one RTP packet.",
         "inbound-rtp.packetsReceived"},
    [SQ_METRIC_AUDIO_IN_BITRATE] =
        {"audio.in.bitrate", SQ_UNIT_KBPS, SQ_KIND_DISTRIBUTION, SQ_FLOW_IN, SQ_BETTER_HIGH,
         SQ_SAMPLING_PEER_SECOND, 1000,
         "RTP payload bits received in a second on all audio tracks of the peer; RTP headers, "
         "padding and retransmissions are not in it.",
         "inbound-rtp.bytesReceived"},
    [SQ_METRIC_AUDIO_IN_LOSS] = {"audio.in.loss", SQ_UNIT_PERCENT, SQ_KIND_DISTRIBUTION, SQ_FLOW_IN,
                                 SQ_BETTER_LOW, SQ_SAMPLING_PEER_TOTAL, 10000,
                                 "Share of the audio packets sent to the peer that never came, "
                                 "retransmissions not even then: lost over lost plus received.",
                                 "inbound-rtp.packetsLost, inbound-rtp.packetsReceived"},
    [SQ_METRIC_AUDIO_IN_JITTER] =
        {"audio.in.jitter", SQ_UNIT_MS, SQ_KIND_DISTRIBUTION, SQ_FLOW_IN, SQ_BETTER_LOW,
         SQ_SAMPLING_TRACK_SECOND, 1000,
         "Interarrival jitter of the audio packets received (RFC 3550, section 6.4.1).",
         "inbound-rtp.jitter"},
    [SQ_METRIC_AUDIO_IN_RTT] =
        {"audio.in.rtt", SQ_UNIT_MS, SQ_KIND_DISTRIBUTION, SQ_FLOW_IN, SQ_BETTER_LOW,
         SQ_SAMPLING_REPORT, 1000,
         "Round-trip time of the path that the audio came over, from the ICE checks on it.",
         "candidate-pair.currentRoundTripTime"},
    [SQ_METRIC_AUDIO_IN_NACK] = {"audio.in.nack", SQ_UNIT_COUNT, SQ_KIND_DISTRIBUTION, SQ_FLOW_IN,
                                 SQ_BETTER_LOW, SQ_SAMPLING_PEER_TOTAL, 1,
                                 "NACK packets the peer sent to ask for lost audio packets.",
                                 "inbound-rtp.nackCount"},
    [SQ_METRIC_AUDIO_IN_PLAYOUT] =
        {"audio.in.playout", SQ_UNIT_MS, SQ_KIND_DISTRIBUTION, SQ_FLOW_IN, SQ_BETTER_LOW,
         SQ_SAMPLING_TRACK_SECOND, 1000,
         "Play-out delay: how long sound waited in the jitter buffer before it was played, on "
         "average over the second.",
         "inbound-rtp.jitterBufferDelay, inbound-rtp.jitterBufferEmittedCount"},
    [SQ_METRIC_AUDIO_IN_CONCEALMENT] =
        {"audio.in.concealment", SQ_UNIT_PERCENT, SQ_KIND_DISTRIBUTION, SQ_FLOW_IN, SQ_BETTER_LOW,
         SQ_SAMPLING_PEER_TOTAL, 10000,
         "Share of the sound played that had to be made up, because nothing was there when it was "
         "due.",
         "inbound-rtp.concealedSamples, inbound-rtp.totalSamplesReceived"},
    [SQ_METRIC_AUDIO_IN_LATENCY] =
        {"audio.in.latency", SQ_UNIT_MS, SQ_KIND_DISTRIBUTION, SQ_FLOW_IN, SQ_BETTER_LOW,
         SQ_SAMPLING_FRAME, 1000,
         "One-way latency: from when a packet of audio was to be sent until it arrived. By how "
         "much "
         "clocks may be off stands beside it: uncertainty in summary.json.",
         ""},
    [SQ_METRIC_AUDIO_IN_HEARD] = {"audio.in.heard", SQ_UNIT_PERCENT, SQ_KIND_DISTRIBUTION,
                                  SQ_FLOW_IN, SQ_BETTER_HIGH, SQ_SAMPLING_TRACK_SECOND, 1000,
                                  "Share of the seconds of decoded sound that were louder than -50 "
                                  "dBov; 0 for a second without any. Peers of --decode only.",
                                  ""},
    [SQ_METRIC_AUDIO_IN_DECODED_FAILED] =
        {"audio.in.decoded.failed", SQ_UNIT_COUNT, SQ_KIND_DISTRIBUTION, SQ_FLOW_IN, SQ_BETTER_LOW,
         SQ_SAMPLING_PEER_TOTAL, 1,
         "Audio packets that the decoder refused. Peers of --decode only.", ""},
    [SQ_METRIC_AUDIO_IN_DECODED_DROPPED] =
        {"audio.in.decoded.dropped", SQ_UNIT_COUNT, SQ_KIND_DISTRIBUTION, SQ_FLOW_IN, SQ_BETTER_LOW,
         SQ_SAMPLING_PEER_TOTAL, 1,
         "Audio packets that were not decoded because the decoding thread could not keep up. Peers "
         "of --decode only.",
         ""},
    [SQ_METRIC_AUDIO_OUT] =
        {"audio.out", SQ_UNIT_COUNT, SQ_KIND_DISTRIBUTION, SQ_FLOW_OUT, SQ_BETTER_HIGH,
         SQ_SAMPLING_PEER_TOTAL, 1,
         "Number of audio tracks on which the peer sent at least one RTP packet.",
         "outbound-rtp.packetsSent"},
    [SQ_METRIC_AUDIO_OUT_BITRATE] =
        {"audio.out.bitrate", SQ_UNIT_KBPS, SQ_KIND_DISTRIBUTION, SQ_FLOW_OUT, SQ_BETTER_HIGH,
         SQ_SAMPLING_PEER_SECOND, 1000,
         "RTP payload bits sent in a second on all audio tracks of the peer; RTP headers, padding "
         "and retransmissions are not in it.",
         "outbound-rtp.bytesSent"},
    [SQ_METRIC_AUDIO_OUT_LOSS] = {"audio.out.loss", SQ_UNIT_PERCENT, SQ_KIND_DISTRIBUTION,
                                  SQ_FLOW_OUT, SQ_BETTER_LOW, SQ_SAMPLING_PEER_TOTAL, 10000,
                                  "Share of the audio packets sent by the peer that the other side "
                                  "reports as lost, of those that its reports cover.",
                                  "remote-inbound-rtp.packetsLost"},
    [SQ_METRIC_AUDIO_OUT_JITTER] =
        {"audio.out.jitter", SQ_UNIT_MS, SQ_KIND_DISTRIBUTION, SQ_FLOW_OUT, SQ_BETTER_LOW,
         SQ_SAMPLING_REPORT, 1000,
         "Interarrival jitter of the peer's audio as the other side reports it.",
         "remote-inbound-rtp.jitter"},
    [SQ_METRIC_AUDIO_OUT_RTT] = {"audio.out.rtt", SQ_UNIT_MS, SQ_KIND_DISTRIBUTION, SQ_FLOW_OUT,
                                 SQ_BETTER_LOW, SQ_SAMPLING_REPORT, 1000,
                                 "Round-trip time to the receiver of the peer's audio, from its "
                                 "receiver reports (RFC 3550, section 6.4.1).",
                                 "remote-inbound-rtp.roundTripTime"},
    [SQ_METRIC_AUDIO_OUT_NACK] = {"audio.out.nack", SQ_UNIT_COUNT, SQ_KIND_DISTRIBUTION,
                                  SQ_FLOW_OUT, SQ_BETTER_LOW, SQ_SAMPLING_PEER_TOTAL, 1,
                                  "NACK packets the peer got for its audio.",
                                  "outbound-rtp.nackCount"},
    [SQ_METRIC_VIDEO_IN] =
        {"video.in", SQ_UNIT_COUNT, SQ_KIND_DISTRIBUTION, SQ_FLOW_IN, SQ_BETTER_HIGH,
         SQ_SAMPLING_PEER_TOTAL, 1,
         "Number of video tracks on which the peer received at least one RTP packet.",
         "inbound-rtp.packetsReceived"},
    [SQ_METRIC_VIDEO_IN_BITRATE] =
        {"video.in.bitrate", SQ_UNIT_KBPS, SQ_KIND_DISTRIBUTION, SQ_FLOW_IN, SQ_BETTER_HIGH,
         SQ_SAMPLING_PEER_SECOND, 1000,
         "RTP payload bits received in a second on all video tracks of the peer; RTP headers, "
         "padding and retransmissions are not in it.",
         "inbound-rtp.bytesReceived"},
    [SQ_METRIC_VIDEO_IN_LOSS] = {"video.in.loss", SQ_UNIT_PERCENT, SQ_KIND_DISTRIBUTION, SQ_FLOW_IN,
                                 SQ_BETTER_LOW, SQ_SAMPLING_PEER_TOTAL, 10000,
                                 "Share of the video packets sent to the peer that never came, "
                                 "retransmissions not even then: lost over lost plus received.",
                                 "inbound-rtp.packetsLost, inbound-rtp.packetsReceived"},
    [SQ_METRIC_VIDEO_IN_JITTER] =
        {"video.in.jitter", SQ_UNIT_MS, SQ_KIND_DISTRIBUTION, SQ_FLOW_IN,
         SQ_BETTER_LOW, SQ_SAMPLING_TRACK_SECOND, 1000,
         "Interarrival jitter of the video packets received (RFC 3550, section 6.4.1).",
         "inbound-rtp.jitter"},
    [SQ_METRIC_VIDEO_IN_RTT] =
        {"video.in.rtt", SQ_UNIT_MS, SQ_KIND_DISTRIBUTION, SQ_FLOW_IN, SQ_BETTER_LOW,
         SQ_SAMPLING_REPORT, 1000,
         "Round-trip time of the path that the video came over, from the ICE checks on it.",
         "candidate-pair.currentRoundTripTime"},
    [SQ_METRIC_VIDEO_IN_FPS] = {"video.in.fps", SQ_UNIT_FPS, SQ_KIND_DISTRIBUTION, SQ_FLOW_IN,
                                SQ_BETTER_HIGH, SQ_SAMPLING_TRACK_SECOND, 1000,
                                "Frames that became decodable in a second; 0 where video was "
                                "agreed and none has come.",
                                "inbound-rtp.framesPerSecond"},
    [SQ_METRIC_VIDEO_IN_FREEZE] = {"video.in.freeze", SQ_UNIT_MS, SQ_KIND_DISTRIBUTION, SQ_FLOW_IN,
                                   SQ_BETTER_LOW, SQ_SAMPLING_PEER_TOTAL, 1,
                                   "Time the picture stood still in freezes, all video tracks "
                                   "together; one that lasts to the end of the call is counted.",
                                   "inbound-rtp.totalFreezesDuration"},
    [SQ_METRIC_VIDEO_IN_FREEZES] =
        {"video.in.freezes", SQ_UNIT_COUNT, SQ_KIND_DISTRIBUTION, SQ_FLOW_IN, SQ_BETTER_LOW,
         SQ_SAMPLING_PEER_TOTAL, 1,
         "Number of freezes: a frame came max(3 d, d + 150 ms) or more after the one before it, "
         "where d is the average over the latest 30 frames.",
         "inbound-rtp.freezeCount"},
    [SQ_METRIC_VIDEO_IN_WIDTH] = {"video.in.width", SQ_UNIT_PIXELS, SQ_KIND_DISTRIBUTION,
                                  SQ_FLOW_IN, SQ_BETTER_HIGH, SQ_SAMPLING_TRACK_SECOND, 1,
                                  "Width of the frames received.", "inbound-rtp.frameWidth"},
    [SQ_METRIC_VIDEO_IN_HEIGHT] = {"video.in.height", SQ_UNIT_PIXELS, SQ_KIND_DISTRIBUTION,
                                   SQ_FLOW_IN, SQ_BETTER_HIGH, SQ_SAMPLING_TRACK_SECOND, 1,
                                   "Height of the frames received.", "inbound-rtp.frameHeight"},
    [SQ_METRIC_VIDEO_IN_NACK] = {"video.in.nack", SQ_UNIT_COUNT, SQ_KIND_DISTRIBUTION, SQ_FLOW_IN,
                                 SQ_BETTER_LOW, SQ_SAMPLING_PEER_TOTAL, 1,
                                 "NACK packets the peer sent to ask for lost video packets.",
                                 "inbound-rtp.nackCount"},
    [SQ_METRIC_VIDEO_IN_PLI] = {"video.in.pli", SQ_UNIT_COUNT, SQ_KIND_DISTRIBUTION, SQ_FLOW_IN,
                                SQ_BETTER_LOW, SQ_SAMPLING_PEER_TOTAL, 1,
                                "Picture loss indications the peer sent to ask for a key frame.",
                                "inbound-rtp.pliCount"},
    [SQ_METRIC_VIDEO_IN_PLAYOUT] =
        {"video.in.playout", SQ_UNIT_MS, SQ_KIND_DISTRIBUTION, SQ_FLOW_IN, SQ_BETTER_LOW,
         SQ_SAMPLING_TRACK_SECOND, 1000,
         "Play-out delay: from a frame's first packet until the frame left the jitter buffer, on "
         "average over the second.",
         "inbound-rtp.jitterBufferDelay, inbound-rtp.jitterBufferEmittedCount"},
    [SQ_METRIC_VIDEO_IN_DROPPED] =
        {"video.in.dropped", SQ_UNIT_COUNT, SQ_KIND_DISTRIBUTION, SQ_FLOW_IN, SQ_BETTER_LOW,
         SQ_SAMPLING_PEER_TOTAL, 1,
         "Frames of which something came, and that could not be shown: incomplete, or what they "
         "refer to was missing.",
         "inbound-rtp.framesDropped"},
    [SQ_METRIC_VIDEO_IN_LATENCY] =
        {"video.in.latency", SQ_UNIT_MS, SQ_KIND_DISTRIBUTION, SQ_FLOW_IN, SQ_BETTER_LOW,
         SQ_SAMPLING_FRAME, 1000,
         "One-way latency: from when a frame was to be sent until all of it had arrived and it was "
         "decodable. By how much clocks may be off stands beside it: uncertainty in summary.json.",
         ""},
    [SQ_METRIC_VIDEO_IN_MOVING] = {"video.in.moving", SQ_UNIT_PERCENT, SQ_KIND_DISTRIBUTION,
                                   SQ_FLOW_IN, SQ_BETTER_HIGH, SQ_SAMPLING_TRACK_SECOND, 1000,
                                   "Share of the seconds of decoded video in which the picture "
                                   "changed; 0 for a second without any. Peers of --decode only.",
                                   ""},
    [SQ_METRIC_VIDEO_IN_DECODED_FPS] =
        {"video.in.decoded.fps", SQ_UNIT_FPS, SQ_KIND_DISTRIBUTION, SQ_FLOW_IN, SQ_BETTER_HIGH,
         SQ_SAMPLING_TRACK_SECOND, 1000,
         "Pictures that came out of a real decoder in a second. Peers of --decode only.", ""},
    [SQ_METRIC_VIDEO_IN_DECODED_FAILED] =
        {"video.in.decoded.failed", SQ_UNIT_COUNT, SQ_KIND_DISTRIBUTION, SQ_FLOW_IN, SQ_BETTER_LOW,
         SQ_SAMPLING_PEER_TOTAL, 1, "Frames that the decoder refused. Peers of --decode only.", ""},
    [SQ_METRIC_VIDEO_IN_DECODED_DROPPED] =
        {"video.in.decoded.dropped", SQ_UNIT_COUNT, SQ_KIND_DISTRIBUTION, SQ_FLOW_IN, SQ_BETTER_LOW,
         SQ_SAMPLING_PEER_TOTAL, 1,
         "Video packets that were not decoded because the decoding thread could not keep up. Peers "
         "of --decode only.",
         ""},
    [SQ_METRIC_VIDEO_OUT] =
        {"video.out", SQ_UNIT_COUNT, SQ_KIND_DISTRIBUTION, SQ_FLOW_OUT, SQ_BETTER_HIGH,
         SQ_SAMPLING_PEER_TOTAL, 1,
         "Number of video tracks on which the peer sent at least one RTP packet.",
         "outbound-rtp.packetsSent"},
    [SQ_METRIC_VIDEO_OUT_BITRATE] =
        {"video.out.bitrate", SQ_UNIT_KBPS, SQ_KIND_DISTRIBUTION, SQ_FLOW_OUT, SQ_BETTER_HIGH,
         SQ_SAMPLING_PEER_SECOND, 1000,
         "RTP payload bits sent in a second on all video tracks of the peer; RTP headers, padding "
         "and retransmissions are not in it.",
         "outbound-rtp.bytesSent"},
    [SQ_METRIC_VIDEO_OUT_LOSS] = {"video.out.loss", SQ_UNIT_PERCENT, SQ_KIND_DISTRIBUTION,
                                  SQ_FLOW_OUT, SQ_BETTER_LOW, SQ_SAMPLING_PEER_TOTAL, 10000,
                                  "Share of the video packets sent by the peer that the other side "
                                  "reports as lost, of those that its reports cover.",
                                  "remote-inbound-rtp.packetsLost"},
    [SQ_METRIC_VIDEO_OUT_JITTER] =
        {"video.out.jitter", SQ_UNIT_MS, SQ_KIND_DISTRIBUTION, SQ_FLOW_OUT, SQ_BETTER_LOW,
         SQ_SAMPLING_REPORT, 1000,
         "Interarrival jitter of the peer's video as the other side reports it.",
         "remote-inbound-rtp.jitter"},
    [SQ_METRIC_VIDEO_OUT_RTT] = {"video.out.rtt", SQ_UNIT_MS, SQ_KIND_DISTRIBUTION, SQ_FLOW_OUT,
                                 SQ_BETTER_LOW, SQ_SAMPLING_REPORT, 1000,
                                 "Round-trip time to the receiver of the peer's video, from its "
                                 "receiver reports (RFC 3550, section 6.4.1).",
                                 "remote-inbound-rtp.roundTripTime"},
    [SQ_METRIC_VIDEO_OUT_FPS] =
        {"video.out.fps", SQ_UNIT_FPS, SQ_KIND_DISTRIBUTION, SQ_FLOW_OUT, SQ_BETTER_HIGH,
         SQ_SAMPLING_TRACK_SECOND, 1000,
         "Frames sent in a second, each layer of simulcast that is on by itself.",
         "outbound-rtp.framesPerSecond"},
    [SQ_METRIC_VIDEO_OUT_WIDTH] = {"video.out.width", SQ_UNIT_PIXELS, SQ_KIND_DISTRIBUTION,
                                   SQ_FLOW_OUT, SQ_BETTER_HIGH, SQ_SAMPLING_TRACK_SECOND, 1,
                                   "Width of the frames sent.", "outbound-rtp.frameWidth"},
    [SQ_METRIC_VIDEO_OUT_HEIGHT] = {"video.out.height", SQ_UNIT_PIXELS, SQ_KIND_DISTRIBUTION,
                                    SQ_FLOW_OUT, SQ_BETTER_HIGH, SQ_SAMPLING_TRACK_SECOND, 1,
                                    "Height of the frames sent.", "outbound-rtp.frameHeight"},
    [SQ_METRIC_VIDEO_OUT_NACK] = {"video.out.nack", SQ_UNIT_COUNT, SQ_KIND_DISTRIBUTION,
                                  SQ_FLOW_OUT, SQ_BETTER_LOW, SQ_SAMPLING_PEER_TOTAL, 1,
                                  "NACK packets the peer got for its video.",
                                  "outbound-rtp.nackCount"},
    [SQ_METRIC_VIDEO_OUT_PLI] = {"video.out.pli", SQ_UNIT_COUNT, SQ_KIND_DISTRIBUTION, SQ_FLOW_OUT,
                                 SQ_BETTER_LOW, SQ_SAMPLING_PEER_TOTAL, 1,
                                 "Picture loss indications the peer got for its video.",
                                 "outbound-rtp.pliCount"},
    [SQ_METRIC_VIDEO_OUT_TARGET] =
        {"video.out.target", SQ_UNIT_KBPS, SQ_KIND_DISTRIBUTION, SQ_FLOW_OUT, SQ_BETTER_HIGH,
         SQ_SAMPLING_PEER_SECOND, 1000,
         "Payload rate of the clip's steps and layers that congestion control lets the peer send, "
         "all video tracks together; not taken with --bwe off.",
         "outbound-rtp.targetBitrate"},
    [SQ_METRIC_BWE_ESTIMATE] =
        {"bwe.estimate", SQ_UNIT_KBPS, SQ_KIND_DISTRIBUTION, SQ_FLOW_NONE, SQ_BETTER_HIGH,
         SQ_SAMPLING_PEER_SECOND, 1000,
         "What congestion control thinks that a peer that sends video may send, headers down to IP "
         "included; not taken with --bwe off or fixed.",
         "candidate-pair.availableOutgoingBitrate"},
    [SQ_METRIC_DATA_IN_THROUGHPUT] =
        {"data.in.throughput", SQ_UNIT_KBPS, SQ_KIND_DISTRIBUTION, SQ_FLOW_IN, SQ_BETTER_HIGH,
         SQ_SAMPLING_PEER_SECOND, 1000,
         "Bits of messages that came whole in a second on all data channels of the peer.",
         "data-channel.bytesReceived"},
    [SQ_METRIC_DATA_IN_LATENCY] =
        {"data.in.latency", SQ_UNIT_MS, SQ_KIND_DISTRIBUTION, SQ_FLOW_IN, SQ_BETTER_LOW,
         SQ_SAMPLING_MESSAGE, 1000,
         "From when another peer of this run sent a message until it had come whole; not taken for "
         "messages of other machines, whose clocks differ, nor for those that an echo sends back.",
         ""},
    [SQ_METRIC_DATA_IN_LOSS] = {"data.in.loss", SQ_UNIT_PERCENT, SQ_KIND_DISTRIBUTION, SQ_FLOW_IN,
                                SQ_BETTER_LOW, SQ_SAMPLING_PEER_TOTAL, 10000,
                                "Share of the messages from the first to the last one heard of "
                                "each sender that did not come; of an echo, both ways together.",
                                ""},
    [SQ_METRIC_DATA_IN_MESSAGES] = {"data.in.messages", SQ_UNIT_COUNT, SQ_KIND_DISTRIBUTION,
                                    SQ_FLOW_IN, SQ_BETTER_HIGH, SQ_SAMPLING_PEER_TOTAL, 1,
                                    "Messages that came whole on all data channels of the peer.",
                                    "data-channel.messagesReceived"},
    [SQ_METRIC_DATA_OUT_THROUGHPUT] =
        {"data.out.throughput", SQ_UNIT_KBPS, SQ_KIND_DISTRIBUTION, SQ_FLOW_OUT, SQ_BETTER_HIGH,
         SQ_SAMPLING_PEER_SECOND, 1000,
         "Bits of messages that the peer gave to its data channel in a second; those that still "
         "wait in the send buffer are in it.",
         "data-channel.bytesSent"},
    [SQ_METRIC_DATA_OUT_MESSAGES] = {"data.out.messages", SQ_UNIT_COUNT, SQ_KIND_DISTRIBUTION,
                                     SQ_FLOW_OUT, SQ_BETTER_HIGH, SQ_SAMPLING_PEER_TOTAL, 1,
                                     "Messages that the peer gave to its data channel.",
                                     "data-channel.messagesSent"},
    [SQ_METRIC_DATA_RTT] =
        {"data.rtt", SQ_UNIT_MS, SQ_KIND_DISTRIBUTION, SQ_FLOW_NONE, SQ_BETTER_LOW,
         SQ_SAMPLING_MESSAGE, 1000,
         "From when the peer sent a message until the same had come back from an echo.", ""},
    [SQ_METRIC_SETUP_DNS] = {"setup.dns", SQ_UNIT_MS, SQ_KIND_DISTRIBUTION, SQ_FLOW_NONE,
                             SQ_BETTER_LOW, SQ_SAMPLING_PEER_ONCE, 1000,
                             "From the lookup of the target's name to its answer; 0 or not taken "
                             "for a numeric address.",
                             ""},
    [SQ_METRIC_SETUP_CONNECT] = {"setup.connect", SQ_UNIT_MS, SQ_KIND_DISTRIBUTION, SQ_FLOW_NONE,
                                 SQ_BETTER_LOW, SQ_SAMPLING_PEER_ONCE, 1000,
                                 "From the first TCP SYN (or equivalent) towards the signalling "
                                 "server to the open connection.",
                                 ""},
    [SQ_METRIC_SETUP_TLS] = {"setup.tls", SQ_UNIT_MS, SQ_KIND_DISTRIBUTION, SQ_FLOW_NONE,
                             SQ_BETTER_LOW, SQ_SAMPLING_PEER_ONCE, 1000,
                             "TLS handshake with the signalling server.", ""},
    [SQ_METRIC_SETUP_SIGNALING] = {"setup.signaling", SQ_UNIT_MS, SQ_KIND_DISTRIBUTION,
                                   SQ_FLOW_NONE, SQ_BETTER_LOW, SQ_SAMPLING_PEER_ONCE, 1000,
                                   "From the open connection to the signalling server until both "
                                   "session descriptions are set.",
                                   ""},
    [SQ_METRIC_SETUP_ICE] =
        {"setup.ice", SQ_UNIT_MS, SQ_KIND_DISTRIBUTION, SQ_FLOW_NONE, SQ_BETTER_LOW,
         SQ_SAMPLING_PEER_ONCE, 1000,
         "From when both session descriptions are set until a pair is nominated on which both "
         "sides may send: gathering and trickling are in it.",
         "transport.iceState, candidate-pair.state"},
    [SQ_METRIC_SETUP_DTLS] =
        {"setup.dtls", SQ_UNIT_MS, SQ_KIND_DISTRIBUTION, SQ_FLOW_NONE, SQ_BETTER_LOW,
         SQ_SAMPLING_PEER_ONCE, 1000,
         "From the nominated pair until the handshake is complete and its fingerprint checked: "
         "what the other side waits before its first packet is in it.",
         "transport.dtlsState"},
    [SQ_METRIC_SETUP_MEDIA] =
        {"setup.media", SQ_UNIT_MS, SQ_KIND_DISTRIBUTION, SQ_FLOW_NONE, SQ_BETTER_LOW,
         SQ_SAMPLING_PEER_ONCE, 1000,
         "From the end of the DTLS handshake until the first audio packet or decodable video "
         "frame, whichever came first. A peer that found nobody is timed from when it was "
         "agreed that it receives: time spent waiting for others to come is not in it (but "
         "where a service agrees on media before anybody sends, as WHEP does). No sample: a "
         "peer to whom nothing came in its first session.",
         "inbound-rtp.packetsReceived, inbound-rtp.framesDecoded"},
    [SQ_METRIC_SETUP_TOTAL] = {"setup.total", SQ_UNIT_MS, SQ_KIND_DISTRIBUTION, SQ_FLOW_NONE,
                               SQ_BETTER_LOW, SQ_SAMPLING_PEER_ONCE, 1000,
                               "From the intended start of the peer until its first media; of "
                               "one with whom nothing to receive was agreed as it connected (it "
                               "only sends, or found nobody yet) until its connection: what "
                               "comes to it later is in setup.media alone. No sample: a peer "
                               "that never got up, or that was given nothing to connect to "
                               "until others came.",
                               ""},
    [SQ_METRIC_ICE_SWITCH_TIME] =
        {"ice.switch.time", SQ_UNIT_MS, SQ_KIND_DISTRIBUTION, SQ_FLOW_NONE, SQ_BETTER_LOW,
         SQ_SAMPLING_PEER_ONCE, 1000,
         "With --ice relay-first: from the ICE restart until a direct pair is nominated.",
         "transport.selectedCandidatePairChanges"},
    [SQ_METRIC_ICE_SWITCH_GAP] =
        {"ice.switch.gap", SQ_UNIT_MS, SQ_KIND_DISTRIBUTION, SQ_FLOW_NONE, SQ_BETTER_LOW,
         SQ_SAMPLING_PEER_ONCE, 1000,
         "With --ice relay-first: the longest time without any RTP packet, from the ICE restart "
         "until one second after the change to the direct pair. The usual time between two packets "
         "is in it.",
         ""},
    [SQ_METRIC_SCORE] =
        {"score", SQ_UNIT_POINTS, SQ_KIND_DISTRIBUTION, SQ_FLOW_NONE, SQ_BETTER_HIGH,
         SQ_SAMPLING_PEER_END, 1000,
         "How the whole session was for its user: 10 less penalties for set-up time, loss, "
         "freezes, "
         "latency and bit rate, and for what is uneven in them; 0 for a peer that failed or never "
         "connected. See docs/score.md.",
         ""},
    [SQ_METRIC_MOS] =
        {"mos", SQ_UNIT_MOS, SQ_KIND_DISTRIBUTION, SQ_FLOW_NONE, SQ_BETTER_HIGH,
         SQ_SAMPLING_PEER_END, 1000,
         "Mean opinion score of the audio received, by the E-model (ITU-T G.107), of delay, "
         "concealed "
         "loss and codec; 1 for a peer that was to hear something and failed. Video has none. See "
         "docs/score.md.",
         ""},
    [SQ_METRIC_PEERS_OK] = {"peers.ok", SQ_UNIT_COUNT, SQ_KIND_COUNTER, SQ_FLOW_NONE,
                            SQ_BETTER_HIGH, SQ_SAMPLING_RUN, 1,
                            "Peers that connected, had the media they asked for, and kept it to "
                            "their end. As a percentage: of the peers started.",
                            ""},
    [SQ_METRIC_PEERS_FAILED] =
        {"peers.failed", SQ_UNIT_COUNT, SQ_KIND_COUNTER, SQ_FLOW_NONE, SQ_BETTER_LOW,
         SQ_SAMPLING_RUN, 1,
         "Peers that ended with a cause of failure. As a percentage: of the peers started.", ""},
    [SQ_METRIC_PEERS_DROPPED] =
        {"peers.dropped", SQ_UNIT_COUNT, SQ_KIND_COUNTER, SQ_FLOW_NONE, SQ_BETTER_LOW,
         SQ_SAMPLING_RUN, 1,
         "Peers that were connected and lost their connection or media before their end: they "
         "failed, or came back (--reconnect). As a percentage: of the peers started.",
         ""},
    [SQ_METRIC_PEERS_RECONNECT] =
        {"peers.reconnect", SQ_UNIT_MS, SQ_KIND_DISTRIBUTION, SQ_FLOW_NONE, SQ_BETTER_LOW,
         SQ_SAMPLING_RETURN, 1000,
         "With --reconnect: how long a dropped peer was without media, from the last RTP packet "
         "before to the first after. One that only sends: from when it heard of it until it is "
         "connected again.",
         ""},
    [SQ_METRIC_GENERATOR_LATENESS] = {"generator.lateness", SQ_UNIT_MS, SQ_KIND_DISTRIBUTION,
                                      SQ_FLOW_NONE, SQ_BETTER_LOW, SQ_SAMPLING_TIMER, 1000,
                                      "How long after its due time the generator served a timer: "
                                      "how late its own packets leave.",
                                      ""},
    [SQ_METRIC_GENERATOR_CPU] = {"generator.cpu", SQ_UNIT_PERCENT, SQ_KIND_DISTRIBUTION,
                                 SQ_FLOW_NONE, SQ_BETTER_LOW, SQ_SAMPLING_THREAD_SECOND, 1000,
                                 "CPU time of a generator thread; 100 % is one whole core.", ""},
    [SQ_METRIC_GENERATOR_DROPS] = {"generator.drops", SQ_UNIT_COUNT, SQ_KIND_COUNTER, SQ_FLOW_NONE,
                                   SQ_BETTER_LOW, SQ_SAMPLING_RUN, 1,
                                   "Packets the generator itself lost: receive buffers that were "
                                   "full, and sends the kernel refused.",
                                   ""},
    [SQ_METRIC_OWN_TIMER] = {"timer", SQ_UNIT_MS, SQ_KIND_DISTRIBUTION, SQ_FLOW_NONE, SQ_BETTER_LOW,
                             SQ_SAMPLING_STEP, 1000,
                             "A timer of a scenario's steps: from its start to its stop.", ""},
    [SQ_METRIC_OWN_COUNTER] = {"counter", SQ_UNIT_COUNT, SQ_KIND_DISTRIBUTION, SQ_FLOW_NONE,
                               SQ_BETTER_NEITHER, SQ_SAMPLING_STEP, 1,
                               "A counter of a scenario's steps: what each adds to it.", ""},
};

const struct sq_metric *sq_metric_get(enum sq_metric_id id)
{
    return (unsigned)id < SQ_METRIC_ALL_COUNT ? &table[id] : NULL;
}
