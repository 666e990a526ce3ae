#include "report/escape.h"

#include <string.h>

#define REPLACEMENT 0xfffdu

static bool is_continuation(unsigned char byte)
{
    return (byte & 0xc0) == 0x80;
}

/* Length of the sequence that a lead byte opens, 0 for a byte that cannot lead; its own bits go to
 * *ret_bits. */
static int lead(unsigned char byte, uint32_t *ret_bits)
{
    if (byte < 0x80) {
        *ret_bits = byte;
        return 1;
    }
    if (byte >= 0xc2 && byte <= 0xdf) {
        *ret_bits = byte & 0x1fu;
        return 2;
    }
    if (byte >= 0xe0 && byte <= 0xef) {
        *ret_bits = byte & 0x0fu;
        return 3;
    }
    if (byte >= 0xf0 && byte <= 0xf4) {
        *ret_bits = byte & 0x07u;
        return 4;
    }
    return 0;
}

uint32_t sq_utf8_next(const char **at)
{
    const unsigned char *p = (const unsigned char *)*at;
    if (*p == 0) {
        return 0;
    }
    uint32_t code = 0;
    int n = lead(*p, &code);
    for (int i = 1; i < n; i++) {
        if (!is_continuation(p[i])) {
            n = 0;
            break;
        }
        code = code << 6 | (p[i] & 0x3fu);
    }
    bool overlong = (n == 3 && code < 0x800) || (n == 4 && code < 0x10000);
    bool surrogate = code >= 0xd800 && code <= 0xdfff;
    if (n == 0 || overlong || surrogate || code > 0x10ffff) {
        *at += 1;
        return REPLACEMENT;
    }
    *at += n;
    return code;
}

void sq_utf8_put(struct sq_buf *out, uint32_t code)
{
    char bytes[4];
    size_t n = 0;
    if (code < 0x80) {
        bytes[n++] = (char)code;
    } else if (code < 0x800) {
        bytes[n++] = (char)(0xc0 | code >> 6);
        bytes[n++] = (char)(0x80 | (code & 0x3f));
    } else if (code < 0x10000) {
        bytes[n++] = (char)(0xe0 | code >> 12);
        bytes[n++] = (char)(0x80 | (code >> 6 & 0x3f));
        bytes[n++] = (char)(0x80 | (code & 0x3f));
    } else {
        bytes[n++] = (char)(0xf0 | code >> 18);
        bytes[n++] = (char)(0x80 | (code >> 12 & 0x3f));
        bytes[n++] = (char)(0x80 | (code >> 6 & 0x3f));
        bytes[n++] = (char)(0x80 | (code & 0x3f));
    }
    sq_buf_add(out, bytes, n);
}

void sq_escape_json(struct sq_buf *out, const char *text, bool in_html)
{
    for (uint32_t c = sq_utf8_next(&text); c != 0; c = sq_utf8_next(&text)) {
        if (c == '"' || c == '\\') {
            sq_buf_printf(out, "\\%c", (char)c);
        } else if (c == '\n') {
            sq_buf_puts(out, "\\n");
        } else if (c == '\t') {
            sq_buf_puts(out, "\\t");
        } else if (c == '\r') {
            sq_buf_puts(out, "\\r");
        } else if (c < 0x20 || c == 0x7f || (in_html && c == '<')) {
            sq_buf_printf(out, "\\u%04x", (unsigned)c);
        } else {
            sq_utf8_put(out, c);
        }
    }
}

void sq_escape_xml(struct sq_buf *out, const char *text)
{
    for (uint32_t c = sq_utf8_next(&text); c != 0; c = sq_utf8_next(&text)) {
        switch (c) {
        case '&':
            sq_buf_puts(out, "&amp;");
            break;
        case '<':
            sq_buf_puts(out, "&lt;");
            break;
        case '>':
            sq_buf_puts(out, "&gt;");
            break;
        case '"':
            sq_buf_puts(out, "&quot;");
            break;
        case '\'':
            sq_buf_puts(out, "&#39;");
            break;
        case '\n':
        case '\r':
        case '\t':
            sq_buf_printf(out, "&#%u;", (unsigned)c);
            break;
        default:
            /* C0 is not in XML 1.0 at all; DEL and C1 are discouraged, and HTML has no references
             * to them. */
            if (c < 0x20 || (c >= 0x7f && c <= 0x9f) || c == 0xfffe || c == 0xffff) {
                c = REPLACEMENT;
            }
            sq_utf8_put(out, c);
        }
    }
}

void sq_escape_csv(struct sq_buf *out, const char *text)
{
    bool formula = text[0] && strchr("=+-@\t\r", text[0]);
    bool quote = strpbrk(text, ",\"\r\n") != NULL;
    if (quote) {
        sq_buf_puts(out, "\"");
    }
    if (formula) {
        sq_buf_puts(out, "'");
    }
    for (uint32_t c = sq_utf8_next(&text); c != 0; c = sq_utf8_next(&text)) {
        if (c == '"') {
            sq_buf_puts(out, "\"\"");
        } else {
            sq_utf8_put(out, c);
        }
    }
    if (quote) {
        sq_buf_puts(out, "\"");
    }
}

void sq_escape_terminal(struct sq_buf *out, const char *text)
{
    for (uint32_t c = sq_utf8_next(&text); c != 0; c = sq_utf8_next(&text)) {
        bool control = c < 0x20 || (c >= 0x7f && c <= 0x9f);
        sq_utf8_put(out, control ? REPLACEMENT : c);
    }
}

void sq_escape_file_name(struct sq_buf *out, const char *text)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    if (text[0] == '\0' || text[0] == '.') {
        sq_buf_puts(out, "_");
    }
    for (; *text; text++) {
        sq_buf_add(out, strchr(allowed, *text) ? text : "_", 1);
    }
}
