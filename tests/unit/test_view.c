// with: stormlib
// SPDX-License-Identifier: MIT
// The live view: what a frame shows, in terminals of every width.

#include "stress/sight/view.h"

#include "stress/storm/verdict.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

// A scenario of two loops, 0.5 s after the sample at @p was.
static void
grow(const struct live_sample *was, struct live_sample *now)
{
    *now = *was;
    now->seconds += 0.5;
    now->count[LIVE_MESSAGES] += 146000;
    now->count[LIVE_BYTES] += 177000000;
    now->count[LIVE_CANCELS] += 4400;
    now->count[LIVE_CONNECTIONS] = 64;
    now->loop_count = 2;
    for (unsigned i = 0; i < 2; i++) {
        now->loops[i].completed += 73000 * (i + 1);
        now->loops[i].turns += 4000;
        now->loops[i].blocked_ns += 750000000;
        now->loops[i].corked_ns += 250000000;
        now->loops[i].limited += 10;
        now->loops[i].queued_now = 1800000;
        now->loops[i].streams_now = 32;
    }
}

struct scene {
    struct view view;
    struct live live;
    struct histogram latency;
};

static struct scene *
scene_make(void)
{
    struct scene *scene = calloc(1, sizeof(*scene));
    struct terminal terminal = {.fd = -1};

    assert_non_null(scene);
    view_init(&scene->view, &terminal);
    live_init(&scene->live, "chaos", 8);
    for (unsigned i = 1; i <= 1000; i++) {
        histogram_add(&scene->latency, i * 1000);
    }
    live_add_latency(&scene->live, "round trip", &scene->latency);
    return scene;
}

static void
scene_free(struct scene *scene)
{
    live_fini(&scene->live);
    free(scene);
}

// The frame after @p samples of them, to be freed.
static char *
frame_of(struct scene *scene, unsigned samples, struct screen *screen)
{
    struct live_sample was, now = {.seconds = 0};

    memset(&scene->view.last, 0, sizeof(scene->view.last));
    for (unsigned i = 0; i < samples; i++) {
        was = now;
        grow(&was, &now);
        view_take(&scene->view, &scene->live, &now);
        scene->view.last = now;
    }
    assert_true(screen_begin(screen));
    view_draw(&scene->view, &scene->live, &was, &now, screen);
    screen_end(screen);
    return screen->text;
}

static unsigned
widest_line(const char *text)
{
    unsigned widest = 0, width = 0;

    for (; *text != '\0'; text++) {
        width = *text == '\n' ? 0 : width + (((unsigned char)*text & 0xc0) != 0x80);
        widest = width > widest ? width : widest;
    }
    return widest;
}

static unsigned
count_lines(const char *text)
{
    unsigned lines = 0;

    for (; *text != '\0'; text++) {
        lines += *text == '\n';
    }
    return lines;
}

static void
a_frame_shows_rates_percentiles_and_loops(void **state)
{
    static const char *const wanted[] = {
        "weir-storm chaos",
        "1.5 s of 8 s",
        "292 k/s",
        "354 MB/s",
        "8.80 k/s",
        "64",
        "socket 3.00  cork 1.00  inline writer 0  high mark 40/s",
        "3.60 MB",
        "p50 ",
        "p99 ",
        "p99.9 ",
        "max 1.00 ms",
        "146 k/s",
        "8.00 k/s",
        "1.80 MB",
        "1.50",
        "32",
        "\xe2\x96\x88",
    };
    struct scene *scene = scene_make();
    struct screen screen = {.columns = 120, .rows = 40, .is_utf8 = true};
    char *text = frame_of(scene, 3, &screen);

    (void)state;
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        if (strstr(text, wanted[i]) == NULL) {
            fail_msg("no \"%s\" in\n%s", wanted[i], text);
        }
    }
    assert_null(strchr(text, '\033'));
    assert_null(strstr(text, "refusals")); // there were none
    screen_free(&screen);
    scene_free(scene);
}

static void
no_frame_is_larger_than_its_terminal(void **state)
{
    (void)state;
    for (unsigned columns = 1; columns < 160; columns += columns < 30 ? 1 : 13) {
        for (unsigned rows = 1; rows < 30; rows += 4) {
            struct scene *scene = scene_make();
            struct screen screen = {.columns = columns, .rows = rows, .is_utf8 = columns % 2 == 0};
            char *text = frame_of(scene, 5, &screen);

            assert_true(widest_line(text) < (columns > 1 ? columns : 2));
            assert_true(count_lines(text) <= rows);
            assert_int_equal(count_lines(text), screen.row);
            screen_free(&screen);
            scene_free(scene);
        }
    }
}

static void
without_utf8_a_frame_is_ascii(void **state)
{
    struct scene *scene = scene_make();
    struct screen screen = {.columns = 100, .rows = 40};
    char *text = frame_of(scene, 3, &screen);

    (void)state;
    for (const char *at = text; *at != '\0'; at++) {
        assert_true(*at == '\n' || (*at >= ' ' && *at <= '~'));
    }
    assert_non_null(strstr(text, "###"));
    assert_null(strchr(text, '?'));
    screen_free(&screen);
    scene_free(scene);
}

static void
colors_are_switched_off_behind_each_text(void **state)
{
    struct scene *scene = scene_make();
    struct screen screen = {.columns = 100, .rows = 40, .has_color = true};
    char *text = frame_of(scene, 3, &screen);
    bool is_on = false;

    (void)state;
    for (const char *at = text; *at != '\0'; at++) {
        if (*at == '\033') {
            bool is_off = strncmp(at, "\033[0m", 4) == 0;

            assert_true(is_off == is_on);
            is_on = !is_on;
        }
        assert_false(*at == '\n' && is_on);
    }
    assert_false(is_on);
    screen_free(&screen);
    scene_free(scene);
}

static void
history_forgets_the_oldest(void **state)
{
    struct scene *scene = scene_make();
    struct screen screen = {.columns = 100, .rows = 40};

    (void)state;
    frame_of(scene, 3 * VIEW_HISTORY, &screen);
    assert_int_equal(scene->view.kinds[LIVE_MESSAGES].count, VIEW_HISTORY);
    assert_true(scene->view.kinds[LIVE_MESSAGES].values[VIEW_HISTORY - 1] == 292000);
    screen_free(&screen);
    scene_free(scene);
}

// Last: it cannot be taken back.
static void
what_broke_is_shown(void **state)
{
    struct scene *scene = scene_make();
    struct screen screen = {.columns = 100, .rows = 40};

    (void)state;
    storm_broke("byte 17 of message 4 is wrong");
    char *text = frame_of(scene, 2, &screen);
    assert_non_null(strstr(text, "BROKE: byte 17 of message 4 is wrong\n"));
    screen_free(&screen);
    scene_free(scene);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_frame_shows_rates_percentiles_and_loops),
        cmocka_unit_test(no_frame_is_larger_than_its_terminal),
        cmocka_unit_test(without_utf8_a_frame_is_ascii),
        cmocka_unit_test(colors_are_switched_off_behind_each_text),
        cmocka_unit_test(history_forgets_the_oldest),
        cmocka_unit_test(what_broke_is_shown),
    };

    verdict_create();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
