// with: stormlib
// SPDX-License-Identifier: MIT
// The terminal is left as it was found, however the program ends. Each case is a child with a
// terminal of its own, whose other end is read here.

#include "stress/sight/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define HIDE "\033[?25l"
#define SHOW "\033[?25h"

struct child {
    pid_t leader;
    pid_t pid;    // the program
    int fd;       // the terminal's other end
    int statuses; // what the leader saw of the program
    int release;  // closed: the leader may end
    char text[4096];
    size_t size;
};

typedef void child_fn(void);

static void
run_program(const char *term, child_fn *run)
{
    setpgid(0, 0); // only such a group can be stopped: it has a parent in its session
    alarm(30);     // whatever goes wrong
    setenv("TERM", term, 1);
    unsetenv("NO_COLOR");
    run();
    exit(0);
}

// The leader of the terminal's session. When it ends, what nobody has read is thrown away, so it
// stays until it is told.
static _Noreturn void
lead(const char *term, child_fn *run, int statuses, int release)
{
    char byte;
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        close(statuses);
        close(release);
        run_program(term, run);
    }
    ssize_t put = write(statuses, &pid, sizeof(pid));
    while (put > 0 && waitpid(pid, &status, WUNTRACED) == pid) {
        put = write(statuses, &status, sizeof(status));
        if (!WIFSTOPPED(status)) {
            break;
        }
    }
    while (read(release, &byte, 1) > 0) {
    }
    _exit(0);
}

// A program in a terminal of 100 x 30.
static void
child_start(struct child *child, const char *term, child_fn *run)
{
    struct winsize size = {.ws_col = 100, .ws_row = 30};
    int statuses[2], release[2];

    memset(child, 0, sizeof(*child));
    assert_int_equal(pipe(statuses), 0);
    assert_int_equal(pipe(release), 0);
    child->leader = forkpty(&child->fd, NULL, NULL, &size);
    if (child->leader < 0 && (errno == ENOENT || errno == ENODEV || errno == EIO)) {
        print_message("there are no pseudo-terminals here (/dev/pts)\n");
        skip();
    }
    assert_true(child->leader >= 0);
    if (child->leader == 0) {
        close(statuses[0]);
        close(release[1]);
        lead(term, run, statuses[1], release[0]);
    }
    close(statuses[1]);
    close(release[0]);
    child->statuses = statuses[0];
    child->release = release[1];
    assert_int_equal(read(child->statuses, &child->pid, sizeof(child->pid)), sizeof(child->pid));
}

// Read what there is. False: nothing more.
static bool
read_some(struct child *child)
{
    ssize_t got = read(child->fd, child->text + child->size, sizeof(child->text) - 1 - child->size);

    child->size += got > 0 ? (size_t)got : 0;
    return got > 0;
}

static void
child_read(struct child *child, const char *wanted)
{
    while (strstr(child->text, wanted) == NULL) {
        assert_true(read_some(child));
    }
}

// How the program stopped or ended, and all it has written until then.
static int
child_wait(struct child *child)
{
    int status;

    assert_int_equal(read(child->statuses, &status, sizeof(status)), sizeof(status));
    assert_int_equal(fcntl(child->fd, F_SETFL, O_NONBLOCK), 0);
    while (read_some(child)) {
    }
    assert_int_equal(fcntl(child->fd, F_SETFL, 0), 0);
    return status;
}

static int
child_end(struct child *child)
{
    int status = child_wait(child);

    close(child->release);
    close(child->statuses);
    assert_int_equal(waitpid(child->leader, NULL, 0), child->leader);
    close(child->fd);
    return status;
}

static unsigned
count_of(const char *text, const char *wanted)
{
    unsigned count = 0;

    for (; (text = strstr(text, wanted)) != NULL; text++) {
        count++;
    }
    return count;
}

static void
take(void)
{
    struct terminal terminal = terminal_find(stdout);

    terminal_take(&terminal);
}

static void
take_and_exit(void)
{
    take();
    exit(3);
}

static void
take_and_wait(void)
{
    take();
    for (;;) {
        pause();
    }
}

static void
take_and_abort(void)
{
    take();
    abort();
}

static void
take_and_release(void)
{
    take();
    terminal_release();
    terminal_release();
}

static void
tell_what_it_can(void)
{
    struct terminal terminal = terminal_find(stdout);
    unsigned columns, rows;

    terminal_size(&terminal, &columns, &rows);
    terminal_take(&terminal);
    printf("live %d color %d %ux%u.", terminal.is_live, terminal.has_color, columns, rows);
    fflush(stdout);
}

static void
tell_without_color(void)
{
    setenv("NO_COLOR", "1", 1);
    tell_what_it_can();
}

static void
exit_gives_the_cursor_back(void **state)
{
    struct child child;

    (void)state;
    child_start(&child, "xterm", take_and_exit);
    int status = child_end(&child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 3);
    assert_int_equal(count_of(child.text, HIDE), 1);
    assert_int_equal(count_of(child.text, SHOW), 1);
    assert_true(strstr(child.text, SHOW) > strstr(child.text, HIDE));
}

static void
a_signal_gives_the_cursor_back_and_kills(void **state)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};

    (void)state;
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        struct child child;

        child_start(&child, "xterm", take_and_wait);
        child_read(&child, HIDE);
        assert_int_equal(kill(child.pid, signals[i]), 0);
        int status = child_end(&child);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == signals[i]);
        assert_int_equal(count_of(child.text, SHOW), 1);
    }
}

static void
an_abort_gives_the_cursor_back(void **state)
{
    struct child child;

    (void)state;
    child_start(&child, "xterm", take_and_abort);
    int status = child_end(&child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    assert_int_equal(count_of(child.text, SHOW), 1);
}

static void
a_stopped_program_gives_the_cursor_back_until_it_goes_on(void **state)
{
    struct child child;

    (void)state;
    child_start(&child, "xterm", take_and_wait);
    child_read(&child, HIDE);
    for (unsigned round = 0; round < 2; round++) {
        assert_int_equal(kill(child.pid, SIGTSTP), 0);
        assert_true(WIFSTOPPED(child_wait(&child)));
        assert_int_equal(count_of(child.text, SHOW), 1);
        child.size = 0;
        memset(child.text, 0, sizeof(child.text));
        assert_int_equal(kill(child.pid, SIGCONT), 0);
        child_read(&child, HIDE);
    }
    assert_int_equal(kill(child.pid, SIGTERM), 0);
    int status = child_end(&child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    assert_int_equal(count_of(child.text, SHOW), 1);
}

static void
releasing_twice_is_releasing_once(void **state)
{
    struct child child;

    (void)state;
    child_start(&child, "xterm", take_and_release);
    assert_int_equal(child_end(&child), 0);
    assert_int_equal(count_of(child.text, SHOW), 1);
}

static void
what_a_terminal_can_is_found_out(void **state)
{
    static const struct {
        const char *term;
        child_fn *run;
        const char *text;
    } cases[] = {
        {"xterm-256color", tell_what_it_can,
         HIDE "live 1 color 1 100x30."
              "\033[0m" SHOW},
        {"xterm", tell_without_color,
         HIDE "live 1 color 0 100x30."
              "\033[0m" SHOW},
        {"dumb", tell_what_it_can, "live 0 color 0 100x30."},
        {"", tell_what_it_can, "live 0 color 0 100x30."},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct child child;

        child_start(&child, cases[i].term, cases[i].run);
        assert_int_equal(child_end(&child), 0);
        assert_string_equal(child.text, cases[i].text);
    }
}

static void
a_file_is_no_terminal(void **state)
{
    FILE *file = tmpfile();

    (void)state;
    assert_non_null(file);
    struct terminal terminal = terminal_find(file);
    assert_false(terminal.is_live || terminal.has_color);
    terminal_take(&terminal);
    terminal_release();
    assert_int_equal(ftell(file), 0);
    fclose(file);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exit_gives_the_cursor_back),
        cmocka_unit_test(a_signal_gives_the_cursor_back_and_kills),
        cmocka_unit_test(an_abort_gives_the_cursor_back),
        cmocka_unit_test(a_stopped_program_gives_the_cursor_back_until_it_goes_on),
        cmocka_unit_test(releasing_twice_is_releasing_once),
        cmocka_unit_test(what_a_terminal_can_is_found_out),
        cmocka_unit_test(a_file_is_no_terminal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
