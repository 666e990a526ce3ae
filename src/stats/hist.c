#include "stats/hist.h"

#include <math.h>
#include <string.h>

static void sums_add(struct sq_hist_sums *s, uint64_t value, uint64_t n)
{
    s->min = s->count == 0 || value < s->min ? value : s->min;
    s->max = value > s->max ? value : s->max;
    s->count += n;
    s->sum += (sq_u128)value * n;
    s->sum_squares += (sq_u128)value * value * n;
}

static void sums_merge(struct sq_hist_sums *to, const struct sq_hist_sums *from)
{
    if (from->count == 0) {
        return;
    }
    to->min = to->count == 0 || from->min < to->min ? from->min : to->min;
    to->max = from->max > to->max ? from->max : to->max;
    to->count += from->count;
    to->clamped += from->clamped;
    to->sum += from->sum;
    to->sum_squares += from->sum_squares;
}

/* Values below 2^sub_bits have a bucket each; above, the top sub_bits + 1 bits name the bucket. */
static inline size_t bucket_of(uint64_t value, unsigned sub_bits)
{
    if (value >> sub_bits == 0) {
        return (size_t)value;
    }
    unsigned octave = 63U - (unsigned)__builtin_clzll(value) - sub_bits;
    return ((size_t)octave << sub_bits) + (size_t)(value >> octave);
}

/* The middle of a bucket. */
static uint64_t middle_of(size_t bucket, unsigned sub_bits)
{
    size_t octave = bucket >> sub_bits;
    if (octave < 2) {
        return bucket;
    }
    octave--;
    uint64_t low = (uint64_t)(bucket - (octave << sub_bits)) << octave;
    return low + ((UINT64_C(1) << octave) >> 1);
}

void sq_hist_clear(struct sq_hist *h)
{
    memset(h, 0, sizeof(*h));
}

void sq_hist_small_clear(struct sq_hist_small *h)
{
    memset(h, 0, sizeof(*h));
}

void sq_hist_record(struct sq_hist *h, uint64_t value)
{
    sq_hist_record_n(h, value, 1);
}

void sq_hist_record_n(struct sq_hist *h, uint64_t value, uint64_t n)
{
    if (n == 0) {
        return;
    }
    if (value > SQ_HIST_MAX) {
        value = SQ_HIST_MAX;
        h->sums.clamped += n;
    }
    sums_add(&h->sums, value, n);
    h->buckets[bucket_of(value, SQ_HIST_SUB_BITS)] += n;
}

void sq_hist_small_record(struct sq_hist_small *h, uint64_t value)
{
    if (value > SQ_HIST_SMALL_MAX) {
        value = SQ_HIST_SMALL_MAX;
        h->sums.clamped++;
    }
    sums_add(&h->sums, value, 1);
    uint32_t *bucket = &h->buckets[bucket_of(value, SQ_HIST_SMALL_SUB_BITS)];
    *bucket += *bucket < UINT32_MAX;
}

void sq_hist_merge(struct sq_hist *to, const struct sq_hist *from)
{
    sums_merge(&to->sums, &from->sums);
    for (size_t i = 0; i < SQ_HIST_BUCKETS; i++) {
        to->buckets[i] += from->buckets[i];
    }
}

void sq_hist_small_merge(struct sq_hist_small *to, const struct sq_hist_small *from)
{
    sums_merge(&to->sums, &from->sums);
    for (size_t i = 0; i < SQ_HIST_SMALL_BUCKETS; i++) {
        uint32_t room = UINT32_MAX - to->buckets[i];
        to->buckets[i] += from->buckets[i] < room ? from->buckets[i] : room;
    }
}

/* The rank (1 .. count) that stands for a share q, or 0 for an empty histogram. */
static uint64_t rank_of(const struct sq_hist_sums *s, double q)
{
    if (!(q > 0)) {
        return s->count ? 1 : 0;
    }
    /* 0.999 * 1000 is 999.0000000000001 in binary: a hair is taken off before rounding up. */
    double rank = ceil(q * (double)s->count * (1 - 1e-12));
    return rank >= (double)s->count ? s->count : (uint64_t)rank;
}

/* Least and greatest are known exactly, so no estimate may lie outside them. */
static uint64_t within(const struct sq_hist_sums *s, uint64_t value)
{
    value = value < s->min ? s->min : value;
    return value > s->max ? s->max : value;
}

uint64_t sq_hist_quantile(const struct sq_hist *h, double q)
{
    uint64_t rank = rank_of(&h->sums, q);
    if (rank <= 1 || rank == h->sums.count) {
        return rank <= 1 ? h->sums.min : h->sums.max;
    }
    uint64_t seen = 0;
    for (size_t i = 0; i < SQ_HIST_BUCKETS; i++) {
        seen += h->buckets[i];
        if (seen >= rank) {
            return within(&h->sums, middle_of(i, SQ_HIST_SUB_BITS));
        }
    }
    return h->sums.max;
}

uint64_t sq_hist_small_quantile(const struct sq_hist_small *h, double q)
{
    uint64_t rank = rank_of(&h->sums, q);
    if (rank <= 1 || rank == h->sums.count) {
        return rank <= 1 ? h->sums.min : h->sums.max;
    }
    uint64_t seen = 0;
    for (size_t i = 0; i < SQ_HIST_SMALL_BUCKETS; i++) {
        seen += h->buckets[i];
        if (seen >= rank) {
            return within(&h->sums, middle_of(i, SQ_HIST_SMALL_SUB_BITS));
        }
    }
    return h->sums.max;
}

uint64_t sq_hist_count_to(const struct sq_hist *h, uint64_t value)
{
    uint64_t n = 0;
    if (value >= h->sums.max) {
        return h->sums.count;
    }
    for (size_t i = 0; i <= bucket_of(value, SQ_HIST_SUB_BITS); i++) {
        n += h->buckets[i];
    }
    return n;
}

uint64_t sq_hist_small_count_to(const struct sq_hist_small *h, uint64_t value)
{
    uint64_t n = 0;
    if (value >= h->sums.max) {
        return h->sums.count;
    }
    for (size_t i = 0; i <= bucket_of(value, SQ_HIST_SMALL_SUB_BITS); i++) {
        n += h->buckets[i];
    }
    return n;
}

double sq_hist_avg(const struct sq_hist_sums *s)
{
    return s->count ? (double)((long double)s->sum / (long double)s->count) : 0;
}

double sq_hist_stddev(const struct sq_hist_sums *s)
{
    if (s->count == 0) {
        return 0;
    }
    /* Squares around the whole part of the average, in integers: nothing cancels, however close
     * together great values lie. sum((x - m)^2) = sum(x^2) - 2 m sum(x) + count m^2 */
    sq_u128 m = s->sum / s->count;
    sq_u128 around = s->sum_squares - 2 * m * s->sum + (sq_u128)s->count * m * m;
    long double rest = (long double)(s->sum - m * s->count) / (long double)s->count;
    long double variance = (long double)around / (long double)s->count - rest * rest;
    return variance > 0 ? (double)sqrtl(variance) : 0;
}

double sq_hist_sum(const struct sq_hist_sums *s)
{
    return (double)s->sum;
}
