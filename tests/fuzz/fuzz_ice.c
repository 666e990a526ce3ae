/* An ICE agent that is fed raw and mended messages, candidates and time. */
#include "fuzz/fuzz.h"
#include "peer/ice_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    return ice_fuzz_agent(data, len);
}
