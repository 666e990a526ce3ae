/* YAML as a tree: kinds and places of values, and what is refused. */
#include "base/mem.h"
#include "scenario/wrong.h"
#include "scenario/yaml.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct sq_yaml parsed(const char *text)
{
    struct sq_yaml yaml = {0};
    struct sq_yaml_error error = {.message = ""};
    if (sq_yaml_parse(text, strlen(text), &yaml, &error) != 0) {
        fail_msg("%s\n%u:%u: %s", text, error.at.line, error.at.column, error.message);
    }
    return yaml;
}

static const struct sq_yaml_node *value_of(const struct sq_yaml_node *map, const char *key)
{
    const struct sq_yaml_node *node = map->first;
    while (node && strcmp(node->key->text, key) != 0) {
        node = node->next;
    }
    assert_non_null(node);
    return node;
}

static void assert_place(const struct sq_yaml_node *node, unsigned line, unsigned column,
                         unsigned text_column)
{
    assert_int_equal(node->at.line, line);
    assert_int_equal(node->at.column, column);
    assert_int_equal(node->text_column, text_column);
}

static void values_know_their_places(void **state)
{
    (void)state;
    struct sq_yaml yaml = parsed("# a comment\n"
                                 "plain: two words\n"
                                 "quoted: \"in quotes\"\n"
                                 "escaped: \"a\\tb\"\n"
                                 "folded: one\n"
                                 "  two\n"
                                 "ünï: ö 'x'\n"
                                 "list:\n"
                                 "  - first\n"
                                 "  - {second: 2nd, third: [x, 'y']}\n"
                                 "empty:\n");
    const struct sq_yaml_node *root = yaml.root;
    assert_int_equal(root->kind, SQ_YAML_MAP);
    assert_place(value_of(root, "plain"), 2, 8, 8);
    assert_place(value_of(root, "plain")->key, 2, 1, 1);
    assert_place(value_of(root, "quoted"), 3, 9, 10);
    assert_true(value_of(root, "quoted")->quoted);
    assert_place(value_of(root, "escaped"), 4, 10, 0); /* not letter by letter */
    assert_string_equal(value_of(root, "escaped")->text, "a\tb");
    assert_place(value_of(root, "folded"), 5, 9, 0);
    assert_string_equal(value_of(root, "folded")->text, "one two");
    assert_place(value_of(root, "ünï"), 7, 6, 6); /* characters, not bytes */
    const struct sq_yaml_node *list = value_of(root, "list");
    assert_int_equal(list->kind, SQ_YAML_LIST);
    assert_place(list->first, 9, 5, 5);
    const struct sq_yaml_node *map = list->first->next;
    assert_int_equal(map->kind, SQ_YAML_MAP);
    assert_place(value_of(map, "second"), 10, 14, 14);
    assert_place(value_of(map, "third")->first->next, 10, 30, 31);
    assert_null(map->next);
    assert_string_equal(value_of(root, "empty")->text, "");
    assert_string_equal(sq_yaml_kind_name(value_of(root, "empty")), "nothing");
    sq_yaml_free(&yaml);
    yaml = parsed("# nothing but a comment\n");
    assert_null(yaml.root);
    sq_yaml_free(&yaml);
}

static void what_is_wrong_is_told_with_its_place(void **state)
{
    (void)state;
    static const struct wrong cases[] = {
        {"a: b:\n", 1, 5, "quotes round a text that ends with a colon"},
        {"a:\n  b: 1\n\tc: 2\n", 3, 1, "a tab: expected blanks"},
        {"a: 1\nb: &x 2\n", 2, 4, "the anchor &x"},
        {"a: &x {}\nb: *x\n", 1, 4, "the anchor &x"},
        {"a: *x\n", 1, 4, "the alias *x"},
        {"a: !!int 1\n", 1, 4, "the tag tag:yaml.org,2002:int"},
        {"a: !own {b: 1}\n", 1, 4, "the tag !own"},
        {"a: 1\nb: 2\na: 3\n", 3, 1, "'a' stands here twice: the first is in line 1"},
        {"a: {b: 1, b: 2}\n", 1, 11, "'b' stands here twice"},
        {"a: 1\n---\nb: 2\n", 2, 1, "a second document"},
        {"[1, 2]: 3\n", 1, 1, "a list as a key"},
        {"a: {b: 1\n", 2, 1, "expected ',' or '}'"},
        {"a: [1, 2\n", 2, 1, "expected ',' or ']'"},
        {"a: \"b\n", 2, 1, "the file ends within a quoted text"},
        {"a: - b\n", 1, 4, "a list that begins within a line"},
        {"a:\n  b: 1\n c: 2\n", 3, 2, "indented as those before it"},
        {"a\nb: 1\n", 2, 2, ""},
        {"a: b\xff\n", 1, 5, "no text in UTF-8"},
        {"a: \"x\\0y\"\n", 1, 4, "NUL"},
        {"a: %b\n", 1, 4, "cannot start any token"},
        {"[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]\n", 1, 17, "more than 16 lists and maps"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct sq_yaml yaml = {0};
        struct sq_yaml_error error = {.message = ""};
        int err = sq_yaml_parse(cases[i].text, strlen(cases[i].text), &yaml, &error);
        check_wrong(&cases[i], err, &error);
        assert_null(yaml.root);
    }
}

static void there_are_bounds(void **state)
{
    (void)state;
    enum { LEN = SQ_YAML_SIZE_MAX + 1 };
    char *text = sq_malloc(LEN);
    struct sq_yaml yaml = {0};
    struct sq_yaml_error error;
    assert_non_null(text);
    memset(text, '#', LEN);
    assert_int_equal(sq_yaml_parse(text, LEN, &yaml, &error), SQ_ERR_UNSUPPORTED);
    for (size_t i = 0; i < LEN; i += 2) {
        memcpy(text + i, "-\n", i + 2 <= LEN ? 2 : 1);
    }
    assert_int_equal(sq_yaml_parse(text, LEN - 1, &yaml, &error), SQ_ERR_UNSUPPORTED);
    assert_non_null(strstr(error.message, "more than 50000 values"));
    sq_free(text);
}

/* Each allocation of ours fails in turn: nothing leaks, nothing is half built. */
static void memory_may_fail(void **state)
{
    (void)state;
    static const char text[] = "a: 1\nb: [x, {y: z}]\n";
    size_t failures = 0;
    for (size_t nth = 1;; nth++) {
        struct sq_yaml yaml = {0};
        struct sq_yaml_error error;
        sq_mem_fail_at(nth);
        int err = sq_yaml_parse(text, sizeof(text) - 1, &yaml, &error);
        sq_mem_fail_at(0);
        sq_yaml_free(&yaml);
        if (!err) {
            break;
        }
        assert_int_equal(err, SQ_ERR_NOMEM);
        failures++;
    }
    assert_true(failures > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_know_their_places),
        cmocka_unit_test(what_is_wrong_is_told_with_its_place),
        cmocka_unit_test(there_are_bounds),
        cmocka_unit_test(memory_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
