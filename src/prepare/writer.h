/* A .sqclip file in the making: tracks that grow row by row, and then the file. */
#ifndef SQ_PREPARE_WRITER_H
#define SQ_PREPARE_WRITER_H

#include "base/err.h"
#include "media/clip.h"
#include <stddef.h>
#include <stdint.h>

struct sq_writer_row {
    const uint8_t *bytes; /* copied */
    size_t len;
    uint32_t ticks;
    uint8_t flags, level, tid;
};

struct sq_writer_track {
    enum sq_codec codec;
    uint8_t channels, ladder, temporal_layers;
    unsigned features;
    uint16_t width, height;
    uint32_t fps_milli;
    uint32_t rows;
    uint8_t *index, *data; /* owned */
    size_t index_room, data_len, data_room;
};

struct sq_writer {
    struct sq_writer_track tracks[SQ_CLIP_TRACKS_MAX];
    size_t count;
};

void sq_writer_free(struct sq_writer *w);
/* A new track, borrowed; NULL if there are too many. */
struct sq_writer_track *sq_writer_add(struct sq_writer *w, enum sq_codec codec);
/* SQ_ERR_NOMEM; SQ_ERR_NOSPACE past what a clip may hold. */
int sq_writer_row(struct sq_writer_track *t, const struct sq_writer_row *row) SQ_MUST_USE;
/* Writes the file, whole or not at all: each track with its rows before `loop_ns`, the time of one
 * loop. A link is followed, and only a regular file is replaced. SQ_ERR_IO with errno (EINVAL: a
 * device or a pipe stands there), SQ_ERR_NOMEM. */
int sq_writer_save(const struct sq_writer *w, const char *path, uint64_t loop_ns) SQ_MUST_USE;

#endif
