/* A link between two UDP peers: relay ADDRESS DELAY_MS LOSS SEED. Opens two sockets and prints
 * their ports: what comes at one from the peer that is told the other's candidate leaves from the
 * other, after the delay, unless it is lost. Peers are known by where they last sent from. Loss is
 * drawn from a seeded generator, one for each way. */
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

#define ROOM   65536 /* packets under way, each way; a power of two */
#define PACKET 2048

struct packet {
    uint64_t at_ns;
    size_t len;
    uint8_t bytes[PACKET];
};

struct way {
    int in, out;              /* sockets */
    struct sockaddr_in *peer; /* behind `out` */
    uint64_t random;
    struct packet *ring;
    uint32_t head, tail;
};

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* xorshift64*; uniform in [0, 1). */
static double draw(uint64_t *s)
{
    *s ^= *s >> 12;
    *s ^= *s << 25;
    *s ^= *s >> 27;
    return (double)(*s * 2685821657736338717u >> 11) / 9007199254740992.0;
}

static int open_socket(const char *address, uint16_t *port)
{
    struct sockaddr_in a = {.sin_family = AF_INET};
    socklen_t len = sizeof(a);
    int size = 8 << 20;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    inet_pton(AF_INET, address, &a.sin_addr);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) != 0 ||
        getsockname(fd, (struct sockaddr *)&a, &len) != 0) {
        perror("relay");
        exit(1);
    }
    *port = ntohs(a.sin_port);
    return fd;
}

static void take(struct way *w, struct sockaddr_in *from, uint64_t delay_ns, double loss)
{
    for (;;) {
        struct packet *p = &w->ring[w->head & (ROOM - 1)];
        socklen_t len = sizeof(*from);
        ssize_t n = recvfrom(w->in, p->bytes, PACKET, 0, (struct sockaddr *)from, &len);
        if (n < 0) {
            return;
        }
        /* STUN and plain handshakes are spared, so that every run begins alike: what is lost is
         * DTLS data (23), in DTLS 1.3 anything encrypted (32 to 63; RFC 9147, section 4). */
        bool data = p->bytes[0] == 23 || (p->bytes[0] >= 32 && p->bytes[0] < 64);
        if (data && draw(&w->random) < loss) {
            continue;
        }
        p->at_ns = now_ns() + delay_ns;
        p->len = (size_t)n;
        w->head += w->head - w->tail < ROOM - 1;
    }
}

static void give(struct way *w, uint64_t now)
{
    for (; w->tail != w->head && w->ring[w->tail & (ROOM - 1)].at_ns <= now; w->tail++) {
        const struct packet *p = &w->ring[w->tail & (ROOM - 1)];
        if (w->peer->sin_port) {
            (void)!sendto(w->out, p->bytes, p->len, 0, (struct sockaddr *)w->peer,
                          sizeof(*w->peer));
        }
    }
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "relay ADDRESS DELAY_MS LOSS SEED\n");
        return 2;
    }
    uint64_t delay_ns = (uint64_t)(atof(argv[2]) * 1e6);
    double loss = atof(argv[3]);
    uint16_t ports[2];
    struct sockaddr_in peers[2] = {{0}};
    int fds[2] = {open_socket(argv[1], &ports[0]), open_socket(argv[1], &ports[1])};
    struct way ways[2];
    for (int i = 0; i < 2; i++) {
        ways[i] = (struct way){.in = fds[i],
                               .out = fds[!i],
                               .peer = &peers[!i],
                               .random = strtoull(argv[4], NULL, 10) * 2 + 1 + (uint64_t)i,
                               .ring = calloc(ROOM, sizeof(struct packet))};
        for (int k = 0; k < 20; k++) {
            draw(&ways[i].random);
        }
    }
    printf("%u %u\n", ports[0], ports[1]);
    fflush(stdout);
    for (;;) {
        uint64_t now = now_ns();
        uint64_t next = now + 100000000u;
        for (int i = 0; i < 2; i++) {
            give(&ways[i], now);
            if (ways[i].tail != ways[i].head &&
                ways[i].ring[ways[i].tail & (ROOM - 1)].at_ns < next) {
                next = ways[i].ring[ways[i].tail & (ROOM - 1)].at_ns;
            }
        }
        struct pollfd p[2] = {{.fd = fds[0], .events = POLLIN}, {.fd = fds[1], .events = POLLIN}};
        uint64_t wait = next > now ? next - now : 0;
        struct timespec t = {(time_t)(wait / 1000000000u), (long)(wait % 1000000000u)};
        ppoll(p, 2, &t, NULL);
        for (int i = 0; i < 2; i++) {
            if (p[i].revents) {
                take(&ways[i], &peers[i], delay_ns, loss);
            }
        }
    }
}
