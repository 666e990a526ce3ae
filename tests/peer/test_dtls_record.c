/* Records of an established DTLS connection against OpenSSL itself on the other side, in both
 * roles: data, loss, reordering, replay, tampering, alerts, and what is sent twice. */
#include "base/rand.h"
#include "base/time.h"
#include "peer/dtls_link.h"

static void talk(struct link *l)
{
    static struct records theirs;
    uint8_t message[SQ_DTLS_DATA_MAX_BYTES];
    uint8_t got[2000];
    for (uint32_t i = 0; i < 300; i++) {
        size_t len = i == 0 ? sizeof(message) : 4 + i * 37 % 1000;
        memset(message, (uint8_t)i, sizeof(message));
        assert_int_equal(sq_dtls_send(l->ours, message, len), 0);
        assert_int_equal(l->sent.n, 1);
        assert_int_equal(
            real_read(l, record(&l->sent, 0), record_len(&l->sent, 0), got, sizeof(got)), len);
        assert_memory_equal(got, message, len);
        memset(&l->sent, 0, sizeof(l->sent));

        real_says(l, i, len);
        real_sent(l, &theirs);
        assert_int_equal(theirs.n, 1);
        take(l, &theirs, 0);
        assert_int_equal(l->data_n, i + 1);
        assert_int_equal(l->numbers[i], i);
        assert_int_equal(l->data_len, len);
        assert_int_equal(l->data[len - 1], (uint8_t)i);
    }
    assert_int_equal(sq_dtls_send(l->ours, message, sizeof(message) + 1), SQ_ERR_INVALID);
    assert_int_equal(l->closed + l->failed, 0);
}

static void data_both_ways(void **state)
{
    static const char *const suites[] = {"ECDHE-ECDSA-AES128-GCM-SHA256",
                                         "ECDHE-ECDSA-AES256-GCM-SHA384"};
    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        static struct link l;
        const struct setting how = {suites[i & 1], (i & 2) != 0, (i & 4) != 0, NULL};
        connect_with(&l, &how);
        talk(&l);
        link_free(&l);
    }
}

/* Each side's close_notify is read by the other, and answered. */
static void goodbye_both_ways(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        static struct link l;
        static struct records theirs;
        uint8_t got[100];
        connect_with(&l, i & 1 ? &CLIENT : &SERVER);
        if (i & 2) {
            sq_dtls_close(l.ours);
            assert_int_equal(l.sent.n, 1);
            int n = real_read(&l, record(&l.sent, 0), record_len(&l.sent, 0), got, sizeof(got));
            assert_int_equal(SSL_get_error(l.real, n), SSL_ERROR_ZERO_RETURN);
            assert_int_equal(l.closed, 0);
        } else {
            assert_int_equal(SSL_shutdown(l.real), 0);
            real_sent(&l, &theirs);
            assert_int_equal(theirs.n, 1);
            take(&l, &theirs, 0);
            assert_int_equal(l.closed, 1);
            assert_int_equal(l.sent.n, 1);
            (void)pass(&l);
            assert_int_equal(SSL_shutdown(l.real), 1); /* the answer came */
            take(&l, &theirs, 0);
            assert_int_equal(l.closed, 1);
        }
        assert_int_equal(l.failed, 0);
        assert_int_equal(sq_dtls_get_state(l.ours), SQ_DTLS_CLOSED);
        assert_int_equal(sq_dtls_send(l.ours, got, 1), SQ_ERR_STATE);
        static const struct sq_dtls_record wiped;
        assert_memory_equal(&l.ours->record, &wiped, sizeof(wiped));
        link_free(&l);
    }
}

/* A third lost, the others in disorder within 60, each twice: each comes once. */
static void loss_and_disorder(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 6; seed++) {
        static struct link l;
        static struct records theirs;
        struct sq_rand rnd;
        size_t order[300];
        size_t n = 0;
        sq_rand_seed(&rnd, seed);
        connect_with(&l, seed & 1 ? &CLIENT : &SERVER);
        for (uint32_t i = 0; i < 300; i++) {
            real_says(&l, i, 50);
        }
        real_sent(&l, &theirs);
        assert_int_equal(theirs.n, 300);
        for (size_t i = 0; i < 300; i++) {
            order[n] = i;
            n += sq_rand_unit(&rnd) > 0.33;
        }
        for (size_t i = 0; i < n; i++) { /* none goes further than 19 places either way */
            size_t with = i - i % 20 + sq_rand_below(&rnd, 20);
            if (with < n) {
                size_t swap = order[i];
                order[i] = order[with];
                order[with] = swap;
            }
        }
        for (size_t i = 0; i < n; i++) {
            take(&l, &theirs, order[i]);
            take(&l, &theirs, order[i]);
            assert_int_equal(l.data_n, i + 1);
            assert_int_equal(l.numbers[i], order[i]);
        }
        assert_int_equal(l.failed + l.closed, 0);
        link_free(&l);
    }
}

static void replay_is_refused(void **state)
{
    static struct link l;
    static struct records theirs;
    uint8_t got[100];
    (void)state;
    connect_with(&l, &CLIENT);
    for (uint32_t i = 0; i < 200; i++) {
        real_says(&l, i, 50);
    }
    real_sent(&l, &theirs);
    take(&l, &theirs, 199);
    assert_int_equal(l.data_n, 1);
    take(&l, &theirs, 199 - 64); /* too old to be told from a repetition */
    assert_int_equal(l.data_n, 1);
    take(&l, &theirs, 199 - 63);
    assert_int_equal(l.data_n, 2);
    for (size_t i = 0; i < 200; i++) {
        take(&l, &theirs, i);
        take(&l, &theirs, i);
    }
    assert_int_equal(l.data_n, 64);
    for (size_t i = 0; i < l.data_n; i++) {
        assert_in_range(l.numbers[i], 199 - 63, 199);
    }
    /* And OpenSSL takes each of ours once. */
    assert_int_equal(sq_dtls_send(l.ours, (const uint8_t *)"once", 4), 0);
    for (int i = 0; i < 3; i++) {
        int n = real_read(&l, record(&l.sent, 0), record_len(&l.sent, 0), got, sizeof(got));
        assert_int_equal(n, i == 0 ? 4 : -1);
    }
    link_free(&l);
}

/* A jump by the whole window and more leaves nothing of what was seen before it: those between come
 * late, and are taken once each. */
static void jump(void **state)
{
    (void)state;
    for (size_t ahead = 63; ahead <= 66; ahead++) {
        static struct link l;
        static struct records theirs;
        connect_with(&l, &CLIENT);
        for (uint32_t i = 0; i < 200; i++) {
            real_says(&l, i, 50);
        }
        real_sent(&l, &theirs);
        for (size_t i = 0; i < 70; i++) {
            take(&l, &theirs, i);
        }
        assert_int_equal(l.data_n, 70);
        size_t last = 69 + ahead;
        take(&l, &theirs, last);
        for (size_t i = last - 63; i < last; i++) {
            take(&l, &theirs, i);
            take(&l, &theirs, i);
        }
        size_t between = ahead - 1 < 63 ? ahead - 1 : 63;
        assert_int_equal(l.data_n, 71 + between);
        link_free(&l);
    }
}

/* Several records come in one datagram, one of them of no use. */
static void several_in_a_datagram(void **state)
{
    static struct link l;
    static struct records theirs;
    uint8_t all[1000];
    (void)state;
    connect_with(&l, &SERVER);
    for (uint32_t i = 0; i < 4; i++) {
        real_says(&l, i, 40);
    }
    real_sent(&l, &theirs);
    size_t len = theirs.at[4];
    memcpy(all, theirs.bytes, len);
    all[theirs.at[2] - 1] ^= 1; /* the second one's tag */
    sq_dtls_receive(l.ours, 1, all, len);
    assert_int_equal(l.data_n, 3);
    assert_int_equal(l.numbers[1], 2);
    take(&l, &theirs, 1);
    assert_int_equal(l.data_n, 4);

    link_free(&l);
}

/* What follows a goodbye in its datagram is not read, nor what is sealed by the keys of zeros that
 * are left then. */
static void nothing_after_a_goodbye(void **state)
{
    static const uint8_t close_notify[] = {1, 0};
    const size_t first = sizeof(close_notify) + RECORD_OVERHEAD_BYTES;
    (void)state;
    for (int zeros = 0; zeros < 2; zeros++) {
        static struct link l;
        uint8_t all[200];
        connect_with(&l, &SERVER);
        struct sq_dtls_record remote = l.ours->record;
        remote.send = l.ours->record.receive;
        int err = sq_dtls_record_seal(&remote, &ctx->cipher, CONTENT_ALERT, close_notify,
                                      sizeof(close_notify), all, sizeof(all));
        if (zeros) {
            memset(&remote.send, 0, sizeof(remote.send));
            remote.key_bytes = 0;
        }
        err =
            err ? err
                : sq_dtls_record_seal(&remote, &ctx->cipher, CONTENT_DATA, (const uint8_t *)"data",
                                      4, all + first, sizeof(all) - first);
        assert_int_equal(err, 0);
        sq_dtls_receive(l.ours, 1, all, first + 4 + RECORD_OVERHEAD_BYTES);
        assert_int_equal(l.closed, 1);
        assert_int_equal(l.data_n, 0);
        link_free(&l);
    }
}

/* Any bit of a record changed, and it is as if it had not come: no event, no answer, and the true
 * one is still taken. */
static void tampered(void **state)
{
    static struct link l;
    static struct records theirs;
    (void)state;
    connect_with(&l, &SERVER);
    real_says(&l, 7, 30);
    assert_int_equal(SSL_shutdown(l.real), 0); /* an alert is not read either */
    real_sent(&l, &theirs);
    assert_int_equal(theirs.n, 2);
    for (size_t r = 0; r < 2; r++) {
        for (size_t bit = 0; bit < 8 * record_len(&theirs, r); bit++) {
            uint8_t bytes[200];
            memcpy(bytes, record(&theirs, r), record_len(&theirs, r));
            bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
            if (bytes[0] == CONTENT_HANDSHAKE) {
                continue; /* asks for the last flight: see below */
            }
            sq_dtls_receive(l.ours, 1, bytes, record_len(&theirs, r));
        }
        for (size_t len = 0; len < record_len(&theirs, r); len++) {
            sq_dtls_receive(l.ours, 1, record(&theirs, r), len);
        }
    }
    assert_int_equal(l.data_n + (size_t)l.closed + (size_t)l.failed + l.sent.n, 0);
    take(&l, &theirs, 0);
    assert_int_equal(l.data_n, 1);
    take(&l, &theirs, 1);
    assert_int_equal(l.closed, 1);
    link_free(&l);
}

/* Records of other epochs, of both others in clear and of a next one. */
static void other_epochs(void **state)
{
    static struct link l;
    static struct records theirs;
    static const uint8_t clear[] = {21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 99, 0, 2, 2, 40};
    (void)state;
    connect_with(&l, &CLIENT);
    sq_dtls_receive(l.ours, 1, clear, sizeof(clear)); /* anybody's */
    real_says(&l, 7, 30);
    real_sent(&l, &theirs);
    for (uint16_t epoch = 0; epoch < 4; epoch++) {
        uint8_t bytes[200];
        memcpy(bytes, record(&theirs, 0), record_len(&theirs, 0));
        sq_store_u16(bytes + 3, epoch == 1 ? 0xffff : epoch);
        sq_dtls_receive(l.ours, 1, bytes, record_len(&theirs, 0));
    }
    assert_int_equal(l.data_n + (size_t)l.closed + (size_t)l.failed + l.sent.n, 0);
    take(&l, &theirs, 0);
    assert_int_equal(l.data_n, 1);
    link_free(&l);
}

/* Data overtake the end of the handshake, and wait for it. */
static void data_before_finished(void **state)
{
    static struct link l;
    static struct records last;
    static struct records theirs;
    (void)state;
    handshake(&l, &CLIENT, &last);
    assert_int_equal(last.n, 2); /* ChangeCipherSpec, Finished */
    for (uint32_t i = 1; i < 4; i++) {
        real_says(&l, i, 40);
    }
    real_sent(&l, &theirs);
    take(&l, &theirs, 0);
    take(&l, &last, 0);
    take(&l, &theirs, 1);
    assert_int_equal(l.connected + (int)l.data_n, 0);
    uint8_t both[400]; /* the third in one datagram with the Finished */
    size_t n = record_len(&last, 1);
    memcpy(both, record(&last, 1), n);
    memcpy(both + n, record(&theirs, 2), record_len(&theirs, 2));
    sq_dtls_receive(l.ours, 1, both, n + record_len(&theirs, 2));
    assert_int_equal(l.connected, 1);
    assert_int_equal(l.data_n, 3);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(l.numbers[i], i + 1);
        take(&l, &theirs, i);
    }
    assert_int_equal(l.data_n, 3);
    link_free(&l);
}

/* An alert that overtakes the end of the handshake, or shares its datagram, is heard once that is
 * over. */
static void alert_before_finished(void **state)
{
    (void)state;
    for (unsigned how = 0; how < 4; how++) {
        static struct link l;
        static struct records last;
        static struct records theirs;
        uint8_t all[400];
        size_t n;
        handshake(&l, &CLIENT, &last);
        assert_int_equal(last.n, 2); /* ChangeCipherSpec, Finished */
        assert_int_equal(SSL_shutdown(l.real), 0);
        real_sent(&l, &theirs);
        assert_int_equal(theirs.n, 1);
        switch (how) {
        case 0:
            take(&l, &theirs, 0);
            take(&l, &last, 0);
            take(&l, &last, 1);
            break;
        case 1:
            take(&l, &last, 0);
            take(&l, &theirs, 0);
            take(&l, &last, 1);
            break;
        case 2:
            take(&l, &theirs, 0);
            sq_dtls_receive(l.ours, 1, last.bytes, last.at[2]);
            break;
        default:
            n = last.at[2];
            memcpy(all, last.bytes, n);
            memcpy(all + n, record(&theirs, 0), record_len(&theirs, 0));
            sq_dtls_receive(l.ours, 1, all, n + record_len(&theirs, 0));
            break;
        }
        assert_int_equal(l.connected, 1);
        assert_int_equal(l.closed, 1);
        assert_int_equal(l.failed, 0);
        link_free(&l);
    }
}

/* They count on from where OpenSSL's Finished left off; on_send sees that none serves twice. */
static void nothing_used_twice(void **state)
{
    (void)state;
    for (unsigned role = 0; role < 2; role++) {
        static struct link l;
        static struct records last;
        static uint8_t first[RECORD_HEADER_BYTES + RECORD_NONCE_BYTES];
        handshake(&l, role ? &CLIENT : &SERVER, &last);
        for (size_t i = 0; i < last.n; i++) {
            take(&l, &last, i);
        }
        assert_int_equal(l.connected, 1);
        uint64_t seq = l.ours->record.send_seq;
        uint64_t nonce = l.ours->record.send_nonce;
        assert_int_equal(seq, 1); /* its Finished was 0 */
        for (uint32_t i = 0; i < 20; i++) {
            memset(&l.sent, 0, sizeof(l.sent));
            assert_int_equal(sq_dtls_send(l.ours, (const uint8_t *)"same", 4), 0);
            memcpy(first, l.sent.bytes, sizeof(first));
            assert_int_equal(sq_load_u64(first + 3), ((uint64_t)1 << 48) + seq + i);
            assert_int_equal(sq_load_u64(first + RECORD_HEADER_BYTES), nonce + i);
        }
        link_free(&l);
    }
}

/* The handshake over a way that loses the first Finished of ours: OpenSSL within us makes another
 * one, which uses up a number. */
static void finished_sent_again(void **state)
{
    static struct link l;
    static struct records theirs;
    uint8_t got[100];
    (void)state;
    link_make(&l, &CLIENT);
    assert_int_equal(sq_dtls_start(l.ours, SQ_DTLS_CLIENT, 0), 0);
    for (int turn = 0; turn < 10 && l.ours->record.send_seq == 0; turn++) {
        (void)pass(&l);
        (void)SSL_do_handshake(l.real);
        real_sent(&l, &theirs);
        for (size_t i = 0; i < theirs.n; i++) {
            take(&l, &theirs, i);
        }
    }
    assert_int_equal(l.ours->record.send_seq, 1);
    uint64_t nonce = l.ours->record.send_nonce;
    memset(&l.sent, 0, sizeof(l.sent)); /* the flight is lost */
    sq_dtls_on_timeout(l.ours, sq_dtls_next_timeout(l.ours));
    assert_int_equal(l.ours->record.send_seq, 2);
    assert_int_equal(l.ours->record.send_nonce, nonce + 1);
    (void)pass(&l);
    assert_int_equal(SSL_do_handshake(l.real), 1);
    real_sent(&l, &theirs);
    for (size_t i = 0; i < theirs.n; i++) {
        take(&l, &theirs, i);
    }
    assert_int_equal(l.connected, 1);
    memset(&l.sent, 0, sizeof(l.sent));
    assert_int_equal(sq_dtls_send(l.ours, (const uint8_t *)"well", 4), 0);
    assert_int_equal(real_read(&l, record(&l.sent, 0), record_len(&l.sent, 0), got, sizeof(got)),
                     4);
    link_free(&l);
}

/* The remote missed our last flight: its own is sent again, and ours, the same bytes. */
static void last_flight_again(void **state)
{
    static struct link l;
    static struct records last;
    uint8_t got[100];
    (void)state;
    link_make(&l, &SERVER);
    assert_int_equal(sq_dtls_start(l.ours, SQ_DTLS_SERVER, 0), 0);
    for (int turn = 0; turn < 10 && !l.connected; turn++) {
        (void)pass(&l);
        (void)SSL_do_handshake(l.real);
        real_sent(&l, &last);
        for (size_t i = 0; i < last.n; i++) {
            take(&l, &last, i);
        }
    }
    assert_int_equal(l.connected, 1);
    static struct records flight;
    flight = l.sent;
    memset(&l.sent, 0, sizeof(l.sent));
    assert_int_equal(sq_dtls_send(l.ours, (const uint8_t *)"early", 5), 0);
    memset(&l.sent, 0, sizeof(l.sent)); /* lost, too */
    sq_dtls_receive(l.ours, SQ_NS_PER_SEC, record(&last, last.n - 1),
                    record_len(&last, last.n - 1));
    assert_int_equal(l.sent.n, flight.n);
    assert_memory_equal(l.sent.bytes, flight.bytes, flight.at[flight.n]);
    (void)pass(&l);
    assert_int_equal(SSL_do_handshake(l.real), 1);
    assert_int_equal(sq_dtls_send(l.ours, (const uint8_t *)"late", 4), 0);
    assert_int_equal(real_read(&l, record(&l.sent, 0), record_len(&l.sent, 0), got, sizeof(got)),
                     4);
    link_free(&l);
}

/* A request to negotiate anew is let pass. */
static void asked_to_negotiate_anew(void **state)
{
    static struct link l;
    static struct records theirs;
    (void)state;
    connect_with(&l, &CLIENT);
    assert_int_equal(SSL_renegotiate(l.real), 1);
    (void)SSL_do_handshake(l.real); /* a HelloRequest */
    real_sent(&l, &theirs);
    assert_true(theirs.n > 0 && record(&theirs, 0)[0] == CONTENT_HANDSHAKE);
    for (size_t i = 0; i < theirs.n; i++) {
        take(&l, &theirs, i);
    }
    assert_int_equal(l.sent.n, 0);
    assert_int_equal(sq_dtls_get_state(l.ours), SQ_DTLS_CONNECTED);
    assert_int_equal(l.failed + l.closed, 0);
    link_free(&l);
}

/* Records that OpenSSL has no call for, by the remote's keys. */
static void forge(struct link *l, struct sq_dtls_record *remote, uint8_t type, const char *text,
                  size_t len)
{
    uint8_t bytes[200];
    int err = sq_dtls_record_seal(remote, &ctx->cipher, type, (const uint8_t *)text, len, bytes,
                                  sizeof(bytes));
    assert_int_equal(err, 0);
    sq_dtls_receive(l->ours, 1, bytes, len + RECORD_OVERHEAD_BYTES);
}

static void alerts(void **state)
{
    static struct link l;
    (void)state;
    connect_with(&l, &CLIENT);
    struct sq_dtls_record remote = l.ours->record;
    remote.send = l.ours->record.receive;
    forge(&l, &remote, CONTENT_ALERT, "\x01\x5a", 2); /* user_canceled */
    forge(&l, &remote, CONTENT_ALERT, "\x01\x64", 2); /* no_renegotiation */
    forge(&l, &remote, CONTENT_ALERT, "\x02\x28\x00", 3);
    forge(&l, &remote, CONTENT_ALERT, "\x02", 1);
    forge(&l, &remote, CONTENT_ALERT, "", 0);
    forge(&l, &remote, CONTENT_DATA, "", 0);
    forge(&l, &remote, CONTENT_CCS, "\x01", 1);
    assert_int_equal((int)l.data_n + l.failed + l.closed, 0);
    forge(&l, &remote, CONTENT_DATA, "data", 4);
    assert_int_equal(l.data_n, 1);
    forge(&l, &remote, CONTENT_ALERT, "\x02\x50", 2);
    assert_int_equal(l.failed, 1);
    assert_int_equal(l.err, SQ_ERR_REFUSED);
    assert_string_equal(l.text, "the remote ended the DTLS connection with the alert \"internal "
                                "error\"");
    forge(&l, &remote, CONTENT_DATA, "data", 4);
    assert_int_equal(l.data_n, 1);
    assert_int_equal(l.sent.n, 0);
    link_free(&l);
}

static void numbers_end(void **state)
{
    static struct link l;
    (void)state;
    connect_with(&l, &CLIENT);
    l.ours->record.send_seq = ((uint64_t)1 << 48) - 1;
    assert_int_equal(sq_dtls_send(l.ours, (const uint8_t *)"last", 4), 0);
    assert_int_equal(sq_dtls_send(l.ours, (const uint8_t *)"more", 4), SQ_ERR_STATE);
    assert_int_equal(l.sent.n, 1);
    link_free(&l);
}

static void memory(void **state)
{
    static struct link l;
    (void)state;
    connect_with(&l, &SERVER);
    size_t bytes = sq_dtls_memory_bytes(l.ours);
    print_message("           %zu bytes of a connected server\n", bytes);
    assert_true(bytes < 700);
    link_free(&l);
}

static int up(void **state)
{
    (void)state;
    const struct sq_dtls_config config = {.srtp_optional = true};
    return sq_dtls_ctx_create(&config, &ctx) || sq_cert_pool_create(2, NOW, &pool);
}

static int down(void **state)
{
    (void)state;
    sq_cert_pool_destroy(pool);
    sq_dtls_ctx_destroy(ctx);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(data_both_ways),
        cmocka_unit_test(goodbye_both_ways),
        cmocka_unit_test(loss_and_disorder),
        cmocka_unit_test(replay_is_refused),
        cmocka_unit_test(jump),
        cmocka_unit_test(several_in_a_datagram),
        cmocka_unit_test(nothing_after_a_goodbye),
        cmocka_unit_test(tampered),
        cmocka_unit_test(other_epochs),
        cmocka_unit_test(data_before_finished),
        cmocka_unit_test(alert_before_finished),
        cmocka_unit_test(nothing_used_twice),
        cmocka_unit_test(finished_sent_again),
        cmocka_unit_test(last_flight_again),
        cmocka_unit_test(asked_to_negotiate_anew),
        cmocka_unit_test(alerts),
        cmocka_unit_test(numbers_end),
        cmocka_unit_test(memory),
    };
    return cmocka_run_group_tests(tests, up, down);
}
