/* What is good of each metric, and an expectation to start from: for `squall explain` and
 * docs/metrics.md. Bounds of taste are those of the standards named in docs/score.md. */
#include "stats/metrics.h"

#define OF_VIDEO "more than 0 where video is to come or go; 0 is a peer without a picture"
#define OF_AUDIO "more than 0 where sound is to come or go; 0 is a peer without sound"

static const struct sq_metric_note notes[SQ_METRIC_COUNT] = {
    [SQ_METRIC_AUDIO_IN] = {OF_AUDIO, "audio.in > 0"},
    [SQ_METRIC_AUDIO_IN_BITRATE] = {"what the senders send: some 32 kbit/s a voice in Opus, 64 in "
                                    "G.711; far less is loss or silence",
                                    "audio.in.bitrate > 20 for 99% of peers"},
    [SQ_METRIC_AUDIO_IN_LOSS] = {"below 1 %; from 3 % on it is heard, unless RED or in-band FEC "
                                 "repairs it",
                                 "audio.in.loss.p95 < 1%"},
    [SQ_METRIC_AUDIO_IN_JITTER] = {"below 30 ms; the jitter buffer waits that long, and more is "
                                   "delay",
                                   "audio.in.jitter.p99 < 30ms"},
    [SQ_METRIC_AUDIO_IN_RTT] = {"below 200 ms; 300 ms and more make people talk at once (G.114: "
                                "150 ms one way)",
                                "audio.in.rtt.p95 < 200ms"},
    [SQ_METRIC_AUDIO_IN_NACK] = {"0 where nothing is lost; browsers ask for audio only where that "
                                 "was agreed",
                                 "audio.in.nack.p95 < 20"},
    [SQ_METRIC_AUDIO_IN_PLAYOUT] = {"20 to 80 ms; it grows with jitter, and is a part of latency",
                                    "audio.in.playout.p95 < 100ms"},
    [SQ_METRIC_AUDIO_IN_CONCEALMENT] = {"below 1 %; this is what is left of loss, lateness and "
                                        "repair in the ear",
                                        "audio.in.concealment.p95 < 1%"},
    [SQ_METRIC_AUDIO_IN_LATENCY] = {"below 150 ms (G.114); the play-out delay comes on top",
                                    "audio.in.latency.p95 < 150ms"},
    [SQ_METRIC_AUDIO_IN_HEARD] = {"near 100 % for a clip that speaks all the time",
                                  "audio.in.heard > 90 for 100% of peers"},
    [SQ_METRIC_AUDIO_IN_DECODED_FAILED] = {"0", "audio.in.decoded.failed == 0"},
    [SQ_METRIC_AUDIO_IN_DECODED_DROPPED] = {"0; more says that --decode is too large for this "
                                            "machine, and nothing of the service",
                                            "audio.in.decoded.dropped == 0"},
    [SQ_METRIC_AUDIO_OUT] = {OF_AUDIO, "audio.out == 1"},
    [SQ_METRIC_AUDIO_OUT_BITRATE] = {"the clip's own rate", "audio.out.bitrate > 20"},
    [SQ_METRIC_AUDIO_OUT_LOSS] = {"below 1 %", "audio.out.loss.p95 < 1%"},
    [SQ_METRIC_AUDIO_OUT_JITTER] = {"below 30 ms", "audio.out.jitter.p99 < 30ms"},
    [SQ_METRIC_AUDIO_OUT_RTT] = {"below 200 ms", "audio.out.rtt.p95 < 200ms"},
    [SQ_METRIC_AUDIO_OUT_NACK] = {"0 where nothing is lost", "audio.out.nack.p95 < 20"},
    [SQ_METRIC_VIDEO_IN] = {OF_VIDEO, "video.in > 0"},
    [SQ_METRIC_VIDEO_IN_BITRATE] = {"what the senders send, the sum of all that come: the default "
                                    "clip's rate is 1 Mbit/s a sender",
                                    "video.in.bitrate > 500 for 95% of peers"},
    [SQ_METRIC_VIDEO_IN_LOSS] = {"0 to 0.5 %: what is left after retransmissions, and each costs a "
                                 "frame",
                                 "video.in.loss.p95 < 1%"},
    [SQ_METRIC_VIDEO_IN_JITTER] = {"below 30 ms", "video.in.jitter.p99 < 50ms"},
    [SQ_METRIC_VIDEO_IN_RTT] = {"below 200 ms; repair takes one round trip",
                                "video.in.rtt.p95 < 200ms"},
    [SQ_METRIC_VIDEO_IN_FPS] = {"the sender's: 25 of the default clip",
                                "video.in.fps > 20 for 95% of peers"},
    [SQ_METRIC_VIDEO_IN_FREEZE] = {"0", "video.in.freeze.p95 < 500ms"},
    [SQ_METRIC_VIDEO_IN_FREEZES] = {"0; one in half a minute is noticed by everybody",
                                    "video.in.freezes == 0 for 95% of peers"},
    [SQ_METRIC_VIDEO_IN_WIDTH] = {"the sender's; less is a lower layer or a scaled picture",
                                  "video.in.width >= 640 for 90% of peers"},
    [SQ_METRIC_VIDEO_IN_HEIGHT] = {"the sender's; less is a lower layer or a scaled picture",
                                   "video.in.height >= 360 for 90% of peers"},
    [SQ_METRIC_VIDEO_IN_NACK] = {"0 where nothing is lost", "video.in.nack.p95 < 100"},
    [SQ_METRIC_VIDEO_IN_PLI] = {"1 or 2, to begin with; more are pictures that broke",
                                "video.in.pli.p95 < 5"},
    [SQ_METRIC_VIDEO_IN_PLAYOUT] = {"20 to 100 ms; it grows with jitter and repair",
                                    "video.in.playout.p95 < 150ms"},
    [SQ_METRIC_VIDEO_IN_DROPPED] = {"0", "video.in.dropped.p95 < 5"},
    [SQ_METRIC_VIDEO_IN_LATENCY] = {"below 200 ms for a talk, below 400 ms for an audience; the "
                                    "play-out delay comes on top",
                                    "video.in.latency.p95 < 200ms"},
    [SQ_METRIC_VIDEO_IN_MOVING] = {"100 % for a clip that moves",
                                   "video.in.moving > 95 for 100% of peers"},
    [SQ_METRIC_VIDEO_IN_DECODED_FPS] = {"the sender's: 25 of the default clip",
                                        "video.in.decoded.fps > 20"},
    [SQ_METRIC_VIDEO_IN_DECODED_FAILED] = {"0", "video.in.decoded.failed == 0"},
    [SQ_METRIC_VIDEO_IN_DECODED_DROPPED] = {"0; more says that --decode is too large for this "
                                            "machine, and nothing of the service",
                                            "video.in.decoded.dropped == 0"},
    [SQ_METRIC_VIDEO_OUT] = {OF_VIDEO, "video.out == 1"},
    [SQ_METRIC_VIDEO_OUT_BITRATE] = {"the clip's own rate; less is congestion control at work",
                                     "video.out.bitrate > 800"},
    [SQ_METRIC_VIDEO_OUT_LOSS] = {"below 2 %, which retransmissions repair unheard",
                                  "video.out.loss.p95 < 2%"},
    [SQ_METRIC_VIDEO_OUT_JITTER] = {"below 30 ms", "video.out.jitter.p99 < 50ms"},
    [SQ_METRIC_VIDEO_OUT_RTT] = {"below 200 ms", "video.out.rtt.p95 < 200ms"},
    [SQ_METRIC_VIDEO_OUT_FPS] = {"the clip's: 25 of the default one", "video.out.fps > 20"},
    [SQ_METRIC_VIDEO_OUT_WIDTH] = {"the clip's; less is congestion control at work",
                                   "video.out.width.max >= 640"},
    [SQ_METRIC_VIDEO_OUT_HEIGHT] = {"the clip's; less is congestion control at work",
                                    "video.out.height.max >= 360"},
    [SQ_METRIC_VIDEO_OUT_NACK] = {"0 where nothing is lost", "video.out.nack.p95 < 100"},
    [SQ_METRIC_VIDEO_OUT_PLI] = {"one for each viewer that comes, if the service does not bundle "
                                 "them",
                                 "video.out.pli.p95 < 20"},
    [SQ_METRIC_VIDEO_OUT_TARGET] = {"the clip's full rate", "video.out.target.p5 > 800"},
    [SQ_METRIC_BWE_ESTIMATE] = {"above the clip's rate, and steady", "bwe.estimate.p5 > 1M"},
    [SQ_METRIC_DATA_IN_THROUGHPUT] = {"what the senders give, the sum of all that are heard",
                                      "data.in.throughput > 10"},
    [SQ_METRIC_DATA_IN_LATENCY] = {"below 100 ms for what is typed, below 50 ms for a game",
                                   "data.in.latency.p95 < 100ms"},
    [SQ_METRIC_DATA_IN_LOSS] = {"0 on a reliable channel", "data.in.loss == 0"},
    [SQ_METRIC_DATA_IN_MESSAGES] = {"what the others of the room sent",
                                    "data.in.messages > 0 for 100% of peers"},
    [SQ_METRIC_DATA_OUT_THROUGHPUT] = {"what --data asks for", "data.out.throughput > 10"},
    [SQ_METRIC_DATA_OUT_MESSAGES] = {"what --data asks for",
                                     "data.out.messages > 0 for 100% of peers"},
    [SQ_METRIC_DATA_RTT] = {"below 200 ms", "data.rtt.p95 < 200ms"},
    [SQ_METRIC_SETUP_DNS] = {"below 100 ms", "setup.dns.p95 < 100ms"},
    [SQ_METRIC_SETUP_CONNECT] = {"a round trip: below 100 ms", "setup.connect.p95 < 200ms"},
    [SQ_METRIC_SETUP_TLS] = {"two round trips: below 200 ms", "setup.tls.p95 < 300ms"},
    [SQ_METRIC_SETUP_SIGNALING] = {"below 500 ms; it grows first where a service is full",
                                   "setup.signaling.p95 < 500ms"},
    [SQ_METRIC_SETUP_ICE] = {"below 500 ms; seconds are pairs that do not work",
                             "setup.ice.p95 < 1s"},
    [SQ_METRIC_SETUP_DTLS] = {"two round trips: below 300 ms", "setup.dtls.p95 < 500ms"},
    [SQ_METRIC_SETUP_MEDIA] = {"below 500 ms; a viewer of video waits for a key frame",
                               "setup.media.p95 < 1s"},
    [SQ_METRIC_SETUP_TOTAL] = {"below 1 s nobody minds; after 10 s people give up",
                               "setup.total.p95 < 2s"},
    [SQ_METRIC_ICE_SWITCH_TIME] = {"below 1 s", "ice.switch.time.p95 < 1s"},
    [SQ_METRIC_ICE_SWITCH_GAP] = {"the usual time between two packets: below 50 ms",
                                  "ice.switch.gap.p95 < 100ms"},
    [SQ_METRIC_SCORE] = {"8 and more; below 6 users complain, below 4 they leave",
                         "score >= 7 for 95% of peers"},
    [SQ_METRIC_MOS] = {"4.03 and more: users are satisfied; below 3.6 many are not (G.107, Annex "
                       "B); 4.41 is the most there is",
                       "mos.p5 > 3.5"},
    [SQ_METRIC_PEERS_OK] = {"100 %", "peers.ok >= 99%"},
    [SQ_METRIC_PEERS_FAILED] = {"0; this holds for every run that says nothing else",
                                "peers.failed < 1%"},
    [SQ_METRIC_PEERS_DROPPED] = {"0", "peers.dropped == 0"},
    [SQ_METRIC_PEERS_RECONNECT] =
        {"below 2 s; much of it is until the peer hears of its loss, which "
         "docs/reconnect.md takes apart",
         "peers.reconnect.p95 < 5s"},
    [SQ_METRIC_GENERATOR_LATENESS] = {"p99 below 20 ms; above it the run is INVALID, unless "
                                      "--lateness-max says otherwise",
                                      "generator.lateness.p99 < 10ms"},
    [SQ_METRIC_GENERATOR_CPU] = {"below 90 % of a core", "generator.cpu.max < 90%"},
    [SQ_METRIC_GENERATOR_DROPS] = {"0", "generator.drops == 0"},
};

const struct sq_metric_note *sq_metric_note(enum sq_metric_id id)
{
    return (unsigned)id < SQ_METRIC_COUNT ? &notes[id] : NULL;
}
