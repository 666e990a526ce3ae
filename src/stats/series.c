#include "stats/series.h"

#include "base/mem.h"
#include <math.h>
#include <string.h>

struct sq_series {
    size_t columns;
    size_t rows;
    size_t rows_max;
    size_t chunk_count; /* slots in chunks; each may be NULL */
    double **chunks;    /* owned; SQ_SERIES_CHUNK_ROWS rows of `columns` cells each */
    char **names;       /* owned */
};

static bool names_make_sense(const char *const *names, size_t columns)
{
    for (size_t i = 0; i < columns; i++) {
        if (!names[i] || names[i][0] == '\0') {
            return false;
        }
        for (size_t j = 0; j < i; j++) {
            if (strcmp(names[i], names[j]) == 0) {
                return false;
            }
        }
    }
    return true;
}

int sq_series_new(const char *const *names, size_t columns, size_t rows_max,
                  struct sq_series **ret_series)
{
    if (columns == 0 || columns > SQ_SERIES_COLUMNS_MAX || rows_max == 0 ||
        rows_max > SQ_SERIES_ROWS_MAX || !names_make_sense(names, columns)) {
        return SQ_ERR_INVALID;
    }
    int err = SQ_ERR_NOMEM;
    struct sq_series *s = sq_zalloc(sizeof(*s));
    if (!s) {
        goto out;
    }
    s->columns = columns;
    s->rows_max = rows_max;
    s->names = sq_calloc(columns, sizeof(*s->names));
    if (!s->names) {
        goto out;
    }
    for (size_t i = 0; i < columns; i++) {
        s->names[i] = sq_strdup(names[i]);
        if (!s->names[i]) {
            goto out;
        }
    }
    *ret_series = s;
    s = NULL;
    err = 0;
out:
    sq_series_free(s);
    return err;
}

void sq_series_free(struct sq_series *s)
{
    if (!s) {
        return;
    }
    for (size_t i = 0; i < s->chunk_count; i++) {
        sq_free(s->chunks[i]);
    }
    for (size_t i = 0; s->names && i < s->columns; i++) {
        sq_free(s->names[i]);
    }
    sq_free(s->chunks);
    sq_free(s->names);
    sq_free(s);
}

size_t sq_series_columns(const struct sq_series *s)
{
    return s->columns;
}

size_t sq_series_rows(const struct sq_series *s)
{
    return s->rows;
}

const char *sq_series_name(const struct sq_series *s, size_t column)
{
    return column < s->columns ? s->names[column] : NULL;
}

int sq_series_find(const struct sq_series *s, const char *name)
{
    for (size_t i = 0; i < s->columns; i++) {
        if (strcmp(s->names[i], name) == 0) {
            return (int)i;
        }
    }
    return SQ_ERR_NOTFOUND;
}

/* Room in the table of chunks for `need` of them; it doubles. */
static int reserve_chunks(struct sq_series *s, size_t need)
{
    if (need <= s->chunk_count) {
        return 0;
    }
    size_t count = s->chunk_count ? s->chunk_count : 8;
    while (count < need) {
        count *= 2;
    }
    double **chunks = sq_realloc(s->chunks, count * sizeof(*chunks));
    if (!chunks) {
        return SQ_ERR_NOMEM;
    }
    memset(chunks + s->chunk_count, 0, (count - s->chunk_count) * sizeof(*chunks));
    s->chunks = chunks;
    s->chunk_count = count;
    return 0;
}

static int cell_to_write(struct sq_series *s, size_t row, size_t column, double **ret_cell)
{
    if (column >= s->columns) {
        return SQ_ERR_INVALID;
    }
    if (row >= s->rows_max) {
        return SQ_ERR_NOSPACE;
    }
    size_t chunk = row / SQ_SERIES_CHUNK_ROWS;
    int err = reserve_chunks(s, chunk + 1);
    if (err) {
        return err;
    }
    if (!s->chunks[chunk]) {
        size_t cells = SQ_SERIES_CHUNK_ROWS * s->columns;
        double *fresh = sq_malloc(cells * sizeof(*fresh));
        if (!fresh) {
            return SQ_ERR_NOMEM;
        }
        for (size_t i = 0; i < cells; i++) {
            fresh[i] = NAN;
        }
        s->chunks[chunk] = fresh;
    }
    s->rows = row >= s->rows ? row + 1 : s->rows;
    *ret_cell = &s->chunks[chunk][row % SQ_SERIES_CHUNK_ROWS * s->columns + column];
    return 0;
}

int sq_series_set(struct sq_series *s, size_t row, size_t column, double value)
{
    double *cell;
    int err = cell_to_write(s, row, column, &cell);
    if (!err) {
        *cell = value;
    }
    return err;
}

int sq_series_add(struct sq_series *s, size_t row, size_t column, double value)
{
    double *cell;
    int err = cell_to_write(s, row, column, &cell);
    if (!err) {
        *cell = isnan(*cell) ? value : *cell + value;
    }
    return err;
}

double sq_series_get(const struct sq_series *s, size_t row, size_t column)
{
    size_t chunk = row / SQ_SERIES_CHUNK_ROWS;
    if (row >= s->rows || column >= s->columns || !s->chunks[chunk]) {
        return NAN;
    }
    return s->chunks[chunk][row % SQ_SERIES_CHUNK_ROWS * s->columns + column];
}
