/* A peer's bit rates over its life, as a small drawing that needs no script. */
#include "report/html_int.h"
#include <math.h>

#define WIDTH  600 /* of the drawing, in its own units: stretched to the page's */
#define HEIGHT 80
#define TOP    4

/* What of a point is drawn. */
enum rate { RATE_IN, RATE_OUT };

struct drawing {
    const struct sq_strip *strip;
    double from_ms, to_ms, most_kbps;
};

static double kbps_of(const struct sq_strip *strip, size_t i, enum rate rate)
{
    double kbps = rate == RATE_IN ? strip->points[i].in_kbps : strip->points[i].out_kbps;
    return isfinite(kbps) ? kbps : 0;
}

static double x_of(const struct drawing *d, double t_ms)
{
    return WIDTH * (t_ms - d->from_ms) / (d->to_ms - d->from_ms);
}

/* A point stands for the time since the one before: a step. */
static void put_line(const struct drawing *d, enum rate rate, const char *css, struct sq_buf *out)
{
    sq_buf_printf(out, "<path class=\"line %s\" d=\"M0 ", css);
    for (size_t i = 0; i < d->strip->n; i++) {
        double y = HEIGHT - (HEIGHT - TOP) * kbps_of(d->strip, i, rate) / d->most_kbps;
        sq_buf_printf(out, "%s%.1fH%.1f", i ? "V" : "", y, x_of(d, sq_strip_end_ms(d->strip, i)));
    }
    sq_buf_puts(out, "\"/>");
}

/* Bars of loss hang from the top: a tenth is the whole height. Lines are freezes. */
static void put_troubles(const struct drawing *d, struct sq_buf *out)
{
    double before_ms = d->from_ms;
    for (size_t i = 0; i < d->strip->n; i++) {
        const struct sq_strip_point *p = &d->strip->points[i];
        double end_ms = sq_strip_end_ms(d->strip, i);
        double x = x_of(d, before_ms);
        double width = x_of(d, end_ms) - x;
        if (isfinite(p->loss_percent) && p->loss_percent > 0) {
            sq_buf_printf(out, "<path class=\"lost\" d=\"M%.1f 0h%.1fv%.1fh-%.1fz\"/>", x, width,
                          HEIGHT * fmin(1, p->loss_percent / 10), width);
        }
        if (p->freezes > 0) {
            sq_buf_printf(out, "<path class=\"froze\" d=\"M%.1f 0V%d\"/>", x + width / 2, HEIGHT);
        }
        before_ms = end_ms;
    }
}

static void put_key(struct sq_buf *out, const char *css, const char *name)
{
    sq_buf_printf(out, "<li><i class=\"%s\"></i>%s ", css, name);
}

static void put_range(const struct sq_strip *strip, enum rate rate, struct sq_buf *out)
{
    double least = INFINITY, most = 0, sum = 0;
    for (size_t i = 0; i < strip->n; i++) {
        double kbps = kbps_of(strip, i, rate);
        least = fmin(least, kbps);
        most = fmax(most, kbps);
        sum += kbps;
    }
    sq_buf_puts(out, "<b>");
    sq_report_human_unit(out, sum / (double)strip->n, "kbit/s");
    sq_buf_puts(out, "</b> (");
    sq_report_human(out, least);
    sq_buf_puts(out, " to ");
    sq_report_human(out, most);
    sq_buf_puts(out, ")</li>");
}

/* The same in words and figures, for who does not see it. */
static void put_keys(const struct sq_strip *strip, struct sq_buf *out)
{
    double most = 0;
    unsigned long long freezes = 0;
    for (size_t i = 0; i < strip->n; i++) {
        double loss = strip->points[i].loss_percent;
        most = isfinite(loss) ? fmax(most, loss) : most;
        freezes += strip->points[i].freezes;
    }
    sq_buf_puts(out, "<ul class=\"keys\">");
    put_key(out, "in", "in");
    put_range(strip, RATE_IN, out);
    put_key(out, "out", "out");
    put_range(strip, RATE_OUT, out);
    if (most > 0) {
        put_key(out, "lost", "loss up to");
        sq_buf_puts(out, "<b>");
        sq_report_human_unit(out, most, "%");
        sq_buf_printf(out, "</b> in %s</li>", strip->per_point == 1 ? "a second" : "a step");
    }
    if (freezes > 0) {
        put_key(out, "froze", "freezes");
        sq_buf_printf(out, "<b>%llu</b></li>", freezes);
    }
    sq_buf_puts(out, "</ul>\n");
}

void sq_html_strip(const struct sq_strip *strip, struct sq_buf *out)
{
    if (strip->n == 0) {
        return;
    }
    struct drawing d = {.strip = strip, .from_ms = strip->start_ms, .most_kbps = 1};
    d.to_ms = fmax(sq_strip_end_ms(strip, strip->n - 1), d.from_ms + 1);
    for (size_t i = 0; i < strip->n; i++) {
        d.most_kbps =
            fmax(d.most_kbps, fmax(kbps_of(strip, i, RATE_IN), kbps_of(strip, i, RATE_OUT)));
    }
    sq_buf_puts(out, "<h3>Bit rates");
    if (strip->per_point > 1) {
        sq_buf_printf(out, ", in steps of %u s", strip->per_point);
    }
    sq_buf_printf(out,
                  "</h3><svg class=\"strip\" viewBox=\"0 0 %d %d\" preserveAspectRatio=\"none\" "
                  "aria-hidden=\"true\">",
                  WIDTH, HEIGHT);
    put_troubles(&d, out);
    put_line(&d, RATE_OUT, "out", out);
    put_line(&d, RATE_IN, "in", out);
    sq_buf_puts(out, "</svg><p class=\"ends\"><span>");
    sq_report_human_unit(out, d.from_ms / 1000, "s");
    sq_buf_puts(out, "</span><span>up to ");
    sq_report_human_unit(out, d.most_kbps, "kbit/s");
    sq_buf_puts(out, "</span><span>");
    sq_report_human_unit(out, d.to_ms / 1000, "s");
    sq_buf_puts(out, "</span></p>");
    put_keys(strip, out);
}
