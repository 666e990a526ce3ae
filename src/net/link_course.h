/* How a network changes while a peer is in it.
 *
 *   COURSE = NETWORK { "," TIME ":" CHANGE } [ "," TIME ":" "again" ]
 *   TIME   = ["run"] DURATION
 *   CHANGE = NETWORK | SETTING { "," SETTING } | "down" [DURATION] | "up"
 *
 *   "wifi, 20s: Poor 4G, 40s: wifi"          "rate=2M, 30s: loss=10%, 45s: firewall=https"
 *   "wifi, 20s: down 3s"                     "wifi, run 60s: down 5s"
 *
 * Times count from the peer's start, so that each peer's call goes the same way whenever it came;
 * with "run" before them, from the run's, so that all peers meet the change at once. A network's
 * name puts it in the place of the one before; settings alone change what they name, and the rest
 * stays. In "down" everything is lost; the next change ends it, "up" (which changes nothing else)
 * or the end of its DURATION. "again" goes back to the beginning, with the times counted from
 * there. */
#ifndef SQ_NET_LINK_COURSE_H
#define SQ_NET_LINK_COURSE_H

#include "net/link.h"

#define SQ_LINK_COURSE_MAX_NS (7 * 24 * 3600 * SQ_NS_PER_SEC) /* of a time in one */

struct sq_link_change {
    uint64_t at_ns; /* from the course's beginning */
    struct sq_link_config config;
    char text[48]; /* what it was given as: "Poor 4G" */
};

struct sq_link_course {
    size_t n;          /* of its changes; 0: the network stays as it is */
    uint64_t again_ns; /* when it begins anew; 0: it does not */
    bool of_run;       /* times count from the run's start, and not from the peer's */
};

/* What it begins with into *ret_first, and what follows into `changes`, which has room for so many.
 * SQ_ERR_FORMAT and a sentence that says what was expected; then nothing was written but parts of
 * `changes`. */
int sq_link_course_parse(const char *text, struct sq_link_config *ret_first,
                         struct sq_link_course *ret_course, struct sq_link_change *changes,
                         size_t room, char *ret_why, size_t size) SQ_MUST_USE;
/* The change that holds so long after the beginning; NULL: what it began with. *ret_next_ns: how
 * long after the beginning the next comes; SQ_NEVER. */
const struct sq_link_change *sq_link_course_at(const struct sq_link_course *course,
                                               const struct sq_link_change *changes,
                                               uint64_t elapsed_ns, uint64_t *ret_next_ns);

#endif
