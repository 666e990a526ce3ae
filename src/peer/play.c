/* What is played of a track that is received: its model, by the codec of the moment. */
#include "base/mem.h"
#include "base/time.h"
#include "peer/peer.h"
#include "peer/peer_int.h"
#include "peer/rtp/fec.h"
#include <stddef.h>

/* ---- Payload types ---- */

const struct sq_jsep_codec *sq_track_codec_of(const struct sq_track *track, uint8_t pt)
{
    const struct sq_jsep_transceiver *t = track->jsep;
    for (size_t i = 0; t && i < t->n_codecs; i++) {
        if (t->codecs[i].recv_pt == pt) {
            return &t->codecs[i];
        }
    }
    return NULL;
}

bool sq_jsep_codec_is_event(const struct sq_jsep_codec *codec)
{
    return codec && (codec->id == SQ_JSEP_DTMF_48000 || codec->id == SQ_JSEP_DTMF_8000);
}

uint32_t sq_track_event_clock(const struct sq_track *track, uint8_t pt)
{
    const struct sq_jsep_codec *codec = sq_track_codec_of(track, pt);
    return sq_jsep_codec_is_event(codec) ? codec->clock_rate_hz : 0;
}

enum sq_codec sq_track_codec_carried(const struct sq_jsep_codec *codec)
{
    if (codec && codec->id == SQ_JSEP_RED) {
        return SQ_CODEC_OPUS;
    }
    return codec ? sq_jsep_media_codec((enum sq_jsep_codec_id)codec->id) : SQ_CODEC_NONE;
}

enum sq_codec sq_track_recv_codec(const struct sq_track *track, uint8_t pt)
{
    return sq_track_codec_carried(sq_track_codec_of(track, pt));
}

bool sq_track_receives_red_as(const struct sq_track *track, uint8_t pt)
{
    const struct sq_jsep_codec *codec = sq_track_codec_of(track, pt);
    return codec && codec->id == SQ_JSEP_RED;
}

bool sq_track_media_packet(const struct sq_track *track, const struct sq_rtp_packet *packet,
                           const struct sq_rtp_exts *exts, uint64_t now_ns,
                           struct sq_media_packet *ret_packet)
{
    const struct sq_jsep_codec *codec = sq_track_codec_of(track, packet->pt);
    *ret_packet = (struct sq_media_packet){
        .now_ns = now_ns,
        .payload = packet->payload,
        .len = packet->payload_bytes,
        .dd = exts->dependency.len ? (const uint8_t *)exts->dependency.at : NULL,
        .dd_len = exts->dependency.len,
        .timestamp = packet->ts,
        .seq = packet->seq,
        .marker = packet->marker,
        .red = codec && codec->id == SQ_JSEP_RED,
        .codec = sq_track_codec_carried(codec)};
    return ret_packet->codec != SQ_CODEC_NONE;
}

/* ---- The models ---- */

void sq_track_tell_first_media(struct sq_track *track)
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
        sq_track_tell_first_media(track);
    }
    if (track->peer->latency) {
        sq_latency_on_frame(track, frame->timestamp, frame->now_ns);
    }
    if (frame->key) {
        track->rx->rtp.key_frame_needed = false;
    }
    /* What is missing before a frame that could be decoded was of no use to it: padding, parity or
     * a layer that nothing refers to. */
    sq_rtp_receiver_forget_before(&track->rx->rtp, (uint16_t)(frame->last_seq + 1));
}

/* Only what the track needs of the models stands behind the rest. */
size_t sq_track_rx_bytes(const struct sq_track *track)
{
    size_t bytes = offsetof(struct sq_track_rx, video);
    if (!track->peer->forward_only) {
        bytes += track->kind == SQ_MEDIA_VIDEO ? sizeof(struct sq_frame_buffer)
                                               : sizeof(struct sq_audio_buffer);
    }
    return bytes;
}

void sq_track_init_play(struct sq_track *track)
{
    if (track->peer->forward_only) {
        return;
    }
    if (track->kind == SQ_MEDIA_VIDEO) {
        sq_frame_buffer_init(&track->rx->video, SQ_PLI_AFTER_NS, on_frame, track);
    } else {
        sq_audio_buffer_init(&track->rx->audio);
    }
}

void sq_track_free_rx(struct sq_track *track)
{
    if (track->rx && track->kind == SQ_MEDIA_VIDEO && !track->peer->forward_only) {
        sq_frame_buffer_close(&track->rx->video);
    }
    if (track->rx) {
        sq_rtp_receiver_close(&track->rx->rtp);
        sq_free(track->rx->tags);
        sq_fec_free(track->rx->fec.store);
    }
    sq_free(track->rx);
    track->rx = NULL;
}

void sq_track_restart_play(struct sq_track *track)
{
    if (track->rx && track->rx->fec.store) {
        sq_fec_reset(track->rx->fec.store);
    }
    if (!track->rx || track->peer->forward_only) {
        return;
    }
    if (track->kind == SQ_MEDIA_VIDEO) {
        sq_frame_buffer_restart(&track->rx->video);
    } else {
        sq_audio_buffer_pause(&track->rx->audio);
    }
}

void sq_track_pause_play(struct sq_track *track)
{
    if (!track->rx || track->peer->forward_only) {
        return;
    }
    if (track->kind == SQ_MEDIA_VIDEO) {
        sq_frame_buffer_pause(&track->rx->video);
    } else {
        sq_audio_buffer_pause(&track->rx->audio);
    }
}

void sq_track_play(struct sq_track *track, const struct sq_media_packet *packet, bool repaired)
{
    struct sq_track_rx *rx = track->rx;
    if (track->kind == SQ_MEDIA_VIDEO) {
        /* What is not of the codec is counted by the buffer itself. */
        int err = sq_frame_buffer_push(&rx->video, packet, repaired);
        (void)err;
        sq_peer_due(track->peer, sq_track_feedback_due(track));
        return;
    }
    if (sq_audio_buffer_push(&rx->audio, packet) == 0 && !rx->media_seen) {
        sq_track_tell_first_media(track);
    }
}

void sq_track_play_event(struct sq_track *track, const struct sq_media_packet *packet)
{
    int err = sq_audio_buffer_event(&track->rx->audio, packet);
    (void)err; /* counted there */
}
