/* SPDX-License-Identifier: MIT */

#include "netio/http/pull.h"

#include "mem/heap.h"
#include "netio/http/home.h"
#include "netio/http/serve.h"

#include <errno.h>
#include <string.h>

#define ROOM_OF_CHAIN (64u << 10)

/* A read. What may take it back (its handle, a token, its deadline) is a timer of the loop's; a
 * completion and a cancel are decided by who gets the timer. */
struct wi_http_pull {
    struct wi_http_pull *next;
    weir_http http;
    struct weir_http_read request;
    struct weir_http_read_result result;
    weir_op timer;
    wi_atomic_u32 refs;        // by its completion, its timer, its post
    wi_atomic_u32 post_status; // negated: why it could not be posted
    bool has_timer;
    bool is_listed; // among its connection's
    bool is_told;   // the completion has been called
};

/* ---- its life ---- */

static void
pull_drop(struct wi_http_pull *pull)
{
    // ORDER(httppull) both ways: who frees it comes after the others' last use.
    if (wi_sub_acq_rel(&pull->refs, 1) == 1) {
        wi_heap_free(pull);
    }
}

static void
pull_tell(struct wi_http_pull *pull, int status)
{
    pull->is_told = true;
    pull->result.status = status;
    pull->result.op = pull->timer;
    pull->request.done(pull->http, &pull->result, pull->request.arg);
    pull_drop(pull);
}

// Off its connection's list, wherever it stands.
static void
pull_unlist(struct wi_http_conn *conn, struct wi_http_pull *pull)
{
    struct wi_http_pull **link = &conn->live->pulls;
    struct wi_http_pull *previous = NULL;

    while (*link != pull) {
        previous = *link;
        link = &(*link)->next;
    }
    *link = pull->next;
    if (conn->live->pulls_last == pull) {
        conn->live->pulls_last = previous;
    }
    pull->is_listed = false;
}

// It is over. A canceller that was told it won has it: then the timer's function tells.
static void
pull_complete(struct wi_http_conn *conn, struct wi_http_pull *pull, int status)
{
    pull_unlist(conn, pull);
    if (pull->has_timer && weir_cancel(pull->timer) != WEIR_CANCEL_WON) {
        return;
    }
    pull_tell(pull, status);
}

static struct wi_http_conn *
conn_of(const struct wi_http_pull *pull)
{
    int status;

    return wi_http_conn_here(pull->http, &status);
}

static void
on_timer(struct weir_loop *loop, int status, void *arg)
{
    struct wi_http_pull *pull = arg;
    struct wi_http_conn *conn = pull->is_listed ? conn_of(pull) : NULL;

    (void)loop;
    if (!pull->is_told) {
        // ORDER(httppull) observe: it was never posted, and this is how that is told.
        int refused = -(int)wi_load_acquire(&pull->post_status);

        if (conn != NULL) {
            pull_unlist(conn, pull);
        }
        pull_tell(pull, refused != 0 ? refused : status == 0 ? -ETIMEDOUT : status);
        if (conn != NULL) {
            wi_http_conn_continue(conn);
        }
    }
    // Its completion dropped another reference: NOLINTNEXTLINE(clang-analyzer-unix.Malloc)
    pull_drop(pull);
}

/* ---- bytes ---- */

size_t
wi_http_pull_room(const struct wi_http_conn *conn)
{
    const struct wi_http_pull *pull = conn->live->pulls;
    size_t wanted = pull->request.size;

    if (pull->request.buffer == NULL && wanted == 0) {
        wanted = pull->result.size + ROOM_OF_CHAIN;
    }
    return wanted - pull->result.size;
}

void
wi_http_pull_put(struct wi_http_conn *conn, const char *data, size_t size)
{
    struct wi_http_pull *pull = conn->live->pulls;

    if (pull->request.buffer != NULL) {
        memcpy((char *)pull->request.buffer + pull->result.size, data, size);
    } else if (weir_chain_append(&pull->result.chain, data, size) < 0) {
        wi_http_conn_abort(conn, -ENOMEM, WEIR_ORIGIN_MEMORY); // a hole would be worse
        return;
    }
    pull->result.size += size;
    if (pull->request.size != 0 && pull->result.size == pull->request.size) {
        pull_complete(conn, pull, 0);
    }
}

void
wi_http_pull_settle(struct wi_http_conn *conn)
{
    struct wi_http_pull *pull = conn->live->pulls;
    size_t wanted;

    if (pull == NULL) {
        return;
    }
    wanted = pull->request.size_min != 0 ? pull->request.size_min : 1;
    if (pull->result.size >= wanted) {
        pull_complete(conn, pull, 0);
    }
}

void
wi_http_pull_end(struct wi_http_conn *conn, int status)
{
    while (conn->live != NULL && conn->live->pulls != NULL) { // one told may have ended it
        struct wi_http_pull *pull = conn->live->pulls;

        pull->result.eof = status == 0;
        pull_complete(conn, pull, status);
    }
}

/* ---- asking ---- */

static bool
is_at_end(const struct wi_http_conn *conn)
{
    return !(wi_http_flags(conn) & WI_HTTP_RECEIVING) &&
           (!(wi_http_flags(conn) & WI_HTTP_CLIENT) || (wi_http_flags(conn) & WI_HTTP_FINAL));
}

static void post_continue(struct weir_loop *loop, void *arg);

// A client that waits for it must get it, unless a final response has been begun: else nothing of
// the body would ever come.
static void
send_continue(struct wi_http_conn *conn)
{
    struct weir_http_head head = {.status = 100};
    weir_http http = wi_http_handle(conn);
    int result;

    if (!(wi_http_flags(conn) & WI_HTTP_WANTS_100)) {
        return;
    }
    result = weir_http_interim(http, &head);
    if (result == -EBUSY) { // another thread is inside, and leaves it in a moment
        result = weir_post(conn->home->base.loop, post_continue, (void *)(uintptr_t)http.bits);
    } else if (result == 0 || result == -EALREADY || result == -WEIR_EENDED) {
        wi_http_clear(conn, WI_HTTP_WANTS_100);
        result = 0;
    }
    if (result < 0) {
        wi_http_conn_abort(conn, result, WEIR_ORIGIN_MEMORY);
    }
}

static void
post_continue(struct weir_loop *loop, void *arg)
{
    int status;
    struct wi_http_conn *conn =
        wi_http_conn_here((weir_http){.bits = (uint64_t)(uintptr_t)arg}, &status);

    (void)loop;
    if (conn != NULL) {
        send_continue(conn);
    }
}

// On the loop: into the list, and what has arrived into it.
static void
pull_arrive(struct wi_http_pull *pull)
{
    struct wi_http_conn *conn = conn_of(pull);

    if (pull->is_told) { // cancelled on the way
        return;
    }
    pull->is_listed = conn != NULL;
    if (conn == NULL) {
        if (!pull->has_timer || weir_cancel(pull->timer) == WEIR_CANCEL_WON) {
            pull_tell(pull, -WEIR_ESTALE);
        }
        return;
    }
    pull->next = NULL;
    if (conn->live->pulls_last != NULL && conn->live->pulls != NULL) {
        conn->live->pulls_last->next = pull;
    } else {
        conn->live->pulls = pull;
    }
    conn->live->pulls_last = pull;
    if (pull->request.buffer != NULL && pull->request.size == 0 && conn->live->pulls == pull) {
        pull_complete(conn, pull, 0); // nothing is wanted, and it is no end
        return;
    }
    if (is_at_end(conn)) {
        wi_http_pull_end(conn, 0);
        return;
    }
    send_continue(conn);
    wi_http_conn_continue(conn);
}

static void
post_arrive(struct weir_loop *loop, void *arg)
{
    (void)loop;
    pull_arrive(arg);
    // Its completion dropped another reference: NOLINTNEXTLINE(clang-analyzer-unix.Malloc)
    pull_drop(arg);
}

static int
check_read(const struct weir_http_read *request)
{
    bool has_bound = request->buffer != NULL || request->size != 0;

    return request->done == NULL || (has_bound && request->size_min > request->size) ? -EINVAL : 0;
}

// A handle is only made where somebody can use it.
static int
start_timer(struct wi_http_pull *pull, struct weir_loop *loop, bool is_named)
{
    uint64_t deadline_ns = pull->request.deadline_ns;
    struct weir_timer timer = {
        .deadline_ns = deadline_ns != 0 ? deadline_ns : WEIR_NEVER,
        .fn = on_timer,
        .arg = pull,
        .token = pull->request.token,
    };
    int result = 0;

    if (is_named || timer.deadline_ns != WEIR_NEVER || timer.token.bits != 0) {
        pull->has_timer = true;
        wi_add_relaxed(&pull->refs, 1);
        result = weir_timer_start(loop, &timer, &pull->timer);
    }
    return result;
}

// What has a timer is accepted: if it cannot be posted, its timer tells that.
static int
pull_post(struct wi_http_pull *pull, struct weir_loop *loop)
{
    bool has_timer = pull->has_timer;
    weir_op timer = pull->timer;
    int result = weir_post(loop, post_arrive, pull);

    if (result == 0) {
        return 0;
    }
    if (!has_timer) {
        wi_heap_free(pull);
        return result;
    }
    // ORDER(httppull) publish: why, before the timer is asked to tell it.
    wi_store_release(&pull->post_status, (uint32_t)-result);
    weir_cancel(timer);
    pull_drop(pull);
    return 0;
}

static int
pull_start(weir_stream stream, weir_http http, const struct weir_http_read *request,
           weir_op *ret_op)
{
    struct weir_loop *loop = weir_stream_loop(stream);
    struct wi_http_pull *pull = loop == NULL ? NULL : wi_heap_alloc(sizeof(*pull));
    int result;

    if (pull == NULL) {
        return loop == NULL ? -WEIR_ESTALE : -ENOMEM;
    }
    *pull = (struct wi_http_pull){.http = http, .request = *request};
    pull->result.buffer = request->buffer;
    wi_store_relaxed(&pull->refs, 2);
    result = start_timer(pull, loop, ret_op != NULL);
    if (result < 0) {
        wi_heap_free(pull);
        return result;
    }
    if (ret_op != NULL) {
        *ret_op = pull->timer;
    }
    return pull_post(pull, loop);
}

int
weir_http_read(weir_http http, const struct weir_http_read *request, weir_op *ret_op)
{
    const unsigned all =
        1u << WI_HTTP_OPEN | 1u << WI_HTTP_BODY | 1u << WI_HTTP_BUSY | 1u << WI_HTTP_DONE;
    struct wi_http_conn *conn;
    uint64_t entered;
    int result = request == NULL ? -EINVAL : check_read(request);

    if (result == 0) {
        result = wi_http_enter(http, all, &conn, &entered);
    }
    if (result < 0) {
        return result;
    }
    result = conn->side->handlers->body != NULL
                 ? -EBUSY
                 : pull_start(wi_http_stream(conn), http, request, ret_op);
    wi_http_leave(conn, entered);
    return result;
}
