/* Room for datagrams that came out of byte streams: they have to outlive the call-back they came
 * in, because media wait for their batch. One a thread. */
#ifndef SQ_RUN_KEEP_H
#define SQ_RUN_KEEP_H

#include <stddef.h>
#include <stdint.h>

#define SQ_KEEP_BYTES (256 * 1024)

struct sq_keep {
    uint8_t *bytes; /* owned; NULL until the first */
    size_t used;
    /* Room is used up: what waits in batches is to be worked off now. */
    void (*flush)(void *ctx);
    void *ctx;
};

/* A copy that may be written to, valid until the batches are worked off (sq_keep_reset). NULL
 * without memory. */
uint8_t *sq_keep_copy(struct sq_keep *keep, const uint8_t *bytes, size_t len);
static inline void sq_keep_reset(struct sq_keep *keep)
{
    keep->used = 0;
}
void sq_keep_free(struct sq_keep *keep);

#endif
