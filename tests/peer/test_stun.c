/* STUN messages: the vectors of RFC 5769 and RFC 8489 (appendix B.1, with erratum 6268), round
 * trips, and bytes that are no message. */
#include "base/rand.h"
#include "peer/stun/stun.h"
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TID_5769     "\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae"
#define TID_LONG     "\x78\xad\x34\x33\xc6\xad\x72\xc0\x29\xda\x41\x2e"
#define PASSWORD     "VOkJxbRl1RmTxUk/WvJxBt"
#define MATRIX_USER  "\xe3\x83\x9e\xe3\x83\x88\xe3\x83\xaa\xe3\x83\x83\xe3\x82\xaf\xe3\x82\xb9"
#define LONG_NONCE   "f//499k954d6OL34oL9FSTvy64sA"
#define LONG_NONCE_B "obMatJos2AAACf//499k954d6OL34oL9FSTvy64sA"

/* RFC 5769, section 2.1. */
static const char request[] = "\x00\x01\x00\x58\x21\x12\xa4\x42" TID_5769 "\x80\x22\x00\x10"
                              "STUN test client"
                              "\x00\x24\x00\x04\x6e\x00\x01\xff"
                              "\x80\x29\x00\x08\x93\x2f\xf9\xb1\x51\x26\x3b\x36"
                              "\x00\x06\x00\x09"
                              "evtj:h6vY   "
                              "\x00\x08\x00\x14\x9a\xea\xa7\x0c\xbf\xd8\xcb\x56\x78\x1e\xf2\xb5"
                              "\xb2\xd3\xf2\x49\xc1\xb5\x71\xa2"
                              "\x80\x28\x00\x04\xe5\x7a\x3b\xcf";
/* Section 2.2. */
static const char response4[] = "\x01\x01\x00\x3c\x21\x12\xa4\x42" TID_5769 "\x80\x22\x00\x0b"
                                "test vector "
                                "\x00\x20\x00\x08\x00\x01\xa1\x47\xe1\x12\xa6\x43"
                                "\x00\x08\x00\x14\x2b\x91\xf5\x99\xfd\x9e\x90\xc3\x8c\x74\x89\xf9"
                                "\x2a\xf9\xba\x53\xf0\x6b\xe7\xd7"
                                "\x80\x28\x00\x04\xc0\x7d\x4c\x96";
/* Section 2.3. */
static const char response6[] = "\x01\x01\x00\x48\x21\x12\xa4\x42" TID_5769 "\x80\x22\x00\x0b"
                                "test vector "
                                "\x00\x20\x00\x14\x00\x02\xa1\x47\x01\x13\xa9\xfa\xa5\xd3\xf1\x79"
                                "\xbc\x25\xf4\xb5\xbe\xd2\xb9\xd9"
                                "\x00\x08\x00\x14\xa3\x82\x95\x4e\x4b\xe6\x7b\xf1\x17\x84\xc9\x7c"
                                "\x82\x92\xc2\x75\xbf\xe3\xed\x41"
                                "\x80\x28\x00\x04\xc8\xfb\x0b\x4c";
/* Section 2.4. */
static const char long_term[] =
    "\x00\x01\x00\x60\x21\x12\xa4\x42" TID_LONG "\x00\x06\x00\x12" MATRIX_USER "\x00\x00"
    "\x00\x15\x00\x1c" LONG_NONCE "\x00\x14\x00\x0b"
    "example.org\x00"
    "\x00\x08\x00\x14\xf6\x70\x24\x65\x6d\xd6\x4a\x3e\x02\xb8\xe0\x71\x2e\x85\xc9\xa2"
    "\x8c\xa8\x96\x66";
/* RFC 8489, appendix B.1, as erratum 6268 corrects it. */
static const char long_term256[] =
    "\x00\x01\x00\x90\x21\x12\xa4\x42" TID_LONG
    "\x00\x1e\x00\x20\x4a\x3c\xf3\x8f\xef\x69\x92\xbd\xa9\x52\xc6\x78\x04\x17\xda\x0f"
    "\x24\x81\x94\x15\x56\x9e\x60\xb2\x05\xc4\x6e\x41\x40\x7f\x17\x04"
    "\x00\x15\x00\x29" LONG_NONCE_B "\x00\x00\x00"
    "\x00\x14\x00\x0b"
    "example.org\x00"
    "\x00\x1d\x00\x04\x00\x02\x00\x00"
    "\x00\x1c\x00\x20\xb5\xc7\xbf\x00\x5b\x6c\x52\xa2\x1c\x51\xc5\xe8\x92\xf8\x19\x24"
    "\x13\x62\x96\xcb\x92\x7c\x43\x14\x93\x09\x27\x8c\xc6\x51\x8e\x65";

#define LEN(vector) (sizeof(vector) - 1)

static const struct sq_stun_key zero_key;

static struct sq_stun_msg parsed(const void *buf, size_t len)
{
    struct sq_stun_msg m;
    assert_true(sq_stun_is_message(buf, len));
    assert_int_equal(sq_stun_parse(buf, len, &m), 0);
    return m;
}

static struct sq_stun_key short_key(const char *password)
{
    struct sq_stun_key key;
    sq_stun_key_init(&key, password, strlen(password));
    return key;
}

static void assert_text(const struct sq_stun_msg *m, uint16_t type, const char *expected)
{
    struct sq_view v;
    assert_int_equal(sq_stun_get_text(m, type, &v), 0);
    assert_true(sq_view_is(v, expected));
}

static void rfc5769_request(void **state)
{
    struct sq_stun_msg m = parsed(request, LEN(request));
    assert_int_equal(m.cls, SQ_STUN_REQUEST);
    assert_int_equal(m.method, SQ_STUN_BINDING);
    assert_memory_equal(m.tid, TID_5769, SQ_STUN_TID_BYTES);
    assert_text(&m, SQ_STUN_SOFTWARE, "STUN test client");
    assert_text(&m, SQ_STUN_USERNAME, "evtj:h6vY");
    uint32_t priority;
    assert_int_equal(sq_stun_get_u32(&m, SQ_STUN_PRIORITY, &priority), 0);
    assert_int_equal(priority, 0x6e0001ff);
    uint64_t tie;
    assert_int_equal(sq_stun_get_u64(&m, SQ_STUN_ICE_CONTROLLED, &tie), 0);
    assert_int_equal(tie, 0x932ff9b151263b36);
    struct sq_stun_key key = short_key(PASSWORD);
    assert_int_equal(sq_stun_check_integrity(&m, &key), 0);
    assert_int_equal(sq_stun_check_fingerprint(&m), 0);
    struct sq_stun_key wrong = short_key("VOkJxbRl1RmTxUk/WvJxBu");
    assert_int_equal(sq_stun_check_integrity(&m, &wrong), SQ_ERR_AUTH);
}

static void rfc5769_responses(void **state)
{
    struct sq_stun_key key = short_key(PASSWORD);
    static const struct {
        const char *bytes;
        size_t len;
        const char *ip;
    } cases[] = {
        {response4, LEN(response4), "192.0.2.1"},
        {response6, LEN(response6), "2001:db8:1234:5678:11:2233:4455:6677"},
    };
    for (size_t i = 0; i < 2; i++) {
        struct sq_stun_msg m = parsed(cases[i].bytes, cases[i].len);
        assert_int_equal(m.cls, SQ_STUN_SUCCESS);
        assert_text(&m, SQ_STUN_SOFTWARE, "test vector");
        struct sq_addr got, expected;
        assert_int_equal(sq_stun_get_xor_addr(&m, SQ_STUN_XOR_MAPPED_ADDRESS, &got), 0);
        assert_int_equal(sq_addr_parse(cases[i].ip, 32853, &expected), 0);
        assert_true(sq_addr_equal(&got, &expected));
        assert_int_equal(sq_stun_check_integrity(&m, &key), 0);
        assert_int_equal(sq_stun_check_fingerprint(&m), 0);
    }
}

/* Writing the same values gives the same bytes (the padding of these two is zero or none). */
static void rfc5769_response_written(void **state)
{
    struct sq_stun_key key = short_key(PASSWORD);
    uint8_t buf[256];
    struct sq_addr a;
    assert_int_equal(sq_addr_parse("2001:db8:1234:5678:11:2233:4455:6677", 32853, &a), 0);
    struct sq_stun_writer w = sq_stun_begin(buf, sizeof(buf), SQ_STUN_SUCCESS, SQ_STUN_BINDING,
                                            (const uint8_t *)TID_5769);
    /* The vector pads with a space: the text is given with it, and its length mended. */
    sq_stun_put(&w, SQ_STUN_SOFTWARE, "test vector ", 12);
    buf[23] = 11;
    sq_stun_put_xor_addr(&w, SQ_STUN_XOR_MAPPED_ADDRESS, &a);
    sq_stun_put_integrity(&w, &key);
    sq_stun_put_fingerprint(&w);
    size_t len;
    assert_int_equal(sq_stun_end(&w, &len), 0);
    assert_int_equal(len, LEN(response6));
    assert_memory_equal(buf, response6, len);
}

static void rfc5769_long_term(void **state)
{
    struct sq_stun_msg m = parsed(long_term, LEN(long_term));
    assert_text(&m, SQ_STUN_USERNAME, MATRIX_USER);
    assert_text(&m, SQ_STUN_NONCE, LONG_NONCE);
    assert_text(&m, SQ_STUN_REALM, "example.org");
    struct sq_stun_key key;
    assert_int_equal(sq_stun_key_long_term(MATRIX_USER, "example.org", "TheMatrIX", false, &key),
                     0);
    assert_int_equal(sq_stun_check_integrity(&m, &key), 0);
    assert_int_equal(sq_stun_check_fingerprint(&m), SQ_ERR_NOTFOUND);
    uint8_t buf[256];
    size_t len;
    struct sq_stun_writer w =
        sq_stun_begin(buf, sizeof(buf), SQ_STUN_REQUEST, SQ_STUN_BINDING, m.tid);
    sq_stun_put_text(&w, SQ_STUN_USERNAME, MATRIX_USER);
    sq_stun_put_text(&w, SQ_STUN_NONCE, LONG_NONCE);
    sq_stun_put_text(&w, SQ_STUN_REALM, "example.org");
    sq_stun_put_integrity(&w, &key);
    assert_int_equal(sq_stun_end(&w, &len), 0);
    assert_int_equal(len, LEN(long_term));
    assert_memory_equal(buf, long_term, len);
}

static void rfc8489_b1(void **state)
{
    struct sq_stun_msg m = parsed(long_term256, LEN(long_term256));
    uint8_t hash[32];
    struct sq_stun_attr a;
    assert_int_equal(sq_stun_userhash(MATRIX_USER, "example.org", hash), 0);
    assert_true(sq_stun_find(&m, SQ_STUN_USERHASH, &a));
    assert_int_equal(a.len, 32);
    assert_memory_equal(a.value, hash, 32);
    assert_text(&m, SQ_STUN_NONCE, LONG_NONCE_B);
    uint32_t algorithm;
    assert_int_equal(sq_stun_get_u32(&m, SQ_STUN_PASSWORD_ALGORITHM, &algorithm), 0);
    assert_int_equal(algorithm, 0x00020000);
    struct sq_stun_key key;
    assert_int_equal(sq_stun_key_long_term(MATRIX_USER, "example.org", "TheMatrIX", true, &key), 0);
    assert_int_equal(sq_stun_check_integrity(&m, &key), 0);
    uint8_t buf[256];
    size_t len;
    struct sq_stun_writer w =
        sq_stun_begin(buf, sizeof(buf), SQ_STUN_REQUEST, SQ_STUN_BINDING, m.tid);
    sq_stun_put(&w, SQ_STUN_USERHASH, hash, 32);
    sq_stun_put_text(&w, SQ_STUN_NONCE, LONG_NONCE_B);
    sq_stun_put_text(&w, SQ_STUN_REALM, "example.org");
    sq_stun_put_u32(&w, SQ_STUN_PASSWORD_ALGORITHM, 0x00020000);
    sq_stun_put_integrity_sha256(&w, &key);
    assert_int_equal(sq_stun_end(&w, &len), 0);
    assert_int_equal(len, LEN(long_term256));
    assert_memory_equal(buf, long_term256, len);
}

/* Secrets around and above a block, held against OpenSSL's own HMAC. */
static void keys_of_any_length(void **state)
{
    uint8_t secret[200], buf[64], mac[32];
    static const uint8_t tid[12] = {7};
    static const size_t lengths[] = {0, 1, 22, 63, 64, 65, 127, 200};
    for (size_t i = 0; i < sizeof(secret); i++) {
        secret[i] = (uint8_t)(i * 7 + 1);
    }
    for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
        struct sq_stun_key key;
        unsigned mac_len;
        size_t len;
        sq_stun_key_init(&key, secret, lengths[i]);
        struct sq_stun_writer w =
            sq_stun_begin(buf, sizeof(buf), SQ_STUN_REQUEST, SQ_STUN_BINDING, tid);
        sq_stun_put_integrity(&w, &key);
        assert_int_equal(sq_stun_end(&w, &len), 0);
        assert_non_null(HMAC(EVP_sha1(), secret, (int)lengths[i], buf, 20, mac, &mac_len));
        assert_memory_equal(buf + 24, mac, 20);
        w = sq_stun_begin(buf, sizeof(buf), SQ_STUN_REQUEST, SQ_STUN_BINDING, tid);
        sq_stun_put_integrity_sha256(&w, &key);
        assert_int_equal(sq_stun_end(&w, &len), 0);
        assert_non_null(HMAC(EVP_sha256(), secret, (int)lengths[i], buf, 20, mac, &mac_len));
        assert_memory_equal(buf + 24, mac, 32);
    }
}

static void errors_and_unknown(void **state)
{
    uint8_t buf[256];
    size_t len;
    static const uint8_t tid[12] = {1, 2, 3};
    struct sq_stun_writer w = sq_stun_begin(buf, sizeof(buf), SQ_STUN_ERROR, SQ_STUN_ALLOCATE, tid);
    sq_stun_put_error(&w, 420, NULL);
    static const uint16_t types[3] = {0x0024, 0x7777, 0x0025};
    sq_stun_put_unknown(&w, types, 3);
    struct sq_addr a, got;
    assert_int_equal(sq_addr_parse("198.51.100.7", 3478, &a), 0);
    sq_stun_put_addr(&w, SQ_STUN_ALTERNATE_SERVER, &a);
    sq_stun_put_addr(&w, SQ_STUN_MAPPED_ADDRESS, &a);
    assert_int_equal(sq_stun_end(&w, &len), 0);
    struct sq_stun_msg m = parsed(buf, len);
    assert_int_equal(m.cls, SQ_STUN_ERROR);
    assert_int_equal(m.method, SQ_STUN_ALLOCATE);
    int code;
    struct sq_view reason;
    assert_int_equal(sq_stun_get_error(&m, &code, &reason), 0);
    assert_int_equal(code, 420);
    assert_true(sq_view_is(reason, "Unknown Attribute"));
    assert_int_equal(sq_stun_get_addr(&m, SQ_STUN_ALTERNATE_SERVER, &got), 0);
    assert_true(sq_addr_equal(&a, &got));
    struct sq_stun_attr attr;
    assert_true(sq_stun_find(&m, SQ_STUN_UNKNOWN_ATTRIBUTES, &attr));
    assert_int_equal(attr.len, 6);
    static const uint16_t known[] = {SQ_STUN_ERROR_CODE, SQ_STUN_UNKNOWN_ATTRIBUTES};
    uint16_t unknown[4];
    assert_int_equal(sq_stun_unknown(&m, known, 2, unknown, 4), 1);
    assert_int_equal(unknown[0], SQ_STUN_MAPPED_ADDRESS);
    assert_int_equal(sq_stun_check_integrity(&m, &zero_key), SQ_ERR_NOTFOUND);
    uint32_t n;
    assert_int_equal(sq_stun_get_u32(&m, SQ_STUN_MAPPED_ADDRESS, &n), SQ_ERR_FORMAT);
    assert_int_equal(sq_stun_get_u32(&m, SQ_STUN_PRIORITY, &n), SQ_ERR_NOTFOUND);
}

static void classes_and_methods(void **state)
{
    for (unsigned cls = 0; cls < 4; cls++) {
        for (unsigned method = 0; method < 0x100; method++) {
            /* The methods that RFC 7983 leaves to STUN: a first byte below 4. */
            uint8_t buf[20];
            static const uint8_t tid[12] = {3};
            size_t len;
            struct sq_stun_writer w =
                sq_stun_begin(buf, sizeof(buf), (enum sq_stun_class)cls, (uint16_t)method, tid);
            assert_int_equal(sq_stun_end(&w, &len), 0);
            struct sq_stun_msg m = parsed(buf, len);
            assert_int_equal(m.cls, cls);
            assert_int_equal(m.method, method);
        }
    }
}

/* Attributes behind the integrity are not believed, and none may stand behind the fingerprint. */
static void order_of_the_end(void **state)
{
    uint8_t buf[256];
    size_t len;
    static const uint8_t tid[12] = {9};
    struct sq_stun_key key = short_key("secret");
    struct sq_stun_writer w =
        sq_stun_begin(buf, sizeof(buf), SQ_STUN_REQUEST, SQ_STUN_BINDING, tid);
    sq_stun_put_text(&w, SQ_STUN_USERNAME, "a:b");
    sq_stun_put_integrity(&w, &key);
    sq_stun_put(&w, SQ_STUN_USE_CANDIDATE, NULL, 0);
    sq_stun_put_integrity_sha256(&w, &key);
    sq_stun_put_fingerprint(&w);
    assert_int_equal(sq_stun_end(&w, &len), 0);
    struct sq_stun_msg m = parsed(buf, len);
    assert_false(sq_stun_has(&m, SQ_STUN_USE_CANDIDATE));
    assert_true(sq_stun_has(&m, SQ_STUN_USERNAME));
    assert_int_equal(sq_stun_check_integrity(&m, &key), 0);
    sq_stun_put_u32(&w, SQ_STUN_PRIORITY, 1);
    assert_int_equal(sq_stun_end(&w, &len), 0);
    assert_int_equal(sq_stun_parse(buf, len, &m), SQ_ERR_FORMAT);
}

static void too_small_or_wrong(void **state)
{
    uint8_t buf[64];
    size_t len = 77;
    static const uint8_t tid[12] = {0};
    for (size_t room = 0; room < 32; room++) {
        struct sq_stun_writer w = sq_stun_begin(buf, room, SQ_STUN_REQUEST, SQ_STUN_BINDING, tid);
        sq_stun_put_u64(&w, SQ_STUN_ICE_CONTROLLED, 1);
        sq_stun_put_integrity(&w, &zero_key);
        sq_stun_put_fingerprint(&w);
        assert_int_equal(sq_stun_end(&w, &len), SQ_ERR_NOSPACE);
    }
    assert_int_equal(len, 77);
    struct sq_stun_writer w =
        sq_stun_begin(buf, sizeof(buf), SQ_STUN_REQUEST, SQ_STUN_BINDING, tid);
    sq_stun_put_error(&w, 200, NULL);
    assert_int_equal(sq_stun_end(&w, &len), SQ_ERR_INVALID);
    w = sq_stun_begin(buf, sizeof(buf), SQ_STUN_REQUEST, SQ_STUN_BINDING, tid);
    struct sq_addr none;
    memset(&none, 0, sizeof(none));
    sq_stun_put_xor_addr(&w, SQ_STUN_XOR_MAPPED_ADDRESS, &none);
    assert_int_equal(sq_stun_end(&w, &len), SQ_ERR_INVALID);
}

static void not_stun(void **state)
{
    assert_false(sq_stun_is_message("\x80\x60", 2)); /* RTP */
    char copy[sizeof(request)];
    memcpy(copy, request, sizeof(request));
    copy[0] = 22; /* DTLS */
    assert_false(sq_stun_is_message(copy, LEN(request)));
    copy[0] = 0x40; /* TURN channel */
    assert_false(sq_stun_is_message(copy, LEN(request)));
    copy[0] = 0;
    copy[4] ^= 1; /* the cookie */
    assert_false(sq_stun_is_message(copy, LEN(request)));
    assert_false(sq_stun_is_message(request, 19));
}

/* Exact heap blocks, so that a sanitizer sees a read past the end. */
static void parse_exact(const uint8_t *bytes, size_t len)
{
    uint8_t *exact = malloc(len ? len : 1);
    assert_non_null(exact);
    memcpy(exact, bytes, len);
    struct sq_stun_msg m;
    struct sq_stun_key key = short_key("k");
    if (sq_stun_parse(exact, len, &m) == 0) {
        struct sq_stun_attr a;
        unsigned sum = 0;
        for (size_t pos = 0; sq_stun_next(&m, &pos, &a);) {
            for (size_t i = 0; i < a.len; i++) {
                sum += a.value[i];
            }
            struct sq_addr addr;
            int code;
            (void)!sq_stun_get_addr(&m, a.type, &addr);
            (void)!sq_stun_get_xor_addr(&m, a.type, &addr);
            (void)!sq_stun_get_error(&m, &code, NULL);
        }
        assert_int_not_equal(sq_stun_check_integrity(&m, &key), 0);
        (void)!sq_stun_check_fingerprint(&m);
        (void)sum;
    }
    free(exact);
}

static void every_cut_and_many_mutations(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
    } all[] = {{request, LEN(request)},
               {response4, LEN(response4)},
               {response6, LEN(response6)},
               {long_term, LEN(long_term)},
               {long_term256, LEN(long_term256)}};
    struct sq_rand r;
    sq_rand_seed(&r, 5769);
    for (size_t v = 0; v < 5; v++) {
        struct sq_stun_msg m;
        for (size_t cut = 0; cut < all[v].len; cut++) {
            assert_true(sq_stun_parse(all[v].bytes, cut, &m) < 0);
            uint8_t mended[256];
            memcpy(mended, all[v].bytes, cut);
            if (cut >= 20) {
                sq_store_u16(mended + 2, (uint16_t)(cut - 20));
                parse_exact(mended, cut);
            }
        }
        for (int round = 0; round < 4000; round++) {
            uint8_t mutated[256];
            memcpy(mutated, all[v].bytes, all[v].len);
            for (uint32_t n = 1 + sq_rand_below(&r, 4); n > 0; n--) {
                mutated[sq_rand_below(&r, (uint32_t)all[v].len)] = (uint8_t)sq_rand_u32(&r);
            }
            parse_exact(mutated, all[v].len);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rfc5769_request),
        cmocka_unit_test(rfc5769_responses),
        cmocka_unit_test(rfc5769_response_written),
        cmocka_unit_test(rfc5769_long_term),
        cmocka_unit_test(rfc8489_b1),
        cmocka_unit_test(keys_of_any_length),
        cmocka_unit_test(errors_and_unknown),
        cmocka_unit_test(classes_and_methods),
        cmocka_unit_test(order_of_the_end),
        cmocka_unit_test(too_small_or_wrong),
        cmocka_unit_test(not_stun),
        cmocka_unit_test(every_cut_and_many_mutations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
