#include "report/json.h"

#include "report/escape.h"
#include <math.h>

/* The comma, line break and key before a value. */
static void lead_in(struct sq_json *j, const char *key)
{
    if (j->follows) {
        sq_buf_puts(j->out, ",");
    }
    if (j->pretty && j->depth > 0) {
        sq_buf_printf(j->out, "\n%*s", 2 * j->depth, "");
    }
    if (key) {
        sq_buf_puts(j->out, "\"");
        sq_escape_json(j->out, key, j->in_html);
        sq_buf_puts(j->out, j->pretty ? "\": " : "\":");
    }
    j->follows = true;
}

void sq_json_open(struct sq_json *j, const char *key, char bracket)
{
    lead_in(j, key);
    sq_buf_add(j->out, &bracket, 1);
    j->depth++;
    j->follows = false;
}

void sq_json_close(struct sq_json *j, char bracket)
{
    j->depth--;
    if (j->pretty && j->follows) {
        sq_buf_printf(j->out, "\n%*s", 2 * j->depth, "");
    }
    sq_buf_add(j->out, &bracket, 1);
    j->follows = true;
}

void sq_json_text(struct sq_json *j, const char *key, const char *text)
{
    if (!text) {
        sq_json_null(j, key);
        return;
    }
    lead_in(j, key);
    sq_buf_puts(j->out, "\"");
    sq_escape_json(j->out, text, j->in_html);
    sq_buf_puts(j->out, "\"");
}

void sq_number_put(struct sq_buf *out, double number)
{
    double size = fabs(number);
    if (!isfinite(number)) {
        return;
    }
    if (number == 0) {
        sq_buf_puts(out, "0"); /* never "-0" */
    } else if (size < 1e15 && number == floor(number)) {
        sq_buf_printf(out, "%.0f", number);
    } else {
        sq_buf_printf(out, "%.*g", size >= 1e4 ? 10 : 6, number);
    }
}

void sq_json_number(struct sq_json *j, const char *key, double number)
{
    if (!isfinite(number)) {
        sq_json_null(j, key);
        return;
    }
    lead_in(j, key);
    sq_number_put(j->out, number);
}

void sq_json_integer(struct sq_json *j, const char *key, uint64_t number)
{
    lead_in(j, key);
    sq_buf_printf(j->out, "%llu", (unsigned long long)number);
}

void sq_json_flag(struct sq_json *j, const char *key, bool flag)
{
    lead_in(j, key);
    sq_buf_puts(j->out, flag ? "true" : "false");
}

void sq_json_null(struct sq_json *j, const char *key)
{
    lead_in(j, key);
    sq_buf_puts(j->out, "null");
}

void sq_json_raw(struct sq_json *j, const char *key, const char *json)
{
    lead_in(j, key);
    sq_buf_puts(j->out, json);
}
