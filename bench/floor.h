/* The floor: what N peers cost when there is nothing but sockets, SRTP and media. No ICE, DTLS,
 * RTCP, statistics or sequence check; what Squall spends above it is its own. Shared by floor*.c.
 */
#ifndef SQ_BENCH_FLOOR_H
#define SQ_BENCH_FLOOR_H

#include "base/err.h"
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FLOOR_RTP_HEADER       12   /* RFC 3550, section 5.1, without CSRC */
#define FLOOR_TAG_MAX          16   /* AES-GCM; HMAC-SHA1-80 has 10 */
#define FLOOR_ROC_BYTES        4    /* RFC 3711, section 4.2: authenticated, not sent */
#define FLOOR_PACKET_MAX       1280 /* header, payload, tag */
#define FLOOR_AUDIO_PAYLOAD    100
#define FLOOR_FEEDBACK_PAYLOAD 40 /* of transport-wide feedback on some 20 packets */
#define FLOOR_VIDEO_PAYLOAD    1180
#define FLOOR_BATCH            64

struct floor_srtp;         /* the library's state, one a process */
struct floor_srtp_session; /* keys of one peer and direction */

struct floor_packet {
    const struct floor_srtp_session *session; /* borrowed */
    uint8_t *bytes;                           /* borrowed, FLOOR_PACKET_MAX of room */
    size_t len;                               /* in and out */
    bool ok;                                  /* unprotect: the tag was right */
};

/* cm: AES-CM and HMAC-SHA1-80 in place of AES-128-GCM. Owned by the caller. */
int floor_srtp_new(bool cm, struct floor_srtp **ret_srtp) SQ_MUST_USE;
void floor_srtp_free(struct floor_srtp *srtp);
/* Random keys. `twin` (nullable): the same keys, at an address of their own. */
int floor_srtp_session_new(struct floor_srtp *srtp, const struct floor_srtp_session *twin,
                           struct floor_srtp_session **ret_session) SQ_MUST_USE;
void floor_srtp_session_free(struct floor_srtp_session *session);
/* In place, at most FLOOR_BATCH packets. */
void floor_srtp_protect(struct floor_srtp *srtp, struct floor_packet *packets, size_t n);
void floor_srtp_unprotect(struct floor_srtp *srtp, struct floor_packet *packets, size_t n);

/* Forks a process pinned to `cpu` that sends every datagram back to where it came from, until its
 * parent ends. The parent gets its pid and address. */
int floor_reflector_start(int cpu, int *ret_pid, struct sockaddr_in *ret_addr) SQ_MUST_USE;
int floor_pin(int cpu) SQ_MUST_USE;

#endif
