/* Multicast DNS for candidates that hide their address behind a name (RFC 6762; RFC 8828 and
 * draft-ietf-mmusic-mdns-ice-candidates): asks for "….local", and keeps answers for their time to
 * live. No I/O: messages go out by the send callback, to 224.0.0.251:5353 from port 5353. */
#ifndef SQ_PEER_MDNS_MDNS_H
#define SQ_PEER_MDNS_MDNS_H

#include "base/addr.h"
#include "base/err.h"
#include "base/str.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SQ_MDNS_PORT      5353
#define SQ_MDNS_GROUP     "224.0.0.251"
#define SQ_MDNS_NAME_MAX  127  /* bytes of a name; a browser's has 42 */
#define SQ_MDNS_NAMES_MAX 4096 /* names asked for or kept */

struct sq_mdns;

struct sq_mdns_callbacks {
    void (*send)(void *ctx, const void *buf, size_t len);
    /* The answer for whoever asked with `waiter`; NULL: nobody answered. Port 0. */
    void (*answer)(void *ctx, void *waiter, const struct sq_addr *addr);
};

/* Borrowed: callbacks and ctx. */
int sq_mdns_create(const struct sq_mdns_callbacks *callbacks, void *ctx,
                   struct sq_mdns **ret_mdns) SQ_MUST_USE;
void sq_mdns_destroy(struct sq_mdns *mdns); /* NULL is allowed; tells nothing */

/* Whether the name is one for multicast DNS: a host of ".local". */
bool sq_mdns_is_name(struct sq_view name);
/* `answer` comes once, at once where it is known. SQ_ERR_NOMEM, SQ_ERR_INVALID. */
int sq_mdns_ask(struct sq_mdns *mdns, uint64_t now_ns, struct sq_view name,
                void *waiter) SQ_MUST_USE;
/* Whoever asked with `waiter` does not want the answers any more. */
void sq_mdns_forget(struct sq_mdns *mdns, const void *waiter);
/* A message of the group. SQ_ERR_FORMAT; whatever it is, it needs no action. */
int sq_mdns_receive(struct sq_mdns *mdns, uint64_t now_ns, const void *buf, size_t len);
uint64_t sq_mdns_next_timeout(const struct sq_mdns *mdns);
void sq_mdns_on_timeout(struct sq_mdns *mdns, uint64_t now_ns);

#endif
