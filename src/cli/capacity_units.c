#include "cli/capacity_units.h"

#include "base/str.h"
#include "base/time.h"
#include "signal/target.h"
#include <string.h>

#define SIZE_OF_ROOMS 10

uint64_t sq_capacity_in_units(const struct sq_capacity *c, const struct sq_plan *base,
                              enum sq_grow grow, uint64_t peers)
{
    if (grow != SQ_GROW_ROOMS) {
        return peers;
    }
    struct sq_plan plan = *base;
    struct sq_plan_place last;
    plan.room_size = c->room_size ? c->room_size : plan.room_size;
    sq_plan_place(&plan, peers - 1, &last);
    bool whole = sq_plan_users(&plan, last.room + 1) <= peers;
    return sq_max_u64(last.room + (whole ? 1 : 0), 1);
}

uint64_t sq_capacity_least(const struct sq_plan *base, enum sq_grow grow)
{
    bool watches = false;
    for (size_t i = 0; i < base->groups_len; i++) {
        const struct sq_target *t = base->groups[i].target;
        const char *plugin = sq_target_param(t, "plugin");
        bool echo = strcmp(base->room, "echo") == 0 || (plugin && strcmp(plugin, "echotest") == 0);
        watches = watches || (base->groups[i].watches && !echo && strncmp(t->scheme, "wh", 2) != 0);
    }
    return grow != SQ_GROW_ROOMS && watches ? 2 : 1;
}

uint64_t sq_capacity_room_size(const struct sq_capacity *c, const struct sq_plan *base)
{
    if (sq_plan_has_rooms(base)) {
        return base->sizes_len == 0 ? base->room_size : 0;
    }
    uint64_t held = c->searches_len > 0 ? c->searches[0].held : 0;
    return held > 0 ? sq_min_u64(held, SIZE_OF_ROOMS) : SIZE_OF_ROOMS;
}
