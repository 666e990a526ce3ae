/* A run's figures for Prometheus while it goes on: an end point to scrape (--prometheus), and
 * pushes to a Pushgateway (--prometheus-push). Both live on the loop of the run's own thread: no
 * shard hears of a scrape, and a push that fails is a note, never more. */
#ifndef SQ_CLI_RUN_METRICS_H
#define SQ_CLI_RUN_METRICS_H

#include "net/http.h"
#include "net/httpd.h"
#include "report/prometheus.h"
#include <stdio.h>

/* Zeroed to begin with. */
struct sq_run_metrics {
    struct sq_loop *loop;
    struct sq_prometheus figures;
    struct sq_httpd *httpd;
    char push_url[1024]; /* "": nothing is pushed */
    struct sq_http *push;
    uint64_t pushed_ns; /* when the latest one began */
    uint64_t pushes, failures;
    char why[256]; /* the latest failure, one sentence */
};

/* Values of the options, each nullable, checked before anything is begun. SQ_ERR_INVALID with a
 * sentence. */
int sq_run_metrics_check(const char *listen, const char *push_url, char *why,
                         size_t why_room) SQ_MUST_USE;
/* Listens. SQ_ERR_IO with a sentence: it cannot. */
int sq_run_metrics_start(struct sq_run_metrics *m, struct sq_loop *loop, const char *listen,
                         const char *push_url, const struct sq_result *head, char *why,
                         size_t why_room) SQ_MUST_USE;
/* Where it listens, one line; nothing where it does not. */
void sq_run_metrics_tell(const struct sq_run_metrics *m, FILE *out);
void sq_run_metrics_second(struct sq_run_metrics *m, const struct sq_run_live *live);
/* The run is over and judged: the last push, for which it waits a few seconds at most. Then what
 * pushes failed is told, one line to `out` (nullable). */
void sq_run_metrics_finish(struct sq_run_metrics *m, const struct sq_result *result, FILE *out);
/* Before the loop is freed. */
void sq_run_metrics_stop(struct sq_run_metrics *m);

#endif
