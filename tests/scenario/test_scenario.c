/* A scenario file: what it says, by the file alone, and what is wrong with it. */
#include "base/mem.h"
#include "scenario/scenario.h"
#include "scenario/wrong.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *env(void *ctx, const char *name)
{
    (void)ctx;
    return strcmp(name, "TOKEN") == 0   ? "s3cret"
           : strcmp(name, "EMPTY") == 0 ? ""
           : strcmp(name, "HOST") == 0  ? "example.org"
                                        : NULL;
}

static struct sq_scenario *parsed(const char *text)
{
    struct sq_scenario *s = NULL;
    struct sq_yaml_error error = {.message = ""};
    if (sq_scenario_parse("t.yaml", text, strlen(text), env, NULL, &s, &error) != 0) {
        fail_msg("%s\n%u:%u: %s", text, error.at.line, error.at.column, error.message);
    }
    return s;
}

static const struct sq_scenario_setting *setting(const struct sq_scenario *s, const char *option)
{
    const struct sq_scenario_setting *found = sq_scenario_setting_for(s, NULL, option);
    assert_non_null(found);
    return found;
}

static void assert_value(const struct sq_scenario *s, const char *option, const char *wanted)
{
    assert_string_equal(setting(s, option)->value, wanted);
}

static void values_are_those_of_the_command_line(void **state)
{
    (void)state;
    struct sq_scenario *s = parsed("name: All of it 1.0\n"
                                   "target: \"lab:\"\n"
                                   "load: {peers: 20, rate: 90/m, duration: 1m, hold: 5s}\n"
                                   "rooms: {name: stage, size: 4, count: 5}\n"
                                   "audio: false\n"
                                   "codec: {video: [h264, vp9+svc], audio: opus+red}\n"
                                   "data: {rate: 10/s, size: 2k, mode: unordered}\n"
                                   "turn:\n"
                                   "  url: ['turn:a', 'turns:b']\n"
                                   "output: {dir: out, record_sent: true}\n"
                                   "seed: 7\n");
    assert_string_equal(s->name, "All of it 1.0");
    assert_int_equal(s->rooms, 5);
    assert_value(s, "target", "lab:");
    assert_value(s, "peers", "20");
    assert_value(s, "rate", "90/m");
    assert_value(s, "duration", "1m");
    assert_value(s, "room", "stage");
    assert_value(s, "room-size", "4");
    assert_value(s, "no-audio", "false");
    assert_value(s, "codec", "audio=opus+red"); /* the last of two */
    assert_value(s, "data", "10/s:2k");
    assert_value(s, "data-mode", "unordered");
    assert_value(s, "turn", "turns:b");
    assert_value(s, "out", "out");
    assert_value(s, "record-sent", "true");
    assert_value(s, "seed", "7");
    const struct sq_scenario_setting *peers = setting(s, "peers");
    assert_int_equal(peers->at.line, 3);
    assert_int_equal(peers->at.column, 15);
    assert_ptr_equal(sq_scenario_setting_of(s, peers->value), peers);
    assert_null(sq_scenario_setting_of(s, "20")); /* another text */
    sq_scenario_free(s);
}

static void networks_are_put_together(void **state)
{
    (void)state;
    struct sq_scenario *s = parsed("network: {rate: 1M, up: {delay: 80ms, reorder: true}, "
                                   "profile: Poor 4G}\n");
    assert_value(s, "network", "Poor 4G,rate=1M,up.delay=80ms,up.reorder");
    sq_scenario_free(s);
    s = parsed("network:\n  - wifi@20%\n  - {profile: 3g, share: 30 %}\n  - {loss: 2%}\n");
    const struct sq_scenario_settings *all = &s->settings;
    const char *values[3];
    size_t n = 0;
    for (size_t i = 0; i < all->n; i++) {
        if (!all->items[i].part) {
            assert_true(n < 3);
            values[n++] = all->items[i].value;
        }
    }
    assert_int_equal(n, 3);
    assert_string_equal(values[0], "wifi@20%");
    assert_string_equal(values[1], "3g@30%");
    assert_string_equal(values[2], "loss=2%");
    sq_scenario_free(s);
}

static void expectations_and_levels(void **state)
{
    (void)state;
    struct sq_scenario *s =
        parsed("expect:\n  - peers.ok == 100%\n  - {expr: video.in.loss < 1%, level: warn}\n"
               "  - {level: error, expr: \"score > 8\"}\n");
    assert_int_equal(s->settings.n, 3);
    assert_string_equal(s->settings.items[0].value, "peers.ok == 100%");
    assert_string_equal(s->settings.items[1].value, "video.in.loss < 1% else warn");
    assert_int_equal(s->settings.items[1].text_column, 12); /* of the expression, in the file */
    assert_string_equal(s->settings.items[2].value, "score > 8");
    assert_int_equal(s->settings.items[2].text_column, 27);
    sq_scenario_free(s);
}

static void groups_and_shares(void **state)
{
    (void)state;
    struct sq_scenario *s = parsed("groups:\n"
                                   "  host: {per_room: 1, bwe: 'off'}\n"
                                   "  quarter: {share: 25%, role: publish}\n"
                                   "  others:\n"
                                   "    role: watch\n"
                                   "  rest:\n");
    assert_int_equal(s->groups_len, 4);
    assert_string_equal(s->groups[0].name, "host");
    assert_int_equal(s->groups[0].per_room, 1);
    assert_int_equal(s->groups[0].role, SQ_SCENARIO_ROLE_BOTH);
    assert_true(fabs(s->groups[1].share - 0.25) < 1e-12);
    assert_int_equal(s->groups[2].role, SQ_SCENARIO_ROLE_WATCH);
    assert_true(fabs(s->groups[2].share - 0.375) < 1e-12);
    assert_true(fabs(s->groups[3].share - 0.375) < 1e-12);
    assert_string_equal(sq_scenario_setting_for(s, &s->groups[0], "bwe")->value, "off");
    assert_null(sq_scenario_setting_for(s, &s->groups[1], "bwe"));
    sq_scenario_free(s);
    s = parsed("groups:\n  - name: a\n    role: publish\n  - {role: watch, name: b}\n");
    assert_int_equal(s->groups_len, 2);
    assert_string_equal(s->groups[1].name, "b");
    assert_int_equal(s->groups[1].at.line, 4);
    assert_int_equal(s->groups[1].at.column, 25);
    sq_scenario_free(s);
}

static void variables_stay_secret(void **state)
{
    (void)state;
    struct sq_scenario *s = parsed("target: whip+https://${HOST}/x${EMPTY}\n"
                                   "token: ${TOKEN}\n"
                                   "turn: {url: 'turn:${HOST}', password: \"a$${TOKEN}b\"}\n");
    assert_value(s, "target", "whip+https://example.org/x");
    assert_value(s, "token", "s3cret");
    assert_value(s, "turn", "turn:example.org");
    assert_value(s, "turn-password", "a${TOKEN}b"); /* no variable: $$ */
    assert_string_equal(sq_scenario_shown(s, setting(s, "token")->value), "${TOKEN}");
    assert_string_equal(sq_scenario_shown(s, setting(s, "target")->value),
                        "whip+https://${HOST}/x${EMPTY}");
    assert_string_equal(sq_scenario_shown(s, "s3cret"), "s3cret"); /* not the file's */
    assert_string_equal(sq_scenario_shown(NULL, "x"), "x");
    sq_scenario_free(s);
}

/* Each field wrong in turn, as far as the file alone tells. */
static void what_is_wrong_is_told_with_its_place(void **state)
{
    (void)state;
    static const struct wrong cases[] = {
        {"", 1, 1, "an empty file; expected keys"},
        {"- a\n", 1, 1, "a list; expected keys"},
        {"lab\n", 1, 1, "a text; expected keys"},
        {"laod: {}\n", 1, 1, "unknown key 'laod' in a scenario; did you mean load?"},
        {"load: {peer: 1}\n", 1, 8, "unknown key 'peer' in load; did you mean peers?"},
        {"room-size: 3\n", 1, 1, "rooms.size is a key of the whole file"},
        {"peers: 3\n", 1, 1, "load.peers is a key of the whole file"},
        {"per_room: 3\n", 1, 1, "per_room is a key of a group"},
        {"groups: {a: {stun: x}}\n", 1, 14, "stun is a key of the whole file"},
        {"load: 3\n", 1, 7, "load: '3'; expected a map of keys"},
        {"load:\n", 1, 6, "load: nothing; expected a map of keys"},
        {"load: {peers: []}\n", 1, 15, "peers: a list; expected a whole number"},
        {"load: {peers: }\n", 1, 15, "peers: nothing; expected a whole number"},
        {"load: {rate: {}}\n", 1, 14, "a rate with its unit"},
        {"load: {duration: {}}\n", 1, 18, "a duration with its unit"},
        {"lateness_max: []\n", 1, 15, "a number"},
        {"name: {}\n", 1, 7, "a name of 1 to 80 letters"},
        {"name: a/b\n", 1, 7, "'a/b'; expected a name"},
        {"target: {}\n", 1, 9, "target: a map; expected a text"},
        {"audio: yes\n", 1, 8, "audio: 'yes'; expected true or false"},
        {"audio: 'true'\n", 1, 8, "expected true or false"},
        {"stun: {}\n", 1, 7, "a text, or a list of texts"},
        {"stun: []\n", 1, 7, "a text, or a list of texts"},
        {"stun: [a, {}]\n", 1, 11, "a map; expected a text"},
        {"codec: {vidio: h264}\n", 1, 9, "expected video or audio; did you mean video?"},
        {"codec: {video: [h264, []]}\n", 1, 23, "expected a codec"},
        {"codec: {}\n", 1, 8, "expected video: or audio:"},
        {"data: {rate: 10/s}\n", 1, 7, "data without 'size'"},
        {"data: {size: 10, sze: 1}\n", 1, 18, "did you mean size?"},
        {"data: []\n", 1, 7, "RATE:SIZE, or a map"},
        {"network: []\n", 1, 10, "a network's name, its settings, or a list"},
        {"network: {lose: 3%}\n", 1, 11, "did you mean loss?"},
        {"network: {up: {firewall: none}}\n", 1, 16, "of both ways"},
        {"network: {up: 3}\n", 1, 15, "a map of settings"},
        {"network: {reorder: maybe}\n", 1, 20, "expected true"},
        {"network: {rate: '1M,2M'}\n", 1, 17, "no ','"},
        {"network: {share: 30%}\n", 1, 10, "a share of no network"},
        {"network: [{profile: 3g, share: 130%}]\n", 1, 32, "up to 100 %"},
        {"network: [{profile: 3g, share: 30}]\n", 1, 32, "such as 30%"},
        {"network: [[]]\n", 1, 11, "expected a network"},
        {"expect: {}\n", 1, 9, "an expectation without 'expr'"},
        {"expect: []\n", 1, 9, "expected expectations"},
        {"expect:\n  - {expr: a, level: info}\n", 2, 22, "expected error or warn"},
        {"expect:\n  - {exp: a}\n", 2, 6, "did you mean expr?"},
        {"expect:\n  - []\n", 2, 5, "an expectation, such as"},
        {"rooms: {count: 0}\n", 1, 16, "count: '0'; expected a whole number from 1 to 1000000"},
        {"rooms: {count: many}\n", 1, 16, "'many'"},
        {"rooms: {sizes: 3}\n", 1, 16, "sizes and their shares"},
        {"rooms: {sizes: {}}\n", 1, 16, "sizes and their shares"},
        {"rooms: {sizes: {two: 100%}}\n", 1, 17, "'two'; expected a whole number"},
        {"rooms: {sizes: {2: 70%, 3: 20%}}\n", 1, 16, "the shares make 90 %"},
        {"rooms: {sizes: {2: 70%, 02: 30%}}\n", 1, 25, "rooms of 2 stand here twice"},
        {"rooms: {sizes: {2: 0%}}\n", 1, 20, "above 0"},
        {"rooms:\n  size: 3\n  sizes: {2: 100%}\n", 3, 10, "say the same in two ways"},
        {"groups: {}\n", 1, 9, "groups: there is nothing in it; expected a group at least"},
        {"groups: a\n", 1, 9, "a map by name, or a list"},
        {"groups: {a: 3}\n", 1, 13, "expected a group"},
        {"groups: {a/b: {}}\n", 1, 10, "a name of 1 to 23"},
        {"groups: [{role: both}]\n", 1, 10, "a group without a name"},
        {"groups: [{name: a}, {name: a}]\n", 1, 28, "two groups are called 'a'"},
        {"groups: {a: {role: wach}}\n", 1, 20, "did you mean watch?"},
        {"groups: {a: {rol: watch}}\n", 1, 14, "unknown key 'rol' in a group; did you mean role?"},
        {"groups: {a: {per_room: -1}}\n", 1, 24, "from 1 to 1000000"},
        {"groups: {a: {per_room: 1, share: 5%}}\n", 1, 24, "per_room and share"},
        {"groups: {a: {share: 60%}, b: {share: 60%}}\n", 1, 1, "make 120 %"},
        {"groups: {a: {share: 60%}, b: {share: 30%}}\n", 1, 1, "make 90 %; expected 100 %"},
        {"groups: {a: {share: 100%}, b: {}}\n", 1, 1, "something left for those without one"},
        {"publishers: 2\ngroups: {a: {}}\n", 2, 1, "say the same in two ways"},
        {"listen: false\ngroups: {a: {}}\n", 2, 1, "say the same in two ways"},
        {"token: \"${NOPE}\"\n", 1, 9, "the variable NOPE is not set"},
        {"token: ab${NOPE}\n", 1, 10, "the variable NOPE is not set"},
        {"token: ${}\n", 1, 8, "'${' without a name"},
        {"token: ${TOKEN\n", 1, 8, "'${' without a name"},
        {"expect: [\"peers.ok == ${TOKEN}\"]\n", 1, 23, "takes no variable"},
        {"seed: ${TOKEN}\n", 1, 7, "seed takes no variable"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct sq_scenario *s = NULL;
        struct sq_yaml_error error = {.message = ""};
        const char *text = cases[i].text;
        int err = sq_scenario_parse("t.yaml", text, strlen(text), env, NULL, &s, &error);
        check_wrong(&cases[i], err, &error);
        assert_null(s);
    }
}

static void too_many_groups(void **state)
{
    (void)state;
    char text[1024] = "groups:\n";
    for (int i = 0; i <= SQ_SCENARIO_GROUPS_MAX; i++) {
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "  g%d:\n", i);
    }
    struct sq_scenario *s = NULL;
    struct sq_yaml_error error = {.message = ""};
    assert_int_equal(sq_scenario_parse("t", text, strlen(text), env, NULL, &s, &error),
                     SQ_ERR_UNSUPPORTED);
    assert_non_null(strstr(error.message, "more than 16 groups"));
    assert_int_equal(error.at.line, 18);
}

/* Each allocation of ours fails in turn. */
static void memory_may_fail(void **state)
{
    (void)state;
    static const char text[] = "name: x\ntarget: ${HOST}\nnetwork: {up: {rate: 1M}, share: 5%}\n"
                               "codec: {video: [vp8]}\ndata: {rate: 1/s, size: 99}\n"
                               "groups: {a: {role: watch, per_room: 1}, b: {media: hd}}\n"
                               "expect: [{expr: x, level: warn}]\nrooms: {sizes: {2: 100%}}\n";
    size_t failures = 0;
    for (size_t nth = 1;; nth++) {
        struct sq_scenario *s = NULL;
        struct sq_yaml_error error;
        sq_mem_fail_at(nth);
        int err = sq_scenario_parse("t", text, sizeof(text) - 1, env, NULL, &s, &error);
        sq_mem_fail_at(0);
        sq_scenario_free(s);
        if (!err) {
            break;
        }
        assert_int_equal(err, SQ_ERR_NOMEM);
        failures++;
    }
    assert_true(failures > 50);
}

static void a_file_that_is_not_there(void **state)
{
    (void)state;
    struct sq_scenario *s = NULL;
    struct sq_yaml_error error = {.message = ""};
    assert_int_equal(sq_scenario_load("/nowhere/at/all.yaml", &s, &error), SQ_ERR_IO);
    assert_string_equal(error.message, "No such file or directory");
    assert_int_equal(error.at.line, 0);
    assert_int_equal(sq_scenario_load("/", &s, &error), SQ_ERR_IO);
    assert_null(s);
}

/* docs/scenarios.md has a row for each key, with the table's own words. */
static void every_key_is_told(void **state)
{
    (void)state;
    enum { PAGE_MAX = 100000 };
    size_t n;
    const struct sq_scenario_key *keys = sq_scenario_keys(&n);
    FILE *f = fopen(SQ_SOURCE_DIR "/docs/scenarios.md", "r");
    char *page = calloc(1, PAGE_MAX);
    assert_non_null(f);
    assert_non_null(page);
    assert_in_range(fread(page, 1, PAGE_MAX - 1, f), 1, PAGE_MAX - 2);
    fclose(f);
    for (size_t i = 0; i < n; i++) {
        char path[48], row[256];
        sq_scenario_key_path(&keys[i], path);
        if (keys[i].where & SQ_SCENARIO_TOP) {
            snprintf(row, sizeof(row), "\n| `%s` | %s | %s |\n", path,
                     (keys[i].where & SQ_SCENARIO_GROUP) ? "✓" : "", keys[i].help);
        } else {
            snprintf(row, sizeof(row), "\n| `%s` |", path);
        }
        if (!strstr(page, row)) {
            fail_msg("docs/scenarios.md lacks this row:%s", row);
        }
    }
    for (size_t i = 0; sq_scenario_roles[i]; i++) {
        char word[32];
        snprintf(word, sizeof(word), "`%s`", sq_scenario_roles[i]);
        assert_non_null(strstr(page, word));
    }
    free(page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_those_of_the_command_line),
        cmocka_unit_test(networks_are_put_together),
        cmocka_unit_test(expectations_and_levels),
        cmocka_unit_test(groups_and_shares),
        cmocka_unit_test(variables_stay_secret),
        cmocka_unit_test(what_is_wrong_is_told_with_its_place),
        cmocka_unit_test(too_many_groups),
        cmocka_unit_test(memory_may_fail),
        cmocka_unit_test(a_file_that_is_not_there),
        cmocka_unit_test(every_key_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
