#include "stats/rank.h"

#include "base/mem.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct ranked {
    double value;
    size_t twice_rank; /* ranks of ties are means, which twice are whole */
    bool of_b;
};

static int by_value(const void *left, const void *right)
{
    double a = ((const struct ranked *)left)->value;
    double b = ((const struct ranked *)right)->value;
    return (a > b) - (a < b);
}

static int by_number(const void *left, const void *right)
{
    double a = *(const double *)left;
    double b = *(const double *)right;
    return (a > b) - (a < b);
}

static bool usable(const double *values, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (isnan(values[i])) {
            return false;
        }
    }
    return n > 0;
}

/* Sorts and ranks all values; *ret_ties is the sum of t^3 - t over groups of t equal ones. */
static struct ranked *rank_all(const double *a, size_t n, const double *b, size_t m,
                               double *ret_ties)
{
    size_t all = n + m;
    double ties = 0;
    struct ranked *r = sq_calloc(all, sizeof(*r));
    if (!r) {
        return NULL;
    }
    for (size_t i = 0; i < all; i++) {
        r[i] = (struct ranked){.value = i < n ? a[i] : b[i - n], .of_b = i >= n};
    }
    qsort(r, all, sizeof(*r), by_value);
    for (size_t i = 0, end; i < all; i = end) {
        for (end = i + 1; end < all && r[end].value == r[i].value; end++) {
        }
        double t = (double)(end - i);
        ties += t * t * t - t;
        for (size_t k = i; k < end; k++) {
            r[k].twice_rank = i + 1 + end; /* twice the mean of i + 1 .. end */
        }
    }
    *ret_ties = ties;
    return r;
}

/* ways[k * (sum + 1) + s]: in how many ways k of the values have twice-ranks that make s. */
static void count_ways(const struct ranked *r, size_t all, size_t chosen, size_t sum, double *ways)
{
    ways[0] = 1;
    for (size_t i = 0; i < all; i++) {
        size_t rank = r[i].twice_rank;
        for (size_t k = i + 1 < chosen ? i + 1 : chosen; k > 0; k--) {
            double *with = &ways[k * (sum + 1)];
            const double *without = &ways[(k - 1) * (sum + 1)];
            for (size_t s = rank; s <= sum; s++) {
                with[s] += without[s - rank];
            }
        }
    }
}

/* The share of all ways to choose m values in which their ranks are as far from the middle. */
static int exact_p(const struct ranked *r, size_t all, size_t m, size_t twice_sum, double *ret_p)
{
    size_t sum = all * (all + 1);
    size_t middle = m * (all + 1);
    size_t off = twice_sum > middle ? twice_sum - middle : middle - twice_sum;
    double far = 0;
    double total = 0;
    double *ways = sq_calloc((m + 1) * (sum + 1), sizeof(*ways));
    if (!ways) {
        return SQ_ERR_NOMEM;
    }
    count_ways(r, all, m, sum, ways);
    for (size_t s = 0; s <= sum; s++) {
        size_t here = s > middle ? s - middle : middle - s;
        total += ways[m * (sum + 1) + s];
        far += here >= off ? ways[m * (sum + 1) + s] : 0;
    }
    sq_free(ways);
    *ret_p = far / total;
    return 0;
}

static double normal_p(double u, double n, double m, double ties)
{
    double all = n + m;
    double variance = n * m / 12 * (all + 1 - ties / (all * (all - 1)));
    double off = fabs(u - n * m / 2) - 0.5;
    return variance > 0 && off > 0 ? erfc(off / sqrt(2 * variance)) : 1;
}

int sq_rank_test(const double *a, size_t n, const double *b, size_t m,
                 struct sq_rank_test *ret_test)
{
    double ties;
    if (!usable(a, n) || !usable(b, m)) {
        return SQ_ERR_INVALID;
    }
    struct ranked *r = rank_all(a, n, b, m, &ties);
    if (!r) {
        return SQ_ERR_NOMEM;
    }
    double twice_sum = 0;
    for (size_t i = 0; i < n + m; i++) {
        twice_sum += r[i].of_b ? (double)r[i].twice_rank : 0;
    }
    struct sq_rank_test test = {.exact = n + m <= SQ_RANK_EXACT_MAX};
    test.u = twice_sum / 2 - (double)m * ((double)m + 1) / 2;
    int err = 0;
    if (test.exact) {
        err = exact_p(r, n + m, m, (size_t)twice_sum, &test.p);
    } else {
        test.p = normal_p(test.u, (double)n, (double)m, ties);
    }
    sq_free(r);
    if (!err) {
        *ret_test = test;
    }
    return err;
}

double sq_rank_least_p(size_t n, size_t m)
{
    double ways = 1;
    for (size_t i = 1; i <= m; i++) {
        ways *= (double)(n + i) / (double)i;
    }
    return fmin(1, 2 / ways);
}

/* The shares of all orders of n and m different values that have U = 0, 1, …: with U(n, m) the
 * number of orders, U(n, m, u) = U(n - 1, m, u - m) + U(n, m - 1, u), as Mann and Whitney count
 * them. Returns the greatest k with P(U <= k - 1) < tail, and that P; 1 at least. */
static int lower_quantile(size_t n, size_t m, double tail, size_t *ret_k, double *ret_below)
{
    struct ranked r[SQ_RANK_EXACT_MAX];
    size_t all = n + m;
    size_t sum = all * (all + 1);
    double *ways = sq_calloc((m + 1) * (sum + 1), sizeof(*ways));
    if (!ways) {
        return SQ_ERR_NOMEM;
    }
    for (size_t i = 0; i < all; i++) {
        r[i].twice_rank = 2 * (i + 1);
    }
    count_ways(r, all, m, sum, ways);
    const double *of_m = &ways[m * (sum + 1)];
    double total = 0;
    for (size_t s = 0; s <= sum; s++) {
        total += of_m[s];
    }
    size_t least = m * (m + 1); /* twice the sum of ranks where U is 0 */
    double below = of_m[least] / total;
    size_t k = 1;
    while (below + of_m[least + 2 * k] / total < tail) {
        below += of_m[least + 2 * k] / total;
        k++;
    }
    sq_free(ways);
    *ret_k = k;
    *ret_below = below;
    return 0;
}

/* How many differences from each end the interval begins, and its confidence. */
static int interval(size_t n, size_t m, size_t *ret_k, double *ret_confidence)
{
    double tail = (1 - SQ_RANK_CONFIDENCE) / 2;
    double below = 0;
    if (n + m <= SQ_RANK_EXACT_MAX) {
        int err = lower_quantile(n, m, tail, ret_k, &below);
        *ret_confidence = err ? 0 : 1 - 2 * below;
        return err;
    }
    double pairs = (double)n * (double)m;
    double sd = sqrt(pairs * (double)(n + m + 1) / 12);
    double k = floor(pairs / 2 - 1.959964 * sd); /* the normal's 97.5 % */
    *ret_k = k > 1 ? (size_t)k : 1;
    *ret_confidence = SQ_RANK_CONFIDENCE;
    return 0;
}

int sq_rank_shift(const double *a, size_t n, const double *b, size_t m,
                  struct sq_rank_shift *ret_shift)
{
    if (n > SQ_RANK_SHIFT_MAX || m > SQ_RANK_SHIFT_MAX || !usable(a, n) || !usable(b, m)) {
        return SQ_ERR_INVALID;
    }
    size_t pairs = n * m;
    size_t k;
    struct sq_rank_shift shift;
    double *differences = sq_calloc(pairs, sizeof(*differences));
    if (!differences) {
        return SQ_ERR_NOMEM;
    }
    for (size_t i = 0; i < pairs; i++) {
        differences[i] = b[i / n] - a[i % n];
    }
    shift.shift = sq_rank_median(differences, pairs);
    int err = interval(n, m, &k, &shift.confidence);
    if (!err) {
        shift.low = differences[k - 1];
        shift.high = differences[pairs - k];
        *ret_shift = shift;
    }
    sq_free(differences);
    return err;
}

double sq_rank_median(double *values, size_t n)
{
    if (n == 0) {
        return NAN;
    }
    qsort(values, n, sizeof(*values), by_number);
    return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

int sq_rank_adjust(double *p, size_t n)
{
    double family = 0;
    double *raw = sq_calloc(n + 1, sizeof(*raw));
    if (!raw) {
        return SQ_ERR_NOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        family += !isnan(p[i]);
    }
    for (size_t i = 0; i < n; i++) {
        double rank = 0;
        for (size_t k = 0; k < n; k++) {
            rank += p[k] <= p[i];
        }
        raw[i] = p[i] * family / rank; /* NAN of NAN */
    }
    /* Each takes the least of what it and those above it give. */
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < n; k++) {
            raw[i] = p[k] >= p[i] ? fmin(raw[i], raw[k]) : raw[i];
        }
    }
    memcpy(p, raw, n * sizeof(*p));
    sq_free(raw);
    return 0;
}
