#include "lab/rig.h"

#include "base/mem.h"
#include "base/time.h"
#include "net/net.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct sq_loop *rig_loop;
struct sq_carrier *rig_carrier;
struct sq_lab *rig_lab;
struct sq_clip *rig_clip;

/* ---- The whole ---- */

void rig_lab_with(const struct sq_lab_config *config)
{
    char why[256] = "";
    sq_lab_stop(rig_lab);
    rig_lab = NULL;
    if (sq_lab_start(config, &rig_lab, why, sizeof(why)) != 0) {
        fail_msg("%s", why);
    }
}

int rig_up(void **state)
{
    char why[SQ_CLIP_WHY_MAX];
    (void)state;
    assert_int_equal(sq_net_init(), 0);
    assert_int_equal(sq_loop_new(NULL, &rig_loop), 0);
    struct sq_addr local;
    assert_int_equal(sq_addr_parse("127.0.0.1", 0, &local), 0);
    const struct sq_carrier_config carrier = {.seed = 7, .addrs = &local, .addrs_len = 1};
    assert_int_equal(sq_carrier_create(rig_loop, &carrier, &rig_carrier), 0);
    if (sq_clip_open(SQ_SOURCE_DIR "/share/clips/small.sqclip", 0, &rig_clip, why) != 0) {
        fail_msg("%s", why);
    }
    rig_lab_with(&(struct sq_lab_config){.seed = 1});
    return 0;
}

int rig_down(void **state)
{
    (void)state;
    sq_lab_stop(rig_lab);
    sq_carrier_destroy(rig_carrier);
    sq_loop_free(rig_loop);
    sq_clip_close(rig_clip);
    sq_net_cleanup();
    rig_lab = NULL;
    rig_carrier = NULL;
    rig_loop = NULL;
    rig_clip = NULL;
    return 0;
}

const char *rig_url(enum sq_lab_url which, const char *tail)
{
    static char text[2 * SQ_LAB_URL_MAX];
    char base[SQ_LAB_URL_MAX];
    snprintf(text, sizeof(text), "%s%s", sq_lab_url(rig_lab, which, base), tail);
    return text;
}

void rig_run_for(uint64_t ns)
{
    uint64_t end_ns = sq_clock_ns() + ns;
    while (sq_clock_ns() < end_ns) {
        assert_int_equal(sq_loop_run_once(rig_loop, 5 * SQ_NS_PER_MS), 0);
    }
}

/* ---- People ---- */

static void on_event(void *ctx, struct sq_endpoint *endpoint, const struct sq_peer_event *event)
{
    struct person *p = ctx;
    if (event->type == SQ_PEER_EV_STATE) {
        p->connected = event->state == SQ_PEER_CONNECTED;
        p->lost = event->state == SQ_PEER_FAILED;
    }
    sq_signal_room.peer_event(p->signal, sq_endpoint_peer(endpoint), event);
}

static const struct sq_endpoint_ops endpoint_ops = {.event = on_event};

static int make_peer(void *ctx, const char *label, struct sq_peer **ret_peer)
{
    struct person *p = ctx;
    assert_string_equal(label, "room");
    assert_null(p->endpoint);
    const struct sq_peer_config config = {0};
    int err = sq_endpoint_create(rig_carrier, &config, NULL, &endpoint_ops, p, &p->endpoint);
    if (!err) {
        *ret_peer = sq_endpoint_peer(p->endpoint);
    }
    return err;
}

static void on_phase(void *ctx, enum sq_phase phase, uint64_t took_ns)
{
    struct person *p = ctx;
    (void)took_ns;
    assert_false(p->phases & 1U << phase);
    p->phases |= 1U << phase;
}

static void on_joined(void *ctx)
{
    struct person *p = ctx;
    assert_false(p->joined || p->failed || p->left);
    p->joined = true;
}

static void on_failed(void *ctx, enum sq_cause cause, const char *text)
{
    struct person *p = ctx;
    assert_false(p->failed || p->left);
    p->failed = true;
    p->cause = cause;
    snprintf(p->text, sizeof(p->text), "%s", text);
}

static void on_left(void *ctx)
{
    struct person *p = ctx;
    assert_false(p->failed || p->left);
    p->left = true;
}

static void on_note(void *ctx, const char *text)
{
    struct person *p = ctx;
    p->offers += strncmp(text, "room: offer", 11) == 0;
    if (getenv("RIG_NOTES")) {
        fprintf(stderr, "%s: %s\n", p->user.name, text);
    }
}

void person_open(struct person *p, const char *url)
{
    char why[256];
    p->host = (struct sq_signal_host){.loop = rig_loop,
                                      .make_peer = make_peer,
                                      .phase = on_phase,
                                      .joined = on_joined,
                                      .failed = on_failed,
                                      .left = on_left,
                                      .note = on_note};
    p->user.clip = rig_clip;
    p->user.audio = sq_clip_track(rig_clip, SQ_CLIP_AUDIO);
    p->user.video = sq_clip_track(rig_clip, SQ_CLIP_VIDEO);
    int err =
        sq_target_parse(url ? url : rig_url(SQ_LAB_URL_ROOM, ""), &p->target, why, sizeof(why));
    if (err) {
        fail_msg("%s", why);
    }
    assert_int_equal(sq_signal_room.open(&p->target, &p->user, &p->host, p, &p->signal), 0);
}

void person_come(struct person *p, const char *room, const char *name, bool sends, bool receives)
{
    *p = (struct person){.user = {.name = name,
                                  .room = room,
                                  .send_audio = sends,
                                  .send_video = sends,
                                  .recv_audio = receives,
                                  .recv_video = receives,
                                  .trickle = true,
                                  .timeout_ns = 10 * SQ_NS_PER_SEC}};
    person_open(p, NULL);
}

void person_free(struct person *p)
{
    sq_signal_room.destroy(p->signal);
    sq_endpoint_close(p->endpoint);
    sq_target_free(&p->target);
    p->signal = NULL;
    p->endpoint = NULL;
}

struct hearing person_hears(const struct person *p, enum sq_media_kind kind)
{
    struct hearing h = {.least_frames = UINT64_MAX};
    struct sq_peer *peer = p->endpoint ? sq_endpoint_peer(p->endpoint) : NULL;
    for (size_t i = 0; peer && i < sq_peer_track_count(peer); i++) {
        struct sq_track *track = sq_peer_track(peer, i);
        struct sq_inbound_stats in;
        if (sq_track_kind(track) != kind ||
            !(sq_track_current_direction(track) & SQ_DIR_RECVONLY)) {
            continue;
        }
        sq_track_inbound_stats(track, sq_loop_now(rig_loop), &in);
        h.tracks++;
        h.alive += in.packets_received > 0;
        h.packets += in.packets_received;
        h.lost += in.packets_lost;
        h.frames += in.frames_decoded;
        h.key_frames += in.key_frames_decoded;
        h.plis += in.pli_count;
        h.least_frames = sq_min_u64(h.least_frames, in.frames_decoded);
    }
    h.least_frames = h.tracks ? h.least_frames : 0;
    return h;
}

struct sq_track *person_sends(const struct person *p, enum sq_media_kind kind)
{
    struct sq_peer *peer = p->endpoint ? sq_endpoint_peer(p->endpoint) : NULL;
    for (size_t i = 0; peer && i < sq_peer_track_count(peer); i++) {
        struct sq_track *track = sq_peer_track(peer, i);
        if (sq_track_kind(track) == kind && (sq_track_current_direction(track) & SQ_DIR_SENDONLY)) {
            return track;
        }
    }
    return NULL;
}

uint64_t person_sent(const struct person *p, enum sq_media_kind kind)
{
    struct sq_outbound_stats out = {0};
    struct sq_track *track = person_sends(p, kind);
    if (track) {
        sq_track_outbound_stats(track, sq_loop_now(rig_loop), &out);
    }
    return out.packets_sent;
}

/* ---- HTTP ---- */

struct waiting {
    struct reply reply;
    bool done;
};

static void keep(const struct sq_http_response *response, const char *name, char *out, size_t room)
{
    const char *value = sq_http_header(response, name, 0);
    snprintf(out, room, "%s", value ? value : "");
}

static void on_response(void *ctx, const struct sq_http_response *response)
{
    struct waiting *w = ctx;
    struct reply *r = &w->reply;
    w->done = true;
    r->err = response->err;
    r->status = response->status;
    r->body = sq_strdup(response->body ? response->body : "");
    keep(response, "Location", r->location, sizeof(r->location));
    keep(response, "ETag", r->etag, sizeof(r->etag));
    keep(response, "Allow", r->allow, sizeof(r->allow));
    keep(response, "Content-Type", r->type, sizeof(r->type));
    keep(response, "Retry-After", r->retry, sizeof(r->retry));
    keep(response, "WWW-Authenticate", r->auth, sizeof(r->auth));
    keep(response, "Access-Control-Allow-Origin", r->origin, sizeof(r->origin));
    keep(response, "Access-Control-Expose-Headers", r->expose, sizeof(r->expose));
    keep(response, "Accept-Patch", r->patch, sizeof(r->patch));
    keep(response, "Accept-Post", r->post, sizeof(r->post));
}

struct reply rig_http(const char *method, const char *url, const char *type, const char *body,
                      const char *const *headers)
{
    struct waiting w = {0};
    char type_line[128];
    const char *lines[8] = {0};
    size_t n = 0;
    if (type) {
        snprintf(type_line, sizeof(type_line), "Content-Type: %s", type);
        lines[n++] = type_line;
    }
    for (size_t i = 0; headers && headers[i]; i++) {
        lines[n++] = headers[i];
    }
    const struct sq_http_options options = {.method = method,
                                            .url = url,
                                            .headers = lines,
                                            .body = body,
                                            .body_len = body ? strlen(body) : 0,
                                            .insecure = true,
                                            .no_redirects = true};
    struct sq_http *request;
    assert_int_equal(sq_http_start(rig_loop, &options, on_response, &w, &request), 0);
    RIG_UNTIL(w.done);
    return w.reply;
}

void reply_free(struct reply *r)
{
    sq_free(r->body);
    r->body = NULL;
}

json_t *rig_stats(void)
{
    char url[SQ_LAB_URL_MAX * 2];
    snprintf(url, sizeof(url), "%s", rig_url(SQ_LAB_URL_PAGE, "stats"));
    struct reply r = rig_http("GET", url, NULL, NULL, NULL);
    assert_int_equal(r.status, 200);
    assert_string_equal(r.type, "application/json");
    json_error_t error;
    json_t *stats = json_loads(r.body, 0, &error);
    if (!stats) {
        fail_msg("/stats is not JSON: %s at column %d in %s", error.text, error.column, r.body);
    }
    reply_free(&r);
    return stats;
}

json_int_t rig_stat(const char *key)
{
    json_t *stats = rig_stats();
    const json_t *value = json_object_get(stats, key);
    if (!json_is_integer(value)) {
        fail_msg("/stats has no number \"%s\"", key);
    }
    json_int_t n = json_integer_value(value);
    json_decref(stats);
    return n;
}
