#include "store/csv.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

static int fail(struct sq_csv *csv, int err, const char *fmt, ...) SQ_PRINTF(3, 4);

static int fail(struct sq_csv *csv, int err, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int n = snprintf(csv->why, csv->why_room, "%.300s:%zu: ", csv->name, csv->line);
    if (n > 0 && (size_t)n < csv->why_room) {
        vsnprintf(csv->why + n, csv->why_room - (size_t)n, fmt, args);
    }
    va_end(args);
    return err;
}

static int begin_field(struct sq_csv *csv)
{
    if (csv->fields == SQ_CSV_FIELDS_MAX) {
        return fail(csv, SQ_ERR_FORMAT, "more than %d fields in a row", SQ_CSV_FIELDS_MAX);
    }
    csv->starts[csv->fields++] = csv->row.len;
    return 0;
}

static void put(struct sq_csv *csv, int c)
{
    char byte = (char)c;
    sq_buf_add(&csv->row, &byte, 1);
}

static int cut_short(struct sq_csv *csv)
{
    if (ferror(csv->file)) {
        return fail(csv, SQ_ERR_IO, "cannot be read: %s", strerror(errno));
    }
    return fail(csv, SQ_ERR_TRUNCATED,
                "the file ends in the midst of field %zu of a row: expected the end of a line "
                "(was it cut short?)",
                csv->fields);
}

/* Behind the opening quote; *ret_next is what follows the closing one. */
static int quoted(struct sq_csv *csv, int *ret_next)
{
    for (;;) {
        int c = getc_unlocked(csv->file);
        if (c == EOF) {
            return cut_short(csv);
        }
        if (c == '"') {
            c = getc_unlocked(csv->file);
            if (c != '"') {
                *ret_next = c;
                return 0;
            }
        }
        if (c == '\0' || csv->row.len > SQ_CSV_ROW_MAX) {
            return fail(csv, SQ_ERR_FORMAT, "field %zu: %s", csv->fields,
                        c ? "a row is longer than 1 MB" : "expected text, got a NUL byte");
        }
        csv->lines_read += c == '\n';
        put(csv, c);
    }
}

/* Up to what ends it, which is *ret_next. */
static int plain(struct sq_csv *csv, int c, int *ret_next)
{
    while (c != ',' && c != '\n' && c != '\r' && c != EOF) {
        if (c == '"' || c == '\0' || csv->row.len > SQ_CSV_ROW_MAX) {
            return fail(csv, SQ_ERR_FORMAT, "field %zu: %s", csv->fields,
                        c == '"'    ? "a quote in the midst of a field that has none in front"
                        : c == '\0' ? "expected text, got a NUL byte"
                                    : "a row is longer than 1 MB");
        }
        put(csv, c);
        c = getc_unlocked(csv->file);
    }
    *ret_next = c;
    return 0;
}

/* What stands behind a field: true, and the row goes on, or is over. */
static int end_field(struct sq_csv *csv, int c, bool *ret_over)
{
    put(csv, '\0');
    if (c == '\r') {
        c = getc_unlocked(csv->file);
        if (c != '\n' && c != EOF) {
            return fail(csv, SQ_ERR_FORMAT, "field %zu: a CR without an LF behind it", csv->fields);
        }
    }
    if (c == EOF) {
        return cut_short(csv);
    }
    if (c != '\n' && c != ',') {
        return fail(csv, SQ_ERR_FORMAT,
                    "field %zu: expected a comma or the end of the line behind "
                    "the closing quote",
                    csv->fields);
    }
    csv->lines_read += c == '\n';
    *ret_over = c == '\n';
    return csv->row.err ? fail(csv, SQ_ERR_NOMEM, "no memory") : 0;
}

int sq_csv_next(struct sq_csv *csv)
{
    bool over = false;
    int err = 0;
    csv->row.len = 0;
    csv->fields = 0;
    csv->line = csv->lines_read + 1;
    int c = getc_unlocked(csv->file);
    if (c == EOF) {
        return ferror(csv->file) ? cut_short(csv) : 0;
    }
    while (!err && !over) {
        err = begin_field(csv);
        if (!err && c == '"') {
            err = quoted(csv, &c);
        } else if (!err) {
            err = plain(csv, c, &c);
        }
        err = err ? err : end_field(csv, c, &over);
        if (!err && !over) {
            c = getc_unlocked(csv->file);
        }
    }
    return err ? err : 1;
}

const char *sq_csv_field(const struct sq_csv *csv, size_t i)
{
    return csv->row.text + csv->starts[i];
}

void sq_csv_free(struct sq_csv *csv)
{
    sq_buf_free(&csv->row);
}
