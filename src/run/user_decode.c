/* --decode: what a user's streams look and sound like once they are decoded for real. */
#include "base/mem.h"
#include "net/loop.h"
#include "run/user_int.h"

bool sq_user_is_decoded(const struct sq_user *user)
{
    return user->env->plan->decode_thread && user->index < user->env->plan->decode;
}

static struct sq_user_decode *find(struct sq_user_peer *peer, const struct sq_track *track)
{
    for (size_t i = 0; i < SQ_USER_DECODES_MAX; i++) {
        struct sq_user_decode *d = &peer->decodes[i];
        if (d->track == track) {
            return d;
        }
        if (!d->track) {
            d->track = track;
            d->video = sq_track_kind(track) == SQ_MEDIA_VIDEO;
            /* Without memory the track is not decoded, and has no samples. */
            int err = sq_decode_stream_open(peer->user->env->plan->decode_thread, &d->stream);
            (void)err;
            return d;
        }
    }
    return NULL;
}

void sq_user_decode_rtp(void *ctx, struct sq_endpoint *endpoint, struct sq_track *track,
                        const struct sq_rtp_packet *packet, const struct sq_rtp_exts *exts,
                        uint64_t now_ns)
{
    struct sq_user_peer *peer = ctx;
    struct sq_media_packet media;
    (void)endpoint;
    if (!peer->decodes) {
        peer->decodes = sq_calloc(SQ_USER_DECODES_MAX, sizeof(*peer->decodes));
    }
    struct sq_user_decode *d = peer->decodes ? find(peer, track) : NULL;
    if (d && d->stream && sq_track_media_packet(track, packet, exts, now_ns, &media)) {
        (void)sq_decode_stream_push(d->stream, &media); /* one that found no room is counted */
    }
}

static void record_alive(struct sq_user *user, struct sq_user_decode *d, double percent)
{
    enum sq_flow flow = d->video ? SQ_FLOW_VIDEO_IN : SQ_FLOW_AUDIO_IN;
    sq_user_record_since(user, d->video ? SQ_METRIC_VIDEO_IN_MOVING : SQ_METRIC_AUDIO_IN_HEARD,
                         percent, user->sampled_ns, sq_loop_now(user->env->loop));
    user->sums[flow].alive += percent;
    user->sums[flow].alive_n++;
}

/* A second of picture or sound ends now and then between two samples; without one in the latest two
 * nothing came: the picture stands, nothing is heard. */
static void sample(struct sq_user *user, struct sq_user_decode *d, double seconds)
{
    struct sq_decode_figures now;
    sq_decode_stream_figures(d->stream, &now);
    const struct sq_decoded *before = &d->before.decoded;
    uint64_t whole = now.decoded.seconds - before->seconds;
    if (whole > 0) {
        record_alive(user, d,
                     100 * (double)(now.decoded.seconds_alive - before->seconds_alive) /
                         (double)whole);
        d->idle = 0;
    } else if (++d->idle > 2) {
        record_alive(user, d, 0);
    }
    if (d->video && d->sampled) {
        double fps = (double)(now.decoded.pictures - before->pictures) / seconds;
        sq_user_record_since(user, SQ_METRIC_VIDEO_IN_DECODED_FPS, fps, user->sampled_ns,
                             sq_loop_now(user->env->loop));
        user->sums[SQ_FLOW_VIDEO_IN].decoded_fps += fps;
        user->sums[SQ_FLOW_VIDEO_IN].decoded_fps_n++;
    }
    d->sampled = true;
    d->before = now;
}

/* Somebody sent it in all of this second, as for other rates. */
static bool goes_on(const struct sq_user_peer *peer, const struct sq_track *track)
{
    struct sq_inbound_stats in;
    sq_track_inbound_stats(track, sq_loop_now(peer->user->env->loop), &in);
    return (sq_track_current_direction(track) & SQ_DIR_RECVONLY) &&
           in.receiving_since_ns <= peer->user->sampled_ns;
}

void sq_user_sample_decodes(struct sq_user_peer *peer, double seconds)
{
    for (size_t i = 0; peer->decodes && i < SQ_USER_DECODES_MAX; i++) {
        struct sq_user_decode *d = &peer->decodes[i];
        if (d->stream && goes_on(peer, d->track)) {
            sample(peer->user, d, seconds);
        } else if (d->stream) {
            sq_decode_stream_figures(d->stream, &d->before);
            d->sampled = false;
            d->idle = 0;
        }
    }
}

void sq_user_end_decodes(struct sq_user_peer *peer)
{
    for (size_t i = 0; peer->decodes && i < SQ_USER_DECODES_MAX; i++) {
        struct sq_user_decode *d = &peer->decodes[i];
        struct sq_decode_figures last;
        if (!d->stream) {
            continue;
        }
        sq_decode_stream_figures(d->stream, &last);
        sq_decode_stream_close(d->stream);
        struct sq_flow_totals *totals =
            &peer->user->row.flow[d->video ? SQ_FLOW_VIDEO_IN : SQ_FLOW_AUDIO_IN];
        totals->decode_failed += last.decoded.failed;
        totals->decode_dropped += last.dropped;
        totals->decoded = true;
        peer->user->env->tally->decode_dropped += last.dropped;
    }
    sq_free(peer->decodes);
    peer->decodes = NULL;
}

void sq_user_finish_decodes(struct sq_user *user)
{
    const struct sq_flow_totals *sound = &user->row.flow[SQ_FLOW_AUDIO_IN];
    const struct sq_flow_totals *video = &user->row.flow[SQ_FLOW_VIDEO_IN];
    if (user->row.connected && sound->decoded) {
        sq_user_record(user, SQ_METRIC_AUDIO_IN_DECODED_FAILED, (double)sound->decode_failed);
        sq_user_record(user, SQ_METRIC_AUDIO_IN_DECODED_DROPPED, (double)sound->decode_dropped);
    }
    if (user->row.connected && video->decoded) {
        sq_user_record(user, SQ_METRIC_VIDEO_IN_DECODED_FAILED, (double)video->decode_failed);
        sq_user_record(user, SQ_METRIC_VIDEO_IN_DECODED_DROPPED, (double)video->decode_dropped);
    }
}
