/* The candidate attribute (RFC 8839, RFC 6544), priorities and foundations. */
#include "base/rand.h"
#include "peer/ice/candidate.h"
#include "peer/ice_fuzz.h"
#include "peer/ice_net.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void priorities(void **state)
{
    /* RFC 8839's examples carry these numbers. */
    assert_int_equal(sq_ice_priority(SQ_ICE_HOST, 65535, 1), 2130706431);
    assert_int_equal(sq_ice_priority(SQ_ICE_SRFLX, 65535, 1), 1694498815);
    assert_int_equal(sq_ice_priority(SQ_ICE_PRFLX, 65535, 1), 1862270975);
    assert_int_equal(sq_ice_priority(SQ_ICE_RELAY, 65535, 1), 16777215);
}

static void foundations(void **state)
{
    struct sq_addr a = ice_addr("10.0.0.1", 1), b = ice_addr("10.0.0.1", 2);
    struct sq_addr other = ice_addr("10.0.0.2", 1), server = ice_addr("192.0.2.1", 3478);
    char x[SQ_ICE_FOUNDATION_MAX + 1], y[SQ_ICE_FOUNDATION_MAX + 1];
    sq_ice_foundation(SQ_ICE_HOST, SQ_ICE_UDP, &a, NULL, x);
    sq_ice_foundation(SQ_ICE_HOST, SQ_ICE_UDP, &b, NULL, y);
    assert_string_equal(x, y); /* the port does not count */
    sq_ice_foundation(SQ_ICE_HOST, SQ_ICE_UDP, &other, NULL, y);
    assert_string_not_equal(x, y);
    sq_ice_foundation(SQ_ICE_SRFLX, SQ_ICE_UDP, &a, &server, y);
    assert_string_not_equal(x, y);
    sq_ice_foundation(SQ_ICE_HOST, SQ_ICE_TCP_PASSIVE, &a, NULL, y);
    assert_string_not_equal(x, y);
}

static void reads_what_others_write(void **state)
{
    struct sq_ice_candidate c;
    struct sq_view ufrag;
    char ip[SQ_ADDR_TEXT_MAX];
    assert_int_equal(
        sq_ice_candidate_parse(
            sq_view_of(
                "a=candidate:842163049 1 udp 1677729535 203.0.113.7 46154 typ srflx raddr "
                "10.0.0.17 rport 50223 generation 0 ufrag EEtu network-id 1 network-cost 10"),
            &c, &ufrag),
        0);
    assert_string_equal(c.foundation, "842163049");
    assert_int_equal(c.priority, 1677729535);
    assert_int_equal(c.type, SQ_ICE_SRFLX);
    assert_string_equal(sq_addr_format(&c.addr, ip), "203.0.113.7:46154");
    assert_string_equal(sq_addr_format(&c.related, ip), "10.0.0.17:50223");
    assert_true(sq_view_is(ufrag, "EEtu"));
    assert_int_equal(sq_ice_candidate_parse(
                         sq_view_of("candidate:4 1 TCP 1518280447 2001:db8::1 9 typ host tcptype "
                                    "active generation 0\r\n"),
                         &c, NULL),
                     0);
    assert_int_equal(c.transport, SQ_ICE_TCP_ACTIVE);
    assert_string_equal(sq_addr_format(&c.addr, ip), "[2001:db8::1]:9");
    assert_int_equal(sq_addr_family(&c.related), AF_UNSPEC);
    /* A hidden related address, an extension without a value. */
    assert_int_equal(
        sq_ice_candidate_parse(
            sq_view_of("1 1 udp 1 192.0.2.1 5 typ relay raddr x.local rport 0 odd"), &c, NULL),
        0);
    assert_int_equal(c.type, SQ_ICE_RELAY);
    assert_int_equal(sq_addr_family(&c.related), AF_UNSPEC);
}

static void refuses(void **state)
{
    static const struct {
        const char *line;
        int err;
    } cases[] = {
        {"", SQ_ERR_FORMAT},
        {"candidate:", SQ_ERR_FORMAT},
        {"candidate:1 1 udp 1 192.0.2.1 5", SQ_ERR_FORMAT},
        {"candidate:1 1 udp 1 192.0.2.1 5 typ", SQ_ERR_FORMAT},
        {"candidate:1 1 udp 1 192.0.2.1 5 type host", SQ_ERR_FORMAT},
        {"candidate:1 0 udp 1 192.0.2.1 5 typ host", SQ_ERR_FORMAT},
        {"candidate:1 257 udp 1 192.0.2.1 5 typ host", SQ_ERR_FORMAT},
        {"candidate:1 1 udp 4294967296 192.0.2.1 5 typ host", SQ_ERR_FORMAT},
        {"candidate:1 1 udp 1 192.0.2.1 65536 typ host", SQ_ERR_FORMAT},
        {"candidate:1 1 udp 1 192.0.2.1 -1 typ host", SQ_ERR_FORMAT},
        {"candidate:1 1 udp 1 300.0.2.1 1 typ host", SQ_ERR_FORMAT},
        {"candidate:1 1 udp 1 ::: 1 typ host", SQ_ERR_FORMAT},
        {"candidate:1 1 udp 1 fe80::1%eth0 1 typ host", SQ_ERR_FORMAT},
        {"candidate:123456789012345678901234567890123 1 udp 1 192.0.2.1 5 typ host", SQ_ERR_FORMAT},
        {"candidate:1 1 sctp 1 192.0.2.1 5 typ host", SQ_ERR_UNSUPPORTED},
        {"candidate:1 1 udp 1 192.0.2.1 5 typ ghost", SQ_ERR_UNSUPPORTED},
        {"candidate:1 1 udp 1 192.0.2.1 5 typ host raddr 1.1.1.1 rport x", SQ_ERR_FORMAT},
        {"candidate:1 1 udp 1 7f9bde3a-2c4e-4b36-a1cd-d1a2ad9f2a5b.local 5 typ host", SQ_ERR_DNS},
        {"candidate:1 1 udp 1 host.example.org 5 typ host", SQ_ERR_DNS},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct sq_ice_candidate c = {.component = 77};
        assert_int_equal(sq_ice_candidate_parse(sq_view_of(cases[i].line), &c, NULL), cases[i].err);
        assert_int_equal(c.component, 77);
    }
}

static void writes(void **state)
{
    struct sq_ice_candidate c = {.type = SQ_ICE_SRFLX, .component = 1, .priority = 1694498815};
    char out[SQ_ICE_CANDIDATE_TEXT];
    c.foundation[0] = '2';
    c.addr = ice_addr("203.0.113.7", 5000);
    c.related = ice_addr("10.0.0.17", 6000);
    assert_string_equal(
        sq_ice_candidate_format(&c, out),
        "candidate:2 1 udp 1694498815 203.0.113.7 5000 typ srflx raddr 10.0.0.17 rport 6000");
    c.type = SQ_ICE_HOST;
    c.transport = SQ_ICE_TCP_PASSIVE;
    c.addr = ice_addr("2001:db8::1", 443);
    memset(&c.related, 0, sizeof(c.related));
    assert_string_equal(sq_ice_candidate_format(&c, out),
                        "candidate:2 1 tcp 1694498815 2001:db8::1 443 typ host tcptype passive");
    /* The longest there can be fits. */
    memset(c.foundation, 'f', SQ_ICE_FOUNDATION_MAX);
    c.foundation[SQ_ICE_FOUNDATION_MAX] = '\0';
    c.component = 256;
    c.priority = UINT32_MAX;
    c.addr = c.related = ice_addr("1111:2222:3333:4444:5555:6666:7777:8888", 65535);
    assert_true(strlen(sq_ice_candidate_format(&c, out)) < SQ_ICE_CANDIDATE_TEXT - 16);
    assert_non_null(strstr(out, "rport 65535 tcptype passive"));
}

static void cut_and_mutated(void **state)
{
    static const char line[] = "a=candidate:842163049 1 udp 1677729535 203.0.113.7 46154 typ srflx "
                               "raddr 10.0.0.17 rport 50223 generation 0 ufrag EEtu tcptype so";
    struct sq_rand r;
    sq_rand_seed(&r, 8839);
    for (size_t cut = 0; cut < sizeof(line); cut++) {
        uint8_t *exact = malloc(cut + 1);
        assert_non_null(exact);
        for (int round = 0; round < 40; round++) {
            memcpy(exact, line, cut);
            if (round && cut) {
                exact[sq_rand_below(&r, (uint32_t)cut)] = (uint8_t)sq_rand_u32(&r);
            }
            uint8_t *tight = realloc(exact, cut ? cut : 1);
            assert_non_null(tight);
            exact = tight;
            ice_fuzz_candidate(exact, cut);
        }
        free(exact);
    }
}

/* What the agent makes of lines. */
static void lines_for_the_agent(void **state)
{
    struct ice_net *net = ice_net_new(1);
    assert_int_equal(ice_end_start(&net->a, NULL, "10.0.0.1", NULL), 0);
    struct sq_ice *ice = net->a.ice;
    const char *pwd = "passwordpasswordpassword";
    assert_int_equal(sq_ice_set_remote(ice, net->now_ns, "EEtu", pwd, false), 0);
    assert_int_equal(sq_ice_set_remote(ice, net->now_ns, "EEtu", pwd, false), 0);
    assert_int_equal(sq_ice_set_remote(ice, net->now_ns, "EEtv", pwd, false), SQ_ERR_STATE);
    assert_int_equal(sq_ice_gather(ice, net->now_ns), 0);
    static const struct {
        const char *line;
        int err;
        size_t remotes, pairs, unresolved;
    } cases[] = {
        {"candidate:1 1 udp 9 10.0.0.2 5 typ host", 0, 1, 1, 0},
        {"candidate:1 1 udp 9 10.0.0.2 5 typ host", 0, 1, 1, 0},                /* again */
        {"candidate:1 2 udp 9 10.0.0.2 6 typ host", 0, 1, 1, 0},                /* RTCP */
        {"candidate:1 1 tcp 9 10.0.0.2 9 typ host tcptype active", 0, 1, 1, 0}, /* no base */
        {"candidate:1 1 udp 9 a.local 5 typ host", 0, 1, 1, 1},
        {"candidate:1 1 udp 9 2001:db8::5 5 typ host", 0, 2, 1, 1}, /* no base of this family */
        {"candidate:1 1 udp 9 10.0.0.3 5 typ host ufrag EEtu", 0, 3, 2, 1},
        {"candidate:1 1 udp 9 10.0.0.4 5 typ host ufrag old", SQ_ERR_STATE, 3, 2, 1},
        {"candidate:1 1 dccp 9 10.0.0.4 5 typ host", 0, 3, 2, 1},
        {"rubbish", SQ_ERR_FORMAT, 3, 2, 1},
        {"", 0, 3, 2, 1},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        assert_int_equal(sq_ice_add_remote_line(ice, net->now_ns, sq_view_of(cases[i].line)),
                         cases[i].err);
        assert_int_equal(sq_ice_remote_count(ice), cases[i].remotes);
        assert_int_equal(sq_ice_pair_count(ice), cases[i].pairs);
        assert_int_equal(sq_ice_unresolved(ice), cases[i].unresolved);
    }
    ice_net_free(net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(priorities),
        cmocka_unit_test(foundations),
        cmocka_unit_test(reads_what_others_write),
        cmocka_unit_test(refuses),
        cmocka_unit_test(writes),
        cmocka_unit_test(cut_and_mutated),
        cmocka_unit_test(lines_for_the_agent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
