/* What a peer knows about itself, by W3C's names. */
#include "base/time.h"
#include "peer/peer.h"
#include "peer/peer_int.h"
#include "peer/rtp/fec.h"
#include "peer/sdp/sdp.h"
#include <stdio.h>
#include <string.h>

static void video_stats(const struct sq_frame_buffer *b, uint64_t now_ns,
                        struct sq_inbound_stats *s)
{
    const struct sq_frame_stats *v = &b->stats;
    s->frames_received = v->frames_received;
    s->frames_decoded = v->frames_decoded;
    s->key_frames_decoded = v->key_frames_decoded;
    s->frames_dropped = v->frames_dropped;
    s->frames_per_second = sq_frame_buffer_fps(b, now_ns);
    s->frame_width = v->frame_width;
    s->frame_height = v->frame_height;
    s->freeze_count = v->freeze_count;
    uint64_t open_ns = sq_frame_buffer_open_freeze_ns(b, now_ns);
    s->freeze_count += open_ns > 0;
    s->freezing_s = (double)open_ns / 1e9;
    s->total_freezes_duration_s = (double)(v->total_freezes_ns + open_ns) / 1e9;
    s->total_inter_frame_delay_s = (double)v->total_inter_frame_ns / 1e9;
    s->total_squared_inter_frame_delay_s2 = v->total_squared_inter_frame_s2;
    s->jitter_buffer_delay_s = (double)v->jitter_buffer_delay_ns / 1e9;
    s->jitter_buffer_target_delay_s = (double)v->jitter_buffer_target_ns / 1e9;
    s->jitter_buffer_emitted_count = v->frames_decoded;
    s->packets_discarded += v->packets_late;
    s->codec = (enum sq_codec)b->codec;
}

static void audio_stats(struct sq_audio_buffer *b, bool receiving, uint64_t now_ns,
                        struct sq_inbound_stats *s)
{
    struct sq_audio_stats a;
    if (receiving) {
        sq_audio_buffer_play(b, now_ns);
    }
    sq_audio_buffer_stats(b, &a);
    s->jitter_buffer_delay_s = a.jitter_buffer_delay_s;
    s->jitter_buffer_target_delay_s = a.jitter_buffer_target_delay_s;
    s->jitter_buffer_emitted_count = a.jitter_buffer_emitted;
    s->packets_discarded += a.packets_discarded;
    s->total_samples_received = a.total_samples_received;
    s->concealed_samples = a.concealed_samples;
    s->silent_concealed_samples = a.silent_concealed_samples;
    s->concealment_events = a.concealment_events;
    s->inserted_samples_for_deceleration = a.inserted_samples;
    s->removed_samples_for_acceleration = a.removed_samples;
    s->restored_samples = a.restored_samples;
    s->dtmf_events = a.events;
    snprintf(s->dtmf_digits, sizeof(s->dtmf_digits), "%s", a.digits);
    s->codec = (enum sq_codec)b->codec;
}

void sq_track_inbound_stats(const struct sq_track *track, uint64_t now_ns,
                            struct sq_inbound_stats *ret_stats)
{
    struct sq_inbound_stats s = {.receiving_since_ns = track->receiving_since_ns};
    struct sq_track_rx *rx = track->rx;
    if (rx) {
        struct sq_rtp_inbound_stats in;
        struct sq_rtp_remote_outbound_stats remote;
        sq_rtp_receiver_stats(&rx->rtp, &in);
        sq_track_add_past(rx, &in);
        sq_rtp_receiver_remote_stats(&rx->rtp, &remote);
        s.ssrc = in.ssrc;
        /* With its RTX stream, as libwebrtc has it. */
        s.packets_received = in.packets_received + track->rtx_in.packets;
        s.bytes_received = in.bytes_received + track->rtx_in.bytes;
        s.header_bytes_received = in.header_bytes_received + track->rtx_in.header_bytes;
        s.packets_lost = in.packets_lost;
        s.packets_missing = in.packets_lost_network;
        s.packets_expected = in.packets_expected;
        s.packets_repaired = in.retransmitted_packets_received + in.packets_recovered;
        s.packets_recovered = in.packets_recovered;
        s.fec_packets_received = rx->fec.packets;
        s.fec_bytes_received = rx->fec.bytes;
        s.fec_packets_discarded =
            rx->fec.useless + (rx->fec.store ? sq_fec_discarded(rx->fec.store) : 0);
        s.fec_ssrc = rx->fec.ssrc;
        s.packets_duplicated = in.packets_duplicated;
        s.jitter_s = in.jitter_s;
        s.nack_count = in.nack_count;
        s.pli_count = in.pli_count;
        s.first_packet_ns = rx->first_packet_ns;
        s.last_packet_ns = in.last_packet_received_ns;
        s.remote_packets_sent = remote.packets_sent;
        s.remote_bytes_sent = remote.bytes_sent;
        s.packets_discarded = in.packets_discarded;
        s.retransmitted_packets_received = track->rtx_in.packets;
        s.retransmitted_bytes_received = track->rtx_in.bytes;
        if (track->peer->forward_only) {
            s.codec = SQ_CODEC_NONE;
        } else if (track->kind == SQ_MEDIA_VIDEO) {
            video_stats(&rx->video, now_ns, &s);
        } else {
            audio_stats(&rx->audio, track->can_receive, now_ns, &s);
        }
    }
    *ret_stats = s;
}

/* Sums over the layers; what is told of a round trip is that of the layer reported last. */
static void add_encoding(const struct sq_encoding *e, struct sq_outbound_stats *s)
{
    struct sq_rtp_outbound_stats out;
    struct sq_rtp_remote_inbound_stats remote;
    sq_rtp_sender_stats(&e->rtp, &out);
    sq_rtp_sender_remote_stats(&e->rtp, &remote);
    /* The RTX stream counts with the one that it repairs (W3C); what of it no NACK asked for is
     * padding, and no retransmission, as libwebrtc has it. */
    s->packets_sent += out.packets_sent + e->rtx_packets;
    s->bytes_sent += out.bytes_sent + e->rtx_bytes;
    s->header_bytes_sent += out.header_bytes_sent + e->rtx_header_bytes;
    s->retransmitted_packets_sent +=
        out.retransmitted_packets_sent + e->rtx_packets - e->pad_packets;
    s->retransmitted_bytes_sent += out.retransmitted_bytes_sent + e->rtx_bytes - e->pad_bytes;
    s->padding_payload_sent += e->pad_bytes;
    if (e->active && e->source.track && out.frames_sent > 0) { /* from the lowest to the highest */
        /* each spatial layer is twice the one below */
        unsigned below = e->source.track->spatial_layers - 1U - sq_source_top(&e->source);
        s->frame_width = e->source.track->width >> below;
        s->frame_height = e->source.track->height >> below;
    }
    s->active = s->active || e->active;
    s->frames_sent += out.frames_sent;
    s->key_frames_sent += out.key_frames_sent;
    s->nack_count += out.nack_count;
    s->pli_count += out.pli_count;
    s->fir_count += out.fir_count;
    s->reports_received += remote.reports_received;
    s->remote_packets_lost += remote.packets_lost;
    s->reported_expected += remote.reported_expected;
    s->reported_lost += (uint64_t)remote.reported_lost;
    s->remote_fraction_lost = s->remote_fraction_lost > remote.fraction_lost
                                  ? s->remote_fraction_lost
                                  : remote.fraction_lost;
    s->remote_jitter_s =
        s->remote_jitter_s > remote.jitter_s ? s->remote_jitter_s : remote.jitter_s;
    s->total_round_trip_time_s += remote.total_round_trip_time_s;
    s->round_trip_time_measurements += remote.round_trip_time_measurements;
    if (remote.round_trip_time_measurements > 0) {
        s->round_trip_time_s = remote.round_trip_time_s;
    }
}

static void add_limits(const struct sq_track *track, uint64_t now_ns, struct sq_outbound_stats *s)
{
    struct sq_peer_bwe_stats bwe;
    sq_peer_bwe_stats(track->peer, now_ns, &bwe);
    s->limited = bwe.limited;
    s->limited_s = bwe.limited_s;
    s->unlimited_s = bwe.unlimited_s;
}

static bool is_limited_kind(const struct sq_track *track)
{
    return track->peer->cc && track->tx && track->kind == SQ_MEDIA_VIDEO;
}

void sq_track_outbound_stats(const struct sq_track *track, uint64_t now_ns,
                             struct sq_outbound_stats *ret_stats)
{
    struct sq_outbound_stats s = {.ssrc = track->ssrc, .rid = "", .round_trip_time_s = -1};
    for (size_t i = 0; track->tx && i < track->tx->n; i++) {
        add_encoding(&track->tx->encodings[i], &s);
    }
    s.dtmf_events = track->tx && track->tx->tones ? sq_tones_begun(track->tx->tones) : 0;
    if (is_limited_kind(track)) {
        s.target_bps = sq_track_sending_bps(track);
        add_limits(track, now_ns, &s);
    }
    *ret_stats = s;
}

void sq_track_encoding_stats(const struct sq_track *track, size_t index, uint64_t now_ns,
                             struct sq_outbound_stats *ret_stats)
{
    struct sq_outbound_stats s = {.ssrc = track->ssrc, .rid = "", .round_trip_time_s = -1};
    if (track->tx && index < track->tx->n) {
        const struct sq_encoding *e = &track->tx->encodings[index];
        s.ssrc = e->rtp.ssrc;
        s.rid = e->rid;
        add_encoding(e, &s);
        if (is_limited_kind(track)) {
            s.target_bps = sq_encoding_sending_bps(track, e);
            add_limits(track, now_ns, &s);
        }
    }
    *ret_stats = s;
}

void sq_track_codec_stats(const struct sq_track *track, struct sq_codec_stats *ret_stats)
{
    const struct sq_jsep_transceiver *t = track->jsep;
    *ret_stats = (struct sq_codec_stats){.name = "", .fmtp = ""};
    if (t && t->negotiated && t->n_codecs > 0) {
        const struct sq_jsep_codec *c = &t->codecs[0];
        *ret_stats = (struct sq_codec_stats){
            .name = c->name,
            .fmtp = c->fmtp ? c->fmtp : "",
            .payload_type = c->pt,
            .recv_payload_type = c->recv_pt,
            .channels = c->channels,
            .clock_rate_hz = c->clock_rate_hz,
        };
    }
}

bool sq_fmtp_is_one(const char *fmtp, const char *name)
{
    struct sq_view value;
    return fmtp && sq_sdp_fmtp_param(sq_view_of(fmtp), name, &value) && sq_view_is(value, "1");
}

void sq_track_agreed(const struct sq_track *track, struct sq_track_agreed *ret_agreed)
{
    const struct sq_jsep_transceiver *t = track->jsep;
    struct sq_track_agreed agreed = {.wanted = (enum sq_direction)track->wanted,
                                     .tried = track->tried,
                                     .refused = track->refused};
    for (size_t i = 0; t && t->negotiated && i < t->n_codecs; i++) {
        const struct sq_jsep_codec *c = &t->codecs[i];
        agreed.red = agreed.red || c->id == SQ_JSEP_RED;
        if (i == 0 && c->id == SQ_JSEP_OPUS) {
            agreed.stereo = sq_fmtp_is_one(c->fmtp, "stereo");
            agreed.dtx = sq_fmtp_is_one(c->fmtp, "usedtx");
            agreed.fec = sq_fmtp_is_one(c->fmtp, "useinbandfec");
        }
    }
    if (track->media && track->media->codec == SQ_CODEC_OPUS) {
        agreed.plain_stereo = track->media->channels < 2;
        agreed.plain_dtx = !(track->media->features & SQ_CLIP_DTX);
        agreed.plain_fec = !(track->media->features & SQ_CLIP_FEC);
    }
    *ret_agreed = agreed;
}

void sq_peer_transport_stats(const struct sq_peer *peer, struct sq_transport_stats *ret_stats)
{
    const struct sq_peer_counters *n = &peer->transport;
    struct sq_transport_stats s = {
        .state = peer->state,
        .packets_sent = n->packets_sent,
        .packets_received = n->packets_received,
        .bytes_sent = n->bytes_sent,
        .bytes_received = n->bytes_received,
        .data_packets_sent = n->packets_sent - n->check_packets_sent,
        .data_packets_received = n->packets_received - n->check_packets_received,
        .data_bytes_sent = n->bytes_sent - n->check_bytes_sent,
        .data_bytes_received = n->bytes_received - n->check_bytes_received,
        .srtp_errors = n->srtp_errors,
        .discarded = n->discarded,
        .current_round_trip_time_s = -1,
        .available_outgoing_bps =
            peer->cc && peer->cc->bwe && (peer->twcc_log || peer->transport.remb_bps >= 0)
                ? (double)sq_peer_bwe_estimate(peer)
                : peer->transport.remb_bps,
    };
    struct sq_ice_pair_stats pair;
    struct sq_ice_candidate local;
    struct sq_ice_candidate remote;
    if (sq_ice_selected_stats(peer->ice, &pair, &local, &remote) == 0) {
        snprintf(s.local_type, sizeof(s.local_type), "%s", sq_ice_type_name(local.type));
        snprintf(s.remote_type, sizeof(s.remote_type), "%s", sq_ice_type_name(remote.type));
        snprintf(s.protocol, sizeof(s.protocol), "%s",
                 local.transport == SQ_ICE_UDP ? "udp" : "tcp");
        sq_addr_format(&local.addr, s.local_addr);
        sq_addr_format(&remote.addr, s.remote_addr);
        if (pair.current_round_trip_ns > 0) {
            s.current_round_trip_time_s = (double)pair.current_round_trip_ns / 1e9;
        }
    }
    const struct sq_jsep_remote *jsep = sq_jsep_remote(peer->jsep);
    if (jsep && peer->dtls_started) {
        snprintf(s.dtls_role, sizeof(s.dtls_role), "%s",
                 jsep->dtls_role == SQ_JSEP_DTLS_PASSIVE ? "server" : "client");
    }
    if (peer->srtp) {
        const char *name = sq_srtp_profile_name(sq_srtp_get_profile(peer->srtp));
        snprintf(s.srtp_profile, sizeof(s.srtp_profile), "%s", name ? name : "");
    }
    *ret_stats = s;
}

const struct sq_ice *sq_peer_ice(const struct sq_peer *peer)
{
    return peer->ice;
}

const struct sq_peer_times *sq_peer_times(const struct sq_peer *peer)
{
    return &peer->times;
}

enum sq_peer_state sq_peer_state(const struct sq_peer *peer)
{
    return peer->state;
}
