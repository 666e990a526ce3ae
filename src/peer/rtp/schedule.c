#include "peer/rtp/schedule.h"

#include "base/time.h"

uint64_t sq_rtcp_interval_ns(enum sq_rtp_kind kind, bool first, uint64_t send_bps,
                             struct sq_rand *rand)
{
    uint64_t interval = SQ_RTCP_AUDIO_INTERVAL_NS;
    if (kind == SQ_RTP_VIDEO) {
        interval = SQ_RTCP_VIDEO_INTERVAL_NS;
        if (send_bps > 0) {
            /* The "reduced minimum" of RFC 3550, section 6.2: 360 divided by the rate in kbit/s. */
            interval = sq_min_u64(interval, SQ_RTCP_REDUCED_BPS * SQ_NS_PER_SEC / send_bps);
        }
    }
    /* No faster than 20 a second, whatever the rate. */
    interval = sq_max_u64(interval, 50 * SQ_NS_PER_MS);
    if (first) {
        return interval / 2;
    }
    return interval / 2 + (uint64_t)((double)interval * sq_rand_unit(rand));
}
