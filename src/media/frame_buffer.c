/* Frames out of packets in any order: which became decodable, and when. Metadata only. */
#include "media/frame_buffer_int.h"

#include <string.h>

/* A newer frame that can be decoded does not push aside one that waits for a packet before that one
 * had this long to come: packets that merely overtook each other cost nothing. */
#define REORDER_WAIT_MS 100
#define OLD_IN_A_ROW    100 /* the sender's timestamps began anew */

enum {                 /* flags of a pending frame */
       FIRST = 1 << 0, /* its first packet is there */
       MAYBE = 1 << 1, /* it is, if the packet before first_seq is of another frame */
       LAST = 1 << 2,
       KEY = 1 << 3,
       HAS_ID = 1 << 4,
       ID_7 = 1 << 5, /* the width of the id; without both, 16 bits */
       ID_15 = 1 << 6,
       HAS_TL0 = 1 << 7,
       HAS_REFS = 1 << 8,
       SYNC = 1 << 9,
       COMPLETE = 1 << 10,
       REPAIRED = 1 << 11
};

_Static_assert(sizeof(struct sq_frame_pending) == 32, "32 of them a stream");
_Static_assert(sizeof(struct sq_frame_buffer) <= 1792, "a receiver's memory");

void sq_frame_buffer_init(struct sq_frame_buffer *b, uint64_t blocked_after_ns,
                          sq_frame_fn on_frame, void *ctx)
{
    memset(b, 0, sizeof(*b));
    b->blocked_after_ns = blocked_after_ns;
    b->on_frame = on_frame;
    b->ctx = ctx;
    sq_video_timing_init(&b->timing);
}

void sq_frame_buffer_close(struct sq_frame_buffer *b)
{
    sq_depacket_state_free(b->state);
    b->state = NULL;
}

static struct sq_frame_pending *slot(struct sq_frame_buffer *b, unsigned i)
{
    return &b->pending[(b->head + i) % SQ_FRAME_WINDOW];
}

static void give_up_first(struct sq_frame_buffer *b, unsigned n)
{
    for (; n > 0; n--) {
        b->last_timestamp = slot(b, 0)->timestamp;
        b->have_last = true;
        b->head = (uint8_t)((b->head + 1) % SQ_FRAME_WINDOW);
        b->count--;
        b->stats.frames_dropped++;
    }
}

/* ---- sequence numbers ---- */

enum seen { SEEN_NEW, SEEN_TWICE, SEEN_TOO_OLD };

static enum seen take_seq(struct sq_frame_buffer *b, uint16_t seq)
{
    if (!b->have_seq) {
        b->have_seq = true;
        b->newest_seq = seq;
    }
    uint16_t ahead = (uint16_t)(seq - b->newest_seq);
    if (ahead != 0 && ahead < 0x8000) {
        if (ahead >= SQ_FRAME_WINDOW_PACKETS) {
            memset(b->received, 0, sizeof(b->received));
        } else {
            for (unsigned n = 1; n <= ahead; n++) {
                unsigned i = (uint16_t)(b->newest_seq + n) % SQ_FRAME_WINDOW_PACKETS;
                b->received[i / 64] &= ~(UINT64_C(1) << (i % 64));
            }
        }
        b->newest_seq = seq;
    } else if ((uint16_t)-ahead >= SQ_FRAME_WINDOW_PACKETS) {
        return SEEN_TOO_OLD;
    }
    unsigned i = seq % SQ_FRAME_WINDOW_PACKETS;
    uint64_t bit = UINT64_C(1) << (i % 64);
    if (b->received[i / 64] & bit) {
        return SEEN_TWICE;
    }
    b->received[i / 64] |= bit;
    return SEEN_NEW;
}

static bool was_received(const struct sq_frame_buffer *b, uint16_t seq)
{
    uint16_t behind = (uint16_t)(b->newest_seq - seq);
    unsigned i = seq % SQ_FRAME_WINDOW_PACKETS;
    return behind < SQ_FRAME_WINDOW_PACKETS && (b->received[i / 64] >> (i % 64) & 1);
}

static bool is_padding(const struct sq_frame_buffer *b, uint16_t seq)
{
    for (unsigned i = 0; i < b->padding_count; i++) {
        if (b->padding[i] == seq) {
            return true;
        }
    }
    return false;
}

/* ---- which frame can be decoded ---- */

static bool next_in_seq(const struct sq_frame_buffer *b, const struct sq_frame_pending *p)
{
    uint16_t seq = (uint16_t)(b->last.last_seq + 1);
    for (unsigned n = 0; n <= SQ_FRAME_PADDING_KEPT; n++, seq++) {
        if (seq == p->first_seq) {
            return true;
        }
        if (!is_padding(b, seq)) {
            return false;
        }
    }
    return false;
}

/* Ids of two widths are compared in the narrower one. */
static unsigned id_mask(unsigned flags)
{
    return flags & ID_7 ? 0x7f : (flags & ID_15 ? 0x7fff : 0xffff);
}

static bool follows_last(const struct sq_frame_buffer *b, const struct sq_frame_pending *p)
{
    const struct sq_frame_pending *last = &b->last;
    if (!(p->flags & last->flags & HAS_ID)) {
        return next_in_seq(b, p);
    }
    unsigned mask = id_mask(p->flags | last->flags);
    return ((last->id + last->span) & mask) == (p->id & mask);
}

/* Every frame that it refers to was decoded. The latest decoded one takes the ids up to
 * last.id + last.span - 1, which is bit 0 of decoded_ids. */
static bool has_refs(const struct sq_frame_buffer *b, const struct sq_frame_pending *p)
{
    unsigned mask = id_mask(p->flags | b->last.flags);
    unsigned ahead = (p->id - (b->last.id + b->last.span - 1U)) & mask;
    if (ahead > mask / 2) { /* a layer that came after an upper one was shown */
        return false;
    }
    for (uint32_t refs = p->refs; refs != 0; refs &= refs - 1) {
        unsigned back = (unsigned)__builtin_ctz(refs) + 1; /* before p->id */
        if (back < ahead || back - ahead >= 64 || !(b->decoded_ids >> (back - ahead) & 1)) {
            return false;
        }
    }
    return true;
}

/* Where references are told, they decide. Else every frame refers to the one before it; with
 * temporal layers (TL0PICIDX and TID are there), one of the base layer refers to the base layer's
 * last, and one with Y or U set to its base frame alone. */
static bool decodable(const struct sq_frame_buffer *b, const struct sq_frame_pending *p)
{
    if (!(p->flags & COMPLETE)) {
        return false;
    }
    if (p->flags & KEY) {
        return true;
    }
    if (!b->decoding) {
        return false;
    }
    if (p->flags & HAS_REFS && b->last.flags & HAS_ID) {
        return has_refs(b, p);
    }
    if (follows_last(b, p)) {
        return true;
    }
    if (!(p->flags & b->last.flags & HAS_TL0)) {
        return false;
    }
    if (p->tid == 0) {
        return p->tl0 == (uint8_t)(b->last.tl0 + 1);
    }
    return (p->flags & SYNC) && p->tl0 == b->last.tl0;
}

/* Notes the ids that `last` takes. */
static void remember_ids(struct sq_frame_buffer *b, const struct sq_frame_pending *before)
{
    const struct sq_frame_pending *p = &b->last;
    uint64_t own = p->span >= 64 ? UINT64_MAX : (UINT64_C(1) << p->span) - 1;
    if (!(p->flags & HAS_ID) || (p->flags & KEY) || !(before->flags & HAS_ID)) {
        b->decoded_ids = own;
        return;
    }
    unsigned newest = p->id + p->span - 1U;
    unsigned step = (newest - (before->id + before->span - 1U)) & id_mask(p->flags | before->flags);
    b->decoded_ids = step >= 64 ? own : b->decoded_ids << step | own;
}

/* ---- frames shown ---- */

static uint64_t arrival_ns(const struct sq_frame_buffer *b, const struct sq_frame_pending *p)
{
    uint64_t latest_ms = b->latest_ns / SQ_NS_PER_MS;
    uint64_t age_ms = (uint32_t)((uint32_t)latest_ms - p->first_ms);
    return (latest_ms - age_ms) * SQ_NS_PER_MS;
}

/* When the frame leaves the jitter buffer; statistics of the wait. */
static uint64_t play_out(struct sq_frame_buffer *b, uint64_t first_ns, uint64_t now_ns)
{
    struct sq_frame_stats *st = &b->stats;
    uint64_t received_ns = sq_min_u64(first_ns + b->last.spread_ms * SQ_NS_PER_MS, now_ns);
    if (received_ns / SQ_NS_PER_MS == now_ns / SQ_NS_PER_MS) {
        received_ns = now_ns; /* it did not wait for another: to the ns */
    }
    uint64_t shown_ns = sq_video_timing_frame(&b->timing, b->last.timestamp, b->last.bytes,
                                              received_ns, now_ns, (b->last.flags & REPAIRED) != 0);
    shown_ns = sq_max_u64(shown_ns, b->shown_ns);
    st->jitter_buffer_delay_ns += shown_ns - sq_min_u64(shown_ns, first_ns);
    st->jitter_buffer_target_ns += (uint64_t)((double)b->timing.jitter_ms * 1e6);
    sq_frame_count_shown(b, shown_ns);
    return shown_ns;
}

static void show_first(struct sq_frame_buffer *b, uint64_t now_ns)
{
    struct sq_frame_stats *st = &b->stats;
    struct sq_frame_pending before = b->last;
    b->last = *slot(b, 0);
    b->last_timestamp = b->last.timestamp;
    remember_ids(b, &before);
    b->have_last = b->decoding = true;
    b->head = (uint8_t)((b->head + 1) % SQ_FRAME_WINDOW);
    b->count--;
    bool key = (b->last.flags & KEY) != 0;
    st->frames_decoded++;
    st->key_frames_decoded += key;
    st->bytes += b->last.bytes;
    if (b->told_width && b->told_timestamp == b->last.timestamp) {
        st->frame_width = b->told_width;
        st->frame_height = b->told_height;
    }
    uint64_t first_ns = arrival_ns(b, &b->last);
    uint64_t shown_ns = play_out(b, first_ns, now_ns);
    if (!b->on_frame) {
        return;
    }
    const struct sq_frame frame = {.timestamp = b->last.timestamp,
                                   .bytes = b->last.bytes,
                                   .first_seq = b->last.first_seq,
                                   .last_seq = b->last.last_seq,
                                   .packets = b->last.packets,
                                   .width = st->frame_width,
                                   .height = st->frame_height,
                                   .id = b->last.flags & HAS_ID ? b->last.id : -1,
                                   .tid = b->last.tid,
                                   .sid = b->last.sid,
                                   .codec = (enum sq_codec)b->codec,
                                   .key = key,
                                   .first_packet_ns = first_ns,
                                   .now_ns = now_ns,
                                   .shown_ns = shown_ns};
    b->on_frame(b->ctx, &frame);
}

static void release(struct sq_frame_buffer *b, uint64_t now_ns)
{
    while (b->count > 0) {
        if (decodable(b, slot(b, 0))) {
            show_first(b, now_ns);
            continue;
        }
        uint32_t waited_ms = (uint32_t)(now_ns / SQ_NS_PER_MS) - slot(b, 0)->first_ms;
        if (b->decoding && waited_ms < REORDER_WAIT_MS) {
            return;
        }
        unsigned i = 1;
        while (i < b->count && !decodable(b, slot(b, i))) {
            i++;
        }
        if (i >= b->count) {
            return;
        }
        give_up_first(b, i);
    }
}

/* ---- packets into frames ---- */

/* The place of the frame with that timestamp; it is made where it was not. */
static struct sq_frame_pending *frame_of(struct sq_frame_buffer *b, uint64_t now_ns,
                                         uint32_t timestamp, uint16_t seq)
{
    unsigned at = b->count;
    while (at > 0) {
        struct sq_frame_pending *p = slot(b, at - 1);
        int32_t ahead = (int32_t)(timestamp - p->timestamp);
        if (ahead == 0) {
            return p;
        }
        if (ahead > 0) {
            break;
        }
        at--;
    }
    if (b->count == SQ_FRAME_WINDOW) {
        if (at == 0) {
            return NULL;
        }
        give_up_first(b, 1);
        at--;
    }
    for (unsigned i = b->count; i > at; i--) {
        *slot(b, i) = *slot(b, i - 1);
    }
    b->count++;
    struct sq_frame_pending *p = slot(b, at);
    *p = (struct sq_frame_pending){.timestamp = timestamp,
                                   .first_ms = (uint32_t)(now_ns / SQ_NS_PER_MS),
                                   .first_seq = seq,
                                   .last_seq = seq,
                                   .span = 1};
    return p;
}

/* Whether a packet agrees with what is known of its frame's ends. */
static bool fits(const struct sq_frame_pending *p, uint16_t seq, bool first, bool last)
{
    int16_t past_first = (int16_t)(seq - p->first_seq);
    int16_t past_last = (int16_t)(seq - p->last_seq);
    if (past_first < 0 && ((p->flags & FIRST) || (last && p->packets > 0))) {
        return false;
    }
    if (past_last > 0 && ((p->flags & LAST) || (first && p->packets > 0))) {
        return false;
    }
    bool inside = past_first >= 0 && past_last <= 0 && p->packets > 0;
    return !inside || ((!first || past_first == 0) && (!last || past_last == 0));
}

/* Ids and references of one more packet: with a dependency descriptor the layers of a frame have
 * numbers of their own, and refer to one another. */
static void merge_ids(struct sq_frame_pending *p, const struct sq_part *part)
{
    unsigned width = part->id_bits == 7 ? ID_7 : (part->id_bits == 15 ? ID_15 : 0U);
    if (p->packets == 0) {
        p->id = part->id;
        p->refs = part->refs;
        p->flags |= (uint16_t)((part->flags & SQ_PART_HAS_ID ? HAS_ID | width : 0U) |
                               (part->flags & SQ_PART_HAS_REFS ? HAS_REFS : 0U));
        return;
    }
    if (!(part->flags & SQ_PART_HAS_REFS)) {
        p->flags &= (uint16_t)~HAS_REFS;
    }
    unsigned mask = id_mask(p->flags);
    unsigned up = (part->id - p->id) & mask;
    unsigned down = (p->id - part->id) & mask;
    if (!(part->flags & SQ_PART_HAS_ID) || (up > 8 && down > 8)) {
        return; /* no layer's number: something is wrong, and the first one's stays */
    }
    if (up <= 8) {
        p->refs |= part->refs >> up;
        p->span = (uint8_t)(up >= p->span ? up + 1 : p->span);
    } else {
        p->refs = p->refs >> down | part->refs;
        p->span = (uint8_t)(p->span + down);
        p->id = part->id;
    }
}

/* Counts the frame as complete if it is. */
static void check_complete(struct sq_frame_buffer *b, struct sq_frame_pending *p)
{
    if ((p->flags & (LAST | COMPLETE)) != LAST ||
        p->packets != (uint16_t)(p->last_seq - p->first_seq + 1)) {
        return;
    }
    bool begins =
        (p->flags & FIRST) || ((p->flags & MAYBE) && was_received(b, (uint16_t)(p->first_seq - 1)));
    if (begins) {
        p->flags |= COMPLETE;
        b->stats.frames_received++;
    }
}

static void add_packet(struct sq_frame_buffer *b, struct sq_frame_pending *p,
                       const struct sq_media_packet *packet, const struct sq_part *part,
                       bool repaired)
{
    uint16_t seq = packet->seq;
    merge_ids(p, part);
    unsigned flags = p->flags;
    if (p->packets == 0 || (int16_t)(seq - p->first_seq) < 0) {
        p->first_seq = seq;
        flags = part->flags & SQ_PART_MAY_BEGIN ? flags | MAYBE : flags & ~(unsigned)MAYBE;
    }
    p->last_seq = (int16_t)(seq - p->last_seq) > 0 ? seq : p->last_seq;
    p->packets++;
    p->bytes += (uint32_t)(packet->len - part->body_at);
    uint32_t spread_ms = (uint32_t)(packet->now_ns / SQ_NS_PER_MS) - p->first_ms;
    p->spread_ms = spread_ms > UINT16_MAX ? UINT16_MAX : (uint16_t)spread_ms;
    flags |= packet->marker ? LAST : 0U;
    flags |= repaired ? REPAIRED : 0U;
    flags |= part->flags & SQ_PART_BEGIN ? FIRST : 0U;
    flags |= part->flags & SQ_PART_KEY ? KEY : 0U;
    if (part->flags & SQ_PART_HAS_TL0) {
        flags |= HAS_TL0 | (part->flags & SQ_PART_SYNC ? SYNC : 0U);
        p->tl0 = part->tl0;
    }
    p->tid = part->tid;
    p->sid = part->sid > p->sid ? part->sid : p->sid;
    p->flags = (uint16_t)flags;
    if (part->width) {
        b->told_width = part->width;
        b->told_height = part->height;
        b->told_timestamp = packet->timestamp;
    }
    check_complete(b, p);
}

/* A packet came that may be the one before a frame's first. */
static bool complete_next(struct sq_frame_buffer *b, uint16_t seq)
{
    for (unsigned i = 0; i < b->count; i++) {
        struct sq_frame_pending *p = slot(b, i);
        if ((p->flags & (MAYBE | LAST | COMPLETE)) == (MAYBE | LAST) &&
            p->first_seq == (uint16_t)(seq + 1)) {
            check_complete(b, p);
            return (p->flags & COMPLETE) != 0;
        }
    }
    return false;
}

void sq_frame_buffer_restart(struct sq_frame_buffer *b)
{
    give_up_first(b, b->count);
    b->have_last = b->decoding = b->have_seq = false;
    memset(b->received, 0, sizeof(b->received));
    b->padding_count = 0;
    b->old_in_a_row = 0;
    sq_video_timing_restart(&b->timing);
}

/* A packet of a frame already shown or given up. When nothing else comes any more, the sender's
 * timestamps began anew. */
static void late(struct sq_frame_buffer *b)
{
    b->stats.packets_late++;
    if (++b->old_in_a_row >= OLD_IN_A_ROW) {
        sq_frame_buffer_restart(b);
    }
}

static void take_padding(struct sq_frame_buffer *b, uint64_t now_ns, uint16_t seq)
{
    if (take_seq(b, seq) == SEEN_NEW) {
        b->padding[b->padding_at] = seq;
        b->padding_at = (uint8_t)((b->padding_at + 1) % SQ_FRAME_PADDING_KEPT);
        b->padding_count = (uint8_t)(b->padding_count + (b->padding_count < SQ_FRAME_PADDING_KEPT));
        (void)complete_next(b, seq);
        release(b, now_ns);
    }
}

int sq_frame_buffer_push(struct sq_frame_buffer *b, const struct sq_media_packet *packet,
                         bool repaired)
{
    uint64_t now_ns = b->latest_ns = packet->now_ns;
    if (packet->len == 0) {
        take_padding(b, now_ns, packet->seq);
        return 0;
    }
    struct sq_part part;
    int err = sq_depacket(packet, &b->state, &part);
    if (err) {
        b->stats.packets_bad++;
        return err;
    }
    if (b->codec != packet->codec) {
        if (b->codec != SQ_CODEC_NONE) {
            sq_frame_buffer_restart(b);
        }
        b->codec = (uint8_t)packet->codec;
    }
    b->stats.packets++;
    enum seen seen = take_seq(b, packet->seq);
    if (seen == SEEN_TWICE) {
        b->stats.packets_duplicate++;
        return 0;
    }
    if (seen == SEEN_TOO_OLD ||
        (b->have_last && (int32_t)(packet->timestamp - b->last_timestamp) <= 0)) {
        late(b);
        return 0;
    }
    b->old_in_a_row = 0;
    struct sq_frame_pending *p = frame_of(b, now_ns, packet->timestamp, packet->seq);
    if (!p) {
        b->stats.packets_late++;
        return 0;
    }
    if (!fits(p, packet->seq, (part.flags & SQ_PART_BEGIN) != 0, packet->marker)) {
        b->stats.packets_bad++;
        return SQ_ERR_FORMAT;
    }
    add_packet(b, p, packet, &part, repaired);
    bool whole = (p->flags & LAST) && (p->flags & (FIRST | MAYBE)) &&
                 p->packets == (uint16_t)(p->last_seq - p->first_seq + 1);
    if (complete_next(b, packet->seq) || whole) {
        release(b, now_ns);
    }
    return 0;
}

/* ---- what is asked of it ---- */

uint64_t sq_frame_buffer_key_due_ns(const struct sq_frame_buffer *b)
{
    if (b->count == 0) {
        return SQ_NEVER;
    }
    const struct sq_frame_pending *p = &b->pending[b->head];
    uint64_t from_ns = arrival_ns(b, p);
    /* Before the first key frame no missing packet can help a delta frame. In H.264 any slice tells
     * a key frame, but the first frame of who comes in late may lack a beginning: a whole one
     * tells. */
    bool h264 = b->codec == SQ_CODEC_H264;
    bool hopeless = false;
    for (unsigned n = 0; !b->decoding && !hopeless && n < (h264 ? b->count : 1U); n++) {
        const struct sq_frame_pending *q = &b->pending[(b->head + n) % SQ_FRAME_WINDOW];
        if (q->flags & KEY) {
            break;
        }
        hopeless = (q->flags & (h264 ? COMPLETE : FIRST)) != 0;
    }
    return hopeless ? from_ns : from_ns + b->blocked_after_ns;
}
