/* RTP packets in files: rtpdump (of rtptools, the format that libwebrtc's video_replay reads) and
 * pcap with headers of IP and UDP made up around them, which Wireshark reads. Both are written here
 * and read again for `squall media replay`. No I/O. */
#ifndef SQ_MEDIA_MUX_RTPFILE_H
#define SQ_MEDIA_MUX_RTPFILE_H

#include "base/addr.h"
#include "base/err.h"
#include "media/mux/sink.h"
#include <stdbool.h>

#define SQ_RTPFILE_PACKET_MAX 65000

/* ---- Writing ---- */

/* "#!rtpplay1.0 ADDRESS/PORT\n" and the start time (wall clock, ns since 1970). */
void sq_rtpdump_head(const struct sq_mux_sink *sink, const struct sq_addr *from, uint64_t wall_ns);
/* A packet that came `ms` after the start. */
void sq_rtpdump_packet(const struct sq_mux_sink *sink, uint32_t ms, const uint8_t *rtp, size_t len);

/* Time-stamps in nanoseconds; link type raw IP (101). */
void sq_pcap_head(const struct sq_mux_sink *sink);
/* Both addresses of one family. */
void sq_pcap_packet(const struct sq_mux_sink *sink, uint64_t wall_ns, const struct sq_addr *from,
                    const struct sq_addr *to, const uint8_t *rtp, size_t len);

/* ---- Reading ---- */

struct sq_rtpfile_packet {
    uint64_t ns;        /* since the first packet of the file; may fall a little in a capture */
    const uint8_t *rtp; /* borrowed from the file's bytes */
    size_t len;         /* of what the file holds of it, 12 or more */
    bool cut;           /* by the capture's snap length: the packet was longer */
};

struct sq_rtpfile { /* plain data, the bytes are borrowed */
    const uint8_t *bytes;
    size_t len, at;
    bool rtpdump; /* else pcap */
    bool little_endian, nanoseconds;
    uint32_t link;
    bool started;
    uint64_t first_ns;
    uint64_t left_out; /* records that hold no RTP: RTCP, STUN, other protocols */
    uint64_t cut;      /* by the capture before it could be seen whether they are RTP */
};

/* Recognises the format by its first bytes: rtpdump, or pcap (either byte order, micro- or
 * nanoseconds; link types Ethernet, raw IP, Linux cooked v1 and v2, null). SQ_ERR_UNSUPPORTED for
 * another link type or for pcapng, SQ_ERR_FORMAT. */
int sq_rtpfile_open(struct sq_rtpfile *file, const uint8_t *bytes, size_t len) SQ_MUST_USE;
/* The next RTP packet: 0, SQ_ERR_CLOSED at the end, SQ_ERR_TRUNCATED where the file ends within a
 * record. */
int sq_rtpfile_next(struct sq_rtpfile *file, struct sq_rtpfile_packet *ret_packet) SQ_MUST_USE;

#endif
