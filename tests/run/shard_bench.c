#include "run/shard_bench.h"

#include "run/rig.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void on_second(void *ctx, const struct sq_run_live *live)
{
    struct bench *b = ctx;
    b->seconds++;
    b->missed = live->missed;
    b->started = live->row->started;
    b->connected = live->row->connected;
    b->failed = live->row->failed;
    b->draining = live->draining;
    if (b->each_second) {
        b->each_second(b);
    }
}

static void on_done(void *ctx)
{
    struct bench *b = ctx;
    assert_false(b->done);
    b->done = true;
}

const struct sq_run_ops bench_ops = {.second = on_second, .done = on_done};

void bench_make(struct bench *b, enum fake_how (*how)(uint64_t index))
{
    memset(b, 0, sizeof(*b));
    assert_int_equal(sq_loop_new(NULL, &b->loop), 0);
    assert_int_equal(sq_result_create(&b->result), 0);
    assert_int_equal(sq_addr_parse("127.0.0.1", 0, &b->addr), 0);
    sq_plan_defaults(&b->plan);
    b->plan.groups[0].adapter = &fake_signal;
    b->plan.groups[0].clip = rig_clip;
    b->plan.threads = 2;
    b->plan.seed = 5;
    b->plan.addrs = &b->addr;
    b->plan.addrs_len = 1;
    b->plan.lateness_p99_max_ms = 1000; /* other work shares this machine */
    b->plan.cpu_max_percent = 1000;
    b->plan.dumps = 1;
    fake_begin(how);
}

bool bench_is_done(void *ctx)
{
    return ((struct bench *)ctx)->done;
}

void bench_start(struct bench *b)
{
    assert_int_equal(sq_run_start(&b->plan, b->loop, &bench_ops, b, &b->run), 0);
}

unsigned bench_index_of(const struct sq_peer_row *row)
{
    unsigned index = 0;
    assert_int_equal(sscanf(row->id, "squall-%u", &index), 1);
    return index;
}

/* What every run must hold, whatever happened in it. */
static void check_sums(struct bench *b)
{
    struct sq_result *r = b->result;
    sq_result_tally(r);
    const struct sq_peer_counts *c = &r->counts;
    assert_int_equal(c->started, r->peer_count);
    assert_int_equal(c->started, c->ok + c->failed + c->pending);
    uint64_t failures = 0;
    for (int i = 0; i < SQ_FAILURE_COUNT; i++) {
        failures += r->failures[i].count;
    }
    assert_int_equal(failures, c->failed);
    for (size_t i = 0; i < r->peer_count; i++) {
        const struct sq_peer_row *p = &r->peers[i];
        assert_true(i == 0 || bench_index_of(p) > bench_index_of(&r->peers[i - 1]));
        assert_true((p->outcome == SQ_OUTCOME_FAILED) == (p->cause != SQ_FAILURE_NONE));
        bool tells = p->unfinished || p->unlinked;
        assert_true(!p->goodbye || p->left_badly);
        assert_true((p->message[0] != '\0') == (p->outcome != SQ_OUTCOME_OK || tells));
        assert_true(p->start_ms >= 0 && p->end_ms >= p->start_ms);
    }
    /* The time line's last word is the rows'. */
    assert_true(r->timeline_count > 0);
    assert_int_equal(r->timeline_count, b->seconds);
    const struct sq_timeline_row *last = &r->timeline[r->timeline_count - 1];
    assert_int_equal(last->started, c->started);
    assert_int_equal(last->ok, c->ok);
    assert_int_equal(last->failed, c->failed);
    assert_int_equal(last->connected, 0);
    for (int i = 0; i < SQ_FAILURE_COUNT; i++) {
        assert_int_equal(last->failed_by_cause[i], r->failures[i].count);
    }
    for (size_t i = 0; i < r->timeline_count; i++) {
        assert_true(r->timeline[i].t_s == (double)(i + 1));
        assert_true(i == 0 || r->timeline[i].started >= r->timeline[i - 1].started);
    }
    uint64_t told = 0;
    uint64_t counted = 0;
    for (size_t i = 0; i < r->timeline_count; i++) {
        told += r->timeline[i].freezes;
    }
    for (size_t i = 0; i < r->peer_count; i++) {
        counted += r->peers[i].flow[SQ_FLOW_VIDEO_IN].freezes;
    }
    assert_int_equal(told, counted);
    assert_true(r->duration_s > 0);
    assert_int_equal(r->generator.threads, b->plan.threads);
}

void bench_finish(struct bench *b)
{
    if (!rig_until(b->loop, bench_is_done, b, LIMIT_MS)) {
        fail_msg("the run did not end: %u s told, %u sessions", b->seconds, fake_sessions());
    }
    assert_int_equal(sq_run_collect(b->run, b->result), 0);
    check_sums(b);
    sq_run_destroy(b->run);
    b->run = NULL;
    assert_int_equal(fake_sessions(), 0);
}

void bench_free(struct bench *b)
{
    if (b->run) {
        sq_run_destroy(b->run);
        assert_int_equal(sq_loop_run_once(b->loop, 0), 0); /* reports on their way are freed */
    }
    sq_result_destroy(b->result);
    sq_loop_free(b->loop);
    assert_int_equal(fake_sessions(), 0);
}

double bench_average(struct bench *b, enum sq_metric_id id)
{
    const struct sq_metric_row *row = sq_result_metric(b->result, id);
    struct sq_metric_figures f = {.avg = NAN};
    if (row) {
        sq_metric_row_figures(row, &f);
    }
    return f.avg;
}

uint64_t bench_samples(struct bench *b, enum sq_metric_id id)
{
    const struct sq_metric_row *row = sq_result_metric(b->result, id);
    return row ? row->hist->sums.count : 0;
}

enum fake_how bench_half_silent(uint64_t index)
{
    return index % 2 ? FAKE_SILENT : FAKE_WELL;
}

enum fake_how bench_empty_room(uint64_t index)
{
    (void)index;
    return FAKE_EMPTY_ROOM;
}
