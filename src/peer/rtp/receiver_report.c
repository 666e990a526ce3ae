/* The receiver's report blocks, the sender reports it gets, and its statistics. */
#include "peer/rtp/receiver.h"

static int64_t lost_of(const struct sq_rtp_receiver *r)
{
    return (int64_t)sq_rtp_receiver_expected(r) - (int64_t)r->packets_received;
}

/* RFC 3550, A.3. */
static uint8_t fraction_lost(struct sq_rtp_receiver *r)
{
    uint64_t expected = sq_rtp_receiver_expected(r);
    int64_t expected_now = (int64_t)(expected - r->expected_prior);
    int64_t lost_now = expected_now - (int64_t)(r->packets_received - r->received_prior);
    r->expected_prior = expected;
    r->received_prior = r->packets_received;
    if (expected_now <= 0 || lost_now <= 0) {
        return 0;
    }
    int64_t fraction = (lost_now << 8) / expected_now;
    return fraction > 255 ? 255 : (uint8_t)fraction; /* all lost would be 256 */
}

bool sq_rtp_receiver_report(struct sq_rtp_receiver *r, uint64_t now_ns,
                            struct sq_rtcp_block *ret_block)
{
    if (!r->started) {
        return false;
    }
    int64_t lost = lost_of(r);
    lost = lost > 0x7fffff ? 0x7fffff : lost < -0x800000 ? -0x800000 : lost;
    struct sq_rtcp_block b = {
        .ssrc = r->ssrc,
        .fraction_lost = fraction_lost(r),
        .cumulative_lost = (int32_t)lost,
        .highest_seq = (uint32_t)(r->highest_ext - 65536),
        .jitter = (uint32_t)r->jitter_units,
    };
    if (r->sr_count) {
        uint64_t since_ns = now_ns - sq_min_u64(now_ns, r->sr_arrival_ns);
        uint64_t sec = since_ns / SQ_NS_PER_SEC;
        uint64_t part = (since_ns % SQ_NS_PER_SEC << 16) / SQ_NS_PER_SEC;
        b.lsr = (uint32_t)(r->sr_ntp >> 16);
        b.dlsr = (uint32_t)sq_min_u64(sec << 16 | part, UINT32_MAX);
    }
    *ret_block = b;
    return true;
}

/* Continues a counter of 32 bits; one that falls is a sender that began anew. */
static uint64_t unwrap(uint64_t last, uint32_t now)
{
    uint32_t step = now - (uint32_t)last;
    return step < 0x80000000u ? last + step : now;
}

void sq_rtp_receiver_on_sr(struct sq_rtp_receiver *r, uint64_t now_ns,
                           const struct sq_rtcp_report *sr)
{
    r->remote_packets = r->sr_count ? unwrap(r->remote_packets, sr->packets) : sr->packets;
    r->remote_bytes = r->sr_count ? unwrap(r->remote_bytes, sr->octets) : sr->octets;
    r->sr_ntp = sr->ntp;
    r->sr_rtp_ts = sr->rtp_ts;
    r->sr_arrival_ns = now_ns;
    r->sr_count++;
}

bool sq_rtp_receiver_ntp_of(const struct sq_rtp_receiver *r, uint32_t ts, uint64_t *ret_ntp)
{
    if (!r->sr_count || !r->clock_rate) {
        return false;
    }
    int64_t units = (int32_t)(ts - r->sr_rtp_ts);
    /* Units fit 32 bits, so their 32.32 seconds are taken apart without overflow. */
    int64_t whole = units / (int64_t)r->clock_rate;
    int64_t rest = units % (int64_t)r->clock_rate;
    int64_t fraction = rest * (1LL << 32) / (int64_t)r->clock_rate;
    *ret_ntp = r->sr_ntp + ((uint64_t)whole << 32) + (uint64_t)fraction;
    return true;
}

void sq_rtp_receiver_stats(const struct sq_rtp_receiver *r, struct sq_rtp_inbound_stats *ret_stats)
{
    uint64_t expected = sq_rtp_receiver_expected(r);
    uint64_t unique = r->packets_received - r->packets_duplicated - r->packets_too_old +
                      r->packets_repaired_elsewhere + r->packets_recovered;
    uint64_t residual = expected > unique ? expected - unique : 0;
    *ret_stats = (struct sq_rtp_inbound_stats){
        .ssrc = r->ssrc,
        .packets_expected = expected,
        .packets_received = r->packets_received,
        .packets_lost = lost_of(r),
        .packets_lost_network = residual + r->retransmitted_packets_received + r->packets_recovered,
        .packets_lost_residual = residual,
        .packets_duplicated = r->packets_duplicated,
        .packets_discarded = r->packets_discarded + r->packets_too_old,
        .packets_late = r->packets_late,
        .packets_abandoned = r->packets_abandoned,
        .bytes_received = r->bytes_received,
        .header_bytes_received = r->header_bytes_received,
        .retransmitted_packets_received = r->retransmitted_packets_received,
        .retransmitted_bytes_received = r->retransmitted_bytes_received,
        .packets_recovered = r->packets_recovered,
        .jitter_s = r->clock_rate ? r->jitter_units / r->clock_rate : 0,
        .jitter_units = (uint32_t)r->jitter_units,
        .nack_count = r->nack_count,
        .pli_count = r->pli_count,
        .fir_count = r->fir_count,
        .restarts = r->restarts,
        .last_packet_received_ns = r->last_packet_received_ns,
    };
}

void sq_rtp_receiver_remote_stats(const struct sq_rtp_receiver *r,
                                  struct sq_rtp_remote_outbound_stats *ret_stats)
{
    *ret_stats = (struct sq_rtp_remote_outbound_stats){
        .ssrc = r->ssrc,
        .packets_sent = r->remote_packets,
        .bytes_sent = r->remote_bytes,
        .reports_sent = r->sr_count,
        .remote_ntp = r->sr_count ? r->sr_ntp : 0,
    };
}
