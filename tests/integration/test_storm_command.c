// with: stormlib
// SPDX-License-Identifier: MIT
//
// The command line of weir-storm: what it accepts, what it refuses with status 2, and that every
// scenario's table is sound.
#include "tests/lib/fixture.h"

#include "command.h"

#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARGUMENTS_MAX 8

static int
count_of(char **arguments)
{
    int count = 0;

    while (arguments[count] != NULL) {
        count++;
    }
    return count;
}

// How the program would end if it had parsed this; 100: it would run.
static int
status_of(const char *const *words)
{
    char *arguments[ARGUMENTS_MAX + 2] = {"weir-storm"};
    pid_t child;
    int status;

    for (int i = 0; i < ARGUMENTS_MAX && words[i] != NULL; i++) {
        arguments[i + 1] = (char *)(uintptr_t)words[i];
    }
    fflush(NULL);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct command command;
        int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);

        dup2(nowhere, STDOUT_FILENO);
        dup2(nowhere, STDERR_FILENO);
        command_parse(&command, count_of(arguments), arguments);
        _exit(100);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void
help_and_list_end_well(void **state)
{
    static const char *const lines[][ARGUMENTS_MAX] = {
        {"--help"}, {"--list"}, {"echo", "--help"}, {"ceiling", "--help"}};

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        assert_int_equal(status_of(lines[i]), 0);
    }
}

static void
what_is_not_understood_ends_with_2(void **state)
{
    static const char *const lines[][ARGUMENTS_MAX] = {
        {"no-such-scenario"},
        {"--no-such-option"},
        {"echo", "--seconds"},
        {"echo", "--seconds", "soon"},
        {"echo", "--seconds", "-1"},
        {"echo", "--size", "39"},
        {"echo", "--size", "64x"},
        {"echo", "--connections", "99999999999999999999"},
        {"echo", "--transport", "pigeon"},
        {"echo", "tcp://127.0.0.1:0"},
        {"echo", "tcp://127.0.0.1:65536"},
        {"echo", "tcp://no where:80"},
        {"echo", "tcp:127.0.0.1:80"},
        {"echo", "tcp://*:80"},
        {"echo", "hybrid:/x:80"},
        {"echo", "unix:"},
        {"echo", "tcp://127.0.0.1:80", "tcp://127.0.0.1:81"},
        {"chaos", "tcp://127.0.0.1:80"},
        {"tcp://127.0.0.1:80"},
        {"bulk", "--cancel-rate", "0.1"},
        {"chaos", "--cancel-rate", "1.1"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        if (status_of(lines[i]) != 2) {
            fail_msg("%s %s was accepted", lines[i][0], lines[i][1] != NULL ? lines[i][1] : "");
        }
    }
}

static void
parse(struct command *ret_command, char **arguments)
{
    command_parse(ret_command, count_of(arguments), arguments);
}

static void
nothing_said_means_chaos_in_two_processes(void **state)
{
    struct command command;
    char *arguments[] = {"weir-storm", NULL};

    (void)state;
    parse(&command, arguments);
    assert_string_equal(command.scenario->name, "chaos");
    assert_int_equal(command.run.server, SERVER_FORK);
    assert_false(command.json || command.quiet || command.strict_time);
}

static void
values_are_those_that_were_given(void **state)
{
    struct command command;
    char *arguments[] = {"weir-storm", "echo",       "--size=4k", "--rate",  "2.5e3",
                         "--json",     "--seed",     "77",        "--mixed", "--transport",
                         "unix",       "unix:@name", NULL};

    (void)state;
    parse(&command, arguments);
    assert_int_equal(run_count(&command.run, "size"), 4096);
    assert_true(run_real(&command.run, "rate") == 2500);
    assert_int_equal(run_choice(&command.run, "transport"), 1);
    assert_true(run_flag(&command.run, "mixed"));
    assert_int_equal(command.run.seed, 77);
    assert_int_equal(command.run.server, SERVER_ADDRESS);
    assert_true(command.json && command.quiet);
}

static void
each_run_has_a_seed_of_its_own(void **state)
{
    struct command first;
    struct command second;
    char *arguments[] = {"weir-storm", NULL};

    (void)state;
    parse(&first, arguments);
    parse(&second, arguments);
    assert_true(first.run.seed != second.run.seed);
}

// Parsing takes each default as if it had been written; what is out of range would end this test.
static void
every_scenario_accepts_its_defaults(void **state)
{
    (void)state;
    for (size_t i = 0; storm_scenarios[i] != NULL; i++) {
        struct command command;
        char *arguments[] = {"weir-storm", (char *)(uintptr_t)storm_scenarios[i]->name, NULL};

        parse(&command, arguments);
        assert_ptr_equal(command.scenario, storm_scenarios[i]);
        assert_ptr_equal(scenario_find(storm_scenarios[i]->name), storm_scenarios[i]);
        assert_true(command.run.seconds > 0);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(help_and_list_end_well),
        cmocka_unit_test(what_is_not_understood_ends_with_2),
        cmocka_unit_test(nothing_said_means_chaos_in_two_processes),
        cmocka_unit_test(values_are_those_that_were_given),
        cmocka_unit_test(each_run_has_a_seed_of_its_own),
        cmocka_unit_test(every_scenario_accepts_its_defaults),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
