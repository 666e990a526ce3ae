/* RTCP both ways: reports, NACK, PLI, FIR, REMB, transport-wide feedback and BYE. */
#include "base/mem.h"
#include "base/time.h"
#include "peer/peer.h"
#include "peer/peer_int.h"
#include "peer/rtp/schedule.h"
#include <string.h>

#define NACKS_MAX 256 /* sequence numbers of one NACK message: it holds them however they lie */
#define RESENDS_MAX                                                                                \
    64 /* at once, and in RESENDS_NS: more overflow a socket's buffer on their way */
#define RESENDS_NS   (20 * SQ_NS_PER_MS)
#define AROUND_BYTES 44   /* a packet of RTP: IPv4, UDP, SRTP's tag */
#define RESEND_BYTES 1200 /* what a retransmission is taken for before it is made */

/* Of a compound, in bytes: SR or RR without blocks and SDES with the longest CNAME; a block. */
#define SENDER_BYTES (28 + 44)
#define BLOCK_BYTES  24

#define RTT_AGE_NS                                                                                 \
    (1500 * SQ_NS_PER_MS) /* an older round trip is none, as for libwebrtc's CallStats */
#define SILENT_NS (8 * SQ_NS_PER_SEC) /* no word of a stream of which so long nothing came */

uint64_t sq_env_ntp(const struct sq_peer_env *env, uint64_t now_ns)
{
    return sq_ntp_from_wall_ns((uint64_t)((int64_t)now_ns + env->wall_offset_ns));
}

uint64_t sq_peer_report_rtt_ns(const struct sq_peer *peer, uint64_t now_ns, uint64_t age_ns)
{
    const struct sq_rtp_sender *newest = NULL;
    for (size_t i = 0; i < peer->tracks_len; i++) {
        const struct sq_track_tx *tx = peer->tracks[i]->tx;
        for (size_t k = 0; tx && k < tx->n; k++) {
            const struct sq_rtp_sender *one = &tx->encodings[k].rtp;
            if (one->rtt_measurements > 0 && (!newest || one->rtt_at_ns > newest->rtt_at_ns)) {
                newest = one;
            }
        }
    }
    return newest && now_ns <= newest->rtt_at_ns + age_ns ? newest->rtt_ns : 0;
}

uint64_t sq_peer_rtt_ns(const struct sq_peer *peer, uint64_t now_ns)
{
    struct sq_ice_pair_stats pair;
    uint64_t rtt_ns = sq_peer_report_rtt_ns(peer, now_ns, RTT_AGE_NS);
    if (rtt_ns > 0) {
        return rtt_ns;
    }
    if (sq_ice_selected_stats(peer->ice, &pair, NULL, NULL) == 0) {
        return pair.current_round_trip_ns;
    }
    return 0;
}

/* ---- Sending ---- */

struct compound {
    struct sq_wire w;
    uint8_t buf[SQ_RTCP_ROOM + SQ_SRTCP_OVERHEAD_MAX_BYTES];
};

static void begin(struct compound *c)
{
    c->w = sq_wire_writer(c->buf, SQ_RTCP_ROOM);
}

static void send_compound(struct sq_peer *peer, struct compound *c)
{
    size_t len;
    if (c->w.err || c->w.pos == 0 || !peer->srtp ||
        sq_srtp_protect_rtcp(peer->env->srtp, peer->srtp, c->buf, c->w.pos, sizeof(c->buf), &len) !=
            0) {
        return;
    }
    const struct sq_dgram dgram = {c->buf, len};
    sq_peer_send_dgrams(peer, &dgram, 1);
}

static const struct sq_encoding *first_sending(const struct sq_track *track)
{
    const struct sq_track_tx *tx = track->tx;
    for (size_t k = 0; tx && k < tx->n; k++) {
        if (tx->encodings[k].rtp.started) {
            return &tx->encodings[k];
        }
    }
    return NULL;
}

/* The SSRC to report on a track as: what it sends itself. A server may take what follows to be of
 * the section to which that belongs (Janus does), so no track speaks for another one. */
static uint32_t track_ssrc(const struct sq_track *track)
{
    const struct sq_encoding *e = first_sending(track);
    return e ? e->rtp.ssrc : track->ssrc;
}

/* The SSRC to speak as for all of it: of the first track that sends, else of the first track. */
static uint32_t own_ssrc(const struct sq_peer *peer)
{
    for (size_t i = 0; i < peer->tracks_len; i++) {
        const struct sq_encoding *e = first_sending(peer->tracks[i]);
        if (e) {
            return e->rtp.ssrc;
        }
    }
    return peer->tracks_len > 0 ? peer->tracks[0]->ssrc : 1;
}

/* Is there anything to tell its sender? RFC 3550, section 6.4: blocks are of sources heard of late;
 * libwebrtc leaves out those of which nothing came for 8 s. */
static bool is_heard(const struct sq_track *track, uint64_t now_ns)
{
    const struct sq_track_rx *rx = track->rx;
    return rx && track->can_receive && now_ns < rx->rtp.last_packet_received_ns + SILENT_NS;
}

/* Report blocks that are still to be told: none, or one. */
struct blocks {
    struct sq_rtcp_block one;
    size_t n;
};

static struct blocks block_of(struct sq_track *track, uint64_t now_ns)
{
    struct blocks blocks = {.n = 0};
    if (is_heard(track, now_ns) && sq_rtp_receiver_report(&track->rx->rtp, now_ns, &blocks.one)) {
        blocks.n = 1;
    }
    return blocks;
}

void sq_peer_estimate_for_remb(struct sq_track *track, uint64_t now_ns,
                               const struct sq_rtp_packet *packet, const struct sq_rtp_exts *exts,
                               bool again)
{
    struct sq_peer *peer = track->peer;
    if (track->kind != SQ_MEDIA_VIDEO || !track->can_receive || peer->forward_only ||
        peer->remb_bps > 0 ||
        (!peer->remote && sq_bwe_remote_create(&peer->remote) != 0)) { /* then none is told */
        return;
    }
    const struct sq_bwe_arrival arrival = {
        .now_ns = now_ns,
        .ssrc = packet->ssrc,
        .timestamp = packet->ts,
        .abs_send_time = exts->abs_send_time,
        .bytes = (size_t)packet->header_bytes + packet->payload_bytes + packet->padding_bytes +
                 AROUND_BYTES,
        .has_send_time = sq_rtp_has(exts, SQ_RTP_EXT_ABS_SEND_TIME),
        .again = again || packet->payload_bytes == 0,
    };
    if (sq_bwe_remote_on_packet(peer->remote, &arrival) && sq_peer_may_send(peer)) {
        peer->rtcp_at_ns =
            sq_min_u64(peer->rtcp_at_ns, now_ns); /* with the reports, as libwebrtc */
        sq_peer_due(peer, now_ns);
    }
}

/* Behind the first one's report that it is about. */
static void put_remb(const struct sq_track *first, uint64_t now_ns, struct sq_wire *w)
{
    const struct sq_peer *peer = first->peer;
    uint32_t ssrcs[SQ_PEER_TRACKS_MAX];
    size_t n = 0;
    for (size_t i = 0; i < peer->tracks_len; i++) {
        const struct sq_track *track = peer->tracks[i];
        if (is_heard(track, now_ns) && (track->fb & SQ_JSEP_FB_REMB) && !peer->twcc_negotiated) {
            if (n == 0 && track != first) {
                return;
            }
            ssrcs[n++] = track->rx->rtp.ssrc;
        }
    }
    uint64_t bps =
        peer->remb_bps == 0 && peer->remote ? sq_bwe_remote_bps(peer->remote) : peer->remb_bps;
    if (bps > 0 && n > 0) {
        struct compound c;
        begin(&c);
        sq_rtcp_put_remb(&c.w, track_ssrc(first), bps, ssrcs, n);
        if (!c.w.err && c.w.pos <= sq_wire_left(w)) {
            sq_wire_put(w, c.buf, c.w.pos);
        }
    }
}

static bool has_video(const struct sq_peer *peer)
{
    for (size_t i = 0; i < peer->tracks_len; i++) {
        const struct sq_track *track = peer->tracks[i];
        if (track->kind == SQ_MEDIA_VIDEO && (track->can_send || track->can_receive)) {
            return true;
        }
    }
    return false;
}

/* Of the stream of a clip's video that is sent at most, payload. */
static uint64_t video_bps(const struct sq_peer *peer)
{
    uint64_t most = 0;
    for (size_t i = 0; i < peer->tracks_len; i++) {
        const struct sq_track *track = peer->tracks[i];
        bool sends = track->kind == SQ_MEDIA_VIDEO && track->can_send && track->tx;
        for (size_t k = 0; sends && k < track->tx->n; k++) {
            most = sq_max_u64(most, sq_encoding_sending_bps(track, &track->tx->encodings[k]));
        }
    }
    return most;
}

/* Sender reports on video alone, between those on everything: libwebrtc sends them the more often
 * the faster the stream, its receiver reports do not follow. */
static void schedule_video(struct sq_peer *peer, uint64_t now_ns)
{
    uint64_t bps = video_bps(peer);
    peer->video_report_ns =
        bps > SQ_RTCP_REDUCED_BPS
            ? now_ns + sq_rtcp_interval_ns(SQ_RTP_VIDEO, false, bps, &peer->env->rand)
            : SQ_NEVER;
}

static void schedule(struct sq_peer *peer, uint64_t now_ns)
{
    enum sq_rtp_kind kind = has_video(peer) ? SQ_RTP_VIDEO : SQ_RTP_AUDIO;
    peer->rtcp_at_ns = now_ns + sq_rtcp_interval_ns(kind, peer->rtcp_first, 0, &peer->env->rand);
    peer->rtcp_first = false;
    schedule_video(peer, now_ns);
}

void sq_peer_start_rtcp(struct sq_peer *peer, uint64_t now_ns)
{
    schedule(peer, now_ns);
    sq_peer_due(peer, peer->rtcp_at_ns);
}

/* An SR with its CNAME and the block that is left to tell; a full compound is sent before. */
static void put_sender(struct sq_peer *peer, struct compound *c, const struct sq_rtcp_report *sr,
                       struct blocks *blocks)
{
    if (sq_wire_left(&c->w) < SENDER_BYTES + BLOCK_BYTES) {
        send_compound(peer, c);
        begin(c);
    }
    sq_rtcp_put_sr(&c->w, sr, &blocks->one, blocks->n);
    blocks->n = 0;
    sq_rtcp_put_sdes_cname(&c->w, sr->ssrc, sq_view_of(peer->cname));
}

static void put_senders(struct sq_track *track, uint64_t now_ns, struct compound *c,
                        struct blocks *blocks)
{
    struct sq_track_tx *tx = track->can_send ? track->tx : NULL;
    uint64_t ntp = sq_env_ntp(track->peer->env, now_ns);
    struct sq_rtcp_report sr;
    for (size_t k = 0; tx && k < tx->n; k++) {
        if (sq_rtp_sender_report(&tx->encodings[k].rtp, now_ns, ntp, &sr)) {
            put_sender(track->peer, c, &sr, blocks);
        }
    }
}

static void put_receiver(struct sq_peer *peer, struct compound *c, uint32_t ssrc,
                         const struct blocks *blocks)
{
    sq_rtcp_put_rr(&c->w, ssrc, &blocks->one, blocks->n);
    sq_rtcp_put_sdes_cname(&c->w, ssrc, sq_view_of(peer->cname));
}

/* RFC 3550, section 6.1: each compound begins with a report and names its source. Each track has
 * one of its own, as in libwebrtc. */
void sq_peer_send_reports(struct sq_peer *peer, uint64_t now_ns)
{
    bool said = false;
    struct compound c;
    for (size_t i = 0; i < peer->tracks_len; i++) {
        struct sq_track *track = peer->tracks[i];
        struct blocks blocks = block_of(track, now_ns);
        begin(&c);
        put_senders(track, now_ns, &c, &blocks);
        if (blocks.n > 0) {
            put_receiver(peer, &c, track_ssrc(track), &blocks);
        }
        if (c.w.pos > 0) {
            put_remb(track, now_ns, &c.w);
            send_compound(peer, &c);
            said = true;
        }
    }
    if (!said) {
        const struct blocks none = {.n = 0};
        begin(&c);
        put_receiver(peer, &c, own_ssrc(peer), &none);
        send_compound(peer, &c);
    }
    schedule(peer, now_ns);
}

void sq_peer_send_video_reports(struct sq_peer *peer, uint64_t now_ns)
{
    for (size_t i = 0; i < peer->tracks_len; i++) {
        if (peer->tracks[i]->kind == SQ_MEDIA_VIDEO) {
            struct blocks none = {.n = 0};
            struct compound c;
            begin(&c);
            put_senders(peer->tracks[i], now_ns, &c, &none);
            send_compound(peer, &c);
        }
    }
    schedule_video(peer, now_ns);
}

void sq_peer_send_bye(struct sq_peer *peer)
{
    uint32_t ssrcs[SQ_RTCP_BLOCKS_MAX];
    size_t n = 0;
    for (size_t i = 0; i < peer->tracks_len; i++) {
        const struct sq_track_tx *tx = peer->tracks[i]->tx;
        for (size_t k = 0; tx && k < tx->n && n < SQ_RTCP_BLOCKS_MAX; k++) {
            if (tx->encodings[k].rtp.started) {
                ssrcs[n++] = tx->encodings[k].rtp.ssrc;
            }
        }
    }
    if (n == 0) {
        return;
    }
    struct compound c;
    begin(&c);
    sq_rtcp_put_rr(&c.w, ssrcs[0], NULL,
                   0); /* a compound begins with a report, RFC 3550 section 6.1 */
    sq_rtcp_put_sdes_cname(&c.w, ssrcs[0], sq_view_of(peer->cname));
    sq_rtcp_put_bye(&c.w, ssrcs, n, (struct sq_view){NULL, 0});
    send_compound(peer, &c);
}

/* Feedback of a track may stand alone where a=rtcp-rsize was agreed (RFC 5506); else it goes behind
 * a report on the same track (RFC 4585, section 3.1), by whose block a server finds out of which
 * stream it is where the track sends nothing. */
static void begin_feedback(struct compound *c, struct sq_track *track, uint64_t now_ns)
{
    begin(c);
    if (!track->jsep || !track->jsep->rtcp_rsize) {
        const struct blocks blocks = block_of(track, now_ns);
        put_receiver(track->peer, c, track_ssrc(track), &blocks);
    }
}

void sq_track_request_key_frame(struct sq_track *track, uint64_t now_ns)
{
    struct sq_track_rx *rx = track->rx;
    struct sq_peer *peer = track->peer;
    if (!rx || !sq_peer_may_send(peer) ||
        (rx->pli_sent_ns && now_ns < rx->pli_sent_ns + SQ_PLI_INTERVAL_NS)) {
        return;
    }
    rx->pli_sent_ns = now_ns;
    if (!(track->fb & (SQ_JSEP_FB_NACK_PLI | SQ_JSEP_FB_CCM_FIR))) {
        return;
    }
    struct compound c;
    begin_feedback(&c, track, now_ns);
    if (track->fb & SQ_JSEP_FB_NACK_PLI) {
        rx->rtp.pli_count++;
        sq_rtcp_put_pli(&c.w, track_ssrc(track), rx->rtp.ssrc);
    } else {
        rx->rtp.fir_count++;
        const struct sq_rtcp_fir_entry entry = {.ssrc = rx->rtp.ssrc, .seq = rx->fir_seq++};
        sq_rtcp_put_fir(&c.w, track_ssrc(track), &entry, 1);
    }
    send_compound(peer, &c);
}

/* ---- Feedback that is due ---- */

static uint64_t key_frame_due(const struct sq_track *track)
{
    const struct sq_track_rx *rx = track->rx;
    if (track->peer->forward_only || track->kind != SQ_MEDIA_VIDEO || !track->can_receive) {
        return SQ_NEVER;
    }
    uint64_t due = rx->rtp.key_frame_needed ? rx->clock_ns : sq_frame_buffer_key_due_ns(&rx->video);
    if (due == SQ_NEVER) {
        return due;
    }
    return rx->pli_sent_ns ? sq_max_u64(due, rx->pli_sent_ns + SQ_PLI_INTERVAL_NS) : due;
}

uint64_t sq_track_feedback_due(const struct sq_track *track)
{
    return sq_min_u64(sq_rtp_receiver_next_ns(&track->rx->rtp), key_frame_due(track));
}

static void send_nacks(struct sq_track *track, uint64_t now_ns)
{
    struct sq_track_rx *rx = track->rx;
    uint16_t seqs[NACKS_MAX];
    while (sq_rtp_receiver_next_ns(&rx->rtp) <= now_ns) {
        size_t n = sq_rtp_receiver_nacks(&rx->rtp, now_ns, sq_peer_rtt_ns(track->peer, now_ns),
                                         seqs, NACKS_MAX);
        if (n == 0) {
            return;
        }
        struct compound c;
        begin_feedback(&c, track, now_ns);
        sq_rtcp_put_nack(&c.w, track_ssrc(track), rx->rtp.ssrc, seqs, n);
        send_compound(track->peer, &c);
    }
}

void sq_peer_send_transport_feedback(struct sq_peer *peer, uint64_t now_ns, uint64_t until_ns)
{
    struct sq_twcc_recorder *recorder = peer->twcc_recorder;
    if (peer->cc && !peer->forward_only) {
        sq_twcc_recorder_set_interval(recorder, sq_twcc_interval_ns(sq_cc_feedback_bps(peer->cc)));
    }
    while (sq_twcc_recorder_next_ns(recorder) <= until_ns) {
        struct compound c;
        begin(&c); /* alone, whatever was agreed: as libwebrtc does, and all take it */
        if (!sq_twcc_recorder_build(recorder, now_ns, own_ssrc(peer), &c.w)) {
            break;
        }
        send_compound(peer, &c);
    }
}

void sq_track_run_feedback(struct sq_track *track, uint64_t now_ns)
{
    send_nacks(track, now_ns);
    if (key_frame_due(track) <= now_ns) {
        track->rx->rtp.key_frame_needed = false;
        sq_track_request_key_frame(track, now_ns);
    }
}

/* ---- Receiving ---- */

static struct sq_track *track_by_remote_ssrc(struct sq_peer *peer, uint32_t ssrc)
{
    for (size_t i = 0; i < peer->tracks_len; i++) {
        if (peer->tracks[i]->rx && peer->tracks[i]->rx->rtp.ssrc == ssrc) {
            return peer->tracks[i];
        }
    }
    return NULL;
}

/* What a block says is new, to congestion control. */
static void report_loss(struct sq_peer *peer, uint64_t now_ns, const struct sq_encoding *e,
                        const struct sq_rtcp_block *block)
{
    int32_t packets = (int32_t)(block->highest_seq - e->rtp.remote_highest_seq);
    int32_t lost = block->cumulative_lost - e->rtp.remote_packets_lost;
    if (e->rtp.reports_received > 0 && packets > 0) {
        sq_cc_on_loss(peer, now_ns, (uint64_t)packets, lost > 0 ? (uint64_t)lost : 0);
    }
}

static void on_report(struct sq_peer *peer, uint64_t now_ns, const struct sq_rtcp_packet *packet)
{
    struct sq_rtcp_report report;
    if (sq_rtcp_parse_report(packet, &report) != 0) {
        return;
    }
    struct sq_track *from = track_by_remote_ssrc(peer, report.ssrc);
    if (report.is_sr && from) {
        sq_rtp_receiver_on_sr(&from->rx->rtp, now_ns, &report);
    }
    if (report.is_sr && peer->latency) {
        sq_latency_on_sr(peer, report.ntp, now_ns);
    }
    uint64_t ntp = sq_env_ntp(peer->env, now_ns);
    for (size_t i = 0; i < report.block_count; i++) {
        struct sq_rtcp_block block = sq_rtcp_block_at(&report, i);
        struct sq_track *track;
        struct sq_encoding *e = sq_peer_encoding(peer, block.ssrc, &track);
        if (e && block.ssrc == e->rtp.ssrc) {
            report_loss(peer, now_ns, e, &block);
            sq_rtp_sender_on_block(&e->rtp, now_ns, ntp, &block);
            sq_encoding_on_loss(track, e, now_ns, block.fraction_lost / 256.0);
        }
        if (e) {
            sq_encoding_on_block(track, e, block.ssrc);
        }
    }
}

/* How many packets may be sent again now, with or without congestion control: libwebrtc's pacer
 * spreads them. The rest is asked for again. */
static size_t resends_allowed(struct sq_peer *peer, uint64_t now_ns)
{
    peer->resend_ns = sq_max_u64(peer->resend_ns, now_ns);
    uint64_t busy_ns = sq_min_u64(peer->resend_ns - now_ns, RESENDS_NS);
    return (RESENDS_NS - busy_ns) / (RESENDS_NS / RESENDS_MAX);
}

static void on_nack(struct sq_peer *peer, uint64_t now_ns, const struct sq_rtcp_packet *packet)
{
    struct sq_rtcp_nack nack;
    struct sq_rtp_resend resends[RESENDS_MAX];
    if (sq_rtcp_parse_nack(packet, &nack) != 0) {
        return;
    }
    struct sq_track *track;
    struct sq_encoding *e = sq_peer_encoding(peer, nack.media_ssrc, &track);
    if (!e) {
        return;
    }
    size_t n = sq_rtp_sender_on_nack(&e->rtp, now_ns, sq_peer_rtt_ns(peer, now_ns), &nack, resends,
                                     resends_allowed(peer, now_ns));
    peer->resend_ns += n * (RESENDS_NS / RESENDS_MAX);
    for (size_t i = 0; i < n; i++) {
        if (sq_cc_may_resend(peer, now_ns, RESEND_BYTES)) {
            sq_encoding_resend(track, e, &resends[i], now_ns);
        }
    }
}

static void key_frame_wanted(struct sq_track *track, struct sq_encoding *e, uint64_t now_ns)
{
    if (track->media) {
        if (now_ns >= e->key_until_ns) {
            e->key_until_ns = now_ns + SQ_KEY_FRAME_INTERVAL_NS;
            sq_encoding_send_key_frame(e);
        }
    } else {
        sq_peer_emit(track->peer, (struct sq_peer_event){.type = SQ_PEER_EV_KEY_FRAME_REQUEST,
                                                         .track = track,
                                                         .mid = sq_track_mid(track)});
    }
}

static void on_pli(struct sq_peer *peer, uint64_t now_ns, const struct sq_rtcp_packet *packet)
{
    struct sq_rtcp_pli pli;
    if (sq_rtcp_parse_pli(packet, &pli) != 0) {
        return;
    }
    struct sq_track *track;
    struct sq_encoding *e = sq_peer_encoding(peer, pli.media_ssrc, &track);
    if (e) {
        e->rtp.pli_count++;
        key_frame_wanted(track, e, now_ns);
    }
}

static void on_fir(struct sq_peer *peer, uint64_t now_ns, const struct sq_rtcp_packet *packet)
{
    struct sq_rtcp_fir fir;
    if (sq_rtcp_parse_fir(packet, &fir) != 0) {
        return;
    }
    for (size_t i = 0; i < fir.entry_count; i++) {
        struct sq_rtcp_fir_entry entry = sq_rtcp_fir_at(&fir, i);
        struct sq_track *track;
        struct sq_encoding *e = sq_peer_encoding(peer, entry.ssrc, &track);
        if (e && sq_rtp_sender_on_fir(&e->rtp, entry.seq)) {
            key_frame_wanted(track, e, now_ns);
        }
    }
}

static void on_twcc(struct sq_peer *peer, uint64_t now_ns, const struct sq_rtcp_packet *packet)
{
    struct sq_rtcp_twcc feedback;
    struct sq_twcc_result results[SQ_TWCC_LOG_MOST];
    struct sq_twcc_summary summary;
    if (peer->twcc_log && sq_rtcp_parse_twcc(packet, &feedback) == 0) {
        size_t n = sq_twcc_log_on_feedback(peer->twcc_log, now_ns, &feedback, results,
                                           SQ_TWCC_LOG_MOST, &summary);
        sq_cc_on_feedback(peer, now_ns, results, n);
    }
}

static void on_remb(struct sq_peer *peer, uint64_t now_ns, const struct sq_rtcp_packet *packet)
{
    struct sq_rtcp_remb remb;
    if (sq_rtcp_parse_remb(packet, &remb) == 0) {
        peer->transport.remb_bps = (double)remb.bitrate_bps;
        sq_cc_on_remb(peer, now_ns, remb.bitrate_bps);
    }
}

static void on_bye(struct sq_peer *peer, const struct sq_rtcp_packet *packet)
{
    struct sq_rtcp_bye bye;
    if (sq_rtcp_parse_bye(packet, &bye) != 0) {
        return;
    }
    for (size_t i = 0; i < bye.count; i++) {
        struct sq_track *track = track_by_remote_ssrc(peer, sq_load_u32(bye.ssrcs + 4 * i));
        if (track) {
            sq_peer_emit(peer, (struct sq_peer_event){.type = SQ_PEER_EV_BYE,
                                                      .track = track,
                                                      .mid = sq_track_mid(track)});
        }
    }
}

static void dispatch(struct sq_peer *peer, uint64_t now_ns, const struct sq_rtcp_packet *packet)
{
    switch (packet->kind) {
    case SQ_RTCP_KIND_SR:
    case SQ_RTCP_KIND_RR:
        on_report(peer, now_ns, packet);
        break;
    case SQ_RTCP_KIND_NACK:
        on_nack(peer, now_ns, packet);
        break;
    case SQ_RTCP_KIND_PLI:
        on_pli(peer, now_ns, packet);
        break;
    case SQ_RTCP_KIND_FIR:
        on_fir(peer, now_ns, packet);
        break;
    case SQ_RTCP_KIND_TWCC:
        on_twcc(peer, now_ns, packet);
        break;
    case SQ_RTCP_KIND_REMB:
        on_remb(peer, now_ns, packet);
        break;
    case SQ_RTCP_KIND_BYE:
        on_bye(peer, packet);
        break;
    default:
        break;
    }
}

void sq_peer_on_rtcp(struct sq_peer *peer, uint64_t now_ns, uint8_t *buf, size_t len)
{
    size_t plain_len;
    int err = sq_srtp_unprotect_rtcp(peer->env->srtp, peer->srtp, buf, len, &plain_len);
    if (err) {
        if (err == SQ_ERR_REPLAY) {
            peer->transport.replayed++;
        } else {
            peer->transport.srtp_errors++;
        }
        return;
    }
    struct sq_rtcp_iter it = sq_rtcp_iter(buf, plain_len);
    struct sq_rtcp_packet packet;
    while (peer->state != SQ_PEER_CLOSED && sq_rtcp_next(&it, &packet)) {
        dispatch(peer, now_ns, &packet);
    }
}
