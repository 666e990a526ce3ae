/* Descriptions of real implementations, stored beside this file, for the tests of SDP and JSEP. */
#ifndef SQ_TESTS_PEER_SDP_FIXTURES_H
#define SQ_TESTS_PEER_SDP_FIXTURES_H

#include "base/mem.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const fixture_names[] = {
    "aiortc_answer_avd",      "aiortc_offer_avd",        "chromium_answer_avd",
    "chromium_offer_avd",     "chromium_offer_gathered", "chromium_offer_recvonly",
    "chromium_reoffer",       "firefox_answer_avd",      "firefox_offer_avd",
    "firefox_offer_gathered", "firefox_offer_recvonly",  "firefox_reoffer",
    "gst_offer_av",           "janus_echotest_answer",   "janus_videoroom_offer",
    "mediasoup_offer_recv",   "pion_offer_av",
};
#define N_FIXTURES (sizeof(fixture_names) / sizeof(*fixture_names))

/* The text, to be freed with sq_free; ends the program if the file cannot be read. */
static inline char *fixture(const char *name, size_t *ret_len)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/tests/peer/sdp/%s.sdp", SQ_SOURCE_DIR, name);
    FILE *file = fopen(path, "rb");
    char *text = sq_malloc(65536);
    if (!file || !text) {
        fprintf(stderr, "cannot read %s\n", path);
        abort();
    }
    size_t len = fread(text, 1, 65535, file);
    (void)fclose(file);
    text[len] = '\0';
    if (ret_len) {
        *ret_len = len;
    }
    return text;
}

#endif
