/* SRTP held against libsrtp2, and the ways of doing it against each other, on random packets in
 * random batches. */
#include "base/rand.h"
#include "base/wire.h"
#include "peer/srtp/srtp.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <srtp2/srtp.h>

#define SESSIONS 5
#define BATCH    96
#define ROOM     1500
#define ROUNDS   120

struct party {
    enum sq_srtp_profile profile;
    struct sq_srtp_master to; /* from us to libsrtp */
    struct sq_srtp_master from;
    struct sq_srtp *ours[2]; /* one for each engine, with the same keys */
    srtp_t receiver;
    srtp_t sender;
    uint16_t seq[3];
};

static struct sq_srtp_engine *engines[2];
static struct sq_rand rnd;

static srtp_t oracle_make(enum sq_srtp_profile profile, const struct sq_srtp_master *m,
                          srtp_ssrc_type_t direction)
{
    srtp_policy_t policy = {0};
    unsigned char key[30];
    srtp_t s;
    memcpy(key, m->key, 16);
    memcpy(key + 16, m->salt, 14);
    switch (profile) {
    case SQ_SRTP_AEAD_AES_128_GCM:
        srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy.rtp);
        srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy.rtcp);
        break;
    case SQ_SRTP_AES128_CM_SHA1_32:
        srtp_crypto_policy_set_aes_cm_128_hmac_sha1_32(&policy.rtp);
        srtp_crypto_policy_set_aes_cm_128_hmac_sha1_80(&policy.rtcp);
        break;
    default:
        srtp_crypto_policy_set_aes_cm_128_hmac_sha1_80(&policy.rtp);
        srtp_crypto_policy_set_aes_cm_128_hmac_sha1_80(&policy.rtcp);
    }
    policy.ssrc.type = direction;
    policy.key = key;
    policy.window_size = 128;
    policy.allow_repeat_tx = 1;
    assert_int_equal(srtp_create(&s, &policy), srtp_err_status_ok);
    return s;
}

static void fill(void *out, size_t n)
{
    for (uint8_t *at = out; n > 0; n--) {
        *at++ = (uint8_t)sq_rand_u32(&rnd);
    }
}

static void party_make(struct party *p, enum sq_srtp_profile profile)
{
    memset(p, 0, sizeof(*p));
    p->profile = profile;
    fill(&p->to, sizeof(p->to));
    fill(&p->from, sizeof(p->from));
    for (size_t e = 0; e < 2; e++) {
        assert_int_equal(sq_srtp_create(engines[e], profile, &p->to, &p->from, &p->ours[e]), 0);
    }
    p->receiver = oracle_make(profile, &p->to, ssrc_any_inbound);
    p->sender = oracle_make(profile, &p->from, ssrc_any_outbound);
    for (size_t i = 0; i < 3; i++) {
        p->seq[i] = (uint16_t)(65000 + sq_rand_below(&rnd, 500));
    }
}

static void party_free(struct party *p)
{
    sq_srtp_destroy(p->ours[0]);
    sq_srtp_destroy(p->ours[1]);
    srtp_dealloc(p->receiver);
    srtp_dealloc(p->sender);
}

/* A random packet of one of the party's three streams: CSRCs, extension, any payload. */
static size_t packet(struct party *p, uint8_t *out)
{
    uint32_t stream = sq_rand_below(&rnd, 3);
    uint8_t csrcs = (uint8_t)(sq_rand_below(&rnd, 4) == 0 ? sq_rand_below(&rnd, 16) : 0);
    bool extension = sq_rand_below(&rnd, 2);
    size_t len = 12 + csrcs * 4u;
    p->seq[stream] = (uint16_t)(p->seq[stream] + 1 + sq_rand_below(&rnd, 3));
    fill(out, 1300);
    out[0] = (uint8_t)(0x80 | (extension ? 0x10 : 0) | csrcs);
    sq_store_u16(out + 2, p->seq[stream]);
    sq_store_u32(out + 8, 100 + stream);
    if (extension) {
        uint16_t words = (uint16_t)sq_rand_below(&rnd, 5);
        sq_store_u16(out + len + 2, words);
        len += 4 + words * 4u;
    }
    return len + sq_rand_below(&rnd, sq_rand_below(&rnd, 2) ? 1100 : 40);
}

/* Both engines protect the same batch; libsrtp opens each packet. */
static void ours_to_libsrtp(struct party *parties, size_t n)
{
    static uint8_t plain[BATCH][ROOM];
    static uint8_t wire[2][BATCH][ROOM];
    size_t len[BATCH];
    struct party *of[BATCH];
    struct sq_srtp_job jobs[2][BATCH];
    for (size_t i = 0; i < n; i++) {
        of[i] = &parties[sq_rand_below(&rnd, SESSIONS)];
        len[i] = packet(of[i], plain[i]);
        for (size_t e = 0; e < 2; e++) {
            memcpy(wire[e][i], plain[i], len[i]);
            jobs[e][i] = (struct sq_srtp_job){
                .session = of[i]->ours[e], .pkt = wire[e][i], .len = len[i], .room = ROOM};
        }
    }
    for (size_t e = 0; e < 2; e++) {
        sq_srtp_protect_batch(engines[e], jobs[e], n);
    }
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(jobs[0][i].err, 0);
        assert_int_equal(jobs[1][i].err, 0);
        assert_int_equal(jobs[0][i].ret_len, jobs[1][i].ret_len);
        assert_memory_equal(wire[0][i], wire[1][i], jobs[0][i].ret_len);
        int got = (int)jobs[0][i].ret_len;
        assert_int_equal(srtp_unprotect(of[i]->receiver, wire[0][i], &got), srtp_err_status_ok);
        assert_int_equal(got, len[i]);
        assert_memory_equal(wire[0][i], plain[i], len[i]);
    }
}

/* libsrtp protects; the batch is shuffled, doubled and forged here and there, and then both engines
 * must say of each packet what libsrtp says. */
static void libsrtp_to_ours(struct party *parties, srtp_t *judges, size_t n)
{
    static uint8_t sealed[BATCH][ROOM];
    static uint8_t wire[3][BATCH][ROOM];
    size_t len[BATCH];
    struct party *of[BATCH];
    struct sq_srtp_job jobs[2][BATCH];
    for (size_t i = 0; i < n; i++) {
        of[i] = &parties[sq_rand_below(&rnd, SESSIONS)];
        int got = (int)packet(of[i], sealed[i]);
        assert_int_equal(srtp_protect(of[i]->sender, sealed[i], &got), srtp_err_status_ok);
        len[i] = (size_t)got;
        if (sq_rand_below(&rnd, 8) == 0 && i > 0) {
            size_t other = sq_rand_below(&rnd, (uint32_t)i);
            memcpy(sealed[i], sealed[other], ROOM);
            of[i] = of[other];
            len[i] = len[other];
        } else if (sq_rand_below(&rnd, 8) == 0) {
            sealed[i][len[i] - 1 - sq_rand_below(&rnd, 12)] ^= 4;
        }
    }
    for (size_t i = 0; i < n; i++) {
        for (size_t w = 0; w < 3; w++) {
            memcpy(wire[w][i], sealed[i], len[i]);
        }
        for (size_t e = 0; e < 2; e++) {
            jobs[e][i] = (struct sq_srtp_job){
                .session = of[i]->ours[e], .pkt = wire[e][i], .len = len[i], .room = ROOM};
        }
    }
    for (size_t e = 0; e < 2; e++) {
        sq_srtp_unprotect_batch(engines[e], jobs[e], n);
    }
    for (size_t i = 0; i < n; i++) {
        int got = (int)len[i];
        srtp_err_status_t want = srtp_unprotect(judges[of[i] - parties], wire[2][i], &got);
        bool replayed = want == srtp_err_status_replay_fail || want == srtp_err_status_replay_old;
        for (size_t e = 0; e < 2; e++) {
            assert_int_equal(jobs[e][i].err, want == srtp_err_status_ok ? 0
                                             : replayed                 ? SQ_ERR_REPLAY
                                                                        : SQ_ERR_AUTH);
            if (!jobs[e][i].err) {
                assert_int_equal(jobs[e][i].ret_len, got);
                assert_memory_equal(wire[e][i], wire[2][i], (size_t)got);
            }
        }
    }
}

static void rtcp_both_ways(struct party *p)
{
    uint8_t plain[400];
    uint8_t wire[2][500];
    size_t len[2];
    size_t plain_len = 8 + sq_rand_below(&rnd, 80) * 4;
    fill(plain, sizeof(plain));
    plain[0] = 0x81;
    plain[1] = 201;
    sq_store_u32(plain + 4, sq_rand_below(&rnd, 3));
    for (size_t e = 0; e < 2; e++) {
        memcpy(wire[e], plain, plain_len);
        assert_int_equal(sq_srtp_protect_rtcp(engines[e], p->ours[e], wire[e], plain_len,
                                              sizeof(wire[e]), &len[e]),
                         0);
    }
    assert_int_equal(len[0], len[1]);
    assert_memory_equal(wire[0], wire[1], len[0]);
    int got = (int)len[0];
    assert_int_equal(srtp_unprotect_rtcp(p->receiver, wire[0], &got), srtp_err_status_ok);
    assert_int_equal(got, plain_len);
    assert_memory_equal(wire[0], plain, plain_len);

    memcpy(wire[0], plain, plain_len);
    got = (int)plain_len;
    assert_int_equal(srtp_protect_rtcp(p->sender, wire[0], &got), srtp_err_status_ok);
    memcpy(wire[1], wire[0], (size_t)got);
    for (size_t e = 0; e < 2; e++) {
        assert_int_equal(
            sq_srtp_unprotect_rtcp(engines[e], p->ours[e], wire[e], (size_t)got, &len[e]), 0);
        assert_int_equal(len[e], plain_len);
        assert_memory_equal(wire[e], plain, plain_len);
    }
}

static void against_libsrtp(void **state)
{
    const enum sq_srtp_profile profiles[SESSIONS] = {
        SQ_SRTP_AES128_CM_SHA1_80, SQ_SRTP_AEAD_AES_128_GCM, SQ_SRTP_AES128_CM_SHA1_80,
        SQ_SRTP_AES128_CM_SHA1_32, SQ_SRTP_AEAD_AES_128_GCM,
    };
    struct party parties[SESSIONS];
    srtp_t judges[SESSIONS];
    for (size_t i = 0; i < SESSIONS; i++) {
        party_make(&parties[i], profiles[i]);
        judges[i] = oracle_make(profiles[i], &parties[i].from, ssrc_any_inbound);
    }
    for (size_t round = 0; round < ROUNDS; round++) {
        size_t n = 1 + sq_rand_below(&rnd, sq_rand_below(&rnd, 2) ? BATCH : 6);
        ours_to_libsrtp(parties, n);
        libsrtp_to_ours(parties, judges, n);
        rtcp_both_ways(&parties[round % SESSIONS]);
    }
    for (size_t i = 0; i < SESSIONS; i++) {
        party_free(&parties[i]);
        srtp_dealloc(judges[i]);
    }
}

static int up(void **state)
{
    sq_rand_seed(&rnd, 20240611);
    if (srtp_init() != srtp_err_status_ok ||
        sq_srtp_engine_create(SQ_SRTP_BACKEND_AUTO, &engines[0]) ||
        sq_srtp_engine_create(SQ_SRTP_BACKEND_OPENSSL, &engines[1])) {
        return -1;
    }
    return 0;
}

static int down(void **state)
{
    sq_srtp_engine_destroy(engines[0]);
    sq_srtp_engine_destroy(engines[1]);
    srtp_shutdown();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(against_libsrtp),
    };
    return cmocka_run_group_tests(tests, up, down);
}
