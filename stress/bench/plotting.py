# SPDX-License-Identifier: MIT
"""Bars of instructions per message, as an SVG. A group is (title, target or 0, [(name, value)])."""

import math
from xml.sax.saxutils import escape

WIDTH, LEFT, RIGHT = 760, 130, 70
BAR, GAP, HEAD, FOOT = 16, 5, 46, 14
LEAST = 50  # where the scale begins
COLORS = {"weir": "#1f6fb2", "epoll": "#5b5b5b", "uring": "#5b5b5b"}
OTHER = "#b8b8b8"


def bar_length(value, most):
    span = math.log(most / LEAST)
    return (WIDTH - LEFT - RIGHT) * max(math.log(max(value, 1) / LEAST), 0) / span


def text(x, y, words, **attributes):
    extra = "".join(f' {name.replace("_", "-")}="{value}"' for name, value in attributes.items())
    return f'<text x="{x:.1f}" y="{y:.1f}"{extra}>{escape(words)}</text>'


def draw_group(group, top, most):
    """The lines of one group, and where it ends."""
    title, target, values = group
    lines = [text(8, top + 20, title, font_weight="bold")]
    first = y = top + HEAD
    for name, value in values:
        length = bar_length(value, most)
        color = COLORS.get(name.partition(":")[0], OTHER)
        lines.append(text(LEFT - 8, y + 12, name, text_anchor="end"))
        lines.append(f'<rect x="{LEFT}" y="{y}" width="{length:.1f}" height="{BAR}" '
                     f'fill="{color}"/>')
        lines.append(text(LEFT + length + 5, y + 12, f"{value:,.0f}"))
        y += BAR + GAP
    if target:
        x = LEFT + bar_length(target, most)
        lines.append(f'<line x1="{x:.1f}" y1="{first - 4}" x2="{x:.1f}" y2="{y}" '
                     'stroke="#c0392b" stroke-dasharray="4 3"/>')
        lines.append(text(x, first - 8, f"target {target:,.0f}", text_anchor="middle",
                          fill="#c0392b"))
    return lines, y + FOOT


def draw(groups):
    most = max(value for _, _, values in groups for _, value in values)
    body, top = [], 0
    for group in groups:
        lines, top = draw_group(group, top, most)
        body += lines
    body.append(text(WIDTH - 8, 20, "logarithmic scale", text_anchor="end", fill="#777777"))
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top}" width="{WIDTH}" '
        f'height="{top}" font-family="sans-serif" font-size="12" fill="#222222">',
        f'<rect width="{WIDTH}" height="{top}" fill="#ffffff"/>', *body, "</svg>"]) + "\n"


def values_of(results):
    """(name, instructions) of the results of count, the cheapest first."""
    return sorted(((name, result["instructions"]) for name, result in results.items()
                   if "instructions" in result), key=lambda item: item[1])
