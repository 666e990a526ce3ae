/* DTLS in virtual time over a bad network: both roles, loss, reordering, duplicates, wrong
 * fingerprints, garbage, profiles, the last flight, and keys that fit SRTP. Records against real
 * OpenSSL are in test_dtls_record.c. */
#include "base/mem.h"
#include "base/rand.h"
#include "base/time.h"
#include "peer/dtls/dtls.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define QUEUE_MAX 256
#define DATAGRAM  1500
#define NOW       1700000000

/* A datagram on its way. */
struct flying {
    uint64_t at_ns;
    int to;
    size_t len;
    uint8_t bytes[DATAGRAM];
};

struct net;

struct end {
    struct net *net;
    int number;
    struct sq_dtls *dtls;
    struct sq_dtls_keys keys;
    int connected;
    int failed;
    int closed;
    int err;
    char text[512];
    size_t data_n;
    size_t data_len;
    uint8_t data[2000];
    size_t sent;
    size_t biggest;
    int echo; /* messages to send back from within the callback; then it closes */
};

struct net {
    uint64_t now_ns;
    uint64_t delay_ns;
    double loss;
    double twice;
    double jitter; /* share of datagrams that come later by up to three delays */
    double garbage;
    struct sq_rand rnd;
    struct flying queue[QUEUE_MAX];
    size_t n;
    struct end end[2];
};

static struct sq_dtls_ctx *ctx;
static struct sq_cert_pool *pool;
static struct sq_srtp_engine *engine;

static void net_put(struct net *net, int to, uint64_t at_ns, const uint8_t *bytes, size_t len)
{
    assert_true(net->n < QUEUE_MAX && len <= DATAGRAM);
    struct flying *f = &net->queue[net->n++];
    f->at_ns = at_ns;
    f->to = to;
    f->len = len;
    memcpy(f->bytes, bytes, len);
}

static void net_noise(struct net *net, int to, uint64_t at_ns, const uint8_t *like, size_t len)
{
    uint8_t bytes[DATAGRAM];
    memcpy(bytes, like, len);
    switch (sq_rand_below(&net->rnd, 4)) {
    case 0: /* random bytes behind a likely first one */
        for (size_t i = 1; i < len; i++) {
            bytes[i] = (uint8_t)sq_rand_u32(&net->rnd);
        }
        break;
    case 1: /* cut off */
        len = sq_rand_below(&net->rnd, (uint32_t)len);
        break;
    case 2: /* a fragment that reaches beyond its message */
        memset(bytes + 19, 0xff, len > 25 ? 3 : 0);
        bytes[11] = len > 25 ? bytes[11] : 0xff;
        break;
    default: /* encrypted for an epoch, with a wrong tag */
        bytes[0] = 22;
        bytes[4] = 1;
        bytes[10] ^= 0x55;
    }
    net_put(net, to, at_ns, bytes, len);
}

static void on_send(void *user, const uint8_t *bytes, size_t len)
{
    struct end *e = user;
    struct net *net = e->net;
    int to = 1 - e->number;
    e->sent++;
    e->biggest = len > e->biggest ? len : e->biggest;
    if (sq_rand_unit(&net->rnd) < net->garbage) {
        net_noise(net, to, net->now_ns + net->delay_ns, bytes, len);
    }
    size_t copies = sq_rand_unit(&net->rnd) < net->twice ? 2 : 1;
    for (size_t i = 0; i < copies; i++) {
        uint64_t later = sq_rand_unit(&net->rnd) < net->jitter
                             ? (uint64_t)(sq_rand_unit(&net->rnd) * 3 * (double)net->delay_ns)
                             : 0;
        if (sq_rand_unit(&net->rnd) >= net->loss) {
            net_put(net, to, net->now_ns + net->delay_ns + later, bytes, len);
        }
    }
}

static void on_connected(void *user, const struct sq_dtls_keys *keys)
{
    struct end *e = user;
    e->connected++;
    e->keys = *keys;
}

static void on_failed(void *user, int err, const char *text)
{
    struct end *e = user;
    e->failed++;
    e->err = err;
    (void)snprintf(e->text, sizeof(e->text), "%s", text);
}

static void on_closed(void *user)
{
    struct end *e = user;
    e->closed++;
}

static void on_data(void *user, const uint8_t *bytes, size_t len)
{
    struct end *e = user;
    e->data_n++;
    e->data_len = len;
    memcpy(e->data, bytes, len);
    if (e->echo > 0) {
        assert_int_equal(sq_dtls_send(e->dtls, bytes, len), 0);
        if (--e->echo == 0) {
            sq_dtls_close(e->dtls);
        }
    }
}

static int end_make(struct net *net, int number, struct sq_dtls_ctx *with)
{
    struct end *e = &net->end[number];
    struct sq_dtls_events events = {.user = e,
                                    .send = on_send,
                                    .connected = on_connected,
                                    .failed = on_failed,
                                    .closed = on_closed,
                                    .data = on_data};
    e->net = net;
    e->number = number;
    return sq_dtls_create(with, sq_cert_pool_get(pool, (size_t)number), &events, &e->dtls);
}

static int end_trust(struct net *net, int number)
{
    const struct sq_cert *remote = sq_cert_pool_get(pool, 1 - (size_t)number);
    struct sq_dtls_fingerprint f = {sq_cert_fingerprint_hash(remote), sq_cert_fingerprint(remote)};
    return sq_dtls_set_remote(net->end[number].dtls, &f, 1);
}

/* Two ends that know each other's fingerprint; end 0 becomes the client. */
static void net_make(struct net *net, uint64_t seed)
{
    memset(net, 0, sizeof(*net));
    net->now_ns = 5 * SQ_NS_PER_SEC;
    net->delay_ns = 20 * SQ_NS_PER_MS;
    sq_rand_seed(&net->rnd, seed);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(end_make(net, i, ctx), 0);
        assert_int_equal(end_trust(net, i), 0);
    }
}

static void net_free(struct net *net)
{
    sq_dtls_destroy(net->end[0].dtls);
    sq_dtls_destroy(net->end[1].dtls);
}

static void net_start(struct net *net)
{
    assert_int_equal(sq_dtls_start(net->end[1].dtls, SQ_DTLS_SERVER, net->now_ns), 0);
    assert_int_equal(sq_dtls_start(net->end[0].dtls, SQ_DTLS_CLIENT, net->now_ns), 0);
}

/* Lets virtual time pass until nothing is due any more, or until the given time. */
static void net_run(struct net *net, uint64_t until_ns)
{
    for (;;) {
        uint64_t next = until_ns;
        size_t first = QUEUE_MAX;
        int timer = -1;
        for (size_t i = 0; i < net->n; i++) {
            if (net->queue[i].at_ns < next) {
                next = net->queue[i].at_ns;
                first = i;
            }
        }
        for (int i = 0; i < 2; i++) {
            if (sq_dtls_next_timeout(net->end[i].dtls) < next) {
                next = sq_dtls_next_timeout(net->end[i].dtls);
                timer = i;
            }
        }
        if (first == QUEUE_MAX && timer < 0) {
            net->now_ns = until_ns == UINT64_MAX ? net->now_ns : until_ns;
            return;
        }
        net->now_ns = next > net->now_ns ? next : net->now_ns;
        if (timer >= 0) {
            sq_dtls_on_timeout(net->end[timer].dtls, net->now_ns);
            continue;
        }
        struct flying f = net->queue[first];
        net->queue[first] = net->queue[--net->n];
        sq_dtls_receive(net->end[f.to].dtls, net->now_ns, f.bytes, f.len);
    }
}

static void assert_same_keys(const struct net *net)
{
    const struct sq_dtls_keys *a = &net->end[0].keys;
    const struct sq_dtls_keys *b = &net->end[1].keys;
    assert_int_equal(net->end[0].connected, 1);
    assert_int_equal(net->end[1].connected, 1);
    assert_int_equal(a->profile, b->profile);
    assert_memory_equal(&a->local, &b->remote, sizeof(a->local));
    assert_memory_equal(&a->remote, &b->local, sizeof(a->local));
    assert_memory_not_equal(&a->local, &a->remote, sizeof(a->local));
}

static void handshake_and_data(void **state)
{
    struct net net;
    net_make(&net, 1);
    uint64_t began = net.now_ns;
    net_start(&net);
    net_run(&net, UINT64_MAX);
    assert_same_keys(&net);
    assert_int_equal(net.end[0].keys.profile, SQ_SRTP_AEAD_AES_128_GCM);
    assert_string_equal(net.end[0].keys.version, "DTLSv1.2");
    assert_int_equal(net.now_ns - began, 4 * net.delay_ns); /* two round trips, nothing twice */
    assert_int_equal(sq_dtls_retransmissions(net.end[0].dtls), 0);
    assert_int_equal(sq_dtls_next_timeout(net.end[0].dtls), SQ_DTLS_NEVER);
    assert_string_equal(sq_dtls_remote_fingerprint(net.end[0].dtls),
                        sq_cert_fingerprint(sq_cert_pool_get(pool, 1)));
    uint8_t message[SQ_DTLS_DATA_MAX_BYTES + 1] = {42};
    for (size_t i = 0; i < 2; i++) {
        struct sq_dtls *d = net.end[i].dtls;
        assert_int_equal(sq_dtls_send(d, message, SQ_DTLS_DATA_MAX_BYTES), 0);
        assert_int_equal(sq_dtls_send(d, message, sizeof(message)), SQ_ERR_INVALID);
        assert_int_equal(sq_dtls_send(d, message, 0), SQ_ERR_INVALID);
        net_run(&net, UINT64_MAX);
        assert_int_equal(net.end[1 - i].data_n, 1);
        assert_int_equal(net.end[1 - i].data_len, SQ_DTLS_DATA_MAX_BYTES);
        assert_memory_equal(net.end[1 - i].data, message, SQ_DTLS_DATA_MAX_BYTES);
        assert_true(net.end[i].biggest <= SQ_DTLS_DATAGRAM_MAX_BYTES);
    }
    sq_dtls_close(net.end[0].dtls);
    net_run(&net, UINT64_MAX);
    assert_int_equal(net.end[1].closed, 1);
    assert_int_equal(net.end[0].closed + net.end[0].failed + net.end[1].failed, 0);
    assert_int_equal(sq_dtls_get_state(net.end[1].dtls), SQ_DTLS_CLOSED);
    assert_int_equal(sq_dtls_send(net.end[1].dtls, message, 1), SQ_ERR_STATE);
    assert_int_equal(sq_dtls_start(net.end[1].dtls, SQ_DTLS_CLIENT, net.now_ns), SQ_ERR_STATE);
    net_free(&net);
}

/* Data and the end of it from within callbacks, several records in one datagram. */
static void talk_from_callbacks(void **state)
{
    struct net net;
    net_make(&net, 2);
    net.end[1].echo = 5;
    net_start(&net);
    net_run(&net, UINT64_MAX);
    for (int round = 0; round < 3; round++) {
        assert_int_equal(sq_dtls_send(net.end[0].dtls, (const uint8_t *)"hello", 5), 0);
        assert_int_equal(sq_dtls_send(net.end[0].dtls, (const uint8_t *)"again", 5), 0);
        if (net.n == 2) {
            struct flying *f = &net.queue[0];
            memcpy(f->bytes + f->len, net.queue[1].bytes, net.queue[1].len);
            f->len += net.queue[1].len;
            net.n = 1;
        }
        net_run(&net, UINT64_MAX);
        assert_int_equal(net.end[0].data_n, round < 2 ? 2 * (round + 1) : 5);
    }
    assert_int_equal(net.end[0].data_n, 5);
    assert_memory_equal(net.end[0].data, "hello", 5);
    assert_int_equal(net.end[0].closed, 1);
    assert_int_equal(net.end[1].data_n, 5);
    net_free(&net);
}

/* Thirty per cent lost each way, some doubled and reordered: every handshake gets through, and what
 * is sent after it comes at most once. */
static void bad_network(void **state)
{
    uint32_t again = 0;
    for (uint64_t seed = 0; seed < 120; seed++) {
        struct net net;
        net_make(&net, seed);
        net.loss = 0.3;
        net.twice = 0.2;
        net.jitter = 0.3;
        net.garbage = seed % 2 ? 0.5 : 0;
        net_start(&net);
        net_run(&net, UINT64_MAX);
        assert_int_equal(net.end[0].failed, 0);
        assert_int_equal(net.end[1].failed, 0);
        assert_same_keys(&net);
        again += sq_dtls_retransmissions(net.end[0].dtls);
        for (size_t i = 0; i < 40; i++) {
            assert_int_equal(sq_dtls_send(net.end[i & 1].dtls, (const uint8_t *)"x", 1), 0);
        }
        net_run(&net, UINT64_MAX);
        for (size_t i = 0; i < 2; i++) {
            assert_int_equal(net.end[i].failed + net.end[i].closed, 0);
            assert_in_range(net.end[i].data_n, 4, 20);
        }
        net_free(&net);
    }
    assert_true(again > 60);
}

static void garbage_does_not_kill(void **state)
{
    for (uint64_t seed = 0; seed < 40; seed++) {
        struct net net;
        net_make(&net, seed);
        net.garbage = 1;
        net_start(&net);
        net_run(&net, net.now_ns + SQ_NS_PER_SEC);
        assert_same_keys(&net);
        uint8_t noise[600];
        for (size_t i = 0; i < 200; i++) {
            size_t len = sq_rand_below(&net.rnd, sizeof(noise));
            for (size_t k = 0; k < len; k++) {
                noise[k] = (uint8_t)sq_rand_u32(&net.rnd);
            }
            noise[0] = (uint8_t)(20 + sq_rand_below(&net.rnd, 4));
            noise[1] = 0xfe;
            noise[2] = 0xfd;
            noise[3] = 0;
            noise[11] = (uint8_t)((len < 13 ? 0 : len - 13) >> 8);
            noise[12] = (uint8_t)(len < 13 ? 0 : len - 13);
            sq_dtls_receive(net.end[i & 1].dtls, net.now_ns, noise, len);
        }
        assert_int_equal(sq_dtls_send(net.end[0].dtls, noise, 10), 0);
        net_run(&net, UINT64_MAX);
        assert_int_equal(net.end[1].data_n, 1);
        assert_int_equal(net.end[0].failed + net.end[1].failed, 0);
        net_free(&net);
    }
}

/* One end (the client, then the server) was told a wrong fingerprint. */
static void wrong_fingerprint(void **state)
{
    for (int who = 0; who < 2; who++) {
        struct net net;
        net_make(&net, 3);
        const char *wrong = sq_cert_fingerprint(sq_cert_pool_get(pool, 2));
        const char *right = sq_cert_fingerprint(sq_cert_pool_get(pool, 1 - (size_t)who));
        struct sq_dtls_fingerprint f = {"sha-256", wrong};
        assert_int_equal(sq_dtls_set_remote(net.end[who].dtls, &f, 1), 0);
        net_start(&net);
        net_run(&net, UINT64_MAX);
        assert_int_equal(net.end[who].err, SQ_ERR_AUTH);
        assert_non_null(strstr(net.end[who].text, wrong));
        assert_non_null(strstr(net.end[who].text, right));
        assert_int_equal(net.end[1 - who].err, SQ_ERR_REFUSED);
        assert_non_null(strstr(net.end[1 - who].text, "alert"));
        assert_int_equal(net.end[0].failed, 1);
        assert_int_equal(net.end[1].failed, 1);
        assert_int_equal(net.end[0].connected + net.end[1].connected, 0);
        assert_int_equal(sq_dtls_get_state(net.end[who].dtls), SQ_DTLS_FAILED);
        net_free(&net);
    }
}

static void fingerprint_texts(void **state)
{
    struct net net;
    net_make(&net, 4);
    struct sq_dtls *d = net.end[0].dtls;
    const char *right = sq_cert_fingerprint(sq_cert_pool_get(pool, 1));
    const char *other = sq_cert_fingerprint(sq_cert_pool_get(pool, 2));
    char lower[128];
    size_t n = strlen(right);
    for (size_t i = 0; i <= n; i++) {
        lower[i] = (char)(right[i] >= 'A' && right[i] <= 'F' ? right[i] + 32 : right[i]);
    }
    char shorter[128];
    memcpy(shorter, right, n - 3);
    shorter[n - 3] = 0;
    struct sq_dtls_fingerprint bad[] = {
        {"sha-256", shorter}, {"sha-256", ""},    {"sha-256", NULL},
        {"sha-1", right},     {"sha-512", right}, {"sha-256", "zz:zz"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        assert_int_equal(sq_dtls_set_remote(d, &bad[i], 1), SQ_ERR_FORMAT);
    }
    struct sq_dtls_fingerprint unknown[] = {{"md5", right}, {"sha-3", right}, {NULL, right}};
    assert_int_equal(sq_dtls_set_remote(d, unknown, 3), SQ_ERR_UNSUPPORTED);
    assert_int_equal(sq_dtls_set_remote(d, unknown, 0), SQ_ERR_INVALID);
    /* Unknown ones are passed over; one of several of the strongest hash is enough; any case. */
    struct sq_dtls_fingerprint several[] = {
        {"md5", "AA"},
        {"sha-1", "00:01:02:03:04:05:06:07:08:09:0a:0b:0c:0d:0e:0f:10:11:12:13"},
        {"SHA-256", other},
        {"sha-256", lower},
    };
    assert_int_equal(sq_dtls_set_remote(d, several, 4), 0);
    net_start(&net);
    net_run(&net, UINT64_MAX);
    assert_same_keys(&net);
    net_free(&net);
}

/* A fingerprint by another hash than SHA-256, which the text of the failure then names. */
static void other_hashes(void **state)
{
    struct net net;
    net_make(&net, 4);
    struct sq_dtls_fingerprint f = {"sha-1",
                                    "00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13"};
    assert_int_equal(sq_dtls_set_remote(net.end[0].dtls, &f, 1), 0);
    net_start(&net);
    net_run(&net, UINT64_MAX);
    assert_int_equal(net.end[0].err, SQ_ERR_AUTH);
    const char *seen = strstr(net.end[0].text, "sha-1 ");
    assert_non_null(seen);
    char value[60];
    memcpy(value, seen + 6, 59);
    value[59] = 0;
    net_free(&net);

    net_make(&net, 5);
    f.value = value; /* what the text said is right */
    assert_int_equal(sq_dtls_set_remote(net.end[0].dtls, &f, 1), 0);
    net_start(&net);
    net_run(&net, UINT64_MAX);
    assert_same_keys(&net);
    net_free(&net);
}

/* Builds two ends of two contexts with these profiles and lets them talk. */
static void talk(struct net *net, const struct sq_dtls_config *a, const struct sq_dtls_config *b)
{
    struct sq_dtls_ctx *with[2];
    memset(net, 0, sizeof(*net));
    net->delay_ns = SQ_NS_PER_MS;
    assert_int_equal(sq_dtls_ctx_create(a, &with[0]), 0);
    assert_int_equal(sq_dtls_ctx_create(b, &with[1]), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(end_make(net, i, with[i]), 0);
        assert_int_equal(end_trust(net, i), 0);
    }
    net_start(net);
    net_run(net, UINT64_MAX);
    net_free(net);
    sq_dtls_ctx_destroy(with[0]);
    sq_dtls_ctx_destroy(with[1]);
}

static void profiles(void **state)
{
    struct net net;
    struct sq_dtls_config gcm = {.profiles = {SQ_SRTP_AEAD_AES_128_GCM}, .profiles_n = 1};
    struct sq_dtls_config cm = {.profiles = {SQ_SRTP_AES128_CM_SHA1_80}, .profiles_n = 1};
    struct sq_dtls_config bad = {.profiles = {0x99}, .profiles_n = 1};
    struct sq_dtls_ctx *none = NULL;
    talk(&net, &cm, NULL);
    assert_same_keys(&net);
    assert_int_equal(net.end[0].keys.profile, SQ_SRTP_AES128_CM_SHA1_80);
    talk(&net, &gcm, &cm);
    assert_int_equal(net.end[0].connected + net.end[1].connected, 0);
    assert_int_equal(net.end[0].err, SQ_ERR_UNSUPPORTED);
    assert_int_equal(net.end[1].err, SQ_ERR_UNSUPPORTED);
    gcm.srtp_optional = true;
    cm.srtp_optional = true;
    talk(&net, &gcm, &cm);
    assert_int_equal(net.end[0].connected + net.end[1].connected, 2);
    assert_int_equal(net.end[0].keys.profile, SQ_SRTP_NONE);
    assert_int_equal(sq_dtls_ctx_create(&bad, &none), SQ_ERR_INVALID);
    bad.profiles_n = 9;
    assert_int_equal(sq_dtls_ctx_create(&bad, &none), SQ_ERR_INVALID);
    assert_null(none);
}

/* The ClientHello is there before signalling is done: no round of time-outs is lost. */
static void early_client_hello(void **state)
{
    struct net net;
    net_make(&net, 6);
    assert_int_equal(sq_dtls_start(net.end[0].dtls, SQ_DTLS_CLIENT, net.now_ns), 0);
    net_run(&net, net.now_ns + 30 * SQ_NS_PER_MS);
    assert_int_equal(sq_dtls_get_state(net.end[1].dtls), SQ_DTLS_NEW);
    assert_int_equal(net.end[1].sent, 0);
    assert_int_equal(sq_dtls_start(net.end[1].dtls, SQ_DTLS_SERVER, net.now_ns), 0);
    assert_true(net.end[1].sent > 0);
    net_run(&net, UINT64_MAX);
    assert_same_keys(&net);
    net_free(&net);

    net_make(&net, 7); /* more of it than is kept */
    uint8_t record[900] = {22, 0xfe, 0xfd, 0, 1, [11] = 3, [12] = 0x77};
    for (size_t i = 0; i < 20; i++) {
        sq_dtls_receive(net.end[1].dtls, net.now_ns, record, sizeof(record));
    }
    net_start(&net);
    net_run(&net, UINT64_MAX);
    assert_same_keys(&net);
    net_free(&net);
}

static void nobody_answers(void **state)
{
    struct net net;
    net_make(&net, 8);
    net.loss = 1;
    uint64_t began = net.now_ns;
    net_start(&net);
    net_run(&net, UINT64_MAX);
    assert_int_equal(net.end[0].err, SQ_ERR_TIMEOUT);
    assert_int_equal(net.end[1].err, SQ_ERR_TIMEOUT);
    assert_true(net.now_ns - began <= 30 * SQ_NS_PER_SEC);
    /* 50, 100, 200 ms and so on: eight in the first thirteen seconds, then every three. */
    assert_in_range(sq_dtls_retransmissions(net.end[0].dtls), 9, 13);
    net_free(&net);
}

static void closed_by_the_remote_is_failure_in_handshake(void **state)
{
    struct net net;
    net_make(&net, 9);
    uint8_t alert[] = {21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 7, 0, 2, 2, 40};
    net_start(&net);
    sq_dtls_receive(net.end[0].dtls, net.now_ns, alert, sizeof(alert));
    assert_int_equal(net.end[0].err, SQ_ERR_REFUSED);
    assert_non_null(strstr(net.end[0].text, "handshake failure"));
    net_free(&net);
}

/* The server has freed OpenSSL when its last flight is lost; the client must still get it. */
static void last_flight_is_kept(void **state)
{
    struct net net;
    net_make(&net, 10);
    net_start(&net);
    while (!net.end[1].connected) {
        net_run(&net, net.now_ns + SQ_NS_PER_MS);
    }
    assert_true(net.n > 0);
    net.n = 0;
    assert_int_equal(net.end[0].connected, 0);
    net_run(&net, UINT64_MAX);
    assert_same_keys(&net);
    assert_int_equal(sq_dtls_retransmissions(net.end[1].dtls), 1);
    assert_string_equal(sq_dtls_state_name(sq_dtls_get_state(net.end[1].dtls)), "connected");
    /* Data bring no answer, go the other way, too, and the goodbye is understood. */
    size_t sent = net.end[1].sent;
    assert_int_equal(sq_dtls_send(net.end[0].dtls, (const uint8_t *)"x", 1), 0);
    net_run(&net, UINT64_MAX);
    assert_int_equal(net.end[1].sent, sent);
    assert_int_equal(net.end[1].data_n, 1);
    assert_int_equal(sq_dtls_send(net.end[1].dtls, (const uint8_t *)"x", 1), 0);
    net_run(&net, UINT64_MAX);
    assert_int_equal(net.end[0].data_n, 1);
    sq_dtls_close(net.end[1].dtls);
    net_run(&net, UINT64_MAX);
    assert_int_equal(net.end[0].closed, 1);
    net_free(&net);
}

static void keys_fit_srtp(void **state)
{
    const enum sq_srtp_profile all[] = {SQ_SRTP_AEAD_AES_128_GCM, SQ_SRTP_AES128_CM_SHA1_80};
    for (size_t i = 0; i < 2; i++) {
        struct net net;
        struct sq_dtls_config one = {.profiles = {all[i]}, .profiles_n = 1};
        struct sq_srtp *s[2];
        talk(&net, &one, NULL);
        assert_same_keys(&net);
        for (size_t e = 0; e < 2; e++) {
            const struct sq_dtls_keys *k = &net.end[e].keys;
            assert_int_equal(sq_srtp_create(engine, k->profile, &k->local, &k->remote, &s[e]), 0);
        }
        for (size_t e = 0; e < 2; e++) {
            uint8_t pkt[100] = {0x80, 96, 0, 7, [11] = 5, [12] = 1, 2, 3};
            struct sq_srtp_job job = {.session = s[e], .pkt = pkt, .len = 40, .room = 100};
            sq_srtp_protect_batch(engine, &job, 1);
            assert_int_equal(job.err, 0);
            job.session = s[1 - e];
            job.len = job.ret_len;
            sq_srtp_unprotect_batch(engine, &job, 1);
            assert_int_equal(job.err, 0);
            assert_int_equal(pkt[14], 3);
        }
        sq_srtp_destroy(s[0]);
        sq_srtp_destroy(s[1]);
    }
}

static void no_memory(void **state)
{
    for (size_t nth = 1;; nth++) {
        struct net net;
        struct sq_dtls_ctx *c = NULL;
        struct sq_cert_pool *p = NULL;
        memset(&net, 0, sizeof(net));
        sq_mem_fail_at(nth);
        int err = sq_dtls_ctx_create(NULL, &c);
        err = err ? err : sq_cert_pool_create(3, NOW, &p);
        for (int i = 0; i < 2 && !err; i++) {
            err = end_make(&net, i, c);
            err = err ? err : end_trust(&net, i);
        }
        if (!err) {
            err = sq_dtls_start(net.end[0].dtls, SQ_DTLS_CLIENT, 0);
            net_run(&net, 1); /* early */
            err = err ? err : sq_dtls_start(net.end[1].dtls, SQ_DTLS_SERVER, 1);
            net_run(&net, UINT64_MAX);
            err = err ? err : net.end[0].err == SQ_ERR_NOMEM ? SQ_ERR_NOMEM : net.end[1].err;
            err = err ? err : sq_dtls_send(net.end[1].dtls, (const uint8_t *)"x", 1);
        }
        size_t done = sq_mem_count();
        sq_mem_fail_at(0);
        net_free(&net);
        sq_cert_pool_destroy(p);
        sq_dtls_ctx_destroy(c);
        if (done < nth) {
            assert_int_equal(err, 0);
            assert_true(nth > 8);
            return;
        }
        assert_true(err == SQ_ERR_NOMEM || err == 0); /* an early flight may go */
    }
}

static void certificates(void **state)
{
    struct sq_cert *a;
    struct sq_cert *b;
    assert_int_equal(sq_cert_create(NOW, &a), 0);
    assert_int_equal(sq_cert_create(NOW, &b), 0);
    assert_int_equal(strlen(sq_cert_fingerprint(a)), 95);
    assert_string_not_equal(sq_cert_fingerprint(a), sq_cert_fingerprint(b));
    assert_ptr_equal(sq_cert_pool_get(pool, 0), sq_cert_pool_get(pool, 3));
    assert_int_equal(sq_cert_pool_size(pool), 3);
    struct sq_cert_pool *none = NULL;
    assert_int_equal(sq_cert_pool_create(0, NOW, &none), SQ_ERR_INVALID);
    assert_int_equal(sq_cert_pool_create(SQ_CERT_POOL_MAX + 1, NOW, &none), SQ_ERR_INVALID);
    assert_null(none);
    sq_cert_destroy(a);
    sq_cert_destroy(b);
    sq_cert_destroy(NULL);
    sq_dtls_destroy(NULL);
}

static int up(void **state)
{
    return sq_dtls_ctx_create(NULL, &ctx) || sq_cert_pool_create(3, NOW, &pool) ||
           sq_srtp_engine_create(SQ_SRTP_BACKEND_AUTO, &engine);
}

static int down(void **state)
{
    sq_srtp_engine_destroy(engine);
    sq_cert_pool_destroy(pool);
    sq_dtls_ctx_destroy(ctx);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(handshake_and_data),
        cmocka_unit_test(talk_from_callbacks),
        cmocka_unit_test(bad_network),
        cmocka_unit_test(garbage_does_not_kill),
        cmocka_unit_test(wrong_fingerprint),
        cmocka_unit_test(fingerprint_texts),
        cmocka_unit_test(other_hashes),
        cmocka_unit_test(profiles),
        cmocka_unit_test(early_client_hello),
        cmocka_unit_test(nobody_answers),
        cmocka_unit_test(closed_by_the_remote_is_failure_in_handshake),
        cmocka_unit_test(last_flight_is_kept),
        cmocka_unit_test(keys_fit_srtp),
        cmocka_unit_test(no_memory),
        cmocka_unit_test(certificates),
    };
    return cmocka_run_group_tests(tests, up, down);
}
