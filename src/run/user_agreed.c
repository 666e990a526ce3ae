/* What a user asked of the other side and did not get: whole media, and beside the codecs what its
 * own tracks were to have, by what was negotiated in the end. */
#include "run/user_int.h"
#include <stdio.h>
#include <string.h>

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

/* The same of what a clip may be without, and is sent where it is not, asked for or not. */
static void note_sent(struct sq_user *user, enum sq_asked what, bool got, bool plain)
{
    note(user, what, got);
    user->plain |= !got && plain ? 1U << what : 0;
}

/* ---- Whole media ---- */

static enum sq_asked medium_of(const struct sq_track *track)
{
    return sq_track_kind(track) == SQ_MEDIA_VIDEO ? SQ_ASKED_VIDEO : SQ_ASKED_AUDIO;
}

/* What it chose of codecs, where it chose. */
static void tell_codecs(const struct sq_user *user, const struct sq_track *track, char out[96])
{
    bool video = sq_track_kind(track) == SQ_MEDIA_VIDEO;
    const struct sq_peer_codecs *codecs =
        video ? &user->group->video_codecs : &user->group->audio_codecs;
    out[0] = '\0';
    for (uint8_t i = 0; i < codecs->n; i++) {
        size_t len = strlen(out);
        snprintf(out + len, 96 - len, "%s%s", i ? ", " : "; codecs offered: ",
                 sq_codec_info((enum sq_codec)codecs->order[i])->name);
    }
}

/* A viewer may well find that nobody has a picture: only what is to be sent fails its user. */
static bool may_not_send(struct sq_user *user, const struct sq_track *track,
                         char text[static SQ_PEER_TEXT_MAX])
{
    char codecs[96];
    struct sq_track_agreed agreed;
    sq_track_agreed(track, &agreed);
    if (!agreed.tried || !(agreed.wanted & SQ_DIR_SENDONLY) || sends(track)) {
        return false;
    }
    const char *name = sq_asked_name(medium_of(track));
    note(user, medium_of(track), false);
    tell_codecs(user, track, codecs);
    if (agreed.refused) {
        snprintf(text, SQ_PEER_TEXT_MAX,
                 "the server refused %s (m=%s with port 0, or no codec in common)%s", name, name,
                 codecs);
    } else {
        snprintf(text, SQ_PEER_TEXT_MAX,
                 "the server takes no %s from us (its m=%s does not say that it receives)%s", name,
                 name, codecs);
    }
    return true;
}

static bool has_our_channel(const struct sq_user *user, const struct sq_peer *rtc)
{
    struct sq_channel *channel;
    for (size_t i = 0; (channel = sq_peer_channel(rtc, i)); i++) {
        if (strcmp(sq_channel_label(channel), user->group->data.channel.label) == 0) {
            return true;
        }
    }
    return false;
}

bool sq_user_is_data_too_large(const struct sq_user *user, const struct sq_peer *rtc,
                               char text[static SQ_PEER_TEXT_MAX])
{
    const struct sq_plan_data *data = &user->group->data;
    char limit[SQ_PEER_LIMIT_TEXT_MAX];
    size_t most = sq_peer_max_message_bytes(rtc);
    if (!user->want.send_data || data->silent || most == 0 || data->size_bytes <= most) {
        return false;
    }
    sq_peer_tell_message_limit(rtc, limit);
    snprintf(text, SQ_PEER_TEXT_MAX, "%s, and --data asks for %zu", limit, data->size_bytes);
    return true;
}

bool sq_user_is_refused(struct sq_user_peer *peer, char text[static SQ_PEER_TEXT_MAX])
{
    struct sq_user *user = peer->user;
    struct sq_peer *rtc = sq_endpoint_peer(peer->endpoint);
    for (size_t i = 0; i < sq_peer_track_count(rtc); i++) {
        if (may_not_send(user, sq_peer_track(rtc, i), text)) {
            return true;
        }
    }
    if (user->want.data && sq_peer_data_is_refused(rtc)) {
        snprintf(text, SQ_PEER_TEXT_MAX,
                 "the server refused data channels (m=application with port 0)");
        return true;
    }
    return user->want.data && has_our_channel(user, rtc) &&
           sq_user_is_data_too_large(user, rtc, text);
}

static void look_at_medium(struct sq_user *user, const struct sq_track *track)
{
    struct sq_track_agreed agreed;
    sq_track_agreed(track, &agreed);
    if (agreed.tried && agreed.wanted != SQ_DIR_INACTIVE) {
        note(user, medium_of(track), !agreed.refused);
    }
}

/* ---- What is sent ---- */

static void look_at_audio(struct sq_user *user, const struct sq_track *track)
{
    const struct sq_peer_codecs *codecs = &user->group->audio_codecs;
    struct sq_track_agreed agreed;
    sq_track_agreed(track, &agreed);
    if (codecs->red) {
        note(user, SQ_ASKED_RED, agreed.red);
    }
    if (codecs->stereo) {
        note_sent(user, SQ_ASKED_STEREO, agreed.stereo, agreed.plain_stereo);
    }
    if (codecs->dtx) {
        note_sent(user, SQ_ASKED_DTX, agreed.dtx, agreed.plain_dtx);
    }
    if (codecs->opus_fec) {
        note_sent(user, SQ_ASKED_FEC, agreed.fec, agreed.plain_fec);
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
    for (size_t i = 0; i < sq_peer_track_count(rtc); i++) {
        look_at_medium(user, sq_peer_track(rtc, i));
    }
    if (user->want.data) {
        note(user, SQ_ASKED_DATA, !sq_peer_data_is_refused(rtc));
    }
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
        row->plain += (user->plain >> what) & 1;
    }
}
