/* A remote description becomes a list of sections: what they hold, and whether we could accept
 * them. */
#include "peer/jsep/jsep_int.h"

#include "base/mem.h"
#include "base/time.h"
#include <string.h>

/* RFC 8839, section 5.4: lengths of ice-ufrag and ice-pwd. */
#define UFRAG_MIN       4
#define PWD_MIN         22
#define CREDENTIALS_MAX 256

#define GROUP_MAX ((size_t)SQ_SDP_MEDIA_MAX * SQ_JSEP_MID_MAX) /* bytes: a mid and a blank each */

static int copy_view(struct sq_view v, char **ret_text)
{
    if (v.len == 0) {
        return 0;
    }
    char *text = sq_strndup(v.at, v.len);
    if (!text) {
        return SQ_ERR_NOMEM;
    }
    sq_free(*ret_text);
    *ret_text = text;
    return 0;
}

/* ---- Sources: a=msid, a=ssrc, a=ssrc-group (RFC 8830, RFC 5576) ---- */

struct sources {
    struct sq_jsep_source list[SQ_JSEP_SOURCES_MAX];
    size_t n;
    uint32_t repairs[SQ_JSEP_SOURCES_MAX * 2]; /* streams that only repair others */
    size_t n_repairs;
};

static struct sq_jsep_source *source_of(struct sources *all, uint32_t ssrc)
{
    for (size_t i = 0; i < all->n; i++) {
        if (all->list[i].ssrc == ssrc) {
            return &all->list[i];
        }
    }
    for (size_t i = 0; i < all->n_repairs; i++) {
        if (all->repairs[i] == ssrc) {
            return NULL;
        }
    }
    if (all->n == SQ_JSEP_SOURCES_MAX) {
        return NULL;
    }
    all->list[all->n] = (struct sq_jsep_source){.ssrc = ssrc};
    return &all->list[all->n++];
}

static void note_repair(struct sources *all, uint32_t ssrc)
{
    if (all->n_repairs < sizeof(all->repairs) / sizeof(*all->repairs)) {
        all->repairs[all->n_repairs++] = ssrc;
    }
}

static void read_groups(const struct sq_sdp_section *section, struct sources *all)
{
    const struct sq_sdp_line *line = sq_sdp_attr(section, "ssrc-group");
    for (; line; line = sq_sdp_attr_next(section, "ssrc-group", line)) {
        struct sq_sdp_ssrc_group g;
        if (sq_sdp_parse_ssrc_group(line->value, &g)) {
            continue;
        }
        bool fid = sq_view_is(g.semantics, "FID");
        if (!fid && !sq_view_is(g.semantics, "FEC-FR")) {
            continue;
        }
        for (size_t i = 1; i < g.n_ssrcs; i++) {
            note_repair(all, g.ssrcs[i]);
        }
        struct sq_jsep_source *first = g.n_ssrcs > 1 ? source_of(all, g.ssrcs[0]) : NULL;
        if (fid && first) {
            first->rtx_ssrc = g.ssrcs[1];
        }
    }
}

/* One that does not parse leaves *msid alone. */
static void read_msid(struct sq_view value, struct sq_sdp_msid *msid)
{
    struct sq_sdp_msid told;
    if (!sq_sdp_parse_msid(value, &told)) {
        *msid = told;
    }
}

static int read_sources(const struct sq_sdp_section *section, struct jsep_section *s)
{
    struct sources all = {.n = 0};
    struct sq_sdp_msid msid = {.stream = {NULL, 0}};
    struct sq_view cname = {NULL, 0};
    read_groups(section, &all);
    const struct sq_sdp_line *line = sq_sdp_attr(section, "ssrc");
    for (; line; line = sq_sdp_attr_next(section, "ssrc", line)) {
        struct sq_sdp_ssrc a;
        if (sq_sdp_parse_ssrc(line->value, &a)) {
            continue;
        }
        (void)source_of(&all, a.ssrc);
        if (sq_view_is(a.name, "cname") && cname.len == 0) {
            cname = sq_view_trim(a.value);
        } else if (sq_view_is(a.name, "msid") && msid.stream.len == 0) {
            read_msid(a.value, &msid);
        }
    }
    line = sq_sdp_attr(section, "msid");
    if (line) {
        read_msid(line->value, &msid);
    }
    if (copy_view(msid.stream, &s->stream_id) || copy_view(msid.track, &s->track_id) ||
        copy_view(cname, &s->cname)) {
        return SQ_ERR_NOMEM;
    }
    if (all.n > 0) {
        s->sources = sq_calloc(all.n, sizeof(*s->sources));
        if (!s->sources) {
            return SQ_ERR_NOMEM;
        }
        memcpy(s->sources, all.list, all.n * sizeof(*s->sources));
        s->n_sources = (uint8_t)all.n;
    }
    return 0;
}

/* ---- Sections ---- */

/* RFC 9429, section 5.1.2: profiles that mean RTP over DTLS here. */
static bool rtp_proto(struct sq_view proto)
{
    static const char *const known[] = {
        "UDP/TLS/RTP/SAVPF",  "UDP/TLS/RTP/SAVP",  "TCP/TLS/RTP/SAVPF",
        "TCP/DTLS/RTP/SAVPF", "TCP/DTLS/RTP/SAVP", "RTP/SAVPF",
        "RTP/SAVP",           "RTP/AVPF",          "RTP/AVP"};
    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
        if (sq_view_is(proto, known[i])) {
            return true;
        }
    }
    return false;
}

static int read_data(const struct sq_jsep *j, const struct sq_sdp_media *m, struct jsep_section *s)
{
    uint64_t port = 5000;
    uint64_t size;
    int err = 0;
    s->old_data = sq_view_is(m->proto, "DTLS/SCTP");
    if (s->old_data) {
        err = sq_view_u64(m->fmts, 65535, &port);
    } else if (!(sq_view_is(m->proto, "UDP/DTLS/SCTP") || sq_view_is(m->proto, "TCP/DTLS/SCTP")) ||
               !sq_sdp_has_word(m->fmts, "webrtc-datachannel")) {
        s->why_not = "is no data channel over DTLS";
        return 0;
    } else {
        err = sq_sdp_number(&m->section, "sctp-port", 65535, &port);
        err = err == SQ_ERR_NOTFOUND ? 0 : err;
    }
    if (err || port == 0) {
        s->why_not = "has no usable SCTP port";
    } else if (!j->accept_data && !j->want_data) {
        s->why_not = "is a data channel, which is not enabled";
    }
    /* RFC 8841, section 6.1: 64 KB when not told, and 0 means any size. */
    s->told_max_message = !sq_sdp_number(&m->section, "max-message-size", UINT64_MAX, &size);
    if (!s->told_max_message) {
        size = 65536;
    }
    s->remote_sctp_port = (uint16_t)port;
    s->remote_max_message = size == 0 || size > UINT32_MAX ? UINT32_MAX : (uint32_t)size;
    return 0;
}

static int read_media(const struct sq_sdp *sdp, const struct sq_sdp_media *m,
                      struct jsep_section *s)
{
    s->remote_direction = (uint8_t)sq_sdp_direction_reverse(sq_sdp_direction_of(sdp, m));
    s->direction = s->remote_direction;
    s->rtcp_rsize = sq_sdp_attr_inherited(sdp, m, "rtcp-rsize") != NULL;
    s->remote_max_bps = sq_sdp_bandwidth_bps(&m->section);
    if (!rtp_proto(m->proto)) {
        s->why_not = "has a transport protocol that is not RTP over DTLS";
    }
    int err = jsep_read_codecs(m, s);
    err = err ? err : read_sources(&m->section, s);
    err = err ? err : jsep_read_simulcast(m, s);
    if (err) {
        return err;
    }
    struct jsep_ext exts[JSEP_EXTS] = {{0}};
    jsep_read_exts(&m->section, exts);
    jsep_take_exts(s, exts);
    if (s->n_codecs == 0 && !s->why_not) {
        s->why_not = "has no codec that Squall knows";
    }
    return 0;
}

static int read_mid(const struct sq_sdp_media *m, const struct jsep_desc *d, struct jsep_section *s,
                    struct sq_sdp_error *error)
{
    const struct sq_sdp_line *line = sq_sdp_attr(&m->section, "mid");
    if (!line) {
        return 0;
    }
    struct sq_view mid = sq_view_trim(line->value);
    if (mid.len == 0 || mid.len >= SQ_JSEP_MID_MAX || memchr(mid.at, ' ', mid.len) ||
        memchr(mid.at, '\t', mid.len)) {
        return jsep_refuse(
            error, SQ_ERR_FORMAT, line->number,
            "expected one word of 1 to %d characters after a=mid:", SQ_JSEP_MID_MAX - 1);
    }
    memcpy(s->mid, mid.at, mid.len);
    s->has_mid = true;
    for (const struct jsep_section *other = d->sections; other < s; other++) {
        if (strcmp(other->mid, s->mid) == 0) {
            return jsep_refuse(error, SQ_ERR_FORMAT, line->number,
                               "two m-sections have the mid \"%s\"", s->mid);
        }
    }
    return 0;
}

static int read_section(const struct sq_jsep *j, const struct sq_sdp *sdp, size_t i,
                        struct jsep_desc *d, struct sq_sdp_error *error)
{
    static const struct {
        const char *name;
        uint8_t kind;
    } kinds[] = {{"audio", SQ_JSEP_AUDIO}, {"video", SQ_JSEP_VIDEO}, {"application", SQ_JSEP_DATA}};
    const struct sq_sdp_media *m = &sdp->media[i];
    struct jsep_section *s = &d->sections[i];
    s->kind = SQ_JSEP_OTHER;
    s->line = m->section.lines[0].number;
    for (size_t k = 0; k < sizeof(kinds) / sizeof(*kinds); k++) {
        s->kind = sq_view_is(m->kind, kinds[k].name) ? kinds[k].kind : s->kind;
    }
    int err = read_mid(m, d, s, error);
    if (err) {
        return err;
    }
    /* What the answer repeats of the m= line. */
    struct sq_view fmts = m->fmts;
    if ((s->kind == SQ_JSEP_OTHER && copy_view(m->kind, &s->kind_name)) ||
        (!sq_view_is(m->proto, JSEP_RTP_PROTO) && copy_view(m->proto, &s->proto)) ||
        copy_view(sq_sdp_word(&fmts), &s->fmt)) {
        return SQ_ERR_NOMEM;
    }
    switch (s->kind) {
    case SQ_JSEP_DATA:
        return read_data(j, m, s);
    case SQ_JSEP_OTHER:
        s->why_not = "is of a kind that Squall does not know";
        return 0;
    default:
        return read_media(sdp, m, s);
    }
}

/* ---- BUNDLE and rtcp-mux ---- */

/* Port 0 rejects, but for a=bundle-only in the group (RFC 9143, section 6). */
static void find_rejected(const struct sq_sdp *sdp, struct sq_view group, struct jsep_desc *d)
{
    for (size_t i = 0; i < d->n; i++) {
        const struct sq_sdp_media *m = &sdp->media[i];
        struct jsep_section *s = &d->sections[i];
        bool bundle_only =
            s->has_mid && sq_sdp_has_word(group, s->mid) && sq_sdp_has(&m->section, "bundle-only");
        s->rejected = m->port == 0 && !bundle_only;
    }
}

/* The section whose transport counts: the first of the group that is not rejected (RFC 9143,
 * section 7.2.1), or, without a group, the first that can be accepted. */
static int find_transport(struct sq_view group, const struct jsep_desc *d)
{
    if (!d->bundled) {
        for (size_t i = 0; i < d->n; i++) {
            if (!d->sections[i].rejected && !d->sections[i].why_not) {
                return (int)i;
            }
        }
        return -1;
    }
    for (struct sq_view w = sq_sdp_word(&group); w.len; w = sq_sdp_word(&group)) {
        for (size_t i = 0; i < d->n; i++) {
            if (!d->sections[i].rejected && sq_view_is(w, d->sections[i].mid)) {
                return (int)i;
            }
        }
    }
    return -1;
}

static void check_transport(const struct sq_sdp *sdp, struct sq_view group, struct jsep_desc *d)
{
    d->transport = find_transport(group, d);
    bool shared_mux = d->bundled && d->transport >= 0 &&
                      sq_sdp_attr_inherited(sdp, &sdp->media[d->transport], "rtcp-mux");
    for (size_t i = 0; i < d->n; i++) {
        struct jsep_section *s = &d->sections[i];
        bool media = s->kind == SQ_JSEP_AUDIO || s->kind == SQ_JSEP_VIDEO;
        bool inside =
            d->bundled ? s->has_mid && sq_sdp_has_word(group, s->mid) : (int)i == d->transport;
        if (s->rejected || s->why_not) {
            continue;
        }
        if (!inside) {
            s->why_not = "is not bundled, and Squall has one transport only";
        } else if (media && !shared_mux &&
                   !sq_sdp_attr_inherited(sdp, &sdp->media[i], "rtcp-mux")) {
            s->why_not = "has no a=rtcp-mux, which Squall needs";
        }
    }
}

/* Within a bundle one id has one meaning (RFC 9143, section 9.1), since a packet is parsed before
 * it is known whose it is. An id with two (aiortc's offers have one) is used for neither. */
static void drop_ambiguous_exts(struct jsep_desc *d)
{
    enum { FREE, AMBIGUOUS, FIRST };
    uint8_t meaning[256] = {FREE};
    for (size_t i = 0; i < d->n; i++) {
        for (unsigned x = 0; x < JSEP_EXTS; x++) {
            uint8_t *m = &meaning[d->sections[i].ext[x].id];
            *m = *m == FREE || *m == FIRST + x ? (uint8_t)(FIRST + x) : AMBIGUOUS;
        }
    }
    for (size_t i = 0; i < d->n; i++) {
        for (unsigned x = 0; x < JSEP_EXTS; x++) {
            if (meaning[d->sections[i].ext[x].id] == AMBIGUOUS) {
                d->sections[i].ext[x] = (struct jsep_ext){0, 0};
            }
        }
    }
}

int jsep_read(const struct sq_jsep *j, const struct sq_sdp *sdp, struct jsep_desc *ret_desc,
              struct sq_sdp_error *error)
{
    struct jsep_desc d = {.transport = -1};
    struct sq_view group = {NULL, 0};
    struct jsep_ext exts[JSEP_EXTS] = {{0}};
    int err = 0;
    d.sections = sq_calloc(sdp->n_media ? sdp->n_media : 1, sizeof(*d.sections));
    if (!d.sections) {
        return jsep_refuse(error, SQ_ERR_NOMEM, 0, "no memory");
    }
    d.bundled = sq_sdp_bundle(sdp, 0, &group);
    /* Each section looks for itself in the group: no more of it is read than they can fill. */
    group.len = sq_min_u64(group.len, GROUP_MAX);
    jsep_read_exts(&sdp->session, exts); /* RFC 8285, section 5: they are for every section */
    d.mixed = sq_sdp_has(&sdp->session, "extmap-allow-mixed");
    for (size_t i = 0; i < sdp->n_media && !err; i++) {
        d.n = i + 1;
        err = read_section(j, sdp, i, &d, error);
        if (d.sections[i].kind == SQ_JSEP_AUDIO || d.sections[i].kind == SQ_JSEP_VIDEO) {
            jsep_take_exts(&d.sections[i], exts);
        }
        d.mixed = d.mixed || sq_sdp_has(&sdp->media[i].section, "extmap-allow-mixed");
    }
    if (err) {
        jsep_desc_free(&d);
        return err == SQ_ERR_NOMEM ? jsep_refuse(error, err, 0, "no memory") : err;
    }
    find_rejected(sdp, group, &d);
    check_transport(sdp, group, &d);
    if (d.bundled) {
        drop_ambiguous_exts(&d);
    }
    *ret_desc = d;
    return 0;
}

/* ---- The transport ---- */

/* The attribute of the transport's section, of the session level, or (tolerated) of any other. */
static const struct sq_sdp_line *transport_attr(const struct sq_sdp *sdp, int transport,
                                                const char *name)
{
    const struct sq_sdp_line *line = sq_sdp_attr_inherited(sdp, &sdp->media[transport], name);
    for (size_t i = 0; i < sdp->n_media && !line; i++) {
        line = sq_sdp_attr(&sdp->media[i].section, name);
    }
    return line;
}

static int read_credential(const struct sq_sdp *sdp, const struct jsep_desc *d, const char *name,
                           size_t min, char **ret_text, struct sq_sdp_error *error)
{
    const struct sq_sdp_line *line = transport_attr(sdp, d->transport, name);
    if (!line) {
        return jsep_refuse(error, SQ_ERR_FORMAT, d->sections[d->transport].line,
                           "the m-section has no a=%s", name);
    }
    struct sq_view value = sq_view_trim(line->value);
    if (value.len < min || value.len > CREDENTIALS_MAX) {
        return jsep_refuse(error, SQ_ERR_FORMAT, line->number,
                           "a=%s has %zu characters, expected %zu to %d", name, value.len, min,
                           CREDENTIALS_MAX);
    }
    *ret_text = sq_strndup(value.at, value.len);
    return *ret_text ? 0 : jsep_refuse(error, SQ_ERR_NOMEM, 0, "no memory");
}

static int add_fingerprints(const struct sq_sdp_section *section, struct sq_jsep_remote *r,
                            struct sq_sdp_error *error)
{
    const struct sq_sdp_line *line = sq_sdp_attr(section, "fingerprint");
    for (; line; line = sq_sdp_attr_next(section, "fingerprint", line)) {
        struct sq_sdp_fingerprint f;
        memset(&f, 0, sizeof(f));
        int err = sq_sdp_parse_fingerprint(line->value, &f);
        if (err == SQ_ERR_FORMAT) {
            return jsep_refuse(error, err, line->number,
                               "expected a hash function and its bytes in hexadecimal, as in "
                               "a=fingerprint:sha-256 AB:CD:…");
        }
        if (!err && r->n_fingerprints < SQ_JSEP_FINGERPRINTS_MAX) {
            r->fingerprints[r->n_fingerprints++] = f;
        }
    }
    return 0;
}

static int read_fingerprints(const struct sq_sdp *sdp, const struct jsep_desc *d,
                             struct sq_jsep_remote *r, struct sq_sdp_error *error)
{
    int err = add_fingerprints(&sdp->media[d->transport].section, r, error);
    if (!err && r->n_fingerprints == 0) {
        err = add_fingerprints(&sdp->session, r, error);
    }
    for (size_t i = 0; i < sdp->n_media && !err && r->n_fingerprints == 0; i++) {
        err = add_fingerprints(&sdp->media[i].section, r, error);
    }
    if (!err && r->n_fingerprints == 0) {
        err = jsep_refuse(error, SQ_ERR_FORMAT, d->sections[d->transport].line,
                          "the m-section has no a=fingerprint of a hash that Squall knows (sha-1 "
                          "to sha-512)");
    }
    return err;
}

int jsep_read_remote(const struct sq_sdp *sdp, const struct jsep_desc *desc,
                     struct sq_jsep_remote **ret_remote, enum sq_sdp_setup *ret_setup,
                     struct sq_sdp_error *error)
{
    struct sq_jsep_remote *r = sq_zalloc(sizeof(*r));
    if (!r) {
        return jsep_refuse(error, SQ_ERR_NOMEM, 0, "no memory");
    }
    enum sq_sdp_setup setup = SQ_SDP_SETUP_NONE;
    int err = read_credential(sdp, desc, "ice-ufrag", UFRAG_MIN, &r->ice_ufrag, error);
    err = err ? err : read_credential(sdp, desc, "ice-pwd", PWD_MIN, &r->ice_pwd, error);
    err = err ? err : read_fingerprints(sdp, desc, r, error);
    const struct sq_sdp_line *line = transport_attr(sdp, desc->transport, "setup");
    if (!err && line && sq_sdp_parse_setup(line->value, &setup)) {
        err = jsep_refuse(error, SQ_ERR_FORMAT, line->number,
                          "expected a=setup:actpass, active or passive");
    }
    if (err) {
        jsep_remote_free(r);
        return err;
    }
    r->ice_lite = sq_sdp_attr_inherited(sdp, &sdp->media[desc->transport], "ice-lite") != NULL;
    line = transport_attr(sdp, desc->transport, "ice-options");
    r->ice_trickle = line && sq_sdp_has_word(line->value, "trickle");
    *ret_remote = r;
    *ret_setup = setup;
    return 0;
}

/* ---- Candidates ---- */

static void collect(const struct sq_sdp_section *section, const char *mid, unsigned mline,
                    struct sq_jsep_candidate *list, size_t *n)
{
    for (size_t i = 0; i < section->n_lines; i++) {
        const struct sq_sdp_line *line = &section->lines[i];
        if (line->type == 'a' && sq_view_is(line->name, "candidate") && line->value.len > 0) {
            if (list) {
                /* the line's text from its name on: it runs on over the colon to the NUL */
                list[*n] = (struct sq_jsep_candidate){mid, mline, line->name.at};
            }
            (*n)++;
        }
    }
}

/* Those of the transport's section: those of other sections speak of transports that BUNDLE gives
 * up. Where it has none, all those of the same ICE generation (some write them elsewhere). */
static size_t collect_all(const struct sq_sdp *sdp, const struct jsep_desc *d,
                          struct sq_jsep_candidate *list)
{
    size_t n = 0;
    size_t k = (size_t)d->transport;
    const struct sq_sdp_section *main = &sdp->media[k].section;
    const char *mid = sq_sdp_has(main, "mid") ? sq_sdp_value(main, "mid").at : "";
    collect(&sdp->session, mid, (unsigned)k, list, &n);
    collect(main, mid, (unsigned)k, list, &n);
    const struct sq_sdp_line *ufrag = sq_sdp_attr_inherited(sdp, &sdp->media[k], "ice-ufrag");
    for (size_t i = 0; i < sdp->n_media && n == 0; i++) {
        const struct sq_sdp_section *section = &sdp->media[i].section;
        const struct sq_sdp_line *own = sq_sdp_attr(section, "ice-ufrag");
        if (d->sections[i].rejected ||
            (own && ufrag && !sq_sdp_view_equal(own->value, ufrag->value))) {
            continue;
        }
        collect(section, sq_sdp_has(section, "mid") ? sq_sdp_value(section, "mid").at : "",
                (unsigned)i, list, &n);
    }
    return n;
}

int jsep_read_candidates(const struct sq_sdp *sdp, const struct jsep_desc *desc,
                         struct sq_jsep_result *result)
{
    if (desc->transport < 0) {
        return 0;
    }
    result->end_of_candidates =
        sq_sdp_attr_inherited(sdp, &sdp->media[desc->transport], "end-of-candidates") != NULL;
    size_t n = collect_all(sdp, desc, NULL);
    if (n == 0) {
        return 0;
    }
    result->candidates = sq_calloc(n, sizeof(*result->candidates));
    if (!result->candidates) {
        return SQ_ERR_NOMEM;
    }
    result->n_candidates = collect_all(sdp, desc, result->candidates);
    return 0;
}
