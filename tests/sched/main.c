// SPDX-License-Identifier: MIT
// weir-sched: runs scenarios under all schedules of a bound, under random ones, or under one.

#include "tests/sched/explore.h"
#include "tests/sched/mutate.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#undef memcpy
#undef memset

static const char usage[] =
    "usage: weir-sched [OPTIONS] SCENARIO...      none: all\n"
    "       weir-sched --list\n"
    "       weir-sched --mutations LIST [--thorough]\n"
    "\n"
    "  --pre-emptions N   all schedules with so many; as the scenario says without\n"
    "  --quick            fewer, where the scenario says so\n"
    "  --random N         then so many random ones (2000; quick: 500)\n"
    "  --seconds N        then random ones for so long\n"
    "  --seed N           of the first random one (1)\n"
    "  --schedule TEXT    this one only, as a failure prints it\n"
    "  --without MUTATION one place asks for less order, as --mutations prints it\n"
    "  --mutations LIST   weaken each place in turn; those that no schedule catches are in LIST\n"
    "  --only TEXT        of these, places whose name has it\n"
    "  --thorough         try those of LIST too\n";

struct options {
    int pre_emptions;
    unsigned long random, seconds, seed;
    const char *schedule, *without, *mutations, *only;
    int is_list, is_quick, is_thorough, has_random;
};

static const struct sched_scenario *
find(const char *name)
{
    for (unsigned i = 0; sched_scenarios[i] != NULL; i++) {
        if (strcmp(sched_scenarios[i]->name, name) == 0) {
            return sched_scenarios[i];
        }
    }
    fprintf(stderr, "weir-sched: there is no scenario '%s'; see --list\n", name);
    exit(2);
}

static void
list(void)
{
    for (unsigned i = 0; sched_scenarios[i] != NULL; i++) {
        printf("%-17s %s\n", sched_scenarios[i]->name, sched_scenarios[i]->promise);
    }
}

static double
seconds_since(const struct timespec *begin)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - begin->tv_sec) + (double)(now.tv_nsec - begin->tv_nsec) / 1e9;
}

// In turns of 100 schedules, so that the clock costs nothing.
static void
run_random(const struct sched_scenario *scenario, const struct options *options,
           struct sched_verdict *verdict)
{
    struct timespec begin;
    unsigned long seed = options->seed;

    clock_gettime(CLOCK_MONOTONIC, &begin);
    while (!verdict->has_failed && (seed - options->seed < options->random ||
                                    seconds_since(&begin) < (double)options->seconds)) {
        for (unsigned i = 0; i < 100 && !verdict->has_failed; i++) {
            sched_random(scenario, seed++, verdict);
        }
    }
}

static bool
run(const struct sched_scenario *scenario, const struct options *options)
{
    struct sched_verdict verdict = {0};
    unsigned pre_emptions = scenario->pre_emptions != 0 ? scenario->pre_emptions : 2;
    unsigned long enumerated;

    if (options->is_quick && scenario->quick != 0) {
        pre_emptions = scenario->quick;
    }
    if (options->pre_emptions >= 0) {
        pre_emptions = (unsigned)options->pre_emptions;
    }
    if (options->schedule != NULL) {
        sched_replay(scenario, options->schedule, &verdict);
        enumerated = 0;
    } else {
        sched_enumerate(scenario, pre_emptions, -1ul, &verdict);
        enumerated = verdict.enumerated;
        run_random(scenario, options, &verdict);
    }
    printf("%s %-17s %lu schedules with up to %u pre-emptions, %lu others\n",
           verdict.has_failed ? "FAILED" : "ok    ", scenario->name, enumerated, pre_emptions,
           verdict.runs - enumerated);
    if (verdict.has_failed) {
        printf("  %s\n  again: weir-sched %s --schedule '%s'%s%s%s\n", verdict.failure,
               scenario->name, verdict.schedule, options->without != NULL ? " --without '" : "",
               options->without != NULL ? options->without : "",
               options->without != NULL ? "'" : "");
    }
    fflush(stdout);
    return !verdict.has_failed;
}

static void
parse(int argc, char **argv, struct options *options)
{
    static const struct option names[] = {
        {"pre-emptions", required_argument, NULL, 'p'},
        {"quick", no_argument, NULL, 'q'},
        {"random", required_argument, NULL, 'r'},
        {"seconds", required_argument, NULL, 't'},
        {"seed", required_argument, NULL, 's'},
        {"schedule", required_argument, NULL, 'c'},
        {"without", required_argument, NULL, 'w'},
        {"mutations", required_argument, NULL, 'm'},
        {"list", no_argument, NULL, 'l'},
        {"only", required_argument, NULL, 'o'},
        {"thorough", no_argument, NULL, 'T'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    int name;

    while ((name = getopt_long(argc, argv, "", names, NULL)) != -1) {
        switch (name) {
        case 'p':
            options->pre_emptions = atoi(optarg);
            break;
        case 'q':
            options->is_quick = 1;
            break;
        case 'r':
            options->random = strtoul(optarg, NULL, 0);
            options->has_random = 1;
            break;
        case 't':
            options->seconds = strtoul(optarg, NULL, 0);
            break;
        case 's':
            options->seed = strtoul(optarg, NULL, 0);
            break;
        case 'c':
            options->schedule = optarg;
            break;
        case 'w':
            options->without = optarg;
            break;
        case 'm':
            options->mutations = optarg;
            break;
        case 'o':
            options->only = optarg;
            break;
        case 'l':
            options->is_list = 1;
            break;
        case 'T':
            options->is_thorough = 1;
            break;
        case 'h':
            fputs(usage, stdout);
            exit(0);
        default:
            fputs(usage, stderr);
            exit(2);
        }
    }
}

int
main(int argc, char **argv)
{
    struct options options = {.pre_emptions = -1, .seed = 1};
    bool is_good = true;
    int first;

    parse(argc, argv, &options);
    if (!options.has_random) {
        options.random = options.is_quick ? 500 : 2000;
    }
    first = optind;
    if (options.is_list) {
        list();
        return 0;
    }
    sched_explore_start();
    if (options.mutations != NULL) {
        return sched_mutations(options.mutations, options.only, options.is_thorough) != 0;
    }
    if (options.without != NULL && !sched_weaken(options.without)) {
        fprintf(stderr, "weir-sched: there is no place '%s'\n", options.without);
        return 2;
    }
    for (int i = first; i < argc; i++) {
        is_good = run(find(argv[i]), &options) && is_good;
    }
    for (unsigned i = 0; first == argc && sched_scenarios[i] != NULL; i++) {
        is_good = run(sched_scenarios[i], &options) && is_good;
    }
    return is_good ? 0 : 1;
}
