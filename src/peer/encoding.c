/* What a track sends: its encodings (RTCRtpEncodingParameters), each a stream with an SSRC of its
 * own, and how a rate is shared out among them. */
#include "base/mem.h"
#include "base/time.h"
#include "peer/peer.h"
#include "peer/peer_int.h"
#include <string.h>

/* ---- Making ---- */

size_t sq_track_tx_bytes(size_t encodings)
{
    return sizeof(struct sq_track_tx) + encodings * sizeof(struct sq_encoding);
}

void sq_track_free_tx(struct sq_track_tx *tx)
{
    for (size_t i = 0; tx && i < tx->n; i++) {
        sq_rtp_sender_close(&tx->encodings[i].rtp);
        sq_free(tx->encodings[i].sent_exts);
        sq_free(tx->encodings[i].sent_tags);
    }
    sq_free(tx);
}

static int init_encoding(struct sq_track *track, struct sq_encoding *e, uint32_t ssrc,
                         uint32_t clock_rate)
{
    struct sq_rand *rand = &track->peer->env->rand;
    bool video = track->kind == SQ_MEDIA_VIDEO;
    e->active = true;
    /* The first sequence number stays below 2^15, so that a first loss cannot hide a roll-over (RFC
     * 3711, section 3.3.1). */
    return sq_rtp_sender_init(&e->rtp, ssrc, (uint16_t)sq_rand_below(rand, 0x8000),
                              sq_rand_u32(rand), clock_rate, video ? SQ_RTP_VIDEO : SQ_RTP_AUDIO,
                              video ? SQ_HISTORY_PACKETS : 0);
}

int sq_track_make_tx(struct sq_track *track, uint32_t clock_rate)
{
    size_t n = 1;
    struct sq_track_tx *tx = sq_zalloc(sq_track_tx_bytes(n));
    if (!tx) {
        return SQ_ERR_NOMEM;
    }
    tx->allocated_bps = UINT64_MAX;
    for (; tx->n < n; tx->n++) {
        int err = init_encoding(track, &tx->encodings[tx->n], track->ssrc, clock_rate);
        if (err) {
            sq_track_free_tx(tx);
            return err;
        }
    }
    track->tx = tx;
    return 0;
}

int sq_encoding_apply(struct sq_track *track, struct sq_encoding *e,
                      const struct sq_rtp_ext_ids *ids)
{
    const struct sq_rtp_template_opts opts = {
        .pt = track->pt,
        .ssrc = e->rtp.ssrc,
        .mid = sq_view_of(track->jsep->mid),
        .abs_send_time = track->kind == SQ_MEDIA_VIDEO,
        .transport_cc = track->peer->twcc_log && (track->fb & SQ_JSEP_FB_TRANSPORT_CC),
        .audio_level = track->kind == SQ_MEDIA_AUDIO,
    };
    track->send_codec = sq_codec_by_name(track->jsep->codecs[0].name);
    int err = sq_rtp_template_init(&e->header, &opts, ids);
    bool changes = e->header.abs_send_time_at || e->header.transport_cc_at;
    if (!err && changes && e->rtp.history_room && !e->sent_exts) {
        e->sent_exts = sq_calloc(SQ_HISTORY_PACKETS, sizeof(struct sq_sent_exts));
        err = e->sent_exts ? 0 : SQ_ERR_NOMEM;
    }
    if (!err && track->peer->latency && e->rtp.history_room && !e->sent_tags) {
        e->sent_tags = sq_calloc(SQ_HISTORY_PACKETS, sizeof(*e->sent_tags));
        err = e->sent_tags ? 0 : SQ_ERR_NOMEM;
    }
    return err;
}

struct sq_encoding *sq_peer_encoding(struct sq_peer *peer, uint32_t ssrc,
                                     struct sq_track **ret_track)
{
    for (size_t i = 0; i < peer->tracks_len; i++) {
        struct sq_track_tx *tx = peer->tracks[i]->tx;
        for (size_t k = 0; tx && k < tx->n; k++) {
            if (tx->encodings[k].rtp.ssrc == ssrc) {
                *ret_track = peer->tracks[i];
                return &tx->encodings[k];
            }
        }
    }
    return NULL;
}

/* ---- Running ---- */

static void run(struct sq_track *track, struct sq_encoding *e, uint64_t now_ns)
{
    if (e->source.track) {
        sq_source_skip(&e->source, now_ns);
    } else {
        sq_source_init(&e->source, track->media, 0, now_ns, &track->peer->env->rand);
    }
    e->source_runs = true;
}

void sq_track_sync_sources(struct sq_track *track, uint64_t now_ns)
{
    for (size_t i = 0; i < track->tx->n; i++) {
        struct sq_encoding *e = &track->tx->encodings[i];
        bool wanted = track->can_send && e->active;
        if (!wanted) {
            e->source_runs = false;
        } else if (!e->source_runs) {
            run(track, e, now_ns);
        }
    }
}

/* ---- Rates ---- */

static uint64_t rate_of(const struct sq_track *track, size_t i)
{
    (void)i;
    return track->media->average_bps;
}

void sq_track_rates(const struct sq_track *track, struct sq_track_rates *ret_rates)
{
    struct sq_track_rates rates = {0};
    if (track->media) {
        size_t n = track->tx ? track->tx->n : 1;
        rates.min_bps = rate_of(track, 0);
        for (size_t i = 0; i < n; i++) {
            rates.max_bps += rate_of(track, i);
        }
    }
    *ret_rates = rates;
}

void sq_track_allocate(struct sq_track *track, uint64_t bps, uint64_t now_ns)
{
    struct sq_track_tx *tx = track->tx;
    if (!tx || !track->media || bps == tx->allocated_bps) {
        return;
    }
    uint64_t left = bps;
    bool room = true;
    tx->allocated_bps = bps;
    for (size_t i = 0; i < tx->n; i++) {
        uint64_t rate = rate_of(track, i);
        room = i == 0 || (room && rate <= left);
        tx->encodings[i].active = room;
        left -= sq_min_u64(rate, left);
    }
    if (sq_peer_may_send(track->peer)) {
        sq_track_sync_sources(track, now_ns);
        sq_peer_due(track->peer, sq_track_next_send_ns(track));
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
    size_t grows; /* for a time-tag; 0: none */
    uint64_t due_ns;
    enum sq_codec codec;
};

static struct sq_sent_exts *sent_exts(const struct sq_encoding *e, uint16_t seq)
{
    struct sq_sent_exts *all = e->sent_exts;
    return all ? &all[seq & (SQ_HISTORY_PACKETS - 1)] : NULL;
}

/* Writes one packet into the batch; returns the header's length. The caller has checked that it
 * fits. `again`: as it was sent before, to the last bit. */
static size_t put_packet(struct sq_peer *peer, struct sq_encoding *e, uint64_t now_ns,
                         const struct outgoing *out, bool again)
{
    const struct sq_rtp_template *header = &e->header;
    uint8_t *buf = sq_tx_begin(peer->env);
    size_t payload_len = out->head_len + out->payload_len + out->grows;
    struct sq_rtp_stamp stamp = {
        .ts = out->ts, .seq = out->seq, .marker = out->marker, .audio_level = out->level};
    struct sq_sent_exts *sent = sent_exts(e, out->seq);
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
                sq_twcc_log_take(peer->twcc_log, now_ns, header->len + payload_len, 0);
        }
        bool kept = (uint16_t)(e->rtp.next_seq - out->seq) <= SQ_HISTORY_PACKETS;
        if (sent && kept) {
            sent->transport_seq = stamp.transport_seq;
            sent->level = stamp.audio_level;
            sq_store_u24(sent->abs_send_time, stamp.abs_send_time);
        }
    }
    size_t at = sq_rtp_template_write(header, buf, &stamp);
    memcpy(buf + at, out->head, out->head_len);
    memcpy(buf + at + out->head_len, out->payload, out->payload_len);
    if (out->grows) {
        sq_latency_put(peer, e, out->codec, out->seq, out->due_ns, again, buf + at,
                       payload_len - out->grows);
    }
    sq_peer_rtp_leaves(peer, now_ns, again ? SQ_SENT_AGAIN : SQ_SENT_MEDIA, at + payload_len);
    sq_tx_commit(peer->env, peer, at + payload_len);
    return at;
}

static bool fits(const struct sq_encoding *e, size_t payload_len)
{
    return e->header.len + payload_len + SQ_SRTP_OVERHEAD_MAX_BYTES <= SQ_PEER_DATAGRAM_MAX;
}

static uint8_t level_byte(uint8_t level, bool voice)
{
    return (uint8_t)((voice ? 0x80 : 0) | (level & 0x7f));
}

static struct outgoing of_source(const struct sq_track *track,
                                 const struct sq_source_packet *packet, uint32_t ts, uint16_t seq)
{
    return (struct outgoing){
        .grows = sq_latency_grows(track, packet->fragment, packet->fragment_len, packet->marker),
        .due_ns = packet->due_ns,
        .codec = track->send_codec,
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

static void run_source(struct sq_track *track, struct sq_encoding *e, uint64_t now_ns)
{
    static const uint8_t none[1];
    struct sq_source_packet packet;
    unsigned sent = 0;
    e->resume_ns = 0;
    while (sent < SQ_BURST_PACKETS && sq_source_next(&e->source, now_ns, &packet)) {
        uint32_t ts = e->rtp.ts_base + (uint32_t)packet.ticks;
        struct outgoing out = of_source(track, &packet, ts, 0);
        size_t payload_len = out.head_len + out.payload_len + out.grows;
        if (!fits(e, payload_len)) {
            continue;
        }
        out.seq =
            sq_rtp_sender_take(&e->rtp, now_ns, ts, e->header.len, payload_len, packet.cookie);
        if (!out.payload) {
            out.payload = none;
        }
        put_packet(track->peer, e, now_ns, &out, false);
        if (track->kind == SQ_MEDIA_VIDEO && packet.begin) {
            e->rtp.frames_sent++;
            e->rtp.key_frames_sent += packet.key;
        }
        sent++;
    }
    e->resume_ns = sq_pace_ns(track->peer, now_ns, sent);
}

void sq_track_run_sources(struct sq_track *track, uint64_t now_ns)
{
    for (size_t i = 0; i < track->tx->n; i++) {
        if (sq_encoding_next_ns(&track->tx->encodings[i]) <= now_ns) {
            run_source(track, &track->tx->encodings[i], now_ns);
        }
    }
}

int sq_track_send(struct sq_track *track, uint64_t now_ns, const struct sq_rtp_out *out)
{
    struct sq_peer *peer = track->peer;
    if (!track->can_send || !track->tx || !peer->srtp || peer->state == SQ_PEER_CLOSED ||
        !peer->has_path) {
        return SQ_ERR_STATE;
    }
    struct sq_encoding *e = &track->tx->encodings[0];
    size_t payload_len = out->prefix_len + out->payload_len;
    if (!fits(e, payload_len)) {
        return SQ_ERR_NOSPACE;
    }
    uint32_t ts = e->rtp.ts_base + out->timestamp;
    uint16_t seq =
        out->explicit_seq
            ? sq_rtp_sender_take_at(&e->rtp, now_ns, out->seq, ts, e->header.len, payload_len,
                                    out->cookie)
            : sq_rtp_sender_take(&e->rtp, now_ns, ts, e->header.len, payload_len, out->cookie);
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
    put_packet(peer, e, now_ns, &packet, false);
    return 0;
}

void sq_encoding_resend(struct sq_track *track, struct sq_encoding *e,
                        const struct sq_rtp_resend *resend, uint64_t now_ns)
{
    struct sq_peer *peer = track->peer;
    struct outgoing out;
    struct sq_source_packet packet;
    struct sq_rtp_out by_hand = {0};
    if (track->media) {
        uint64_t ticks = (uint32_t)(resend->ts - e->rtp.ts_base);
        if (sq_source_repeat(&e->source, resend->cookie, ticks, &packet) != 0) {
            return;
        }
        out = of_source(track, &packet, resend->ts, resend->seq);
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
    size_t payload_len = out.head_len + out.payload_len + out.grows;
    if (!fits(e, payload_len)) {
        return;
    }
    size_t header_len = put_packet(peer, e, now_ns, &out, true);
    sq_rtp_sender_resent(&e->rtp, now_ns, header_len, payload_len);
}

void sq_encoding_send_key_frame(struct sq_encoding *e)
{
    if (e->source_runs) {
        sq_source_request_key_frame(&e->source);
    }
}

void sq_track_send_key_frame(struct sq_track *track)
{
    for (size_t i = 0; track->tx && i < track->tx->n; i++) {
        sq_encoding_send_key_frame(&track->tx->encodings[i]);
    }
}
