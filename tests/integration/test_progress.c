// SPDX-License-Identifier: MIT
//
// Nobody waits for anybody: no lock and no futex on the way of a write, a cancel, a completion;
// idle lanes cost a turn nothing; a loop at rest does not wake; a sleep is ended once.
#include "tests/lib/fixture.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    LOOPS = 2,
    WRITERS = 4,
    STREAMS = 8,
    WRITES = 20000, // of each writer
    CANCEL_EVERY = 16,
    PAUSE_EVERY = 64, // then all is let complete, so that the loops fall asleep and are woken
    LANES = 1000,
    LANE_TURNS = 8,
    LANE_COST_MAX = 200, // instructions that idle lanes may add to a turn
    REST_MS = 4000,
    WATCH_MS = 2000,
};

static const uint64_t storm_limit_ns = 30 * UINT64_C(1000000000);

// ---- (a) what the library asks others for -------------------------------------------------------

struct image {
    const unsigned char *bytes;
    size_t size;
};

static bool
is_lock(const char *name)
{
    static const char *const prefixes[] = {
        "pthread_mutex_",
        "pthread_cond_",
        "pthread_rwlock_",
        "pthread_spin_",
        "pthread_barrier_",
        "sem_",
        "mtx_",
        "cnd_",
        "__lll_",
        "lockf",
    };

    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
        if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0) {
            return true;
        }
    }
    return false;
}

static void
look_at_imports(const struct image *image, unsigned *ret_imports, unsigned *ret_locks)
{
    const Elf64_Ehdr *header = (const void *)image->bytes;
    const Elf64_Shdr *sections = (const void *)(image->bytes + header->e_shoff);

    for (unsigned i = 0; i < header->e_shnum; i++) {
        const Elf64_Shdr *section = &sections[i];
        const Elf64_Sym *symbols = (const void *)(image->bytes + section->sh_offset);
        const char *names;

        if (section->sh_type != SHT_DYNSYM) {
            continue;
        }
        names = (const char *)image->bytes + sections[section->sh_link].sh_offset;
        for (size_t at = 0; at < section->sh_size / sizeof(symbols[0]); at++) {
            const char *name = names + symbols[at].st_name;

            if (symbols[at].st_shndx == SHN_UNDEF && name[0] != '\0') {
                ++*ret_imports;
                if (is_lock(name)) {
                    print_error("the library imports %s\n", name);
                    ++*ret_locks;
                }
            }
        }
    }
}

// The library lies beside the folder of the tests.
static bool
map_library(struct image *ret_image)
{
    char path[4096];
    ssize_t size = readlink("/proc/self/exe", path, sizeof(path) - 32);
    struct stat found;
    void *bytes;
    int fd;

    if (size < 0) {
        return false;
    }
    path[size] = '\0';
    for (int up = 0; up < 2; up++) {
        char *slash = strrchr(path, '/');

        if (slash == NULL) {
            return false;
        }
        *slash = '\0';
    }
    strcat(path, "/libweir.so");
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &found) < 0) {
        return false;
    }
    bytes = mmap(NULL, (size_t)found.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    *ret_image = (struct image){bytes, (size_t)found.st_size};
    return bytes != MAP_FAILED && memcmp(bytes, ELFMAG, SELFMAG) == 0 &&
           ret_image->bytes[EI_CLASS] == ELFCLASS64;
}

static void
the_library_imports_no_lock(void **state)
{
    struct image image;
    unsigned imports = 0;
    unsigned locks = 0;

    (void)state;
    if (!map_library(&image)) {
        print_message("no shared library beside the tests\n");
        skip();
    }
    look_at_imports(&image, &imports, &locks);
    print_message("%u symbols imported, %u of them locks\n", imports, locks);
    assert_true(imports > 10);
    assert_int_equal(locks, 0);
    munmap((void *)(uintptr_t)image.bytes, image.size);
}

// ---- the storm --------------------------------------------------------------------------------

struct storm {
    struct weir_runtime *runtime;
    weir_stream streams[STREAMS];
    weir_stream peers[STREAMS];
    pthread_t writers[WRITERS];
    atomic_uint ready, done_writers;
    atomic_bool go;
    atomic_ullong accepted, completed, inline_done, cancelled;
    bool filtered; // a futex call kills the process
    bool failed;
};

static struct storm storm;

// From here on this thread may not call futex().
static bool
forbid_futex(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_futex, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof(code) / sizeof(code[0]), .filter = code};

    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0;
}

static void
forbid_on_loop(struct weir_loop *loop, void *arg)
{
    (void)loop;
    if (!forbid_futex()) {
        storm.failed = true;
    }
    atomic_fetch_add((atomic_uint *)arg, 1);
}

static struct weir_consumed
take_all(weir_stream stream, struct weir_iter begin, struct weir_iter end, void *user)
{
    struct weir_chain chain = {0};

    (void)stream;
    (void)begin;
    (void)end;
    (void)user;
    if (weir_take(stream, SIZE_MAX, &chain) == 0) {
        weir_chain_return(&chain);
    }
    return (struct weir_consumed){0};
}

static const struct weir_handlers taking = {.data = take_all};

static void
count_completion(weir_stream stream, const struct weir_result *result, void *arg)
{
    (void)stream;
    (void)arg;
    if (result->status == -ECANCELED) {
        atomic_fetch_add(&storm.cancelled, 1);
    }
    atomic_fetch_add(&storm.completed, 1);
}

static void
write_once(unsigned number)
{
    static const char bytes[512];
    struct iovec iov = {(void *)(uintptr_t)bytes, 1 + number * 37 % sizeof(bytes)};
    struct weir_write request = {
        .iov = &iov,
        .iov_count = 1,
        .flags = WEIR_COPY | (number / STREAMS % 2 == 0 ? (unsigned)WEIR_INLINE_OK : 0),
        .done = count_completion,
    };
    weir_op op;
    int result;

    do {
        result = weir_write(storm.streams[number % STREAMS], &request, &op);
        if (result < 0) {
            sched_yield();
        }
    } while (result == -WEIR_ELANEFULL);
    if (result < 0) {
        storm.failed = true;
    } else if (result == 1) {
        atomic_fetch_add(&storm.inline_done, 1);
    } else {
        atomic_fetch_add(&storm.accepted, 1);
        if (number % CANCEL_EVERY == 1) {
            weir_cancel(op);
        }
    }
}

static void *
writer_run(void *arg)
{
    unsigned number = (unsigned)(uintptr_t)arg;

    for (unsigned i = 0; i < STREAMS; i++) { // first use is another matter
        write_once(number + i);
    }
    if (storm.filtered && !forbid_futex()) {
        storm.failed = true;
    }
    atomic_fetch_add(&storm.ready, 1);
    while (!atomic_load(&storm.go)) {
        sched_yield();
    }
    for (unsigned i = 0; i < WRITES; i++) {
        write_once(number + i);
        while (i % PAUSE_EVERY == 0 && !storm.failed &&
               atomic_load(&storm.completed) < atomic_load(&storm.accepted)) {
            sched_yield();
        }
    }
    atomic_fetch_add(&storm.done_writers, 1);
    while (storm.filtered) { // the end of a thread is another matter, too
        sched_yield();
    }
    return NULL;
}

static bool
storm_open(void)
{
    struct weir_runtime_options options = {.loops = LOOPS};

    if (weir_runtime_create(&options, &storm.runtime) != 0) {
        return false;
    }
    for (unsigned i = 0; i < STREAMS; i++) {
        struct weir_stream_options near = {.flags = i % 2 ? (unsigned)WEIR_STREAM_INLINE : 0};
        struct weir_stream_options far = {.handlers = &taking};
        struct weir_loop *loop = weir_runtime_loop(storm.runtime, i / 2 % LOOPS);
        int fds[2];

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0 ||
            weir_adopt(loop, fds[0], &near, &storm.streams[i]) != 0 ||
            weir_adopt(loop, fds[1], &far, &storm.peers[i]) != 0) {
            return false;
        }
    }
    return true;
}

static bool
storm_await(const atomic_uint *count, unsigned wanted)
{
    uint64_t deadline = weir_now_ns() + storm_limit_ns;

    while (atomic_load(count) < wanted && weir_now_ns() < deadline && !storm.failed) {
        sched_yield();
    }
    return atomic_load(count) >= wanted && !storm.failed;
}

// True: every write was accepted and has completed.
static bool
storm_run(bool filtered)
{
    uint64_t deadline = weir_now_ns() + storm_limit_ns;
    static atomic_uint filtered_loops;

    memset(&storm, 0, sizeof(storm));
    storm.filtered = filtered;
    if (!storm_open()) {
        return false;
    }
    for (unsigned i = 0; i < WRITERS; i++) {
        if (pthread_create(&storm.writers[i], NULL, writer_run, (void *)(uintptr_t)i) != 0) {
            return false;
        }
    }
    if (!storm_await(&storm.ready, WRITERS)) {
        return false;
    }
    for (unsigned i = 0; filtered && i < LOOPS; i++) {
        if (weir_post(weir_runtime_loop(storm.runtime, i), forbid_on_loop, &filtered_loops) != 0) {
            return false;
        }
    }
    if (filtered && !storm_await(&filtered_loops, LOOPS)) {
        return false;
    }
    atomic_store(&storm.go, true);
    if (!storm_await(&storm.done_writers, WRITERS)) {
        return false;
    }
    while (atomic_load(&storm.completed) < atomic_load(&storm.accepted) &&
           weir_now_ns() < deadline) {
        sched_yield();
    }
    return atomic_load(&storm.completed) == atomic_load(&storm.accepted) && !storm.failed;
}

static void
storm_close(void)
{
    for (unsigned i = 0; i < WRITERS; i++) {
        pthread_join(storm.writers[i], NULL);
    }
    for (unsigned i = 0; i < STREAMS; i++) {
        weir_close(storm.streams[i], WEIR_CLOSE_ABORT, 0, 0);
        weir_close(storm.peers[i], WEIR_CLOSE_ABORT, 0, 0);
    }
    assert_int_equal(weir_runtime_stop(storm.runtime, weir_deadline_after(MS(5000))), 0);
}

// ---- (b) no futex -------------------------------------------------------------------------------

// What became of a child that runs @p body.
static int
in_a_child(int (*body)(void))
{
    struct rlimit no_core = {0};
    int status = -1;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        setrlimit(RLIMIT_CORE, &no_core);
        _exit(body());
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static int
run_filtered_storm(void)
{
    bool ok = storm_run(true);

    printf("  %llu writes queued, %llu inline, %llu cancelled, no futex call on %d writers and %d "
           "loops\n",
           (unsigned long long)storm.accepted, (unsigned long long)storm.inline_done,
           (unsigned long long)storm.cancelled, WRITERS, LOOPS);
    fflush(stdout);
    return ok ? 0 : 1;
}

// Does the filter see anything? A wait is the one call that uses a futex.
static int
run_filtered_wait(void)
{
    if (!storm_open()) {
        return 3;
    }
    if (!forbid_futex()) {
        return 77;
    }
    weir_closed_wait(storm.streams[0], weir_deadline_after(MS(500)));
    return 0;
}

static void
no_futex_on_the_way_of_a_write(void **state)
{
    int status;

    (void)state;
#ifdef WI_ALLOC_SYSTEM
    print_message("the allocator of instrumented builds locks\n");
    skip();
#endif
    status = in_a_child(run_filtered_wait);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
        print_message("system calls cannot be filtered here: %s\n", strerror(errno));
        skip();
    }
    assert_true(WIFSIGNALED(status)); // the filter works
    assert_int_equal(WTERMSIG(status), SIGSYS);
    status = in_a_child(run_filtered_storm);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS) {
        fail_msg("a writer or a loop called futex()");
    }
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

// ---- (c) idle lanes ---------------------------------------------------------------------------

static struct lanes {
    weir_stream stream;
    atomic_uint written;
    sem_t end;
} lanes;

static void *
write_and_live_on(void *arg)
{
    static const struct weir_write barrier;

    (void)arg;
    if (weir_write(lanes.stream, &barrier, NULL) == 0) {
        atomic_fetch_add(&lanes.written, 1);
    }
    while (sem_wait(&lanes.end) < 0) {
    }
    return NULL;
}

#if defined(__x86_64__) && !defined(WI_ALLOC_SYSTEM)

static int
settle(struct weir_loop *loop)
{
    for (unsigned quiet = 0, turn = 0; quiet < 3 && turn < 100000; turn++) {
        int count = weir_loop_turn(loop, 0);

        if (count < 0) {
            return count;
        }
        quiet = count == 0 ? quiet + 1 : 0;
    }
    return 0;
}

// The tracer counts the instructions between the breakpoints of each pair.
static void
traced_turns(struct weir_loop *loop)
{
    for (unsigned i = 0; i < LANE_TURNS; i++) {
        __asm__ volatile("int3" ::: "memory");
        weir_loop_turn(loop, 0);
        __asm__ volatile("int3" ::: "memory");
    }
}

static int
turn_with_lanes(void)
{
    struct weir_runtime_options options = {.loops = 1, .flags = WEIR_MANUAL};
    struct weir_runtime *runtime;
    struct weir_loop *loop;
    pthread_attr_t small;
    int fds[2];

    if (weir_runtime_create(&options, &runtime) != 0 ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0) {
        return 2;
    }
    loop = weir_runtime_loop(runtime, 0);
    sem_init(&lanes.end, 0, 0);
    if (weir_adopt(loop, fds[0], &(struct weir_stream_options){0}, &lanes.stream) != 0 ||
        settle(loop) < 0 || ptrace(PTRACE_TRACEME, 0, 0, 0) < 0) {
        return 77;
    }
    traced_turns(loop);
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 64 * 1024);
    for (unsigned i = 0; i < LANES; i++) {
        pthread_t thread;

        if (pthread_create(&thread, &small, write_and_live_on, NULL) != 0) {
            return 78;
        }
    }
    while (atomic_load(&lanes.written) < LANES) {
        if (weir_loop_turn(loop, 0) < 0) {
            return 3;
        }
    }
    if (settle(loop) < 0) {
        return 4;
    }
    traced_turns(loop);
    return 0;
}

struct counter {
    pid_t child;
    int status; // of the child's last stop or end
};

// To the child's next stop. False: it has ended.
static bool
resume(struct counter *counter, enum __ptrace_request request, int signal)
{
    assert_int_equal(ptrace(request, counter->child, 0, signal), 0);
    assert_int_equal(waitpid(counter->child, &counter->status, __WALL), counter->child);
    return WIFSTOPPED(counter->status);
}

// At the first breakpoint of a pair. To the second one; instructions between them.
static uint64_t
count_instructions(struct counter *counter)
{
    uint64_t count = 0;

    for (;;) {
        long at = ptrace(PTRACE_PEEKUSER, counter->child, 16 * sizeof(long), 0); // rip
        long code = ptrace(PTRACE_PEEKTEXT, counter->child, at, 0);

        if ((code & 0xff) == 0xcc) {
            assert_true(resume(counter, PTRACE_CONT, 0)); // onto it
            return count;
        }
        assert_true(resume(counter, PTRACE_SINGLESTEP, 0));
        count++;
    }
}

// The cheapest of some turns: the others gave memory back, or did other things now and then.
static uint64_t
count_turns(struct counter *counter)
{
    uint64_t least = UINT64_MAX;

    for (unsigned i = 0; i < LANE_TURNS; i++) {
        uint64_t count = count_instructions(counter);

        least = count < least ? count : least;
        resume(counter, PTRACE_CONT, 0);
    }
    return least;
}

static void
idle_lanes_cost_a_turn_nothing(void **state)
{
    struct counter counter;
    uint64_t without;
    uint64_t with;

    (void)state;
    fflush(NULL);
    counter.child = fork();
    assert_true(counter.child >= 0);
    if (counter.child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        _exit(turn_with_lanes());
    }
    assert_int_equal(waitpid(counter.child, &counter.status, 0), counter.child);
    if (!WIFSTOPPED(counter.status)) {
        print_message("a program cannot be traced here (%d)\n", WEXITSTATUS(counter.status));
        assert_int_equal(WEXITSTATUS(counter.status), 77);
        skip();
    }
    without = count_turns(&counter);
    if (!WIFSTOPPED(counter.status)) {
        print_message("there is no room for %d threads here\n", LANES);
        assert_int_equal(WEXITSTATUS(counter.status), 78);
        skip();
    }
    with = count_turns(&counter);
    assert_true(WIFEXITED(counter.status));
    assert_int_equal(WEXITSTATUS(counter.status), 0);
    print_message("a turn takes %llu instructions, with %d idle lanes %llu\n",
                  (unsigned long long)without, LANES, (unsigned long long)with);
    assert_true(with <= without + LANE_COST_MAX);
}

#else

static void
idle_lanes_cost_a_turn_nothing(void **state)
{
    (void)state;
    (void)write_and_live_on;
    print_message("only uninstrumented x86-64 programs are single-stepped\n");
    skip();
}

#endif

// ---- (d), (e) sleeping and waking -------------------------------------------------------------

static struct weir_stats
stats_now(void)
{
    struct weir_stats stats;

    assert_int_equal(weir_stats(storm.runtime, &stats), 0);
    return stats;
}

// How often eventfds of this process have been written, as long as nobody reads them: loops do not.
static uint64_t
eventfd_writes(void)
{
    uint64_t writes = 0;

    for (int fd = 0; fd < 256; fd++) {
        char path[64];
        char line[128];
        unsigned long long count;
        FILE *file;

        snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
        file = fopen(path, "re");
        while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
            writes += sscanf(line, "eventfd-count: %llx", &count) == 1 ? count : 0;
        }
        if (file != NULL) {
            fclose(file);
        }
    }
    return writes;
}

// Nothing is to happen: this long wait is what the test is about.
static void
watch_nothing(int milliseconds)
{
    poll(NULL, 0, milliseconds);
}

static void
a_sleep_is_ended_once_and_rest_is_rest(void **state)
{
    struct weir_stats busy;
    uint64_t writes;
    struct weir_stats before;
    struct weir_stats after;

    (void)state;
    assert_true(storm_run(false));
    busy = stats_now();
    writes = eventfd_writes();
    print_message("%llu writes, %llu inline: %llu turns, %llu sleeps, %llu wakes by %llu calls\n",
                  (unsigned long long)storm.accepted, (unsigned long long)storm.inline_done,
                  (unsigned long long)busy.turns, (unsigned long long)busy.sleeps,
                  (unsigned long long)busy.wakes, (unsigned long long)writes);
    assert_true(busy.wakes <= busy.sleeps + LOOPS);
    assert_true(writes <= busy.sleeps + LOOPS); // threads that came together, and both called
    watch_nothing(REST_MS);
    before = stats_now();
    watch_nothing(WATCH_MS);
    after = stats_now();
    assert_int_equal(after.turns, before.turns);
    assert_int_equal(after.sleeps, before.sleeps);
    assert_int_equal(after.wakes, before.wakes);
    assert_int_equal(after.system_waits, before.system_waits);
    storm_close();
    after = stats_now();
    assert_int_equal(after.operations_accepted, after.operations_completed);
    assert_int_equal(weir_runtime_free(storm.runtime), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_library_imports_no_lock),
        cmocka_unit_test(no_futex_on_the_way_of_a_write),
        cmocka_unit_test(idle_lanes_cost_a_turn_nothing),
        cmocka_unit_test(a_sleep_is_ended_once_and_rest_is_rest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
