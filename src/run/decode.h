/* --decode: a thread that decodes the streams of some users. Shards put packets into a bounded
 * queue and never wait for it; what finds no room is dropped, and told. */
#ifndef SQ_RUN_DECODE_H
#define SQ_RUN_DECODE_H

#include "base/err.h"
#include "media/decode.h"
#include "media/depacket.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SQ_DECODE_QUEUE      4096 /* packets: some 4 s of 8 video streams of 1 Mbit/s */
#define SQ_DECODE_PACKET_MAX 1500

struct sq_decode_thread;
struct sq_decode_stream; /* one received track */

/* SQ_ERR_UNSUPPORTED in a build without libavcodec, SQ_ERR_NOMEM. */
int sq_decode_thread_create(struct sq_decode_thread **ret_thread) SQ_MUST_USE;
/* After all its streams were closed. NULL is allowed. */
void sq_decode_thread_destroy(struct sq_decode_thread *thread);

/* From any thread. SQ_ERR_NOMEM. */
int sq_decode_stream_open(struct sq_decode_thread *thread,
                          struct sq_decode_stream **ret_stream) SQ_MUST_USE;
void sq_decode_stream_close(struct sq_decode_stream *stream); /* NULL is allowed */
/* Copies the packet. False where the queue is full. */
bool sq_decode_stream_push(struct sq_decode_stream *stream, const struct sq_media_packet *packet);

struct sq_decode_figures {
    struct sq_decoded decoded;
    uint64_t dropped; /* packets that found no room */
};
void sq_decode_stream_figures(struct sq_decode_stream *stream,
                              struct sq_decode_figures *ret_figures);

#endif
