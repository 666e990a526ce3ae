/* The code of `squall pair`: an offer or an answer of about 80 characters that a person carries
 * from one machine to the other ("the minimum viable SDP"). docs/pair.md describes it for people.
 *
 * Bytes, before base32:
 *   0      version (3 bits, 1) | answer (1) | no media (1) | zero (3)
 *   1      how many candidates: IPv4 host, IPv6 host, IPv4 server-reflexive, IPv6 server-reflexive
 *          (2 bits each, from the top)
 *   2      SHA-256 fingerprint of the certificate, 32 bytes; ICE ufrag and password follow from it
 *          (peer/derived_ice.h)
 *   34     of an answer: the first byte of SHA-256(the offer's fingerprint), to tell answers apart
 *   then   the candidates in the order above: address (4 or 16 bytes) and port (2)
 *   last   CRC-24 of all before it (the polynomial of RFC 4880, section 6.1), 3 bytes
 *
 * What is not in it is constant: the offerer is actpass and controls, the answerer is active; Opus
 * is payload type 111 and VP8 is 96. See pair_sdp.h.
 *
 * Base32 in Crockford's alphabet (0-9 A-Z without I L O U), bits from the top, zero bits at the
 * end. Read in either case, with O for 0, I and L for 1; spaces, line ends and hyphens are skipped.
 */
#ifndef SQ_SIGNAL_PAIR_CODE_H
#define SQ_SIGNAL_PAIR_CODE_H

#include "base/addr.h"
#include "base/err.h"
#include "peer/derived_ice.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SQ_PAIR_VERSION        1
#define SQ_PAIR_EACH_MAX       3  /* candidates of one kind */
#define SQ_PAIR_CANDIDATES_MAX 12 /* 3 of each of the four kinds */
#define SQ_PAIR_BYTES_MAX      (2 + 32 + 1 + 2 * SQ_PAIR_EACH_MAX * (6 + 18) + 3)
#define SQ_PAIR_CHARS_MAX      ((SQ_PAIR_BYTES_MAX * 8 + 4) / 5)
#define SQ_PAIR_GROUP          8 /* characters between hyphens, as it is printed */
#define SQ_PAIR_TEXT_MAX       (SQ_PAIR_CHARS_MAX + SQ_PAIR_CHARS_MAX / SQ_PAIR_GROUP + 1)
#define SQ_PAIR_WHY_MAX        200

struct sq_pair_candidate {
    struct sq_addr addr;
    bool srflx; /* else host */
};

struct sq_pair_code {
    bool answer;
    bool media;        /* audio and video both ways; else only the connection is tried */
    uint8_t offer_tag; /* of an answer */
    uint8_t fingerprint[SQ_SHA256_BYTES];
    size_t candidates_len;
    struct sq_pair_candidate candidates[SQ_PAIR_CANDIDATES_MAX]; /* any order; read in the code's */
};

/* The text with hyphens and a NUL. SQ_ERR_INVALID: no candidate, or more than SQ_PAIR_EACH_MAX of a
 * kind. */
int sq_pair_encode(const struct sq_pair_code *code,
                   char ret_text[static SQ_PAIR_TEXT_MAX]) SQ_MUST_USE;

/* Reads what a person typed or pasted. SQ_ERR_FORMAT, SQ_ERR_UNSUPPORTED (another version); `why`
 * holds a sentence that names the character where it can be known: one that codes do not have, or
 * the only one whose change (or swap with the next) makes the sum right. */
int sq_pair_decode(const char *text, struct sq_pair_code *ret_code,
                   char why[static SQ_PAIR_WHY_MAX]) SQ_MUST_USE;

/* What an answer to this offer carries as offer_tag. */
int sq_pair_tag(const uint8_t fingerprint[static SQ_SHA256_BYTES], uint8_t *ret_tag) SQ_MUST_USE;

#endif
