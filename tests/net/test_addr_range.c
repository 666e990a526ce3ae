/* Addresses in a row. */
#include "net/ifaddr.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void expect(const char *text, const char *first, uint32_t count, const char *last)
{
    struct sq_addr got, want, at_end;
    uint32_t n = 0;
    assert_int_equal(sq_addr_range_parse(text, &got, &n), 0);
    assert_int_equal(n, count);
    assert_int_equal(sq_addr_parse(first, 0, &want), 0);
    assert_true(sq_addr_same_ip(&got, &want));
    assert_int_equal(sq_addr_parse(last, 0, &want), 0);
    at_end = sq_addr_step(&got, n - 1);
    assert_true(sq_addr_same_ip(&at_end, &want));
}

static void ranges(void **state)
{
    (void)state;
    expect("10.0.0.1", "10.0.0.1", 1, "10.0.0.1");
    expect("10.0.0.1-10.0.3.254", "10.0.0.1", 1022, "10.0.3.254");
    expect("10.0.0.200-10.0.1.3", "10.0.0.200", 60, "10.0.1.3");
    expect("10.0.0.7/22", "10.0.0.1", 1022, "10.0.3.254");
    expect("10.0.0.6/31", "10.0.0.6", 2, "10.0.0.7");
    expect("10.0.0.9/32", "10.0.0.9", 1, "10.0.0.9");
    expect("10.0.0.0/8", "10.0.0.1", SQ_ADDR_RANGE_MAX, "10.16.0.0");
    expect("2001:db8::ff/120", "2001:db8::", 256, "2001:db8::ff");
    expect("2001:db8::fffe-2001:db8::1:1", "2001:db8::fffe", 4, "2001:db8::1:1");
}

static void no_ranges(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",          "10.0.0",     "10.0.0.2-10.0.0.1", "10.0.0.1-",       "10.0.0.1/33",
        "10.0.0.1/", "10.0.0.1/x", "10.0.0.1-::1",      "1.0.0.0-9.0.0.0", "fe80::1-ff80::1",
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        struct sq_addr first;
        uint32_t n;
        assert_int_equal(sq_addr_range_parse(wrong[i], &first, &n), SQ_ERR_FORMAT);
    }
}

static void what_is_wrong_is_told(void **state)
{
    static const struct {
        const char *text, *wrong;
    } cases[] = {
        {"10.0.0.9-10.0.0.1",
         "the range runs backwards: expected its lower address first, 10.0.0.1-10.0.0.9"},
        {"::9-::1", "the range runs backwards: expected its lower address first, ::1-::9"},
        {"10.0.0.0/33", "'33' is no length of a prefix of IPv4: expected 0 to 32"},
        {"10.0.0.0/x", "'x' is no length of a prefix of IPv4: expected 0 to 32"},
        {"::1/129", "'129' is no length of a prefix of IPv6: expected 0 to 128"},
        {"10.0.0.1-::1", "the range begins with IPv4 and ends with IPv6"},
        {"1.0.0.0-9.0.0.0", "the range is too long: expected 1048576 addresses at most"},
        {"10.0.0", ""},
        {"10.0.0.1-", ""},
        {"10.0.0.1-here", ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char wrong[SQ_ADDR_RANGE_WRONG_MAX];
        assert_string_equal(sq_addr_range_wrong(cases[i].text, wrong), cases[i].wrong);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(ranges), cmocka_unit_test(no_ranges),
                                       cmocka_unit_test(what_is_wrong_is_told)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
