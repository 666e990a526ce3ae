/* The grammar of expectations: what parses is judged without harm on an empty result and on one
 * with a peer, its own text parses again and is judged the same. */
#include "base/mem.h"
#include "fuzz/fuzz.h"
#include "run/expect.h"
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
    if (sq_expect_parse(text, &e, &error) != 0) {
        MUST(e == NULL);
        MUST(error.column >= 1 && error.column <= len + 1);
        MUST(memchr(error.message, '\0', sizeof(error.message)) && error.message[0] != '\0');
        return 0;
    }
    MUST(sq_expect_parse(sq_expect_text(e), &again, &error) == 0);
    same(e, again, empty);
    same(e, again, filled);
    (void)sq_expect_names(e, "peers.failed");
    sq_expect_destroy(e);
    sq_expect_destroy(again);
    return 0;
}
