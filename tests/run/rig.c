#include "run/rig.h"

#include "base/mem.h"
#include "base/time.h"
#include "media/clip.h"
#include "peer/peer.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define FDS_MAX 4096

struct sq_clip *rig_clip;

int rig_open_clip(void **state)
{
    char why[SQ_CLIP_WHY_MAX];
    (void)state;
    int err = sq_clip_open(SQ_SOURCE_DIR "/share/clips/small.sqclip", 0, &rig_clip, why);
    if (err) {
        fprintf(stderr, "%s\n", why);
    }
    return err;
}

int rig_close_clip(void **state)
{
    (void)state;
    sq_clip_close(rig_clip);
    rig_clip = NULL;
    return 0;
}

bool rig_until(struct sq_loop *loop, bool (*so)(void *ctx), void *ctx, unsigned limit_ms)
{
    uint64_t end_ns = sq_clock_ns() + limit_ms * SQ_NS_PER_MS;
    while (!so(ctx)) {
        uint64_t now_ns = sq_clock_ns();
        if (now_ns >= end_ns) {
            return false;
        }
        assert_int_equal(sq_loop_run_once(loop, end_ns - now_ns), 0);
    }
    return true;
}

void rig_add_tracks(struct sq_peer *peer)
{
    struct sq_track *track;
    for (int kind = SQ_MEDIA_AUDIO; kind <= SQ_MEDIA_VIDEO; kind++) {
        assert_int_equal(
            sq_peer_add_track(peer, (enum sq_media_kind)kind, SQ_DIR_SENDRECV, rig_clip, &track),
            0);
    }
}

void rig_negotiate(struct sq_loop *loop, struct sq_peer *a, struct sq_peer *b, bool ice_restart)
{
    char why[SQ_PEER_TEXT_MAX] = "";
    char *offer = NULL;
    char *answer = NULL;
    uint64_t now_ns = sq_loop_refresh_now(loop);
    int err = sq_peer_create_offer(a, now_ns, ice_restart, &offer, why);
    err = err ? err : sq_peer_set_remote(b, now_ns, SQ_SDP_OFFER, offer, why);
    for (size_t i = 0; !err && !ice_restart && i < sq_peer_track_count(b); i++) {
        struct sq_track *track = sq_peer_track(b, i);
        err = sq_track_set_media(track, rig_clip);
    }
    err = err ? err : sq_peer_create_answer(b, now_ns, &answer, why);
    err = err ? err : sq_peer_set_remote(a, now_ns, SQ_SDP_ANSWER, answer, why);
    if (err) {
        fail_msg("negotiation: %s: %s\n%s\n%s", sq_err_name(err), why, offer ? offer : "",
                 answer ? answer : "");
    }
    sq_free(offer);
    sq_free(answer);
}

int rig_socket_of(const char *addr_text)
{
    for (int fd = 3; fd < FDS_MAX; fd++) {
        struct sq_addr addr;
        char text[SQ_ADDR_TEXT_MAX];
        socklen_t len = sizeof(addr);
        memset(&addr, 0, sizeof(addr));
        int type = 0;
        socklen_t type_len = sizeof(type);
        if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_len) == 0 && type == SOCK_DGRAM &&
            getsockname(fd, &addr.sa, &len) == 0 &&
            (addr.sa.sa_family == AF_INET || addr.sa.sa_family == AF_INET6) &&
            strcmp(sq_addr_format(&addr, text), addr_text) == 0) {
            return fd;
        }
    }
    return -1;
}

bool rig_is_connected(int fd)
{
    struct sq_addr addr;
    socklen_t len = sizeof(addr);
    return getpeername(fd, &addr.sa, &len) == 0;
}
