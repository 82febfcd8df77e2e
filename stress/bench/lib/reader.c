/* SPDX-License-Identifier: MIT */
#include "reader.h"

#include "fail.h"
#include "net.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define READER_NAME "bench-drain-epoll"

extern char **environ;

static void
find_program(char *ret_path, size_t size)
{
    ssize_t length = readlink("/proc/self/exe", ret_path, size);

    bench_require(length > 0 && (size_t)length < size, "/proc/self/exe");
    ret_path[length] = '\0';
    char *name = strrchr(ret_path, '/') + 1;
    bench_require(name + sizeof(READER_NAME) <= ret_path + size, READER_NAME);
    memcpy(name, READER_NAME, sizeof(READER_NAME));
}

static pid_t
spawn(char **argv, int listener, int result_fd)
{
    posix_spawn_file_actions_t actions;
    char program[PATH_MAX];
    pid_t pid;

    find_program(program, sizeof(program));
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, listener, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, result_fd, STDOUT_FILENO);
    errno = posix_spawn(&pid, program, &actions, NULL, argv, environ);
    bench_require(errno == 0, program);
    posix_spawn_file_actions_destroy(&actions);
    return pid;
}

struct bench_reader
bench_reader_open(uint64_t connections, uint64_t timeout_s)
{
    char connections_text[24];
    char timeout_text[24];
    char *argv[] = {READER_NAME, "--connections", connections_text,
                    "--timeout", timeout_text,    NULL};
    int listener = bench_listen();
    struct bench_reader reader = {.port = bench_local_port(listener)};
    int result[2];

    snprintf(connections_text, sizeof(connections_text), "%llu", (unsigned long long)connections);
    snprintf(timeout_text, sizeof(timeout_text), "%llu", (unsigned long long)timeout_s);
    bench_require(pipe2(result, O_CLOEXEC) == 0, "pipe2");
    reader.pid = spawn(argv, listener, result[1]);
    reader.result_fd = result[0];
    close(result[1]);
    close(listener);
    return reader;
}

uint64_t
bench_reader_close(struct bench_reader *reader)
{
    uint64_t bytes;
    int status;

    bench_read_all(reader->result_fd, &bytes, sizeof(bytes));
    close(reader->result_fd);
    bench_require(waitpid(reader->pid, &status, 0) == reader->pid, "waitpid");
    errno = 0;
    bench_require(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the reader failed");
    return bytes;
}
