/* CRC32c (RFC 9260, appendix A; polynomial 0x1EDC6F41, reflected): by the processor's instruction
 * where it has one, by a table of nibbles else. */
#include "peer/sctp/sctp.h"
#include <string.h>

#define POLYNOMIAL 0x82F63B78U /* 0x1EDC6F41 reflected */

/* One bit, and the four of a nibble, at compile time. */
#define BIT(x)    ((x) >> 1 ^ (((x)&1U) != 0 ? POLYNOMIAL : 0U))
#define NIBBLE(x) BIT(BIT(BIT(BIT(x))))

static uint32_t by_table(uint32_t crc, const uint8_t *bytes, size_t len)
{
    static const uint32_t table[16] = {
        NIBBLE(0U),  NIBBLE(1U),  NIBBLE(2U),  NIBBLE(3U),  NIBBLE(4U),  NIBBLE(5U),
        NIBBLE(6U),  NIBBLE(7U),  NIBBLE(8U),  NIBBLE(9U),  NIBBLE(10U), NIBBLE(11U),
        NIBBLE(12U), NIBBLE(13U), NIBBLE(14U), NIBBLE(15U),
    };
    for (size_t i = 0; i < len; i++) {
        crc ^= bytes[i];
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t by_instruction(uint32_t crc, const uint8_t *bytes,
                                                                 size_t len)
{
    uint64_t wide = crc;
    for (; len >= 8; len -= 8, bytes += 8) {
        uint64_t word;
        memcpy(&word, bytes, sizeof(word));
        wide = __builtin_ia32_crc32di(wide, word);
    }
    crc = (uint32_t)wide;
    for (; len > 0; len--, bytes++) {
        crc = __builtin_ia32_crc32qi(crc, *bytes);
    }
    return crc;
}
#endif

uint32_t sq_crc32c_step(uint32_t crc, const uint8_t *bytes, size_t len)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2")) {
        return by_instruction(crc, bytes, len);
    }
#endif
    return by_table(crc, bytes, len);
}

uint32_t sq_crc32c(const uint8_t *bytes, size_t len)
{
    return ~sq_crc32c_step(~0U, bytes, len);
}

uint32_t sq_crc32c_by_table(const uint8_t *bytes, size_t len)
{
    return ~by_table(~0U, bytes, len);
}
