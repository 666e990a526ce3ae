/* Candidates: priority, foundation, and the text of the candidate attribute. */
#include "peer/ice/candidate.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static const struct {
    const char *name;
    uint8_t preference; /* RFC 8445, section 5.1.2.2 */
} types[] = {
    [SQ_ICE_HOST] = {"host", 126},
    [SQ_ICE_SRFLX] = {"srflx", 100},
    [SQ_ICE_PRFLX] = {"prflx", 110},
    [SQ_ICE_RELAY] = {"relay", 0},
};

#define TYPES (sizeof(types) / sizeof(*types))

/* RFC 6544, section 4.5; the index is enum sq_ice_transport. */
static const char *const tcp_types[] = {"", "active", "passive", "so"};

const char *sq_ice_type_name(enum sq_ice_type type)
{
    return (size_t)type < TYPES ? types[type].name : "?";
}

uint32_t sq_ice_priority(enum sq_ice_type type, uint16_t local_preference, uint16_t component)
{
    return (uint32_t)types[type].preference << 24 | (uint32_t)local_preference << 8 |
           (256u - component);
}

uint32_t sq_ice_priority_tcp(enum sq_ice_type type, enum sq_ice_transport transport,
                             uint16_t local_preference, uint16_t component)
{
    /* Type preferences as libwebrtc's: 90 for hosts, 80 for peer-reflexive ones. Direction: 6 for
     * active, 4 for passive, 2 for simultaneous-open (RFC 6544, section 4.2). */
    uint32_t preference = type == SQ_ICE_HOST ? 90 : 80;
    uint32_t direction = transport == SQ_ICE_TCP_ACTIVE    ? 6
                         : transport == SQ_ICE_TCP_PASSIVE ? 4
                                                           : 2;
    return preference << 24 | (direction << 13 | local_preference >> 3) << 8 | (256u - component);
}

static uint32_t fnv_add(uint32_t hash, const void *bytes, size_t n)
{
    const uint8_t *p = bytes;
    for (size_t i = 0; i < n; i++) {
        hash = (hash ^ p[i]) * 16777619u;
    }
    return hash;
}

static uint32_t fnv_add_ip(uint32_t hash, const struct sq_addr *a)
{
    return sq_addr_family(a) == AF_INET6 ? fnv_add(hash, &a->in6.sin6_addr, 16)
                                         : fnv_add(hash, &a->in4.sin_addr, 4);
}

void sq_ice_foundation(enum sq_ice_type type, enum sq_ice_transport transport,
                       const struct sq_addr *base, const struct sq_addr *server,
                       char out[static SQ_ICE_FOUNDATION_MAX + 1])
{
    uint8_t kind[2] = {(uint8_t)type, transport != SQ_ICE_UDP};
    uint32_t hash = fnv_add_ip(fnv_add(2166136261u, kind, sizeof(kind)), base);
    if (server) {
        hash = fnv_add_ip(hash, server);
    }
    snprintf(out, SQ_ICE_FOUNDATION_MAX + 1, "%u", hash);
}

/* ---- Reading ---- */

static struct sq_view next_token(struct sq_view *rest)
{
    struct sq_view token;
    do {
        token = sq_view_cut(rest, ' ');
    } while (token.len == 0 && rest->at);
    return token;
}

static int parse_transport(struct sq_view text, uint8_t *ret_transport)
{
    if (sq_view_is_nocase(text, "udp")) {
        *ret_transport = SQ_ICE_UDP;
        return 0;
    }
    if (sq_view_is_nocase(text, "tcp")) {
        *ret_transport = SQ_ICE_TCP_PASSIVE; /* tcptype says more */
        return 0;
    }
    return text.len ? SQ_ERR_UNSUPPORTED : SQ_ERR_FORMAT;
}

/* A numeric address; SQ_ERR_DNS for what can be a host name. */
static int parse_ip(struct sq_view text, uint16_t port, struct sq_addr *ret_addr)
{
    char ip[64];
    bool letter = false;
    if (text.len == 0 || text.len > 255) {
        return SQ_ERR_FORMAT;
    }
    if (text.len < sizeof(ip)) {
        memcpy(ip, text.at, text.len);
        ip[text.len] = '\0';
        if (strlen(ip) == text.len && sq_addr_parse(ip, port, ret_addr) == 0) {
            return 0;
        }
    }
    for (size_t i = 0; i < text.len; i++) {
        char c = text.at[i];
        bool alpha = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        letter = letter || alpha;
        if (!alpha && !(c >= '0' && c <= '9') && c != '.' && c != '-') {
            return SQ_ERR_FORMAT;
        }
    }
    return letter ? SQ_ERR_DNS : SQ_ERR_FORMAT;
}

static int parse_type(struct sq_view text, uint8_t *ret_type)
{
    for (size_t i = 0; i < TYPES; i++) {
        if (sq_view_is_nocase(text, types[i].name)) {
            *ret_type = (uint8_t)i;
            return 0;
        }
    }
    return text.len ? SQ_ERR_UNSUPPORTED : SQ_ERR_FORMAT;
}

/* The name-value pairs behind the type. What is not known, or known and senseless, is left out: it
 * must do no harm (RFC 8839, section 5.1). */
static int parse_extensions(struct sq_view rest, struct sq_ice_candidate *c,
                            struct sq_view *ret_ufrag)
{
    struct sq_view raddr = {0};
    uint64_t rport = 0;
    while (rest.at) {
        struct sq_view name = next_token(&rest);
        struct sq_view value = next_token(&rest);
        if (sq_view_is_nocase(name, "raddr")) {
            raddr = value;
        } else if (sq_view_is_nocase(name, "rport")) {
            if (sq_view_u64(value, UINT16_MAX, &rport)) {
                return SQ_ERR_FORMAT;
            }
        } else if (sq_view_is_nocase(name, "ufrag")) {
            *ret_ufrag = value;
        } else if (sq_view_is_nocase(name, "tcptype") && c->transport != SQ_ICE_UDP) {
            for (int t = SQ_ICE_TCP_ACTIVE; t <= SQ_ICE_TCP_SO; t++) {
                c->transport = sq_view_is_nocase(value, tcp_types[t]) ? (uint8_t)t : c->transport;
            }
        }
    }
    if (raddr.len) {
        (void)!parse_ip(raddr, (uint16_t)rport, &c->related); /* a hidden one is a name */
    }
    return 0;
}

int sq_ice_candidate_parse(struct sq_view line, struct sq_ice_candidate *ret_candidate,
                           struct sq_view *ret_ufrag)
{
    struct sq_ice_candidate c;
    memset(&c, 0, sizeof(c));
    struct sq_view rest = sq_view_trim(line);
    static const char *const prefixes[] = {"a=", "candidate:"};
    for (size_t i = 0; i < 2; i++) {
        if (sq_view_starts(rest, prefixes[i])) {
            rest.at += strlen(prefixes[i]);
            rest.len -= strlen(prefixes[i]);
        }
    }
    struct sq_view foundation = next_token(&rest);
    struct sq_view component = next_token(&rest);
    struct sq_view transport = next_token(&rest);
    struct sq_view priority = next_token(&rest);
    struct sq_view address = next_token(&rest);
    struct sq_view port = next_token(&rest);
    struct sq_view typ = next_token(&rest);
    struct sq_view type = next_token(&rest);
    struct sq_view ufrag = {0};
    uint64_t n_component, n_priority, n_port;
    if (foundation.len == 0 || foundation.len > SQ_ICE_FOUNDATION_MAX ||
        !sq_view_is_nocase(typ, "typ") || sq_view_u64(component, 256, &n_component) ||
        n_component == 0 || sq_view_u64(priority, UINT32_MAX, &n_priority) ||
        sq_view_u64(port, UINT16_MAX, &n_port)) {
        return SQ_ERR_FORMAT;
    }
    for (size_t i = 0; i < foundation.len; i++) {
        if (foundation.at[i] < '!' || foundation.at[i] > '~') {
            return SQ_ERR_FORMAT;
        }
    }
    memcpy(c.foundation, foundation.at, foundation.len);
    c.component = (uint16_t)n_component;
    c.priority = (uint32_t)n_priority;
    int err = parse_transport(transport, &c.transport);
    err = err ? err : parse_type(type, &c.type);
    err = err ? err : parse_extensions(rest, &c, &ufrag);
    err = err ? err : parse_ip(address, (uint16_t)n_port, &c.addr);
    if (err) {
        return err;
    }
    *ret_candidate = c;
    if (ret_ufrag) {
        *ret_ufrag = ufrag;
    }
    return 0;
}

/* ---- Writing ---- */

const char *sq_ice_candidate_format(const struct sq_ice_candidate *c,
                                    char out[static SQ_ICE_CANDIDATE_TEXT])
{
    char ip[SQ_ADDR_TEXT_MAX], rip[SQ_ADDR_TEXT_MAX];
    bool tcp = c->transport != SQ_ICE_UDP;
    int n =
        snprintf(out, SQ_ICE_CANDIDATE_TEXT, "candidate:%s %u %s %u %s %u typ %s", c->foundation,
                 c->component, tcp ? "tcp" : "udp", c->priority, sq_addr_format_ip(&c->addr, ip),
                 sq_addr_port(&c->addr), sq_ice_type_name((enum sq_ice_type)c->type));
    if (sq_addr_family(&c->related) != AF_UNSPEC) {
        n += snprintf(out + n, SQ_ICE_CANDIDATE_TEXT - (size_t)n, " raddr %s rport %u",
                      sq_addr_format_ip(&c->related, rip), sq_addr_port(&c->related));
    }
    if (tcp) {
        snprintf(out + n, SQ_ICE_CANDIDATE_TEXT - (size_t)n, " tcptype %s",
                 tcp_types[c->transport & 3]);
    }
    return out;
}
