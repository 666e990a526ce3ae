/* A recorded stream sent again with its own loss and timing: sequence numbers with their holes,
 * time-stamps and the intervals between packets are kept; payload type and SSRC become the
 * negotiated ones. */
#ifndef SQ_RUN_REPLAY_H
#define SQ_RUN_REPLAY_H

#include "base/err.h"
#include "media/codec.h"
#include "net/loop.h"
#include "peer/peer.h"
#include "run/result.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SQ_REPLAY_FILE_MAX    (1U << 30)
#define SQ_REPLAY_PACKETS_MAX 4000000
#define SQ_REPLAY_WHY_MAX     700
#define SQ_REPLAY_PTS         128 /* payload types */
#define SQ_REPLAY_TYPES_MAX   240 /* of a sentence that lists them */

/* What packets of a payload type are. */
struct sq_replay_type {
    enum sq_codec codec; /* that they carry; SQ_CODEC_NONE: nothing that is sent */
    bool red;            /* in blocks of RFC 2198, which tell their own type */
    uint8_t repairs;     /* RTX: the type that it sends again; else 0 */
    const char *name;    /* as in a=rtpmap, static; NULL: not known */
};

struct sq_replay_packet {
    uint64_t ns;            /* since the first packet that is sent */
    const uint8_t *payload; /* of the file */
    uint32_t ts;
    uint16_t seq, len;
    bool marker, video;
    bool key; /* of a key frame, as any packet of it tells */
};

/* One recorded stream. */
struct sq_replay_stream {
    enum sq_codec codec; /* SQ_CODEC_NONE: there is none of this kind */
    uint32_t ssrc;
    uint8_t pt;
    bool by_hand; /* the type's codec was given */
    uint16_t first_seq;
    uint32_t first_ts;
    uint64_t packets;
    uint64_t in_red;  /* of these: sent without it */
    uint64_t cut;     /* by the capture's snap length: as if they had been lost */
    uint64_t highest; /* number that came, from 0 at first_seq */
    uint64_t missing; /* holes in its numbers, but for those that were cut */
};

/* Bytes of a packet's payload; with header, extensions and SRTP a datagram holds no more. */
#define SQ_REPLAY_PAYLOAD_MAX (SQ_PEER_DATAGRAM_MAX - 76)

/* Read-only once opened: shared by all threads. */
struct sq_replay {
    uint8_t *bytes;                   /* owned: the file */
    struct sq_replay_packet *packets; /* owned, in the order of the file */
    size_t packets_len, packets_room;
    struct sq_replay_stream streams[2]; /* audio, video: the first of each */
    uint64_t duration_ns;
    struct sq_replay_type types[SQ_REPLAY_PTS];
    bool named[SQ_REPLAY_PTS];  /* types that the map told */
    bool inside[SQ_REPLAY_PTS]; /* types of blocks of RED */
    uint64_t left_out;          /* packets of other types and streams, and records without RTP */
    uint64_t not_rtp;           /* of these: records without RTP, or with a broken packet */
    uint64_t too_long; /* packets of these streams with more than SQ_REPLAY_PAYLOAD_MAX bytes: as if
                          they had been lost */
    uint64_t cut;    /* packets that the capture has cut short, of these streams or of none known */
    uint64_t frames; /* of the video, that a receiver could show: from a whole key frame on */
    uint32_t came[SQ_REPLAY_PTS];   /* packets of each payload type, of whatever stream */
    uint32_t unsent[SQ_REPLAY_PTS]; /* of these: that carry nothing that is sent */
    bool cut_off; /* the file ends within a record, or is damaged there: it is used so far */
};

/* `map` says what payload types are: "96=VP8,111=opus"; NULL or a type that is not in it: those of
 * Squall's own offers, which are Chromium's, with the static ones of RFC 3551. Takes the first
 * audio and the first video stream, out of RED (RFC 2198) where it is in that. `why` holds a
 * sentence on failure. SQ_ERR_IO, SQ_ERR_FORMAT, SQ_ERR_UNSUPPORTED, SQ_ERR_NOTFOUND (no RTP of a
 * known type or of one in the map, or all of it is cut), SQ_ERR_INVALID (the map), SQ_ERR_NOMEM. */
int sq_replay_open(const char *path, const char *map, struct sq_replay **ret_replay,
                   char why[static SQ_REPLAY_WHY_MAX]) SQ_MUST_USE;
void sq_replay_close(struct sq_replay *replay);
/* Whether there is something to measure where these kinds of it are sent: most packets of each are
 * whole, and its video can be shown. Else SQ_ERR_NOTFOUND, or SQ_ERR_FORMAT where the map names a
 * codec that the packets are not of, and `why` says what is amiss. */
int sq_replay_check(const struct sq_replay *replay, bool audio, bool video,
                    char why[static SQ_REPLAY_WHY_MAX]) SQ_MUST_USE;

/* Whether what is sent of it, where audio and video are wanted as told, is what it was recorded
 * for: not so where one of them is missing, and the larger part of its RTP is of payload types that
 * are not sent. RTX of a video that is there does not count. SQ_ERR_NOTFOUND, `why` names the
 * types. */
int sq_replay_is_enough(const struct sq_replay *replay, bool audio, bool video,
                        char why[static SQ_REPLAY_WHY_MAX]) SQ_MUST_USE;
/* Packets whose payload type is none that is sent: of unknown types alone, or of all (RTX, FEC,
 * telephone-event, …). */
uint64_t sq_replay_unsent(const struct sq_replay *replay, bool known);
/* These types with their counts, the most frequent first: "104 (1566 packets), 97 (rtx, 1 packet)".
 * Gives the most frequent one; SQ_REPLAY_PTS: there is none, and the text is empty. */
unsigned sq_replay_unsent_text(const struct sq_replay *replay, bool known,
                               char out[static SQ_REPLAY_TYPES_MAX]);

struct sq_replayer;

/* The last packet of a kind was sent; must not free the replayer. */
typedef void sq_replay_ended(void *ctx, enum sq_media_kind kind, uint64_t now_ns);

/* Begins on the peer's first tracks that may send; ends with the file. Borrows all. SQ_ERR_NOMEM;
 * SQ_ERR_UNSUPPORTED: another codec than the recorded one was agreed on. */
int sq_replayer_new(const struct sq_replay *replay, struct sq_loop *loop, struct sq_peer *peer,
                    sq_replay_ended *ended, void *ctx,
                    struct sq_replayer **ret_replayer) SQ_MUST_USE;
/* Whether packets of it are still to be sent: false where no track takes any. */
bool sq_replayer_sends(const struct sq_replayer *r);
/* Answers a NACK out of the file, see struct sq_peer_ops. */
bool sq_replayer_resend(const struct sq_replayer *r, uint32_t cookie, struct sq_rtp_out *ret_out);
void sq_replayer_free(struct sq_replayer *r); /* NULL is allowed */

#endif
