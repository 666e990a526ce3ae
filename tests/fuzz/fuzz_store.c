/* Results that are read back: a summary (from '{' on), or peers. */
#include "fuzz/fuzz.h"
#include "store/store.h"
#include <math.h>
#include <string.h>

static void read_summary(const char *text, size_t len)
{
    char why[SQ_STORE_WHY_MAX];
    struct sq_stored_run *run = NULL;
    memset(why, 1, sizeof(why));
    if (sq_store_parse("fuzz", text, len, &run, why) != 0) {
        MUST(memchr(why, '\0', sizeof(why)) != NULL && why[0] != '\0');
        return;
    }
    MUST(run && memchr(run->id, '\0', sizeof(run->id)) && run->verdict <= SQ_VERDICT_ERROR);
    for (unsigned id = 0; id < SQ_METRIC_COUNT; id++) {
        double figure = sq_store_figure(run, (enum sq_metric_id)id, (struct sq_agg){SQ_AGG_AVG, 0});
        MUST(run->measured[id] || isnan(figure));
    }
    sq_store_close(run);
}

/* As many of them started as there are lines. */
static void read_peers(const char *csv, size_t len)
{
    static const char summary[] =
        "{\"schema\":1,\"tool\":{\"name\":\"squall\"},\"run\":{\"id\":\"x\",\"started\":\"\","
        "\"host\":{\"cpu\":\"\",\"cores\":1}},\"config\":{},\"verdict\":\"pass\",\"exit_code\":0,"
        "\"peers\":{\"planned\":0,\"started\":0,\"ok\":0,\"failed\":0,\"dropped\":0,\"pending\":0},"
        "\"metrics\":{},\"generator\":{\"ok\":true,\"lateness_ms\":{\"p99\":1,\"max\":1}}}";
    char why[SQ_STORE_WHY_MAX];
    struct sq_stored_run *run = NULL;
    MUST(sq_store_parse("fuzz", summary, sizeof(summary) - 1, &run, why) == 0);
    for (size_t i = 0; i < len; i++) {
        run->counts.started += csv[i] == '\n';
    }
    run->counts.started -= run->counts.started > 0;
    memset(why, 1, sizeof(why));
    if (sq_store_parse_peers(run, csv, len, why) != 0) {
        MUST(memchr(why, '\0', sizeof(why)) != NULL && why[0] != '\0');
        MUST(!run->has_peers && run->peers[SQ_METRIC_PEERS_OK].n == 0);
    } else {
        MUST(run->peers[SQ_METRIC_PEERS_OK].n == run->counts.started);
    }
    sq_store_close(run);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len > 0 && data[0] == '{') {
        read_summary((const char *)data, len);
    } else {
        read_peers((const char *)data, len);
    }
    return 0;
}
