/* One-way latency of frames: time-tags into what a clip gives, and out of what comes in. */
#include "base/mem.h"
#include "base/time.h"
#include "base/wallclock.h"
#include "base/wire.h"
#include "media/timetag.h"
#include "peer/peer.h"
#include "peer/peer_int.h"

#define TAGS_KEPT 32 /* a power of two: frames that may wait for a packet */
/* A tag that is older, or that much younger than now, is none: 40 bits of check are not proof, and
 * no frame is under way for so long. */
#define AGE_MAX_US (INT64_C(60) * 1000 * 1000)
#define AGE_MIN_US (-INT64_C(60) * 1000 * 1000)

/* Two of the longest intervals of reports: an older round trip may be of another way. */
#define RTT_AGE_NS   (15 * SQ_NS_PER_SEC)
#define FAR_CLOCK_NS (60 * SQ_NS_PER_SEC) /* so long what reports told of it is good for */

struct sq_latency_origin {
    struct sq_timetag tag;
    enum sq_latency_by by;
};

/* The extension comes with a packet now and then: "Absolute Capture Time" leaves it out where it
 * follows from the RTP time-stamps, and asks for it after 1 s at the latest. */
#define EXTRAPOLATED_NS (5 * SQ_NS_PER_SEC)
/* Until reports have told of the far clock, which takes some seconds, nothing is told by it; never
 * longer than this. */
#define CLOCK_WAIT_NS (10 * SQ_NS_PER_SEC)

struct sq_latency_tags {
    struct {
        uint64_t now_ns; /* 0: none came yet */
        uint64_t wall_us;
        uint32_t ssrc, timestamp;
        bool offset; /* it told the offset of the capture clock */
    } capture;       /* the latest extension, by the far clock where it told its offset */
    struct kept {
        uint32_t timestamp;
        bool there;
        struct sq_latency_origin origin;
    } kept[TAGS_KEPT];
    unsigned next;
};

static uint64_t wall_us(const struct sq_peer_env *env, uint64_t ns)
{
    return (uint64_t)((int64_t)ns + env->wall_offset_ns) / 1000;
}

static uint16_t short_id(uint32_t clock_id)
{
    uint16_t id = (uint16_t)(clock_id ^ clock_id >> 16);
    return clock_id == 0 ? 0 : id ? id : 1;
}

/* ---- Sending ---- */

struct sq_latency_room sq_latency_room(const struct sq_track *track,
                                       const struct sq_source_packet *packet)
{
    struct sq_latency_room room = {0};
    enum sq_codec codec = track->send_codec;
    if (!track->peer->latency) {
        return room;
    }
    if (sq_timetag_has_room(codec)) {
        room.at = sq_timetag_room_at(codec, packet->fragment, packet->fragment_len);
    } else if (codec != SQ_CODEC_OPUS || packet->head_len == 0) { /* not in the blocks of RED */
        room.grows =
            sq_timetag_grows(codec, packet->marker, packet->fragment, packet->fragment_len);
    }
    return room;
}

uint64_t sq_latency_time_us(const struct sq_peer *peer, struct sq_encoding *e, uint16_t seq,
                            uint64_t due_ns, bool again)
{
    uint64_t *kept = e->sent_tags ? &e->sent_tags[seq & (e->rtp.history_room - 1)] : NULL;
    uint64_t us = again && kept ? *kept : wall_us(peer->env, due_ns);
    if (kept) {
        *kept = us;
    }
    return us;
}

void sq_latency_put(const struct sq_peer *peer, enum sq_codec codec,
                    const struct sq_latency_room *room, uint64_t us, uint8_t *payload,
                    size_t head_len, size_t len)
{
    const struct sq_peer_env *env = peer->env;
    const struct sq_timetag tag = {
        .wall_us = us,
        .clock = short_id(env->clock_id),
        .error_us = env->clock_error_ns == SQ_CLOCK_ERROR_UNKNOWN
                        ? SQ_TIMETAG_UNKNOWN
                        : (env->clock_error_ns + 999) / 1000,
    };
    if (room->at) {
        sq_timetag_fill(codec, &tag, payload + head_len + room->at);
    } else {
        sq_timetag_put(codec, &tag, payload, len);
    }
}

void sq_latency_capture_time(uint64_t us, uint8_t out[static SQ_CAPTURE_TIME_BYTES])
{
    sq_store_u64(out, sq_ntp_from_wall_ns(us * 1000));
    sq_store_u64(out + 8, 0);
}

/* ---- Receiving ---- */

static void tell(struct sq_track *track, const struct sq_latency_origin *origin, uint64_t now_ns)
{
    struct sq_peer *peer = track->peer;
    const struct sq_peer_env *env = peer->env;
    const struct sq_timetag *tag = &origin->tag;
    uint16_t clock = short_id(env->clock_id);
    bool unknown = tag->error_us == SQ_TIMETAG_UNKNOWN;
    uint64_t mine_us = 0;
    if (origin->by == SQ_LATENCY_TAG) { /* by UTC: what this clock is off counts as well */
        unknown = unknown || env->clock_error_ns == SQ_CLOCK_ERROR_UNKNOWN;
        mine_us = env->clock_error_ns / 1000 + 1;
    }
    const struct sq_latency_sample sample = {
        .latency_us = sq_timetag_age_us(tag, wall_us(env, now_ns)),
        .same_clock = clock != 0 && clock == tag->clock,
        .error_us = unknown ? SQ_TIMETAG_UNKNOWN : tag->error_us + mine_us,
        .by = origin->by,
    };
    if (sample.latency_us >= AGE_MIN_US && sample.latency_us <= AGE_MAX_US && peer->ops->latency) {
        peer->ops->latency(peer->ctx, track, &sample);
    }
}

static struct kept *kept_of(struct sq_latency_tags *tags, uint32_t timestamp)
{
    for (unsigned i = 0; tags && i < TAGS_KEPT; i++) {
        if (tags->kept[i].there && tags->kept[i].timestamp == timestamp) {
            return &tags->kept[i];
        }
    }
    return NULL;
}

/* Made once a track; without memory nothing is told. */
static struct sq_latency_tags *tags_of(struct sq_track_rx *rx)
{
    if (!rx->tags) {
        rx->tags = sq_zalloc(sizeof(*rx->tags));
    }
    return rx->tags;
}

/* A frame may have both, and each spatial layer a tag: the first tag counts. */
static void keep(struct sq_track *track, uint32_t timestamp, const struct sq_latency_origin *origin)
{
    struct sq_track_rx *rx = track->rx;
    struct kept *kept = kept_of(rx->tags, timestamp);
    if (kept) {
        if (kept->origin.by == SQ_LATENCY_CAPTURE) {
            kept->origin = *origin;
        }
        return;
    }
    if (tags_of(rx)) {
        rx->tags->kept[rx->tags->next] =
            (struct kept){.timestamp = timestamp, .there = true, .origin = *origin};
        rx->tags->next = (rx->tags->next + 1) % TAGS_KEPT;
    }
}

bool sq_track_capture_time(const struct sq_track *track, const struct sq_rtp_packet *packet,
                           struct sq_view *ret_bytes)
{
    struct sq_view v;
    if (sq_rtp_ext_find(packet, track->peer->ids.id[SQ_RTP_EXT_ABS_CAPTURE_TIME], &v) != 0 ||
        (v.len != 8 && v.len != SQ_CAPTURE_TIME_BYTES)) {
        return false;
    }
    *ret_bytes = v;
    return true;
}

/* "Absolute Capture Time" (webrtc.org): the capture system's clock, UQ32.32 as in NTP; then, where
 * it is there, how much that clock is ahead of the sender's, Q32.32. What the sender's is off from
 * ours follows from its reports. */
static void take_capture_time(struct sq_track *track, const struct sq_rtp_packet *packet,
                              uint64_t now_ns)
{
    struct sq_view v;
    struct sq_latency_tags *tags;
    if (!sq_track_capture_time(track, packet, &v) || !(tags = tags_of(track->rx))) {
        return;
    }
    const uint8_t *at = (const uint8_t *)v.at;
    uint64_t ntp = sq_load_u64(at);
    tags->capture.offset = v.len == SQ_CAPTURE_TIME_BYTES;
    if (tags->capture.offset) {
        ntp -= sq_load_u64(at + 8);
    }
    tags->capture.wall_us = sq_wall_ns_from_ntp(ntp) / 1000;
    tags->capture.ssrc = packet->ssrc;
    tags->capture.timestamp = packet->ts;
    tags->capture.now_ns = now_ns;
}

/* When a packet was captured, by the latest extension and the time-stamps since. */
static bool capture_origin(const struct sq_track *track, const struct sq_rtp_packet *packet,
                           uint64_t now_ns, struct sq_latency_origin *ret_origin)
{
    const struct sq_latency_tags *tags = track->rx->tags;
    const struct sq_far_clock *far_clock = &track->peer->far_clock;
    uint32_t clock_hz = track->rx->rtp.clock_rate;
    if (!tags || tags->capture.now_ns == 0 || now_ns > tags->capture.now_ns + EXTRAPOLATED_NS ||
        tags->capture.ssrc != packet->ssrc || clock_hz == 0) {
        return false;
    }
    int64_t since = (int32_t)(packet->ts - tags->capture.timestamp);
    int64_t us = (int64_t)tags->capture.wall_us + since * 1000000 / (int64_t)clock_hz;
    uint64_t error_us = SQ_TIMETAG_UNKNOWN;
    if (tags->capture.offset && far_clock->known) {
        us -= far_clock->ahead_us;
        error_us = far_clock->error_ns / 1000 + 1;
    } else if (tags->capture.offset && now_ns < track->rx->first_packet_ns + CLOCK_WAIT_NS) {
        return false;
    }
    *ret_origin = (struct sq_latency_origin){
        .by = SQ_LATENCY_CAPTURE, .tag = {.wall_us = (uint64_t)us, .error_us = error_us}};
    return true;
}

/* The report left the other side half a round trip ago, give or take half of one. The narrowest
 * such interval of late holds. */
void sq_latency_on_sr(struct sq_peer *peer, uint64_t ntp, uint64_t now_ns)
{
    /* By report blocks alone: a check of ICE that was sent twice cannot tell which was answered. */
    uint64_t half_ns = sq_peer_report_rtt_ns(peer, now_ns, RTT_AGE_NS) / 2;
    struct sq_far_clock *c = &peer->far_clock;
    if (half_ns == 0 || ntp == 0 ||
        (c->known && half_ns > c->error_ns && now_ns < c->since_ns + FAR_CLOCK_NS)) {
        return;
    }
    int64_t there_us = (int64_t)(sq_wall_ns_from_ntp(ntp) / 1000 + half_ns / 1000);
    *c = (struct sq_far_clock){.known = true,
                               .ahead_us = there_us - (int64_t)wall_us(peer->env, now_ns),
                               .error_ns = half_ns,
                               .since_ns = now_ns};
}

void sq_latency_on_packet(struct sq_track *track, const struct sq_rtp_packet *packet,
                          const struct sq_rtp_exts *exts, enum sq_codec codec, uint64_t now_ns)
{
    struct sq_latency_origin origin = {.by = SQ_LATENCY_TAG};
    if (sq_rtp_has(exts, SQ_RTP_EXT_ABS_CAPTURE_TIME)) {
        take_capture_time(track, packet, now_ns);
    }
    if (!sq_timetag_find(codec, packet->marker, packet->payload, packet->payload_bytes,
                         &origin.tag) &&
        !capture_origin(track, packet, now_ns, &origin)) {
        return;
    }
    if (track->kind == SQ_MEDIA_VIDEO) {
        keep(track, packet->ts, &origin);
    } else {
        tell(track, &origin, now_ns);
    }
}

void sq_latency_on_frame(struct sq_track *track, uint32_t timestamp, uint64_t now_ns)
{
    struct kept *kept = kept_of(track->rx->tags, timestamp);
    if (kept) {
        kept->there = false;
        tell(track, &kept->origin, now_ns);
    }
}
