/* SPDX-License-Identifier: MIT */
// chaos: everything at once. Many threads and the loops write random messages with every kind of
// memory, flag, level and tear policy to connections they do not own, while others cancel those
// writes and close the connections.

#include "scenario.h"
#include "storm.h"

static const struct parameter parameters[] = {
    {"seconds", PARAMETER_REAL, "8", 0, 1e7, NULL, "how long it writes"},
    {"messages", PARAMETER_COUNT, "0", 0, 1e18, NULL, "end after so many, if sooner; 0: no limit"},
    {"connections", PARAMETER_COUNT, "64", 1, 20000, NULL,
     "connections, dialled again when closed"},
    {"producers", PARAMETER_COUNT, "4", 1, 256, NULL, "threads that write; each loop writes too"},
    {"receivers", PARAMETER_COUNT, "0", 0, 64, NULL, "receiving threads; 0: one per processor"},
    {"depth", PARAMETER_COUNT, "512", 1, 65536, NULL, "messages each writer keeps in flight"},
    {"size-max", PARAMETER_COUNT, "1m", 0, 268435456, NULL, "largest message; most are small"},
    {"transport", PARAMETER_CHOICE, "both", 0, 0, "tcp unix both", "kind of sockets"},
    {"cancel-rate", PARAMETER_REAL, "0.05", 0, 1, NULL, "part of the messages that is cancelled"},
    {"close-rate", PARAMETER_REAL, "20", 0, 100000, NULL, "closes per second, in all modes"},
    {"priority", PARAMETER_FLAG, "no", 0, 0, NULL, "some messages pass others"},
    {0},
};

static void
chaos_run(struct run *run)
{
    struct options options = storm_options_of(run);

    options.messages = run_count(run, "messages");
    options.size_max = (size_t)run_count(run, "size-max");
    options.cancel_rate = run_real(run, "cancel-rate");
    options.close_rate = run_real(run, "close-rate");
    options.priority = run_flag(run, "priority");
    storm_run(run, &options);
}

const struct scenario scenario_chaos = {
    .name = "chaos",
    .summary = "everything at once: writes of every kind, cancels and closes, from many threads",
    .parameters = parameters,
    .run = chaos_run,
};
