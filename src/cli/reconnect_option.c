#include "cli/reconnect_option.h"

#include "base/str.h"
#include "base/time.h"
#include <stdio.h>
#include <string.h>

#define FIRST_DEFAULT_NS SQ_NS_PER_SEC
#define MOST_DEFAULT_NS  (30 * SQ_NS_PER_SEC)

/* FIRST-MOST */
static bool read_waits(const char *text, struct sq_plan_reconnect *reconnect)
{
    char first[32];
    const char *dash = strchr(text, '-');
    if (!dash || (size_t)(dash - text) >= sizeof(first)) {
        return false;
    }
    memcpy(first, text, (size_t)(dash - text));
    first[dash - text] = '\0';
    return sq_parse_duration(first, &reconnect->first_ns) == 0 &&
           sq_parse_duration(dash + 1, &reconnect->most_ns) == 0 && reconnect->first_ns > 0 &&
           reconnect->most_ns >= reconnect->first_ns;
}

int sq_reconnect_option_parse(const char *text, struct sq_plan_reconnect *ret_reconnect, char *why,
                              size_t why_room)
{
    struct sq_plan_reconnect reconnect = {.first_ns = FIRST_DEFAULT_NS, .most_ns = MOST_DEFAULT_NS};
    if (!text) {
        *ret_reconnect = (struct sq_plan_reconnect){.how = SQ_RECONNECT_NOT};
        return 0;
    }
    reconnect.ice_first = strncmp(text, "ice+", 4) == 0;
    const char *how = reconnect.ice_first ? text + 4 : text;
    bool known = strcmp(how, "now") == 0 || strcmp(how, "backoff") == 0;
    reconnect.how = strcmp(how, "now") == 0 ? SQ_RECONNECT_NOW : SQ_RECONNECT_BACK_OFF;
    if (strncmp(how, "backoff:", 8) == 0) {
        known = read_waits(how + 8, &reconnect);
    }
    if (!known) {
        snprintf(why, why_room,
                 "--reconnect %.80s: expected now, backoff or backoff:FIRST-MOST, such as "
                 "backoff:1s-30s, and ice+ before it to restart ICE first",
                 text);
        return SQ_ERR_INVALID;
    }
    *ret_reconnect = reconnect;
    return 0;
}
