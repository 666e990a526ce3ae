/* What tests of scripts have in common. */
#include "signal/lua_rig.h"

#include "base/mem.h"
#include "net/httpd.h"
#include "net/until.h"
#include "net/ws.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- A run ---- */

struct lr_run lr_run;

static int fake_set(void *ctx, bool whole_test, const char *name, const char *value)
{
    struct sig_host *h = ctx;
    assert_true(lr_run.n < LR_VALUES_MAX);
    snprintf(lr_run.names[lr_run.n], 32, "%s%.28s", whole_test ? "*" : "", name);
    snprintf(lr_run.texts[lr_run.n++], sizeof(lr_run.texts[0]), "%s", value);
    if (lr_run.watched) {
        h->ops->woken(h->signal);
    }
    return 0;
}

static int fake_get(void *ctx, bool whole_test, const char *name, char **ret_value)
{
    (void)ctx;
    char key[32];
    snprintf(key, sizeof(key), "%s%.28s", whole_test ? "*" : "", name);
    for (size_t i = lr_run.n; i > 0; i--) {
        if (strcmp(lr_run.names[i - 1], key) == 0) {
            *ret_value = sq_strdup(lr_run.texts[i - 1]);
            return *ret_value ? 0 : SQ_ERR_NOMEM;
        }
    }
    return SQ_ERR_NOTFOUND;
}

static int fake_watch(void *ctx, bool on)
{
    (void)ctx;
    lr_run.watched = on;
    return 0;
}

static int fake_column(void *ctx, const char *name, char **ret_value)
{
    (void)ctx;
    *ret_value = strcmp(name, "stream") == 0 ? sq_strdup("stream-7") : NULL;
    return *ret_value ? 0 : SQ_ERR_NOTFOUND;
}

static bool fake_time(void *ctx, const char *name, uint64_t took_ns)
{
    (void)ctx;
    lr_run.took_ns = took_ns;
    return strcmp(name, "sign-in") == 0;
}

static bool fake_count(void *ctx, const char *name, uint64_t add)
{
    (void)ctx;
    lr_run.counted += add;
    return strcmp(name, "seen") == 0;
}

static void fake_event(void *ctx, const char *name)
{
    (void)ctx;
    snprintf(lr_run.event, sizeof(lr_run.event), "%s", name);
}

static const struct sq_signal_run fake_run = {
    .set = fake_set,
    .get = fake_get,
    .watch = fake_watch,
    .column = fake_column,
    .time = fake_time,
    .count = fake_count,
    .event = fake_event,
};

/* ---- A server ---- */

struct lr_server lr_server;

static void on_ws_message(void *ctx, const char *text, size_t len, bool is_text)
{
    (void)ctx;
    int err = 0;
    if (len == 3 && memcmp(text, "bye", 3) == 0) {
        sq_ws_close(lr_server.ws, 4001, "as asked");
    } else if (len == 5 && memcmp(text, "flood", 5) == 0) {
        static char big[1024 * 1000];
        for (int i = 0; i < 3; i++) {
            err = err ? err : sq_ws_send_binary(lr_server.ws, big, sizeof(big));
        }
    } else {
        err = is_text ? sq_ws_send_text(lr_server.ws, text, len)
                      : sq_ws_send_binary(lr_server.ws, text, len);
    }
    assert_true(err == 0 || lr_server.lenient);
}

static void on_ws_end(void *ctx, const struct sq_ws_end *end)
{
    (void)ctx;
    lr_server.close_code = end->code;
    snprintf(lr_server.close_reason, sizeof(lr_server.close_reason), "%s", end->reason);
    sq_ws_free(lr_server.ws);
    lr_server.ws = NULL;
}

static void on_ws(void *ctx, struct sq_ws *ws)
{
    static const struct sq_ws_events events = {.on_message = on_ws_message, .on_end = on_ws_end};
    (void)ctx;
    if (!ws) {
        assert_true(lr_server.lenient);
        return;
    }
    sq_ws_free(lr_server.ws);
    lr_server.ws = ws;
    sq_ws_set_events(ws, &events, NULL);
}

static void reply(struct sq_httpd_request *r, int status, const char *header, const char *body)
{
    const char *const headers[] = {header, NULL};
    int err = sq_httpd_reply(r, status, header ? headers : NULL, body, strlen(body));
    assert_true(err == 0 || lr_server.lenient);
}

static void on_offer(struct sq_httpd_request *r)
{
    size_t len;
    const char *body = sq_httpd_body(r, &len);
    char *offer = strndup(body ? body : "", len);
    lr_server.far = lr_server.far ? lr_server.far : sig_far_new();
    char *answer = lr_server.far ? sig_far_answer(lr_server.far, offer) : NULL;
    assert_true(answer || lr_server.lenient);
    reply(r, answer ? 201 : 500, "Location: /session/1", answer ? answer : "");
    free(offer);
    sq_free(answer);
}

static void on_request(void *ctx, struct sq_httpd_request *r)
{
    (void)ctx;
    const char *path = sq_httpd_path(r);
    const char *authorization = sq_httpd_header(r, "Authorization");
    lr_server.requests++;
    if (authorization) {
        snprintf(lr_server.authorization, sizeof(lr_server.authorization), "%s", authorization);
    }
    if (sq_httpd_is_upgrade(r)) {
        const char *header = sq_httpd_header(r, "X-Key");
        const char *protocol = sq_httpd_header(r, "Sec-WebSocket-Protocol");
        snprintf(lr_server.header, sizeof(lr_server.header), "%s", header ? header : "");
        if (strcmp(path, "/forbidden") == 0) {
            reply(r, 403, NULL, "not for you");
            return;
        }
        int err = sq_httpd_upgrade(r, protocol, NULL, on_ws, NULL);
        assert_true(err == 0 || lr_server.lenient);
    } else if (strcmp(path, "/offer") == 0) {
        on_offer(r);
    } else if (strcmp(sq_httpd_method(r), "DELETE") == 0) {
        snprintf(lr_server.deleted, sizeof(lr_server.deleted), "%s", path);
        reply(r, 200, NULL, "");
    } else if (strcmp(path, "/silent") == 0) {
        return;
    } else {
        size_t len;
        const char *body = sq_httpd_body(r, &len);
        char text[128];
        snprintf(text, sizeof(text), "%s %.*s", sq_httpd_method(r), (int)len, body ? body : "");
        reply(r, 207, "X-Two: a b", text);
    }
}

/* ---- Use ---- */

struct sig_host lr_host;
struct sq_lua_script *lr_script;
static char folder[] = "/tmp/squall-lua-XXXXXX";

void lr_write_file(const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

int lr_load(const char *text, char why[static 512])
{
    char path[128];
    lr_write_file("room.lua", text);
    snprintf(path, sizeof(path), "%s/room.lua", folder);
    why[0] = '\0';
    return sq_lua_script_load(path, &lr_script, why, 512);
}

void lr_must_load(const char *text)
{
    char why[512];
    if (lr_load(text, why) != 0) {
        fail_msg("%s", why);
    }
}

void lr_serve(void)
{
    struct sq_httpd_options options = {0};
    assert_int_equal(sq_addr_parse("127.0.0.1", 0, &options.listen), 0);
    memset(&lr_server, 0, sizeof(lr_server));
    memset(&lr_run, 0, sizeof(lr_run));
    assert_int_equal(sq_httpd_new(sig_loop(), &options, on_request, NULL, &lr_server.httpd), 0);
    struct sq_addr local = sq_httpd_local(lr_server.httpd);
    lr_server.port = sq_addr_port(&local);
}

void lr_prepare(struct sig_host *h)
{
    sig_host_init(h);
    h->face.run = &fake_run;
    h->user.script = lr_script;
    h->user.seed = 7;
    h->user.role = "participant";
}

const char *lr_url_of(const char *scheme)
{
    static char url[64];
    snprintf(url, sizeof(url), "%s://127.0.0.1:%u/x?k=1", scheme, lr_server.port);
    return url;
}

void lr_begin(const char *text)
{
    lr_must_load(text);
    lr_serve();
    lr_prepare(&lr_host);
    sig_host_open(&lr_host, lr_url_of("lua+ws"));
}

void lr_end(void)
{
    sig_host_close(&lr_host);
    sq_ws_free(lr_server.ws);
    lr_server.ws = NULL;
    sq_endpoint_close(lr_server.far);
    lr_server.far = NULL;
    sq_httpd_free(lr_server.httpd);
    sq_lua_script_free(lr_script);
    lr_script = NULL;
    /* Answers that were under way. */
    assert_int_equal(sq_loop_run_once(sig_loop(), 0), 0);
}

void lr_holds(const char *text)
{
    lr_begin(text);
    RUN_UNTIL(sig_loop(), lr_host.joined || sig_host_over(&lr_host));
    if (sig_host_over(&lr_host)) {
        fail_msg("%s: %s", sq_cause_name(lr_host.cause), lr_host.text);
    }
}

int lr_setup(void **state)
{
    return sig_setup(state) || !mkdtemp(folder);
}

int lr_teardown(void **state)
{
    static const char *const files[] = {"room.lua", "broken.lua", "proto.lua", "outer.lua"};
    char path[128];
    for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, files[i]);
        (void)unlink(path);
    }
    return rmdir(folder) || sig_teardown(state);
}
