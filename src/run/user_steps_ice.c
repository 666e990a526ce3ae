/* The step `ice_servers`: STUN and TURN servers with their credentials, as a service hands them
 * out, for the sessions of one user that begin from then on. */
#include "base/mem.h"
#include "net/dns.h"
#include "net/loop.h"
#include "run/ice_servers.h"
#include "run/user_steps_int.h"
#include <stdio.h>
#include <string.h>

static void look_up(struct sq_user_steps *s);

/* All have addresses: they hold. */
static void take(struct sq_user_steps *s)
{
    struct sq_user *user = s->user;
    size_t turns = 0;
    for (size_t i = 0; i < s->coming->n; i++) {
        turns += !s->coming->list[i].stun;
    }
    sq_user_tell(user, "step", "ICE servers: %zu of TURN, %zu of STUN%s", turns,
                 s->coming->n - turns, s->coming->left_out ? "; some were left out" : "");
    sq_ice_servers_free(user->ice);
    user->ice = s->coming;
    s->coming = NULL;
    sq_user_step_done(s);
}

static void on_answer(void *ctx, const struct sq_dns_answer *answer)
{
    struct sq_user_steps *s = ctx;
    struct sq_ice_server *server = &s->coming->list[s->coming_at];
    const struct sq_plan *plan = s->user->env->plan;
    s->query = NULL;
    if (answer->err || answer->n == 0) {
        sq_user_step_fail(s, SQ_FAILURE_DNS, "%.60s: %.120s", server->text,
                          answer->text[0] ? answer->text : sq_err_name(SQ_ERR_DNS));
        return;
    }
    server->addr = answer->addrs[0];
    for (size_t i = 0; i < answer->n && plan->addrs_len > 0; i++) { /* of a family that we have */
        if (sq_addr_family(&answer->addrs[i]) == sq_addr_family(&plan->addrs[0])) {
            server->addr = answer->addrs[i];
            break;
        }
    }
    s->coming_at++;
    look_up(s);
}

static void look_up(struct sq_user_steps *s)
{
    if (s->coming_at == s->coming->n) {
        take(s);
        return;
    }
    const struct sq_turn_url *url = &s->coming->list[s->coming_at].url;
    int err = sq_dns_resolve(s->user->env->loop, url->host, url->port, AF_UNSPEC,
                             s->user->env->plan->answer_timeout_ns, on_answer, s, &s->query);
    if (err) {
        sq_user_step_fail(s, SQ_FAILURE_DNS, "%.60s: %s", url->host, sq_err_name(err));
    }
}

void sq_user_step_ice(struct sq_user_steps *s, const struct sq_step *step)
{
    char missing[SQ_STEP_NAME_MAX + 8] = "", why[160] = "";
    int err = 0;
    char *json = sq_user_step_put(s->user, step->value, step->json, &err, missing);
    sq_user_step_ice_stop(s);
    err = err ? err : sq_ice_servers_parse(json, strlen(json), &s->coming, why, sizeof(why));
    sq_free(json);
    if (missing[0]) {
        sq_user_step_fail(s, SQ_FAILURE_PROTOCOL, "there is no value for ${%s}", missing);
    } else if (err) {
        sq_user_step_fail(s, SQ_FAILURE_PROTOCOL, "%s", why[0] ? why : sq_err_name(err));
    } else {
        s->coming_at = 0;
        look_up(s);
    }
}

void sq_user_step_ice_stop(struct sq_user_steps *s)
{
    sq_dns_cancel(s->query);
    s->query = NULL;
    sq_ice_servers_free(s->coming);
    s->coming = NULL;
}

int sq_user_ice_endpoint(struct sq_user_peer *peer, const struct sq_peer_config *config,
                         const struct sq_endpoint_ops *ops)
{
    struct sq_user *user = peer->user;
    const struct sq_ice_servers *from = user->ice;
    struct sq_relay_server turn[SQ_RELAY_SERVERS_MAX];
    struct sq_addr stun[SQ_RELAY_SERVERS_MAX];
    struct sq_endpoint_servers servers = {.turn = turn, .stun = stun};
    for (size_t i = 0; from && i < from->n; i++) {
        const struct sq_ice_server *one = &from->list[i];
        if (one->stun && servers.stun_len < SQ_RELAY_SERVERS_MAX) {
            stun[servers.stun_len++] = one->addr;
        } else if (!one->stun && servers.turn_len < SQ_RELAY_SERVERS_MAX) {
            turn[servers.turn_len++] = (struct sq_relay_server){.text = one->text,
                                                                .url = one->url,
                                                                .addr = one->addr,
                                                                .user = one->user,
                                                                .password = one->password};
        }
    }
    return sq_endpoint_create_with(user->env->carrier, config, user->group->ice_policy,
                                   from ? &servers : NULL, user->link, ops, peer, &peer->endpoint);
}
