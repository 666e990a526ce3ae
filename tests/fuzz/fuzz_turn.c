/* A TURN client that hears anything: raw messages, and answers that bear the transaction ids of
 * what it asked, so that they are taken. */
#include "base/time.h"
#include "fuzz/fuzz.h"
#include "peer/stun/stun.h"
#include "peer/turn/turn.h"
#include <string.h>

struct heard {
    uint8_t tid[SQ_STUN_TID_BYTES];
    uint16_t method;
    int ended;
};

static void on_send(void *ctx, const void *buf, size_t len)
{
    struct heard *h = ctx;
    struct sq_stun_msg m;
    MUST(sq_stun_parse(buf, len, &m) == 0);
    memcpy(h->tid, m.tid, sizeof(h->tid));
    h->method = m.method;
}

static void on_failed(void *ctx, enum sq_turn_fault fault, int code, const char *text)
{
    struct heard *h = ctx;
    (void)fault;
    (void)code;
    MUST(text[0] != '\0' && strlen(text) < SQ_TURN_TEXT_MAX);
    h->ended++;
}

static void on_again(void *ctx, const struct sq_addr *server)
{
    (void)server;
    ((struct heard *)ctx)->ended = 100;
}

/* An answer made of the piece's bytes as attributes. */
static size_t answer(const struct heard *h, const struct fuzz_piece *p, bool error, uint8_t *out)
{
    unsigned type = (h->method & 0xfu) | (error ? 0x110u : 0x100u);
    size_t body = p->len & ~(size_t)3;
    sq_store_u16(out, (uint16_t)type);
    sq_store_u16(out + 2, (uint16_t)body);
    sq_store_u32(out + 4, SQ_STUN_COOKIE);
    memcpy(out + 8, h->tid, sizeof(h->tid));
    memcpy(out + 20, p->at, body);
    return 20 + body;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const struct sq_turn_callbacks callbacks = {
        .send = on_send, .failed = on_failed, .again = on_again};
    struct sq_wire w = sq_wire_reader(data, len);
    struct heard h = {0};
    struct sq_rand rand;
    struct sq_turn_config cfg;
    struct sq_turn *turn;
    struct fuzz_piece p;
    struct sq_turn_data found;
    struct sq_addr peer;
    uint8_t buf[2048];
    uint64_t now_ns = SQ_NS_PER_SEC;
    sq_rand_seed(&rand, 1);
    sq_turn_config_init(&cfg, &rand);
    cfg.user = len & 1 ? "anna" : NULL;
    cfg.password = "secret";
    MUST(sq_turn_create(&cfg, &callbacks, &h, &turn) == 0);
    MUST(sq_turn_start(turn, now_ns) == 0);
    MUST(sq_addr_parse("192.0.2.1", 1, &peer) == 0);
    while (fuzz_next(&w, &p)) {
        size_t n = p.len;
        int err = 0;
        switch (p.kind % 6) {
        case 0:
            memcpy(buf, p.at, n);
            err = sq_turn_receive(turn, now_ns, buf, n, &found);
            break;
        case 1:
        case 2:
            n = answer(&h, &p, p.kind % 6 == 2, buf);
            err = sq_turn_receive(turn, now_ns, buf, n, &found);
            break;
        case 3:
            sq_addr_set_port(&peer, (uint16_t)(1 + n));
            n = sq_turn_wrap(turn, now_ns, &peer, p.at, p.len, buf, sizeof(buf));
            MUST(n == 0 || (n > p.len && n <= p.len + SQ_TURN_OVERHEAD_MAX));
            break;
        case 4:
            now_ns += (uint64_t)n * SQ_NS_PER_SEC;
            sq_turn_on_timeout(turn, now_ns);
            break;
        default:
            if (h.ended == 100) {
                err = sq_turn_start(turn, now_ns);
                h.ended = 0;
            }
            break;
        }
        if (err == 1) {
            MUST(found.at + found.len <= n);
        }
        MUST(h.ended <= 1 || h.ended >= 100);
    }
    sq_turn_close(turn, now_ns);
    sq_turn_destroy(turn);
    return 0;
}
