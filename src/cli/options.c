#include "cli/options.h"

#include "base/str.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct sq_option *find(const struct sq_option *options, struct sq_view name)
{
    for (; options->name; options++) {
        if (options->type != SQ_OPTION_HEADING && sq_view_is(name, options->name)) {
            return options;
        }
    }
    return NULL;
}

/* The option that a name begins, or that begins it: --peer is nearly --peers. NULL if none is. */
static const struct sq_option *find_near(const struct sq_option *options, struct sq_view name)
{
    for (; name.len >= 3 && options->name; options++) {
        size_t len = strlen(options->name);
        size_t common = name.len < len ? name.len : len;
        if (options->type != SQ_OPTION_HEADING && len >= 3 &&
            strncmp(options->name, name.at, common) == 0) {
            return options;
        }
    }
    return NULL;
}

static bool takes_value(const struct sq_option *option)
{
    return option->type != SQ_OPTION_FLAG && option->type != SQ_OPTION_NO_FLAG;
}

static int set_number(const struct sq_option *option, const char *value)
{
    char *end;
    double number = strtod(value, &end);
    if (*value == '\0' || *end != '\0' || !isfinite(number)) {
        return SQ_ERR_INVALID;
    }
    *(double *)option->to = number;
    return 0;
}

static int set_count(const struct sq_option *option, const char *value)
{
    uint64_t number;
    if (sq_view_u64(sq_view_of(value), option->max, &number) != 0 || number < option->min) {
        return SQ_ERR_INVALID;
    }
    *(uint64_t *)option->to = number;
    return 0;
}

/* Nothing takes no time, and nobody comes at a rate of 0: it would read as if the option were not
 * there. */
static int set_duration(const struct sq_option *option, const char *value)
{
    uint64_t ns;
    if (sq_parse_duration(value, &ns) != 0 || ns == 0 || (option->max && ns > option->max)) {
        return SQ_ERR_INVALID;
    }
    *(uint64_t *)option->to = ns;
    return 0;
}

static int set_rate(const struct sq_option *option, const char *value)
{
    double per_s;
    if (sq_parse_rate(value, &per_s) != 0 || per_s <= 0) {
        return SQ_ERR_INVALID;
    }
    *(double *)option->to = per_s;
    return 0;
}

static int set_item(const struct sq_option *option, const char *value)
{
    struct sq_option_list *list = option->to;
    if (list->stale) {
        list->n = 0;
        list->stale = false;
    }
    if (list->n == SQ_OPTION_LIST_MAX) {
        return SQ_ERR_INVALID;
    }
    list->items[list->n++] = value;
    return 0;
}

static int set(const struct sq_option *option, const char *value)
{
    switch (option->type) {
    case SQ_OPTION_FLAG:
        *(bool *)option->to = true;
        return 0;
    case SQ_OPTION_NO_FLAG:
        *(bool *)option->to = false;
        return 0;
    case SQ_OPTION_COUNT:
        return set_count(option, value);
    case SQ_OPTION_TEXT:
        *(const char **)option->to = value;
        return 0;
    case SQ_OPTION_LIST:
        return set_item(option, value);
    case SQ_OPTION_DURATION:
        return set_duration(option, value);
    case SQ_OPTION_RATE:
        return set_rate(option, value);
    case SQ_OPTION_NUMBER:
        return set_number(option, value);
    default:
        return SQ_ERR_INVALID;
    }
}

static int explain(const struct sq_option *option, const char *value, char *why, size_t why_room)
{
    char duration[SQ_DURATION_WRONG_MAX];
    switch (option->type) {
    case SQ_OPTION_COUNT:
        snprintf(why, why_room, "--%s %s: expected a whole number from %llu to %llu", option->name,
                 value, (unsigned long long)option->min, (unsigned long long)option->max);
        break;
    case SQ_OPTION_DURATION:
        snprintf(why, why_room, "--%s %s: %s", option->name, value,
                 sq_duration_wrong(value, option->max, duration));
        break;
    case SQ_OPTION_RATE:
        snprintf(why, why_room,
                 "--%s %s: expected a rate above 0 with its unit, such as 20/s or 90/m",
                 option->name, value);
        break;
    case SQ_OPTION_LIST:
        snprintf(why, why_room, "--%s: more than %d of them", option->name, SQ_OPTION_LIST_MAX);
        break;
    default:
        snprintf(why, why_room, "--%s %s: expected a number", option->name, value);
        break;
    }
    return SQ_ERR_INVALID;
}

/* One option at argv[i]; gives how many words it took. */
static int parse_one(const struct sq_option *options, int left, char **argv, int *ret_words,
                     char *why, size_t why_room)
{
    struct sq_view value = sq_view_of(argv[0] + 2);
    struct sq_view name = sq_view_cut(&value, '=');
    const struct sq_option *option = find(options, name);
    if (!option) {
        const struct sq_option *near = find_near(options, name);
        snprintf(why, why_room, "unknown option --" SQ_VIEW_FMT "%s%s%s", SQ_VIEW_ARG(name),
                 near ? "; did you mean --" : "", near ? near->name : "", near ? "?" : "");
        return SQ_ERR_INVALID;
    }
    const char *text = value.at;
    *ret_words = 1;
    if (!takes_value(option) && text) {
        snprintf(why, why_room, "--%s takes no value", option->name);
        return SQ_ERR_INVALID;
    }
    if (takes_value(option) && !text) {
        if (left < 2) {
            snprintf(why, why_room, "--%s: expected a value (%s) after it", option->name,
                     option->value);
            return SQ_ERR_INVALID;
        }
        text = argv[1];
        *ret_words = 2;
    }
    return set(option, text) == 0 ? 0 : explain(option, text, why, why_room);
}

int sq_options_parse(const struct sq_option *options, int argc, char **argv,
                     struct sq_option_list *ret_rest, char *why, size_t why_room)
{
    bool only_rest = false;
    for (int i = 0; i < argc;) {
        int words = 1;
        if (!only_rest && strcmp(argv[i], "--") == 0) {
            only_rest = true;
        } else if (!only_rest && strncmp(argv[i], "--", 2) == 0) {
            int err = parse_one(options, argc - i, argv + i, &words, why, why_room);
            if (err) {
                return err;
            }
        } else if (!only_rest && strcmp(argv[i], "-h") == 0 && find(options, sq_view_of("help"))) {
            *(bool *)find(options, sq_view_of("help"))->to = true;
        } else if (!only_rest && argv[i][0] == '-' && argv[i][1] != '\0') {
            /* Its value may be a secret. */
            snprintf(why, why_room, "unknown option %.*s (options begin with two dashes)",
                     (int)strcspn(argv[i], "="), argv[i]);
            return SQ_ERR_INVALID;
        } else if (ret_rest->n < SQ_OPTION_LIST_MAX) {
            ret_rest->items[ret_rest->n++] = argv[i];
        }
        i += words;
    }
    return 0;
}

int sq_option_set(const struct sq_option *options, const char *name, const char *value, char *why,
                  size_t why_room)
{
    const struct sq_option *option = find(options, sq_view_of(name));
    if (!option) {
        snprintf(why, why_room, "unknown option --%s", name);
        return SQ_ERR_INVALID;
    }
    if (!takes_value(option)) {
        *(bool *)option->to = strcmp(value, "true") == 0;
        return 0;
    }
    return set(option, value) == 0 ? 0 : explain(option, value, why, why_room);
}

void sq_options_begin(const struct sq_option *options, const char *but)
{
    for (; options->name; options++) {
        if (options->type == SQ_OPTION_LIST) {
            struct sq_option_list *list = options->to;
            list->stale = !but || strcmp(options->name, but) != 0;
        }
    }
}

void sq_options_help(const struct sq_option *options)
{
    for (; options->name; options++) {
        if (options->type == SQ_OPTION_HEADING) {
            printf("\n%s:\n", options->name);
            continue;
        }
        char left[64];
        snprintf(left, sizeof(left), "--%s%s%s", options->name, takes_value(options) ? " " : "",
                 takes_value(options) ? options->value : "");
        printf("  %-24s %s\n", left, options->help);
    }
}
