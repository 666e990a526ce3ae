/* How fast a sender may send, as its receiver sees it: what goes back by REMB
 * (draft-alvestrand-rmcat-remb-03) to a sender without transport-wide feedback. As libwebrtc's
 * RemoteBitrateEstimatorAbsSendTime and ..SingleStream: delay gradient, AIMD, and no word before 5
 * s of media unless the delay grows; with the trendline in the place of their Kalman filter.
 *
 * Pure: no I/O, no clock, no allocation after sq_bwe_remote_create. Packets are taken as hostile:
 * the estimate always lies within SQ_BWE_MIN_BPS and SQ_BWE_MAX_BPS. */
#ifndef SQ_PEER_BWE_REMOTE_H
#define SQ_PEER_BWE_REMOTE_H

#include "peer/bwe/bwe.h"

struct sq_bwe_remote;

int sq_bwe_remote_create(struct sq_bwe_remote **ret_remote) SQ_MUST_USE; /* SQ_ERR_NOMEM */
void sq_bwe_remote_destroy(struct sq_bwe_remote *remote);                /* NULL is allowed */

struct sq_bwe_arrival {
    uint64_t now_ns;
    uint32_t ssrc;
    uint32_t timestamp;     /* RTP, of 90 kHz */
    uint32_t abs_send_time; /* 24 bits; where has_send_time */
    size_t bytes;           /* IP and UDP included */
    bool has_send_time;
    bool again; /* a retransmission or padding: its time-stamp says nothing */
};
/* True where the estimate is to be told at once: it fell, or it was told 200 ms ago or more. */
bool sq_bwe_remote_on_packet(struct sq_bwe_remote *remote, const struct sq_bwe_arrival *arrival);
uint64_t sq_bwe_remote_bps(const struct sq_bwe_remote *remote); /* 0: not known yet */

#endif
