/* What a track sends: its encodings (RTCRtpEncodingParameters), each a stream with an SSRC of its
 * own. */
#include "base/mem.h"
#include "base/time.h"
#include "media/silence.h"
#include "peer/peer.h"
#include "peer/peer_int.h"
#include <string.h>

#define RTX_HEAD_MAX 64 /* bytes of a payload descriptor, with the two in front of it */

/* ---- What is agreed on ---- */

/* `acked`: without MID and RID, which senders leave out once a report has shown that the other side
 * knows the stream (as libwebrtc does; RFC 8852, section 3 allows it). */
static int write_header(const struct sq_track *track, const struct sq_encoding *e, bool acked,
                        struct sq_rtp_template *ret_header)
{
    const struct sq_peer *peer = track->peer;
    const struct sq_rtp_template_opts opts = {
        .pt = track->pt,
        .ssrc = e->rtp.ssrc,
        .mid = sq_view_of(acked ? "" : track->jsep->mid),
        .rid = sq_view_of(acked ? "" : e->rid),
        .abs_send_time = true,
        .transport_cc = peer->twcc_log && (track->fb & SQ_JSEP_FB_TRANSPORT_CC),
        .audio_level = track->kind == SQ_MEDIA_AUDIO,
    };
    return sq_rtp_template_init(ret_header, &opts, &track->ids);
}

static int write_rtx_header(const struct sq_track *track, const struct sq_encoding *e,
                            struct sq_rtp_template *ret_header)
{
    const struct sq_peer *peer = track->peer;
    const struct sq_rtp_template_opts opts = {
        .pt = track->rtx_pt,
        .ssrc = e->rtx_ssrc,
        .mid = sq_view_of(e->rtx_acked ? "" : track->jsep->mid),
        .repaired_rid = sq_view_of(e->rtx_acked ? "" : e->rid),
        .abs_send_time = true,
        .transport_cc = peer->twcc_log && (track->fb & SQ_JSEP_FB_TRANSPORT_CC),
    };
    return sq_rtp_template_init(ret_header, &opts, &track->ids);
}

static void begin_anew(struct sq_encoding *e, uint64_t now_ns)
{
    e->rtp.ts_base = sq_rtp_sender_ts_at(&e->rtp, now_ns);
    e->rtp.history_used = 0; /* its packets are of what was sent before */
    e->source = (struct sq_source){0};
    e->source_runs = false;
    e->hidden = NULL;
}

/* Another codec than before: the clip begins anew, and media time goes on. */
static void change_codec(struct sq_track *track, struct sq_encoding *e, uint64_t now_ns)
{
    uint32_t rate = track->jsep->codecs[0].clock_rate_hz;
    const struct sq_clip_track *at = e->hidden ? e->hidden : e->source.track;
    bool other_media = at && track->media && track->fec != at &&
                       sq_clip_lowest(track->media) != sq_clip_lowest(at);
    if (rate == e->rtp.clock_rate && !other_media) {
        return;
    }
    begin_anew(e, now_ns);
    e->rtp.clock_rate = rate;
}

int sq_encoding_apply(struct sq_track *track, struct sq_encoding *e)
{
    change_codec(track, e, track->peer->now_ns);
    uint8_t pt_before = e->header.bytes[1];
    int err = write_header(track, e, e->acked, &e->header);
    if (e->header.bytes[1] != pt_before) {
        e->rtp.history_used = 0; /* not to the last bit any more, and of another codec */
    }
    bool changes = e->header.abs_send_time_at || e->header.transport_cc_at;
    bool plain = !track->rtx_pt && e->rtp.history_room;
    if (!err && changes && plain && !e->sent_exts) {
        e->sent_exts = sq_calloc(e->rtp.history_room, sizeof(struct sq_sent_exts));
        err = e->sent_exts ? 0 : SQ_ERR_NOMEM;
    }
    if (!err && track->peer->latency && e->rtp.history_room && !e->sent_tags) {
        e->sent_tags = sq_calloc(e->rtp.history_room, sizeof(*e->sent_tags));
        err = e->sent_tags ? 0 : SQ_ERR_NOMEM;
    }
    return err;
}

void sq_encoding_on_block(struct sq_track *track, struct sq_encoding *e, uint32_t ssrc)
{
    struct sq_rtp_template header;
    if (ssrc == e->rtx_ssrc) {
        e->rtx_acked = true;
    } else if (!e->acked && e->rtp.started && track->jsep &&
               write_header(track, e, true, &header) == 0) {
        e->acked = e->headers_mixed = true;
        e->acked_seq = e->rtp.next_seq;
        e->header = header;
    }
}

/* ---- Running ---- */

/* What of the black clip goes in the place of a step of the clip. */
static const struct sq_clip_track *black_for(const struct sq_track *track,
                                             const struct sq_clip_track *step)
{
    return sq_clip_nearest(track->peer->black, track->send_codec, step->width, step->height);
}

/* What a layer begins with: the step at which its one stream was last, of the same media. */
static const struct sq_clip_track *first_step(const struct sq_track *track, size_t i)
{
    const struct sq_clip_track *last = track->tx->n == 1 ? track->tx->last_step : NULL;
    return last && sq_clip_lowest(last) == sq_clip_lowest(track->media)
               ? last
               : sq_choose_layer(track->media, i, track->tx->n);
}

/* All layers show the same picture at the same time, whether they are on yet or not. */
static void init_sources(struct sq_track *track, uint64_t now_ns)
{
    struct sq_track_tx *tx = track->tx;
    struct sq_rand *rand = &track->peer->env->rand;
    const struct sq_source *first = NULL;
    for (size_t i = 0; i < tx->n; i++) {
        struct sq_encoding *e = &tx->encodings[i];
        const struct sq_clip_track *layer = first_step(track, i);
        if (!layer) {
            continue;
        }
        if (sq_track_is_hidden(track)) {
            e->hidden = layer;
            layer = black_for(track, layer);
        }
        if (first) {
            sq_source_init_beside(&e->source, layer, 0, first, rand);
        } else {
            sq_source_init(&e->source, layer, 0, now_ns, rand);
            first = &e->source;
        }
    }
}

void sq_track_sync_sources(struct sq_track *track, uint64_t now_ns)
{
    struct sq_track_tx *tx = track->tx;
    bool fresh = true;
    for (size_t i = 0; i < tx->n; i++) {
        fresh = fresh && !tx->encodings[i].source.track;
    }
    if (fresh && track->can_send) {
        init_sources(track, now_ns);
    }
    for (size_t i = 0; i < tx->n; i++) {
        struct sq_encoding *e = &tx->encodings[i];
        sq_source_set_red(&e->source, track->red_pt);
        bool quiet = track->muted || (track->disabled && !track->has_black &&
                                      !sq_silence_is_known(track->send_codec));
        if (!track->can_send || quiet || !e->active || !e->source.track) {
            e->source_runs = false;
        } else if (!e->source_runs) {
            if (!fresh) {
                sq_source_skip(&e->source, now_ns); /* and a key frame */
            }
            e->source_runs = true;
        }
    }
}

void sq_track_change_media(struct sq_track *track, uint64_t now_ns)
{
    struct sq_track_tx *tx = track->tx;
    struct sq_source before[SQ_JSEP_RIDS_MAX];
    const struct sq_encoding *first = &tx->encodings[0];
    tx->last_step = first->source.track ? sq_encoding_step(first) : NULL;
    for (size_t i = 0; i < tx->n; i++) {
        before[i] = tx->encodings[i].source;
        begin_anew(&tx->encodings[i], now_ns);
    }
    if (!sq_peer_may_send(track->peer)) {
        return; /* the sources begin when it may */
    }
    sq_track_sync_sources(track, now_ns);
    for (size_t i = 0; i < tx->n; i++) {
        struct sq_encoding *e = &tx->encodings[i];
        if (before[i].track && e->source.track) {
            sq_source_go_on_from(&e->source, &before[i]);
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
    const uint8_t *ext; /* dependency descriptor */
    uint8_t ext_id;
    size_t ext_len; /* 0: none, or not agreed */
    struct sq_latency_room tag;
    uint8_t capture_id;          /* of abs-capture-time; 0: none */
    const uint8_t *capture_time; /* by hand; NULL: of due_ns */
    uint64_t due_ns;
    enum sq_codec codec;
    uint16_t first_seq; /* of RTX: the number that it had when it was sent first */
    uint8_t osn_bytes;  /* of RTX: what stands before the payload proper, 2 */
};

static struct sq_sent_exts *sent_exts(const struct sq_encoding *e, uint16_t seq)
{
    struct sq_sent_exts *all = e->sent_exts;
    return all ? &all[seq & (e->rtp.history_room - 1)] : NULL;
}

static size_t payload_bytes(const struct outgoing *out)
{
    return out->head_len + out->payload_len + out->tag.grows;
}

static size_t put_capture_time(const struct outgoing *out, uint64_t us, uint8_t *buf, size_t at)
{
    uint8_t bytes[SQ_CAPTURE_TIME_BYTES];
    if (out->capture_time) {
        return sq_rtp_header_extend(buf, at, out->capture_id, out->capture_time, 8);
    }
    sq_latency_capture_time(us, bytes);
    return sq_rtp_header_extend(buf, at, out->capture_id, bytes, sizeof(bytes));
}

/* Writes one packet into the batch with that header. The caller has checked that it fits. */
static size_t put(struct sq_peer *peer, struct sq_encoding *e, const struct sq_rtp_template *header,
                  uint64_t now_ns, enum sq_sent_kind kind, const struct sq_rtp_stamp *stamp,
                  const struct outgoing *out)
{
    uint8_t *buf = sq_tx_begin(peer->env);
    size_t at = sq_rtp_template_write(header, buf, stamp);
    if (out->ext_len) {
        at = sq_rtp_header_extend(buf, at, out->ext_id, out->ext, out->ext_len);
    }
    bool tagged = out->tag.grows || out->tag.at;
    uint64_t us = 0;
    if (tagged || (out->capture_id && !out->capture_time)) {
        us = sq_latency_time_us(peer, e, out->osn_bytes ? out->first_seq : out->seq, out->due_ns,
                                kind != SQ_SENT_MEDIA);
    }
    if (out->capture_id) {
        at = put_capture_time(out, us, buf, at);
    }
    size_t len = at + payload_bytes(out);
    memcpy(buf + at, out->head, out->head_len);
    memcpy(buf + at + out->head_len, out->payload, out->payload_len);
    if (tagged) {
        size_t head_len = out->head_len - out->osn_bytes;
        sq_latency_put(peer, out->codec, &out->tag, us, buf + at + out->osn_bytes, head_len,
                       head_len + out->payload_len);
    }
    struct sq_track *track;
    if (peer->ops->sent && sq_peer_encoding(peer, e->rtp.ssrc, &track)) {
        peer->ops->sent(peer->ctx, track, buf, len, now_ns);
    }
    sq_peer_rtp_leaves(peer, now_ns, kind, len, e->rtp.kind == SQ_RTP_VIDEO);
    sq_tx_commit(peer->env, peer, len);
    return len;
}

static struct sq_rtp_stamp stamp_of(const struct outgoing *out)
{
    return (struct sq_rtp_stamp){
        .ts = out->ts, .seq = out->seq, .marker = out->marker, .audio_level = out->level};
}

/* What differs from one sending to the next. */
static void stamp_now(struct sq_peer *peer, const struct sq_rtp_template *header, uint64_t now_ns,
                      size_t payload_len, struct sq_rtp_stamp *stamp)
{
    if (header->abs_send_time_at) {
        stamp->abs_send_time = sq_rtp_abs_send_time(now_ns);
    }
    if (header->transport_cc_at) {
        size_t more = peer->cc ? peer->cc->overhead_bytes : 0;
        stamp->transport_seq =
            sq_twcc_log_take(peer->twcc_log, now_ns, header->len + payload_len + more,
                             peer->cc ? peer->cc->probe : 0);
    }
}

/* By how much the header grew beyond the prepared one, by extensions that not every packet has;
 * the log took the packet without them. */
static size_t grew(struct sq_peer *peer, const struct sq_rtp_template *header,
                   const struct sq_rtp_stamp *stamp, const struct outgoing *out, size_t len)
{
    size_t more = len - payload_bytes(out) - header->len;
    if (more && header->transport_cc_at) {
        sq_twcc_log_add_bytes(peer->twcc_log, stamp->transport_seq, more);
    }
    return more;
}

static void put_media(struct sq_peer *peer, struct sq_encoding *e, uint64_t now_ns,
                      const struct outgoing *out)
{
    struct sq_rtp_stamp stamp = stamp_of(out);
    struct sq_sent_exts *sent = sent_exts(e, out->seq);
    stamp_now(peer, &e->header, now_ns, payload_bytes(out), &stamp);
    if (sent && (uint16_t)(e->rtp.next_seq - out->seq) <= e->rtp.history_room) {
        sent->transport_seq = stamp.transport_seq;
        sent->level = stamp.audio_level;
        sq_store_u24(sent->abs_send_time, stamp.abs_send_time);
    }
    if (e->headers_mixed && (int16_t)(out->seq - e->acked_seq) > (int)e->rtp.history_room) {
        e->headers_mixed = false; /* what may be asked for has all the same header */
    }
    size_t len = put(peer, e, &e->header, now_ns, SQ_SENT_MEDIA, &stamp, out);
    e->rtp.header_bytes_sent += grew(peer, &e->header, &stamp, out, len);
}

/* As it was sent before, to the last bit. */
static void put_again(struct sq_track *track, struct sq_encoding *e, uint64_t now_ns,
                      const struct outgoing *out)
{
    struct sq_rtp_template before;
    const struct sq_rtp_template *header = &e->header;
    struct sq_rtp_stamp stamp = stamp_of(out);
    struct sq_sent_exts *sent = sent_exts(e, out->seq);
    if (e->headers_mixed && (int16_t)(out->seq - e->acked_seq) < 0) {
        if (!track->jsep || write_header(track, e, false, &before) != 0) {
            return;
        }
        header = &before;
    }
    if (sent) {
        stamp.abs_send_time = sq_load_u24(sent->abs_send_time);
        stamp.transport_seq = sent->transport_seq;
        stamp.audio_level = sent->level;
    }
    size_t len = put(track->peer, e, header, now_ns, SQ_SENT_AGAIN, &stamp, out);
    sq_rtp_sender_resent(&e->rtp, now_ns, len - payload_bytes(out), payload_bytes(out));
}

/* RFC 4588, section 4: the payload behind the sequence number that it had; a stream of its own. */
static size_t put_rtx(struct sq_track *track, struct sq_encoding *e, uint64_t now_ns,
                      enum sq_sent_kind kind, const struct outgoing *out)
{
    struct sq_rtp_template header;
    uint8_t head[RTX_HEAD_MAX];
    struct outgoing rtx = *out;
    if (out->head_len > sizeof(head) - 2 || !track->jsep ||
        write_rtx_header(track, e, &header) != 0) {
        return 0;
    }
    sq_store_u16(head, out->seq);
    memcpy(head + 2, out->head, out->head_len);
    rtx.head = head;
    rtx.head_len = out->head_len + 2;
    rtx.first_seq = out->seq;
    rtx.osn_bytes = 2;
    rtx.seq = e->rtx_seq++;
    if (header.len + payload_bytes(&rtx) + SQ_SRTP_OVERHEAD_MAX_BYTES > SQ_PEER_DATAGRAM_MAX) {
        return 0;
    }
    struct sq_rtp_stamp stamp = stamp_of(&rtx);
    stamp_now(track->peer, &header, now_ns, payload_bytes(&rtx), &stamp);
    size_t len = put(track->peer, e, &header, now_ns, kind, &stamp, &rtx);
    e->rtx_packets++;
    e->rtx_bytes += payload_bytes(&rtx);
    e->rtx_header_bytes += header.len + grew(track->peer, &header, &stamp, &rtx, len);
    if (kind == SQ_SENT_PADDING) {
        e->pad_packets++;
        e->pad_bytes += payload_bytes(&rtx);
    }
    return len;
}

bool sq_track_sends_rtx_as(const struct sq_track *track, uint8_t pt)
{
    return track->rtx_pt && track->rtx_pt == pt;
}

bool sq_track_sends_red_as(const struct sq_track *track, uint8_t pt)
{
    return track->red_pt && track->pt == pt;
}

static bool fits(const struct sq_encoding *e, size_t payload_len)
{
    return e->header.len + payload_len + SQ_SRTP_OVERHEAD_MAX_BYTES <= SQ_PEER_DATAGRAM_MAX;
}

static size_t ext_room(const struct outgoing *out)
{
    size_t room = out->ext_len ? out->ext_len + SQ_RTP_EXTEND_BYTES : 0;
    return room + (out->capture_id ? SQ_CAPTURE_TIME_BYTES + SQ_RTP_EXTEND_BYTES : 0);
}

static uint8_t level_byte(uint8_t level, bool voice)
{
    return (uint8_t)((voice ? 0x80 : 0) | (level & 0x7f));
}

static struct outgoing of_source(const struct sq_track *track,
                                 const struct sq_source_packet *packet, uint32_t ts, uint16_t seq)
{
    uint8_t ext_id = track->ids.id[SQ_RTP_EXT_DEPENDENCY];
    struct sq_latency_room tag = sq_latency_room(track, packet);
    bool captures = track->peer->latency &&
                    (track->kind == SQ_MEDIA_VIDEO ? packet->begin : !tag.grows && !tag.at);
    return (struct outgoing){
        .capture_id = captures ? track->ids.id[SQ_RTP_EXT_ABS_CAPTURE_TIME] : 0,
        .ext = packet->ext,
        .ext_id = ext_id,
        .ext_len = ext_id ? packet->ext_len : 0,
        .tag = tag,
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

/* What is sent of a muted track in the place of a packet. Lost silence is not repaired. */
static void hush(const struct sq_track *track, struct sq_source_packet *packet,
                 uint8_t bytes[static SQ_SILENCE_MAX])
{
    packet->fragment_len =
        (uint16_t)sq_silence_put(track->send_codec, packet->fragment, packet->fragment_len, bytes);
    packet->fragment = bytes;
    packet->head_len = 0;
    if (track->red_pt) { /* RFC 2198, section 3: the primary block alone */
        packet->head[0] = track->red_pt & 0x7f;
        packet->head_len = 1;
    }
    packet->level = 127;
    packet->voice = packet->marker = false;
    packet->cookie = SQ_RTP_NO_COOKIE;
}

static void run_source(struct sq_track *track, struct sq_encoding *e, uint64_t now_ns)
{
    static const uint8_t none[1];
    uint8_t silence[SQ_SILENCE_MAX];
    struct sq_source_packet packet;
    unsigned sent = 0;
    bool video = track->kind == SQ_MEDIA_VIDEO;
    unsigned room = sq_pace_room(track->peer, now_ns, video);
    while (sent < room && sq_source_next(&e->source, now_ns, &packet)) {
        uint32_t ts = e->rtp.ts_base + (uint32_t)packet.ticks;
        bool silent = track->disabled && !video;
        if (silent) {
            hush(track, &packet, silence);
        }
        struct outgoing out = of_source(track, &packet, ts, 0);
        if (silent) {
            out.tag = (struct sq_latency_room){0};
        }
        size_t payload_len = payload_bytes(&out);
        if (sq_tones_sounds(track->tx->tones)) {
            sq_tones_take_place_of(track->tx->tones, track->send_codec, &packet);
            continue;
        }
        if (!fits(e, payload_len + ext_room(&out))) {
            continue;
        }
        out.seq =
            sq_rtp_sender_take(&e->rtp, now_ns, ts, e->header.len, payload_len, packet.cookie);
        if (!out.payload) {
            out.payload = none;
        }
        put_media(track->peer, e, now_ns, &out);
        e->in_frame = !packet.marker;
        if (video && packet.begin) {
            e->rtp.frames_sent++;
            e->rtp.key_frames_sent += packet.key;
        }
        sent++;
    }
    e->resume_ns = sq_pace_ns(track->peer, now_ns, video, sent, room);
}

void sq_encoding_send_event(struct sq_track *track, struct sq_encoding *e, uint64_t now_ns,
                            uint8_t pt, uint32_t ts, uint64_t began_ns, bool marker,
                            const uint8_t *payload, size_t len)
{
    struct sq_rtp_template header = e->header;
    header.bytes[1] = pt;
    struct outgoing out = {.ts = ts,
                           .marker = marker,
                           .level = 127,
                           .head = payload,
                           .payload = payload,
                           .payload_len = len};
    out.seq = sq_rtp_sender_take(&e->rtp, now_ns, ts, header.len, len, SQ_RTP_NO_COOKIE);
    e->rtp.ts_at_ns = began_ns; /* for sender reports: it is told later than it began */
    struct sq_rtp_stamp stamp = stamp_of(&out);
    stamp_now(track->peer, &header, now_ns, len, &stamp);
    put(track->peer, e, &header, now_ns, SQ_SENT_MEDIA, &stamp, &out);
}

void sq_encoding_send_pause(struct sq_track *track, struct sq_encoding *e, uint64_t now_ns,
                            uint64_t at_ns, const uint8_t *payload, size_t len)
{
    const uint8_t red = track->red_pt & 0x7f; /* RFC 2198, section 3: the primary block alone */
    struct outgoing out = {.codec = track->send_codec,
                           .due_ns = now_ns,
                           .ts = sq_rtp_sender_ts_at(&e->rtp, at_ns),
                           .level = 127,
                           .head = &red,
                           .head_len = track->red_pt ? 1 : 0,
                           .payload = payload,
                           .payload_len = len};
    out.seq = sq_rtp_sender_take(&e->rtp, now_ns, out.ts, e->header.len, payload_bytes(&out),
                                 SQ_RTP_NO_COOKIE);
    e->rtp.ts_at_ns = at_ns;
    put_media(track->peer, e, now_ns, &out);
}

void sq_track_run_sources(struct sq_track *track, uint64_t now_ns)
{
    if (track->tx->tones) {
        sq_track_run_tones(track, now_ns);
    }
    for (size_t i = 0; i < track->tx->n; i++) {
        if (sq_encoding_next_ns(&track->tx->encodings[i]) <= now_ns) {
            run_source(track, &track->tx->encodings[i], now_ns);
        }
    }
}

void sq_track_run_probe(struct sq_track *track, uint64_t now_ns)
{
    for (size_t i = 0; i < track->tx->n; i++) {
        struct sq_encoding *e = &track->tx->encodings[i];
        if (e->source_runs && sq_source_due_ns(&e->source) <= now_ns) {
            run_source(track, e, now_ns);
        }
    }
}

/* An event by hand. Its time-stamp, which stands still, tells nothing about when it is sent: sender
 * reports go on from the sound before it. */
static int forward_event(struct sq_track *track, struct sq_encoding *e, uint64_t now_ns,
                         const struct sq_rtp_out *out)
{
    const struct sq_jsep_codec *codec = sq_track_event_codec(track, out->event_hz);
    if (!codec) {
        return SQ_ERR_UNSUPPORTED;
    }
    struct sq_rtp_template header = e->header;
    header.bytes[1] = codec->pt;
    struct outgoing event = {.ts = e->rtp.ts_base + out->timestamp,
                             .marker = out->marker,
                             .level = out->level,
                             .head = out->payload,
                             .payload = out->payload,
                             .payload_len = out->payload_len};
    if (!fits(e, out->payload_len)) {
        return SQ_ERR_NOSPACE;
    }
    uint32_t ts_last = e->rtp.ts_last;
    uint64_t ts_at_ns = e->rtp.ts_at_ns;
    bool started = e->rtp.started;
    event.seq = out->explicit_seq
                    ? sq_rtp_sender_take_at(&e->rtp, now_ns, out->seq, event.ts, header.len,
                                            out->payload_len, SQ_RTP_NO_COOKIE)
                    : sq_rtp_sender_take(&e->rtp, now_ns, event.ts, header.len, out->payload_len,
                                         SQ_RTP_NO_COOKIE);
    if (started) {
        e->rtp.ts_last = ts_last;
        e->rtp.ts_at_ns = ts_at_ns;
    }
    struct sq_rtp_stamp stamp = stamp_of(&event);
    stamp_now(track->peer, &header, now_ns, out->payload_len, &stamp);
    put(track->peer, e, &header, now_ns, SQ_SENT_MEDIA, &stamp, &event);
    return 0;
}

int sq_track_send(struct sq_track *track, uint64_t now_ns, const struct sq_rtp_out *out)
{
    struct sq_peer *peer = track->peer;
    if (!track->can_send || !track->tx || !peer->srtp || peer->state == SQ_PEER_CLOSED ||
        !peer->has_path) {
        return SQ_ERR_STATE;
    }
    struct sq_encoding *e = &track->tx->encodings[0];
    if (out->event_hz) {
        return forward_event(track, e, now_ns, out);
    }
    size_t payload_len = out->prefix_len + out->payload_len;
    uint8_t ext_id = track->ids.id[SQ_RTP_EXT_DEPENDENCY];
    size_t ext_len = ext_id ? out->dependency_len : 0;
    uint32_t ts = e->rtp.ts_base + out->timestamp;
    struct outgoing packet = {
        .ext = out->dependency,
        .ext_id = ext_id,
        .ext_len = ext_len,
        .capture_id = out->capture_time ? track->ids.id[SQ_RTP_EXT_ABS_CAPTURE_TIME] : 0,
        .capture_time = out->capture_time,
        .ts = ts,
        .marker = out->marker,
        .level = out->level,
        .head = out->prefix ? out->prefix : out->payload,
        .head_len = out->prefix_len,
        .payload = out->payload,
        .payload_len = out->payload_len,
    };
    if (!fits(e, payload_len + ext_room(&packet))) {
        return SQ_ERR_NOSPACE;
    }
    bool first = !e->rtp.started;
    uint32_t before = e->rtp.ts_last;
    packet.seq = out->explicit_seq ? sq_rtp_sender_take_at(&e->rtp, now_ns, out->seq, ts,
                                                           e->header.len, payload_len, out->cookie)
                                   : sq_rtp_sender_take(&e->rtp, now_ns, ts, e->header.len,
                                                        payload_len, out->cookie);
    put_media(peer, e, now_ns, &packet);
    /* One a time-stamp: packets do not tell where a frame begins, and may come out of order. */
    if (track->kind == SQ_MEDIA_VIDEO && payload_len > 0 && (first || (int32_t)(ts - before) > 0)) {
        e->rtp.frames_sent++;
        e->rtp.key_frames_sent += out->key;
    }
    return 0;
}

/* A packet of before, out of the clip or from who sent it by hand. False: it is not to be had. */
static bool make_again(struct sq_track *track, struct sq_encoding *e,
                       const struct sq_rtp_resend *resend, bool padding,
                       struct sq_source_packet *packet, struct outgoing *ret_out)
{
    struct sq_peer *peer = track->peer;
    struct sq_rtp_out by_hand = {.padding = padding};
    if (track->media) {
        uint64_t ticks = (uint32_t)(resend->ts - e->rtp.ts_base);
        if (sq_source_repeat(&e->source, resend->cookie, ticks, packet) != 0) {
            return false;
        }
        *ret_out = of_source(track, packet, resend->ts, resend->seq);
        return true;
    }
    if (!peer->ops->resend || !peer->ops->resend(peer->ctx, track, resend->cookie, &by_hand)) {
        return false;
    }
    *ret_out = (struct outgoing){
        .ext = by_hand.dependency,
        .ext_id = track->ids.id[SQ_RTP_EXT_DEPENDENCY],
        .ext_len = track->ids.id[SQ_RTP_EXT_DEPENDENCY] ? by_hand.dependency_len : 0,
        .ts = resend->ts,
        .seq = resend->seq,
        .marker = by_hand.marker,
        .level = by_hand.level,
        .head = by_hand.prefix ? by_hand.prefix : by_hand.payload,
        .head_len = by_hand.prefix_len,
        .payload = by_hand.payload,
        .payload_len = by_hand.payload_len,
    };
    return true;
}

void sq_encoding_resend(struct sq_track *track, struct sq_encoding *e,
                        const struct sq_rtp_resend *resend, uint64_t now_ns)
{
    struct outgoing out;
    struct sq_source_packet packet;
    if (!make_again(track, e, resend, false, &packet, &out)) {
        return;
    }
    if (!fits(e, payload_bytes(&out) + ext_room(&out))) {
        return;
    }
    if (track->rtx_pt && e->rtx_ssrc) {
        put_rtx(track, e, now_ns, SQ_SENT_AGAIN, &out);
    } else {
        put_again(track, e, now_ns, &out);
    }
}

/* ---- Padding ---- */

#define PAD_BACK_MOST 8   /* one of the last packets, each in its turn */
#define PAD_ONLY      255 /* bytes of padding in a packet of nothing else, as from Chromium 156 */

/* One of the last packets once more on the RTX stream: redundant, so of some use where it repairs
 * a loss. */
static size_t pad_rtx(struct sq_track *track, struct sq_encoding *e, uint64_t now_ns)
{
    struct sq_rtp_resend old;
    struct sq_source_packet packet;
    e->pad_back = (uint8_t)(e->pad_back % PAD_BACK_MOST + 1);
    if (sq_rtp_sender_find(&e->rtp, (uint16_t)(e->rtp.next_seq - e->pad_back), &old) != 0) {
        e->pad_back = 1; /* so many were not sent yet */
        if (sq_rtp_sender_find(&e->rtp, (uint16_t)(e->rtp.next_seq - 1), &old) != 0) {
            return 0;
        }
    }
    struct outgoing out;
    if (!make_again(track, e, &old, true, &packet, &out) ||
        !fits(e, payload_bytes(&out) + ext_room(&out))) {
        return 0;
    }
    return put_rtx(track, e, now_ns, SQ_SENT_PADDING, &out);
}

/* RFC 3550, section 5.1: P is set, and the last byte counts. */
static size_t pad_only(struct sq_track *track, struct sq_encoding *e, uint64_t now_ns)
{
    static const uint8_t padding[PAD_ONLY] = {[PAD_ONLY - 1] = PAD_ONLY};
    struct sq_rtp_template header = e->header;
    if (e->in_frame) {
        return 0;
    }
    header.bytes[0] |= 0x20;
    struct outgoing out = {
        .ts = e->rtp.ts_last, .payload = padding, .payload_len = PAD_ONLY, .head = padding};
    out.seq =
        sq_rtp_sender_take(&e->rtp, now_ns, out.ts, header.len + PAD_ONLY, 0, SQ_RTP_NO_COOKIE);
    struct sq_rtp_stamp stamp = stamp_of(&out);
    stamp_now(track->peer, &header, now_ns, PAD_ONLY, &stamp);
    return put(track->peer, e, &header, now_ns, SQ_SENT_PADDING, &stamp, &out);
}

static size_t pad_encoding(struct sq_track *track, struct sq_encoding *e, uint64_t now_ns,
                           size_t bytes)
{
    size_t sent = 0;
    size_t one;
    do {
        one = track->rtx_pt && e->rtx_ssrc ? pad_rtx(track, e, now_ns) : pad_only(track, e, now_ns);
        sent += one;
    } while (one > 0 && sent < bytes);
    return sent;
}

/* The stream that sent last, else another that can (libwebrtc's PacketRouter); of those that sent
 * at one time the highest layer did last. */
size_t sq_track_send_padding(struct sq_track *track, uint64_t now_ns, size_t bytes)
{
    unsigned tried = 0;
    for (size_t n = 0; n < track->tx->n; n++) {
        struct sq_encoding *last = NULL;
        for (size_t i = 0; i < track->tx->n; i++) {
            struct sq_encoding *e = &track->tx->encodings[i];
            bool may = e->active && e->rtp.started && !(tried >> i & 1);
            if (may && (!last || e->rtp.last_packet_sent_ns >= last->rtp.last_packet_sent_ns)) {
                last = e;
            }
        }
        size_t sent = last ? pad_encoding(track, last, now_ns, bytes) : 0;
        if (!last || sent > 0) {
            return sent;
        }
        tried |= 1U << (last - track->tx->encodings);
    }
    return 0;
}

void sq_encoding_send_key_frame(struct sq_encoding *e)
{
    if (e->source_runs) {
        sq_source_request_key_frame(&e->source);
    }
}
