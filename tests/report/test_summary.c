#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "report/report.h"
#include "report/report_int.h"
#include "report/sample.h"
#include "report/schema.h"
#include "report/text.h"
#include "run/expect.h"
#include <math.h>
#include <string.h>

static json_t *summary_of(const struct sq_result *r)
{
    struct sq_buf text = {0};
    json_error_t error;
    sq_report_render(r, SQ_REPORT_JSON, &text);
    assert_int_equal(text.err, 0);
    json_t *parsed = json_loads(text.text, JSON_REJECT_DUPLICATES, &error);
    if (!parsed) {
        fail_msg("%s at line %d", error.text, error.line);
    }
    sq_buf_free(&text);
    return parsed;
}

static json_t *load_schema(void)
{
    json_error_t error;
    json_t *schema = json_load_file(SQ_SOURCE_DIR "/share/schema/summary.schema.json", 0, &error);
    if (!schema) {
        fail_msg("%s at line %d", error.text, error.line);
    }
    return schema;
}

static void assert_valid(json_t *value)
{
    char why[512] = "";
    json_t *schema = load_schema();
    if (!schema_check(schema, value, "", why, sizeof(why))) {
        fail_msg("%s", why);
    }
    json_decref(schema);
}

static void follows_the_schema(void **state)
{
    static const struct sample_options samples[] = {
        {.peers = 200, .seconds = 30},
        {.peers = 20, .seconds = 5, .healthy = true},
        {.peers = 20, .seconds = 5, .starved = true},
        {.peers = 0, .seconds = 0},
        {.peers = 40,
         .seconds = 3,
         .hostile = "\x01\xff</script>\"\\'&\n\x7f\xed\xa0\x80 \xc3\xa9"},
    };
    for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
        struct sq_result *r = sample_result(&samples[i]);
        assert_non_null(r);
        json_t *value = summary_of(r);
        assert_valid(value);
        json_decref(value);
        sq_result_destroy(r);
    }
}

/* The validator itself must be able to say no. */
static void the_validator_refuses(void **state)
{
    char why[512];
    json_t *schema = load_schema();
    struct sq_result *r = sample_result(&(struct sample_options){.peers = 20, .seconds = 2});
    static const char *const changes[] = {
        "{\"verdict\": \"maybe\"}",
        "{\"exit_code\": 7}",
        "{\"score\": \"10\"}",
        "{\"score\": 10.5}",
        "{\"mos\": 0.5}",
        "{\"peers\": {\"planned\": 1}}",
        "{\"failures\": [{\"cause\": \"bad luck\"}]}",
        "{\"tool\": {\"name\": \"squall\", \"version\": \"1\", \"commit\": \"2\", \"x\": 1}}",
    };
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        json_t *value = summary_of(r);
        json_t *change = json_loads(changes[i], 0, NULL);
        assert_non_null(change);
        assert_int_equal(json_object_update(value, change), 0);
        assert_false(schema_check(schema, value, "", why, sizeof(why)));
        json_decref(change);
        json_decref(value);
    }
    sq_result_destroy(r);
    json_decref(schema);
}

static json_int_t integer_at(const json_t *value, const char *a, const char *b)
{
    return json_integer_value(json_object_get(json_object_get(value, a), b));
}

static void figures_agree(void **state)
{
    struct sq_result *r = sample_result(&(struct sample_options){.peers = 200, .seconds = 30});
    json_t *v = summary_of(r);
    assert_int_equal(integer_at(v, "peers", "started"), 200);
    assert_int_equal(integer_at(v, "peers", "ok") + integer_at(v, "peers", "failed") +
                         integer_at(v, "peers", "pending"),
                     200);
    json_int_t by_cause = 0;
    size_t i;
    json_t *failure;
    json_array_foreach(json_object_get(v, "failures"), i, failure)
    {
        by_cause += json_integer_value(json_object_get(failure, "count"));
        const json_t *example = json_object_get(failure, "example");
        assert_true(json_string_length(json_object_get(example, "message")) > 0);
    }
    assert_int_equal(by_cause, integer_at(v, "peers", "failed"));
    assert_string_equal(json_string_value(json_object_get(v, "verdict")), "fail");
    assert_int_equal(json_integer_value(json_object_get(v, "exit_code")), 1);
    assert_true(json_is_null(json_object_get(v, "score")));
    assert_true(json_is_null(json_object_get(v, "mos")));
    const json_t *total = json_object_get(json_object_get(v, "metrics"), "setup.total");
    assert_int_equal(json_integer_value(json_object_get(total, "count")), 190);
    assert_string_equal(json_string_value(json_object_get(total, "unit")), "ms");
    double p50 = json_number_value(json_object_get(total, "p50"));
    double max = json_number_value(json_object_get(total, "max"));
    assert_true(p50 > 50 && p50 < max && max < 500);
    json_decref(v);
    sq_result_destroy(r);
}

/* Messages that nobody heard are told, where somebody listens. */
static void unheard_messages_are_told(void **state)
{
    (void)state;
    struct sq_result *r = sample_result(&(struct sample_options){.peers = 20, .seconds = 2});
    assert_non_null(r);
    for (int step = 0; step < 4; step++) {
        json_t *value = summary_of(r);
        const char *note = json_string_value(json_object_get(value, "data_note"));
        if (step == 1) {
            assert_string_equal(note, "no peer heard any of the 7 messages that were sent");
            assert_valid(value);
        } else {
            assert_null(note); /* none were sent; one was heard; nobody listens */
        }
        json_decref(value);
        r->peers[0].data.messages_out = 7;
        r->peers[1].data.messages_in = step == 1;
        for (size_t i = 0; i < r->peer_count && step == 2; i++) {
            SQ_RESULT_SET(r->peers[i].role, "publisher");
            r->peers[i].sends_only = true;
        }
    }
    sq_result_destroy(r);
}

/* What was asked for and is not in what was negotiated. */
static void what_was_not_agreed_is_told(void **state)
{
    static const char told[] = "opus+red was asked for and not agreed with 7 of 9 peers: no RED";
    static const struct sq_report_text_options plain = {0};
    (void)state;
    struct sq_result *r = sample_result(&(struct sample_options){.peers = 20, .seconds = 2});
    json_t *value = summary_of(r);
    assert_int_equal(json_array_size(json_object_get(value, "negotiation")), 0);
    json_decref(value);
    r->asked[SQ_ASKED_RED] = (struct sq_asked_row){.peers = 9, .refused = 7};
    r->asked[SQ_ASKED_SIMULCAST] = (struct sq_asked_row){.peers = 9};
    value = summary_of(r);
    const json_t *rows = json_object_get(value, "negotiation");
    assert_int_equal(json_array_size(rows), 2);
    const json_t *red = json_array_get(rows, 0), *layers = json_array_get(rows, 1);
    assert_string_equal(json_string_value(json_object_get(red, "asked")), "opus+red");
    assert_int_equal(json_integer_value(json_object_get(red, "refused")), 7);
    assert_non_null(strstr(json_string_value(json_object_get(red, "note")), told));
    assert_string_equal(json_string_value(json_object_get(layers, "asked")), "simulcast");
    assert_string_equal(json_string_value(json_object_get(layers, "note")), "");
    assert_valid(value);
    json_decref(value);
    for (int kind = 0; kind < 2; kind++) {
        struct sq_buf out = {0};
        if (kind == 0) {
            sq_report_text_render(r, &plain, &out);
        } else {
            sq_report_render(r, SQ_REPORT_HTML, &out);
        }
        assert_non_null(strstr(out.text, told));
        assert_null(strstr(out.text, "simulcast was asked for"));
        sq_buf_free(&out);
    }
    sq_result_destroy(r);
}

static void assert_asked(struct sq_result *r, enum sq_asked what, uint64_t plain, const char *told)
{
    struct sq_buf out = {0};
    r->asked[what] = (struct sq_asked_row){.peers = 4, .refused = 3, .plain = plain};
    sq_report_asked_note(r, what, &out);
    if (!strstr(out.text, told)) {
        fail_msg("'%s' does not say '%s'", out.text, told);
    }
    sq_buf_free(&out);
}

/* What the clip does not have was not sent, whatever the other side says. */
static void what_was_sent_all_the_same_is_told(void **state)
{
    (void)state;
    struct sq_result *r = sample_result(&(struct sample_options){.peers = 4, .seconds = 2});
    assert_asked(r, SQ_ASKED_STEREO, 0,
                 "3 of 4 peers: no stereo=1 from the other side (it was sent");
    assert_asked(r, SQ_ASKED_STEREO, 3, "side (and what was sent is mono)");
    assert_asked(r, SQ_ASKED_DTX, 3, "side (and what was sent has none)");
    assert_asked(r, SQ_ASKED_FEC, 3, "side (and what was sent has none)");
    assert_asked(r, SQ_ASKED_DTX, 1,
                 "(what 1 of them sent has none; the others sent it all the same)");
    assert_asked(r, SQ_ASKED_RED, 0, "so Opus was sent alone");
    sq_result_destroy(r);
}

/* Packets that came, and no picture of them: how many were lost is told, and no option. */
static void video_in_pieces_is_told(void **state)
{
    (void)state;
    struct sq_result *r = sample_result(&(struct sample_options){.peers = 3, .seconds = 2});
    for (size_t i = 0; i < r->peer_count; i++) {
        r->peers[i].flow[SQ_FLOW_VIDEO_IN] =
            (struct sq_flow_totals){.packets = 370, .loss_percent = 63, .blank = i < 2};
    }
    struct sq_buf out = {0};
    sq_report_video_note(r, &out);
    const char *end = "; 740 packets of it came, and 63 % were lost: no picture was whole";
    assert_non_null(strstr(out.text, end));
    assert_string_equal(strstr(out.text, "; 740"), end);
    sq_buf_free(&out);
    sq_result_destroy(r);
}

/* A server that forwards all packets and never a key frame. */
static void video_without_a_key_frame_is_told(void **state)
{
    static const struct {
        double loss_percent;
        const char *end;
    } cases[] = {
        {0, "; 1200 packets of it came, and none of them made a picture: no key frame that could "
            "be read"},
        {NAN, "; 1200 packets of it came, and none of them made a picture: no key frame that could "
              "be read"},
        {0.4, "; 1200 packets of it came, 0.4 % were lost, and none of them made a picture: no key "
              "frame that could be read"},
        {2, "; 1200 packets of it came, and 2 % were lost: no picture was whole"},
    };
    (void)state;
    struct sq_result *r = sample_result(&(struct sample_options){.peers = 3, .seconds = 2});
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        r->peers[0].flow[SQ_FLOW_VIDEO_IN] = (struct sq_flow_totals){
            .packets = 1200, .loss_percent = cases[i].loss_percent, .blank = 1};
        struct sq_buf out = {0};
        sq_report_video_note(r, &out);
        assert_non_null(strstr(out.text, "; 1200"));
        assert_string_equal(strstr(out.text, "; 1200"), cases[i].end);
        sq_buf_free(&out);
    }
    sq_result_destroy(r);
}

/* Video that was agreed and never came, to some or to all. */
static void video_that_never_came_is_told(void **state)
{
    static const struct sq_report_text_options plain = {0};
    (void)state;
    struct sq_result *r = sample_result(&(struct sample_options){.peers = 20, .seconds = 2});
    for (int step = 0; step < 3; step++) {
        char told[200] = "";
        json_t *value = summary_of(r);
        const char *note = json_string_value(json_object_get(value, "video_note"));
        if (step == 0) {
            assert_null(note);
        } else {
            snprintf(told, sizeof(told),
                     "video was agreed, and no frame of it ever came, to 2 of 20 peers: 3 tracks, "
                     "for example of %s%s",
                     r->peers[4].id, step == 2 ? "; where none is to come, --no-video" : "");
            assert_int_equal(strncmp(note, told, strlen(told)), 0);
            assert_int_equal(strlen(note) > strlen(told), step == 2);
            assert_valid(value);
        }
        json_decref(value);
        for (int kind = 0; kind < 2; kind++) {
            struct sq_buf out = {0};
            if (kind == 0) {
                sq_report_text_render(r, &plain, &out);
            } else {
                sq_report_render(r, SQ_REPORT_HTML, &out);
            }
            assert_int_equal(strstr(out.text, step ? told : "no frame of it ever came") != NULL,
                             step > 0);
            sq_buf_free(&out);
        }
        r->peers[4].flow[SQ_FLOW_VIDEO_IN].blank = 2;
        r->peers[5].flow[SQ_FLOW_VIDEO_IN].blank = 1;
        r->peers[4].flow[SQ_FLOW_VIDEO_IN].packets = 0;
        r->peers[5].flow[SQ_FLOW_VIDEO_IN].packets = 0;
        for (size_t i = 0; i < r->peer_count && step == 1; i++) {
            r->peers[i].flow[SQ_FLOW_VIDEO_IN].frames = 0;
        }
    }
    sq_result_destroy(r);
}

/* A text, HTML, Markdown, and the key of the summary: each has the sentence, or none of them. */
static void assert_noted(const struct sq_result *r, const char *key, const char *told, bool is)
{
    static const struct sq_report_text_options plain = {0};
    json_t *value = summary_of(r);
    assert_int_equal(json_object_get(value, key) != NULL, is);
    assert_valid(value);
    json_decref(value);
    for (int kind = 0; kind < 2; kind++) {
        struct sq_buf out = {0};
        if (kind == 0) {
            sq_report_text_render(r, &plain, &out);
        } else {
            sq_report_render(r, SQ_REPORT_HTML, &out);
        }
        assert_int_equal(strstr(out.text, told) != NULL, is);
        sq_buf_free(&out);
    }
}

/* A run that passes tells all the same what was not done. */
static void what_was_not_done_is_told(void **state)
{
    static const char *const steps =
        "2 of 20 peers left before their steps were done: for example ";
    static const char *const arrivals = "5 of 25 planned arrivals were missed";
    static const char *const goodbye =
        "scripts of 1 of 20 peers failed as they said goodbye: for example peer-10, a.lua:1: no";
    static const char *const still = "1 of 3 streams of video stood still at the end, for a second";
    (void)state;
    struct sq_result *r = sample_result(&(struct sample_options){.peers = 20, .seconds = 2});
    r->counts.planned = r->counts.started = 20;
    r->interrupted = false;
    for (int told = 0; told < 2; told++) {
        assert_noted(r, "unfinished_steps", steps, told);
        assert_noted(r, "arrivals_note", arrivals, told);
        assert_noted(r, "still_note", still, told);
        assert_noted(r, "goodbye_note", goodbye, told);
        r->counts.planned = 25;
        for (size_t i = 0; i < r->peer_count; i++) {
            r->peers[i].flow[SQ_FLOW_VIDEO_IN].tracks = i == 7 ? 3 : 0;
        }
        r->peers[7].flow[SQ_FLOW_VIDEO_IN].still = 1;
        r->peers[9].left_badly = true;
        if (!told) {
            assert_int_equal(sq_result_replace_text(&r->peers[9].goodbye, "a.lua:1: no bye"), 0);
        }
        for (size_t i = 3; i < 5; i++) {
            r->peers[i].unfinished = true;
            snprintf(r->peers[i].message, sizeof(r->peers[i].message), "cut off at step %zu", i);
        }
    }
    json_t *value = summary_of(r);
    json_t *unfinished = json_object_get(value, "unfinished_steps");
    assert_int_equal(json_integer_value(json_object_get(unfinished, "peers")), 2);
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(unfinished, "example"), "message")),
        "cut off at step 3");
    json_decref(value);
    /* The table of peers has both, a peer's own sentence first. */
    struct sq_buf peers = {0};
    sq_report_peers_csv(r, &peers);
    assert_non_null(strstr(peers.text, ",a.lua:1: no bye,"));
    sq_buf_free(&peers);
    SQ_RESULT_SET(r->peers[9].message, "cut off");
    sq_report_peers_csv(r, &peers);
    assert_non_null(
        strstr(peers.text, ",cut off; its script failed as it said goodbye: a.lua:1: no bye,"));
    sq_buf_free(&peers);
    sq_result_destroy(r);
}

/* A run may have passed without them, and fail by a network that was asked for. */
static void who_never_came_and_by_which_network_is_told(void **state)
{
    static const char *const pending = "1 of 20 peers was still connecting when the run ended";
    static const char *const network = "its peers were in network 20packet, which lost 20 % of "
                                       "what they sent and 10 % of what came";
    (void)state;
    struct sq_result *r = sample_result(&(struct sample_options){.peers = 20, .seconds = 2});
    r->interrupted = false;
    for (size_t i = 0; i < r->peer_count; i++) {
        SQ_RESULT_SET(r->peers[i].network, "20packet");
        r->peers[i].link_up = r->peers[i].link_down = 100;
        r->peers[i].link_up_lost = 20;
        r->peers[i].link_down_lost = 10;
    }
    for (int told = 0; told < 2; told++) {
        r->verdict = SQ_VERDICT_PASS;
        for (size_t i = 0; i < r->expectation_count; i++) {
            r->expectations[i].ok = !told || i > 0;
        }
        r->counts.started = 20;
        r->counts.pending = (uint64_t)told;
        assert_noted(r, "pending_note", pending, told);
        assert_noted(r, "network_note", network, told);
        for (int kind = 0; kind < 2; kind++) {
            struct sq_buf out = {0};
            sq_report_render(r, kind ? SQ_REPORT_JUNIT : SQ_REPORT_MARKDOWN, &out);
            assert_int_equal(strstr(out.text, pending) != NULL, told);
            assert_int_equal(strstr(out.text, kind ? "⚠ warning: 1" : "⚠ 1") != NULL, told);
            assert_int_equal(strstr(out.text, network) != NULL, told);
            sq_buf_free(&out);
        }
    }
    r->interrupted = true; /* whoever stopped it knows */
    assert_noted(r, "pending_note", pending, false);
    sq_result_destroy(r);
}

/* A STUN server that told nobody an address is noted wherever a person looks; the other is not. */
static void a_dead_stun_server_is_told(void **state)
{
    static const char told[] = "stun.example.org ([2001:db8::3]:3478) told 7 of 10 peers no "
                               "address: 6 had no answer for a second or more, 1 an error";
    static const struct sq_report_text_options plain = {0};
    (void)state;
    struct sq_result *r = sample_result(&(struct sample_options){.peers = 20, .seconds = 2});
    json_t *value = summary_of(r);
    const json_t *rows = json_object_get(value, "stun");
    assert_int_equal(json_array_size(rows), 2);
    const json_t *good = json_array_get(rows, 0), *dead = json_array_get(rows, 1);
    assert_string_equal(json_string_value(json_object_get(good, "note")), "");
    assert_string_equal(json_string_value(json_object_get(dead, "note")), told);
    assert_string_equal(json_string_value(json_object_get(dead, "server")), "stun.example.org");
    assert_string_equal(json_string_value(json_object_get(dead, "address")), "[2001:db8::3]:3478");
    assert_int_equal(json_integer_value(json_object_get(dead, "unanswered")), 6);
    assert_valid(value);
    json_decref(value);
    for (int kind = 0; kind < 2; kind++) {
        struct sq_buf out = {0};
        if (kind == 0) {
            sq_report_text_render(r, &plain, &out);
        } else {
            sq_report_render(r, SQ_REPORT_HTML, &out);
        }
        assert_non_null(strstr(out.text, told));
        assert_null(strstr(out.text, "192.0.2.3:3478"));
        sq_buf_free(&out);
    }
    sq_result_destroy(r);
}

static void hostile_text_stays_text(void **state)
{
    static const char evil[] = "a\"b\\\x01</script><img src=x>\n\xff";
    struct sample_options o = {.peers = 40, .seconds = 3, .hostile = evil};
    struct sq_result *r = sample_result(&o);
    json_t *v = summary_of(r);
    const json_t *first = json_array_get(json_object_get(v, "failures"), 0);
    const json_t *example = json_object_get(first, "example");
    assert_string_equal(json_string_value(json_object_get(example, "peer")),
                        "a\"b\\\x01</script><img src=x>\n\xef\xbf\xbd");
    json_decref(v);
    sq_result_destroy(r);
}

/* Each allocation of the writers fails in turn: told, nothing lost, nothing leaked. */
static void survives_no_memory(void **state)
{
    struct sq_result *r = sample_result(&(struct sample_options){.peers = 30, .seconds = 3});
    static const struct sq_report_text_options plain = {.color = true};
    for (int kind = SQ_REPORT_JSON; kind <= SQ_REPORT_PEERS + 2; kind++) {
        bool done = false;
        for (size_t nth = 1; !done; nth++) {
            struct sq_buf out = {0};
            sq_mem_fail_at(nth);
            if (kind <= SQ_REPORT_PEERS) {
                sq_report_render(r, (enum sq_report_kind)kind, &out);
            } else if (kind == SQ_REPORT_PEERS + 1) {
                sq_report_render_dump(r, &r->traces[0], &out);
            } else {
                sq_report_text_render(r, &plain, &out);
            }
            done = sq_mem_count() < nth;
            sq_mem_fail_at(0);
            assert_int_equal(out.err, done ? 0 : SQ_ERR_NOMEM);
            sq_buf_free(&out);
            assert_true(nth < 100000);
        }
    }
    sq_result_destroy(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(follows_the_schema),
        cmocka_unit_test(the_validator_refuses),
        cmocka_unit_test(figures_agree),
        cmocka_unit_test(unheard_messages_are_told),
        cmocka_unit_test(what_was_not_agreed_is_told),
        cmocka_unit_test(what_was_sent_all_the_same_is_told),
        cmocka_unit_test(video_in_pieces_is_told),
        cmocka_unit_test(video_without_a_key_frame_is_told),
        cmocka_unit_test(video_that_never_came_is_told),
        cmocka_unit_test(what_was_not_done_is_told),
        cmocka_unit_test(who_never_came_and_by_which_network_is_told),
        cmocka_unit_test(a_dead_stun_server_is_told),
        cmocka_unit_test(hostile_text_stays_text),
        cmocka_unit_test(survives_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
