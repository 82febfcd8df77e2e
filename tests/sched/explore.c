// SPDX-License-Identifier: MIT
#include "tests/sched/explore.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#undef memcpy
#undef memset

#define CHOICES_MAX 32768u
#define LOOKS       200u // random runs ahead of an enumeration

struct choice {
    unsigned chosen;
    unsigned allowed; // ways that the bound left
};

// Not among the data that each run restores.
static struct explorer {
    enum { ENUMERATE, RANDOM, REPLAY } how;
    struct choice choices[CHOICES_MAX];
    unsigned given; // choices of this run that are laid down
    unsigned made;
    unsigned pre_emptions_left;
    uint64_t random;
    unsigned one_in; // random: the share of places where something happens
    const struct sched_scenario *looked_at;
    const char *script;
} * explorer;

static uint64_t
random_below(uint64_t below)
{
    uint64_t mixed = explorer->random += UINT64_C(0x9e3779b97f4a7c15);

    mixed = (mixed ^ mixed >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ mixed >> 27) * UINT64_C(0x94d049bb133111eb);
    return (mixed ^ mixed >> 31) % below;
}

// The way that the script names for this place; 0 if it names none.
static unsigned
scripted(void)
{
    char *end;
    unsigned long place = strtoul(explorer->script, &end, 10);
    unsigned way;

    if (end == explorer->script || *end != ':' || place != explorer->made) {
        return 0;
    }
    way = (unsigned)strtoul(end + 1, &end, 10);
    explorer->script = *end == ',' ? end + 1 : end;
    return way;
}

static unsigned
decide(unsigned free_count, unsigned count, bool is_quiet)
{
    struct choice *choice = &explorer->choices[explorer->made];

    if (explorer->made == CHOICES_MAX) {
        sched_fail("more than %u choices", CHOICES_MAX);
    }
    if (explorer->how == RANDOM) {
        bool is_calm = free_count == 1 && random_below(explorer->one_in) != 0;

        choice->chosen = is_calm ? 0 : (unsigned)random_below(count);
    } else if (explorer->how == REPLAY) {
        choice->chosen = scripted();
    } else {
        choice->allowed = explorer->pre_emptions_left != 0 && !is_quiet ? count : free_count;
        if (explorer->made >= explorer->given) {
            choice->chosen = 0;
        }
        explorer->pre_emptions_left -= choice->chosen >= free_count;
    }
    explorer->made++;
    if (choice->chosen >= count) {
        sched_fail("the schedule does not fit the scenario");
    }
    return choice->chosen;
}

void
sched_explore_start(void)
{
    explorer =
        mmap(NULL, sizeof(*explorer), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (explorer == MAP_FAILED) {
        perror("weir-sched: mmap");
        exit(2);
    }
    sched_machine_start(decide);
}

static bool
run_once(const struct sched_scenario *scenario, struct sched_verdict *verdict)
{
    const char *failure;
    size_t length = 0;

    explorer->made = 0;
    sched_memory_begin(scenario);
    failure = sched_machine_run(scenario);
    verdict->runs++;
    if (failure == NULL) {
        return true;
    }
    verdict->has_failed = true;
    snprintf(verdict->failure, sizeof(verdict->failure), "%s", failure);
    verdict->schedule[0] = '\0';
    for (unsigned i = 0; i < explorer->made && length + 24 < sizeof(verdict->schedule); i++) {
        if (explorer->choices[i].chosen != 0) {
            length +=
                (size_t)snprintf(verdict->schedule + length, sizeof(verdict->schedule) - length,
                                 "%s%u:%u", length == 0 ? "" : ",", i, explorer->choices[i].chosen);
        }
    }
    return false;
}

// Lay down the choices of the next run: the last one that has another way takes it.
static bool
advance(void)
{
    for (explorer->given = explorer->made; explorer->given != 0; explorer->given--) {
        struct choice *last = &explorer->choices[explorer->given - 1];

        if (last->chosen + 1 < last->allowed) {
            last->chosen++;
            return true;
        }
    }
    return false;
}

// Random runs say at which places something is shared, before the enumeration rests on it.
static void
look(const struct sched_scenario *scenario, struct sched_verdict *verdict)
{
    if (explorer->looked_at == scenario) {
        return;
    }
    explorer->looked_at = scenario;
    for (unsigned seed = 0; seed < LOOKS && !verdict->has_failed; seed++) {
        sched_random(scenario, seed, verdict);
    }
}

void
sched_enumerate(const struct sched_scenario *scenario, unsigned pre_emptions,
                unsigned long runs_max, struct sched_verdict *ret_verdict)
{
    unsigned long before;

    look(scenario, ret_verdict);
    (void)sched_memory_has_learned();
    before = ret_verdict->runs;
    explorer->how = ENUMERATE;
    explorer->given = 0;
    while (!ret_verdict->has_failed && ret_verdict->runs - before < runs_max) {
        explorer->pre_emptions_left = pre_emptions;
        if (!run_once(scenario, ret_verdict)) {
            return;
        }
        if (sched_memory_has_learned()) { // something may happen at a place that was passed over
            ret_verdict->enumerated = 0;
            explorer->given = 0;
            continue;
        }
        ret_verdict->enumerated++;
        if (!advance()) {
            ret_verdict->is_complete = true;
            return;
        }
    }
}

void
sched_random(const struct sched_scenario *scenario, uint64_t seed,
             struct sched_verdict *ret_verdict)
{
    explorer->how = RANDOM;
    explorer->random = seed * UINT64_C(0x2545f4914f6cdd1d) + 1;
    explorer->one_in = 2u << random_below(6);
    run_once(scenario, ret_verdict);
}

void
sched_replay(const struct sched_scenario *scenario, const char *schedule,
             struct sched_verdict *ret_verdict)
{
    look(scenario, ret_verdict);
    explorer->how = REPLAY;
    explorer->script = schedule;
    if (run_once(scenario, ret_verdict) && *explorer->script != '\0') {
        ret_verdict->has_failed = true;
        snprintf(ret_verdict->failure, sizeof(ret_verdict->failure),
                 "the schedule does not fit the scenario, from %.64s", explorer->script);
    }
}
