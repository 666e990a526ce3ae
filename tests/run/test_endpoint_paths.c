/* Endpoints by other ways than plain UDP: relays of a TURN server, TCP candidates, names of
 * multicast DNS; and the change from a relay to a direct path that a user makes. Real sockets of
 * the loopback, all on one loop. */
#include "base/mem.h"
#include "base/time.h"
#include "peer/mdns/mdns.h"
#include "peer/stun/stun.h"
#include "run/endpoint.h"
#include "run/endpoint_int.h"
#include "run/rig.h"
#include "run/turn_server.h"
#include "run/user_int.h"
#include "signal/signal.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define LIMIT_MS   15000
#define NOTES_MAX  4096
#define NAME       "5e8a3f0c-7c1d-4f0e-9a55-squalltest01.local"
#define OTHER_NAME "5e8a3f0c-7c1d-4f0e-9a55-squalltest02.local"

struct side {
    struct call *call;
    struct sq_carrier *carrier;
    struct sq_endpoint *endpoint;
    struct side *other;
    enum sq_peer_state state;
    enum sq_peer_cause cause;
    char text[SQ_PEER_TEXT_MAX];
    unsigned media, nominated, candidates;
    const char *hide; /* candidates go out with this name in the place of their address */
    char notes[NOTES_MAX];
    struct sq_user_peer *user_peer;
};

struct call {
    struct sq_loop *loop;
    struct turn_server server;
    struct sq_relay_server entry;
    struct sq_relays_config relays;
    struct side a, b;
    struct sq_udp *responder; /* of multicast DNS */
    const char *answers_for;
    unsigned asked;
};

static void pass_candidate(struct side *from, const char *line)
{
    char changed[512];
    struct sq_endpoint *to = from->other->endpoint;
    const char *ip = from->hide ? strstr(line, " 127.0.0.1 ") : NULL;
    if (ip) {
        snprintf(changed, sizeof(changed), "%.*s %s %s", (int)(ip - line), line, from->hide,
                 ip + strlen(" 127.0.0.1 "));
        line = changed;
    }
    from->candidates++;
    if (to) {
        int err = sq_peer_add_candidate(sq_endpoint_peer(to), sq_loop_now(from->call->loop), line);
        assert_int_equal(err, 0);
    }
}

static void on_event(void *ctx, struct sq_endpoint *endpoint, const struct sq_peer_event *event)
{
    struct side *side = ctx;
    assert_ptr_equal(side->endpoint, endpoint);
    if (event->type == SQ_PEER_EV_STATE) {
        side->state = event->state;
        if (event->state == SQ_PEER_FAILED) {
            side->cause = event->cause;
            snprintf(side->text, sizeof(side->text), "%s", event->text);
        }
    } else if (event->type == SQ_PEER_EV_LOCAL_CANDIDATE) {
        pass_candidate(side, event->text);
    } else if (event->type == SQ_PEER_EV_FIRST_MEDIA) {
        side->media++;
    } else if (event->type == SQ_PEER_EV_SELECTED_PAIR) {
        side->nominated += event->nominated;
    } else if (event->type == SQ_PEER_EV_NOTE) {
        size_t used = strlen(side->notes);
        snprintf(side->notes + used, sizeof(side->notes) - used, "%s\n", event->text);
    }
    if (side->user_peer) {
        sq_user_switch_event(side->user_peer, event);
    }
}

static const struct sq_endpoint_ops ops = {.event = on_event};

static void begin(struct call *call, enum sq_turn_carrier carrier)
{
    memset(call, 0, sizeof(*call));
    assert_int_equal(sq_loop_new(NULL, &call->loop), 0);
    turn_server_start(&call->server, call->loop);
    call->entry = turn_server_entry(&call->server, carrier);
    call->relays = (struct sq_relays_config){.servers = &call->entry, .servers_len = 1};
    call->a = (struct side){.call = call, .other = &call->b};
    call->b = (struct side){.call = call, .other = &call->a};
}

static int make_carrier(struct call *call, struct side *side, struct sq_carrier_config config)
{
    struct sq_addr addr;
    assert_int_equal(sq_addr_parse("127.0.0.1", 0, &addr), 0);
    config.addrs = &addr;
    config.addrs_len = 1;
    config.settle_ns = 1;
    return sq_carrier_create(call->loop, &config, &side->carrier);
}

static int make_endpoint(struct side *side)
{
    const struct sq_peer_config config = {.connect_timeout_ns = 10 * SQ_NS_PER_SEC};
    return sq_endpoint_create(side->carrier, &config, NULL, &ops, side, &side->endpoint);
}

static void make_side(struct call *call, struct side *side, struct sq_carrier_config config)
{
    assert_int_equal(make_carrier(call, side, config), 0);
    assert_int_equal(make_endpoint(side), 0);
}

static void negotiate(struct call *call)
{
    rig_add_tracks(sq_endpoint_peer(call->a.endpoint));
    rig_negotiate(call->loop, sq_endpoint_peer(call->a.endpoint),
                  sq_endpoint_peer(call->b.endpoint), false);
}

static void close_side(struct side *side)
{
    struct sq_endpoint *endpoint = side->endpoint;
    side->endpoint = NULL;
    sq_endpoint_close(endpoint);
}

static void end(struct call *call)
{
    close_side(&call->a);
    close_side(&call->b);
    sq_carrier_destroy(call->a.carrier);
    sq_carrier_destroy(call->b.carrier);
    sq_udp_close(call->responder);
    turn_server_stop(&call->server);
    sq_loop_free(call->loop);
}

static bool media_both_ways(void *ctx)
{
    struct call *call = ctx;
    return call->a.media == 2 && call->b.media == 2 && call->a.nominated && call->b.nominated;
}

static bool somebody_failed(void *ctx)
{
    struct call *call = ctx;
    return call->a.state == SQ_PEER_FAILED;
}

static struct sq_transport_stats transport_of(const struct side *side)
{
    struct sq_transport_stats t;
    sq_peer_transport_stats(sq_endpoint_peer(side->endpoint), &t);
    return t;
}

/* ---- Relays ---- */

static bool both_idle(void *ctx)
{
    struct call *call = ctx;
    return sq_carrier_idle(call->a.carrier) && sq_carrier_idle(call->b.carrier);
}

static bool goes_by_channels(void *ctx)
{
    struct call *call = ctx;
    return call->server.binds >= 2 && call->server.channel_data > 40;
}

static void relayed_call(enum sq_turn_carrier carrier)
{
    struct call call;
    begin(&call, carrier);
    const struct sq_carrier_config config = {
        .seed = 1, .ice_policy = SQ_ICE_POLICY_RELAY, .relays = &call.relays};
    make_side(&call, &call.a, config);
    make_side(&call, &call.b, config);
    negotiate(&call);
    assert_true(rig_until(call.loop, media_both_ways, &call, LIMIT_MS));
    assert_string_equal(transport_of(&call.a).local_type, "relay");
    assert_string_equal(transport_of(&call.b).local_type, "relay");
    assert_int_equal(call.a.candidates, 1);
    assert_int_equal(call.server.allocates, 2);
    assert_true(rig_until(call.loop, goes_by_channels, &call, LIMIT_MS));
    assert_non_null(strstr(call.a.notes, "relay 127.0.0.1:"));
    sq_carrier_poll(call.a.carrier);
    assert_int_equal(sq_carrier_counters(call.a.carrier)->send_errors, 0);
    assert_false(sq_carrier_idle(call.a.carrier));
    close_side(&call.a);
    close_side(&call.b);
    assert_true(rig_until(call.loop, both_idle, &call, LIMIT_MS));
    assert_int_equal(call.server.frees, 2); /* given back before anything is torn down */
    end(&call);
}

static void relayed_by_udp(void **state)
{
    (void)state;
    relayed_call(SQ_TURN_UDP);
}

static void relayed_by_tcp(void **state)
{
    (void)state;
    relayed_call(SQ_TURN_TCP);
}

/* Groups of a run share a carrier: an endpoint's own policy holds, and not its carrier's. */
static void each_has_its_own_policy(void **state)
{
    (void)state;
    struct call call;
    begin(&call, SQ_TURN_UDP);
    const struct sq_peer_config peer = {.connect_timeout_ns = 10 * SQ_NS_PER_SEC};
    struct side *const sides[] = {&call.a, &call.b};
    for (size_t i = 0; i < 2; i++) {
        const struct sq_carrier_config config = {
            .seed = 1 + i, .ice_policy = SQ_ICE_POLICY_ALL, .relays = &call.relays};
        assert_int_equal(make_carrier(&call, sides[i], config), 0);
        assert_int_equal(sq_endpoint_create_with(sides[i]->carrier, &peer, SQ_ICE_POLICY_RELAY,
                                                 NULL, NULL, &ops, sides[i], &sides[i]->endpoint),
                         0);
    }
    negotiate(&call);
    assert_true(rig_until(call.loop, media_both_ways, &call, LIMIT_MS));
    assert_string_equal(transport_of(&call.a).local_type, "relay");
    assert_int_equal(call.a.candidates, 1); /* and no host's */
    close_side(&call.a);
    close_side(&call.b);
    assert_true(rig_until(call.loop, both_idle, &call, LIMIT_MS));
    end(&call);
}

/* Where the relay is the only way, its refusal ends the peer at once, and says why. */
static void no_relay_no_call(void **state)
{
    (void)state;
    struct call call;
    begin(&call, SQ_TURN_UDP);
    call.server.refuse_allocate = 486;
    const struct sq_carrier_config config = {
        .seed = 2, .ice_policy = SQ_ICE_POLICY_RELAY, .relays = &call.relays};
    make_side(&call, &call.a, config);
    make_side(&call, &call.b, (struct sq_carrier_config){.seed = 3});
    negotiate(&call);
    assert_true(rig_until(call.loop, somebody_failed, &call, 2000));
    assert_int_equal(call.a.cause, SQ_PEER_CAUSE_ICE);
    assert_non_null(strstr(call.a.text, "486"));
    end(&call);
}

/* With others to go by it is told, and the call is made. */
static void no_relay_but_others(void **state)
{
    (void)state;
    struct call call;
    begin(&call, SQ_TURN_TCP);
    call.server.hang_up = true;
    make_side(&call, &call.a, (struct sq_carrier_config){.seed = 4, .relays = &call.relays});
    make_side(&call, &call.b, (struct sq_carrier_config){.seed = 5});
    negotiate(&call);
    assert_true(rig_until(call.loop, media_both_ways, &call, LIMIT_MS));
    assert_string_equal(transport_of(&call.a).local_type, "host");
    assert_non_null(strstr(call.a.notes, "closed the connection"));
    end(&call);
}

/* Each allocation of an endpoint with relays fails in turn: creation says so, or it is made. */
static void failing_allocations_of_relays(void **state)
{
    (void)state;
    for (int tcp = 0; tcp < 2; tcp++) {
        unsigned refused = 0;
        for (size_t nth = 1;; nth++) {
            struct call call;
            begin(&call, tcp ? SQ_TURN_TCP : SQ_TURN_UDP);
            const struct sq_carrier_config config = {
                .seed = 6, .ice_policy = SQ_ICE_POLICY_RELAY, .relays = &call.relays};
            sq_mem_fail_at(nth);
            int err = make_carrier(&call, &call.a, config);
            err = err ? err : make_endpoint(&call.a);
            size_t made = sq_mem_count();
            for (int i = 0; !err && i < 5; i++) {
                assert_int_equal(sq_loop_run_once(call.loop, SQ_NS_PER_MS), 0);
            }
            sq_mem_fail_at(0);
            assert_true(err == 0 || err == SQ_ERR_NOMEM);
            refused += err != 0;
            end(&call);
            if (made < nth) {
                break;
            }
        }
        assert_true(refused > 10);
    }
}

/* ---- From the relay to a direct path ---- */

static struct call *switched;

static int restart_ice(struct sq_signal *signal)
{
    (void)signal;
    rig_negotiate(switched->loop, sq_endpoint_peer(switched->a.endpoint),
                  sq_endpoint_peer(switched->b.endpoint), true);
    return 0;
}

static int cannot_restart(struct sq_signal *signal)
{
    (void)signal;
    return SQ_ERR_STATE;
}

struct switcher {
    struct sq_signal_ops adapter;
    struct sq_plan plan;
    struct sq_tally tally;
    struct sq_user_env env;
    struct sq_user user;
};

static void make_switcher(struct switcher *s, struct call *call, int (*restart)(struct sq_signal *))
{
    memset(s, 0, sizeof(*s));
    sq_plan_defaults(&s->plan);
    s->adapter.restart_ice = restart;
    s->plan.groups[0].adapter = &s->adapter;
    s->plan.groups[0].ice_policy = SQ_ICE_POLICY_RELAY_FIRST;
    s->env = (struct sq_user_env){.plan = &s->plan, .loop = call->loop, .tally = &s->tally};
    s->user.env = &s->env;
    s->user.group = &s->plan.groups[0];
    s->user.state = SQ_USER_UP;
    s->user.peers_len = 1;
    s->user.peers[0] = (struct sq_user_peer){
        .user = &s->user, .endpoint = call->a.endpoint, .label = "peer", .media = true};
    sq_user_switch_init(&s->user);
    switched = call;
}

static void free_switcher(struct switcher *s)
{
    sq_timer_stop(&s->user.switch_timer);
    sq_trace_clear(&s->user.trace);
    sq_tally_free(&s->tally);
}

static bool told(const struct switcher *s, const char *words)
{
    for (size_t i = 0; i < s->user.trace.event_count; i++) {
        if (strstr(s->user.trace.events[i].value, words)) {
            return true;
        }
    }
    return false;
}

static bool is_direct(void *ctx)
{
    struct switcher *s = ctx;
    return s->user.peers[0].direct_ns > 0;
}

static bool has_begun(void *ctx)
{
    struct switcher *s = ctx;
    return s->user.switch_ns > 0;
}

static void start_relay_first(struct call *call)
{
    begin(call, SQ_TURN_UDP);
    make_side(call, &call->a,
              (struct sq_carrier_config){
                  .seed = 7, .ice_policy = SQ_ICE_POLICY_RELAY_FIRST, .relays = &call->relays});
    make_side(call, &call->b, (struct sq_carrier_config){.seed = 8, .hear_all = true});
    negotiate(call);
    assert_true(rig_until(call->loop, media_both_ways, call, LIMIT_MS));
    assert_string_equal(transport_of(&call->a).local_type, "relay");
}

/* The two seconds before the restart are over when they are said to have begun long ago. */
static uint64_t long_ago(const struct call *call)
{
    return sq_loop_now(call->loop) - 60 * SQ_NS_PER_SEC;
}

static void off_the_relay(void **state)
{
    (void)state;
    struct call call;
    struct switcher s;
    start_relay_first(&call);
    make_switcher(&s, &call, restart_ice);
    call.a.user_peer = &s.user.peers[0];
    sq_user_switch_begin(&s.user, long_ago(&call));
    assert_true(rig_until(call.loop, is_direct, &s, LIMIT_MS));
    assert_string_equal(transport_of(&call.a).local_type, "host");
    assert_true(s.user.peers[0].direct_ns > s.user.switch_ns);
    sq_user_switch_end(&s.user); /* the user leaves: what was measured is kept */
    assert_false(s.user.peers[0].switching);
    assert_true(told(&s, "peer: direct after "));
    const struct sq_hist *took = s.tally.metrics[SQ_METRIC_ICE_SWITCH_TIME];
    const struct sq_hist *gap = s.tally.metrics[SQ_METRIC_ICE_SWITCH_GAP];
    assert_non_null(took);
    assert_non_null(gap);
    assert_int_equal(took->sums.count, 1);
    assert_int_equal(gap->sums.count, 1);
    sq_user_switch_end(&s.user); /* once is enough */
    assert_int_equal(took->sums.count, 1);
    free_switcher(&s);
    end(&call);
}

/* A peer that only sends hears no media: no gap is made up for it. */
static void no_gap_without_media(void **state)
{
    (void)state;
    struct call call;
    struct switcher s;
    start_relay_first(&call);
    make_switcher(&s, &call, restart_ice);
    s.user.peers[0].media = false;
    call.a.user_peer = &s.user.peers[0];
    sq_user_switch_begin(&s.user, long_ago(&call));
    assert_true(rig_until(call.loop, is_direct, &s, LIMIT_MS));
    sq_user_switch_end(&s.user);
    assert_non_null(s.tally.metrics[SQ_METRIC_ICE_SWITCH_TIME]);
    assert_null(s.tally.metrics[SQ_METRIC_ICE_SWITCH_GAP]);
    free_switcher(&s);
    end(&call);
}

static void switches_that_do_not_come(void **state)
{
    (void)state;
    struct call call;
    struct switcher s;
    start_relay_first(&call);
    /* The service cannot. */
    make_switcher(&s, &call, cannot_restart);
    call.a.user_peer = &s.user.peers[0];
    sq_user_switch_begin(&s.user, long_ago(&call));
    assert_true(rig_until(call.loop, has_begun, &s, LIMIT_MS));
    assert_true(told(&s, "ICE cannot be restarted"));
    assert_true(told(&s, "stays with the relay"));
    assert_null(s.tally.metrics[SQ_METRIC_ICE_SWITCH_TIME]);
    assert_false(sq_timer_active(&s.user.switch_timer));
    free_switcher(&s);
    /* The user has left before. */
    make_switcher(&s, &call, restart_ice);
    call.a.user_peer = &s.user.peers[0];
    s.user.state = SQ_USER_LEAVING;
    sq_user_switch_begin(&s.user, long_ago(&call));
    for (int i = 0; i < 3; i++) {
        assert_int_equal(sq_loop_run_once(call.loop, SQ_NS_PER_MS), 0);
    }
    assert_int_equal(s.user.switch_ns, 0);
    free_switcher(&s);
    /* Nobody asked for it, or the protocol has no way. */
    make_switcher(&s, &call, NULL);
    sq_user_switch_begin(&s.user, long_ago(&call));
    assert_false(sq_timer_active(&s.user.switch_timer));
    s.adapter.restart_ice = restart_ice;
    s.plan.groups[0].ice_policy = SQ_ICE_POLICY_RELAY;
    sq_user_switch_begin(&s.user, long_ago(&call));
    assert_false(sq_timer_active(&s.user.switch_timer));
    free_switcher(&s);
    call.a.user_peer = NULL;
    end(&call);
}

/* ---- TCP ---- */

static void tcp_call(void **state)
{
    (void)state;
    struct call call;
    begin(&call, SQ_TURN_UDP);
    make_side(&call, &call.a, (struct sq_carrier_config){.seed = 9});
    make_side(&call, &call.b,
              (struct sq_carrier_config){
                  .seed = 10, .tcp_listen = true, .no_udp = true, .hear_all = true});
    negotiate(&call);
    assert_true(rig_until(call.loop, media_both_ways, &call, LIMIT_MS));
    assert_string_equal(transport_of(&call.a).protocol, "tcp");
    assert_string_equal(transport_of(&call.b).protocol, "tcp");
    struct sq_addr local, remote;
    assert_true(sq_endpoint_pair(call.a.endpoint, &local, &remote));
    /* The passive side goes: the active one hears of it. */
    call.a.notes[0] = '\0';
    close_side(&call.b);
    for (int i = 0; i < 200 && !strstr(call.a.notes, "TCP with "); i++) {
        assert_int_equal(sq_loop_run_once(call.loop, 10 * SQ_NS_PER_MS), 0);
    }
    if (!strstr(call.a.notes, "TCP with ")) {
        fail_msg("told: %s", call.a.notes);
    }
    end(&call);
}

/* A passive candidate whose connections end: the kernel takes them, and the test ends them. */
struct passive {
    struct sq_endpoint *endpoint;
    struct sq_addr addr;
    int listener, fd;
};

static void start_passive(struct passive *p, struct sq_endpoint *endpoint)
{
    socklen_t len = sizeof(p->addr);
    p->endpoint = endpoint;
    assert_int_equal(sq_addr_parse("127.0.0.1", 0, &p->addr), 0);
    p->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(p->listener, &p->addr.sa, sq_addr_len(&p->addr)), 0);
    assert_int_equal(listen(p->listener, 4), 0);
    assert_int_equal(getsockname(p->listener, &p->addr.sa, &len), 0);
}

static bool accepted(void *ctx)
{
    struct passive *p = ctx;
    p->fd = accept(p->listener, NULL, NULL);
    return p->fd >= 0;
}

static bool no_connection(void *ctx)
{
    struct passive *p = ctx;
    return p->endpoint->more->tcp_len == 0;
}

/* A check, or what is none; how many were taken. */
static size_t send_tcp(struct passive *p, bool check)
{
    static const uint8_t tid[SQ_STUN_TID_BYTES] = {1}, media[100] = {0x80};
    uint8_t out[64];
    size_t len;
    struct sq_stun_writer w =
        sq_stun_begin(out, sizeof(out), SQ_STUN_REQUEST, SQ_STUN_BINDING, tid);
    assert_int_equal(sq_stun_end(&w, &len), 0);
    struct sq_dgram dgram = {.buf = check ? out : media, .len = check ? len : sizeof(media)};
    return endpoint_send_tcp(p->endpoint, ENDPOINT_BASE_TCP, &p->addr, &dgram, 1);
}

static unsigned count_of(const char *text, const char *what)
{
    unsigned n = 0;
    for (const char *at = text; (at = strstr(at, what)); at++) {
        n++;
    }
    return n;
}

/* Only a check opens a connection, and not at once again where one has just ended. */
static void tcp_that_ends(void **state)
{
    (void)state;
    struct call call;
    struct passive p;
    begin(&call, SQ_TURN_UDP);
    make_side(&call, &call.a, (struct sq_carrier_config){.seed = 17});
    start_passive(&p, call.a.endpoint);
    assert_int_equal(send_tcp(&p, false), 0);
    assert_null(call.a.endpoint->more);
    static const uint64_t waits_ms[] = {400, 800, 1600, 3200, 6400, 8000, 8000};
    for (size_t i = 0; i < sizeof(waits_ms) / sizeof(*waits_ms); i++) {
        const struct endpoint_more *more = call.a.endpoint->more;
        assert_int_equal(send_tcp(&p, true), 1);
        more = call.a.endpoint->more;
        assert_int_equal(more->tcp_len, 1);
        assert_int_equal(send_tcp(&p, false), 1); /* behind the check */
        assert_true(rig_until(call.loop, accepted, &p, LIMIT_MS));
        close(p.fd);
        assert_true(rig_until(call.loop, no_connection, &p, LIMIT_MS));
        assert_int_equal(more->tcp_ends_len, 1);
        struct endpoint_tcp_end *e = &more->tcp_ends[0];
        assert_int_equal(e->again_ns - e->ended_ns, waits_ms[i] * SQ_NS_PER_MS);
        assert_int_equal(send_tcp(&p, true), 0);
        assert_int_equal(send_tcp(&p, false), 0);
        assert_int_equal(count_of(call.a.notes, "TCP with "), 1);
        e->again_ns = 0; /* that time is over */
    }
    /* Long after the last one it is news again. */
    call.a.endpoint->more->tcp_ends[0].ended_ns -= 60 * SQ_NS_PER_SEC;
    assert_int_equal(send_tcp(&p, true), 1);
    assert_true(rig_until(call.loop, accepted, &p, LIMIT_MS));
    close(p.fd);
    assert_true(rig_until(call.loop, no_connection, &p, LIMIT_MS));
    const struct endpoint_tcp_end *e = &call.a.endpoint->more->tcp_ends[0];
    assert_int_equal(e->again_ns - e->ended_ns, 400 * SQ_NS_PER_MS);
    assert_int_equal(count_of(call.a.notes, "TCP with "), 2);
    close(p.listener);
    end(&call);
}

/* A whole call over TCP with one allocation failing, each in turn of those of its set-up: it comes
 * up all the same (what was lost is sent again), or fails; it neither crashes nor leaks. */
static void failing_allocations_of_tcp(void **state)
{
    (void)state;
    unsigned up = 0, refused = 0;
    for (size_t nth = 1; nth <= 400; nth += 7) {
        struct call call;
        begin(&call, SQ_TURN_UDP);
        assert_int_equal(make_carrier(&call, &call.a, (struct sq_carrier_config){.seed = 11}), 0);
        assert_int_equal(make_carrier(&call, &call.b,
                                      (struct sq_carrier_config){
                                          .seed = 12, .tcp_listen = true, .no_udp = true}),
                         0);
        assert_int_equal(make_endpoint(&call.a), 0);
        assert_int_equal(make_endpoint(&call.b), 0);
        negotiate(&call);
        sq_mem_fail_at(nth);
        bool through = rig_until(call.loop, media_both_ways, &call, 2500);
        bool was_reached = sq_mem_count() >= nth;
        sq_mem_fail_at(0);
        up += through;
        refused += !through;
        end(&call);
        if (!was_reached) {
            assert_true(through);
            break;
        }
    }
    assert_true(up > refused);
}

/* ---- Names ---- */

/* RFC 6762: an answer to the group, for the one name that it knows. */
static void on_question(void *ctx, const struct sq_datagram *d)
{
    struct call *call = ctx;
    uint8_t out[512];
    size_t name_len = d->len > 12 + 4 ? d->len - 12 - 4 : 0;
    if (name_len == 0 || name_len > 200 || d->data[2] != 0) {
        return; /* an answer, its own one included */
    }
    char text[256] = "";
    size_t used = 0;
    for (size_t at = 12; at < d->len && d->data[at] > 0 && used < 200; at += 1u + d->data[at]) {
        used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%.*s", used ? "." : "",
                                 (int)d->data[at], (const char *)d->data + at + 1);
    }
    call->asked++;
    if (!call->answers_for || strcmp(text, call->answers_for) != 0) {
        return;
    }
    memset(out, 0, 12);
    out[2] = 0x84; /* an authoritative answer */
    out[7] = 1;    /* one record */
    memcpy(out + 12, d->data + 12, name_len);
    static const uint8_t record[] = {0, 1, 0x80, 1, 0, 0, 0, 120, 0, 4, 127, 0, 0, 1};
    memcpy(out + 12 + name_len, record, sizeof(record));
    struct sq_addr group;
    assert_int_equal(sq_addr_parse(SQ_MDNS_GROUP, SQ_MDNS_PORT, &group), 0);
    (void)sq_udp_send(call->responder, &group, out, 12 + name_len + sizeof(record));
}

static void start_responder(struct call *call)
{
    struct sq_addr group;
    struct sq_udp_options o = {.multicast = &group};
    assert_int_equal(sq_addr_parse(SQ_MDNS_GROUP, SQ_MDNS_PORT, &group), 0);
    assert_int_equal(sq_addr_parse("0.0.0.0", SQ_MDNS_PORT, &o.bind), 0);
    assert_int_equal(sq_addr_parse("127.0.0.1", 0, &o.interface), 0);
    if (sq_udp_open(call->loop, &o, on_question, call, &call->responder) != 0) {
        end(call);
        skip(); /* no multicast on this host's loopback */
    }
}

static void names_are_resolved(void **state)
{
    (void)state;
    struct call call;
    begin(&call, SQ_TURN_UDP);
    call.answers_for = NAME;
    start_responder(&call);
    make_side(&call, &call.a, (struct sq_carrier_config){.seed = 13});
    make_side(&call, &call.b, (struct sq_carrier_config){.seed = 14});
    const char *line = "candidate:1 1 udp 2130706431 " NAME " 9 typ host";
    const char *unknown = "candidate:2 1 udp 2130706431 " OTHER_NAME " 9 typ host";
    negotiate(&call);
    struct sq_peer *peer = sq_endpoint_peer(call.a.endpoint);
    uint64_t now_ns = sq_loop_now(call.loop);
    assert_int_equal(sq_peer_add_candidate(peer, now_ns, line), 0);
    assert_int_equal(sq_peer_add_candidate(peer, now_ns, unknown), 0);
    for (int i = 0; i < 500 && !strstr(call.a.notes, " is 127.0.0.1 (mDNS)"); i++) {
        assert_int_equal(sq_loop_run_once(call.loop, 10 * SQ_NS_PER_MS), 0);
    }
    assert_non_null(strstr(call.a.notes, NAME " is 127.0.0.1 (mDNS)"));
    /* Known from now on: told at once, without asking. */
    unsigned asked = call.asked;
    call.a.notes[0] = '\0';
    assert_int_equal(sq_peer_add_candidate(peer, sq_loop_now(call.loop),
                                           "candidate:3 1 udp 2130706430 " NAME " 10 typ host"),
                     0);
    assert_non_null(strstr(call.a.notes, NAME " is 127.0.0.1 (mDNS)"));
    assert_int_equal(call.asked, asked);
    assert_true(rig_until(call.loop, media_both_ways, &call, LIMIT_MS));
    end(&call); /* with the other name still asked for */
}

static void failing_allocations_of_names(void **state)
{
    (void)state;
    for (size_t nth = 1; nth < 40; nth++) {
        struct call call;
        begin(&call, SQ_TURN_UDP);
        make_side(&call, &call.a, (struct sq_carrier_config){.seed = 15});
        make_side(&call, &call.b, (struct sq_carrier_config){.seed = 16});
        negotiate(&call);
        struct sq_peer *peer = sq_endpoint_peer(call.a.endpoint);
        sq_mem_fail_at(nth);
        int err = sq_peer_add_candidate(peer, sq_loop_now(call.loop),
                                        "candidate:1 1 udp 2130706431 " OTHER_NAME " 9 typ host");
        bool was_reached = sq_mem_count() >= nth;
        sq_mem_fail_at(0);
        assert_true(err == 0 || err == SQ_ERR_NOMEM);
        for (int i = 0; i < 3; i++) {
            assert_int_equal(sq_loop_run_once(call.loop, SQ_NS_PER_MS), 0);
        }
        end(&call);
        if (!was_reached) {
            assert_true(nth > 3);
            return;
        }
    }
    fail_msg("more allocations than a name takes");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(relayed_by_udp),
        cmocka_unit_test(relayed_by_tcp),
        cmocka_unit_test(each_has_its_own_policy),
        cmocka_unit_test(no_relay_no_call),
        cmocka_unit_test(no_relay_but_others),
        cmocka_unit_test(failing_allocations_of_relays),
        cmocka_unit_test(off_the_relay),
        cmocka_unit_test(no_gap_without_media),
        cmocka_unit_test(switches_that_do_not_come),
        cmocka_unit_test(tcp_call),
        cmocka_unit_test(tcp_that_ends),
        cmocka_unit_test(failing_allocations_of_tcp),
        cmocka_unit_test(names_are_resolved),
        cmocka_unit_test(failing_allocations_of_names),
    };
    return cmocka_run_group_tests(tests, rig_open_clip, rig_close_clip);
}
