/* What `squall explain` says of a metric, as text. */
#ifndef SQ_CLI_EXPLAIN_H
#define SQ_CLI_EXPLAIN_H

#include "base/err.h"
#include "base/str.h"

#define SQ_EXPLAIN_WHY_MAX 400

/* Of a metric, with an aggregate or without, by its name or by testRTC's or Loadero's.
 * SQ_ERR_NOTFOUND: no such metric or aggregate; `why` says so and what was meant, perhaps. */
int sq_explain(const char *name, struct sq_buf *out,
               char why[static SQ_EXPLAIN_WHY_MAX]) SQ_MUST_USE;
/* All of them, a line each. */
void sq_explain_all(struct sq_buf *out);

#endif
