#include "peer/mdns/mdns.h"

#include "base/mem.h"
#include "base/time.h"
#include "base/wire.h"
#include <string.h>

#define TYPE_A        1
#define TYPE_AAAA     28
#define CLASS_IN      1
#define CLASS_MASK    0x7fff /* the top bit: unicast wanted, or flush the cache (RFC 6762, 18) */
#define FLAG_RESPONSE 0x8000
#define JUMPS_MAX     16 /* of a compressed name */
#define ASK_MAX       4  /* queries, after 0, 1, 3 and 7 s (RFC 6762, section 5.2); then 8 s more */
#define TTL_MAX_S     4500
#define FAILED_KEEP_S 10 /* a name that nobody answered for is not asked for again so long */

struct waiter {
    struct waiter *next;
    void *who;
};

struct name {
    struct name *next;
    uint64_t due_ns;        /* the next query, or the end of what is known */
    struct waiter *waiters; /* owned */
    struct sq_addr addr;    /* family 0 while it is asked for, or when nobody answered */
    uint8_t asked;          /* queries sent; 0: known, or known to be of no use */
    bool telling;           /* its waiters are being told */
    char text[SQ_MDNS_NAME_MAX + 1];
};

struct sq_mdns {
    const struct sq_mdns_callbacks *cb;
    void *ctx;
    struct name *names; /* owned */
    size_t names_len;
};

int sq_mdns_create(const struct sq_mdns_callbacks *callbacks, void *ctx, struct sq_mdns **ret_mdns)
{
    struct sq_mdns *mdns = sq_zalloc(sizeof(*mdns));
    if (!mdns) {
        return SQ_ERR_NOMEM;
    }
    mdns->cb = callbacks;
    mdns->ctx = ctx;
    *ret_mdns = mdns;
    return 0;
}

static void free_waiters(struct name *n)
{
    while (n->waiters) {
        struct waiter *w = n->waiters;
        n->waiters = w->next;
        sq_free(w);
    }
}

void sq_mdns_destroy(struct sq_mdns *mdns)
{
    if (!mdns) {
        return;
    }
    while (mdns->names) {
        struct name *n = mdns->names;
        mdns->names = n->next;
        free_waiters(n);
        sq_free(n);
    }
    sq_free(mdns);
}

bool sq_mdns_is_name(struct sq_view name)
{
    static const char suffix[] = ".local";
    size_t n = sizeof(suffix) - 1;
    if (name.len <= n || name.len > SQ_MDNS_NAME_MAX) {
        return false;
    }
    struct sq_view tail = {name.at + name.len - n, n};
    return sq_view_is_nocase(tail, suffix);
}

static struct name *find(struct sq_mdns *mdns, struct sq_view text)
{
    for (struct name *n = mdns->names; n; n = n->next) {
        if (sq_view_is_nocase(text, n->text)) {
            return n;
        }
    }
    return NULL;
}

/* ---- Asking ---- */

static void put_name(struct sq_wire *w, const char *text)
{
    struct sq_view rest = sq_view_of(text);
    while (rest.at && rest.len > 0) {
        struct sq_view label = sq_view_cut(&rest, '.');
        if (label.len == 0 || label.len > 63) { /* RFC 1035, section 2.3.4 */
            w->err = w->err ? w->err : SQ_ERR_INVALID;
        }
        sq_wire_put_u8(w, (uint8_t)label.len);
        sq_wire_put(w, label.at, label.len);
    }
    sq_wire_put_u8(w, 0);
}

/* A message a question: Chromium's responder reads no others. */
static int send_query(struct sq_mdns *mdns, const struct name *n)
{
    static const uint16_t types[2] = {TYPE_A, TYPE_AAAA};
    int err = 0;
    for (size_t i = 0; i < 2 && !err; i++) {
        uint8_t buf[SQ_MDNS_NAME_MAX + 32];
        struct sq_wire w = sq_wire_writer(buf, sizeof(buf));
        static const uint16_t header[6] = {0, 0, 1, 0, 0, 0}; /* id 0: section 18.1 */
        for (size_t j = 0; j < 6; j++) {
            sq_wire_put_u16(&w, header[j]);
        }
        put_name(&w, n->text);
        sq_wire_put_u16(&w, types[i]);
        sq_wire_put_u16(&w, CLASS_IN);
        err = w.err;
        if (!err) {
            mdns->cb->send(mdns->ctx, buf, w.pos);
        }
    }
    return err;
}

static void drop_oldest(struct sq_mdns *mdns)
{
    struct name **oldest = NULL;
    for (struct name **at = &mdns->names; *at; at = &(*at)->next) {
        if (!(*at)->asked && !(*at)->telling) {
            oldest = at; /* new ones stand in front */
        }
    }
    if (oldest) {
        struct name *n = *oldest;
        *oldest = n->next;
        free_waiters(n);
        sq_free(n);
        mdns->names_len--;
    }
}

static int start(struct sq_mdns *mdns, uint64_t now_ns, struct sq_view text, struct name **ret_name)
{
    if (mdns->names_len >= SQ_MDNS_NAMES_MAX) {
        drop_oldest(mdns);
    }
    struct name *n = mdns->names_len < SQ_MDNS_NAMES_MAX ? sq_zalloc(sizeof(*n)) : NULL;
    if (!n) {
        return SQ_ERR_NOMEM;
    }
    memcpy(n->text, text.at, text.len);
    int err = send_query(mdns, n);
    if (err) {
        sq_free(n);
        return SQ_ERR_INVALID;
    }
    n->asked = 1;
    n->due_ns = now_ns + SQ_NS_PER_SEC;
    n->next = mdns->names;
    mdns->names = n;
    mdns->names_len++;
    *ret_name = n;
    return 0;
}

int sq_mdns_ask(struct sq_mdns *mdns, uint64_t now_ns, struct sq_view name, void *waiter)
{
    if (!sq_mdns_is_name(name) || memchr(name.at, '\0', name.len)) {
        return SQ_ERR_INVALID;
    }
    struct name *n = find(mdns, name);
    if (n && !n->asked && now_ns < n->due_ns) {
        struct sq_addr addr = n->addr;
        mdns->cb->answer(mdns->ctx, waiter, sq_addr_family(&addr) ? &addr : NULL);
        return 0;
    }
    struct waiter *w = sq_malloc(sizeof(*w));
    if (!w) {
        return SQ_ERR_NOMEM;
    }
    int err = 0;
    if (!n) {
        err = start(mdns, now_ns, name, &n);
    } else if (!n->asked) { /* what was known has run out */
        memset(&n->addr, 0, sizeof(n->addr));
        err = send_query(mdns, n);
        n->asked = 1;
        n->due_ns = now_ns + SQ_NS_PER_SEC;
    }
    if (err) {
        sq_free(w);
        return err;
    }
    w->who = waiter;
    w->next = n->waiters;
    n->waiters = w;
    return 0;
}

void sq_mdns_forget(struct sq_mdns *mdns, const void *waiter)
{
    for (struct name *n = mdns->names; n; n = n->next) {
        for (struct waiter **at = &n->waiters; *at;) {
            struct waiter *w = *at;
            if (w->who == waiter) {
                *at = w->next;
                sq_free(w);
            } else {
                at = &w->next;
            }
        }
    }
}

/* ---- Answers ---- */

static void tell(struct sq_mdns *mdns, struct name *n)
{
    struct sq_addr addr = n->addr;
    n->telling = true;
    while (n->waiters) { /* who is told may ask (which may drop other names) and forget */
        struct waiter *w = n->waiters;
        void *who = w->who;
        n->waiters = w->next;
        sq_free(w);
        mdns->cb->answer(mdns->ctx, who, sq_addr_family(&addr) ? &addr : NULL);
    }
    n->telling = false;
}

/* A name at the cursor, which moves behind it, as text; compressed as RFC 1035, section 4.1.4. */
static void read_name(struct sq_wire *w, char out[static SQ_MDNS_NAME_MAX + 1])
{
    struct sq_wire at = *w;
    size_t used = 0;
    bool fits = true, jumped = false;
    for (int jumps = 0; !at.err;) {
        uint8_t len = sq_wire_u8(&at);
        if ((len & 0xc0) == 0xc0) {
            size_t to = (size_t)(len & 0x3f) << 8 | sq_wire_u8(&at);
            if (!jumped) {
                w->pos = at.pos;
                jumped = true;
            }
            if (++jumps > JUMPS_MAX || to >= at.len) {
                at.err = SQ_ERR_FORMAT;
                break;
            }
            at.pos = to;
            continue;
        }
        if (len == 0) {
            break;
        }
        const uint8_t *label = len < 64 ? sq_wire_read(&at, len) : NULL;
        if (!label) {
            at.err = at.err ? at.err : SQ_ERR_FORMAT;
            break;
        }
        fits = fits && used + len + 1 <= SQ_MDNS_NAME_MAX;
        if (fits) {
            if (used > 0) {
                out[used++] = '.';
            }
            memcpy(out + used, label, len);
            used += len;
        }
    }
    out[fits ? used : 0] = '\0'; /* one that is too long is none of ours */
    if (!jumped) {
        w->pos = at.pos;
    }
    w->err = w->err ? w->err : at.err;
}

static void take(struct sq_mdns *mdns, uint64_t now_ns, const char *text, uint32_t ttl_s,
                 const struct sq_addr *addr)
{
    struct name *n = find(mdns, sq_view_of(text));
    if (!n) {
        return; /* nobody asked */
    }
    if (ttl_s == 0) { /* a goodbye: section 10.1 */
        n->due_ns = n->asked ? n->due_ns : now_ns;
        return;
    }
    n->addr = *addr;
    n->asked = 0;
    n->due_ns = now_ns + (ttl_s < TTL_MAX_S ? ttl_s : TTL_MAX_S) * SQ_NS_PER_SEC;
    tell(mdns, n);
}

static void read_record(struct sq_mdns *mdns, uint64_t now_ns, struct sq_wire *w)
{
    char text[SQ_MDNS_NAME_MAX + 1];
    read_name(w, text);
    uint16_t type = sq_wire_u16(w);
    uint16_t class = sq_wire_u16(w) & CLASS_MASK;
    uint32_t ttl_s = sq_wire_u32(w);
    uint16_t len = sq_wire_u16(w);
    const uint8_t *data = sq_wire_read(w, len);
    struct sq_addr addr;
    memset(&addr, 0, sizeof(addr));
    if (!data || class != CLASS_IN) {
        return;
    }
    if (type == TYPE_A && len == 4) {
        addr.in4.sin_family = AF_INET;
        memcpy(&addr.in4.sin_addr, data, 4);
    } else if (type == TYPE_AAAA && len == 16) {
        addr.in6.sin6_family = AF_INET6;
        memcpy(&addr.in6.sin6_addr, data, 16);
    } else {
        return;
    }
    take(mdns, now_ns, text, ttl_s, &addr);
}

int sq_mdns_receive(struct sq_mdns *mdns, uint64_t now_ns, const void *buf, size_t len)
{
    struct sq_wire w = sq_wire_reader(buf, len);
    char text[SQ_MDNS_NAME_MAX + 1];
    (void)sq_wire_u16(&w);
    uint16_t flags = sq_wire_u16(&w);
    uint16_t questions = sq_wire_u16(&w);
    size_t records = sq_wire_u16(&w);
    records += sq_wire_u16(&w);
    records += sq_wire_u16(&w);
    if (w.err) {
        return SQ_ERR_FORMAT;
    }
    if (!(flags & FLAG_RESPONSE)) {
        return 0; /* somebody asks; we have no names of our own */
    }
    for (uint16_t i = 0; i < questions && !w.err; i++) {
        read_name(&w, text);
        sq_wire_skip(&w, 4);
    }
    for (size_t i = 0; i < records && !w.err; i++) {
        read_record(mdns, now_ns, &w);
    }
    return w.err ? SQ_ERR_FORMAT : 0;
}

/* ---- Time ---- */

uint64_t sq_mdns_next_timeout(const struct sq_mdns *mdns)
{
    uint64_t next = SQ_NEVER;
    for (const struct name *n = mdns->names; n; n = n->next) {
        next = n->asked ? sq_min_u64(next, n->due_ns) : next;
    }
    return next;
}

void sq_mdns_on_timeout(struct sq_mdns *mdns, uint64_t now_ns)
{
    struct name *next;
    for (struct name *n = mdns->names; n; n = next) {
        next = n->next;
        if (!n->asked || now_ns < n->due_ns) {
            continue;
        }
        if (n->asked < ASK_MAX) {
            n->due_ns = now_ns + (SQ_NS_PER_SEC << n->asked);
            n->asked++;
            int err = send_query(mdns, n);
            (void)err; /* it could be written before */
        } else {
            n->asked = 0;
            n->due_ns = now_ns + FAILED_KEEP_S * SQ_NS_PER_SEC;
            tell(mdns, n);
            next = mdns->names; /* who was told may have asked, and a name may have gone for it */
        }
    }
}
