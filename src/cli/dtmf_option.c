#include "cli/dtmf_option.h"

#include "base/str.h"
#include "base/time.h"
#include "media/dtmf.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AFTER_DEFAULT_NS SQ_NS_PER_SEC
#define AFTER_MAX_S      86400

static bool are_tones(struct sq_view digits)
{
    if (digits.len == 0 || digits.len > SQ_PEER_TONES_MAX) {
        return false;
    }
    for (size_t i = 0; i < digits.len; i++) {
        if (digits.at[i] != ',' && sq_dtmf_of_key(digits.at[i]) < 0) {
            return false;
        }
    }
    return true;
}

/* "2.5", or with the unit of other durations. */
static bool read_after(struct sq_view text, uint64_t *ret_ns)
{
    char copy[32];
    char *end;
    if (text.len == 0 || text.len >= sizeof(copy)) {
        return false;
    }
    memcpy(copy, text.at, text.len);
    copy[text.len] = '\0';
    double seconds = strtod(copy, &end);
    if (strcmp(end, "ms") == 0) {
        seconds /= 1e3;
    } else if (*end != '\0' && strcmp(end, "s") != 0) {
        return false;
    }
    if (end == copy || !(seconds >= 0 && seconds <= AFTER_MAX_S)) {
        return false;
    }
    *ret_ns = (uint64_t)(seconds * 1e9);
    return true;
}

/* Of the group that presses keys: without names all peers are of one, or do what it does. */
static bool presses(const struct sq_plan *plan, const struct sq_peer_row *peer)
{
    for (size_t i = 0; i < plan->groups_len; i++) {
        const struct sq_plan_group *group = &plan->groups[i];
        if (group->dtmf[0] && (!group->name || strcmp(group->name, peer->role) == 0)) {
            return true;
        }
    }
    return false;
}

void sq_dtmf_option_tell(const struct sq_plan *plan, const struct sq_result *result, FILE *out)
{
    size_t connected = 0;
    size_t pressed = 0;
    for (size_t i = 0; i < result->peer_count; i++) {
        connected += result->peers[i].connected && presses(plan, &result->peers[i]);
        pressed += result->peers[i].dtmf_pressed > 0;
    }
    if (pressed < connected) {
        fprintf(out,
                "--dtmf: %zu of %zu connected peers pressed no key: telephone-event was not "
                "agreed, or the call was over before.\n",
                connected - pressed, connected);
    }
}

int sq_dtmf_option_parse(const char *text, struct sq_plan_group *group, char *why, size_t why_room)
{
    group->dtmf[0] = '\0';
    group->dtmf_after_ns = AFTER_DEFAULT_NS;
    if (!text) {
        return 0;
    }
    struct sq_view after = sq_view_of(text);
    struct sq_view digits = sq_view_cut(&after, '@');
    if (!are_tones(digits) || (after.at && !read_after(after, &group->dtmf_after_ns))) {
        snprintf(why, why_room,
                 "--dtmf %.80s: expected up to %d of 0-9, A-D, #, * and the comma (2 s of pause), "
                 "and @SECONDS after the call is up, such as 1234# or 55,66@2.5",
                 text, SQ_PEER_TONES_MAX);
        return SQ_ERR_INVALID;
    }
    memcpy(group->dtmf, digits.at, digits.len);
    group->dtmf[digits.len] = '\0';
    return 0;
}
