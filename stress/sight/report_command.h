/* SPDX-License-Identifier: MIT */
#ifndef SIGHT_REPORT_COMMAND_H
#define SIGHT_REPORT_COMMAND_H

// weir-storm report: draws what weir-storm, stress/bench/run and stress/bench/count have written
// as JSON.

// @p argv[0] is the word "report". The exit status: 0, or 2 with a message on standard error.
int report_command(int argc, char **argv);

#endif /* SIGHT_REPORT_COMMAND_H */
