/* What `squall pair` measures of its one call, and how it tells it. */
#ifndef SQ_CLI_PAIR_CALL_H
#define SQ_CLI_PAIR_CALL_H

#include "peer/peer.h"
#include "run/expect.h"
#include "run/result.h"
#include <stdio.h>

struct sq_pair_mark {
    uint64_t in_bytes, out_bytes, rtts;
};

struct sq_pair_call {
    struct sq_result *result; /* owned */
    bool media;
    bool offerer;
    uint64_t known_ns;            /* both codes were known here */
    uint64_t began_ns;            /* connected; 0: never */
    uint64_t sampled_ns;          /* the last sample */
    struct sq_pair_mark marks[2]; /* audio, video */
    double ice_rtt_s;             /* the last that was counted */
    struct sq_transport_stats transport;
    uint64_t heard_bytes,
        heard_ns; /* received so far, and when something last was, by the second */
};

/* Whether a call can have what the expectation names; without `media` that is little. False, and
 * `why` is a sentence without the expectation: "column 1: squall pair does not measure score, …".
 */
bool sq_pair_call_measures(const struct sq_expect *e, bool media, char *why, size_t why_room);
/* The bound of the round trip, where nobody has another: of the metric that has samples. NULL: none
 * was measured. */
const char *sq_pair_call_rtt_bound(const struct sq_pair_call *call);
/* SQ_ERR_NOMEM. */
int sq_pair_call_init(struct sq_pair_call *call, bool media) SQ_MUST_USE;
void sq_pair_call_free(struct sq_pair_call *call);
/* Connected: from now on it is measured. */
void sq_pair_call_begin(struct sq_pair_call *call, const struct sq_peer *peer, uint64_t now_ns);
/* Once a second. */
void sq_pair_call_sample(struct sq_pair_call *call, struct sq_peer *peer, uint64_t now_ns);
/* What the connection is now. Its path stays what it was where it is lost. */
void sq_pair_call_transport(struct sq_pair_call *call, const struct sq_transport_stats *now);
/* Media was agreed, and nothing of the other side has come for so long; 0: it has. */
uint64_t sq_pair_call_silent_ns(const struct sq_pair_call *call, struct sq_peer *peer,
                                uint64_t now_ns);
/* The call is over, or never came to be: `cause` and `text` say why it failed (SQ_FAILURE_NONE: it
 * did not). Totals are taken and the verdict is made. SQ_ERR_NOMEM. */
int sq_pair_call_finish(struct sq_pair_call *call, struct sq_peer *peer, uint64_t now_ns,
                        enum sq_failure cause, const char *text, struct sq_expect *const *expect,
                        size_t expect_len) SQ_MUST_USE;
void sq_pair_call_print(const struct sq_pair_call *call, FILE *out);

#endif
