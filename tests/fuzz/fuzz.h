/* What the fuzz targets share: an assertion that stands in every build, and a reader that cuts the
 * input into pieces. */
#ifndef SQ_TESTS_FUZZ_FUZZ_H
#define SQ_TESTS_FUZZ_FUZZ_H

#include "base/wire.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* An invariant: the fuzzer reports its breach as a crash. */
static inline void fuzz_must(bool truth, const char *what)
{
    if (!truth) {
        fprintf(stderr, "broken: %s\n", what);
        abort();
    }
}

#define MUST(truth) fuzz_must((truth), #truth)

/* A piece: one byte of kind, one of length, the bytes (fewer at the input's end). */
struct fuzz_piece {
    uint8_t kind;
    const uint8_t *at;
    size_t len;
};

static inline bool fuzz_next(struct sq_wire *w, struct fuzz_piece *ret_piece)
{
    size_t left = sq_wire_left(w);
    if (left < 2) {
        return false;
    }
    ret_piece->kind = sq_wire_u8(w);
    size_t len = sq_wire_u8(w);
    ret_piece->len = len < left - 2 ? len : left - 2;
    ret_piece->at = sq_wire_read(w, ret_piece->len);
    return true;
}

#endif
