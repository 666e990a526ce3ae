/* What moves and what stands still, at any frame rate. */
#include "base/mem.h"
#include "prepare/moves.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define WIDTH  160
#define HEIGHT 20
#define STRIDE 192

static const unsigned rates[] = {5, 10, 12, 15, 24, 25, 30, 48, 50, 60};
#define RATES (sizeof(rates) / sizeof(*rates))

/* A column of ten pixels that stands at `at` pixels from the left, in front of grey. */
static void draw(uint8_t *luma, unsigned at)
{
    memset(luma, 90, (size_t)STRIDE * HEIGHT);
    for (unsigned y = 0; y < HEIGHT; y++) {
        for (unsigned x = 0; x < 10; x++) {
            luma[y * STRIDE + (at + x) % WIDTH] = 110;
        }
    }
}

/* `seconds` of a film whose column stands at place(ms). */
static struct sq_moves_seen film(unsigned fps, unsigned seconds, unsigned (*place)(unsigned ms))
{
    struct sq_moves *m = NULL;
    uint8_t luma[STRIDE * HEIGHT];
    assert_int_equal(sq_moves_new(WIDTH, HEIGHT, fps, &m), 0);
    for (unsigned i = 0; i < seconds * fps; i++) {
        draw(luma, place(i * 1000 / fps));
        sq_moves_look(m, luma, STRIDE);
    }
    struct sq_moves_seen seen = sq_moves_seen(m);
    assert_int_equal(seen.frames, seconds * fps);
    sq_moves_free(m);
    return seen;
}

/* 24 pixels a second: from one frame to the next at 25 frames/s and more it is one pixel at most,
 * which is a mean of 2 * 20 / 160 = 0.25; 160 ms are three pixels at least. */
static unsigned slowly(unsigned ms)
{
    return ms * 24 / 1000;
}

static unsigned never(unsigned ms)
{
    (void)ms;
    return 0;
}

/* There and back 6.25 times a second: 160 ms before, it was the same. */
static unsigned to_and_fro(unsigned ms)
{
    return ms % 160 < 80 ? 0 : 40;
}

/* Moves for 1 s, then stands for 4 s. */
static unsigned a_fifth(unsigned ms)
{
    return ms < 1000 ? ms / 20 : 50;
}

static unsigned each_900_ms(unsigned ms)
{
    return ms / 900 * 20;
}

static unsigned each_1500_ms(unsigned ms)
{
    return ms / 1500 * 20;
}

static void what_moves_does_at_any_rate(void **state)
{
    (void)state;
    for (size_t i = 0; i < RATES; i++) {
        struct sq_moves_seen seen = film(rates[i], 5, slowly);
        assert_true(seen.differ * 10 >= seen.frames * 8);
        assert_int_equal(seen.standing, 0);
        if (rates[i] >= 24) {
            seen = film(rates[i], 5, to_and_fro);
            assert_true(seen.differ * 10 >= seen.frames * 9);
        }
    }
}

static void what_stands_does_at_any_rate(void **state)
{
    (void)state;
    for (size_t i = 0; i < RATES; i++) {
        struct sq_moves_seen seen = film(rates[i], 5, never);
        assert_int_equal(seen.differ, 0);
        assert_int_equal(seen.standing, seen.frames);
        assert_int_equal(seen.brightest, 110);
        seen = film(rates[i], 5, a_fifth);
        assert_in_range(seen.standing * 100 / seen.frames, 76, 81);
        if (rates[i] >= 10) { /* below a second, where a rate can tell: how a film goes */
            assert_int_equal(film(rates[i], 9, each_900_ms).standing, 0);
        }
        seen = film(rates[i], 9, each_1500_ms);
        assert_true(seen.standing * 100 >= seen.frames * 85);
    }
}

/* Noise of a codec is of single pixels, by one step. */
static void noise_is_no_motion(void **state)
{
    (void)state;
    for (size_t k = 0; k < RATES; k++) {
        struct sq_moves *m = NULL;
        uint8_t luma[STRIDE * HEIGHT];
        uint32_t x = 1;
        assert_int_equal(sq_moves_new(WIDTH, HEIGHT, rates[k], &m), 0);
        for (unsigned i = 0; i < 5 * rates[k]; i++) {
            draw(luma, 0);
            for (size_t at = 0; at < sizeof(luma); at++) {
                x = x * 1664525U + 1013904223U;
                luma[at] = (uint8_t)(luma[at] + ((x >> 24) % 10 == 0));
            }
            sq_moves_look(m, luma, STRIDE);
        }
        assert_int_equal(sq_moves_seen(m).differ, 0);
        assert_int_equal(sq_moves_seen(m).standing, 5 * rates[k]);
        sq_moves_free(m);
    }
}

static void allocations_may_fail(void **state)
{
    (void)state;
    for (size_t nth = 1; nth <= 2; nth++) {
        struct sq_moves *m = NULL;
        sq_mem_fail_at(nth);
        assert_int_equal(sq_moves_new(WIDTH, HEIGHT, 25, &m), SQ_ERR_NOMEM);
        sq_mem_fail_at(0);
        assert_null(m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_moves_does_at_any_rate),
        cmocka_unit_test(what_stands_does_at_any_rate),
        cmocka_unit_test(noise_is_no_motion),
        cmocka_unit_test(allocations_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
