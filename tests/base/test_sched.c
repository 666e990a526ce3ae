/* Threads of real time: the kernel's word for it, with rights and without. */
#include "base/sched.h"
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define NOBODY 65534

static bool may(void)
{
    return sq_thread_may_realtime() == 0;
}

static void *policy_of_a_child(void *ctx)
{
    *(int *)ctx = sched_getscheduler(0);
    return NULL;
}

struct seen {
    int err, policy, again, child_policy;
};

static void *go(void *ctx)
{
    struct seen *seen = ctx;
    seen->err = sq_thread_go_realtime();
    seen->policy = sched_getscheduler(0);
    seen->again = sq_thread_go_realtime();
    pthread_t child;
    if (pthread_create(&child, NULL, policy_of_a_child, &seen->child_policy) == 0) {
        pthread_join(child, NULL);
    }
    return NULL;
}

static void the_thread_alone_and_none_that_it_starts(void **state)
{
    (void)state;
    if (!may()) {
        skip(); /* not root, or a container that may not */
    }
    struct seen seen = {.child_policy = -1};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, go, &seen), 0);
    pthread_join(thread, NULL);
    assert_int_equal(seen.err, 0);
    assert_int_equal(seen.policy & ~SCHED_RESET_ON_FORK, SCHED_FIFO);
    assert_int_equal(seen.again, 0);
    assert_int_equal(seen.child_policy, SCHED_OTHER);
    assert_int_equal(sched_getscheduler(0), SCHED_OTHER);
}

static void to_ask_changes_nothing(void **state)
{
    (void)state;
    int before = sched_getscheduler(0);
    (void)may();
    assert_int_equal(sched_getscheduler(0), before);
}

/* What a process without rights is told; its exit code is a bit for each that is not so. */
static int without_rights(void)
{
    const struct rlimit none = {0};
    int wrong = setrlimit(RLIMIT_RTPRIO, &none) != 0;
    wrong |= (geteuid() == 0 && setuid(NOBODY) != 0) << 1;
    wrong |= (sq_thread_may_realtime() != SQ_ERR_REFUSED) << 2;
    wrong |= (sq_thread_go_realtime() != SQ_ERR_REFUSED) << 3;
    wrong |= (sched_getscheduler(0) != SCHED_OTHER) << 4;
    return wrong;
}

static void who_may_not_is_refused(void **state)
{
    (void)state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        _exit(without_rights());
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_thread_alone_and_none_that_it_starts),
        cmocka_unit_test(to_ask_changes_nothing),
        cmocka_unit_test(who_may_not_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
