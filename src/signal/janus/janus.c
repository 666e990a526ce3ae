/* The Janus session: WebSocket, session, keep-alive, handles, the end. */
#include "signal/janus/janus.h"

#include "base/mem.h"
#include "signal/janus/janus_int.h"
#include <stdio.h>
#include <string.h>

/* ---- Session and handles ---- */

static void on_attached(struct sq_signal *j, struct janus_handle *handle,
                        const struct janus_reply *reply)
{
    if (sq_session_is_done(&j->s)) {
        return;
    }
    if (reply->code) {
        janus_refused(j, "attach", reply);
        return;
    }
    handle->id = json_integer_value(json_object_get(json_object_get(reply->message, "data"), "id"));
    if (handle->id == 0) {
        sq_session_fail(&j->s, SQ_CAUSE_PROTOCOL, "Janus attached without an id of the handle");
        return;
    }
    sq_session_note(&j->s, "janus: attached, handle %lld", (long long)handle->id);
    if (handle->ready) {
        janus_ready_fn ready = handle->ready;
        handle->ready = NULL;
        ready(j, handle);
    }
}

void janus_attach(struct sq_signal *j, struct janus_handle *handle, janus_ready_fn attached)
{
    handle->ready = attached;
    janus_send(
        j, handle, "attach",
        json_pack("{ss}", "plugin",
                  j->plugin == JANUS_ECHOTEST ? "janus.plugin.echotest" : "janus.plugin.videoroom"),
        false, on_attached);
}

static void on_main_attached(struct sq_signal *j, struct janus_handle *handle)
{
    (void)handle;
    if (j->plugin == JANUS_ECHOTEST) {
        janus_echo_start(j);
    } else {
        janus_room_start(j);
    }
}

static void on_created(struct sq_signal *j, struct janus_handle *handle,
                       const struct janus_reply *reply)
{
    (void)handle;
    if (reply->code) {
        janus_refused(j, "create", reply);
        return;
    }
    j->session = json_integer_value(json_object_get(json_object_get(reply->message, "data"), "id"));
    if (j->session == 0) {
        sq_session_fail(&j->s, SQ_CAUSE_PROTOCOL, "Janus made a session without an id");
    } else if (!j->s.leaving) {
        sq_session_note(&j->s, "janus: session %lld", (long long)j->session);
        janus_attach(j, &j->main, on_main_attached);
    }
}

/* ---- What comes unasked ---- */

static void on_hangup(struct sq_signal *j, struct janus_handle *handle,
                      const struct janus_reply *reply)
{
    const char *reason = json_string_value(json_object_get(reply->message, "reason"));
    enum sq_cause cause = SQ_CAUSE_SIGNALING;
    reason = reason ? reason : "no reason told";
    if (strstr(reason, "ICE")) {
        cause = SQ_CAUSE_ICE;
    } else if (strstr(reason, "DTLS")) {
        cause = SQ_CAUSE_DTLS;
    }
    if (handle->peer && sq_peer_times(handle->peer)->dtls_connected) {
        cause = SQ_CAUSE_MEDIA_LOST;
    }
    sq_session_fail(&j->s, cause, "Janus hung up the peer connection (%s): %.150s", handle->label,
                    reason);
}

static void on_plugin_event(struct sq_signal *j, struct janus_handle *handle,
                            const struct janus_reply *reply)
{
    if (j->plugin == JANUS_ECHOTEST) {
        if (reply->code) {
            janus_refused(j, "echotest", reply);
        }
    } else if (handle == &j->sub) {
        janus_sub_event(j, reply);
    } else {
        janus_room_event(j, reply);
    }
}

void janus_unasked(struct sq_signal *j, struct janus_handle *handle, const char *kind,
                   const struct janus_reply *reply)
{
    if (sq_session_is_done(&j->s)) {
        return;
    }
    if (strcmp(kind, "timeout") == 0) {
        sq_session_fail(&j->s, SQ_CAUSE_SIGNALING,
                        "Janus dropped the session: it heard no keep-alive");
    } else if (!handle) {
        sq_session_note(&j->s, "janus: '%.40s' for no handle of ours", kind);
    } else if (strcmp(kind, "event") == 0) {
        on_plugin_event(j, handle, reply);
    } else if (strcmp(kind, "trickle") == 0) {
        janus_remote_candidates(j, handle, reply->message);
    } else if (strcmp(kind, "hangup") == 0) {
        on_hangup(j, handle, reply);
    } else if (strcmp(kind, "detached") == 0) {
        sq_session_fail(&j->s, SQ_CAUSE_SIGNALING, "Janus detached the handle (%s)", handle->label);
    } else {
        sq_session_note(&j->s, "janus: %s %.40s", handle->label, kind);
    }
}

/* ---- Time ---- */

static void on_timer(void *ctx, uint64_t now_ns)
{
    struct sq_signal *j = ctx;
    if (j->s.leaving) {
        if (now_ns >= j->bye_ns) {
            sq_ws_free(j->ws);
            j->ws = NULL;
            sq_session_left(&j->s);
            return;
        }
    } else {
        if (now_ns >= j->keepalive_ns) {
            j->keepalive_ns = now_ns + JANUS_KEEPALIVE_NS;
            if (j->session) {
                janus_send(j, NULL, "keepalive", json_object(), false, NULL);
            }
        }
        janus_check_pending(j, now_ns);
    }
    if (!j->s.over) {
        janus_arm(j);
    }
}

/* ---- WebSocket ---- */

static void on_open(void *ctx)
{
    struct sq_signal *j = ctx;
    struct sq_stream_times times;
    uint64_t upgrade_ns;
    sq_ws_get_times(j->ws, &times, &upgrade_ns);
    j->s.asked_ns = sq_clock_ns() - upgrade_ns;
    sq_session_phases(&j->s, times.dns_ns, times.connect_ns, times.tls_ns);
    j->keepalive_ns = sq_loop_now(j->s.host->loop) + JANUS_KEEPALIVE_NS;
    janus_send(j, NULL, "create", json_object(), false, on_created);
}

static void on_message(void *ctx, const char *text, size_t len, bool is_text)
{
    struct sq_signal *j = ctx;
    (void)is_text;
    if (!j->s.over) {
        janus_read(j, text, len);
    }
}

static enum sq_cause end_cause(const struct sq_ws_end *e)
{
    if (!e->was_open && (e->http_status == 401 || e->http_status == 403)) {
        return SQ_CAUSE_AUTH;
    }
    return sq_session_net_cause(e->err, e->during);
}

static void on_end(void *ctx, const struct sq_ws_end *e)
{
    struct sq_signal *j = ctx;
    sq_ws_free(j->ws);
    j->ws = NULL;
    sq_timer_stop(&j->timer);
    if (j->s.leaving) {
        sq_session_left(&j->s);
    } else if (e->was_open && e->err == 0) {
        sq_session_fail(
            &j->s, SQ_CAUSE_SIGNALING,
            "%.60s: Janus closed the WebSocket in the middle of the session (code %u%s%.80s)",
            j->target->inner, e->code, e->reason[0] ? ": " : "", e->reason);
    } else if (e->http_status) {
        sq_session_fail(&j->s, end_cause(e), "%.60s: %.110s%s%.80s", j->target->inner, e->text,
                        e->body[0] ? ": " : "", e->body);
    } else {
        sq_session_fail(&j->s, end_cause(e), "%.60s: %.190s", j->target->inner, e->text);
    }
}

static const struct sq_ws_events ws_events = {
    .on_open = on_open, .on_message = on_message, .on_end = on_end};

/* ---- Adapter ---- */

static int check(const struct sq_target *target, char why[SQ_PEER_TEXT_MAX])
{
    const char *plugin = sq_target_param(target, "plugin");
    if (!plugin) {
        snprintf(why, SQ_PEER_TEXT_MAX,
                 "the plug-in is missing: expected ?plugin=echotest or ?plugin=videoroom");
        return SQ_ERR_INVALID;
    }
    if (strcmp(plugin, "echotest") == 0) {
        return 0;
    }
    if (strcmp(plugin, "videoroom") == 0) {
        return janus_room_check(target, why);
    }
    snprintf(why, SQ_PEER_TEXT_MAX,
             "the Janus plug-in '%.60s' is not supported: expected echotest or videoroom", plugin);
    return SQ_ERR_UNSUPPORTED;
}

static void destroy(struct sq_signal *j)
{
    if (j) {
        sq_timer_stop(&j->timer);
        sq_ws_free(j->ws);
        janus_handle_free(&j->main);
        janus_handle_free(&j->sub);
        janus_sub_free(j);
        json_decref(j->room);
        sq_free(j);
    }
}

static int connect_ws(struct sq_signal *j)
{
    const struct sq_signal_user *user = j->s.user;
    const struct sq_ws_options options = {
        .url = j->target->inner,
        .subprotocol = "janus-protocol",
        .tls = {.insecure = user->insecure, .ca_file = user->ca_file},
        .timeout_ns = user->timeout_ns,
        .message_max_bytes = JANUS_MESSAGE_MAX,
        .link = user->link,
    };
    return sq_ws_connect(j->s.host->loop, &options, &ws_events, j, &j->ws);
}

static int open_janus(const struct sq_target *target, const struct sq_signal_user *user,
                      const struct sq_signal_host *host, void *host_ctx,
                      struct sq_signal **ret_signal)
{
    const char *plugin = sq_target_param(target, "plugin");
    struct sq_signal *j = sq_zalloc(sizeof(*j));
    if (!j) {
        return SQ_ERR_NOMEM;
    }
    sq_session_init(&j->s, user, host, host_ctx);
    sq_timer_init(&j->timer, on_timer, j);
    j->target = target;
    j->plugin = plugin && strcmp(plugin, "videoroom") == 0 ? JANUS_VIDEOROOM : JANUS_ECHOTEST;
    j->main.label = j->plugin == JANUS_VIDEOROOM ? "pub" : "echo";
    j->sub.label = "sub";
    int err = connect_ws(j);
    if (err) {
        destroy(j);
        return err;
    }
    *ret_signal = j;
    return 0;
}

static void on_destroyed(struct sq_signal *j, struct janus_handle *handle,
                         const struct janus_reply *reply)
{
    (void)handle;
    (void)reply; /* a session that Janus does not know any more is as good as destroyed */
    j->closing = true;
    sq_ws_close(j->ws, 1000, NULL);
}

/* Only then: Janus serves requests to a plug-in in another thread than those to the session. */
static void on_said_goodbye(struct sq_signal *j, struct janus_handle *handle,
                            const struct janus_reply *reply)
{
    (void)handle;
    (void)reply;
    janus_send(j, NULL, "destroy", json_object(), false, on_destroyed);
}

static void leave(struct sq_signal *j)
{
    if (sq_session_is_done(&j->s)) {
        return;
    }
    uint64_t timeout_ns = j->s.user->timeout_ns ? j->s.user->timeout_ns : JANUS_BYE_TIMEOUT_NS;
    j->s.leaving = true;
    j->main.peer = NULL;
    j->sub.peer = NULL;
    j->bye_ns = sq_loop_now(j->s.host->loop) + sq_min_u64(timeout_ns, JANUS_BYE_TIMEOUT_NS);
    if (!j->session) {
        sq_ws_free(j->ws);
        j->ws = NULL;
        sq_session_left(&j->s);
        return;
    }
    if (j->in_room) {
        janus_request(j, &j->main, "leave", json_object(), NULL, on_said_goodbye);
    } else if (j->main.id && j->plugin == JANUS_ECHOTEST) {
        janus_send(j, &j->main, "hangup", json_object(), false, on_said_goodbye);
    } else {
        janus_send(j, NULL, "destroy", json_object(), false, on_destroyed);
    }
    if (!j->s.over) {
        janus_arm(j);
    }
}

static int restart_ice(struct sq_signal *j)
{
    if (!j->s.joined || sq_session_is_done(&j->s) || j->main.offering || j->sub_busy) {
        return SQ_ERR_STATE;
    }
    if (j->plugin == JANUS_ECHOTEST) {
        janus_echo_restart(j);
    } else {
        janus_room_restart(j);
    }
    return 0;
}

const struct sq_signal_ops sq_signal_janus = {
    .name = "janus",
    .schemes = (const char *const[]){"janus+ws", "janus+wss", NULL},
    .check = check,
    .open = open_janus,
    .peer_event = janus_peer_event,
    .leave = leave,
    .destroy = destroy,
    .restart_ice = restart_ice,
};
