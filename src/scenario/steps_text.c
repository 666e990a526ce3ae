/* Texts of steps, with marks for what is known only later; a JSON body out of YAML. */
#include "base/mem.h"
#include "base/secret.h"
#include "scenario/scenario_int.h"
#include <stdlib.h>
#include <string.h>

/* ---- Marks ---- */

bool sq_step_asks(const char *text)
{
    return text && strchr(text, SQ_STEP_MARK) != NULL;
}

int sq_step_next_mark(const char **at, char ret_name[static SQ_STEP_NAME_MAX + 8])
{
    const char *begin = strchr(*at, SQ_STEP_MARK);
    const char *end = begin ? strchr(begin, SQ_STEP_MARK_END) : NULL;
    if (!end || (size_t)(end - begin) > SQ_STEP_NAME_MAX + 8) {
        return SQ_ERR_NOTFOUND;
    }
    size_t len = (size_t)(end - begin) - 1;
    memcpy(ret_name, begin + 1, len);
    ret_name[len] = '\0';
    *at = end + 1;
    return 0;
}

bool sq_step_is_of_peer(const char *name)
{
    return strcmp(name, "peer.name") == 0 || strcmp(name, "peer.number") == 0 ||
           strcmp(name, "peer.room") == 0;
}

/* ---- Texts ---- */

/* Within a JSON string (RFC 8259, section 7). */
static void put_escaped(struct sq_buf *out, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '"' || c == '\\') {
            sq_buf_printf(out, "\\%c", c);
        } else if (c < 0x20) {
            sq_buf_printf(out, "\\u%04x", c);
        } else {
            sq_buf_add(out, text + i, 1);
        }
    }
}

static void put_text(struct sq_buf *out, const char *text, size_t len, bool json)
{
    if (json) {
        put_escaped(out, text, len);
    } else {
        sq_buf_add(out, text, len);
    }
}

/* The variable at "${"; *at moves behind it. */
static int put_variable(struct sq_scenario_reader *r, const struct sq_yaml_node *node, bool json,
                        const char **at, struct sq_buf *out)
{
    char name[SQ_STEP_NAME_MAX + 8];
    const char *begin = *at + 2;
    size_t len = strcspn(begin, "}");
    struct sq_yaml_place place = sq_scenario_place_in(node, *at);
    if (len == 0 || begin[len] != '}' || len >= sizeof(name) || strcspn(begin, " $\n") < len) {
        return sq_scenario_refuse(r, SQ_ERR_FORMAT, place,
                                  "'${' without a name and a '}': expected a value of an earlier "
                                  "step or of the environment, such as ${token}, or ${peer.name} "
                                  "($${ stands for '${' itself)");
    }
    memcpy(name, begin, len);
    name[len] = '\0';
    *at = begin + len + 1;
    if (strncmp(name, "user.", 5) == 0 || sq_step_is_of_peer(name) ||
        sq_scenario_is_step_name(r, name, len)) {
        sq_buf_printf(out, "%c%s%c", SQ_STEP_MARK, name, SQ_STEP_MARK_END);
        return 0;
    }
    if (strncmp(name, "peer.", 5) == 0) {
        return sq_scenario_refuse(r, SQ_ERR_INVALID, place,
                                  "${%s}: expected ${peer.name}, ${peer.number} or ${peer.room}",
                                  name);
    }
    const char *value = r->env(r->env_ctx, name);
    if (!value) {
        return sq_scenario_refuse(r, SQ_ERR_INVALID, place,
                                  "${%s}: no step takes a value of that name, and the variable %s "
                                  "is not set in the environment",
                                  name, name);
    }
    sq_secrets_add(&r->scenario->secrets, value);
    put_text(out, value, strlen(value), json);
    return 0;
}

static int put_template(struct sq_scenario_reader *r, const struct sq_yaml_node *node, bool json,
                        struct sq_buf *out)
{
    int err = 0;
    for (const char *p = node->text; !err && *p;) {
        if (*p == SQ_STEP_MARK || *p == SQ_STEP_MARK_END) {
            err = sq_scenario_refuse(r, SQ_ERR_FORMAT, node->at, "a control character in a text");
        } else if (strncmp(p, "$${", 3) == 0) {
            put_text(out, "${", 2, json);
            p += 3;
        } else if (strncmp(p, "${", 2) == 0) {
            err = put_variable(r, node, json, &p, out);
        } else {
            put_text(out, p++, 1, json);
        }
    }
    return err ? err : out->err;
}

const char *sq_scenario_step_text(struct sq_scenario_reader *r, const struct sq_yaml_node *node,
                                  bool json, int *ret_err)
{
    struct sq_buf out = {0};
    int err = put_template(r, node, json, &out);
    const char *kept = err ? NULL : sq_scenario_keep_buf(r, &out);
    sq_buf_free(&out);
    *ret_err = err ? err : kept ? 0 : SQ_ERR_NOMEM;
    return kept;
}

/* ---- JSON ---- */

/* A number as JSON writes it (RFC 8259, section 6). */
static bool is_number(const char *text)
{
    const char *p = text + (*text == '-');
    if (*p < '0' || *p > '9' || (*p == '0' && p[1] >= '0' && p[1] <= '9')) {
        return false;
    }
    char *end;
    (void)strtod(text, &end);
    return *end == '\0' && text[strspn(text, "-+.0123456789eE")] == '\0' && end[-1] != '.';
}

static int put_string(struct sq_scenario_reader *r, const struct sq_yaml_node *node,
                      struct sq_buf *out)
{
    sq_buf_puts(out, "\"");
    int err = put_template(r, node, true, out);
    sq_buf_puts(out, "\"");
    return err;
}

static int put_json(struct sq_scenario_reader *r, const struct sq_yaml_node *node,
                    struct sq_buf *out)
{
    bool list = node->kind == SQ_YAML_LIST;
    if (node->kind == SQ_YAML_TEXT) {
        const char *t = node->text;
        bool word = strcmp(t, "true") == 0 || strcmp(t, "false") == 0 || strcmp(t, "null") == 0;
        if (node->quoted || !(word || is_number(t))) {
            return put_string(r, node, out);
        }
        sq_buf_puts(out, t);
        return out->err;
    }
    int err = 0;
    sq_buf_puts(out, list ? "[" : "{");
    for (const struct sq_yaml_node *item = node->first; !err && item; item = item->next) {
        sq_buf_puts(out, item == node->first ? "" : ",");
        if (!list) {
            err = put_string(r, item->key, out);
            sq_buf_puts(out, ":");
        }
        err = err ? err : put_json(r, item, out);
    }
    sq_buf_puts(out, list ? "]" : "}");
    return err ? err : out->err;
}

const char *sq_scenario_step_json(struct sq_scenario_reader *r, const struct sq_yaml_node *node,
                                  int *ret_err)
{
    struct sq_buf out = {0};
    int err = put_json(r, node, &out);
    const char *kept = err ? NULL : sq_scenario_keep_buf(r, &out);
    sq_buf_free(&out);
    *ret_err = err ? err : kept ? 0 : SQ_ERR_NOMEM;
    return kept;
}

int sq_scenario_read_body(struct sq_scenario_reader *r, const struct sq_yaml_node *node, bool json,
                          const char *expected, const char **ret_body)
{
    int err = json ? 0 : sq_scenario_need_text(r, node, expected);
    if (err) {
        return err;
    }
    const char *body =
        json ? sq_scenario_step_json(r, node, &err) : sq_scenario_step_text(r, node, false, &err);
    if (!err) {
        *ret_body = body;
    }
    return err;
}
