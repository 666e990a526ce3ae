/* Redundant audio data (RFC 2198): a packet that carries earlier ones again. */
#ifndef SQ_MEDIA_RED_H
#define SQ_MEDIA_RED_H

#include "base/err.h"
#include <stddef.h>
#include <stdint.h>

#define SQ_RED_BLOCKS_MAX 8

struct sq_red_block {
    const uint8_t *at; /* borrowed */
    uint16_t len;
    uint16_t offset; /* its time-stamp is the packet's less this */
    uint8_t pt;
};

/* Blocks in the order of the packet: the primary one, with offset 0, is the last. SQ_ERR_TRUNCATED;
 * SQ_ERR_FORMAT for more than SQ_RED_BLOCKS_MAX. */
int sq_red_parse(const uint8_t *payload, size_t len,
                 struct sq_red_block ret_blocks[SQ_RED_BLOCKS_MAX], size_t *ret_n) SQ_MUST_USE;

#endif
