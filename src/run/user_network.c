/* --network: the link that all of a user's traffic goes over, and how it changes. */
#include "net/loop.h"
#include "run/user_int.h"

static uint64_t begin_ns(const struct sq_user *user)
{
    return user->network->course.of_run ? user->env->start_ns : user->intended_ns;
}

/* Puts in force what holds at this time; tells of it where that is a change. */
static void follow(struct sq_user *user, uint64_t now_ns)
{
    const struct sq_plan_network *network = user->network;
    uint64_t from_ns = begin_ns(user);
    uint64_t next_ns;
    const struct sq_link_change *change =
        sq_link_course_at(&network->course, user->group->network_changes + network->changes_at,
                          now_ns > from_ns ? now_ns - from_ns : 0, &next_ns);
    if (change != user->network_change) {
        int err = sq_link_set(user->link, change ? &change->config : &network->link);
        (void)err; /* its numbers were checked when it was read */
        sq_user_tell(user, "network", "%s", change ? change->text : "again");
        user->network_change = change;
    }
    if (next_ns != SQ_NEVER) {
        sq_timer_start(sq_loop_timers(user->env->loop), &user->network_timer, from_ns + next_ns);
    }
}

static void on_timer(void *ctx, uint64_t now_ns)
{
    struct sq_user *user = ctx;
    if (user->state != SQ_USER_OVER) {
        follow(user, now_ns);
    }
}

int sq_user_network_create(struct sq_user *user)
{
    sq_timer_init(&user->network_timer, on_timer, user);
    user->network = sq_plan_network(user->group, user->ordinal);
    if (!user->network) {
        return 0;
    }
    SQ_RESULT_SET(user->row.network, user->network->name);
    return sq_link_create(user->env->loop, &user->network->link,
                          user->env->plan->seed + user->index, &user->link);
}

void sq_user_network_begin(struct sq_user *user)
{
    if (user->network && user->network->course.n > 0) {
        sq_user_tell(user, "network", "%s", user->network->name);
        follow(user, sq_loop_now(user->env->loop));
    }
}

void sq_user_network_destroy(struct sq_user *user)
{
    sq_timer_stop(&user->network_timer);
    sq_link_release(user->link);
}
