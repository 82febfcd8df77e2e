/* SPDX-License-Identifier: MIT */
#ifndef SIGHT_VIEW_H
#define SIGHT_VIEW_H

// A running scenario, drawn again and again in the same place of a terminal.

#include "live.h"
#include "screen.h"
#include "terminal.h"

#define VIEW_HISTORY 128u // values that sparklines remember

struct view_history {
    double values[VIEW_HISTORY];
    size_t count;
};

struct view_latency {
    struct histogram all;  // so far
    struct histogram last; // all, when it was drawn last
    struct view_history p99;
};

struct view {
    struct terminal terminal;
    bool is_begun;
    bool is_over;            // something broke: what is said of it is not to be drawn over
    unsigned drawn;          // lines of the last frame
    struct live_sample last; // when it was drawn last
    struct view_history kinds[LIVE_KINDS];
    struct view_history queued;
    struct view_history loops[LIVE_LOOPS_MAX]; // operations completed per second
    struct view_latency latencies[LIVE_LATENCIES_MAX];
    struct view_latency wire;
    bool has_wire;
    struct histogram scratch;
};

// @p terminal must be live when it is drawn on.
void view_init(struct view *view, const struct terminal *terminal);

// A live_view_fn; @p view is the struct view. Takes the terminal, which the caller releases when
// the run has ended; the last frame stays.
void view_look(const struct live *live, const struct live_sample *before,
               const struct live_sample *now, void *view);

// --- For tests -----------------------------------------------------------------------------------

// Remember what came between the last call and this.
void view_take(struct view *view, const struct live *live, const struct live_sample *now);

// Draw what was remembered; @p was is the sample before @p now.
void view_draw(struct view *view, const struct live *live, const struct live_sample *was,
               const struct live_sample *now, struct screen *screen);

#endif /* SIGHT_VIEW_H */
