/* The wheel after Varghese and Lauck: a timer stands on the level of the highest 6-bit digit in
 * which its slot differs from the present one, so a level holds only slots that lie ahead. A bitmap
 * a level tells the next one, however far, without walking over empty ones. */
#include "net/timer.h"

#define SLOT_MASK (SQ_TIMER_SLOTS - 1)

static void link_init(struct sq_timer_link *head)
{
    head->next = head;
    head->prev = head;
}

static bool link_empty(const struct sq_timer_link *head)
{
    return head->next == head;
}

static void link_append(struct sq_timer_link *head, struct sq_timer_link *link)
{
    link->next = head;
    link->prev = head->prev;
    head->prev->next = link;
    head->prev = link;
}

/* Moves the whole list over to `to`, an empty head. */
static void link_move_all(struct sq_timer_link *from, struct sq_timer_link *to)
{
    link_init(to);
    if (!link_empty(from)) {
        to->next = from->next;
        to->prev = from->prev;
        to->next->prev = to;
        to->prev->next = to;
        link_init(from);
    }
}

void sq_timer_wheel_init(struct sq_timer_wheel *wheel, uint64_t now_ns)
{
    wheel->tick = now_ns / SQ_TIMER_SLOT_NS;
    wheel->count = 0;
    link_init(&wheel->due);
    for (size_t level = 0; level < SQ_TIMER_LEVELS; level++) {
        wheel->used[level] = 0;
        for (size_t slot = 0; slot < SQ_TIMER_SLOTS; slot++) {
            link_init(&wheel->slots[level][slot]);
        }
    }
}

/* The slot at or after the deadline: a timer never fires early. */
static uint64_t tick_of(uint64_t deadline_ns)
{
    return deadline_ns / SQ_TIMER_SLOT_NS + (deadline_ns % SQ_TIMER_SLOT_NS != 0);
}

static void place(struct sq_timer_wheel *wheel, struct sq_timer *timer)
{
    uint64_t tick = tick_of(timer->deadline_ns);
    if (tick <= wheel->tick) {
        link_append(&wheel->due, &timer->link);
        return;
    }
    unsigned top_bit = 63U - (unsigned)__builtin_clzll(tick ^ wheel->tick);
    unsigned level = top_bit / SQ_TIMER_LEVEL_BITS;
    unsigned slot = (unsigned)(tick >> (level * SQ_TIMER_LEVEL_BITS)) & SLOT_MASK;
    link_append(&wheel->slots[level][slot], &timer->link);
    wheel->used[level] |= 1ULL << slot;
}

void sq_timer_init(struct sq_timer *timer, sq_timer_fn fn, void *ctx)
{
    *timer = (struct sq_timer){.fn = fn, .ctx = ctx};
}

/* Takes the timer off its list; clears the slot's bit when it was the last one there. */
static void unlink_timer(struct sq_timer *timer)
{
    struct sq_timer_link *prev = timer->link.prev;
    prev->next = timer->link.next;
    timer->link.next->prev = prev;
    timer->link.next = NULL;
    struct sq_timer_wheel *wheel = timer->wheel;
    const struct sq_timer_link *first = &wheel->slots[0][0];
    if (link_empty(prev) && (uintptr_t)prev >= (uintptr_t)first &&
        (uintptr_t)prev < (uintptr_t)(first + SQ_TIMER_LEVELS * SQ_TIMER_SLOTS)) {
        size_t index = (size_t)(prev - first);
        wheel->used[index / SQ_TIMER_SLOTS] &= ~(1ULL << (index % SQ_TIMER_SLOTS));
    }
}

void sq_timer_start(struct sq_timer_wheel *wheel, struct sq_timer *timer, uint64_t deadline_ns)
{
    sq_timer_stop(timer);
    if (deadline_ns == SQ_NEVER) {
        return;
    }
    timer->wheel = wheel;
    timer->deadline_ns = deadline_ns;
    wheel->count++;
    place(wheel, timer);
}

void sq_timer_stop(struct sq_timer *timer)
{
    if (sq_timer_active(timer)) {
        unlink_timer(timer);
        timer->wheel->count--;
    }
}

/* The next slot in use on this level, as a tick; ticks of lower digits are 0. SQ_NEVER if none. */
static uint64_t next_on_level(const struct sq_timer_wheel *wheel, unsigned level)
{
    if (wheel->used[level] == 0) {
        return SQ_NEVER;
    }
    unsigned slot = (unsigned)__builtin_ctzll(wheel->used[level]);
    unsigned shift = level * SQ_TIMER_LEVEL_BITS;
    uint64_t above = wheel->tick >> shift >> SQ_TIMER_LEVEL_BITS << SQ_TIMER_LEVEL_BITS;
    return (above | slot) << shift;
}

/* The first tick at which something is to be done, and its level. Lower levels come first in time:
 * a higher level's slots begin where all lower ones have ended. */
static uint64_t next_tick(const struct sq_timer_wheel *wheel, unsigned *level)
{
    for (*level = 0; *level < SQ_TIMER_LEVELS; (*level)++) {
        if (wheel->used[*level] != 0) {
            return next_on_level(wheel, *level);
        }
    }
    return SQ_NEVER;
}

uint64_t sq_timer_wheel_next_ns(const struct sq_timer_wheel *wheel)
{
    unsigned level;
    if (!link_empty(&wheel->due)) {
        return 0;
    }
    uint64_t tick = next_tick(wheel, &level);
    return tick == SQ_NEVER ? SQ_NEVER : tick * SQ_TIMER_SLOT_NS;
}

#define FETCH_STEPS 3 /* of `ahead`; `reads` comes before, and the timer itself before that */

/* For the timers behind the one that fires next. */
static void fetch_ahead(const struct sq_timer_link *head, const struct sq_timer *first)
{
    const struct sq_timer_link *link = first->link.next;
    for (unsigned distance = 1; link != head; distance++, link = link->next) {
        const struct sq_timer *timer = (const struct sq_timer *)link; /* link is the first member */
        if (distance <= FETCH_STEPS) {
            if (timer->ahead) {
                timer->ahead(timer->reads, FETCH_STEPS - distance);
            }
            continue;
        }
        __builtin_prefetch(link->next);
        __builtin_prefetch((const char *)link->next + 64);
        if (timer->reads) {
            __builtin_prefetch(timer->reads);
            __builtin_prefetch((const char *)timer->reads + 64);
        }
        return;
    }
}

static size_t fire_list(struct sq_timer_wheel *wheel, struct sq_timer_link *list, uint64_t now_ns,
                        sq_lateness_fn lateness, void *lateness_ctx)
{
    size_t fired = 0;
    while (!link_empty(list)) {
        struct sq_timer *timer = (struct sq_timer *)list->next; /* link is the first member */
        fetch_ahead(list, timer);
        unlink_timer(timer);
        wheel->count--;
        fired++;
        if (lateness && timer->deadline_ns != 0) {
            lateness(lateness_ctx, now_ns - timer->deadline_ns);
        }
        timer->fn(timer->ctx, now_ns);
    }
    return fired;
}

size_t sq_timer_wheel_advance(struct sq_timer_wheel *wheel, uint64_t now_ns,
                              sq_lateness_fn lateness, void *lateness_ctx)
{
    uint64_t target = now_ns / SQ_TIMER_SLOT_NS;
    size_t fired = 0;
    struct sq_timer_link list;
    link_move_all(&wheel->due, &list);
    fired += fire_list(wheel, &list, now_ns, lateness, lateness_ctx);
    for (;;) {
        unsigned level;
        uint64_t tick = next_tick(wheel, &level);
        if (tick > target) { /* SQ_NEVER too */
            break;
        }
        unsigned slot = (unsigned)(tick >> (level * SQ_TIMER_LEVEL_BITS)) & SLOT_MASK;
        wheel->tick = tick;
        link_move_all(&wheel->slots[level][slot], &list);
        wheel->used[level] &= ~(1ULL << slot);
        if (level > 0) { /* move down; what is due in this very tick fires below */
            struct sq_timer_link now_due;
            link_init(&now_due);
            while (!link_empty(&list)) {
                struct sq_timer *timer = (struct sq_timer *)list.next;
                unlink_timer(timer);
                if (tick_of(timer->deadline_ns) <= tick) {
                    link_append(&now_due, &timer->link);
                } else {
                    place(wheel, timer);
                }
            }
            link_move_all(&now_due, &list);
        }
        fired += fire_list(wheel, &list, now_ns, lateness, lateness_ctx);
    }
    if (target > wheel->tick) {
        wheel->tick = target;
    }
    return fired;
}
