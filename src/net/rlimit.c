#include "net/rlimit.h"

#include "base/time.h"
#include <fcntl.h>
#include <limits.h>
#include <sys/resource.h>
#include <unistd.h>

int sq_raise_fd_limit(uint64_t needed, uint64_t *ret_limit)
{
    struct rlimit now;
    if (getrlimit(RLIMIT_NOFILE, &now) < 0) {
        return SQ_ERR_IO;
    }
    if (now.rlim_cur < needed) {
        struct rlimit want = {.rlim_cur = needed,
                              .rlim_max = now.rlim_max < needed ? needed : now.rlim_max};
        if (setrlimit(RLIMIT_NOFILE, &want) < 0) {
            /* As far as the hard limit allows, so that as much as possible works. */
            want = (struct rlimit){.rlim_cur = now.rlim_max, .rlim_max = now.rlim_max};
            (void)setrlimit(RLIMIT_NOFILE, &want);
        }
        if (getrlimit(RLIMIT_NOFILE, &now) < 0) {
            return SQ_ERR_IO;
        }
    }
    *ret_limit = now.rlim_cur;
    return now.rlim_cur >= needed ? 0 : SQ_ERR_REFUSED;
}

void sq_reserve_fds(uint64_t count)
{
    struct rlimit now;
    if (count == 0 || getrlimit(RLIMIT_NOFILE, &now) < 0) {
        return;
    }
    uint64_t most = sq_min_u64(now.rlim_cur, INT_MAX);
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (null < 0) {
        return;
    }
    int last = fcntl(null, F_DUPFD_CLOEXEC, (int)(sq_min_u64(count, most) - 1));
    if (last >= 0) {
        close(last);
    }
    close(null);
}
