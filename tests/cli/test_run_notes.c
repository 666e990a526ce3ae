/* What is told before a run begins. */
#include "base/time.h"
#include "cli/run_notes.h"
#include "media/clip.h"
#include "run/replay.h"
#include "scenario/steps.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char *told;

static const char *notes_of(const struct sq_run_options *o, const struct sq_plan *plan)
{
    size_t len = 0;
    free(told);
    FILE *out = open_memstream(&told, &len);
    assert_non_null(out);
    sq_run_notes(o, plan, out);
    assert_int_equal(fclose(out), 0);
    return told;
}

static struct sq_plan plan_of(uint64_t peers)
{
    struct sq_plan plan;
    sq_plan_defaults(&plan);
    plan.peers = peers;
    plan.rate_per_s = 100;
    plan.duration_ns = 10 * SQ_NS_PER_SEC;
    return plan;
}

static void says(const char *words)
{
    if (!strstr(told, words)) {
        fail_msg("'%s' does not say '%s'", told, words);
    }
}

static void fewer_peers_than_wanted(void **state)
{
    (void)state;
    struct sq_run_options o = {.record = 5, .decode = 2, .dump = 3, .publishers = 4};
    struct sq_plan plan = plan_of(2);
    notes_of(&o, &plan);
    says("--record 5, but only 2 peers come: it is all of them");
    says("--dump 3, but only 2 peers come");
    says("--publishers 4, but only 2 peers come");
    assert_null(strstr(told, "--decode"));
    plan = plan_of(1);
    notes_of(&o, &plan);
    says("--decode 2, but only 1 peer comes");
    plan.hold_ns = SQ_NS_PER_SEC; /* one after the other: 1,000 in all */
    assert_string_equal(notes_of(&o, &plan), "");
}

static void late_arrivals(void **state)
{
    (void)state;
    struct sq_run_options o = {.publishers = UINT64_MAX};
    struct sq_plan plan = plan_of(1001);
    notes_of(&o, &plan);
    says("1001 peers at 100/s need 10 s to arrive");
    plan.peers = 1000;
    assert_string_equal(notes_of(&o, &plan), "");
}

static void values_that_nobody_sets(void **state)
{
    (void)state;
    struct sq_run_options o = {.publishers = UINT64_MAX};
    struct sq_plan plan = plan_of(10);
    struct sq_step waits[] = {{.kind = SQ_STEP_WAIT_FOR, .name = "never", .at = {.line = 7}},
                              {.kind = SQ_STEP_WAIT_FOR, .name = "url"}};
    struct sq_step sets[] = {{.kind = SQ_STEP_SET, .name = "url"}};
    struct sq_steps steps = {.file = "t.yaml", .items = waits, .n = 2};
    struct sq_steps before = {.file = "t.yaml", .items = sets, .n = 1};
    plan.groups[0].steps = &steps;
    plan.groups[0].before = &before;
    assert_string_equal(notes_of(&o, &plan), "Note: t.yaml:7: wait_for never: no step sets it.\n");
    waits[0].name = "url";
    assert_string_equal(notes_of(&o, &plan), "");
}

/* A value of a room is not that of the test, though it has the same name. */
static void values_of_another_scope(void **state)
{
    (void)state;
    struct sq_run_options o = {.publishers = UINT64_MAX};
    struct sq_plan plan = plan_of(10);
    struct sq_step waits[] = {{.kind = SQ_STEP_WAIT_FOR, .name = "k", .at = {.line = 5}}};
    struct sq_step sets[] = {{.kind = SQ_STEP_SET, .name = "k", .whole_test = true}};
    struct sq_steps steps = {.file = "t.yaml", .items = waits, .n = 1};
    struct sq_steps before = {.file = "t.yaml", .items = sets, .n = 1};
    plan.groups[0].steps = &steps;
    plan.groups[0].before = &before;
    assert_string_equal(notes_of(&o, &plan),
                        "Note: t.yaml:5: wait_for k in: room: steps set it in: test only, which "
                        "is another value.\n");
    waits[0].whole_test = true;
    assert_string_equal(notes_of(&o, &plan), "");
    sets[0].whole_test = false;
    notes_of(&o, &plan);
    says("wait_for k in: test: steps set it in: room only");
}

static void timers_that_nobody_starts(void **state)
{
    (void)state;
    struct sq_run_options o = {.publishers = UINT64_MAX};
    struct sq_plan plan = plan_of(10);
    struct sq_step items[] = {{.kind = SQ_STEP_TIMER, .name = "x", .figure = 1, .at = {.line = 6}},
                              {.kind = SQ_STEP_TIMER, .name = "y", .figure = 2, .start = true}};
    struct sq_steps steps = {.file = "t.yaml", .items = items, .n = 2};
    plan.groups[0].steps = &steps;
    assert_string_equal(
        notes_of(&o, &plan),
        "Note: t.yaml:6: timer stop x: no step starts it, so it measures nothing.\n");
    items[1].figure = 1;
    assert_string_equal(notes_of(&o, &plan), "");
}

static void turn_servers_for_anybody(void **state)
{
    (void)state;
    struct sq_run_options o = {.publishers = UINT64_MAX, .turn = {.items = {"turn:host"}, .n = 1}};
    struct sq_plan plan = plan_of(10);
    notes_of(&o, &plan);
    says("Note: --turn turn:host has neither --turn-user and --turn-password nor --turn-secret");
    o.turn_secret = "s";
    assert_string_equal(notes_of(&o, &plan), "");
}

static void groups_without_peers(void **state)
{
    (void)state;
    struct sq_run_options o = {.publishers = UINT64_MAX};
    struct sq_plan plan = plan_of(100);
    plan.groups[1] = plan.groups[0];
    plan.groups_len = 2;
    plan.groups[0].name = "few";
    plan.groups[1].name = "many";
    plan.groups[0].per_room = plan.groups[1].per_room = SQ_PLAN_REST;
    plan.groups[0].share = 0.001;
    plan.groups[1].share = 0.999;
    assert_string_equal(notes_of(&o, &plan),
                        "Note: group few has none of the 100 peers: its share is too small.\n");
    plan.groups[0].share = 0.01;
    plan.groups[1].share = 0.99;
    assert_string_equal(notes_of(&o, &plan), "");
}

/* Viewers alone: messages would be sent by nobody. */
static void messages_that_nobody_sends(void **state)
{
    (void)state;
    struct sq_run_options o = {.publishers = 0, .data = "10/s:100"};
    struct sq_plan plan = plan_of(3);
    plan.groups[0].data.on = true;
    sq_plan_split(&plan, 0);
    assert_string_equal(
        notes_of(&o, &plan),
        "Note: --data 10/s:100: messages are sent by those who publish, and with --publishers 0 "
        "nobody does: only messages of others, where there are any, come and are measured.\n");
    o.publishers = UINT64_MAX; /* of WHEP, by which nobody publishes */
    notes_of(&o, &plan);
    says("by those who publish, and nobody does: only");
    plan.groups[0].data.silent = true; /* steps send, or nobody is meant to */
    assert_string_equal(notes_of(&o, &plan), "");
    plan = plan_of(3);
    plan.groups[0].data.on = true;
    o.publishers = 1;
    sq_plan_split(&plan, 1);
    assert_string_equal(notes_of(&o, &plan), "");
}

static void changes_that_never_come(void **state)
{
    (void)state;
    char why[200];
    struct sq_run_options o = {.target_url = "lab:"};
    struct sq_plan plan = plan_of(4);
    struct sq_plan_group *group = &plan.groups[0];
    const char *text = "wifi, 4s: dsl, 8s: wifi";
    assert_int_equal(sq_plan_add_network(group, text, text, 0.5, why, sizeof(why)), 0);
    assert_string_equal(notes_of(&o, &plan), "");
    plan.hold_ns = 6 * SQ_NS_PER_SEC;
    notes_of(&o, &plan);
    says("Note: --network wifi, 4s: dsl, 8s: wifi: 'wifi' after 8s never comes: a peer stays for "
         "6s.");
    plan.hold_ns = 0;
    text = "wifi, run 12s: down 1s";
    assert_int_equal(sq_plan_add_network(group, text, text, 0.5, why, sizeof(why)), 0);
    notes_of(&o, &plan);
    says("'down 1s' after 12s never comes: the run ends after 10s.");
}

static void a_replay_that_was_cut_off(void **state)
{
    (void)state;
    struct sq_run_options o = {.publishers = UINT64_MAX};
    struct sq_plan plan = plan_of(1);
    struct sq_replay replay = {.duration_ns = 2500 * SQ_NS_PER_MS,
                               .streams = {{.codec = SQ_CODEC_OPUS, .packets = 5, .missing = 1}}};
    plan.groups[0].replay = &replay;
    notes_of(&o, &plan);
    says("5 packets, 1 missing");
    says("It takes 2.5 s to send");
    assert_null(strstr(told, "cut "));
    replay.cut = 7;
    notes_of(&o, &plan);
    says("7 packets were cut short by the capture's snap length ('tcpdump -s 0' keeps them whole)");
    replay.cut_off = true;
    notes_of(&o, &plan);
    says("cut off or damaged after 2.5 s");
}

/* By what it is: types, streams, no RTP; and how to tell a type that is not known. */
static void what_of_a_replay_is_left_out(void **state)
{
    (void)state;
    struct sq_run_options o = {.publishers = UINT64_MAX};
    struct sq_plan plan = plan_of(1);
    struct sq_replay replay = {
        .duration_ns = 2500 * SQ_NS_PER_MS,
        .streams = {{.codec = SQ_CODEC_OPUS, .packets = 5, .in_red = 5, .pt = 63}},
        .types = {[97] = {.name = "rtx"}}};
    plan.groups[0].replay = &replay;
    notes_of(&o, &plan);
    says("audio: opus (out of RED), payload type 63, SSRC 00000000: 5 packets, 0 missing\n");
    assert_null(strstr(told, "left out"));
    replay.unsent[97] = 7;
    replay.not_rtp = 2;
    replay.left_out = 12;
    notes_of(&o, &plan);
    says("\n12 other packets of the file are left out: payload types 97 (rtx, 7 packets); 3 of "
         "further streams; 2 that are no RTP\n");
    assert_null(strstr(told, "Note"));
    replay.unsent[97] = replay.not_rtp = 0;
    replay.left_out = replay.unsent[104] = 6;
    notes_of(&o, &plan);
    says("\n6 other packets of the file are left out: payload types 104 (6 packets)\n");
    says("Note: 6 packets, more than are sent, are of payload types that are not known, and are "
         "not sent: 104 (6 packets); there is no other video; say what they are, such as --pt "
         "104=H264.\n");
    replay.left_out = replay.unsent[104] = 5;
    notes_of(&o, &plan);
    says("Note: 5 packets are of payload types that are not known, and");
}

/* What nobody can hear in the clip is not held against the service. */
static void a_clip_that_is_silent_for_long(void **state)
{
    (void)state;
    char reason[SQ_CLIP_WHY_MAX];
    struct sq_clip *clip;
    assert_int_equal(sq_clip_open(SQ_SOURCE_DIR "/share/clips/small.sqclip", 0, &clip, reason), 0);
    struct sq_run_options o = {
        .publishers = UINT64_MAX, .target_url = "lab:", .media = "small", .decode = 1};
    struct sq_plan plan = plan_of(1);
    plan.groups[0].clip = clip;
    assert_string_equal(notes_of(&o, &plan), "");
    const struct sq_clip_track *sound = sq_clip_track(clip, SQ_CLIP_AUDIO);
    for (uint32_t i = 0; i < sound->frame_count; i++) { /* 1.6 s of 9.6, and a second before */
        sound->frames[i].level = i < 80 ? 20 : 127;
    }
    notes_of(&o, &plan);
    says("--media small is silent for long: 27 % of its seconds can be heard");
    o.decode = 0;
    assert_string_equal(notes_of(&o, &plan), "");
    sq_clip_close(clip);
}

static void what_the_clip_or_the_lab_does_not_have(void **state)
{
    (void)state;
    char reason[SQ_CLIP_WHY_MAX];
    struct sq_clip *clip;
    assert_int_equal(sq_clip_open(SQ_SOURCE_DIR "/share/clips/small.sqclip", 0, &clip, reason), 0);
    struct sq_run_options o = {.publishers = UINT64_MAX, .target_url = "lab:", .media = "small"};
    struct sq_plan plan = plan_of(1);
    plan.groups[0].clip = clip;
    plan.groups[0].audio_codecs = (struct sq_peer_codecs){.stereo = true, .dtx = true, .red = true};
    notes_of(&o, &plan);
    says("--media small has no stereo");
    says("--media small has no Opus with DTX");
    says("the lab takes no RED");
    o.target_url = "janus+ws://h/?plugin=echotest";
    notes_of(&o, &plan);
    assert_null(strstr(told, "RED"));
    sq_clip_close(clip);
    assert_int_equal(sq_clip_open(SQ_SOURCE_DIR "/share/clips/default.sqclip", 0, &clip, reason),
                     0);
    plan.groups[0].clip = clip;
    assert_string_equal(notes_of(&o, &plan),
                        "Note: --media small has no Opus in stereo with DTX: mono with DTX is "
                        "sent, without stereo.\n");
    plan.groups[0].audio_codecs.dtx = false;
    assert_string_equal(notes_of(&o, &plan), "");
    plan.groups[0].audio_codecs.dtx = true;
    sq_clip_close(clip);
    assert_int_equal(sq_clip_open(SQ_SOURCE_DIR "/share/clips/small.sqclip", 0, &clip, reason), 0);
    plan.groups[0].clip = clip;
    plan.groups[0].audio = false;
    o.target_url = "lab:";
    assert_string_equal(notes_of(&o, &plan), "");
    plan.groups[0].audio = true;
    sq_plan_split(&plan, 0);
    o.publishers = 0;
    assert_string_equal(notes_of(&o, &plan), "");
    sq_clip_close(clip);
}

/* The closest stream is sent, and the note says what of it goes. */
static void streams_of_opus_that_have_not_all(void **state)
{
    static const struct {
        const char *asked;
        unsigned features;
        uint8_t channels;
        const char *notes;
    } cases[] = {
        {"opus+stereo+dtx+fec", SQ_CLIP_DTX | SQ_CLIP_FEC, 1,
         "Note: --media default has no Opus in stereo with DTX and in-band FEC: mono with DTX and "
         "in-band FEC is sent, without stereo.\n"},
        {"opus+stereo+fec", 0, 2,
         "Note: --media default has no Opus in stereo with in-band FEC: stereo is sent, without "
         "in-band FEC.\n"},
        {"opus+dtx+fec", SQ_CLIP_DTX | SQ_CLIP_FEC, 1, ""},
        {"opus+fec", SQ_CLIP_FEC, 1, ""},
        {"opus+dtx", SQ_CLIP_DTX, 1, ""},
        {"opus+stereo", 0, 2, ""},
        {"opus", 0, 1, ""},
    };
    char reason[SQ_CLIP_WHY_MAX];
    char why[SQ_PEER_TEXT_MAX];
    struct sq_clip *clip;
    (void)state;
    assert_int_equal(sq_clip_open(SQ_SOURCE_DIR "/share/clips/default.sqclip", 0, &clip, reason),
                     0);
    struct sq_run_options o = {.publishers = UINT64_MAX, .target_url = "lab:", .media = "default"};
    struct sq_plan plan = plan_of(1);
    struct sq_peer_codecs *codecs = &plan.groups[0].audio_codecs;
    plan.groups[0].clip = clip;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        assert_int_equal(sq_peer_codecs_parse(cases[i].asked, false, codecs, why), 0);
        const struct sq_clip_track *sent = sq_peer_codecs_opus(codecs, clip);
        if (sent->features != cases[i].features || sent->channels != cases[i].channels) {
            fail_msg("%s: %u channels, features %u", cases[i].asked, sent->channels,
                     sent->features);
        }
        assert_string_equal(notes_of(&o, &plan), cases[i].notes);
    }
    sq_clip_close(clip);
    /* A plain stereo stream, and a mono one that has neither, beside one with FEC. */
    static const struct sq_clip few = {
        .track_count = 3,
        .tracks = {{.kind = SQ_CLIP_AUDIO, .codec = SQ_CODEC_OPUS, .channels = 1, .step_count = 1},
                   {.kind = SQ_CLIP_AUDIO, .codec = SQ_CODEC_OPUS, .channels = 2, .step_count = 1},
                   {.kind = SQ_CLIP_AUDIO,
                    .codec = SQ_CODEC_OPUS,
                    .features = SQ_CLIP_FEC,
                    .channels = 1,
                    .step_count = 1}}};
    plan.groups[0].clip = &few;
    assert_int_equal(sq_peer_codecs_parse("opus+dtx+fec", false, codecs, why), 0);
    assert_ptr_equal(sq_peer_codecs_opus(codecs, &few), &few.tracks[2]);
    notes_of(&o, &plan);
    says("--media default has no Opus with DTX");
    assert_null(strstr(told, "is sent, without"));
}

#define MODE0_STEP(w, h, n)                                                                        \
    {                                                                                              \
        .kind = SQ_CLIP_VIDEO, .codec = SQ_CODEC_H264, .features = SQ_CLIP_SINGLE_NAL,             \
        .width = (w), .height = (h), .spatial_layers = 1, .step = (n), .step_count = 2             \
    }

/* A layer is a picture size of the ladder, in the codec that stands first. */
static void layers_and_svc_that_the_clip_does_not_have(void **state)
{
    (void)state;
    static const struct sq_clip two = {
        .track_count = 2, .tracks = {MODE0_STEP(320, 180, 0), MODE0_STEP(480, 270, 1)}};
    struct sq_run_options o = {.publishers = UINT64_MAX, .target_url = "lab:", .media = "it"};
    struct sq_plan plan = plan_of(1);
    struct sq_plan_group *group = &plan.groups[0];
    struct sq_clip *clip;
    char reason[SQ_CLIP_WHY_MAX];
    assert_int_equal(sq_run_notes_layers(group), 0);
    group->simulcast = 3;
    assert_int_equal(sq_run_notes_layers(group), 3);
    assert_int_equal(sq_clip_open(SQ_SOURCE_DIR "/share/clips/default.sqclip", 0, &clip, reason),
                     0);
    group->clip = clip;
    group->video_codecs = (struct sq_peer_codecs){.svc = true};
    assert_string_equal(notes_of(&o, &plan), "");
    group->video_codecs = (struct sq_peer_codecs){
        .order = {SQ_CODEC_H264, SQ_CODEC_VP8}, .n = 2, .h264_modes = SQ_H264_MODE0};
    assert_string_equal(notes_of(&o, &plan), "");
    assert_int_equal(sq_run_notes_layers(group), 3);
    group->clip = &two;
    assert_string_equal(
        notes_of(&o, &plan),
        "Note: --simulcast 3: a layer is a picture size, and --media it has 2 steps "
        "of different size in H264: only the layers h and f are sent.\n");
    assert_int_equal(sq_run_notes_layers(group), 2);
    group->simulcast = 2;
    assert_string_equal(notes_of(&o, &plan), "");
    group->clip = clip;
    group->video_codecs.h264_modes = SQ_H264_MODES;
    group->simulcast = 3;
    assert_string_equal(notes_of(&o, &plan), "");
    static const struct sq_clip plain = {.track_count = 1,
                                         .tracks = {{.kind = SQ_CLIP_VIDEO,
                                                     .codec = SQ_CODEC_VP9,
                                                     .width = 640,
                                                     .height = 360,
                                                     .spatial_layers = 1,
                                                     .step_count = 1}}};
    sq_clip_close(clip);
    group->clip = &plain;
    group->video_codecs = (struct sq_peer_codecs){.n = 0};
    notes_of(&o, &plan);
    says("--media it has 1 step of one size in VP9: only the layer f is sent.");
    assert_int_equal(sq_run_notes_layers(group), 1);
    group->simulcast = 0;
    group->video_codecs = (struct sq_peer_codecs){.order = {SQ_CODEC_VP9}, .n = 1, .svc = true};
    assert_string_equal(notes_of(&o, &plan),
                        "Note: --media it has no VP9 in spatial layers: vp9+svc is sent as VP9 in "
                        "one layer.\n");
    group->video = false;
    assert_string_equal(notes_of(&o, &plan), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fewer_peers_than_wanted),
        cmocka_unit_test(late_arrivals),
        cmocka_unit_test(values_that_nobody_sets),
        cmocka_unit_test(values_of_another_scope),
        cmocka_unit_test(timers_that_nobody_starts),
        cmocka_unit_test(turn_servers_for_anybody),
        cmocka_unit_test(groups_without_peers),
        cmocka_unit_test(messages_that_nobody_sends),
        cmocka_unit_test(changes_that_never_come),
        cmocka_unit_test(streams_of_opus_that_have_not_all),
        cmocka_unit_test(a_replay_that_was_cut_off),
        cmocka_unit_test(what_of_a_replay_is_left_out),
        cmocka_unit_test(a_clip_that_is_silent_for_long),
        cmocka_unit_test(what_the_clip_or_the_lab_does_not_have),
        cmocka_unit_test(layers_and_svc_that_the_clip_does_not_have),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    free(told);
    return failed;
}
