/* Whether a picture moves, as a viewer would say: whatever its rate. */
#ifndef SQ_PREPARE_MOVES_H
#define SQ_PREPARE_MOVES_H

#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A frame differs if its luma lies more than SQ_MOVES_DIFF of 255 (the mean of its pixels) from any
 * that was shown in the SQ_MOVES_MS before. Against the frame before alone, the same film would
 * stand still at 60 frames/s and move at 30. */
#define SQ_MOVES_MS   160
#define SQ_MOVES_DIFF 0.4

struct sq_moves;

/* Of pictures of that size, at `fps`. SQ_ERR_NOMEM. Owned by the caller. */
int sq_moves_new(size_t width, size_t height, unsigned fps,
                 struct sq_moves **ret_moves) SQ_MUST_USE;
void sq_moves_free(struct sq_moves *m);
/* The next frame; `stride` in bytes. */
void sq_moves_look(struct sq_moves *m, const uint8_t *luma, ptrdiff_t stride);

struct sq_moves_seen {
    uint32_t frames, differ;
    /* Frames that show what the one before them shows, in stretches of a second or more: a freeze
     * is told by pictures that stop, and a stretch below that is how a film goes. */
    uint32_t standing;
    uint8_t brightest;
};
/* Of all frames so far. */
struct sq_moves_seen sq_moves_seen(const struct sq_moves *m);

#endif
