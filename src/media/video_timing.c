/* Constants are those of libwebrtc's JitterEstimator, FrameDelayVariationKalmanFilter, VCMTiming
 * and TimestampExtrapolator. */
#include "media/video_timing.h"

#include "base/time.h"
#include <math.h>

#define SIZE_KEEP        0.97F   /* of the running mean and variance of sizes */
#define SIZE_MAX_KEEP    0.9999F /* the largest frame is forgotten so slowly */
#define STARTUP_FRAMES   5       /* frames whose sizes are averaged first */
#define OUTLIER_DELAY    15.0F   /* standard deviations */
#define OUTLIER_SIZE     3.0F
#define CLAMP_DEVIATIONS 3.5F
#define NOISE_COUNT_MAX  400
#define NOISE_DEVIATIONS 2.33F /* the 99th percentile */
#define NOISE_OFFSET_MS  30.0F
#define OS_JITTER_MS     10.0F
#define SLOPE_START      (1.0F / (512e3F / 8.0F)) /* ms a byte */
#define SLOPE_LEAST      1e-6F
#define SLOPE_DRIFT      2.5e-10F /* process noise */
#define OFFSET_DRIFT     1e-10F
#define JITTER_MOST_MS   10000.0F
#define DELAY_STEP       0.1 /* ms a ms: the delay changes by 100 ms a second at most */
#define TRANSIT_MOST     200 /* frames over which the mean transit is taken */
#define JUMP_US          3000000.0
#define HOLD_MOST_NS     (2 * SQ_NS_PER_SEC)

void sq_video_timing_init(struct sq_video_timing *t)
{
    *t = (struct sq_video_timing){.slope = SLOPE_START,
                                  .cov = {1e-4F, 0, 1e2F},
                                  .noise_var = 4,
                                  .size_mean = 500,
                                  .size_var = 100,
                                  .size_max = 500,
                                  .fps = 30,
                                  .noise_count = 1,
                                  .jitter_ms = 1 + OS_JITTER_MS};
}

void sq_video_timing_restart(struct sq_video_timing *t)
{
    t->started = false;
}

/* ---- jitter ---- */

static void learn_size(struct sq_video_timing *t, float bytes)
{
    if (t->startup < STARTUP_FRAMES) {
        t->startup++;
        t->size_mean += (bytes - t->size_mean) / t->startup;
    } else if (bytes < t->size_mean + 2 * sqrtf(t->size_var)) { /* key frames are no measure */
        t->size_mean = SIZE_KEEP * t->size_mean + (1 - SIZE_KEEP) * bytes;
    }
    float off = bytes - t->size_mean;
    t->size_var = fmaxf(SIZE_KEEP * t->size_var + (1 - SIZE_KEEP) * off * off, 1);
    t->size_max = fmaxf(SIZE_MAX_KEEP * t->size_max, bytes);
}

static void learn_noise(struct sq_video_timing *t, float deviation_ms)
{
    float keep = (float)(t->noise_count - 1) / (float)t->noise_count;
    if (t->noise_count < NOISE_COUNT_MAX) {
        t->noise_count++;
    }
    /* The filter has the same length in seconds whatever the frame rate. */
    keep = powf(keep, 30.0F / fmaxf(t->fps, 1));
    float off = deviation_ms - t->noise_mean;
    t->noise_mean = keep * t->noise_mean + (1 - keep) * deviation_ms;
    t->noise_var = fmaxf(keep * t->noise_var + (1 - keep) * off * off, 1);
}

/* One step of the filter: `delay_ms` was measured where the size grew by `grown`. */
static void learn_slope(struct sq_video_timing *t, float delay_ms, float grown)
{
    t->cov[0] += SLOPE_DRIFT;
    t->cov[2] += OFFSET_DRIFT;
    float h0 = t->cov[0] * grown + t->cov[1];
    float h1 = t->cov[1] * grown + t->cov[2];
    float sigma = fmaxf((300 * expf(-fabsf(grown) / t->size_max) + 1) * sqrtf(t->noise_var), 1);
    float scale = sigma + grown * h0 + h1;
    if (scale < 1e-9F) {
        return;
    }
    float gain0 = h0 / scale;
    float gain1 = h1 / scale;
    float residual = delay_ms - (grown * t->slope + t->offset);
    t->slope = fmaxf(t->slope + gain0 * residual, SLOPE_LEAST);
    t->offset += gain1 * residual;
    t->cov[0] -= gain0 * h0;
    t->cov[1] -= gain0 * h1;
    t->cov[2] -= gain1 * h1;
}

static void learn(struct sq_video_timing *t, float delay_ms, float bytes)
{
    float grown = bytes - t->size_before;
    learn_size(t, bytes);
    t->size_before = bytes;
    float spread = sqrtf(t->noise_var);
    float clamp = CLAMP_DEVIATIONS * spread + 0.5F;
    delay_ms = fmaxf(fminf(delay_ms, clamp), -clamp);
    float deviation = delay_ms - (grown * t->slope + t->offset);
    if (fabsf(deviation) < OUTLIER_DELAY * spread ||
        bytes > t->size_mean + OUTLIER_SIZE * sqrtf(t->size_var)) {
        learn_noise(t, deviation);
        if (grown > -0.25F * t->size_max) { /* else the link is congested: no measure of it */
            learn_slope(t, delay_ms, grown);
        }
    } else {
        learn_noise(t, deviation >= 0 ? OUTLIER_DELAY * spread : -OUTLIER_DELAY * spread);
    }
    float noise = fmaxf(NOISE_DEVIATIONS * sqrtf(t->noise_var) - NOISE_OFFSET_MS, 1);
    float jitter = t->slope * (t->size_max - t->size_mean) + noise;
    t->jitter_ms = fminf(fmaxf(jitter, 1), JITTER_MOST_MS) + OS_JITTER_MS;
}

/* ---- play-out ---- */

static void begin(struct sq_video_timing *t, uint32_t timestamp, uint32_t bytes,
                  uint64_t received_ns)
{
    t->started = true;
    t->last_timestamp = timestamp;
    t->base_ns = t->received_before_ns = received_ns;
    t->media_us = 0;
    t->transit_us = 0;
    t->transit_count = 1;
    t->size_before = (float)bytes;
    t->delay_ms = t->delay_ms > 0 ? t->delay_ms : t->jitter_ms;
}

/* The delay goes towards the jitter's estimate in small steps, so that nobody sees it. */
static void follow_jitter(struct sq_video_timing *t, float media_ms)
{
    float most = (float)DELAY_STEP * media_ms;
    float step = t->jitter_ms - t->delay_ms;
    t->delay_ms += fmaxf(fminf(step, most), -most);
}

uint64_t sq_video_timing_frame(struct sq_video_timing *t, uint32_t timestamp, uint32_t bytes,
                               uint64_t received_ns, uint64_t decodable_ns, bool repaired)
{
    if (!t->started) {
        begin(t, timestamp, bytes, received_ns);
        return decodable_ns;
    }
    int64_t media_us = (int64_t)(int32_t)(timestamp - t->last_timestamp) * 100 / 9;
    double transit_us =
        (double)(int64_t)(received_ns - t->base_ns) / 1e3 - (double)(t->media_us + media_us);
    if (media_us <= 0 || fabs(transit_us - t->transit_us) > JUMP_US) {
        begin(t, timestamp, bytes, received_ns);
        return decodable_ns;
    }
    t->media_us += media_us;
    t->last_timestamp = timestamp;
    t->fps += (1e6F / (float)media_us - t->fps) / 30;
    if (!repaired) {
        double gap_us = (double)(int64_t)(received_ns - t->received_before_ns) / 1e3;
        learn(t, (float)((gap_us - (double)media_us) / 1e3), (float)bytes);
        t->transit_count += t->transit_count < TRANSIT_MOST;
        t->transit_us += (transit_us - t->transit_us) / t->transit_count;
    }
    t->received_before_ns = received_ns;
    follow_jitter(t, (float)media_us / 1e3F);
    double leave_us = (double)t->media_us + t->transit_us + (double)t->delay_ms * 1e3;
    double now_us = (double)(int64_t)(decodable_ns - t->base_ns) / 1e3;
    if (leave_us <= now_us) {
        return decodable_ns;
    }
    uint64_t hold_ns = (uint64_t)((leave_us - now_us) * 1e3);
    return decodable_ns + sq_min_u64(hold_ns, HOLD_MOST_NS);
}
