/* Memory of a peer fetched into the cache before its turn. A thread has thousands of peers, whose
 * memory is in no cache when a packet or a time-out comes; what they read lies behind pointers, so
 * that it can only be fetched step by step, each while another peer is at work. Nothing but time
 * changes by it.
 */
#ifndef SQ_PEER_AHEAD_H
#define SQ_PEER_AHEAD_H

#include <stddef.h>
#include <stdint.h>

struct sq_peer;

/* For sq_peer_on_timeout: steps 0, 1 and 2, some work apart; the peer itself (the first 128 bytes
 * of it) is fetched before. */
void sq_peer_fetch_timeout(const void *of, unsigned step);
/* For a packet of media that was received, before it is delivered: steps 0 to 3, with the track of
 * the packet before. */
#define SQ_PEER_AHEAD_PACKET_STEPS 4
void sq_peer_fetch_packet(const struct sq_peer *peer, unsigned step);

#endif
