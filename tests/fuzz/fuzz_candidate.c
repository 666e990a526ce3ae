/* A candidate line: what is accepted is the same after writing and reading again. */
#include "fuzz/fuzz.h"
#include "peer/ice_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    return ice_fuzz_candidate(data, len);
}
