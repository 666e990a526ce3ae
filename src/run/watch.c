#include "run/watch.h"

#include "base/mem.h"
#include "run/expect_int.h"
#include <math.h>
#include <pthread.h>
#include <string.h>

/* One expectation. */
struct watched {
    const struct sq_expect *e;
    size_t place;                   /* in the run's list */
    struct sq_expect_values values; /* into the watch's buffer */
    struct sq_expect_live ended, building;
    struct sq_expect_live shown; /* under the lock */
};

struct shown_slice {
    size_t slice;
    struct sq_hist *hist; /* owned; under the lock, as `never` */
    uint64_t never;
};

struct sq_watch {
    struct sq_slice_tally *tally; /* borrowed */
    double values[SQ_SLICES_MAX]; /* of the peer that is looked at */
    struct shown_slice slices[SQ_SLICES_MAX];
    size_t slices_len;
    pthread_mutex_t lock;
    size_t n;
    struct watched all[];
};

/* ---- Life ---- */

static size_t place_of(const struct sq_slices *slices, const struct sq_slice *slice)
{
    size_t i = 0;
    while (i < slices->n && !sq_slice_same(&slices->list[i], slice)) {
        i++;
    }
    return i;
}

static void find_values(struct sq_watch *w, struct watched *one)
{
    for (int i = 0; w->tally->slices && i < one->e->node_count; i++) {
        const struct sq_expect_node *n = &one->e->nodes[i];
        struct sq_slice slice;
        if (n->kind == SQ_EXPECT_TERM && sq_expect_slice(one->e, n, true, &slice)) {
            size_t at = place_of(w->tally->slices, &slice);
            one->values.sliced[i] = true;
            one->values.of[i] = at < w->tally->slices->n ? &w->values[at] : NULL;
        }
    }
}

static int make_slices(struct sq_watch *w)
{
    const struct sq_slices *slices = w->tally->slices;
    for (size_t i = 0; slices && i < slices->n; i++) {
        if (slices->list[i].live) {
            struct shown_slice *s = &w->slices[w->slices_len++];
            s->slice = i;
            s->hist = sq_zalloc(sizeof(*s->hist));
            if (!s->hist) {
                return SQ_ERR_NOMEM;
            }
        }
    }
    return 0;
}

int sq_watch_create(struct sq_expect *const *list, size_t n, struct sq_slice_tally *tally,
                    struct sq_watch **ret_watch)
{
    size_t aborts = 0;
    *ret_watch = NULL;
    for (size_t i = 0; i < n; i++) {
        aborts += list[i]->abort;
    }
    if (aborts == 0) {
        return 0;
    }
    struct sq_watch *w = sq_zalloc(sizeof(*w) + aborts * sizeof(struct watched));
    if (!w) {
        return SQ_ERR_NOMEM;
    }
    pthread_mutex_init(&w->lock, NULL);
    w->tally = tally;
    for (size_t i = 0; i < n; i++) {
        if (list[i]->abort) {
            w->all[w->n].e = list[i];
            w->all[w->n].place = i;
            find_values(w, &w->all[w->n++]);
        }
    }
    if (make_slices(w) != 0) {
        sq_watch_destroy(w);
        return SQ_ERR_NOMEM;
    }
    *ret_watch = w;
    return 0;
}

void sq_watch_destroy(struct sq_watch *w)
{
    if (w) {
        for (size_t i = 0; i < w->slices_len; i++) {
            sq_free(w->slices[i].hist);
        }
        pthread_mutex_destroy(&w->lock);
        sq_free(w);
    }
}

/* ---- In the shard's thread ---- */

static void count(struct sq_watch *w, const struct sq_slice_user *user,
                  const struct sq_peer_row *row, uint64_t now_ns, bool ended)
{
    sq_slices_values(w->tally, user, row, now_ns, w->values);
    for (size_t i = 0; i < w->n; i++) {
        struct watched *one = &w->all[i];
        struct sq_expect_live *to = ended ? &one->ended : &one->building;
        if (!sq_where_matches(&one->e->where, row)) {
            continue;
        }
        if (one->e->by_peer && !(ended && row->outcome == SQ_OUTCOME_PENDING)) {
            sq_expect_count(to, row, sq_expect_peer_answer(one->e, row, &one->values, 0));
        }
        sq_expect_count_outcome(&to->counts, row);
        to->counts.ok += !ended; /* so far */
    }
}

void sq_watch_user(struct sq_watch *w, const struct sq_slice_user *user,
                   const struct sq_peer_row *row, uint64_t now_ns)
{
    if (w) {
        count(w, user, row, now_ns, false);
        sq_slices_sweep(w->tally, user, w->values);
    }
}

void sq_watch_end(struct sq_watch *w, const struct sq_slice_user *user,
                  const struct sq_peer_row *row, uint64_t now_ns)
{
    if (w) {
        count(w, user, row, now_ns, true);
    }
}

static void add(struct sq_expect_live *to, const struct sq_expect_live *from)
{
    to->holds += from->holds;
    to->misses += from->misses;
    to->failed_before += from->failed_before;
    to->without += from->without;
    to->counts.started += from->counts.started;
    to->counts.ok += from->counts.ok;
    to->counts.failed += from->counts.failed;
    to->counts.dropped += from->counts.dropped;
}

void sq_watch_second(struct sq_watch *w)
{
    if (!w) {
        return;
    }
    sq_slices_swept(w->tally);
    pthread_mutex_lock(&w->lock);
    for (size_t i = 0; i < w->n; i++) {
        struct watched *one = &w->all[i];
        one->shown = one->ended;
        add(&one->shown, &one->building);
        one->building = (struct sq_expect_live){.holds = 0};
    }
    for (size_t i = 0; i < w->slices_len; i++) {
        sq_hist_clear(w->slices[i].hist);
        w->slices[i].never = sq_slices_show(w->tally, w->slices[i].slice, w->slices[i].hist);
    }
    pthread_mutex_unlock(&w->lock);
}

/* ---- In the run's thread ---- */

static int add_slices(struct sq_watch *w, struct sq_result *r)
{
    int err = 0;
    pthread_mutex_lock(&w->lock);
    for (size_t i = 0; i < w->slices_len && !err; i++) {
        const struct sq_slice *slice = &w->tally->slices->list[w->slices[i].slice];
        struct sq_slice_row *row = sq_result_add_slice(r, slice);
        err = row ? 0 : SQ_ERR_NOMEM;
        if (row) {
            sq_hist_merge(row->hist, w->slices[i].hist);
            row->never += w->slices[i].never;
        }
    }
    pthread_mutex_unlock(&w->lock);
    return err;
}

static struct sq_expect_live live_of(struct sq_watch *const *shards, size_t n, size_t which)
{
    struct sq_expect_live sum = {.holds = 0};
    for (size_t i = 0; i < n; i++) {
        pthread_mutex_lock(&shards[i]->lock);
        add(&sum, &shards[i]->all[which].shown);
        pthread_mutex_unlock(&shards[i]->lock);
    }
    return sum;
}

static bool is_hopeless(const struct sq_expect *e, const struct sq_result *r,
                        const struct sq_expect_live *live, struct sq_result_stop *ret_stop)
{
    struct sq_expectation found = {.value = NAN};
    sq_expect_eval_live(e, r, live, &found);
    if (found.ok || isnan(found.value)) {
        return false; /* nothing was measured yet: nothing is known */
    }
    ret_stop->value = found.value;
    SQ_RESULT_SET(ret_stop->unit, found.unit);
    SQ_RESULT_SET(ret_stop->message, found.message);
    return true;
}

static bool any_due(const struct sq_watch *w, double after_s)
{
    for (size_t i = 0; i < w->n; i++) {
        if (after_s * 1e9 >= (double)w->all[i].e->abort_after_ns) {
            return true;
        }
    }
    return false;
}

bool sq_watch_judge(struct sq_watch *const *shards, size_t n, double after_s, uint64_t to_come,
                    struct sq_result_stop *ret_stop)
{
    struct sq_result *r = NULL;
    bool hopeless = false;
    if (n == 0 || !shards[0] || !any_due(shards[0], after_s) || sq_result_create(&r) != 0) {
        return false;
    }
    r->duration_s = after_s;
    int err = 0;
    for (size_t i = 0; i < n && !err; i++) {
        err = add_slices(shards[i], r);
    }
    for (size_t i = 0; i < shards[0]->n && !err && !hopeless; i++) {
        const struct watched *one = &shards[0]->all[i];
        if (after_s * 1e9 < (double)one->e->abort_after_ns) {
            continue;
        }
        struct sq_expect_live live = live_of(shards, n, i);
        live.to_come = to_come;
        hopeless = is_hopeless(one->e, r, &live, ret_stop);
        if (hopeless) {
            ret_stop->on = true;
            ret_stop->after_s = after_s;
            ret_stop->expectation = one->place;
        }
    }
    sq_result_destroy(r);
    return hopeless;
}
