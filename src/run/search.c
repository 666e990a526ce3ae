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

bool sq_search_confirms(const struct sq_search *s)
{
    return s->held > 0 && is_narrow(s);
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
    if (sq_search_confirms(s)) {
        *ret_level = s->held;
    } else if (s->held == 0) {
        uint64_t half = above / 2 > least(s) ? above / 2 : least(s); /* the first was too high */
        *ret_level = above == UINT64_MAX ? s->config.from : half;
    } else {
        *ret_level = above == UINT64_MAX ? grown(s) : s->held + (above - s->held) / 2;
    }
    return true;
}

/* The highest level below `level` that held and never failed. */
static uint64_t held_below(const struct sq_search *s, uint64_t level)
{
    uint64_t best = 0;
    for (size_t i = 0; i < s->trials_len; i++) {
        const struct sq_trial *t = &s->trials[i];
        if (t->outcome == SQ_TRIAL_HELD && t->level < level && t->level > best) {
            best = t->level;
        }
    }
    return best;
}

void sq_search_tell(struct sq_search *s, enum sq_trial_outcome outcome)
{
    uint64_t level;
    if (!sq_search_next(s, &level)) {
        return;
    }
    bool confirms = sq_search_confirms(s);
    s->trials[s->trials_len++] =
        (struct sq_trial){.level = level, .outcome = outcome, .confirms = confirms};
    if (outcome == SQ_TRIAL_HELD) {
        s->held = level;
        s->confirmed = confirms ? s->confirmed + 1 : 0;
    } else if (outcome == SQ_TRIAL_FAILED ||
               sq_search_count(s, level, SQ_TRIAL_INVALID) > s->config.invalid_again) {
        /* What held before and does not now is too much: the search goes on below. */
        uint64_t *lowest = outcome == SQ_TRIAL_FAILED ? &s->failed : &s->invalid;
        *lowest = level < *lowest ? level : *lowest;
        s->held = held_below(s, level);
        s->confirmed = 0;
    }
    s->done = (s->held == 0 && bound(s) <= least(s)) || s->trials_len == SQ_SEARCH_TRIALS_MAX ||
              (sq_search_confirms(s) && s->confirmed >= s->config.confirms);
}

bool sq_search_is_confirmed(const struct sq_search *s)
{
    return s->done && s->held > 0 && sq_search_confirms(s) && s->confirmed >= s->config.confirms;
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
        n += s->trials[i].level == level;
    }
    return n;
}
