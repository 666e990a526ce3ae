/* Two live associations. Pieces of the input send messages, pass packets on,
 * lose, change or make them up, let time pass, and reset streams: whatever
 * comes, memory stays bounded, timers make progress, and nothing that was sent
 * reliably comes twice. */
#include "base/time.h"
#include "fuzz/fuzz.h"
#include "peer/sctp/sctp.h"
#include <string.h>

#define QUEUE 64

struct end {
    struct sq_sctp *a;
    uint32_t tag; /* of the packets that it sends: the other's */
    struct {
        size_t len;
        uint8_t bytes[SQ_SCTP_PACKET_MAX_BYTES];
    } queue[QUEUE];
    unsigned head, tail;
    size_t messages;
};

static void on_send(void *user, const uint8_t *bytes, size_t len)
{
    struct end *e = user;
    MUST(len >= 16 && len <= SQ_SCTP_PACKET_MAX_BYTES && len % 4 == 0);
    if (sq_load_u32(bytes + 4) != 0) {
        e->tag = sq_load_u32(bytes + 4);
    }
    if (e->head - e->tail < QUEUE) {
        e->queue[e->head % QUEUE].len = len;
        memcpy(e->queue[e->head++ % QUEUE].bytes, bytes, len);
    }
}

static void on_message(void *user, uint16_t stream, uint32_t ppid, const uint8_t *bytes, size_t len)
{
    struct end *e = user;
    MUST(len > 0 && len <= 20000 && stream <= SQ_SCTP_STREAM_MAX);
    (void)ppid;
    e->messages += bytes[0] != 0xff;
}

static void pass_on(struct end *from, struct end *to, uint64_t now_ns, const uint8_t *change,
                    size_t len)
{
    if (from->head == from->tail) {
        return;
    }
    unsigned i = from->tail++ % QUEUE;
    for (size_t k = 0; k + 1 < len && from->queue[i].len > 0; k += 2) {
        from->queue[i].bytes[8 + change[k] * 4 % (from->queue[i].len - 8)] ^= change[k + 1];
    }
    if (len > 0) { /* without a checksum, so that it is taken */
        memset(from->queue[i].bytes + 8, 0, 4);
    }
    sq_sctp_receive(to->a, now_ns, from->queue[i].bytes, from->queue[i].len);
}

/* The piece as chunks in a packet with the right tag. */
static void make_up(struct end *from, struct end *to, uint64_t now_ns, const struct fuzz_piece *p)
{
    uint8_t bytes[12 + 255];
    struct sq_wire w = sq_wire_writer(bytes, sizeof(bytes));
    sq_wire_put_u16(&w, SQ_SCTP_PORT);
    sq_wire_put_u16(&w, SQ_SCTP_PORT);
    sq_wire_put_u32(&w, p->len > 0 && p->at[0] == 1 ? 0 : from->tag);
    sq_wire_put_u32(&w, 0);
    sq_wire_put(&w, p->at, p->len);
    sq_sctp_receive(to->a, now_ns, bytes, w.pos);
}

static void put(struct end *e, uint64_t now_ns, const struct fuzz_piece *p)
{
    static const uint8_t content[20000] = {1};
    struct sq_wire w = sq_wire_reader(p->at, p->len);
    uint16_t stream = sq_wire_u8(&w) % 5;
    uint8_t how = sq_wire_u8(&w);
    size_t len = 1 + (size_t)sq_wire_u16(&w) % sizeof(content);
    const struct sq_sctp_message m = {
        .stream = stream,
        .unordered = how & 1,
        .ppid = 53,
        .retransmissions_max = how & 2 ? how >> 4 : SQ_SCTP_NO_LIMIT,
        .lifetime_ns = how & 4 ? (uint64_t)(how >> 4) * 50 * SQ_NS_PER_MS : 0,
        .bytes = content,
        .len = len,
    };
    int err = sq_sctp_send(e->a, now_ns, &m);
    MUST(err == 0 || err == SQ_ERR_STATE || err == SQ_ERR_AGAIN);
}

static void act(struct end *from, struct end *to, uint64_t *now_ns, const struct fuzz_piece *p)
{
    switch (p->kind >> 1 & 7) {
    case 0:
        put(from, *now_ns, p);
        break;
    case 1:
        pass_on(from, to, *now_ns, NULL, 0);
        break;
    case 2:
        from->tail += from->head != from->tail; /* lost */
        break;
    case 3:
        pass_on(from, to, *now_ns, p->at, p->len);
        break;
    case 4:
        *now_ns += (p->len + 1) * 20 * SQ_NS_PER_MS;
        if (sq_sctp_next_timeout(from->a) <= *now_ns) {
            sq_sctp_on_timeout(from->a, *now_ns);
            MUST(sq_sctp_next_timeout(from->a) > *now_ns);
        }
        break;
    case 5:
        make_up(from, to, *now_ns, p);
        break;
    case 6: {
        int err = sq_sctp_reset(from->a, *now_ns, (uint16_t)(p->len % 5));
        MUST(err == 0 || err == SQ_ERR_STATE || err == SQ_ERR_UNSUPPORTED || err == SQ_ERR_NOMEM);
        break;
    }
    default: /* all that waits goes over */
        while (from->head != from->tail) {
            pass_on(from, to, *now_ns, NULL, 0);
        }
        if (p->len == 255) {
            sq_sctp_shutdown(from->a, *now_ns);
        }
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct end ends[2];
    struct sq_wire w = sq_wire_reader(data, len);
    struct fuzz_piece p;
    uint64_t now_ns = SQ_NS_PER_SEC;
    uint8_t first = sq_wire_u8(&w);
    memset(ends, 0, sizeof(ends));
    for (int i = 0; i < 2; i++) {
        const struct sq_sctp_config config = {
            .message_max_bytes = 20000,
            .window_bytes = 200000,
            .send_buffer_max_bytes = 300000,
            .no_interleaving = (first >> i & 1) != 0,
            .retransmissions_max = first & 4 ? 5 : 0,
        };
        const struct sq_sctp_events events = {
            .user = &ends[i], .send = on_send, .message = on_message};
        MUST(sq_sctp_create(&config, &events, &ends[i].a) == 0);
        MUST(sq_sctp_connect(ends[i].a, now_ns) == 0);
    }
    if (first & 8) { /* up from the beginning */
        for (int n = 0; n < 8; n++) {
            struct fuzz_piece all = {.kind = 14};
            act(&ends[n & 1], &ends[!(n & 1)], &now_ns, &all);
        }
        MUST(sq_sctp_get_state(ends[0].a) == SQ_SCTP_ESTABLISHED);
    }
    while (fuzz_next(&w, &p)) {
        int i = p.kind & 1;
        act(&ends[i], &ends[!i], &now_ns, &p);
        MUST(sq_sctp_memory_bytes(ends[!i].a) < 2u << 20);
    }
    sq_sctp_destroy(ends[0].a);
    sq_sctp_destroy(ends[1].a);
    return 0;
}
