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

/* References, and pieces of what follows, each a word there. */
#define VALUE     REF("value")
#define POINTER   REF("pointer")
#define TAKE      REF("take")
#define TAKES     REF("takes")
#define MESSAGE   REF("message")
#define DURATION  REF("duration")
#define RATE      REF("rate")
#define TAKES_MAX NUMBER_OF(SQ_STEP_TAKES_MAX)
#define TIMES     COUNT_TO(SQ_STEP_TIMES_MAX)
#define BYTES     COUNT_TO(SQ_STEP_MESSAGE_MAX)
#define OR_NULL   "{\"type\": [\"string\", \"number\", \"boolean\", \"null\"]}"
#define WS_URL    URL("ws|wss")
#define HTTP_URL  URL("http|https")
#define ONE_OF_WS                                                                                  \
    NEEDS("url")                                                                                   \
    ", " NEEDS("send") ", " NEEDS("json") ", " NEEDS("expect") ", " NEEDS("take") ", " NEEDS(      \
        "close")
#define ONE_OF_DATA                                                                                \
    NEEDS("send")                                                                                  \
    ", " NEEDS("json") ", " NEEDS("hex") ", " NEEDS("bytes") ", " NEEDS("expect") ", " NEEDS("tak" \
                                                                                             "e")
#define NOT_TWO_OF_WS NOT("send", "json")
#define NOT_TWO_OF_DATA                                                                            \
    NOT("send", "json")                                                                            \
    ", " NOT("send", "hex") ", " NOT("send", "bytes") ", " NOT("json", "hex") ", " NOT(            \
        "json", "bytes") ", " NOT("hex", "bytes")

static const char shared[] =
    "    \"nothing\": {\"type\": [\"null\", \"object\"], \"maxProperties\": 0},\n"
    "    \"pointer\": {\"type\": \"string\", \"pattern\": \"^(/.*)?$\"},\n"
    "    \"take\": {\"anyOf\": [" POINTER ", {\"minProperties\": 1, \"maxProperties\": 1, " MAP
    "{\"json\": " POINTER ", \"regex\": " TEXT ", \"header\": " TEXT "}}]},\n"
    "    \"takes\": {\"type\": \"object\", \"propertyNames\": " VALUE ", "
    "\"minProperties\": 1, \"maxProperties\": " TAKES_MAX ", \"additionalProperties\": " TAKE "},\n"
    "    \"message\": {\"anyOf\": [" TEXT ", {\"type\": \"object\", \"minProperties\": 1, "
    "\"propertyNames\": {\"pattern\": \"^(regex$|/)\"}, \"additionalProperties\": " OR_NULL
    "}]},\n";

static const char talk[] =
    "    \"websocket\": {\"anyOf\": [" WS_URL ", {\"anyOf\": [" ONE_OF_WS "], "
    "\"allOf\": [" NOT_TWO_OF_WS "], "
    "\"dependentRequired\": {\"headers\": [\"url\"], \"subprotocol\": [\"url\"]}, " MAP
    "{\"name\": " VALUE ", \"url\": " WS_URL ", \"headers\": " HEADERS ", \"subprotocol\": " TEXT
    ", \"send\": " TEXT ", \"json\": {}, \"expect\": " MESSAGE ", \"take\": " TAKES
    ", \"close\": {\"enum\": [true, \"true\"]}, \"timeout\": " DURATION "}}]},\n"
    "    \"data_step\": {\"anyOf\": [" TEXT ", {\"anyOf\": [" ONE_OF_DATA "], "
    "\"allOf\": [" NOT_TWO_OF_DATA "], " MAP "{\"channel\": " TEXT ", \"send\": " TEXT
    ", \"json\": {}, \"hex\": {\"type\": [\"string\", \"number\"], "
    "\"pattern\": \"^([0-9A-Fa-f]{2})+$\"}, \"bytes\": " BYTES ", \"times\": " TIMES
    ", \"rate\": " RATE ", \"expect\": " MESSAGE ", \"take\": " TAKES ", \"timeout\": " DURATION
    "}}]},\n";

static const char http[] =
    "\"url\": " HTTP_URL ", \"headers\": " HEADERS ", \"json\": {}, \"body\": " TEXT ", "
    "\"expect\": {\"type\": [\"string\", \"integer\"], \"minimum\": 100, \"maximum\": 599, "
    "\"pattern\": \"^([1-5]xx|\\\\s*[1-5][0-9]{2}(-\\\\s*[1-5][0-9]{2})?)$\"}, "
    "\"take\": " TAKES ", \"timeout\": " DURATION "}}]},\n";

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
    sq_buf_puts(out, "    \"http\": {\"anyOf\": [" HTTP_URL ", {\"required\": [\"url\"], "
                     "\"not\": {\"required\": [\"json\", \"body\"]}, " MAP "{\"method\": {");
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
