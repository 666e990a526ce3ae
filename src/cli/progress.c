#include "cli/progress.h"

#include "base/str.h"
#include "report/escape.h"
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define PLAIN_EVERY_S 5
#define BAR_WIDTH     30

#define BOLD  "\033[1m"
#define DIM   "\033[2m"
#define RED   "\033[31m"
#define GREEN "\033[32m"
#define RESET "\033[0m"

void sq_progress_init(struct sq_progress *p, const char *target, bool live_wanted, bool quiet)
{
    *p = (struct sq_progress){
        .live = live_wanted && !quiet && isatty(STDERR_FILENO), .quiet = quiet, .target = target};
}

/* ---- Pieces ---- */

/* A number of kbit/s in the unit that suits it. */
static const char *rate_text(double kbps, char out[static 24])
{
    if (isnan(kbps)) {
        snprintf(out, 24, "-");
    } else if (kbps >= 1e6) {
        snprintf(out, 24, "%.2f Gbit/s", kbps / 1e6);
    } else if (kbps >= 1e3) {
        snprintf(out, 24, "%.1f Mbit/s", kbps / 1e3);
    } else {
        snprintf(out, 24, "%.0f kbit/s", kbps);
    }
    return out;
}

static const char *number_text(double value, const char *unit, char out[static 24])
{
    if (isnan(value)) {
        snprintf(out, 24, "-");
    } else {
        snprintf(out, 24, value < 10 ? "%.2f%s" : "%.0f%s", value, unit);
    }
    return out;
}

static void add_causes(struct sq_buf *b, const struct sq_timeline_row *row)
{
    const char *before = " (";
    for (int i = 0; i < SQ_FAILURE_COUNT; i++) {
        if (row->failed_by_cause[i]) {
            sq_buf_printf(b, "%s%s %llu", before, sq_failure_name((enum sq_failure)i),
                          (unsigned long long)row->failed_by_cause[i]);
            before = ", ";
        }
    }
    if (before[0] == ',') {
        sq_buf_puts(b, ")");
    }
}

static void add_bar(struct sq_buf *b, double share)
{
    int full = (int)lround(fmin(fmax(share, 0), 1) * BAR_WIDTH);
    for (int i = 0; i < BAR_WIDTH; i++) {
        sq_buf_puts(b, i < full ? "█" : "░");
    }
}

/* ---- Live ---- */

static void add_head(struct sq_buf *b, const struct sq_progress *p, const struct sq_run_live *live)
{
    const struct sq_plan *plan = live->plan;
    char left[32];
    char duration[32];
    double total_s = (double)plan->duration_ns / 1e9;
    sq_buf_puts(b, BOLD "squall" RESET " ");
    sq_escape_terminal(b, p->target);
    sq_buf_puts(b, "   ");
    if (total_s > 0) {
        add_bar(b, live->row->t_s / total_s);
    }
    sq_buf_printf(b, " %s", sq_format_duration((uint64_t)(live->row->t_s * 1e9), left));
    if (total_s > 0) {
        sq_buf_printf(b, " of %s", sq_format_duration(plan->duration_ns, duration));
    }
    sq_buf_printf(b, "%s\n\n",
                  live->draining ? "   leaving…"
                  : live->paused ? "   arrivals paused"
                                 : "");
}

/* In a closed model: how many there should be. */
static void add_wanted(struct sq_buf *b, const struct sq_timeline_row *row)
{
    if (!isnan(row->wanted)) {
        sq_buf_printf(b, " of %.0f wanted", fmax(0, ceil(row->wanted - 1e-6)));
    }
}

static void add_peers(struct sq_buf *b, const struct sq_run_live *live)
{
    const struct sq_timeline_row *row = live->row;
    sq_buf_printf(b, "  peers      " GREEN "%llu connected", (unsigned long long)row->connected);
    add_wanted(b, row);
    sq_buf_printf(b, RESET "  %llu left  %s%llu failed" RESET, (unsigned long long)row->ok,
                  row->failed ? RED : DIM, (unsigned long long)row->failed);
    add_causes(b, row);
    sq_buf_printf(b, "\n  arrivals   %llu begun of %llu due", (unsigned long long)row->started,
                  (unsigned long long)row->planned);
    if (!isnan(row->rate_per_s)) {
        sq_buf_printf(b, "  at %.3g/s", row->rate_per_s);
    }
    if (live->missed) {
        sq_buf_printf(b, "  " RED "%llu missed" RESET, (unsigned long long)live->missed);
    }
    char p50[24];
    char p95[24];
    sq_buf_printf(b, "\n  set-up     p50 %s  p95 %s\n",
                  number_text(live->setup_p50_ms > 0 ? live->setup_p50_ms : NAN, " ms", p50),
                  number_text(live->setup_p95_ms > 0 ? live->setup_p95_ms : NAN, " ms", p95));
}

static void add_flow(struct sq_buf *b, const struct sq_timeline_row *row, enum sq_flow flow,
                     const char *name)
{
    char rate[24];
    char loss[24];
    char jitter[24];
    if (row->bitrate_kbps[flow] > 0) {
        sq_buf_printf(b, "  %-10s %-14s loss %-8s jitter %-9s", name,
                      rate_text(row->bitrate_kbps[flow], rate),
                      number_text(row->loss_percent[flow], " %", loss),
                      number_text(row->jitter_ms[flow], " ms", jitter));
        const struct sq_latency_second *latency = &row->latency[flow == SQ_FLOW_VIDEO_IN];
        bool in = flow == SQ_FLOW_VIDEO_IN || flow == SQ_FLOW_AUDIO_IN;
        if (in && !isnan(latency->p95_ms)) {
            char p50[24];
            char p95[24];
            sq_buf_printf(b, " latency p50 %s p95 %s", number_text(latency->p50_ms, " ms", p50),
                          number_text(latency->p95_ms, " ms", p95));
        }
        if (flow == SQ_FLOW_VIDEO_IN && !isnan(row->fps_in)) {
            sq_buf_printf(b, " %.1f frames/s  freezes %llu", row->fps_in,
                          (unsigned long long)row->freezes);
        }
        sq_buf_puts(b, "\n");
    }
}

static void add_health(struct sq_buf *b, const struct sq_run_live *live)
{
    const struct sq_generator_health *h = &live->health;
    char late[24];
    char rtt[24];
    char rtt95[24];
    sq_buf_printf(b, "  round trip %s  p95 %s\n", number_text(live->row->rtt_ms, " ms", rtt),
                  number_text(live->row->rtt_p95_ms, " ms", rtt95));
    sq_buf_printf(b,
                  "  generator  %s" RESET
                  "  lateness p99 %s  cpu %.0f %% of a core  drops %llu  send errors %llu\n",
                  h->ok ? GREEN "ok" : RED "overloaded",
                  number_text(h->lateness_p99_ms, " ms", late), h->cpu_percent,
                  (unsigned long long)h->receive_drops, (unsigned long long)h->send_errors);
    if (live->example[0]) { /* words of the server's may be in it */
        sq_buf_puts(b, DIM "  latest failure: ");
        sq_escape_terminal(b, live->example);
        sq_buf_puts(b, RESET "\n");
    }
    enum sq_shape_kind kind = live->plan->shape ? live->plan->shape->kind : SQ_SHAPE_RATE;
    sq_buf_printf(b, DIM "\n  %sq end" RESET "\n",
                  kind == SQ_SHAPE_PEERS  ? "+ - * / peers   "
                  : kind == SQ_SHAPE_RATE ? "+ - * / rate   p pause   "
                                          : "");
}

static unsigned count_lines(const char *text)
{
    unsigned n = 0;
    for (; *text; text++) {
        n += *text == '\n';
    }
    return n;
}

/* Cuts each line at the terminal's width, so that none wraps and the place to redraw stays known.
 */
static void print_cut(const char *text)
{
    struct winsize size = {0};
    int width = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
    int column = 0;
    bool escape = false;
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '\033') {
            escape = true;
        }
        bool visible = !escape && c != '\n' && (c & 0xc0) != 0x80;
        column += visible;
        if (escape || c == '\n' || column <= width) {
            fputc(c, stderr);
        }
        if (escape && isalpha(c)) { /* ends it: all are of the form ESC [ number m */
            escape = false;
        }
        if (c == '\n') {
            column = 0;
        }
    }
}

void sq_progress_render(const struct sq_progress *p, const struct sq_run_live *live,
                        struct sq_buf *out)
{
    add_head(out, p, live);
    add_peers(out, live);
    add_flow(out, live->row, SQ_FLOW_VIDEO_IN, "video in");
    add_flow(out, live->row, SQ_FLOW_VIDEO_OUT, "video out");
    add_flow(out, live->row, SQ_FLOW_AUDIO_IN, "audio in");
    add_flow(out, live->row, SQ_FLOW_AUDIO_OUT, "audio out");
    add_health(out, live);
}

static void draw(struct sq_progress *p, const struct sq_run_live *live)
{
    struct sq_buf b = {0};
    sq_progress_render(p, live, &b);
    if (b.err == 0) {
        if (p->lines) {
            fprintf(stderr, "\033[%uA\033[J", p->lines);
        }
        print_cut(b.text);
        fflush(stderr);
        p->lines = count_lines(b.text);
    }
    sq_buf_free(&b);
}

/* ---- Plain ---- */

/* What flows; the loss is that of what comes in, or of what goes out where nothing comes in. */
static void add_line_media(struct sq_buf *b, const struct sq_timeline_row *row)
{
    char text[24];
    double in_kbps = row->bitrate_kbps[SQ_FLOW_VIDEO_IN] + row->bitrate_kbps[SQ_FLOW_AUDIO_IN];
    double out_kbps = row->bitrate_kbps[SQ_FLOW_VIDEO_OUT] + row->bitrate_kbps[SQ_FLOW_AUDIO_OUT];
    bool video_in = row->bitrate_kbps[SQ_FLOW_VIDEO_IN] > 0;
    double loss = row->loss_percent[video_in ? SQ_FLOW_VIDEO_IN : SQ_FLOW_VIDEO_OUT];
    if (in_kbps > 0) {
        sq_buf_printf(b, "; in %s", rate_text(in_kbps, text));
    }
    if (out_kbps > 0) {
        sq_buf_printf(b, "%s out %s", in_kbps > 0 ? "," : ";", rate_text(out_kbps, text));
    }
    if (!isnan(loss) && (in_kbps > 0 || out_kbps > 0)) {
        sq_buf_printf(b, ", video loss %s", number_text(loss, " %", text));
    }
}

static void print_line(const struct sq_run_live *live)
{
    const struct sq_timeline_row *row = live->row;
    struct sq_buf b = {0};
    char late[24];
    sq_buf_printf(&b, "%5.0f s  %llu begun", row->t_s, (unsigned long long)row->started);
    if (row->started + 1 < row->planned) { /* one is always about to begin */
        sq_buf_printf(&b, " (%llu due)", (unsigned long long)row->planned);
    }
    sq_buf_printf(&b, ", %llu connected", (unsigned long long)row->connected);
    add_wanted(&b, row);
    if (row->ok > 0) {
        sq_buf_printf(&b, ", %llu left", (unsigned long long)row->ok);
    }
    sq_buf_printf(&b, ", %llu failed", (unsigned long long)row->failed);
    add_causes(&b, row);
    add_line_media(&b, row);
    sq_buf_printf(&b, "; generator late p99 %s, cpu %.0f %%%s",
                  number_text(row->lateness_p99_ms, " ms", late), row->cpu_percent,
                  live->health.ok ? "" : " OVERLOADED");
    if (b.err == 0) {
        fprintf(stderr, "%s\n", b.text);
    }
    sq_buf_free(&b);
}

void sq_progress_second(struct sq_progress *p, const struct sq_run_live *live)
{
    if (p->quiet) {
        return;
    }
    if (p->live) {
        draw(p, live);
    } else if (p->seconds_shown++ % PLAIN_EVERY_S == 0) {
        print_line(live);
    }
}

void sq_progress_say(struct sq_progress *p, const char *text)
{
    if (!p->quiet) {
        fprintf(stderr, "%s\n", text);
        p->lines = 0;
    }
}

void sq_progress_end(struct sq_progress *p)
{
    if (p->live && p->lines) {
        fputc('\n', stderr);
    }
    p->lines = 0;
}
