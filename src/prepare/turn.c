#include "prepare/turn.h"

#include <math.h>

unsigned sq_turns_of(const int32_t matrix[static 9])
{
    if (matrix[0] == 0 && matrix[1] == 0) {
        return 0; /* it turns nothing into anything */
    }
    double quarters = atan2(matrix[1], matrix[0]) / (M_PI / 2);
    return (unsigned)(lround(quarters) + 4) % 4;
}

void sq_turn_plane(const uint8_t *from, ptrdiff_t from_stride, unsigned turns, unsigned width,
                   unsigned height, uint8_t *to, ptrdiff_t to_stride)
{
    for (unsigned y = 0; y < height; y++) {
        uint8_t *row = to + (ptrdiff_t)y * to_stride;
        for (unsigned x = 0; x < width; x++) {
            unsigned across = turns == 1   ? y
                              : turns == 3 ? height - 1 - y
                              : turns == 2 ? width - 1 - x
                                           : x;
            unsigned down = turns == 1   ? width - 1 - x
                            : turns == 3 ? x
                            : turns == 2 ? height - 1 - y
                                         : y;
            row[x] = from[(ptrdiff_t)down * from_stride + across];
        }
    }
}
