/* Files that a scenario names: those beside it, else those of the current directory. */
#include "base/temp_dir.h"
#include "scenario/scenario.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* A key with a file in it, where it stands. */
static void put_key(const struct sq_scenario_key *key, const char *file, struct sq_buf *b)
{
    if (key->section[0]) {
        sq_buf_printf(b, "%s:\n  %s: %s\n", key->section, key->name, file);
    } else {
        sq_buf_printf(b, "%s: %s\n", key->name, file);
    }
}

static void write_file(const char *name, const char *text)
{
    FILE *f = fopen(name, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static struct sq_scenario *loaded(const char *file)
{
    struct sq_scenario *s = NULL;
    struct sq_yaml_error error = {.message = ""};
    if (sq_scenario_load(file, &s, &error) != 0) {
        fail_msg("%s:%u: %s", file, error.at.line, error.message);
    }
    return s;
}

/* With two files there are, one in each place, one in both, and one in none. */
static void begin(void **state)
{
    (void)state;
    assert_int_equal(mkdir(in("deep"), 0700), 0);
    write_file(in("deep/beside.x"), "");
    write_file(in("deep/both.x"), "");
    write_file(in("both.x"), "");
    write_file(in("here.x"), "");
    assert_int_equal(chdir(dir), 0);
}

/* Which keys those are is seen here: another one that reads a file wants a line, too. */
static void each_key_that_is_a_file(void **state)
{
    static const char *const known[] = {"arrivals", "baseline", "ca",    "file",
                                        "media",    "replay",   "script"};
    static const char *const found[][2] = {
        {"beside.x", "deep/beside.x"}, {"both.x", "deep/both.x"}, {"here.x", "here.x"},
        {"none.x", "none.x"},          {"/both.x", "/both.x"},    {"./both.x", "deep/./both.x"}};
    size_t n, files = 0;
    const struct sq_scenario_key *keys = sq_scenario_keys(&n);
    begin(state);
    for (size_t i = 0; i < n; i++) {
        if (!(keys[i].where & SQ_SCENARIO_FILE)) {
            continue;
        }
        bool is_known = false;
        for (size_t k = 0; k < sizeof(known) / sizeof(*known); k++) {
            is_known = is_known || strcmp(known[k], keys[i].name) == 0;
        }
        assert_true(is_known);
        files++;
        for (size_t k = 0; k < sizeof(found) / sizeof(*found); k++) {
            struct sq_buf b = {0};
            put_key(&keys[i], found[k][0], &b);
            if (keys[i].where & SQ_SCENARIO_GROUP) {
                sq_buf_printf(&b, "groups: {a: {%s: %s}}\n", keys[i].name, found[k][0]);
            }
            write_file("deep/t.yaml", b.text);
            sq_buf_free(&b);
            struct sq_scenario *s = loaded("deep/t.yaml");
            assert_string_equal(s->settings.items[0].value, found[k][1]);
            assert_string_equal(s->settings.items[0].shown, found[k][1]);
            if (s->groups_len > 0) {
                assert_string_equal(s->groups[0].settings.items[0].value, found[k][1]);
            }
            sq_scenario_put_looked(s, &s->settings.items[0], &b);
            assert_true((b.len > 0) == (strcmp(found[k][0], "none.x") == 0));
            sq_buf_free(&b);
            sq_scenario_free(s);
        }
    }
    assert_int_equal(files, sizeof(known) / sizeof(*known));
}

/* A clip's name is none of a file, outputs are of the current directory, and what a variable gives
 * is looked for as well, and not told. */
static void names_and_results_stay(void **state)
{
    (void)state;
    write_file("deep/default", "");
    write_file("deep/out.json", "");
    setenv("SQUALL_TEST_FILE", "beside.x", 1);
    write_file("deep/t.yaml", "media: default\noutput: {json: out.json}\nca: ${SQUALL_TEST_FILE}\n"
                              "steps: [share: default, share: beside.x]\n");
    struct sq_scenario *s = loaded("deep/t.yaml");
    assert_string_equal(s->settings.items[0].value, "default");
    assert_string_equal(s->settings.items[1].value, "out.json");
    assert_string_equal(s->settings.items[2].value, "deep/beside.x");
    assert_string_equal(s->settings.items[2].shown, "${SQUALL_TEST_FILE}");
    assert_string_equal(s->steps.items[0].name, "default");
    assert_string_equal(s->steps.items[1].name, "deep/beside.x");
    sq_scenario_free(s);
    setenv("SQUALL_TEST_FILE", "none.x", 1);
    s = loaded("deep/t.yaml");
    struct sq_buf b = {0};
    sq_scenario_put_looked(s, &s->settings.items[2], &b);
    assert_string_equal(b.text, " (looked for deep/${SQUALL_TEST_FILE}, and for "
                                "${SQUALL_TEST_FILE} in the current directory)");
    sq_buf_free(&b);
    sq_scenario_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_key_that_is_a_file),
        cmocka_unit_test(names_and_results_stay),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
