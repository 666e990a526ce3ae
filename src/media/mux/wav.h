/* WAV files of G.711: telephony's own samples, A-law or µ-law, 8 kHz, one channel. No I/O. */
#ifndef SQ_MEDIA_MUX_WAV_H
#define SQ_MEDIA_MUX_WAV_H

#include "base/err.h"
#include "media/codec.h"
#include "media/mux/sink.h"

#define SQ_WAV_HOLE_MAX (10 * 8000) /* samples: a longer hole is made this long */

struct sq_wav;

/* SQ_ERR_UNSUPPORTED for another codec than PCMU and PCMA. `sink` is borrowed. */
int sq_wav_new(enum sq_codec codec, const struct sq_mux_sink *sink,
               struct sq_wav **ret_wav) SQ_MUST_USE;
/* Samples that begin `ticks` (8 kHz) after the first: a hole before them becomes silence, what
 * overlaps is left out. */
void sq_wav_samples(struct sq_wav *wav, uint64_t ticks, const uint8_t *bytes, size_t len);
/* Fills in the lengths, and frees. NULL is allowed. */
void sq_wav_finish(struct sq_wav *wav);

#endif
