/* ICE-TCP (RFC 6544): connections of endpoints, framed as RFC 4571 has it. Active ones are opened
 * with the first message to a candidate; passive ones come in at listeners, which all endpoints of
 * a carrier share, and are told apart by the user name of the first check. */
#ifndef SQ_RUN_TCP_PATH_H
#define SQ_RUN_TCP_PATH_H

#include "base/addr.h"
#include "net/loop.h"
#include "peer/peer.h"
#include "run/keep.h"

#define SQ_TCP_PATHS_MAX 16 /* connections of one endpoint */

struct sq_tcp_path;
struct sq_tcp_listener;
struct sq_link;

/* What those of a thread share. `dead` is NULL at first. */
struct sq_tcp_paths {
    struct sq_loop *loop;
    struct sq_keep *keep;
    struct sq_tcp_path *dead; /* closed in this iteration of the loop */
};

/* At the end of an iteration, and before the loop goes. */
void sq_tcp_paths_free_dead(struct sq_tcp_paths *paths);

struct sq_tcp_path_events {
    void (*data)(void *ctx, int base, const struct sq_addr *from, uint8_t *buf, size_t len,
                 uint64_t recv_ns);
    /* It is closed, and must not be used any more after this. */
    void (*ended)(void *ctx, struct sq_tcp_path *path, const char *text);
};

/* `paths` and `events` are borrowed; `link` is nullable. Messages that are sent before it is open
 * wait, a few of them.
 */
int sq_tcp_path_open(struct sq_tcp_paths *paths, int base, const struct sq_addr *local,
                     const struct sq_addr *remote, struct sq_link *link,
                     const struct sq_tcp_path_events *events, void *ctx,
                     struct sq_tcp_path **ret_path) SQ_MUST_USE;
/* How many were taken. */
size_t sq_tcp_path_send(struct sq_tcp_path *path, const struct sq_dgram *dgrams, size_t n);
int sq_tcp_path_base(const struct sq_tcp_path *path);
const struct sq_addr *sq_tcp_path_remote(const struct sq_tcp_path *path);
/* From any of its callbacks; NULL is allowed. */
void sq_tcp_path_close(struct sq_tcp_path *path);

/* Whose connection this is, by the local half of the first check's user name: fills events, ctx and
 * base and returns true, and takes the path over; false: nobody's. */
typedef bool (*sq_tcp_claim_fn)(void *ctx, const char *ufrag, struct sq_tcp_path *path,
                                const struct sq_tcp_path_events **ret_events, void **ret_ctx,
                                int *ret_base);

/* Listens at `addr` (port 0: any). SQ_ERR_IO with errno. */
int sq_tcp_listener_open(struct sq_tcp_paths *paths, const struct sq_addr *addr,
                         sq_tcp_claim_fn claim, void *ctx,
                         struct sq_tcp_listener **ret_listener) SQ_MUST_USE;
const struct sq_addr *sq_tcp_listener_addr(const struct sq_tcp_listener *listener);
/* Ends connections, too, that nobody has claimed. NULL is allowed. */
void sq_tcp_listener_close(struct sq_tcp_listener *listener);

#endif
