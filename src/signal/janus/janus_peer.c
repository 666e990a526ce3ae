/* A handle's negotiation: descriptions, and candidates both ways. */
#include "base/mem.h"
#include "signal/janus/janus_int.h"
#include "signal/sdptext.h"
#include <string.h>

static uint64_t now(const struct sq_signal *j)
{
    return sq_loop_now(j->s.host->loop);
}

bool janus_make_peer(struct sq_signal *j, struct janus_handle *handle)
{
    int err = handle->peer ? 0 : j->s.host->make_peer(j->s.ctx, handle->label, &handle->peer);
    if (err) {
        sq_session_fail(&j->s, sq_session_cause(err, SQ_CAUSE_PROTOCOL),
                        "no sockets for the peer: %s", sq_err_name(err));
    }
    return !err && !sq_session_is_done(&j->s);
}

static int add_track(struct sq_signal *j, struct janus_handle *handle, enum sq_media_kind kind,
                     bool both)
{
    const struct sq_signal_user *user = j->s.user;
    unsigned direction = sq_session_direction(user, kind);
    direction &= both ? SQ_DIR_SENDRECV : SQ_DIR_SENDONLY;
    /* What only listens has nothing to hear on this handle. */
    return direction & SQ_DIR_SENDONLY
               ? sq_peer_add_track(handle->peer, kind, (enum sq_direction)direction, user->clip,
                                   NULL)
               : 0;
}

bool janus_add_tracks(struct sq_signal *j, struct janus_handle *handle, bool both)
{
    int err = add_track(j, handle, SQ_MEDIA_AUDIO, both);
    err = err ? err : add_track(j, handle, SQ_MEDIA_VIDEO, both);
    err = err ? err : sq_session_add_channel(j->s.user, handle->peer, sq_loop_now(j->s.host->loop));
    if (err) {
        sq_session_fail(&j->s, sq_session_cause(err, SQ_CAUSE_PROTOCOL),
                        "a track could not be added: %s", sq_err_name(err));
    }
    return !err;
}

/* ---- Candidates of ours ---- */

static void send_candidates(struct sq_signal *j, struct janus_handle *h)
{
    if (sq_session_is_done(&j->s) || !h->sent) {
        return;
    }
    size_t n = json_array_size(h->candidates);
    if (n > 0) {
        json_t *candidates = h->candidates;
        h->candidates = NULL;
        json_t *message = n == 1 ? json_pack("{sO}", "candidate", json_array_get(candidates, 0))
                                 : json_pack("{sO}", "candidates", candidates);
        json_decref(candidates);
        janus_send(j, h, "trickle", message, false, NULL);
    }
    if (h->gathered && !h->end_told && !sq_session_is_done(&j->s)) {
        h->end_told = true;
        janus_send(j, h, "trickle", json_pack("{s{sb}}", "candidate", "completed", 1), false, NULL);
    }
}

void janus_described(struct sq_signal *j, struct janus_handle *handle)
{
    handle->sent = true;
    send_candidates(j, handle);
}

static void keep_candidate(struct janus_handle *h, const struct sq_peer_event *event)
{
    if (!h->candidates) {
        h->candidates = json_array();
    }
    if (json_array_size(h->candidates) < JANUS_CANDIDATES_MAX) {
        json_t *c = json_pack("{sssssi}", "candidate", event->text, "sdpMid", event->mid,
                              "sdpMLineIndex", event->mline);
        /* One that is lost for want of memory is a path the less. */
        int bad = json_array_append_new(h->candidates, c);
        (void)bad;
    }
}

/* Puts what was gathered into the description that waits for it. */
static int complete_local(struct janus_handle *h)
{
    struct sq_buf lines = {0};
    size_t i;
    json_t *c;
    json_array_foreach(h->candidates, i, c)
    {
        sq_buf_printf(&lines, "%s\n", json_string_value(json_object_get(c, "candidate")));
    }
    char *whole = NULL;
    int err = lines.err ? lines.err : 0;
    if (!err && lines.len > 0) {
        err = sq_sdptext_add_candidates(h->local, lines.text, true, &whole);
    }
    sq_buf_free(&lines);
    if (!err && whole) {
        sq_free(h->local);
        h->local = whole;
    }
    json_decref(h->candidates);
    h->candidates = NULL;
    return err;
}

void janus_peer_event(struct sq_signal *j, struct sq_peer *peer, const struct sq_peer_event *event)
{
    struct janus_handle *h = peer == j->main.peer ? &j->main : peer == j->sub.peer ? &j->sub : NULL;
    if (!h || sq_session_is_done(&j->s)) {
        return;
    }
    if (event->type == SQ_PEER_EV_LOCAL_CANDIDATE) {
        keep_candidate(h, event);
    } else if (event->type == SQ_PEER_EV_GATHERING_DONE) {
        h->gathered = true;
    } else {
        return;
    }
    if (!h->held) {
        send_candidates(j, h);
    } else if (h->gathered) {
        h->held = false;
        h->end_told = true;
        if (complete_local(h)) {
            janus_no_memory(j);
        } else {
            h->ready(j, h);
        }
    }
}

/* ---- Descriptions ---- */

static void described_locally(struct sq_signal *j, struct janus_handle *h, char *text,
                              janus_ready_fn ready)
{
    sq_free(h->local);
    h->local = text;
    h->ready = ready;
    h->sent = false;
    h->end_told = h->end_told || h->gathered; /* then the description says so */
    if (j->s.user->trickle || h->gathered) {
        ready(j, h);
    } else {
        h->held = true;
    }
}

void janus_offer(struct sq_signal *j, struct janus_handle *handle, bool ice_restart,
                 janus_ready_fn ready)
{
    char why[SQ_PEER_TEXT_MAX] = "";
    char *text = NULL;
    if (ice_restart) {
        handle->gathered = false;
        handle->end_told = false;
        handle->sent = false;
    }
    int err = sq_peer_create_offer(handle->peer, now(j), ice_restart, &text, why);
    if (sq_session_is_done(&j->s)) {
        sq_free(text);
    } else if (err) {
        sq_session_fail(&j->s, sq_session_cause(err, SQ_CAUSE_PROTOCOL),
                        "no offer could be made: %.200s", why[0] ? why : sq_err_name(err));
    } else {
        handle->offering = true;
        described_locally(j, handle, text, ready);
    }
}

bool janus_take_answer(struct sq_signal *j, struct janus_handle *handle,
                       const struct janus_reply *reply)
{
    char why[SQ_PEER_TEXT_MAX] = "";
    if (sq_session_is_done(&j->s)) {
        return false;
    }
    if (!reply->sdp || reply->is_offer || !handle->offering) {
        sq_session_fail(&j->s, SQ_CAUSE_PROTOCOL, "Janus answered without %s",
                        handle->offering ? "an SDP answer" : "having been offered anything");
        return false;
    }
    handle->offering = false;
    int err = sq_peer_set_remote(handle->peer, now(j), SQ_SDP_ANSWER, reply->sdp, why);
    if (err && !sq_session_is_done(&j->s)) {
        sq_session_fail(&j->s, sq_session_cause(err, SQ_CAUSE_PROTOCOL),
                        "Janus' answer is of no use: %.200s", why[0] ? why : sq_err_name(err));
    }
    return !err && !sq_session_is_done(&j->s);
}

/* ---- Candidates of Janus', which may come before its answer, or its offer ---- */

static void add_remote(struct sq_signal *j, struct janus_handle *h, json_t *candidate)
{
    const char *text = json_string_value(json_object_get(candidate, "candidate"));
    if (json_is_true(json_object_get(candidate, "completed"))) {
        text = "";
    }
    int err = text ? sq_peer_add_candidate(h->peer, now(j), text) : SQ_ERR_FORMAT;
    if (err) {
        sq_session_note(&j->s, "janus: a candidate of no use: %s '%.120s'", sq_err_name(err),
                        text ? text : "");
    }
}

/* full_trickle: Janus finds its own while it still writes the offer. */
static void take_remote(struct sq_signal *j, struct janus_handle *h, json_t *candidate)
{
    if (sq_session_is_done(&j->s)) {
        return;
    }
    if (h->peer && !h->offer_due) {
        add_remote(j, h, candidate);
        return;
    }
    if (!h->early) {
        h->early = json_array();
    }
    /* One that is lost for want of memory is a path the less. */
    if (json_array_size(h->early) >= JANUS_CANDIDATES_MAX ||
        json_array_append(h->early, candidate) != 0) {
        sq_session_note(&j->s, "janus: a candidate that came before its offer found no room");
    }
}

void janus_remote_candidates(struct sq_signal *j, struct janus_handle *handle, json_t *message)
{
    size_t i;
    json_t *one = json_object_get(message, "candidate");
    json_t *each;
    if (one) {
        take_remote(j, handle, one);
    }
    json_array_foreach(json_object_get(message, "candidates"), i, each)
    {
        take_remote(j, handle, each);
    }
}

void janus_offer_came(struct sq_signal *j, struct janus_handle *handle)
{
    json_t *early = handle->early;
    size_t i;
    json_t *each;
    handle->early = NULL;
    handle->offer_due = false;
    json_array_foreach(early, i, each)
    {
        if (handle->peer && !sq_session_is_done(&j->s)) {
            add_remote(j, handle, each);
        }
    }
    json_decref(early);
}

/* ---- Offers of Janus' ---- */

/* Does an offer have a data section that is not turned off? */
static bool offers_data(const char *offer)
{
    const char *section = strstr(offer, "\nm=application ");
    return section && strncmp(section, "\nm=application 0 ", 17) != 0;
}

/* videoroom relays data to a subscriber only once its association has fallen dry, so once Janus
 * has sent something on it: the acknowledgement of a channel that the subscriber opens. Janus' own
 * client does that by this label. What is relayed comes on channels of the publishers' labels. */
static int open_listener(struct sq_signal *j, const char *offer)
{
    const struct sq_channel_config config = {.label = JANUS_LISTENER_LABEL};
    struct sq_channel *channel;
    if (!j->s.user->data || j->sub_channel || !offers_data(offer)) {
        return 0;
    }
    int err = sq_peer_add_channel(j->sub.peer, now(j), &config, &channel);
    if (err == SQ_ERR_STATE) { /* either side has ended what a channel would go through */
        sq_session_note(&j->s, "janus: data came too late: the connection for them is over");
        return 0;
    }
    j->sub_channel = !err;
    return err;
}

void janus_answer(struct sq_signal *j, struct janus_handle *handle, const char *offer,
                  janus_ready_fn ready)
{
    char why[SQ_PEER_TEXT_MAX] = "";
    char *text = NULL;
    if (!janus_make_peer(j, handle)) {
        return;
    }
    int err = sq_peer_set_remote(handle->peer, now(j), SQ_SDP_OFFER, offer, why);
    if (!err && !sq_session_is_done(&j->s)) {
        janus_offer_came(j, handle);
    }
    if (!err && !sq_session_is_done(&j->s)) {
        err = open_listener(j, offer);
    }
    if (!err && !sq_session_is_done(&j->s)) {
        err = sq_peer_create_answer(handle->peer, now(j), &text, why);
    }
    if (sq_session_is_done(&j->s)) {
        sq_free(text);
    } else if (err) {
        sq_session_fail(&j->s, sq_session_cause(err, SQ_CAUSE_PROTOCOL),
                        "Janus' offer is of no use: %.200s", why[0] ? why : sq_err_name(err));
    } else {
        described_locally(j, handle, text, ready);
    }
}

void janus_handle_free(struct janus_handle *handle)
{
    sq_free(handle->local);
    json_decref(handle->candidates);
    json_decref(handle->early);
}
