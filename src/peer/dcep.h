/* DCEP (RFC 8832, section 5): the message that opens a data channel. Nothing is allocated or kept;
 * texts are borrowed. */
#ifndef SQ_PEER_DCEP_H
#define SQ_PEER_DCEP_H

#include "base/err.h"
#include "base/str.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SQ_DCEP_OPEN_BYTES 12    /* its fixed part */
#define SQ_DCEP_TEXT_MAX   65535 /* bytes of a label or a protocol */

enum sq_dcep_type { SQ_DCEP_ACK = 2, SQ_DCEP_OPEN = 3 }; /* section 8.2.1 */

struct sq_dcep_open {
    bool unordered;
    bool limit_retransmits, limit_lifetime; /* one of them at most */
    uint16_t limit;                         /* retransmissions, or ms; more than fits is cut */
    uint16_t priority;
    struct sq_view label, protocol; /* of the message's own bytes; any bytes at all */
};

/* The whole message, its type included. What follows the texts is ignored. SQ_ERR_FORMAT. */
int sq_dcep_read_open(const uint8_t *bytes, size_t len, struct sq_dcep_open *ret_open) SQ_MUST_USE;
/* SQ_ERR_NOSPACE; SQ_ERR_INVALID for texts of more than SQ_DCEP_TEXT_MAX. */
int sq_dcep_write_open(const struct sq_dcep_open *open, uint8_t *out, size_t room,
                       size_t *ret_len) SQ_MUST_USE;

#endif
