/* SPDX-License-Identifier: MIT */
// weir-storm: tries to break what weir claims, and says whether it could. See weir-storm(1).

#include "echo.h"
#include "options.h"
#include "record.h"
#include "storm.h"
#include "verdict.h"

#include <inttypes.h>
#include <stdio.h>

int
main(int argc, char **argv)
{
    struct options options;

    options_parse(&options, argc, argv);
    if (!options.json) {
        printf("seed %" PRIu64 ", %u connections\n", options.seed, options.connections);
        fflush(stdout);
    }
    verdict_create();
    pattern_create(options.seed, options.size_max);
    return options.has_address ? echo_run(&options) : storm_run(&options);
}
