/* SPDX-License-Identifier: MIT */
#include "command.h"

#include "random.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define DEFAULT_SCENARIO "chaos"

enum option_value {
    OPTION_HELP = 256, // above '?', which is what getopt_long() does not know
    OPTION_LIST,
    OPTION_REPORT,
    OPTION_PARAMETER, // this and above: the index of a parameter
};

// Those that every scenario has. A scenario's own parameter of the same name replaces one.
static const struct parameter common[] = {
    {.name = "seconds",
     .kind = PARAMETER_REAL,
     .fallback = "4",
     .max = 1e7,
     .help = "how long it runs"},
    {.name = "seed",
     .kind = PARAMETER_COUNT,
     .fallback = "random",
     .max = 1.8e19,
     .help = "repeat a run's choices; printed first"},
    {.name = "loops",
     .kind = PARAMETER_COUNT,
     .fallback = "0",
     .max = 64,
     .help = "weir's loops; 0: one per processor"},
    {.name = "server",
     .kind = PARAMETER_CHOICE,
     .fallback = "fork",
     .words = "process fork",
     .help = "weir and the plain sockets that judge it in one process or in two"},
    {.name = "strict-time",
     .kind = PARAMETER_FLAG,
     .fallback = "no",
     .help = "a claim about time that is missed fails the run as well"},
    {.name = "json",
     .kind = PARAMETER_FLAG,
     .fallback = "no",
     .help = "the result as one line of JSON, nothing else on standard output"},
    {.name = "quiet", .kind = PARAMETER_FLAG, .fallback = "no", .help = "no progress lines"},
    {.name = NULL},
};

_Noreturn void
command_refuse(const char *what, const char *value)
{
    fprintf(stderr, "weir-storm: %s: %s\nTry: weir-storm --help\n", what, value);
    exit(2);
}

static bool
names_parameter(const struct parameter *table, const char *name)
{
    for (size_t i = 0; table[i].name != NULL; i++) {
        if (strcmp(table[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

// --- Help ----------------------------------------------------------------------------------------

static void
print_list(void)
{
    for (size_t i = 0; storm_scenarios[i] != NULL; i++) {
        printf("  %-10s %s\n", storm_scenarios[i]->name, storm_scenarios[i]->summary);
    }
}

static void
print_parameter(const struct parameter *parameter)
{
    static const char *const arguments[] = {[PARAMETER_COUNT] = " N",
                                            [PARAMETER_REAL] = " X",
                                            [PARAMETER_CHOICE] = " WORD",
                                            [PARAMETER_FLAG] = ""};
    char name[64];

    snprintf(name, sizeof(name), "--%s%s", parameter->name, arguments[parameter->kind]);
    printf("  %-18s %s", name, parameter->help);
    if (parameter->kind == PARAMETER_CHOICE) {
        printf(" (%s)", parameter->words);
    }
    if (parameter->kind != PARAMETER_FLAG) {
        printf("; default %s", parameter->fallback);
    }
    printf("\n");
}

static void
print_scenario_help(const struct scenario *scenario)
{
    printf("Usage: weir-storm %s [OPTION]...%s\n%s.\n\n", scenario->name,
           scenario->takes_address ? " [ADDRESS]" : "", scenario->summary);
    for (size_t i = 0; scenario->parameters[i].name != NULL; i++) {
        print_parameter(&scenario->parameters[i]);
    }
    printf("\nOf every scenario:\n");
    for (size_t i = 0; common[i].name != NULL; i++) {
        if (!names_parameter(scenario->parameters, common[i].name)) {
            print_parameter(&common[i]);
        }
    }
    if (scenario->takes_address) {
        printf("\nADDRESS is that of an echo server: tcp://HOST:PORT or unix:PATH.\n");
    }
}

static void
print_help(void)
{
    printf("Usage: weir-storm [SCENARIO] [OPTION]... [ADDRESS]\n"
           "Tries to break what weir claims. Every byte, every order and every completion is\n"
           "verified by plain sockets. Without a scenario: " DEFAULT_SCENARIO ".\n\n");
    print_list();
    printf("  %-10s %s\n", "report",
           "draws what was written with --json; weir-storm report --help");
    printf("\n  --report FILE      write a page with plots of the run there, as HTML\n"
           "  --list             the scenarios\n"
           "  --help             this text; behind a scenario, its parameters\n\n"
           "Exit status 0: all claims held; 1: one broke; 2: wrong usage, or no room to test.\n");
}

// --- Values --------------------------------------------------------------------------------------

static uint64_t
fresh_seed(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return random_mix((uint64_t)now.tv_nsec ^ ((uint64_t)now.tv_sec << 30) ^
                      (uint64_t)getpid() << 48) >>
           24;
}

static uint64_t
parse_count(const struct parameter *parameter, const char *text)
{
    char *end;

    if (strcmp(text, "random") == 0 && strcmp(parameter->fallback, "random") == 0) {
        return fresh_seed();
    }
    errno = 0;
    unsigned long long count = strtoull(text, &end, 0);
    unsigned long long scale = *end == 'k' ? 1024 : *end == 'm' ? 1024 * 1024 : 1;
    if (*text < '0' || *text > '9' || errno != 0) {
        command_refuse("not a number", text);
    }
    end += scale != 1;
    if (*end != '\0' || count > UINT64_MAX / scale || (double)(count * scale) < parameter->min ||
        (double)(count * scale) > parameter->max) {
        command_refuse("out of range", text);
    }
    return count * scale;
}

static double
parse_real(const struct parameter *parameter, const char *text)
{
    char *end;
    double value = strtod(text, &end);

    if (end == text || *end != '\0' || !isfinite(value) || value < parameter->min ||
        value > parameter->max) {
        command_refuse("not a number in range", text);
    }
    return value;
}

static unsigned
parse_choice(const struct parameter *parameter, const char *text)
{
    const char *word = parameter->words;

    for (unsigned i = 0; *word != '\0'; i++) {
        size_t size = strcspn(word, " ");

        if (strlen(text) == size && strncmp(word, text, size) == 0) {
            return i;
        }
        word += size + (word[size] == ' ');
    }
    fprintf(stderr, "weir-storm: --%s is one of: %s\n", parameter->name, parameter->words);
    exit(2);
}

static void
set_value(struct parameter_value *value, const char *text)
{
    value->text = text;
    switch (value->parameter->kind) {
    case PARAMETER_COUNT:
        value->count = parse_count(value->parameter, text);
        break;
    case PARAMETER_REAL:
        value->real = parse_real(value->parameter, text);
        break;
    case PARAMETER_CHOICE:
        value->choice = parse_choice(value->parameter, text);
        break;
    case PARAMETER_FLAG:
        value->flag = strcmp(text, "yes") == 0;
        break;
    }
}

static void
add_parameters(struct run *run, const struct parameter *table, const struct parameter *replaced_by)
{
    for (size_t i = 0; table[i].name != NULL; i++) {
        if (replaced_by != NULL && names_parameter(replaced_by, table[i].name)) {
            continue;
        }
        if (run->value_count == PARAMETERS_MAX) {
            command_refuse("too many parameters", table[i].name);
        }
        struct parameter_value *value = &run->values[run->value_count++];
        value->parameter = &table[i];
        set_value(value, table[i].fallback);
    }
}

// The crowd connects to one address: the first that the name has.
static bool
find_host(struct weir_endpoint *endpoint)
{
    const struct addrinfo wanted = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    char port[sizeof("65535")];

    snprintf(port, sizeof(port), "%u", endpoint->port);
    if (getaddrinfo(endpoint->host, port, &wanted, &found) != 0) {
        return false;
    }
    endpoint->kind = WEIR_ENDPOINT_ADDRESS;
    endpoint->address.size = found->ai_addrlen;
    memcpy(&endpoint->address.as, found->ai_addr, found->ai_addrlen);
    freeaddrinfo(found);
    return true;
}

static void
parse_address(struct run *run, const char *text)
{
    struct weir_endpoint endpoint;
    struct weir_parse_error error;
    char lines[WEIR_PARSE_ERROR_TEXT_SIZE];

    if (weir_endpoint_parse(&endpoint, text, &error) != 0) {
        weir_parse_error_format(&error, text, lines, sizeof(lines));
        fprintf(stderr, "weir-storm: not an address:\n%s\nTry: weir-storm --help\n", lines);
        exit(2);
    }
    if (endpoint.kind == WEIR_ENDPOINT_NAME && !find_host(&endpoint)) {
        command_refuse("no such host", text);
    }
    if (endpoint.kind != WEIR_ENDPOINT_ADDRESS) {
        command_refuse("not an address to connect to", text);
    }
    if (endpoint.address.as.any.sa_family != AF_UNIX && weir_address_port(&endpoint.address) == 0) {
        command_refuse("not a port to connect to", text);
    }
    run->address = endpoint.address;
    run->address_text = text;
    run->server = SERVER_ADDRESS;
}

// --- The whole -----------------------------------------------------------------------------------

static void
make_options(const struct run *run, struct option *options)
{
    size_t count = 0;

    options[count++] = (struct option){"help", no_argument, NULL, OPTION_HELP};
    options[count++] = (struct option){"list", no_argument, NULL, OPTION_LIST};
    options[count++] = (struct option){"report", required_argument, NULL, OPTION_REPORT};
    for (size_t i = 0; i < run->value_count; i++) {
        const struct parameter *parameter = run->values[i].parameter;
        int argument = parameter->kind == PARAMETER_FLAG ? no_argument : required_argument;

        options[count++] =
            (struct option){parameter->name, argument, NULL, OPTION_PARAMETER + (int)i};
    }
    options[count] = (struct option){NULL, 0, NULL, 0};
}

static void
take_option(struct command *command, int option, bool names_scenario)
{
    if (option == OPTION_HELP) {
        if (names_scenario) {
            print_scenario_help(command->scenario);
        } else {
            print_help();
        }
        exit(0);
    }
    if (option == OPTION_LIST) {
        print_list();
        exit(0);
    }
    if (option == OPTION_REPORT) {
        command->report = optarg;
        return;
    }
    if (option < OPTION_PARAMETER) {
        fputs("Try: weir-storm --help\n", stderr);
        exit(2);
    }
    struct parameter_value *value = &command->run.values[option - OPTION_PARAMETER];
    set_value(value, value->parameter->kind == PARAMETER_FLAG ? "yes" : optarg);
}

static void
take_operand(struct command *command, const char *text)
{
    const struct scenario *scenario = command->scenario;

    if (strchr(text, ':') == NULL) {
        command_refuse("neither a scenario, which comes first, nor an address", text);
    }
    if (command->run.server == SERVER_ADDRESS) {
        command_refuse("one address is enough", text);
    }
    if (!scenario->takes_address) {
        fprintf(stderr, "weir-storm: %s looks into its own server and cannot take an address: %s\n",
                scenario->name, text);
        exit(2);
    }
    parse_address(&command->run, text);
}

void
command_parse(struct command *ret_command, int argc, char **argv)
{
    struct command command = {0};
    struct option options[PARAMETERS_MAX + 4];
    bool names_scenario = argc > 1 && scenario_find(argv[1]) != NULL;
    int option;

    command.scenario = scenario_find(names_scenario ? argv[1] : DEFAULT_SCENARIO);
    command.run.scenario = command.scenario;
    add_parameters(&command.run, command.scenario->parameters, NULL);
    add_parameters(&command.run, common, command.scenario->parameters);
    make_options(&command.run, options);
    optind = names_scenario ? 2 : 1;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        take_option(&command, option, names_scenario);
    }
    command.run.server = SERVER_PROCESS;
    for (int i = optind; i < argc; i++) {
        take_operand(&command, argv[i]);
    }
    if (command.run.server != SERVER_ADDRESS) {
        command.run.server = run_choice(&command.run, "server") == 0 ? SERVER_PROCESS : SERVER_FORK;
    }
    command.run.seed = run_count(&command.run, "seed");
    command.run.seconds = run_real(&command.run, "seconds");
    command.json = run_flag(&command.run, "json");
    command.quiet = run_flag(&command.run, "quiet") || command.json;
    command.strict_time = run_flag(&command.run, "strict-time");
    *ret_command = command;
}
