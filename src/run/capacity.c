#include "run/capacity.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define STEADY_SHARE       0.1 /* of the mean */
#define STEADY_LOSS_POINTS 1.0
#define OTHERS_PERCENT     10.0 /* of a core: more is worth a word */

const char *sq_grow_name(enum sq_grow grow)
{
    static const char *const names[] = {"peers", "room", "rooms"};
    return names[grow];
}

const char *sq_trial_name(enum sq_trial_outcome outcome)
{
    static const char *const names[] = {"held", "failed", "invalid"};
    return names[outcome];
}

const char *sq_capacity_end_name(enum sq_capacity_end end)
{
    static const char *const names[] = {"found",       "time-limit",   "interrupted", "unreached",
                                        "server-gone", "service-died", "no-sample"};
    return names[end];
}

void sq_capacity_note(struct sq_capacity *c, const char *fmt, ...)
{
    if (c->notes_len == SQ_CAPACITY_NOTES_MAX) {
        return;
    }
    va_list args;
    va_start(args, fmt);
    vsnprintf(c->notes[c->notes_len++], sizeof(c->notes[0]), fmt, args);
    va_end(args);
}

/* The next of c->levels, as a trial of it is begun. */
static struct sq_capacity_level *begin_level(struct sq_capacity *c, enum sq_grow grow, uint64_t at)
{
    struct sq_capacity_level *level = &c->levels[c->levels_len];
    *level = (struct sq_capacity_level){.grow = grow, .level = at};
    return level;
}

/* The least level to which anybody connected; of another kind of search it is no number of this
 * one's, and tells only that the service was there. 0: none did. */
static uint64_t least_alive(const struct sq_capacity *c, enum sq_grow grow, uint64_t least)
{
    uint64_t alive = 0;
    for (size_t i = 0; i < c->levels_len; i++) {
        const struct sq_capacity_level *l = &c->levels[i];
        uint64_t at = l->grow == grow ? l->level : least;
        if (l->connected > 0 && (alive == 0 || at < alive)) {
            alive = at;
        }
    }
    return alive;
}

/* After a trial to which nobody connected: what the probe is told, or SQ_TRIAL_LAST where the
 * service has died. One that lives is a trial like another: the level's failure stands. */
static int probe(struct sq_capacity *c, enum sq_grow grow, uint64_t least, sq_trial_fn trial,
                 void *ctx)
{
    uint64_t alive = least_alive(c, grow, least);
    if (alive == 0 || c->levels_len == SQ_CAPACITY_LEVELS_MAX) {
        return SQ_TRIAL_TOLD;
    }
    struct sq_capacity_level *level = begin_level(c, grow, alive);
    level->probes = true;
    int told = trial(ctx, level);
    if (told != SQ_TRIAL_TOLD && told != SQ_TRIAL_LAST) {
        return told;
    }
    c->levels_len++;
    if (told == SQ_TRIAL_TOLD && level->outcome == SQ_TRIAL_FAILED && level->connected == 0) {
        c->end = SQ_CAPACITY_DIED;
        return SQ_TRIAL_LAST;
    }
    return told;
}

/* Trials up to the last one to which anybody connected; 0: there is none. */
static size_t len_alive(const struct sq_capacity *c)
{
    size_t len = c->levels_len;
    while (len > 0 && c->levels[len - 1].connected == 0) {
        len--;
    }
    return len;
}

/* A level in which the service died failed by that, and not by its size: it is no limit. */
static void forget_death(struct sq_capacity *c, struct sq_search *s)
{
    size_t alive = len_alive(c);
    struct sq_capacity_level *last = alive > 0 ? &c->levels[alive - 1] : NULL;
    const struct sq_trial *trial = s->trials_len > 0 ? &s->trials[s->trials_len - 1] : NULL;
    if (last && !last->probes && last->outcome == SQ_TRIAL_FAILED && trial &&
        trial->outcome == SQ_TRIAL_FAILED && trial->level == last->level) {
        last->counted = false;
        sq_search_forget(s);
    }
}

int sq_capacity_search(struct sq_capacity *c, enum sq_grow grow,
                       const struct sq_search_config *config, sq_trial_fn trial, void *ctx)
{
    if (c->searches_len == SQ_CAPACITY_SEARCHES) {
        return SQ_ERR_INVALID;
    }
    struct sq_search *s = &c->searches[c->searches_len];
    uint64_t least = config->least > 0 ? config->least : 1;
    uint64_t at;
    sq_search_init(s, config);
    c->grow[c->searches_len++] = grow;
    c->end = SQ_CAPACITY_FOUND;
    while (c->levels_len < SQ_CAPACITY_LEVELS_MAX && sq_search_next(s, &at)) {
        struct sq_capacity_level *level = begin_level(c, grow, at);
        level->confirms = sq_search_confirms(s);
        int told = trial(ctx, level);
        if (told != SQ_TRIAL_TOLD && told != SQ_TRIAL_LAST) {
            return told == SQ_TRIAL_STOP ? 0 : told;
        }
        c->levels_len++;
        if (told == SQ_TRIAL_TOLD && level->outcome == SQ_TRIAL_FAILED && level->connected == 0) {
            told = probe(c, grow, least, trial, ctx);
        }
        bool gone = c->end == SQ_CAPACITY_GONE && level->outcome == SQ_TRIAL_FAILED;
        if (c->end == SQ_CAPACITY_DIED) {
            forget_death(c, s);
        } else if (!gone && !level->no_sample) {
            sq_search_tell(s, level->outcome);
            level->counted = true;
        }
        if (told != SQ_TRIAL_TOLD) {
            return told == SQ_TRIAL_STOP || told == SQ_TRIAL_LAST ? 0 : told;
        }
    }
    return 0;
}

/* ---- What follows ---- */

/* The last trial of a level that ended so. What does not count explains nothing: of the level at
 * which a search ends there may be one in which the service died. */
static const struct sq_capacity_level *trial_of(const struct sq_capacity *c, size_t search,
                                                uint64_t level, enum sq_trial_outcome outcome)
{
    for (size_t i = c->levels_len; i > 0; i--) {
        const struct sq_capacity_level *l = &c->levels[i - 1];
        if (l->counted && l->grow == c->grow[search] && l->level == level &&
            l->outcome == outcome) {
            return l;
        }
    }
    return NULL;
}

const struct sq_capacity_level *sq_capacity_held(const struct sq_capacity *c, size_t search)
{
    const struct sq_search *s = &c->searches[search];
    return s->held ? trial_of(c, search, s->held, SQ_TRIAL_HELD) : NULL;
}

const struct sq_capacity_level *sq_capacity_limit(const struct sq_capacity *c, size_t search)
{
    const struct sq_search *s = &c->searches[search];
    if (s->failed != UINT64_MAX) {
        return trial_of(c, search, s->failed, SQ_TRIAL_FAILED);
    }
    return s->invalid == UINT64_MAX ? NULL : trial_of(c, search, s->invalid, SQ_TRIAL_INVALID);
}

const struct sq_capacity_level *sq_capacity_died_at(const struct sq_capacity *c)
{
    size_t alive = len_alive(c);
    return alive > 0 ? &c->levels[alive - 1] : NULL;
}

/* What was measured ends at what Squall itself can do, and not at what the service can. */
static bool is_own_limit(const struct sq_search *s)
{
    return s->invalid < s->failed && (s->failed == UINT64_MAX || s->held == 0);
}

static int exit_code(const struct sq_capacity *c)
{
    if (c->end == SQ_CAPACITY_INTERRUPTED) {
        return SQ_EXIT_INTERRUPTED;
    }
    if (c->end == SQ_CAPACITY_UNREACHED || c->searches_len == 0) {
        return SQ_EXIT_UNREACHED;
    }
    if (c->end == SQ_CAPACITY_NO_SAMPLE) {
        return SQ_EXIT_USAGE;
    }
    /* The last search is of users, where there are two. */
    const struct sq_search *s = &c->searches[c->searches_len - 1];
    const struct sq_capacity_level *held = sq_capacity_held(c, c->searches_len - 1);
    if (c->end == SQ_CAPACITY_GONE || c->end == SQ_CAPACITY_DIED) {
        return SQ_EXIT_EXPECTATION;
    }
    if (held && c->at_least > 0 && held->peers >= c->at_least) {
        return SQ_EXIT_HELD; /* however much more there may be */
    }
    if (is_own_limit(s)) {
        return SQ_EXIT_INVALID;
    }
    return held && c->at_least == 0 ? SQ_EXIT_HELD : SQ_EXIT_EXPECTATION;
}

void sq_capacity_close(struct sq_capacity *c)
{
    c->exit_code = exit_code(c);
}

/* ---- In words ---- */

void sq_capacity_amount(const struct sq_capacity_level *level, struct sq_buf *out)
{
    unsigned long long peers = (unsigned long long)level->peers;
    const char *s = peers == 1 ? "" : "s";
    if (level->grow == SQ_GROW_ROOMS) {
        sq_buf_printf(out, "%llu room%s, %llu peer%s", (unsigned long long)level->rooms,
                      level->rooms == 1 ? "" : "s", peers, s);
    } else {
        sq_buf_printf(out, "%llu peer%s", peers, s);
    }
}

static void put_count(const struct sq_search *s, uint64_t level, enum sq_trial_outcome outcome,
                      struct sq_buf *out)
{
    unsigned tried = sq_search_tried(s, level);
    unsigned n = sq_search_count(s, level, outcome);
    unsigned own = sq_search_count(s, level, SQ_TRIAL_INVALID);
    sq_buf_printf(out, " (%u of %u trial%s", n, tried, tried == 1 ? "" : "s");
    if (own > 0) { /* it says nothing of the service, for or against */
        sq_buf_printf(out, "; %u more at Squall's own limit", own);
    }
    sq_buf_puts(out, ")");
}

static void put_held(const struct sq_capacity *c, size_t search, struct sq_buf *out)
{
    const struct sq_search *s = &c->searches[search];
    const struct sq_capacity_level *held = sq_capacity_held(c, search);
    bool sure = sq_search_is_confirmed(s);
    if (!held) {
        sq_buf_puts(out, s->trials_len > 0 ? "No level held" : "No level was tried to its end");
        return;
    }
    sq_buf_puts(out, sure ? "" : "So far: ");
    switch (held->grow) {
    case SQ_GROW_ROOM:
        sq_buf_puts(out, sure ? "One room holds " : "one room held ");
        break;
    default:
        sq_buf_puts(out, sure ? "The service holds " : "the service held ");
        break;
    }
    sq_capacity_amount(held, out);
    put_count(s, s->held, SQ_TRIAL_HELD, out);
}

static void put_limit(const struct sq_capacity *c, size_t search, struct sq_buf *out)
{
    const struct sq_search *s = &c->searches[search];
    const struct sq_capacity_level *limit = sq_capacity_limit(c, search);
    if (!limit) {
        bool most = s->held == s->config.most;
        sq_buf_puts(out, most ? "; more was not to be tried (--most)" : "; its limit was not met");
        return;
    }
    if (limit->outcome == SQ_TRIAL_INVALID) {
        sq_buf_puts(out, "; from ");
        sq_capacity_amount(limit, out);
        sq_buf_puts(out, " on Squall itself was at its limit, so what the service can do beyond is "
                         "not known");
        return;
    }
    sq_buf_puts(out, "; it failed from ");
    sq_capacity_amount(limit, out);
    sq_buf_puts(out, " on");
    put_count(s, limit->level, SQ_TRIAL_FAILED, out);
    if (limit->network[0]) {
        sq_buf_printf(out, ", where %s", limit->network);
    }
    if (s->invalid < s->failed) {
        sq_buf_puts(out, "; between them, at ");
        sq_capacity_amount(trial_of(c, search, s->invalid, SQ_TRIAL_INVALID), out);
        sq_buf_puts(out, ", Squall itself was at its limit");
    }
}

/* "the service died: …", with the load and the time. */
static void put_death(const struct sq_capacity *c, struct sq_buf *out)
{
    const struct sq_capacity_level *last = sq_capacity_died_at(c);
    bool gone = c->end == SQ_CAPACITY_GONE;
    sq_buf_puts(out, gone ? ". The server's process is gone" : ". The service died");
    if (last) {
        sq_buf_puts(out, gone ? ": it ended at or after the trial of "
                              : ": nobody could connect any more after the trial of ");
        sq_capacity_amount(last, out);
    }
    if (c->died_s > 0) {
        sq_buf_printf(out, ", noticed %.0f s after the search began", c->died_s);
    }
}

void sq_capacity_answer(const struct sq_capacity *c, size_t search, struct sq_buf *out)
{
    const struct sq_search *s = &c->searches[search];
    bool dead = c->end == SQ_CAPACITY_GONE || c->end == SQ_CAPACITY_DIED;
    bool last = search + 1 == c->searches_len;
    put_held(c, search, out);
    put_limit(c, search, out);
    if (dead && last) {
        put_death(c, out);
    } else if (!sq_search_is_confirmed(s) && !s->done && c->end != SQ_CAPACITY_FOUND) {
        static const char *const ends[] = {"",
                                           "time ran out (--time-limit)",
                                           "interrupted",
                                           "no peer connected",
                                           "",
                                           "",
                                           "an expectation is about what is not measured here"};
        sq_buf_printf(out, ". The search did not end: %s", ends[c->end]);
    }
    sq_buf_puts(out, ".");
}

void sq_capacity_why(const struct sq_capacity_level *level, struct sq_buf *out)
{
    const char *sep = "";
    for (size_t i = 1; i < SQ_FAILURE_COUNT; i++) {
        if (level->failures[i] > 0) {
            sq_buf_printf(out, "%s%s: %llu of %llu peers", sep, sq_failure_name((enum sq_failure)i),
                          (unsigned long long)level->failures[i],
                          (unsigned long long)level->counts.started);
            sep = ", ";
        }
    }
    if (level->counts.pending > 0) {
        sq_buf_printf(out, "%s%llu still on their way in", sep,
                      (unsigned long long)level->counts.pending);
        sep = ", ";
    }
    if (level->example[0] && sep[0]) {
        sq_buf_printf(out, " (%s)", level->example);
    }
}

bool sq_capacity_is_refused(const struct sq_capacity_level *level)
{
    uint64_t refused = level->failures[SQ_FAILURE_SIGNALING] + level->failures[SQ_FAILURE_AUTH];
    return refused > 0 && refused == level->counts.failed && level->counts.pending == 0;
}

void sq_capacity_note_others(struct sq_capacity *c)
{
    for (size_t i = 0; i < c->searches_len; i++) {
        const struct sq_capacity_level *limit = sq_capacity_limit(c, i);
        if (limit && limit->outcome == SQ_TRIAL_FAILED && limit->others_percent > OTHERS_PERCENT &&
            !sq_capacity_is_refused(limit)) {
            sq_capacity_note(
                c,
                "While %llu peers failed, other programs used %.0f %% of a core on the "
                "server's cores: on a quiet machine the number may be higher.",
                (unsigned long long)limit->peers, limit->others_percent);
        }
    }
}

/* ---- Steady ---- */

static bool within(const double v[static SQ_STEADY_SECONDS], double share, double points)
{
    double low = INFINITY;
    double high = -INFINITY;
    double sum = 0;
    for (size_t i = 0; i < SQ_STEADY_SECONDS; i++) {
        if (isnan(v[i])) {
            continue; /* there is none of it */
        }
        low = fmin(low, v[i]);
        high = fmax(high, v[i]);
        sum += v[i];
    }
    double mean = sum / SQ_STEADY_SECONDS;
    return low > high ||
           (high - mean <= share * mean + points && mean - low <= share * mean + points);
}

bool sq_steady_second(struct sq_steady *s, const struct sq_timeline_row *row)
{
    size_t at = s->seen++ % SQ_STEADY_SECONDS;
    double kbps = 0;
    double loss = NAN;
    for (size_t i = 0; i < SQ_FLOW_COUNT; i++) {
        kbps += isnan(row->bitrate_kbps[i]) ? 0 : row->bitrate_kbps[i];
        loss = fmax(loss, row->loss_percent[i]); /* fmax leaves NAN out */
    }
    s->connected[at] = (double)row->connected;
    s->kbps[at] = kbps;
    s->fps[at] = row->fps_in;
    s->loss[at] = loss;
    return s->seen >= SQ_STEADY_SECONDS && within(s->connected, 0, 0) &&
           within(s->kbps, STEADY_SHARE, 0) && within(s->fps, STEADY_SHARE, 0) &&
           within(s->loss, 0, STEADY_LOSS_POINTS);
}
