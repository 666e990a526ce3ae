/* The bandwidth estimator: whatever feedback, REMB and reports say and whenever they come, its
 * target stays within its bounds and time moves on. */
#include "fuzz/fuzz.h"
#include "peer/bwe/bwe.h"

#define MIN_BPS 50000
#define MAX_BPS 5000000

static void feedback(struct sq_bwe *bwe, uint64_t now_ns, const uint8_t *at, size_t len)
{
    struct sq_twcc_result results[64];
    size_t n = 0;
    int64_t arrival_ns = (int64_t)now_ns;
    for (; len >= 6 && n < 64; at += 6, len -= 6) {
        arrival_ns += (int64_t)(int16_t)sq_load_u16(at) * (int64_t)SQ_TWCC_TICK_NS;
        results[n] = (struct sq_twcc_result){
            .seq = (uint16_t)n,
            .size_bytes = (uint16_t)(at[2] << 3),
            .received = at[3] & 1,
            .was_lost = at[3] & 2,
            .probe = at[3] >> 5,
            .sent_ns = now_ns - sq_load_u16(at + 4) * (uint64_t)SQ_NS_PER_MS / 16,
            .arrival_ns = at[3] & 1 ? arrival_ns : 0,
        };
        n++;
    }
    sq_bwe_on_feedback(bwe, now_ns, results, n);
}

static void step(struct sq_bwe *bwe, uint64_t now_ns, const struct fuzz_piece *piece)
{
    uint8_t buf[16] = {0};
    memcpy(buf, piece->at, piece->len < sizeof(buf) ? piece->len : sizeof(buf));
    struct sq_bwe_probe probe;
    switch (piece->kind % 8) {
    case 0:
    case 1:
        feedback(bwe, now_ns, piece->at, piece->len);
        break;
    case 2:
        sq_bwe_on_remb(bwe, now_ns, sq_load_u32(buf));
        break;
    case 3:
        sq_bwe_on_loss_report(bwe, now_ns, sq_load_u16(buf), sq_load_u16(buf + 2),
                              sq_load_u32(buf + 4));
        break;
    case 4:
        sq_bwe_set_needed(bwe, now_ns, sq_load_u32(buf));
        break;
    case 5:
        while (sq_bwe_probe_due(bwe, now_ns, &probe)) {
            MUST(probe.id != 0 && probe.bps > 0 && probe.bytes > 0);
            sq_bwe_on_sent(bwe, now_ns, 1200, probe.id);
        }
        break;
    case 6:
        sq_bwe_probe_drop(bwe);
        break;
    default:
        sq_bwe_on_sent(bwe, now_ns, sq_load_u16(buf), buf[2]);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct sq_wire w = sq_wire_reader(data, len);
    const struct sq_bwe_config config = {.min_bps = MIN_BPS, .max_bps = MAX_BPS};
    struct sq_bwe *bwe;
    struct fuzz_piece piece;
    uint64_t now_ns = 10 * SQ_NS_PER_SEC;
    if (sq_bwe_create(&config, &bwe) != 0) {
        return 0;
    }
    sq_bwe_start(bwe, now_ns);
    while (fuzz_next(&w, &piece)) {
        step(bwe, now_ns, &piece);
        now_ns += (piece.kind >> 3) * 16 * SQ_NS_PER_MS;
        if (sq_bwe_next_ns(bwe) <= now_ns) {
            sq_bwe_on_timeout(bwe, now_ns);
            MUST(sq_bwe_next_ns(bwe) > now_ns);
        }
        struct sq_bwe_stats s;
        sq_bwe_stats(bwe, &s);
        MUST(s.target_bps >= MIN_BPS && s.target_bps <= MAX_BPS);
        MUST(s.delay_bps >= MIN_BPS && s.delay_bps <= MAX_BPS);
        MUST(s.loss >= 0 && s.loss <= 1);
    }
    sq_bwe_destroy(bwe);
    return 0;
}
