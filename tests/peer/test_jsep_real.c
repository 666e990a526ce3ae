/* JSEP against descriptions that real implementations wrote, and hostile ones. */
#include "base/rand.h"
#include "peer/sdp/jsep_fixtures.h"

static void open_end(struct end *e, bool accept_data)
{
    end_open(e, FP_A, (struct sq_jsep_config){.accept_data = accept_data});
    e->allowed = SQ_JSEP_ROW(SQ_JSEP_OPUS) | SQ_JSEP_ROW(SQ_JSEP_VP8);
}

static void assert_both_ways(const struct end *e, const char *audio_mid, unsigned opus,
                             const char *video_mid, unsigned vp8)
{
    struct sq_jsep_transceiver *audio = sq_jsep_by_mid(e->j, audio_mid);
    struct sq_jsep_transceiver *video = sq_jsep_by_mid(e->j, video_mid);
    assert_non_null(audio);
    assert_non_null(video);
    assert_true(audio->can_send && audio->can_receive && video->can_send && video->can_receive);
    assert_int_equal(audio->n_codecs, 1);
    assert_int_equal(audio->codecs[0].id, SQ_JSEP_OPUS);
    assert_int_equal(audio->codecs[0].pt, opus);
    assert_int_equal(video->n_codecs, 1);
    assert_int_equal(video->codecs[0].id, SQ_JSEP_VP8);
    assert_int_equal(video->codecs[0].pt, vp8);
}

static void chromium_offers(void **state)
{
    struct end e;
    open_end(&e, true);
    add_av(&e);
    struct sq_jsep_result got;
    char *answer = answer_to(&e, "chromium_offer_gathered", &got);
    assert_both_ways(&e, "0", 111, "1", 96);
    const struct sq_jsep_transceiver *v = sq_jsep_by_mid(e.j, "1");
    assert_int_equal(v->n_sources, 1);
    assert_true(v->sources[0].rtx_ssrc != 0);
    assert_int_equal(v->ext.mid, 4);
    assert_int_equal(v->ext.transport_cc, 3);
    assert_int_equal(v->ext.abs_send_time, 2);
    assert_int_equal(v->ext.rid, 10);
    assert_int_equal(v->ext.toffset, 14);
    assert_int_equal(v->codecs[0].fb, 0x1f);
    assert_int_equal(sq_jsep_by_mid(e.j, "0")->ext.audio_level, 1);
    assert_int_equal(strlen(v->remote_cname), 16);
    assert_int_equal(strlen(v->remote_track_id), 36);
    assert_true(sq_jsep_data(e.j).negotiated);
    assert_int_equal(sq_jsep_data(e.j).remote_max_message_size_bytes, 262144);
    assert_true(got.n_candidates >= 1);
    assert_int_equal(strncmp(got.candidates[0].text, "candidate:", 10), 0);
    assert_non_null(strstr(answer, "a=group:BUNDLE 0 1 2\r\n"));
    assert_non_null(strstr(answer, "a=setup:active\r\n"));
    assert_non_null(strstr(answer, "a=extmap-allow-mixed\r\n"));
    assert_null(strstr(answer, "97"));
    sq_jsep_result_free(&got);
    sq_free(answer);
    /* Chromium stops its audio, restarts ICE and adds simulcast */
    answer = answer_to(&e, "chromium_reoffer", &got);
    assert_true(got.ice_restart && !got.dtls_restart);
    assert_non_null(strstr(answer, "m=audio 0 UDP/TLS/RTP/SAVPF 111\r\n"));
    assert_non_null(strstr(answer, "a=group:BUNDLE 1 2 3\r\n"));
    const struct sq_jsep_transceiver *s = sq_jsep_by_mid(e.j, "3");
    assert_true(s->from_remote && s->can_receive && !s->can_send);
    assert_string_equal(s->remote_stream_id, "-");
    sq_jsep_result_free(&got);
    sq_free(answer);
    print_message("after Chromium's re-offer: %zu bytes\n", sq_jsep_memory_bytes(e.j));
    end_close(&e);
}

static void firefox_offers(void **state)
{
    struct end e;
    open_end(&e, false);
    add_av(&e);
    struct sq_jsep_result got;
    /* bundle-only sections with port 0 are not rejected ones */
    char *answer = answer_to(&e, "firefox_offer_gathered", &got);
    assert_both_ways(&e, "0", 109, "1", 120);
    assert_string_equal(sq_jsep_by_mid(e.j, "0")->codecs[0].fmtp,
                        "maxplaybackrate=48000;stereo=1;useinbandfec=1");
    assert_true(got.end_of_candidates);
    assert_int_equal(got.n_candidates, 8);
    assert_int_equal(sq_jsep_remote(e.j)->n_fingerprints, 1); /* of the session level */
    assert_non_null(strstr(answer, "a=rtpmap:109 opus/48000/2\r\n"));
    assert_non_null(strstr(answer, "m=application 0 UDP/DTLS/SCTP webrtc-datachannel\r\n"));
    assert_non_null(strstr(answer, "a=group:BUNDLE 0 1\r\n"));
    sq_jsep_result_free(&got);
    sq_free(answer);
    end_close(&e);
}

static void others_offer(void **state)
{
    struct end e;
    struct sq_jsep_result got;
    open_end(&e, false);
    add_av(&e);
    char *answer = answer_to(&e, "gst_offer_av", &got);
    assert_both_ways(&e, "audio1", 97, "video0", 96);
    assert_non_null(strstr(answer, "a=group:BUNDLE video0 audio1\r\n"));
    assert_null(strstr(answer, "a=extmap:")); /* none was offered */
    assert_null(strstr(answer, "a=extmap-allow-mixed"));
    sq_jsep_result_free(&got);
    sq_free(answer);
    end_close(&e);

    open_end(&e, true);
    add_av(&e);
    answer = answer_to(&e, "aiortc_offer_avd", &got);
    assert_both_ways(&e, "0", 96, "1", 97);
    /* aiortc gives one id two meanings, one in each section, and stops at the packet that it then
     * misreads */
    assert_int_equal(sq_jsep_by_mid(e.j, "0")->ext.audio_level, 0);
    assert_int_equal(sq_jsep_by_mid(e.j, "1")->ext.abs_send_time, 0);
    assert_int_equal(sq_jsep_by_mid(e.j, "0")->ext.mid, 1);
    assert_int_equal(sq_jsep_by_mid(e.j, "1")->ext.mid, 1);
    assert_null(strstr(answer, "a=extmap:2"));
    assert_int_equal(sq_jsep_remote(e.j)->ice_ufrag[0] != 0, 1);
    assert_int_equal(got.n_candidates, 2); /* those of the section that carries the bundle */
    assert_non_null(strstr(answer, "m=application 9 DTLS/SCTP 5000\r\n"));
    assert_non_null(strstr(answer, "a=sctpmap:5000 webrtc-datachannel 65535\r\n"));
    assert_false(sq_jsep_by_mid(e.j, "0")->rtcp_rsize);
    sq_jsep_result_free(&got);
    sq_free(answer);
    end_close(&e);

    open_end(&e, false);
    add_av(&e);
    answer = answer_to(&e, "pion_offer_av", &got);
    assert_both_ways(&e, "1", 111, "0", 96);
    /* trailing blanks do not hide what is said */
    assert_int_equal(sq_jsep_by_mid(e.j, "0")->codecs[0].fb, 0x1f);
    sq_jsep_result_free(&got);
    sq_free(answer);
    end_close(&e);
}

static void servers_offer(void **state)
{
    struct end e;
    struct sq_jsep_result got;
    open_end(&e, false);
    char *answer = answer_to(&e, "janus_videoroom_offer", &got);
    struct sq_jsep_transceiver *v = sq_jsep_by_mid(e.j, "v1");
    assert_true(v->can_receive && !v->can_send && v->from_remote);
    assert_string_equal(v->remote_stream_id, "janus");
    assert_string_equal(v->remote_track_id, "janusv1");
    assert_int_equal(v->sources[0].ssrc, 3141592653U);
    assert_int_equal(v->sources[0].rtx_ssrc, 1618033988U);
    assert_int_equal(got.n_candidates, 1);
    assert_string_equal(got.candidates[0].mid, "a0");
    assert_non_null(strstr(answer, "a=recvonly\r\n"));
    assert_null(strstr(answer, "a=msid:"));
    assert_null(strstr(answer, "a=ssrc:"));
    sq_jsep_result_free(&got);
    sq_free(answer);
    end_close(&e);

    open_end(&e, false);
    answer = answer_to(&e, "mediasoup_offer_recv", &got);
    const struct sq_jsep_remote *r = sq_jsep_remote(e.j);
    assert_true(r->ice_lite && !r->ice_trickle);
    assert_int_equal(r->n_fingerprints, 2);
    assert_string_equal(r->fingerprints[0].hash, "sha-512");
    sq_jsep_result_free(&got);
    sq_free(answer);
    end_close(&e);
}

static void answers_of_others(void **state)
{
    struct end e;
    open_end(&e, false);
    add_av(&e);
    char *offer = local_offer(&e);
    char *answer = fixture("janus_echotest_answer", NULL);
    struct sq_jsep_result got = remote(&e, SQ_JSEP_ANSWER, answer);
    assert_true(got.negotiated);
    assert_both_ways(&e, "0", 111, "1", 96);
    const struct sq_jsep_transceiver *v = sq_jsep_by_mid(e.j, "1");
    assert_false(v->rtcp_rsize);
    assert_int_equal(v->ext.mid, 4);
    assert_int_equal(v->ext.rid, 0);
    assert_int_equal(sq_jsep_remote(e.j)->dtls_role, SQ_JSEP_DTLS_PASSIVE);
    sq_jsep_result_free(&got);
    sq_free(offer);
    sq_free(answer);
    /* what was agreed is offered again as it was, and the answer fits again */
    offer = local_offer(&e);
    assert_non_null(strstr(offer, "m=video 9 UDP/TLS/RTP/SAVPF 96\r\n"));
    sq_free(offer);
    end_close(&e);
    /* answers with three sections to an offer with two */
    open_end(&e, true);
    add_av(&e);
    offer = local_offer(&e);
    answer = fixture("chromium_answer_avd", NULL);
    struct sq_sdp_error why = {0};
    assert_int_equal(sq_jsep_set_remote(e.j, SQ_JSEP_ANSWER, answer, strlen(answer), &got, &why),
                     SQ_ERR_FORMAT);
    assert_string_equal(why.text, "the answer has 3 m-sections, but the offer has 2");
    assert_int_equal(sq_jsep_state(e.j), SQ_JSEP_HAVE_LOCAL_OFFER);
    sq_free(offer);
    sq_free(answer);
    end_close(&e);
    static const char *const names[] = {"chromium_answer_avd", "firefox_answer_avd"};
    for (size_t i = 0; i < 2; i++) {
        open_end(&e, true);
        add_av(&e);
        sq_jsep_want_data(e.j);
        offer = local_offer(&e);
        answer = fixture(names[i], NULL);
        got = remote(&e, SQ_JSEP_ANSWER, answer);
        /* this Firefox answered with its own numbers: they are to send with */
        assert_both_ways(&e, "0", i ? 109 : 111, "1", i ? 120 : 96);
        assert_int_equal(sq_jsep_by_mid(e.j, "0")->codecs[0].recv_pt, 111);
        assert_true(sq_jsep_data(e.j).negotiated);
        sq_jsep_result_free(&got);
        sq_free(offer);
        sq_free(answer);
        end_close(&e);
    }
}

/* ---- Odd and broken descriptions, made by changing a good one ---- */

static char *replace(const char *text, const char *from, const char *to, bool all)
{
    struct sq_buf out = {0};
    const char *hit;
    while ((hit = strstr(text, from)) != NULL) {
        sq_buf_add(&out, text, (size_t)(hit - text));
        sq_buf_puts(&out, to);
        text = hit + strlen(from);
        if (!all) {
            break;
        }
    }
    sq_buf_puts(&out, text);
    char *made = sq_buf_take(&out);
    assert_non_null(made);
    return made;
}

static const struct change {
    const char *from, *to;
    bool all;
    int err;
    const char *says;
} changes[] = {
    {"a=ice-ufrag", "a=x", true, SQ_ERR_FORMAT, "no a=ice-ufrag"},
    {"a=ice-pwd:p", "a=ice-pwd:0", true, 0, ""},
    {"a=ice-ufrag:uf", "a=ice-ufrag:", true, SQ_ERR_FORMAT, "expected 4 to 256"},
    {"a=fingerprint", "a=x", true, SQ_ERR_FORMAT, "no a=fingerprint"},
    {"a=fingerprint:sha-256 ", "a=fingerprint:sha-256 X", true, SQ_ERR_FORMAT, "hexadecimal"},
    {"a=fingerprint:sha-256 ", "a=fingerprint:md2 ", true, SQ_ERR_FORMAT, "sha-1"},
    {"a=setup:active", "a=setup:holdconn", true, SQ_ERR_UNSUPPORTED, "holdconn"},
    {"a=setup:active", "a=setup:actpass", true, SQ_ERR_FORMAT, "must choose"},
    {"a=setup:active", "a=setup:aktiv", true, SQ_ERR_FORMAT, "expected a=setup"},
    {"a=setup:active", "a=setup:passive", true, 0, ""},
    {"a=setup:active", "a=x", true, 0, ""},
    {"a=group:BUNDLE 0 1", "a=x", false, SQ_ERR_UNSUPPORTED,
     "m-section 2 (mid \"1\") of the answer is not bundled"},
    {"a=group:BUNDLE 0 1", "a=group:BUNDLE 0", false, SQ_ERR_UNSUPPORTED, "is not bundled"},
    {"a=rtcp-mux", "a=x", true, SQ_ERR_UNSUPPORTED, "has no a=rtcp-mux"},
    {"a=mid:1", "a=mid:9", false, SQ_ERR_FORMAT, "mid \"9\""},
    {"a=mid:1", "a=mid:0", false, SQ_ERR_FORMAT, "two m-sections have the mid \"0\""},
    {"a=mid:1", "a=mid:two words", false, SQ_ERR_FORMAT, "one word"},
    {"a=mid:1", "a=mid:12345678901234567890123456789012", false, SQ_ERR_FORMAT, "one word"},
    {"m=video 9", "m=audio 9", false, SQ_ERR_FORMAT, "another kind"},
    {"m=video 9", "m=video 0", false, 0, ""},
    {"VP8/90000", "VP7/90000", false, SQ_ERR_UNSUPPORTED, "no codec"},
    {"VP8/90000", "VP9/90000", false, SQ_ERR_FORMAT, "none of the offered codecs"},
    {"UDP/TLS/RTP/SAVPF", "UDP/QUIC", true, SQ_ERR_UNSUPPORTED, "not RTP over DTLS"},
};

static void broken_answers_are_explained(void **state)
{
    for (size_t i = 0; i < sizeof(changes) / sizeof(*changes); i++) {
        const struct change *c = &changes[i];
        struct end a;
        struct end b;
        open_end(&a, false);
        open_end(&b, false);
        add_av(&a);
        char *offer = local_offer(&a);
        struct sq_jsep_result got = remote(&b, SQ_JSEP_OFFER, offer);
        sq_jsep_result_free(&got);
        char *good = local_answer(&b);
        char *answer = replace(good, c->from, c->to, c->all);
        assert_string_not_equal(answer, good);
        struct sq_sdp_error why = {0};
        int err = sq_jsep_set_remote(a.j, SQ_JSEP_ANSWER, answer, strlen(answer), NULL, &why);
        if (err != c->err || !strstr(why.text, c->says)) {
            fail_msg("change %zu: %d, line %u: %s", i, err, why.line, why.text);
        }
        if (err) {
            assert_int_equal(sq_jsep_state(a.j), SQ_JSEP_HAVE_LOCAL_OFFER);
            /* nothing was changed: the good one is still taken */
            got = remote(&a, SQ_JSEP_ANSWER, good);
            sq_jsep_result_free(&got);
            assert_agree(&a, &b);
        }
        sq_free(offer);
        sq_free(good);
        sq_free(answer);
        end_close(&a);
        end_close(&b);
    }
}

static char *offer_with(struct end *b, const char *from, const char *to, bool all,
                        struct sq_jsep_result *ret_result)
{
    struct end a;
    open_end(&a, false);
    add_av(&a);
    char *good = local_offer(&a);
    char *offer = replace(good, from, to, all);
    assert_string_not_equal(offer, good);
    *ret_result = remote(b, SQ_JSEP_OFFER, offer);
    char *answer = local_answer(b);
    sq_free(good);
    sq_free(offer);
    end_close(&a);
    return answer;
}

static void odd_offers_are_met_halfway(void **state)
{
    static const struct {
        const char *from, *to;
        bool all;
        const char *expected; /* in the answer */
        const char *absent;
    } cases[] = {
        /* no BUNDLE: the first section is taken, the others are rejected */
        {"a=group:BUNDLE 0 1", "a=x", false, "m=video 0 ", "a=group"},
        {"a=group:BUNDLE 0 1", "a=group:BUNDLE 1", false, "m=audio 0 ", "m=video 0"},
        {"a=rtcp-mux\r\n", "", true, "m=audio 0 ", "a=group"},
        {"m=audio 9", "m=text 9", false,
         "m=text 0 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 "
         "0.0.0.0\r\na=mid:0\r\n",
         "m=video 0"},
        {"opus/", "opuz/", false, "m=audio 0 ", "m=video 0"},
        {"UDP/TLS/RTP/SAVPF", "RTP/SAVPF", true, "m=audio 9 RTP/SAVPF 111\r\n", "UDP/TLS"},
        {"a=setup:actpass", "a=setup:active", true, "a=setup:passive", "a=setup:active"},
        {"a=setup:actpass", "a=setup:passive", true, "a=setup:active", "a=setup:passive"},
        {"a=rtcp-rsize\r\n", "", true, "a=rtcp-mux", "a=rtcp-rsize"},
        {"a=sendrecv", "a=inactive", true, "a=inactive", "a=sendrecv"},
        {"extmap:4 ", "extmap:15 ", true, "a=extmap:3", "a=extmap:15"},
        {"extmap:4 ", "extmap:200 ", true, "a=extmap:200", "a=extmap:4 "},
        {"extmap:4 ", "extmap:4/sendonly ", true, "a=extmap:4/recvonly", "a=extmap:4 "},
        {"96 nack pli", "96 nack rpsi", true, "a=rtcp-fb:96 nack\r\n", "nack pli"},
        {"a=rtcp-fb:96 nack\r\n", "a=rtcp-fb:* nack\r\n", true, "a=rtcp-fb:96 nack\r\n", "fb:*"},
        {"a=mid:1\r\n", "", true, "m=video 0", "a=mid:1"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct end b;
        open_end(&b, false);
        struct sq_jsep_result got;
        char *answer = offer_with(&b, cases[i].from, cases[i].to, cases[i].all, &got);
        if (!strstr(answer, cases[i].expected) || strstr(answer, cases[i].absent)) {
            fail_msg("case %zu: %s", i, answer);
        }
        sq_jsep_result_free(&got);
        sq_free(answer);
        end_close(&b);
    }
}

/* One media section, as a SIP gateway writes it: no mid, no group. */
static void a_single_section_needs_no_mid(void **state)
{
    static const char offer[] =
        "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
        "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\na=fingerprint:" FP_B "\r\n"
        "m=audio 30000 RTP/SAVPF 0 8\r\na=rtcp-mux\r\na=setup:actpass\r\n";
    static const uint8_t pcmu[] = {SQ_JSEP_PCMU};
    const struct sq_jsep_add add = {.kind = SQ_JSEP_AUDIO,
                                    .direction = SQ_SDP_SENDRECV,
                                    .ssrc = 5,
                                    .prefs = pcmu,
                                    .n_prefs = 1};
    struct end e;
    open_end(&e, false);
    struct sq_jsep_transceiver *t;
    assert_int_equal(sq_jsep_add(e.j, &add, &t), 0);
    struct sq_jsep_result got = remote(&e, SQ_JSEP_OFFER, offer);
    sq_jsep_result_free(&got);
    char *answer = local_answer(&e);
    assert_true(t->can_send && t->mid[0]);
    assert_int_equal(t->codecs[0].pt, 0);
    assert_null(strstr(answer, "a=mid"));
    assert_null(strstr(answer, "a=group"));
    assert_non_null(strstr(answer, "a=msid:- track-0\r\n"));
    sq_free(answer);
    end_close(&e);
}

static void reoffers_keep_their_shape(void **state)
{
    struct end a;
    struct end b;
    open_end(&a, false);
    open_end(&b, false);
    add_av(&a);
    exchange(&a, &b);
    char *offer = local_offer(&a);
    static const struct {
        const char *from, *to, *says;
    } cases[] = {{"a=mid:1", "a=mid:7", "was agreed with the mid \"1\""},
                 {"m=video", "m=audio", "another kind"}};
    for (size_t i = 0; i < 2; i++) {
        char *bad = replace(offer, cases[i].from, cases[i].to, false);
        struct sq_sdp_error why = {0};
        assert_int_equal(sq_jsep_set_remote(b.j, SQ_JSEP_OFFER, bad, strlen(bad), NULL, &why),
                         SQ_ERR_FORMAT);
        assert_non_null(strstr(why.text, cases[i].says));
        sq_free(bad);
    }
    size_t len = 0;
    while (strncmp(offer + len, "m=video", 7) != 0) {
        len++;
    }
    struct sq_sdp_error why = {0};
    assert_int_equal(sq_jsep_set_remote(b.j, SQ_JSEP_OFFER, offer, len, NULL, &why), SQ_ERR_FORMAT);
    assert_non_null(strstr(why.text, "1 m-sections, but 2 were agreed"));
    assert_true(sq_jsep_by_mid(b.j, "1")->can_receive);
    sq_free(offer);
    end_close(&a);
    end_close(&b);
}

/* ---- Hostile ---- */

/* Takes it as an offer, and as an answer; whatever comes out, the machine goes on. */
static void try_remote(const char *text, size_t len)
{
    char *exact = sq_malloc(len ? len : 1);
    assert_non_null(exact);
    memcpy(exact, text, len);
    struct sq_sdp_error why;
    char *answer = NULL;
    struct end e;
    open_end(&e, true);
    add_av(&e);
    if (!sq_jsep_set_remote(e.j, SQ_JSEP_OFFER, exact, len, NULL, &why)) {
        answer = local_answer(&e);
        struct sq_sdp *sdp = NULL;
        must(sq_sdp_parse(answer, strlen(answer), &sdp, &error));
        sq_sdp_free(sdp);
        sq_free(answer);
    }
    sq_free(local_offer(&e));
    (void)!sq_jsep_set_remote(e.j, SQ_JSEP_ANSWER, exact, len, NULL, &why);
    sq_free(exact);
    end_close(&e);
}

static void truncated_and_mutated_text_is_survived(void **state)
{
    static const char spice[] = "\r\n =:;/-*0a9m1";
    struct sq_rand r;
    sq_rand_seed(&r, 7);
    for (size_t i = 0; i < N_FIXTURES; i++) {
        size_t len;
        char *text = fixture(fixture_names[i], &len);
        for (size_t n = 0; n < len; n += 1 + sq_rand_below(&r, 24)) {
            try_remote(text, n);
        }
        char *copy = sq_malloc(len);
        assert_non_null(copy);
        for (unsigned round = 0; round < 80; round++) {
            memcpy(copy, text, len);
            for (unsigned k = sq_rand_below(&r, 6); k < 6; k++) {
                copy[sq_rand_below(&r, (uint32_t)len)] =
                    spice[sq_rand_below(&r, sizeof(spice) - 1)];
            }
            try_remote(copy, len);
        }
        sq_free(copy);
        sq_free(text);
    }
}

/* ---- Random operations on two ends converge ---- */

static struct sq_jsep_transceiver *pick(struct end *e, struct sq_rand *r)
{
    unsigned n = 0;
    struct sq_jsep_transceiver *found = NULL;
    for (struct sq_jsep_transceiver *t = sq_jsep_first(e->j); t; t = t->next) {
        if (!t->stopped && sq_rand_below(r, ++n) == 0) {
            found = t;
        }
    }
    return found;
}

static void forget_stopped(struct end *e)
{
    struct sq_jsep_transceiver *t = sq_jsep_first(e->j);
    while (t) {
        struct sq_jsep_transceiver *next = t->next;
        if (t->stopped) {
            assert_int_equal(sq_jsep_forget(e->j, t), 0);
        }
        t = next;
    }
}

static void random_change(struct end *e, struct sq_rand *r, uint32_t *next_ssrc)
{
    static const uint8_t prefs[] = {SQ_JSEP_VP9, SQ_JSEP_VP8, SQ_JSEP_VP8_RTX, SQ_JSEP_AV1};
    struct sq_jsep_transceiver *t = pick(e, r);
    uint32_t what = sq_rand_below(r, 10);
    if (what < 3 || !t) {
        struct sq_jsep_add add = {.kind = sq_rand_below(r, 2) ? SQ_JSEP_VIDEO : SQ_JSEP_AUDIO,
                                  .direction = (enum sq_sdp_direction)sq_rand_below(r, 4),
                                  .track_id = "track",
                                  .ssrc = (*next_ssrc)++,
                                  .own_section = sq_rand_below(r, 2)};
        if (add.kind == SQ_JSEP_VIDEO && sq_rand_below(r, 2)) {
            add.prefs = prefs + sq_rand_below(r, 2);
            add.n_prefs = 3;
        }
        assert_int_equal(sq_jsep_add(e->j, &add, &t), 0);
    } else if (what < 6) {
        sq_jsep_set_direction(e->j, t, (enum sq_sdp_direction)sq_rand_below(r, 4));
    } else if (what < 8) {
        sq_jsep_stop(e->j, t);
    } else if (what == 8) {
        end_restart(e);
    } else {
        sq_jsep_want_data(e->j);
    }
}

static void random_exchange(struct end *a, struct end *b, struct sq_rand *r, uint32_t *next_ssrc)
{
    if (!sq_jsep_needs_offer(a->j) && !sq_jsep_first(a->j)) {
        return;
    }
    char *offer = NULL;
    struct sq_sdp_error why;
    if (sq_jsep_create_offer(a->j, &a->local, &offer, &why)) {
        assert_non_null(strstr(why.text, "nothing to offer"));
        return;
    }
    must(sq_jsep_set_local(a->j, SQ_JSEP_OFFER, NULL, &error));
    uint32_t fate = sq_rand_below(r, 10);
    if (fate == 0) {
        must(sq_jsep_set_local(a->j, SQ_JSEP_ROLLBACK, NULL, &error));
        sq_free(offer);
        return;
    }
    struct sq_jsep_result got = remote(b, SQ_JSEP_OFFER, offer);
    sq_jsep_result_free(&got);
    sq_free(offer);
    if (fate == 1) {
        must(sq_jsep_set_remote(b->j, SQ_JSEP_ROLLBACK, NULL, 0, NULL, &error));
        must(sq_jsep_set_remote(a->j, SQ_JSEP_ROLLBACK, NULL, 0, NULL, &error));
        return;
    }
    /* changes while the offer is under way must not confuse this exchange */
    if (fate < 5) {
        random_change(a, r, next_ssrc);
    }
    if (fate > 2 && fate < 7) {
        random_change(b, r, next_ssrc);
    }
    char *answer = local_answer(b);
    got = remote(a, SQ_JSEP_ANSWER, answer);
    sq_jsep_result_free(&got);
    sq_free(answer);
}

/* Names, places and numbers are never given to another while they live. */
struct shape {
    char mid[SQ_JSEP_MID_MAX];
    int mline;
    uint8_t pt;
};

static size_t take_shapes(struct end *e, struct shape out[64])
{
    size_t n = 0;
    for (struct sq_jsep_transceiver *t = sq_jsep_first(e->j); t && n < 64; t = t->next) {
        if (t->negotiated && t->codecs[0].id == SQ_JSEP_OPUS) {
            memcpy(out[n].mid, t->mid, sizeof(t->mid));
            out[n].mline = t->mline;
            out[n++].pt = t->codecs[0].pt;
        }
    }
    return n;
}

static void assert_shapes_stand(struct end *e, const struct shape *shapes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct sq_jsep_transceiver *t = sq_jsep_by_mid(e->j, shapes[i].mid);
        if (t && t->negotiated) {
            assert_int_equal(t->mline, shapes[i].mline);
            assert_int_equal(t->codecs[0].pt, shapes[i].pt);
        }
    }
}

static void random_operations_converge(void **state)
{
    for (uint64_t seed = 1; seed <= 150; seed++) {
        struct sq_rand r;
        sq_rand_seed(&r, seed);
        struct end ends[2];
        uint32_t next_ssrc = 1;
        end_open(&ends[0], FP_A, (struct sq_jsep_config){.accept_data = seed & 1});
        end_open(&ends[1], FP_B, (struct sq_jsep_config){.accept_data = seed & 2});
        for (unsigned step = 0; step < 30; step++) {
            unsigned who = sq_rand_below(&r, 2);
            random_change(&ends[sq_rand_below(&r, 2)], &r, &next_ssrc);
            struct shape shapes[64];
            size_t n = take_shapes(&ends[0], shapes);
            random_exchange(&ends[who], &ends[1 - who], &r, &next_ssrc);
            assert_shapes_stand(&ends[0], shapes, n);
            assert_int_equal(sq_jsep_state(ends[0].j), SQ_JSEP_STABLE);
            assert_int_equal(sq_jsep_state(ends[1].j), SQ_JSEP_STABLE);
            if (sq_rand_below(&r, 3) == 0) {
                forget_stopped(&ends[0]);
                forget_stopped(&ends[1]);
            }
        }
        /* left alone, they settle */
        unsigned rounds = 0;
        while (sq_jsep_needs_offer(ends[0].j) || sq_jsep_needs_offer(ends[1].j)) {
            unsigned who = sq_jsep_needs_offer(ends[0].j) ? 0 : 1;
            exchange(&ends[who], &ends[1 - who]);
            assert_true(++rounds < 8);
        }
        if (sq_jsep_remote(ends[0].j)) {
            assert_agree(&ends[0], &ends[1]);
        }
        end_close(&ends[0]);
        end_close(&ends[1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chromium_offers),
        cmocka_unit_test(firefox_offers),
        cmocka_unit_test(others_offer),
        cmocka_unit_test(servers_offer),
        cmocka_unit_test(answers_of_others),
        cmocka_unit_test(broken_answers_are_explained),
        cmocka_unit_test(odd_offers_are_met_halfway),
        cmocka_unit_test(a_single_section_needs_no_mid),
        cmocka_unit_test(reoffers_keep_their_shape),
        cmocka_unit_test(truncated_and_mutated_text_is_survived),
        cmocka_unit_test(random_operations_converge),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
