/* A user's data channel: messages that bear their number and time go out at a steady rate, and
 * those of others, or its own that an echo sends back, are held against them. */
#include "base/mem.h"
#include "base/time.h"
#include "base/wire.h"
#include "net/loop.h"
#include "run/pace.h"
#include "run/user_int.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

#define MAGIC       0x53514431u /* "SQD1" */
#define SENDERS_MAX 256         /* told apart; messages of further ones are counted, not measured */
#define FULL_BYTES  (1024 * 1024) /* that wait where the rate is without limit */
#define LOW_BYTES   (256 * 1024)

/* What is heard of one sender. */
struct heard {
    uint32_t sender;
    uint32_t first, highest;
    uint64_t received;
};

struct sq_user_data {
    struct sq_user *user;
    struct sq_channel *channel; /* ours, once open */
    struct sq_timer timer;
    struct sq_pace pace; /* when messages are due */
    uint32_t next_number;
    uint64_t out, out_bytes, in, in_bytes;      /* messages since the start */
    uint64_t marked_out_bytes, marked_in_bytes; /* when the last sample was taken */
    uint64_t marked_in, marked_out, marked_expected, marked_received;
    uint64_t before_out_bytes, before_in_bytes; /* while the user was not up */
    double latency_ms, rtt_ms;                  /* sums */
    uint64_t latency_n, rtt_n;
    double seconds;
    uint64_t told_expected, told_received; /* in sessions that are over */
    struct heard *heard;                   /* in this one */
    size_t heard_len, heard_room;
    uint8_t *bytes; /* of a message */
};

static const struct sq_plan_data *plan_of(const struct sq_user_data *d)
{
    return &d->user->group->data;
}

/* ---- Out ---- */

static void write_message(struct sq_user_data *d, uint64_t now_ns)
{
    struct sq_wire w = sq_wire_writer(d->bytes, SQ_DATA_SIZE_MIN);
    sq_wire_put_u32(&w, MAGIC);
    sq_wire_put_u32(&w, plan_of(d)->nonce);
    sq_wire_put_u32(&w, (uint32_t)d->user->index);
    sq_wire_put_u32(&w, d->next_number);
    sq_wire_put_u64(&w, now_ns);
}

static void count_out(struct sq_user_data *d, size_t size)
{
    d->out++;
    d->out_bytes += size;
    d->user->env->tally->sent_messages++;
    d->user->env->second->data.messages_out++;
    d->user->env->second->data.bytes_out += size;
}

void sq_user_data_sent(struct sq_user *user, size_t bytes)
{
    if (user->data) {
        count_out(user->data, bytes);
    }
}

/* False where no more can be sent now, and the channel is gone where none ever can. */
static bool send_one(struct sq_user_data *d, uint64_t now_ns)
{
    char text[SQ_PEER_TEXT_MAX];
    size_t size = plan_of(d)->size_bytes;
    const struct sq_peer *rtc = sq_channel_peer(d->channel);
    write_message(d, now_ns);
    int err = sq_channel_send(d->channel, now_ns, true, d->bytes, size);
    /* Who connects to a limit that is too low fails at once: this one came with a later
     * description. */
    if (err == SQ_ERR_INVALID && sq_user_is_data_too_large(d->user, rtc, text)) {
        sq_user_fail(d->user, SQ_FAILURE_SIGNALING, text);
        return false;
    }
    if (err) {
        return false;
    }
    d->next_number++;
    count_out(d, size);
    return true;
}

static void fill(struct sq_user_data *d)
{
    uint64_t now_ns = sq_loop_now(d->user->env->loop);
    while (d->channel && sq_channel_buffered_bytes(d->channel) < FULL_BYTES &&
           send_one(d, now_ns)) {
    }
}

static void on_timer(void *ctx, uint64_t now_ns)
{
    struct sq_user_data *d = ctx;
    uint64_t skipped;
    uint64_t due = sq_pace_due(&d->pace, now_ns, &skipped);
    /* One that finds no room is lost, and counts: its number is not given again. One that this
     * thread is too late for is none of the way's doing. */
    d->user->env->tally->skipped_messages += skipped;
    for (; d->channel && due > 0; due--) {
        d->next_number += !send_one(d, now_ns);
    }
    if (d->channel) {
        sq_timer_start(sq_loop_timers(d->user->env->loop), &d->timer, sq_pace_next_ns(&d->pace));
    }
}

static void start(struct sq_user_data *d, struct sq_channel *channel)
{
    const struct sq_plan_data *plan = plan_of(d);
    uint64_t now_ns = sq_loop_now(d->user->env->loop);
    d->channel = channel;
    if (!d->user->want.send_data || plan->silent) {
        return;
    }
    if (plan->rate_per_s <= 0) {
        sq_channel_set_buffered_low(channel, LOW_BYTES);
        fill(d);
        return;
    }
    /* Users do not send in step. */
    double step = (double)(d->user->index * 37 % 100) / 100;
    sq_pace_init(&d->pace, now_ns + (uint64_t)(step * 1e9 / plan->rate_per_s), plan->rate_per_s);
    sq_timer_start(sq_loop_timers(d->user->env->loop), &d->timer, sq_pace_next_ns(&d->pace));
}

/* An adapter may need channels of its own, of another label. */
static bool is_for_messages(const struct sq_user_data *d, const struct sq_channel *channel)
{
    return strcmp(sq_channel_label(channel), plan_of(d)->channel.label) == 0;
}

/* ---- In ---- */

static struct heard *heard_of(struct sq_user_data *d, uint32_t sender, uint32_t number)
{
    for (size_t i = 0; i < d->heard_len; i++) {
        if (d->heard[i].sender == sender) {
            return &d->heard[i];
        }
    }
    if (d->heard_len == d->heard_room) {
        size_t room = d->heard_room ? 2 * d->heard_room : 4;
        struct heard *grown =
            room <= SENDERS_MAX ? sq_realloc(d->heard, room * sizeof(*grown)) : NULL;
        if (!grown) {
            return NULL;
        }
        d->heard = grown;
        d->heard_room = room;
    }
    struct heard *h = &d->heard[d->heard_len++];
    *h = (struct heard){.sender = sender, .first = number, .highest = number};
    return h;
}

/* False: somebody else's, whose clock is not ours. */
static bool measure(struct sq_user_data *d, struct sq_wire *w, uint64_t now_ns)
{
    struct sq_user *user = d->user;
    bool ours = sq_wire_u32(w) == MAGIC && sq_wire_u32(w) == plan_of(d)->nonce;
    uint32_t sender = sq_wire_u32(w);
    uint32_t number = sq_wire_u32(w);
    uint64_t sent_ns = sq_wire_u64(w);
    if (w->err || !ours || sent_ns > now_ns + SQ_NS_PER_SEC) {
        return false;
    }
    struct heard *h = heard_of(d, sender, number);
    if (h) {
        h->received++;
        h->first = number < h->first ? number : h->first;
        h->highest = number > h->highest ? number : h->highest;
    }
    double ms = now_ns > sent_ns ? (double)(now_ns - sent_ns) / 1e6 : 0;
    if (sender == (uint32_t)user->index) {
        sq_user_record(user, SQ_METRIC_DATA_RTT, ms);
        d->rtt_ms += ms;
        d->rtt_n++;
        user->env->second->data.rtt_ms_sum += ms;
        user->env->second->data.rtt_n++;
    } else {
        sq_user_record(user, SQ_METRIC_DATA_IN_LATENCY, ms);
        d->latency_ms += ms;
        d->latency_n++;
        user->env->second->data.latency_ms_sum += ms;
        user->env->second->data.latency_n++;
    }
    return true;
}

void sq_user_data_event(struct sq_user *user, const struct sq_peer_event *event)
{
    struct sq_user_data *d = user->data;
    if (!d) {
        return;
    }
    switch (event->type) {
    case SQ_PEER_EV_CHANNEL_OPEN:
        if (!event->from_remote && !d->channel && is_for_messages(d, event->channel)) {
            start(d, event->channel);
        }
        break;
    case SQ_PEER_EV_CHANNEL_MESSAGE: {
        struct sq_wire w = sq_wire_reader(event->data, event->data_len);
        d->in++;
        d->in_bytes += event->data_len;
        user->env->second->data.messages_in++;
        user->env->second->data.bytes_in += event->data_len;
        if (!measure(d, &w, event->now_ns)) {
            sq_user_steps_message(user, event);
        }
        break;
    }
    case SQ_PEER_EV_BUFFERED_LOW:
        if (event->channel == d->channel && plan_of(d)->rate_per_s <= 0 && !plan_of(d)->silent) {
            fill(d);
        }
        break;
    case SQ_PEER_EV_CHANNEL_CLOSING:
    case SQ_PEER_EV_CHANNEL_CLOSED:
        if (event->channel == d->channel) {
            sq_user_data_stop(user);
        }
        break;
    default:
        break;
    }
}

/* ---- Figures ---- */

static void count_expected(const struct sq_user_data *d, uint64_t *ret_expected,
                           uint64_t *ret_received)
{
    uint64_t expected = d->told_expected;
    uint64_t received = d->told_received;
    for (size_t i = 0; i < d->heard_len; i++) {
        expected += (uint64_t)d->heard[i].highest - d->heard[i].first + 1;
        received += d->heard[i].received;
    }
    *ret_expected = expected;
    *ret_received = received;
}

static double loss_percent(const struct sq_user_data *d)
{
    uint64_t expected, received;
    count_expected(d, &expected, &received);
    if (expected == 0) {
        return NAN;
    }
    return received < expected ? 100.0 * (double)(expected - received) / (double)expected : 0;
}

/* What passed before the user was up, or up again, is in the totals, and in no rate. */
void sq_user_data_begin(struct sq_user *user)
{
    struct sq_user_data *d = user->data;
    if (d) {
        d->before_out_bytes += d->out_bytes - d->marked_out_bytes;
        d->before_in_bytes += d->in_bytes - d->marked_in_bytes;
        d->marked_out_bytes = d->out_bytes;
        d->marked_in_bytes = d->in_bytes;
        d->marked_in = d->in;
        d->marked_out = d->out;
        count_expected(d, &d->marked_expected, &d->marked_received);
    }
}

/* What others send while it is away is not lost. */
void sq_user_data_away(struct sq_user *user)
{
    struct sq_user_data *d = user->data;
    if (d) {
        count_expected(d, &d->told_expected, &d->told_received);
        d->heard_len = 0;
    }
}

/* What this second adds to what is told once a peer. */
static void tell_parts(struct sq_user_data *d, uint64_t now_ns)
{
    struct sq_user *user = d->user;
    uint64_t expected, received;
    if (!user->slices) {
        return;
    }
    count_expected(d, &expected, &received);
    double missing =
        (double)(expected - d->marked_expected) - (double)(received - d->marked_received);
    sq_slices_part(user->env->slices, user->slices, SQ_METRIC_DATA_IN_LOSS, missing,
                   (double)(expected - d->marked_expected), user->sampled_ns, now_ns);
    sq_slices_part(user->env->slices, user->slices, SQ_METRIC_DATA_IN_MESSAGES,
                   (double)(d->in - d->marked_in), 0, user->sampled_ns, now_ns);
    sq_slices_part(user->env->slices, user->slices, SQ_METRIC_DATA_OUT_MESSAGES,
                   (double)(d->out - d->marked_out), 0, user->sampled_ns, now_ns);
    d->marked_expected = expected;
    d->marked_received = received;
    d->marked_in = d->in;
    d->marked_out = d->out;
}

void sq_user_data_sample(struct sq_user *user, double seconds, bool telling)
{
    struct sq_user_data *d = user->data;
    if (!d) {
        return;
    }
    uint64_t now_ns = sq_loop_now(user->env->loop);
    double out_kbit = (double)(d->out_bytes - d->marked_out_bytes) * 8 / 1e3;
    double in_kbit = (double)(d->in_bytes - d->marked_in_bytes) * 8 / 1e3;
    d->seconds += seconds;
    if (telling && d->channel && user->want.send_data && !plan_of(d)->silent) {
        sq_user_record_since(user, SQ_METRIC_DATA_OUT_THROUGHPUT, out_kbit / seconds,
                             user->sampled_ns, now_ns);
    }
    if (telling && (d->channel || d->in > 0)) {
        sq_user_record_since(user, SQ_METRIC_DATA_IN_THROUGHPUT, in_kbit / seconds,
                             user->sampled_ns, now_ns);
    }
    d->marked_out_bytes = d->out_bytes;
    d->marked_in_bytes = d->in_bytes;
    tell_parts(d, now_ns);
}

static double kbps(uint64_t bytes, double seconds)
{
    return seconds > 0 ? (double)bytes * 8 / 1e3 / seconds : NAN;
}

void sq_user_data_finish(struct sq_user *user)
{
    struct sq_user_data *d = user->data;
    if (!d || !user->row.connected) {
        return;
    }
    struct sq_data_totals *totals = &user->row.data;
    totals->messages_in = d->in;
    totals->messages_out = d->out;
    totals->bytes_in = d->in_bytes;
    totals->bytes_out = d->out_bytes;
    totals->loss_percent = loss_percent(d);
    totals->latency_ms = d->latency_n ? d->latency_ms / (double)d->latency_n : NAN;
    totals->rtt_ms = d->rtt_n ? d->rtt_ms / (double)d->rtt_n : NAN;
    totals->in_kbps = kbps(d->in_bytes - d->before_in_bytes, d->seconds);
    totals->out_kbps = kbps(d->out_bytes - d->before_out_bytes, d->seconds);
    sq_user_record(user, SQ_METRIC_DATA_IN_MESSAGES, (double)d->in);
    sq_user_record(user, SQ_METRIC_DATA_OUT_MESSAGES, (double)d->out);
    sq_user_record(user, SQ_METRIC_DATA_IN_LOSS, totals->loss_percent);
}

/* ---- Life ---- */

int sq_user_data_create(struct sq_user *user)
{
    const struct sq_plan_data *plan = &user->group->data;
    if (!plan->on) {
        return 0;
    }
    struct sq_user_data *d = sq_zalloc(sizeof(*d));
    uint8_t *bytes = sq_zalloc(plan->size_bytes);
    if (!d || !bytes) {
        sq_free(d);
        sq_free(bytes);
        return SQ_ERR_NOMEM;
    }
    d->user = user;
    d->bytes = bytes;
    sq_timer_init(&d->timer, on_timer, d);
    user->data = d;
    return 0;
}

void sq_user_data_stop(struct sq_user *user)
{
    if (user->data) {
        sq_timer_stop(&user->data->timer);
        user->data->channel = NULL;
    }
}

void sq_user_data_destroy(struct sq_user *user)
{
    struct sq_user_data *d = user->data;
    if (d) {
        sq_user_data_stop(user);
        sq_free(d->heard);
        sq_free(d->bytes);
        sq_free(d);
        user->data = NULL;
    }
}
