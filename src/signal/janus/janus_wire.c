/* Janus' messages: JSON out and in, transactions and their time-outs. */
#include "signal/janus/janus_int.h"

#include "base/mem.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRANSACTION_PREFIX "sq"

void janus_no_memory(struct sq_signal *j)
{
    sq_session_fail(&j->s, SQ_CAUSE_EXHAUSTED, "no memory");
}

/* ---- Out ---- */

static struct janus_pending *find_pending(struct sq_signal *j, uint64_t number)
{
    for (size_t i = 0; i < JANUS_PENDING_MAX; i++) {
        if (j->pending[i].number == number) {
            return &j->pending[i];
        }
    }
    return NULL;
}

static int add_envelope(struct sq_signal *j, struct janus_handle *handle, const char *what,
                        uint64_t number, json_t *message)
{
    char transaction[32];
    const char *api_secret = sq_target_param(j->target, "apisecret");
    const char *token = j->s.user->token ? j->s.user->token : sq_target_param(j->target, "token");
    snprintf(transaction, sizeof(transaction), TRANSACTION_PREFIX "%llu",
             (unsigned long long)number);
    int bad = json_object_set_new(message, "janus", json_string(what));
    bad |= json_object_set_new(message, "transaction", json_string(transaction));
    if (j->session) {
        bad |= json_object_set_new(message, "session_id", json_integer(j->session));
    }
    if (handle && handle->id) {
        bad |= json_object_set_new(message, "handle_id", json_integer(handle->id));
    }
    if (api_secret) {
        bad |= json_object_set_new(message, "apisecret", json_string(api_secret));
    }
    if (token) {
        bad |= json_object_set_new(message, "token", json_string(token));
    }
    return bad ? SQ_ERR_NOMEM : 0;
}

void janus_send(struct sq_signal *j, struct janus_handle *handle, const char *what, json_t *message,
                bool wants_event, janus_reply_fn fn)
{
    struct janus_pending *pending = find_pending(j, 0);
    uint64_t number = ++j->next_number;
    if (j->s.over || !j->ws || j->closing) {
        json_decref(message);
        return;
    }
    int err = message ? 0 : SQ_ERR_NOMEM;
    err = err ? err : add_envelope(j, handle, what, number, message);
    char *text = err ? NULL : json_dumps(message, JSON_COMPACT);
    json_decref(message);
    if (!text) {
        janus_no_memory(j);
        return;
    }
    if (!pending) {
        err = SQ_ERR_NOSPACE;
    } else {
        err = sq_ws_send_text(j->ws, text, strlen(text));
    }
    free(text);
    if (err) {
        sq_session_fail(&j->s, SQ_CAUSE_SIGNALING, "Janus: '%s' could not be sent: %s", what,
                        pending ? sq_err_name(err) : "too many requests without an answer");
        return;
    }
    *pending = (struct janus_pending){
        .number = number,
        .due_ns = sq_loop_now(j->s.host->loop) + j->s.user->timeout_ns,
        .what = what,
        .handle = handle,
        .fn = fn,
        .wants_event = wants_event,
    };
    janus_arm(j);
}

void janus_request(struct sq_signal *j, struct janus_handle *handle, const char *what, json_t *body,
                   const char *type, janus_reply_fn fn)
{
    json_t *message = body ? json_object() : NULL;
    int bad = message ? json_object_set(message, "body", body) : -1;
    if (!bad && what) {
        bad = json_object_set_new(body, "request", json_string(what));
    }
    if (!bad && type) {
        /* Without "trickle": false Janus waits for candidates. */
        json_t *jsep = json_pack("{ssss}", "type", type, "sdp", handle->local);
        bad = jsep && handle->end_told ? json_object_set_new(jsep, "trickle", json_false()) : 0;
        if (j->s.user->simulcast) { /* Janus takes the first rid for the highest layer otherwise */
            bad |= json_object_set_new(jsep, "rid_order", json_string("lmh"));
        }
        bad |= json_object_set_new(message, "jsep", jsep);
    }
    json_decref(body);
    if (bad) {
        json_decref(message);
        message = NULL;
    }
    janus_send(j, handle, "message", message, true, fn);
}

/* ---- Refusals ---- */

static enum sq_cause refusal_cause(const struct janus_reply *reply)
{
    if (!reply->plugin_error) {
        return reply->code == JANUS_ERROR_UNAUTHORIZED ||
                       reply->code == JANUS_ERROR_UNAUTHORIZED_PLUGIN
                   ? SQ_CAUSE_AUTH
                   : SQ_CAUSE_SIGNALING;
    }
    bool pin_missing =
        reply->code == ROOM_ERROR_MISSING_ELEMENT && strstr(reply->error, "(pin)") != NULL;
    return reply->code == ROOM_ERROR_UNAUTHORIZED || pin_missing ? SQ_CAUSE_AUTH
                                                                 : SQ_CAUSE_SIGNALING;
}

static const char *refusal_hint(const struct janus_reply *reply)
{
    if (!reply->plugin_error) {
        switch (reply->code) {
        case JANUS_ERROR_UNAUTHORIZED:
            return "; a token (--token) or apisecret=… is wanted, or wrong";
        case JANUS_ERROR_SESSION_NOT_FOUND:
            return "; Janus has dropped the session";
        default:
            return "";
        }
    }
    switch (reply->code) {
    case ROOM_ERROR_NO_SUCH_ROOM:
        return "; create=1 makes the room";
    case ROOM_ERROR_INVALID_ELEMENT:
        return strstr(reply->error, "room") ? "; this Janus numbers its rooms: room=NUMBER" : "";
    default:
        return "";
    }
}

void janus_refused(struct sq_signal *j, const char *what, const struct janus_reply *reply)
{
    sq_session_fail(&j->s, refusal_cause(reply), "%s refused '%s': %lld %.120s%s",
                    reply->plugin_error ? "Janus' plug-in" : "Janus", what, (long long)reply->code,
                    reply->error[0] ? reply->error : "without a reason", refusal_hint(reply));
}

/* ---- In ---- */

static const char *text_of(json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static struct janus_reply read_reply(json_t *message)
{
    struct janus_reply r = {.message = message, .error = ""};
    json_t *error = json_object_get(message, "error");
    json_t *jsep = json_object_get(message, "jsep");
    r.data = json_object_get(json_object_get(message, "plugindata"), "data");
    r.sdp = json_string_value(json_object_get(jsep, "sdp"));
    r.is_offer = strcmp(text_of(jsep, "type"), "offer") == 0;
    if (strcmp(text_of(message, "janus"), "error") == 0) {
        r.code = json_integer_value(json_object_get(error, "code"));
        r.code = r.code ? r.code : -1;
        r.error = text_of(error, "reason");
    } else if (json_object_get(r.data, "error_code") || json_object_get(r.data, "error")) {
        r.plugin_error = true;
        r.code = json_integer_value(json_object_get(r.data, "error_code"));
        r.code = r.code ? r.code : -1;
        r.error = text_of(r.data, "error");
    }
    return r;
}

static void complete(struct sq_signal *j, struct janus_pending *pending,
                     const struct janus_reply *reply)
{
    struct janus_pending p = *pending;
    memset(pending, 0, sizeof(*pending));
    if (p.fn) {
        p.fn(j, p.handle, reply);
    } else if (reply->code && !j->s.leaving) {
        janus_refused(j, p.what, reply);
    }
}

static struct janus_pending *pending_of(struct sq_signal *j, json_t *message)
{
    const char *transaction = text_of(message, "transaction");
    size_t prefix = strlen(TRANSACTION_PREFIX);
    uint64_t number = 0;
    if (strncmp(transaction, TRANSACTION_PREFIX, prefix) != 0 ||
        sq_view_u64(sq_view_of(transaction + prefix), UINT64_MAX, &number) || number == 0) {
        return NULL;
    }
    return find_pending(j, number);
}

static struct janus_handle *handle_of(struct sq_signal *j, json_t *message)
{
    int64_t sender = json_integer_value(json_object_get(message, "sender"));
    return sender == 0            ? NULL
           : sender == j->main.id ? &j->main
           : sender == j->sub.id  ? &j->sub
                                  : NULL;
}

static void dispatch(struct sq_signal *j, json_t *message)
{
    const char *kind = text_of(message, "janus");
    struct janus_pending *pending = pending_of(j, message);
    struct janus_reply reply = read_reply(message);
    bool ack = strcmp(kind, "ack") == 0;
    if (kind[0] == '\0') {
        sq_session_fail(&j->s, SQ_CAUSE_PROTOCOL, "Janus sent a message without \"janus\"");
    } else if (ack && pending && pending->wants_event) {
        return; /* the plug-in works on it */
    } else if (pending &&
               (ack || strcmp(kind, "success") == 0 || strcmp(kind, "event") == 0 || reply.code)) {
        complete(j, pending, &reply);
    } else if (strcmp(kind, "error") == 0 && !j->s.leaving) {
        janus_refused(j, "a message", &reply);
    } else if (!ack && strcmp(kind, "success") != 0) {
        janus_unasked(j, handle_of(j, message), kind, &reply);
    }
}

void janus_read(struct sq_signal *j, const char *text, size_t len)
{
    json_error_t error = {.text = ""};
    /* Without memory jansson (2.14) blames the text, and reads past the end of a string. */
    json_t *message = sq_mem_is_short() ? NULL : json_loadb(text, len, 0, &error);
    if (!message && !error.text[0]) {
        janus_no_memory(j);
    } else if (!json_is_object(message)) {
        sq_session_fail(&j->s, SQ_CAUSE_PROTOCOL,
                        "Janus sent what is not a JSON object (%.60s, at byte %d): '%.60s'",
                        message ? "another type" : error.text, message ? 0 : error.position, text);
    } else {
        dispatch(j, message);
    }
    json_decref(message);
    if (!j->s.over) {
        janus_arm(j);
    }
}

/* ---- Time-outs ---- */

void janus_check_pending(struct sq_signal *j, uint64_t now_ns)
{
    for (size_t i = 0; i < JANUS_PENDING_MAX && !sq_session_is_done(&j->s); i++) {
        struct janus_pending *p = &j->pending[i];
        if (p->number && p->due_ns <= now_ns) {
            char took[32];
            sq_session_fail(&j->s, SQ_CAUSE_TIMEOUT, "Janus did not answer '%s' within %s", p->what,
                            sq_format_duration(j->s.user->timeout_ns, took));
        }
    }
}

void janus_arm(struct sq_signal *j)
{
    uint64_t at_ns = j->s.leaving ? j->bye_ns : j->keepalive_ns;
    for (size_t i = 0; i < JANUS_PENDING_MAX && !j->s.leaving; i++) {
        if (j->pending[i].number) {
            at_ns = sq_min_u64(at_ns, j->pending[i].due_ns);
        }
    }
    sq_timer_start(sq_loop_timers(j->s.host->loop), &j->timer, at_ns);
}
