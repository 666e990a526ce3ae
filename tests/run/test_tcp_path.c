/* ICE-TCP connections (RFC 6544, framed as RFC 4571 has it) against plain sockets, and the room for
 * what came out of byte streams. */
#include "base/mem.h"
#include "base/time.h"
#include "peer/stun/stun.h"
#include "run/rig.h"
#include "run/tcp_path.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define LIMIT_MS 10000

struct bench {
    struct sq_loop *loop;
    struct sq_keep keep;
    struct sq_tcp_paths paths;
    struct sq_tcp_listener *listener;
    struct sq_tcp_path *path;
    const char *ufrag; /* whose connections are taken */
    unsigned claims;
    unsigned got, ended, flushes;
    size_t len;
    uint8_t bytes[2048];
    char text[400];
    bool close_at_data, close_at_flush;
    int fd; /* the other end */
};

static void on_data(void *ctx, int base, const struct sq_addr *from, uint8_t *buf, size_t len,
                    uint64_t recv_ns)
{
    struct bench *b = ctx;
    assert_int_equal(base, 7);
    assert_true(sq_addr_is_loopback(from) && recv_ns > 0 && len <= sizeof(b->bytes));
    b->got++;
    b->len = len;
    memcpy(b->bytes, buf, len);
    memset(buf, 0xee, len);
    if (b->close_at_data) {
        sq_tcp_path_close(b->path);
        b->path = NULL;
    }
}

static void on_ended(void *ctx, struct sq_tcp_path *path, const char *text)
{
    struct bench *b = ctx;
    assert_ptr_equal(path, b->path);
    b->path = NULL;
    b->ended++;
    snprintf(b->text, sizeof(b->text), "%s", text);
}

static const struct sq_tcp_path_events events = {.data = on_data, .ended = on_ended};

static bool claim(void *ctx, const char *ufrag, struct sq_tcp_path *path,
                  const struct sq_tcp_path_events **ret_events, void **ret_ctx, int *ret_base)
{
    struct bench *b = ctx;
    b->claims++;
    if (!b->ufrag || strcmp(ufrag, b->ufrag) != 0) {
        return false;
    }
    b->path = path;
    *ret_events = &events;
    *ret_ctx = b;
    *ret_base = 7;
    return true;
}

static void on_flush(void *ctx)
{
    struct bench *b = ctx;
    b->flushes++;
    if (b->close_at_flush) {
        sq_tcp_path_close(b->path);
        b->path = NULL;
    }
}

static struct sq_addr loopback(void)
{
    struct sq_addr addr;
    assert_int_equal(sq_addr_parse("127.0.0.1", 0, &addr), 0);
    return addr;
}

static void begin(struct bench *b)
{
    struct sq_addr addr = loopback();
    memset(b, 0, sizeof(*b));
    b->fd = -1;
    assert_int_equal(sq_loop_new(NULL, &b->loop), 0);
    b->keep = (struct sq_keep){.flush = on_flush, .ctx = b};
    b->paths = (struct sq_tcp_paths){.loop = b->loop, .keep = &b->keep};
    assert_int_equal(sq_tcp_listener_open(&b->paths, &addr, claim, b, &b->listener), 0);
    assert_true(sq_addr_port(sq_tcp_listener_addr(b->listener)) > 0);
}

static void finish(struct bench *b)
{
    sq_tcp_path_close(b->path);
    sq_tcp_listener_close(b->listener);
    sq_tcp_paths_free_dead(&b->paths);
    sq_keep_free(&b->keep);
    if (b->fd >= 0) {
        close(b->fd);
    }
    sq_loop_free(b->loop);
}

static void turn_loop(struct bench *b, int times)
{
    for (int i = 0; i < times; i++) {
        assert_int_equal(sq_loop_run_once(b->loop, SQ_NS_PER_MS), 0);
    }
    sq_keep_reset(&b->keep);
    sq_tcp_paths_free_dead(&b->paths);
}

static void write_all(int fd, const void *bytes, size_t len)
{
    assert_int_equal(send(fd, bytes, len, MSG_NOSIGNAL), (ssize_t)len);
}

/* A connection to the listener; without the loop, for the kernel takes it by itself. */
static void connect_to_listener(struct bench *b)
{
    const struct sq_addr *to = sq_tcp_listener_addr(b->listener);
    b->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(b->fd, &to->sa, sq_addr_len(to)), 0);
}

/* The first check of a connection, framed; its length is returned. */
static size_t make_check(uint8_t *out, size_t room, const char *user)
{
    static const uint8_t tid[SQ_STUN_TID_BYTES] = {9, 8, 7};
    size_t len;
    struct sq_stun_writer w =
        sq_stun_begin(out + 2, room - 2, SQ_STUN_REQUEST, SQ_STUN_BINDING, tid);
    sq_stun_put_text(&w, SQ_STUN_USERNAME, user);
    assert_int_equal(sq_stun_end(&w, &len), 0);
    sq_store_u16(out, (uint16_t)len);
    return 2 + len;
}

/* Whether the other end has ended the connection. */
static bool is_shut(struct bench *b)
{
    uint8_t byte;
    ssize_t n = recv(b->fd, &byte, 1, MSG_DONTWAIT);
    return n == 0 || (n < 0 && errno == ECONNRESET);
}

static void frames_in_pieces(void **state)
{
    (void)state;
    struct bench b;
    uint8_t out[4096];
    begin(&b);
    b.ufrag = "mine";
    connect_to_listener(&b);
    size_t check = make_check(out, sizeof(out), "mine:theirs");
    size_t used = check;
    sq_store_u16(out + used, 3); /* a datagram of three bytes, an empty one, one of 300 */
    memcpy(out + used + 2, "abc", 3);
    used += 5;
    sq_store_u16(out + used, 0);
    used += 2;
    sq_store_u16(out + used, 300);
    memset(out + used + 2, 0x5a, 300);
    used += 302;
    /* Byte by byte: each a read of its own. */
    for (size_t i = 0; i < used; i++) {
        write_all(b.fd, out + i, 1);
        turn_loop(&b, 1);
        if (i + 1 == check) {
            assert_int_equal(b.got, 1);
            assert_int_equal(b.len, check - 2);
            assert_memory_equal(b.bytes, out + 2, check - 2);
        } else if (i + 1 == check + 5) {
            assert_int_equal(b.got, 2);
            assert_int_equal(b.len, 3);
            assert_memory_equal(b.bytes, "abc", 3);
        }
    }
    assert_int_equal(b.got, 3);
    assert_int_equal(b.len, 300);
    assert_int_equal(b.bytes[299], 0x5a);
    assert_int_equal(b.claims, 1);
    /* All at once. */
    write_all(b.fd, out + check, used - check);
    turn_loop(&b, 3);
    assert_int_equal(b.got, 5);
    /* One that is longer than any datagram is passed over, and what follows is found. */
    sq_store_u16(out, 1600);
    memset(out + 2, 1, 1600);
    sq_store_u16(out + 1602, 2);
    memcpy(out + 1604, "ok", 2);
    write_all(b.fd, out, 1606);
    turn_loop(&b, 3);
    assert_int_equal(b.got, 6);
    assert_int_equal(b.len, 2);
    finish(&b);
}

static void what_is_sent(void **state)
{
    (void)state;
    struct bench b;
    struct sq_dgram dgrams[40];
    static uint8_t payload[40][1500];
    uint8_t in[8192];
    begin(&b);
    b.ufrag = "mine";
    connect_to_listener(&b);
    write_all(b.fd, in, make_check(in, sizeof(in), "mine:theirs"));
    turn_loop(&b, 3);
    assert_non_null(b.path);
    assert_int_equal(sq_tcp_path_base(b.path), 7);
    assert_true(sq_addr_is_loopback(sq_tcp_path_remote(b.path)));
    for (size_t i = 0; i < 40; i++) { /* more than go into one write */
        memset(payload[i], (int)i, sizeof(payload[i]));
        dgrams[i] = (struct sq_dgram){.buf = payload[i], .len = 100 + i};
    }
    assert_int_equal(sq_tcp_path_send(b.path, dgrams, 40), 40);
    size_t have = 0, want = 0;
    for (size_t i = 0; i < 40; i++) {
        want += 2 + dgrams[i].len;
    }
    while (have < want) {
        ssize_t n = recv(b.fd, in + have, sizeof(in) - have, MSG_DONTWAIT);
        have += n > 0 ? (size_t)n : 0;
        turn_loop(&b, 1);
    }
    assert_int_equal(have, want);
    const uint8_t *at = in;
    for (size_t i = 0; i < 40; i++) {
        assert_int_equal(sq_load_u16(at), 100 + i);
        assert_memory_equal(at + 2, payload[i], 100 + i);
        at += 102 + i;
    }
    /* Too long for a datagram: nothing of it goes out, but what stood before it does. */
    dgrams[1].len = SQ_PEER_DATAGRAM_MAX + 1;
    assert_int_equal(sq_tcp_path_send(b.path, dgrams, 3), 0);
    assert_int_equal(sq_tcp_path_send(b.path, dgrams, 1), 1);
    /* Nobody reads: the queue fills, and then datagrams are lost, as at a full link. */
    dgrams[0].len = 1500;
    unsigned sent = 0;
    while (sent < 100000 && sq_tcp_path_send(b.path, dgrams, 1) == 1) {
        sent++;
    }
    assert_true(sent < 100000);
    assert_int_equal(b.ended, 0);
    finish(&b);
}

static bool ended(void *ctx)
{
    struct bench *b = ctx;
    return b->ended > 0;
}

/* Messages before the connection is open wait; the active side opens it. */
static void the_active_side(void **state)
{
    (void)state;
    struct bench b;
    uint8_t in[256];
    struct sq_addr any = loopback(), at = any;
    begin(&b);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    socklen_t len = sizeof(at);
    assert_int_equal(bind(listener, &at.sa, sq_addr_len(&at)), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, &at.sa, &len), 0);
    assert_int_equal(sq_tcp_path_open(&b.paths, 7, &any, &at, NULL, &events, &b, &b.path), 0);
    static const uint8_t long_one[1400];
    static const uint8_t hello[] = "hello", world[] = "world";
    struct sq_dgram two[] = {{.buf = hello, .len = 5}, {.buf = world, .len = 5}};
    struct sq_dgram much[] = {{.buf = long_one, .len = 1400}, {.buf = long_one, .len = 1400}};
    assert_int_equal(sq_tcp_path_send(b.path, two, 2), 2);
    assert_int_equal(sq_tcp_path_send(b.path, much, 2), 1); /* a few only wait */
    turn_loop(&b, 3);
    b.fd = accept(listener, NULL, NULL);
    assert_true(b.fd >= 0);
    turn_loop(&b, 3);
    assert_int_equal(recv(b.fd, in, 14, MSG_WAITALL), 14);
    assert_memory_equal(in, "\0\5hello\0\5world", 14);
    write_all(b.fd, "\0\2hi", 4);
    turn_loop(&b, 3);
    assert_int_equal(b.got, 1);
    assert_memory_equal(b.bytes, "hi", 2);
    shutdown(b.fd, SHUT_RDWR);
    assert_true(rig_until(b.loop, ended, &b, LIMIT_MS));
    /* What it had not read yet makes a reset of it. */
    assert_true(strstr(b.text, "closed the connection") || strstr(b.text, "broken"));
    close(listener);
    /* Nobody listens there any more. */
    assert_int_equal(sq_tcp_path_open(&b.paths, 7, &any, &at, NULL, &events, &b, &b.path), 0);
    b.ended = 0;
    assert_true(rig_until(b.loop, ended, &b, LIMIT_MS));
    assert_non_null(strstr(b.text, "Connection refused"));
    finish(&b);
}

static bool shut(void *ctx)
{
    struct bench *b = ctx;
    sq_tcp_paths_free_dead(&b->paths);
    return is_shut(b);
}

static void strangers_are_turned_away(void **state)
{
    (void)state;
    static const char *const users[] = {"other:theirs", "", "mine"};
    uint8_t out[1024];
    struct bench b;
    for (size_t i = 0; i < 3; i++) {
        begin(&b);
        b.ufrag = i < 2 ? "mine" : "another";
        connect_to_listener(&b);
        write_all(b.fd, out, make_check(out, sizeof(out), users[i]));
        assert_true(rig_until(b.loop, shut, &b, LIMIT_MS));
        assert_null(b.path);
        assert_int_equal(b.got, 0);
        finish(&b);
    }
    /* What is no check; a check without a user name; a user name without end. */
    for (int i = 0; i < 3; i++) {
        static const uint8_t tid[SQ_STUN_TID_BYTES];
        size_t len = 20;
        begin(&b);
        connect_to_listener(&b);
        memset(out, 'x', sizeof(out));
        if (i == 1) {
            struct sq_stun_writer w =
                sq_stun_begin(out + 2, 900, SQ_STUN_REQUEST, SQ_STUN_BINDING, tid);
            assert_int_equal(sq_stun_end(&w, &len), 0);
        } else if (i == 2) {
            char user[400];
            memset(user, 'u', sizeof(user) - 1);
            user[sizeof(user) - 1] = '\0';
            len = make_check(out, sizeof(out), user) - 2;
        }
        sq_store_u16(out, (uint16_t)len);
        write_all(b.fd, out, len + 2);
        assert_true(rig_until(b.loop, shut, &b, LIMIT_MS));
        assert_int_equal(b.claims, 0);
        finish(&b);
    }
    /* A listener that goes takes those along that nobody has claimed. */
    begin(&b);
    connect_to_listener(&b);
    turn_loop(&b, 3);
    sq_tcp_listener_close(b.listener);
    b.listener = NULL;
    assert_true(shut(&b));
    finish(&b);
}

static void closed_in_the_middle(void **state)
{
    (void)state;
    struct bench b;
    uint8_t out[512];
    begin(&b);
    b.ufrag = "mine";
    b.close_at_data = true;
    connect_to_listener(&b);
    size_t len = make_check(out, sizeof(out), "mine:theirs");
    memcpy(out + len, "\0\3abc\0\3def", 10); /* not told any more */
    write_all(b.fd, out, len + 10);
    assert_true(rig_until(b.loop, shut, &b, LIMIT_MS));
    assert_int_equal(b.got, 1);
    assert_int_equal(b.ended, 0);
    finish(&b);
}

/* Room for a message is made by working the batches off, and what was in them may end it all. */
static void closed_by_the_batches(void **state)
{
    (void)state;
    struct bench b;
    uint8_t out[512];
    begin(&b);
    b.ufrag = "mine";
    connect_to_listener(&b);
    write_all(b.fd, out, make_check(out, sizeof(out), "mine:theirs"));
    turn_loop(&b, 3);
    assert_int_equal(b.got, 1);
    b.close_at_flush = true;
    b.keep.used = SQ_KEEP_BYTES;
    write_all(b.fd, "\0\3abc\0\3def", 10);
    assert_true(rig_until(b.loop, shut, &b, LIMIT_MS));
    assert_int_equal(b.flushes, 1);
    assert_int_equal(b.got, 1);
    finish(&b);
}

static void failing_allocations(void **state)
{
    (void)state;
    uint8_t out[512];
    for (int active = 0; active < 2; active++) {
        unsigned lost = 0;
        for (size_t nth = 1;; nth++) {
            struct bench b;
            struct sq_addr any = loopback(), at;
            begin(&b);
            b.ufrag = "mine";
            at = *sq_tcp_listener_addr(b.listener);
            size_t len = make_check(out, sizeof(out), "mine:theirs");
            struct sq_dgram check = {.buf = out + 2, .len = len - 2};
            if (!active) {
                connect_to_listener(&b);
                write_all(b.fd, out, 5); /* in two pieces: a part is kept */
            }
            sq_mem_fail_at(nth);
            struct sq_tcp_path *path = NULL;
            struct bench other = {.loop = b.loop};
            int err = 0;
            if (active) {
                err = sq_tcp_path_open(&b.paths, 7, &any, &at, NULL, &events, &other, &path);
                other.path = err ? NULL : path;
                if (!err) {
                    (void)sq_tcp_path_send(path, &check, 1);
                }
            }
            turn_loop(&b, 4);
            if (!active) {
                (void)send(b.fd, out + 5, len - 5, MSG_NOSIGNAL); /* it may be closed */
            }
            turn_loop(&b, 4);
            size_t made = sq_mem_count();
            sq_mem_fail_at(0);
            assert_true(err == 0 || err == SQ_ERR_NOMEM);
            lost += b.got == 0;
            sq_tcp_path_close(other.path);
            finish(&b);
            if (made < nth) {
                assert_int_equal(b.got, 1);
                break;
            }
        }
        assert_true(lost >= 3);
    }
}

/* ---- What came out of streams ---- */

static void kept_until_the_batch(void **state)
{
    (void)state;
    struct bench b = {0};
    uint8_t bytes[1000];
    b.keep = (struct sq_keep){.flush = on_flush, .ctx = &b};
    uint8_t *before = NULL;
    size_t kept = 0;
    while (b.flushes == 0) {
        memset(bytes, (int)kept, sizeof(bytes));
        uint8_t *at = sq_keep_copy(&b.keep, bytes, sizeof(bytes));
        assert_non_null(at);
        assert_memory_equal(at, bytes, sizeof(bytes));
        if (b.flushes == 0 && before) { /* the one before is still whole */
            assert_true(at >= before + sizeof(bytes));
            assert_int_equal(before[999], (uint8_t)(kept - 1));
        }
        before = at;
        kept++;
    }
    assert_int_equal(kept - 1, SQ_KEEP_BYTES / 1008);
    assert_ptr_equal(before, b.keep.bytes); /* from the beginning again */
    sq_keep_reset(&b.keep);
    assert_ptr_equal(sq_keep_copy(&b.keep, NULL, 0), b.keep.bytes);
    static uint8_t whole[SQ_KEEP_BYTES + 1];
    assert_null(sq_keep_copy(&b.keep, whole, SQ_KEEP_BYTES + 1));
    assert_non_null(sq_keep_copy(&b.keep, whole, SQ_KEEP_BYTES)); /* to the last byte */
    assert_int_equal(b.flushes, 1);
    assert_non_null(sq_keep_copy(&b.keep, whole, 1));
    assert_int_equal(b.flushes, 2);
    sq_keep_free(&b.keep);
    sq_mem_fail_at(1);
    assert_null(sq_keep_copy(&b.keep, bytes, 1));
    sq_mem_fail_at(0);
    assert_non_null(sq_keep_copy(&b.keep, bytes, 1));
    sq_keep_free(&b.keep);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_in_pieces),      cmocka_unit_test(what_is_sent),
        cmocka_unit_test(the_active_side),       cmocka_unit_test(strangers_are_turned_away),
        cmocka_unit_test(closed_by_the_batches), cmocka_unit_test(closed_in_the_middle),
        cmocka_unit_test(failing_allocations),   cmocka_unit_test(kept_until_the_batch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
