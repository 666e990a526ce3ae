#include "run/search.h"

#include <math.h>

void sq_search_init(struct sq_search *s, const struct sq_search_config *config)
{
    *s = (struct sq_search){.config = *config, .failed = UINT64_MAX, .invalid = UINT64_MAX};
}

static uint64_t least(const struct sq_search *s)
{
    return s->config.least > 0 ? s->config.least : 1;
}

/* Nothing from here on is tried again. */
static uint64_t bound(const struct sq_search *s)
{
    return s->failed < s->invalid ? s->failed : s->invalid;
}

/* What failed, or could not be tried, lies so near above what held that nothing is between. */
static bool is_narrow(const struct sq_search *s)
{
    if (s->held == s->config.most) {
        return true;
    }
    uint64_t above = bound(s);
    if (above == UINT64_MAX) {
        return false;
    }
    return above - s->held <= 1 ||
           (double)(above - s->held) <= s->config.resolution * (double)s->held;
}

/* How much more often it held than it failed. */
static int64_t balance(const struct sq_search *s, uint64_t level)
{
    return (int64_t)sq_search_count(s, level, SQ_TRIAL_HELD) -
           (int64_t)sq_search_count(s, level, SQ_TRIAL_FAILED);
}

static bool is_own(const struct sq_search *s, uint64_t level)
{
    return sq_search_count(s, level, SQ_TRIAL_INVALID) >
           s->config.invalid_again + sq_search_tried(s, level);
}

/* The level above which nothing is tried has failed often enough to be believed. */
static bool is_bound_sure(const struct sq_search *s)
{
    uint64_t above = bound(s);
    return above == UINT64_MAX || above == s->invalid ||
           balance(s, above) < -(int64_t)s->config.fail_again;
}

static bool is_held_sure(const struct sq_search *s)
{
    return s->held > 0 && balance(s, s->held) > (int64_t)s->config.confirms;
}

/* Nothing is left between what held and what did not. */
static bool is_at_edge(const struct sq_search *s)
{
    return s->held > 0 ? is_narrow(s) : bound(s) <= least(s);
}

/* The level of the last trial, where it held as often as it failed: there is no telling yet. */
static bool is_open(const struct sq_search *s, uint64_t *ret_level)
{
    if (s->trials_len == 0) {
        return false;
    }
    uint64_t last = s->trials[s->trials_len - 1].level;
    *ret_level = last;
    return balance(s, last) == 0 && !is_own(s, last);
}

bool sq_search_confirms(const struct sq_search *s)
{
    uint64_t at;
    return sq_search_next(s, &at) && sq_search_tried(s, at) > 0;
}

static uint64_t grown(const struct sq_search *s)
{
    double next = ceil((double)s->held * s->config.growth);
    return next < (double)s->config.most ? (uint64_t)next : s->config.most;
}

bool sq_search_next(const struct sq_search *s, uint64_t *ret_level)
{
    uint64_t above = bound(s);
    if (s->done) {
        return false;
    }
    if (is_open(s, ret_level)) {
        return true;
    }
    if (is_at_edge(s)) {
        *ret_level = is_bound_sure(s) ? s->held : above;
    } else if (s->held == 0) {
        uint64_t half = above / 2 > least(s) ? above / 2 : least(s); /* the first was too high */
        *ret_level = above == UINT64_MAX ? s->config.from : half;
    } else {
        *ret_level = above == UINT64_MAX ? grown(s) : s->held + (above - s->held) / 2;
    }
    return true;
}

/* What all trials together say. A level that held more often than not holds; nothing is said of
 * what lies above one that failed more often than not. */
static void sum_up(struct sq_search *s)
{
    s->held = 0;
    s->failed = s->invalid = UINT64_MAX;
    for (size_t i = 0; i < s->trials_len; i++) {
        uint64_t level = s->trials[i].level;
        if (balance(s, level) < 0 && level < s->failed) {
            s->failed = level;
        }
        if (is_own(s, level) && level < s->invalid) {
            s->invalid = level;
        }
    }
    for (size_t i = 0; i < s->trials_len; i++) {
        uint64_t level = s->trials[i].level;
        if (balance(s, level) > 0 && level > s->held && level < bound(s)) {
            s->held = level;
        }
    }
}

static bool is_found(const struct sq_search *s)
{
    return is_at_edge(s) && is_bound_sure(s) && (s->held == 0 || is_held_sure(s));
}

void sq_search_tell(struct sq_search *s, enum sq_trial_outcome outcome)
{
    uint64_t level;
    if (!sq_search_next(s, &level)) {
        return;
    }
    s->trials[s->trials_len] =
        (struct sq_trial){.level = level, .outcome = outcome, .confirms = sq_search_confirms(s)};
    s->trials_len++;
    sum_up(s);
    uint64_t open;
    s->done = s->trials_len == SQ_SEARCH_TRIALS_MAX || (!is_open(s, &open) && is_found(s));
}

void sq_search_forget(struct sq_search *s)
{
    if (s->trials_len > 0) {
        s->trials_len--;
        s->done = false;
        sum_up(s);
    }
}

bool sq_search_is_confirmed(const struct sq_search *s)
{
    return s->done && s->held > 0 && is_found(s);
}

unsigned sq_search_count(const struct sq_search *s, uint64_t level, enum sq_trial_outcome outcome)
{
    unsigned n = 0;
    for (size_t i = 0; i < s->trials_len; i++) {
        n += s->trials[i].level == level && s->trials[i].outcome == outcome;
    }
    return n;
}

unsigned sq_search_tried(const struct sq_search *s, uint64_t level)
{
    unsigned n = 0;
    for (size_t i = 0; i < s->trials_len; i++) {
        n += s->trials[i].level == level && s->trials[i].outcome != SQ_TRIAL_INVALID;
    }
    return n;
}
