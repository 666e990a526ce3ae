/* Where memory lies: the kernel's own account of it, /proc/self/smaps. */
#include "base/mem.h"
#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define BLOCK_BYTES 1024
#define BLOCKS      4096 /* two huge pages at least */
#define RESERVED_KB 20000

/* What the kernel knows of the mapping that `block` lies in. */
struct mapping {
    bool huge_pages; /* were asked for */
    unsigned long resident_kb;
};

static struct mapping mapping_of(const void *block)
{
    FILE *f = fopen("/proc/self/smaps", "re");
    assert_non_null(f);
    char line[1024];
    bool here = false;
    struct mapping found = {0};
    while (fgets(line, sizeof(line), f)) {
        uintptr_t begin;
        uintptr_t end;
        if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " ", &begin, &end) == 2) {
            here = (uintptr_t)block >= begin && (uintptr_t)block < end;
        } else if (here && strncmp(line, "VmFlags:", 8) == 0) {
            found.huge_pages = strstr(line, " hg") != NULL;
        } else if (here) {
            (void)sscanf(line, "Rss: %lu", &found.resident_kb);
        }
    }
    (void)fclose(f);
    return found;
}

static void *allocate(void *ctx)
{
    void **blocks = ctx;
    for (size_t i = 0; i < BLOCKS; i++) {
        blocks[i] = i % 2 ? sq_malloc(BLOCK_BYTES) : sq_calloc(1, BLOCK_BYTES);
    }
    return NULL;
}

static void a_threads_blocks_are_to_lie_in_huge_pages(void **state)
{
    (void)state;
    if (!sq_mem_use_huge_pages() || access("/sys/kernel/mm/transparent_hugepage", F_OK) != 0) {
        skip();
    }
    static void *blocks[BLOCKS];
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, allocate, blocks), 0);
    pthread_join(thread, NULL);
    for (size_t i = 0; i < BLOCKS; i += BLOCKS / 16) {
        assert_non_null(blocks[i]);
        assert_true(mapping_of(blocks[i]).huge_pages);
    }
    for (size_t i = 0; i < BLOCKS; i++) {
        sq_free(blocks[i]);
    }
}

static void *reserve(void *ctx)
{
    struct mapping *ret_heap = ctx;
    sq_mem_reserve(RESERVED_KB * 1024UL);
    void *block = sq_malloc(1);
    *ret_heap = mapping_of(block);
    sq_free(block);
    return NULL;
}

static void what_is_reserved_is_there_before_it_is_used(void **state)
{
    (void)state;
    if (!sq_mem_use_huge_pages()) {
        skip();
    }
    struct mapping heap = {0};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, reserve, &heap), 0);
    pthread_join(thread, NULL);
    assert_in_range(heap.resident_kb, RESERVED_KB, RESERVED_KB + 4096);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_reserved_is_there_before_it_is_used),
        cmocka_unit_test(a_threads_blocks_are_to_lie_in_huge_pages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
