#include "cli/run_groups.h"

#include "base/time.h"
#include "cli/run_file.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Users of each room that groups with a number take, and whether all groups have one. */
static uint64_t fixed_of(const struct sq_scenario *s, bool *ret_all)
{
    uint64_t sum = 0;
    bool all = s->groups_len > 0;
    for (size_t i = 0; i < s->groups_len; i++) {
        sum += s->groups[i].per_room;
        all = all && s->groups[i].per_room > 0;
    }
    *ret_all = all;
    return sum;
}

/* So many rooms for so many peers: some have one more than the others. */
static void spread(struct sq_plan *plan, uint64_t peers, uint64_t rooms)
{
    uint64_t more = peers % rooms;
    plan->room_size = more == 0 ? peers / rooms : 0;
    if (more > 0) {
        double share = (double)more / (double)rooms;
        plan->sizes[0] = (struct sq_plan_size){peers / rooms + 1, share};
        plan->sizes[1] = (struct sq_plan_size){peers / rooms, 1 - share};
        plan->sizes_len = 2;
    }
}

int sq_run_rooms_plan(const struct sq_run_options *o, struct sq_plan *plan, char *why,
                      size_t why_room)
{
    const struct sq_scenario *s = o->scenario;
    bool all_fixed;
    plan->room_size = o->room_size;
    if (!s) {
        return 0;
    }
    uint64_t fixed = fixed_of(s, &all_fixed);
    for (size_t i = 0; i < s->sizes_len; i++) {
        plan->sizes[i] = (struct sq_plan_size){s->sizes[i].size, s->sizes[i].share};
    }
    plan->sizes_len = s->sizes_len;
    if (sq_plan_has_rooms(plan)) {
        uint64_t users = s->rooms ? sq_plan_users(plan, s->rooms) : o->peers;
        const struct sq_scenario_setting *peers = sq_scenario_setting_for(s, NULL, "peers");
        bool file = peers && strtoull(peers->value, NULL, 10) == o->peers;
        if (users > SQ_PLAN_PEERS_MAX) {
            sq_run_file_refuse(o, &s->rooms_at, why, why_room,
                               "rooms.count: %llu rooms have %llu peers; expected %d at most",
                               (unsigned long long)s->rooms, (unsigned long long)users,
                               SQ_PLAN_PEERS_MAX);
            return SQ_ERR_INVALID;
        }
        if (file && users != o->peers && o->hold_ns == 0) {
            sq_run_file_refuse(o, &s->rooms_at, why, why_room,
                               "rooms.count: %llu rooms have %llu peers, and load.peers is %llu; "
                               "expected one of the two, or the same number",
                               (unsigned long long)s->rooms, (unsigned long long)users,
                               (unsigned long long)o->peers);
            return SQ_ERR_INVALID;
        }
        return 0;
    }
    if (all_fixed && (s->rooms > 0 || o->peers > fixed || o->peers == 0)) {
        plan->room_size = fixed; /* a room is one of each */
        return 0;
    }
    if (s->rooms > 0 && o->peers < s->rooms) {
        sq_run_file_refuse(o, &s->rooms_at, why, why_room,
                           "rooms.count: %llu rooms for %llu peers; expected rooms.size or sizes, "
                           "or load.peers with a peer for each room",
                           (unsigned long long)s->rooms, (unsigned long long)o->peers);
        return SQ_ERR_INVALID;
    }
    if (s->rooms > 0) {
        spread(plan, o->peers, s->rooms);
    }
    return 0;
}

/* Every group has somebody in a full room, and every place of it has a group. */
static int check_places(const struct sq_run_options *o, const struct sq_plan *plan, char *why,
                        size_t why_room)
{
    const struct sq_scenario *s = o->scenario;
    bool all;
    uint64_t fixed = fixed_of(s, &all);
    uint64_t least = sq_plan_room_min(plan);
    uint64_t most = sq_plan_room_max(plan);
    const char *of = sq_plan_has_rooms(plan) ? "a room" : "the one room";
    if (fixed > least) {
        const struct sq_scenario_group *last = s->groups;
        for (size_t i = 0; i < s->groups_len; i++) {
            last = s->groups[i].per_room ? &s->groups[i] : last;
        }
        sq_run_file_refuse(o, &last->per_room_at, why, why_room,
                           "per_room: the groups take %llu peers of each room, and %s has %llu",
                           (unsigned long long)fixed, of, (unsigned long long)least);
        return SQ_ERR_INVALID;
    }
    if (all && fixed < most) {
        sq_run_file_refuse(o, &s->groups_at, why, why_room,
                           "the groups take %llu peers of each room, and %s has %llu; expected a "
                           "group without per_room, who are all the others",
                           (unsigned long long)fixed, of, (unsigned long long)most);
        return SQ_ERR_INVALID;
    }
    return 0;
}

static int plan_role(const struct sq_run_options *o, const struct sq_scenario_group *from,
                     struct sq_plan_group *group, char *why, size_t why_room)
{
    group->publishes = sq_scenario_role_sends(from->role);
    group->watches = sq_scenario_role_watches(from->role);
    group->audio = group->audio && from->role != SQ_SCENARIO_ROLE_VIDEO;
    group->video = group->video && from->role != SQ_SCENARIO_ROLE_AUDIO;
    if (from->role == SQ_SCENARIO_ROLE_DATA) {
        group->audio = group->video = false;
        group->latency = false;
    }
    if (!group->audio && !group->video && !group->data.on) {
        sq_run_file_refuse(o, &from->at, why, why_room,
                           "group '%s' has neither audio nor video nor data; expected data: "
                           "RATE:SIZE, such as 10/s:200",
                           from->name);
        return SQ_ERR_INVALID;
    }
    return 0;
}

int sq_run_groups_plan(const struct sq_run_options *o, struct sq_plan *plan, char *why,
                       size_t why_room)
{
    const struct sq_scenario *s = o->scenario;
    plan->groups_len = s->groups_len;
    for (size_t i = 0; i < s->groups_len; i++) {
        const struct sq_scenario_group *from = &s->groups[i];
        struct sq_plan_group *group = &plan->groups[i];
        group->name = from->name;
        group->per_room = from->per_room ? from->per_room : SQ_PLAN_REST;
        group->share = from->share;
        group->data.nonce = plan->groups[0].data.nonce; /* they hear each other */
        int err = plan_role(o, from, group, why, why_room);
        if (err) {
            return err;
        }
    }
    return check_places(o, plan, why, why_room);
}
