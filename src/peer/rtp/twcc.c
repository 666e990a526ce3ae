#include "peer/rtp/twcc.h"

#include "base/mem.h"

#define TICKS_PER_REF   ((int64_t)(SQ_TWCC_REF_NS / SQ_TWCC_TICK_NS))
#define MARKS_MAX       1024 /* statuses of one feedback message */
#define FIXED_BYTES     20   /* RTCP header and the fixed part */
#define BUILD_LEAST     64
#define INTERVAL_MIN_NS (50 * SQ_NS_PER_MS)
#define INTERVAL_MAX_NS (250 * SQ_NS_PER_MS)
#define TIMER_TICK_NS   (SQ_NS_PER_SEC / 64)
#define REPORT_BITS     (68 * 8) /* a feedback with IP, UDP and SRTP, as libwebrtc takes it */
#define REPORT_SHARE    20       /* one part in so many of the rate */
#define NO_RESTART      65537u
#define WAITED_MOST_US  5000000u /* so long a packet's feedback is worth room in the log */

enum fate { IN_FLIGHT, LOST, RECEIVED };

struct sq_twcc_sent {
    uint32_t at_us; /* modulo 2^32, some 71 minutes */
    uint16_t size_bytes;
    uint8_t fate;
    uint8_t probe;
};

static bool room_is_good(uint32_t room)
{
    return room > 0 && room <= SQ_TWCC_ROOM_MAX && (room & (room - 1)) == 0;
}

int sq_twcc_log_init(struct sq_twcc_log *l, uint32_t room, uint16_t first_seq)
{
    if (!room_is_good(room)) {
        return SQ_ERR_INVALID;
    }
    struct sq_twcc_sent *sent = sq_calloc(room, sizeof(*sent));
    if (!sent) {
        return SQ_ERR_NOMEM;
    }
    *l = (struct sq_twcc_log){.sent = sent, .room = room, .most = room, .next_seq = first_seq};
    return 0;
}

void sq_twcc_log_close(struct sq_twcc_log *l)
{
    if (l) {
        sq_free(l->sent);
        *l = (struct sq_twcc_log){0};
    }
}

/* The place of the next number is held by a packet that no feedback has come to yet: for this rate
 * and round trip the room is too small. Without memory it stays as it is. */
static void grow_log(struct sq_twcc_log *l, uint32_t now_us)
{
    const struct sq_twcc_sent *oldest = &l->sent[l->next_seq & (l->room - 1)];
    bool untold = l->feedbacks > 0 && (uint16_t)(l->next_seq - 1 - l->told_seq) >= l->room;
    if (!untold || now_us - oldest->at_us > WAITED_MOST_US) {
        return;
    }
    uint32_t room = l->room * 2;
    struct sq_twcc_sent *sent = sq_calloc(room, sizeof(*sent));
    if (!sent) {
        return;
    }
    for (uint32_t back = 1; back <= l->used; back++) {
        uint16_t seq = (uint16_t)(l->next_seq - back);
        sent[seq & (room - 1)] = l->sent[seq & (l->room - 1)];
    }
    sq_free(l->sent);
    l->sent = sent;
    l->room = room;
}

uint16_t sq_twcc_log_take(struct sq_twcc_log *l, uint64_t now_ns, size_t size_bytes, uint8_t probe)
{
    uint32_t now_us = (uint32_t)(now_ns / SQ_NS_PER_US);
    if (l->used == l->room && l->room < l->most) {
        grow_log(l, now_us);
    }
    uint16_t seq = l->next_seq++;
    l->sent[seq & (l->room - 1)] = (struct sq_twcc_sent){
        .at_us = now_us,
        .size_bytes = (uint16_t)sq_min_u64(size_bytes, UINT16_MAX),
        .fate = IN_FLIGHT,
        .probe = probe,
    };
    l->used += l->used < l->room;
    l->packets_sent++;
    return seq;
}

void sq_twcc_log_add_bytes(struct sq_twcc_log *l, uint16_t seq, size_t bytes)
{
    struct sq_twcc_sent *sent = &l->sent[seq & (l->room - 1)];
    sent->size_bytes = (uint16_t)sq_min_u64(sent->size_bytes + bytes, UINT16_MAX);
}

/* Ticks to add to the times of this feedback, since its reference time has only 24 bits. */
static int64_t unwrap_reference(struct sq_twcc_log *l, int32_t reference)
{
    if (!l->ref_set) {
        l->ref_set = true;
        l->ref_unwrapped = reference;
    } else {
        uint32_t step = ((uint32_t)reference - (uint32_t)l->ref_unwrapped) & 0xffffffu;
        l->ref_unwrapped += step < 0x800000u ? (int64_t)step : (int64_t)step - 0x1000000;
    }
    return (l->ref_unwrapped - reference) * TICKS_PER_REF;
}

/* What is gathered over the packets of one feedback. */
struct gather {
    struct sq_twcc_summary sum;
    uint64_t last_sent_ns; /* of the neighbour received before */
    int64_t last_arrival_ns;
    uint32_t gaps;
    uint64_t gap_total_ns;
    int64_t newest_arrival_ns;
};

static void gather_received(struct gather *g, uint64_t now_ns, const struct sq_twcc_result *r)
{
    if (g->sum.received > 0) {
        int64_t arrival_gap = r->arrival_ns - g->last_arrival_ns;
        int64_t send_gap = (int64_t)(r->sent_ns - g->last_sent_ns);
        int64_t change = arrival_gap - send_gap;
        g->gap_total_ns += (uint64_t)(change < 0 ? -change : change);
        g->gaps++;
    }
    if (g->sum.received == 0 || r->arrival_ns >= g->newest_arrival_ns) {
        g->newest_arrival_ns = r->arrival_ns;
        g->sum.rtt_ns = now_ns - r->sent_ns;
    }
    g->last_sent_ns = r->sent_ns;
    g->last_arrival_ns = r->arrival_ns;
    g->sum.received++;
    g->sum.received_bytes += r->size_bytes;
    g->sum.recovered += r->was_lost;
}

/* Settles what one status says of a packet in the log; false if that is nothing new. */
static bool settle(struct sq_twcc_log *l, const struct sq_rtcp_twcc_status *st)
{
    struct sq_twcc_sent *sent = &l->sent[st->seq & (l->room - 1)];
    uint16_t behind = (uint16_t)(l->next_seq - 1 - st->seq);
    if (behind >= l->used || sent->fate == RECEIVED || (sent->fate == LOST && !st->received)) {
        return false;
    }
    if (st->received) {
        l->packets_acked++;
        l->packets_lost -= sent->fate == LOST;
        sent->fate = RECEIVED;
    } else {
        l->packets_lost++;
        sent->fate = LOST;
    }
    return true;
}

size_t sq_twcc_log_on_feedback(struct sq_twcc_log *l, uint64_t now_ns,
                               const struct sq_rtcp_twcc *fb, struct sq_twcc_result *ret_results,
                               size_t max, struct sq_twcc_summary *ret_summary)
{
    struct gather g = {.gaps = 0};
    struct sq_rtcp_twcc_iter it = sq_rtcp_twcc_iter(fb);
    struct sq_rtcp_twcc_status st;
    int64_t more_ticks = unwrap_reference(l, fb->reference_time);
    uint64_t now_us = now_ns / SQ_NS_PER_US;
    size_t count = 0;
    while (count < max && sq_rtcp_twcc_next(&it, &st)) {
        const struct sq_twcc_sent *sent = &l->sent[st.seq & (l->room - 1)];
        bool was_lost = sent->fate == LOST;
        if (!settle(l, &st)) {
            continue;
        }
        uint32_t age_us = (uint32_t)now_us - sent->at_us;
        struct sq_twcc_result *r = &ret_results[count++];
        *r = (struct sq_twcc_result){
            .seq = st.seq,
            .size_bytes = sent->size_bytes,
            .probe = sent->probe,
            .received = st.received,
            .was_lost = was_lost,
            .sent_ns = (now_us - age_us) * SQ_NS_PER_US,
            .arrival_ns = st.received ? (st.at_ticks + more_ticks) * (int64_t)SQ_TWCC_TICK_NS : 0,
        };
        if (r->received) {
            gather_received(&g, now_ns, r);
        } else {
            g.sum.lost++;
        }
    }
    uint16_t last = (uint16_t)(fb->base_seq + fb->status_count - 1);
    uint16_t behind = (uint16_t)(l->next_seq - 1 - last);
    uint16_t told_behind = (uint16_t)(l->next_seq - 1 - l->told_seq);
    if (behind < l->used && (l->feedbacks == 0 || behind < told_behind)) {
        l->told_seq = last;
    }
    g.sum.delay_var_ns = g.gaps ? g.gap_total_ns / g.gaps : 0;
    l->feedbacks++;
    *ret_summary = g.sum;
    return count;
}

/* ---- Receiver ---- */

uint64_t sq_twcc_interval_ns(uint64_t send_bps)
{
    uint64_t ns = INTERVAL_MAX_NS;
    if (send_bps > 0) {
        ns = sq_min_u64(ns, REPORT_BITS * REPORT_SHARE * SQ_NS_PER_SEC / send_bps);
    }
    ns = sq_max_u64(ns, INTERVAL_MIN_NS);
    return (ns + TIMER_TICK_NS - 1) / TIMER_TICK_NS * TIMER_TICK_NS;
}

int sq_twcc_recorder_init(struct sq_twcc_recorder *r, uint32_t room, uint64_t interval_ns)
{
    interval_ns = interval_ns ? interval_ns : SQ_TWCC_INTERVAL_NS;
    if (!room_is_good(room) || interval_ns < INTERVAL_MIN_NS || interval_ns > INTERVAL_MAX_NS) {
        return SQ_ERR_INVALID;
    }
    uint32_t *arrival = sq_calloc(room, sizeof(*arrival));
    if (!arrival) {
        return SQ_ERR_NOMEM;
    }
    *r = (struct sq_twcc_recorder){
        .arrival = arrival,
        .room = room,
        .most = room,
        .interval_ns = interval_ns,
        .next_ns = SQ_NEVER,
        .restart_seq = NO_RESTART,
    };
    return 0;
}

void sq_twcc_recorder_close(struct sq_twcc_recorder *r)
{
    if (r) {
        sq_free(r->arrival);
        *r = (struct sq_twcc_recorder){.next_ns = SQ_NEVER};
    }
}

/* The first news since the last feedback: at the next of the intervals that have been going by. */
static void set_due(struct sq_twcc_recorder *r, uint64_t now_ns)
{
    uint64_t due_ns = r->last_ns + r->interval_ns;
    if (due_ns <= now_ns) {
        due_ns += ((now_ns - due_ns) / r->interval_ns + 1) * r->interval_ns;
    }
    r->news = true;
    r->next_ns = due_ns;
}

static uint32_t *slot(const struct sq_twcc_recorder *r, uint64_t ext)
{
    return &r->arrival[ext & (r->room - 1)];
}

static void start_over(struct sq_twcc_recorder *r, uint64_t ext)
{
    memset(r->arrival, 0, r->room * sizeof(*r->arrival));
    r->start_ext = ext;
    r->end_ext = ext;
    r->known_ext = 0;
    r->restart_seq = NO_RESTART;
    r->news = false;
}

/* To hold `span` numbers up to the end and beyond it. Without memory it stays as it is. */
static void grow_recorder(struct sq_twcc_recorder *r, uint64_t span)
{
    uint32_t room = r->room;
    while (room < span) {
        room *= 2;
    }
    uint32_t *arrival = sq_calloc(room, sizeof(*arrival));
    if (!arrival) {
        return;
    }
    r->known_ext = sq_max_u64(r->known_ext, r->end_ext - r->room);
    for (uint64_t ext = r->end_ext - r->room; ext < r->end_ext; ext++) {
        arrival[ext & (room - 1)] = *slot(r, ext);
    }
    sq_free(r->arrival);
    r->arrival = arrival;
    r->room = room;
}

/* Makes room for `ext`, which lies at or behind the end. */
static void reach(struct sq_twcc_recorder *r, uint64_t ext)
{
    uint64_t span = ext + 1 - r->start_ext; /* what has not been told, losses too */
    if (span > r->room && span <= r->most) {
        grow_recorder(r, span);
    }
    if (ext - r->end_ext >= r->room) {
        start_over(r, ext);
    }
    while (r->end_ext <= ext) {
        *slot(r, r->end_ext++) = 0;
    }
    if (r->end_ext - r->start_ext > r->room) {
        r->start_ext = r->end_ext - r->room;
    }
}

void sq_twcc_recorder_on_packet(struct sq_twcc_recorder *r, uint64_t now_ns, uint16_t transport_seq,
                                uint32_t media_ssrc)
{
    if (!r->started) {
        r->started = true;
        r->last_ns = now_ns;
        start_over(r, 65536 + (uint64_t)transport_seq);
    }
    int16_t ahead = (int16_t)(transport_seq - (uint16_t)r->end_ext);
    uint64_t ext = r->end_ext + (uint64_t)(int64_t)ahead;
    r->packets_seen++;
    if (ahead >= 0) {
        reach(r, ext);
    } else if (-ahead > (int)r->room) {
        /* Too old for the ring; two in a row are a sender that began anew. */
        bool again = transport_seq == r->restart_seq;
        r->restart_seq = (uint16_t)(transport_seq + 1);
        if (!again) {
            r->packets_ignored++;
            return;
        }
        ext = 65536 + (uint64_t)transport_seq;
        start_over(r, ext);
        reach(r, ext);
    } else if (*slot(r, ext) || ext < r->known_ext) {
        r->packets_ignored++;
        return;
    } else if (ext < r->start_ext) {
        /* Called lost before: told again from here on, as browsers do. */
        r->start_ext = ext;
    }
    uint32_t ticks = (uint32_t)(now_ns / SQ_TWCC_TICK_NS);
    *slot(r, ext) = ticks ? ticks : 1;
    r->media_ssrc = media_ssrc;
    if (!r->news) {
        set_due(r, now_ns);
    }
}

/* Takes statuses from start_ext on as long as they fit `room` bytes and their deltas 16 bits.
 * Returns how many, the last of them received; 0 if none fits. */
static size_t take_marks(const struct sq_twcc_recorder *r, uint64_t now_ns, size_t room,
                         struct sq_rtcp_twcc_mark *marks, int32_t *ret_reference)
{
    uint64_t now_ticks = now_ns / SQ_TWCC_TICK_NS;
    int64_t last_ticks = 0;
    size_t last = 0;
    size_t delta_bytes = 0;
    bool any = false;
    for (size_t n = 0; n < MARKS_MAX && r->start_ext + n < r->end_ext; n++) {
        uint32_t stored = *slot(r, r->start_ext + n);
        marks[n] = (struct sq_rtcp_twcc_mark){.received = stored != 0};
        if (!stored) {
            continue;
        }
        /* An arrival may be stamped a little later than now, see sq_peer_receive. */
        int64_t ticks = (int64_t)now_ticks - (int32_t)((uint32_t)now_ticks - stored);
        if (!any) {
            any = true;
            last_ticks = ticks / TICKS_PER_REF * TICKS_PER_REF;
            *ret_reference = (int32_t)(last_ticks / TICKS_PER_REF & 0xffffff);
        }
        int64_t delta = ticks - last_ticks;
        delta_bytes += delta >= 0 && delta <= 255 ? 1 : 2;
        size_t most = FIXED_BYTES + 2 * (n / 7 + 1) + delta_bytes + 3;
        if (delta < INT16_MIN || delta > INT16_MAX || most > room) {
            break;
        }
        marks[n].delta_ticks = (int16_t)delta;
        last_ticks = ticks;
        last = n + 1;
    }
    return last;
}

bool sq_twcc_recorder_build(struct sq_twcc_recorder *r, uint64_t now_ns, uint32_t sender_ssrc,
                            struct sq_wire *w)
{
    struct sq_rtcp_twcc_mark marks[MARKS_MAX];
    size_t room = sq_min_u64(sq_wire_left(w), SQ_TWCC_FEEDBACK_BYTES);
    if (!r->news || room < BUILD_LEAST) {
        return false;
    }
    /* A hole that is longer than a message is left untold, but for its end. */
    uint64_t first = r->start_ext;
    while (*slot(r, first) == 0) {
        first++;
    }
    uint64_t most_before = (room - FIXED_BYTES - 8) / 2 * 7;
    most_before = sq_min_u64(most_before, MARKS_MAX - 1);
    if (first - r->start_ext > most_before) {
        r->start_ext = first - most_before;
    }
    int32_t reference = 0;
    size_t n = take_marks(r, now_ns, room, marks, &reference);
    if (n == 0) {
        return false;
    }
    const struct sq_rtcp_twcc fb = {
        .sender_ssrc = sender_ssrc,
        .media_ssrc = r->media_ssrc,
        .base_seq = (uint16_t)r->start_ext,
        .reference_time = reference,
        .fb_count = r->fb_count++,
    };
    sq_rtcp_put_twcc(w, &fb, marks, n);
    r->start_ext += n;
    r->last_ns = r->next_ns;
    r->feedbacks++;
    r->news = r->start_ext < r->end_ext;
    r->next_ns = r->news ? r->last_ns : SQ_NEVER;
    return true;
}
