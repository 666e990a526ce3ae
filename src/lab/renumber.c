#include "lab/renumber.h"

#include "base/wire.h"
#include "media/depacket.h"
#include "media/vp8.h"
#include <string.h>

/* Where in the payload the numbers stand; 0: nowhere, for no descriptor begins with one. */
struct places {
    size_t id, tl0, len; /* len: down to the last of them */
    bool wide;           /* the PictureID has 15 bits */
};

/* X, then I and L in the byte of extensions. */
static bool find_vp8(const uint8_t *payload, size_t len, struct places *p)
{
    struct sq_vp8_descriptor d;
    if (sq_vp8_descriptor_parse(payload, len, &d) != 0 || !(payload[0] & 0x80)) {
        return false;
    }
    size_t at = 2;
    if (payload[1] & 0x80) {
        p->id = at;
        p->wide = (payload[at] & 0x80) != 0;
        at += p->wide ? 2 : 1;
    }
    if (payload[1] & 0x40) {
        p->tl0 = at++;
    }
    p->len = at;
    return p->id || p->tl0;
}

/* I and L in the first byte; with F there is no TL0PICIDX. */
static bool find_vp9(const uint8_t *payload, size_t len, struct places *p)
{
    struct sq_vp9_descriptor d;
    if (sq_vp9_descriptor_parse(payload, len, &d) != 0) {
        return false;
    }
    size_t at = 1;
    if (d.picture_id >= 0) {
        p->id = at;
        p->wide = d.wide;
        at += d.wide ? 2 : 1;
    }
    if (d.tl0_pic_idx >= 0) {
        p->tl0 = at + 1; /* behind the byte of the layers */
        at += 2;
    }
    p->len = at;
    return p->id || p->tl0;
}

size_t sq_lab_renumber(struct sq_lab_numbers *n, enum sq_codec codec, const uint8_t *payload,
                       size_t len, bool starts, bool again, uint8_t head[static SQ_LAB_HEAD_MAX])
{
    struct places p = {0};
    bool found = codec == SQ_CODEC_VP8   ? find_vp8(payload, len, &p)
                 : codec == SQ_CODEC_VP9 ? find_vp9(payload, len, &p)
                                         : false;
    if (!found) {
        return 0;
    }
    memcpy(head, payload, p.len);
    uint16_t id = 0;
    if (p.id) {
        id = p.wide ? (uint16_t)((payload[p.id] & 0x7f) << 8 | payload[p.id + 1]) : payload[p.id];
    }
    uint8_t tl0 = p.tl0 ? payload[p.tl0] : 0;
    if (starts) {
        n->picture_id_offset = n->hold ? (uint16_t)(n->picture_id + 1 - id) : 0;
        n->tl0_offset = n->hold ? (uint8_t)(n->tl0 + 1 - tl0) : 0;
        n->hold = true;
    }
    id = (uint16_t)(id + n->picture_id_offset);
    tl0 = (uint8_t)(tl0 + n->tl0_offset);
    if (p.id && p.wide) {
        head[p.id] = (uint8_t)(0x80 | (id >> 8 & 0x7f));
        head[p.id + 1] = (uint8_t)id;
    } else if (p.id) {
        head[p.id] = id & 0x7f;
    }
    if (p.tl0) {
        head[p.tl0] = tl0;
    }
    bool late = p.wide && !starts && ((id - n->picture_id) & 0x7fff) >= 0x4000;
    if (!again && !late) {
        n->picture_id = id;
        n->tl0 = tl0;
    }
    return p.len;
}

void sq_lab_renumber_frame(struct sq_lab_numbers *n, uint8_t *descriptor, bool again)
{
    uint16_t number = sq_load_u16(descriptor + 1);
    bool jumps = n->frame_jumps && !again;
    if (jumps) {
        n->frame_offset = n->hold_frame ? (uint16_t)(n->frame_number + 1 - number) : 0;
        n->frame_jumps = false;
    }
    number = (uint16_t)(number + n->frame_offset);
    sq_store_u16(descriptor + 1, number);
    bool late = n->hold_frame && !jumps && (uint16_t)(number - n->frame_number) >= 0x8000;
    if (!again && !late) {
        n->frame_number = number;
        n->hold_frame = true;
    }
}
