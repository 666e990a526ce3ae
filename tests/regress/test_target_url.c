/* Targets that were taken though no host can be meant (found by fuzz_target_url). */
#include "signal/target.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void hosts_that_are_none(void **state)
{
    (void)state;
    static const char *const urls[] = {
        "janus+ws://h[st:8188/janus?plugin=echotest",
        "whip+http://h ost/",
        "whip+http://host\r\nX-Evil: 1/",
        "whip+http://[::1\n]/",
        "whip+http://a\"b/",
        "room+ws://a<b>/",
    };
    for (size_t i = 0; i < sizeof(urls) / sizeof(*urls); i++) {
        struct sq_target target;
        char why[320] = "";
        assert_int_equal(sq_target_parse(urls[i], &target, why, sizeof(why)), SQ_ERR_INVALID);
        assert_non_null(strstr(why, "target"));
    }
}

static void hosts_that_are(void **state)
{
    (void)state;
    static const char *const urls[] = {
        "whip+http://localhost/",        "whip+http://a-b.example.org:80/",
        "whip+http://[fe80::1%25eth0]/", "whip+http://under_score/",
        "whip+http://127.0.0.1/",        "whip+http://b\xc3\xbc.example/",
    };
    for (size_t i = 0; i < sizeof(urls) / sizeof(*urls); i++) {
        struct sq_target target;
        char why[320] = "";
        if (sq_target_parse(urls[i], &target, why, sizeof(why)) != 0) {
            fail_msg("%s: %s", urls[i], why);
        }
        sq_target_free(&target);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hosts_that_are_none),
        cmocka_unit_test(hosts_that_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
