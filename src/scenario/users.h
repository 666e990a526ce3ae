/* Data of each user out of a CSV (RFC 4180): the first row names the columns, each further one is a
 * user's. A text says where they go: "whip+https://host/${user.stream}". */
#ifndef SQ_SCENARIO_USERS_H
#define SQ_SCENARIO_USERS_H

#include "base/str.h"
#include "scenario/yaml.h"
#include <stdbool.h>
#include <stdint.h>

#define SQ_USERS_COLUMNS_MAX 64
#define SQ_USERS_ROWS_MAX    1000000
#define SQ_USERS_SIZE_MAX    (256 * 1024 * 1024) /* bytes of a file */

enum sq_users_order {
    SQ_USERS_SEQUENTIAL, /* row after row, and from the first one again */
    SQ_USERS_RANDOM,     /* any row, by the seed and the user's number */
    SQ_USERS_UNIQUE,     /* row after row, each once */
};

struct sq_users; /* opaque; may be read by several threads */

/* SQ_ERR_FORMAT: *ret_error has the place in the file; SQ_ERR_IO: it has a sentence, and no place;
 * SQ_ERR_NOMEM: nothing. */
int sq_users_load(const char *file, struct sq_users **ret_users,
                  struct sq_yaml_error *ret_error) SQ_MUST_USE;
int sq_users_parse(const char *text, size_t len, struct sq_users **ret_users,
                   struct sq_yaml_error *ret_error) SQ_MUST_USE;
/* NULL is allowed. */
void sq_users_free(struct sq_users *users);
uint64_t sq_users_rows(const struct sq_users *users);
size_t sq_users_columns(const struct sq_users *users);
/* Borrowed; row and column are there. */
const char *sq_users_value(const struct sq_users *users, uint64_t row, size_t column);
/* The line of the file in which a row is, from 1. */
unsigned sq_users_line(const struct sq_users *users, uint64_t row);
/* "sequential", "random", "unique": in the order of the enum; NULL ends them. */
extern const char *const sq_users_orders[];
int sq_users_order_parse(const char *text, enum sq_users_order *ret_order) SQ_MUST_USE;
/* The row of a user. With SQ_USERS_UNIQUE there has to be one. */
uint64_t sq_users_row(const struct sq_users *users, enum sq_users_order order, uint64_t seed,
                      uint64_t index);
/* Asks for a column: has "${user." in it. */
bool sq_users_asked(const char *text);
/* The text with a row's values put in. SQ_ERR_NOTFOUND: `ret_column` is what it asks for and is not
 * there (or is not ended by '}'). */
int sq_users_put(const struct sq_users *users, uint64_t row, const char *text, struct sq_buf *out,
                 char ret_column[static 64]) SQ_MUST_USE;

#endif
