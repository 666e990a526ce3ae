#include "run/keep.h"

#include "base/mem.h"
#include <string.h>

uint8_t *sq_keep_copy(struct sq_keep *keep, const uint8_t *bytes, size_t len)
{
    if (!keep->bytes) {
        keep->bytes = sq_malloc(SQ_KEEP_BYTES);
    }
    if (!keep->bytes || len > SQ_KEEP_BYTES) {
        return NULL;
    }
    if (len > SQ_KEEP_BYTES - keep->used) {
        keep->flush(keep->ctx);
        keep->used = 0;
    }
    uint8_t *at = keep->bytes + keep->used;
    if (len > 0) {
        memcpy(at, bytes, len);
    }
    size_t room = (len + 15) & ~(size_t)15;
    keep->used = room < SQ_KEEP_BYTES - keep->used ? keep->used + room : SQ_KEEP_BYTES;
    return at;
}

void sq_keep_free(struct sq_keep *keep)
{
    sq_free(keep->bytes);
    keep->bytes = NULL;
    keep->used = 0;
}
