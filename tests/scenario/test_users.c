/* Rows of users: what a CSV may look like, which row is whose, and what is wrong with one. */
#include "base/mem.h"
#include "scenario/users.h"
#include "scenario/wrong.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct sq_users *parsed(const char *text)
{
    struct sq_users *users = NULL;
    struct sq_yaml_error error = {.message = ""};
    if (sq_users_parse(text, strlen(text), &users, &error) != 0) {
        fail_msg("%s\n%u:%u: %s", text, error.at.line, error.at.column, error.message);
    }
    return users;
}

static void assert_put(const struct sq_users *users, uint64_t row, const char *text,
                       const char *wanted)
{
    struct sq_buf b = {0};
    char column[64];
    assert_int_equal(sq_users_put(users, row, text, &b, column), 0);
    assert_string_equal(b.text, wanted);
    sq_buf_free(&b);
}

static void values_are_put_in(void **state)
{
    (void)state;
    struct sq_users *users = parsed("\xef\xbb\xbfname,token,\"a \"\"b\"\"\"\r\n"
                                    "ann,t1,\r\n"
                                    "\n"
                                    "\"bob, the \"\"2nd\"\"\",\"\",x y\n"
                                    "cy,t3,${user.name}");
    assert_int_equal(sq_users_rows(users), 3);
    assert_int_equal(sq_users_line(users, 0), 2);
    assert_int_equal(sq_users_line(users, 1), 4); /* behind an empty one */
    assert_int_equal(sq_users_line(users, 2), 5);
    assert_put(users, 0, "x-${user.name}-${user.token}", "x-ann-t1");
    assert_put(users, 0, "${user.a \"b\"}", "");
    assert_put(users, 1, "${user.name}/${user.token}/${user.a \"b\"}", "bob, the \"2nd\"//x y");
    assert_put(users, 2, "${user.a \"b\"}", "${user.name}"); /* a value is no text to put in to */
    assert_put(users, 2, "no column", "no column");
    struct sq_buf b = {0};
    char column[64];
    assert_int_equal(sq_users_put(users, 0, "${user.nam}", &b, column), SQ_ERR_NOTFOUND);
    assert_string_equal(column, "nam");
    assert_int_equal(sq_users_put(users, 0, "${user.name", &b, column), SQ_ERR_NOTFOUND);
    sq_buf_free(&b);
    assert_true(sq_users_asked("a${user.x}"));
    assert_false(sq_users_asked("a${USER}") || sq_users_asked(NULL));
    sq_users_free(users);
}

static void rows_in_their_order(void **state)
{
    (void)state;
    struct sq_users *users = parsed("n\n0\n1\n2\n3\n4\n");
    unsigned seen[5] = {0};
    bool differs = false;
    for (uint64_t i = 0; i < 5000; i++) {
        assert_int_equal(sq_users_row(users, SQ_USERS_SEQUENTIAL, 1, i), i % 5);
        uint64_t row = sq_users_row(users, SQ_USERS_RANDOM, 7, i);
        assert_true(row < 5);
        assert_int_equal(row, sq_users_row(users, SQ_USERS_RANDOM, 7, i)); /* of the seed alone */
        differs |= row != sq_users_row(users, SQ_USERS_RANDOM, 8, i);
        seen[row]++;
    }
    assert_true(differs);
    for (int i = 0; i < 5; i++) {
        assert_in_range(seen[i], 1000 - 5 * 29, 1000 + 5 * 29); /* five standard deviations */
    }
    assert_int_equal(sq_users_row(users, SQ_USERS_UNIQUE, 1, 4), 4);
    enum sq_users_order order;
    assert_int_equal(sq_users_order_parse("unique", &order), 0);
    assert_int_equal(order, SQ_USERS_UNIQUE);
    assert_int_equal(sq_users_order_parse("any", &order), SQ_ERR_FORMAT);
    sq_users_free(users);
}

static void what_is_wrong_is_told_with_its_place(void **state)
{
    (void)state;
    static const struct wrong cases[] = {
        {"", 1, 1, "no row"},
        {"\n\n", 1, 1, "no row"},
        {"a,b\n", 1, 1, "no row"},
        {"a,b\n1,2\n1\n", 3, 1, "1 value; expected 2"},
        {"a,b\n1,2\n\n1,2,3\n", 4, 1, "3 values; expected 2"},
        {"a,a\n1,2\n", 1, 1, "two columns are called 'a'"},
        {"a,\n1,2\n", 1, 1, "column 2: expected a name"},
        {"a,${b}\n1,2\n", 1, 1, "column 2: expected a name"},
        {"a,b\nü,\"x\n", 2, 3, "does not end in its line"},
        {"a,b\n1,\"x", 2, 3, "does not end"},
        {"a,b\n1,\"x\"y\n", 2, 6, "expected a comma"},
        {"a,b\n1,x\ry\n", 2, 4, "expected a comma"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct sq_users *users = NULL;
        struct sq_yaml_error error = {.message = ""};
        int err = sq_users_parse(cases[i].text, strlen(cases[i].text), &users, &error);
        assert_int_equal(err, SQ_ERR_FORMAT);
        check_wrong(&cases[i], err, &error);
        assert_null(users);
    }
    struct sq_users *users = NULL;
    struct sq_yaml_error error = {.message = ""};
    assert_int_equal(sq_users_parse("a\nb\0\n", 5, &users, &error), SQ_ERR_FORMAT);
    assert_int_equal(error.at.line, 2);
    assert_int_equal(error.at.column, 2);
    assert_int_equal(sq_users_load("/nowhere.csv", &users, &error), SQ_ERR_IO);
    assert_string_equal(error.message, "No such file or directory");
}

static void memory_may_fail(void **state)
{
    (void)state;
    for (size_t nth = 1;; nth++) {
        struct sq_users *users = NULL;
        struct sq_yaml_error error;
        sq_mem_fail_at(nth);
        int err = sq_users_parse("a,b\n1,2\n", 8, &users, &error);
        sq_mem_fail_at(0);
        sq_users_free(users);
        if (!err) {
            assert_true(nth > 3);
            break;
        }
        assert_int_equal(err, SQ_ERR_NOMEM);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_put_in),
        cmocka_unit_test(rows_in_their_order),
        cmocka_unit_test(what_is_wrong_is_told_with_its_place),
        cmocka_unit_test(memory_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
