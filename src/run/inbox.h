/* Messages that came and that nobody has looked at yet, in the order in which they came. */
#ifndef SQ_RUN_INBOX_H
#define SQ_RUN_INBOX_H

#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Past either of them the oldest goes. */
#define SQ_INBOX_MESSAGES_MAX 256
#define SQ_INBOX_BYTES_MAX    (1024 * 1024)

struct sq_inbox_message {
    struct sq_inbox_message *next;
    const char *label; /* of the channel that it came by; "" */
    size_t len;
    char text[]; /* a NUL behind its len bytes */
};

/* Zero-initialised, it is empty. */
struct sq_inbox {
    struct sq_inbox_message *first, *last;
    size_t n, bytes;
    uint64_t dropped; /* for want of room */
};

/* Copied; one that finds no memory is dropped. `label` is nullable. */
void sq_inbox_put(struct sq_inbox *inbox, const char *label, const void *data, size_t len);
/* The oldest one, which is its owner's then (sq_free); NULL: there is none. */
struct sq_inbox_message *sq_inbox_take(struct sq_inbox *inbox);
void sq_inbox_clear(struct sq_inbox *inbox);

#endif
