/* TURN URIs, and messages over byte streams. */
#include "base/mem.h"
#include "peer/turn/framing.h"
#include "peer/turn/turn_url.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void expect_url(const char *text, const char *host, uint16_t port,
                       enum sq_turn_carrier carrier)
{
    struct sq_turn_url url;
    char why[128] = "";
    assert_int_equal(sq_turn_url_parse(text, &url, why, sizeof(why)), 0);
    assert_string_equal(url.host, host);
    assert_int_equal(url.port, port);
    assert_int_equal(url.carrier, carrier);
}

/* RFC 7065, appendix A, and what browsers take. */
static void test_urls(void **state)
{
    (void)state;
    expect_url("turn:example.org", "example.org", 3478, SQ_TURN_UDP);
    expect_url("turns:example.org", "example.org", 5349, SQ_TURN_TLS);
    expect_url("turn:example.org:8000", "example.org", 8000, SQ_TURN_UDP);
    expect_url("turn:example.org?transport=udp", "example.org", 3478, SQ_TURN_UDP);
    expect_url("turn:example.org?transport=tcp", "example.org", 3478, SQ_TURN_TCP);
    expect_url("turns:example.org?transport=tcp", "example.org", 5349, SQ_TURN_TLS);
    expect_url("turns:10.0.0.1:443?transport=udp", "10.0.0.1", 443, SQ_TURN_DTLS);
    expect_url("TURN:[2001:db8::1]:99?Transport=TCP", "2001:db8::1", 99, SQ_TURN_TCP);
    expect_url("turn:[::1]", "::1", 3478, SQ_TURN_UDP);
}

static void test_wrong_urls(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",
        "turn",
        "turn:",
        "stun:example.org",
        "turn://example.org",
        "turn:user:pw@example.org",
        "turn:example.org:0",
        "turn:example.org:70000",
        "turn:example.org:",
        "turn:[::1",
        "turn:[::1]x",
        "turn:[::1]:",
        "turn:a b",
        "turn:example.org?transport=sctp",
        "turn:example.org?",
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        struct sq_turn_url url;
        char why[128] = "";
        assert_int_equal(sq_turn_url_parse(wrong[i], &url, why, sizeof(why)), SQ_ERR_FORMAT);
        assert_true(why[0] != '\0');
    }
}

/* ---- Framing ---- */

struct heard {
    int n;
    size_t len[16];
    uint8_t first[16], last[16];
};

static void on_message(void *ctx, const uint8_t *message, size_t len)
{
    struct heard *h = ctx;
    assert_true(h->n < 16);
    h->first[h->n] = len ? message[0] : 0;
    h->last[h->n] = len ? message[len - 1] : 0;
    h->len[h->n++] = len;
}

/* A Binding request of 20 bytes; channel data of 5 bytes with its padding; channel data of 4. */
static const uint8_t turn_stream[] = {0,    1,    0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4,
                                      5,    6,    7, 8, 9,    10,   11,   12,               /* */
                                      0x40, 1,    0, 5, 1,    2,    3,    4,    5, 0, 0, 0, /* */
                                      0x4f, 0xff, 0, 4, 6,    7,    8,    9};
static const uint8_t rfc4571_stream[] = {0, 3, 1, 2, 3, 0, 0, 0, 1, 9};

static void test_every_cut(void **state)
{
    (void)state;
    for (size_t step = 1; step <= sizeof(turn_stream); step++) {
        struct sq_framing f = {.kind = SQ_FRAMING_TURN};
        struct heard h = {0};
        for (size_t at = 0; at < sizeof(turn_stream); at += step) {
            size_t n = sizeof(turn_stream) - at < step ? sizeof(turn_stream) - at : step;
            assert_int_equal(sq_framing_feed(&f, turn_stream + at, n, on_message, &h), 0);
        }
        assert_int_equal(h.n, 3);
        assert_int_equal(h.len[0], 20);
        assert_int_equal(h.last[0], 12);
        assert_int_equal(h.len[1], 9);
        assert_int_equal(h.last[1], 5);
        assert_int_equal(h.len[2], 8);
        assert_int_equal(h.last[2], 9);
        sq_framing_free(&f);
    }
    for (size_t step = 1; step <= sizeof(rfc4571_stream); step++) {
        struct sq_framing f = {.kind = SQ_FRAMING_RFC4571};
        struct heard h = {0};
        for (size_t at = 0; at < sizeof(rfc4571_stream); at += step) {
            size_t n = sizeof(rfc4571_stream) - at < step ? sizeof(rfc4571_stream) - at : step;
            assert_int_equal(sq_framing_feed(&f, rfc4571_stream + at, n, on_message, &h), 0);
        }
        assert_int_equal(h.n, 3);
        assert_int_equal(h.len[0], 3);
        assert_int_equal(h.len[1], 0);
        assert_int_equal(h.last[2], 9);
        sq_framing_free(&f);
    }
}

static void test_passes_over(void **state)
{
    (void)state;
    static uint8_t big[2 + 5000 + 3];
    big[0] = 5000 >> 8;
    big[1] = (uint8_t)5000;
    big[5003] = 1;
    big[5004] = 77;
    for (size_t step = 1; step < 6000; step = step * 3 + 1) {
        struct sq_framing f = {.kind = SQ_FRAMING_RFC4571};
        struct heard h = {0};
        for (size_t at = 0; at < sizeof(big); at += step) {
            size_t n = sizeof(big) - at < step ? sizeof(big) - at : step;
            assert_int_equal(sq_framing_feed(&f, big + at, n, on_message, &h), 0);
        }
        assert_int_equal(f.passed_over, 1);
        assert_int_equal(h.n, 1);
        assert_int_equal(h.first[0], 77);
        sq_framing_free(&f);
    }
}

static void test_no_such_stream(void **state)
{
    (void)state;
    static const char *const wrong[] = {"SSH-2.0-OpenSSH", "\x50\x01\x00\x01xxxx",
                                        "\x80\x01\x00\x04xxxxxxxxxxxxxxxxxxxx"};
    for (size_t i = 0; i < 3; i++) {
        struct sq_framing f = {.kind = SQ_FRAMING_TURN};
        struct heard h = {0};
        assert_int_equal(sq_framing_feed(&f, (const uint8_t *)wrong[i], 8, on_message, &h),
                         SQ_ERR_FORMAT);
        sq_framing_free(&f);
    }
    struct sq_framing f = {.kind = SQ_FRAMING_TURN};
    struct heard h = {0};
    static const uint8_t odd[] = {0, 1, 0, 3};
    assert_int_equal(sq_framing_feed(&f, odd, 4, on_message, &h), SQ_ERR_FORMAT);
    sq_framing_free(&f);
}

static void test_failing_allocations(void **state)
{
    (void)state;
    for (size_t nth = 1; nth <= 2; nth++) {
        struct sq_framing f = {.kind = SQ_FRAMING_TURN};
        struct heard h = {0};
        sq_mem_fail_at(nth);
        int err = sq_framing_feed(&f, turn_stream, 3, on_message, &h);
        err = err ? err : sq_framing_feed(&f, turn_stream + 3, 10, on_message, &h);
        sq_mem_fail_at(0);
        assert_int_equal(err, SQ_ERR_NOMEM);
        sq_framing_free(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_urls),           cmocka_unit_test(test_wrong_urls),
        cmocka_unit_test(test_every_cut),      cmocka_unit_test(test_passes_over),
        cmocka_unit_test(test_no_such_stream), cmocka_unit_test(test_failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
