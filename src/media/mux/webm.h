/* WebM and Matroska files (RFC 9559; the WebM subset where the codecs allow it): one video track,
 * one audio track, or both. Clusters begin with key frames, cues and lengths are filled in at the
 * end; a file whose writer died before that plays all the same. No I/O: bytes go to a sink. */
#ifndef SQ_MEDIA_MUX_WEBM_H
#define SQ_MEDIA_MUX_WEBM_H

#include "base/err.h"
#include "media/codec.h"
#include "media/mux/sink.h"
#include <stdbool.h>

#define SQ_WEBM_CUES_MAX    4096 /* later key frames are written, and not listed */
#define SQ_WEBM_CLUSTER_MS  5000 /* a cluster is no longer than this */
#define SQ_WEBM_PRIVATE_MAX 1024 /* bytes of codec configuration */

struct sq_webm;

struct sq_webm_config {
    enum sq_codec video; /* VP8, VP9, H264, AV1, or NONE */
    enum sq_codec audio; /* OPUS or NONE */
    uint16_t width, height;
    uint8_t channels;
    uint64_t wall_ns; /* when the recording began, since 1970 */
    /* The first key frame, from which H.264 and AV1 take their configuration. Borrowed for the
     * call. */
    const uint8_t *key_frame;
    size_t key_frame_len;
};

/* "webm" or "mkv": H.264 is no part of WebM. */
const char *sq_webm_suffix(enum sq_codec video);

/* Writes the head. SQ_ERR_NOMEM; SQ_ERR_UNSUPPORTED for another codec; SQ_ERR_FORMAT where the key
 * frame has no configuration. `sink` is borrowed. */
int sq_webm_new(const struct sq_webm_config *config, const struct sq_mux_sink *sink,
                struct sq_webm **ret_webm) SQ_MUST_USE;
/* A frame at `ms` since the beginning, as sq_media_frame has its bytes (H.264 with start codes, AV1
 * with its temporal delimiter). Its time may lie a little before the latest one's. SQ_ERR_FORMAT
 * for a frame that is empty. SQ_ERR_INVALID: the file has no such
 * track. SQ_ERR_NOMEM: it was left out. */
int sq_webm_frame(struct sq_webm *webm, bool video, uint64_t ms, bool key, const uint8_t *bytes,
                  size_t len) SQ_MUST_USE;
/* A key frame has this size: the head tells the largest, which players open their window by. */
void sq_webm_size(struct sq_webm *webm, uint16_t width, uint16_t height);
/* Fills in lengths, duration and cues, and frees. NULL is allowed. */
void sq_webm_finish(struct sq_webm *webm);

#endif
