/* The results of a search for capacity, written down:
 *
 *   DIR/capacity.json  the contract: share/schema/capacity.schema.json
 *   DIR/capacity.csv   the curve: a row a trial, in the order of trials (RFC 4180)
 *   DIR/capacity.html  one file, no network, no scripts
 *   DIR/levels/…       each trial's own results, by sq_report_write */
#ifndef SQ_REPORT_CAPACITY_H
#define SQ_REPORT_CAPACITY_H

#include "report/report.h"
#include "run/capacity.h"
#include <stdio.h>

struct sq_capacity_report {
    const struct sq_capacity *capacity;
    const struct sq_result *head; /* run id, start, tool, host, seed, command, target, config */
    const char *const *expectations;
    size_t expectations_len;
    size_t implied_len;      /* of them the last so many are judged unless others say otherwise */
    bool expectations_given; /* else they are the defaults */
};

/* Into the folder `dir`, which is there. SQ_ERR_IO or SQ_ERR_NOMEM fill ret_error with the first
 * failure; the other files are written all the same. */
int sq_capacity_write(const struct sq_capacity_report *r, const char *dir,
                      struct sq_report_error *ret_error) SQ_MUST_USE;

void sq_capacity_json(const struct sq_capacity_report *r, struct sq_buf *out);
void sq_capacity_csv(const struct sq_capacity_report *r, struct sq_buf *out);
void sq_capacity_html(const struct sq_capacity_report *r, struct sq_buf *out);
/* The line of a trial under the heads of its columns, and what is said at the end. */
void sq_capacity_text_heads(FILE *out);
void sq_capacity_text_level(const struct sq_capacity_level *level, FILE *out);
void sq_capacity_text(const struct sq_capacity_report *r, FILE *out);

#endif
