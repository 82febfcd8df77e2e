/* SPDX-License-Identifier: MIT */
#include "terminal.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <unistd.h>

static const char hide_cursor[] = "\033[?25l";
static const char show_cursor[] = "\033[0m\033[?25h";

static const int deadly[] = {SIGINT,  SIGTERM, SIGHUP, SIGQUIT, SIGABRT,
                             SIGSEGV, SIGBUS,  SIGFPE, SIGILL,  SIGPIPE};

static atomic_int taken = -1; // the descriptor whose cursor is hidden; a handler may look at it

static bool
is_set(const char *name)
{
    const char *value = getenv(name);

    return value != NULL && value[0] != '\0';
}

// The first of the three that is set decides, as in setlocale().
static bool
locale_is_utf8(void)
{
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (is_set(names[i])) {
            const char *value = getenv(names[i]);

            return strcasestr(value, "utf-8") != NULL || strcasestr(value, "utf8") != NULL;
        }
    }
    return false;
}

struct terminal
terminal_find(FILE *to)
{
    struct terminal terminal = {.fd = fileno(to)};

    terminal.is_live = terminal.fd >= 0 && isatty(terminal.fd) == 1 && is_set("TERM") &&
                       strcmp(getenv("TERM"), "dumb") != 0;
    terminal.has_color = terminal.is_live && !is_set("NO_COLOR");
    terminal.is_utf8 = terminal.is_live && locale_is_utf8();
    return terminal;
}

static void
put(int fd, const char *text, size_t size)
{
    int before = errno;
    // Nothing can be done about a terminal that does not take it.
    ssize_t put = write(fd, text, size);

    (void)put;
    errno = before;
}

void
terminal_release(void)
{
    int fd = atomic_exchange(&taken, -1);

    if (fd >= 0) {
        put(fd, show_cursor, sizeof(show_cursor) - 1);
    }
}

// The signal comes again when this returns, and does what it does without a handler.
static void
die(int number)
{
    terminal_release();
    signal(number, SIG_DFL);
    raise(number);
}

static atomic_int stopped = -1;

static void
stop(int number)
{
    atomic_store(&stopped, atomic_load(&taken));
    die(number);
}

static void
handle(int number, void (*handler)(int))
{
    struct sigaction action, before;

    if (sigaction(number, NULL, &before) == 0 && !(before.sa_flags & SA_SIGINFO) &&
        before.sa_handler == SIG_DFL) {
        memset(&action, 0, sizeof(action));
        action.sa_handler = handler;
        action.sa_flags = SA_RESTART;
        sigfillset(&action.sa_mask); // one at a time
        sigaction(number, &action, NULL);
    }
}

static void
go_on(int number)
{
    int fd = atomic_exchange(&stopped, -1);

    (void)number;
    if (fd >= 0) {
        handle(SIGTSTP, stop);
        atomic_store(&taken, fd);
        put(fd, hide_cursor, sizeof(hide_cursor) - 1);
    }
}

void
terminal_take(const struct terminal *terminal)
{
    static atomic_bool is_registered;

    if (!terminal->is_live) {
        return;
    }
    atomic_store(&taken, terminal->fd);
    for (size_t i = 0; i < sizeof(deadly) / sizeof(deadly[0]); i++) {
        handle(deadly[i], die);
    }
    handle(SIGTSTP, stop);
    handle(SIGCONT, go_on);
    if (!atomic_exchange(&is_registered, true)) {
        atexit(terminal_release);
    }
    put(terminal->fd, hide_cursor, sizeof(hide_cursor) - 1);
}

void
terminal_size(const struct terminal *terminal, unsigned *ret_columns, unsigned *ret_rows)
{
    struct winsize size = {0};

    *ret_columns = 80;
    *ret_rows = 24;
    if (ioctl(terminal->fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 0) {
        *ret_columns = size.ws_col;
        *ret_rows = size.ws_row;
    }
}
