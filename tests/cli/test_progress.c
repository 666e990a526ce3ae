/* What the live view and the closing lines do with words that a server chose. */
#include "cli/pair_call.h"
#include "cli/progress.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HOSTILE "\033[2J\033]0;owned\a\b\x7f\xc2\x9b\nx"

/* No control characters but line ends and the colours that Squall uses itself. */
static void assert_harmless(const char *text)
{
    for (const char *c = text; *c; c++) {
        unsigned char byte = (unsigned char)*c;
        if (byte == '\033') {
            size_t n = strspn(c + 1, "[0123456789;");
            assert_true(n >= 1 && c[1 + n] == 'm');
        } else if (byte != '\n') {
            assert_true(byte >= ' ' && byte != 0x7f);
        }
        assert_false(byte == 0xc2 && (unsigned char)c[1] >= 0x80 && (unsigned char)c[1] < 0xa0);
    }
}

static void the_latest_failure_is_only_words(void **state)
{
    (void)state;
    const struct sq_plan plan = {.duration_ns = SQ_NS_PER_SEC};
    const struct sq_timeline_row row = {.t_s = 1};
    const struct sq_run_live live = {.plan = &plan, .row = &row, .example = HOSTILE};
    struct sq_progress p;
    struct sq_buf calm = {0};
    struct sq_buf shown = {0};
    sq_progress_init(&p, "janus+ws://h/", true, false);
    sq_progress_render(&p, &(struct sq_run_live){.plan = &plan, .row = &row, .example = "-"},
                       &calm);
    sq_progress_render(&p, &live, &shown);
    assert_int_equal(shown.err, 0);
    assert_non_null(strstr(shown.text, "latest failure: "));
    assert_harmless(shown.text);
    size_t lines[2] = {0};
    for (const char *c = calm.text; *c; c++) {
        lines[0] += *c == '\n';
    }
    for (const char *c = shown.text; *c; c++) {
        lines[1] += *c == '\n';
    }
    assert_int_equal(lines[0], lines[1]); /* the place to redraw stays known */
    sq_buf_free(&calm);
    sq_buf_free(&shown);
}

static void the_last_words_of_a_pair_are_only_words(void **state)
{
    (void)state;
    char *text = NULL;
    size_t len = 0;
    struct sq_result *r;
    struct sq_peer_row row = {0};
    assert_int_equal(sq_result_create(&r), 0);
    r->peers = &row;
    r->peer_count = 1;
    SQ_RESULT_SET(r->verdict_reason, "reason " HOSTILE);
    const struct sq_pair_call call = {.result = r};
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    sq_pair_call_print(&call, out);
    assert_int_equal(fclose(out), 0);
    assert_non_null(strstr(text, "reason "));
    assert_harmless(text);
    free(text);
    r->peers = NULL;
    r->peer_count = 0;
    sq_result_destroy(r);
}

/* What is wanted, and the keys that mean something, by the load's model. */
static void the_load_is_told(void **state)
{
    (void)state;
    static const struct {
        enum sq_shape_kind kind;
        double wanted, rate_per_s;
        const char *says[3], *never;
    } cases[] = {
        {SQ_SHAPE_NONE,
         NAN,
         12,
         {"7 connected", "at 12/s", "+ - * / rate   p pause   q end"},
         "wanted"},
        {SQ_SHAPE_RATE,
         NAN,
         3.5,
         {"7 connected", "at 3.5/s", "+ - * / rate   p pause   q end"},
         "wanted"},
        {SQ_SHAPE_PEERS,
         9.2,
         NAN,
         {"7 connected of 10 wanted", "8 begun of 11 due", "+ - * / peers   q end"},
         "pause"},
        {SQ_SHAPE_TIMES, NAN, NAN, {"7 connected", "8 begun of 11 due", "q end"}, "+ -"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const struct sq_shape shape = {.kind = cases[i].kind};
        const struct sq_plan plan = {.duration_ns = SQ_NS_PER_SEC,
                                     .shape = cases[i].kind == SQ_SHAPE_NONE ? NULL : &shape};
        const struct sq_timeline_row row = {.t_s = 1,
                                            .connected = 7,
                                            .started = 8,
                                            .planned = 11,
                                            .wanted = cases[i].wanted,
                                            .rate_per_s = cases[i].rate_per_s};
        struct sq_progress p;
        struct sq_buf shown = {0};
        sq_progress_init(&p, "lab:", true, false);
        sq_progress_render(&p, &(struct sq_run_live){.plan = &plan, .row = &row, .example = ""},
                           &shown);
        assert_int_equal(shown.err, 0);
        for (size_t k = 0; k < 3; k++) {
            if (!strstr(shown.text, cases[i].says[k])) {
                fail_msg("case %zu does not say '%s': %s", i, cases[i].says[k], shown.text);
            }
        }
        assert_null(strstr(shown.text, cases[i].never));
        sq_buf_free(&shown);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_load_is_told),
        cmocka_unit_test(the_latest_failure_is_only_words),
        cmocka_unit_test(the_last_words_of_a_pair_are_only_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
