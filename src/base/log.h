/* The log sink: for programs. Library rooms return errors or raise events, and never log errors. */
#ifndef SQ_BASE_LOG_H
#define SQ_BASE_LOG_H

#include "base/err.h"

enum sq_log_level { SQ_LOG_ERROR, SQ_LOG_WARN, SQ_LOG_INFO, SQ_LOG_DEBUG };

typedef void (*sq_log_sink)(enum sq_log_level level, const char *line, void *ctx);

/* The sink starts as standard error at level INFO. NULL puts that back. Set it before threads
 * start. */
void sq_log_set(enum sq_log_level most, sq_log_sink sink, void *ctx);
void sq_log(enum sq_log_level level, const char *fmt, ...) SQ_PRINTF(2, 3);

#endif
