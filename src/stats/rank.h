/* Whether two samples differ by more than chance, without supposing how their values are
 * distributed: the rank test of Mann and Whitney (1947), the shift of Hodges and Lehmann (1963)
 * with its interval, and what is left of a chance result where many figures are looked at
 * (Benjamini and Hochberg 1995). Values are of any unit; NAN is refused. */
#ifndef SQ_STATS_RANK_H
#define SQ_STATS_RANK_H

#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>

#define SQ_RANK_EXACT_MAX  40  /* values of both samples together; above that it is approximated */
#define SQ_RANK_SHIFT_MAX  128 /* values of a sample */
#define SQ_RANK_CONFIDENCE 0.95

struct sq_rank_test {
    double u; /* pairs in which the value of b is the greater one; a tie counts half */
    double p; /* two-sided: how often chance alone gives ranks that far apart, or farther */
    bool exact;
};

/* n values a, m values b. Exact: over all ways to deal the values that are there to two samples of
 * n and m, ties and all. Above SQ_RANK_EXACT_MAX: normal, with the correction for ties and for
 * continuity. SQ_ERR_INVALID: an empty sample, or NAN. */
int sq_rank_test(const double *a, size_t n, const double *b, size_t m,
                 struct sq_rank_test *ret_test) SQ_MUST_USE;
/* The least p that samples of these sizes can give: 2 / C(n + m, n); 1 at most. */
double sq_rank_least_p(size_t n, size_t m);

struct sq_rank_shift {
    double shift;     /* the median of all differences b - a */
    double low, high; /* its interval; the whole of the differences where they are too few */
    double
        confidence; /* of the interval: SQ_RANK_CONFIDENCE at least, where the samples allow it */
};

/* SQ_ERR_INVALID as above, and above SQ_RANK_SHIFT_MAX. */
int sq_rank_shift(const double *a, size_t n, const double *b, size_t m,
                  struct sq_rank_shift *ret_shift) SQ_MUST_USE;

/* The middle value, or the mean of the two in the middle; NAN for none. Sorts them. */
double sq_rank_median(double *values, size_t n);

/* In place: each p becomes the least rate of false discoveries at which it is one. NAN stays, and
 * is none of the family. Where nothing has changed at all, the chance that any of them is at or
 * below alpha is alpha at most (for p values that are independent, or move together). */
int sq_rank_adjust(double *p, size_t n) SQ_MUST_USE;

#endif
