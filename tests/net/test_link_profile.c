/* Networks by name and in words. */
#include "net/link_profile.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define MS SQ_NS_PER_MS

static struct sq_link_config parse(const char *text)
{
    struct sq_link_config config;
    char why[200] = "";
    if (sq_link_parse(text, &config, why, sizeof(why)) != 0) {
        fail_msg("%s: %s", text, why);
    }
    return config;
}

static void each_profile_is_found_and_in_range(void **state)
{
    size_t n;
    const struct sq_link_profile *all = sq_link_profiles(&n);
    assert_true(n > 30);
    for (size_t i = 0; i < n; i++) {
        char why[200];
        assert_ptr_equal(sq_link_profile_find(all[i].name), &all[i]); /* none hides another */
        assert_int_equal(sq_link_check(&all[i].config, why, sizeof(why)), 0);
        struct sq_link_config config = parse(all[i].name);
        assert_true(config.up.rate_bps == all[i].config.up.rate_bps);
    }
}

static void names_are_taken_as_people_write_them(void **state)
{
    assert_true(parse("poor-4g").down.delay_ns == 350 * MS);
    assert_true(parse("POOR 4G").down.delay_ns == 350 * MS);
    assert_true(parse("Poor_4G").up.loss == 0.05);
    assert_true(parse("50% packet loss").up.loss == 0.5);
    assert_true(parse("50packet").up.rate_bps == 0);
    assert_true(parse("4g").up.rate_bps == 50e6 && parse("4g").down.rate_bps == 100e6);
    assert_true(parse("4g").up.jitter_ns == 15 * MS && parse("4g").down.jitter_ns == 5 * MS);
    assert_int_equal(parse("https only").firewall, SQ_FIREWALL_HTTPS);
}

static void settings_hold_both_ways_or_one(void **state)
{
    struct sq_link_config c = parse("rate=1.5M, delay=80ms, up.rate=500k,down.jitter=20ms,queue="
                                    "200ms,down.queue=30kB,loss=2%,duplicate=0.5%,corrupt=0.1%");
    assert_true(c.up.rate_bps == 500e3 && c.down.rate_bps == 1.5e6);
    assert_true(c.up.delay_ns == 80 * MS && c.down.delay_ns == 80 * MS);
    assert_true(c.up.jitter_ns == 0 && c.down.jitter_ns == 20 * MS);
    assert_true(c.up.queue_ns == 200 * MS && c.up.queue_bytes == 0);
    assert_true(c.down.queue_ns == 0 && c.down.queue_bytes == 30000);
    assert_true(c.up.loss == 0.02 && c.up.duplicate == 0.005 && c.down.corrupt == 0.001);
    assert_false(c.up.reorder);
    assert_true(parse("jitter=10ms,reorder").down.reorder);
    assert_int_equal(parse("wifi,firewall=web").firewall, SQ_FIREWALL_WEB);
    assert_true(parse("Poor 4G,loss=1%,rate=0").up.loss == 0.01);
}

static void a_burst_keeps_the_share(void **state)
{
    struct sq_link_config c = parse("loss=5%,up.burst=4");
    assert_true(c.up.loss == 0 && c.up.bursts.loss_bad == 1);
    assert_true(fabs(c.up.bursts.to_good - 0.25) < 1e-9);
    double share = c.up.bursts.to_bad / (c.up.bursts.to_bad + c.up.bursts.to_good);
    assert_true(fabs(share - 0.05) < 1e-9);
    assert_true(c.down.loss == 0.05 && c.down.bursts.to_bad == 0);
}

static void what_is_wrong_is_told(void **state)
{
    static const struct {
        const char *text, *part;
    } cases[] = {
        {"", "expected the name of a network"},
        {"poor 5g", "'poor 5g': expected the name of a network"},
        {"wifi,poor 4g", "'poor 4g': expected a setting"},
        {"rate=fast", "'rate=fast': expected rate=BITS"},
        {"rate=10", "1k at least"},
        {"rate=1", "rate=BITS in bit/s with k or M, for example rate=1.5M, 1k at least"},
        {"rate=1500", "in bit/s with k or M"}, /* is not meant as bit/s */
        {"down.rate=9999", "in bit/s with k or M"},
        {"rate=0.9k", "1k at least"},
        {"delay=80", "delay=TIME"},
        {"delay=2m", "60s at most"},
        {"loss=120%", "loss=SHARE"},
        {"loss=-1%", "loss=SHARE"},
        {"loss=", "loss=SHARE"},
        {"loss=nan", "loss=SHARE"},
        {"queue=30", "queue=TIME or BYTES"},
        {"queue=0ms", "queue=TIME or BYTES"},
        {"burst=0", "burst=NUMBER"},
        {"loss=90%,burst=2", "a loss of 90% comes in longer bursts than 2: 9 at least"},
        {"reorder=yes", "reorder, without a value"},
        {"sideways.rate=1M", "expected a setting"},
        {"up.firewall=web", "expected a setting"},
        {"firewall=wall", "firewall=none, no-udp"},
        {"wifi,,loss=1%", "'': expected a setting"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sq_link_config config = {.firewall = SQ_FIREWALL_WEB};
        char why[200] = "";
        int err = sq_link_parse(cases[i].text, &config, why, sizeof(why));
        if (err != SQ_ERR_FORMAT || !strstr(why, cases[i].part)) {
            fail_msg("'%s': %d, %s", cases[i].text, err, why);
        }
        assert_int_equal(config.firewall, SQ_FIREWALL_WEB); /* untouched */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_profile_is_found_and_in_range),
        cmocka_unit_test(names_are_taken_as_people_write_them),
        cmocka_unit_test(settings_hold_both_ways_or_one),
        cmocka_unit_test(a_burst_keeps_the_share),
        cmocka_unit_test(what_is_wrong_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
