/* Codes of `squall pair`: every variant there and back, slips that are named, descriptions. */
#include "base/mem.h"
#include "signal/pair/pair_sdp.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Computed apart from this code, with Python's hashlib and int.to_bytes: an offer with media,
 * fingerprint 00 01 … 1F, one IPv4 host 192.0.2.1:50000. */
static const char vector[] =
    "410000820C20A1G7104GM2RC1M70Y40H289H858P2WC1J6GV3GEHW7Y000103GTGGE7T6";

static char why[SQ_PAIR_WHY_MAX];

static struct sq_addr addr_of(const char *ip, unsigned port)
{
    struct sq_addr addr;
    assert_int_equal(sq_addr_parse(ip, (uint16_t)port, &addr), 0);
    return addr;
}

static struct sq_pair_code make(void)
{
    struct sq_pair_code code = {.media = true, .candidates_len = 1};
    for (size_t i = 0; i < SQ_SHA256_BYTES; i++) {
        code.fingerprint[i] = (uint8_t)i;
    }
    code.candidates[0] = (struct sq_pair_candidate){addr_of("192.0.2.1", 50000), false};
    return code;
}

/* Without the hyphens. */
static void plain_text(const struct sq_pair_code *code, char *out)
{
    char text[SQ_PAIR_TEXT_MAX];
    assert_int_equal(sq_pair_encode(code, text), 0);
    for (const char *c = text; *c; c++) {
        if (*c != '-') {
            *out++ = *c;
        }
    }
    *out = '\0';
}

static void same(const struct sq_pair_code *a, const struct sq_pair_code *b)
{
    assert_int_equal(a->answer, b->answer);
    assert_int_equal(a->media, b->media);
    assert_int_equal(a->offer_tag, b->offer_tag);
    assert_memory_equal(a->fingerprint, b->fingerprint, SQ_SHA256_BYTES);
    assert_int_equal(a->candidates_len, b->candidates_len);
    for (size_t i = 0; i < a->candidates_len; i++) {
        assert_int_equal(a->candidates[i].srflx, b->candidates[i].srflx);
        assert_true(sq_addr_equal(&a->candidates[i].addr, &b->candidates[i].addr));
    }
}

static void a_known_code(void **state)
{
    (void)state;
    struct sq_pair_code code = make(), back;
    char text[SQ_PAIR_TEXT_MAX];
    plain_text(&code, text);
    assert_string_equal(text, vector);
    assert_int_equal(sq_pair_decode(vector, &back, why), 0);
    same(&code, &back);
    uint8_t tag;
    assert_int_equal(sq_pair_tag(code.fingerprint, &tag), 0);
    assert_int_equal(tag, 0x63);
}

static void every_variant_there_and_back(void **state)
{
    (void)state;
    unsigned tried = 0;
    for (unsigned counts = 1; counts < 256; counts++) {
        for (unsigned flags = 0; flags < 4; flags++) {
            struct sq_pair_code code = make(), back;
            char text[SQ_PAIR_TEXT_MAX];
            code.answer = flags & 1;
            code.media = flags & 2;
            code.offer_tag = code.answer ? (uint8_t)counts : 0;
            code.candidates_len = 0;
            for (unsigned kind = 0; kind < 4; kind++) {
                for (unsigned i = 0; i < (counts >> (6 - 2 * kind) & 3); i++) {
                    char ip[64];
                    snprintf(ip, sizeof(ip), kind & 1 ? "2001:db8::%u:%u" : "203.0.%u.%u", kind, i);
                    code.candidates[code.candidates_len++] =
                        (struct sq_pair_candidate){addr_of(ip, 1024 + counts * 200 + i), kind >= 2};
                }
            }
            assert_int_equal(sq_pair_encode(&code, text), 0);
            assert_true(strlen(text) < SQ_PAIR_TEXT_MAX);
            assert_int_equal(sq_pair_decode(text, &back, why), 0);
            same(&code, &back);
            tried++;
        }
    }
    assert_int_equal(tried, 255 * 4);
}

/* What the README promises: about 100 characters. */
static void usual_codes_are_short(void **state)
{
    (void)state;
    struct sq_pair_code code = make();
    char text[SQ_PAIR_TEXT_MAX];
    plain_text(&code, text);
    assert_int_equal(strlen(text), 69);
    code.answer = true;
    code.candidates[code.candidates_len++] =
        (struct sq_pair_candidate){addr_of("198.51.100.7", 40000), true};
    plain_text(&code, text);
    assert_int_equal(strlen(text), 80);
    code.candidates[code.candidates_len++] =
        (struct sq_pair_candidate){addr_of("2001:db8::1", 40000), false};
    plain_text(&code, text);
    assert_int_equal(strlen(text), 109);
}

static void people_write_it_differently(void **state)
{
    (void)state;
    struct sq_pair_code code = make(), back;
    char text[2 * sizeof(vector)];
    size_t n = 0;
    for (const char *c = vector; *c; c++) {
        text[n] = *c == '0' ? 'o' : *c == '1' ? "iIlL"[n % 4] : (char)(*c | (*c >= 'A' ? 32 : 0));
        n++;
        if (n % 7 == 0) {
            text[n] = " -\n\t"[n / 7 % 4];
            n++;
        }
    }
    text[n] = '\0';
    assert_int_equal(sq_pair_decode(text, &back, why), 0);
    same(&code, &back);
}

/* Each character, changed into each other one, is found and named, with what it should be. */
static void a_wrong_character_is_named(void **state)
{
    (void)state;
    static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    char text[sizeof(vector)];
    char expected[64];
    unsigned named = 0, tried = 0;
    for (size_t i = 0; i < strlen(vector); i++) {
        for (size_t d = 0; d < 32; d++) {
            struct sq_pair_code back;
            memcpy(text, vector, sizeof(vector));
            text[i] = alphabet[d];
            if (text[i] == vector[i]) {
                continue;
            }
            tried++;
            assert_int_equal(sq_pair_decode(text, &back, why), SQ_ERR_FORMAT);
            snprintf(expected, sizeof(expected), "character %zu (group %zu) is '%c'", i + 1,
                     i / 8 + 1, text[i]);
            named += strstr(why, expected) && strstr(why, "right as") &&
                     strstr(why, "right as")[10] == vector[i];
        }
    }
    /* Where another single change would do as well nothing is claimed: 24 bits leave 1 in 8,000. */
    assert_true(named + 3 >= tried);
    assert_int_equal(tried, 69 * 31);
}

static void a_swap_is_named(void **state)
{
    (void)state;
    struct sq_pair_code back;
    char text[sizeof(vector)];
    memcpy(text, vector, sizeof(vector));
    text[17] = vector[18];
    text[18] = vector[17];
    assert_int_equal(sq_pair_decode(text, &back, why), SQ_ERR_FORMAT);
    assert_string_equal(why,
                        "the code has a slip: characters 18 and 19 (group 3) seem to be swapped, "
                        "'04' would be right");
}

static void refused(const char *text, int err, const char *sentence)
{
    struct sq_pair_code back;
    assert_int_equal(sq_pair_decode(text, &back, why), err);
    assert_string_equal(why, sentence);
}

static void other_slips(void **state)
{
    (void)state;
    char text[sizeof(vector) + SQ_PAIR_CHARS_MAX];
    refused("", SQ_ERR_FORMAT, "the code is too short: 0 characters, the shortest has 69");
    refused("4100-00u2", SQ_ERR_FORMAT,
            "character 7 is 'u'"
            ", which no code contains");
    refused("41\xc3\xa4", SQ_ERR_FORMAT, "character 3 is none that a code contains");
    snprintf(text, sizeof(text), "%.40s%s", vector, vector + 41); /* one is missing */
    refused(text, SQ_ERR_FORMAT,
            "the code has 68 characters, and one that begins like this has 69 (hyphens left out)");
    memcpy(text, vector, sizeof(vector)); /* two wrong ones */
    text[20] = 'Z';
    text[40] = 'Z';
    refused(text, SQ_ERR_FORMAT,
            "the code's sum is wrong: more than one character is mistyped, or some are missing");
    memset(text, '0', SQ_PAIR_CHARS_MAX + 1);
    text[SQ_PAIR_CHARS_MAX + 1] = '\0';
    refused(text, SQ_ERR_FORMAT, "the code is too long: it has at most 292 characters");
}

/* A sum that is right over a version to come: told as that. */
static void another_version(void **state)
{
    (void)state;
    refused(
        "810000820C20A1G7104GM2RC1M70Y40H289H858P2WC1J6GV3GEHW7Y000103GTGAVW10", SQ_ERR_UNSUPPORTED,
        "the code is of version 2, and this squall knows version 1: use the same squall on both "
        "machines");
}

static void what_cannot_be_written(void **state)
{
    (void)state;
    struct sq_pair_code code = make();
    char text[SQ_PAIR_TEXT_MAX];
    code.candidates_len = 0;
    assert_int_equal(sq_pair_encode(&code, text), SQ_ERR_INVALID);
    code.candidates_len = 4; /* of one kind: the count has two bits */
    for (size_t i = 0; i < 4; i++) {
        code.candidates[i] =
            (struct sq_pair_candidate){addr_of("192.0.2.1", 1000 + (unsigned)i), false};
    }
    assert_int_equal(sq_pair_encode(&code, text), SQ_ERR_INVALID);
}

static void credentials_follow_from_the_fingerprint(void **state)
{
    (void)state;
    struct sq_pair_code code = make();
    struct sq_derived_ice ice;
    assert_int_equal(sq_derive_ice(code.fingerprint, &ice), 0);
    assert_string_equal(ice.ufrag, "gEkQLlZ1"); /* Python's hashlib and base64 */
    assert_string_equal(ice.pwd, "bLnLkNt2Xu8YiE4TQmdRzhMI");
}

static void descriptions_there_and_back(void **state)
{
    (void)state;
    struct sq_pair_code code = make();
    code.candidates[1] = (struct sq_pair_candidate){addr_of("2001:db8::5", 4000), false};
    code.candidates[2] = (struct sq_pair_candidate){addr_of("198.51.100.7", 5000), true};
    code.candidates_len = 3;
    for (int answer = 0; answer < 2; answer++) {
        struct sq_pair_code back = {.answer = answer, .media = true};
        char *sdp;
        code.answer = answer;
        assert_int_equal(sq_pair_to_sdp(&code, &sdp), 0);
        assert_non_null(strstr(sdp, answer ? "a=setup:active\r\n" : "a=setup:actpass\r\n"));
        assert_non_null(strstr(sdp, "typ srflx raddr 0.0.0.0 rport 0\r\n"));
        assert_int_equal(sq_pair_from_sdp(sdp, &back), 0);
        same(&code, &back);
        sq_free(sdp);
    }
    struct sq_pair_code none = {0};
    assert_int_equal(sq_pair_from_sdp("v=0\r\n", &none), SQ_ERR_FORMAT);
    assert_int_equal(sq_pair_from_sdp("a=fingerprint:sha-256 00:11\r\n", &none), SQ_ERR_FORMAT);
}

static void candidates_that_have_no_place(void **state)
{
    (void)state;
    struct sq_pair_code code = {0};
    assert_true(sq_pair_add_candidate(&code, "candidate:1 1 udp 9 10.0.0.1 1000 typ host"));
    assert_false(sq_pair_add_candidate(&code, "candidate:1 1 udp 9 10.0.0.1 1000 typ host"));
    assert_true(sq_pair_add_candidate(&code, "candidate:1 1 udp 9 10.0.0.2 1000 typ host"));
    assert_false(sq_pair_add_candidate(&code, "candidate:1 1 udp 9 10.0.0.3 1000 typ host"));
    assert_true(sq_pair_add_candidate(&code, "candidate:1 1 udp 9 2001:db8::1 1000 typ host"));
    assert_false(sq_pair_add_candidate(&code, "candidate:1 1 udp 9 2001:db8::2 1000 typ host"));
    assert_false(
        sq_pair_add_candidate(&code, "candidate:1 1 tcp 9 10.0.0.4 9 typ host tcptype active"));
    assert_false(sq_pair_add_candidate(
        &code, "candidate:1 1 udp 9 10.0.0.4 9 typ relay raddr 0.0.0.0 rport 0"));
    assert_false(sq_pair_add_candidate(&code, "nonsense"));
    assert_int_equal(code.candidates_len, 3);
}

static void without_memory(void **state)
{
    (void)state;
    struct sq_pair_code code = make();
    for (size_t nth = 1;; nth++) {
        char *sdp = NULL;
        sq_mem_fail_at(nth);
        int err = sq_pair_to_sdp(&code, &sdp);
        sq_mem_fail_at(0);
        if (!err) {
            sq_free(sdp);
            assert_true(nth > 1);
            break;
        }
        assert_int_equal(err, SQ_ERR_NOMEM);
        assert_null(sdp);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_known_code),
        cmocka_unit_test(every_variant_there_and_back),
        cmocka_unit_test(usual_codes_are_short),
        cmocka_unit_test(people_write_it_differently),
        cmocka_unit_test(a_wrong_character_is_named),
        cmocka_unit_test(a_swap_is_named),
        cmocka_unit_test(other_slips),
        cmocka_unit_test(another_version),
        cmocka_unit_test(what_cannot_be_written),
        cmocka_unit_test(credentials_follow_from_the_fingerprint),
        cmocka_unit_test(descriptions_there_and_back),
        cmocka_unit_test(candidates_that_have_no_place),
        cmocka_unit_test(without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
