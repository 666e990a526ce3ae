/* The server of a search, watched: its process here, its Prometheus end point, or the lab of our
 * own process. */
#ifndef SQ_CLI_CAPACITY_SERVER_H
#define SQ_CLI_CAPACITY_SERVER_H

#include "net/http.h"
#include "run/capacity.h"
#include "run/plan.h"
#include "run/server_load.h"

struct sq_lab;

/* Zeroed to begin with. */
struct sq_capacity_server {
    struct sq_loop *loop;
    const char *url;    /* nullable, borrowed */
    uint64_t pid;       /* 0: none */
    struct sq_lab *lab; /* nullable, borrowed */
    struct sq_http *request;
    struct sq_server_load load;
    struct sq_server_sample sample;
    double cores_first_s, cores_last_s; /* the server's cores; NAN: not known */
    double own_first_s, own_last_s;     /* Squall's own on them */
    bool holding;                       /* samples count */
    bool gone;                          /* the process is not there any more */
    bool answered;
    bool busy;           /* its process has used CPU */
    char children[320];  /* of a process that has not; "": it has none */
    uint64_t unanswered; /* requests of the end point */
    char why[256];
};

/* Asks once, and runs the loop until there is an answer. SQ_ERR_INVALID with a sentence: there is
 * no such process, or no such figures. */
int sq_capacity_server_start(struct sq_capacity_server *s, char *why, size_t why_room) SQ_MUST_USE;
/* All peers of a level are there: from now on samples count. */
void sq_capacity_server_hold(struct sq_capacity_server *s);
/* Once a second. */
void sq_capacity_server_second(struct sq_capacity_server *s);
/* Its process has ended. Looks, since a second may not be over yet. */
bool sq_capacity_server_is_gone(struct sq_capacity_server *s);
/* What was seen since sq_capacity_server_hold. */
void sq_capacity_server_read(struct sq_capacity_server *s, struct sq_capacity_level *level);
void sq_capacity_server_stop(struct sq_capacity_server *s);
/* How generator and server share this machine, where they do. */
void sq_capacity_server_note(const struct sq_capacity_server *s, const struct sq_plan *plan,
                             struct sq_capacity *c);

#endif
