/* The JSON schema for editors, of the same table as the reader. */
#include "scenario/scenario_int.h"

#include <stdio.h>
#include <string.h>

#define NUMBER_OF(macro) TEXT_OF(macro)
#define TEXT_OF(text)    #text

struct maker {
    sq_scenario_form_fn *form;
    void *ctx;
    struct sq_buf *out;
};

/* Kinds that are the same for every key. */
static const char *const fixed[] = {
    [SQ_SCENARIO_SHARE] = "\"$ref\": \"#/$defs/share\"",
    [SQ_SCENARIO_FLAG] = "\"type\": \"boolean\"",
    [SQ_SCENARIO_NAME] = ("\"type\": [\"string\", \"number\", \"boolean\"], \"pattern\": "
                          "\"^[A-Za-z0-9_ .-]{1," NUMBER_OF(SQ_SCENARIO_NAME_MAX) "}$\""),
    [SQ_SCENARIO_DURATION] = "\"$ref\": \"#/$defs/duration\"",
    [SQ_SCENARIO_RATE] = "\"$ref\": \"#/$defs/rate\"",
    [SQ_SCENARIO_CODEC] = "\"$ref\": \"#/$defs/codec\"",
    [SQ_SCENARIO_DATA] = "\"$ref\": \"#/$defs/data\"",
    [SQ_SCENARIO_NETWORK] = "\"$ref\": \"#/$defs/networks\"",
    [SQ_SCENARIO_EXPECT] = "\"$ref\": \"#/$defs/expectations\"",
    [SQ_SCENARIO_SIZES] = "\"$ref\": \"#/$defs/sizes\"",
    [SQ_SCENARIO_GROUPS] = "\"$ref\": \"#/$defs/groups\"",
    [SQ_SCENARIO_ROOM] = "\"type\": [\"string\", \"number\", \"boolean\"], \"minLength\": 1",
};

/* Both know more than this: which names there are, and what belongs together. */
static const char shared[] =
    "    \"share\": {\"type\": \"string\", \"pattern\": \"^(?=[^%]*[1-9])(?![.])" SQ_PERCENT_PATTERN
    " *%$\"},\n"
    "    \"sizes\": {\"type\": \"object\", \"minProperties\": 1, \"maxProperties\": " NUMBER_OF(
        SQ_SCENARIO_SIZES_MAX) ", \"propertyNames\": {\"pattern\": \"^0*[1-9][0-9]*$\"}, "
                               "\"additionalProperties\": {\"$ref\": \"#/$defs/share\"}},\n"
                               "    \"networks\": {\"anyOf\": [{\"$ref\": \"#/$defs/network\"}, "
                               "{\"type\": \"array\", "
                               "\"minItems\": 1, \"items\": {\"$ref\": \"#/$defs/network\"}}]},\n"
                               /* An expectation compares two values, and no variable may stand in
                                  it. */
                               "    \"comparison\": {\"type\": \"string\", \"pattern\": "
                               "\"^(?!.*[$][{])[\\\\s\\\\S]*[=<>]\"},\n"
                               "    \"expectations\": {\"anyOf\": [{\"$ref\": "
                               "\"#/$defs/expectation\"}, {\"type\": \"array\", "
                               "\"minItems\": 1, \"items\": {\"$ref\": "
                               "\"#/$defs/expectation\"}}]},\n"
                               "    \"expectation\": {\"anyOf\": [{\"$ref\": "
                               "\"#/$defs/comparison\"}, {\"type\": \"object\", "
                               "\"required\": [\"expr\"], \"additionalProperties\": false, "
                               "\"properties\": {\"expr\": "
                               "{\"$ref\": \"#/$defs/comparison\"}, \"level\": {";

/* ---- Pieces ---- */

void sq_scenario_schema_text(const char *text, struct sq_buf *out)
{
    sq_buf_puts(out, "\"");
    for (; *text; text++) {
        sq_buf_printf(out, "%s%c", *text == '"' || *text == '\\' ? "\\" : "", *text);
    }
    sq_buf_puts(out, "\"");
}

void sq_scenario_schema_words(const char *const *words, struct sq_buf *out)
{
    sq_buf_puts(out, "\"enum\": [");
    for (size_t i = 0; words[i]; i++) {
        sq_buf_printf(out, "%s\"%s\"", i ? ", " : "", words[i]);
    }
    sq_buf_puts(out, "]");
}

void sq_scenario_schema_quantity(enum sq_quantity quantity, struct sq_buf *out)
{
    struct sq_buf pattern = {0};
    sq_buf_puts(&pattern, "^(?=.*[1-9])"); /* above 0 */
    sq_quantity_pattern(quantity, &pattern);
    sq_buf_puts(&pattern, "$");
    sq_buf_puts(out, "\"type\": \"string\", \"pattern\": ");
    sq_scenario_schema_text(pattern.text ? pattern.text : "", out);
    out->err = out->err ? out->err : pattern.err;
    sq_buf_free(&pattern);
}

/* What a value of this form is; `or_variables`: a text with ${…} in it is one, too. */
static void put_form(const struct sq_scenario_form *form, unsigned where, struct sq_buf *out)
{
    struct sq_buf whole = {0};
    bool variables = where & SQ_SCENARIO_VARIABLES;
    if (form->words) {
        sq_scenario_schema_words(form->words, out);
        return;
    }
    const char *more = form->bare == SQ_FORM_INTEGER  ? ", \"integer\""
                       : form->bare == SQ_FORM_NUMBER ? ", \"number\""
                                                      : "";
    sq_buf_printf(out, "\"type\": [\"string\"%s], ",
                  form->pattern ? more : ", \"number\", \"boolean\"");
    if (form->pattern && form->bare != SQ_FORM_TEXT) {
        sq_buf_printf(out, "\"minimum\": %.17g, ", form->least);
        if (form->most > 0) {
            sq_buf_printf(out, "\"maximum\": %.17g, ", form->most);
        }
    }
    if (form->pattern) {
        sq_buf_printf(&whole, "^(%s)$%s", form->pattern, variables ? "|[$][{]" : "");
    } else {
        sq_buf_puts(&whole, (where & SQ_SCENARIO_COLUMNS) ? "."
                            : variables                   ? "^(?!.*[$][{]user[.])[\\s\\S]"
                                                          : "^(?!.*[$][{])[\\s\\S]");
    }
    sq_buf_puts(out, "\"pattern\": ");
    sq_scenario_schema_text(whole.text ? whole.text : "", out);
    out->err = out->err ? out->err : whole.err;
    sq_buf_free(&whole);
}

static struct sq_scenario_form ask(struct maker *m, const char *option)
{
    struct sq_scenario_form form = {.words = NULL};
    if (option) {
        m->form(m->ctx, option, &form);
    }
    return form;
}

static void put_option(struct maker *m, const char *option, unsigned where)
{
    const struct sq_scenario_form form = ask(m, option);
    put_form(&form, where, m->out);
}

/* A value, or a list of such. */
static void put_or_list(struct maker *m, const char *option, unsigned where)
{
    sq_buf_puts(m->out, "\"anyOf\": [{");
    put_option(m, option, where);
    sq_buf_puts(m->out, "}, {\"type\": \"array\", \"minItems\": 1, \"items\": {");
    put_option(m, option, where);
    sq_buf_puts(m->out, "}}]");
}

/* ---- Keys ---- */

static void put_count(struct maker *m, const struct sq_scenario_key *key)
{
    struct sq_scenario_form form = {
        .bare = SQ_FORM_INTEGER, .least = 1, .most = SQ_SCENARIO_COUNT_MAX};
    if (key->option) {
        form = ask(m, key->option);
    }
    form.pattern = form.least > 0 ? "0*[1-9][0-9]*" : "[0-9]+";
    put_form(&form, key->where, m->out);
}

/* Help has no character that JSON would want escaped but quotes, and has none of these. */
static void put_key(struct maker *m, const struct sq_scenario_key *key, const char *indent,
                    bool *first)
{
    struct sq_buf *out = m->out;
    sq_buf_printf(out, "%s%s\"%s\": {\"description\": \"%s\", ", *first ? "" : ",\n", indent,
                  key->name, key->help);
    switch (key->kind) {
    case SQ_SCENARIO_TEXT:
        put_option(m, key->option, key->where);
        break;
    case SQ_SCENARIO_TEXTS:
        put_or_list(m, key->option, key->where);
        break;
    case SQ_SCENARIO_COUNT:
        put_count(m, key);
        break;
    case SQ_SCENARIO_NUMBER: /* milliseconds and the like: as strtod takes them */
        sq_buf_puts(out, "\"type\": [\"number\", \"string\"], \"exclusiveMinimum\": 0, "
                         "\"pattern\": \"^\\\\s*[+]?[0-9.][0-9A-Fa-fxXpP.+-]*$\"");
        break;
    case SQ_SCENARIO_STEPS:
        sq_buf_printf(out, "\"$ref\": \"#/$defs/%s\"", key->name);
        break;
    case SQ_SCENARIO_ROLE:
        sq_scenario_schema_words(sq_scenario_roles, out);
        break;
    default:
        sq_buf_puts(out, fixed[key->kind]);
        break;
    }
    sq_buf_puts(out, "}");
    *first = false;
}

static void put_keys(struct maker *m, const char *section, unsigned where, const char *indent,
                     bool *first)
{
    size_t n;
    const struct sq_scenario_key *keys = sq_scenario_keys(&n);
    for (size_t i = 0; i < n; i++) {
        if ((keys[i].where & where) && strcmp(keys[i].section, section) == 0) {
            put_key(m, &keys[i], indent, first);
        }
    }
}

/* Keys that say the same in two ways, or what cannot be done. */
#define BOTH_OF(a, b) "{\"required\": [\"" a "\", \"" b "\"]}"

/* clang-format off */
static const char two_loads[] =
    "\"not\": {\"anyOf\": ["
    BOTH_OF("rate", "ramp") ", " BOTH_OF("shape", "rate") ", "
    BOTH_OF("shape", "ramp") ", " BOTH_OF("shape", "arrivals") ", "
    BOTH_OF("arrivals", "rate") ", " BOTH_OF("arrivals", "ramp") ", "
    "{\"required\": [\"ramp\", \"hold\", \"duration\"], \"properties\": {\"ramp\": "
    "{\"type\": \"string\", \"pattern\": \"^([0.]+(us|ms|s|m|h))+(:|$)\"}}}]}, ";
/* clang-format on */

static const char *twice(const char *section)
{
    if (strcmp(section, "rooms") == 0) {
        return "\"not\": " BOTH_OF("size", "sizes") ", ";
    }
    if (strcmp(section, "load") == 0) {
        return two_loads;
    }
    if (strcmp(section, "turn") == 0) {
        return "\"not\": " BOTH_OF("password", "secret") ", ";
    }
    return "";
}

static void put_sections(struct maker *m, bool *first)
{
    size_t n;
    const struct sq_scenario_section *sections = sq_scenario_sections(&n);
    for (size_t i = 0; i < n; i++) {
        bool none = true;
        sq_buf_printf(m->out,
                      "%s    \"%s\": {\"description\": \"%s\", \"type\": \"object\", %s"
                      "\"additionalProperties\": false, \"properties\": {\n",
                      *first ? "" : ",\n", sections[i].name, sections[i].help,
                      twice(sections[i].name));
        *first = false;
        put_keys(m, sections[i].name, SQ_SCENARIO_TOP, "      ", &none);
        sq_buf_puts(m->out, "\n    }}");
    }
}

/* ---- Codecs, data, networks ---- */

static void put_codec(struct maker *m)
{
    sq_buf_puts(m->out, "    \"codec\": {\"anyOf\": [{");
    put_or_list(m, "codec", 0);
    sq_buf_puts(m->out, "}, {\"type\": \"object\", \"minProperties\": 1, "
                        "\"additionalProperties\": false, \"properties\": {\"video\": {");
    put_or_list(m, "codec.video", 0);
    sq_buf_puts(m->out, "}, \"audio\": {");
    put_or_list(m, "codec.audio", 0);
    sq_buf_puts(m->out, "}}}]},\n    \"data\": {\"anyOf\": [{");
    put_option(m, "data", 0);
    sq_buf_puts(m->out, "}, {\"type\": \"object\", \"required\": [\"rate\", \"size\"], "
                        "\"additionalProperties\": false, \"properties\": {\"rate\": {");
    put_option(m, "data.rate", 0);
    sq_buf_puts(m->out, "}, \"size\": {");
    put_option(m, "data.size", 0);
    sq_buf_puts(m->out, "}, \"mode\": {");
    put_option(m, "data-mode", 0);
    sq_buf_puts(m->out, "}}}]},\n");
}

static bool of_a_way(const char *name)
{
    static const char *const whole[] = {"profile", "firewall", "up", "down", "share"};
    for (size_t i = 0; i < sizeof(whole) / sizeof(*whole); i++) {
        if (strcmp(name, whole[i]) == 0) {
            return false;
        }
    }
    return true;
}

static void put_setting(struct maker *m, const char *name)
{
    char option[64];
    (void)snprintf(option, sizeof(option), SQ_SCENARIO_NETWORK_FORM "%s", name);
    put_option(m, option, 0);
}

/* A network's settings: of one way, or all of them. */
static void put_network(struct maker *m, bool all)
{
    struct sq_buf *out = m->out;
    bool first = true;
    sq_buf_puts(out,
                "{\"type\": \"object\", \"minProperties\": 1, \"additionalProperties\": false, "
                "\"dependentSchemas\": {\"share\": {\"minProperties\": 2}}, \"properties\": {");
    for (size_t i = 0; sq_scenario_network_keys[i]; i++) {
        const char *name = sq_scenario_network_keys[i];
        if (!all && !of_a_way(name)) {
            continue;
        }
        sq_buf_printf(out, "%s\"%s\": {", first ? "" : ", ", name);
        if (strcmp(name, "up") == 0 || strcmp(name, "down") == 0) {
            sq_buf_puts(out, "\"$ref\": \"#/$defs/way\"");
        } else if (strcmp(name, "share") == 0) {
            sq_buf_puts(out, fixed[SQ_SCENARIO_SHARE]);
        } else if (strcmp(name, "reorder") == 0) {
            sq_buf_puts(out, "\"enum\": [true, \"true\"]");
        } else if (strcmp(name, "profile") == 0) { /* as free as names of networks are */
            sq_buf_puts(out, "\"type\": [\"string\", \"number\"], \"pattern\": \"^[^,@]+$\"");
        } else {
            put_setting(m, name);
        }
        sq_buf_puts(out, "}");
        first = false;
    }
    sq_buf_puts(out, "}}");
}

static void put_networks(struct maker *m)
{
    struct sq_buf *out = m->out;
    sq_buf_puts(out, "    \"way\": ");
    put_network(m, false);
    sq_buf_puts(out, ",\n    \"network\": {\"anyOf\": [{\"type\": [\"string\", \"number\"], "
                     "\"pattern\": \"^(?!.*[$][{])[\\\\s\\\\S]\"}, ");
    put_network(m, true);
    sq_buf_puts(out, "]},\n");
}

/* ---- Groups ---- */

#define GROUP_NAME "\"pattern\": \"^[A-Za-z0-9_ .-]{1," NUMBER_OF(SQ_SCENARIO_GROUP_MAX) "}$\""
#define GROUP                                                                                      \
    "\"not\": {\"type\": \"object\", \"required\": [\"per_room\", \"share\"]}, "                   \
    "\"additionalProperties\": false, "                                                            \
    "\"properties\": {\n"

static void put_group(struct maker *m)
{
    bool first = true;
    sq_buf_puts(m->out, "    \"group\": {\"type\": [\"object\", \"null\"], " GROUP);
    put_keys(m, "", SQ_SCENARIO_GROUP, "      ", &first);
    sq_buf_puts(m->out, "\n    }},\n");
    first = true;
    sq_buf_puts(m->out,
                "    \"named_group\": {\"type\": \"object\", \"required\": [\"name\"], " GROUP
                "      \"name\": {\"description\": \"of the group\", \"type\": "
                "[\"string\", \"number\", \"boolean\"], " GROUP_NAME "},\n");
    put_keys(m, "", SQ_SCENARIO_GROUP, "      ", &first);
    sq_buf_puts(
        m->out,
        "\n    }},\n"
        "    \"groups\": {\"anyOf\": [{\"type\": \"object\", \"minProperties\": 1, "
        "\"maxProperties\": " NUMBER_OF(
            SQ_SCENARIO_GROUPS_MAX) ", \"propertyNames\": {" GROUP_NAME
                                    "}, \"additionalProperties\": {\"$ref\": \"#/$defs/group\"}}, "
                                    "{\"type\": "
                                    "\"array\", \"minItems\": 1, \"maxItems\": " NUMBER_OF(
                                        SQ_SCENARIO_GROUPS_MAX) ", \"items\": {\"$ref\": "
                                                                "\"#/$defs/named_group\"}}]}\n");
}

/* ---- All of it ---- */

void sq_scenario_schema(sq_scenario_form_fn *form, void *ctx, struct sq_buf *out)
{
    struct maker m = {form, ctx, out};
    bool first = true;
    sq_buf_puts(out, "{\n  \"$schema\": \"https://json-schema.org/draft/2020-12/schema\",\n"
                     "  \"title\": \"A scenario of squall\",\n  \"type\": \"object\",\n"
                     "  \"minProperties\": 1,\n  \"additionalProperties\": false,\n"
                     "  \"not\": {\"required\": [\"groups\"], \"anyOf\": [{\"required\": "
                     "[\"publishers\"]}, {\"required\": [\"listen\"]}]},\n"
                     "  \"properties\": {\n");
    put_keys(&m, "", SQ_SCENARIO_TOP, "    ", &first);
    put_sections(&m, &first);
    sq_buf_puts(out, "\n  },\n  \"$defs\": {\n");
    sq_scenario_schema_steps(out);
    put_codec(&m);
    sq_buf_puts(out, shared);
    sq_scenario_schema_words(sq_scenario_levels, out);
    sq_buf_puts(out, "}}}]},\n");
    put_networks(&m);
    put_group(&m);
    sq_buf_puts(out, "  }\n}\n");
}
