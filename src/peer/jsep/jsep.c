/* Life of the machine and its transceivers, and what readers see of them. */
#include "peer/jsep/jsep_int.h"

#include "base/mem.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int jsep_refuse(struct sq_sdp_error *error, int code, unsigned line, const char *fmt, ...)
{
    if (error) {
        error->line = line;
        va_list args;
        va_start(args, fmt);
        vsnprintf(error->text, sizeof(error->text), fmt, args);
        va_end(args);
    }
    return code;
}

/* ---- Descriptions ---- */

void jsep_section_strip(struct jsep_section *s)
{
    for (size_t i = 0; s->codecs && i < s->n_codecs; i++) {
        sq_free(s->codecs[i].fmtp);
    }
    sq_free(s->codecs);
    sq_free(s->sources);
    sq_free(s->stream_id);
    sq_free(s->track_id);
    sq_free(s->cname);
    sq_free(s->sim);
    s->sim = NULL;
    s->codecs = NULL;
    s->sources = NULL;
    s->n_codecs = s->n_sources = 0;
    s->stream_id = s->track_id = s->cname = NULL;
}

void jsep_section_free(struct jsep_section *s)
{
    jsep_section_strip(s);
    sq_free(s->kind_name);
    sq_free(s->proto);
    sq_free(s->fmt);
    memset(s, 0, sizeof(*s));
}

void jsep_desc_free(struct jsep_desc *d)
{
    for (size_t i = 0; i < d->n; i++) {
        jsep_section_free(&d->sections[i]);
    }
    sq_free(d->sections);
    memset(d, 0, sizeof(*d));
    d->transport = -1;
}

void jsep_remote_free(struct sq_jsep_remote *r)
{
    if (!r) {
        return;
    }
    sq_free(r->ice_ufrag);
    sq_free(r->ice_pwd);
    sq_free(r);
}

void jsep_drop_created(struct sq_jsep *j)
{
    jsep_desc_free(&j->created);
    j->have_created = false;
}

/* ---- Life ---- */

/* One word of an SDP line: no blanks, no control characters, not empty. */
static bool is_word(const char *text, size_t max)
{
    size_t len = strlen(text);
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)text[i] <= ' ' || text[i] == 0x7f) {
            return false;
        }
    }
    return len > 0 && len <= max;
}

int sq_jsep_new(const struct sq_jsep_config *config, struct sq_jsep **ret_jsep)
{
    if (config->session_id >> 63 || (config->cname && !is_word(config->cname, 255))) {
        return SQ_ERR_INVALID;
    }
    struct sq_jsep *j = sq_zalloc(sizeof(*j));
    if (!j) {
        return SQ_ERR_NOMEM;
    }
    j->session_id = config->session_id;
    j->version = 1;
    j->answer_passive = config->answer_passive;
    j->accept_data = config->accept_data;
    j->sctp_port = config->sctp_port ? config->sctp_port : 5000;
    j->max_message_size_bytes =
        config->max_message_size_bytes ? config->max_message_size_bytes : 262144;
    snprintf(j->cname, sizeof(j->cname), "%s", config->cname ? config->cname : "squall");
    memset(j->pt_of_row, JSEP_NO_PT, sizeof(j->pt_of_row));
    j->agreed.transport = j->pending.transport = j->created.transport = -1;
    *ret_jsep = j;
    return 0;
}

void sq_jsep_free(struct sq_jsep *j)
{
    if (!j) {
        return;
    }
    while (j->first) {
        struct sq_jsep_transceiver *t = j->first;
        j->first = t->next;
        jsep_transceiver_free(t);
    }
    jsep_desc_free(&j->agreed);
    jsep_desc_free(&j->pending);
    jsep_desc_free(&j->created);
    jsep_remote_free(j->remote);
    jsep_remote_free(j->pending_remote);
    sq_free(j);
}

void sq_jsep_close(struct sq_jsep *j)
{
    j->state = SQ_JSEP_CLOSED;
    jsep_drop_created(j);
    for (struct sq_jsep_transceiver *t = j->first; t; t = t->next) {
        t->stopped = true;
        t->can_send = t->can_receive = false;
        t->current_direction = SQ_SDP_INACTIVE;
    }
}

enum sq_jsep_state sq_jsep_state(const struct sq_jsep *j)
{
    return j->state;
}

const char *sq_jsep_state_name(enum sq_jsep_state state)
{
    static const char *const names[] = {
        [SQ_JSEP_STABLE] = "stable",
        [SQ_JSEP_HAVE_LOCAL_OFFER] = "have-local-offer",
        [SQ_JSEP_HAVE_REMOTE_OFFER] = "have-remote-offer",
        [SQ_JSEP_CLOSED] = "closed",
    };
    return names[state];
}

const struct sq_jsep_remote *sq_jsep_remote(const struct sq_jsep *j)
{
    return j->pending_remote ? j->pending_remote : j->remote;
}

struct sq_jsep_data sq_jsep_data(const struct sq_jsep *j)
{
    struct sq_jsep_data data = {.negotiated = false};
    for (size_t i = 0; i < j->agreed.n; i++) {
        const struct jsep_section *s = &j->agreed.sections[i];
        data.refused = data.refused || (s->kind == SQ_JSEP_DATA && s->rejected);
        if (s->kind == SQ_JSEP_DATA && !s->rejected) {
            data.negotiated = true;
            memcpy(data.mid, s->mid, sizeof(data.mid));
            data.remote_sctp_port = s->remote_sctp_port;
            data.remote_max_message_size_bytes = s->remote_max_message;
            data.told_max_message_size = s->told_max_message;
        }
    }
    data.refused = data.refused && !data.negotiated;
    return data;
}

static size_t text_bytes(const char *text)
{
    return text ? strlen(text) + 1 : 0;
}

static size_t desc_bytes(const struct jsep_desc *d)
{
    size_t n = d->n * sizeof(*d->sections);
    for (size_t i = 0; i < d->n; i++) {
        const struct jsep_section *s = &d->sections[i];
        n += s->sim ? sizeof(*s->sim) : 0;
        n += s->n_codecs * sizeof(*s->codecs) + s->n_sources * sizeof(*s->sources);
        for (size_t c = 0; c < s->n_codecs; c++) {
            n += text_bytes(s->codecs[c].fmtp);
        }
        n += text_bytes(s->stream_id) + text_bytes(s->track_id) + text_bytes(s->cname) +
             text_bytes(s->kind_name) + text_bytes(s->proto) + text_bytes(s->fmt);
    }
    return n;
}

static size_t remote_bytes(const struct sq_jsep_remote *r)
{
    return r ? sizeof(*r) + text_bytes(r->ice_ufrag) + text_bytes(r->ice_pwd) : 0;
}

size_t sq_jsep_memory_bytes(const struct sq_jsep *j)
{
    size_t n = sizeof(*j) + desc_bytes(&j->agreed) + desc_bytes(&j->pending) +
               desc_bytes(&j->created) + remote_bytes(j->remote) + remote_bytes(j->pending_remote);
    for (const struct sq_jsep_transceiver *t = j->first; t; t = t->next) {
        n += sizeof(*t) + text_bytes(t->stream_id) + text_bytes(t->track_id);
    }
    return n;
}

/* ---- Transceivers ---- */

int jsep_transceiver_new(enum sq_jsep_kind kind, struct sq_jsep_transceiver **ret_transceiver)
{
    struct sq_jsep_transceiver *t = sq_zalloc(sizeof(*t));
    if (!t) {
        return SQ_ERR_NOMEM;
    }
    t->kind = kind;
    t->mline = -1;
    *ret_transceiver = t;
    return 0;
}

void jsep_transceiver_free(struct sq_jsep_transceiver *t)
{
    if (!t) {
        return;
    }
    sq_free(t->stream_id);
    sq_free(t->track_id);
    sq_free(t);
}

void jsep_transceiver_link(struct sq_jsep *j, struct sq_jsep_transceiver *t)
{
    struct sq_jsep_transceiver **end = &j->first;
    while (*end) {
        end = &(*end)->next;
    }
    *end = t;
    j->n_transceivers++;
}

static bool prefs_make_sense(enum sq_jsep_kind kind, const uint8_t *prefs, size_t n)
{
    bool carries_media = n == 0;
    for (size_t i = 0; n <= SQ_JSEP_PREFS_MAX && i < n; i++) {
        uint8_t row = prefs[i];
        if (row >= SQ_JSEP_CODECS || jsep_rows[row].kind != kind || memchr(prefs, row, i) != NULL) {
            return false;
        }
        carries_media = carries_media || jsep_is_media(row);
    }
    return carries_media;
}

static bool add_makes_sense(const struct sq_jsep_add *add, enum sq_jsep_kind kind)
{
    return (kind == SQ_JSEP_AUDIO || kind == SQ_JSEP_VIDEO) &&
           (!add->stream_id || is_word(add->stream_id, 255)) &&
           (!add->track_id || is_word(add->track_id, 255)) &&
           prefs_make_sense(kind, add->prefs, add->n_prefs);
}

void sq_jsep_receive_simulcast(struct sq_jsep_transceiver *t, bool wanted)
{
    t->want_recv = wanted && t->kind == SQ_JSEP_VIDEO;
}

int sq_jsep_set_codecs(struct sq_jsep *j, struct sq_jsep_transceiver *t, uint64_t allowed,
                       const uint8_t *prefs, size_t n_prefs)
{
    (void)j;
    if (!prefs_make_sense(t->kind, prefs, n_prefs)) {
        return SQ_ERR_INVALID;
    }
    t->allowed = allowed;
    t->n_prefs = (uint8_t)n_prefs;
    if (n_prefs) {
        memcpy(t->prefs, prefs, n_prefs);
    }
    return 0;
}

int sq_jsep_set_sender(struct sq_jsep *j, struct sq_jsep_transceiver *t,
                       const struct sq_jsep_add *add)
{
    if (!add_makes_sense(add, t->kind)) {
        return SQ_ERR_INVALID;
    }
    char *stream = add->stream_id ? sq_strdup(add->stream_id) : NULL;
    char *track = add->track_id ? sq_strdup(add->track_id) : NULL;
    if ((add->stream_id && !stream) || (add->track_id && !track)) {
        sq_free(stream);
        sq_free(track);
        return SQ_ERR_NOMEM;
    }
    sq_free(t->stream_id);
    sq_free(t->track_id);
    t->stream_id = stream;
    t->track_id = track;
    t->ssrc = add->ssrc;
    t->rtx_ssrc = add->rtx_ssrc;
    t->opus = add->opus;
    if (add->send_rids) {
        t->want_send = *add->send_rids;
    }
    return 0;
}

int sq_jsep_add(struct sq_jsep *j, const struct sq_jsep_add *add,
                struct sq_jsep_transceiver **ret_transceiver)
{
    if (j->state == SQ_JSEP_CLOSED) {
        return SQ_ERR_STATE;
    }
    if (!add_makes_sense(add, add->kind)) {
        return SQ_ERR_INVALID;
    }
    if (j->n_transceivers >= SQ_JSEP_TRANSCEIVERS_MAX) {
        return SQ_ERR_NOMEM;
    }
    struct sq_jsep_transceiver *t;
    int err = jsep_transceiver_new(add->kind, &t);
    if (err) {
        return err;
    }
    err = sq_jsep_set_sender(j, t, add);
    if (err) {
        jsep_transceiver_free(t);
        return err;
    }
    t->direction = add->direction;
    t->own_section = add->own_section;
    t->allowed = add->allowed;
    t->more_exts = add->more_exts;
    t->n_prefs = (uint8_t)add->n_prefs;
    if (add->n_prefs) {
        memcpy(t->prefs, add->prefs, add->n_prefs);
    }
    jsep_transceiver_link(j, t);
    *ret_transceiver = t;
    return 0;
}

void sq_jsep_stop(struct sq_jsep *j, struct sq_jsep_transceiver *t)
{
    if (t->stopped) {
        return;
    }
    t->can_send = t->can_receive = false;
    if (t->mline >= 0) {
        t->stopping = true;
        return;
    }
    /* Never offered: nobody has to be told. A created offer may still name it. */
    t->stopped = true;
    jsep_drop_created(j);
}

void sq_jsep_set_direction(struct sq_jsep *j, struct sq_jsep_transceiver *t,
                           enum sq_sdp_direction direction)
{
    t->direction = direction;
}

static bool desc_names(const struct jsep_desc *d, const struct sq_jsep_transceiver *t)
{
    for (size_t i = 0; i < d->n; i++) {
        if (d->sections[i].tr == t) {
            return true;
        }
    }
    return false;
}

int sq_jsep_forget(struct sq_jsep *j, struct sq_jsep_transceiver *t)
{
    if (!t->stopped ||
        (j->state != SQ_JSEP_CLOSED && (desc_names(&j->agreed, t) || desc_names(&j->pending, t)))) {
        return SQ_ERR_STATE;
    }
    if (j->state == SQ_JSEP_CLOSED) {
        /* Nothing will be negotiated any more; the descriptions must not point to it. */
        jsep_desc_free(&j->agreed);
        jsep_desc_free(&j->pending);
        jsep_sync(j);
    }
    if (desc_names(&j->created, t)) {
        jsep_drop_created(j);
    }
    for (struct sq_jsep_transceiver **at = &j->first; *at; at = &(*at)->next) {
        if (*at == t) {
            *at = t->next;
            j->n_transceivers--;
            break;
        }
    }
    jsep_transceiver_free(t);
    return 0;
}

struct sq_jsep_transceiver *sq_jsep_first(const struct sq_jsep *j)
{
    return j->first;
}

struct sq_jsep_transceiver *sq_jsep_by_mid(const struct sq_jsep *j, const char *mid)
{
    for (struct sq_jsep_transceiver *t = j->first; t && mid[0]; t = t->next) {
        if (strcmp(t->mid, mid) == 0) {
            return t;
        }
    }
    return NULL;
}

void sq_jsep_want_data(struct sq_jsep *j)
{
    j->want_data = true;
}

/* W3C webrtc-pc, section 4.7.3: check if negotiation is needed. */
bool sq_jsep_needs_offer(const struct sq_jsep *j)
{
    if (j->state == SQ_JSEP_CLOSED) {
        return false;
    }
    for (const struct sq_jsep_transceiver *t = j->first; t; t = t->next) {
        if (t->stopped) {
            continue;
        }
        if (t->mline < 0 || t->stopping || (size_t)t->mline >= j->agreed.n) {
            return true;
        }
        const struct jsep_section *s = &j->agreed.sections[t->mline];
        unsigned wanted =
            j->was_offerer ? (unsigned)t->direction : (unsigned)t->direction & s->remote_direction;
        if (s->tr != t || wanted != s->local_direction) {
            return true;
        }
    }
    return j->want_data && !sq_jsep_data(j).negotiated;
}

static bool mid_used(const struct jsep_desc *d, const char *mid)
{
    for (size_t i = 0; i < d->n; i++) {
        if (strcmp(d->sections[i].mid, mid) == 0) {
            return true;
        }
    }
    return false;
}

void jsep_make_mid(struct sq_jsep *j, const struct jsep_desc *other, char mid[SQ_JSEP_MID_MAX])
{
    char made[SQ_JSEP_MID_MAX] = {0}; /* `mid` may stand in `other`, and must not meet itself */
    do {
        snprintf(made, sizeof(made), "%u", j->next_mid++);
    } while (mid_used(&j->agreed, made) || (other && mid_used(other, made)));
    memcpy(mid, made, sizeof(made));
}

/* ---- What readers see ---- */

static void clear_agreed(struct sq_jsep_transceiver *t)
{
    t->negotiated = t->can_send = t->can_receive = t->rtcp_rsize = false;
    t->current_direction = SQ_SDP_INACTIVE;
    t->codecs = NULL;
    t->n_codecs = 0;
    memset(&t->ext, 0, sizeof(t->ext));
    t->send_rids = t->recv_rids = NULL;
    t->remote_stream_id = t->remote_track_id = t->remote_cname = NULL;
    t->sources = NULL;
    t->n_sources = 0;
    t->remote_max_bps = 0;
}

static void show_remote(struct sq_jsep_transceiver *t, const struct jsep_section *s)
{
    t->remote_stream_id = s->stream_id;
    t->remote_track_id = s->track_id;
    t->remote_cname = s->cname;
    t->sources = s->sources;
    t->n_sources = s->n_sources;
    t->remote_max_bps = s->remote_max_bps;
}

static void show_agreed(struct sq_jsep_transceiver *t, const struct jsep_section *s)
{
    t->negotiated = true;
    t->current_direction = (enum sq_sdp_direction)s->direction;
    t->codecs = s->codecs;
    t->n_codecs = s->n_codecs;
    t->rtcp_rsize = s->rtcp_rsize;
    jsep_ext_public(s, &t->ext);
    t->send_rids = s->sim && s->sim->send.n ? &s->sim->send : NULL;
    t->recv_rids = s->sim && s->sim->recv.n ? &s->sim->recv : NULL;
    t->can_send = !t->stopping && s->n_codecs && (s->direction & SQ_SDP_SENDONLY);
    t->can_receive = !t->stopping && s->n_codecs && (s->direction & SQ_SDP_RECVONLY);
    show_remote(t, s);
}

void jsep_sync(struct sq_jsep *j)
{
    for (struct sq_jsep_transceiver *t = j->first; t; t = t->next) {
        clear_agreed(t);
        if (t->mline < 0 || t->stopped) {
            continue;
        }
        size_t i = (size_t)t->mline;
        if (i < j->agreed.n && j->agreed.sections[i].tr == t) {
            show_agreed(t, &j->agreed.sections[i]);
        }
        if (j->state == SQ_JSEP_HAVE_REMOTE_OFFER && i < j->pending.n &&
            j->pending.sections[i].tr == t) {
            show_remote(t, &j->pending.sections[i]);
        }
    }
}

void sq_jsep_result_free(struct sq_jsep_result *result)
{
    if (!result) {
        return;
    }
    sq_free(result->candidates);
    sq_sdp_free(result->sdp);
    memset(result, 0, sizeof(*result));
}
