#include "peer/ice_net.h"

#include "peer/stun/stun.h"
#include <stdlib.h>
#include <string.h>

struct sq_addr ice_addr(const char *ip, uint16_t port)
{
    struct sq_addr a;
    memset(&a, 0, sizeof(a));
    if (sq_addr_parse(ip, port, &a)) {
        abort();
    }
    return a;
}

struct ice_net *ice_net_new(uint64_t seed)
{
    struct ice_net *net = calloc(1, sizeof(*net));
    if (!net) {
        abort();
    }
    sq_rand_seed(&net->rand, seed);
    net->now_ns = 1000 * SQ_NS_PER_SEC;
    net->delay_ns = 20 * SQ_NS_PER_MS;
    net->signal_delay_ns = 30 * SQ_NS_PER_MS;
    net->next_port = 30000;
    net->a.net = net->b.net = net;
    net->a.peer = &net->b;
    net->b.peer = &net->a;
    return net;
}

void ice_net_free(struct ice_net *net)
{
    sq_ice_destroy(net->a.ice);
    sq_ice_destroy(net->b.ice);
    free(net);
}

static struct ice_packet *new_packet(struct ice_net *net)
{
    for (size_t i = 0; i < ICE_NET_PACKETS; i++) {
        if (net->packets[i].due_ns == 0) {
            memset(&net->packets[i], 0, sizeof(net->packets[i]));
            return &net->packets[i];
        }
    }
    net->overflow++;
    return NULL;
}

void ice_net_put(struct ice_net *net, const struct sq_addr *from, const struct sq_addr *to,
                 const void *buf, size_t len)
{
    if ((net->blocked && net->blocked(net, from, to)) || sq_rand_unit(&net->rand) < net->loss) {
        return;
    }
    struct ice_packet *p = new_packet(net);
    if (!p || len > sizeof(p->bytes)) {
        return;
    }
    uint64_t jitter = (uint64_t)(sq_rand_unit(&net->rand) * (double)net->jitter_ns);
    p->due_ns = net->now_ns + net->delay_ns + jitter;
    p->from = *from;
    p->to = *to;
    p->len = len;
    memcpy(p->bytes, buf, len);
    if (net->tap) {
        net->tap(net, p);
    }
}

/* The address that the world sees `inside` as when it sends to `to`. */
static struct sq_addr translate(struct ice_net *net, const struct ice_end *end,
                                const struct sq_addr *inside, const struct sq_addr *to)
{
    if (!end->nat_ip) {
        return *inside;
    }
    struct ice_mapping *free_one = NULL;
    for (size_t i = 0; i < ICE_NET_NATS; i++) {
        struct ice_mapping *m = &net->nats[i];
        if (m->used && m->end == end && sq_addr_equal(&m->inside, inside) &&
            (!end->symmetric || sq_addr_equal(&m->to, to))) {
            return m->outside;
        }
        free_one = !m->used && !free_one ? m : free_one;
    }
    if (!free_one) {
        abort();
    }
    *free_one = (struct ice_mapping){.used = true, .inside = *inside, .to = *to, .end = end};
    free_one->outside = ice_addr(end->nat_ip, net->next_port++);
    return free_one->outside;
}

static bool allowed(const struct ice_net *net, const struct sq_addr *outside,
                    const struct sq_addr *from)
{
    for (int i = 0; i < net->n_allowed; i++) {
        if (sq_addr_equal(&net->allowed[i][0], outside) &&
            sq_addr_equal(&net->allowed[i][1], from)) {
            return true;
        }
    }
    return false;
}

static void end_sends(struct ice_end *end, const struct sq_addr *inside, const struct sq_addr *to,
                      const void *buf, size_t len)
{
    struct ice_net *net = end->net;
    struct sq_addr from = translate(net, end, inside, to);
    if (end->nat_ip && !allowed(net, &from, to) && net->n_allowed < ICE_NET_PACKETS) {
        net->allowed[net->n_allowed][0] = from;
        net->allowed[net->n_allowed++][1] = *to;
    }
    ice_net_put(net, &from, to, buf, len);
}

/* ---- Callbacks ---- */

static void on_send(void *ctx, int base_id, const struct sq_addr *to, const void *buf, size_t len)
{
    struct ice_end *end = ctx;
    end->sent++;
    end_sends(end, &end->base[base_id], to, buf, len);
}

static void signal_to_peer(struct ice_end *end, const struct sq_ice_candidate *c)
{
    struct ice_packet *p = end->deaf ? NULL : new_packet(end->net);
    if (p) {
        p->due_ns = end->net->now_ns + end->net->signal_delay_ns;
        p->signal_to = end->peer;
        p->done = !c;
        if (c) {
            p->candidate = *c;
        }
    }
}

static void on_candidate(void *ctx, const struct sq_ice_candidate *c)
{
    struct ice_end *end = ctx;
    end->candidates++;
    if (!end->own_srflx_only || c->type == SQ_ICE_SRFLX) {
        signal_to_peer(end, c);
    }
}

static void on_gathered(void *ctx)
{
    struct ice_end *end = ctx;
    end->gathering_done++;
    signal_to_peer(end, NULL);
}

static void on_state(void *ctx, enum sq_ice_state state)
{
    struct ice_end *end = ctx;
    if (end->n_states < ICE_NET_LOG) {
        end->states[end->n_states++] = state;
    }
    end->state_at_ns[state] = end->net->now_ns;
}

static void on_selected(void *ctx, int base_id, const struct sq_addr *remote)
{
    ((struct ice_end *)ctx)->selections++;
}

static void on_consent_lost(void *ctx)
{
    ((struct ice_end *)ctx)->consent_lost++;
}

const struct sq_ice_callbacks *ice_net_callbacks(void)
{
    static const struct sq_ice_callbacks callbacks = {
        .send = on_send,
        .local_candidate = on_candidate,
        .gathering_done = on_gathered,
        .state = on_state,
        .selected_pair = on_selected,
        .consent_lost = on_consent_lost,
    };
    return &callbacks;
}

/* ---- Ends ---- */

int ice_end_start(struct ice_end *end, const struct sq_ice_config *config, const char *ip1,
                  const char *ip2)
{
    struct sq_ice_config defaults;
    const char *ips[2] = {ip1, ip2};
    if (!config) {
        sq_ice_config_init(&defaults, &end->net->rand);
        defaults.controlling = end == &end->net->a;
        config = &defaults;
    }
    int err = sq_ice_create(config, ice_net_callbacks(), end, &end->ice);
    for (int i = 0; i < 2 && ips[i] && !err; i++) {
        end->base[i] = ice_addr(ips[i], (uint16_t)(end == &end->net->a ? 1000 + i : 2000 + i));
        end->bases = i + 1;
        err = sq_ice_add_base(end->ice, i, &end->base[i]);
    }
    for (int i = 0; i < 2 && !err; i++) {
        if (sq_addr_family(&end->net->stun[i]) != AF_UNSPEC) {
            err = sq_ice_add_stun_server(end->ice, &end->net->stun[i]);
        }
    }
    return err;
}

int ice_net_join(struct ice_net *net)
{
    struct sq_ice *a = net->a.ice;
    struct sq_ice *b = net->b.ice;
    int err = sq_ice_set_remote(b, net->now_ns, sq_ice_ufrag(a), sq_ice_pwd(a), false);
    err = err ? err : sq_ice_set_remote(a, net->now_ns, sq_ice_ufrag(b), sq_ice_pwd(b), false);
    err = err ? err : sq_ice_gather(a, net->now_ns);
    return err ? err : sq_ice_gather(b, net->now_ns);
}

/* ---- Time ---- */

static void serve_stun(struct ice_net *net, const struct ice_packet *p)
{
    struct sq_stun_msg m;
    uint8_t buf[128];
    size_t len;
    if (sq_stun_parse(p->bytes, p->len, &m) || m.cls != SQ_STUN_REQUEST) {
        return;
    }
    struct sq_stun_writer w =
        sq_stun_begin(buf, sizeof(buf), SQ_STUN_SUCCESS, SQ_STUN_BINDING, m.tid);
    sq_stun_put_xor_addr(&w, SQ_STUN_XOR_MAPPED_ADDRESS, &p->from);
    sq_stun_put_text(&w, SQ_STUN_SOFTWARE, "test");
    sq_stun_put_fingerprint(&w);
    if (sq_stun_end(&w, &len) == 0) {
        ice_net_put(net, &p->to, &p->from, buf, len);
    }
}

/* The end and its base that an address leads to for `from`; NULL: nobody. */
static struct ice_end *find_end(struct ice_net *net, const struct sq_addr *from,
                                const struct sq_addr *to, int *ret_base)
{
    struct sq_addr inside = *to;
    const struct ice_end *behind = NULL;
    for (size_t i = 0; i < ICE_NET_NATS; i++) {
        struct ice_mapping *m = &net->nats[i];
        if (m->used && sq_addr_equal(&m->outside, to) && (!net->filter || allowed(net, to, from))) {
            inside = m->inside;
            behind = m->end;
        }
    }
    struct ice_end *ends[2] = {&net->a, &net->b};
    for (size_t e = 0; e < 2; e++) {
        for (int i = 0; i < ends[e]->bases; i++) {
            bool reached = ends[e]->nat_ip ? behind == ends[e] : !behind;
            if (reached && sq_addr_equal(&ends[e]->base[i], &inside)) {
                *ret_base = i;
                return ends[e];
            }
        }
    }
    return NULL;
}

static void deliver(struct ice_net *net, struct ice_packet *p)
{
    if (p->signal_to) {
        if (p->done) {
            sq_ice_remote_done(p->signal_to->ice, net->now_ns);
        } else if (sq_ice_add_remote(p->signal_to->ice, net->now_ns, &p->candidate)) {
            net->overflow++;
        }
        return;
    }
    for (int i = 0; i < 2; i++) {
        if (sq_addr_equal(&p->to, &net->stun[i])) {
            serve_stun(net, p);
            return;
        }
    }
    int base = 0;
    struct ice_end *end = find_end(net, &p->from, &p->to, &base);
    if (end) {
        end->received++;
        end->rejected +=
            sq_ice_receive(end->ice, net->now_ns, base, &p->from, p->bytes, p->len) != 0;
    }
}

static struct ice_packet *next_packet(struct ice_net *net)
{
    struct ice_packet *next = NULL;
    for (size_t i = 0; i < ICE_NET_PACKETS; i++) {
        struct ice_packet *p = &net->packets[i];
        if (p->due_ns && (!next || p->due_ns < next->due_ns)) {
            next = p;
        }
    }
    return next;
}

bool ice_net_run(struct ice_net *net, uint64_t end_ns, bool (*until)(const struct ice_net *))
{
    uint64_t stuck = 0;
    while (!until || !until(net)) {
        struct ice_packet *p = next_packet(net);
        uint64_t a = sq_ice_next_timeout(net->a.ice);
        uint64_t b = sq_ice_next_timeout(net->b.ice);
        uint64_t next = sq_min_u64(sq_min_u64(a, b), p ? p->due_ns : SQ_NEVER);
        if (next > end_ns) {
            net->now_ns = sq_max_u64(net->now_ns, end_ns);
            return false;
        }
        stuck = next > net->now_ns ? 0 : stuck + 1;
        if (stuck > 10000) {
            abort(); /* a time-out that is never satisfied */
        }
        net->now_ns = sq_max_u64(net->now_ns, next);
        if (p && p->due_ns <= net->now_ns) {
            struct ice_packet copy = *p;
            p->due_ns = 0;
            deliver(net, &copy);
        }
        sq_ice_on_timeout(net->a.ice, net->now_ns);
        sq_ice_on_timeout(net->b.ice, net->now_ns);
    }
    return true;
}

bool ice_both_completed(const struct ice_net *net)
{
    return sq_ice_get_state(net->a.ice) == SQ_ICE_COMPLETED &&
           sq_ice_get_state(net->b.ice) == SQ_ICE_COMPLETED;
}

bool ice_both_failed(const struct ice_net *net)
{
    return sq_ice_get_state(net->a.ice) == SQ_ICE_FAILED &&
           sq_ice_get_state(net->b.ice) == SQ_ICE_FAILED;
}

static bool reaches(struct ice_net *net, struct ice_end *from, struct ice_end *to)
{
    int base, at = -1;
    struct sq_addr remote;
    if (!sq_ice_selected(from->ice, &base, &remote)) {
        return false;
    }
    struct sq_addr seen = translate(net, from, &from->base[base], &remote);
    if (net->blocked && net->blocked(net, &seen, &remote)) {
        return false;
    }
    return find_end(net, &seen, &remote, &at) == to && sq_ice_may_receive(to->ice, at, &seen);
}

bool ice_net_talks(struct ice_net *net)
{
    return reaches(net, &net->a, &net->b) && reaches(net, &net->b, &net->a);
}
