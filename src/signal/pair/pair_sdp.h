/* Between codes of `squall pair` and descriptions of a peer. The description that a code stands for
 * is always the same but for fingerprint, credentials and candidates: profile 1 is Opus 111 and VP8
 * 96 with NACK, PLI and FIR, bundled, rtcp-mux, no header extensions. */
#ifndef SQ_SIGNAL_PAIR_SDP_H
#define SQ_SIGNAL_PAIR_SDP_H

#include "base/str.h"
#include "signal/pair/pair_code.h"

/* Reads fingerprint and candidates out of a description of our own; `answer` and `media` stay as
 * they are. Candidates beyond what a code takes are left out, TCP and relayed ones too.
 * SQ_ERR_FORMAT: no SHA-256 fingerprint. */
int sq_pair_from_sdp(const char *sdp, struct sq_pair_code *code) SQ_MUST_USE;

/* "candidate:…" as the peer tells it. True if it was taken. At most 2 IPv4 host addresses and one
 * of each other kind, so that codes stay short. */
bool sq_pair_add_candidate(struct sq_pair_code *code, const char *line);

/* The description that the code stands for. *ret_sdp is owned by the caller (sq_free).
 * SQ_ERR_NOMEM, SQ_ERR_CRYPTO. */
int sq_pair_to_sdp(const struct sq_pair_code *code, char **ret_sdp) SQ_MUST_USE;

#endif
