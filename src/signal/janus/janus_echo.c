/* The plug-in echotest: what is sent comes back. */
#include "signal/janus/janus_int.h"
#include <string.h>

static void on_answer(struct sq_signal *j, struct janus_handle *handle,
                      const struct janus_reply *reply)
{
    if (sq_session_is_done(&j->s)) {
        return;
    }
    if (reply->code) {
        janus_refused(j, "echotest", reply);
    } else if (janus_take_answer(j, handle, reply)) {
        sq_session_joined(&j->s);
    }
}

static void send_offer(struct sq_signal *j, struct janus_handle *handle)
{
    janus_request(j, handle, NULL, json_pack("{sbsb}", "audio", 1, "video", 1), "offer", on_answer);
    janus_described(j, handle);
}

void janus_echo_start(struct sq_signal *j)
{
    const struct sq_signal_user *user = j->s.user;
    if (!user->send_audio && !user->send_video && !user->data) {
        sq_session_fail(&j->s, SQ_CAUSE_PROTOCOL,
                        "echotest sends back what it gets, and this user sends nothing");
        return;
    }
    if (janus_make_peer(j, &j->main) && janus_add_tracks(j, &j->main, true)) {
        janus_offer(j, &j->main, false, send_offer);
    }
}

void janus_echo_restart(struct sq_signal *j)
{
    janus_offer(j, &j->main, true, send_offer);
}
