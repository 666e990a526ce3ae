/* Parts that share a row by their shares: rooms of several sizes, users of several groups or in
 * several networks. Nothing is drawn by lot, and nothing is kept: the place of the millionth is as
 * easily had as that of the first. Of the first n of a row each part has its share of n but for
 * less than one, whatever n is; of more than four parts with shares that are no hundredths (or
 * thirds, sevenths, ...) but for less than two. */
#ifndef SQ_RUN_MIX_H
#define SQ_RUN_MIX_H

#include <stddef.h>
#include <stdint.h>

#define SQ_MIX_PARTS_MAX 16

struct sq_mix {
    double shares[SQ_MIX_PARTS_MAX]; /* each above 0; of all, which they need not make 1 of */
    size_t n;                        /* 1 at least */
};

/* How many of the first `count` fall to each part. */
void sq_mix_counts(const struct sq_mix *mix, uint64_t count,
                   uint64_t ret_counts[static SQ_MIX_PARTS_MAX]);
/* The part of number `index`; *ret_before: so many of it come before. */
size_t sq_mix_part(const struct sq_mix *mix, uint64_t index, uint64_t *ret_before);

#endif
