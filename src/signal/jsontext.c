#include "signal/jsontext.h"

#include "base/mem.h"
#include "base/str.h"
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What stands before the digits: a text that begins with a NUL. jansson takes one nowhere but where
 * it is told to, and then only if the document has none itself; as a name it is refused, as a
 * number would be. */
#define MARK       "\"\\u0000"
#define MARK_BYTES 7
#define MORE_BYTES (MARK_BYTES + 1) /* and the quote behind the digits */

/* ---- Reading ---- */

/* "-" is not among the digits. What begins with a zero is no number of JSON's. */
static bool is_too_big(const char *digits, size_t len, bool negative)
{
    static const char most[] = "9223372036854775807", least[] = "9223372036854775808";
    size_t room = sizeof(most) - 1;
    return digits[0] != '0' &&
           (len > room || (len == room && memcmp(digits, negative ? least : most, room) > 0));
}

/* The text that begins there, with its quotes; 0: it has a NUL in it. */
static size_t string_len(const char *at, size_t len)
{
    for (size_t n = 1; n < len; n++) {
        if (at[n] == '"') {
            return n + 1;
        }
        if (at[n] == '\\') {
            if (len - n > 5 && memcmp(at + n + 1, "u0000", 5) == 0) {
                return 0;
            }
            n++;
        }
    }
    return len;
}

static size_t span(const char *at, size_t len, const char *letters)
{
    size_t n = 0;
    while (n < len && at[n] && strchr(letters, at[n])) {
        n++;
    }
    return n;
}

/* Takes up the number that begins there, marked if it has to be; gives its length. */
static size_t put_number(struct sq_buf *out, const char *at, size_t len)
{
    size_t n = span(at, len, "+-.0123456789eE");
    bool negative = at[0] == '-';
    const char *digits = at + negative;
    size_t digits_len = span(digits, len - negative, "0123456789");
    bool whole = digits_len > 0 && digits_len + negative == n;
    if (whole && is_too_big(digits, digits_len, negative)) {
        sq_buf_puts(out, MARK);
        sq_buf_add(out, at, n);
        sq_buf_puts(out, "\"");
    } else {
        sq_buf_add(out, at, n);
    }
    return n;
}

/* The document with all such integers marked. False: a text in it has a NUL. */
static bool mark(const char *text, size_t len, struct sq_buf *out)
{
    size_t i = 0, from = 0;
    while (i < len) {
        if (text[i] == '"') {
            size_t n = string_len(text + i, len - i);
            if (n == 0) {
                return false;
            }
            i += n;
        } else if (text[i] == '-' || (text[i] >= '0' && text[i] <= '9')) {
            sq_buf_add(out, text + from, i - from);
            i += put_number(out, text + i, len - i);
            from = i;
        } else {
            i++;
        }
    }
    sq_buf_add(out, text + from, len - from);
    return true;
}

/* Where that stands in the document as it came. */
static int position_before(const struct sq_buf *marked, int position)
{
    size_t marks = 0;
    for (const char *at = marked->text; (at = strstr(at, MARK)); at += MARK_BYTES) {
        if (at + MORE_BYTES > marked->text + position) {
            break;
        }
        marks++;
    }
    return position - (int)(marks * MORE_BYTES);
}

/* The text's last byte is the error's code. */
static void say_what_holds_it(json_error_t *error)
{
    static const char theirs[] = "real number overflow";
    char text[JSON_ERROR_TEXT_LENGTH];
    if (strncmp(error->text, theirs, strlen(theirs)) == 0) {
        snprintf(text, sizeof(text), "a number that no double holds%.100s",
                 error->text + strlen(theirs));
        snprintf(error->text, JSON_ERROR_TEXT_LENGTH - 1, "%.140s", text);
    }
}

json_t *sq_jsontext_parse(const char *text, size_t len, size_t flags, json_error_t *ret_error)
{
    struct sq_buf marked = {0};
    json_t *root = json_loadb(text, len, flags, ret_error);
    if (root || json_error_code(ret_error) != json_error_numeric_overflow) {
        return root;
    }
    if (mark(text, len, &marked) && !marked.err) {
        root = json_loadb(marked.text, marked.len, flags | JSON_ALLOW_NUL, ret_error);
        if (!root) {
            ret_error->position = position_before(&marked, ret_error->position);
        }
    }
    sq_buf_free(&marked);
    if (!root) {
        say_what_holds_it(ret_error);
    }
    return root;
}

/* ---- Telling ---- */

const char *sq_jsontext_digits(const json_t *value)
{
    const char *text = json_string_value(value);
    return text && !text[0] && json_string_length(value) > 0 ? text + 1 : NULL;
}

/* JSON as jansson writes it, with the marked ones as numbers again. */
static char *unmarked(const char *json)
{
    struct sq_buf b = {0};
    const char *at;
    while ((at = strstr(json, MARK))) {
        size_t digits = strspn(at + MARK_BYTES, "-0123456789");
        sq_buf_add(&b, json, (size_t)(at - json));
        sq_buf_add(&b, at + MARK_BYTES, digits);
        json = at + MORE_BYTES + digits;
    }
    sq_buf_puts(&b, json);
    char *text = sq_buf_take(&b);
    sq_buf_free(&b);
    return text;
}

char *sq_jsontext_of(const json_t *value)
{
    const char *digits = sq_jsontext_digits(value);
    if (digits || json_is_string(value)) {
        return sq_strdup(digits ? digits : json_string_value(value));
    }
    char *dumped = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    char *text = dumped ? unmarked(dumped) : NULL;
    free(dumped); /* jansson's */
    return text;
}
