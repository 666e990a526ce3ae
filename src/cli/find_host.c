#include "cli/find_host.h"

#include "base/str.h"
#include "base/time.h"
#include "net/dns.h"
#include <stdio.h>
#include <string.h>

#define STUN_PORT     3478 /* RFC 8489, section 8 */
#define STUN_HOST_MAX 256

struct lookup {
    bool over;
    int err;
    struct sq_host_addrs found;
};

static bool has_family(const struct sq_addr *addrs, size_t n, int family)
{
    for (size_t i = 0; i < n; i++) {
        if (sq_addr_family(&addrs[i]) == family) {
            return true;
        }
    }
    return false;
}

static void on_lookup(void *ctx, const struct sq_dns_answer *answer)
{
    struct lookup *lookup = ctx;
    struct sq_host_addrs *found = &lookup->found;
    lookup->over = true;
    lookup->err = answer->err;
    for (size_t i = 0; !answer->err && i < answer->n && found->n < SQ_HOST_ADDRS_MAX; i++) {
        if (!has_family(found->addrs, found->n, sq_addr_family(&answer->addrs[i]))) {
            found->addrs[found->n++] = answer->addrs[i];
        }
    }
}

int sq_find_host(struct sq_loop *loop, const char *host, uint16_t port,
                 struct sq_host_addrs *ret_found)
{
    struct lookup lookup = {0};
    struct sq_dns_query *query;
    int err = sq_dns_resolve(loop, host, port, AF_UNSPEC, 0, on_lookup, &lookup, &query);
    while (!err && !lookup.over) {
        err = sq_loop_run_once(loop, SQ_NS_PER_SEC);
    }
    err = err ? err : lookup.err;
    err = err || lookup.found.n > 0 ? err : SQ_ERR_DNS;
    if (!err) {
        *ret_found = lookup.found;
    }
    return err;
}

struct sq_addr sq_host_addr_like(const struct sq_host_addrs *found, const struct sq_addr *likes,
                                 size_t n)
{
    for (size_t i = 0; i < found->n; i++) {
        if (has_family(likes, n, sq_addr_family(&found->addrs[i]))) {
            return found->addrs[i];
        }
    }
    return found->addrs[0];
}

bool sq_host_is_asked(const struct sq_host_addrs *found, const struct sq_addr *bases, size_t n)
{
    for (size_t i = 0; i < found->n; i++) {
        for (size_t b = 0; b < n; b++) {
            /* As peer/ice/ice_gather.c chooses: loopback leads nowhere else. */
            if (sq_addr_family(&found->addrs[i]) == sq_addr_family(&bases[b]) &&
                (!sq_addr_is_loopback(&bases[b]) || sq_addr_is_loopback(&found->addrs[i]))) {
                return true;
            }
        }
    }
    return false;
}

/* "HOST", "HOST:PORT", "[IPv6]:PORT", an IPv6 address alone. *ret_wrong is a number that is no
 * port, where all else is right. */
static bool split_host(const char *text, char *host, size_t room, uint64_t *port,
                       const char **ret_wrong)
{
    struct sq_addr literal;
    const char *end = text[0] == '[' ? strchr(text, ']') : NULL;
    const char *from = end ? text + 1 : text;
    const char *colon = end ? end + 1 : strrchr(text, ':');
    if (!end && sq_addr_parse(text, 0, &literal) == 0) {
        colon = NULL;
    }
    if (end && *colon != ':') {
        colon = *colon == '\0' ? NULL : end; /* what follows the bracket is no port */
    }
    if (text[0] == '[' && !end) {
        return false;
    }
    size_t len = end ? (size_t)(end - from) : colon ? (size_t)(colon - from) : strlen(from);
    if (len == 0 || len >= room) {
        return false;
    }
    if (colon && (sq_view_u64(sq_view_of(colon + 1), 65535, port) != 0 || *port == 0)) {
        const char *digits = colon + 1;
        bool number = *digits != '\0' && digits[strspn(digits, "0123456789")] == '\0';
        *ret_wrong = number ? digits : NULL;
        return false;
    }
    memcpy(host, from, len);
    host[len] = '\0';
    return true;
}

/* As it is written: nothing is looked up. */
static int read_stun(const char *text, char host[static STUN_HOST_MAX], uint64_t *ret_port,
                     char *why, size_t why_room)
{
    uint64_t port = STUN_PORT;
    const char *from = strncmp(text, "stun:", 5) == 0 ? text + 5 : text;
    const char *wrong = NULL;
    if (!split_host(from, host, STUN_HOST_MAX, &port, &wrong)) {
        snprintf(why, why_room, "--stun %.200s: expected HOST, HOST:PORT or [IPv6]:PORT%s%.20s",
                 text, wrong ? " with a port from 1 to 65535, not " : "", wrong ? wrong : "");
        return SQ_ERR_INVALID;
    }
    *ret_port = port;
    return 0;
}

int sq_stun_list_check(const struct sq_option_list *list, char *why, size_t why_room)
{
    char host[STUN_HOST_MAX];
    uint64_t port;
    int err = 0;
    if (list->n > SQ_STUN_OPTIONS_MAX) {
        snprintf(why, why_room, "--stun: at most %d servers", SQ_STUN_OPTIONS_MAX);
        return SQ_ERR_INVALID;
    }
    for (size_t i = 0; !err && i < list->n; i++) {
        err = read_stun(list->items[i], host, &port, why, why_room);
    }
    return err;
}

int sq_find_stun(struct sq_loop *loop, const char *text, struct sq_host_addrs *ret_found, char *why,
                 size_t why_room)
{
    char host[STUN_HOST_MAX];
    uint64_t port;
    int err = read_stun(text, host, &port, why, why_room);
    if (err) {
        return err;
    }
    if (sq_find_host(loop, host, (uint16_t)port, ret_found) != 0) {
        snprintf(why, why_room, "--stun %s: the name '%s' cannot be resolved", text, host);
        return SQ_ERR_DNS;
    }
    return 0;
}

int sq_find_stun_list(struct sq_loop *loop, const struct sq_option_list *list,
                      const struct sq_addr *bases, size_t bases_len, struct sq_stun_list *ret_list,
                      char *why, size_t why_room)
{
    int err = sq_stun_list_check(list, why, why_room);
    if (err) {
        return err;
    }
    ret_list->n = 0;
    ret_list->unasked = NULL;
    for (size_t i = 0; i < list->n; i++) {
        struct sq_host_addrs found;
        err = sq_find_stun(loop, list->items[i], &found, why, why_room);
        if (err) {
            return err;
        }
        for (size_t a = 0; a < found.n; a++) {
            ret_list->names[ret_list->n] = list->items[i];
            ret_list->addrs[ret_list->n++] = found.addrs[a];
        }
        if (!sq_host_is_asked(&found, bases, bases_len)) {
            ret_list->unasked = list->items[i];
        }
    }
    return 0;
}
