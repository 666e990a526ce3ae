/* Descriptions and fragments as text, for adapters: candidates put into a description, fragments of
 * trickle ICE (RFC 8840, section 9) written and applied. Works line by line; what it does not know
 * it leaves alone. All results are owned by the caller (sq_free). */
#ifndef SQ_SIGNAL_SDPTEXT_H
#define SQ_SIGNAL_SDPTEXT_H

#include "base/err.h"
#include <stdbool.h>

#define SQ_SDPTEXT_MAX_BYTES 262144 /* of a description or fragment; more is SQ_ERR_NOSPACE */

/* The description with `candidates` (lines "candidate:…\n") at the end of its first media section,
 * and a=end-of-candidates if `end`. */
int sq_sdptext_add_candidates(const char *sdp, const char *candidates, bool end,
                              char **ret_sdp) SQ_MUST_USE;
/* A fragment for the first media section of `sdp` with these candidates (lines as above) and its
 * ICE credentials. whole: with the candidates that stand in `sdp`, too, as a restart wants it. */
int sq_sdptext_fragment(const char *sdp, const char *candidates, bool end, bool whole,
                        char **ret_fragment) SQ_MUST_USE;
/* The answer as it would be had the other side restarted ICE in it as `fragment` says: credentials
 * and candidates replaced (RFC 9725, section 4.4.3). SQ_ERR_FORMAT: the fragment has no
 * ice-ufrag and ice-pwd. */
int sq_sdptext_restart(const char *answer, const char *fragment, char **ret_answer) SQ_MUST_USE;

#endif
