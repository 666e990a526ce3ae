/* The generator watches itself: past one of these bounds a run says nothing about the service
 * (verdict invalid). */
#ifndef SQ_RUN_HEALTH_H
#define SQ_RUN_HEALTH_H

#include "run/plan.h"
#include "run/result.h"
#include "stats/hist.h"

#define SQ_HEALTH_TIMERS_MIN 200 /* with fewer timers fired, the bound of their p99 is wider: */
#define SQ_HEALTH_FEW_FACTOR 10  /* so many times */

/* A timer so late says that all of a thread stood still (a machine that was suspended, a process
 * that was stopped): a second at least, or so many times the bound of the p99. */
#define SQ_HEALTH_STANDSTILL_MS     1000
#define SQ_HEALTH_STANDSTILL_FACTOR 50

struct sq_health_input {
    const struct sq_plan *plan; /* the bounds */
    uint32_t threads;
    uint64_t datagrams_sent, datagrams_received;
    uint64_t send_errors, receive_drops;
    uint64_t starved; /* users for which this machine had no sockets, ports or memory */
    int starved_errno;
    uint64_t sent_messages, skipped_messages; /* on data channels; not sent: too late for them */
    const struct sq_hist *lateness;           /* generator.lateness, of all threads; nullable */
    /* Of the latest thread, which many others may outweigh; NULL: as above. */
    const struct sq_hist *worst_lateness;
    double script_ms;         /* how long scripts ran at a stretch at most, of all threads */
    const char *script_place; /* where: "room.lua:7"; NULL or "": not known */
    /* In so many they took half of a thread's core or more, of the thread with the most. */
    uint64_t script_seconds;
    const struct sq_timeline_row *timeline;
    size_t timeline_count;
};

/* Fills ret_health, its reason included. Busy counts the share of seconds: a thread near its whole
 * core in a tenth of all seconds or more has no reserve, whatever the average. A full core and
 * receive drops of a run with nothing but `--data max` are no reason, but a note. */
void sq_health_judge(const struct sq_health_input *input, struct sq_generator_health *ret_health);
/* Is this second's generator within its bounds? For the live view. */
bool sq_health_of_second(const struct sq_plan *plan, const struct sq_timeline_row *row);

#endif
