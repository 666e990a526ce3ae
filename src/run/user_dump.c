/* A user's statistics for its dump, second by second, as the objects and members of W3C's
 * webrtc-stats: inbound-rtp, outbound-rtp (one an encoding), remote-inbound-rtp,
 * remote-outbound-rtp, codec, data-channel. user_ice.c has what belongs to the path. */
#include "run/user_int.h"
#include <stdio.h>
#include <string.h>

/* Where a statistic goes. */
struct object {
    struct sq_user *user;
    double t_ms;
    const char *id, *type;
};

struct member {
    const char *name;
    double value;
};

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static void put(const struct object *o, const struct member *members, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        /* Without memory the series ends early. */
        int err = sq_trace_value(&o->user->trace, o->id, o->type, members[i].name, o->t_ms, 1000,
                                 members[i].value);
        (void)err;
    }
}

static void put_text(const struct object *o, const char *name, const char *value)
{
    int err = sq_trace_text(&o->user->trace, o->id, o->type, name, o->t_ms, 1000, value);
    (void)err;
}

static char letter_of(const struct sq_track *track)
{
    return sq_track_kind(track) == SQ_MEDIA_VIDEO ? 'V' : 'A';
}

/* What all objects of a stream have (RTCRtpStreamStats). */
static void put_stream(const struct object *o, const struct sq_track *track, uint32_t ssrc,
                       const char *codec_id)
{
    const struct member members[] = {{"ssrc", ssrc}};
    put(o, members, COUNT(members));
    put_text(o, "kind", sq_track_kind(track) == SQ_MEDIA_VIDEO ? "video" : "audio");
    put_text(o, "codecId", codec_id);
}

static void put_codec(const struct object *parent, const struct sq_track *track, bool in,
                      char ret_id[static 48])
{
    struct sq_codec_stats c;
    char mime[48];
    sq_track_codec_stats(track, &c);
    snprintf(ret_id, 48, "C%cT01_%u", in ? 'I' : 'O', in ? c.recv_payload_type : c.payload_type);
    if (!c.name[0]) {
        return;
    }
    const struct object o = {parent->user, parent->t_ms, ret_id, "codec"};
    snprintf(mime, sizeof(mime), "%s/%s",
             sq_track_kind(track) == SQ_MEDIA_VIDEO ? "video" : "audio", c.name);
    put_text(&o, "mimeType", mime);
    const struct member members[] = {
        {"payloadType", in ? c.recv_payload_type : c.payload_type},
        {"clockRate", c.clock_rate_hz},
        {"channels", c.channels},
    };
    put(&o, members, sq_track_kind(track) == SQ_MEDIA_VIDEO ? 2 : 3);
    if (c.fmtp[0]) {
        put_text(&o, "sdpFmtpLine", c.fmtp);
    }
}

/* ---- In ---- */

static void put_sound(const struct object *o, const struct sq_inbound_stats *in)
{
    const struct member members[] = {
        {"totalSamplesReceived", (double)in->total_samples_received},
        {"concealedSamples", (double)in->concealed_samples},
        {"silentConcealedSamples", (double)in->silent_concealed_samples},
        {"concealmentEvents", (double)in->concealment_events},
        {"insertedSamplesForDeceleration", (double)in->inserted_samples_for_deceleration},
        {"removedSamplesForAcceleration", (double)in->removed_samples_for_acceleration},
    };
    put(o, members, COUNT(members));
}

static void put_picture(const struct object *o, const struct sq_inbound_stats *in)
{
    const struct member members[] = {
        {"fecPacketsReceived", (double)in->fec_packets_received},
        {"fecBytesReceived", (double)in->fec_bytes_received},
        {"fecPacketsDiscarded", (double)in->fec_packets_discarded},
        {"framesReceived", (double)in->frames_received},
        {"framesDropped", (double)in->frames_dropped},
        {"keyFramesDecoded", (double)in->key_frames_decoded},
        {"totalFreezesDuration", in->total_freezes_duration_s - in->freezing_s},
        {"totalInterFrameDelay", in->total_inter_frame_delay_s},
        {"totalSquaredInterFrameDelay", in->total_squared_inter_frame_delay_s2},
        {"framesDecoded", (double)in->frames_decoded},
        {"framesPerSecond", in->frames_per_second},
        {"freezeCount", (double)(in->freeze_count - (in->freezing_s > 0))},
        {"pliCount", (double)in->pli_count},
        {"frameWidth", in->frame_width},
        {"frameHeight", in->frame_height},
    };
    put(o, members, COUNT(members));
}

static void put_in(struct sq_user *user, double t_ms, const struct sq_track *track,
                   const struct sq_inbound_stats *in)
{
    char id[48], codec[48], remote[48];
    const struct object o = {user, t_ms, id, "inbound-rtp"};
    snprintf(id, sizeof(id), "IT01%c%u", letter_of(track), in->ssrc);
    const struct member members[] = {
        {"packetsReceived", (double)in->packets_received},
        {"bytesReceived", (double)in->bytes_received},
        {"headerBytesReceived", (double)in->header_bytes_received},
        {"packetsLost", (double)in->packets_lost},
        {"jitter", in->jitter_s},
        {"nackCount", (double)in->nack_count},
        {"packetsDiscarded", (double)in->packets_discarded},
        {"jitterBufferDelay", in->jitter_buffer_delay_s},
        {"jitterBufferTargetDelay", in->jitter_buffer_target_delay_s},
        {"jitterBufferEmittedCount", (double)in->jitter_buffer_emitted_count},
        {"retransmittedPacketsReceived", (double)in->retransmitted_packets_received},
        {"retransmittedBytesReceived", (double)in->retransmitted_bytes_received},
    };
    put(&o, members, COUNT(members));
    put_codec(&o, track, true, codec);
    put_stream(&o, track, in->ssrc, codec);
    put_text(&o, "mid", sq_track_mid(track));
    if (sq_track_kind(track) == SQ_MEDIA_VIDEO) {
        put_picture(&o, in);
    } else {
        put_sound(&o, in);
    }
    if (in->remote_packets_sent == 0) {
        return; /* no sender report came yet */
    }
    snprintf(remote, sizeof(remote), "RO%c%u", letter_of(track), in->ssrc);
    put_text(&o, "remoteId", remote);
    const struct object r = {user, t_ms, remote, "remote-outbound-rtp"};
    const struct member reported[] = {
        {"packetsSent", (double)in->remote_packets_sent},
        {"bytesSent", (double)in->remote_bytes_sent},
    };
    put(&r, reported, COUNT(reported));
    put_stream(&r, track, in->ssrc, codec);
    put_text(&r, "localId", id);
}

/* ---- Out ---- */

static void put_limits(const struct object *o, const struct sq_outbound_stats *out)
{
    const struct member members[] = {
        {"targetBitrate", (double)out->target_bps},
        {"qualityLimitationDurations[none]", out->unlimited_s},
        {"qualityLimitationDurations[bandwidth]", out->limited_s},
        {"qualityLimitationDurations[cpu]", 0},
        {"qualityLimitationDurations[other]", 0},
    };
    put(o, members, COUNT(members));
    put_text(o, "qualityLimitationReason", out->limited ? "bandwidth" : "none");
}

static void put_out(const struct object *o, const struct sq_track *track,
                    const struct sq_outbound_stats *out)
{
    const struct member members[] = {
        {"packetsSent", (double)out->packets_sent},
        {"bytesSent", (double)out->bytes_sent},
        {"headerBytesSent", (double)out->header_bytes_sent},
        {"retransmittedPacketsSent", (double)out->retransmitted_packets_sent},
        {"retransmittedBytesSent", (double)out->retransmitted_bytes_sent},
        {"nackCount", (double)out->nack_count},
    };
    const struct member picture[] = {
        {"pliCount", (double)out->pli_count},
        {"firCount", (double)out->fir_count},
        {"framesSent", (double)out->frames_sent},
        {"framesEncoded", (double)out->frames_sent},
        {"keyFramesEncoded", (double)out->key_frames_sent},
        {"active", out->active},
        {"frameWidth", out->frame_width},
        {"frameHeight", out->frame_height},
    };
    put(o, members, COUNT(members));
    put_text(o, "mid", sq_track_mid(track));
    if (sq_track_kind(track) == SQ_MEDIA_VIDEO) {
        put(o, picture, out->frame_width ? COUNT(picture) : COUNT(picture) - 2);
        if (out->rid[0]) {
            put_text(o, "rid", out->rid);
        }
        if (out->limited_s + out->unlimited_s > 0) {
            put_limits(o, out);
        }
    }
}

/* What its receiver reports say of it. */
static void put_reported(const struct object *o, const struct sq_track *track,
                         const struct sq_outbound_stats *out, const char *codec)
{
    char id[48];
    if (out->reports_received == 0) {
        return;
    }
    snprintf(id, sizeof(id), "RI%c%u", letter_of(track), out->ssrc);
    put_text(o, "remoteId", id);
    const struct object r = {o->user, o->t_ms, id, "remote-inbound-rtp"};
    const struct member members[] = {
        {"packetsLost", (double)out->remote_packets_lost},
        {"fractionLost", out->remote_fraction_lost},
        {"jitter", out->remote_jitter_s},
        {"roundTripTimeMeasurements", (double)out->round_trip_time_measurements},
        {"totalRoundTripTime", out->total_round_trip_time_s},
        {"roundTripTime", out->round_trip_time_s},
    };
    put(&r, members, out->round_trip_time_s < 0 ? COUNT(members) - 1 : COUNT(members));
    put_stream(&r, track, out->ssrc, codec);
    put_text(&r, "localId", o->id);
}

static void put_encodings(struct sq_user *user, double t_ms, const struct sq_track *track,
                          uint64_t now_ns)
{
    unsigned active;
    char codec[48];
    for (unsigned i = 0; i < sq_track_layers(track, &active); i++) {
        char id[48];
        struct sq_outbound_stats out;
        sq_track_encoding_stats(track, i, now_ns, &out);
        if (out.packets_sent == 0) {
            continue;
        }
        snprintf(id, sizeof(id), "OT01%c%u", letter_of(track), out.ssrc);
        const struct object o = {user, t_ms, id, "outbound-rtp"};
        put_codec(&o, track, false, codec);
        put_stream(&o, track, out.ssrc, codec);
        put_out(&o, track, &out);
        put_reported(&o, track, &out, codec);
    }
}

/* ---- Data channels ---- */

static void put_channels(struct sq_user_peer *peer, double t_ms)
{
    static const char *const states[] = {"connecting", "open", "closing", "closed"};
    struct sq_channel *channel;
    for (size_t i = 0; (channel = sq_peer_channel(sq_endpoint_peer(peer->endpoint), i)); i++) {
        char id[48];
        struct sq_channel_stats s;
        sq_channel_stats(channel, &s);
        if (s.data_channel_identifier < 0) {
            continue;
        }
        snprintf(id, sizeof(id), "D-%.16s-%d", peer->label, s.data_channel_identifier);
        const struct object o = {peer->user, t_ms, id, "data-channel"};
        const struct member members[] = {
            {"dataChannelIdentifier", s.data_channel_identifier},
            {"messagesSent", (double)s.messages_sent},
            {"bytesSent", (double)s.bytes_sent},
            {"messagesReceived", (double)s.messages_received},
            {"bytesReceived", (double)s.bytes_received},
        };
        put(&o, members, COUNT(members));
        put_text(&o, "label", s.label);
        put_text(&o, "protocol", s.protocol);
        put_text(&o, "state", states[s.state]);
    }
}

void sq_user_dump(struct sq_user_peer *peer, uint64_t now_ns)
{
    struct sq_user *user = peer->user;
    struct sq_peer *rtc = sq_endpoint_peer(peer->endpoint);
    if (user->index >= user->env->plan->dumps) {
        return;
    }
    /* Of the first value of each series: a track may come later than the user. */
    double t_ms = ((double)now_ns - (double)user->env->start_ns) / 1e6;
    for (size_t i = 0; i < sq_peer_track_count(rtc); i++) {
        const struct sq_track *track = sq_peer_track(rtc, i);
        struct sq_inbound_stats in;
        sq_track_inbound_stats(track, now_ns, &in);
        if (in.packets_received > 0) {
            put_in(user, t_ms, track, &in);
        }
        put_encodings(user, t_ms, track, now_ns);
    }
    put_channels(peer, t_ms);
    sq_user_dump_ice(peer, now_ns);
}
