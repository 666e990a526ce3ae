/* A run as it goes on, in Prometheus' text format (version 0.0.4): names in base units, counters
 * that only rise, a histogram of set-ups. Fed once a second; a scrape reads what is there and asks
 * nobody. docs/results.md lists the names. */
#ifndef SQ_REPORT_PROMETHEUS_H
#define SQ_REPORT_PROMETHEUS_H

#include "base/str.h"
#include "run/result.h"
#include "run/run.h"
#include <stdbool.h>

#define SQ_PROMETHEUS_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* Zeroed, then begun; plain data. */
struct sq_prometheus {
    char version[32], run_id[SQ_RUN_ID_SIZE];
    char target[256];
    struct sq_timeline_row row; /* the latest second */
    struct sq_generator_health health;
    struct sq_hist_small setup_ms;
    uint64_t peers_max, missed;
    double bytes[SQ_FLOW_COUNT]; /* since the start, of media */
    uint64_t freezes, messages_in, messages_out;
    double data_bytes_in, data_bytes_out;
    const struct sq_result *result; /* borrowed, nullable: set when the run is over and judged */
};

/* Copies what tells the run apart. */
void sq_prometheus_begin(struct sq_prometheus *p, const struct sq_result *head);
void sq_prometheus_second(struct sq_prometheus *p, const struct sq_run_live *live);
void sq_prometheus_render(const struct sq_prometheus *p, struct sq_buf *out);

#endif
