/* Pictures that lie on their side are put upright. */
#include "prepare/turn.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define ONE 65536

static void how_far_a_file_says(void **state)
{
    (void)state;
    static const struct {
        int32_t matrix[9];
        unsigned turns;
    } all[] = {
        {{ONE, 0, 0, 0, ONE, 0, 0, 0, 1 << 30}, 0},
        {{0, ONE, 0, -ONE, 0, 0, 0, 0, 1 << 30}, 1}, /* a phone held upright */
        {{-ONE, 0, 0, 0, -ONE, 0, 0, 0, 1 << 30}, 2},
        {{0, -ONE, 0, ONE, 0, 0, 0, 0, 1 << 30}, 3},
        {{ONE, 3000, 0, -3000, ONE, 0, 0, 0, 1 << 30}, 0}, /* a little askew */
        {{0}, 0},
    };
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
        assert_int_equal(sq_turns_of(all[i].matrix), all[i].turns);
    }
}

/* abc      da      fed      cf
 * def  ->  eb  ->  cba  ->  be
 *          fc               ad  */
static void a_plane_is_turned(void **state)
{
    (void)state;
    static const char from[] = "abc.def."; /* a stride of 4 */
    static const struct {
        unsigned turns, width, height;
        const char *to;
    } all[] = {{0, 3, 2, "abcdef"}, {1, 2, 3, "daebfc"}, {2, 3, 2, "fedcba"}, {3, 2, 3, "cfbead"}};
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
        uint8_t to[7] = {0};
        sq_turn_plane((const uint8_t *)from, 4, all[i].turns, all[i].width, all[i].height, to,
                      all[i].width);
        assert_string_equal((const char *)to, all[i].to);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(how_far_a_file_says),
        cmocka_unit_test(a_plane_is_turned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
