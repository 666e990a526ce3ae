/* WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep): the flow. */
#include "signal/whip/whip.h"

#include "base/mem.h"
#include "signal/sdptext.h"
#include "signal/whip/whip_int.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void trickle(struct sq_signal *w);
static void run_restart(struct sq_signal *w);

static uint64_t now(const struct sq_signal *w)
{
    return sq_loop_now(w->s.host->loop);
}

/* ---- The end ---- */

static void end(struct sq_signal *w)
{
    if (w->cause != SQ_CAUSE_NONE) {
        sq_session_fail(&w->s, w->cause, "%s", w->text);
    } else {
        sq_session_left(&w->s);
    }
}

static void on_deleted(void *ctx, const struct sq_http_response *answer)
{
    struct sq_signal *w = ctx;
    char text[SQ_PEER_TEXT_MAX];
    w->request = NULL;
    if (answer->err || answer->status >= 300) {
        whip_describe(w, answer, "200 OK", text);
        sq_session_note(&w->s, "%s", text);
    }
    end(w);
}

/* Deletes the server's session, if there is one, and is over then (RFC 9725, section 4.2). */
static void say_goodbye(struct sq_signal *w)
{
    w->peer = NULL;
    if (w->ask == WHIP_ASK_DELETE) {
        return;
    }
    sq_http_cancel(w->request);
    w->request = NULL;
    if (!w->resource ||
        whip_ask(w, WHIP_ASK_DELETE, w->resource, NULL, NULL, NULL, on_deleted) != 0) {
        end(w);
    }
}

static void give_up(struct sq_signal *w, enum sq_cause cause, const char *fmt, ...) SQ_PRINTF(3, 4);

static void give_up(struct sq_signal *w, enum sq_cause cause, const char *fmt, ...)
{
    if (sq_session_is_done(&w->s) || w->cause != SQ_CAUSE_NONE) {
        return;
    }
    va_list args;
    va_start(args, fmt);
    vsnprintf(w->text, sizeof(w->text), fmt, args);
    va_end(args);
    w->cause = cause;
    say_goodbye(w);
}

static void no_memory(struct sq_signal *w)
{
    give_up(w, SQ_CAUSE_EXHAUSTED, "no memory");
}

static void refuse(struct sq_signal *w, const struct sq_http_response *answer, const char *expected)
{
    char text[SQ_PEER_TEXT_MAX];
    whip_describe(w, answer, expected, text);
    give_up(w, whip_cause(answer), "%s", text);
}

/* Nothing may be asked or done any more. */
static bool is_done(const struct sq_signal *w)
{
    return sq_session_is_done(&w->s) || w->cause != SQ_CAUSE_NONE;
}

/* ---- The answer ---- */

static int keep(char **text, const char *value)
{
    char *copy = sq_strdup(value);
    if (!copy) {
        return SQ_ERR_NOMEM;
    }
    sq_free(*text);
    *text = copy;
    return 0;
}

static int keep_etag(struct sq_signal *w, const struct sq_http_response *answer)
{
    const char *etag = sq_http_header(answer, "ETag", 0);
    return etag ? keep(&w->etag, etag) : 0;
}

/* The session's URL; a relative one counts from the end point's. */
static int keep_resource(struct sq_signal *w, const struct sq_http_response *answer)
{
    const char *location = sq_http_header(answer, "Location", 0);
    if (!location) {
        return SQ_ERR_NOTFOUND;
    }
    w->resource = sq_url_resolve(answer->final_url, location);
    return w->resource ? 0 : SQ_ERR_FORMAT;
}

/* A browser's connection is closed when nothing was asked over it for a while, and a load balancer
 * may take what comes later elsewhere. So is ours, at once: thousands of idle ones would cost more
 * than their peers. What comes later goes over the loop's. */
static void close_quiet(struct sq_signal *w)
{
    if (!w->request && (w->end_told || w->patch_off || !w->resource)) {
        sq_http_kept_free(w->kept);
        w->kept = NULL;
    }
}

static void negotiated(struct sq_signal *w)
{
    w->negotiated = true;
    sq_session_joined(&w->s);
    trickle(w);
    close_quiet(w);
}

/* Media was asked for, and the answer has none at all. */
static bool nothing_comes(const struct sq_signal *w)
{
    size_t n = sq_peer_track_count(w->peer);
    for (size_t i = 0; i < n; i++) {
        if (sq_track_current_direction(sq_peer_track(w->peer, i)) & SQ_DIR_RECVONLY) {
            return false;
        }
    }
    return n > 0 && (w->s.user->recv_audio || w->s.user->recv_video);
}

static void take_answer(struct sq_signal *w, const struct sq_http_response *answer)
{
    char why[SQ_PEER_TEXT_MAX] = "";
    if (!whip_has_type(answer, WHIP_TYPE_SDP)) {
        const char *type = sq_http_header(answer, "Content-Type", 0);
        give_up(w, SQ_CAUSE_PROTOCOL,
                "%s: the answer has content type '%.60s', expected " WHIP_TYPE_SDP, w->kind->name,
                type ? type : "");
        return;
    }
    int err = keep(&w->answer, answer->body);
    err = err ? err : sq_peer_set_remote(w->peer, now(w), SQ_SDP_ANSWER, answer->body, why);
    if (is_done(w)) {
        return; /* the peer failed over it, and the host is leaving */
    }
    if (err) {
        give_up(w, sq_session_cause(err, SQ_CAUSE_PROTOCOL), "%s: the answer is of no use: %.200s",
                w->kind->name, why[0] ? why : sq_err_name(err));
        return;
    }
    if (nothing_comes(w)) {
        give_up(w, SQ_CAUSE_NO_MEDIA, "%s: the server's answer has no media for us%s",
                w->kind->name, w->kind->sends ? ", though --echo asks for ours back" : "");
        return;
    }
    negotiated(w);
}

static void on_answer_taken(void *ctx, const struct sq_http_response *answer)
{
    struct sq_signal *w = ctx;
    w->request = NULL;
    if (w->s.leaving) {
        say_goodbye(w);
    } else if (answer->err || answer->status < 200 || answer->status > 299) {
        refuse(w, answer, "204 No Content");
    } else {
        negotiated(w);
    }
}

/* 406 with an offer of the server's own, which we answer by PATCH (earlier revisions of the WHEP
 * draft; servers still do it). */
static void take_counter_offer(struct sq_signal *w, const struct sq_http_response *answer)
{
    char why[SQ_PEER_TEXT_MAX] = "";
    char *text = NULL;
    sq_session_note(&w->s, "the server offers in its turn");
    int err = sq_peer_rollback(w->peer);
    err = err ? err : sq_peer_set_remote(w->peer, now(w), SQ_SDP_OFFER, answer->body, why);
    if (!err && !is_done(w)) {
        err = sq_peer_create_answer(w->peer, now(w), &text, why);
    }
    if (is_done(w)) {
        sq_free(text);
        return;
    }
    if (err) {
        give_up(w, sq_session_cause(err, SQ_CAUSE_PROTOCOL),
                "%s: the server's own offer is of no use: %.190s", w->kind->name,
                why[0] ? why : sq_err_name(err));
        return;
    }
    sq_free(w->local);
    w->local = text;
    w->end_told = w->gathered;
    if (whip_ask(w, WHIP_ASK_ANSWER, w->resource, WHIP_TYPE_SDP, w->etag, text, on_answer_taken) !=
        0) {
        no_memory(w);
    }
}

static void post(struct sq_signal *w);

/* 307 and 308 keep the method. RFC 9725, section 4.5, forbids servers 301 and 302. */
static void follow(struct sq_signal *w, const struct sq_http_response *answer)
{
    const char *location = sq_http_header(answer, "Location", 0);
    if ((answer->status != 307 && answer->status != 308) || !location) {
        refuse(w, answer, "201 Created, or a redirect by 307 or 308 with a Location");
        return;
    }
    if (w->redirects++ == WHIP_REDIRECTS_MAX) {
        give_up(w, SQ_CAUSE_SIGNALING, "POST %.*s: more than %d redirects",
                whip_shown(answer->final_url, 80), answer->final_url, WHIP_REDIRECTS_MAX);
        return;
    }
    char *next = sq_url_resolve(answer->final_url, location);
    if (!next) {
        give_up(w, SQ_CAUSE_PROTOCOL, "POST %.*s: redirected to '%.*s', which is no URL",
                whip_shown(answer->final_url, 80), answer->final_url, whip_shown(location, 80),
                location);
        return;
    }
    sq_free(w->url);
    w->url = next;
    sq_session_note(&w->s, "redirected by %d to %.*s", answer->status, whip_shown(next, 150), next);
    post(w);
}

static void tell_phases(struct sq_signal *w, const struct sq_http_times *t)
{
    struct sq_addr numeric;
    if (!w->s.phases_told) {
        bool named = sq_addr_parse(w->target->host, 0, &numeric) != 0;
        w->s.asked_ns += t->dns_ns + t->connect_ns + t->tls_ns;
        sq_session_phases(&w->s, named ? t->dns_ns : 0, t->connect_ns, t->tls_ns);
    }
}

static void on_posted(void *ctx, const struct sq_http_response *answer)
{
    struct sq_signal *w = ctx;
    w->request = NULL;
    bool ok = !answer->err && (answer->status == 200 || answer->status == 201);
    bool counter = !answer->err && w->kind->counter_offer && answer->status == 406 &&
                   whip_has_type(answer, WHIP_TYPE_SDP);
    int err = ok || counter ? keep_resource(w, answer) : 0;
    if (w->s.leaving) {
        say_goodbye(w);
        return;
    }
    if (!answer->err) {
        tell_phases(w, &answer->times);
        whip_note_ice_servers(w, answer);
    }
    if (!ok && !counter) {
        if (!answer->err && answer->status >= 300 && answer->status < 400) {
            follow(w, answer);
        } else {
            refuse(w, answer, "201 Created");
        }
        return;
    }
    if (err == SQ_ERR_NOTFOUND && ok) { /* works, but can be neither trickled to nor deleted */
        sq_session_note(&w->s, "%d without a Location, which %s asks for", answer->status,
                        w->kind->name);
    } else if (err) {
        give_up(w, SQ_CAUSE_PROTOCOL, "%s: the answer's Location is missing or no URL",
                w->kind->name);
        return;
    }
    if (keep_etag(w, answer)) {
        no_memory(w);
    } else if (ok) {
        take_answer(w, answer);
    } else {
        take_counter_offer(w, answer);
    }
}

/* ---- The offer ---- */

static void post(struct sq_signal *w)
{
    if (whip_ask(w, WHIP_ASK_POST, w->url, WHIP_TYPE_SDP, NULL, w->local, on_posted) != 0) {
        no_memory(w);
    }
}

/* All candidates stand in the offer where there is no trickling (RFC 9725, section 4.4.2). */
static void post_held(struct sq_signal *w)
{
    char *whole = NULL;
    w->held = false;
    if (w->candidates.len > 0 || w->candidates.err) {
        int err = w->candidates.err
                      ? w->candidates.err
                      : sq_sdptext_add_candidates(w->local, w->candidates.text, true, &whole);
        if (err) {
            no_memory(w);
            return;
        }
        sq_free(w->local);
        w->local = whole;
        sq_buf_free(&w->candidates);
    }
    w->end_told = true;
    post(w);
}

static int add_track(struct sq_signal *w, enum sq_media_kind kind)
{
    const struct sq_signal_user *user = w->s.user;
    unsigned direction = sq_session_direction(user, kind);
    direction &=
        (w->kind->sends ? SQ_DIR_SENDONLY : 0U) | (w->kind->receives ? SQ_DIR_RECVONLY : 0U);
    bool wanted = direction & (w->kind->sends ? SQ_DIR_SENDONLY : SQ_DIR_RECVONLY);
    return wanted ? sq_peer_add_track(w->peer, kind, (enum sq_direction)direction, user->clip, NULL)
                  : 0;
}

static void begin(struct sq_signal *w)
{
    char why[SQ_PEER_TEXT_MAX] = "";
    int err = w->s.host->make_peer(w->s.ctx, w->kind->peer_label, &w->peer);
    if (err) {
        give_up(w, sq_session_cause(err, SQ_CAUSE_PROTOCOL), "no sockets for the peer: %s",
                sq_err_name(err));
        return;
    }
    err = add_track(w, SQ_MEDIA_AUDIO);
    err = err ? err : add_track(w, SQ_MEDIA_VIDEO);
    err = err ? err : sq_session_add_channel(w->s.user, w->peer, now(w));
    if (!err && sq_peer_track_count(w->peer) == 0 && !w->s.user->data) {
        give_up(w, SQ_CAUSE_PROTOCOL,
                "%s only %s, and this user is to do neither audio nor video nor data",
                w->kind->name, w->kind->sends ? "sends" : "receives");
        return;
    }
    err = err ? err : sq_peer_create_offer(w->peer, now(w), false, &w->local, why);
    if (is_done(w)) {
        return;
    }
    if (err) {
        give_up(w, sq_session_cause(err, SQ_CAUSE_PROTOCOL), "no offer could be made: %.200s",
                why[0] ? why : sq_err_name(err));
        return;
    }
    w->end_told = w->gathered; /* then the offer says so */
    w->s.asked_ns = sq_clock_ns();
    if (w->s.user->trickle || w->gathered) {
        post(w);
    } else {
        w->held = true;
    }
}

/* ---- Trickle (RFC 9725, section 4.4.2) ---- */

static void on_trickled(void *ctx, const struct sq_http_response *answer)
{
    struct sq_signal *w = ctx;
    char text[SQ_PEER_TEXT_MAX];
    w->request = NULL;
    if (answer->err || answer->status < 200 || answer->status > 299) {
        whip_describe(w, answer, "204 No Content", text);
        w->patch_off = true;
        sq_session_note(&w->s, "no more trickling: %s", text);
    }
    w->ask = WHIP_ASK_NONE;
    run_restart(w);
    trickle(w);
    close_quiet(w);
}

/* Sends what has gathered in one PATCH, if none is under way. */
static void trickle(struct sq_signal *w)
{
    bool end = w->gathered && !w->end_told;
    if (is_done(w) || !w->negotiated || !w->resource || w->request || w->patch_off ||
        (w->candidates.len == 0 && !end)) {
        return;
    }
    char *fragment = NULL;
    int err = sq_sdptext_fragment(w->local, w->candidates.text ? w->candidates.text : "",
                                  w->gathered, false, &fragment);
    err = err ? err
              : whip_ask(w, WHIP_ASK_TRICKLE, w->resource, WHIP_TYPE_FRAGMENT, w->etag, fragment,
                         on_trickled);
    sq_free(fragment);
    if (err) {
        w->patch_off = true;
        sq_session_note(&w->s, "no more trickling: %s", sq_err_name(err));
        return;
    }
    w->end_told = w->gathered;
    sq_buf_free(&w->candidates);
}

static void on_event(struct sq_signal *w, struct sq_peer *peer, const struct sq_peer_event *event)
{
    if (is_done(w) || peer != w->peer) {
        return;
    }
    if (event->type == SQ_PEER_EV_LOCAL_CANDIDATE) {
        if (w->candidates.len + strlen(event->text) < WHIP_CANDIDATES_MAX) {
            sq_buf_printf(&w->candidates, "%s\n", event->text);
        }
    } else if (event->type == SQ_PEER_EV_GATHERING_DONE) {
        w->gathered = true;
    } else {
        return;
    }
    if (w->held && w->gathered) {
        post_held(w);
    } else if (!w->held) {
        trickle(w);
    }
}

/* ---- ICE restart (RFC 9725, section 4.4.3) ---- */

/* The old path stays as long as the server consents to it. */
static void restart_failed(struct sq_signal *w, const char *text)
{
    sq_session_note(&w->s, "ICE restart: %s", text);
    int err = sq_peer_rollback(w->peer);
    if (err) {
        give_up(w, SQ_CAUSE_PROTOCOL, "ICE restart refused, and the offer cannot be taken back: %s",
                sq_err_name(err));
    }
}

static void apply_restart(struct sq_signal *w, const struct sq_http_response *answer)
{
    char why[SQ_PEER_TEXT_MAX] = "";
    char *whole = NULL;
    int err = keep_etag(w, answer);
    err = err ? err : sq_sdptext_restart(w->answer, answer->body, &whole);
    err = err ? err : sq_peer_set_remote(w->peer, now(w), SQ_SDP_ANSWER, whole, why);
    if (err) {
        sq_free(whole);
        if (!is_done(w)) {
            restart_failed(w, why[0] ? why : "the server's fragment has no new credentials");
        }
        return;
    }
    sq_free(w->answer);
    w->answer = whole;
    sq_session_note(&w->s, "ICE restarted");
}

static void on_restarted(void *ctx, const struct sq_http_response *answer)
{
    struct sq_signal *w = ctx;
    char text[SQ_PEER_TEXT_MAX];
    w->request = NULL;
    if (answer->err || answer->status != 200) {
        w->patch_off =
            w->patch_off || (!answer->err && (answer->status == 405 || answer->status == 501));
        whip_describe(w, answer, "200 OK", text);
        restart_failed(w, text);
    } else {
        apply_restart(w, answer);
    }
    w->ask = WHIP_ASK_NONE;
    run_restart(w);
    trickle(w);
}

static void run_restart(struct sq_signal *w)
{
    char why[SQ_PEER_TEXT_MAX] = "";
    char *offer = NULL;
    char *fragment = NULL;
    if (!w->restart_wanted || is_done(w) || w->request) {
        return;
    }
    w->restart_wanted = false;
    sq_buf_free(&w->candidates);
    w->gathered = false;
    int err = sq_peer_create_offer(w->peer, now(w), true, &offer, why);
    if (is_done(w)) {
        sq_free(offer);
        return;
    }
    if (err) {
        sq_session_note(&w->s, "ICE restart: %s", why[0] ? why : sq_err_name(err));
        return;
    }
    sq_free(w->local);
    w->local = offer;
    err = sq_sdptext_fragment(offer, w->candidates.text ? w->candidates.text : "", w->gathered,
                              true, &fragment);
    err = err ? err
              : whip_ask(w, WHIP_ASK_RESTART, w->resource, WHIP_TYPE_FRAGMENT, "*", fragment,
                         on_restarted);
    sq_free(fragment);
    if (err) {
        restart_failed(w, sq_err_name(err));
        return;
    }
    sq_buf_free(&w->candidates);
    w->end_told = w->gathered;
}

static int restart_ice(struct sq_signal *w)
{
    if (is_done(w) || !w->negotiated) {
        return SQ_ERR_STATE;
    }
    if (!w->resource || w->patch_off || !w->answer) {
        return SQ_ERR_UNSUPPORTED;
    }
    w->restart_wanted = true;
    run_restart(w);
    return 0;
}

/* ---- Adapter ---- */

static const struct whip_kind whip = {
    .name = "WHIP", .peer_label = "whip", .sends = true, .receives = true};
static const struct whip_kind whep = {
    .name = "WHEP", .peer_label = "whep", .receives = true, .counter_offer = true};

static void destroy(struct sq_signal *w)
{
    if (w) {
        sq_http_cancel(w->request);
        sq_http_kept_free(w->kept);
        sq_free(w->url);
        sq_free(w->resource);
        sq_free(w->etag);
        sq_free(w->local);
        sq_free(w->answer);
        sq_buf_free(&w->candidates);
        sq_free(w);
    }
}

static int open_kind(const struct whip_kind *kind, const struct sq_target *target,
                     const struct sq_signal_user *user, const struct sq_signal_host *host,
                     void *host_ctx, struct sq_signal **ret_signal)
{
    struct sq_signal *w = sq_zalloc(sizeof(*w));
    if (!w || !(w->url = sq_strdup(target->inner)) || sq_http_kept_new(&w->kept) != 0) {
        sq_free(w ? w->url : NULL);
        sq_free(w);
        return SQ_ERR_NOMEM;
    }
    sq_session_init(&w->s, user, host, host_ctx);
    w->kind = kind;
    w->target = target;
    *ret_signal = w; /* at once, for the peer's first events */
    begin(w);
    return 0;
}

static int open_whip(const struct sq_target *target, const struct sq_signal_user *user,
                     const struct sq_signal_host *host, void *host_ctx,
                     struct sq_signal **ret_signal)
{
    return open_kind(&whip, target, user, host, host_ctx, ret_signal);
}

static int open_whep(const struct sq_target *target, const struct sq_signal_user *user,
                     const struct sq_signal_host *host, void *host_ctx,
                     struct sq_signal **ret_signal)
{
    return open_kind(&whep, target, user, host, host_ctx, ret_signal);
}

static void leave(struct sq_signal *w)
{
    if (sq_session_is_done(&w->s)) {
        return;
    }
    w->s.leaving = true;
    w->peer = NULL;
    /* An answer that is on its way may bring a session that must be deleted. */
    if (!(w->request && (w->ask == WHIP_ASK_POST || w->ask == WHIP_ASK_ANSWER))) {
        say_goodbye(w);
    }
}

const struct sq_signal_ops sq_signal_whip = {
    .name = "whip",
    .schemes = (const char *const[]){"whip+http", "whip+https", NULL},
    .open = open_whip,
    .peer_event = on_event,
    .leave = leave,
    .destroy = destroy,
    .restart_ice = restart_ice,
};

const struct sq_signal_ops sq_signal_whep = {
    .name = "whep",
    .schemes = (const char *const[]){"whep+http", "whep+https", NULL},
    .open = open_whep,
    .peer_event = on_event,
    .leave = leave,
    .destroy = destroy,
    .restart_ice = restart_ice,
};
