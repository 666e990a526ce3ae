/* Memory. All rooms allocate here, so that a test can make any single allocation fail. */
#ifndef SQ_BASE_MEM_H
#define SQ_BASE_MEM_H

#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>

/* Each returns memory owned by the caller, or NULL. sq_calloc and sq_zalloc zero it. */
void *sq_malloc(size_t size_bytes) SQ_MUST_USE;
void *sq_calloc(size_t n, size_t size_bytes) SQ_MUST_USE;
void *sq_zalloc(size_t size_bytes) SQ_MUST_USE;
/* On failure the old block stays valid. */
void *sq_realloc(void *block, size_t size_bytes) SQ_MUST_USE;
char *sq_strdup(const char *text) SQ_MUST_USE;
char *sq_strndup(const char *text, size_t len) SQ_MUST_USE;
/* NULL is allowed. */
void sq_free(void *block);

/* For libraries that do not say that they had no memory, or do worse: are there less than 8 MiB
 * left? Tries it. */
bool sq_mem_is_short(void);

/* Test hook: the allocation numbered `nth` from now (1 is the next) fails, and those after it
 * succeed; 0 turns it off. Of the calling thread only. */
void sq_mem_fail_at(size_t nth);
/* Allocations of the calling thread since the last sq_mem_fail_at. */
size_t sq_mem_count(void);

#endif
