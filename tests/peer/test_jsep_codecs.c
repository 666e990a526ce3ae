/* Codecs, their parameters and simulcast in descriptions: against what Chromium 156 wrote, and the
 * rules of RFC 6184 and RFC 8853. */
#include "media/clip.h"
#include "peer/peer.h"
#include "peer/peer_int.h"
#include "peer/sdp/jsep_fixtures.h"

/* What stands in `ours` behind `prefix`, line by line, must stand in `theirs`. */
static void assert_lines_within(const char *ours, const char *prefix, const char *theirs)
{
    unsigned n = 0;
    for (const char *at = strstr(ours, prefix); at; at = strstr(at + 1, prefix)) {
        char line[256];
        size_t len = strcspn(at, "\n") + 1;
        assert_true(len < sizeof(line));
        snprintf(line, sizeof(line), "%.*s", (int)len, at);
        if (!strstr(theirs, line)) {
            fail_msg("not Chromium's: %s", line);
        }
        n++;
    }
    assert_true(n > 5);
}

/* The whole table against what Chromium 156 offers: the same payload types, parameters, feedback
 * and extension ids, in the same order. What Chromium has beyond it: comfort noise and VP9's
 * profile 2. */
static void offers_as_chromium(void **state)
{
    struct end e;
    end_open(&e, FP_A, (struct sq_jsep_config){0});
    add_av(&e);
    char *ours = local_offer(&e);
    char *theirs = fixture("chromium_offer_avd", NULL);
    assert_non_null(strstr(ours, "m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 0 8 110 126\r\n"));
    assert_non_null(strstr(theirs, "m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126\r\n"));
    assert_non_null(strstr(ours,
                           "m=video 9 UDP/TLS/RTP/SAVPF 96 97 102 103 104 107 108 109 114 115 "
                           "116 117 39 40 45 46 98 99 118 119 120\r\n"));
    assert_non_null(strstr(theirs, "m=video 9 UDP/TLS/RTP/SAVPF 96 97 102 103 104 107 108 109 114 "
                                   "115 116 117 39 40 45 46 98 99 100 101 118 119 120\r\n"));
    assert_lines_within(ours, "a=rtpmap:", theirs);
    assert_lines_within(ours, "a=fmtp:", theirs);
    assert_lines_within(ours, "a=rtcp-fb:", theirs);
    assert_lines_within(ours, "a=extmap:", theirs);
    /* and the order of the lines: Chromium's answer to such an offer takes all of it */
    sq_free(ours);
    end_close(&e);
    end_open(&e, FP_A, (struct sq_jsep_config){0});
    add_av(&e);
    struct sq_jsep_result got;
    char *answer = answer_to(&e, "chromium_offer_avd", &got);
    assert_non_null(strstr(answer, "m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 0 8 110 126\r\n"));
    assert_non_null(strstr(answer, "m=video 9 UDP/TLS/RTP/SAVPF 96 97 102 103 104 107 108 109 114 "
                                   "115 116 117 39 40 45 46 98 99 118 119 120\r\n"));
    assert_lines_within(answer, "a=fmtp:", theirs); /* H.264's profiles and levels among them */
    assert_lines_within(answer, "a=rtcp-fb:", theirs);
    assert_lines_within(answer, "a=extmap:", theirs);
    sq_jsep_result_free(&got);
    sq_free(answer);
    sq_free(theirs);
    end_close(&e);
}

static bool has_row(const struct sq_jsep_transceiver *t, enum sq_jsep_codec_id id, uint8_t pt)
{
    for (size_t i = 0; i < t->n_codecs; i++) {
        if (t->codecs[i].id == id) {
            return t->codecs[i].pt == pt;
        }
    }
    return false;
}

/* FlexFEC is offered by who only receives, as Chromium does it, and taken from whoever offers it;
 * its stream is none of media. */
static void fec_as_chromium(void **state)
{
    struct end e;
    end_open(&e, FP_A, (struct sq_jsep_config){0});
    (void)end_add(&e, SQ_JSEP_VIDEO, SQ_SDP_RECVONLY, 2);
    char *ours = local_offer(&e);
    char *theirs = fixture("chromium_offer_recvonly", NULL);
    const char *const lines[] = {"a=rtpmap:118 red/90000\r\n",
                                 "a=rtpmap:119 rtx/90000\r\na=fmtp:119 apt=118\r\n",
                                 "a=rtpmap:120 ulpfec/90000\r\n",
                                 "a=rtpmap:49 flexfec-03/90000\r\na=rtcp-fb:49 goog-remb\r\n"
                                 "a=rtcp-fb:49 transport-cc\r\na=fmtp:49 repair-window=10000000"
                                 "\r\n"};
    for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
        assert_non_null(strstr(ours, lines[i]));
        assert_non_null(strstr(theirs, lines[i]));
    }
    sq_free(ours);
    sq_free(theirs);
    end_close(&e);

    end_open(&e, FP_A, (struct sq_jsep_config){0});
    struct sq_jsep_transceiver *t = end_add(&e, SQ_JSEP_VIDEO, SQ_SDP_SENDRECV, 2);
    struct sq_jsep_result got =
        remote(&e, SQ_JSEP_OFFER,
               "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\na=ice-ufrag:abcd\r\n"
               "a=ice-pwd:0123456789012345678901\r\na=fingerprint:" FP_B "\r\n"
               "m=video 9 UDP/TLS/RTP/SAVPF 96 118 119 120 49\r\nc=IN IP4 0.0.0.0\r\na=rtcp-mux\r\n"
               "a=setup:actpass\r\na=rtpmap:96 VP8/90000\r\na=rtpmap:118 red/90000\r\n"
               "a=rtpmap:119 rtx/90000\r\na=fmtp:119 apt=118\r\na=rtpmap:120 ulpfec/90000\r\n"
               "a=rtpmap:49 flexfec-03/90000\r\na=fmtp:49 repair-window=10000000\r\n"
               "a=ssrc-group:FID 11 12\r\na=ssrc-group:FEC-FR 11 13\r\na=ssrc:11 cname:x\r\n"
               "a=ssrc:12 cname:x\r\na=ssrc:13 cname:x\r\n");
    sq_jsep_result_free(&got);
    char *answer = local_answer(&e);
    assert_non_null(strstr(answer, "m=video 9 UDP/TLS/RTP/SAVPF 96 118 119 120 49\r\n"));
    assert_int_equal(t->codecs[0].id, SQ_JSEP_VP8);
    assert_true(has_row(t, SQ_JSEP_VIDEO_RED, 118) && has_row(t, SQ_JSEP_VIDEO_RED_RTX, 119) &&
                has_row(t, SQ_JSEP_ULPFEC, 120) && has_row(t, SQ_JSEP_FLEXFEC, 49));
    assert_int_equal(t->n_sources, 1);
    assert_int_equal(t->sources[0].ssrc, 11);
    assert_int_equal(t->sources[0].rtx_ssrc, 12);
    sq_free(answer);
    end_close(&e);
}

/* RFC 6184, section 8.2.2: the profile must match, the level is the lower one unless both may
 * differ. */
static void h264_profiles_and_levels(void **state)
{
    static const struct {
        const char *params, *answer; /* NULL: refused */
        enum sq_jsep_codec_id row;
    } cases[] = {
        {"packetization-mode=1;profile-level-id=42e01f;level-asymmetry-allowed=1",
         "packetization-mode=1;profile-level-id=42e01f", SQ_JSEP_H264_MODE1},
        {"packetization-mode=1;profile-level-id=42e00a", /* level 1 in both directions */
         "packetization-mode=1;profile-level-id=42e00a", SQ_JSEP_H264_MODE1},
        {"packetization-mode=1;profile-level-id=42e00a;level-asymmetry-allowed=1",
         "packetization-mode=1;profile-level-id=42e01f", SQ_JSEP_H264_MODE1},
        {"packetization-mode=1;profile-level-id=42e034", /* 5.2 is above ours */
         "packetization-mode=1;profile-level-id=42e01f", SQ_JSEP_H264_MODE1},
        {"packetization-mode=1;profile-level-id=42f00b", /* level 1b */
         "packetization-mode=1;profile-level-id=42f00b", SQ_JSEP_H264_MODE1},
        {"profile-level-id=42C01F", "packetization-mode=0;profile-level-id=42c01f",
         SQ_JSEP_H264_MODE0},
        {"packetization-mode=1", "packetization-mode=1;profile-level-id=42e01f",
         SQ_JSEP_H264_MODE1},
        {"packetization-mode=1;profile-level-id=42001f",
         "packetization-mode=1;profile-level-id=42001f", SQ_JSEP_H264_BASE_MODE1},
        {"packetization-mode=1;profile-level-id=4d001f",
         "packetization-mode=1;profile-level-id=4d001f", SQ_JSEP_H264_MAIN_MODE1},
        {"packetization-mode=1;profile-level-id=4d801f", /* main that is constrained baseline */
         "packetization-mode=1;profile-level-id=4d801f", SQ_JSEP_H264_MODE1},
        {"packetization-mode=1;profile-level-id=640c1f",
         "packetization-mode=1;profile-level-id=640c1f", SQ_JSEP_H264_HIGH_MODE1},
        {"packetization-mode=1;profile-level-id=f4001f", NULL, SQ_JSEP_CODECS}, /* high 4:4:4 */
        {"packetization-mode=2;profile-level-id=42e01f", NULL, SQ_JSEP_CODECS}, /* interleaved */
        {"packetization-mode=1;profile-level-id=42e01", NULL, SQ_JSEP_CODECS},
        {"packetization-mode=1;profile-level-id=42e0xx", NULL, SQ_JSEP_CODECS},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char offer[1024];
        snprintf(offer, sizeof(offer),
                 "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\na=ice-ufrag:abcd\r\n"
                 "a=ice-pwd:0123456789012345678901\r\na=fingerprint:" FP_B "\r\n"
                 "m=video 9 UDP/TLS/RTP/SAVPF 100\r\nc=IN IP4 0.0.0.0\r\na=rtcp-mux\r\n"
                 "a=setup:actpass\r\na=rtpmap:100 H264/90000\r\na=fmtp:100 %s\r\n",
                 cases[i].params);
        struct end e;
        end_open(&e, FP_A, (struct sq_jsep_config){0});
        struct sq_jsep_transceiver *t = end_add(&e, SQ_JSEP_VIDEO, SQ_SDP_SENDRECV, 2);
        struct sq_jsep_result got = remote(&e, SQ_JSEP_OFFER, offer);
        sq_jsep_result_free(&got);
        char *answer = local_answer(&e);
        char expected[200];
        snprintf(expected, sizeof(expected), "a=fmtp:100 level-asymmetry-allowed=1;%s\r\n",
                 cases[i].answer ? cases[i].answer : "");
        if (cases[i].answer ? !strstr(answer, expected) : !strstr(answer, "m=video 0 ")) {
            fail_msg("offered %s, answered %s", cases[i].params, answer);
        }
        if (cases[i].answer) {
            assert_int_equal(t->codecs[0].id, cases[i].row);
        }
        sq_free(answer);
        end_close(&e);
    }
}

static void opus_is_asked_for_more(void **state)
{
    struct end e;
    struct sq_jsep_transceiver *t;
    const struct sq_jsep_add both = {.kind = SQ_JSEP_AUDIO,
                                     .direction = SQ_SDP_SENDRECV,
                                     .opus = SQ_JSEP_OPUS_STEREO | SQ_JSEP_OPUS_DTX};
    (void)state;
    end_open(&e, FP_A, (struct sq_jsep_config){0});
    assert_int_equal(sq_jsep_add(e.j, &both, &t), 0);
    char *offer = local_offer(&e);
    assert_non_null(strstr(offer, "a=fmtp:111 minptime=10;useinbandfec=1;sprop-stereo=1;stereo=1;"
                                  "usedtx=1\r\n"));
    sq_free(offer);
    end_close(&e);
}

/* The other side gave every dynamic payload type to codecs that nobody knows; what this side adds
 * later takes types that were not agreed on. (Found by fuzz_jsep.) */
static void all_payload_types_are_named(void **state)
{
    (void)state;
    struct end e;
    char offer[8192];
    size_t at = (size_t)snprintf(
        offer, sizeof(offer), "%s",
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0");
    for (unsigned pt = 35; pt < 128; pt = pt == 63 ? 96 : pt + 1) {
        at += (size_t)snprintf(offer + at, sizeof(offer) - at, " %u", pt);
    }
    at += (size_t)snprintf(offer + at, sizeof(offer) - at,
                           "\r\nc=IN IP4 0.0.0.0\r\na=mid:a\r\na=sendrecv\r\na=rtcp-mux\r\n"
                           "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789abcdef01234567\r\n"
                           "a=setup:actpass\r\na=fingerprint:%s\r\n",
                           FP_B);
    for (unsigned pt = 35; pt < 128; pt = pt == 63 ? 96 : pt + 1) {
        at += (size_t)snprintf(offer + at, sizeof(offer) - at, "a=rtpmap:%u strange/8000\r\n", pt);
    }
    end_open(&e, FP_A, (struct sq_jsep_config){0});
    struct sq_jsep_result got = remote(&e, SQ_JSEP_OFFER, offer);
    sq_jsep_result_free(&got);
    sq_free(local_answer(&e));
    add_av(&e);
    char *again = local_offer(&e);
    assert_non_null(strstr(again, "m=video 9 "));
    assert_non_null(strstr(again, " VP8/90000\r\n"));
    sq_free(again);
    end_close(&e);
}

static void codecs_by_words(void **state)
{
    static const struct {
        const char *text;
        bool video;
        int n; /* -1: refused */
        enum sq_codec first;
    } cases[] = {
        {"h264,vp8", true, 2, SQ_CODEC_H264},
        {"AV1", true, 1, SQ_CODEC_AV1},
        {"h264-mode0", true, 1, SQ_CODEC_H264},
        {"vp8,H264-MODE0,h264", true, 2, SQ_CODEC_VP8},
        {"h264-mode0+svc", true, -1, SQ_CODEC_NONE},
        {"h264-mode1", true, -1, SQ_CODEC_NONE},
        {"h264-mode0", false, -1, SQ_CODEC_NONE},
        {"vp9, vp8 ,vp9", true, 2, SQ_CODEC_VP9},
        {"opus+stereo+dtx,pcmu", false, 2, SQ_CODEC_OPUS},
        {"pcma,opus+red", false, 2, SQ_CODEC_PCMA},
        {"opus+fec+dtx", false, 1, SQ_CODEC_OPUS},
        {"pcmu+fec", false, -1, SQ_CODEC_NONE},
        {"g722", false, 1, SQ_CODEC_G722},
        {"opus", true, -1, SQ_CODEC_NONE},
        {"vp8", false, -1, SQ_CODEC_NONE},
        {"", true, -1, SQ_CODEC_NONE},
        {"vp8,", true, -1, SQ_CODEC_NONE},
        {"vp8+dtx", true, -1, SQ_CODEC_NONE},
        {"vp9+svc", true, 1, SQ_CODEC_VP9},
        {"vp8,VP9+SVC", true, 2, SQ_CODEC_VP8},
        {"vp8+svc", true, -1, SQ_CODEC_NONE},
        {"av1+svc", true, -1, SQ_CODEC_NONE},
        {"vp9+", true, -1, SQ_CODEC_NONE},
        {"vp9+svc+svq", true, -1, SQ_CODEC_NONE},
        {"opus+svc", false, -1, SQ_CODEC_NONE},
        {"opus+loud", false, -1, SQ_CODEC_NONE},
        {"h265", true, -1, SQ_CODEC_NONE},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct sq_peer_codecs codecs = {0};
        char why[SQ_PEER_TEXT_MAX] = "";
        int err = sq_peer_codecs_parse(cases[i].text, cases[i].video, &codecs, why);
        assert_int_equal(err != 0, cases[i].n < 0);
        assert_int_equal(err != 0, why[0] != '\0');
        if (!err) {
            assert_int_equal(codecs.n, cases[i].n);
            assert_int_equal(codecs.order[0], cases[i].first);
            assert_int_equal(codecs.svc, strcasestr(cases[i].text, "+svc") != NULL);
            assert_int_equal(codecs.opus_fec, strstr(cases[i].text, "+fec") != NULL);
        }
    }
}

static struct sq_codec_rows rows_of(const char *text, const struct sq_clip *clip, int want)
{
    struct sq_codec_rows rows = {0};
    struct sq_peer_codecs codecs;
    char why[SQ_PEER_TEXT_MAX];
    assert_int_equal(sq_peer_codecs_parse(text, true, &codecs, why), 0);
    assert_int_equal(sq_codec_rows(&codecs, true, clip, &rows), want);
    return rows;
}

/* Which packetization modes a list allows, and which of them stands first. */
static void packetization_modes_are_chosen(void **state)
{
    const uint64_t mode0 = SQ_JSEP_ROW(SQ_JSEP_H264_BASE_MODE0) | SQ_JSEP_ROW(SQ_JSEP_H264_MODE0) |
                           SQ_JSEP_ROW(SQ_JSEP_H264_MAIN_MODE0) |
                           SQ_JSEP_ROW(SQ_JSEP_H264_HIGH_MODE0);
    const uint64_t mode1 = SQ_JSEP_ROW(SQ_JSEP_H264_BASE_MODE1) | SQ_JSEP_ROW(SQ_JSEP_H264_MODE1) |
                           SQ_JSEP_ROW(SQ_JSEP_H264_MAIN_MODE1) |
                           SQ_JSEP_ROW(SQ_JSEP_H264_HIGH_MODE1);
    (void)state;
    struct sq_codec_rows rows = rows_of("h264-mode0", NULL, 0);
    assert_int_equal(rows.allowed & (mode0 | mode1), mode0);
    assert_int_equal(rows.prefs[0], SQ_JSEP_H264_BASE_MODE0);
    assert_int_equal(rows.prefs[1], SQ_JSEP_H264_BASE_MODE0_RTX);
    for (size_t i = 0; i < rows.n_prefs; i++) {
        assert_true(!(SQ_JSEP_ROW(rows.prefs[i]) & mode1));
    }
    static const char *const both[] = {"h264-mode0,h264", "h264", "h264,h264-mode0"};
    for (size_t i = 0; i < 3; i++) {
        rows = rows_of(both[i], NULL, 0);
        assert_int_equal(rows.allowed & (mode0 | mode1), mode0 | mode1);
        assert_int_equal(rows.prefs[0], i == 0 ? SQ_JSEP_H264_BASE_MODE0 : SQ_JSEP_H264_BASE_MODE1);
        assert_int_equal(rows.prefs[2], i == 0 ? SQ_JSEP_H264_MODE0 : SQ_JSEP_H264_BASE_MODE0);
    }
    char why[SQ_CLIP_WHY_MAX];
    struct sq_clip *clip;
    assert_int_equal(sq_clip_open(SQ_SOURCE_DIR "/share/clips/default.sqclip", 0, &clip, why), 0);
    rows = rows_of("h264-mode0", clip, 0);
    assert_true((rows.allowed & mode0) == mode0 && !(rows.allowed & mode1));
    sq_clip_close(clip);
    assert_int_equal(sq_clip_open(SQ_SOURCE_DIR "/share/clips/small.sqclip", 0, &clip, why), 0);
    rows_of("h264-mode0", clip, SQ_ERR_UNSUPPORTED);
    sq_clip_close(clip);
}

/* ---- Simulcast ---- */

static struct sq_jsep_transceiver *add_layers(struct end *e, enum sq_sdp_direction direction)
{
    static const struct sq_jsep_rids rids = {.n = 3, .id = {"q", "h", "f"}};
    const struct sq_jsep_add add = {.kind = SQ_JSEP_VIDEO,
                                    .direction = direction,
                                    .stream_id = "stream",
                                    .track_id = "t",
                                    .ssrc = 70,
                                    .rtx_ssrc = 71,
                                    .send_rids = &rids};
    struct sq_jsep_transceiver *t = NULL;
    assert_int_equal(sq_jsep_add(e->j, &add, &t), 0);
    return t;
}

static void layers_are_offered_and_taken(void **state)
{
    struct end a;
    struct end b;
    (void)state;
    end_open(&a, FP_A, (struct sq_jsep_config){0});
    end_open(&b, FP_B, (struct sq_jsep_config){0});
    struct sq_jsep_transceiver *t = add_layers(&a, SQ_SDP_SENDONLY);
    struct sq_jsep_transceiver *u = end_add(&b, SQ_JSEP_VIDEO, SQ_SDP_RECVONLY, 5);
    sq_jsep_receive_simulcast(u, true);
    char *offer = local_offer(&a);
    /* as Chromium: behind the codecs, and without SSRCs */
    assert_non_null(strstr(offer, "a=rid:q send\r\na=rid:h send\r\na=rid:f send\r\n"
                                  "a=simulcast:send q;h;f\r\n"));
    assert_null(strstr(offer, "a=ssrc:"));
    char *theirs = fixture("chromium_reoffer", NULL);
    assert_non_null(strstr(theirs, "a=rid:q send\r\na=rid:h send\r\na=rid:f send\r\n"
                                   "a=simulcast:send q;h;f\r\n"));
    sq_free(theirs);
    struct sq_jsep_result got = remote(&b, SQ_JSEP_OFFER, offer);
    sq_jsep_result_free(&got);
    char *answer = local_answer(&b);
    assert_non_null(strstr(answer, "a=rid:q recv\r\na=rid:h recv\r\na=rid:f recv\r\n"
                                   "a=simulcast:recv q;h;f\r\n"));
    got = remote(&a, SQ_JSEP_ANSWER, answer);
    sq_jsep_result_free(&got);
    assert_non_null(t->send_rids);
    assert_int_equal(t->send_rids->n, 3);
    assert_string_equal(t->send_rids->id[2], "f");
    assert_null(t->recv_rids);
    assert_int_equal(u->recv_rids->n, 3);
    sq_free(offer);
    sq_free(answer);
    end_close(&a);
    end_close(&b);
}

/* What the answer says of our three layers, and what is left of them. */
static void answers_may_take_less(void **state)
{
    static const struct {
        const char *lines;
        unsigned n, paused;
        const char *first;
    } cases[] = {
        {"a=rid:q recv\r\na=rid:h recv\r\na=rid:f recv\r\na=simulcast:recv q;h;f\r\n", 3, 0, "q"},
        {"a=rid:q recv\r\na=rid:f recv\r\na=simulcast:recv f;~q\r\n", 2, 1, "q"},
        {"a=rid:h recv\r\na=simulcast:recv q;h;f\r\n", 1, 0, "h"}, /* the others have no rid line */
        {"a=rid:h recv\r\na=simulcast:recv x,h;h,q\r\n", 1, 0, "h"},
        {"a=rid:z recv\r\na=simulcast:recv z\r\n", 0, 0, NULL}, /* never offered */
        {"a=rid:q send\r\na=simulcast:recv q\r\n", 0, 0, NULL}, /* the wrong way */
        {"a=simulcast:\r\n", 0, 0, NULL},
        {"", 0, 0, NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct end a;
        end_open(&a, FP_A, (struct sq_jsep_config){0});
        struct sq_jsep_transceiver *t = add_layers(&a, SQ_SDP_SENDONLY);
        char *offer = local_offer(&a);
        char answer[1200];
        snprintf(answer, sizeof(answer),
                 "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n"
                 "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\na=fingerprint:" FP_B
                 "\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\n"
                 "a=rtcp-mux\r\na=setup:active\r\na=recvonly\r\na=rtpmap:96 VP8/90000\r\n%s",
                 cases[i].lines);
        struct sq_jsep_result got = remote(&a, SQ_JSEP_ANSWER, answer);
        sq_jsep_result_free(&got);
        assert_true(t->can_send);
        assert_int_equal(t->send_rids ? t->send_rids->n : 0, cases[i].n);
        if (cases[i].n) {
            assert_int_equal(t->send_rids->paused, cases[i].paused);
            assert_string_equal(t->send_rids->id[0], cases[i].first);
        }
        sq_free(offer);
        end_close(&a);
    }
}

/* A server offers to receive layers under names of its own. */
static void layers_take_the_offerers_names(void **state)
{
    static const char offer[] =
        "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n"
        "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\na=fingerprint:" FP_B
        "\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=rtcp-mux\r\n"
        "a=setup:actpass\r\na=recvonly\r\na=rtpmap:96 VP8/90000\r\na=rid:r0 recv\r\n"
        "a=rid:r1 recv\r\na=simulcast:recv r0;r1\r\n";
    struct end e;
    (void)state;
    end_open(&e, FP_A, (struct sq_jsep_config){0});
    struct sq_jsep_transceiver *t = add_layers(&e, SQ_SDP_SENDRECV);
    struct sq_jsep_result got = remote(&e, SQ_JSEP_OFFER, offer);
    sq_jsep_result_free(&got);
    char *answer = local_answer(&e);
    assert_non_null(strstr(answer, "a=rid:r0 send\r\na=rid:r1 send\r\na=simulcast:send r0;r1\r\n"));
    assert_int_equal(t->send_rids->n, 2);
    sq_free(answer);
    end_close(&e);
    /* and one who has a single stream says nothing of it */
    end_open(&e, FP_A, (struct sq_jsep_config){0});
    t = end_add(&e, SQ_JSEP_VIDEO, SQ_SDP_SENDRECV, 3);
    got = remote(&e, SQ_JSEP_OFFER, offer);
    sq_jsep_result_free(&got);
    answer = local_answer(&e);
    assert_null(strstr(answer, "simulcast"));
    assert_null(t->send_rids);
    sq_free(answer);
    end_close(&e);
}

/* An offer of one video section; the lines of its formats are the caller's. */
static void put_offer(struct sq_buf *b, const char *fmts)
{
    sq_buf_puts(b, "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n"
                   "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\na=fingerprint:" FP_B
                   "\r\nm=video 9 UDP/TLS/RTP/SAVPF 97");
    sq_buf_puts(b, fmts);
    sq_buf_puts(b, "\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=rtcp-mux\r\na=setup:actpass\r\n"
                   "a=sendrecv\r\na=rtpmap:97 VP8/90000\r\n");
}

static char *times(const char *text, unsigned n)
{
    struct sq_buf b = {0};
    for (unsigned i = 0; i < n; i++) {
        sq_buf_puts(&b, text);
    }
    char *all = sq_buf_take(&b);
    assert_non_null(all);
    return all;
}

/* With the end of what the case is about; the answer is to be freed. */
static char *answer_hostile(struct sq_buf *b)
{
    struct end e;
    char *offer = sq_buf_take(b);
    assert_non_null(offer);
    end_open(&e, FP_A, (struct sq_jsep_config){0});
    (void)end_add(&e, SQ_JSEP_VIDEO, SQ_SDP_SENDRECV, 2);
    struct sq_jsep_result got = remote(&e, SQ_JSEP_OFFER, offer);
    sq_jsep_result_free(&got);
    char *answer = local_answer(&e);
    end_close(&e);
    sq_free(offer);
    return answer;
}

/* One payload type a hundred thousand times, whose parameters are a megabyte and fit nothing: tried
 * each time, it would take hours. */
static void a_payload_type_is_tried_once(void **state)
{
    (void)state;
    struct sq_buf b = {0};
    char *fmts = times(" 96", 170000);
    char *params = times("a;", 500000);
    put_offer(&b, fmts);
    sq_buf_puts(&b, "a=rtpmap:96 H264/90000\r\na=fmtp:96 ");
    sq_buf_puts(&b, params);
    sq_buf_puts(&b, "packetization-mode=7\r\n");
    char *answer = answer_hostile(&b);
    assert_non_null(strstr(answer, "m=video 9 UDP/TLS/RTP/SAVPF 97\r\n"));
    sq_free(answer);
    sq_free(fmts);
    sq_free(params);
}

/* Each layer of a list is searched for in all lines: of a list without end only the first are. */
static void a_list_of_layers_is_short(void **state)
{
    (void)state;
    struct sq_buf b = {0};
    char *rids = times("a=rid:y send\r\n", 30000);
    char *list = times("x;", 400000);
    put_offer(&b, "");
    sq_buf_puts(&b, rids);
    sq_buf_puts(&b, "a=simulcast:send ");
    sq_buf_puts(&b, list);
    sq_buf_puts(&b, "y\r\n");
    char *answer = answer_hostile(&b);
    assert_null(strstr(answer, "a=simulcast"));
    sq_free(answer);
    sq_free(rids);
    sq_free(list);
    /* and so of a line with lists without end */
    list = times(" send x", 200000);
    rids = times("a=rid:y send\r\n", 30000);
    put_offer(&b, "");
    sq_buf_puts(&b, rids);
    sq_buf_puts(&b, "a=simulcast:send y");
    sq_buf_puts(&b, list);
    sq_buf_puts(&b, "\r\n");
    answer = answer_hostile(&b);
    sq_free(answer);
    sq_free(rids);
    sq_free(list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(offers_as_chromium),
        cmocka_unit_test(fec_as_chromium),
        cmocka_unit_test(h264_profiles_and_levels),
        cmocka_unit_test(packetization_modes_are_chosen),
        cmocka_unit_test(opus_is_asked_for_more),
        cmocka_unit_test(all_payload_types_are_named),
        cmocka_unit_test(codecs_by_words),
        cmocka_unit_test(layers_are_offered_and_taken),
        cmocka_unit_test(answers_may_take_less),
        cmocka_unit_test(layers_take_the_offerers_names),
        cmocka_unit_test(a_payload_type_is_tried_once),
        cmocka_unit_test(a_list_of_layers_is_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
