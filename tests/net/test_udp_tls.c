/* DTLS to a server: a loop with both sides on loopback. */
#include "base/mem.h"
#include "net/certs.h"
#include "net/dtls_server.h"
#include "net/udp_tls.h"
#include "net/until.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct client {
    struct sq_udp_tls *tls;
    int opened, ended, err;
    enum sq_stream_phase during;
    char text[SQ_NET_TEXT_MAX];
    unsigned datagrams;
    size_t len;
    uint8_t bytes[2048];
    int close_at; /* 1: at its opening, 2: at its first datagram, 3: at its end */
};

static struct sq_loop *loop;
static struct test_cert cert;
static char ca[64];

static void close_client(struct client *c)
{
    sq_udp_tls_close(c->tls);
    c->tls = NULL;
}

static void on_open(void *ctx)
{
    struct client *c = ctx;
    c->opened++;
    if (c->close_at == 1) {
        close_client(c);
    }
}

static void on_data(void *ctx, uint8_t *data, size_t len, uint64_t recv_ns)
{
    struct client *c = ctx;
    assert_true(recv_ns > 0 && len <= sizeof(c->bytes));
    c->datagrams++;
    c->len = len;
    memcpy(c->bytes, data, len);
    memset(data, 0xee, len); /* it may be changed */
    if (c->close_at == 2) {
        close_client(c);
    }
}

static void on_end(void *ctx, const struct sq_stream_end *end)
{
    struct client *c = ctx;
    c->ended++;
    c->err = end->err;
    c->during = end->during;
    snprintf(c->text, sizeof(c->text), "%s", end->text);
    if (c->close_at == 3) {
        close_client(c);
    }
}

static const struct sq_udp_tls_events events = {
    .on_open = on_open, .on_data = on_data, .on_end = on_end};

static struct sq_udp_tls_options options_for(const struct dtls_server *server)
{
    return (struct sq_udp_tls_options){
        .remote = *sq_udp_local(server->udp),
        .tls_options = {.ca_file = ca, .server_name = "localhost"},
        .retransmit_first_ms = 5,
    };
}

/* A server, and how it is reached. */
static struct sq_udp_tls_options serve(struct dtls_server *server)
{
    dtls_server_start(server, loop, &cert);
    return options_for(server);
}

static void connect_to(struct client *c, const struct sq_udp_tls_options *o)
{
    memset(c, 0, sizeof(*c));
    assert_int_equal(sq_udp_tls_open(loop, o, &events, c, &c->tls), 0);
    assert_int_equal(c->opened + c->ended, 0);
}

static int setup(void **state)
{
    return sq_loop_new(NULL, &loop);
}

static int teardown(void **state)
{
    sq_loop_free(loop);
    return 0;
}

static int make_certificate(void **state)
{
    test_cert_make(&cert, "DNS:localhost,IP:127.0.0.1");
    test_cert_write(&cert, ca);
    return 0;
}

static int remove_certificate(void **state)
{
    return unlink(ca);
}

static void datagrams_go_both_ways(void **state)
{
    struct dtls_server server;
    struct client c;
    uint8_t bytes[1500];
    struct sq_udp_tls_options o = serve(&server);
    connect_to(&c, &o);
    assert_int_equal(sq_udp_tls_send(c.tls, "early", 5), SQ_ERR_STATE);
    RUN_UNTIL(loop, c.opened);
    assert_true(server.longest <= SQ_UDP_TLS_HANDSHAKE_MTU);
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t)(i * 7);
    }
    /* The sizes of TURN's messages, up to a whole wrapped packet. */
    static const size_t sizes[] = {1, 20, 160, 1204, 1500};
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        assert_int_equal(sq_udp_tls_send(c.tls, bytes, sizes[i]), 0);
        RUN_UNTIL(loop, c.datagrams == i + 1);
        assert_int_equal(c.len, sizes[i]);
        assert_memory_equal(c.bytes, bytes, sizes[i]);
    }
    struct sq_udp_counters counters;
    sq_udp_get_counters(sq_udp_tls_socket(c.tls), &counters);
    assert_true(counters.sent_bytes > 20 + 160 + 1204 + 1500 && counters.send_errors == 0);
    assert_int_equal(c.opened, 1);
    assert_int_equal(c.ended, 0);
    close_client(&c);
    RUN_UNTIL(loop, server.closed); /* close_notify */
    dtls_server_stop(&server);
}

static void two_records_in_a_datagram(void **state)
{
    struct dtls_server server;
    struct client c;
    struct sq_udp_tls_options o = serve(&server);
    connect_to(&c, &o);
    RUN_UNTIL(loop, c.opened);
    server.twice = true;
    assert_int_equal(sq_udp_tls_send(c.tls, "two of them", 11), 0);
    RUN_UNTIL(loop, c.datagrams == 2);
    assert_int_equal(c.len, 11);
    assert_memory_equal(c.bytes, "two of them", 11);
    assert_int_equal(server.echoed, 1);
    close_client(&c);
    dtls_server_stop(&server);
}

/* The ClientHello and then the answer to the server's flight are lost. */
static void lost_flights_are_sent_again(void **state)
{
    struct dtls_server server;
    struct client c;
    dtls_server_start(&server, loop, &cert);
    server.lose = 1U << 0 | 1U << 1 | 1U << 3;
    struct sq_udp_tls_options o = options_for(&server);
    connect_to(&c, &o);
    RUN_UNTIL(loop, c.opened || c.ended);
    assert_int_equal(c.opened, 1);
    assert_true(server.heard >= 6);
    close_client(&c);
    dtls_server_stop(&server);
}

static void the_certificate_is_checked(void **state)
{
    static const struct {
        bool with_ca, insecure;
        const char *name;
        const char *why; /* NULL: it opens */
    } cases[] = {
        {true, false, "localhost", NULL},
        {true, false, "127.0.0.1", NULL},
        {false, true, "elsewhere.example", NULL},
        {false, false, "localhost", "self-signed certificate"},
        {true, false, "elsewhere.example", "hostname mismatch"},
        {true, false, "127.0.0.9", "IP address mismatch"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct dtls_server server;
        struct client c;
        struct sq_udp_tls_options o = serve(&server);
        o.tls_options = (struct sq_tls_options){.ca_file = cases[i].with_ca ? ca : NULL,
                                                .insecure = cases[i].insecure,
                                                .server_name = cases[i].name};
        connect_to(&c, &o);
        RUN_UNTIL(loop, c.opened || c.ended);
        assert_int_equal(c.opened, cases[i].why == NULL);
        if (cases[i].why) {
            char where[SQ_ADDR_TEXT_MAX], expected[64];
            assert_int_equal(c.err, SQ_ERR_TLS);
            assert_int_equal(c.during, SQ_STREAM_TLS);
            assert_non_null(strstr(c.text, cases[i].why));
            assert_non_null(strstr(c.text, cases[i].name));
            snprintf(expected, sizeof(expected),
                     "DTLS with %s: ", sq_addr_format(&o.remote, where));
            assert_int_equal(strncmp(c.text, expected, strlen(expected)), 0);
        }
        close_client(&c);
        dtls_server_stop(&server);
    }
}

/* A handshake that comes to nothing, given more time as long as the machine was too busy for
 * `flights` of the client. */
static void give_up(struct client *c, unsigned lose, bool deaf, unsigned flights)
{
    uint64_t timeout_ns = 60 * SQ_NS_PER_MS;
    unsigned heard;
    do {
        struct dtls_server server;
        dtls_server_start(&server, loop, &cert);
        server.deaf = deaf;
        server.lose = lose;
        struct sq_udp_tls_options o = options_for(&server);
        o.timeout_ns = timeout_ns;
        connect_to(c, &o);
        uint64_t begin_ns = sq_loop_now(loop);
        RUN_UNTIL(loop, c->ended);
        assert_true(sq_loop_now(loop) >= begin_ns + timeout_ns);
        assert_int_equal(c->err, SQ_ERR_TIMEOUT);
        assert_int_equal(c->opened, 0);
        close_client(c);
        heard = server.heard;
        dtls_server_stop(&server);
        timeout_ns *= 3;
    } while (heard < flights && timeout_ns < 10 * SQ_NS_PER_SEC);
    assert_true(heard >= flights);
}

static void no_answer_is_told(void **state)
{
    struct client c;
    give_up(&c, 0, true, 3); /* at 0, 5, 15, 35 ms */
    assert_non_null(strstr(c.text, ": no answer"));
}

static void half_an_answer_is_told(void **state)
{
    struct client c;
    give_up(&c, ~1U, false, 3); /* the ClientHello alone is heard */
    assert_non_null(strstr(c.text, "did not finish in time"));
}

/* ICMP tells the second ClientHello. */
static void nobody_listens(void **state)
{
    struct dtls_server server;
    struct client c;
    struct sq_udp_tls_options o = serve(&server);
    dtls_server_stop(&server);
    connect_to(&c, &o);
    c.close_at = 3;
    RUN_UNTIL(loop, c.ended);
    assert_int_equal(c.err, SQ_ERR_REFUSED);
    assert_non_null(strstr(c.text, "nobody listens"));
    assert_null(c.tls);
}

static void the_server_says_goodbye(void **state)
{
    struct dtls_server server;
    struct client c;
    struct sq_udp_tls_options o = serve(&server);
    connect_to(&c, &o);
    RUN_UNTIL(loop, c.opened);
    RUN_UNTIL(loop, server.open);
    dtls_server_goodbye(&server);
    RUN_UNTIL(loop, c.ended);
    assert_int_equal(c.err, 0);
    assert_int_equal(c.during, SQ_STREAM_OPEN);
    assert_int_equal(sq_udp_tls_send(c.tls, "late", 4), SQ_ERR_STATE);
    close_client(&c);
    dtls_server_stop(&server);
}

/* What is no DTLS, or not for this connection, is dropped (RFC 6347, section 4.1.2.7). */
static void junk_is_dropped(void **state)
{
    struct dtls_server server;
    struct client c;
    static const uint8_t junk[][16] = {{0},
                                       {22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 9, 255, 255},
                                       {23, 254, 253, 0, 1, 0},
                                       {"GET / HTTP"}};
    struct sq_udp_tls_options o = serve(&server);
    connect_to(&c, &o);
    struct sq_addr client = *sq_udp_local(sq_udp_tls_socket(c.tls));
    for (int round = 0; round < 2; round++) {
        struct sq_udp_counters before, after;
        sq_udp_get_counters(sq_udp_tls_socket(c.tls), &before);
        for (size_t i = 0; i < sizeof(junk) / sizeof(*junk); i++) {
            assert_int_equal(sq_udp_send(server.udp, &client, junk[i], sizeof(junk[i])), 0);
        }
        do {
            assert_int_equal(sq_loop_run_once(loop, SQ_NS_PER_MS), 0);
            sq_udp_get_counters(sq_udp_tls_socket(c.tls), &after);
        } while (after.received < before.received + 4);
        RUN_UNTIL(loop, c.opened || c.ended);
        assert_int_equal(c.ended, 0);
    }
    assert_int_equal(sq_udp_tls_send(c.tls, "still here", 10), 0);
    RUN_UNTIL(loop, c.datagrams == 1);
    close_client(&c);
    dtls_server_stop(&server);
}

static void it_may_be_closed_in_each_callback(void **state)
{
    for (int at = 1; at <= 3; at++) {
        struct dtls_server server;
        struct client c;
        struct sq_udp_tls_options o = serve(&server);
        connect_to(&c, &o);
        c.close_at = at;
        RUN_UNTIL(loop, c.opened);
        if (at == 2) {
            server.twice = true; /* the second record is not told any more */
            assert_int_equal(sq_udp_tls_send(c.tls, "x", 1), 0);
            RUN_UNTIL(loop, c.datagrams);
        } else if (at == 3) {
            RUN_UNTIL(loop, server.open);
            dtls_server_goodbye(&server);
            RUN_UNTIL(loop, c.ended);
        }
        assert_null(c.tls);
        assert_int_equal(c.ended, at == 3);
        assert_int_equal(c.datagrams, at == 2);
        if (at != 3) {
            RUN_UNTIL(loop, server.closed);
        }
        dtls_server_stop(&server);
    }
}

static void what_cannot_be_opened(void **state)
{
    struct dtls_server server;
    struct client c = {0};
    struct sq_udp_tls_options o = serve(&server);
    o.tls_options.ca_file = "/nonexistent/ca.pem";
    assert_int_equal(sq_udp_tls_open(loop, &o, &events, &c, &c.tls), SQ_ERR_TLS);
    struct sq_addr elsewhere; /* of TEST-NET-1: no interface has it */
    assert_int_equal(sq_addr_parse("192.0.2.1", 0, &elsewhere), 0);
    o = options_for(&server);
    o.bind = &elsewhere;
    assert_int_equal(sq_udp_tls_open(loop, &o, &events, &c, &c.tls), SQ_ERR_IO);
    assert_null(c.tls);
    dtls_server_stop(&server);
}

static void failing_allocations(void **state)
{
    struct dtls_server server;
    struct client c = {0};
    struct sq_udp_tls_options o = serve(&server);
    sq_mem_fail_at(0);
    int err;
    unsigned failures = 0;
    do {
        sq_mem_fail_at(failures + 1);
        err = sq_udp_tls_open(loop, &o, &events, &c, &c.tls);
        sq_mem_fail_at(0);
        failures += err != 0;
        assert_true(err == 0 || err == SQ_ERR_NOMEM);
    } while (err && failures < 100);
    assert_int_equal(err, 0);
    assert_true(failures >= 4);
    RUN_UNTIL(loop, c.opened);
    close_client(&c);
    dtls_server_stop(&server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(datagrams_go_both_ways, setup, teardown),
        cmocka_unit_test_setup_teardown(two_records_in_a_datagram, setup, teardown),
        cmocka_unit_test_setup_teardown(lost_flights_are_sent_again, setup, teardown),
        cmocka_unit_test_setup_teardown(the_certificate_is_checked, setup, teardown),
        cmocka_unit_test_setup_teardown(no_answer_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(half_an_answer_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(nobody_listens, setup, teardown),
        cmocka_unit_test_setup_teardown(the_server_says_goodbye, setup, teardown),
        cmocka_unit_test_setup_teardown(junk_is_dropped, setup, teardown),
        cmocka_unit_test_setup_teardown(it_may_be_closed_in_each_callback, setup, teardown),
        cmocka_unit_test_setup_teardown(what_cannot_be_opened, setup, teardown),
        cmocka_unit_test_setup_teardown(failing_allocations, setup, teardown),
    };
    return cmocka_run_group_tests(tests, make_certificate, remove_certificate);
}
