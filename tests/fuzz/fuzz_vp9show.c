/* Frames of VP9 as they go into files: pieces are frames, or superframes; kind 1 adds an index of
 * layers of the piece's first bytes' lengths. */
#include "fuzz/fuzz.h"
#include "media/vp9.h"
#include <string.h>

/* A piece's first byte says how many frames the rest is cut into, evenly. */
static size_t with_index(const struct fuzz_piece *p, uint8_t *out)
{
    unsigned n = p->at[0] % SQ_VP9_FRAMES_MAX + 1;
    size_t len = p->len - 1;
    uint32_t sizes[SQ_VP9_FRAMES_MAX];
    for (unsigned i = 0; i < n; i++) {
        sizes[i] = (uint32_t)(len * (i + 1) / n - len * i / n);
    }
    memcpy(out, p->at + 1, len);
    return len + sq_vp9_index_write(sizes, n, out + len);
}

static void must_be_readable(const struct sq_vp9_refs *refs, const uint8_t *bytes, size_t len)
{
    struct sq_vp9_header h;
    if (sq_vp9_header_parse(bytes, len, refs, &h) == 0) {
        MUST(h.existing || (h.width > 0 && h.height > 0 && h.len_bits <= 8 * len));
        MUST(!h.key || (h.intra && h.refresh == 0xff));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct sq_wire w = sq_wire_reader(data, len);
    struct sq_vp9_refs refs = {0};
    struct fuzz_piece piece;
    while (fuzz_next(&w, &piece)) {
        uint8_t in[UINT8_MAX + SQ_VP9_INDEX_MAX];
        uint8_t out[sizeof(in) + SQ_VP9_SHOW_GROWS_MAX];
        uint8_t again[sizeof(out) + SQ_VP9_SHOW_GROWS_MAX];
        uint16_t width;
        uint16_t height;
        if (piece.len < 2) {
            continue;
        }
        size_t n = piece.len;
        if (piece.kind & 1) {
            n = with_index(&piece, in);
        } else {
            memcpy(in, piece.at, n);
        }
        must_be_readable(&refs, in, n);
        struct sq_vp9_refs before = refs;
        size_t got = sq_vp9_show_top(&refs, in, n, out, &width, &height);
        MUST(got >= 1 && got <= n + SQ_VP9_SHOW_GROWS_MAX);
        MUST((width == 0) == (height == 0));
        /* What is hidden is read as it was, and is left alone from then on. */
        struct sq_vp9_refs after = before;
        uint16_t same_width;
        uint16_t same_height;
        MUST(sq_vp9_show_top(&after, out, got, again, &same_width, &same_height) == got);
        MUST(memcmp(out, again, got) == 0 && memcmp(&after, &refs, sizeof(refs)) == 0);
        MUST(same_width == width && same_height == height);
    }
    return 0;
}
