/* VP8 frames out of packets in any order: which became decodable, and when. Metadata only. */
#include "media/vp8.h"

#include <string.h>

/* A newer frame that can be decoded does not push aside one that waits for a packet before that one
 * had this long to come: packets that merely overtook each other cost nothing. */
#define REORDER_WAIT_MS 100
#define OLD_IN_A_ROW    100 /* the sender's timestamps began anew */
#define FREEZE_SAMPLES  5   /* fewer intervals say nothing about the usual one (as libwebrtc) */
#define FREEZE_MORE_US  150000

enum { FIRST = 1, LAST = 2, KEY = 4, HAS_ID = 8, WIDE_ID = 16, HAS_TL0 = 32, COMPLETE = 64 };
enum { TID_MASK = 3, SYNC = 128 };

_Static_assert(sizeof(struct sq_vp8_assembler) <= 1536, "a receiver's memory");

void sq_vp8_assembler_init(struct sq_vp8_assembler *a, uint64_t blocked_after_ns,
                           sq_vp8_on_frame on_frame, void *ctx)
{
    memset(a, 0, sizeof(*a));
    a->blocked_after_ns = blocked_after_ns;
    a->on_frame = on_frame;
    a->ctx = ctx;
}

static struct sq_vp8_pending *slot(struct sq_vp8_assembler *a, unsigned i)
{
    return &a->pending[(a->head + i) % SQ_VP8_WINDOW_FRAMES];
}

static void give_up_first(struct sq_vp8_assembler *a, unsigned n)
{
    for (; n > 0; n--) {
        a->last_timestamp = slot(a, 0)->timestamp;
        a->have_last = true;
        a->head = (uint8_t)((a->head + 1) % SQ_VP8_WINDOW_FRAMES);
        a->count--;
        a->stats.frames_dropped++;
    }
}

/* ---- sequence numbers ---- */

enum seen { SEEN_NEW, SEEN_TWICE, SEEN_TOO_OLD };

static enum seen take_seq(struct sq_vp8_assembler *a, uint16_t seq)
{
    if (!a->have_seq) {
        a->have_seq = true;
        a->newest_seq = seq;
    }
    uint16_t ahead = (uint16_t)(seq - a->newest_seq);
    if (ahead != 0 && ahead < 0x8000) {
        if (ahead >= SQ_VP8_WINDOW_PACKETS) {
            memset(a->received, 0, sizeof(a->received));
        } else {
            for (unsigned n = 1; n <= ahead; n++) {
                unsigned i = (uint16_t)(a->newest_seq + n) % SQ_VP8_WINDOW_PACKETS;
                a->received[i / 64] &= ~(UINT64_C(1) << (i % 64));
            }
        }
        a->newest_seq = seq;
    } else if ((uint16_t)-ahead >= SQ_VP8_WINDOW_PACKETS) {
        return SEEN_TOO_OLD;
    }
    unsigned i = seq % SQ_VP8_WINDOW_PACKETS;
    uint64_t bit = UINT64_C(1) << (i % 64);
    if (a->received[i / 64] & bit) {
        return SEEN_TWICE;
    }
    a->received[i / 64] |= bit;
    return SEEN_NEW;
}

static bool is_padding(const struct sq_vp8_assembler *a, uint16_t seq)
{
    for (unsigned i = 0; i < a->padding_count; i++) {
        if (a->padding[i] == seq) {
            return true;
        }
    }
    return false;
}

/* ---- which frame can be decoded ---- */

static bool next_in_seq(const struct sq_vp8_assembler *a, const struct sq_vp8_pending *p)
{
    uint16_t seq = (uint16_t)(a->last.last_seq + 1);
    for (unsigned n = 0; n <= SQ_VP8_PADDING_KEPT; n++, seq++) {
        if (seq == p->first_seq) {
            return true;
        }
        if (!is_padding(a, seq)) {
            return false;
        }
    }
    return false;
}

static bool follows_last(const struct sq_vp8_assembler *a, const struct sq_vp8_pending *p)
{
    const struct sq_vp8_pending *last = &a->last;
    if (!(p->flags & last->flags & HAS_ID)) {
        return next_in_seq(a, p);
    }
    unsigned mask = p->flags & last->flags & WIDE_ID ? 0x7fff : 0x7f;
    return ((last->picture_id + 1U) & mask) == (p->picture_id & mask);
}

/* Every frame refers to the one before it; with temporal layers (TL0PICIDX and TID are there), one
 * of the base layer refers to the base layer's last, and one with Y set to its base frame alone. */
static bool decodable(const struct sq_vp8_assembler *a, const struct sq_vp8_pending *p)
{
    if (!(p->flags & COMPLETE)) {
        return false;
    }
    if (p->flags & KEY) {
        return true;
    }
    if (!a->decoding) {
        return false;
    }
    if (follows_last(a, p)) {
        return true;
    }
    if (!(p->flags & a->last.flags & HAS_TL0)) {
        return false;
    }
    if ((p->tid_sync & TID_MASK) == 0) {
        return p->tl0 == (uint8_t)(a->last.tl0 + 1);
    }
    return (p->tid_sync & SYNC) && p->tl0 == a->last.tl0;
}

/* ---- frames shown ---- */

/* W3C webrtc-stats, freezeCount: an interval of max(3 d, d + 150 ms) or more, where d is the
 * average over the latest 30, this one included (as libwebrtc counts it). */
static bool is_freeze(uint64_t gap_us, uint64_t sum_us, uint32_t count)
{
    if (count < FREEZE_SAMPLES) {
        return false;
    }
    uint64_t average = sum_us / count;
    uint64_t bound =
        average * 3 > average + FREEZE_MORE_US ? average * 3 : average + FREEZE_MORE_US;
    return gap_us >= bound;
}

static void count_gap(struct sq_vp8_assembler *a, uint64_t now_ns)
{
    uint64_t gap_ns = now_ns - a->shown_ns;
    uint64_t gap_us = gap_ns / SQ_NS_PER_US;
    gap_us = gap_us > UINT32_MAX ? UINT32_MAX : gap_us;
    a->gap_sum_us += gap_us;
    if (a->gap_count == SQ_VP8_FREEZE_FRAMES) {
        a->gap_sum_us -= a->gap_us[a->gap_at];
    } else {
        a->gap_count++;
    }
    a->gap_us[a->gap_at] = (uint32_t)gap_us;
    a->gap_at = (a->gap_at + 1) % SQ_VP8_FREEZE_FRAMES;
    double seconds = (double)gap_ns * 1e-9;
    a->stats.total_inter_frame_ns += gap_ns;
    a->stats.total_squared_inter_frame_s2 += seconds * seconds;
    if (is_freeze(gap_us, a->gap_sum_us, a->gap_count)) {
        a->stats.freeze_count++;
        a->stats.total_freezes_ns += gap_ns;
    }
}

static void count_fps(struct sq_vp8_assembler *a, uint64_t now_ns)
{
    uint64_t tenth = now_ns / (100 * SQ_NS_PER_MS);
    if (tenth > a->tenth + 11) {
        memset(a->per_tenth, 0, sizeof(a->per_tenth));
        a->tenth = tenth;
    }
    while (a->tenth < tenth) {
        a->tenth++;
        a->per_tenth[a->tenth % 11] = 0;
    }
    a->per_tenth[a->tenth % 11]++;
}

static uint64_t arrival_ns(const struct sq_vp8_assembler *a, const struct sq_vp8_pending *p)
{
    uint64_t latest_ms = a->latest_ns / SQ_NS_PER_MS;
    uint64_t age_ms = (uint32_t)((uint32_t)latest_ms - p->first_ms);
    return (latest_ms - age_ms) * SQ_NS_PER_MS;
}

static void show_first(struct sq_vp8_assembler *a, uint64_t now_ns)
{
    struct sq_vp8_stats *st = &a->stats;
    struct sq_vp8_frame frame;
    a->last = *slot(a, 0);
    a->last_timestamp = a->last.timestamp;
    a->have_last = a->decoding = true;
    a->head = (uint8_t)((a->head + 1) % SQ_VP8_WINDOW_FRAMES);
    a->count--;
    bool key = (a->last.flags & KEY) != 0;
    st->frames_decoded++;
    st->key_frames_decoded += key;
    st->bytes += a->last.bytes;
    if (key) {
        st->frame_width = a->last.width;
        st->frame_height = a->last.height;
    }
    if (a->have_shown) {
        count_gap(a, now_ns);
    }
    a->have_shown = true;
    a->shown_ns = now_ns;
    count_fps(a, now_ns);
    if (!a->on_frame) {
        return;
    }
    frame = (struct sq_vp8_frame){.timestamp = a->last.timestamp,
                                  .bytes = a->last.bytes,
                                  .first_seq = a->last.first_seq,
                                  .last_seq = a->last.last_seq,
                                  .packets = a->last.packets,
                                  .width = st->frame_width,
                                  .height = st->frame_height,
                                  .picture_id = a->last.flags & HAS_ID ? a->last.picture_id : -1,
                                  .key = key,
                                  .first_packet_ns = arrival_ns(a, &a->last),
                                  .now_ns = now_ns};
    a->on_frame(a->ctx, &frame);
}

static void release(struct sq_vp8_assembler *a, uint64_t now_ns)
{
    while (a->count > 0) {
        if (decodable(a, slot(a, 0))) {
            show_first(a, now_ns);
            continue;
        }
        uint32_t waited_ms = (uint32_t)(now_ns / SQ_NS_PER_MS) - slot(a, 0)->first_ms;
        if (a->decoding && waited_ms < REORDER_WAIT_MS) {
            return;
        }
        unsigned i = 1;
        while (i < a->count && !decodable(a, slot(a, i))) {
            i++;
        }
        if (i >= a->count) {
            return;
        }
        give_up_first(a, i);
    }
}

/* ---- packets into frames ---- */

/* The place of the frame with that timestamp; it is made where it was not. */
static struct sq_vp8_pending *frame_of(struct sq_vp8_assembler *a, uint64_t now_ns,
                                       uint32_t timestamp, uint16_t seq)
{
    unsigned at = a->count;
    while (at > 0) {
        struct sq_vp8_pending *p = slot(a, at - 1);
        int32_t ahead = (int32_t)(timestamp - p->timestamp);
        if (ahead == 0) {
            return p;
        }
        if (ahead > 0) {
            break;
        }
        at--;
    }
    if (a->count == SQ_VP8_WINDOW_FRAMES) {
        if (at == 0) {
            return NULL;
        }
        give_up_first(a, 1);
        at--;
    }
    for (unsigned i = a->count; i > at; i--) {
        *slot(a, i) = *slot(a, i - 1);
    }
    a->count++;
    struct sq_vp8_pending *p = slot(a, at);
    *p = (struct sq_vp8_pending){.timestamp = timestamp,
                                 .first_ms = (uint32_t)(now_ns / SQ_NS_PER_MS),
                                 .first_seq = seq,
                                 .last_seq = seq};
    return p;
}

/* Whether a packet agrees with what is known of its frame's ends. */
static bool fits(const struct sq_vp8_pending *p, uint16_t seq, bool first, bool last)
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

static void add_packet(struct sq_vp8_assembler *a, struct sq_vp8_pending *p, uint16_t seq,
                       const struct sq_vp8_descriptor *d, const struct sq_vp8_frame_header *first,
                       bool marker, size_t bytes)
{
    p->first_seq = (int16_t)(seq - p->first_seq) < 0 ? seq : p->first_seq;
    p->last_seq = (int16_t)(seq - p->last_seq) > 0 ? seq : p->last_seq;
    p->packets++;
    p->bytes += (uint32_t)bytes;
    unsigned flags = marker ? LAST : 0;
    if (first) {
        flags |= FIRST | (first->key ? KEY : 0U);
        p->width = first->width;
        p->height = first->height;
    }
    if (d->picture_id >= 0) {
        flags |= HAS_ID | (d->wide ? WIDE_ID : 0U);
        p->picture_id = (uint16_t)d->picture_id;
    }
    if (d->tl0_pic_idx >= 0 && d->tid >= 0) {
        flags |= HAS_TL0;
        p->tl0 = (uint8_t)d->tl0_pic_idx;
        p->tid_sync = (uint8_t)((unsigned)d->tid | (d->layer_sync ? SYNC : 0U));
    }
    flags |= p->flags;
    if ((flags & FIRST) && (flags & LAST) && !(flags & COMPLETE) &&
        p->packets == (uint16_t)(p->last_seq - p->first_seq + 1)) {
        flags |= COMPLETE;
        a->stats.frames_received++;
    }
    p->flags = (uint8_t)flags;
}

void sq_vp8_assembler_restart(struct sq_vp8_assembler *a)
{
    give_up_first(a, a->count);
    a->have_last = a->decoding = a->have_seq = false;
    memset(a->received, 0, sizeof(a->received));
    a->padding_count = 0;
    a->old_in_a_row = 0;
}

/* A packet of a frame already shown or given up. When nothing else comes any more, the sender's
 * timestamps began anew. */
static void late(struct sq_vp8_assembler *a)
{
    a->stats.packets_late++;
    if (++a->old_in_a_row >= OLD_IN_A_ROW) {
        sq_vp8_assembler_restart(a);
    }
}

static void take_padding(struct sq_vp8_assembler *a, uint64_t now_ns, uint16_t seq)
{
    if (take_seq(a, seq) == SEEN_NEW) {
        a->padding[a->padding_at] = seq;
        a->padding_at = (uint8_t)((a->padding_at + 1) % SQ_VP8_PADDING_KEPT);
        a->padding_count = (uint8_t)(a->padding_count + (a->padding_count < SQ_VP8_PADDING_KEPT));
        release(a, now_ns);
    }
}

int sq_vp8_assembler_push(struct sq_vp8_assembler *a, uint64_t now_ns, uint16_t seq,
                          uint32_t timestamp, bool marker, const uint8_t *payload, size_t len)
{
    a->latest_ns = now_ns;
    if (len == 0) {
        take_padding(a, now_ns, seq);
        return 0;
    }
    struct sq_vp8_descriptor d;
    struct sq_vp8_frame_header header;
    const struct sq_vp8_frame_header *first = NULL;
    int err = sq_vp8_descriptor_parse(payload, len, &d);
    size_t bytes = 0;
    if (!err) {
        bytes = len - d.len_bytes;
        if (d.start && d.partition == 0) {
            first = &header;
            err = sq_vp8_frame_header_parse(payload + d.len_bytes, bytes, &header);
        }
    }
    if (err) {
        a->stats.packets_bad++;
        return err;
    }
    a->stats.packets++;
    enum seen seen = take_seq(a, seq);
    if (seen == SEEN_TWICE) {
        a->stats.packets_duplicate++;
        return 0;
    }
    if (seen == SEEN_TOO_OLD || (a->have_last && (int32_t)(timestamp - a->last_timestamp) <= 0)) {
        late(a);
        return 0;
    }
    a->old_in_a_row = 0;
    struct sq_vp8_pending *p = frame_of(a, now_ns, timestamp, seq);
    if (!p) {
        a->stats.packets_late++;
        return 0;
    }
    if (!fits(p, seq, first != NULL, marker)) {
        a->stats.packets_bad++;
        return SQ_ERR_FORMAT;
    }
    add_packet(a, p, seq, &d, first, marker, bytes);
    if (p->flags & COMPLETE) {
        release(a, now_ns);
    }
    return 0;
}

/* ---- what is asked of it ---- */

uint64_t sq_vp8_assembler_key_due_ns(const struct sq_vp8_assembler *a)
{
    if (a->count == 0) {
        return SQ_NEVER;
    }
    const struct sq_vp8_pending *p = &a->pending[a->head];
    uint64_t from_ns = arrival_ns(a, p);
    /* Before the first key frame no missing packet can help a delta frame. */
    bool hopeless = !a->decoding && (p->flags & FIRST) && !(p->flags & KEY);
    return hopeless ? from_ns : from_ns + a->blocked_after_ns;
}

double sq_vp8_assembler_fps(const struct sq_vp8_assembler *a, uint64_t now_ns)
{
    uint64_t tenth = now_ns / (100 * SQ_NS_PER_MS);
    unsigned frames = 0;
    for (unsigned back = 1; back <= 10 && back <= tenth; back++) {
        uint64_t at = tenth - back;
        if (at <= a->tenth && a->tenth - at < 11) {
            frames += a->per_tenth[at % 11];
        }
    }
    return frames;
}

uint64_t sq_vp8_assembler_open_freeze_ns(const struct sq_vp8_assembler *a, uint64_t now_ns)
{
    if (!a->have_shown || now_ns <= a->shown_ns) {
        return 0;
    }
    uint64_t gap_us = (now_ns - a->shown_ns) / SQ_NS_PER_US;
    gap_us = gap_us > UINT32_MAX ? UINT32_MAX : gap_us;
    /* As if a frame came now. */
    bool full = a->gap_count == SQ_VP8_FREEZE_FRAMES;
    uint64_t sum = a->gap_sum_us + gap_us - (full ? a->gap_us[a->gap_at] : 0);
    return is_freeze(gap_us, sum, full ? a->gap_count : a->gap_count + 1) ? now_ns - a->shown_ns
                                                                          : 0;
}

void sq_vp8_assembler_pause(struct sq_vp8_assembler *a)
{
    a->have_shown = false;
}
