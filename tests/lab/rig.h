/* What the tests of the lab share: a lab in its own thread, and people who come to it by the room
 * adapter, on the test's loop, with real sockets on loopback. */
#ifndef TESTS_LAB_RIG_H
#define TESTS_LAB_RIG_H

#include "lab/lab.h"
#include "media/clip.h"
#include "net/http.h"
#include "net/loop.h"
#include "run/endpoint.h"
#include "signal/room/room.h"
#include "signal/room/room_proto.h"
#include <jansson.h>
#include <stdbool.h>

#define RIG_UNTIL_NS (20 * SQ_NS_PER_SEC)

extern struct sq_loop *rig_loop;
extern struct sq_carrier *rig_carrier;
extern struct sq_lab *rig_lab;
extern struct sq_clip *rig_clip;

/* cmocka set-ups: the whole with a lab of the defaults, and its end. */
int rig_up(void **state);
int rig_down(void **state);
/* Between rig_down's and rig_up's work: another lab in the place of the first. */
void rig_lab_with(const struct sq_lab_config *config);
const char *rig_url(enum sq_lab_url which, const char *tail);

/* Runs the loop while `cond` is false; fails the test after RIG_UNTIL_NS. */
#define RIG_UNTIL(cond)                                                                            \
    do {                                                                                           \
        uint64_t give_up_ = sq_clock_ns() + RIG_UNTIL_NS;                                          \
        while (!(cond)) {                                                                          \
            if (sq_clock_ns() > give_up_) {                                                        \
                fail_msg("never came true: %s", #cond);                                            \
            }                                                                                      \
            assert_int_equal(sq_loop_run_once(rig_loop, 20 * SQ_NS_PER_MS), 0);                    \
        }                                                                                          \
    } while (0)
void rig_run_for(uint64_t ns);

/* Somebody in a room. */
struct person {
    struct sq_signal_user user;
    struct sq_target target;
    struct sq_signal_host host;
    struct sq_signal *signal;
    struct sq_endpoint *endpoint;
    bool joined, left, failed, connected, lost;
    enum sq_cause cause;
    char text[SQ_PEER_TEXT_MAX];
    unsigned phases; /* bits of enum sq_phase */
    unsigned offers;
};

void person_come(struct person *p, const char *room, const char *name, bool sends, bool receives);
/* With p->user filled in by the test; url as a target, or NULL: the lab's rooms. */
void person_open(struct person *p, const char *url);
void person_free(struct person *p);
/* Tracks of that kind that receive now, and their sums. */
struct hearing {
    unsigned tracks; /* that are agreed to receive */
    unsigned alive;  /* of them, with packets */
    uint64_t packets, frames, key_frames, least_frames, plis;
    int64_t lost;
};
struct hearing person_hears(const struct person *p, enum sq_media_kind kind);
struct sq_track *person_sends(const struct person *p, enum sq_media_kind kind);
uint64_t person_sent(const struct person *p, enum sq_media_kind kind);

/* One HTTP request, run to its end. headers: NULL at the end, nullable. */
struct reply {
    int err, status;
    char *body; /* sq_free */
    char location[256], etag[32], allow[64], type[64], retry[16], auth[96], origin[16], expose[96],
        patch[64], post[64];
};
struct reply rig_http(const char *method, const char *url, const char *type, const char *body,
                      const char *const *headers);
void reply_free(struct reply *r);
/* GET /stats; json_decref. */
json_t *rig_stats(void);
json_int_t rig_stat(const char *key);

#endif
