/* What a user waits for that is not up, and whether one that is up waits in vain. */
#include "net/loop.h"
#include "peer/ice/ice.h"
#include "run/user_int.h"
#include <stdio.h>

#define SILENT_NS (5 * SQ_NS_PER_SEC)

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
    char words[SQ_ICE_WORDS_MAX];
    if (user->state == SQ_USER_PREPARING) {
        sq_user_steps_tell(user, text);
        return;
    }
    snprintf(text, SQ_PEER_TEXT_MAX, "%s",
             user->joined ? "connected, but no media came yet"
                          : "not signed in yet: the signalling server has not answered");
    for (size_t i = 0; i < user->peers_len; i++) {
        const struct sq_endpoint *endpoint = user->peers[i].endpoint;
        if (!endpoint || user->peers[i].connected) {
            continue;
        }
        if (!user->joined && !sq_peer_times(sq_endpoint_peer(endpoint))->negotiated &&
            !user->env->plan->relays.servers_len) {
            continue; /* it has nobody to check with yet */
        }
        if (sq_endpoint_waits_for_relay(endpoint, text)) {
            return;
        }
        const struct sq_peer *rtc = sq_endpoint_peer(endpoint);
        sq_ice_words(sq_peer_ice(rtc), words);
        snprintf(text, SQ_PEER_TEXT_MAX,
                 sq_peer_times(rtc)->ice_connected ? "the DTLS handshake is not over (%s)"
                                                   : "no ICE candidate pair answered yet (%s)",
                 words);
    }
}

bool sq_user_is_lost(const struct sq_user *user, char text[static SQ_PEER_TEXT_MAX])
{
    char why[SQ_PEER_TEXT_MAX];
    uint64_t now_ns = sq_loop_now(user->env->loop);
    for (size_t i = 0; i < user->peers_len; i++) {
        const struct sq_user_peer *peer = &user->peers[i];
        if (peer->endpoint && peer->connected && peer->heard_ns &&
            now_ns - peer->heard_ns >= SILENT_NS && sq_endpoint_is_lost(peer->endpoint, why)) {
            snprintf(text, SQ_PEER_TEXT_MAX,
                     "nothing came for %.3g s, when it was to leave: %.190s",
                     (double)(now_ns - peer->heard_ns) / 1e9, why);
            return true;
        }
    }
    return false;
}
