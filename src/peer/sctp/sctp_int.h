/* Inside of an association. */
#ifndef SQ_PEER_SCTP_SCTP_INT_H
#define SQ_PEER_SCTP_SCTP_INT_H

#include "base/time.h"
#include "base/wire.h"
#include "peer/sctp/sctp.h"

/* Figures of dcsctp (net/dcsctp/public/dcsctp_options.h), RFC 9260's in brackets. */
#define SCTP_RTO_INITIAL_NS    (500 * SQ_NS_PER_MS) /* (1 s) */
#define SCTP_RTO_MIN_NS        (400 * SQ_NS_PER_MS) /* (1 s) */
#define SCTP_RTO_MAX_NS        (60 * SQ_NS_PER_SEC)
#define SCTP_RTT_VAR_MIN_NS    (220 * SQ_NS_PER_MS / 4)
#define SCTP_BACKOFF_MAX_NS    (3 * SQ_NS_PER_SEC) /* of any timer; libwebrtc's limit */
#define SCTP_T1_NS             SQ_NS_PER_SEC
#define SCTP_T2_NS             SQ_NS_PER_SEC
#define SCTP_SACK_DELAY_NS     (200 * SQ_NS_PER_MS)
#define SCTP_HEARTBEAT_NS      (30 * SQ_NS_PER_SEC)
#define SCTP_COOKIE_LIFE_NS    (60 * SQ_NS_PER_SEC) /* RFC 9260, section 16 */
#define SCTP_CWND_INITIAL_MTUS 10                   /* (4,380 bytes) */
#define SCTP_CWND_MIN_MTUS     4
#define SCTP_BURST_PACKETS     4
#define SCTP_FORWARD_GAP_NS    (200 * SQ_NS_PER_MS) /* between FORWARD-TSNs of one point, at most */

#define SCTP_MTU            SQ_SCTP_PACKET_MAX_BYTES
#define SCTP_HEADER_BYTES   12
#define SCTP_CHUNK_BYTES    4
#define SCTP_DATA_BYTES     16 /* header of a DATA chunk */
#define SCTP_IDATA_BYTES    20
#define SCTP_FRAGMENT_LEAST 64 /* a fragment smaller than this waits for the next packet */

#define SCTP_OUTSTANDING_MAX 16384 /* chunks; a power of two */
#define SCTP_AHEAD_MAX       16384 /* TSNs beyond the cumulative one that are remembered */
#define SCTP_GAPS_MAX        64    /* gap blocks of a SACK */
#define SCTP_DUPS_MAX        16    /* duplicates told in a SACK */
#define SCTP_COOKIE_BYTES    (48 + 32)
#define SCTP_COOKIE_MAX      1024 /* of the other side */
#define SCTP_RUN_COST        64   /* a run of fragments is accounted with so many bytes more */
#define SCTP_RUNS_WALKED_MAX 1024 /* to find a fragment's place, see find_place */
#define SCTP_RESETS_MAX      100  /* streams in one request */

enum sctp_chunk_type {
    CHUNK_DATA = 0,
    CHUNK_INIT = 1,
    CHUNK_INIT_ACK = 2,
    CHUNK_SACK = 3,
    CHUNK_HEARTBEAT = 4,
    CHUNK_HEARTBEAT_ACK = 5,
    CHUNK_ABORT = 6,
    CHUNK_SHUTDOWN = 7,
    CHUNK_SHUTDOWN_ACK = 8,
    CHUNK_ERROR = 9,
    CHUNK_COOKIE_ECHO = 10,
    CHUNK_COOKIE_ACK = 11,
    CHUNK_SHUTDOWN_COMPLETE = 14,
    CHUNK_I_DATA = 64,         /* RFC 8260 */
    CHUNK_RECONFIG = 130,      /* RFC 6525 */
    CHUNK_FORWARD_TSN = 192,   /* RFC 3758 */
    CHUNK_I_FORWARD_TSN = 194, /* RFC 8260 */
};

enum sctp_data_flag { DATA_E = 1, DATA_B = 2, DATA_U = 4, DATA_I = 8 };

enum sctp_param {
    PARAM_HEARTBEAT_INFO = 1,
    PARAM_COOKIE = 7,
    PARAM_UNRECOGNIZED = 8,
    PARAM_RESET_OUT = 13, /* RFC 6525, section 4 */
    PARAM_RESET_IN = 14,
    PARAM_RESET_TSN = 15,
    PARAM_RESET_RESPONSE = 16,
    PARAM_ADD_OUT = 17,
    PARAM_ADD_IN = 18,
    PARAM_ZERO_CHECKSUM = 0x8001, /* RFC 9653 */
    PARAM_EXTENSIONS = 0x8008,    /* RFC 5061, section 4.2.7 */
    PARAM_FORWARD_TSN = 0xC000,
};

enum sctp_cause { /* RFC 9260, section 3.3.10 */
                  CAUSE_INVALID_STREAM = 1,
                  CAUSE_STALE_COOKIE = 3,
                  CAUSE_OUT_OF_RESOURCE = 4,
                  CAUSE_UNRECOGNIZED_CHUNK = 6,
                  CAUSE_NO_USER_DATA = 9,
                  CAUSE_USER_ABORT = 12,
                  CAUSE_PROTOCOL = 13,
};

struct sctp_chunk {
    uint8_t type, flags;
    const uint8_t *bytes; /* the value */
    size_t len;
};

struct sctp_packet_in {
    uint16_t from_port, to_port;
    uint32_t tag;
    struct sq_wire chunks;
};

/* A packet that is being written. */
struct sctp_packet {
    struct sq_wire w;
    size_t chunk; /* where the chunk that is being written begins */
    bool keep_crc;
    uint8_t buf[SCTP_MTU];
};

/* ---- What goes out ---- */

struct sctp_message {
    struct sctp_message *next;
    uint64_t expires_ns;
    uint32_t refs; /* the stream's queue, and each chunk under way */
    uint32_t ppid, len;
    uint32_t sent;                /* bytes that have become chunks */
    uint32_t id;                  /* MID, or SSN; given with the first fragment */
    uint32_t fsn;                 /* of the next fragment */
    uint32_t first_tsn, last_tsn; /* of its chunks, once it is begun */
    uint32_t retransmissions_max;
    uint16_t stream;
    bool unordered, begun, abandoned;
    uint8_t bytes[];
};

enum sctp_reset_state { RESET_NONE, RESET_WANTED, RESET_SENT };

struct sctp_out {
    uint16_t id;
    uint16_t priority;
    uint8_t reset; /* enum sctp_reset_state */
    bool drained;  /* to be told */
    uint32_t next_id, next_unordered_id;
    uint64_t virtual_time; /* weighted fair queueing */
    size_t waiting_bytes;
    struct sctp_message *head, *tail;
};

enum sctp_sent_state {
    SENT_FLYING,
    SENT_ACKED, /* by a gap block */
    SENT_LOST,  /* to be sent again */
    SENT_ABANDONED,
};

/* A DATA or I-DATA chunk that the other side has not acknowledged cumulatively. */
struct sctp_sent {
    struct sctp_message *message; /* a reference */
    uint64_t sent_ns;
    uint32_t offset, fsn;
    uint16_t len;
    uint16_t retransmissions;
    uint8_t flags; /* enum sctp_data_flag */
    uint8_t state; /* enum sctp_sent_state */
    uint8_t missing;
    uint32_t again_from; /* sent again when this was the next TSN: what was sent before that says
                            nothing about it */
};

struct sctp_tx {
    struct sctp_out **streams; /* by id */
    size_t streams_len, streams_room;
    uint64_t virtual_time;
    struct sctp_message *current; /* begun, and without interleaving to be finished first */
    size_t waiting_bytes;         /* of all streams */
    size_t drained;               /* streams of which that is to be told */

    struct sctp_sent *sent; /* ring: TSN t lies at t & (room - 1) */
    uint32_t room;
    uint32_t first_tsn; /* the oldest one in the ring: cumulative ack + 1 */
    uint32_t next_tsn;
    uint32_t forward_tsn; /* Advanced.Peer.Ack.Point (RFC 3758, 3.5) */
    uint64_t forward_again_ns;
    size_t lost; /* chunks in SENT_LOST */
    uint32_t flight_bytes;
    uint32_t peer_window_bytes; /* as told */
    uint32_t cwnd, ssthresh, partial_bytes_acked;
    uint32_t recovery_exit_tsn;
    bool recovery;
    bool fast_retransmit; /* the next packet goes out whatever cwnd says (RFC 9260, 7.2.4) */

    uint64_t srtt_ns, rttvar_ns, rto_ns, t3_ns;
    uint32_t errors; /* time-outs in a row */
    unsigned backoff;
};

/* ---- What comes in ---- */

/* Fragments without a hole between them, of one message. */
struct sctp_run {
    struct sctp_run *next, *before;
    uint32_t id;          /* MID or SSN; 0 for unordered DATA */
    uint32_t first, past; /* FSN or TSN of the first fragment, and of the one after the last */
    uint32_t last_tsn;    /* the newest TSN in it */
    uint32_t ppid;
    uint32_t len, room;
    bool begins, ends;
    uint8_t *bytes;
};

/* By message and place in it. */
struct sctp_runs {
    struct sctp_run *first, *last;
    struct sctp_run *recent; /* where the latest fragment went; NULL when that is gone */
};

struct sctp_in {
    uint16_t id;
    uint32_t next_id;
    struct sctp_runs ordered, unordered;
};

struct sctp_rx {
    struct sctp_in **streams; /* by id */
    size_t streams_len, streams_room;
    uint32_t cumulative_tsn, highest_tsn;
    uint64_t *ahead; /* bit t % 64 of word t / 64 % words: TSN t came, beyond the cumulative one */
    uint32_t ahead_words;
    size_t held_bytes; /* in runs */
    uint64_t sack_ns;  /* delayed SACK */
    bool sack_now, acked_first, data_in_packet;
    unsigned unacked_packets;
    uint8_t dups_len;
    uint32_t dups[SCTP_DUPS_MAX];
};

struct sctp_reset {
    uint32_t next_seq; /* of our next request */
    uint32_t seq;      /* of the request under way */
    uint32_t last_tsn;
    bool under_way;
    uint16_t *streams; /* in the request */
    size_t streams_len;
    uint64_t again_ns;
    unsigned backoff;
    uint32_t peer_seq; /* expected of the other side */
    uint32_t last_result;
};

struct sq_sctp {
    struct sq_sctp_config config;
    struct sq_sctp_events events;
    enum sq_sctp_state state;
    bool begun, over;
    bool interleaving, partial, zero_checksum, reconfig; /* agreed */
    bool receiving, pumping;                             /* sending waits for the end of it */
    uint32_t epoch; /* counts beginnings and ends: who called back looks whether it changed */
    uint64_t now_ns;

    uint32_t local_tag, peer_tag;
    uint32_t local_tsn;
    uint8_t key[16]; /* signs cookies */
    uint8_t *cookie; /* owned: the other side's, to be echoed */
    size_t cookie_len;
    bool cookie_due;
    bool cookie_ack_due;
    uint64_t t1_ns; /* INIT, COOKIE-ECHO, SHUTDOWN and SHUTDOWN-ACK */
    unsigned t1_backoff;
    uint64_t heartbeat_ns;
    bool heartbeat_open; /* one is unanswered */

    struct sctp_tx tx;
    struct sctp_rx rx;
    struct sctp_reset reset;
    struct sq_sctp_stats counters;
};

static inline bool sctp_before(uint32_t a, uint32_t b) /* RFC 1982 */
{
    return (int32_t)(a - b) < 0;
}

static inline size_t sctp_padded(size_t n)
{
    return (n + 3) & ~(size_t)3;
}

static inline uint32_t sctp_data_header(const struct sq_sctp *a)
{
    return a->interleaving ? SCTP_IDATA_BYTES : SCTP_DATA_BYTES;
}

static inline bool sctp_may_send_data(const struct sq_sctp *a)
{
    return a->state == SQ_SCTP_ESTABLISHED || a->state == SQ_SCTP_COOKIE_ECHOED ||
           a->state == SQ_SCTP_SHUTDOWN_PENDING || a->state == SQ_SCTP_SHUTDOWN_RECEIVED;
}

static inline bool sctp_may_receive_data(const struct sq_sctp *a)
{
    return a->state == SQ_SCTP_ESTABLISHED || a->state == SQ_SCTP_SHUTDOWN_PENDING ||
           a->state == SQ_SCTP_SHUTDOWN_SENT;
}

/* sctp_wire.c */
int sctp_packet_open(const uint8_t *bytes, size_t len, bool zero_allowed,
                     struct sctp_packet_in *ret_packet) SQ_MUST_USE;
/* False at the end, or where the rest is broken (packet->chunks.err). */
bool sctp_chunk_next(struct sctp_packet_in *packet, struct sctp_chunk *ret_chunk);
/* The same for the parameters in a chunk's value. */
bool sctp_param_next(struct sq_wire *w, uint16_t *ret_type, struct sq_wire *ret_value);
void sctp_packet_begin(struct sq_sctp *a, struct sctp_packet *p, uint32_t tag);
size_t sctp_packet_left(const struct sctp_packet *p);
struct sq_wire *sctp_chunk_begin(struct sctp_packet *p, uint8_t type, uint8_t flags);
void sctp_chunk_end(struct sctp_packet *p);
/* Sends what has been written, if it is more than the header. */
void sctp_packet_send(struct sq_sctp *a, struct sctp_packet *p);
void sctp_send_bare(struct sq_sctp *a, uint8_t type, uint8_t flags, uint32_t tag);

/* sctp.c */
void sctp_fail(struct sq_sctp *a, enum sctp_cause cause, int err, const char *text);
void sctp_end(struct sq_sctp *a, int err, const char *text);
void sctp_check_shutdown(struct sq_sctp *a);
uint64_t sctp_backoff(uint64_t first_ns, unsigned times);
/* False when the association has had too many time-outs, and is over. */
bool sctp_count_error(struct sq_sctp *a);

/* sctp_init.c */
void sctp_send_init(struct sq_sctp *a);
void sctp_on_init(struct sq_sctp *a, const struct sctp_chunk *c, uint32_t tag);
void sctp_on_init_ack(struct sq_sctp *a, const struct sctp_chunk *c);
void sctp_on_cookie_echo(struct sq_sctp *a, const struct sctp_chunk *c, uint32_t tag);
void sctp_on_cookie_ack(struct sq_sctp *a);
void sctp_on_t1(struct sq_sctp *a);
void sctp_on_stale_cookie(struct sq_sctp *a);

/* sctp_out.c */
struct sctp_out *sctp_out_find(const struct sq_sctp *a, uint16_t id);
struct sctp_out *sctp_out_get(struct sq_sctp *a, uint16_t id); /* made if need be, or NULL */
void sctp_out_remove(struct sq_sctp *a, uint16_t id);
void sctp_message_unref(struct sctp_message *m);
/* The message that the next fragment is to be cut from, or NULL. */
struct sctp_message *sctp_out_next(struct sq_sctp *a);
/* `bytes` of it, with its headers, have become a chunk. */
void sctp_out_took(struct sq_sctp *a, struct sctp_message *m, uint32_t bytes);
void sctp_out_drop(struct sq_sctp *a, struct sctp_message *m); /* what is left of it */
/* Puts a message that was under way back at the head of its stream, as if it had not been begun. */
void sctp_out_rewind(struct sq_sctp *a, struct sctp_message *m);
void sctp_tell_drained(struct sq_sctp *a);
void sctp_out_free(struct sq_sctp *a);

/* sctp_tx.c */
void sctp_tx_start(struct sq_sctp *a, uint32_t peer_window_bytes);
void sctp_tx_free(struct sq_sctp *a);
/* Ends what is under way; messages go back into their queues. */
void sctp_tx_rewind(struct sq_sctp *a);
static inline struct sctp_sent *sctp_sent_at(const struct sctp_tx *tx, uint32_t tsn)
{
    return &tx->sent[tsn & (tx->room - 1)];
}
bool sctp_sent_room(struct sq_sctp *a); /* for one more; false: at the maximum, or no memory */
/* A chunk with the next TSN; there is room for it. Takes a reference of the message. */
struct sctp_sent *sctp_sent_push(struct sq_sctp *a, struct sctp_message *m);
static inline uint32_t sctp_sent_bytes(const struct sq_sctp *a, const struct sctp_sent *s)
{
    return (uint32_t)sctp_padded(sctp_data_header(a) + s->len);
}
/* Sends all that may be sent now. */
void sctp_pump(struct sq_sctp *a);
void sctp_start_t3(struct sq_sctp *a);
void sctp_set_state_of_sent(struct sq_sctp *a, struct sctp_sent *s, enum sctp_sent_state state);

/* sctp_ack.c */
void sctp_on_sack(struct sq_sctp *a, const struct sctp_chunk *c);
void sctp_on_cumulative(struct sq_sctp *a, uint32_t tsn); /* of a SHUTDOWN */
void sctp_on_t3(struct sq_sctp *a);

/* sctp_pr.c */
bool sctp_expired(const struct sq_sctp *a, const struct sctp_message *m);
void sctp_abandon(struct sq_sctp *a, struct sctp_message *m);
/* A chunk was lost: false when its message may not be sent again, and was abandoned. */
bool sctp_may_retransmit(struct sq_sctp *a, const struct sctp_sent *s);
void sctp_move_forward_point(struct sq_sctp *a);
bool sctp_forward_due(const struct sq_sctp *a);
void sctp_write_forward(struct sq_sctp *a, struct sctp_packet *p);
void sctp_on_forward_tsn(struct sq_sctp *a, const struct sctp_chunk *c);

/* sctp_rx.c */
void sctp_rx_start(struct sq_sctp *a, uint32_t peer_tsn);
void sctp_rx_free(struct sq_sctp *a);
void sctp_on_data(struct sq_sctp *a, const struct sctp_chunk *c);
void sctp_rx_packet_done(struct sq_sctp *a);
void sctp_rx_mark(struct sq_sctp *a, uint32_t tsn); /* it came; there is room to say so */
void sctp_rx_forward(struct sq_sctp *a, uint32_t tsn);
bool sctp_write_sack(struct sq_sctp *a, struct sctp_packet *p); /* false: no room for it */

/* sctp_reassembly.c */
struct sctp_fragment {
    uint32_t tsn;
    uint16_t stream;
    uint8_t flags;
    uint32_t id;    /* MID or SSN */
    uint32_t index; /* FSN, or TSN */
    uint32_t ppid;
    const uint8_t *bytes;
    size_t len;
};
/* Takes it, marks its TSN, and delivers what is whole now. May call back, and end the association.
 * Without memory it is as if the chunk had been lost. */
void sctp_reassemble(struct sq_sctp *a, const struct sctp_fragment *f);
void sctp_in_free(struct sq_sctp *a);
/* A message, and ordered ones before it, will not come (any more). */
void sctp_in_skip(struct sq_sctp *a, uint16_t stream, bool unordered, uint32_t id);
void sctp_in_skip_unordered(struct sq_sctp *a, uint32_t tsn); /* DATA, up to this TSN */
void sctp_in_remove(struct sq_sctp *a, uint16_t id);
size_t sctp_in_heap(const struct sq_sctp *a);

/* sctp_reset.c */
void sctp_reset_start(struct sq_sctp *a, uint32_t peer_tsn);
void sctp_reset_free(struct sq_sctp *a);
bool sctp_reset_due(const struct sq_sctp *a);
void sctp_reset_send(struct sq_sctp *a);
void sctp_on_reconfig(struct sq_sctp *a, const struct sctp_chunk *c);
void sctp_on_reset_timer(struct sq_sctp *a);

#endif
