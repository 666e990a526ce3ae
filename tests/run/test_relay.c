/* Relays on real sockets: a TURN server and its client on one loop. */
#include "base/mem.h"
#include "base/time.h"
#include "run/relay.h"
#include "run/rig.h"
#include "run/turn_server.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define LIMIT_MS 10000

struct bench {
    struct sq_loop *loop;
    struct turn_server server, other;
    struct sq_udp *peer; /* whom is relayed to */
    struct sq_keep keep;
    unsigned flushes;
    struct sq_relay_server entry;
    struct sq_relays *relays;
    struct sq_relay *relay;
    struct sq_addr relayed;
    int allocated, failed, notes;
    enum sq_peer_cause cause;
    char text[SQ_PEER_TEXT_MAX], note[SQ_PEER_TEXT_MAX];
    int close_at; /* 1: when allocated, 2: at data, 3: at its failure, 4: at a note */
    unsigned data, peer_got;
    size_t data_len, peer_len;
    uint8_t data_bytes[1600], peer_bytes[1600];
    struct sq_addr data_from, peer_from;
    unsigned after_close;
    uint64_t began_ns;
};

static void close_relay(struct bench *b)
{
    sq_relay_close(b->relay);
    b->relay = NULL;
}

static void on_allocated(void *ctx, int number, const struct sq_addr *relayed,
                         const struct sq_addr *mapped)
{
    struct bench *b = ctx;
    assert_int_equal(number, 0);
    assert_true(sq_addr_is_loopback(mapped));
    b->allocated++;
    b->relayed = *relayed;
    if (b->close_at == 1) {
        close_relay(b);
    }
}

static void on_data(void *ctx, int number, const struct sq_addr *from, uint8_t *buf, size_t len,
                    uint64_t recv_ns)
{
    struct bench *b = ctx;
    assert_int_equal(number, 0);
    assert_true(recv_ns > 0);
    b->after_close += b->relay == NULL;
    b->data++;
    b->data_from = *from;
    b->data_len = len;
    memcpy(b->data_bytes, buf, len);
    memset(buf, 0xee, len); /* it may be changed */
    if (b->close_at == 2) {
        close_relay(b);
    }
}

static void on_failed(void *ctx, int number, enum sq_peer_cause cause, const char *text)
{
    struct bench *b = ctx;
    assert_int_equal(number, 0);
    b->failed++;
    b->cause = cause;
    snprintf(b->text, sizeof(b->text), "%s", text);
    if (b->close_at == 3) {
        close_relay(b);
    }
}

static void on_note(void *ctx, int number, const char *text)
{
    struct bench *b = ctx;
    assert_int_equal(number, 0);
    b->notes++;
    snprintf(b->note, sizeof(b->note), "%s", text);
    if (b->close_at == 4) {
        close_relay(b);
    }
}

static const struct sq_relay_events events = {
    .allocated = on_allocated, .data = on_data, .failed = on_failed, .note = on_note};

static void on_peer(void *ctx, const struct sq_datagram *d)
{
    struct bench *b = ctx;
    b->peer_got++;
    b->peer_from = *d->from;
    b->peer_len = d->len;
    memcpy(b->peer_bytes, d->data, d->len);
}

static void on_flush(void *ctx)
{
    struct bench *b = ctx;
    b->flushes++;
}

static void set_up(struct bench *b, enum sq_turn_carrier carrier)
{
    struct sq_udp_options o = {0};
    memset(b, 0, sizeof(*b));
    assert_int_equal(sq_loop_new(NULL, &b->loop), 0);
    turn_server_start(&b->server, b->loop);
    turn_server_start(&b->other, b->loop);
    assert_int_equal(sq_addr_parse("127.0.0.1", 0, &o.bind), 0);
    assert_int_equal(sq_udp_open(b->loop, &o, on_peer, b, &b->peer), 0);
    b->keep = (struct sq_keep){.flush = on_flush, .ctx = b};
    b->entry = turn_server_entry(&b->server, carrier);
    const struct sq_relays_config config = {
        .servers = &b->entry, .servers_len = 1, .seed = 1, .keep = &b->keep};
    assert_int_equal(sq_relays_create(b->loop, &config, &b->relays), 0);
    assert_int_equal(sq_relays_servers(b->relays), 1);
    assert_true(sq_addr_equal(sq_relays_server(b->relays, 0), &b->server.addr));
}

static void start(struct bench *b)
{
    struct sq_addr bind;
    assert_int_equal(sq_addr_parse("127.0.0.1", 0, &bind), 0);
    b->began_ns = sq_loop_refresh_now(b->loop);
    assert_int_equal(sq_relay_open(b->relays, 0, &bind, NULL, &events, b, &b->relay), 0);
    assert_int_equal(b->allocated + b->failed + b->notes, 0);
}

static void tear_down(struct bench *b)
{
    assert_int_equal(b->after_close, 0);
    sq_relay_close(b->relay);
    sq_relays_destroy(b->relays);
    sq_keep_free(&b->keep);
    sq_udp_close(b->peer);
    turn_server_stop(&b->server);
    turn_server_stop(&b->other);
    sq_loop_free(b->loop);
}

static bool settled(void *ctx)
{
    struct bench *b = ctx;
    return b->allocated || b->failed;
}

static bool freed(void *ctx)
{
    struct bench *b = ctx;
    sq_relays_flushed(b->relays);
    return b->server.frees + b->other.frees > 0;
}

static bool peer_got(void *ctx)
{
    struct bench *b = ctx;
    return b->peer_got > 0;
}

static bool got_data(void *ctx)
{
    struct bench *b = ctx;
    return b->data > 0;
}

static bool bound(void *ctx)
{
    struct bench *b = ctx;
    return b->server.binds > 0 && b->peer_got > 0;
}

/* What a DTLS record and media look like by their first byte (RFC 7983). */
static uint8_t burst_bytes[20][1200];

static size_t make_burst(struct sq_dgram *dgrams, size_t n, uint8_t first, size_t len)
{
    for (size_t i = 0; i < n; i++) {
        memset(burst_bytes[i], (int)i, sizeof(burst_bytes[i]));
        burst_bytes[i][0] = first;
        dgrams[i] = (struct sq_dgram){.buf = burst_bytes[i], .len = len};
    }
    return n;
}

struct expectation {
    struct bench *b;
    unsigned n;
};

static bool peer_got_all(void *ctx)
{
    struct expectation *e = ctx;
    return e->b->peer_got >= e->n;
}

static void both_ways(enum sq_turn_carrier carrier)
{
    struct bench b;
    struct sq_dgram dgrams[20];
    set_up(&b, carrier);
    start(&b);
    assert_int_equal(sq_relay_udp(b.relay) != NULL, carrier == SQ_TURN_UDP);
    const struct sq_addr *to = sq_udp_local(b.peer);
    make_burst(dgrams, 1, 0x16, 100);
    assert_int_equal(sq_relay_send(b.relay, to, dgrams, 1), 0); /* there is no allocation yet */
    assert_true(rig_until(b.loop, settled, &b, LIMIT_MS));
    assert_int_equal(b.allocated, 1);
    assert_int_equal(b.server.allocates, 1);

    /* The first datagram asks for a channel, and goes out as soon as it may. */
    assert_int_equal(sq_relay_send(b.relay, to, dgrams, 1), 1);
    if (!rig_until(b.loop, bound, &b, 300)) { /* the server has dropped it: no permission yet */
        assert_int_equal(sq_relay_send(b.relay, to, dgrams, 1), 1);
    }
    assert_true(rig_until(b.loop, bound, &b, LIMIT_MS));
    assert_int_equal(b.peer_len, 100);
    assert_memory_equal(b.peer_bytes, dgrams[0].buf, 100);
    assert_true(sq_addr_equal(&b.peer_from, &b.relayed));

    while (b.server.channel_data == 0) { /* until the client knows of the channel */
        assert_int_equal(sq_relay_send(b.relay, to, dgrams, 1), 1);
        unsigned got = b.peer_got;
        struct expectation one = {&b, got + 1};
        assert_true(rig_until(b.loop, peer_got_all, &one, LIMIT_MS));
    }
    /* A burst, as media come: by the channel, in one piece and none lost. */
    unsigned before = b.peer_got, channel_before = b.server.channel_data;
    make_burst(dgrams, 20, 0x80, 1199);
    assert_int_equal(sq_relay_send(b.relay, to, dgrams, 20), 20);
    struct expectation all = {&b, before + 20};
    assert_true(rig_until(b.loop, peer_got_all, &all, LIMIT_MS));
    assert_int_equal(b.server.channel_data, channel_before + 20);
    assert_int_equal(b.peer_len, 1199);
    assert_memory_equal(b.peer_bytes, dgrams[19].buf, 1199);

    /* Back, of a length that is padded on a stream. */
    assert_int_equal(sq_udp_send(b.peer, &b.relayed, "an answer", 9), 0);
    assert_true(rig_until(b.loop, got_data, &b, LIMIT_MS));
    assert_int_equal(b.data_len, 9);
    assert_memory_equal(b.data_bytes, "an answer", 9);
    assert_true(sq_addr_equal(&b.data_from, to));

    close_relay(&b);
    assert_true(rig_until(b.loop, freed, &b, LIMIT_MS));
    assert_int_equal(b.server.frees, 1);
    assert_int_equal(b.failed, 0);
    tear_down(&b);
}

static void by_udp(void **state)
{
    (void)state;
    both_ways(SQ_TURN_UDP);
}

static void by_tcp(void **state)
{
    (void)state;
    both_ways(SQ_TURN_TCP);
}

static void what_a_server_may_refuse(void **state)
{
    (void)state;
    static const struct {
        enum sq_turn_carrier carrier;
        int code;
        enum sq_peer_cause cause;
        const char *words;
    } cases[] = {
        {SQ_TURN_UDP, 486, SQ_PEER_CAUSE_ICE, "refused the allocation: 486"},
        {SQ_TURN_TCP, 486, SQ_PEER_CAUSE_ICE, "refused the allocation: 486"},
        {SQ_TURN_UDP, 403, SQ_PEER_CAUSE_ICE, "403"},
        {SQ_TURN_UDP, 401, SQ_PEER_CAUSE_AUTH, "credentials"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        for (int close_at = 0; close_at <= 3; close_at += 3) {
            struct bench b;
            set_up(&b, cases[i].carrier);
            b.server.refuse_allocate = cases[i].code;
            b.close_at = close_at;
            start(&b);
            assert_true(rig_until(b.loop, settled, &b, LIMIT_MS));
            assert_int_equal(b.failed, 1);
            assert_int_equal(b.cause, cases[i].cause);
            assert_non_null(strstr(b.text, cases[i].words));
            assert_non_null(strstr(b.text, "turn:test"));
            struct sq_dgram dgram = {.buf = burst_bytes[0], .len = 10};
            if (b.relay) {
                assert_int_equal(sq_relay_send(b.relay, sq_udp_local(b.peer), &dgram, 1), 0);
            }
            tear_down(&b);
        }
    }
}

static void connections_that_do_not_hold(void **state)
{
    (void)state;
    static const struct {
        enum sq_turn_carrier carrier;
        bool nobody, hang_up, garbage;
        enum sq_peer_cause cause;
        const char *words;
    } cases[] = {
        {SQ_TURN_TCP, true, false, false, SQ_PEER_CAUSE_CONNECT, "Connection refused"},
        {SQ_TURN_TCP, false, true, false, SQ_PEER_CAUSE_CONNECT, "closed the connection"},
        {SQ_TURN_TCP, false, false, true, SQ_PEER_CAUSE_PROTOCOL, "sent what is no TURN"},
        {SQ_TURN_TLS, true, false, false, SQ_PEER_CAUSE_CONNECT, "Connection refused"},
        {SQ_TURN_TLS, false, true, false, SQ_PEER_CAUSE_TLS, "closed during the handshake"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct bench b;
        set_up(&b, cases[i].carrier);
        b.server.hang_up = cases[i].hang_up;
        b.server.garbage = cases[i].garbage;
        if (cases[i].nobody) {
            turn_server_stop(&b.server);
        }
        start(&b);
        assert_true(rig_until(b.loop, settled, &b, LIMIT_MS));
        assert_int_equal(b.failed, 1);
        if (!strstr(b.text, cases[i].words) || b.cause != cases[i].cause) {
            fail_msg("case %zu: cause %d: %s", i, (int)b.cause, b.text);
        }
        if (cases[i].nobody) {
            turn_server_start(&b.server, b.loop);
        }
        tear_down(&b);
    }
}

/* 300: to the other server; 437: from another port, for this one is known to the server (RFC 8656,
 * section 7.4). */
static void again(enum sq_turn_carrier carrier, int code, int close_at, bool parts)
{
    struct bench b;
    set_up(&b, carrier);
    b.server.parts = parts;
    b.server.refuse_allocate = code;
    b.server.refuse_times = code == 437 ? 1 : 0;
    b.server.alternate = b.other.addr;
    b.close_at = close_at;
    start(&b);
    if (close_at == 4) {
        b.server.frees = 0;
        for (int i = 0; i < 20; i++) {
            assert_int_equal(sq_loop_run_once(b.loop, SQ_NS_PER_MS), 0);
            sq_relays_flushed(b.relays);
        }
        assert_int_equal(b.allocated + b.failed, 0);
    } else {
        assert_true(rig_until(b.loop, settled, &b, LIMIT_MS));
        assert_int_equal(b.allocated, 1);
        assert_int_equal(b.server.allocates, code == 437);
        assert_int_equal(b.other.allocates, code == 300);
        assert_int_equal(b.server.ports, code == 437 ? 2 : 1);
        close_relay(&b);
        assert_true(rig_until(b.loop, freed, &b, LIMIT_MS));
    }
    assert_int_equal(b.notes, 1);
    assert_non_null(strstr(b.note, code == 300 ? "(300)" : "(437)"));
    tear_down(&b);
}

static void other_servers_and_ports(void **state)
{
    (void)state;
    for (int code = 300; code <= 437; code += 137) {
        again(SQ_TURN_UDP, code, 0, false);
        again(SQ_TURN_TCP, code, 0, false);
        again(SQ_TURN_UDP, code, 4, false);
        again(SQ_TURN_TCP, code, 4, false);
    }
}

/* The server that sends us away ends the connection itself, before we do. */
static void sent_away_and_left(void **state)
{
    (void)state;
    again(SQ_TURN_TCP, 300, 0, true);
    again(SQ_TURN_TCP, 300, 4, true);
}

static bool noted(void *ctx)
{
    struct bench *b = ctx;
    return b->notes > 0;
}

static void a_peer_that_is_not_relayed_to(void **state)
{
    (void)state;
    struct bench b;
    set_up(&b, SQ_TURN_UDP);
    b.server.refuse_permission = 403;
    start(&b);
    assert_true(rig_until(b.loop, settled, &b, LIMIT_MS));
    static const uint8_t check[20] = {0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42};
    struct sq_dgram dgram = {.buf = check, .len = sizeof(check)};
    (void)sq_relay_send(b.relay, sq_udp_local(b.peer), &dgram, 1);
    assert_true(rig_until(b.loop, noted, &b, LIMIT_MS));
    assert_non_null(strstr(b.note, "does not relay to 127.0.0.1: 403"));
    assert_int_equal(b.failed, 0);
    tear_down(&b);
}

static void closed_in_its_callbacks(void **state)
{
    (void)state;
    for (int at = 1; at <= 2; at++) {
        for (int tcp = 0; tcp < 2; tcp++) {
            struct bench b;
            struct sq_dgram dgram;
            set_up(&b, tcp ? SQ_TURN_TCP : SQ_TURN_UDP);
            b.close_at = at;
            start(&b);
            assert_true(rig_until(b.loop, settled, &b, LIMIT_MS));
            if (at == 2) {
                make_burst(&dgram, 1, 0x16, 50);
                (void)sq_relay_send(b.relay, sq_udp_local(b.peer), &dgram, 1);
                if (!rig_until(b.loop, bound, &b, 300)) {
                    (void)sq_relay_send(b.relay, sq_udp_local(b.peer), &dgram, 1);
                }
                assert_true(rig_until(b.loop, peer_got, &b, LIMIT_MS));
                for (int i = 0; i < 3; i++) { /* the second and third are not told */
                    assert_int_equal(sq_udp_send(b.peer, &b.relayed, "x", 1), 0);
                }
                assert_true(rig_until(b.loop, got_data, &b, LIMIT_MS));
            }
            assert_null(b.relay);
            assert_true(rig_until(b.loop, freed, &b, LIMIT_MS));
            assert_int_equal(b.data, at == 2);
            assert_int_equal(b.failed, 0);
            tear_down(&b);
        }
    }
}

/* A run that ends does not wait for servers. */
static void destroyed_while_the_server_is_silent(void **state)
{
    (void)state;
    for (int tcp = 0; tcp < 2; tcp++) {
        struct bench b;
        set_up(&b, tcp ? SQ_TURN_TCP : SQ_TURN_UDP);
        b.server.deaf = true;
        start(&b);
        for (int i = 0; i < 5; i++) {
            assert_int_equal(sq_loop_run_once(b.loop, SQ_NS_PER_MS), 0);
        }
        close_relay(&b);
        tear_down(&b);
    }
}

static bool waited(void *ctx)
{
    const struct bench *b = ctx;
    return b->failed > 0 || sq_loop_now(b->loop) >= b->began_ns + SQ_RELAY_PATIENCE_NS;
}

/* What is known of a server before the client gives up: it is named, and counted once it had time
 * to answer. */
static void silence_has_a_name(void **state)
{
    char text[SQ_PEER_TEXT_MAX];
    struct bench b;
    (void)state;
    set_up(&b, SQ_TURN_UDP);
    const struct sq_relay_counts *counts = sq_relays_counts(b.relays, 0);
    b.server.deaf = true;
    start(&b);
    sq_relay_tell_silence(b.relay, text);
    assert_non_null(strstr(text, b.entry.text));
    assert_non_null(strstr(text, "nobody answered"));
    close_relay(&b);
    assert_int_equal(counts->asked, 1);
    assert_int_equal(counts->unanswered, 0); /* too early to tell */
    start(&b);
    assert_true(rig_until(b.loop, waited, &b, LIMIT_MS));
    close_relay(&b);
    assert_int_equal(b.failed, 0);
    assert_int_equal(counts->asked, 2);
    assert_int_equal(counts->unanswered, 1);
    assert_non_null(strstr(counts->example, b.entry.text));
    tear_down(&b);
}

/* Who answers what cannot be used is not silent; nor is who grants a relay that leads nowhere. */
static void answers_of_no_use_are_counted(void **state)
{
    char text[SQ_PEER_TEXT_MAX];
    struct bench b;
    (void)state;
    set_up(&b, SQ_TURN_UDP);
    b.server.garbage = true;
    start(&b);
    assert_true(rig_until(b.loop, waited, &b, LIMIT_MS));
    sq_relay_tell_silence(b.relay, text);
    assert_non_null(strstr(text, b.entry.text));
    assert_null(strstr(text, "nobody answered"));
    assert_non_null(strstr(text, "could not be used: 2 that are no TURN"));
    assert_false(sq_relay_tell_nothing_came(b.relay, text));
    tear_down(&b);
    set_up(&b, SQ_TURN_UDP);
    start(&b);
    assert_true(rig_until(b.loop, settled, &b, LIMIT_MS));
    assert_true(sq_relay_tell_nothing_came(b.relay, text));
    assert_non_null(strstr(text, b.entry.text));
    assert_non_null(strstr(text, "nothing came by it (0 datagrams"));
    tear_down(&b);
}

/* RFC 8489, section 6.2.1: an ICMP error ends it. Not the first one, but long before 39.5 s. */
static void a_closed_port_ends_it(void **state)
{
    struct bench b;
    (void)state;
    set_up(&b, SQ_TURN_UDP);
    const struct sq_relay_counts *counts = sq_relays_counts(b.relays, 0);
    struct sq_udp *closed;
    struct sq_udp_options o = {0};
    assert_int_equal(sq_addr_parse("127.0.0.1", 0, &o.bind), 0);
    assert_int_equal(sq_udp_open(b.loop, &o, NULL, NULL, &closed), 0);
    b.entry.addr = *sq_udp_local(closed);
    sq_udp_close(closed);
    start(&b);
    assert_true(rig_until(b.loop, waited, &b, LIMIT_MS));
    uint64_t took_ns = sq_loop_now(b.loop) - b.began_ns;
    assert_int_equal(b.failed, 1);
    assert_int_equal(b.cause, SQ_PEER_CAUSE_CONNECT);
    assert_non_null(strstr(b.text, b.entry.text));
    assert_non_null(strstr(b.text, "port unreachable (ICMP)"));
    assert_true(took_ns >= 500 * SQ_NS_PER_MS); /* it was asked twice: never early */
    close_relay(&b);
    assert_int_equal(counts->failed, 1);
    assert_int_equal(counts->asked, 1);
    assert_int_equal(counts->unanswered + counts->relays + counts->lost, 0);
    assert_string_equal(counts->example, b.text);
    tear_down(&b);
}

static bool lost_to_icmp(void *ctx)
{
    struct bench *b = ctx;
    char text[SQ_PEER_TEXT_MAX];
    sq_relay_tell_lost(b->relay, text);
    snprintf(b->text, sizeof(b->text), "%s", text);
    return strstr(text, "port unreachable (ICMP)") != NULL;
}

static bool refreshed(void *ctx)
{
    struct bench *b = ctx;
    return b->server.refreshes > 0;
}

/* A server that dies within a call: named, and its relay counted as lost, once; one that answers is
 * not accused. */
static void a_server_that_dies(void **state)
{
    (void)state;
    static const enum sq_turn_carrier carriers[] = {SQ_TURN_UDP, SQ_TURN_TCP};
    char text[SQ_PEER_TEXT_MAX];
    for (size_t i = 0; i < 2; i++) {
        struct bench b;
        set_up(&b, carriers[i]);
        const struct sq_relay_counts *counts = sq_relays_counts(b.relays, 0);
        start(&b);
        sq_relay_probe(b.relay); /* too early: nothing to lose */
        assert_true(rig_until(b.loop, settled, &b, LIMIT_MS));
        sq_relay_tell_lost(b.relay, text);
        assert_non_null(strstr(text, b.entry.text));
        assert_null(strstr(text, "answers"));
        b.server.deaf = true;
        sq_relay_probe(b.relay);
        sq_relay_probe(b.relay);
        assert_int_equal(counts->lost, 0);
        sq_relay_tell_lost(b.relay, text);
        assert_non_null(strstr(text, b.entry.text));
        assert_non_null(strstr(text, "does not answer any more: nobody answered"));
        assert_string_equal(counts->example, text);
        sq_relay_tell_lost(b.relay, text);
        assert_int_equal(counts->lost, 1);
        close_relay(&b);
        assert_int_equal(b.failed, 0);
        tear_down(&b);

        set_up(&b, carriers[i]);
        counts = sq_relays_counts(b.relays, 0);
        start(&b);
        assert_true(rig_until(b.loop, settled, &b, LIMIT_MS));
        sq_relay_probe(b.relay);
        sq_relay_probe(b.relay);
        assert_true(rig_until(b.loop, refreshed, &b, LIMIT_MS));
        for (int turn = 0; turn < 10; turn++) { /* the answer is on its way */
            assert_int_equal(sq_loop_run_once(b.loop, SQ_NS_PER_MS), 0);
        }
        assert_int_equal(b.server.refreshes, 1); /* one at a time */
        sq_relay_tell_lost(b.relay, text);
        assert_non_null(strstr(text, "which answers itself"));
        assert_int_equal(counts->lost, 0);
        tear_down(&b);
    }
}

/* Over a stream that is full of media a Refresh still finds its place: it is sent once only. */
static void requests_pass_a_full_stream(void **state)
{
    (void)state;
    struct bench b;
    struct sq_dgram dgrams[20];
    set_up(&b, SQ_TURN_TCP);
    start(&b);
    assert_true(rig_until(b.loop, settled, &b, LIMIT_MS));
    make_burst(dgrams, 1, 0x16, 100);
    while (b.server.channel_data == 0) { /* until the client knows of the channel */
        assert_int_equal(sq_relay_send(b.relay, sq_udp_local(b.peer), dgrams, 1), 1);
        struct expectation one = {&b, b.peer_got + 1};
        assert_true(rig_until(b.loop, peer_got_all, &one, LIMIT_MS));
    }
    /* The server reads on this loop, which does not run meanwhile. Bytes at the end, of 8 each with
     * their channel's number, so that no request fits any more. */
    unsigned bursts = 0;
    make_burst(dgrams, 20, 0x80, 1199);
    while (sq_relay_send(b.relay, sq_udp_local(b.peer), dgrams, 20) == 20) {
        assert_true(++bursts < 10000);
    }
    dgrams[0].len = 1;
    while (sq_relay_send(b.relay, sq_udp_local(b.peer), dgrams, 1) == 1) {
        assert_true(++bursts < 20000);
    }
    sq_relay_probe(b.relay);
    assert_true(rig_until(b.loop, refreshed, &b, LIMIT_MS));
    assert_int_equal(b.failed, 0);
    tear_down(&b);
}

/* A closed port says so at once. */
static void a_server_that_is_killed(void **state)
{
    (void)state;
    struct bench b;
    set_up(&b, SQ_TURN_UDP);
    start(&b);
    assert_true(rig_until(b.loop, settled, &b, LIMIT_MS));
    sq_udp_close(b.server.udp);
    b.server.udp = NULL;
    sq_relay_probe(b.relay);
    assert_true(rig_until(b.loop, lost_to_icmp, &b, LIMIT_MS));
    assert_non_null(strstr(b.text, b.entry.text));
    assert_int_equal(sq_relays_counts(b.relays, 0)->lost, 1);
    tear_down(&b);
}

static void preferences(void **state)
{
    (void)state;
    static const enum sq_turn_carrier order[] = {SQ_TURN_UDP, SQ_TURN_TCP, SQ_TURN_DTLS,
                                                 SQ_TURN_TLS};
    uint16_t before = UINT16_MAX;
    for (size_t i = 0; i < 4; i++) {
        struct bench b;
        set_up(&b, order[i]);
        start(&b);
        uint16_t pref = sq_relay_local_pref(b.relay);
        assert_true(pref < before);
        before = pref;
        tear_down(&b);
    }
    struct bench b;
    struct sq_relays *relays;
    set_up(&b, SQ_TURN_UDP);
    const struct sq_relays_config many = {.servers_len = SQ_RELAY_SERVERS_MAX + 1};
    assert_int_equal(sq_relays_create(b.loop, &many, &relays), SQ_ERR_INVALID);
    tear_down(&b);
}

/* Each allocation fails in turn, the server's own included: it is told at once, by `failed`, or the
 * relay comes up all the same. */
static void failing_allocations(void **state)
{
    (void)state;
    static const enum sq_turn_carrier carriers[] = {SQ_TURN_UDP, SQ_TURN_TCP, SQ_TURN_TLS,
                                                    SQ_TURN_DTLS};
    for (size_t i = 0; i < 4; i++) {
        bool secure = carriers[i] == SQ_TURN_TLS || carriers[i] == SQ_TURN_DTLS;
        unsigned told = 0;
        for (size_t nth = 1;; nth++) {
            struct bench b;
            struct sq_addr bind;
            set_up(&b, carriers[i]);
            b.server.hang_up = secure; /* how far that goes is enough */
            if (carriers[i] == SQ_TURN_DTLS) {
                sq_udp_close(b.server.udp); /* so that ICMP ends it */
                b.server.udp = NULL;
            }
            assert_int_equal(sq_addr_parse("127.0.0.1", 0, &bind), 0);
            sq_mem_fail_at(nth);
            int err = sq_relay_open(b.relays, 0, &bind, NULL, &events, &b, &b.relay);
            bool over = err || carriers[i] == SQ_TURN_DTLS || rig_until(b.loop, settled, &b, 2000);
            size_t made = sq_mem_count();
            sq_mem_fail_at(0);
            assert_true(err == 0 || err == SQ_ERR_NOMEM);
            b.relay = err ? NULL : b.relay;
            told += err || b.failed;
            assert_true(over);
            tear_down(&b);
            if (made < nth) {
                assert_true(secure || b.allocated == 1);
                break;
            }
        }
        assert_true(told >= 3);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_udp),
        cmocka_unit_test(by_tcp),
        cmocka_unit_test(what_a_server_may_refuse),
        cmocka_unit_test(connections_that_do_not_hold),
        cmocka_unit_test(other_servers_and_ports),
        cmocka_unit_test(sent_away_and_left),
        cmocka_unit_test(a_peer_that_is_not_relayed_to),
        cmocka_unit_test(closed_in_its_callbacks),
        cmocka_unit_test(destroyed_while_the_server_is_silent),
        cmocka_unit_test(silence_has_a_name),
        cmocka_unit_test(answers_of_no_use_are_counted),
        cmocka_unit_test(a_closed_port_ends_it),
        cmocka_unit_test(a_server_that_dies),
        cmocka_unit_test(requests_pass_a_full_stream),
        cmocka_unit_test(a_server_that_is_killed),
        cmocka_unit_test(preferences),
        cmocka_unit_test(failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
