/* How whole peers find each other and stay together: profiles, trickle, NAT, glare, restarts, ends.
 */
#include "base/mem.h"
#include "sim/simcall.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char why[SQ_PEER_TEXT_MAX];

static char *offer_of(struct simnet *net, struct simnode *node, bool restart)
{
    char *sdp = NULL;
    int err = sq_peer_create_offer(simnode_peer(node), simnet_now(net), restart, &sdp, why);
    if (err) {
        fail_msg("no offer: %s", why);
    }
    return sdp;
}

static char *answer_of(struct simnet *net, struct simnode *node)
{
    char *sdp = NULL;
    int err = sq_peer_create_answer(simnode_peer(node), simnet_now(net), &sdp, why);
    if (err) {
        fail_msg("no answer: %s", why);
    }
    return sdp;
}

static void set_remote(struct simnet *net, struct simnode *node, enum sq_sdp_type type,
                       const char *sdp)
{
    int err = sq_peer_set_remote(simnode_peer(node), simnet_now(net), type, sdp, why);
    if (err) {
        fail_msg("description refused: %s\n%s", why, sdp);
    }
}

static void end(struct pair *p)
{
    simnet_free(p->net);
}

static void every_profile_and_backend(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        bool cm = i & 1;
        struct pair p = pair_on(simnet_new_with(20 + (uint64_t)i, 2, cm, i & 2), NULL, NULL, false);
        simnode_link(p.a)->loss = 0.02;
        simnet_negotiate(p.net, p.a, p.b, false);
        run_for(p.net, 10 * SEC);
        simnode_link(p.a)->loss = 0;
        run_for(p.net, SEC);
        assert_connected(p.a);
        assert_string_equal(transport_stats(p.a).srtp_profile,
                            cm ? "AES_CM_128_HMAC_SHA1_80" : "AEAD_AES_128_GCM");
        assert_true(in_stats(p.net, p.b, 1).frames_decoded > 220);
        assert_true(in_stats(p.net, p.b, 1).packets_repaired > 3);
        assert_int_equal(transport_stats(p.a).srtp_errors, 0);
        assert_int_equal(transport_stats(p.b).srtp_errors, 0);
        end(&p);
    }
}

static void active_and_passive(void **state)
{
    (void)state;
    for (int passive = 0; passive < 2; passive++) {
        const struct sq_peer_config config = {.passive = passive};
        struct pair p = make_pair(30, &config, &config, false);
        simnet_negotiate(p.net, p.a, p.b, false);
        run_for(p.net, 3 * SEC);
        assert_connected(p.a);
        assert_string_equal(transport_stats(p.b).dtls_role, passive ? "server" : "client");
        assert_string_equal(transport_stats(p.a).dtls_role, passive ? "client" : "server");
        assert_media_flows(&p, 2);
        end(&p);
    }
}

/* What each side put on the network, as its first bytes tell it (RFC 7983). */
struct seen {
    const struct simnode *a;
    uint64_t checks, packets, bytes;
};

static void note_datagram(void *ctx, struct simnode *from, const struct sq_dgram *dgram)
{
    struct seen *seen = ctx;
    bool check = dgram->buf[0] <= 3;
    if (from == seen->a) {
        seen->checks += check;
        seen->packets += !check;
        seen->bytes += check ? 0 : dgram->len;
    }
}

/* webrtc-stats counts what a pair carried, and no connectivity checks. */
static void checks_are_no_data(void **state)
{
    (void)state;
    struct seen seen = {0};
    struct pair p = make_pair(31, NULL, NULL, false);
    seen.a = p.a;
    simnet_set_tap(p.net, note_datagram, &seen);
    simnet_negotiate(p.net, p.a, p.b, false);
    run_for(p.net, 30 * SEC);
    struct sq_transport_stats sent = transport_stats(p.a);
    assert_true(seen.checks > 8); /* consent, in both directions */
    assert_int_equal(sent.packets_sent, seen.packets + seen.checks);
    assert_int_equal(sent.data_packets_sent, seen.packets);
    assert_int_equal(sent.data_bytes_sent, seen.bytes);
    run_for(p.net, simnode_link(p.a)->delay_ns);
    assert_int_equal(transport_stats(p.b).data_packets_received, sent.data_packets_sent);
    assert_int_equal(transport_stats(p.b).data_bytes_received, sent.data_bytes_sent);
    end(&p);
}

/* ---- Trickle, NAT ---- */

struct heard {
    char candidates[8][200];
    size_t n;
    bool done;
};

static void note_candidates(void *ctx, struct simnode *node, const struct sq_peer_event *event)
{
    struct heard *heard = ctx;
    (void)node;
    if (event->type == SQ_PEER_EV_LOCAL_CANDIDATE) {
        assert_true(heard->n < 8);
        assert_false(heard->done);
        assert_string_equal(event->mid, "0");
        snprintf(heard->candidates[heard->n++], 200, "%s", event->text);
    } else if (event->type == SQ_PEER_EV_GATHERING_DONE) {
        heard->done = true;
    }
}

/* A description without its candidates. */
static char *strip(char *sdp)
{
    char *at;
    while ((at = strstr(sdp, "a=candidate:")) || (at = strstr(sdp, "a=end-of-candidates"))) {
        char *after = strchr(at, '\n') + 1;
        memmove(at, after, strlen(after) + 1);
    }
    return sdp;
}

static void late_candidates(void **state)
{
    (void)state;
    struct pair p = make_pair(31, NULL, NULL, false);
    char *offer = strip(offer_of(p.net, p.a, false));
    set_remote(p.net, p.b, SQ_SDP_OFFER, offer);
    char *answer = strip(answer_of(p.net, p.b));
    set_remote(p.net, p.a, SQ_SDP_ANSWER, answer);
    run_for(p.net, 3 * SEC);
    assert_int_equal(simnode_state(p.a), SQ_PEER_CONNECTING);
    /* One side is enough: the other learns a peer-reflexive candidate of it. */
    char line[200];
    snprintf(line, sizeof(line), "candidate:1 1 udp 2130706431 192.0.2.1 %u typ host",
             sq_addr_port(simnode_addr(p.b)));
    assert_int_equal(sq_peer_add_candidate(simnode_peer(p.a), simnet_now(p.net), line), 0);
    run_for(p.net, 3 * SEC);
    assert_connected(p.a);
    assert_connected(p.b);
    assert_media_flows(&p, 2);
    assert_string_equal(transport_stats(p.b).remote_type, "prflx");
    sq_free(offer);
    sq_free(answer);
    end(&p);
}

static void candidates_before_the_answer(void **state)
{
    (void)state;
    struct pair p = make_pair(32, NULL, NULL, false);
    char *offer = offer_of(p.net, p.a, false);
    set_remote(p.net, p.b, SQ_SDP_OFFER, offer);
    char *answer = strip(answer_of(p.net, p.b));
    char line[200];
    snprintf(line, sizeof(line), "a=candidate:1 1 udp 2130706431 192.0.2.1 %u typ host",
             sq_addr_port(simnode_addr(p.b)));
    assert_int_equal(sq_peer_add_candidate(simnode_peer(p.a), simnet_now(p.net), line), 0);
    /* B checks, finds A, and cannot go on: DTLS waits for the answer. */
    run_for(p.net, 2 * SEC);
    assert_int_equal(simnode_state(p.a), SQ_PEER_CONNECTING);
    set_remote(p.net, p.a, SQ_SDP_ANSWER, answer);
    run_for(p.net, 3 * SEC);
    assert_connected(p.a);
    assert_connected(p.b);
    assert_media_flows(&p, 2);
    sq_free(offer);
    sq_free(answer);
    end(&p);
}

static void through_a_nat(void **state)
{
    (void)state;
    struct simnet *net = simnet_new(33, 3);
    struct simnode *stun = simnet_add_stun(net);
    struct heard heard = {.n = 0};
    const struct sq_peer_config config = {.stun_servers = simnode_addr(stun),
                                          .stun_servers_len = 1};
    struct pair p = {net, simnet_add(net, &config, false, note_candidates, &heard),
                     simnet_add(net, &config, false, NULL, NULL)};
    simnode_behind_nat(p.a);
    simnode_behind_nat(p.b);
    simnode_trickle_to(p.a, p.b);
    simnode_trickle_to(p.b, p.a);
    add_both(p.a);
    add_both(p.b);
    simnet_negotiate(net, p.a, p.b, false);
    assert_false(heard.done);
    run_for(net, 5 * SEC);
    assert_true(heard.done);
    assert_int_equal(heard.n, 1);
    assert_non_null(strstr(heard.candidates[0], "203.0.113.7"));
    assert_non_null(strstr(heard.candidates[0], "typ srflx raddr 192.0.2.1"));
    assert_connected(p.a);
    assert_connected(p.b);
    assert_media_flows(&p, 4);
    assert_non_null(strstr(transport_stats(p.a).remote_addr, "203.0.113.7"));
    simnet_free(net);
}

struct told {
    unsigned candidates, done, after;
};

static void on_told(void *ctx, struct simnode *node, const struct sq_peer_event *event)
{
    struct told *told = ctx;
    (void)node;
    told->done += event->type == SQ_PEER_EV_GATHERING_DONE;
    told->candidates += event->type == SQ_PEER_EV_LOCAL_CANDIDATE;
    told->after += event->type == SQ_PEER_EV_LOCAL_CANDIDATE && told->done;
}

/* RFC 8838, section 13: a relay in time is told, one behind end-of-candidates is used only. */
static void a_late_relay_is_not_told(void **state)
{
    (void)state;
    struct told told = {0};
    const struct sq_peer_config config = {0};
    struct simnet *net = simnet_new(42, 1);
    struct simnode *node = simnet_add(net, &config, false, on_told, &told);
    struct sq_peer *peer = simnode_peer(node);
    struct sq_addr relayed, mapped;
    assert_int_equal(sq_addr_parse("198.51.100.7", 40000, &relayed), 0);
    assert_int_equal(sq_addr_parse("203.0.113.7", 5000, &mapped), 0);
    add_both(node);
    sq_peer_hold_gathering(peer);
    sq_peer_hold_gathering(peer);
    char *offer = offer_of(net, node, false);
    run_for(net, 2 * SEC);
    assert_int_equal(sq_peer_add_relay(peer, simnet_now(net), 4, &relayed, &mapped, 100), 0);
    sq_peer_release_gathering(peer, simnet_now(net));
    assert_int_equal(told.candidates, 1); /* the host's stands in the offer */
    assert_int_equal(told.done, 0);
    run_for(net, 4 * SEC);
    assert_int_equal(told.done, 1);
    sq_addr_set_port(&relayed, 40001);
    assert_int_equal(sq_peer_add_relay(peer, simnet_now(net), 5, &relayed, &mapped, 99), 0);
    sq_peer_release_gathering(peer, simnet_now(net));
    run_for(net, SEC);
    assert_true(sq_peer_has_base(peer, 5));
    assert_int_equal(told.candidates, 1);
    assert_int_equal(told.done, 1);
    assert_int_equal(told.after, 0);
    sq_free(offer);
    simnet_free(net);
}

/* ---- Glare, restarts ---- */

static void glare_is_rolled_back(void **state)
{
    (void)state;
    for (int restart = 0; restart < 2; restart++) {
        struct pair p = make_pair(34, NULL, NULL, false);
        for (int round = 0; round < 2; round++) { /* the first offers, then a renegotiation */
            char *offer = offer_of(p.net, p.a, restart);
            char *other = offer_of(p.net, p.b, restart);
            assert_int_not_equal(
                sq_peer_set_remote(simnode_peer(p.b), simnet_now(p.net), SQ_SDP_OFFER, offer, why),
                0);
            assert_int_equal(sq_peer_rollback(simnode_peer(p.b)), 0);
            set_remote(p.net, p.b, SQ_SDP_OFFER, offer);
            char *answer = answer_of(p.net, p.b);
            set_remote(p.net, p.a, SQ_SDP_ANSWER, answer);
            run_for(p.net, 4 * SEC);
            assert_connected(p.a);
            assert_connected(p.b);
            sq_free(offer);
            sq_free(other);
            sq_free(answer);
        }
        assert_media_flows(&p, 7);
        end(&p);
    }
}

/* The side that rolls back had restarted, the other one had not. */
static void restart_rolled_back_alone(void **state)
{
    (void)state;
    struct pair p = make_pair(35, NULL, NULL, false);
    simnet_negotiate(p.net, p.a, p.b, false);
    run_for(p.net, 2 * SEC);
    char *dead = offer_of(p.net, p.b, true);
    run_for(p.net, 300 * MS);
    char *offer = offer_of(p.net, p.a, false);
    assert_int_equal(sq_peer_rollback(simnode_peer(p.b)), 0);
    set_remote(p.net, p.b, SQ_SDP_OFFER, offer);
    char *answer = answer_of(p.net, p.b);
    set_remote(p.net, p.a, SQ_SDP_ANSWER, answer);
    run_for(p.net, 60 * SEC); /* twice the consent */
    assert_connected(p.a);
    assert_connected(p.b);
    assert_media_flows(&p, 60);
    sq_free(dead);
    sq_free(offer);
    sq_free(answer);
    end(&p);
}

/* The offer is taken back and nothing follows: the credentials are those of before, of either
 * length, and the call goes on. */
static void restart_taken_back(void **state)
{
    (void)state;
    for (int derived = 0; derived < 2; derived++) {
        const struct sq_peer_config config = {.derived_ice = derived};
        struct pair p = make_pair(40, &config, &config, false);
        simnet_negotiate(p.net, p.a, p.b, false);
        run_for(p.net, 2 * SEC);
        const char *ufrag, *pwd;
        sq_peer_local_ice(simnode_peer(p.b), &ufrag, &pwd);
        char *ufrag_before = sq_strdup(ufrag), *pwd_before = sq_strdup(pwd);
        char *dead = offer_of(p.net, p.b, true);
        run_for(p.net, 300 * MS);
        assert_int_equal(sq_peer_rollback(simnode_peer(p.b)), 0);
        sq_peer_local_ice(simnode_peer(p.b), &ufrag, &pwd);
        assert_string_equal(ufrag, ufrag_before);
        assert_string_equal(pwd, pwd_before);
        run_for(p.net, 60 * SEC);
        assert_connected(p.a);
        assert_connected(p.b);
        assert_media_flows(&p, 60);
        sq_free(dead);
        sq_free(ufrag_before);
        sq_free(pwd_before);
        end(&p);
    }
}

static void restart_after_consent_was_lost(void **state)
{
    (void)state;
    struct pair p = make_pair(36, NULL, NULL, false);
    simnet_negotiate(p.net, p.a, p.b, false);
    run_for(p.net, 5 * SEC);
    simnode_link(p.a)->cut = simnode_link(p.b)->cut = true;
    run_for(p.net, 40 * SEC);
    assert_int_equal(simnode_state(p.a), SQ_PEER_FAILED);
    assert_int_equal(simnode_state(p.b), SQ_PEER_FAILED);
    /* A failed peer sends no more, and needs next to no time-outs. */
    uint64_t sent = simnode_counters(p.a)->sent;
    uint64_t timeouts = simnode_counters(p.a)->timeouts;
    uint64_t packets = out_stats(p.net, p.a, 1).packets_sent;
    run_for(p.net, 20 * SEC);
    assert_int_equal(simnode_counters(p.a)->sent, sent);
    assert_true(simnode_counters(p.a)->timeouts <= timeouts + 5);
    assert_int_equal(out_stats(p.net, p.a, 1).packets_sent, packets);
    simnode_link(p.a)->cut = simnode_link(p.b)->cut = false;
    simnet_negotiate(p.net, p.a, p.b, true);
    assert_int_equal(simnode_state(p.a), SQ_PEER_CONNECTING);
    uint64_t frames = in_stats(p.net, p.b, 1).frames_decoded;
    run_for(p.net, 5 * SEC);
    assert_connected(p.a);
    assert_connected(p.b);
    assert_true(in_stats(p.net, p.b, 1).frames_decoded > frames + 95);
    assert_true(in_stats(p.net, p.b, 0).packets_received > 400);
    end(&p);
}

/* The offer of a restart is out for so long that consent is lost meanwhile. */
static void consent_lost_within_a_restart(void **state)
{
    (void)state;
    struct pair p = make_pair(41, NULL, NULL, false);
    simnet_negotiate(p.net, p.a, p.b, false);
    run_for(p.net, 5 * SEC);
    simnode_link(p.a)->cut = simnode_link(p.b)->cut = true;
    run_for(p.net, 15 * SEC);
    char *offer = offer_of(p.net, p.a, true);
    run_for(p.net, 25 * SEC);
    assert_int_equal(simnode_state(p.a), SQ_PEER_FAILED);
    simnode_link(p.a)->cut = simnode_link(p.b)->cut = false;
    set_remote(p.net, p.b, SQ_SDP_OFFER, offer);
    char *answer = answer_of(p.net, p.b);
    set_remote(p.net, p.a, SQ_SDP_ANSWER, answer);
    assert_int_equal(simnode_state(p.a), SQ_PEER_CONNECTING);
    uint64_t frames = in_stats(p.net, p.b, 1).frames_decoded;
    run_for(p.net, 5 * SEC);
    assert_connected(p.a);
    assert_connected(p.b);
    assert_true(in_stats(p.net, p.b, 1).frames_decoded > frames + 95);
    sq_free(offer);
    sq_free(answer);
    end(&p);
}

static void restart_that_finds_nobody(void **state)
{
    (void)state;
    const struct sq_peer_config config = {.connect_timeout_ns = 8 * SEC};
    struct pair p = make_pair(37, &config, &config, false);
    simnet_negotiate(p.net, p.a, p.b, false);
    run_for(p.net, 3 * SEC);
    simnode_link(p.a)->cut = true;
    run_for(p.net, 40 * SEC);
    assert_int_equal(simnode_state(p.b), SQ_PEER_FAILED);
    simnet_negotiate(p.net, p.b, p.a, true);
    assert_int_equal(simnode_state(p.b), SQ_PEER_CONNECTING);
    run_for(p.net, 8 * SEC + MS);
    assert_int_equal(simnode_state(p.b), SQ_PEER_FAILED);
    /* DTLS was up all the time, and is not to blame. */
    assert_int_equal(simnode_cause(p.b), SQ_PEER_CAUSE_ICE);
    assert_non_null(strstr(simnode_text(p.b), "no ICE candidate pair answered within 8 s"));
    end(&p);
}

/* ---- Ends ---- */

static void disconnected_and_back(void **state)
{
    (void)state;
    struct pair p = make_pair(38, NULL, NULL, false);
    simnet_negotiate(p.net, p.a, p.b, false);
    run_for(p.net, 5 * SEC);
    simnode_link(p.b)->cut = true;
    run_for(p.net, 16 * SEC);
    assert_int_equal(simnode_state(p.a), SQ_PEER_DISCONNECTED);
    simnode_link(p.b)->cut = false;
    run_for(p.net, 8 * SEC);
    assert_connected(p.a);
    end(&p);
}

static void close_early_and_late(void **state)
{
    (void)state;
    for (int late = 0; late < 2; late++) {
        struct pair p = make_pair(39, NULL, NULL, false);
        simnet_negotiate(p.net, p.a, p.b, false);
        run_for(p.net, late ? 10 * SEC : SEC);
        assert_connected(p.a);
        sq_peer_close(simnode_peer(p.b), simnet_now(p.net));
        sq_peer_close(simnode_peer(p.b), simnet_now(p.net));
        run_for(p.net, SEC);
        if (late) { /* nobody listens for alerts: BYE tells, and consent ends it */
            assert_connected(p.a);
            run_for(p.net, 40 * SEC);
        } else {
            assert_non_null(strstr(simnode_text(p.a), "close_notify"));
        }
        assert_int_equal(simnode_state(p.a), SQ_PEER_FAILED);
        assert_int_equal(simnode_cause(p.a), SQ_PEER_CAUSE_MEDIA_LOST);
        end(&p);
    }
}

/* Who listens for it hears of the other side's end at any time, in either role. */
static void a_goodbye_is_heard_late(void **state)
{
    (void)state;
    const struct sq_peer_config hears = {.hear_goodbye = true};
    for (int side = 0; side < 2; side++) {
        struct pair p = make_pair(40, &hears, &hears, false);
        struct simnode *listener = side ? p.b : p.a;
        simnet_negotiate(p.net, p.a, p.b, false);
        run_for(p.net, 60 * SEC);
        assert_connected(listener);
        sq_peer_close(simnode_peer(side ? p.a : p.b), simnet_now(p.net));
        run_for(p.net, SEC);
        assert_int_equal(simnode_state(listener), SQ_PEER_FAILED);
        assert_int_equal(simnode_cause(listener), SQ_PEER_CAUSE_MEDIA_LOST);
        assert_non_null(strstr(simnode_text(listener), "close_notify"));
        end(&p);
    }
}

static bool no_dtls(struct simnet *net, struct simnode *node)
{
    return sq_peer_times(simnode_peer(node))->dtls_connected == 0 && net;
}

static void cut_when_connected(void *ctx, struct simnode *node, const struct sq_peer_event *event)
{
    (void)ctx;
    if (event->type == SQ_PEER_EV_ICE_CONNECTED) {
        simnode_link(node)->drop_dtls = true;
    }
}

static void dtls_goes_nowhere(void **state)
{
    (void)state;
    const struct sq_peer_config config = {.connect_timeout_ns = 9 * SEC};
    struct simnet *net = simnet_new(40, 2);
    struct pair p = {net, simnet_add(net, &config, false, cut_when_connected, NULL),
                     simnet_add(net, &config, false, cut_when_connected, NULL)};
    add_both(p.a);
    add_both(p.b);
    uint64_t t0 = simnet_now(net);
    simnet_negotiate(net, p.a, p.b, false);
    simnet_run(net, t0 + 9 * SEC - 1);
    assert_int_equal(simnode_state(p.a), SQ_PEER_CONNECTING);
    assert_true(no_dtls(net, p.a));
    simnet_run(net, t0 + 9 * SEC);
    assert_int_equal(simnode_state(p.a), SQ_PEER_FAILED);
    assert_int_equal(simnode_cause(p.a), SQ_PEER_CAUSE_DTLS);
    /* What comes too late changes nothing. */
    simnode_link(p.a)->drop_dtls = simnode_link(p.b)->drop_dtls = false;
    run_for(net, 10 * SEC);
    assert_int_equal(simnode_state(p.a), SQ_PEER_FAILED);
    assert_true(no_dtls(net, p.a));
    simnet_free(net);
}

/* The other side comes back as a new process: other certificate, other credentials, whether it was
 * asked to restart or not. */
static void new_association(void **state)
{
    (void)state;
    for (int restart = 0; restart < 2; restart++) {
        struct simnet *net = simnet_new(41, 3);
        struct pair p = pair_on(net, NULL, NULL, false);
        simnet_negotiate(net, p.a, p.b, false);
        run_for(net, 4 * SEC);
        assert_connected(p.a);
        const struct sq_peer_config plain = {0};
        struct simnode *c = simnet_add(net, &plain, false, NULL, NULL);
        add_both(c);
        sq_peer_close(simnode_peer(p.b), simnet_now(net));
        char *offer = offer_of(net, p.a, restart);
        set_remote(net, c, SQ_SDP_OFFER, offer);
        char *answer = answer_of(net, c);
        set_remote(net, p.a, SQ_SDP_ANSWER, answer);
        uint64_t frames = in_stats(net, p.a, 1).frames_decoded;
        run_for(net, 5 * SEC);
        assert_connected(p.a);
        assert_connected(c);
        assert_true(in_stats(net, p.a, 1).frames_decoded > frames + 90);
        assert_true(in_stats(net, c, 1).frames_decoded > 90);
        sq_free(offer);
        sq_free(answer);
        simnet_free(net);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_profile_and_backend),
        cmocka_unit_test(active_and_passive),
        cmocka_unit_test(checks_are_no_data),
        cmocka_unit_test(late_candidates),
        cmocka_unit_test(candidates_before_the_answer),
        cmocka_unit_test(through_a_nat),
        cmocka_unit_test(glare_is_rolled_back),
        cmocka_unit_test(a_late_relay_is_not_told),
        cmocka_unit_test(restart_rolled_back_alone),
        cmocka_unit_test(restart_taken_back),
        cmocka_unit_test(restart_after_consent_was_lost),
        cmocka_unit_test(consent_lost_within_a_restart),
        cmocka_unit_test(restart_that_finds_nobody),
        cmocka_unit_test(disconnected_and_back),
        cmocka_unit_test(close_early_and_late),
        cmocka_unit_test(a_goodbye_is_heard_late),
        cmocka_unit_test(dtls_goes_nowhere),
        cmocka_unit_test(new_association),
    };
    return cmocka_run_group_tests(tests, open_clip, close_clip);
}
