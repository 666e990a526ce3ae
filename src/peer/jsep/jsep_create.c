/* Creating offers and answers (RFC 9429, sections 5.2 and 5.3). */
#include "peer/jsep/jsep_int.h"

#include "base/mem.h"
#include <string.h>

static int copy_text(const char *from, char **ret_text)
{
    if (!from) {
        return 0;
    }
    *ret_text = sq_strdup(from);
    return *ret_text ? 0 : SQ_ERR_NOMEM;
}

/* What an m= line is, and where it stands; not what it carries. */
static int copy_line(const struct jsep_section *from, struct jsep_section *s)
{
    s->kind = from->kind;
    s->has_mid = from->has_mid;
    s->old_data = from->old_data;
    memcpy(s->mid, from->mid, sizeof(s->mid));
    int err = copy_text(from->kind_name, &s->kind_name);
    err = err ? err : copy_text(from->proto, &s->proto);
    return err ? err : copy_text(from->fmt, &s->fmt);
}

static int desc_new(size_t max, struct jsep_desc *ret_desc)
{
    struct jsep_section *sections = sq_calloc(max ? max : 1, sizeof(*sections));
    if (!sections) {
        return SQ_ERR_NOMEM;
    }
    *ret_desc = (struct jsep_desc){.sections = sections, .transport = -1};
    return 0;
}

/* Takes over *d as the latest created description, once it could be written. */
static int finish(struct sq_jsep *j, struct jsep_desc *d, const struct sq_jsep_transport *local,
                  char **ret_text)
{
    for (size_t i = 0; i < d->n && d->transport < 0; i++) {
        d->transport = d->sections[i].rejected ? -1 : (int)i;
    }
    d->version = j->version + 1;
    int err = jsep_write(j, d, local, ret_text);
    if (err) {
        return err;
    }
    j->version++;
    jsep_drop_created(j);
    j->created = *d;
    j->have_created = true;
    memset(d, 0, sizeof(*d));
    return 0;
}

static int tell(int err, struct sq_sdp_error *error)
{
    switch (err) {
    case 0:
        return 0;
    case SQ_ERR_NOMEM:
        return jsep_refuse(error, err, 0, "no memory");
    default:
        return jsep_refuse(error, err, 0,
                           "the local transport needs ICE credentials, a fingerprint and "
                           "candidates without line ends");
    }
}

/* ---- Offers ---- */

/* The next transceiver from `from` on that waits for a section. */
static struct sq_jsep_transceiver *next_waiting(struct sq_jsep_transceiver *from)
{
    while (from && (from->mline >= 0 || from->stopped)) {
        from = from->next;
    }
    return from;
}

static int offer_media(struct sq_jsep *j, struct jsep_desc *d, struct sq_jsep_transceiver *t,
                       const struct jsep_section *old)
{
    struct jsep_section *s = &d->sections[d->n];
    int err = old ? copy_line(old, s) : 0;
    if (!old) {
        s->kind = (uint8_t)t->kind;
        jsep_make_mid(j, d, s->mid);
    }
    d->n++;
    s->has_mid = true;
    s->tr = t;
    s->rejected = t->stopping;
    s->local_direction = (uint8_t)t->direction;
    s->rtcp_rsize = true;
    if (err || s->rejected) {
        return err;
    }
    err = jsep_offer_codecs(j, t, old, s);
    return err ? err : jsep_offer_simulcast(t, s);
}

static int offer_data(struct sq_jsep *j, struct jsep_desc *d, const struct jsep_section *old)
{
    struct jsep_section *s = &d->sections[d->n];
    int err = old ? copy_line(old, s) : 0;
    if (!old) {
        s->kind = SQ_JSEP_DATA;
        jsep_make_mid(j, d, s->mid);
    }
    d->n++;
    s->has_mid = true;
    return err;
}

/* A section of the agreed description, offered again: as it is, rejected, or recycled for what
 * waits (RFC 9429, section 5.2.2). */
static int offer_again(struct sq_jsep *j, struct jsep_desc *d, const struct jsep_section *old,
                       struct sq_jsep_transceiver **waiting)
{
    if (!old->rejected) {
        return old->kind == SQ_JSEP_DATA ? offer_data(j, d, old) : offer_media(j, d, old->tr, old);
    }
    struct sq_jsep_transceiver *t = *waiting;
    if (t) {
        *waiting = next_waiting(t->next);
        return offer_media(j, d, t, NULL);
    }
    struct jsep_section *s = &d->sections[d->n++];
    s->rejected = true;
    return copy_line(old, s);
}

static int build_offer(struct sq_jsep *j, struct jsep_desc *d)
{
    struct sq_jsep_transceiver *waiting = next_waiting(j->first);
    int err = 0;
    for (size_t i = 0; i < j->agreed.n && !err; i++) {
        err = offer_again(j, d, &j->agreed.sections[i], &waiting);
    }
    for (; waiting && !err; waiting = next_waiting(waiting->next)) {
        if (d->n >= SQ_SDP_MEDIA_MAX) {
            return SQ_ERR_NOMEM;
        }
        err = offer_media(j, d, waiting, NULL);
    }
    if (!err && j->want_data && !sq_jsep_data(j).negotiated) {
        err = d->n < SQ_SDP_MEDIA_MAX ? offer_data(j, d, NULL) : SQ_ERR_NOMEM;
    }
    return err;
}

int sq_jsep_create_offer(struct sq_jsep *j, const struct sq_jsep_transport *local, char **ret_text,
                         struct sq_sdp_error *ret_error)
{
    if (j->state != SQ_JSEP_STABLE) {
        return jsep_refuse(ret_error, SQ_ERR_STATE, 0, "an offer cannot be created in state %s",
                           sq_jsep_state_name(j->state));
    }
    struct jsep_desc d = {.transport = -1};
    int err = desc_new(j->agreed.n + j->n_transceivers + 1, &d);
    err = err ? err : build_offer(j, &d);
    d.is_offer = d.bundled = d.mixed = true;
    if (!err && d.n == 0) {
        err = jsep_refuse(ret_error, SQ_ERR_STATE, 0,
                          "there is nothing to offer: no transceiver and no data channel");
        goto out;
    }
    err = tell(err ? err : finish(j, &d, local, ret_text), ret_error);
    if (!err) {
        j->created_is_answer = false;
    }
out:
    jsep_desc_free(&d);
    return err;
}

/* ---- Answers ---- */

static int copy_codec(const struct sq_jsep_codec *from, struct jsep_section *s)
{
    struct sq_jsep_codec *c = &s->codecs[s->n_codecs];
    *c = *from;
    c->fmtp = sq_strdup(from->fmtp);
    if (!c->fmtp) {
        return SQ_ERR_NOMEM;
    }
    s->n_codecs++;
    return 0;
}

/* A codec that carries another is of use only where that one is accepted, too. */
static bool accepts(const struct jsep_section *offered, const struct sq_jsep_transceiver *t,
                    unsigned row)
{
    const struct jsep_row *r = &jsep_rows[row];
    return jsep_codec_find(offered, row) && jsep_wants(t, row) &&
           (r->refers == JSEP_REFERS_NOT || r->refers == JSEP_REFERS_ANY ||
            (jsep_codec_find(offered, r->main) && jsep_wants(t, r->main)));
}

/* In the order of the preferences where there are some, else in the offerer's (RFC 9429, section
 * 5.3.1). */
static int answer_codecs(const struct jsep_section *offered, struct jsep_section *s)
{
    const struct sq_jsep_transceiver *t = s->tr;
    s->codecs = sq_calloc(offered->n_codecs ? offered->n_codecs : 1, sizeof(*s->codecs));
    if (!s->codecs) {
        return SQ_ERR_NOMEM;
    }
    int err = 0;
    size_t n = t->n_prefs ? t->n_prefs : offered->n_codecs;
    for (size_t i = 0; i < n && !err; i++) {
        unsigned row = t->n_prefs ? t->prefs[i] : offered->codecs[i].id;
        if (accepts(offered, t, row)) {
            err = copy_codec(jsep_codec_find(offered, row), s);
        }
    }
    return err;
}

static bool has_media(const struct jsep_section *s)
{
    for (size_t i = 0; i < s->n_codecs; i++) {
        if (jsep_is_media(s->codecs[i].id)) {
            return true;
        }
    }
    return false;
}

static int answer_media(const struct jsep_section *offered, struct jsep_section *s)
{
    int err = answer_codecs(offered, s);
    if (err) {
        return err;
    }
    if (!has_media(s)) {
        s->rejected = true;
        return 0;
    }
    s->direction = offered->remote_direction & (uint8_t)s->tr->direction;
    s->local_direction = s->direction;
    s->remote_direction = offered->remote_direction;
    s->rtcp_rsize = offered->rtcp_rsize;
    err = jsep_answer_simulcast(offered, s);
    for (unsigned x = 0; x < JSEP_EXTS; x++) {
        s->ext[x].id = offered->ext[x].id;
        s->ext[x].direction = (uint8_t)sq_sdp_direction_reverse(offered->ext[x].direction);
    }
    return err;
}

static int answer_section(const struct jsep_section *offered, struct jsep_section *s)
{
    int err = copy_line(offered, s);
    if (err) {
        return err;
    }
    s->tr = offered->tr;
    s->remote_sctp_port = offered->remote_sctp_port;
    s->remote_max_message = offered->remote_max_message;
    s->told_max_message = offered->told_max_message;
    s->rejected = offered->rejected || offered->why_not || (s->tr && s->tr->stopping) ||
                  (!s->tr && s->kind != SQ_JSEP_DATA);
    return s->rejected || s->kind == SQ_JSEP_DATA ? 0 : answer_media(offered, s);
}

int sq_jsep_create_answer(struct sq_jsep *j, const struct sq_jsep_transport *local, char **ret_text,
                          struct sq_sdp_error *ret_error)
{
    if (j->state != SQ_JSEP_HAVE_REMOTE_OFFER) {
        return jsep_refuse(ret_error, SQ_ERR_STATE, 0, "an answer cannot be created in state %s",
                           sq_jsep_state_name(j->state));
    }
    struct jsep_desc d = {.transport = -1};
    int err = desc_new(j->pending.n, &d);
    for (size_t i = 0; i < j->pending.n && !err; i++) {
        d.n = i + 1;
        err = answer_section(&j->pending.sections[i], &d.sections[i]);
    }
    d.bundled = j->pending.bundled;
    d.mixed = j->pending.mixed;
    err = tell(err ? err : finish(j, &d, local, ret_text), ret_error);
    if (!err) {
        j->created_is_answer = true;
    }
    jsep_desc_free(&d);
    return err;
}

int sq_jsep_local_text(struct sq_jsep *j, const struct sq_jsep_transport *local, char **ret_text)
{
    const struct jsep_desc *d = j->state == SQ_JSEP_HAVE_LOCAL_OFFER ? &j->pending : &j->agreed;
    if (j->state == SQ_JSEP_CLOSED || d->n == 0) {
        return SQ_ERR_STATE;
    }
    return jsep_write(j, d, local, ret_text);
}
