/* Decodes whole frames (media/frames.h) for real, by libavcodec, to say whether the picture moves
 * and the voice is heard. Slow beside the models: for a thread of its own. */
#ifndef SQ_MEDIA_DECODE_H
#define SQ_MEDIA_DECODE_H

#include "base/err.h"
#include "media/frames.h"
#include <stdbool.h>
#include <stdint.h>

struct sq_media_decoder;

/* What was decoded since the beginning. */
struct sq_decoded {
    uint64_t pictures;      /* that came out of the decoder */
    uint64_t failed;        /* frames and packets that it refused */
    uint64_t seconds;       /* of picture or sound, whole ones */
    uint64_t seconds_alive; /* of them: the picture moved, or the sound was heard (media/heard.h) */
    uint32_t width, height; /* of the latest picture */
    double level_dbov;      /* of the latest second of sound */
};

/* false in a build without libavcodec: sq_media_decoder_new then gives SQ_ERR_UNSUPPORTED. */
bool sq_media_decoder_available(void);
/* SQ_ERR_NOMEM. */
int sq_media_decoder_new(struct sq_media_decoder **ret_decoder) SQ_MUST_USE;
void sq_media_decoder_free(struct sq_media_decoder *d);
/* A frame of any codec; the codec may change from one to the next. What fails is counted. */
void sq_media_decoder_push(struct sq_media_decoder *d, const struct sq_media_frame *frame);
void sq_media_decoder_figures(const struct sq_media_decoder *d, struct sq_decoded *ret_decoded);

#endif
