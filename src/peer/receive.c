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
            peer->ssrcs_last = i;
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

/* What a payload type means in the track's section: any that was agreed may come, and another one
 * with the next packet. NULL for one that was not. */
static const struct sq_jsep_codec *codec_of(const struct sq_track *track, uint8_t pt)
{
    const struct sq_jsep_transceiver *t = track->jsep;
    for (size_t i = 0; t && i < t->n_codecs; i++) {
        if (t->codecs[i].recv_pt == pt) {
            return &t->codecs[i];
        }
    }
    return NULL;
}

static enum sq_codec media_codec(const struct sq_jsep_codec *codec)
{
    return codec ? sq_jsep_media_codec((enum sq_jsep_codec_id)codec->id) : SQ_CODEC_NONE;
}

static bool is_rtx(const struct sq_jsep_codec *codec)
{
    return codec && sq_jsep_is_rtx((enum sq_jsep_codec_id)codec->id);
}

enum sq_codec sq_track_recv_codec(const struct sq_track *track, uint8_t pt)
{
    return media_codec(codec_of(track, pt));
}

/* The only track that receives this payload type, if there is just one. */
static struct sq_track *by_payload_type(struct sq_peer *peer, uint8_t pt)
{
    struct sq_track *found = NULL;
    for (size_t i = 0; i < peer->tracks_len; i++) {
        struct sq_track *track = peer->tracks[i];
        if (track->can_receive && !track->main_layer && codec_of(track, pt)) {
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
 * SSRC more than the payload type. */
static struct sq_track *find_track(struct sq_peer *peer, const struct sq_rtp_packet *packet,
                                   const struct sq_rtp_exts *exts)
{
    struct sq_track *known = find_ssrc(peer, packet->ssrc);
    struct sq_track *track = known;
    if (sq_rtp_has(exts, SQ_RTP_EXT_MID) &&
        !(known && known->jsep && sq_view_is(exts->mid, known->jsep->mid))) {
        struct sq_track *named = by_mid(peer, exts->mid);
        track = named ? named : known;
    }
    if (!track) {
        track = by_payload_type(peer, packet->pt);
    }
    if (track && track->jsep && track->jsep->recv_rids) {
        track = by_rid(peer, track, exts);
    }
    /* A stream of another payload type (FEC) is not the track's own. */
    const struct sq_jsep_codec *codec =
        track && track != known ? codec_of(track, packet->pt) : NULL;
    if (media_codec(codec)) {
        sq_peer_bind_ssrc(peer, packet->ssrc, 0, track);
    } else if (is_rtx(codec) && track->rx) {
        sq_peer_bind_ssrc(peer, packet->ssrc, track->rx->rtp.ssrc, track);
    }
    return track;
}

/* ---- Streams ---- */

static void tell_first_media(struct sq_track *track)
{
    struct sq_peer *peer = track->peer;
    track->rx->media_seen = true;
    uint64_t *time =
        track->kind == SQ_MEDIA_VIDEO ? &peer->times.first_frame : &peer->times.first_audio;
    if (*time == 0) {
        *time = peer->now_ns;
    }
    sq_peer_emit(peer, (struct sq_peer_event){.type = SQ_PEER_EV_FIRST_MEDIA,
                                              .track = track,
                                              .mid = sq_track_mid(track)});
}

static void on_frame(void *ctx, const struct sq_frame *frame)
{
    struct sq_track *track = ctx;
    if (!track->rx->media_seen) {
        tell_first_media(track);
    }
    if (track->peer->latency) {
        sq_latency_on_frame(track, frame->timestamp, frame->now_ns);
    }
    if (frame->key) {
        track->rx->rtp.key_frame_needed = false;
        sq_rtp_receiver_forget_before(&track->rx->rtp, frame->first_seq);
    }
}

/* Only what the track needs of the play-out models stands behind the rest. */
size_t sq_track_rx_bytes(const struct sq_track *track)
{
    size_t bytes = offsetof(struct sq_track_rx, video);
    if (!track->peer->forward_only) {
        bytes += track->kind == SQ_MEDIA_VIDEO ? sizeof(struct sq_frame_buffer)
                                               : sizeof(struct sq_opus_tracker);
    }
    return bytes;
}

void sq_track_free_rx(struct sq_track *track)
{
    if (track->rx && track->kind == SQ_MEDIA_VIDEO && !track->peer->forward_only) {
        sq_frame_buffer_close(&track->rx->video);
    }
    if (track->rx) {
        sq_free(track->rx->tags);
    }
    sq_free(track->rx);
    track->rx = NULL;
}

static void init_play(struct sq_track *track)
{
    if (track->peer->forward_only) {
        return;
    }
    if (track->kind == SQ_MEDIA_VIDEO) {
        sq_frame_buffer_init(&track->rx->video, SQ_PLI_AFTER_NS, on_frame, track);
    } else {
        sq_opus_tracker_init(&track->rx->opus);
    }
}

static bool open_rx(struct sq_track *track, const struct sq_rtp_packet *packet, uint64_t now_ns)
{
    struct sq_track_rx *rx = sq_zalloc(sq_track_rx_bytes(track));
    if (!rx) {
        return false;
    }
    bool video = track->kind == SQ_MEDIA_VIDEO;
    sq_rtp_receiver_init(&rx->rtp, packet->ssrc, track->jsep->codecs[0].clock_rate_hz,
                         video ? SQ_RTP_VIDEO : SQ_RTP_AUDIO, (track->fb & SQ_JSEP_FB_NACK) != 0);
    rx->first_packet_ns = now_ns;
    track->rx = rx;
    init_play(track);
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
    stats->packets_duplicated += past->packets_duplicated;
    stats->nack_count += past->nack_count;
    stats->pli_count += past->pli_count;
}

static void restart_frames(struct sq_track *track)
{
    if (track->kind == SQ_MEDIA_VIDEO && !track->peer->forward_only) {
        sq_frame_buffer_restart(&track->rx->video);
    }
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
        .packets_duplicated = all.packets_duplicated,
        .nack_count = all.nack_count,
        .pli_count = all.pli_count,
    };
    rx->ssrc_before = rx->rtp.ssrc;
    rx->switched_ns = now_ns;
    sq_rtp_receiver_init(&rx->rtp, packet->ssrc, rx->rtp.clock_rate, rx->rtp.kind, rx->rtp.nack);
    restart_frames(track);
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
        peer->twcc_recorder = recorder;
    }
    sq_twcc_recorder_on_packet(peer->twcc_recorder, now_ns, exts->transport_seq, ssrc);
    sq_peer_due(peer, sq_twcc_recorder_next_ns(peer->twcc_recorder));
}

static void play(struct sq_track *track, uint64_t now_ns, const struct sq_rtp_packet *packet,
                 enum sq_codec codec, bool repaired)
{
    struct sq_track_rx *rx = track->rx;
    if (track->peer->latency) {
        sq_latency_on_packet(track, packet, codec, now_ns);
    }
    if (track->kind == SQ_MEDIA_VIDEO) {
        /* What is not of the codec is counted by the buffer itself. */
        const struct sq_media_packet p = {.now_ns = now_ns,
                                          .payload = packet->payload,
                                          .len = packet->payload_bytes,
                                          .timestamp = packet->ts,
                                          .seq = packet->seq,
                                          .marker = packet->marker,
                                          .codec = codec};
        int err = sq_frame_buffer_push(&rx->video, &p, repaired);
        (void)err;
        sq_peer_due(track->peer, sq_track_feedback_due(track));
        return;
    }
    int err = codec != SQ_CODEC_OPUS
                  ? 0
                  : sq_opus_tracker_push(&rx->opus, now_ns, packet->seq, packet->ts,
                                         packet->payload, packet->payload_bytes);
    if (!err && !rx->media_seen) {
        tell_first_media(track);
    }
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
        restart_frames(track);
    }
    if (rx->rtp.nack_next_ns != SQ_NEVER) {
        sq_peer_due(track->peer, rx->rtp.nack_next_ns);
    } else if (rx->rtp.key_frame_needed) {
        sq_peer_due(track->peer, now_ns); /* more is missing than can be asked for */
    }
    return seen;
}

/* RFC 4588, section 4: the packet that an RTX packet carries. False for one that carries none:
 * padding, or a repair of what was never heard of. */
static bool unwrap_rtx(struct sq_peer *peer, const struct sq_track *track,
                       const struct sq_jsep_codec *rtx, struct sq_rtp_packet *packet)
{
    const struct sq_jsep_transceiver *t = track->jsep;
    uint32_t repairs = 0;
    for (size_t i = 0; i < peer->ssrcs_len && repairs == 0; i++) {
        repairs = peer->ssrcs[i].ssrc == packet->ssrc ? peer->ssrcs[i].repairs : 0;
    }
    if (!track->rx || packet->payload_bytes < 2 || repairs == 0) {
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
    const struct sq_jsep_codec *named = track ? codec_of(track, packet.pt) : NULL;
    bool repair = is_rtx(named);
    if (repair &&
        (!unwrap_rtx(peer, track, named, &packet) || packet.ssrc != track->rx->rtp.ssrc)) {
        return;
    }
    enum sq_codec codec = track ? media_codec(codec_of(track, packet.pt)) : SQ_CODEC_NONE;
    if (!track || !track->can_receive || codec == SQ_CODEC_NONE ||
        (!track->rx && !open_rx(track, &packet, now_ns))) {
        peer->transport.discarded++;
        return;
    }
    /* Sockets' time-stamps may fall back by microseconds; the trackers' clock must not. */
    now_ns = peer->now_ns = track->rx->clock_ns = sq_max_u64(now_ns, track->rx->clock_ns);
    unsigned seen = repair ? sq_rtp_receiver_on_repair(&track->rx->rtp, now_ns, packet.seq,
                                                       packet.payload_bytes)
                           : count_packet(track, now_ns, &packet);
    if (!(seen & SQ_RTP_RX_NEW)) {
        return;
    }
    if (!peer->forward_only) {
        play(track, now_ns, &packet, codec, (seen & SQ_RTP_RX_RETRANSMITTED) != 0);
    } else if (!track->rx->media_seen) {
        tell_first_media(track);
    }
    if (peer->ops->rtp) {
        peer->ops->rtp(peer->ctx, track, &packet, &exts, now_ns);
    }
}
