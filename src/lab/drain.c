/* Draining: nobody new is let in, and who is there is sent away, one after the other. */
#include "base/time.h"
#include "lab/lab_int.h"
#include "net/loop.h"

#define TICK_NS (20 * SQ_NS_PER_MS)

static size_t count(const struct sq_lab *lab)
{
    size_t n = 0;
    for (const struct sq_lab_client *client = lab->clients; client; client = client->next) {
        n += client->ws && !client->closing;
    }
    for (size_t i = 0; i < lab->members_room; i++) {
        n += lab->members[i] && !lab->members[i]->client; /* by WHIP or WHEP */
    }
    return n;
}

static void send_away(struct sq_lab *lab, size_t n)
{
    struct sq_lab_client *next;
    for (struct sq_lab_client *client = lab->clients; client && n > 0; client = next) {
        next = client->next;
        if (client->ws && !client->closing) {
            sq_lab_client_fail(client, SQ_ROOM_CODE_GOING, "the lab is drained");
            n--;
        }
    }
    for (size_t i = 0; i < lab->members_room && n > 0; i++) {
        if (lab->members[i] && !lab->members[i]->client) {
            sq_lab_member_free(lab->members[i]);
            n--;
        }
    }
}

static void on_tick(void *ctx, uint64_t now_ns)
{
    struct sq_lab *lab = ctx;
    size_t here = count(lab);
    uint64_t left_ns = lab->drained_ns > now_ns ? lab->drained_ns - now_ns : 0;
    /* As many stay as time is left: the last ones go at the end of it. */
    size_t stay =
        left_ns
            ? (size_t)((double)lab->drain_members * (double)left_ns / (double)lab->drain_over_ns)
            : 0;
    send_away(lab, here > stay ? here - stay : 0);
    if (now_ns < lab->drained_ns) {
        sq_timer_start(sq_loop_timers(lab->loop), &lab->drain_timer, now_ns + TICK_NS);
    }
}

static void begin(void *ctx)
{
    struct sq_lab *lab = ctx;
    uint64_t now_ns = sq_lab_now(lab);
    lab->stopping = true;
    lab->drained_ns = now_ns + lab->drain_over_ns;
    lab->drain_members = count(lab);
    sq_timer_init(&lab->drain_timer, on_tick, lab);
    on_tick(lab, now_ns);
}

int sq_lab_drain(struct sq_lab *lab, uint64_t over_ns)
{
    lab->drain_over_ns = over_ns;
    return sq_loop_post(lab->loop, begin, lab);
}
