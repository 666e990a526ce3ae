/* Reports on their way from shards to the run, with memory and without. */
#include "base/mem.h"
#include "base/time.h"
#include "net/loop.h"
#include "run/mailbox.h"
#include "run/rig.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct taken {
    uint64_t seconds[16];
    size_t n;
    bool done;
    struct sq_mailbox *mailbox; /* to be closed by the last report; NULL: not */
};

static void take(void *ctx, const struct sq_shard_report *report)
{
    struct taken *t = ctx;
    t->seconds[t->n++] = report->second_no;
    t->done = t->done || report->done;
    if (report->done && t->mailbox) {
        sq_mailbox_close(t->mailbox);
        t->mailbox = NULL;
    }
}

static void send_second(struct sq_mailbox *mailbox, uint64_t second_no, bool done, bool memory)
{
    const struct sq_shard_report report = {.shard = 1, .second_no = second_no, .done = done};
    sq_mem_fail_at(memory ? 0 : 1);
    sq_mailbox_send(mailbox, &report);
    sq_mem_fail_at(0);
}

static bool is_done(void *ctx)
{
    return ((struct taken *)ctx)->done;
}

/* One in the midst is left out; the last one comes, after those before it, and once. */
static void the_last_report_is_never_lost(void **state)
{
    (void)state;
    struct sq_loop *loop;
    struct sq_mailbox *mailbox;
    struct taken t = {.n = 0};
    assert_int_equal(sq_loop_new(NULL, &loop), 0);
    assert_int_equal(sq_mailbox_create(loop, 2, take, &t, &mailbox), 0);
    send_second(mailbox, 1, false, true);
    send_second(mailbox, 2, false, false);
    send_second(mailbox, 3, false, true);
    send_second(mailbox, 4, true, false);
    assert_true(rig_until(loop, is_done, &t, 5000));
    assert_int_equal(t.n, 3);
    assert_true(t.seconds[0] == 1 && t.seconds[1] == 3 && t.seconds[2] == 4);
    sq_mailbox_close(mailbox);
    sq_loop_free(loop);
}

/* The run may be gone with its last word, or before posted ones are told. */
static void closed_in_between(void **state)
{
    (void)state;
    struct sq_loop *loop;
    struct taken t = {.n = 0};
    assert_int_equal(sq_loop_new(NULL, &loop), 0);
    assert_int_equal(sq_mailbox_create(loop, 2, take, &t, &t.mailbox), 0);
    send_second(t.mailbox, 1, true, false);
    assert_true(rig_until(loop, is_done, &t, 5000));
    assert_null(t.mailbox);

    struct sq_mailbox *mailbox;
    t = (struct taken){.n = 0};
    assert_int_equal(sq_mailbox_create(loop, 2, take, &t, &mailbox), 0);
    send_second(mailbox, 1, false, true);
    sq_mailbox_close(mailbox);
    assert_int_equal(sq_loop_run_once(loop, 0), 0);
    assert_int_equal(t.n, 0);
    sq_loop_free(loop);
}

static void making_one_without_memory(void **state)
{
    (void)state;
    struct sq_loop *loop;
    struct sq_mailbox *mailbox = NULL;
    assert_int_equal(sq_loop_new(NULL, &loop), 0);
    sq_mem_fail_at(1);
    assert_int_equal(sq_mailbox_create(loop, 1, take, NULL, &mailbox), SQ_ERR_NOMEM);
    sq_mem_fail_at(0);
    assert_null(mailbox);
    sq_loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_report_is_never_lost),
        cmocka_unit_test(closed_in_between),
        cmocka_unit_test(making_one_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
