/* What a sender tells of layers: the dependency descriptor, and VP9's payload descriptor in spatial
 * and temporal layers. */
#include "base/wire.h"
#include "media/clip_int.h"
#include "media/depacket.h"
#include "media/help.h"
#include "media/source.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static uint8_t whole[SQ_SOURCE_HEAD_MAX + SQ_CLIP_PAYLOAD_MAX];

static size_t join(const struct sq_source_packet *p)
{
    memcpy(whole, p->head, p->head_len);
    memcpy(whole + p->head_len, p->fragment, p->fragment_len);
    return (size_t)p->head_len + p->fragment_len;
}

static struct sq_source source_of(const struct sq_clip_track *t)
{
    struct sq_rand rand;
    struct sq_source s;
    sq_rand_seed(&rand, 22);
    sq_source_init(&s, t, 0, 1000000000, &rand);
    return s;
}

/* The structures that Chromium 156 sent for these scalability modes, from behind the mandatory
 * fields to the resolutions; with the mask of active decode targets where only the lowest layer
 * went out. */
static void structures_are_those_of_chromium(void **state)
{
    static const struct {
        const char *hex;
        enum sq_codec codec;
        uint16_t width, height;
        uint8_t spatial, temporal, active;
        bool full;
    } sent[] = {
        {"80003a4101813f80b380", SQ_CODEC_AV1, 640, 360, 1, 1, 0, false},
        {"80003a4101813f80b380", SQ_CODEC_VP9, 640, 360, 1, 1, 0, false},
        {"800214eaa860414d1410208427027f0167", SQ_CODEC_AV1, 640, 360, 1, 3, 0, false},
        {"800514853aaaa8018004004002a02a0060010015d34514174d144c700874321651118543276809f8059813f8"
         "0b38",
         SQ_CODEC_VP9, 640, 360, 2, 3, 0, false},
        {"c00514853aaaa8018004004002a02a0060010015d34514174d144c700874321651118543276809f8059813f8"
         "0b38e0",
         SQ_CODEC_VP9, 640, 360, 2, 3, 1, false},
        {"80081485214eaaaaa8000600004000100002aa80a8000600004000100002a000a80006000040001"
         "6d549241b5524906d54923157e001974ca864330e222396eca8655304224390eca87753013f00b3027f01670"
         "4ff02cf",
         SQ_CODEC_VP9, 1280, 720, 3, 3, 0, false},
        {"c0081485214eaaaaa8000600004000100002aa80a8000600004000100002a000a80006000040001"
         "6d549241b5524906d54923157e001974ca864330e222396eca8655304224390eca87753013f00b3027f01670"
         "4ff02cf0380",
         SQ_CODEC_VP9, 1280, 720, 3, 3, 1, false},
        {"c0081485214eafffaaaa863cf0430c10c302afc0aaa0063c00430010c002a000a80006000040001"
         "d954926e082b04a0941b820ac1282503157f974000ca864330e222222eca8655304224230eca87753013f00b"
         "3027f016704ff02cf0380",
         SQ_CODEC_VP9, 1280, 720, 3, 3, 1, true},
    };
    for (size_t i = 0; i < sizeof(sent) / sizeof(*sent); i++) {
        struct sq_clip_track t = {.codec = sent[i].codec,
                                  .width = sent[i].width,
                                  .height = sent[i].height,
                                  .spatial_layers = sent[i].spatial,
                                  .temporal_layers = sent[i].temporal,
                                  .features = sent[i].full ? 0 : SQ_CLIP_KEY_SVC};
        const struct sq_clip_frame key = {.flags = SQ_CLIP_KEY};
        uint8_t out[SQ_CLIP_DD_MAX];
        char hex[2 * SQ_CLIP_DD_MAX + 1] = "";
        sq_dd_tell(&t, 0);
        size_t n = sq_dd_write(&t,
                               &(struct sq_dd_frame){.frame = &key,
                                                     .begins = true,
                                                     .structure = true,
                                                     .number = 0x1234,
                                                     .active_layers = sent[i].active},
                               out);
        for (size_t k = 3; k < n; k++) {
            snprintf(hex + 2 * (k - 3), 3, "%02x", out[k]);
        }
        assert_string_equal(hex, sent[i].hex);
        assert_int_equal(out[0],
                         0x80 | sent[i].full); /* the first template of L3T3 is no key frame's */
        assert_int_equal(sq_load_u16(out + 1), 0x1234);
    }
    struct sq_clip_track many = {
        .width = 640, .height = 360, .spatial_layers = 4, .temporal_layers = 3};
    sq_dd_tell(&many, 0); /* chains longer than its fields: nothing is told */
    assert_int_equal(many.dd_bits, 0);
}

/* What a receiver keeps of a stream in layers. */
struct layers_seen {
    struct sq_depacket_state *known;
    unsigned spatial;      /* of the clip */
    unsigned told;         /* by the latest scalability structure */
    uint16_t first_number; /* frame_number of the first picture */
    unsigned picture;      /* since then */
    int32_t id;
    int sid;
};

/* RFC 9628, section 4.2, and appendix A of AV1's payload format; `top` is the highest layer sent.
 */
static void check_vp9(struct layers_seen *seen, const struct sq_source_packet *p, unsigned top)
{
    static const uint8_t back[] = {4, 1, 2, 1}; /* in the turn 0, 2, 1, 2 */
    struct sq_vp9_descriptor d;
    struct sq_dd dd;
    assert_int_equal(sq_vp9_descriptor_parse(whole, join(p), &d), 0);
    assert_int_equal(d.len_bytes, p->head_len);
    assert_true(d.wide && d.flexible);
    assert_int_equal(d.tl0_pic_idx, -1);
    assert_int_equal(d.inter, !p->key);
    assert_int_equal(d.tid, p->tid);
    assert_int_equal(d.sid, p->sid);
    if (d.n_spatial) {
        assert_true(p->begin && p->tid == 0);
        seen->told = d.n_spatial;
        assert_int_equal(d.n_gof, 0);
        for (unsigned sid = 0; sid < d.n_spatial; sid++) {
            assert_int_equal(d.width[sid], 640 >> (seen->spatial - 1 - sid));
            assert_int_equal(d.height[sid], 360 >> (seen->spatial - 1 - sid));
        }
    }
    assert_true(!p->key || !p->begin || d.n_spatial == top + 1);
    if (p->begin) {
        seen->picture += seen->id >= 0;
        assert_true(seen->id < 0 || d.picture_id == ((seen->id + 1) & 0x7fff));
        seen->sid = -1;
        seen->id = d.picture_id;
    }
    assert_int_equal(d.picture_id, seen->id);
    seen->sid += d.begins;
    assert_int_equal(p->sid, seen->sid);
    assert_true(p->sid <= top);
    assert_int_equal(p->marker, d.ends && p->sid == top);
    assert_int_equal(d.inter_layer, p->sid > 0 && p->key);
    assert_int_equal(d.discardable, p->sid + 1U == seen->spatial || !p->key);
    assert_int_equal(d.n_diffs, !p->key);
    assert_true(p->key || d.diffs[0] == back[p->tid == 0 ? 0 : p->tid == 1 ? 2 : 1]);

    assert_int_equal(sq_dd_parse(p->ext, p->ext_len, &seen->known, &dd), 0);
    seen->first_number = seen->picture == 0 ? dd.frame_number - p->sid : seen->first_number;
    assert_int_equal(dd.frame_number,
                     (uint16_t)(seen->first_number + seen->picture * seen->spatial + p->sid));
    assert_int_equal(dd.sid, p->sid);
    assert_int_equal(dd.tid, p->tid);
    assert_int_equal(dd.start_of_frame, d.begins);
    assert_int_equal(dd.end_of_frame, d.ends);
    assert_int_equal(dd.structure, p->key && p->begin);
    assert_int_equal(dd.width, d.width[0] && seen->spatial == 1
                                   ? d.width[0]
                                   : 640 >> (seen->spatial - 1 - p->sid));
    /* Both say the same of what it refers to. */
    bool lower = p->key && p->sid > 0;
    assert_int_equal(dd.n_fdiffs, lower || !p->key);
    assert_true(dd.n_fdiffs == 0 || dd.fdiffs[0] == (lower ? 1 : d.diffs[0] * seen->spatial));
}

/* What was sent before, over changes of the layers, comes again as it was. */
static void check_again(const struct sq_source *s, const struct sq_source_packet *p, unsigned n)
{
    enum { KEPT = 1000 };
    static struct sq_source_packet sent[KEPT];
    unsigned back = n * 7 % KEPT;
    sent[n % KEPT] = *p;
    if (back <= n) {
        const struct sq_source_packet *before = &sent[(n - back) % KEPT];
        struct sq_source_packet again;
        memset(&again, 0, sizeof(again));
        assert_int_equal(sq_source_repeat(s, before->cookie, before->ticks, &again), 0);
        assert_int_equal(again.head_len, before->head_len);
        assert_memory_equal(again.head, before->head, before->head_len);
        assert_int_equal(again.ext_len, before->ext_len);
        assert_memory_equal(again.ext, before->ext, before->ext_len);
        assert_int_equal(again.marker, before->marker);
        assert_ptr_equal(again.fragment, before->fragment);
    }
}

/* One spatial layer with three temporal ones, and three with three, of which fewer go out for a
 * while: the structure then tells of those alone. */
static void vp9_descriptors(void **state)
{
    struct sq_clip *c = help_open("default", 0);
    const struct sq_clip_track *steps[SQ_CLIP_STEPS_MAX];
    for (unsigned spatial = 1; spatial <= 3; spatial += 2) {
        const struct sq_clip_want want = {.codec = SQ_CODEC_VP9,
                                          .features = spatial > 1 ? SQ_CLIP_KEY_SVC : 0,
                                          .spatial_layers = (uint8_t)spatial};
        size_t count = sq_clip_ladder_with(c, &want, steps, SQ_CLIP_STEPS_MAX);
        assert_int_equal(count, spatial == 1 ? 3 : 1);
        struct sq_source s = source_of(steps[count - 1]);
        struct layers_seen seen = {.spatial = spatial, .id = -1};
        unsigned changes = 0;
        for (unsigned n = 0; n < 4000; n++) {
            struct sq_source_packet p;
            if (n % 400 == 300 && spatial > 1) {
                static const uint8_t tops[] = {1, 0, 2, 0, 1, 2};
                sq_source_set_max_sid(&s, tops[n / 400 % 6]);
            }
            memset(&p, 0, sizeof(p));
            assert_true(sq_source_next(&s, s.due_ns, &p));
            check_again(&s, &p, n);
            unsigned top = sq_source_top_at(&s, steps[count - 1], s.slot - p.marker);
            unsigned before = seen.told;
            check_vp9(&seen, &p, top);
            changes += seen.told != before;
            /* Told at the latest with the base layer's first picture. */
            assert_true(p.tid > 0 || seen.told == top + 1);
            assert_true(p.ext_len == 3 || (p.key && p.begin) || p.ext_len == 5);
            assert_true(p.ext_len != 5 || seen.told != before ||
                        (p.tid > 0 && seen.told > top + 1) || p.sid > 0);
        }
        assert_int_equal(changes, spatial == 1 ? 1 : 11);
        sq_depacket_state_free(seen.known);
    }
    sq_clip_close(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(structures_are_those_of_chromium),
        cmocka_unit_test(vp9_descriptors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
