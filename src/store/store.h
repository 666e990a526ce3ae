/* Results on disk, read back: summary.json and peers.csv as docs/results.md has them, of this
 * version of Squall and of those before it. Knows nothing of who asks, nor why.
 *
 * What is wrong is told in a sentence with the file, its line or key, and what was expected. */
#ifndef SQ_STORE_STORE_H
#define SQ_STORE_STORE_H

#include "base/err.h"
#include "run/result.h"
#include "stats/metrics.h"
#include <stdbool.h>
#include <stddef.h>

#define SQ_STORE_RUNS_MAX 64 /* that one word may name */
#define SQ_STORE_WHY_MAX  1024

struct sq_stored_setting {
    char *key, *value; /* owned; the value as JSON: "\"lab:\"", "20", "true" */
};

/* A value of each peer that has one. */
struct sq_stored_values {
    double *values; /* owned */
    size_t n, room;
};

struct sq_stored_run {
    char *dir; /* owned; as it was named */
    char id[SQ_RUN_ID_SIZE], started[40], version[32];
    char host[136];   /* its processor and how many cores: its name says nothing of its speed */
    char reason[840]; /* of the verdict */
    enum sq_run_verdict verdict;
    int exit_code;
    bool interrupted;
    bool generator_ok;
    char generator_note[384];
    double lateness_p99_ms, lateness_max_ms; /* of the generator's timers; NAN */
    struct sq_peer_counts counts;
    bool measured[SQ_METRIC_COUNT]; /* it is there, and has samples */
    struct sq_metric_figures figures[SQ_METRIC_COUNT];
    struct sq_stored_setting *config;
    size_t config_count;
    bool has_peers;                                 /* sq_store_read_peers was here */
    struct sq_stored_values peers[SQ_METRIC_COUNT]; /* in the metric's unit; of peers.ok, .failed
                                                       and .dropped 100 for each that was, else 0 */
};

/* The summary in a results directory. SQ_ERR_INVALID: it is none. SQ_ERR_FORMAT, SQ_ERR_UNSUPPORTED
 * (of a newer schema), SQ_ERR_IO, SQ_ERR_NOMEM. All fill `why`. */
int sq_store_open(const char *dir, struct sq_stored_run **ret_run,
                  char why[static SQ_STORE_WHY_MAX]) SQ_MUST_USE;
/* Its peers, once, if nobody has asked before. The same errors. */
int sq_store_read_peers(struct sq_stored_run *run, char why[static SQ_STORE_WHY_MAX]) SQ_MUST_USE;
/* The same of texts in memory; `name` is what the run is called in messages. */
int sq_store_parse(const char *name, const char *summary, size_t len,
                   struct sq_stored_run **ret_run, char why[static SQ_STORE_WHY_MAX]) SQ_MUST_USE;
int sq_store_parse_peers(struct sq_stored_run *run, const char *csv, size_t len,
                         char why[static SQ_STORE_WHY_MAX]) SQ_MUST_USE;
/* NULL is allowed. */
void sq_store_close(struct sq_stored_run *run);

/* The aggregate of a metric in its unit; of peers.ok, .failed and .dropped their share of the peers
 * that were started, in %. NAN: not measured. */
double sq_store_figure(const struct sq_stored_run *run, enum sq_metric_id id, struct sq_agg agg);
/* Whether summary.json has that aggregate: avg, min, max, p50, p90, p95, p99. */
bool sq_store_has_agg(struct sq_agg agg);
/* The setting's value as JSON, or NULL. */
const char *sq_store_setting(const struct sq_stored_run *run, const char *key);

struct sq_store_dirs {
    char *dirs[SQ_STORE_RUNS_MAX]; /* owned */
    size_t n;
};

/* The results directories that a word names: one, or a folder in which several lie (and nothing
 * else, by name order), or several of either with commas in between. SQ_ERR_INVALID, SQ_ERR_IO,
 * SQ_ERR_NOMEM, each with a sentence. */
int sq_store_find(const char *word, struct sq_store_dirs *ret_dirs,
                  char why[static SQ_STORE_WHY_MAX]) SQ_MUST_USE;
void sq_store_dirs_free(struct sq_store_dirs *dirs);

struct sq_store_runs {
    struct sq_stored_run *runs[SQ_STORE_RUNS_MAX]; /* owned */
    size_t n;
};

/* Opens what a word names, and adds it to those that are there. The errors of both; `runs` keeps
 * what it had. */
int sq_store_load(const char *word, struct sq_store_runs *runs,
                  char why[static SQ_STORE_WHY_MAX]) SQ_MUST_USE;
void sq_store_runs_free(struct sq_store_runs *runs);

#endif
