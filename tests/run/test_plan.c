/* The plan: defaults, arrivals over the whole run, rooms and roles. */
#include "base/time.h"
#include "run/plan.h"
#include <math.h>
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
    const struct sq_plan_group *all = &plan.groups[0];
    assert_int_equal(plan.groups_len, 1);
    assert_true(all->publishes && all->watches && all->audio && all->video && all->trickle);
    assert_false(all->insecure);
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
    plan.rate_per_s = 0.05;
    plan.duration_ns = 50 * SQ_NS_PER_SEC;
    assert_int_equal(sq_plan_arrivals(&plan), 3); /* after 0, 20 and 40 s */
    plan.duration_ns = 0;
    assert_int_equal(sq_plan_arrivals(&plan), 30); /* hold alone: each comes once and leaves */
}

static struct sq_plan_place place_of(const struct sq_plan *plan, uint64_t index)
{
    struct sq_plan_place place;
    sq_plan_place(plan, index, &place);
    return place;
}

static void rooms_and_roles(void **state)
{
    (void)state;
    struct sq_plan plan;
    sq_plan_defaults(&plan);
    for (uint64_t i = 0; i < 1000; i += 111) { /* one room, all publish */
        assert_int_equal(place_of(&plan, i).room, 0);
        assert_int_equal(place_of(&plan, i).ordinal, i);
        assert_true(place_of(&plan, i).group->publishes);
    }
    assert_string_equal(sq_plan_role(place_of(&plan, 0).group), "participant");
    sq_plan_split(&plan, 2); /* one room: the first two */
    assert_true(place_of(&plan, 1).group->publishes);
    assert_false(place_of(&plan, 2).group->publishes);
    assert_false(place_of(&plan, 1000).group->publishes);
    assert_int_equal(place_of(&plan, 1000).ordinal, 998);
    plan.room_size = 5; /* the first two of each room */
    static const bool publishes[] = {true, true, false, false, false};
    static const uint64_t before[] = {0, 1, 0, 1, 2};
    for (uint64_t i = 0; i < 50; i++) {
        struct sq_plan_place place = place_of(&plan, i);
        assert_int_equal(place.room, i / 5);
        assert_int_equal(place.group->publishes, publishes[i % 5]);
        assert_int_equal(place.ordinal, i / 5 * (publishes[i % 5] ? 2 : 3) + before[i % 5]);
    }
    sq_plan_split(&plan, 0);
    assert_false(sq_plan_publishes(&plan));
    assert_string_equal(sq_plan_role(place_of(&plan, 0).group), "viewer");
    sq_plan_split(&plan, 3); /* a group that nobody is of any more has no say */
    assert_int_equal(plan.groups_len, 2);
    sq_plan_split(&plan, 0);
    assert_int_equal(plan.groups_len, 1);
}

/* Three groups, in rooms and in one. */
static void groups_fill_a_room_in_order(void **state)
{
    (void)state;
    struct sq_plan plan;
    sq_plan_defaults(&plan);
    plan.groups[1] = plan.groups[2] = plan.groups[0];
    plan.groups[0].per_room = 1;
    plan.groups[1].per_room = 2;
    plan.groups[2].publishes = false;
    plan.groups_len = 3;
    plan.room_size = 6;
    plan.peers = 600;
    uint64_t members[3] = {0};
    for (uint64_t i = 0; i < 600; i++) {
        struct sq_plan_place place = place_of(&plan, i);
        assert_int_equal(place.ordinal, members[place.group - plan.groups]++);
    }
    assert_int_equal(members[0], 100);
    assert_int_equal(members[1], 200);
    assert_int_equal(members[2], 300);
    assert_int_equal(sq_plan_publishers(&plan), 3);
    plan.room_size = 0;
    assert_ptr_equal(place_of(&plan, 0).group, &plan.groups[0]);
    assert_ptr_equal(place_of(&plan, 2).group, &plan.groups[1]);
    assert_ptr_equal(place_of(&plan, 599).group, &plan.groups[2]);
    assert_int_equal(place_of(&plan, 599).ordinal, 596);
    plan.room_size = 2; /* smaller than its groups: the first ones fill it */
    assert_ptr_equal(place_of(&plan, 5).group, &plan.groups[1]);
    assert_int_equal(place_of(&plan, 5).ordinal, 2);
    assert_int_equal(sq_plan_publishers(&plan), 2);
}

/* The same by walking: rooms one after the other, whose sizes are handed out by largest due. */
static void rooms_of_several_sizes(void **state)
{
    (void)state;
    struct sq_plan plan;
    sq_plan_defaults(&plan);
    plan.sizes[0] = (struct sq_plan_size){2, 0.7};
    plan.sizes[1] = (struct sq_plan_size){5, 0.2};
    plan.sizes[2] = (struct sq_plan_size){30, 0.1};
    plan.sizes_len = 3;
    assert_true(sq_plan_has_rooms(&plan));
    assert_int_equal(sq_plan_room_min(&plan), 2);
    assert_int_equal(sq_plan_room_max(&plan), 30);
    uint64_t of_size[31] = {0};
    uint64_t room = 0;
    uint64_t members = 0;
    const uint64_t users = sq_plan_users(&plan, 1000);
    assert_int_equal(users, 700 * 2 + 200 * 5 + 100 * 30);
    for (uint64_t i = 0; i <= users; i++) {
        struct sq_plan_place place = place_of(&plan, i);
        if (place.room != room) {
            assert_int_equal(place.room, room + 1);
            assert_true(members == 2 || members == 5 || members == 30);
            assert_int_equal(sq_plan_users(&plan, room + 1), i);
            of_size[members]++;
            room = place.room;
            members = 0;
            /* At any time the shares are as near as whole rooms allow. */
            assert_true(fabs((double)of_size[2] - 0.7 * (double)room) <= 1);
            assert_true(fabs((double)of_size[5] - 0.2 * (double)room) <= 1);
            assert_true(fabs((double)of_size[30] - 0.1 * (double)room) <= 1);
        }
        members++;
        assert_int_equal(place.ordinal, i); /* there is one group */
    }
    assert_int_equal(room, 1000);
    assert_int_equal(of_size[2], 700);
    assert_int_equal(of_size[5], 200);
    assert_int_equal(of_size[30], 100);
}

/* One host of each room, and the others in shares; in rooms of several sizes, of one, and in one.
 */
static void groups_share_the_rest(void **state)
{
    (void)state;
    struct sq_plan plan;
    sq_plan_defaults(&plan);
    for (int i = 1; i < 4; i++) {
        plan.groups[i] = plan.groups[0];
    }
    plan.groups[0].share = 0.5; /* order is no matter: who has a number comes first */
    plan.groups[1].per_room = 1;
    plan.groups[1].name = "host";
    plan.groups[2].share = 0.3;
    plan.groups[3].share = 0.2;
    plan.groups_len = 4;
    plan.peers = 10000;
    static const double shares[] = {0.5, 0, 0.3, 0.2};
    for (int kind = 0; kind < 3; kind++) {
        plan.room_size = kind == 1 ? 7 : 0;
        plan.sizes_len = kind == 2 ? 2 : 0;
        plan.sizes[0] = (struct sq_plan_size){2, 0.75};
        plan.sizes[1] = (struct sq_plan_size){9, 0.25};
        uint64_t members[4] = {0};
        uint64_t others = 0;
        uint64_t room = UINT64_MAX;
        for (uint64_t i = 0; i < plan.peers; i++) {
            struct sq_plan_place place = place_of(&plan, i);
            size_t g = (size_t)(place.group - plan.groups);
            assert_int_equal(place.ordinal, members[g]++);
            assert_int_equal(g == 1, place.room != room); /* the first of each room */
            room = place.room;
            others += g != 1;
            for (size_t k = 0; k < 4; k++) {
                assert_true(k == 1 || fabs((double)members[k] - shares[k] * (double)others) < 1);
            }
        }
        assert_int_equal(members[1], room + 1);
    }
    assert_string_equal(sq_plan_role(&plan.groups[1]), "host");
    assert_string_equal(sq_plan_role(&plan.groups[2]), "participant");
    plan.groups[0].publishes = plan.groups[3].publishes = false;
    assert_in_range(sq_plan_publishers(&plan), 1 + 3, 1 + 8); /* of 8 others 30 %, or one more */
}

/* No group takes the rest: the last one does. */
static void a_room_is_one_of_each(void **state)
{
    (void)state;
    struct sq_plan plan;
    sq_plan_defaults(&plan);
    plan.groups[1] = plan.groups[0];
    plan.groups[0].per_room = plan.groups[1].per_room = 1;
    plan.groups_len = 2;
    plan.room_size = 2;
    for (uint64_t i = 0; i < 20; i++) {
        struct sq_plan_place place = place_of(&plan, i);
        assert_ptr_equal(place.group, &plan.groups[i % 2]);
        assert_int_equal(place.ordinal, i / 2);
    }
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
    struct sq_plan_group group = {.networks_len = 0};
    size_t counts[3] = {0};
    assert_null(sq_plan_network(&group, 0));
    group.networks[0] = (struct sq_plan_network){.name = "a", .share = 0.5};
    group.networks[1] = (struct sq_plan_network){.name = "b", .share = 0.3};
    group.networks[2] = (struct sq_plan_network){.name = "c", .share = 0.2};
    group.networks_len = 3;
    for (uint64_t i = 0; i < 10000; i++) {
        counts[sq_plan_network(&group, i) - group.networks]++;
        for (size_t k = 0; k < 3; k++) {
            double wanted = group.networks[k].share * (double)(i + 1);
            assert_true((double)counts[k] > wanted - 1 && (double)counts[k] < wanted + 1);
        }
    }
    assert_int_equal(counts[0], 5000);
    assert_int_equal(counts[1], 3000);
    group.networks_len = 1;
    group.networks[0].share = 1;
    assert_ptr_equal(sq_plan_network(&group, 7), &group.networks[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_complete),
        cmocka_unit_test(arrivals_of_the_whole_run),
        cmocka_unit_test(rooms_and_roles),
        cmocka_unit_test(groups_fill_a_room_in_order),
        cmocka_unit_test(rooms_have_names),
        cmocka_unit_test(rooms_of_several_sizes),
        cmocka_unit_test(groups_share_the_rest),
        cmocka_unit_test(a_room_is_one_of_each),
        cmocka_unit_test(networks_have_their_shares),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
