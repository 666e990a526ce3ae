/* The TURN client against a scripted server, in virtual time. */
#include "base/mem.h"
#include "peer/turn_rig.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define SEC SQ_NS_PER_SEC
#define MS  SQ_NS_PER_MS

static const uint8_t dtls[] = {22, 254, 253, 1, 2, 3, 4}; /* the first byte counts */
static const uint8_t stun[] = {0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 2,
                               3, 4, 5, 6, 7,    8,    9,    1,    2, 3};

static struct rig rig;

static void allocate(uint64_t seed)
{
    rig_init(&rig, seed);
    rig_start(&rig);
    rig_run(&rig, SEC);
    assert_int_equal(rig.allocated, 1);
    assert_true(sq_turn_is_ready(rig.turn));
}

static void expect_wrong(int n)
{
    assert_int_equal(rig.server.wrong, n);
    rig_free(&rig);
}

/* ---- Allocation and credentials ---- */

static void test_allocates(void **state)
{
    (void)state;
    rig_init(&rig, 1);
    rig_start(&rig);
    rig_run(&rig, 85 * MS); /* 401, then the answer: two round trips of 40 ms */
    assert_int_equal(rig.allocated, 1);
    assert_true(sq_addr_equal(&rig.relayed, &rig.server.relayed));
    assert_true(sq_addr_equal(&rig.mapped, &rig.server.mapped));
    struct sq_turn_stats stats;
    sq_turn_get_stats(rig.turn, &stats);
    assert_int_equal(stats.requests_sent, 2);
    assert_int_equal(stats.retransmissions, 0);
    assert_int_equal(stats.lifetime_s, 600);
    assert_false(stats.sha256);
    expect_wrong(0);
}

static void test_without_credentials(void **state)
{
    (void)state;
    rig_init(&rig, 2);
    rig.server.open = true;
    rig.cfg.user = rig.cfg.password = NULL;
    rig_start(&rig);
    rig_run(&rig, 50 * MS);
    assert_int_equal(rig.allocated, 1);
    expect_wrong(0);

    rig_init(&rig, 2);
    rig.cfg.user = rig.cfg.password = NULL;
    rig_start(&rig);
    rig_run(&rig, SEC);
    assert_int_equal(rig.failed, 1);
    assert_int_equal(rig.fault, SQ_TURN_FAULT_AUTH);
    assert_non_null(strstr(rig.text, "none were given"));
    expect_wrong(0);
}

static void test_password_algorithms(void **state)
{
    (void)state;
    rig_init(&rig, 3);
    rig.server.rfc8489 = true;
    rig_start(&rig);
    rig_run(&rig, SEC);
    assert_int_equal(rig.allocated, 1);
    struct sq_turn_stats stats;
    sq_turn_get_stats(rig.turn, &stats);
    assert_true(stats.sha256);
    struct sq_addr peer = rig_addr("192.0.2.5", 700);
    assert_true(rig_send(&rig, &peer, dtls, sizeof(dtls)) > 0);
    rig_run(&rig, SEC);
    assert_int_equal(rig.server.binds, 1);
    expect_wrong(0);
}

/* RFC 8489, section 9.2.5: a list that the nonce promises and that is not there. */
static void test_bid_down(void **state)
{
    (void)state;
    rig_init(&rig, 4);
    rig.server.hides_list = true;
    rig_start(&rig);
    rig_run(&rig, SEC);
    assert_int_equal(rig.failed, 1);
    assert_int_equal(rig.fault, SQ_TURN_FAULT_AUTH);
    expect_wrong(0);
    rig_init(&rig, 4);
    rig.server.strange_list = true;
    rig_start(&rig);
    rig_run(&rig, SEC);
    assert_int_equal(rig.failed, 1);
    assert_non_null(strstr(rig.text, "algorithm"));
    expect_wrong(0);
}

static void test_wrong_password(void **state)
{
    (void)state;
    rig_init(&rig, 5);
    rig.cfg.password = "guess";
    rig_start(&rig);
    rig_run(&rig, SEC);
    assert_int_equal(rig.failed, 1);
    assert_int_equal(rig.fault, SQ_TURN_FAULT_AUTH);
    assert_int_equal(rig.code, 401);
    assert_string_equal(rig.text, "refused the credentials of user 'anna': 401 Unauthenticated");
    assert_int_equal(rig.server.requests, 2); /* the same credentials are not tried again */
    expect_wrong(0);
}

static void test_refusals(void **state)
{
    (void)state;
    static const struct {
        int code;
        enum sq_turn_fault fault;
        const char *text;
    } cases[] = {
        {403, SQ_TURN_FAULT_REFUSED, "refused the allocation: 403 Forbidden"},
        {441, SQ_TURN_FAULT_AUTH, "refused the allocation: 441 Wrong Credentials"},
        {442, SQ_TURN_FAULT_REFUSED, "refused the allocation: 442 Unsupported Transport Protocol"},
        {486, SQ_TURN_FAULT_REFUSED, "refused the allocation: 486 Allocation Quota"},
        {508, SQ_TURN_FAULT_REFUSED, "refused the allocation: 508 Insufficient Capacity"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        rig_init(&rig, 6);
        rig.server.refuse_allocate = cases[i].code;
        rig_start(&rig);
        rig_run(&rig, SEC);
        assert_int_equal(rig.failed, 1);
        assert_int_equal(rig.fault, cases[i].fault);
        assert_string_equal(rig.text, cases[i].text);
        assert_int_equal(sq_turn_next_timeout(rig.turn), SQ_NEVER);
        expect_wrong(0);
    }
}

static void test_alternate(void **state)
{
    (void)state;
    rig_init(&rig, 7);
    rig.server.refuse_allocate = 300;
    rig_start(&rig);
    rig_run(&rig, SEC);
    assert_int_equal(rig.again, 1);
    assert_true(rig.again_elsewhere);
    assert_true(sq_addr_equal(&rig.again_at, &rig.server.alternate));
    rig.server.refuse_allocate = 0;
    assert_int_equal(sq_turn_start(rig.turn, rig.now_ns), 0);
    rig_run(&rig, SEC);
    assert_int_equal(rig.allocated, 1);
    expect_wrong(0);
    /* Servers that send us round in a circle. */
    rig_init(&rig, 7);
    rig.server.refuse_allocate = 300;
    rig_start(&rig);
    for (int i = 0; i < 10 && !rig.failed; i++) {
        rig_run(&rig, SEC);
        int err = rig.failed ? 0 : sq_turn_start(rig.turn, rig.now_ns);
        assert_int_equal(err, 0);
    }
    assert_int_equal(rig.again, SQ_TURN_ALTERNATES_MAX);
    assert_int_equal(rig.failed, 1);
    expect_wrong(0);
}

/* The server still holds an allocation of whoever had this port before. */
static void test_mismatch(void **state)
{
    (void)state;
    rig_init(&rig, 8);
    rig.server.holds = true;
    rig_start(&rig);
    rig_run(&rig, SEC);
    assert_int_equal(rig.again, 1);
    assert_false(rig.again_elsewhere);
    rig.server.holds = false; /* as from another port */
    assert_int_equal(sq_turn_start(rig.turn, rig.now_ns), 0);
    rig_run(&rig, SEC);
    assert_int_equal(rig.allocated, 1);
    expect_wrong(0);
}

static void test_silent(void **state)
{
    (void)state;
    rig_init(&rig, 9);
    rig.server.deaf = true;
    rig_start(&rig);
    rig_run(&rig, 39 * SEC);
    assert_int_equal(rig.failed, 0);
    rig_run(&rig, SEC); /* RFC 8489, section 6.2.1: 39.5 s in all */
    assert_int_equal(rig.failed, 1);
    assert_int_equal(rig.fault, SQ_TURN_FAULT_SILENT);
    struct sq_turn_stats stats;
    sq_turn_get_stats(rig.turn, &stats);
    assert_int_equal(stats.retransmissions, 6);
    expect_wrong(0);
    rig_init(&rig, 9);
    rig.server.deaf = rig.cfg.stream = true;
    rig_start(&rig);
    rig_run(&rig, 40 * SEC);
    assert_int_equal(rig.failed, 1);
    sq_turn_get_stats(rig.turn, &stats);
    assert_int_equal(stats.retransmissions, 0); /* a stream loses nothing */
    expect_wrong(0);
}

static void test_forged_answers(void **state)
{
    (void)state;
    rig_init(&rig, 10);
    rig.server.wrong_key = true;
    rig_start(&rig);
    char text[SQ_TURN_TEXT_MAX];
    assert_false(sq_turn_tell_unusable(rig.turn, text));
    rig_run(&rig, 2 * SEC);
    assert_int_equal(rig.allocated, 0); /* as if they had never come */
    assert_int_equal(rig.failed, 0);
    assert_true(sq_turn_tell_unusable(rig.turn, text)); /* sent at 0, 0.5 and 1.5 s */
    assert_string_equal(text, "3 answers came, and could not be used: 3 with a wrong or missing "
                              "MESSAGE-INTEGRITY");
    rig_run(&rig, 60 * SEC);
    assert_int_equal(rig.fault, SQ_TURN_FAULT_PROTOCOL);
    assert_non_null(strstr(rig.text, "grants nothing: 7 answers came"));
    rig_free(&rig);
    rig_init(&rig, 10);
    rig.server.unsigned_answers = true;
    rig_start(&rig);
    rig_run(&rig, 2 * SEC);
    assert_int_equal(rig.allocated, 0);
    assert_true(sq_turn_tell_unusable(rig.turn, text));
    assert_non_null(strstr(text, "missing MESSAGE-INTEGRITY"));
    rig_free(&rig);
    rig_init(&rig, 10);
    rig.server.no_realm = true;
    rig_start(&rig);
    rig_run(&rig, 2 * SEC);
    assert_int_equal(rig.fault, SQ_TURN_FAULT_PROTOCOL);
    rig_free(&rig);
}

/* ---- Keeping it ---- */

static void test_refresh(void **state)
{
    (void)state;
    allocate(11);
    rig_run(&rig, 530 * SEC);
    assert_int_equal(rig.server.refreshes, 0);
    rig_run(&rig, 12 * SEC); /* a minute before its end */
    assert_int_equal(rig.server.refreshes, 1);
    rig_run(&rig, 3600 * SEC);
    assert_in_range(rig.server.refreshes, 7, 8);
    expect_wrong(0);
}

static void test_stale_nonce(void **state)
{
    (void)state;
    rig_init(&rig, 12);
    rig.server.stale_every = 5;
    rig_start(&rig);
    rig_run(&rig, SEC);
    assert_int_equal(rig.allocated, 1);
    struct sq_addr peer = rig_addr("192.0.2.5", 700);
    for (int i = 0; i < 20; i++) {
        (void)rig_send(&rig, &peer, dtls, sizeof(dtls));
        rig_run(&rig, 100 * SEC);
    }
    struct sq_turn_stats stats;
    sq_turn_get_stats(rig.turn, &stats);
    assert_true(stats.stale_nonces >= 3);
    assert_int_equal(rig.failed, 0);
    assert_int_equal(stats.channels, 1);
    expect_wrong(0);
}

static void test_lost_allocation(void **state)
{
    (void)state;
    allocate(13);
    rig.server.holds = false; /* the server was restarted */
    rig_run(&rig, 600 * SEC);
    assert_int_equal(rig.failed, 1);
    assert_int_equal(rig.code, 437);
    assert_int_equal(rig_send(&rig, &rig.server.mapped, dtls, sizeof(dtls)), 0);
    expect_wrong(0);
}

static void test_close(void **state)
{
    (void)state;
    allocate(14);
    sq_turn_close(rig.turn, rig.now_ns);
    assert_int_equal(rig.closed, 0);
    rig_run(&rig, SEC);
    assert_int_equal(rig.closed, 1);
    assert_int_equal(rig.server.frees, 1);
    assert_false(rig.server.holds);
    expect_wrong(0);
    /* With a nonce that has become old in between. */
    allocate(14);
    rig.server.stale_every = 1;
    sq_turn_close(rig.turn, rig.now_ns);
    rig_run(&rig, 25 * MS);
    rig.server.stale_every = 0;
    rig_run(&rig, SEC);
    assert_int_equal(rig.closed, 1);
    assert_int_equal(rig.server.frees, 1);
    rig_free(&rig);
    /* Nobody answers; and before there is anything to give back. */
    allocate(14);
    rig.server.deaf = true;
    sq_turn_close(rig.turn, rig.now_ns);
    rig_run(&rig, 1001 * MS);
    assert_int_equal(rig.closed, 1);
    rig_free(&rig);
    rig_init(&rig, 14);
    rig_start(&rig);
    sq_turn_close(rig.turn, rig.now_ns);
    assert_int_equal(rig.closed, 1);
    rig_free(&rig);
}

/* With the Allocate under way: what it gets is given back, or there is nothing. */
static void test_close_while_allocating(void **state)
{
    (void)state;
    for (int lost = 0; lost < 2; lost++) {
        rig_init(&rig, 15);
        rig_start(&rig);
        rig_run(&rig, 30 * MS); /* the challenge is on its way back */
        rig.drop_next = lost;
        rig_run(&rig, 15 * MS); /* and the signed request on its way there */
        assert_int_equal(rig.server.allocates, 0);
        sq_turn_close(rig.turn, rig.now_ns);
        assert_int_equal(rig.closed, 0);
        rig_run(&rig, 100 * MS);
        assert_int_equal(rig.server.allocates, !lost);
        assert_int_equal(rig.server.frees, !lost);
        assert_false(rig.server.holds);
        assert_int_equal(rig.closed, 1);
        assert_int_equal(rig.allocated + rig.failed, 0);
        expect_wrong(0);
    }
    /* A server that does not answer any more is waited for a second. */
    rig_init(&rig, 15);
    rig_start(&rig);
    rig_run(&rig, 45 * MS);
    rig.server.deaf = true;
    sq_turn_close(rig.turn, rig.now_ns);
    rig_run(&rig, 999 * MS);
    assert_int_equal(rig.closed, 0);
    rig_run(&rig, 2 * MS);
    assert_int_equal(rig.closed, 1);
    rig_free(&rig);
}

/* ---- Data ---- */

static void test_indications_then_channel(void **state)
{
    (void)state;
    allocate(20);
    struct sq_addr peer = rig_addr("192.0.2.5", 700);
    assert_true(rig_send(&rig, &peer, stun, sizeof(stun)) > sizeof(stun) + 4);
    rig_run(&rig, 30 * MS);
    assert_int_equal(rig.server.permissions, 1); /* the request went ahead of the datagram */
    assert_int_equal(rig.server.indications, 1);
    assert_true(sq_addr_equal(&rig.server.last_to, &peer));
    assert_memory_equal(rig.server.last, stun, sizeof(stun));
    rig_from_peer(&rig, &peer, "\x01\x01hello", 7);
    rig_run(&rig, 100 * MS);
    assert_int_equal(rig.data_count, 1);
    assert_true(sq_addr_equal(&rig.data_from, &peer));
    assert_memory_equal(rig.data, "\x01\x01hello", 7);
    assert_int_equal(rig.server.binds, 0); /* checks alone bind no channel */

    assert_true(rig_send(&rig, &peer, dtls, sizeof(dtls)) > sizeof(dtls) + 4);
    rig_run(&rig, 100 * MS);
    assert_int_equal(rig.server.binds, 1);
    assert_int_equal(rig_send(&rig, &peer, dtls, sizeof(dtls)), sizeof(dtls) + 4);
    assert_int_equal(rig_send(&rig, &peer, stun, sizeof(stun)), sizeof(stun) + 4);
    rig_run(&rig, 100 * MS);
    assert_int_equal(rig.server.channel_data, 2);
    rig_from_peer(&rig, &peer, dtls, sizeof(dtls));
    rig_run(&rig, 100 * MS);
    assert_int_equal(rig.data_count, 2);
    assert_memory_equal(rig.data, dtls, sizeof(dtls));
    expect_wrong(0);
}

static void test_padding_on_streams(void **state)
{
    (void)state;
    rig_init(&rig, 21);
    rig.cfg.stream = true;
    rig_start(&rig);
    rig_run(&rig, SEC);
    struct sq_addr peer = rig_addr("192.0.2.5", 700);
    (void)rig_send(&rig, &peer, dtls, sizeof(dtls));
    rig_run(&rig, SEC);
    assert_int_equal(rig_send(&rig, &peer, dtls, sizeof(dtls)), 12); /* 4 + 7 + 1 */
    assert_int_equal(rig_send(&rig, &peer, dtls, 4), 8);
    rig_run(&rig, SEC);
    expect_wrong(0);
}

/* RFC 8656: permissions last 5 minutes, channels 10; the server counts what comes too late. */
static void test_kept_up_while_used(void **state)
{
    (void)state;
    allocate(22);
    struct sq_addr bound = rig_addr("192.0.2.5", 700);
    struct sq_addr checked = rig_addr("192.0.2.6", 701);
    for (int i = 0; i < 1000; i++) {
        (void)rig_send(&rig, &bound, dtls, sizeof(dtls));
        (void)rig_send(&rig, &checked, stun, sizeof(stun));
        rig_run(&rig, 2 * SEC);
    }
    assert_in_range(rig.server.binds, 8, 10);
    assert_in_range(rig.server.permissions, 8, 12);
    int binds = rig.server.binds, permissions = rig.server.permissions;
    rig_run(&rig, 2000 * SEC); /* unused: they run out */
    assert_in_range(rig.server.binds - binds, 0, 1);
    assert_in_range(rig.server.permissions - permissions, 0, 1);
    struct sq_turn_stats stats;
    sq_turn_get_stats(rig.turn, &stats);
    assert_int_equal(stats.channels + stats.permissions, 0);
    /* And come back when they are wanted. */
    (void)rig_send(&rig, &bound, dtls, sizeof(dtls));
    rig_run(&rig, SEC);
    (void)rig_send(&rig, &bound, dtls, sizeof(dtls));
    rig_run(&rig, SEC);
    sq_turn_get_stats(rig.turn, &stats);
    assert_int_equal(stats.channels, 1);
    expect_wrong(0);
}

/* The server does not bind the channel again (section 12.3), or says nothing to it: the permission,
 * which it had kept up, is kept up by itself, and what goes out goes as an indication. */
static void test_channel_not_bound_again(void **state)
{
    (void)state;
    for (int silent = 0; silent < 2; silent++) {
        allocate(27);
        struct sq_addr peer = rig_addr("192.0.2.5", 700);
        for (int i = 0; i < 600; i++) {
            (void)rig_send(&rig, &peer, dtls, sizeof(dtls));
            rig_run(&rig, 2 * SEC);
            rig.server.refuse_channel = silent ? -1 : 508;
        }
        assert_int_equal(rig.server.binds, 1);
        assert_in_range(rig.server.permissions, 4, 6); /* each 4 minutes of 20, and the first */
        struct sq_turn_stats stats;
        sq_turn_get_stats(rig.turn, &stats);
        assert_int_equal(stats.permissions, 1);
        assert_int_equal(rig.server.indications + rig.server.channel_data, 600);
        expect_wrong(0);
    }
}

static void test_one_permission_an_ip(void **state)
{
    (void)state;
    allocate(23);
    for (uint16_t port = 700; port < 710; port++) {
        struct sq_addr peer = rig_addr("192.0.2.5", port);
        assert_true(rig_send(&rig, &peer, stun, sizeof(stun)) > 0);
    }
    rig_run(&rig, SEC);
    assert_int_equal(rig.server.permissions, 1);
    assert_int_equal(rig.server.indications, 10);
    expect_wrong(0);
}

static void test_many_peers(void **state)
{
    (void)state;
    allocate(24);
    for (int i = 0; i < 200; i++) {
        char ip[32];
        snprintf(ip, sizeof(ip), "192.0.2.%d", 1 + i % 250);
        struct sq_addr peer = rig_addr(ip, 700);
        (void)rig_send(&rig, &peer, stun, sizeof(stun));
        rig_run(&rig, 5 * MS);
    }
    rig_run(&rig, SEC);
    struct sq_turn_stats stats;
    sq_turn_get_stats(rig.turn, &stats);
    /* More than eight requests are never under way: a datagram may overtake its permission then,
     * which costs that datagram and nothing else. */
    assert_true(rig.server.permissions >= SQ_TURN_PEERS_MAX);
    assert_true(sq_turn_memory_bytes(rig.turn) < 16384);
    rig_free(&rig);
}

/* All places for requests are taken when the allocation is to be refreshed: the refresh waits for
 * one of them (rig_run fails where a time-out comes again and again without effect). */
static void test_refresh_waits_for_a_place(void **state)
{
    (void)state;
    allocate(28);
    rig_run(&rig, 538 * SEC);
    rig.server.deaf = true;
    for (int i = 0; i < 9; i++) {
        struct sq_addr peer = rig_addr("192.0.2.1", 700);
        peer.in4.sin_addr.s_addr += (uint32_t)i << 24;
        (void)rig_send(&rig, &peer, stun, sizeof(stun));
    }
    rig_run(&rig, 6 * SEC); /* the refresh is due after 540 s */
    assert_int_equal(rig.server.refreshes, 0);
    rig.server.deaf = false;
    rig_run(&rig, 30 * SEC);
    assert_int_equal(rig.server.refreshes, 1);
    assert_int_equal(rig.server.permissions, 9);
    rig_free(&rig);
}

static void test_refused_peer(void **state)
{
    (void)state;
    allocate(25);
    rig.server.refuse_permission = 403;
    struct sq_addr peer = rig_addr("127.0.0.1", 700);
    (void)rig_send(&rig, &peer, stun, sizeof(stun));
    rig_run(&rig, SEC);
    assert_int_equal(rig.refused_peers, 1);
    assert_int_equal(rig.code, 403);
    assert_int_equal(rig_send(&rig, &peer, stun, sizeof(stun)), 0);
    rig_free(&rig);
    /* A channel that is refused leaves indications. */
    allocate(25);
    rig.server.refuse_channel = 508;
    peer = rig_addr("192.0.2.5", 700);
    for (int i = 0; i < 3; i++) {
        assert_true(rig_send(&rig, &peer, dtls, sizeof(dtls)) > 0);
        rig_run(&rig, SEC);
    }
    assert_int_equal(rig.refused_peers, 0);
    assert_int_equal(rig.server.indications, 3);
    expect_wrong(0);
}

static void test_strangers(void **state)
{
    (void)state;
    allocate(26);
    struct sq_addr stranger = rig_addr("192.0.2.99", 1);
    rig_from_peer(&rig, &stranger, dtls, sizeof(dtls)); /* nobody we sent to */
    rig_run(&rig, SEC);
    assert_int_equal(rig.data_count, 0);
    struct sq_turn_data data;
    static const uint8_t channel[] = {0x40, 0x07, 0, 2, 1, 2};
    static const uint8_t too_long[] = {0x40, 0x00, 0, 9, 1, 2};
    assert_int_equal(sq_turn_receive(rig.turn, rig.now_ns, channel, sizeof(channel), &data),
                     SQ_ERR_NOTFOUND);
    assert_int_equal(sq_turn_receive(rig.turn, rig.now_ns, too_long, sizeof(too_long), &data),
                     SQ_ERR_FORMAT);
    expect_wrong(0);
}

/* ---- A lossy link ---- */

static void test_loss(void **state)
{
    (void)state;
    int allocated = 0, channels = 0;
    for (uint64_t seed = 100; seed < 150; seed++) {
        rig_init(&rig, seed);
        rig.loss = 0.2;
        rig_start(&rig);
        rig_run(&rig, 30 * SEC);
        allocated += rig.allocated;
        struct sq_addr peer = rig_addr("192.0.2.5", 700);
        for (int i = 0; i < 300 && rig.allocated; i++) {
            (void)rig_send(&rig, &peer, dtls, sizeof(dtls));
            rig_run(&rig, 5 * SEC); /* half an hour in all */
        }
        struct sq_turn_stats stats;
        sq_turn_get_stats(rig.turn, &stats);
        channels += (int)stats.channels;
        assert_int_equal(rig.failed, 0);
        rig_free(&rig);
    }
    assert_int_equal(allocated, 50);
    assert_int_equal(channels, 50);
}

static void test_retransmits(void **state)
{
    (void)state;
    rig_init(&rig, 30);
    rig.drop_next = 2;
    rig_start(&rig);
    rig_run(&rig, 1540 * MS);
    assert_int_equal(rig.allocated, 0);
    rig_run(&rig, 50 * MS); /* sent at 0, 0.5 and 1.5 s */
    assert_int_equal(rig.allocated, 1);
    expect_wrong(0);
}

/* ---- Memory ---- */

static void test_failing_allocations(void **state)
{
    (void)state;
    for (size_t nth = 1; nth < 40; nth++) {
        rig_init(&rig, 40);
        struct sq_turn_callbacks none = {.send = NULL};
        struct sq_turn *turn = NULL;
        assert_int_equal(sq_turn_create(&rig.cfg, &none, &rig, &turn), SQ_ERR_INVALID);
        rig_start(&rig);
        sq_mem_fail_at(nth);
        rig_run(&rig, SEC);
        for (uint16_t i = 0; i < 5; i++) {
            struct sq_addr peer = rig_addr("192.0.2.5", (uint16_t)(700 + i));
            (void)rig_send(&rig, &peer, dtls, sizeof(dtls));
            rig_run(&rig, 20 * MS);
        }
        bool through = sq_mem_count() < nth;
        sq_mem_fail_at(0);
        assert_true(rig.allocated == 1 || (rig.failed == 1 && rig.fault == SQ_TURN_FAULT_MEMORY));
        rig_free(&rig);
        if (through) {
            return;
        }
    }
    fail_msg("more allocations than that");
}

static void send_nothing(void *ctx, const void *buf, size_t len)
{
    (void)ctx;
    (void)buf;
    (void)len;
}

static void test_failing_creation(void **state)
{
    (void)state;
    static const struct sq_turn_callbacks with_send = {.send = send_nothing};
    rig_init(&rig, 41);
    for (size_t nth = 1; nth <= 3; nth++) {
        struct sq_turn *turn = NULL;
        sq_mem_fail_at(nth);
        assert_int_equal(sq_turn_create(&rig.cfg, &with_send, NULL, &turn), SQ_ERR_NOMEM);
        sq_mem_fail_at(0);
        assert_null(turn);
    }
    sq_turn_destroy(NULL);
}

/* ---- Time-limited credentials ---- */

/* The value was made with: printf 1700000000:anna | openssl dgst -sha1 -hmac north -binary | base64
 */
static void test_rest(void **state)
{
    (void)state;
    char user[64], password[SQ_TURN_REST_PASSWORD_ROOM];
    assert_int_equal(
        sq_turn_rest_credentials("north", "anna", 1700000000, user, sizeof(user), password), 0);
    assert_string_equal(user, "1700000000:anna");
    assert_string_equal(password, "WS1fjjHj2gNlXzhc/ZcwmC3ofIo=");
    assert_int_equal(
        sq_turn_rest_credentials("north", NULL, 1700000000, user, sizeof(user), password), 0);
    assert_string_equal(user, "1700000000");
    assert_int_equal(sq_turn_rest_credentials("north", "anna", 1700000000, user, 10, password),
                     SQ_ERR_NOSPACE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_allocates),
        cmocka_unit_test(test_without_credentials),
        cmocka_unit_test(test_password_algorithms),
        cmocka_unit_test(test_bid_down),
        cmocka_unit_test(test_wrong_password),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_alternate),
        cmocka_unit_test(test_mismatch),
        cmocka_unit_test(test_silent),
        cmocka_unit_test(test_forged_answers),
        cmocka_unit_test(test_refresh),
        cmocka_unit_test(test_stale_nonce),
        cmocka_unit_test(test_lost_allocation),
        cmocka_unit_test(test_close),
        cmocka_unit_test(test_close_while_allocating),
        cmocka_unit_test(test_indications_then_channel),
        cmocka_unit_test(test_padding_on_streams),
        cmocka_unit_test(test_kept_up_while_used),
        cmocka_unit_test(test_channel_not_bound_again),
        cmocka_unit_test(test_one_permission_an_ip),
        cmocka_unit_test(test_many_peers),
        cmocka_unit_test(test_refresh_waits_for_a_place),
        cmocka_unit_test(test_refused_peer),
        cmocka_unit_test(test_strangers),
        cmocka_unit_test(test_loss),
        cmocka_unit_test(test_retransmits),
        cmocka_unit_test(test_failing_allocations),
        cmocka_unit_test(test_failing_creation),
        cmocka_unit_test(test_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
