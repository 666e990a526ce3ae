/* SRTP: the RFCs' vectors, and what a session does about order, replay, tampering and limits. */
#include "base/mem.h"
#include "peer/srtp/srtp_int.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ROOM 1600

static const struct sq_srtp_master MASTER_A = {
    .key = {0xE1, 0xF9, 0x7A, 0x0D, 0x3E, 0x01, 0x8B, 0xE0, 0xD6, 0x4F, 0xA3, 0x2C, 0x06, 0xDE,
            0x41, 0x39},
    .salt = {0x0E, 0xC6, 0x75, 0xAD, 0x49, 0x8A, 0xFE, 0xEB, 0xB6, 0x96, 0x0B, 0x3A, 0xAB, 0xE6},
};
static const struct sq_srtp_master MASTER_B = {.key = {9, 8, 7, 6, 5}, .salt = {1, 2, 3, 4}};

static const enum sq_srtp_profile PROFILES[] = {
    SQ_SRTP_AES128_CM_SHA1_80,
    SQ_SRTP_AES128_CM_SHA1_32,
    SQ_SRTP_AEAD_AES_128_GCM,
};
#define PROFILES_N (sizeof(PROFILES) / sizeof(*PROFILES))

/* The engines of this machine: OpenSSL, and libipsec-mb where it is there. */
static struct sq_srtp_engine *engines[2];
static size_t engines_n;

static int engines_up(void **state)
{
    const enum sq_srtp_backend kinds[] = {SQ_SRTP_BACKEND_OPENSSL, SQ_SRTP_BACKEND_IPSEC_MB};
    for (size_t i = 0; i < 2; i++) {
        int err = sq_srtp_engine_create(kinds[i], &engines[engines_n]);
        if (!err) {
            engines_n++;
        } else if (err != SQ_ERR_UNSUPPORTED) {
            return -1;
        }
    }
    return 0;
}

static int engines_down(void **state)
{
    while (engines_n > 0) {
        sq_srtp_engine_destroy(engines[--engines_n]);
    }
    return 0;
}

static size_t unhex(const char *hex, uint8_t *out)
{
    size_t n = 0;
    for (; hex[0]; hex += 2) {
        while (*hex == ' ') {
            hex++;
        }
        char two[3] = {hex[0], hex[1], 0};
        out[n++] = (uint8_t)strtoul(two, NULL, 16);
    }
    return n;
}

struct pair {
    struct sq_srtp_engine *e;
    struct sq_srtp *a;
    struct sq_srtp *b;
};

static struct pair pair_make(struct sq_srtp_engine *e, enum sq_srtp_profile profile)
{
    struct pair p = {.e = e};
    assert_int_equal(sq_srtp_create(e, profile, &MASTER_A, &MASTER_B, &p.a), 0);
    assert_int_equal(sq_srtp_create(e, profile, &MASTER_B, &MASTER_A, &p.b), 0);
    return p;
}

static void pair_free(struct pair *p)
{
    sq_srtp_destroy(p->a);
    sq_srtp_destroy(p->b);
}

struct packet {
    uint8_t bytes[ROOM];
    size_t len;
};

static struct packet rtp(uint32_t ssrc, uint16_t seq, size_t payload)
{
    struct packet p = {.len = 12 + payload};
    p.bytes[0] = 0x80;
    p.bytes[1] = 96;
    sq_store_u16(p.bytes + 2, seq);
    sq_store_u32(p.bytes + 4, 1234u + seq);
    sq_store_u32(p.bytes + 8, ssrc);
    memset(p.bytes + 12, (uint8_t)(seq * 7), payload);
    return p;
}

static int protect(struct sq_srtp_engine *e, struct sq_srtp *s, struct packet *p)
{
    struct sq_srtp_job job = {.session = s, .pkt = p->bytes, .len = p->len, .room = ROOM};
    sq_srtp_protect_batch(e, &job, 1);
    p->len = job.err ? p->len : job.ret_len;
    return job.err;
}

static int unprotect(struct sq_srtp_engine *e, struct sq_srtp *s, struct packet *p)
{
    struct sq_srtp_job job = {.session = s, .pkt = p->bytes, .len = p->len, .room = ROOM};
    sq_srtp_unprotect_batch(e, &job, 1);
    p->len = job.err ? p->len : job.ret_len;
    return job.err;
}

/* Sends one packet through; the error, or 0 when it arrived as it was. */
static int through(struct pair *p, uint32_t ssrc, uint16_t seq)
{
    struct packet plain = rtp(ssrc, seq, 100);
    struct packet wire = plain;
    assert_int_equal(protect(p->e, p->a, &wire), 0);
    int err = unprotect(p->e, p->b, &wire);
    if (!err) {
        assert_int_equal(wire.len, plain.len);
        assert_memory_equal(wire.bytes, plain.bytes, plain.len);
    }
    return err;
}

/* RFC 3711, appendix B.2. */
static void aes_cm_keystream(void **state)
{
    struct keys k = {.expanded = NULL};
    uint8_t iv[16] = {0};
    uint8_t salt[16];
    uint8_t want[48];
    uint8_t out[0xff02 * 16];
    unhex("2B7E151628AED2A6ABF7158809CF4F3C", k.key);
    unhex("F0F1F2F3F4F5F6F7F8F9FAFBFCFD0000", salt);
    sq_srtp_iv_cm(iv, salt, 0, 0);
    memset(out, 0, sizeof(out));
    assert_int_equal(sq_srtp_ctr(engines[0], &k, iv, out, sizeof(out)), 0);
    unhex("E03EAD0935C95E80E166B16DD92B4EB4D23513162B02D0F72A43A2FE4A5F97AB"
          "41E95B3BB0A2E8DD477901E4FCA894C0",
          want);
    assert_memory_equal(out, want, 48);
    unhex("EC8CDF7398607CB0F2D21675EA9EA1E4362B7C3C6773516318A077D7FC5073AE"
          "6A2CC3787889374FBEB4C81B17BA6C44",
          want);
    assert_memory_equal(out + 0xfeff * 16, want, 48);
}

/* RFC 3711, appendix B.3; the authentication key by the state it leads to. */
static void key_derivation(void **state)
{
    struct keys k;
    struct keys auth = {.expanded = NULL};
    uint8_t want[32];
    assert_int_equal(sq_srtp_derive(engines[0], &MASTER_A, false, 0, &k), 0);
    unhex("C61E7A93744F39EE10734AFE3FF7A087", want);
    assert_memory_equal(k.key, want, 16);
    unhex("30CBBC08863D8C85D49DB34A9AE1", want);
    assert_memory_equal(k.salt, want, 14);
    unhex("CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4", want);
    sq_srtp_hmac_key(&auth, want);
    assert_memory_equal(k.inner, auth.inner, sizeof(k.inner));
    assert_memory_equal(k.outer, auth.outer, sizeof(k.outer));
}

/* RFC 2202, test case 1, cut in two. */
static void hmac_sha1(void **state)
{
    struct keys k = {.expanded = NULL};
    uint8_t key[20];
    uint8_t tag[20];
    uint8_t want[20];
    memset(key, 0x0b, sizeof(key));
    sq_srtp_hmac_key(&k, key);
    sq_srtp_hmac(&k, (const uint8_t *)"Hi There", 5, (const uint8_t *)"ere", 3, tag);
    unhex("b617318655057264e28bc0b6fb378c8ef146be00", want);
    assert_memory_equal(tag, want, sizeof(tag));
}

/* A whole packet of AES_CM_128_HMAC_SHA1_80 that libsrtp has used as its vector for long. */
static void cm_packet(void **state)
{
    uint8_t want[64];
    size_t want_len = unhex("800f1234decafbadcafebabe"
                            "4e55dc4ce79978d88ca4d215949d2402b78d6acc99ea179b8dbb",
                            want);
    for (size_t i = 0; i < engines_n; i++) {
        struct pair pair = pair_make(engines[i], SQ_SRTP_AES128_CM_SHA1_80);
        struct packet p = {
            .len = unhex("800f1234decafbadcafebabeabababababababababababababababab", p.bytes)};
        assert_int_equal(protect(pair.e, pair.a, &p), 0);
        assert_int_equal(p.len, want_len);
        assert_memory_equal(p.bytes, want, want_len);
        pair_free(&pair);
    }
}

/* RFC 7714 states its vectors by session keys. */
static struct pair gcm_vector_pair(struct sq_srtp_engine *e)
{
    struct pair pair = pair_make(e, SQ_SRTP_AEAD_AES_128_GCM);
    struct keys *all[] = {&pair.a->send.rtp, &pair.a->send.rtcp, &pair.b->receive.rtp,
                          &pair.b->receive.rtcp};
    for (size_t i = 0; i < 4; i++) {
        unhex("000102030405060708090a0b0c0d0e0f", all[i]->key);
        unhex("517569642070726f2071756f", all[i]->salt);
    }
    return pair;
}

/* RFC 7714, sections 16.1.1 and 16.1.2. */
static void gcm_rtp_vector(void **state)
{
    uint8_t plain[64];
    uint8_t want[96];
    size_t plain_len = unhex("8040f17b8041f8d35501a0b247616c6c696120657374206f6d6e6973"
                             "2064697669736120696e207061727465732074726573",
                             plain);
    size_t want_len = unhex("8040f17b8041f8d35501a0b2f24de3a3fb34de6cacba861c9d7e4bcabe633bd5"
                            "0d294e6f42a5f47a51c7d19b36de3adf8833899d7f27beb16a9152cf765ee4390cce",
                            want);
    for (size_t i = 0; i < engines_n; i++) {
        struct pair pair = gcm_vector_pair(engines[i]);
        struct packet p = {.len = plain_len};
        memcpy(p.bytes, plain, plain_len);
        assert_int_equal(protect(pair.e, pair.a, &p), 0);
        assert_int_equal(p.len, want_len);
        assert_memory_equal(p.bytes, want, want_len);
        assert_int_equal(unprotect(pair.e, pair.b, &p), 0);
        assert_int_equal(p.len, plain_len);
        assert_memory_equal(p.bytes, plain, plain_len);
        pair_free(&pair);
    }
}

/* RFC 7714, section 17.1. */
static void gcm_rtcp_vector(void **state)
{
    const char *plain_hex = "81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61"
                            "deadbeefdeadbeefdeadbeefdeadbeefdeadbeef";
    uint8_t plain[64];
    uint8_t want[96];
    size_t plain_len = unhex(plain_hex, plain);
    size_t want_len = unhex("81c8000d4d61727363e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32d"
                            "c676a5f1730d6fda4ce09b4686303ded0bb9275bc84aa45896cf4d2fc5abf872"
                            "45d9eade800005d4",
                            want);
    for (size_t i = 0; i < engines_n; i++) {
        struct pair pair = gcm_vector_pair(engines[i]);
        uint8_t pkt[128];
        size_t len = plain_len;
        memcpy(pkt, plain, plain_len);
        pair.a->rtcp_send_index = 0x5d4;
        assert_int_equal(sq_srtp_protect_rtcp(pair.e, pair.a, pkt, len, sizeof(pkt), &len), 0);
        assert_int_equal(len, want_len);
        assert_memory_equal(pkt, want, want_len);
        assert_int_equal(sq_srtp_unprotect_rtcp(pair.e, pair.b, pkt, len, &len), 0);
        assert_int_equal(len, plain_len);
        assert_memory_equal(pkt, plain, plain_len);
        pair_free(&pair);
    }
}

/* Runs a check with each engine and profile. */
static void each(void (*check)(struct pair *))
{
    for (size_t i = 0; i < engines_n; i++) {
        for (size_t p = 0; p < PROFILES_N; p++) {
            struct pair pair = pair_make(engines[i], PROFILES[p]);
            check(&pair);
            pair_free(&pair);
        }
    }
}

static void check_wrap(struct pair *p)
{
    uint32_t roc;
    uint16_t seq;
    assert_int_equal(through(p, 7, 65534), 0);
    assert_int_equal(through(p, 7, 65535), 0);
    assert_int_equal(through(p, 7, 0), 0);
    assert_int_equal(sq_srtp_stream_index(p->b, 0, 7, &roc, &seq), 0);
    assert_int_equal(roc, 1);
    /* Later turns, in strides below half a turn. */
    for (uint32_t index = 0x10000; index < 0x50000; index += 0x7000) {
        assert_int_equal(through(p, 7, (uint16_t)index), index == 0x10000 ? SQ_ERR_REPLAY : 0);
    }
    assert_int_equal(sq_srtp_stream_index(p->b, 0, 7, &roc, &seq), 0);
    assert_int_equal(roc, 4);
    assert_int_equal(sq_srtp_stream_index(p->a, 1, 8, &roc, &seq), SQ_ERR_NOTFOUND);
}

static void rollover(void **state)
{
    each(check_wrap);
}

static void check_reorder_over_wrap(struct pair *p)
{
    const uint16_t sent[] = {65533, 65534, 65535, 0, 1, 2};
    const size_t order[] = {0, 3, 1, 5, 2, 4, 2};
    struct packet wire[6];
    for (size_t i = 0; i < 6; i++) {
        wire[i] = rtp(5, sent[i], 50);
        assert_int_equal(protect(p->e, p->a, &wire[i]), 0);
    }
    for (size_t i = 0; i < 7; i++) {
        struct packet copy = wire[order[i]];
        assert_int_equal(unprotect(p->e, p->b, &copy), i == 6 ? SQ_ERR_REPLAY : 0);
    }
    /* After the wrap: an older one still belongs to the turn before, and one sent before comes out
     * the same again. */
    struct packet late = rtp(5, 65532, 50);
    struct packet again = rtp(5, 65533, 50);
    assert_int_equal(protect(p->e, p->a, &late), 0);
    assert_int_equal(unprotect(p->e, p->b, &late), 0);
    assert_int_equal(protect(p->e, p->a, &again), 0);
    assert_int_equal(again.len, wire[0].len);
    assert_memory_equal(again.bytes, wire[0].bytes, again.len);
}

static void reordering_over_the_wrap_and_resending(void **state)
{
    each(check_reorder_over_wrap);
}

static int unprotect_copy(struct pair *p, const struct packet *wire)
{
    struct packet copy = *wire;
    return unprotect(p->e, p->b, &copy);
}

/* What is told apart: 576 behind the newest at least, and at most ten blocks of 64. */
static void check_replay(struct pair *p)
{
    enum { FIRST = 1100, TOP = 1728 /* begins a block */, FAR = 2400, N = FAR - FIRST + 1 };
    static struct packet wire[N];
    for (int i = 0; i < N; i++) {
        wire[i] = rtp(9, (uint16_t)(FIRST + i), 20);
        assert_int_equal(protect(p->e, p->a, &wire[i]), 0);
    }
    assert_int_equal(unprotect_copy(p, &wire[FIRST + 300 - FIRST]), 0);
    assert_int_equal(unprotect_copy(p, &wire[TOP - FIRST]), 0);
    assert_int_equal(unprotect_copy(p, &wire[FIRST + 300 - FIRST]),
                     SQ_ERR_REPLAY); /* still known */
    for (int behind = 0; behind <= 576; behind++) {
        int want = behind == 0 || TOP - behind == FIRST + 300 ? SQ_ERR_REPLAY : 0;
        assert_int_equal(unprotect_copy(p, &wire[TOP - behind - FIRST]), want);
    }
    for (int i = FIRST; i <= TOP; i++) {
        assert_int_equal(unprotect_copy(p, &wire[i - FIRST]), SQ_ERR_REPLAY);
    }
    /* One by one through the blocks: each once, and what was before is still known. */
    for (int i = TOP + 1; i <= TOP + 130; i++) {
        assert_int_equal(unprotect_copy(p, &wire[i - FIRST]), 0);
        assert_int_equal(unprotect_copy(p, &wire[i - FIRST]), SQ_ERR_REPLAY);
        assert_int_equal(unprotect_copy(p, &wire[i - 576 - FIRST]), SQ_ERR_REPLAY);
    }
    assert_int_equal(unprotect_copy(p, &wire[FAR - FIRST]), 0); /* some of it is still known */
    for (int behind = 1; behind <= 576; behind++) {
        int want = FAR - behind <= TOP + 130 ? SQ_ERR_REPLAY : 0;
        assert_int_equal(unprotect_copy(p, &wire[FAR - behind - FIRST]), want);
        assert_int_equal(unprotect_copy(p, &wire[FAR - behind - FIRST]), SQ_ERR_REPLAY);
    }
}

static void replay(void **state)
{
    each(check_replay);
}

/* Duplicates, a wrap and a forgery within one batch give what one by one gives. */
static void check_batch(struct pair *p)
{
    enum { N = 80 };
    struct packet wire[N];
    struct sq_srtp_job jobs[N];
    for (int i = 0; i < N; i++) {
        wire[i] = rtp(3, (uint16_t)(65516 + i), 30u + (size_t)i);
        jobs[i] = (struct sq_srtp_job){
            .session = p->a, .pkt = wire[i].bytes, .len = wire[i].len, .room = ROOM};
    }
    sq_srtp_protect_batch(p->e, jobs, N);
    for (int i = 0; i < N; i++) {
        assert_int_equal(jobs[i].err, 0);
        wire[i].len = jobs[i].ret_len;
    }
    wire[30] = wire[29];
    wire[31].bytes[15] ^= 1;
    for (int i = 0; i < N; i++) {
        jobs[i].session = p->b;
        jobs[i].len = wire[i].len;
    }
    sq_srtp_unprotect_batch(p->e, jobs, N);
    for (int i = 0; i < N; i++) {
        assert_int_equal(jobs[i].err, i == 30 ? SQ_ERR_REPLAY : i == 31 ? SQ_ERR_AUTH : 0);
        struct packet plain = rtp(3, (uint16_t)(65516 + i), 30u + (size_t)i);
        if (jobs[i].err == 0) {
            assert_int_equal(jobs[i].ret_len, plain.len);
            assert_memory_equal(wire[i].bytes, plain.bytes, plain.len);
        }
    }
    uint32_t roc;
    uint16_t seq;
    assert_int_equal(sq_srtp_stream_index(p->b, 0, 3, &roc, &seq), 0);
    assert_int_equal(roc, 1);
    assert_int_equal(seq, 59);
}

static void duplicates_within_a_batch(void **state)
{
    each(check_batch);
}

static void check_tampered(struct pair *p)
{
    struct packet first = rtp(1, 1, 40);
    assert_int_equal(protect(p->e, p->a, &first), 0);
    for (size_t bit = 0; bit < first.len * 8; bit++) {
        struct packet wire = first;
        wire.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_not_equal(unprotect(p->e, p->b, &wire), 0);
    }
    for (size_t len = 0; len < first.len; len++) {
        struct packet wire = first;
        wire.len = len;
        assert_int_not_equal(unprotect(p->e, p->b, &wire), 0);
    }
    uint32_t roc;
    uint16_t seq;
    assert_int_equal(sq_srtp_stream_index(p->b, 0, 1, &roc, &seq), SQ_ERR_NOTFOUND);
    assert_int_equal(unprotect(p->e, p->b, &first), 0);
}

static void tampered_and_truncated(void **state)
{
    each(check_tampered);
}

static void check_headers(struct pair *p)
{
    struct packet plain = rtp(4, 9, 100);
    plain.bytes[0] = 0x80 | 0x10 | 3; /* three CSRCs and an extension of two words */
    sq_store_u16(plain.bytes + 12 + 12 + 2, 2);
    struct packet wire = plain;
    assert_int_equal(protect(p->e, p->a, &wire), 0);
    assert_memory_equal(wire.bytes, plain.bytes, 12 + 12 + 12);
    assert_memory_not_equal(wire.bytes + 36, plain.bytes + 36, plain.len - 36);
    assert_int_equal(unprotect(p->e, p->b, &wire), 0);
    assert_memory_equal(wire.bytes, plain.bytes, plain.len);

    wire = rtp(4, 10, 0); /* no payload at all */
    assert_int_equal(protect(p->e, p->a, &wire), 0);
    assert_int_equal(unprotect(p->e, p->b, &wire), 0);
    assert_int_equal(wire.len, 12);

    wire = rtp(4, 11, 20);
    wire.bytes[0] = 0x8f; /* CSRCs beyond the end */
    assert_int_equal(protect(p->e, p->a, &wire), SQ_ERR_FORMAT);
    wire.bytes[0] = 0x90;
    sq_store_u16(wire.bytes + 14, 0xffff); /* and an extension */
    assert_int_equal(protect(p->e, p->a, &wire), SQ_ERR_FORMAT);
    assert_int_equal(unprotect(p->e, p->b, &wire), SQ_ERR_FORMAT);
    wire.bytes[0] = 0x40;
    assert_int_equal(unprotect(p->e, p->b, &wire), SQ_ERR_FORMAT);
}

static void headers(void **state)
{
    each(check_headers);
}

static void room_is_asked_for(void **state)
{
    for (size_t p = 0; p < PROFILES_N; p++) {
        struct pair pair = pair_make(engines[0], PROFILES[p]);
        size_t more = sq_srtp_overhead_bytes(PROFILES[p]);
        struct packet wire = rtp(1, 1, 10);
        struct sq_srtp_job job = {
            .session = pair.a, .pkt = wire.bytes, .len = wire.len, .room = wire.len + more - 1};
        sq_srtp_protect_batch(pair.e, &job, 1);
        assert_int_equal(job.err, SQ_ERR_NOSPACE);
        job.room++;
        sq_srtp_protect_batch(pair.e, &job, 1);
        assert_int_equal(job.err, 0);
        assert_int_equal(job.ret_len, wire.len + more);
        pair_free(&pair);
    }
    struct sq_srtp *none;
    assert_int_equal(sq_srtp_create(engines[0], 0x4711, &MASTER_A, &MASTER_B, &none),
                     SQ_ERR_UNSUPPORTED);
}

static void check_many_streams(struct pair *p)
{
    for (uint32_t i = 0; i < SQ_SRTP_STREAMS_MAX; i++) {
        assert_int_equal(through(p, i * 0x10000, 100), 0);
    }
    for (uint32_t i = 0; i < SQ_SRTP_STREAMS_MAX; i++) {
        assert_int_equal(through(p, i * 0x10000, 101), 0);
        assert_int_equal(through(p, i * 0x10000, 101), SQ_ERR_REPLAY);
    }
    struct packet more = rtp(0x123, 1, 10);
    assert_int_equal(protect(p->e, p->a, &more), SQ_ERR_NOMEM);
    sq_srtp_stream_remove(p->a, 1, 0x30000);
    assert_int_equal(protect(p->e, p->a, &more), 0);
    struct packet again = more;
    assert_int_equal(unprotect(p->e, p->b, &more), SQ_ERR_NOMEM);
    sq_srtp_stream_remove(p->b, 0, 0x50000);
    sq_srtp_stream_remove(p->b, 0, 0x50000);
    assert_int_equal(unprotect(p->e, p->b, &again), 0);
    for (uint32_t i = 6; i < SQ_SRTP_STREAMS_MAX; i++) { /* also those that were moved */
        assert_int_equal(through(p, i * 0x10000, 102), 0);
    }
}

static void many_streams(void **state)
{
    each(check_many_streams);
}

/* A session in which streams come and go: those heard long ago make room, those heard lately do
 * not, and stay guarded against replay. */
static void check_streams_that_went(struct pair *p)
{
    struct packet first = rtp(0, 100, 10);
    assert_int_equal(protect(p->e, p->a, &first), 0);
    for (uint32_t i = 0; i < SQ_SRTP_STREAMS_MAX; i++) {
        assert_int_equal(through(p, i, 200), 0);
    }
    assert_int_equal(p->b->receive.rtp_streams.n, SQ_SRTP_STREAMS_MAX);
    size_t memory = sq_srtp_memory_bytes(p->b);
    uint32_t next = 1000;
    for (uint32_t i = 0; i < (1u << LATELY_RTP_LOG2); i++) { /* all but 0 and 1 go on */
        assert_int_equal(through(p, 2 + i % (SQ_SRTP_STREAMS_MAX - 2), (uint16_t)(201 + i)), 0);
    }
    for (; next < 1002; next++) {
        sq_srtp_stream_remove(p->a, 1, next - 1000);
        assert_int_equal(through(p, next, 7), 0);
        assert_int_equal(through(p, next, 7), SQ_ERR_REPLAY);
    }
    sq_srtp_stream_remove(p->a, 1, 1000);
    assert_int_equal(through(p, next, 7), SQ_ERR_NOMEM); /* the others live */
    assert_int_equal(p->b->receive.rtp_streams.n, SQ_SRTP_STREAMS_MAX);
    assert_int_equal(sq_srtp_memory_bytes(p->b), memory);
    /* One that comes back is a new one. */
    for (uint32_t i = 0; i < (1u << LATELY_RTP_LOG2); i++) {
        assert_int_equal(through(p, 2, (uint16_t)(10000 + i)), 0);
    }
    assert_int_equal(unprotect(p->e, p->b, &first), 0);
    assert_int_equal(through(p, 2, 10000), SQ_ERR_REPLAY);
}

static void streams_that_went(void **state)
{
    each(check_streams_that_went);
}

static size_t report(uint8_t *pkt, uint32_t ssrc, uint8_t fill)
{
    memset(pkt, fill, 52);
    pkt[0] = 0x81;
    pkt[1] = 201;
    sq_store_u32(pkt + 4, ssrc);
    return 52;
}

static void check_rtcp(struct pair *p)
{
    uint8_t plain[128];
    uint8_t wire[128];
    uint8_t copy[128];
    size_t len;
    size_t got;
    for (uint8_t i = 0; i < 200; i++) {
        size_t plain_len = report(plain, i % 3, i);
        memcpy(wire, plain, plain_len);
        assert_int_equal(sq_srtp_protect_rtcp(p->e, p->a, wire, plain_len, sizeof(wire), &len), 0);
        assert_memory_not_equal(wire + 8, plain + 8, plain_len - 8);
        memcpy(copy, wire, len);
        copy[i % len] ^= 0x20;
        assert_int_not_equal(sq_srtp_unprotect_rtcp(p->e, p->b, copy, len, &got), 0);
        memcpy(copy, wire, len);
        assert_int_not_equal(sq_srtp_unprotect_rtcp(p->e, p->b, copy, len - 1, &got), 0);
        memcpy(copy, wire, len);
        assert_int_equal(sq_srtp_unprotect_rtcp(p->e, p->b, copy, len, &got), 0);
        assert_int_equal(got, plain_len);
        assert_memory_equal(copy, plain, plain_len);
        assert_int_equal(sq_srtp_unprotect_rtcp(p->e, p->b, wire, len, &got), SQ_ERR_REPLAY);
    }
    for (size_t n = 0; n < 30; n++) {
        memset(copy, 0x81, n);
        assert_int_not_equal(sq_srtp_unprotect_rtcp(p->e, p->b, copy, n, &got), 0);
    }
    assert_int_equal(sq_srtp_protect_rtcp(p->e, p->a, plain, 7, sizeof(plain), &len),
                     SQ_ERR_FORMAT);
    assert_int_equal(sq_srtp_protect_rtcp(p->e, p->a, plain, 52, 52 + 13, &len), SQ_ERR_NOSPACE);
    p->a->rtcp_send_index = 0x80000000u;
    assert_int_equal(sq_srtp_protect_rtcp(p->e, p->a, plain, 52, sizeof(plain), &len),
                     SQ_ERR_STATE);
}

static void rtcp(void **state)
{
    each(check_rtcp);
}

/* SRTCP that is authentic but not encrypted (E flag 0), as a gateway may send it. */
static void check_rtcp_in_clear(struct pair *p)
{
    uint8_t pkt[128];
    uint8_t tag[20];
    uint8_t iv[12];
    size_t len = report(pkt, 77, 5);
    uint8_t plain[64];
    memcpy(plain, pkt, len);
    size_t total;
    sq_store_u32(pkt + len, 41);
    if (p->a->gcm) {
        sq_srtp_iv_gcm(iv, p->a->send.rtcp.salt, 77, 41);
        assert_int_equal(sq_srtp_gcm_seal(p->e, &p->a->send.rtcp, iv, pkt, len + 4, tag, 0, tag),
                         0);
        memcpy(pkt + len, tag, 16);
        sq_store_u32(pkt + len + 16, 41);
        total = len + 20;
    } else {
        sq_srtp_hmac(&p->a->send.rtcp, pkt, len + 4, NULL, 0, tag);
        memcpy(pkt + len + 4, tag, 10);
        total = len + 14;
    }
    size_t got;
    assert_int_equal(sq_srtp_unprotect_rtcp(p->e, p->b, pkt, total, &got), 0);
    assert_int_equal(got, len);
    assert_memory_equal(pkt, plain, len);
}

static void rtcp_in_clear(void **state)
{
    each(check_rtcp_in_clear);
}

static void hostile_bytes(void **state)
{
    uint32_t seed = 1;
    struct pair pair = pair_make(engines[engines_n - 1], SQ_SRTP_AES128_CM_SHA1_80);
    struct packet noise[32];
    struct sq_srtp_job jobs[32];
    for (size_t round = 0; round < 500; round++) {
        for (size_t i = 0; i < 32; i++) {
            for (size_t b = 0; b < 64; b++) {
                seed = seed * 1664525u + 1013904223u;
                noise[i].bytes[b] = (uint8_t)(seed >> 24);
            }
            noise[i].bytes[0] = (uint8_t)(0x80 | (noise[i].bytes[0] & 0x3f));
            noise[i].len = seed >> 16 & 63;
            jobs[i] = (struct sq_srtp_job){
                .session = pair.b, .pkt = noise[i].bytes, .len = noise[i].len, .room = ROOM};
        }
        sq_srtp_unprotect_batch(pair.e, jobs, 32);
        for (size_t i = 0; i < 32; i++) {
            assert_int_not_equal(jobs[i].err, 0);
        }
    }
    assert_int_equal(pair.b->receive.rtp_streams.n, 0);
    pair_free(&pair);
}

/* Each allocation fails in turn: sessions, keys, and a stream table that grows. */
static void no_memory(void **state)
{
    for (size_t i = 0; i < engines_n; i++) {
        size_t failures = 0;
        for (size_t nth = 1;; nth++) {
            struct pair p = {.e = engines[i]};
            sq_mem_fail_at(nth);
            int err = sq_srtp_create(p.e, SQ_SRTP_AEAD_AES_128_GCM, &MASTER_A, &MASTER_B, &p.a);
            if (!err) {
                err = sq_srtp_create(p.e, SQ_SRTP_AEAD_AES_128_GCM, &MASTER_B, &MASTER_A, &p.b);
            }
            for (uint32_t ssrc = 0; ssrc < 20 && !err; ssrc++) {
                struct packet pkt = rtp(ssrc, 5, 10);
                err = protect(p.e, p.a, &pkt);
                if (!err) {
                    err = unprotect(p.e, p.b, &pkt);
                }
            }
            sq_mem_fail_at(0);
            pair_free(&p);
            if (!err) {
                break;
            }
            assert_int_equal(err, SQ_ERR_NOMEM);
            failures++;
        }
        assert_true(failures >= 8);
        struct sq_srtp_engine *e = NULL;
        sq_mem_fail_at(1);
        assert_int_equal(sq_srtp_engine_create(SQ_SRTP_BACKEND_AUTO, &e), SQ_ERR_NOMEM);
        assert_null(e);
        sq_mem_fail_at(0);
    }
}

static void memory_of_a_session(void **state)
{
    struct pair p = pair_make(engines[engines_n - 1], SQ_SRTP_AEAD_AES_128_GCM);
    assert_int_equal(through(&p, 1, 1), 0);
    struct packet back = rtp(2, 1, 10);
    assert_int_equal(protect(p.e, p.b, &back), 0);
    assert_int_equal(unprotect(p.e, p.a, &back), 0);
    /* 3072 with libipsec-mb 1.3; each of the two keys has 256 bytes more with 1.5 (Ubuntu 24.04).
     */
    assert_true(sq_srtp_memory_bytes(p.a) <= 3072 + 2 * 256);
    pair_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(aes_cm_keystream),
        cmocka_unit_test(key_derivation),
        cmocka_unit_test(hmac_sha1),
        cmocka_unit_test(cm_packet),
        cmocka_unit_test(gcm_rtp_vector),
        cmocka_unit_test(gcm_rtcp_vector),
        cmocka_unit_test(rollover),
        cmocka_unit_test(reordering_over_the_wrap_and_resending),
        cmocka_unit_test(replay),
        cmocka_unit_test(duplicates_within_a_batch),
        cmocka_unit_test(tampered_and_truncated),
        cmocka_unit_test(headers),
        cmocka_unit_test(room_is_asked_for),
        cmocka_unit_test(many_streams),
        cmocka_unit_test(streams_that_went),
        cmocka_unit_test(rtcp),
        cmocka_unit_test(rtcp_in_clear),
        cmocka_unit_test(hostile_bytes),
        cmocka_unit_test(no_memory),
        cmocka_unit_test(memory_of_a_session),
    };
    return cmocka_run_group_tests(tests, engines_up, engines_down);
}
