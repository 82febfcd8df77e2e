# SPDX-License-Identifier: MIT
"""Did other processes disturb a run? What /proc/stat says was used, less what our own used."""

import os
import resource
import time

OTHERS_MAX = 0.05  # of all cores: other processes, and the kernel on nobody's account
STEAL_MAX = 0.02   # of all cores: taken by the host

# Fields of the first line of /proc/stat.
USER, NICE, SYSTEM, IDLE, IOWAIT, IRQ, SOFTIRQ, STEAL = range(8)


def read_ticks():
    with open("/proc/stat", encoding="ascii") as file:
        return [int(word) for word in file.readline().split()[1:9]]


def used_by_us():
    """CPU seconds and involuntary context switches of this process and those it has waited for."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return (sum(usage.ru_utime + usage.ru_stime for usage in usages),
            sum(usage.ru_nivcsw for usage in usages))


class Watch:
    """Between its making and figures(). All of a run's processes must have been waited for."""

    def __init__(self):
        self.begin = time.monotonic()
        self.ticks = read_ticks()
        self.cpu_s, self.switches = used_by_us()

    def figures(self):
        tick_s = 1 / os.sysconf("SC_CLK_TCK")
        used = [(after - before) * tick_s for before, after in zip(self.ticks, read_ticks())]
        cpu_s, switches = used_by_us()
        capacity_s = max(time.monotonic() - self.begin, tick_s) * os.cpu_count()
        busy_s = sum(used[field] for field in (USER, NICE, SYSTEM, IRQ, SOFTIRQ))
        return assess(max(busy_s - (cpu_s - self.cpu_s), 0) / capacity_s,
                      used[STEAL] / capacity_s, switches - self.switches)


def assess(others, steal, switches):
    return {"others": round(others, 4), "steal": round(steal, 4),
            "involuntary_switches": switches,
            "disturbed": others > OTHERS_MAX or steal > STEAL_MAX}


def quietest(attempts):
    """The result of the attempts that was disturbed least, the first undisturbed one if any."""
    return min(attempts, key=lambda result: (result["noise"]["disturbed"],
                                             result["noise"]["others"] + result["noise"]["steal"]))


def undisturbed(attempt, repeats):
    """Calls attempt(), whose result is a dict, until a run was not disturbed, at most 1 + repeats
    times. Returns the result with what was seen in "noise"; still disturbed, it says so there."""
    results = []
    while len(results) <= repeats:
        watch = Watch()
        result = attempt()
        result["noise"] = watch.figures()
        results.append(result)
        if not result["noise"]["disturbed"]:
            break
    best = quietest(results)
    best["noise"]["attempts"] = len(results)
    return best
