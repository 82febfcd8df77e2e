# SPDX-License-Identifier: MIT
"""The core's targets: what each asks, from which figures, and whether they meet it."""

import collections
import statistics

# figures: those of all scenarios, by id. measure(figures) gives a Measured, or raises KeyError
# where a figure it needs is not there.
Target = collections.namedtuple("Target", "what limit measure")
# is_doubtful: most rounds behind it were disturbed.
Measured = collections.namedtuple("Measured", "text is_met is_doubtful", defaults=(False,))

HAND_WRITTEN = "epoll:stack"


class Spread(collections.namedtuple("Spread", "median least most")):
    def text(self, form="{:,.2f}"):
        return f"{form.format(self.median)} ({form.format(self.least)}–{form.format(self.most)})"


def spread(values):
    return Spread(statistics.median(values), min(values), max(values))


def values(figures, name, contestant, key):
    """One value for each round."""
    return [result[key] for result in figures[name]["results"][contestant]]


def value(figures, name, contestant, key):
    return spread(values(figures, name, contestant, key))


def ratio(figures, name, over, under, key):
    """Of two contestants, taken inside each round."""
    pairs = zip(values(figures, name, over, key), values(figures, name, under, key))
    return spread([a / b for a, b in pairs])


def noise(figures, name, key):
    """The reference's ratio to itself."""
    reference = figures[name]["reference"]
    return ratio(figures, name, f"{reference} (again)", reference, key)


def instructions(name, contestant, limit, beside=()):
    def measure(figures):
        results = figures[name]["results"]
        found = results[contestant]["instructions"]
        others = [f"{one} {results[one]['instructions']:,.0f}" for one in beside if one in results]
        return Measured(f"{found:,.0f}" + (f"; {', '.join(others)}" if others else ""),
                        found <= limit)
    return measure


def calls(name, contestant, limit, beside=()):
    def measure(figures):
        results = figures[name]["results"]

        def text(one):
            found = spread(results[one]["calls_of_runs"])
            return found.text("{:.3f}") if found.least != found.most else f"{found.median:.3f}"

        others = [f"{one} {text(one)}" for one in beside if one in results]
        return Measured(text(contestant) + (f"; {', '.join(others)}" if others else ""),
                        results[contestant]["calls"] <= limit)
    return measure


def timed(figures, name, contestants, text, is_met):
    """A Measured that says how many of the rounds behind it had a run that others disturbed."""
    results = figures[name]["results"]
    rounds = list(zip(*([run["noise"]["disturbed"] for run in results[one]]
                        for one in contestants)))
    count = sum(any(runs) for runs in rounds)
    return Measured(text + (f"; {count} of {len(rounds)} rounds disturbed" if count else ""),
                    is_met, 2 * count > len(rounds))


def judged_ratio(is_met):
    """Makes a target's function: is_met(the spread of ratios, the A/A ratio's, the limit)."""
    def make(name, over, under, key, limit=None):
        def measure(figures):
            found, again = ratio(figures, name, over, under, key), noise(figures, name, key)
            return timed(figures, name, (over, under), f"{found.text()}, A/A {again.text()}",
                         is_met(found, again, limit))
        return measure
    return make


def judged_value(is_met):
    """The same of one contestant's own value: is_met(its spread, the limit)."""
    def make(name, contestant, key, limit, form):
        def measure(figures):
            found = value(figures, name, contestant, key)
            return timed(figures, name, [contestant], found.text(form), is_met(found, limit))
        return measure
    return make


ratio_at_least = judged_ratio(lambda found, again, limit: found.median >= limit)
ratio_above = judged_ratio(lambda found, again, limit: found.median > limit)
ratio_at_most = judged_ratio(lambda found, again, limit: found.median <= limit)
# Not worse than the reference is beside itself; better is met too.
within_noise = judged_ratio(lambda found, again, limit: found.median >= again.least)
value_at_least = judged_value(lambda found, limit: found.median >= limit)
value_at_most = judged_value(lambda found, limit: found.median <= limit)


def bytes_at_most(name, contestant, key, limit):
    def measure(figures):
        found = value(figures, name, contestant, key)
        return Measured(found.text("{:,.0f}"), found.most <= limit)
    return measure


def more_instructions_at_most(name, limit):
    """What the usual build takes over the one without probes."""
    def measure(figures):
        results = figures[name]["results"]
        usual, plain = (results[one]["instructions"] for one in ("weir", "weir@plain"))
        return Measured(f"{usual:,.0f} over {plain:,.0f}: {usual / plain - 1:+.1%}",
                        usual / plain <= 1 + limit)
    return measure


def echo_targets():
    # The styles of the README and of weir-echo are more than what the target is about.
    beside = ["epoll", "uring", "uv", "weir:own", "weir:server"]
    for connections, limit in ((1, 300), (64, 260)):
        name = f"count-echo-{connections}"
        plural = "s" if connections > 1 else ""
        yield Target(f"echo, {connections} connection{plural}: user instructions per message",
                     f"≤ {limit}", instructions(name, "weir", limit, beside))
    # A receive and a send; 0.05 is for the wait, of which each message of a batch has a share.
    yield Target("echo, 64 connections: system calls per message, the shared wait apart", "≤ 2",
                 calls("count-echo-64", "weir", 2.05, ["epoll"]))
    yield Target("echo, 64 connections × 64 bytes: messages/s over hand-written", "in A/A",
                 within_noise("echo", "weir", "epoll", "rate"))


def foreign_targets():
    for producers in (2, 4):
        name = f"count-xthread-{producers}"
        text = f"foreign writes, {producers} producers"
        yield Target(f"{text}: user instructions per write", "≤ 300",
                     instructions(name, "weir", 300, [HAND_WRITTEN]))
        yield Target(f"{text}: the same with `WEIR_COPY`", "≤ 340",
                     instructions(name, "weir:copy", 340))
        yield Target(f"{text}: system calls per write, under strace", "≤ 0.06",
                     calls(f"calls-xthread-{producers}", "weir", 0.06, [HAND_WRITTEN]))
    for producers in (2, 4):
        name = f"xthread-{producers}"
        text = f"foreign writes, {producers} producers"
        yield Target(f"{text}: CPU seconds per write over hand-written", "≤ 1.20",
                     ratio_at_most(name, "weir", HAND_WRITTEN, "cpu_s_per_million", 1.2))
        for peer, limit in (("uv:gather", 1), ("asio:gather", 1.5), ("uv:usual", 8), ("nng", 6),
                            ("event", 6)):
            yield Target(f"{text}: writes/s over `{peer}`", f"> {limit}",
                         ratio_above(name, "weir", peer, "rate", limit))
    for producers in (4, 16, 64):
        yield Target(f"foreign writes: writes/s of {producers} producers over those of 2", "> 1",
                     ratio_above("producers", f"weir/producers={producers}",
                                 "weir/producers=2", "rate", 1))


def batch_targets():
    yield Target("messages per send call, 2 × 256 in flight, 16 connections", "≥ 16",
                 value_at_least("xthread-2", "weir", "writes_per_send", 16, "{:,.1f}"))
    yield Target("messages per send call, 4 × 4,096 in flight, 16 connections", "≥ 128",
                 value_at_least("batches", "weir", "writes_per_send", 128, "{:,.1f}"))
    yield Target("wakes per sleep, 2 producers", "≤ 1",
                 value_at_most("xthread-2", "weir", "wakes_per_sleep", 1, "{:.3f}"))
    yield Target("wakes per sleep, 4 producers", "≤ 1",
                 value_at_most("xthread-4", "weir", "wakes_per_sleep", 1, "{:.3f}"))


def single_targets():
    for name, where in (("lat-core", "all on one core"), ("lat", "free")):
        for key, which in (("p50_us", "p50"), ("mean_us", "mean")):
            yield Target(f"one write at a time, `WEIR_INLINE_OK`, {where}: {which} over `send()`",
                         "≤ 1.3",
                         ratio_at_most(name, "weir:inline", "epoll:mutex-send", key, 1.3))
    yield Target("private bytes per idle connection, 10,000 of them", "≤ 256",
                 bytes_at_most("idle", "weir", "private_bytes", 256))


def bulk_targets():
    for connections in (8, 1):
        for size, text in (("64k", "64 KiB"), ("1m", "1 MiB")):
            yield Target(f"bulk, {connections} × {text}: bytes per CPU second over hand-written",
                         "≥ 1", ratio_at_least(f"bulk-{connections}x{size}", "weir", HAND_WRITTEN,
                                               "bytes_per_cpu_s", 1))


def probe_targets():
    for case, text in (("echo", "echo, 64 connections"), ("xthread", "foreign writes")):
        yield Target(f"probes and sampled latencies, {text}: instructions over a build without",
                     "≤ +2 %", more_instructions_at_most(f"count-{case}-plain", 0.02))
        yield Target(f"probes and sampled latencies, {text}: rate over a build without", "≥ 0.98",
                     ratio_at_least(f"{case}-plain", "weir", "weir@plain", "rate", 0.98))


TARGETS = [*echo_targets(), *foreign_targets(), *batch_targets(), *single_targets(),
           *bulk_targets(), *probe_targets()]


def judge(figures):
    """A row for every target: what it asks, what was measured, and "met" or "missed", with a "?"
    where most rounds were disturbed, or "-"."""
    rows = []
    for target in TARGETS:
        try:
            measured = target.measure(figures)
            verdict = ("met" if measured.is_met else "missed") + "?" * measured.is_doubtful
            row = {"measured": measured.text, "verdict": verdict}
        except KeyError as absent:
            row = {"measured": f"not measured: no {absent}", "verdict": "-"}
        rows.append({"what": target.what, "target": target.limit, **row})
    return rows


def totals(rows):
    """One line about all of them."""
    found = collections.Counter(row["verdict"] for row in rows)
    doubtful = found["met?"] + found["missed?"]
    return (f"{found['met'] + found['met?']} met, {found['missed'] + found['missed?']} missed"
            + (f" ({doubtful} of these verdicts from rounds most of which were disturbed)"
               if doubtful else "") + f", {found['-']} not measured.")
