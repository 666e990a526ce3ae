/* Inside of the preparation: an input that is decoded once, a picture and a voice that are encoded
 * on the way. */
#ifndef SQ_PREPARE_PREPARE_INT_H
#define SQ_PREPARE_PREPARE_INT_H

#include "prepare/prepare.h"
#include "prepare/writer.h"
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>

/* Three temporal layers in this turn; a frame of the second or third place refers to the base layer
 * alone, and nothing refers to one of the second or fourth. (ffmpeg's ts_layering_mode 3;
 * tests/prepare decodes with layers left out.) */
#define TURN 4

#define PACKET_MS 20

/* How many frames make a loop of 2 s at least, in whole turns and packets. */
unsigned sq_prepare_least_frames(unsigned fps);
/* Of what is asked for: where that is less than a loop may be, the least. */
static inline unsigned sq_prepare_frames(const struct sq_prepare *want)
{
    unsigned least = sq_prepare_least_frames(want->fps);
    unsigned frames = want->seconds * want->fps;
    return frames < least ? least : frames;
}

struct sq_prepare_job {
    const struct sq_prepare *want;
    char *why;
    const char *file; /* that is read or judged: messages begin with its name */
    struct sq_writer writer;
    uint64_t loop_ns;                   /* at most so much is taken; in the end, what is used */
    unsigned audio_track, audio_tracks; /* of the voice's file: which one it is, and of how many */
    const char *side; /* the channel that was taken alone, as the others cancel it; NULL: all */
};

/* Writes a sentence that begins with the file's name; gives `err`. */
int sq_prepare_fail(const struct sq_prepare_job *job, int err, const char *fmt, ...)
    SQ_PRINTF(3, 4);
/* The same with libav's own word for `averr`. */
int sq_prepare_fail_av(const struct sq_prepare_job *job, int averr, const char *what);

/* ---- picture.c ---- */

struct sq_picture;
/* Its frames need so many quarter turns clockwise. */
int sq_picture_new(struct sq_prepare_job *job, unsigned turns, struct sq_picture **ret_picture);
void sq_picture_free(struct sq_picture *p);
/* A decoded frame that is shown from `at_ns` on. */
int sq_picture_push(struct sq_picture *p, const AVFrame *frame, int64_t at_ns);
/* The picture ends at `end_ns`. SQ_ERR_INVALID if it does not move, or is black. */
int sq_picture_end(struct sq_picture *p, int64_t end_ns);
uint32_t sq_picture_frames(const struct sq_picture *p);

/* ---- voice.c ---- */

struct sq_voice;
int sq_voice_new(struct sq_prepare_job *job, struct sq_voice **ret_voice);
void sq_voice_free(struct sq_voice *v);
int sq_voice_push(struct sq_voice *v, const AVFrame *frame, int64_t at_ns);
/* Encodes it for each codec. SQ_ERR_INVALID if it is silent. */
int sq_voice_end(struct sq_voice *v);
uint32_t sq_voice_packets(const struct sq_voice *v);

#endif
