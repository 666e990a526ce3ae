/* Networks that change: what is read, and what holds when. */
#include "net/link_course.h"
#include "net/link_way.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define MS   SQ_NS_PER_MS
#define S    SQ_NS_PER_SEC
#define ROOM 8

static struct sq_link_config first;
static struct sq_link_course course;
static struct sq_link_change changes[ROOM];

static void parse(const char *text)
{
    char why[200] = "";
    if (sq_link_course_parse(text, &first, &course, changes, ROOM, why, sizeof(why)) != 0) {
        fail_msg("%s: %s", text, why);
    }
}

/* What holds so long after the beginning, and when the next one comes. */
static const struct sq_link_config *at(uint64_t elapsed_ns, uint64_t *ret_next_ns)
{
    const struct sq_link_change *c = sq_link_course_at(&course, changes, elapsed_ns, ret_next_ns);
    return c ? &c->config : &first;
}

static void a_network_alone_never_changes(void **state)
{
    uint64_t next_ns;
    parse("Poor 4G,loss=1%");
    assert_int_equal(course.n, 0);
    assert_true(first.up.loss == 0.01 && first.up.delay_ns == 350 * MS);
    assert_null(sq_link_course_at(&course, changes, 3600 * S, &next_ns));
    assert_true(next_ns == SQ_NEVER);
}

static void each_change_comes_at_its_time(void **state)
{
    uint64_t next_ns;
    parse("wifi, 20s: Poor 4G, 40s: wifi");
    assert_int_equal(course.n, 2);
    assert_false(course.of_run);
    assert_string_equal(changes[0].text, "Poor 4G");
    assert_string_equal(changes[1].text, "wifi");
    assert_true(at(0, &next_ns)->up.rate_bps == 30e6 && next_ns == 20 * S);
    assert_true(at(20 * S - 1, &next_ns)->up.rate_bps == 30e6 && next_ns == 20 * S);
    assert_true(at(20 * S, &next_ns)->up.rate_bps == 4e6 && next_ns == 40 * S);
    assert_true(at(39 * S, &next_ns)->up.delay_ns == 350 * MS);
    assert_true(at(40 * S, &next_ns)->up.rate_bps == 30e6 && next_ns == SQ_NEVER);
    assert_true(at(4000 * S, &next_ns)->up.rate_bps == 30e6 && next_ns == SQ_NEVER);
}

static void settings_change_what_they_name(void **state)
{
    uint64_t next_ns;
    parse("rate=2M,delay=40ms,loss=2%,burst=4, 500ms: up.rate=300k,loss=5%, 1m: firewall=https,"
          "2m:dsl");
    const struct sq_link_config *c = at(S, &next_ns);
    assert_true(c->up.rate_bps == 300e3 && c->down.rate_bps == 2e6);
    assert_true(c->up.delay_ns == 40 * MS && next_ns == 60 * S);
    /* Five in a hundred, and four in a row as before. */
    const struct sq_link_bursts *b = &c->down.bursts;
    assert_true(fabs(b->to_good - 0.25) < 1e-9 && c->down.loss == 0);
    assert_true(fabs(b->to_bad / (b->to_bad + b->to_good) - 0.05) < 1e-9);
    c = at(60 * S, &next_ns);
    assert_int_equal(c->firewall, SQ_FIREWALL_HTTPS);
    assert_true(c->up.rate_bps == 300e3);
    c = at(120 * S, &next_ns); /* a name: all of it anew */
    assert_int_equal(c->firewall, SQ_FIREWALL_NONE);
    assert_true(c->up.rate_bps == 8e6 && c->up.bursts.to_bad == 0 && c->up.loss == 0.005);
}

static void an_outage_ends(void **state)
{
    uint64_t next_ns;
    parse("Poor 4G, 20s: down 3s, 30s: down, 31s: up, 40s: down, 50s: loss=7%");
    assert_true(at(20 * S, &next_ns)->outage && next_ns == 23 * S);
    assert_true(!at(23 * S, &next_ns)->outage && next_ns == 30 * S);
    assert_true(at(23 * S, &next_ns)->up.rate_bps == 4e6);
    assert_true(at(30 * S, &next_ns)->outage && next_ns == 31 * S);
    assert_true(!at(31 * S, &next_ns)->outage && at(31 * S, &next_ns)->up.loss == 0.05);
    assert_true(at(45 * S, &next_ns)->outage);
    const struct sq_link_config *c = at(50 * S, &next_ns);
    assert_true(!c->outage && c->up.loss == 0.07 && c->up.rate_bps == 4e6);
    parse("down, 5s: wifi, 20s: down 5s, 25s: dsl");
    assert_true(first.outage);
    assert_true(!at(5 * S, &next_ns)->outage && at(24 * S, &next_ns)->outage);
    assert_true(at(25 * S, &next_ns)->up.rate_bps == 8e6 && next_ns == SQ_NEVER);
}

static void a_course_may_go_round(void **state)
{
    uint64_t next_ns;
    parse("wifi, 20s: Poor 4G, 30s: again");
    assert_int_equal(course.n, 1);
    for (uint64_t round = 0; round < 100; round++) {
        uint64_t begin_ns = round * 30 * S;
        assert_true(at(begin_ns, &next_ns)->up.rate_bps == 30e6 && next_ns == begin_ns + 20 * S);
        assert_true(at(begin_ns + 25 * S, &next_ns)->up.rate_bps == 4e6);
        assert_true(next_ns == begin_ns + 30 * S);
    }
}

static void times_may_be_the_runs(void **state)
{
    uint64_t next_ns;
    parse("wifi, run 60s: down 5s, run 2m: dsl");
    assert_true(course.of_run && course.n == 3);
    assert_true(at(62 * S, &next_ns)->outage && next_ns == 65 * S);
}

static void what_is_wrong_is_told(void **state)
{
    static const struct {
        const char *text, *part;
    } cases[] = {
        {"", "expected the name of a network"},
        {"20s: wifi", "'20s: wifi': expected a network to begin with"},
        {"down 1m", "'down 1m': expected a network first"},
        {"wifi, 20: dsl", "'20': expected a time and its unit"},
        {"wifi, soon: dsl", "'soon': expected a time and its unit"},
        {"wifi, -5s: dsl", "'-5s': expected a time"},
        {"wifi, 0s: dsl", "'0s': expected a time"},
        {"wifi, : dsl", "'': expected a time"},
        {"wifi, 200h: dsl", "a week at most"},
        {"wifi, 20s: dsl, 10s: wifi", "'10s': expected a time after 20s"},
        {"wifi, 20s: dsl, 20s: wifi", "'20s': expected a time after 20s"},
        {"wifi, 20s: down 5s, 24s: dsl", "'24s': expected 25s or later, when it is up again"},
        {"wifi, 20s: dsl, run 30s: wifi", "'run 30s': expected a time from the peer's start"},
        {"wifi, run 20s: dsl, 30s: wifi", "'30s': expected a time from the run's start"},
        {"wifi, 20s: poor 5g", "'poor 5g': expected the name of a network"},
        {"wifi, 20s: poor 5g", "down, up or again"},
        {"wifi, 20s:", "'': expected the name of a network"},
        {"wifi, 20s: rate=fast", "'rate=fast': expected rate=BITS"},
        {"wifi, 20s: dsl, loss=120%", "'loss=120%': expected loss=SHARE"},
        {"wifi, 20s: down soon", "'down soon': expected down, or down and how long"},
        {"wifi, 20s: down 0s", "expected down, or down and how long"},
        {"wifi, 20s: up", "'up': expected a change: it is not down"},
        {"wifi, 20s: down 2s, 30s: up", "it is not down"},
        {"wifi, 20s: again", "'again': expected a change before it"},
        {"wifi, 20s: dsl, 30s: again, 40s: dsl", "'again': expected nothing behind it"},
        {"down", "'down': expected a time at which it comes up"},
        {"wifi, 1s:dsl,2s:dsl,3s:dsl,4s:dsl,5s:dsl,6s:dsl,7s:dsl,8s:down 1s", "fewer changes"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sq_link_config c = {.firewall = SQ_FIREWALL_WEB};
        struct sq_link_course untouched = {.n = 77};
        char why[200] = "";
        int err =
            sq_link_course_parse(cases[i].text, &c, &untouched, changes, ROOM, why, sizeof(why));
        if (err != SQ_ERR_FORMAT || !strstr(why, cases[i].part)) {
            fail_msg("'%s': %d, %s", cases[i].text, err, why);
        }
        assert_true(c.firewall == SQ_FIREWALL_WEB && untouched.n == 77);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_network_alone_never_changes),
        cmocka_unit_test(each_change_comes_at_its_time),
        cmocka_unit_test(settings_change_what_they_name),
        cmocka_unit_test(an_outage_ends),
        cmocka_unit_test(a_course_may_go_round),
        cmocka_unit_test(times_may_be_the_runs),
        cmocka_unit_test(what_is_wrong_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
