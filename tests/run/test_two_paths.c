/* `--reconnect ice+…` of a user with two connections, one of which is lost; and beside --ice
 * relay-first, which measures with the same watch. Real endpoints on the loopback. */
#include "base/time.h"
#include "net/loop.h"
#include "run/rig.h"
#include "run/user_int.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define PATHS    2
#define LIMIT_MS 15000

struct bench {
    struct sq_plan plan;
    struct sq_plan_group group;
    struct sq_signal_ops adapter;
    struct sq_tally tally;
    struct sq_second second;
    struct sq_slice_tally slices;
    struct sq_loop *loop;
    struct sq_carrier *near, *away;
    struct sq_user_env env;
    struct sq_user user;
    struct sq_endpoint *far[PATHS];
    uint64_t until_ns;
};

static unsigned restarts;

static int restart_ice(struct sq_signal *signal)
{
    (void)signal;
    restarts++;
    return 0;
}

static void on_event(void *ctx, struct sq_endpoint *endpoint, const struct sq_peer_event *event)
{
    (void)ctx;
    (void)endpoint;
    (void)event;
}

static const struct sq_endpoint_ops ops = {.event = on_event};

static uint64_t received(const struct bench *b, size_t path)
{
    uint64_t n = 0;
    struct sq_peer *rtc = sq_endpoint_peer(b->user.peers[path].endpoint);
    for (size_t i = 0; i < sq_peer_track_count(rtc); i++) {
        struct sq_inbound_stats in;
        sq_track_inbound_stats(sq_peer_track(rtc, i), 0, &in);
        n += in.packets_received;
    }
    return n;
}

static bool all_hear(void *ctx)
{
    struct bench *b = ctx;
    return received(b, 0) > 20 && received(b, 1) > 20;
}

static bool time_is_over(void *ctx)
{
    struct bench *b = ctx;
    return sq_clock_ns() >= b->until_ns;
}

static void pass(struct bench *b, unsigned ms)
{
    b->until_ns = sq_clock_ns() + ms * SQ_NS_PER_MS;
    assert_true(rig_until(b->loop, time_is_over, b, LIMIT_MS));
}

static void send_to_it(struct bench *b, size_t path, bool on)
{
    struct sq_peer *far = sq_endpoint_peer(b->far[path]);
    for (size_t i = 0; i < sq_peer_track_count(far); i++) {
        sq_track_set_muted(sq_peer_track(far, i), sq_loop_refresh_now(b->loop), !on);
    }
}

static struct sq_carrier *make_carrier(struct sq_loop *loop, uint64_t seed)
{
    struct sq_addr addr;
    struct sq_carrier *carrier;
    const struct sq_carrier_config config = {.seed = seed, .addrs = &addr, .addrs_len = 1};
    assert_int_equal(sq_addr_parse("127.0.0.1", 0, &addr), 0);
    assert_int_equal(sq_carrier_create(loop, &config, &carrier), 0);
    return carrier;
}

static void begin(struct bench *b)
{
    const struct sq_peer_config config = {.connect_timeout_ns = 10 * SQ_NS_PER_SEC};
    memset(b, 0, sizeof(*b));
    restarts = 0;
    b->adapter.restart_ice = restart_ice;
    b->group.adapter = &b->adapter;
    b->group.reconnect = (struct sq_plan_reconnect){.how = SQ_RECONNECT_NOW, .ice_first = true};
    assert_int_equal(sq_loop_new(NULL, &b->loop), 0);
    b->near = make_carrier(b->loop, 1);
    b->away = make_carrier(b->loop, 2);
    b->env = (struct sq_user_env){.plan = &b->plan,
                                  .loop = b->loop,
                                  .carrier = b->near,
                                  .tally = &b->tally,
                                  .second = &b->second,
                                  .slices = &b->slices};
    b->user = (struct sq_user){.env = &b->env,
                               .group = &b->group,
                               .state = SQ_USER_UP,
                               .up_ns = 1,
                               .peers_len = PATHS,
                               .row = {.gap_ms = NAN, .away_ms = NAN}};
    sq_user_switch_init(&b->user);
    for (size_t i = 0; i < PATHS; i++) {
        struct sq_user_peer *peer = &b->user.peers[i];
        peer->user = &b->user;
        peer->media = true;
        assert_int_equal(sq_endpoint_create(b->near, &config, NULL, &ops, peer, &peer->endpoint),
                         0);
        assert_int_equal(sq_endpoint_create(b->away, &config, NULL, &ops, b, &b->far[i]), 0);
        rig_add_tracks(sq_endpoint_peer(peer->endpoint));
        rig_negotiate(b->loop, sq_endpoint_peer(peer->endpoint), sq_endpoint_peer(b->far[i]),
                      false);
    }
    assert_true(rig_until(b->loop, all_hear, b, LIMIT_MS));
}

static void end(struct bench *b)
{
    sq_timer_stop(&b->user.switch_timer);
    for (size_t i = 0; i < PATHS; i++) {
        sq_endpoint_close(b->user.peers[i].endpoint);
        sq_endpoint_close(b->far[i]);
    }
    sq_trace_clear(&b->user.trace);
    sq_tally_free(&b->tally);
    sq_carrier_destroy(b->near);
    sq_carrier_destroy(b->away);
    sq_loop_free(b->loop);
}

/* What comes on the other one all the while is no return. */
static void media_of_the_other_one_are_no_return(void **state)
{
    (void)state;
    struct bench b;
    begin(&b);
    send_to_it(&b, 0, false);
    pass(&b, 150);
    sq_user_path_lost(&b.user.peers[0]);
    sq_user_path_lost(&b.user.peers[0]); /* told once more */
    assert_int_equal(restarts, 1);
    uint64_t before = received(&b, 1);
    pass(&b, 150);
    assert_true(received(&b, 1) > before);
    sq_user_reconnect_sample(&b.user);
    assert_true(sq_user_is_dropped(&b.user));
    assert_int_equal(b.user.row.returns, 0);
    send_to_it(&b, 0, true);
    pass(&b, 150);
    sq_user_reconnect_sample(&b.user);
    assert_false(sq_user_is_dropped(&b.user));
    assert_int_equal(b.user.row.returns, 1);
    /* From its own last packet, 150 ms before it was called lost. */
    assert_true(b.user.row.gap_ms > 250 && b.user.row.gap_ms < 3000);
    assert_int_equal(b.user.peers[0].lost_ns, 0);
    end(&b);
}

/* A switch that is under way ends, and takes its watch along; one to come waits until media are
 * back. */
static void a_switch_from_the_relay_makes_way(void **state)
{
    (void)state;
    struct bench b;
    begin(&b);
    b.group.ice_policy = SQ_ICE_POLICY_RELAY_FIRST;
    uint64_t now_ns = sq_loop_refresh_now(b.loop);
    b.user.switch_ns = now_ns;
    b.user.peers[0].switching = b.user.peers[1].switching = true;
    for (size_t i = 0; i < PATHS; i++) {
        sq_peer_watch_gap(sq_endpoint_peer(b.user.peers[i].endpoint), now_ns, true);
    }
    send_to_it(&b, 0, false);
    pass(&b, 150);
    sq_user_path_lost(&b.user.peers[0]);
    assert_false(b.user.peers[0].switching || b.user.peers[1].switching);
    pass(&b, 100);
    send_to_it(&b, 0, true);
    pass(&b, 150);
    sq_user_switch_end(&b.user); /* as its timer would: nothing is left to do for it */
    sq_user_reconnect_sample(&b.user);
    assert_int_equal(b.user.row.returns, 1);
    assert_true(b.user.row.gap_ms > 200 && b.user.row.gap_ms < 3000);
    end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(media_of_the_other_one_are_no_return),
        cmocka_unit_test(a_switch_from_the_relay_makes_way),
    };
    return cmocka_run_group_tests(tests, rig_open_clip, rig_close_clip);
}
