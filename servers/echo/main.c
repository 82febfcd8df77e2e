/* SPDX-License-Identifier: MIT */
// weir-echo: sends back every byte that arrives. See weir-echo(1).

#include "echo.h"
#include "options.h"

#include "common/ports.h"
#include "common/program.h"

#include "weir/weir.h"

#include <errno.h>
#include <inttypes.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STOP_NS (UINT64_C(5) * 1000 * 1000 * 1000)

const char program_name[] = "weir-echo";

static sem_t is_asked_to_stop;

static void
on_signal(weir_watch watch, int signal, void *arg)
{
    (void)watch;
    (void)arg;
    if (signal != 0) {
        sem_post(&is_asked_to_stop);
    }
}

static bool
listen_on(struct weir_runtime *runtime, const struct place *place, const struct options *options,
          struct weir_address *ret_bound)
{
    struct weir_listen request = {.backlog = 0};
    char text[WEIR_ENDPOINT_TEXT_SIZE];
    weir_listener listener;

    echo_prepare(&request);
    if (!ports_listen(runtime, &request, place, options->reuseport, &listener, ret_bound)) {
        return false;
    }
    weir_address_format(ret_bound, text, sizeof(text));
    printf("weir-echo: listening on %s\n", text);
    return true;
}

static bool
listen_on_all(struct weir_runtime *runtime, const struct options *options)
{
    unsigned port = 0;

    for (unsigned i = 0; i < options->listen_count; i++) {
        struct weir_address bound;

        if (!listen_on(runtime, &options->listen[i], options, &bound)) {
            return false;
        }
        if (port == 0) {
            port = weir_address_port(&bound);
        }
    }
    fflush(stdout);
    return ports_write(options->port_file, &port, 1);
}

static void
print_stats(struct weir_runtime *runtime)
{
    struct weir_stats stats;

    if (weir_stats(runtime, &stats) != 0) {
        return;
    }
    printf("streams   %" PRIu64 " opened, %" PRIu64 " closed\n", stats.streams_opened,
           stats.streams_closed);
    printf("bytes     %" PRIu64 " received, %" PRIu64 " sent\n", stats.bytes_received,
           stats.bytes_sent);
    printf("writes    %" PRIu64 " accepted, %" PRIu64 " completed\n", stats.operations_accepted,
           stats.operations_completed);
    printf("calls     %" PRIu64 " reads, %" PRIu64 " sends, %" PRIu64 " waits, %" PRIu64
           " accepts, %" PRIu64 " polls\n",
           stats.system_reads, stats.system_sends, stats.system_waits, stats.system_accepts,
           stats.system_polls);
    printf("loops     %" PRIu64 " turns, %" PRIu64 " sleeps, %" PRIu64 " wakes\n", stats.turns,
           stats.sleeps, stats.wakes);
    printf("blocked   %" PRIu64 " times, %.3f s\n", stats.blocked, (double)stats.blocked_ns / 1e9);
    printf("refused   %" PRIu64 " for a full stream\n", stats.refused[WEIR_REFUSED_STREAM]);
}

// Listen, and wait to be asked to stop. True: it served.
static bool
serve(struct weir_runtime *runtime, const struct options *options)
{
    static const int signals[] = {SIGINT, SIGTERM};
    weir_watch watch;
    int status =
        weir_signal_start(weir_runtime_loop(runtime, 0), signals, 2, on_signal, NULL, &watch);

    if (status == 0) {
        status = weir_dump_on_signal(runtime, SIGUSR1, program_print, NULL, &watch);
    }
    if (status != 0) {
        complain("cannot receive signals: %s", weir_strerror(status));
        return false;
    }
    if (!listen_on_all(runtime, options)) {
        return false;
    }
    do {
        status = sem_wait(&is_asked_to_stop);
    } while (status != 0 && errno == EINTR);
    return true;
}

int
main(int argc, char **argv)
{
    struct options options;
    struct weir_runtime_options runtime_options = {.log = program_log};
    struct weir_runtime *runtime;
    int status;

    options_parse(&options, argc, argv);
    runtime_options.loops = options.loops;
    runtime_options.flags = options.pin ? WEIR_PIN : 0;
    runtime_options.stats_name = options.show;
    runtime_options.stall_ns = options.stall_ms * UINT64_C(1000000);
    sem_init(&is_asked_to_stop, 0, 0);
    program_raise_descriptors();
    status = weir_runtime_create(&runtime_options, &runtime);
    if (status != 0) {
        complain("cannot start: %s", weir_strerror(status));
        return 1;
    }
    bool has_served = serve(runtime, &options);
    status = weir_runtime_stop(runtime, weir_deadline_after(STOP_NS));
    if (status != 0) {
        complain("cannot stop: %s", weir_strerror(status));
        return 1;
    }
    if (options.stats && has_served) {
        print_stats(runtime);
    }
    weir_runtime_free(runtime);
    options_free(&options);
    return has_served ? 0 : 1;
}
