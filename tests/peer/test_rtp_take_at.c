/* A sender that is given its sequence numbers: holes, and packets that fill them late. */
#include "peer/rtp/sender.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define ROOM 16

static struct sq_rtp_sender sender;

static int set_up(void **state)
{
    (void)state;
    return sq_rtp_sender_init(&sender, 1, 100, 0, 90000, SQ_RTP_VIDEO, ROOM);
}

static int tear_down(void **state)
{
    (void)state;
    sq_rtp_sender_close(&sender);
    return 0;
}

static void send_at(uint16_t seq, uint32_t cookie)
{
    uint16_t got = sq_rtp_sender_take_at(&sender, 1000 + cookie, seq, cookie * 10, 12, 100, cookie);
    assert_int_equal(got, seq);
}

static void expect(uint16_t seq, uint32_t cookie)
{
    struct sq_rtp_resend found;
    assert_int_equal(sq_rtp_sender_find(&sender, seq, &found), 0);
    assert_int_equal(found.cookie, cookie);
    assert_int_equal(found.ts, cookie * 10);
}

static void expect_none(uint16_t seq)
{
    struct sq_rtp_resend found;
    assert_int_equal(sq_rtp_sender_find(&sender, seq, &found), SQ_ERR_NOTFOUND);
}

static void a_hole_holds_nothing_old(void **state)
{
    (void)state;
    for (uint16_t i = 0; i < 2 * ROOM; i++) {
        send_at((uint16_t)(65520 + i), i); /* over the end of the numbers */
    }
    uint16_t last = (uint16_t)(65520 + 2 * ROOM - 1);
    send_at((uint16_t)(last + 4), 200); /* three were lost on their way to us */
    expect((uint16_t)(last + 4), 200);
    expect(last, 2 * ROOM - 1);
    for (uint16_t i = 1; i <= 3; i++) {
        expect_none((uint16_t)(last + i));
    }
}

static void a_late_one_fills_its_hole(void **state)
{
    (void)state;
    send_at(7, 1);
    send_at(9, 2);
    send_at(8, 3);
    expect(7, 1);
    expect(8, 3);
    expect(9, 2);
    assert_int_equal(sender.next_seq, 10);
    assert_int_equal(sender.ts_last, 20); /* the clock of reports stays with the newest */
    assert_int_equal(sender.packets_sent, 3);
    send_at(10, 4);
    expect(8, 3);
}

static void one_that_is_far_too_late_harms_nothing(void **state)
{
    (void)state;
    for (uint16_t i = 0; i < 3 * ROOM; i++) {
        send_at((uint16_t)(1000 + i), i);
    }
    send_at(1005, 99);
    for (uint16_t i = 2 * ROOM; i < 3 * ROOM; i++) {
        expect((uint16_t)(1000 + i), i);
    }
    expect_none(1005);
}

static void a_great_leap_empties_the_history(void **state)
{
    (void)state;
    send_at(1, 1);
    send_at(2, 2);
    send_at(20002, 3);
    expect(20002, 3);
    for (uint16_t back = 1; back < ROOM; back++) {
        expect_none((uint16_t)(20002 - back));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_hole_holds_nothing_old, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_late_one_fills_its_hole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_that_is_far_too_late_harms_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_great_leap_empties_the_history, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
