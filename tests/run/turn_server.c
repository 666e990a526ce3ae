#include "run/turn_server.h"

#include "net/stream.h"
#include "peer/stun/stun.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define CHANNEL_FIRST 0x4000

static void answer(struct turn_client *c, const void *bytes, size_t len)
{
    int err = c->stream ? sq_stream_send(c->stream, bytes, len)
                        : sq_udp_send(c->server->udp, &c->from, bytes, len);
    (void)err; /* the client may be gone */
}

static void reply(struct turn_client *c, struct sq_stun_writer *w)
{
    size_t len;
    sq_stun_put_fingerprint(w);
    assert_int_equal(sq_stun_end(w, &len), 0);
    answer(c, w->w.buf, len);
}

static void refuse(struct turn_client *c, const struct sq_stun_msg *m, int code)
{
    uint8_t buf[512];
    struct sq_stun_writer w = sq_stun_begin(buf, sizeof(buf), SQ_STUN_ERROR, m->method, m->tid);
    sq_stun_put_error(&w, code, NULL);
    if (code == 300) {
        sq_stun_put_addr(&w, SQ_STUN_ALTERNATE_SERVER, &c->server->alternate);
    } else if (code == 401) {
        sq_stun_put_text(&w, SQ_STUN_REALM, "example.org");
        sq_stun_put_text(&w, SQ_STUN_NONCE, "nonce");
    }
    c->server->refused++;
    reply(c, &w);
    if (code == 300 && c->stream && c->server->parts) {
        assert_int_equal(shutdown(c->fd, SHUT_WR), 0);
    }
}

/* From a peer: by its channel where it has one. */
static void on_relayed(void *ctx, const struct sq_datagram *d)
{
    struct turn_client *c = ctx;
    uint8_t buf[1800];
    size_t len;
    for (size_t i = 0; i < TURN_CHANNELS_MAX; i++) {
        if (sq_addr_equal(&c->channels[i], d->from)) {
            size_t padded = c->stream ? (d->len + 3) & ~(size_t)3 : d->len;
            memset(buf, 0, 4 + padded);
            sq_store_u16(buf, (uint16_t)(CHANNEL_FIRST + i));
            sq_store_u16(buf + 2, (uint16_t)d->len);
            memcpy(buf + 4, d->data, d->len);
            answer(c, buf, 4 + padded);
            return;
        }
    }
    static const uint8_t tid[SQ_STUN_TID_BYTES] = {1, 2, 3};
    struct sq_stun_writer w =
        sq_stun_begin(buf, sizeof(buf), SQ_STUN_INDICATION, SQ_STUN_DATA, tid);
    sq_stun_put_xor_addr(&w, SQ_STUN_XOR_PEER_ADDRESS, d->from);
    sq_stun_put(&w, SQ_STUN_DATA_ATTR, d->data, d->len);
    assert_int_equal(sq_stun_end(&w, &len), 0);
    answer(c, buf, len);
}

static void allocate(struct turn_client *c, const struct sq_stun_msg *m)
{
    struct turn_server *s = c->server;
    struct sq_udp_options o = {0};
    uint8_t buf[512];
    if (s->refuse_allocate) {
        int code = s->refuse_allocate;
        if (s->refuse_times > 0 && --s->refuse_times == 0) {
            s->refuse_allocate = 0;
        }
        refuse(c, m, code);
        return;
    }
    assert_int_equal(sq_addr_parse("127.0.0.1", 0, &o.bind), 0);
    if (!c->relay && sq_udp_open(s->loop, &o, on_relayed, c, &c->relay) != 0) {
        refuse(c, m, 508);
        return;
    }
    s->allocates++;
    struct sq_stun_writer w = sq_stun_begin(buf, sizeof(buf), SQ_STUN_SUCCESS, m->method, m->tid);
    sq_stun_put_xor_addr(&w, SQ_STUN_XOR_RELAYED_ADDRESS, sq_udp_local(c->relay));
    sq_stun_put_xor_addr(&w, SQ_STUN_XOR_MAPPED_ADDRESS, &c->from);
    sq_stun_put_u32(&w, SQ_STUN_LIFETIME, 600);
    reply(c, &w);
}

static void on_request(struct turn_client *c, const struct sq_stun_msg *m)
{
    struct turn_server *s = c->server;
    struct sq_addr peer;
    uint8_t buf[512];
    uint32_t n = 600;
    struct sq_stun_writer w = sq_stun_begin(buf, sizeof(buf), SQ_STUN_SUCCESS, m->method, m->tid);
    if (m->method == SQ_STUN_ALLOCATE) {
        allocate(c, m);
        return;
    }
    if (!c->relay) {
        refuse(c, m, 437);
        return;
    }
    if (m->method == SQ_STUN_REFRESH) {
        if (sq_stun_get_u32(m, SQ_STUN_LIFETIME, &n) == 0 && n == 0) {
            s->frees++;
            sq_udp_close(c->relay);
            c->relay = NULL;
        } else {
            s->refreshes++;
        }
        sq_stun_put_u32(&w, SQ_STUN_LIFETIME, n);
    } else if (m->method == SQ_STUN_CREATE_PERMISSION) {
        if (s->refuse_permission) {
            refuse(c, m, s->refuse_permission);
            return;
        }
        s->permissions++;
    } else {
        assert_int_equal(m->method, SQ_STUN_CHANNEL_BIND);
        assert_int_equal(sq_stun_get_u32(m, SQ_STUN_CHANNEL_NUMBER, &n), 0);
        assert_int_equal(sq_stun_get_xor_addr(m, SQ_STUN_XOR_PEER_ADDRESS, &peer), 0);
        assert_in_range(n >> 16, CHANNEL_FIRST, CHANNEL_FIRST + TURN_CHANNELS_MAX - 1);
        c->channels[(n >> 16) - CHANNEL_FIRST] = peer;
        s->binds++;
    }
    reply(c, &w);
}

static void on_message(void *ctx, const uint8_t *bytes, size_t len)
{
    struct turn_client *c = ctx;
    struct turn_server *s = c->server;
    struct sq_stun_msg m;
    struct sq_addr peer;
    struct sq_view data;
    if (s->deaf) {
        return;
    }
    if (s->garbage) {
        answer(c, "SSH-2.0-OpenSSH_9.2\r\n", 21);
        return;
    }
    if (len >= 4 && bytes[0] >= 0x40 && bytes[0] <= 0x4f) {
        size_t i = (size_t)sq_load_u16(bytes) - CHANNEL_FIRST;
        assert_true(i < TURN_CHANNELS_MAX && sq_addr_family(&c->channels[i]) && c->relay);
        assert_true(len >= 4u + sq_load_u16(bytes + 2));
        s->channel_data++;
        (void)sq_udp_send(c->relay, &c->channels[i], bytes + 4, sq_load_u16(bytes + 2));
        return;
    }
    assert_int_equal(sq_stun_parse(bytes, len, &m), 0);
    if (m.cls == SQ_STUN_REQUEST) {
        on_request(c, &m);
    } else if (m.method == SQ_STUN_SEND && c->relay) {
        assert_int_equal(sq_stun_get_xor_addr(&m, SQ_STUN_XOR_PEER_ADDRESS, &peer), 0);
        assert_int_equal(sq_stun_get_text(&m, SQ_STUN_DATA_ATTR, &data), 0);
        s->indications++;
        (void)sq_udp_send(c->relay, &peer, data.at, data.len);
    }
}

static struct turn_client *new_client(struct turn_server *s, const struct sq_addr *from)
{
    for (size_t i = 0; i < TURN_CLIENTS_MAX; i++) {
        if (!s->clients[i].used) {
            s->clients[i] = (struct turn_client){.server = s, .from = *from, .used = true};
            s->clients[i].framing.kind = SQ_FRAMING_TURN;
            s->ports += sq_addr_port(from) != s->last_port;
            s->last_port = sq_addr_port(from);
            return &s->clients[i];
        }
    }
    fail_msg("more than %d clients", TURN_CLIENTS_MAX);
    return NULL;
}

static void end_client(struct turn_client *c)
{
    sq_udp_close(c->relay);
    sq_stream_free(c->stream);
    sq_framing_free(&c->framing);
    memset(c, 0, sizeof(*c));
}

static void on_datagram(void *ctx, const struct sq_datagram *d)
{
    struct turn_server *s = ctx;
    struct turn_client *c = NULL;
    for (size_t i = 0; i < TURN_CLIENTS_MAX; i++) {
        bool same = s->clients[i].used && !s->clients[i].stream &&
                    sq_addr_equal(&s->clients[i].from, d->from);
        c = same ? &s->clients[i] : c;
    }
    c = c ? c : new_client(s, d->from);
    on_message(c, d->data, d->len);
    if (!c->relay) { /* given back, or never made */
        end_client(c);
    }
}

static void on_stream_data(void *ctx, const uint8_t *data, size_t len)
{
    struct turn_client *c = ctx;
    int err =
        c->server->hang_up ? SQ_ERR_CLOSED : sq_framing_feed(&c->framing, data, len, on_message, c);
    assert_true(err != SQ_ERR_FORMAT);
    if (err) { /* no memory, too: its allocations fail as ours do */
        end_client(c);
    }
}

static void on_stream_end(void *ctx, const struct sq_stream_end *end)
{
    (void)end;
    end_client(ctx);
}

static const struct sq_stream_events stream_events = {.on_data = on_stream_data,
                                                      .on_end = on_stream_end};

static void on_connection(void *ctx, unsigned ready)
{
    struct turn_server *s = ctx;
    struct sq_addr from;
    socklen_t len = sizeof(from);
    (void)ready;
    int fd = accept4(s->listener, &from.sa, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        struct turn_client *c = new_client(s, &from);
        c->fd = fd;
        if (sq_stream_from_fd(s->loop, fd, NULL, 0, NULL, NULL, &stream_events, c, &c->stream)) {
            close(fd); /* no memory */
            end_client(c);
        }
    }
}

void turn_server_start(struct turn_server *s, struct sq_loop *loop)
{
    struct sq_udp_options o = {0};
    memset(s, 0, sizeof(*s));
    s->loop = loop;
    assert_int_equal(sq_addr_parse("127.0.0.1", 0, &o.bind), 0);
    for (int tries = 0; !s->udp; tries++) { /* one port for both: another may have the second */
        socklen_t len = sizeof(s->addr);
        assert_true(tries < 50);
        s->addr = o.bind;
        s->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        sq_addr_set_port(&s->addr, 0);
        assert_int_equal(bind(s->listener, &s->addr.sa, sq_addr_len(&s->addr)), 0);
        assert_int_equal(getsockname(s->listener, &s->addr.sa, &len), 0);
        assert_int_equal(listen(s->listener, 8), 0);
        o.bind = s->addr;
        if (sq_udp_open(loop, &o, on_datagram, s, &s->udp) != 0) {
            close(s->listener);
            s->udp = NULL;
        }
    }
    assert_int_equal(sq_watch_start(loop, &s->watch, s->listener, SQ_READ, on_connection, s), 0);
}

void turn_server_stop(struct turn_server *s)
{
    for (size_t i = 0; i < TURN_CLIENTS_MAX; i++) {
        if (s->clients[i].used) {
            end_client(&s->clients[i]);
        }
    }
    sq_watch_stop(&s->watch);
    close(s->listener);
    sq_udp_close(s->udp);
}

struct sq_relay_server turn_server_entry(const struct turn_server *s, enum sq_turn_carrier carrier)
{
    struct sq_relay_server entry = {.text = "turn:test", .addr = s->addr};
    entry.url.carrier = carrier;
    entry.url.port = sq_addr_port(&s->addr);
    snprintf(entry.url.host, sizeof(entry.url.host), "127.0.0.1");
    return entry;
}
