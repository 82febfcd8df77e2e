# SPDX-License-Identifier: MIT
"""What "targets" measures, and docs/benchmarks.md shows: each a command line of run or count.

The id of a scenario is the name of its marker in the page and of its figures in the JSON.
"""

import collections

Scenario = collections.namedtuple("Scenario", "id tool words load")

FEW = "epoll:stack,uring,uv:gather,asio:gather,weir,weir:copy"
PRODUCERS = ",".join(f"{name}/producers={count}" for name in ("epoll:stack", "weir")
                     for count in (2, 4, 16, 64))


def count(name, words, load=""):
    return Scenario(name, "count", words.split(), load.split())


def run(name, words, load=""):
    return Scenario(name, "run", words.split(), load.split())


SCENARIOS = [
    count("count-echo-1", "echo", "--connections 1"),
    count("count-echo-64", "echo", "--connections 64"),
    count("count-pipeline", "pipeline"),
    count("count-xthread-2", "xthread"),
    count("count-xthread-4", "xthread --what instructions --impls epoll:stack,weir,weir:copy",
          "--producers 4"),
    count("calls-xthread-2", "xthread --what calls --repeats 5 "
          "--impls epoll:stack,uring,weir,weir:copy"),
    count("calls-xthread-4", "xthread --what calls --repeats 5 "
          "--impls epoll:stack,uring,weir,weir:copy", "--producers 4"),
    run("echo", "echo"),
    run("pipeline", "pipeline"),
    run("openloop", "openloop"),
    run("hog", "hog"),
    run("churn", "churn"),
    run("xthread-2", "xthread"),
    run("xthread-4", "xthread", "--producers 4"),
    run("batches", "xthread --impls epoll:stack,weir,weir:copy", "--producers 4 --window 4096"),
    run("producers", f"xthread --impls {PRODUCERS}"),
    run("fanout", "fanout"),
    run("lat-core", "lat --reference epoll:mutex-send", "--pin-one-core"),
    run("lat", "lat --reference epoll:mutex-send"),
    run("bulk-8x64k", "bulk"),
    run("bulk-1x64k", "bulk", "--connections 1"),
    run("bulk-8x1m", "bulk", "--size 1048576"),
    run("bulk-1x1m", "bulk", "--connections 1 --size 1048576"),
    run("bulk-8x8m", "bulk", "--size 8388608"),
    run("bulkecho-64k", "bulkecho"),
    run("bulkecho-1m", "bulkecho", "--size 1048576"),
    run("bulkecho-8m", "bulkecho", "--size 8388608"),
    run("idle", "idle --rounds 2"),
    run("unread", "unread --rounds 3"),
]

# Only with a second build, of the same sources without probes, that is called "plain".
PLAIN = [
    count("count-echo-plain", "echo --what instructions --impls weir,weir@plain",
          "--connections 64"),
    count("count-xthread-plain", "xthread --what instructions --impls weir,weir@plain"),
    run("echo-plain", "echo --impls weir,weir@plain"),
    run("xthread-plain", "xthread --impls weir,weir@plain"),
]

# mode -> what is added to every command line
FULL = {"run": ["--rounds", "15", "--seconds", "0.5"], "count": []}
QUICK = {"run": ["--rounds", "3", "--seconds", "0.2", "--repeats", "1"], "count": []}
COUNTED_QUICKLY = ["count-echo-1", "count-echo-64", "count-xthread-2", "count-xthread-4",
                   "count-echo-plain", "count-xthread-plain"]


def command(scenario, mode):
    """Its words after the tool's name. What the scenario says itself goes before the mode."""
    extra = []
    for i in range(0, len(mode[scenario.tool]), 2):
        option, value = mode[scenario.tool][i:i + 2]
        if option not in scenario.words:
            extra += [option, value]
    return [*scenario.words, *extra, *(["--", *scenario.load] if scenario.load else [])]


def quick_words(scenario):
    """In quick mode counting, which is slow, leaves out the peers and counts calls less often."""
    words = list(scenario.words)
    if scenario.tool == "count":
        if "--impls" not in words:
            words += ["--impls", "epoll:stack,weir,weir:copy" if "xthread" in words
                      else "epoll,weir"]
        if "--repeats" in words:
            words[words.index("--repeats") + 1] = "1"
    return scenario._replace(words=words)
