/* The score in the closing text, in peers.csv and on the page. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "report/report_int.h"
#include "report/text.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Two that were well, one behind a bad network, one that failed and one that is pending. */
static struct sq_result *five_peers(bool audio)
{
    static const double scores[] = {9.5, 9, 5.5, 0, NAN}; /* 6 on average */
    static const double voices[] = {4.4, 4.4, 3.2, 1, NAN};
    struct sq_result *r = NULL;
    assert_int_equal(sq_result_create(&r), 0);
    for (int i = 0; i < 5; i++) {
        struct sq_peer_row *p = sq_result_add_peer(r);
        assert_non_null(p);
        snprintf(p->id, sizeof(p->id), "squall-%d", i);
        p->connected = i < 3;
        p->outcome = i < 3 ? SQ_OUTCOME_OK : i == 3 ? SQ_OUTCOME_FAILED : SQ_OUTCOME_PENDING;
        p->cause = i == 3 ? SQ_FAILURE_ICE : SQ_FAILURE_NONE;
        p->score.score = scores[i];
        p->mos = audio ? voices[i] : NAN;
        p->score.penalties[SQ_SCORE_LATENCY] = i < 3 ? 0.3 * (i + 1) : 0;
        p->score.penalties[SQ_SCORE_FREEZES] = i == 2 ? 4 : 0;
        struct sq_metric_row *score = sq_result_add_metric(r, SQ_METRIC_SCORE);
        sq_metric_record(score->hist, SQ_METRIC_SCORE, p->score.score);
        if (audio) {
            struct sq_metric_row *mos = sq_result_add_metric(r, SQ_METRIC_MOS);
            sq_metric_record(mos->hist, SQ_METRIC_MOS, p->mos);
        }
    }
    SQ_RESULT_SET(r->peers[2].flow[SQ_FLOW_AUDIO_IN].codec, "opus");
    r->score = 6;
    r->mos = audio ? 3.25 : NAN;
    sq_result_tally(r);
    return r;
}

static void assert_has(const struct sq_buf *text, const char *part)
{
    assert_int_equal(text->err, 0);
    if (!strstr(text->text, part)) {
        fail_msg("lacks '%s': %s", part, text->text);
    }
}

static void the_closing_text_tells_it(void **state)
{
    const struct sq_report_text_options plain = {.color = false};
    struct sq_buf out = {0};
    struct sq_result *r = five_peers(true);
    sq_report_text_render(r, &plain, &out);
    assert_has(&out,
               "\nScore\n  score           6 of 10 over 4 peers; 5 % of them have 0 or less, "
               "the worst 0 (squall-3: never connected)\n"
               "  MOS             3.25 of at most 4.41 over 4 peers; 5 % of them have 1 or less\n"
               "  points lost to  freezes 1.33, latency 0.60\n");
    sq_buf_free(&out);
    r->peers[3].score.score = NAN;
    sq_report_text_render(r, &plain, &out);
    assert_has(&out, "the worst 5.50 (squall-2: freezes)");
    sq_buf_free(&out);
    sq_result_destroy(r);
    r = five_peers(false);
    sq_report_text_render(r, &plain, &out);
    assert_has(&out, "6 of 10 over 4 peers");
    assert_null(strstr(out.text, "MOS"));
    sq_buf_free(&out);
    sq_result_destroy(r);
    assert_int_equal(sq_result_create(&r), 0); /* nothing measured */
    sq_report_text_render(r, &plain, &out);
    assert_null(strstr(out.text, "Score"));
    sq_buf_free(&out);
    sq_result_destroy(r);
}

/* The columns stand at the end, as many as each row has. */
static void the_table_of_peers_has_it(void **state)
{
    struct sq_buf out = {0};
    struct sq_result *r = five_peers(true);
    sq_report_peers_csv(r, &out);
    assert_has(&out, ",gap_ms,score,mos,score.setup,score.audio_loss,score.video_loss,"
                     "score.freezes,score.latency,score.bitrate,audio.in.agreed,audio.in.codec,"
                     "audio.in.burst_ratio,audio.in.concealment_stddev,audio.in.delay_stddev_ms,"
                     "video.in.agreed,video.in.loss_stddev,video.in.delay_stddev_ms,"
                     "video.in.watched_s,video.in.target_share,video.in.target_share_stddev,"
                     "video.out.target_share,video.out.target_share_stddev,away_ms\r\nsquall-0,");
    assert_has(&out, ",5.5,3.2,0,0,0,4,0.9,0,0,opus,,,,0,,,,,,,,\r\nsquall-3,");
    assert_has(&out, ",0,1,0,0,0,0,0,0,0,,,,,0,,,,,,,,\r\nsquall-4,");
    assert_has(&out, ",,,0,0,0,0,0,0,0,,,,,0,,,,,,,,\r\n");
    sq_buf_free(&out);
    sq_result_destroy(r);
}

static void the_page_and_the_summary_have_it(void **state)
{
    const struct sq_report_html_options options = {.in_directory = true};
    struct sq_buf out = {0};
    struct sq_result *r = five_peers(true);
    sq_report_html(r, &options, &out);
    assert_has(&out, "<dt>Score</dt><dd>6 <small>of 10</small>");
    assert_has(&out, "<dt>MOS</dt><dd>3.25</dd>");
    sq_buf_free(&out);
    sq_report_summary(r, &out);
    assert_has(&out, "\"score\": 6,\n");
    assert_has(&out, "\"mos\": 3.25\n");
    sq_buf_free(&out);
    sq_result_destroy(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_closing_text_tells_it),
        cmocka_unit_test(the_table_of_peers_has_it),
        cmocka_unit_test(the_page_and_the_summary_have_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
