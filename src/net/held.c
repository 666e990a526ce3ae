#include "net/held.h"

#include "base/mem.h"

#define SMALL_BYTES 320  /* audio, feedback, checks */
#define LARGE_BYTES 1536 /* what fits an Ethernet frame */
#define KEPT_MAX    4096 /* free blocks of a size that are kept */

static int size_class(size_t len)
{
    return len <= SMALL_BYTES ? 0 : len <= LARGE_BYTES ? 1 : SQ_HELD_SIZES;
}

struct sq_held *sq_held_new(struct sq_held_pool *pool, size_t len)
{
    static const size_t bytes[SQ_HELD_SIZES] = {SMALL_BYTES, LARGE_BYTES};
    int class = size_class(len);
    struct sq_held *held;
    if (class < SQ_HELD_SIZES && pool->free[class]) {
        held = pool->free[class];
        pool->free[class] = held->next;
        pool->free_len[class]--;
        __builtin_prefetch(held->next, 1); /* the next taker's */
    } else {
        held = sq_malloc(sizeof(*held) + (class < SQ_HELD_SIZES ? bytes[class] : len));
        if (!held) {
            return NULL;
        }
    }
    held->len = (uint32_t)len;
    return held;
}

void sq_held_free(struct sq_held_pool *pool, struct sq_held *held)
{
    int class = size_class(held->len);
    if (class == SQ_HELD_SIZES || pool->free_len[class] >= KEPT_MAX) {
        sq_free(held);
        return;
    }
    held->next = pool->free[class];
    pool->free[class] = held;
    pool->free_len[class]++;
}

void sq_held_pool_clear(struct sq_held_pool *pool)
{
    for (int class = 0; class < SQ_HELD_SIZES; class ++) {
        while (pool->free[class]) {
            struct sq_held *held = pool->free[class];
            pool->free[class] = held->next;
            sq_free(held);
        }
        pool->free_len[class] = 0;
    }
}

/* Puts it behind `before`, or first where that is NULL. */
static void put_behind(struct sq_held_list *list, struct sq_held *before, struct sq_held *held)
{
    held->prev = before;
    held->next = before ? before->next : list->first;
    *(before ? &before->next : &list->first) = held;
    *(held->next ? &held->next->prev : &list->last) = held;
}

void sq_held_append(struct sq_held_list *list, struct sq_held *held)
{
    put_behind(list, list->first ? list->last : NULL, held);
}

void sq_held_insert(struct sq_held_list *list, struct sq_held *held)
{
    struct sq_held *before = list->first ? list->last : NULL;
    while (before && before->due_ns > held->due_ns) {
        before = before == list->first ? NULL : before->prev;
    }
    put_behind(list, before, held);
}

void sq_held_remove(struct sq_held_list *list, struct sq_held *held)
{
    struct sq_held *before = held == list->first ? NULL : held->prev;
    *(before ? &before->next : &list->first) = held->next;
    *(held->next ? &held->next->prev : &list->last) = before;
}

struct sq_held *sq_held_take(struct sq_held_list *list)
{
    struct sq_held *held = list->first;
    if (held) {
        list->first = held->next;
    }
    return held;
}
