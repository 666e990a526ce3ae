/* DCEP (RFC 8832): the message that opens a data channel, byte by byte. */
#include "peer/dcep.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* Type, channel type, priority, reliability, lengths, label, protocol (section 5.1). */
static const uint8_t reliable[] = {3, 0, 1, 0, 0, 0, 0, 0, 0, 4, 0, 0, 'c', 'h', 'a', 't'};
static const uint8_t counted[] = {3, 0x81, 4, 0, 0, 0, 0, 3, 0, 1, 0, 2, 'x', 'p', 'q'};
static const uint8_t timed[] = {3, 2, 2, 0, 0, 1, 0x11, 0x70, 0, 0, 0, 0};

static void each_kind_is_read(void **state)
{
    struct sq_dcep_open open;
    assert_int_equal(sq_dcep_read_open(reliable, sizeof(reliable), &open), 0);
    assert_false(open.unordered || open.limit_retransmits || open.limit_lifetime);
    assert_int_equal(open.priority, 256);
    assert_true(sq_view_is(open.label, "chat") && open.protocol.len == 0);
    assert_int_equal(sq_dcep_read_open(counted, sizeof(counted), &open), 0);
    assert_true(open.unordered && open.limit_retransmits && !open.limit_lifetime);
    assert_int_equal(open.limit, 3);
    assert_true(sq_view_is(open.label, "x") && sq_view_is(open.protocol, "pq"));
    assert_int_equal(sq_dcep_read_open(timed, sizeof(timed), &open), 0);
    assert_true(!open.unordered && open.limit_lifetime);
    assert_int_equal(open.limit, 65535); /* of 70,000 ms: W3C's maxPacketLifeTime has no more */
}

static void what_is_written(void **state)
{
    uint8_t out[64];
    size_t len = 0;
    const struct sq_dcep_open open = {.unordered = true,
                                      .limit_retransmits = true,
                                      .limit = 3,
                                      .priority = 1024,
                                      .label = sq_view_of("x"),
                                      .protocol = sq_view_of("pq")};
    assert_int_equal(sq_dcep_write_open(&open, out, sizeof(out), &len), 0);
    assert_int_equal(len, sizeof(counted));
    assert_memory_equal(out, counted, len);
    len = 99;
    for (size_t room = 0; room < sizeof(counted); room++) {
        assert_int_equal(sq_dcep_write_open(&open, out, room, &len), SQ_ERR_NOSPACE);
    }
    assert_int_equal(len, 99);
    const struct sq_dcep_open endless = {.label = {"", SQ_DCEP_TEXT_MAX + 1}};
    assert_int_equal(sq_dcep_write_open(&endless, out, sizeof(out), &len), SQ_ERR_INVALID);
}

static void what_is_refused(void **state)
{
    struct sq_dcep_open open = {.priority = 77};
    uint8_t bytes[sizeof(counted)];
    for (size_t len = 0; len < sizeof(counted); len++) {
        assert_int_equal(sq_dcep_read_open(counted, len, &open), SQ_ERR_FORMAT);
    }
    memcpy(bytes, counted, sizeof(bytes));
    bytes[0] = SQ_DCEP_ACK;
    assert_int_equal(sq_dcep_read_open(bytes, sizeof(bytes), &open), SQ_ERR_FORMAT);
    bytes[0] = SQ_DCEP_OPEN;
    bytes[1] = 3; /* no such type */
    assert_int_equal(sq_dcep_read_open(bytes, sizeof(bytes), &open), SQ_ERR_FORMAT);
    bytes[1] = 0xff;
    assert_int_equal(sq_dcep_read_open(bytes, sizeof(bytes), &open), SQ_ERR_FORMAT);
    assert_int_equal(open.priority, 77);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_is_read),
        cmocka_unit_test(what_is_written),
        cmocka_unit_test(what_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
