#include "prepare/moves.h"

#include "base/mem.h"
#include <stdlib.h>
#include <string.h>

struct sq_moves {
    size_t width, height;
    unsigned fps;
    unsigned window;  /* how many frames back one is held against */
    uint8_t *shown;   /* a ring of that many, and the one at hand; owned */
    uint32_t still;   /* frames in a row that do not differ */
    bool still_first; /* they are the film's first */
    struct sq_moves_seen seen;
};

int sq_moves_new(size_t width, size_t height, unsigned fps, struct sq_moves **ret_moves)
{
    struct sq_moves *m = sq_zalloc(sizeof(*m));
    if (!m) {
        return SQ_ERR_NOMEM;
    }
    unsigned window = (fps * SQ_MOVES_MS + 500) / 1000;
    m->width = width;
    m->height = height;
    m->fps = fps;
    m->window = window ? window : 1;
    m->still_first = true;
    m->shown = sq_calloc(width * height, m->window + 1U);
    if (!m->shown) {
        sq_moves_free(m);
        return SQ_ERR_NOMEM;
    }
    *ret_moves = m;
    return 0;
}

void sq_moves_free(struct sq_moves *m)
{
    if (m) {
        sq_free(m->shown);
        sq_free(m);
    }
}

static uint8_t *slot(const struct sq_moves *m, uint32_t frame)
{
    return m->shown + frame % (m->window + 1U) * (m->width * m->height);
}

static bool differs(const struct sq_moves *m, const uint8_t *a, const uint8_t *b)
{
    uint64_t sum = 0;
    size_t n = m->width * m->height;
    for (size_t i = 0; i < n; i++) {
        sum += (unsigned)abs(a[i] - b[i]);
    }
    return (double)sum > SQ_MOVES_DIFF * (double)n;
}

/* The furthest first: there most films differ. */
static bool differs_from_any(const struct sq_moves *m, const uint8_t *now)
{
    uint32_t frame = m->seen.frames;
    for (uint32_t back = frame < m->window ? frame : m->window; back > 0; back--) {
        if (differs(m, now, slot(m, frame - back))) {
            return true;
        }
    }
    return false;
}

/* The stretch that goes on. Its first frames still differ from what was there before it. */
static uint32_t stretch(const struct sq_moves *m)
{
    uint32_t frames = m->still + (m->still > 0 && !m->still_first ? m->window - 1 : 0);
    return frames >= m->fps ? frames : 0;
}

void sq_moves_look(struct sq_moves *m, const uint8_t *luma, ptrdiff_t stride)
{
    uint8_t *now = slot(m, m->seen.frames);
    for (size_t y = 0; y < m->height; y++) {
        memcpy(now + y * m->width, luma + (ptrdiff_t)y * stride, m->width);
    }
    for (size_t i = 0; i < m->width * m->height; i++) {
        m->seen.brightest = now[i] > m->seen.brightest ? now[i] : m->seen.brightest;
    }
    if (differs_from_any(m, now)) {
        m->seen.differ++;
        m->seen.standing += stretch(m);
        m->still = 0;
        m->still_first = false;
    } else {
        m->still++;
    }
    m->seen.frames++;
}

struct sq_moves_seen sq_moves_seen(const struct sq_moves *m)
{
    struct sq_moves_seen seen = m->seen;
    seen.standing += stretch(m);
    return seen;
}
