/* Known values are put out of any text, however they were written into it. */
#include "base/secret.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static void values_are_masked(void **state)
{
    static const char *const cases[][2] = {
        {"Bearer S3cret/+\"x", "Bearer ***"},
        {"S3cret/+\"x and S3cret/+\"x", "*** and ***"},
        {"?k=S3cret%2F%2b%22x&b", "?k=***&b"},
        {"{\"k\":\"S3cret/+\\\"x\"}", "{\"k\":\"***\"}"},
        {"S3cret\\/\\u002b\\u0022x", "***"},
        {"nosuch-s3cret/+\"X.invalid", "nosuch-***.invalid"}, /* names of hosts know no case */
        {"it was cut: S3cret", "it was cut: ***"},
        {"it was cut: S3c", "it was cut: S3c"},
        {"S3cre or so", "S3cre or so"},
        {"ab", "ab"},
        {"", ""},
    };
    struct sq_secrets secrets = {.n = 0};
    (void)state;
    sq_secrets_add(&secrets, "S3cret/+\"x");
    sq_secrets_add(&secrets, "ab"); /* too short */
    sq_secrets_add(&secrets, NULL);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char text[80];
        snprintf(text, sizeof(text), "%s", cases[i][0]);
        sq_secrets_mask(&secrets, text);
        assert_string_equal(text, cases[i][1]);
    }
    sq_secrets_free(&secrets);
}

/* Known to nobody before: what looks like a token is told by its form. */
static void tokens_are_masked(void **state)
{
    static const struct {
        const char *text;
        bool cut;
        const char *masked;
    } cases[] = {
        {"{\"token\": \"SECRETTOKEN-7\", \"n\": 5}", false, "{\"token\": \"***\", \"n\": 5}"},
        {"no such user alice1", false, "no such user alice1"},
        {"eyJhbGciOiJIUzI1NiJ9.eyJhIjoxfQ.c2ln_a-b was refused", false, "*** was refused"},
        {"the conversation was unrecognizable", false, "the conversation was unrecognizable"},
        {"call 012345678901234", false, "call 012345678901234"},
        {"exactly abcdefghij-1 and abcdefghij1", false, "exactly *** and abcdefghij1"},
        {"the token SECRETT", true, "the token ***"},
        {"the token SEC", true, "the token SEC"},
        {"", true, ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char text[80];
        snprintf(text, sizeof(text), "%s", cases[i].text);
        sq_secret_mask_tokens(text, cases[i].cut);
        assert_string_equal(text, cases[i].masked);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(values_are_masked),
                                       cmocka_unit_test(tokens_are_masked)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
