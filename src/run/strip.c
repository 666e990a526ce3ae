#include "run/strip.h"

#include "base/mem.h"
#include <math.h>
#include <string.h>

#define SECOND_MS 1000.0
#define AWAY_MAX  172800.0 /* seconds: two days, as of the time line */

static float mean(float a, unsigned weight_a, float b, unsigned weight_b)
{
    if (isnan(a) || isnan(b)) {
        return isnan(a) ? b : a;
    }
    return (a * (float)weight_a + b * (float)weight_b) / (float)(weight_a + weight_b);
}

/* `to` stands for `weight` seconds, `from` for `more`. */
static void join(struct sq_strip_point *to, unsigned weight, const struct sq_strip_point *from,
                 unsigned more)
{
    to->in_kbps = mean(to->in_kbps, weight, from->in_kbps, more);
    to->out_kbps = mean(to->out_kbps, weight, from->out_kbps, more);
    to->loss_percent = mean(to->loss_percent, weight, from->loss_percent, more);
    to->freezes += from->freezes;
}

static void halve(struct sq_strip *strip)
{
    for (size_t i = 0; i < strip->n / 2; i++) {
        struct sq_strip_point point = strip->points[2 * i];
        join(&point, 1, &strip->points[2 * i + 1], 1);
        strip->points[i] = point;
    }
    strip->n /= 2;
    strip->per_point *= 2;
    strip->in_last = strip->per_point;
}

static void add(struct sq_strip *strip, const struct sq_strip_point *second)
{
    if (strip->n > 0 && strip->in_last < strip->per_point) {
        join(&strip->points[strip->n - 1], strip->in_last, second, 1);
        strip->in_last++;
        return;
    }
    if (strip->n == SQ_STRIP_POINTS_MAX) {
        halve(strip);
    }
    strip->points[strip->n++] = *second;
    strip->in_last = 1;
}

int sq_strip_add(struct sq_strip *strip, double t_ms, const struct sq_strip_point *second)
{
    static const struct sq_strip_point silent = {.loss_percent = NAN};
    if (!strip->points) {
        strip->points = sq_malloc(SQ_STRIP_POINTS_MAX * sizeof(*strip->points));
        if (!strip->points) {
            return SQ_ERR_NOMEM;
        }
        strip->start_ms = t_ms - SECOND_MS;
        strip->per_point = strip->in_last = 1;
    }
    double end_ms = strip->n ? sq_strip_end_ms(strip, strip->n - 1) : strip->start_ms;
    double away = fmin(round((t_ms - end_ms) / SECOND_MS) - 1, AWAY_MAX);
    for (unsigned i = away > 0 ? (unsigned)away : 0; i > 0; i--) {
        add(strip, &silent);
    }
    add(strip, second);
    return 0;
}

double sq_strip_end_ms(const struct sq_strip *strip, size_t point)
{
    double seconds = (double)(point + 1) * strip->per_point;
    if (point + 1 == strip->n) {
        seconds -= strip->per_point - strip->in_last;
    }
    return strip->start_ms + seconds * SECOND_MS;
}

void sq_strip_clear(struct sq_strip *strip)
{
    sq_free(strip->points);
    memset(strip, 0, sizeof(*strip));
}
