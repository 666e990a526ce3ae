/* Where a muxer's bytes go: to the end of a file, and into places of it that were left open. What a
 * write does when it fails is the sink's own business. */
#ifndef SQ_MEDIA_MUX_SINK_H
#define SQ_MEDIA_MUX_SINK_H

#include <stddef.h>
#include <stdint.h>

struct sq_mux_sink {
    void *ctx;
    void (*append)(void *ctx, const void *bytes, size_t len);
    void (*patch)(void *ctx, uint64_t at, const void *bytes, size_t len); /* at most 16 bytes */
};

#endif
