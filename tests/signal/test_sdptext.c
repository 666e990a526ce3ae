/* Candidates in descriptions, fragments written and applied. */
#include "base/mem.h"
#include "signal/sdptext.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define OFFER                                                                                      \
    "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n"                      \
    "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4\r\n" \
    "a=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n"                                               \
    "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\na=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4\r\n"

static void candidates_go_into_the_first_section(void **state)
{
    (void)state;
    char *out = NULL;
    assert_int_equal(sq_sdptext_add_candidates(OFFER, "candidate:2 x\ncandidate:3 y\n", true, &out),
                     0);
    const char *at = strstr(out, "a=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\na=candidate:2 x\r\n"
                                 "a=candidate:3 y\r\na=end-of-candidates\r\nm=video");
    assert_non_null(at);
    assert_null(strstr(at + 80, "candidate:2"));
    sq_free(out);
    /* LF alone, one section, no end */
    assert_int_equal(
        sq_sdptext_add_candidates("v=0\nm=audio 9 x 0\na=mid:0", "candidate:2 x\n", false, &out),
        0);
    assert_string_equal(out, "v=0\r\nm=audio 9 x 0\r\na=mid:0\r\na=candidate:2 x\r\n");
    sq_free(out);
}

static void fragment_of_rfc_9725(void **state)
{
    (void)state;
    char *out = NULL;
    assert_int_equal(sq_sdptext_fragment(OFFER, "candidate:2 x\n", true, false, &out), 0);
    assert_string_equal(out, "a=group:BUNDLE 0 1\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\n"
                             "a=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4\r\na=candidate:2 x\r\n"
                             "a=end-of-candidates\r\n");
    sq_free(out);
    assert_int_equal(sq_sdptext_fragment(OFFER, "", false, true, &out), 0);
    assert_string_equal(out, "a=ice-options:trickle ice2\r\na=group:BUNDLE 0 1\r\n"
                             "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=ice-ufrag:EsAw\r\n"
                             "a=ice-pwd:P2uYro0UCOQ4\r\n"
                             "a=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n");
    sq_free(out);
}

static void restart_replaces_credentials_and_candidates(void **state)
{
    (void)state;
    char *out = NULL;
    assert_int_equal(
        sq_sdptext_restart(OFFER,
                           "a=ice-lite\r\nm=audio 9 x 0\r\na=mid:0\r\na=ice-ufrag:new1\r\n"
                           "a=ice-pwd:secret\r\na=candidate:9 z\r\na=end-of-candidates\r\n",
                           &out),
        0);
    assert_string_equal(
        out,
        "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\na=ice-lite\r\n"
        "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=ice-ufrag:new1\r\na=ice-pwd:secret\r\n"
        "a=candidate:9 z\r\na=end-of-candidates\r\n"
        "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\na=ice-ufrag:new1\r\na=ice-pwd:secret\r\n");
    sq_free(out);
    assert_int_equal(sq_sdptext_restart(OFFER, "a=ice-ufrag:new1\r\n", &out), SQ_ERR_FORMAT);
    assert_int_equal(sq_sdptext_restart(OFFER, "", &out), SQ_ERR_FORMAT);
}

static void too_long_is_refused(void **state)
{
    (void)state;
    size_t len = SQ_SDPTEXT_MAX_BYTES + 1;
    char *big = malloc(len + 1);
    char *out = NULL;
    memset(big, 'a', len);
    big[len] = '\0';
    assert_int_equal(sq_sdptext_add_candidates(big, "", false, &out), SQ_ERR_NOSPACE);
    assert_int_equal(sq_sdptext_fragment(big, "", false, false, &out), SQ_ERR_NOSPACE);
    assert_int_equal(sq_sdptext_restart(OFFER, big, &out), SQ_ERR_NOSPACE);
    assert_null(out);
    free(big);
}

static void without_memory(void **state)
{
    (void)state;
    for (size_t nth = 1;; nth++) {
        char *out = NULL;
        sq_mem_fail_at(nth);
        int err = sq_sdptext_restart(OFFER, "a=ice-ufrag:n\na=ice-pwd:s\n", &out);
        sq_mem_fail_at(0);
        if (!err) {
            sq_free(out);
            assert_true(nth > 1);
            break;
        }
        assert_int_equal(err, SQ_ERR_NOMEM);
        assert_null(out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(candidates_go_into_the_first_section),
        cmocka_unit_test(fragment_of_rfc_9725),
        cmocka_unit_test(restart_replaces_credentials_and_candidates),
        cmocka_unit_test(too_long_is_refused),
        cmocka_unit_test(without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
