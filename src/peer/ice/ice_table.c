/* The tables of the agent: bases, local and remote candidates, pairs. */
#include "peer/ice/ice_int.h"

#include "base/mem.h"
#include <stdio.h>
#include <string.h>

void *ice_array_add(struct ice_array *a, size_t item_bytes, size_t max)
{
    if (a->n >= max) {
        return NULL;
    }
    if (a->n == a->room) {
        size_t room = a->room < 2 ? a->room + 1u : a->room + a->room / 2u;
        void *items = sq_realloc(a->items, room * item_bytes);
        if (!items) {
            return NULL;
        }
        a->items = items;
        a->room = (uint16_t)room;
    }
    void *item = (char *)a->items + a->n * item_bytes;
    memset(item, 0, item_bytes);
    a->n++;
    return item;
}

void ice_array_free(struct ice_array *a)
{
    sq_free(a->items);
    memset(a, 0, sizeof(*a));
}

/* ---- Bases and local candidates ---- */

int ice_base_index(const struct sq_ice *ice, int base_id)
{
    for (int i = 0; i < ice->bases.n; i++) {
        if (ice_base_at(ice, (size_t)i)->b.id == base_id) {
            return i;
        }
    }
    return -1;
}

uint16_t ice_find_local(const struct sq_ice *ice, uint8_t base, const struct sq_addr *addr)
{
    for (uint16_t i = 0; i < ice->locals.n; i++) {
        const struct ice_local *l = ice_local_at(ice, i);
        if (l->base == base && sq_addr_equal(&l->c.addr, addr)) {
            return i;
        }
    }
    return ICE_NONE;
}

uint32_t ice_base_priority(const struct sq_ice_base *b, enum sq_ice_type type)
{
    return b->transport == SQ_ICE_UDP
               ? sq_ice_priority(type, b->local_pref, ICE_COMPONENT)
               : sq_ice_priority_tcp(type, b->transport, b->local_pref, ICE_COMPONENT);
}

uint16_t ice_add_local(struct sq_ice *ice, uint8_t base, enum sq_ice_type type,
                       const struct sq_addr *addr, const struct sq_addr *server)
{
    struct ice_local *l = ice_array_add(&ice->locals, sizeof(*l), SQ_ICE_LOCAL_MAX);
    if (!l) {
        return ICE_NONE;
    }
    const struct sq_ice_base *b = &ice_base_at(ice, base)->b;
    l->base = base;
    l->c.addr = *addr;
    l->c.type = (uint8_t)type;
    l->c.transport = (uint8_t)b->transport;
    l->c.component = ICE_COMPONENT;
    l->c.priority = ice_base_priority(b, type);
    l->c.related = type == SQ_ICE_SRFLX || type == SQ_ICE_PRFLX ? b->addr : b->related;
    sq_ice_foundation(type, b->transport, &b->addr, server, l->c.foundation);
    uint16_t index = (uint16_t)(ice->locals.n - 1);
    if (type != SQ_ICE_PRFLX && ice->cb->local_candidate) {
        struct sq_ice_candidate told = l->c;
        ice->cb->local_candidate(ice->ctx, &told);
    }
    return index;
}

int ice_publish_base(struct sq_ice *ice, uint8_t base)
{
    struct ice_bind *b = ice_base_at(ice, base);
    b->local = ice_add_local(ice, base, b->b.type, &b->b.addr, NULL);
    if (b->local == ICE_NONE) {
        return SQ_ERR_NOMEM;
    }
    for (uint16_t r = 0; r < ice->remotes.n && !ice->cfg.lite; r++) {
        if (ice_may_pair(&b->b, ice_remote_at(ice, r))) {
            (void)ice_add_pair(ice, base, r); /* without room it is left out, as the worst is */
        }
    }
    return 0;
}

/* ---- Remote candidates ---- */

uint16_t ice_find_remote(const struct sq_ice *ice, const struct sq_addr *addr, bool tcp)
{
    for (uint16_t i = 0; i < ice->remotes.n; i++) {
        const struct sq_ice_candidate *c = ice_remote_at(ice, i);
        if ((c->transport != SQ_ICE_UDP) == tcp && sq_addr_equal(&c->addr, addr)) {
            return i;
        }
    }
    return ICE_NONE;
}

uint16_t ice_push_remote(struct sq_ice *ice, const struct sq_ice_candidate *c)
{
    struct sq_ice_candidate *r = ice_array_add(&ice->remotes, sizeof(*r), SQ_ICE_REMOTE_MAX);
    if (!r) {
        return ICE_NONE;
    }
    *r = *c;
    return (uint16_t)(ice->remotes.n - 1);
}

/* ---- Pairs ---- */

bool ice_same_foundation(const struct sq_ice *ice, const struct ice_pair *a,
                         const struct ice_pair *b)
{
    const struct sq_ice_candidate *la = &ice_local_at(ice, ice_base_at(ice, a->base)->local)->c;
    const struct sq_ice_candidate *lb = &ice_local_at(ice, ice_base_at(ice, b->base)->local)->c;
    return strcmp(la->foundation, lb->foundation) == 0 &&
           strcmp(ice_remote_at(ice, a->remote)->foundation,
                  ice_remote_at(ice, b->remote)->foundation) == 0;
}

/* RFC 8445, section 6.1.2.3. */
static uint64_t pair_priority(const struct sq_ice *ice, const struct ice_pair *p)
{
    uint64_t l = ice_local_at(ice, ice_base_at(ice, p->base)->local)->c.priority;
    uint64_t r = ice_remote_at(ice, p->remote)->priority;
    uint64_t g = ice->controlling ? l : r;
    uint64_t d = ice->controlling ? r : l;
    return (sq_min_u64(g, d) << 32) + 2 * sq_max_u64(g, d) + (g > d ? 1 : 0);
}

void ice_set_priorities(struct sq_ice *ice)
{
    for (uint16_t i = 0; i < ice->pairs.n; i++) {
        struct ice_pair *p = ice_pair_at(ice, i);
        p->priority = pair_priority(ice, p);
    }
}

bool ice_may_pair(const struct sq_ice_base *base, const struct sq_ice_candidate *remote)
{
    if (sq_addr_family(&base->addr) != sq_addr_family(&remote->addr) ||
        sq_addr_port(&remote->addr) == 0) {
        return false;
    }
    if (base->transport != SQ_ICE_UDP || remote->transport != SQ_ICE_UDP) {
        /* RFC 6544, section 6.2: active with passive, so with so. */
        bool so = base->transport == SQ_ICE_TCP_SO && remote->transport == SQ_ICE_TCP_SO;
        if (!so &&
            !(base->transport == SQ_ICE_TCP_ACTIVE && remote->transport == SQ_ICE_TCP_PASSIVE) &&
            !(base->transport == SQ_ICE_TCP_PASSIVE && remote->transport == SQ_ICE_TCP_ACTIVE)) {
            return false;
        }
    }
    if (sq_addr_is_loopback(&base->addr) && !sq_addr_is_loopback(&remote->addr)) {
        return false; /* the kernel refuses to send to what is not this host's */
    }
    return sq_addr_family(&base->addr) != AF_INET6 ||
           sq_addr_is_link_local(&base->addr) == sq_addr_is_link_local(&remote->addr);
}

struct ice_pair *ice_find_pair(const struct sq_ice *ice, uint8_t base, uint16_t remote)
{
    for (uint16_t i = 0; i < ice->pairs.n; i++) {
        struct ice_pair *p = ice_pair_at(ice, i);
        if (p->base == base && p->remote == remote) {
            return p;
        }
    }
    return NULL;
}

/* A place for a new pair: at the end, or that of the least pair which is not in use and has a lower
 * priority (section 6.1.2.5). */
static struct ice_pair *make_room(struct sq_ice *ice, uint64_t priority)
{
    struct ice_pair *p = ice_array_add(&ice->pairs, sizeof(*p), ice->cfg.max_pairs);
    if (p || ice->pairs.n < ice->cfg.max_pairs) {
        return p;
    }
    struct ice_pair *least = NULL;
    for (uint16_t i = 0; i < ice->pairs.n; i++) {
        struct ice_pair *q = ice_pair_at(ice, i);
        bool busy = q->state == SQ_ICE_PAIR_IN_PROGRESS ||
                    (q->flags & (PAIR_VALID | PAIR_TRIGGERED | PAIR_HEARD | PAIR_TX)) != 0 ||
                    i == ice->nominated || (ice->path.on && !ice->path.old && ice->path.pair == i);
        if (!busy && q->priority < priority && (!least || q->priority < least->priority)) {
            least = q;
        }
    }
    if (least) {
        memset(least, 0, sizeof(*least));
    }
    return least;
}

struct ice_pair *ice_add_pair(struct sq_ice *ice, uint8_t base, uint16_t remote)
{
    const struct ice_bind *b = ice_base_at(ice, base);
    if (b->local == ICE_NONE) {
        return NULL;
    }
    struct ice_pair *p = ice_find_pair(ice, base, remote);
    if (p) {
        return p;
    }
    struct ice_pair fresh = {.base = base, .remote = remote, .local = b->local};
    fresh.priority = pair_priority(ice, &fresh);
    fresh.due_ns = SQ_NEVER;
    /* One pair a foundation is checked at first (section 6.1.2.6; RFC 8838, section 12). */
    fresh.state = SQ_ICE_PAIR_WAITING;
    for (uint16_t i = 0; i < ice->pairs.n; i++) {
        const struct ice_pair *q = ice_pair_at(ice, i);
        if ((q->state == SQ_ICE_PAIR_WAITING || q->state == SQ_ICE_PAIR_IN_PROGRESS) &&
            ice_same_foundation(ice, &fresh, q)) {
            fresh.state = SQ_ICE_PAIR_FROZEN;
        }
    }
    p = make_room(ice, fresh.priority);
    if (p) {
        *p = fresh;
    }
    return p;
}
