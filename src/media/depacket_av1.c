/* AV1 over RTP: "RTP Payload Format For AV1" (AOM, v1.0.0), sections 4.3 to 4.5; the sequence
 * header of the AV1 bitstream specification. */
#include "media/bits.h"
#include "media/depacket_int.h"

size_t sq_leb128_read(const uint8_t *at, size_t len, uint32_t *ret_value)
{
    uint64_t value = 0;
    for (size_t i = 0; i < len && i < 8; i++) {
        value |= (uint64_t)(at[i] & 0x7f) << (7 * i);
        if (!(at[i] & 0x80)) {
            if (value > UINT32_MAX) {
                return 0;
            }
            *ret_value = (uint32_t)value;
            return i + 1;
        }
    }
    return 0;
}

/* ---- elements of a packet ---- */

int sq_av1_elements_begin(const uint8_t *payload, size_t len, struct sq_av1_elements *ret_elements)
{
    if (len < 2) {
        return SQ_ERR_TRUNCATED;
    }
    struct sq_av1_elements e = {.at = payload + 1,
                                .left = len - 1,
                                .count = payload[0] >> 4 & 3,
                                .continues = (payload[0] & 0x80) != 0,
                                .goes_on = (payload[0] & 0x40) != 0,
                                .new_sequence = (payload[0] & 0x08) != 0};
    if (e.continues && e.new_sequence) {
        return SQ_ERR_FORMAT; /* section 4.4: N is set on a packet that begins a sequence */
    }
    *ret_elements = e;
    return 0;
}

int sq_av1_elements_next(struct sq_av1_elements *e, const uint8_t **ret_element, size_t *ret_len)
{
    if (e->left == 0) {
        return e->count && e->index < e->count ? SQ_ERR_TRUNCATED : 0;
    }
    e->index++;
    if (e->count && e->index > e->count) {
        return SQ_ERR_FORMAT;
    }
    uint32_t len = (uint32_t)e->left;
    if (e->count == 0 || e->index < e->count) {
        size_t n = sq_leb128_read(e->at, e->left, &len);
        if (n == 0) {
            return SQ_ERR_TRUNCATED;
        }
        e->at += n;
        e->left -= n;
    }
    if (len > e->left) {
        return SQ_ERR_TRUNCATED;
    }
    *ret_element = e->at;
    *ret_len = len;
    e->at += len;
    e->left -= len;
    return 1;
}

size_t sq_obu_header(const uint8_t *obu, size_t len, unsigned *ret_type, bool *ret_has_size,
                     uint32_t *ret_size)
{
    if (len == 0) {
        return 0;
    }
    size_t n = obu[0] & 0x04 ? 2 : 1;
    if (len < n) {
        return 0;
    }
    *ret_type = obu[0] >> 3 & 15;
    *ret_has_size = (obu[0] & 0x02) != 0;
    *ret_size = (uint32_t)(len - n);
    if (*ret_has_size) {
        size_t more = sq_leb128_read(obu + n, len - n, ret_size);
        n = more ? n + more : 0;
    }
    return n;
}

/* ---- sequence header ---- */

struct decoder_model {
    bool present;
    unsigned delay_bits; /* buffer_delay_length */
};

static struct decoder_model read_timing(struct sq_bits *b)
{
    struct decoder_model m = {0};
    if (!sq_bits_flag(b)) { /* timing_info_present_flag */
        return m;
    }
    sq_bits_skip(b, 64);
    if (sq_bits_flag(b)) {
        (void)sq_bits_ue(b);
    }
    m.present = sq_bits_flag(b);
    if (m.present) {
        m.delay_bits = sq_bits_get(b, 5) + 1;
        sq_bits_skip(b, 32 + 5 + 5);
    }
    return m;
}

static void skip_operating_points(struct sq_bits *b)
{
    struct decoder_model model = read_timing(b);
    bool display_delay = sq_bits_flag(b);
    unsigned points = sq_bits_get(b, 5) + 1;
    for (unsigned i = 0; i < points && !b->ended; i++) {
        sq_bits_skip(b, 12);
        if (sq_bits_get(b, 5) > 7) {
            sq_bits_skip(b, 1); /* tier */
        }
        if (model.present && sq_bits_flag(b)) {
            sq_bits_skip(b, 2 * (size_t)model.delay_bits + 1);
        }
        if (display_delay && sq_bits_flag(b)) {
            sq_bits_skip(b, 4);
        }
    }
}

int sq_av1_sequence_size(const uint8_t *obu, size_t len, uint16_t *ret_width, uint16_t *ret_height)
{
    struct sq_bits b = sq_bits_reader(obu, len);
    sq_bits_skip(&b, 4); /* profile, still_picture */
    if (sq_bits_flag(&b)) {
        sq_bits_skip(&b, 5); /* reduced_still_picture_header: the level alone */
    } else {
        skip_operating_points(&b);
    }
    unsigned width_bits = sq_bits_get(&b, 4) + 1;
    unsigned height_bits = sq_bits_get(&b, 4) + 1;
    uint32_t width = sq_bits_get(&b, width_bits) + 1;
    uint32_t height = sq_bits_get(&b, height_bits) + 1;
    if (b.ended) {
        return SQ_ERR_TRUNCATED;
    }
    if (width > UINT16_MAX || height > UINT16_MAX) {
        return SQ_ERR_UNSUPPORTED;
    }
    *ret_width = (uint16_t)width;
    *ret_height = (uint16_t)height;
    return 0;
}

/* ---- packets ---- */

int sq_depacket_av1(const struct sq_media_packet *p, struct sq_part *part)
{
    struct sq_av1_elements e;
    int err = sq_av1_elements_begin(p->payload, p->len, &e);
    if (err) {
        return err;
    }
    part->body_at = 1;
    if (e.new_sequence) {
        part->flags |= SQ_PART_BEGIN | SQ_PART_KEY;
    } else if (!e.continues) {
        part->flags |= SQ_PART_MAY_BEGIN;
    }
    const uint8_t *element;
    size_t len;
    bool whole = !e.continues; /* an OBU's front stands in this element */
    int more;
    while ((more = sq_av1_elements_next(&e, &element, &len)) > 0) {
        unsigned type;
        bool has_size;
        uint32_t size;
        size_t head = whole ? sq_obu_header(element, len, &type, &has_size, &size) : 0;
        whole = true;
        if (head == 0 || type != SQ_OBU_SEQUENCE_HEADER) {
            continue;
        }
        if (e.index == 1) {
            part->flags |= SQ_PART_BEGIN;
        }
        uint16_t width;
        uint16_t height;
        if (sq_av1_sequence_size(element + head, len - head, &width, &height) == 0) {
            part->width = width;
            part->height = height;
        }
    }
    return more;
}
