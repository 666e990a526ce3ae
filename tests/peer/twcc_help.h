/* What tests of transport-wide feedback share. */
#ifndef SQ_TESTS_PEER_TWCC_HELP_H
#define SQ_TESTS_PEER_TWCC_HELP_H

#include "base/time.h"
#include "peer/rtp/twcc.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define MS SQ_NS_PER_MS

static inline int parse(const uint8_t *bytes, size_t len, struct sq_rtcp_twcc *ret)
{
    struct sq_rtcp_iter it = sq_rtcp_iter(bytes, len);
    struct sq_rtcp_packet p;
    assert_true(sq_rtcp_next(&it, &p));
    assert_int_equal(p.kind, SQ_RTCP_KIND_TWCC);
    assert_int_equal(it.left, 0);
    return sq_rtcp_parse_twcc(&p, ret);
}

static inline bool build(struct sq_twcc_recorder *r, uint64_t now_ns, uint8_t *out, size_t room,
                         struct sq_rtcp_twcc *fb)
{
    struct sq_wire w = sq_wire_writer(out, room);
    if (!sq_twcc_recorder_build(r, now_ns, 1, &w)) {
        assert_int_equal(w.pos, 0);
        return false;
    }
    assert_int_equal(w.err, 0);
    assert_true(w.pos <= SQ_TWCC_FEEDBACK_BYTES);
    assert_int_equal(parse(out, w.pos, fb), 0);
    return true;
}

#endif
