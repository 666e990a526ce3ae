#include "run/plan.h"

#include "base/time.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void sq_plan_defaults(struct sq_plan *plan)
{
    *plan = (struct sq_plan){
        .groups = {{.per_room = SQ_PLAN_REST,
                    .publishes = true,
                    .watches = true,
                    .audio = true,
                    .video = true,
                    .trickle = true}},
        .groups_len = 1,
        .peers = 1,
        .room = "squall",
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

void sq_plan_split(struct sq_plan *plan, uint64_t publishers)
{
    struct sq_plan_group *first = &plan->groups[0];
    struct sq_plan_group viewers = *first;
    viewers.publishes = false;
    viewers.watches = true;
    viewers.per_room = SQ_PLAN_REST;
    plan->groups_len = 0;
    if (publishers > 0) {
        first->publishes = true;
        first->per_room = publishers;
        plan->groups_len = 1;
    }
    if (publishers != SQ_PLAN_REST) {
        plan->groups[plan->groups_len++] = viewers;
    }
}

const char *sq_plan_role(const struct sq_plan_group *group)
{
    return !group->publishes ? "viewer" : group->watches ? "participant" : "publisher";
}

uint64_t sq_plan_arrivals(const struct sq_plan *plan)
{
    if (plan->shape) {
        bool open = plan->shape->kind == SQ_SHAPE_PEERS && plan->hold_ns;
        uint64_t until_ns = plan->duration_ns ? plan->duration_ns : SQ_NEVER;
        return open ? UINT64_MAX : sq_shape_arrivals(plan->shape, until_ns);
    }
    if (plan->hold_ns == 0 || plan->duration_ns == 0) {
        return plan->peers;
    }
    return (uint64_t)(plan->rate_per_s * (double)plan->duration_ns / 1e9);
}

bool sq_plan_publishes(const struct sq_plan *plan)
{
    return sq_plan_publishers(plan) > 0;
}

uint64_t sq_plan_publishers(const struct sq_plan *plan)
{
    uint64_t left = plan->room_size ? plan->room_size : plan->peers;
    uint64_t sum = 0;
    for (size_t i = 0; i < plan->groups_len; i++) {
        bool last = i + 1 == plan->groups_len;
        uint64_t own = last ? left : sq_min_u64(left, plan->groups[i].per_room);
        sum += plan->groups[i].publishes ? own : 0;
        left -= own;
    }
    return sum;
}

bool sq_plan_has_data(const struct sq_plan *plan)
{
    for (size_t i = 0; i < plan->groups_len; i++) {
        if (plan->groups[i].data.on) {
            return true;
        }
    }
    return false;
}

void sq_plan_place(const struct sq_plan *plan, uint64_t index, struct sq_plan_place *ret_place)
{
    uint64_t size = plan->room_size ? plan->room_size : SQ_PLAN_REST;
    uint64_t room = index / size;
    uint64_t at = index % size; /* among the room's users who are in this group or a later one */
    const struct sq_plan_group *group = plan->groups;
    const struct sq_plan_group *last = &plan->groups[plan->groups_len - 1];
    uint64_t left = size;
    while (group < last && at >= group->per_room) {
        at -= group->per_room;
        left -= group->per_room;
        group++;
    }
    uint64_t own = group == last ? left : sq_min_u64(left, group->per_room);
    *ret_place = (struct sq_plan_place){
        .group = group, .room = room, .ordinal = plan->room_size ? room * own + at : at};
}

static bool is_number(const char *text)
{
    return text[0] && strspn(text, "0123456789") == strlen(text) && strlen(text) < 19;
}

void sq_plan_room_name(const struct sq_plan *plan, uint64_t index,
                       char out[static SQ_PLAN_ROOM_MAX + 1])
{
    struct sq_plan_place place;
    sq_plan_place(plan, index, &place);
    unsigned long long number = place.room;
    size_t room = SQ_PLAN_ROOM_MAX + 1;
    if (plan->room_size == 0 || (plan->room_counts && number == 0)) {
        snprintf(out, room, "%.*s", SQ_PLAN_ROOM_MAX, plan->room);
    } else if (plan->room_counts && is_number(plan->room)) {
        snprintf(out, room, "%llu", strtoull(plan->room, NULL, 10) + number);
    } else {
        snprintf(out, room, "%.*s-%llu", SQ_PLAN_ROOM_PREFIX_MAX, plan->room, number);
    }
}

int sq_plan_add_network(struct sq_plan_group *group, const char *name, const char *text,
                        double share, char *ret_why, size_t size)
{
    if (group->networks_len == SQ_PLAN_NETWORKS_MAX) {
        snprintf(ret_why, size, "expected at most %d networks", SQ_PLAN_NETWORKS_MAX);
        return SQ_ERR_NOSPACE;
    }
    struct sq_plan_network *network = &group->networks[group->networks_len];
    size_t at = group->network_changes_len;
    int err =
        sq_link_course_parse(text, &network->link, &network->course, &group->network_changes[at],
                             SQ_PLAN_CHANGES_MAX - at, ret_why, size);
    if (!err) {
        network->name = name;
        network->share = share;
        network->changes_at = at;
        group->network_changes_len += network->course.n;
        group->networks_len++;
    }
    return err;
}

const struct sq_plan_network *sq_plan_network(const struct sq_plan_group *group, uint64_t ordinal)
{
    /* The first network takes its part of all users as evenly as whole users allow, the next one
     * its part of those that are left, and so on. */
    double left = 1;
    for (size_t i = 0; i + 1 < group->networks_len; i++) {
        double part = group->networks[i].share / left;
        double before = floor((double)ordinal * part + 1e-9);
        if (floor((double)(ordinal + 1) * part + 1e-9) > before) {
            return &group->networks[i];
        }
        ordinal -= (uint64_t)before;
        left -= group->networks[i].share;
    }
    return group->networks_len > 0 ? &group->networks[group->networks_len - 1] : NULL;
}
