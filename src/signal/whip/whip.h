/* WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep): an offer by HTTP POST, candidates and restarts
 * by PATCH, the end by DELETE. One code serves both: they differ in who sends. docs/adapters.md has
 * the parameters and what becomes of which error. */
#ifndef SQ_SIGNAL_WHIP_H
#define SQ_SIGNAL_WHIP_H

#include "signal/signal.h"

extern const struct sq_signal_ops sq_signal_whip; /* whip+http, whip+https */
extern const struct sq_signal_ops sq_signal_whep; /* whep+http, whep+https */

#endif
