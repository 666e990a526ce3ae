/* SSRC tables, index guess and replay window. */
#include "base/mem.h"
#include "base/time.h"
#include "peer/srtp/srtp_int.h"
#include <string.h>

#define BLOCK_BITS   64u
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
    for (uint16_t i = 0; i < t->n; i++) {
        sq_free(t->at[i].older);
    }
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

/* Forgets the one heard longest ago; false: all were heard lately. */
static bool table_forget(struct stream_table *t)
{
    uint32_t longest = 0, ssrc = 0;
    for (uint16_t i = 0; i < t->n; i++) {
        uint32_t ago = t->heard - t->at[i].heard;
        ssrc = ago >= longest ? t->at[i].ssrc : ssrc;
        longest = ago > longest ? ago : longest;
    }
    if (t->lately_log2 == 0 || longest < 1u << t->lately_log2) {
        return false;
    }
    sq_srtp_table_remove(t, ssrc);
    return true;
}

int sq_srtp_table_add(struct stream_table *t, uint32_t ssrc, uint64_t top,
                      struct stream **ret_stream)
{
    if (t->n == t->room && !(t->n == SQ_SRTP_STREAMS_MAX && table_forget(t))) {
        int err = table_grow(t);
        if (err) {
            return err;
        }
    }
    uint64_t *older = t->remembers ? sq_calloc(REPLAY_OLDER, sizeof(*older)) : NULL;
    if (t->remembers && !older) {
        return SQ_ERR_NOMEM;
    }
    uint16_t i = t->n++;
    t->at[i] = (struct stream){.ssrc = ssrc, .heard = t->heard, .top = top, .older = older};
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
    sq_free(s->older);
    *s = t->at[--t->n];
    if (t->slots) {
        slots_rebuild(t);
    }
}

size_t sq_srtp_table_memory(const struct stream_table *t)
{
    return (t->at == t->inline_at ? 0 : t->room * sizeof(*t->at)) +
           (t->remembers ? t->n * REPLAY_OLDER * sizeof(uint64_t) : 0) +
           (t->slots ? (t->slots_mask + 1) * sizeof(*t->slots) : 0);
}

/* RFC 3711, section 3.3.2, asks for 64 indices at least, which are the newest two blocks and all
 * that SRTCP has. RTP that is sent again on its own SSRC comes late by a round trip or more: for it
 * 576 are told apart, more than a second of 4 Mbit/s. Those are touched once in 64 packets, so that
 * the cache line they lie in is no cost of a packet. */
int sq_srtp_replay_check(const struct stream *s, uint64_t index)
{
    if (index > s->top) {
        return 0;
    }
    uint64_t block = index / BLOCK_BITS;
    uint64_t behind = s->top / BLOCK_BITS - block;
    if (behind >= 2 && (!s->older || behind >= 2 + REPLAY_OLDER)) {
        return SQ_ERR_REPLAY;
    }
    uint64_t seen = behind < 2 ? s->seen[behind] : s->older[block % REPLAY_OLDER];
    return seen >> index % BLOCK_BITS & 1 ? SQ_ERR_REPLAY : 0;
}

/* Begins the block after `block`, the newest. */
static void next_block(struct stream *s, uint64_t block)
{
    if (s->older) {
        s->older[(block - 1) % REPLAY_OLDER] = s->seen[1];
    }
    s->seen[1] = s->seen[0];
    s->seen[0] = 0;
}

/* For an index that sq_srtp_replay_check let pass. */
void sq_srtp_replay_add(struct stream *s, uint64_t index)
{
    uint64_t block = index / BLOCK_BITS;
    uint64_t bit = UINT64_C(1) << index % BLOCK_BITS;
    if (index > s->top) {
        uint64_t newest = s->top / BLOCK_BITS;
        uint64_t steps = sq_min_u64(block - newest, 2 + REPLAY_OLDER); /* then all are empty */
        for (uint64_t i = 0; i < steps; i++) {
            next_block(s, newest + i);
        }
        s->top = index;
    }
    uint64_t behind = s->top / BLOCK_BITS - block;
    if (behind < 2) {
        s->seen[behind] |= bit;
    } else if (s->older) {
        s->older[block % REPLAY_OLDER] |= bit;
    }
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
