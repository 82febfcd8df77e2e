/* SPDX-License-Identifier: MIT */

#include "netio/http/out.h"

// What was answered before an abort has so long to leave.
#define LAST_NS UINT64_C(1000000000)

static struct wi_http_out *
out_of(const struct wi_http_conn *conn)
{
    return &conn->home->out;
}

// What is in the block that is being filled goes to the chain with it.
static void
close_block(struct wi_http_out *out)
{
    struct weir_block *block = out->block;
    size_t size = WEIR_BLOCK_SIZE - out->room;

    if (block == NULL) {
        return;
    }
    out->block = NULL;
    out->room = 0;
    if (wi_unlikely(size == 0 || weir_chain_append_block(&out->chain, block, size) < 0)) {
        weir_block_return(block);
    }
}

static char *
fresh_room(struct wi_http_conn *conn, size_t size)
{
    struct wi_http_out *out = out_of(conn);
    struct weir_block *block = size <= WEIR_BLOCK_SIZE ? weir_block_lease(WEIR_BLOCK_SIZE) : NULL;

    if (block == NULL) {
        return NULL;
    }
    close_block(out);
    out->conn = conn;
    out->block = block;
    out->at = (char *)weir_block_data(block);
    out->room = WEIR_BLOCK_SIZE;
    return out->at;
}

char *
wi_http_out_room(struct wi_http_conn *conn, size_t size)
{
    return wi_likely(size <= out_of(conn)->room) ? out_of(conn)->at : fresh_room(conn, size);
}

int
wi_http_out_append(struct wi_http_conn *conn, const void *data, size_t size)
{
    struct wi_http_out *out = out_of(conn);

    close_block(out);
    out->conn = conn;
    return weir_chain_append(&out->chain, data, size);
}

void
wi_http_out_splice(struct wi_http_conn *conn, struct weir_chain *chain)
{
    struct wi_http_out *out = out_of(conn);

    close_block(out);
    out->conn = conn;
    weir_chain_splice(&out->chain, chain);
}

// All there is goes to the chain. False: there is nothing.
static bool
close_out(struct wi_http_conn *conn)
{
    struct wi_http_out *out = out_of(conn);

    if (out->conn != conn) {
        return false;
    }
    close_block(out);
    out->conn = NULL;
    return out->chain.head != NULL;
}

static int
not_submitted(struct wi_http_conn *conn, int result)
{
    weir_chain_return(&out_of(conn)->chain);
    weir_close(wi_http_stream(conn), WEIR_CLOSE_ABORT, 0, 0);
    return result;
}

int
wi_http_out_flush(struct wi_http_conn *conn)
{
    int result;

    if (!close_out(conn)) {
        return 0;
    }
    result = weir_write_chain(wi_http_stream(conn), &out_of(conn)->chain, NULL, NULL);
    return wi_likely(result >= 0) ? result : not_submitted(conn, result);
}

static void
last_sent(weir_stream stream, const struct weir_result *result, void *arg)
{
    (void)result;
    (void)arg;
    weir_close(stream, WEIR_CLOSE_ABORT, 0, 0);
}

void
wi_http_out_abort(struct wi_http_conn *conn)
{
    struct weir_write write = {.chain = &out_of(conn)->chain, .done = last_sent};
    int result;

    if (!close_out(conn)) {
        weir_close(wi_http_stream(conn), WEIR_CLOSE_ABORT, 0, 0);
        return;
    }
    write.deadline_ns = weir_loop_now_ns(conn->home->base.loop) + LAST_NS;
    result = weir_write(wi_http_stream(conn), &write, NULL);
    if (result < 0) {
        not_submitted(conn, result);
    }
}

void
wi_http_out_drop(struct wi_http_conn *conn)
{
    struct wi_http_out *out = out_of(conn);

    if (out->conn == conn) {
        close_block(out);
        weir_chain_return(&out->chain);
        out->conn = NULL;
    }
}
