/* The other end of the floor: a process on a core of its own that sends every datagram back. */
#include "floor.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define SOCKET_BYTES (16 * 1024 * 1024)

int floor_pin(int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    return sched_setaffinity(0, sizeof(set), &set) == 0 ? 0 : SQ_ERR_IO;
}

static void reflect(int fd)
{
    static uint8_t bytes[FLOOR_BATCH][FLOOR_PACKET_MAX];
    struct sockaddr_in from[FLOOR_BATCH];
    struct iovec iov[FLOOR_BATCH];
    struct mmsghdr batch[FLOOR_BATCH];
    for (;;) {
        for (size_t i = 0; i < FLOOR_BATCH; i++) {
            iov[i] = (struct iovec){bytes[i], sizeof(bytes[i])};
            batch[i] = (struct mmsghdr){.msg_hdr = {.msg_name = &from[i],
                                                    .msg_namelen = sizeof(from[i]),
                                                    .msg_iov = &iov[i],
                                                    .msg_iovlen = 1}};
        }
        int n = recvmmsg(fd, batch, FLOOR_BATCH, MSG_WAITFORONE, NULL);
        if (n < 0) {
            if (errno == EINTR || errno == ECONNREFUSED) {
                continue;
            }
            return;
        }
        for (int i = 0; i < n; i++) {
            iov[i].iov_len = batch[i].msg_len;
        }
        for (int sent = 0; sent < n;) {
            int done = sendmmsg(fd, batch + sent, (unsigned)(n - sent), 0);
            sent += done > 0 ? done : 1;
        }
    }
}

int floor_reflector_start(int cpu, int *ret_pid, struct sockaddr_in *ret_addr)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(addr);
    int size = SOCKET_BYTES;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return SQ_ERR_IO;
    }
    /* FORCE needs root; without it the system's maximum must do. */
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) != 0) {
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    }
    if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0 ||
        getsockname(fd, (struct sockaddr *)&addr, &len) != 0) {
        close(fd);
        return SQ_ERR_IO;
    }
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0) {
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent && floor_pin(cpu) == 0) {
            reflect(fd);
        }
        _exit(1);
    }
    close(fd);
    if (pid < 0) {
        return SQ_ERR_IO;
    }
    *ret_pid = (int)pid;
    *ret_addr = addr;
    return 0;
}
