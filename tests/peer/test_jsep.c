/* Offer and answer: two machines that talk to each other through the scenarios of RFC 9429. */
#include "peer/sdp/jsep_pair.h"

struct pair {
    struct end a, b;
};

static struct pair pair_open(struct sq_jsep_config config)
{
    struct pair p;
    end_open(&p.a, FP_A, config);
    end_open(&p.b, FP_B, config);
    /* the ends point into themselves */
    return p;
}

#define OPEN(name, ...)                                                                            \
    struct pair name = pair_open((struct sq_jsep_config){__VA_ARGS__});                            \
    name.a.local.ice_ufrag = name.a.ufrag;                                                         \
    name.a.local.ice_pwd = name.a.pwd;                                                             \
    name.b.local.ice_ufrag = name.b.ufrag;                                                         \
    name.b.local.ice_pwd = name.b.pwd

static void pair_close(struct pair *p)
{
    end_close(&p->a);
    end_close(&p->b);
}

static void add_av(struct end *e, enum sq_sdp_direction direction, uint32_t ssrc)
{
    (void)end_add(e, SQ_JSEP_AUDIO, direction, ssrc);
    (void)end_add(e, SQ_JSEP_VIDEO, direction, ssrc + 1);
}

static void offer_is_what_browsers_expect(void **state)
{
    OPEN(p, .session_id = 77);
    p.a.allowed = SQ_JSEP_ROW(SQ_JSEP_OPUS) | SQ_JSEP_ROW(SQ_JSEP_VP8);
    add_av(&p.a, SQ_SDP_SENDRECV, 1000);
    const char *candidates[] = {"candidate:1 1 udp 2130706431 192.0.2.1 5000 typ host"};
    p.a.local.candidates = candidates;
    p.a.local.n_candidates = 1;
    p.a.local.end_of_candidates = true;
    char *offer = local_offer(&p.a);
#define TRANSPORT                                                                                  \
    "a=ice-ufrag:ufa1\r\na=ice-pwd:password-password-1001-x\r\n"                                   \
    "a=ice-options:trickle\r\na=fingerprint:" FP_A "\r\na=setup:actpass\r\n"
    assert_string_equal(
        offer,
        "v=0\r\no=- 77 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n"
        "a=extmap-allow-mixed\r\na=msid-semantic: WMS *\r\n"
        "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\n"
        "a=candidate:1 1 udp 2130706431 192.0.2.1 5000 typ "
        "host\r\na=end-of-candidates\r\n" TRANSPORT
        "a=mid:0\r\na=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n"
        "a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time\r\n"
        "a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n"
        "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\na=sendrecv\r\n"
        "a=msid:stream track1000\r\na=rtcp-mux\r\na=rtcp-rsize\r\na=rtpmap:111 opus/48000/2\r\n"
        "a=rtcp-fb:111 transport-cc\r\na=fmtp:111 minptime=10;useinbandfec=1\r\n"
        "a=ssrc:1000 cname:cn4me\r\na=ssrc:1000 msid:stream track1000\r\n"
        "m=video 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 "
        "0.0.0.0\r\n" TRANSPORT "a=mid:1\r\na=extmap:14 urn:ietf:params:rtp-hdrext:toffset\r\n"
        "a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time\r\n"
        "a=extmap:13 urn:3gpp:video-orientation\r\n"
        "a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n"
        "a=extmap:5 http://www.webrtc.org/experiments/rtp-hdrext/playout-delay\r\n"
        "a=extmap:6 http://www.webrtc.org/experiments/rtp-hdrext/video-content-type\r\n"
        "a=extmap:7 http://www.webrtc.org/experiments/rtp-hdrext/video-timing\r\n"
        "a=extmap:8 http://www.webrtc.org/experiments/rtp-hdrext/color-space\r\n"
        "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n"
        "a=extmap:10 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id\r\n"
        "a=extmap:11 urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id\r\na=sendrecv\r\n"
        "a=msid:stream track1001\r\na=rtcp-mux\r\na=rtcp-rsize\r\na=rtpmap:96 VP8/90000\r\n"
        "a=rtcp-fb:96 goog-remb\r\na=rtcp-fb:96 transport-cc\r\na=rtcp-fb:96 ccm fir\r\n"
        "a=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli\r\n"
        "a=ssrc:1001 cname:cn4me\r\na=ssrc:1001 msid:stream track1001\r\n");
    char *again = NULL;
    must(sq_jsep_local_text(p.a.j, &p.a.local, &again));
    assert_string_equal(again, offer);
    sq_free(again);
    struct sq_jsep_result got = remote(&p.b, SQ_JSEP_OFFER, offer);
    assert_int_equal(got.n_candidates, 1);
    assert_string_equal(got.candidates[0].text, candidates[0]);
    assert_string_equal(got.candidates[0].mid, "0");
    assert_int_equal(got.candidates[0].mline, 0);
    assert_true(got.end_of_candidates && got.has_remote && !got.ice_restart && !got.negotiated);
    sq_jsep_result_free(&got);
    sq_free(offer);
    pair_close(&p);
}

static void audio_and_video_both_ways(void **state)
{
    OPEN(p, 0);
    p.a.allowed = SQ_JSEP_ROW(SQ_JSEP_OPUS) | SQ_JSEP_ROW(SQ_JSEP_VP8);
    add_av(&p.a, SQ_SDP_SENDRECV, 10);
    add_av(&p.b, SQ_SDP_SENDRECV, 20);
    assert_true(sq_jsep_needs_offer(p.a.j));
    exchange(&p.a, &p.b);
    assert_false(sq_jsep_needs_offer(p.a.j) || sq_jsep_needs_offer(p.b.j));
    struct sq_jsep_transceiver *t = sq_jsep_by_mid(p.a.j, "1");
    assert_int_equal(t->kind, SQ_JSEP_VIDEO);
    assert_true(t->can_send && t->can_receive && t->rtcp_rsize);
    assert_int_equal(t->n_codecs, 1);
    assert_int_equal(t->codecs[0].pt, 96);
    assert_string_equal(t->codecs[0].name, "VP8");
    assert_int_equal(t->codecs[0].fb, 0x1f);
    assert_int_equal(t->n_sources, 1);
    assert_int_equal(t->sources[0].ssrc, 21);
    assert_string_equal(t->remote_stream_id, "stream");
    assert_string_equal(sq_jsep_by_mid(p.b.j, "0")->codecs[0].fmtp, "minptime=10;useinbandfec=1");
    assert_null(sq_jsep_first(p.b.j)->next->next); /* the waiting ones were taken */
    const struct sq_jsep_remote *r = sq_jsep_remote(p.a.j);
    assert_string_equal(r->ice_ufrag, p.b.ufrag);
    assert_int_equal(r->dtls_role, SQ_JSEP_DTLS_PASSIVE); /* the answerer is active by default */
    assert_true(r->ice_trickle && !r->ice_lite);
    assert_int_equal(r->fingerprints[0].bytes[0], 0xf0);
    size_t bytes = sq_jsep_memory_bytes(p.a.j);
    print_message("a negotiated peer with two sections: %zu bytes\n", bytes);
    assert_true(bytes <= 4096);
    pair_close(&p);
}

static void directions_meet(void **state)
{
    for (unsigned mine = 0; mine < 4; mine++) {
        for (unsigned theirs = 0; theirs < 4; theirs++) {
            OPEN(p, 0);
            struct sq_jsep_transceiver *t =
                end_add(&p.a, SQ_JSEP_AUDIO, (enum sq_sdp_direction)mine, 1);
            char *offer = local_offer(&p.a);
            struct sq_jsep_result got = remote(&p.b, SQ_JSEP_OFFER, offer);
            sq_jsep_result_free(&got);
            struct sq_jsep_transceiver *u = sq_jsep_first(p.b.j);
            assert_true(u->from_remote);
            assert_int_equal(u->direction, SQ_SDP_RECVONLY);
            sq_jsep_set_direction(p.b.j, u, (enum sq_sdp_direction)theirs);
            char *answer = local_answer(&p.b);
            got = remote(&p.a, SQ_JSEP_ANSWER, answer);
            sq_jsep_result_free(&got);
            assert_agree(&p.a, &p.b);
            assert_int_equal(t->current_direction, mine & (unsigned)sq_sdp_direction_reverse(
                                                              (enum sq_sdp_direction)theirs));
            assert_int_equal(t->can_send, t->current_direction & 1);
            assert_int_equal(u->can_send, u->current_direction & 1);
            assert_false(sq_jsep_needs_offer(p.a.j));
            sq_free(offer);
            sq_free(answer);
            pair_close(&p);
        }
    }
}

static void sections_are_added_from_either_side(void **state)
{
    OPEN(p, 0);
    (void)end_add(&p.a, SQ_JSEP_AUDIO, SQ_SDP_SENDRECV, 1);
    exchange(&p.a, &p.b);
    struct sq_jsep_transceiver *v = end_add(&p.b, SQ_JSEP_VIDEO, SQ_SDP_SENDONLY, 2);
    assert_true(sq_jsep_needs_offer(p.b.j));
    exchange(&p.b, &p.a);
    assert_int_equal(v->mline, 1);
    assert_true(sq_jsep_by_mid(p.a.j, v->mid)->can_receive);
    (void)end_add(&p.a, SQ_JSEP_VIDEO, SQ_SDP_SENDONLY, 3);
    exchange(&p.a, &p.b);
    exchange(&p.b, &p.a);
    /* the same names and numbers after four exchanges */
    assert_string_equal(sq_jsep_first(p.a.j)->mid, "0");
    assert_int_equal(sq_jsep_first(p.a.j)->codecs[0].pt, 111);
    assert_int_equal(v->codecs[0].pt, 96);
    pair_close(&p);
}

static void directions_change_later(void **state)
{
    OPEN(p, 0);
    add_av(&p.a, SQ_SDP_SENDRECV, 10);
    add_av(&p.b, SQ_SDP_SENDRECV, 20);
    exchange(&p.a, &p.b);
    struct sq_jsep_transceiver *t = sq_jsep_first(p.b.j);
    sq_jsep_set_direction(p.b.j, t, SQ_SDP_SENDONLY);
    assert_true(sq_jsep_needs_offer(p.b.j));
    exchange(&p.b, &p.a);
    assert_int_equal(sq_jsep_first(p.a.j)->current_direction, SQ_SDP_RECVONLY);
    assert_false(sq_jsep_needs_offer(p.b.j));
    sq_jsep_set_direction(p.b.j, t, SQ_SDP_SENDRECV);
    exchange(&p.a, &p.b); /* the other side offers: it still wants sendrecv */
    assert_int_equal(t->current_direction, SQ_SDP_SENDRECV);
    pair_close(&p);
}

static void stopped_sections_are_recycled(void **state)
{
    OPEN(p, 0);
    add_av(&p.a, SQ_SDP_SENDRECV, 10);
    exchange(&p.a, &p.b);
    struct sq_jsep_transceiver *audio = sq_jsep_first(p.a.j);
    assert_int_equal(sq_jsep_forget(p.a.j, audio), SQ_ERR_STATE);
    sq_jsep_stop(p.a.j, audio);
    assert_true(audio->stopping && !audio->stopped && !audio->can_send);
    assert_true(sq_jsep_needs_offer(p.a.j));
    char *offer;
    char *answer;
    exchange_texts(&p.a, &p.b, &offer, &answer);
    assert_non_null(strstr(offer, "m=audio 0 "));
    assert_non_null(strstr(answer, "m=audio 0 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\n"
                                   "a=inactive\r\na=mid:0\r\n"));
    assert_non_null(strstr(offer, "a=group:BUNDLE 1\r\n"));
    assert_non_null(strstr(answer, "a=group:BUNDLE 1\r\n"));
    sq_free(offer);
    sq_free(answer);
    assert_true(audio->stopped && sq_jsep_first(p.b.j)->stopped);
    assert_int_equal(sq_jsep_forget(p.a.j, audio), 0);
    /* the other side recycles, with another kind and a new mid */
    struct sq_jsep_transceiver *v = end_add(&p.b, SQ_JSEP_VIDEO, SQ_SDP_SENDRECV, 30);
    exchange_texts(&p.b, &p.a, &offer, &answer);
    assert_int_equal(v->mline, 0);
    assert_string_not_equal(v->mid, "0");
    assert_string_not_equal(v->mid, "1");
    assert_null(strstr(offer, "m=audio"));
    sq_free(offer);
    sq_free(answer);
    assert_int_equal(sq_jsep_forget(p.b.j, sq_jsep_first(p.b.j)), 0);
    assert_false(sq_jsep_needs_offer(p.a.j) || sq_jsep_needs_offer(p.b.j));
    pair_close(&p);
}

static void answerer_may_stop_and_refuse(void **state)
{
    OPEN(p, 0);
    add_av(&p.a, SQ_SDP_SENDRECV, 10);
    char *offer = local_offer(&p.a);
    struct sq_jsep_result got = remote(&p.b, SQ_JSEP_OFFER, offer);
    sq_jsep_result_free(&got);
    sq_jsep_stop(p.b.j, sq_jsep_first(p.b.j));
    char *answer = local_answer(&p.b);
    assert_non_null(strstr(answer, "m=audio 0 UDP/TLS/RTP/SAVPF 111\r\n"));
    assert_non_null(strstr(answer, "a=group:BUNDLE 1\r\n"));
    got = remote(&p.a, SQ_JSEP_ANSWER, answer);
    sq_jsep_result_free(&got);
    assert_agree(&p.a, &p.b);
    assert_true(sq_jsep_first(p.a.j)->stopped);
    assert_true(sq_jsep_by_mid(p.a.j, "1")->can_send);
    sq_free(offer);
    sq_free(answer);
    exchange(&p.b, &p.a);
    /* stopped before it was ever offered: at once, and without a trace */
    struct sq_jsep_transceiver *t = end_add(&p.a, SQ_JSEP_AUDIO, SQ_SDP_SENDRECV, 5);
    must(sq_jsep_create_offer(p.a.j, &p.a.local, &offer, &error));
    sq_free(offer);
    sq_jsep_stop(p.a.j, t);
    assert_true(t->stopped);
    struct sq_sdp_error why;
    assert_int_equal(sq_jsep_set_local(p.a.j, SQ_JSEP_OFFER, NULL, &why), SQ_ERR_STATE);
    assert_int_equal(sq_jsep_forget(p.a.j, t), 0);
    pair_close(&p);
}

static void glare_is_told_and_rolled_back(void **state)
{
    OPEN(p, 0);
    add_av(&p.a, SQ_SDP_SENDRECV, 10);
    add_av(&p.b, SQ_SDP_SENDRECV, 20);
    char *offer_a = local_offer(&p.a);
    char *offer_b = local_offer(&p.b);
    struct sq_sdp_error why = {0};
    assert_int_equal(sq_jsep_set_remote(p.a.j, SQ_JSEP_OFFER, offer_b, strlen(offer_b), NULL, &why),
                     SQ_ERR_STATE);
    assert_non_null(strstr(why.text, "roll the local offer back first"));
    assert_int_equal(sq_jsep_state(p.a.j), SQ_JSEP_HAVE_LOCAL_OFFER);
    /* b is the polite one */
    assert_int_equal(sq_jsep_by_mid(p.b.j, "0")->mline, 0);
    must(sq_jsep_set_local(p.b.j, SQ_JSEP_ROLLBACK, NULL, &error));
    assert_int_equal(sq_jsep_first(p.b.j)->mline, -1);
    assert_string_equal(sq_jsep_first(p.b.j)->mid, "");
    struct sq_jsep_result got = remote(&p.b, SQ_JSEP_OFFER, offer_a);
    sq_jsep_result_free(&got);
    char *answer = local_answer(&p.b);
    got = remote(&p.a, SQ_JSEP_ANSWER, answer);
    sq_jsep_result_free(&got);
    assert_agree(&p.a, &p.b);
    assert_false(sq_jsep_needs_offer(p.b.j));
    sq_free(offer_a);
    sq_free(offer_b);
    sq_free(answer);
    pair_close(&p);
}

static void remote_offers_roll_back(void **state)
{
    OPEN(p, 0);
    add_av(&p.a, SQ_SDP_SENDRECV, 10);
    (void)end_add(&p.b, SQ_JSEP_AUDIO, SQ_SDP_SENDRECV, 20);
    char *offer = local_offer(&p.a);
    struct sq_jsep_result got = remote(&p.b, SQ_JSEP_OFFER, offer);
    sq_jsep_result_free(&got);
    struct sq_jsep_transceiver *video = sq_jsep_by_mid(p.b.j, "1");
    assert_true(video->from_remote);
    assert_non_null(sq_jsep_remote(p.b.j));
    must(sq_jsep_set_remote(p.b.j, SQ_JSEP_ROLLBACK, NULL, 0, NULL, &error));
    assert_null(sq_jsep_remote(p.b.j));
    assert_true(video->stopped);
    assert_false(sq_jsep_first(p.b.j)->stopped);
    assert_int_equal(sq_jsep_forget(p.b.j, video), 0);
    struct sq_sdp_error why;
    assert_int_equal(sq_jsep_set_remote(p.b.j, SQ_JSEP_ROLLBACK, NULL, 0, NULL, &why),
                     SQ_ERR_STATE);
    /* versions go on after the rollback */
    must(sq_jsep_set_local(p.a.j, SQ_JSEP_ROLLBACK, NULL, &error));
    char *second = local_offer(&p.a);
    assert_non_null(strstr(offer, " 2 IN IP4"));
    assert_non_null(strstr(second, " 3 IN IP4"));
    sq_free(second);
    sq_free(offer);
    pair_close(&p);
}

static void wrong_states_are_told(void **state)
{
    OPEN(p, 0);
    char *text = NULL;
    struct sq_sdp_error why = {0};
    assert_int_equal(sq_jsep_create_offer(p.a.j, &p.a.local, &text, &why), SQ_ERR_STATE);
    assert_non_null(strstr(why.text, "nothing to offer"));
    assert_int_equal(sq_jsep_create_answer(p.a.j, &p.a.local, &text, &why), SQ_ERR_STATE);
    assert_int_equal(sq_jsep_set_local(p.a.j, SQ_JSEP_OFFER, NULL, &why), SQ_ERR_STATE);
    assert_int_equal(sq_jsep_set_local(p.a.j, SQ_JSEP_ANSWER, NULL, &why), SQ_ERR_STATE);
    assert_int_equal(sq_jsep_set_local(p.a.j, SQ_JSEP_ROLLBACK, NULL, &why), SQ_ERR_STATE);
    assert_int_equal(sq_jsep_set_remote(p.a.j, SQ_JSEP_ANSWER, "v=0", 3, NULL, &why), SQ_ERR_STATE);
    assert_string_equal(why.text, "a remote answer cannot be set in state stable");
    assert_int_equal(sq_jsep_local_text(p.a.j, &p.a.local, &text), SQ_ERR_STATE);
    assert_int_equal(sq_jsep_set_remote(p.a.j, SQ_JSEP_OFFER, "garbage", 7, NULL, &why),
                     SQ_ERR_FORMAT);
    assert_int_equal(why.line, 1);
    struct sq_jsep_transceiver *t = end_add(&p.a, SQ_JSEP_AUDIO, SQ_SDP_SENDRECV, 1);
    struct sq_jsep_transport broken = p.a.local;
    broken.fingerprint = NULL;
    assert_int_equal(sq_jsep_create_offer(p.a.j, &broken, &text, &why), SQ_ERR_INVALID);
    broken = p.a.local;
    broken.ice_pwd = "two\r\nlines";
    assert_int_equal(sq_jsep_create_offer(p.a.j, &broken, &text, &why), SQ_ERR_INVALID);
    assert_null(text);
    struct sq_jsep_add add = {.kind = SQ_JSEP_AUDIO, .stream_id = "two words"};
    assert_int_equal(sq_jsep_add(p.a.j, &add, &t), SQ_ERR_INVALID);
    const uint8_t wrong[] = {SQ_JSEP_VP8};
    add = (struct sq_jsep_add){.kind = SQ_JSEP_AUDIO, .prefs = wrong, .n_prefs = 1};
    assert_int_equal(sq_jsep_add(p.a.j, &add, &t), SQ_ERR_INVALID);
    add = (struct sq_jsep_add){.kind = SQ_JSEP_DATA};
    assert_int_equal(sq_jsep_add(p.a.j, &add, &t), SQ_ERR_INVALID);
    sq_jsep_close(p.a.j);
    assert_int_equal(sq_jsep_create_offer(p.a.j, &p.a.local, &text, &why), SQ_ERR_STATE);
    assert_int_equal(sq_jsep_add(p.a.j, &add, &t), SQ_ERR_STATE);
    assert_int_equal(sq_jsep_forget(p.a.j, t), 0);
    pair_close(&p);
}

static void ice_restarts_are_seen(void **state)
{
    OPEN(p, 0);
    add_av(&p.a, SQ_SDP_SENDRECV, 10);
    exchange(&p.a, &p.b);
    end_restart(&p.b);
    char *offer = local_offer(&p.b);
    struct sq_jsep_result got = remote(&p.a, SQ_JSEP_OFFER, offer);
    assert_true(got.ice_restart && !got.dtls_restart);
    assert_string_equal(sq_jsep_remote(p.a.j)->ice_ufrag, p.b.ufrag);
    sq_jsep_result_free(&got);
    end_restart(&p.a);
    char *answer = local_answer(&p.a);
    got = remote(&p.b, SQ_JSEP_ANSWER, answer);
    assert_true(got.ice_restart && !got.dtls_restart);
    sq_jsep_result_free(&got);
    sq_free(offer);
    sq_free(answer);
    assert_agree(&p.a, &p.b);
    /* a plain re-offer restarts nothing */
    offer = local_offer(&p.a);
    got = remote(&p.b, SQ_JSEP_OFFER, offer);
    assert_false(got.ice_restart || got.dtls_restart);
    sq_jsep_result_free(&got);
    sq_free(offer);
    pair_close(&p);
}

/* The association stands, whoever offers next (RFC 8842, section 5.3). */
static void dtls_roles(void **state)
{
    OPEN(p, .answer_passive = true);
    add_av(&p.a, SQ_SDP_SENDRECV, 10);
    char *offer;
    char *answer;
    exchange_texts(&p.a, &p.b, &offer, &answer);
    assert_non_null(strstr(answer, "a=setup:passive"));
    assert_int_equal(sq_jsep_remote(p.a.j)->dtls_role, SQ_JSEP_DTLS_ACTIVE);
    sq_free(offer);
    sq_free(answer);
    exchange_texts(&p.b, &p.a, &offer, &answer);
    assert_non_null(strstr(offer, "a=setup:actpass"));
    assert_non_null(strstr(answer, "a=setup:active"));
    assert_int_equal(sq_jsep_remote(p.a.j)->dtls_role, SQ_JSEP_DTLS_ACTIVE);
    sq_free(offer);
    sq_free(answer);
    /* a new certificate is a new association */
    p.b.local.fingerprint = FP_A;
    offer = local_offer(&p.b);
    struct sq_jsep_result got = remote(&p.a, SQ_JSEP_OFFER, offer);
    assert_true(got.dtls_restart);
    assert_int_equal(sq_jsep_remote(p.a.j)->dtls_role, SQ_JSEP_DTLS_PASSIVE);
    sq_jsep_result_free(&got);
    sq_free(offer);
    pair_close(&p);
}

static void data_channels_only_when_enabled(void **state)
{
    OPEN(p, 0);
    sq_jsep_want_data(p.a.j);
    (void)end_add(&p.a, SQ_JSEP_AUDIO, SQ_SDP_SENDRECV, 1);
    char *offer;
    char *answer;
    exchange_texts(&p.a, &p.b, &offer, &answer);
    assert_non_null(strstr(answer, "m=application 0 UDP/DTLS/SCTP webrtc-datachannel\r\n"));
    assert_false(sq_jsep_data(p.a.j).negotiated);
    assert_false(sq_jsep_needs_offer(p.a.j)); /* a refusal is no reason to ask again */
    sq_free(offer);
    sq_free(answer);
    pair_close(&p);
    OPEN(q, .accept_data = true, .max_message_size_bytes = 100000);
    sq_jsep_want_data(q.a.j);
    exchange_texts(&q.a, &q.b, &offer, &answer);
    assert_non_null(strstr(answer, "a=sctp-port:5000\r\n"));
    assert_true(sq_jsep_data(q.a.j).negotiated && sq_jsep_data(q.b.j).negotiated);
    assert_int_equal(sq_jsep_data(q.a.j).remote_sctp_port, 5000);
    assert_int_equal(sq_jsep_data(q.b.j).remote_max_message_size_bytes, 100000);
    assert_true(sq_jsep_data(q.a.j).told_max_message_size);
    assert_string_equal(sq_jsep_data(q.b.j).mid, "0");
    sq_free(offer);
    sq_free(answer);
    exchange(&q.b, &q.a);
    assert_true(sq_jsep_data(q.a.j).negotiated);
    pair_close(&q);
}

static struct sq_jsep_transceiver *add_prefs(struct end *e, enum sq_jsep_kind kind,
                                             const uint8_t *prefs, size_t n)
{
    const struct sq_jsep_add add = {.kind = kind,
                                    .direction = SQ_SDP_SENDRECV,
                                    .stream_id = "stream",
                                    .track_id = "t",
                                    .ssrc = 70,
                                    .rtx_ssrc = 71,
                                    .prefs = prefs,
                                    .n_prefs = n};
    struct sq_jsep_transceiver *t;
    assert_int_equal(sq_jsep_add(e->j, &add, &t), 0);
    return t;
}

static void every_codec_of_the_table_negotiates(void **state)
{
    static const uint8_t video[] = {
        SQ_JSEP_VP8,        SQ_JSEP_VP8_RTX,        SQ_JSEP_H264_MODE1, SQ_JSEP_H264_MODE1_RTX,
        SQ_JSEP_H264_MODE0, SQ_JSEP_H264_MODE0_RTX, SQ_JSEP_AV1,        SQ_JSEP_AV1_RTX,
        SQ_JSEP_VP9,        SQ_JSEP_VP9_RTX};
    static const uint8_t audio[] = {SQ_JSEP_OPUS,     SQ_JSEP_RED,  SQ_JSEP_G722,
                                    SQ_JSEP_PCMU,     SQ_JSEP_PCMA, SQ_JSEP_DTMF_48000,
                                    SQ_JSEP_DTMF_8000};
    static const uint8_t some[] = {SQ_JSEP_AV1, SQ_JSEP_VP9_RTX, SQ_JSEP_VP8, SQ_JSEP_VP8_RTX};
    OPEN(p, 0);
    struct sq_jsep_transceiver *v = add_prefs(&p.a, SQ_JSEP_VIDEO, video, sizeof(video));
    struct sq_jsep_transceiver *s = add_prefs(&p.a, SQ_JSEP_AUDIO, audio, sizeof(audio));
    (void)add_prefs(&p.b, SQ_JSEP_VIDEO, video, sizeof(video));
    (void)add_prefs(&p.b, SQ_JSEP_AUDIO, audio, sizeof(audio));
    char *offer;
    char *answer;
    exchange_texts(&p.a, &p.b, &offer, &answer);
    assert_int_equal(v->n_codecs, sizeof(video));
    assert_int_equal(s->n_codecs, sizeof(audio));
    for (size_t i = 0; i < sizeof(video); i++) {
        assert_int_equal(v->codecs[i].id, video[i]);
    }
    assert_int_equal(v->codecs[1].apt, 96);
    assert_non_null(strstr(answer, "a=fmtp:97 apt=96\r\n"));
    assert_non_null(strstr(answer, "a=fmtp:63 111/111\r\n"));
    assert_non_null(strstr(answer, "a=ssrc-group:FID 70 71\r\n"));
    assert_int_equal(v->n_sources, 1);
    assert_int_equal(v->sources[0].rtx_ssrc, 71);
    sq_free(offer);
    sq_free(answer);
    pair_close(&p);
    /* the answerer's own order counts where it has one; RTX without its codec falls away */
    OPEN(q, 0);
    v = add_prefs(&q.a, SQ_JSEP_VIDEO, video, sizeof(video));
    (void)add_prefs(&q.b, SQ_JSEP_VIDEO, some, sizeof(some));
    exchange(&q.a, &q.b);
    assert_int_equal(v->n_codecs, 3);
    assert_int_equal(v->codecs[0].id, SQ_JSEP_AV1);
    assert_int_equal(v->codecs[2].id, SQ_JSEP_VP8_RTX);
    pair_close(&q);
    /* nothing in common: the section is rejected */
    OPEN(r, 0);
    v = add_prefs(&r.a, SQ_JSEP_VIDEO, some, 1);
    (void)add_prefs(&r.b, SQ_JSEP_VIDEO, video, 2);
    exchange(&r.a, &r.b);
    assert_true(v->stopped);
    assert_int_equal(sq_jsep_codec_by_name("vp8"), SQ_JSEP_VP8);
    assert_int_equal(sq_jsep_codec_by_name("mp3"), SQ_JSEP_CODECS);
    pair_close(&r);
}

static void wide_sessions(void **state)
{
    OPEN(p, 0);
    p.a.allowed = SQ_JSEP_ROW(SQ_JSEP_OPUS) | SQ_JSEP_ROW(SQ_JSEP_VP8); /* 256 KB of SDP at most */
    for (unsigned i = 0; i < 60; i++) {
        (void)end_add(&p.a, i % 2 ? SQ_JSEP_VIDEO : SQ_JSEP_AUDIO, SQ_SDP_SENDONLY, 100 + i);
    }
    exchange(&p.a, &p.b);
    unsigned n = 0;
    for (struct sq_jsep_transceiver *t = sq_jsep_first(p.b.j); t; t = t->next) {
        assert_int_equal(t->mline, (int)n);
        assert_int_equal(t->sources[0].ssrc, 100 + n);
        n++;
    }
    assert_int_equal(n, 60);
    for (unsigned i = 60; i < SQ_JSEP_TRANSCEIVERS_MAX; i++) {
        (void)end_add(&p.a, SQ_JSEP_AUDIO, SQ_SDP_SENDONLY, 100 + i);
    }
    const struct sq_jsep_add add = {.kind = SQ_JSEP_AUDIO};
    struct sq_jsep_transceiver *t;
    assert_int_equal(sq_jsep_add(p.a.j, &add, &t), SQ_ERR_NOMEM);
    exchange(&p.a, &p.b);
    pair_close(&p);
}

static void allocation_failures_change_nothing(void **state)
{
    for (size_t nth = 1;; nth++) {
        OPEN(p, .accept_data = true);
        add_av(&p.a, SQ_SDP_SENDRECV, 10);
        (void)end_add(&p.b, SQ_JSEP_AUDIO, SQ_SDP_SENDRECV, 20);
        sq_jsep_want_data(p.a.j);
        char *offer = NULL;
        char *answer = NULL;
        int failures = 0;
        sq_mem_fail_at(nth);
        /* whatever fails is tried again, and then must work */
        while (sq_jsep_create_offer(p.a.j, &p.a.local, &offer, NULL)) {
            failures++;
        }
        must(sq_jsep_set_local(p.a.j, SQ_JSEP_OFFER, NULL, &error));
        while (sq_jsep_set_remote(p.b.j, SQ_JSEP_OFFER, offer, strlen(offer), NULL, NULL)) {
            assert_int_equal(sq_jsep_state(p.b.j), SQ_JSEP_STABLE);
            failures++;
        }
        while (sq_jsep_create_answer(p.b.j, &p.b.local, &answer, NULL)) {
            failures++;
        }
        must(sq_jsep_set_local(p.b.j, SQ_JSEP_ANSWER, NULL, &error));
        struct sq_jsep_result result = {0};
        while (sq_jsep_set_remote(p.a.j, SQ_JSEP_ANSWER, answer, strlen(answer), &result, NULL)) {
            assert_int_equal(sq_jsep_state(p.a.j), SQ_JSEP_HAVE_LOCAL_OFFER);
            failures++;
        }
        bool over = sq_mem_count() < nth;
        sq_mem_fail_at(0);
        assert_true(failures <= 1);
        assert_true(over == (failures == 0));
        assert_agree(&p.a, &p.b);
        sq_jsep_result_free(&result);
        sq_free(offer);
        sq_free(answer);
        pair_close(&p);
        if (over) {
            print_message("%zu allocations failed in turn\n", nth - 1);
            break;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(offer_is_what_browsers_expect),
        cmocka_unit_test(audio_and_video_both_ways),
        cmocka_unit_test(directions_meet),
        cmocka_unit_test(sections_are_added_from_either_side),
        cmocka_unit_test(directions_change_later),
        cmocka_unit_test(stopped_sections_are_recycled),
        cmocka_unit_test(answerer_may_stop_and_refuse),
        cmocka_unit_test(glare_is_told_and_rolled_back),
        cmocka_unit_test(remote_offers_roll_back),
        cmocka_unit_test(wrong_states_are_told),
        cmocka_unit_test(ice_restarts_are_seen),
        cmocka_unit_test(dtls_roles),
        cmocka_unit_test(data_channels_only_when_enabled),
        cmocka_unit_test(every_codec_of_the_table_negotiates),
        cmocka_unit_test(wide_sessions),
        cmocka_unit_test(allocation_failures_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
