/* What may be expected of a call of two, and the bound that it has by itself. */
#include "cli/pair_call.h"
#include "stats/metrics.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static bool measures(const char *text, bool media, char *why, size_t room)
{
    struct sq_expect *e = NULL;
    assert_int_equal(sq_expect_parse(text, &e, NULL), 0);
    why[0] = '\0';
    bool fine = sq_pair_call_measures(e, media, why, room);
    sq_expect_destroy(e);
    return fine;
}

static void what_never_has_a_sample_is_refused(void **state)
{
    static const struct {
        const char *text;
        bool media;
        const char *why; /* NULL: it is taken */
    } cases[] = {
        {"video.in.fps > 5", true, NULL},
        {"video.in.freeze < 1s and audio.out.jitter.p95 < 30ms", true, NULL},
        {"audio.in > 0", true, NULL},
        {"peers.ok == 1", true, NULL},
        {"generator.drops == 0", true, NULL},
        {"setup.ice < 2s or setup.dtls < 2s", true, NULL},
        {"video.in.width >= 640 for 100% of peers", true, NULL},
        {"audio.in.rtt < 50ms", false, NULL}, /* by STUN */
        {"setup.ice < 2s", false, NULL},
        {"peers.failed == 0", false, NULL},
        {"score >= 9", true, "column 1: squall pair does not measure score; expected setup.ice"},
        {"audio.in > 0 and mos > 3", true, "column 18: squall pair does not measure mos;"},
        {"setup.total < 5s", true, "does not measure setup.total"},
        {"video.in.width >= 640", true, "does not measure video.in.width"},
        {"data.rtt < 50ms else warn", true, "does not measure data.rtt"},
        {"timer.login < 2s", true, "does not measure login"},
        {"score >= 9", false, "does not measure score"},
        {"video.in.fps > 5", false, "column 1: without media there is no video.in.fps; expected"},
        {"setup.ice < 2s and audio.in > 0", false,
         "column 20: without media there is no audio.in;"},
        {"audio.out.rtt < 50ms", false, "there is no audio.out.rtt"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char why[312];
        bool fine = measures(cases[i].text, cases[i].media, why, sizeof(why));
        if (fine != !cases[i].why || (cases[i].why && !strstr(why, cases[i].why))) {
            fail_msg("'%s' gives '%s'", cases[i].text, why);
        }
    }
}

static void add_sample(struct sq_pair_call *call, enum sq_metric_id id)
{
    struct sq_metric_row *row = sq_result_add_metric(call->result, id);
    assert_non_null(row);
    sq_metric_record(row->hist, id, 12);
}

/* Where nobody has another, it is of the round trips that were measured: a short call may have none
 * of STUN. */
static void the_round_trip_is_bounded_where_it_was_measured(void **state)
{
    struct sq_pair_call call;
    (void)state;
    assert_int_equal(sq_pair_call_init(&call, true), 0);
    assert_null(sq_pair_call_rtt_bound(&call));
    add_sample(&call, SQ_METRIC_VIDEO_OUT_RTT);
    assert_string_equal(sq_pair_call_rtt_bound(&call), "video.out.rtt < 400ms else warn");
    add_sample(&call, SQ_METRIC_AUDIO_OUT_RTT);
    assert_string_equal(sq_pair_call_rtt_bound(&call), "audio.out.rtt < 400ms else warn");
    add_sample(&call, SQ_METRIC_AUDIO_IN_RTT);
    assert_string_equal(sq_pair_call_rtt_bound(&call), "audio.in.rtt < 400ms else warn");
    sq_pair_call_free(&call);
}

/* Its closing text; free it. */
static char *printed(const struct sq_pair_call *call)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    sq_pair_call_print(call, out);
    assert_int_equal(fclose(out), 0);
    return text;
}

/* Of a connection that is lost: the path is told as it was, and nothing of one that was never
 * known. */
static void a_path_that_is_gone_is_told_as_it_was(void **state)
{
    static const struct sq_transport_stats there = {.local_type = "host",
                                                    .remote_type = "srflx",
                                                    .local_addr = "10.0.0.1:5000",
                                                    .remote_addr = "10.0.0.2:6000"};
    static const struct sq_transport_stats gone = {.bytes_received = 7};
    struct sq_pair_call call;
    (void)state;
    assert_int_equal(sq_pair_call_init(&call, false), 0);
    call.began_ns = 1;
    sq_pair_call_transport(&call, &gone);
    char *text = printed(&call);
    assert_non_null(strstr(text, "Measured for"));
    assert_null(strstr(text, "  path "));
    free(text);
    sq_pair_call_transport(&call, &there);
    sq_pair_call_transport(&call, &gone);
    assert_int_equal(call.transport.bytes_received, 7);
    SQ_RESULT_SET(call.result->peers[0].local_candidate, call.transport.local_type);
    SQ_RESULT_SET(call.result->peers[0].remote_candidate, call.transport.remote_type);
    text = printed(&call);
    assert_non_null(strstr(text, "  path        10.0.0.1:5000 (own address) to 10.0.0.2:6000 "
                                 "(behind a NAT, found by STUN)\n"));
    free(text);
    sq_pair_call_free(&call);
}

/* There is no service in a call of two. */
static void a_late_machine_says_nothing_about_the_path(void **state)
{
    (void)state;
    for (int interrupted = 0; interrupted <= 1; interrupted++) {
        struct sq_pair_call call;
        assert_int_equal(sq_pair_call_init(&call, false), 0);
        call.result->generator.ok = false;
        call.result->interrupted = interrupted;
        SQ_RESULT_SET(call.result->generator.reason, "timers were 90.0 ms late");
        assert_int_equal(
            sq_pair_call_finish(&call, NULL, 0, SQ_FAILURE_MEDIA_LOST, "gone", NULL, 0), 0);
        assert_int_equal(call.result->verdict, SQ_VERDICT_INVALID);
        assert_non_null(strstr(call.result->verdict_reason,
                               "so this says nothing about the path: timers were 90.0 ms late"));
        sq_pair_call_free(&call);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_never_has_a_sample_is_refused),
        cmocka_unit_test(the_round_trip_is_bounded_where_it_was_measured),
        cmocka_unit_test(a_path_that_is_gone_is_told_as_it_was),
        cmocka_unit_test(a_late_machine_says_nothing_about_the_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
