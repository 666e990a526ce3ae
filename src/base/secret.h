/* Values that no message and no file may show: known ones are put out of a text again, however they
 * came into it (an answer that repeats the request, the name of a host). */
#ifndef SQ_BASE_SECRET_H
#define SQ_BASE_SECRET_H

#include <stdbool.h>
#include <stddef.h>

#define SQ_SECRET_LEAST 4 /* bytes; what is shorter stands in too many words by chance */

#define SQ_SECRETS_MAX 256

/* All zero at first. Whoever only reads it needs no lock. */
struct sq_secrets {
    char *values[SQ_SECRETS_MAX]; /* owned */
    size_t n;
};

/* The value is copied; NULL, and one that is too short or known, is left out. */
void sq_secrets_add(struct sq_secrets *secrets, const char *value);
void sq_secrets_add_all(struct sq_secrets *secrets, const struct sq_secrets *others);
void sq_secrets_free(struct sq_secrets *secrets);
/* Puts *** in the place of one value: as it is, percent-encoded (RFC 3986, section 2.1) and as in a
 * JSON string (RFC 8259, section 7); and of what a text that was cut short has of it at its end.
 * The text never gets longer. */
void sq_secret_mask_value(char *text, const char *value);
/* ... of all of them; NULL: of none. */
void sq_secrets_mask(const struct sq_secrets *secrets, char *text);
/* Words that look like a token, known or not: SQ_SECRET_TOKEN bytes or more of letters, digits and
 * "-._~+/=" (RFC 6750, section 2.1) with a letter and a digit among them. The last word of a text
 * that `cut` says was cut short may be a token's beginning. */
#define SQ_SECRET_TOKEN 12
void sq_secret_mask_tokens(char *text, bool cut);

#endif
