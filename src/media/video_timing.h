/* When a receiver shows a video frame: the jitter estimate and the play-out delay of libwebrtc
 * (modules/video_coding/timing), so that freezes and delays are those that a browser's user sees.
 * Decoding is taken to cost no time. Nothing allocates; about 100 bytes a stream. */
#ifndef SQ_MEDIA_VIDEO_TIMING_H
#define SQ_MEDIA_VIDEO_TIMING_H

#include <stdbool.h>
#include <stdint.h>

#define SQ_VIDEO_CLOCK_HZ 90000

struct sq_video_timing {
    /* Delay of a frame over the one before it = slope * growth of its size + noise. The slope comes
     * from a Kalman filter, the noise from a running mean and variance. Milliseconds, bytes. */
    float slope, offset;
    float cov[3]; /* of slope; of both; of offset */
    float noise_mean, noise_var;
    float size_mean, size_var, size_max, size_before;
    float fps;
    uint16_t noise_count, startup;
    float jitter_ms; /* the estimate */
    float delay_ms;  /* what play-out waits now: goes towards the estimate slowly */

    bool started;
    uint32_t last_timestamp;
    uint64_t base_ns;
    uint64_t received_before_ns;
    int64_t media_us;  /* from the first time-stamp to the last */
    double transit_us; /* mean of arrival less media time */
    uint32_t transit_count;
};

void sq_video_timing_init(struct sq_video_timing *t);
/* The sender's clock begins anew; the estimate of the path's jitter stays. */
void sq_video_timing_restart(struct sq_video_timing *t);

/* A frame of `bytes` whose last packet came at received_ns, and that could be decoded at
 * decodable_ns (or later than received_ns, where it waited for another). `repaired`: it waited for
 * a packet that was sent again, so its delay says nothing about jitter. Gives when it leaves the
 * buffer: decodable_ns at the least. Call it in the order of decoding. */
uint64_t sq_video_timing_frame(struct sq_video_timing *t, uint32_t timestamp, uint32_t bytes,
                               uint64_t received_ns, uint64_t decodable_ns, bool repaired);

#endif
