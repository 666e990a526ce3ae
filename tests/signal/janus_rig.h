/* For tests of the Janus adapter: a user, and a small Janus that it talks to. One of each at a
 * time. */
#ifndef TESTS_SIGNAL_JANUS_RIG_H
#define TESTS_SIGNAL_JANUS_RIG_H

#include "signal/fake_janus.h"
#include "signal/host.h"

#define ECHO "plugin=echotest"
#define ROOM "plugin=videoroom&room=1234"
/* Publishers of a room, as a list in JSON. */
#define TWO                                                                                        \
    "[{\"id\":7,\"display\":\"a\",\"streams\":[{\"type\":\"audio\",\"mid\":\"0\"},{\"type\":"      \
    "\"video\",\"mid\":\"1\"}]},{\"id\":8,\"streams\":[{\"type\":\"audio\",\"mid\":\"a\"}]}]"
#define WITH_JANUS(test) cmocka_unit_test_setup_teardown(test, jr_set_up, jr_tear_down)

extern struct fake_janus janus;
extern struct sig_host host;

void jr_start(void);
void jr_stop(void);
int jr_set_up(void **state);
int jr_tear_down(void **state);
/* The user goes to Janus with this query. */
void jr_open(const char *query);
/* ... until it has joined; the test fails where it cannot. */
void jr_wait_joined(void);
void jr_join(const char *query);
/* A member that is a string, "" where there is none. Borrowed. */
const char *jr_member(json_t *object, const char *key);

#endif
