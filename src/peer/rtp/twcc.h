/* Transport-wide congestion control: the sender's log of packets with what feedback says of them,
 * and the receiver's recorder that makes the feedback.
 * draft-holmer-rmcat-transport-wide-cc-extensions-01. */
#ifndef SQ_PEER_RTP_TWCC_H
#define SQ_PEER_RTP_TWCC_H

#include "base/time.h"
#include "peer/rtcp/rtcp.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SQ_TWCC_LOG_DEFAULT    512                  /* packets */
#define SQ_TWCC_ROOM_MAX       16384                /* of log and recorder */
#define SQ_TWCC_FEEDBACK_BYTES 1200                 /* the longest feedback message that is made */
#define SQ_TWCC_INTERVAL_NS    (100 * SQ_NS_PER_MS) /* where no rate is known, as in libwebrtc */

/* ---- Sender: what was sent, and what became of it ---- */

struct sq_twcc_sent;
struct sq_twcc_log {
    struct sq_twcc_sent *sent; /* owned */
    uint32_t room, most;       /* powers of two; it grows to the second where the first is short */
    uint32_t used;             /* how many of the last numbers are in it */
    uint16_t next_seq;
    uint16_t told_seq;     /* the highest that feedback came to, if any has come */
    int64_t ref_unwrapped; /* last reference time, 64 ms, beyond its 24 bits */
    bool ref_set;
    /* Totals over all feedback. */
    uint64_t packets_sent;
    uint64_t packets_acked; /* reported as received */
    uint64_t packets_lost;  /* reported as not received, and not reported received later */
    uint64_t feedbacks;
};

/* room: a power of two up to SQ_TWCC_ROOM_MAX, else SQ_ERR_INVALID; SQ_ERR_NOMEM. */
int sq_twcc_log_init(struct sq_twcc_log *l, uint32_t room, uint16_t first_seq) SQ_MUST_USE;
void sq_twcc_log_close(struct sq_twcc_log *l); /* NULL and zeroed ones are allowed */
/* The log may double up to so many packets (a power of two up to SQ_TWCC_ROOM_MAX): it does where
 * feedback comes, and a packet of the last seconds would have to go before any came to it. */
static inline void sq_twcc_log_let_grow(struct sq_twcc_log *l, uint32_t most)
{
    l->most = most;
}
/* A packet leaves; returns its transport-wide sequence number. size_bytes as it counts for the
 * rate; probe: of the estimator's cluster, 0 for none. */
uint16_t sq_twcc_log_take(struct sq_twcc_log *l, uint64_t now_ns, size_t size_bytes, uint8_t probe);

/* The packet that was just taken turned out larger by so much. */
void sq_twcc_log_add_bytes(struct sq_twcc_log *l, uint16_t seq, size_t bytes);

struct sq_twcc_result {
    uint16_t seq;
    uint16_t size_bytes;
    bool received;
    uint8_t probe;      /* as given to sq_twcc_log_take */
    bool was_lost;      /* an earlier feedback had called it lost */
    uint64_t sent_ns;   /* our clock */
    int64_t arrival_ns; /* the receiver's clock, from a zero of its own; of received ones */
};

struct sq_twcc_summary {
    uint32_t received; /* results of this feedback */
    uint32_t lost;
    uint32_t recovered; /* of received: called lost before */
    uint32_t received_bytes;
    uint64_t rtt_ns; /* now less sending of the packet that arrived last: the round trip and the
                        receiver's waiting; 0 where nothing was received */
    uint64_t delay_var_ns; /* mean of |arrival gap - send gap| of neighbours received */
};

/* Feedback arrived. Gives the packets that it says something new about, in order of sequence
 * number, up to max (pass the log's most to lose none), and returns how many. What it says of
 * packets that the log does not hold (any more) is passed over. */
size_t sq_twcc_log_on_feedback(struct sq_twcc_log *l, uint64_t now_ns,
                               const struct sq_rtcp_twcc *fb, struct sq_twcc_result *ret_results,
                               size_t max, struct sq_twcc_summary *ret_summary);

/* ---- Receiver: arrivals, and the feedback made of them ---- */

struct sq_twcc_recorder {
    uint32_t *arrival;   /* owned; ticks of 250 us, modulo 2^32, by number modulo room; 0 = none */
    uint32_t room, most; /* powers of two; it grows to the second where the first is short */
    uint64_t interval_ns;
    uint64_t next_ns;     /* when feedback is due; SQ_NEVER without news */
    uint64_t last_ns;     /* when the last feedback was due */
    uint64_t start_ext;   /* first one that the next feedback tells about */
    uint64_t end_ext;     /* one past the highest seen */
    uint64_t known_ext;   /* what came before is forgotten, though the ring reaches back */
    uint32_t restart_seq; /* what would confirm a restart of the numbers */
    uint32_t media_ssrc;  /* of the last packet */
    uint8_t fb_count;
    bool started;
    bool news; /* something arrived in [start_ext, end_ext) */
    uint64_t packets_seen;
    uint64_t packets_ignored; /* duplicates, and those too old for the ring */
    uint64_t feedbacks;
};

/* How often a browser that may send so much tells what it receives: as often as 5 % of the rate
 * have room for (libwebrtc's TransportSequenceNumberFeedbackGenerator), 50 to 250 ms, in whole
 * ticks of the 64 Hz that Chromium's timers have. So from 218 kbit/s on it is 62.5 ms. */
uint64_t sq_twcc_interval_ns(uint64_t send_bps);

/* room: a power of two up to SQ_TWCC_ROOM_MAX, else SQ_ERR_INVALID; interval: 50 to 250 ms (0 = 100
 * ms); SQ_ERR_NOMEM. Feedback is due at whole intervals, the first of them after the first packet.
 */
int sq_twcc_recorder_init(struct sq_twcc_recorder *r, uint32_t room,
                          uint64_t interval_ns) SQ_MUST_USE;
void sq_twcc_recorder_close(struct sq_twcc_recorder *r); /* NULL and zeroed ones are allowed */
/* The ring may double up to so many numbers (a power of two up to SQ_TWCC_ROOM_MAX): it does where
 * more come between two feedbacks, or are missing there, than it holds. */
static inline void sq_twcc_recorder_let_grow(struct sq_twcc_recorder *r, uint32_t most)
{
    r->most = most;
}
void sq_twcc_recorder_on_packet(struct sq_twcc_recorder *r, uint64_t now_ns, uint16_t transport_seq,
                                uint32_t media_ssrc);
/* From the next feedback on; within the bounds of sq_twcc_recorder_init. */
static inline void sq_twcc_recorder_set_interval(struct sq_twcc_recorder *r, uint64_t interval_ns)
{
    r->interval_ns = interval_ns;
}
static inline uint64_t sq_twcc_recorder_next_ns(const struct sq_twcc_recorder *r)
{
    return r->next_ns;
}
/* Appends one feedback message. Call it about the time of sq_twcc_recorder_next_ns, from which the
 * next interval counts however early or late it is, until it returns
 * false: there is nothing (more) to tell, or w has no room for 64 bytes. True where a message was
 * written. */
bool sq_twcc_recorder_build(struct sq_twcc_recorder *r, uint64_t now_ns, uint32_t sender_ssrc,
                            struct sq_wire *w);

#endif
