/* AV1 into RTP payloads ("RTP Payload Format For AV1", Alliance for Open Media, version 1.0).
 * Numbers of sections are that document's. A clip holds OBUs that carry their size; over RTP they
 * do not. */
#include "media/clip_int.h"
#include "media/depacket.h"
#include "media/timetag.h"

#define OBUS_MAX     16 /* of a frame */
#define ELEMENTS_MAX 3  /* of a packet: so many can leave the length of the last one out (W) */
#define SLACK_BYTES  4

/* AV1 specification, section 6.2.2. */
enum {
    OBU_SEQUENCE = 1,
    OBU_FRAME_HEADER = 3,
    OBU_TILE_GROUP = 4,
    OBU_METADATA = 5,
    OBU_FRAME = 6
};

struct obu {
    const uint8_t *body;
    uint32_t body_len;
    uint8_t head[2]; /* without its size */
    uint8_t head_len;
    uint8_t type;
};

static uint32_t obu_len(const struct obu *o)
{
    return o->head_len + o->body_len;
}

/* The OBU at *pos, and *pos behind it. */
static bool next_obu(const uint8_t *bytes, size_t len, size_t *pos, struct obu *o)
{
    size_t at = *pos;
    if (at >= len || (bytes[at] & 0x83) != 0x02) { /* forbidden bit, size, reserved bit */
        return false;
    }
    *o = (struct obu){.type = bytes[at] >> 3 & 15, .head_len = bytes[at] & 4 ? 2 : 1};
    o->head[0] = bytes[at] & (uint8_t)~2U;
    if (o->head_len == 2) {
        if (len - at < 2) {
            return false;
        }
        o->head[1] = bytes[at + 1];
    }
    at += o->head_len;
    uint64_t size = 0;
    for (unsigned i = 0;; i++, at++) { /* leb128(), section 4.10.5 of the AV1 specification */
        if (i == 5 || at >= len) {
            return false;
        }
        size |= (uint64_t)(bytes[at] & 0x7f) << (7 * i);
        if (bytes[at] < 0x80) {
            at++;
            break;
        }
    }
    if (size > len - at) {
        return false;
    }
    o->body = bytes + at;
    o->body_len = (uint32_t)size;
    *pos = at + (size_t)size;
    return true;
}

int sq_av1_look(const uint8_t *bytes, size_t len, struct sq_clip_look *ret_look)
{
    size_t pos = 0;
    struct obu o;
    bool sequence = false;
    struct sq_clip_look look = {0};
    bool frame = false;
    for (unsigned n = 0; pos < len; n++) {
        if (n == OBUS_MAX || !next_obu(bytes, len, &pos, &o) || o.type < OBU_SEQUENCE ||
            o.type == 2 || o.type > OBU_FRAME) {
            return SQ_ERR_FORMAT;
        }
        if (o.type == OBU_SEQUENCE && !sequence) {
            sequence = true;
            int err = sq_av1_sequence_size(o.body, o.body_len, &look.width, &look.height);
            if (err) {
                return err;
            }
        }
        if ((o.type == OBU_FRAME || o.type == OBU_FRAME_HEADER) && !frame) {
            frame = true;
            /* show_existing_frame, frame_type (section 5.9.2 of the AV1 specification) */
            look.key = o.body_len > 0 && (o.body[0] & 0xe0) == 0;
        }
    }
    if (!frame || (look.key && !sequence)) {
        return SQ_ERR_FORMAT;
    }
    *ret_look = look;
    return 0;
}

static size_t leb128(uint32_t value, uint8_t out[static 5])
{
    size_t n = 0;
    do {
        out[n] = (uint8_t)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
        value >>= 7;
    } while (out[n++] & 0x80);
    return n;
}

static size_t leb128_len(uint32_t value)
{
    uint8_t out[5];
    return leb128(value, out);
}

/* A packet that fills. */
struct filling {
    struct sq_cutter *c;
    struct {
        const struct obu *obu;
        uint32_t from, len;
    } at[ELEMENTS_MAX];
    unsigned count;
    size_t bytes; /* with the aggregation header, and without the length of the last element */
    bool first;   /* of a coded video sequence: N */
};

static void put_element(struct sq_cutter *c, const struct obu *o, uint32_t from, uint32_t len)
{
    if (from < o->head_len) {
        uint32_t n = o->head_len - from;
        n = n < len ? n : len;
        sq_cut_put(c, o->head + from, n);
        from += n;
        len -= n;
    }
    sq_cut_put(c, o->body + (from - o->head_len), len);
}

/* Section 4.4: Z, Y, W, N. */
static void flush(struct filling *f, bool goes_on)
{
    if (f->count == 0) {
        return;
    }
    uint8_t head = (uint8_t)((f->at[0].from > 0 ? 0x80U : 0U) | (goes_on ? 0x40U : 0U) |
                             f->count << 4 | (f->first ? 0x08U : 0U));
    sq_cut_put(f->c, &head, 1);
    for (unsigned i = 0; i < f->count; i++) {
        if (i + 1 < f->count) {
            uint8_t size[5];
            sq_cut_put(f->c, size, leb128(f->at[i].len, size));
        }
        put_element(f->c, f->at[i].obu, f->at[i].from, f->at[i].len);
    }
    sq_cut_end(f->c);
    f->count = 0;
    f->bytes = 1;
    f->first = false;
}

static void fill_obu(struct filling *f, const struct obu *o, size_t limit)
{
    uint32_t from = 0;
    uint32_t total = obu_len(o);
    while (from < total) {
        size_t taken = f->bytes + (f->count ? leb128_len(f->at[f->count - 1].len) : 0);
        size_t least = o->type == OBU_METADATA ? total : SLACK_BYTES; /* of which none is split */
        if (f->count == ELEMENTS_MAX || (f->count > 0 && taken + least > limit)) {
            flush(f, false);
            continue;
        }
        size_t room = limit - taken;
        uint32_t part = total - from < room ? total - from : (uint32_t)room;
        f->at[f->count].obu = o;
        f->at[f->count].from = from;
        f->at[f->count].len = part;
        f->count++;
        f->bytes = taken + part;
        from += part;
        if (from < total) {
            flush(f, true);
        }
    }
}

/* The OBUs of a frame, and room for a time-tag before its (first) frame header. */
static unsigned list_obus(struct sq_cutter *c, uint32_t offset, uint32_t len, const uint8_t *room,
                          size_t room_len, struct obu obus[static OBUS_MAX + 2])
{
    unsigned n = 0;
    size_t pos = 0;
    bool due = room_len > 0;
    while (n <= OBUS_MAX && next_obu(c->bytes + offset, len, &pos, &obus[n])) {
        if (due && (obus[n].type == OBU_FRAME || obus[n].type == OBU_FRAME_HEADER)) {
            obus[n + 1] = obus[n];
            obus[n++] = (struct obu){.body = room,
                                     .body_len = (uint32_t)room_len,
                                     .head = {OBU_METADATA << 3},
                                     .head_len = 1,
                                     .type = OBU_METADATA};
            due = false;
        }
        n++;
    }
    return n;
}

void sq_av1_cut(struct sq_cutter *c, uint32_t offset, uint32_t len, unsigned flags)
{
    uint8_t room[SQ_TIMETAG_ROOM_MAX];
    struct obu obus[OBUS_MAX + 2];
    size_t room_len = c->tags ? sq_timetag_room(SQ_CODEC_AV1, room) : 0;
    unsigned n = list_obus(c, offset, len, room, room_len, obus);
    size_t total = 0;
    for (unsigned i = 0; i < n; i++) {
        total += obu_len(&obus[i]) + (i > 0 ? leb128_len(obu_len(&obus[i])) : 0);
    }
    /* Packets of nearly one size. */
    size_t most = c->payload_max_bytes - 1;
    size_t packets = (total + most - 1) / most;
    size_t limit = 1 + (total + packets - 1) / packets + SLACK_BYTES;
    limit = limit < c->payload_max_bytes ? limit : c->payload_max_bytes;
    struct filling f = {.c = c, .bytes = 1, .first = (flags & SQ_CLIP_KEY) != 0};
    for (unsigned i = 0; i < n; i++) {
        fill_obu(&f, &obus[i], limit);
    }
    flush(&f, false);
}
