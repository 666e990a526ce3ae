/* http.request, .get, .post -> {status, headers, body, url} */
#include "signal/lua/lua_int.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* ---- The answer ---- */

static bool keep_headers(struct sl_request *q, const struct sq_http_response *r)
{
    struct sq_buf b = {0};
    for (size_t i = 0; i < r->header_count; i++) {
        sq_buf_add(&b, r->headers[i].name, strlen(r->headers[i].name) + 1);
        sq_buf_add(&b, r->headers[i].value, strlen(r->headers[i].value) + 1);
    }
    q->headers = sq_buf_take(&b); /* an empty name ends it */
    sq_buf_free(&b);
    return q->headers != NULL;
}

static void on_answer(void *ctx, const struct sq_http_response *r)
{
    struct sl_request *q = ctx;
    struct sq_signal *p = q->peer;
    q->http = NULL;
    q->done = true;
    q->err = r->err;
    q->status = r->status;
    if (r->err) {
        q->cause = sq_session_net_cause(r->err, r->during);
        snprintf(q->text, sizeof(q->text), "%.150s", r->text[0] ? r->text : sq_err_name(r->err));
    } else {
        q->body = sq_malloc(r->body_len + 1);
        q->url = sq_strdup(r->final_url ? r->final_url : "");
        if (!q->body || !q->url || !keep_headers(q, r)) {
            q->err = SQ_ERR_NOMEM;
            q->cause = SQ_CAUSE_PROTOCOL;
            snprintf(q->text, sizeof(q->text), "no memory");
        } else {
            memcpy(q->body, r->body_len > 0 ? r->body : "", r->body_len);
            q->body_len = r->body_len;
        }
        if (!p->asked) {
            p->asked = true;
            p->s.asked_ns += r->times.dns_ns + r->times.connect_ns + r->times.tls_ns;
            sq_session_phases(&p->s, r->times.dns_ns, r->times.connect_ns, r->times.tls_ns);
        }
    }
    sl_wake(p, q);
}

static void free_request(struct sl_request *q)
{
    sq_http_cancel(q->http);
    sq_free(q->body);
    sq_free(q->headers);
    sq_free(q->url);
    sq_free(q);
}

static void drop(struct sq_signal *p, struct sl_request *q)
{
    struct sl_request **at = &p->requests;
    while (*at && *at != q) {
        at = &(*at)->next;
    }
    if (*at) {
        *at = q->next;
        free_request(q);
    }
}

/* Names in lower case; of several with one name all, with ", " between. */
static void push_headers(lua_State *L, const char *at)
{
    lua_newtable(L);
    while (*at) {
        luaL_Buffer b;
        luaL_buffinit(L, &b);
        for (const char *c = at; *c; c++) {
            luaL_addchar(&b, (char)tolower((unsigned char)*c));
        }
        luaL_pushresult(&b);
        at += strlen(at) + 1;
        lua_pushvalue(L, -1);
        if (lua_rawget(L, -3) == LUA_TSTRING) {
            lua_pushfstring(L, "%s, %s", lua_tostring(L, -1), at);
            lua_remove(L, -2);
        } else {
            lua_pop(L, 1);
            lua_pushstring(L, at);
        }
        lua_rawset(L, -3);
        at += strlen(at) + 1;
    }
}

static int answered(lua_State *L, int status, lua_KContext ctx)
{
    struct sl_request *q = lua_touserdata(L, -1);
    struct sq_signal *p = sl_user(L);
    (void)status;
    if (!q->done) {
        /* sq_http has a time-out of its own. */
        return sl_await(L, q, "http", SQ_NEVER, ctx, answered);
    }
    if (q->err) {
        char text[sizeof(q->text)];
        enum sq_cause cause = q->cause;
        memcpy(text, q->text, sizeof(text));
        drop(p, q);
        return sl_raise(L, cause, "http: %s", text);
    }
    lua_createtable(L, 0, 4);
    lua_pushinteger(L, q->status);
    lua_setfield(L, -2, "status");
    lua_pushlstring(L, q->body, q->body_len);
    lua_setfield(L, -2, "body");
    lua_pushstring(L, q->url);
    lua_setfield(L, -2, "url");
    push_headers(L, q->headers);
    lua_setfield(L, -2, "headers");
    drop(p, q);
    return 1;
}

/* ---- The request ---- */

/* A field of the options at `index`, left on the stack. NULL: there is none. */
static const char *field(lua_State *L, int index, const char *name, size_t *ret_len)
{
    if (!lua_istable(L, index) || lua_getfield(L, index, name) == LUA_TNIL) {
        return NULL;
    }
    return luaL_checklstring(L, -1, ret_len);
}

static bool flag(lua_State *L, int index, const char *name, bool otherwise)
{
    bool value = otherwise;
    if (lua_istable(L, index)) {
        value = lua_getfield(L, index, name) == LUA_TNIL ? otherwise : lua_toboolean(L, -1);
        lua_pop(L, 1);
    }
    return value;
}

/* Options at index 1: a table, or nil with all of it in the arguments. */
static int start(lua_State *L, const char *method, const char *url, const char *body,
                 size_t body_len, int options)
{
    struct sq_signal *p = sl_user(L);
    const char *lines[SL_HEADERS_MAX + 1];
    uint64_t timeout_ns = p->s.user->timeout_ns;
    if (lua_istable(L, options)) {
        lua_getfield(L, options, "timeout");
        timeout_ns = sl_deadline(L, lua_gettop(L), timeout_ns) - sl_now(p);
    }
    sl_read_headers(L, options, lines);
    const struct sq_http_options o = {
        .method = method,
        .url = url,
        .headers = lines,
        .bearer = field(L, options, "bearer", NULL),
        .body = body,
        .body_len = body_len,
        .no_redirects = !flag(L, options, "redirects", true),
        .insecure = p->s.user->insecure,
        .ca_file = p->s.user->ca_file,
        .timeout_ns = timeout_ns > 0 ? timeout_ns : 1,
        .link = p->s.user->link,
    };
    struct sl_request *q = sq_zalloc(sizeof(*q));
    if (!q) {
        return luaL_error(L, "not enough memory");
    }
    q->peer = p;
    q->next = p->requests;
    p->requests = q;
    int err = sq_http_start(p->s.host->loop, &o, on_answer, q, &q->http);
    if (err) {
        drop(p, q);
        return sl_raise(L, SQ_CAUSE_PROTOCOL, "http: %s",
                        err == SQ_ERR_INVALID ? "the URL is not one of http:// or https://"
                                              : sq_err_name(err));
    }
    lua_pushlightuserdata(L, q);
    return answered(L, LUA_OK, 0);
}

/* http.request{url =, method =, headers =, body =, bearer =, timeout =, redirects =} */
static int l_request(lua_State *L)
{
    size_t len = 0;
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    const char *method = field(L, 1, "method", NULL);
    const char *url = field(L, 1, "url", NULL);
    const char *body = field(L, 1, "body", &len);
    return start(L,
                 method ? method
                 : body ? "POST"
                        : "GET",
                 url ? url : sl_user(L)->target->inner, body, len, 1);
}

/* http.get(url, options) */
static int l_get(lua_State *L)
{
    lua_settop(L, 2);
    return start(L, "GET", luaL_checkstring(L, 1), NULL, 0, 2);
}

/* http.post(url, body, options) */
static int l_post(lua_State *L)
{
    size_t len = 0;
    lua_settop(L, 3);
    const char *body = luaL_optlstring(L, 2, "", &len);
    return start(L, "POST", luaL_checkstring(L, 1), body, len, 3);
}

static const luaL_Reg library[] = {
    {"request", l_request}, {"get", l_get}, {"post", l_post}, {NULL, NULL}};

void sl_open_http(lua_State *L)
{
    luaL_newlib(L, library);
}

void sl_requests_free(struct sq_signal *p)
{
    while (p->requests) {
        struct sl_request *q = p->requests;
        p->requests = q->next;
        free_request(q);
    }
}
