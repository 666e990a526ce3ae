/* Where the credentials are no secret (peer/derived_ice.h), more than one may come with them: two
 * who took the same offer. The one whose credentials are told is served, all others are refused;
 * and until that is known, checks wait (config one_remote). */
#include "peer/ice/ice_int.h"

#include <string.h>

/* The second part of USERNAME is the sender's own (RFC 8445, section 7.2.2). */
static struct sq_view sender_of(const struct sq_stun_msg *m)
{
    struct sq_view user = {NULL, 0};
    if (sq_stun_get_text(m, SQ_STUN_USERNAME, &user) == 0) {
        (void)sq_view_cut(&user, ':');
    }
    return user.at ? user : (struct sq_view){"", 0};
}

bool ice_is_stranger(const struct sq_ice *ice, const struct sq_stun_msg *m)
{
    return ice->cfg.one_remote && !sq_view_is(sender_of(m), ice->gen.remote_ufrag);
}

static bool same_sender(const struct ice_held *held, const struct sq_stun_msg *m)
{
    struct sq_stun_msg before;
    struct sq_view a = sender_of(m);
    if (sq_stun_parse(held->bytes, held->len, &before) != 0) {
        return false;
    }
    struct sq_view b = sender_of(&before);
    return a.len == b.len && memcmp(a.at, b.at, a.len) == 0;
}

void ice_hold(struct sq_ice *ice, uint8_t base, const struct sq_addr *from,
              const struct sq_stun_msg *m)
{
    struct ice_held *held = NULL;
    for (uint16_t i = 0; i < ice->held.n && !held; i++) {
        struct ice_held *h = (struct ice_held *)ice->held.items + i;
        held = h->base == base && sq_addr_equal(&h->from, from) && same_sender(h, m) ? h : NULL;
    }
    held = held ? held : ice_array_add(&ice->held, sizeof(*held), ICE_HELD_MAX);
    if (held && m->len <= sizeof(held->bytes)) { /* what finds no room is sent again */
        held->base = base;
        held->from = *from;
        held->len = (uint16_t)m->len;
        memcpy(held->bytes, m->buf, m->len);
    }
}

void ice_serve_held(struct sq_ice *ice, uint64_t now_ns)
{
    for (uint16_t i = 0; i < ice->held.n; i++) {
        const struct ice_held *h = (const struct ice_held *)ice->held.items + i;
        struct sq_stun_msg m;
        if (sq_stun_parse(h->bytes, h->len, &m) == 0) {
            ice_request_late(ice, now_ns, h->base, &h->from, &m);
        }
    }
    ice_array_free(&ice->held);
}
