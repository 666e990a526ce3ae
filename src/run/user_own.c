/* What a user has of its own, out of the plan's rows and of its steps: its token, its target, its
 * room. */
#include "base/mem.h"
#include "base/secret.h"
#include "base/str.h"
#include "run/user_steps_int.h"
#include <stdio.h>
#include <string.h>

/* Columns of the user's row. */
static int put_row(const struct sq_user *user, const char *text, char **ret_text)
{
    const struct sq_plan *plan = user->env->plan;
    char column[64];
    struct sq_buf b = {0};
    int err = plan->users ? sq_users_put(plan->users, user->users_row, text, &b, column) : 0;
    if (!plan->users) {
        sq_buf_puts(&b, text);
    }
    char *put = err ? NULL : sq_buf_take(&b);
    sq_buf_free(&b);
    if (!put) {
        return err ? err : SQ_ERR_NOMEM;
    }
    *ret_text = put;
    return 0;
}

/* And what steps took. */
static int put(const struct sq_user *user, const char *text, char **ret_text,
               char why[static SQ_PEER_TEXT_MAX])
{
    char missing[SQ_STEP_NAME_MAX + 8] = "";
    char *row = NULL;
    int err = put_row(user, text, &row);
    if (err) {
        return err;
    }
    char *all = sq_user_step_put(user, row, false, &err, missing);
    sq_free(row);
    if (err) {
        snprintf(why, SQ_PEER_TEXT_MAX, "there is no value for ${%s}", missing);
        return err;
    }
    sq_free(*ret_text);
    *ret_text = all;
    return 0;
}

static int fill_target(struct sq_user *user, char why[static SQ_PEER_TEXT_MAX])
{
    struct sq_user_own *own = user->own;
    struct sq_target target;
    int err = sq_target_parse(own->url, &target, why, SQ_PEER_TEXT_MAX);
    if (err) {
        return err;
    }
    sq_target_free(&own->target);
    own->target = target;
    user->target = &own->target;
    snprintf(user->row.target, sizeof(user->row.target), "%s:%u", target.host, target.port);
    const struct sq_signal_ops *adapter = user->group->adapter;
    if (sq_signal_find(target.scheme) != adapter) {
        snprintf(why, SQ_PEER_TEXT_MAX, "the target is %s, and was to be %s", target.scheme,
                 adapter->name);
        return SQ_ERR_INVALID;
    }
    return adapter->check ? adapter->check(&own->target, why) : 0;
}

/* By `room` of its group, else by what its own target names. */
static int fill_room(struct sq_user *user, char why[static SQ_PEER_TEXT_MAX])
{
    const struct sq_plan_group *group = user->group;
    char *room = NULL;
    int err = 0;
    if (group->room) {
        err = put(user, group->room, &room, why);
    } else {
        const char *named = sq_target_param(user->target, "room");
        room = sq_strdup(named && named[0] ? named : user->room);
        err = room ? 0 : SQ_ERR_NOMEM;
    }
    if (!err && !room[0]) {
        snprintf(why, SQ_PEER_TEXT_MAX, "the room's name is empty");
        err = SQ_ERR_INVALID;
    } else if (!err && strlen(room) >= sizeof(user->room)) {
        snprintf(why, SQ_PEER_TEXT_MAX, "the room's name '%.60s…' is too long: expected %zu bytes",
                 room, sizeof(user->room) - 1);
        err = SQ_ERR_INVALID;
    }
    if (!err) {
        snprintf(user->room, sizeof(user->room), "%s", room);
        SQ_RESULT_SET(user->row.room, user->room);
    }
    sq_free(room);
    return err;
}

int sq_user_own_fill(struct sq_user *user, char why[static SQ_PEER_TEXT_MAX])
{
    const struct sq_plan_group *group = user->group;
    struct sq_user_own *own = user->own;
    if (!own) {
        return 0;
    }
    why[0] = '\0';
    int err = group->token ? put(user, group->token, &own->token, why) : 0;
    err = err || !group->target_text ? err : put(user, group->target_text, &own->url, why);
    err = err || !own->url ? err : fill_target(user, why);
    err = err || !(group->room || group->room_of_target) ? err : fill_room(user, why);
    user->want.token = own->token ? own->token : group->token;
    for (const char *c = own->token; !err && c && *c; c++) {
        if ((unsigned char)*c < ' ' || *c == 0x7f) { /* no service takes it, and it ends a header */
            snprintf(why, SQ_PEER_TEXT_MAX, "the token has a control character in it (0x%02x)",
                     (unsigned)(unsigned char)*c);
            err = SQ_ERR_FORMAT;
        }
    }
    if (err && !why[0]) {
        snprintf(why, SQ_PEER_TEXT_MAX, "%s", sq_err_name(err));
    }
    return err;
}

#define VALUE_LEAST 8 /* bytes of a value that may be none: "ada" stands in other words, too */

static void mask_longer(char *text, const char *value)
{
    if (strlen(value) >= VALUE_LEAST) {
        sq_secret_mask_value(text, value);
    }
}

void sq_user_mask(const struct sq_user *user, char *text)
{
    const struct sq_plan *plan = user->env->plan;
    const struct sq_user_steps *s = user->steps;
    sq_secrets_mask(plan->secrets, text);
    if (user->group->token && !sq_step_asks(user->group->token)) {
        sq_secret_mask_value(text, user->group->token);
    }
    if (user->own && user->own->token) {
        sq_secret_mask_value(text, user->own->token);
    }
    for (size_t i = 0; s && i < s->values_len; i++) {
        if (strcmp(s->values[i].text, user->room) != 0) {
            mask_longer(text, s->values[i].text);
        }
    }
    if (plan->users) {
        for (size_t i = 0; i < sq_users_columns(plan->users); i++) {
            const char *value = sq_users_value(plan->users, user->users_row, i);
            if (strcmp(value, user->room) != 0) {
                mask_longer(text, value);
            }
        }
    }
}

bool sq_user_own_waits(const struct sq_user *user)
{
    const struct sq_plan_group *group = user->group;
    return sq_step_asks(group->token) || sq_step_asks(group->target_text) ||
           sq_step_asks(group->room);
}

int sq_user_own_create(struct sq_user *user)
{
    const struct sq_plan_group *group = user->group;
    user->target = group->target;
    if (!user->env->plan->users && !group->room && !sq_user_own_waits(user)) {
        return 0;
    }
    user->own = sq_zalloc(sizeof(*user->own));
    return user->own ? 0 : SQ_ERR_NOMEM;
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
