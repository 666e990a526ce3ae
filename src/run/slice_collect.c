/* What shards kept of slices, put together. */
#include "base/mem.h"
#include "run/slice.h"
#include "run/spool.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Where each slice's row is in the result; SIZE_MAX: it has none. */
struct places {
    size_t row[SQ_SLICES_MAX];
};

static int add_rows(const struct sq_slices *slices, struct sq_slice_tally *const *tallies, size_t n,
                    struct sq_result *result, struct places *ret_places)
{
    for (size_t i = 0; i < slices->n; i++) {
        ret_places->row[i] = SIZE_MAX;
        if (slices->list[i].live) {
            continue; /* it was of the run as it went */
        }
        ret_places->row[i] = result->slice_count;
        struct sq_slice_row *row = sq_result_add_slice(result, &slices->list[i]);
        if (!row) {
            return SQ_ERR_NOMEM;
        }
        uint64_t last_ns = 0;
        for (size_t k = 0; k < n; k++) {
            const struct sq_slice_sums *sums = &tallies[k]->sums[i];
            if (sums->hist) {
                sq_hist_merge(row->hist, sums->hist);
            }
            row->last = sums->last_ns >= last_ns && !isnan(sums->last) ? sums->last : row->last;
            last_ns = sums->last_ns > last_ns ? sums->last_ns : last_ns;
            row->peers += sums->peers;
            row->opened += sums->opened;
            row->never += sums->never;
        }
    }
    return 0;
}

static int make_values(struct sq_result *result)
{
    for (size_t i = 0; i < result->slice_count; i++) {
        struct sq_slice_row *row = &result->slices[i];
        if (row->slice.kind == SQ_SLICE_POOLED || row->values) {
            continue;
        }
        row->values = sq_malloc((result->peer_count ? result->peer_count : 1) * sizeof(double));
        if (!row->values) {
            return SQ_ERR_NOMEM;
        }
        for (size_t k = 0; k < result->peer_count; k++) {
            row->values[k] = NAN;
        }
    }
    return 0;
}

/* Peers lie in the order of their indexes, which stand in their names. */
static size_t peer_of(const struct sq_result *result, uint64_t index)
{
    size_t low = 0;
    size_t high = result->peer_count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        const char *digits = strrchr(result->peers[mid].id, '-');
        uint64_t at = digits ? strtoull(digits + 1, NULL, 10) : 0;
        if (at == index) {
            return mid;
        }
        low = at < index ? mid + 1 : low;
        high = at < index ? high : mid;
    }
    return SIZE_MAX;
}

static int add_values(const struct sq_slices *slices, const struct sq_slice_tally *t,
                      const struct places *places, struct sq_result *result)
{
    struct sq_slice_record record;
    for (size_t i = 0; t->values && i < sq_spool_count(t->values); i++) {
        int err = sq_spool_read(t->values, i, &record);
        if (err) {
            return err;
        }
        size_t peer = peer_of(result, record.index);
        for (size_t k = 0; peer != SIZE_MAX && k < slices->n; k++) {
            size_t row = places->row[k];
            if (row != SIZE_MAX && result->slices[row].values) {
                result->slices[row].values[peer] = record.values[k];
            }
        }
    }
    return 0;
}

int sq_slices_collect(const struct sq_slices *slices, struct sq_slice_tally *const *tallies,
                      size_t n, struct sq_result *result)
{
    struct places places;
    int err = add_rows(slices, tallies, n, result, &places);
    err = err ? err : make_values(result);
    for (size_t i = 0; i < n && !err; i++) {
        err = add_values(slices, tallies[i], &places, result);
    }
    return err;
}
