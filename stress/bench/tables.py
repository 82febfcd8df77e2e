# SPDX-License-Identifier: MIT
"""The tables of docs/benchmarks.md, made from the JSON of "targets" and put between its markers.

    <!-- figures: ID -->
    whatever was there is replaced
    <!-- end -->
"""

import re

import cases
import programs
import verdicts

MARKED = re.compile(r"(<!-- figures: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def name_cell(name):
    shown = f"`{name.removesuffix(' (again)')}`"
    if name.endswith(" (again)"):
        return f"{shown} again, the A/A ratio"
    return f"**{shown}**" if name.startswith("weir") else shown


def figure_cell(name, text):
    return f"**{text}**" if name.startswith("weir") else text


def count_table(figures):
    with_calls = any("calls" in result for result in figures["results"].values())
    lines = ["| | user instructions |" + (" system calls | which |" if with_calls else ""),
             "|---|---|" + ("---|---|" if with_calls else "")]
    for name, result in figures["results"].items():
        found = result.get("instructions")
        shown = f"{found:,.0f}" if found is not None else "–"
        cells = [name_cell(name), figure_cell(name, shown)]
        if with_calls:
            total = result["calls"]
            runs = result["calls_of_runs"]
            range_of_runs = f" ({min(runs):.3f}–{max(runs):.3f})" if len(runs) > 1 else ""
            cells.append(figure_cell(name, f"{total:.3f}") + range_of_runs)
            cells.append(programs.calls_text(result["calls_by_name"], total))
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def metric_cell(metric, name, entry):
    """The median of the values with their extremes, and below the same of the ratios."""
    if entry is None:
        return "–"
    def shown(figure):
        return metric.form.format(figure * metric.scale)
    found = entry["value"]
    text = figure_cell(name, shown(found["median"]))
    text += f" ({shown(found['min'])}–{shown(found['max'])})"
    if entry["ratio"]:
        text += "<br>× {median:.2f} ({min:.2f}–{max:.2f})".format(**entry["ratio"])
    return text


def run_table(figures):
    summaries = figures["summaries"]
    metrics = [metric for metric in cases.CASES[figures["case"]].metrics
               if any(summaries.get(metric.key, {}).values())]
    lines = ["| | " + " | ".join(metric.heading for metric in metrics) + " |",
             "|---|" + "---|" * len(metrics)]
    for name in figures["results"]:
        cells = [metric_cell(metric, name, summaries[metric.key][name]) for metric in metrics]
        lines.append(f"| {name_cell(name)} | " + " | ".join(cells) + " |")
    if cases.CASES[figures["case"]].is_timed:
        noise = figures["noise"]
        lines += ["", f"{figures['rounds']} rounds of {figures['seconds']:g} s; "
                  f"{noise['repeated']} runs taken again, {noise['disturbed']} of {noise['runs']} "
                  "disturbed all the same."]
    return lines


def targets_table(document):
    marks = {"met": "met", "met?": "met, disturbed", "missed": "**missed**",
             "missed?": "**missed**, disturbed", "-": "–"}
    lines = ["| | target | measured | |", "|---|---|---|---|"]
    for row in document["targets"]:
        lines.append(f"| {row['what']} | {row['target']} | {row['measured']} | "
                     f"{marks[row['verdict']]} |")
    return [*lines, "", verdicts.totals(document["targets"])]


def machine_lines(document):
    figures = document["figures"].values()
    noise = [one["noise"] for one in figures if "noise" in one]
    measured = sorted({f"{one['commit']} ({one['mode']})" for one in figures})
    return [programs.machine_line(document["machine"]) + ".",
            "Measured at " + ", ".join(measured) + ".",
            f"{sum(one['disturbed'] for one in noise)} of {sum(one['runs'] for one in noise)} "
            "timed runs were disturbed by other processes and kept."]


def render(name, document):
    """The lines between the markers of this name."""
    if name == "machine":
        return machine_lines(document)
    if name == "targets":
        return targets_table(document)
    figures = document["figures"].get(name)
    if figures is None:
        return ["Not measured."]
    command = [f"    stress/bench/{figures['command']}", ""]
    if "summaries" in figures:
        return command + run_table(figures)
    return command + count_table(figures)


def fill(text, document):
    """The page with all its marked parts made anew."""
    return MARKED.sub(
        lambda match: match[1] + "\n" + "\n".join(render(match[2], document)).rstrip() + "\n\n"
        + match[3], text)


def names(text):
    return [match[2] for match in MARKED.finditer(text)]
