#include "run/shard.h"

#include "base/mem.h"
#include "base/sched.h"
#include "base/time.h"
#include "net/loop.h"
#include "run/crowd.h"
#include "run/shared.h"
#include "signal/signal.h"
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define CPU_SHARE_MIN_NS (100 * SQ_NS_PER_MS)
#define SLICES           100 /* users are sampled in turn: a burst of samples would make timers late */
#define SLICE_NS         (SQ_NS_PER_SEC / SLICES)
#define STARTS_MAX       64 /* users begun, or sent away, in one go: packets must not wait for them */
#define DRAIN_TICK_NS    (10 * SQ_NS_PER_MS)
/* Measured, bench/RESULTS.md: 31 KB and 58. What a user takes later on, it takes as it goes. */
#define USER_BYTES          (28 * 1024)
#define USER_BYTES_VIDEO    (52 * 1024)
#define USERS_RESERVED_MOST 2000
#define HUNG_FACTOR         5 /* times the 95th percentile of setup.total */

/* The latest word of the run's thread. */
struct order {
    uint64_t at_ns, over_ns, hung_after_ns;
    uint64_t peers, ramp_ns;
    double rate_per_s;
    bool paused;
};

struct sq_shard {
    struct sq_shard_config config;
    pthread_t thread;
    struct sq_loop *loop;
    struct sq_carrier *carrier;
    struct sq_user_env env;
    struct sq_shared_port shared;
    struct sq_tally tally;
    struct sq_slice_tally slices;
    struct sq_watch *watch; /* owned; nullable */
    struct sq_second second;
    struct sq_crowd *crowd; /* owned: who begins when */
    struct sq_timer arrival_timer, slice_timer, drain_timer;
    struct sq_flush_hook hook;

    struct sq_user **users; /* owned, a slot each; NULL: free, to be used again */
    struct sq_user **over;  /* ended in this iteration; as much room, and so has the next */
    size_t *free_slots;
    size_t users_len, users_room, over_len, free_len;
    struct sq_ledger *ledger; /* of those who are over */
    size_t alive;
    uint64_t missed, again;
    uint64_t rows_out_ns; /* 0: there was a row for each so far */

    uint64_t slice, second_no;
    struct sq_hist_small lateness_us; /* of this second */
    uint64_t lateness_max_us;
    uint64_t cpu_ns, cpu_start_ns, wall_ns, wall_start_ns;
    double cpu_percent;

    bool draining, aborted, reported_done, ramped;
    size_t drain_at, drain_step;
    char example[256];

    pthread_mutex_t lock; /* of `order` alone */
    struct order order;   /* of the run's thread */
};

/* ---- Reports ---- */

static void on_lateness(void *ctx, uint64_t lateness_ns)
{
    struct sq_shard *shard = ctx;
    uint64_t us = lateness_ns / 1000;
    sq_hist_small_record(&shard->lateness_us, us);
    shard->lateness_max_us = sq_max_u64(shard->lateness_max_us, us);
    sq_tally_record(&shard->tally, SQ_METRIC_GENERATOR_LATENESS, (double)us / 1e3);
    uint64_t now_ns = sq_loop_now(shard->loop);
    sq_slices_sample(&shard->slices, NULL, SQ_METRIC_GENERATOR_LATENESS, (double)us / 1e3, now_ns,
                     now_ns);
}

static void measure_cpu(struct sq_shard *shard)
{
    uint64_t cpu_ns = sq_thread_cpu_ns();
    uint64_t wall_ns = sq_clock_ns();
    /* The last report follows the one before at once: a share of that is noise, often 100 %. */
    if (wall_ns < shard->wall_ns + CPU_SHARE_MIN_NS) {
        return;
    }
    shard->cpu_percent =
        100.0 * (double)(cpu_ns - shard->cpu_ns) / (double)(wall_ns - shard->wall_ns);
    sq_tally_record(&shard->tally, SQ_METRIC_GENERATOR_CPU, shard->cpu_percent);
    sq_slices_sample(&shard->slices, NULL, SQ_METRIC_GENERATOR_CPU, shard->cpu_percent,
                     shard->wall_ns, wall_ns);
    shard->cpu_ns = cpu_ns;
    shard->wall_ns = wall_ns;
}

static uint64_t setup_ms(const struct sq_shard *shard, double quantile)
{
    const struct sq_hist *setup = shard->tally.metrics[SQ_METRIC_SETUP_TOTAL];
    return setup ? (uint64_t)sq_metric_value(SQ_METRIC_SETUP_TOTAL,
                                             (double)sq_hist_quantile(setup, quantile))
                 : 0;
}

static void publish(struct sq_shard *shard, bool done)
{
    measure_cpu(shard);
    struct sq_shard_report report = {
        .shard = shard->config.number,
        .second_no = ++shard->second_no,
        .second = shard->second,
        .started = shard->tally.started,
        .connected = shard->tally.connected,
        .ok = shard->tally.ok,
        .failed = shard->tally.failed,
        .pending = shard->tally.pending,
        .missed = shard->missed,
        .again = shard->again,
        .lateness_p99_us = sq_hist_small_quantile(&shard->lateness_us, 0.99),
        .lateness_max_us = shard->lateness_max_us,
        .cpu_percent = shard->cpu_percent,
        .counters = *sq_carrier_counters(shard->carrier),
        .setup_p50_ms = setup_ms(shard, 0.5),
        .setup_p95_ms = setup_ms(shard, 0.95),
        .rows_out_ns = shard->rows_out_ns,
        .done = done,
    };
    memcpy(report.failed_by_cause, shard->tally.failed_by_cause, sizeof(report.failed_by_cause));
    memcpy(report.example, shard->example, sizeof(report.example));
    memset(&shard->second, 0, sizeof(shard->second));
    sq_hist_small_clear(&shard->lateness_us);
    shard->lateness_max_us = 0;
    shard->config.report(shard->config.ctx, &report);
}

static bool no_more_come(const struct sq_shard *shard)
{
    return shard->draining || sq_crowd_is_over(shard->crowd);
}

static void check_done(struct sq_shard *shard)
{
    /* Relays are given back before the sockets go: a server may ask for another nonce first. */
    bool idle = shard->aborted || sq_carrier_idle(shard->carrier);
    if (!shard->reported_done && shard->alive == 0 && no_more_come(shard) && idle) {
        shard->reported_done = true;
        sq_watch_second(shard->watch); /* others may go on */
        publish(shard, true);
        sq_timer_stop(&shard->slice_timer);
        sq_timer_stop(&shard->arrival_timer);
        sq_timer_stop(&shard->drain_timer);
        sq_loop_stop(shard->loop);
    }
}

static void on_slice(void *ctx, uint64_t now_ns)
{
    struct sq_shard *shard = ctx;
    /* The first users last, just before the second is told: the seconds of small runs are whole. */
    for (size_t i = SLICES - 1 - shard->slice % SLICES; i < shard->users_len; i += SLICES) {
        if (shard->users[i]) {
            sq_user_sample(shard->users[i], now_ns);
            if (shard->watch) {
                sq_user_watch(shard->users[i], now_ns);
            }
        }
    }
    shard->slice++;
    if (shard->slice % SLICES == 0) {
        sq_watch_second(shard->watch);
        publish(shard, false);
    }
    uint64_t next_ns = shard->config.start_ns + (shard->slice + 1) * SLICE_NS;
    sq_timer_start(sq_loop_timers(shard->loop), &shard->slice_timer,
                   sq_max_u64(next_ns, now_ns + SQ_NS_PER_MS));
}

/* ---- Arrivals ---- */

static void plan_next(struct sq_shard *shard)
{
    if (!shard->draining) {
        sq_timer_start(sq_loop_timers(shard->loop), &shard->arrival_timer,
                       sq_max_u64(sq_crowd_next_ns(shard->crowd), sq_loop_now(shard->loop)));
    }
}

/* Nobody is there any more: in a closed model somebody else is to come. */
static void leave_place(struct sq_shard *shard, uint64_t place, bool failed)
{
    if (!sq_crowd_is_closed(shard->crowd) || shard->draining) {
        return;
    }
    if (sq_crowd_left(shard->crowd, place, failed, sq_loop_now(shard->loop)) != 0) {
        shard->missed++;
        shard->tally.starved++;
    }
    plan_next(shard);
}

static void on_user_done(void *ctx, struct sq_user *user)
{
    struct sq_shard *shard = ctx;
    const char *failure = sq_user_failure(user);
    if (failure[0]) {
        snprintf(shard->example, sizeof(shard->example), "%s", failure);
    }
    shard->over[shard->over_len++] = user;
    shard->alive--;
    atomic_fetch_sub(shard->config.alive, 1);
    leave_place(shard, sq_user_place(user), failure[0] != '\0');
}

static bool grow_slots(struct sq_shard *shard)
{
    size_t room = shard->users_room ? shard->users_room * 2 : 64;
    struct sq_user **users = sq_realloc(shard->users, room * sizeof(struct sq_user *));
    shard->users = users ? users : shard->users;
    struct sq_user **over = sq_realloc(shard->over, room * sizeof(struct sq_user *));
    shard->over = over ? over : shard->over;
    size_t *slots = sq_realloc(shard->free_slots, room * sizeof(size_t));
    shard->free_slots = slots ? slots : shard->free_slots;
    if (!users || !over || !slots) {
        return false;
    }
    shard->users_room = room;
    return true;
}

static bool add_user(struct sq_shard *shard, const struct sq_arrival *arrival, uint64_t users_row)
{
    struct sq_user *user;
    bool room = shard->free_len > 0 || shard->users_len < shard->users_room || grow_slots(shard);
    if (!room || sq_user_create(&shard->env, arrival, users_row, &user) != 0) {
        return false;
    }
    size_t slot = shard->free_len > 0 ? shard->free_slots[--shard->free_len] : shard->users_len++;
    sq_user_set_slot(user, slot);
    shard->users[slot] = user;
    shard->alive++;
    sq_crowd_took(shard->crowd, arrival->place, user);
    sq_user_start(user);
    return true;
}

/* A place among the most users at once, of all shards together. In a closed model each has one. */
static bool take_place(struct sq_shard *shard)
{
    if (atomic_fetch_add(shard->config.alive, 1) < shard->config.plan->peers ||
        sq_crowd_is_closed(shard->crowd)) {
        return true;
    }
    atomic_fetch_sub(shard->config.alive, 1);
    return false;
}

/* The arrival's row of users; false: each is given once, and none is left. Those that were planned
 * have theirs, whatever comes before them: only who replaces another, or comes on top by hand,
 * takes of the others, in the order of all shards. */
static bool take_row(struct sq_shard *shard, const struct sq_arrival *arrival, uint64_t *ret_row)
{
    const struct sq_plan *plan = shard->config.plan;
    *ret_row = 0;
    if (!plan->users) {
        return true;
    }
    if (plan->users_order != SQ_USERS_UNIQUE) {
        *ret_row = sq_users_row(plan->users, plan->users_order, plan->seed, arrival->index);
        return true;
    }
    uint64_t planned = sq_min_u64(sq_plan_arrivals(plan), sq_users_rows(plan->users));
    *ret_row = !arrival->again && arrival->place < planned
                   ? arrival->place
                   : planned + atomic_fetch_add(shard->config.rows, 1);
    return *ret_row < sq_users_rows(plan->users);
}

static void begin_user(struct sq_shard *shard, const struct sq_arrival *arrival)
{
    uint64_t users_row;
    shard->again += arrival->again;
    if (arrival->missed || !take_place(shard)) {
        shard->missed++;
    } else if (!take_row(shard, arrival, &users_row)) {
        uint64_t now_ns = sq_loop_now(shard->loop);
        shard->rows_out_ns = shard->rows_out_ns ? shard->rows_out_ns : now_ns;
        shard->missed++; /* and its place stays empty: the run ends */
        atomic_fetch_sub(shard->config.alive, 1);
    } else if (!add_user(shard, arrival, users_row)) {
        shard->missed++;
        shard->tally.starved++; /* no memory */
        atomic_fetch_sub(shard->config.alive, 1);
        leave_place(shard, arrival->place, true);
    }
}

/* The number falls: who came first goes first. */
static void let_go(struct sq_shard *shard, uint64_t now_ns)
{
    void *user;
    bool any_up = shard->tally.connected > 0 || shard->tally.ok > 0;
    bool asked = false;
    for (unsigned gone = 0; gone < STARTS_MAX && sq_crowd_go(shard->crowd, now_ns, &user); gone++) {
        if (user && !asked) {
            shard->env.hung_after_ns =
                sq_hung_after_ns(shard->config.plan, any_up, setup_ms(shard, 0.95));
            asked = true;
        }
        if (user) {
            sq_user_leave(user);
        }
    }
}

/* All that were planned have begun, once the last shard says so. */
static void note_ramped(struct sq_shard *shard, uint64_t now_ns)
{
    if (!shard->ramped && !shard->draining && sq_crowd_is_over(shard->crowd)) {
        shard->ramped = true;
        if (atomic_fetch_sub(&shard->config.events->to_ramp, 1) == 1) {
            atomic_store(&shard->config.events->ramped_ns, now_ns);
        }
    }
}

static void on_arrival(void *ctx, uint64_t now_ns)
{
    struct sq_shard *shard = ctx;
    struct sq_arrival arrival;
    for (unsigned begun = 0; !shard->draining && begun < STARTS_MAX; begun++) {
        if (!sq_crowd_come(shard->crowd, now_ns, &arrival)) {
            break;
        }
        begin_user(shard, &arrival);
    }
    if (!shard->draining) {
        let_go(shard, now_ns);
    }
    note_ramped(shard, now_ns);
    if (no_more_come(shard)) {
        check_done(shard);
        return;
    }
    plan_next(shard);
}

/* ---- Orders ---- */

uint64_t sq_hung_after_ns(const struct sq_plan *plan, bool any_up, uint64_t setup_p95_ms)
{
    return any_up ? sq_max_u64(HUNG_FACTOR * setup_p95_ms * SQ_NS_PER_MS, plan->hung_least_ns)
                  : SQ_NEVER;
}

static struct order read_order(struct sq_shard *shard)
{
    pthread_mutex_lock(&shard->lock);
    struct order order = shard->order;
    pthread_mutex_unlock(&shard->lock);
    return order;
}

static void do_rate(void *ctx)
{
    struct sq_shard *shard = ctx;
    struct order order = read_order(shard);
    sq_crowd_set_rate(shard->crowd, order.at_ns, order.rate_per_s, order.paused);
    if (!shard->draining) {
        on_arrival(shard, sq_loop_now(shard->loop));
    }
}

static void do_peers(void *ctx)
{
    struct sq_shard *shard = ctx;
    struct order order = read_order(shard);
    sq_crowd_set_peers(shard->crowd, order.at_ns, order.peers, order.ramp_ns);
    if (!shard->draining) {
        on_arrival(shard, sq_loop_now(shard->loop));
    }
}

static void on_drain_tick(void *ctx, uint64_t now_ns)
{
    struct sq_shard *shard = ctx;
    for (size_t i = 0; i < shard->drain_step && shard->drain_at < shard->users_len;
         shard->drain_at++) {
        struct sq_user *user = shard->users[shard->drain_at];
        if (user && !sq_user_is_over(user)) {
            sq_user_leave(user);
            i++;
        }
    }
    if (shard->drain_at < shard->users_len) {
        sq_timer_start(sq_loop_timers(shard->loop), &shard->drain_timer, now_ns + DRAIN_TICK_NS);
    }
    check_done(shard);
}

static void do_drain(void *ctx)
{
    struct sq_shard *shard = ctx;
    const struct order order = read_order(shard);
    uint64_t ticks = order.over_ns / DRAIN_TICK_NS + 1;
    shard->env.hung_after_ns = order.hung_after_ns;
    shard->env.drain_ns = sq_min_u64(shard->env.drain_ns, sq_loop_now(shard->loop));
    shard->draining = true;
    shard->drain_at = 0;
    shard->drain_step = shard->alive / ticks + 1;
    sq_timer_stop(&shard->arrival_timer);
    on_drain_tick(shard, sq_loop_now(shard->loop));
}

static void do_abort(void *ctx)
{
    struct sq_shard *shard = ctx;
    shard->draining = shard->aborted = true;
    for (size_t i = 0; i < shard->users_len; i++) {
        if (shard->users[i]) {
            sq_user_abort(shard->users[i]);
        }
    }
    check_done(shard);
}

/* A full queue of posts would mean 65,536 orders waiting; without memory the order is lost, and a
 * second Ctrl-C remains. */
static void post(struct sq_shard *shard, sq_loop_fn fn)
{
    int err = sq_loop_post(shard->loop, fn, shard);
    (void)err;
}

void sq_shard_set_rate(struct sq_shard *shard, uint64_t at_ns, double rate_per_s, bool paused)
{
    pthread_mutex_lock(&shard->lock);
    shard->order.at_ns = at_ns;
    shard->order.rate_per_s = rate_per_s;
    shard->order.paused = paused;
    pthread_mutex_unlock(&shard->lock);
    post(shard, do_rate);
}

void sq_shard_set_peers(struct sq_shard *shard, uint64_t at_ns, uint64_t peers, uint64_t over_ns)
{
    pthread_mutex_lock(&shard->lock);
    shard->order.at_ns = at_ns;
    shard->order.peers = peers;
    shard->order.ramp_ns = over_ns;
    pthread_mutex_unlock(&shard->lock);
    post(shard, do_peers);
}

void sq_shard_drain(struct sq_shard *shard, uint64_t over_ns, uint64_t hung_after_ns)
{
    pthread_mutex_lock(&shard->lock);
    shard->order.over_ns = over_ns;
    shard->order.hung_after_ns = hung_after_ns;
    pthread_mutex_unlock(&shard->lock);
    post(shard, do_drain);
}

void sq_shard_abort(struct sq_shard *shard)
{
    post(shard, do_abort);
}

/* ---- Life ---- */

/* A user that is over leaves its row. Without memory for that it stays in its slot: see
 * sq_shard_join. */
static void put_down(struct sq_shard *shard, struct sq_user *user)
{
    if (sq_user_report(user, shard->ledger) == 0) {
        size_t slot = sq_user_slot(user);
        shard->users[slot] = NULL;
        shard->free_slots[shard->free_len++] = slot;
        sq_user_destroy(user);
    }
}

/* Users end in call-backs deep below; what they held, and the shard's own end, wait until those
 * have returned. */
static void on_flush(void *ctx)
{
    struct sq_shard *shard = ctx;
    for (size_t i = 0; i < shard->over_len; i++) {
        sq_user_release(shard->over[i]);
        put_down(shard, shard->over[i]);
    }
    shard->over_len = 0;
    check_done(shard);
}

static int make_carrier(struct sq_shard *shard)
{
    const struct sq_plan *plan = shard->config.plan;
    const struct sq_carrier_config config = {
        .seed = plan->seed + shard->config.number,
        .force_openssl_srtp = plan->force_openssl_srtp,
        .prefer_cm = plan->prefer_cm,
        .addrs = plan->addrs,
        .addrs_len = plan->addrs_len,
        .addr_counts = plan->addr_counts,
        .addr_first = shard->config.number,
        .addr_stride = plan->threads,
        .relays = &plan->relays,
        .stun_servers = plan->stun_servers,
        .stun_servers_len = plan->stun_servers_len,
    };
    return sq_carrier_create(shard->loop, &config, &shard->carrier);
}

size_t sq_shard_bytes(const struct sq_plan *plan)
{
    bool video = false;
    for (size_t i = 0; i < plan->groups_len; i++) {
        video |= plan->groups[i].video;
    }
    uint64_t users = sq_min_u64(plan->peers / plan->threads, USERS_RESERVED_MOST);
    return (size_t)users * (video ? USER_BYTES_VIDEO : USER_BYTES);
}

static void *thread_main(void *ctx)
{
    struct sq_shard *shard = ctx;
    sq_mem_reserve(sq_shard_bytes(shard->config.plan));
    shard->cpu_ns = shard->cpu_start_ns = sq_thread_cpu_ns();
    shard->wall_ns = shard->wall_start_ns = sq_clock_ns();
    sq_loop_refresh_now(shard->loop);
    sq_timer_start(sq_loop_timers(shard->loop), &shard->arrival_timer, shard->config.start_ns);
    sq_timer_start(sq_loop_timers(shard->loop), &shard->slice_timer,
                   shard->config.start_ns + SLICE_NS);
    int err = shard->config.plan->realtime ? sq_thread_go_realtime() : 0;
    const char *what = err ? "it may not run in real time" : "the event loop failed";
    err = err ? err : sq_loop_run(shard->loop);
    if (err) {
        snprintf(shard->example, sizeof(shard->example), "%s: %s", what, sq_err_name(err));
        publish(shard, true);
    }
    shard->cpu_percent = 100.0 * (double)(sq_thread_cpu_ns() - shard->cpu_start_ns) /
                         (double)(sq_clock_ns() - shard->wall_start_ns + 1);
    return NULL;
}

int sq_shard_start(const struct sq_shard_config *config, struct sq_shard **ret_shard)
{
    struct sq_shard *shard = sq_zalloc(sizeof(*shard));
    if (!shard) {
        return SQ_ERR_NOMEM;
    }
    const struct sq_plan *plan = config->plan;
    shard->config = *config;
    pthread_mutex_init(&shard->lock, NULL);
    shard->order.rate_per_s = plan->rate_per_s;
    const struct sq_crowd_config crowd = {.plan = plan,
                                          .start_ns = config->start_ns,
                                          .number = config->number,
                                          .stride = plan->threads};
    sq_timer_init(&shard->arrival_timer, on_arrival, shard);
    sq_timer_init(&shard->slice_timer, on_slice, shard);
    sq_timer_init(&shard->drain_timer, on_drain_tick, shard);
    int err = sq_loop_new(NULL, &shard->loop);
    err = err ? err : sq_crowd_create(&crowd, &shard->crowd);
    err = err ? err : sq_ledger_create(plan->dumps, &shard->ledger);
    err = err ? err : sq_slice_tally_init(&shard->slices, config->slices, config->events);
    err = err ? err
              : sq_watch_create(plan->expects, plan->expects_len, &shard->slices, &shard->watch);
    err = err ? err : make_carrier(shard);
    if (err) {
        sq_shard_destroy(shard);
        return err;
    }
    shard->tally.loop = shard->loop;
    sq_shared_port_init(&shard->shared, config->shared, shard->loop);
    sq_loop_on_lateness(shard->loop, on_lateness, shard);
    sq_loop_on_flush(shard->loop, &shard->hook, on_flush, shard);
    shard->env = (struct sq_user_env){
        .plan = plan,
        .loop = shard->loop,
        .carrier = shard->carrier,
        .tally = &shard->tally,
        .second = &shard->second,
        .slices = &shard->slices,
        .watch = shard->watch,
        .shared = &shard->shared,
        .start_ns = config->start_ns,
        .hung_after_ns = SQ_NEVER,
        .drain_ns = SQ_NEVER,
        .done = on_user_done,
        .ctx = shard,
    };
    if (pthread_create(&shard->thread, NULL, thread_main, shard) != 0) {
        sq_shard_destroy(shard);
        return SQ_ERR_IO;
    }
    *ret_shard = shard;
    return 0;
}

void sq_shard_join(struct sq_shard *shard)
{
    pthread_join(shard->thread, NULL);
    for (size_t i = 0; i < shard->users_len; i++) {
        if (shard->users[i]) {
            put_down(shard, shard->users[i]);
        }
    }
}

const struct sq_tally *sq_shard_tally(const struct sq_shard *shard)
{
    return &shard->tally;
}

const struct sq_carrier_counters *sq_shard_counters(const struct sq_shard *shard)
{
    return sq_carrier_counters(shard->carrier);
}

uint64_t sq_shard_scripts_ns(const struct sq_shard *shard, const char **ret_place)
{
    const struct sq_plan *plan = shard->config.plan;
    uint64_t longest_ns = 0;
    *ret_place = "";
    for (size_t i = 0; i < plan->groups_len; i++) {
        const struct sq_signal_ops *adapter = plan->groups[i].adapter;
        const char *place = "";
        uint64_t ns = adapter->longest_ns ? adapter->longest_ns(shard->loop, &place) : 0;
        if (ns > longest_ns) {
            longest_ns = ns;
            *ret_place = place;
        }
    }
    return longest_ns;
}

uint64_t sq_shard_scripts_full_seconds(const struct sq_shard *shard)
{
    const struct sq_plan *plan = shard->config.plan;
    uint64_t most = 0;
    for (size_t i = 0; i < plan->groups_len; i++) {
        const struct sq_signal_ops *adapter = plan->groups[i].adapter;
        uint64_t seconds = adapter->full_seconds ? adapter->full_seconds(shard->loop) : 0;
        most = sq_max_u64(most, seconds); /* an adapter's, of all groups that have it */
    }
    return most;
}

const struct sq_carrier *sq_shard_carrier(const struct sq_shard *shard)
{
    return shard->carrier;
}

const struct sq_relays *sq_shard_relays(const struct sq_shard *shard)
{
    return sq_carrier_relays(shard->carrier);
}

struct sq_slice_tally *sq_shard_slices(struct sq_shard *shard)
{
    return &shard->slices;
}

struct sq_watch *sq_shard_watch(struct sq_shard *shard)
{
    return shard->watch;
}

struct sq_ledger *sq_shard_ledger(const struct sq_shard *shard)
{
    return shard->ledger;
}

double sq_shard_cpu_percent(const struct sq_shard *shard)
{
    return shard->cpu_percent;
}

void sq_shard_destroy(struct sq_shard *shard)
{
    if (!shard) {
        return;
    }
    for (size_t i = 0; i < shard->users_len; i++) {
        sq_user_destroy(shard->users[i]);
    }
    sq_free(shard->users);
    sq_free(shard->over);
    sq_free(shard->free_slots);
    sq_ledger_destroy(shard->ledger);
    sq_crowd_destroy(shard->crowd);
    sq_timer_stop(&shard->arrival_timer);
    sq_timer_stop(&shard->slice_timer);
    sq_timer_stop(&shard->drain_timer);
    if (shard->loop) {
        sq_loop_off_flush(&shard->hook);
    }
    sq_carrier_destroy(shard->carrier);
    sq_loop_free(shard->loop);
    sq_tally_free(&shard->tally);
    sq_slice_tally_free(&shard->slices);
    sq_watch_destroy(shard->watch);
    pthread_mutex_destroy(&shard->lock);
    sq_free(shard);
}
