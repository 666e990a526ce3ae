/* What is set, held against what comes out at the ends of real sockets, each way: datagrams and a
 * TCP connection. A busy machine delivers late and never early, so that times are those of the
 * earliest of many. */
#include "net/link.h"
#include "net/link_profile.h"
#include "net/stream.h"
#include "net/udp.h"
#include "net/until.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/on_loop.h"

#define MS    SQ_NS_PER_MS
#define SENT  10000
#define BATCH 50
#define BYTES 20

enum way { UP, DOWN, WAYS };

/* One end: which came, how often, and in which order. */
struct end {
    struct sq_udp *udp;
    size_t count, altered, bits, behind;
    uint32_t newest;
    uint8_t seen[SENT];
    uint64_t first_ns[SENT]; /* the first so many arrivals, by the clock */
};

struct net {
    struct sq_link *link;
    struct end ends[WAYS]; /* where each way ends */
    size_t sent;
};

static void payload_of(uint32_t number, uint8_t bytes[static BYTES])
{
    for (size_t i = 0; i < BYTES; i += sizeof(number)) {
        memcpy(bytes + i, &number, sizeof(number));
    }
}

static void on_datagram(void *ctx, const struct sq_datagram *d)
{
    struct end *e = ctx;
    uint32_t numbers[3];
    uint8_t right[BYTES];
    size_t bits = 0;
    memcpy(numbers, d->data, sizeof(numbers)); /* one bit of them may be wrong: two are right */
    uint32_t number = numbers[0] == numbers[1] ? numbers[0] : numbers[2];
    payload_of(number, right);
    for (size_t i = 0; i < BYTES; i++) {
        bits += (size_t)__builtin_popcount((unsigned)(right[i] ^ d->data[i]));
    }
    assert_true(number < SENT);
    if (e->count < SENT) {
        e->first_ns[e->count] = sq_clock_ns();
    }
    e->count++;
    e->seen[number]++;
    e->altered += bits > 0;
    e->bits += bits;
    e->behind += number < e->newest;
    e->newest = number > e->newest ? number : e->newest;
}

static struct net net;

static void open_net(const char *settings, uint64_t seed)
{
    struct sq_link_config config;
    char why[200] = "";
    memset(&net, 0, sizeof(net));
    if (sq_link_parse(settings, &config, why, sizeof(why)) != 0) {
        fail_msg("%s", why);
    }
    assert_int_equal(sq_link_create(loop, &config, seed, &net.link), 0);
    for (int d = 0; d < WAYS; d++) {
        struct sq_udp_options o = {.link = d == DOWN ? net.link : NULL};
        struct end *e = &net.ends[d];
        assert_int_equal(sq_addr_parse("127.0.0.1", 0, &o.bind), 0);
        assert_int_equal(sq_udp_open(loop, &o, on_datagram, e, &e->udp), 0);
    }
}

static void close_net(void)
{
    sq_udp_close(net.ends[UP].udp);
    sq_udp_close(net.ends[DOWN].udp);
    sq_link_release(net.link);
}

static bool all_are_through(enum way way, size_t offered)
{
    struct sq_link_counters c[WAYS];
    sq_link_get_counters(net.link, &c[UP], &c[DOWN]);
    return c[way].offered == offered &&
           c[way].delivered + c[way].lost + c[way].queue_dropped ==
               c[way].offered + c[way].duplicated &&
           net.ends[way].count == c[way].delivered;
}

/* `n` more of that size each; of the least ones a batch as soon as the one before is through, so
 * that no socket's buffer is full. */
static void send_all(enum way way, size_t n, size_t bytes)
{
    uint8_t data[1472] = {0};
    struct end *from = &net.ends[way == UP ? DOWN : UP];
    const struct sq_addr *to = sq_udp_local(net.ends[way].udp);
    size_t before = net.sent;
    (void)sq_loop_refresh_now(loop);
    for (size_t i = 0; i < n; i++) {
        payload_of((uint32_t)(before + i), data);
        assert_int_equal(sq_udp_send(from->udp, to, data, bytes), 0);
        net.sent++;
        if (net.sent % BATCH == 0 && bytes == BYTES) {
            RUN_UNTIL(loop, all_are_through(way, net.sent));
        }
    }
    RUN_UNTIL(loop, all_are_through(way, net.sent));
}

/* ---- Rate and delay ---- */

/* The least of what arrivals [from, to) are behind one that comes each step_ns. */
static double least_behind_ns(const uint64_t *at_ns, size_t from, size_t to, double step_ns)
{
    double least = INFINITY;
    for (size_t i = from; i < to; i++) {
        least = fmin(least, (double)at_ns[i] - step_ns * (double)i);
    }
    return least;
}

/* 1,050 bytes of a packet at 2 Mbit/s: one in 4.2 ms, so that each has another part of a tick to
 * wait for the tick's end; and the delay on top. */
#define STEP_NS (4.2 * MS)

static void datagrams_have_rate_and_delay_each_way(void **state)
{
    for (int way = 0; way < WAYS; way++) {
        open_net("rate=2M,queue=1s,delay=15ms", 1);
        uint64_t start_ns = sq_clock_ns();
        send_all(way, 60, 1022);
        const uint64_t *at_ns = net.ends[way].first_ns;
        double early = least_behind_ns(at_ns, 0, 30, STEP_NS);
        double late = least_behind_ns(at_ns, 30, 60, STEP_NS);
        assert_true(fabs(late - early) < 0.02 * 30 * STEP_NS);
        double delay_ns = early - (double)start_ns - STEP_NS;
        assert_true(delay_ns >= 15.0 * MS && delay_ns <= 16.0 * MS);
        close_net();
    }
}

/* Ten of a burst fit into a queue of 10 kB or of 80 ms at 1 Mbit/s, the one that is passing
 * included, and one more for each that leaves before the last comes. */
static void a_queue_is_full_each_way(void **state)
{
    static const char *const settings[] = {"rate=1M,queue=10kB", "rate=1M,queue=80ms"};
    for (int i = 0; i < 2 * WAYS; i++) {
        enum way way = i / 2;
        open_net(settings[i % 2], 1);
        uint64_t start_ns = sq_clock_ns();
        struct sq_link_counters c[WAYS] = {0};
        uint8_t data[972] = {0};
        const struct end *from = &net.ends[way == UP ? DOWN : UP];
        for (uint32_t k = 0; k < 30; k++) {
            payload_of(k, data);
            assert_int_equal(
                sq_udp_send(from->udp, sq_udp_local(net.ends[way].udp), data, sizeof(data)), 0);
        }
        uint64_t took_ns = sq_clock_ns() - start_ns;
        RUN_UNTIL(loop, all_are_through(way, 30));
        sq_link_get_counters(net.link, &c[UP], &c[DOWN]);
        assert_in_range(net.ends[way].count, 10, 10 + (took_ns + 8 * MS - 1) / (8 * MS));
        assert_int_equal(net.ends[way].count + c[way].queue_dropped, 30);
        assert_int_equal(net.ends[way].behind, 0);
        for (uint32_t k = 0; k < 10; k++) { /* the first ones: what comes last is dropped */
            assert_int_equal(net.ends[way].seen[k], 1);
        }
        close_net();
    }
}

/* ---- Loss ---- */

static size_t lost_of(enum way way)
{
    size_t lost = 0;
    for (size_t i = 0; i < SENT; i++) {
        lost += net.ends[way].seen[i] == 0;
    }
    return lost;
}

static void datagrams_are_lost_each_way(void **state)
{
    static const char *const settings[WAYS] = {"up.loss=5%", "down.loss=5%"};
    for (int way = 0; way < WAYS; way++) {
        open_net(settings[way], 3);
        send_all(way, SENT, BYTES);
        double share = (double)lost_of(way) / SENT;
        assert_true(fabs(share - 0.05) < 4 * sqrt(0.05 * 0.95 / SENT));
        close_net();
        open_net(settings[way == UP ? DOWN : UP], 3); /* and not the other way */
        send_all(way, SENT, BYTES);
        assert_int_equal(lost_of(way), 0);
        close_net();
    }
}

/* Four in a row on average: geometric, so that their standard deviation is 4 sqrt(3/4). A loss
 * goes with that before it, which makes that of the share larger. */
static void bursts_are_lost_each_way(void **state)
{
    static const char *const settings[WAYS] = {"up.loss=8%,up.burst=4",
                                               "down.loss=8%,down.burst=4"};
    for (int way = 0; way < WAYS; way++) {
        open_net(settings[way], 5);
        send_all(way, SENT, BYTES);
        const uint8_t *seen = net.ends[way].seen;
        size_t lost = lost_of(way);
        size_t bursts = 0;
        for (size_t i = 0; i < SENT; i++) {
            bursts += seen[i] == 0 && (i == 0 || seen[i - 1] > 0);
        }
        double to_bad = 0.08 / 4 / (1 - 0.08);
        double together = 1 - to_bad - 1.0 / 4;
        double deviation = sqrt(0.08 * 0.92 / SENT * (1 + together) / (1 - together));
        assert_true(fabs((double)lost / SENT - 0.08) < 4 * deviation);
        double length = (double)lost / (double)bursts;
        assert_true(fabs(length - 4) < 4 * 4 * sqrt(0.75 / (double)bursts));
        close_net();
    }
}

/* ---- Twice, altered, out of order ---- */

static void some_come_twice_each_way(void **state)
{
    for (int way = 0; way < WAYS; way++) {
        open_net("duplicate=3%", 7);
        send_all(way, SENT, BYTES);
        size_t twice = 0;
        for (size_t i = 0; i < SENT; i++) {
            assert_in_range(net.ends[way].seen[i], 1, 2);
            twice += net.ends[way].seen[i] == 2;
        }
        assert_true(fabs((double)twice / SENT - 0.03) < 4 * sqrt(0.03 * 0.97 / SENT));
        assert_int_equal(net.ends[way].altered, 0);
        close_net();
    }
}

/* One bit is wrong, and the kernel's checksum is not. */
static void some_are_altered_each_way(void **state)
{
    for (int way = 0; way < WAYS; way++) {
        open_net("corrupt=3%", 9);
        send_all(way, SENT, BYTES);
        const struct end *e = &net.ends[way];
        assert_int_equal(e->count, SENT);
        assert_int_equal(e->bits, e->altered);
        assert_true(fabs((double)e->altered / SENT - 0.03) < 4 * sqrt(0.03 * 0.97 / SENT));
        close_net();
    }
}

static void jitter_keeps_the_order_or_not_each_way(void **state)
{
    for (int way = 0; way < WAYS; way++) {
        open_net("delay=5ms,jitter=5ms", 11);
        send_all(way, 500, BYTES);
        assert_int_equal(net.ends[way].behind, 0);
        close_net();
        open_net("delay=5ms,jitter=5ms,reorder", 11);
        send_all(way, 500, BYTES);
        assert_int_equal(net.ends[way].count, 500);
        assert_true(net.ends[way].behind > 100);
        close_net();
    }
}

static void the_seed_decides_what_is_lost(void **state)
{
    static uint8_t seen[SENT];
    for (int way = 0; way < WAYS; way++) {
        open_net("loss=20%", 13);
        send_all(way, 1000, BYTES);
        memcpy(seen, net.ends[way].seen, sizeof(seen));
        close_net();
        open_net("loss=20%", 13);
        send_all(way, 1000, BYTES);
        assert_memory_equal(net.ends[way].seen, seen, sizeof(seen));
        close_net();
        open_net("loss=20%", 14);
        send_all(way, 1000, BYTES);
        assert_true(memcmp(net.ends[way].seen, seen, sizeof(seen)) != 0);
        close_net();
    }
}

/* ---- Leaving together ---- */

/* What was sent together, and is held for the same time, goes on as it would without a link: as
 * one segmented datagram, not in a system call each. */
static void what_is_due_together_leaves_together(void **state)
{
    uint8_t data[32][BYTES];
    struct iovec batch[32];
    uint64_t sends[2];
    for (uint32_t i = 0; i < 32; i++) {
        payload_of(i, data[i]);
        batch[i] = (struct iovec){.iov_base = data[i], .iov_len = BYTES};
    }
    for (size_t i = 0; i < 2; i++) {
        struct sq_udp_counters c;
        open_net(i == 0 ? "loss=0%" : "up.delay=5ms", 1);
        const struct sq_addr *to = sq_udp_local(net.ends[UP].udp);
        assert_int_equal(sq_udp_send_batch(net.ends[DOWN].udp, to, batch, 32), 32);
        RUN_UNTIL(loop, net.ends[UP].count == 32);
        assert_int_equal(net.ends[UP].behind, 0);
        sq_udp_get_counters(net.ends[DOWN].udp, &c);
        assert_int_equal(c.sent, 32);
        sends[i] = c.gso_batches;
        close_net();
    }
    assert_int_equal(sends[0], 1); /* 32 datagrams in one */
    assert_int_equal(sends[1], 1);
}

/* Each to its own address, and in their order. */
static void what_leaves_together_goes_where_it_was_sent(void **state)
{
    open_net("delay=5ms", 1);
    struct end other = {0};
    struct sq_udp_options o = {0};
    uint8_t data[BYTES];
    assert_int_equal(sq_addr_parse("127.0.0.1", 0, &o.bind), 0);
    assert_int_equal(sq_udp_open(loop, &o, on_datagram, &other, &other.udp), 0);
    for (uint32_t i = 0; i < 40; i++) {
        const struct end *to = i / 5 % 2 ? &other : &net.ends[UP];
        payload_of(i, data);
        assert_int_equal(sq_udp_send(net.ends[DOWN].udp, sq_udp_local(to->udp), data, BYTES), 0);
    }
    RUN_UNTIL(loop, net.ends[UP].count == 20 && other.count == 20);
    for (uint32_t i = 0; i < 40; i++) {
        assert_int_equal(net.ends[UP].seen[i], !(i / 5 % 2));
        assert_int_equal(other.seen[i], i / 5 % 2);
    }
    assert_int_equal(net.ends[UP].behind + other.behind, 0);
    sq_udp_close(other.udp);
    close_net();
}

/* ---- TCP ---- */

#define SEGMENT_BYTES 1428 /* of a stream over a link */
#define SEGMENT_HEAD  52   /* IPv4, and TCP with time-stamps */
#define READS_MAX     400

struct stream_end {
    struct sq_stream *stream;
    bool opened;
    uint64_t opened_ns;
    size_t got, reads;
    size_t got_at[READS_MAX];
    uint64_t at_ns[READS_MAX];
};

static void on_open(void *ctx)
{
    struct stream_end *e = ctx;
    e->opened = true;
    e->opened_ns = sq_clock_ns();
}

static void on_data(void *ctx, const uint8_t *data, size_t len)
{
    struct stream_end *e = ctx;
    (void)data;
    e->got += len;
    if (e->reads < READS_MAX) {
        e->got_at[e->reads] = e->got;
        e->at_ns[e->reads++] = sq_clock_ns();
    }
}

static void on_end(void *ctx, const struct sq_stream_end *end)
{
    (void)ctx;
    (void)end;
}

static const struct sq_stream_events stream_events = {
    .on_open = on_open, .on_data = on_data, .on_end = on_end};

static struct stream_end ends[WAYS]; /* where each way ends */
static struct sq_link *stream_link;
static int accepted;

static bool try_accept(int fd)
{
    accepted = accept4(fd, NULL, NULL, SOCK_NONBLOCK);
    return accepted >= 0;
}

/* Both ends of a connection over that link; how long it took to open. */
static uint64_t open_pair(struct sq_link *link, struct stream_end pair[static WAYS])
{
    struct sq_addr addr;
    socklen_t len = sizeof(addr);
    assert_int_equal(sq_addr_parse("127.0.0.1", 0, &addr), 0);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(fd, &addr.sa, sq_addr_len(&addr)), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, &addr.sa, &len), 0);
    struct sq_stream_options o = {.host = "127.0.0.1",
                                  .port = sq_addr_port(&addr),
                                  .link = link,
                                  .timeout_ns = 5 * SQ_NS_PER_SEC};
    uint64_t start_ns = sq_loop_refresh_now(loop);
    struct stream_end *client = &pair[DOWN];
    assert_int_equal(sq_stream_connect(loop, &o, &stream_events, client, &client->stream), 0);
    RUN_UNTIL(loop, try_accept(fd));
    assert_int_equal(sq_stream_from_fd(loop, accepted, NULL, 0, NULL, NULL, &stream_events,
                                       &pair[UP], &pair[UP].stream),
                     0);
    RUN_UNTIL(loop, client->opened);
    close(fd);
    return client->opened_ns - start_ns;
}

static uint64_t open_streams(const char *settings)
{
    struct sq_link_config config;
    char why[200] = "";
    memset(ends, 0, sizeof(ends));
    assert_int_equal(sq_link_parse(settings, &config, why, sizeof(why)), 0);
    assert_int_equal(sq_link_create(loop, &config, 1, &stream_link), 0);
    return open_pair(stream_link, ends);
}

static void close_streams(void)
{
    sq_stream_free(ends[UP].stream);
    sq_stream_free(ends[DOWN].stream);
    sq_link_release(stream_link);
}

/* What answers a timer is sent just behind its tick, and waits for the end of another one: a whole
 * tick of 1 ms longer, each time. Now. */
static uint64_t at_another_part_of_a_tick(int which)
{
    uint64_t now_ns = sq_loop_refresh_now(loop);
    uint64_t begin_ns = now_ns + (uint64_t)which * MS / 6;
    while (now_ns < begin_ns) {
        now_ns = sq_loop_refresh_now(loop);
    }
    return now_ns;
}

static void tcp_has_the_delay_of_each_way(void **state)
{
    static const uint64_t delay_ns[WAYS] = {[UP] = 30 * MS, [DOWN] = 10 * MS};
    uint64_t connect_ns = SQ_NEVER;
    uint64_t least_ns[WAYS] = {SQ_NEVER, SQ_NEVER};
    for (int i = 0; i < 6; i++) {
        connect_ns = sq_min_u64(connect_ns, open_streams("up.delay=30ms,down.delay=10ms"));
        for (int way = 0; way < WAYS; way++) {
            uint64_t sent_ns = at_another_part_of_a_tick(i);
            size_t got = ends[way].got;
            assert_int_equal(sq_stream_send(ends[way == UP ? DOWN : UP].stream, "x", 1), 0);
            RUN_UNTIL(loop, ends[way].got > got);
            least_ns[way] = sq_min_u64(least_ns[way], ends[way].at_ns[0] - sent_ns);
        }
        close_streams();
    }
    assert_in_range(connect_ns, 40 * MS, 41 * MS); /* one round trip */
    assert_in_range(least_ns[UP], delay_ns[UP], delay_ns[UP] + MS);
    assert_in_range(least_ns[DOWN], delay_ns[DOWN], delay_ns[DOWN] + MS);
}

/* 100 kB at 2 Mbit/s of whole packets, 0.4 s of them. */
static void tcp_has_the_rate_each_way(void **state)
{
    static const uint8_t bytes[100000];
    for (int way = 0; way < WAYS; way++) {
        (void)open_streams("rate=2M,queue=6kB");
        struct stream_end *e = &ends[way];
        assert_int_equal(sq_stream_send(ends[way == UP ? DOWN : UP].stream, bytes, sizeof(bytes)),
                         0);
        RUN_UNTIL(loop, e->got == sizeof(bytes));
        assert_true(e->reads > 30 && e->reads < READS_MAX);
        double least[2] = {INFINITY, INFINITY}; /* behind the rate, in either half */
        double half_ns =
            (double)sizeof(bytes) * (1 + (double)SEGMENT_HEAD / SEGMENT_BYTES) * 4e3 / 2;
        for (size_t i = 0; i < e->reads; i++) {
            size_t segments = (e->got_at[i] + SEGMENT_BYTES - 1) / SEGMENT_BYTES;
            double wire = (double)(e->got_at[i] + segments * SEGMENT_HEAD);
            double behind = (double)e->at_ns[i] - wire * 8e9 / 2e6;
            size_t half = e->got_at[i] > sizeof(bytes) / 2;
            least[half] = fmin(least[half], behind);
        }
        assert_true(fabs(least[1] - least[0]) < 0.02 * half_ns);
        close_streams();
    }
}

/* A connection that fills the queue, as media do, leaves room for the next: signalling gets through
 * in some queues' time (0.1 s each), and not after all that the other has to send (6 s). */
static void tcp_gets_through_beside_a_full_queue(void **state)
{
    static const uint8_t bytes[400000];
    static struct stream_end others[WAYS];
    memset(others, 0, sizeof(others));
    (void)open_streams("rate=500k,queue=6kB");
    (void)open_pair(stream_link, others);
    assert_int_equal(sq_stream_send(ends[DOWN].stream, bytes, sizeof(bytes)), 0);
    RUN_UNTIL(loop, ends[UP].got > 20000);
    assert_int_equal(sq_stream_send(others[DOWN].stream, bytes, 5000), 0);
    RUN_UNTIL(loop, others[UP].got == 5000);
    assert_true(ends[UP].got < 100000);
    sq_stream_free(others[UP].stream);
    sq_stream_free(others[DOWN].stream);
    close_streams();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(datagrams_have_rate_and_delay_each_way, setup, teardown),
        cmocka_unit_test_setup_teardown(a_queue_is_full_each_way, setup, teardown),
        cmocka_unit_test_setup_teardown(datagrams_are_lost_each_way, setup, teardown),
        cmocka_unit_test_setup_teardown(bursts_are_lost_each_way, setup, teardown),
        cmocka_unit_test_setup_teardown(some_come_twice_each_way, setup, teardown),
        cmocka_unit_test_setup_teardown(some_are_altered_each_way, setup, teardown),
        cmocka_unit_test_setup_teardown(jitter_keeps_the_order_or_not_each_way, setup, teardown),
        cmocka_unit_test_setup_teardown(the_seed_decides_what_is_lost, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_due_together_leaves_together, setup, teardown),
        cmocka_unit_test_setup_teardown(what_leaves_together_goes_where_it_was_sent, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(tcp_has_the_delay_of_each_way, setup, teardown),
        cmocka_unit_test_setup_teardown(tcp_has_the_rate_each_way, setup, teardown),
        cmocka_unit_test_setup_teardown(tcp_gets_through_beside_a_full_queue, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
