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

/* The figures as the two services publish them: kbit/s in and out, ms, per cent. Written from their
 * documentation, and not from the program's table. */
struct published {
    const char *name;
    double down_kbps, up_kbps, delay_ms, down_jitter_ms, up_jitter_ms, loss_percent;
};

static const struct published test_rtc[] = {
    {"No throttling", 0, 0, 0, 0, 0, 0},
    {"Call Drop", 50, 50, 500, 0, 0, 20},
    {"Very Bad Network", 1000, 1000, 500, 0, 0, 10},
    {"DSL", 8000, 8000, 40, 0, 0, 0.5},
    {"Wifi", 30000, 30000, 40, 0, 0, 0.2},
    {"Wifi High packet loss", 30000, 30000, 40, 0, 0, 5},
    {"Regular 2.5G", 150, 150, 200, 0, 0, 3},
    {"Regular 3G", 750, 750, 250, 0, 0, 1.5},
    {"Poor 3G", 400, 400, 350, 0, 0, 5},
    {"Regular 4G", 4000, 4000, 0, 0, 0, 2},
    {"Poor 4G", 4000, 4000, 350, 0, 0, 5},
    {"Unstable 4G", 4000, 4000, 500, 0, 0, 10},
    {"High Latency 4G", 4000, 4000, 600, 0, 0, 0.2},
    {"High Packet Loss 4G", 4000, 4000, 5, 0, 0, 20},
    {"50% Packet Loss", 40000, 40000, 10, 0, 0, 50},
};

static const struct published loadero[] = {
    {"4g", 100000, 50000, 45, 5, 15, 0.2},  {"hsdpa", 20000, 10000, 150, 10, 10, 0.5},
    {"3g", 1200, 1200, 250, 50, 50, 0.5},   {"edge", 200, 260, 650, 100, 100, 1},
    {"gprs", 80, 20, 650, 100, 100, 1},     {"asymmetric", 500, 1000, 50, 10, 10, 0},
    {"satellite", 1000, 256, 600, 0, 0, 0}, {"5packet", 0, 0, 0, 0, 0, 5},
    {"10packet", 0, 0, 0, 0, 0, 10},        {"20packet", 0, 0, 0, 0, 0, 20},
    {"50packet", 0, 0, 0, 0, 0, 50},        {"100packet", 0, 0, 0, 0, 0, 100},
    {"latency", 0, 0, 500, 50, 50, 0},      {"jitter", 0, 0, 200, 100, 100, 0},
};

static void assert_way(const char *name, const struct sq_link_way *way, double kbps,
                       double delay_ms, double jitter_ms, double loss_percent)
{
    bool same =
        fabs(way->rate_bps - kbps * 1e3) < 0.5 && way->delay_ns == (uint64_t)(delay_ms * MS) &&
        way->jitter_ns == (uint64_t)(jitter_ms * MS) && fabs(way->loss * 100 - loss_percent) < 1e-9;
    bool rest = way->queue_ns == 0 && way->queue_bytes == 0 && !way->reorder &&
                way->bursts.to_bad == 0 && way->duplicate == 0 && way->corrupt == 0;
    if (!same || !rest) {
        fail_msg("%s: %g bit/s, %g ms, jitter %g ms, loss %g", name, way->rate_bps,
                 (double)way->delay_ns / MS, (double)way->jitter_ns / MS, way->loss);
    }
}

static void assert_published(const struct published *table, size_t n, const char *origin)
{
    size_t all_n;
    size_t theirs = 0;
    const struct sq_link_profile *all = sq_link_profiles(&all_n);
    for (size_t i = 0; i < all_n; i++) {
        theirs += strcmp(all[i].origin, origin) == 0 && all[i].config.firewall == SQ_FIREWALL_NONE;
    }
    assert_int_equal(theirs, n); /* and no others under their name */
    for (size_t i = 0; i < n; i++) {
        const struct published *p = &table[i];
        const struct sq_link_profile *profile = sq_link_profile_find(p->name);
        assert_non_null(profile);
        assert_string_equal(profile->name, p->name);
        assert_string_equal(profile->origin, origin);
        const struct sq_link_config *c = &profile->config;
        assert_way(p->name, &c->down, p->down_kbps, p->delay_ms, p->down_jitter_ms,
                   p->loss_percent);
        assert_way(p->name, &c->up, p->up_kbps, p->delay_ms, p->up_jitter_ms, p->loss_percent);
        assert_false(c->outage);
    }
}

static void the_figures_are_those_that_were_published(void **state)
{
    assert_published(test_rtc, sizeof(test_rtc) / sizeof(*test_rtc), "testRTC");
    assert_published(loadero, sizeof(loadero) / sizeof(*loadero), "Loadero");
    assert_int_equal(parse("HTTP+HTTPS only").firewall, SQ_FIREWALL_WEB);
    assert_int_equal(parse("HTTPS only").firewall, SQ_FIREWALL_HTTPS);
    assert_int_equal(parse("UDP blocked").firewall, SQ_FIREWALL_NO_UDP);
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
    c = parse("burst=4,down.loss=3%"); /* it matters in one of the ways */
    assert_true(c.up.bursts.to_bad == 0 && c.down.bursts.to_bad > 0);
    assert_true(parse("wifi,burst=4").up.bursts.to_bad > 0);
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
        {"rate=1M,rate=2M", "'rate=2M': expected each setting once"},
        {"up.rate=1M,delay=1ms,rate=2M", "'rate=2M': expected each setting once"},
        {"wifi,down.loss=1%,down.loss=2%", "'down.loss=2%': expected each setting once"},
        {"firewall=web,firewall=https", "'firewall=https': expected each setting once"},
        {"burst=4", "a burst where nothing is lost"},
        {"loss=0,burst=4", "a burst where nothing is lost"},
        {"up.burst=4,down.loss=3%", "a burst where nothing is lost"},
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
        cmocka_unit_test(the_figures_are_those_that_were_published),
        cmocka_unit_test(names_are_taken_as_people_write_them),
        cmocka_unit_test(settings_hold_both_ways_or_one),
        cmocka_unit_test(a_burst_keeps_the_share),
        cmocka_unit_test(what_is_wrong_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
