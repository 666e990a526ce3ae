/* Applying descriptions: set_local, set_remote and rollback. Everything that can fail is done
 * first; what changes the machine comes after it and cannot fail. */
#include "peer/jsep/jsep_int.h"

#include "base/mem.h"
#include <string.h>

/* "m-section 2 (mid 1)" for messages; counted from 1. */
#define SECTION_FMT       "m-section %zu (mid \"%s\")"
#define SECTION_ARG(i, s) (i) + 1, (s)->mid

static bool is_media(const struct jsep_section *s)
{
    return s->kind == SQ_JSEP_AUDIO || s->kind == SQ_JSEP_VIDEO;
}

static bool was_live(const struct sq_jsep *j, size_t i)
{
    return i < j->agreed.n && !j->agreed.sections[i].rejected;
}

/* ---- The remote transport ---- */

static bool same_fingerprints(const struct sq_jsep_remote *a, const struct sq_jsep_remote *b)
{
    return a->n_fingerprints == b->n_fingerprints &&
           memcmp(a->fingerprints, b->fingerprints, a->n_fingerprints * sizeof(*a->fingerprints)) ==
               0;
}

/* Our role for what an offer says (RFC 8842, section 5.3); a standing association keeps its own. */
static enum sq_jsep_dtls_role
role_for_offer(const struct sq_jsep *j, const struct sq_jsep_remote *r, enum sq_sdp_setup setup)
{
    switch (setup) {
    case SQ_SDP_SETUP_ACTIVE:
        return SQ_JSEP_DTLS_PASSIVE;
    case SQ_SDP_SETUP_PASSIVE:
        return SQ_JSEP_DTLS_ACTIVE;
    default:
        if (j->remote && same_fingerprints(j->remote, r)) {
            return j->remote->dtls_role;
        }
        return j->answer_passive ? SQ_JSEP_DTLS_PASSIVE : SQ_JSEP_DTLS_ACTIVE;
    }
}

/* Reads the transport of a remote description that has one, and decides the DTLS role. */
static int read_remote(const struct sq_jsep *j, const struct sq_sdp *sdp, const struct jsep_desc *d,
                       bool is_offer, struct sq_jsep_remote **ret_remote,
                       struct sq_sdp_error *error)
{
    struct sq_jsep_remote *r = NULL;
    enum sq_sdp_setup setup = SQ_SDP_SETUP_NONE;
    if (d->transport < 0) {
        return 0;
    }
    int err = jsep_read_remote(sdp, d, &r, &setup, error);
    if (err) {
        return err;
    }
    unsigned line = d->sections[d->transport].line;
    if (setup == SQ_SDP_SETUP_HOLDCONN) {
        err = jsep_refuse(error, SQ_ERR_UNSUPPORTED, line, "a=setup:holdconn is not supported");
    } else if (!is_offer && setup == SQ_SDP_SETUP_ACTPASS) {
        err = jsep_refuse(error, SQ_ERR_FORMAT, line,
                          "an answer must choose a=setup:active or passive, found actpass");
    }
    if (err) {
        jsep_remote_free(r);
        return err;
    }
    if (is_offer) {
        r->dtls_role = role_for_offer(j, r, setup);
    } else {
        /* RFC 4145, section 4.1: without a=setup the answerer is the active one */
        r->dtls_role = setup == SQ_SDP_SETUP_PASSIVE ? SQ_JSEP_DTLS_ACTIVE : SQ_JSEP_DTLS_PASSIVE;
    }
    *ret_remote = r;
    return 0;
}

static void compare_remote(const struct sq_jsep *j, const struct sq_jsep_remote *r,
                           struct sq_jsep_result *result)
{
    result->has_remote = r || j->remote;
    if (!r || !j->remote) {
        return;
    }
    result->ice_restart = strcmp(j->remote->ice_ufrag, r->ice_ufrag) != 0 ||
                          strcmp(j->remote->ice_pwd, r->ice_pwd) != 0;
    result->dtls_restart = !same_fingerprints(j->remote, r) || j->remote->dtls_role != r->dtls_role;
}

/* ---- Ending an exchange ---- */

static void detach(struct sq_jsep_transceiver *t)
{
    t->mline = -1;
    t->mid[0] = '\0';
}

static void end_transceiver(struct sq_jsep_transceiver *t)
{
    detach(t);
    t->stopping = false;
    t->stopped = true;
}

/* `next` becomes the agreed description; it is taken over. */
static void agree(struct sq_jsep *j, struct jsep_desc *next)
{
    bool data_refused = false;
    for (size_t i = 0; i < next->n; i++) {
        struct jsep_section *s = &next->sections[i];
        struct sq_jsep_transceiver *had = was_live(j, i) ? j->agreed.sections[i].tr : NULL;
        if (had && (s->rejected || s->tr != had)) {
            end_transceiver(had);
        }
        if (s->tr && s->rejected) {
            end_transceiver(s->tr);
            s->tr = NULL;
        }
        data_refused = data_refused || (s->kind == SQ_JSEP_DATA && s->rejected &&
                                        (i >= j->agreed.n || was_live(j, i)));
        if (s->rejected) {
            jsep_section_strip(s);
        } else if (is_media(s)) {
            jsep_main_codec_first(s);
            jsep_claim(j, s);
        }
    }
    jsep_desc_free(&j->agreed);
    jsep_desc_free(&j->pending);
    jsep_drop_created(j);
    j->agreed = *next;
    memset(next, 0, sizeof(*next));
    next->transport = -1;
    if (data_refused && !sq_jsep_data(j).negotiated) {
        j->want_data = false; /* asking again and again would help nobody */
    }
    j->state = SQ_JSEP_STABLE;
    jsep_sync(j);
}

/* ---- Rollback ---- */

static int rollback(struct sq_jsep *j, struct sq_jsep_result *result, struct sq_sdp_error *error)
{
    if (j->state != SQ_JSEP_HAVE_LOCAL_OFFER && j->state != SQ_JSEP_HAVE_REMOTE_OFFER) {
        return jsep_refuse(error, SQ_ERR_STATE, 0, "there is no offer to roll back in state %s",
                           sq_jsep_state_name(j->state));
    }
    bool remote = j->state == SQ_JSEP_HAVE_REMOTE_OFFER;
    for (size_t i = 0; i < j->pending.n; i++) {
        struct sq_jsep_transceiver *t = j->pending.sections[i].tr;
        if (!t || (i < j->agreed.n && j->agreed.sections[i].tr == t)) {
            continue;
        }
        detach(t);
        /* RFC 9429, section 4.1.10.2: what the offer brought goes with it, unless it is in use. */
        if (t->stopping || (remote && t->from_remote && t->ssrc == 0)) {
            end_transceiver(t);
        }
    }
    jsep_desc_free(&j->pending);
    jsep_remote_free(j->pending_remote);
    j->pending_remote = NULL;
    jsep_drop_created(j);
    j->state = SQ_JSEP_STABLE;
    jsep_sync(j);
    result->has_remote = j->remote != NULL;
    return 0;
}

/* ---- Local descriptions ---- */

static int apply_local_offer(struct sq_jsep *j, struct sq_jsep_result *result,
                             struct sq_sdp_error *error)
{
    if (j->state != SQ_JSEP_STABLE || !j->have_created || j->created_is_answer) {
        return jsep_refuse(error, SQ_ERR_STATE, 0, "%s in state %s",
                           j->state == SQ_JSEP_STABLE ? "no offer was created"
                                                      : "a local offer cannot be set",
                           sq_jsep_state_name(j->state));
    }
    j->pending = j->created;
    memset(&j->created, 0, sizeof(j->created));
    jsep_drop_created(j);
    for (size_t i = 0; i < j->pending.n; i++) {
        struct jsep_section *s = &j->pending.sections[i];
        if (s->tr && s->tr->mline < 0) {
            s->tr->mline = (int)i;
            memcpy(s->tr->mid, s->mid, sizeof(s->mid));
        }
    }
    j->state = SQ_JSEP_HAVE_LOCAL_OFFER;
    jsep_sync(j);
    result->has_remote = j->remote != NULL;
    return 0;
}

/* What the remote offer told about its senders goes on with the answer's sections. */
static void move_remote_facts(struct jsep_section *from, struct jsep_section *to)
{
    to->stream_id = from->stream_id;
    to->track_id = from->track_id;
    to->cname = from->cname;
    to->sources = from->sources;
    to->n_sources = from->n_sources;
    to->remote_max_bps = from->remote_max_bps;
    from->stream_id = from->track_id = from->cname = NULL;
    from->sources = NULL;
    from->n_sources = 0;
}

static int apply_local_answer(struct sq_jsep *j, struct sq_jsep_result *result,
                              struct sq_sdp_error *error)
{
    if (j->state != SQ_JSEP_HAVE_REMOTE_OFFER || !j->have_created || !j->created_is_answer) {
        return jsep_refuse(error, SQ_ERR_STATE, 0, "%s in state %s",
                           j->state == SQ_JSEP_HAVE_REMOTE_OFFER ? "no answer was created"
                                                                 : "a local answer cannot be set",
                           sq_jsep_state_name(j->state));
    }
    struct jsep_desc next = j->created;
    memset(&j->created, 0, sizeof(j->created));
    for (size_t i = 0; i < next.n; i++) {
        if (!next.sections[i].rejected) {
            move_remote_facts(&j->pending.sections[i], &next.sections[i]);
        }
    }
    if (j->pending_remote && next.transport >= 0) {
        jsep_remote_free(j->remote);
        j->remote = j->pending_remote;
    } else {
        jsep_remote_free(j->pending_remote); /* everything was rejected: no transport */
    }
    j->pending_remote = NULL;
    agree(j, &next);
    j->was_offerer = false;
    result->negotiated = true;
    result->has_remote = j->remote != NULL;
    return 0;
}

int sq_jsep_set_local(struct sq_jsep *j, enum sq_jsep_type type, struct sq_jsep_result *ret_result,
                      struct sq_sdp_error *ret_error)
{
    struct sq_jsep_result result = {.negotiated = false};
    int err;
    switch (type) {
    case SQ_JSEP_OFFER:
        err = apply_local_offer(j, &result, ret_error);
        break;
    case SQ_JSEP_ROLLBACK:
        err = rollback(j, &result, ret_error);
        break;
    default:
        err = apply_local_answer(j, &result, ret_error);
        break;
    }
    if (err) {
        return err;
    }
    result.state = j->state;
    if (ret_result) {
        *ret_result = result;
    }
    return 0;
}

/* ---- Remote offers ---- */

/* A re-offer keeps number, order, kinds and mids (RFC 9429, section 5.2.2). */
static int check_reoffer(const struct sq_jsep *j, const struct jsep_desc *d,
                         struct sq_sdp_error *error)
{
    if (d->n < j->agreed.n) {
        return jsep_refuse(error, SQ_ERR_FORMAT, 0,
                           "the offer has %zu m-sections, but %zu were agreed before", d->n,
                           j->agreed.n);
    }
    for (size_t i = 0; i < d->n; i++) {
        const struct jsep_section *s = &d->sections[i];
        if (!was_live(j, i)) {
            continue;
        }
        const struct jsep_section *had = &j->agreed.sections[i];
        if (s->kind != had->kind) {
            return jsep_refuse(error, SQ_ERR_FORMAT, s->line,
                               SECTION_FMT " was agreed as another kind of media",
                               SECTION_ARG(i, s));
        }
        if (s->has_mid && strcmp(s->mid, had->mid) != 0) {
            return jsep_refuse(error, SQ_ERR_FORMAT, s->line,
                               SECTION_FMT " was agreed with the mid \"%s\"", SECTION_ARG(i, s),
                               had->mid);
        }
    }
    return 0;
}

static void name_sections(struct sq_jsep *j, struct jsep_desc *d)
{
    for (size_t i = 0; i < d->n; i++) {
        struct jsep_section *s = &d->sections[i];
        if (s->has_mid) {
            continue;
        }
        if (was_live(j, i)) {
            memcpy(s->mid, j->agreed.sections[i].mid, sizeof(s->mid));
        } else {
            jsep_make_mid(j, d, s->mid);
        }
    }
}

static bool taken(const struct jsep_desc *d, const struct sq_jsep_transceiver *t)
{
    for (size_t i = 0; i < d->n; i++) {
        if (d->sections[i].tr == t) {
            return true;
        }
    }
    return false;
}

/* A waiting transceiver for a newly offered section (RFC 9429, section 5.10): one that sends where
 * the section lets us send; beyond the RFC, also one that only receives where the remote sends, so
 * that a receiver can be set up before the offer comes. */
static struct sq_jsep_transceiver *find_waiting(const struct sq_jsep *j, const struct jsep_desc *d,
                                                const struct jsep_section *s)
{
    struct sq_jsep_transceiver *receiver = NULL;
    for (struct sq_jsep_transceiver *t = j->first; t; t = t->next) {
        if ((uint8_t)t->kind != s->kind || t->mline >= 0 || t->stopped || t->own_section ||
            taken(d, t)) {
            continue;
        }
        if ((unsigned)t->direction & s->remote_direction & SQ_SDP_SENDONLY) {
            return t;
        }
        if (!receiver && t->direction == SQ_SDP_RECVONLY &&
            (s->remote_direction & SQ_SDP_RECVONLY)) {
            receiver = t;
        }
    }
    return receiver;
}

/* Gives each section its transceiver. New ones are chained at *made, not yet part of the machine.
 */
static int associate(struct sq_jsep *j, struct jsep_desc *d, struct sq_jsep_transceiver **made)
{
    size_t n_made = 0;
    for (size_t i = 0; i < d->n; i++) {
        struct jsep_section *s = &d->sections[i];
        if (was_live(j, i)) {
            s->tr = j->agreed.sections[i].tr;
            continue;
        }
        if (s->rejected || s->why_not || !is_media(s)) {
            continue;
        }
        s->tr = find_waiting(j, d, s);
        if (s->tr) {
            continue;
        }
        if (j->n_transceivers + n_made >= SQ_JSEP_TRANSCEIVERS_MAX) {
            return SQ_ERR_NOMEM;
        }
        struct sq_jsep_transceiver *t;
        int err = jsep_transceiver_new((enum sq_jsep_kind)s->kind, &t);
        if (err) {
            return err;
        }
        t->from_remote = true;
        t->direction = SQ_SDP_RECVONLY;
        *made = t;
        made = &t->next;
        n_made++;
        s->tr = t;
    }
    return 0;
}

static void commit_remote_offer(struct sq_jsep *j, const struct sq_sdp *sdp, struct jsep_desc *d,
                                struct sq_jsep_transceiver *made, struct sq_jsep_remote *r)
{
    while (made) {
        struct sq_jsep_transceiver *t = made;
        made = t->next;
        t->next = NULL;
        jsep_transceiver_link(j, t);
    }
    for (size_t i = 0; i < d->n; i++) {
        struct jsep_section *s = &d->sections[i];
        if (s->tr && s->tr->mline < 0) {
            s->tr->mline = (int)i;
            memcpy(s->tr->mid, s->mid, sizeof(s->mid));
        }
    }
    jsep_note_taken(j, sdp);
    jsep_drop_created(j);
    j->pending = *d;
    memset(d, 0, sizeof(*d));
    j->pending_remote = r;
    j->state = SQ_JSEP_HAVE_REMOTE_OFFER;
    jsep_sync(j);
}

static int apply_remote_offer(struct sq_jsep *j, const struct sq_sdp *sdp,
                              struct sq_jsep_result *result, struct sq_sdp_error *error)
{
    struct jsep_desc d = {.transport = -1};
    struct sq_jsep_transceiver *made = NULL;
    struct sq_jsep_remote *r = NULL;
    int err = jsep_read(j, sdp, &d, error);
    err = err ? err : check_reoffer(j, &d, error);
    err = err ? err : read_remote(j, sdp, &d, true, &r, error);
    if (err) {
        goto out;
    }
    name_sections(j, &d);
    err = associate(j, &d, &made);
    err = err ? err : jsep_read_candidates(sdp, &d, result);
    if (err) {
        err = jsep_refuse(error, err, 0, "no memory, or more than %d transceivers",
                          SQ_JSEP_TRANSCEIVERS_MAX);
        goto out;
    }
    compare_remote(j, r, result);
    commit_remote_offer(j, sdp, &d, made, r);
    made = NULL;
    r = NULL;
out:
    while (made) {
        struct sq_jsep_transceiver *t = made;
        made = t->next;
        jsep_transceiver_free(t);
    }
    jsep_remote_free(r);
    jsep_desc_free(&d);
    return err;
}

/* ---- Remote answers ---- */

/* RFC 3264, section 6: the answer has the offer's sections, one by one. */
static int check_answer(const struct jsep_desc *offer, struct jsep_desc *d,
                        struct sq_sdp_error *error)
{
    if (d->n != offer->n) {
        return jsep_refuse(error, SQ_ERR_FORMAT, 0,
                           "the answer has %zu m-sections, but the offer has %zu", d->n, offer->n);
    }
    for (size_t i = 0; i < d->n; i++) {
        struct jsep_section *s = &d->sections[i];
        const struct jsep_section *o = &offer->sections[i];
        if (s->has_mid && strcmp(s->mid, o->mid) != 0) {
            return jsep_refuse(error, SQ_ERR_FORMAT, s->line,
                               SECTION_FMT " of the answer has the mid \"%s\" in the offer",
                               SECTION_ARG(i, s), o->mid);
        }
        memcpy(s->mid, o->mid, sizeof(s->mid));
        if (s->kind != o->kind) {
            return jsep_refuse(error, SQ_ERR_FORMAT, s->line,
                               SECTION_FMT " of the answer is of another kind than in the offer",
                               SECTION_ARG(i, s));
        }
        if (s->rejected) {
            continue;
        }
        if (o->rejected) {
            return jsep_refuse(error, SQ_ERR_FORMAT, s->line,
                               "the answer accepts " SECTION_FMT ", which the offer rejected",
                               SECTION_ARG(i, s));
        }
        if (s->why_not) {
            return jsep_refuse(error, SQ_ERR_UNSUPPORTED, s->line, SECTION_FMT " of the answer %s",
                               SECTION_ARG(i, s), s->why_not);
        }
    }
    return 0;
}

/* Keeps what was offered of the answer's codecs. */
static void keep_offered_codecs(const struct jsep_section *offered, struct jsep_section *s)
{
    size_t kept = 0;
    for (size_t i = 0; i < s->n_codecs; i++) {
        struct sq_jsep_codec c = s->codecs[i];
        const struct sq_jsep_codec *o = jsep_codec_find(offered, c.id);
        if (!o) {
            sq_free(c.fmtp);
            continue;
        }
        c.recv_pt = o->recv_pt;
        s->codecs[kept++] = c;
    }
    s->n_codecs = (uint8_t)kept;
}

/* The answer's section, as read, becomes the agreed one. */
static int merge_answer(const struct jsep_section *o, size_t i, struct jsep_section *s,
                        struct sq_sdp_error *error)
{
    s->has_mid = true;
    s->tr = o->tr;
    if (s->rejected || !is_media(s)) {
        return 0;
    }
    keep_offered_codecs(o, s);
    if (s->n_codecs == 0) {
        return jsep_refuse(error, SQ_ERR_FORMAT, s->line,
                           SECTION_FMT " of the answer has none of the offered codecs",
                           SECTION_ARG(i, s));
    }
    s->local_direction = o->local_direction;
    s->direction = s->local_direction & s->remote_direction;
    s->rtcp_rsize = s->rtcp_rsize && o->rtcp_rsize;
    jsep_merge_simulcast(o, s);
    for (unsigned x = 0; x < JSEP_EXTS; x++) {
        if (s->ext[x].id != o->ext[x].id) {
            s->ext[x] = (struct jsep_ext){0, 0};
        }
        /* from now on as our own description has it */
        s->ext[x].direction = SQ_SDP_SENDRECV;
    }
    return 0;
}

static int apply_remote_answer(struct sq_jsep *j, const struct sq_sdp *sdp,
                               struct sq_jsep_result *result, struct sq_sdp_error *error)
{
    struct jsep_desc d = {.transport = -1};
    struct sq_jsep_remote *r = NULL;
    int err = jsep_read(j, sdp, &d, error);
    err = err ? err : check_answer(&j->pending, &d, error);
    for (size_t i = 0; i < d.n && !err; i++) {
        err = merge_answer(&j->pending.sections[i], i, &d.sections[i], error);
    }
    err = err ? err : read_remote(j, sdp, &d, false, &r, error);
    if (err) {
        goto out;
    }
    err = jsep_read_candidates(sdp, &d, result);
    if (err) {
        err = jsep_refuse(error, err, 0, "no memory");
        goto out;
    }
    compare_remote(j, r, result);
    jsep_note_taken(j, sdp);
    if (r) {
        jsep_remote_free(j->remote);
        j->remote = r;
        r = NULL;
    }
    d.is_offer = d.bundled = d.mixed = true; /* as our offer was */
    d.version = j->pending.version;
    agree(j, &d);
    j->was_offerer = true;
    result->negotiated = true;
out:
    jsep_remote_free(r);
    jsep_desc_free(&d);
    return err;
}

int sq_jsep_set_remote(struct sq_jsep *j, enum sq_jsep_type type, const char *text, size_t len,
                       struct sq_jsep_result *ret_result, struct sq_sdp_error *ret_error)
{
    struct sq_jsep_result result = {.negotiated = false};
    enum sq_jsep_state needed = type == SQ_JSEP_OFFER ? SQ_JSEP_STABLE : SQ_JSEP_HAVE_LOCAL_OFFER;
    int err;
    if (type == SQ_JSEP_ROLLBACK) {
        err = rollback(j, &result, ret_error);
        goto out;
    }
    if (j->state != needed) {
        return jsep_refuse(ret_error, SQ_ERR_STATE, 0, "a remote %s cannot be set in state %s%s",
                           type == SQ_JSEP_OFFER ? "offer" : "answer", sq_jsep_state_name(j->state),
                           type == SQ_JSEP_OFFER && j->state == SQ_JSEP_HAVE_LOCAL_OFFER
                               ? ": roll the local offer back first"
                               : "");
    }
    err = sq_sdp_parse(text, len, &result.sdp, ret_error);
    if (!err && type == SQ_JSEP_OFFER) {
        err = apply_remote_offer(j, result.sdp, &result, ret_error);
    } else if (!err) {
        err = apply_remote_answer(j, result.sdp, &result, ret_error);
    }
out:
    result.state = j->state;
    if (err || !ret_result) {
        sq_jsep_result_free(&result);
        return err;
    }
    *ret_result = result;
    return 0;
}
