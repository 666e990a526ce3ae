/* Target URLs. */
#include "base/mem.h"
#include "signal/target.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void janus_with_parameters(void **state)
{
    struct sq_target t;
    char why[256];
    assert_int_equal(sq_target_parse("janus+ws://10.0.0.1/janus?plugin=videoroom&room=a%20b", &t,
                                     why, sizeof(why)),
                     0);
    assert_string_equal(t.scheme, "janus+ws");
    assert_string_equal(t.host, "10.0.0.1");
    assert_int_equal(t.port, 8188);
    assert_string_equal(t.inner, "ws://10.0.0.1:8188/janus");
    assert_string_equal(sq_target_param(&t, "plugin"), "videoroom");
    assert_string_equal(sq_target_param(&t, "room"), "a b");
    assert_null(sq_target_param(&t, "pin"));
    assert_false(t.secure);
    sq_target_free(&t);
}

static void whip_keeps_its_query(void **state)
{
    struct sq_target t;
    char why[256];
    assert_int_equal(
        sq_target_parse("whip+https://[::1]:8443/live/x?key=1&b=%41", &t, why, sizeof(why)), 0);
    assert_string_equal(t.inner, "https://[::1]:8443/live/x?key=1&b=%41");
    assert_string_equal(t.host, "::1");
    assert_true(t.secure);
    sq_target_free(&t);
    assert_int_equal(sq_target_parse("whep+http://h?x=1", &t, why, sizeof(why)), 0);
    assert_string_equal(t.inner, "http://h:80/?x=1");
    sq_target_free(&t);
}

static void bad_targets_say_why(void **state)
{
    static const struct {
        const char *url;
        const char *word;
    } cases[] = {
        {"http://host/", "expected lab:"},
        {"janus+ws:host", "expected lab:"},
        {"janus+ws://", "host is missing"},
        {"janus+ws://:8188/", "host is missing"},
        {"janus+ws://h:0/", "port '0'"},
        {"janus+ws://h:70000/", "port '70000'"},
        {"janus+ws://[::1/", "without ']'"},
        {"janus+ws://[::1]x/", "after ']'"},
        {"janus+ws://u@h/", "user name"},
        {"janus+ws://u:SECRET/x@h/", "user name"},
        {"janus+ws://h/?a=%zz", "percent-encoding"},
        {"janus+ws://h/?a=%0", "percent-encoding"},
        {"janus+ws://h/?a=%00", "percent-encoding"},
        {"janus+ws://h/ x", "column 14"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct sq_target t;
        char why[512] = "";
        assert_int_equal(sq_target_parse(cases[i].url, &t, why, sizeof(why)), SQ_ERR_INVALID);
        if (!strstr(why, cases[i].word) || strstr(why, "SECRET")) {
            fail_msg("%s: said '%s', wanted '%s'", cases[i].url, why, cases[i].word);
        }
    }
}

static void secrets_are_not_shown(void **state)
{
    static const struct {
        const char *url, *shown;
    } cases[] = {
        {"janus+ws://h:8188/janus?plugin=videoroom&room=1&create=1&publishers=9",
         "janus+ws://h:8188/janus?plugin=videoroom&room=1&create=1&publishers=9"},
        {"janus+wss://h/"
         "?plugin=videoroom&apisecret=S&token=T&pin=P&admin_key=A&secret=B&room_token=C",
         "janus+wss://h/?plugin=videoroom&apisecret=***&token=***&pin=***&admin_key=***&secret=***&"
         "room_token=***"},
        {"janus+ws://h/?api%73ecret=S&&room=a%20b#S", "janus+ws://h/?api%73ecret=***&&room=a%20b"},
        {"whip+https://h/live/x?key=S&room=S", "whip+https://h/live/x?***"},
        {"whep+http://h?S", "whep+http://h?***"},
        {"whep+http://h/x#S", "whep+http://h/x#***"},
        {"whip+http://h/live", "whip+http://h/live"},
        {"room+ws://h/room?room=demo", "room+ws://h/room?room=demo"},
        {"lab:whip", "lab:whip"},
        {"janus+ws://u:p@h/?room=1", "janus+ws://***@h/?room=1"},
        {"whip+http://u:p@q@h/x@y?S", "whip+http://***@h/x@y?***"},
        {"ftp://h/x?S", "ftp://h/x?***"}, /* no scheme of ours: it may be a slip */
        {"what?x=1", "what?***"},
        {"whip+https:/u:p@h/x?token=S", "***@h/x?***"}, /* slips */
        {"janus+ws:/h/?plugin=echotest&token=S", "janus+ws:/h/?***"},
        {"lab:?token=S", "lab:?***"},
        {"whip+http://u:p/q@h/x", "whip+http://u:***"},
        {"whip+http://u:p#q@h/x", "whip+http://u:***"},
        {"whip+http://u:7?q@h/x", "whip+http://u:7?***"},
        {"whip+http://h:99999x/y", "whip+http://h:99999x/y"},
        {"room+ws://[::1]:80/x@y", "room+ws://[::1]:80/x@y"},
        {"a?b://u:p@h", "a?***"}, /* "://" behind a '?' or '#' begins no host */
        {"#://u:p@h/x?S", "#***"},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char *shown = sq_target_shown(cases[i].url);
        assert_non_null(shown);
        assert_string_equal(shown, cases[i].shown);
        sq_free(shown);
    }
    sq_mem_fail_at(1);
    assert_null(sq_target_shown(cases[1].url));
    sq_mem_fail_at(0);
}

static void no_memory(void **state)
{
    struct sq_target t;
    char why[256];
    sq_mem_fail_at(1);
    assert_int_equal(sq_target_parse("room+ws://h/", &t, why, sizeof(why)), SQ_ERR_NOMEM);
    sq_mem_fail_at(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(janus_with_parameters),
        cmocka_unit_test(whip_keeps_its_query),
        cmocka_unit_test(bad_targets_say_why),
        cmocka_unit_test(secrets_are_not_shown),
        cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
