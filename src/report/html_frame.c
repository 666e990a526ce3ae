/* What all pages of Squall begin and end with. */
#include "report/escape.h"
#include "report/html_int.h"

extern const unsigned char sq_asset_report_css[];

/* Nothing may be fetched: what a peer called itself cannot make a browser call home. */
static const char before_policy[] =
    "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
    "<meta name=\"color-scheme\" content=\"light dark\">\n"
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
    "style-src 'unsafe-inline'";

void sq_html_text(struct sq_buf *out, const char *text)
{
    sq_escape_xml(out, text);
}

void sq_html_number_cell(struct sq_buf *out, double number)
{
    sq_buf_puts(out, "<td class=\"n\">");
    sq_report_human(out, number);
    sq_buf_puts(out, "</td>");
}

void sq_html_begin(const struct sq_html_frame *frame, struct sq_buf *out)
{
    sq_buf_puts(out, before_policy);
    sq_buf_puts(out, frame->scripts ? "; script-src 'unsafe-inline'\">\n<title>" : "\">\n<title>");
    sq_html_text(out, frame->title);
    sq_buf_puts(out, "</title>\n<style>\n");
    sq_buf_puts(out, (const char *)sq_asset_report_css);
    sq_buf_puts(out, "</style>\n</head>\n<body>\n<header class=\"top\"><div class=\"wrap\">"
                     "<span class=\"brand\">Squall</span><p>");
    if (frame->target) {
        sq_html_text(out, frame->target);
        sq_buf_puts(out, " · ");
    }
    sq_html_text(out, frame->what);
    sq_buf_puts(out, "</p></div></header>\n");
}

void sq_html_made_by(const char *version, const char *commit, struct sq_buf *out)
{
    sq_buf_puts(out, "<p>Made by Squall ");
    sq_html_text(out, version);
    if (commit) {
        sq_buf_puts(out, " (");
        sq_html_text(out, commit);
        sq_buf_puts(out, ")");
    }
    sq_buf_puts(out, ".</p></footer>\n");
}
