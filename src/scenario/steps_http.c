/* The step `http`: a request, what its answer has to be, and what is taken out of it. */
#include "base/mem.h"
#include "scenario/scenario_int.h"
#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* ---- What is taken ---- */

/* RFC 6901, section 3: "" or "/…", and "~" only as "~0" and "~1". */
bool sq_scenario_is_pointer(const char *text)
{
    bool well = text[0] == '\0' || text[0] == '/';
    for (const char *p = text; well && (p = strchr(p, '~')); p++) {
        well = p[1] == '0' || p[1] == '1';
    }
    return well;
}

static int read_regex(struct sq_scenario_reader *r, const struct sq_yaml_node *node,
                      struct sq_step_take *take)
{
    char why[120];
    int bad = regcomp(&take->regex, node->text, REG_EXTENDED);
    if (bad) {
        regerror(bad, &take->regex, why, sizeof(why));
        return sq_scenario_refuse(r, SQ_ERR_FORMAT, node->at,
                                  "regex '%.100s': %s; expected a POSIX extended expression with "
                                  "one group, such as 'id=([0-9]+)'",
                                  node->text, why);
    }
    take->how = SQ_STEP_TAKE_REGEX; /* from here on it is freed */
    if (take->regex.re_nsub != 1) {
        return sq_scenario_refuse(r, SQ_ERR_FORMAT, node->at,
                                  "regex '%.100s': it has %zu groups; expected one, around what is "
                                  "taken: 'id=([0-9]+)'",
                                  node->text, take->regex.re_nsub);
    }
    return 0;
}

static int read_pointer(struct sq_scenario_reader *r, const struct sq_yaml_node *node, bool headers)
{
    if (!sq_scenario_is_pointer(node->text)) {
        return sq_scenario_refuse(r, SQ_ERR_FORMAT, node->at,
                                  "'%.100s': expected a JSON pointer (RFC 6901) such as /token or "
                                  "/iceServers/0/username, or {regex: …}%s",
                                  node->text, headers ? " or {header: …}" : "");
    }
    return 0;
}

static int read_take(struct sq_scenario_reader *r, const struct sq_yaml_node *node, bool headers,
                     struct sq_step_take *takes, size_t *len)
{
    const char *const words[] = {"json", "regex", headers ? "header" : NULL, NULL};
    const struct sq_yaml_node *what = node;
    size_t how = 0;
    if (*len == SQ_STEP_TAKES_MAX) {
        return sq_scenario_refuse(r, SQ_ERR_UNSUPPORTED, node->key->at,
                                  "more than %d values of one answer", SQ_STEP_TAKES_MAX);
    }
    if (node->kind == SQ_YAML_MAP && node->first && !node->first->next) {
        what = node->first;
        int err = sq_scenario_read_word(r, what->key, words, &how);
        if (err) {
            return err;
        }
    }
    if (what->kind != SQ_YAML_TEXT || (how > 0 && !what->text[0])) {
        return sq_scenario_refuse_kind(r, node,
                                       headers
                                           ? "a JSON pointer such as /token, or one of {json: …}, "
                                             "{regex: …} and {header: …}"
                                           : "a JSON pointer such as /token, or {regex: …}");
    }
    struct sq_step_take *take = &takes[(*len)++];
    int err = how == SQ_STEP_TAKE_REGEX ? read_regex(r, what, take) : 0;
    err = err || how != SQ_STEP_TAKE_JSON ? err : read_pointer(r, what, headers);
    if (!err) {
        take->how = how == 0   ? SQ_STEP_TAKE_JSON
                    : how == 1 ? SQ_STEP_TAKE_REGEX
                               : SQ_STEP_TAKE_HEADER;
        take->name = sq_scenario_keep(r, node->key->text);
        take->what = sq_scenario_keep(r, what->text);
        err = take->name && take->what ? 0 : SQ_ERR_NOMEM;
    }
    return err;
}

int sq_scenario_read_takes(struct sq_scenario_reader *r, const struct sq_yaml_node *node,
                           bool headers, struct sq_step_take *takes, size_t *len)
{
    if (node->kind != SQ_YAML_MAP || !node->first) {
        return sq_scenario_refuse_kind(r, node,
                                       "names and where their values are: {token: /token}");
    }
    int err = 0;
    for (const struct sq_yaml_node *item = node->first; !err && item; item = item->next) {
        err = read_take(r, item, headers, takes, len);
    }
    return err;
}

void sq_scenario_free_takes(struct sq_step_take *takes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (takes[i].how == SQ_STEP_TAKE_REGEX) {
            regfree(&takes[i].regex);
        }
    }
}

/* ---- The request ---- */

static bool is_token(const char *text) /* RFC 9110, section 5.6.2 */
{
    const char *p = text;
    while (isalnum((unsigned char)*p) || (*p && strchr("!#$%&'*+-.^_`|~", *p))) {
        p++;
    }
    return p > text && *p == '\0';
}

static int add_header(struct sq_scenario_reader *r, const char **headers, size_t *len,
                      const char *name, const char *value)
{
    struct sq_buf line = {0};
    sq_buf_printf(&line, "%s: %s", name, value);
    const char *kept = sq_scenario_keep_buf(r, &line);
    headers[*len] = kept;
    *len += kept != NULL;
    return kept ? 0 : SQ_ERR_NOMEM;
}

int sq_scenario_read_headers(struct sq_scenario_reader *r, const struct sq_yaml_node *node,
                             const char **headers, size_t *len)
{
    if (node->kind != SQ_YAML_MAP) {
        return sq_scenario_refuse_kind(r, node, "headers: {X-Key: ${KEY}}");
    }
    int err = 0;
    for (const struct sq_yaml_node *item = node->first; !err && item; item = item->next) {
        if (!is_token(item->key->text)) {
            return sq_scenario_refuse(r, SQ_ERR_FORMAT, item->key->at,
                                      "'%.60s' is no name of a header", item->key->text);
        }
        if (*len == SQ_STEP_HEADERS_MAX) {
            return sq_scenario_refuse(r, SQ_ERR_UNSUPPORTED, item->key->at, "more than %d headers",
                                      SQ_STEP_HEADERS_MAX);
        }
        err = sq_scenario_need_text(r, item, "a header's value");
        const char *value = err ? NULL : sq_scenario_step_text(r, item, false, &err);
        if (!err && strpbrk(value, "\r\n")) {
            return sq_scenario_refuse(r, SQ_ERR_FORMAT, item->at,
                                      "a header's value on several lines; expected one");
        }
        err = err ? err : add_header(r, headers, len, item->key->text, value);
    }
    return err;
}

/* "200", "200-299", "2xx" */
static int read_status(struct sq_scenario_reader *r, const struct sq_yaml_node *node,
                       struct sq_step_http *http)
{
    const char *t = node->kind == SQ_YAML_TEXT ? node->text : "";
    int least = 0, most = 0, len = 0;
    if (strlen(t) == 3 && t[0] >= '1' && t[0] <= '5' && strcmp(t + 1, "xx") == 0) {
        least = (t[0] - '0') * 100;
        most = least + 99;
    } else if (sscanf(t, "%3d-%3d%n", &least, &most, &len) != 2 || t[len]) {
        len = 0;
        most = sscanf(t, "%3d%n", &least, &len) == 1 && !t[len] ? least : -1;
    }
    if (least < 100 || most > 599 || most < least) {
        return sq_scenario_refuse_kind(r, node, "a status such as 200, 200-204 or 2xx");
    }
    http->status_least = least;
    http->status_most = most;
    return 0;
}

const char *const sq_scenario_http_methods[] = {"GET",    "POST", "PUT", "PATCH",
                                                "DELETE", "HEAD", NULL};

static int read_method(struct sq_scenario_reader *r, const struct sq_yaml_node *node,
                       struct sq_step_http *http)
{
    size_t i = 0;
    int err = sq_scenario_read_word(r, node, sq_scenario_http_methods, &i);
    http->method = err ? NULL : sq_scenario_http_methods[i];
    return err;
}

static int read_url(struct sq_scenario_reader *r, const struct sq_yaml_node *node,
                    struct sq_step_http *http)
{
    int err = sq_scenario_need_text(r, node, "a URL such as https://host/token");
    http->url = err ? NULL : sq_scenario_step_text(r, node, false, &err);
    if (!err && strncmp(http->url, "http://", 7) != 0 && strncmp(http->url, "https://", 8) != 0 &&
        http->url[0] != SQ_STEP_MARK) {
        return sq_scenario_refuse_kind(r, node, "a URL that begins with http:// or https://");
    }
    return err;
}

static int read_body(struct sq_scenario_reader *r, const struct sq_yaml_node *node, bool json,
                     struct sq_step_http *http)
{
    if (http->body) {
        return sq_scenario_refuse(r, SQ_ERR_INVALID, node->key->at,
                                  "json and body: expected one of them");
    }
    http->json = json;
    return sq_scenario_read_body(r, node, json, "the text of the body", &http->body);
}

static int read_item(struct sq_scenario_reader *r, const struct sq_yaml_node *item,
                     struct sq_step_http *http)
{
    static const char *const words[] = {"method", "url",  "headers", "json", "body",
                                        "expect", "take", "timeout", NULL};
    size_t i = 0;
    int err = sq_scenario_read_word(r, item->key, words, &i);
    if (err) {
        return err;
    }
    switch (i) {
    case 0:
        return read_method(r, item, http);
    case 1:
        return read_url(r, item, http);
    case 2:
        return sq_scenario_read_headers(r, item, http->headers, &http->headers_len);
    case 3:
    case 4:
        return read_body(r, item, i == 3, http);
    case 5:
        return read_status(r, item, http);
    case 6:
        return sq_scenario_read_takes(r, item, true, http->takes, &http->takes_len);
    default:
        return sq_scenario_step_duration(r, item, &http->timeout_ns);
    }
}

static bool has_header(const struct sq_step_http *http, const char *name)
{
    bool has = false;
    for (size_t i = 0; i < http->headers_len; i++) {
        struct sq_view line = sq_view_of(http->headers[i]);
        has = has || sq_view_is_nocase(sq_view_cut(&line, ':'), name);
    }
    return has;
}

int sq_scenario_read_http(struct sq_scenario_reader *r, const struct sq_yaml_node *node,
                          struct sq_step *step)
{
    struct sq_step_http *http = sq_zalloc(sizeof(*http));
    if (!http) {
        return SQ_ERR_NOMEM;
    }
    step->http = http;
    http->status_least = 200;
    http->status_most = 299;
    int err = 0;
    if (node->kind == SQ_YAML_TEXT) { /* http: https://host/x */
        err = read_url(r, node, http);
    }
    for (const struct sq_yaml_node *item = node->first; !err && item; item = item->next) {
        err = node->kind == SQ_YAML_MAP ? read_item(r, item, http)
                                        : sq_scenario_refuse_kind(r, node, "{url: …}");
    }
    if (!err && !http->url) {
        return sq_scenario_refuse(r, SQ_ERR_INVALID, node->at,
                                  "http without a url: expected {url: https://host/token, …}");
    }
    if (!err && !http->method) {
        http->method = http->body ? "POST" : "GET";
    }
    if (!err && http->json && !has_header(http, "Content-Type")) {
        err = add_header(r, http->headers, &http->headers_len, "Content-Type", "application/json");
    }
    return err;
}
