#include "base/io.h"

#include <errno.h>
#include <unistd.h>

/* What a call has done, as it told. */
static int count(ssize_t n, size_t *done)
{
    if (n > 0) {
        *done += (size_t)n;
        return 0;
    }
    if (n < 0 && errno == EINTR) {
        return 0;
    }
    errno = n < 0 ? errno : EIO;
    return SQ_ERR_IO;
}

int sq_io_write(int fd, const void *bytes, size_t len)
{
    size_t done = 0;
    int err = 0;
    while (!err && done < len) {
        err = count(write(fd, (const char *)bytes + done, len - done), &done);
    }
    return err;
}

int sq_io_write_at(int fd, const void *bytes, size_t len, uint64_t at)
{
    size_t done = 0;
    int err = 0;
    while (!err && done < len) {
        err = count(pwrite(fd, (const char *)bytes + done, len - done, (off_t)(at + done)), &done);
    }
    return err;
}

int sq_io_read_at(int fd, void *ret_bytes, size_t len, uint64_t at)
{
    size_t done = 0;
    int err = 0;
    while (!err && done < len) {
        err = count(pread(fd, (char *)ret_bytes + done, len - done, (off_t)(at + done)), &done);
    }
    return err;
}
