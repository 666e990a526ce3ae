#include "base/mem.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define PROBE_BYTES                                                                                \
    ((size_t)8 << 20) /* below this all sorts of things fail, one time or another                  \
                       */

static _Thread_local size_t fail_at;
static _Thread_local size_t count;

static bool must_fail(void)
{
    count++;
    return fail_at != 0 && count == fail_at;
}

void sq_mem_fail_at(size_t nth)
{
    fail_at = nth;
    count = 0;
}

size_t sq_mem_count(void)
{
    return count;
}

void *sq_malloc(size_t size_bytes)
{
    return must_fail() ? NULL : malloc(size_bytes ? size_bytes : 1);
}

void *sq_calloc(size_t n, size_t size_bytes)
{
    return must_fail() ? NULL : calloc(n ? n : 1, size_bytes ? size_bytes : 1);
}

void *sq_zalloc(size_t size_bytes)
{
    return sq_calloc(1, size_bytes);
}

void *sq_realloc(void *block, size_t size_bytes)
{
    return must_fail() ? NULL : realloc(block, size_bytes ? size_bytes : 1);
}

char *sq_strdup(const char *text)
{
    return sq_strndup(text, strlen(text));
}

char *sq_strndup(const char *text, size_t len)
{
    char *copy = len < SIZE_MAX ? sq_malloc(len + 1) : NULL;
    if (copy) {
        memcpy(copy, text, len);
        copy[len] = '\0';
    }
    return copy;
}

void sq_free(void *block)
{
    free(block);
}

bool sq_mem_is_short(void)
{
    /* Past malloc, which would keep more of what is freed from then on. */
    void *block = must_fail() ? MAP_FAILED
                              : mmap(NULL, PROBE_BYTES, PROT_READ | PROT_WRITE,
                                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return block == MAP_FAILED || munmap(block, PROBE_BYTES) != 0;
}
