/* Text that came from the network, made harmless for each format. Input is any NUL-terminated
 * bytes; what is not UTF-8 becomes U+FFFD. */
#ifndef SQ_REPORT_ESCAPE_H
#define SQ_REPORT_ESCAPE_H

#include "base/str.h"
#include <stdbool.h>
#include <stdint.h>

/* The next code point, and *at moved behind it; 0 at the end; U+FFFD for a bad byte (RFC 3629: no
 * overlong forms, no surrogates, nothing above U+10FFFF). */
uint32_t sq_utf8_next(const char **at);

/* The code point as UTF-8. */
void sq_utf8_put(struct sq_buf *out, uint32_t code);

/* Inside of a JSON string (RFC 8259, section 7), without its quotes. `in_html` also escapes '<', so
 * that the text cannot end a <script> element. */
void sq_escape_json(struct sq_buf *out, const char *text, bool in_html);
/* Content or a quoted attribute of XML 1.0 or HTML. Characters that XML 1.0 does not know (section
 * 2.2: most controls, U+FFFE, U+FFFF) become U+FFFD; line ends and tabs become references. */
void sq_escape_xml(struct sq_buf *out, const char *text);
/* One field of CSV (RFC 4180): quoted where needed. A text that a spreadsheet would take for a
 * formula (= + - @, tab or CR in front) gets an apostrophe before it. */
void sq_escape_csv(struct sq_buf *out, const char *text);

/* Plain text for a terminal: control characters (C0, DEL, C1) become U+FFFD, so that a peer's name
 * cannot move the cursor or change colours. */
void sq_escape_terminal(struct sq_buf *out, const char *text);

/* A file name of letters, digits, '.', '_' and '-': everything else becomes '_'; never empty, never
 * begins with '.'. */
void sq_escape_file_name(struct sq_buf *out, const char *text);

#endif
