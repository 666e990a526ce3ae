/* Runs in which there was nothing to test. */
#include "base/time.h"
#include "run/replay.h"
#include "run/untested.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* What comes too short for a service to send it back is not its fault. */
static void over_before_anything_came_back(void **state)
{
    (void)state;
    struct sq_peer_row peers[2] = {{.outcome = SQ_OUTCOME_FAILED, .cause = SQ_FAILURE_NO_MEDIA},
                                   {.outcome = SQ_OUTCOME_FAILED, .cause = SQ_FAILURE_NO_MEDIA}};
    struct sq_replay replay = {.duration_ns = 499 * SQ_NS_PER_MS};
    struct sq_plan plan = {
        .groups = {{.publishes = true, .replay = &replay}}, .groups_len = 1, .peers = 2};
    struct sq_result result = {.peers = peers, .peer_count = 2};
    sq_untested_check(&plan, true, &result);
    assert_non_null(strstr(result.error, "the recording of 0.499 s was over before a rate"));
    result.error[0] = '\0';
    peers[1].cause = SQ_FAILURE_ICE;
    sq_untested_check(&plan, false, &result);
    assert_string_equal(result.error, "");
    peers[1].cause = SQ_FAILURE_NO_MEDIA;
    replay.duration_ns = SQ_NS_PER_SEC; /* long enough: it should have come */
    sq_untested_check(&plan, false, &result);
    assert_string_equal(result.error, "");
    peers[0] = (struct sq_peer_row){.outcome = SQ_OUTCOME_OK, .connected = true};
    sq_untested_check(&plan, true, &result);
    assert_string_equal(result.error, "");
    sq_untested_check(&plan, false, &result);
    assert_non_null(strstr(result.error, "was over before a rate"));
}

/* Viewers alone; but where there was somebody, or messages, or something expected, it was a test.
 */
static void nobody_to_watch(void **state)
{
    (void)state;
    struct sq_peer_row peer = {.outcome = SQ_OUTCOME_OK};
    struct sq_plan plan = {.groups = {{.watches = true}}, .groups_len = 1, .peers = 1};
    struct sq_result result = {.peers = &peer, .peer_count = 1};
    sq_untested_check(&plan, true, &result);
    assert_string_equal(result.error, "");
    plan.groups[0].data.on = true;
    sq_untested_check(&plan, false, &result);
    assert_string_equal(result.error, "");
    plan.groups[0].data.on = false;
    sq_plan_split(&plan, 1);
    sq_untested_check(&plan, false, &result);
    assert_string_equal(result.error, "");
    sq_plan_split(&plan, 0);
    peer.flow[SQ_FLOW_VIDEO_IN].agreed = true;
    sq_untested_check(&plan, false, &result);
    assert_string_equal(result.error, "");
    peer.flow[SQ_FLOW_VIDEO_IN].agreed = false;
    peer.outcome = SQ_OUTCOME_FAILED; /* the failure is the news */
    sq_untested_check(&plan, false, &result);
    assert_string_equal(result.error, "");
    peer.outcome = SQ_OUTCOME_OK;
    sq_untested_check(&plan, false, &result);
    assert_non_null(strstr(result.error, "nobody was there to watch"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(over_before_anything_came_back),
        cmocka_unit_test(nobody_to_watch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
