/* One-way latency of frames: time-tags into what a clip gives, and out of what comes in. */
#include "base/mem.h"
#include "base/wallclock.h"
#include "media/timetag.h"
#include "peer/peer.h"
#include "peer/peer_int.h"

#define TAGS_KEPT 32 /* a power of two: frames that may wait for a packet */
/* A tag that is older, or that much younger than now, is none: 40 bits of check are not proof, and
 * no frame is under way for so long. */
#define AGE_MAX_US (INT64_C(60) * 1000 * 1000)
#define AGE_MIN_US (-INT64_C(60) * 1000 * 1000)

struct sq_latency_tags {
    struct {
        uint32_t timestamp;
        bool there;
        struct sq_timetag tag;
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

void sq_latency_put(const struct sq_peer *peer, struct sq_encoding *e,
                    const struct sq_latency_tagged *packet, uint8_t *payload, size_t head_len,
                    size_t len)
{
    const struct sq_peer_env *env = peer->env;
    uint64_t *kept = e->sent_tags ? &e->sent_tags[packet->seq & (SQ_HISTORY_PACKETS - 1)] : NULL;
    uint64_t us = packet->again && kept ? *kept : wall_us(env, packet->due_ns);
    if (kept) {
        *kept = us;
    }
    const struct sq_timetag tag = {
        .wall_us = us,
        .clock = short_id(env->clock_id),
        .error_us = env->clock_error_ns == SQ_CLOCK_ERROR_UNKNOWN
                        ? SQ_TIMETAG_UNKNOWN
                        : (env->clock_error_ns + 999) / 1000,
    };
    if (packet->room.at) {
        sq_timetag_fill(packet->codec, &tag, payload + head_len + packet->room.at);
    } else {
        sq_timetag_put(packet->codec, &tag, payload, len);
    }
}

/* ---- Receiving ---- */

static void tell(struct sq_track *track, const struct sq_timetag *tag, uint64_t now_ns)
{
    struct sq_peer *peer = track->peer;
    const struct sq_peer_env *env = peer->env;
    uint16_t clock = short_id(env->clock_id);
    bool unknown =
        tag->error_us == SQ_TIMETAG_UNKNOWN || env->clock_error_ns == SQ_CLOCK_ERROR_UNKNOWN;
    const struct sq_latency_sample sample = {
        .latency_us = sq_timetag_age_us(tag, wall_us(env, now_ns)),
        .same_clock = clock != 0 && clock == tag->clock,
        .error_us = unknown ? SQ_TIMETAG_UNKNOWN : tag->error_us + env->clock_error_ns / 1000 + 1,
    };
    if (sample.latency_us >= AGE_MIN_US && sample.latency_us <= AGE_MAX_US && peer->ops->latency) {
        peer->ops->latency(peer->ctx, track, &sample);
    }
}

static void keep(struct sq_track *track, uint32_t timestamp, const struct sq_timetag *tag)
{
    struct sq_track_rx *rx = track->rx;
    if (!rx->tags) {
        rx->tags = sq_zalloc(sizeof(*rx->tags)); /* once a track; without memory nothing is told */
    }
    for (unsigned i = 0; rx->tags && i < TAGS_KEPT; i++) {
        if (rx->tags->kept[i].there && rx->tags->kept[i].timestamp == timestamp) {
            return; /* of another spatial layer of the picture */
        }
    }
    if (rx->tags) {
        rx->tags->kept[rx->tags->next].timestamp = timestamp;
        rx->tags->kept[rx->tags->next].there = true;
        rx->tags->kept[rx->tags->next].tag = *tag;
        rx->tags->next = (rx->tags->next + 1) % TAGS_KEPT;
    }
}

void sq_latency_on_packet(struct sq_track *track, const struct sq_rtp_packet *packet,
                          enum sq_codec codec, uint64_t now_ns)
{
    struct sq_timetag tag;
    if (!sq_timetag_find(codec, packet->marker, packet->payload, packet->payload_bytes, &tag)) {
        return;
    }
    if (track->kind == SQ_MEDIA_VIDEO) {
        keep(track, packet->ts, &tag);
    } else {
        tell(track, &tag, now_ns);
    }
}

void sq_latency_on_frame(struct sq_track *track, uint32_t timestamp, uint64_t now_ns)
{
    struct sq_latency_tags *tags = track->rx->tags;
    for (unsigned i = 0; tags && i < TAGS_KEPT; i++) {
        if (tags->kept[i].there && tags->kept[i].timestamp == timestamp) {
            tags->kept[i].there = false;
            tell(track, &tags->kept[i].tag, now_ns);
            return;
        }
    }
}
