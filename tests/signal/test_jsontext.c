/* Integers that no json_int_t holds are kept, digit by digit; all else is jansson's. */
#include "base/mem.h"
#include "signal/jsontext.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static json_t *parse(const char *text, json_error_t *error)
{
    return sq_jsontext_parse(text, strlen(text), JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, error);
}

static void big_integers_are_kept(void **state)
{
    static const char *const cases[][2] = {
        /* the document, and as it is written again; NULL: the same */
        {"12345678901234567890", NULL},
        {"9223372036854775807", NULL},
        {"9223372036854775808", NULL},
        {"-9223372036854775808", NULL},
        {"-9223372036854775809", NULL},
        {"{\"a\":[1,18446744073709551615,{\"b\":-99999999999999999999999}],\"c\":1}", NULL},
        {" [ 18446744073709551615 ,\n1.5, 0 ] ", "[18446744073709551615,1.5,0]"},
        {"[\"99999999999999999999\",99999999999999999999]", NULL},
        {"[\"a\\\"99999999999999999999\",99999999999999999999,\"\\\\\"]", NULL},
        {"{\"\\\\u0000\":99999999999999999999,\"x\":\"\\\"\\\\u00001\"}", NULL},
        {"[99999999999999999999.0]", "[1e20]"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        json_error_t error;
        json_t *root = parse(cases[i][0], &error);
        char *text = root ? sq_jsontext_of(root) : NULL;
        const char *expected = cases[i][1] ? cases[i][1] : cases[i][0];
        if (!text || strcmp(text, expected) != 0) {
            fail_msg("%s: %s, expected %s", cases[i][0], text ? text : error.text, expected);
        }
        sq_free(text);
        json_decref(root);
    }
}

static void they_are_told_from_texts(void **state)
{
    json_error_t error;
    (void)state;
    json_t *root = parse("[18446744073709551615,\"18446744073709551615\",\"\",3]", &error);
    assert_non_null(root);
    assert_string_equal(sq_jsontext_digits(json_array_get(root, 0)), "18446744073709551615");
    for (size_t i = 1; i < 5; i++) {
        assert_null(sq_jsontext_digits(json_array_get(root, i)));
    }
    assert_int_equal(json_integer_value(json_array_get(root, 3)), 3);
    json_decref(root);
}

/* What was no JSON is none; errors stand where they are. */
static void all_else_is_as_it_was(void **state)
{
    static const struct {
        const char *text, *says;
        int line, position; /* 0: wherever */
        bool number;        /* it is JSON, and has one that cannot be kept */
    } cases[] = {
        {"[1e400]", "a number that no double holds near '1e400'", 1, 6, true},
        {"[99999999999999999999,\n-1e400]", "a number that no double holds near '-1e400'", 2, 29,
         true},
        {"[99999999999999999999,\nx]", "invalid token near 'x'", 2, 24, false},
        {"[99999999999999999999", "']' expected", 1, 0, false},
        {"[99999999999999999999,\"open", "premature end of input", 1, 0, false},
        {"{99999999999999999999:1}", "NUL byte in object key", 1, 0, false},
        {"[00000000000000000000009]", "", 1, 0, false},
        {"{\"a\":99999999999999999999,\"a\":1}", "duplicate object key", 1, 0, false},
        {"[\"\\u0000\"]", "\\u0000 is not allowed", 1, 0, false},
        {"[99999999999999999999,\"\\u0000\"]", "too big integer", 1, 0, true},
        {"", "", 0, 0, false},
        {"-", "", 1, 0, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        json_error_t error;
        json_t *root = parse(cases[i].text, &error);
        bool number = json_error_code(&error) == json_error_numeric_overflow;
        if (root || !strstr(error.text, cases[i].says) || number != cases[i].number ||
            (cases[i].line && error.line != cases[i].line) ||
            (cases[i].position && error.position != cases[i].position)) {
            fail_msg("%s: %s, line %d, byte %d", cases[i].text, root ? "read" : error.text,
                     error.line, error.position);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(big_integers_are_kept),
        cmocka_unit_test(they_are_told_from_texts),
        cmocka_unit_test(all_else_is_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
