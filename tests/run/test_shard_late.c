/* Whole runs in which somebody else comes after the peer: what its set-up is then, and from when
 * its first media count. Real sockets on the loopback, no waiting but for events. */
#include "run/rig.h"
#include "run/shard_bench.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define PEERS    6
#define LATER_MS ((double)FAKE_LATER_NS / 1e6)

static enum fake_how company_later(uint64_t index)
{
    (void)index;
    return FAKE_COMPANY_LATER;
}

static enum fake_how peer_later(uint64_t index)
{
    (void)index;
    return FAKE_PEER_LATER;
}

static enum fake_how by_turns(uint64_t index)
{
    return index % 2 ? FAKE_COMPANY_LATER : FAKE_WELL;
}

static void run_to_its_end(struct bench *b, enum fake_how (*how)(uint64_t index))
{
    bench_make(b, how);
    b->plan.peers = PEERS;
    b->plan.rate_per_s = 200;
    b->plan.hold_ns = 3 * FAKE_LATER_NS;
    bench_start(b);
    bench_finish(b);
    assert_int_equal(b->result->counts.ok, PEERS);
}

/* What the service itself saw, from the same packet. */
static void assert_media_timed(const struct sq_peer_row *p)
{
    double media_ms = p->stage_ms[SQ_STAGE_MEDIA];
    double seen_ms = fake_media_ms(bench_index_of(p));
    if (!(fabs(media_ms - seen_ms) < 0.5)) {
        fail_msg("%s: setup.media %g ms, the service saw %g", p->id, media_ms, seen_ms);
    }
    assert_true(p->flow[SQ_FLOW_VIDEO_IN].packets > 0 || p->flow[SQ_FLOW_AUDIO_IN].packets > 0);
}

static void assert_holds(struct bench *b, const char *text, bool holds)
{
    struct sq_expect *e = NULL;
    struct sq_expectation out = {0};
    assert_int_equal(sq_expect_parse(text, &e, NULL), 0);
    sq_expect_eval(e, b->result, &out);
    sq_expect_destroy(e);
    if (out.ok != holds) {
        fail_msg("%s: %s", text, out.message);
    }
}

/* The first of a room, and all that come at once: nobody is there, and they are up with their
 * connection. The wait for others is in neither figure; what the service takes then is. */
static void who_finds_nobody_has_its_first_media_timed(void **state)
{
    (void)state;
    struct bench b;
    run_to_its_end(&b, company_later);
    for (size_t i = 0; i < PEERS; i++) {
        const struct sq_peer_row *p = &b.result->peers[i];
        double parts = p->stage_ms[SQ_STAGE_SIGNALING] + p->stage_ms[SQ_STAGE_ICE] +
                       p->stage_ms[SQ_STAGE_DTLS];
        assert_true(p->stage_ms[SQ_STAGE_TOTAL] > parts - 0.5);
        assert_true(p->stage_ms[SQ_STAGE_TOTAL] < LATER_MS);
        assert_media_timed(p);
    }
    assert_int_equal(bench_samples(&b, SQ_METRIC_SETUP_MEDIA), PEERS);
    assert_int_equal(bench_samples(&b, SQ_METRIC_SETUP_ICE), PEERS);
    assert_int_equal(bench_samples(&b, SQ_METRIC_SETUP_DTLS), PEERS);
    assert_int_equal(bench_samples(&b, SQ_METRIC_SETUP_TOTAL), PEERS);
    assert_holds(&b, "setup.media.p95 < 10s", true);
    assert_holds(&b, "setup.media < 10s for 100% of peers", true);
    assert_holds(&b, "setup.media.max < 0.000001ms", false);
    bench_free(&b);
}

/* A viewer of an empty room, where the service has a connection for each publisher. */
static void who_is_given_its_connection_later_has_its_stages(void **state)
{
    (void)state;
    struct bench b;
    run_to_its_end(&b, peer_later);
    for (size_t i = 0; i < PEERS; i++) {
        const struct sq_peer_row *p = &b.result->peers[i];
        assert_true(p->connected);
        assert_true(p->stage_ms[SQ_STAGE_ICE] > 0 && p->stage_ms[SQ_STAGE_DTLS] > 0);
        assert_media_timed(p);
        assert_true(isnan(p->stage_ms[SQ_STAGE_TOTAL])); /* there was no set-up to be over */
    }
    assert_int_equal(bench_samples(&b, SQ_METRIC_SETUP_MEDIA), PEERS);
    assert_int_equal(bench_samples(&b, SQ_METRIC_SETUP_ICE), PEERS);
    assert_int_equal(bench_samples(&b, SQ_METRIC_SETUP_TOTAL), 0);
    bench_free(&b);
}

/* Who found somebody waited for the first media, and has them in its total. */
static void both_kinds_have_one_sample_each(void **state)
{
    (void)state;
    struct bench b;
    run_to_its_end(&b, by_turns);
    for (size_t i = 0; i < PEERS; i++) {
        const struct sq_peer_row *p = &b.result->peers[i];
        assert_media_timed(p);
        double parts = p->stage_ms[SQ_STAGE_SIGNALING] + p->stage_ms[SQ_STAGE_ICE] +
                       p->stage_ms[SQ_STAGE_DTLS];
        parts += by_turns(bench_index_of(p)) == FAKE_WELL ? p->stage_ms[SQ_STAGE_MEDIA] : 0;
        assert_true(p->stage_ms[SQ_STAGE_TOTAL] > parts - 0.5);
    }
    assert_int_equal(bench_samples(&b, SQ_METRIC_SETUP_MEDIA), PEERS);
    bench_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_finds_nobody_has_its_first_media_timed),
        cmocka_unit_test(who_is_given_its_connection_later_has_its_stages),
        cmocka_unit_test(both_kinds_have_one_sample_each),
    };
    return cmocka_run_group_tests(tests, rig_open_clip, rig_close_clip);
}
