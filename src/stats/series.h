/* A table over time: a row a second, named columns of doubles. It grows by chunks of rows, up to a
 * bound that is given when it is made. A cell nobody wrote is NaN ("not measured"), never 0. */
#ifndef SQ_STATS_SERIES_H
#define SQ_STATS_SERIES_H

#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SQ_SERIES_CHUNK_ROWS  64
#define SQ_SERIES_COLUMNS_MAX 256
#define SQ_SERIES_ROWS_MAX    (31 * 24 * 3600) /* a month */

struct sq_series;

/* Makes an empty series. names[0..columns) are copied, columns <= SQ_SERIES_COLUMNS_MAX and at
 * least one; rows_max <= SQ_SERIES_ROWS_MAX. SQ_ERR_INVALID (also for a name that is empty or comes
 * twice), SQ_ERR_NOMEM. Owned by the caller. */
int sq_series_new(const char *const *names, size_t columns, size_t rows_max,
                  struct sq_series **ret_series) SQ_MUST_USE;
void sq_series_free(struct sq_series *s);

size_t sq_series_columns(const struct sq_series *s);
/* One more than the last row that was written. */
size_t sq_series_rows(const struct sq_series *s);
const char *sq_series_name(const struct sq_series *s, size_t column);
/* Index of the column, or SQ_ERR_NOTFOUND. */
int sq_series_find(const struct sq_series *s, const char *name);

/* Writes a cell, or adds to it (NaN counts as 0 then). Rows in between come to be, all NaN.
 * SQ_ERR_INVALID for a column that is not there, SQ_ERR_NOSPACE for a row past the bound,
 * SQ_ERR_NOMEM. */
int sq_series_set(struct sq_series *s, size_t row, size_t column, double value) SQ_MUST_USE;
int sq_series_add(struct sq_series *s, size_t row, size_t column, double value) SQ_MUST_USE;
/* NaN for a cell that nobody wrote or that is not there. */
double sq_series_get(const struct sq_series *s, size_t row, size_t column);

#endif
