/* Log-linear histograms over unsigned numbers of any unit, in fixed memory: each octave is cut into
 * equal buckets, so the relative error of a quantile is bounded whatever the value.
 *
 *                    buckets an octave   error of a quantile   range           memory
 *   struct sq_hist         64                  <= 0.8 %        0 .. 2^48 - 1   21.5 KB
 *   struct sq_hist_small   16                  <= 3.2 %        0 .. 2^26 - 1   1.6 KB (a peer's
 * own)
 *
 * Count, sum, average, deviation, least and greatest are exact (128-bit sums). A value above the
 * range is counted as the top of the range, and in `clamped`. Merging gives, bit for bit, what
 * recording everything in one histogram gives, in any order. */
#ifndef SQ_STATS_HIST_H
#define SQ_STATS_HIST_H

#include "base/err.h"
#include <stddef.h>
#include <stdint.h>

#define SQ_HIST_SUB_BITS       6
#define SQ_HIST_BITS           48
#define SQ_HIST_MAX            ((UINT64_C(1) << SQ_HIST_BITS) - 1)
#define SQ_HIST_BUCKETS        ((SQ_HIST_BITS - SQ_HIST_SUB_BITS + 1) << SQ_HIST_SUB_BITS)
#define SQ_HIST_SMALL_SUB_BITS 4
#define SQ_HIST_SMALL_BITS     26
#define SQ_HIST_SMALL_MAX      ((UINT64_C(1) << SQ_HIST_SMALL_BITS) - 1)
#define SQ_HIST_SMALL_BUCKETS                                                                      \
    ((SQ_HIST_SMALL_BITS - SQ_HIST_SMALL_SUB_BITS + 1) << SQ_HIST_SMALL_SUB_BITS)

__extension__ typedef unsigned __int128 sq_u128;

/* What is known exactly. Zero-initialised it is empty. */
struct sq_hist_sums {
    uint64_t count;
    uint64_t clamped; /* of count: values above the range */
    uint64_t min;     /* 0 while empty */
    uint64_t max;
    sq_u128 sum;
    sq_u128 sum_squares;
};

struct sq_hist {
    struct sq_hist_sums sums;
    uint64_t buckets[SQ_HIST_BUCKETS];
};

struct sq_hist_small {
    struct sq_hist_sums sums;
    uint32_t buckets[SQ_HIST_SMALL_BUCKETS]; /* each stays at UINT32_MAX once there */
};

/* Empties it (zero-initialised memory is empty too). */
void sq_hist_clear(struct sq_hist *h);
void sq_hist_small_clear(struct sq_hist_small *h);

void sq_hist_record(struct sq_hist *h, uint64_t value);
/* The same value n times. */
void sq_hist_record_n(struct sq_hist *h, uint64_t value, uint64_t n);
void sq_hist_small_record(struct sq_hist_small *h, uint64_t value);

/* Adds all of `from` to `to`. */
void sq_hist_merge(struct sq_hist *to, const struct sq_hist *from);
void sq_hist_small_merge(struct sq_hist_small *to, const struct sq_hist_small *from);

/* The value that a share q (0 .. 1) of the values does not exceed: nearest rank, ceil(q * count),
 * so that q = 0.5 of {1, 2, 3} is 2. q <= 0 gives the least, q >= 1 the greatest, exactly. 0 while
 * empty. */
uint64_t sq_hist_quantile(const struct sq_hist *h, double q);
uint64_t sq_hist_small_quantile(const struct sq_hist_small *h, double q);

/* How many of the values do not exceed `value`, within the error of a quantile; exact below 64 (16,
 * small) and from the greatest on. */
uint64_t sq_hist_count_to(const struct sq_hist *h, uint64_t value);
uint64_t sq_hist_small_count_to(const struct sq_hist_small *h, uint64_t value);

/* Average and (population) standard deviation; 0 while empty. */
double sq_hist_avg(const struct sq_hist_sums *s);
double sq_hist_stddev(const struct sq_hist_sums *s);
/* The sum as a double. */
double sq_hist_sum(const struct sq_hist_sums *s);

#endif
