/* The closing text on the terminal: verdict first, then what was expected, what was measured and
 * what failed. */
#ifndef SQ_REPORT_TEXT_H
#define SQ_REPORT_TEXT_H

#include "base/str.h"
#include "run/result.h"
#include <stdbool.h>
#include <stdio.h>

struct sq_report_text_options {
    bool color; /* ANSI colours; off for files and pipes */
    bool all;   /* every metric, not only those that tell first how it went */
};

void sq_report_text(const struct sq_result *r, const struct sq_report_text_options *options,
                    FILE *out);
/* The same into memory. */
void sq_report_text_render(const struct sq_result *r, const struct sq_report_text_options *options,
                           struct sq_buf *out);
/* What a run that passed still has to tell, a line each: of peers that never began, of steps that
 * were cut off. */
void sq_report_text_notes(const struct sq_result *r, FILE *out);
/* Words that may hold a server's own: control characters become U+FFFD. */
void sq_report_text_words(const char *words, FILE *out);
/* Where the report lies, once it is written there. */
void sq_report_text_place(const char *dir, FILE *out);

#endif
