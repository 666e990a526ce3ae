/* URLs: parts, and references made absolute (RFC 3986, section 5.2). */
#include "base/mem.h"
#include "net/http.h"
#include <ctype.h>
#include <curl/curl.h>
#include <string.h>

static uint16_t default_port(struct sq_view scheme)
{
    if (sq_view_is_nocase(scheme, "http") || sq_view_is_nocase(scheme, "ws")) {
        return 80;
    }
    if (sq_view_is_nocase(scheme, "https") || sq_view_is_nocase(scheme, "wss")) {
        return 443;
    }
    return 0;
}

/* Cuts v at the first of the characters in `set`; what follows, with that character, stays in v. */
static struct sq_view cut_at_any(struct sq_view *v, const char *set)
{
    size_t n = 0;
    while (n < v->len && !strchr(set, v->at[n])) {
        n++;
    }
    struct sq_view part = {.at = v->at, .len = n};
    v->at += n;
    v->len -= n;
    return part;
}

static bool is_scheme(struct sq_view v)
{
    if (v.len == 0 || !isalpha((unsigned char)v.at[0])) {
        return false;
    }
    for (size_t i = 1; i < v.len; i++) {
        if (!isalnum((unsigned char)v.at[i]) && !strchr("+-.", v.at[i])) {
            return false;
        }
    }
    return true;
}

/* [userinfo@]host[:port] */
static int parse_authority(struct sq_view authority, struct sq_url *url)
{
    for (size_t i = authority.len; i > 0; i--) {
        if (authority.at[i - 1] == '@') {
            url->userinfo = (struct sq_view){.at = authority.at, .len = i - 1};
            authority.at += i;
            authority.len -= i;
            break;
        }
    }
    struct sq_view rest = authority;
    if (authority.len > 0 && authority.at[0] == '[') {
        const char *close = memchr(authority.at, ']', authority.len);
        if (!close) {
            return SQ_ERR_FORMAT;
        }
        url->host =
            (struct sq_view){.at = authority.at + 1, .len = (size_t)(close - authority.at) - 1};
        rest.at = close + 1;
        rest.len = authority.len - url->host.len - 2;
    } else {
        url->host = cut_at_any(&rest, ":");
    }
    if (url->host.len == 0 || (rest.len > 0 && rest.at[0] != ':')) {
        return SQ_ERR_FORMAT;
    }
    if (rest.len > 1) {
        uint64_t port;
        struct sq_view digits = {.at = rest.at + 1, .len = rest.len - 1};
        if (sq_view_u64(digits, 65535, &port) != 0 || port == 0) {
            return SQ_ERR_FORMAT;
        }
        url->port = (uint16_t)port;
    }
    return 0;
}

int sq_url_parse(const char *text, struct sq_url *ret_url)
{
    struct sq_url url = {0};
    struct sq_view rest = sq_view_of(text);
    for (const char *c = text; *c; c++) { /* also keeps CR and LF out of requests */
        if ((unsigned char)*c <= ' ' || *c == 0x7f) {
            return SQ_ERR_FORMAT;
        }
    }
    url.scheme = cut_at_any(&rest, ":/?#");
    if (!is_scheme(url.scheme) || !sq_view_starts(rest, "://")) {
        return SQ_ERR_FORMAT;
    }
    rest.at += 3;
    rest.len -= 3;
    url.port = default_port(url.scheme);
    int err = parse_authority(cut_at_any(&rest, "/?#"), &url);
    if (err) {
        return err;
    }
    url.path = cut_at_any(&rest, "?#");
    if (rest.len > 0 && rest.at[0] == '?') {
        rest.at++;
        rest.len--;
        url.query = cut_at_any(&rest, "#");
    }
    if (rest.len > 0) {
        url.fragment = (struct sq_view){.at = rest.at + 1, .len = rest.len - 1};
    }
    *ret_url = url;
    return 0;
}

int sq_url_shown_len(const char *url)
{
    return (int)strcspn(url, "?#");
}

char *sq_url_resolve(const char *base, const char *reference)
{
    char *whole = NULL;
    char *copy = NULL;
    CURLU *u = curl_url();
    if (u && curl_url_set(u, CURLUPART_URL, base, CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK &&
        curl_url_set(u, CURLUPART_URL, reference, CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK &&
        curl_url_get(u, CURLUPART_URL, &whole, 0) == CURLUE_OK) {
        copy = sq_strdup(whole);
    }
    curl_free(whole);
    curl_url_cleanup(u);
    return copy;
}
