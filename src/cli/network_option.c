#include "cli/network_option.h"

#include "net/link_profile.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Cuts "@30%" off and reads it; NAN where there is none. */
static bool cut_share(char *text, double *ret_share)
{
    char *at = strrchr(text, '@');
    char *end;
    *ret_share = NAN;
    if (!at) {
        return true;
    }
    *at = '\0';
    double percent = strtod(at + 1, &end);
    *ret_share = percent / 100;
    end += *end == '%';
    return end != at + 1 && *end == '\0' && percent > 0 && percent <= 100;
}

static int add(const char *item, struct sq_plan_group *group, char *why, size_t why_room)
{
    char text[1024];
    char what[240];
    double share;
    snprintf(text, sizeof(text), "%s", item);
    if (strlen(item) >= sizeof(text) || !cut_share(text, &share)) {
        snprintf(why, why_room,
                 "--network %.100s: expected NETWORK or NETWORK@SHARE%%, for example "
                 "'Poor 4G@30%%'",
                 item);
        return SQ_ERR_INVALID;
    }
    if (sq_plan_add_network(group, item, text, share, what, sizeof(what)) != 0) {
        snprintf(why, why_room, "--network %.100s: %s", item, what);
        return SQ_ERR_INVALID;
    }
    return 0;
}

/* Those that said none share what is left. */
static int share_out(struct sq_plan_group *group, char *why, size_t why_room)
{
    double sum = 0;
    size_t silent = 0;
    for (size_t i = 0; i < group->networks_len; i++) {
        bool said = !isnan(group->networks[i].share);
        sum += said ? group->networks[i].share : 0;
        silent += !said;
    }
    if (sum > 1 + 1e-9 || (silent == 0 && sum < 1 - 1e-9) || (silent > 0 && sum > 1 - 1e-9)) {
        snprintf(why, why_room, "--network: the shares make %.4g %%; expected 100 %%%s", sum * 100,
                 silent > 0 ? ", and something left for those without one" : "");
        return SQ_ERR_INVALID;
    }
    for (size_t i = 0; i < group->networks_len; i++) {
        if (isnan(group->networks[i].share)) {
            group->networks[i].share = (1 - sum) / (double)silent;
        }
    }
    return 0;
}

int sq_network_option_parse(const struct sq_option_list *list, struct sq_plan_group *group,
                            char *why, size_t why_room)
{
    for (size_t i = 0; i < list->n; i++) {
        int err = add(list->items[i], group, why, why_room);
        if (err) {
            return err;
        }
    }
    return list->n > 0 ? share_out(group, why, why_room) : 0;
}

bool sq_network_option_asks(const struct sq_option_list *list)
{
    return list->n == 1 && strcmp(list->items[0], "list") == 0;
}

static void put_way(const struct sq_link_way *way, FILE *out)
{
    char rate[32] = "-";
    if (way->rate_bps > 0) {
        snprintf(rate, sizeof(rate), way->rate_bps >= 1e6 ? "%.4gM" : "%.4gk",
                 way->rate_bps >= 1e6 ? way->rate_bps / 1e6 : way->rate_bps / 1e3);
    }
    fprintf(out, "  %6s  %3.0f ms  %3.0f ms  %4.4g %%", rate, (double)way->delay_ns / 1e6,
            (double)way->jitter_ns / 1e6, way->loss * 100);
}

void sq_network_option_list(FILE *out)
{
    static const char *const firewalls[] = {"", "TCP only", "TCP to 80 and 443", "TCP to 443"};
    size_t n;
    const struct sq_link_profile *all = sq_link_profiles(&n);
    fprintf(out, "%-22s  %-36s  %-36s\n", "", "up: rate, delay, jitter, loss", "down");
    for (size_t i = 0; i < n; i++) {
        fprintf(out, "%-22s", all[i].name);
        put_way(&all[i].config.up, out);
        fputs("  ", out);
        put_way(&all[i].config.down, out);
        fprintf(out, "  %s\n", firewalls[all[i].config.firewall]);
    }
}
