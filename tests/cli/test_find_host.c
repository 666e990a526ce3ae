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
        struct sq_host_addrs found;
        char text[SQ_ADDR_TEXT_MAX];
        if (sq_find_stun(loop, cases[i].text, &found, why, sizeof(why)) != 0) {
            fail_msg("%s", why);
        }
        assert_int_equal(found.n, 1);
        assert_string_equal(sq_addr_format(&found.addrs[0], text), cases[i].addr);
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
        struct sq_host_addrs found;
        if (sq_find_stun(loop, texts[i], &found, why, sizeof(why)) != SQ_ERR_INVALID) {
            fail_msg("'%s' was taken", texts[i]);
        }
        assert_non_null(strstr(why, "expected HOST, HOST:PORT or [IPv6]:PORT"));
    }
}

/* All but the number is right: it is blamed, with its range. */
static void ports_that_are_none(void **state)
{
    static const struct {
        const char *text, *end; /* NULL: no number is wrong */
    } cases[] = {{"127.0.0.1:0", " with a port from 1 to 65535, not 0"},
                 {"[::1]:0", " with a port from 1 to 65535, not 0"},
                 {"stun:example.com:65536", " with a port from 1 to 65535, not 65536"},
                 {"127.0.0.1:x", NULL},
                 {"127.0.0.1:", NULL},
                 {":0", NULL}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct sq_host_addrs found;
        assert_int_equal(sq_find_stun(loop, cases[i].text, &found, why, sizeof(why)),
                         SQ_ERR_INVALID);
        const char *end = strstr(why, "[IPv6]:PORT");
        assert_non_null(end);
        assert_string_equal(end + strlen("[IPv6]:PORT"), cases[i].end ? cases[i].end : "");
    }
}

static struct sq_addr ip(const char *text)
{
    struct sq_addr addr;
    assert_int_equal(sq_addr_parse(text, 0, &addr), 0);
    return addr;
}

/* "localhost" is both 127.0.0.1 and ::1 (RFC 6761, section 6.3), without a look at any file. */
static void a_name_of_both_families(void **state)
{
    struct sq_host_addrs found;
    char text[SQ_ADDR_TEXT_MAX];
    (void)state;
    assert_int_equal(sq_find_stun(loop, "localhost:5000", &found, why, sizeof(why)), 0);
    assert_int_equal(found.n, 2);
    assert_string_equal(sq_addr_format(&found.addrs[0], text), "127.0.0.1:5000");
    assert_string_equal(sq_addr_format(&found.addrs[1], text), "[::1]:5000");
    /* A TURN server is reached by the family that our own candidates have, if it has that. */
    const struct sq_addr v4 = ip("10.0.0.1"), v6[] = {ip("2001:db8::1"), ip("2001:db8::2")};
    struct sq_addr chosen = sq_host_addr_like(&found, v6, 2);
    assert_string_equal(sq_addr_format(&chosen, text), "[::1]:5000");
    chosen = sq_host_addr_like(&found, &v4, 1);
    assert_string_equal(sq_addr_format(&chosen, text), "127.0.0.1:5000");
    found.n = 1;
    chosen = sq_host_addr_like(&found, v6, 2);
    assert_string_equal(sq_addr_format(&chosen, text), "127.0.0.1:5000");
}

static void all_stun_servers(void **state)
{
    const struct sq_addr v4 = ip("10.0.0.1"), here = ip("127.0.0.1");
    struct sq_option_list list = {.items = {"localhost", "192.0.2.1", "[2001:db8::1]:9"}, .n = 3};
    struct sq_stun_list stun;
    (void)state;
    assert_int_equal(sq_find_stun_list(loop, &list, &v4, 1, &stun, why, sizeof(why)), 0);
    assert_int_equal(stun.n, 4);
    assert_string_equal(stun.unasked, "[2001:db8::1]:9"); /* no IPv6 here */
    list.n = 2;
    assert_int_equal(sq_find_stun_list(loop, &list, &v4, 1, &stun, why, sizeof(why)), 0);
    assert_null(stun.unasked);
    /* From the loopback address nobody gets out. */
    assert_int_equal(sq_find_stun_list(loop, &list, &here, 1, &stun, why, sizeof(why)), 0);
    assert_string_equal(stun.unasked, "192.0.2.1");
    list.n = SQ_STUN_OPTIONS_MAX + 1;
    assert_int_equal(sq_find_stun_list(loop, &list, &v4, 1, &stun, why, sizeof(why)),
                     SQ_ERR_INVALID);
    assert_string_equal(why, "--stun: at most 4 servers");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(servers_that_are_right), cmocka_unit_test(servers_that_are_wrong),
        cmocka_unit_test(ports_that_are_none),    cmocka_unit_test(a_name_of_both_families),
        cmocka_unit_test(all_stun_servers),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
