/* Gathering: host candidates, and server-reflexive ones from STUN servers (RFC 8445,
 * section 5.1.1). */
#include "peer/ice/ice_int.h"

#include "base/mem.h"
#include <string.h>

int sq_ice_add_base(struct sq_ice *ice, int base_id, const struct sq_addr *addr)
{
    struct sq_ice_base b;
    memset(&b, 0, sizeof(b));
    b.id = base_id;
    b.transport = SQ_ICE_UDP;
    b.type = SQ_ICE_HOST;
    b.addr = *addr;
    return sq_ice_add_base_full(ice, 0, &b);
}

int sq_ice_add_base_full(struct sq_ice *ice, uint64_t now_ns, const struct sq_ice_base *base)
{
    if (base->id < 0 || base->id >= SQ_ICE_BASES_MAX || ice_base_index(ice, base->id) >= 0 ||
        sq_addr_family(&base->addr) == AF_UNSPEC ||
        (base->type != SQ_ICE_HOST && base->type != SQ_ICE_RELAY)) {
        return SQ_ERR_INVALID;
    }
    if (ice->state == SQ_ICE_CLOSED) {
        return SQ_ERR_STATE;
    }
    struct ice_bind *b = ice_array_add(&ice->bases, sizeof(*b), SQ_ICE_BASES_MAX);
    if (!b) {
        return SQ_ERR_NOMEM;
    }
    b->b = *base;
    b->local = ICE_NONE;
    if (b->b.local_pref == 0) {
        b->b.local_pref = (uint16_t)(UINT16_MAX - (ice->bases.n - 1));
    }
    if (!ice->gathering) {
        return 0;
    }
    uint8_t index = (uint8_t)(ice->bases.n - 1);
    uint16_t queries = ice->queries.n;
    int err = ice->gathered ? 0 : ice_ask_servers(ice, index);
    err = err ? err : ice_publish_base(ice, index);
    if (err) {
        ice->queries.n = queries;
        ice->bases.n--;
        return err;
    }
    if (now_ns) {
        ice_conclude(ice, now_ns);
    } else {
        ice->timeout_ns = 0; /* without a clock here: at the next sq_ice_on_timeout, due now */
    }
    return 0;
}

int ice_add_tcp_bases(struct sq_ice *ice, uint64_t now_ns, int family)
{
    for (uint16_t i = 0; i < ice->bases.n; i++) {
        struct sq_ice_base b = ice_base_at(ice, i)->b;
        b.id += SQ_ICE_TCP_BASE;
        if (b.transport != SQ_ICE_UDP || b.type != SQ_ICE_HOST || b.id >= SQ_ICE_BASES_MAX ||
            sq_addr_family(&b.addr) != family || ice_base_index(ice, b.id) >= 0) {
            continue;
        }
        b.transport = SQ_ICE_TCP_ACTIVE;
        sq_addr_set_port(&b.addr, 9); /* RFC 6544, section 4.5: discard, nobody connects to it */
        int err = sq_ice_add_base_full(ice, now_ns, &b);
        if (err) {
            return err;
        }
    }
    return 0;
}

int sq_ice_add_stun_server(struct sq_ice *ice, const struct sq_addr *server)
{
    if (sq_addr_family(server) == AF_UNSPEC || sq_addr_port(server) == 0) {
        return SQ_ERR_INVALID;
    }
    struct ice_server *s = ice_array_add(&ice->servers, sizeof(*s), SQ_ICE_SERVERS_MAX);
    if (!s) {
        return SQ_ERR_NOMEM;
    }
    s->addr = *server;
    return 0;
}

int ice_ask_servers(struct sq_ice *ice, uint8_t base)
{
    const struct sq_ice_base *b = &ice_base_at(ice, base)->b;
    if (b->no_srflx || b->type != SQ_ICE_HOST || b->transport != SQ_ICE_UDP || ice->cfg.lite) {
        return 0; /* lite: host candidates only, section 2.5 */
    }
    for (uint16_t s = 0; s < ice->servers.n; s++) {
        const struct sq_addr *server = &ice_server_at(ice, s)->addr;
        if (sq_addr_family(server) != sq_addr_family(&b->addr) ||
            (sq_addr_is_loopback(&b->addr) && !sq_addr_is_loopback(server))) {
            continue;
        }
        struct ice_query *q =
            ice_array_add(&ice->queries, sizeof(*q), (size_t)SQ_ICE_BASES_MAX * SQ_ICE_SERVERS_MAX);
        if (!q) {
            return SQ_ERR_NOMEM;
        }
        q->base = base;
        q->server = (uint8_t)s;
        q->due_ns = SQ_NEVER;
        ice_new_tid(ice, q->tid);
    }
    return 0;
}

int sq_ice_gather(struct sq_ice *ice, uint64_t now_ns)
{
    if (ice->gathering || ice->state == SQ_ICE_CLOSED) {
        return SQ_ERR_STATE;
    }
    for (uint16_t i = 0; i < ice->bases.n; i++) {
        /* After a failed call only what is missing is made up for. */
        int err = ice_base_at(ice, i)->local == ICE_NONE ? ice_publish_base(ice, (uint8_t)i) : 0;
        if (err) {
            return err;
        }
    }
    ice->queries.n = 0;
    for (uint16_t i = 0; i < ice->bases.n; i++) {
        int err = ice_ask_servers(ice, (uint8_t)i);
        if (err) {
            return err;
        }
    }
    ice->gathering = true;
    ice->gather_end_ns = now_ns + ice_ms(ice->cfg.gather_timeout_ms);
    ice_conclude(ice, now_ns);
    return 0;
}

void sq_ice_hold_gathering(struct sq_ice *ice)
{
    ice->holds++;
}

void sq_ice_release_gathering(struct sq_ice *ice, uint64_t now_ns)
{
    ice->holds -= ice->holds > 0;
    ice_conclude(ice, now_ns);
}

bool sq_ice_has_base(const struct sq_ice *ice, int base_id)
{
    return ice_base_index(ice, base_id) >= 0;
}

bool sq_ice_gathering_is_done(const struct sq_ice *ice)
{
    return ice->gathered;
}

void ice_check_gathered(struct sq_ice *ice, uint64_t now_ns)
{
    if (!ice->gathering || ice->gathered || ice->state == SQ_ICE_CLOSED) {
        return;
    }
    if (now_ns >= ice->gather_end_ns) {
        ice->gather_late = true;
        ice->gather_end_ns = SQ_NEVER;
    }
    bool late = ice->gather_late;
    /* Whoever has a candidate tells what it has. Without any, a relay that is still being asked for
     * is all there will be: end-of-candidates ahead of it would end the call (RFC 8838,
     * section 13). */
    bool open = ice->holds > 0 && !(late && ice->locals.n > 0);
    for (uint16_t i = 0; i < ice->queries.n; i++) {
        struct ice_query *q = ice_query_at(ice, i);
        if (q->state == QUERY_WAITING || q->state == QUERY_SENT) {
            q->state = late ? QUERY_FAILED : q->state;
            open = open || !late;
        }
    }
    if (open) {
        return;
    }
    ice->gathered = true;
    ice->gather_end_ns = SQ_NEVER;
    if (ice->cb->gathering_done) {
        ice->cb->gathering_done(ice->ctx);
    }
}

/* ---- Transactions with the servers ---- */

bool ice_query_waits(const struct sq_ice *ice)
{
    for (uint16_t i = 0; i < ice->queries.n; i++) {
        if (ice_query_at(ice, i)->state == QUERY_WAITING) {
            return true;
        }
    }
    return false;
}

static void query_send(struct sq_ice *ice, struct ice_query *q, enum sq_stun_class cls)
{
    uint8_t buf[64], tid[SQ_STUN_TID_BYTES];
    size_t len;
    if (cls == SQ_STUN_INDICATION) {
        ice_new_tid(ice, tid);
    } else {
        memcpy(tid, q->tid, sizeof(tid));
    }
    struct sq_stun_writer w = sq_stun_begin(buf, sizeof(buf), cls, SQ_STUN_BINDING, tid);
    sq_stun_put_fingerprint(&w);
    if (sq_stun_end(&w, &len) == 0) {
        ice_send(ice, ice_base_at(ice, q->base)->b.id, &ice_server_at(ice, q->server)->addr, buf,
                 len);
    }
}

/* Sends the request (again) and sets when to look at it next: RFC 8489, section 6.2.1. */
static void query_request(struct sq_ice *ice, uint64_t now_ns, struct ice_query *q)
{
    /* RFC 8445, section 14.3: RTO = max(500 ms, Ta * number of queries). */
    uint64_t rto_ms = sq_max_u64(ice->cfg.rto_ms, (uint64_t)ice->cfg.ta_ms * ice->queries.n);
    struct ice_server *server = ice_server_at(ice, q->server);
    server->asked_ns = server->asked_ns ? server->asked_ns : now_ns;
    q->state = QUERY_SENT;
    q->sends++;
    rto_ms = q->sends < ice->cfg.rc ? rto_ms << (q->sends - 1) : rto_ms * ice->cfg.rm;
    q->due_ns = now_ns + rto_ms * SQ_NS_PER_MS;
    query_send(ice, q, SQ_STUN_REQUEST);
}

void ice_query_start(struct sq_ice *ice, uint64_t now_ns)
{
    for (uint16_t i = 0; i < ice->queries.n; i++) {
        struct ice_query *q = ice_query_at(ice, i);
        if (q->state == QUERY_WAITING) {
            query_request(ice, now_ns, q);
            return;
        }
    }
}

void ice_queries_timeout(struct sq_ice *ice, uint64_t now_ns)
{
    for (uint16_t i = 0; i < ice->queries.n; i++) {
        struct ice_query *q = ice_query_at(ice, i);
        if (q->due_ns > now_ns) {
            continue;
        }
        if (q->state == QUERY_SENT && q->sends >= ice->cfg.rc) {
            q->state = QUERY_FAILED;
        } else if (q->state == QUERY_SENT) {
            query_request(ice, now_ns, q);
        } else if (q->state == QUERY_DONE && ice->nominated == ICE_NONE) {
            /* The binding in the NAT must live until checks are over: section 5.1.1.4. */
            q->due_ns = now_ns + ice_ms(ice->cfg.keepalive_ms);
            query_send(ice, q, SQ_STUN_INDICATION);
        } else {
            q->due_ns = SQ_NEVER;
        }
    }
    if (ice->nominated != ICE_NONE && ice->gathered) {
        ice_array_free(&ice->queries);
    }
}

uint64_t ice_queries_next(const struct sq_ice *ice)
{
    uint64_t next = ice->gather_end_ns;
    for (uint16_t i = 0; i < ice->queries.n; i++) {
        const struct ice_query *q = ice_query_at(ice, i);
        if (q->state == QUERY_SENT || q->state == QUERY_DONE) {
            next = sq_min_u64(next, q->due_ns);
        }
    }
    return next;
}

struct ice_query *ice_find_query(const struct sq_ice *ice, const uint8_t *tid)
{
    for (uint16_t i = 0; i < ice->queries.n; i++) {
        struct ice_query *q = ice_query_at(ice, i);
        if (q->state == QUERY_SENT && memcmp(q->tid, tid, SQ_STUN_TID_BYTES) == 0) {
            return q;
        }
    }
    return NULL;
}

int ice_query_response(struct sq_ice *ice, uint64_t now_ns, struct ice_query *q,
                       const struct sq_addr *from, uint8_t base, const struct sq_stun_msg *m)
{
    struct ice_server *server = ice_server_at(ice, q->server);
    if (q->base != base || !sq_addr_equal(from, &server->addr) ||
        sq_stun_check_fingerprint(m) == SQ_ERR_FORMAT) {
        return SQ_ERR_AUTH;
    }
    struct sq_addr mapped;
    int err = SQ_ERR_REFUSED;
    if (m->cls == SQ_STUN_SUCCESS) {
        err = sq_stun_get_xor_addr(m, SQ_STUN_XOR_MAPPED_ADDRESS, &mapped);
        if (err == SQ_ERR_NOTFOUND) {
            err = sq_stun_get_addr(m, SQ_STUN_MAPPED_ADDRESS, &mapped);
        }
    }
    if (err || sq_addr_port(&mapped) == 0 ||
        sq_addr_family(&mapped) != sq_addr_family(&ice_base_at(ice, base)->b.addr)) {
        q->state = QUERY_FAILED;
        server->refused = true;
        return 0;
    }
    server->answered = true;
    q->state = QUERY_DONE;
    q->due_ns = now_ns + ice_ms(ice->cfg.keepalive_ms);
    /* Section 5.1.3: the same address on the same base is redundant, be it the host's own. */
    uint16_t known = ice_find_local(ice, base, &mapped);
    if (known == ICE_NONE) {
        (void)ice_add_local(ice, base, SQ_ICE_SRFLX, &mapped, from);
    }
    return 0;
}
