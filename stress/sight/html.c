/* SPDX-License-Identifier: MIT */
#include "html.h"

#include "svg.h"

static const char page_style[] =
    ":root{color-scheme:light dark;--card:#f7f9fb;--edge:#e3e7ec;--good:#0f7f4f;--bad:#b3261e;"
    "--warn:#9a6400;--onstate:#ffffff}"
    "@media(prefers-color-scheme:dark){:root{--card:#181f27;--edge:#28313b;--good:#3fbf83;"
    "--bad:#ff7a6b;--warn:#e3b04f;--onstate:#0c1116}}"
    "*{box-sizing:border-box}"
    "body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,"
    "-apple-system,\"Segoe UI\",Roboto,\"Liberation Sans\",Arial,sans-serif}"
    "main{max-width:1360px;margin:0 auto;padding:32px 24px 64px}"
    "h1{font-size:28px;margin:0}"
    "h2{font-size:19px;margin:40px 0 4px}"
    ".part{line-height:1.25;display:flex;flex-wrap:wrap;gap:8px 14px;align-items:center}"
    "h2.part{font-size:24px;margin-top:56px;padding-top:32px;border-top:1px solid var(--axis)}"
    "p{margin:4px 0 0;color:var(--soft);max-width:100ch;overflow-wrap:anywhere}"
    ".badge{font-size:15px;font-weight:600;padding:3px 12px;border-radius:99px;"
    "color:var(--onstate)}"
    ".badge.good{background:var(--good)}.badge.bad{background:var(--bad)}"
    ".badge.warn{background:var(--warn)}.badge.plain{background:var(--soft)}"
    ".tiles{display:grid;grid-template-columns:repeat(auto-fill,minmax(136px,1fr));gap:12px;"
    "margin-top:20px}"
    ".tile{background:var(--card);border:1px solid var(--edge);border-radius:10px;"
    "padding:10px 12px 12px;display:flex;flex-direction:column;justify-content:space-between}"
    ".tile span{display:block;color:var(--soft);font-size:13px;overflow-wrap:anywhere}"
    ".tile b{font-size:20px;line-height:1.3;font-weight:600;white-space:nowrap;"
    "font-variant-numeric:tabular-nums}"
    ".tile.good b{color:var(--good)}.tile.bad b{color:var(--bad)}.tile.warn b{color:var(--warn)}"
    ".plots{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,540px),1fr));"
    "gap:16px;margin-top:14px}"
    "figure{margin:0;border:1px solid var(--edge);border-radius:10px;padding:12px 12px 8px;"
    "overflow-x:auto}"
    "figure svg{display:block;width:100%;min-width:400px;height:auto}"
    ".columns{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,540px),1fr));"
    "gap:0 32px;align-items:start}"
    ".scroll{overflow-x:auto;margin-top:12px}"
    "table{border-collapse:collapse;width:100%;font-size:14px;font-variant-numeric:tabular-nums}"
    "th{text-align:left;font-weight:600;color:var(--soft);border-bottom:1px solid var(--axis)}"
    "th,td{padding:5px 14px 5px 0;vertical-align:top}"
    "td{border-bottom:1px solid var(--edge);overflow-wrap:break-word}"
    "th.n,td.n{text-align:right;white-space:nowrap}"
    "tr>:last-child{padding-right:0}"
    "tr.good td:first-child{color:var(--good);font-weight:600;white-space:nowrap}"
    "tr.bad td:first-child{color:var(--bad);font-weight:600;white-space:nowrap}"
    "tr.warn td:first-child{color:var(--warn);font-weight:600;white-space:nowrap}"
    "@media print{main{padding:0}figure,tr{break-inside:avoid}}";

static const char *const classes[] = {
    [HTML_PLAIN] = "plain", [HTML_GOOD] = "good", [HTML_BAD] = "bad", [HTML_WARN] = "warn"};

void
html_begin(FILE *to, const char *title)
{
    fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
          "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n<title>",
          to);
    svg_escape(to, title);
    fprintf(to, "</title>\n<style>%s%s</style>\n</head>\n<body>\n<main>\n", svg_style, page_style);
}

void
html_end(FILE *to)
{
    fputs("</main>\n</body>\n</html>\n", to);
}

static void
put_head(FILE *to, unsigned level, const char *title, enum html_state state, const char *word)
{
    fprintf(to, "<h%u class=\"part\"><span>", level);
    svg_escape(to, title);
    fputs("</span>", to);
    if (word != NULL) {
        fprintf(to, " <span class=\"badge %s\">", classes[state]);
        svg_escape(to, word);
        fputs("</span>", to);
    }
    fprintf(to, "</h%u>\n", level);
}

static void
put_line(FILE *to, const char *line)
{
    if (line[0] != '\0') {
        fputs("<p>", to);
        svg_escape(to, line);
        fputs("</p>\n", to);
    }
}

void
html_head(FILE *to, const char *title, enum html_state state, const char *word, const char *line)
{
    put_head(to, 1, title, state, word);
    put_line(to, line);
}

void
html_part(FILE *to, const char *title, enum html_state state, const char *word, const char *line)
{
    put_head(to, 2, title, state, word);
    put_line(to, line);
}

void
html_section_begin(FILE *to, const char *title, const char *note)
{
    fputs("<section>\n<h2>", to);
    svg_escape(to, title);
    fputs("</h2>\n", to);
    put_line(to, note);
}

void
html_section_end(FILE *to)
{
    fputs("</section>\n", to);
}

void
html_tiles_begin(FILE *to)
{
    fputs("<div class=\"tiles\">\n", to);
}

void
html_tile(FILE *to, const char *label, const char *value, enum html_state state)
{
    fprintf(to, "<div class=\"tile %s\"><span>", classes[state]);
    svg_escape(to, label);
    fputs("</span><b>", to);
    svg_escape(to, value);
    fputs("</b></div>\n", to);
}

void
html_tiles_end(FILE *to)
{
    fputs("</div>\n", to);
}

void
html_plots_begin(FILE *to)
{
    fputs("<div class=\"plots\">\n", to);
}

void
html_plots_end(FILE *to)
{
    fputs("</div>\n", to);
}

void
html_figure_begin(FILE *to)
{
    fputs("<figure>\n", to);
}

void
html_figure_end(FILE *to)
{
    fputs("</figure>\n", to);
}

void
html_table_begin(FILE *to, const char *const *heads, size_t count)
{
    fputs("<div class=\"scroll\"><table>\n<thead><tr>", to);
    for (size_t i = 0; i < count; i++) {
        bool is_number = heads[i][0] == '>';

        fputs(is_number ? "<th class=\"n\">" : "<th>", to);
        svg_escape(to, heads[i] + is_number);
        fputs("</th>", to);
    }
    fputs("</tr></thead>\n<tbody>\n", to);
}

void
html_row_begin(FILE *to, enum html_state state)
{
    fprintf(to, "<tr class=\"%s\">", classes[state]);
}

void
html_cell(FILE *to, const char *text, bool is_number)
{
    fputs(is_number ? "<td class=\"n\">" : "<td>", to);
    svg_escape(to, text);
    fputs("</td>", to);
}

void
html_row_end(FILE *to)
{
    fputs("</tr>\n", to);
}

void
html_table_end(FILE *to)
{
    fputs("</tbody></table></div>\n", to);
}

void
html_columns_begin(FILE *to)
{
    fputs("<div class=\"columns\">\n", to);
}

void
html_columns_end(FILE *to)
{
    fputs("</div>\n", to);
}
