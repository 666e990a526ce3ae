/* The face of every layer that carries a byte stream. Layers stack: TLS over TCP, later TURN or
 * link emulation between them, none knowing its neighbours. */
#ifndef SQ_NET_FILTER_H
#define SQ_NET_FILTER_H

#include "base/err.h"
#include "net/loop.h"
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define SQ_NET_TEXT_MAX 320 /* an error sentence with its NUL */

struct sq_filter;

struct sq_filter_ops {
    const char *name;
    /* Goes on connecting: 0 when this layer and those below are connected, SQ_ERR_AGAIN, or an
     * error that filter->text explains. */
    int (*connect)(struct sq_filter *filter);
    /* Bytes taken (may be fewer than len), SQ_ERR_AGAIN, or an error. */
    ssize_t (*send)(struct sq_filter *filter, const void *data, size_t len);
    /* Bytes read, 0 at the orderly end, SQ_ERR_AGAIN, or an error. */
    ssize_t (*recv)(struct sq_filter *filter, void *buf, size_t room);
    /* What the layer waits for below (SQ_READ, SQ_WRITE), whatever its user wants. */
    unsigned (*wants)(const struct sq_filter *filter);
    /* Says goodbye in the layer's own way (TLS close_notify), without waiting. */
    void (*shutdown)(struct sq_filter *filter);
    /* Frees this layer only; the layers below are freed by the stream. */
    void (*free)(struct sq_filter *filter);
};

struct sq_filter {
    const struct sq_filter_ops *ops;
    struct sq_filter *below; /* NULL at the bottom */
    char *text; /* borrowed from the stream: SQ_NET_TEXT_MAX bytes for an error sentence */
};

#endif
