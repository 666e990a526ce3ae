/* Telephone events: the RFC's own example, and every key. */
#include "base/wire.h"
#include "media/dtmf.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* RFC 4733, section 5, table 6: the 9 of "911", 200 ms long, a packet each 50 ms; but the
 * end is told again at once, as libwebrtc does it. */
static void the_example_of_the_rfc(void **state)
{
    static const struct {
        unsigned at_ms;
        bool marker, end;
        uint16_t duration;
    } rows[] = {{50, true, false, 400},   {100, false, false, 800}, {150, false, false, 1200},
                {200, false, true, 1600}, {200, false, true, 1600}, {200, false, true, 1600}};
    struct sq_dtmf d;
    struct sq_dtmf_packet p;
    assert_int_equal(sq_dtmf_press(&d, '9', 8000, 200, 50), 0);
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct sq_dtmf_event e;
        assert_true(sq_dtmf_next(&d, &p));
        assert_int_equal(sq_dtmf_parse(p.payload, sizeof(p.payload), &e), 0);
        assert_int_equal(e.event, 9);
        assert_int_equal(e.duration, rows[i].duration);
        assert_int_equal(e.end, rows[i].end);
        assert_int_equal(p.marker, rows[i].marker);
        assert_int_equal(p.due_ticks, rows[i].at_ms * 8);
    }
    assert_false(sq_dtmf_next(&d, &p));
}

static void a_duration_that_is_no_multiple(void **state)
{
    struct sq_dtmf d;
    struct sq_dtmf_packet p;
    struct sq_dtmf_event e;
    uint16_t last = 0;
    unsigned packets = 0;
    unsigned ends = 0;
    assert_int_equal(sq_dtmf_press(&d, '#', 48000, 101, 20), 0);
    for (; sq_dtmf_next(&d, &p); packets++) {
        assert_int_equal(sq_dtmf_parse(p.payload, sizeof(p.payload), &e), 0);
        assert_true(e.duration > last || e.end);
        assert_int_equal(e.event, 11);
        last = e.duration;
        ends += e.end;
    }
    assert_int_equal(last, 101 * 48);
    assert_int_equal(ends, 3);
    assert_int_equal(packets, 5 + 3);
}

/* RFC 4733, section 2.5.1.3: 1.5 s of 48 kHz are 72,000 ticks, more than the field holds. */
static void a_long_key_is_cut_into_segments(void **state)
{
    struct sq_dtmf d;
    struct sq_dtmf_packet p;
    struct sq_dtmf_event e;
    unsigned markers = 0;
    unsigned ends = 0;
    uint32_t told = 0; /* up to which tick */
    bool full = false;
    assert_int_equal(sq_dtmf_press(&d, '5', 48000, 1500, 20), 0);
    while (sq_dtmf_next(&d, &p)) {
        assert_int_equal(sq_dtmf_parse(p.payload, sizeof(p.payload), &e), 0);
        assert_true(p.segment_ticks == 0 || (p.segment_ticks == 65535 && full));
        assert_true(p.segment_ticks + e.duration > told || ends > 0);
        assert_true(e.end || p.due_ticks == p.segment_ticks + e.duration);
        told = p.segment_ticks + e.duration;
        full = full || (e.duration == 65535 && !e.end);
        markers += p.marker;
        ends += e.end;
    }
    assert_true(full);
    assert_int_equal(told, 72000);
    assert_int_equal(ends, 3);
    assert_int_equal(markers, 1);
    assert_int_equal(sq_dtmf_press(&d, '5', 48000, 60000, 20), 0);
    for (ends = 0; sq_dtmf_next(&d, &p); ends++) {
    }
    assert_true(ends > 3000);
    assert_int_equal(p.segment_ticks + sq_load_u16(p.payload + 2), 60 * 48000);
}

static void keys(void **state)
{
    const char *all = "0123456789*#ABCD";
    for (int i = 0; i < 16; i++) {
        assert_int_equal(sq_dtmf_of_key(all[i]), i);
        assert_int_equal(sq_dtmf_key((uint8_t)i), all[i]);
    }
    assert_int_equal(sq_dtmf_of_key('d'), 15);
    assert_int_equal(sq_dtmf_of_key('x'), -1);
    assert_int_equal(sq_dtmf_of_key('\0'), -1);
    assert_int_equal(sq_dtmf_key(16), '\0');
    struct sq_dtmf d;
    assert_int_equal(sq_dtmf_press(&d, 'x', 8000, 100, 20), SQ_ERR_INVALID);
    assert_int_equal(sq_dtmf_press(&d, '1', 8000, 0, 20), SQ_ERR_INVALID);
    assert_int_equal(sq_dtmf_press(&d, '1', 8000, 100, 0), SQ_ERR_INVALID);
    assert_int_equal(sq_dtmf_press(&d, '1', 48000, 60001, 20), SQ_ERR_INVALID);
    assert_int_equal(sq_dtmf_press(&d, '1', 48000, 100, 1400), SQ_ERR_INVALID);
    struct sq_dtmf_event e = {.event = 77};
    assert_int_equal(sq_dtmf_parse((const uint8_t *)"\1\2\3", 3, &e), SQ_ERR_TRUNCATED);
    assert_int_equal(e.event, 77);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_example_of_the_rfc),
        cmocka_unit_test(a_duration_that_is_no_multiple),
        cmocka_unit_test(a_long_key_is_cut_into_segments),
        cmocka_unit_test(keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
