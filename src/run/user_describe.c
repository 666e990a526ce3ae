/* Who a user is: to its adapter, and in its row before anything has happened. */
#include "media/clip.h"
#include "run/user_int.h"
#include "signal/target.h"
#include <math.h>
#include <stdio.h>

void sq_user_describe(struct sq_user *user)
{
    const struct sq_plan *plan = user->env->plan;
    const struct sq_plan_group *group = user->group;
    bool sends = group->publishes;
    bool listens = group->watches;
    snprintf(user->name, sizeof(user->name), SQ_RUN_PEER_NAME, (unsigned long long)user->index);
    sq_plan_room_name(plan, user->place, user->room);
    user->want = (struct sq_signal_user){
        .index = user->index,
        .name = user->name,
        .room = user->room,
        .send_audio = sends && group->audio,
        .send_video = sends && group->video,
        .recv_audio = listens && group->audio,
        .recv_video = listens && group->video,
        .clip = group->clip,
        .simulcast = group->simulcast > 1,
        .audio = group->clip ? sq_clip_track(group->clip, SQ_CLIP_AUDIO) : NULL,
        .video = group->clip ? sq_clip_track(group->clip, SQ_CLIP_VIDEO) : NULL,
        .send_data = sends && group->data.on,
        .data = group->data.on ? &group->data.channel : NULL,
        .token = group->token,
        .insecure = group->insecure,
        .ca_file = group->ca_file,
        .trickle = group->trickle,
        .timeout_ns = plan->answer_timeout_ns,
        .link = user->link,
        .role = sq_plan_role(group),
        .seed = plan->seed + (user->index << 16),
        .script = group->script,
    };
    SQ_RESULT_SET(user->row.id, user->name);
    SQ_RESULT_SET(user->row.room, user->room);
    SQ_RESULT_SET(user->row.role, sq_plan_role(group));
    user->row.sends_only = !listens;
    if (group->target && !group->target_text) {
        snprintf(user->row.target, sizeof(user->row.target), "%s:%u", group->target->host,
                 group->target->port);
    }
    user->row.start_ms = ((double)user->intended_ns - (double)user->env->start_ns) / 1e6;
    user->row.end_ms = NAN;
    user->row.data.in_kbps = user->row.data.out_kbps = NAN;
    user->row.dropped_ms = user->row.back_ms = user->row.gap_ms = user->row.away_ms = NAN;
    user->row.data.loss_percent = user->row.data.latency_ms = user->row.data.rtt_ms = NAN;
    for (int i = 0; i < SQ_STAGE_COUNT; i++) {
        user->row.stage_ms[i] = NAN;
    }
}
