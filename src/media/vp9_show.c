/* Superframes of spatial layers for files: VP9 bitstream specification, annex B.
 *
 * On the wire each layer's frame says that it is shown, for each may be the uppermost that somebody
 * gets. libvpx shows the last one of a superframe; a decoder that goes by show_frame shows all. */
#include "media/vp9.h"

#include <string.h>

struct frame {
    const uint8_t *at;
    size_t len;
    struct sq_vp9_header header;
    bool known; /* the header could be read */
};

/* The frames by the index at the end; one, of all the bytes, where there is none, or one that does
 * not fit. */
static unsigned split(const uint8_t *bytes, size_t len, struct frame frames[SQ_VP9_FRAMES_MAX])
{
    uint8_t marker = len > 0 ? bytes[len - 1] : 0;
    unsigned n = (marker & 7U) + 1;
    unsigned wide = (marker >> 3 & 3U) + 1; /* bytes of a size, the lowest first */
    size_t index = 2 + (size_t)n * wide;
    frames[0] = (struct frame){.at = bytes, .len = len};
    if ((marker & 0xe0) != 0xc0 || len <= index || bytes[len - index] != marker) {
        return 1;
    }
    const uint8_t *size_at = bytes + len - index + 1;
    size_t from = 0;
    for (unsigned i = 0; i < n; i++) {
        size_t size = 0;
        for (unsigned byte = 0; byte < wide; byte++) {
            size |= (size_t)*size_at++ << (8 * byte);
        }
        if (size == 0 || size > len - index - from) {
            frames[0] = (struct frame){.at = bytes, .len = len};
            return 1;
        }
        frames[i] = (struct frame){.at = bytes + from, .len = size};
        from += size;
    }
    return n;
}

/* As the decoder keeps its references; of a header that cannot be read nobody knows which. */
static void read_header(struct sq_vp9_refs *refs, struct frame *f)
{
    f->known = sq_vp9_header_parse(f->at, f->len, refs, &f->header) == 0;
    if (!f->known) {
        memset(refs, 0, sizeof(*refs));
        return;
    }
    for (unsigned i = 0; i < SQ_VP9_REFS; i++) {
        if (f->header.refresh >> i & 1) {
            refs->width[i] = f->header.width;
            refs->height[i] = f->header.height;
        }
    }
}

/* What is decoded behind a frame reads of it whether it was shown (LastShowFrame): only then its
 * motion vectors are candidates (UsePrevFrameMvs, section 7.2). They are none anyway where the next
 * frame is of another size, as spatial layers are, or resilient to errors, and a frame without
 * motion asks for none. Behind another frame (layers of one size that differ in quality) one that
 * becomes hidden would change the picture: it stays as it is. So does one that is not decoded but
 * shown again, which has no such bit, and one before it. */
static bool may_hide(const struct frame *f, const struct frame *next)
{
    const struct sq_vp9_header *h = &f->header;
    const struct sq_vp9_header *n = &next->header;
    return f->known && next->known && h->show && !h->existing && !n->existing &&
           (n->intra || n->resilient || n->width != h->width || n->height != h->height);
}

/* A frame that is not shown says whether it is intra_only, behind error_resilient_mode: a bit more,
 * unless it is a key frame. What follows begins at the next whole byte. */
static size_t put_hidden(const struct frame *f, uint8_t *out)
{
    const struct sq_vp9_header *h = &f->header;
    size_t insert_at = h->key ? SIZE_MAX : h->show_bit + 2U;
    size_t bits = h->len_bits + (h->key ? 0U : 1U);
    size_t head = (h->len_bits + 7U) / 8;
    size_t new_head = (bits + 7) / 8;
    memset(out, 0, new_head);
    for (size_t to = 0, from = 0; to < bits; to++) {
        unsigned bit = 0; /* intra_only, show_frame */
        if (to != insert_at) {
            bit = from == h->show_bit ? 0 : f->at[from / 8] >> (7 - from % 8) & 1U;
            from++;
        }
        out[to / 8] |= (uint8_t)(bit << (7 - to % 8));
    }
    memcpy(out + new_head, f->at + head, f->len - head);
    return new_head + f->len - head;
}

size_t sq_vp9_show_top(struct sq_vp9_refs *refs, const uint8_t *bytes, size_t len, uint8_t *out,
                       uint16_t *ret_width, uint16_t *ret_height)
{
    struct frame frames[SQ_VP9_FRAMES_MAX];
    uint32_t sizes[SQ_VP9_FRAMES_MAX];
    unsigned n = split(bytes, len, frames);
    size_t at = 0;
    bool changed = false;
    for (unsigned i = 0; i < n; i++) {
        read_header(refs, &frames[i]);
    }
    const struct frame *top = &frames[n - 1];
    *ret_width = top->known ? top->header.width : 0;
    *ret_height = top->known ? top->header.height : 0;
    for (unsigned i = 0; i < n; i++) {
        const struct frame *f = &frames[i];
        size_t begin = at;
        /* Without one that is shown behind it the picture would be lost. */
        if (f != top && top->header.show && may_hide(f, f + 1)) {
            at += put_hidden(f, out + at);
            changed = true;
        } else {
            memcpy(out + at, f->at, f->len);
            at += f->len;
        }
        sizes[i] = (uint32_t)(at - begin);
    }
    if (!changed) {
        memcpy(out, bytes, len);
        return len;
    }
    return at + sq_vp9_index_write(sizes, n, out + at);
}
