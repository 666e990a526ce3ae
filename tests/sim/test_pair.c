/* Two peers that know of each other by nothing but their codes (signal/pair), carried by hand. */
#include "base/mem.h"
#include "signal/pair/pair_sdp.h"
#include "sim/simcall.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char why[SQ_PEER_TEXT_MAX];

/* What is carried: text alone. */
static void code_of(const char *sdp, bool answer, char text[static SQ_PAIR_TEXT_MAX])
{
    struct sq_pair_code code = {.answer = answer, .media = true};
    assert_int_equal(sq_pair_from_sdp(sdp, &code), 0);
    assert_int_equal(sq_pair_encode(&code, text), 0);
}

static void give(struct pair *p, struct simnode *node, const char *text)
{
    struct sq_pair_code code;
    char bad[SQ_PAIR_WHY_MAX];
    char *sdp;
    assert_int_equal(sq_pair_decode(text, &code, bad), 0);
    assert_int_equal(sq_pair_to_sdp(&code, &sdp), 0);
    int err = sq_peer_set_remote(simnode_peer(node), simnet_now(p->net),
                                 code.answer ? SQ_SDP_ANSWER : SQ_SDP_OFFER, sdp, why);
    if (err) {
        fail_msg("refused: %s\n%s", why, sdp);
    }
    sq_free(sdp);
}

static void offer_of(struct pair *p, char text[static SQ_PAIR_TEXT_MAX])
{
    char *sdp = NULL;
    assert_int_equal(sq_peer_create_offer(simnode_peer(p->a), simnet_now(p->net), false, &sdp, why),
                     0);
    code_of(sdp, false, text);
    sq_free(sdp);
}

static void answer_of(struct pair *p, struct simnode *node, const char *offer,
                      char text[static SQ_PAIR_TEXT_MAX])
{
    char *sdp = NULL;
    give(p, node, offer);
    assert_int_equal(sq_peer_create_answer(simnode_peer(node), simnet_now(p->net), &sdp, why), 0);
    code_of(sdp, true, text);
    sq_free(sdp);
}

/* The answer comes back `late_ns` after it was made, and until then the answerer's checks are lost
 * at the offerer's NAT. */
static struct pair carry(const struct sq_peer_config *config, bool v6, uint64_t late_ns)
{
    struct pair p = make_pair(77, config, config, v6);
    char offer[SQ_PAIR_TEXT_MAX], text[SQ_PAIR_TEXT_MAX];
    offer_of(&p, offer);
    answer_of(&p, p.b, offer, text);
    simnode_link(p.b)->cut = true;
    run_for(p.net, late_ns);
    simnode_link(p.b)->cut = false;
    if (sq_peer_state(simnode_peer(p.a)) != SQ_PEER_FAILED) {
        give(&p, p.a, text);
    }
    run_for(p.net, 12 * SEC);
    return p;
}

static void media_flow_after_minutes(void **state)
{
    (void)state;
    const struct sq_peer_config config = {
        .patient = true, .derived_ice = true, .connect_timeout_ns = 600 * SEC};
    const uint64_t late_ns[] = {SEC, 45 * SEC, 290 * SEC};
    for (size_t i = 0; i < sizeof(late_ns) / sizeof(*late_ns); i++) {
        struct pair p = carry(&config, i & 1, late_ns[i]);
        assert_connected(p.a);
        assert_connected(p.b);
        assert_media_flows(&p, 3);
        simnet_free(p.net);
    }
}

/* The same without patience is what RFC 8445 makes of it: the answerer has given up. */
static void impatient_peers_do_not_wait(void **state)
{
    (void)state;
    const struct sq_peer_config config = {.derived_ice = true, .connect_timeout_ns = 600 * SEC};
    struct pair p = carry(&config, false, 290 * SEC);
    assert_int_equal(sq_peer_state(simnode_peer(p.b)), SQ_PEER_FAILED);
    simnet_free(p.net);
}

/* Nobody waits for ever, either. */
static void patience_ends(void **state)
{
    (void)state;
    const struct sq_peer_config config = {
        .patient = true, .derived_ice = true, .connect_timeout_ns = 60 * SEC};
    struct pair p = carry(&config, false, 70 * SEC);
    assert_int_equal(sq_peer_state(simnode_peer(p.a)), SQ_PEER_FAILED);
    assert_int_equal(sq_peer_state(simnode_peer(p.b)), SQ_PEER_FAILED);
    simnet_free(p.net);
}

/* Two who answer one offer, both before the offerer is told of the first, or one after it: the call
 * is the first one's, and the other hears why it has none. */
static void an_offer_is_for_one(void **state)
{
    (void)state;
    const struct sq_peer_config config = {
        .patient = true, .derived_ice = true, .connect_timeout_ns = 600 * SEC};
    const uint64_t carried_ns[] = {0, 300 * MS, 4 * SEC};
    for (int i = 0; i < 6; i++) {
        bool late = i >= 3; /* the third comes when the others talk already */
        char offer[SQ_PAIR_TEXT_MAX], first[SQ_PAIR_TEXT_MAX], second[SQ_PAIR_TEXT_MAX];
        struct simnet *net = simnet_new(80 + (uint64_t)i, 3);
        struct pair p = pair_on(net, &config, &config, false);
        struct simnode *c = simnet_add(net, &config, false, NULL, NULL);
        add_both(c);
        offer_of(&p, offer);
        answer_of(&p, p.b, offer, first);
        if (!late) {
            answer_of(&p, c, offer, second);
        }
        run_for(net, carried_ns[i % 3]);
        give(&p, p.a, first);
        run_for(net, SEC);
        assert_connected(p.a);
        assert_connected(p.b);
        if (late) {
            answer_of(&p, c, offer, second);
        }
        run_for(net, 500 * MS);
        assert_int_equal(simnode_state(c), SQ_PEER_FAILED);
        assert_int_equal(simnode_cause(c), SQ_PEER_CAUSE_ICE);
        assert_non_null(strstr(simnode_text(c), "answer of somebody else to the same offer"));
        run_for(net, 4 * SEC);
        assert_connected(p.a);
        assert_connected(p.b);
        assert_media_flows(&p, 4);
        assert_true(transport_stats(p.a).current_round_trip_time_s < 0.1);
        assert_true(transport_stats(p.b).current_round_trip_time_s < 0.1);
        simnet_free(net);
    }
}

/* The offerer's own numbers are those that the code's profile speaks of. */
static void profile_is_what_is_offered(void **state)
{
    (void)state;
    struct pair p = make_pair(78, NULL, NULL, false);
    char *sdp = NULL;
    assert_int_equal(sq_peer_create_offer(simnode_peer(p.a), simnet_now(p.net), false, &sdp, why),
                     0);
    assert_non_null(strstr(sdp, "a=rtpmap:111 opus/48000/2\r\n"));
    assert_non_null(strstr(sdp, "a=rtpmap:96 VP8/90000\r\n"));
    assert_non_null(strstr(sdp, "a=mid:0\r\n"));
    assert_non_null(strstr(sdp, "a=mid:1\r\n"));
    sq_free(sdp);
    simnet_free(p.net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(media_flow_after_minutes),
        cmocka_unit_test(impatient_peers_do_not_wait),
        cmocka_unit_test(patience_ends),
        cmocka_unit_test(an_offer_is_for_one),
        cmocka_unit_test(profile_is_what_is_offered),
    };
    return cmocka_run_group_tests(tests, open_clip, close_clip);
}
