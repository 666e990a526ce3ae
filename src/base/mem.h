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

/* From now on the memory of all threads is to lie in huge pages of 2 MiB (transparent ones,
 * madvise(2)), where the kernel has them for those who ask. Thousands of peers are touched in turn:
 * in pages of 4 KiB the processor forgets where each lies, and looks it up anew for each packet. It
 * is a hint: nothing fails. A thread takes 2 MiB at a time, though, however little it needs. To be
 * called before there are threads; false: this allocator knows no such thing (sanitizers'). */
bool sq_mem_use_huge_pages(void);
/* Has the kernel give the calling thread's heap so many bytes now: with huge pages each 2 MiB take
 * it a quarter of a millisecond, and 20 ms where a virtual machine must ask its host for them. Does
 * nothing without huge pages; nothing fails. */
void sq_mem_reserve(size_t bytes);

/* For libraries that do not say that they had no memory, or do worse: are there less than 8 MiB
 * left? Tries it. */
bool sq_mem_is_short(void);

/* Test hook: the allocation numbered `nth` from now (1 is the next) fails, and those after it
 * succeed; 0 turns it off. Of the calling thread only. */
void sq_mem_fail_at(size_t nth);
/* Allocations of the calling thread since the last sq_mem_fail_at. */
size_t sq_mem_count(void);

#endif
