/* A JSEP machine and what others wrote. */
#ifndef SQ_TESTS_PEER_SDP_JSEP_FIXTURES_H
#define SQ_TESTS_PEER_SDP_JSEP_FIXTURES_H

#include "peer/sdp/fixtures.h"
#include "peer/sdp/jsep_pair.h"

static inline void add_av(struct end *e)
{
    (void)end_add(e, SQ_JSEP_AUDIO, SQ_SDP_SENDRECV, 1);
    (void)end_add(e, SQ_JSEP_VIDEO, SQ_SDP_SENDRECV, 2);
}

/* Answers the fixture; the answer is to be freed. */
static inline char *answer_to(struct end *e, const char *name, struct sq_jsep_result *ret_result)
{
    char *offer = fixture(name, NULL);
    *ret_result = remote(e, SQ_JSEP_OFFER, offer);
    sq_free(offer);
    return local_answer(e);
}

#endif
