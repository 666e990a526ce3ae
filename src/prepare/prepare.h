/* Makes a clip out of any file that libavformat reads: `squall media prepare`. The picture is
 * encoded at each step of a ladder and the voice for each codec, as a browser would encode them;
 * the clip is whole or not there. Needs libav at build time (sq_prepare_can). */
#ifndef SQ_PREPARE_PREPARE_H
#define SQ_PREPARE_PREPARE_H

#include "base/err.h"
#include "media/clip.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SQ_PREPARE_WHY_MAX     512
#define SQ_PREPARE_SECONDS_MIN 2
#define SQ_PREPARE_SECONDS_MAX 120
#define SQ_PREPARE_FPS_MAX     60

struct sq_prepare_step {
    /* Width 0: from the height and the picture's shape. Of one that stands the height is taken for
     * its width; of one that is more than SQ_PREPARE_WIDE times as long as short, the long side is
     * that much, and the short one follows: so a step has about the pixels that its rate is meant
     * for. */
    uint16_t width, height;
    uint32_t bps;
};

#define SQ_PREPARE_WIDE 4
/* The usual steps. */
#define SQ_PREPARE_STEPS                                                                           \
    {                                                                                              \
        {0, 180, 150000}, {0, 270, 400000},                                                        \
        {                                                                                          \
            0, 360, 1000000                                                                        \
        }                                                                                          \
    }

struct sq_prepare {
    const char *input, *output;
    /* In place of the input's own, which it may lack: at most one of them. It is cut, or read again
     * from its beginning, to last as long as what is taken of the input. Nullable. */
    const char *voice, *picture;
    bool codecs[SQ_CODECS]; /* those that are wanted */
    bool single_nal;        /* H.264 for packetization-mode 0 as well */
    struct sq_prepare_step steps[SQ_CLIP_STEPS_MAX];
    size_t n_steps;   /* 0: SQ_PREPARE_STEPS */
    int audio_track;  /* of the file that the voice is taken of, from 0; -1: the usual one */
    unsigned seconds; /* at most; the clip ends where the file does */
    unsigned fps;
};

/* SQ_ERR_IO (a file that cannot be read or written), SQ_ERR_FORMAT (no media in it, or not that
 * track), SQ_ERR_INVALID
 * (silent, frozen, black, damaged, or too short: `why` says which and how it was told),
 * SQ_ERR_UNSUPPORTED (no encoder for a codec, or no libav in this build), SQ_ERR_NOMEM. `why` is a
 * sentence; without an error it is empty, or says how much of the film is damaged, or that one
 * channel of its sound was taken alone. Not from two threads at once: libav's log, which is the
 * process's, is read for that. */
int sq_prepare_clip(const struct sq_prepare *want, char why[static SQ_PREPARE_WHY_MAX]) SQ_MUST_USE;
/* Whether this build has libav. */
bool sq_prepare_can(void);

#endif
