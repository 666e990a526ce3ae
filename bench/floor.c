/* bench_floor: N peers with a connected UDP socket each, in 1 ms slots, against a reflector on
 * another core. Prints one line of JSON: CPU µs a peer-second, and what came back. */
#include "floor.h"

#include "base/mem.h"
#include "base/time.h"
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define AUDIO_EVERY_MS   20 /* 50 packets/s */
#define FRAME_EVERY_MS   40 /* 25 frames/s */
#define FRAMES_A_SECOND  25
#define FRAMES_OF_FIVE   6 /* of 25 frames; the others have four packets: 106 packets/s, 1 Mbit/s */
#define PEERS_MAX        20000
#define SPARE_FILES      64
#define LATE_BUCKETS     1000 /* of 10 µs */
#define LATE_BUCKET_NS   10000
#define PAYLOAD_AUDIO    111
#define PAYLOAD_VIDEO    96
#define PAYLOAD_FEEDBACK 127
#define RTP_VERSION_BITS 0x80
#define RTP_MARKER_BIT   0x80

struct options {
    unsigned peers;
    unsigned seconds;
    unsigned warm_seconds;
    unsigned slot_ms; /* how often the loop wakes; all that fell due since is sent at once */
    unsigned feedback_every_ms; /* a small packet each way, as RTCP is one; 0: none */
    bool video;
    bool cm;
    int cpu;
    int reflector_cpu;
};

enum stream { AUDIO, VIDEO, FEEDBACK, STREAMS };

struct floor_peer {
    int fd;
    uint16_t seq[STREAMS];
    uint32_t timestamp[STREAMS];
    uint32_t ssrc[STREAMS];
    uint32_t frames;
    struct floor_srtp_session *tx; /* owned */
    struct floor_srtp_session *rx; /* owned */
};

struct totals {
    uint64_t sent, send_errors, received, bad;
};

struct floor {
    struct options opt;
    struct floor_srtp *srtp;
    struct floor_peer *peers;
    int epoll;
    int reflector_pid;
    uint64_t slot;
    struct totals totals;
    uint32_t late[LATE_BUCKETS];
    uint64_t late_max_ns;
    uint8_t media[FLOOR_VIDEO_PAYLOAD]; /* cut once, the same for all */
    uint8_t bytes[FLOOR_BATCH][FLOOR_PACKET_MAX];
    struct floor_packet batch[FLOOR_BATCH];
    int batch_fd[FLOOR_BATCH];
    size_t batched;
};

static void flush_tx(struct floor *f)
{
    floor_srtp_protect(f->srtp, f->batch, f->batched);
    for (size_t i = 0; i < f->batched; i++) {
        if (send(f->batch_fd[i], f->batch[i].bytes, f->batch[i].len, MSG_DONTWAIT) < 0) {
            f->totals.send_errors++;
        }
    }
    f->totals.sent += f->batched;
    f->batched = 0;
}

static void put16(uint8_t *at, uint16_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static void put32(uint8_t *at, uint32_t value)
{
    put16(at, (uint16_t)(value >> 16));
    put16(at + 2, (uint16_t)value);
}

static void add_packet(struct floor *f, struct floor_peer *p, enum stream stream, bool marker)
{
    static const uint8_t types[STREAMS] = {PAYLOAD_AUDIO, PAYLOAD_VIDEO, PAYLOAD_FEEDBACK};
    static const size_t lengths[STREAMS] = {FLOOR_AUDIO_PAYLOAD, FLOOR_VIDEO_PAYLOAD,
                                            FLOOR_FEEDBACK_PAYLOAD};
    uint8_t *bytes = f->bytes[f->batched];
    size_t payload = lengths[stream];
    bytes[0] = RTP_VERSION_BITS;
    bytes[1] = (uint8_t)(types[stream] | (marker ? RTP_MARKER_BIT : 0));
    put16(bytes + 2, p->seq[stream]++);
    put32(bytes + 4, p->timestamp[stream]);
    put32(bytes + 8, p->ssrc[stream]);
    memcpy(bytes + FLOOR_RTP_HEADER, f->media, payload);
    f->batch[f->batched] =
        (struct floor_packet){.session = p->tx, .bytes = bytes, .len = FLOOR_RTP_HEADER + payload};
    f->batch_fd[f->batched] = p->fd;
    if (++f->batched == FLOOR_BATCH) {
        flush_tx(f);
    }
}

/* Peers are spread evenly over the slots of 20 and of 40 ms. */
static void send_slot(struct floor *f)
{
    for (unsigned i = (unsigned)(f->slot % AUDIO_EVERY_MS); i < f->opt.peers; i += AUDIO_EVERY_MS) {
        add_packet(f, &f->peers[i], AUDIO, false);
        f->peers[i].timestamp[AUDIO] += 960; /* 20 ms at 48 kHz */
    }
    unsigned every = f->opt.feedback_every_ms;
    for (unsigned i = every ? (unsigned)(f->slot % every) : f->opt.peers; i < f->opt.peers;
         i += every) {
        add_packet(f, &f->peers[i], FEEDBACK, false);
    }
    if (f->opt.video) {
        for (unsigned i = (unsigned)(f->slot % FRAME_EVERY_MS); i < f->opt.peers;
             i += FRAME_EVERY_MS) {
            struct floor_peer *p = &f->peers[i];
            bool five =
                p->frames++ % FRAMES_A_SECOND * FRAMES_OF_FIVE % FRAMES_A_SECOND < FRAMES_OF_FIVE;
            int packets = five ? 5 : 4;
            for (int k = 1; k <= packets; k++) {
                add_packet(f, p, VIDEO, k == packets);
            }
            p->timestamp[VIDEO] += 3600; /* 40 ms at 90 kHz */
        }
    }
    flush_tx(f);
}

static void flush_rx(struct floor *f)
{
    floor_srtp_unprotect(f->srtp, f->batch, f->batched);
    for (size_t i = 0; i < f->batched; i++) {
        f->totals.bad += !f->batch[i].ok;
    }
    f->totals.received += f->batched;
    f->batched = 0;
}

static void receive_all(struct floor *f)
{
    struct epoll_event events[FLOOR_BATCH];
    for (;;) {
        int n = epoll_wait(f->epoll, events, FLOOR_BATCH, 0);
        for (int i = 0; i < n; i++) {
            struct floor_peer *p = &f->peers[events[i].data.u32];
            uint8_t *bytes = f->bytes[f->batched];
            ssize_t len = recv(p->fd, bytes, FLOOR_PACKET_MAX, MSG_DONTWAIT);
            if (len > 0) {
                f->batch[f->batched++] =
                    (struct floor_packet){.session = p->rx, .bytes = bytes, .len = (size_t)len};
            }
        }
        flush_rx(f);
        if (n <= 0) {
            return;
        }
    }
}

static void run_slots(struct floor *f, uint64_t start_ns, uint64_t ms)
{
    for (uint64_t i = f->opt.slot_ms; i <= ms; i += f->opt.slot_ms) {
        uint64_t due_ns = start_ns + i * SQ_NS_PER_MS;
        struct timespec due = {.tv_sec = (time_t)(due_ns / SQ_NS_PER_SEC),
                               .tv_nsec = (long)(due_ns % SQ_NS_PER_SEC)};
        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL) == EINTR) {
        }
        uint64_t late_ns = sq_clock_ns() - due_ns;
        f->late[sq_min_u64(late_ns / LATE_BUCKET_NS, LATE_BUCKETS - 1)]++;
        f->late_max_ns = sq_max_u64(f->late_max_ns, late_ns);
        receive_all(f);
        for (unsigned k = 0; k < f->opt.slot_ms; k++) {
            send_slot(f);
            f->slot++;
        }
    }
}

static uint64_t cpu_us(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
           (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static double late_ms(const struct floor *f, double share)
{
    uint64_t all = 0;
    uint64_t seen = 0;
    for (size_t i = 0; i < LATE_BUCKETS; i++) {
        all += f->late[i];
    }
    for (size_t i = 0; i < LATE_BUCKETS; i++) {
        seen += f->late[i];
        if ((double)seen >= share * (double)all) {
            return (double)(i + 1) * LATE_BUCKET_NS / 1e6;
        }
    }
    return 0;
}

static int peer_open(struct floor *f, unsigned index, const struct sockaddr_in *to)
{
    struct floor_peer *p = &f->peers[index];
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = index};
    for (uint32_t stream = 0; stream < STREAMS; stream++) {
        p->ssrc[stream] = STREAMS * index + stream + 1;
    }
    p->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (p->fd < 0 || connect(p->fd, (const struct sockaddr *)to, sizeof(*to)) != 0 ||
        epoll_ctl(f->epoll, EPOLL_CTL_ADD, p->fd, &event) != 0) {
        return SQ_ERR_IO;
    }
    int err = floor_srtp_session_new(f->srtp, NULL, &p->tx);
    /* What comes back was made with the sender's keys. */
    return err ? err : floor_srtp_session_new(f->srtp, p->tx, &p->rx);
}

static int floor_open(struct floor *f)
{
    struct sockaddr_in to;
    struct rlimit files = {f->opt.peers + SPARE_FILES, f->opt.peers + SPARE_FILES};
    struct rlimit had;
    f->epoll = -1;
    f->peers = sq_calloc(f->opt.peers, sizeof(*f->peers));
    if (!f->peers) {
        return SQ_ERR_NOMEM;
    }
    for (unsigned i = 0; i < f->opt.peers; i++) {
        f->peers[i].fd = -1;
    }
    if (getrlimit(RLIMIT_NOFILE, &had) == 0 && had.rlim_cur < files.rlim_cur) {
        files.rlim_max = sq_max_u64(had.rlim_max, files.rlim_cur);
        if (setrlimit(RLIMIT_NOFILE, &files) != 0) {
            return SQ_ERR_IO;
        }
    }
    int err = floor_reflector_start(f->opt.reflector_cpu, &f->reflector_pid, &to);
    if (!err) {
        err = floor_pin(f->opt.cpu);
    }
    if (!err) {
        err = floor_srtp_new(f->opt.cm, &f->srtp);
    }
    f->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (!err && f->epoll < 0) {
        err = SQ_ERR_IO;
    }
    for (unsigned i = 0; i < f->opt.peers && !err; i++) {
        err = peer_open(f, i, &to);
    }
    return err;
}

static void floor_close(struct floor *f)
{
    for (unsigned i = 0; f->peers && i < f->opt.peers; i++) {
        floor_srtp_session_free(f->peers[i].tx);
        floor_srtp_session_free(f->peers[i].rx);
        if (f->peers[i].fd >= 0) {
            close(f->peers[i].fd);
        }
    }
    sq_free(f->peers);
    floor_srtp_free(f->srtp);
    if (f->epoll >= 0) {
        close(f->epoll);
    }
    if (f->reflector_pid > 0) {
        kill(f->reflector_pid, SIGKILL);
        waitpid(f->reflector_pid, NULL, 0);
    }
}

/* 0, or 1 when less than 99.9 % of the packets came back. */
static int floor_run(struct floor *f)
{
    uint64_t warm_ms = (uint64_t)f->opt.warm_seconds * 1000;
    uint64_t hold_ms = (uint64_t)f->opt.seconds * 1000;
    run_slots(f, sq_clock_ns(), warm_ms);
    f->totals = (struct totals){0};
    memset(f->late, 0, sizeof(f->late));
    f->late_max_ns = 0;

    uint64_t start_ns = sq_clock_ns();
    uint64_t cpu_before_us = cpu_us();
    run_slots(f, start_ns, hold_ms);
    uint64_t used_us = cpu_us() - cpu_before_us;
    double seconds = (double)(sq_clock_ns() - start_ns) / 1e9;

    struct totals t = f->totals;
    double peer_seconds = seconds * f->opt.peers;
    printf("{\"peers\":%u,\"hold_s\":%.3f,\"video\":%s,\"srtp\":\"%s\","
           "\"cpu_us_per_peer_second\":%.1f,\"sent_packets_per_peer_second\":%.2f,"
           "\"received_packets_per_peer_second\":%.2f,\"bad_packets\":%llu,\"send_errors\":%llu,"
           "\"lateness_ms\":{\"p50\":%.2f,\"p99\":%.2f,\"max\":%.2f}}\n",
           f->opt.peers, seconds, f->opt.video ? "true" : "false", f->opt.cm ? "cm" : "gcm",
           (double)used_us / peer_seconds, (double)t.sent / peer_seconds,
           (double)t.received / peer_seconds, (unsigned long long)t.bad,
           (unsigned long long)t.send_errors, late_ms(f, 0.5), late_ms(f, 0.99),
           (double)f->late_max_ns / 1e6);
    if (t.bad > 0 || (double)t.received < 0.999 * (double)t.sent) {
        fprintf(stderr, "bench_floor: of %llu packets %llu came back, %llu of them broken\n",
                (unsigned long long)t.sent, (unsigned long long)t.received,
                (unsigned long long)t.bad);
        return 1;
    }
    return 0;
}

static bool parse_options(int argc, char **argv, struct options *o)
{
    static const struct option names[] = {
        {"peers", required_argument, NULL, 'p'},
        {"seconds", required_argument, NULL, 's'},
        {"warm", required_argument, NULL, 'w'},
        {"video", no_argument, NULL, 'v'},
        {"feedback-every", required_argument, NULL, 'f'},
        {"cm", no_argument, NULL, 'c'},
        {"cpu", required_argument, NULL, 'g'},
        {"reflector", required_argument, NULL, 'r'},
        {"slot", required_argument, NULL, 't'},
        {0},
    };
    int c;
    while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
        unsigned long value = optarg ? strtoul(optarg, NULL, 10) : 0;
        switch (c) {
        case 'p':
            o->peers = (unsigned)value;
            break;
        case 's':
            o->seconds = (unsigned)value;
            break;
        case 'w':
            o->warm_seconds = (unsigned)value;
            break;
        case 'v':
            o->video = true;
            break;
        case 'f':
            o->feedback_every_ms = (unsigned)value;
            break;
        case 'c':
            o->cm = true;
            break;
        case 'g':
            o->cpu = (int)value;
            break;
        case 't':
            o->slot_ms = (unsigned)value;
            break;
        case 'r':
            o->reflector_cpu = (int)value;
            break;
        default:
            return false;
        }
    }
    return optind == argc && o->peers > 0 && o->peers <= PEERS_MAX && o->seconds > 0 &&
           o->slot_ms > 0 && o->slot_ms <= AUDIO_EVERY_MS;
}

int main(int argc, char **argv)
{
    static struct floor f = {
        .opt = {.peers = 100, .seconds = 20, .warm_seconds = 2, .slot_ms = 1, .reflector_cpu = 1}};
    int status = 2;
    if (!parse_options(argc, argv, &f.opt)) {
        fprintf(stderr, "usage: bench_floor [--peers N] [--seconds S] [--warm S] [--video] [--cm] "
                        "[--feedback-every MS] [--slot MS] [--cpu CORE] [--reflector CORE]\n");
        return status;
    }
    int err = floor_open(&f);
    if (err || !f.peers) {
        fprintf(stderr, "bench_floor: cannot start: %s (%s)\n", sq_err_name(err), strerror(errno));
    } else {
        status = floor_run(&f);
    }
    floor_close(&f);
    return status;
}
