/* A resolver that hears anything from the group while it asks, forgets, and time goes by. */
#include "base/time.h"
#include "fuzz/fuzz.h"
#include "peer/mdns/mdns.h"
#include <string.h>

struct heard {
    size_t waiting;
};

static void on_send(void *ctx, const void *buf, size_t len)
{
    (void)ctx;
    (void)buf;
    MUST(len > 12 && len <= 12 + SQ_MDNS_NAME_MAX + 6);
}

static void on_answer(void *ctx, void *waiter, const struct sq_addr *addr)
{
    struct heard *h = ctx;
    (void)waiter;
    MUST(h->waiting > 0 && (!addr || sq_addr_family(addr) != AF_UNSPEC));
    h->waiting--;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const struct sq_mdns_callbacks callbacks = {.send = on_send, .answer = on_answer};
    struct sq_wire w = sq_wire_reader(data, len);
    struct heard h = {0};
    struct sq_mdns *mdns;
    struct fuzz_piece p;
    uint64_t now_ns = SQ_NS_PER_SEC;
    MUST(sq_mdns_create(&callbacks, &h, &mdns) == 0);
    while (fuzz_next(&w, &p)) {
        struct sq_view name = {(const char *)p.at, p.len};
        switch (p.kind % 4) {
        case 0:
            h.waiting++;
            if (sq_mdns_ask(mdns, now_ns, name, &h) != 0) {
                h.waiting--;
            }
            break;
        case 1:
            (void)sq_mdns_receive(mdns, now_ns, p.at, p.len);
            break;
        case 2:
            sq_mdns_forget(mdns, &h);
            h.waiting = 0;
            break;
        default:
            now_ns += p.len * SQ_NS_PER_SEC;
            sq_mdns_on_timeout(mdns, now_ns);
            MUST(sq_mdns_next_timeout(mdns) > now_ns);
            break;
        }
    }
    sq_mdns_destroy(mdns);
    return 0;
}
