/* The wheel after Varghese and Lauck: a slot of level 0 is a tick, one of level 1 is as long as all
 * of level 0 together, and so on. A timer stands on the lowest level whose next 255 slots reach it:
 * the levels slide with time, so what lies a few seconds ahead moves down a quarter of a second's
 * worth at a time, and not with all that is due in the next minute. A bitmap a level tells the next
 * slot, however far, without walking over empty ones. */
#include "net/timer.h"

#include <string.h>

#define SLOT_MASK  (SQ_TIMER_SLOTS - 1)
#define WORD_BITS  64U
#define USED_WORDS (SQ_TIMER_SLOTS / WORD_BITS)

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

static void link_prepend(struct sq_timer_link *head, struct sq_timer_link *link)
{
    link_append(head->next, link);
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
    wheel->tick = wheel->target = now_ns / SQ_TIMER_SLOT_NS;
    wheel->count = 0;
    link_init(&wheel->due);
    for (size_t level = 0; level < SQ_TIMER_LEVELS; level++) {
        memset(wheel->used[level], 0, sizeof(wheel->used[level]));
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

static unsigned shift_of(unsigned level)
{
    return level * SQ_TIMER_LEVEL_BITS;
}

static unsigned slot_at(uint64_t tick, unsigned level)
{
    return (unsigned)(tick >> shift_of(level)) & SLOT_MASK;
}

/* The list for a tick that is not past: the present one's stands on level 0. */
static struct sq_timer_link *list_for(struct sq_timer_wheel *wheel, uint64_t tick)
{
    unsigned level = 0;
    while ((tick >> shift_of(level)) - (wheel->tick >> shift_of(level)) >= SQ_TIMER_SLOTS) {
        level++;
    }
    unsigned slot = slot_at(tick, level);
    wheel->used[level][slot / WORD_BITS] |= 1ULL << (slot % WORD_BITS);
    return &wheel->slots[level][slot];
}

static void place(struct sq_timer_wheel *wheel, struct sq_timer *timer)
{
    uint64_t tick = tick_of(timer->deadline_ns);
    link_append(tick <= wheel->target ? &wheel->due : list_for(wheel, tick), &timer->link);
}

void sq_timer_init(struct sq_timer *timer, sq_timer_fn fn, void *ctx)
{
    *timer = (struct sq_timer){.fn = fn, .ctx = ctx};
}

static void clear_used(struct sq_timer_wheel *wheel, unsigned level, unsigned slot)
{
    wheel->used[level][slot / WORD_BITS] &= ~(1ULL << (slot % WORD_BITS));
}

static bool is_used(const struct sq_timer_wheel *wheel, unsigned level, unsigned slot)
{
    return wheel->used[level][slot / WORD_BITS] >> (slot % WORD_BITS) & 1;
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
        clear_used(wheel, (unsigned)(index / SQ_TIMER_SLOTS), (unsigned)(index % SQ_TIMER_SLOTS));
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

/* The first slot in use behind `slot`, going round: how many slots ahead. 0 if there is none. */
static unsigned used_ahead(const uint64_t used[USED_WORDS], unsigned slot)
{
    unsigned first = (slot + 1) & SLOT_MASK;
    for (unsigned i = 0; i <= USED_WORDS; i++) { /* the first word once more, for its lower bits */
        unsigned word = (first / WORD_BITS + i) % USED_WORDS;
        uint64_t bits = used[word];
        if (i == 0) {
            bits &= ~0ULL << (first % WORD_BITS);
        }
        if (bits != 0) {
            unsigned found = word * WORD_BITS + (unsigned)__builtin_ctzll(bits);
            return (found - slot) & SLOT_MASK;
        }
    }
    return 0;
}

/* The first tick at which something is to be done: timers of level 0 fire, those of a slot of a
 * higher level move down when it begins. SQ_NEVER if none. */
static uint64_t next_tick(const struct sq_timer_wheel *wheel)
{
    uint64_t next = SQ_NEVER;
    for (unsigned level = 0; level < SQ_TIMER_LEVELS; level++) {
        unsigned ahead = used_ahead(wheel->used[level], slot_at(wheel->tick, level));
        if (ahead > 0) {
            uint64_t at = (wheel->tick >> shift_of(level)) + ahead;
            next = sq_min_u64(next, at << shift_of(level));
        }
    }
    return next;
}

uint64_t sq_timer_wheel_next_ns(const struct sq_timer_wheel *wheel)
{
    if (!link_empty(&wheel->due)) {
        return 0;
    }
    uint64_t tick = next_tick(wheel);
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

/* Those of the slot that begins now, to the levels below. For one tick they are older than what
 * stands there already, which was started when the tick was nearer: they go before it. */
static void move_down(struct sq_timer_wheel *wheel, unsigned level)
{
    unsigned slot = slot_at(wheel->tick, level);
    if (!is_used(wheel, level, slot)) {
        return;
    }
    struct sq_timer_link list;
    link_move_all(&wheel->slots[level][slot], &list);
    clear_used(wheel, level, slot);
    for (struct sq_timer_link *link = list.prev; link != &list;) {
        struct sq_timer_link *before = link->prev;
        __builtin_prefetch(before->prev);
        const struct sq_timer *timer = (const struct sq_timer *)link; /* link is the first member */
        link_prepend(list_for(wheel, tick_of(timer->deadline_ns)), link);
        link = before;
    }
}

/* `tick` begins. */
static size_t advance_to(struct sq_timer_wheel *wheel, uint64_t tick, uint64_t now_ns,
                         sq_lateness_fn lateness, void *lateness_ctx)
{
    wheel->tick = tick;
    for (unsigned level = 1; level < SQ_TIMER_LEVELS && slot_at(tick, level - 1) == 0; level++) {
        move_down(wheel, level);
    }
    struct sq_timer_link list;
    link_move_all(&wheel->slots[0][slot_at(tick, 0)], &list);
    clear_used(wheel, 0, slot_at(tick, 0));
    return fire_list(wheel, &list, now_ns, lateness, lateness_ctx);
}

size_t sq_timer_wheel_advance(struct sq_timer_wheel *wheel, uint64_t now_ns,
                              sq_lateness_fn lateness, void *lateness_ctx)
{
    struct sq_timer_link list;
    link_move_all(&wheel->due, &list);
    wheel->target = sq_max_u64(wheel->tick, now_ns / SQ_TIMER_SLOT_NS);
    size_t fired = fire_list(wheel, &list, now_ns, lateness, lateness_ctx);
    for (uint64_t tick = next_tick(wheel); tick <= wheel->target; tick = next_tick(wheel)) {
        fired += advance_to(wheel, tick, now_ns, lateness, lateness_ctx);
    }
    wheel->tick = wheel->target;
    return fired;
}
