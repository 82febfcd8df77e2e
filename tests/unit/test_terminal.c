// with: stormlib
// SPDX-License-Identifier: MIT
// The terminal is left as it was found, however the program ends. Each case is a child with a
// terminal of its own, whose other end is read here.

#include "stress/sight/terminal.h"

#include <errno.h>
#include <pty.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
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
    pid_t pid;
    int fd; // the terminal's other end
    char text[4096];
    size_t size;
};

typedef void child_fn(void);

// A program in a terminal of 100 x 30.
static void
child_start(struct child *child, const char *term, child_fn *run)
{
    struct winsize size = {.ws_col = 100, .ws_row = 30};

    memset(child, 0, sizeof(*child));
    child->pid = forkpty(&child->fd, NULL, NULL, &size);
    assert_true(child->pid >= 0);
    if (child->pid == 0) {
        alarm(30); // whatever goes wrong
        setenv("TERM", term, 1);
        unsetenv("NO_COLOR");
        run();
        exit(0);
    }
}

// Read until @p wanted has come, or all when it is NULL.
static void
child_read(struct child *child, const char *wanted)
{
    while (wanted == NULL || strstr(child->text, wanted) == NULL) {
        ssize_t got =
            read(child->fd, child->text + child->size, sizeof(child->text) - 1 - child->size);

        if (got <= 0) { // EIO: the other side is closed
            assert_null(wanted);
            return;
        }
        child->size += (size_t)got;
    }
}

static int
child_end(struct child *child)
{
    int status;

    child_read(child, NULL);
    assert_int_equal(waitpid(child->pid, &status, 0), child->pid);
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

// A shell, as far as stopping goes: only a process group with a parent in its session is stopped.
static void
watch_over_another(void)
{
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        setpgid(0, 0);
        alarm(30);
        take_and_wait();
    }
    printf("pid %d.", (int)pid);
    fflush(stdout);
    while (waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status)) {
        printf("stopped.");
        fflush(stdout);
    }
}

static void
a_stopped_program_gives_the_cursor_back_until_it_goes_on(void **state)
{
    struct child child;

    (void)state;
    child_start(&child, "xterm", watch_over_another);
    child_read(&child, ".");
    pid_t pid = (pid_t)atoi(strstr(child.text, "pid ") + 4);
    child_read(&child, HIDE);
    for (unsigned round = 0; round < 2; round++) {
        assert_int_equal(kill(pid, SIGTSTP), 0);
        child_read(&child, "stopped.");
        assert_int_equal(count_of(child.text, SHOW), 1);
        child.size = 0;
        memset(child.text, 0, sizeof(child.text));
        assert_int_equal(kill(pid, SIGCONT), 0);
        child_read(&child, HIDE);
    }
    assert_int_equal(kill(pid, SIGTERM), 0);
    assert_int_equal(child_end(&child), 0);
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
