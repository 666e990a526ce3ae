/* A STUN server: answers binding requests with where they came from (RFC 8489), and nothing else.
 */
#include "peer/stun/stun.h"
#include "lab/lab_int.h"

static void on_datagram(void *ctx, const struct sq_datagram *d)
{
    struct sq_lab *lab = ctx;
    struct sq_stun_msg request;
    uint8_t buf[SQ_STUN_MESSAGE_MAX];
    uint16_t unknown[SQ_STUN_UNKNOWN_MAX];
    size_t len;
    if (sq_stun_parse(d->data, d->len, &request) != 0 || request.cls != SQ_STUN_REQUEST ||
        request.method != SQ_STUN_BINDING || sq_stun_check_fingerprint(&request) == SQ_ERR_FORMAT) {
        return;
    }
    /* Credentials mean nothing here: those attributes are known and not looked at. */
    static const uint16_t known[] = {SQ_STUN_USERNAME, SQ_STUN_MESSAGE_INTEGRITY,
                                     SQ_STUN_MESSAGE_INTEGRITY_SHA256, SQ_STUN_REALM,
                                     SQ_STUN_NONCE};
    size_t n = sq_stun_unknown(&request, known, sizeof(known) / sizeof(*known), unknown,
                               SQ_STUN_UNKNOWN_MAX);
    struct sq_stun_writer w = sq_stun_begin(buf, sizeof(buf), n ? SQ_STUN_ERROR : SQ_STUN_SUCCESS,
                                            SQ_STUN_BINDING, request.tid);
    if (n > 0) { /* section 6.3.1 */
        sq_stun_put_error(&w, 420, NULL);
        sq_stun_put_unknown(&w, unknown, n);
    } else {
        sq_stun_put_xor_addr(&w, SQ_STUN_XOR_MAPPED_ADDRESS, d->from);
    }
    sq_stun_put_text(&w, SQ_STUN_SOFTWARE, "Squall lab");
    sq_stun_put_fingerprint(&w);
    if (sq_stun_end(&w, &len) == 0 && sq_udp_send(lab->stun, d->from, buf, len) == 0) {
        lab->stun_answered++;
    }
}

int sq_lab_stun_open(struct sq_lab *lab)
{
    struct sq_udp_options options = {.bind = lab->http_addr};
    sq_addr_set_port(&options.bind, lab->config.stun_port);
    int err = sq_udp_open(lab->loop, &options, on_datagram, lab, &lab->stun);
    if (!err) {
        lab->stun_addr = *sq_udp_local(lab->stun);
    }
    return err;
}
