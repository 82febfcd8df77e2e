/* SPDX-License-Identifier: MIT */
// weir-top: shows what the loops of a running program do. See weir-top(1).

#include "attach.h"
#include "options.h"
#include "show.h"

#include "weir/base.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LIST_MAX 1024

static volatile sig_atomic_t is_asked_to_end;

static void
on_signal(int signal)
{
    (void)signal;
    is_asked_to_end = 1;
}

static int
list(void)
{
    static struct found found[LIST_MAX];
    int count = attach_list(found, LIST_MAX);

    if (count < 0) {
        fprintf(stderr, "weir-top: %s: %s\n", WEIR_PAGE_DIRECTORY, strerror(-count));
        return 1;
    }
    printf("%-8s  %s\n", "process", "name");
    for (int i = 0; i < count; i++) {
        printf("%-8lu  %s%s\n", found[i].process, found[i].name,
               found[i].is_alive ? "" : "  (has ended)");
    }
    return 0;
}

static void
wait_ns(uint64_t ns)
{
    struct timespec time = {.tv_sec = (time_t)(ns / UINT64_C(1000000000)),
                            .tv_nsec = (long)(ns % UINT64_C(1000000000))};

    while (!is_asked_to_end && nanosleep(&time, &time) < 0 && errno == EINTR) {
    }
}

static int
end_of(enum answer answer, const struct attached *attached)
{
    if (answer == SILENT) {
        fprintf(stderr, "weir-top: process %lu does not answer: is it stopped?\n",
                attached->found.process);
        return 1;
    }
    printf("weir-top: process %lu has ended\n", attached->found.process);
    return 0;
}

static enum answer
watch(const struct options *options, const struct attached *attached,
      struct weir_page_loop *loops[2])
{
    enum answer answer = ANSWERED;
    uint64_t last_ns = 0;

    for (uint64_t views = 0; !is_asked_to_end; views++) {
        uint64_t now_ns;

        answer = attach_ask(attached, loops[views % 2]);
        now_ns = weir_now_ns();
        if (answer != ANSWERED) {
            break;
        }
        if (views > 0) {
            show(&(struct view){.name = attached->found.name,
                                .process = attached->found.process,
                                .loop_count = attached->loop_count,
                                .before = loops[(views - 1) % 2],
                                .after = loops[views % 2],
                                .seconds = (double)(now_ns - last_ns) / 1e9,
                                .plain = options->plain});
            if (views == options->count) {
                break;
            }
        }
        last_ns = now_ns;
        wait_ns(options->interval_ns);
    }
    show_end(options->plain);
    return answer;
}

static int
run(const struct options *options, const struct attached *attached)
{
    struct weir_page_loop *loops[2] = {
        calloc(attached->loop_count, sizeof(struct weir_page_loop)),
        calloc(attached->loop_count, sizeof(struct weir_page_loop)),
    };
    int status = 1;

    if (loops[0] == NULL || loops[1] == NULL) {
        fputs("weir-top: out of memory\n", stderr);
    } else {
        enum answer answer = watch(options, attached, loops);

        status = answer == ANSWERED ? 0 : end_of(answer, attached);
    }
    free(loops[0]);
    free(loops[1]);
    return status;
}

int
main(int argc, char **argv)
{
    struct sigaction action = {.sa_handler = on_signal};
    struct attached attached;
    struct options options;

    options_parse(&options, argc, argv);
    if (options.list) {
        return list();
    }
    if (!attach(&attached, options.whom)) {
        return 1;
    }
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    return run(&options, &attached);
}
