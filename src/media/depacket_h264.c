/* H.264 over RTP: RFC 6184, packetization modes 0 and 1. */
#include "base/wire.h"
#include "media/bits.h"
#include "media/depacket_int.h"

enum { NAL_SLICE = 1, NAL_IDR = 5, NAL_SPS = 7, NAL_AUD = 9, NAL_STAP_A = 24, NAL_FU_A = 28 };

#define SPS_MAX 256 /* bytes of it that are looked at: size and cropping stand at its front */

/* ---- sequence parameter set ---- */

/* Takes emulation prevention bytes out (H.264, section 7.4.1.1). */
static size_t unescape(const uint8_t *nal, size_t len, uint8_t out[static SPS_MAX])
{
    size_t n = 0;
    unsigned zeros = 0;
    for (size_t i = 0; i < len && n < SPS_MAX; i++) {
        if (zeros >= 2 && nal[i] == 3) {
            zeros = 0;
            continue;
        }
        zeros = nal[i] == 0 ? zeros + 1 : 0;
        out[n++] = nal[i];
    }
    return n;
}

/* Section 7.3.2.1.1.1: read for its length alone. */
static void skip_scaling_list(struct sq_bits *b, unsigned size)
{
    int32_t last = 8;
    int32_t next = 8;
    for (unsigned i = 0; i < size && !b->ended; i++) {
        if (next != 0) {
            next = (last + sq_bits_se(b)) & 0xff;
        }
        last = next == 0 ? last : next;
    }
}

/* The fields that only the higher profiles have; gives chroma_format_idc (0 where planes are coded
 * apart). */
static unsigned high_profile(struct sq_bits *b)
{
    unsigned chroma = sq_bits_ue(b);
    bool apart = chroma == 3 && sq_bits_flag(b);
    (void)sq_bits_ue(b); /* bit depths */
    (void)sq_bits_ue(b);
    sq_bits_skip(b, 1);
    if (sq_bits_flag(b)) {
        unsigned lists = chroma == 3 ? 12 : 8;
        for (unsigned i = 0; i < lists; i++) {
            if (sq_bits_flag(b)) {
                skip_scaling_list(b, i < 6 ? 16 : 64);
            }
        }
    }
    return apart ? 0 : chroma;
}

static bool has_chroma_fields(unsigned profile)
{
    static const uint8_t profiles[] = {100, 110, 122, 244, 44,  83, 86,
                                       118, 128, 138, 139, 134, 135};
    return memchr(profiles, (int)profile, sizeof(profiles)) != NULL;
}

static void skip_order_count(struct sq_bits *b)
{
    uint32_t type = sq_bits_ue(b);
    if (type == 0) {
        (void)sq_bits_ue(b);
    } else if (type == 1) {
        sq_bits_skip(b, 1);
        (void)sq_bits_se(b);
        (void)sq_bits_se(b);
        uint32_t cycle = sq_bits_ue(b);
        for (uint32_t i = 0; i < cycle && i < 255 && !b->ended; i++) {
            (void)sq_bits_se(b);
        }
    }
}

int sq_h264_sps_size(const uint8_t *nal, size_t len, uint16_t *ret_width, uint16_t *ret_height)
{
    uint8_t plain[SPS_MAX];
    if (len < 4 || (nal[0] & 0x1f) != NAL_SPS) {
        return len < 4 ? SQ_ERR_TRUNCATED : SQ_ERR_FORMAT;
    }
    struct sq_bits b = sq_bits_reader(plain, unescape(nal, len, plain));
    sq_bits_skip(&b, 8);
    unsigned profile = sq_bits_get(&b, 8);
    sq_bits_skip(&b, 16); /* constraints, level */
    (void)sq_bits_ue(&b); /* id */
    unsigned chroma = has_chroma_fields(profile) ? high_profile(&b) : 1;
    (void)sq_bits_ue(&b); /* log2_max_frame_num */
    skip_order_count(&b);
    (void)sq_bits_ue(&b); /* max_num_ref_frames */
    sq_bits_skip(&b, 1);
    uint64_t width_mbs = (uint64_t)sq_bits_ue(&b) + 1;
    uint64_t height_units = (uint64_t)sq_bits_ue(&b) + 1;
    unsigned frame_mbs_only = sq_bits_get(&b, 1);
    if (!frame_mbs_only) {
        sq_bits_skip(&b, 1);
    }
    sq_bits_skip(&b, 1); /* direct_8x8_inference */
    uint64_t crop[4] = {0};
    if (sq_bits_flag(&b)) {
        for (unsigned i = 0; i < 4; i++) {
            crop[i] = sq_bits_ue(&b);
        }
    }
    if (b.ended) {
        return SQ_ERR_TRUNCATED;
    }
    uint64_t unit_x = chroma == 1 || chroma == 2 ? 2 : 1;
    uint64_t unit_y = (chroma == 1 ? 2U : 1U) * (2U - frame_mbs_only);
    uint64_t width = width_mbs * 16;
    uint64_t height = height_units * 16 * (2U - frame_mbs_only);
    uint64_t cut_x = (crop[0] + crop[1]) * unit_x;
    uint64_t cut_y = (crop[2] + crop[3]) * unit_y;
    if (width > UINT16_MAX || height > UINT16_MAX || cut_x >= width || cut_y >= height) {
        return SQ_ERR_FORMAT;
    }
    *ret_width = (uint16_t)(width - cut_x);
    *ret_height = (uint16_t)(height - cut_y);
    return 0;
}

/* ---- packets ---- */

/* What a NAL unit tells of its picture. `first`: it is the first of its packet. */
static void look_at(const uint8_t *nal, size_t len, bool first, struct sq_part *part)
{
    unsigned type = nal[0] & 0x1f;
    if (type == NAL_IDR) {
        part->flags |= SQ_PART_KEY;
    } else if (type == NAL_SPS) {
        part->flags |= SQ_PART_SETS;
        uint16_t width;
        uint16_t height;
        if (sq_h264_sps_size(nal, len, &width, &height) == 0) {
            part->width = width;
            part->height = height;
        }
    }
    if (!first) {
        return;
    }
    /* Section 7.4.1.2.3: these can only stand before the first slice of a picture. A slice begins
     * one where its first macroblock is 0, unless one of these stands before it. */
    if (type == NAL_AUD || type == NAL_SPS) {
        part->flags |= SQ_PART_BEGIN;
    } else if (type > NAL_IDR || (len > 1 && (nal[1] & 0x80))) {
        part->flags |= SQ_PART_MAY_BEGIN; /* ue(v) 0 is the bit 1 */
    }
}

static int stap_a(const struct sq_media_packet *p, struct sq_part *part)
{
    struct sq_wire w = sq_wire_reader(p->payload, p->len);
    sq_wire_skip(&w, 1);
    bool first = true;
    while (sq_wire_left(&w) > 0) {
        size_t len = sq_wire_u16(&w);
        const uint8_t *nal = sq_wire_read(&w, len);
        if (w.err || len == 0) {
            return SQ_ERR_FORMAT;
        }
        look_at(nal, len, first, part);
        first = false;
    }
    return first ? SQ_ERR_TRUNCATED : 0;
}

static int fu_a(const struct sq_media_packet *p, struct sq_part *part)
{
    if (p->len < 3) {
        return SQ_ERR_TRUNCATED;
    }
    bool start = (p->payload[1] & 0x80) != 0;
    unsigned type = p->payload[1] & 0x1f;
    if (type == 0 || type > 23) {
        return SQ_ERR_FORMAT; /* section 5.8: only single NAL units are taken apart */
    }
    if (start) { /* what is cut stands for itself: look at its front */
        look_at(p->payload + 1, p->len - 1, true, part);
    } else if (type == NAL_IDR) {
        part->flags |= SQ_PART_KEY;
    }
    part->body_at = 2;
    return 0;
}

int sq_depacket_h264(const struct sq_media_packet *p, struct sq_part *part)
{
    unsigned type = p->payload[0] & 0x1f;
    if (type == NAL_STAP_A) {
        return stap_a(p, part);
    }
    if (type == NAL_FU_A) {
        return fu_a(p, part);
    }
    if (type == 0 || type > 23) {
        return SQ_ERR_UNSUPPORTED;
    }
    look_at(p->payload, p->len, true, part);
    return 0;
}
