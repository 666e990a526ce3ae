/* The receiver's own estimate (REMB): whatever send times and time-stamps the packets claim, and
 * whenever they come, it stays within its bounds, is not lost again, and is told no more often than
 * it may be. */
#include "base/time.h"
#include "fuzz/fuzz.h"
#include "peer/bwe/bwe.h"
#include "peer/bwe/remote.h"
#include "peer/rtp/rtp.h"

#define ROW_BYTES 11
#define TICK_NS   (SQ_NS_PER_MS / 16)
#define TOLD_NS   (200 * SQ_NS_PER_MS)
#define EARLY_NS  (500 * SQ_NS_PER_MS)

enum { SEND_TIME = 1, AGAIN = 2, OTHER_SSRC = 4, RAW = 8 }; /* and three bits of repetition */

struct side {
    struct sq_bwe_remote *remote;
    uint64_t now_ns, latest_ns, sent_ns;
    uint64_t first_ns, told_ns, told_bps;
};

static void arrive(struct side *s, const struct sq_bwe_arrival *a)
{
    s->first_ns = s->latest_ns > 0 ? s->first_ns : a->now_ns;
    bool was_known = sq_bwe_remote_bps(s->remote) > 0;
    bool tell = sq_bwe_remote_on_packet(s->remote, a);
    uint64_t bps = sq_bwe_remote_bps(s->remote);
    s->latest_ns = a->now_ns > s->latest_ns ? a->now_ns : s->latest_ns;
    MUST(bps == 0 || (bps >= SQ_BWE_MIN_BPS && bps <= SQ_BWE_MAX_BPS));
    MUST(bps > 0 || !was_known);
    if (!tell) {
        return;
    }
    MUST(bps > 0 && s->latest_ns - s->first_ns >= EARLY_NS);
    bool early = s->told_bps > 0 && s->latest_ns - s->told_ns < TOLD_NS;
    MUST(!early || (double)bps < 0.97 * (double)s->told_bps + 1);
    s->told_ns = s->latest_ns;
    s->told_bps = bps;
}

/* A packet, or 2 to 128 of them at the same intervals. What a row says of the sender's clock is a
 * step (by how much the way's delay changes), or with RAW the bits themselves. */
static void packets(struct side *s, struct sq_wire *w)
{
    uint8_t flags = sq_wire_u8(w);
    uint64_t gap_ns = sq_wire_u16(w) * (uint64_t)TICK_NS;
    int64_t grows_ns = (int16_t)sq_wire_u16(w) * (int64_t)TICK_NS;
    uint32_t bytes = sq_wire_u16(w);
    uint32_t raw = sq_wire_u32(w);
    for (unsigned i = 0; i < 1U << (flags >> 5); i++) {
        s->now_ns += gap_ns;
        s->sent_ns += gap_ns - (uint64_t)grows_ns;
        uint64_t back_ns = flags & RAW ? raw % (uint32_t)(4 * SQ_NS_PER_SEC) : 0;
        const struct sq_bwe_arrival a = {
            .now_ns = s->now_ns - back_ns,
            .ssrc = flags & OTHER_SSRC,
            .timestamp = flags & RAW ? raw * (i + 1) : (uint32_t)(s->sent_ns / 1000 * 9 / 100),
            .abs_send_time = flags & RAW ? raw & 0xffffff : sq_rtp_abs_send_time(s->sent_ns),
            .bytes = flags & RAW ? raw : bytes,
            .has_send_time = flags & SEND_TIME,
            .again = flags & AGAIN,
        };
        arrive(s, &a);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    const uint64_t zero_ns = 100 * SQ_NS_PER_SEC;
    struct sq_wire w = sq_wire_reader(data, len < 4096 ? len : 4096);
    struct side s = {.now_ns = zero_ns, .sent_ns = zero_ns};
    if (sq_bwe_remote_create(&s.remote) != 0) {
        return 0;
    }
    while (sq_wire_left(&w) >= ROW_BYTES) {
        packets(&s, &w);
    }
    sq_bwe_remote_destroy(s.remote);
    return 0;
}
