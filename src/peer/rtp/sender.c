#include "peer/rtp/sender.h"

#include "base/mem.h"

#define RESEND_SLACK_MS 5           /* libwebrtc's RTPSender::OnReceivedNack */
#define RTT_MOST_UNITS  (60u << 16) /* a longer round trip is a wrong report */
#define RTT_SLACK_UNITS 66u         /* 1 ms below zero: rounding of the three times */

int sq_rtp_sender_init(struct sq_rtp_sender *s, uint32_t ssrc, uint16_t first_seq, uint32_t ts_base,
                       uint32_t clock_rate, enum sq_rtp_kind kind, uint32_t history_packets)
{
    if (clock_rate == 0 || history_packets > SQ_RTP_HISTORY_MAX ||
        (history_packets & (history_packets - 1)) != 0) {
        return SQ_ERR_INVALID;
    }
    struct sq_rtp_sender made = {
        .ssrc = ssrc,
        .clock_rate = clock_rate,
        .kind = kind,
        .next_seq = first_seq,
        .first_seq = first_seq,
        .ts_base = ts_base,
        .history_room = history_packets,
    };
    if (history_packets) {
        made.history = sq_calloc(history_packets, sizeof(*made.history));
        made.resent_ms = sq_calloc(history_packets, sizeof(*made.resent_ms));
        if (!made.history || !made.resent_ms) {
            sq_rtp_sender_close(&made);
            return SQ_ERR_NOMEM;
        }
    }
    *s = made;
    return 0;
}

void sq_rtp_sender_close(struct sq_rtp_sender *s)
{
    if (!s) {
        return;
    }
    sq_free(s->history);
    sq_free(s->resent_ms);
    s->history = NULL;
    s->resent_ms = NULL;
    s->history_room = s->history_used = 0;
}

static void skip_to(struct sq_rtp_sender *s, uint16_t seq)
{
    uint16_t ahead = (uint16_t)(seq - s->next_seq);
    for (uint16_t i = 0; s->started && i < ahead && i < s->history_room; i++) {
        s->history[(uint16_t)(seq - 1 - i) & (s->history_room - 1)].cookie = SQ_RTP_NO_COOKIE;
    }
    if (s->started) {
        uint32_t used = s->history_used + ahead;
        s->history_used = used < s->history_room ? used : s->history_room;
        s->numbers_skipped += ahead;
    } else {
        s->first_seq = seq;
    }
    s->next_seq = seq;
}

uint16_t sq_rtp_sender_take_at(struct sq_rtp_sender *s, uint64_t now_ns, uint16_t seq, uint32_t ts,
                               size_t header_bytes, size_t payload_bytes, uint32_t cookie)
{
    uint16_t next_seq = s->next_seq;
    if (!s->started || (int16_t)(seq - next_seq) >= 0) {
        skip_to(s, seq);
        return sq_rtp_sender_take(s, now_ns, ts, header_bytes, payload_bytes, cookie);
    }
    /* Late: neither the count nor the clock of sender reports follows it. */
    uint32_t ts_last = s->ts_last;
    uint64_t ts_at_ns = s->ts_at_ns;
    uint32_t used = s->history_used;
    struct sq_rtp_history_entry *place =
        s->history ? &s->history[seq & (s->history_room - 1)] : NULL;
    struct sq_rtp_history_entry newer = place ? *place : (struct sq_rtp_history_entry){0};
    s->next_seq = seq;
    sq_rtp_sender_take(s, now_ns, ts, header_bytes, payload_bytes, cookie);
    s->next_seq = next_seq;
    s->ts_last = ts_last;
    s->ts_at_ns = ts_at_ns;
    s->history_used = used;
    if (place && (uint16_t)(next_seq - seq) > s->history_room) {
        *place = newer; /* too late to be kept */
    }
    return seq;
}

int sq_rtp_sender_find(const struct sq_rtp_sender *s, uint16_t seq,
                       struct sq_rtp_resend *ret_packet)
{
    uint16_t behind = (uint16_t)(s->next_seq - 1 - seq);
    if (behind >= s->history_used) {
        return SQ_ERR_NOTFOUND;
    }
    const struct sq_rtp_history_entry *e = &s->history[seq & (s->history_room - 1)];
    if (e->cookie == SQ_RTP_NO_COOKIE) {
        return SQ_ERR_NOTFOUND;
    }
    *ret_packet = (struct sq_rtp_resend){.seq = seq, .ts = e->ts, .cookie = e->cookie};
    return 0;
}

size_t sq_rtp_sender_on_nack(struct sq_rtp_sender *s, uint64_t now_ns, uint64_t rtt_ns,
                             const struct sq_rtcp_nack *nack, struct sq_rtp_resend *ret_packets,
                             size_t max)
{
    uint64_t hold_ms = rtt_ns / SQ_NS_PER_MS + RESEND_SLACK_MS;
    uint16_t now_ms = (uint16_t)(now_ns / SQ_NS_PER_MS);
    now_ms = now_ms ? now_ms : 1; /* 0 means never */
    size_t count = 0;
    s->nack_count++;
    for (size_t i = 0; i < nack->pair_count && count < max; i++) {
        const struct sq_rtcp_nack pair = {.pairs = nack->pairs + 4 * i, .pair_count = 1};
        uint16_t seqs[SQ_RTCP_NACK_PER_PAIR];
        size_t n = sq_rtcp_nack_seqs(&pair, seqs, SQ_RTCP_NACK_PER_PAIR);
        for (size_t k = 0; k < n && count < max; k++) {
            struct sq_rtp_resend found;
            if (sq_rtp_sender_find(s, seqs[k], &found) != 0) {
                s->nack_misses++;
                continue;
            }
            uint16_t *resent = &s->resent_ms[seqs[k] & (s->history_room - 1)];
            if (*resent && (uint16_t)(now_ms - *resent) < hold_ms) {
                s->nack_suppressed++;
                continue;
            }
            *resent = now_ms;
            ret_packets[count++] = found;
        }
    }
    return count;
}

void sq_rtp_sender_resent(struct sq_rtp_sender *s, uint64_t now_ns, size_t header_bytes,
                          size_t payload_bytes)
{
    s->packets_sent++;
    s->bytes_sent += payload_bytes;
    s->header_bytes_sent += header_bytes;
    s->retransmitted_packets_sent++;
    s->retransmitted_bytes_sent += payload_bytes;
    s->last_packet_sent_ns = now_ns;
}

bool sq_rtp_sender_on_fir(struct sq_rtp_sender *s, uint8_t command_seq)
{
    s->fir_count++;
    if (s->fir_started && s->fir_seq == command_seq) {
        return false;
    }
    s->fir_started = true;
    s->fir_seq = command_seq;
    return true;
}

uint32_t sq_rtp_sender_ts_at(const struct sq_rtp_sender *s, uint64_t now_ns)
{
    if (!s->started) {
        return s->ts_base;
    }
    uint64_t since_ns = now_ns - sq_min_u64(now_ns, s->ts_at_ns);
    uint64_t units = since_ns / SQ_NS_PER_SEC * s->clock_rate +
                     since_ns % SQ_NS_PER_SEC * s->clock_rate / SQ_NS_PER_SEC;
    return s->ts_last + (uint32_t)units;
}

bool sq_rtp_sender_report(struct sq_rtp_sender *s, uint64_t now_ns, uint64_t ntp_now,
                          struct sq_rtcp_report *ret_sr)
{
    if (!s->started) {
        return false;
    }
    s->sr_count++;
    *ret_sr = (struct sq_rtcp_report){
        .is_sr = true,
        .ssrc = s->ssrc,
        .ntp = ntp_now,
        .rtp_ts = sq_rtp_sender_ts_at(s, now_ns),
        .packets = (uint32_t)s->packets_sent,
        .octets = (uint32_t)s->bytes_sent,
    };
    return true;
}

bool sq_rtcp_rtt(uint64_t ntp_now, uint32_t lsr, uint32_t dlsr, uint64_t *ret_rtt_ns)
{
    if (lsr == 0) { /* no SR had arrived there */
        return false;
    }
    uint32_t units = (uint32_t)(ntp_now >> 16) - lsr - dlsr;
    if (units > UINT32_MAX - RTT_SLACK_UNITS) {
        units = 0;
    }
    if (units > RTT_MOST_UNITS) {
        return false;
    }
    *ret_rtt_ns = (uint64_t)units * SQ_NS_PER_SEC >> 16;
    return true;
}

/* RFC 3550, A.3: the interval since the block before; the first begins with the first packet that
 * was sent. Where the highest number fell (a late report, or a receiver that began anew) or is that
 * of a receiver that came later than the first packets, what lies between is not known. */
static void add_interval(struct sq_rtp_sender *s, const struct sq_rtcp_block *block)
{
    bool first = s->reports_received == 0;
    uint64_t sent = s->packets_sent - s->retransmitted_packets_sent + s->numbers_skipped;
    uint64_t unreported = sent - sq_min_u64(sent, s->reported_expected);
    uint32_t expected = block->highest_seq - (first ? s->first_seq - 1U : s->remote_highest_seq);
    int64_t lost = (int64_t)block->cumulative_lost - (first ? 0 : s->remote_packets_lost);
    if ((int32_t)expected < 0 || (first && expected > unreported)) {
        return;
    }
    expected = (uint32_t)sq_min_u64(expected, unreported); /* whatever it claims */
    lost = lost > expected ? expected : lost;
    s->reported_expected += expected;
    s->reported_lost += lost < -s->reported_lost ? -s->reported_lost : lost;
}

void sq_rtp_sender_on_block(struct sq_rtp_sender *s, uint64_t now_ns, uint64_t ntp_now,
                            const struct sq_rtcp_block *block)
{
    uint64_t rtt_ns = 0;
    add_interval(s, block);
    s->reports_received++;
    s->remote_fraction_lost = block->fraction_lost;
    s->remote_packets_lost = block->cumulative_lost;
    s->remote_jitter = block->jitter;
    s->remote_highest_seq = block->highest_seq;
    s->remote_report_ns = now_ns;
    if (sq_rtcp_rtt(ntp_now, block->lsr, block->dlsr, &rtt_ns)) {
        s->rtt_min_ns = s->rtt_measurements ? sq_min_u64(s->rtt_min_ns, rtt_ns) : rtt_ns;
        s->rtt_ns = rtt_ns;
        s->rtt_at_ns = now_ns;
        s->rtt_total_ns += rtt_ns;
        s->rtt_measurements++;
    }
}

void sq_rtp_sender_stats(const struct sq_rtp_sender *s, struct sq_rtp_outbound_stats *ret_stats)
{
    *ret_stats = (struct sq_rtp_outbound_stats){
        .ssrc = s->ssrc,
        .packets_sent = s->packets_sent,
        .bytes_sent = s->bytes_sent,
        .header_bytes_sent = s->header_bytes_sent,
        .retransmitted_packets_sent = s->retransmitted_packets_sent,
        .retransmitted_bytes_sent = s->retransmitted_bytes_sent,
        .nack_count = s->nack_count,
        .pli_count = s->pli_count,
        .fir_count = s->fir_count,
        .frames_sent = s->frames_sent,
        .key_frames_sent = s->key_frames_sent,
    };
}

void sq_rtp_sender_remote_stats(const struct sq_rtp_sender *s,
                                struct sq_rtp_remote_inbound_stats *ret_stats)
{
    *ret_stats = (struct sq_rtp_remote_inbound_stats){
        .ssrc = s->ssrc,
        .reports_received = s->reports_received,
        .fraction_lost = s->remote_fraction_lost / 256.0,
        .packets_lost = s->remote_packets_lost,
        .reported_expected = s->reported_expected,
        .reported_lost = s->reported_lost,
        .jitter_s = s->clock_rate ? (double)s->remote_jitter / s->clock_rate : 0,
        .round_trip_time_s = (double)s->rtt_ns / 1e9,
        .round_trip_time_min_s = (double)s->rtt_min_ns / 1e9,
        .total_round_trip_time_s = (double)s->rtt_total_ns / 1e9,
        .round_trip_time_measurements = s->rtt_measurements,
    };
}
