#include "peer/dcep.h"

#include "base/wire.h"

#define TYPE_UNORDERED 0x80 /* section 5.1 */
#define TYPE_COUNT     1
#define TYPE_TIME      2

int sq_dcep_read_open(const uint8_t *bytes, size_t len, struct sq_dcep_open *ret_open)
{
    struct sq_wire w = sq_wire_reader(bytes, len);
    bool is_open = sq_wire_u8(&w) == SQ_DCEP_OPEN;
    uint8_t type = sq_wire_u8(&w);
    struct sq_dcep_open open = {.unordered = (type & TYPE_UNORDERED) != 0};
    type &= (uint8_t)~TYPE_UNORDERED;
    open.priority = sq_wire_u16(&w);
    uint32_t limit = sq_wire_u32(&w);
    uint16_t label_len = sq_wire_u16(&w);
    uint16_t protocol_len = sq_wire_u16(&w);
    open.limit_retransmits = type == TYPE_COUNT;
    open.limit_lifetime = type == TYPE_TIME;
    if (open.limit_retransmits || open.limit_lifetime) {
        open.limit = limit > UINT16_MAX ? UINT16_MAX : (uint16_t)limit;
    }
    open.label = (struct sq_view){(const char *)sq_wire_read(&w, label_len), label_len};
    open.protocol = (struct sq_view){(const char *)sq_wire_read(&w, protocol_len), protocol_len};
    if (w.err || !is_open || type > TYPE_TIME) {
        return SQ_ERR_FORMAT;
    }
    *ret_open = open;
    return 0;
}

int sq_dcep_write_open(const struct sq_dcep_open *open, uint8_t *out, size_t room, size_t *ret_len)
{
    if (open->label.len > SQ_DCEP_TEXT_MAX || open->protocol.len > SQ_DCEP_TEXT_MAX) {
        return SQ_ERR_INVALID;
    }
    uint8_t type = open->limit_retransmits ? TYPE_COUNT : open->limit_lifetime ? TYPE_TIME : 0;
    struct sq_wire w = sq_wire_writer(out, room);
    sq_wire_put_u8(&w, SQ_DCEP_OPEN);
    sq_wire_put_u8(&w, type | (open->unordered ? TYPE_UNORDERED : 0));
    sq_wire_put_u16(&w, open->priority);
    sq_wire_put_u32(&w, type ? open->limit : 0);
    sq_wire_put_u16(&w, (uint16_t)open->label.len);
    sq_wire_put_u16(&w, (uint16_t)open->protocol.len);
    sq_wire_put(&w, open->label.at, open->label.len);
    sq_wire_put(&w, open->protocol.at, open->protocol.len);
    if (w.err) {
        return SQ_ERR_NOSPACE;
    }
    *ret_len = w.pos;
    return 0;
}
