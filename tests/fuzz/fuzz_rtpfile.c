/* rtpdump and pcap files: each packet told lies within the file and is RTP. */
#include "fuzz/fuzz.h"
#include "media/mux/rtpfile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct sq_rtpfile file;
    struct sq_rtpfile_packet packet;
    if (sq_rtpfile_open(&file, data, len) != 0) {
        return 0;
    }
    size_t before = file.at;
    while (sq_rtpfile_next(&file, &packet) == 0) {
        MUST(file.at > before && file.at <= len);
        MUST(packet.rtp >= data && packet.rtp + packet.len <= data + len);
        MUST(packet.len >= 12 && packet.rtp[0] >> 6 == 2);
        before = file.at;
    }
    return 0;
}
