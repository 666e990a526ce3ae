/* Links by name and in words: the networks that testRTC and Loadero offer, and own ones.
 *
 *   NETWORK = [PROFILE] { "," SETTING }      "Poor 4G", "wifi,loss=3%", "rate=1M,delay=80ms"
 *   SETTING = ["up." | "down."] KEY "=" VALUE | "reorder" | "firewall" "=" FIREWALL
 *
 * Keys: rate (bits a second), queue (a duration, or bytes: 200ms, 30kB), delay, jitter, loss,
 * duplicate, corrupt (per cent), burst (how many datagrams are lost in a row on average). Without
 * "up." or "down." a setting holds both ways. Names of profiles are compared without regard to case
 * and to what is neither letter nor digit. */
#ifndef SQ_NET_LINK_PROFILE_H
#define SQ_NET_LINK_PROFILE_H

#include "base/str.h"
#include "net/link.h"

struct sq_link_profile {
    const char *name;   /* as its origin writes it */
    const char *origin; /* "testRTC", "Loadero", "Squall" */
    struct sq_link_config config;
};

/* All of them, in the order of their lists; *ret_n is how many. */
const struct sq_link_profile *sq_link_profiles(size_t *ret_n);
/* NULL: no such profile. */
const struct sq_link_profile *sq_link_profile_find(const char *name);

/* SQ_ERR_FORMAT and a sentence that says what was expected. */
int sq_link_parse(const char *text, struct sq_link_config *ret_config, char *ret_why,
                  size_t size) SQ_MUST_USE;
/* The same of a network that changes (net/link_course.h): a name puts another in the place of
 * `base` (NULL: there was none), settings alone change what they name of it. An outage is over in
 * any case. */
int sq_link_parse_change(struct sq_view text, const struct sq_link_config *base,
                         struct sq_link_config *ret_config, char *ret_why, size_t size) SQ_MUST_USE;

/* What a setting's value may be, for a schema. */
struct sq_link_setting_form {
    struct sq_buf pattern; /* a regular expression (ECMA-262) without ^ and $; of the caller */
    bool bare;             /* a number without a unit may stand */
    double least, most;    /* of such a one; most 0: any */
};

/* "rate", "firewall" …; "reorder" has no value. */
void sq_link_setting_form(const char *name, struct sq_link_setting_form *ret_form);

#endif
