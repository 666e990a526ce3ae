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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_that_are_missing_are_lost),
        cmocka_unit_test(but_not_those_of_the_time_away),
        cmocka_unit_test(what_comes_before_it_is_up_again_is_in_no_rate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
