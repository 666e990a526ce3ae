#include "stats/relabel.h"

#include "base/mem.h"
#include "base/rand.h"
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define SEED 20 /* any will do: the same results get the same verdict */

struct entry {
    double value;
    size_t run;
};

struct figure {
    struct entry *entries; /* sorted, of the runs that have it */
    size_t n, at;          /* which of the caller's it is */
    double far;            /* as the runs are labelled */
    size_t as_far;         /* ways in which this or one that is less far is as far */
};

struct relabel {
    struct figure *figures;
    struct entry *entries;
    size_t count; /* of figures that are tested */
    size_t n, m;
    double floor;
    bool of_b[SQ_RELABEL_RUNS_MAX];
};

static int by_value(const void *left, const void *right)
{
    double a = ((const struct entry *)left)->value;
    double b = ((const struct entry *)right)->value;
    return (a > b) - (a < b);
}

static int farthest_first(const void *left, const void *right)
{
    double a = ((const struct figure *)left)->far;
    double b = ((const struct figure *)right)->far;
    return (a < b) - (a > b);
}

static double middle(const double *sorted, size_t n)
{
    return n % 2 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
}

/* How far they lie from their median in all: what is above it less what is below. */
static double off(const double *sorted, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n / 2; i++) {
        sum += sorted[n - 1 - i] - sorted[i];
    }
    return sum;
}

/* How far the two groups lie apart in this figure, as they are labelled. */
static double far_apart(const struct figure *f, const bool *of_b, double floor)
{
    double values[2][SQ_RELABEL_RUNS_MAX];
    size_t n[2] = {0};
    memset(values[0], 0, f->n * sizeof(double));
    memset(values[1], 0, f->n * sizeof(double));
    for (size_t i = 0; i < f->n; i++) {
        bool label = of_b[f->entries[i].run];
        values[label][n[label]++] = f->entries[i].value;
    }
    if (n[0] == 0 || n[1] == 0) {
        return 0;
    }
    double spread = (off(values[0], n[0]) + off(values[1], n[1])) / (double)f->n;
    return fabs(middle(values[1], n[1]) - middle(values[0], n[0])) / (spread + floor);
}

/* Counts for each figure whether it or any that is less far out is as far in this way of dealing.
 */
static void count_way(struct relabel *r)
{
    double most = 0;
    for (size_t k = r->count; k-- > 0;) {
        struct figure *f = &r->figures[k];
        most = fmax(most, far_apart(f, r->of_b, r->floor));
        /* A way that gives the same need not do so to the last bit. */
        f->as_far += most >= f->far * (1 - 1e-9);
    }
}

static double ways(size_t n, size_t m)
{
    double count = 1;
    for (size_t i = 1; i <= m; i++) {
        count *= (double)(n + i) / (double)i;
    }
    return count;
}

/* The next way to deal in the order of words of "a" and "b", of which the caller's (all of a before
 * all of b) is the first; false: that was the last. */
static bool next_way(bool *of_b, size_t all)
{
    size_t i = all - 1;
    while (i > 0 && (of_b[i - 1] || !of_b[i])) {
        i--;
    }
    if (i == 0) {
        return false;
    }
    size_t last = all - 1;
    while (!of_b[last]) {
        last--;
    }
    of_b[i - 1] = true;
    of_b[last] = false;
    for (size_t k = all - 1; i < k; i++, k--) {
        bool kept = of_b[i];
        of_b[i] = of_b[k];
        of_b[k] = kept;
    }
    return true;
}

static void shuffle(struct sq_rand *random, bool *of_b, size_t all)
{
    for (size_t i = all; i > 1; i--) {
        size_t other = sq_rand_below(random, (uint32_t)i);
        bool kept = of_b[i - 1];
        of_b[i - 1] = of_b[other];
        of_b[other] = kept;
    }
}

/* Returns in how many ways the runs were dealt, that of the caller among them. */
static size_t deal(struct relabel *r)
{
    size_t all = r->n + r->m;
    size_t done = 0;
    if (ways(r->n, r->m) <= SQ_RELABEL_EXACT_MAX) {
        do {
            count_way(r);
            done++;
        } while (next_way(r->of_b, all));
        return done;
    }
    struct sq_rand random;
    sq_rand_seed(&random, SEED);
    for (count_way(r), done = 1; done < SQ_RELABEL_DRAWN; done++) {
        shuffle(&random, r->of_b, all);
        count_way(r);
    }
    return done;
}

static void take(struct relabel *r, const double *values, size_t figures, const double *p)
{
    size_t all = r->n + r->m;
    for (size_t i = 0; i < all; i++) {
        r->of_b[i] = i >= r->n;
    }
    for (size_t k = 0; k < figures; k++) {
        struct figure *f = &r->figures[r->count];
        if (isnan(p[k])) {
            continue;
        }
        *f = (struct figure){.entries = r->entries + r->count * all, .at = k};
        for (size_t i = 0; i < all; i++) {
            if (!isnan(values[k * all + i])) {
                f->entries[f->n++] = (struct entry){values[k * all + i], i};
            }
        }
        qsort(f->entries, f->n, sizeof(*f->entries), by_value);
        f->far = far_apart(f, r->of_b, r->floor);
        r->count++;
    }
    qsort(r->figures, r->count, sizeof(*r->figures), farthest_first);
}

int sq_relabel_test(const double *values, double floor, size_t figures, size_t n, size_t m,
                    double *ret_p)
{
    if (n == 0 || m == 0 || n + m > SQ_RELABEL_RUNS_MAX) {
        return SQ_ERR_INVALID;
    }
    struct relabel r = {.n = n, .m = m, .floor = floor};
    r.figures = sq_calloc(figures + 1, sizeof(*r.figures));
    r.entries = sq_calloc(figures * (n + m) + 1, sizeof(*r.entries));
    if (!r.figures || !r.entries) {
        sq_free(r.figures);
        sq_free(r.entries);
        return SQ_ERR_NOMEM;
    }
    take(&r, values, figures, ret_p);
    double dealt = (double)deal(&r);
    double least = 0; /* none is told before one that is farther out */
    for (size_t k = 0; k < r.count; k++) {
        least = fmax(least, (double)r.figures[k].as_far / dealt);
        ret_p[r.figures[k].at] = least;
    }
    sq_free(r.figures);
    sq_free(r.entries);
    return 0;
}
