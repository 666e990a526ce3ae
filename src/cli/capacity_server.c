#include "cli/capacity_server.h"

#include "base/time.h"
#include "lab/lab.h"
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#define TIMEOUT_NS (5 * SQ_NS_PER_SEC)
#define CORES_TEXT 128

static void take(struct sq_capacity_server *s, const struct sq_server_sample *sample)
{
    if (s->holding) {
        sq_server_load_add(&s->load, sq_clock_ns(), sample);
    }
}

static void on_answer(void *ctx, const struct sq_http_response *r)
{
    struct sq_capacity_server *s = ctx;
    struct sq_server_sample sample;
    s->request = NULL;
    s->answered = true;
    s->why[0] = '\0';
    if (r->err) {
        snprintf(s->why, sizeof(s->why), "%s", r->text);
    } else if (r->status != 200) {
        snprintf(s->why, sizeof(s->why), "it answers with status %d", r->status);
    } else if (sq_server_sample_metrics(r->body, &sample) != 0) {
        snprintf(s->why, sizeof(s->why), "it tells no process_cpu_seconds_total");
    } else {
        take(s, &sample);
    }
    s->unanswered += s->why[0] != '\0';
    if (!s->holding) {
        sq_loop_stop(s->loop); /* of sq_capacity_server_start */
    }
}

static int ask(struct sq_capacity_server *s)
{
    const struct sq_http_options options = {
        .method = "GET", .url = s->url, .timeout_ns = TIMEOUT_NS};
    return s->request ? 0 : sq_http_start(s->loop, &options, on_answer, s, &s->request);
}

int sq_capacity_server_start(struct sq_capacity_server *s, char *why, size_t why_room)
{
    struct sq_server_sample sample;
    sq_server_load_begin(&s->load);
    s->cores_first_s = s->cores_last_s = NAN;
    if (s->pid && sq_server_sample_pid("/proc", s->pid, &sample) != 0) {
        snprintf(why, why_room, "--server-pid %llu: there is no such process here",
                 (unsigned long long)s->pid);
        return SQ_ERR_INVALID;
    }
    if (!s->url) {
        return 0;
    }
    int err = ask(s);
    while (!err && !s->answered) {
        err = sq_loop_run(s->loop);
    }
    if (err || s->why[0]) {
        snprintf(why, why_room, "--server-metrics %.*s: %s", sq_url_shown_len(s->url), s->url,
                 err ? sq_err_name(err) : s->why);
        return SQ_ERR_INVALID;
    }
    return 0;
}

/* What all programs used of the server's cores by now, and Squall where it may run on them. */
static void sample_cores(const struct sq_capacity_server *s, double *ret_cores_s, double *ret_own_s)
{
    bool cores[CPU_SETSIZE] = {false};
    cpu_set_t own, theirs, both;
    struct rusage used;
    *ret_cores_s = NAN;
    *ret_own_s = 0;
    if (!s->pid || sched_getaffinity((pid_t)s->pid, sizeof(theirs), &theirs) != 0 ||
        sched_getaffinity(0, sizeof(own), &own) != 0) {
        return;
    }
    CPU_AND(&both, &own, &theirs);
    for (size_t i = 0; i < CPU_SETSIZE; i++) {
        cores[i] = CPU_ISSET(i, &theirs);
    }
    if (sq_server_sample_cores("/proc", cores, CPU_SETSIZE, ret_cores_s) == 0 &&
        CPU_COUNT(&both) > 0 && getrusage(RUSAGE_SELF, &used) == 0) {
        *ret_own_s = (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
                     (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
    }
}

/* Of a core, on the server's: neither its own nor Squall's. */
static double others_percent(const struct sq_capacity_server *s)
{
    double window_s = (double)(s->load.last_ns - s->load.first_ns) / 1e9;
    double all_s = s->cores_last_s - s->cores_first_s;
    double known_s = (s->own_last_s - s->own_first_s) + (s->load.last.cpu_s - s->load.first.cpu_s);
    return s->load.samples > 1 && window_s > 0 ? fmax(100 * (all_s - known_s) / window_s, 0) : NAN;
}

void sq_capacity_server_hold(struct sq_capacity_server *s)
{
    sq_server_load_begin(&s->load);
    s->holding = true;
    sample_cores(s, &s->cores_first_s, &s->own_first_s);
    sq_capacity_server_second(s);
}

void sq_capacity_server_second(struct sq_capacity_server *s)
{
    struct sq_server_sample sample;
    struct sq_lab_counters counters;
    if (s->pid) {
        s->gone = sq_server_sample_pid("/proc", s->pid, &sample) != 0;
        if (!s->gone && s->holding) {
            take(s, &sample);
            sample_cores(s, &s->cores_last_s, &s->own_last_s);
        }
    } else if (s->url && s->holding) {
        s->unanswered += ask(s) != 0;
    } else if (s->lab && s->holding && sq_lab_get_counters(s->lab, &counters) == 0) {
        take(s, &(struct sq_server_sample){(double)counters.cpu_ns / 1e9, NAN});
    }
}

bool sq_capacity_server_is_gone(struct sq_capacity_server *s)
{
    struct sq_server_sample sample;
    s->gone = s->gone || (s->pid && sq_server_sample_pid("/proc", s->pid, &sample) != 0);
    return s->gone;
}

void sq_capacity_server_read(struct sq_capacity_server *s, struct sq_capacity_level *level)
{
    level->server_cpu_percent = sq_server_load_percent(&s->load);
    level->server_rss_bytes = s->load.rss_max_bytes;
    if (s->pid && s->load.samples > 1) {
        s->busy = s->busy || s->load.last.cpu_s > s->load.first.cpu_s;
        if (!s->busy && !sq_server_children("/proc", s->pid, s->children, sizeof(s->children))) {
            s->children[0] = '\0';
        }
    }
    level->others_percent = isnan(s->cores_first_s) ? NAN : others_percent(s);
    sq_server_load_begin(&s->load);
    sq_http_cancel(s->request);
    s->request = NULL;
    s->holding = false;
}

void sq_capacity_server_stop(struct sq_capacity_server *s)
{
    sq_http_cancel(s->request);
    s->request = NULL;
}

/* ---- Whose cores ---- */

/* "0-3,6" */
static void put_cores(const cpu_set_t *set, char text[static CORES_TEXT])
{
    size_t at = 0;
    text[0] = '\0';
    for (int i = 0; i < CPU_SETSIZE && at < CORES_TEXT - 16; i++) {
        int end = i;
        while (end < CPU_SETSIZE && CPU_ISSET(end, set)) {
            end++;
        }
        if (end > i) {
            at += (size_t)snprintf(text + at, CORES_TEXT - at, "%s%d", at > 0 ? "," : "", i);
            if (end > i + 1) {
                at += (size_t)snprintf(text + at, CORES_TEXT - at, "-%d", end - 1);
            }
            i = end;
        }
    }
}

static bool is_loopback(const struct sq_plan *plan)
{
    for (size_t i = 0; i < plan->groups_len; i++) {
        const char *host = plan->groups[i].target->host;
        if (!plan->groups[i].host_of_user &&
            (strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0 ||
             strcmp(host, "localhost") == 0)) {
            return true;
        }
    }
    return false;
}

static void note_shared(const struct sq_capacity_server *s, const cpu_set_t *own, const char *cores,
                        struct sq_capacity *c)
{
    cpu_set_t theirs, both;
    char at[CORES_TEXT];
    if (sched_getaffinity((pid_t)s->pid, sizeof(theirs), &theirs) != 0) {
        return;
    }
    CPU_AND(&both, own, &theirs);
    put_cores(&theirs, at);
    if (CPU_COUNT(&both) > 0) {
        sq_capacity_note(c,
                         "The server (process %llu, cores %s) and Squall (cores %s) are on the "
                         "same machine and compete for its cores: with one for each the number "
                         "would be higher. 'taskset' gives each its own.",
                         (unsigned long long)s->pid, at, cores);
    } else {
        sq_capacity_note(
            c,
            "The server (process %llu, core %s) and Squall (core %s) are on the same "
            "machine, with no core in common; caches and the network stack they share.",
            (unsigned long long)s->pid, at, cores);
    }
}

/* A shell that started the server is not the server. */
static void note_idle(const struct sq_capacity_server *s, struct sq_capacity *c)
{
    char command[SQ_SERVER_COMMAND_MAX];
    if (s->pid && !s->busy && s->children[0]) {
        sq_server_command("/proc", s->pid, command);
        sq_capacity_note(c,
                         "The process of --server-pid, %llu (%s), used no CPU at all while peers "
                         "were there, but has started others: %s; if one of them is the server, "
                         "give its number.",
                         (unsigned long long)s->pid, command, s->children);
    }
}

void sq_capacity_server_note(const struct sq_capacity_server *s, const struct sq_plan *plan,
                             struct sq_capacity *c)
{
    cpu_set_t own;
    char cores[CORES_TEXT];
    note_idle(s, c);
    if (sched_getaffinity(0, sizeof(own), &own) != 0) {
        return;
    }
    put_cores(&own, cores);
    if (s->lab) {
        sq_capacity_note(
            c,
            "The lab is a thread of Squall's own process, on the same cores (%s): the "
            "two compete. This shows how a search goes, and is no measure of a server.",
            cores);
    } else if (s->pid) {
        note_shared(s, &own, cores, c);
    } else if (is_loopback(plan)) {
        sq_capacity_note(c,
                         "The server is on this machine, and may run on Squall's cores (%s); "
                         "--server-pid tells whether the two compete.",
                         cores);
    }
}
