/* Forward error correction on receipt: packets that were lost, made again out of those that came
 * and a packet of parity. ULPFEC (RFC 5109, level 0; within RED, RFC 2198) and FlexFEC
 * (draft-ietf-payload-flexible-fec-scheme-03, "flexfec-03"), as libwebrtc sends them. */
#ifndef SQ_PEER_RTP_FEC_H
#define SQ_PEER_RTP_FEC_H

#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SQ_FEC_WINDOW      128  /* media packets behind the newest that are kept */
#define SQ_FEC_PENDING_MAX 32   /* parity that waits for more than one packet */
#define SQ_FEC_PACKET_MAX  1500 /* bytes of a packet, header included */
#define SQ_FEC_MASK_BITS   109  /* the longest mask: FlexFEC's, 15 + 31 + 63 */

/* What a packet of parity says. Recovery fields are the XOR of those of the packets it protects. */
struct sq_fec_parity {
    const uint8_t *body; /* XOR of what follows the fixed headers; borrowed */
    uint16_t body_len;
    uint16_t base;    /* sequence number of mask's bit 0 */
    uint64_t mask[2]; /* bit i: base + i is protected */
    uint32_t ssrc;    /* FlexFEC: of the stream that it protects; ULPFEC: 0 */
    uint32_t timestamp;
    uint16_t length; /* of what follows the fixed header */
    uint8_t first;   /* P, X, CC */
    uint8_t second;  /* M, PT */
};

/* The payload of a ULPFEC packet. SQ_ERR_TRUNCATED; SQ_ERR_FORMAT for an empty mask;
 * SQ_ERR_UNSUPPORTED with the extension flag, which RFC 5109 leaves to later versions. */
int sq_fec_read_ulpfec(const uint8_t *payload, size_t len,
                       struct sq_fec_parity *ret_parity) SQ_MUST_USE;
/* The same of a flexfec-03 packet. SQ_ERR_UNSUPPORTED for retransmissions, masks of rows and
 * columns, and parity over more than one stream, none of which libwebrtc sends. */
int sq_fec_read_flexfec(const uint8_t *payload, size_t len,
                        struct sq_fec_parity *ret_parity) SQ_MUST_USE;

/* The latest packets of one stream, and parity that is still good for something: some 240 KB. */
struct sq_fec; /* opaque */

struct sq_fec *sq_fec_new(void); /* NULL without memory */
void sq_fec_free(struct sq_fec *f);
/* Another source begins. */
void sq_fec_reset(struct sq_fec *f);

/* A media packet (RTP, in the clear, as its sender protected it) in two parts: header and the rest.
 * What is larger than SQ_FEC_PACKET_MAX or smaller than a header is left out. A pointer to the
 * copy, for the caller to blank what was changed on the way; NULL where there is none. */
uint8_t *sq_fec_media(struct sq_fec *f, const uint8_t *header, size_t header_len,
                      const uint8_t *rest, size_t rest_len);
/* Copies it. */
void sq_fec_parity(struct sq_fec *f, const struct sq_fec_parity *parity);
/* Makes one lost packet again, with `ssrc`; false when there is none to be made (any more): call it
 * until then after each packet of either kind. Borrowed until the next call. */
bool sq_fec_recover(struct sq_fec *f, uint32_t ssrc, const uint8_t **ret_packet, size_t *ret_len);
/* Parity that was of no use: nothing was missing, or too much until it was too late
 * (fecPacketsDiscarded). */
uint64_t sq_fec_discarded(const struct sq_fec *f);

#endif
