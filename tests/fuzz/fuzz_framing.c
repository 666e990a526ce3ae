/* A byte stream cut into messages, in two ways of being cut: the messages are the same. */
#include "fuzz/fuzz.h"
#include "peer/turn/framing.h"
#include "peer/turn/turn_url.h"
#include <string.h>

struct sum {
    uint64_t messages, bytes, hash;
};

static void on_message(void *ctx, const uint8_t *message, size_t len)
{
    struct sum *s = ctx;
    s->messages++;
    s->bytes += len;
    for (size_t i = 0; i < len; i++) {
        s->hash = s->hash * 1099511628211u + message[i] + 1;
    }
}

static int feed(enum sq_framing_kind kind, const uint8_t *data, size_t len, size_t step,
                struct sum *sum)
{
    struct sq_framing f = {.kind = kind};
    int err = 0;
    for (size_t at = 0; at < len && !err; at += step) {
        err = sq_framing_feed(&f, data + at, len - at < step ? len - at : step, on_message, sum);
    }
    sq_framing_free(&f);
    return err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len < 2) {
        return 0;
    }
    enum sq_framing_kind kind = data[0] & 1 ? SQ_FRAMING_RFC4571 : SQ_FRAMING_TURN;
    size_t step = data[1] ? data[1] : 1;
    struct sum whole = {0}, cut = {0};
    int a = feed(kind, data + 2, len - 2, len, &whole);
    int b = feed(kind, data + 2, len - 2, step, &cut);
    MUST(a == b);
    MUST(whole.messages == cut.messages && whole.hash == cut.hash);
    char text[128] = "", why[128];
    struct sq_turn_url url;
    memcpy(text, data + 2, len - 2 < sizeof(text) - 1 ? len - 2 : sizeof(text) - 1);
    if (sq_turn_url_parse(text, &url, why, sizeof(why)) == 0) {
        MUST(url.host[0] != '\0' && url.port != 0);
    }
    return 0;
}
