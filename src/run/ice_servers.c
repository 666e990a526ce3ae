#include "run/ice_servers.h"

#include "base/mem.h"
#include "base/str.h"
#include "peer/turn/turn.h"
#include "scenario/steps.h"
#include "signal/jsontext.h"
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define STUN_PORT 3478
#define OPEN      '\x7f' /* in the place of a value that a step will give; JSON allows it */

struct reading {
    struct sq_ice_servers *servers;
    const char *user, *password;
    size_t turns, stuns;
    size_t at; /* the server's number, for messages */
    char *why;
    size_t why_room;
    bool checking; /* before the run: values are still to come */
    bool any_open; /* so is a URL */
};

static int refuse(const struct reading *r, const char *what)
{
    snprintf(r->why, r->why_room, "ICE server %zu: %s", r->at, what);
    return SQ_ERR_FORMAT;
}

/* "stun:host:port" is a "turn:" URL of another name. */
static int parse_url(const char *url, bool stun, struct sq_turn_url *ret_url, char *why,
                     size_t room)
{
    char as_turn[SQ_TURN_HOST_MAX + 64];
    if (!stun) {
        return sq_turn_url_parse(url, ret_url, why, room);
    }
    int len = snprintf(as_turn, sizeof(as_turn), "turn:%s", url + 5);
    if (len < 0 || (size_t)len >= sizeof(as_turn) || strchr(url, '?')) {
        snprintf(why, room, "expected stun:host or stun:host:port");
        return SQ_ERR_FORMAT;
    }
    return sq_turn_url_parse(as_turn, ret_url, why, room);
}

/* What it is, is known only with its values: all of it, a list, or what is behind such a scheme. */
static bool is_open(const char *url)
{
    static const char *const schemes[] = {"stun:", "stuns:", "turn:", "turns:"};
    const char *open = strchr(url, OPEN);
    bool fits = open && (url[0] == '[' || open < url + strcspn(url, ":"));
    for (size_t i = 0; open && i < sizeof(schemes) / sizeof(*schemes); i++) {
        fits = fits || strncasecmp(url, schemes[i], strlen(schemes[i])) == 0;
    }
    return fits;
}

static char *copy_of(const char *text)
{
    return text ? sq_strdup(text) : NULL;
}

static int add_url(struct reading *r, const char *url)
{
    struct sq_ice_servers *all = r->servers;
    char why[120], text[200];
    if (r->checking && is_open(url)) {
        r->any_open = true;
        return 0;
    }
    bool stun = strncmp(url, "stun:", 5) == 0;
    bool room = stun ? r->stuns < SQ_RELAY_SERVERS_MAX : r->turns < SQ_RELAY_SERVERS_MAX;
    if (strncmp(url, "stuns:", 6) == 0 || !room || all->n == SQ_ICE_SERVERS_URLS_MAX) {
        all->left_out++;
        return 0;
    }
    struct sq_ice_server *server = &all->list[all->n];
    *server = (struct sq_ice_server){.stun = stun};
    if (parse_url(url, stun, &server->url, why, sizeof(why)) != 0) {
        snprintf(text, sizeof(text), "'%.60s': %.110s", url, why);
        return refuse(r, text);
    }
    if (!stun && (!r->user || !r->password)) {
        snprintf(text, sizeof(text), "%.60s without %s", url, r->user ? "credential" : "username");
        return refuse(r, text);
    }
    if (!stun && strlen(r->user) > SQ_TURN_CRED_MAX) {
        return refuse(r, "a username that is too long: expected 512 bytes at most");
    }
    all->n++;
    r->turns += !stun;
    r->stuns += stun;
    server->text = sq_strdup(url);
    server->user = stun ? NULL : copy_of(r->user);
    server->password = stun ? NULL : copy_of(r->password);
    return server->text && (stun || (server->user && server->password)) ? 0 : SQ_ERR_NOMEM;
}

static int add_urls(struct reading *r, json_t *urls, bool within_text)
{
    size_t i;
    json_t *one;
    int err = 0;
    if (json_is_string(urls)) {
        const char *text = json_string_value(urls);
        if (text[0] != '[' || within_text || (r->checking && is_open(text))) {
            return add_url(r, text);
        }
        json_t *list = json_loads(text, 0, NULL); /* that a step took in one piece */
        err = list ? add_urls(r, list, true) : refuse(r, "urls begin with '[', and are no JSON");
        json_decref(list);
        return err;
    }
    if (!json_is_array(urls) || json_array_size(urls) == 0) {
        return refuse(r, "no urls: expected urls: \"turn:host:3478\", or a list of them");
    }
    json_array_foreach(urls, i, one)
    {
        if (!json_is_string(one)) {
            return refuse(r, "one of urls is no text");
        }
        err = err ? err : add_url(r, json_string_value(one));
    }
    return err;
}

/* NULL: there is none, or a number. */
static const char *text_at(json_t *object, const char *name)
{
    json_t *value = json_object_get(object, name);
    return sq_jsontext_digits(value) ? NULL : json_string_value(value);
}

static int add_server(struct reading *r, json_t *server)
{
    r->at++;
    if (!json_is_object(server)) {
        return refuse(r, "expected {urls, username, credential}");
    }
    json_t *urls = json_object_get(server, "urls");
    r->user = text_at(server, "username");
    r->password = text_at(server, "credential");
    return add_urls(r, urls ? urls : json_object_get(server, "url"), false);
}

static int read_root(struct reading *r, json_t *root)
{
    size_t i;
    json_t *one;
    int err = 0;
    if (json_is_object(root)) {
        json_t *inner = json_object_get(root, "iceServers"); /* a whole RTCConfiguration */
        return inner ? read_root(r, inner) : add_server(r, root);
    }
    if (!json_is_array(root) || json_array_size(root) == 0) {
        snprintf(r->why, r->why_room,
                 "expected a list of ICE servers: [{urls, username, credential}]");
        return SQ_ERR_FORMAT;
    }
    json_array_foreach(root, i, one)
    {
        err = err ? err : add_server(r, one);
    }
    return err;
}

static int parse(const char *json, size_t len, struct reading *r)
{
    json_error_t error = {.text = ""};
    json_t *root = sq_jsontext_parse(json, len, 0, &error);
    if (!root) {
        bool number = json_error_code(&error) == json_error_numeric_overflow;
        snprintf(r->why, r->why_room, "ICE servers %s: line %d: %.80s",
                 number ? "cannot be read" : "are no JSON", error.line, error.text);
        return SQ_ERR_FORMAT;
    }
    r->servers = sq_zalloc(sizeof(*r->servers));
    int err = r->servers ? read_root(r, root) : SQ_ERR_NOMEM;
    json_decref(root);
    if (!err && r->servers->n == 0 && !r->any_open) {
        snprintf(r->why, r->why_room,
                 "none of the ICE servers can be used: expected stun:, turn: or turns:");
        err = SQ_ERR_FORMAT;
    }
    return err;
}

int sq_ice_servers_parse(const char *json, size_t len, struct sq_ice_servers **ret_servers,
                         char *why, size_t why_room)
{
    struct reading r = {.why = why, .why_room = why_room};
    int err = parse(json, len, &r);
    if (err) {
        sq_ice_servers_free(r.servers);
        return err;
    }
    *ret_servers = r.servers;
    return 0;
}

int sq_ice_servers_check(const char *json, char *why, size_t why_room)
{
    struct reading r = {.why = why, .why_room = why_room, .checking = true};
    struct sq_buf open = {0};
    const char open_text[] = {OPEN, '\0'};
    for (const char *p = json; p;) {
        const char *mark = strchr(p, SQ_STEP_MARK);
        const char *end = mark ? strchr(mark, SQ_STEP_MARK_END) : NULL;
        sq_buf_add(&open, p, mark ? (size_t)(mark - p) : strlen(p));
        sq_buf_puts(&open, mark ? open_text : "");
        p = end ? end + 1 : NULL;
    }
    int err = open.err ? open.err : parse(open.text ? open.text : "", open.len, &r);
    sq_buf_free(&open);
    sq_ice_servers_free(r.servers);
    return err;
}

void sq_ice_servers_free(struct sq_ice_servers *servers)
{
    for (size_t i = 0; servers && i < servers->n; i++) {
        sq_free(servers->list[i].text);
        sq_free(servers->list[i].user);
        sq_free(servers->list[i].password);
    }
    sq_free(servers);
}
