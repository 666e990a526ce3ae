/* How much a peer may send, and when: the estimate put to work. Included by peer_int.h. */
#ifndef SQ_PEER_CONGESTION_INT_H
#define SQ_PEER_CONGESTION_INT_H

#include "base/time.h"
#include "peer/bwe/bwe.h"
#include "peer/peer.h"

#define SQ_PACE_PACKETS_MAX 32 /* of one burst */

struct sq_cc {
    enum sq_bwe_mode mode;
    struct sq_bwe *bwe;       /* owned; NULL with a fixed rate */
    uint64_t target_bps;      /* of everything that leaves, IP and UDP included */
    uint64_t used_bps;        /* what was allocated: the target, or less while a rise waits */
    uint64_t given_bps;       /* what steps were chosen by */
    uint64_t sending_bps;     /* what the layers and steps in force come to, and audio */
    uint64_t needed_bps;      /* what all of them together would */
    uint64_t audio_probe_bps; /* what a browser's probes would go to without video */
    uint64_t wanted_bps;      /* sq_peer_want_rate */
    uint64_t video_bps;       /* payload given to video tracks */
    uint16_t overhead_bytes;  /* of a packet: IP, UDP, SRTP's tag */
    uint8_t probe;            /* cluster of the packets that leave now; 0: none */
    bool media_begun;         /* a video packet has left: probes may begin */
    bool started, can_pad;
    bool capped;         /* the other side takes less than the clips could give */
    uint32_t probe_left; /* bytes of the burst at hand */
    double debt_bits;    /* of the pacer: sent and not drained yet */
    double resent_bits;  /* the same of retransmissions, at the target */
    double credit_bits;  /* of padding: allowed and not sent */
    uint64_t drained_ns; /* when the three were last brought up to date */
    uint64_t pad_ns;     /* next look at the padding; SQ_NEVER: none is wanted */
    uint64_t hold_until_ns, hold_for_ns, rose_ns, fell_ns; /* steps do not flap */
    uint64_t limited_ns; /* since when bandwidth limits the quality; 0: it does not */
    uint64_t limited_total_ns, limited_changes;
    uint64_t since_ns; /* media began */
};

struct sq_peer;
struct sq_track;

/* What a browser in this place would take for the rate that it may send: how often it tells what it
 * receives goes by that. Without video its estimate comes to what its probes show; we send none
 * then. */
static inline uint64_t sq_cc_feedback_bps(const struct sq_cc *cc)
{
    bool audio_only = cc->bwe && !cc->media_begun && cc->audio_probe_bps > 0;
    return audio_only ? sq_min_u64(cc->target_bps, cc->audio_probe_bps) : cc->target_bps;
}

/* After a negotiation: makes it where the mode asks for one. */
int sq_cc_apply(struct sq_peer *peer) SQ_MUST_USE;
void sq_cc_free(struct sq_cc *cc);      /* NULL is allowed */
void sq_cc_start(struct sq_peer *peer); /* media may be sent */
/* At sq_cc_next_ns: probes, padding, and what time alone brings. */
uint64_t sq_cc_next_ns(const struct sq_peer *peer);
void sq_cc_on_timeout(struct sq_peer *peer, uint64_t now_ns);
void sq_cc_on_feedback(struct sq_peer *peer, uint64_t now_ns, struct sq_twcc_result *results,
                       size_t n);
void sq_cc_on_remb(struct sq_peer *peer, uint64_t now_ns, uint64_t bps);
void sq_cc_on_loss(struct sq_peer *peer, uint64_t now_ns, uint64_t packets, uint64_t lost);
void sq_cc_on_sent(struct sq_peer *peer, uint64_t now_ns, int kind, size_t bytes, bool video);
/* How many packets of video may leave now; 0: not before sq_cc_resume_ns. */
unsigned sq_cc_room(struct sq_peer *peer, uint64_t now_ns);
uint64_t sq_cc_resume_ns(struct sq_peer *peer, uint64_t now_ns);
/* May a retransmission of so many bytes leave? */
bool sq_cc_may_resend(struct sq_peer *peer, uint64_t now_ns, size_t bytes);

#endif
