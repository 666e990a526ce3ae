/* videoroom's subscriptions: all publishers over one handle and peer connection (Janus 1.x,
 * "multistream"). Janus offers and we answer; one change at a time. */
#include "base/mem.h"
#include "signal/janus/janus_int.h"
#include <stdio.h>
#include <string.h>

static void pump(struct sq_signal *j);

/* ---- Publishers that we know ---- */

static bool id_text(json_t *id, char out[static JANUS_FEED_ID_MAX])
{
    const char *text = json_string_value(id);
    int n = text ? snprintf(out, JANUS_FEED_ID_MAX, "%s", text)
                 : snprintf(out, JANUS_FEED_ID_MAX, "%lld", (long long)json_integer_value(id));
    return (text || json_is_integer(id)) && n < JANUS_FEED_ID_MAX;
}

static struct janus_feed *find_feed(struct sq_signal *j, json_t *id)
{
    char text[JANUS_FEED_ID_MAX];
    if (!id_text(id, text)) {
        return NULL;
    }
    for (size_t i = 0; i < j->feeds_len; i++) {
        struct janus_feed *f = &j->feeds[i];
        if (f->is_text == json_is_string(id) && strcmp(f->id, text) == 0) {
            return f;
        }
    }
    return NULL;
}

static void release(struct sq_signal *j, struct janus_feed *f)
{
    if (f->state == JANUS_FEED_ASKED || f->state == JANUS_FEED_ON || f->state == JANUS_FEED_GOING) {
        j->streams -= sq_min_u64(j->streams, f->streams);
    }
}

static void forget(struct sq_signal *j, struct janus_feed *f)
{
    release(j, f);
    json_decref(f->ask);
    json_decref(f->asked);
    *f = j->feeds[--j->feeds_len];
}

static struct janus_feed *add_feed(struct sq_signal *j, json_t *id)
{
    if (j->feeds_len == JANUS_FEEDS_MAX) {
        return NULL;
    }
    if (j->feeds_len == j->feeds_room) {
        size_t room = j->feeds_room ? 2 * j->feeds_room : 4;
        struct janus_feed *grown = sq_realloc(j->feeds, room * sizeof(*grown));
        if (!grown) {
            return NULL;
        }
        j->feeds = grown;
        j->feeds_room = room;
    }
    struct janus_feed *f = &j->feeds[j->feeds_len];
    memset(f, 0, sizeof(*f));
    if (!id_text(id, f->id)) {
        return NULL;
    }
    f->is_text = json_is_string(id);
    j->feeds_len++;
    return f;
}

/* What to ask of a publisher: all of it, or its streams of the kinds that the user watches. */
static json_t *what_to_ask(const struct sq_signal *j, json_t *publisher, size_t *ret_streams)
{
    const struct sq_signal_user *user = j->s.user;
    json_t *id = json_object_get(publisher, "id");
    json_t *ask = json_array();
    bool all = user->recv_audio && user->recv_video;
    size_t wanted = 0;
    size_t i;
    json_t *stream;
    int bad = 0;
    json_array_foreach(json_object_get(publisher, "streams"), i, stream)
    {
        const char *type = json_string_value(json_object_get(stream, "type"));
        json_t *mid = json_object_get(stream, "mid");
        bool audio = type && strcmp(type, "audio") == 0 && user->recv_audio;
        bool video = type && strcmp(type, "video") == 0 && user->recv_video;
        bool data = type && strcmp(type, "data") == 0 && user->data;
        if (!(audio || video || data) || json_is_true(json_object_get(stream, "disabled"))) {
            continue;
        }
        wanted++;
        if (!all && json_is_string(mid)) {
            bad |= json_array_append_new(ask, json_pack("{sOsO}", "feed", id, "mid", mid));
        }
    }
    if (all && wanted > 0) {
        bad |= json_array_append_new(ask, json_pack("{sO}", "feed", id));
    }
    if (bad || json_array_size(ask) == 0) {
        json_decref(ask);
        return NULL;
    }
    *ret_streams = wanted;
    return ask;
}

void janus_sub_publishers(struct sq_signal *j, json_t *list, bool at_join)
{
    size_t i;
    json_t *publisher;
    const struct sq_signal_user *user = j->s.user;
    bool watches = user->recv_audio || user->recv_video || user->data;
    if (!watches || sq_session_is_done(&j->s)) {
        return;
    }
    json_array_foreach(list, i, publisher)
    {
        json_t *id = json_object_get(publisher, "id");
        struct janus_feed *f = find_feed(j, id);
        size_t streams = 0;
        if (f && f->state != JANUS_FEED_GOING) {
            continue; /* told again */
        }
        json_t *ask = what_to_ask(j, publisher, &streams);
        f = ask && !f ? add_feed(j, id) : f;
        if (!f || !ask) {
            json_decref(ask);
            continue;
        }
        json_decref(f->ask);
        f->ask = ask; /* one that is going comes back with this after it went */
        if (f->state != JANUS_FEED_GOING) {
            f->streams = streams;
            f->first = at_join;
        }
    }
    pump(j);
}

void janus_sub_gone(struct sq_signal *j, json_t *id)
{
    struct janus_feed *f = find_feed(j, id);
    if (!f) {
        return;
    }
    if (f->state == JANUS_FEED_ASKED || f->state == JANUS_FEED_ON) {
        f->state = JANUS_FEED_GOING;
    } else if (f->state == JANUS_FEED_GOING) {
        json_decref(f->ask);
        f->ask = NULL;
    } else {
        forget(j, f);
    }
    pump(j);
    janus_room_check_joined(j);
}

bool janus_sub_is_settled(const struct sq_signal *j)
{
    for (size_t i = 0; i < j->feeds_len; i++) {
        const struct janus_feed *f = &j->feeds[i];
        if (f->first && (f->state == JANUS_FEED_WANTED || f->state == JANUS_FEED_ASKED)) {
            return false;
        }
    }
    return true;
}

void janus_sub_free(struct sq_signal *j)
{
    for (size_t i = 0; i < j->feeds_len; i++) {
        json_decref(j->feeds[i].ask);
        json_decref(j->feeds[i].asked);
    }
    sq_free(j->feeds);
}

/* ---- Answering Janus' offers ---- */

static void settle_asked(struct sq_signal *j)
{
    for (size_t i = 0; i < j->feeds_len; i++) {
        if (j->feeds[i].state == JANUS_FEED_ASKED) {
            j->feeds[i].state = JANUS_FEED_ON;
        }
    }
}

static void not_busy(struct sq_signal *j)
{
    j->sub_busy -= j->sub_busy > 0;
    if (j->sub_busy == 0) {
        settle_asked(j);
        pump(j);
        janus_room_check_joined(j);
    }
}

static void on_started(struct sq_signal *j, struct janus_handle *handle,
                       const struct janus_reply *reply)
{
    (void)handle;
    if (sq_session_is_done(&j->s)) {
        return;
    }
    if (reply->code) {
        janus_refused(j, "start", reply);
        return;
    }
    not_busy(j);
}

static void send_answer(struct sq_signal *j, struct janus_handle *handle)
{
    janus_request(j, handle, "start", json_object(), "answer", on_started);
    janus_described(j, handle);
}

/* Takes the offer that a reply or an event carries, if it does. */
static void take_offer(struct sq_signal *j, const struct janus_reply *reply)
{
    if (reply->sdp && reply->is_offer) {
        j->sub_busy += !j->sub.held; /* an answer that is held back goes out for both */
        janus_answer(j, &j->sub, reply->sdp, send_answer);
    }
}

/* ---- Requests ---- */

/* It left while it was being subscribed to or unsubscribed: it is asked for anew if it has come
 * back since, and else forgotten. */
static void went(struct sq_signal *j, struct janus_feed *f)
{
    if (!f->ask) {
        forget(j, f);
        return;
    }
    release(j, f);
    f->unsubscribing = false;
    f->first = false;
    f->state = JANUS_FEED_WANTED;
}

/* "No such feed (ID)", "No such mid 'MID' in feed (ID)": true if ID is this one's. */
static bool is_named(const struct janus_feed *f, const char *error)
{
    char text[JANUS_FEED_ID_MAX + 8];
    snprintf(text, sizeof(text), "feed (%s)", f->id);
    return strstr(error, text) != NULL;
}

/* Janus takes a list of publishers as a whole or not at all, and names the first one that it does
 * not have. That one and those told gone since are out; the others are asked for again. */
static void drop_missing(struct sq_signal *j, const struct janus_reply *reply)
{
    bool any = false;
    sq_session_note(&j->s, "janus: not subscribed: %lld %.150s", (long long)reply->code,
                    reply->error);
    for (size_t i = j->feeds_len; i-- > 0;) {
        struct janus_feed *f = &j->feeds[i];
        if (f->asked && (f->state == JANUS_FEED_GOING || is_named(f, reply->error))) {
            any = true;
            json_decref(f->asked);
            f->asked = NULL;
            went(j, f);
        }
    }
    for (size_t i = j->feeds_len; i-- > 0;) {
        struct janus_feed *f = &j->feeds[i];
        if (f->asked && any) {
            release(j, f);
            f->ask = f->asked;
            f->asked = NULL;
            f->state = JANUS_FEED_WANTED;
        } else if (f->asked) { /* none that we know is named: all, lest we ask for ever */
            forget(j, f);
        }
    }
}

static bool feed_is_missing(const struct janus_reply *reply)
{
    return reply->plugin_error &&
           (reply->code == ROOM_ERROR_NO_SUCH_FEED || strstr(reply->error, "No such feed") ||
            strstr(reply->error, "no stream"));
}

static void on_subscribed(struct sq_signal *j, struct janus_handle *handle,
                          const struct janus_reply *reply)
{
    (void)handle;
    if (sq_session_is_done(&j->s)) {
        return;
    }
    if (feed_is_missing(reply)) {
        drop_missing(j, reply);
    } else if (reply->code) {
        janus_refused(j, j->sub_joined ? "subscribe" : "join as subscriber", reply);
        return;
    } else {
        j->sub_joined = true;
        for (size_t i = 0; i < j->feeds_len; i++) {
            json_decref(j->feeds[i].asked);
            j->feeds[i].asked = NULL;
        }
        take_offer(j, reply);
    }
    if (!sq_session_is_done(&j->s)) {
        not_busy(j);
    }
}

static void on_unsubscribed(struct sq_signal *j, struct janus_handle *handle,
                            const struct janus_reply *reply)
{
    (void)handle;
    if (sq_session_is_done(&j->s)) {
        return;
    }
    if (reply->code) { /* Janus had taken it off by itself */
        sq_session_note(&j->s, "janus: unsubscribe: %lld %.150s", (long long)reply->code,
                        reply->error);
    }
    for (size_t i = j->feeds_len; i-- > 0;) {
        if (j->feeds[i].unsubscribing) {
            went(j, &j->feeds[i]);
        }
    }
    take_offer(j, reply);
    if (!sq_session_is_done(&j->s)) {
        not_busy(j);
    }
}

/* The streams to ask for now, as far as the peer has room; NULL for none. */
static json_t *take_wanted(struct sq_signal *j)
{
    json_t *streams = json_array();
    unsigned left_out = 0;
    for (size_t i = 0; i < j->feeds_len; i++) {
        struct janus_feed *f = &j->feeds[i];
        if (f->state != JANUS_FEED_WANTED) {
            continue;
        }
        if (j->streams + f->streams > JANUS_STREAMS_MAX) {
            f->state = JANUS_FEED_LEFT_OUT;
            left_out++;
            continue;
        }
        j->streams += f->streams;
        f->state = JANUS_FEED_ASKED;
        int bad = json_array_extend(streams, f->ask);
        (void)bad;
        json_decref(f->asked);
        f->asked = f->ask;
        f->ask = NULL;
    }
    if (left_out > 0) {
        sq_session_note(&j->s, "janus: %u publishers left out: a peer has %d tracks at most",
                        left_out, JANUS_STREAMS_MAX);
    }
    if (json_array_size(streams) == 0) {
        json_decref(streams);
        return NULL;
    }
    return streams;
}

static json_t *take_going(struct sq_signal *j)
{
    json_t *streams = json_array();
    for (size_t i = 0; i < j->feeds_len; i++) {
        struct janus_feed *f = &j->feeds[i];
        if (f->state != JANUS_FEED_GOING || f->unsubscribing) {
            continue;
        }
        f->unsubscribing = true;
        json_t *id =
            f->is_text ? json_string(f->id) : json_integer((json_int_t)strtoll(f->id, NULL, 10));
        int bad = json_array_append_new(streams, json_pack("{so}", "feed", id));
        (void)bad;
    }
    if (json_array_size(streams) == 0) {
        json_decref(streams);
        return NULL;
    }
    return streams;
}

static void join_as_subscriber(struct sq_signal *j, json_t *streams)
{
    json_t *body = janus_room_body(j, true);
    int bad = json_object_set_new(body, "ptype", json_string("subscriber"));
    bad |= json_object_set_new(body, "streams", streams);
    if (j->private_id) {
        bad |= json_object_set_new(body, "private_id", json_integer(j->private_id));
    }
    if (bad) {
        json_decref(body);
        body = NULL;
    }
    janus_request(j, &j->sub, "join", body, NULL, on_subscribed);
}

static void on_sub_attached(struct sq_signal *j, struct janus_handle *handle)
{
    (void)handle;
    not_busy(j);
}

static bool has_wanted(const struct sq_signal *j)
{
    for (size_t i = 0; i < j->feeds_len; i++) {
        if (j->feeds[i].state == JANUS_FEED_WANTED) {
            return true;
        }
    }
    return false;
}

/* The next change, if none is under way. */
static void pump(struct sq_signal *j)
{
    if (sq_session_is_done(&j->s) || j->sub_busy > 0) {
        return;
    }
    if (j->sub.id == 0) {
        if (has_wanted(j)) {
            j->sub_busy++;
            janus_attach(j, &j->sub, on_sub_attached);
        }
        return;
    }
    json_t *streams = j->sub_joined ? take_going(j) : NULL;
    if (streams) {
        j->sub_busy++;
        janus_request(j, &j->sub, "unsubscribe", json_pack("{so}", "streams", streams), NULL,
                      on_unsubscribed);
        return;
    }
    streams = take_wanted(j);
    if (!streams) {
        return;
    }
    j->sub_busy++;
    if (j->sub_joined) {
        janus_request(j, &j->sub, "subscribe", json_pack("{so}", "streams", streams), NULL,
                      on_subscribed);
    } else {
        join_as_subscriber(j, streams);
    }
}

/* ---- Events ---- */

void janus_sub_event(struct sq_signal *j, const struct janus_reply *reply)
{
    if (reply->code) {
        janus_refused(j, "a subscription", reply);
    } else {
        take_offer(j, reply); /* Janus changed the subscription by itself */
    }
}

static void on_restart_asked(struct sq_signal *j, struct janus_handle *handle,
                             const struct janus_reply *reply)
{
    if (sq_session_is_done(&j->s)) {
        return;
    }
    if (reply->code) {
        sq_session_note(&j->s, "janus: restart: %lld %.150s", (long long)reply->code, reply->error);
        janus_offer_came(j, handle); /* none does: what came is of the connection as it is */
    } else {
        take_offer(j, reply);
    }
    if (!sq_session_is_done(&j->s)) {
        not_busy(j);
    }
}

void janus_sub_restart(struct sq_signal *j)
{
    if (j->sub.peer && j->sub_joined) {
        j->sub_busy++;
        j->sub.offer_due = true;
        janus_request(j, &j->sub, "configure", json_pack("{sb}", "restart", 1), NULL,
                      on_restart_asked);
    }
}
