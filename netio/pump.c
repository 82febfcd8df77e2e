/* SPDX-License-Identifier: MIT */

#include "netio/pump.h"

#include "netio/pipe.h"

#include <errno.h>

// The life of pumps: starting, ending, and what can be asked meanwhile. pump_flow.c moves.

#define BUFFER_DEFAULT (256u * 1024)
#define ABORT_ASKED    UINT64_C(1) // of wi_pump.word

static uint64_t
handle_of(const struct wi_pump *pump, uint64_t word)
{
    return wi_handle(WI_HANDLE_PUMP, pump->sides[0].loop->runtime->index, pump->slot,
                     (uint32_t)(word >> 1));
}

/* ---- slots ---- */

int
wi_pumps_init(struct wi_runtime *runtime)
{
    return wi_slots_init(&runtime->pumps, WI_PUMP_SEGMENT, sizeof(struct wi_pump),
                         offsetof(struct wi_pump, next_free));
}

static struct wi_pump *
take_slot(struct wi_runtime *runtime)
{
    uint32_t first = wi_free_take(&runtime->pumps, &runtime->free_pumps);
    struct wi_pump *segment;

    if (first != WI_SLOT_NONE) {
        return wi_slots_at(&runtime->pumps, first);
    }
    segment = wi_slots_grow(&runtime->pumps, &first);
    if (segment == NULL) {
        return NULL;
    }
    for (uint32_t i = 0; i < WI_PUMP_SEGMENT; i++) {
        segment[i].slot = first + i;
    }
    wi_slots_publish(&runtime->pumps, first, segment);
    for (uint32_t i = 1; i < WI_PUMP_SEGMENT; i++) {
        wi_free_put(&runtime->pumps, &runtime->free_pumps, first + i);
    }
    return segment;
}

void
wi_pump_unref(struct wi_pump *pump)
{
    struct wi_runtime *runtime = pump->sides[0].loop->runtime;
    uint32_t before;

    if (wi_likely(pump->has_one_loop)) {
        before = wi_load_relaxed(&pump->refs);
        wi_store_relaxed(&pump->refs, before - 1);
    } else {
        // ORDER(pump) both ways: what each holder did comes before the slot is used again.
        before = wi_sub_acq_rel(&pump->refs, 1);
    }
    if (before == 1 && (wi_load_relaxed(&pump->word) >> 1) < WI_GENERATION_MAX - 1) {
        wi_free_put(&runtime->pumps, &runtime->free_pumps, pump->slot); // else: retired
    }
}

// The pump a handle names, and its word; NULL: stale.
static struct wi_pump *
find(weir_pump_handle handle, uint64_t *ret_word)
{
    struct wi_runtime *runtime = wi_runtime_by_handle(handle.bits, WI_HANDLE_PUMP);
    struct wi_pump *pump =
        runtime == NULL ? NULL : wi_slots_at(&runtime->pumps, wi_handle_slot(handle.bits));

    if (pump == NULL) {
        return NULL;
    }
    *ret_word = wi_load_acquire(&pump->word); // ORDER(pump) observe: pairs with weir_pump_start()
    return (uint32_t)(*ret_word >> 1) == wi_handle_generation(handle.bits) && (*ret_word & 2)
               ? pump
               : NULL;
}

/* ---- telling ---- */

static int
status_of(const struct wi_pump_side *side, enum weir_origin *ret_origin)
{
    uint64_t reason = wi_load_relaxed(&side->reason);

    *ret_origin = (enum weir_origin)(reason >> 32);
    return -(int)(uint32_t)reason;
}

static struct weir_pump_flow
look_at_flow(const struct wi_pump *pump, const struct wi_pump_flow *flow, uint64_t now_ns)
{
    uint64_t ended_ns = wi_load_relaxed(&flow->ended_ns);

    return (struct weir_pump_flow){
        .bytes = wi_load_relaxed(&flow->taken),
        .sent = wi_load_relaxed(&flow->sent),
        .operations = wi_load_relaxed(&flow->operations),
        .duration_ns = (ended_ns != 0 ? ended_ns : now_ns) - wi_load_relaxed(&pump->started_ns),
        .ended = wi_flow_has(flow, WI_FLOW_ENDED),
        .ambiguous = wi_flow_has(flow, WI_FLOW_AMBIGUOUS),
    };
}

static struct weir_pump_stats
look_at(const struct wi_pump *pump, uint64_t now_ns)
{
    struct weir_pump_stats stats = {
        .a_to_b = look_at_flow(pump, &pump->flows[0], now_ns),
        .b_to_a = look_at_flow(pump, &pump->flows[1], now_ns),
    };

    stats.status_a = status_of(&pump->sides[0], &stats.origin_a);
    stats.status_b = status_of(&pump->sides[1], &stats.origin_b);
    return stats;
}

// Home, among user code. The handle goes stale, unless an abort has been asked for whose control
// has not come yet: that would find the next pump in the slot.
static void
last_run(struct wi_loop *loop, struct wi_task *task)
{
    struct wi_pump *pump = wi_container_of(task, struct wi_pump, last);
    uint64_t word = wi_load_relaxed(&pump->word) & ~ABORT_ASKED;
    struct weir_pump_stats stats;

    if (!wi_cas_acq_rel(&pump->word, &word, word + 2)) { // ORDER(pump) both ways: see above
        pump->waits_for_abort = true;
        return;
    }
    stats = look_at(pump, loop->now_ns);
    stats.status = pump->status;
    if (pump->done != NULL) {
        pump->done(&stats, pump->arg);
    }
    loop->open_things--;
    wi_pump_unref(pump);
}

static const struct wi_task_ops last_ops = {.run = last_run};

/* ---- taking streams over, and giving them back ---- */

struct wi_pump_side *
wi_pump_side_of(const struct wi_stream *stream)
{
    return stream->handlers == &wi_pump_handlers ? stream->user : NULL;
}

// What else would take its input.
static bool
is_busy(const struct wi_stream *stream)
{
    const struct wi_stream_extra *extra = stream->extra;

    return wi_pump_side_of(stream) != NULL || (stream->flags & WI_S_DATA_PENDING) ||
           (extra != NULL && (extra->pulls != NULL || extra->provided != NULL));
}

static void
take(struct wi_pump_side *side, struct wi_gate *gate)
{
    struct wi_stream *stream = wi_stream_of(gate);

    side->handlers = stream->handlers;
    side->user = stream->user;
    side->is_taken = true;
    weir_stream_set_handlers(side->stream, &wi_pump_handlers, side);
    if (stream->flags & WI_S_EOF_TOLD) { // to others: it is told once more
        stream->flags &= ~(unsigned)WI_S_EOF_TOLD;
        wi_stream_event(side->loop, stream, WI_EVENT_READ);
    }
    weir_resume(side->stream); // takes back a pause that is on its way, too
}

// The loop of b, which is not a's. The gate has been held since the start.
static void
take_there(struct wi_pump_side *side)
{
    struct wi_pump *pump = wi_pump_of_side(side);
    struct wi_gate *gate = wi_gate_find(side->stream.bits);

    if (gate != NULL && !is_busy(wi_stream_of(gate))) {
        take(side, gate);
        return;
    }
    wi_side_failed(side, gate == NULL ? -WEIR_ESTALE : -EBUSY, WEIR_ORIGIN_LOCAL_CLOSE);
    wi_flow_end(&pump->flows[0]);
    wi_flow_end(&pump->flows[1]);
}

static void
give_back(struct wi_pump_side *side)
{
    struct wi_pump_flow *flow = &wi_pump_of_side(side)->flows[side->index];
    struct wi_gate *gate = wi_gate_find(side->stream.bits);
    struct wi_stream *stream = gate == NULL ? NULL : wi_stream_of(gate);

    wi_wheel_disarm(&side->loop->wheel, &flow->timer);
    if (flow->pipe_size != 0) { // nobody was given what is in it
        wi_pipe_drop(flow->pipe);
        flow->pipe = NULL;
        flow->pipe_size = 0;
    }
    if (stream == NULL || wi_pump_side_of(stream) != side) {
        return;
    }
    if (stream->read_blocks == WI_READ_SPLICES) {
        stream->read_blocks = 1;
    }
    stream->handlers = NULL;
    weir_stream_set_handlers(side->stream, side->handlers, side->user);
    if (stream->flags & WI_S_PAUSED) {
        weir_resume(side->stream);
    }
}

/* ---- ending ---- */

static void
ask(struct wi_pump_side *side, uint32_t what)
{
    // ORDER(pending) both ways: who sets the first bit pushes the node; side_run() takes the bits
    // after the node came off the stack.
    if (wi_or_acq_rel(&side->asked, what) == 0) {
        wi_loop_control(side->loop, &side->control);
    }
}

void
wi_side_failed(struct wi_pump_side *side, int status, enum weir_origin origin)
{
    uint64_t none = 0;

    wi_cas_relaxed(&side->reason, &none, (uint64_t)origin << 32 | (uint32_t)-status);
}

void
wi_flow_end(struct wi_pump_flow *flow)
{
    struct wi_pump *pump = wi_pump_of_flow(flow);

    if (wi_or_acq_rel(&flow->marks, WI_FLOW_OVER) & WI_FLOW_OVER) {
        return;
    }
    wi_store_relaxed(&flow->ended_ns, wi_tls.loop->now_ns);
    // ORDER(pump) both ways: the second one sees all that the first one's loop did.
    if (wi_sub_acq_rel(&pump->flows_open, 1) == 1) {
        ask(&pump->sides[pump->has_one_loop ? 0 : 1], WI_PUMP_LEAVE);
    }
}

// Home.
static void
end_both(struct wi_pump *pump, int status)
{
    if (wi_load_relaxed(&pump->flows_open) != 0) {
        pump->status = status;
        wi_flow_end(&pump->flows[0]);
        wi_flow_end(&pump->flows[1]);
    }
}

static void
leave(struct wi_loop *loop, struct wi_pump_side *side)
{
    struct wi_pump *pump = wi_pump_of_side(side);

    if (side->index == 1) {
        give_back(side);
        ask(&pump->sides[0], WI_PUMP_LEAVE);
        return;
    }
    if (pump->has_one_loop) {
        give_back(&pump->sides[1]);
    }
    give_back(side);
    wi_wheel_disarm(&loop->wheel, &pump->timer);
    wi_loop_post(loop, &pump->last);
}

static void
side_run(struct wi_loop *loop, struct wi_control *control)
{
    struct wi_pump_side *side = wi_container_of(control, struct wi_pump_side, control);
    struct wi_pump *pump = wi_pump_of_side(side);
    uint32_t asked = wi_swap_acq_rel(&side->asked, 0); // ORDER(pending): see ask()

    if (asked & WI_PUMP_TAKE) {
        struct wi_gate *gate = side->gate;

        take_there(side);
        wi_gate_leave(gate);
    }
    if (asked & WI_PUMP_ABORT) {
        end_both(pump, -ECANCELED);
        wi_and_acq_rel(&pump->word, ~ABORT_ASKED);
        if (pump->waits_for_abort) {
            pump->waits_for_abort = false;
            wi_loop_post(loop, &pump->last);
        }
    }
    if (asked & WI_PUMP_LEAVE) {
        leave(loop, side);
    }
}

/* ---- time ---- */

static uint64_t
next_deadline(const struct wi_pump *pump)
{
    uint64_t idle = pump->idle_ns == 0 ? WEIR_NEVER
                    : pump->idle_ns > WEIR_NEVER - wi_load_relaxed(&pump->moved_ns)
                        ? WEIR_NEVER
                        : wi_load_relaxed(&pump->moved_ns) + pump->idle_ns;

    return idle < pump->deadline_ns ? idle : pump->deadline_ns;
}

static void
arm(struct wi_pump *pump, struct wi_loop *loop)
{
    uint64_t deadline = next_deadline(pump);

    if (deadline != WEIR_NEVER) {
        wi_wheel_arm(&loop->wheel, &pump->timer, WI_TIMER_PUMP, deadline);
    }
}

// Bytes that moved have not touched the timer: it looks when it is due.
void
wi_pump_timer_fired(struct wi_loop *loop, struct wi_timer *timer)
{
    struct wi_pump *pump = wi_container_of(timer, struct wi_pump, timer);

    if (loop->now_ns >= next_deadline(pump)) {
        end_both(pump, -ETIMEDOUT);
    } else {
        arm(pump, loop);
    }
}

/* ---- public ---- */

static void
set_up_side(struct wi_pump *pump, uint8_t index, weir_stream stream, struct wi_gate *gate)
{
    pump->sides[index] = (struct wi_pump_side){
        .stream = stream,
        .gate = gate,
        .loop = gate->loop,
        .control.run = side_run,
        .index = index,
    };
    pump->flows[index] = (struct wi_pump_flow){.index = index};
}

static void
set_up(struct wi_pump *pump, const struct weir_pump *request, struct wi_gate *a, struct wi_gate *b)
{
    struct wi_loop *home = a->loop;

    pump->has_one_loop = home == b->loop;
    pump->may_splice = pump->has_one_loop && !(request->flags & WEIR_PUMP_NO_SPLICE);
    pump->waits_for_abort = false;
    pump->status = 0;
    pump->buffer = request->buffer != 0 ? request->buffer : BUFFER_DEFAULT;
    pump->idle_ns = request->idle_ns;
    pump->deadline_ns = request->deadline_ns != 0 ? request->deadline_ns : WEIR_NEVER;
    wi_store_relaxed(&pump->started_ns, home->now_ns);
    pump->done = request->done;
    pump->arg = request->arg;
    pump->timer = (struct wi_timer){0};
    pump->last.ops = &last_ops;
    wi_store_relaxed(&pump->moved_ns, home->now_ns);
    wi_store_relaxed(&pump->refs, 1);
    wi_store_relaxed(&pump->flows_open, 2);
    set_up_side(pump, 0, request->a, a);
    set_up_side(pump, 1, request->b, b);
}

static int
check_start(const struct wi_gate *a, const struct wi_gate *b)
{
    if (a == NULL || b == NULL) {
        return wi_stale();
    }
    if (a->loop->runtime != b->loop->runtime) {
        return -EINVAL;
    }
    if (!wi_on_loop(a->loop)) {
        return -EXDEV;
    }
    if (is_busy(wi_stream_of((struct wi_gate *)(uintptr_t)a)) ||
        (a->loop == b->loop && is_busy(wi_stream_of((struct wi_gate *)(uintptr_t)b)))) {
        return -EBUSY;
    }
    return 0;
}

static int
start(const struct weir_pump *request, struct wi_gate *a, struct wi_gate *b,
      weir_pump_handle *ret_pump)
{
    struct wi_loop *home = a->loop;
    struct wi_pump *pump;

    if (a->loop != b->loop && wi_gate_hold(request->b.bits) == NULL) { // until it is taken
        return wi_stale();
    }
    pump = take_slot(home->runtime);
    if (pump == NULL) {
        if (a->loop != b->loop) {
            wi_gate_leave(b);
        }
        return -ENOMEM;
    }
    set_up(pump, request, a, b);
    // ORDER(pump) publish: who finds the generation finds the pump set up.
    wi_store_release(&pump->word, wi_load_relaxed(&pump->word) + 2);
    if (ret_pump != NULL) {
        ret_pump->bits = handle_of(pump, wi_load_relaxed(&pump->word));
    }
    home->open_things++;
    arm(pump, home);
    take(&pump->sides[0], a);
    if (pump->has_one_loop) {
        take(&pump->sides[1], b);
    } else {
        ask(&pump->sides[1], WI_PUMP_TAKE);
    }
    return 0;
}

int
weir_pump_start(const struct weir_pump *request, weir_pump_handle *ret_pump)
{
    struct wi_gate *a;
    struct wi_gate *b;
    int result;

    if (wi_is_forked()) {
        return -ECHILD;
    }
    if (request == NULL || (request->flags & ~(unsigned)WEIR_PUMP_NO_SPLICE) != 0 ||
        request->a.bits == request->b.bits) {
        return -EINVAL;
    }
    a = wi_gate_find(request->a.bits);
    b = wi_gate_find(request->b.bits);
    result = check_start(a, b);
    return result < 0 ? result : start(request, a, b, ret_pump);
}

int
weir_pump_abort(weir_pump_handle handle)
{
    uint64_t word;
    struct wi_pump *pump = find(handle, &word);

    if (pump == NULL) {
        return wi_stale();
    }
    while (!(word & ABORT_ASKED)) {
        // ORDER(pump) both ways: while the bit is set the slot stays this pump's.
        if (wi_cas_acq_rel(&pump->word, &word, word | ABORT_ASKED)) {
            ask(&pump->sides[0], WI_PUMP_ABORT);
            return 0;
        }
        if ((uint32_t)(word >> 1) != wi_handle_generation(handle.bits)) {
            return -WEIR_ESTALE;
        }
    }
    return 0;
}

int
weir_pump_look(weir_pump_handle handle, struct weir_pump_stats *ret_stats)
{
    uint64_t word;
    struct wi_pump *pump = find(handle, &word);
    struct weir_pump_stats stats;

    if (pump == NULL) {
        return wi_stale();
    }
    if (ret_stats == NULL) {
        return -EINVAL;
    }
    stats = look_at(pump, wi_os_now_ns());
    if (find(handle, &word) == NULL) { // it ended meanwhile, and these may be the next one's
        return -WEIR_ESTALE;
    }
    *ret_stats = stats;
    return 0;
}
