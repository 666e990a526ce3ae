/* Ogg Opus files (RFC 3533, RFC 7845). No I/O: pages go to a sink. */
#ifndef SQ_MEDIA_MUX_OGG_H
#define SQ_MEDIA_MUX_OGG_H

#include "base/err.h"
#include "media/mux/sink.h"

struct sq_ogg;

/* Writes the two header pages. `sink` is borrowed. SQ_ERR_NOMEM. */
int sq_ogg_new(uint8_t channels, uint32_t serial, const struct sq_mux_sink *sink,
               struct sq_ogg **ret_ogg) SQ_MUST_USE;
/* A packet that begins `ticks` (48 kHz) after the first one. A hole before it is told by the page's
 * granule position; decoders conceal or skip it. SQ_ERR_FORMAT for what is not Opus, or too long.
 */
int sq_ogg_packet(struct sq_ogg *ogg, uint64_t ticks, const uint8_t *bytes, size_t len) SQ_MUST_USE;
/* Writes the last page, and frees. NULL is allowed. */
void sq_ogg_finish(struct sq_ogg *ogg);

#endif
