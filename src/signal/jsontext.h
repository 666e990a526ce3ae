/* JSON (RFC 8259) as jansson reads it, and with it the integers of more than 64 bits that jansson
 * refuses: ids are often as long. They are kept digit by digit, as texts that no document can hold
 * otherwise. */
#ifndef SQ_SIGNAL_JSONTEXT_H
#define SQ_SIGNAL_JSONTEXT_H

#include <jansson.h>
#include <stddef.h>

/* As json_loadb, whose flags and errors it has; of the error, line and position are those of
 * `text`, the column may not be. A number that no double holds (1e400) is refused with these words,
 * and with json_error_numeric_overflow. */
json_t *sq_jsontext_parse(const char *text, size_t len, size_t flags, json_error_t *ret_error);
/* The digits of an integer that no json_int_t holds, with its sign; NULL: it is something else,
 * though json_is_string says a text of such an integer. The value's. */
const char *sq_jsontext_digits(const json_t *value);
/* A copy (sq_free): texts as they are, all else as JSON writes it. NULL: no memory. */
char *sq_jsontext_of(const json_t *value);

#endif
