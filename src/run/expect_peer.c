/* What a single peer has of a metric, and whether an expectation holds for it. */
#include "run/expect_int.h"
#include <math.h>
#include <string.h>

bool sq_expect_counts_peers(enum sq_metric_id id)
{
    return id == SQ_METRIC_PEERS_OK || id == SQ_METRIC_PEERS_FAILED ||
           id == SQ_METRIC_PEERS_DROPPED;
}

bool sq_expect_is_channels(enum sq_metric_id id)
{
    return id == SQ_METRIC_AUDIO_IN || id == SQ_METRIC_AUDIO_OUT || id == SQ_METRIC_VIDEO_IN ||
           id == SQ_METRIC_VIDEO_OUT;
}

bool sq_expect_is_decoding(enum sq_metric_id id)
{
    return id == SQ_METRIC_AUDIO_IN_HEARD || id == SQ_METRIC_AUDIO_IN_DECODED_FAILED ||
           id == SQ_METRIC_VIDEO_IN_MOVING || id == SQ_METRIC_VIDEO_IN_DECODED_FPS ||
           id == SQ_METRIC_VIDEO_IN_DECODED_FAILED;
}

/* Where a metric of media is kept in a peer's row: which flow, and which figure of it. */
enum figure {
    FIGURE_NONE,
    FIGURE_TRACKS,
    FIGURE_BITRATE,
    FIGURE_LOSS,
    FIGURE_JITTER,
    FIGURE_RTT,
    FIGURE_LATENCY,
    FIGURE_NACK,
    FIGURE_PLI,
    FIGURE_FPS,
    FIGURE_FREEZE,
    FIGURE_FREEZES,
    FIGURE_WIDTH,
    FIGURE_HEIGHT,
    FIGURE_DATA, /* the number is the metric's place from SQ_METRIC_DATA_IN_THROUGHPUT on */
    FIGURE_PLAYOUT,
    FIGURE_CONCEALMENT,
    FIGURE_DROPPED,
    FIGURE_DECODED_FPS,
    FIGURE_ALIVE,
    FIGURE_DECODE_FAILED,
    FIGURE_STAGE, /* the number is an enum sq_stage */
    FIGURE_SCORE,
    FIGURE_MOS,
};

struct place {
    enum figure figure;
    int of; /* enum sq_flow or enum sq_stage */
};

static const struct place places[SQ_METRIC_ALL_COUNT] = {
    [SQ_METRIC_AUDIO_IN] = {FIGURE_TRACKS, SQ_FLOW_AUDIO_IN},
    [SQ_METRIC_AUDIO_IN_BITRATE] = {FIGURE_BITRATE, SQ_FLOW_AUDIO_IN},
    [SQ_METRIC_AUDIO_IN_LOSS] = {FIGURE_LOSS, SQ_FLOW_AUDIO_IN},
    [SQ_METRIC_AUDIO_IN_JITTER] = {FIGURE_JITTER, SQ_FLOW_AUDIO_IN},
    [SQ_METRIC_AUDIO_IN_RTT] = {FIGURE_RTT, SQ_FLOW_AUDIO_IN},
    [SQ_METRIC_AUDIO_IN_NACK] = {FIGURE_NACK, SQ_FLOW_AUDIO_IN},
    [SQ_METRIC_AUDIO_IN_PLAYOUT] = {FIGURE_PLAYOUT, SQ_FLOW_AUDIO_IN},
    [SQ_METRIC_AUDIO_IN_CONCEALMENT] = {FIGURE_CONCEALMENT, SQ_FLOW_AUDIO_IN},
    [SQ_METRIC_AUDIO_IN_LATENCY] = {FIGURE_LATENCY, SQ_FLOW_AUDIO_IN},
    [SQ_METRIC_AUDIO_IN_HEARD] = {FIGURE_ALIVE, SQ_FLOW_AUDIO_IN},
    [SQ_METRIC_AUDIO_IN_DECODED_FAILED] = {FIGURE_DECODE_FAILED, SQ_FLOW_AUDIO_IN},
    [SQ_METRIC_AUDIO_OUT] = {FIGURE_TRACKS, SQ_FLOW_AUDIO_OUT},
    [SQ_METRIC_AUDIO_OUT_BITRATE] = {FIGURE_BITRATE, SQ_FLOW_AUDIO_OUT},
    [SQ_METRIC_AUDIO_OUT_LOSS] = {FIGURE_LOSS, SQ_FLOW_AUDIO_OUT},
    [SQ_METRIC_AUDIO_OUT_JITTER] = {FIGURE_JITTER, SQ_FLOW_AUDIO_OUT},
    [SQ_METRIC_AUDIO_OUT_RTT] = {FIGURE_RTT, SQ_FLOW_AUDIO_OUT},
    [SQ_METRIC_AUDIO_OUT_NACK] = {FIGURE_NACK, SQ_FLOW_AUDIO_OUT},
    [SQ_METRIC_VIDEO_IN] = {FIGURE_TRACKS, SQ_FLOW_VIDEO_IN},
    [SQ_METRIC_VIDEO_IN_BITRATE] = {FIGURE_BITRATE, SQ_FLOW_VIDEO_IN},
    [SQ_METRIC_VIDEO_IN_LOSS] = {FIGURE_LOSS, SQ_FLOW_VIDEO_IN},
    [SQ_METRIC_VIDEO_IN_JITTER] = {FIGURE_JITTER, SQ_FLOW_VIDEO_IN},
    [SQ_METRIC_VIDEO_IN_RTT] = {FIGURE_RTT, SQ_FLOW_VIDEO_IN},
    [SQ_METRIC_VIDEO_IN_FPS] = {FIGURE_FPS, SQ_FLOW_VIDEO_IN},
    [SQ_METRIC_VIDEO_IN_FREEZE] = {FIGURE_FREEZE, SQ_FLOW_VIDEO_IN},
    [SQ_METRIC_VIDEO_IN_FREEZES] = {FIGURE_FREEZES, SQ_FLOW_VIDEO_IN},
    [SQ_METRIC_VIDEO_IN_WIDTH] = {FIGURE_WIDTH, SQ_FLOW_VIDEO_IN},
    [SQ_METRIC_VIDEO_IN_HEIGHT] = {FIGURE_HEIGHT, SQ_FLOW_VIDEO_IN},
    [SQ_METRIC_VIDEO_IN_NACK] = {FIGURE_NACK, SQ_FLOW_VIDEO_IN},
    [SQ_METRIC_VIDEO_IN_PLI] = {FIGURE_PLI, SQ_FLOW_VIDEO_IN},
    [SQ_METRIC_VIDEO_IN_PLAYOUT] = {FIGURE_PLAYOUT, SQ_FLOW_VIDEO_IN},
    [SQ_METRIC_VIDEO_IN_DROPPED] = {FIGURE_DROPPED, SQ_FLOW_VIDEO_IN},
    [SQ_METRIC_VIDEO_IN_LATENCY] = {FIGURE_LATENCY, SQ_FLOW_VIDEO_IN},
    [SQ_METRIC_VIDEO_IN_MOVING] = {FIGURE_ALIVE, SQ_FLOW_VIDEO_IN},
    [SQ_METRIC_VIDEO_IN_DECODED_FPS] = {FIGURE_DECODED_FPS, SQ_FLOW_VIDEO_IN},
    [SQ_METRIC_VIDEO_IN_DECODED_FAILED] = {FIGURE_DECODE_FAILED, SQ_FLOW_VIDEO_IN},
    [SQ_METRIC_VIDEO_OUT] = {FIGURE_TRACKS, SQ_FLOW_VIDEO_OUT},
    [SQ_METRIC_VIDEO_OUT_BITRATE] = {FIGURE_BITRATE, SQ_FLOW_VIDEO_OUT},
    [SQ_METRIC_VIDEO_OUT_LOSS] = {FIGURE_LOSS, SQ_FLOW_VIDEO_OUT},
    [SQ_METRIC_VIDEO_OUT_JITTER] = {FIGURE_JITTER, SQ_FLOW_VIDEO_OUT},
    [SQ_METRIC_VIDEO_OUT_RTT] = {FIGURE_RTT, SQ_FLOW_VIDEO_OUT},
    [SQ_METRIC_VIDEO_OUT_FPS] = {FIGURE_FPS, SQ_FLOW_VIDEO_OUT},
    [SQ_METRIC_VIDEO_OUT_WIDTH] = {FIGURE_WIDTH, SQ_FLOW_VIDEO_OUT},
    [SQ_METRIC_VIDEO_OUT_HEIGHT] = {FIGURE_HEIGHT, SQ_FLOW_VIDEO_OUT},
    [SQ_METRIC_VIDEO_OUT_NACK] = {FIGURE_NACK, SQ_FLOW_VIDEO_OUT},
    [SQ_METRIC_VIDEO_OUT_PLI] = {FIGURE_PLI, SQ_FLOW_VIDEO_OUT},
    [SQ_METRIC_DATA_IN_THROUGHPUT] = {FIGURE_DATA, 0},
    [SQ_METRIC_DATA_IN_LATENCY] = {FIGURE_DATA, 1},
    [SQ_METRIC_DATA_IN_LOSS] = {FIGURE_DATA, 2},
    [SQ_METRIC_DATA_IN_MESSAGES] = {FIGURE_DATA, 3},
    [SQ_METRIC_DATA_OUT_THROUGHPUT] = {FIGURE_DATA, 4},
    [SQ_METRIC_DATA_OUT_MESSAGES] = {FIGURE_DATA, 5},
    [SQ_METRIC_DATA_RTT] = {FIGURE_DATA, 6},
    [SQ_METRIC_SETUP_DNS] = {FIGURE_STAGE, SQ_STAGE_DNS},
    [SQ_METRIC_SETUP_CONNECT] = {FIGURE_STAGE, SQ_STAGE_CONNECT},
    [SQ_METRIC_SETUP_TLS] = {FIGURE_STAGE, SQ_STAGE_TLS},
    [SQ_METRIC_SETUP_SIGNALING] = {FIGURE_STAGE, SQ_STAGE_SIGNALING},
    [SQ_METRIC_SETUP_ICE] = {FIGURE_STAGE, SQ_STAGE_ICE},
    [SQ_METRIC_SETUP_DTLS] = {FIGURE_STAGE, SQ_STAGE_DTLS},
    [SQ_METRIC_SETUP_MEDIA] = {FIGURE_STAGE, SQ_STAGE_MEDIA},
    [SQ_METRIC_SETUP_TOTAL] = {FIGURE_STAGE, SQ_STAGE_TOTAL},
    [SQ_METRIC_SCORE] = {FIGURE_SCORE, 0},
    [SQ_METRIC_MOS] = {FIGURE_MOS, 0},
};

bool sq_expect_has_peer_value(enum sq_metric_id id)
{
    return places[id].figure != FIGURE_NONE;
}

double sq_expect_peer_value(const struct sq_peer_row *p, enum sq_metric_id id)
{
    struct place place = places[id];
    if (place.figure == FIGURE_STAGE) {
        return p->stage_ms[place.of];
    }
    if (place.figure == FIGURE_SCORE || place.figure == FIGURE_MOS) {
        return place.figure == FIGURE_MOS ? p->mos : p->score.score; /* of failed ones, too */
    }
    if (place.figure == FIGURE_NONE || !p->connected) {
        return NAN;
    }
    if (place.figure == FIGURE_DATA) {
        const double figures[] = {p->data.in_kbps,      p->data.latency_ms,
                                  p->data.loss_percent, (double)p->data.messages_in,
                                  p->data.out_kbps,     (double)p->data.messages_out,
                                  p->data.rtt_ms};
        return figures[place.of];
    }
    const struct sq_flow_totals *f = &p->flow[place.of];
    if (place.figure == FIGURE_TRACKS) {
        return f->tracks; /* 0 channels is an answer, all else needs one */
    }
    if (f->tracks == 0) { /* but for rates, where something was to come and nothing did */
        bool rate = place.figure == FIGURE_BITRATE || place.figure == FIGURE_FPS;
        return f->agreed && rate ? 0 : NAN;
    }
    switch (place.figure) {
    case FIGURE_BITRATE:
        return f->bitrate_kbps;
    case FIGURE_LOSS:
        return f->loss_percent;
    case FIGURE_JITTER:
        return f->jitter_ms;
    case FIGURE_RTT:
        return f->rtt_ms;
    case FIGURE_LATENCY:
        return f->latency_ms;
    case FIGURE_NACK:
        return (double)f->nack;
    case FIGURE_PLI:
        return (double)f->pli;
    case FIGURE_FPS:
        return f->fps;
    case FIGURE_FREEZE:
        return f->freeze_ms;
    case FIGURE_FREEZES:
        return (double)f->freezes;
    case FIGURE_WIDTH:
        return f->width ? f->width : NAN;
    case FIGURE_HEIGHT:
        return f->height ? f->height : NAN;
    case FIGURE_PLAYOUT:
        return f->playout_ms;
    case FIGURE_CONCEALMENT:
        return f->concealment_percent;
    case FIGURE_DROPPED:
        return (double)f->dropped;
    case FIGURE_DECODED_FPS:
        return f->decoded_fps;
    case FIGURE_ALIVE:
        return f->alive_percent;
    case FIGURE_DECODE_FAILED:
        return (double)f->decode_failed;
    default:
        return NAN;
    }
}

/* Media that was agreed and never came has no loss, latency or size: none that could hold. */
static bool never_came(const struct sq_peer_row *p, enum sq_metric_id id)
{
    struct place place = places[id];
    bool of_flow =
        place.figure > FIGURE_NONE && place.figure < FIGURE_STAGE && place.figure != FIGURE_DATA;
    return of_flow && p->connected && p->flow[place.of].agreed && p->flow[place.of].tracks == 0;
}

/* Recursion is bounded by the parser's SQ_EXPECT_TERMS_MAX and SQ_EXPECT_DEPTH_MAX. */
static enum sq_peer_answer judge(const struct sq_expect *e, int index, const struct sq_peer_row *p,
                                 const struct sq_expect_values *values, size_t peer)
{
    const struct sq_expect_node *n = &e->nodes[index];
    if (n->kind == SQ_EXPECT_TERM) {
        bool sliced = values->sliced[index];
        const double *of_slice = values->of[index];
        double value = !sliced    ? sq_expect_peer_value(p, n->metric)
                       : of_slice ? of_slice[peer]
                                  : NAN;
        if (isnan(value)) {
            return never_came(p, n->metric) ? SQ_PEER_HOLDS_NOT : SQ_PEER_NO_SAMPLE;
        }
        return sq_op_holds(value, n->op, n->number) ? SQ_PEER_HOLDS : SQ_PEER_HOLDS_NOT;
    }
    enum sq_peer_answer left = judge(e, n->left, p, values, peer);
    enum sq_peer_answer right = judge(e, n->right, p, values, peer);
    enum sq_peer_answer decides = n->kind == SQ_EXPECT_AND ? SQ_PEER_HOLDS_NOT : SQ_PEER_HOLDS;
    if (left == decides || right == decides) {
        return decides;
    }
    return left == SQ_PEER_NO_SAMPLE || right == SQ_PEER_NO_SAMPLE ? SQ_PEER_NO_SAMPLE : left;
}

enum sq_peer_answer sq_expect_peer_answer(const struct sq_expect *e, const struct sq_peer_row *p,
                                          const struct sq_expect_values *values, size_t peer)
{
    return judge(e, e->root, p, values, peer);
}
