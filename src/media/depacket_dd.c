/* The dependency descriptor RTP header extension ("RTP Payload Format For AV1", appendix A). */
#include "base/mem.h"
#include "media/bits.h"
#include "media/depacket_int.h"

enum { NOT_PRESENT, DISCARDABLE, SWITCH, REQUIRED }; /* decode target indications */

/* A.8.2, template_layers(). */
static int read_layers(struct sq_bits *b, struct templates *t)
{
    unsigned sid = 0;
    unsigned tid = 0;
    for (;;) {
        if (t->count == TEMPLATE_MAX || b->ended) {
            return b->ended ? SQ_ERR_TRUNCATED : SQ_ERR_FORMAT;
        }
        t->all[t->count++] = (struct template){.sid = (uint8_t)sid, .tid = (uint8_t)tid};
        switch (sq_bits_get(b, 2)) {
        case 1:
            tid++;
            break;
        case 2:
            tid = 0;
            sid++;
            break;
        case 3:
            return 0;
        default:
            break;
        }
        if (sid > 3 || tid > 7) {
            return SQ_ERR_FORMAT;
        }
    }
}

static void read_template_fdiffs(struct sq_bits *b, struct template *t)
{
    while (sq_bits_flag(b)) {
        uint8_t diff = (uint8_t)(sq_bits_get(b, 4) + 1);
        if (t->n_fdiffs < FDIFFS_MAX) {
            t->fdiffs[t->n_fdiffs] = diff;
        }
        if (t->n_fdiffs <= FDIFFS_MAX) {
            t->n_fdiffs++;
        }
    }
}

static void skip_chains(struct sq_bits *b, struct templates *t)
{
    t->n_chains = (uint8_t)sq_bits_ns(b, t->n_targets + 1U);
    if (t->n_chains == 0) {
        return;
    }
    for (unsigned i = 0; i < t->n_targets; i++) {
        (void)sq_bits_ns(b, t->n_chains); /* decode_target_protected_by */
    }
    sq_bits_skip(b, 4 * (size_t)t->count * t->n_chains);
}

/* A.8.2, template_dependency_structure(). */
static int read_structure(struct sq_bits *b, struct templates *ret_templates)
{
    struct templates t = {0};
    t.offset = (uint8_t)sq_bits_get(b, 6);
    t.n_targets = (uint8_t)(sq_bits_get(b, 5) + 1);
    int err = read_layers(b, &t);
    if (err) {
        return err;
    }
    sq_bits_skip(b, 2 * (size_t)t.count * t.n_targets); /* template_dtis */
    for (unsigned i = 0; i < t.count; i++) {
        read_template_fdiffs(b, &t.all[i]);
    }
    skip_chains(b, &t);
    if (sq_bits_flag(b)) { /* resolutions_present_flag */
        for (unsigned sid = 0; sid <= t.all[t.count - 1].sid; sid++) {
            t.width[sid] = (uint16_t)(sq_bits_get(b, 16) + 1);
            t.height[sid] = (uint16_t)(sq_bits_get(b, 16) + 1);
        }
    }
    if (b->ended) {
        return SQ_ERR_TRUNCATED;
    }
    *ret_templates = t;
    return 0;
}

static int take_structure(struct sq_bits *b, struct sq_depacket_state **state)
{
    struct sq_depacket_state *s = sq_depacket_state_get(state);
    if (s && !s->templates) {
        s->templates = sq_zalloc(sizeof(*s->templates));
    }
    return s && s->templates ? read_structure(b, s->templates) : SQ_ERR_NOMEM;
}

/* A.8.2, frame_fdiffs(). */
static void read_frame_fdiffs(struct sq_bits *b, struct sq_dd *d)
{
    static const uint8_t widths[] = {0, 4, 8, 12};
    unsigned size;
    d->n_fdiffs = 0;
    d->more = false;
    while ((size = sq_bits_get(b, 2)) != 0) {
        uint16_t diff = (uint16_t)(sq_bits_get(b, widths[size]) + 1);
        if (d->n_fdiffs < sizeof(d->fdiffs) / sizeof(*d->fdiffs)) {
            d->fdiffs[d->n_fdiffs++] = diff;
        } else {
            d->more = true;
        }
    }
}

int sq_dd_parse(const uint8_t *bytes, size_t len, struct sq_depacket_state **state,
                struct sq_dd *ret_dd)
{
    struct sq_bits b = sq_bits_reader(bytes, len);
    struct sq_dd d = {0};
    d.start_of_frame = sq_bits_flag(&b);
    d.end_of_frame = sq_bits_flag(&b);
    unsigned id = sq_bits_get(&b, 6);
    d.frame_number = (uint16_t)sq_bits_get(&b, 16);
    bool custom_dtis = false;
    bool custom_fdiffs = false;
    if (len > 3) { /* extended_descriptor_fields() */
        d.structure = sq_bits_flag(&b);
        bool active_targets = sq_bits_flag(&b);
        custom_dtis = sq_bits_flag(&b);
        custom_fdiffs = sq_bits_flag(&b);
        sq_bits_skip(&b, 1); /* custom_chains_flag: they are not looked at, and stand last */
        int err = d.structure && !b.ended ? take_structure(&b, state) : 0;
        if (err) {
            return err;
        }
        if (active_targets && *state && (*state)->templates) {
            sq_bits_skip(&b, (*state)->templates->n_targets);
        }
    }
    if (b.ended) {
        return SQ_ERR_TRUNCATED;
    }
    const struct templates *t = *state ? (*state)->templates : NULL;
    unsigned index = t ? (id + TEMPLATE_MAX - t->offset) % TEMPLATE_MAX : 0;
    if (!t || index >= t->count) {
        return SQ_ERR_NOTFOUND;
    }
    const struct template *from = &t->all[index];
    d.sid = from->sid;
    d.tid = from->tid;
    d.width = t->width[from->sid];
    d.height = t->height[from->sid];
    d.more = from->n_fdiffs > FDIFFS_MAX;
    d.n_fdiffs = d.more ? FDIFFS_MAX : from->n_fdiffs;
    for (unsigned i = 0; i < d.n_fdiffs; i++) {
        d.fdiffs[i] = from->fdiffs[i];
    }
    if (custom_dtis) {
        sq_bits_skip(&b, 2 * (size_t)t->n_targets);
    }
    if (custom_fdiffs) {
        read_frame_fdiffs(&b, &d);
    }
    if (b.ended) {
        return SQ_ERR_TRUNCATED;
    }
    *ret_dd = d;
    return 0;
}
