/* SPDX-License-Identifier: MIT */
#include "storm_options.h"

#include "scenario.h"

struct options
storm_options_of(const struct run *run)
{
    return (struct options){
        .seconds = run->seconds,
        .seed = run->seed,
        .connections = (unsigned)run_count(run, "connections"),
        .producers = (unsigned)run_count(run, "producers"),
        .loops = (unsigned)run_count(run, "loops"),
        .receivers = (unsigned)run_count(run, "receivers"),
        .depth = (unsigned)run_count(run, "depth"),
        .transport = (enum transport)(run_choice(run, "transport") + TRANSPORT_TCP),
        .is_in_process = run->server == SERVER_PROCESS,
    };
}
