#include "cli/run_paths.h"

#include "cli/find_host.h"
#include "cli/local_ip.h"
#include "cli/run_file.h"
#include "cli/run_steps.h"
#include "net/ifaddr.h"
#include "net/route.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A search under way. */
struct finder {
    struct sq_loop *loop;
    const struct sq_run_options *options;
    struct sq_run_paths *paths;
    struct sq_plan *plan;
    char *why;
    size_t why_room;
};

static int refuse(struct finder *f, int err, const char *fmt, ...) SQ_PRINTF(3, 4);

static int refuse(struct finder *f, int err, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(f->why, f->why_room, fmt, args);
    va_end(args);
    return err;
}

/* ---- Local addresses ---- */

/* Candidates of one family make no pairs with those of the other. */
static void note_family(struct finder *f, const struct sq_target *target)
{
    struct sq_host_addrs remote;
    const char *family[2] = {"IPv4", "IPv6"};
    if (f->options->quiet || sq_find_host(f->loop, target->host, target->port, &remote) != 0) {
        return;
    }
    for (size_t i = 0; i < f->plan->addrs_len; i++) {
        if (sq_addr_family(&f->paths->addrs[i]) == sq_addr_family(&remote.addrs[0])) {
            return;
        }
    }
    bool v6 = sq_addr_family(&remote.addrs[0]) == AF_INET6;
    char text[600];
    snprintf(text, sizeof(text),
             "%.255s is reached by %s, and --local-ip names %s only: media connect only where the "
             "service offers %s candidates.",
             target->host, family[v6], family[!v6], family[!v6]);
    (void)sq_run_file_explain(f->options, NULL, text, sizeof(text));
    fprintf(stderr, "Note: %s\n", text);
}

/* The target of a group, where no group before it has the same. */
static const struct sq_target *new_target(const struct sq_plan *plan, size_t group)
{
    if (plan->groups[group].host_of_user) {
        return NULL; /* nobody knows yet where that is */
    }
    for (size_t i = 0; i < group; i++) {
        if (plan->groups[i].target == plan->groups[group].target) {
            return NULL;
        }
    }
    return plan->groups[group].target;
}

/* The addresses that a text names; what is wrong with it. */
static int parse_ip(struct finder *f, const char *text, struct sq_addr *ret_addr,
                    uint32_t *ret_count)
{
    char wrong[SQ_ADDR_RANGE_WRONG_MAX];
    if (sq_addr_range_parse(text, ret_addr, ret_count) == 0) {
        return 0;
    }
    if (sq_addr_range_wrong(text, wrong)[0]) {
        return refuse(f, SQ_ERR_INVALID, "--local-ip %s: %s", text, wrong);
    }
    return refuse(f, SQ_ERR_INVALID,
                  "--local-ip %s: expected a numeric IPv4 or IPv6 address, or several as "
                  "10.0.0.1-10.0.3.254 or 10.0.0.0/22",
                  text);
}

static int find_given(struct finder *f, const struct sq_option_list *ips)
{
    struct sq_run_paths *paths = f->paths;
    if (ips->n > SQ_CARRIER_ADDRS_MAX) {
        return refuse(f, SQ_ERR_INVALID,
                      "--local-ip: at most %d times; name many addresses as a range, such as "
                      "10.0.0.1-10.0.3.254 or 10.0.0.0/22",
                      SQ_CARRIER_ADDRS_MAX);
    }
    for (size_t i = 0; i < ips->n; i++) {
        if (parse_ip(f, ips->items[i], &paths->addrs[i], &paths->addr_counts[i]) != 0) {
            return SQ_ERR_INVALID;
        }
        struct sq_addr last = sq_addr_step(&paths->addrs[i], paths->addr_counts[i] - 1);
        int err = sq_local_ip_try(f->loop, "local-ip", ips->items[i], &paths->addrs[i], f->why,
                                  f->why_room);
        err = err ? err
                  : sq_local_ip_try(f->loop, "local-ip", ips->items[i], &last, f->why, f->why_room);
        if (err) {
            return err;
        }
    }
    f->plan->addrs_len = ips->n;
    f->plan->addr_counts = paths->addr_counts;
    for (size_t i = 0; i < f->plan->groups_len; i++) {
        const struct sq_target *target = new_target(f->plan, i);
        if (target) {
            note_family(f, target);
        }
    }
    return 0;
}

/* The address that a target is reached from, once. */
static void add_source(struct finder *f, const struct sq_target *target)
{
    struct sq_addr source;
    struct sq_host_addrs remote = {.n = 0};
    struct sq_plan *plan = f->plan;
    int found = sq_find_host(f->loop, target->host, target->port, &remote);
    for (size_t i = 0; !found && i < remote.n; i++) {
        if (sq_route_source(&remote.addrs[i], &source) != 0) {
            continue;
        }
        for (size_t k = 0; k < plan->addrs_len; k++) {
            if (sq_addr_equal(&f->paths->addrs[k], &source)) {
                return;
            }
        }
        if (plan->addrs_len < SQ_CARRIER_ADDRS_MAX) {
            f->paths->addrs[plan->addrs_len++] = source;
        }
        return;
    }
}

/* Media leaves from the addresses that the targets are reached from, unless the user names others.
 */
static int find_addrs(struct finder *f)
{
    f->plan->addrs = f->paths->addrs;
    if (f->options->local_ips.n > 0) {
        return find_given(f, &f->options->local_ips);
    }
    f->plan->addrs_len = 0;
    for (size_t i = 0; i < f->plan->groups_len; i++) {
        const struct sq_target *target = new_target(f->plan, i);
        if (target) {
            add_source(f, target);
        }
    }
    if (f->plan->addrs_len > 0) {
        return 0;
    }
    /* Each peer will say for itself what is wrong with the name. */
    if (sq_carrier_default_addrs(NULL, f->paths->addrs, &f->plan->addrs_len) != 0) {
        return refuse(f, SQ_ERR_NOTFOUND, "this host has no network address to send media from");
    }
    return 0;
}

/* ---- Servers ---- */

static int find_stun(struct finder *f)
{
    struct sq_stun_list *stun = &f->paths->stun;
    int err = sq_find_stun_list(f->loop, &f->options->stun, f->plan->addrs, f->plan->addrs_len,
                                stun, f->why, f->why_room);
    if (err) {
        return err;
    }
    f->plan->stun_servers = stun->addrs;
    f->plan->stun_names = stun->names;
    f->plan->stun_servers_len = stun->n;
    if (stun->unasked && !f->options->quiet) {
        fprintf(stderr,
                "Note: nobody asks the STUN server %s: media leave from no address of its family "
                "that leads there.\n",
                stun->unasked);
    }
    return 0;
}

/* Without what stands before an "@": people write a password there. */
static const char *turn_shown(const char *url, char out[static 160])
{
    const char *at = strrchr(url, '@');
    size_t scheme = strcspn(url, ":@");
    if (at) {
        snprintf(out, 160, "%.*s:***%.120s", scheme < 6 ? (int)scheme : 0, url, at);
    } else {
        snprintf(out, 160, "%.150s", url);
    }
    return out;
}

static int find_turn(struct finder *f)
{
    const struct sq_option_list *list = &f->options->turn;
    char what[160], shown[160];
    if (list->n > SQ_RELAY_SERVERS_MAX) {
        return refuse(f, SQ_ERR_INVALID, "--turn: at most %d servers", SQ_RELAY_SERVERS_MAX);
    }
    for (size_t i = 0; i < list->n; i++) {
        struct sq_relay_server *server = &f->paths->turn[i];
        server->text = list->items[i];
        if (sq_turn_url_parse(list->items[i], &server->url, what, sizeof(what)) != 0) {
            return refuse(f, SQ_ERR_INVALID, "--turn %s: %s", turn_shown(list->items[i], shown),
                          what);
        }
        struct sq_host_addrs found;
        if (sq_find_host(f->loop, server->url.host, server->url.port, &found) != 0) {
            return refuse(f, SQ_ERR_DNS, "--turn %s: the name '%s' cannot be resolved",
                          turn_shown(list->items[i], shown), server->url.host);
        }
        /* The relayed address is of the server's family: one that our own candidates have. */
        server->addr = sq_host_addr_like(&found, f->plan->addrs, f->plan->addrs_len);
    }
    f->plan->relays = (struct sq_relays_config){
        .servers = f->paths->turn,
        .servers_len = list->n,
        .others = sq_run_steps_give_ice(f->options),
        .user = f->options->turn_user,
        .password = f->options->turn_password,
        .secret = f->options->turn_secret,
        .insecure = f->options->insecure,
        .ca_file = f->options->ca_file,
    };
    return 0;
}

int sq_run_paths_check(const struct sq_run_options *options, char *why, size_t why_room)
{
    struct finder f = {.options = options, .why = why, .why_room = why_room};
    char what[160], shown[160];
    int err = sq_stun_list_check(&options->stun, why, why_room);
    for (size_t i = 0; !err && i < options->local_ips.n; i++) {
        struct sq_addr addr;
        uint32_t count;
        err = parse_ip(&f, options->local_ips.items[i], &addr, &count);
    }
    for (size_t i = 0; !err && i < options->turn.n; i++) {
        struct sq_turn_url url;
        if (sq_turn_url_parse(options->turn.items[i], &url, what, sizeof(what)) != 0) {
            err = refuse(&f, SQ_ERR_INVALID, "--turn %s: %s",
                         turn_shown(options->turn.items[i], shown), what);
        }
    }
    return err;
}

int sq_run_paths_find(struct sq_loop *loop, const struct sq_run_options *options,
                      struct sq_run_paths *paths, struct sq_plan *plan, char *why, size_t why_room)
{
    struct finder f = {loop, options, paths, plan, why, why_room};
    for (size_t i = 0; i < plan->groups_len; i++) {
        const struct sq_plan_group *g = &plan->groups[i];
        const char *lacks = sq_plan_restart_lacks(g);
        if (g->ice_policy == SQ_ICE_POLICY_RELAY_FIRST && lacks) {
            return refuse(&f, SQ_ERR_UNSUPPORTED, "--ice relay-first: %s", lacks);
        }
    }
    int err = find_addrs(&f);
    err = err ? err : find_stun(&f);
    return err ? err : find_turn(&f);
}
