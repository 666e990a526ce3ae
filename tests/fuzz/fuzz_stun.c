/* A STUN message, read in every way. */
#include "fuzz/fuzz.h"
#include "peer/ice_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    return ice_fuzz_stun(data, len);
}
