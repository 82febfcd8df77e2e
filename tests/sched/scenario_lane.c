// SPDX-License-Identifier: MIT
// Lanes and the wake-up: every post runs once, in the order of its thread, and none waits for ever.

#include "runtime/thread.h"
#include "tests/sched/fixture.h"
#include "tests/sched/scenarios.h"

#define PRODUCERS_MAX 3u
#define POSTS_MAX     4u

struct letter {
    unsigned from;
    unsigned number;
};

static struct letter letters[PRODUCERS_MAX][POSTS_MAX];
static unsigned posts_each;
static unsigned producers;
static unsigned arrived[PRODUCERS_MAX]; // the loop's

static void
arrive(struct weir_loop *loop, void *arg)
{
    struct letter *letter = arg;

    (void)loop;
    sched_check(letter->number == arrived[letter->from]);
    arrived[letter->from]++;
}

static void
post_some(void *arg)
{
    unsigned self = *(unsigned *)arg;

    fixture_join();
    for (unsigned i = 0; i < posts_each; i++) {
        letters[self][i] = (struct letter){self, i};
        sched_check(weir_post(wi_loop_public(fixture_loop()), arrive, &letters[self][i]) == 0);
    }
}

static void
start_producers(unsigned count, unsigned posts, unsigned lane_entries)
{
    static unsigned numbers[PRODUCERS_MAX];

    fixture_start(1, lane_entries);
    posts_each = posts;
    producers = count;
    for (unsigned i = 0; i < count; i++) {
        numbers[i] = i;
        sched_start(post_some, &numbers[i]);
    }
}

static void
verify_all_arrived(void)
{
    for (unsigned i = 0; i < producers; i++) {
        sched_check(arrived[i] == posts_each);
    }
    fixture_verify();
}

static void
three_posts(void)
{
    start_producers(1, 3, 8);
}

static void
two_threads(void)
{
    start_producers(2, 1, 8);
}

const struct sched_scenario lane_posts = {
    .name = "lane-posts",
    .promise =
        "three posts of one thread run once each, in order, and the loop sleeps through none",
    .set_up = three_posts,
    .verify = verify_all_arrived,
};

const struct sched_scenario lane_threads = {
    .name = "lane-threads",
    .promise = "posts of two threads run once each, and none is slept through",
    .set_up = two_threads,
    .verify = verify_all_arrived,
};

/* ---- a lane that is full ---- */

static wi_atomic_u32 told;
static bool was_full;

static void
tell(struct weir_loop *loop, void *arg)
{
    (void)loop;
    (void)arg;
    wi_add_relaxed(&told, 1);
}

static bool
is_told(void *arg)
{
    (void)arg;
    return sched_peek(&told, sizeof(told)) != 0;
}

static void
fill(void *arg)
{
    (void)arg;
    fixture_join();
    for (unsigned i = 0; i < posts_each; i++) {
        letters[0][i] = (struct letter){0, i};
        while (weir_post(wi_loop_public(fixture_loop()), arrive, &letters[0][i]) < 0) {
            sched_check(!was_full); // there is room once we were told so
            was_full = true;
            sched_check(weir_lane_notify(wi_loop_public(fixture_loop()), tell, NULL) == 0);
            sched_wait(is_told, NULL);
        }
    }
}

static void
full_lane(void)
{
    fixture_start(1, 2); // one entry fits
    posts_each = 2;
    producers = 1;
    sched_start(fill, NULL);
}

static void
verify_told(void)
{
    sched_check(wi_load_relaxed(&told) == was_full);
    verify_all_arrived();
}

const struct sched_scenario lane_full = {
    .name = "lane-full",
    .promise = "who waits for room in a full lane is told, once",
    .set_up = full_lane,
    .verify = verify_told,
};

/* ---- a lane that grows ---- */

#define FIRST_RING 512u

static unsigned ran;

static void
count(struct wi_loop *loop, struct wi_task *task)
{
    (void)loop;
    sched_check(task->next == NULL);
    ran++;
}

static void
grow(void *arg)
{
    static const struct wi_task_ops ops = {.run = count};
    static struct wi_task tasks[FIRST_RING + 2];
    struct wi_lane *lane;

    (void)arg;
    sched_hold();
    lane = wi_thread_lane(fixture_loop());
    for (unsigned i = 0; i < FIRST_RING + 2; i++) {
        tasks[i].ops = &ops;
    }
    for (unsigned i = 0; i < FIRST_RING - 2; i++) {
        wi_ring_put(lane->put, &tasks[i]); // nobody has been told of these yet
    }
    sched_release();
    for (unsigned i = FIRST_RING - 2; i < FIRST_RING + 2; i++) {
        sched_check(wi_lane_reserve(lane));
        wi_lane_send(lane, &tasks[i]);
    }
}

static void
growing_lane(void)
{
    fixture_start(1, 4 * FIRST_RING);
    sched_start(grow, NULL);
}

static void
verify_grown(void)
{
    sched_check(ran == FIRST_RING + 2);
    fixture_verify();
}

const struct sched_scenario lane_grow = {
    .name = "lane-grow",
    .promise = "what is put around the step to a larger ring runs once, and none is left behind",
    .set_up = growing_lane,
    .verify = verify_grown,
};

/* ---- a thread begins and ends ---- */

// Its first post makes the lane and the record of the thread; its end gives both away.
static void
come_and_go(void *arg)
{
    unsigned self = *(unsigned *)arg;

    letters[self][0] = (struct letter){self, 0};
    sched_check(weir_post(wi_loop_public(fixture_loop()), arrive, &letters[self][0]) == 0);
}

static void
thread_ends(void)
{
    static unsigned numbers[2] = {0, 1};

    start_producers(0, 1, 8);
    producers = 2;
    sched_start(come_and_go, &numbers[0]);
    sched_start(come_and_go, &numbers[1]);
}

static void
verify_gone(void)
{
    sched_check(fixture_runtime->threads == NULL && fixture_loop()->orphans == NULL);
    verify_all_arrived();
}

const struct sched_scenario lane_farewell = {
    .name = "lane-farewell",
    .promise = "posts of threads that end run, and their lanes go when all has come home",
    .set_up = thread_ends,
    .verify = verify_gone,
    .pre_emptions = 1,
};

/* ---- operations come home ---- */

static void
post_with_one_operation(void *arg)
{
    struct wi_lane *lane;

    (void)arg;
    fixture_join();
    sched_hold();
    lane = wi_thread_lane_find(fixture_loop());
    lane->cache.free->task.next = NULL; // the others stay away: the next has to come home
    sched_release();
    for (unsigned i = 0; i < posts_each; i++) {
        letters[0][i] = (struct letter){0, i};
        sched_check(weir_post(wi_loop_public(fixture_loop()), arrive, &letters[0][i]) == 0);
    }
}

static void
one_operation(void)
{
    fixture_start(1, 8);
    posts_each = 2;
    producers = 1;
    sched_start(post_with_one_operation, NULL);
}

const struct sched_scenario lane_home = {
    .name = "lane-home",
    .promise = "an operation that came home is used again only when the loop is done with it",
    .set_up = one_operation,
    .verify = verify_all_arrived,
};

/* ---- entries that were counted as free before ---- */

#define QUICK_SENDS 4u

static void
send_counted(void *arg)
{
    static const struct wi_task_ops ops = {.run = count};
    static struct wi_task tasks[QUICK_SENDS];
    struct wi_lane *lane;

    (void)arg;
    sched_hold();
    lane = wi_thread_lane(fixture_loop());
    sched_check(lane != NULL);
    sched_release();
    for (unsigned i = 0; i < QUICK_SENDS; i++) {
        if (lane->quick == 0) {
            wi_lane_look(lane); // three fit; what the loop has taken meanwhile may be used again
        }
        while (lane->quick == 0 && !wi_lane_reserve(lane)) { // the first is one that is timed
            sched_yield_to_others();
        }
        tasks[i].ops = &ops;
        wi_lane_send(lane, &tasks[i]);
    }
}

static void
counted_entries(void)
{
    fixture_start(1, 4);
    sched_start(send_counted, NULL);
}

static void
verify_counted(void)
{
    sched_check(ran == QUICK_SENDS);
    fixture_verify();
}

const struct sched_scenario lane_quick = {
    .name = "lane-quick",
    .promise = "entries that were counted as free stay free until they are used; none is lost",
    .set_up = counted_entries,
    .verify = verify_counted,
};
