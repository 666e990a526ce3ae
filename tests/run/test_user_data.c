/* What a user's data channel counts: over messages of another sender that are made here. */
#include "base/wire.h"
#include "net/loop.h"
#include "run/user_int.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define MAGIC  0x53514431u
#define NONCE  7u
#define SENDER 3u

struct bench {
    struct sq_plan_group group;
    struct sq_tally tally;
    struct sq_second second;
    struct sq_slice_tally slices;
    struct sq_loop *loop;
    struct sq_user_env env;
    struct sq_user user;
};

static void begin(struct bench *b)
{
    *b = (struct bench){.group.data = {.on = true, .size_bytes = 200, .nonce = NONCE}};
    assert_int_equal(sq_loop_new(NULL, &b->loop), 0);
    b->env = (struct sq_user_env){
        .loop = b->loop, .tally = &b->tally, .second = &b->second, .slices = &b->slices};
    b->user = (struct sq_user){.env = &b->env, .group = &b->group, .index = 1};
    b->user.row.connected = true;
    assert_int_equal(sq_user_data_create(&b->user), 0);
}

static void end(struct bench *b)
{
    sq_user_data_destroy(&b->user);
    sq_tally_free(&b->tally);
    sq_loop_free(b->loop);
}

/* The messages from one number to another, both among them. */
static void hears(struct bench *b, uint32_t from, uint32_t to)
{
    for (uint32_t number = from; number <= to; number++) {
        uint8_t bytes[200] = {0};
        struct sq_wire w = sq_wire_writer(bytes, sizeof(bytes));
        sq_wire_put_u32(&w, MAGIC);
        sq_wire_put_u32(&w, NONCE);
        sq_wire_put_u32(&w, SENDER);
        sq_wire_put_u32(&w, number);
        sq_wire_put_u64(&w, 1000);
        const struct sq_peer_event event = {.type = SQ_PEER_EV_CHANNEL_MESSAGE,
                                            .now_ns = 2000,
                                            .data = bytes,
                                            .data_len = sizeof(bytes)};
        sq_user_data_event(&b->user, &event);
    }
}

static void numbers_that_are_missing_are_lost(void **state)
{
    (void)state;
    struct bench b;
    begin(&b);
    hears(&b, 10, 19);
    hears(&b, 30, 39);
    sq_user_data_finish(&b.user);
    assert_true(fabs(b.user.row.data.loss_percent - 100.0 * 10 / 30) < 1e-9);
    end(&b);
}

/* 10 of 20 before, all of 10 afterwards; what was sent in between is nobody's loss. */
static void but_not_those_of_the_time_away(void **state)
{
    (void)state;
    struct bench b;
    begin(&b);
    hears(&b, 0, 4);
    hears(&b, 15, 19);
    sq_user_data_away(&b.user);
    hears(&b, 500, 509);
    sq_user_data_finish(&b.user);
    assert_true(fabs(b.user.row.data.loss_percent - 100.0 * 10 / 30) < 1e-9);
    assert_int_equal(b.user.row.data.messages_in, 20);
    end(&b);
}

/* Of each time that it is up: what came while a session was made is in no rate. */
static void what_comes_before_it_is_up_again_is_in_no_rate(void **state)
{
    (void)state;
    struct bench b;
    begin(&b);
    hears(&b, 0, 9);
    sq_user_data_begin(&b.user);
    hears(&b, 10, 14);
    sq_user_data_sample(&b.user, 1, true);
    sq_user_data_away(&b.user);
    hears(&b, 100, 149);
    sq_user_data_begin(&b.user);
    hears(&b, 150, 154);
    sq_user_data_sample(&b.user, 1, true);
    sq_user_data_finish(&b.user);
    assert_true(fabs(b.user.row.data.in_kbps - 10 * 200 * 8 / 1e3 / 2) < 1e-9);
    const struct sq_hist *rates = b.tally.metrics[SQ_METRIC_DATA_IN_THROUGHPUT];
    assert_int_equal(rates->sums.count, 2);
    assert_int_equal(rates->sums.min, rates->sums.max); /* 8 kbit/s each second */
    end(&b);
}

/* ---- What is due ---- */

/* Ten seconds of a channel that takes nothing (it is not open to this side): lost to whoever
 * counts, and none of it is the generator's lateness. Half a second in which its timer did not come
 * is, but for what is due since a tenth of one. */
static void only_our_own_clock_skips_messages(void **state)
{
    (void)state;
    struct bench b;
    struct sq_addr addr;
    struct sq_carrier *carrier;
    struct sq_endpoint *endpoint;
    struct sq_channel *channel;
    const struct sq_peer_config peer = {.accept_data = true};
    const struct sq_endpoint_ops ops = {.event = NULL};
    begin(&b);
    b.group.data.channel.label = "squall";
    b.group.data.rate_per_s = 20;
    b.user.want.send_data = true;
    assert_int_equal(sq_addr_parse("127.0.0.1", 0, &addr), 0);
    const struct sq_carrier_config config = {.seed = 1, .addrs = &addr, .addrs_len = 1};
    assert_int_equal(sq_carrier_create(b.loop, &config, &carrier), 0);
    assert_int_equal(sq_endpoint_create(carrier, &peer, NULL, &ops, NULL, &endpoint), 0);
    uint64_t now_ns = sq_loop_now(b.loop);
    assert_int_equal(
        sq_peer_add_channel(sq_endpoint_peer(endpoint), now_ns, &b.group.data.channel, &channel),
        0);
    const struct sq_peer_event open = {
        .type = SQ_PEER_EV_CHANNEL_OPEN, .now_ns = now_ns, .channel = channel};
    sq_user_data_event(&b.user, &open);
    uint64_t end_ns = now_ns + 10 * SQ_NS_PER_SEC;
    for (; now_ns < end_ns; now_ns += 50 * SQ_NS_PER_MS) {
        sq_timer_wheel_advance(sq_loop_timers(b.loop), now_ns, NULL, NULL);
    }
    assert_int_equal(b.tally.sent_messages, 0);
    assert_int_equal(b.tally.skipped_messages, 0);
    now_ns += 450 * SQ_NS_PER_MS; /* the last one came 50 ms before */
    sq_timer_wheel_advance(sq_loop_timers(b.loop), now_ns, NULL, NULL);
    assert_int_equal(b.tally.skipped_messages, 8);
    sq_user_data_stop(&b.user);
    sq_endpoint_close(endpoint);
    sq_carrier_destroy(carrier);
    end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_that_are_missing_are_lost),
        cmocka_unit_test(but_not_those_of_the_time_away),
        cmocka_unit_test(what_comes_before_it_is_up_again_is_in_no_rate),
        cmocka_unit_test(only_our_own_clock_skips_messages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
