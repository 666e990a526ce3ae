/* Any bytes as the message that opens a data channel: what is understood is written again, and says
 * the same. */
#include "fuzz/fuzz.h"
#include "peer/dcep.h"
#include <string.h>

static bool same(struct sq_view a, struct sq_view b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static uint8_t out[SQ_DCEP_OPEN_BYTES + 2 * SQ_DCEP_TEXT_MAX];
    struct sq_dcep_open open, again;
    size_t written;
    if (sq_dcep_read_open(data, len, &open) != 0) {
        return 0;
    }
    size_t needed = SQ_DCEP_OPEN_BYTES + open.label.len + open.protocol.len;
    MUST(needed <= len && !(open.limit_retransmits && open.limit_lifetime));
    MUST(open.limit == 0 || open.limit_retransmits || open.limit_lifetime);
    MUST(sq_dcep_write_open(&open, out, needed - 1, &written) == SQ_ERR_NOSPACE);
    MUST(sq_dcep_write_open(&open, out, needed, &written) == 0 && written == needed);
    MUST(sq_dcep_read_open(out, written, &again) == 0);
    MUST(again.unordered == open.unordered && again.limit_retransmits == open.limit_retransmits &&
         again.limit_lifetime == open.limit_lifetime && again.limit == open.limit &&
         again.priority == open.priority && same(again.label, open.label) &&
         same(again.protocol, open.protocol));
    return 0;
}
