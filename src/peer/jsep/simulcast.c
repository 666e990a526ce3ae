/* Simulcast in descriptions: a=rid (RFC 8851) and a=simulcast (RFC 8853). The lists of a section
 * are seen from here: `send` is what the other side's "recv" says. */
#include "peer/jsep/jsep_int.h"

#include "base/mem.h"
#include <string.h>

#define LISTED_MAX 16 /* elements of a list that are looked at: each is sought in all lines */

static bool has_rid_line(const struct sq_sdp_section *section, struct sq_view id, bool send)
{
    const struct sq_sdp_line *line = sq_sdp_attr(section, "rid");
    for (; line; line = sq_sdp_attr_next(section, "rid", line)) {
        struct sq_sdp_rid rid;
        if (!sq_sdp_parse_rid(line->value, &rid) && rid.send == send &&
            sq_sdp_view_equal(rid.id, id)) {
            return true;
        }
    }
    return false;
}

static int find(const struct sq_jsep_rids *rids, const char *id)
{
    for (int i = 0; i < rids->n; i++) {
        if (strcmp(rids->id[i], id) == 0) {
            return i;
        }
    }
    return -1;
}

static void add(struct sq_jsep_rids *rids, const char *id, bool paused)
{
    if (rids->n < SQ_JSEP_RIDS_MAX && find(rids, id) < 0) {
        memcpy(rids->id[rids->n], id, strlen(id) + 1);
        rids->paused |= (uint8_t)((paused ? 1U : 0U) << rids->n);
        rids->n++;
    }
}

/* RFC 8853, section 5.1: streams divided by ';', alternatives of one by ',', '~' before one that
 * begins paused. Of alternatives the first counts. One without an a=rid line is left out (section
 * 5.2). */
static void read_list(const struct sq_sdp_section *section, struct sq_view list, bool send,
                      struct sq_jsep_rids *rids)
{
    for (unsigned n = 0; list.at && n < LISTED_MAX && rids->n < SQ_JSEP_RIDS_MAX; n++) {
        struct sq_view stream = sq_view_cut(&list, ';');
        struct sq_view id = sq_view_cut(&stream, ',');
        bool paused = id.len > 0 && id.at[0] == '~';
        if (paused) {
            id.at++;
            id.len--;
        }
        char text[SQ_JSEP_RID_MAX];
        if (id.len == 0 || id.len >= sizeof(text) || !has_rid_line(section, id, send)) {
            continue;
        }
        memcpy(text, id.at, id.len);
        text[id.len] = '\0';
        add(rids, text, paused);
    }
}

static int keep(struct jsep_section *s, const struct jsep_simulcast *sim)
{
    if (sim->send.n == 0 && sim->recv.n == 0) {
        return 0;
    }
    s->sim = sq_malloc(sizeof(*s->sim));
    if (!s->sim) {
        return SQ_ERR_NOMEM;
    }
    *s->sim = *sim;
    return 0;
}

int jsep_read_simulcast(const struct sq_sdp_media *m, struct jsep_section *s)
{
    struct jsep_simulcast sim = {0};
    const struct sq_sdp_line *line = sq_sdp_attr(&m->section, "simulcast");
    if (!line || s->kind != SQ_JSEP_VIDEO) {
        return 0;
    }
    /* RFC 8853, section 5.1: each direction once. */
    struct sq_view rest = line->value;
    bool have_send = false;
    bool have_recv = false;
    for (struct sq_view w = sq_sdp_word(&rest); w.len; w = sq_sdp_word(&rest)) {
        if (sq_view_is(w, "send") && !have_send) {
            have_send = true;
            read_list(&m->section, sq_sdp_word(&rest), true, &sim.recv);
        } else if (sq_view_is(w, "recv") && !have_recv) {
            have_recv = true;
            read_list(&m->section, sq_sdp_word(&rest), false, &sim.send);
        }
    }
    return keep(s, &sim);
}

int jsep_offer_simulcast(const struct sq_jsep_transceiver *t, struct jsep_section *s)
{
    struct jsep_simulcast sim = {0};
    if (t->want_send.n > 1 && (s->local_direction & SQ_SDP_SENDONLY)) {
        sim.send = t->want_send;
    }
    if (t->want_recv && (s->local_direction & SQ_SDP_RECVONLY)) {
        add(&sim.recv, "q", false);
        add(&sim.recv, "h", false);
        add(&sim.recv, "f", false);
    }
    return keep(s, &sim);
}

/* The answerer sends the layers that are asked for, under the offerer's names, and takes what is
 * offered, each only where it was told to. */
int jsep_answer_simulcast(const struct jsep_section *offered, struct jsep_section *s)
{
    struct jsep_simulcast sim = {0};
    const struct sq_jsep_transceiver *t = s->tr;
    if (!offered->sim) {
        return 0;
    }
    const struct sq_jsep_rids *theirs = &offered->sim->send;
    if (t->want_send.n > 1 && theirs->n > 1 && (s->direction & SQ_SDP_SENDONLY)) {
        for (size_t i = 0; i < theirs->n && i < t->want_send.n; i++) {
            add(&sim.send, theirs->id[i], theirs->paused >> i & 1);
        }
    }
    if (t->want_recv && (s->direction & SQ_SDP_RECVONLY)) {
        sim.recv = offered->sim->recv;
    }
    return keep(s, &sim);
}

static void intersect(const struct sq_jsep_rids *offered, struct sq_jsep_rids *answered)
{
    struct sq_jsep_rids both = {0};
    for (size_t i = 0; i < offered->n; i++) {
        int at = find(answered, offered->id[i]);
        if (at >= 0) {
            add(&both, offered->id[i], answered->paused >> at & 1);
        }
    }
    *answered = both;
}

void jsep_merge_simulcast(const struct jsep_section *offered, struct jsep_section *s)
{
    if (!s->sim) {
        return;
    }
    static const struct jsep_simulcast none;
    const struct jsep_simulcast *o = offered->sim ? offered->sim : &none;
    intersect(&o->send, &s->sim->send);
    intersect(&o->recv, &s->sim->recv);
    if (s->sim->send.n == 0 && s->sim->recv.n == 0) {
        sq_free(s->sim);
        s->sim = NULL;
    }
}

static void write_list(const struct sq_jsep_rids *rids, const char *direction, struct sq_buf *out)
{
    sq_buf_printf(out, "%s ", direction);
    for (size_t i = 0; i < rids->n; i++) {
        sq_buf_printf(out, "%s%s%s", i ? ";" : "", rids->paused >> i & 1 ? "~" : "", rids->id[i]);
    }
}

void jsep_write_simulcast(const struct jsep_section *s, struct sq_buf *out)
{
    const struct jsep_simulcast *sim = s->sim;
    if (!sim) {
        return;
    }
    for (size_t i = 0; i < sim->send.n; i++) {
        sq_buf_printf(out, "a=rid:%s send\r\n", sim->send.id[i]);
    }
    for (size_t i = 0; i < sim->recv.n; i++) {
        sq_buf_printf(out, "a=rid:%s recv\r\n", sim->recv.id[i]);
    }
    sq_buf_puts(out, "a=simulcast:");
    if (sim->send.n) {
        write_list(&sim->send, "send", out);
    }
    if (sim->recv.n) {
        write_list(&sim->recv, sim->send.n ? " recv" : "recv", out);
    }
    sq_buf_puts(out, "\r\n");
}
