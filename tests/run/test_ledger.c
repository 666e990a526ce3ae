#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "run/ledger.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static struct sq_ledger *make(void)
{
    struct sq_ledger *ledger = NULL;
    assert_int_equal(sq_ledger_create(0, &ledger), 0);
    return ledger;
}

static struct sq_peer_row row_of(uint64_t index)
{
    struct sq_peer_row row = {.start_ms = (double)index * 10, .outcome = SQ_OUTCOME_OK};
    snprintf(row.id, sizeof(row.id), "squall-%llu", (unsigned long long)index);
    return row;
}

static void add(struct sq_ledger *ledger, uint64_t index)
{
    struct sq_peer_row row = row_of(index);
    assert_int_equal(sq_ledger_add(ledger, index, &row, NULL), 0);
}

static struct sq_result *collect(struct sq_ledger *const *ledgers, size_t n)
{
    struct sq_result *result = NULL;
    assert_int_equal(sq_result_create(&result), 0);
    assert_int_equal(sq_ledger_collect(ledgers, n, result), 0);
    return result;
}

static void check_rows(const struct sq_result *result, size_t n)
{
    assert_int_equal(result->peer_count, n);
    for (size_t i = 0; i < n; i++) {
        struct sq_peer_row want = row_of(i);
        assert_string_equal(result->peers[i].id, want.id);
        assert_true(result->peers[i].start_ms == want.start_ms);
    }
}

/* Two shards whose users end in another order than they began: through the file and the buffer. */
static void rows_come_back_in_order(void **state)
{
    struct sq_ledger *ledgers[2] = {make(), make()};
    for (uint64_t i = 0; i < 1000; i += 10) {
        for (uint64_t k = 10; k-- > 0;) {
            add(ledgers[(i + k) % 2], i + k);
        }
    }
    assert_int_equal(sq_ledger_count(ledgers[0]), 500);
    struct sq_result *result = collect(ledgers, 2);
    check_rows(result, 1000);
    sq_result_destroy(result);
    sq_ledger_destroy(ledgers[0]);
    sq_ledger_destroy(ledgers[1]);
}

/* No place for the file: the rows stay in memory. */
static void without_a_disk(void **state)
{
    const char *folder = getenv("TMPDIR");
    char *before = folder ? sq_strdup(folder) : NULL;
    setenv("TMPDIR", "/nowhere/at/all", 1);
    struct sq_ledger *ledger = make();
    for (uint64_t i = 0; i < 200; i++) {
        add(ledger, i);
    }
    struct sq_result *result = collect(&ledger, 1);
    check_rows(result, 200);
    sq_result_destroy(result);
    sq_ledger_destroy(ledger);
    if (before) {
        setenv("TMPDIR", before, 1);
        sq_free(before);
    } else {
        unsetenv("TMPDIR");
    }
}

/* A long run takes no more memory: nothing is allocated for further rows. */
static void rows_take_no_memory(void **state)
{
    struct sq_ledger *ledger = make();
    sq_mem_fail_at(0);
    for (uint64_t i = 0; i < 10000; i++) {
        add(ledger, i);
    }
    assert_int_equal(sq_mem_count(), 0);
    sq_ledger_destroy(ledger);
}

/* The one text of a row that the file cannot hold. */
static void goodbyes_go_with_their_rows(void **state)
{
    struct sq_ledger *ledgers[2] = {make(), make()};
    char text[32];
    for (uint64_t i = 100; i-- > 0;) {
        struct sq_peer_row row = row_of(i);
        snprintf(text, sizeof(text), "bye %llu", (unsigned long long)i);
        row.goodbye = i % 3 == 0 ? text : NULL;
        assert_int_equal(sq_ledger_add(ledgers[i % 2], i, &row, NULL), 0);
    }
    struct sq_result *result = collect(ledgers, 2);
    check_rows(result, 100);
    for (size_t i = 0; i < 100; i++) {
        snprintf(text, sizeof(text), "bye %zu", i);
        if (i % 3 == 0) {
            assert_string_equal(result->peers[i].goodbye, text);
        } else {
            assert_null(result->peers[i].goodbye);
        }
    }
    sq_ledger_destroy(ledgers[0]);
    sq_ledger_destroy(ledgers[1]);
    sq_result_destroy(result);

    struct sq_ledger *ledger = make(); /* nobody collects it; without memory it lacks the text */
    struct sq_peer_row row = row_of(0);
    row.goodbye = text;
    for (size_t nth = 1; nth <= 3; nth++) {
        sq_mem_fail_at(nth);
        assert_int_equal(sq_ledger_add(ledger, nth, &row, NULL), 0);
        sq_mem_fail_at(0);
    }
    sq_ledger_destroy(ledger);
    (void)state;
}

static void traces_go_with_their_rows(void **state)
{
    struct sq_ledger *ledgers[2] = {make(), make()};
    for (uint64_t i = 6; i-- > 0;) {
        struct sq_peer_row row = row_of(i);
        struct sq_peer_trace trace = {0};
        char text[32];
        snprintf(text, sizeof(text), "of %llu", (unsigned long long)i);
        assert_int_equal(sq_trace_event(&trace, 1, "note", text), 0);
        assert_int_equal(sq_ledger_add(ledgers[i % 2], i, &row, i == 2 || i == 5 ? &trace : NULL),
                         0);
        assert_int_equal(trace.event_count, i == 2 || i == 5 ? 0 : 1);
        sq_trace_clear(&trace);
    }
    struct sq_result *result = collect(ledgers, 2);
    check_rows(result, 6);
    assert_int_equal(result->trace_count, 2);
    assert_null(sq_result_trace(result, 1));
    assert_string_equal(sq_result_trace(result, 2)->events[0].value, "of 2");
    assert_string_equal(sq_result_trace(result, 5)->events[0].value, "of 5");
    sq_result_destroy(result);
    sq_ledger_destroy(ledgers[0]);
    sq_ledger_destroy(ledgers[1]);
}

static void add_trace(struct sq_ledger *ledger, uint64_t index)
{
    struct sq_peer_row row = row_of(index);
    struct sq_peer_trace trace = {0};
    assert_int_equal(sq_trace_event(&trace, 1, "note", row.id), 0);
    assert_int_equal(sq_ledger_add(ledger, index, &row, &trace), 0);
    sq_trace_clear(&trace);
}

/* A thousand that failed leave room for those that were asked for and end last. */
static void dumps_that_were_asked_for_are_kept(void **state)
{
    struct sq_ledger *ledgers[2];
    for (int i = 0; i < 2; i++) {
        assert_int_equal(sq_ledger_create(4, &ledgers[i]), 0);
    }
    for (uint64_t i = 4; i < 1104; i++) {
        add_trace(ledgers[i % 2], i);
    }
    for (uint64_t i = 0; i < 4; i++) {
        add_trace(ledgers[i % 2], i);
    }
    struct sq_result *result = collect(ledgers, 2);
    check_rows(result, 1104);
    assert_int_equal(result->trace_count, SQ_RESULT_TRACES_MAX);
    assert_int_equal(result->traces_left_out, 1104 - SQ_RESULT_TRACES_MAX);
    for (size_t i = 0; i < 4; i++) {
        assert_non_null(sq_result_trace(result, i));
    }
    sq_result_destroy(result);
    sq_ledger_destroy(ledgers[0]);
    sq_ledger_destroy(ledgers[1]);
}

static void offer(struct sq_ledger *ledger, uint64_t index, double loss_percent, bool connected)
{
    struct sq_peer_row row = row_of(index);
    struct sq_peer_trace trace = {0};
    const struct sq_strip_point second = {.in_kbps = (float)index};
    for (int f = 0; f < SQ_FLOW_COUNT; f++) {
        sq_flow_totals_init(&row.flow[f]);
    }
    row.connected = connected;
    row.flow[SQ_FLOW_VIDEO_IN].loss_percent = loss_percent;
    assert_int_equal(sq_trace_event(&trace, 1, "note", row.id), 0);
    assert_int_equal(sq_strip_add(&trace.strip, 1000, &second), 0);
    assert_int_equal(sq_ledger_add(ledger, index, &row, NULL), 0);
    sq_ledger_offer_story(ledger, index, &row, &trace);
    sq_trace_clear(&trace);
}

/* Of 2,000 that did well the ten worst of each shard keep their story, whenever they ended. */
static void the_worst_keep_their_stories(void **state)
{
    struct sq_ledger *ledgers[2] = {make(), make()};
    for (uint64_t i = 0; i < 2000; i++) {
        offer(ledgers[i % 2], i, (double)(i * 7 % 2000) / 100, true);
    }
    offer(ledgers[0], 2000, 99, false);
    struct sq_result *result = collect(ledgers, 2);
    check_rows(result, 2001);
    assert_int_equal(result->trace_count, 0);
    assert_int_equal(result->story_count, 2 * SQ_LEDGER_STORIES_MAX);
    for (size_t i = 0; i < 2000; i++) {
        const struct sq_peer_trace *story = sq_result_story(result, i);
        bool worst = i * 7 % 2000 >= 2000 - 2 * SQ_LEDGER_STORIES_MAX;
        assert_true((story != NULL) == worst);
        if (story) {
            assert_string_equal(story->events[0].value, result->peers[i].id);
            assert_true(story->strip.n == 1 && story->strip.points[0].in_kbps == (float)i);
        }
    }
    assert_null(sq_result_story(result, 2000));
    sq_result_destroy(result);
    sq_ledger_destroy(ledgers[0]);
    sq_ledger_destroy(ledgers[1]);
}

static void failing_allocations(void **state)
{
    for (size_t nth = 1;; nth++) {
        sq_mem_fail_at(nth);
        struct sq_ledger *ledger = NULL;
        struct sq_result *result = NULL;
        int err = sq_ledger_create(0, &ledger);
        for (uint64_t i = 0; i < 40 && !err; i++) {
            struct sq_peer_row row = row_of(i);
            err = sq_ledger_add(ledger, i, &row, NULL);
        }
        err = err ? err : sq_result_create(&result);
        err = err ? err : sq_ledger_collect(&ledger, 1, result);
        sq_mem_fail_at(0);
        assert_true(err == 0 || err == SQ_ERR_NOMEM);
        sq_result_destroy(result);
        sq_ledger_destroy(ledger);
        if (!err) {
            break;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_come_back_in_order),
        cmocka_unit_test(without_a_disk),
        cmocka_unit_test(rows_take_no_memory),
        cmocka_unit_test(goodbyes_go_with_their_rows),
        cmocka_unit_test(traces_go_with_their_rows),
        cmocka_unit_test(dumps_that_were_asked_for_are_kept),
        cmocka_unit_test(the_worst_keep_their_stories),
        cmocka_unit_test(failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
