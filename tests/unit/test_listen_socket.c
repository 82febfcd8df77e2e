// os: count
// SPDX-License-Identifier: MIT
// A listener that could not be made leaves no socket file.

#include "tests/lib/os_count.h"
#include "tests/lib/runtime_fixture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct scene {
    struct weir_runtime *runtime;
    char directory[64];
    char path[80];
};

static struct scene scene;

static int
scene_open(void **state)
{
    const char *temporary = getenv("TMPDIR");

    (void)state;
    snprintf(scene.directory, sizeof(scene.directory), "%s/weir-XXXXXX",
             temporary != NULL && temporary[0] == '/' ? temporary : "/tmp");
    assert_non_null(mkdtemp(scene.directory));
    snprintf(scene.path, sizeof(scene.path), "%s/socket", scene.directory);
    assert_int_equal(
        weir_runtime_create(&(struct weir_runtime_options){.loops = 1, .flags = WEIR_MANUAL},
                            &scene.runtime),
        0);
    return 0;
}

static int
scene_close(void **state)
{
    (void)state;
    runtime_end(scene.runtime);
    unlink(scene.path);
    rmdir(scene.directory);
    return 0;
}

static int
listen_here(void)
{
    struct weir_listen request = {.flags = WEIR_LISTEN_UNLINK};
    weir_listener listener;

    assert_int_equal(weir_address_unix(&request.address, scene.path), 0);
    return weir_listen(scene.runtime, &request, &listener);
}

static void
what_fails_behind_the_bind_takes_the_file_away(void **state)
{
    static const enum os_counted calls[] = {COUNT_LISTEN, COUNT_LOCAL_ADDRESS};

    (void)state;
    for (unsigned i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        os_count_fail(calls[i], 1, ENOBUFS);
        assert_int_equal(listen_here(), -ENOBUFS);
        os_count_off();
        assert_int_equal(access(scene.path, F_OK), -1);
    }
    assert_int_equal(listen_here(), 0);
    assert_int_equal(access(scene.path, F_OK), 0);
}

// A file that was there is not ours to remove.
static void
a_failing_bind_leaves_what_was_there(void **state)
{
    FILE *file = fopen(scene.path, "w");

    (void)state;
    assert_non_null(file);
    fclose(file);
    assert_int_equal(listen_here(), -EADDRINUSE);
    assert_int_equal(access(scene.path, F_OK), 0);
}

#define SCENE(f) cmocka_unit_test_setup_teardown(f, scene_open, scene_close)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        SCENE(what_fails_behind_the_bind_takes_the_file_away),
        SCENE(a_failing_bind_leaves_what_was_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
