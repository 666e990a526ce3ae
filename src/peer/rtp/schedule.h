/* When RTCP reports are sent. Browsers use RFC 3550's randomisation (section 6.2, half to one and a
 * half intervals) with an interval of 5 s for audio, and for video of 1 s, or 360 kbit divided by
 * the rate where that is shorter. */
#ifndef SQ_PEER_RTP_SCHEDULE_H
#define SQ_PEER_RTP_SCHEDULE_H

#include "base/rand.h"
#include "peer/rtp/rtp.h"
#include <stdbool.h>
#include <stdint.h>

#define SQ_RTCP_AUDIO_INTERVAL_NS 5000000000ULL
#define SQ_RTCP_VIDEO_INTERVAL_NS 1000000000ULL

/* Time until the next report, in ns. `first`: half the interval, so that a round trip is known
 * early. send_bps: what this peer sends (0 = nothing, or not known). */
uint64_t sq_rtcp_interval_ns(enum sq_rtp_kind kind, bool first, uint64_t send_bps,
                             struct sq_rand *rand);

#endif
