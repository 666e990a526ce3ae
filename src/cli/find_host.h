/* Names that options give, looked up before anything else begins. */
#ifndef SQ_CLI_FIND_HOST_H
#define SQ_CLI_FIND_HOST_H

#include "base/addr.h"
#include "cli/options.h"
#include "net/loop.h"
#include <stdbool.h>
#include <stddef.h>

#define SQ_HOST_ADDRS_MAX   2 /* one of each family */
#define SQ_STUN_OPTIONS_MAX 4 /* --stun */

/* The first address of each family, in the order of the resolver; at least one. */
struct sq_host_addrs {
    struct sq_addr addrs[SQ_HOST_ADDRS_MAX];
    size_t n;
};

/* Those of a name, or a numeric address itself; runs the loop until they are known. SQ_ERR_DNS and
 * others. */
int sq_find_host(struct sq_loop *loop, const char *host, uint16_t port,
                 struct sq_host_addrs *ret_found) SQ_MUST_USE;
/* The first one of a family that `likes` have, too; else the first. */
struct sq_addr sq_host_addr_like(const struct sq_host_addrs *found, const struct sq_addr *likes,
                                 size_t n);
/* Whether a STUN server is asked from any of these local addresses. */
bool sq_host_is_asked(const struct sq_host_addrs *found, const struct sq_addr *bases, size_t n);
/* --stun HOST, HOST:PORT or stun:HOST:PORT; on failure `why` says what is wrong. SQ_ERR_INVALID,
 * SQ_ERR_DNS. */
int sq_find_stun(struct sq_loop *loop, const char *text, struct sq_host_addrs *ret_found, char *why,
                 size_t why_room) SQ_MUST_USE;

/* All that --stun names. */
struct sq_stun_list {
    struct sq_addr addrs[SQ_STUN_OPTIONS_MAX * SQ_HOST_ADDRS_MAX];
    const char *names[SQ_STUN_OPTIONS_MAX * SQ_HOST_ADDRS_MAX]; /* as given, one an address */
    size_t n;
    const char *unasked; /* one, as it was given, that none of the local addresses asks; or NULL */
};

/* How many there are, and how each is written; nothing is looked up. SQ_ERR_INVALID with a
 * sentence. */
int sq_stun_list_check(const struct sq_option_list *list, char *why, size_t why_room) SQ_MUST_USE;
/* The same errors. `bases` are the addresses that media leave from. */
int sq_find_stun_list(struct sq_loop *loop, const struct sq_option_list *list,
                      const struct sq_addr *bases, size_t bases_len, struct sq_stun_list *ret_list,
                      char *why, size_t why_room) SQ_MUST_USE;

#endif
