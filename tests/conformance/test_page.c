// SPDX-License-Identifier: MIT
//
// The page of statistics that other processes read, as weir/page.h describes it.
#include "tests/lib/fixture.h"
#include "weir/page.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

// The file of this process with this name; 0 or 1 of them.
static unsigned
find_page(const char *name, char *ret_path, size_t size)
{
    DIR *directory = opendir(WEIR_PAGE_DIRECTORY);
    const struct dirent *entry;
    unsigned count = 0;

    assert_non_null(directory);
    while ((entry = readdir(directory)) != NULL) {
        unsigned process;
        unsigned long long number;
        int used = 0;

        if (sscanf(entry->d_name, "weir.%u.%llu.%n", &process, &number, &used) == 2 && used != 0 &&
            process == (unsigned)getpid() && strcmp(entry->d_name + used, name) == 0) {
            snprintf(ret_path, size, "%s/%s", WEIR_PAGE_DIRECTORY, entry->d_name);
            count++;
        }
    }
    closedir(directory);
    return count;
}

static struct weir_page *
map_page(const char *path, size_t *ret_size)
{
    struct stat about;
    void *memory;
    int fd = open(path, O_RDWR | O_CLOEXEC);

    if (fd < 0 || fstat(fd, &about) < 0) {
        return NULL;
    }
    *ret_size = (size_t)about.st_size;
    memory = mmap(NULL, *ret_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    return memory == MAP_FAILED ? NULL : memory;
}

// As the header says. False: no answer.
static bool
ask(struct weir_page *page)
{
    const struct timespec patience = {.tv_sec = 5 * (time_t)test_slow_factor()};
    uint32_t was = __atomic_load_n(&page->answered, __ATOMIC_ACQUIRE);

    __atomic_fetch_add(&page->wanted, 1, __ATOMIC_ACQ_REL);
    syscall(SYS_futex, &page->wanted, FUTEX_WAKE, 1, NULL, NULL, 0);
    syscall(SYS_futex, &page->answered, FUTEX_WAIT, was, &patience, NULL, 0);
    return __atomic_load_n(&page->answered, __ATOMIC_ACQUIRE) != was;
}

static struct weir_page_loop
loop_of(const struct weir_page *page, unsigned index)
{
    const struct weir_page_loop *loops =
        (const struct weir_page_loop *)(const void *)((const char *)page + page->loops_at);

    return loops[index];
}

static struct fixture *
shown(void **state, const char *name, unsigned loops, unsigned flags)
{
    return fixture_with(
        state, &(struct weir_runtime_options){
                   .loops = loops, .flags = flags, .latency_every = 1, .stats_name = name});
}

static void
a_reader_sees_each_loops_numbers(void **state)
{
    struct fixture *fixture = shown(state, "reader", 2, WEIR_MANUAL);
    struct recorder *recorder = recorder_make(fixture);
    struct weir_page_loop seen;
    struct weir_stats stats;
    struct weir_page *page;
    char path[300];
    size_t size;

    assert_int_equal(find_page("reader", path, sizeof(path)), 1);
    page = map_page(path, &size);
    assert_non_null(page);
    assert_true(ask(page));
    assert_true(page->magic == WEIR_PAGE_MAGIC);
    assert_int_equal(page->version, WEIR_PAGE_VERSION);
    assert_int_equal(page->loop_size, sizeof(struct weir_page_loop));
    assert_int_equal(page->loop_count, 2);
    assert_int_equal(page->process, getpid());
    assert_string_equal(page->name, "reader");
    assert_true(page->loops_at + 2 * sizeof(struct weir_page_loop) <= size);
    for (unsigned index = 0; index < 2; index++) {
        struct pair *pair = pair_open(
            fixture, &(struct pair_options){.loop = weir_runtime_loop(fixture->runtime, index)});

        assert_status(request_submit(pair, recorder, index, 1000 * (index + 1), WEIR_COPY), 0);
        recorder_wait(recorder, index + 1);
    }
    fixture_settle(fixture);
    assert_true(ask(page));
    for (unsigned index = 0; index < 2; index++) {
        seen = loop_of(page, index);
        assert_status(weir_loop_stats(weir_runtime_loop(fixture->runtime, index), &stats), 0);
        assert_memory_equal(&seen.stats, &stats, sizeof(stats));
        assert_int_equal(seen.stats.bytes_sent, 1000 * (index + 1));
#if !defined(WI_NO_LATENCY)
        assert_int_equal(seen.latency.count, 1);
#endif
    }
    assert_true(page->answered_ns >= page->made_ns);
    munmap(page, size);
}

// Nothing is written while nobody asks.
static void
the_page_rests_until_it_is_asked(void **state)
{
    struct fixture *fixture = shown(state, "rests", 1, WEIR_MANUAL);
    struct pair *pair;
    struct recorder *recorder = recorder_make(fixture);
    struct weir_page *page;
    uint32_t answered;
    char path[300];
    size_t size;

    assert_int_equal(find_page("rests", path, sizeof(path)), 1);
    page = map_page(path, &size);
    assert_true(ask(page));
    answered = page->answered;
    pair = pair_open(fixture, &(struct pair_options){0});
    assert_status(request_submit(pair, recorder, 0, 1000, WEIR_COPY), 0);
    recorder_wait(recorder, 1);
    assert_int_equal(loop_of(page, 0).stats.bytes_sent, 0);
    assert_int_equal(page->answered, answered);
    assert_true(ask(page));
    assert_int_equal(loop_of(page, 0).stats.bytes_sent, 1000);
    munmap(page, size);
}

struct stuck {
    struct weir_page *page;
    bool was_answered;
    bool over;
};

static void
ask_on_the_loop(struct weir_loop *loop, void *arg)
{
    struct stuck *stuck = arg;

    (void)loop;
    stuck->was_answered = ask(stuck->page);
    __atomic_store_n(&stuck->over, true, __ATOMIC_RELEASE);
}

static bool
is_over(void *arg)
{
    return __atomic_load_n(&((struct stuck *)arg)->over, __ATOMIC_ACQUIRE);
}

// The loop itself waits for the answer, so it is held as long as that takes.
static void
a_stuck_loop_does_not_keep_the_numbers_away(void **state)
{
    struct fixture *fixture = shown(state, "stuck", 1, 0);
    struct stuck *stuck = fixture_memory(fixture, sizeof(*stuck));
    char path[300];
    size_t size;

    assert_int_equal(find_page("stuck", path, sizeof(path)), 1);
    stuck->page = map_page(path, &size);
    assert_status(weir_post(fixture->loop, ask_on_the_loop, stuck), 0);
    fixture_turn_until(fixture, is_over, stuck);
    assert_true(stuck->was_answered);
    munmap(stuck->page, size);
}

// Another process may look and ask.
static void
another_process_may_ask(void **state)
{
    struct fixture *fixture = shown(state, "other", 1, WEIR_MANUAL);
    char path[300];
    int status = -1;
    pid_t child;

    assert_int_equal(find_page("other", path, sizeof(path)), 1);
    child = fork();
    if (child == 0) {
        size_t size;
        struct weir_page *page = map_page(path, &size);

        _exit(page != NULL && ask(page) && page->process == (uint32_t)getppid() ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    (void)fixture;
}

static void
the_page_is_its_users_alone_and_goes_with_the_runtime(void **state)
{
    struct fixture *fixture = shown(state, "goes", 1, WEIR_MANUAL);
    struct stat about;
    char path[300];

    assert_int_equal(find_page("goes", path, sizeof(path)), 1);
    assert_int_equal(stat(path, &about), 0);
    assert_int_equal(about.st_mode & 0777, 0600);
    fixture_end(fixture);
    assert_int_equal(find_page("goes", path, sizeof(path)), 0);
}

static void
names_that_are_no_file_names_are_refused(void **state)
{
    static const char *const wrong[] = {
        "",    "a/b", "..\\",
        "a b", "n\n", "0123456789012345678901234567890123456789012345678901234567890123"};
    char path[300];

    (void)state;
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct weir_runtime_options options = {
            .loops = 1, .flags = WEIR_MANUAL, .stats_name = wrong[i]};
        struct weir_runtime *runtime = NULL;

        assert_status(weir_runtime_create(&options, &runtime), -EINVAL);
        assert_null(runtime);
        assert_int_equal(find_page(wrong[i], path, sizeof(path)), 0);
    }
}

int
main(void)
{
    static const struct test_case cases[] = {
        ONCE(a_reader_sees_each_loops_numbers),
        ONCE(the_page_rests_until_it_is_asked),
        ONCE(a_stuck_loop_does_not_keep_the_numbers_away),
        ONCE(another_process_may_ask),
        ONCE(the_page_is_its_users_alone_and_goes_with_the_runtime),
        ONCE(names_that_are_no_file_names_are_refused),
    };

    return RUN_CASES("conformance.page", cases);
}
