/* How fast a sender may send: Google congestion control as libwebrtc's goog_cc does it
 * (draft-ietf-rmcat-gcc-02 and what libwebrtc has changed since). A delay-based estimate (groups of
 * packets, trendline, AIMD), a loss-based one, probes, and the sender's application-limited region.
 * It is fed with transport-wide feedback, or with REMB and receiver reports where that was not
 * negotiated.
 *
 * Pure: no I/O, no clock, no allocation after sq_bwe_create. What is said by feedback is taken as
 * hostile: the estimate always lies between min and max. docs/congestion-control.md says how it
 * differs from libwebrtc. */
#ifndef SQ_PEER_BWE_BWE_H
#define SQ_PEER_BWE_BWE_H

#include "base/err.h"
#include "peer/rtp/twcc.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SQ_BWE_START_BPS 300000   /* libwebrtc's */
#define SQ_BWE_MIN_BPS   30000    /* libwebrtc's least for video */
#define SQ_BWE_MAX_BPS   30000000 /* libwebrtc's AIMD goes no further */

struct sq_bwe;

struct sq_bwe_config { /* 0: the default above */
    uint64_t start_bps, min_bps, max_bps;
};

/* config may not be NULL; it is copied. SQ_ERR_INVALID: not min <= start <= max, or max is more
 * than 32 bits hold; SQ_ERR_NOMEM. */
int sq_bwe_create(const struct sq_bwe_config *config, struct sq_bwe **ret_bwe) SQ_MUST_USE;
void sq_bwe_destroy(struct sq_bwe *bwe); /* NULL is allowed */

/* The way is open: the first probes are due, or will be once neither delay nor loss forbids them.
 * Once; later calls do nothing. */
void sq_bwe_start(struct sq_bwe *bwe, uint64_t now_ns);
/* The most that the sender could use, all media together; probes end at twice of it. 0: not
 * known. */
void sq_bwe_set_needed(struct sq_bwe *bwe, uint64_t now_ns, uint64_t bps);

/* A packet left. probe: the cluster it belongs to, 0 for none. */
void sq_bwe_on_sent(struct sq_bwe *bwe, uint64_t now_ns, size_t bytes, uint8_t probe);
/* What a feedback said of packets; `results` is put in order of arrival. */
void sq_bwe_on_feedback(struct sq_bwe *bwe, uint64_t now_ns, struct sq_twcc_result *results,
                        size_t n);
/* The receiver's own estimate (draft-alvestrand-rmcat-remb): a limit beside the others; 0: none. */
void sq_bwe_on_remb(struct sq_bwe *bwe, uint64_t now_ns, uint64_t bps);
/* Loss of receiver reports since the last call: the rule of 2 % and 10 % (the draft's section 6),
 * where there is no transport-wide feedback. rtt_ns 0: not known. */
void sq_bwe_on_loss_report(struct sq_bwe *bwe, uint64_t now_ns, uint64_t packets, uint64_t lost,
                           uint64_t rtt_ns);
/* At sq_bwe_next_ns: probes that are due by time, and what silence of the receiver asks for. */
uint64_t sq_bwe_next_ns(const struct sq_bwe *bwe);
void sq_bwe_on_timeout(struct sq_bwe *bwe, uint64_t now_ns);

/* What may be sent, all packets together. */
uint64_t sq_bwe_target_bps(const struct sq_bwe *bwe);

enum sq_bwe_limit { /* what the target follows at present */
                    SQ_BWE_LIMIT_DELAY,
                    SQ_BWE_LIMIT_LOSS,
                    SQ_BWE_LIMIT_RECEIVER, /* REMB */
                    SQ_BWE_LIMIT_SILENCE,  /* no feedback came for long */
};
enum sq_bwe_limit sq_bwe_limited_by(const struct sq_bwe *bwe);

struct sq_bwe_stats {
    uint64_t target_bps, delay_bps, loss_bps, acked_bps; /* acked 0: not measured yet */
    uint64_t rtt_ns;
    uint32_t overuses, probes, probe_results;
    double loss; /* as the loss-based part sees it, 0 to 1 */
    bool alr;
};
void sq_bwe_stats(const struct sq_bwe *bwe, struct sq_bwe_stats *ret_stats);

/* ---- Probes: what the pacer has to send ---- */

struct sq_bwe_probe {
    uint8_t id;     /* for sq_bwe_on_sent, never 0 */
    uint64_t bps;   /* rate of the cluster */
    uint32_t bytes; /* to be sent at once now, at least one packet */
};
/* When packets of a probe are due, 0 for its first ones: at once; SQ_NEVER without one. */
uint64_t sq_bwe_probe_ns(const struct sq_bwe *bwe);
/* True where a burst of a probe is due: send ret_probe->bytes or more, and tell each by
 * sq_bwe_on_sent. */
bool sq_bwe_probe_due(struct sq_bwe *bwe, uint64_t now_ns, struct sq_bwe_probe *ret_probe);
/* There is nothing to send it with: the cluster at hand is dropped. */
void sq_bwe_probe_drop(struct sq_bwe *bwe);

#endif
