#include "run/step_take.h"

#include "base/mem.h"
#include "signal/jsontext.h"
#include <stdio.h>
#include <string.h>

/* ---- JSON pointers ---- */

/* RFC 6901, section 4: "~1" is "/", and then "~0" is "~". */
static void unescape(struct sq_view token, struct sq_buf *out)
{
    for (size_t i = 0; i < token.len; i++) {
        bool escape = token.at[i] == '~' && i + 1 < token.len;
        if (escape && token.at[i + 1] == '1') {
            sq_buf_puts(out, "/");
            i++;
        } else if (escape && token.at[i + 1] == '0') {
            sq_buf_puts(out, "~");
            i++;
        } else {
            sq_buf_add(out, token.at + i, 1);
        }
    }
}

/* An index has no leading zeros; "-" is behind the last one, where there is nothing to take. */
static json_t *at_index(json_t *list, struct sq_view token)
{
    uint64_t i;
    bool zeros = token.len > 1 && token.at[0] == '0';
    return !zeros && sq_view_u64(token, UINT32_MAX, &i) == 0 ? json_array_get(list, (size_t)i)
                                                             : NULL;
}

json_t *sq_json_at(json_t *root, const char *pointer)
{
    json_t *at = root;
    const char *p = pointer;
    while (at && *p) {
        struct sq_view token = {.at = p + 1, .len = strcspn(p + 1, "/")};
        struct sq_buf name = {0};
        if (*p != '/') {
            return NULL;
        }
        unescape(token, &name);
        at = name.err             ? NULL
             : json_is_object(at) ? json_object_get(at, name.text ? name.text : "")
             : json_is_array(at)  ? at_index(at, token)
                                  : NULL;
        sq_buf_free(&name);
        p = token.at + token.len;
    }
    return at;
}

static int take_json(const struct sq_step_take *take, json_t *root, const char *json_why,
                     char **ret_value, char *why, size_t why_room)
{
    if (!root) {
        snprintf(why, why_room, "the answer is %s", json_why);
        return SQ_ERR_FORMAT;
    }
    json_t *value = sq_json_at(root, take->what);
    if (!value || json_is_null(value)) {
        snprintf(why, why_room, "the JSON of the answer has nothing at %.80s, where %s is expected",
                 take->what, take->name);
        return SQ_ERR_FORMAT;
    }
    char *text = sq_jsontext_of(value);
    if (!text) {
        return SQ_ERR_NOMEM;
    }
    *ret_value = text;
    return 0;
}

/* ---- Others ---- */

static int take_regex(const struct sq_step_take *take, const struct sq_http_response *answer,
                      char **ret_value, char *why, size_t why_room)
{
    regmatch_t found[2];
    if (regexec(&take->regex, answer->body ? answer->body : "", 2, found, 0) != 0 ||
        found[1].rm_so < 0) {
        snprintf(why, why_room, "nothing in the answer matches '%.80s', where %s is expected",
                 take->what, take->name);
        return SQ_ERR_FORMAT;
    }
    struct sq_buf b = {0};
    sq_buf_add(&b, answer->body + found[1].rm_so, (size_t)(found[1].rm_eo - found[1].rm_so));
    char *text = sq_buf_take(&b);
    if (!text) {
        return SQ_ERR_NOMEM;
    }
    *ret_value = text;
    return 0;
}

static int take_header(const struct sq_step_take *take, const struct sq_http_response *answer,
                       char **ret_value, char *why, size_t why_room)
{
    const char *value = sq_http_header(answer, take->what, 0);
    if (!value) {
        snprintf(why, why_room, "the answer has no header %.80s, where %s is expected", take->what,
                 take->name);
        return SQ_ERR_FORMAT;
    }
    char *text = sq_strdup(value);
    if (!text) {
        return SQ_ERR_NOMEM;
    }
    *ret_value = text;
    return 0;
}

int sq_step_take(const struct sq_step_take *take, const struct sq_http_response *answer,
                 json_t *root, const char *json_why, char **ret_value, char *why, size_t why_room)
{
    switch (take->how) {
    case SQ_STEP_TAKE_JSON:
        return take_json(take, root, json_why, ret_value, why, why_room);
    case SQ_STEP_TAKE_REGEX:
        return take_regex(take, answer, ret_value, why, why_room);
    default:
        return take_header(take, answer, ret_value, why, why_room);
    }
}

/* ---- Messages ---- */

/* Texts without their quotes, all else as JSON writes it. */
static bool is_value(json_t *at, const char *value)
{
    char *text = at ? sq_jsontext_of(at) : NULL;
    bool same = text && strcmp(text, value) == 0;
    sq_free(text);
    return same;
}

bool sq_step_matches(const struct sq_step_match *match, char *const *values, const char *text,
                     size_t len)
{
    if (match->pattern && regexec(&match->regex, text, 0, NULL, 0) != 0) {
        return false;
    }
    if (match->at_len == 0) {
        return true;
    }
    json_error_t error = {.text = ""};
    json_t *root = sq_jsontext_parse(text, len, JSON_DECODE_ANY, &error);
    bool all = root != NULL;
    for (size_t i = 0; all && i < match->at_len; i++) {
        all = is_value(sq_json_at(root, match->at[i].pointer), values[i]);
    }
    json_decref(root);
    return all;
}
