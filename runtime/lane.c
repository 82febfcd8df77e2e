/* SPDX-License-Identifier: MIT */

#include "runtime/lane.h"

#include "mem/heap.h"
#include "runtime/credit.h"
#include "runtime/loop.h"
#include "runtime/os_stack.h"
#include "runtime/runtime.h"
#include "runtime/thread.h"

#include <errno.h>

#define LANE_BATCH    64u
#define LANE_PREFETCH 4u
#define LANE_ENTRIES  512u

// Somebody who waits for room.
struct notice {
    struct wi_task task;
    weir_post_fn *fn;
    void *arg;
};

static struct wi_ring *
ring_create(unsigned entries)
{
    struct wi_ring *ring =
        wi_heap_alloc_aligned(sizeof(*ring) + entries * sizeof(ring->slots[0]), WI_CACHE_LINE);

    if (ring != NULL) {
        wi_ring_init(ring, entries);
    }
    return ring;
}

static void farewell_run(struct wi_loop *loop, struct wi_control *control);

struct wi_lane *
wi_lane_create(struct wi_loop *loop, unsigned entries_max)
{
    struct wi_lane *lane = wi_heap_alloc_aligned(sizeof(*lane), WI_CACHE_LINE);
    struct wi_ring *ring = ring_create(entries_max < LANE_ENTRIES ? entries_max : LANE_ENTRIES);

    if (lane == NULL || ring == NULL) {
        wi_heap_free(lane);
        wi_heap_free(ring);
        return NULL;
    }
    *lane = (struct wi_lane){
        .cache = {.loop = loop, .is_lane = true},
        .put = ring,
        .take = ring,
        .entries_max = entries_max,
        .thread_number = wi_os_thread_number(),
        .farewell = {.run = farewell_run},
    };
    return lane;
}

void
wi_lane_destroy(struct wi_lane *lane)
{
    struct wi_ring *ring = lane->take;

    while (ring != NULL) {
        struct wi_ring *next = (struct wi_ring *)wi_load_relaxed(&ring->next);

        wi_heap_free(ring);
        ring = next;
    }
    wi_heap_free((void *)wi_load_relaxed(&lane->notify));
    wi_heap_free(lane);
}

bool
wi_lane_grow(struct wi_lane *lane)
{
    unsigned entries = (lane->put->ring.mask + 1) * 2;
    struct wi_ring *larger = entries <= lane->entries_max ? ring_create(entries) : NULL;

    if (larger == NULL) {
        return false;
    }
    // ORDER(grow) publish: pairs with ring_follow(); the loop moves on only after it has seen every
    // entry of the smaller ring, for they were put before this.
    wi_store_release(&lane->put->next, (uintptr_t)larger);
    lane->put = larger;
    lane->quick = 0;
    return true;
}

void
wi_lane_look(struct wi_lane *lane)
{
    const struct wi_loop *loop = lane->cache.loop;
    unsigned room = wi_ring_room(lane->put);
    uint64_t number = wi_ring_number(lane->put);

    if (wi_credit_is_limited(loop->runtime)) {
        return;
    }
#if !defined(WI_NO_LATENCY)
    if ((-number & loop->latency_mask) < room) {
        room = (unsigned)(-number & loop->latency_mask);
    }
#else
    (void)number;
#endif
    lane->quick = room;
}

void
wi_lane_mark(struct wi_lane *lane)
{
    struct wi_loop *loop = lane->cache.loop;

    // ORDER(mark) both ways: producer and loop may both want to mark; the exchange lets one of them
    // link the node, and only after the loop, which clears the mark, took it off the stack.
    if (!wi_swap_acq_rel(&lane->marked, true)) {
        wi_stack_push(&loop->marked, &lane->mark_node);
        wi_loop_wake(loop);
    }
}

// Loop thread. The ring is empty: has the producer gone on to a larger one?
static bool
ring_follow(struct wi_lane *lane, void **batch, unsigned *ret_count)
{
    // ORDER(grow) observe: pairs with wi_lane_grow().
    struct wi_ring *next = (struct wi_ring *)wi_load_acquire(&lane->take->next);

    if (next == NULL) {
        return false;
    }
    *ret_count = wi_ring_take(lane->take, batch, LANE_BATCH); // what came in before the move
    if (*ret_count == 0) {
        wi_heap_free(lane->take);
        lane->take = next;
    }
    return true;
}

static void
run_batch(struct wi_loop *loop, void **batch, unsigned count)
{
    void **end = batch + count;

    if (count == 0) {
        return;
    }
    for (unsigned i = 0; i < LANE_PREFETCH; i++) {
        end[i] = end[-1];
    }
    for (; batch != end; batch++) {
        struct wi_task *task = *batch;

        // The entries' lines are in the producer's cache.
        __builtin_prefetch(batch[LANE_PREFETCH], 1);
        __builtin_prefetch((char *)batch[LANE_PREFETCH] + WI_CACHE_LINE);
        task->ops->run(loop, task);
    }
}

static void
tell_room(struct wi_loop *loop, struct wi_lane *lane)
{
    struct notice *notice = NULL;

    if (wi_ring_room(lane->take) * 2 >= lane->take->ring.mask) {
        // ORDER(notify) observe: pairs with wi_lane_ask().
        notice = (struct notice *)wi_swap_acq_rel(&lane->notify, (uintptr_t)0);
    }
    if (notice != NULL) {
        wi_loop_post(loop, &notice->task);
    }
}

unsigned
wi_lane_size(const struct wi_lane *lane)
{
    const struct wi_ring *ring = lane->take;
    unsigned size = 0;

    while (ring != NULL) {
        size += wi_ring_size(ring);
        ring = (const struct wi_ring *)wi_load_acquire(&ring->next); // ORDER(grow) observe
    }
    return size;
}

unsigned
wi_lane_drain(struct wi_loop *loop, struct wi_lane *lane, unsigned bound)
{
    void *batch[LANE_BATCH + LANE_PREFETCH];
    unsigned taken = 0;

    // ORDER(mark) publish: the loop is done with the node, the producer may link it again.
    wi_store_release(&lane->marked, false);
    wi_fence_full(); // ORDER(mark), loop half: see wi_lane_send()
    if (wi_unlikely(bound == WI_LANE_ALL)) {
        bound = wi_lane_size(lane); // a producer that keeps putting must not keep us here
    }
    while (taken < bound) {
        unsigned count = wi_ring_take(lane->take, batch, LANE_BATCH);

        if (count == 0 && !ring_follow(lane, batch, &count)) {
            break;
        }
        run_batch(loop, batch, count);
        taken += count;
    }
    if (taken >= bound && wi_lane_size(lane) != 0) {
        wi_lane_mark(lane);
    }
    if (wi_unlikely(wi_load_relaxed(&lane->notify) != 0)) {
        tell_room(loop, lane);
    }
    return taken;
}

// Loop thread. The lane's producer is gone: what it left free is the loop's.
static void
adopt(struct wi_loop *loop, struct wi_op *op, struct wi_lane *lane)
{
    op->home = &loop->cache;
    wi_op_put_back(&loop->cache, op);
    lane->operations--;
}

static void
adopt_list(struct wi_loop *loop, struct wi_lane *lane, struct wi_op *op)
{
    while (op != NULL) {
        struct wi_op *next = (struct wi_op *)(void *)op->task.next;

        adopt(loop, op, lane);
        op = next;
    }
}

static void
bury_if_empty(struct wi_loop *loop, struct wi_lane *lane)
{
    struct wi_lane **link = &loop->orphans;

    if (lane->operations != 0) {
        return;
    }
    while (*link != lane) {
        link = &(*link)->next_orphan;
    }
    *link = lane->next_orphan;
    for (unsigned i = 0; i < WEIR_REFUSALS; i++) {
        wi_count(&loop->counters.refused[i], wi_load_relaxed(&lane->refused[i]));
    }
    wi_count(&loop->counters.inline_done, wi_load_relaxed(&lane->inline_done));
    wi_count(&loop->counters.bytes_sent, wi_load_relaxed(&lane->inline_bytes));
    wi_count(&loop->counters.sends, wi_load_relaxed(&lane->inline_sends));
    wi_lane_destroy(lane);
}

static void
farewell_run(struct wi_loop *loop, struct wi_control *control)
{
    struct wi_lane *lane = wi_container_of(control, struct wi_lane, farewell);

    // The lane may be marked still. Take it out of the stack by serving every marked lane; it is
    // empty then, for nobody puts any more, and nobody marks it again.
    wi_loop_drain(loop, WI_LANE_ALL);
    wi_assert(!wi_load_relaxed(&lane->marked) && wi_lane_size(lane) == 0);
    wi_credit_give_back(loop, lane->credit);
    lane->orphaned = true;
    lane->operations = lane->made;
    lane->next_orphan = loop->orphans;
    loop->orphans = lane;
    adopt_list(loop, lane, lane->cache.free);
    // ORDER(homing) observe: as in wi_op_take_slow(), which nobody calls for this lane any more.
    adopt_list(loop, lane, (struct wi_op *)wi_swap_acquire(&lane->returned, (uintptr_t)0));
    if (!lane->is_homing) {
        bury_if_empty(loop, lane);
    }
}

void
wi_lane_abandon(struct wi_lane *lane)
{
    wi_loop_control(lane->cache.loop, &lane->farewell);
}

void
wi_lane_take_first_home(struct wi_loop *loop, struct wi_lane *lane, struct wi_op *op)
{
    if (wi_unlikely(lane->orphaned)) {
        adopt(loop, op, lane);
        bury_if_empty(loop, lane);
        return;
    }
    op->task.next = NULL;
    lane->homing = op;
    lane->homing_last = op;
    lane->is_homing = true;
    lane->homing_next = loop->homing;
    loop->homing = lane;
}

static void
give_back(struct wi_lane *lane)
{
    uintptr_t head = wi_load_relaxed(&lane->returned);

    do {
        lane->homing_last->task.next = (struct wi_task *)head;
        // ORDER(homing) publish: pairs with wi_op_take_slow().
    } while (!wi_cas_release(&lane->returned, &head, (uintptr_t)lane->homing));
}

void
wi_lanes_return_home(struct wi_loop *loop)
{
    struct wi_lane *lane = loop->homing;

    loop->homing = NULL;
    while (lane != NULL) {
        struct wi_lane *next = lane->homing_next;

        lane->is_homing = false;
        if (lane->orphaned) {
            adopt_list(loop, lane, lane->homing);
            lane->homing = NULL;
            bury_if_empty(loop, lane);
        } else {
            give_back(lane);
            lane->homing = NULL;
        }
        lane = next;
    }
}

static void
notice_run(struct wi_loop *loop, struct wi_task *task)
{
    struct notice *notice = wi_container_of(task, struct notice, task);

    notice->fn(wi_loop_public(loop), notice->arg);
    wi_heap_free(notice);
}

static const struct wi_task_ops notice_ops = {.run = notice_run};

int
wi_lane_ask(struct wi_lane *lane, weir_post_fn *fn, void *arg)
{
    struct notice *notice = wi_heap_alloc(sizeof(*notice));

    if (notice == NULL) {
        return -ENOMEM;
    }
    if (!wi_lane_enter(lane)) {
        wi_heap_free(notice);
        return -WEIR_EENDED;
    }
    *notice = (struct notice){.task.ops = &notice_ops, .fn = fn, .arg = arg};
    // ORDER(notify) publish: pairs with tell_room().
    wi_heap_free((void *)wi_swap_acq_rel(&lane->notify, (uintptr_t)notice));
    // ORDER(mark), producer half: the request is there before the mark is looked at. The lane may
    // have been emptied meanwhile: let the loop look.
    wi_fence_full();
    wi_lane_mark(lane);
    wi_lane_leave(lane);
    return 0;
}
