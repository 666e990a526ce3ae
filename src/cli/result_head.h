/* What the results of each command begin with. */
#ifndef SQ_CLI_RESULT_HEAD_H
#define SQ_CLI_RESULT_HEAD_H

#include "run/result.h"

/* Run id, time, tool and host. */
void sq_result_head(struct sq_result *result);

#endif
