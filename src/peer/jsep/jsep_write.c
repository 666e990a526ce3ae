/* Writes a local description in the order and with the lines that browsers write (RFC 9429,
 * sections 5.2 and 5.3). */
#include "peer/jsep/jsep_int.h"

#include "base/mem.h"
#include <inttypes.h>
#include <string.h>

static void write_session(const struct sq_jsep *j, const struct jsep_desc *d,
                          const struct sq_jsep_transport *local, struct sq_buf *out)
{
    sq_buf_printf(out, "v=0\r\no=- %" PRIu64 " %" PRIu64 " IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n",
                  j->session_id, d->version);
    bool any = false;
    for (size_t i = 0; i < d->n && d->bundled; i++) {
        if (!d->sections[i].rejected) {
            sq_buf_printf(out, "%s %s", any ? "" : "a=group:BUNDLE", d->sections[i].mid);
            any = true;
        }
    }
    sq_buf_puts(out, any ? "\r\n" : "");
    sq_buf_puts(out, d->mixed ? "a=extmap-allow-mixed\r\n" : "");
    sq_buf_puts(out, local->ice_lite ? "a=ice-lite\r\n" : "");
    sq_buf_puts(out, "a=msid-semantic: WMS *\r\n");
}

static const char *setup_to_write(const struct sq_jsep *j, const struct jsep_desc *d)
{
    if (d->is_offer) {
        return "actpass"; /* RFC 9429, section 5.2.1: in later offers, too */
    }
    const struct sq_jsep_remote *r = sq_jsep_remote(j);
    return r && r->dtls_role == SQ_JSEP_DTLS_PASSIVE ? "passive" : "active";
}

static void write_transport(const struct sq_jsep *j, const struct jsep_desc *d, size_t i,
                            const struct sq_jsep_transport *local, struct sq_buf *out)
{
    if ((int)i == d->transport) {
        for (size_t c = 0; c < local->n_candidates; c++) {
            sq_buf_printf(out, "a=%s\r\n", local->candidates[c]);
        }
        sq_buf_puts(out, local->end_of_candidates ? "a=end-of-candidates\r\n" : "");
    }
    sq_buf_printf(out, "a=ice-ufrag:%s\r\na=ice-pwd:%s\r\n", local->ice_ufrag, local->ice_pwd);
    sq_buf_puts(out, local->trickle ? "a=ice-options:trickle\r\n" : "");
    sq_buf_printf(out, "a=fingerprint:%s\r\na=setup:%s\r\n", local->fingerprint,
                  setup_to_write(j, d));
}

static void write_mid(const struct jsep_section *s, struct sq_buf *out)
{
    if (s->has_mid) {
        sq_buf_printf(out, "a=mid:%s\r\n", s->mid);
    }
}

static const char *kind_name(const struct jsep_section *s)
{
    static const char *const names[] = {
        [SQ_JSEP_AUDIO] = "audio", [SQ_JSEP_VIDEO] = "video", [SQ_JSEP_DATA] = "application"};
    return s->kind == SQ_JSEP_OTHER ? s->kind_name : names[s->kind];
}

static const char *proto_name(const struct jsep_section *s)
{
    if (s->proto) {
        return s->proto;
    }
    return s->kind == SQ_JSEP_DATA ? "UDP/DTLS/SCTP" : JSEP_RTP_PROTO;
}

static void write_rejected(const struct jsep_section *s, struct sq_buf *out)
{
    sq_buf_printf(out, "m=%s 0 %s %s\r\nc=IN IP4 0.0.0.0\r\n", kind_name(s), proto_name(s),
                  s->fmt ? s->fmt : "0");
    if (s->kind == SQ_JSEP_AUDIO || s->kind == SQ_JSEP_VIDEO) {
        sq_buf_puts(out, "a=inactive\r\n");
    }
    write_mid(s, out);
}

static void write_data(const struct sq_jsep *j, const struct jsep_desc *d, size_t i,
                       const struct sq_jsep_transport *local, struct sq_buf *out)
{
    const struct jsep_section *s = &d->sections[i];
    sq_buf_printf(out, "m=application 9 %s ", proto_name(s));
    if (s->old_data) {
        sq_buf_printf(out, "%u\r\nc=IN IP4 0.0.0.0\r\n", j->sctp_port);
    } else {
        sq_buf_puts(out, "webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\n");
    }
    write_transport(j, d, i, local, out);
    write_mid(s, out);
    if (s->old_data) {
        sq_buf_printf(out, "a=sctpmap:%u webrtc-datachannel 65535\r\n", j->sctp_port);
    } else {
        sq_buf_printf(out, "a=sctp-port:%u\r\n", j->sctp_port);
    }
    sq_buf_printf(out, "a=max-message-size:%u\r\n", (unsigned)j->max_message_size_bytes);
}

static void write_exts(const struct jsep_section *s, struct sq_buf *out)
{
    for (unsigned x = 0; x < JSEP_EXTS; x++) {
        if (s->ext[x].id == 0) {
            continue;
        }
        sq_buf_printf(out, "a=extmap:%u", s->ext[x].id);
        if (s->ext[x].direction != SQ_SDP_SENDRECV) {
            sq_buf_printf(out, "/%s", sq_sdp_direction_name(s->ext[x].direction));
        }
        sq_buf_printf(out, " %s\r\n", jsep_ext_rows[x].uri);
    }
}

/* "stream track" of the local sender (RFC 8830): "-" is "no stream". */
static void write_msid_value(const struct jsep_section *s, struct sq_buf *out)
{
    const struct sq_jsep_transceiver *t = s->tr;
    sq_buf_printf(out, "msid:%s ", t->stream_id ? t->stream_id : "-");
    if (t->track_id) {
        sq_buf_printf(out, "%s\r\n", t->track_id);
    } else {
        sq_buf_printf(out, "track-%s\r\n", s->mid);
    }
}

static bool has_rtx(const struct jsep_section *s)
{
    for (size_t i = 0; i < s->n_codecs; i++) {
        if (jsep_rows[s->codecs[i].id].refers == JSEP_REFERS_APT) {
            return true;
        }
    }
    return false;
}

static void write_sources(const struct sq_jsep *j, const struct jsep_section *s, struct sq_buf *out)
{
    const struct sq_jsep_transceiver *t = s->tr;
    if (!t || t->ssrc == 0 || !(s->local_direction & SQ_SDP_SENDONLY) ||
        (s->sim && s->sim->send.n)) { /* rids name its streams, as in browsers */
        return;
    }
    const uint32_t ssrcs[2] = {t->ssrc, t->rtx_ssrc};
    size_t n = t->rtx_ssrc && has_rtx(s) ? 2 : 1;
    if (n == 2) {
        sq_buf_printf(out, "a=ssrc-group:FID %u %u\r\n", (unsigned)ssrcs[0], (unsigned)ssrcs[1]);
    }
    for (size_t i = 0; i < n; i++) {
        sq_buf_printf(out, "a=ssrc:%u cname:%s\r\n", (unsigned)ssrcs[i], j->cname);
        sq_buf_printf(out, "a=ssrc:%u ", (unsigned)ssrcs[i]);
        write_msid_value(s, out);
    }
}

static void write_media(const struct sq_jsep *j, const struct jsep_desc *d, size_t i,
                        const struct sq_jsep_transport *local, struct sq_buf *out)
{
    const struct jsep_section *s = &d->sections[i];
    sq_buf_printf(out, "m=%s 9 %s", kind_name(s), proto_name(s));
    for (size_t c = 0; c < s->n_codecs; c++) {
        sq_buf_printf(out, " %u", s->codecs[c].recv_pt);
    }
    sq_buf_puts(out, "\r\nc=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\n");
    write_transport(j, d, i, local, out);
    write_mid(s, out);
    write_exts(s, out);
    sq_buf_printf(out, "a=%s\r\n", sq_sdp_direction_name(s->local_direction));
    if (s->tr && (s->local_direction & SQ_SDP_SENDONLY)) {
        sq_buf_puts(out, "a=");
        write_msid_value(s, out);
    }
    sq_buf_puts(out, "a=rtcp-mux\r\n");
    sq_buf_puts(out, s->rtcp_rsize ? "a=rtcp-rsize\r\n" : "");
    for (size_t c = 0; c < s->n_codecs; c++) {
        jsep_write_codec(s, &s->codecs[c], d->is_offer, out);
    }
    write_sources(j, s, out);
    jsep_write_simulcast(s, out);
}

static bool is_line(const char *text)
{
    return text && text[0] && !strpbrk(text, "\r\n");
}

static bool transport_makes_sense(const struct sq_jsep_transport *local)
{
    for (size_t i = 0; i < local->n_candidates; i++) {
        if (!is_line(local->candidates[i])) {
            return false;
        }
    }
    return is_line(local->ice_ufrag) && is_line(local->ice_pwd) && is_line(local->fingerprint);
}

int jsep_write(const struct sq_jsep *j, const struct jsep_desc *d,
               const struct sq_jsep_transport *local, char **ret_text)
{
    if (!transport_makes_sense(local)) {
        return SQ_ERR_INVALID;
    }
    struct sq_buf out = {0};
    write_session(j, d, local, &out);
    for (size_t i = 0; i < d->n; i++) {
        const struct jsep_section *s = &d->sections[i];
        if (s->rejected) {
            write_rejected(s, &out);
        } else if (s->kind == SQ_JSEP_DATA) {
            write_data(j, d, i, local, &out);
        } else {
            write_media(j, d, i, local, &out);
        }
    }
    char *text = sq_buf_take(&out);
    if (!text) {
        return SQ_ERR_NOMEM;
    }
    *ret_text = text;
    return 0;
}
