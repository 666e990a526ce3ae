#include "signal/room/room_proto.h"

#include "base/mem.h"
#include "base/str.h"
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const type_names[SQ_ROOM_TYPES] = {
    "join", "joined", "offer", "answer", "candidate", "restart", "leave", "left", "error",
};

const char *sq_room_type_name(enum sq_room_type type)
{
    return (unsigned)type < SQ_ROOM_TYPES ? type_names[type] : "?";
}

/* ---- Reading ---- */

struct reader {
    json_t *root;
    const char *type;
    char *why;
    int err;
};

static void refuse(struct reader *r, const char *fmt, ...) SQ_PRINTF(2, 3);

static void refuse(struct reader *r, const char *fmt, ...)
{
    if (r->err) {
        return;
    }
    va_list args;
    va_start(args, fmt);
    vsnprintf(r->why, SQ_ROOM_WHY_MAX, fmt, args);
    va_end(args);
    r->err = SQ_ERR_FORMAT;
}

/* What a text must be. */
enum need { OPTIONAL, REQUIRED, FILLED };

static const char *read_text(struct reader *r, const json_t *object, const char *key, size_t max,
                             enum need need)
{
    const json_t *value = json_object_get(object, key);
    if (!value && need == OPTIONAL) {
        return "";
    }
    if (!json_is_string(value)) {
        refuse(r, "%s: expected a text in \"%s\"", r->type, key);
        return "";
    }
    size_t len = json_string_length(value);
    if (len > max) {
        refuse(r, "%s: \"%s\" has %zu bytes, at most %zu are allowed", r->type, key, len, max);
        return "";
    }
    if (len == 0 && need == FILLED) {
        refuse(r, "%s: \"%s\" is empty", r->type, key);
    }
    return json_string_value(value);
}

static void read_join(struct reader *r, struct sq_room_msg *msg)
{
    msg->room = read_text(r, r->root, "room", SQ_ROOM_NAME_MAX, FILLED);
    msg->name = read_text(r, r->root, "name", SQ_ROOM_NAME_MAX, OPTIONAL);
    msg->token = read_text(r, r->root, "token", SQ_ROOM_TOKEN_MAX, OPTIONAL);
    const json_t *subscribe = json_object_get(r->root, "subscribe");
    if (subscribe && !json_is_boolean(subscribe)) {
        refuse(r, "join: expected true or false in \"subscribe\"");
    }
    msg->subscribe = !subscribe || json_is_true(subscribe);
    const json_t *simulcast = json_object_get(r->root, "simulcast");
    if (simulcast && !json_is_boolean(simulcast)) {
        refuse(r, "join: expected true or false in \"simulcast\"");
    }
    msg->simulcast = json_is_true(simulcast);
    const json_t *layer = json_object_get(r->root, "layer");
    if (layer && (!json_is_integer(layer) || json_integer_value(layer) < 0 ||
                  json_integer_value(layer) > 2)) {
        refuse(r, "join: expected a number from 0 to 2 in \"layer\"");
    } else if (layer) {
        msg->layer_limit = (unsigned)json_integer_value(layer) + 1;
    }
    const json_t *publish = json_object_get(r->root, "publish");
    if (publish && (!json_is_array(publish) || json_array_size(publish) > 3)) {
        refuse(r, "join: expected a list of \"audio\", \"video\" and \"data\" in \"publish\"");
    }
    for (size_t i = 0; i < json_array_size(publish); i++) {
        const char *kind = json_string_value(json_array_get(publish, i));
        if (kind && strcmp(kind, "audio") == 0) {
            msg->publish_audio = true;
        } else if (kind && strcmp(kind, "video") == 0) {
            msg->publish_video = true;
        } else if (kind && strcmp(kind, "data") == 0) {
            msg->publish_data = true;
        } else {
            refuse(r, "join: expected \"audio\", \"video\" or \"data\" in \"publish\"");
        }
    }
}

static void read_seq(struct reader *r, struct sq_room_msg *msg)
{
    const json_t *seq = json_object_get(r->root, "seq");
    json_int_t n = json_integer_value(seq);
    if (!json_is_integer(seq) || n < 0 || n > UINT32_MAX) {
        refuse(r, "%s: expected a number from 0 to 4294967295 in \"seq\"", r->type);
        return;
    }
    msg->seq = (uint32_t)n;
}

static void read_tracks(struct reader *r, struct sq_room_msg *msg)
{
    const json_t *list = json_object_get(r->root, "tracks");
    size_t n = json_array_size(list);
    if ((list && !json_is_array(list)) || n > SQ_ROOM_TRACKS_MAX) {
        refuse(r, "%s: expected a list of at most %d in \"tracks\"", r->type, SQ_ROOM_TRACKS_MAX);
    }
    if (r->err || n == 0) {
        return;
    }
    struct sq_room_track *tracks = sq_calloc(n, sizeof(*tracks));
    if (!tracks) {
        r->err = SQ_ERR_NOMEM;
        return;
    }
    msg->tracks = msg->own_tracks = tracks;
    msg->tracks_len = n;
    for (size_t i = 0; i < n; i++) {
        const json_t *one = json_array_get(list, i);
        tracks[i].mid = read_text(r, one, "mid", SQ_ROOM_NAME_MAX, REQUIRED);
        tracks[i].id = read_text(r, one, "id", SQ_ROOM_NAME_MAX, REQUIRED);
        tracks[i].name = read_text(r, one, "name", SQ_ROOM_NAME_MAX, OPTIONAL);
    }
}

static void read_fields(struct reader *r, struct sq_room_msg *msg)
{
    switch (msg->type) {
    case SQ_ROOM_JOIN:
        read_join(r, msg);
        break;
    case SQ_ROOM_JOINED:
        msg->id = read_text(r, r->root, "id", SQ_ROOM_NAME_MAX, FILLED);
        break;
    case SQ_ROOM_OFFER:
    case SQ_ROOM_ANSWER:
        msg->sdp = read_text(r, r->root, "sdp", SQ_ROOM_SDP_MAX, FILLED);
        read_seq(r, msg);
        if (msg->type == SQ_ROOM_OFFER) {
            read_tracks(r, msg);
        }
        break;
    case SQ_ROOM_CANDIDATE:
        msg->candidate = read_text(r, r->root, "candidate", SQ_ROOM_CANDIDATE_MAX, REQUIRED);
        break;
    case SQ_ROOM_ERROR:
        msg->code = read_text(r, r->root, "code", SQ_ROOM_NAME_MAX, FILLED);
        msg->text = read_text(r, r->root, "text", SQ_ROOM_TEXT_MAX, OPTIONAL);
        break;
    default:
        break;
    }
}

static int find_type(const char *name, enum sq_room_type *ret_type)
{
    for (unsigned i = 0; i < SQ_ROOM_TYPES; i++) {
        if (strcmp(name, type_names[i]) == 0) {
            *ret_type = (enum sq_room_type)i;
            return 0;
        }
    }
    return SQ_ERR_UNSUPPORTED;
}

static int load(const char *text, size_t len, json_t **ret_root, char *why)
{
    json_error_t error;
    if (len > SQ_ROOM_MESSAGE_MAX) {
        snprintf(why, SQ_ROOM_WHY_MAX, "a message of %zu bytes, at most %d are allowed", len,
                 SQ_ROOM_MESSAGE_MAX);
        return SQ_ERR_FORMAT;
    }
    /* Without memory jansson (2.14) blames the text, and reads past the end of a string. */
    if (sq_mem_is_short()) {
        return SQ_ERR_NOMEM;
    }
    json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
    if (!root && !error.text[0]) {
        return SQ_ERR_NOMEM;
    }
    if (!root) {
        snprintf(why, SQ_ROOM_WHY_MAX, "not JSON: line %d, column %d: %.100s", error.line,
                 error.column, error.text);
        return SQ_ERR_FORMAT;
    }
    if (!json_is_object(root)) {
        json_decref(root);
        snprintf(why, SQ_ROOM_WHY_MAX, "expected an object {\"type\": …}");
        return SQ_ERR_FORMAT;
    }
    *ret_root = root;
    return 0;
}

int sq_room_parse(const char *text, size_t len, struct sq_room_msg *ret_msg,
                  char why[static SQ_ROOM_WHY_MAX])
{
    struct sq_room_msg msg = {.room = "",
                              .name = "",
                              .token = "",
                              .id = "",
                              .sdp = "",
                              .candidate = "",
                              .code = "",
                              .text = ""};
    struct reader r = {.type = "message", .why = why};
    snprintf(why, SQ_ROOM_WHY_MAX, "no memory");
    int err = load(text, len, &r.root, why);
    if (err) {
        return err;
    }
    msg.store = r.root;
    const char *type = read_text(&r, r.root, "type", SQ_ROOM_NAME_MAX, FILLED);
    err = r.err ? r.err : find_type(type, &msg.type);
    if (err == SQ_ERR_UNSUPPORTED) {
        snprintf(why, SQ_ROOM_WHY_MAX, "unknown type \"%.64s\"", type);
    }
    if (!err) {
        r.type = sq_room_type_name(msg.type);
        read_fields(&r, &msg);
        err = r.err;
    }
    if (err) {
        sq_room_msg_free(&msg);
        return err;
    }
    *ret_msg = msg;
    return 0;
}

void sq_room_msg_free(struct sq_room_msg *msg)
{
    if (msg) {
        sq_free(msg->own_tracks);
        json_decref(msg->store);
        *msg = (struct sq_room_msg){0};
    }
}

/* ---- Writing ---- */

/* Length of the UTF-8 sequence at `s` (RFC 3629, section 4), 0 if there is none. */
static size_t sequence(const unsigned char *s)
{
    size_t n = s[0] < 0x80                    ? 1
               : s[0] >= 0xc2 && s[0] <= 0xdf ? 2
               : (s[0] & 0xf0) == 0xe0        ? 3
               : s[0] >= 0xf0 && s[0] <= 0xf4 ? 4
                                              : 0;
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    bool bad = (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
               (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f);
    return bad ? 0 : n;
}

void sq_room_put_string(struct sq_buf *b, const char *text)
{
    sq_buf_puts(b, "\"");
    for (const unsigned char *s = (const unsigned char *)(text ? text : ""); *s;) {
        size_t n = sequence(s);
        if (n == 0) {
            sq_buf_puts(b, "\xef\xbf\xbd");
            s++;
            continue;
        }
        if (*s == '\r') {
            sq_buf_puts(b, "\\r");
        } else if (*s == '\n') {
            sq_buf_puts(b, "\\n");
        } else if (*s < 0x20) {
            sq_buf_printf(b, "\\u%04x", *s);
        } else if (*s == '"' || *s == '\\') {
            sq_buf_printf(b, "\\%c", *s);
        } else {
            sq_buf_add(b, s, n);
        }
        s += n;
    }
    sq_buf_puts(b, "\"");
}

static void put_text(struct sq_buf *b, const char *key, const char *text)
{
    sq_buf_printf(b, ",\"%s\":", key);
    sq_room_put_string(b, text);
}

static void put_join(struct sq_buf *b, const struct sq_room_msg *msg)
{
    put_text(b, "room", msg->room);
    put_text(b, "name", msg->name);
    bool media = msg->publish_audio || msg->publish_video;
    sq_buf_printf(
        b, ",\"publish\":[%s%s%s%s],\"subscribe\":%s", msg->publish_audio ? "\"audio\"" : "",
        msg->publish_audio && msg->publish_video ? "," : "", msg->publish_video ? "\"video\"" : "",
        !msg->publish_data ? ""
        : media            ? ",\"data\""
                           : "\"data\"",
        msg->subscribe ? "true" : "false");
    if (msg->simulcast) {
        sq_buf_puts(b, ",\"simulcast\":true");
    }
    if (msg->layer_limit) {
        sq_buf_printf(b, ",\"layer\":%u", msg->layer_limit - 1);
    }
    if (msg->token && *msg->token) {
        put_text(b, "token", msg->token);
    }
}

static void put_tracks(struct sq_buf *b, const struct sq_room_msg *msg)
{
    sq_buf_puts(b, ",\"tracks\":[");
    for (size_t i = 0; i < msg->tracks_len; i++) {
        sq_buf_puts(b, i ? ",{\"mid\":" : "{\"mid\":");
        sq_room_put_string(b, msg->tracks[i].mid);
        put_text(b, "id", msg->tracks[i].id);
        put_text(b, "name", msg->tracks[i].name);
        sq_buf_puts(b, "}");
    }
    sq_buf_puts(b, "]");
}

char *sq_room_write(const struct sq_room_msg *msg)
{
    struct sq_buf b = {0};
    sq_buf_printf(&b, "{\"type\":\"%s\"", sq_room_type_name(msg->type));
    switch (msg->type) {
    case SQ_ROOM_JOIN:
        put_join(&b, msg);
        break;
    case SQ_ROOM_JOINED:
        put_text(&b, "id", msg->id);
        break;
    case SQ_ROOM_OFFER:
    case SQ_ROOM_ANSWER:
        sq_buf_printf(&b, ",\"seq\":%u", msg->seq);
        if (msg->type == SQ_ROOM_OFFER) {
            put_tracks(&b, msg);
        }
        put_text(&b, "sdp", msg->sdp);
        break;
    case SQ_ROOM_CANDIDATE:
        put_text(&b, "candidate", msg->candidate);
        break;
    case SQ_ROOM_ERROR:
        put_text(&b, "code", msg->code);
        put_text(&b, "text", msg->text);
        break;
    default:
        break;
    }
    sq_buf_puts(&b, "}");
    return sq_buf_take(&b);
}

/* ---- Fuzzing ---- */

static bool same_tracks(const struct sq_room_msg *a, const struct sq_room_msg *b)
{
    if (a->tracks_len != b->tracks_len) {
        return false;
    }
    for (size_t i = 0; i < a->tracks_len; i++) {
        if (strcmp(a->tracks[i].mid, b->tracks[i].mid) != 0 ||
            strcmp(a->tracks[i].id, b->tracks[i].id) != 0 ||
            strcmp(a->tracks[i].name, b->tracks[i].name) != 0) {
            return false;
        }
    }
    return true;
}

static bool same(const struct sq_room_msg *a, const struct sq_room_msg *b)
{
    return a->type == b->type && a->publish_audio == b->publish_audio &&
           a->publish_video == b->publish_video && a->publish_data == b->publish_data &&
           a->subscribe == b->subscribe && a->simulcast == b->simulcast &&
           a->layer_limit == b->layer_limit && a->seq == b->seq && strcmp(a->room, b->room) == 0 &&
           strcmp(a->name, b->name) == 0 && strcmp(a->token, b->token) == 0 &&
           strcmp(a->id, b->id) == 0 && strcmp(a->sdp, b->sdp) == 0 &&
           strcmp(a->candidate, b->candidate) == 0 && strcmp(a->code, b->code) == 0 &&
           strcmp(a->text, b->text) == 0 && same_tracks(a, b);
}

void sq_room_fuzz(const uint8_t *data, size_t len)
{
    char why[SQ_ROOM_WHY_MAX];
    struct sq_room_msg msg, again;
    if (sq_room_parse((const char *)data, len, &msg, why) != 0) {
        return;
    }
    char *text = sq_room_write(&msg);
    if (text && strlen(text) <= SQ_ROOM_MESSAGE_MAX) {
        if (sq_room_parse(text, strlen(text), &again, why) != 0 || !same(&msg, &again)) {
            abort();
        }
        sq_room_msg_free(&again);
    }
    sq_free(text);
    sq_room_msg_free(&msg);
}
