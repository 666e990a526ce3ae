/* The plug-in videoroom: the room, and the handle that joins it as publisher. A viewer joins so,
 * too, without publishing: that is how a client hears who publishes. */
#include "signal/janus/janus_int.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROOM_PUBLISHERS_DEFAULT 1000 /* of a room that we make; Janus' own default is 3 */

static void join(struct sq_signal *j);

/* ---- The room's id ---- */

static bool is_number(const char *text)
{
    uint64_t number;
    return text[0] && sq_view_u64(sq_view_of(text), INT64_MAX / 2, &number) == 0;
}

int janus_room_check(const struct sq_target *target, char why[SQ_PEER_TEXT_MAX])
{
    static const char *const known[] = {"plugin", "room",       "pin",   "secret",    "apisecret",
                                        "create", "publishers", "token", "admin_key", "room_token"};
    for (size_t i = 0; i < target->params_len; i++) {
        bool found = false;
        for (size_t k = 0; k < sizeof(known) / sizeof(*known); k++) {
            found = found || strcmp(target->params[i].name, known[k]) == 0;
        }
        if (!found) {
            snprintf(why, SQ_PEER_TEXT_MAX,
                     "unknown parameter '%.40s': videoroom takes room, pin, create, publishers, "
                     "secret, room_token, admin_key, token and apisecret",
                     target->params[i].name);
            return SQ_ERR_INVALID;
        }
    }
    const char *room = sq_target_param(target, "room");
    const char *create = sq_target_param(target, "create");
    const char *publishers = sq_target_param(target, "publishers");
    if (room && !room[0]) {
        snprintf(why, SQ_PEER_TEXT_MAX, "room= is empty: expected the id of a room");
        return SQ_ERR_INVALID;
    }
    if (create && strcmp(create, "0") != 0 && strcmp(create, "1") != 0) {
        snprintf(why, SQ_PEER_TEXT_MAX, "create=%.40s: expected 0 or 1", create);
        return SQ_ERR_INVALID;
    }
    if (publishers && !is_number(publishers)) {
        snprintf(why, SQ_PEER_TEXT_MAX, "publishers=%.40s: expected a number", publishers);
        return SQ_ERR_INVALID;
    }
    return 0;
}

/* The run took its name from room=, where the target has one. */
static json_t *room_id(const struct sq_signal *j)
{
    const char *room = j->s.user->room;
    return is_number(room) ? json_integer(strtoll(room, NULL, 10)) : json_string(room);
}

static void set_text(json_t *body, const char *key, const char *value)
{
    if (value) {
        int bad = json_object_set_new(body, key, json_string(value));
        (void)bad; /* not UTF-8, or no memory: the server will say that it is missing */
    }
}

json_t *janus_room_body(struct sq_signal *j, bool joins)
{
    json_t *body = json_object();
    int bad = json_object_set(body, "room", j->room);
    (void)bad;
    set_text(body, "pin", sq_target_param(j->target, "pin"));
    if (joins) {
        set_text(body, "token", sq_target_param(j->target, "room_token"));
    }
    return body;
}

/* ---- Making it ---- */

static void on_room_created(struct sq_signal *j, struct janus_handle *handle,
                            const struct janus_reply *reply)
{
    (void)handle;
    if (sq_session_is_done(&j->s)) {
        return;
    }
    if (reply->code && !(reply->plugin_error && reply->code == ROOM_ERROR_ROOM_EXISTS)) {
        janus_refused(j, "create of the room", reply);
        return;
    }
    sq_session_note(&j->s, "janus: the room was missing, %s",
                    reply->code ? "another user made it" : "made it");
    join(j);
}

static void create_room(struct sq_signal *j)
{
    const char *publishers = sq_target_param(j->target, "publishers");
    json_t *body = janus_room_body(j, false);
    json_int_t most = publishers ? strtoll(publishers, NULL, 10) : ROOM_PUBLISHERS_DEFAULT;
    int bad = json_object_set_new(body, "publishers", json_integer(most));
    bad |= json_object_set_new(body, "description", json_string("Squall"));
    bad |= json_object_set_new(body, "permanent", json_false());
    set_text(body, "secret", sq_target_param(j->target, "secret"));
    set_text(body, "admin_key", sq_target_param(j->target, "admin_key"));
    if (bad) {
        json_decref(body);
        body = NULL;
    }
    janus_request(j, &j->main, "create", body, NULL, on_room_created);
}

/* ---- Joining and publishing ---- */

void janus_room_check_joined(struct sq_signal *j)
{
    if (j->in_room && j->published && janus_sub_is_settled(j)) {
        sq_session_joined(&j->s);
    }
}

static void on_published(struct sq_signal *j, struct janus_handle *handle,
                         const struct janus_reply *reply)
{
    if (sq_session_is_done(&j->s)) {
        return;
    }
    if (reply->code) {
        janus_refused(j, "configure", reply);
    } else if (janus_take_answer(j, handle, reply)) {
        j->published = true;
        janus_room_check_joined(j);
    }
}

static void send_offer(struct sq_signal *j, struct janus_handle *handle)
{
    const struct sq_signal_user *user = j->s.user;
    janus_request(j, handle, "configure",
                  json_pack("{sbsb}", "audio", user->send_audio, "video", user->send_video),
                  "offer", on_published);
    janus_described(j, handle);
}

static void publish(struct sq_signal *j)
{
    if (janus_make_peer(j, &j->main) && janus_add_tracks(j, &j->main, false)) {
        janus_offer(j, &j->main, false, send_offer);
    }
}

static void on_joined(struct sq_signal *j, struct janus_handle *handle,
                      const struct janus_reply *reply)
{
    (void)handle;
    const struct sq_signal_user *user = j->s.user;
    const char *create = sq_target_param(j->target, "create");
    const char *what = json_string_value(json_object_get(reply->data, "videoroom"));
    if (sq_session_is_done(&j->s)) {
        return;
    }
    if (reply->plugin_error && reply->code == ROOM_ERROR_NO_SUCH_ROOM && create &&
        create[0] == '1' && !j->create_tried) {
        j->create_tried = true;
        create_room(j);
        return;
    }
    if (reply->code) {
        char *room = json_dumps(j->room, JSON_ENCODE_ANY);
        char text[80];
        snprintf(text, sizeof(text), "join of room %.50s", room ? room : "");
        free(room);
        janus_refused(j, text, reply);
        return;
    }
    if (!what || strcmp(what, "joined") != 0) {
        sq_session_fail(&j->s, SQ_CAUSE_PROTOCOL, "Janus answered 'join' with '%.60s'",
                        what ? what : "no videoroom event");
        return;
    }
    j->in_room = true;
    j->private_id = json_integer_value(json_object_get(reply->data, "private_id"));
    j->published = !user->send_audio && !user->send_video && !user->send_data;
    sq_session_note(&j->s, "janus: in the room, %zu publishers",
                    json_array_size(json_object_get(reply->data, "publishers")));
    if (!j->published) {
        publish(j);
    }
    janus_sub_publishers(j, json_object_get(reply->data, "publishers"), true);
    janus_room_check_joined(j);
}

static void join(struct sq_signal *j)
{
    json_t *body = janus_room_body(j, true);
    set_text(body, "ptype", "publisher");
    set_text(body, "display", j->s.user->name);
    janus_request(j, &j->main, "join", body, NULL, on_joined);
}

void janus_room_start(struct sq_signal *j)
{
    j->room = room_id(j);
    if (!j->room) {
        sq_session_fail(&j->s, SQ_CAUSE_PROTOCOL, "the room's id is not UTF-8");
        return;
    }
    join(j);
}

/* ---- Events ---- */

static bool is_ok(json_t *value)
{
    const char *text = json_string_value(value);
    return text && strcmp(text, "ok") == 0;
}

void janus_room_event(struct sq_signal *j, const struct janus_reply *reply)
{
    const char *what = json_string_value(json_object_get(reply->data, "videoroom"));
    json_t *leaving = json_object_get(reply->data, "leaving");
    json_t *unpublished = json_object_get(reply->data, "unpublished");
    const char *reason = json_string_value(json_object_get(reply->data, "reason"));
    if (reply->code) {
        janus_refused(j, "a request", reply);
    } else if (what && strcmp(what, "destroyed") == 0) {
        sq_session_fail(&j->s, SQ_CAUSE_SIGNALING, "the room was destroyed");
    } else if (is_ok(leaving)) {
        sq_session_fail(&j->s, SQ_CAUSE_SIGNALING, "Janus put us out of the room%s%.60s",
                        reason ? ": " : "", reason ? reason : "");
    } else {
        janus_sub_publishers(j, json_object_get(reply->data, "publishers"), false);
        if (leaving) {
            janus_sub_gone(j, leaving);
        }
        if (unpublished && !is_ok(unpublished)) {
            janus_sub_gone(j, unpublished);
        }
    }
}

void janus_room_restart(struct sq_signal *j)
{
    if (j->main.peer) {
        janus_offer(j, &j->main, true, send_offer);
    }
    if (!sq_session_is_done(&j->s)) {
        janus_sub_restart(j);
    }
}
