/* The client's side of the opening handshake, RFC 6455, sections 4.1 and 4.2.2. */
#include "base/mem.h"
#include "base/rand.h"
#include "net/http.h"
#include "net/ws_int.h"
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char magic[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; /* section 1.3 */

void sq_ws_accept_value(const char *key, char ret_accept[static 29])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    ret_accept[0] = '\0'; /* accepted by nobody */
    if (md && EVP_DigestInit_ex(md, EVP_sha1(), NULL) && EVP_DigestUpdate(md, key, strlen(key)) &&
        EVP_DigestUpdate(md, magic, sizeof(magic) - 1) && EVP_DigestFinal_ex(md, digest, &n) &&
        n == 20) {
        EVP_EncodeBlock((unsigned char *)ret_accept, digest, 20);
    }
    EVP_MD_CTX_free(md);
}

static bool one_line(const char *text)
{
    return strpbrk(text, "\r\n") == NULL;
}

static void put_target(struct sq_buf *b, const struct sq_url *url)
{
    bool bare = url->path.len == 0;
    sq_buf_printf(b, "GET %s" SQ_VIEW_FMT "%s" SQ_VIEW_FMT " HTTP/1.1\r\n", bare ? "/" : "",
                  SQ_VIEW_ARG(url->path), url->query.at ? "?" : "", SQ_VIEW_ARG(url->query));
    bool v6 = memchr(url->host.at, ':', url->host.len) != NULL;
    sq_buf_printf(b, "Host: %s" SQ_VIEW_FMT "%s", v6 ? "[" : "", SQ_VIEW_ARG(url->host),
                  v6 ? "]" : "");
    bool standard = url->port == (sq_view_is_nocase(url->scheme, "wss") ? 443 : 80);
    if (!standard) {
        sq_buf_printf(b, ":%u", url->port);
    }
    sq_buf_puts(b, "\r\n");
}

static int build(struct sq_ws_upgrade *u, const struct sq_ws_options *o)
{
    struct sq_url url;
    unsigned char nonce[16];
    if (sq_url_parse(o->url, &url) != 0) {
        return SQ_ERR_INVALID;
    }
    sq_rand_secret(nonce, sizeof(nonce));
    EVP_EncodeBlock((unsigned char *)u->key, nonce, sizeof(nonce));
    struct sq_buf *b = &u->request;
    put_target(b, &url);
    sq_buf_printf(b,
                  "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: %s\r\n"
                  "Sec-WebSocket-Version: 13\r\n",
                  u->key);
    if (o->origin) {
        sq_buf_printf(b, "Origin: %s\r\n", o->origin);
    }
    if (o->subprotocol) {
        sq_buf_printf(b, "Sec-WebSocket-Protocol: %s\r\n", o->subprotocol);
        u->subprotocol = sq_strdup(o->subprotocol);
        if (!u->subprotocol) {
            return SQ_ERR_NOMEM;
        }
    }
    bool clean =
        (!o->origin || one_line(o->origin)) && (!o->subprotocol || one_line(o->subprotocol));
    for (size_t i = 0; o->headers && o->headers[i]; i++) {
        clean = clean && one_line(o->headers[i]) && strchr(o->headers[i], ':');
        sq_buf_printf(b, "%s\r\n", o->headers[i]);
    }
    sq_buf_puts(b, "\r\n");
    return clean ? b->err : SQ_ERR_INVALID;
}

int sq_ws_upgrade_new(const struct sq_ws_options *options, struct sq_ws_upgrade **ret_upgrade)
{
    struct sq_ws_upgrade *u = sq_zalloc(sizeof(*u));
    int err = u ? build(u, options) : SQ_ERR_NOMEM;
    if (err) {
        sq_ws_upgrade_free(u);
        return err;
    }
    *ret_upgrade = u;
    return 0;
}

void sq_ws_upgrade_free(struct sq_ws_upgrade *u)
{
    if (u) {
        sq_buf_free(&u->request);
        sq_free(u->subprotocol);
        sq_free(u);
    }
}

/* The nth header of that name in the head, trimmed; at NULL if there is none. */
static struct sq_view header(const struct sq_ws_upgrade *u, const char *name, size_t nth)
{
    struct sq_view rest = {.at = u->head, .len = u->head_end};
    (void)sq_view_cut(&rest, '\n'); /* the status line */
    while (rest.at && rest.len > 0) {
        struct sq_view line = sq_view_cut(&rest, '\n');
        struct sq_view field = sq_view_cut(&line, ':');
        if (line.at && sq_view_is_nocase(field, name) && nth-- == 0) {
            return sq_view_trim(line);
        }
    }
    return (struct sq_view){.at = NULL, .len = 0};
}

/* Is `token` in the comma-separated lists of that header (RFC 9110, section 5.6.1)? */
static bool has_token(const struct sq_ws_upgrade *u, const char *name, const char *token)
{
    struct sq_view list;
    for (size_t i = 0; (list = header(u, name, i)).at; i++) {
        while (list.at) {
            if (sq_view_is_nocase(sq_view_trim(sq_view_cut(&list, ',')), token)) {
                return true;
            }
        }
    }
    return false;
}

/* "HTTP/1.1 101 Switching Protocols" */
static int parse_status(struct sq_ws_upgrade *u, char text[static SQ_NET_TEXT_MAX])
{
    struct sq_view rest = {.at = u->head, .len = u->head_end};
    struct sq_view version = sq_view_cut(&rest, ' ');
    struct sq_view code = {.at = rest.at, .len = rest.len < 3 ? rest.len : 3};
    uint64_t status;
    if (!sq_view_starts(version, "HTTP/1.") || !rest.at || code.len != 3 ||
        sq_view_u64(code, 999, &status) != 0) {
        snprintf(text, SQ_NET_TEXT_MAX, "the answer to the WebSocket upgrade is not HTTP");
        return SQ_ERR_FORMAT;
    }
    u->status = (int)status;
    return 0;
}

static int check_101(const struct sq_ws_upgrade *u, char text[static SQ_NET_TEXT_MAX])
{
    char expected[29];
    sq_ws_accept_value(u->key, expected);
    struct sq_view accept = header(u, "Sec-WebSocket-Accept", 0);
    struct sq_view protocol = header(u, "Sec-WebSocket-Protocol", 0);
    if (!has_token(u, "Upgrade", "websocket") || !has_token(u, "Connection", "upgrade")) {
        snprintf(text, SQ_NET_TEXT_MAX,
                 "the server answered 101 without 'Upgrade: websocket' and 'Connection: Upgrade'");
    } else if (!accept.at || !sq_view_is(accept, expected)) {
        snprintf(text, SQ_NET_TEXT_MAX,
                 "wrong Sec-WebSocket-Accept '" SQ_VIEW_FMT "', expected '%s'",
                 accept.len > 64 ? 64 : (int)accept.len, accept.at ? accept.at : "", expected);
    } else if (u->subprotocol && !(protocol.at && sq_view_is(protocol, u->subprotocol))) {
        snprintf(text, SQ_NET_TEXT_MAX,
                 "the server did not choose the sub-protocol '%s' (it said '" SQ_VIEW_FMT "')",
                 u->subprotocol, protocol.len > 64 ? 64 : (int)protocol.len,
                 protocol.at ? protocol.at : "");
    } else if (!u->subprotocol && protocol.at) {
        snprintf(text, SQ_NET_TEXT_MAX, "the server chose a sub-protocol that was not offered");
    } else if (header(u, "Sec-WebSocket-Extensions", 0).at) {
        snprintf(text, SQ_NET_TEXT_MAX, "the server chose an extension that was not offered");
    } else {
        return 0;
    }
    return SQ_ERR_FORMAT;
}

static int head_done(struct sq_ws_upgrade *u, char text[static SQ_NET_TEXT_MAX])
{
    int err = parse_status(u, text);
    if (err) {
        return err;
    }
    if (u->status == 101) {
        return check_101(u, text);
    }
    struct sq_view length = header(u, "Content-Length", 0);
    uint64_t n;
    u->body_expected = length.at && sq_view_u64(length, SIZE_MAX - 1, &n) == 0 ? n : SIZE_MAX;
    return 0;
}

/* RFC 9110, section 15.2: 1xx answers come before the final one, which 101 is. */
static bool is_interim(const struct sq_ws_upgrade *u)
{
    return u->status >= 100 && u->status < 200 && u->status != 101;
}

/* Looks for the end of the head in what has come. SQ_ERR_AGAIN. */
static int find_head(struct sq_ws_upgrade *u, char text[static SQ_NET_TEXT_MAX])
{
    char *end = memmem(u->head, u->head_len, "\r\n\r\n", 4);
    if (!end && u->head_len < SQ_WS_HEAD_MAX_BYTES) {
        return SQ_ERR_AGAIN;
    }
    if (!end) {
        snprintf(text, SQ_NET_TEXT_MAX,
                 "the answer to the WebSocket upgrade has more than %d bytes of headers",
                 SQ_WS_HEAD_MAX_BYTES);
        return SQ_ERR_FORMAT;
    }
    u->head_end = (size_t)(end - u->head) + 4;
    return head_done(u, text);
}

int sq_ws_upgrade_feed(struct sq_ws_upgrade *u, const uint8_t *data, size_t len, size_t *ret_used,
                       char text[static SQ_NET_TEXT_MAX])
{
    size_t taken = 0;
    for (;;) {
        size_t room = SQ_WS_HEAD_MAX_BYTES - u->head_len;
        size_t n = room < len - taken ? room : len - taken;
        memcpy(u->head + u->head_len, data + taken, n);
        taken += n;
        u->head_len += n;
        u->head[u->head_len] = '\0';
        int err = u->head_end ? 0 : find_head(u, text);
        if (err) {
            return err;
        }
        if (!is_interim(u)) {
            break;
        }
        u->head_len -= u->head_end;
        memmove(u->head, u->head + u->head_end, u->head_len);
        u->head_end = 0;
        u->status = 0;
    }
    if (u->status == 101) {
        *ret_used = taken - (u->head_len - u->head_end);
        return 0;
    }
    size_t body = u->head_len - u->head_end;
    bool enough = body >= SQ_WS_BODY_SHOWN_BYTES || body >= u->body_expected ||
                  u->head_len == SQ_WS_HEAD_MAX_BYTES;
    return enough ? SQ_ERR_REFUSED : SQ_ERR_AGAIN;
}

const char *sq_ws_upgrade_body(struct sq_ws_upgrade *u)
{
    if (!u || !u->head_end) {
        return "";
    }
    if (u->head_len - u->head_end > SQ_WS_BODY_SHOWN_BYTES) {
        u->head[u->head_end + SQ_WS_BODY_SHOWN_BYTES] = '\0';
    }
    return u->head + u->head_end;
}
