/* Datagrams for a connected DTLS peer: any bytes, records by the right keys, those with a bit
 * changed, and those that came before. What is delivered is what was sealed, once each. */
#include "base/mem.h"
#include "fuzz/fuzz.h"
#include "peer/dtls/dtls_int.h"
#include <string.h>

enum kind {
    RAW,
    DATA,
    ALERT,
    AGAIN,
};

#define CHANGED 4 /* a bit of a record is flipped; those above it say in which byte */
#define NOW     1700000000

static struct heard {
    size_t ends;
    const uint8_t *want; /* the text that is to be delivered, or NULL */
    size_t want_len;
} heard;

static void on_send(void *user, const uint8_t *bytes, size_t len)
{
    (void)user;
    MUST(sq_dtls_plausible(bytes, len) && len <= SQ_DTLS_DATAGRAM_MAX_BYTES);
}

static void on_failed(void *user, int err, const char *text)
{
    (void)user;
    MUST(err == SQ_ERR_REFUSED && text[0] != '\0');
    heard.ends++;
}

static void on_closed(void *user)
{
    (void)user;
    heard.ends++;
}

static void on_data(void *user, const uint8_t *bytes, size_t len)
{
    (void)user;
    MUST(heard.want && len == heard.want_len && memcmp(bytes, heard.want, len) == 0);
    heard.want = NULL;
}

static struct sq_dtls *peer_make(void)
{
    static struct sq_cert_pool *pool;
    static struct sq_dtls_ctx *ctx;
    const struct sq_dtls_events events = {
        .send = on_send, .failed = on_failed, .closed = on_closed, .data = on_data};
    struct sq_dtls *d = NULL;
    MUST(pool || (sq_cert_pool_create(1, NOW, &pool) == 0 && sq_dtls_ctx_create(NULL, &ctx) == 0));
    MUST(sq_dtls_create(ctx, sq_cert_pool_get(pool, 0), &events, &d) == 0);
    return d;
}

/* As after a handshake, by keys that are known. */
static void connect_by_hand(struct sq_dtls *d, struct sq_dtls_record *remote, bool short_keys)
{
    static const uint8_t flight[] = {0, 15, 22, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 0, 0, 24};
    uint8_t *copy = sq_zalloc(2 + RECORD_OVERHEAD_BYTES);
    MUST(copy);
    memcpy(copy, flight, sizeof(flight));
    copy[1] = RECORD_OVERHEAD_BYTES;
    d->last_flight = copy;
    d->last_flight_len = 2 + RECORD_OVERHEAD_BYTES;
    d->role = SQ_DTLS_SERVER;
    d->state = SQ_DTLS_CONNECTED;
    d->record.key_bytes = short_keys ? 16 : RECORD_KEY_MAX_BYTES;
    d->record.send_seq = 1;
    memset(d->record.send.key, 1, RECORD_KEY_MAX_BYTES);
    memset(d->record.receive.key, 2, RECORD_KEY_MAX_BYTES);
    *remote = d->record;
    remote->send = d->record.receive;
    memset(&heard, 0, sizeof(heard));
}

struct sealed {
    size_t len;
    uint8_t bytes[255 + RECORD_OVERHEAD_BYTES];
};

static void seal(struct sealed *s, struct sq_dtls_record *remote, const struct sq_dtls *d,
                 uint8_t type, const struct fuzz_piece *piece)
{
    MUST(sq_dtls_record_seal(remote, &d->ctx->cipher, type, piece->at, piece->len, s->bytes,
                             sizeof(s->bytes)) == 0);
    s->len = piece->len + RECORD_OVERHEAD_BYTES;
}

static void give(struct sq_dtls *d, struct sealed *s, const struct fuzz_piece *piece)
{
    bool open = d->state == SQ_DTLS_CONNECTED;
    if (piece->kind & CHANGED) {
        struct sealed other = *s;
        other.bytes[(size_t)(piece->kind >> 3) * 7 % s->len] ^= (uint8_t)(1u << (piece->kind >> 5));
        size_t ends = heard.ends;
        sq_dtls_receive(d, 1, other.bytes, other.len);
        MUST(heard.ends == ends);
    }
    bool is_data = (piece->kind & 3) == DATA && piece->len > 0;
    heard.want = open && is_data ? piece->at : NULL;
    heard.want_len = piece->len;
    sq_dtls_receive(d, 1, s->bytes, s->len);
    MUST(!heard.want); /* it was delivered, where it was to be */
    sq_dtls_receive(d, 1, s->bytes, s->len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct sq_wire w = sq_wire_reader(data, len);
    struct sq_dtls_record remote;
    struct sealed last = {.len = 0};
    struct fuzz_piece piece;
    struct sq_dtls *d = peer_make();
    connect_by_hand(d, &remote, (sq_wire_u8(&w) & 1) != 0);
    while (fuzz_next(&w, &piece)) {
        switch ((enum kind)(piece.kind & 3)) {
        case RAW:
            sq_dtls_receive(d, 1, piece.at, piece.len);
            break;
        case DATA:
            seal(&last, &remote, d, CONTENT_DATA, &piece);
            give(d, &last, &piece);
            break;
        case ALERT:
            seal(&last, &remote, d, CONTENT_ALERT, &piece);
            give(d, &last, &piece);
            break;
        case AGAIN:
            sq_dtls_receive(d, 1, last.bytes, last.len);
            break;
        }
        MUST(heard.ends <= 1 && (heard.ends == 1) == (d->state != SQ_DTLS_CONNECTED));
        MUST(heard.ends == 1 || sq_dtls_send(d, (const uint8_t *)"x", 1) == 0);
    }
    sq_dtls_destroy(d);
    return 0;
}
