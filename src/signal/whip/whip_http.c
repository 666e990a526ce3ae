/* Requests of WHIP and WHEP, and what their answers say. */
#include "base/mem.h"
#include "base/secret.h"
#include "signal/whip/whip_int.h"
#include <stdio.h>
#include <string.h>

#define BODY_SHOWN_BYTES 90
#define URL_SHOWN_BYTES  70
#define HEADER_MAX       1024 /* of a line that is sent */

static const char *const methods[] = {
    [WHIP_ASK_NONE] = "",         [WHIP_ASK_POST] = "POST",     [WHIP_ASK_ANSWER] = "PATCH",
    [WHIP_ASK_TRICKLE] = "PATCH", [WHIP_ASK_RESTART] = "PATCH", [WHIP_ASK_DELETE] = "DELETE",
};

int whip_ask(struct sq_signal *w, enum whip_ask ask, const char *url, const char *type,
             const char *if_match, const char *body, sq_http_fn fn)
{
    const struct sq_signal_user *user = w->s.user;
    char type_line[HEADER_MAX];
    char match_line[HEADER_MAX];
    const char *headers[4] = {0};
    size_t n = 0;
    if (type) {
        snprintf(type_line, sizeof(type_line), "Content-Type: %s", type);
        headers[n++] = type_line;
    }
    if (if_match) {
        snprintf(match_line, sizeof(match_line), "If-Match: %s", if_match);
        headers[n++] = match_line;
    }
    if (ask == WHIP_ASK_POST) {
        headers[n++] = "Accept: " WHIP_TYPE_SDP;
    }
    uint64_t timeout_ns = user->timeout_ns;
    if (ask == WHIP_ASK_DELETE && (timeout_ns == 0 || timeout_ns > WHIP_BYE_TIMEOUT_NS)) {
        timeout_ns = WHIP_BYE_TIMEOUT_NS;
    }
    const struct sq_http_options options = {
        .method = methods[ask],
        .url = url,
        .headers = headers,
        .bearer = user->token && whip_may_have_token(w, url) ? user->token : NULL,
        .body = body,
        .body_len = body ? strlen(body) : 0,
        .no_redirects = true,
        .insecure = user->insecure,
        .ca_file = user->ca_file,
        .timeout_ns = timeout_ns,
        .body_max_bytes = 256 * 1024,
        .kept = w->kept,
        .link = user->link,
    };
    int err = sq_http_start(w->s.host->loop, &options, fn, w, &w->request);
    if (!err) {
        w->ask = ask;
    }
    return err;
}

/* RFC 9725, section 4.7: end point and session both get the token, on whatever host they are, also
 * after a redirect; but never in the clear once the user said https. */
bool whip_may_have_token(const struct sq_signal *w, const char *url)
{
    return !w->target->secure || sq_view_starts(sq_view_of(url), "https:");
}

bool whip_has_type(const struct sq_http_response *answer, const char *type)
{
    const char *value = sq_http_header(answer, "Content-Type", 0);
    struct sq_view v = sq_view_of(value ? value : "");
    return sq_view_is_nocase(sq_view_trim(sq_view_cut(&v, ';')), type);
}

/* ---- Errors in a sentence ---- */

int whip_shown(const char *url, int max)
{
    int len = sq_url_shown_len(url);
    return len < max ? len : max;
}

struct status_text {
    int status;
    const char *reason;
    const char *hint; /* what it means here */
};

static const struct status_text *find_status(int status)
{
    static const struct status_text texts[] = {
        {200, "OK", ""},
        {201, "Created", ""},
        {202, "Accepted", ""},
        {204, "No Content", ""},
        {301, "Moved Permanently", "it would turn the POST into a GET"},
        {302, "Found", "it would turn the POST into a GET"},
        {303, "See Other", "it would turn the POST into a GET"},
        {400, "Bad Request", "the server does not take this offer"},
        {401, "Unauthorized", "a token is wanted, or this one is wrong (--token)"},
        {403, "Forbidden", "this token may not use this end point"},
        {404, "Not Found", "there is no such end point or stream"},
        {405, "Method Not Allowed", "this URL is not such an end point"},
        {406, "Not Acceptable", "the server cannot give what the offer asks for"},
        {409, "Conflict", "the stream is taken, or not live yet"},
        {412, "Precondition Failed", "the ICE session is another one by now"},
        {415, "Unsupported Media Type", "the server does not take this content type"},
        {422, "Unprocessable Content", "the server does not understand this description"},
        {428, "Precondition Required", "the server wants another If-Match"},
        {429, "Too Many Requests", "the server limits the rate of requests"},
        {500, "Internal Server Error", "the server failed"},
        {501, "Not Implemented", "the server does not do this"},
        {502, "Bad Gateway", "what stands behind the server failed"},
        {503, "Service Unavailable", "the server is overloaded or down"},
        {504, "Gateway Timeout", "what stands behind the server did not answer"},
    };
    static const struct status_text unknown = {0, "", ""};
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        if (texts[i].status == status) {
            return &texts[i];
        }
    }
    return &unknown;
}

/* The first line of the body that says something, unprintable bytes left out. */
static void first_line(const char *body, char out[static BODY_SHOWN_BYTES + 1])
{
    size_t n = 0;
    const char *at = body + strspn(body, " \t\r\n");
    for (; *at && *at != '\r' && *at != '\n' && n < BODY_SHOWN_BYTES; at++) {
        if ((unsigned char)*at >= ' ' && *at != 0x7f) {
            out[n++] = *at;
        }
    }
    out[n] = '\0';
}

void whip_describe(const struct sq_signal *w, const struct sq_http_response *answer,
                   const char *expected, char ret_text[static SQ_PEER_TEXT_MAX])
{
    if (answer->err) {
        snprintf(ret_text, SQ_PEER_TEXT_MAX, "%s", answer->text);
        return;
    }
    const struct status_text *status = find_status(answer->status);
    const char *retry = sq_http_header(answer, "Retry-After", 0);
    char line[BODY_SHOWN_BYTES + 1];
    first_line(answer->status < 400 ? "" : answer->body, line); /* else it may have a token in it */
    sq_secret_mask_tokens(line, strlen(line) == BODY_SHOWN_BYTES);
    int n = snprintf(ret_text, SQ_PEER_TEXT_MAX, "%s %.*s: %d%s%s, expected %s", methods[w->ask],
                     whip_shown(answer->final_url, URL_SHOWN_BYTES), answer->final_url,
                     answer->status, status->reason[0] ? " " : "", status->reason, expected);
    if (retry && n < SQ_PEER_TEXT_MAX) {
        n += snprintf(ret_text + n, SQ_PEER_TEXT_MAX - (size_t)n, "; Retry-After: %.32s", retry);
    }
    if (status->hint[0] && n < SQ_PEER_TEXT_MAX) {
        n += snprintf(ret_text + n, SQ_PEER_TEXT_MAX - (size_t)n, "; %s", status->hint);
    }
    if (answer->status == 401 && !whip_may_have_token(w, answer->final_url) &&
        n < SQ_PEER_TEXT_MAX) {
        n += snprintf(ret_text + n, SQ_PEER_TEXT_MAX - (size_t)n,
                      "; the token does not follow from https to http");
    }
    if (line[0] && n < SQ_PEER_TEXT_MAX) {
        snprintf(ret_text + n, SQ_PEER_TEXT_MAX - (size_t)n, "; '%s'", line);
    }
}

enum sq_cause whip_cause(const struct sq_http_response *answer)
{
    if (answer->err) {
        return sq_session_net_cause(answer->err, answer->during);
    }
    return answer->status == 401 || answer->status == 403 ? SQ_CAUSE_AUTH : SQ_CAUSE_SIGNALING;
}

/* ---- Link headers (RFC 8288) ---- */

/* One "; name=value" or "; name="value""; false where there is none. */
static bool next_parameter(struct sq_view *rest, struct sq_view *ret_name,
                           struct sq_view *ret_value)
{
    *rest = sq_view_trim(*rest);
    if (rest->len == 0 || rest->at[0] != ';') {
        return false;
    }
    struct sq_view v = sq_view_trim((struct sq_view){rest->at + 1, rest->len - 1});
    size_t n = 0;
    while (n < v.len && v.at[n] != '=' && v.at[n] != ';' && v.at[n] != ',') {
        n++;
    }
    *ret_name = sq_view_trim((struct sq_view){v.at, n});
    *ret_value = (struct sq_view){v.at + n, 0};
    v = (struct sq_view){v.at + n, v.len - n};
    if (v.len > 0 && v.at[0] == '=') {
        v = sq_view_trim((struct sq_view){v.at + 1, v.len - 1});
        bool quoted = v.len > 0 && v.at[0] == '"';
        size_t from = quoted ? 1 : 0;
        size_t to = from;
        while (to < v.len && (quoted ? v.at[to] != '"' : v.at[to] != ';' && v.at[to] != ',')) {
            to += quoted && v.at[to] == '\\' && to + 1 < v.len ? 2 : 1;
        }
        *ret_value = (struct sq_view){v.at + from, to - from};
        to += quoted && to < v.len ? 1 : 0;
        v = (struct sq_view){v.at + to, v.len - to};
    }
    *rest = v;
    return true;
}

bool whip_next_link(struct sq_view *rest, struct whip_link *ret_link)
{
    struct sq_view v = sq_view_trim(*rest);
    while (v.len > 0 && v.at[0] == ',') {
        v = sq_view_trim((struct sq_view){v.at + 1, v.len - 1});
    }
    const char *close = v.len > 0 && v.at[0] == '<' ? memchr(v.at, '>', v.len) : NULL;
    if (!close) {
        return false;
    }
    struct whip_link link = {.uri = {v.at + 1, (size_t)(close - v.at - 1)}};
    v = (struct sq_view){close + 1, v.len - (size_t)(close + 1 - v.at)};
    struct sq_view name;
    struct sq_view value;
    while (next_parameter(&v, &name, &value)) {
        if (sq_view_is_nocase(name, "rel")) {
            link.rel = value;
        } else if (sq_view_is_nocase(name, "username")) {
            link.username = value;
        }
    }
    *rest = v;
    *ret_link = link;
    return true;
}

void whip_note_ice_servers(struct sq_signal *w, const struct sq_http_response *answer)
{
    unsigned told = 0;
    const char *value;
    for (size_t i = 0; (value = sq_http_header(answer, "Link", i)) != NULL; i++) {
        struct sq_view rest = sq_view_of(value);
        struct whip_link link;
        while (told < WHIP_ICE_SERVERS_MAX && whip_next_link(&rest, &link)) {
            if (!sq_view_is_nocase(link.rel, "ice-server")) {
                continue;
            }
            bool turn = sq_view_starts(link.uri, "turn");
            told++;
            sq_session_note(&w->s, "the server names an ICE server: %.*s%s",
                            (int)sq_min_u64(link.uri.len, 120), link.uri.at,
                            turn ? " (not used: --turn says which relays are)" : "");
        }
    }
}
