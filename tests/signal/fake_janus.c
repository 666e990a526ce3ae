#include "signal/fake_janus.h"

#include "base/mem.h"
#include "signal/host.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *text_of(json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

/* What cannot be done for want of memory: true, or the test fails. */
static bool give_up(struct fake_janus *f)
{
    assert_true(f->lenient);
    if (f->ws) {
        sq_ws_close(f->ws, 1011, "no memory");
    }
    return true;
}

void fake_tell(struct fake_janus *f, const char *text)
{
    if (!f->ws || sq_ws_send_text(f->ws, text, strlen(text)) != 0) {
        (void)give_up(f);
    }
}

static void tell_json(struct fake_janus *f, json_t *message)
{
    assert_non_null(message);
    char *text = json_dumps(message, JSON_COMPACT);
    fake_tell(f, text);
    free(text);
    json_decref(message);
}

unsigned fake_count(const struct fake_janus *f, const char *name)
{
    unsigned n = 0;
    for (size_t i = 0; i < f->seen_len; i++) {
        n += strcmp(f->seen[i], name) == 0;
    }
    return n;
}

json_t *fake_last(const struct fake_janus *f, const char *name)
{
    for (size_t i = f->seen_len; i-- > 0;) {
        if (strcmp(f->seen[i], name) == 0) {
            return f->bodies[i];
        }
    }
    return NULL;
}

/* ---- Faults ---- */

/* True: the fault answered. */
static bool fault(struct fake_janus *f, const char *name, const char *transaction)
{
    if (!f->fault_on || strcmp(f->fault_on, name) != 0) {
        return false;
    }
    const char *reply = f->fault_reply;
    if (f->fault_once) {
        f->fault_on = NULL;
    }
    if (strcmp(reply, FAKE_CLOSE) == 0) {
        sq_ws_close(f->ws, 1001, "going away");
    } else if (strcmp(reply, FAKE_SILENCE) != 0) {
        char text[1024];
        const char *mark = strstr(reply, "%T");
        if (mark) {
            snprintf(text, sizeof(text), "%.*s%s%s", (int)(mark - reply), reply, transaction,
                     mark + 2);
        } else {
            snprintf(text, sizeof(text), "%s", reply);
        }
        fake_tell(f, text);
    }
    return true;
}

/* ---- Plug-ins ---- */

static void event(struct fake_janus *f, json_t *request, json_t *data, const char *type,
                  const char *sdp)
{
    json_t *message =
        json_pack("{sssssOs{so}}", "janus", "event", "transaction", text_of(request, "transaction"),
                  "sender", json_object_get(request, "handle_id"), "plugindata", "data", data);
    if (sdp) {
        assert_int_equal(
            json_object_set_new(message, "jsep", json_pack("{ssss}", "type", type, "sdp", sdp)), 0);
    }
    tell_json(f, message);
}

/* Cuts the candidates out of an answer and sends them by themselves. */
static void tell_candidates(struct fake_janus *f, json_t *request, char *sdp)
{
    char *to = sdp;
    for (char *line = sdp; *line;) {
        size_t len = strcspn(line, "\n") + 1;
        if (strncmp(line, "a=candidate:", 12) == 0) {
            line[len - 2] = '\0';
            tell_json(f, json_pack("{sssOs{sssssi}}", "janus", "trickle", "sender",
                                   json_object_get(request, "handle_id"), "candidate", "candidate",
                                   line + 2, "sdpMid", "0", "sdpMLineIndex", 0));
        } else if (strncmp(line, "a=end-of-candidates", 19) != 0) {
            memmove(to, line, len);
            to += len;
        }
        line += len;
    }
    *to = '\0';
    tell_json(f, json_pack("{sssOs{sb}}", "janus", "trickle", "sender",
                           json_object_get(request, "handle_id"), "candidate", "completed", 1));
}

static void answer_offer(struct fake_janus *f, json_t *request, json_t *data)
{
    json_t *jsep = json_object_get(request, "jsep");
    assert_string_equal(text_of(jsep, "type"), "offer");
    if (!f->far) {
        f->far = sig_far_new();
    }
    char *answer = f->far ? sig_far_answer(f->far, text_of(jsep, "sdp")) : NULL;
    if (!answer && give_up(f)) {
        json_decref(data);
        return;
    }
    if (f->trickle_first) {
        tell_candidates(f, request, answer);
    }
    event(f, request, data, "answer", answer);
    sq_free(answer);
}

/* Offers audio and video the first time, and a further audio each time after that. */
static void offer(struct fake_janus *f, json_t *request, const char *what, bool restart)
{
    char why[SQ_PEER_TEXT_MAX] = "";
    char *sdp = NULL;
    bool first = !f->sub_far;
    if (first) {
        f->sub_far = sig_far_new();
    }
    int err = f->sub_far ? 0 : SQ_ERR_NOMEM;
    err = err || !f->data ? err : sq_peer_want_data(sq_endpoint_peer(f->sub_far));
    for (int kind = SQ_MEDIA_AUDIO;
         !err && !restart && kind <= (first ? SQ_MEDIA_VIDEO : SQ_MEDIA_AUDIO); kind++) {
        err = sq_peer_add_track(sq_endpoint_peer(f->sub_far), (enum sq_media_kind)kind,
                                SQ_DIR_SENDONLY, sig_clip(), NULL);
    }
    /* SQ_ERR_STATE: the client sent a request while our offer had no answer. */
    err = err ? err
              : sq_peer_create_offer(sq_endpoint_peer(f->sub_far), sq_loop_now(sig_loop()), restart,
                                     &sdp, why);
    if (err && give_up(f)) {
        return;
    }
    f->sub_offers++;
    if (f->trickle_first) {
        tell_candidates(f, request, sdp);
    }
    event(f, request, json_pack("{ssss}", "videoroom", what, "room", "x"), "offer", sdp);
    sq_free(sdp);
}

static void take_start(struct fake_janus *f, json_t *request)
{
    char why[SQ_PEER_TEXT_MAX] = "";
    json_t *jsep = json_object_get(request, "jsep");
    assert_string_equal(text_of(jsep, "type"), "answer");
    if (sq_peer_set_remote(sq_endpoint_peer(f->sub_far), sq_loop_now(sig_loop()), SQ_SDP_ANSWER,
                           text_of(jsep, "sdp"), why) != 0 &&
        give_up(f)) {
        return;
    }
    f->sub_answers++;
    event(f, request, json_pack("{ssss}", "videoroom", "event", "started", "ok"), NULL, NULL);
}

static void plugin_error(struct fake_janus *f, json_t *request, int code, const char *text)
{
    event(f, request,
          json_pack("{sssiss}", "videoroom", "event", "error_code", code, "error", text), NULL,
          NULL);
}

static void join(struct fake_janus *f, json_t *request)
{
    json_t *body = json_object_get(request, "body");
    json_t *room = json_object_get(body, "room");
    if (f->string_ids != (bool)json_is_string(room)) {
        plugin_error(f, request, 430, "Invalid element type (room should be a positive integer)");
    } else if (f->room_missing) {
        plugin_error(f, request, 426, "No such room (1234)");
    } else if (strcmp(text_of(body, "ptype"), "subscriber") == 0) {
        offer(f, request, "attached", false);
    } else {
        json_t *list = json_loads(f->publishers ? f->publishers : "[]", 0, NULL);
        assert_non_null(list);
        event(f, request,
              json_pack("{sssisiso}", "videoroom", "joined", "id", 5, "private_id", 99,
                        "publishers", list),
              NULL, NULL);
    }
}

static void on_body(struct fake_janus *f, json_t *request, const char *name)
{
    if (strcmp(name, "echotest") == 0) {
        answer_offer(f, request, json_pack("{ssss}", "echotest", "event", "result", "ok"));
    } else if (strcmp(name, "join") == 0) {
        join(f, request);
    } else if (strcmp(name, "configure") == 0 &&
               json_is_true(json_object_get(json_object_get(request, "body"), "restart"))) {
        offer(f, request, "event", true);
    } else if (strcmp(name, "configure") == 0) {
        answer_offer(f, request, json_pack("{ssss}", "videoroom", "event", "configured", "ok"));
    } else if (strcmp(name, "start") == 0) {
        take_start(f, request);
    } else if (strcmp(name, "subscribe") == 0) {
        offer(f, request, "updated", false);
    } else if (strcmp(name, "unsubscribe") == 0) {
        event(f, request, json_pack("{ssss}", "videoroom", "updated", "room", "x"), NULL, NULL);
    } else if (strcmp(name, "create-room") == 0) {
        f->room_missing = false;
        tell_json(f, json_pack("{sssssOs{s{ss}}}", "janus", "success", "transaction",
                               text_of(request, "transaction"), "sender",
                               json_object_get(request, "handle_id"), "plugindata", "data",
                               "videoroom", "created"));
    } else if (strcmp(name, "leave") == 0) {
        event(f, request, json_pack("{ssss}", "videoroom", "event", "leaving", "ok"), NULL, NULL);
    } else {
        fail_msg("a request that Janus does not know: %s", name);
    }
}

/* ---- Janus ---- */

static const char *name_of(json_t *request)
{
    json_t *body = json_object_get(request, "body");
    const char *name = text_of(request, "janus");
    if (strcmp(name, "message") == 0) {
        name = text_of(body, "request");
        name = name[0] ? name : "echotest";
        return strcmp(name, "create") == 0 ? "create-room" : name;
    }
    return name;
}

static void reply(struct fake_janus *f, json_t *request, const char *kind, int id)
{
    json_t *message =
        json_pack("{ssss}", "janus", kind, "transaction", text_of(request, "transaction"));
    if (id) {
        assert_int_equal(json_object_set_new(message, "data", json_pack("{si}", "id", id)), 0);
    }
    tell_json(f, message);
}

static void on_message(void *ctx, const char *text, size_t len, bool is_text)
{
    struct fake_janus *f = ctx;
    json_t *request = json_loadb(text, len, 0, NULL);
    assert_true(is_text);
    assert_non_null(request);
    const char *kind = text_of(request, "janus");
    const char *name = name_of(request);
    assert_true(f->seen_len < FAKE_SEEN_MAX);
    snprintf(f->seen[f->seen_len], sizeof(f->seen[0]), "%s", name);
    f->bodies[f->seen_len++] = request;
    if (strcmp(kind, "create") != 0) {
        assert_int_equal(json_integer_value(json_object_get(request, "session_id")), 11);
    }
    if (fault(f, name, text_of(request, "transaction"))) {
        return;
    }
    if (strcmp(kind, "create") == 0) {
        reply(f, request, "success", 11);
    } else if (strcmp(kind, "attach") == 0) {
        reply(f, request, "success", (int)(21 + f->handles++));
    } else if (strcmp(kind, "destroy") == 0) {
        reply(f, request, "success", 0);
    } else {
        reply(f, request, "ack", 0);
        if (strcmp(kind, "message") == 0) {
            on_body(f, request, name);
        }
    }
}

static void on_end(void *ctx, const struct sq_ws_end *end)
{
    struct fake_janus *f = ctx;
    (void)end;
    f->ended = true;
    sq_ws_free(f->ws);
    f->ws = NULL;
}

static void on_ws(void *ctx, struct sq_ws *ws)
{
    static const struct sq_ws_events events = {.on_message = on_message, .on_end = on_end};
    struct fake_janus *f = ctx;
    if (!ws && give_up(f)) {
        return;
    }
    f->ws = ws;
    sq_ws_set_events(ws, &events, f);
}

static void on_request(void *ctx, struct sq_httpd_request *request)
{
    struct fake_janus *f = ctx;
    if (f->refuse_upgrade) {
        assert_int_equal(sq_httpd_reply(request, 403, NULL, "not for you", 11), 0);
        return;
    }
    assert_string_equal(sq_httpd_header(request, "Sec-WebSocket-Protocol"), "janus-protocol");
    int err =
        sq_httpd_upgrade(request, f->no_subprotocol ? NULL : "janus-protocol", NULL, on_ws, f);
    assert_true(err == 0 || f->lenient);
}

void fake_start(struct fake_janus *f)
{
    struct sq_httpd_options options = {0};
    memset(f, 0, sizeof(*f));
    assert_int_equal(sq_addr_parse("127.0.0.1", 0, &options.listen), 0);
    assert_int_equal(sq_httpd_new(sig_loop(), &options, on_request, f, &f->httpd), 0);
    struct sq_addr local = sq_httpd_local(f->httpd);
    snprintf(f->url, sizeof(f->url), "janus+ws://127.0.0.1:%u/janus", sq_addr_port(&local));
}

void fake_stop(struct fake_janus *f)
{
    sq_ws_free(f->ws);
    sq_httpd_free(f->httpd);
    sq_endpoint_close(f->far);
    sq_endpoint_close(f->sub_far);
    for (size_t i = 0; i < f->seen_len; i++) {
        json_decref(f->bodies[i]);
    }
    assert_int_equal(sq_loop_run_once(sig_loop(), 0), 0);
}
