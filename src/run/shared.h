/* Values that users share: of a room, or of the whole run, across the threads of the run. Who waits
 * for one is woken when any is set, and looks. */
#ifndef SQ_RUN_SHARED_H
#define SQ_RUN_SHARED_H

#include "base/err.h"
#include <stdatomic.h>
#include <stdint.h>

#define SQ_SHARED_TEST UINT64_MAX /* in the place of a room: of the whole run */

struct sq_loop;
struct sq_shared; /* opaque; for all threads */

/* Embedded by who waits; of one thread. */
struct sq_shared_wait {
    struct sq_shared_wait *next, *prev; /* NULL: not waiting */
    void (*woken)(void *ctx);           /* something was set; may not leave from here */
    void *ctx;
};

/* A thread's door to it. */
struct sq_shared_port {
    struct sq_shared *shared;
    struct sq_loop *loop;
    struct sq_shared_wait waits; /* head of the ring */
    atomic_bool posted;
};

/* SQ_ERR_NOMEM. `ports` threads at most. */
int sq_shared_create(unsigned ports, struct sq_shared **ret_shared) SQ_MUST_USE;
/* After the loops of its ports. NULL is allowed. */
void sq_shared_destroy(struct sq_shared *shared);
/* Both are borrowed until sq_shared_destroy. */
void sq_shared_port_init(struct sq_shared_port *port, struct sq_shared *shared,
                         struct sq_loop *loop);
void sq_shared_wait(struct sq_shared_port *port, struct sq_shared_wait *wait);
/* Allowed on one that does not wait. */
void sq_shared_leave(struct sq_shared_wait *wait);

/* Copied; the newest holds. SQ_ERR_NOMEM. */
int sq_shared_set(struct sq_shared *shared, uint64_t room, const char *name,
                  const char *value) SQ_MUST_USE;
/* A copy (sq_free) in *ret_value. SQ_ERR_NOTFOUND: nobody has set it yet; SQ_ERR_NOMEM. */
int sq_shared_get(struct sq_shared *shared, uint64_t room, const char *name,
                  char **ret_value) SQ_MUST_USE;

#endif
