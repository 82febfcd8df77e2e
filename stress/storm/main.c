/* SPDX-License-Identifier: MIT */
// weir-storm: tries to break what weir claims, and says whether it could. See weir-storm(1).

#include "command.h"
#include "json.h"
#include "machine.h"
#include "report_command.h"
#include "run_report.h"
#include "sampler.h"
#include "terminal.h"
#include "text.h"
#include "verdict.h"
#include "view.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void
add_params(const struct run *run)
{
    char seed[32];

    for (size_t i = 0; i < run->value_count; i++) {
        const struct parameter_value *value = &run->values[i];
        bool is_seed = strcmp(value->parameter->name, "seed") == 0;
        bool is_server = strcmp(value->parameter->name, "server") == 0;

        snprintf(seed, sizeof(seed), "%" PRIu64, run->seed);
        result_add_param(run->result, value->parameter->name,
                         is_seed                                      ? seed
                         : is_server && run->server == SERVER_ADDRESS ? run->address_text
                                                                      : value->text);
    }
}

// False, with a message: it could not be written.
static bool
save_report(const struct command *command, const struct result *result,
            const struct machine *machine)
{
    struct run_report report = {.title = result->scenario,
                                .result = result,
                                .machine = machine,
                                .strict_time = command->strict_time};
    int status = run_report_save(command->report, &report);

    if (status != 0) {
        fprintf(stderr, "weir-storm: %s: %s\n", command->report, strerror(-status));
    }
    return status == 0;
}

// Who shows the run while it goes on: a drawing where there is a terminal for it, else lines.
static void
choose_view(struct run *run, struct view *view, struct text_progress *progress)
{
    struct terminal terminal = terminal_find(stdout);

    run->view = terminal.is_live ? view_look : text_progress;
    run->view_arg = terminal.is_live ? (void *)view : (void *)progress;
    view_init(view, &terminal);
}

int
main(int argc, char **argv)
{
    static struct command command;
    static struct text_progress progress;
    static struct view view;
    struct machine machine;
    struct result result;

    if (argc > 1 && strcmp(argv[1], "report") == 0) {
        return report_command(argc - 1, argv + 1);
    }
    command_parse(&command, argc, argv);
    struct run *run = &command.run;
    machine_read(&machine); // before the run is a load of its own
    result_init(&result, run->scenario->name, run->scenario->summary, run->seed);
    run->result = &result;
    add_params(run);
    if (!command.json) {
        printf("%s, seed %" PRIu64 "\n", run->scenario->name, run->seed);
        fflush(stdout);
    }
    if (!command.quiet) {
        choose_view(run, &view, &progress);
    }
    verdict_create();
    run->scenario->run(run);
    terminal_release();
    result_put_latency_last(&result, SAMPLER_WIRE);
    result_add_claim(&result, CLAIM_CORRECTNESS, !storm_is_broken(),
                     "nothing that was looked at was wrong", "%s", storm_first_broken());
    if (command.json) {
        json_write(stdout, &result, &machine, command.strict_time);
    } else {
        text_write(&result, command.strict_time);
    }
    int status = result_held(&result, command.strict_time) ? 0 : 1;
    if (command.report != NULL && !save_report(&command, &result, &machine) && status == 0) {
        status = 2;
    }
    result_free(&result);
    return status;
}
