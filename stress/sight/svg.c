/* SPDX-License-Identifier: MIT */
#include "svg.h"

#include <string.h>

// Colours that stay apart for those who see few, on light and on dark ground.
const char svg_style[] =
    ":root,svg.plot{--paper:#ffffff;--ink:#1c2733;--soft:#5a6775;--grid:#e3e7ec;--axis:#9aa5b1;"
    "--c0:#1765c1;--c1:#d1570c;--c2:#0f7f62;--c3:#8440b5;--c4:#9a7100;--c5:#b8265a;--c6:#4a5d70;"
    "--c7:#2191a8;--ours:#1765c1;--other:#a3b1bf;--limit:#5d6b78;--mark:#c0392b}"
    "@media(prefers-color-scheme:dark){:root,svg.plot{--paper:#12171d;--ink:#e7edf3;--soft:#a3b0bd;"
    "--grid:#28313b;--axis:#5b6875;--c0:#6cabff;--c1:#ff9f5f;--c2:#4ccfa9;--c3:#c79af5;--c4:#"
    "e3c04f;"
    "--c5:#ff86ac;--c6:#a9b9c9;--c7:#5fd0e6;--ours:#6cabff;--other:#5a6876;--limit:#8b99a6;"
    "--mark:#ff7a6b}}"
    "svg.plot{font:13px system-ui,-apple-system,\"Segoe UI\",Roboto,\"Liberation Sans\",Arial,"
    "sans-serif;font-variant-numeric:tabular-nums}"
    "svg.plot text{fill:var(--ink);stroke:var(--paper);stroke-width:3px;stroke-linejoin:round;"
    "paint-order:stroke}"
    "svg.plot .title{font-weight:600;font-size:15px}"
    "svg.plot .soft{fill:var(--soft)}"
    "svg.plot .strong{font-weight:600}"
    "svg.plot .marked{fill:var(--mark)}"
    "svg.plot .paper{fill:var(--paper)}"
    "svg.plot .grid{stroke:var(--grid)}"
    "svg.plot .axis{stroke:var(--axis)}"
    "svg.plot .whisker{stroke:var(--ink);stroke-width:1.5}"
    "svg.plot .target{stroke:var(--mark);stroke-dasharray:5 4;stroke-width:1.5}"
    "svg.plot .curve{fill:none;stroke-width:2;stroke-linejoin:round;stroke-linecap:round}"
    "svg.plot .s0{stroke:var(--c0)}svg.plot .s1{stroke:var(--c1)}svg.plot .s2{stroke:var(--c2)}"
    "svg.plot .s3{stroke:var(--c3)}svg.plot .s4{stroke:var(--c4)}svg.plot .s5{stroke:var(--c5)}"
    "svg.plot .s6{stroke:var(--c6)}svg.plot .s7{stroke:var(--c7)}"
    "svg.plot .c0{fill:var(--c0)}svg.plot .c1{fill:var(--c1)}svg.plot .c2{fill:var(--c2)}"
    "svg.plot .c3{fill:var(--c3)}svg.plot .c4{fill:var(--c4)}svg.plot .c5{fill:var(--c5)}"
    "svg.plot .c6{fill:var(--c6)}svg.plot .c7{fill:var(--c7)}"
    "svg.plot .ours{fill:var(--ours)}svg.plot .other{fill:var(--other)}"
    "svg.plot .limit{fill:var(--limit)}"
    "svg.plot .area{opacity:.14}";

void
svg_escape(FILE *to, const char *text)
{
    for (; *text != '\0'; text++) {
        switch (*text) {
        case '&':
            fputs("&amp;", to);
            break;
        case '<':
            fputs("&lt;", to);
            break;
        case '>':
            fputs("&gt;", to);
            break;
        case '"':
            fputs("&quot;", to);
            break;
        default:
            // Control characters have no place in XML, not even as references.
            fputc((unsigned char)*text < ' ' && *text != '\n' ? ' ' : *text, to);
            break;
        }
    }
}

void
svg_begin(FILE *to, double width, double height, const char *label, int is_alone)
{
    fprintf(to, "<svg class=\"plot\" viewBox=\"0 0 %.0f %.0f\" role=\"img\" aria-label=\"", width,
            height);
    svg_escape(to, label);
    fputs("\"", to);
    if (is_alone) {
        fprintf(to, " xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\"", width,
                height);
    }
    fputs(">\n", to);
    if (is_alone) {
        fprintf(to, "<style>%s</style>\n", svg_style);
        svg_box(to, 0, 0, width, height, "paper", NULL);
    }
}

void
svg_end(FILE *to)
{
    fputs("</svg>\n", to);
}

void
svg_text(FILE *to, double x, double y, enum svg_anchor anchor, const char *class, const char *text)
{
    static const char *const anchors[] = {[SVG_START] = "",
                                          [SVG_MIDDLE] = " text-anchor=\"middle\"",
                                          [SVG_END] = " text-anchor=\"end\""};

    fprintf(to, "<text x=\"%.1f\" y=\"%.1f\"%s", x, y, anchors[anchor]);
    if (class[0] != '\0') {
        fprintf(to, " class=\"%s\"", class);
    }
    fputs(">", to);
    svg_escape(to, text);
    fputs("</text>\n", to);
}

void
svg_line(FILE *to, double x1, double y1, double x2, double y2, const char *class)
{
    fprintf(to, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" class=\"%s\"/>\n", x1, y1,
            x2, y2, class);
}

void
svg_box(FILE *to, double x, double y, double width, double height, const char *class,
        const char *hint)
{
    fprintf(to, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" class=\"%s\"", x, y,
            width, height, class);
    if (hint == NULL) {
        fputs("/>\n", to);
        return;
    }
    fputs("><title>", to);
    svg_escape(to, hint);
    fputs("</title></rect>\n", to);
}

double
svg_text_width(const char *text, double font_size)
{
    double width = 0;

    for (; *text != '\0'; text++) {
        if (((unsigned char)*text & 0xc0) == 0x80) {
            continue; // within a character
        }
        if (strchr(" .,:;'|!ijlfIt()[]", *text) != NULL) {
            width += 0.4;
        } else if (strchr("mwMWGOQD%@", *text) != NULL) {
            width += 0.97;
        } else {
            width += 0.65;
        }
    }
    return width * font_size;
}
