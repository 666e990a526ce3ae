/* A run over a service of this process (fake_signal.h), as tests of whole runs have it. */
#ifndef SQ_TESTS_RUN_SHARD_BENCH_H
#define SQ_TESTS_RUN_SHARD_BENCH_H

#include "base/time.h"
#include "run/expect.h"
#include "run/fake_signal.h"
#include "run/run.h"

#define MS  SQ_NS_PER_MS
#define SEC SQ_NS_PER_SEC

#define LIMIT_MS 30000

struct bench {
    struct sq_loop *loop;
    struct sq_plan plan;
    struct sq_addr addr;
    struct sq_run *run;
    struct sq_result *result;
    unsigned seconds;
    bool done;
    uint64_t missed, started, connected, failed;
    bool draining;
    void (*each_second)(struct bench *b);
};

/* A plan for two threads; the test says the rest. */
void bench_make(struct bench *b, enum fake_how (*how)(uint64_t index));
void bench_start(struct bench *b);
/* Runs to its end, and holds the result against itself. */
void bench_finish(struct bench *b);
/* Also of a run that is under way. */
void bench_free(struct bench *b);
unsigned bench_index_of(const struct sq_peer_row *row);
extern const struct sq_run_ops bench_ops;
bool bench_is_done(void *ctx);
double bench_average(struct bench *b, enum sq_metric_id id); /* NAN without a sample */
uint64_t bench_samples(struct bench *b, enum sq_metric_id id);

/* For bench_make: every other one gets no answer; nobody is there to connect to. */
enum fake_how bench_half_silent(uint64_t index);
enum fake_how bench_empty_room(uint64_t index);

#endif
