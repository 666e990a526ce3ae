/* For tests on one loop, which each of them gets anew. */
#ifndef TESTS_NET_ON_LOOP_H
#define TESTS_NET_ON_LOOP_H

#include "net/loop.h"
#include "net/net.h"

static struct sq_loop *loop;

static int setup(void **state)
{
    (void)state;
    return sq_net_init() || sq_loop_new(NULL, &loop);
}

static int teardown(void **state)
{
    (void)state;
    sq_loop_free(loop);
    sq_net_cleanup();
    return 0;
}

#endif
