/* What a user asked of the other side beside the codecs, and did not get: of the tracks that it
 * sends, by what was negotiated in the end. */
#include "run/user_int.h"

static bool sends(const struct sq_track *track)
{
    return (sq_track_current_direction(track) & SQ_DIR_SENDONLY) != 0;
}

/* Asked for: got or not. */
static void note(struct sq_user *user, enum sq_asked what, bool got)
{
    user->asked |= 1U << what;
    user->refused |= got ? 0 : 1U << what;
}

static void look_at_audio(struct sq_user *user, const struct sq_track *track)
{
    const struct sq_peer_codecs *codecs = &user->group->audio_codecs;
    struct sq_track_agreed agreed;
    sq_track_agreed(track, &agreed);
    if (codecs->red) {
        note(user, SQ_ASKED_RED, agreed.red);
    }
    if (codecs->stereo) {
        note(user, SQ_ASKED_STEREO, agreed.stereo);
    }
    if (codecs->dtx) {
        note(user, SQ_ASKED_DTX, agreed.dtx);
    }
    if (codecs->opus_fec) {
        note(user, SQ_ASKED_FEC, agreed.fec);
    }
}

static void look_at_video(struct sq_user *user, const struct sq_track *track)
{
    unsigned active;
    if (user->group->simulcast > 1) {
        note(user, SQ_ASKED_SIMULCAST, sq_track_layers(track, &active) >= user->group->simulcast);
    }
}

void sq_user_look_at_agreed(struct sq_user *user, struct sq_peer *rtc)
{
    if (user->group->replay) {
        return; /* it sends what was recorded */
    }
    for (size_t i = 0; i < sq_peer_track_count(rtc); i++) {
        const struct sq_track *track = sq_peer_track(rtc, i);
        if (sends(track) && sq_track_kind(track) == SQ_MEDIA_AUDIO) {
            look_at_audio(user, track);
        } else if (sends(track)) {
            look_at_video(user, track);
        }
    }
}

void sq_user_tell_agreed(const struct sq_user *user)
{
    for (int what = 0; what < SQ_ASKED_COUNT; what++) {
        struct sq_asked_row *row = &user->env->tally->asked[what];
        row->peers += (user->asked >> what) & 1;
        row->refused += (user->refused >> what) & 1;
    }
}
