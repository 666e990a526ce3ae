/* Incoming RTP: which track a packet belongs to (RFC 8843, section 9.2), and what it tells. */
#include "base/mem.h"
#include "base/time.h"
#include "peer/peer.h"
#include "peer/peer_int.h"
#include <string.h>

/* ---- SSRCs
 * --------------------------------------------------------------------------------------- */

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

void sq_peer_bind_ssrc(struct sq_peer *peer, uint32_t ssrc, struct sq_track *track)
{
    for (size_t i = 0; i < peer->ssrcs_len; i++) {
        if (peer->ssrcs[i].ssrc == ssrc) {
            peer->ssrcs[i].track = track;
            return;
        }
    }
    if (peer->ssrcs_len == peer->ssrcs_room) {
        size_t room = peer->ssrcs_room ? peer->ssrcs_room * 2 : 4;
        struct sq_ssrc_entry *grown =
            room <= SQ_SSRCS_MAX ? sq_realloc(peer->ssrcs, room * sizeof(*grown)) : NULL;
        if (!grown) {
            return; /* the stream stays unknown, its packets are counted as discarded */
        }
        peer->ssrcs = grown;
        peer->ssrcs_room = room;
    }
    peer->ssrcs[peer->ssrcs_len++] = (struct sq_ssrc_entry){ssrc, track};
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
        if (track->jsep && track->can_receive && sq_view_is(mid, track->jsep->mid)) {
            return track;
        }
    }
    return NULL;
}

/* The only track that receives this payload type, if there is just one. */
static struct sq_track *by_payload_type(struct sq_peer *peer, uint8_t pt)
{
    struct sq_track *found = NULL;
    for (size_t i = 0; i < peer->tracks_len; i++) {
        struct sq_track *track = peer->tracks[i];
        if (track->can_receive && track->recv_pt == pt) {
            if (found) {
                return NULL;
            }
            found = track;
        }
    }
    return found;
}

static struct sq_track *find_track(struct sq_peer *peer, const struct sq_rtp_packet *packet,
                                   const struct sq_rtp_exts *exts)
{
    struct sq_track *track = find_ssrc(peer, packet->ssrc);
    if (track) {
        return track;
    }
    if (sq_rtp_has(exts, SQ_RTP_EXT_MID)) {
        track = by_mid(peer, exts->mid);
    }
    if (!track) {
        track = by_payload_type(peer, packet->pt);
    }
    if (track) {
        sq_peer_bind_ssrc(peer, packet->ssrc, track);
    }
    return track;
}

/* ---- Streams
 * ------------------------------------------------------------------------------------- */

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

static void on_frame(void *ctx, const struct sq_vp8_frame *frame)
{
    struct sq_track *track = ctx;
    if (!track->rx->media_seen) {
        tell_first_media(track);
    }
    if (frame->key && track->rx->rtp.nack) {
        sq_rtp_receiver_forget_before(&track->rx->rtp, frame->first_seq);
    }
}

static bool open_rx(struct sq_track *track, const struct sq_rtp_packet *packet, uint64_t now_ns)
{
    struct sq_track_rx *rx = sq_zalloc(sizeof(*rx));
    if (!rx) {
        return false;
    }
    bool video = track->kind == SQ_MEDIA_VIDEO;
    sq_rtp_receiver_init(&rx->rtp, packet->ssrc, track->jsep->codecs[0].clock_rate_hz,
                         video ? SQ_RTP_VIDEO : SQ_RTP_AUDIO, (track->fb & SQ_JSEP_FB_NACK) != 0);
    if (video) {
        sq_vp8_assembler_init(&rx->vp8, SQ_PLI_AFTER_NS, on_frame, track);
    } else {
        sq_opus_tracker_init(&rx->opus);
    }
    rx->first_packet_ns = now_ns;
    track->rx = rx;
    if (track->peer->times.first_media == 0) {
        track->peer->times.first_media = now_ns;
    }
    return true;
}

/* The other side changed the SSRC of the track (a restart, or a switched source): counters start
 * anew, the frames go on. */
static void switch_ssrc(struct sq_track *track, const struct sq_rtp_packet *packet)
{
    struct sq_track_rx *rx = track->rx;
    struct sq_rtp_receiver old = rx->rtp;
    sq_rtp_receiver_init(&rx->rtp, packet->ssrc, old.clock_rate, old.kind, old.nack);
    rx->rtp.pli_count = old.pli_count;
    rx->rtp.fir_count = old.fir_count;
    rx->rtp.nack_count = old.nack_count;
    rx->rtp.packets_received = old.packets_received;
    rx->rtp.bytes_received = old.bytes_received;
    rx->rtp.header_bytes_received = old.header_bytes_received;
    rx->rtp.expected_before = sq_rtp_receiver_expected(&old);
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

static void play(struct sq_track *track, uint64_t now_ns, const struct sq_rtp_packet *packet)
{
    struct sq_track_rx *rx = track->rx;
    if (track->kind == SQ_MEDIA_VIDEO) {
        /* What is not VP8 is counted by the assembler itself. */
        int err = sq_vp8_assembler_push(&rx->vp8, now_ns, packet->seq, packet->ts, packet->marker,
                                        packet->payload, packet->payload_bytes);
        (void)err;
        sq_peer_due(track->peer, sq_vp8_assembler_key_due_ns(&rx->vp8));
        return;
    }
    int err = sq_opus_tracker_push(&rx->opus, now_ns, packet->seq, packet->ts, packet->payload,
                                   packet->payload_bytes);
    if (!err && !rx->media_seen) {
        tell_first_media(track);
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
    if (!track || !track->can_receive || packet.pt != track->recv_pt ||
        (!track->rx && !open_rx(track, &packet, now_ns))) {
        peer->transport.discarded++;
        return;
    }
    if (packet.ssrc != track->rx->rtp.ssrc) {
        switch_ssrc(track, &packet);
    }
    unsigned seen = sq_rtp_receiver_on_packet(&track->rx->rtp, now_ns, &packet);
    if (track->rx->rtp.nack_next_ns != SQ_NEVER) {
        sq_peer_due(peer, track->rx->rtp.nack_next_ns);
    }
    if (!(seen & SQ_RTP_RX_NEW)) {
        return;
    }
    if (!peer->forward_only) {
        play(track, now_ns, &packet);
    } else if (!track->rx->media_seen) {
        tell_first_media(track);
    }
    if (peer->ops->rtp) {
        peer->ops->rtp(peer->ctx, track, &packet, &exts, now_ns);
    }
}
