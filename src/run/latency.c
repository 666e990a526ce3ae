#include "run/latency.h"

#include "base/time.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

#define SENTENCE_MAX 160
#define KIND_MAX     (3 * SENTENCE_MAX) /* two of them, and what joins them */

void sq_latency_count(struct sq_latency_tally *tally, bool video,
                      const struct sq_latency_sample *sample)
{
    struct sq_latency_clocks *c = &tally->clocks[video][sample->by];
    tally->negative[video] += sample->latency_us < 0;
    if (sample->same_clock) {
        c->same++;
    } else if (sample->error_us == UINT64_MAX) {
        c->unknown++;
    } else {
        c->compared++;
        c->error_max_us = sq_max_u64(c->error_max_us, sample->error_us);
    }
}

void sq_latency_merge(struct sq_latency_tally *to, const struct sq_latency_tally *from)
{
    for (unsigned video = 0; video < 2; video++) {
        to->negative[video] += from->negative[video];
        for (unsigned by = 0; by < 2; by++) {
            struct sq_latency_clocks *t = &to->clocks[video][by];
            const struct sq_latency_clocks *f = &from->clocks[video][by];
            t->same += f->same;
            t->compared += f->compared;
            t->unknown += f->unknown;
            t->error_max_us = sq_max_u64(t->error_max_us, f->error_max_us);
        }
    }
}

static uint64_t samples(const struct sq_latency_clocks *c)
{
    return c->same + c->compared + c->unknown;
}

/* What the worst of them is worth. */
static void describe(const struct sq_latency_clocks *c, enum sq_latency_by by,
                     char out[static SENTENCE_MAX])
{
    double error_ms = (double)c->error_max_us / 1e3;
    if (by == SQ_LATENCY_CAPTURE && c->unknown > 0) {
        snprintf(out, SENTENCE_MAX,
                 "by abs-capture-time, of a clock that was not compared: the error is not known");
    } else if (by == SQ_LATENCY_CAPTURE) {
        snprintf(out, SENTENCE_MAX,
                 "by abs-capture-time, the clocks compared by sender reports: ± %.3g ms", error_ms);
    } else if (c->unknown > 0) {
        snprintf(out, SENTENCE_MAX,
                 "clocks of different machines, not compared: the error is not known");
    } else if (c->compared > 0) {
        snprintf(out, SENTENCE_MAX, "clocks of different machines, each kept by NTP: ± %.3g ms",
                 error_ms);
    } else {
        snprintf(out, SENTENCE_MAX, "both ends read the same clock: exact");
    }
}

/* Of a kind: "" without a sample. */
static void describe_kind(const struct sq_latency_tally *tally, unsigned video,
                          char out[static KIND_MAX])
{
    const struct sq_latency_clocks *c = tally->clocks[video];
    char tags[SENTENCE_MAX] = "";
    char captures[SENTENCE_MAX] = "";
    uint64_t n[] = {samples(&c[0]), samples(&c[1])};
    if (n[0] > 0) {
        describe(&c[0], SQ_LATENCY_TAG, tags);
    }
    if (n[1] > 0) {
        describe(&c[1], SQ_LATENCY_CAPTURE, captures);
    }
    const char *early = tally->negative[video] ? ", and some of it arrived before it was sent" : "";
    if (n[0] > 0 && n[1] > 0) {
        snprintf(out, KIND_MAX, "%s; %.2g %% of it %s%s", tags,
                 100.0 * (double)n[1] / (double)(n[0] + n[1]), captures, early);
    } else {
        snprintf(out, KIND_MAX, "%s%s%s", tags, captures, n[0] + n[1] ? early : "");
    }
}

static double uncertainty_ms(const struct sq_latency_clocks c[static 2])
{
    if (c[0].unknown + c[1].unknown > 0 || samples(&c[0]) + samples(&c[1]) == 0) {
        return NAN;
    }
    return (double)sq_max_u64(c[0].error_max_us, c[1].error_max_us) / 1e3;
}

void sq_latency_result(const struct sq_latency_tally *tally, struct sq_result *result)
{
    char of[2][KIND_MAX];
    for (unsigned video = 0; video < 2; video++) {
        result->latency[video] = (struct sq_latency_worth){
            .tags = samples(&tally->clocks[video][SQ_LATENCY_TAG]),
            .captures = samples(&tally->clocks[video][SQ_LATENCY_CAPTURE]),
            .uncertainty_ms = uncertainty_ms(tally->clocks[video]),
        };
        describe_kind(tally, video, of[video]);
    }
    bool alike = strcmp(of[0], of[1]) == 0;
    if (alike || !of[0][0] || !of[1][0]) {
        SQ_RESULT_SET(result->latency_note, of[0][0] ? of[0] : of[1]);
    } else {
        snprintf(result->latency_note, sizeof(result->latency_note), "audio: %s; video: %s", of[0],
                 of[1]);
    }
}
