/* Parity and media in any order; whatever is made again is a packet of the stream. Pieces: 0 media
 * (behind a fixed header of which two bytes of number are told), 1 ULPFEC, 2 FlexFEC, 3 another
 * source. */
#include "fuzz/fuzz.h"
#include "peer/rtp/fec.h"
#include <string.h>

static void read_both(const struct fuzz_piece *piece, struct sq_fec *f)
{
    struct sq_fec_parity p = {0};
    int err = piece->kind % 4 == 1 ? sq_fec_read_ulpfec(piece->at, piece->len, &p)
                                   : sq_fec_read_flexfec(piece->at, piece->len, &p);
    if (err == 0) {
        MUST(p.mask[0] | p.mask[1]);
        MUST(p.body >= piece->at && p.body + p.body_len <= piece->at + piece->len);
        MUST(p.mask[1] >> (SQ_FEC_MASK_BITS - 64) == 0);
        sq_fec_parity(f, &p);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct sq_fec *f = sq_fec_new();
    struct sq_wire w = sq_wire_reader(data, len);
    struct fuzz_piece piece;
    uint64_t parity = 0, made_n = 0;
    while (f && fuzz_next(&w, &piece)) {
        uint8_t header[12] = {0x80, 0x60, 0, 0, 0, 0, 0, 9, 1, 2, 3, 4};
        const uint8_t *made;
        size_t made_len;
        switch (piece.kind % 4) {
        case 0:
            memcpy(header + 2, piece.at, piece.len < 2 ? piece.len : 2);
            (void)sq_fec_media(f, header, 12, piece.at, piece.len);
            break;
        case 3:
            sq_fec_reset(f);
            break;
        default:
            parity++;
            read_both(&piece, f);
        }
        while (sq_fec_recover(f, 0x01020304, &made, &made_len)) {
            MUST(made_len >= 12 && made_len <= SQ_FEC_PACKET_MAX);
            MUST((made[0] & 0xc0) == 0x80 && sq_load_u32(made + 8) == 0x01020304);
            made_n++;
        }
    }
    MUST(!f || made_n + sq_fec_discarded(f) <= parity);
    sq_fec_free(f);
    return 0;
}
