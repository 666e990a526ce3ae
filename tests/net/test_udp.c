/* UDP sockets on loopback. */
#include "base/mem.h"
#include "net/ring.h"
#include "net/udp.h"
#include "net/until.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define KEEP_MAX 256

static uint8_t payload[1200];

struct side {
    struct sq_udp *udp;
    bool echo;
    bool close_at_once;
    size_t count, bytes;
    struct sq_addr from;
    uint64_t recv_ns;
    size_t lens[KEEP_MAX];
    const uint8_t *data[KEEP_MAX]; /* valid until the hooks have run */
};

static struct sq_loop *loop;
static struct sq_loop_options loop_options; /* of every test in the group */

static void on_datagram(void *ctx, const struct sq_datagram *d)
{
    struct side *s = ctx;
    if (s->count < KEEP_MAX) {
        s->lens[s->count] = d->len;
        s->data[s->count] = d->data;
    }
    s->count++;
    s->bytes += d->len;
    s->from = *d->from;
    s->recv_ns = d->recv_ns;
    if (s->echo) {
        assert_int_equal(sq_udp_send(s->udp, d->from, d->data, d->len), 0);
    }
    if (s->close_at_once) {
        sq_udp_close(s->udp);
        s->udp = NULL;
    }
}

static void open_side(struct side *s, const char *ip, const struct sq_udp_options *base)
{
    struct sq_udp_options o = base ? *base : (struct sq_udp_options){0};
    assert_int_equal(sq_addr_parse(ip, 0, &o.bind), 0);
    memset(s, 0, sizeof(*s));
    assert_int_equal(sq_udp_open(loop, &o, on_datagram, s, &s->udp), 0);
    assert_true(sq_addr_port(sq_udp_local(s->udp)) != 0);
}

static int setup(void **state)
{
    return sq_loop_new(&loop_options, &loop);
}

static int teardown(void **state)
{
    sq_loop_free(loop);
    return 0;
}

static void echo_over(const char *ip)
{
    struct side a;
    struct side b;
    open_side(&a, ip, NULL);
    open_side(&b, ip, NULL);
    b.echo = true;
    uint64_t before = sq_clock_ns();
    assert_int_equal(sq_udp_send(a.udp, sq_udp_local(b.udp), "hello", 5), 0);
    assert_int_equal(sq_udp_send(a.udp, sq_udp_local(b.udp), "", 0), 0); /* empty is a datagram */
    RUN_UNTIL(loop, a.count == 2);
    uint64_t after = sq_clock_ns();
    assert_int_equal(a.lens[0], 5);
    assert_int_equal(a.lens[1], 0);
    assert_true(sq_addr_equal(&a.from, sq_udp_local(b.udp)));
    /* The kernel's stamp, moved to the monotonic clock, lies between; 1 ms for the conversion. */
    assert_true(a.recv_ns + SQ_NS_PER_MS >= before && a.recv_ns <= after + SQ_NS_PER_MS);
    struct sq_udp_counters c;
    sq_udp_get_counters(a.udp, &c);
    assert_int_equal(c.sent, 2);
    assert_int_equal(c.sent_bytes, 5);
    assert_int_equal(c.received, 2);
    assert_int_equal(c.received_bytes, 5);
    assert_int_equal(c.recv_drops + c.send_errors + c.send_again + c.send_refused, 0);
    sq_udp_close(a.udp);
    sq_udp_close(b.udp);
}

static void echo_ipv4(void **state)
{
    echo_over("127.0.0.1");
}

static void echo_ipv6(void **state)
{
    echo_over("::1");
}

static void connected_hears_only_its_remote(void **state)
{
    struct side a;
    struct side b;
    struct side c;
    open_side(&a, "127.0.0.1", NULL);
    open_side(&b, "127.0.0.1", NULL);
    open_side(&c, "127.0.0.1", NULL);
    struct sq_addr local = *sq_udp_local(a.udp);
    assert_int_equal(sq_udp_connect(a.udp, sq_udp_local(b.udp)), 0);
    assert_true(sq_udp_is_connected(a.udp));
    assert_int_equal(sq_udp_send(c.udp, &local, "stranger", 8), 0);
    assert_int_equal(sq_udp_send(b.udp, &local, "friend", 6), 0);
    RUN_UNTIL(loop, a.count == 1);
    assert_int_equal(a.lens[0], 6);
    assert_true(sq_addr_equal(&a.from, sq_udp_local(b.udp)));
    assert_int_equal(sq_udp_send(a.udp, NULL, "1", 1), 0);
    assert_int_equal(sq_udp_send(a.udp, sq_udp_local(b.udp), "2", 1), 0);
    assert_int_equal(sq_udp_send(a.udp, sq_udp_local(c.udp), "3", 1), 0); /* elsewhere: sendto */
    RUN_UNTIL(loop, b.count == 2 && c.count == 1);
    assert_int_equal(sq_udp_disconnect(a.udp), 0);
    assert_true(sq_addr_equal(sq_udp_local(a.udp), &local));
    assert_int_equal(sq_udp_send(c.udp, &local, "stranger", 8), 0);
    RUN_UNTIL(loop, a.count == 2);
    assert_true(sq_addr_equal(&a.from, sq_udp_local(c.udp)));
    sq_udp_close(a.udp);
    sq_udp_close(b.udp);
    sq_udp_close(c.udp);
}

/* A broadcast address without SO_BROADCAST: EACCES, each time that it is tried. */
static void a_refusal_counts_once(void **state)
{
    const struct iovec one = {payload, 1};
    struct sq_addr everybody;
    struct sq_udp_counters c;
    struct side a;
    open_side(&a, "127.0.0.1", NULL);
    assert_int_equal(sq_addr_parse("255.255.255.255", 9, &everybody), 0);
    (void)sq_udp_send(a.udp, &everybody, "x", 1);
    assert_int_equal(sq_loop_run_once(loop, 0), 0);
    sq_udp_get_counters(a.udp, &c);
    assert_int_equal(c.send_refused, 1);
    (void)sq_udp_send_batch(a.udp, &everybody, &one, 1);
    assert_int_equal(sq_loop_run_once(loop, 0), 0);
    sq_udp_get_counters(a.udp, &c);
    assert_int_equal(c.send_refused, 2);
    assert_int_equal(c.refusal, EACCES);
    assert_int_equal(c.sent + c.send_errors, 0);
    sq_udp_close(a.udp);
}

static size_t refusals;
static struct sq_addr refused_to;

static void on_refused(void *ctx, const struct sq_addr *to, int error)
{
    (void)ctx;
    assert_int_equal(error, ECONNREFUSED);
    refused_to = *to;
    refusals++;
}

/* A socket that hears everyone learns who refuses; others get theirs all the same, and nothing is
 * left that would wake the loop again and again. */
static void who_refused_is_told(void **state)
{
    (void)state;
    for (int v6 = 0; v6 < 2; v6++) {
        const char *ip = v6 ? "::1" : "127.0.0.1";
        struct side a;
        struct side gone;
        struct side there;
        open_side(&a, ip, NULL);
        open_side(&gone, ip, NULL);
        open_side(&there, ip, NULL);
        struct sq_addr closed = *sq_udp_local(gone.udp);
        sq_udp_close(gone.udp);
        refusals = 0;
        sq_udp_set_refused(a.udp, on_refused);
        for (int i = 0; i < 3; i++) {
            assert_int_equal(sq_udp_send(a.udp, &closed, payload, 20), 0);
            assert_int_equal(sq_udp_send(a.udp, sq_udp_local(there.udp), payload, 20), 0);
        }
        RUN_UNTIL(loop, there.count == 3 && refusals == 3);
        assert_true(sq_addr_equal(&refused_to, &closed));
        struct sq_loop_stats before;
        struct sq_loop_stats after;
        assert_int_equal(sq_loop_run_once(loop, 0), 0);
        sq_loop_get_stats(loop, &before);
        for (int i = 0; i < 5; i++) {
            assert_int_equal(sq_loop_run_once(loop, 0), 0);
        }
        sq_loop_get_stats(loop, &after);
        assert_int_equal(after.events, before.events);
        struct sq_udp_counters c;
        sq_udp_get_counters(a.udp, &c);
        assert_int_equal(c.send_refused + c.send_errors, 0);
        assert_int_equal(c.sent, 6);
        sq_udp_set_refused(a.udp, NULL);
        assert_int_equal(sq_udp_send(a.udp, &closed, payload, 20), 0);
        assert_int_equal(sq_loop_run_once(loop, SQ_NS_PER_MS), 0);
        assert_int_equal(refusals, 3);
        sq_udp_close(a.udp);
        sq_udp_close(there.udp);
    }
}

static void a_refusal_is_counted_apart(void **state)
{
    struct side a;
    struct side b;
    open_side(&a, "127.0.0.1", NULL);
    open_side(&b, "127.0.0.1", NULL);
    assert_int_equal(sq_udp_connect(a.udp, sq_udp_local(b.udp)), 0);
    sq_udp_close(b.udp);
    struct sq_udp_counters c;
    assert_int_equal(sq_udp_send(a.udp, NULL, "x", 1), 0); /* the ICMP error comes after it */
    (void)sq_udp_send(a.udp, NULL, "x", 1);
    struct iovec two[2] = {{payload, 1}, {payload, 1}};
    (void)sq_udp_send_batch(a.udp, NULL, two, 2);
    assert_int_equal(sq_loop_run_once(loop, 0), 0);
    sq_udp_get_counters(a.udp, &c);
    assert_true(c.send_refused >= 2);
    assert_int_equal(c.send_errors, 0);
    struct sq_udp_failures f;
    sq_udp_take_failures(a.udp, &f);
    assert_int_equal(f.send_refused, c.send_refused);
    sq_udp_take_failures(a.udp, &f); /* told once */
    assert_int_equal(f.send_refused + f.send_errors + f.recv_drops, 0);
    sq_udp_close(a.udp);
}

/* sizes[] as one batch: all arrive with their sizes and bytes, in order, whatever was merged. */
static void batch_of(const size_t *sizes, size_t n, uint64_t gso_wanted, bool gro)
{
    struct side a;
    struct side b;
    struct iovec iov[SQ_UDP_BATCH_MAX * 2];
    struct sq_udp_options o = {.recv_buffer_bytes = 4 * 1024 * 1024, .no_gro = !gro};
    open_side(&a, "127.0.0.1", NULL);
    open_side(&b, "127.0.0.1", &o);
    for (size_t i = 0; i < sizeof(payload); i++) {
        payload[i] = (uint8_t)(i * 7);
    }
    for (size_t i = 0; i < n; i++) {
        iov[i] = (struct iovec){.iov_base = payload + i % 5, .iov_len = sizes[i]};
    }
    assert_int_equal(sq_udp_send_batch(a.udp, sq_udp_local(b.udp), iov, n), n);
    RUN_UNTIL(loop, b.count >= n);
    assert_int_equal(b.count, n);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(b.lens[i], sizes[i]);
    }
    struct sq_udp_counters c;
    sq_udp_get_counters(a.udp, &c);
    assert_int_equal(c.sent, n);
    assert_int_equal(c.gso_batches, gso_wanted);
    sq_udp_close(a.udp);
    sq_udp_close(b.udp);
}

static void batches_keep_sizes_and_order(void **state)
{
    const size_t equal[20] = {1150, 1150, 1150, 1150, 1150, 1150, 1150, 1150, 1150, 1150,
                              1150, 1150, 1150, 1150, 1150, 1150, 1150, 1150, 1150, 500};
    const size_t mixed[8] = {100, 900, 900, 900, 900, 30, 1000, 1000};
    const size_t with_empty[5] = {10, 10, 0, 10, 10};
    size_t many[128];
    for (size_t i = 0; i < 128; i++) {
        many[i] = 1 + i % 3;
    }
    for (int gro = 0; gro < 2; gro++) {
        batch_of(equal, 20, 1, gro);
        batch_of(mixed, 8, 1, gro);
        batch_of(with_empty, 5, 0, gro);
        batch_of(many, 128, 0, gro);
    }
}

/* The bytes behind `data` are intact, and its own, when the flush hooks run. */
static struct side *watched;
static size_t checked;

static void check_bytes(void *ctx)
{
    for (; checked < watched->count; checked++) {
        for (size_t i = 0; i < watched->lens[checked]; i++) {
            assert_int_equal(watched->data[checked][i], (uint8_t)checked);
        }
    }
}

static void datagrams_stay_valid_until_the_hooks(void **state)
{
    struct side a;
    struct side b;
    struct sq_flush_hook hook = {0};
    open_side(&a, "127.0.0.1", NULL);
    open_side(&b, "127.0.0.1", NULL);
    watched = &b;
    checked = 0;
    sq_loop_on_flush(loop, &hook, check_bytes, NULL);
    uint8_t bytes[700];
    for (int i = 0; i < 40; i++) {
        memset(bytes, i, sizeof(bytes));
        assert_int_equal(sq_udp_send(a.udp, sq_udp_local(b.udp), bytes, sizeof(bytes) - (size_t)i),
                         0);
    }
    RUN_UNTIL(loop, checked == 40);
    sq_loop_off_flush(&hook);
    sq_udp_close(a.udp);
    sq_udp_close(b.udp);
}

static void drops_of_a_full_buffer_are_seen(void **state)
{
    struct side a;
    struct side b;
    struct sq_udp_options o = {.recv_buffer_bytes = 8192};
    open_side(&a, "127.0.0.1", NULL);
    open_side(&b, "127.0.0.1", &o);
    int recv_bytes = 0;
    int send_bytes = 0;
    sq_udp_buffer_sizes(b.udp, &recv_bytes, &send_bytes);
    assert_true(recv_bytes >= 8192 && recv_bytes <= 32768);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(sq_udp_send(a.udp, sq_udp_local(b.udp), payload, 1000), 0);
    }
    struct sq_udp_counters c;
    sq_udp_get_counters(a.udp, &c);
    assert_int_equal(c.sent, 100); /* all of them, by now */
    sq_udp_get_counters(b.udp, &c);
    assert_true(c.recv_drops > 0);
    RUN_UNTIL(loop, b.count + c.recv_drops == 100);
    sq_udp_close(a.udp);
    sq_udp_close(b.udp);
}

static void a_receiver_may_close_its_socket(void **state)
{
    struct side a;
    struct side b;
    open_side(&a, "127.0.0.1", NULL);
    open_side(&b, "127.0.0.1", NULL);
    b.close_at_once = true;
    struct iovec iov[8];
    for (size_t i = 0; i < 8; i++) {
        iov[i] = (struct iovec){.iov_base = payload, .iov_len = 100};
    }
    assert_int_equal(sq_udp_send_batch(a.udp, sq_udp_local(b.udp), iov, 8), 8);
    RUN_UNTIL(loop, b.count > 0);
    assert_int_equal(b.count, 1);
    sq_udp_close(a.udp);
    sq_udp_close(NULL);
}

static void ports_come_from_the_range(void **state)
{
    enum { N = 8 };
    struct sq_udp_options o = {.port_min = 47001, .port_max = 47001 + N - 1};
    struct sq_udp *udps[N];
    size_t opened = 0;
    assert_int_equal(sq_addr_parse("127.0.0.9", 0, &o.bind), 0);
    for (; opened < N; opened++) {
        assert_int_equal(sq_udp_open(loop, &o, NULL, NULL, &udps[opened]), 0);
        uint16_t port = sq_addr_port(sq_udp_local(udps[opened]));
        assert_true(port >= o.port_min && port <= o.port_max);
    }
    struct sq_udp *none = NULL;
    assert_int_equal(sq_udp_open(loop, &o, NULL, NULL, &none), SQ_ERR_IO);
    assert_int_equal(errno, EADDRINUSE);
    assert_null(none);
    for (size_t i = 0; i < N; i++) {
        sq_udp_close(udps[i]);
    }
    struct sq_udp_options bad = {.port_min = 9, .port_max = 3, .bind = o.bind};
    assert_int_equal(sq_udp_open(loop, &bad, NULL, NULL, &none), SQ_ERR_INVALID);
    bad = (struct sq_udp_options){0};
    assert_int_equal(sq_udp_open(loop, &bad, NULL, NULL, &none), SQ_ERR_INVALID);
    sq_mem_fail_at(1);
    assert_int_equal(sq_udp_open(loop, &o, NULL, NULL, &none), SQ_ERR_NOMEM);
    sq_mem_fail_at(0);
}

/* More than the arena holds: what does not fit waits for the next iteration, nothing is lost. */
static void a_small_arena_loses_nothing(void **state)
{
    struct sq_loop *small;
    struct sq_loop_options lo = loop_options;
    lo.rx_arena_bytes = 128 * 1024;
    struct sq_loop *big = loop;
    assert_int_equal(sq_loop_new(&lo, &small), 0);
    loop = small;
    struct side a;
    struct side b;
    struct sq_udp_options o = {.recv_buffer_bytes = 4 * 1024 * 1024};
    open_side(&a, "127.0.0.1", NULL);
    open_side(&b, "127.0.0.1", &o);
    uint8_t *large = sq_zalloc(60000);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(sq_udp_send(a.udp, sq_udp_local(b.udp), large, 60000), 0);
    }
    struct sq_udp_counters c;
    sq_udp_get_counters(b.udp, &c);
    RUN_UNTIL(loop, b.count + c.recv_drops == 6);
    assert_true(b.count >= 3); /* rmem_max of 212,992 lets at least that many in */
    assert_int_equal(b.bytes, b.count * 60000);
    sq_free(large);
    sq_udp_close(a.udp);
    sq_udp_close(b.udp);
    sq_loop_free(small);
    loop = big;
}

/* ---- Many sockets at a time ---- */

enum { MANY = 90 };

static struct side many[MANY];
static bool close_the_others;

static void on_one_of_many(void *ctx, const struct sq_datagram *d)
{
    struct side *s = ctx;
    s->count++;
    s->bytes += d->len;
    for (size_t i = 0; i < d->len; i++) {
        assert_int_equal(d->data[i], (uint8_t)(i * 7));
    }
    for (size_t i = 0; close_the_others && i < MANY; i++) {
        if (&many[i] != s) {
            sq_udp_close(many[i].udp);
            many[i].udp = NULL;
        }
    }
}

static void open_many(const struct sq_udp_options *base)
{
    for (size_t i = 0; i < sizeof(payload); i++) {
        payload[i] = (uint8_t)(i * 7);
    }
    for (size_t i = 0; i < MANY; i++) {
        open_side(&many[i], "127.0.0.1", base);
        sq_udp_set_receiver(many[i].udp, on_one_of_many, &many[i]);
    }
}

static void close_many(void)
{
    for (size_t i = 0; i < MANY; i++) {
        sq_udp_close(many[i].udp);
        many[i].udp = NULL;
    }
    close_the_others = false;
}

static size_t heard(void)
{
    size_t count = 0;
    for (size_t i = 0; i < MANY; i++) {
        count += many[i].count;
    }
    return count;
}

static bool ring_works_here(void)
{
    struct sq_ring *ring = NULL;
    bool works = sq_ring_new(&ring) == 0;
    sq_ring_free(works ? ring : NULL);
    return works;
}

/* Each sends to its neighbour, thrice. */
static void many_sockets_hear_their_neighbours(void **state)
{
    open_many(NULL);
    for (size_t round = 1; round <= 3; round++) {
        for (size_t i = 0; i < MANY; i++) {
            const struct sq_addr *to = sq_udp_local(many[(i + 1) % MANY].udp);
            assert_int_equal(sq_udp_send(many[i].udp, to, payload, 100 + i), 0);
        }
        RUN_UNTIL(loop, heard() == round * MANY);
    }
    for (size_t i = 0; i < MANY; i++) {
        struct sq_udp_counters c;
        sq_udp_get_counters(many[i].udp, &c);
        assert_int_equal(c.sent, 3);
        assert_int_equal(c.sent_bytes, 3 * (100 + i));
        assert_int_equal(many[(i + 1) % MANY].bytes, 3 * (100 + i));
        assert_int_equal(c.send_errors + c.send_again + c.send_refused + c.recv_drops, 0);
    }
    struct sq_loop_stats stats;
    sq_loop_get_stats(loop, &stats);
    if (loop_options.no_uring || !ring_works_here()) {
        assert_int_equal(stats.gathered, 0);
    } else if (loop_options.coalesce == SQ_COALESCE_ON) {
        /* 540 datagrams went and came, up to 32 a call. */
        assert_in_range(stats.gathered, 540 / 32, 270);
    }
    close_many();
}

/* As after a while in which the thread was away: every socket has several, none has a burst, and
 * all go on being read together. */
static void many_sockets_with_a_backlog_share_calls(void **state)
{
    enum { BACKLOG = 8 }; /* two iterations: a third in a row would be a burst's */
    struct sq_udp_options o = {.no_gro = true};
    struct sq_loop_stats before;
    sq_loop_get_stats(loop, &before);
    open_many(&o);
    for (size_t i = 0; i < BACKLOG * MANY; i++) {
        const struct sq_addr *to = sq_udp_local(many[(i + 1) % MANY].udp);
        assert_int_equal(sq_udp_send(many[i % MANY].udp, to, payload, 100), 0);
    }
    RUN_UNTIL(loop, heard() == (size_t)BACKLOG * MANY);
    struct sq_loop_stats stats;
    sq_loop_get_stats(loop, &stats);
    if (loop_options.coalesce == SQ_COALESCE_ON && !loop_options.no_uring && ring_works_here()) {
        /* 720 went and came; 90 sockets are read by two calls of 32 and one of 26. */
        assert_in_range(stats.gathered - before.gathered, 2 * BACKLOG * MANY / 32,
                        2 * BACKLOG * (MANY / 32 + 1) + 5);
    }
    close_many();
}

/* At its usual pace a thread empties the one that always has more, however many others are ready.
 */
static void a_burst_among_many_is_read_until_it_is_empty(void **state)
{
    struct sq_udp_options o = {.no_gro = true};
    bool emptied = false;
    for (int tries = 0; !emptied && tries < 50; tries++) { /* the machine may be away for a while */
        open_many(&o);
        for (size_t slot = 0; slot < 3; slot++) {
            for (size_t i = 0; i < MANY + (slot < 2 ? 0 : 40); i++) {
                const struct sq_addr *to = sq_udp_local(many[i < MANY ? i : 0].udp);
                assert_int_equal(sq_udp_send(many[1].udp, to, payload, 10), 0);
            }
            struct sq_udp_counters c;
            sq_udp_get_counters(many[1].udp, &c); /* sent by now */
            assert_int_equal(sq_loop_run_once(loop, 20 * SQ_NS_PER_MS), 0);
        }
        emptied = many[0].count == 43;
        close_many();
    }
    assert_true(emptied);
}

static void one_of_many_may_close_the_others(void **state)
{
    open_many(NULL);
    struct side a;
    open_side(&a, "127.0.0.1", NULL);
    for (size_t i = 0; i < MANY; i++) {
        assert_int_equal(sq_udp_send(a.udp, sq_udp_local(many[i].udp), payload, 50), 0);
    }
    close_the_others = true;
    RUN_UNTIL(loop, heard() > 0);
    assert_int_equal(sq_loop_run_once(loop, 0), 0);
    assert_int_equal(heard(), 1);
    close_many();
    sq_udp_close(a.udp);
}

/* Merged by the kernel to messages of 20 segments, in many sockets at once, beyond what the arena
 * holds. */
static void long_messages_to_many_sockets(void **state)
{
    struct sq_loop *big = loop;
    struct sq_loop_options lo = loop_options;
    lo.rx_arena_bytes = 128 * 1024;
    assert_int_equal(sq_loop_new(&lo, &loop), 0);
    struct sq_udp_options o = {.recv_buffer_bytes = 200000};
    open_many(&o);
    struct side a;
    open_side(&a, "127.0.0.1", NULL);
    struct iovec iov[20];
    for (size_t i = 0; i < 20; i++) {
        iov[i] = (struct iovec){.iov_base = payload, .iov_len = i < 19 ? 1100 : 333};
    }
    for (size_t i = 0; i < MANY; i++) {
        assert_int_equal(sq_udp_send_batch(a.udp, sq_udp_local(many[i].udp), iov, 20), 20);
    }
    RUN_UNTIL(loop, heard() == (size_t)MANY * 20);
    for (size_t i = 0; i < MANY; i++) {
        assert_int_equal(many[i].bytes, 19 * 1100 + 333);
    }
    close_many();
    sq_udp_close(a.udp);
    sq_loop_free(loop);
    loop = big;
}

/* A farewell is sent and the socket closed in one breath; a connection changes between two sends.
 */
static void what_was_sent_goes_before_the_socket_changes(void **state)
{
    struct side a;
    struct side b;
    struct side c;
    open_side(&a, "127.0.0.1", NULL);
    open_side(&b, "127.0.0.1", NULL);
    open_side(&c, "127.0.0.1", NULL);
    assert_int_equal(sq_udp_connect(a.udp, sq_udp_local(b.udp)), 0);
    assert_int_equal(sq_udp_send(a.udp, NULL, "1", 1), 0);
    assert_int_equal(sq_udp_disconnect(a.udp), 0);
    assert_int_equal(sq_udp_connect(a.udp, sq_udp_local(c.udp)), 0);
    assert_int_equal(sq_udp_send(a.udp, NULL, "22", 2), 0);
    sq_udp_close(a.udp);
    RUN_UNTIL(loop, b.count == 1 && c.count == 1);
    assert_int_equal(b.bytes, 1);
    assert_int_equal(c.bytes, 2);
    sq_udp_close(b.udp);
    sq_udp_close(c.udp);
}

/* Three slots in a row, then more than a read a slot: a socket with a burst is emptied at once. */
static void a_burst_is_read_until_it_is_empty(void **state)
{
    struct side a;
    struct side b;
    struct sq_udp_options o = {.no_gro = true};
    open_side(&a, "127.0.0.1", NULL);
    open_side(&b, "127.0.0.1", &o);
    for (size_t slot = 0; slot < 3; slot++) {
        size_t before = b.count;
        size_t n = slot < 2 ? 1 : 40;
        for (size_t i = 0; i < n; i++) {
            assert_int_equal(sq_udp_send(a.udp, sq_udp_local(b.udp), payload, 1), 0);
        }
        struct sq_udp_counters c;
        sq_udp_get_counters(a.udp, &c); /* sent by now */
        assert_int_equal(sq_loop_run_once(loop, 20 * SQ_NS_PER_MS), 0);
        assert_int_equal(b.count, before + n);
    }
    sq_udp_close(a.udp);
    sq_udp_close(b.udp);
}

static void without_memory_datagrams_go_one_by_one(void **state)
{
    struct sq_loop *other = loop;
    assert_int_equal(sq_loop_new(&loop_options, &loop), 0);
    open_many(NULL);
    sq_mem_fail_at(1); /* the batch, where there is one */
    for (size_t i = 0; i < MANY; i++) {
        assert_int_equal(sq_udp_send(many[i].udp, sq_udp_local(many[0].udp), payload, 10), 0);
    }
    RUN_UNTIL(loop, heard() == MANY);
    sq_mem_fail_at(0);
    close_many();
    sq_loop_free(loop);
    loop = other;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(echo_ipv4),
        cmocka_unit_test(echo_ipv6),
        cmocka_unit_test(connected_hears_only_its_remote),
        cmocka_unit_test(a_refusal_is_counted_apart),
        cmocka_unit_test(who_refused_is_told),
        cmocka_unit_test(a_refusal_counts_once),
        cmocka_unit_test(batches_keep_sizes_and_order),
        cmocka_unit_test(datagrams_stay_valid_until_the_hooks),
        cmocka_unit_test(drops_of_a_full_buffer_are_seen),
        cmocka_unit_test(a_receiver_may_close_its_socket),
        cmocka_unit_test(ports_come_from_the_range),
        cmocka_unit_test(a_small_arena_loses_nothing),
        cmocka_unit_test(many_sockets_hear_their_neighbours),
        cmocka_unit_test(many_sockets_with_a_backlog_share_calls),
        cmocka_unit_test(a_burst_among_many_is_read_until_it_is_empty),
        cmocka_unit_test(one_of_many_may_close_the_others),
        cmocka_unit_test(long_messages_to_many_sockets),
        cmocka_unit_test(what_was_sent_goes_before_the_socket_changes),
        cmocka_unit_test(a_burst_is_read_until_it_is_empty),
        cmocka_unit_test(without_memory_datagrams_go_one_by_one),
    };
    /* At low load; at high load, with io_uring where there is one, and without. */
    int failed = cmocka_run_group_tests_name("at once", tests, setup, teardown);
    loop_options.coalesce = SQ_COALESCE_ON;
    failed += cmocka_run_group_tests_name("many at a time", tests, setup, teardown);
    loop_options.no_uring = true;
    return failed + cmocka_run_group_tests_name("in slots", tests, setup, teardown);
}
