#include "signal/target.h"

#include "base/mem.h"
#include "base/str.h"
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct scheme {
    const char *name;
    const char *transport; /* the scheme of the inner URL */
    uint16_t port;
    bool secure;
    bool own_query; /* the query is Squall's, not the server's */
};

static const struct scheme schemes[] = {
    {"janus+ws", "ws", 8188, false, true},   {"janus+wss", "wss", 8989, true, true},
    {"room+ws", "ws", 80, false, true},      {"room+wss", "wss", 443, true, true},
    {"whip+http", "http", 80, false, false}, {"whip+https", "https", 443, true, false},
    {"whep+http", "http", 80, false, false}, {"whep+https", "https", 443, true, false},
    {"lua+ws", "ws", 80, false, false},      {"lua+wss", "wss", 443, true, false},
    {"lua+http", "http", 80, false, false},  {"lua+https", "https", 443, true, false},
};

const char *sq_target_scheme(size_t i)
{
    return i < sizeof(schemes) / sizeof(*schemes) ? schemes[i].name : NULL;
}

struct why {
    char *text; /* of the caller */
    size_t room;
};

/* What is wrong with the target: its URL as it may be shown, and `fmt`. */
static int fail(const struct why *why, const char *url, const char *fmt, ...) SQ_PRINTF(3, 4);

static int fail(const struct why *why, const char *url, const char *fmt, ...)
{
    char text[256];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    char *shown = sq_target_shown(url);
    snprintf(why->text, why->room, "target '%.200s': %s", shown ? shown : "***", text);
    sq_free(shown);
    return SQ_ERR_INVALID;
}

static const struct scheme *find_scheme(struct sq_view name)
{
    for (size_t i = 0; i < sizeof(schemes) / sizeof(*schemes); i++) {
        if (sq_view_is(name, schemes[i].name)) {
            return &schemes[i];
        }
    }
    return NULL;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Percent-decodes v (RFC 3986, section 2.1) to `out`, which moves on behind the NUL. */
static int decode(struct sq_view v, char **out)
{
    for (size_t i = 0; i < v.len; i++) {
        char c = v.at[i];
        if (c == '%') {
            int high = i + 2 < v.len ? hex_digit(v.at[i + 1]) : -1;
            int low = i + 2 < v.len ? hex_digit(v.at[i + 2]) : -1;
            if (high < 0 || low < 0 || (high == 0 && low == 0)) {
                return SQ_ERR_FORMAT;
            }
            c = (char)(high << 4 | low);
            i += 2;
        }
        *(*out)++ = c;
    }
    *(*out)++ = '\0';
    return 0;
}

static char *keep(char **store, const char *bytes, size_t n)
{
    char *at = *store;
    if (n > 0) {
        memcpy(at, bytes, n);
    }
    at[n] = '\0';
    *store += n + 1;
    return at;
}

/* What names and addresses are made of; international names as they are. */
static bool is_host(struct sq_view host)
{
    for (size_t i = 0; i < host.len; i++) {
        unsigned char c = (unsigned char)host.at[i];
        if (c < 0x80 && !isalnum(c) && (c == '\0' || !strchr("-._~%:", c))) {
            return false;
        }
    }
    return true;
}

/* Where a port should stand there is no number, and an '@' comes later: it may be a password that
 * holds a '/', '?' or '#'. NULL: not so. */
static const char *odd_port(const char *host)
{
    const char *colon = host + strcspn(host, ":/?#[");
    const char *port = colon + 1;
    if (*colon != ':' || strchr("/?#", port[strspn(port, "0123456789")])) {
        return NULL;
    }
    return strchr(port, '@') ? port : NULL;
}

/* host, [ipv6], host:port */
static int parse_authority(struct sq_target *t, struct sq_view authority, char **store,
                           const struct why *why)
{
    if (memchr(authority.at, '@', authority.len)) {
        return fail(why, t->url, "a user name in the URL is not supported, use --token");
    }
    struct sq_view host = authority;
    struct sq_view port = {NULL, 0};
    if (host.len > 0 && host.at[0] == '[') {
        const char *end = memchr(host.at, ']', host.len);
        if (!end) {
            return fail(why, t->url, "'[' without ']' in the host");
        }
        port = (struct sq_view){end + 1, authority.len - (size_t)(end + 1 - authority.at)};
        if (port.len > 0 && port.at[0] != ':') {
            return fail(why, t->url, "expected ':PORT' after ']'");
        }
        host = (struct sq_view){host.at + 1, (size_t)(end - host.at - 1)};
        port =
            port.len > 0 ? (struct sq_view){port.at + 1, port.len - 1} : (struct sq_view){NULL, 0};
    } else {
        port = host;
        host = sq_view_cut(&port, ':');
    }
    if (host.len == 0) {
        return fail(why, t->url, "the host is missing");
    }
    if (!is_host(host)) {
        return fail(why, t->url, "the host holds a character that no host name or address has");
    }
    if (port.at) {
        uint64_t number = 0;
        if (sq_view_u64(port, 65535, &number) || number == 0) {
            return odd_port(authority.at)
                       ? fail(
                             why, t->url,
                             "the port is not a number from 1 to 65535 (a user name and a password "
                             "in the URL are not supported, use --token)")
                       : fail(why, t->url,
                              "the port '" SQ_VIEW_FMT "' is not a number from 1 to 65535",
                              SQ_VIEW_ARG(port));
        }
        t->port = (uint16_t)number;
    }
    t->host = keep(store, host.at, host.len);
    return 0;
}

static int parse_query(struct sq_target *t, struct sq_view query, char **store,
                       const struct why *why)
{
    while (query.len > 0) {
        struct sq_view value = sq_view_cut(&query, '&');
        struct sq_view name = sq_view_cut(&value, '=');
        if (name.len == 0) {
            continue;
        }
        if (t->params_len == SQ_TARGET_PARAMS_MAX) {
            return fail(why, t->url, "more than %d parameters", SQ_TARGET_PARAMS_MAX);
        }
        struct sq_target_param *param = &t->params[t->params_len];
        param->name = *store;
        int err = decode(name, store);
        param->value = *store;
        if (err || decode(value, store)) {
            return fail(why, t->url, "bad percent-encoding in '" SQ_VIEW_FMT "'",
                        SQ_VIEW_ARG(name));
        }
        t->params_len++;
    }
    return 0;
}

static int parse_parts(struct sq_target *t, const struct scheme *scheme, struct sq_view rest,
                       const struct why *why)
{
    size_t len = strlen(t->url);
    /* url, scheme, host, path, inner and decoded parameters: none is longer than the URL. */
    t->store = sq_malloc(6 * (len + 16) + 2 * (size_t)SQ_TARGET_PARAMS_MAX);
    if (!t->store) {
        return SQ_ERR_NOMEM;
    }
    char *at = t->store;
    size_t authority_len = strcspn(rest.at, "/?#");
    struct sq_view authority = {rest.at, authority_len};
    struct sq_view path = sq_view_of(rest.at + authority_len);
    path.len = strcspn(path.at, "#");
    struct sq_view query = path;
    struct sq_view plain = sq_view_cut(&query, '?');

    t->url = keep(&at, t->url, len);
    t->scheme = keep(&at, scheme->name, strlen(scheme->name));
    t->secure = scheme->secure;
    t->port = scheme->port;
    int err = parse_authority(t, authority, &at, why);
    if (err || !t->host) {
        return err ? err : SQ_ERR_INVALID;
    }
    struct sq_view kept = scheme->own_query ? plain : path;
    char *path_at = at;
    if (kept.len == 0 || kept.at[0] != '/') {
        *at++ = '/';
    }
    (void)keep(&at, kept.at, kept.len);
    t->path = path_at;

    char *inner = at;
    bool v6 = strchr(t->host, ':') != NULL;
    at += sprintf(at, v6 ? "%s://[%s]:%u%s" : "%s://%s:%u%s", scheme->transport, t->host, t->port,
                  t->path) +
          1;
    t->inner = inner;
    return scheme->own_query ? parse_query(t, query, &at, why) : 0;
}

int sq_target_parse(const char *url, struct sq_target *ret_target, char *why, size_t why_room)
{
    struct sq_target t = {.url = url};
    const struct why w = {why, why_room};
    if (strlen(url) > SQ_TARGET_URL_MAX) {
        snprintf(why, why_room, "target: it has %zu bytes; expected %d at most", strlen(url),
                 SQ_TARGET_URL_MAX);
        return SQ_ERR_INVALID;
    }
    for (const char *c = url; *c; c++) {
        if ((unsigned char)*c <= ' ' || *c == 0x7f) {
            return fail(&w, url, "a space or control character at column %d", (int)(c - url) + 1);
        }
    }
    const char *mark = strstr(url, "://");
    const struct scheme *scheme =
        mark ? find_scheme((struct sq_view){url, (size_t)(mark - url)}) : NULL;
    if (!scheme) {
        return fail(
            &w, url,
            "expected lab:, janus+ws://, janus+wss://, whip+http://, whip+https://, "
            "whep+http://, whep+https://, room+ws://, room+wss://, or with --script lua+ws://, "
            "lua+wss://, lua+http:// or lua+https://");
    }
    int err = parse_parts(&t, scheme, sq_view_of(mark + 3), &w);
    if (err) {
        sq_target_free(&t);
        return err;
    }
    *ret_target = t;
    return 0;
}

void sq_target_free(struct sq_target *target)
{
    if (target) {
        sq_free(target->store);
        memset(target, 0, sizeof(*target));
    }
}

/* Named as they are written: a name in percent-encoding is none of these. */
static bool is_no_secret(struct sq_view name)
{
    static const char *const names[] = {"plugin", "room", "create", "publishers"};
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        if (sq_view_is(name, names[i])) {
            return true;
        }
    }
    return false;
}

/* Behind "user:password@", where there is one. */
static const char *after_user(const char *authority, const char *end)
{
    const char *host = authority;
    for (const char *c = authority; c < end; c++) {
        host = *c == '@' ? c + 1 : host;
    }
    return host;
}

static void show_query(struct sq_buf *out, struct sq_view query)
{
    for (char sep = '?'; query.len > 0; sep = '&') {
        struct sq_view value = sq_view_cut(&query, '&');
        struct sq_view name = sq_view_cut(&value, '=');
        sq_buf_printf(out, "%c" SQ_VIEW_FMT, sep, SQ_VIEW_ARG(name));
        if (value.at) {
            sq_buf_puts(out, "=");
            sq_buf_puts(out, is_no_secret(name) ? "" : "***");
            sq_buf_add(out, value.at, is_no_secret(name) ? value.len : 0);
        }
    }
}

char *sq_target_shown(const char *url)
{
    struct sq_buf out = {0};
    const char *end = url + strcspn(url, "?#");
    const char *mark = strstr(url, "://");
    mark = mark && mark < end ? mark : NULL;
    const char *authority = mark ? mark + 3 : url;
    const char *host = after_user(authority, mark ? authority + strcspn(authority, "/?#") : end);
    const char *password = mark ? odd_port(host) : NULL;
    if (host > authority) {
        sq_buf_add(&out, url, (size_t)(authority - url));
        sq_buf_puts(&out, "***@");
    } else {
        host = url;
    }
    sq_buf_add(&out, host, (size_t)((password ? password : end) - host));
    const struct scheme *scheme =
        mark ? find_scheme((struct sq_view){url, (size_t)(mark - url)}) : NULL;
    if (password) {
        sq_buf_puts(&out, "***");
    } else if (scheme && *end == '?' && scheme->own_query) {
        show_query(&out, (struct sq_view){end + 1, strcspn(end + 1, "#")});
    } else if (*end) {
        sq_buf_printf(&out, "%c***", *end);
    }
    return sq_buf_take(&out);
}

const char *sq_target_param(const struct sq_target *target, const char *name)
{
    for (size_t i = 0; i < target->params_len; i++) {
        if (strcmp(target->params[i].name, name) == 0) {
            return target->params[i].value;
        }
    }
    return NULL;
}
