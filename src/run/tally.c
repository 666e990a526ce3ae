/* What the users of a shard add up. */
#include "base/mem.h"
#include "net/loop.h"
#include "run/user.h"
#include <math.h>

void sq_tally_record(struct sq_tally *tally, enum sq_metric_id id, double value)
{
    if (isnan(value)) {
        return;
    }
    if (!tally->metrics[id]) {
        tally->metrics[id] = sq_zalloc(sizeof(struct sq_hist));
    }
    if (tally->metrics[id]) {
        sq_metric_record(tally->metrics[id], id, value);
        tally->last[id] = value;
        tally->last_ns[id] = tally->loop ? sq_loop_now(tally->loop) : 0;
    }
}

void sq_tally_time(struct sq_tally *tally, size_t timer, uint64_t took_ns)
{
    if (!tally->timers_us[timer]) {
        tally->timers_us[timer] = sq_zalloc(sizeof(struct sq_hist));
    }
    if (tally->timers_us[timer]) {
        sq_hist_record(tally->timers_us[timer], took_ns / 1000);
    }
}

static void merge_steps(struct sq_tally *to, const struct sq_tally *from)
{
    for (size_t i = 0; i < SQ_STEP_FIGURES_MAX; i++) {
        to->counts[i] += from->counts[i];
        if (from->timers_us[i] && !to->timers_us[i]) {
            to->timers_us[i] = sq_zalloc(sizeof(struct sq_hist));
        }
        if (from->timers_us[i] && to->timers_us[i]) {
            sq_hist_merge(to->timers_us[i], from->timers_us[i]);
        }
    }
}

void sq_tally_merge(struct sq_tally *to, const struct sq_tally *from)
{
    to->started += from->started;
    to->connected += from->connected;
    to->ok += from->ok;
    to->failed += from->failed;
    to->pending += from->pending;
    to->starved += from->starved;
    to->starved_errno = to->starved_errno ? to->starved_errno : from->starved_errno;
    to->decode_dropped += from->decode_dropped;
    to->sent_messages += from->sent_messages;
    to->skipped_messages += from->skipped_messages;
    for (int i = 0; i < SQ_FAILURE_COUNT; i++) {
        to->failed_by_cause[i] += from->failed_by_cause[i];
    }
    for (int i = 0; i < SQ_ASKED_COUNT; i++) {
        to->asked[i].peers += from->asked[i].peers;
        to->asked[i].refused += from->asked[i].refused;
        to->asked[i].plain += from->asked[i].plain;
    }
    merge_steps(to, from);
    sq_latency_merge(&to->latency, &from->latency);
    for (int i = 0; i < SQ_METRIC_COUNT; i++) {
        if (!from->metrics[i]) {
            continue;
        }
        bool newer = !to->metrics[i] || from->last_ns[i] >= to->last_ns[i];
        if (!to->metrics[i]) {
            to->metrics[i] = sq_zalloc(sizeof(struct sq_hist));
        }
        if (to->metrics[i]) {
            sq_hist_merge(to->metrics[i], from->metrics[i]);
            to->last[i] = newer ? from->last[i] : to->last[i];
            to->last_ns[i] = newer ? from->last_ns[i] : to->last_ns[i];
        }
    }
}

void sq_tally_free(struct sq_tally *tally)
{
    for (size_t i = 0; i < SQ_STEP_FIGURES_MAX; i++) {
        sq_free(tally->timers_us[i]);
        tally->timers_us[i] = NULL;
    }
    for (int i = 0; i < SQ_METRIC_COUNT; i++) {
        sq_free(tally->metrics[i]);
        tally->metrics[i] = NULL;
    }
}
