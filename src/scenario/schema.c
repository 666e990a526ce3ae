/* The JSON schema for editors, of the same table as the reader. */
#include "scenario/keys.h"

#include <string.h>

/* What a value of each kind is, and what editors show of it. */
static const char *const types[] = {
    [SQ_SCENARIO_TEXT] = "\"type\": [\"string\", \"number\"]",
    [SQ_SCENARIO_COUNT] = "\"type\": \"integer\", \"minimum\": 0",
    [SQ_SCENARIO_NUMBER] = "\"type\": \"number\", \"exclusiveMinimum\": 0",
    [SQ_SCENARIO_DURATION] = "\"type\": \"string\", \"pattern\": \"^([0-9.]+(us|ms|s|m|h))+$\"",
    [SQ_SCENARIO_RATE] = "\"type\": \"string\", \"pattern\": \"^[0-9.]+/(s|m|h)$\"",
    [SQ_SCENARIO_SHARE] = "\"$ref\": \"#/$defs/share\"",
    [SQ_SCENARIO_FLAG] = "\"type\": \"boolean\"",
    [SQ_SCENARIO_TEXTS] = "\"$ref\": \"#/$defs/texts\"",
    [SQ_SCENARIO_NAME] = "\"type\": \"string\", \"pattern\": \"^[A-Za-z0-9_ .-]+$\"",
    [SQ_SCENARIO_ROLE] = NULL, /* of words */
    [SQ_SCENARIO_CODEC] = "\"$ref\": \"#/$defs/codec\"",
    [SQ_SCENARIO_DATA] = "\"$ref\": \"#/$defs/data\"",
    [SQ_SCENARIO_NETWORK] = "\"$ref\": \"#/$defs/networks\"",
    [SQ_SCENARIO_EXPECT] = "\"$ref\": \"#/$defs/expectations\"",
    [SQ_SCENARIO_SIZES] = "\"$ref\": \"#/$defs/sizes\"",
    [SQ_SCENARIO_GROUPS] = "\"$ref\": \"#/$defs/groups\"",
    [SQ_SCENARIO_STEPS] = "\"$ref\": \"#/$defs/steps\"",
    [SQ_SCENARIO_ROOM] = "\"type\": \"string\"",
};

static const char shared[] =
    "    \"share\": {\"type\": \"string\", \"pattern\": \"^[0-9.]+ *%$\"},\n"
    "    \"sizes\": {\"type\": \"object\", \"minProperties\": 1, \"propertyNames\": {\"pattern\": "
    "\"^[0-9]+$\"}, \"additionalProperties\": {\"$ref\": \"#/$defs/share\"}},\n"
    "    \"texts\": {\"anyOf\": [{\"type\": \"string\"}, {\"type\": \"array\", \"minItems\": 1, "
    "\"items\": {\"type\": \"string\"}}]},\n"
    "    \"codec\": {\"anyOf\": [{\"$ref\": \"#/$defs/texts\"}, {\"type\": \"object\", "
    "\"minProperties\": 1, \"additionalProperties\": false, \"properties\": {\"video\": {\"$ref\": "
    "\"#/$defs/texts\"}, \"audio\": {\"$ref\": \"#/$defs/texts\"}}}]},\n"
    "    \"data\": {\"anyOf\": [{\"type\": \"string\"}, {\"type\": \"object\", \"required\": "
    "[\"rate\", \"size\"], \"additionalProperties\": false, \"properties\": {\"rate\": {\"type\": "
    "\"string\"}, \"size\": {\"type\": [\"string\", \"integer\"]}, \"mode\": {\"type\": "
    "\"string\"}}}]},\n"
    "    \"networks\": {\"anyOf\": [{\"$ref\": \"#/$defs/network\"}, {\"type\": \"array\", "
    "\"minItems\": 1, \"items\": {\"$ref\": \"#/$defs/network\"}}]},\n"
    "    \"expectation\": {\"anyOf\": [{\"type\": \"string\"}, {\"type\": \"object\", "
    "\"required\": "
    "[\"expr\"], \"additionalProperties\": false, \"properties\": {\"expr\": {\"type\": "
    "\"string\"}, \"level\": {";

static void put_words(const char *const *words, struct sq_buf *out)
{
    sq_buf_puts(out, "\"enum\": [");
    for (size_t i = 0; words[i]; i++) {
        sq_buf_printf(out, "%s\"%s\"", i ? ", " : "", words[i]);
    }
    sq_buf_puts(out, "]");
}

/* Help has no character that JSON would want escaped but quotes, and has none of these. */
static void put_key(const struct sq_scenario_key *key, const char *indent, bool *first,
                    struct sq_buf *out)
{
    sq_buf_printf(out, "%s%s\"%s\": {\"description\": \"%s\", ", *first ? "" : ",\n", indent,
                  key->name, key->help);
    if (types[key->kind]) {
        sq_buf_puts(out, types[key->kind]);
    } else {
        put_words(sq_scenario_roles, out);
    }
    sq_buf_puts(out, "}");
    *first = false;
}

static void put_keys(const char *section, unsigned where, const char *indent, bool *first,
                     struct sq_buf *out)
{
    size_t n;
    const struct sq_scenario_key *keys = sq_scenario_keys(&n);
    for (size_t i = 0; i < n; i++) {
        if ((keys[i].where & where) && strcmp(keys[i].section, section) == 0) {
            put_key(&keys[i], indent, first, out);
        }
    }
}

static void put_sections(bool *first, struct sq_buf *out)
{
    size_t n;
    const struct sq_scenario_section *sections = sq_scenario_sections(&n);
    for (size_t i = 0; i < n; i++) {
        bool none = true;
        sq_buf_printf(out,
                      "%s    \"%s\": {\"description\": \"%s\", \"type\": \"object\", "
                      "\"additionalProperties\": false, \"properties\": {\n",
                      *first ? "" : ",\n", sections[i].name, sections[i].help);
        *first = false;
        put_keys(sections[i].name, SQ_SCENARIO_TOP, "      ", &none, out);
        sq_buf_puts(out, "\n    }}");
    }
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

/* A network's settings: of one way, or all of them. */
static void put_network(bool all, struct sq_buf *out)
{
    bool first = true;
    sq_buf_puts(out,
                "{\"type\": \"object\", \"minProperties\": 1, \"additionalProperties\": false, "
                "\"properties\": {");
    for (size_t i = 0; sq_scenario_network_keys[i]; i++) {
        const char *name = sq_scenario_network_keys[i];
        if (!all && !of_a_way(name)) {
            continue;
        }
        bool way = strcmp(name, "up") == 0 || strcmp(name, "down") == 0;
        const char *type = way                            ? "{\"$ref\": \"#/$defs/way\"}"
                           : strcmp(name, "share") == 0   ? "{\"$ref\": \"#/$defs/share\"}"
                           : strcmp(name, "reorder") == 0 ? "{\"const\": true}"
                                                          : "{\"type\": [\"string\", "
                                                            "\"number\"]}";
        sq_buf_printf(out, "%s\"%s\": %s", first ? "" : ", ", name, type);
        first = false;
    }
    sq_buf_puts(out, "}}");
}

static void put_group(struct sq_buf *out)
{
    bool first = true;
    sq_buf_puts(out, "    \"group\": {\"type\": [\"object\", \"null\"], \"additionalProperties\": "
                     "false, \"properties\": {\n");
    put_keys("", SQ_SCENARIO_GROUP, "      ", &first, out);
    sq_buf_puts(out, "\n    }},\n");
    first = true;
    sq_buf_puts(out,
                "    \"named_group\": {\"type\": \"object\", \"required\": [\"name\"], "
                "\"additionalProperties\": false, \"properties\": {\n"
                "      \"name\": {\"description\": \"of the group\", \"type\": \"string\"},\n");
    put_keys("", SQ_SCENARIO_GROUP, "      ", &first, out);
    sq_buf_puts(out, "\n    }},\n"
                     "    \"groups\": {\"anyOf\": [{\"type\": \"object\", \"minProperties\": 1, "
                     "\"additionalProperties\": {\"$ref\": \"#/$defs/group\"}}, {\"type\": "
                     "\"array\", \"minItems\": 1, \"items\": {\"$ref\": "
                     "\"#/$defs/named_group\"}}]}\n");
}

static const char steps[] =
    "    \"duration\": {\"type\": \"string\", \"pattern\": \"^([0-9.]+(us|ms|s|m|h))+$\"},\n"
    "    \"value\": {\"type\": \"string\", \"pattern\": \"^[A-Za-z_][A-Za-z0-9_]{0,39}$\"},\n"
    "    \"scope\": {\"enum\": [\"room\", \"test\"]},\n"
    "    \"sent\": {\"enum\": [\"audio\", \"video\", \"all\"]},\n"
    "    \"nothing\": {\"type\": [\"null\", \"object\"], \"maxProperties\": 0},\n"
    "    \"take\": {\"anyOf\": [{\"type\": \"string\", \"pattern\": \"^(/.*)?$\"}, {\"type\": "
    "\"object\", \"minProperties\": 1, \"maxProperties\": 1, \"additionalProperties\": false, "
    "\"properties\": {\"json\": {\"type\": \"string\"}, \"regex\": {\"type\": \"string\"}, "
    "\"header\": {\"type\": \"string\"}}}]},\n"
    "    \"http\": {\"anyOf\": [{\"type\": \"string\"}, {\"type\": \"object\", \"required\": "
    "[\"url\"], \"additionalProperties\": false, \"properties\": {\"method\": {\"enum\": "
    "[\"GET\", \"POST\", \"PUT\", \"PATCH\", \"DELETE\", \"HEAD\"]}, \"url\": {\"type\": "
    "\"string\"}, \"headers\": {\"type\": \"object\", \"propertyNames\": {\"pattern\": \"^[^ "
    ":]+$\"}, \"additionalProperties\": {\"type\": "
    "[\"string\", \"number\"]}}, \"json\": {}, \"body\": {\"type\": \"string\"}, \"expect\": "
    "{\"type\": [\"string\", \"integer\"]}, \"take\": {\"$ref\": \"#/$defs/takes\"}, "
    "\"timeout\": {\"$ref\": \"#/$defs/duration\"}}}]},\n"
    "    \"takes\": {\"type\": \"object\", \"propertyNames\": {\"$ref\": \"#/$defs/value\"}, "
    "\"minProperties\": 1, \"additionalProperties\": {\"$ref\": \"#/$defs/take\"}},\n"
    "    \"message\": {\"anyOf\": [{\"type\": \"string\", \"minLength\": 1}, {\"type\": "
    "\"object\", "
    "\"minProperties\": 1, \"propertyNames\": {\"pattern\": \"^(regex|/.*)$\"}, "
    "\"additionalProperties\": {\"type\": [\"string\", \"number\", \"boolean\"]}}]},\n"
    "    \"websocket\": {\"anyOf\": [{\"type\": \"string\"}, {\"type\": \"object\", "
    "\"minProperties\": 1, \"additionalProperties\": false, \"properties\": {\"name\": {\"$ref\": "
    "\"#/$defs/value\"}, \"url\": {\"type\": \"string\"}, \"headers\": {\"type\": \"object\", "
    "\"propertyNames\": {\"pattern\": \"^[^ :]+$\"}, \"additionalProperties\": {\"type\": "
    "[\"string\", \"number\"]}}, \"subprotocol\": {\"type\": \"string\"}, \"send\": {\"type\": "
    "\"string\"}, \"json\": {}, \"expect\": {\"$ref\": \"#/$defs/message\"}, \"take\": {\"$ref\": "
    "\"#/$defs/takes\"}, \"close\": {\"const\": true}, \"timeout\": {\"$ref\": "
    "\"#/$defs/duration\"}}}]},\n"
    "    \"data_step\": {\"anyOf\": [{\"type\": \"string\"}, {\"type\": \"object\", "
    "\"minProperties\": 1, \"additionalProperties\": false, \"properties\": {\"channel\": "
    "{\"type\": "
    "\"string\"}, \"send\": {\"type\": \"string\"}, \"json\": {}, \"hex\": {\"type\": [\"string\", "
    "\"integer\"], \"pattern\": \"^([0-9A-Fa-f]{2})+$\"}, \"bytes\": {\"type\": \"integer\", "
    "\"minimum\": 1, \"maximum\": 262144}, \"times\": {\"type\": \"integer\", \"minimum\": 1, "
    "\"maximum\": 1000000}, \"rate\": {\"type\": \"string\"}, \"expect\": {\"$ref\": "
    "\"#/$defs/message\"}, \"take\": {\"$ref\": \"#/$defs/takes\"}, \"timeout\": {\"$ref\": "
    "\"#/$defs/duration\"}}}]},\n"
    "    \"step\": {\"anyOf\": [{\"enum\": [\"restart_ice\", \"leave\", \"rejoin\", \"unshare\"]}, "
    "{\"type\": "
    "\"object\", \"minProperties\": 1, \"maxProperties\": 1, \"additionalProperties\": false, "
    "\"properties\": {\"http\": {\"$ref\": \"#/$defs/http\"}, \"wait\": {\"type\": "
    "\"string\"}, \"wait_for\": {\"anyOf\": [{\"$ref\": \"#/$defs/value\"}, {\"type\": "
    "\"object\", \"required\": [\"name\"], \"additionalProperties\": false, \"properties\": "
    "{\"name\": {\"$ref\": \"#/$defs/value\"}, \"in\": {\"$ref\": \"#/$defs/scope\"}, "
    "\"timeout\": {\"$ref\": \"#/$defs/duration\"}}}]}, \"set\": {\"type\": \"object\", "
    "\"required\": [\"name\", \"value\"], \"additionalProperties\": false, \"properties\": "
    "{\"name\": {\"$ref\": \"#/$defs/value\"}, \"value\": {\"type\": [\"string\", "
    "\"number\"]}, \"in\": {\"$ref\": \"#/$defs/scope\"}}}, \"mute\": {\"$ref\": "
    "\"#/$defs/sent\"}, \"unmute\": {\"$ref\": \"#/$defs/sent\"}, \"network\": {\"type\": "
    "\"string\"}, \"restart_ice\": {\"$ref\": \"#/$defs/nothing\"}, \"leave\": {\"$ref\": "
    "\"#/$defs/nothing\"}, \"rejoin\": {\"$ref\": \"#/$defs/nothing\"}, \"dtmf\": {\"type\": "
    "\"string\", \"pattern\": \"^[0-9A-Da-d*#,]{1,64}$\"}, \"timer\": {\"type\": \"object\", "
    "\"minProperties\": 1, \"maxProperties\": 1, \"additionalProperties\": false, "
    "\"properties\": {\"start\": {\"$ref\": \"#/$defs/value\"}, \"stop\": {\"$ref\": "
    "\"#/$defs/value\"}}}, \"count\": {\"anyOf\": [{\"$ref\": \"#/$defs/value\"}, {\"type\": "
    "\"object\", \"required\": [\"name\"], \"additionalProperties\": false, \"properties\": "
    "{\"name\": {\"$ref\": \"#/$defs/value\"}, \"add\": {\"type\": \"integer\", \"minimum\": "
    "1}}}]}, \"event\": {\"$ref\": \"#/$defs/value\"}, \"websocket\": {\"$ref\": "
    "\"#/$defs/websocket\"}, \"data\": {\"$ref\": \"#/$defs/data_step\"}, \"ice_servers\": "
    "{\"type\": "
    "[\"string\", \"array\", \"object\"]}, \"share\": {\"type\": \"string\"}, \"unshare\": "
    "{\"$ref\": "
    "\"#/$defs/nothing\"}}}]},\n"
    "    \"steps\": {\"type\": \"array\", \"minItems\": 1, \"maxItems\": 256, \"items\": "
    "{\"$ref\": \"#/$defs/step\"}},\n";

void sq_scenario_schema(struct sq_buf *out)
{
    bool first = true;
    sq_buf_puts(out, "{\n  \"$schema\": \"https://json-schema.org/draft/2020-12/schema\",\n"
                     "  \"title\": \"A scenario of squall\",\n  \"type\": \"object\",\n"
                     "  \"additionalProperties\": false,\n  \"properties\": {\n");
    put_keys("", SQ_SCENARIO_TOP, "    ", &first, out);
    put_sections(&first, out);
    sq_buf_puts(out, "\n  },\n  \"$defs\": {\n");
    sq_buf_puts(out, steps);
    sq_buf_puts(out, shared);
    put_words(sq_scenario_levels, out);
    sq_buf_puts(out, "}}}]},\n"
                     "    \"expectations\": {\"anyOf\": [{\"$ref\": \"#/$defs/expectation\"}, "
                     "{\"type\": \"array\", \"minItems\": 1, \"items\": {\"$ref\": "
                     "\"#/$defs/expectation\"}}]},\n    \"way\": ");
    put_network(false, out);
    sq_buf_puts(out, ",\n    \"network\": {\"anyOf\": [{\"type\": \"string\"}, ");
    put_network(true, out);
    sq_buf_puts(out, "]},\n");
    put_group(out);
    sq_buf_puts(out, "  }\n}\n");
}
