/* Two JSEP machines that talk to each other, for their tests. */
#ifndef SQ_TESTS_PEER_SDP_JSEP_PAIR_H
#define SQ_TESTS_PEER_SDP_JSEP_PAIR_H

#include "base/mem.h"
#include "peer/jsep/jsep.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define FP_A                                                                                       \
    "sha-256 00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13:14:15:16:17:18:19:1A:"    \
    "1B:1C:1D:1E:1F"
#define FP_B                                                                                       \
    "sha-256 F0:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13:14:15:16:17:18:19:1A:"    \
    "1B:1C:1D:1E:1F"

struct end {
    struct sq_jsep *j;
    char ufrag[16];
    char pwd[40];
    unsigned generation;
    uint64_t allowed; /* rows of the transceivers that end_add makes; 0: all */
    struct sq_jsep_transport local;
};

static inline void end_restart(struct end *e)
{
    e->generation++;
    snprintf(e->ufrag, sizeof(e->ufrag), "uf%c%u", e->local.fingerprint[8] == 'F' ? 'b' : 'a',
             e->generation);
    snprintf(e->pwd, sizeof(e->pwd), "password-password-%u-x", 1000 + e->generation);
}

static inline void end_open(struct end *e, const char *fingerprint, struct sq_jsep_config config)
{
    memset(e, 0, sizeof(*e));
    config.session_id = config.session_id ? config.session_id : 4611731400430051336ULL;
    config.cname = config.cname ? config.cname : "cn4me";
    assert_int_equal(sq_jsep_new(&config, &e->j), 0);
    e->local = (struct sq_jsep_transport){
        .ice_ufrag = e->ufrag, .ice_pwd = e->pwd, .fingerprint = fingerprint, .trickle = true};
    end_restart(e);
}

static inline void end_close(struct end *e)
{
    sq_jsep_free(e->j);
    e->j = NULL;
}

static inline struct sq_jsep_transceiver *end_add(struct end *e, enum sq_jsep_kind kind,
                                                  enum sq_sdp_direction direction, uint32_t ssrc)
{
    char track[32];
    snprintf(track, sizeof(track), "track%u", (unsigned)ssrc);
    const struct sq_jsep_add add = {.kind = kind,
                                    .direction = direction,
                                    .stream_id = "stream",
                                    .track_id = track,
                                    .ssrc = ssrc,
                                    .allowed = e->allowed};
    struct sq_jsep_transceiver *t = NULL;
    assert_int_equal(sq_jsep_add(e->j, &add, &t), 0);
    return t;
}

#define must(call)                                                                                 \
    do {                                                                                           \
        struct sq_sdp_error error = {0};                                                           \
        int must_err = (call);                                                                     \
        if (must_err) {                                                                            \
            fail_msg("%s: %s: line %u: %s", #call, sq_err_name(must_err), error.line, error.text); \
        }                                                                                          \
    } while (0)

/* Creates and sets a local description; to be freed. */
static inline char *local_offer(struct end *e)
{
    char *text = NULL;
    must(sq_jsep_create_offer(e->j, &e->local, &text, &error));
    must(sq_jsep_set_local(e->j, SQ_JSEP_OFFER, NULL, &error));
    return text;
}

static inline char *local_answer(struct end *e)
{
    char *text = NULL;
    must(sq_jsep_create_answer(e->j, &e->local, &text, &error));
    must(sq_jsep_set_local(e->j, SQ_JSEP_ANSWER, NULL, &error));
    return text;
}

static inline struct sq_jsep_result remote(struct end *e, enum sq_jsep_type type, const char *text)
{
    struct sq_jsep_result result;
    must(sq_jsep_set_remote(e->j, type, text, strlen(text), &result, &error));
    return result;
}

/* What both ends must agree upon when both are stable. */
static inline void assert_agree(const struct end *a, const struct end *b)
{
    assert_int_equal(sq_jsep_state(a->j), SQ_JSEP_STABLE);
    assert_int_equal(sq_jsep_state(b->j), SQ_JSEP_STABLE);
    unsigned live_a = 0;
    unsigned live_b = 0;
    for (struct sq_jsep_transceiver *t = sq_jsep_first(b->j); t; t = t->next) {
        live_b += t->negotiated;
    }
    for (struct sq_jsep_transceiver *t = sq_jsep_first(a->j); t; t = t->next) {
        if (!t->negotiated) {
            assert_int_equal(t->mline, -1);
            assert_false(t->can_send || t->can_receive);
            continue;
        }
        live_a++;
        struct sq_jsep_transceiver *u = sq_jsep_by_mid(b->j, t->mid);
        assert_non_null(u);
        assert_true(u->negotiated);
        assert_int_equal(t->kind, u->kind);
        assert_int_equal(t->mline, u->mline);
        assert_int_equal(t->current_direction, sq_sdp_direction_reverse(u->current_direction));
        assert_true(t->n_codecs > 0);
        assert_int_equal(t->n_codecs, u->n_codecs);
        for (size_t c = 0; c < t->n_codecs; c++) {
            assert_int_equal(t->codecs[c].id, u->codecs[c].id);
            assert_int_equal(t->codecs[c].pt, u->codecs[c].recv_pt);
            assert_int_equal(t->codecs[c].recv_pt, u->codecs[c].pt);
            assert_int_equal(t->codecs[c].fb, u->codecs[c].fb);
        }
        assert_memory_equal(&t->ext, &u->ext, sizeof(t->ext));
        assert_true(t->ext.mid != 0);
        /* a sender's ssrc is known to the other side */
        if (t->can_send && t->ssrc && u->n_sources) {
            assert_int_equal(u->sources[0].ssrc, t->ssrc);
            assert_string_equal(u->remote_cname, "cn4me");
            assert_string_equal(u->remote_track_id, t->track_id);
        }
    }
    assert_int_equal(live_a, live_b);
    const struct sq_jsep_remote *ra = sq_jsep_remote(a->j);
    const struct sq_jsep_remote *rb = sq_jsep_remote(b->j);
    assert_int_equal(ra == NULL, rb == NULL);
    if (ra && rb) {
        assert_true(
            (ra->dtls_role == SQ_JSEP_DTLS_ACTIVE && rb->dtls_role == SQ_JSEP_DTLS_PASSIVE) ||
            (ra->dtls_role == SQ_JSEP_DTLS_PASSIVE && rb->dtls_role == SQ_JSEP_DTLS_ACTIVE));
    }
}

/* A whole exchange; the texts may be asked for (to be freed). */
static inline void exchange_texts(struct end *a, struct end *b, char **ret_offer, char **ret_answer)
{
    char *offer = local_offer(a);
    struct sq_jsep_result got = remote(b, SQ_JSEP_OFFER, offer);
    sq_jsep_result_free(&got);
    char *answer = local_answer(b);
    got = remote(a, SQ_JSEP_ANSWER, answer);
    assert_true(got.negotiated);
    sq_jsep_result_free(&got);
    assert_agree(a, b);
    if (ret_offer) {
        *ret_offer = offer;
        *ret_answer = answer;
    } else {
        sq_free(offer);
        sq_free(answer);
    }
}

static inline void exchange(struct end *a, struct end *b)
{
    exchange_texts(a, b, NULL, NULL);
}

#endif
