/* The plan: defaults, arrivals over the whole run, rooms and roles. */
#include "base/time.h"
#include "run/plan.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void defaults_are_complete(void **state)
{
    (void)state;
    struct sq_plan plan;
    sq_plan_defaults(&plan);
    assert_int_equal(plan.peers, 1);
    assert_int_equal(plan.threads, 1);
    assert_true(plan.audio && plan.video && plan.listen && plan.trickle);
    assert_false(plan.insecure);
    assert_non_null(plan.room);
    assert_true(plan.answer_timeout_ns > 0 && plan.connect_timeout_ns > 0 &&
                plan.media_timeout_ns > 0);
    /* Without bounds a starved generator would pass. */
    assert_true(plan.lateness_p99_max_ms > 0 && plan.cpu_max_percent > 0 &&
                plan.cpu_max_percent <= 100);
    assert_true(plan.drops_max_share > 0 && plan.drops_max_share < 0.01);
}

static void arrivals_of_the_whole_run(void **state)
{
    (void)state;
    struct sq_plan plan;
    sq_plan_defaults(&plan);
    plan.peers = 30;
    plan.rate_per_s = 5;
    plan.duration_ns = 60 * SQ_NS_PER_SEC;
    assert_int_equal(sq_plan_arrivals(&plan), 30); /* no hold: each comes once and stays */
    plan.hold_ns = 2 * SQ_NS_PER_SEC;
    assert_int_equal(sq_plan_arrivals(&plan), 300); /* they come as long as the run lasts */
    plan.duration_ns = 0;
    assert_int_equal(sq_plan_arrivals(&plan), 30); /* hold alone: each comes once and leaves */
}

static void rooms_and_roles(void **state)
{
    (void)state;
    struct sq_plan plan;
    sq_plan_defaults(&plan);
    for (uint64_t i = 0; i < 1000; i += 111) { /* one room, all publish */
        assert_int_equal(sq_plan_room_number(&plan, i), 0);
        assert_true(sq_plan_publishes(&plan, i));
    }
    plan.publishers = 2; /* one room: the first two */
    assert_true(sq_plan_publishes(&plan, 1));
    assert_false(sq_plan_publishes(&plan, 2));
    assert_false(sq_plan_publishes(&plan, 1000));
    plan.room_size = 5; /* the first two of each room */
    static const bool publishes[] = {true, true, false, false, false};
    for (uint64_t i = 0; i < 50; i++) {
        assert_int_equal(sq_plan_room_number(&plan, i), i / 5);
        assert_int_equal(sq_plan_publishes(&plan, i), publishes[i % 5]);
    }
    plan.publishers = 0;
    assert_false(sq_plan_publishes(&plan, 0));
}

static void assert_room(const struct sq_plan *plan, uint64_t index, const char *wanted)
{
    char name[SQ_PLAN_ROOM_MAX + 1];
    sq_plan_room_name(plan, index, name);
    assert_string_equal(name, wanted);
}

static void rooms_have_names(void **state)
{
    (void)state;
    struct sq_plan plan;
    sq_plan_defaults(&plan);
    plan.room = "1234";
    assert_room(&plan, 7, "1234"); /* all in one */
    plan.room_size = 5;
    assert_room(&plan, 4, "1234-0");
    assert_room(&plan, 10, "1234-2");
    plan.room_counts = true;
    assert_room(&plan, 4, "1234");
    assert_room(&plan, 10, "1236");
    plan.room = "demo";
    assert_room(&plan, 4, "demo");
    assert_room(&plan, 10, "demo-2");
    plan.room = "123456789012345678901234567890"; /* no number that fits */
    assert_room(&plan, 2000000, "123456789012345678901234567890-400000");
}

/* Of the first so many users each network has its share, but for one user at most. */
static void networks_have_their_shares(void **state)
{
    (void)state;
    struct sq_plan plan;
    size_t counts[3] = {0};
    sq_plan_defaults(&plan);
    assert_null(sq_plan_network(&plan, 0));
    plan.networks[0] = (struct sq_plan_network){.name = "a", .share = 0.5};
    plan.networks[1] = (struct sq_plan_network){.name = "b", .share = 0.3};
    plan.networks[2] = (struct sq_plan_network){.name = "c", .share = 0.2};
    plan.networks_len = 3;
    for (uint64_t i = 0; i < 10000; i++) {
        counts[sq_plan_network(&plan, i) - plan.networks]++;
        for (size_t k = 0; k < 3; k++) {
            double wanted = plan.networks[k].share * (double)(i + 1);
            assert_true((double)counts[k] > wanted - 2 && (double)counts[k] < wanted + 2);
        }
    }
    assert_int_equal(counts[0], 5000);
    assert_int_equal(counts[1], 3000);
    plan.networks_len = 1;
    plan.networks[0].share = 1;
    assert_ptr_equal(sq_plan_network(&plan, 7), &plan.networks[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_complete),
        cmocka_unit_test(arrivals_of_the_whole_run),
        cmocka_unit_test(rooms_and_roles),
        cmocka_unit_test(rooms_have_names),
        cmocka_unit_test(networks_have_their_shares),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
