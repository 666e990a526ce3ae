/* A strict reader of CSV (RFC 4180), a row at a time: a file of a million rows takes the memory of
 * one. Lines end with CRLF, or LF alone as version control likes to make of it. */
#ifndef SQ_STORE_CSV_H
#define SQ_STORE_CSV_H

#include "base/str.h"
#include <stddef.h>
#include <stdio.h>

#define SQ_CSV_FIELDS_MAX 1024
#define SQ_CSV_ROW_MAX    (1024 * 1024) /* bytes */

/* Zeroed but for the first four, which are borrowed. */
struct sq_csv {
    FILE *file;
    const char *name; /* in messages */
    char *why;        /* a sentence with name and line, once something is wrong */
    size_t why_room;
    size_t line; /* on which the row begins, from 1 */
    size_t lines_read;
    size_t fields; /* of the row */
    size_t starts[SQ_CSV_FIELDS_MAX];
    struct sq_buf row; /* its fields, each with a NUL behind it */
};

/* The next row: 1, or 0 at the end. SQ_ERR_FORMAT, SQ_ERR_TRUNCATED (it ends in the midst of a
 * row), SQ_ERR_IO and SQ_ERR_NOMEM fill `why`. */
int sq_csv_next(struct sq_csv *csv) SQ_MUST_USE;
/* Field i of the row, from 0; valid until the next one. */
const char *sq_csv_field(const struct sq_csv *csv, size_t i);
void sq_csv_free(struct sq_csv *csv);

#endif
