/* How much a service holds: what the levels of a search were, what they showed, and what follows.
 * Whoever searches makes the trials; here is nothing of sockets and threads. Texts are cut at their
 * arrays; numbers that are not known are NAN. */
#ifndef SQ_RUN_CAPACITY_H
#define SQ_RUN_CAPACITY_H

#include "base/str.h"
#include "run/expect.h"
#include "run/result.h"
#include "run/search.h"

#define SQ_CAPACITY_SCHEMA     1 /* of capacity.json */
#define SQ_CAPACITY_SEARCHES   2
#define SQ_CAPACITY_LEVELS_MAX (SQ_CAPACITY_SEARCHES * SQ_SEARCH_TRIALS_MAX)
#define SQ_CAPACITY_BROKE_MAX  4
#define SQ_CAPACITY_NOTES_MAX  8
#define SQ_STEADY_SECONDS      4 /* so long figures have stayed within their bounds */

/* What grows. */
enum sq_grow {
    SQ_GROW_PEERS, /* as the plan distributes them */
    SQ_GROW_ROOM,  /* one room */
    SQ_GROW_ROOMS, /* rooms of a size */
};

/* An expectation that did not hold at a level. */
struct sq_capacity_broke {
    double value;
    char expr[256], unit[24];
    char found[256]; /* a sentence; "" */
    char who[256];   /* "role viewer (40 % of peers), not host"; "": all alike, or not known */
};

/* A trial. */
struct sq_capacity_level {
    uint64_t level, peers, rooms; /* of what grows; in peers; rooms 0: there are none of a size */
    double wait_s, held_s;        /* until all were there; from then to the end */
    double score, setup_p95_ms, loss_percent, fps, in_kbps; /* loss: of video, or else of audio */
    double lateness_p99_ms, cpu_percent;                    /* of the generator */
    double server_cpu_percent, server_rss_bytes;            /* 100: a core */
    double others_percent; /* the same, of other programs on the server's cores */
    struct sq_peer_counts counts;
    uint64_t connected; /* peers that ever were */
    uint64_t failures[SQ_FAILURE_COUNT];
    struct sq_capacity_broke broke[SQ_CAPACITY_BROKE_MAX];
    size_t broke_len;
    enum sq_grow grow;
    enum sq_trial_outcome outcome;
    bool confirms, steady;
    bool counted;   /* among the search's trials; not: a probe, or the service died within it */
    bool probes;    /* made to see whether the service is there at all; not of the search */
    bool no_sample; /* all peers came through, and yet an expectation has nothing to be judged by */
    char dir[64];   /* of its results, within those of the search */
    char reason[840];
    char example[256]; /* of a failure; "" */
    char network[400]; /* its peers' networks, and what those lost (sq_result_network_note); "" */
};

/* Why a search ended. */
enum sq_capacity_end {
    SQ_CAPACITY_FOUND, /* or found that nothing holds: its search is done */
    SQ_CAPACITY_TIME,
    SQ_CAPACITY_INTERRUPTED,
    SQ_CAPACITY_UNREACHED, /* no peer ever connected, and so nothing was measured */
    SQ_CAPACITY_GONE,      /* the server's process ended */
    SQ_CAPACITY_DIED,      /* nobody could connect any more, where peers had before */
    SQ_CAPACITY_NO_SAMPLE, /* an expectation is about what is not measured here */
};

struct sq_capacity {
    struct sq_search searches[SQ_CAPACITY_SEARCHES];
    enum sq_grow grow[SQ_CAPACITY_SEARCHES];
    size_t searches_len; /* begun */
    struct sq_capacity_level levels[SQ_CAPACITY_LEVELS_MAX];
    size_t levels_len;
    uint64_t at_least, room_size; /* peers, 0: whatever; 0: no rooms of one size */
    double duration_s;
    double died_s; /* since the search began, when the service was found dead; else 0 */
    enum sq_capacity_end end;
    int exit_code; /* set by sq_capacity_close */
    char notes[SQ_CAPACITY_NOTES_MAX][512];
    size_t notes_len;
};

enum sq_trial_told {
    SQ_TRIAL_TOLD, /* the level's outcome counts */
    SQ_TRIAL_LAST, /* it counts, and the search is ended for c->end, which the trial has set */
    SQ_TRIAL_STOP, /* the level does not count; ended for c->end, which the trial has set */
};

/* Makes a trial of a level (with `grow`, `level`, `confirms` and `probes` set) and fills in the
 * rest. A negative error ends the search. */
typedef int (*sq_trial_fn)(void *ctx, struct sq_capacity_level *level);

/* Searches: c->levels and the next of c->searches are filled. 0, also when a trial ended it early;
 * or the trial's error. A trial to which nobody at all connected, though peers did before, is
 * followed by one of the least level at which they did: where nobody connects there either, the
 * service has died, and the search is ended (SQ_CAPACITY_DIED). */
int sq_capacity_search(struct sq_capacity *c, enum sq_grow grow,
                       const struct sq_search_config *config, sq_trial_fn trial,
                       void *ctx) SQ_MUST_USE;
/* After all searches: the exit code. */
void sq_capacity_close(struct sq_capacity *c);
/* What a level's result, which has been judged by these expectations, shows: figures, outcome, what
 * broke and for whom. */
int sq_capacity_read(struct sq_capacity_level *level, struct sq_expect *const *expectations,
                     size_t n, const struct sq_result *result) SQ_MUST_USE;
/* The lowest level above what held at which the service failed, or, where it never did, the
 * generator was at its limit: the last trial of it that counts, which says why. NULL: none. */
const struct sq_capacity_level *sq_capacity_limit(const struct sq_capacity *c, size_t search);
/* The last trial to which anybody connected: the load at which the service died. NULL: none. */
const struct sq_capacity_level *sq_capacity_died_at(const struct sq_capacity *c);
/* The last trial that counts of the level that held; NULL: none held. */
const struct sq_capacity_level *sq_capacity_held(const struct sq_capacity *c, size_t search);
/* Why the level did not hold: the sentence on its failures by cause. */
void sq_capacity_why(const struct sq_capacity_level *level, struct sq_buf *out);
/* Who failed at the level was turned away by the server's own word (causes signaling and auth): a
 * machine that is busy with other things is no reason for that. */
bool sq_capacity_is_refused(const struct sq_capacity_level *level);
/* Notes where the service failed while other programs used its cores, and did not just say no: what
 * they took, it could not give. */
void sq_capacity_note_others(struct sq_capacity *c);
/* The answer of a search in words for everybody. */
void sq_capacity_answer(const struct sq_capacity *c, size_t search, struct sq_buf *out);
/* "ROOMS rooms, PEERS peers" and the like. */
void sq_capacity_amount(const struct sq_capacity_level *level, struct sq_buf *out);
void sq_capacity_note(struct sq_capacity *c, const char *fmt, ...) SQ_PRINTF(2, 3);
const char *sq_grow_name(enum sq_grow grow);              /* "peers", "room", "rooms" */
const char *sq_trial_name(enum sq_trial_outcome outcome); /* "held", "failed", "invalid" */
const char *sq_capacity_end_name(enum sq_capacity_end end);

/* Whether a level's figures have settled. Zeroed to begin with. */
struct sq_steady {
    double connected[SQ_STEADY_SECONDS], kbps[SQ_STEADY_SECONDS], fps[SQ_STEADY_SECONDS],
        loss[SQ_STEADY_SECONDS];
    size_t seen;
};

/* A second, once all peers are there. True: of the last SQ_STEADY_SECONDS the rate and the frames
 * are within 10 % of their mean, loss within a point of it, and the same number of peers is
 * connected. */
bool sq_steady_second(struct sq_steady *s, const struct sq_timeline_row *row);

#endif
