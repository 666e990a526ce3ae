#include "net/loop.h"

#include "base/mem.h"
#include "net/loop_int.h"
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_MAX      1024
#define ROUNDS_MAX      4  /* of asking for events in one coalesced iteration */
#define ROUND_PAYS      32 /* events of a round, from which there is a next one */
#define ARENA_MIN_BYTES (128 * 1024)
#define HANGUP_BITS     (EPOLLERR | EPOLLHUP | EPOLLRDHUP)
#define WALL_VALID_NS   (100 * SQ_NS_PER_MS) /* both clocks are slewed alike: only a step differs */
#define WALL_READ_NS    1000

/* Coalescing begins where this many events a millisecond are seen and ends below half of it, both
 * over some 16 slots, so that it does not flap. */
#define COALESCE_EVENTS_PER_SLOT 6.0

struct post {
    sq_loop_fn fn;
    void *ctx;
};

struct service {
    const void *key; /* of what others keep */
    void *service;
    void (*free_fn)(void *service);
};

struct sq_loop {
    int epoll_fd, wake_fd;
    enum sq_coalesce coalesce;
    uint64_t now_ns;
    int64_t wall_offset_ns; /* valid until wall_until_ns */
    uint64_t wall_until_ns;
    struct sq_timer_wheel timers;
    sq_lateness_fn lateness_fn;
    void *lateness_ctx;

    struct epoll_event events[EVENTS_MAX];
    int event_count, event_at; /* the batch being served */

    bool coalescing;
    bool more;        /* a socket still has what was not read: no sleep before the next iteration */
    uint64_t slot_ns; /* start of the slot of the last wake-up */
    uint64_t rate_since_ns; /* the event rate is taken over whole slots */
    size_t rate_events;
    double events_per_slot;
    uint64_t woke_ns; /* end of the last wait; for busy_ns */
    uint64_t step_ns; /* from the wait before it to the last */

    struct sq_flush_hook *hooks;
    struct sq_flush_hook *hook_next; /* next one of the running walk */
    struct sq_arena arena;
    struct service services[SQ_SERVICE_COUNT];
    struct service kept[SQ_LOOP_KEPT_MAX];
    size_t kept_len;
    struct sq_gather gather; /* ctx NULL: none */
    bool gather_set;
    struct sq_watch *gathered[SQ_GATHER_MAX]; /* ready, to be served together */
    size_t gathered_len;
    struct sq_loop_stats stats;

    /* Shared with other threads. */
    atomic_bool stop;
    atomic_bool woken; /* the eventfd was written and not yet read */
    pthread_mutex_t post_lock;
    struct post *posts; /* under post_lock */
    size_t post_count, post_room;
    struct post *running; /* the loop's own: swapped with posts */
    size_t running_room;
};

static void free_services(struct sq_loop *loop)
{
    while (loop->kept_len > 0) {
        const struct service *s = &loop->kept[--loop->kept_len];
        s->free_fn(s->service);
    }
    /* HTTP and streams may use DNS: the last made goes first. */
    for (int i = SQ_SERVICE_COUNT - 1; i >= 0; i--) {
        struct service *s = &loop->services[i];
        if (s->free_fn && s->service) {
            s->free_fn(s->service);
        }
        *s = (struct service){0};
    }
}

void sq_loop_free(struct sq_loop *loop)
{
    if (!loop) {
        return;
    }
    free_services(loop);
    if (loop->gather.ctx) {
        loop->gather.free(loop->gather.ctx);
    }
    if (loop->epoll_fd >= 0) {
        close(loop->epoll_fd);
    }
    if (loop->wake_fd >= 0) {
        close(loop->wake_fd);
    }
    pthread_mutex_destroy(&loop->post_lock);
    sq_free(loop->posts);
    sq_free(loop->running);
    sq_free(loop->arena.bytes);
    sq_free(loop);
}

int sq_loop_new(const struct sq_loop_options *options, struct sq_loop **ret_loop)
{
    struct sq_loop_options o = options ? *options : (struct sq_loop_options){0};
    size_t arena_bytes = o.rx_arena_bytes ? o.rx_arena_bytes : SQ_LOOP_ARENA_BYTES;
    if (arena_bytes < ARENA_MIN_BYTES) {
        return SQ_ERR_INVALID;
    }
    arena_bytes -= arena_bytes % SQ_ARENA_ALIGN; /* as what is taken of it */
    struct sq_loop *loop = sq_zalloc(sizeof(*loop));
    if (!loop) {
        return SQ_ERR_NOMEM;
    }
    loop->wake_fd = -1;
    pthread_mutex_init(&loop->post_lock, NULL);
    loop->coalesce = o.coalesce;
    loop->gather_set = o.no_uring;
    int err = SQ_ERR_IO;
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epoll_fd < 0) {
        goto out;
    }
    loop->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (loop->wake_fd < 0) {
        goto out;
    }
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = NULL}; /* NULL: the wake-up */
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->wake_fd, &ev) < 0) {
        goto out;
    }
    err = SQ_ERR_NOMEM;
    loop->arena.bytes = sq_malloc(arena_bytes);
    if (!loop->arena.bytes) {
        goto out;
    }
    loop->arena.size = arena_bytes;
    loop->now_ns = sq_clock_ns();
    loop->woke_ns = loop->now_ns;
    loop->rate_since_ns = loop->now_ns;
    sq_timer_wheel_init(&loop->timers, loop->now_ns);
    *ret_loop = loop;
    err = 0;
out:
    if (err) {
        int saved = errno;
        sq_loop_free(loop);
        errno = saved;
    }
    return err;
}

uint64_t sq_loop_now(const struct sq_loop *loop)
{
    return loop->now_ns;
}

uint64_t sq_loop_refresh_now(struct sq_loop *loop)
{
    loop->now_ns = sq_clock_ns();
    return loop->now_ns;
}

int64_t sq_loop_wall_offset_ns(struct sq_loop *loop)
{
    if (loop->now_ns < loop->wall_until_ns) {
        return loop->wall_offset_ns;
    }
    /* The three readings must be close together, lest a preemption between them shift every
     * time-stamp of the next while. */
    uint64_t best = SQ_NEVER;
    for (int i = 0; i < 4 && best > WALL_READ_NS; i++) {
        uint64_t before = sq_clock_ns();
        uint64_t wall = sq_wall_ns();
        uint64_t took = sq_clock_ns() - before;
        if (took < best) {
            best = took;
            loop->wall_offset_ns = (int64_t)(wall - before - took / 2);
        }
    }
    loop->wall_until_ns = loop->now_ns + WALL_VALID_NS;
    return loop->wall_offset_ns;
}

struct sq_timer_wheel *sq_loop_timers(struct sq_loop *loop)
{
    return &loop->timers;
}

void sq_loop_more(struct sq_loop *loop)
{
    loop->more = true;
}

uint64_t sq_loop_iteration(const struct sq_loop *loop)
{
    return loop->stats.iterations;
}

bool sq_loop_crowded(const struct sq_loop *loop)
{
    return sq_loop_coalescing(loop) && loop->event_count >= ROUND_PAYS;
}

uint64_t sq_loop_step_ns(const struct sq_loop *loop)
{
    return loop->step_ns;
}

struct sq_arena *sq_loop_arena(struct sq_loop *loop)
{
    return &loop->arena;
}

void sq_loop_set_coalesce(struct sq_loop *loop, enum sq_coalesce coalesce)
{
    loop->coalesce = coalesce;
}

void sq_loop_on_lateness(struct sq_loop *loop, sq_lateness_fn fn, void *ctx)
{
    loop->lateness_fn = fn;
    loop->lateness_ctx = ctx;
}

void sq_loop_get_stats(const struct sq_loop *loop, struct sq_loop_stats *ret_stats)
{
    *ret_stats = loop->stats;
    ret_stats->timers = loop->timers.count;
}

void *sq_loop_service(const struct sq_loop *loop, enum sq_loop_service which)
{
    return loop->services[which].service;
}

void sq_loop_set_service(struct sq_loop *loop, enum sq_loop_service which, void *service,
                         void (*free_fn)(void *service))
{
    loop->services[which] = (struct service){.service = service, .free_fn = free_fn};
}

int sq_loop_keep(struct sq_loop *loop, const void *key, void *thing, void (*free_fn)(void *thing))
{
    if (loop->kept_len == SQ_LOOP_KEPT_MAX) {
        return SQ_ERR_NOSPACE;
    }
    loop->kept[loop->kept_len++] =
        (struct service){.key = key, .service = thing, .free_fn = free_fn};
    return 0;
}

void *sq_loop_kept(const struct sq_loop *loop, const void *key)
{
    for (size_t i = 0; i < loop->kept_len; i++) {
        if (loop->kept[i].key == key) {
            return loop->kept[i].service;
        }
    }
    return NULL;
}

void *sq_loop_gather_ctx(const struct sq_loop *loop)
{
    return loop->gather.ctx;
}

bool sq_loop_may_gather(const struct sq_loop *loop)
{
    return !loop->gather_set;
}

void sq_loop_set_gather(struct sq_loop *loop, const struct sq_gather *gather)
{
    loop->gather_set = true;
    if (gather) {
        loop->gather = *gather;
    }
}

void sq_loop_count_gathered(struct sq_loop *loop)
{
    loop->stats.gathered++;
}

static uint32_t epoll_bits(unsigned interest)
{
    return (interest & SQ_READ ? (uint32_t)EPOLLIN : 0U) |
           (interest & SQ_WRITE ? (uint32_t)EPOLLOUT : 0U) |
           (interest & SQ_PEER_END ? (uint32_t)EPOLLRDHUP : 0U);
}

int sq_watch_start(struct sq_loop *loop, struct sq_watch *watch, int fd, unsigned interest,
                   sq_watch_fn fn, void *ctx)
{
    struct epoll_event ev = {.events = epoll_bits(interest), .data.ptr = watch};
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0) {
        return SQ_ERR_IO;
    }
    *watch = (struct sq_watch){.loop = loop, .fd = fd, .interest = interest, .fn = fn, .ctx = ctx};
    loop->stats.watches++;
    return 0;
}

int sq_watch_set(struct sq_watch *watch, unsigned interest)
{
    if (!watch->loop) {
        return SQ_ERR_STATE;
    }
    if (watch->interest == interest) {
        return 0;
    }
    struct epoll_event ev = {.events = epoll_bits(interest), .data.ptr = watch};
    if (epoll_ctl(watch->loop->epoll_fd, EPOLL_CTL_MOD, watch->fd, &ev) < 0) {
        return SQ_ERR_IO;
    }
    watch->interest = interest;
    return 0;
}

void sq_watch_stop(struct sq_watch *watch)
{
    struct sq_loop *loop = watch->loop;
    if (!loop) {
        return;
    }
    (void)epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
    for (int i = loop->event_at; i < loop->event_count; i++) {
        if (loop->events[i].data.ptr == watch) {
            loop->events[i].events = 0; /* NULL would mean the wake-up */
        }
    }
    watch->loop = NULL;
    loop->stats.watches--;
}

void sq_loop_wake(struct sq_loop *loop)
{
    /* One write is enough until the loop has read it. */
    if (!atomic_exchange(&loop->woken, true)) {
        uint64_t one = 1;
        ssize_t n = write(loop->wake_fd, &one, sizeof(one));
        (void)n; /* a full counter wakes as well */
    }
}

void sq_loop_stop(struct sq_loop *loop)
{
    atomic_store(&loop->stop, true);
    sq_loop_wake(loop);
}

int sq_loop_post(struct sq_loop *loop, sq_loop_fn fn, void *ctx)
{
    int err = 0;
    pthread_mutex_lock(&loop->post_lock);
    if (loop->post_count == loop->post_room) {
        size_t room = loop->post_room ? loop->post_room * 2 : 64;
        struct post *bigger = NULL;
        if (room > SQ_LOOP_POST_MAX) {
            err = SQ_ERR_NOSPACE;
        } else {
            bigger = sq_realloc(loop->posts, room * sizeof(*bigger));
            err = bigger ? 0 : SQ_ERR_NOMEM;
        }
        if (err == 0) {
            loop->posts = bigger;
            loop->post_room = room;
        }
    }
    if (err == 0) {
        loop->posts[loop->post_count++] = (struct post){.fn = fn, .ctx = ctx};
    }
    pthread_mutex_unlock(&loop->post_lock);
    if (err == 0) {
        sq_loop_wake(loop);
    }
    return err;
}

static void run_posts(struct sq_loop *loop)
{
    pthread_mutex_lock(&loop->post_lock);
    struct post *posts = loop->posts;
    size_t count = loop->post_count;
    size_t room = loop->post_room;
    loop->posts = loop->running;
    loop->post_room = loop->running_room;
    loop->post_count = 0;
    loop->running = posts;
    loop->running_room = room;
    pthread_mutex_unlock(&loop->post_lock);
    for (size_t i = 0; i < count; i++) {
        posts[i].fn(posts[i].ctx);
    }
    loop->stats.posted += count;
}

void sq_loop_on_flush(struct sq_loop *loop, struct sq_flush_hook *hook, sq_loop_fn fn, void *ctx)
{
    sq_loop_off_flush(hook);
    struct sq_flush_hook **end = &loop->hooks; /* in the order they came */
    while (*end) {
        end = &(*end)->next;
    }
    *hook = (struct sq_flush_hook){.prev = end, .loop = loop, .fn = fn, .ctx = ctx};
    *end = hook;
}

void sq_loop_off_flush(struct sq_flush_hook *hook)
{
    if (!hook->prev) {
        return;
    }
    if (hook->loop->hook_next == hook) { /* the running walk would step on it */
        hook->loop->hook_next = hook->next;
    }
    *hook->prev = hook->next;
    if (hook->next) {
        hook->next->prev = hook->prev;
    }
    hook->prev = NULL;
}

static void run_hooks(struct sq_loop *loop)
{
    struct sq_flush_hook *hook = loop->hooks;
    while (hook) {
        loop->hook_next = hook->next;
        hook->fn(hook->ctx);
        hook = loop->hook_next;
    }
    loop->hook_next = NULL;
    loop->arena.used = 0;
}

void sq_loop_flush(struct sq_loop *loop)
{
    run_hooks(loop);
}

bool sq_loop_coalescing(const struct sq_loop *loop)
{
    return loop->coalesce == SQ_COALESCE_ON ||
           (loop->coalesce == SQ_COALESCE_AUTO && loop->coalescing);
}

/* Sleeps to the next slot boundary when the load asks for it; true if it slept. Where serving the
 * last slot took longer than a slot, there is nothing to wait for. */
static bool sleep_to_slot(struct sq_loop *loop, uint64_t now_ns, uint64_t until_ns)
{
    bool on = sq_loop_coalescing(loop);
    uint64_t slot = loop->slot_ns + SQ_TIMER_SLOT_NS;
    if (!on || loop->more || now_ns >= slot || until_ns < slot) {
        return false;
    }
    struct timespec at = {.tv_sec = (time_t)(slot / SQ_NS_PER_SEC),
                          .tv_nsec = (long)(slot % SQ_NS_PER_SEC)};
    (void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
    loop->stats.coalesced++;
    return true;
}

/* Waits for events until until_ns at most, and refreshes `now`. */
static int wait_events(struct sq_loop *loop, uint64_t max_wait_ns)
{
    uint64_t now = sq_clock_ns();
    loop->stats.busy_ns += now - loop->woke_ns;
    uint64_t until = sq_timer_wheel_next_ns(&loop->timers);
    uint64_t bound = max_wait_ns > SQ_NEVER - now ? SQ_NEVER : now + max_wait_ns;
    if (sleep_to_slot(loop, now, bound)) {
        now = sq_clock_ns();
    }
    until = sq_min_u64(until, bound);
    uint64_t wait = until > now ? until - now : 0;
    struct timespec ts = {.tv_sec = (time_t)(wait / SQ_NS_PER_SEC),
                          .tv_nsec = (long)(wait % SQ_NS_PER_SEC)};
    int n = epoll_pwait2(loop->epoll_fd, loop->events, EVENTS_MAX, until == SQ_NEVER ? NULL : &ts,
                         NULL);
    if (n < 0 && errno != EINTR) {
        return SQ_ERR_IO;
    }
    loop->event_count = n < 0 ? 0 : n;
    loop->event_at = 0;
    loop->now_ns = sq_clock_ns();
    loop->more = false;
    loop->step_ns = loop->now_ns - loop->woke_ns;
    loop->woke_ns = loop->now_ns;
    loop->slot_ns = loop->now_ns - loop->now_ns % SQ_TIMER_SLOT_NS;
    return 0;
}

static void prefetch(const void *at, size_t lines)
{
    for (size_t i = 0; i < lines; i++) {
        __builtin_prefetch((const char *)at + 64 * i);
    }
}

void sq_watch_prefetch(const struct sq_watch *watch)
{
    prefetch(watch->reads, watch->reads ? 2 : 0);
}

/* With thousands of sockets none is in the cache: the ones after the present one are fetched while
 * the kernel is at work for it. */
static void fetch_ahead(const struct sq_loop *loop)
{
    const struct epoll_event *next = &loop->events[loop->event_at];
    int left = loop->event_count - loop->event_at;
    if (left > 1) {
        prefetch(next[1].data.ptr, 3); /* the watch stands at the beginning of its socket */
    }
    if (left > 0 && next->events && next->data.ptr) { /* else it may be gone */
        sq_watch_prefetch(next->data.ptr);
    }
}

static void serve_gathered(struct sq_loop *loop)
{
    size_t n = loop->gathered_len;
    loop->gathered_len = 0;
    if (n > 0) {
        loop->gather.ready(loop->gather.ctx, loop->gathered, n);
    }
}

static void read_wake_up(struct sq_loop *loop)
{
    uint64_t count;
    ssize_t n = read(loop->wake_fd, &count, sizeof(count));
    (void)n;
    atomic_store(&loop->woken, false); /* before taking the posts: see sq_loop_wake */
    run_posts(loop);
}

static void serve_event(struct sq_loop *loop, const struct epoll_event *ev)
{
    struct sq_watch *watch = ev->data.ptr;
    if (!watch) {
        read_wake_up(loop);
    } else if (ev->events) { /* 0: stopped meanwhile */
        watch->fn(watch->ctx, (ev->events & EPOLLIN ? SQ_READ : 0U) |
                                  (ev->events & EPOLLOUT ? SQ_WRITE : 0U) |
                                  (ev->events & HANGUP_BITS ? SQ_HANGUP : 0U));
    }
}

static void serve_events(struct sq_loop *loop)
{
    bool gathering = loop->gather.ctx && sq_loop_coalescing(loop);
    while (loop->event_at < loop->event_count) {
        struct epoll_event *ev = &loop->events[loop->event_at];
        struct sq_watch *watch = ev->data.ptr;
        bool gathered = gathering && watch && ev->events && watch->gathered &&
                        !(ev->events & EPOLLERR); /* which only the socket's own call is told */
        if (!gathered && loop->gathered_len > 0) {
            serve_gathered(loop); /* which may stop this one's watch: look again */
            continue;
        }
        loop->event_at++;
        fetch_ahead(loop);
        loop->stats.events += watch && ev->events;
        loop->rate_events += watch && ev->events;
        if (!gathered) {
            serve_event(loop, ev);
            continue;
        }
        loop->gathered[loop->gathered_len++] = watch;
        if (loop->gathered_len == SQ_GATHER_MAX) {
            serve_gathered(loop);
        }
    }
    serve_gathered(loop);
    loop->event_count = 0;
}

/* Before sleeping to the next slot, what stayed ready is served too: a socket is read once a round,
 * for asking again is cheaper than reading every socket until it says that it is empty. Where few
 * were ready, asking costs more than the few that it finds, and they have time until the next slot.
 */
static void serve_rounds(struct sq_loop *loop)
{
    bool another = sq_loop_crowded(loop);
    serve_events(loop);
    for (int round = 1; round < ROUNDS_MAX && another; round++) {
        int n = epoll_wait(loop->epoll_fd, loop->events, EVENTS_MAX, 0);
        loop->event_at = 0;
        loop->event_count = n > 0 ? n : 0;
        another = sq_loop_crowded(loop);
        serve_events(loop);
    }
}

static void update_rate(struct sq_loop *loop)
{
    uint64_t elapsed = loop->now_ns - loop->rate_since_ns;
    if (elapsed < SQ_TIMER_SLOT_NS) {
        return;
    }
    double slots = (double)elapsed / (double)SQ_TIMER_SLOT_NS;
    double rate = (double)loop->rate_events / slots;
    double weight = slots >= 16.0 ? 1.0 : slots / 16.0;
    loop->events_per_slot += (rate - loop->events_per_slot) * weight;
    loop->rate_events = 0;
    loop->rate_since_ns = loop->now_ns;
    double bar = loop->coalescing ? COALESCE_EVENTS_PER_SLOT / 2 : COALESCE_EVENTS_PER_SLOT;
    loop->coalescing = loop->events_per_slot >= bar;
}

static void count_lateness(void *ctx, uint64_t lateness_ns)
{
    struct sq_loop *loop = ctx;
    loop->stats.lateness_max_ns = sq_max_u64(loop->stats.lateness_max_ns, lateness_ns);
    if (loop->lateness_fn) {
        loop->lateness_fn(loop->lateness_ctx, lateness_ns);
    }
}

static void flush_gathered(struct sq_loop *loop)
{
    if (loop->gather.ctx) {
        loop->gather.flush(loop->gather.ctx);
    }
}

int sq_loop_run_once(struct sq_loop *loop, uint64_t max_wait_ns)
{
    flush_gathered(loop); /* what was sent between iterations */
    int err = wait_events(loop, max_wait_ns);
    if (err) {
        return err;
    }
    loop->stats.iterations++;
    loop->stats.timers_fired +=
        sq_timer_wheel_advance(&loop->timers, loop->now_ns, count_lateness, loop);
    serve_rounds(loop);
    run_hooks(loop);
    flush_gathered(loop);
    update_rate(loop);
    return 0;
}

int sq_loop_run(struct sq_loop *loop)
{
    int err = 0;
    while (err == 0 && !atomic_load(&loop->stop)) {
        err = sq_loop_run_once(loop, SQ_NEVER);
    }
    atomic_store(&loop->stop, false);
    return err;
}
