/* The words of a load, and files of arrivals. What is taken makes a clock whose times go forward:
 * nobody begins before the one before him, or goes before he came. */
#include "base/time.h"
#include "fuzz/fuzz.h"
#include "run/arrivals.h"
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define START (100 * SQ_NS_PER_SEC)

static void check_clock(const struct sq_shape *shape)
{
    struct sq_arrivals a;
    sq_arrivals_init_shape(&a, START, shape);
    uint64_t all = sq_shape_arrivals(shape, SQ_NEVER);
    uint64_t end_ns = START + sq_shape_length_ns(shape);
    uint64_t before = sq_arrivals_before(&a, end_ns + (shape->kind == SQ_SHAPE_TIMES));
    MUST(all <= SQ_SHAPE_ARRIVALS_MAX && all > 0);
    MUST(before <= all + 1 && before + 1 >= all); /* sums of fractions in another order */
    MUST(sq_shape_most(shape, SQ_NEVER) <= all);
    uint64_t last_ns = START;
    for (uint64_t i = 0; i < all && i < 300; i++) {
        uint64_t at_ns = sq_arrivals_time_ns(&a, i);
        MUST(at_ns >= last_ns);
        MUST(sq_arrivals_leave_ns(&a, i) >= at_ns);
        MUST(at_ns == SQ_NEVER || sq_arrivals_due(&a, at_ns + SQ_NS_PER_MS) >= i);
        last_ns = at_ns;
    }
    sq_arrivals_set_peers(&a, START + SQ_NS_PER_SEC, 7, SQ_NS_PER_SEC);
    sq_arrivals_set_rate(&a, START + 2 * SQ_NS_PER_SEC, 7);
    MUST(sq_arrivals_due(&a, START + 9 * SQ_NS_PER_SEC) >=
         sq_arrivals_due(&a, START + 5 * SQ_NS_PER_SEC));
}

static void read_file(const uint8_t *data, size_t len)
{
    char path[64];
    char why[300];
    struct sq_shape shape;
    int fd = memfd_create("arrivals", MFD_CLOEXEC);
    if (fd < 0 || write(fd, data, len) != (ssize_t)len) {
        abort();
    }
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    memset(why, 1, sizeof(why));
    if (sq_shape_read(path, &shape, why, sizeof(why)) == 0) {
        MUST(shape.times_len > 0 && shape.times_ns[0] == 0);
        check_clock(&shape);
        sq_shape_free(&shape);
    } else {
        MUST(memchr(why, '\0', sizeof(why)) != NULL && why[0] != '\0');
    }
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char text[4096];
    struct sq_shape shape;
    struct sq_shape_error error;
    uint64_t min_ns;
    uint64_t max_ns;
    read_file(data, len);
    if (len >= sizeof(text)) {
        return 0;
    }
    memcpy(text, data, len);
    text[len] = '\0';
    if (sq_shape_parse(text, SQ_NS_PER_SEC, &shape, &error) == 0) {
        check_clock(&shape);
    } else {
        MUST(error.message[0] && error.column <= strlen(text) + 1);
    }
    if (sq_shape_parse_think(text, &min_ns, &max_ns) == 0) {
        MUST(min_ns <= max_ns);
    }
    return 0;
}
