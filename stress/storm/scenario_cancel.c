/* SPDX-License-Identifier: MIT */
// cancel: every write is taken back, by its handle at once or later or from a strange thread, by a
// token, or by a deadline, with every tear policy. What arrives must be exactly what was not
// cancelled, and the exact beginnings of what was stopped midway.

#include "scenario.h"
#include "storm.h"

static const struct parameter parameters[] = {
    {"cancels", PARAMETER_COUNT, "0", 0, 1e18, NULL, "run until so many were made; 0: by time"},
    {"cancel-rate", PARAMETER_REAL, "1", 0, 1, NULL, "part of the messages that is cancelled"},
    {"connections", PARAMETER_COUNT, "64", 1, 20000, NULL, "connections, dialled again when torn"},
    {"producers", PARAMETER_COUNT, "4", 1, 256, NULL, "threads that write; each loop writes too"},
    {"receivers", PARAMETER_COUNT, "0", 0, 64, NULL, "receiving threads; 0: one per processor"},
    {"depth", PARAMETER_COUNT, "512", 1, 65536, NULL, "messages each writer keeps in flight"},
    {"size-max", PARAMETER_COUNT, "256k", 0, 268435456, NULL, "largest message; most are small"},
    {"transport", PARAMETER_CHOICE, "both", 0, 0, "tcp unix both", "kind of sockets"},
    {"close-rate", PARAMETER_REAL, "0", 0, 100000, NULL, "closes per second, in all modes"},
    {0},
};

static void
cancel_run(struct run *run)
{
    struct options options = storm_options_of(run);

    options.cancels = run_count(run, "cancels");
    options.size_max = (size_t)run_count(run, "size-max");
    options.cancel_rate = run_real(run, "cancel-rate");
    options.close_rate = run_real(run, "close-rate");
    storm_run(run, &options);
}

const struct scenario scenario_cancel = {
    .name = "cancel",
    .summary = "cancels by handle, token and deadline, in every state, with every tear policy",
    .parameters = parameters,
    .run = cancel_run,
};
