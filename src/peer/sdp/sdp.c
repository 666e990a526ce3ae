/* Parsing into lines and sections, finding, writing. RFC 8866, section 9 has the grammar. */
#include "peer/sdp/sdp.h"

#include "base/mem.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Letters that may stand at the session and at the media level (RFC 8866, section 5). */
#define SESSION_LETTERS "vosiuepcbtrzka"
#define MEDIA_LETTERS   "micbka"

struct parser {
    struct sq_sdp *sdp;
    struct sq_sdp_error *error; /* nullable */
    unsigned line;              /* that is being parsed */
    char previous;              /* letter of the line before it, 0 at the start */
    bool have_time;             /* a t= line stood there */
};

static int SQ_PRINTF(2, 3) refuse(const struct parser *p, const char *fmt, ...)
{
    if (p->error) {
        p->error->line = p->line;
        va_list args;
        va_start(args, fmt);
        vsnprintf(p->error->text, sizeof(p->error->text), fmt, args);
        va_end(args);
    }
    return SQ_ERR_FORMAT;
}

static int too_much(struct sq_sdp_error *error, unsigned line, const char *what, size_t max)
{
    if (error) {
        error->line = line;
        snprintf(error->text, sizeof(error->text), "more than %zu %s", max, what);
    }
    return SQ_ERR_NOSPACE;
}

/* Lines in the text, and m= lines among them. */
static void count_lines(const char *text, size_t len, size_t *ret_lines, size_t *ret_media)
{
    size_t lines = 0;
    size_t media = 0;
    const char *end = text + len;
    for (const char *at = text; at && at < end;) {
        lines++;
        media += *at == 'm';
        at = memchr(at, '\n', (size_t)(end - at));
        at = at ? at + 1 : NULL;
    }
    *ret_lines = lines;
    *ret_media = media;
}

struct sq_view sq_sdp_word(struct sq_view *rest)
{
    while (rest->len > 0 && (rest->at[0] == ' ' || rest->at[0] == '\t')) {
        rest->at++;
        rest->len--;
    }
    struct sq_view word = {rest->at, 0};
    while (word.len < rest->len && rest->at[word.len] != ' ' && rest->at[word.len] != '\t') {
        word.len++;
    }
    if (rest->at) {
        rest->at += word.len;
    }
    rest->len -= word.len;
    return word;
}

/* o=user sess-id sess-version nettype addrtype address (RFC 8866, section 5.2) */
static int parse_origin(struct parser *p, struct sq_view value)
{
    struct sq_sdp_origin *o = &p->sdp->origin;
    o->user = sq_sdp_word(&value);
    o->session_id = sq_sdp_word(&value);
    o->version = sq_sdp_word(&value);
    o->address = sq_view_trim(value);
    if (o->address.len == 0) {
        return refuse(p, "expected o=user session-id version nettype addrtype address");
    }
    return 0;
}

/* m=audio 9/2 UDP/TLS/RTP/SAVPF 111 0 (RFC 8866, section 5.14) */
static int parse_media(struct parser *p, struct sq_view value, struct sq_sdp_media *m)
{
    m->kind = sq_sdp_word(&value);
    struct sq_view ports = sq_sdp_word(&value);
    m->proto = sq_sdp_word(&value);
    m->fmts = sq_view_trim(value);
    if (m->fmts.len == 0) {
        return refuse(p, "expected m=kind port protocol formats");
    }
    struct sq_view port = sq_view_cut(&ports, '/');
    uint64_t number = 0;
    uint64_t count = 1;
    if (sq_view_u64(port, 65535, &number) ||
        (ports.at && (sq_view_u64(ports, 65535, &count) || count == 0))) {
        return refuse(p, "expected a port from 0 to 65535 in the m= line");
    }
    m->port = (uint16_t)number;
    m->n_ports = (uint16_t)count;
    return 0;
}

static int open_media(struct parser *p, struct sq_sdp_line *line)
{
    struct sq_sdp *sdp = p->sdp;
    if (sdp->n_media == SQ_SDP_MEDIA_MAX) {
        return too_much(p->error, p->line, "media sections", SQ_SDP_MEDIA_MAX);
    }
    struct sq_sdp_media *m = &sdp->media[sdp->n_media];
    int err = parse_media(p, line->value, m);
    if (err) {
        return err;
    }
    m->section.lines = line;
    sdp->n_media++;
    return 0;
}

/* v=, o= and s= stand first, each once (RFC 8866, section 5). The order of the others is not
 * insisted upon. */
static int check_order(struct parser *p, char type)
{
    static const char first[] = "vos";
    size_t n = p->sdp->n_lines;
    if (n < 3 && type != first[n]) {
        if (n == 0) {
            return refuse(p, "expected v=0 as the first line");
        }
        return refuse(p, "expected %c= after %c=, found %c=", first[n], p->previous, type);
    }
    if (n >= 3 && strchr(first, type)) {
        return refuse(p, "a second %c= line", type);
    }
    const char *letters = p->sdp->n_media || type == 'm' ? MEDIA_LETTERS : SESSION_LETTERS;
    if (!strchr(letters, type)) {
        return refuse(p, "%c= does not belong %s", type,
                      p->sdp->n_media ? "into a media section" : "into the session part");
    }
    if (type == 'm' && !p->have_time) {
        return refuse(p, "expected t= before the first m= line");
    }
    return 0;
}

/* `text` is NUL-terminated at `len`, without its line end. */
static int parse_line(struct parser *p, const char *text, size_t len)
{
    struct sq_sdp *sdp = p->sdp;
    if (len < 2 || text[1] != '=' || text[0] < 'a' || text[0] > 'z') {
        return refuse(p, "expected a line like x=value, found \"%.40s\"", text);
    }
    int err = check_order(p, text[0]);
    if (err) {
        return err;
    }
    struct sq_sdp_line *line = &sdp->lines[sdp->n_lines];
    *line = (struct sq_sdp_line){
        .type = text[0], .number = p->line, .value = {text + 2, len - 2}, .name = {text + 2, 0}};
    p->previous = line->type;
    p->have_time = p->have_time || line->type == 't';
    switch (line->type) {
    case 'v':
        err = sq_view_is(line->value, "0") ? 0 : refuse(p, "expected v=0");
        break;
    case 'o':
        err = parse_origin(p, line->value);
        break;
    case 'm':
        err = open_media(p, line);
        break;
    case 'a':
        line->name = sq_view_cut(&line->value, ':');
        err = line->name.len ? 0 : refuse(p, "expected the name of an attribute after a=");
        break;
    default:
        break;
    }
    if (err) {
        return err;
    }
    sdp->n_lines++;
    struct sq_sdp_section *section =
        sdp->n_media ? &sdp->media[sdp->n_media - 1].section : &sdp->session;
    section->n_lines++;
    return 0;
}

static int parse_lines(struct parser *p, size_t len)
{
    char *text = p->sdp->text;
    size_t end_of_content = len;
    while (end_of_content > 0 &&
           (text[end_of_content - 1] == '\n' || text[end_of_content - 1] == '\r')) {
        end_of_content--;
    }
    for (size_t at = 0; at < end_of_content;) {
        p->line++;
        char *newline = memchr(text + at, '\n', len - at);
        size_t end = newline ? (size_t)(newline - text) : len;
        size_t next = newline ? end + 1 : len;
        if (end > at && text[end - 1] == '\r') {
            end--;
        }
        if (memchr(text + at, '\0', end - at) || memchr(text + at, '\r', end - at)) {
            return refuse(p, "a NUL or CR byte within a line");
        }
        text[end] = '\0';
        int err = parse_line(p, text + at, end - at);
        if (err) {
            return err;
        }
        at = next;
    }
    if (p->sdp->n_lines < 3 || !p->have_time) {
        p->line++;
        return refuse(p, "the description ends early: expected v=, o=, s= and t= lines");
    }
    return 0;
}

int sq_sdp_parse(const char *text, size_t len, struct sq_sdp **ret_sdp,
                 struct sq_sdp_error *ret_error)
{
    if (len > SQ_SDP_TEXT_MAX_BYTES) {
        return too_much(ret_error, 0, "bytes", SQ_SDP_TEXT_MAX_BYTES);
    }
    size_t n_lines;
    size_t n_media;
    count_lines(text, len, &n_lines, &n_media);
    if (n_lines > SQ_SDP_LINES_MAX) {
        return too_much(ret_error, SQ_SDP_LINES_MAX + 1, "lines", SQ_SDP_LINES_MAX);
    }
    int err = SQ_ERR_NOMEM;
    struct parser p = {.sdp = sq_zalloc(sizeof(struct sq_sdp)), .error = ret_error};
    if (!p.sdp) {
        goto out;
    }
    p.sdp->text = sq_malloc(len + 1);
    p.sdp->lines = sq_calloc(n_lines + 1, sizeof(*p.sdp->lines));
    p.sdp->media = sq_calloc(n_media + 1, sizeof(*p.sdp->media));
    if (!p.sdp->text || !p.sdp->lines || !p.sdp->media) {
        goto out;
    }
    if (len > 0) {
        memcpy(p.sdp->text, text, len);
    }
    p.sdp->text[len] = '\0';
    p.sdp->session.lines = p.sdp->lines;
    err = parse_lines(&p, len);
out:
    if (err) {
        if (err == SQ_ERR_NOMEM && ret_error) {
            *ret_error = (struct sq_sdp_error){0, "no memory"};
        }
        sq_sdp_free(p.sdp);
        return err;
    }
    *ret_sdp = p.sdp;
    return 0;
}

void sq_sdp_free(struct sq_sdp *sdp)
{
    if (!sdp) {
        return;
    }
    sq_free(sdp->media);
    sq_free(sdp->lines);
    sq_free(sdp->text);
    sq_free(sdp);
}

void sq_sdp_write(const struct sq_sdp *sdp, struct sq_buf *out)
{
    for (size_t i = 0; i < sdp->n_lines; i++) {
        const struct sq_sdp_line *line = &sdp->lines[i];
        const char head[2] = {line->type, '='};
        sq_buf_add(out, head, 2);
        sq_buf_add(out, line->name.at, line->name.len);
        if (line->type == 'a' && line->value.at) {
            sq_buf_add(out, ":", 1);
        }
        sq_buf_add(out, line->value.at, line->value.len);
        sq_buf_add(out, "\r\n", 2);
    }
}

bool sq_sdp_view_equal(struct sq_view a, struct sq_view b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

static const struct sq_sdp_line *attr_from(const struct sq_sdp_section *s, const char *name,
                                           size_t from)
{
    for (size_t i = from; i < s->n_lines; i++) {
        if (s->lines[i].type == 'a' && sq_view_is(s->lines[i].name, name)) {
            return &s->lines[i];
        }
    }
    return NULL;
}

const struct sq_sdp_line *sq_sdp_attr(const struct sq_sdp_section *s, const char *name)
{
    return attr_from(s, name, 0);
}

const struct sq_sdp_line *sq_sdp_attr_next(const struct sq_sdp_section *s, const char *name,
                                           const struct sq_sdp_line *after)
{
    return attr_from(s, name, (size_t)(after - s->lines) + 1);
}

const struct sq_sdp_line *sq_sdp_attr_inherited(const struct sq_sdp *sdp,
                                                const struct sq_sdp_media *m, const char *name)
{
    const struct sq_sdp_line *line = sq_sdp_attr(&m->section, name);
    return line ? line : sq_sdp_attr(&sdp->session, name);
}

const struct sq_sdp_line *sq_sdp_find(const struct sq_sdp_section *s, char type)
{
    for (size_t i = 0; i < s->n_lines; i++) {
        if (s->lines[i].type == type) {
            return &s->lines[i];
        }
    }
    return NULL;
}

struct sq_view sq_sdp_value(const struct sq_sdp_section *s, const char *name)
{
    const struct sq_sdp_line *line = sq_sdp_attr(s, name);
    return line ? sq_view_trim(line->value) : (struct sq_view){NULL, 0};
}

bool sq_sdp_has(const struct sq_sdp_section *s, const char *name)
{
    return sq_sdp_attr(s, name) != NULL;
}

int sq_sdp_number(const struct sq_sdp_section *s, const char *name, uint64_t max,
                  uint64_t *ret_number)
{
    const struct sq_sdp_line *line = sq_sdp_attr(s, name);
    if (!line) {
        return SQ_ERR_NOTFOUND;
    }
    return sq_view_u64(sq_view_trim(line->value), max, ret_number);
}

bool sq_sdp_has_word(struct sq_view words, const char *word)
{
    for (struct sq_view w = sq_sdp_word(&words); w.len; w = sq_sdp_word(&words)) {
        if (sq_view_is(w, word)) {
            return true;
        }
    }
    return false;
}
