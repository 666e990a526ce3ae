/* What is said of one-way latency: by whose clocks, and what its figures are worth. */
#include "run/latency.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { AUDIO, VIDEO };

static const struct sq_latency_sample same = {.latency_us = 5000, .same_clock = true};
static const struct sq_latency_sample ntp = {.latency_us = 5000, .error_us = 12000};
static const struct sq_latency_sample ntp_less = {.latency_us = 5000, .error_us = 3000};
static const struct sq_latency_sample unknown = {.latency_us = 5000, .error_us = UINT64_MAX};
static const struct sq_latency_sample captured = {
    .latency_us = 5000, .error_us = 25000, .by = SQ_LATENCY_CAPTURE};
static const struct sq_latency_sample captured_unknown = {
    .latency_us = 5000, .error_us = UINT64_MAX, .by = SQ_LATENCY_CAPTURE};

#define EXACT "both ends read the same clock: exact"

static void each_says_what_its_worst_is_worth(void **state)
{
    (void)state;
    static const struct {
        const struct sq_latency_sample *audio[2], *video[2];
        const char *note;
        double audio_ms, video_ms; /* -1: not known */
    } cases[] = {
        {{0}, {0}, "", -1, -1},
        {{&same}, {&same}, EXACT, 0, 0},
        {{&same}, {0}, EXACT, 0, -1},
        {{0}, {&same}, EXACT, -1, 0},
        {{&same, &ntp},
         {&same, &ntp},
         "clocks of different machines, each kept by NTP: ± 12 ms",
         12,
         12},
        {{&ntp, &ntp_less},
         {&ntp},
         "clocks of different machines, each kept by NTP: ± 12 ms",
         12,
         12},
        {{&ntp, &unknown},
         {&unknown},
         "clocks of different machines, not compared: the error is not known",
         -1,
         -1},
        {{&captured},
         {&same},
         "audio: by abs-capture-time, the clocks compared by sender reports: ± 25 ms; "
         "video: " EXACT,
         25,
         0},
        {{&captured_unknown},
         {&same},
         "audio: by abs-capture-time, of a clock that was not compared: the error is not known; "
         "video: " EXACT,
         -1,
         0},
        {{&same, &captured_unknown},
         {0},
         EXACT "; 50 % of it by abs-capture-time, of a clock that was not compared: the error is "
               "not known",
         -1,
         -1},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct sq_latency_tally one[2] = {0};
        struct sq_latency_tally all = {0};
        struct sq_result result = {0};
        uint64_t n[2] = {0};
        for (int k = 0; k < 2; k++) { /* as of two threads */
            if (cases[i].audio[k]) {
                sq_latency_count(&one[k], false, cases[i].audio[k]);
                n[AUDIO]++;
            }
            if (cases[i].video[k]) {
                sq_latency_count(&one[k], true, cases[i].video[k]);
                n[VIDEO]++;
            }
            sq_latency_merge(&all, &one[k]);
        }
        sq_latency_result(&all, &result);
        assert_string_equal(result.latency_note, cases[i].note);
        const double wanted[] = {cases[i].audio_ms, cases[i].video_ms};
        for (int kind = 0; kind < 2; kind++) {
            const struct sq_latency_worth *w = &result.latency[kind];
            assert_int_equal(w->tags + w->captures, n[kind]);
            assert_true(wanted[kind] < 0 ? isnan(w->uncertainty_ms)
                                         : fabs(w->uncertainty_ms - wanted[kind]) < 1e-9);
        }
    }
}

static void what_came_before_it_was_sent_is_told(void **state)
{
    (void)state;
    struct sq_latency_tally tally = {0};
    struct sq_latency_sample early = ntp;
    struct sq_result result = {0};
    early.latency_us = -100;
    sq_latency_count(&tally, true, &early);
    sq_latency_result(&tally, &result);
    assert_string_equal(result.latency_note,
                        "clocks of different machines, each kept by NTP: ± 12 ms, and some of it "
                        "arrived before it was sent");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_says_what_its_worst_is_worth),
        cmocka_unit_test(what_came_before_it_was_sent_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
