#include "peer/turn/framing.h"

#include "base/mem.h"
#include "base/wire.h"
#include <string.h>

/* What a message is made of, told by its first bytes. */
struct layout {
    size_t header; /* bytes before the message that are not part of it */
    size_t len;    /* of the message */
    size_t whole;  /* with header and padding */
};

/* 0; SQ_ERR_AGAIN: more bytes are wanted to tell. */
static int measure(enum sq_framing_kind kind, const uint8_t *at, size_t have, struct layout *ret)
{
    if (have < (kind == SQ_FRAMING_TURN ? 4 : SQ_FRAMING_4571_HEADER)) {
        return SQ_ERR_AGAIN;
    }
    if (kind == SQ_FRAMING_RFC4571) {
        size_t len = sq_load_u16(at);
        *ret = (struct layout){SQ_FRAMING_4571_HEADER, len, len + SQ_FRAMING_4571_HEADER};
        return 0;
    }
    size_t body = sq_load_u16(at + 2);
    if ((at[0] & 0xc0) == 0x40) { /* RFC 8656, section 12: 0x4000 to 0x4FFF */
        if (at[0] > 0x4f) {
            return SQ_ERR_FORMAT;
        }
        *ret = (struct layout){0, 4 + body, 4 + ((body + 3) & ~(size_t)3)};
        return 0;
    }
    if (at[0] > 3 || body % 4 != 0) { /* RFC 8489, section 5 */
        return SQ_ERR_FORMAT;
    }
    *ret = (struct layout){0, 20 + body, 20 + body};
    return 0;
}

static int keep(struct sq_framing *f, const uint8_t *data, size_t n, size_t room)
{
    if (room > f->room) {
        uint8_t *grown = sq_realloc(f->buf, room);
        if (!grown) {
            return SQ_ERR_NOMEM;
        }
        f->buf = grown;
        f->room = room;
    }
    if (n > 0) {
        memcpy(f->buf + f->have, data, n);
    }
    f->have += n;
    return 0;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Goes on with a message of which a part is kept; *data and *len move on. 0, or an error. */
static int go_on(struct sq_framing *f, const uint8_t **data, size_t *len, sq_framing_fn fn,
                 void *ctx)
{
    const size_t head = f->kind == SQ_FRAMING_TURN ? 4 : SQ_FRAMING_4571_HEADER;
    struct layout m;
    if (f->have < head) {
        size_t n = least(head - f->have, *len);
        int err = keep(f, *data, n, head);
        *data += n;
        *len -= n;
        if (err || f->have < head) {
            return err;
        }
    }
    int err = measure(f->kind, f->buf, f->have, &m);
    if (err) {
        return err;
    }
    if (m.whole > SQ_FRAMING_MESSAGE_MAX) {
        f->skip = m.whole - f->have;
        f->have = 0;
        f->passed_over++;
        return 0;
    }
    size_t n = least(m.whole - f->have, *len);
    err = keep(f, *data, n, m.whole);
    *data += n;
    *len -= n;
    if (!err && f->have == m.whole) {
        f->have = 0;
        fn(ctx, f->buf + m.header, m.len);
    }
    return err;
}

int sq_framing_feed(struct sq_framing *f, const uint8_t *data, size_t len, sq_framing_fn fn,
                    void *ctx)
{
    while (len > 0) {
        struct layout m;
        if (f->skip > 0) {
            size_t n = least(f->skip, len);
            f->skip -= n;
            data += n;
            len -= n;
            continue;
        }
        if (f->have > 0) {
            int err = go_on(f, &data, &len, fn, ctx);
            if (err) {
                return err;
            }
            continue;
        }
        int err = measure(f->kind, data, len, &m);
        if (err && err != SQ_ERR_AGAIN) {
            return err;
        }
        if (err == 0 && m.whole <= len && m.whole <= SQ_FRAMING_MESSAGE_MAX) {
            fn(ctx, data + m.header, m.len); /* whole, where it lies */
            data += m.whole;
            len -= m.whole;
            continue;
        }
        size_t head = f->kind == SQ_FRAMING_TURN ? 4 : SQ_FRAMING_4571_HEADER;
        size_t n = least(head, len);
        err = keep(f, data, n, head);
        if (err) {
            return err;
        }
        data += n;
        len -= n;
        if (n == head) { /* a header that says all there is to come, or what to pass over */
            err = go_on(f, &data, &len, fn, ctx);
            if (err) {
                return err;
            }
        }
    }
    return 0;
}

void sq_framing_free(struct sq_framing *f)
{
    sq_free(f->buf);
    f->buf = NULL;
    f->have = f->room = f->skip = 0;
}
