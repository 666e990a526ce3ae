/* The options of `squall run` in one table. */
#ifndef SQ_CLI_RUN_TABLE_H
#define SQ_CLI_RUN_TABLE_H

#include "cli/options.h"
#include "cli/run_options.h"

#define SQ_RUN_TABLE_MAX 80
#define SQ_RUN_SEED_MAX  ((1ULL << 53) - 1) /* a JSON number keeps it */

/* In the order that the help has them. They point into *options. */
struct sq_run_table {
    struct sq_run_options *options;
    size_t n;
    struct sq_option rows[SQ_RUN_TABLE_MAX]; /* the last one without a name */
};

/* What holds for options that nobody gives. */
void sq_run_table_defaults(struct sq_run_options *o);
void sq_run_table_make(struct sq_run_options *o, struct sq_run_table *ret_table);

#endif
