#include "run/plan.h"

#include "base/time.h"
#include "run/mix.h"
#include "signal/signal.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(SQ_PLAN_SIZES_MAX <= SQ_MIX_PARTS_MAX, "sizes are mixed");
_Static_assert(SQ_PLAN_GROUPS_MAX <= SQ_MIX_PARTS_MAX, "groups are mixed");
_Static_assert(SQ_PLAN_NETWORKS_MAX <= SQ_MIX_PARTS_MAX, "networks are mixed");

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
        .silent_ns = 5 * SQ_NS_PER_SEC,
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
    return group->name         ? group->name
           : !group->publishes ? "viewer"
           : group->watches    ? "participant"
                               : "publisher";
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
    /* The first one comes at the start, and one who would come at the end does not. */
    return (uint64_t)ceil(plan->rate_per_s * (double)plan->duration_ns / 1e9 - 1e-6);
}

bool sq_plan_publishes(const struct sq_plan *plan)
{
    return sq_plan_publishers(plan) > 0;
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

bool sq_plan_has_rooms(const struct sq_plan *plan)
{
    return plan->room_size > 0 || plan->sizes_len > 0;
}

/* ---- Rooms ---- */

static size_t sizes_len(const struct sq_plan *plan)
{
    return plan->sizes_len ? plan->sizes_len : 1;
}

static uint64_t size_at(const struct sq_plan *plan, size_t i)
{
    return plan->sizes_len ? plan->sizes[i].size : plan->room_size ? plan->room_size : SQ_PLAN_REST;
}

/* How many of the first `rooms` rooms are of each size. */
static void count_rooms(const struct sq_plan *plan, uint64_t rooms,
                        uint64_t ret_counts[static SQ_MIX_PARTS_MAX])
{
    struct sq_mix mix = {.shares = {1}, .n = sizes_len(plan)};
    for (size_t i = 0; i < plan->sizes_len; i++) {
        mix.shares[i] = plan->sizes[i].share;
    }
    sq_mix_counts(&mix, rooms, ret_counts);
}

uint64_t sq_plan_users(const struct sq_plan *plan, uint64_t rooms)
{
    uint64_t counts[SQ_MIX_PARTS_MAX];
    uint64_t users = 0;
    count_rooms(plan, rooms, counts);
    for (size_t i = 0; i < sizes_len(plan); i++) {
        users += counts[i] > 0 ? counts[i] * size_at(plan, i) : 0;
    }
    return users;
}

uint64_t sq_plan_room_min(const struct sq_plan *plan)
{
    uint64_t least = size_at(plan, 0);
    for (size_t i = 1; i < sizes_len(plan); i++) {
        least = sq_min_u64(least, size_at(plan, i));
    }
    return sq_plan_has_rooms(plan) ? least : plan->peers;
}

uint64_t sq_plan_room_max(const struct sq_plan *plan)
{
    uint64_t most = size_at(plan, 0);
    for (size_t i = 1; i < sizes_len(plan); i++) {
        most = sq_max_u64(most, size_at(plan, i));
    }
    return sq_plan_has_rooms(plan) ? most : plan->peers;
}

/* The room of a user. */
static uint64_t room_of(const struct sq_plan *plan, uint64_t index)
{
    if (!plan->sizes_len) {
        return plan->room_size ? index / plan->room_size : 0;
    }
    uint64_t first = 0; /* a room that does not begin after the user */
    uint64_t after = index / sq_plan_room_min(plan) + 1;
    while (after - first > 1) {
        uint64_t middle = first + (after - first) / 2;
        if (sq_plan_users(plan, middle) <= index) {
            first = middle;
        } else {
            after = middle;
        }
    }
    return first;
}

/* ---- Groups ---- */

static const struct sq_plan_group *last_group(const struct sq_plan *plan)
{
    return &plan->groups[plan->groups_len - 1];
}

/* Whoever has no number takes of the rest, and the last group does where none is without. */
static bool takes_rest(const struct sq_plan *plan, const struct sq_plan_group *group)
{
    if (group->per_room == SQ_PLAN_REST) {
        return true;
    }
    for (size_t i = 0; i < plan->groups_len; i++) {
        if (plan->groups[i].per_room == SQ_PLAN_REST) {
            return false;
        }
    }
    return group == last_group(plan);
}

/* Users of a room of this size in a group that has a number (NULL: in all of them), and how many
 * of the room come before. */
static uint64_t fixed_of(const struct sq_plan *plan, uint64_t size,
                         const struct sq_plan_group *group, uint64_t *ret_before)
{
    uint64_t left = size;
    for (size_t i = 0; i < plan->groups_len; i++) {
        const struct sq_plan_group *g = &plan->groups[i];
        uint64_t own = takes_rest(plan, g) ? 0 : sq_min_u64(left, g->per_room);
        if (g == group) {
            *ret_before = size - left;
            return own;
        }
        left -= own;
    }
    *ret_before = 0;
    return size - left;
}

/* Users in the rooms that `counts` has, in a group with a number; NULL: who is left for the others.
 */
static uint64_t users_of(const struct sq_plan *plan, const uint64_t *counts,
                         const struct sq_plan_group *group)
{
    uint64_t sum = 0;
    uint64_t before;
    for (size_t i = 0; i < sizes_len(plan); i++) {
        uint64_t size = size_at(plan, i);
        uint64_t fixed = fixed_of(plan, size, group, &before);
        sum += counts[i] > 0 ? counts[i] * (group ? fixed : size - fixed) : 0;
    }
    return sum;
}

/* The group of number `ordinal` of those who are left; *ordinal becomes its number within it. */
static const struct sq_plan_group *share_of(const struct sq_plan *plan, uint64_t *ordinal)
{
    const struct sq_plan_group *groups[SQ_PLAN_GROUPS_MAX] = {last_group(plan)};
    struct sq_mix mix = {.shares = {1}, .n = 0};
    for (size_t i = 0; i < plan->groups_len; i++) {
        if (takes_rest(plan, &plan->groups[i])) {
            groups[mix.n] = &plan->groups[i];
            mix.shares[mix.n++] = plan->groups[i].share;
        }
    }
    return groups[sq_mix_part(&mix, *ordinal, ordinal)];
}

void sq_plan_place(const struct sq_plan *plan, uint64_t index, struct sq_plan_place *ret_place)
{
    uint64_t counts[SQ_MIX_PARTS_MAX], next[SQ_MIX_PARTS_MAX];
    uint64_t before;
    uint64_t room = room_of(plan, index);
    count_rooms(plan, room, counts);
    count_rooms(plan, room + 1, next);
    size_t kind = 0;
    while (kind + 1 < sizes_len(plan) && next[kind] == counts[kind]) {
        kind++;
    }
    uint64_t size = size_at(plan, kind);
    uint64_t at = room > 0 ? index - sq_plan_users(plan, room) : index; /* within the room */
    for (const struct sq_plan_group *g = plan->groups; g <= last_group(plan); g++) {
        uint64_t own = fixed_of(plan, size, g, &before);
        if (own > 0 && at >= before && at < before + own) {
            uint64_t ordinal = users_of(plan, counts, g) + at - before;
            *ret_place = (struct sq_plan_place){.group = g, .room = room, .ordinal = ordinal};
            return;
        }
    }
    uint64_t ordinal = users_of(plan, counts, NULL) + at - fixed_of(plan, size, NULL, &before);
    const struct sq_plan_group *group = share_of(plan, &ordinal);
    *ret_place = (struct sq_plan_place){.group = group, .room = room, .ordinal = ordinal};
}

uint64_t sq_plan_publishers(const struct sq_plan *plan)
{
    uint64_t before;
    uint64_t size = sq_plan_room_max(plan);
    uint64_t left = size - fixed_of(plan, size, NULL, &before);
    uint64_t sum = 0;
    uint64_t of_left = 0;
    for (const struct sq_plan_group *g = plan->groups; g <= last_group(plan); g++) {
        if (!g->publishes) {
            continue;
        }
        sum += fixed_of(plan, size, g, &before);
        if (takes_rest(plan, g)) {
            /* A share of a room may be rounded up. */
            of_left += g->share > 0 ? (uint64_t)ceil(g->share * (double)left) + 1 : left;
        }
    }
    return sum + sq_min_u64(left, of_left);
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
    if (!sq_plan_has_rooms(plan) || (plan->room_counts && number == 0)) {
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
    struct sq_mix mix = {.n = group->networks_len};
    uint64_t before;
    for (size_t i = 0; i < mix.n; i++) {
        mix.shares[i] = group->networks[i].share;
    }
    return mix.n > 0 ? &group->networks[sq_mix_part(&mix, ordinal, &before)] : NULL;
}

const char *sq_plan_restart_lacks(const struct sq_plan_group *group)
{
    if (!group->adapter->restart_ice) {
        return "the service's protocol has no way to restart ICE";
    }
    return group->script ? group->adapter->restart_lacks(group->script) : NULL;
}
