/* What a user waits for that is not up, and whether one that is up waits in vain. */
#include "net/loop.h"
#include "peer/ice/ice.h"
#include "run/user_int.h"
#include <stdio.h>
#include <string.h>

#define LOST_BEFORE_NS (3 * SQ_NS_PER_SEC) /* of silence before a service ended the session */

bool sq_user_waits_for_channel(const struct sq_user_peer *peer)
{
    struct sq_channel *channel;
    struct sq_peer *rtc = sq_endpoint_peer(peer->endpoint);
    for (size_t i = 0; (channel = sq_peer_channel(rtc, i)); i++) {
        if (sq_channel_state(channel) == SQ_CHANNEL_CONNECTING) {
            return true;
        }
    }
    return false;
}

void sq_user_tell_wait(const struct sq_user *user, char text[static SQ_PEER_TEXT_MAX])
{
    char words[SQ_ICE_WORDS_MAX], wait[SQ_PEER_TEXT_MAX];
    if (user->state == SQ_USER_PREPARING) {
        sq_user_steps_tell(user, text);
        return;
    }
    if (user->joined) {
        snprintf(text, SQ_PEER_TEXT_MAX, "connected, but no media came yet");
    } else {
        snprintf(text, SQ_PEER_TEXT_MAX, "not signed in yet: %.190s",
                 sq_user_script_waits(user, wait) ? wait
                                                  : "the signalling server has not answered");
    }
    for (size_t i = 0; i < user->peers_len; i++) {
        const struct sq_endpoint *endpoint = user->peers[i].endpoint;
        if (!endpoint || user->peers[i].connected) {
            continue;
        }
        if (sq_endpoint_waits_for_relay(endpoint, wait)) {
            memcpy(text, wait, SQ_PEER_TEXT_MAX);
            return;
        }
        const struct sq_peer *rtc = sq_endpoint_peer(endpoint);
        if (!sq_peer_times(rtc)->negotiated) { /* it has nobody to check with yet */
            if (user->joined) {
                snprintf(text, SQ_PEER_TEXT_MAX,
                         "the other side's session description did not come");
            }
            continue;
        }
        sq_ice_words(sq_peer_ice(rtc), words);
        snprintf(text, SQ_PEER_TEXT_MAX,
                 sq_peer_times(rtc)->ice_connected ? "the DTLS handshake is not over (%s)"
                                                   : "no ICE candidate pair answered yet (%s)",
                 words);
    }
}

/* How long nothing at all came; 0: it was never looked at. */
static uint64_t silent_for_ns(const struct sq_user_peer *peer)
{
    uint64_t now_ns = sq_loop_now(peer->user->env->loop);
    return peer->heard_ns && now_ns > peer->heard_ns ? now_ns - peer->heard_ns : 0;
}

static bool stands(const struct sq_user_peer *peer)
{
    return peer->endpoint && peer->connected;
}

bool sq_user_is_lost(const struct sq_user *user, char text[static SQ_PEER_TEXT_MAX])
{
    char why[SQ_PEER_TEXT_MAX];
    for (size_t i = 0; i < user->peers_len; i++) {
        const struct sq_user_peer *peer = &user->peers[i];
        if (stands(peer) && peer->heard_ns && silent_for_ns(peer) >= user->env->plan->silent_ns &&
            sq_endpoint_is_lost(peer->endpoint, why)) {
            snprintf(text, SQ_PEER_TEXT_MAX,
                     "nothing came for %.3g s, when it was to leave: %.190s",
                     (double)silent_for_ns(peer) / 1e9, why);
            return true;
        }
    }
    return false;
}

/* The others say what a session was refused for, or of this machine: no silence explains them. */
static bool is_of_an_end(enum sq_failure cause)
{
    return cause == SQ_FAILURE_SIGNALING || cause == SQ_FAILURE_MEDIA_LOST ||
           cause == SQ_FAILURE_TIMEOUT;
}

/* Half of what the service says tells less than none of it: the story has it all. */
static void put_end(const char *why, const char *said, char text[static SQ_PEER_TEXT_MAX])
{
    static const char then[] = "; then the session ended";
    size_t len = strlen(why);
    memcpy(text, why, len + 1);
    if (len + strlen(then) >= SQ_PEER_TEXT_MAX) {
        return;
    }
    memcpy(text + len, then, sizeof(then));
    len += strlen(then);
    if (len + strlen(": ") + strlen(said) < SQ_PEER_TEXT_MAX) {
        snprintf(text + len, SQ_PEER_TEXT_MAX - len, ": %s", said);
    }
}

/* For longer than what passes while a service says goodbye in good order. */
static bool fell_silent(const struct sq_user_peer *peer)
{
    return stands(peer) &&
           (silent_for_ns(peer) >= LOST_BEFORE_NS ||
            sq_peer_state(sq_endpoint_peer(peer->endpoint)) == SQ_PEER_DISCONNECTED);
}

bool sq_user_was_lost_before(const struct sq_user *user, enum sq_failure cause, const char *said,
                             char text[static SQ_PEER_TEXT_MAX])
{
    char why[SQ_PEER_TEXT_MAX];
    for (size_t i = 0; is_of_an_end(cause) && i < user->peers_len; i++) {
        if (fell_silent(&user->peers[i]) && sq_endpoint_is_lost(user->peers[i].endpoint, why)) {
            put_end(why, said, text);
            return true;
        }
    }
    return false;
}

/* Those who send may stop in good order before the others leave: recordings end, steps mute and
 * leave, and with a hold or a shape each leaves at its own time. */
static bool media_may_end(const struct sq_plan *plan)
{
    bool may = plan->hold_ns > 0 || plan->shape;
    for (size_t i = 0; i < plan->groups_len; i++) {
        const struct sq_plan_group *group = &plan->groups[i];
        may = may || group->replay || group->script || (group->steps && group->steps->n > 0);
    }
    return may;
}

/* Between words nothing at all comes of who sends nothing in silence. */
static bool may_pause(const struct sq_plan *plan)
{
    bool may = false;
    for (size_t i = 0; i < plan->groups_len; i++) {
        may = may || plan->groups[i].audio_codecs.dtx;
    }
    return may;
}

/* When a packet of the kind last came, of all tracks that are still to receive; 0: none has, or
 * none is to. */
static uint64_t last_heard_ns(const struct sq_user *user, enum sq_media_kind kind)
{
    uint64_t last_ns = 0;
    uint64_t now_ns = sq_loop_now(user->env->loop);
    for (size_t i = 0; i < user->peers_len; i++) {
        const struct sq_user_peer *peer = &user->peers[i];
        struct sq_peer *rtc = peer->endpoint ? sq_endpoint_peer(peer->endpoint) : NULL;
        for (size_t n = 0; rtc && n < sq_peer_track_count(rtc); n++) {
            struct sq_track *track = sq_peer_track(rtc, n);
            struct sq_inbound_stats in;
            if (sq_track_kind(track) == kind &&
                (sq_track_current_direction(track) & SQ_DIR_RECVONLY)) {
                sq_track_inbound_stats(track, now_ns, &in);
                last_ns = sq_max_u64(last_ns, in.last_packet_ns);
            }
        }
    }
    return last_ns;
}

bool sq_user_is_unheard(const struct sq_user *user, char text[static SQ_PEER_TEXT_MAX])
{
    const struct sq_plan *plan = user->env->plan;
    /* From then on others may have left before. */
    uint64_t now_ns = sq_min_u64(sq_loop_now(user->env->loop), user->env->drain_ns);
    if (media_may_end(plan)) {
        return false;
    }
    for (int video = 1; video >= may_pause(plan); video--) {
        uint64_t last_ns = last_heard_ns(user, video ? SQ_MEDIA_VIDEO : SQ_MEDIA_AUDIO);
        if (last_ns && now_ns > last_ns && now_ns - last_ns >= plan->silent_ns) {
            snprintf(text, SQ_PEER_TEXT_MAX,
                     "no %s came for the last %.3g s, and it was agreed to the end: the connection "
                     "stands, its media stopped",
                     video ? "video" : "audio", (double)(now_ns - last_ns) / 1e9);
            return true;
        }
    }
    return false;
}
