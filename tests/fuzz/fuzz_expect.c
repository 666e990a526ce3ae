/* The grammar of expectations: what parses is judged without harm on an empty result and on one
 * with peers and all that it asks for, its own text parses again and is judged the same; it is held
 * against a plan, and as one that ends a run judged while that goes on. */
#include "base/mem.h"
#include "fuzz/fuzz.h"
#include "run/expect_int.h"
#include "run/plan.h"
#include "run/slice.h"
#include "stats/metrics.h"
#include <math.h>
#include <string.h>

static struct sq_result *empty, *filled;

static void make_results(void)
{
    MUST(sq_result_create(&empty) == 0);
    MUST(sq_result_create(&filled) == 0);
    for (int i = 0; i < 3; i++) {
        struct sq_peer_row *p = sq_result_add_peer(filled);
        MUST(p != NULL);
        p->outcome = i == 2 ? SQ_OUTCOME_FAILED : SQ_OUTCOME_OK;
        p->connected = i < 2;
        for (int flow = 0; flow < SQ_FLOW_COUNT; flow++) {
            p->flow[flow] =
                (struct sq_flow_totals){.tracks = 1, .packets = 100, .bitrate_kbps = 64};
        }
    }
    for (int id = 0; id < SQ_METRIC_COUNT; id += 2) {
        struct sq_metric_row *row = sq_result_add_metric(filled, (enum sq_metric_id)id);
        MUST(row != NULL);
        sq_metric_record(row->hist, (enum sq_metric_id)id, 5);
        row->last = 5;
    }
    sq_result_tally(empty);
    sq_result_tally(filled);
}

static void same(const struct sq_expect *a, const struct sq_expect *b, const struct sq_result *r)
{
    struct sq_expectation x = {0};
    struct sq_expectation y = {0};
    sq_expect_eval(a, r, &x);
    sq_expect_eval(b, r, &y);
    MUST(x.ok == y.ok && x.level == y.level && strcmp(x.message, y.message) == 0);
    MUST(memchr(x.message, '\0', sizeof(x.message)) != NULL);
    MUST(x.ok || x.message[0] != '\0'); /* a failure has its reason */
}

/* What a run would have kept for it: two of three peers have values. */
static void add_slices(struct sq_result *r, struct sq_expect *e)
{
    static struct sq_slices slices;
    MUST(sq_expect_slices(&e, 1, &slices) == 0);
    for (size_t i = 0; i < slices.n; i++) {
        struct sq_slice_row *row = sq_result_add_slice(r, &slices.list[i]);
        MUST(row != NULL);
        sq_metric_record(row->hist, slices.list[i].metric, 3);
        sq_hist_record(row->hist, SQ_HIST_MAX);
        row->never = slices.list[i].kind == SQ_SLICE_TIME;
        row->peers = 3;
        row->opened = i % 2;
        row->values = sq_malloc(3 * sizeof(double));
        MUST(row->values != NULL);
        row->values[0] = 3;
        row->values[1] = INFINITY;
        row->values[2] = NAN;
    }
}

static void drop_slices(struct sq_result *r)
{
    for (size_t i = 0; i < r->slice_count; i++) {
        sq_free(r->slices[i].hist);
        sq_free(r->slices[i].values);
    }
    r->slice_count = 0;
}

static void against_a_plan(const struct sq_expect *e)
{
    static struct sq_plan plan;
    struct sq_expect_error error = {.column = 0};
    sq_plan_defaults(&plan);
    plan.room_size = 1;
    plan.peers = 20;
    if (sq_expect_check(e, &plan, &error) != 0) {
        MUST(error.column >= 1 && error.column <= strlen(sq_expect_text(e)) + 1);
        MUST(error.message[0] != '\0');
    }
    (void)sq_expect_needs_run(e);
}

static void as_an_end(const char *text)
{
    struct sq_expect *e = NULL;
    struct sq_expect_error error = {.column = 0};
    struct sq_expectation out = {0};
    struct sq_expect_live live = {.holds = 2, .misses = 1, .counts = {.started = 3, .ok = 2}};
    if (sq_expect_parse_abort(text, &e, &error) != 0) {
        MUST(error.column >= 1 && error.message[0] != '\0');
        return;
    }
    add_slices(filled, e);
    sq_expect_eval_live(e, filled, &live, &out);
    MUST(out.ok || out.message[0] != '\0');
    drop_slices(filled);
    sq_expect_destroy(e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char text[2048];
    struct sq_expect *e = NULL;
    struct sq_expect *again = NULL;
    struct sq_expect_error error = {.column = 0};
    if (!empty) {
        make_results();
    }
    if (len >= sizeof(text)) {
        return 0;
    }
    memcpy(text, data, len);
    text[len] = '\0';
    as_an_end(text);
    if (sq_expect_parse(text, &e, &error) != 0) {
        MUST(e == NULL);
        MUST(error.column >= 1 && error.column <= len + 1);
        MUST(memchr(error.message, '\0', sizeof(error.message)) && error.message[0] != '\0');
        return 0;
    }
    MUST(sq_expect_parse(sq_expect_text(e), &again, &error) == 0);
    same(e, again, empty);
    same(e, again, filled);
    add_slices(filled, e);
    same(e, again, filled);
    drop_slices(filled);
    against_a_plan(e);
    (void)sq_expect_names(e, "peers.failed");
    sq_expect_destroy(e);
    sq_expect_destroy(again);
    return 0;
}
