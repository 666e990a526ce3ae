/* What options take, for the schema of scenario files: bounds are those of the table of options,
 * words and units those of their readers. The grammars of texts (bwe, reconnect …) are told here in
 * the large: all that the readers take, and not each thing that they refuse. */
#include "cli/run_schema.h"

#include "cli/data_options.h"
#include "cli/run_table.h"
#include "net/link_profile.h"
#include "peer/peer.h"
#include "run/record.h"
#include "scenario/keys.h"
#include "scenario/users.h"
#include "signal/target.h"
#include <string.h>

struct forms {
    struct sq_run_options options;
    struct sq_run_table table;
    struct sq_buf duration, rate, bitrate; /* patterns */
    struct sq_buf pattern;                 /* of the form that was asked for last */
};

static const char *text_of(const struct sq_buf *b)
{
    return b->text ? b->text : "";
}

/* A list of words with commas. */
static void put_list(const char *const *words, struct sq_buf *out)
{
    struct sq_buf one = {0};
    for (size_t i = 0; words[i]; i++) {
        sq_buf_printf(&one, "%s%s", i ? "|" : "(", words[i]);
    }
    sq_buf_puts(&one, ")");
    sq_buf_printf(out, "%s(,%s)*", text_of(&one), text_of(&one));
    sq_buf_free(&one);
}

static void put_target(struct sq_buf *out)
{
    sq_buf_puts(out, "lab(:.*)?|(");
    for (size_t i = 0; sq_target_scheme(i); i++) {
        for (const char *c = sq_target_scheme(i); *c; c++) {
            sq_buf_printf(out, *c == '+' ? "[%c]" : "%c", *c);
        }
        sq_buf_puts(out, sq_target_scheme(i + 1) ? "|" : ")://[^ ]*");
    }
}

static void put_data(const struct forms *f, const char *option, struct sq_buf *out)
{
    static const char size[] = "[0-9]+[kK]?";
    const char *rate = text_of(&f->rate);
    if (strcmp(option, "data.rate") == 0) {
        sq_buf_printf(out, "max|%s", rate);
    } else if (strcmp(option, "data.size") == 0) {
        sq_buf_puts(out, size);
    } else if (strcmp(option, "data") == 0) {
        sq_buf_printf(out, "open|(max|%s):%s", rate, size);
    } else {
        char word[] = "(ordered|unordered|retransmits=[0-9]+|lifetime=";
        const char *d = text_of(&f->duration);
        sq_buf_printf(out, "%s%s)(,%s%s))*", word, d, word, d);
    }
}

static void put_codec(const char *option, struct sq_buf *out)
{
    if (strcmp(option, "codec") != 0) {
        sq_peer_codecs_pattern(strcmp(option, "codec.video") == 0, out);
        return;
    }
    sq_buf_puts(out, "video=");
    sq_peer_codecs_pattern(true, out);
    sq_buf_puts(out, "|audio=");
    sq_peer_codecs_pattern(false, out);
}

/* Options of times and rates. */
static void put_times(const struct forms *f, const char *option, struct sq_buf *out)
{
    const char *d = text_of(&f->duration);
    if (strcmp(option, "bwe") == 0) {
        sq_buf_printf(out, "gcc|off|fixed:%s", text_of(&f->bitrate));
    } else if (strcmp(option, "reconnect") == 0) {
        sq_buf_printf(out, "(ice[+])?(now|backoff(:%s-%s)?)", d, d);
    } else if (strcmp(option, "ramp") == 0) {
        sq_buf_printf(out, "%s(:%s)?", d, d);
    } else if (strcmp(option, "think") == 0) {
        sq_buf_printf(out, "%s([.][.]%s)?", d, d);
    } else if (strcmp(option, "load") == 0) {
        const char *r = text_of(&f->rate);
        sq_buf_printf(out, "\\s*(%s\\s*:\\s*)?(%s|[0-9]+)\\s*(,\\s*%s\\s*:\\s*(%s|[0-9]+)\\s*)*", d,
                      r, d, r);
    }
}

static void put_pattern(const struct forms *f, const char *option, struct sq_buf *out)
{
    if (strcmp(option, "target") == 0) {
        put_target(out);
    } else if (strcmp(option, "record-format") == 0) {
        put_list(sq_record_format_names, out);
    } else if (strncmp(option, "codec", 5) == 0) {
        put_codec(option, out);
    } else if (strncmp(option, "data", 4) == 0) {
        put_data(f, option, out);
    } else if (strcmp(option, "turn") == 0) {
        sq_buf_puts(out, "[tT][uU][rR][nN][sS]?:.+"); /* RFC 7065 */
    } else if (strcmp(option, "abort-on") == 0) {     /* as any expectation it compares */
        sq_buf_puts(out, "[\\s\\S]*[=<>][\\s\\S]*");
    } else if (strcmp(option, "prometheus") == 0) {
        sq_buf_puts(out, "(.*:)?[0-9]+");
    } else if (strcmp(option, "prometheus-push") == 0) {
        sq_buf_puts(out, "https?://.+");
    } else {
        put_times(f, option, out);
    }
}

static const char *const *words_of(const char *option)
{
    return strcmp(option, "ice") == 0           ? sq_run_ice_words
           : strcmp(option, "srtp") == 0        ? sq_run_srtp_words
           : strcmp(option, "users-order") == 0 ? sq_users_orders
                                                : NULL;
}

/* Where a number may stand without quotes; YAML has no other way to write it. */
static void put_bare(const struct forms *f, const char *option, struct sq_scenario_form *form)
{
    if (strcmp(option, "data.size") == 0) {
        form->bare = SQ_FORM_INTEGER;
        form->least = SQ_DATA_SIZE_MIN;
        form->most = SQ_DATA_SIZE_MAX;
    } else if (strcmp(option, "load") == 0) {
        form->bare = SQ_FORM_INTEGER;
        form->most = SQ_PLAN_PEERS_MAX;
    } else if (strcmp(option, "prometheus") == 0) {
        form->bare = SQ_FORM_INTEGER;
        form->most = UINT16_MAX;
    }
    for (size_t i = 0; i < f->table.n; i++) {
        const struct sq_option *row = &f->table.rows[i];
        if (row->type == SQ_OPTION_COUNT && strcmp(row->name, option) == 0) {
            form->bare = SQ_FORM_INTEGER;
            form->least = (double)row->min;
            form->most = (double)row->max;
        }
    }
}

/* Of a network; spaces may stand around what is one. */
static void put_setting(struct forms *f, const char *name, struct sq_scenario_form *ret_form)
{
    struct sq_link_setting_form link;
    sq_link_setting_form(name, &link);
    sq_buf_printf(&f->pattern, " *%s *", text_of(&link.pattern));
    f->pattern.err = f->pattern.err ? f->pattern.err : link.pattern.err;
    sq_buf_free(&link.pattern);
    *ret_form = (struct sq_scenario_form){.pattern = f->pattern.text,
                                          .bare = link.bare ? SQ_FORM_NUMBER : SQ_FORM_TEXT,
                                          .least = link.least,
                                          .most = link.most};
}

static void form_of(void *ctx, const char *option, struct sq_scenario_form *ret_form)
{
    static const char network[] = SQ_SCENARIO_NETWORK_FORM;
    struct forms *f = ctx;
    int err = f->pattern.err;
    sq_buf_free(&f->pattern);
    f->pattern = (struct sq_buf){.err = err};
    if (strncmp(option, network, sizeof(network) - 1) == 0) {
        put_setting(f, option + sizeof(network) - 1, ret_form);
        return;
    }
    put_pattern(f, option, &f->pattern);
    put_bare(f, option, ret_form);
    ret_form->words = words_of(option);
    ret_form->pattern = f->pattern.text;
}

void sq_run_schema(struct sq_buf *out)
{
    static struct forms f; /* large */
    f = (struct forms){.table.n = 0};
    sq_run_table_defaults(&f.options);
    sq_run_table_make(&f.options, &f.table);
    sq_quantity_pattern(SQ_QUANTITY_DURATION, &f.duration);
    sq_quantity_pattern(SQ_QUANTITY_RATE, &f.rate);
    sq_quantity_pattern(SQ_QUANTITY_BITRATE, &f.bitrate);
    sq_scenario_schema(form_of, &f, out);
    out->err = out->err ? out->err : f.pattern.err;
    sq_buf_free(&f.duration);
    sq_buf_free(&f.rate);
    sq_buf_free(&f.bitrate);
    sq_buf_free(&f.pattern);
}
