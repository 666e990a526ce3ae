/* The uncompressed header of a VP9 frame: VP9 bitstream specification, section 6.2. Names of its
 * syntax elements stand where they are read. */
#include "media/bits.h"
#include "media/depacket.h"
#include "media/vp9.h"

#define SYNC_CODE 0x498342
#define RGB       7

/* Up to what differs between kinds of frames; the profile is left in *ret_profile. */
static int read_front(struct sq_bits *b, struct sq_vp9_header *h, unsigned *ret_profile)
{
    if (sq_bits_get(b, 2) != 2) { /* frame_marker */
        return b->ended ? SQ_ERR_TRUNCATED : SQ_ERR_FORMAT;
    }
    unsigned profile = sq_bits_get(b, 1);
    profile |= sq_bits_get(b, 1) << 1;
    if (profile == 3) {
        sq_bits_skip(b, 1);
    }
    *ret_profile = profile;
    h->existing = sq_bits_flag(b);
    if (h->existing) {
        h->show = true;
        return b->ended ? SQ_ERR_TRUNCATED : 0;
    }
    h->key = h->intra = !sq_bits_flag(b);
    h->show_bit = (uint16_t)b->pos;
    h->show = sq_bits_flag(b);
    h->resilient = sq_bits_flag(b);
    return b->ended ? SQ_ERR_TRUNCATED : 0;
}

static void skip_color(struct sq_bits *b, unsigned profile)
{
    if (profile >= 2) {
        sq_bits_skip(b, 1); /* 10 or 12 bits */
    }
    if (sq_bits_get(b, 3) != RGB) {
        sq_bits_skip(b, profile & 1 ? 4 : 1); /* color_range, and subsampling */
    } else if (profile & 1) {
        sq_bits_skip(b, 1);
    }
}

/* 65,536 is no size of ours: it becomes 0, not known. */
static void read_size(struct sq_bits *b, struct sq_vp9_header *h)
{
    h->width = (uint16_t)(sq_bits_get(b, 16) + 1);
    h->height = (uint16_t)(sq_bits_get(b, 16) + 1);
}

static int read_sync(struct sq_bits *b)
{
    return sq_bits_get(b, 24) == SYNC_CODE || b->ended ? 0 : SQ_ERR_FORMAT;
}

int sq_vp9_frame_header_parse(const uint8_t *frame, size_t len,
                              struct sq_vp9_frame_header *ret_header)
{
    struct sq_bits b = sq_bits_reader(frame, len);
    struct sq_vp9_header h = {0};
    unsigned profile;
    int err = read_front(&b, &h, &profile);
    if (!err && h.key) {
        err = read_sync(&b);
        skip_color(&b, profile);
        read_size(&b, &h);
    }
    if (err || b.ended) {
        return err ? err : SQ_ERR_TRUNCATED;
    }
    *ret_header = (struct sq_vp9_frame_header){
        .key = h.key, .show = h.show, .width = h.width, .height = h.height};
    return 0;
}

/* ---- The rest of it ---- */

static void skip_render_size(struct sq_bits *b)
{
    if (sq_bits_flag(b)) { /* render_and_frame_size_different */
        sq_bits_skip(b, 32);
    }
}

static void read_refs(struct sq_bits *b, const struct sq_vp9_refs *refs, struct sq_vp9_header *h)
{
    unsigned at[3];
    bool found = false;
    h->refresh = (uint8_t)sq_bits_get(b, 8);
    for (unsigned i = 0; i < 3; i++) {
        at[i] = sq_bits_get(b, 3); /* ref_frame_idx */
        sq_bits_skip(b, 1);        /* ref_frame_sign_bias */
    }
    for (unsigned i = 0; i < 3 && !found; i++) { /* frame_size_with_refs */
        found = sq_bits_flag(b);                 /* found_ref */
        if (found) {
            h->width = refs->width[at[i]];
            h->height = refs->height[at[i]];
        }
    }
    if (!found) {
        read_size(b, h);
    }
    skip_render_size(b);
    sq_bits_skip(b, 1);     /* allow_high_precision_mv */
    if (!sq_bits_flag(b)) { /* is_filter_switchable */
        sq_bits_skip(b, 2); /* raw_interpolation_filter */
    }
}

static int read_kind(struct sq_bits *b, unsigned profile, const struct sq_vp9_refs *refs,
                     struct sq_vp9_header *h)
{
    int err = 0;
    if (!h->key) {
        h->intra = !h->show && sq_bits_flag(b); /* intra_only */
        sq_bits_skip(b, h->resilient ? 0 : 2);  /* reset_frame_context */
    }
    if (!h->intra) {
        read_refs(b, refs, h);
        return 0;
    }
    err = read_sync(b);
    if (h->key || profile > 0) {
        skip_color(b, profile);
    }
    h->refresh = (uint8_t)(h->key ? 0xff : sq_bits_get(b, 8));
    read_size(b, h);
    skip_render_size(b);
    return err;
}

static void skip_loop_filter(struct sq_bits *b)
{
    sq_bits_skip(b, 6 + 3); /* loop_filter_level, loop_filter_sharpness */
    bool enabled = sq_bits_flag(b);
    bool update = enabled && sq_bits_flag(b);
    for (unsigned i = 0; update && i < 4 + 2; i++) { /* deltas of references, of modes */
        sq_bits_skip(b, sq_bits_flag(b) ? 7 : 0);
    }
}

static void skip_quantization(struct sq_bits *b)
{
    sq_bits_skip(b, 8); /* base_q_idx */
    for (unsigned i = 0; i < 3; i++) {
        sq_bits_skip(b, sq_bits_flag(b) ? 5 : 0); /* delta_q */
    }
}

static void skip_probs(struct sq_bits *b, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        sq_bits_skip(b, sq_bits_flag(b) ? 8 : 0); /* prob_coded, prob */
    }
}

static void skip_segmentation(struct sq_bits *b)
{
    static const uint8_t bits[] = {8 + 1, 6 + 1, 2, 0}; /* of a feature's value, and its sign */
    if (!sq_bits_flag(b)) {                             /* segmentation_enabled */
        return;
    }
    if (sq_bits_flag(b)) { /* segmentation_update_map */
        skip_probs(b, 7);
        skip_probs(b, sq_bits_flag(b) ? 3 : 0); /* segmentation_temporal_update */
    }
    if (sq_bits_flag(b)) {  /* segmentation_update_data */
        sq_bits_skip(b, 1); /* segmentation_abs_or_delta_update */
        for (unsigned i = 0; i < 8 * sizeof(bits); i++) {
            sq_bits_skip(b, sq_bits_flag(b) ? bits[i % sizeof(bits)] : 0); /* feature_enabled */
        }
    }
}

/* How many bits there are depends on the width: columns of tiles have 256 to 4,096 samples. */
static void skip_tiles(struct sq_bits *b, unsigned width)
{
    unsigned blocks = (width + 63) / 64; /* Sb64Cols */
    unsigned least = 0;
    unsigned most = 1;
    while (64U << least < blocks) {
        least++;
    }
    while (blocks >> most >= 4) {
        most++;
    }
    most--;
    while (least < most && sq_bits_flag(b)) { /* increment_tile_cols_log2 */
        least++;
    }
    if (sq_bits_flag(b)) { /* tile_rows_log2 */
        sq_bits_skip(b, 1);
    }
}

int sq_vp9_header_parse(const uint8_t *frame, size_t len, const struct sq_vp9_refs *refs,
                        struct sq_vp9_header *ret_header)
{
    struct sq_bits b = sq_bits_reader(frame, len);
    struct sq_vp9_header h = {0};
    unsigned profile;
    int err = read_front(&b, &h, &profile);
    if (!err && !h.existing) {
        err = read_kind(&b, profile, refs, &h);
        if (!err && !b.ended && (h.width == 0 || h.height == 0)) {
            err = SQ_ERR_FORMAT;
        }
        sq_bits_skip(&b, h.resilient ? 0 : 2); /* refresh_frame_context, frame_parallel_... */
        sq_bits_skip(&b, 2);                   /* frame_context_idx */
        skip_loop_filter(&b);
        skip_quantization(&b);
        skip_segmentation(&b);
        skip_tiles(&b, h.width);
        bool compressed = sq_bits_get(&b, 16) != 0; /* header_size_in_bytes */
        if (!err && !b.ended && !compressed) {
            err = SQ_ERR_FORMAT;
        }
        h.len_bits = (uint16_t)b.pos;
    }
    if (err || b.ended) {
        return err ? err : SQ_ERR_TRUNCATED;
    }
    *ret_header = h;
    return 0;
}
