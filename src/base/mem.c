#include "base/mem.h"

#include <malloc.h>
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

/* ---- Huge pages ---- */

/* glibc gives a thread heaps that begin at multiples of this. Of another allocator it is just the
 * neighbourhood of a block. */
#define HEAP_BYTES      ((uintptr_t)64 << 20)
#define HUGE_PAGE_BYTES ((size_t)2 << 20)
#define HEAP_BLOCK_MOST 65536 /* larger ones may be mapped by themselves, far from any heap */

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25 /* Linux 6.1 */
#endif

static bool huge_pages;
static _Thread_local const void *heap; /* the last one asked for */

bool sq_mem_use_huge_pages(void)
{
    /* A heap is to be writable as a whole from its beginning: where it grows by a page at a time,
     * the kernel finds no room for a huge one. What peers share (clips' tables, buffers of the
     * loop) comes from heaps, too; only blocks of megabytes do not. */
    huge_pages = mallopt(M_TOP_PAD, (int)HEAP_BYTES) == 1 &&
                 mallopt(M_MMAP_THRESHOLD, (int)HUGE_PAGE_BYTES) == 1;
    return huge_pages;
}

static void enter_heap(void *base)
{
    heap = base;
    /* With holes in it, it does what it can and fails. */
    (void)madvise(base, HEAP_BYTES, MADV_HUGEPAGE);
    /* The page that the heap's own head was written to before anybody asked. */
    (void)madvise(base, HUGE_PAGE_BYTES, MADV_COLLAPSE);
}

static void *placed(void *block, size_t bytes)
{
    if (huge_pages && block && bytes <= HEAP_BLOCK_MOST) {
        char *base = (char *)block - ((uintptr_t)block & (HEAP_BYTES - 1));
        if (base != heap) {
            enter_heap(base);
        }
    }
    return block;
}

struct reserved {
    struct reserved *next;
};

void sq_mem_reserve(size_t bytes)
{
    struct reserved *all = NULL;
    for (size_t at = 0; huge_pages && at + HEAP_BLOCK_MOST <= bytes; at += HEAP_BLOCK_MOST) {
        struct reserved *block = placed(malloc(HEAP_BLOCK_MOST), HEAP_BLOCK_MOST);
        if (!block) {
            break;
        }
        memset(block, 0, HEAP_BLOCK_MOST);
        block->next = all;
        all = block;
    }
    while (all) {
        struct reserved *next = all->next;
        free(all);
        all = next;
    }
}

/* ---- Blocks ---- */

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
    return must_fail() ? NULL : placed(malloc(size_bytes ? size_bytes : 1), size_bytes);
}

void *sq_calloc(size_t n, size_t size_bytes)
{
    void *block = must_fail() ? NULL : calloc(n ? n : 1, size_bytes ? size_bytes : 1);
    return placed(block, n * size_bytes);
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
