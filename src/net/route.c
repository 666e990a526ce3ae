#include "net/route.h"

#include <sys/socket.h>
#include <unistd.h>

int sq_route_source(const struct sq_addr *remote, struct sq_addr *ret_local)
{
    struct sq_addr to = *remote;
    struct sq_addr local = {0};
    socklen_t len = sizeof(local);
    if (sq_addr_port(&to) == 0) {
        sq_addr_set_port(&to, 9); /* connect() wants some port; discard */
    }
    int fd = socket(sq_addr_family(&to), SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return SQ_ERR_IO;
    }
    int failed =
        connect(fd, &to.sa, sq_addr_len(&to)) != 0 || getsockname(fd, &local.sa, &len) != 0;
    close(fd);
    if (failed) {
        return SQ_ERR_IO;
    }
    sq_addr_set_port(&local, 0);
    *ret_local = local;
    return 0;
}
