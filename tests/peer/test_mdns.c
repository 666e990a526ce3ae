/* Names of multicast DNS: questions, answers, time, and messages that nobody means well. */
#include "base/mem.h"
#include "base/time.h"
#include "peer/mdns/mdns.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define SEC  SQ_NS_PER_SEC
#define NAME "1f4712db-ea17-4bcf-a596-105139dfd8bf.local"

struct heard {
    int sent, answers, silent;
    uint8_t last[600];
    size_t last_len;
    struct sq_addr addr;
    void *waiter;
    const char *ask_too; /* whoever is told asks for this name */
    int ask_err;
};

static void on_send(void *ctx, const void *buf, size_t len)
{
    struct heard *h = ctx;
    h->sent++;
    h->last_len = len;
    memcpy(h->last, buf, len);
}

static struct sq_mdns *mdns;

static void on_answer(void *ctx, void *waiter, const struct sq_addr *addr)
{
    struct heard *h = ctx;
    h->waiter = waiter;
    if (addr) {
        h->answers++;
        h->addr = *addr;
    } else {
        h->silent++;
    }
    if (h->ask_too) {
        const char *name = h->ask_too;
        h->ask_too = NULL;
        h->ask_err = sq_mdns_ask(mdns, SEC, sq_view_of(name), h);
    }
}

static const struct sq_mdns_callbacks callbacks = {.send = on_send, .answer = on_answer};
static struct heard heard;

static int setup(void **state)
{
    (void)state;
    memset(&heard, 0, sizeof(heard));
    return sq_mdns_create(&callbacks, &heard, &mdns);
}

static int teardown(void **state)
{
    (void)state;
    sq_mdns_destroy(mdns);
    return 0;
}

static void ask(uint64_t now_ns, void *waiter)
{
    assert_int_equal(sq_mdns_ask(mdns, now_ns, sq_view_of(NAME), waiter), 0);
}

/* What Chromium's responder sends: the name, cache flush set, 120 s. */
static const uint8_t answer[] = {
    0,   0,   0x84, 0,   0,    0,   0,   1,   0,   0,   0,   0,   36,  '1', 'f', '4', '7', '1',
    '2', 'd', 'b',  '-', 'e',  'a', '1', '7', '-', '4', 'b', 'c', 'f', '-', 'a', '5', '9', '6',
    '-', '1', '0',  '5', '1',  '3', '9', 'd', 'f', 'd', '8', 'b', 'f', 5,   'l', 'o', 'c', 'a',
    'l', 0,   0,    1,   0x80, 1,   0,   0,   0,   120, 0,   4,   192, 0,   2,   7};

static void test_asks_and_is_answered(void **state)
{
    (void)state;
    int a, b;
    ask(SEC, &a);
    assert_int_equal(heard.sent, 2); /* A and AAAA, a message each */
    /* Header with one question, then the name's two labels. */
    static const uint8_t head[] = {0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 36, '1', 'f', '4'};
    assert_memory_equal(heard.last, head, sizeof(head));
    assert_int_equal(heard.last_len, 12 + 37 + 6 + 1 + 4);
    assert_int_equal(heard.last[heard.last_len - 3], 28);
    ask(SEC, &b);
    assert_int_equal(heard.sent, 2); /* one question for both */
    assert_int_equal(sq_mdns_receive(mdns, SEC, answer, sizeof(answer)), 0);
    assert_int_equal(heard.answers, 2);
    struct sq_addr want;
    assert_int_equal(sq_addr_parse("192.0.2.7", 0, &want), 0);
    assert_true(sq_addr_equal(&heard.addr, &want));
    assert_int_equal(sq_mdns_next_timeout(mdns), SQ_NEVER);
    /* Known for two minutes, whatever the case of its letters. */
    assert_int_equal(
        sq_mdns_ask(mdns, 100 * SEC, sq_view_of("1F4712DB-ea17-4bcf-a596-105139dfd8bf.LOCAL"), &a),
        0);
    assert_int_equal(heard.answers, 3);
    assert_int_equal(heard.sent, 2);
    ask(122 * SEC, &a);
    assert_int_equal(heard.sent, 4);
    assert_int_equal(heard.answers, 3);
}

/* The table is full, and who is told of the only name that is not being asked for asks for another:
 * that has no room, and the second one who waits for the first name is told, too. */
static void test_full_while_telling(void **state)
{
    (void)state;
    int a, b, others;
    ask(SEC, &a);
    ask(SEC, &b);
    for (int i = 1; i < SQ_MDNS_NAMES_MAX; i++) {
        char name[32];
        snprintf(name, sizeof(name), "host-%d.local", i);
        assert_int_equal(sq_mdns_ask(mdns, SEC, sq_view_of(name), &others), 0);
    }
    heard.ask_too = "late.local";
    assert_int_equal(sq_mdns_receive(mdns, SEC, answer, sizeof(answer)), 0);
    assert_int_equal(heard.ask_err, SQ_ERR_NOMEM);
    assert_int_equal(heard.answers, 2);
    /* Told all, it may go. */
    assert_int_equal(sq_mdns_ask(mdns, SEC, sq_view_of("late.local"), &others), 0);
}

/* RFC 6762, section 5.2: at least a second apart, and twice as long each time. */
static void test_nobody_answers(void **state)
{
    (void)state;
    static const uint64_t at_s[] = {1, 3, 7, 15};
    int a;
    ask(SEC, &a);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(heard.silent, 0);
        assert_int_equal(sq_mdns_next_timeout(mdns), SEC + at_s[i] * SEC);
        sq_mdns_on_timeout(mdns, SEC + at_s[i] * SEC);
    }
    assert_int_equal(heard.sent, 8);
    assert_int_equal(heard.silent, 1);
    assert_ptr_equal(heard.waiter, &a);
    ask(17 * SEC, &a); /* it is not asked for again at once */
    assert_int_equal(heard.silent, 2);
    assert_int_equal(heard.sent, 8);
}

static void test_forgets(void **state)
{
    (void)state;
    int a, b;
    ask(SEC, &a);
    ask(SEC, &b);
    sq_mdns_forget(mdns, &a);
    assert_int_equal(sq_mdns_receive(mdns, SEC, answer, sizeof(answer)), 0);
    assert_int_equal(heard.answers, 1);
    assert_ptr_equal(heard.waiter, &b);
}

static void test_names(void **state)
{
    (void)state;
    assert_true(sq_mdns_is_name(sq_view_of(NAME)));
    assert_false(sq_mdns_is_name(sq_view_of("example.org")));
    assert_false(sq_mdns_is_name(sq_view_of(".local")));
    assert_false(sq_mdns_is_name(sq_view_of("10.0.0.1")));
    assert_int_equal(sq_mdns_ask(mdns, SEC, sq_view_of("a..local"), &heard), SQ_ERR_INVALID);
    assert_int_equal(sq_mdns_ask(mdns, SEC, sq_view_of("example.org"), &heard), SQ_ERR_INVALID);
    assert_int_equal(heard.sent, 0);
}

static void test_hostile(void **state)
{
    (void)state;
    int a;
    ask(SEC, &a);
    uint8_t bad[sizeof(answer)];
    for (size_t n = 0; n < sizeof(answer); n++) { /* cut short */
        (void)sq_mdns_receive(mdns, SEC, answer, n);
        assert_int_equal(heard.answers, 0);
    }
    static const uint8_t loop[] = {0, 0, 0x84, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0xc0, 12, 0, 1, 0, 1};
    assert_int_equal(sq_mdns_receive(mdns, SEC, loop, sizeof(loop)), SQ_ERR_FORMAT);
    memcpy(bad, answer, sizeof(bad));
    bad[2] = 0; /* a question is no answer */
    assert_int_equal(sq_mdns_receive(mdns, SEC, bad, sizeof(bad)), 0);
    assert_int_equal(heard.answers, 0);
}

/* An answer whose name points back into its question (RFC 1035, section 4.1.4). */
static void test_compressed(void **state)
{
    (void)state;
    static const uint8_t message[] = {
        0,   0,    0x84, 0,   0,    1, 0, 1,    0,  0, 0,  0, 1, 'x', 5, 'l', 'o', 'c',
        'a', 'l',  0,    0,   28,   0, 1, 0xc0, 12, 0, 28, 0, 1, 0,   0, 0,   10,  0,
        16,  0x20, 1,    0xd, 0xb8, 0, 0, 0,    0,  0, 0,  0, 0, 0,   0, 0,   9};
    struct sq_addr want;
    assert_int_equal(sq_mdns_ask(mdns, SEC, sq_view_of("x.local"), &heard), 0);
    assert_int_equal(sq_mdns_receive(mdns, SEC, message, sizeof(message)), 0);
    assert_int_equal(heard.answers, 1);
    assert_int_equal(sq_addr_parse("2001:db8::9", 0, &want), 0);
    assert_true(sq_addr_same_ip(&heard.addr, &want));
}

static void test_failing_allocations(void **state)
{
    (void)state;
    int a;
    for (size_t nth = 1; nth <= 2; nth++) {
        sq_mem_fail_at(nth);
        int err = sq_mdns_ask(mdns, SEC, sq_view_of(NAME), &a);
        sq_mem_fail_at(0);
        assert_int_equal(err, SQ_ERR_NOMEM);
    }
    struct sq_mdns *none;
    sq_mem_fail_at(1);
    assert_int_equal(sq_mdns_create(&callbacks, &heard, &none), SQ_ERR_NOMEM);
    sq_mem_fail_at(0);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_asks_and_is_answered),
        TEST(test_full_while_telling),
        TEST(test_nobody_answers),
        TEST(test_forgets),
        TEST(test_names),
        TEST(test_hostile),
        TEST(test_compressed),
        TEST(test_failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
