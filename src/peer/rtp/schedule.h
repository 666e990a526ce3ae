/* When RTCP reports are sent. Browsers use RFC 3550's randomisation (section 6.2, half to one and a
 * half intervals) with an interval of 5 s for audio, and for video of 1 s; who sends video reports
 * on it after 360 kbit where that is shorter. */
#ifndef SQ_PEER_RTP_SCHEDULE_H
#define SQ_PEER_RTP_SCHEDULE_H

#include "base/rand.h"
#include "peer/rtp/rtp.h"
#include <stdbool.h>
#include <stdint.h>

#define SQ_RTCP_AUDIO_INTERVAL_NS 5000000000ULL
#define SQ_RTCP_VIDEO_INTERVAL_NS 1000000000ULL
#define SQ_RTCP_REDUCED_BPS       360000 /* from here on a sender's is shorter */

/* Time until the next report, in ns. `first`: half the interval, so that a round trip is known
 * early. send_bps: of the stream that is reported on as its sender (0 = none, or not known). */
uint64_t sq_rtcp_interval_ns(enum sq_rtp_kind kind, bool first, uint64_t send_bps,
                             struct sq_rand *rand);

#endif
