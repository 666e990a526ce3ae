/* A file that is read: its picture, its voice, or both. Where the other medium is given by a file
 * of its own, that one is read again from its beginning until it lasts as long. */
#ifndef SQ_PREPARE_INPUT_H
#define SQ_PREPARE_INPUT_H

#include "prepare/prepare_int.h"

struct sq_side {
    int stream; /* -1: none is open */
    AVCodecContext *decoder;
    AVRational time_base;
    unsigned packets;          /* from the first one that something came out of */
    unsigned failed, frames;   /* of these: packets with errors, and what came out of them all */
    unsigned concealed_frames; /* that were told to be broken */
};

struct sq_input {
    const char *path;
    bool has_video, has_audio; /* those that are wanted of it */
    struct sq_side video, audio;
    AVFormatContext *format;
    AVPacket *packet;
    AVFrame *frame;
    int64_t start_ns; /* of what begins first */
    unsigned turns;   /* quarter turns clockwise that its picture needs */
};

/* Opens it, or opens it again from its beginning: counts of its sides go on. */
int sq_input_open(struct sq_prepare_job *job, struct sq_input *in);
void sq_input_close(struct sq_input *in);

static inline int64_t sq_input_ns(int64_t ticks, AVRational time_base)
{
    return av_rescale_q(ticks, time_base, (AVRational){1, 1000000000});
}

#endif
