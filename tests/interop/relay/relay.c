/* A UDP relay that impairs on purpose: squall-relay ADDRESS
 *
 *   client <-> socket a . socket b <-> server
 *
 * Whatever comes to a goes from b to the server ("up"), and the other way round ("down"); whoever
 * sends to a is the client. Each way has a delay; of RTP alone a jitter (0 to so much more, every
 * packet by itself, no packet of a stream before an earlier one) and a loss, known to the packet;
 * and everything may be cut for a while. Random numbers come from a fixed seed.
 *
 * Orders come as datagrams to a third socket; each is answered. Ports are printed at the start. */
#define _GNU_SOURCE /* ppoll */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PACKET_MAX  2048
#define QUEUE_MAX   8192
#define STREAMS_MAX 16
#define NS_PER_US   1000ULL
#define NS_PER_MS   1000000ULL
#define NS_PER_S    1000000000ULL

enum { UP, DOWN, WAYS };

struct stream {
    uint32_t ssrc;
    uint64_t packets, passed, dropped;
    uint64_t holes; /* dropped before the last that passed: what its receiver can know of */
    uint64_t due_ns;
    /* Of RFC 3550, A.8, as the packets leave here, for clocks of 48 and of 90 kHz. */
    double transit[2], jitter[2], jitter_sum[2];
    uint64_t jitter_n;
};

struct way {
    uint64_t delay_ns, jitter_ns, cut_until_ns;
    uint32_t loss_ppm;
    uint64_t bps, queue_ns, free_ns; /* a bottleneck, 0: none; and what may wait before it */
    uint64_t passed, held_ns;        /* how long what is not RTP was really kept */
    uint64_t feedback[2][32];        /* RTCP packets that begin so: RTPFB and PSFB, by FMT */
    struct stream streams[STREAMS_MAX];
    size_t streams_len;
};

struct packet {
    uint64_t due_ns, came_ns, order;
    int way;
    size_t len;
    uint8_t data[PACKET_MAX];
};

struct relay {
    int a, b, control;
    struct sockaddr_in client, server;
    struct way ways[WAYS];
    struct packet *heap[QUEUE_MAX]; /* by due_ns */
    struct packet *spare[QUEUE_MAX];
    size_t heap_len, spare_len;
    uint64_t order, overflowed, random;
};

static const double clocks_hz[2] = {48000, 90000};

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

/* splitmix64 */
static uint64_t random_u64(struct relay *r)
{
    uint64_t z = r->random += 0x9e3779b97f4a7c15ULL;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

/* ---- What is due ---- */

static bool before(const struct packet *x, const struct packet *y)
{
    return x->due_ns < y->due_ns || (x->due_ns == y->due_ns && x->order < y->order);
}

static void push(struct relay *r, struct packet *p)
{
    size_t i = r->heap_len++;
    while (i > 0 && before(p, r->heap[(i - 1) / 2])) {
        r->heap[i] = r->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    r->heap[i] = p;
}

static struct packet *pop(struct relay *r)
{
    struct packet *first = r->heap[0];
    struct packet *last = r->heap[--r->heap_len];
    size_t i = 0;
    for (size_t child = 1; child < r->heap_len; child = 2 * i + 1) {
        if (child + 1 < r->heap_len && before(r->heap[child + 1], r->heap[child])) {
            child++;
        }
        if (!before(r->heap[child], last)) {
            break;
        }
        r->heap[i] = r->heap[child];
        i = child;
    }
    r->heap[i] = last;
    return first;
}

/* ---- Packets ---- */

static bool is_rtp(const uint8_t *data, size_t len)
{
    /* RFC 7983 and RFC 5761, section 4. */
    return len >= 12 && data[0] >= 128 && data[0] < 192 && !(data[1] >= 192 && data[1] <= 223);
}

/* RFC 4585, section 6.1. The first header of SRTCP is not encrypted (RFC 3711, section 3.4). */
static bool is_feedback(const uint8_t *data, size_t len)
{
    return len >= 12 && data[0] >= 128 && data[0] < 192 && (data[1] == 205 || data[1] == 206);
}

static uint32_t u32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static struct stream *stream_of(struct way *w, uint32_t ssrc)
{
    for (size_t i = 0; i < w->streams_len; i++) {
        if (w->streams[i].ssrc == ssrc) {
            return &w->streams[i];
        }
    }
    if (w->streams_len == STREAMS_MAX) {
        return NULL;
    }
    w->streams[w->streams_len] = (struct stream){.ssrc = ssrc};
    return &w->streams[w->streams_len++];
}

static void note_jitter(struct stream *s, uint32_t timestamp, uint64_t sent_ns)
{
    for (int i = 0; i < 2; i++) {
        double transit = (double)sent_ns * 1e-9 * clocks_hz[i] - (double)timestamp;
        if (s->passed > 1) {
            double d = transit > s->transit[i] ? transit - s->transit[i] : s->transit[i] - transit;
            s->jitter[i] += (d - s->jitter[i]) / 16;
            s->jitter_sum[i] += s->jitter[i];
        }
        s->transit[i] = transit;
    }
    s->jitter_n += s->passed > 1;
}

static void take(struct relay *r, int way, struct packet *p)
{
    struct way *w = &r->ways[way];
    struct stream *s = is_rtp(p->data, p->len) ? stream_of(w, u32(p->data + 8)) : NULL;
    bool lost = s && random_u64(r) % 1000000 < w->loss_ppm;
    lost = lost || p->came_ns < w->cut_until_ns;
    uint64_t free_ns = w->free_ns > p->came_ns ? w->free_ns : p->came_ns;
    lost = lost || (w->bps && free_ns > p->came_ns + w->queue_ns);
    if (s) {
        s->packets++;
        s->dropped += lost;
    } else if (is_feedback(p->data, p->len)) {
        w->feedback[p->data[1] - 205][p->data[0] & 31]++;
    }
    if (lost) {
        r->spare[r->spare_len++] = p;
        return;
    }
    p->way = way;
    p->order = r->order++;
    if (w->bps) {
        w->free_ns = free_ns + (p->len + 28) * 8 * NS_PER_S / w->bps; /* with IP and UDP */
    }
    p->due_ns = (w->bps ? w->free_ns : p->came_ns) + w->delay_ns;
    if (s) {
        p->due_ns += w->jitter_ns ? random_u64(r) % w->jitter_ns : 0;
        p->due_ns = p->due_ns < s->due_ns ? s->due_ns : p->due_ns;
        s->due_ns = p->due_ns;
        s->passed++;
        s->holes = s->dropped;
    }
    push(r, p);
}

static void take_all(struct relay *r, int fd, int way)
{
    for (;;) {
        if (r->spare_len == 0) {
            r->overflowed++;
            return;
        }
        struct packet *p = r->spare[r->spare_len - 1];
        struct sockaddr_in from;
        socklen_t from_len = sizeof(from);
        ssize_t n = recvfrom(fd, p->data, sizeof(p->data), MSG_DONTWAIT, (struct sockaddr *)&from,
                             &from_len);
        if (n < 0) {
            return;
        }
        r->spare_len--;
        p->len = (size_t)n;
        p->came_ns = now_ns();
        if (way == UP) {
            r->client = from;
        }
        take(r, way, p);
    }
}

static void send_due(struct relay *r)
{
    while (r->heap_len > 0 && r->heap[0]->due_ns <= now_ns()) {
        struct packet *p = pop(r);
        struct way *w = &r->ways[p->way];
        const struct sockaddr_in *to = p->way == UP ? &r->server : &r->client;
        if (to->sin_port) {
            (void)sendto(p->way == UP ? r->b : r->a, p->data, p->len, 0,
                         (const struct sockaddr *)to, sizeof(*to));
        }
        uint64_t sent_ns = now_ns();
        bool rtp = is_rtp(p->data, p->len);
        struct stream *s = rtp ? stream_of(w, u32(p->data + 8)) : NULL;
        if (s) {
            note_jitter(s, u32(p->data + 4), sent_ns);
        } else if (!rtp) {
            w->passed++;
            w->held_ns += sent_ns - p->came_ns;
        }
        r->spare[r->spare_len++] = p;
    }
}

/* ---- Orders ---- */

static void tell_way(const struct way *w, const char *name, FILE *out)
{
    fprintf(out, "\"%s\":{\"packets\":%llu,\"held_ms\":%.4f,\"streams\":{", name,
            (unsigned long long)w->passed,
            w->passed ? (double)w->held_ns / (double)w->passed / 1e6 : 0.0);
    for (size_t i = 0; i < w->streams_len; i++) {
        const struct stream *s = &w->streams[i];
        fprintf(out, "%s\"%u\":{\"packets\":%llu,\"dropped\":%llu,\"holes\":%llu", i ? "," : "",
                s->ssrc, (unsigned long long)s->packets, (unsigned long long)s->dropped,
                (unsigned long long)s->holes);
        for (int c = 0; c < 2; c++) {
            double mean = s->jitter_n ? s->jitter_sum[c] / (double)s->jitter_n : 0;
            fprintf(out, ",\"jitter%.0f_ms\":%.4f", clocks_hz[c] / 1000, mean / clocks_hz[c] * 1e3);
        }
        fputs("}", out);
    }
    fputs("},\"feedback\":{", out);
    const char *comma = "";
    for (int fmt = 0; fmt < 64; fmt++) {
        uint64_t n = w->feedback[fmt / 32][fmt % 32];
        if (n) {
            fprintf(out, "%s\"%d/%d\":%llu", comma, 205 + fmt / 32, fmt % 32,
                    (unsigned long long)n);
            comma = ",";
        }
    }
    fputs("}}", out);
}

static void tell(const struct relay *r, char *text, size_t size)
{
    FILE *out = fmemopen(text, size, "w");
    if (!out) {
        return;
    }
    fputs("{", out);
    tell_way(&r->ways[UP], "up", out);
    fputs(",", out);
    tell_way(&r->ways[DOWN], "down", out);
    fprintf(out, ",\"overflowed\":%llu}", (unsigned long long)r->overflowed);
    fclose(out);
}

static void reset(struct way *w)
{
    w->passed = w->held_ns = 0;
    for (size_t i = 0; i < w->streams_len; i++) {
        struct stream *s = &w->streams[i];
        s->jitter_sum[0] = s->jitter_sum[1] = 0;
        s->jitter_n = 0;
    }
}

/* server ADDRESS PORT | shape up|down DELAY_US JITTER_US LOSS_PPM | narrow up|down BPS QUEUE_MS |
 * cut up|down MS | reset | stats */
static bool obey(struct relay *r, const char *order)
{
    char name[16];
    char address[32];
    unsigned port;
    unsigned long delay;
    unsigned long jitter;
    unsigned long loss;
    unsigned long ms;
    if (sscanf(order, "server %31s %u", address, &port) == 2) {
        r->server = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
        return inet_pton(AF_INET, address, &r->server.sin_addr) == 1;
    }
    if (sscanf(order, "shape %15s %lu %lu %lu", name, &delay, &jitter, &loss) == 4) {
        struct way *w = &r->ways[strcmp(name, "up") == 0 ? UP : DOWN];
        w->delay_ns = delay * NS_PER_US;
        w->jitter_ns = jitter * NS_PER_US;
        w->loss_ppm = (uint32_t)loss;
        return true;
    }
    if (sscanf(order, "narrow %15s %lu %lu", name, &delay, &ms) == 3) {
        struct way *w = &r->ways[strcmp(name, "up") == 0 ? UP : DOWN];
        w->bps = delay;
        w->queue_ns = ms * NS_PER_MS;
        return true;
    }
    if (sscanf(order, "cut %15s %lu", name, &ms) == 2) {
        r->ways[strcmp(name, "up") == 0 ? UP : DOWN].cut_until_ns = now_ns() + ms * NS_PER_MS;
        return true;
    }
    if (strcmp(order, "reset") == 0) {
        reset(&r->ways[UP]);
        reset(&r->ways[DOWN]);
        return true;
    }
    return strcmp(order, "stats") == 0;
}

static void take_orders(struct relay *r)
{
    static char answer[16384];
    char order[128];
    struct sockaddr_in from;
    socklen_t from_len = sizeof(from);
    ssize_t n = recvfrom(r->control, order, sizeof(order) - 1, MSG_DONTWAIT,
                         (struct sockaddr *)&from, &from_len);
    if (n < 0) {
        return;
    }
    order[n] = '\0';
    memset(answer, 0, sizeof(answer));
    if (obey(r, order)) {
        tell(r, answer, sizeof(answer) - 1);
    } else {
        snprintf(answer, sizeof(answer), "\"not understood: %s\"", order);
    }
    (void)sendto(r->control, answer, strlen(answer), 0, (struct sockaddr *)&from, from_len);
}

/* ---- Start ---- */

static int open_socket(const char *address, const char *name)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t len = sizeof(at);
    int bytes = 4 << 20;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (fd < 0 || inet_pton(AF_INET, address, &at.sin_addr) != 1 ||
        bind(fd, (struct sockaddr *)&at, len) != 0 ||
        getsockname(fd, (struct sockaddr *)&at, &len) != 0) {
        fprintf(stderr, "squall-relay: no socket on %s: %s\n", address, strerror(errno));
        exit(1);
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
    printf("%s=%u\n", name, ntohs(at.sin_port));
    return fd;
}

static struct timespec until_due(const struct relay *r)
{
    uint64_t now = now_ns();
    uint64_t ns = r->heap_len == 0 ? NS_PER_S : 0;
    if (r->heap_len > 0 && r->heap[0]->due_ns > now) {
        ns = r->heap[0]->due_ns - now;
    }
    return (struct timespec){.tv_sec = (time_t)(ns / NS_PER_S), .tv_nsec = (long)(ns % NS_PER_S)};
}

int main(int argc, char **argv)
{
    static struct relay relay = {.random = 7};
    static struct packet packets[QUEUE_MAX];
    if (argc != 2) {
        fprintf(stderr, "usage: squall-relay ADDRESS\n");
        return 2;
    }
    for (; relay.spare_len < QUEUE_MAX; relay.spare_len++) {
        relay.spare[relay.spare_len] = &packets[relay.spare_len];
    }
    relay.a = open_socket(argv[1], "a");
    relay.b = open_socket(argv[1], "b");
    relay.control = open_socket(argv[1], "control");
    fflush(stdout);
    struct pollfd polled[] = {
        {relay.a, POLLIN, 0}, {relay.b, POLLIN, 0}, {relay.control, POLLIN, 0}};
    for (;;) {
        struct timespec wait = until_due(&relay);
        if (ppoll(polled, 3, &wait, NULL) < 0 && errno != EINTR) {
            return 1;
        }
        take_all(&relay, relay.a, UP);
        take_all(&relay, relay.b, DOWN);
        take_orders(&relay);
        send_due(&relay);
    }
}
