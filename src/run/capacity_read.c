/* What a level's result shows: its figures, what broke, and for whom. */
#include "base/mem.h"
#include "run/capacity.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

#define KINDS_MAX 64 /* different roles, or networks, or rooms that are told apart */

static double figure(const struct sq_result *r, enum sq_metric_id id, double percent)
{
    const struct sq_metric_row *m = sq_result_metric(r, id);
    struct sq_metric_figures f;
    if (!m) {
        return NAN;
    }
    sq_metric_row_figures(m, &f);
    return f.count == 0 ? NAN : percent > 0 ? f.p95 : f.avg;
}

static void read_figures(struct sq_capacity_level *level, const struct sq_result *r)
{
    level->score = r->score;
    level->setup_p95_ms = figure(r, SQ_METRIC_SETUP_TOTAL, 95);
    level->loss_percent = figure(r, SQ_METRIC_VIDEO_IN_LOSS, 0);
    if (isnan(level->loss_percent)) {
        level->loss_percent = figure(r, SQ_METRIC_AUDIO_IN_LOSS, 0);
    }
    level->fps = figure(r, SQ_METRIC_VIDEO_IN_FPS, 0);
    level->in_kbps = figure(r, SQ_METRIC_VIDEO_IN_BITRATE, 0);
    /* As it is judged: a thread's peers are its own. */
    level->lateness_p99_ms = fmax(r->generator.lateness_p99_ms, r->generator.lateness_worst_ms);
    level->cpu_percent = r->generator.cpu_percent;
    level->counts = r->counts;
    level->connected = 0;
    for (size_t i = 0; i < r->peer_count; i++) {
        level->connected += r->peers[i].connected;
    }
    for (size_t i = 0; i < SQ_FAILURE_COUNT; i++) {
        level->failures[i] = r->failures[i].count;
        if (r->failures[i].count > 0 && !level->example[0]) {
            SQ_RESULT_SET(level->example, r->peers[r->failures[i].example].message);
        }
    }
    const struct sq_peer_row *waiting = sq_result_waiting(r);
    if (!level->example[0] && waiting) {
        SQ_RESULT_SET(level->example, waiting->message);
    }
}

/* A way to tell peers apart. */
enum by { BY_ROLE, BY_NETWORK, BY_ROOM, BY_COUNT };

static const char *kind_of(const struct sq_peer_row *p, enum by by)
{
    return by == BY_ROLE ? p->role : by == BY_NETWORK ? p->network : p->room;
}

struct kinds {
    const char *names[KINDS_MAX];
    size_t len;
    bool more; /* than are told apart */
};

static void find_kinds(const struct sq_result *r, enum by by, struct kinds *k)
{
    *k = (struct kinds){.len = 0};
    for (size_t i = 0; i < r->peer_count && !k->more; i++) {
        const char *name = kind_of(&r->peers[i], by);
        size_t j = 0;
        while (j < k->len && strcmp(k->names[j], name) != 0) {
            j++;
        }
        k->more = j == KINDS_MAX;
        if (j == k->len && !k->more) {
            k->names[k->len++] = name;
        }
    }
}

/* Judged of the peers of one kind alone. Figures over all samples are of all peers in any case:
 * they say the same of each kind. */
static void judge_kind(const struct sq_expect *e, const struct sq_result *r, enum by by,
                       const char *name, struct sq_peer_row *room, struct sq_expectation *ret)
{
    struct sq_result some = *r;
    some.peers = room;
    some.peer_count = 0;
    for (size_t i = 0; i < r->peer_count; i++) {
        if (strcmp(kind_of(&r->peers[i], by), name) == 0) {
            room[some.peer_count++] = r->peers[i];
        }
    }
    some.counts.planned = some.peer_count;
    sq_result_tally(&some);
    sq_expect_eval(e, &some, ret);
}

static void put_kind(struct sq_buf *b, enum by by, const char *name,
                     const struct sq_expectation *found)
{
    static const char *const words[] = {"role", "network", "room"};
    if (isnan(found->value)) {
        sq_buf_printf(b, "%s %s", words[by], name[0] ? name : "(none)");
    } else {
        sq_buf_printf(b, "%s %s (%.3g %s)", words[by], name[0] ? name : "(none)", found->value,
                      found->unit);
    }
}

/* The kinds that do not hold, where others do or their figures differ. */
static void blame_by(const struct sq_expect *e, const struct sq_result *r, enum by by,
                     struct sq_peer_row *room, struct sq_buf *b)
{
    struct kinds k;
    struct sq_expectation worst = {0};
    const char *worst_name = NULL;
    size_t broken = 0;
    bool differ = false;
    double first = NAN;
    find_kinds(r, by, &k);
    if (k.len < 2 || k.more) {
        return;
    }
    for (size_t i = 0; i < k.len; i++) {
        struct sq_expectation found = {0};
        judge_kind(e, r, by, k.names[i], room, &found);
        differ = differ || (i > 0 && found.value != first);
        first = i == 0 ? found.value : first;
        bool worse = !worst_name || fabs(found.value - worst.value) > 0;
        /* Shares and counts of the good: less is worse; of the bad more is. */
        bool of_failed = sq_expect_names(e, "peers.failed") || sq_expect_names(e, "peers.dropped");
        worse = worse && (!worst_name || (found.value < worst.value) != of_failed);
        if (!found.ok && worse) {
            worst = found;
            worst_name = k.names[i];
        }
        broken += !found.ok;
    }
    if (!worst_name || !differ) {
        return;
    }
    sq_buf_puts(b, b->len > 0 ? "; " : "");
    sq_buf_puts(b, broken > 1 ? "the worst " : "");
    put_kind(b, by, worst_name, &worst);
    sq_buf_printf(b, ", %zu of %zu %s", broken, k.len,
                  by == BY_ROLE      ? "roles"
                  : by == BY_NETWORK ? "networks"
                                     : "rooms");
}

static int read_broke(struct sq_capacity_level *level, const struct sq_expect *e,
                      const struct sq_expectation *found, const struct sq_result *r)
{
    struct sq_capacity_broke *broke = &level->broke[level->broke_len++];
    struct sq_buf who = {0};
    SQ_RESULT_SET(broke->expr, found->expr);
    SQ_RESULT_SET(broke->unit, found->unit);
    SQ_RESULT_SET(broke->found, found->message);
    broke->value = found->value;
    /* What is kept for a window is of all peers, in their order. */
    if (!e || r->peer_count == 0 || sq_expect_needs_run(e)) {
        return 0;
    }
    struct sq_peer_row *room = sq_calloc(r->peer_count, sizeof(*room));
    if (!room) {
        return SQ_ERR_NOMEM;
    }
    for (enum by by = BY_ROLE; by < BY_COUNT; by++) {
        blame_by(e, r, by, room, &who);
    }
    sq_free(room);
    SQ_RESULT_SET(broke->who, who.text);
    int err = who.err;
    sq_buf_free(&who);
    return err;
}

/* Video was agreed and did not come: that is the service's. */
static bool is_blank(const struct sq_result *r)
{
    uint64_t blank = 0;
    for (size_t i = 0; i < r->peer_count; i++) {
        blank += r->peers[i].flow[SQ_FLOW_VIDEO_IN].blank;
    }
    return blank > 0;
}

int sq_capacity_read(struct sq_capacity_level *level, struct sq_expect *const *expectations,
                     size_t n, const struct sq_result *r)
{
    struct sq_buf network = {0};
    read_figures(level, r);
    sq_result_network_note(r, &network);
    SQ_RESULT_SET(level->network, network.text);
    int err = network.err;
    sq_buf_free(&network);
    level->outcome = r->verdict == SQ_VERDICT_PASS      ? SQ_TRIAL_HELD
                     : r->verdict == SQ_VERDICT_INVALID ? SQ_TRIAL_INVALID
                                                        : SQ_TRIAL_FAILED;
    SQ_RESULT_SET(level->reason, r->verdict_reason);
    for (size_t i = 0; i < r->expectation_count && !err; i++) {
        const struct sq_expectation *found = &r->expectations[i];
        const struct sq_expect *e = NULL;
        for (size_t j = 0; j < n; j++) {
            e = strcmp(sq_expect_text(expectations[j]), found->expr) == 0 ? expectations[j] : e;
        }
        /* With everybody there, what has no value is none that this service could fail by. */
        if (!found->ok && found->level == SQ_LEVEL_ERROR && isnan(found->value) &&
            r->counts.started > 0 && r->counts.ok == r->counts.started && !is_blank(r) &&
            level->outcome == SQ_TRIAL_FAILED && !level->no_sample) {
            level->no_sample = true;
            level->outcome = SQ_TRIAL_INVALID;
            char text[sizeof(level->reason)];
            snprintf(text, sizeof(text), "%s: %s", found->expr, found->message);
            SQ_RESULT_SET(level->reason, text);
        }
        if (!found->ok && found->level == SQ_LEVEL_ERROR && level->outcome == SQ_TRIAL_FAILED &&
            level->broke_len < SQ_CAPACITY_BROKE_MAX) {
            err = read_broke(level, e, found, r);
        }
    }
    return err;
}
