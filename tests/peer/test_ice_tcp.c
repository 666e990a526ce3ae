/* TCP candidates in the ICE agent (RFC 6544): the bases of the active side, what is paired with
 * what, and a connection between two agents whose carrier is this test. */
#include "base/mem.h"
#include "base/time.h"
#include "peer/ice/ice.h"
#include "peer/ice_net.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define PASSIVE  "candidate:9 1 tcp 1518214911 10.0.0.2 7000 typ host tcptype passive"
#define LISTENER 3 /* base of the passive side */
#define PORT     40001
#define QUEUE    64

struct wire;

struct end {
    struct wire *wire;
    struct sq_ice *ice;
    struct sq_rand rand;
    int told_tcp, told_udp, done, selections;
    struct sq_ice_candidate tcp; /* that it told last */
    unsigned sent[SQ_ICE_BASES_MAX];
};

struct packet {
    struct end *to;
    int base;
    struct sq_addr from;
    size_t len;
    uint8_t bytes[640];
};

/* A connects to B's listener from PORT; UDP goes by the addresses as they are. */
struct wire {
    struct end a, b;
    uint64_t now_ns;
    bool no_udp, no_tcp;
    struct packet queue[QUEUE];
    size_t head, tail;
};

static void on_send(void *ctx, int base, const struct sq_addr *to, const void *buf, size_t len)
{
    struct end *end = ctx;
    struct wire *w = end->wire;
    bool from_a = end == &w->a;
    bool tcp = from_a ? base >= SQ_ICE_TCP_BASE : base == LISTENER;
    struct sq_addr listener = ice_addr("10.0.0.2", 7000), active = ice_addr("10.0.0.1", PORT);
    end->sent[base]++;
    if ((tcp ? w->no_tcp : w->no_udp) || w->head - w->tail == QUEUE) {
        return;
    }
    struct packet *p = &w->queue[w->head++ % QUEUE];
    assert_true(len <= sizeof(p->bytes));
    p->len = len;
    memcpy(p->bytes, buf, len);
    p->to = from_a ? &w->b : &w->a;
    if (!tcp) {
        p->base = 0;
        p->from = from_a ? ice_addr("10.0.0.1", 1000) : ice_addr("10.0.0.2", 1000);
    } else if (from_a) {
        assert_int_equal(base, SQ_ICE_TCP_BASE);
        assert_true(sq_addr_equal(to, &listener));
        p->base = LISTENER;
        p->from = active;
    } else {
        assert_true(sq_addr_equal(to, &active));
        p->base = SQ_ICE_TCP_BASE;
        p->from = listener;
    }
}

static void on_candidate(void *ctx, const struct sq_ice_candidate *c)
{
    struct end *end = ctx;
    if (c->transport == SQ_ICE_UDP) {
        end->told_udp++;
    } else {
        end->told_tcp++;
        end->tcp = *c;
    }
}

static void on_done(void *ctx)
{
    struct end *end = ctx;
    end->done++;
}

static void on_selected(void *ctx, int base, const struct sq_addr *remote)
{
    struct end *end = ctx;
    (void)base;
    (void)remote;
    end->selections++;
}

static const struct sq_ice_callbacks callbacks = {.send = on_send,
                                                  .local_candidate = on_candidate,
                                                  .gathering_done = on_done,
                                                  .selected_pair = on_selected};

static int start(struct wire *w, struct end *end, bool tcp_active)
{
    struct sq_ice_config c;
    end->wire = w;
    sq_rand_seed(&end->rand, end == &w->a ? 1 : 2);
    sq_ice_config_init(&c, &end->rand);
    c.controlling = end == &w->a;
    c.tcp_active = tcp_active;
    return sq_ice_create(&c, &callbacks, end, &end->ice);
}

static int join(struct wire *w)
{
    int err =
        sq_ice_set_remote(w->a.ice, w->now_ns, sq_ice_ufrag(w->b.ice), sq_ice_pwd(w->b.ice), false);
    return err ? err
               : sq_ice_set_remote(w->b.ice, w->now_ns, sq_ice_ufrag(w->a.ice),
                                   sq_ice_pwd(w->a.ice), false);
}

/* A with UDP bases of both families, B with a listener, and with UDP where wanted. */
static int set_up(struct wire *w, bool tcp_active, bool udp_too)
{
    struct sq_addr v4 = ice_addr("10.0.0.1", 1000), v6 = ice_addr("2001:db8::1", 1000);
    struct sq_addr other = ice_addr("10.0.0.2", 1000);
    const struct sq_ice_base listener = {.id = LISTENER,
                                         .transport = SQ_ICE_TCP_PASSIVE,
                                         .type = SQ_ICE_HOST,
                                         .addr = ice_addr("10.0.0.2", 7000)};
    memset(w, 0, sizeof(*w));
    w->now_ns = 100 * SQ_NS_PER_SEC;
    int err = start(w, &w->a, tcp_active);
    err = err ? err : start(w, &w->b, false);
    err = err ? err : sq_ice_add_base(w->a.ice, 0, &v4);
    err = err ? err : sq_ice_add_base(w->a.ice, 1, &v6);
    err = err || !udp_too ? err : sq_ice_add_base(w->b.ice, 0, &other);
    err = err ? err : sq_ice_add_base_full(w->b.ice, w->now_ns, &listener);
    err = err ? err : sq_ice_gather(w->a.ice, w->now_ns);
    err = err ? err : sq_ice_gather(w->b.ice, w->now_ns);
    return err ? err : join(w);
}

static void tear_down(struct wire *w)
{
    sq_ice_destroy(w->a.ice);
    sq_ice_destroy(w->b.ice);
}

static void deliver(struct wire *w)
{
    while (w->tail != w->head) {
        struct packet p = w->queue[w->tail++ % QUEUE];
        (void)sq_ice_receive(p.to->ice, w->now_ns, p.base, &p.from, p.bytes, p.len);
    }
}

static bool completed(const struct wire *w)
{
    return sq_ice_get_state(w->a.ice) == SQ_ICE_COMPLETED &&
           sq_ice_get_state(w->b.ice) == SQ_ICE_COMPLETED;
}

/* In virtual time, until both are done or so many seconds have passed. */
static bool run(struct wire *w, unsigned seconds)
{
    uint64_t end_ns = w->now_ns + seconds * SQ_NS_PER_SEC;
    while (!completed(w) && w->now_ns < end_ns) {
        deliver(w);
        uint64_t next = sq_min_u64(sq_ice_next_timeout(w->a.ice), sq_ice_next_timeout(w->b.ice));
        w->now_ns = sq_min_u64(sq_max_u64(next, w->now_ns + SQ_NS_PER_MS), end_ns);
        sq_ice_on_timeout(w->a.ice, w->now_ns);
        sq_ice_on_timeout(w->b.ice, w->now_ns);
    }
    deliver(w);
    return completed(w);
}

static int tell(struct wire *w, struct end *end, const char *line)
{
    return sq_ice_add_remote_line(end->ice, w->now_ns, sq_view_of(line));
}

static void a_passive_candidate_makes_the_base(void **state)
{
    struct wire w;
    assert_int_equal(set_up(&w, true, false), 0);
    assert_int_equal(w.a.told_udp, 2);
    assert_int_equal(w.a.told_tcp, 0); /* nothing is opened or offered where none comes */
    assert_false(sq_ice_has_base(w.a.ice, SQ_ICE_TCP_BASE));
    assert_int_equal(tell(&w, &w.a, PASSIVE), 0);
    assert_true(sq_ice_has_base(w.a.ice, SQ_ICE_TCP_BASE));
    assert_false(sq_ice_has_base(w.a.ice, SQ_ICE_TCP_BASE + 1)); /* of the other family */
    assert_int_equal(w.a.told_tcp, 1);
    assert_int_equal(w.a.tcp.transport, SQ_ICE_TCP_ACTIVE);
    assert_int_equal(sq_addr_port(&w.a.tcp.addr), 9); /* RFC 6544, section 4.5 */
    assert_int_equal(sq_ice_pair_count(w.a.ice), 1);
    /* Another one is paired with the base that is there. */
    assert_int_equal(
        tell(&w, &w.a, "candidate:9 1 tcp 1518214910 10.0.0.3 7000 typ host tcptype passive"), 0);
    assert_int_equal(w.a.told_tcp, 1);
    assert_int_equal(sq_ice_pair_count(w.a.ice), 2);
    assert_int_equal(
        tell(&w, &w.a, "candidate:9 1 tcp 1518214909 2001:db8::2 7 typ host tcptype passive"), 0);
    assert_int_equal(w.a.told_tcp, 2);
    assert_true(sq_ice_has_base(w.a.ice, SQ_ICE_TCP_BASE + 1));
    tear_down(&w);
}

static void what_is_left_out(void **state)
{
    struct wire w;
    /* Without tcp_active. */
    assert_int_equal(set_up(&w, false, false), 0);
    assert_int_equal(tell(&w, &w.a, PASSIVE), 0);
    assert_int_equal(sq_ice_remote_count(w.a.ice) + sq_ice_pair_count(w.a.ice), 0);
    tear_down(&w);
    /* Active and simultaneous-open ones: nobody listens there (section 6.2). */
    assert_int_equal(set_up(&w, true, true), 0);
    assert_int_equal(
        tell(&w, &w.a, "candidate:9 1 tcp 1518280447 10.0.0.2 9 typ host tcptype active"), 0);
    assert_int_equal(
        tell(&w, &w.a, "candidate:9 1 tcp 1518280447 10.0.0.2 700 typ host tcptype so"), 0);
    assert_int_equal(w.a.told_tcp, 0);
    assert_int_equal(sq_ice_pair_count(w.a.ice), 0);
    /* UDP and TCP are not paired with each other. */
    assert_int_equal(tell(&w, &w.a, "candidate:1 1 udp 2130706431 10.0.0.2 1000 typ host"), 0);
    assert_int_equal(tell(&w, &w.a, PASSIVE), 0);
    assert_int_equal(sq_ice_pair_count(w.a.ice), 2);
    tear_down(&w);
}

static void assert_by_tcp(struct wire *w)
{
    int base = -1;
    struct sq_addr remote, listener = ice_addr("10.0.0.2", 7000),
                           active = ice_addr("10.0.0.1", PORT);
    assert_true(sq_ice_selected(w->a.ice, &base, &remote));
    assert_int_equal(base, SQ_ICE_TCP_BASE);
    assert_true(sq_addr_equal(&remote, &listener));
    assert_true(sq_ice_selected(w->b.ice, &base, &remote));
    assert_int_equal(base, LISTENER);
    assert_true(sq_addr_equal(&remote, &active)); /* peer-reflexive: the port that nobody told */
    struct sq_ice_pair_stats stats;
    struct sq_ice_candidate local, far;
    assert_int_equal(sq_ice_selected_stats(w->b.ice, &stats, &local, &far), 0);
    assert_int_equal(far.type, SQ_ICE_PRFLX);
    assert_int_not_equal(far.transport, SQ_ICE_UDP);
    assert_true(sq_ice_may_receive(w->a.ice, SQ_ICE_TCP_BASE, &listener));
    assert_false(sq_ice_may_receive(w->a.ice, 0, &listener));
}

static void they_connect(void **state)
{
    struct wire w;
    assert_int_equal(set_up(&w, true, false), 0);
    assert_int_equal(tell(&w, &w.a, PASSIVE), 0);
    assert_true(run(&w, 10));
    assert_by_tcp(&w);
    assert_int_equal(w.a.sent[0] + w.a.sent[1], 0); /* no datagram to an address of TCP */
    /* A restart keeps the base, and goes by the connection that is there. */
    assert_int_equal(sq_ice_restart(w.a.ice, w.now_ns, NULL, NULL), 0);
    assert_int_equal(sq_ice_restart(w.b.ice, w.now_ns, NULL, NULL), 0);
    assert_true(sq_ice_has_base(w.a.ice, SQ_ICE_TCP_BASE));
    assert_int_equal(sq_ice_gather(w.a.ice, w.now_ns), 0);
    assert_int_equal(sq_ice_gather(w.b.ice, w.now_ns), 0);
    assert_int_equal(join(&w), 0);
    assert_int_equal(tell(&w, &w.a, PASSIVE), 0);
    assert_true(run(&w, 10));
    assert_by_tcp(&w);
    tear_down(&w);
}

/* Where both work UDP is chosen, for its candidates have the higher priority (section 4.2); where
 * it does not, TCP is what is left. */
static void udp_first(void **state)
{
    for (int blocked = 0; blocked < 2; blocked++) {
        struct wire w;
        int base = -1;
        struct sq_addr remote;
        assert_int_equal(set_up(&w, true, true), 0);
        w.no_udp = blocked;
        assert_int_equal(tell(&w, &w.a, PASSIVE), 0);
        assert_int_equal(tell(&w, &w.a, "candidate:1 1 udp 2130706431 10.0.0.2 1000 typ host"), 0);
        assert_int_equal(tell(&w, &w.b, "candidate:1 1 udp 2130706431 10.0.0.1 1000 typ host"), 0);
        assert_true(run(&w, 30));
        if (blocked) {
            assert_by_tcp(&w);
        } else {
            assert_true(sq_ice_selected(w.a.ice, &base, &remote));
            assert_int_equal(base, 0);
        }
        tear_down(&w);
    }
}

static void each_allocation_fails(void **state)
{
    size_t used, nth = 0;
    unsigned refused = 0;
    do {
        struct wire w;
        sq_mem_fail_at(++nth);
        int err = set_up(&w, true, true);
        if (!err) {
            err = tell(&w, &w.a, PASSIVE);
            refused += err != 0;
            /* What failed for want of memory can be told again. */
            err = err ? tell(&w, &w.a, PASSIVE) : 0;
            assert_int_equal(err, 0);
            assert_true(run(&w, 60));
        }
        used = sq_mem_count();
        sq_mem_fail_at(0);
        assert_true(err == 0 || err == SQ_ERR_NOMEM);
        tear_down(&w);
    } while (used >= nth);
    assert_true(nth > 10 && refused > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_passive_candidate_makes_the_base),
        cmocka_unit_test(what_is_left_out),
        cmocka_unit_test(they_connect),
        cmocka_unit_test(udp_first),
        cmocka_unit_test(each_allocation_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
