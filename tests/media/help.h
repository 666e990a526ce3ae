/* Clips for tests: the one that ships, and small ones made up byte by byte. */
#ifndef TESTS_MEDIA_HELP_H
#define TESTS_MEDIA_HELP_H

#include "media/clip.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* share/clips/NAME.sqclip of the source tree, cut for payloads of that size; the test fails if it
 * does not open. */
struct sq_clip *help_open(const char *name, size_t payload_max_bytes);
struct sq_clip *help_open_tagged(const char *name); /* with room for time-tags */

struct help_file {
    uint8_t *bytes; /* owned: free */
    size_t len;
};

/* A sound clip file: an Opus track of `audio` packets, and a VP8 track of `video` frames of 16x16,
 * each 40 ms, of rising sizes, a key frame every `key_every`. Either number may be 0. */
struct help_file help_make(unsigned audio, unsigned video, unsigned key_every);
/* A clip file of any tracks, row by row. */
struct help_row {
    const void *bytes;
    uint32_t len, ticks;
    uint8_t flags, level, tid, sid;
};
struct help_track {
    enum sq_clip_kind kind;
    enum sq_codec codec;
    uint8_t channels, ladder;
    unsigned features;
    uint16_t width, height;
    uint8_t temporal_layers, spatial_layers;
    uint32_t duration;
    const struct help_row *rows;
    unsigned count;
};
struct help_file help_build(const struct help_track *tracks, unsigned count);
/* Writes the right check sum and length into a file that was changed. */
void help_seal(struct help_file *f);
/* The whole of a file. */
struct help_file help_read(const char *path);

/* CRC-32 the slow way, bit by bit. */
uint32_t help_crc32(const uint8_t *bytes, size_t len);

#endif
