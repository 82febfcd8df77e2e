/* SPDX-License-Identifier: MIT */
#include "server.h"

#include "clock.h"
#include "fail.h"
#include "net.h"
#include "options.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

// Beside connections: listener, epoll, event descriptors, standard streams.
#define OTHER_FILES_MAX 64

static const char *port_file;
static uint64_t buffer_size = 4096;

__attribute__((noreturn)) static void *
stay_idle(void *arg)
{
    (void)arg;
    while (true) {
        pause();
    }
}

// The C library's system calls do less in a process that never had a second thread. A server for
// many cores always has: so that all are measured alike, each gets one here, which never runs.
static void
start_idle_thread(void)
{
    pthread_t thread;
    sigset_t all;
    sigset_t before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    errno = pthread_create(&thread, NULL, stay_idle, NULL);
    bench_require(errno == 0, "pthread_create");
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static unsigned
style_index(const char *name, const char *const *styles)
{
    unsigned index = 0;

    while (styles[index] != NULL && strcmp(styles[index], name) != 0) {
        index++;
    }
    errno = 0;
    bench_require(styles[index] != NULL, "no such style");
    return index;
}

void
bench_server_begin(int argc, char **argv)
{
    static const char *const styles[] = {"only", NULL};

    bench_server_begin_styled(argc, argv, styles);
}

unsigned
bench_server_begin_styled(int argc, char **argv, const char *const *styles)
{
    const char *style = styles[0];
    uint64_t timeout_s = 600;
    const struct bench_option options[] = {
        {"port-file", BENCH_OPTION_TEXT, &port_file, "write the port to this file (required)"},
        {"buffer", BENCH_OPTION_COUNT, &buffer_size,
         "bytes of a connection's own buffer, where it has one"},
        {"style", BENCH_OPTION_TEXT, &style, "how it is written"},
        {"timeout", BENCH_OPTION_COUNT, &timeout_s, "end after so many seconds in any case"},
    };

    bench_options_parse(argc, argv,
                        "echo server on 127.0.0.1, one loop; serves until SIGTERM, "
                        "then prints its CPU seconds as a JSON line",
                        options, sizeof(options) / sizeof(options[0]));
    unsigned index = style_index(style, styles);
    errno = 0;
    bench_require(port_file != NULL, "--port-file is required");
    bench_require(buffer_size > 0, "--buffer must not be 0");
    bench_end_within((unsigned)timeout_s);
    bench_allow_files(BENCH_SERVER_CONNECTIONS_MAX + OTHER_FILES_MAX);
    signal(SIGPIPE, SIG_IGN);
    start_idle_thread();
    return index;
}

size_t
bench_server_buffer_size(void)
{
    return buffer_size;
}

void
bench_server_ready(uint16_t port)
{
    char unfinished[PATH_MAX];
    int length = snprintf(unfinished, sizeof(unfinished), "%s.part", port_file);

    bench_require(length > 0 && (size_t)length < sizeof(unfinished), "name of the port file");
    FILE *file = fopen(unfinished, "w");
    bench_require(file != NULL, unfinished);
    bench_require(fprintf(file, "%u\n", port) > 0 && fclose(file) == 0, unfinished);
    bench_require(rename(unfinished, port_file) == 0, port_file);
}

int
bench_server_term_fd(void)
{
    sigset_t signals;

    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    bench_require(sigprocmask(SIG_BLOCK, &signals, NULL) == 0, "sigprocmask");
    int fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    bench_require(fd >= 0, "signalfd");
    return fd;
}

void
bench_server_report(void)
{
    struct bench_cpu cpu = bench_cpu_used();

    printf("{\"user_s\": %.6f, \"sys_s\": %.6f}\n", cpu.user_s, cpu.sys_s);
    fflush(stdout);
}
