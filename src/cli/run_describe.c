/* What `squall run` is given, as results tell it. */
#include "base/mem.h"
#include "base/str.h"
#include "cli/run_options.h"

static int describe_list(struct sq_result *result, const char *key,
                         const struct sq_option_list *list)
{
    struct sq_buf b = {0};
    for (size_t i = 0; i < list->n; i++) {
        sq_buf_printf(&b, "%s%s", i ? "," : "", list->items[i]);
    }
    int err = b.err;
    if (!err && list->n > 0) {
        err = sq_result_config_text(result, key, b.text);
    }
    sq_buf_free(&b);
    return err;
}

static int describe_target(const struct sq_run_options *o, struct sq_result *result)
{
    char *shown = sq_target_shown(o->target_url);
    int err = shown ? sq_result_config_text(result, "target", shown) : SQ_ERR_NOMEM;
    err = err ? err : sq_result_replace_text(&result->target, shown);
    sq_free(shown);
    return err;
}

int sq_run_options_describe(const struct sq_run_options *o, const struct sq_plan *plan,
                            struct sq_result *result)
{
    const struct sq_plan_group *first = &plan->groups[0];
    int err = describe_target(o, result);
    err = err ? err : sq_result_config_number(result, "peers", (double)plan->peers);
    err = err ? err : sq_result_config_number(result, "rate_per_s", plan->rate_per_s);
    err = err ? err : sq_result_config_number(result, "hold_s", (double)plan->hold_ns / 1e9);
    err =
        err ? err : sq_result_config_number(result, "duration_s", (double)plan->duration_ns / 1e9);
    err = err ? err
              : sq_result_config_number(result, "ramp_down_s", (double)plan->ramp_down_ns / 1e9);
    err = err ? err : sq_result_config_number(result, "threads", plan->threads);
    err = err ? err : sq_result_config_text(result, "room", plan->room);
    if (!err && plan->room_size) {
        err = sq_result_config_number(result, "room_size", (double)plan->room_size);
    }
    bool all = first->publishes && plan->groups_len == 1;
    if (!err && !all) {
        err = sq_result_config_number(result, "publishers",
                                      first->publishes ? (double)first->per_room : 0);
    }
    err = err ? err : sq_result_config_flag(result, "listen", first->watches);
    err = err ? err
              : sq_result_config_text(result, o->replay ? "replay" : "media",
                                      o->replay ? o->replay : o->media);
    err = err ? err : describe_list(result, "codec", &o->codecs);
    err = err ? err : sq_result_config_number(result, "simulcast", (double)first->simulcast);
    err = err ? err : sq_result_config_text(result, "bwe", o->bwe);
    err = err ? err : sq_result_config_flag(result, "audio", first->audio);
    err = err ? err : sq_result_config_flag(result, "video", first->video);
    err = err || !o->data ? err : sq_result_config_text(result, "data", o->data);
    err = err || !o->dtmf ? err : sq_result_config_text(result, "dtmf", o->dtmf);
    err = err || !o->data_mode ? err : sq_result_config_text(result, "data_mode", o->data_mode);
    err = err ? err : sq_result_config_text(result, "srtp", o->srtp);
    err = err ? err : sq_result_config_flag(result, "trickle", first->trickle);
    err = err ? err : sq_result_config_flag(result, "latency", first->latency);
    err = err ? err : sq_result_config_flag(result, "insecure", first->insecure);
    err = err ? err : sq_result_config_flag(result, "echo", o->echo);
    err = err ? err : sq_result_config_number(result, "dump", (double)plan->dumps);
    err = err ? err : sq_result_config_number(result, "decode", (double)plan->decode);
    err = err || !o->ca_file ? err : sq_result_config_text(result, "ca", o->ca_file);
    err = err ? err : describe_list(result, "stun", &o->stun);
    err = err ? err : describe_list(result, "local_ip", &o->local_ips);
    err = err ? err : describe_list(result, "network", &o->networks);
    err = err || !o->reconnect ? err : sq_result_config_text(result, "reconnect", o->reconnect);
    err = err ? err : sq_result_config_text(result, "ice", o->ice);
    err = err ? err : describe_list(result, "turn", &o->turn);
    err = err ? err
              : sq_result_config_number(result, "answer_timeout_s",
                                        (double)plan->answer_timeout_ns / 1e9);
    err = err ? err
              : sq_result_config_number(result, "connect_timeout_s",
                                        (double)plan->connect_timeout_ns / 1e9);
    err = err ? err
              : sq_result_config_number(result, "media_timeout_s",
                                        (double)plan->media_timeout_ns / 1e9);
    return err ? err
               : sq_result_config_number(result, "lateness_max_ms", plan->lateness_p99_max_ms);
}
