/* The room protocol's messages: each there and back, and hostile text. */
#include "base/mem.h"
#include "signal/room/room_proto.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char why[SQ_ROOM_WHY_MAX];

static struct sq_room_msg parse(const char *text)
{
    struct sq_room_msg msg = {0};
    int err = sq_room_parse(text, strlen(text), &msg, why);
    if (err) {
        fail_msg("%s: %s", text, why);
    }
    return msg;
}

static struct sq_room_msg there_and_back(const struct sq_room_msg *msg)
{
    char *text = sq_room_write(msg);
    assert_non_null(text);
    struct sq_room_msg back = parse(text);
    assert_int_equal(back.type, msg->type);
    sq_free(text);
    return back;
}

static void join_keeps_all_its_fields(void **state)
{
    (void)state;
    const struct sq_room_msg join = {.type = SQ_ROOM_JOIN,
                                     .room = "r \"1\"\\",
                                     .name = "Zoë\n",
                                     .token = "t0k",
                                     .publish_video = true,
                                     .subscribe = true};
    struct sq_room_msg back = there_and_back(&join);
    assert_string_equal(back.room, "r \"1\"\\");
    assert_string_equal(back.name, "Zoë\n");
    assert_string_equal(back.token, "t0k");
    assert_false(back.publish_audio);
    assert_true(back.publish_video);
    assert_true(back.subscribe);
    sq_room_msg_free(&back);
}

static void join_as_documented(void **state)
{
    (void)state;
    struct sq_room_msg msg = parse("{\"type\":\"join\",\"room\":\"demo\",\"publish\":[\"audio\","
                                   "\"video\"],\"subscribe\":false,\"later\":{\"x\":[1]}}");
    assert_true(msg.publish_audio && msg.publish_video);
    assert_false(msg.subscribe);
    assert_string_equal(msg.name, "");
    sq_room_msg_free(&msg);
    msg = parse("{\"type\":\"join\",\"room\":\"demo\"}");
    assert_false(msg.publish_audio || msg.publish_video);
    assert_true(msg.subscribe); /* the default */
    sq_room_msg_free(&msg);
}

static void offer_keeps_its_tracks(void **state)
{
    (void)state;
    const struct sq_room_track tracks[] = {{"0", "p1", "Ann"}, {"1", "p2", ""}};
    const struct sq_room_msg offer = {.type = SQ_ROOM_OFFER,
                                      .sdp = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\n",
                                      .seq = UINT32_MAX,
                                      .tracks = tracks,
                                      .tracks_len = 2};
    struct sq_room_msg back = there_and_back(&offer);
    assert_string_equal(back.sdp, offer.sdp);
    assert_int_equal(back.seq, UINT32_MAX);
    assert_int_equal(back.tracks_len, 2);
    assert_string_equal(back.tracks[0].name, "Ann");
    assert_string_equal(back.tracks[1].mid, "1");
    assert_string_equal(back.tracks[1].id, "p2");
    sq_room_msg_free(&back);
}

static void the_rest_comes_back(void **state)
{
    (void)state;
    struct sq_room_msg back =
        there_and_back(&(struct sq_room_msg){.type = SQ_ROOM_ANSWER, .sdp = "v=0", .seq = 7});
    assert_int_equal(back.seq, 7);
    sq_room_msg_free(&back);
    back = there_and_back(&(struct sq_room_msg){.type = SQ_ROOM_CANDIDATE, .candidate = ""});
    assert_string_equal(back.candidate, "");
    sq_room_msg_free(&back);
    back = there_and_back(&(struct sq_room_msg){
        .type = SQ_ROOM_ERROR, .code = SQ_ROOM_CODE_AUTH, .text = "who are you?"});
    assert_string_equal(back.code, "auth");
    assert_string_equal(back.text, "who are you?");
    sq_room_msg_free(&back);
    back = there_and_back(&(struct sq_room_msg){.type = SQ_ROOM_JOINED, .id = "p1"});
    assert_string_equal(back.id, "p1");
    sq_room_msg_free(&back);
    const enum sq_room_type bare[] = {SQ_ROOM_LEAVE, SQ_ROOM_LEFT, SQ_ROOM_RESTART};
    for (size_t i = 0; i < 3; i++) {
        back = there_and_back(&(struct sq_room_msg){.type = bare[i]});
        sq_room_msg_free(&back);
    }
}

static void text_that_is_not_utf8_is_mended(void **state)
{
    (void)state;
    struct sq_room_msg back = there_and_back(&(struct sq_room_msg){
        .type = SQ_ROOM_ERROR, .code = "x", .text = "a\xff\xc3(\xed\xa0\x80z\x01"});
    assert_string_equal(back.text,
                        "a\xef\xbf\xbd\xef\xbf\xbd(\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz\x01");
    sq_room_msg_free(&back);
}

static void what_is_wrong_is_told(void **state)
{
    (void)state;
    const struct {
        const char *text, *say;
        int err;
    } cases[] = {
        {"", "not JSON", SQ_ERR_FORMAT},
        {"[]", "expected an object", SQ_ERR_FORMAT},
        {"{}", "\"type\"", SQ_ERR_FORMAT},
        {"{\"type\":5}", "\"type\"", SQ_ERR_FORMAT},
        {"{\"type\":\"dance\"}", "unknown type \"dance\"", SQ_ERR_UNSUPPORTED},
        {"{\"type\":\"join\"}", "\"room\"", SQ_ERR_FORMAT},
        {"{\"type\":\"join\",\"room\":\"\"}", "empty", SQ_ERR_FORMAT},
        {"{\"type\":\"join\",\"room\":7}", "\"room\"", SQ_ERR_FORMAT},
        {"{\"type\":\"join\",\"room\":\"a\",\"room\":\"b\"}", "not JSON", SQ_ERR_FORMAT},
        {"{\"type\":\"join\",\"room\":\"a\\u0000b\"}", "not JSON", SQ_ERR_FORMAT},
        {"{\"type\":\"join\",\"room\":\"a\",\"publish\":[\"smell\"]}", "publish", SQ_ERR_FORMAT},
        {"{\"type\":\"join\",\"room\":\"a\",\"publish\":{}}", "publish", SQ_ERR_FORMAT},
        {"{\"type\":\"join\",\"room\":\"a\",\"publish\":[1,2,3]}", "publish", SQ_ERR_FORMAT},
        {"{\"type\":\"join\",\"room\":\"a\",\"subscribe\":1}", "subscribe", SQ_ERR_FORMAT},
        {"{\"type\":\"join\",\"room\":"
         "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
         "\"}",
         "at most 64", SQ_ERR_FORMAT},
        {"{\"type\":\"answer\",\"sdp\":\"\",\"seq\":1}", "sdp", SQ_ERR_FORMAT},
        {"{\"type\":\"answer\",\"sdp\":\"v=0\"}", "seq", SQ_ERR_FORMAT},
        {"{\"type\":\"answer\",\"sdp\":\"v=0\",\"seq\":-1}", "seq", SQ_ERR_FORMAT},
        {"{\"type\":\"answer\",\"sdp\":\"v=0\",\"seq\":4294967296}", "seq", SQ_ERR_FORMAT},
        {"{\"type\":\"answer\",\"sdp\":\"v=0\",\"seq\":1.0}", "seq", SQ_ERR_FORMAT},
        {"{\"type\":\"offer\",\"sdp\":\"v=0\",\"seq\":1,\"tracks\":[3]}", "mid", SQ_ERR_FORMAT},
        {"{\"type\":\"candidate\"}", "candidate", SQ_ERR_FORMAT},
        {"{\"type\":\"error\",\"code\":null}", "code", SQ_ERR_FORMAT},
        {"{\"type\":\"leave\"} x", "not JSON", SQ_ERR_FORMAT},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct sq_room_msg msg = {.seq = 99};
        assert_int_equal(sq_room_parse(cases[i].text, strlen(cases[i].text), &msg, why),
                         cases[i].err);
        if (!strstr(why, cases[i].say)) {
            fail_msg("%s: told \"%s\", expected \"%s\" in it", cases[i].text, why, cases[i].say);
        }
        assert_int_equal(msg.seq, 99); /* untouched */
    }
}

static void sizes_are_bounded(void **state)
{
    (void)state;
    static char text[SQ_ROOM_MESSAGE_MAX + 2];
    struct sq_room_msg msg;
    memset(text, ' ', sizeof(text));
    assert_int_equal(sq_room_parse(text, SQ_ROOM_MESSAGE_MAX + 1, &msg, why), SQ_ERR_FORMAT);
    assert_non_null(strstr(why, "at most"));
    memset(text, '[', sizeof(text)); /* deep nesting must not end the stack */
    assert_int_equal(sq_room_parse(text, SQ_ROOM_MESSAGE_MAX, &msg, why), SQ_ERR_FORMAT);
    int n =
        snprintf(text, sizeof(text), "{\"type\":\"offer\",\"sdp\":\"v\",\"seq\":1,\"tracks\":[");
    for (int i = 0; i <= SQ_ROOM_TRACKS_MAX; i++) {
        n += snprintf(text + n, sizeof(text) - (size_t)n, "%s{\"mid\":\"m\",\"id\":\"i\"}",
                      i ? "," : "");
    }
    n += snprintf(text + n, sizeof(text) - (size_t)n, "]}");
    assert_int_equal(sq_room_parse(text, (size_t)n, &msg, why), SQ_ERR_FORMAT);
    assert_non_null(strstr(why, "at most 64"));
}

static void garbage_never_harms(void **state)
{
    (void)state;
    static const char good[] =
        "{\"type\":\"offer\",\"seq\":3,\"tracks\":[{\"mid\":\"0\",\"id\":\"p\","
        "\"name\":\"\\u00e9\"}],\"sdp\":\"v=0\\r\\n\"}";
    char text[sizeof(good)];
    unsigned seed = 1;
    sq_room_fuzz((const uint8_t *)good, strlen(good));
    for (int round = 0; round < 20000; round++) {
        memcpy(text, good, sizeof(good));
        for (int k = 0; k < 1 + round % 3; k++) {
            seed = seed * 1103515245 + 12345;
            text[(seed >> 8) % (sizeof(good) - 1)] = (char)(seed >> 20);
        }
        sq_room_fuzz((const uint8_t *)text, (seed >> 4) % sizeof(good));
        sq_room_fuzz((const uint8_t *)text, sizeof(good) - 1);
    }
}

static void missing_memory_is_told(void **state)
{
    (void)state;
    static const char text[] =
        "{\"type\":\"offer\",\"seq\":3,\"tracks\":[{\"mid\":\"0\",\"id\":\"p\"}],\"sdp\":\"v\"}";
    struct sq_room_msg msg;
    sq_mem_fail_at(1);
    assert_int_equal(sq_room_parse(text, strlen(text), &msg, why), SQ_ERR_NOMEM);
    /* What jansson cannot read while there is no memory need not be the text's fault. */
    sq_mem_fail_at(1);
    assert_int_equal(sq_room_parse("{\"type\":", 8, &msg, why), SQ_ERR_NOMEM);
    sq_mem_fail_at(0);
    msg = parse(text);
    size_t nth = 1;
    char *out = NULL;
    while (!out && nth < 50) {
        sq_mem_fail_at(nth++);
        out = sq_room_write(&msg);
    }
    sq_mem_fail_at(0);
    assert_true(nth > 2);
    assert_non_null(out);
    sq_free(out);
    sq_room_msg_free(&msg);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(join_keeps_all_its_fields),
        cmocka_unit_test(join_as_documented),
        cmocka_unit_test(offer_keeps_its_tracks),
        cmocka_unit_test(the_rest_comes_back),
        cmocka_unit_test(text_that_is_not_utf8_is_mended),
        cmocka_unit_test(what_is_wrong_is_told),
        cmocka_unit_test(sizes_are_bounded),
        cmocka_unit_test(garbage_never_harms),
        cmocka_unit_test(missing_memory_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
