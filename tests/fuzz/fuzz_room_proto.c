/* A message of the room protocol: parsed, written and parsed again it is the same. */
#include "fuzz/fuzz.h"
#include "signal/room/room_proto.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    sq_room_fuzz(data, len);
    return 0;
}
