/* SPDX-License-Identifier: MIT */
#include "scale.h"

#include <math.h>

static void
add_tick(struct scale *scale, double value, bool is_minor)
{
    if (scale->tick_count < SCALE_TICKS_MAX) {
        scale->ticks[scale->tick_count++] =
            (struct scale_tick){.value = value, .is_minor = is_minor};
    }
}

// 1, 2 or 5 times a power of ten, at least @p least.
static double
round_step(double least)
{
    double power = pow(10, floor(log10(least)));
    double rest = least / power;

    // What arithmetic left behind the point must not double a step.
    return power * (rest <= 1.0001 ? 1 : rest <= 2.0001 ? 2 : rest <= 5.0001 ? 5 : 10);
}

static void
make_linear(struct scale *scale, unsigned wanted)
{
    double step = round_step((scale->high - scale->low) / wanted);

    scale->low = floor(scale->low / step + 1e-9) * step;
    scale->high = ceil(scale->high / step - 1e-9) * step;
    unsigned count = (unsigned)lround((scale->high - scale->low) / step);
    for (unsigned i = 0; i <= count; i++) {
        double value = scale->low + i * step;

        add_tick(scale, fabs(value) < step / 1e6 ? 0 : value, false);
    }
}

static void
make_log(struct scale *scale, unsigned wanted)
{
    static const double within[] = {1, 2, 5};
    double first = floor(log10(scale->low) + 1e-9), last = ceil(log10(scale->high) - 1e-9);
    unsigned every = 1;

    if (last <= first) {
        last = first + 1;
    }
    while ((last - first) / every > wanted) {
        every++;
    }
    // Within two decades a decade is too coarse to read or to end the axis at.
    bool is_fine = last - first <= 2;
    double low = scale->low, high = scale->high;
    scale->low = pow(10, first);
    scale->high = pow(10, last);
    if (is_fine) {
        for (double decade = first; decade <= last; decade++) {
            for (unsigned i = 0; i < 3; i++) {
                double value = within[i] * pow(10, decade);

                scale->low = value <= low * 1.0001 ? value : scale->low;
                if (value >= high * 0.9999) {
                    scale->high = value < scale->high ? value : scale->high;
                }
            }
        }
    }
    for (double decade = first; decade <= last; decade++) {
        for (unsigned i = 0; i < (is_fine ? 3 : 1); i++) {
            double value = within[i] * pow(10, decade);

            if (value >= scale->low * 0.9999 && value <= scale->high * 1.0001) {
                add_tick(scale, value, (unsigned)(decade - first) % every != 0);
            }
        }
    }
}

static void
make_percentile(struct scale *scale)
{
    scale->low = 0;
    add_tick(scale, 0, false);
    add_tick(scale, 0.5, false);
    double rest = 0.1;
    while (rest >= (1 - scale->high) * 0.9999 && rest > 1e-9) {
        add_tick(scale, 1 - rest, false);
        rest /= 10;
    }
}

struct scale
scale_make(enum scale_kind kind, double low, double high, unsigned wanted)
{
    struct scale scale = {.kind = kind, .low = low, .high = high};

    wanted = wanted < 1 ? 1 : wanted > SCALE_TICKS_MAX / 3 ? SCALE_TICKS_MAX / 3 : wanted;
    switch (kind) {
    case SCALE_LINEAR:
        if (!(high > low)) {
            scale.high = low + (low == 0 ? 1 : fabs(low));
        }
        make_linear(&scale, wanted);
        break;
    case SCALE_LOG:
        scale.high = fmax(high, 2 * low);
        make_log(&scale, wanted);
        break;
    case SCALE_PERCENTILE:
        make_percentile(&scale);
        break;
    }
    scale_lay(&scale, 0, 1);
    return scale;
}

void
scale_lay(struct scale *scale, double from, double to)
{
    scale->from = from;
    scale->to = to;
}

static double
straighten(enum scale_kind kind, double value)
{
    switch (kind) {
    case SCALE_LOG:
        return log10(value);
    case SCALE_PERCENTILE:
        return -log10(1 - value);
    case SCALE_LINEAR:
        break;
    }
    return value;
}

double
scale_place(const struct scale *scale, double value)
{
    double inside = value <= scale->low ? scale->low : value >= scale->high ? scale->high : value;
    double low = straighten(scale->kind, scale->low), high = straighten(scale->kind, scale->high);

    return scale->from +
           (straighten(scale->kind, inside) - low) / (high - low) * (scale->to - scale->from);
}
