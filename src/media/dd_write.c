/* The dependency descriptor of what a clip sends ("RTP Payload Format For AV1", appendix A): for
 * any codec, as libwebrtc has it for these structures. In the W3C's words (webrtc-svc): L1T1 to
 * L3T3, and L2T1_KEY to L3T3_KEY. */
#include "media/clip_int.h"
#include <string.h>

/* Decode target indications (section A.6): not there, discardable, switch, required. */
enum { NO, DISCARDABLE, SWITCH, REQUIRED };

/* What a frame is in its group of pictures. In the group of four: BASE, TOP_FIRST, MIDDLE,
 * TOP_LAST. */
enum kind { KEY, BASE, MIDDLE, TOP_FIRST, TOP_LAST };

#define TARGETS_MAX 9 /* spatial times temporal layers */
#define CHAIN_MOST  15
#define ID_COUNT    64

struct shape {
    unsigned spatial, temporal;
    bool full; /* layers refer to the one below in every picture, not in key pictures only */
};

struct bit_writer {
    uint8_t *buf;
    size_t room_bits, pos;
};

static void put_bits(struct bit_writer *w, uint32_t value, unsigned n)
{
    for (; n > 0 && w->pos < w->room_bits; n--, w->pos++) {
        w->buf[w->pos / 8] |= (uint8_t)((value >> (n - 1) & 1U) << (7 - w->pos % 8));
    }
}

/* ns(n), section A.8.1 (AV1 specification, section 4.10.7). */
static void put_ns(struct bit_writer *w, uint32_t value, unsigned n)
{
    unsigned bits = 0;
    while (n >> bits) {
        bits++;
    }
    unsigned short_codes = (1U << bits) - n;
    if (value < short_codes) {
        put_bits(w, value, bits - 1);
    } else {
        put_bits(w, value + short_codes, bits);
    }
}

static struct shape shape_of(const struct sq_clip_track *t)
{
    return (struct shape){.spatial = t->spatial_layers,
                          .temporal = t->temporal_layers,
                          .full = t->spatial_layers > 1 && !(t->features & SQ_CLIP_KEY_SVC)};
}

/* Of a spatial layer. */
static unsigned kinds_of(const struct shape *s)
{
    static const uint8_t counts[] = {2, 3, 5};
    return counts[s->temporal - 1];
}

static unsigned tid_of(enum kind kind)
{
    return kind < MIDDLE ? 0 : kind == MIDDLE ? 1 : 2;
}

/* In pictures: from the base layer's picture before, and from the one that it refers to. */
static unsigned since_base(const struct shape *s, enum kind kind)
{
    unsigned group = 1U << (s->temporal - 1);
    return kind == BASE ? group : kind == MIDDLE ? group / 2 : kind == TOP_FIRST ? 1 : 3;
}

static unsigned reaches_back(const struct shape *s, enum kind kind)
{
    return tid_of(kind) == 2 ? 1 : since_base(s, kind);
}

static unsigned indication(const struct shape *s, enum kind kind, unsigned sid, unsigned of_sid,
                           unsigned of_tid)
{
    unsigned tid = tid_of(kind);
    if (of_sid < sid || of_tid < tid) {
        return NO;
    }
    if (kind == KEY) {
        return SWITCH;
    }
    if (of_sid > sid) {
        return s->full ? REQUIRED : NO;
    }
    return of_tid == tid && tid > 0 ? DISCARDABLE : SWITCH;
}

/* How many frames back the latest one of a chain lies: a spatial layer's frames of the lowest
 * temporal layer, and those that they refer to. */
static unsigned chain_diff(const struct shape *s, enum kind kind, unsigned sid, unsigned chain)
{
    bool joined = kind == KEY || (kind == BASE && s->full); /* to the layer below */
    if (kind == KEY && sid == 0) {
        return 0;
    }
    if ((joined && sid > 0) || (kind == BASE && chain < sid)) {
        return chain < sid ? sid - chain : 1;
    }
    return s->spatial * since_base(s, kind) + sid - chain;
}

static void put_frame_diffs(struct bit_writer *w, const struct shape *s, enum kind kind,
                            unsigned sid)
{
    if (kind != KEY) {
        put_bits(w, 1, 1);
        put_bits(w, s->spatial * reaches_back(s, kind) - 1, 4);
    }
    if (sid > 0 && (kind == KEY || s->full)) {
        put_bits(w, 1, 1);
        put_bits(w, 0, 4); /* the frame before */
    }
    put_bits(w, 0, 1);
}

/* Templates stand in the order of their layers; of one layer, in libwebrtc's. */
static enum kind kind_at(const struct shape *s, unsigned index)
{
    return index < 2 && s->full ? (enum kind)(1 - index) : (enum kind)index;
}

static void put_templates(struct bit_writer *w, const struct shape *s)
{
    unsigned kinds = kinds_of(s);
    unsigned all = s->spatial * kinds;
    for (unsigned i = 0; i < all; i++) { /* next_layer_idc: the same, temporal, spatial, the end */
        unsigned at = i % kinds;
        unsigned next = i + 1 == all      ? 3
                        : at + 1 == kinds ? 2
                                          : tid_of(kind_at(s, at + 1)) != tid_of(kind_at(s, at));
        put_bits(w, next, 2);
    }
    for (unsigned i = 0; i < all; i++) {
        for (unsigned dt = 0; dt < s->spatial * s->temporal; dt++) {
            put_bits(
                w,
                indication(s, kind_at(s, i % kinds), i / kinds, dt / s->temporal, dt % s->temporal),
                2);
        }
    }
    for (unsigned i = 0; i < all; i++) {
        put_frame_diffs(w, s, kind_at(s, i % kinds), i / kinds);
    }
    put_ns(w, s->spatial, s->spatial * s->temporal + 1); /* chain_cnt: one a spatial layer */
    for (unsigned dt = 0; dt < s->spatial * s->temporal; dt++) {
        put_ns(w, dt / s->temporal, s->spatial); /* decode_target_protected_by */
    }
    for (unsigned i = 0; i < all; i++) {
        for (unsigned chain = 0; chain < s->spatial; chain++) {
            put_bits(w, chain_diff(s, kind_at(s, i % kinds), i / kinds, chain), 4);
        }
    }
}

void sq_dd_tell(struct sq_clip_track *t, unsigned step)
{
    const struct shape s = shape_of(t);
    if (s.temporal > 3 || s.spatial * s.temporal > TARGETS_MAX ||
        (s.spatial << (s.temporal - 1)) > CHAIN_MOST) {
        return;
    }
    memset(t->dd, 0, sizeof(t->dd));
    struct bit_writer w = {t->dd, sizeof(t->dd) * 8, 24};
    t->dd_id = (uint8_t)(step * (s.spatial > 1 ? 16 : 8) % ID_COUNT);
    put_bits(&w, 0x10, 5); /* a structure follows, nothing is custom */
    put_bits(&w, t->dd_id, 6);
    put_bits(&w, s.spatial * s.temporal - 1, 5);
    put_templates(&w, &s);
    put_bits(&w, 1, 1); /* resolutions_present_flag */
    for (unsigned sid = 0; sid < s.spatial; sid++) {
        put_bits(&w, sq_clip_layer_size(t, sid, t->width) - 1U, 16);
        put_bits(&w, sq_clip_layer_size(t, sid, t->height) - 1U, 16);
    }
    t->dd_bits = (uint16_t)w.pos;
}

static unsigned template_of(const struct sq_clip_track *t, const struct sq_clip_frame *f,
                            unsigned sid)
{
    const struct shape s = shape_of(t);
    bool key = (f->flags & SQ_CLIP_KEY) != 0;
    unsigned at = f->tid == 0 ? (key == s.full) : f->tid + 1U;
    return sid * kinds_of(&s) + at + (f->tid == 2 && !(f->flags & SQ_CLIP_SYNC));
}

size_t sq_dd_write(const struct sq_clip_track *t, const struct sq_dd_frame *f,
                   uint8_t out[static SQ_CLIP_DD_MAX])
{
    struct bit_writer w = {out, SQ_CLIP_DD_MAX * 8, 24};
    if (f->structure) {
        memcpy(out, t->dd, sizeof(t->dd));
        w.pos = t->dd_bits;
    } else if (f->active_layers) {
        memset(out, 0, 8);
        w.pos += 5;
    }
    if (f->active_layers) { /* active_decode_targets_present_flag, the mask behind all else */
        out[3] |= 0x40;
        put_bits(&w, (1U << f->active_layers * t->temporal_layers) - 1,
                 (unsigned)t->spatial_layers * t->temporal_layers);
    }
    out[0] = (uint8_t)((f->begins ? 0x80 : 0) | (f->ends ? 0x40 : 0) |
                       ((t->dd_id + template_of(t, f->frame, f->sid)) & (ID_COUNT - 1)));
    out[1] = (uint8_t)(f->number >> 8);
    out[2] = (uint8_t)f->number;
    return (w.pos + 7) / 8;
}
