/* WAV files of telephony's sound as it came, one channel: G.711, A-law or µ-law, 8 kHz, and G.722,
 * 16 kHz. No I/O. */
#ifndef SQ_MEDIA_MUX_WAV_H
#define SQ_MEDIA_MUX_WAV_H

#include "base/err.h"
#include "media/codec.h"
#include "media/mux/sink.h"

#define SQ_WAV_HOLE_MAX (10 * 8000) /* ticks: a longer hole is made this long */

struct sq_wav;

/* PCMU, PCMA, G.722. */
bool sq_wav_holds(enum sq_codec codec);
/* SQ_ERR_UNSUPPORTED for another codec. `sink` is borrowed. */
int sq_wav_new(enum sq_codec codec, const struct sq_mux_sink *sink,
               struct sq_wav **ret_wav) SQ_MUST_USE;
/* A payload that begins `ticks` (8 kHz: a byte each) after the first: a hole before it becomes
 * silence, what overlaps is left out. */
void sq_wav_bytes(struct sq_wav *wav, uint64_t ticks, const uint8_t *bytes, size_t len);
/* Fills in the lengths, and frees. NULL is allowed. */
void sq_wav_finish(struct sq_wav *wav);

#endif
