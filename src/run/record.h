/* Recording: what a peer receives (and sends, on request) into files that ordinary tools play. One
 * recorder a peer, in its shard's thread; the files are written by a thread of their own
 * (run/filewriter.h). */
#ifndef SQ_RUN_RECORD_H
#define SQ_RUN_RECORD_H

#include "base/addr.h"
#include "peer/peer.h"
#include "peer/rtp/rtp.h"
#include "run/filewriter.h"
#include "run/result.h"
#include <stdatomic.h>
#include <stdbool.h>

/* In the results directory, and the names of its files, as a regular expression (POSIX, extended).
 */
#define SQ_RECORD_DIR "record"
#define SQ_RECORD_NAMES                                                                            \
    SQ_RUN_PEER_NAMES "(-.*)?(\\.pcap|-(in|out)-[0-9]+\\.(webm|mkv|ogg|wav)"                       \
                      "|-(in|out)-(audio|video)-[0-9]+\\.rtpdump)"

#define SQ_RECORD_STREAMS_MAX 32 /* of a peer, both ways; others are left out */

enum sq_record_format {
    SQ_RECORD_MEDIA =
        1, /* WebM (Matroska for H.264) with picture and sound; sound alone as Ogg or WAV */
    SQ_RECORD_OGG = 2,     /* each audio stream by itself: Opus as Ogg, others as WAV */
    SQ_RECORD_RTPDUMP = 4, /* each stream's packets, decrypted, as rtptools have them */
    SQ_RECORD_PCAP = 8, /* all packets of the peer, decrypted, with headers made up around them */
};

/* Packets of those who were recorded, whatever became of them: added up as each recorder ends, by
 * any thread. */
struct sq_record_seen {
    atomic_ullong audio_in, video_in, out; /* out: where what is sent is recorded */
};

/* For a run; borrowed by its recorders. */
struct sq_record_plan {
    uint64_t peers; /* the first so many users are recorded; 0: nobody */
    unsigned formats;
    bool sent;       /* what is sent, too */
    const char *dir; /* exists */
    struct sq_filewriter *writer;
    struct sq_record_seen *seen; /* NULL: nobody asks */
};

extern const char *const sq_record_format_names[]; /* in the order of their bits; NULL ends them */
/* "webm,ogg,rtpdump,pcap" into bits. SQ_ERR_FORMAT. */
int sq_record_formats(const char *text, unsigned *ret_formats) SQ_MUST_USE;

struct sq_recorder;

/* `name` begins the files' names; copied. `wall_offset_ns`: wall clock minus the peer's.
 * SQ_ERR_NOMEM. */
int sq_recorder_new(const struct sq_record_plan *plan, const char *name, int64_t wall_offset_ns,
                    struct sq_recorder **ret_recorder) SQ_MUST_USE;
/* Where its packets go; for pcap and rtpdump, before the first packet and whenever it changes. */
void sq_recorder_set_pair(struct sq_recorder *r, const struct sq_addr *local,
                          const struct sq_addr *remote);
/* Packets as struct sq_peer_ops tells them. */
void sq_recorder_received(struct sq_recorder *r, struct sq_peer *peer, struct sq_track *track,
                          const struct sq_rtp_packet *packet, uint64_t now_ns);
void sq_recorder_sent(struct sq_recorder *r, struct sq_peer *peer, struct sq_track *track,
                      const uint8_t *rtp, size_t len, uint64_t now_ns);
/* Once a second. */
void sq_recorder_tick(struct sq_recorder *r);
/* Ends its files. NULL is allowed. */
void sq_recorder_free(struct sq_recorder *r);

#endif
