/* A signalling adapter without a network: each user's offer is answered by an endpoint of the same
 * process, on the same loop. A script says how the service behaves towards each user. */
#ifndef SQ_TESTS_RUN_FAKE_SIGNAL_H
#define SQ_TESTS_RUN_FAKE_SIGNAL_H

#include "signal/signal.h"

enum fake_how {
    FAKE_WELL,
    FAKE_CANNOT_OPEN,       /* open() itself fails */
    FAKE_EXHAUSTED,         /* failed() from within open(): this machine has no sockets */
    FAKE_REFUSED_AT_ONCE,   /* failed() from within open(): auth */
    FAKE_REFUSED,           /* failed() later: signaling */
    FAKE_SILENT,            /* no answer ever */
    FAKE_STOPPED,           /* the same, and its request was one by HTTP to FAKE_STOPPED_PORT */
    FAKE_NOBODY_THERE,      /* answers with the address of a closed port: ice */
    FAKE_WRONG_CERTIFICATE, /* the answer's fingerprint is another one: dtls */
    FAKE_EMPTY_ROOM,        /* signs in, and is given no peer to connect to */
    FAKE_NO_VIDEO,          /* agrees on audio and video and sends audio only */
    FAKE_NO_RED,            /* takes neither RED nor any FEC */
    FAKE_NO_DTMF,           /* takes no telephone-event */
    FAKE_NO_MEDIA,          /* connects, promises media and sends none */
    FAKE_DROPS,             /* failed() once the user is up: connect */
    FAKE_HANGS_UP,          /* closes the connection alone, and goes on speaking of it */
    FAKE_HANGS_UP_MUTE,     /* the same, and leave() gets no answer */
    FAKE_STANDS,            /* its picture stands still, and then it ends it in good order */
    FAKE_NEVER_LEFT,        /* leave() gets no answer */
    FAKE_FALLS_SILENT,   /* sends nothing any more 1.5 s after the user is up, and the user passes
                            the mark "silent" */
    FAKE_LOSES_PICTURE,  /* sends no video any more soon after the user is up; the rest stays */
    FAKE_TAKES_NO_VIDEO, /* the answer's m=video has port 0 */
    FAKE_TAKES_NO_AUDIO, /* … m=audio */
    FAKE_TAKES_NOTHING,  /* all of them have */
    FAKE_WANTS_NO_VIDEO, /* … a=sendonly: it sends video, and receives none */
    FAKE_TELLS_NO_LIMIT, /* the answer has no a=max-message-size */
    FAKE_TAKES_100000,   /* … says that many bytes */
    FAKE_LIMITS_LATER,   /* FAKE_LATER_NS on it says so in an offer */
    FAKE_COMPANY_LATER, /* takes what the user sends; FAKE_LATER_NS on it offers what others send */
    FAKE_PEER_LATER,    /* signs in, and only FAKE_LATER_NS on gives it a peer to connect to */
};

#define FAKE_STOPPED_PORT 8841
#define FAKE_LATER_NS     (400 * SQ_NS_PER_MS)
#define FAKE_TIMED_MAX    64

/* Before a run: `how` is asked for each user's index, from several threads; NULL: all well. */
void fake_begin(enum fake_how (*how)(uint64_t index));
/* Sessions opened and not yet destroyed; sessions that were told to leave. */
unsigned fake_sessions(void);
unsigned fake_leaves(void);
/* Sessions that were destroyed before they could answer that they are left. */
unsigned fake_cut_short(void);
/* By the service's own clock, of the first users: from when the user was connected and had been
 * offered media until it heard the first of them. NAN: it never did. */
double fake_media_ms(uint64_t index);

extern const struct sq_signal_ops fake_signal;

#endif
