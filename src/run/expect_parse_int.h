/* The parser of expectations, shared by its files. Each part returns -1 once an error is told. */
#ifndef SQ_RUN_EXPECT_PARSE_INT_H
#define SQ_RUN_EXPECT_PARSE_INT_H

#include "base/str.h"
#include "run/expect_int.h"

struct sq_expect_parser {
    struct sq_expect *e;
    const char *text;
    const char *at;
    int depth;
    int terms;
    int err;
    struct sq_expect_error *error; /* nullable */
};

/* The first error stands; `at` is where it is. Returns -1, an index that is no node. */
int sq_expect_fail(struct sq_expect_parser *p, int err, const char *at, const char *fmt, ...)
    SQ_PRINTF(4, 5);
/* The column of a place in the text, in characters. */
size_t sq_expect_column(const char *text, const char *at);
void sq_expect_skip_space(struct sq_expect_parser *p);
struct sq_view sq_expect_peek_word(struct sq_expect_parser *p);
/* Takes the word if it stands here. */
bool sq_expect_accept(struct sq_expect_parser *p, const char *word);
/* What stands at `at`, for "found ...": a word or a character, or the end. */
const char *sq_expect_found(const char *at, char out[static 48]);
int sq_expect_parse_number(struct sq_expect_parser *p, double *ret_number);
/* The nearest of some words, for "did you mean"; NULL: none is near. */
const char *sq_expect_nearest(struct sq_view word, const char *const *words, size_t n);

/* expect_range.c: refuses a number that no figure of the term reaches. `at`: where it stands. */
int sq_expect_check_range(struct sq_expect_parser *p, const struct sq_expect_node *node,
                          const char *at);

/* expect_names.c: what no metric is called. */
int sq_expect_unknown_metric(struct sq_expect_parser *p, const char *at, const char *name);

/* Loadero's webrtc/… and mos/…, which are written in another way here. */
int sq_expect_loadero_path(struct sq_expect_parser *p, const char *at);

/* expect_tail.c: what follows the terms. */
int sq_expect_parse_tail(struct sq_expect_parser *p);

#endif
