#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/run_metrics.h"
#include <string.h>

static void places_are_checked(void **state)
{
    static const char *const good[] = {"9464",        "0",          "0.0.0.0:9464",
                                       "127.0.0.1:0", "[::1]:9464", ":9464"};
    static const char *const bad[] = {"",          "x",        "70000", "host:9464", "::1:9464",
                                      "127.0.0.1", "1.2.3.4:", "-1",    "[::1]",     "[]:1x"};
    char why[256];
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
        assert_int_equal(sq_run_metrics_check(good[i], NULL, why, sizeof(why)), 0);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        assert_int_equal(sq_run_metrics_check(bad[i], NULL, why, sizeof(why)), SQ_ERR_INVALID);
        assert_non_null(strstr(why, "--prometheus "));
        assert_non_null(strstr(why, "expected [ADDR:]PORT"));
    }
}

static void gateways_are_checked(void **state)
{
    static const char *const good[] = {"http://gw:9091", "https://gw/",
                                       "http://[::1]:9091/metrics/job/x",
                                       "http://gw/prefix/metrics/job/a/instance/b"};
    static const char *const bad[] = {"", "gw:9091", "ftp://gw/", "http://", "http://gw?x=y"};
    char why[256];
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
        assert_int_equal(sq_run_metrics_check(NULL, good[i], why, sizeof(why)), 0);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        assert_int_equal(sq_run_metrics_check(NULL, bad[i], why, sizeof(why)), SQ_ERR_INVALID);
        assert_non_null(strstr(why, "--prometheus-push "));
    }
    /* A key in the query is not told. */
    assert_int_equal(sq_run_metrics_check(NULL, "ftp://gw/?key=secret", why, sizeof(why)),
                     SQ_ERR_INVALID);
    assert_null(strstr(why, "secret"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places_are_checked),
        cmocka_unit_test(gateways_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
