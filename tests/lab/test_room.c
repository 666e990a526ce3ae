/* Rooms of the lab, with real loops and sockets on loopback. */
#include "base/time.h"
#include "lab/rig.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void check_ok(const struct person *p)
{
    if (p->failed || p->lost) {
        fail_msg("%s: failed: %s", p->user.name, p->text);
    }
}

static void leave(struct person *p)
{
    sq_signal_room.leave(p->signal);
    RIG_UNTIL(p->left);
    person_free(p);
}

static void three_see_and_hear_each_other(void **state)
{
    (void)state;
    struct person ann, ben, cat;
    person_come(&ann, "r", "Ann", true, true);
    person_come(&ben, "r", "Ben", true, true);
    person_come(&cat, "r", "Cat", false, true);
    RIG_UNTIL(ann.joined && ben.joined && cat.joined);
    RIG_UNTIL(person_hears(&cat, SQ_MEDIA_VIDEO).tracks == 2 &&
              person_hears(&cat, SQ_MEDIA_VIDEO).least_frames > 20);
    RIG_UNTIL(person_hears(&ann, SQ_MEDIA_VIDEO).frames > 20 &&
              person_hears(&ben, SQ_MEDIA_VIDEO).frames > 20);
    RIG_UNTIL(person_hears(&cat, SQ_MEDIA_AUDIO).alive == 2);
    struct person *const all[] = {&ann, &ben, &cat};
    for (size_t i = 0; i < 3; i++) {
        check_ok(all[i]);
        assert_true(all[i]->connected);
        assert_int_equal(person_hears(all[i], SQ_MEDIA_VIDEO).tracks, i == 2 ? 2 : 1);
        assert_int_equal(person_hears(all[i], SQ_MEDIA_AUDIO).tracks, i == 2 ? 2 : 1);
        assert_int_equal(person_hears(all[i], SQ_MEDIA_VIDEO).lost, 0);
        assert_int_equal(person_hears(all[i], SQ_MEDIA_AUDIO).lost, 0);
        assert_true(all[i]->phases & 1U << SQ_PHASE_SIGNALING);
        assert_true(all[i]->phases & 1U << SQ_PHASE_CONNECT);
        assert_false(all[i]->phases & 1U << SQ_PHASE_TLS);
    }
    assert_int_equal(rig_stat("participants"), 3);
    leave(&ann);
    /* Her sections fall silent. */
    RIG_UNTIL(person_hears(&cat, SQ_MEDIA_VIDEO).tracks == 1);
    RIG_UNTIL(person_hears(&ben, SQ_MEDIA_VIDEO).tracks == 0);
    uint64_t frames = person_hears(&cat, SQ_MEDIA_VIDEO).frames;
    RIG_UNTIL(person_hears(&cat, SQ_MEDIA_VIDEO).frames > frames + 10);
    leave(&ben);
    leave(&cat);
    RIG_UNTIL(rig_stat("participants") == 0);
    assert_int_equal(rig_stat("rooms"), 0);
    assert_int_equal(rig_stat("left"), 3);
    assert_int_equal(rig_stat("failed"), 0);
}

static void one_who_comes_late_gets_a_key_frame(void **state)
{
    (void)state;
    struct person ann, late;
    person_come(&ann, "r", "Ann", true, false);
    RIG_UNTIL(person_sent(&ann, SQ_MEDIA_VIDEO) > 30);
    person_come(&late, "r", "Late", false, true);
    RIG_UNTIL(person_hears(&late, SQ_MEDIA_VIDEO).frames > 0);
    assert_int_equal(person_hears(&late, SQ_MEDIA_VIDEO).key_frames, 1);
    struct sq_outbound_stats out;
    sq_track_outbound_stats(person_sends(&ann, SQ_MEDIA_VIDEO), sq_loop_now(rig_loop), &out);
    assert_true(out.pli_count >= 1);
    check_ok(&late);
    /* And a PLI of a viewer goes through to the publisher. */
    uint64_t before = out.pli_count;
    uint64_t keys = person_hears(&late, SQ_MEDIA_VIDEO).key_frames;
    rig_run_for(400 * SQ_NS_PER_MS); /* PLI are at least 300 ms apart */
    struct sq_peer *peer = sq_endpoint_peer(late.endpoint);
    for (size_t i = 0; i < sq_peer_track_count(peer); i++) {
        if (sq_track_kind(sq_peer_track(peer, i)) == SQ_MEDIA_VIDEO) {
            sq_track_request_key_frame(sq_peer_track(peer, i), sq_loop_now(rig_loop));
        }
    }
    RIG_UNTIL(person_hears(&late, SQ_MEDIA_VIDEO).key_frames > keys);
    sq_track_outbound_stats(person_sends(&ann, SQ_MEDIA_VIDEO), sq_loop_now(rig_loop), &out);
    assert_true(out.pli_count > before);
    person_free(&ann);
    person_free(&late);
}

static void a_crowd_needs_few_offers(void **state)
{
    (void)state;
    struct person all[10];
    for (size_t i = 0; i < 10; i++) {
        person_come(&all[i], "crowd", "x", i < 4, true);
    }
    for (size_t i = 0; i < 10; i++) {
        RIG_UNTIL(person_hears(&all[i], SQ_MEDIA_VIDEO).alive == (i < 4 ? 3 : 4));
        RIG_UNTIL(person_hears(&all[i], SQ_MEDIA_AUDIO).alive == (i < 4 ? 3 : 4));
        RIG_UNTIL(person_hears(&all[i], SQ_MEDIA_VIDEO).least_frames > 5);
        check_ok(&all[i]);
        assert_true(all[i].offers <= 6);
    }
    for (size_t i = 0; i < 10; i++) {
        person_free(&all[i]);
    }
}

static void sections_are_used_again(void **state)
{
    (void)state;
    struct person viewer, guest;
    person_come(&viewer, "r", "Viewer", false, true);
    RIG_UNTIL(viewer.joined);
    for (int round = 0; round < 4; round++) {
        uint64_t frames = person_hears(&viewer, SQ_MEDIA_VIDEO).frames;
        person_come(&guest, "r", "Guest", true, false);
        RIG_UNTIL(person_hears(&viewer, SQ_MEDIA_VIDEO).tracks == 1 &&
                  person_hears(&viewer, SQ_MEDIA_VIDEO).frames > frames + 8);
        assert_int_equal(person_hears(&viewer, SQ_MEDIA_AUDIO).tracks, 1);
        assert_int_equal(person_hears(&viewer, SQ_MEDIA_VIDEO).lost, 0);
        assert_int_equal(sq_peer_track_count(sq_endpoint_peer(viewer.endpoint)), 2);
        leave(&guest);
        RIG_UNTIL(person_hears(&viewer, SQ_MEDIA_VIDEO).tracks == 0);
        check_ok(&viewer);
    }
    leave(&viewer);
}

static void an_echo_room_gives_back_what_is_sent(void **state)
{
    (void)state;
    struct person ann, ben;
    person_come(&ann, "echo-1", "Ann", true, true);
    person_come(&ben, "echo-1", "Ben", true, true);
    RIG_UNTIL(person_hears(&ann, SQ_MEDIA_VIDEO).frames > 20 &&
              person_hears(&ben, SQ_MEDIA_VIDEO).frames > 20);
    RIG_UNTIL(person_hears(&ann, SQ_MEDIA_AUDIO).packets > 20);
    assert_int_equal(person_hears(&ann, SQ_MEDIA_VIDEO).tracks, 1); /* only her own */
    assert_int_equal(person_hears(&ann, SQ_MEDIA_VIDEO).lost, 0);
    assert_ptr_equal(person_sends(&ann, SQ_MEDIA_VIDEO),
                     sq_peer_track(sq_endpoint_peer(ann.endpoint), 1));
    check_ok(&ann);
    check_ok(&ben);
    leave(&ann);
    leave(&ben);
}

static void ice_is_restarted_on_request(void **state)
{
    (void)state;
    struct person ann;
    const char *ufrag, *pwd;
    char before[64];
    person_come(&ann, "echo", "Ann", true, true);
    RIG_UNTIL(person_hears(&ann, SQ_MEDIA_VIDEO).frames > 5);
    sq_peer_local_ice(sq_endpoint_peer(ann.endpoint), &ufrag, &pwd);
    snprintf(before, sizeof(before), "%s", ufrag);
    assert_int_equal(sq_signal_room.restart_ice(ann.signal), 0);
    RIG_UNTIL(ann.offers == 2);
    sq_peer_local_ice(sq_endpoint_peer(ann.endpoint), &ufrag, &pwd);
    assert_string_not_equal(ufrag, before);
    uint64_t frames = person_hears(&ann, SQ_MEDIA_VIDEO).frames;
    RIG_UNTIL(person_hears(&ann, SQ_MEDIA_VIDEO).frames > frames + 30);
    check_ok(&ann);
    leave(&ann);
}

static void kinds_can_be_left_out(void **state)
{
    (void)state;
    struct person ann, ben = {.user = {.name = "Ben",
                                       .room = "r",
                                       .recv_audio = true,
                                       .trickle = false,
                                       .timeout_ns = 5 * SQ_NS_PER_SEC}};
    person_come(&ann, "r", "Ann", true, false);
    person_open(&ben, NULL);
    RIG_UNTIL(person_hears(&ben, SQ_MEDIA_AUDIO).packets > 20);
    assert_int_equal(person_hears(&ben, SQ_MEDIA_VIDEO).tracks, 0);
    check_ok(&ben);
    person_free(&ann);
    person_free(&ben);
}

static void a_wrong_token_is_told(void **state)
{
    (void)state;
    rig_lab_with(&(struct sq_lab_config){.token = "open sesame"});
    struct person ann = {.user = {.name = "Ann", .room = "r", .token = "open barley"}};
    struct person ben = {.user = {.name = "Ben", .room = "r"}};
    struct person cat = {.user = {.name = "Cat", .room = "r", .token = "open sesame"}};
    person_open(&ann, NULL);
    person_open(&ben, NULL);
    person_open(&cat, NULL);
    RIG_UNTIL(ann.failed && ben.failed && cat.joined);
    assert_int_equal(ann.cause, SQ_CAUSE_AUTH);
    assert_int_equal(ben.cause, SQ_CAUSE_AUTH);
    assert_non_null(strstr(ann.text, "the token is wrong"));
    assert_non_null(strstr(ben.text, "the token is missing"));
    person_free(&ann);
    person_free(&ben);
    person_free(&cat);
}

static void ice_lite_works_as_well(void **state)
{
    (void)state;
    rig_lab_with(&(struct sq_lab_config){.ice_lite = true, .prefer_cm = true});
    struct person ann;
    person_come(&ann, "echo", "Ann", true, true);
    RIG_UNTIL(person_hears(&ann, SQ_MEDIA_VIDEO).frames > 10);
    struct sq_transport_stats t;
    sq_peer_transport_stats(sq_endpoint_peer(ann.endpoint), &t);
    check_ok(&ann);
    person_free(&ann);
}

static void a_lab_that_stops_says_so(void **state)
{
    (void)state;
    struct person ann, ben;
    person_come(&ann, "r", "Ann", true, true);
    person_come(&ben, "r", "Ben", true, true);
    RIG_UNTIL(person_hears(&ben, SQ_MEDIA_VIDEO).frames > 3);
    sq_lab_stop(rig_lab);
    rig_lab = NULL;
    RIG_UNTIL(ann.failed && ben.failed);
    assert_int_equal(ann.cause, SQ_CAUSE_SIGNALING);
    assert_non_null(strstr(ann.text, "the lab stops"));
    person_free(&ann);
    person_free(&ben);
}

static void nobody_there_is_told(void **state)
{
    (void)state;
    struct person ann = {.user = {.name = "Ann", .room = "r", .timeout_ns = 2 * SQ_NS_PER_SEC}};
    person_open(&ann, "room+ws://127.0.0.1:1/room");
    RIG_UNTIL(ann.failed);
    assert_int_equal(ann.cause, SQ_CAUSE_CONNECT);
    person_free(&ann);
    struct person ben = {.user = {.name = "Ben", .room = "r", .timeout_ns = 2 * SQ_NS_PER_SEC}};
    char url[SQ_LAB_URL_MAX + 8];
    snprintf(url, sizeof(url), "%s", rig_url(SQ_LAB_URL_ROOM, "x"));
    person_open(&ben, url); /* a path that is none */
    RIG_UNTIL(ben.failed);
    assert_int_equal(ben.cause, SQ_CAUSE_SIGNALING);
    assert_non_null(strstr(ben.text, "404"));
    person_free(&ben);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, rig_up, rig_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(three_see_and_hear_each_other),
        TEST(one_who_comes_late_gets_a_key_frame),
        TEST(a_crowd_needs_few_offers),
        TEST(sections_are_used_again),
        TEST(an_echo_room_gives_back_what_is_sent),
        TEST(ice_is_restarted_on_request),
        TEST(kinds_can_be_left_out),
        TEST(a_wrong_token_is_told),
        TEST(ice_lite_works_as_well),
        TEST(a_lab_that_stops_says_so),
        TEST(nobody_there_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
