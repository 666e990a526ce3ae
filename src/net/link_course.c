#include "net/link_course.h"

#include "base/str.h"
#include "net/link_profile.h"
#include <stdio.h>
#include <string.h>

struct reader {
    char *why;
    size_t size;
    struct sq_link_course course;
    struct sq_link_change *changes;
    size_t room;
    struct sq_link_config before; /* what holds when it is not down */
    bool down;
    bool ended;       /* the change before is the end of a down that said how long */
    uint64_t last_ns; /* when that change comes */
};

static int refuse(const struct reader *r, struct sq_view what, const char *expected)
{
    snprintf(r->why, r->size, "'%.*s': expected %s", (int)(what.len < 60 ? what.len : 60), what.at,
             expected);
    return SQ_ERR_FORMAT;
}

/* Up to the comma before the next "TIME:", or the end. */
static struct sq_view cut_stage(struct sq_view *rest)
{
    struct sq_view stage = {rest->at, 0};
    while (rest->at) {
        struct sq_view ahead = *rest;
        struct sq_view item = sq_view_cut(&ahead, ',');
        if (item.at != stage.at && memchr(item.at, ':', item.len)) {
            break;
        }
        stage.len = (size_t)(item.at + item.len - stage.at);
        *rest = ahead;
    }
    return sq_view_trim(stage);
}

static bool read_duration(struct sq_view v, uint64_t *ret_ns)
{
    char text[40];
    if (v.len == 0 || v.len >= sizeof(text)) {
        return false;
    }
    memcpy(text, v.at, v.len);
    text[v.len] = '\0';
    return sq_parse_duration(text, ret_ns) == 0 && *ret_ns > 0 && *ret_ns <= SQ_LINK_COURSE_MAX_NS;
}

/* A word at the beginning, with a blank or nothing behind it. */
static bool cut_word(struct sq_view *v, const char *word)
{
    size_t len = strlen(word);
    if (!sq_view_starts(*v, word) || (v->len > len && v->at[len] != ' ')) {
        return false;
    }
    *v = sq_view_trim((struct sq_view){v->at + len, v->len - len});
    return true;
}

static int read_time(struct reader *r, struct sq_view text, uint64_t *ret_ns)
{
    char expected[120];
    struct sq_view number = text;
    bool of_run = cut_word(&number, "run");
    if (!read_duration(number, ret_ns)) {
        return refuse(r, text,
                      "a time and its unit before the colon, a week at most: 20s from the peer's "
                      "start, or 'run 20s' from the run's");
    }
    if (r->last_ns > 0 && of_run != r->course.of_run) {
        return refuse(r, text,
                      of_run ? "a time from the peer's start, as those before it (without 'run')"
                             : "a time from the run's start, as those before it (with 'run')");
    }
    if (*ret_ns < r->last_ns || (*ret_ns == r->last_ns && !r->ended)) {
        char last[32];
        snprintf(expected, sizeof(expected),
                 r->ended ? "%s or later, when it is up again"
                          : "a time after %s, when the change before "
                            "it comes",
                 sq_format_duration(r->last_ns, last));
        return refuse(r, text, expected);
    }
    r->course.of_run = of_run;
    return 0;
}

static int add(struct reader *r, uint64_t at_ns, struct sq_view text,
               const struct sq_link_config *config)
{
    if (r->course.n == r->room) {
        return refuse(r, text, "fewer changes: there is no room for more");
    }
    struct sq_link_change *change = &r->changes[r->course.n++];
    *change = (struct sq_link_change){.at_ns = at_ns, .config = *config};
    snprintf(change->text, sizeof(change->text), "%.*s", (int)sq_min_u64(text.len, 47), text.at);
    r->last_ns = at_ns;
    r->ended = false;
    return 0;
}

static int go_down(struct reader *r, uint64_t at_ns, struct sq_view text, struct sq_view lasting)
{
    struct sq_link_config config = r->before;
    uint64_t for_ns = 0;
    if (lasting.len > 0 && !read_duration(lasting, &for_ns)) {
        return refuse(r, text, "down, or down and how long, such as 'down 3s'");
    }
    config.outage = true;
    int err = add(r, at_ns, text, &config);
    if (!err && for_ns > 0) {
        err = add(r, at_ns + for_ns, sq_view_of("up"), &r->before);
        r->ended = true;
    }
    r->down = for_ns == 0;
    return err;
}

static int come_up(struct reader *r, uint64_t at_ns, struct sq_view text)
{
    if (!r->down) {
        return refuse(r, text, "a change: it is not down");
    }
    r->down = false;
    return add(r, at_ns, text, &r->before);
}

static int begin_again(struct reader *r, uint64_t at_ns, struct sq_view text, struct sq_view rest)
{
    if (r->course.n == 0) {
        return refuse(r, text, "a change before it: there is nothing to go back from");
    }
    if (rest.at) {
        return refuse(r, text, "nothing behind it: with it the course begins anew");
    }
    r->course.again_ns = at_ns;
    return 0;
}

static int change(struct reader *r, uint64_t at_ns, struct sq_view text, struct sq_view rest)
{
    struct sq_view tail = text;
    if (cut_word(&tail, "again") && tail.len == 0) {
        return begin_again(r, at_ns, text, rest);
    }
    if (cut_word(&tail, "down")) {
        return go_down(r, at_ns, text, tail);
    }
    if (cut_word(&tail, "up") && tail.len == 0) {
        return come_up(r, at_ns, text);
    }
    struct sq_link_config config;
    int err = sq_link_parse_change(text, &r->before, &config, r->why, r->size);
    if (!err) {
        r->before = config;
        r->down = false;
        err = add(r, at_ns, text, &config);
    }
    return err;
}

int sq_link_course_parse(const char *text, struct sq_link_config *ret_first,
                         struct sq_link_course *ret_course, struct sq_link_change *changes,
                         size_t room, char *ret_why, size_t size)
{
    struct reader r = {.why = ret_why, .size = size, .changes = changes, .room = room};
    struct sq_view rest = sq_view_of(text);
    struct sq_view stage = cut_stage(&rest);
    if (memchr(stage.at, ':', stage.len)) {
        return refuse(&r, stage, "a network to begin with, before the first change");
    }
    struct sq_view tail = stage;
    if (cut_word(&tail, "down") && tail.len > 0) {
        return refuse(&r, stage,
                      "a network first, and then when it is down and for how long, such as "
                      "'wifi, 5s: down 1m'");
    }
    r.down = sq_view_is(stage, "down");
    int err = r.down ? 0 : sq_link_parse_change(stage, NULL, &r.before, ret_why, size);
    struct sq_link_config first = r.before;
    first.outage = r.down;
    while (!err && rest.at) {
        uint64_t at_ns;
        struct sq_view time = sq_view_trim(sq_view_cut(&rest, ':'));
        err = read_time(&r, time, &at_ns);
        stage = err ? stage : cut_stage(&rest);
        err = err ? err : change(&r, at_ns, stage, rest);
    }
    if (!err && first.outage && r.course.n == 0) {
        err = refuse(&r, stage, "a time at which it comes up, such as 'down, 5s: wifi'");
    }
    if (!err) {
        *ret_first = first;
        *ret_course = r.course;
    }
    return err;
}

const struct sq_link_change *sq_link_course_at(const struct sq_link_course *course,
                                               const struct sq_link_change *changes,
                                               uint64_t elapsed_ns, uint64_t *ret_next_ns)
{
    const struct sq_link_change *holds = NULL;
    uint64_t begin_ns = course->again_ns ? elapsed_ns - elapsed_ns % course->again_ns : 0;
    size_t i = 0;
    while (i < course->n && changes[i].at_ns <= elapsed_ns - begin_ns) {
        holds = &changes[i++];
    }
    *ret_next_ns = i < course->n      ? begin_ns + changes[i].at_ns
                   : course->again_ns ? begin_ns + course->again_ns
                                      : SQ_NEVER;
    return holds;
}
