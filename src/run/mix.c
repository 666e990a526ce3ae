#include "run/mix.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#define HALVED_MAX  4   /* parts: by halves of halves */
#define PERIOD_MOST 100 /* shares in whole percents, thirds, sevenths, ... */
#define ROUNDED     1e-7

/* ---- Halves of halves ---- */

static double sum_of(const double *shares, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += shares[i];
    }
    return sum;
}

/* Two halves of the parts share the row by rounding, which is off by a half at most, and each half
 * its own likewise: together less than a half of a part's share of its half, and a half. Each
 * level more may add a half: two at most for sixteen parts. */
static void halve(const double *shares, size_t n, uint64_t count, uint64_t *ret_counts)
{
    if (n == 1) {
        *ret_counts = count;
        return;
    }
    size_t half = (n + 1) / 2;
    double first = sum_of(shares, half);
    double all = first + sum_of(shares + half, n - half);
    double part = all > 0 ? first / all : 1;
    uint64_t taken = (uint64_t)floor((double)count * part + 0.5 + 1e-9);
    halve(shares, half, taken, ret_counts);
    halve(shares + half, n - half, count - taken, ret_counts + half);
}

/* ---- More, that begin again soon ---- */

/* The shares as whole numbers of so many units; false: they are none. */
static bool in_units(const struct sq_mix *mix, double all, uint32_t units,
                     int64_t ret_weights[static SQ_MIX_PARTS_MAX])
{
    int64_t sum = 0;
    for (size_t i = 0; i < mix->n; i++) {
        double weight = mix->shares[i] / all * units;
        ret_weights[i] = (int64_t)(weight + 0.5);
        sum += ret_weights[i];
        if (fabs(weight - (double)ret_weights[i]) > ROUNDED) {
            return false;
        }
    }
    return sum == units;
}

/* The period: after so many each part has exactly its share, and all begins again. 0: there is no
 * short one, and a place would be far to walk to. */
static uint32_t weigh(const struct sq_mix *mix, int64_t ret_weights[static SQ_MIX_PARTS_MAX])
{
    double all = sum_of(mix->shares, mix->n);
    for (uint32_t units = 1; all > 0 && units <= PERIOD_MOST; units++) {
        if (in_units(mix, all, units, ret_weights)) {
            return units;
        }
    }
    return 0;
}

/* One after the other by R. Tijdeman, "The chairman assignment problem" (Discrete Mathematics 32,
 * 1980): of the k parts to which at least 1 / (2k - 2) is due that one comes which could wait least
 * until it lacked 1 - 1 / (2k - 2). No part is ever off by more than that. (To give each time to
 * the part that lacks most is not enough: several may become urgent at once.) */
static size_t most_urgent(const int64_t *weights, const uint64_t *counts, size_t n, uint64_t number,
                          int64_t period)
{
    const int64_t scale = 2 * (int64_t)n - 2;
    size_t best = n;
    int64_t best_wait = 0;
    for (size_t i = 0; i < n; i++) {
        int64_t due = weights[i] * (int64_t)number - period * (int64_t)counts[i];
        int64_t wait = scale * (period - due) - period; /* of its weight */
        if (weights[i] > 0 && scale * due >= period &&
            (best == n || wait * weights[best] < best_wait * weights[i])) {
            best = i;
            best_wait = wait;
        }
    }
    return best < n ? best : 0; /* what is due to all makes 1: there is one */
}

static void walk(const struct sq_mix *mix, const int64_t *weights, uint32_t period, uint64_t count,
                 uint64_t ret_counts[static SQ_MIX_PARTS_MAX])
{
    for (uint64_t i = 1; i <= count % period; i++) {
        ret_counts[most_urgent(weights, ret_counts, mix->n, i, period)]++;
    }
    for (size_t i = 0; i < mix->n; i++) {
        ret_counts[i] += count / period * (uint64_t)weights[i];
    }
}

/* ---- Both ---- */

void sq_mix_counts(const struct sq_mix *mix, uint64_t count,
                   uint64_t ret_counts[static SQ_MIX_PARTS_MAX])
{
    int64_t weights[SQ_MIX_PARTS_MAX] = {0};
    memset(ret_counts, 0, SQ_MIX_PARTS_MAX * sizeof(*ret_counts));
    uint32_t period = mix->n > HALVED_MAX ? weigh(mix, weights) : 0;
    if (period > 0) {
        walk(mix, weights, period, count, ret_counts);
    } else {
        halve(mix->shares, mix->n, count, ret_counts);
    }
}

size_t sq_mix_part(const struct sq_mix *mix, uint64_t index, uint64_t *ret_before)
{
    uint64_t before[SQ_MIX_PARTS_MAX], after[SQ_MIX_PARTS_MAX];
    size_t part = 0;
    sq_mix_counts(mix, index, before);
    sq_mix_counts(mix, index + 1, after);
    while (part + 1 < mix->n && after[part] == before[part]) {
        part++;
    }
    *ret_before = before[part];
    return part;
}
