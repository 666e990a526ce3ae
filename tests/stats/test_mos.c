/* MOS against the E-model's own figures, and its direction in every input. */
#include "stats/mos.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static double at(double delay_ms, double loss_percent, double burst, const char *codec)
{
    const struct sq_mos_input in = {.delay_ms = delay_ms,
                                    .loss_percent = loss_percent,
                                    .burst_ratio = burst,
                                    .codec = sq_mos_codec(codec)};
    return sq_mos(&in);
}

/* Power sum of noises in dBm0p. */
static double noise(double a, double b, double c, double d)
{
    return 10 * log10(pow(10, a / 10) + pow(10, b / 10) + pow(10, c / 10) + pow(10, d / 10));
}

/* Ro and Is of G.107 out of the defaults of its table 2, sections 7.2 and 7.3: what the code has as
 * constants. With listener echo at no delay that is the standard's R = 93.2. */
static double default_rating(void)
{
    const double slr = 8, rlr = 2, stmr = 15, ds = 3, dr = 3, ps = 35, pr = 35, nc = -70,
                 nfor = -64;
    double olr = slr + rlr;
    double lstr = stmr + dr;
    double nos = ps - slr - ds - 100 + 0.004 * pow(ps - olr - ds - 14, 2);
    double pre = pr + 10 * log10(1 + pow(10, (10 - lstr) / 10));
    double nor = rlr - 121 + pre + 0.008 * pow(pre - 35, 2);
    double no = noise(nc, nos, nor, nfor + rlr);
    double ro = 15 - 1.5 * (slr + no);
    double xolr = olr + 0.2 * (64 + no - rlr);
    double iolr = 20 * (pow(1 + pow(xolr / 8, 8), 1.0 / 8) - xolr / 8);
    double stmro = -10 * log10(pow(10, -stmr / 10) + pow(10, -65.0 / 10));
    double ist = 12 * pow(1 + pow((stmro - 13) / 6, 8), 1.0 / 8) -
                 28 * pow(1 + pow((stmro + 1) / 19.4, 35), 1.0 / 35) -
                 13 * pow(1 + pow((stmro - 3) / 33, 13), 1.0 / 13) + 29;
    double q = 37; /* one quantizing distortion unit */
    double g = 1.07 + 0.258 * q + 0.0602 * q * q;
    double y = (ro - 100) / 15 + 46 / 8.4 - g / 9;
    double z = 46.0 / 30 - g / 40;
    double iq = 15 * log10(1 + pow(10, y) + pow(10, z));
    double rle = 10.5 * (110 + 7);
    double idle = (ro - rle) / 2 + sqrt(pow(ro - rle, 2) / 4 + 169);
    return ro - (iolr + ist + iq) - idle;
}

static void defaults_are_the_standards(void **state)
{
    struct sq_mos_input in = {.burst_ratio = 1, .codec = sq_mos_codec("PCMU")};
    assert_float_equal(default_rating(), 93.2, 0.05); /* as G.107 prints it */
    assert_float_equal(sq_mos_rating(&in), default_rating(), 0.005);
    assert_float_equal(sq_mos(&in), 4.41, 0.005);
}

/* G.107, table B.1. */
static void ratings_map_as_in_annex_b(void **state)
{
    static const double table[][2] = {{90, 4.34}, {80, 4.03}, {70, 3.60}, {60, 3.10}, {50, 2.58}};
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        assert_float_equal(sq_mos_of_rating(table[i][0]), table[i][1], 0.01);
    }
    assert_float_equal(sq_mos_of_rating(0), 1, 0);
    assert_float_equal(sq_mos_of_rating(-20), 1, 0);
    assert_float_equal(sq_mos_of_rating(100), 4.5, 1e-12);
    assert_float_equal(sq_mos_of_rating(120), 4.5, 1e-12);
    assert_true(isnan(sq_mos_of_rating(NAN)));
}

/* Id by the short form that many tools use (Cole and Rosenbluth, 2001), which was fitted to the
 * standard's curve up to 400 ms; and points of the standard's own equations. */
static void delay_costs_what_the_standard_says(void **state)
{
    for (double d = 0; d <= 300; d += 10) {
        double brief = 0.024 * d + (d > 177.3 ? 0.11 * (d - 177.3) : 0);
        assert_float_equal(sq_mos_delay_impairment(d), brief, 1.0);
    }
    assert_float_equal(sq_mos_delay_impairment(400), 0.024 * 400 + 0.11 * 222.7, 3.5);
    static const double points[][2] = {{0, 0},      {50, 1.45},   {100, 2.54},  {150, 3.67},
                                       {200, 7.40}, {300, 20.54}, {400, 30.96}, {600, 43.72}};
    for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
        assert_float_equal(sq_mos_delay_impairment(points[i][0]), points[i][1], 0.01);
    }
}

/* Ie,eff of G.711 with concealment (Ie 0, Bpl 25.1) and of Opus (Bpl 10) by hand. */
static void loss_costs_what_the_standard_says(void **state)
{
    const struct sq_mos_codec *g711 = sq_mos_codec("pcma");
    const struct sq_mos_codec *opus = sq_mos_codec("opus");
    assert_float_equal(sq_mos_loss_impairment(g711, 0, 1), 0, 1e-12);
    assert_float_equal(sq_mos_loss_impairment(g711, 1, 1), 95 / 26.1, 1e-9);
    assert_float_equal(sq_mos_loss_impairment(g711, 5, 1), 475 / 30.1, 1e-9);
    assert_float_equal(sq_mos_loss_impairment(g711, 5, 2), 475 / 27.6, 1e-9);
    assert_float_equal(sq_mos_loss_impairment(opus, 10, 1), 47.5, 1e-9);
    assert_float_equal(sq_mos_loss_impairment(opus, 200, 1), sq_mos_loss_impairment(opus, 100, 1),
                       1e-12);
    assert_float_equal(sq_mos_loss_impairment(opus, -1, NAN), 0, 1e-12);
    assert_float_equal(sq_mos_loss_impairment(opus, 60, 8), 95, 1e-12);
    assert_null(sq_mos_codec("VP8"));
    assert_null(sq_mos_codec(""));
}

/* No more delay, loss or burstiness ever makes it better. */
static void every_input_has_its_direction(void **state)
{
    static const char *const codecs[] = {"opus", "PCMU", "G722"};
    for (size_t c = 0; c < 3; c++) {
        for (double loss = 0; loss <= 110; loss += 2.5) {
            for (double burst = 0.5; burst < 9; burst += 0.7) {
                double before = 5;
                for (double delay = -10; delay < 3000;
                     delay = delay < 5 ? delay + 0.25 : delay * 1.1) {
                    double mos = at(delay, loss, burst, codecs[c]);
                    assert_true(mos >= 1 && mos <= 4.5 && mos <= before);
                    assert_true(at(delay, loss + 1, burst, codecs[c]) <= mos);
                    assert_true(at(delay, loss, burst + 0.5, codecs[c]) <= mos);
                    before = mos;
                }
            }
        }
    }
    assert_true(at(200, 2, 1, "opus") < at(50, 2, 1, "opus"));
    assert_true(at(20, 2, 1, "opus") < at(20, 1, 1, "opus"));
    assert_true(at(20, 2, 2, "opus") < at(20, 2, 1, "opus"));
}

static void what_is_not_known_has_no_mos(void **state)
{
    assert_true(isnan(at(NAN, 0, 1, "opus")));
    assert_true(isnan(at(0, NAN, 1, "opus")));
    assert_true(isnan(at(0, 0, 1, "VP8")));
    assert_float_equal(at(20, 3, NAN, "opus"), at(20, 3, 1, "opus"), 0);
}

static void bursts_are_told_from_chance(void **state)
{
    /* 1 of 10 lost at random: gaps of 1 / 0.9 packets. */
    assert_float_equal(sq_mos_burst_ratio(90, 100, 1000, 1), 1, 1e-9);
    /* The same loss in gaps of four. */
    assert_float_equal(sq_mos_burst_ratio(25, 100, 1000, 1), 3.6, 1e-9);
    assert_float_equal(sq_mos_burst_ratio(25, 96000, 960000, 960), 3.6, 1e-9);
    assert_float_equal(sq_mos_burst_ratio(1, 500, 1000, 1), 8, 1e-9);
    assert_float_equal(sq_mos_burst_ratio(0, 0, 1000, 1), 1, 0);
    assert_float_equal(sq_mos_burst_ratio(400, 100, 1000, 1), 1, 0);
    assert_float_equal(sq_mos_burst_ratio(1, 1, 0, 1), 1, 0);
    assert_float_equal(sq_mos_burst_ratio(1, 1, 10, 0), 1, 0);
    assert_float_equal(sq_mos_burst_ratio(NAN, 1, 10, 1), 1, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_the_standards),
        cmocka_unit_test(ratings_map_as_in_annex_b),
        cmocka_unit_test(delay_costs_what_the_standard_says),
        cmocka_unit_test(loss_costs_what_the_standard_says),
        cmocka_unit_test(every_input_has_its_direction),
        cmocka_unit_test(what_is_not_known_has_no_mos),
        cmocka_unit_test(bursts_are_told_from_chance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
