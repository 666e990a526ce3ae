/* RTP and RTCP in the clear: packets to a receiver, compounds to every typed parser, feedback to a
 * transport-wide log, and the reports that come of it. */
#include "fuzz/fuzz.h"
#include "peer/rtcp/rtcp.h"
#include "peer/rtp/receiver.h"
#include "peer/rtp/rtp.h"
#include "peer/rtp/twcc.h"

#define LOG_ROOM 256

struct rig {
    uint64_t now_ns;
    struct sq_rtp_receiver receiver;
    struct sq_twcc_log log;
    struct sq_twcc_recorder recorder;
};

static const struct sq_rtp_ext_ids ids = {.id = {[SQ_RTP_EXT_MID] = 1,
                                                 [SQ_RTP_EXT_RID] = 2,
                                                 [SQ_RTP_EXT_REPAIRED_RID] = 3,
                                                 [SQ_RTP_EXT_ABS_SEND_TIME] = 4,
                                                 [SQ_RTP_EXT_TRANSPORT_CC] = 5,
                                                 [SQ_RTP_EXT_AUDIO_LEVEL] = 6}};

static void touch(const void *at, size_t len)
{
    volatile uint8_t sink = 0;
    for (size_t i = 0; i < len; i++) {
        sink = (uint8_t)(sink ^ ((const uint8_t *)at)[i]);
    }
}

static void rtp(struct rig *rig, const uint8_t *buf, size_t len)
{
    struct sq_rtp_packet p;
    struct sq_rtp_exts exts;
    struct sq_view found;
    if (sq_rtp_parse(buf, len, &p) != 0) {
        return;
    }
    MUST((size_t)p.header_bytes + p.payload_bytes + p.padding_bytes == len);
    MUST(p.header_bytes >= SQ_RTP_FIXED_BYTES);
    touch(p.payload, p.payload_bytes);
    touch(p.ext, p.ext_bytes);
    sq_rtp_exts_read(&p, &ids, &exts);
    touch(exts.mid.at, exts.mid.len);
    touch(exts.rid.at, exts.rid.len);
    touch(exts.repaired_rid.at, exts.repaired_rid.len);
    for (unsigned id = 0; id < 256; id += 5) {
        if (sq_rtp_ext_find(&p, (uint8_t)id, &found) == 0) {
            touch(found.at, found.len);
        }
    }
    unsigned bits = sq_rtp_receiver_on_packet(&rig->receiver, rig->now_ns, &p);
    MUST(bits != 0);
    MUST(!(bits & SQ_RTP_RX_NEW) || !(bits & (SQ_RTP_RX_DUPLICATE | SQ_RTP_RX_TOO_OLD)));
    if (sq_rtp_has(&exts, SQ_RTP_EXT_TRANSPORT_CC)) {
        sq_twcc_recorder_on_packet(&rig->recorder, rig->now_ns, exts.transport_seq, p.ssrc);
    }
}

static void report(struct rig *rig, const struct sq_rtcp_packet *p)
{
    struct sq_rtcp_report r;
    if (sq_rtcp_parse_report(p, &r) == 0) {
        for (size_t i = 0; i < r.block_count; i++) {
            struct sq_rtcp_block b = sq_rtcp_block_at(&r, i);
            MUST(b.cumulative_lost >= -(1 << 23) && b.cumulative_lost < 1 << 23);
        }
        if (r.is_sr) {
            sq_rtp_receiver_on_sr(&rig->receiver, rig->now_ns, &r);
        }
    }
}

static void twcc(struct rig *rig, const struct sq_rtcp_packet *p)
{
    struct sq_rtcp_twcc fb;
    if (sq_rtcp_parse_twcc(p, &fb) != 0) {
        return;
    }
    struct sq_rtcp_twcc_status status;
    struct sq_rtcp_twcc_iter it = sq_rtcp_twcc_iter(&fb);
    size_t n = 0;
    while (sq_rtcp_twcc_next(&it, &status)) {
        MUST(status.seq == (uint16_t)(fb.base_seq + n));
        n++;
    }
    MUST(n == fb.status_count);
    struct sq_twcc_result results[LOG_ROOM];
    struct sq_twcc_summary summary;
    size_t count =
        sq_twcc_log_on_feedback(&rig->log, rig->now_ns, &fb, results, LOG_ROOM, &summary);
    MUST(count <= LOG_ROOM && summary.received + summary.lost <= count);
}

static void typed(struct rig *rig, const struct sq_rtcp_packet *p)
{
    struct sq_rtcp_sdes_chunk chunks[SQ_RTCP_BLOCKS_MAX];
    struct sq_rtcp_bye bye;
    struct sq_rtcp_nack nack;
    struct sq_rtcp_pli pli;
    struct sq_rtcp_fir fir;
    struct sq_rtcp_remb remb;
    size_t n;
    /* Each parser, whatever the kind: the wrong ones must say so. */
    if (sq_rtcp_parse_sdes(p, chunks, &n) == 0) {
        MUST(p->kind == SQ_RTCP_KIND_SDES && n <= SQ_RTCP_BLOCKS_MAX);
        for (size_t i = 0; i < n; i++) {
            touch(chunks[i].cname.at, chunks[i].cname.len);
        }
    }
    if (sq_rtcp_parse_bye(p, &bye) == 0) {
        MUST(p->kind == SQ_RTCP_KIND_BYE);
        touch(bye.ssrcs, 4U * bye.count);
        touch(bye.reason.at, bye.reason.len);
    }
    if (sq_rtcp_parse_nack(p, &nack) == 0) {
        uint16_t seqs[100];
        MUST(p->kind == SQ_RTCP_KIND_NACK);
        size_t asked = sq_rtcp_nack_seqs(&nack, seqs, 100);
        MUST(asked <= 100 && asked <= nack.pair_count * SQ_RTCP_NACK_PER_PAIR);
    }
    if (sq_rtcp_parse_pli(p, &pli) == 0) {
        MUST(p->kind == SQ_RTCP_KIND_PLI);
    }
    if (sq_rtcp_parse_fir(p, &fir) == 0) {
        MUST(p->kind == SQ_RTCP_KIND_FIR);
        for (size_t i = 0; i < fir.entry_count; i++) {
            (void)sq_rtcp_fir_at(&fir, i);
        }
    }
    if (sq_rtcp_parse_remb(p, &remb) == 0) {
        MUST(p->kind == SQ_RTCP_KIND_REMB);
        touch(remb.ssrcs, 4 * remb.ssrc_count);
    }
    report(rig, p);
    twcc(rig, p);
}

static void rtcp(struct rig *rig, const uint8_t *buf, size_t len)
{
    struct sq_rtcp_iter it = sq_rtcp_iter(buf, len);
    struct sq_rtcp_packet p;
    size_t n = 0;
    while (sq_rtcp_next(&it, &p)) {
        MUST(p.body >= buf && p.body + p.body_bytes <= buf + len);
        MUST(++n <= len / 4);
        typed(rig, &p);
    }
}

/* What this side would say: it must parse again. */
static void speak(struct rig *rig)
{
    uint8_t buf[1200];
    uint16_t seqs[SQ_RTP_MISSING_MAX];
    struct sq_rtcp_block block;
    struct sq_rtcp_packet p;
    struct sq_rtp_inbound_stats stats;
    struct sq_wire w = sq_wire_writer(buf, sizeof(buf));
    size_t packets = 0;
    if (sq_rtp_receiver_report(&rig->receiver, rig->now_ns, &block)) {
        sq_rtcp_put_rr(&w, 1, &block, 1);
        packets++;
    }
    size_t n = sq_rtp_receiver_nacks(&rig->receiver, rig->now_ns, 0, seqs, SQ_RTP_MISSING_MAX);
    MUST(n <= SQ_RTP_MISSING_MAX);
    if (n > 0) {
        sq_rtcp_put_nack(&w, 1, 2, seqs, n);
        packets++;
    }
    for (int i = 0; i < 3 && sq_twcc_recorder_build(&rig->recorder, rig->now_ns, 1, &w); i++) {
        packets++;
    }
    MUST(w.err == 0);
    struct sq_rtcp_iter it = sq_rtcp_iter(buf, w.pos);
    size_t seen = 0;
    while (sq_rtcp_next(&it, &p)) {
        struct sq_rtcp_twcc fb;
        MUST(p.kind != SQ_RTCP_KIND_TWCC || sq_rtcp_parse_twcc(&p, &fb) == 0);
        seen++;
    }
    MUST(it.err == 0 && seen == packets);
    sq_rtp_receiver_stats(&rig->receiver, &stats);
    MUST(stats.jitter_s >= 0 && stats.packets_lost_residual <= stats.packets_lost_network);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct sq_wire w = sq_wire_reader(data, len);
    struct fuzz_piece piece;
    struct rig rig = {.now_ns = SQ_NS_PER_SEC};
    sq_rtp_receiver_init(&rig.receiver, 0x11223344, 90000, SQ_RTP_VIDEO, true);
    MUST(sq_twcc_log_init(&rig.log, LOG_ROOM, 65500) == 0);
    MUST(sq_twcc_recorder_init(&rig.recorder, 512, 0) == 0);
    while (fuzz_next(&w, &piece)) {
        switch (piece.kind & 7) {
        case 0:
            rig.now_ns += (piece.len ? piece.at[0] : 1) * SQ_NS_PER_MS;
            break;
        case 1:
            for (unsigned i = 0; i < piece.kind / 8; i++) {
                (void)sq_twcc_log_take(&rig.log, rig.now_ns, 1200, 0);
            }
            break;
        case 2:
            speak(&rig);
            break;
        case 3:
        case 4:
            rtcp(&rig, piece.at, piece.len);
            break;
        default:
            (void)sq_packet_kind(piece.at, piece.len);
            rtp(&rig, piece.at, piece.len);
            break;
        }
    }
    speak(&rig);
    sq_rtp_receiver_close(&rig.receiver);
    sq_twcc_log_close(&rig.log);
    sq_twcc_recorder_close(&rig.recorder);
    return 0;
}
