/* A listener in a process that is out of descriptors. */
#include "net/accept.h"
#include "net/on_loop.h"
#include "net/until.h"
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define CLIENTS 3

static struct sq_acceptor acceptor;
static int accepted;

static void on_accept(void *ctx, int fd, const struct sq_addr *remote)
{
    int *stop_after = ctx;
    assert_int_equal(sq_addr_family(remote), AF_INET);
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    close(fd);
    if (++accepted == *stop_after) {
        sq_acceptor_stop(&acceptor);
    }
}

static int listener(struct sq_addr *addr)
{
    socklen_t len = sizeof(*addr);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_int_equal(sq_addr_parse("127.0.0.1", 0, addr), 0);
    assert_int_equal(bind(fd, &addr->sa, sq_addr_len(addr)), 0);
    assert_int_equal(listen(fd, CLIENTS), 0);
    assert_int_equal(getsockname(fd, &addr->sa, &len), 0);
    return fd;
}

static void connect_all(const struct sq_addr *addr, int clients[static CLIENTS])
{
    for (int i = 0; i < CLIENTS; i++) { /* the kernel answers: all of them wait to be taken */
        clients[i] = socket(AF_INET, SOCK_STREAM, 0);
        assert_int_equal(connect(clients[i], &addr->sa, sq_addr_len(addr)), 0);
    }
}

static void close_all(int clients[static CLIENTS], int fd)
{
    sq_acceptor_stop(&acceptor);
    for (int i = 0; i < CLIENTS; i++) {
        close(clients[i]);
    }
    close(fd);
}

static void no_descriptors_for_a_while(void **state)
{
    (void)state;
    struct sq_addr addr;
    struct rlimit before;
    struct sq_loop_stats stats;
    int clients[CLIENTS];
    int never = -1;
    int fd = listener(&addr);
    accepted = 0;
    assert_int_equal(sq_acceptor_start(&acceptor, loop, fd, on_accept, &never), 0);
    connect_all(&addr, clients);

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    const struct rlimit none = {.rlim_cur = 3, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    RUN_UNTIL(loop, acceptor.pauses > 0);
    sq_loop_get_stats(loop, &stats);
    uint64_t events = stats.events;
    for (int i = 0; i < 20; i++) {
        assert_int_equal(sq_loop_run_once(loop, 0), 0);
    }
    sq_loop_get_stats(loop, &stats);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(stats.events, events); /* it does not spin */
    assert_int_equal(accepted, 0);
    RUN_UNTIL(loop, accepted == CLIENTS); /* and goes on by itself */
    close_all(clients, fd);
}

static void stopped_by_its_own_callback(void **state)
{
    (void)state;
    struct sq_addr addr;
    int clients[CLIENTS];
    int two = 2;
    int fd = listener(&addr);
    accepted = 0;
    assert_int_equal(sq_acceptor_start(&acceptor, loop, fd, on_accept, &two), 0);
    connect_all(&addr, clients);
    RUN_UNTIL(loop, accepted == 2);
    assert_int_equal(sq_loop_run_once(loop, 0), 0);
    assert_int_equal(accepted, 2);
    close_all(clients, fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(no_descriptors_for_a_while, setup, teardown),
        cmocka_unit_test_setup_teardown(stopped_by_its_own_callback, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
