#include "run/mailbox.h"

#include "base/mem.h"
#include "base/time.h"
#include "net/loop.h"
#include <stdatomic.h>

#define LOOK_NS (200 * SQ_NS_PER_MS)

/* A shard's last report that could not be posted. Without it the run would wait for ever. */
struct last {
    struct sq_shard_report report;
    atomic_bool kept; /* the report is whole; by the shard's thread */
    bool seen;        /* by the loop's */
};

struct sq_mailbox {
    struct sq_loop *loop;
    void (*take)(void *ctx, const struct sq_shard_report *report); /* NULL once it is closed */
    void *ctx;
    atomic_uint holders; /* the owner, and each message */
    struct sq_timer look_timer;
    unsigned shards;
    struct last last[];
};

struct message {
    struct sq_mailbox *mailbox;
    struct sq_shard_report report;
};

static void let_go(struct sq_mailbox *mailbox)
{
    if (atomic_fetch_sub(&mailbox->holders, 1) == 1) {
        sq_free(mailbox);
    }
}

static void on_report(void *ctx)
{
    struct message *message = ctx;
    if (message->mailbox->take) {
        message->mailbox->take(message->mailbox->ctx, &message->report);
    }
    let_go(message->mailbox);
    sq_free(message);
}

void sq_mailbox_send(void *ctx, const struct sq_shard_report *report)
{
    struct sq_mailbox *mailbox = ctx;
    struct message *message = sq_malloc(sizeof(*message));
    if (message) {
        message->mailbox = mailbox;
        message->report = *report;
        atomic_fetch_add(&mailbox->holders, 1);
        if (sq_loop_post(mailbox->loop, on_report, message) == 0) {
            return;
        }
        let_go(mailbox);
        sq_free(message);
    }
    if (report->done) {
        struct last *last = &mailbox->last[report->shard];
        last->report = *report;
        atomic_store(&last->kept, true);
    }
}

/* What was posted before a last report comes before it: it waits for one more look. */
static void on_look(void *ctx, uint64_t now_ns)
{
    struct sq_mailbox *mailbox = ctx;
    sq_timer_start(sq_loop_timers(mailbox->loop), &mailbox->look_timer, now_ns + LOOK_NS);
    atomic_fetch_add(&mailbox->holders, 1); /* it may be closed by what it tells */
    for (unsigned i = 0; i < mailbox->shards; i++) {
        struct last *last = &mailbox->last[i];
        bool ripe = last->seen;
        last->seen = atomic_load(&last->kept);
        if (ripe && mailbox->take) {
            last->seen = false;
            atomic_store(&last->kept, false);
            mailbox->take(mailbox->ctx, &last->report);
        }
    }
    let_go(mailbox);
}

int sq_mailbox_create(struct sq_loop *loop, unsigned shards,
                      void (*take)(void *ctx, const struct sq_shard_report *report), void *ctx,
                      struct sq_mailbox **ret_mailbox)
{
    struct sq_mailbox *mailbox = sq_zalloc(sizeof(*mailbox) + shards * sizeof(struct last));
    if (!mailbox) {
        return SQ_ERR_NOMEM;
    }
    mailbox->loop = loop;
    mailbox->take = take;
    mailbox->ctx = ctx;
    mailbox->shards = shards;
    atomic_init(&mailbox->holders, 1);
    sq_timer_init(&mailbox->look_timer, on_look, mailbox);
    sq_timer_start(sq_loop_timers(loop), &mailbox->look_timer, sq_loop_now(loop) + LOOK_NS);
    *ret_mailbox = mailbox;
    return 0;
}

void sq_mailbox_close(struct sq_mailbox *mailbox)
{
    if (mailbox) {
        mailbox->take = NULL;
        sq_timer_stop(&mailbox->look_timer);
        let_go(mailbox);
    }
}
