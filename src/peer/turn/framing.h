/* Messages over a byte stream, both ways of cutting it: TURN's own (RFC 8656, sections 2.1 and
 * 12.5: STUN by its length, channel data padded to 4 bytes), and RFC 4571 (two bytes of length,
 * then the datagram), which ICE-TCP uses (RFC 6544, section 3). No I/O. */
#ifndef SQ_PEER_TURN_FRAMING_H
#define SQ_PEER_TURN_FRAMING_H

#include "base/err.h"
#include <stddef.h>
#include <stdint.h>

#define SQ_FRAMING_MESSAGE_MAX 4096 /* longer ones are passed over */
#define SQ_FRAMING_4571_HEADER 2

enum sq_framing_kind { SQ_FRAMING_TURN, SQ_FRAMING_RFC4571 };

/* Zero-initialise it, with its kind. */
struct sq_framing {
    enum sq_framing_kind kind;
    uint8_t *buf; /* owned: the part of a message that has come so far */
    size_t have, room;
    size_t skip;          /* bytes still to be passed over */
    uint64_t passed_over; /* messages */
};

/* A message: TURN's without its padding, RFC 4571's without its length. Borrowed for the call. */
typedef void (*sq_framing_fn)(void *ctx, const uint8_t *message, size_t len);

/* Bytes of the stream, cut anyhow. SQ_ERR_FORMAT: this is no such stream, and the connection is of
 * no use any more; SQ_ERR_NOMEM: likewise. `fn` must not free the framing. */
int sq_framing_feed(struct sq_framing *framing, const uint8_t *data, size_t len, sq_framing_fn fn,
                    void *ctx) SQ_MUST_USE;
void sq_framing_free(struct sq_framing *framing);

#endif
