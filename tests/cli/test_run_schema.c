/* The schema in share/ is what the program prints, of its own tables. */
#include "cli/run_schema.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void schema_is_that_of_the_tables(void **state)
{
    (void)state;
    struct sq_buf schema = {0};
    sq_run_schema(&schema);
    assert_int_equal(schema.err, 0);
    FILE *f = fopen(SQ_SOURCE_DIR "/share/schema/scenario.schema.json", "r");
    assert_non_null(f);
    char *text = calloc(1, schema.len + 2);
    assert_non_null(text);
    size_t n = fread(text, 1, schema.len + 1, f);
    fclose(f);
    if (n != schema.len || memcmp(text, schema.text, n) != 0) {
        fail_msg("share/schema/scenario.schema.json is not what 'squall check --schema' prints");
    }
    free(text);
    sq_buf_free(&schema);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(schema_is_that_of_the_tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
