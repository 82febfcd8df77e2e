/* SPDX-License-Identifier: MIT */
#ifndef STORM_COMMAND_H
#define STORM_COMMAND_H

// The command line: which scenario, with which parameters, against what.

#include "scenario.h"

struct command {
    const struct scenario *scenario;
    struct run run;
    const char *report; // where a page goes; NULL: nowhere
    bool json;
    bool quiet;
    bool strict_time;
};

// Ends the program with status 0 on --help and --list, and with 2 on what it does not understand.
void command_parse(struct command *ret_command, int argc, char **argv);

// Say what is wrong with the command line, and end the program with status 2.
_Noreturn void command_refuse(const char *what, const char *value);

#endif /* STORM_COMMAND_H */
