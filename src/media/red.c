#include "media/red.h"

#include "base/wire.h"

int sq_red_parse(const uint8_t *payload, size_t len,
                 struct sq_red_block ret_blocks[SQ_RED_BLOCKS_MAX], size_t *ret_n)
{
    struct sq_wire w = sq_wire_reader(payload, len);
    struct sq_red_block blocks[SQ_RED_BLOCKS_MAX];
    size_t n = 0;
    for (;;) { /* headers, RFC 2198, section 3 */
        if (n == SQ_RED_BLOCKS_MAX) {
            return SQ_ERR_FORMAT;
        }
        uint8_t first = sq_wire_u8(&w);
        blocks[n] = (struct sq_red_block){.pt = first & 0x7f};
        if (!(first & 0x80)) {
            n++;
            break;
        }
        uint32_t rest = sq_wire_u24(&w);
        blocks[n].offset = (uint16_t)(rest >> 10);
        blocks[n].len = rest & 0x3ff;
        n++;
    }
    for (size_t i = 0; i + 1 < n; i++) {
        blocks[i].at = sq_wire_read(&w, blocks[i].len);
    }
    size_t left = sq_wire_left(&w);
    if (w.err || left > UINT16_MAX) {
        return w.err ? w.err : SQ_ERR_FORMAT;
    }
    blocks[n - 1].at = sq_wire_read(&w, left);
    blocks[n - 1].len = (uint16_t)left;
    for (size_t i = 0; i < n; i++) {
        ret_blocks[i] = blocks[i];
    }
    *ret_n = n;
    return 0;
}
