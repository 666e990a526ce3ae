/* Options of a command, from a table: long names, values that are checked where they stand, help
 * made of the same table. */
#ifndef SQ_CLI_OPTIONS_H
#define SQ_CLI_OPTIONS_H

#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sq_option_type {
    SQ_OPTION_FLAG,     /* bool *: set to true */
    SQ_OPTION_NO_FLAG,  /* bool *: set to false */
    SQ_OPTION_COUNT,    /* uint64_t *: a whole number from min to max */
    SQ_OPTION_TEXT,     /* const char ** */
    SQ_OPTION_LIST,     /* struct sq_option_list *: may come again */
    SQ_OPTION_DURATION, /* uint64_t *: ns */
    SQ_OPTION_RATE,     /* double *: per second */
    SQ_OPTION_NUMBER,   /* double * */
    SQ_OPTION_HEADING,  /* of a group in the help; `name` is its title */
};

#define SQ_OPTION_LIST_MAX 64

struct sq_option_list {
    const char *items[SQ_OPTION_LIST_MAX]; /* borrowed from argv */
    size_t n;
    bool stale; /* they are of an earlier source: the next item drops them */
};

struct sq_option {
    const char *name; /* without the dashes */
    enum sq_option_type type;
    void *to;
    const char *value; /* what the help calls the value: "N", "D" */
    const char *help;
    uint64_t min, max; /* of COUNT; of DURATION the most, ns, where it is not 0 */
};

/* Reads argv[0..argc): options as --name value or --name=value, anything else is positional.
 * `options` ends with a name of NULL. On failure `why` holds a sentence that names the option and
 * what was expected. SQ_ERR_INVALID. */
int sq_options_parse(const struct sq_option *options, int argc, char **argv,
                     struct sq_option_list *ret_rest, char *why, size_t why_room) SQ_MUST_USE;
/* The option's value out of a file: a flag's is "true" or "false", and says what the name without
 * "no-" is. As above otherwise. */
int sq_option_set(const struct sq_option *options, const char *name, const char *value, char *why,
                  size_t why_room) SQ_MUST_USE;
/* What is set from here on comes of a source that wins over those before it: the items of a list
 * take the place of what it holds, and are not added. `but` (nullable) names one whose are. */
void sq_options_begin(const struct sq_option *options, const char *but);
void sq_options_help(const struct sq_option *options);

#endif
