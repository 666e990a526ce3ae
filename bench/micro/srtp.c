/* What an SRTP packet costs: ns of CPU for protect and unprotect, by profile, size, batch, number
 * of sessions and backend. With 1 session everything is hot; with 2,000 each packet of a batch is
 * another session's, and its keys come from afar.
 *
 *   cmake --build build --target sq_peer
 *   cc -O2 -D_GNU_SOURCE -DSQ_HAVE_IPSEC_MB=1 -Isrc bench/micro/srtp.c build/libsq_peer.a \
 *      build/libsq_base.a -lssl -lcrypto -lIPSec_MB -lm -o build/micro_srtp && build/micro_srtp
 */
#include "peer/srtp/srtp.h"
#include "base/wire.h"
#include "micro.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SESSIONS_MAX 2000
#define BATCH_MAX    32
#define ROUNDS       7
#define PACKETS      24000 /* a round */
#define ROOM         1280

static struct sq_srtp *senders[SESSIONS_MAX];
static struct sq_srtp *receivers[SESSIONS_MAX];
static uint16_t seqs[SESSIONS_MAX];

static void die(const char *what)
{
    (void)fprintf(stderr, "micro_srtp: %s\n", what);
    exit(1);
}

static void packet_fill(uint8_t *pkt, uint16_t seq, size_t len)
{
    memset(pkt, 0, 12);
    pkt[0] = 0x80;
    pkt[1] = 96;
    sq_store_u16(pkt + 2, seq);
    sq_store_u32(pkt + 8, 1);
    memset(pkt + 12, seq & 0xff, len - 12);
}

/* One round; adds up the time of both directions. */
static void round_run(struct sq_srtp_engine *e, size_t len, size_t batch, size_t sessions,
                      uint64_t *ret_protect_ns, uint64_t *ret_unprotect_ns)
{
    static uint8_t bytes[BATCH_MAX][ROOM];
    struct sq_srtp_job jobs[BATCH_MAX];
    uint64_t protect_ns = 0;
    uint64_t unprotect_ns = 0;
    size_t at = 0;
    for (size_t done = 0; done < PACKETS; done += batch) {
        for (size_t i = 0; i < batch; i++) {
            size_t s = (at + i) % sessions;
            packet_fill(bytes[i], ++seqs[s], len);
            jobs[i] = (struct sq_srtp_job){
                .session = senders[s], .pkt = bytes[i], .len = len, .room = ROOM};
        }
        uint64_t began = micro_cpu_ns();
        sq_srtp_protect_batch(e, jobs, batch);
        uint64_t middle = micro_cpu_ns();
        for (size_t i = 0; i < batch; i++) {
            jobs[i].session = receivers[(at + i) % sessions];
            jobs[i].len = jobs[i].ret_len;
        }
        uint64_t again = micro_cpu_ns();
        sq_srtp_unprotect_batch(e, jobs, batch);
        uint64_t ended = micro_cpu_ns();
        for (size_t i = 0; i < batch; i++) {
            if (jobs[i].err) {
                die("a packet did not come through");
            }
        }
        protect_ns += middle - began;
        unprotect_ns += ended - again;
        at = (at + batch) % sessions;
    }
    *ret_protect_ns = protect_ns;
    *ret_unprotect_ns = unprotect_ns;
}

static void measure(struct sq_srtp_engine *e, enum sq_srtp_profile profile, size_t len,
                    size_t batch, size_t sessions)
{
    uint64_t clock_ns = UINT64_MAX;
    for (size_t i = 0; i < 1000; i++) { /* what asking the time costs is taken off */
        uint64_t began = micro_cpu_ns();
        uint64_t took = micro_cpu_ns() - began;
        clock_ns = took < clock_ns ? took : clock_ns;
    }
    uint64_t best_protect = UINT64_MAX;
    uint64_t best_unprotect = UINT64_MAX;
    for (size_t r = 0; r < ROUNDS; r++) {
        uint64_t protect_ns;
        uint64_t unprotect_ns;
        round_run(e, len, batch, sessions, &protect_ns, &unprotect_ns);
        best_protect = protect_ns < best_protect ? protect_ns : best_protect;
        best_unprotect = unprotect_ns < best_unprotect ? unprotect_ns : best_unprotect;
    }
    double off = (double)clock_ns / (double)batch;
    (void)printf("%-9s %-24s %5zu B  batch %2zu  %4zu sessions  protect %5.0f  unprotect %5.0f\n",
                 sq_srtp_engine_backend(e), sq_srtp_profile_name(profile), len, batch, sessions,
                 (double)best_protect / PACKETS - off, (double)best_unprotect / PACKETS - off);
}

static void sessions_make(struct sq_srtp_engine *e, enum sq_srtp_profile profile)
{
    for (size_t i = 0; i < SESSIONS_MAX; i++) {
        struct sq_srtp_master a = {.key = {1, (uint8_t)i, (uint8_t)(i >> 8)}};
        struct sq_srtp_master b = {.key = {2, (uint8_t)i, (uint8_t)(i >> 8)}};
        seqs[i] = 0;
        if (sq_srtp_create(e, profile, &a, &b, &senders[i]) ||
            sq_srtp_create(e, profile, &b, &a, &receivers[i])) {
            die("no session");
        }
    }
}

static void sessions_free(void)
{
    for (size_t i = 0; i < SESSIONS_MAX; i++) {
        sq_srtp_destroy(senders[i]);
        sq_srtp_destroy(receivers[i]);
    }
}

static void backend_measure(enum sq_srtp_backend backend)
{
    static const enum sq_srtp_profile PROFILES[] = {SQ_SRTP_AEAD_AES_128_GCM,
                                                    SQ_SRTP_AES128_CM_SHA1_80};
    static const size_t LENS[] = {160, 1200};
    static const size_t BATCHES[] = {1, 8, 32};
    static const size_t COUNTS[] = {1, SESSIONS_MAX};
    struct sq_srtp_engine *e;
    if (sq_srtp_engine_create(backend, &e)) {
        return;
    }
    for (size_t p = 0; p < 2; p++) {
        sessions_make(e, PROFILES[p]);
        for (size_t i = 0; i < 12; i++) {
            measure(e, PROFILES[p], LENS[i / 6], BATCHES[i / 2 % 3], COUNTS[i % 2]);
        }
        sessions_free();
    }
    sq_srtp_engine_destroy(e);
}

int main(void)
{
    backend_measure(SQ_SRTP_BACKEND_IPSEC_MB);
    backend_measure(SQ_SRTP_BACKEND_OPENSSL);
    return 0;
}
