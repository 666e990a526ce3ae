/* Which peers to look at first. */
#ifndef SQ_RUN_WORST_H
#define SQ_RUN_WORST_H

#include "run/result.h"

/* How bad it was for the user of a peer that connected: the more the worse, 0 for one with nothing
 * to complain of. The one place that decides it: for the stories that are kept while a run goes on,
 * and for the list in the report. */
double sq_peer_badness(const struct sq_peer_row *peer);

#endif
