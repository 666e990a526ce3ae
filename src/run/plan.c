#include "run/plan.h"

#include "base/time.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void sq_plan_defaults(struct sq_plan *plan)
{
    *plan = (struct sq_plan){
        .peers = 1,
        .room = "squall",
        .publishers = UINT64_MAX,
        .audio = true,
        .video = true,
        .listen = true,
        .trickle = true,
        .threads = 1,
        .answer_timeout_ns = 10 * SQ_NS_PER_SEC,
        .connect_timeout_ns = 15 * SQ_NS_PER_SEC,
        .media_timeout_ns = 10 * SQ_NS_PER_SEC,
        .hung_least_ns = 5 * SQ_NS_PER_SEC,
        .lateness_p99_max_ms = 20,
        .cpu_max_percent = 95,
        .drops_max_share = 0.001,
    };
}

uint64_t sq_plan_arrivals(const struct sq_plan *plan)
{
    if (plan->hold_ns == 0 || plan->duration_ns == 0) {
        return plan->peers;
    }
    return (uint64_t)(plan->rate_per_s * (double)plan->duration_ns / 1e9);
}

uint64_t sq_plan_room_number(const struct sq_plan *plan, uint64_t index)
{
    return plan->room_size ? index / plan->room_size : 0;
}

bool sq_plan_publishes(const struct sq_plan *plan, uint64_t index)
{
    return (plan->room_size ? index % plan->room_size : index) < plan->publishers;
}

static bool is_number(const char *text)
{
    return text[0] && strspn(text, "0123456789") == strlen(text) && strlen(text) < 19;
}

void sq_plan_room_name(const struct sq_plan *plan, uint64_t index,
                       char out[static SQ_PLAN_ROOM_MAX + 1])
{
    unsigned long long number = sq_plan_room_number(plan, index);
    size_t room = SQ_PLAN_ROOM_MAX + 1;
    if (plan->room_size == 0 || (plan->room_counts && number == 0)) {
        snprintf(out, room, "%.*s", SQ_PLAN_ROOM_MAX, plan->room);
    } else if (plan->room_counts && is_number(plan->room)) {
        snprintf(out, room, "%llu", strtoull(plan->room, NULL, 10) + number);
    } else {
        snprintf(out, room, "%.*s-%llu", SQ_PLAN_ROOM_PREFIX_MAX, plan->room, number);
    }
}

const struct sq_plan_network *sq_plan_network(const struct sq_plan *plan, uint64_t index)
{
    /* The first network takes its part of all users as evenly as whole users allow, the next one
     * its part of those that are left, and so on. */
    double left = 1;
    for (size_t i = 0; i + 1 < plan->networks_len; i++) {
        double part = plan->networks[i].share / left;
        double before = floor((double)index * part + 1e-9);
        if (floor((double)(index + 1) * part + 1e-9) > before) {
            return &plan->networks[i];
        }
        index -= (uint64_t)before;
        left -= plan->networks[i].share;
    }
    return plan->networks_len > 0 ? &plan->networks[plan->networks_len - 1] : NULL;
}
