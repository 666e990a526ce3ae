#include "peer/turn/turn_url.h"

#include "base/str.h"
#include <stdio.h>
#include <string.h>

#define PORT_PLAIN 3478 /* RFC 7065, section 3.2 */
#define PORT_TLS   5349

static int refuse(char *why, size_t room, const char *what)
{
    snprintf(why, room, "%s", what);
    return SQ_ERR_FORMAT;
}

static bool host_is_sound(struct sq_view host, bool bracketed)
{
    if (host.len == 0 || host.len >= SQ_TURN_HOST_MAX) {
        return false;
    }
    for (size_t i = 0; i < host.len; i++) {
        char c = host.at[i];
        bool name = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    c == '.' || c == '-' || c == '_';
        if (!name && !(bracketed && (c == ':' || c == '%'))) {
            return false;
        }
    }
    return true;
}

static int read_transport(struct sq_view query, struct sq_turn_url *url, char *why, size_t room)
{
    bool tls = url->carrier == SQ_TURN_TLS;
    if (sq_view_is_nocase(query, "transport=udp")) {
        url->carrier = tls ? SQ_TURN_DTLS : SQ_TURN_UDP;
    } else if (sq_view_is_nocase(query, "transport=tcp")) {
        url->carrier = tls ? SQ_TURN_TLS : SQ_TURN_TCP;
    } else {
        return refuse(why, room, "expected nothing but ?transport=udp or ?transport=tcp behind it");
    }
    return 0;
}

int sq_turn_url_parse(const char *text, struct sq_turn_url *ret_url, char *why, size_t why_room)
{
    struct sq_turn_url url = {.port = PORT_PLAIN, .carrier = SQ_TURN_UDP};
    struct sq_view rest = sq_view_of(text);
    struct sq_view scheme = sq_view_cut(&rest, ':');
    if (sq_view_is_nocase(scheme, "turns")) {
        url.port = PORT_TLS;
        url.carrier = SQ_TURN_TLS;
    } else if (!sq_view_is_nocase(scheme, "turn")) {
        return refuse(why, why_room, "expected turn:HOST[:PORT] or turns:HOST[:PORT] (RFC 7065)");
    }
    if (!rest.at) {
        return refuse(why, why_room, "a host is missing");
    }
    if (memchr(rest.at, '@', rest.len)) {
        return refuse(
            why, why_room,
            "credentials do not belong into the URL: use --turn-user and --turn-password");
    }
    struct sq_view where = sq_view_cut(&rest, '?');
    bool bracketed = where.len > 0 && where.at[0] == '[';
    if (bracketed) {
        where.at++;
        where.len--;
    }
    struct sq_view host = sq_view_cut(&where, bracketed ? ']' : ':');
    if (bracketed && !where.at) {
        return refuse(why, why_room, "the ] of the address is missing");
    }
    if (bracketed && where.len > 0) {
        if (where.at[0] != ':') {
            return refuse(why, why_room, "expected :PORT behind the address");
        }
        where.at++;
        where.len--;
        if (where.len == 0) {
            return refuse(why, why_room, "expected a port number");
        }
    }
    if (!host_is_sound(host, bracketed)) {
        return refuse(why, why_room, "the host is no name or address");
    }
    uint64_t port;
    if (where.at && (where.len > 0 || !bracketed)) {
        if (sq_view_u64(where, UINT16_MAX, &port) || port == 0) {
            return refuse(why, why_room, "expected a port number from 1 to 65535");
        }
        url.port = (uint16_t)port;
    }
    memcpy(url.host, host.at, host.len);
    int err = rest.at ? read_transport(rest, &url, why, why_room) : 0;
    if (!err) {
        *ret_url = url;
    }
    return err;
}

const char *sq_turn_carrier_name(enum sq_turn_carrier carrier)
{
    static const char *const names[] = {"udp", "tcp", "tls", "dtls"};
    return names[carrier];
}
