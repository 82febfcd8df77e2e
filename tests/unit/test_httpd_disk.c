// SPDX-License-Identifier: MIT
// What may wait for a disk is done by other threads, told on its loop, and never lost.

#include "disk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <string.h>

#define JOBS_MAX 4096u
#define SECOND   UINT64_C(1000000000)

const char program_name[] = "test";

struct scene {
    struct weir_runtime *runtime;
    struct disk *disk;
    sem_t begun;  // a job is at work
    sem_t let_go; // and may go on
    sem_t ended;  // a job was told, or dropped
    bool holds;   // each job waits for let_go
    atomic_uint worked;
    atomic_uint done;
    atomic_uint dropped;
    atomic_uint elsewhere; // where they must not be
    pthread_t tester;
};

struct job {
    struct disk_job job;
    struct scene *scene;
};

static struct scene scene;
static struct job jobs[JOBS_MAX];

static void
await(sem_t *semaphore)
{
    while (sem_wait(semaphore) != 0) {
        assert_int_equal(errno, EINTR);
    }
}

static void
work(struct disk_job *job)
{
    struct scene *here = ((struct job *)job)->scene;

    if (weir_loop_current() != NULL || pthread_equal(pthread_self(), here->tester)) {
        atomic_fetch_add(&here->elsewhere, 1);
    }
    sem_post(&here->begun);
    if (here->holds) {
        await(&here->let_go);
    }
    atomic_fetch_add(&here->worked, 1);
}

static void
done(struct disk_job *job)
{
    struct scene *here = ((struct job *)job)->scene;

    if (weir_loop_current() != job->loop) {
        atomic_fetch_add(&here->elsewhere, 1);
    }
    atomic_fetch_add(&here->done, 1);
    sem_post(&here->ended);
}

static void
drop(struct disk_job *job)
{
    atomic_fetch_add(&((struct job *)job)->scene->dropped, 1);
}

static void
open_scene(unsigned threads, bool holds)
{
    memset(&scene, 0, sizeof(scene));
    sem_init(&scene.begun, 0, 0);
    sem_init(&scene.let_go, 0, 0);
    sem_init(&scene.ended, 0, 0);
    scene.holds = holds;
    scene.tester = pthread_self();
    assert_int_equal(
        weir_runtime_create(&(struct weir_runtime_options){.loops = 2}, &scene.runtime), 0);
    assert_int_equal(disk_create(threads, &scene.disk), 0);
}

static bool
give(unsigned number)
{
    jobs[number] = (struct job){
        .job = {.work = work,
                .done = done,
                .drop = drop,
                .loop = weir_runtime_loop(scene.runtime, number % 2)},
        .scene = &scene,
    };
    return disk_give(scene.disk, &jobs[number].job);
}

static void
stop_runtime(void)
{
    assert_int_equal(weir_runtime_stop(scene.runtime, weir_deadline_after(10 * SECOND)), 0);
}

static void
close_scene(void)
{
    disk_free(scene.disk);
    assert_int_equal(weir_runtime_free(scene.runtime), 0);
    assert_int_equal(atomic_load(&scene.elsewhere), 0);
}

static void
what_is_given_is_done_elsewhere_and_told_on_its_loop(void **state)
{
    unsigned taken = 0;

    (void)state;
    open_scene(3, false);
    for (unsigned i = 0; i < 900; i++) {
        taken += give(i);
    }
    assert_int_equal(taken, 900);
    for (unsigned i = 0; i < taken; i++) {
        await(&scene.ended);
    }
    assert_int_equal(atomic_load(&scene.worked), 900);
    stop_runtime();
    close_scene();
    assert_int_equal(atomic_load(&scene.done), 900);
    assert_int_equal(atomic_load(&scene.dropped), 0);
}

static void
more_than_can_wait_is_refused(void **state)
{
    unsigned taken = 0;

    (void)state;
    open_scene(1, true);
    assert_true(give(0));
    await(&scene.begun);
    for (unsigned i = 1; i < JOBS_MAX; i++) {
        taken += give(i);
    }
    assert_int_equal(taken, 1024);
    for (unsigned i = 0; i < taken + 1; i++) {
        sem_post(&scene.let_go);
        await(&scene.ended);
    }
    assert_int_equal(atomic_load(&scene.done), taken + 1);
    stop_runtime();
    close_scene();
}

static void
what_is_left_when_the_runtime_has_ended_is_dropped(void **state)
{
    (void)state;
    open_scene(2, true);
    for (unsigned i = 0; i < 10; i++) {
        assert_true(give(i));
    }
    await(&scene.begun);
    await(&scene.begun);
    stop_runtime();
    for (unsigned i = 0; i < 10; i++) {
        sem_post(&scene.let_go);
    }
    close_scene();
    assert_int_equal(atomic_load(&scene.worked), 10);
    assert_int_equal(atomic_load(&scene.done), 0);
    assert_int_equal(atomic_load(&scene.dropped), 10);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_given_is_done_elsewhere_and_told_on_its_loop),
        cmocka_unit_test(more_than_can_wait_is_refused),
        cmocka_unit_test(what_is_left_when_the_runtime_has_ended_is_dropped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
