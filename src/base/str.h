/* Text: a growing buffer, a view, and the units of the command line. */
#ifndef SQ_BASE_STR_H
#define SQ_BASE_STR_H

#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A growing text. Zero-initialise it; `text` is NUL-terminated once something was added. An
 * allocation failure is sticky in `err`. */
struct sq_buf {
    char *text; /* owned; NULL while empty */
    size_t len;
    size_t room;
    int err;
};

void sq_buf_add(struct sq_buf *b, const void *bytes, size_t n);
void sq_buf_puts(struct sq_buf *b, const char *text);
void sq_buf_printf(struct sq_buf *b, const char *fmt, ...) SQ_PRINTF(2, 3);
/* Drops what it holds and makes it usable again. */
void sq_buf_free(struct sq_buf *b);
/* Hands the text over to the caller (sq_free), "" if nothing was added; NULL if an allocation
 * failed. The buffer is empty afterwards. */
char *sq_buf_take(struct sq_buf *b) SQ_MUST_USE;

/* A view of text that somebody else owns; not NUL-terminated. */
struct sq_view {
    const char *at;
    size_t len;
};

#define SQ_VIEW_FMT    "%.*s"
#define SQ_VIEW_ARG(v) (int)(v).len, (v).at
struct sq_view sq_view_of(const char *text);
bool sq_view_is(struct sq_view v, const char *text);
bool sq_view_is_nocase(struct sq_view v, const char *text);
bool sq_view_starts(struct sq_view v, const char *prefix);
/* Cuts the part before the first `sep` off v and returns it; without one, all of v. v keeps what
 * follows the separator (at NULL once nothing is left). */
struct sq_view sq_view_cut(struct sq_view *v, char sep);
struct sq_view sq_view_trim(struct sq_view v);
/* The whole view as an unsigned decimal number; SQ_ERR_FORMAT otherwise or when above `max`. */
int sq_view_u64(struct sq_view v, uint64_t max, uint64_t *ret_number) SQ_MUST_USE;
/* Letters to change, add or drop to make one of the other (Levenshtein), for "did you mean"; 99
 * for texts of more than 40 bytes. */
unsigned sq_edits(struct sq_view a, const char *b);

/* "500ms", "10s", "5m", "1h", "90" is refused: a duration carries its unit. In ns. */
int sq_parse_duration(const char *text, uint64_t *ret_ns) SQ_MUST_USE;
#define SQ_DURATION_WRONG_MAX 128
/* What was expected in the place of a text that it refuses, of a duration of 0, or of one above
 * `most_ns` (0: what it takes at most): "too large; expected a duration of 277777h at most".
 * Returns out. */
const char *sq_duration_wrong(const char *text, uint64_t most_ns,
                              char out[static SQ_DURATION_WRONG_MAX]);
/* "20/s", "90/m", "3600/h": per second. */
int sq_parse_rate(const char *text, double *ret_per_second) SQ_MUST_USE;
/* "1.2M", "500k", "64000": bits per second. */
int sq_parse_bitrate(const char *text, uint64_t *ret_bps) SQ_MUST_USE;

enum sq_quantity { SQ_QUANTITY_DURATION, SQ_QUANTITY_RATE, SQ_QUANTITY_BITRATE };

/* What the three above take, as a regular expression (ECMA-262) without ^ and $. It knows units,
 * and not what is too much. */
void sq_quantity_pattern(enum sq_quantity quantity, struct sq_buf *out);
/* The same of a number up to 100 as strtod takes it (all that is out of the ordinary with it). */
#define SQ_PERCENT_PATTERN                                                                         \
    "(0*(100([.]0*)?|[0-9]{1,2}([.][0-9]*)?)|[.][0-9]+|[0-9.]+[eExX][0-9A-Fa-fpP.+-]*)"
/* "2h", "1m30s"-like short text of a duration, for messages. Returns out. */
const char *sq_format_duration(uint64_t ns, char out[static 32]);

#endif
