/* Reading and writing all of it: system calls may do less than they are asked, or be interrupted.
 */
#ifndef SQ_BASE_IO_H
#define SQ_BASE_IO_H

#include "base/err.h"
#include <stddef.h>
#include <stdint.h>

/* Each: SQ_ERR_IO with errno; of a file that ends too early EIO. A part may have been done. */
int sq_io_write(int fd, const void *bytes, size_t len) SQ_MUST_USE;
int sq_io_write_at(int fd, const void *bytes, size_t len, uint64_t at) SQ_MUST_USE;
int sq_io_read_at(int fd, void *ret_bytes, size_t len, uint64_t at) SQ_MUST_USE;

#endif
