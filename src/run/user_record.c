/* Packets from and into files: --record hands a peer's packets to a recorder, a replay sends
 * recorded ones. */
#include "net/loop.h"
#include "run/user_int.h"
#include <stdio.h>

int sq_user_begin_record(struct sq_user_peer *peer)
{
    const struct sq_user *user = peer->user;
    char name[96];
    snprintf(name, sizeof(name), "%s%s%s", user->name, peer->label[0] ? "-" : "", peer->label);
    return sq_recorder_new(user->env->plan->record, name, sq_loop_wall_offset_ns(user->env->loop),
                           &peer->recorder);
}

static void tell_pair(struct sq_user_peer *peer, const struct sq_endpoint *endpoint)
{
    struct sq_addr local, remote;
    if (sq_endpoint_pair(endpoint, &local, &remote)) {
        sq_recorder_set_pair(peer->recorder, &local, &remote);
    }
}

void sq_user_on_rtp(void *ctx, struct sq_endpoint *endpoint, struct sq_track *track,
                    const struct sq_rtp_packet *packet, const struct sq_rtp_exts *exts,
                    uint64_t now_ns)
{
    struct sq_user_peer *peer = ctx;
    if (sq_user_is_decoded(peer->user)) {
        sq_user_decode_rtp(ctx, endpoint, track, packet, exts, now_ns);
    }
    if (peer->recorder) {
        tell_pair(peer, endpoint);
        sq_recorder_received(peer->recorder, sq_endpoint_peer(endpoint), track, packet, now_ns);
    }
}

void sq_user_on_sent(void *ctx, struct sq_endpoint *endpoint, struct sq_track *track,
                     const uint8_t *rtp, size_t len, uint64_t now_ns)
{
    struct sq_user_peer *peer = ctx;
    if (peer->recorder) {
        tell_pair(peer, endpoint);
        sq_recorder_sent(peer->recorder, sq_endpoint_peer(endpoint), track, rtp, len, now_ns);
    }
}

/* Its user leaves once nothing more is to be sent and what is under way has arrived. */
static void on_replay_ended(void *ctx, enum sq_media_kind kind, uint64_t now_ns)
{
    struct sq_user_peer *peer = ctx;
    struct sq_user *user = peer->user;
    user->media_end_ns[kind] = now_ns;
    for (size_t i = 0; i < user->peers_len; i++) {
        if (user->peers[i].replayer && sq_replayer_sends(user->peers[i].replayer)) {
            return;
        }
    }
    user->replay_end_ns = now_ns;
    sq_user_replay_over(user, now_ns);
}

int sq_user_begin_replay(struct sq_user_peer *peer)
{
    const struct sq_user *user = peer->user;
    const struct sq_replay *replay = user->group->replay;
    return replay && !peer->replayer
               ? sq_replayer_new(replay, user->env->loop, sq_endpoint_peer(peer->endpoint),
                                 on_replay_ended, peer, &peer->replayer)
               : 0;
}

bool sq_user_on_resend(void *ctx, struct sq_endpoint *endpoint, struct sq_track *track,
                       uint32_t cookie, struct sq_rtp_out *ret_out)
{
    const struct sq_user_peer *peer = ctx;
    (void)endpoint;
    (void)track;
    return peer->replayer && sq_replayer_resend(peer->replayer, cookie, ret_out);
}

void sq_user_end_record(struct sq_user_peer *peer)
{
    sq_replayer_free(peer->replayer);
    peer->replayer = NULL;
    sq_recorder_free(peer->recorder);
    peer->recorder = NULL;
}
