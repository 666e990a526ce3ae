#include "peer/rtp/receiver.h"

#include "base/mem.h"
#include <math.h>

#define SEQ_CYCLE        65536u
#define NO_BAD_SEQ       (SEQ_CYCLE + 1) /* RFC 3550, A.1 */
#define RTT_UNKNOWN_MS   100
#define GIVE_UP_MOST_MS  2000
#define JITTER_JUMP_SEC  5  /* a larger step of transit time is a new clock, not jitter */
#define OLD_TS_MOST_SEC  60 /* a packet of the past is not older than this */
#define NEW_TS_MOST_SEC  1  /* nor newer by this than the newest */
#define OUTAGE_LEAST_NS  SQ_NS_PER_SEC
#define OUTAGE_RATE_MORE 4 /* times the usual packet rate */

void sq_rtp_receiver_init(struct sq_rtp_receiver *r, uint32_t ssrc, uint32_t clock_rate,
                          enum sq_rtp_kind kind, bool nack)
{
    memset(r, 0, sizeof(*r));
    r->ssrc = ssrc;
    r->clock_rate = clock_rate;
    r->kind = kind;
    r->nack = nack;
    r->bad_seq = NO_BAD_SEQ;
    r->missing_most = SQ_RTP_MISSING_MOST;
    r->units_per_ns = clock_rate / 1e9;
    r->nack_next_ns = SQ_NEVER;
}

void sq_rtp_receiver_close(struct sq_rtp_receiver *r)
{
    sq_free(r->more);
    r->more = NULL;
    r->missing_count = r->unasked_count = 0;
    r->nack_next_ns = SQ_NEVER;
}

/* ---- The window of what was seen ---- */

static bool bit_get(const uint64_t *map, uint64_t ext)
{
    return map[ext % SQ_RTP_WINDOW / 64] >> (ext % 64) & 1;
}

static void bit_set(uint64_t *map, uint64_t ext)
{
    map[ext % SQ_RTP_WINDOW / 64] |= 1ULL << (ext % 64);
}

static void bit_clear(uint64_t *map, uint64_t ext)
{
    map[ext % SQ_RTP_WINDOW / 64] &= ~(1ULL << (ext % 64));
}

static void window_clear(struct sq_rtp_receiver *r)
{
    memset(r->seen, 0, sizeof(r->seen));
    memset(r->asked, 0, sizeof(r->asked));
}

/* ---- Missing packets ---- */

static uint32_t missing_ms(const struct sq_rtp_receiver *r, uint64_t now_ns)
{
    /* Arrivals are stamped by the kernel, time-outs by the caller: they may differ by a little. */
    return now_ns > r->missing_epoch_ns ? (uint32_t)((now_ns - r->missing_epoch_ns) / SQ_NS_PER_MS)
                                        : 0;
}

/* Oldest first. */
static struct sq_rtp_missing *list_of(struct sq_rtp_receiver *r)
{
    return r->more ? r->more : r->missing;
}

static void none_missing(struct sq_rtp_receiver *r)
{
    r->nack_next_ns = SQ_NEVER;
    sq_free(r->more);
    r->more = NULL;
}

static void missing_remove(struct sq_rtp_receiver *r, unsigned first, unsigned n)
{
    struct sq_rtp_missing *list = list_of(r);
    unsigned asked = r->missing_count - r->unasked_count;
    unsigned from = first > asked ? first : asked;
    if (first + n > from) {
        r->unasked_count = (uint16_t)(r->unasked_count - (first + n - from));
    }
    memmove(list + first, list + first + n, (r->missing_count - first - n) * sizeof(*list));
    r->missing_count = (uint16_t)(r->missing_count - n);
    if (r->missing_count == 0) {
        none_missing(r);
    }
}

/* The list moves to where it has room for the most. */
static bool grow_list(struct sq_rtp_receiver *r)
{
    struct sq_rtp_missing *more = sq_calloc(SQ_RTP_MISSING_MOST, sizeof(*more));
    if (!more) {
        return false;
    }
    memcpy(more, r->missing, r->missing_count * sizeof(*more));
    r->more = more;
    return true;
}

/* More is missing than can be asked for: the oldest `n` of the list, and `unlisted` packets. */
static void overflow(struct sq_rtp_receiver *r, unsigned n, unsigned unlisted)
{
    r->packets_abandoned += (uint64_t)n + unlisted;
    r->key_frame_needed = r->kind == SQ_RTP_VIDEO;
    missing_remove(r, 0, n);
}

/* `n` packets from `first` on did not come before `seen_by` did. */
static void missing_add(struct sq_rtp_receiver *r, uint64_t now_ns, uint16_t first, unsigned n,
                        uint16_t seen_by)
{
    if (n > r->missing_most) {
        overflow(r, r->missing_count, n);
        return;
    }
    if (r->missing_count + n > r->missing_most) {
        overflow(r, r->missing_count + n - r->missing_most, 0);
    }
    if (!r->more && r->missing_count + n > SQ_RTP_MISSING_MAX && !grow_list(r)) {
        overflow(r, r->missing_count, n);
        return;
    }
    if (r->missing_count == 0) {
        r->missing_epoch_ns = now_ns;
    }
    uint32_t born_ms = missing_ms(r, now_ns);
    struct sq_rtp_missing *list = list_of(r);
    for (unsigned i = 0; i < n; i++) {
        list[r->missing_count++] = (struct sq_rtp_missing){
            .seq = (uint16_t)(first + i), .seen_by = seen_by, .born_ms = born_ms};
    }
    r->unasked_count = (uint16_t)(r->unasked_count + n);
    r->nack_next_ns = sq_min_u64(r->nack_next_ns, now_ns + SQ_RTP_NACK_WAIT_MS * SQ_NS_PER_MS);
}

/* A missing packet came. True where it came so soon after the only request that it can't be the
 * answer: then it is the original, held up on its way. */
static bool missing_fill(struct sq_rtp_receiver *r, uint64_t now_ns, uint16_t seq)
{
    for (unsigned i = 0; i < r->missing_count; i++) {
        const struct sq_rtp_missing *m = &list_of(r)[i];
        if (m->seq != seq) {
            continue;
        }
        /* Below zero where it lay in the socket while it was asked for. */
        int64_t since_ms = (int64_t)missing_ms(r, now_ns) - m->born_ms - m->asked_after_ms;
        bool original = m->tries == 1 && since_ms < (int64_t)(r->rtt_ns / 2 / SQ_NS_PER_MS);
        missing_remove(r, i, 1);
        return original;
    }
    return false;
}

size_t sq_rtp_receiver_nacks(struct sq_rtp_receiver *r, uint64_t now_ns, uint64_t rtt_ns,
                             uint16_t *ret_seqs, size_t max)
{
    r->rtt_ns = rtt_ns;
    if (r->missing_count == 0 || now_ns < r->nack_next_ns) {
        return 0;
    }
    uint64_t rtt_ms = rtt_ns ? (rtt_ns + SQ_NS_PER_MS - 1) / SQ_NS_PER_MS : RTT_UNKNOWN_MS;
    rtt_ms = sq_min_u64(rtt_ms, GIVE_UP_MOST_MS);
    uint32_t repeat_ms = (uint32_t)sq_max_u64(rtt_ms, SQ_RTP_NACK_REPEAT_MS);
    uint32_t give_up_ms =
        (uint32_t)sq_min_u64(sq_max_u64(3 * rtt_ms, SQ_RTP_NACK_GIVEUP_MS), GIVE_UP_MOST_MS);
    uint32_t now_ms = missing_ms(r, now_ns);
    uint32_t next_ms = UINT32_MAX;
    unsigned keep = 0;
    unsigned unasked = 0;
    size_t count = 0;
    struct sq_rtp_missing *list = list_of(r);
    for (unsigned i = 0; i < r->missing_count; i++) {
        struct sq_rtp_missing m = list[i];
        uint32_t due =
            m.tries ? m.born_ms + m.asked_after_ms + repeat_ms : m.born_ms + SQ_RTP_NACK_WAIT_MS;
        uint32_t age_ms = now_ms > m.born_ms ? now_ms - m.born_ms : 0;
        bool newer = (uint16_t)((uint16_t)r->highest_ext - m.seen_by) >= SQ_RTP_NACK_REORDER;
        bool is_due = now_ms >= due || (m.tries == 0 && newer);
        /* The last request has its round trip, too, before the packet is given up. */
        if (is_due && (age_ms >= give_up_ms || m.tries >= SQ_RTP_NACK_TRIES)) {
            r->packets_abandoned++;
            continue;
        }
        if (is_due && count == max) {
            due = now_ms;
        } else if (is_due) {
            ret_seqs[count++] = m.seq;
            m.tries++;
            m.asked_after_ms = (uint16_t)age_ms;
            uint64_t behind = (uint16_t)((uint16_t)r->highest_ext - m.seq);
            if (behind < SQ_RTP_WINDOW) {
                bit_set(r->asked, r->highest_ext - behind);
            }
            due = now_ms + repeat_ms;
        }
        next_ms = due < next_ms ? due : next_ms;
        unasked += m.tries == 0;
        list[keep++] = m;
    }
    r->missing_count = (uint16_t)keep;
    r->unasked_count = (uint16_t)unasked;
    r->nack_next_ns = r->missing_epoch_ns + next_ms * SQ_NS_PER_MS;
    if (keep == 0) {
        none_missing(r);
    }
    r->nack_packets += count;
    r->nack_count += count > 0;
    return count;
}

void sq_rtp_receiver_forget_before(struct sq_rtp_receiver *r, uint16_t seq)
{
    unsigned n = 0;
    while (n < r->missing_count && (int16_t)(list_of(r)[n].seq - seq) < 0) {
        n++;
    }
    if (n > 0) {
        missing_remove(r, 0, n);
    }
}

/* ---- Arrivals ---- */

static void count_packet(struct sq_rtp_receiver *r, uint64_t now_ns,
                         const struct sq_rtp_packet *pkt)
{
    r->packets_received++;
    r->bytes_received += pkt->payload_bytes;
    r->header_bytes_received += (uint64_t)pkt->header_bytes + pkt->padding_bytes;
    r->last_packet_received_ns = now_ns;
}

/* RFC 3550, A.8, with the division by 16 on real numbers instead of scaled integers. Of a video
 * frame the first packet counts alone, by its distance from the last one of the frame before: the
 * others leave when the sender's pacer lets them. */
static void count_jitter(struct sq_rtp_receiver *r, uint64_t now_ns, uint32_t ts)
{
    bool counts = r->kind == SQ_RTP_AUDIO || ts != r->jitter_ts;
    if (r->jitter_started && counts) {
        double gap = (double)(int64_t)(now_ns - r->jitter_at_ns) * r->units_per_ns;
        double d = fabs(gap - (int32_t)(ts - r->jitter_ts));
        if (d < (double)JITTER_JUMP_SEC * r->clock_rate) {
            r->jitter_units += (d - r->jitter_units) / 16;
        }
    }
    r->jitter_started = true;
    r->jitter_at_ns = now_ns;
    r->jitter_ts = ts;
}

/* The run of sequence numbers begins at `seq`. Extended numbers start in the second cycle, so that
 * packets from before the first one still have a number. */
static void begin_run(struct sq_rtp_receiver *r, uint16_t seq, uint32_t ts)
{
    window_clear(r);
    missing_remove(r, 0, r->missing_count);
    r->first_ext = r->highest_ext = SEQ_CYCLE + seq;
    r->highest_ts = ts;
    r->bad_seq = NO_BAD_SEQ;
    r->jitter_started = false;
    bit_set(r->seen, r->highest_ext);
}

/* A step of more than SQ_RTP_DROPOUT_MAX forward is an outage of the same source, and not a
 * restart, where the time-stamp went on with our clock and the step is not more than such a time
 * explains. */
static bool is_outage(const struct sq_rtp_receiver *r, uint64_t now_ns,
                      const struct sq_rtp_packet *pkt, unsigned ahead)
{
    uint64_t gap_ns = now_ns - sq_min_u64(now_ns, r->last_packet_received_ns);
    uint64_t life_ns = r->last_packet_received_ns - r->first_at_ns;
    if (ahead >= SEQ_CYCLE / 2 || gap_ns < OUTAGE_LEAST_NS || life_ns < OUTAGE_LEAST_NS) {
        return false;
    }
    double off = (double)gap_ns * r->units_per_ns - (int32_t)(pkt->ts - r->highest_ts);
    double usual = (double)r->packets_received / (double)life_ns * (double)gap_ns;
    return fabs(off) < r->clock_rate && ahead <= OUTAGE_RATE_MORE * usual;
}

/* Whether the time-stamp fits a packet that is behind the newest. */
static bool is_past(const struct sq_rtp_receiver *r, const struct sq_rtp_packet *pkt)
{
    int64_t newer = (int32_t)(pkt->ts - r->highest_ts);
    return newer <= (int64_t)NEW_TS_MOST_SEC * r->clock_rate &&
           -newer <= (int64_t)OLD_TS_MOST_SEC * r->clock_rate;
}

/* The highest is now `pkt`, `ahead` after the one before. */
static unsigned advance(struct sq_rtp_receiver *r, uint64_t now_ns, const struct sq_rtp_packet *pkt,
                        unsigned ahead)
{
    unsigned flags = SQ_RTP_RX_NEW;
    uint64_t ext = r->highest_ext + ahead;
    if (ahead > 1) {
        flags |= SQ_RTP_RX_GAP;
        if (ahead >= SQ_RTP_WINDOW) {
            window_clear(r);
        } else {
            for (uint64_t gone = r->highest_ext + 1; gone < ext; gone++) {
                bit_clear(r->seen, gone);
                bit_clear(r->asked, gone);
            }
        }
        if (r->nack) {
            missing_add(r, now_ns, (uint16_t)(r->highest_ext + 1), ahead - 1, pkt->seq);
        }
    }
    bit_set(r->seen, ext);
    r->highest_ext = ext;
    r->highest_ts = pkt->ts;
    if (r->unasked_count) {
        const struct sq_rtp_missing *m = &list_of(r)[r->missing_count - r->unasked_count];
        if ((uint16_t)(pkt->seq - m->seen_by) >= SQ_RTP_NACK_REORDER) {
            r->nack_next_ns = sq_min_u64(r->nack_next_ns, now_ns);
        }
    }
    return flags;
}

static unsigned go_forward(struct sq_rtp_receiver *r, uint64_t now_ns,
                           const struct sq_rtp_packet *pkt, unsigned ahead)
{
    unsigned flags = advance(r, now_ns, pkt, ahead);
    count_packet(r, now_ns, pkt);
    count_jitter(r, now_ns, pkt->ts);
    return flags;
}

/* Within the window, behind the highest. */
static unsigned go_back(struct sq_rtp_receiver *r, uint64_t now_ns, const struct sq_rtp_packet *pkt,
                        unsigned behind)
{
    uint64_t ext = r->highest_ext - behind;
    count_packet(r, now_ns, pkt);
    if (bit_get(r->seen, ext)) {
        r->packets_duplicated++;
        return SQ_RTP_RX_DUPLICATE;
    }
    bit_set(r->seen, ext);
    if (ext < r->first_ext) {
        r->first_ext = ext;
    }
    bool original = missing_fill(r, now_ns, pkt->seq);
    if (bit_get(r->asked, ext) && !original) {
        r->retransmitted_packets_received++;
        r->retransmitted_bytes_received += pkt->payload_bytes;
        return SQ_RTP_RX_NEW | SQ_RTP_RX_RETRANSMITTED;
    }
    r->packets_late++;
    if (r->kind == SQ_RTP_AUDIO) {
        count_jitter(r, now_ns, pkt->ts);
    }
    return SQ_RTP_RX_NEW | SQ_RTP_RX_LATE;
}

/* A wild sequence number: RFC 3550, A.1. Two in a row are a restart of the source; unlike there,
 * the first of them is counted then. */
static unsigned go_wild(struct sq_rtp_receiver *r, uint64_t now_ns, const struct sq_rtp_packet *pkt)
{
    if (pkt->seq != r->bad_seq) {
        r->bad_seq = (uint16_t)(pkt->seq + 1);
        r->suspect_header_bytes = (uint16_t)(pkt->header_bytes + pkt->padding_bytes);
        r->suspect_payload_bytes = pkt->payload_bytes;
        r->packets_suspect++;
        return SQ_RTP_RX_SUSPECT;
    }
    r->expected_before += r->highest_ext - r->first_ext + 1;
    begin_run(r, (uint16_t)(pkt->seq - 1), pkt->ts);
    r->packets_suspect--;
    r->packets_received++;
    r->bytes_received += r->suspect_payload_bytes;
    r->header_bytes_received += r->suspect_header_bytes;
    r->restarts++;
    return go_forward(r, now_ns, pkt, 1) | SQ_RTP_RX_RESTART;
}

unsigned sq_rtp_receiver_on_packet(struct sq_rtp_receiver *r, uint64_t now_ns,
                                   const struct sq_rtp_packet *pkt)
{
    if (!r->started) {
        r->started = true;
        r->first_at_ns = now_ns;
        begin_run(r, pkt->seq, pkt->ts);
        count_packet(r, now_ns, pkt);
        count_jitter(r, now_ns, pkt->ts);
        return SQ_RTP_RX_NEW;
    }
    unsigned ahead = (uint16_t)(pkt->seq - (uint16_t)r->highest_ext);
    if (ahead - 1 < SQ_RTP_DROPOUT_MAX - 1) {
        return go_forward(r, now_ns, pkt, ahead);
    }
    unsigned behind = (SEQ_CYCLE - ahead) % SEQ_CYCLE;
    if (behind <= SQ_RTP_DROPOUT_MAX && is_past(r, pkt)) {
        if (behind < SQ_RTP_WINDOW) {
            return go_back(r, now_ns, pkt, behind);
        }
        count_packet(r, now_ns, pkt);
        r->packets_too_old++;
        return SQ_RTP_RX_TOO_OLD;
    }
    if (is_outage(r, now_ns, pkt, ahead)) {
        return go_forward(r, now_ns, pkt, ahead);
    }
    return go_wild(r, now_ns, pkt);
}

/* Bits of enum sq_rtp_rx. */
static unsigned fill(struct sq_rtp_receiver *r, uint64_t now_ns, uint16_t seq)
{
    unsigned behind = (uint16_t)((uint16_t)r->highest_ext - seq);
    if (!r->started || behind >= SQ_RTP_WINDOW) {
        return SQ_RTP_RX_TOO_OLD;
    }
    uint64_t ext = r->highest_ext - behind;
    if (ext < r->first_ext) {
        return SQ_RTP_RX_TOO_OLD;
    }
    if (bit_get(r->seen, ext)) {
        return SQ_RTP_RX_DUPLICATE;
    }
    bit_set(r->seen, ext);
    (void)missing_fill(r, now_ns, seq);
    return SQ_RTP_RX_NEW | SQ_RTP_RX_RETRANSMITTED;
}

unsigned sq_rtp_receiver_on_repair(struct sq_rtp_receiver *r, uint64_t now_ns, uint16_t seq,
                                   size_t payload_bytes)
{
    unsigned seen = fill(r, now_ns, seq);
    if (seen & SQ_RTP_RX_NEW) {
        r->packets_repaired_elsewhere++;
        r->retransmitted_packets_received++;
        r->retransmitted_bytes_received += payload_bytes;
    }
    return seen;
}

unsigned sq_rtp_receiver_on_recovered(struct sq_rtp_receiver *r, uint64_t now_ns,
                                      const struct sq_rtp_packet *pkt)
{
    unsigned ahead = (uint16_t)(pkt->seq - (uint16_t)r->highest_ext);
    /* The newest of all, when its parity comes on another stream. */
    unsigned seen = r->started && ahead != 0 && ahead < SQ_RTP_WINDOW
                        ? advance(r, now_ns, pkt, ahead)
                        : fill(r, now_ns, pkt->seq);
    r->packets_recovered += (seen & SQ_RTP_RX_NEW) != 0;
    return seen;
}
