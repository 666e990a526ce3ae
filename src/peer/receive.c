/* Incoming RTP: which track a packet belongs to (RFC 8843, section 9.2), and what it tells. */
#include "base/mem.h"
#include "base/time.h"
#include "peer/peer.h"
#include "peer/peer_int.h"
#include <stddef.h>
#include <string.h>

/* ---- SSRCs ---- */

static struct sq_track *find_ssrc(struct sq_peer *peer, uint32_t ssrc)
{
    if (peer->ssrcs_last < peer->ssrcs_len && peer->ssrcs[peer->ssrcs_last].ssrc == ssrc) {
        return peer->ssrcs[peer->ssrcs_last].track;
    }
    for (size_t i = 0; i < peer->ssrcs_len; i++) {
        if (peer->ssrcs[i].ssrc == ssrc) {
            peer->ssrcs_last = (uint32_t)i;
            return peer->ssrcs[i].track;
        }
    }
    return NULL;
}

/* A place for one more; with a full table that of a stream which its track has left. */
static struct sq_ssrc_entry *new_entry(struct sq_peer *peer)
{
    if (peer->ssrcs_len < peer->ssrcs_room) {
        return &peer->ssrcs[peer->ssrcs_len++];
    }
    size_t room = peer->ssrcs_room ? peer->ssrcs_room * 2 : 4;
    if (room <= SQ_SSRCS_MAX) {
        struct sq_ssrc_entry *grown = sq_realloc(peer->ssrcs, room * sizeof(*grown));
        if (!grown) {
            return NULL;
        }
        peer->ssrcs = grown;
        peer->ssrcs_room = room;
        return &peer->ssrcs[peer->ssrcs_len++];
    }
    for (size_t i = 0; i < peer->ssrcs_len; i++) {
        const struct sq_track_rx *rx = peer->ssrcs[i].track->rx;
        if (rx && rx->rtp.ssrc != peer->ssrcs[i].ssrc) {
            return &peer->ssrcs[i];
        }
    }
    return NULL;
}

void sq_peer_bind_ssrc(struct sq_peer *peer, uint32_t ssrc, uint32_t repairs,
                       struct sq_track *track)
{
    for (size_t i = 0; i < peer->ssrcs_len; i++) {
        if (peer->ssrcs[i].ssrc == ssrc) {
            peer->ssrcs[i].track = track;
            peer->ssrcs[i].repairs = repairs;
            return;
        }
    }
    struct sq_ssrc_entry *entry = new_entry(peer);
    if (entry) { /* else it is looked for by MID and payload type each time */
        *entry = (struct sq_ssrc_entry){ssrc, repairs, track};
    }
}

void sq_peer_unbind_track(struct sq_peer *peer, const struct sq_track *track)
{
    size_t kept = 0;
    for (size_t i = 0; i < peer->ssrcs_len; i++) {
        if (peer->ssrcs[i].track != track) {
            peer->ssrcs[kept++] = peer->ssrcs[i];
        }
    }
    peer->ssrcs_len = kept;
}

static struct sq_track *by_mid(struct sq_peer *peer, struct sq_view mid)
{
    for (size_t i = 0; i < peer->tracks_len; i++) {
        struct sq_track *track = peer->tracks[i];
        if (track->jsep && !track->main_layer && track->can_receive &&
            sq_view_is(mid, track->jsep->mid)) {
            return track;
        }
    }
    return NULL;
}

static bool is_rtx(const struct sq_jsep_codec *codec)
{
    return codec && sq_jsep_is_rtx((enum sq_jsep_codec_id)codec->id);
}

/* The only track that receives this payload type, if there is just one. */
static struct sq_track *by_payload_type(struct sq_peer *peer, uint8_t pt)
{
    struct sq_track *found = NULL;
    for (size_t i = 0; i < peer->tracks_len; i++) {
        struct sq_track *track = peer->tracks[i];
        if (track->can_receive && !track->main_layer && sq_track_codec_of(track, pt)) {
            if (found) {
                return NULL;
            }
            found = track;
        }
    }
    return found;
}

/* Of simulcast: the layer that an RID names (RFC 8852), or that a repaired one is of; `track`
 * itself where there is none. */
static struct sq_track *by_rid(struct sq_peer *peer, struct sq_track *track,
                               const struct sq_rtp_exts *exts)
{
    const struct sq_jsep_rids *rids = track->jsep ? track->jsep->recv_rids : NULL;
    struct sq_view rid = sq_rtp_has(exts, SQ_RTP_EXT_RID)            ? exts->rid
                         : sq_rtp_has(exts, SQ_RTP_EXT_REPAIRED_RID) ? exts->repaired_rid
                                                                     : (struct sq_view){NULL, 0};
    for (unsigned layer = 0; rids && rid.len && layer < rids->n; layer++) {
        for (size_t i = 0; sq_view_is(rid, rids->id[layer]) && i < peer->tracks_len; i++) {
            struct sq_track *one = peer->tracks[i];
            if (one->layer == layer && sq_track_main(one) == sq_track_main(track)) {
                return one;
            }
        }
    }
    return track;
}

/* RFC 8843, section 9.2: a MID in the packet counts more than what its SSRC was known for, and the
 * SSRC more than the payload type. A packet with the MID of no section that receives is nobody's:
 * by its payload type it would go into a stream that it does not belong to. */
static struct sq_track *find_track(struct sq_peer *peer, const struct sq_rtp_packet *packet,
                                   const struct sq_rtp_exts *exts)
{
    struct sq_track *known = find_ssrc(peer, packet->ssrc);
    struct sq_track *track = known;
    if (sq_rtp_has(exts, SQ_RTP_EXT_MID) &&
        !(known && known->jsep && sq_view_is(exts->mid, known->jsep->mid))) {
        track = by_mid(peer, exts->mid);
        if (!track) {
            return NULL;
        }
    }
    if (!track) {
        track = by_payload_type(peer, packet->pt);
    }
    if (track && track->jsep && track->jsep->recv_rids) {
        track = by_rid(peer, track, exts);
    }
    /* A stream of another payload type (FEC) is not the track's own. */
    const struct sq_jsep_codec *codec =
        track && track != known ? sq_track_codec_of(track, packet->pt) : NULL;
    if (codec && codec->id == SQ_JSEP_FLEXFEC) {
        return track;
    }
    if (codec && !is_rtx(codec)) {
        sq_peer_bind_ssrc(peer, packet->ssrc, 0, track);
    } else if (codec && track->rx) {
        sq_peer_bind_ssrc(peer, packet->ssrc, track->rx->rtp.ssrc, track);
    }
    return track;
}

/* ---- Streams ---- */

/* Who forwards asks for less: what comes back after a long outage would be late for all viewers. */
#define FORWARDED_MISSING_MOST 80

static void init_receiver(struct sq_track *track, uint32_t ssrc, uint32_t clock_rate, bool nack)
{
    struct sq_rtp_receiver *r = &track->rx->rtp;
    sq_rtp_receiver_init(r, ssrc, clock_rate,
                         track->kind == SQ_MEDIA_VIDEO ? SQ_RTP_VIDEO : SQ_RTP_AUDIO, nack);
    if (track->peer->forward_only) {
        r->missing_most = FORWARDED_MISSING_MOST;
    }
}

static bool open_rx(struct sq_track *track, const struct sq_rtp_packet *packet, uint64_t now_ns)
{
    struct sq_track_rx *rx = sq_zalloc(sq_track_rx_bytes(track));
    if (!rx) {
        return false;
    }
    track->rx = rx;
    init_receiver(track, packet->ssrc, track->jsep->codecs[0].clock_rate_hz,
                  (track->fb & SQ_JSEP_FB_NACK) != 0);
    rx->first_packet_ns = now_ns;
    sq_track_init_play(track);
    if (track->peer->times.first_media == 0) {
        track->peer->times.first_media = now_ns;
    }
    return true;
}

void sq_track_add_past(const struct sq_track_rx *rx, struct sq_rtp_inbound_stats *stats)
{
    const struct sq_track_past *past = &rx->past;
    stats->packets_received += past->packets_received;
    stats->bytes_received += past->bytes_received;
    stats->header_bytes_received += past->header_bytes_received;
    stats->packets_lost += past->packets_lost;
    stats->packets_lost_network += past->packets_missing;
    stats->packets_expected += past->packets_expected;
    stats->retransmitted_packets_received += past->packets_repaired;
    stats->packets_recovered += past->packets_recovered;
    stats->packets_duplicated += past->packets_duplicated;
    stats->packets_discarded += past->packets_discarded;
    stats->nack_count += past->nack_count;
    stats->pli_count += past->pli_count;
}

/* The other side changed the SSRC of the track (a restart, or a switched source). Reports tell of
 * the new one alone; the track's statistics add what was before. */
static void switch_ssrc(struct sq_track *track, const struct sq_rtp_packet *packet, uint64_t now_ns)
{
    struct sq_track_rx *rx = track->rx;
    struct sq_rtp_inbound_stats all;
    sq_rtp_receiver_stats(&rx->rtp, &all);
    sq_track_add_past(rx, &all);
    rx->past = (struct sq_track_past){
        .packets_received = all.packets_received,
        .bytes_received = all.bytes_received,
        .header_bytes_received = all.header_bytes_received,
        .packets_lost = all.packets_lost,
        .packets_missing = all.packets_lost_network,
        .packets_expected = all.packets_expected,
        .packets_repaired = all.retransmitted_packets_received,
        .packets_recovered = all.packets_recovered,
        .packets_duplicated = all.packets_duplicated,
        .packets_discarded = all.packets_discarded,
        .nack_count = all.nack_count,
        .pli_count = all.pli_count,
    };
    rx->ssrc_before = rx->rtp.ssrc;
    rx->switched_ns = now_ns;
    sq_rtp_receiver_close(&rx->rtp);
    init_receiver(track, packet->ssrc, rx->rtp.clock_rate, rx->rtp.nack);
    sq_track_restart_play(track);
}

/* What was under way when the SSRC changed must not change it back. */
static bool is_leftover(const struct sq_track_rx *rx, uint32_t ssrc, uint64_t now_ns)
{
    return ssrc == rx->ssrc_before && rx->switched_ns != 0 &&
           now_ns < rx->switched_ns + SQ_SSRC_LEFTOVER_NS;
}

static void record_transport(struct sq_peer *peer, uint64_t now_ns, const struct sq_rtp_exts *exts,
                             uint32_t ssrc)
{
    if (!peer->twcc_recorder) {
        struct sq_twcc_recorder *recorder = sq_zalloc(sizeof(*recorder));
        if (!recorder ||
            sq_twcc_recorder_init(recorder, SQ_TWCC_RECORDER_ROOM, SQ_TWCC_INTERVAL_NS) != 0) {
            sq_free(recorder);
            return;
        }
        sq_twcc_recorder_let_grow(recorder, SQ_TWCC_RECORDER_MOST);
        peer->twcc_recorder = recorder;
    }
    sq_twcc_recorder_on_packet(peer->twcc_recorder, now_ns, exts->transport_seq, ssrc);
    sq_peer_note_feedback(peer);
}

/* Gives bits of enum sq_rtp_rx. */
static unsigned count_packet(struct sq_track *track, uint64_t now_ns,
                             const struct sq_rtp_packet *packet)
{
    struct sq_track_rx *rx = track->rx;
    if (packet->ssrc != rx->rtp.ssrc) {
        if (is_leftover(rx, packet->ssrc, now_ns)) {
            track->peer->transport.discarded++;
            return 0;
        }
        switch_ssrc(track, packet, now_ns);
    }
    unsigned seen = sq_rtp_receiver_on_packet(&rx->rtp, now_ns, packet);
    if (seen & SQ_RTP_RX_RESTART) {
        sq_track_restart_play(track);
    }
    if (rx->rtp.nack_next_ns != SQ_NEVER) {
        sq_peer_due(track->peer, rx->rtp.nack_next_ns);
    } else if (rx->rtp.key_frame_needed) { /* more is missing than can be asked for */
        sq_peer_due(track->peer, sq_track_feedback_due(track));
    }
    return seen;
}

/* RFC 4588, section 4: the packet that an RTX packet carries. False for one that carries none:
 * padding, or a repair of what was never heard of. */
static bool unwrap_rtx(struct sq_peer *peer, struct sq_track *track,
                       const struct sq_jsep_codec *rtx, struct sq_rtp_packet *packet)
{
    const struct sq_jsep_transceiver *t = track->jsep;
    uint32_t repairs = 0;
    for (size_t i = 0; i < peer->ssrcs_len && repairs == 0; i++) {
        repairs = peer->ssrcs[i].ssrc == packet->ssrc ? peer->ssrcs[i].repairs : 0;
    }
    track->rtx_in.packets++;
    track->rtx_in.bytes += packet->payload_bytes;
    track->rtx_in.header_bytes += (uint64_t)packet->header_bytes + packet->padding_bytes;
    if (!track->rx || packet->payload_bytes <= 2 || repairs == 0) {
        return false;
    }
    packet->seq = sq_load_u16(packet->payload);
    packet->ssrc = repairs;
    for (size_t i = 0; i < t->n_codecs; i++) {
        if (t->codecs[i].pt == rtx->apt) {
            packet->pt = t->codecs[i].recv_pt;
        }
    }
    packet->payload += 2;
    packet->payload_bytes = (uint16_t)(packet->payload_bytes - 2);
    return true;
}

/* Another payload type may bring another clock. */
static void follow_clock(struct sq_rtp_receiver *r, const struct sq_jsep_codec *codec)
{
    if (r->clock_rate != codec->clock_rate_hz) {
        r->clock_rate = codec->clock_rate_hz;
        r->units_per_ns = codec->clock_rate_hz / 1e9;
        r->jitter_started = false;
    }
}

/* A packet that is new: into the model, and to the owner. */
void sq_peer_deliver(struct sq_track *track, uint64_t now_ns, const struct sq_rtp_packet *packet,
                     const struct sq_rtp_exts *exts, bool repaired)
{
    struct sq_peer *peer = track->peer;
    const struct sq_jsep_codec *codec = sq_track_codec_of(track, packet->pt);
    struct sq_media_packet media;
    bool playable = sq_track_media_packet(track, packet, exts, now_ns, &media);
    bool event = sq_jsep_codec_is_event(codec);
    if ((!playable && !(peer->forward_only && event)) || (peer->forward_only && media.red)) {
        if (event) {
            sq_track_play_event(track, &media);
        }
        return;
    }
    if (!peer->forward_only) {
        if (peer->latency) {
            sq_latency_on_packet(track, packet, exts, media.codec, now_ns);
        }
        sq_track_play(track, &media, repaired);
    } else if (!track->rx->media_seen && !event) {
        sq_track_tell_first_media(track);
    }
    if (peer->ops->rtp) {
        peer->ops->rtp(peer->ctx, track, packet, exts, now_ns);
    }
}

void sq_peer_on_rtp(struct sq_peer *peer, uint64_t now_ns, uint8_t *buf, size_t len)
{
    struct sq_rtp_packet packet;
    struct sq_rtp_exts exts;
    peer->now_ns = now_ns;
    if (peer->state == SQ_PEER_CLOSED || sq_rtp_parse(buf, len, &packet) != 0) {
        peer->transport.discarded++;
        return;
    }
    sq_rtp_exts_read(&packet, &peer->ids, &exts);
    if (peer->twcc_negotiated && sq_rtp_has(&exts, SQ_RTP_EXT_TRANSPORT_CC)) {
        record_transport(peer, now_ns, &exts, packet.ssrc);
    }
    struct sq_track *track = find_track(peer, &packet, &exts);
    const struct sq_jsep_codec *codec = track ? sq_track_codec_of(track, packet.pt) : NULL;
    if (codec && codec->id == SQ_JSEP_FLEXFEC) {
        sq_fec_on_flexfec(peer, now_ns, &packet);
        return;
    }
    bool again = is_rtx(codec);
    if (!peer->twcc_negotiated && codec && (track->fb & SQ_JSEP_FB_REMB)) {
        sq_peer_estimate_for_remb(track, now_ns, &packet, &exts, again);
    }
    if (again && (!unwrap_rtx(peer, track, codec, &packet) || packet.ssrc != track->rx->rtp.ssrc)) {
        return;
    }
    if (!codec || !track->can_receive || (!track->rx && !open_rx(track, &packet, now_ns))) {
        peer->transport.discarded++;
        return;
    }
    /* Sockets' time-stamps may fall back by microseconds; the trackers' clock must not. */
    now_ns = peer->now_ns = track->rx->clock_ns = sq_max_u64(now_ns, track->rx->clock_ns);
    if (peer->gap_watched) {
        sq_peer_mark_gap(peer, now_ns);
    }
    unsigned seen;
    if (again) {
        seen = sq_rtp_receiver_on_repair(&track->rx->rtp, now_ns, packet.seq, packet.payload_bytes);
    } else {
        follow_clock(&track->rx->rtp, codec);
        seen = count_packet(track, now_ns, &packet);
    }
    if (!(seen & SQ_RTP_RX_NEW)) {
        return;
    }
    if (track->kind == SQ_MEDIA_VIDEO) {
        sq_fec_on_packet(track, &packet, again);
    }
    sq_peer_deliver(track, now_ns, &packet, &exts, (seen & SQ_RTP_RX_RETRANSMITTED) != 0);
    sq_fec_deliver(track, now_ns);
}
