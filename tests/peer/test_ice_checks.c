/* The ICE agent check by check, against a puppet: order, pacing, roles, answers, what may change.
 */
#include "base/time.h"
#include "peer/ice_net.h"
#include "peer/ice_puppet.h"
#include "peer/stun/stun.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define SEC SQ_NS_PER_SEC
#define MS  SQ_NS_PER_MS

static struct sq_ice_pair_stats pair(const struct puppet *p, size_t i)
{
    struct sq_ice_pair_stats s;
    assert_int_equal(sq_ice_pair_stats(p->ice, i, &s), 0);
    return s;
}

/* RFC 8445, section 7.2.5.1: the other role, another tie-breaker, the same pair again. */
static void role_conflict_answer(void **state)
{
    struct puppet p;
    puppet_start(&p, true, false, NULL);
    puppet_candidate(&p, "1", 9, 1);
    p.answers = false;
    puppet_run(&p, p.now_ns + MS);
    assert_int_equal(p.requests, 1);
    assert_true(p.said_controlling);
    uint64_t tie = p.tie;
    puppet_run(&p, p.now_ns + 400 * MS);
    p.answers = true;
    p.answer_error = 487;
    puppet_run(&p, p.now_ns + 110 * MS); /* the repeat, at 500 ms, is refused */
    assert_false(sq_ice_controlling(p.ice));
    assert_int_equal(p.requests, 3);
    assert_false(p.said_controlling);
    assert_true(p.tie != tie);
    assert_int_equal(pair(&p, 0).state, SQ_ICE_PAIR_SUCCEEDED);
    sq_ice_destroy(p.ice);
}

static void other_errors_fail_the_pair(void **state)
{
    struct puppet p;
    puppet_start(&p, true, false, NULL);
    puppet_candidate(&p, "1", 9, 1);
    p.answer_error = 400;
    puppet_run(&p, p.now_ns + SEC);
    assert_int_equal(pair(&p, 0).state, SQ_ICE_PAIR_FAILED);
    /* Its own check brings it back (section 7.3.1.4). */
    struct sq_addr from = ice_addr("10.0.0.2", 1);
    assert_int_equal(puppet_check(&p, &from, 1, PUPPET_CONTROLLED), 0);
    puppet_run(&p, p.now_ns + SEC);
    assert_int_equal(pair(&p, 0).state, SQ_ICE_PAIR_SUCCEEDED);
    sq_ice_destroy(p.ice);
}

static void frozen_until_the_first_works(void **state)
{
    struct puppet p;
    puppet_start(&p, false, false, NULL);
    p.answers = false;
    puppet_candidate(&p, "1", 9, 1);
    puppet_candidate(&p, "1", 8, 2);
    puppet_candidate(&p, "2", 7, 3);
    puppet_run(&p, p.now_ns + 200 * MS);
    assert_int_equal(pair(&p, 0).state, SQ_ICE_PAIR_IN_PROGRESS);
    assert_int_equal(pair(&p, 1).state, SQ_ICE_PAIR_FROZEN);
    assert_int_equal(pair(&p, 2).state, SQ_ICE_PAIR_IN_PROGRESS);
    struct sq_addr asked = ice_addr("10.0.0.2", 1);
    assert_false(sq_ice_may_receive(p.ice, 0, &asked)); /* no answer, no check yet */
    p.answers = true;
    puppet_run(&p, p.now_ns + 350 * MS); /* the repeats */
    assert_true(sq_ice_may_receive(p.ice, 0, &asked));
    assert_int_equal(pair(&p, 1).requests_sent, 1);
    /* Of an answer to a repeat no round trip is known. */
    assert_int_equal(pair(&p, 0).responses_received, 1);
    assert_int_equal(pair(&p, 0).round_trips, 0);
    assert_int_equal(pair(&p, 0).total_round_trip_ns, 0);
    sq_ice_destroy(p.ice);
}

/* A triggered check sends the request under way once more: the answer may be to the first, which
 * was on its way for longer than the second. */
static void no_round_trip_of_what_was_triggered_again(void **state)
{
    struct puppet p;
    puppet_start(&p, false, false, NULL);
    p.answers = false;
    puppet_candidate(&p, "1", 9, 1);
    puppet_run(&p, p.now_ns + 100 * MS);
    assert_int_equal(pair(&p, 0).state, SQ_ICE_PAIR_IN_PROGRESS);
    p.answers = true;
    struct sq_addr from = ice_addr("10.0.0.2", 1);
    assert_int_equal(puppet_check(&p, &from, 1, 0), 0);
    puppet_run(&p, p.now_ns + 100 * MS);
    assert_int_equal(pair(&p, 0).state, SQ_ICE_PAIR_SUCCEEDED);
    assert_int_equal(pair(&p, 0).responses_received, 1);
    assert_int_equal(pair(&p, 0).round_trips, 0);
    sq_ice_destroy(p.ice);
}

/* Section 7.2.5.3.3: what worked unfreezes its like, which then goes before lesser waiting pairs.
 */
static void success_unfreezes(void **state)
{
    struct puppet p;
    puppet_start(&p, false, false, NULL);
    puppet_candidate(&p, "1", 100, 1);
    puppet_candidate(&p, "1", 90, 2);
    puppet_candidate(&p, "2", 10, 3);
    assert_int_equal(pair(&p, 1).state, SQ_ICE_PAIR_FROZEN);
    puppet_run(&p, p.now_ns + 60 * MS);
    assert_int_equal(pair(&p, 0).state, SQ_ICE_PAIR_SUCCEEDED);
    assert_int_equal(pair(&p, 1).state, SQ_ICE_PAIR_SUCCEEDED);
    assert_int_equal(pair(&p, 2).requests_sent, 0);
    sq_ice_destroy(p.ice);
}

/* A base that comes late (a TURN allocation, a new interface) is told and checked at once. */
static void late_base(void **state)
{
    struct puppet p;
    struct sq_addr second = ice_addr("10.0.0.9", 9);
    puppet_start(&p, false, false, NULL);
    p.answers = false;
    puppet_candidate(&p, "1", 100, 1);
    puppet_run(&p, p.now_ns + 100 * MS);
    assert_int_equal(sq_ice_add_base(p.ice, 1, &second), 0);
    assert_int_equal(p.candidates, 2);
    assert_int_equal(sq_ice_pair_count(p.ice), 2);
    assert_true(sq_ice_next_timeout(p.ice) <= p.now_ns);
    puppet_run(&p, p.now_ns + 60 * MS);
    assert_int_equal(pair(&p, 1).requests_sent, 1);
    sq_ice_destroy(p.ice);
}

/* A program on the same host may reach a loopback address from another of its addresses. No check
 * of ours would try that pair, but the one that came in is answered: media of it must be heard. */
static void loopback_from_elsewhere(void **state)
{
    struct puppet p;
    struct sq_addr loopback = ice_addr("127.0.0.1", 9);
    struct sq_addr elsewhere = ice_addr("192.0.2.2", 7);
    puppet_start(&p, false, false, NULL);
    assert_int_equal(sq_ice_add_base(p.ice, 1, &loopback), 0);
    assert_int_equal(sq_ice_pair_count(p.ice), 0);
    p.base = 1;
    assert_false(sq_ice_may_receive(p.ice, 1, &elsewhere));
    assert_int_equal(puppet_check(&p, &elsewhere, 5, 0), 0);
    assert_true(sq_ice_may_receive(p.ice, 1, &elsewhere));
    assert_int_equal(puppet_check(&p, &elsewhere, 5, PUPPET_USE), 0);
    puppet_run(&p, p.now_ns + SEC);
    assert_true(puppet_selected(&p, &elsewhere));
    sq_ice_destroy(p.ice);
}

/* A relayed base while gathering is held back for it. */
static void relayed_base(void **state)
{
    struct puppet p;
    puppet_start(&p, false, false, NULL);
    assert_true(sq_ice_gathering_is_done(p.ice));
    assert_int_equal(sq_ice_restart(p.ice, p.now_ns, NULL, NULL), 0);
    sq_ice_hold_gathering(p.ice);
    assert_int_equal(sq_ice_gather(p.ice, p.now_ns), 0);
    assert_false(sq_ice_gathering_is_done(p.ice));
    struct sq_ice_base relay = {.id = 3, .transport = SQ_ICE_UDP, .type = SQ_ICE_RELAY};
    relay.addr = ice_addr("198.51.100.7", 40000);
    relay.related = ice_addr("203.0.113.7", 5000);
    assert_int_equal(sq_ice_add_base_full(p.ice, p.now_ns, &relay), 0);
    sq_ice_release_gathering(p.ice, p.now_ns);
    assert_true(sq_ice_gathering_is_done(p.ice));
    const struct sq_ice_candidate *c = sq_ice_local(p.ice, 1);
    assert_int_equal(c->type, SQ_ICE_RELAY);
    assert_true(sq_addr_equal(&c->related, &relay.related));
    assert_int_equal(c->priority >> 24, 0);
    sq_ice_destroy(p.ice);
}

/* Time is over, and a relay is still being asked for: an agent without any candidate waits for it,
 * and does not spin; one that has some ends. */
static void relays_that_are_late(void **state)
{
    for (int with_host = 0; with_host < 2; with_host++) {
        struct ice_net *net = ice_net_new(9);
        struct ice_end *end = &net->a;
        assert_int_equal(ice_end_start(end, NULL, with_host ? "10.0.0.1" : NULL, NULL), 0);
        struct sq_ice *ice = end->ice;
        sq_ice_hold_gathering(ice);
        sq_ice_hold_gathering(ice);
        uint64_t start = net->now_ns;
        assert_int_equal(sq_ice_gather(ice, start), 0);
        assert_int_equal(sq_ice_next_timeout(ice), start + 5 * SEC);
        sq_ice_on_timeout(ice, start + 5 * SEC);
        assert_int_equal(sq_ice_gathering_is_done(ice), with_host);
        assert_true(sq_ice_next_timeout(ice) > start + 5 * SEC);
        struct sq_ice_base relay = {.id = 9, .transport = SQ_ICE_UDP, .type = SQ_ICE_RELAY};
        relay.addr = ice_addr("198.51.100.7", 40000);
        relay.related = ice_addr("203.0.113.7", 5000);
        assert_int_equal(sq_ice_add_base_full(ice, start + 7 * SEC, &relay), 0);
        sq_ice_release_gathering(ice, start + 7 * SEC);
        /* The second one is not waited for any more. */
        assert_true(sq_ice_gathering_is_done(ice));
        assert_int_equal(end->gathering_done, 1);
        assert_int_equal(sq_ice_local_count(ice), 1 + with_host);
        relay.id = 10;
        relay.addr = ice_addr("198.51.100.8", 40000);
        assert_int_equal(sq_ice_add_base_full(ice, start + 8 * SEC, &relay), 0);
        sq_ice_release_gathering(ice, start + 8 * SEC);
        assert_int_equal(end->gathering_done, 1);
        assert_int_equal(sq_ice_local_count(ice), 2 + with_host);
        ice_net_free(net);
    }
}

/* The same where relays give nothing. */
static void relays_that_fail(void **state)
{
    struct ice_net *net = ice_net_new(10);
    struct ice_end *end = &net->a;
    assert_int_equal(ice_end_start(end, NULL, NULL, NULL), 0);
    sq_ice_hold_gathering(end->ice);
    assert_int_equal(sq_ice_gather(end->ice, net->now_ns), 0);
    sq_ice_on_timeout(end->ice, net->now_ns + 30 * SEC);
    assert_int_equal(end->gathering_done, 0);
    sq_ice_release_gathering(end->ice, net->now_ns + 40 * SEC);
    assert_int_equal(end->gathering_done, 1);
    ice_net_free(net);
}

static void one_check_every_ta(void **state)
{
    struct puppet p;
    puppet_start(&p, true, false, NULL);
    p.answers = false;
    static const char *const foundations[] = {"a", "b", "c", "d", "e", "f", "g", "h",
                                              "i", "j", "k", "l", "m", "n", "o", "p"};
    for (uint16_t i = 0; i < 16; i++) {
        puppet_candidate(&p, foundations[i], 100u + i, (uint16_t)(1 + i));
    }
    uint64_t start = p.now_ns;
    puppet_run(&p, p.now_ns + 1400 * MS);
    /* The best first; RTO = Ta * 16 pairs = 800 ms (section 14.3). */
    assert_int_equal(pair(&p, 15).requests_sent, 1);
    assert_int_equal(p.times_ns[0], start);
    for (int i = 1; i < 16; i++) {
        assert_int_equal(p.times_ns[i] - p.times_ns[i - 1], 50 * MS);
    }
    assert_int_equal(p.times_ns[16] - start, 800 * MS);
    sq_ice_destroy(p.ice);
}

static void silence_after_nomination(void **state)
{
    struct puppet p;
    puppet_start(&p, true, false, NULL);
    puppet_candidate(&p, "1", 100, 1);
    puppet_candidate(&p, "2", 90, 2);
    puppet_candidate(&p, "3", 80, 3);
    puppet_run(&p, p.now_ns + 3 * SEC);
    assert_int_equal(sq_ice_get_state(p.ice), SQ_ICE_COMPLETED);
    assert_true(pair(&p, 0).nominated);
    assert_int_equal(p.requests, 2); /* the check, the nomination */
    sq_ice_destroy(p.ice);
}

/* A check of the peer makes ours go out at once, not at its next repeat. */
static void triggered_in_progress(void **state)
{
    struct puppet p;
    puppet_start(&p, false, false, NULL);
    p.answers = false;
    puppet_candidate(&p, "1", 9, 1);
    puppet_run(&p, p.now_ns + 1600 * MS);
    assert_int_equal(p.requests, 3); /* 0, 0.5, 1.5 s */
    struct sq_addr from = ice_addr("10.0.0.2", 1);
    assert_int_equal(puppet_check(&p, &from, 9, 0), 0);
    p.answers = true;
    puppet_run(&p, p.now_ns + 50 * MS);
    assert_int_equal(p.requests, 4);
    assert_int_equal(sq_ice_get_state(p.ice), SQ_ICE_CONNECTED);
    assert_int_equal(pair(&p, 0).requests_sent, 1);
    sq_ice_destroy(p.ice);
}

/* After a restart data stays on the old pair while the new ones are only valid. */
static void restart_waits_for_the_nomination(void **state)
{
    struct puppet p;
    struct sq_addr old = ice_addr("10.0.0.2", 1), fresh = ice_addr("10.0.0.2", 2);
    puppet_start(&p, false, false, NULL);
    assert_int_equal(puppet_check(&p, &old, 9, PUPPET_USE), 0);
    puppet_run(&p, p.now_ns + SEC);
    assert_true(puppet_selected(&p, &old));
    assert_int_equal(sq_ice_restart(p.ice, p.now_ns, NULL, NULL), 0);
    assert_int_equal(sq_ice_gather(p.ice, p.now_ns), 0);
    assert_int_equal(sq_ice_set_remote(p.ice, p.now_ns, "pupp", PUPPET_PWD, false), 0);
    assert_int_equal(puppet_check(&p, &fresh, 9, 0), 0);
    puppet_run(&p, p.now_ns + SEC);
    assert_int_equal(pair(&p, 0).state, SQ_ICE_PAIR_SUCCEEDED);
    assert_true(puppet_selected(&p, &old));
    assert_int_equal(puppet_check(&p, &fresh, 9, PUPPET_USE), 0);
    assert_true(puppet_selected(&p, &fresh));
    /* Late packets of the old pair are still taken, for the grace time. */
    assert_true(sq_ice_may_receive(p.ice, 0, &old));
    puppet_run(&p, p.now_ns + 6 * SEC);
    assert_false(sq_ice_may_receive(p.ice, 0, &old));
    sq_ice_destroy(p.ice);
}

/* RFC 8445, section 6.1.2.3, in either role. */
static void pair_priority_follows_the_role(void **state)
{
    struct puppet p;
    uint64_t local = sq_ice_priority(SQ_ICE_HOST, 65535, 1), remote = 9;
    puppet_start(&p, true, false, NULL);
    puppet_candidate(&p, "1", 9, 1);
    assert_true(pair(&p, 0).priority == (remote << 32) + 2 * local + 1);
    struct sq_addr from = ice_addr("10.0.0.2", 1);
    assert_int_equal(puppet_check(&p, &from, 9, PUPPET_WIN), 0);
    assert_false(sq_ice_controlling(p.ice));
    assert_true(pair(&p, 0).priority == (remote << 32) + 2 * local);
    sq_ice_destroy(p.ice);
}

/* A candidate that was found before it was told takes what is told. */
static void told_after_found(void **state)
{
    struct puppet p;
    struct sq_addr from = ice_addr("10.0.0.2", 1);
    puppet_start(&p, false, false, NULL);
    assert_int_equal(puppet_check(&p, &from, 1234, 0), 0);
    assert_int_equal(sq_ice_remote(p.ice, 0)->type, SQ_ICE_PRFLX);
    assert_int_equal(sq_ice_remote(p.ice, 0)->priority, 1234);
    puppet_candidate(&p, "7", 99, 1);
    assert_int_equal(sq_ice_remote_count(p.ice), 1);
    assert_int_equal(sq_ice_remote(p.ice, 0)->type, SQ_ICE_HOST);
    assert_int_equal(sq_ice_remote(p.ice, 0)->priority, 99);
    assert_true(pair(&p, 0).priority >> 32 == 99);
    sq_ice_destroy(p.ice);
}

/* A peer that never says end-of-candidates has RFC 8863's time after its last one. */
static void patience_after_the_last_candidate(void **state)
{
    struct puppet p;
    puppet_start(&p, true, false, NULL);
    p.answer_error = 400;
    puppet_run(&p, p.now_ns + 30 * SEC);
    puppet_candidate(&p, "1", 9, 1); /* fails at once */
    puppet_run(&p, p.now_ns + 39400 * MS);
    assert_int_equal(pair(&p, 0).state, SQ_ICE_PAIR_FAILED);
    assert_int_equal(sq_ice_get_state(p.ice), SQ_ICE_CHECKING);
    puppet_run(&p, p.now_ns + 200 * MS);
    assert_int_equal(sq_ice_get_state(p.ice), SQ_ICE_FAILED);
    sq_ice_destroy(p.ice);
}

/* A STUN server's answer must come from the server. */
static void answer_of_another_server(void **state)
{
    struct puppet p;
    puppet_start(&p, true, false, "198.51.100.1");
    p.answers = false;
    sq_ice_on_timeout(p.ice, p.now_ns);
    assert_int_equal(p.n_sent, 1);
    uint8_t buf[64];
    size_t len;
    struct sq_addr mapped = ice_addr("203.0.113.9", 9), liar = ice_addr("198.51.100.2", 3478);
    struct sq_stun_writer w =
        sq_stun_begin(buf, sizeof(buf), SQ_STUN_SUCCESS, SQ_STUN_BINDING, p.sent[0] + 8);
    sq_stun_put_xor_addr(&w, SQ_STUN_XOR_MAPPED_ADDRESS, &mapped);
    assert_int_equal(sq_stun_end(&w, &len), 0);
    assert_true(sq_ice_receive(p.ice, p.now_ns, 0, &liar, buf, len) < 0);
    assert_int_equal(p.candidates, 1);
    assert_int_equal(sq_ice_receive(p.ice, p.now_ns, 0, &p.sent_to[0], buf, len), 0);
    assert_int_equal(p.candidates, 2);
    assert_int_equal(sq_ice_local(p.ice, 1)->type, SQ_ICE_SRFLX);
    sq_ice_destroy(p.ice);
}

/* A lite agent does not take control, whoever has the greater tie-breaker. */
static void lite_stays_controlled(void **state)
{
    struct puppet p;
    struct sq_addr from = ice_addr("10.0.0.2", 1);
    puppet_start(&p, false, true, NULL);
    assert_int_equal(puppet_check(&p, &from, 9, PUPPET_CONTROLLED), 0);
    assert_int_equal(p.error, 487);
    assert_int_equal(p.successes, 0);
    assert_int_equal(puppet_check(&p, &from, 9, 0), 0);
    assert_int_equal(p.successes, 1);
    assert_int_equal(p.requests, 0);
    sq_ice_destroy(p.ice);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(role_conflict_answer),
        cmocka_unit_test(other_errors_fail_the_pair),
        cmocka_unit_test(frozen_until_the_first_works),
        cmocka_unit_test(no_round_trip_of_what_was_triggered_again),
        cmocka_unit_test(success_unfreezes),
        cmocka_unit_test(late_base),
        cmocka_unit_test(loopback_from_elsewhere),
        cmocka_unit_test(relayed_base),
        cmocka_unit_test(relays_that_are_late),
        cmocka_unit_test(relays_that_fail),
        cmocka_unit_test(one_check_every_ta),
        cmocka_unit_test(silence_after_nomination),
        cmocka_unit_test(triggered_in_progress),
        cmocka_unit_test(restart_waits_for_the_nomination),
        cmocka_unit_test(pair_priority_follows_the_role),
        cmocka_unit_test(told_after_found),
        cmocka_unit_test(patience_after_the_last_candidate),
        cmocka_unit_test(answer_of_another_server),
        cmocka_unit_test(lite_stays_controlled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
