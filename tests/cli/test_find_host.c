/* How STUN servers are written. Literal addresses: nothing is looked up. */
#include "cli/find_host.h"
#include "net/on_loop.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static char why[512];

static void servers_that_are_right(void **state)
{
    static const struct {
        const char *text, *addr;
    } cases[] = {
        {"127.0.0.1", "127.0.0.1:3478"},
        {"127.0.0.1:5000", "127.0.0.1:5000"},
        {"stun:127.0.0.1:1", "127.0.0.1:1"},
        {"::1", "[::1]:3478"},
        {"[::1]", "[::1]:3478"},
        {"[::1]:5000", "[::1]:5000"},
        {"stun:[2001:db8::1]:65535", "[2001:db8::1]:65535"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct sq_addr addr;
        char text[SQ_ADDR_TEXT_MAX];
        if (sq_find_stun(loop, cases[i].text, &addr, why, sizeof(why)) != 0) {
            fail_msg("%s", why);
        }
        assert_string_equal(sq_addr_format(&addr, text), cases[i].addr);
    }
}

static void servers_that_are_wrong(void **state)
{
    static const char *const texts[] = {
        "",           ":",           ":3478",     "127.0.0.1:0", "127.0.0.1:65536",
        "127.0.0.1:", "127.0.0.1:x", "[::1",      "[::1]x",      "[]:1",
        "[::1]:",     "[::1]:0",     "::1:99999", "a:b:c",       "stun:"};
    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        struct sq_addr addr;
        if (sq_find_stun(loop, texts[i], &addr, why, sizeof(why)) != SQ_ERR_INVALID) {
            fail_msg("'%s' was taken", texts[i]);
        }
        assert_non_null(strstr(why, "expected HOST, HOST:PORT or [IPv6]:PORT"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(servers_that_are_right),
        cmocka_unit_test(servers_that_are_wrong),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
