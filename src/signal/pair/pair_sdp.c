#include "signal/pair/pair_sdp.h"

#include "base/mem.h"
#include "peer/ice/candidate.h"
#include <string.h>

#define HOSTS4_KEPT 2 /* of IPv4, as a machine with a wire and a radio has */
#define PREF_STEP   256

static const char fingerprint_mark[] = "a=fingerprint:sha-256 ";
static const char candidate_mark[] = "a=candidate:";

static size_t room_for(const struct sq_addr *addr, bool srflx)
{
    return sq_addr_family(addr) == AF_INET && !srflx ? HOSTS4_KEPT : 1;
}

bool sq_pair_add_candidate(struct sq_pair_code *code, const char *line)
{
    struct sq_ice_candidate c;
    if (sq_ice_candidate_parse(sq_view_of(line), &c, NULL) != 0 || c.transport != SQ_ICE_UDP ||
        (c.type != SQ_ICE_HOST && c.type != SQ_ICE_SRFLX)) {
        return false;
    }
    bool srflx = c.type == SQ_ICE_SRFLX;
    size_t same_kind = 0;
    for (size_t i = 0; i < code->candidates_len; i++) {
        const struct sq_pair_candidate *have = &code->candidates[i];
        if (sq_addr_equal(&have->addr, &c.addr)) {
            return false;
        }
        same_kind += sq_addr_family(&have->addr) == sq_addr_family(&c.addr) && have->srflx == srflx;
    }
    if (same_kind >= room_for(&c.addr, srflx) || code->candidates_len == SQ_PAIR_CANDIDATES_MAX) {
        return false;
    }
    code->candidates[code->candidates_len++] = (struct sq_pair_candidate){c.addr, srflx};
    return true;
}

int sq_pair_from_sdp(const char *sdp, struct sq_pair_code *code)
{
    struct sq_view rest = sq_view_of(sdp);
    bool have_fingerprint = false;
    while (rest.at && rest.len > 0) {
        struct sq_view line = sq_view_trim(sq_view_cut(&rest, '\n'));
        char text[SQ_ICE_CANDIDATE_TEXT];
        if (line.len >= sizeof(text)) {
            continue;
        }
        memcpy(text, line.at, line.len);
        text[line.len] = '\0';
        if (strncmp(text, fingerprint_mark, strlen(fingerprint_mark)) == 0 && !have_fingerprint) {
            int err = sq_fingerprint_bytes(text + strlen(fingerprint_mark), code->fingerprint);
            if (err) {
                return err;
            }
            have_fingerprint = true;
        } else if (strncmp(text, candidate_mark, strlen(candidate_mark)) == 0) {
            sq_pair_add_candidate(code, text);
        }
    }
    return have_fingerprint ? 0 : SQ_ERR_FORMAT;
}

static void put_candidates(struct sq_buf *b, const struct sq_pair_code *code)
{
    for (size_t i = 0; i < code->candidates_len; i++) {
        const struct sq_pair_candidate *c = &code->candidates[i];
        char ip[SQ_ADDR_TEXT_MAX];
        enum sq_ice_type type = c->srflx ? SQ_ICE_SRFLX : SQ_ICE_HOST;
        bool v6 = sq_addr_family(&c->addr) == AF_INET6;
        /* The order stands for preference; a server-reflexive one's base is not told, and an
         * address of zero in its place is allowed (RFC 8839, section 5.1). */
        uint16_t preference = (uint16_t)(UINT16_MAX - i * PREF_STEP);
        sq_buf_printf(b, "a=candidate:%zu 1 udp %u %s %u typ %s", i + 1,
                      sq_ice_priority(type, preference, 1), sq_addr_format_ip(&c->addr, ip),
                      sq_addr_port(&c->addr), sq_ice_type_name(type));
        if (c->srflx) {
            sq_buf_printf(b, " raddr %s rport 0", v6 ? "::" : "0.0.0.0");
        }
        sq_buf_puts(b, "\r\n");
    }
    sq_buf_puts(b, "a=end-of-candidates\r\n");
}

static void put_transport(struct sq_buf *b, const struct sq_pair_code *code,
                          const struct sq_derived_ice *ice)
{
    sq_buf_printf(b, "a=ice-ufrag:%s\r\na=ice-pwd:%s\r\na=fingerprint:sha-256 ", ice->ufrag,
                  ice->pwd);
    for (size_t i = 0; i < SQ_SHA256_BYTES; i++) {
        sq_buf_printf(b, "%s%02X", i ? ":" : "", code->fingerprint[i]);
    }
    sq_buf_printf(b, "\r\na=setup:%s\r\na=rtcp-mux\r\na=%s\r\n",
                  code->answer ? "active" : "actpass", code->media ? "sendrecv" : "inactive");
}

int sq_pair_to_sdp(const struct sq_pair_code *code, char **ret_sdp)
{
    struct sq_derived_ice ice;
    struct sq_buf b = {0};
    int err = sq_derive_ice(code->fingerprint, &ice);
    if (err) {
        return err;
    }
    sq_buf_puts(&b, "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n"
                    "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\n"
                    "a=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10;useinbandfec=1\r\n");
    put_transport(&b, code, &ice);
    put_candidates(&b, code);
    sq_buf_puts(&b, "m=video 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=mid:1\r\n"
                    "a=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli\r\n"
                    "a=rtcp-fb:96 ccm fir\r\n");
    put_transport(&b, code, &ice);
    char *sdp = sq_buf_take(&b);
    if (!sdp) {
        return SQ_ERR_NOMEM;
    }
    *ret_sdp = sdp;
    return 0;
}
