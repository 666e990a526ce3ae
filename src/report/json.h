/* A JSON writer (RFC 8259) onto a growing text: a result of 10,000 peers is written in one pass,
 * without a tree of it in memory first, and its allocations are the buffer's own. Failures are
 * sticky in the buffer. */
#ifndef SQ_REPORT_JSON_H
#define SQ_REPORT_JSON_H

#include "base/str.h"
#include <stdbool.h>
#include <stdint.h>

struct sq_json {
    struct sq_buf *out; /* borrowed */
    bool pretty;        /* indented by two; else on one line */
    bool in_html;       /* '<' escaped, to stand in a <script> element */
    int depth;
    bool follows; /* a member was written before on this level */
};

/* `key` is NULL within an array and for the outermost value. */
void sq_json_open(struct sq_json *j, const char *key, char bracket);     /* '{' or '[' */
void sq_json_close(struct sq_json *j, char bracket);                     /* '}' or ']' */
void sq_json_text(struct sq_json *j, const char *key, const char *text); /* NULL: null */
/* NAN and infinity become null. Whole numbers are written whole, others with 6 digits. */
void sq_json_number(struct sq_json *j, const char *key, double number);
void sq_json_integer(struct sq_json *j, const char *key, uint64_t number);
void sq_json_flag(struct sq_json *j, const char *key, bool flag);
void sq_json_null(struct sq_json *j, const char *key);
/* A value that is JSON already; not escaped for HTML. */
void sq_json_raw(struct sq_json *j, const char *key, const char *json);

/* The number alone, as sq_json_number writes it; nothing for NAN (CSV's empty field). */
void sq_number_put(struct sq_buf *out, double number);

#endif
