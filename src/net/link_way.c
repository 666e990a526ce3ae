#include "net/link_way.h"

#include <math.h>
#include <string.h>

static void put_config(struct sq_way *way, const struct sq_link_way *c)
{
    bool altered = c->duplicate > 0 || c->corrupt > 0;
    way->config = *c;
    way->chancy = c->loss > 0 || c->bursts.to_bad > 0 || altered;
    way->clear = c->rate_bps <= 0 && c->delay_ns == 0 && c->jitter_ns == 0 && !altered;
}

void sq_way_init(struct sq_way *way, const struct sq_link_way *config, uint64_t seed,
                 struct sq_held_pool *pool)
{
    *way = (struct sq_way){.pool = pool};
    sq_rand_seed(&way->rand, seed);
    put_config(way, config);
}

static bool chance(struct sq_way *way, double probability)
{
    return probability > 0 && sq_rand_unit(&way->rand) < probability;
}

/* ---- Loss ---- */

bool sq_way_loses(struct sq_way *way)
{
    const struct sq_link_bursts *b = &way->config.bursts;
    way->counters.offered++;
    if (!way->chancy) {
        return false;
    }
    bool lost = chance(way, way->config.loss);
    if (b->to_bad > 0) {
        if (chance(way, way->bad ? b->to_good : b->to_bad)) {
            way->bad = !way->bad;
        }
        lost = chance(way, way->bad ? b->loss_bad : b->loss_good) || lost;
    }
    way->counters.lost += lost;
    return lost;
}

/* ---- On its way ---- */

static uint64_t draw_delay_ns(struct sq_way *way)
{
    const struct sq_link_way *c = &way->config;
    if (c->jitter_ns == 0) {
        return c->delay_ns;
    }
    double off = (2 * sq_rand_unit(&way->rand) - 1) * (double)c->jitter_ns;
    double delay = (double)c->delay_ns + off;
    return delay > 0 ? (uint64_t)delay : 0;
}

static void fly(struct sq_way *way, struct sq_held *held, uint64_t from_ns)
{
    held->due_ns = from_ns + draw_delay_ns(way);
    if (!way->config.reorder) {
        held->due_ns = sq_max_u64(held->due_ns, way->last_due_ns);
    }
    way->last_due_ns = sq_max_u64(held->due_ns, way->last_due_ns);
    if (held->order_ns) { /* its own stream alone waits for what is sent again */
        held->due_ns = sq_max_u64(held->due_ns + held->late_ns, *held->order_ns);
        *held->order_ns = held->due_ns;
    }
    sq_held_insert(&way->flight, held);
}

static void fly_twice(struct sq_way *way, const struct sq_held *held, uint64_t from_ns)
{
    struct sq_held *copy = way->held < SQ_LINK_HELD_MAX ? sq_held_new(way->pool, held->len) : NULL;
    if (!copy) {
        return;
    }
    copy->port = held->port;
    copy->count = held->count;
    ++*copy->count;
    copy->late_ns = 0;
    copy->order_ns = NULL;
    copy->wire_bytes = held->wire_bytes;
    copy->addr = held->addr;
    memcpy(copy->data, held->data, held->len);
    way->held++;
    way->counters.duplicated++;
    fly(way, copy, from_ns);
}

/* What goes wrong with a segment, TCP makes good: it is never altered, and comes once. */
static void leave_bottleneck(struct sq_way *way, struct sq_held *held, uint64_t from_ns)
{
    if (held->order_ns || !way->chancy) {
        fly(way, held, from_ns);
        return;
    }
    if (held->len > 0 && chance(way, way->config.corrupt)) {
        uint32_t bit = sq_rand_below(&way->rand, held->len * 8);
        held->data[bit / 8] ^= (uint8_t)(1U << (bit % 8));
        way->counters.corrupted++;
    }
    fly(way, held, from_ns);
    if (chance(way, way->config.duplicate)) {
        fly_twice(way, held, from_ns);
    }
}

/* ---- The bottleneck ---- */

static uint64_t passing_ns(const struct sq_way *way, const struct sq_held *held)
{
    double rate = way->config.rate_bps;
    return rate > 0 ? (uint64_t)llround((double)held->wire_bytes * 8e9 / rate) : 0;
}

/* Those that have passed it by now. */
static void advance(struct sq_way *way, uint64_t now_ns)
{
    way->now_ns = now_ns > way->now_ns ? now_ns : way->now_ns;
    while (way->queue.first && way->first_done_ns <= way->now_ns) {
        struct sq_held *held = sq_held_take(&way->queue);
        uint64_t done_ns = way->first_done_ns;
        way->queue_bytes -= held->wire_bytes;
        if (way->queue.first) {
            way->first_done_ns = done_ns + passing_ns(way, way->queue.first);
        }
        leave_bottleneck(way, held, done_ns);
    }
}

static double queue_limit_bytes(const struct sq_link_way *c)
{
    if (c->queue_bytes > 0) {
        return (double)c->queue_bytes;
    }
    uint64_t ns = c->queue_ns ? c->queue_ns : SQ_LINK_QUEUE_DEFAULT_NS;
    double bytes = c->rate_bps * (double)ns / 8e9;
    return c->queue_ns ? bytes : fmax(bytes, SQ_LINK_QUEUE_LEAST_BYTES);
}

bool sq_way_has_room(struct sq_way *way, size_t wire_bytes, uint64_t now_ns)
{
    advance(way, now_ns);
    return way->held < SQ_LINK_HELD_MAX &&
           (!way->queue.first ||
            (double)(way->queue_bytes + wire_bytes) <= queue_limit_bytes(&way->config));
}

bool sq_way_enter(struct sq_way *way, struct sq_held *held, uint64_t now_ns)
{
    bool room = sq_way_has_room(way, held->wire_bytes, now_ns) || held->order_ns;
    if (!room || way->held >= SQ_LINK_HELD_MAX) {
        way->counters.queue_dropped++;
        sq_held_free(way->pool, held);
        return false;
    }
    way->held++;
    ++*held->count;
    if (way->config.rate_bps <= 0) {
        leave_bottleneck(way, held, way->now_ns);
        return true;
    }
    if (!way->queue.first) {
        way->first_done_ns = way->now_ns + passing_ns(way, held);
    }
    sq_held_append(&way->queue, held);
    way->queue_bytes += held->wire_bytes;
    return true;
}

void sq_way_set(struct sq_way *way, const struct sq_link_way *config, uint64_t now_ns)
{
    advance(way, now_ns);
    struct sq_held *first = way->queue.first;
    double whole_ns = first ? (double)passing_ns(way, first) : 0;
    double left = whole_ns > 0 ? (double)(way->first_done_ns - way->now_ns) / whole_ns : 0;
    put_config(way, config);
    if (first) { /* what has passed of the first has passed */
        way->first_done_ns =
            way->now_ns + (uint64_t)(fmin(left, 1) * (double)passing_ns(way, first));
    }
    advance(way, now_ns);
}

/* ---- Out ---- */

#define LINE_BYTES 64

/* It has waited, and is in no cache. */
static void fetch_data(const struct sq_held *held)
{
    for (size_t at = 0; at < held->len; at += LINE_BYTES) {
        __builtin_prefetch(held->data + at, 0, 2);
    }
}

void sq_way_prefetch(const struct sq_way *way, unsigned step)
{
    if (step == 0) {
        __builtin_prefetch(way);
        __builtin_prefetch((const char *)way + LINE_BYTES);
        __builtin_prefetch((const char *)way + 2 * LINE_BYTES);
    } else if (way->flight.first && step == 1) {
        __builtin_prefetch(way->flight.first);
        __builtin_prefetch((const char *)way->flight.first + LINE_BYTES);
    } else if (way->flight.first) {
        fetch_data(way->flight.first);
        __builtin_prefetch(way->flight.first->port);
        __builtin_prefetch(way->flight.first->next);
    }
}

bool sq_way_is_clear(const struct sq_way *way)
{
    return way->clear && way->held == 0;
}

void sq_way_pass(struct sq_way *way, size_t wire_bytes)
{
    way->counters.delivered++;
    way->counters.bytes += wire_bytes;
}

uint64_t sq_way_next_ns(const struct sq_way *way)
{
    const struct sq_link_way *c = &way->config;
    uint64_t next = way->flight.first ? way->flight.first->due_ns : SQ_NEVER;
    if (way->queue.first) {
        uint64_t least_ns = c->delay_ns > c->jitter_ns ? c->delay_ns - c->jitter_ns : 0;
        uint64_t due_ns = way->first_done_ns + least_ns;
        next = due_ns < next ? due_ns : next;
    }
    return next;
}

struct sq_held *sq_way_take(struct sq_way *way, uint64_t now_ns)
{
    struct sq_held *held;
    return sq_way_take_run(way, now_ns, &held, 1) == 1 ? held : NULL;
}

size_t sq_way_take_run(struct sq_way *way, uint64_t now_ns, struct sq_held **ret_run, size_t most)
{
    size_t n = 0;
    advance(way, now_ns);
    while (n < most && way->flight.first && way->flight.first->due_ns <= way->now_ns &&
           (n == 0 || way->flight.first->port == ret_run[0]->port)) {
        struct sq_held *held = sq_held_take(&way->flight);
        __builtin_prefetch(held->next);
        fetch_data(held);
        way->held--;
        sq_way_pass(way, held->wire_bytes);
        ret_run[n++] = held;
    }
    return n;
}

static void drop_from(struct sq_way *way, struct sq_held_list *list,
                      const struct sq_link_port *port)
{
    struct sq_held *next;
    for (struct sq_held *held = list->first; held; held = next) {
        next = held->next;
        if (port && held->port != port) {
            continue;
        }
        sq_held_remove(list, held);
        way->held--;
        --*held->count;
        sq_held_free(way->pool, held);
    }
}

void sq_way_forget(struct sq_way *way, const struct sq_link_port *port)
{
    const struct sq_held *first = way->queue.first;
    drop_from(way, &way->flight, port);
    drop_from(way, &way->queue, port);
    way->queue_bytes = 0;
    for (const struct sq_held *held = way->queue.first; held; held = held->next) {
        way->queue_bytes += held->wire_bytes;
    }
    if (way->queue.first && way->queue.first != first) {
        way->first_done_ns = way->now_ns + passing_ns(way, way->queue.first);
    }
}

void sq_way_clear(struct sq_way *way)
{
    sq_way_forget(way, NULL);
}
