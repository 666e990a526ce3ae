/* The cursor, addresses, random numbers, NTP time. */
#include "base/addr.h"
#include "base/rand.h"
#include "base/time.h"
#include "base/wire.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void cursor_errors_stick(void **state)
{
    uint8_t buf[7];
    struct sq_wire w = sq_wire_writer(buf, sizeof(buf));
    sq_wire_put_u16(&w, 0x0102);
    sq_wire_put_u24(&w, 0x030405);
    sq_wire_put_u32(&w, 1);
    assert_int_equal(w.err, SQ_ERR_NOSPACE);
    sq_wire_put_u8(&w, 9);
    assert_int_equal(w.pos, 5);
    struct sq_wire r = sq_wire_reader(buf, 5);
    assert_int_equal(sq_wire_u8(&r), 1);
    assert_int_equal(sq_wire_u32(&r), 0x02030405);
    assert_int_equal(r.err, 0);
    assert_int_equal(sq_wire_u8(&r), 0);
    assert_int_equal(r.err, SQ_ERR_TRUNCATED);
    assert_int_equal(sq_wire_left(&r), 0);
}

static void addresses(void **state)
{
    struct sq_addr a;
    struct sq_addr b;
    char text[SQ_ADDR_TEXT_MAX];
    assert_int_equal(sq_addr_parse("192.168.0.9", 5000, &a), 0);
    assert_string_equal(sq_addr_format(&a, text), "192.168.0.9:5000");
    assert_int_equal(sq_addr_parse("::1", 1, &b), 0);
    assert_string_equal(sq_addr_format(&b, text), "[::1]:1");
    assert_true(sq_addr_is_loopback(&b));
    assert_false(sq_addr_equal(&a, &b));
    b = a;
    sq_addr_set_port(&b, 5001);
    assert_true(sq_addr_same_ip(&a, &b));
    assert_false(sq_addr_equal(&a, &b));
    assert_int_equal(sq_addr_parse("host", 1, &b), SQ_ERR_FORMAT);
    memset(&b, 0, sizeof(b));
    assert_string_equal(sq_addr_format_ip(&b, text), "-");
}

static void random_is_repeatable_and_even(void **state)
{
    struct sq_rand a;
    struct sq_rand b;
    sq_rand_seed(&a, 42);
    sq_rand_seed(&b, 42);
    unsigned counts[10] = {0};
    for (int i = 0; i < 100000; i++) {
        uint32_t v = sq_rand_below(&a, 10);
        assert_int_equal(v, sq_rand_below(&b, 10));
        counts[v]++;
    }
    for (int i = 0; i < 10; i++) {
        assert_in_range(counts[i], 9500, 10500); /* 5 sigma: 475 */
    }
    char ufrag[9];
    sq_rand_ice_chars(&a, ufrag, 8);
    assert_int_equal(strlen(ufrag), 8);
}

static void ntp_goes_both_ways(void **state)
{
    /* 2036-02-07 06:28:15 UTC is the last second of NTP's era 0. */
    assert_int_equal(sq_ntp_from_wall_ns(2085978495ULL * SQ_NS_PER_SEC) >> 32, 0xffffffff);
    uint64_t wall = 1700000000ULL * SQ_NS_PER_SEC + 123456789;
    uint64_t back = sq_wall_ns_from_ntp(sq_ntp_from_wall_ns(wall));
    assert_true(wall - back <= 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cursor_errors_stick),
        cmocka_unit_test(addresses),
        cmocka_unit_test(random_is_repeatable_and_even),
        cmocka_unit_test(ntp_goes_both_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
