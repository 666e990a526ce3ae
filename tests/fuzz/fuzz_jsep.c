/* Negotiation with a hostile other side: the first byte says what the input is (offer or answer)
 * and what this side has; an answer or offer that is made of it parses, has the same sections in
 * the same order, and is accepted by the state machine. */
#include "base/mem.h"
#include "fuzz/fuzz.h"
#include "peer/jsep/jsep.h"
#include <string.h>

enum { AS_ANSWER = 1, WITH_TRACKS = 2, ACCEPT_DATA = 4, PASSIVE = 8, TWICE = 16, LAYERS = 32 };

static const struct sq_jsep_transport transport = {
    .ice_ufrag = "abcd",
    .ice_pwd = "0123456789abcdef01234567",
    .fingerprint = "sha-256 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:"
                   "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF",
    .trickle = true,
};

static void look(const struct sq_jsep *j)
{
    size_t n = 0;
    for (const struct sq_jsep_transceiver *t = sq_jsep_first(j); t; t = t->next) {
        MUST(n++ < 1000);
        MUST(memchr(t->mid, '\0', sizeof(t->mid)) != NULL);
        MUST(t->n_codecs == 0 || t->codecs != NULL);
        MUST(!t->can_send || t->n_codecs > 0);
        MUST(!t->send_rids || (t->send_rids->n > 0 && t->send_rids->n <= SQ_JSEP_RIDS_MAX));
        MUST(!t->recv_rids || (t->recv_rids->n > 0 && t->recv_rids->n <= SQ_JSEP_RIDS_MAX));
        MUST(!t->n_codecs || sq_jsep_media_codec((enum sq_jsep_codec_id)t->codecs[0].id));
        MUST(!t->can_send || (t->current_direction & SQ_SDP_SENDONLY));
        MUST(!t->can_receive || (t->current_direction & SQ_SDP_RECVONLY));
        for (size_t i = 0; i < t->n_codecs; i++) {
            MUST(t->codecs[i].pt < 128 && t->codecs[i].recv_pt < 128);
            MUST(t->codecs[i].fmtp && strlen(t->codecs[i].fmtp) < 262144);
        }
    }
}

/* Answers what was offered. */
static void answer(struct sq_jsep *j, const struct sq_sdp *offer)
{
    struct sq_sdp_error error = {0};
    struct sq_jsep_result result;
    struct sq_sdp *parsed;
    char *text = NULL;
    int err = sq_jsep_create_answer(j, &transport, &text, &error);
    MUST(err == 0); /* what was accepted can be answered */
    MUST(sq_sdp_parse(text, strlen(text), &parsed, &error) == 0);
    MUST(!offer || parsed->n_media == offer->n_media);
    for (size_t i = 0; offer && i < parsed->n_media; i++) {
        MUST(sq_sdp_view_equal(parsed->media[i].kind, offer->media[i].kind));
    }
    MUST(sq_jsep_set_local(j, SQ_JSEP_ANSWER, &result, &error) == 0);
    MUST(sq_jsep_state(j) == SQ_JSEP_STABLE);
    sq_jsep_result_free(&result);
    sq_sdp_free(parsed);
    sq_free(text);
    look(j);
}

/* After an exchange an offer of this side is well-formed, too; without a section there is none. */
static void offer_again(struct sq_jsep *j)
{
    if (!sq_jsep_first(j)) {
        return;
    }
    struct sq_sdp_error error = {0};
    struct sq_sdp *parsed;
    char *text = NULL;
    MUST(sq_jsep_create_offer(j, &transport, &text, &error) == 0);
    MUST(sq_sdp_parse(text, strlen(text), &parsed, &error) == 0);
    sq_sdp_free(parsed);
    sq_free(text);
}

static void hear(struct sq_jsep *j, enum sq_jsep_type type, const char *text, size_t len)
{
    struct sq_sdp_error error = {0};
    struct sq_jsep_result result;
    enum sq_jsep_state before = sq_jsep_state(j);
    if (sq_jsep_set_remote(j, type, text, len, &result, &error) != 0) {
        MUST(sq_jsep_state(j) == before); /* a refusal changes nothing */
        look(j);
        return;
    }
    if (type == SQ_JSEP_OFFER) {
        answer(j, result.sdp);
    }
    sq_jsep_result_free(&result);
    look(j);
    offer_again(j);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len < 1) {
        return 0;
    }
    unsigned how = data[0];
    struct sq_jsep *j;
    struct sq_sdp_error error = {0};
    char *offer = NULL;
    static const struct sq_jsep_rids rids = {.n = 3, .id = {"q", "h", "f"}};
    const struct sq_jsep_config config = {.session_id = 1,
                                          .cname = "fuzz",
                                          .accept_data = (how & ACCEPT_DATA) != 0,
                                          .answer_passive = (how & PASSIVE) != 0};
    MUST(sq_jsep_new(&config, &j) == 0);
    for (int kind = 0; kind < 2 && (how & (WITH_TRACKS | AS_ANSWER)); kind++) {
        struct sq_jsep_transceiver *t;
        const struct sq_jsep_add add = {.kind = kind ? SQ_JSEP_VIDEO : SQ_JSEP_AUDIO,
                                        .direction = SQ_SDP_SENDRECV,
                                        .stream_id = "s",
                                        .send_rids = kind && (how & LAYERS) ? &rids : NULL,
                                        .opus = kind ? 0 : SQ_JSEP_OPUS_STEREO,
                                        .ssrc = 1000 + (uint32_t)kind};
        MUST(sq_jsep_add(j, &add, &t) == 0);
        sq_jsep_receive_simulcast(t, (how & LAYERS) != 0);
    }
    enum sq_jsep_type type = how & AS_ANSWER ? SQ_JSEP_ANSWER : SQ_JSEP_OFFER;
    if (how & AS_ANSWER) {
        MUST(sq_jsep_create_offer(j, &transport, &offer, &error) == 0);
        MUST(sq_jsep_set_local(j, SQ_JSEP_OFFER, NULL, &error) == 0);
    }
    hear(j, type, (const char *)data + 1, len - 1);
    if (how & TWICE) { /* the same as a re-offer */
        hear(j, SQ_JSEP_OFFER, (const char *)data + 1, len - 1);
    }
    sq_free(offer);
    sq_jsep_free(j);
    return 0;
}
