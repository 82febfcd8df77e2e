/* SPDX-License-Identifier: MIT */
// xthread: threads write to connections that live on loops, as any program would: copied bytes, a
// completion for each write, a bound on what each thread has in flight.

#include "scenario.h"
#include "storm.h"

static const struct parameter parameters[] = {
    {"messages", PARAMETER_COUNT, "0", 0, 1e18, NULL, "end after so many, if sooner; 0: no limit"},
    {"connections", PARAMETER_COUNT, "64", 1, 20000, NULL, "connections written to by all threads"},
    {"producers", PARAMETER_COUNT, "4", 1, 256, NULL, "threads that write"},
    {"receivers", PARAMETER_COUNT, "0", 0, 64, NULL, "receiving threads; 0: one per processor"},
    {"depth", PARAMETER_COUNT, "256", 1, 65536, NULL, "messages each thread keeps in flight"},
    {"size", PARAMETER_COUNT, "64", 40, 268435456, NULL, "bytes of a message, 40 of them its head"},
    {"transport", PARAMETER_CHOICE, "tcp", 0, 0, "tcp unix both", "kind of sockets"},
    {0},
};

static void
xthread_run(struct run *run)
{
    struct options options = storm_options_of(run);

    options.messages = run_count(run, "messages");
    options.size_max = (size_t)run_count(run, "size") - sizeof(struct record);
    options.is_plain = true;
    storm_run(run, &options);
}

const struct scenario scenario_xthread = {
    .name = "xthread",
    .summary = "writes from many threads to connections on many loops, each with its completion",
    .parameters = parameters,
    .run = xthread_run,
};
