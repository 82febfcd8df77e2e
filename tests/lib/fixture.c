// SPDX-License-Identifier: MIT
#include "tests/lib/fixture.h"

#include <dirent.h>
#include <fnmatch.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { TEST_SECONDS = 5, HANG_SECONDS = 30, CASES_MAX = 512 };

struct memory {
    struct memory *next;
    max_align_t bytes[];
};

struct ending {
    struct ending *next;
    void (*function)(void *arg);
    void *arg;
};

// ---- time -------------------------------------------------------------------------------------

unsigned
test_slow_factor(void)
{
    const char *text = getenv("WEIR_TEST_SLOW");
    int factor = text == NULL ? 1 : atoi(text);

    return factor < 1 ? 1 : (unsigned)factor;
}

// Not weir_now_ns(), which a test may hold.
uint64_t
test_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

uint64_t
test_deadline(void)
{
    return test_now_ns() + (uint64_t)TEST_SECONDS * test_slow_factor() * UINT64_C(1000000000);
}

static void
on_hang(int signal)
{
    static const char text[] = "\nthe test named last hangs inside a call; aborting\n";

    (void)signal;
    if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0) {
        _exit(3);
    }
    abort();
}

// ---- failing ----------------------------------------------------------------------------------

void
fixture_fail_at(struct fixture *fixture, const char *file, int line, const char *format, ...)
{
    char text[1024];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    print_error("%s\n", text);
    for (struct events *events = fixture->events; events != NULL; events = events->next) {
        print_error("events of stream %#llx: [%s]\n", (unsigned long long)events->stream.bits,
                    events_text(events));
    }
    _fail(file, line);
}

void
assert_status_at(const char *text, long got, long expected, const char *file, int line)
{
    if (got == expected) {
        return;
    }
    print_error("%s\n    is       %ld (%s)\n    expected %ld (%s)\n", text, got,
                got < 0 ? strerror((int)-got) : "no error", expected,
                expected < 0 ? strerror((int)-expected) : "no error");
    _fail(file, line);
}

// ---- life -------------------------------------------------------------------------------------

static unsigned
count_fds(void)
{
    DIR *directory = opendir("/proc/self/fd");
    unsigned count = 0;

    if (directory == NULL) {
        return 0;
    }
    while (readdir(directory) != NULL) {
        count++;
    }
    closedir(directory);
    return count;
}

static int
fixture_setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    if (fixture == NULL) {
        return -1;
    }
    fixture->transport = *state;
    pthread_mutex_init(&fixture->lock, NULL);
    pthread_mutex_init(&fixture->memory_lock, NULL);
    pthread_cond_init(&fixture->changed, NULL);
    fixture->fds_before = count_fds();
    weir_pool_ledger_all(&fixture->ledger);
    *state = fixture;
    signal(SIGALRM, on_hang);
    alarm(HANG_SECONDS * test_slow_factor());
    return 0;
}

struct fixture *
fixture_with(void **state, const struct weir_runtime_options *options)
{
    struct fixture *fixture = *state;

    assert_null(fixture->runtime);
    assert_status(weir_runtime_create(options, &fixture->runtime), 0);
    assert_non_null(fixture->runtime);
    fixture->manual = (options->flags & WEIR_MANUAL) != 0;
    fixture->loop_count = weir_runtime_loop_count(fixture->runtime);
    fixture->loop = weir_runtime_loop(fixture->runtime, 0);
    assert_non_null(fixture->loop);
    return fixture;
}

struct fixture *
fixture_manual(void **state)
{
    return fixture_with(state, &(struct weir_runtime_options){.loops = 1, .flags = WEIR_MANUAL});
}

struct fixture *
fixture_threads(void **state, unsigned loops)
{
    return fixture_with(state, &(struct weir_runtime_options){.loops = loops});
}

void *
fixture_memory(struct fixture *fixture, size_t size)
{
    struct memory *memory = calloc(1, sizeof(*memory) + size + 1);

    if (memory == NULL) {
        abort();
    }
    pthread_mutex_lock(&fixture->memory_lock);
    memory->next = fixture->memory;
    fixture->memory = memory;
    pthread_mutex_unlock(&fixture->memory_lock);
    return memory->bytes;
}

void
fixture_at_end(struct fixture *fixture, void (*function)(void *arg), void *arg)
{
    struct ending *ending = fixture_memory(fixture, sizeof(*ending));

    pthread_mutex_lock(&fixture->memory_lock);
    *ending = (struct ending){.next = fixture->endings, .function = function, .arg = arg};
    fixture->endings = ending;
    pthread_mutex_unlock(&fixture->memory_lock);
}

static void
run_endings(struct fixture *fixture)
{
    while (fixture->endings != NULL) {
        struct ending *ending = fixture->endings;

        fixture->endings = ending->next;
        ending->function(ending->arg);
    }
}

int
fixture_own_fd(struct fixture *fixture, int fd)
{
    assert_true(fd >= 0);
    assert_true(fixture->fd_count < FIXTURE_FDS_MAX);
    fixture->fds[fixture->fd_count++] = fd;
    return fd;
}

void
fixture_close_fd(struct fixture *fixture, int fd)
{
    for (unsigned index = 0; index < fixture->fd_count; index++) {
        if (fixture->fds[index] == fd) {
            fixture->fds[index] = fixture->fds[--fixture->fd_count];
            close(fd);
            return;
        }
    }
    fixture_fail(fixture, "descriptor %d is not the fixture's", fd);
}

struct weir_stats
fixture_stats(struct fixture *fixture)
{
    struct weir_stats stats = {0};

    assert_status(weir_stats(fixture->runtime, &stats), 0);
    return stats;
}

// Stops and frees the runtime. Returns what is wrong, or NULL.
static const char *
end_runtime(struct fixture *fixture)
{
    struct weir_stats stats = {0};
    struct weir_runtime *runtime = fixture->runtime;
    int status = weir_runtime_stop(runtime, weir_now_ns() + MS(2000) * test_slow_factor());

    if (status != 0 && status != -EALREADY) {
        return "weir_runtime_stop() failed";
    }
    status = weir_stats(runtime, &stats);
    fixture->runtime = NULL;
    if (weir_runtime_free(runtime) != 0) {
        return "weir_runtime_free() failed";
    }
    if (status != 0) {
        return "weir_stats() failed on a stopped runtime";
    }
    if (stats.operations_accepted != stats.operations_completed) {
        print_error("operations: %llu accepted, %llu completed\n",
                    (unsigned long long)stats.operations_accepted,
                    (unsigned long long)stats.operations_completed);
        return "an accepted operation has not completed";
    }
    if (stats.streams_now != 0 || stats.queued_now != 0) {
        print_error("%llu streams live, %llu bytes queued\n", (unsigned long long)stats.streams_now,
                    (unsigned long long)stats.queued_now);
        return "a stream or its bytes outlived the stop";
    }
    return NULL;
}

static const char *
check_end(struct fixture *fixture)
{
    struct weir_ledger now;

    if (fixture->nested > 0) {
        return "a callback ran nested in another one";
    }
    if (fixture->inside > 0) {
        return "a callback ran inside a submit, cancel or close";
    }
    weir_pool_ledger_all(&now);
    if (now.leased - now.returned != fixture->ledger.leased - fixture->ledger.returned ||
        now.oversize != fixture->ledger.oversize) {
        print_error("pool blocks: %llu leased, %llu returned, %llu oversize out\n",
                    (unsigned long long)(now.leased - fixture->ledger.leased),
                    (unsigned long long)(now.returned - fixture->ledger.returned),
                    (unsigned long long)now.oversize);
        return "a pool block is still leased";
    }
    if (count_fds() != fixture->fds_before) {
        print_error("descriptors: %u before, %u after\n", fixture->fds_before, count_fds());
        return "a descriptor is still open";
    }
    return NULL;
}

// Peers go first, so that a drain has nobody to wait for.
static const char *
end_all(struct fixture *fixture)
{
    const char *wrong = NULL;
    const char *wrong_after;

    threads_end(fixture);
    while (fixture->fd_count > 0) {
        close(fixture->fds[--fixture->fd_count]);
    }
    if (fixture->runtime != NULL) {
        wrong = end_runtime(fixture);
    }
    run_endings(fixture);
    wrong_after = check_end(fixture);
    return wrong != NULL ? wrong : wrong_after;
}

void
fixture_end(struct fixture *fixture)
{
    const char *wrong = end_all(fixture);

    if (wrong != NULL) {
        fixture_fail(fixture, "at the end of the runtime: %s", wrong);
    }
}

static void
remove_directory(const char *path)
{
    DIR *directory = opendir(path);
    struct dirent *entry;

    while (directory != NULL && (entry = readdir(directory)) != NULL) {
        unlinkat(dirfd(directory), entry->d_name, 0);
    }
    if (directory != NULL) {
        closedir(directory);
    }
    rmdir(path);
}

static int
fixture_teardown(void **state)
{
    struct fixture *fixture = *state;
    const char *wrong = end_all(fixture);

    alarm(0);
    if (wrong != NULL) {
        print_error("teardown: %s\n", wrong);
    }
    if (fixture->directory[0] != '\0') {
        remove_directory(fixture->directory);
    }
    for (struct events *events = fixture->events; events != NULL; events = events->next) {
        free(events->input);
    }
    while (fixture->memory != NULL) {
        struct memory *memory = fixture->memory;

        fixture->memory = memory->next;
        free(memory);
    }
    pthread_mutex_destroy(&fixture->lock);
    pthread_mutex_destroy(&fixture->memory_lock);
    pthread_cond_destroy(&fixture->changed);
    free(fixture);
    return wrong == NULL ? 0 : -1;
}

// ---- cases ------------------------------------------------------------------------------------

static char *
case_name(const char *name, const char *transport)
{
    size_t size = strlen(name) + strlen(transport) + 2;
    char *text = malloc(size);

    if (text != NULL) {
        snprintf(text, size, "%s@%s", name, transport);
    }
    return text;
}

// In place of a case whose transport this machine lacks.
static void
unavailable(void **state)
{
    (void)state;
    skip();
}

// Appends the case as "name@transport", if it is asked for.
static void
add_case(struct CMUnitTest *tests, size_t *count, const struct test_case *one,
         const struct transport *transport, const char *filter)
{
    char *name = case_name(one->name, transport->name);

    if (name == NULL || (filter != NULL && fnmatch(filter, name, 0) != 0)) {
        free(name);
        return;
    }
    tests[(*count)++] = (struct CMUnitTest){.name = name, .test_func = unavailable};
    if (transport_is_available(transport)) {
        tests[*count - 1] = (struct CMUnitTest){
            .name = name,
            .test_func = one->function,
            .setup_func = fixture_setup,
            .teardown_func = fixture_teardown,
            .initial_state = (void *)(uintptr_t)transport,
        };
    }
}

int
run_cases(const char *group, const struct test_case *cases, size_t count)
{
    static struct CMUnitTest tests[CASES_MAX];
    const char *filter = getenv("WEIR_TEST_FILTER");
    size_t test_count = 0;
    int failed;

    for (size_t index = 0; index < count; index++) {
        for (unsigned which = 0; which < TRANSPORT_COUNT; which++) {
            const struct transport *transport = &transports[which];

            if ((cases[index].transports & transport->bit) != 0 && test_count < CASES_MAX) {
                add_case(tests, &test_count, &cases[index], transport, filter);
            }
        }
    }
    if (test_count == CASES_MAX) {
        fprintf(stderr, "%s: more than %d cases\n", group, CASES_MAX - 1);
        return 2;
    }
    if (test_count == 0) { // a run of nothing must not pass for one that went well
        fprintf(stderr, "%s: no case matches WEIR_TEST_FILTER='%s'\n", group,
                filter != NULL ? filter : "");
        return 2;
    }
    failed = _cmocka_run_group_tests(group, tests, test_count, NULL, NULL);
    while (test_count > 0) {
        free((void *)(uintptr_t)tests[--test_count].name);
    }
    return failed;
}

// ---- waiting ----------------------------------------------------------------------------------

static int
turn_all(struct fixture *fixture)
{
    int handled = 0;

    for (unsigned index = 0; index < fixture->loop_count; index++) {
        int result = weir_loop_turn(weir_runtime_loop(fixture->runtime, index), 0);

        if (result < 0) {
            fixture_fail(fixture, "weir_loop_turn() of loop %u: %s", index, strerror(-result));
        }
        handled += result;
    }
    return handled;
}

void
fixture_turn(struct fixture *fixture)
{
    assert_true(fixture->manual);
    turn_all(fixture);
}

void
fixture_settle(struct fixture *fixture)
{
    assert_true(fixture->manual);
    for (unsigned turn = 0, quiet = 0; turn < 10000 && quiet < 3; turn++) {
        quiet = turn_all(fixture) == 0 ? quiet + 1 : 0;
    }
}

void
fixture_breathe(struct fixture *fixture)
{
    struct timespec until;

    if (fixture->manual) {
        if (turn_all(fixture) == 0) {
            int result = weir_loop_turn(fixture->loop, (int64_t)MS(1));

            if (result < 0) {
                fixture_fail(fixture, "weir_loop_turn(): %s", strerror(-result));
            }
        }
        return;
    }
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += (long)MS(1);
    if (until.tv_nsec >= 1000000000L) {
        until.tv_nsec -= 1000000000L;
        until.tv_sec++;
    }
    pthread_mutex_lock(&fixture->lock);
    pthread_cond_timedwait(&fixture->changed, &fixture->lock, &until);
    pthread_mutex_unlock(&fixture->lock);
}

void
fixture_turn_until_at(struct fixture *fixture, predicate_fn *predicate, void *arg, const char *text,
                      const char *file, int line)
{
    uint64_t deadline = test_deadline();

    while (!predicate(arg)) {
        if (test_now_ns() > deadline) {
            fixture_fail_at(fixture, file, line, "did not come true in time: %s", text);
        }
        fixture_breathe(fixture);
    }
}
