/* Data channels: streams of an SCTP association are opened by DCEP (RFC 8832), carry messages of
 * text and bytes (RFC 8831), and are closed by resetting them both ways. */
#include "base/mem.h"
#include "peer/datachannel_int.h"
#include "peer/dcep.h"
#include <string.h>

enum ppid { /* RFC 8831, section 8 */
            PPID_DCEP = 50,
            PPID_STRING = 51,
            PPID_BINARY = 53,
            PPID_STRING_EMPTY = 56,
            PPID_BINARY_EMPTY = 57,
};

#define KEPT_MAX_BYTES 65536 /* of one channel: it is for the time of one retransmission */

/* For what may fail without harm: it is as if it had been lost on the way, or is done without. */
static void best_effort(int err)
{
    (void)err;
}

/* ---- The table ---- */

static struct sq_channel *find(const struct sq_peer_data *d, int id)
{
    for (size_t i = 0; i < d->len; i++) {
        if (d->channels[i]->id == id) {
            return d->channels[i];
        }
    }
    return NULL;
}

static bool grow(struct sq_channel ***list, size_t *room, size_t len)
{
    if (len < *room) {
        return true;
    }
    size_t more = *room ? 2 * *room : 4;
    struct sq_channel **grown = sq_realloc(*list, more * sizeof(struct sq_channel *));
    if (!grown) {
        return false;
    }
    *list = grown;
    *room = more;
    return true;
}

static int make(struct sq_peer *peer, const struct sq_channel_config *c,
                struct sq_channel **ret_channel)
{
    struct sq_peer_data *d = peer->data;
    const char *label = c->label ? c->label : "";
    const char *protocol = c->protocol ? c->protocol : "";
    size_t label_len = strlen(label);
    size_t protocol_len = strlen(protocol);
    if (label_len > SQ_DCEP_TEXT_MAX || protocol_len > SQ_DCEP_TEXT_MAX) {
        return SQ_ERR_INVALID;
    }
    /* Room among those that are gone is made now, so that closing needs no memory. */
    if (d->len >= SQ_PEER_CHANNELS_MAX || !grow(&d->channels, &d->room, d->len) ||
        !grow(&d->gone, &d->gone_room, d->gone_len + d->len)) {
        return SQ_ERR_NOMEM;
    }
    struct sq_channel *ch = sq_zalloc(sizeof(*ch) + label_len + protocol_len + 2);
    if (!ch) {
        return SQ_ERR_NOMEM;
    }
    memcpy(ch->text, label, label_len);
    ch->protocol = ch->text + label_len + 1;
    memcpy(ch->protocol, protocol, protocol_len);
    ch->peer = peer;
    ch->id = c->negotiated ? c->id : -1;
    ch->unordered = c->unordered;
    ch->limit_retransmits = c->limit_retransmits;
    ch->limit_lifetime = c->limit_lifetime;
    ch->max_retransmits = c->max_retransmits;
    ch->max_lifetime_ms = c->max_lifetime_ms;
    ch->priority = c->priority ? c->priority : SQ_SCTP_PRIORITY;
    ch->negotiated = ch->acked = c->negotiated;
    d->channels[d->len++] = ch;
    *ret_channel = ch;
    return 0;
}

static void free_kept(struct sq_channel_kept *kept)
{
    while (kept) {
        struct sq_channel_kept *next = kept->next;
        sq_free(kept);
        kept = next;
    }
}

/* Its memory goes when nobody can hold it any more. */
static void be_gone(struct sq_channel *ch)
{
    struct sq_peer_data *d = ch->peer->data;
    d->closed += ch->state != SQ_CHANNEL_CONNECTING;
    ch->state = SQ_CHANNEL_CLOSED;
    free_kept(ch->kept);
    ch->kept = NULL;
    size_t i = 0;
    while (d->channels[i] != ch) {
        i++;
    }
    memmove(d->channels + i, d->channels + i + 1, (--d->len - i) * sizeof(struct sq_channel *));
    d->gone[d->gone_len++] = ch;
    sq_channel_stats_add(&d->past, &ch->stats);
}

/* Its last event. */
static void tell_closed(struct sq_channel *ch)
{
    sq_peer_emit(ch->peer,
                 (struct sq_peer_event){.type = SQ_PEER_EV_CHANNEL_CLOSED, .channel = ch});
}

static void be_closed(struct sq_channel *ch)
{
    if (ch->state != SQ_CHANNEL_CLOSED) {
        be_gone(ch);
        tell_closed(ch);
    }
}

static void enter(struct sq_peer_data *d)
{
    d->busy++;
}

static void leave(struct sq_peer_data *d)
{
    if (--d->busy == 0) {
        sq_sctp_destroy(d->dead);
        d->dead = NULL;
    }
}

static void bury(struct sq_peer_data *d)
{
    for (size_t i = 0; d->busy == 0 && i < d->gone_len; i++) {
        sq_free(d->gone[i]);
    }
    d->gone_len = d->busy == 0 ? 0 : d->gone_len;
}

/* ---- DCEP (RFC 8832, section 5) ---- */

static int put(struct sq_channel *ch, const struct sq_sctp_message *m)
{
    struct sq_peer_data *d = ch->peer->data;
    enter(d);
    int err = sq_sctp_send(d->sctp, ch->peer->now_ns, m);
    leave(d);
    return err;
}

static int put_control(struct sq_channel *ch, const uint8_t *bytes, size_t len)
{
    const struct sq_sctp_message m = {
        .stream = (uint16_t)ch->id,
        .ppid = PPID_DCEP,
        .retransmissions_max = SQ_SCTP_NO_LIMIT,
        .bytes = bytes,
        .len = len,
    };
    return put(ch, &m);
}

static int send_open(struct sq_channel *ch)
{
    const struct sq_dcep_open open = {
        .unordered = ch->unordered,
        .limit_retransmits = ch->limit_retransmits,
        .limit_lifetime = ch->limit_lifetime,
        .limit = ch->limit_retransmits ? ch->max_retransmits : ch->max_lifetime_ms,
        .priority = ch->priority,
        .label = sq_view_of(ch->text),
        .protocol = sq_view_of(ch->protocol),
    };
    size_t len = SQ_DCEP_OPEN_BYTES + open.label.len + open.protocol.len;
    uint8_t *bytes = sq_malloc(len);
    if (!bytes) {
        return SQ_ERR_NOMEM;
    }
    int err = sq_dcep_write_open(&open, bytes, len, &len);
    err = err ? err : put_control(ch, bytes, len);
    sq_free(bytes);
    return err;
}

/* A channel as the other side opens it. Its texts become strings of C: what follows a NUL is not
 * shown. */
static int make_opened(struct sq_peer *peer, const struct sq_dcep_open *open,
                       struct sq_channel **ret_channel)
{
    char *label = sq_strndup(open->label.at, open->label.len);
    char *protocol = sq_strndup(open->protocol.at, open->protocol.len);
    const struct sq_channel_config config = {
        .label = label,
        .protocol = protocol,
        .unordered = open->unordered,
        .limit_retransmits = open->limit_retransmits,
        .limit_lifetime = open->limit_lifetime,
        .max_retransmits = open->limit_retransmits ? open->limit : 0,
        .max_lifetime_ms = open->limit_lifetime ? open->limit : 0,
        .priority = open->priority,
    };
    int err = label && protocol ? make(peer, &config, ret_channel) : SQ_ERR_NOMEM;
    sq_free(label);
    sq_free(protocol);
    return err;
}

/* ---- Opening ---- */

static void be_open(struct sq_channel *ch)
{
    ch->state = SQ_CHANNEL_OPEN;
    ch->peer->data->opened++;
    sq_peer_emit(ch->peer, (struct sq_peer_event){.type = SQ_PEER_EV_CHANNEL_OPEN,
                                                  .channel = ch,
                                                  .from_remote = ch->from_remote});
}

/* RFC 8832, section 6: the DTLS client takes even ids. -1: none is free. */
static int free_id(const struct sq_peer_data *d)
{
    for (int id = d->client ? 0 : 1; id <= SQ_SCTP_STREAM_MAX; id += 2) {
        if (!find(d, id)) {
            return id;
        }
    }
    return -1;
}

/* The association is up: announces a channel of our own, which is open at once. */
static void announce(struct sq_channel *ch)
{
    struct sq_peer_data *d = ch->peer->data;
    if (ch->id < 0) {
        ch->id = free_id(d);
    }
    int err = ch->id < 0 ? SQ_ERR_NOMEM : 0;
    err = err ? err : sq_sctp_set_priority(d->sctp, (uint16_t)ch->id, ch->priority);
    if (!err && !ch->negotiated) {
        err = send_open(ch);
    }
    if (err) {
        be_closed(ch);
        return;
    }
    be_open(ch);
}

static void refuse(struct sq_peer *peer, uint16_t stream)
{
    /* RFC 8832, section 6: whoever opens what may not be opened finds the channel closed. */
    if (peer->data->sctp) { /* who heard of the channel may have ended it all */
        best_effort(sq_sctp_reset(peer->data->sctp, peer->now_ns, stream));
    }
}

static void on_open(struct sq_peer *peer, uint16_t stream, const uint8_t *bytes, size_t len)
{
    struct sq_dcep_open open;
    struct sq_channel *ch = NULL;
    if (find(peer->data, stream)) {
        return; /* there already */
    }
    int err = sq_dcep_read_open(bytes, len, &open);
    err = err ? err : make_opened(peer, &open, &ch);
    if (err) {
        refuse(peer, stream);
        return;
    }
    ch->id = stream;
    ch->from_remote = ch->acked = true;
    best_effort(sq_sctp_set_priority(peer->data->sctp, stream, ch->priority));
    static const uint8_t ack = SQ_DCEP_ACK;
    if (put_control(ch, &ack, 1)) {
        be_closed(ch);
        refuse(peer, stream);
        return;
    }
    be_open(ch);
}

static void on_control(struct sq_peer *peer, uint16_t stream, const uint8_t *bytes, size_t len)
{
    struct sq_channel *ch = find(peer->data, stream);
    switch (len > 0 ? bytes[0] : 0) {
    case SQ_DCEP_OPEN:
        on_open(peer, stream, bytes, len);
        break;
    case SQ_DCEP_ACK:
        if (ch) {
            ch->acked = true;
        }
        break;
    default:
        break;
    }
}

/* ---- Messages ---- */

/* The other side has closed the channel, and knows that we do, too: it may take the stream for the
 * next one (RFC 8831, section 6.7) before we have the answer to our reset, where that got lost.
 * What comes then waits for it: there is no way to acknowledge it, and it is not the old channel's.
 */
static void keep(struct sq_channel *ch, uint32_t ppid, const uint8_t *bytes, size_t len)
{
    bool open = ppid == PPID_DCEP && len > 0 && bytes[0] == SQ_DCEP_OPEN;
    if ((!ch->kept && !open) || ch->kept_bytes + len > KEPT_MAX_BYTES) {
        return;
    }
    struct sq_channel_kept *kept = sq_malloc(sizeof(*kept) + len);
    if (!kept) {
        return;
    }
    *kept = (struct sq_channel_kept){.ppid = ppid, .len = len};
    memcpy(kept->bytes, bytes, len);
    ch->kept_end = ch->kept ? ch->kept_end : &ch->kept;
    *ch->kept_end = kept;
    ch->kept_end = &kept->next;
    ch->kept_bytes += sizeof(*kept) + len;
}

static void on_message(void *user, uint16_t stream, uint32_t ppid, const uint8_t *bytes, size_t len)
{
    struct sq_peer *peer = user;
    struct sq_channel *ch = find(peer->data, stream);
    if (ch && ch->state == SQ_CHANNEL_CLOSING && ch->in_reset) {
        keep(ch, ppid, bytes, len);
        return;
    }
    if (ppid == PPID_DCEP) {
        on_control(peer, stream, bytes, len);
        return;
    }
    bool empty = ppid == PPID_STRING_EMPTY || ppid == PPID_BINARY_EMPTY;
    bool binary = ppid == PPID_BINARY || ppid == PPID_BINARY_EMPTY;
    if (!ch || (!empty && !binary && ppid != PPID_STRING) || ch->state == SQ_CHANNEL_CONNECTING) {
        return;
    }
    len = empty ? 0 : len;
    ch->acked = true; /* RFC 8832, section 6: a message says as much as an ACK */
    ch->stats.messages_received++;
    ch->stats.bytes_received += len;
    sq_peer_emit(peer, (struct sq_peer_event){.type = SQ_PEER_EV_CHANNEL_MESSAGE,
                                              .channel = ch,
                                              .data = bytes,
                                              .data_len = len,
                                              .binary = binary});
}

int sq_channel_send(struct sq_channel *channel, uint64_t now_ns, bool binary, const void *data,
                    size_t len)
{
    struct sq_peer *peer = channel->peer;
    static const uint8_t nothing = 0;
    if (channel->state != SQ_CHANNEL_OPEN || peer->state == SQ_PEER_CLOSED) {
        return SQ_ERR_STATE;
    }
    if (len > sq_peer_max_message_bytes(peer)) {
        return SQ_ERR_INVALID;
    }
    peer->now_ns = peer->clock_ns = sq_max_u64(now_ns, peer->clock_ns);
    const struct sq_sctp_message m = {
        .stream = (uint16_t)channel->id,
        .unordered = channel->unordered && channel->acked,
        .ppid = len == 0 ? (binary ? PPID_BINARY_EMPTY : PPID_STRING_EMPTY)
                : binary ? PPID_BINARY
                         : PPID_STRING,
        .retransmissions_max =
            channel->limit_retransmits ? channel->max_retransmits : SQ_SCTP_NO_LIMIT,
        .lifetime_ns =
            channel->limit_lifetime ? sq_max_u64(channel->max_lifetime_ms, 1) * SQ_NS_PER_MS : 0,
        .bytes = len ? data : &nothing,
        .len = len ? len : 1,
    };
    int err = put(channel, &m);
    if (err) {
        return err;
    }
    channel->stats.messages_sent++;
    channel->stats.bytes_sent += len;
    channel->above_low =
        channel->above_low || sq_channel_buffered_bytes(channel) > channel->low_bytes;
    sq_peer_due(peer, sq_data_next_timeout(peer));
    return 0;
}

static void on_drained(void *user, uint16_t stream, size_t waiting_bytes)
{
    struct sq_peer *peer = user;
    struct sq_channel *ch = find(peer->data, stream);
    if (ch && ch->above_low && waiting_bytes <= ch->low_bytes) {
        ch->above_low = false;
        sq_peer_emit(peer, (struct sq_peer_event){.type = SQ_PEER_EV_BUFFERED_LOW, .channel = ch});
    }
}

/* ---- Closing (RFC 8831, section 6.7) ---- */

static void check_closed(struct sq_channel *ch)
{
    struct sq_peer *peer = ch->peer;
    const struct sq_sctp *sctp = peer->data->sctp;
    uint16_t stream = (uint16_t)ch->id;
    struct sq_channel_kept *kept = ch->kept;
    if (!ch->in_reset || !ch->out_reset) {
        return;
    }
    ch->kept = NULL;
    be_closed(ch);
    /* Whoever hears of any of this may end the association. */
    for (const struct sq_channel_kept *k = kept; k && peer->data->up && peer->data->sctp == sctp;
         k = k->next) {
        on_message(peer, stream, k->ppid, k->bytes, k->len);
    }
    free_kept(kept);
}

static void reset(struct sq_channel *ch)
{
    struct sq_peer_data *d = ch->peer->data;
    if (ch->resetting) {
        return;
    }
    ch->resetting = true;
    enter(d);
    int err = sq_sctp_reset(d->sctp, ch->peer->now_ns, (uint16_t)ch->id);
    leave(d);
    if (err) { /* the other side cannot: it never will hear of it */
        be_closed(ch);
    }
}

static void on_incoming_reset(void *user, uint16_t stream)
{
    struct sq_peer *peer = user;
    struct sq_channel *ch = find(peer->data, stream);
    if (!ch) {
        return;
    }
    ch->in_reset = true;
    if (ch->state == SQ_CHANNEL_OPEN) {
        ch->state = SQ_CHANNEL_CLOSING;
        sq_peer_emit(peer,
                     (struct sq_peer_event){.type = SQ_PEER_EV_CHANNEL_CLOSING, .channel = ch});
        if (ch->state == SQ_CHANNEL_CLOSING && peer->data->sctp) {
            reset(ch);
        }
    }
    if (ch->state != SQ_CHANNEL_CLOSED) {
        check_closed(ch);
    }
}

static void on_outgoing_reset(void *user, uint16_t stream, int err)
{
    struct sq_peer *peer = user;
    struct sq_channel *ch = find(peer->data, stream);
    if (!ch) {
        return;
    }
    ch->out_reset = true;
    ch->in_reset = ch->in_reset || err != 0;
    check_closed(ch);
}

void sq_channel_close(struct sq_channel *channel, uint64_t now_ns)
{
    struct sq_peer *peer = channel->peer;
    if (channel->state >= SQ_CHANNEL_CLOSING || peer->state == SQ_PEER_CLOSED) {
        return;
    }
    peer->now_ns = peer->clock_ns = sq_max_u64(now_ns, peer->clock_ns);
    if (channel->state == SQ_CHANNEL_CONNECTING) {
        be_closed(channel);
        return;
    }
    channel->state = SQ_CHANNEL_CLOSING;
    reset(channel);
    sq_peer_due(peer, sq_data_next_timeout(peer));
}

/* ---- The association ---- */

static void on_send(void *user, const uint8_t *bytes, size_t len)
{
    struct sq_peer *peer = user;
    best_effort(sq_dtls_send(peer->dtls, bytes, len));
}

static void on_connected(void *user)
{
    struct sq_peer *peer = user;
    struct sq_peer_data *d = peer->data;
    struct sq_sctp *sctp = d->sctp;
    d->up = true;
    /* Who hears of one may make, close or send on others. */
    for (size_t i = 0; d->sctp == sctp && d->up && i < d->len;) {
        struct sq_channel *ch = d->channels[i];
        if (ch->state == SQ_CHANNEL_CONNECTING) {
            announce(ch);
            i = 0;
        } else {
            i++;
        }
    }
}

/* All are closed before anybody hears of it: who is told of one may act on the others. Those that
 * the owner makes meanwhile wait for another transport. */
static void close_all(struct sq_peer *peer)
{
    struct sq_peer_data *d = peer->data;
    enter(d); /* none is freed before it was told of */
    size_t i = d->gone_len;
    while (d->len > 0) {
        be_gone(d->channels[0]);
    }
    for (size_t past = d->gone_len; i < past; i++) {
        tell_closed(d->gone[i]);
    }
    leave(d);
}

static void on_closed(void *user, int err, const char *text)
{
    struct sq_peer *peer = user;
    (void)err;
    (void)text;
    peer->data->up = false;
    close_all(peer);
}

static int begin(struct sq_peer *peer)
{
    struct sq_peer_data *d = peer->data;
    const struct sq_jsep_data section = sq_jsep_data(peer->jsep);
    const struct sq_sctp_config config = {.remote_port = section.remote_sctp_port};
    const struct sq_sctp_events events = {
        .user = peer,
        .send = on_send,
        .connected = on_connected,
        .message = on_message,
        .drained = on_drained,
        .incoming_reset = on_incoming_reset,
        .outgoing_reset = on_outgoing_reset,
        .closed = on_closed,
    };
    int err = sq_sctp_create(&config, &events, &d->sctp);
    if (err) {
        return err;
    }
    const struct sq_jsep_remote *remote = sq_jsep_remote(peer->jsep);
    d->client = !remote || remote->dtls_role != SQ_JSEP_DTLS_PASSIVE;
    enter(d);
    err = sq_sctp_connect(d->sctp, peer->now_ns);
    leave(d);
    return err;
}

void sq_data_start(struct sq_peer *peer)
{
    struct sq_peer_data *d = peer->data;
    if (!d || !d->negotiated || !peer->dtls_up || d->sctp) {
        return;
    }
    if (begin(peer)) {
        close_all(peer);
    }
}

static int make_data(struct sq_peer *peer)
{
    if (!peer->data) {
        peer->data = sq_zalloc(sizeof(*peer->data));
    }
    return peer->data ? 0 : SQ_ERR_NOMEM;
}

int sq_data_negotiated(struct sq_peer *peer)
{
    const struct sq_jsep_data section = sq_jsep_data(peer->jsep);
    if (section.negotiated) {
        int err = make_data(peer);
        if (err) {
            return err;
        }
        peer->data->negotiated = true;
        sq_data_start(peer);
    } else if (peer->data) { /* refused, or stopped */
        sq_data_transport_closed(peer);
        peer->data->negotiated = false;
    }
    return 0;
}

void sq_data_receive(struct sq_peer *peer, const uint8_t *bytes, size_t len)
{
    struct sq_peer_data *d = peer->data;
    bury(d);
    if (!d->sctp) {
        return;
    }
    enter(d);
    sq_sctp_receive(d->sctp, peer->now_ns, bytes, len);
    leave(d);
}

uint64_t sq_data_next_timeout(const struct sq_peer *peer)
{
    return peer->data && peer->data->sctp ? sq_sctp_next_timeout(peer->data->sctp) : SQ_NEVER;
}

void sq_data_on_timeout(struct sq_peer *peer, uint64_t now_ns)
{
    struct sq_peer_data *d = peer->data;
    bury(d);
    enter(d);
    sq_sctp_on_timeout(d->sctp, now_ns);
    leave(d);
}

static void drop_association(struct sq_peer_data *d)
{
    if (d->busy > 0 && !d->dead) {
        d->dead = d->sctp;
    } else if (d->busy == 0) {
        sq_sctp_destroy(d->sctp);
    }
    d->sctp = NULL;
    d->up = false;
}

void sq_data_transport_closed(struct sq_peer *peer)
{
    struct sq_peer_data *d = peer->data;
    if (!d || !d->sctp) {
        return;
    }
    sq_sctp_abort(d->sctp, peer->now_ns, "the transport was closed");
    drop_association(d);
    close_all(peer);
}

void sq_data_close(struct sq_peer *peer)
{
    struct sq_peer_data *d = peer->data;
    if (d && d->sctp) {
        sq_sctp_abort(d->sctp, peer->now_ns, "closed");
        d->up = false;
    }
}

void sq_data_free(struct sq_peer *peer)
{
    struct sq_peer_data *d = peer->data;
    if (!d) {
        return;
    }
    sq_sctp_destroy(d->sctp);
    sq_sctp_destroy(d->dead);
    for (size_t i = 0; i < d->len; i++) {
        free_kept(d->channels[i]->kept);
        sq_free(d->channels[i]);
    }
    for (size_t i = 0; i < d->gone_len; i++) {
        sq_free(d->gone[i]);
    }
    sq_free(d->channels);
    sq_free(d->gone);
    sq_free(d);
    peer->data = NULL;
}

/* ---- Public ---- */

int sq_peer_want_data(struct sq_peer *peer)
{
    /* The other side may have ended DTLS without this one having listened for it. */
    bool is_over = peer->dtls_up && sq_dtls_get_state(peer->dtls) != SQ_DTLS_CONNECTED;
    if (peer->state == SQ_PEER_CLOSED || is_over) {
        return SQ_ERR_STATE;
    }
    int err = make_data(peer);
    if (!err) {
        sq_jsep_want_data(peer->jsep);
    }
    return err;
}

int sq_peer_add_channel(struct sq_peer *peer, uint64_t now_ns,
                        const struct sq_channel_config *config, struct sq_channel **ret_channel)
{
    struct sq_channel *ch;
    if ((config->limit_retransmits && config->limit_lifetime) ||
        (config->negotiated && config->id > SQ_SCTP_STREAM_MAX)) {
        return SQ_ERR_INVALID;
    }
    int err = sq_peer_want_data(peer);
    if (err) {
        return err;
    }
    if (config->negotiated && find(peer->data, config->id)) {
        return SQ_ERR_INVALID;
    }
    const struct sq_sctp *sctp = peer->data->sctp;
    if (sctp && sq_sctp_get_state(sctp) == SQ_SCTP_CLOSED) {
        return SQ_ERR_STATE; /* its association is over, and this transport gets no other */
    }
    err = make(peer, config, &ch);
    if (err) {
        return err;
    }
    peer->now_ns = peer->clock_ns = sq_max_u64(now_ns, peer->clock_ns);
    *ret_channel = ch;
    if (peer->data->up) {
        announce(ch);
        sq_peer_due(peer, sq_data_next_timeout(peer));
    }
    return 0;
}
