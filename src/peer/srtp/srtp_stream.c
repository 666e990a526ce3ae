/* SSRC tables, index guess and replay window. */
#include "base/mem.h"
#include "peer/srtp/srtp_int.h"
#include <string.h>

#define WINDOW_BITS  128u
#define LINEAR_MAX   8u /* up to here a walk beats a hash */
#define SEQ_HALF     0x8000u
#define GOLDEN_RATIO 0x9E3779B1u

void sq_srtp_table_init(struct stream_table *t)
{
    *t = (struct stream_table){.room = STREAMS_INLINE};
    t->at = t->inline_at;
}

void sq_srtp_table_free(struct stream_table *t)
{
    if (t->at != t->inline_at) {
        sq_free(t->at);
    }
    sq_free(t->slots);
    sq_srtp_table_init(t);
}

static uint32_t hash_slot(const struct stream_table *t, uint32_t ssrc)
{
    return (ssrc * GOLDEN_RATIO >> 16) & t->slots_mask;
}

struct stream *sq_srtp_table_find(struct stream_table *t, uint32_t ssrc)
{
    if (t->last < t->n && t->at[t->last].ssrc == ssrc) {
        return &t->at[t->last];
    }
    if (!t->slots) {
        for (uint16_t i = 0; i < t->n; i++) {
            if (t->at[i].ssrc == ssrc) {
                t->last = i;
                return &t->at[i];
            }
        }
        return NULL;
    }
    for (uint32_t slot = hash_slot(t, ssrc); t->slots[slot]; slot = (slot + 1) & t->slots_mask) {
        uint16_t i = (uint16_t)(t->slots[slot] - 1);
        if (t->at[i].ssrc == ssrc) {
            t->last = i;
            return &t->at[i];
        }
    }
    return NULL;
}

static void slot_fill(struct stream_table *t, uint16_t i)
{
    uint32_t slot = hash_slot(t, t->at[i].ssrc);
    while (t->slots[slot]) {
        slot = (slot + 1) & t->slots_mask;
    }
    t->slots[slot] = (uint16_t)(i + 1);
}

static void slots_rebuild(struct stream_table *t)
{
    memset(t->slots, 0, (t->slots_mask + 1) * sizeof(*t->slots));
    for (uint16_t i = 0; i < t->n; i++) {
        slot_fill(t, i);
    }
}

static int table_grow(struct stream_table *t)
{
    if (t->room >= SQ_SRTP_STREAMS_MAX) {
        return SQ_ERR_NOMEM;
    }
    uint16_t room = (uint16_t)(t->room * 2);
    struct stream *at = sq_calloc(room, sizeof(*at));
    uint16_t *slots = room > LINEAR_MAX ? sq_calloc((size_t)room * 2, sizeof(*slots)) : NULL;
    if (!at || (room > LINEAR_MAX && !slots)) {
        sq_free(at);
        sq_free(slots);
        return SQ_ERR_NOMEM;
    }
    memcpy(at, t->at, t->n * sizeof(*at));
    if (t->at != t->inline_at) {
        sq_free(t->at);
    }
    sq_free(t->slots);
    t->at = at;
    t->room = room;
    t->slots = slots;
    if (slots) {
        t->slots_mask = room * 2u - 1;
        slots_rebuild(t);
    }
    return 0;
}

int sq_srtp_table_add(struct stream_table *t, uint32_t ssrc, uint64_t top,
                      struct stream **ret_stream)
{
    if (t->n == t->room) {
        int err = table_grow(t);
        if (err) {
            return err;
        }
    }
    uint16_t i = t->n++;
    t->at[i] = (struct stream){.ssrc = ssrc, .top = top};
    if (t->slots) {
        slot_fill(t, i);
    }
    t->last = i;
    *ret_stream = &t->at[i];
    return 0;
}

void sq_srtp_table_remove(struct stream_table *t, uint32_t ssrc)
{
    struct stream *s = sq_srtp_table_find(t, ssrc);
    if (!s) {
        return;
    }
    *s = t->at[--t->n];
    if (t->slots) {
        slots_rebuild(t);
    }
}

size_t sq_srtp_table_memory(const struct stream_table *t)
{
    return (t->at == t->inline_at ? 0 : t->room * sizeof(*t->at)) +
           (t->slots ? (t->slots_mask + 1) * sizeof(*t->slots) : 0);
}

int sq_srtp_replay_check(const struct stream *s, uint64_t index)
{
    if (index > s->top) {
        return 0;
    }
    uint64_t behind = s->top - index;
    return behind >= WINDOW_BITS || (s->window >> behind & 1) ? SQ_ERR_REPLAY : 0;
}

void sq_srtp_replay_add(struct stream *s, uint64_t index)
{
    if (index > s->top) {
        uint64_t ahead = index - s->top;
        s->window = ahead >= WINDOW_BITS ? 0 : s->window << ahead;
        s->top = index;
    }
    s->window |= (sq_u128)1 << (s->top - index);
}

uint64_t sq_srtp_index_guess(uint64_t top, uint16_t seq)
{
    uint32_t roc = (uint32_t)(top >> 16);
    uint32_t newest = top & 0xffff;
    if (newest < SEQ_HALF) {
        /* There is no turn before the first: a jump ahead then, as libsrtp takes it. */
        if (seq > newest + SEQ_HALF && roc > 0) {
            roc--;
        }
    } else if (newest - SEQ_HALF > seq) {
        roc++;
    }
    return (uint64_t)roc << 16 | seq;
}
