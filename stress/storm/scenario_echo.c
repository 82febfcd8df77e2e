/* SPDX-License-Identifier: MIT */
// echo: clients that send messages and verify what comes back. Closed loop: each keeps so many out.
// Open loop: messages are due at a fixed rate, and their latency counts from then, not from when
// there was room to send them; so a server that stalls is seen to stall.

#include "crowd_result.h"
#include "house_echo.h"
#include "scenario.h"

#include <stdlib.h>

static const struct parameter parameters[] = {
    {"connections", PARAMETER_COUNT, "64", 1, 1000000, NULL, "clients"},
    {"depth", PARAMETER_COUNT, "1", 1, 65536, NULL, "messages each client keeps out; closed loop"},
    {"rate", PARAMETER_REAL, "0", 0, 1e9, NULL, "messages per second in all; 0: closed loop"},
    {"size", PARAMETER_COUNT, "64", 40, 67108864, NULL, "bytes of a message, 40 of them its head"},
    {"mixed", PARAMETER_FLAG, "no", 0, 0, NULL, "messages of 40 bytes to the size, most small"},
    {"threads", PARAMETER_COUNT, "0", 0, 16, NULL, "threads of the clients; 0: one per processor"},
    {"transport", PARAMETER_CHOICE, "tcp", 0, 0, "tcp unix", "kind of sockets"},
    {0},
};

static void
echo_run(struct run *run)
{
    const size_t size = (size_t)run_count(run, "size");
    const struct crowd_plan plan = {
        .groups[0] =
            {
                .clients = (unsigned)run_count(run, "connections"),
                .begins = CROWD_FIRST_RUN,
                .sends = true,
                .is_echo = true,
                .depth = (unsigned)run_count(run, "depth"),
                .rate = run_real(run, "rate"),
                .size = size,
                .size_min = run_flag(run, "mixed") ? sizeof(struct record) : 0,
                .mostly_small = true,
            },
        .group_count = 1,
        .threads = (unsigned)run_count(run, "threads"),
        .seed = run->seed,
    };
    struct house *house = calloc(1, sizeof(*house));
    struct crowd crowd;
    struct span span;

    pattern_create(run->seed, size);
    crowd_start(&crowd, &plan, run->server);
    house_start(house, run, &crowd, &(struct weir_runtime_options){0});
    if (run->server != SERVER_ADDRESS) {
        house_echo_start(house, (enum house_transport)run_choice(run, "transport"),
                         HOUSE_ECHO_QUEUE_HIGH, NULL, NULL);
    }
    house_gather(house, run, crowd.client_count);
    crowd_enter(&crowd, CROWD_FIRST_RUN);
    span_begin(&span, &crowd);
    house_wait(house, run->seconds);
    span_end(&span, &crowd);
    house_dismiss(house);
    house_stop(house, run->result);
    run->result->seconds = span.seconds;
    crowd_result_rates(run->result, &crowd, &span);
    if (plan.groups[0].rate > 0) {
        result_add_figure(run->result, "due and not sent at the end", (double)crowd_unsent(&crowd),
                          "");
    }
    crowd_result_latency(run->result, &crowd, 0, 0, "round trip");
    crowd_result_stats(run->result, house, &crowd);
    crowd_claim_echoes(run->result, &crowd);
    crowd_free(&crowd);
    free(house);
}

const struct scenario scenario_echo = {
    .name = "echo",
    .summary = "round trips, closed loop, pipelined, or open loop at a fixed rate",
    .parameters = parameters,
    .takes_address = true,
    .run = echo_run,
};
