/* SPDX-License-Identifier: MIT */
#include "view.h"

#include "format.h"
#include "verdict.h"

#include <string.h>

#define FRAME_S    0.24 // at least so long from one frame to the next
#define NAME_WIDTH 12
#define RATE_WIDTH 10
#define CELL_WIDTH 10

static const struct {
    const char *name;
    const char *unit;
} kinds[LIVE_KINDS] = {
    [LIVE_MESSAGES] = {"messages", "/s"}, [LIVE_BYTES] = {"bytes", "bytes/s"},
    [LIVE_CANCELS] = {"cancels", "/s"},   [LIVE_REFUSALS] = {"refusals", "/s"},
    [LIVE_CLOSES] = {"closes", "/s"},     [LIVE_CONNECTIONS] = {"connections", ""},
};

void
view_init(struct view *view, const struct terminal *terminal)
{
    memset(view, 0, sizeof(*view));
    view->terminal = *terminal;
}

// --- Remembering ---------------------------------------------------------------------------------

static void
remember(struct view_history *history, double value)
{
    if (history->count == VIEW_HISTORY) {
        memmove(history->values, history->values + 1,
                (VIEW_HISTORY - 1) * sizeof(history->values[0]));
        history->count--;
    }
    history->values[history->count++] = value;
}

static double
newest(const struct view_history *history)
{
    return history->count == 0 ? 0 : history->values[history->count - 1];
}

// Counters are read one by one, so what has fallen had not truly grown either.
static double
growth(uint64_t now, uint64_t before, double seconds)
{
    return now > before ? (double)(now - before) / seconds : 0;
}

// The 99th percentile of what came since the last time.
static void
take_latency(struct view *view, struct view_latency *latency)
{
    struct histogram *since = &view->scratch;

    memcpy(since, &latency->all, sizeof(*since));
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        since->buckets[i] -= latency->last.buckets[i];
    }
    if (histogram_count(since) > 0) {
        remember(&latency->p99, (double)histogram_quantile_ns(since, 0.99));
    }
    memcpy(&latency->last, &latency->all, sizeof(latency->last));
}

void
view_take(struct view *view, const struct live *live, const struct live_sample *now)
{
    double seconds = now->seconds - view->last.seconds;
    uint64_t queued = 0;

    if (seconds <= 0) {
        return;
    }
    for (unsigned i = 0; i < LIVE_KINDS; i++) {
        remember(&view->kinds[i], i == LIVE_CONNECTIONS
                                      ? (double)now->count[i]
                                      : growth(now->count[i], view->last.count[i], seconds));
    }
    for (unsigned i = 0; i < now->loop_count; i++) {
        queued += now->loops[i].queued_now;
        remember(&view->loops[i],
                 growth(now->loops[i].completed, view->last.loops[i].completed, seconds));
    }
    remember(&view->queued, (double)queued);
    for (size_t i = 0; i < live->latency_count; i++) {
        live_read_latency(&live->latencies[i], &view->latencies[i].all);
        take_latency(view, &view->latencies[i]);
    }
    view->has_wire = live_read_wire(live, &view->wire.all);
    take_latency(view, &view->wire);
}

// --- Drawing -------------------------------------------------------------------------------------

static void
draw_spark(struct screen *screen, const struct view_history *history)
{
    if (screen_room(screen) > 4) {
        screen_put(screen, SCREEN_PLAIN, "  ");
        screen_put_spark(screen, history->values, history->count, screen_room(screen));
    }
}

static void
draw_head(const struct live *live, const struct live_sample *now, struct screen *screen)
{
    char text[64];

    snprintf(text, sizeof(text), "weir-storm %s  ", live->scenario);
    screen_put(screen, SCREEN_STRONG, text);
    if (live->seconds_planned > 0) {
        double part = now->seconds / live->seconds_planned;

        snprintf(text, sizeof(text), "%5.1f s of %g s  ", now->seconds, live->seconds_planned);
        screen_put(screen, SCREEN_PLAIN, text);
        screen_put_bar(screen, part, screen_room(screen) < 30 ? screen_room(screen) : 30);
    } else {
        snprintf(text, sizeof(text), "%5.1f s", now->seconds);
        screen_put(screen, SCREEN_PLAIN, text);
    }
    screen_end_line(screen);
    if (storm_is_broken()) {
        screen_put(screen, SCREEN_BAD, "BROKE: ");
        screen_put(screen, SCREEN_BAD, storm_first_broken());
        screen_end_line(screen);
    }
}

static void
draw_kinds(const struct view *view, const struct live_sample *now, struct screen *screen)
{
    for (unsigned i = 0; i < LIVE_KINDS; i++) {
        if (now->count[i] == 0 && i != LIVE_MESSAGES) {
            continue; // this scenario has none of it
        }
        struct format text = format_value(newest(&view->kinds[i]), kinds[i].unit);
        screen_put_field(screen, SCREEN_PLAIN, kinds[i].name, NAME_WIDTH);
        screen_put_field(screen, SCREEN_STRONG, text.text, -RATE_WIDTH);
        draw_spark(screen, &view->kinds[i]);
        screen_end_line(screen);
    }
    if (now->loop_count > 0) {
        screen_put_field(screen, SCREEN_PLAIN, "queued", NAME_WIDTH);
        screen_put_field(screen, SCREEN_STRONG, format_value(newest(&view->queued), "bytes").text,
                         -RATE_WIDTH);
        draw_spark(screen, &view->queued);
        screen_end_line(screen);
    }
}

// What streams wait for: how many at a time, told when a wait has ended; and how often one reached
// its high mark.
static void
draw_waits(const struct live_sample *was, const struct live_sample *now, struct screen *screen)
{
    static const char *const names[] = {"socket ", "  cork ", "  inline writer "};
    uint64_t waited_ns[3] = {0}, before_ns[3] = {0}, limited = 0, before = 0;
    double seconds = now->seconds - was->seconds;

    if (now->loop_count == 0 || seconds <= 0) {
        return;
    }
    for (unsigned i = 0; i < now->loop_count; i++) {
        waited_ns[0] += now->loops[i].blocked_ns;
        waited_ns[1] += now->loops[i].corked_ns;
        waited_ns[2] += now->loops[i].inline_ns;
        before_ns[0] += was->loops[i].blocked_ns;
        before_ns[1] += was->loops[i].corked_ns;
        before_ns[2] += was->loops[i].inline_ns;
        limited += now->loops[i].limited;
        before += was->loops[i].limited;
    }
    screen_put_field(screen, SCREEN_PLAIN, "waiting", NAME_WIDTH + 1);
    for (unsigned i = 0; i < 3; i++) {
        double waiting = growth(waited_ns[i], before_ns[i], seconds) / 1e9;

        screen_put(screen, SCREEN_SOFT, names[i]);
        screen_put(screen, SCREEN_STRONG, format_measured(waiting, "").text);
    }
    screen_put(screen, SCREEN_SOFT, "  high mark ");
    screen_put(screen, SCREEN_STRONG, format_value(growth(limited, before, seconds), "/s").text);
    screen_end_line(screen);
}

static void
draw_latency(const char *name, const struct view_latency *latency, struct screen *screen)
{
    static const struct {
        const char *name;
        double fraction;
    } quantiles[] = {{"p50", 0.5}, {"p99", 0.99}, {"p99.9", 0.999}, {"max", 1}};

    screen_put_field(screen, SCREEN_PLAIN, name, NAME_WIDTH);
    for (size_t i = 0; i < 4 && screen_room(screen) >= 12; i++) {
        uint64_t value = histogram_quantile_ns(&latency->all, quantiles[i].fraction);

        screen_put(screen, SCREEN_SOFT, i == 0 ? " " : "  ");
        screen_put(screen, SCREEN_SOFT, quantiles[i].name);
        screen_put(screen, SCREEN_SOFT, " ");
        screen_put_field(screen, SCREEN_STRONG, format_value((double)value, "ns").text, -7);
    }
    draw_spark(screen, &latency->p99);
    screen_end_line(screen);
}

static void
draw_latencies(const struct view *view, const struct live *live, struct screen *screen)
{
    for (size_t i = 0; i < live->latency_count; i++) {
        draw_latency(live->latencies[i].name, &view->latencies[i], screen);
    }
    if (view->has_wire) {
        draw_latency("to wire", &view->wire, screen);
    }
}

// The columns of the loops' table, the ones that tell most first: a narrow terminal has only those.
enum column { DONE, QUEUED, BLOCKED, WAKES, SLEEPS, TURNS, SENDS, STREAMS, COLUMNS };

static const char *const column_names[COLUMNS] = {
    [DONE] = "done",     [QUEUED] = "queued", [BLOCKED] = "blocked", [WAKES] = "wakes",
    [SLEEPS] = "sleeps", [TURNS] = "turns",   [SENDS] = "sends",     [STREAMS] = "streams",
};

static struct format
cell(enum column column, const struct live_loop *was, const struct live_loop *is, double seconds)
{
    switch (column) {
    case DONE:
        return format_value(growth(is->completed, was->completed, seconds), "/s");
    case QUEUED:
        return format_value((double)is->queued_now, "bytes");
    case BLOCKED: // streams' seconds per second: how many wait for room at a time
        return format_value(growth(is->blocked_ns, was->blocked_ns, seconds) / 1e9, "");
    case WAKES:
        return format_value(growth(is->wakes, was->wakes, seconds), "/s");
    case SLEEPS:
        return format_value(growth(is->sleeps, was->sleeps, seconds), "/s");
    case TURNS:
        return format_value(growth(is->turns, was->turns, seconds), "/s");
    case SENDS:
        return format_value(growth(is->sends, was->sends, seconds), "/s");
    case STREAMS:
    case COLUMNS:
        break;
    }
    return format_value((double)is->streams_now, "");
}

static void
draw_loops(const struct view *view, const struct live_sample *was, const struct live_sample *now,
           struct screen *screen)
{
    double seconds = now->seconds - was->seconds;
    unsigned fit = screen->columns > 6 ? (screen->columns - 6) / CELL_WIDTH : 0;

    if (now->loop_count == 0 || seconds <= 0) {
        return;
    }
    screen_put_field(screen, SCREEN_SOFT, "loop", 5);
    for (unsigned i = 0; i < COLUMNS && i < fit; i++) {
        screen_put_field(screen, SCREEN_SOFT, column_names[i], -CELL_WIDTH);
    }
    screen_end_line(screen);
    for (unsigned i = 0; i < now->loop_count; i++) {
        char name[16];

        snprintf(name, sizeof(name), "%u", i);
        screen_put_field(screen, SCREEN_PLAIN, name, -4);
        screen_put(screen, SCREEN_PLAIN, " ");
        for (unsigned c = 0; c < COLUMNS && c < fit; c++) {
            struct format text = cell((enum column)c, &was->loops[i], &now->loops[i], seconds);

            screen_put_field(screen, SCREEN_PLAIN, text.text, -CELL_WIDTH);
        }
        draw_spark(screen, &view->loops[i]);
        screen_end_line(screen);
    }
}

void
view_draw(struct view *view, const struct live *live, const struct live_sample *was,
          const struct live_sample *now, struct screen *screen)
{
    draw_head(live, now, screen);
    draw_kinds(view, now, screen);
    draw_waits(was, now, screen);
    draw_latencies(view, live, screen);
    draw_loops(view, was, now, screen);
}

// --- On the terminal -----------------------------------------------------------------------------

static void
show(struct view *view, const struct live *live, const struct live_sample *now)
{
    struct screen screen = {.has_color = view->terminal.has_color,
                            .is_utf8 = view->terminal.is_utf8,
                            .is_moving = true};

    terminal_size(&view->terminal, &screen.columns, &screen.rows);
    screen.rows -= screen.rows > 1; // the cursor stands below
    if (!screen_begin(&screen)) {
        return;
    }
    view_draw(view, live, &view->last, now, &screen);
    screen_end(&screen);
    if (view->drawn > screen.rows) { // the window has shrunk
        view->drawn = screen.rows;
    }
    if (view->drawn > 0) {
        printf("\033[%uA", view->drawn);
    }
    fwrite(screen.text, 1, screen.size, stdout);
    fputs("\033[J", stdout);
    fflush(stdout);
    view->drawn = screen.row;
    screen_free(&screen);
}

void
view_look(const struct live *live, const struct live_sample *before, const struct live_sample *now,
          void *arg)
{
    struct view *view = arg;

    (void)before;
    if (view->is_over) {
        return;
    }
    view->is_over = storm_is_broken();
    if (!view->is_begun) {
        view->is_begun = true;
        terminal_take(&view->terminal);
    }
    if (now->seconds - view->last.seconds >= FRAME_S || view->is_over) {
        view_take(view, live, now);
        show(view, live, now);
        view->last = *now;
    }
    if (view->is_over) {
        terminal_release();
    }
}
