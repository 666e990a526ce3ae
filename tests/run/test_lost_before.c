/* A service that ends the session of a user whose connection was lost before: what failed is the
 * connection, and where it went by a TURN server that is gone, that is named. A user, its service
 * and a TURN server on one loop; half a minute of silence passes by the peer's clock alone. */
#include "base/time.h"
#include "net/loop.h"
#include "run/crowd.h"
#include "run/endpoint.h"
#include "run/fake_signal.h"
#include "run/rig.h"
#include "run/turn_server.h"
#include "run/user_int.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define LIMIT_MS 15000
#define MEDIA    "room: the server says \"media\": the connection was lost"

struct bench {
    struct sq_loop *loop;
    struct turn_server server;
    struct sq_relay_server entry;
    struct sq_relays_config relays;
    struct sq_carrier *carrier;
    struct sq_plan plan;
    struct sq_tally tally;
    struct sq_second second;
    struct sq_slice_tally slices;
    struct sq_user_env env;
    struct sq_user *user;
    bool over;
};

static void on_done(void *ctx, struct sq_user *user)
{
    struct bench *b = ctx;
    assert_ptr_equal(user, b->user);
    b->over = true;
}

static bool is_up(void *ctx)
{
    return ((struct bench *)ctx)->user->state == SQ_USER_UP;
}

/* Up, as a viewer, by the TURN server's relay or directly. */
static void begin(struct bench *b, bool relayed)
{
    struct sq_addr addr;
    const struct sq_arrival first = {.index = 0};
    memset(b, 0, sizeof(*b));
    fake_begin(NULL);
    assert_int_equal(sq_loop_new(NULL, &b->loop), 0);
    turn_server_start(&b->server, b->loop);
    b->entry = turn_server_entry(&b->server, SQ_TURN_UDP);
    b->relays = (struct sq_relays_config){.servers = &b->entry, .servers_len = 1};
    assert_int_equal(sq_addr_parse("127.0.0.1", 0, &addr), 0);
    const struct sq_carrier_config config = {
        .seed = 3, .addrs = &addr, .addrs_len = 1, .relays = &b->relays};
    assert_int_equal(sq_carrier_create(b->loop, &config, &b->carrier), 0);
    sq_plan_defaults(&b->plan);
    b->plan.groups[0].adapter = &fake_signal;
    b->plan.groups[0].clip = rig_clip;
    b->plan.groups[0].ice_policy = relayed ? SQ_ICE_POLICY_RELAY : SQ_ICE_POLICY_ALL;
    sq_plan_split(&b->plan, 0);
    b->env = (struct sq_user_env){.plan = &b->plan,
                                  .loop = b->loop,
                                  .carrier = b->carrier,
                                  .tally = &b->tally,
                                  .second = &b->second,
                                  .slices = &b->slices,
                                  .start_ns = sq_loop_now(b->loop),
                                  .hung_after_ns = SQ_NEVER,
                                  .drain_ns = SQ_NEVER,
                                  .done = on_done,
                                  .ctx = b};
    assert_int_equal(sq_user_create(&b->env, &first, 0, &b->user), 0);
    sq_user_start(b->user);
    assert_true(rig_until(b->loop, is_up, b, LIMIT_MS));
}

static void end(struct bench *b)
{
    sq_user_destroy(b->user);
    sq_tally_free(&b->tally);
    sq_carrier_destroy(b->carrier);
    sq_loop_free(b->loop);
    assert_int_equal(fake_sessions(), 0);
}

static struct sq_peer *peer_of(const struct bench *b)
{
    return sq_endpoint_peer(b->user->peers[0].endpoint);
}

/* By the peer's clock: a consent check goes out, and no answer is read for longer than ICE waits
 * before it calls the connection disconnected. */
static void lose_connection(struct bench *b)
{
    uint64_t now_ns = sq_loop_refresh_now(b->loop);
    sq_peer_on_timeout(peer_of(b), now_ns + 7 * SQ_NS_PER_SEC);
    sq_peer_on_timeout(peer_of(b), now_ns + 15 * SQ_NS_PER_SEC);
    assert_int_equal(sq_peer_state(peer_of(b)), SQ_PEER_DISCONNECTED);
}

/* What is under way comes: the last of the media, or ICMP. */
static void settle(struct bench *b)
{
    for (int turn = 0; turn < 20; turn++) {
        assert_int_equal(sq_loop_run_once(b->loop, SQ_NS_PER_MS), 0);
    }
}

static uint64_t relays_lost(const struct bench *b)
{
    return sq_relays_counts(sq_carrier_relays(b->carrier), 0)->lost;
}

static void expect_failure(const struct bench *b, enum sq_failure cause, const char *words,
                           const char *more)
{
    const struct sq_peer_row *row = &b->user->row;
    assert_true(b->over);
    assert_int_equal(row->outcome, SQ_OUTCOME_FAILED);
    if (row->cause != cause || !strstr(row->message, words) || !strstr(row->message, more)) {
        fail_msg("%s: %s", sq_failure_name(row->cause), row->message);
    }
    assert_int_equal(b->tally.failed_by_cause[cause], 1);
}

/* Rooms say "media" and close, Janus hangs up: ICE of the service gives up at about the same time
 * as that of the user, and by as many seconds sooner as later. */
static void the_turn_server_is_named(void **state)
{
    static const struct {
        enum sq_cause cause;
        const char *said;
    } cases[] = {
        {SQ_CAUSE_SIGNALING, MEDIA},
        {SQ_CAUSE_MEDIA_LOST, "Janus hung up the peer connection (echo): ICE failed"},
        {SQ_CAUSE_TIMEOUT, "room: the server says \"timeout\": nothing was heard of you"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct bench b;
        begin(&b, true);
        turn_server_stop(&b.server);
        settle(&b);
        lose_connection(&b);
        settle(&b);
        assert_int_equal(relays_lost(&b), 0);
        b.user->host.failed(b.user, cases[i].cause, cases[i].said);
        expect_failure(&b, SQ_FAILURE_MEDIA_LOST,
                       "the connection was lost with its relay: the TURN server turn:test cannot "
                       "be reached any more: port unreachable (ICMP)",
                       cases[i].said);
        assert_int_equal(relays_lost(&b), 1);
        end(&b);
    }
}

static void without_a_relay_the_connection_is(void **state)
{
    static const struct {
        bool lost;
        enum sq_cause cause;
        enum sq_failure expected;
        const char *words;
    } cases[] = {
        {true, SQ_CAUSE_SIGNALING, SQ_FAILURE_MEDIA_LOST,
         "the connection was lost: consent checks went unanswered (RFC 7675); then the session "
         "ended: room: "},
        /* An answer that came, and said so. */
        {true, SQ_CAUSE_AUTH, SQ_FAILURE_AUTH, MEDIA},
        {true, SQ_CAUSE_PROTOCOL, SQ_FAILURE_PROTOCOL, MEDIA},
        /* Whose connection stands was ended by its service. */
        {false, SQ_CAUSE_SIGNALING, SQ_FAILURE_SIGNALING, MEDIA},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct bench b;
        begin(&b, false);
        if (cases[i].lost) {
            lose_connection(&b);
        }
        b.user->host.failed(b.user, cases[i].cause, MEDIA);
        expect_failure(&b, cases[i].expected, cases[i].words, MEDIA);
        if (cases[i].expected != SQ_FAILURE_MEDIA_LOST) {
            assert_string_equal(b.user->row.message, MEDIA);
        }
        turn_server_stop(&b.server);
        end(&b);
    }
}

/* What it comes back from has the same cause. */
static void who_comes_back_knows_it_too(void **state)
{
    struct bench b;
    (void)state;
    begin(&b, false);
    b.plan.groups[0].reconnect = (struct sq_plan_reconnect){.how = SQ_RECONNECT_NOW};
    lose_connection(&b);
    b.user->host.failed(b.user, SQ_CAUSE_SIGNALING, MEDIA);
    assert_int_equal(b.user->state, SQ_USER_AWAY);
    assert_int_equal(b.user->away.cause, SQ_FAILURE_MEDIA_LOST);
    turn_server_stop(&b.server);
    end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_turn_server_is_named),
        cmocka_unit_test(without_a_relay_the_connection_is),
        cmocka_unit_test(who_comes_back_knows_it_too),
    };
    return cmocka_run_group_tests(tests, rig_open_clip, rig_close_clip);
}
