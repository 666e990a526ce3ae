/* The loop: watches, timers, posts from another thread, hooks, coalescing. */
#include "base/mem.h"
#include "base/time.h"
#include "net/ifaddr.h"
#include "net/loop.h"
#include "net/net.h"
#include "net/rlimit.h"
#include "net/until.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static struct sq_loop *new_loop(enum sq_coalesce coalesce)
{
    struct sq_loop *loop;
    struct sq_loop_options o = {.coalesce = coalesce};
    assert_int_equal(sq_loop_new(&o, &loop), 0);
    return loop;
}

struct end {
    struct sq_watch watch;
    int fd;
    unsigned calls;
    unsigned last;
    struct end *other;
};

static void on_end_ready(void *ctx, unsigned ready)
{
    struct end *e = ctx;
    e->calls++;
    e->last = ready;
    if (e->other) { /* both are ready in one batch: only one may be called */
        sq_watch_stop(&e->other->watch);
    } else {
        char buf[16];
        ssize_t n = read(e->fd, buf, sizeof(buf));
        assert_true(n >= 0);
    }
}

static void watches_see_what_they_ask_for(void **state)
{
    struct sq_loop *loop = new_loop(SQ_COALESCE_OFF);
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    struct end e = {.fd = fds[0]};
    assert_int_equal(sq_watch_start(loop, &e.watch, fds[0], SQ_WRITE, on_end_ready, &e), 0);
    struct end dummy = {.fd = -1};
    e.other = &dummy;
    assert_int_equal(sq_loop_run_once(loop, 0), 0);
    assert_int_equal(e.calls, 1);
    assert_int_equal(e.last, SQ_WRITE);
    e.other = NULL;
    assert_int_equal(sq_watch_set(&e.watch, SQ_READ), 0);
    assert_int_equal(sq_loop_run_once(loop, 0), 0);
    assert_int_equal(e.calls, 1);
    assert_int_equal(write(fds[1], "x", 1), 1);
    assert_int_equal(sq_loop_run_once(loop, 0), 0);
    assert_int_equal(e.calls, 2);
    close(fds[1]);
    assert_int_equal(sq_loop_run_once(loop, 0), 0);
    assert_true(e.last & SQ_HANGUP);
    sq_watch_stop(&e.watch);
    sq_watch_stop(&e.watch);
    assert_int_equal(sq_watch_set(&e.watch, SQ_READ), SQ_ERR_STATE);
    struct sq_loop_stats stats;
    sq_loop_get_stats(loop, &stats);
    assert_int_equal(stats.watches, 0);
    close(fds[0]);
    sq_loop_free(loop);
}

static void a_watch_stopped_in_the_batch_is_not_called(void **state)
{
    struct sq_loop *loop = new_loop(SQ_COALESCE_OFF);
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    struct end a = {.fd = fds[0]};
    struct end b = {.fd = fds[1]};
    a.other = &b;
    b.other = &a;
    assert_int_equal(sq_watch_start(loop, &a.watch, fds[0], SQ_WRITE, on_end_ready, &a), 0);
    assert_int_equal(sq_watch_start(loop, &b.watch, fds[1], SQ_WRITE, on_end_ready, &b), 0);
    assert_int_equal(sq_loop_run_once(loop, 0), 0);
    assert_int_equal(a.calls + b.calls, 1);
    sq_watch_stop(&a.watch);
    sq_watch_stop(&b.watch);
    close(fds[0]);
    close(fds[1]);
    sq_loop_free(loop);
}

static void on_timer(void *ctx, uint64_t now_ns)
{
    *(uint64_t *)ctx = now_ns;
}

static void on_late(void *ctx, uint64_t lateness_ns)
{
    *(uint64_t *)ctx = lateness_ns;
}

static void timers_fire_in_time_and_lateness_is_told(void **state)
{
    struct sq_loop *loop = new_loop(SQ_COALESCE_OFF);
    uint64_t fired = 0;
    uint64_t late = SQ_NEVER;
    struct sq_timer timer;
    sq_loop_on_lateness(loop, on_late, &late);
    uint64_t due = sq_loop_refresh_now(loop) + 5 * SQ_NS_PER_MS;
    sq_timer_init(&timer, on_timer, &fired);
    sq_timer_start(sq_loop_timers(loop), &timer, due);
    RUN_UNTIL(loop, fired != 0);
    assert_true(fired >= due);
    assert_int_equal(late, fired - due);
    struct sq_loop_stats stats;
    sq_loop_get_stats(loop, &stats);
    assert_int_equal(stats.timers_fired, 1);
    assert_int_equal(stats.lateness_max_ns, late);
    sq_loop_free(loop);
}

/* --- other threads --- */

#define POSTS_EACH 5000

struct poster {
    struct sq_loop *loop;
    pthread_t thread;
    size_t *total; /* loop's thread only */
    size_t next;   /* loop's thread only */
};

struct posted {
    struct poster *from;
    size_t number;
};

static void on_posted(void *ctx)
{
    struct posted *p = ctx;
    assert_int_equal(p->number, p->from->next); /* one thread's calls keep their order */
    p->from->next++;
    if (++*p->from->total == 2 * POSTS_EACH) {
        sq_loop_stop(p->from->loop);
    }
    sq_free(p);
}

static void *post_many(void *ctx)
{
    struct poster *me = ctx;
    for (size_t i = 0; i < POSTS_EACH; i++) {
        struct posted *p = sq_malloc(sizeof(*p));
        *p = (struct posted){.from = me, .number = i};
        while (sq_loop_post(me->loop, on_posted, p) != 0) {
        }
    }
    return NULL;
}

static void posts_of_two_threads_all_run(void **state)
{
    struct sq_loop *loop = new_loop(SQ_COALESCE_AUTO);
    size_t total = 0;
    struct poster p[2];
    for (int i = 0; i < 2; i++) {
        p[i] = (struct poster){.loop = loop, .total = &total};
        assert_int_equal(pthread_create(&p[i].thread, NULL, post_many, &p[i]), 0);
    }
    assert_int_equal(sq_loop_run(loop), 0);
    assert_int_equal(total, 2 * POSTS_EACH);
    for (int i = 0; i < 2; i++) {
        pthread_join(p[i].thread, NULL);
    }
    sq_loop_free(loop);
}

static void *stop_from_outside(void *ctx)
{
    sq_loop_stop(ctx);
    return NULL;
}

static void stop_from_another_thread_ends_the_wait(void **state)
{
    struct sq_loop *loop = new_loop(SQ_COALESCE_AUTO);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, stop_from_outside, loop), 0);
    assert_int_equal(sq_loop_run(loop), 0); /* would wait for ever */
    pthread_join(thread, NULL);
    sq_loop_free(loop);
}

static void nothing(void *ctx)
{
}

static void a_post_without_memory_is_refused(void **state)
{
    struct sq_loop *loop = new_loop(SQ_COALESCE_OFF);
    sq_mem_fail_at(1);
    assert_int_equal(sq_loop_post(loop, nothing, NULL), SQ_ERR_NOMEM);
    sq_mem_fail_at(0);
    size_t taken = 0;
    while (sq_loop_post(loop, nothing, NULL) == 0) {
        taken++;
    }
    assert_int_equal(taken, SQ_LOOP_POST_MAX);
    assert_int_equal(sq_loop_run_once(loop, 0), 0);
    struct sq_loop_stats stats;
    sq_loop_get_stats(loop, &stats);
    assert_int_equal(stats.posted, SQ_LOOP_POST_MAX);
    sq_loop_free(loop);
}

/* --- hooks --- */

struct hooked {
    struct sq_flush_hook hook;
    struct hooked *kill;
    unsigned runs;
};

static void on_flush(void *ctx)
{
    struct hooked *h = ctx;
    h->runs++;
    if (h->kill) {
        sq_loop_off_flush(&h->kill->hook);
        memset(h->kill, 0xff, sizeof(*h->kill)); /* its memory is gone */
        h->kill = NULL;
    }
}

static void hooks_run_after_each_iteration_and_may_go(void **state)
{
    struct sq_loop *loop = new_loop(SQ_COALESCE_OFF);
    struct hooked a = {0};
    struct hooked b = {0};
    struct hooked c = {0};
    sq_loop_on_flush(loop, &a.hook, on_flush, &a);
    sq_loop_on_flush(loop, &b.hook, on_flush, &b);
    sq_loop_on_flush(loop, &c.hook, on_flush, &c);
    assert_int_equal(sq_loop_run_once(loop, 0), 0);
    assert_int_equal(a.runs + b.runs + c.runs, 3);
    a.kill = &b;
    assert_int_equal(sq_loop_run_once(loop, 0), 0);
    assert_int_equal(a.runs + c.runs, 4);
    sq_loop_off_flush(&a.hook);
    sq_loop_off_flush(&a.hook);
    assert_int_equal(sq_loop_run_once(loop, 0), 0);
    assert_int_equal(a.runs, 2);
    assert_int_equal(c.runs, 3);
    sq_loop_off_flush(&c.hook);
    sq_loop_free(loop);
}

/* --- coalescing --- */

static void always_ready_sockets(struct sq_loop *loop, struct end *ends, int n, int (*fds)[2])
{
    static struct end dummy;
    for (int i = 0; i < n; i++) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds[i]), 0);
        ends[i] = (struct end){.fd = fds[i][0], .other = &dummy};
        assert_int_equal(
            sq_watch_start(loop, &ends[i].watch, fds[i][0], SQ_WRITE, on_end_ready, &ends[i]), 0);
    }
}

/* Always-ready sockets: reacting at once would spin; automatic coalescing settles at a wake-up a
 * slot, and goes away again when the load does. */
static void high_load_is_served_in_slots(void **state)
{
    enum { N = 32 };
    struct sq_loop *loop = new_loop(SQ_COALESCE_AUTO);
    struct end ends[N];
    int fds[N][2];
    always_ready_sockets(loop, ends, N, fds);
    struct sq_loop_stats stats;
    uint64_t begin = sq_clock_ns();
    do {
        assert_int_equal(sq_loop_run_once(loop, SQ_NS_PER_SEC), 0);
        sq_loop_get_stats(loop, &stats);
    } while (stats.coalesced < 40 && sq_clock_ns() - begin < UNTIL_MAX_NS);
    uint64_t iterations = stats.iterations;
    assert_true(stats.coalesced >= 40);
    uint64_t start = sq_loop_now(loop);
    while (sq_loop_now(loop) - start < 30 * SQ_NS_PER_MS) {
        assert_int_equal(sq_loop_run_once(loop, SQ_NS_PER_SEC), 0);
    }
    sq_loop_get_stats(loop, &stats);
    assert_true(stats.iterations - iterations <= 32);
    for (int i = 0; i < N; i++) {
        sq_watch_stop(&ends[i].watch);
        close(fds[i][0]);
        close(fds[i][1]);
    }
    /* Idle: the next slots bring the rate down; then a wake-up is served without sleeping. */
    for (int i = 0; i < 200; i++) {
        assert_int_equal(sq_loop_run_once(loop, SQ_NS_PER_MS), 0);
    }
    sq_loop_get_stats(loop, &stats);
    uint64_t before = stats.coalesced;
    assert_int_equal(sq_loop_run_once(loop, 2 * SQ_NS_PER_MS), 0);
    sq_loop_get_stats(loop, &stats);
    assert_int_equal(stats.coalesced, before);
    sq_loop_free(loop);
}

static void making_a_loop_without_memory_fails_cleanly(void **state)
{
    struct sq_loop *loop = NULL;
    int err = SQ_ERR_NOMEM;
    for (size_t nth = 1; err != 0; nth++) {
        sq_mem_fail_at(nth);
        err = sq_loop_new(NULL, &loop);
        sq_mem_fail_at(0);
        if (err) {
            assert_int_equal(err, SQ_ERR_NOMEM);
            assert_null(loop);
        }
    }
    sq_loop_free(loop);
    sq_loop_free(NULL);
    struct sq_loop_options tiny = {.rx_arena_bytes = 1000};
    assert_int_equal(sq_loop_new(&tiny, &loop), SQ_ERR_INVALID);
}

/* --- this host --- */

static unsigned freed;

static void free_thing(void *thing)
{
    *(unsigned *)thing = ++freed;
}

static void what_others_keep_goes_with_the_loop(void **state)
{
    (void)state;
    struct sq_loop *loop = new_loop(SQ_COALESCE_OFF);
    struct sq_loop *other = new_loop(SQ_COALESCE_OFF);
    unsigned things[SQ_LOOP_KEPT_MAX + 1] = {0};
    assert_null(sq_loop_kept(loop, &things[0]));
    for (size_t i = 0; i < SQ_LOOP_KEPT_MAX; i++) {
        assert_int_equal(sq_loop_keep(loop, &things[i], &things[i], free_thing), 0);
    }
    unsigned *more = &things[SQ_LOOP_KEPT_MAX];
    assert_int_equal(sq_loop_keep(loop, more, more, free_thing), SQ_ERR_NOSPACE);
    assert_null(sq_loop_kept(loop, more));
    assert_ptr_equal(sq_loop_kept(loop, &things[1]), &things[1]);
    assert_null(sq_loop_kept(other, &things[1]));
    freed = 0;
    sq_loop_free(loop);
    for (unsigned i = 0; i < SQ_LOOP_KEPT_MAX; i++) {
        assert_int_equal(things[i], SQ_LOOP_KEPT_MAX - i);
    }
    sq_loop_free(other);
    assert_int_equal(*more, 0);
}

static void a_file_at_its_limit_is_an_error(void **state)
{
    struct rlimit before;
    FILE *f = tmpfile();
    assert_non_null(f);
    assert_int_equal(sq_net_init(), 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    struct rlimit small = {.rlim_cur = 10, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    assert_int_equal(write(fileno(f), "0123456789abcdef", 16), 10);
    ssize_t n = write(fileno(f), "x", 1); /* SIGXFSZ would end the program */
    int error = errno;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(n, -1);
    assert_int_equal(error, EFBIG);
    sq_net_cleanup();
    fclose(f);
}

static void addresses_include_loopback(void **state)
{
    struct sq_ifaddr list[64];
    size_t n = 0;
    assert_int_equal(sq_ifaddr_list(list, 64, &n), 0);
    bool found = false;
    for (size_t i = 0; i < n; i++) {
        char text[SQ_ADDR_TEXT_MAX];
        assert_int_equal(list[i].loopback, sq_addr_is_loopback(&list[i].addr));
        if (strcmp(sq_addr_format_ip(&list[i].addr, text), "127.0.0.1") == 0) {
            assert_string_equal(list[i].name, "lo");
            found = true;
        }
    }
    assert_true(found);
    assert_int_equal(sq_ifaddr_list(list, 1, &n), 0);
    assert_int_equal(n, 1);
}

static void the_descriptor_limit_is_raised_or_told(void **state)
{
    struct rlimit was;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
    struct rlimit low = {.rlim_cur = 64, .rlim_max = was.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    uint64_t limit = 0;
    uint64_t wanted = was.rlim_max < 256 ? was.rlim_max : 256;
    assert_int_equal(sq_raise_fd_limit(wanted, &limit), 0);
    assert_true(limit >= wanted);
    assert_int_equal(sq_raise_fd_limit(10, &limit), 0); /* never lowers */
    assert_true(limit >= wanted);
    /* Beyond what the kernel grants even to root (fs.nr_open). */
    assert_int_equal(sq_raise_fd_limit(1ULL << 40, &limit), SQ_ERR_REFUSED);
    assert_true(limit >= wanted && limit < 1ULL << 40);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
}

/* Of the kernel's own word. */
static unsigned long table_size(void)
{
    FILE *status = fopen("/proc/self/status", "re");
    assert_non_null(status);
    char line[256];
    unsigned long size = 0;
    while (fgets(line, sizeof(line), status)) {
        if (sscanf(line, "FDSize: %lu", &size) == 1) {
            break;
        }
    }
    fclose(status);
    return size;
}

static unsigned open_files(void)
{
    unsigned n = 0;
    for (int fd = 0; fd < 4096; fd++) {
        n += fcntl(fd, F_GETFD) != -1;
    }
    return n;
}

static void room_for_descriptors_is_made_at_once(void **state)
{
    (void)state;
    struct rlimit was;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
    struct rlimit low = {.rlim_cur = sq_min_u64(was.rlim_max, 2000), .rlim_max = was.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    unsigned open_before = open_files();
    uint64_t wanted = low.rlim_cur / 2;
    assert_true(table_size() < wanted); /* else this test shows nothing */
    sq_reserve_fds(0);
    assert_true(table_size() < wanted);
    sq_reserve_fds(wanted);
    assert_true(table_size() >= wanted);
    sq_reserve_fds(UINT64_MAX); /* more than are allowed */
    assert_true(table_size() >= low.rlim_cur);
    assert_int_equal(open_files(), open_before);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(room_for_descriptors_is_made_at_once), /* while the table is small */
        cmocka_unit_test(watches_see_what_they_ask_for),
        cmocka_unit_test(a_watch_stopped_in_the_batch_is_not_called),
        cmocka_unit_test(timers_fire_in_time_and_lateness_is_told),
        cmocka_unit_test(posts_of_two_threads_all_run),
        cmocka_unit_test(stop_from_another_thread_ends_the_wait),
        cmocka_unit_test(a_post_without_memory_is_refused),
        cmocka_unit_test(hooks_run_after_each_iteration_and_may_go),
        cmocka_unit_test(high_load_is_served_in_slots),
        cmocka_unit_test(making_a_loop_without_memory_fails_cleanly),
        cmocka_unit_test(what_others_keep_goes_with_the_loop),
        cmocka_unit_test(a_file_at_its_limit_is_an_error),
        cmocka_unit_test(addresses_include_loopback),
        cmocka_unit_test(the_descriptor_limit_is_raised_or_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
