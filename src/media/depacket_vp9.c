/* VP9 over RTP: RFC 9628. */
#include "base/mem.h"
#include "base/wire.h"
#include "media/depacket_int.h"

enum { I = 0x80, P = 0x40, L = 0x20, F = 0x10, B = 0x08, E = 0x04, V = 0x02, Z = 0x01 };
enum { SS_Y = 0x10, SS_G = 0x08 };

/* The pictures of a group: each a byte and up to three P_DIFF (section 4.2.1). */
static void skip_gof(struct sq_wire *w, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        sq_wire_skip(w, sq_wire_u8(w) >> 2 & 3);
    }
}

static void read_structure(struct sq_wire *w, struct sq_vp9_descriptor *d)
{
    uint8_t first = sq_wire_u8(w);
    d->n_spatial = (uint8_t)((first >> 5) + 1);
    if (first & SS_Y) {
        for (unsigned i = 0; i < d->n_spatial; i++) {
            d->width[i] = sq_wire_u16(w);
            d->height[i] = sq_wire_u16(w);
        }
    }
    if (first & SS_G) {
        d->n_gof = sq_wire_u8(w);
        d->gof_at = (uint16_t)w->pos;
        skip_gof(w, d->n_gof);
    }
}

int sq_vp9_descriptor_parse(const uint8_t *payload, size_t len,
                            struct sq_vp9_descriptor *ret_descriptor)
{
    struct sq_wire w = sq_wire_reader(payload, len);
    uint8_t first = sq_wire_u8(&w);
    struct sq_vp9_descriptor d = {.picture_id = -1,
                                  .tl0_pic_idx = -1,
                                  .tid = -1,
                                  .sid = -1,
                                  .inter = (first & P) != 0,
                                  .flexible = (first & F) != 0,
                                  .begins = (first & B) != 0,
                                  .ends = (first & E) != 0,
                                  .discardable = (first & Z) != 0};
    if (first & I) {
        uint8_t id = sq_wire_u8(&w);
        d.wide = (id & 0x80) != 0;
        d.picture_id = d.wide ? (id & 0x7f) << 8 | sq_wire_u8(&w) : id;
    }
    if (first & L) {
        uint8_t layer = sq_wire_u8(&w);
        d.tid = (int8_t)(layer >> 5);
        d.up = (layer & 0x10) != 0;
        d.sid = (int8_t)(layer >> 1 & 7);
        d.inter_layer = (layer & 1) != 0;
        if (!d.flexible) {
            d.tl0_pic_idx = sq_wire_u8(&w);
        }
    }
    if (d.flexible && d.inter) {
        for (bool more = true; more;) {
            uint8_t diff = sq_wire_u8(&w);
            if (d.n_diffs == 3 || (diff >> 1 == 0 && !w.err)) {
                return SQ_ERR_FORMAT; /* at most three, and none to itself */
            }
            d.diffs[d.n_diffs++] = diff >> 1;
            more = (diff & 1) && !w.err;
        }
    }
    if (first & V) {
        read_structure(&w, &d);
    }
    if (w.err || w.pos == len) {
        return SQ_ERR_TRUNCATED;
    }
    if (w.pos > UINT8_MAX) {
        return SQ_ERR_FORMAT; /* a group of pictures that no sender has */
    }
    d.len_bytes = (uint8_t)w.pos;
    *ret_descriptor = d;
    return 0;
}

static uint32_t refs_of(const uint8_t *diffs, unsigned n, bool *ret_known)
{
    uint32_t refs = 0;
    for (unsigned i = 0; i < n; i++) {
        if (diffs[i] == 0 || diffs[i] > SQ_PART_REFS_MAX) {
            *ret_known = false;
        } else {
            refs |= 1U << (diffs[i] - 1);
        }
    }
    return refs;
}

/* Keeps the group that came with this picture; one that is too long, or without memory, is
 * forgotten, and the layers' numbers are gone by. */
static void keep_gof(const struct sq_media_packet *p, const struct sq_vp9_descriptor *d,
                     struct sq_depacket_state **state)
{
    struct sq_depacket_state *s = d->n_gof || *state ? sq_depacket_state_get(state) : NULL;
    if (s && !s->gof && d->n_gof) {
        s->gof = sq_zalloc(sizeof(*s->gof));
    }
    if (!s || !s->gof) {
        return;
    }
    struct sq_wire w = sq_wire_reader(p->payload + d->gof_at, p->len - d->gof_at);
    bool known = d->n_gof > 0 && d->n_gof <= GOF_MAX && d->picture_id >= 0;
    for (unsigned i = 0; known && i < d->n_gof; i++) {
        unsigned n = sq_wire_u8(&w) >> 2 & 3;
        const uint8_t *diffs = sq_wire_read(&w, n);
        s->gof->refs[i] = diffs ? refs_of(diffs, n, &known) : 0;
    }
    s->gof->count = known ? d->n_gof : 0;
    s->gof->id = (uint16_t)d->picture_id;
}

static void put_refs(const struct sq_vp9_descriptor *d, const struct sq_depacket_state *state,
                     struct sq_part *part)
{
    bool known = d->picture_id >= 0;
    if (!d->inter) {
        part->refs = 0;
    } else if (d->flexible) {
        part->refs = refs_of(d->diffs, d->n_diffs, &known);
    } else if (state && state->gof && state->gof->count && known) {
        unsigned ahead = (part->id - state->gof->id) & (d->wide ? 0x7fffU : 0x7fU);
        part->refs = state->gof->refs[ahead % state->gof->count];
    } else {
        known = false;
    }
    part->flags |= known ? SQ_PART_HAS_REFS : 0;
}

int sq_depacket_vp9(const struct sq_media_packet *p, struct sq_depacket_state **state,
                    struct sq_part *part)
{
    struct sq_vp9_descriptor d;
    int err = sq_vp9_descriptor_parse(p->payload, p->len, &d);
    if (err) {
        return err;
    }
    part->body_at = d.len_bytes;
    part->tid = d.tid > 0 ? (uint8_t)d.tid : 0;
    part->sid = d.sid > 0 ? (uint8_t)d.sid : 0;
    if (d.picture_id >= 0) {
        part->flags |= SQ_PART_HAS_ID;
        part->id = (uint16_t)d.picture_id;
        part->id_bits = d.wide ? 15 : 7;
    }
    if (d.tl0_pic_idx >= 0) {
        part->flags |= SQ_PART_HAS_TL0 | (d.up ? SQ_PART_SYNC : 0);
        part->tl0 = (uint8_t)d.tl0_pic_idx;
    }
    if (d.n_spatial) {
        keep_gof(p, &d, state);
        unsigned top = d.n_spatial - 1U; /* what a receiver of all layers sees */
        part->width = d.width[top];
        part->height = d.height[top];
    }
    if (d.begins && part->sid == 0) {
        part->flags |= SQ_PART_BEGIN;
    } else if (d.begins && !d.inter_layer) {
        part->flags |= SQ_PART_MAY_BEGIN;
    }
    if (!d.inter && part->sid == 0) {
        part->flags |= SQ_PART_KEY;
    }
    struct sq_vp9_frame_header header;
    if (d.begins && !d.inter && !part->width &&
        sq_vp9_frame_header_parse(p->payload + d.len_bytes, p->len - d.len_bytes, &header) == 0) {
        part->width = header.width;
        part->height = header.height;
    }
    put_refs(&d, *state, part);
    return 0;
}
