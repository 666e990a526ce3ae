/* Steps of a scenario: what a user does before it signs in, and once it is up. Each is read from
 * the file and checked here; the run does them (run/user_steps.c).
 *
 * A text may have values in it that are known only when its user comes there: ${peer.name},
 * ${user.COLUMN} and ${NAME}, which an earlier step takes out of an answer or waits for. Such a
 * place is kept as a mark: SQ_STEP_MARK, the name, SQ_STEP_MARK_END. */
#ifndef SQ_SCENARIO_STEPS_H
#define SQ_SCENARIO_STEPS_H

#include "base/err.h"
#include "base/time.h"
#include "scenario/yaml.h"
#include <regex.h>
#include <stdint.h>

#define SQ_STEP_MARK     '\x01'
#define SQ_STEP_MARK_END '\x02'

#define SQ_STEPS_MAX          256 /* of a group, before and once up, each */
#define SQ_STEP_HEADERS_MAX   16
#define SQ_STEP_TAKES_MAX     8
#define SQ_STEP_NAME_MAX      40 /* bytes of a name that steps give */
#define SQ_STEP_NAMES_MAX     64 /* values of a file */
#define SQ_STEP_FIGURES_MAX   32 /* timers; counters */
#define SQ_STEP_SET_UP_NAME   "before"
#define SQ_STEP_SET_UP_TIMER  0 /* of timers: how long steps before signing in take */
#define SQ_STEP_HTTP_BODY_MAX (1024 * 1024)
#define SQ_STEP_SOCKETS_MAX   4      /* WebSockets of a user at a time */
#define SQ_STEP_MATCHES_MAX   8      /* places of a message that are looked at */
#define SQ_STEP_MESSAGE_MAX   262144 /* bytes of one on a data channel: what browsers take */

#define SQ_STEP_ADD_MAX   1000000 /* that a step counts at once */
#define SQ_STEP_TIMES_MAX 1000000 /* a message */

enum sq_step_kind {
    SQ_STEP_HTTP,
    SQ_STEP_WAIT,
    SQ_STEP_WAIT_FOR,
    SQ_STEP_SET,
    SQ_STEP_MUTE,
    SQ_STEP_UNMUTE,
    SQ_STEP_NETWORK,
    SQ_STEP_RESTART_ICE,
    SQ_STEP_LEAVE,
    SQ_STEP_REJOIN,
    SQ_STEP_DTMF,
    SQ_STEP_TIMER,
    SQ_STEP_COUNT,
    SQ_STEP_EVENT,
    SQ_STEP_WEBSOCKET,
    SQ_STEP_DATA,
    SQ_STEP_ICE_SERVERS,
    SQ_STEP_SHARE,
    SQ_STEP_UNSHARE,
};

/* A value out of an answer. */
struct sq_step_take {
    const char *name;
    enum { SQ_STEP_TAKE_JSON, SQ_STEP_TAKE_REGEX, SQ_STEP_TAKE_HEADER } how;
    const char *what; /* a JSON pointer (RFC 6901), an expression with a group, a header's name */
    regex_t regex;
};

struct sq_step_http {
    const char *method, *url;
    const char *headers[SQ_STEP_HEADERS_MAX + 2]; /* "Name: value"; NULL at the end */
    size_t headers_len;
    const char *body; /* NULL: none */
    bool json;        /* the body is JSON: what is put into it is escaped */
    int status_least, status_most;
    uint64_t timeout_ns; /* 0: as for each answer of the signalling */
    struct sq_step_take takes[SQ_STEP_TAKES_MAX];
    size_t takes_len;
};

/* Which message is waited for; others are passed over. Neither: any. */
struct sq_step_match {
    const char *pattern; /* of `regex`; NULL: none */
    regex_t regex;
    struct {
        const char *pointer, *value; /* what has to be there, as taken values are written */
    } at[SQ_STEP_MATCHES_MAX];
    size_t at_len; /* all of them */
};

/* Messages out and in: of a WebSocket, of a data channel. What is there is done in this order:
 * connect, send, expect, close. */
struct sq_step_talk {
    const char *name;              /* of the WebSocket; of a data channel its label, NULL: the
                                      peer's own */
    size_t number;                 /* the WebSocket's */
    const char *url, *subprotocol; /* to connect to; NULL: nothing */
    const char *headers[SQ_STEP_HEADERS_MAX + 2]; /* as of a request */
    size_t headers_len;
    const char *send; /* NULL: nothing, or `made_bytes` of them */
    size_t made_bytes;
    bool json; /* what is put into it is escaped */
    bool hex;  /* it is binary, written in hexadecimal digits */
    bool expects, closes;
    uint64_t times;
    double rate_per_s; /* 0: as fast as they go out */
    struct sq_step_match match;
    struct sq_step_take takes[SQ_STEP_TAKES_MAX];
    size_t takes_len;
    uint64_t timeout_ns; /* of the whole step; 0: as for each answer of the signalling */
};

struct sq_step {
    enum sq_step_kind kind;
    struct sq_yaml_place at;
    const char *words;          /* what it does, for people: "http POST https://host/token" */
    struct sq_step_http *http;  /* owned; NULL but in SQ_STEP_HTTP */
    struct sq_step_talk *talk;  /* owned; NULL but in SQ_STEP_WEBSOCKET and SQ_STEP_DATA */
    const char *name, *value;   /* of what is set, waited for, timed, counted or told; of dtmf; the
                                   clip that is shared; value: ICE servers as W3C has them */
    bool json;                  /* the value is JSON: what is put into it is escaped */
    bool whole_test;            /* a value of all rooms, not of the peer's own */
    bool start;                 /* a timer: starts, or else stops */
    bool audio, video;          /* that are muted */
    size_t figure;              /* the timer's, the counter's number */
    uint64_t add;               /* to the counter */
    uint64_t least_ns, most_ns; /* to wait; wait_for: most */
};

struct sq_steps {
    const char *file, *phase; /* "before", "steps": for messages */
    struct sq_step *items;    /* owned */
    size_t n;
};

/* Names of timers, counters and events, each once. */
struct sq_step_figures {
    const char *events[SQ_STEP_FIGURES_MAX];
    size_t events_len;
    const char *timers[SQ_STEP_FIGURES_MAX], *counters[SQ_STEP_FIGURES_MAX];
    size_t timers_len, counters_len;
    const char *sockets[SQ_STEP_SOCKETS_MAX]; /* WebSockets */
    size_t sockets_len;
};

/* The text has a mark. NULL is none. */
bool sq_step_asks(const char *text);
/* The next mark's name at or behind *at, which moves behind it: 0, or SQ_ERR_NOTFOUND. */
int sq_step_next_mark(const char **at, char ret_name[static SQ_STEP_NAME_MAX + 8]);
/* A name that stands for something of each peer: ${peer.name}, ${peer.number}, ${peer.room}. */
bool sq_step_is_of_peer(const char *name);
void sq_steps_free(struct sq_steps *steps);

#endif
