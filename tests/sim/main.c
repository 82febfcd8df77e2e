// SPDX-License-Identifier: MIT

// weir-sim: runs seeds, each in a process of its own, on all cores; shortens the first that fails
// and shows what it does.

#include "tests/sim/model.h"
#include "tests/sim/plants.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WORKERS_MAX     64
#define RUN_SECONDS     20  // a run that takes longer hangs
#define SHORTEN_SECONDS 120 // a machine may be busy

struct worker {
    struct sim_verdict verdict;
    struct sim_coverage coverage;
    uint64_t seed;
    bool failed;
    int signal;
    uint64_t digest; // of all its runs, in any order
};

static struct {
    uint64_t from, count;
    bool one; // --seed
    unsigned workers;
    double seconds;
    bool table, keep_going;
    bool twice, digest;
    uint64_t at_least;
    bool plants;           // each of them
    unsigned plant, every; // one of them; or one in so many
    const char *program;
} options = {.from = 1, .count = 1000};

static struct worker *workers;
static int sink; // /dev/null

static double
now_seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void *
share(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED) {
        perror("weir-sim: memory");
        exit(3);
    }
    return memory;
}

// ---- one run ------------------------------------------------------------------------------------

// In a process of its own. True: it came to its end and found nothing.
static bool
run_apart(const struct sim_run *run, struct worker *worker)
{
    int status = 0;
    pid_t child;

    memset(&worker->verdict, 0, sizeof(worker->verdict));
    worker->seed = run->seed;
    fflush(stdout);
    child = fork();
    if (child < 0) {
        perror("weir-sim: fork");
        exit(3);
    }
    if (child == 0) {
        if (!run->tracing) {
            dup2(sink, STDERR_FILENO); // what an assertion says is shown by the replay
        }
        alarm(RUN_SECONDS);
        sim_verdict = &worker->verdict;
        sim_coverage = &worker->coverage;
        sim_run(run);
    }
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    worker->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    if (!worker->verdict.failed && !worker->verdict.over) {
        snprintf(worker->verdict.reason, sizeof(worker->verdict.reason), "%s (%s %d)",
                 worker->signal == SIGALRM ? "hang" : "crash",
                 worker->signal != 0 ? "signal" : "exit status",
                 worker->signal != 0 ? worker->signal : WEXITSTATUS(status));
        return false;
    }
    return worker->verdict.over;
}

// ---- shortening ---------------------------------------------------------------------------------

// What kind of failure: up to the first number, for the numbers change as steps are left out.
static size_t
kind_length(const char *reason)
{
    return strcspn(reason, "0123456789:");
}

static bool
fails_alike(const struct sim_run *run, struct worker *worker, const char *reason)
{
    return !run_apart(run, worker) && kind_length(worker->verdict.reason) == kind_length(reason) &&
           strncmp(worker->verdict.reason, reason, kind_length(reason)) == 0;
}

// Leave out pieces of so many steps, where it fails all the same. True: some were.
static bool
leave_out(struct sim_run *run, struct worker *worker, unsigned size, const char *reason, double end)
{
    bool shorter = false;

    for (unsigned at = 0; at < SIM_STEPS && now_seconds() < end; at += size) {
        struct sim_run tried = *run;
        bool any = false;

        for (unsigned i = at; i < at + size && i < SIM_STEPS; i++) {
            any |= !tried.skipped[i];
            tried.skipped[i] = true;
        }
        if (any && fails_alike(&tried, worker, reason)) {
            *run = tried;
            shorter = true;
        }
    }
    return shorter;
}

// Leave out as many steps as can be: large pieces first, then single ones, until none can.
static unsigned
shorten(struct sim_run *run, struct worker *worker, unsigned steps, double seconds)
{
    char reason[sizeof(worker->verdict.reason)];
    double end = now_seconds() + seconds;
    unsigned left = 0;

    memcpy(reason, worker->verdict.reason, sizeof(reason));
    for (unsigned i = steps; i < SIM_STEPS; i++) {
        run->skipped[i] = true;
    }
    for (unsigned size = (steps + 1) / 2; size > 1; size = (size + 1) / 2) {
        leave_out(run, worker, size, reason, end);
    }
    while (leave_out(run, worker, 1, reason, end)) {
    }
    for (unsigned i = 0; i < SIM_STEPS; i++) {
        left += !run->skipped[i];
    }
    return left;
}

static void
show_failure(struct worker *worker)
{
    struct sim_run run = {.seed = worker->seed};
    unsigned steps = worker->verdict.steps;
    unsigned left;

    printf("\nseed %llu: %s\n", (unsigned long long)worker->seed, worker->verdict.reason);
    printf("again: %s --seed %llu\n", options.program, (unsigned long long)worker->seed);
    left = shorten(&run, worker, steps, SHORTEN_SECONDS);
    printf("%u of %u steps are enough:\n\n", left, steps);
    run.tracing = true;
    run_apart(&run, worker);
    printf("\nseed %llu: %s\n", (unsigned long long)worker->seed, worker->verdict.reason);
}

// ---- many runs ----------------------------------------------------------------------------------

// One is enough.
static bool
has_failed(void)
{
    for (unsigned i = 0; i < options.workers && !options.keep_going; i++) {
        if (workers[i].failed) {
            return true;
        }
    }
    return false;
}

// Bit for bit.
static bool
is_the_same_again(const struct sim_run *run, struct worker *worker)
{
    uint64_t digest = worker->verdict.digest;
    bool good = run_apart(run, worker);

    if (good && worker->verdict.digest != digest) {
        snprintf(worker->verdict.reason, sizeof(worker->verdict.reason),
                 "replay: the second run is another one");
        good = false;
    }
    return good;
}

static void
work(unsigned number, double end)
{
    struct worker *worker = &workers[number];

    for (uint64_t i = number; i < options.count && now_seconds() < end && !has_failed();
         i += options.workers) {
        struct sim_run run = {.seed = options.from + i};

        bool good = run_apart(&run, worker) && (!options.twice || is_the_same_again(&run, worker));

        worker->digest += sim_hash(run.seed, worker->verdict.digest);
        if (!good) {
            worker->failed = true;
            if (!options.keep_going) {
                return;
            }
            printf("seed %llu: %s\n", (unsigned long long)run.seed, worker->verdict.reason);
            fflush(stdout);
        }
    }
}

static struct worker *
run_all(void)
{
    double end = options.seconds == 0 ? 1e18 : now_seconds() + options.seconds;
    struct worker *first = NULL;
    pid_t children[WORKERS_MAX];

    fflush(stdout);
    for (unsigned i = 0; i < options.workers; i++) {
        children[i] = fork();
        if (children[i] < 0) {
            perror("weir-sim: fork");
            exit(3);
        }
        if (children[i] == 0) {
            work(i, end);
            _exit(0);
        }
    }
    for (unsigned i = 0; i < options.workers; i++) {
        while (waitpid(children[i], NULL, 0) < 0 && errno == EINTR) {
        }
    }
    for (unsigned i = 0; i < options.workers; i++) {
        if (workers[i].failed && (first == NULL || workers[i].seed < first->seed)) {
            first = &workers[i];
        }
    }
    return first;
}

// ---- planted faults -----------------------------------------------------------------------------

// True: each is found within the number of seeds.
static bool
find_plants(void)
{
    unsigned every = options.every == 0 ? 1 : options.every;
    unsigned missed = 0;

    for (unsigned plant = 1; plant <= sim_plant_count(); plant++) {
        struct worker *found;

        if ((plant + options.from) % every != 0) {
            continue;
        }
        for (unsigned i = 0; i < options.workers; i++) {
            workers[i].failed = false;
        }
        sim_plant(plant);
        found = run_all();
        if (found == NULL) {
            missed++;
            printf("%2u  MISSED            %s\n", plant, sim_plant_text(plant));
        } else {
            printf("%2u  by seed %6llu    %s\n                      %s\n", plant,
                   (unsigned long long)found->seed, sim_plant_text(plant), found->verdict.reason);
        }
    }
    return missed == 0;
}

// ---- the table ----------------------------------------------------------------------------------

static void
add_up(struct sim_coverage *sum)
{
    for (unsigned i = 0; i < options.workers; i++) {
        const struct sim_coverage *one = &workers[i].coverage;

        for (int place = 0; place < SIM_PLACES; place++) {
            for (int by = 0; by < SIM_DISTURBANCES; by++) {
                sum->cells[place][by] += one->cells[place][by];
            }
        }
        for (int path = 0; path < SIM_PATH_COUNT; path++) {
            sum->paths[path] += one->paths[path];
        }
        sum->runs += one->runs;
        sum->steps += one->steps;
        sum->operations += one->operations;
        sum->bytes += one->bytes;
        sum->digest += workers[i].digest;
        for (int kind = 0; kind < SIM_EVENTS; kind++) {
            sum->events[kind] += one->events[kind];
        }
    }
}

static const char *const place_names[] = {"in a lane", "starting", "queued", "tried",
                                          "partly",    "wired",    "done"};
static const char *const disturbance_names[] = {"cancel", "token", "deadline", "drain",    "flush",
                                                "abort",  "reset", "short",    "no memory"};
static const char *const path_names[] = {
#define SIM_PATH_TEXT(name, text) text,
    SIM_PATHS(SIM_PATH_TEXT)
#undef SIM_PATH_TEXT
};

// What is over has left its token, its timer and its queue: only its name is left to be met by.
static bool
is_excluded(int place, int by)
{
    return place == SIM_DONE && by != SIM_BY_CANCEL;
}

static void
print_cells(const struct sim_coverage *sum)
{
    printf("\n%-10s", "");
    for (int by = 0; by < SIM_DISTURBANCES; by++) {
        printf(" %10s", disturbance_names[by]);
    }
    putchar('\n');
    for (int place = 0; place < SIM_PLACES; place++) {
        printf("%-10s", place_names[place]);
        for (int by = 0; by < SIM_DISTURBANCES; by++) {
            if (is_excluded(place, by)) {
                printf(" %10s", "-");
            } else {
                printf(" %10llu", (unsigned long long)sum->cells[place][by]);
            }
        }
        putchar('\n');
    }
    printf("-: cannot be; what is over has left its token, its timer and its queue\n\n");
}

static void
print_table(const struct sim_coverage *sum)
{
    print_cells(sum);
    for (int path = 0; path < SIM_PATH_COUNT; path++) {
        printf("%10llu  %s\n", (unsigned long long)sum->paths[path], path_names[path]);
    }
}

// Names what was met too rarely. True: nothing.
static bool
was_all_met(const struct sim_coverage *sum, uint64_t least)
{
    bool all = true;

    for (int place = 0; place < SIM_PLACES; place++) {
        for (int by = 0; by < SIM_DISTURBANCES; by++) {
            if (!is_excluded(place, by) && sum->cells[place][by] < least) {
                printf("too rare: %s, met by %s: %llu\n", place_names[place], disturbance_names[by],
                       (unsigned long long)sum->cells[place][by]);
                all = false;
            }
        }
    }
    for (int path = 0; path < SIM_PATH_COUNT; path++) {
        if (sum->paths[path] < least) {
            printf("too rare: %s: %llu\n", path_names[path], (unsigned long long)sum->paths[path]);
            all = false;
        }
    }
    return all;
}

static void
print_sum(const struct sim_coverage *sum)
{
    static const char *const kinds[] = {"calls", "callbacks", "system calls", "in the kernel",
                                        "of peers"};
    uint64_t runs = sum->runs == 0 ? 1 : sum->runs;
    uint64_t events = 0;

    for (int kind = 0; kind < SIM_EVENTS; kind++) {
        events += sum->events[kind];
    }
    printf("%llu runs, %llu steps, %llu operations, %llu bytes\n", (unsigned long long)sum->runs,
           (unsigned long long)sum->steps, (unsigned long long)sum->operations,
           (unsigned long long)sum->bytes);
    printf("%llu events in a run:", (unsigned long long)(events / runs));
    for (int kind = 0; kind < SIM_EVENTS; kind++) {
        printf("%s %llu %s", kind == 0 ? "" : ",", (unsigned long long)(sum->events[kind] / runs),
               kinds[kind]);
    }
    putchar('\n');
    if (options.digest) {
        printf("digest %016llx\n", (unsigned long long)sum->digest);
    }
}

// ---- the command --------------------------------------------------------------------------------

static void
usage(FILE *to)
{
    fprintf(to, "usage: weir-sim [--seeds N] [--from S] [--seed S] [--seconds T] [--jobs J]\n"
                "                [--keep-going] [--table] [--at-least N] [--twice] [--digest]\n\n"
                "  --seeds N    run N seeds, 1000 unless said\n"
                "  --from S     from seed S on, 1 unless said\n"
                "  --seed S     run one seed and show all that happens\n"
                "  --seconds T  begin no seed after T seconds\n"
                "  --jobs J     processes, as many as processors unless said\n"
                "  --keep-going name each seed that fails, and shorten none\n"
                "  --plant P    with planted fault P (weir-sim-planted)\n"
                "  --plants     each planted fault in turn: the seed that finds it\n"
                "  --every K    of these, one in K; which ones is told by --from\n"
                "  --table      at the end: what was met, how often\n"
                "  --at-least N fail if anything in the table was met fewer than N times\n"
                "  --twice      run each seed twice: both must be the same, bit for bit\n"
                "  --digest     one number for all that happened\n");
}

static uint64_t
number_of(const char *text)
{
    char *end;
    uint64_t value = strtoull(text, &end, 10);

    if (end == text || *end != '\0') {
        fprintf(stderr, "weir-sim: '%s' is no number\n", text);
        exit(3);
    }
    return value;
}

static void
read_options(int argc, char **argv)
{
    static const struct option known[] = {
        {"seeds", required_argument, NULL, 'n'},
        {"from", required_argument, NULL, 'f'},
        {"seed", required_argument, NULL, 's'},
        {"seconds", required_argument, NULL, 't'},
        {"jobs", required_argument, NULL, 'j'},
        {"table", no_argument, NULL, 'T'},
        {"keep-going", no_argument, NULL, 'k'},
        {"plant", required_argument, NULL, 'p'},
        {"plants", no_argument, NULL, 'P'},
        {"every", required_argument, NULL, 'e'},
        {"at-least", required_argument, NULL, 'l'},
        {"twice", no_argument, NULL, '2'},
        {"digest", no_argument, NULL, 'd'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    int option;

    options.program = argv[0];
    options.workers = processors < 1 ? 1 : (unsigned)processors;
    while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (option) {
        case 'n':
            options.count = number_of(optarg);
            break;
        case 'f':
            options.from = number_of(optarg);
            break;
        case 's':
            options.from = number_of(optarg);
            options.one = true;
            break;
        case 't':
            options.seconds = (double)number_of(optarg);
            break;
        case 'j':
            options.workers = (unsigned)number_of(optarg);
            break;
        case 'T':
            options.table = true;
            break;
        case 'k':
            options.keep_going = true;
            break;
        case 'p':
            options.plant = (unsigned)number_of(optarg);
            break;
        case 'P':
            options.plants = true;
            break;
        case 'e':
            options.every = (unsigned)number_of(optarg);
            break;
        case 'l':
            options.at_least = number_of(optarg);
            break;
        case '2':
            options.twice = true;
            break;
        case 'd':
            options.digest = true;
            break;
        case 'h':
            usage(stdout);
            exit(0);
        default:
            usage(stderr);
            exit(3);
        }
    }
    if (options.workers == 0 || options.workers > WORKERS_MAX) {
        options.workers = options.workers == 0 ? 1 : WORKERS_MAX;
    }
}

int
main(int argc, char **argv)
{
    struct sim_coverage sum = {0};
    struct worker *failed;
    double begun = now_seconds();

    read_options(argc, argv);
    sink = open("/dev/null", O_WRONLY | O_CLOEXEC);
    sim_pattern_make();
    workers = share(sizeof(*workers) * WORKERS_MAX);
    if (options.plant > sim_plant_count() || (options.plants && sim_plant_count() == 0)) {
        fprintf(stderr, "weir-sim: no such fault is planted here (weir-sim-planted has them)\n");
        return 3;
    }
    sim_plant(options.plant);
    if (options.one) {
        struct sim_run run = {.seed = options.from, .tracing = true};
        bool good = run_apart(&run, &workers[0]);

        printf("seed %llu: %s, digest %016llx\n", (unsigned long long)run.seed,
               good ? "good" : workers[0].verdict.reason,
               (unsigned long long)workers[0].verdict.digest);
        return good ? 0 : 1;
    }
    if (options.plants) {
        return find_plants() ? 0 : 1;
    }
    printf("seeds %llu to %llu\n", (unsigned long long)options.from,
           (unsigned long long)(options.from + options.count - 1));
    failed = run_all();
    add_up(&sum);
    if (options.table) {
        print_table(&sum);
    }
    print_sum(&sum);
    printf("%.1f s: %s\n", now_seconds() - begun, failed == NULL ? "good" : "FAILED");
    if (failed != NULL && !options.keep_going) {
        show_failure(failed);
    }
    return failed == NULL && was_all_met(&sum, options.at_least) ? 0 : 1;
}
