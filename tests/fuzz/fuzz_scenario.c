/* Scenario files: whatever they hold, a refusal has a place in the text and a sentence, and what is
 * taken is the same when it is read again; each value is found by its text. */
#include "fuzz/fuzz.h"
#include "scenario/scenario.h"
#include <math.h>
#include <string.h>

static const char *env(void *ctx, const char *name)
{
    (void)ctx;
    return name[0] == 'U' ? NULL : "value"; /* what begins with U is not set */
}

static void check_settings(const struct sq_scenario *s, const struct sq_scenario_group *group,
                           const struct sq_scenario_settings *settings)
{
    for (size_t i = 0; i < settings->n; i++) {
        const struct sq_scenario_setting *one = &settings->items[i];
        MUST(one->key && one->key->option && one->value && one->shown);
        MUST(one->at.line > 0 && one->at.column > 0);
        MUST(one->secret || strcmp(one->value, one->shown) == 0 || strstr(one->shown, "$${"));
        MUST(one->part || sq_scenario_setting_of(s, one->value) == one);
        MUST(one->part || sq_scenario_setting_for(s, group, one->key->option) != NULL);
    }
}

static void check(const struct sq_scenario *s)
{
    double groups = 0;
    double sizes = 0;
    size_t sharing = 0;
    check_settings(s, NULL, &s->settings);
    for (size_t i = 0; i < s->groups_len; i++) {
        const struct sq_scenario_group *g = &s->groups[i];
        MUST(g->name && g->name[0] && strlen(g->name) <= SQ_SCENARIO_GROUP_MAX);
        MUST((g->per_room > 0) != (g->share > 0));
        groups += g->share;
        sharing += g->per_room == 0;
        check_settings(s, g, &g->settings);
    }
    for (size_t i = 0; i < s->sizes_len; i++) {
        MUST(s->sizes[i].size > 0 && s->sizes[i].share > 0);
        sizes += s->sizes[i].share;
    }
    MUST(sharing == 0 || fabs(groups - 1) < 1e-6);
    MUST(s->sizes_len == 0 || fabs(sizes - 1) < 1e-6);
}

static unsigned lines_of(const char *text, size_t len)
{
    unsigned lines = 1;
    for (size_t i = 0; i < len; i++) {
        lines += text[i] == '\n' || text[i] == '\r' || (unsigned char)text[i] >= 0x80;
    }
    return lines; /* YAML has line breaks beyond ASCII, too */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct sq_scenario *one = NULL;
    struct sq_scenario *other = NULL;
    struct sq_yaml_error error = {.message = ""};
    const char *text = (const char *)data;
    if (sq_scenario_parse("f", text, len, env, NULL, &one, &error) != 0) {
        MUST(one == NULL);
        MUST(error.message[0] != '\0' && memchr(error.message, '\0', sizeof(error.message)));
        MUST(error.at.line >= 1 && error.at.line <= lines_of(text, len) + 1);
        MUST(error.at.column >= 1 && error.at.column <= len + 3);
        return 0;
    }
    check(one);
    MUST(sq_scenario_parse("f", text, len, env, NULL, &other, &error) == 0);
    MUST(one->settings.n == other->settings.n && one->groups_len == other->groups_len);
    sq_scenario_free(one);
    sq_scenario_free(other);
    return 0;
}
