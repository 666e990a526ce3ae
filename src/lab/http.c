/* The lab over HTTP: the page, and where everything else is. */
#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"
#include "lab/lab_int.h"
#include <openssl/crypto.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Made from share/lab at build time. */
extern const unsigned char sq_asset_index_html[], sq_asset_lab_css[], sq_asset_lab_js[];
extern const size_t sq_asset_index_html_len, sq_asset_lab_css_len, sq_asset_lab_js_len;

static const char cors_origin[] = "Access-Control-Allow-Origin: *";
static const char cors_expose[] =
    "Access-Control-Expose-Headers: Location, ETag, Link, Allow, Accept-Post, Accept-Patch, "
    "Retry-After, WWW-Authenticate";
static const char policy[] =
    "Content-Security-Policy: default-src 'self'; img-src 'self' data:; connect-src 'self' ws: "
    "wss:; "
    "media-src 'self' blob: mediastream:; frame-ancestors 'none'; base-uri 'none'";

void sq_lab_http_say(struct sq_httpd_request *request, int status, const char *extra,
                     const char *fmt, ...)
{
    char text[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text) - 1, fmt, args);
    va_end(args);
    size_t len = strlen(text);
    if (len > 0) {
        text[len++] = '\n';
    }
    const char *const headers[] = {cors_origin, cors_expose,
                                   "Content-Type: text/plain; charset=utf-8", extra, NULL};
    /* An answer that cannot be sent closes the connection: nothing more to do. */
    (void)sq_httpd_reply(request, status, headers, text, len);
}

bool sq_lab_token_is_right(const struct sq_lab *lab, const char *token)
{
    if (!lab->token) {
        return true;
    }
    size_t len = strlen(lab->token);
    return strlen(token) == len && CRYPTO_memcmp(token, lab->token, len) == 0;
}

bool sq_lab_http_authorized(struct sq_lab *lab, struct sq_httpd_request *request)
{
    const char *header = sq_httpd_header(request, "Authorization");
    bool bearer = header && strncasecmp(header, "Bearer ", 7) == 0;
    if (sq_lab_token_is_right(lab, bearer ? header + 7 : "")) {
        return true;
    }
    /* RFC 6750, section 3: no error code where nothing was shown. */
    sq_lab_http_say(request, 401,
                    bearer
                        ? "WWW-Authenticate: Bearer realm=\"squall lab\", error=\"invalid_token\""
                        : "WWW-Authenticate: Bearer realm=\"squall lab\"",
                    "%s", bearer ? "the bearer token is wrong" : "a bearer token is needed");
    return false;
}

struct page {
    const char *path, *type;
    const unsigned char *bytes;
    const size_t *len;
};

static const struct page pages[] = {
    {"/", "Content-Type: text/html; charset=utf-8", sq_asset_index_html, &sq_asset_index_html_len},
    {"/lab.css", "Content-Type: text/css; charset=utf-8", sq_asset_lab_css, &sq_asset_lab_css_len},
    {"/lab.js", "Content-Type: text/javascript; charset=utf-8", sq_asset_lab_js,
     &sq_asset_lab_js_len},
};

static const struct page *find_page(const char *path)
{
    for (size_t i = 0; i < sizeof(pages) / sizeof(*pages); i++) {
        if (strcmp(path, pages[i].path) == 0) {
            return &pages[i];
        }
    }
    return NULL;
}

static bool is_read(const char *method)
{
    return strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
}

static void reply_page(struct sq_httpd_request *request, const struct page *page)
{
    const char *const headers[] = {page->type, "Cache-Control: no-cache",
                                   "X-Content-Type-Options: nosniff", policy, NULL};
    (void)sq_httpd_reply(request, 200, headers, page->bytes, *page->len);
}

static void on_room(struct sq_lab *lab, struct sq_httpd_request *request)
{
    if (!sq_httpd_is_upgrade(request)) {
        sq_lab_http_say(request, 426, "Upgrade: websocket",
                        "this is the WebSocket of the room protocol (sub-protocol %s)",
                        SQ_ROOM_SUBPROTOCOL);
        return;
    }
    const char *offered = sq_httpd_header(request, "Sec-WebSocket-Protocol");
    bool known = !offered;
    struct sq_view rest = sq_view_of(offered ? offered : "");
    while (rest.at && !known) {
        known = sq_view_is(sq_view_trim(sq_view_cut(&rest, ',')), SQ_ROOM_SUBPROTOCOL);
    }
    if (!known) {
        sq_lab_http_say(request, 400, NULL, "expected the WebSocket sub-protocol \"%s\"",
                        SQ_ROOM_SUBPROTOCOL);
        return;
    }
    sq_lab_client_upgrade(lab, request);
}

void sq_lab_on_http(void *ctx, struct sq_httpd_request *request)
{
    struct sq_lab *lab = ctx;
    const char *path = sq_httpd_path(request);
    const char *method = sq_httpd_method(request);
    const struct page *page = find_page(path);
    if (lab->stopping) {
        sq_lab_http_say(request, 503, "Retry-After: 1", "the lab stops");
    } else if (strncmp(path, "/whip/", 6) == 0) {
        sq_lab_on_whip(lab, request, false, path + 6);
    } else if (strncmp(path, "/whep/", 6) == 0) {
        sq_lab_on_whip(lab, request, true, path + 6);
    } else if (strcmp(path, "/room") == 0) {
        on_room(lab, request);
    } else if (!page && strcmp(path, "/stats") != 0 && strcmp(path, "/health") != 0) {
        sq_lab_http_say(request, 404, NULL,
                        "nothing here; try /, /room, /whip/STREAM, /whep/STREAM, /stats, /health");
    } else if (!is_read(method)) {
        sq_lab_http_say(request, 405, "Allow: GET, HEAD", "%.20s is not allowed here", method);
    } else if (page) {
        reply_page(request, page);
    } else if (strcmp(path, "/stats") == 0) {
        sq_lab_on_stats(lab, request);
    } else {
        sq_lab_http_say(request, 200, NULL, "ok");
    }
}
