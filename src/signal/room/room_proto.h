/* The room protocol: JSON messages over a WebSocket (sub-protocol "squall-room"), between a client
 * and the lab. The server always offers, so offers never meet. docs/room-protocol.md has it whole.
 *
 * Hostile text is met with a sentence; every part has its stated maximum. */
#ifndef SQ_SIGNAL_ROOM_PROTO_H
#define SQ_SIGNAL_ROOM_PROTO_H

#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SQ_ROOM_SUBPROTOCOL   "squall-room"
#define SQ_ROOM_MESSAGE_MAX   (512 * 1024) /* bytes of a message */
#define SQ_ROOM_SDP_MAX       (256 * 1024) /* as SQ_SDP_TEXT_MAX_BYTES */
#define SQ_ROOM_NAME_MAX      64           /* bytes of a room's, person's or identity's name */
#define SQ_ROOM_TOKEN_MAX     4096
#define SQ_ROOM_CANDIDATE_MAX 1024
#define SQ_ROOM_TEXT_MAX      256
#define SQ_ROOM_TRACKS_MAX    64
#define SQ_ROOM_WHY_MAX       200 /* bytes of an error sentence with its NUL */

enum sq_room_type {
    SQ_ROOM_JOIN,      /* client: room, name, token, publishes, subscribe */
    SQ_ROOM_JOINED,    /* server: id */
    SQ_ROOM_OFFER,     /* server: sdp, seq, tracks */
    SQ_ROOM_ANSWER,    /* client: sdp, seq of the offer */
    SQ_ROOM_CANDIDATE, /* both: candidate, "" ends them */
    SQ_ROOM_RESTART,   /* client: asks for an offer that restarts ICE */
    SQ_ROOM_LEAVE,     /* client */
    SQ_ROOM_LEFT,      /* server: the end, in good order */
    SQ_ROOM_ERROR,     /* server: code, text; the connection is closed after it */
    SQ_ROOM_TYPES
};

/* Whose track a section of an offer carries. */
struct sq_room_track {
    const char *mid;
    const char *id;   /* of the participant who publishes it */
    const char *name; /* its name */
};

/* A message. Texts are never NULL in a parsed one ("" where the message has none) and live as long
 * as it does; in one to be written NULL is "". */
struct sq_room_msg {
    enum sq_room_type type;
    const char *room, *name, *token;
    bool publish_audio, publish_video, publish_data, subscribe;
    bool simulcast;       /* the video that it publishes has layers */
    unsigned layer_limit; /* "layer" plus 1; 0: not told */
    const char *id;
    const char *sdp;
    uint32_t seq;
    const char *candidate;
    const char *code; /* one of SQ_ROOM_CODE_… */
    const char *text; /* a sentence */
    const struct sq_room_track *tracks;
    size_t tracks_len;
    void *store;                      /* of a parsed message: what the texts live in */
    struct sq_room_track *own_tracks; /* the same for tracks */
};

#define SQ_ROOM_CODE_AUTH     "auth"     /* the token is missing or wrong */
#define SQ_ROOM_CODE_PROTOCOL "protocol" /* a message that makes no sense here */
#define SQ_ROOM_CODE_FULL     "full"
#define SQ_ROOM_CODE_MEDIA    "media" /* the description was refused, or ICE or DTLS failed */
#define SQ_ROOM_CODE_TIMEOUT  "timeout"
#define SQ_ROOM_CODE_INTERNAL "internal" /* no memory, no sockets */
#define SQ_ROOM_CODE_GOING    "going"    /* the server stops */

/* "join", "joined", … as on the wire. */
const char *sq_room_type_name(enum sq_room_type type);

/* Parses `len` bytes. SQ_ERR_FORMAT (`why` has a sentence that names the field and what was
 * expected), SQ_ERR_NOMEM. Fields that it does not know are skipped; an unknown type is
 * SQ_ERR_UNSUPPORTED. */
int sq_room_parse(const char *text, size_t len, struct sq_room_msg *ret_msg,
                  char why[static SQ_ROOM_WHY_MAX]) SQ_MUST_USE;
void sq_room_msg_free(struct sq_room_msg *msg);
/* The message as text, owned by the caller (sq_free); NULL without memory. Text that is not UTF-8
 * is written with U+FFFD in the place of what is wrong. */
char *sq_room_write(const struct sq_room_msg *msg) SQ_MUST_USE;

/* Appends `text` (NULL: "") as a JSON string with its quotes, mended like the above. */
struct sq_buf;
void sq_room_put_string(struct sq_buf *b, const char *text);

/* For a fuzzer: parses, writes and parses again; aborts if that does not give the same. */
void sq_room_fuzz(const uint8_t *data, size_t len);

#endif
