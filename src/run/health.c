#include "run/health.h"

#include "stats/metrics.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define BUSY_SHARE      0.1
#define BURST_LATE_MS   50   /* a thread that is later than this may overrun a socket's buffer */
#define SCRIPT_SHARE    0.25 /* of the lateness: theirs is CPU time, and others may have some */
#define OWN_CPU_PERCENT 50   /* of a core: below, late timers are not the generator's own load */

static void blame(struct sq_generator_health *h, const char *fmt, ...) SQ_PRINTF(2, 3);
static void bounded(struct sq_generator_health *h, const char *fmt, ...) SQ_PRINTF(2, 3);

/* The first reason stands: later ones mostly follow from it. */
static void blame(struct sq_generator_health *h, const char *fmt, ...)
{
    if (!h->ok) {
        return;
    }
    h->ok = false;
    va_list args;
    va_start(args, fmt);
    vsnprintf(h->reason, sizeof(h->reason), fmt, args);
    va_end(args);
}

/* What bounds the throughput, one thing after the other. */
static void bounded(struct sq_generator_health *h, const char *fmt, ...)
{
    size_t len = strlen(h->note);
    if (len > 0) {
        len += (size_t)snprintf(h->note + len, sizeof(h->note) - len, ", and ");
    }
    va_list args;
    va_start(args, fmt);
    vsnprintf(h->note + len, sizeof(h->note) - len, fmt, args);
    va_end(args);
}

/* SCTP raises its rate until something gives way (RFC 9260, section 7.2), and on a short path that
 * is the generator itself: its socket buffers, or its core. Where nothing else comes than reliable
 * messages, as many as go through, its own limits bound the throughput and falsify nothing: they
 * are a note, and no reason for INVALID until an expectation fails (verdict.c). */
static bool fills_alone(const struct sq_plan *plan)
{
    for (size_t i = 0; i < plan->groups_len; i++) {
        const struct sq_plan_group *group = &plan->groups[i];
        const struct sq_channel_config *channel = &group->data.channel;
        if (!group->data.on || group->data.rate_per_s > 0 || channel->limit_retransmits ||
            channel->limit_lifetime || group->audio || group->video) {
            return false;
        }
    }
    return true;
}

/* Some of it is as many messages as go through. */
static bool fills(const struct sq_plan *plan)
{
    for (size_t i = 0; i < plan->groups_len; i++) {
        if (plan->groups[i].data.on && plan->groups[i].data.rate_per_s == 0) {
            return true;
        }
    }
    return false;
}

static double p99_of(const struct sq_hist *lateness)
{
    return sq_metric_value(SQ_METRIC_GENERATOR_LATENESS, (double)sq_hist_quantile(lateness, 0.99));
}

static void fill_lateness(const struct sq_health_input *in, struct sq_generator_health *h)
{
    h->lateness_p50_ms = h->lateness_p99_ms = h->lateness_max_ms = h->lateness_worst_ms = NAN;
    if (in->lateness && in->lateness->sums.count > 0) {
        enum sq_metric_id id = SQ_METRIC_GENERATOR_LATENESS;
        h->lateness_p50_ms = sq_metric_value(id, (double)sq_hist_quantile(in->lateness, 0.5));
        h->lateness_p99_ms = p99_of(in->lateness);
        h->lateness_max_ms = sq_metric_value(id, (double)in->lateness->sums.max);
    }
}

/* Of `lost` to `lost` and `rest` together: where nothing got through at all, the share is 1. */
static double share(uint64_t lost, uint64_t rest)
{
    return lost > 0 ? (double)lost / ((double)lost + (double)rest) : 0;
}

static bool carries_messages(const struct sq_timeline_row *row)
{
    return row->data.messages_out > 0 || row->data.messages_in > 0;
}

/* Scripts that took most of the core in most of the busy seconds are why they were busy. */
static bool scripts_filled(const struct sq_health_input *in, size_t busy, char text[static 160])
{
    bool known = in->script_place && in->script_place[0];
    snprintf(text, 160, "scripts took most of it%s%.80s%s", known ? " (" : "",
             known ? in->script_place : "", known ? ")" : "");
    return in->script_seconds > 0 && (double)in->script_seconds >= (double)busy / 2;
}

/* Busy counts where messages went: what else fills a core, handshakes say, is load like any. */
static void judge_cpu(const struct sq_health_input *in, struct sq_generator_health *h)
{
    const struct sq_plan *plan = in->plan;
    size_t busy = 0, filled = 0;
    for (size_t i = 0; i < in->timeline_count; i++) {
        const struct sq_timeline_row *row = &in->timeline[i];
        bool full = row->cpu_percent > plan->cpu_max_percent;
        busy += full;
        filled += full && fills_alone(plan) && carries_messages(row);
    }
    double many = fmax(BUSY_SHARE * (double)in->timeline_count, 1);
    if ((double)(busy - filled) >= many) {
        char scripts[160];
        blame(h, "a generator thread used over %.0f %% of its core in %zu of %zu seconds: %s",
              plan->cpu_max_percent, busy - filled, in->timeline_count,
              scripts_filled(in, busy - filled, scripts) ? scripts
                                                         : "use fewer peers or more --threads");
    } else if ((double)busy >= many) {
        bounded(h, "a generator thread used over %.0f %% of its core in %zu of %zu seconds",
                plan->cpu_max_percent, busy, in->timeline_count);
    }
}

/* Could this second's drops be the generator's doing? Where no timer was late, and no core busy, a
 * burst was larger than a socket's buffer: so it is where a service stands still and then sends all
 * at once, and anybody would lose it. Drops are counted within a second or two of their time. Of
 * messages without a rate that is not so: SCTP raises its rate until a buffer overflows, and the
 * first one on a short way is ours, however well we keep up. */
static bool could_be_ours(const struct sq_health_input *in, size_t second)
{
    size_t first = second > 2 ? second - 2 : 0;
    for (size_t i = first; i <= second; i++) {
        if (in->timeline[i].lateness_max_ms > BURST_LATE_MS ||
            in->timeline[i].cpu_percent > OWN_CPU_PERCENT) {
            return true;
        }
    }
    return false;
}

static uint64_t drops_by_bursts(const struct sq_health_input *in)
{
    uint64_t drops = 0;
    for (size_t i = 0; i < in->timeline_count && !fills(in->plan); i++) {
        drops += could_be_ours(in, i) ? 0 : in->timeline[i].receive_drops;
    }
    return drops < in->receive_drops ? drops : in->receive_drops;
}

/* What the generator dropped looks lost or late by the service's doing. */
static void judge_drops(const struct sq_health_input *in, struct sq_generator_health *h)
{
    const struct sq_plan *plan = in->plan;
    unsigned long long drops = in->receive_drops - drops_by_bursts(in);
    unsigned long long came = in->datagrams_received + in->receive_drops;
    if (share(drops, in->datagrams_received) <= plan->drops_max_share) {
        return;
    }
    if (fills_alone(plan)) {
        bounded(h,
                "the kernel dropped %llu of %llu datagrams at full socket buffers of the generator "
                "(they were sent again)",
                drops, came);
        return;
    }
    blame(h, "the kernel dropped %llu of %llu datagrams at full socket buffers of the generator%s",
          drops, came,
          fills(plan) ? ", which data channels without a rate (--data max) fill: give them one"
                      : "");
}

/* Scripts that had the thread for so long are why it was late. */
static bool scripts_did_it(const struct sq_health_input *in, double late_ms, char text[static 160])
{
    bool known = in->script_place && in->script_place[0];
    snprintf(text, 160, "scripts took %.0f ms at a stretch%s%.80s%s", in->script_ms,
             known ? " (" : "", known ? in->script_place : "", known ? ")" : "");
    return in->script_ms > 0 && in->script_ms >= late_ms * SCRIPT_SHARE;
}

static const char *why_late(const struct sq_health_input *in, const struct sq_generator_health *h,
                            double late_ms, char scripts[static 160])
{
    return scripts_did_it(in, late_ms, scripts) ? scripts
           : h->cpu_percent > OWN_CPU_PERCENT   ? "too little CPU for so many peers"
           : in->plan->realtime                 ? "other programs had the CPU"
                                : "other programs had the CPU (--realtime goes before them)";
}

/* A thread's peers are its own: one that is late among many is late for all of its peers. */
static void judge_lateness(const struct sq_health_input *in, struct sq_generator_health *h)
{
    const struct sq_hist *worst = in->worst_lateness ? in->worst_lateness : in->lateness;
    if (!worst || worst->sums.count == 0) {
        return;
    }
    /* The 99th percentile of a handful of timers is its worst one, and a hiccup at the start is no
     * verdict; but where the generator starves, few timers fire at all. */
    bool few = worst->sums.count < SQ_HEALTH_TIMERS_MIN;
    double max_ms = in->plan->lateness_p99_max_ms * (few ? SQ_HEALTH_FEW_FACTOR : 1);
    double p99_ms = p99_of(worst);
    char scripts[160];
    h->lateness_worst_ms = p99_ms;
    if (p99_ms > max_ms) {
        blame(h, "timers %swere %.1f ms late (p99; the bound is %.1f ms): %s",
              in->threads > 1 && p99_ms > h->lateness_p99_ms ? "of a generator thread " : "",
              p99_ms, max_ms, why_late(in, h, p99_ms, scripts));
    }
}

/* One moment among thousands of timers moves no percentile, and all that the service sent meanwhile
 * looks late. */
static void judge_standstill(const struct sq_health_input *in, struct sq_generator_health *h)
{
    double bound_ms =
        fmax(SQ_HEALTH_STANDSTILL_MS, SQ_HEALTH_STANDSTILL_FACTOR * in->plan->lateness_p99_max_ms);
    if (h->lateness_max_ms > bound_ms) {
        char scripts[160];
        bool by_scripts = scripts_did_it(in, h->lateness_max_ms, scripts);
        blame(h, "the generator stood still for %.1f s (the bound is %.1f s)%s%s",
              h->lateness_max_ms / 1e3, bound_ms / 1e3, by_scripts ? ": " : "",
              by_scripts ? scripts : "");
    }
}

/* Messages are due by this thread's clock alone, from when their channel is open: what a way loses
 * or holds up, and a channel that takes no more, skip none (user_data.c). */
static void judge_messages(const struct sq_health_input *in, struct sq_generator_health *h)
{
    char scripts[160], late[200] = "";
    if (share(in->skipped_messages, in->sent_messages) <= in->plan->drops_max_share) {
        return;
    }
    if (h->lateness_max_ms > 0) { /* NAN: not known */
        snprintf(late, sizeof(late), " (by %.0f ms): %s", h->lateness_max_ms,
                 why_late(in, h, h->lateness_max_ms, scripts));
    }
    blame(h, "%llu of %llu messages were not sent: the generator was too late for them%s",
          (unsigned long long)in->skipped_messages,
          (unsigned long long)in->skipped_messages + (unsigned long long)in->sent_messages, late);
}

void sq_health_judge(const struct sq_health_input *in, struct sq_generator_health *ret_health)
{
    struct sq_generator_health h = {.ok = true,
                                    .threads = in->threads,
                                    .send_errors = in->send_errors,
                                    .receive_drops = in->receive_drops};
    for (size_t i = 0; i < in->timeline_count; i++) {
        h.cpu_percent = fmax(h.cpu_percent, in->timeline[i].cpu_percent);
    }
    fill_lateness(in, &h);
    if (in->starved > 0) {
        blame(&h,
              "this machine had no sockets, ports or memory for %llu peers%s%s: raise its limits "
              "(ulimit -n, ip_local_port_range), give more addresses (--local-ip), or use fewer "
              "peers",
              (unsigned long long)in->starved, in->starved_errno ? ": " : "",
              in->starved_errno ? strerror(in->starved_errno) : "");
    }
    judge_lateness(in, &h);
    judge_standstill(in, &h);
    judge_cpu(in, &h);
    judge_drops(in, &h);
    if (share(in->send_errors, in->datagrams_sent) > in->plan->drops_max_share) {
        unsigned long long to_send = in->datagrams_sent + in->send_errors;
        blame(&h, "%llu of %llu datagrams could not be sent by the generator",
              (unsigned long long)in->send_errors, to_send);
    }
    judge_messages(in, &h);
    if (h.note[0]) {
        size_t len = strlen(h.note);
        snprintf(h.note + len, sizeof(h.note) - len,
                 ": the throughput that was measured is a lower bound of the service's");
    }
    *ret_health = h;
}

bool sq_health_of_second(const struct sq_plan *plan, const struct sq_timeline_row *row)
{
    bool filled = fills_alone(plan) && carries_messages(row);
    return row->lateness_p99_ms <= plan->lateness_p99_max_ms &&
           (filled || row->cpu_percent <= plan->cpu_max_percent);
}
