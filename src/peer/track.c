/* Tracks: what an m-section sends and receives. Made for each transceiver, put in force by each
 * negotiation; the sending side lives here, the receiving one in receive.c. */
#include "base/mem.h"
#include "base/time.h"
#include "peer/peer.h"
#include "peer/peer_int.h"
#include <stdio.h>
#include <string.h>

/* ---- Making ---- */

static void free_sides(struct sq_track *track)
{
    if (track->tx) {
        sq_rtp_sender_close(&track->tx->rtp);
        sq_free(track->tx->sent_exts);
    }
    sq_free(track->tx);
    sq_free(track->rx);
}

void sq_track_free(struct sq_track *track)
{
    if (track) {
        free_sides(track);
        sq_free(track);
    }
}

static struct sq_track *oldest_stopped(struct sq_peer *peer)
{
    for (size_t i = 0; i < peer->tracks_len; i++) {
        if (!peer->tracks[i]->jsep) {
            return peer->tracks[i];
        }
    }
    return NULL;
}

/* A peer's last place goes to the track that was stopped first; before that they stay for their
 * statistics. */
static struct sq_track *reuse_track(struct sq_peer *peer)
{
    struct sq_track *track = oldest_stopped(peer);
    if (track) {
        sq_peer_unbind_track(peer, track);
        free_sides(track);
        *track = (struct sq_track){0};
    }
    return track;
}

static struct sq_track *new_track(struct sq_peer *peer)
{
    if (peer->tracks_len == SQ_PEER_TRACKS_MAX) {
        return reuse_track(peer);
    }
    if (peer->tracks_len == peer->tracks_room) {
        size_t room = peer->tracks_room ? peer->tracks_room * 2 : 2;
        struct sq_track **grown = sq_realloc(peer->tracks, room * sizeof(struct sq_track *));
        if (!grown) {
            return NULL;
        }
        peer->tracks = grown;
        peer->tracks_room = room;
    }
    struct sq_track *track = sq_zalloc(sizeof(*track));
    if (track) {
        peer->tracks[peer->tracks_len++] = track;
    }
    return track;
}

static int add_track(struct sq_peer *peer, struct sq_jsep_transceiver *jsep, uint32_t ssrc,
                     struct sq_track **ret_track)
{
    struct sq_track *track = new_track(peer);
    if (!track) {
        return SQ_ERR_NOMEM;
    }
    track->peer = peer;
    track->jsep = jsep;
    track->kind = jsep->kind == SQ_JSEP_VIDEO ? SQ_MEDIA_VIDEO : SQ_MEDIA_AUDIO;
    track->ssrc = ssrc;
    jsep->user = track;
    *ret_track = track;
    return 0;
}

static uint32_t new_ssrc(struct sq_peer *peer)
{
    uint32_t ssrc = 0;
    while (ssrc == 0) {
        ssrc = sq_rand_u32(&peer->env->rand);
    }
    return ssrc;
}

static void track_name(const struct sq_peer *peer, uint32_t ssrc, char out[static 64])
{
    snprintf(out, 64, "%.40s-%08x", peer->stream_id, ssrc);
}

int sq_peer_add_track(struct sq_peer *peer, enum sq_media_kind kind, enum sq_direction direction,
                      const struct sq_clip_track *media, struct sq_track **ret_track)
{
    if (peer->tracks_len == SQ_PEER_TRACKS_MAX && !oldest_stopped(peer)) {
        return SQ_ERR_NOMEM;
    }
    char name[64];
    const struct sq_jsep_add add = {
        .kind = kind == SQ_MEDIA_VIDEO ? SQ_JSEP_VIDEO : SQ_JSEP_AUDIO,
        .direction = (enum sq_sdp_direction)direction,
        .ssrc = new_ssrc(peer),
        .stream_id = peer->stream_id,
        .track_id = name,
    };
    track_name(peer, add.ssrc, name);
    struct sq_jsep_transceiver *jsep;
    int err = sq_jsep_add(peer->jsep, &add, &jsep);
    if (err) {
        return err;
    }
    struct sq_track *track;
    err = add_track(peer, jsep, add.ssrc, &track);
    if (err) {
        sq_jsep_stop(peer->jsep, jsep);
        return err;
    }
    track->media = media;
    if (ret_track) {
        *ret_track = track;
    }
    return 0;
}

int sq_peer_sync_tracks(struct sq_peer *peer)
{
    for (struct sq_jsep_transceiver *t = sq_jsep_first(peer->jsep); t; t = t->next) {
        struct sq_track *track;
        int err = t->user || t->stopped ? 0 : add_track(peer, t, new_ssrc(peer), &track);
        if (err) {
            return err;
        }
    }
    return 0;
}

int sq_track_set_media(struct sq_track *track, const struct sq_clip_track *media)
{
    if (!track->jsep) {
        return SQ_ERR_STATE;
    }
    char name[64];
    track_name(track->peer, track->ssrc, name);
    const struct sq_jsep_add sender = {.kind = track->jsep->kind,
                                       .ssrc = track->ssrc,
                                       .stream_id = track->peer->stream_id,
                                       .track_id = name};
    int err = sq_jsep_set_sender(track->peer->jsep, track->jsep, &sender);
    if (err) {
        return err;
    }
    track->media = media;
    return sq_track_set_direction(track,
                                  (enum sq_direction)(track->jsep->direction | SQ_DIR_SENDONLY));
}

int sq_track_set_direction(struct sq_track *track, enum sq_direction direction)
{
    if (!track->jsep) {
        return SQ_ERR_STATE;
    }
    sq_jsep_set_direction(track->peer->jsep, track->jsep, (enum sq_sdp_direction)direction);
    return 0;
}

int sq_track_stop(struct sq_track *track)
{
    if (!track->jsep) {
        return SQ_ERR_STATE;
    }
    sq_jsep_stop(track->peer->jsep, track->jsep);
    return 0;
}

/* ---- Putting a negotiation in force ---- */

static void map_ids(const struct sq_jsep_ext_ids *from, struct sq_rtp_ext_ids *to)
{
    const struct {
        enum sq_rtp_ext kind;
        uint8_t id;
    } map[] = {
        {SQ_RTP_EXT_MID, from->mid},
        {SQ_RTP_EXT_RID, from->rid},
        {SQ_RTP_EXT_REPAIRED_RID, from->repaired_rid},
        {SQ_RTP_EXT_ABS_SEND_TIME, from->abs_send_time},
        {SQ_RTP_EXT_TRANSPORT_CC, from->transport_cc},
        {SQ_RTP_EXT_AUDIO_LEVEL, from->audio_level},
    };
    for (size_t i = 0; i < sizeof(map) / sizeof(*map); i++) {
        if (map[i].id) {
            to->id[map[i].kind] = map[i].id;
        }
    }
}

static int make_tx(struct sq_track *track, uint32_t clock_rate)
{
    struct sq_peer *peer = track->peer;
    struct sq_rand *rand = &peer->env->rand;
    struct sq_track_tx *tx = sq_zalloc(sizeof(*tx));
    if (!tx) {
        return SQ_ERR_NOMEM;
    }
    bool video = track->kind == SQ_MEDIA_VIDEO;
    /* The first sequence number stays below 2^15, so that a first loss cannot hide a roll-over (RFC
     * 3711, section 3.3.1). */
    int err = sq_rtp_sender_init(&tx->rtp, track->ssrc, (uint16_t)sq_rand_below(rand, 0x8000),
                                 sq_rand_u32(rand), clock_rate, video ? SQ_RTP_VIDEO : SQ_RTP_AUDIO,
                                 video ? SQ_HISTORY_PACKETS : 0);
    if (err) {
        sq_free(tx);
        return err;
    }
    track->tx = tx;
    return 0;
}

static int apply_sending(struct sq_track *track, const struct sq_rtp_ext_ids *ids)
{
    struct sq_peer *peer = track->peer;
    const struct sq_jsep_transceiver *t = track->jsep;
    int err = track->tx ? 0 : make_tx(track, t->codecs[0].clock_rate_hz);
    if (err) {
        return err;
    }
    if (!peer->twcc_log && ids->id[SQ_RTP_EXT_TRANSPORT_CC] &&
        (track->fb & SQ_JSEP_FB_TRANSPORT_CC)) {
        peer->twcc_log = sq_zalloc(sizeof(*peer->twcc_log));
        err = peer->twcc_log ? sq_twcc_log_init(peer->twcc_log, SQ_TWCC_LOG_ROOM,
                                                (uint16_t)sq_rand_below(&peer->env->rand, 0x8000))
                             : SQ_ERR_NOMEM;
        if (err) {
            return err;
        }
    }
    const struct sq_rtp_template_opts opts = {
        .pt = track->pt,
        .ssrc = track->ssrc,
        .mid = sq_view_of(t->mid),
        .abs_send_time = track->kind == SQ_MEDIA_VIDEO,
        .transport_cc = peer->twcc_log && (track->fb & SQ_JSEP_FB_TRANSPORT_CC),
        .audio_level = track->kind == SQ_MEDIA_AUDIO,
    };
    err = sq_rtp_template_init(&track->tx->header, &opts, ids);
    bool changes = track->tx->header.abs_send_time_at || track->tx->header.transport_cc_at;
    if (!err && changes && track->tx->rtp.history_room && !track->tx->sent_exts) {
        track->tx->sent_exts = sq_calloc(SQ_HISTORY_PACKETS, sizeof(struct sq_sent_exts));
        err = track->tx->sent_exts ? 0 : SQ_ERR_NOMEM;
    }
    return err;
}

static void apply_receiving(struct sq_track *track, bool was)
{
    struct sq_peer *peer = track->peer;
    const struct sq_jsep_transceiver *t = track->jsep;
    if (t->stopped) {
        sq_peer_unbind_track(peer, track);
    }
    /* SSRCs that the packets' MID told stay known: senders leave the MID out after a while. */
    if (track->can_receive) {
        for (size_t i = 0; i < t->n_sources; i++) {
            sq_peer_bind_ssrc(peer, t->sources[i].ssrc, track);
        }
    }
    if (was && !track->can_receive && track->rx && !peer->forward_only) {
        if (track->kind == SQ_MEDIA_VIDEO) {
            sq_vp8_assembler_pause(&track->rx->vp8);
        } else {
            sq_opus_tracker_pause(&track->rx->opus);
        }
    }
    if (was != track->can_receive) {
        sq_peer_emit(
            peer, (struct sq_peer_event){
                      .type = SQ_PEER_EV_TRACK, .track = track, .mid = t->mid, .mline = t->mline});
    }
}

static int apply_track(struct sq_track *track)
{
    struct sq_peer *peer = track->peer;
    const struct sq_jsep_transceiver *t = track->jsep;
    bool was_receiving = track->can_receive;
    bool agreed = t->negotiated && t->n_codecs > 0;
    track->can_send = agreed && t->can_send;
    track->can_receive = agreed && t->can_receive;
    struct sq_rtp_ext_ids ids = {0};
    if (agreed) {
        track->pt = t->codecs[0].pt;
        track->recv_pt = t->codecs[0].recv_pt;
        track->fb = t->codecs[0].fb;
        map_ids(&t->ext, &ids);
        map_ids(&t->ext, &peer->ids);
        peer->twcc_negotiated |=
            ids.id[SQ_RTP_EXT_TRANSPORT_CC] && (track->fb & SQ_JSEP_FB_TRANSPORT_CC);
    }
    int err = track->can_send ? apply_sending(track, &ids) : 0;
    if (!err) {
        apply_receiving(track, was_receiving);
    }
    return err;
}

int sq_peer_apply_tracks(struct sq_peer *peer)
{
    peer->ids = (struct sq_rtp_ext_ids){0};
    peer->twcc_negotiated = false;
    for (size_t i = 0; i < peer->tracks_len; i++) {
        struct sq_track *track = peer->tracks[i];
        if (!track->jsep) {
            continue;
        }
        int err = apply_track(track);
        if (err) {
            return err;
        }
        /* A stopped section may be used again by another transceiver: let go of this one. */
        if (track->jsep->stopped && sq_jsep_forget(peer->jsep, track->jsep) == 0) {
            track->jsep = NULL;
        }
    }
    return 0;
}

void sq_peer_start_sources(struct sq_peer *peer)
{
    if (!sq_peer_may_send(peer)) {
        return;
    }
    for (size_t i = 0; i < peer->tracks_len; i++) {
        struct sq_track *track = peer->tracks[i];
        if (!track->tx || !track->media) {
            continue;
        }
        if (!track->can_send) {
            track->tx->source_runs = false;
        } else if (!track->tx->source_runs) {
            if (track->tx->source.track) {
                sq_source_skip(&track->tx->source, peer->now_ns);
            } else {
                sq_source_init(&track->tx->source, track->media, 0, peer->now_ns, &peer->env->rand);
            }
            track->tx->source_runs = true;
            sq_peer_due(peer, sq_track_next_send_ns(track));
        }
    }
}

void sq_peer_start_media(struct sq_peer *peer)
{
    sq_peer_start_sources(peer);
    sq_peer_start_rtcp(peer, peer->now_ns);
}

void sq_peer_stop_sources(struct sq_peer *peer)
{
    for (size_t i = 0; i < peer->tracks_len; i++) {
        if (peer->tracks[i]->tx) {
            peer->tracks[i]->tx->source_runs = false;
        }
    }
}

/* ---- Sending ---- */

struct outgoing {
    uint32_t ts;
    uint16_t seq;
    bool marker;
    uint8_t level; /* as on the wire */
    const uint8_t *head;
    size_t head_len;
    const uint8_t *payload;
    size_t payload_len;
};

static struct sq_sent_exts *sent_exts(const struct sq_track *track, uint16_t seq)
{
    struct sq_sent_exts *all = track->tx->sent_exts;
    return all ? &all[seq & (SQ_HISTORY_PACKETS - 1)] : NULL;
}

/* Writes one packet into the batch; returns the header's length. The caller has checked that it
 * fits. `again`: as it was sent before, to the last bit. */
static size_t put_packet(struct sq_track *track, uint64_t now_ns, const struct outgoing *out,
                         bool again)
{
    struct sq_peer *peer = track->peer;
    const struct sq_rtp_template *header = &track->tx->header;
    uint8_t *buf = sq_tx_begin(peer->env);
    size_t payload_len = out->head_len + out->payload_len;
    struct sq_rtp_stamp stamp = {
        .ts = out->ts, .seq = out->seq, .marker = out->marker, .audio_level = out->level};
    struct sq_sent_exts *sent = sent_exts(track, out->seq);
    if (again && sent) {
        stamp.abs_send_time = sq_load_u24(sent->abs_send_time);
        stamp.transport_seq = sent->transport_seq;
        stamp.audio_level = sent->level;
    } else {
        if (header->abs_send_time_at) {
            stamp.abs_send_time = sq_rtp_abs_send_time(now_ns);
        }
        if (header->transport_cc_at) {
            stamp.transport_seq =
                sq_twcc_log_take(peer->twcc_log, now_ns, header->len + payload_len);
        }
        bool kept = (uint16_t)(track->tx->rtp.next_seq - out->seq) <= SQ_HISTORY_PACKETS;
        if (sent && kept) {
            sent->transport_seq = stamp.transport_seq;
            sent->level = stamp.audio_level;
            sq_store_u24(sent->abs_send_time, stamp.abs_send_time);
        }
    }
    size_t at = sq_rtp_template_write(header, buf, &stamp);
    memcpy(buf + at, out->head, out->head_len);
    memcpy(buf + at + out->head_len, out->payload, out->payload_len);
    sq_tx_commit(peer->env, peer, at + payload_len);
    return at;
}

static bool fits(const struct sq_track *track, size_t payload_len)
{
    return track->tx->header.len + payload_len + SQ_SRTP_OVERHEAD_MAX_BYTES <= SQ_PEER_DATAGRAM_MAX;
}

static uint8_t level_byte(uint8_t level, bool voice)
{
    return (uint8_t)((voice ? 0x80 : 0) | (level & 0x7f));
}

static struct outgoing of_source(const struct sq_source_packet *packet, uint32_t ts, uint16_t seq)
{
    return (struct outgoing){
        .ts = ts,
        .seq = seq,
        .marker = packet->marker,
        .level = level_byte(packet->level, packet->voice),
        .head = packet->head,
        .head_len = packet->head_len,
        .payload = packet->fragment,
        .payload_len = packet->fragment_len,
    };
}

void sq_track_run_source(struct sq_track *track, uint64_t now_ns)
{
    static const uint8_t none[1];
    struct sq_track_tx *tx = track->tx;
    struct sq_source_packet packet;
    tx->resume_ns = 0;
    unsigned sent = 0;
    while (sent < SQ_BURST_PACKETS && sq_source_next(&tx->source, now_ns, &packet)) {
        uint32_t ts = tx->rtp.ts_base + (uint32_t)packet.ticks;
        size_t payload_len = packet.head_len + (size_t)packet.fragment_len;
        if (!fits(track, payload_len)) {
            continue;
        }
        uint16_t seq =
            sq_rtp_sender_take(&tx->rtp, now_ns, ts, tx->header.len, payload_len, packet.cookie);
        struct outgoing out = of_source(&packet, ts, seq);
        if (!out.payload) {
            out.payload = none;
        }
        put_packet(track, now_ns, &out, false);
        if (track->kind == SQ_MEDIA_VIDEO && packet.begin) {
            tx->rtp.frames_sent++;
            tx->rtp.key_frames_sent += packet.key;
        }
        sent++;
    }
    if (sent == SQ_BURST_PACKETS) {
        tx->resume_ns = now_ns + SQ_BURST_GAP_NS;
    }
}

int sq_track_send(struct sq_track *track, uint64_t now_ns, const struct sq_rtp_out *out)
{
    struct sq_peer *peer = track->peer;
    if (!track->can_send || !track->tx || !peer->srtp || peer->state == SQ_PEER_CLOSED ||
        !peer->has_path) {
        return SQ_ERR_STATE;
    }
    size_t payload_len = out->prefix_len + out->payload_len;
    if (!fits(track, payload_len)) {
        return SQ_ERR_NOSPACE;
    }
    struct sq_track_tx *tx = track->tx;
    uint32_t ts = tx->rtp.ts_base + out->timestamp;
    uint16_t seq =
        out->explicit_seq
            ? sq_rtp_sender_take_at(&tx->rtp, now_ns, out->seq, ts, tx->header.len, payload_len,
                                    out->cookie)
            : sq_rtp_sender_take(&tx->rtp, now_ns, ts, tx->header.len, payload_len, out->cookie);
    const struct outgoing packet = {
        .ts = ts,
        .seq = seq,
        .marker = out->marker,
        .level = out->level,
        .head = out->prefix ? out->prefix : out->payload,
        .head_len = out->prefix_len,
        .payload = out->payload,
        .payload_len = out->payload_len,
    };
    put_packet(track, now_ns, &packet, false);
    return 0;
}

void sq_track_resend(struct sq_track *track, const struct sq_rtp_resend *resend, uint64_t now_ns)
{
    struct sq_peer *peer = track->peer;
    struct sq_track_tx *tx = track->tx;
    struct outgoing out;
    struct sq_source_packet packet;
    struct sq_rtp_out by_hand = {0};
    if (track->media) {
        uint64_t ticks = (uint32_t)(resend->ts - tx->rtp.ts_base);
        if (sq_source_repeat(&tx->source, resend->cookie, ticks, &packet) != 0) {
            return;
        }
        out = of_source(&packet, resend->ts, resend->seq);
    } else {
        if (!peer->ops->resend || !peer->ops->resend(peer->ctx, track, resend->cookie, &by_hand)) {
            return;
        }
        out = (struct outgoing){
            .ts = resend->ts,
            .seq = resend->seq,
            .marker = by_hand.marker,
            .level = by_hand.level,
            .head = by_hand.prefix ? by_hand.prefix : by_hand.payload,
            .head_len = by_hand.prefix_len,
            .payload = by_hand.payload,
            .payload_len = by_hand.payload_len,
        };
    }
    if (!fits(track, out.head_len + out.payload_len)) {
        return;
    }
    size_t header_len = put_packet(track, now_ns, &out, true);
    sq_rtp_sender_resent(&tx->rtp, now_ns, header_len, out.head_len + out.payload_len);
}

void sq_track_send_key_frame(struct sq_track *track)
{
    if (track->tx && track->tx->source_runs) {
        sq_source_request_key_frame(&track->tx->source);
    }
}

/* ---- Plain questions ---- */

size_t sq_peer_track_count(const struct sq_peer *peer)
{
    return peer->tracks_len;
}

struct sq_track *sq_peer_track(struct sq_peer *peer, size_t index)
{
    return index < peer->tracks_len ? peer->tracks[index] : NULL;
}

struct sq_track *sq_peer_track_by_mid(struct sq_peer *peer, const char *mid)
{
    struct sq_jsep_transceiver *t = sq_jsep_by_mid(peer->jsep, mid);
    return t ? t->user : NULL;
}

enum sq_media_kind sq_track_kind(const struct sq_track *track)
{
    return track->kind;
}

const char *sq_track_mid(const struct sq_track *track)
{
    return track->jsep ? track->jsep->mid : "";
}

enum sq_direction sq_track_current_direction(const struct sq_track *track)
{
    return (enum sq_direction)((track->can_send ? SQ_DIR_SENDONLY : 0) |
                               (track->can_receive ? SQ_DIR_RECVONLY : 0));
}

void sq_track_set_user(struct sq_track *track, void *user)
{
    track->user = user;
}

void *sq_track_user(const struct sq_track *track)
{
    return track->user;
}

const char *sq_track_codec(const struct sq_track *track)
{
    const struct sq_jsep_transceiver *t = track->jsep;
    return t && t->negotiated && t->n_codecs > 0 ? t->codecs[0].name : "";
}
