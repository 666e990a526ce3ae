/* A user's samples, into the tally and into what expectations ask for. */
#include "net/loop.h"
#include "run/user_int.h"
#include "run/watch.h"

void sq_user_record(struct sq_user *user, enum sq_metric_id id, double value)
{
    uint64_t now_ns = sq_loop_now(user->env->loop);
    sq_user_record_since(user, id, value, now_ns, now_ns);
}

void sq_user_record_since(struct sq_user *user, enum sq_metric_id id, double value,
                          uint64_t from_ns, uint64_t to_ns)
{
    sq_tally_record(user->env->tally, id, value);
    if (user->slices) {
        sq_slices_sample(user->env->slices, user->slices, id, value, from_ns, to_ns);
    }
}

void sq_user_slices_event(struct sq_user *user, enum sq_event_kind kind)
{
    sq_slice_user_event(user->slices, kind, sq_loop_now(user->env->loop));
}

void sq_user_mark(struct sq_user *user, const char *name)
{
    sq_user_tell(user, "tag", "%s", name);
    sq_slice_user_tag(user->env->slices, user->slices, name, sq_loop_now(user->env->loop));
}

void sq_user_watch(struct sq_user *user, uint64_t now_ns)
{
    if (user->state >= SQ_USER_SETTING_UP && user->state < SQ_USER_LEAVING) {
        sq_watch_user(user->env->watch, user->slices, &user->row, now_ns);
    }
}

void sq_user_slices_end(struct sq_user *user)
{
    sq_slices_end(user->env->slices, user->slices, user->index, &user->row);
    sq_watch_end(user->env->watch, user->slices, &user->row, sq_loop_now(user->env->loop));
}

void sq_user_record_time(struct sq_user *user, size_t timer, const char *name, uint64_t from_ns,
                         uint64_t to_ns)
{
    sq_tally_time(user->env->tally, timer, to_ns - from_ns);
    sq_slices_own(user->env->slices, user->slices, SQ_METRIC_OWN_TIMER, name,
                  (double)(to_ns - from_ns) / 1e6, from_ns, to_ns);
}

void sq_user_record_count(struct sq_user *user, size_t counter, const char *name, uint64_t add)
{
    uint64_t now_ns = sq_loop_now(user->env->loop);
    user->env->tally->counts[counter] += add;
    sq_slices_own(user->env->slices, user->slices, SQ_METRIC_OWN_COUNTER, name, (double)add, now_ns,
                  now_ns);
}
