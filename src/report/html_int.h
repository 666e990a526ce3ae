/* The parts of report.html. */
#ifndef SQ_REPORT_HTML_INT_H
#define SQ_REPORT_HTML_INT_H

#include "report/report_int.h"

#define SQ_HTML_POINTS_MAX 600 /* of a chart; longer runs are drawn in steps of several seconds */
#define SQ_HTML_EVENTS_MAX 40  /* of one peer's story */

struct sq_html_frame {
    const char *title;  /* of the window */
    const char *target; /* nullable */
    const char *what;   /* "run 20261126-…" */
    bool scripts;       /* the page has scripts of its own within it */
};

/* The page's head, its style, and the line on top; <body> is open. */
void sq_html_begin(const struct sq_html_frame *frame, struct sq_buf *out);
/* Who made it, and the end of <footer>; the commit is nullable. */
void sq_html_made_by(const char *version, const char *commit, struct sq_buf *out);
/* Text as HTML content: escaped. */
void sq_html_text(struct sq_buf *out, const char *text);
/* A table cell with a number for people. */
void sq_html_number_cell(struct sq_buf *out, double number);
/* A bar of the stages of a set-up with its key; nothing when no stage is known. */
void sq_html_stages(struct sq_buf *out, const double stage_ms[SQ_STAGE_COUNT]);

void sq_html_data(const struct sq_result *r, struct sq_buf *out);
void sq_html_worst_peers(const struct sq_result *r, const struct sq_report_html_options *options,
                         struct sq_buf *out);
void sq_html_expectations(const struct sq_result *r, struct sq_buf *out);
void sq_html_failures(const struct sq_result *r, struct sq_buf *out);
void sq_html_metrics(const struct sq_result *r, struct sq_buf *out);
/* A small histogram of each metric. */
void sq_html_distributions(const struct sq_result *r, struct sq_buf *out);
/* Timers and counters of steps and scripts; nothing where there are none. */
void sq_html_own(const struct sq_result *r, struct sq_buf *out);
/* Tables of peers by their part and by their network. */
void sq_html_groups(const struct sq_result *r, struct sq_buf *out);
/* What a peer sent and received, second by second; nothing of one without a history. */
void sq_html_strip(const struct sq_strip *strip, struct sq_buf *out);
void sq_html_generator(const struct sq_result *r, struct sq_buf *out);
void sq_html_configuration(const struct sq_result *r, struct sq_buf *out);

#endif
