/* The largest load that a service holds, found by trials: doubled until one fails, halved in
 * between until the two are near; then both are tried again, until the one has failed and the other
 * has held so much more often than not that neither was chance. A level that does not stand it is
 * taken for what it is, and the search goes on. Pure arithmetic: whoever searches makes the
 * trials. */
#ifndef SQ_RUN_SEARCH_H
#define SQ_RUN_SEARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SQ_SEARCH_TRIALS_MAX 200

enum sq_trial_outcome {
    SQ_TRIAL_HELD,
    SQ_TRIAL_FAILED,
    SQ_TRIAL_INVALID, /* the generator's own limit: says nothing about the service */
};

struct sq_trial {
    uint64_t level;
    enum sq_trial_outcome outcome;
    bool confirms; /* made to see whether what held holds again, or what failed fails again */
};

struct sq_search_config {
    uint64_t from, most;    /* the first level; none above this is tried */
    uint64_t least;         /* none below this makes sense (nobody is alone in a call); 0 is 1 */
    double growth;          /* from one level to the next until one fails; above 1 */
    double resolution;      /* the share by which what failed lies above what held, at the end */
    unsigned confirms;      /* how often the result has to hold again */
    unsigned fail_again;    /* how often what failed just above it has to fail again: a hiccup at a
                               low level is no limit */
    unsigned invalid_again; /* how often a level is tried again at which the generator was at its
                               limit, before that is believed: others on its machine may have been
                               in its way for a moment */
};

struct sq_search {
    struct sq_search_config config;
    struct sq_trial trials[SQ_SEARCH_TRIALS_MAX];
    size_t trials_len;
    uint64_t held;   /* the highest level that holds so far; 0: none */
    uint64_t failed; /* the lowest that did not, more often than it did; UINT64_MAX: none */
    uint64_t
        invalid; /* the lowest level at which the generator was at its limit; UINT64_MAX: none */
    bool done;
};

void sq_search_init(struct sq_search *s, const struct sq_search_config *config);
/* The level of the next trial; false: the search is over. */
bool sq_search_next(const struct sq_search *s, uint64_t *ret_level);
/* How the trial at the level that sq_search_next named went. */
void sq_search_tell(struct sq_search *s, enum sq_trial_outcome outcome);
/* Takes the last trial back, whatever it showed. */
void sq_search_forget(struct sq_search *s);
/* The result was confirmed as often as it was to be. Without it: nothing held, or trials ran out.
 */
bool sq_search_is_confirmed(const struct sq_search *s);
/* How often a level was tried with an outcome that is the service's, and how often with that one.
 */
unsigned sq_search_tried(const struct sq_search *s, uint64_t level);
unsigned sq_search_count(const struct sq_search *s, uint64_t level, enum sq_trial_outcome outcome);
/* The next trial is of a level that was tried: whether it holds, or fails, again. */
bool sq_search_confirms(const struct sq_search *s);

#endif
