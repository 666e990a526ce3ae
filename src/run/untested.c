#include "run/untested.h"

#include "run/replay.h"
#include <stdio.h>

#define RATE_NS (500 * SQ_NS_PER_MS) /* what a rate takes at least */

/* Peers got through and were given no media, and nothing else went wrong. */
static bool only_silence(const struct sq_result *result)
{
    bool silence = false;
    for (size_t i = 0; i < result->peer_count; i++) {
        const struct sq_peer_row *peer = &result->peers[i];
        if (peer->outcome == SQ_OUTCOME_FAILED && peer->cause != SQ_FAILURE_NO_MEDIA) {
            return false;
        }
        silence = silence || peer->cause == SQ_FAILURE_NO_MEDIA;
    }
    return silence;
}

/* What of it there is was sent, and was not measured. */
static void check_replay(const struct sq_replay *replay, bool expected, struct sq_result *result)
{
    static const enum sq_metric_id rates[] = {
        SQ_METRIC_AUDIO_IN_BITRATE, SQ_METRIC_AUDIO_OUT_BITRATE, SQ_METRIC_VIDEO_IN_BITRATE,
        SQ_METRIC_VIDEO_OUT_BITRATE};
    bool connected = false;
    bool measured = expected;
    for (size_t i = 0; i < result->peer_count; i++) {
        connected = connected || result->peers[i].connected;
    }
    for (size_t i = 0; i < sizeof(rates) / sizeof(*rates); i++) {
        const struct sq_metric_row *row = sq_result_metric(result, rates[i]);
        measured = measured || (row && row->hist->sums.count > 0);
    }
    if (connected ? !measured : replay->duration_ns < RATE_NS && only_silence(result)) {
        snprintf(result->error, sizeof(result->error),
                 "the recording of %.3g s was over before a rate of its media could be measured "
                 "(half a second at least, after the set-up)",
                 (double)replay->duration_ns / 1e9);
    }
}

/* Viewers alone, and nobody to watch. */
static void check_watched(struct sq_result *result)
{
    bool watched = false;
    bool well = false;
    for (size_t i = 0; i < result->peer_count; i++) {
        const struct sq_peer_row *peer = &result->peers[i];
        well = well || peer->outcome == SQ_OUTCOME_OK;
        watched = watched || peer->outcome == SQ_OUTCOME_FAILED ||
                  peer->flow[SQ_FLOW_AUDIO_IN].agreed || peer->flow[SQ_FLOW_VIDEO_IN].agreed;
    }
    if (well && !watched) {
        snprintf(result->error, sizeof(result->error),
                 "nobody was there to watch: with --publishers 0 somebody else has to send");
    }
}

void sq_untested_check(const struct sq_plan *plan, bool expected, struct sq_result *result)
{
    if (!sq_plan_publishes(plan) && !sq_plan_has_data(plan) && !expected) {
        check_watched(result);
    }
    for (size_t i = 0; i < plan->groups_len; i++) {
        if (plan->groups[i].replay) {
            check_replay(plan->groups[i].replay, expected, result);
            return;
        }
    }
}
