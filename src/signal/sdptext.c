#include "signal/sdptext.h"

#include "base/mem.h"
#include "base/str.h"
#include <string.h>

/* Takes the next line off, without its line end; false at the end. */
static bool next_line(struct sq_view *rest, struct sq_view *ret_line)
{
    while (rest->at && rest->len > 0) {
        struct sq_view line = sq_view_trim(sq_view_cut(rest, '\n'));
        if (line.len > 0) {
            *ret_line = line;
            return true;
        }
    }
    return false;
}

static int open_text(const char *text, struct sq_view *ret_rest)
{
    *ret_rest = sq_view_of(text);
    return ret_rest->len > SQ_SDPTEXT_MAX_BYTES ? SQ_ERR_NOSPACE : 0;
}

static void put(struct sq_buf *out, struct sq_view line)
{
    sq_buf_add(out, line.at, line.len);
    sq_buf_puts(out, "\r\n");
}

static void put_candidates(struct sq_buf *out, const char *candidates, bool end)
{
    struct sq_view rest = sq_view_of(candidates);
    struct sq_view line;
    while (next_line(&rest, &line)) {
        sq_buf_puts(out, "a=");
        put(out, line);
    }
    if (end) {
        sq_buf_puts(out, "a=end-of-candidates\r\n");
    }
}

static int give(struct sq_buf *out, char **ret_text)
{
    char *text = sq_buf_take(out);
    if (!text) {
        return SQ_ERR_NOMEM;
    }
    *ret_text = text;
    return 0;
}

static bool is_media(struct sq_view line)
{
    return sq_view_starts(line, "m=");
}

static bool is_candidate(struct sq_view line)
{
    return sq_view_starts(line, "a=candidate:");
}

static bool is_end(struct sq_view line)
{
    return sq_view_is(line, "a=end-of-candidates");
}

int sq_sdptext_add_candidates(const char *sdp, const char *candidates, bool end, char **ret_sdp)
{
    struct sq_view rest;
    struct sq_view line;
    struct sq_buf out = {0};
    unsigned media = 0;
    int err = open_text(sdp, &rest);
    if (err) {
        return err;
    }
    while (next_line(&rest, &line)) {
        if (is_media(line) && media++ == 1) {
            put_candidates(&out, candidates, end);
        }
        put(&out, line);
    }
    if (media == 1) {
        put_candidates(&out, candidates, end);
    }
    return give(&out, ret_sdp);
}

int sq_sdptext_fragment(const char *sdp, const char *candidates, bool end, bool whole,
                        char **ret_fragment)
{
    static const char *const wanted[] = {"a=mid:", "a=ice-ufrag:", "a=ice-pwd:"};
    struct sq_view rest;
    struct sq_view line;
    struct sq_buf out = {0};
    unsigned media = 0;
    int err = open_text(sdp, &rest);
    if (err) {
        return err;
    }
    if (whole) {
        sq_buf_puts(&out, "a=ice-options:trickle ice2\r\n");
    }
    while (next_line(&rest, &line) && media < 2) {
        media += is_media(line) ? 1 : 0;
        bool keep =
            media == 0 ? sq_view_starts(line, "a=group:BUNDLE") : media == 1 && is_media(line);
        for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++) {
            keep = keep || (media < 2 && sq_view_starts(line, wanted[i]));
        }
        if (keep || (whole && media == 1 && is_candidate(line))) {
            put(&out, line);
        }
    }
    put_candidates(&out, candidates, end);
    return give(&out, ret_fragment);
}

struct credentials {
    struct sq_view ufrag, pwd; /* whole lines */
    bool lite;
};

static void read_credentials(struct sq_view rest, struct credentials *c)
{
    struct sq_view line;
    while (next_line(&rest, &line)) {
        if (!c->ufrag.at && sq_view_starts(line, "a=ice-ufrag:")) {
            c->ufrag = line;
        } else if (!c->pwd.at && sq_view_starts(line, "a=ice-pwd:")) {
            c->pwd = line;
        } else if (sq_view_is(line, "a=ice-lite")) {
            c->lite = true;
        }
    }
}

static void put_fragment_candidates(struct sq_buf *out, struct sq_view rest)
{
    struct sq_view line;
    while (next_line(&rest, &line)) {
        if (is_candidate(line) || is_end(line)) {
            put(out, line);
        }
    }
}

int sq_sdptext_restart(const char *answer, const char *fragment, char **ret_answer)
{
    struct sq_view rest;
    struct sq_view frag;
    struct sq_view line;
    struct credentials c = {0};
    struct sq_buf out = {0};
    unsigned media = 0;
    int err = open_text(answer, &rest);
    err = err ? err : open_text(fragment, &frag);
    if (err) {
        return err;
    }
    read_credentials(frag, &c);
    if (!c.ufrag.at || !c.pwd.at) {
        return SQ_ERR_FORMAT;
    }
    while (next_line(&rest, &line)) {
        bool lite = sq_view_is(line, "a=ice-lite");
        if (is_media(line)) {
            if (media == 0 && c.lite) {
                sq_buf_puts(&out, "a=ice-lite\r\n");
            } else if (media == 1) {
                put_fragment_candidates(&out, frag);
            }
            media++;
        }
        if (sq_view_starts(line, "a=ice-ufrag:")) {
            put(&out, c.ufrag);
        } else if (sq_view_starts(line, "a=ice-pwd:")) {
            put(&out, c.pwd);
        } else if (!is_candidate(line) && !is_end(line) && !(lite && c.lite)) {
            put(&out, line);
        }
    }
    if (media == 1) {
        put_fragment_candidates(&out, frag);
    }
    return give(&out, ret_answer);
}
