/* Sockets on a link, on loopback. */
#include "net/certs.h"
#include "net/link.h"
#include "net/stream.h"
#include "net/tls_front.h"
#include "net/udp.h"
#include "net/until.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/on_loop.h"

#define MS      SQ_NS_PER_MS
#define PACKETS 200

struct side {
    struct sq_udp *udp;
    size_t count;
    uint64_t recv_ns[PACKETS];
    uint8_t last[4];
    bool close_at_once;
};

static void on_datagram(void *ctx, const struct sq_datagram *d)
{
    struct side *s = ctx;
    if (s->count < PACKETS) {
        s->recv_ns[s->count] = d->recv_ns;
    }
    s->count++;
    memcpy(s->last, d->data, d->len < sizeof(s->last) ? d->len : sizeof(s->last));
    if (s->close_at_once) {
        sq_udp_close(s->udp);
        s->udp = NULL;
    }
}

static void open_side(struct side *s, struct sq_link *link)
{
    struct sq_udp_options o = {.link = link};
    assert_int_equal(sq_addr_parse("127.0.0.1", 0, &o.bind), 0);
    memset(s, 0, sizeof(*s));
    assert_int_equal(sq_udp_open(loop, &o, on_datagram, s, &s->udp), 0);
}

static struct sq_link *make_link(const struct sq_link_config *config)
{
    struct sq_link *link;
    assert_int_equal(sq_link_create(loop, config, 1, &link), 0);
    return link;
}

static void send_to(const struct side *from, const struct side *to, const char *text)
{
    assert_int_equal(sq_udp_send(from->udp, sq_udp_local(to->udp), text, strlen(text) + 1), 0);
}

static int compare(const void *a, const void *b)
{
    const uint64_t *x = a;
    const uint64_t *y = b;
    return (*x > *y) - (*x < *y);
}

/* There with the delay of the one way, back with that of the other: the least of many, which other
 * load on the machine does not lengthen. */
static void each_way_has_its_delay(void **state)
{
    const struct sq_link_config config = {.up = {.delay_ns = 20 * MS},
                                          .down = {.delay_ns = 5 * MS}};
    struct sq_link *link = make_link(&config);
    struct side client;
    struct side server;
    uint64_t up_ns[PACKETS];
    uint64_t down_ns[PACKETS];
    open_side(&client, link);
    open_side(&server, NULL);
    for (size_t i = 0; i < PACKETS / 10; i++) {
        uint64_t sent_ns = sq_loop_refresh_now(loop);
        send_to(&client, &server, "up");
        RUN_UNTIL(loop, server.count == i + 1);
        up_ns[i] = server.recv_ns[i] - sent_ns;
        sent_ns = sq_loop_refresh_now(loop);
        send_to(&server, &client, "down");
        RUN_UNTIL(loop, client.count == i + 1);
        down_ns[i] = client.recv_ns[i] - sent_ns;
    }
    qsort(up_ns, PACKETS / 10, sizeof(up_ns[0]), compare);
    qsort(down_ns, PACKETS / 10, sizeof(down_ns[0]), compare);
    assert_true(up_ns[0] >= 20 * MS && up_ns[0] <= 21 * MS);
    /* The time-stamp says when it left the link, not when this thread got round to it. */
    assert_true(down_ns[0] >= 5 * MS && down_ns[0] <= 6 * MS);
    sq_udp_close(client.udp);
    sq_udp_close(server.udp);
    sq_link_release(link);
}

static void sockets_share_the_rate(void **state)
{
    const struct sq_link_config config = {.up = {.rate_bps = 2e6, .queue_ns = SQ_NS_PER_SEC}};
    struct sq_link *link = make_link(&config);
    struct side a;
    struct side b;
    struct side server;
    static const uint8_t bytes[972]; /* 1,000 on the wire: 4 ms each */
    open_side(&a, link);
    open_side(&b, link);
    open_side(&server, NULL);
    uint64_t start_ns = sq_loop_refresh_now(loop);
    for (size_t i = 0; i < 10; i++) {
        const struct side *from = i % 2 ? &a : &b;
        assert_int_equal(sq_udp_send(from->udp, sq_udp_local(server.udp), bytes, sizeof(bytes)), 0);
    }
    RUN_UNTIL(loop, server.count == 10);
    for (size_t i = 0; i < 10; i++) {
        assert_true(server.recv_ns[i] - start_ns >= (i + 1) * 4 * MS);
    }
    sq_udp_close(a.udp);
    sq_udp_close(b.udp);
    sq_udp_close(server.udp);
    sq_link_release(link);
}

/* A link that does nothing costs no system calls; one that loses some sends on the others. */
static void what_passes_at_once_leaves_together(void **state)
{
    static const struct sq_link_config configs[] = {{.firewall = SQ_FIREWALL_NONE},
                                                    {.up = {.loss = 0.5}}};
    static char four[] = "four";
    struct iovec batch[32];
    struct sq_udp_counters plain;
    struct side server;
    struct side client;
    open_side(&server, NULL);
    open_side(&client, NULL);
    for (size_t i = 0; i < 32; i++) {
        batch[i] = (struct iovec){.iov_base = four, .iov_len = 4};
    }
    const struct sq_addr *to = sq_udp_local(server.udp);
    assert_int_equal(sq_udp_send_batch(client.udp, to, batch, 32), 32);
    RUN_UNTIL(loop, server.count == 32);
    sq_udp_get_counters(client.udp, &plain);
    sq_udp_close(client.udp);
    for (size_t i = 0; i < 2; i++) {
        struct sq_link *link = make_link(&configs[i]);
        struct sq_link_counters up;
        struct sq_link_counters down;
        struct sq_udp_counters c;
        open_side(&client, link);
        server.count = 0;
        assert_int_equal(sq_udp_send_batch(client.udp, to, batch, 32), 32);
        sq_link_get_counters(link, &up, &down);
        RUN_UNTIL(loop, server.count == up.delivered);
        sq_udp_get_counters(client.udp, &c);
        assert_int_equal(c.sent, up.delivered);
        assert_int_equal(up.offered, 32);
        assert_true(i == 0 ? up.lost == 0 : up.lost > 4 && up.lost < 28);
        assert_true(i == 1 || c.gso_batches == plain.gso_batches);
        sq_udp_close(client.udp);
        sq_link_release(link);
    }
    sq_udp_close(server.udp);
}

static void what_was_sent_goes_out_after_the_socket_is_closed(void **state)
{
    const struct sq_link_config config = {.up = {.delay_ns = 20 * MS}};
    struct sq_link *link = make_link(&config);
    struct side client;
    struct side server;
    open_side(&client, link);
    open_side(&server, NULL);
    send_to(&client, &server, "bye");
    sq_udp_close(client.udp);
    sq_link_release(link);
    RUN_UNTIL(loop, server.count == 1);
    assert_memory_equal(server.last, "bye", 4);
    sq_udp_close(server.udp);
}

static void nothing_comes_in_after_the_socket_is_closed(void **state)
{
    const struct sq_link_config config = {.down = {.delay_ns = 10 * MS}};
    struct sq_link *link = make_link(&config);
    struct side client;
    struct side server;
    struct sq_link_counters up;
    struct sq_link_counters down = {0};
    open_side(&client, link);
    open_side(&server, NULL);
    send_to(&server, &client, "one");
    send_to(&server, &client, "two");
    client.close_at_once = true;
    while (down.offered < 2) {
        assert_int_equal(sq_loop_run_once(loop, MS), 0);
        sq_link_get_counters(link, &up, &down);
    }
    RUN_UNTIL(loop, !client.udp);
    uint64_t until_ns = sq_clock_ns() + 30 * MS;
    RUN_UNTIL(loop, sq_clock_ns() > until_ns);
    assert_int_equal(client.count, 1);
    assert_int_equal(down.datagrams, down.offered);
    sq_udp_close(server.udp);
    sq_link_release(link);
}

static void a_firewall_swallows_datagrams(void **state)
{
    struct sq_link_config config = {.firewall = SQ_FIREWALL_NO_UDP};
    struct sq_link *link = make_link(&config);
    struct side client;
    struct side server;
    open_side(&client, link);
    open_side(&server, NULL);
    send_to(&client, &server, "lost");
    send_to(&server, &client, "lost");
    struct sq_link_counters up;
    struct sq_link_counters down = {0};
    while (down.offered == 0) {
        assert_int_equal(sq_loop_run_once(loop, MS), 0);
        sq_link_get_counters(link, &up, &down);
    }
    assert_int_equal(up.lost, 1);
    assert_int_equal(down.lost, 1);
    config.firewall = SQ_FIREWALL_NONE;
    assert_int_equal(sq_link_set(link, &config), 0);
    send_to(&client, &server, "here");
    RUN_UNTIL(loop, server.count == 1);
    assert_memory_equal(server.last, "here", 4);
    assert_int_equal(client.count, 0);
    sq_udp_close(client.udp);
    sq_udp_close(server.udp);
    sq_link_release(link);
}

static void a_firewall_knows_the_ports_of_the_web(void **state)
{
    struct sq_link_config config = {.firewall = SQ_FIREWALL_WEB};
    struct sq_link *link = make_link(&config);
    assert_true(sq_link_lets_tcp(link, 80) && sq_link_lets_tcp(link, 443));
    assert_false(sq_link_lets_tcp(link, 3478) || sq_link_lets_udp(link));
    config.firewall = SQ_FIREWALL_HTTPS;
    assert_int_equal(sq_link_set(link, &config), 0);
    assert_true(sq_link_lets_tcp(link, 443));
    assert_false(sq_link_lets_tcp(link, 80));
    sq_link_release(link);
}

static void numbers_out_of_range_are_refused(void **state)
{
    static const struct {
        struct sq_link_config config;
        const char *why;
    } cases[] = {
        {{.up = {.loss = 1.5}}, "the link's upward loss is 1.5; expected 0 to 1"},
        {{.down = {.rate_bps = 10}},
         "the link's downward rate (bit/s) is 10; expected 1000 to 1e+12"},
        {{.down = {.delay_ns = 61 * SQ_NS_PER_SEC}},
         "the link's downward delay (s) is 61; expected 0 to 60"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char why[160];
        struct sq_link *link;
        assert_int_equal(sq_link_check(&cases[i].config, why, sizeof(why)), SQ_ERR_INVALID);
        assert_string_equal(why, cases[i].why);
        assert_int_equal(sq_link_create(loop, &cases[i].config, 1, &link), SQ_ERR_INVALID);
    }
}

/* The loop ends with packets on their way: what a closed socket had sent goes, and nothing leaks.
 */
static void the_loop_may_end_first(void **state)
{
    const struct sq_link_config config = {.up = {.delay_ns = SQ_NS_PER_SEC, .rate_bps = 1e4},
                                          .down = {.delay_ns = SQ_NS_PER_SEC}};
    struct sq_link *link = make_link(&config);
    struct side client;
    struct side server;
    open_side(&client, link);
    open_side(&server, NULL);
    for (int i = 0; i < 3; i++) {
        send_to(&client, &server, "bye");
    }
    sq_udp_close(client.udp);
    sq_link_release(link);
    sq_udp_close(server.udp);
}

/* ---- Streams ---- */

struct client {
    struct sq_stream *stream;
    bool opened, ended, free_at_once;
    int err;
    size_t got;
    char last[8];
    uint64_t opened_ns, got_ns;
    struct sq_stream_times times;
};

static void on_open(void *ctx)
{
    struct client *c = ctx;
    c->opened = true;
    c->opened_ns = sq_clock_ns();
    sq_stream_get_times(c->stream, &c->times);
}

static void on_data(void *ctx, const uint8_t *data, size_t len)
{
    struct client *c = ctx;
    c->got += len;
    c->got_ns = sq_clock_ns();
    memcpy(c->last, data, len < sizeof(c->last) ? len : sizeof(c->last));
    if (c->free_at_once) {
        sq_stream_free(c->stream);
        c->stream = NULL;
    }
}

static void on_end(void *ctx, const struct sq_stream_end *e)
{
    struct client *c = ctx;
    c->ended = true;
    c->err = e->err;
}

static const struct sq_stream_events stream_events = {
    .on_open = on_open, .on_data = on_data, .on_end = on_end};

static int listener(uint16_t *ret_port)
{
    struct sq_addr addr;
    socklen_t len = sizeof(addr);
    assert_int_equal(sq_addr_parse("127.0.0.1", 0, &addr), 0);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(fd, &addr.sa, sq_addr_len(&addr)), 0);
    assert_int_equal(listen(fd, 4), 0);
    assert_int_equal(getsockname(fd, &addr.sa, &len), 0);
    *ret_port = sq_addr_port(&addr);
    return fd;
}

static void connect_over(struct client *c, struct sq_link *link, uint16_t port)
{
    memset(c, 0, sizeof(*c));
    struct sq_stream_options o = {
        .host = "127.0.0.1", .port = port, .link = link, .timeout_ns = 5 * SQ_NS_PER_SEC};
    assert_int_equal(sq_stream_connect(loop, &o, &stream_events, c, &c->stream), 0);
}

static int accepted;

static bool try_accept(int fd)
{
    accepted = accept4(fd, NULL, NULL, SOCK_NONBLOCK);
    return accepted >= 0;
}

/* A client over the link and the server's end of its connection. */
struct pair {
    struct sq_link *link;
    struct client client, server;
    int fd;
};

static void make_pair(struct pair *p, const struct sq_link_config *config)
{
    uint16_t port;
    memset(p, 0, sizeof(*p));
    p->link = make_link(config);
    p->fd = listener(&port);
    connect_over(&p->client, p->link, port);
    RUN_UNTIL(loop, try_accept(p->fd));
    assert_int_equal(sq_stream_from_fd(loop, accepted, NULL, 0, NULL, NULL, &stream_events,
                                       &p->server, &p->server.stream),
                     0);
    RUN_UNTIL(loop, p->client.opened);
}

static void free_pair(struct pair *p)
{
    sq_stream_free(p->client.stream);
    sq_stream_free(p->server.stream);
    sq_link_release(p->link);
    close(p->fd);
}

static void a_stream_has_the_delay_of_each_way(void **state)
{
    const struct sq_link_config config = {.up = {.delay_ns = 30 * MS},
                                          .down = {.delay_ns = 10 * MS}};
    struct pair p;
    make_pair(&p, &config);
    assert_true(p.client.times.connect_ns >= 40 * MS);
    uint64_t sent_ns = sq_loop_refresh_now(loop);
    assert_int_equal(sq_stream_send(p.client.stream, "up", 3), 0);
    RUN_UNTIL(loop, p.server.got == 3);
    assert_true(p.server.got_ns - sent_ns >= 30 * MS);
    sent_ns = sq_loop_refresh_now(loop);
    assert_int_equal(sq_stream_send(p.server.stream, "down", 5), 0);
    RUN_UNTIL(loop, p.client.got == 5);
    assert_memory_equal(p.client.last, "down", 5);
    assert_true(p.client.got_ns - sent_ns >= 10 * MS);
    free_pair(&p);
}

/* 50,000 bytes at 2 Mbit/s take 0.2 s, with headers a little more, whatever the queue's size. */
static void a_stream_has_the_rate_of_the_link(void **state)
{
    static const uint8_t bytes[50000];
    const struct sq_link_config config = {.up = {.rate_bps = 2e6, .queue_bytes = 6000},
                                          .down = {.rate_bps = 4e6, .queue_bytes = 6000}};
    struct pair p;
    make_pair(&p, &config);
    uint64_t sent_ns = sq_loop_refresh_now(loop);
    assert_int_equal(sq_stream_send(p.client.stream, bytes, sizeof(bytes)), 0);
    RUN_UNTIL(loop, p.server.got == sizeof(bytes));
    assert_true(p.server.got_ns - sent_ns >= 200 * MS);
    sent_ns = sq_loop_refresh_now(loop);
    assert_int_equal(sq_stream_send(p.server.stream, bytes, sizeof(bytes)), 0);
    RUN_UNTIL(loop, p.client.got == sizeof(bytes));
    assert_true(p.client.got_ns - sent_ns >= 100 * MS);
    struct sq_link_counters up;
    struct sq_link_counters down;
    sq_link_get_counters(p.link, &up, &down);
    assert_int_equal(up.queue_dropped + down.queue_dropped, 0);
    assert_true(up.offered > 0 && down.offered > 0);
    assert_int_equal(up.datagrams + down.datagrams, 0);
    free_pair(&p);
}

/* Nothing is lost of a stream, and all of it comes in order. */
static void a_stream_survives_loss_and_jitter(void **state)
{
    const struct sq_link_config config = {
        .up = {.delay_ns = 5 * MS, .jitter_ns = 5 * MS, .loss = 0.2, .duplicate = 0.1}};
    struct pair p;
    uint8_t bytes[20000];
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t)(i / 100);
    }
    make_pair(&p, &config);
    for (size_t i = 0; i < sizeof(bytes); i += 100) {
        assert_int_equal(sq_stream_send(p.client.stream, bytes + i, 100), 0);
    }
    RUN_UNTIL(loop, p.server.got >= sizeof(bytes));
    sq_stream_shutdown(p.client.stream);
    RUN_UNTIL(loop, p.server.ended);
    assert_int_equal(p.server.err, 0);
    assert_int_equal(p.server.got, sizeof(bytes)); /* and nothing twice */
    free_pair(&p);
}

static void the_end_comes_behind_the_data(void **state)
{
    const struct sq_link_config config = {.down = {.delay_ns = 20 * MS}};
    struct pair p;
    make_pair(&p, &config);
    uint64_t sent_ns = sq_loop_refresh_now(loop);
    assert_int_equal(sq_stream_send(p.server.stream, "last", 5), 0);
    sq_stream_shutdown(p.server.stream);
    RUN_UNTIL(loop, p.client.ended);
    assert_int_equal(p.client.err, 0);
    assert_int_equal(p.client.got, 5);
    assert_true(p.client.got_ns - sent_ns >= 20 * MS);
    free_pair(&p);
}

static void a_stream_may_be_freed_with_data_on_its_way(void **state)
{
    const struct sq_link_config config = {.up = {.delay_ns = 20 * MS},
                                          .down = {.delay_ns = 1 * MS}};
    struct pair p;
    make_pair(&p, &config);
    p.client.free_at_once = true;
    assert_int_equal(sq_stream_send(p.client.stream, "on its way", 11), 0);
    assert_int_equal(sq_stream_send(p.server.stream, "now", 4), 0);
    RUN_UNTIL(loop, !p.client.stream);
    free_pair(&p);
}

static void a_firewall_lets_no_stream_through(void **state)
{
    const struct sq_link_config config = {.firewall = SQ_FIREWALL_HTTPS};
    struct sq_link *link = make_link(&config);
    struct client c = {0};
    uint16_t port;
    int fd = listener(&port);
    struct sq_stream_options o = {
        .host = "127.0.0.1", .port = port, .link = link, .timeout_ns = 150 * MS};
    assert_int_equal(sq_stream_connect(loop, &o, &stream_events, &c, &c.stream), 0);
    RUN_UNTIL(loop, c.ended);
    assert_int_equal(c.err, SQ_ERR_TIMEOUT);
    assert_false(try_accept(fd)); /* no packet left */
    sq_stream_free(c.stream);
    sq_link_release(link);
    close(fd);
}

/* A firewall that comes up holds what is under way; it goes on when that is gone. */
static void a_network_may_change(void **state)
{
    const struct sq_link_config open = {.firewall = SQ_FIREWALL_NONE};
    const struct sq_link_config shut = {.firewall = SQ_FIREWALL_HTTPS};
    struct pair p;
    make_pair(&p, &open);
    assert_int_equal(sq_link_set(p.link, &shut), 0);
    assert_int_equal(sq_stream_send(p.client.stream, "later", 6), 0);
    uint64_t until_ns = sq_clock_ns() + 20 * MS;
    RUN_UNTIL(loop, sq_clock_ns() > until_ns);
    assert_int_equal(p.server.got, 0);
    assert_int_equal(sq_link_set(p.link, &open), 0);
    RUN_UNTIL(loop, p.server.got == 6);
    free_pair(&p);
}

static void tls_goes_over_a_link(void **state)
{
    const struct sq_link_config config = {
        .up = {.delay_ns = 10 * MS, .rate_bps = 5e6, .loss = 0.05},
        .down = {.delay_ns = 10 * MS, .rate_bps = 5e6}};
    struct test_cert cert;
    struct client c = {0};
    struct client server = {0};
    uint16_t plain_port;
    uint16_t port;
    test_cert_make(&cert, "DNS:localhost");
    int fd = listener(&plain_port);
    struct tls_front *front = tls_front_start(&cert, plain_port, &port);
    struct sq_link *link = make_link(&config);
    struct sq_stream_options o = {.host = "127.0.0.1",
                                  .port = port,
                                  .tls = true,
                                  .tls_options = {.insecure = true},
                                  .link = link};
    assert_int_equal(sq_stream_connect(loop, &o, &stream_events, &c, &c.stream), 0);
    RUN_UNTIL(loop, c.opened || c.ended);
    assert_true(c.opened);
    assert_true(c.times.connect_ns >= 20 * MS && c.times.tls_ns >= 20 * MS);
    RUN_UNTIL(loop, try_accept(fd));
    assert_int_equal(sq_stream_from_fd(loop, accepted, NULL, 0, NULL, NULL, &stream_events, &server,
                                       &server.stream),
                     0);
    static const uint8_t bytes[30000];
    assert_int_equal(sq_stream_send(c.stream, bytes, sizeof(bytes)), 0);
    RUN_UNTIL(loop, server.got == sizeof(bytes));
    assert_int_equal(sq_stream_send(server.stream, bytes, sizeof(bytes)), 0);
    RUN_UNTIL(loop, c.got == sizeof(bytes));
    sq_stream_free(c.stream);
    sq_stream_free(server.stream);
    sq_link_release(link);
    tls_front_stop(front);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_way_has_its_delay, setup, teardown),
        cmocka_unit_test_setup_teardown(sockets_share_the_rate, setup, teardown),
        cmocka_unit_test_setup_teardown(what_passes_at_once_leaves_together, setup, teardown),
        cmocka_unit_test_setup_teardown(what_was_sent_goes_out_after_the_socket_is_closed, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(nothing_comes_in_after_the_socket_is_closed, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_firewall_swallows_datagrams, setup, teardown),
        cmocka_unit_test_setup_teardown(a_firewall_knows_the_ports_of_the_web, setup, teardown),
        cmocka_unit_test_setup_teardown(numbers_out_of_range_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(the_loop_may_end_first, setup, teardown),
        cmocka_unit_test_setup_teardown(a_stream_has_the_delay_of_each_way, setup, teardown),
        cmocka_unit_test_setup_teardown(a_stream_has_the_rate_of_the_link, setup, teardown),
        cmocka_unit_test_setup_teardown(a_stream_survives_loss_and_jitter, setup, teardown),
        cmocka_unit_test_setup_teardown(the_end_comes_behind_the_data, setup, teardown),
        cmocka_unit_test_setup_teardown(a_stream_may_be_freed_with_data_on_its_way, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_firewall_lets_no_stream_through, setup, teardown),
        cmocka_unit_test_setup_teardown(a_network_may_change, setup, teardown),
        cmocka_unit_test_setup_teardown(tls_goes_over_a_link, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
