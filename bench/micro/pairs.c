/* Pairs of endpoints in one thread, over loopback sockets, with audio and video both ways: where
 * the CPU time and the memory of a peer go, without signalling. For perf and callgrind; the figures
 * that count come from bench/run.sh. bench_pairs PAIRS SECONDS [audio] [cm] */
#include "base/mem.h"
#include "base/time.h"
#include "media/clip.h"
#include "net/net.h"
#include "net/rlimit.h"
#include "run/endpoint.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RAMP_NS (3 * SQ_NS_PER_SEC)

struct pair {
    struct sq_endpoint *a, *b;
};

static const struct sq_endpoint_ops ops = {0};

static long rss_kb(void)
{
    FILE *f = fopen("/proc/self/statm", "re");
    long pages = 0;
    long resident = 0;
    if (!f || fscanf(f, "%ld %ld", &pages, &resident) != 2) {
        resident = 0;
    }
    if (f) {
        fclose(f);
    }
    return resident * 4;
}

static int add_tracks(struct sq_peer *peer, const struct sq_clip *clip, bool video)
{
    int err = sq_peer_add_track(peer, SQ_MEDIA_AUDIO, SQ_DIR_SENDRECV, clip, NULL);
    if (!err && video) {
        err = sq_peer_add_track(peer, SQ_MEDIA_VIDEO, SQ_DIR_SENDRECV, clip, NULL);
    }
    return err;
}

static int connect_pair(struct sq_carrier *carrier, const struct sq_clip *clip, bool video,
                        struct pair *pair)
{
    const struct sq_peer_config config = {0};
    uint64_t now_ns = sq_loop_refresh_now(sq_carrier_loop(carrier));
    char why[SQ_PEER_TEXT_MAX];
    char *offer = NULL;
    char *answer = NULL;
    int err = sq_endpoint_create(carrier, &config, NULL, &ops, NULL, &pair->a);
    err = err ? err : sq_endpoint_create(carrier, &config, NULL, &ops, NULL, &pair->b);
    if (err) {
        return err;
    }
    struct sq_peer *a = sq_endpoint_peer(pair->a);
    struct sq_peer *b = sq_endpoint_peer(pair->b);
    err = add_tracks(a, clip, video);
    err = err ? err : add_tracks(b, clip, video);
    err = err ? err : sq_peer_create_offer(a, now_ns, false, &offer, why);
    err = err ? err : sq_peer_set_remote(b, now_ns, SQ_SDP_OFFER, offer, why);
    err = err ? err : sq_peer_create_answer(b, now_ns, &answer, why);
    err = err ? err : sq_peer_set_remote(a, now_ns, SQ_SDP_ANSWER, answer, why);
    sq_free(offer);
    sq_free(answer);
    return err;
}

/* Everything from an empty peer to SRTP keys, and nothing else. */
static int measure_setup(struct sq_carrier *carrier, size_t n)
{
    struct pair *pairs = calloc(n, sizeof(*pairs));
    int err = pairs ? 0 : SQ_ERR_NOMEM;
    uint64_t cpu_ns = sq_thread_cpu_ns();
    size_t up = 0;
    for (size_t i = 0; !err && i < n; i++) {
        err = connect_pair(carrier, NULL, true, &pairs[i]);
        while (!err && sq_peer_state(sq_endpoint_peer(pairs[i].a)) == SQ_PEER_CONNECTING) {
            err = sq_loop_run_once(sq_carrier_loop(carrier), SQ_NS_PER_MS);
        }
        up += !err && sq_peer_state(sq_endpoint_peer(pairs[i].a)) == SQ_PEER_CONNECTED;
    }
    cpu_ns = sq_thread_cpu_ns() - cpu_ns;
    printf("{\"pairs\":%zu,\"connected\":%zu,\"setup_us\":%.1f}\n", n, up,
           (double)cpu_ns / 1e3 / 2 / (double)n);
    free(pairs);
    return err;
}

static int run_for(struct sq_loop *loop, uint64_t ns)
{
    uint64_t end_ns = sq_clock_ns() + ns;
    int err = 0;
    while (!err && sq_clock_ns() < end_ns) {
        err = sq_loop_run_once(loop, SQ_NS_PER_MS);
    }
    return err;
}

static int measure(struct sq_carrier *carrier, const struct sq_clip *clip, size_t n, double seconds,
                   bool video)
{
    struct pair *pairs = calloc(n, sizeof(*pairs));
    long before_kb = rss_kb();
    uint64_t setup_ns = sq_thread_cpu_ns();
    int err = pairs ? 0 : SQ_ERR_NOMEM;
    for (size_t i = 0; !err && i < n; i++) {
        err = connect_pair(carrier, clip, video, &pairs[i]);
        err = err ? err : run_for(sq_carrier_loop(carrier), 2 * SQ_NS_PER_MS);
    }
    err = err ? err : run_for(sq_carrier_loop(carrier), RAMP_NS);
    setup_ns = sq_thread_cpu_ns() - setup_ns;
    err = err ? err : run_for(sq_carrier_loop(carrier), 6 * SQ_NS_PER_SEC); /* set-up is over */
    struct sq_carrier_counters at = *sq_carrier_counters(carrier);
    uint64_t cpu_ns = sq_thread_cpu_ns();
    err = err ? err : run_for(sq_carrier_loop(carrier), (uint64_t)(seconds * 1e9));
    cpu_ns = sq_thread_cpu_ns() - cpu_ns;
    const struct sq_carrier_counters *now = sq_carrier_counters(carrier);
    double peers = 2 * (double)n;
    printf("peers %.0f: %.0f us CPU a peer-second, %.1f datagrams/s sent a peer, %.1f KB a peer, "
           "%.2f ms CPU of set-up and %.1f s of media a peer\n",
           peers, (double)cpu_ns / 1e3 / peers / seconds,
           (double)(now->datagrams_sent - at.datagrams_sent) / peers / seconds,
           (double)(rss_kb() - before_kb) / peers, (double)setup_ns / 1e6 / peers,
           (double)RAMP_NS / 1e9);
    free(pairs);
    return err;
}

int main(int argc, char **argv)
{
    size_t n = argc > 1 ? (size_t)strtoul(argv[1], NULL, 10) : 50;
    double seconds = argc > 2 ? strtod(argv[2], NULL) : 10;
    bool video = true;
    bool setup = false;
    struct sq_carrier_config config = {.seed = 1, .addrs_len = 1};
    struct sq_addr addr;
    for (int i = 3; i < argc; i++) {
        setup = setup || strcmp(argv[i], "setup") == 0;
        video = video && strcmp(argv[i], "audio") != 0;
        config.prefer_cm = config.prefer_cm || strcmp(argv[i], "cm") == 0;
    }
    char path[SQ_CLIP_PATH_MAX];
    char why[SQ_CLIP_WHY_MAX] = "no clip: run it from the source tree";
    struct sq_clip *clip = NULL;
    struct sq_loop *loop = NULL;
    struct sq_carrier *carrier = NULL;
    uint64_t limit;
    config.addrs = &addr;
    int err = sq_addr_parse("127.0.0.1", 0, &addr);
    err = err ? err : sq_raise_fd_limit(2 * n + 100, &limit);
    err = err ? err : sq_net_init();
    err = err ? err : sq_clip_builtin("default", path);
    err = err ? err : sq_clip_open(path, 0, &clip, why);
    err = err ? err : sq_loop_new(NULL, &loop);
    err = err ? err : sq_carrier_create(loop, &config, &carrier);
    if (!err) {
        err = setup ? measure_setup(carrier, n) : measure(carrier, clip, n, seconds, video);
    }
    if (err) {
        fprintf(stderr, "bench_pairs: %s (%s)\n", sq_err_name(err), why);
    }
    sq_carrier_destroy(carrier);
    sq_loop_free(loop);
    sq_clip_close(clip);
    sq_net_cleanup();
    return err ? 1 : 0;
}
