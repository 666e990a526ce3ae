/* Steps in the JSON schema for editors. */
#include "scenario/scenario_int.h"

#include <string.h>

#define NUMBER_OF(macro) TEXT_OF(macro)
#define TEXT_OF(text)    #text

#define TEXT         "{\"type\": [\"string\", \"number\", \"boolean\"], \"minLength\": 1}"
#define REF(name)    "{\"$ref\": \"#/$defs/" name "\"}"
#define MAP          "\"type\": \"object\", \"additionalProperties\": false, \"properties\": "
#define ONE_OR(a, b) "{\"anyOf\": [" a ", " b "]}"
/* Of several ways to say the same, one at most. */
#define NOT(a, b) "{\"not\": {\"required\": [\"" a "\", \"" b "\"]}}"
#define NEEDS(a)  "{\"required\": [\"" a "\"]}"
#define COUNT_TO(max)                                                                              \
    "{\"type\": [\"integer\", \"string\"], \"minimum\": 1, \"maximum\": " NUMBER_OF(               \
        max) ", \"pattern\": \"^0*[1-9][0-9]*$\"}"
#define HEADERS                                                                                    \
    "{\"type\": \"object\", \"propertyNames\": {\"pattern\": \"^[^ :]+$\"}, "                      \
    "\"maxProperties\": " NUMBER_OF(SQ_STEP_HEADERS_MAX) ", "                                      \
                                                         "\"additionalProperties\": " TEXT "}"
/* A URL of these schemes, or one that begins with a value. */
#define URL(schemes) "{\"type\": \"string\", \"pattern\": \"^((" schemes ")://|[$][{])\"}"

static const char shared[] =
    "    \"nothing\": {\"type\": [\"null\", \"object\"], \"maxProperties\": 0},\n"
    "    \"pointer\": {\"type\": \"string\", \"pattern\": \"^(/.*)?$\"},\n"
    "    \"take\": " ONE_OR(
        REF("pointer"),
        "{\"minProperties\": 1, \"maxProperties\": 1, " MAP "{\"json\": " REF(
            "pointer") ", \"regex\": " TEXT ", \"header\": " TEXT
                       "}}") ",\n"
                             "    \"takes\": {\"type\": \"object\", \"propertyNames\": " REF(
                                 "value") ", "
                                          "\"minProperties\": 1, \"maxProperties\": " NUMBER_OF(
                                              SQ_STEP_TAKES_MAX) ", "
                                                                 "\"additionalProperties\":"
                                                                 " " REF("take") "},\n"
                                                                                 "    "
                                                                                 "\"message\":"
                                                                                 " " ONE_OR(
                                                                                     "{\"type\""
                                                                                     ": "
                                                                                     "[\"string"
                                                                                     "\", "
                                                                                     "\"number"
                                                                                     "\", "
                                                                                     "\"boolean"
                                                                                     "\"], "
                                                                                     "\"minLeng"
                                                                                     "th\": 1}",
                                                                                     "{\"type\""
                                                                                     ": "
                                                                                     "\"object"
                                                                                     "\", "
                                                                                     "\"minProp"
                                                                                     "erties\":"
                                                                                     " 1, "
                                                                                     "\"propert"
                                                                                     "yNames\":"
                                                                                     " "
                                                                                     "{\"patter"
                                                                                     "n\": "
                                                                                     "\"^("
                                                                                     "regex$|/"
                                                                                     ")\"}, "
                                                                                     "\"additio"
                                                                                     "nalProper"
                                                                                     "ties\": "
                                                                                     "{\"type\""
                                                                                     ": "
                                                                                     "[\"string"
                                                                                     "\", "
                                                                                     "\"number"
                                                                                     "\", "
                                                                                     "\"boolean"
                                                                                     "\", "
                                                                                     "\"null\"]"
                                                                                     "}}") ","
                                                                                           "\n";

static const char
    talk
        [] =
            "    \"websocket\": " ONE_OR(URL("ws|wss"),
                                         "{\"anyOf\": [" NEEDS("url") ", " NEEDS("send") ", " NEEDS("j"
                                                                                                    "s"
                                                                                                    "o"
                                                                                                    "n") ", " NEEDS("expect") ", " NEEDS("take") ", " NEEDS("close") "], \"allOf\": [" NOT("send",
                                                                                                                                                                                           "json") "], "
                                                                                                                                                                                                   "\"dependentRequired\": {\"headers\": [\"url\"], \"subprotocol\": [\"url\"]}, " MAP "{\"name\": " REF("value") ", \"url\": " URL("ws|wss") ", \"headers\": " HEADERS
                                                                                                                                                                                                                                                                                                                                              ", "
                                                                                                                                                                                                                                                                                                                                              "\"subprotocol\": " TEXT
                                                                                                                                                                                                                                                                                                                                              ", \"send\": " TEXT ", \"json\": {}, \"expect\": " REF("message") ", \"take\": " REF("takes") ", \"close\": {\"enum\": [true, \"true\"]}, "
                                                                                                                                                                                                                                                                                                                                                                                                                                            "\"timeout\": " REF("duration") "}}") ",\n"
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                  "    \"data_step\": " ONE_OR(TEXT,
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                               "{\"anyOf\": [" NEEDS("send") ", " NEEDS("json") ", " NEEDS(
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                   "hex") ", " NEEDS("bytes") ", " NEEDS("expect") ", " NEEDS("take") "], \"allOf\": [" NOT("send",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                            "json") ", " NOT("send", "hex") ", " NOT("send", "bytes") ", " NOT("json",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                               "hex") ", " NOT("json", "bytes") ", " NOT("hex",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                         "bytes") "], " MAP
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                  "{\"channel\": " TEXT
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                  ", "
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                  "\"send\": " TEXT
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                  ", \"json\": {}, \"hex\": {\"type\": [\"string\", \"number\"], "
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                  "\"pattern\": \"^([0-9A-Fa-f]{2})+$\"}, \"bytes\": " COUNT_TO(SQ_STEP_MESSAGE_MAX) ", "
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                     "\"times\": " COUNT_TO(SQ_STEP_TIMES_MAX) ", \"rate\": " REF(
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                         "rate") ", \"expect\": " REF("message") ", \"take\": " REF("takes") ", \"timeout\": " REF("duration") "}}") ",\n";

static const char http[] = "\"url\": " URL(
    "http|https") ", \"headers\": " HEADERS ", \"json\": {}, \"body\": " TEXT ", "
                  "\"expect\": {\"type\": [\"string\", \"integer\"], \"minimum\": 100, "
                  "\"maximum\": 599, "
                  "\"pattern\": \"^([1-5]xx|\\\\s*[1-5][0-9]{2}(-\\\\s*[1-5][0-9]{2})?)$\"}, "
                  "\"take\": " REF("takes") ", \"timeout\": " REF("duration") "}}]},\n";

/* What stands behind each word; NULL: nothing. */
static const char *const values[] = {
    [SQ_STEP_HTTP] = REF("http"),
    [SQ_STEP_WAIT] = REF("wait"),
    [SQ_STEP_WAIT_FOR] = ONE_OR(REF("value"), "{\"required\": [\"name\"], " MAP
                                              "{\"name\": " REF("value") ", \"in\": " REF(
                                                  "scope") ", \"timeout\": " REF("duration") "}}"),
    [SQ_STEP_SET] = "{\"required\": [\"name\", \"value\"], " MAP
                    "{\"name\": " REF("value") ", \"value\": " TEXT ", \"in\": " REF("scope") "}}",
    [SQ_STEP_MUTE] = REF("sent"),
    [SQ_STEP_UNMUTE] = REF("sent"),
    [SQ_STEP_NETWORK] = TEXT,
    [SQ_STEP_DTMF] = "{\"type\": [\"string\", \"integer\"], \"pattern\": "
                     "\"^[0-9A-Da-d*#,]{1,64}$\"}",
    [SQ_STEP_TIMER] = "{\"minProperties\": 1, \"maxProperties\": 1, " MAP
                      "{\"start\": " REF("timer") ", \"stop\": " REF("timer") "}}",
    [SQ_STEP_COUNT] =
        ONE_OR(REF("value"), "{\"required\": [\"name\"], " MAP "{\"name\": " REF(
                                 "value") ", \"add\": " COUNT_TO(SQ_STEP_ADD_MAX) "}}"),
    [SQ_STEP_EVENT] = REF("event"),
    [SQ_STEP_WEBSOCKET] = REF("websocket"),
    [SQ_STEP_DATA] = REF("data_step"),
    [SQ_STEP_ICE_SERVERS] = "{\"type\": [\"string\", \"array\", \"object\"], \"minItems\": 1, "
                            "\"minProperties\": 1, \"pattern\": \"[$][{]\"}",
    [SQ_STEP_SHARE] = TEXT,
    [SQ_STEP_UNSHARE] = NULL,
};

/* The steps of one phase: before signing in there is no call yet. */
static void put_step(const char *name, bool before, struct sq_buf *out)
{
    bool first = true;
    sq_buf_printf(out, "    \"%s\": {\"anyOf\": [", name);
    for (size_t i = 0; !before && sq_scenario_step_words[i]; i++) {
        if (sq_scenario_is_bare((enum sq_step_kind)i)) {
            sq_buf_printf(out, "%s\"%s\"", first ? "{\"enum\": [" : ", ",
                          sq_scenario_step_words[i]);
            first = false;
        }
    }
    sq_buf_printf(out, "%s{\"minProperties\": 1, \"maxProperties\": 1, " MAP "{",
                  first ? "" : "]}, ");
    first = true;
    for (size_t i = 0; sq_scenario_step_words[i]; i++) {
        if (before && sq_scenario_is_of_a_call((enum sq_step_kind)i)) {
            continue;
        }
        sq_buf_printf(out, "%s\"%s\": %s", first ? "" : ", ", sq_scenario_step_words[i],
                      values[i] ? values[i] : REF("nothing"));
        first = false;
    }
    sq_buf_puts(out, "}}]},\n");
}

/* A name that steps give, but for those that are Squall's own. */
static void put_name(const char *name, const char *const *own, struct sq_buf *out)
{
    sq_buf_printf(out,
                  "    \"%s\": {\"type\": [\"string\", \"boolean\"], \"pattern\": "
                  "\"^[A-Za-z_][A-Za-z0-9_]{0,%d}$\"",
                  name, SQ_STEP_NAME_MAX - 1);
    if (own) {
        sq_buf_puts(out, ", \"not\": {");
        sq_scenario_schema_words(own, out);
        sq_buf_puts(out, "}");
    }
    sq_buf_puts(out, "},\n");
}

static void put_words(const char *name, const char *const *words, struct sq_buf *out)
{
    sq_buf_printf(out, "    \"%s\": {", name);
    sq_scenario_schema_words(words, out);
    sq_buf_puts(out, "},\n");
}

static void put_quantities(struct sq_buf *out)
{
    struct sq_buf time = {0};
    struct sq_buf range = {0};
    sq_buf_puts(out, "    \"duration\": {");
    sq_scenario_schema_quantity(SQ_QUANTITY_DURATION, out);
    sq_buf_puts(out, "},\n    \"rate\": {");
    sq_scenario_schema_quantity(SQ_QUANTITY_RATE, out);
    sq_quantity_pattern(SQ_QUANTITY_DURATION, &time);
    sq_buf_printf(&range, "^%s([.][.]%s)?$", time.text ? time.text : "",
                  time.text ? time.text : "");
    sq_buf_puts(out, "},\n    \"wait\": {\"type\": \"string\", \"pattern\": ");
    sq_scenario_schema_text(range.text ? range.text : "", out);
    sq_buf_puts(out, "},\n");
    out->err = out->err ? out->err : time.err ? time.err : range.err;
    sq_buf_free(&time);
    sq_buf_free(&range);
}

void sq_scenario_schema_steps(struct sq_buf *out)
{
    static const char *const own_timers[] = {SQ_STEP_SET_UP_NAME, NULL};
    put_quantities(out);
    put_name("value", NULL, out);
    put_name("timer", own_timers, out);
    put_name("event", sq_scenario_own_events, out);
    put_words("scope", sq_scenario_scopes, out);
    put_words("sent", sq_scenario_muted, out);
    sq_buf_puts(out, shared);
    sq_buf_puts(out, "    \"http\": {\"anyOf\": [" URL(
                         "http|https") ", {\"required\": [\"url\"], "
                                       "\"not\": {\"required\": [\"json\", \"body\"]}, " MAP
                                       "{\"method\": {");
    sq_scenario_schema_words(sq_scenario_http_methods, out);
    sq_buf_puts(out, "}, ");
    sq_buf_puts(out, http);
    sq_buf_puts(out, talk);
    put_step("step", false, out);
    put_step("step_before", true, out);
    sq_buf_puts(out, "    \"steps\": {\"type\": \"array\", \"minItems\": 1, "
                     "\"maxItems\": " NUMBER_OF(SQ_STEPS_MAX) ", \"items\": " REF(
                         "step") "},\n"
                                 "    \"before\": {\"type\": \"array\", \"minItems\": 1, "
                                 "\"maxItems\": " NUMBER_OF(SQ_STEPS_MAX) ", \"items\": " REF(
                                     "step_before") "},\n");
}
