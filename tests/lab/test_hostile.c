/* Clients of the lab that break the rules, and a lab that runs out of memory: what is wrong is
 * told, and the others notice nothing. */
#include "base/mem.h"
#include "base/time.h"
#include "lab/lab_int.h"
#include "lab/rig.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define JOIN_ECHO "{\"type\":\"join\",\"room\":\"echo\",\"publish\":[\"audio\",\"video\"]}"

/* A WebSocket that says what it is told to say. */
struct raw {
    struct sq_ws *ws;
    bool open, ended;
    int http_status;
    uint16_t close_code;
    char code[80], text[300]; /* of "error" */
    unsigned offers, joined, left;
};

static void on_open(void *ctx)
{
    struct raw *raw = ctx;
    raw->open = true;
}

static void on_message(void *ctx, const char *text, size_t len, bool is_text)
{
    struct raw *raw = ctx;
    struct sq_room_msg msg;
    char why[SQ_ROOM_WHY_MAX];
    assert_true(is_text);
    assert_int_equal(sq_room_parse(text, len, &msg, why), 0);
    raw->offers += msg.type == SQ_ROOM_OFFER;
    raw->joined += msg.type == SQ_ROOM_JOINED;
    raw->left += msg.type == SQ_ROOM_LEFT;
    if (msg.type == SQ_ROOM_ERROR) {
        snprintf(raw->code, sizeof(raw->code), "%s", msg.code);
        snprintf(raw->text, sizeof(raw->text), "%s", msg.text);
    }
    sq_room_msg_free(&msg);
}

static void on_end(void *ctx, const struct sq_ws_end *end)
{
    struct raw *raw = ctx;
    raw->ended = true;
    raw->http_status = end->http_status;
    raw->close_code = end->code;
}

static void raw_open(struct raw *raw, const char *subprotocol)
{
    static const struct sq_ws_events events = {
        .on_open = on_open, .on_message = on_message, .on_end = on_end};
    const struct sq_ws_options options = {.url = rig_url(SQ_LAB_URL_ROOM, "") + strlen("room+"),
                                          .subprotocol = subprotocol};
    *raw = (struct raw){0};
    assert_int_equal(sq_ws_connect(rig_loop, &options, &events, raw, &raw->ws), 0);
    RIG_UNTIL(raw->open || raw->ended);
}

static void raw_say(struct raw *raw, const char *text)
{
    assert_int_equal(sq_ws_send_text(raw->ws, text, strlen(text)), 0);
}

static void what_is_wrong_is_told(void **state)
{
    (void)state;
    static const struct {
        const char *first, *then; /* messages; nullable */
        const char *code, *say;
    } cases[] = {
        {"hello", NULL, "protocol", "not JSON"},
        {"{\"type\":\"leave\"}", NULL, "protocol", "expected \"join\""},
        {"{\"type\":\"join\",\"room\":\"\"}", NULL, "protocol", "\"room\" is empty"},
        {JOIN_ECHO, JOIN_ECHO, "protocol", "twice"},
        {JOIN_ECHO, "{\"type\":\"offer\",\"seq\":1,\"sdp\":\"v=0\"}", "protocol",
         "not for a client"},
        {JOIN_ECHO, "{\"type\":\"joined\",\"id\":\"x\"}", "protocol", "not for a client"},
        {JOIN_ECHO, "{\"type\":\"answer\",\"seq\":1,\"sdp\":\"nonsense\"}", "media", "SDP line 1"},
        {JOIN_ECHO, "{\"type\":\"answer\",\"seq\":7,\"sdp\":\"v=0\"}", "media", "offer that waits"},
        {JOIN_ECHO, "{\"type\":\"dance\"}", "protocol", "unknown type"},
    };
    struct person good;
    person_come(&good, "echo", "Good", true, true);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct raw raw;
        raw_open(&raw, SQ_ROOM_SUBPROTOCOL);
        raw_say(&raw, cases[i].first);
        if (cases[i].then) {
            RIG_UNTIL(raw.offers == 1);
            raw_say(&raw, cases[i].then);
        }
        RIG_UNTIL(raw.ended);
        if (strcmp(raw.code, cases[i].code) != 0 || !strstr(raw.text, cases[i].say)) {
            fail_msg("case %zu: %s: %s", i, raw.code, raw.text);
        }
        assert_int_equal(raw.close_code, 1008);
        sq_ws_free(raw.ws);
    }
    RIG_UNTIL(rig_stat("participants") == 1);
    uint64_t frames = person_hears(&good, SQ_MEDIA_VIDEO).frames;
    RIG_UNTIL(person_hears(&good, SQ_MEDIA_VIDEO).frames > frames + 5);
    assert_int_equal(person_hears(&good, SQ_MEDIA_VIDEO).lost, 0);
    person_free(&good);
}

static void candidates_of_no_use_are_passed_over(void **state)
{
    (void)state;
    struct raw raw;
    raw_open(&raw, SQ_ROOM_SUBPROTOCOL);
    raw_say(&raw, JOIN_ECHO);
    RIG_UNTIL(raw.offers == 1);
    raw_say(&raw, "{\"type\":\"candidate\",\"candidate\":\"\\u0001garbage\"}");
    raw_say(&raw,
            "{\"type\":\"candidate\",\"candidate\":\"candidate:1 1 udp 1 x.local 9 typ host\"}");
    raw_say(&raw, "{\"type\":\"candidate\",\"candidate\":\"\"}");
    raw_say(&raw, "{\"type\":\"restart\"}"); /* while the first offer is out: waits */
    raw_say(&raw, "{\"type\":\"leave\"}");
    RIG_UNTIL(raw.ended);
    assert_int_equal(raw.left, 1);
    assert_int_equal(raw.offers, 1);
    assert_string_equal(raw.code, "");
    assert_int_equal(raw.close_code, 1000);
    sq_ws_free(raw.ws);
}

static void other_upgrades_are_refused(void **state)
{
    (void)state;
    struct raw raw;
    raw_open(&raw, "chat");
    assert_true(raw.ended);
    assert_int_equal(raw.http_status, 400);
    sq_ws_free(raw.ws);
    raw_open(&raw, NULL); /* by hand, without one: served */
    assert_true(raw.open);
    raw_say(&raw, JOIN_ECHO);
    RIG_UNTIL(raw.joined);
    const uint8_t bytes[] = {1, 2, 3};
    assert_int_equal(sq_ws_send_binary(raw.ws, bytes, sizeof(bytes)), 0);
    RIG_UNTIL(raw.ended);
    assert_string_equal(raw.code, "protocol");
    sq_ws_free(raw.ws);
}

static void one_who_vanishes_is_let_go(void **state)
{
    (void)state;
    struct raw raw;
    struct person viewer, ann;
    person_come(&viewer, "r", "Viewer", false, true);
    person_come(&ann, "r", "Ann", true, false);
    RIG_UNTIL(person_hears(&viewer, SQ_MEDIA_VIDEO).frames > 3);
    raw_open(&raw, SQ_ROOM_SUBPROTOCOL);
    raw_say(&raw, "{\"type\":\"join\",\"room\":\"r\"}");
    RIG_UNTIL(raw.offers == 1);
    assert_int_equal(rig_stat("participants"), 3);
    sq_ws_free(raw.ws); /* no answer, no goodbye */
    person_free(&ann);  /* in the middle of everything */
    RIG_UNTIL(rig_stat("participants") == 1);
    RIG_UNTIL(person_hears(&viewer, SQ_MEDIA_VIDEO).tracks == 0);
    person_free(&viewer);
}

/* ---- Without memory: the nth allocation of the lab's thread fails ---- */

static size_t fail_nth, fail_count;

static void arm_failure(void *ctx)
{
    (void)ctx;
    sq_mem_fail_at(fail_nth);
}

static void disarm_failure(void *ctx)
{
    (void)ctx;
    fail_count = sq_mem_count();
    sq_mem_fail_at(0);
}

/* In the lab's thread; what it did is seen here when it has answered a question. */
static void in_lab(void (*fn)(void *ctx))
{
    struct sq_lab_counters counters;
    assert_int_equal(sq_loop_post(rig_lab->loop, fn, NULL), 0);
    assert_int_equal(sq_lab_get_counters(rig_lab, &counters), 0);
}

static void a_lab_short_of_memory_goes_on(void **state)
{
    (void)state;
    bool clean = false;
    unsigned failed = 0, joined = 0;
    for (size_t nth = 1; !clean; nth += 1 + nth / 40) {
        struct person ann;
        fail_nth = nth;
        in_lab(arm_failure);
        person_come(&ann, "echo", "Ann", true, true);
        RIG_UNTIL(ann.failed || ann.lost || person_hears(&ann, SQ_MEDIA_VIDEO).packets > 0);
        in_lab(disarm_failure);
        clean = fail_count < nth;
        failed += ann.failed;
        joined += ann.joined && !ann.failed;
        person_free(&ann);
        assert_true(nth < 20000);
    }
    assert_true(failed > 20);
    assert_true(joined > 0);
    RIG_UNTIL(rig_stat("participants") == 0);
    assert_int_equal(rig_stat("rooms"), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, rig_up, rig_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_wrong_is_told),         TEST(candidates_of_no_use_are_passed_over),
        TEST(other_upgrades_are_refused),    TEST(one_who_vanishes_is_let_go),
        TEST(a_lab_short_of_memory_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
