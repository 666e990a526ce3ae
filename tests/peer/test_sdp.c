/* The parser of session descriptions: identity, tolerance, errors, typed attributes, hostile text.
 */
#include "base/mem.h"
#include "base/rand.h"
#include "peer/sdp/fixtures.h"
#include "peer/sdp/sdp.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define HEAD "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"

static struct sq_sdp *parse(const char *text)
{
    struct sq_sdp *sdp = NULL;
    struct sq_sdp_error error = {0};
    int err = sq_sdp_parse(text, strlen(text), &sdp, &error);
    if (err) {
        fail_msg("line %u: %s", error.line, error.text);
    }
    return sdp;
}

static void assert_writes(const struct sq_sdp *sdp, const char *expected)
{
    struct sq_buf out = {0};
    sq_sdp_write(sdp, &out);
    assert_int_equal(out.err, 0);
    assert_string_equal(out.text, expected);
    sq_buf_free(&out);
}

static void fixtures_are_written_back_unchanged(void **state)
{
    for (size_t i = 0; i < N_FIXTURES; i++) {
        char *text = fixture(fixture_names[i], NULL);
        struct sq_sdp *sdp = parse(text);
        assert_writes(sdp, text);
        assert_true(sdp->n_media >= 1);
        sq_sdp_free(sdp);
        sq_free(text);
    }
}

static void lf_and_missing_end_are_tolerated(void **state)
{
    const char *normal = HEAD "m=audio 9 RTP/AVP 0\r\na=x-unknown:a:b c\r\na=flag\r\na=empty:\r\n";
    const char *odd[] = {
        "v=0\no=- 1 2 IN IP4 127.0.0.1\ns=-\nt=0 0\nm=audio 9 RTP/AVP 0\na=x-unknown:a:b "
        "c\na=flag\na=empty:\n",
        "v=0\no=- 1 2 IN IP4 127.0.0.1\ns=-\nt=0 0\nm=audio 9 RTP/AVP 0\na=x-unknown:a:b "
        "c\r\na=flag\na=empty:",
        "v=0\no=- 1 2 IN IP4 127.0.0.1\ns=-\nt=0 0\nm=audio 9 RTP/AVP 0\na=x-unknown:a:b "
        "c\r\na=flag\na=empty:\r\n\r\n\n",
    };
    for (size_t i = 0; i < sizeof(odd) / sizeof(*odd); i++) {
        struct sq_sdp *sdp = parse(odd[i]);
        assert_writes(sdp, normal);
        sq_sdp_free(sdp);
    }
}

static void errors_name_line_and_expectation(void **state)
{
    static const struct {
        const char *text;
        unsigned line;
        const char *says;
    } cases[] = {
        {"", 1, "ends early"},
        {"hello", 1, "x=value"},
        {"o=- 1 2 IN IP4 1.1.1.1\r\n", 1, "expected v=0"},
        {"v=1\r\n", 1, "expected v=0"},
        {"v=0\r\ns=-\r\n", 2, "expected o= after v=, found s="},
        {"v=0\r\no=- 1\r\ns=-\r\n", 2, "expected o=user"},
        {"v=0\r\no=- 1 2 IN IP4 1.1.1.1\r\ns=-\r\n", 4, "t="},
        {"v=0\r\no=- 1 2 IN IP4 1.1.1.1\r\ns=-\r\nm=audio 9 X 0\r\n", 4, "t= before"},
        {HEAD "v=0\r\n", 5, "second v="},
        {HEAD "x=1\r\n", 5, "x= does not belong into the session"},
        {HEAD "m=audio\r\n", 5, "expected m=kind"},
        {HEAD "m=audio 70000 RTP/AVP 0\r\n", 5, "port"},
        {HEAD "m=audio 9/0 RTP/AVP 0\r\n", 5, "port"},
        {HEAD "m=audio -9 RTP/AVP 0\r\n", 5, "port"},
        {HEAD "m=audio 9 RTP/AVP 0\r\nt=0 0\r\n", 6, "into a media section"},
        {HEAD "a=\r\n", 5, "name of an attribute"},
        {HEAD "a=:x\r\n", 5, "name of an attribute"},
        {HEAD "\r\na=x\r\n", 5, "x=value"},
        {HEAD "a=x\ry\r\n", 5, "CR byte"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct sq_sdp *sdp = (struct sq_sdp *)&state;
        struct sq_sdp_error error = {0};
        assert_int_equal(sq_sdp_parse(cases[i].text, strlen(cases[i].text), &sdp, &error),
                         SQ_ERR_FORMAT);
        assert_ptr_equal(sdp, &state);
        if (error.line != cases[i].line || !strstr(error.text, cases[i].says)) {
            fail_msg("case %zu: line %u: %s", i, error.line, error.text);
        }
        assert_int_equal(sq_sdp_parse(cases[i].text, strlen(cases[i].text), &sdp, NULL),
                         SQ_ERR_FORMAT);
    }
    struct sq_sdp *sdp;
    assert_int_equal(sq_sdp_parse(HEAD "a=x\0y\r\n", sizeof(HEAD "a=x\0y\r\n") - 1, &sdp, NULL),
                     SQ_ERR_FORMAT);
}

static void limits_are_kept(void **state)
{
    struct sq_sdp *sdp;
    struct sq_sdp_error error = {0};
    struct sq_buf b = {0};
    sq_buf_puts(&b, HEAD);
    for (unsigned i = 0; i < SQ_SDP_MEDIA_MAX; i++) {
        sq_buf_puts(&b, "m=audio 9 RTP/AVP 0\r\n");
    }
    assert_int_equal(sq_sdp_parse(b.text, b.len, &sdp, &error), 0);
    assert_int_equal(sdp->n_media, SQ_SDP_MEDIA_MAX);
    sq_sdp_free(sdp);
    sq_buf_puts(&b, "m=audio 9 RTP/AVP 0\r\n");
    assert_int_equal(sq_sdp_parse(b.text, b.len, &sdp, &error), SQ_ERR_NOSPACE);
    assert_string_equal(error.text, "more than 256 media sections");
    sq_buf_free(&b);
    sq_buf_puts(&b, HEAD);
    for (unsigned i = 4; i < SQ_SDP_LINES_MAX; i++) {
        sq_buf_puts(&b, "a=x\r\n");
    }
    assert_int_equal(sq_sdp_parse(b.text, b.len, &sdp, &error), 0);
    sq_sdp_free(sdp);
    sq_buf_puts(&b, "a=x\r\n");
    assert_int_equal(sq_sdp_parse(b.text, b.len, &sdp, &error), SQ_ERR_NOSPACE);
    sq_buf_free(&b);
    char *big = sq_calloc(SQ_SDP_TEXT_MAX_BYTES + 1, 1);
    assert_non_null(big);
    assert_int_equal(sq_sdp_parse(big, SQ_SDP_TEXT_MAX_BYTES + 1, &sdp, &error), SQ_ERR_NOSPACE);
    sq_free(big);
}

static void sections_and_lines_are_found(void **state)
{
    char *text = fixture("chromium_reoffer", NULL);
    struct sq_sdp *sdp = parse(text);
    assert_int_equal(sdp->n_media, 4);
    assert_true(sq_view_is(sdp->origin.address, "IN IP4 127.0.0.1"));
    assert_int_equal(sdp->media[0].port, 0);
    assert_int_equal(sdp->media[0].n_ports, 1);
    assert_true(sq_view_is(sdp->media[1].kind, "video"));
    assert_true(sq_view_is(sdp->media[1].proto, "UDP/TLS/RTP/SAVPF"));
    assert_true(sq_sdp_has_word(sdp->media[1].fmts, "96"));
    assert_false(sq_sdp_has_word(sdp->media[1].fmts, "9"));
    assert_int_equal(sq_sdp_direction_of(sdp, &sdp->media[0]), SQ_SDP_INACTIVE);
    assert_int_equal(sq_sdp_direction_of(sdp, &sdp->media[3]), SQ_SDP_SENDONLY);
    struct sq_view mids;
    assert_true(sq_sdp_bundle(sdp, 0, &mids));
    assert_true(sq_view_is(mids, "1 2 3"));
    assert_false(sq_sdp_bundle(sdp, 1, &mids));
    assert_true(sq_view_is(sq_sdp_value(&sdp->media[3].section, "simulcast"), "send q;h;f"));
    unsigned rids = 0;
    const struct sq_sdp_line *line = sq_sdp_attr(&sdp->media[3].section, "rid");
    for (; line; line = sq_sdp_attr_next(&sdp->media[3].section, "rid", line)) {
        struct sq_sdp_rid rid;
        assert_int_equal(sq_sdp_parse_rid(line->value, &rid), 0);
        assert_true(rid.send);
        rids++;
    }
    assert_int_equal(rids, 3);
    assert_true(sq_sdp_has(&sdp->media[1].section, "rtcp-mux"));
    assert_true(sq_sdp_has(&sdp->session, "extmap-allow-mixed"));
    assert_non_null(sq_sdp_find(&sdp->media[1].section, 'c'));
    assert_null(sq_sdp_find(&sdp->media[1].section, 'b'));
    uint64_t n;
    assert_int_equal(sq_sdp_number(&sdp->media[2].section, "sctp-port", 65535, &n), 0);
    assert_int_equal(n, 5000);
    assert_int_equal(sq_sdp_number(&sdp->media[2].section, "ptime", 65535, &n), SQ_ERR_NOTFOUND);
    assert_int_equal(sq_sdp_number(&sdp->media[2].section, "mid", 1, &n), SQ_ERR_FORMAT);
    /* values are C strings, too */
    assert_string_equal(sq_sdp_attr(&sdp->media[3].section, "mid")->value.at, "3");
    assert_non_null(sq_sdp_attr_inherited(sdp, &sdp->media[3], "msid-semantic"));
    sq_sdp_free(sdp);
    sq_free(text);
}

static void codec_lines(void **state)
{
    struct sq_sdp_rtpmap map;
    assert_int_equal(sq_sdp_parse_rtpmap(sq_view_of("111 opus/48000/2"), &map), 0);
    assert_int_equal(map.pt, 111);
    assert_true(sq_view_is(map.name, "opus"));
    assert_int_equal(map.clock_rate_hz, 48000);
    assert_int_equal(map.channels, 2);
    assert_int_equal(sq_sdp_parse_rtpmap(sq_view_of("0 PCMU/8000"), &map), 0);
    assert_int_equal(map.channels, 1);
    const char *bad[] = {"",          "128 x/1",      "1",        "1 x", "1 x/", "1 x/y",
                         "1 x/8000/", "1 x/8000/256", "-1 x/8000"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        assert_int_equal(sq_sdp_parse_rtpmap(sq_view_of(bad[i]), &map), SQ_ERR_FORMAT);
    }
    assert_int_equal(map.pt, 0);
    struct sq_sdp_fmtp fmtp;
    struct sq_view value;
    assert_int_equal(sq_sdp_parse_fmtp(sq_view_of("96 a=1; B = 2;c"), &fmtp), 0);
    assert_true(sq_sdp_fmtp_param(fmtp.params, "b", &value));
    assert_true(sq_view_is(value, "2"));
    assert_true(sq_sdp_fmtp_param(fmtp.params, "c", &value));
    assert_int_equal(value.len, 0);
    assert_false(sq_sdp_fmtp_param(fmtp.params, "d", &value));
    struct sq_sdp_rtcp_fb fb;
    assert_int_equal(sq_sdp_parse_rtcp_fb(sq_view_of("* nack pli "), &fb), 0);
    assert_int_equal(fb.pt, -1);
    assert_true(sq_view_is(fb.value, "nack pli"));
    assert_int_equal(sq_sdp_parse_rtcp_fb(sq_view_of("96"), &fb), SQ_ERR_FORMAT);
    struct sq_sdp_extmap e;
    assert_int_equal(sq_sdp_parse_extmap(sq_view_of("2/recvonly urn:x a b"), &e), 0);
    assert_int_equal(e.id, 2);
    assert_int_equal(e.direction, SQ_SDP_RECVONLY);
    assert_true(sq_view_is(e.uri, "urn:x"));
    assert_true(sq_view_is(e.attributes, "a b"));
    const char *bad_ext[] = {"0 urn:x", "4352 urn:x", "1", "1/both urn:x", "/sendonly urn:x"};
    for (size_t i = 0; i < sizeof(bad_ext) / sizeof(*bad_ext); i++) {
        assert_int_equal(sq_sdp_parse_extmap(sq_view_of(bad_ext[i]), &e), SQ_ERR_FORMAT);
    }
}

static void source_lines(void **state)
{
    struct sq_sdp_ssrc a;
    assert_int_equal(sq_sdp_parse_ssrc(sq_view_of("4294967295 cname:x:y"), &a), 0);
    assert_int_equal(a.ssrc, 0xffffffffU);
    assert_true(sq_view_is(a.name, "cname"));
    assert_true(sq_view_is(a.value, "x:y"));
    assert_int_equal(sq_sdp_parse_ssrc(sq_view_of("4294967296 cname:x"), &a), SQ_ERR_FORMAT);
    struct sq_sdp_ssrc_group g;
    assert_int_equal(sq_sdp_parse_ssrc_group(sq_view_of("FID 1 2"), &g), 0);
    assert_int_equal(g.n_ssrcs, 2);
    assert_int_equal(g.ssrcs[1], 2);
    assert_int_equal(sq_sdp_parse_ssrc_group(sq_view_of("FID 1 x"), &g), SQ_ERR_FORMAT);
    struct sq_sdp_msid m;
    assert_int_equal(sq_sdp_parse_msid(sq_view_of("stream track"), &m), 0);
    assert_true(sq_view_is(m.track, "track"));
    assert_int_equal(sq_sdp_parse_msid(sq_view_of("stream"), &m), 0);
    assert_int_equal(m.track.len, 0);
    assert_int_equal(sq_sdp_parse_msid(sq_view_of(" "), &m), SQ_ERR_FORMAT);
    struct sq_sdp_rid rid;
    assert_int_equal(sq_sdp_parse_rid(sq_view_of("hi both"), &rid), SQ_ERR_FORMAT);
    assert_int_equal(sq_sdp_parse_rid(sq_view_of("hi recv max-br=1"), &rid), 0);
    assert_true(sq_view_is(rid.restrictions, "max-br=1"));
}

static void fingerprints_and_setup(void **state)
{
    /* RFC 8122, section 5 */
    static const char sha1[] = "SHA-1 4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB";
    struct sq_sdp_fingerprint f;
    assert_int_equal(sq_sdp_parse_fingerprint(sq_view_of(sha1), &f), 0);
    assert_string_equal(f.hash, "sha-1");
    assert_int_equal(f.len_bytes, 20);
    assert_int_equal(f.bytes[0], 0x4a);
    assert_int_equal(f.bytes[19], 0xab);
    struct sq_view cut = {sha1, sizeof(sha1) - 2};
    assert_int_equal(sq_sdp_parse_fingerprint(cut, &f), SQ_ERR_FORMAT);
    assert_int_equal(sq_sdp_parse_fingerprint(sq_view_of("md5 00:11"), &f), SQ_ERR_UNSUPPORTED);
    assert_int_equal(sq_sdp_parse_fingerprint(sq_view_of("sha-1"), &f), SQ_ERR_FORMAT);
    assert_int_equal(
        sq_sdp_parse_fingerprint(
            sq_view_of("sha-1 4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C-AB"), &f),
        SQ_ERR_FORMAT);
    enum sq_sdp_setup setup;
    assert_int_equal(sq_sdp_parse_setup(sq_view_of("actpass"), &setup), 0);
    assert_int_equal(setup, SQ_SDP_SETUP_ACTPASS);
    assert_int_equal(sq_sdp_parse_setup(sq_view_of("aktiv"), &setup), SQ_ERR_FORMAT);
    assert_int_equal(sq_sdp_direction_reverse(SQ_SDP_SENDONLY), SQ_SDP_RECVONLY);
    assert_int_equal(sq_sdp_direction_reverse(SQ_SDP_SENDRECV), SQ_SDP_SENDRECV);
}

static void bandwidth(void **state)
{
    struct sq_sdp *sdp = parse(HEAD "m=video 9 X 1\r\nb=AS:1500\r\nb=TIAS:1200000\r\n"
                                    "m=video 9 X 1\r\nb=AS:1500\r\nm=video 9 X 1\r\nb=AS:x\r\n");
    assert_int_equal(sq_sdp_bandwidth_bps(&sdp->media[0].section), 1200000);
    assert_int_equal(sq_sdp_bandwidth_bps(&sdp->media[1].section), 1500000);
    assert_int_equal(sq_sdp_bandwidth_bps(&sdp->media[2].section), 0);
    sq_sdp_free(sdp);
}

/* Each typed parser over each attribute, for the sanitizers. */
static void touch_everything(const struct sq_sdp *sdp)
{
    for (size_t i = 0; i < sdp->n_lines; i++) {
        struct sq_view v = sdp->lines[i].value;
        struct sq_sdp_rtpmap map;
        struct sq_sdp_fmtp fmtp;
        struct sq_sdp_rtcp_fb fb;
        struct sq_sdp_extmap ext;
        struct sq_sdp_ssrc ssrc;
        struct sq_sdp_ssrc_group group;
        struct sq_sdp_msid msid;
        struct sq_sdp_rid rid;
        struct sq_sdp_fingerprint fingerprint;
        enum sq_sdp_setup setup;
        int n = sq_sdp_parse_rtpmap(v, &map) + sq_sdp_parse_rtcp_fb(v, &fb) +
                sq_sdp_parse_extmap(v, &ext) + sq_sdp_parse_ssrc(v, &ssrc) +
                sq_sdp_parse_ssrc_group(v, &group) + sq_sdp_parse_msid(v, &msid) +
                sq_sdp_parse_rid(v, &rid) + sq_sdp_parse_fingerprint(v, &fingerprint) +
                sq_sdp_parse_setup(v, &setup);
        assert_true(n <= 0);
        if (!sq_sdp_parse_fmtp(v, &fmtp)) {
            (void)sq_sdp_fmtp_param(fmtp.params, "apt", &v);
        }
    }
    struct sq_view mids;
    (void)sq_sdp_bundle(sdp, 0, &mids);
    for (size_t i = 0; i < sdp->n_media; i++) {
        (void)sq_sdp_direction_of(sdp, &sdp->media[i]);
        (void)sq_sdp_bandwidth_bps(&sdp->media[i].section);
    }
}

/* The bytes stand in a block of their own size, so that ASan sees a read beyond them. */
static void try_text(const char *text, size_t len)
{
    char *exact = sq_malloc(len ? len : 1);
    assert_non_null(exact);
    memcpy(exact, text, len);
    struct sq_sdp *sdp;
    struct sq_sdp_error error = {0};
    int err = sq_sdp_parse(exact, len, &sdp, &error);
    sq_free(exact);
    if (err) {
        assert_true(error.text[0] != '\0');
        return;
    }
    touch_everything(sdp);
    struct sq_buf once = {0};
    sq_sdp_write(sdp, &once);
    sq_sdp_free(sdp);
    /* what was written is normal form: it is its own image */
    sdp = parse(once.text);
    assert_writes(sdp, once.text);
    sq_sdp_free(sdp);
    sq_buf_free(&once);
}

static void every_truncation_is_survived(void **state)
{
    for (size_t i = 0; i < N_FIXTURES; i++) {
        size_t len;
        char *text = fixture(fixture_names[i], &len);
        for (size_t n = 0; n < len; n += n < 200 ? 1 : 7) {
            try_text(text, n);
        }
        sq_free(text);
    }
}

static void mutations_are_survived(void **state)
{
    static const char spice[] = "\r\n =:;/-*0a9m";
    struct sq_rand r;
    sq_rand_seed(&r, 42);
    for (size_t i = 0; i < N_FIXTURES; i++) {
        size_t len;
        char *text = fixture(fixture_names[i], &len);
        for (unsigned round = 0; round < 60; round++) {
            char *copy = sq_malloc(len);
            assert_non_null(copy);
            memcpy(copy, text, len);
            for (unsigned k = sq_rand_below(&r, 4); k < 5; k++) {
                size_t at = sq_rand_below(&r, (uint32_t)len);
                copy[at] = sq_rand_below(&r, 2) ? spice[sq_rand_below(&r, sizeof(spice) - 1)]
                                                : (char)sq_rand_u32(&r);
            }
            try_text(copy, len);
            sq_free(copy);
        }
        sq_free(text);
    }
}

static void allocation_failures_are_survived(void **state)
{
    char *text = fixture("firefox_reoffer", NULL);
    struct sq_sdp *sdp;
    size_t nth = 1;
    for (;; nth++) {
        sq_mem_fail_at(nth);
        int err = sq_sdp_parse(text, strlen(text), &sdp, NULL);
        if (!err) {
            break;
        }
        assert_int_equal(err, SQ_ERR_NOMEM);
    }
    sq_mem_fail_at(0);
    assert_true(nth == 5);
    sq_sdp_free(sdp);
    sq_sdp_free(NULL);
    sq_free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fixtures_are_written_back_unchanged),
        cmocka_unit_test(lf_and_missing_end_are_tolerated),
        cmocka_unit_test(errors_name_line_and_expectation),
        cmocka_unit_test(limits_are_kept),
        cmocka_unit_test(sections_and_lines_are_found),
        cmocka_unit_test(codec_lines),
        cmocka_unit_test(source_lines),
        cmocka_unit_test(fingerprints_and_setup),
        cmocka_unit_test(bandwidth),
        cmocka_unit_test(every_truncation_is_survived),
        cmocka_unit_test(mutations_are_survived),
        cmocka_unit_test(allocation_failures_are_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
