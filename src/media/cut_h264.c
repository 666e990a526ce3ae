/* H.264 into RTP payloads (RFC 6184). A clip holds NAL units behind their length in four bytes. */
#include "base/wire.h"
#include "media/clip_int.h"
#include "media/depacket.h"
#include "media/h264.h"
#include "media/timetag.h"

/* RFC 6184, table 1 and section 5.4. */
enum {
    NAL_SLICE = 1,
    NAL_IDR = 5,
    NAL_SEI = 6,
    NAL_SPS = 7,
    NAL_PPS = 8,
    NAL_STAP_A = 24,
    NAL_FU_A = 28
};
#define NRI_MASK 0x60
#define FU_START 0x80
#define FU_END   0x40

struct nal {
    const uint8_t *at;
    uint32_t len;
    uint32_t offset; /* in the row */
};

/* The NAL unit at *pos of the row, and *pos behind it; false at the end or where none is. */
static bool next_nal(const uint8_t *bytes, size_t len, size_t *pos, struct nal *ret_nal)
{
    if (len - *pos < 5) {
        return false;
    }
    uint32_t n = sq_load_u32(bytes + *pos);
    if (n == 0 || n > len - *pos - 4) {
        return false;
    }
    *ret_nal = (struct nal){bytes + *pos + 4, n, (uint32_t)*pos + 4};
    *pos += 4 + (size_t)n;
    return true;
}

int sq_h264_look(const uint8_t *bytes, size_t len, struct sq_clip_look *ret_look)
{
    size_t pos = 0;
    struct nal nal;
    bool sps = false;
    bool pps = false;
    bool idr = false;
    bool slice = false;
    *ret_look = (struct sq_clip_look){0};

    while (next_nal(bytes, len, &pos, &nal)) {
        unsigned type = nal.at[0] & 0x1f;
        bool known = type >= NAL_SLICE && type <= NAL_PPS;
        if (!known || (nal.at[0] & 0x80)) {
            return SQ_ERR_FORMAT;
        }
        if (type == NAL_SPS && !sps) {
            sps = true;
            int err = sq_h264_sps_size(nal.at, nal.len, &ret_look->width, &ret_look->height);
            if (err) {
                return err;
            }
        }
        pps = pps || (type == NAL_PPS && sps);
        idr = idr || type == NAL_IDR;
        slice = slice || type == NAL_SLICE || type == NAL_IDR;
    }
    ret_look->key = idr;
    if (pos != len || !slice || (idr && !pps)) {
        return SQ_ERR_FORMAT;
    }
    return 0;
}

bool sq_h264_profile_level_id(const uint8_t *bytes, size_t len, uint8_t ret_id[static 3])
{
    size_t pos = 0;
    struct nal nal;
    while (next_nal(bytes, len, &pos, &nal)) {
        if ((nal.at[0] & 0x1f) == NAL_SPS && nal.len >= 4) {
            memcpy(ret_id, nal.at + 1, 3); /* RFC 6184, section 8.1 */
            return true;
        }
    }
    return false;
}

/* Section 5.8. Fragments of one length, the last a little shorter. */
static void cut_fu_a(struct sq_cutter *c, const struct nal *nal)
{
    size_t most = c->payload_max_bytes - 2;
    const uint8_t *at = nal->at + 1;
    size_t left = nal->len - 1;
    size_t n = (left + most - 1) / most;
    size_t each = (left + n - 1) / n;
    uint8_t head[2] = {(uint8_t)((nal->at[0] & NRI_MASK) | NAL_FU_A), FU_START};
    while (left > 0) {
        size_t part = left < each ? left : each;
        head[1] =
            (uint8_t)((head[1] & FU_START) | (part == left ? FU_END : 0) | (nal->at[0] & 0x1f));
        sq_cut_put(c, head, 2);
        sq_cut_put(c, at, part);
        sq_cut_end(c);
        head[1] = 0;
        at += part;
        left -= part;
    }
}

/* The units of a row, and room for a time-tag before the first slice of it where that is wanted. */
struct walk {
    const uint8_t *bytes;
    size_t len, pos;
    const uint8_t *sei; /* NULL: not wanted, or given */
    uint32_t sei_len;
};

static bool next_unit(struct walk *w, struct nal *ret_nal)
{
    size_t before = w->pos;
    if (!next_nal(w->bytes, w->len, &w->pos, ret_nal)) {
        return false;
    }
    unsigned type = ret_nal->at[0] & 0x1f;
    if (w->sei && type >= NAL_SLICE && type <= NAL_IDR) {
        *ret_nal = (struct nal){.at = w->sei, .len = w->sei_len};
        w->pos = before;
        w->sei = NULL;
    }
    return true;
}

/* Section 5.7.1: `count` units from where `w` is. */
static void cut_stap_a(struct sq_cutter *c, struct walk *w, unsigned count, uint8_t nri)
{
    uint8_t head = nri | NAL_STAP_A;
    sq_cut_put(c, &head, 1);
    for (unsigned i = 0; i < count; i++) {
        struct nal nal;
        uint8_t size[2];
        if (!next_unit(w, &nal)) {
            break;
        }
        sq_store_u16(size, (uint16_t)nal.len);
        sq_cut_put(c, size, 2);
        sq_cut_put(c, nal.at, nal.len);
    }
    sq_cut_end(c);
}

static void cut_single(struct sq_cutter *c, const struct nal *nal)
{
    c->unfit = c->unfit || nal->len > c->payload_max_bytes;
    sq_cut_put(c, nal->at, nal->len);
    sq_cut_end(c);
}

/* How many units from there on fit one STAP-A: as many as there is room for, as libwebrtc does it.
 */
static unsigned fit(const struct sq_cutter *c, struct walk w, uint8_t *ret_nri)
{
    size_t total = 1;
    unsigned count = 0;
    struct nal nal;
    *ret_nri = 0;
    while (next_unit(&w, &nal) && total + 2 + nal.len <= c->payload_max_bytes) {
        uint8_t nri = nal.at[0] & NRI_MASK;
        *ret_nri = nri > *ret_nri ? nri : *ret_nri;
        total += 2 + (size_t)nal.len;
        count++;
    }
    return count;
}

void sq_h264_cut(struct sq_cutter *c, uint32_t offset, uint32_t len, unsigned flags)
{
    uint8_t sei[SQ_TIMETAG_ROOM_MAX];
    bool single = (c->track->features & SQ_CLIP_SINGLE_NAL) != 0;
    struct walk w = {.bytes = c->bytes + offset, .len = len};
    if (c->tags) {
        w.sei_len = (uint32_t)sq_timetag_room(SQ_CODEC_H264, sei);
        w.sei = sei;
    }
    for (;;) {
        struct nal nal;
        uint8_t nri = 0;
        struct walk at = w;
        unsigned count = single ? 0 : fit(c, w, &nri);
        if (count > 1) {
            cut_stap_a(c, &w, count, nri);
        } else if (!next_unit(&at, &nal)) {
            return;
        } else {
            w = at;
            if (single || nal.len <= c->payload_max_bytes) {
                cut_single(c, &nal);
            } else {
                cut_fu_a(c, &nal);
            }
        }
    }
}
