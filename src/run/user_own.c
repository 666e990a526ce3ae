/* What a user has of its own, out of the plan's rows: its token, its target. */
#include "base/mem.h"
#include "base/str.h"
#include "run/user_int.h"

static int put(const struct sq_user *user, const char *text, char **ret_text)
{
    const struct sq_plan *plan = user->env->plan;
    char column[64];
    struct sq_buf b = {0};
    uint64_t row = sq_users_row(plan->users, plan->users_order, plan->seed, user->index);
    int err = sq_users_put(plan->users, row, text, &b, column);
    char *put = err ? NULL : sq_buf_take(&b);
    sq_buf_free(&b);
    if (!put) {
        return err ? err : SQ_ERR_NOMEM;
    }
    *ret_text = put;
    return 0;
}

int sq_user_own_create(struct sq_user *user)
{
    const struct sq_plan_group *group = user->group;
    user->target = group->target;
    if (!user->env->plan->users) {
        return 0;
    }
    struct sq_user_own *own = sq_zalloc(sizeof(*own));
    if (!own) {
        return SQ_ERR_NOMEM;
    }
    user->own = own;
    char why[SQ_PEER_TEXT_MAX];
    int err = group->token ? put(user, group->token, &own->token) : 0;
    err = err || !group->target_text ? err : put(user, group->target_text, &own->url);
    if (!err && own->url) {
        err = sq_target_parse(own->url, &own->target, why, sizeof(why));
        user->target = &own->target;
    }
    return err;
}

void sq_user_own_destroy(struct sq_user *user)
{
    if (user->own) {
        sq_free(user->own->token);
        sq_free(user->own->url);
        sq_target_free(&user->own->target);
        sq_free(user->own);
        user->own = NULL;
    }
}
