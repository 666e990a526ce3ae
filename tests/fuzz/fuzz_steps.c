/* What steps make of a text that came from the network: values by JSON pointer and by expression,
 * the message that is waited for, ICE servers. The first line is the pointer or the expression, all
 * behind it the text. */
#include "base/mem.h"
#include "fuzz/fuzz.h"
#include "run/ice_servers.h"
#include "run/inbox.h"
#include "run/step_take.h"
#include "signal/jsontext.h"
#include <string.h>

#define EXPRESSION_MAX 40 /* regexec takes long for long ones, and they come from the scenario */

static void take(const struct sq_step_take *take, const char *text, size_t len)
{
    const struct sq_http_response answer = {.body = text, .body_len = len};
    char why[200] = "", *value = NULL;
    json_error_t error;
    json_t *root = sq_jsontext_parse(text, len, JSON_DECODE_ANY, &error);
    int err = sq_step_take(take, &answer, root, "line 1", &value, why, sizeof(why));
    MUST(err == 0 || err == SQ_ERR_FORMAT);
    MUST((err == 0) == (value != NULL) && (err == 0) == (why[0] == '\0'));
    MUST(take->how != SQ_STEP_TAKE_REGEX || !value || strlen(value) <= len);
    if (root && take->how == SQ_STEP_TAKE_JSON) {
        MUST((sq_json_at(root, take->what) == NULL) <= (err != 0));
        char *values[] = {value ? value : ""};
        const struct sq_step_match match = {.at = {{.pointer = take->what}}, .at_len = 1};
        MUST(!value || sq_step_matches(&match, values, text, len)); /* what it is, it has to be */
    }
    json_decref(root);
    sq_free(value);
}

static void by_regex(char *expression, const char *text, size_t len)
{
    struct sq_step_take by = {.name = "x", .how = SQ_STEP_TAKE_REGEX, .what = expression};
    if (strlen(expression) > EXPRESSION_MAX || strpbrk(expression, "*+{") ||
        regcomp(&by.regex, expression, REG_EXTENDED) != 0) {
        return;
    }
    if (by.regex.re_nsub == 1) {
        take(&by, text, len);
    }
    regfree(&by.regex);
}

static void servers(const char *text, size_t len)
{
    struct sq_ice_servers *s = NULL;
    char why[160] = "";
    int err = sq_ice_servers_parse(text, len, &s, why, sizeof(why));
    MUST(err == 0 || err == SQ_ERR_FORMAT);
    MUST((err == 0) == (s != NULL) && (err == 0 || why[0]));
    for (size_t i = 0; s && i < s->n; i++) {
        const struct sq_ice_server *one = &s->list[i];
        MUST(one->url.host[0] && one->url.port && memchr(one->url.host, '\0', SQ_TURN_HOST_MAX));
        MUST(one->stun || (one->user && one->password));
    }
    sq_ice_servers_free(s);
}

static void inbox(const char *text, size_t len)
{
    struct sq_inbox in = {.n = 0};
    for (int i = 0; i < 300; i++) {
        sq_inbox_put(&in, text, text, len);
    }
    MUST(in.n <= SQ_INBOX_MESSAGES_MAX && in.bytes <= SQ_INBOX_BYTES_MAX);
    struct sq_inbox_message *m = sq_inbox_take(&in);
    MUST(!m || (m->len == len && memcmp(m->text, text, len) == 0 && m->text[len] == '\0'));
    sq_free(m);
    sq_inbox_clear(&in);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char *all = sq_malloc(len + 1);
    if (!all) {
        return 0;
    }
    memcpy(all, data, len);
    all[len] = '\0';
    char *end = memchr(all, '\n', len);
    char *text = end ? end + 1 : all + len;
    size_t text_len = (size_t)(all + len - text);
    if (end) {
        *end = '\0';
    }
    const struct sq_step_take by = {.name = "x", .how = SQ_STEP_TAKE_JSON, .what = all};
    take(&by, text, text_len);
    by_regex(all, text, text_len);
    servers(text, text_len);
    inbox(text, text_len < 4096 ? text_len : 4096);
    sq_free(all);
    return 0;
}
