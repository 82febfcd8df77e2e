/* SPDX-License-Identifier: MIT */
#include "report_command.h"

#include "report_page.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "Usage: weir-storm report [OPTION]... FILE...\n"
    "Draws what weir-storm, or stress/bench/run, count or targets, has written with --json. A "
    "FILE\n"
    "may hold several of them; - is standard input.\n"
    "\n"
    "  --html OUT      a page with everything; - is standard output, which is the default\n"
    "  --svg OUT       one picture: bars of every comparison, or the latencies of all runs\n"
    "  --from FILE     the same as FILE\n"
    "  --figure KEY    which figure of the comparisons --svg shows, as named in the files\n"
    "  --title TEXT    of the first result, then of the second, and so on\n"
    "  --target X      a line at this value in the first chart, in the same order; 0: none\n"
    "  --help          this text\n";

#define GIVEN_MAX 64u

enum option_value {
    OPTION_HTML = 1,
    OPTION_SVG,
    OPTION_FROM,
    OPTION_FIGURE,
    OPTION_TITLE,
    OPTION_TARGET,
    OPTION_HELP,
};

static const struct option known[] = {
    {"html", required_argument, NULL, OPTION_HTML},
    {"svg", required_argument, NULL, OPTION_SVG},
    {"from", required_argument, NULL, OPTION_FROM},
    {"figure", required_argument, NULL, OPTION_FIGURE},
    {"title", required_argument, NULL, OPTION_TITLE},
    {"target", required_argument, NULL, OPTION_TARGET},
    {"help", no_argument, NULL, OPTION_HELP},
    {NULL, 0, NULL, 0},
};

struct request {
    const char *html;
    const char *svg;
    const char *figure;
    const char *files[GIVEN_MAX];
    size_t file_count;
    const char *titles[GIVEN_MAX];
    size_t title_count;
    double targets[GIVEN_MAX];
    size_t target_count;
};

static bool
refuse(const char *what, const char *value)
{
    fprintf(stderr, "weir-storm: report: %s: %s\nTry: weir-storm report --help\n", what, value);
    return false;
}

static bool
add_given(const char **list, size_t *count, const char *given)
{
    if (*count == GIVEN_MAX) {
        return refuse("too many", given);
    }
    list[(*count)++] = given;
    return true;
}

static bool
add_target(struct request *request, const char *text)
{
    char *end;
    double target = strtod(text, &end);

    if (end == text || *end != '\0' || !isfinite(target) || target < 0) {
        return refuse("not a target", text);
    }
    if (request->target_count == GIVEN_MAX) {
        return refuse("too many", text);
    }
    request->targets[request->target_count++] = target;
    return true;
}

static bool
take_option(struct request *request, int option)
{
    switch (option) {
    case OPTION_HTML:
        request->html = optarg;
        return true;
    case OPTION_SVG:
        request->svg = optarg;
        return true;
    case OPTION_FIGURE:
        request->figure = optarg;
        return true;
    case OPTION_FROM:
        return add_given(request->files, &request->file_count, optarg);
    case OPTION_TITLE:
        return add_given(request->titles, &request->title_count, optarg);
    case OPTION_TARGET:
        return add_target(request, optarg);
    default:
        fputs("Try: weir-storm report --help\n", stderr);
        return false;
    }
}

// 0: go on; else the exit status and one.
static int
parse(struct request *request, int argc, char **argv)
{
    int option;

    optind = 0; // the words before these may have been parsed already
    while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
        if (option == OPTION_HELP) {
            fputs(help, stdout);
            return 1 + 0;
        }
        if (!take_option(request, option)) {
            return 1 + 2;
        }
    }
    for (int i = optind; i < argc; i++) {
        if (!add_given(request->files, &request->file_count, argv[i])) {
            return 1 + 2;
        }
    }
    if (request->file_count == 0) {
        refuse("nothing to draw", "no FILE");
        return 1 + 2;
    }
    if (request->html == NULL && request->svg == NULL) {
        request->html = "-";
    }
    return 0;
}

// Write with @p draw to a file that is there only when all went well.
static bool
save(const char *path, const struct sources *sources, const struct request *request, bool is_svg)
{
    bool is_output = strcmp(path, "-") == 0;
    FILE *to = is_output ? stdout : fopen(path, "we");
    const char *wrong = NULL;

    if (to == NULL) {
        return refuse(path, strerror(errno));
    }
    if (is_svg) {
        wrong = report_picture(to, sources, request->figure);
    } else {
        report_page(to, sources);
    }
    errno = 0;
    bool is_written = fflush(to) == 0 && !ferror(to);
    if (!is_output && fclose(to) != 0) {
        is_written = false;
    }
    if (wrong != NULL || !is_written) {
        refuse(path, wrong != NULL ? wrong : strerror(errno != 0 ? errno : EIO));
        if (!is_output) {
            remove(path);
        }
        return false;
    }
    return true;
}

int
report_command(int argc, char **argv)
{
    static struct request request;
    struct sources sources = {NULL, 0};
    int status = parse(&request, argc, argv);

    if (status != 0) {
        return status - 1;
    }
    bool is_good = true;
    for (size_t i = 0; is_good && i < request.file_count; i++) {
        is_good = sources_add_file(&sources, request.files[i]);
    }
    for (size_t i = 0; i < sources.count; i++) {
        if (i < request.title_count) {
            sources.list[i].title = request.titles[i];
        }
        sources.list[i].target = i < request.target_count ? request.targets[i] : 0;
    }
    if (is_good && request.html != NULL) {
        is_good = save(request.html, &sources, &request, false);
    }
    if (is_good && request.svg != NULL) {
        is_good = save(request.svg, &sources, &request, true);
    }
    sources_free(&sources);
    return is_good ? 0 : 2;
}
