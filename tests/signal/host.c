#include "signal/host.h"

#include "base/mem.h"
#include "net/net.h"
#include "net/until.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct sq_loop *loop;
static struct sq_carrier *carrier;
static struct sq_clip *clip;

int sig_setup(void **state)
{
    char why[SQ_CLIP_WHY_MAX];
    struct sq_carrier_config config = {.seed = 7, .addrs_len = 1};
    struct sq_addr addr;
    (void)state;
    config.addrs = &addr;
    return sq_addr_parse("127.0.0.1", 0, &addr) || sq_net_init() || sq_loop_new(NULL, &loop) ||
           sq_carrier_create(loop, &config, &carrier) ||
           sq_clip_open(SQ_SOURCE_DIR "/share/clips/small.sqclip", 0, &clip, why);
}

int sig_teardown(void **state)
{
    (void)state;
    sq_carrier_destroy(carrier);
    sq_loop_free(loop);
    sq_clip_close(clip);
    sq_net_cleanup();
    return 0;
}

struct sq_loop *sig_loop(void)
{
    return loop;
}

struct sq_carrier *sig_carrier(void)
{
    return carrier;
}

const struct sq_clip *sig_clip(void)
{
    return clip;
}

const struct sq_clip_track *sig_media(enum sq_media_kind kind)
{
    return sq_clip_track(clip, kind == SQ_MEDIA_VIDEO ? SQ_CLIP_VIDEO : SQ_CLIP_AUDIO);
}

/* ---- The host's face ---- */

bool sig_host_over(const struct sig_host *h)
{
    return h->failed + h->left > 0;
}

static struct sig_host *heard(void *ctx)
{
    struct sig_host *h = ctx;
    h->after += sig_host_over(h);
    return h;
}

static void on_event(void *ctx, struct sq_endpoint *endpoint, const struct sq_peer_event *event)
{
    struct sig_host *h = ctx;
    for (size_t i = 0; i < h->peers_len; i++) {
        if (h->peers[i] == endpoint && event->type == SQ_PEER_EV_STATE) {
            h->connected[i] = event->state == SQ_PEER_CONNECTED;
        }
    }
    if (h->signal && !sig_host_over(h)) {
        h->ops->peer_event(h->signal, sq_endpoint_peer(endpoint), event);
    }
}

static int make_peer(void *ctx, const char *label, struct sq_peer **ret_peer)
{
    static const struct sq_endpoint_ops ops = {.event = on_event};
    struct sig_host *h = heard(ctx);
    const struct sq_peer_config config = {.accept_data = h->user.data != NULL};
    if (h->refuse_peers || h->peers_len == SIG_PEERS_MAX) {
        return SQ_ERR_IO;
    }
    struct sq_endpoint *endpoint;
    int err = sq_endpoint_create(carrier, &config, NULL, &ops, h, &endpoint);
    if (!err) {
        snprintf(h->labels[h->peers_len], sizeof(h->labels[0]), "%s", label);
        h->peers[h->peers_len++] = endpoint;
        *ret_peer = sq_endpoint_peer(endpoint);
    }
    return err;
}

static void phase(void *ctx, enum sq_phase p, uint64_t took_ns)
{
    struct sig_host *h = heard(ctx);
    h->phases_told |= 1U << p;
    h->phases[p] = took_ns;
}

static void joined(void *ctx)
{
    heard(ctx)->joined++;
}

static void failed(void *ctx, enum sq_cause cause, const char *text)
{
    struct sig_host *h = heard(ctx);
    h->failed++;
    h->cause = cause;
    snprintf(h->text, sizeof(h->text), "%s", text);
}

static void left(void *ctx)
{
    heard(ctx)->left++;
}

static void note(void *ctx, const char *text)
{
    struct sig_host *h = heard(ctx);
    size_t len = strlen(h->notes);
    snprintf(h->notes + len, sizeof(h->notes) - len, "%s\n", text);
}

/* ---- Use ---- */

void sig_host_init(struct sig_host *h)
{
    memset(h, 0, sizeof(*h));
    h->face = (struct sq_signal_host){
        .loop = loop,
        .make_peer = make_peer,
        .phase = phase,
        .joined = joined,
        .failed = failed,
        .left = left,
        .note = note,
    };
    h->user = (struct sq_signal_user){
        .name = "squall-0",
        .room = "1234",
        .send_audio = true,
        .send_video = true,
        .recv_audio = true,
        .recv_video = true,
        .clip = sig_clip(),
        .audio = sig_media(SQ_MEDIA_AUDIO),
        .video = sig_media(SQ_MEDIA_VIDEO),
        .trickle = true,
        .timeout_ns = 5 * SQ_NS_PER_SEC,
    };
}

int sig_host_try(struct sig_host *h, const char *url)
{
    char why[SQ_PEER_TEXT_MAX] = "";
    int err = sq_target_parse(url, &h->target, why, sizeof(why));
    if (err) {
        return err;
    }
    h->ops = sq_signal_find(h->target.scheme);
    err = h->ops->check ? h->ops->check(&h->target, why) : 0;
    if (err) {
        fail_msg("%s: %s", url, why);
    }
    return h->ops->open(&h->target, &h->user, &h->face, h, &h->signal);
}

void sig_host_open(struct sig_host *h, const char *url)
{
    assert_int_equal(sig_host_try(h, url), 0);
}

struct sq_peer *sig_host_peer(struct sig_host *h, size_t index)
{
    assert_true(index < h->peers_len);
    return sq_endpoint_peer(h->peers[index]);
}

void sig_host_close(struct sig_host *h)
{
    struct sq_signal *signal = h->signal;
    h->signal = NULL;
    if (h->ops) {
        h->ops->destroy(signal);
    }
    for (size_t i = 0; i < h->peers_len; i++) {
        sq_endpoint_close(h->peers[i]);
    }
    h->peers_len = 0;
    sq_target_free(&h->target);
    assert_int_equal(h->after, 0);
    assert_int_equal(sq_loop_run_once(loop, 0), 0);
}

bool sig_has_media(struct sq_peer *peer)
{
    bool audio = false;
    bool video = false;
    for (size_t i = 0; i < sq_peer_track_count(peer); i++) {
        struct sq_inbound_stats stats;
        const struct sq_track *track = sq_peer_track(peer, i);
        sq_track_inbound_stats(track, sq_loop_now(loop), &stats);
        audio = audio || (sq_track_kind(track) == SQ_MEDIA_AUDIO && stats.packets_received > 5);
        video = video || (sq_track_kind(track) == SQ_MEDIA_VIDEO && stats.frames_decoded > 3);
    }
    return audio && video;
}

void sig_host_expect_failure(struct sig_host *h, enum sq_cause cause, const char *part)
{
    RUN_UNTIL(loop, sig_host_over(h));
    if (h->cause != cause || !strstr(h->text, part)) {
        fail_msg("cause %s: %s (expected %s: %s)", sq_cause_name(h->cause), h->text,
                 sq_cause_name(cause), part);
    }
    assert_int_equal(h->failed, 1);
}

void sig_host_leave(struct sig_host *h)
{
    h->ops->leave(h->signal);
    RUN_UNTIL(loop, h->left == 1);
    assert_int_equal(h->failed, 0);
}

void sig_host_tell_candidate(struct sig_host *h, const char *text)
{
    const struct sq_peer_event event = {
        .type = text ? SQ_PEER_EV_LOCAL_CANDIDATE : SQ_PEER_EV_GATHERING_DONE,
        .text = text ? text : "",
        .mid = "0",
    };
    h->ops->peer_event(h->signal, sig_host_peer(h, 0), &event);
}

/* ---- The far end ---- */

static void far_event(void *ctx, struct sq_endpoint *endpoint, const struct sq_peer_event *event)
{
    (void)ctx;
    (void)endpoint;
    (void)event;
}

struct sq_endpoint *sig_far_new(void)
{
    static const struct sq_endpoint_ops ops = {.event = far_event};
    static const struct sq_peer_config config = {0};
    struct sq_endpoint *far = NULL;
    return sq_endpoint_create(carrier, &config, NULL, &ops, NULL, &far) == 0 ? far : NULL;
}

char *sig_far_answer(struct sq_endpoint *far, const char *offer)
{
    struct sq_peer *peer = sq_endpoint_peer(far);
    uint64_t now_ns = sq_loop_now(loop);
    char why[SQ_PEER_TEXT_MAX] = "";
    char *answer = NULL;
    if (sq_peer_set_remote(peer, now_ns, SQ_SDP_OFFER, offer, why) != 0) {
        return NULL;
    }
    for (size_t i = 0; i < sq_peer_track_count(peer); i++) {
        struct sq_track *track = sq_peer_track(peer, i);
        if (sq_track_current_direction(track) == SQ_DIR_INACTIVE) {
            if (sq_track_set_media(track, sig_clip()) != 0) {
                return NULL;
            }
        }
    }
    return sq_peer_create_answer(peer, now_ns, &answer, why) == 0 ? answer : NULL;
}
