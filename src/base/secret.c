#include "base/secret.h"

#include "base/mem.h"
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

void sq_secrets_add(struct sq_secrets *secrets, const char *value)
{
    if (!value || strlen(value) < SQ_SECRET_LEAST || secrets->n == SQ_SECRETS_MAX) {
        return;
    }
    for (size_t i = 0; i < secrets->n; i++) {
        if (strcmp(secrets->values[i], value) == 0) {
            return;
        }
    }
    char *copy = sq_strdup(value);
    if (copy) {
        secrets->values[secrets->n++] = copy;
    }
}

void sq_secrets_add_all(struct sq_secrets *secrets, const struct sq_secrets *others)
{
    for (size_t i = 0; i < others->n; i++) {
        sq_secrets_add(secrets, others->values[i]);
    }
}

void sq_secrets_free(struct sq_secrets *secrets)
{
    while (secrets->n > 0) {
        sq_free(secrets->values[--secrets->n]);
    }
}

/* How many bytes of `text` may stand for the character c; 0: they stand for something else. */
static size_t stands_for(const char *text, char c)
{
    char hex[8];
    unsigned char byte = (unsigned char)c;
    if (*text == c) {
        return 1;
    }
    snprintf(hex, sizeof(hex), "%%%02x", byte);
    if (strncasecmp(text, hex, 3) == 0) {
        return 3;
    }
    if (*text == '\\' && text[1] == c && strchr("\"\\/", c)) {
        return 2;
    }
    snprintf(hex, sizeof(hex), "\\u%04x", byte);
    return byte < 0x80 && strncasecmp(text, hex, 6) == 0 ? 6 : 0;
}

/* The length of the value where it begins at `text`; 0: it does not. Host names know no case. */
static size_t length_at(const char *text, const char *value)
{
    size_t at = 0;
    size_t known = 0;
    for (; value[known]; known++) {
        size_t n = stands_for(text + at, value[known]);
        n = n || tolower((unsigned char)text[at]) != tolower((unsigned char)value[known]) ? n : 1;
        if (n == 0) {
            break;
        }
        at += n;
    }
    bool cut = text[at] == '\0' && known >= SQ_SECRET_LEAST;
    return !value[known] || cut ? at : 0;
}

void sq_secret_mask_value(char *text, const char *value)
{
    if (!value || strlen(value) < SQ_SECRET_LEAST) {
        return;
    }
    char *to = text;
    for (const char *p = text; *p;) {
        size_t len = length_at(p, value);
        if (len > 0) {
            memcpy(to, "***", 3);
            to += 3;
            p += len;
        } else {
            *to++ = *p++;
        }
    }
    *to = '\0';
}

void sq_secrets_mask(const struct sq_secrets *secrets, char *text)
{
    for (size_t i = 0; secrets && i < secrets->n; i++) {
        sq_secret_mask_value(text, secrets->values[i]);
    }
}

static bool is_of_token(char c)
{
    return isalnum((unsigned char)c) || (c && strchr("-._~+/=", c));
}

void sq_secret_mask_tokens(char *text, bool cut)
{
    char *to = text;
    for (const char *p = text; *p;) {
        size_t len = 0;
        bool letter = false, digit = false;
        for (; is_of_token(p[len]); len++) {
            letter = letter || isalpha((unsigned char)p[len]);
            digit = digit || isdigit((unsigned char)p[len]);
        }
        bool hidden = len >= SQ_SECRET_TOKEN && letter && digit;
        if (hidden || (cut && len >= SQ_SECRET_LEAST && !p[len])) {
            memcpy(to, "***", 3);
            to += 3;
            p += len;
        } else {
            len = len ? len : 1;
            memmove(to, p, len);
            to += len;
            p += len;
        }
    }
    *to = '\0';
}
