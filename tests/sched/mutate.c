// SPDX-License-Identifier: MIT
#include "tests/sched/mutate.h"

#include "tests/sched/explore.h"

#include <stdio.h>
#include <stdlib.h>

#undef memcpy
#undef memset

#define PLACES_MAX    512u
#define SCENARIOS_MAX 96u
#define NAME_SIZE     160u
#define LIST_MAX      512u
#define RUNS_MAX      2000ul // of one scenario, of one mutation
#define RANDOM_RUNS   1000u
#define EFFORTS       3u
#define FIRST_RUNS    200u // random ones of every scenario, before any is enumerated

struct place {
    char base[NAME_SIZE - 8];
    char name[NAME_SIZE]; // and which of them
    const char *file;
    unsigned line;
    unsigned bits;
    bool is_hit_by[SCENARIOS_MAX];
};

// Not among the data that each run restores.
struct mutations {
    struct place places[PLACES_MAX];
    unsigned count;
    char listed[LIST_MAX][NAME_SIZE];
    unsigned listed_count;
};

static const struct {
    unsigned bits;
    const char *name;
} parts[] = {
    {SCHED_FULL | SCHED_ACQUIRE | SCHED_RELEASE, "fence"},
    {SCHED_ACQUIRE, "acquire"},
    {SCHED_RELEASE, "release"},
};

// The file and the folder it is in.
static const char *
short_path(const char *path)
{
    const char *slash = strrchr(path, '/');

    while (slash != NULL && slash > path && slash[-1] != '/') {
        slash--;
    }
    return slash == NULL ? path : slash;
}

static bool
is_of(const struct place *place, const struct sched_site *site)
{
    return place->line == site->line && strcmp(place->file, site->file) == 0;
}

static void
add_place(struct mutations *all, const struct sched_site *site, unsigned bits, const char *what)
{
    struct place *place = &all->places[all->count];

    for (unsigned i = 0; i < all->count; i++) {
        if (is_of(&all->places[i], site) && all->places[i].bits == bits) {
            return; // the same header in another source
        }
    }
    if (all->count++ == PLACES_MAX) {
        fprintf(stderr, "weir-sched: more than %u places\n", PLACES_MAX);
        exit(2);
    }
    *place = (struct place){.file = site->file, .line = site->line, .bits = bits};
    snprintf(place->base, sizeof(place->base), "%s %s:%s", what, short_path(site->file),
             site->function);
}

// Places of one kind in one function are numbered by their lines, whatever the compiler's order.
static void
name_places(struct mutations *all)
{
    for (unsigned i = 0; i < all->count; i++) {
        struct place *place = &all->places[i];
        unsigned number = 1;

        for (unsigned j = 0; j < all->count; j++) {
            number +=
                all->places[j].line < place->line && strcmp(all->places[j].base, place->base) == 0;
        }
        snprintf(place->name, sizeof(place->name), number == 1 ? "%s" : "%s#%u", place->base,
                 number);
    }
}

// The library's places, in the order of the sources.
static struct mutations *
find_places(void)
{
    struct mutations *all = calloc(1, sizeof(*all));

    if (all == NULL) {
        perror("weir-sched");
        exit(2);
    }
    for (struct sched_site *site = __start_sched_sites; site != __stop_sched_sites; site++) {
        if (strstr(site->file, "tests/") != NULL) {
            continue;
        }
        if (site->order & SCHED_FULL) {
            add_place(all, site, parts[0].bits, parts[0].name);
            continue;
        }
        for (unsigned i = 1; i < 3; i++) {
            if (site->order & parts[i].bits) {
                add_place(all, site, parts[i].bits, parts[i].name);
            }
        }
    }
    name_places(all);
    return all;
}

static void
set_weakened(const struct place *place, bool is_weak)
{
    sched_machine_restore();
    for (struct sched_site *site = __start_sched_sites; site != __stop_sched_sites; site++) {
        if (is_of(place, site)) {
            site->weakened = is_weak ? place->bits : 0;
        }
    }
    sched_machine_keep();
}

bool
sched_weaken(const char *mutation)
{
    struct mutations *all = find_places();
    bool is_found = false;

    for (unsigned i = 0; i < all->count && !is_found; i++) {
        is_found = strcmp(all->places[i].name, mutation) == 0;
        if (is_found) {
            set_weakened(&all->places[i], true);
        }
    }
    free(all);
    return is_found;
}

static void
read_list(struct mutations *all, const char *path)
{
    FILE *file = fopen(path, "r");
    char line[NAME_SIZE];

    if (file == NULL) {
        perror(path);
        exit(2);
    }
    while (fgets(line, sizeof(line), file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0] == '#' || line[0] == '\0') {
            continue;
        }
        if (all->listed_count == LIST_MAX) {
            fprintf(stderr, "%s: more than %u lines\n", path, LIST_MAX);
            exit(2);
        }
        snprintf(all->listed[all->listed_count++], NAME_SIZE, "%s", line);
    }
    fclose(file);
}

static bool
is_listed(const struct mutations *all, const struct place *place)
{
    for (unsigned i = 0; i < all->listed_count; i++) {
        if (strcmp(all->listed[i], place->name) == 0) {
            return true;
        }
    }
    return false;
}

// Which scenarios come by a place at all.
static void
look_where_scenarios_go(struct mutations *all)
{
    for (unsigned i = 0; sched_scenarios[i] != NULL && i < SCENARIOS_MAX; i++) {
        struct sched_verdict verdict = {0};

        for (unsigned seed = 0; seed < 64 && !verdict.has_failed; seed++) {
            sched_random(sched_scenarios[i], seed, &verdict);
            for (struct sched_site *site = __start_sched_sites; site != __stop_sched_sites;
                 site++) {
                for (unsigned j = 0; site->was_hit && j < all->count; j++) {
                    all->places[j].is_hit_by[i] |= is_of(&all->places[j], site);
                }
            }
        }
    }
}

static void
try_random(const struct sched_scenario *scenario, unsigned from, unsigned to,
           struct sched_verdict *verdict)
{
    for (unsigned seed = from; seed < to && !verdict->has_failed; seed++) {
        sched_random(scenario, seed, verdict);
    }
}

// Most are caught by a few random schedules of the right scenario: these first, the dear ones last.
static void
try_harder(const struct sched_scenario *scenario, unsigned effort, struct sched_verdict *verdict)
{
    switch (effort) {
    case 0:
        try_random(scenario, 0, FIRST_RUNS, verdict);
        break;
    case 1:
        sched_enumerate(scenario, 1, RUNS_MAX, verdict);
        break;
    default:
        try_random(scenario, FIRST_RUNS, RANDOM_RUNS, verdict);
        if (!verdict->has_failed) {
            sched_enumerate(scenario, 2, RUNS_MAX, verdict);
        }
        break;
    }
}

// NULL: no scenario catches it.
static const struct sched_scenario *
who_catches(const struct place *place, struct sched_verdict *ret_verdict)
{
    const struct sched_scenario *who = NULL;

    set_weakened(place, true);
    for (unsigned effort = 0; effort < EFFORTS && who == NULL; effort++) {
        for (unsigned i = 0; sched_scenarios[i] != NULL && who == NULL; i++) {
            if (place->is_hit_by[i]) {
                try_harder(sched_scenarios[i], effort, ret_verdict);
                who = ret_verdict->has_failed ? sched_scenarios[i] : NULL;
            }
        }
    }
    set_weakened(place, false);
    return who;
}

static bool
is_hit(const struct place *place)
{
    bool hit = false;

    for (unsigned i = 0; i < SCENARIOS_MAX; i++) {
        hit |= place->is_hit_by[i];
    }
    return hit;
}

// What is listed and is no place any more. How many.
static unsigned
tell_strangers(const struct mutations *all)
{
    unsigned strangers = 0;

    for (unsigned i = 0; i < all->listed_count; i++) {
        bool is_place = false;

        for (unsigned j = 0; j < all->count; j++) {
            is_place |= strcmp(all->listed[i], all->places[j].name) == 0;
        }
        if (!is_place) {
            printf("!  %-56s is listed, and no place\n", all->listed[i]);
            strangers++;
        }
    }
    return strangers;
}

unsigned
sched_mutations(const char *list_path, const char *only, bool is_thorough)
{
    struct mutations *all = find_places();
    unsigned wrong = 0, caught = 0, listed = 0, tried = 0, unvisited = 0;

    read_list(all, list_path);
    wrong = tell_strangers(all);
    look_where_scenarios_go(all);
    for (unsigned i = 0; i < all->count; i++) {
        struct place *place = &all->places[i];
        struct sched_verdict verdict = {0};
        const struct sched_scenario *who = NULL;
        bool expected = !is_listed(all, place);

        if (only != NULL && strstr(place->name, only) == NULL) {
            continue;
        }
        tried++;
        if (!is_hit(place)) { // nothing can be said of it
            unvisited++;
            if (is_thorough) {
                printf("   %-56s no scenario comes by\n", place->name);
            }
            continue;
        }
        listed += !expected;
        if (!expected && !is_thorough) {
            continue;
        }
        who = who_catches(place, &verdict);
        caught += who != NULL;
        wrong += (who != NULL) != expected;
        printf("%s %-56s %s%s%s\n", (who != NULL) == expected ? "  " : "! ", place->name,
               who == NULL ? "not caught" : who->name, who == NULL ? "" : ": ",
               who == NULL ? "" : verdict.failure);
        fflush(stdout);
    }
    printf(
        "%u places: %u caught, %u listed in %s, at %u no scenario comes by, %u other than listed\n",
        tried, caught, listed, list_path, unvisited, wrong);
    free(all);
    return wrong;
}
