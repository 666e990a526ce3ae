/* capacity.json, capacity.csv and capacity.html of a search with two answers. */
#include "base/mem.h"
#include "report/capacity.h"
#include "report/schema.h"
#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int trial(void *ctx, struct sq_capacity_level *level)
{
    const uint64_t *limit = ctx;
    bool held = level->level <= *limit;
    level->rooms = level->grow == SQ_GROW_ROOMS ? level->level : 0;
    level->peers = level->grow == SQ_GROW_ROOMS ? level->level * 10 : level->level;
    level->outcome = held ? SQ_TRIAL_HELD : SQ_TRIAL_FAILED;
    level->score = held ? 9.5 : 3.25;
    level->setup_p95_ms = 12.5;
    level->fps = 25;
    level->in_kbps = 1000;
    level->lateness_p99_ms = 1;
    level->cpu_percent = 20;
    level->server_cpu_percent = 40;
    level->loss_percent = level->server_rss_bytes = level->others_percent = NAN;
    level->counts.started = level->peers;
    level->counts.ok = held ? level->peers : level->peers - 1;
    level->counts.failed = held ? 0 : 1;
    level->steady = true;
    snprintf(level->dir, sizeof(level->dir), "levels/%llu", (unsigned long long)level->level);
    if (!held) {
        struct sq_capacity_broke *b = &level->broke[level->broke_len++];
        level->failures[SQ_FAILURE_ICE] = 1;
        b->value = 90;
        snprintf(b->expr, sizeof(b->expr), "peers.ok == 100%%, or so");
        snprintf(b->unit, sizeof(b->unit), "%%");
        snprintf(b->who, sizeof(b->who), "room <b>evil</b>\x1b[2J");
        snprintf(level->example, sizeof(level->example), "<script>alert(1)</script>\x1b]0;x\a");
    }
    return SQ_TRIAL_TOLD;
}

static const char *const expected[] = {"peers.ok == 100%, or so"};

static struct sq_capacity_report *made(void)
{
    static struct sq_capacity_report report;
    const struct sq_search_config config = {
        .from = 10, .most = 1000, .growth = 2, .resolution = 0.05, .confirms = 1};
    struct sq_capacity *c = sq_zalloc(sizeof(*c));
    struct sq_result *head = NULL;
    uint64_t room = 13;
    uint64_t rooms = 30;
    assert_non_null(c);
    assert_int_equal(sq_result_create(&head), 0);
    assert_int_equal(sq_result_replace_text(&head->command, "squall capacity lab:"), 0);
    assert_int_equal(sq_capacity_search(c, SQ_GROW_ROOM, &config, trial, &room), 0);
    assert_int_equal(sq_capacity_search(c, SQ_GROW_ROOMS, &config, trial, &rooms), 0);
    sq_capacity_note(c, "One & two.");
    sq_capacity_close(c);
    report = (struct sq_capacity_report){
        .capacity = c, .head = head, .expectations = expected, .expectations_len = 1};
    return &report;
}

static void unmake(struct sq_capacity_report *r)
{
    sq_free((void *)r->capacity);
    sq_result_destroy((struct sq_result *)r->head);
}

static void json_is_as_its_schema_says(void **state)
{
    (void)state;
    struct sq_capacity_report *r = made();
    struct sq_buf text = {0};
    json_error_t error;
    char why[512] = "";
    sq_capacity_json(r, &text);
    assert_int_equal(text.err, 0);
    json_t *value = json_loads(text.text, 0, &error);
    json_t *schema = json_load_file(SQ_SOURCE_DIR "/share/schema/capacity.schema.json", 0, &error);
    assert_non_null(value);
    assert_non_null(schema);
    if (!schema_check(schema, value, "", why, sizeof(why))) {
        fail_msg("%s", why);
    }
    json_t *searches = json_object_get(value, "searches");
    json_t *held = json_object_get(json_array_get(searches, 0), "held");
    assert_int_equal(json_integer_value(json_object_get(held, "peers")), 13);
    assert_int_equal(json_integer_value(json_object_get(held, "times")), 2);
    held = json_object_get(json_array_get(searches, 1), "held");
    assert_int_equal(json_integer_value(json_object_get(held, "rooms")), 30);
    assert_int_equal(json_integer_value(json_object_get(held, "peers")), 300);
    assert_int_equal(json_array_size(json_object_get(value, "levels")), r->capacity->levels_len);
    /* What is not measured is null. */
    json_t *level = json_array_get(json_object_get(value, "levels"), 0);
    assert_true(json_is_null(json_object_get(level, "loss_percent")));
    json_decref(value);
    json_decref(schema);
    sq_buf_free(&text);
    unmake(r);
}

static void csv_has_a_row_a_trial(void **state)
{
    (void)state;
    struct sq_capacity_report *r = made();
    struct sq_buf text = {0};
    size_t lines = 0;
    sq_capacity_csv(r, &text);
    assert_int_equal(text.err, 0);
    for (const char *at = text.text; (at = strstr(at, "\r\n")); at += 2) {
        lines++;
    }
    assert_int_equal(lines, r->capacity->levels_len + 1);
    assert_non_null(strstr(text.text,
                           "\r\n1,room,10,0,held,0,1,0,10,0,0,9.5,12.5,,25,1000,1,20,40,,"
                           "\r\n"));
    assert_non_null(strstr(text.text, "\r\n2,room,20,0,failed,0,1,0,19,1,0,3.25,12.5,,25,1000,1,20,"
                                      "40,,\"peers.ok == 100%, or so\"\r\n"));
    sq_buf_free(&text);
    unmake(r);
}

/* What came from the network is escaped, and nothing is fetched or run. */
static void page_is_safe_and_has_both_answers(void **state)
{
    (void)state;
    struct sq_capacity_report *r = made();
    struct sq_buf text = {0};
    sq_capacity_html(r, &text);
    assert_int_equal(text.err, 0);
    assert_non_null(strstr(text.text, "One room holds 13 peers (2 of 2 trials)"));
    assert_non_null(strstr(text.text, "The service holds 30 rooms, 300 peers (2 of 2 trials)"));
    assert_non_null(strstr(text.text, "&lt;script&gt;alert(1)"));
    assert_non_null(strstr(text.text, "One &amp; two."));
    assert_null(strstr(text.text, "<script"));
    assert_null(strstr(text.text, "<b>evil"));
    assert_null(strstr(text.text, "nan"));
    assert_non_null(strstr(text.text, "href=\"levels/10/report.html\""));
    sq_buf_free(&text);
    unmake(r);
}

static size_t count(const char *text, const char *what)
{
    size_t n = 0;
    for (const char *at = text; (at = strstr(at, what)); at += strlen(what)) {
        n++;
    }
    return n;
}

/* A line through what was tried, on a grid with numbers, and each trial a mark of its outcome. */
static void curves_have_axes_a_grid_and_a_line(void **state)
{
    (void)state;
    struct sq_capacity_report *r = made();
    struct sq_buf text = {0};
    size_t held = 0;
    size_t failed = 0;
    sq_capacity_html(r, &text);
    assert_int_equal(text.err, 0);
    const char *score = strstr(text.text, "<h3>Score</h3>");
    const char *end = score ? strstr(score, "</figure>") : NULL;
    assert_non_null(end);
    char *figure = strndup(score, (size_t)(end - score));
    for (size_t i = 0; i < r->capacity->levels_len; i++) {
        const struct sq_capacity_level *l = &r->capacity->levels[i];
        held += l->grow == SQ_GROW_ROOM && l->outcome == SQ_TRIAL_HELD;
        failed += l->grow == SQ_GROW_ROOM && l->outcome == SQ_TRIAL_FAILED;
    }
    assert_int_equal(count(figure, "<circle"), held);
    assert_int_equal(count(figure, "stroke:var(--fail)"), failed);
    /* 0 to 10 in twos, and 0 to 20 peers in fives. */
    assert_int_equal(count(figure, "class=\"axis\""), 2);
    assert_int_equal(count(figure, "class=\"grid\""), 5 + 4);
    assert_non_null(strstr(figure, ">10</text>"));
    assert_non_null(strstr(figure, ">15</text>"));
    const char *line = strstr(figure, "class=\"line\"");
    assert_non_null(line);
    /* 10, 12, 13 held with the same score; then 14, 15 and 20 did not: five pieces of a line. */
    assert_int_equal(count(line, "L"), 5 - (strstr(figure, "12 peers") == NULL));
    free(figure);
    sq_buf_free(&text);
    unmake(r);
}

static void terminal_text_has_no_control_characters_of_others(void **state)
{
    (void)state;
    struct sq_capacity_report *r = made();
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    sq_capacity_text_heads(out);
    for (size_t i = 0; i < r->capacity->levels_len; i++) {
        sq_capacity_text_level(&r->capacity->levels[i], out);
    }
    /* Late is not what its column says, but what it was invalid for. */
    struct sq_capacity_level late = r->capacity->levels[0];
    late.outcome = SQ_TRIAL_INVALID;
    SQ_RESULT_SET(late.reason, "it says nothing about the service: timers were 23.2 ms late");
    sq_capacity_text_level(&late, out);
    late.probes = true;
    sq_capacity_text_level(&late, out);
    r->implied_len = 1;
    sq_capacity_text(r, out);
    assert_int_equal(fclose(out), 0);
    assert_non_null(strstr(text, "\n      timers were 23.2 ms late\n"));
    assert_non_null(strstr(text, "is it there?\n"));
    assert_non_null(strstr(text, "(always, unless peers.ok or peers.failed is expected)"));
    assert_null(strchr(text, '\x1b'));
    assert_null(strchr(text, '\a'));
    assert_non_null(strstr(text, "What broke first: ✗ peers.ok == 100%, or so: 90"));
    assert_non_null(strstr(text, "Why: ice: 1 of 14 peers"));
    assert_non_null(strstr(text, "(by default; --expect says otherwise)"));
    free(text);
    unmake(r);
}

/* Two and three held; one of four was told no, twice; the third trial of four killed it. */
static int trial_that_kills(void *ctx, struct sq_capacity_level *level)
{
    size_t *trials = ctx;
    uint64_t limit = ++*trials < 5 ? 3 : 0;
    int told = trial(&limit, level);
    level->connected = *trials > 5 ? 0 : level->peers;
    level->failures[SQ_FAILURE_SIGNALING] = level->failures[SQ_FAILURE_ICE];
    level->failures[SQ_FAILURE_ICE] = 0;
    if (*trials >= 5) {
        level->counts.ok = 0;
        level->counts.failed = level->failures[SQ_FAILURE_SIGNALING] = level->peers;
        level->broke[0].value = 0;
        SQ_RESULT_SET(level->example, "the other side closed the connection");
    } else if (level->outcome == SQ_TRIAL_FAILED) {
        level->broke[0].value = 75;
        SQ_RESULT_SET(level->example, "the server says full");
    }
    SQ_RESULT_SET(level->broke[0].found, level->example);
    return told;
}

/* The pages explain a limit by a trial that counts, and say which do not. */
static void a_death_is_not_what_broke_first(void **state)
{
    (void)state;
    const struct sq_search_config config = {.least = 2,
                                            .from = 2,
                                            .most = 1000,
                                            .growth = 2,
                                            .resolution = 0.05,
                                            .confirms = 1,
                                            .fail_again = 2};
    struct sq_capacity *c = sq_zalloc(sizeof(*c));
    struct sq_result *head = NULL;
    size_t trials = 0;
    char *text = NULL;
    size_t len = 0;
    assert_non_null(c);
    assert_int_equal(sq_result_create(&head), 0);
    assert_int_equal(sq_result_replace_text(&head->command, "squall capacity lab:"), 0);
    assert_int_equal(sq_capacity_search(c, SQ_GROW_ROOM, &config, trial_that_kills, &trials), 0);
    assert_int_equal(c->end, SQ_CAPACITY_DIED);
    sq_capacity_close(c);
    struct sq_capacity_report r = {
        .capacity = c, .head = head, .expectations = expected, .expectations_len = 1};

    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    sq_capacity_text(&r, out);
    assert_int_equal(fclose(out), 0);
    assert_non_null(strstr(text, "it failed from 4 peers on (2 of 2 trials). The service died"));
    assert_non_null(strstr(text, "What broke first: ✗ peers.ok == 100%, or so: 75 %\n"));
    assert_non_null(strstr(text, "Why: signaling: 1 of 4 peers (the server says full)\n"));
    assert_null(strstr(text, "the other side closed"));
    free(text);

    struct sq_buf page = {0};
    sq_capacity_html(&r, &page);
    assert_int_equal(page.err, 0);
    const char *broke = strstr(page.text, "<h2>What broke first</h2>");
    const char *end = broke ? strstr(broke, "</div>") : NULL;
    assert_non_null(end);
    assert_non_null(strstr(broke, "</code>: the server says full"));
    assert_true(strstr(broke, "the other side closed") == NULL ||
                strstr(broke, "the other side closed") > end);
    assert_int_equal(count(page.text, "(does not count)"), 2); /* the one that killed, and after */
    sq_buf_free(&page);

    struct sq_buf json = {0};
    sq_capacity_json(&r, &json);
    json_t *value = json_loads(json.text, 0, NULL);
    assert_non_null(value);
    json_t *levels = json_object_get(value, "levels");
    assert_int_equal(json_array_size(levels), 7);
    for (size_t i = 0; i < 7; i++) {
        json_t *counted = json_object_get(json_array_get(levels, i), "counted");
        assert_true(json_is_boolean(counted) && json_is_true(counted) == (i < 4));
    }
    json_decref(value);
    sq_buf_free(&json);
    sq_free(c);
    sq_result_destroy(head);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_is_as_its_schema_says),
        cmocka_unit_test(csv_has_a_row_a_trial),
        cmocka_unit_test(page_is_safe_and_has_both_answers),
        cmocka_unit_test(curves_have_axes_a_grid_and_a_line),
        cmocka_unit_test(terminal_text_has_no_control_characters_of_others),
        cmocka_unit_test(a_death_is_not_what_broke_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
