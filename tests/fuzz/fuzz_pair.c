/* Codes of `squall pair`: what is accepted is written and read again as the same, and makes a
 * description that reads as the code. */
#include "base/mem.h"
#include "fuzz/fuzz.h"
#include "signal/pair/pair_sdp.h"
#include <string.h>

static bool same(const struct sq_pair_code *a, const struct sq_pair_code *b)
{
    bool equal = a->answer == b->answer && a->media == b->media && a->offer_tag == b->offer_tag &&
                 memcmp(a->fingerprint, b->fingerprint, SQ_SHA256_BYTES) == 0 &&
                 a->candidates_len == b->candidates_len;
    for (size_t i = 0; equal && i < a->candidates_len; i++) {
        equal = a->candidates[i].srflx == b->candidates[i].srflx &&
                sq_addr_equal(&a->candidates[i].addr, &b->candidates[i].addr);
    }
    return equal;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char why[SQ_PAIR_WHY_MAX] = "";
    char text[SQ_PAIR_TEXT_MAX];
    struct sq_pair_code code, again;
    char *in = sq_strndup((const char *)data, len);
    if (!in) {
        return 0;
    }
    if (sq_pair_decode(in, &code, why) != 0) {
        MUST(why[0] != '\0');
    } else {
        char *sdp;
        MUST(sq_pair_encode(&code, text) == 0);
        MUST(sq_pair_decode(text, &again, why) == 0 && same(&code, &again));
        if (sq_pair_to_sdp(&code, &sdp) == 0) {
            struct sq_pair_code read = {0};
            MUST(sq_pair_from_sdp(sdp, &read) == 0);
            MUST(memcmp(read.fingerprint, code.fingerprint, SQ_SHA256_BYTES) == 0);
            sq_free(sdp);
        }
    }
    sq_free(in);
    return 0;
}
