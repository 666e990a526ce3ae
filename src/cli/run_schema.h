/* The JSON schema of scenario files, with what the readers of options take. */
#ifndef SQ_CLI_RUN_SCHEMA_H
#define SQ_CLI_RUN_SCHEMA_H

#include "base/str.h"

/* As `squall check --schema` prints it. */
void sq_run_schema(struct sq_buf *out);

#endif
