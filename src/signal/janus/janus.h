/* Janus (https://janus.conf.meetecho.com/docs/rest.html) over its WebSocket transport, with the
 * plug-ins echotest and videoroom (multistream, Janus 1.x). One WebSocket a user, as real clients
 * have it. docs/adapters.md has the parameters and what becomes of which error. */
#ifndef SQ_SIGNAL_JANUS_H
#define SQ_SIGNAL_JANUS_H

#include "signal/signal.h"

extern const struct sq_signal_ops sq_signal_janus; /* janus+ws, janus+wss */

#endif
