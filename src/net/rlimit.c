#include "net/rlimit.h"

#include <sys/resource.h>

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
