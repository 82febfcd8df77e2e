/* SPDX-License-Identifier: MIT */
#include "show.h"

#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define CLEAR_REST "\033[J"
#define HOME       "\033[H"
#define CLEAR_LINE "\033[K"
#define BOLD       "\033[1m"
#define DIM        "\033[2m"
#define NORMAL     "\033[0m"
#define FULL       "\033[?1049h\033[?25l" // the alternate screen, no cursor
#define USUAL      "\033[?25h\033[?1049l"

#define OTHER_LINES 8 // that are no loop's

struct number {
    char text[16];
};

// 4 significant digits and a letter.
static struct number
scaled(double value)
{
    static const char letters[] = " kMGTPE";
    struct number number;
    unsigned power = 0;

    while (value >= 9999.5 && power < sizeof(letters) - 2) {
        value /= 1000;
        power++;
    }
    if (power == 0) {
        snprintf(number.text, sizeof(number.text), "%.0f", value);
    } else {
        snprintf(number.text, sizeof(number.text), "%.*f%c", value < 100 ? 1 : 0, value,
                 letters[power]);
    }
    return number;
}

static struct number
time_text(uint64_t ns)
{
    struct number number;

    if (ns == 0) {
        snprintf(number.text, sizeof(number.text), "-");
    } else if (ns == UINT64_MAX) {
        snprintf(number.text, sizeof(number.text), "long");
    } else if (ns < 1000000) {
        snprintf(number.text, sizeof(number.text), "%.1fus", (double)ns / 1e3);
    } else if (ns < 1000000000) {
        snprintf(number.text, sizeof(number.text), "%.1fms", (double)ns / 1e6);
    } else {
        snprintf(number.text, sizeof(number.text), "%.1fs", (double)ns / 1e9);
    }
    return number;
}

// Both structs are nothing but 64-bit numbers; what is not a counter is taken as it is now.
static struct weir_page_loop
difference(const struct weir_page_loop *before, const struct weir_page_loop *after)
{
    struct weir_page_loop result = *after;
    uint64_t *to = (uint64_t *)(void *)&result;
    const uint64_t *from = (const uint64_t *)(const void *)before;

    for (size_t i = 0; i < sizeof(result) / sizeof(*to); i++) {
        to[i] -= from[i];
    }
    result.stats.streams_now = after->stats.streams_now;
    result.stats.queued_now = after->stats.queued_now;
    return result;
}

static void
add(struct weir_page_loop *sum, const struct weir_page_loop *more)
{
    uint64_t *to = (uint64_t *)(void *)sum;
    const uint64_t *from = (const uint64_t *)(const void *)more;

    for (size_t i = 0; i < sizeof(*sum) / sizeof(*to); i++) {
        to[i] += from[i];
    }
}

static uint64_t
refused(const struct weir_stats *stats)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < WEIR_REFUSALS; i++) {
        sum += stats->refused[i];
    }
    return sum;
}

static uint64_t
waited_ns(const struct weir_stats *stats)
{
    return stats->blocked_ns + stats->corked_ns + stats->right_wait_ns;
}

static void
row(const struct view *view, const char *label, const struct weir_page_loop *loop)
{
    const struct weir_stats *stats = &loop->stats;
    double per_second = 1 / view->seconds;

    printf(
        "%-5s %7s %7s %7s %7s %7s %7s %7s %7s %7s %6.2f %8s %8s %8s%s\n", label,
        scaled((double)stats->turns * per_second).text,
        scaled((double)stats->wakes * per_second).text,
        scaled((double)(stats->operations_completed + stats->operations_inline) * per_second).text,
        scaled((double)stats->bytes_received * per_second).text,
        scaled((double)stats->bytes_sent * per_second).text,
        scaled((double)stats->streams_now).text, scaled((double)stats->queued_now).text,
        scaled((double)refused(stats) * per_second).text,
        scaled((double)stats->operations_cancelled * per_second).text,
        (double)waited_ns(stats) * per_second / 1e9,
        time_text(weir_latency_quantile_ns(&loop->latency, 500000)).text,
        time_text(weir_latency_quantile_ns(&loop->latency, 990000)).text,
        time_text(weir_latency_quantile_ns(&loop->latency, 1000000)).text,
        view->plain ? "" : CLEAR_LINE);
}

static void
show_head(const struct view *view)
{
    static bool was_shown;

    if (!view->plain) {
        printf("%s%s" BOLD "weir-top" NORMAL "  %s, process %lu, %u loop%s, rates per second over "
               "%.1f s" CLEAR_LINE "\n" CLEAR_LINE "\n" DIM,
               was_shown ? "" : FULL, HOME, view->name, view->process, view->loop_count,
               view->loop_count == 1 ? "" : "s", view->seconds);
    }
    if (!view->plain || !was_shown) {
        printf("%-5s %7s %7s %7s %7s %7s %7s %7s %7s %7s %6s %8s %8s %8s\n", "loop", "turns",
               "wakes", "ops", "in", "out", "streams", "queued", "refused", "cancels", "blockd",
               "p50", "p99", "max");
    }
    if (!view->plain) {
        fputs(NORMAL, stdout);
    }
    was_shown = true;
}

// As many loops as the terminal has lines for; the sum has them all.
static unsigned
rows_of(const struct view *view)
{
    struct winsize size;

    if (view->plain || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_row <= OTHER_LINES) {
        return view->loop_count;
    }
    return size.ws_row - OTHER_LINES;
}

void
show(const struct view *view)
{
    struct weir_page_loop sum = {0};
    unsigned rows = rows_of(view);

    show_head(view);
    for (unsigned i = 0; i < view->loop_count; i++) {
        struct weir_page_loop one = difference(&view->before[i], &view->after[i]);
        char label[12];

        snprintf(label, sizeof(label), "%u", i);
        if (i < rows) {
            row(view, label, &one);
        }
        add(&sum, &one);
    }
    if (rows < view->loop_count) {
        printf("%u loops more" CLEAR_LINE "\n", view->loop_count - rows);
    }
    row(view, "all", &sum);
    if (!view->plain) {
        fputs(CLEAR_REST
              "\nblockd: streams that could not send, on average, of waits that have ended. "
              "p50, p99, max: from submit to wire.\n",
              stdout);
    }
    fflush(stdout);
}

void
show_end(bool plain)
{
    if (!plain) {
        fputs(USUAL, stdout);
        fflush(stdout);
    }
}
