/* Networks in words: what parses is in range at every time, and its changes come in order. */
#include "fuzz/fuzz.h"
#include "net/link_course.h"
#include <string.h>

#define ROOM 16

static void check(const struct sq_link_config *config)
{
    char why[200];
    MUST(sq_link_check(config, why, sizeof(why)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct sq_link_change changes[ROOM];
    struct sq_link_config first;
    struct sq_link_course course;
    char text[1024];
    char why[200] = "";
    if (len >= sizeof(text)) {
        return 0;
    }
    memcpy(text, data, len);
    text[len] = '\0';
    if (sq_link_course_parse(text, &first, &course, changes, ROOM, why, sizeof(why)) != 0) {
        MUST(why[0] != '\0');
        return 0;
    }
    MUST(course.n <= ROOM);
    check(&first);
    uint64_t at_ns = 0;
    for (size_t i = 0; i < course.n; i++) {
        uint64_t next_ns;
        MUST(changes[i].at_ns >= at_ns && changes[i].at_ns > 0);
        MUST(memchr(changes[i].text, '\0', sizeof(changes[i].text)) != NULL);
        check(&changes[i].config);
        at_ns = changes[i].at_ns;
        MUST(course.again_ns == 0 || course.again_ns >= at_ns);
        (void)sq_link_course_at(&course, changes, 3 * at_ns, &next_ns);
        MUST(next_ns > 3 * at_ns);
    }
    return 0;
}
